/* src/cli/guess.c    What the fields of unknown records probably are; for `init`. */
#include "driftd/internal/cli/guess.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Names by role, best first.  A `*` at the end: any name that begins so. */
static const char *const names[DRIFT_N_GUESS][16] = {
    [DRIFT_GUESS_ID] = {"event_id", "eventid", "id", "uuid", "event_uuid", "request_id", "message_id", "transaction_id",
                        "alert_id"},
    [DRIFT_GUESS_TIME] = {"event_time", "ts", "timestamp", "time", "@timestamp", "eventtime", "event_ts", "occurred_at",
                          "scored_at", "labelled_at", "labeled_at", "created_at", "datetime", "date"},
    [DRIFT_GUESS_MODEL] = {"model", "model_name", "model_id", "detector"},
    [DRIFT_GUESS_MODEL_VERSION] = {"model_version", "model_ver", "version"},
    [DRIFT_GUESS_FEATURES_VERSION] = {"features_version", "feature_version", "pipeline_version"},
    [DRIFT_GUESS_PROMPT_VERSION] = {"prompt_version"},
    [DRIFT_GUESS_THRESHOLD_VERSION] = {"threshold_version", "thresholds_version"},
    [DRIFT_GUESS_SCORE] = {"score", "risk_score", "model_score", "anomaly_score", "probability", "proba", "prob",
                           "confidence"},
    [DRIFT_GUESS_DECISION] = {"decision", "action", "verdict", "outcome", "prediction", "predicted", "predicted_label"},
    [DRIFT_GUESS_LABEL] = {"label", "ground_truth", "true_label", "truth", "target", "is_*"},
    [DRIFT_GUESS_SOURCE] = {"source", "sensor", "tenant", "region", "site", "origin"},
    [DRIFT_GUESS_LATENCY] = {"latency", "latency_ms", "inference_ms", "latency_us", "took_ms", "duration_ms"},
};
static const char *const objects[] = {"features", "feature_values", "inputs", "input", "x"};

void drift_guess_init(struct drift_guess *g)
{
    *g = (struct drift_guess){0};
    for (int r = 0; r < DRIFT_N_GUESS; r++)
        g->role[r] = -1;
}

void drift_guess_release(struct drift_guess *g)
{
    for (size_t i = 0; i < g->n_columns; i++) {
        for (uint32_t k = 0; k < g->columns[i].n_values; k++)
            free(g->columns[i].values[k]);
        free(g->columns[i].path);
    }
    free(g->columns);
    free(g->object);
    free(g->features);
    *g = (struct drift_guess){0};
}

/* ---- collecting ---- */

static struct drift_guess_column *column_of(struct drift_guess *g, const char *path)
{
    for (size_t i = 0; i < g->n_columns; i++)
        if (!strcmp(g->columns[i].path, path))
            return &g->columns[i];
    if (g->n_columns == DRIFT_GUESS_COLUMNS)
        return NULL;
    if (!(g->n_columns & (g->n_columns - 1)))
        g->columns = drift_xrealloc(g->columns, g->n_columns ? 2 * g->n_columns : 1, sizeof *g->columns);
    struct drift_guess_column *c = &g->columns[g->n_columns++];
    *c = (struct drift_guess_column){.path = drift_xstrdup(path), .whole = true, .times = true};
    return c;
}

static void text_value(struct drift_guess_column *c, struct drift_str s)
{
    int64_t ms;
    c->times = c->times && drift_time_parse(s.p, s.n, &ms);
    for (uint32_t i = 0; i < c->n_values; i++)
        if (drift_str_eq(s, c->values[i]))
            return;
    if (c->n_values == DRIFT_GUESS_VALUES)
        c->more = true;
    else
        c->values[c->n_values++] = drift_xstrndup(s.p, s.n);
}

/* Paths that a configuration cannot name. */
static bool usable(const char *path)
{
    size_t n = strlen(path);
    if (!n || n > DRIFT_NAME_MAX || path[0] == '.' || path[n - 1] == '.' || strstr(path, ".."))
        return false;
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return false;
    json_t *text = json_string(path); /* NULL: not UTF-8 */
    json_decref(text);
    return text != NULL;
}

void drift_guess_leaf(void *ctx, const char *path, enum drift_value_kind kind, double num, struct drift_str str)
{
    struct drift_guess_column *c = usable(path) ? column_of(ctx, path) : NULL;
    if (!c)
        return;
    switch (kind) {
    case DRIFT_V_NUM:
        c->min = c->n_num ? fmin(c->min, num) : num;
        c->max = c->n_num ? fmax(c->max, num) : num;
        c->whole = c->whole && num == floor(num);
        c->n_num++;
        break;
    case DRIFT_V_STR:
        c->n_text++;
        text_value(c, str);
        break;
    case DRIFT_V_BOOL:
        c->n_bool++;
        break;
    case DRIFT_V_NULL:
        c->n_null++;
        break;
    default:
        c->n_other++;
    }
}

void drift_guess_record(struct drift_guess *g)
{
    g->n_records++;
}

/* ---- answering ---- */

bool drift_guess_numeric(const struct drift_guess_column *c)
{
    return c->n_num >= c->n_text + c->n_bool;
}

bool drift_guess_identifier(const struct drift_guess *g, const struct drift_guess_column *c)
{
    /* more texts than are kept, in most records, and they look like made ones: eight bytes or more with a digit */
    return c->more && !c->times && !c->n_num && 2 * c->n_text > g->n_records && strlen(c->values[0]) >= 8 &&
           strpbrk(c->values[0], "0123456789");
}

const char *drift_guess_name(const struct drift_guess *g, const struct drift_guess_column *c)
{
    return g->object ? c->path + strlen(g->object) + 1 : c->path;
}

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

static bool below(const char *path, const char *object)
{
    size_t n = strlen(object);
    return !strncmp(path, object, n) && path[n] == '.';
}

static bool named(const char *path, const char *pattern)
{
    const char *name = last_part(path);
    size_t n = strlen(pattern);
    return pattern[n - 1] == '*' ? !strncasecmp(name, pattern, n - 1) : !strcasecmp(name, pattern);
}

static size_t depth(const char *path)
{
    size_t n = 0;
    for (; *path; path++)
        n += *path == '.';
    return n;
}

/* Unit of a numeric time, by its size: everything must lie between 1990 and 2100. */
static bool number_unit(const struct drift_guess_column *c, enum drift_time_unit *ret)
{
    static const struct {
        enum drift_time_unit unit;
        double per_s;
    } units[] = {{DRIFT_TIME_S, 1}, {DRIFT_TIME_MS, 1e3}, {DRIFT_TIME_US, 1e6}, {DRIFT_TIME_NS, 1e9}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (c->min >= 631152000 * units[i].per_s && c->max <= 4102444800 * units[i].per_s) {
            *ret = units[i].unit;
            return true;
        }
    return false;
}

static bool time_fits(const struct drift_guess_column *c, enum drift_time_unit *ret)
{
    if (c->n_null || c->n_other || c->n_bool)
        return false;
    if (c->n_text && !c->n_num && c->times) {
        *ret = DRIFT_TIME_RFC3339;
        return true;
    }
    return c->n_num && !c->n_text && number_unit(c, ret);
}

/* Whether the values are of the kind that a role has. */
static bool fits(const struct drift_guess *g, int role, const struct drift_guess_column *c, enum drift_time_unit *unit)
{
    uint64_t present = c->n_num + c->n_text + c->n_bool;
    switch (role) {
    case DRIFT_GUESS_TIME:
        return time_fits(c, unit);
    case DRIFT_GUESS_SCORE:
    case DRIFT_GUESS_LATENCY:
        return c->n_num && !c->n_text && !c->n_bool;
    case DRIFT_GUESS_MODEL:
        return c->n_text && !c->n_num && !c->more && c->n_text == g->n_records;
    case DRIFT_GUESS_DECISION:
    case DRIFT_GUESS_LABEL:
    case DRIFT_GUESS_SOURCE:
        return present && !(c->n_num && !c->whole) && !(c->n_text && c->times);
    case DRIFT_GUESS_ID:
        return (c->n_text || c->n_num) && !c->n_other;
    default:
        return present > 0;
    }
}

static bool taken(const struct drift_guess *g, size_t column)
{
    for (int r = 0; r < DRIFT_N_GUESS; r++)
        if (g->role[r] == (int)column)
            return true;
    return false;
}

static void answer_role(struct drift_guess *g, int role)
{
    for (size_t k = 0; k < 16 && names[role][k]; k++) {
        int best = -1;
        for (size_t i = 0; i < g->n_columns; i++) {
            const struct drift_guess_column *c = &g->columns[i];
            enum drift_time_unit unit = DRIFT_TIME_MS;
            if (!named(c->path, names[role][k]) || (g->object && below(c->path, g->object)) || taken(g, i) ||
                !fits(g, role, c, &unit))
                continue;
            if (best >= 0 && depth(g->columns[best].path) <= depth(c->path))
                continue;
            best = (int)i;
            if (role == DRIFT_GUESS_TIME)
                g->unit = unit;
        }
        if (best >= 0) {
            g->role[role] = best;
            return;
        }
    }
}

static void answer_object(struct drift_guess *g)
{
    for (size_t k = 0; k < sizeof objects / sizeof *objects; k++)
        for (size_t i = 0; i < g->n_columns; i++) {
            const char *path = g->columns[i].path, *dot = strrchr(path, '.');
            if (!dot || strspn(dot + 1, "0123456789") == strlen(dot + 1)) /* an array has no names: paths one by one */
                continue;
            char *object = drift_xstrndup(path, (size_t)(dot - path));
            if (!strcasecmp(last_part(object), objects[k])) {
                g->object = object;
                return;
            }
            free(object);
        }
}

/* Flat records: every scalar without a role that is no time of its own. */
static bool flat_feature(const struct drift_guess *g, size_t i)
{
    const struct drift_guess_column *c = &g->columns[i];
    enum drift_time_unit unit;
    if (taken(g, i) || c->n_other || (c->n_text && c->times))
        return false;
    for (size_t k = 0; k < 16 && names[DRIFT_GUESS_TIME][k]; k++)
        if (named(c->path, names[DRIFT_GUESS_TIME][k]))
            return false;
    bool clock = strcasestr(last_part(c->path), "time") || strcasestr(last_part(c->path), "_ts");
    return !(clock && time_fits(c, &unit));
}

void drift_guess_answer(struct drift_guess *g)
{
    answer_object(g);
    for (int r = 0; r < DRIFT_N_GUESS; r++)
        answer_role(g, r);
    g->features = drift_xcalloc(g->n_columns ? g->n_columns : 1, sizeof *g->features);
    for (size_t i = 0; i < g->n_columns; i++) {
        const struct drift_guess_column *c = &g->columns[i];
        bool member = g->object && below(c->path, g->object) && !strchr(c->path + strlen(g->object) + 1, '.');
        if (g->object ? member : flat_feature(g, i))
            g->features[g->n_features++] = i;
    }
}
