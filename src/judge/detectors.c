/* src/judge/detectors.c    Change detectors by name: state from the chain's slot, moved by one window, written with its
 *                           verdict.
 *
 * A detector wants its values in one order, and events of several partitions have none.  So it is given what does not
 * depend on one: a figure of the window, or its events in an order that the window's start decides.  Either way a
 * window that is judged again moves it alike.  A detector begins anew with another baseline or other settings, and is
 * left as it is by a window without values. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/base/log.h"
#include "driftd/internal/config/schema.h"
#include "room.h"

enum { FED_MAX = 65536 }; /* events given for one window; more are represented by as many */

/* ---- what it is given ---- */

static enum drift_chain_kind chain_of(const struct drift_detector_config *d)
{
    return d->scope == DRIFT_SCOPE_LABEL ? DRIFT_CHAIN_LABEL : DRIFT_CHAIN_INPUT;
}

static const struct drift_column *column_of(const struct drift_layout *l, const struct drift_detector_config *d)
{
    static const enum drift_role role[] = {
        [DRIFT_SCOPE_FEATURE] = DRIFT_FEATURE,   [DRIFT_SCOPE_SCORE] = DRIFT_SCORE,
        [DRIFT_SCOPE_DECISION] = DRIFT_DECISION, [DRIFT_SCOPE_LABEL] = DRIFT_LABEL,
        [DRIFT_SCOPE_SOURCE] = DRIFT_SOURCE,     [DRIFT_SCOPE_LATENCY] = DRIFT_LATENCY};
    int at = drift_layout_find(l, role[d->scope], d->feature);
    return at < 0 ? NULL : &l->columns[at];
}

/* A cell stands for its middle, the outer ones for the edge that they begin at. */
static double cell_value(const struct drift_column *c, uint32_t i)
{
    if (!i)
        return c->edges[0];
    return i == c->n_edges ? c->edges[i - 1] : c->edges[i - 1] / 2 + c->edges[i] / 2;
}

static bool mean_of(const struct drift_column *c, const uint64_t *cells, uint64_t n, double *ret)
{
    double mean = 0;
    for (uint32_t i = 0; i < c->n_cells && c->n_edges; i++)
        mean += cell_value(c, i) * ((double)cells[i] / (double)n);
    *ret = mean;
    return c->n_edges && fabs(mean) <= DRIFT_DETECTOR_VALUE_MAX;
}

/* The window's figure, and the counts behind a share.  NULL, or why there is none. */
static const char *figure(const struct drift_detector_config *d, const struct drift_summary *s,
                          struct drift_outcome_detector *ret)
{
    const struct drift_column *c = column_of(s->layout, d);
    if (!c)
        return "the baseline has no such column";
    const uint64_t *cells = drift_summary_cells(s, c);
    for (uint32_t i = 0; i < c->n_cells; i++)
        ret->n += cells[i];
    if (!ret->n)
        return "the window has no values";
    if (c->kind == DRIFT_NUMERIC) {
        if (d->feed == DRIFT_FEED_EVENTS)
            return "it is fed with events, and the baseline has the column as a number";
        return mean_of(c, cells, ret->n, &ret->value) ? NULL : "the column has no mean";
    }
    if (!d->value)
        return "the column is a category, and no `value` says whose share to watch";
    uint32_t cell = drift_column_category(c, d->value, strlen(d->value));
    if (cell >= c->n_categories)
        return "the baseline does not know the category";
    ret->k = cells[cell];
    ret->value = (double)ret->k / (double)ret->n;
    return NULL;
}

static uint64_t mixed(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void give(struct drift_detector *d, double x, struct drift_outcome_detector *o)
{
    enum drift_detector_level level;
    if (drift_detector_add(d, x, &level))
        return;
    o->fed++;
    if (level > o->level)
        o->level = level;
}

/* k ones among n values, each order as likely as any other. */
static void give_events(struct drift_detector *d, int64_t start_ms, struct drift_outcome_detector *o)
{
    uint64_t n = o->n < FED_MAX ? o->n : FED_MAX, state = (uint64_t)start_ms;
    uint64_t k = o->n <= FED_MAX ? o->k : (uint64_t)llround(o->value * FED_MAX);
    for (; n; n--) {
        bool one = (double)(mixed(&state) >> 11) * 0x1p-53 * (double)n < (double)k;
        k -= one;
        give(d, one, o);
    }
}

/* ---- state ---- */

/* Two settings of one name watch alike. */
static void setting_name(const struct drift_detector_config *d, char ret[33])
{
    struct drift_buf b;
    uint8_t digest[DRIFT_SHA256_BYTES];
    drift_buf_init(&b, 4096);
    drift_buf_addf(&b, "%s %d %d", drift_detector_name(d->kind), (int)d->scope, (int)d->feed);
    for (int i = 0; i < DRIFT_DETECTOR_PARAMS_MAX; i++)
        drift_buf_addf(&b, " %.17g", d->settings.value[i]);
    drift_buf_addf(&b, "\n%s\n%s", d->feature ? d->feature : "", d->value ? d->value : "");
    drift_sha256(b.data, b.len, digest);
    drift_hex(digest, 16, ret);
    drift_buf_release(&b);
}

static const char *text_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "";
}

static struct drift_detector *stored(const json_t *j, const char *setting)
{
    const char *state = text_of(j, "state");
    size_t len = strlen(state), n = 0;
    struct drift_detector *d = NULL;
    if (strcmp(text_of(j, "setting"), setting) != 0)
        return NULL;
    uint8_t *bytes = drift_xcalloc(len ? len : 1, 1);
    if (!drift_base64_decode(state, len, bytes, len, &n) || drift_detector_load(bytes, n, &d))
        d = NULL;
    free(bytes);
    return d;
}

static json_t *state_json(const struct drift_detector *d, const char *setting)
{
    size_t cap = drift_detector_state_max(d), len;
    uint8_t *bytes = drift_xcalloc(cap, 1);
    char *text = drift_xcalloc(4 * ((cap + 2) / 3) + 1, 1);
    if (drift_detector_save(d, bytes, cap, &len))
        drift_bug("a detector's state is larger than it said");
    drift_base64(bytes, len, text);
    json_t *j = json_object();
    json_object_set_new(j, "setting", json_string(setting));
    json_object_set_new(j, "state", json_string(text));
    free(text);
    free(bytes);
    return j;
}

/* ---- one window ---- */

/* Moves one detector; its state as the window leaves it. */
static json_t *move(struct drift_work *w, const json_t *before, const struct drift_detector_config *c,
                    struct drift_outcome_detector *o)
{
    char setting[33];
    setting_name(c, setting);
    struct drift_detector *d = stored(before, setting);
    o->config = c;
    o->restarted = !d;
    if (before && !d && !strcmp(text_of(before, "setting"), setting))
        drift_log(DRIFT_ERROR, "state_unreadable", KV_S("model", w->id.model),
                  KV_S("chain", drift_chain_name(w->id.kind)), KV_S("field", "detectors"));
    if (!d && drift_detector_new(c->kind, &c->settings, &d))
        drift_bug("a detector refuses parameters that were checked");
    o->why = figure(c, w->sum, o);
    if (!o->why && c->feed == DRIFT_FEED_EVENTS)
        give_events(d, w->v.start_ms, o);
    else if (!o->why)
        give(d, o->value, o);
    if (!o->why && !o->fed)
        o->why = "the detector takes no such value: its values are errors, from 0 to 1";
    json_t *j = state_json(d, setting);
    drift_detector_free(d);
    return j;
}

void drift_work_detectors(struct drift_work *w)
{
    const struct drift_model *m = w->o.model;
    enum drift_detector_level worst = DRIFT_DETECTOR_QUIET;
    bool any = false, ours = !strcmp(text_of(w->st.detectors, "baseline"), w->baseline->digest);
    const json_t *before = ours ? json_object_get(w->st.detectors, "of") : NULL;
    w->v.detector = (struct drift_measure){.id = DRIFT_MEASURE_DETECTOR, .why = DRIFT_WHY_NO_DATA};
    if (w->early || !m->n_detectors)
        return;
    json_t *all = json_object(), *of = json_object();
    w->detectors = drift_xcalloc(m->n_detectors, sizeof *w->detectors);
    for (size_t i = 0; i < m->n_detectors; i++) {
        const struct drift_detector_config *c = &m->detectors[i];
        if (chain_of(c) != w->id.kind)
            continue;
        struct drift_outcome_detector *o = &w->detectors[w->o.n_detectors++];
        json_object_set_new(of, c->name, move(w, json_object_get(before, c->name), c, o));
        any |= !o->why;
        worst = o->level > worst ? o->level : worst;
    }
    w->o.detectors = w->detectors;
    json_object_set_new(all, "v", json_integer(1));
    json_object_set_new(all, "baseline", json_string(w->baseline->digest));
    json_object_set_new(all, "of", of);
    if (w->o.n_detectors)
        w->detectors_text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(all);
    if (any) {
        double effect = .5 * (double)worst;
        w->v.detector = (struct drift_measure){
            .id = DRIFT_MEASURE_DETECTOR, .effect = effect, .value = effect, .low = effect, .high = effect};
    }
}

/* ---- what it says ---- */

static json_t *detector_json(const struct drift_outcome_detector *d)
{
    const struct drift_detector_config *c = d->config;
    json_t *j = json_object();
    json_object_set_new(j, "name", drift_text_json(c->name));
    json_object_set_new(j, "detector", json_string(drift_detector_name(c->kind)));
    json_object_set_new(j, "scope", json_string(drift_scope_name(c->scope)));
    if (c->feature)
        json_object_set_new(j, "feature", drift_text_json(c->feature));
    if (c->value)
        json_object_set_new(j, "value", drift_text_json(c->value));
    json_object_set_new(j, "n", json_integer((json_int_t)d->n));
    json_object_set_new(j, "fed", json_integer((json_int_t)d->fed));
    json_object_set_new(j, "figure", d->why ? json_null() : json_real(d->value));
    json_object_set_new(j, "level", json_string(drift_detector_level_name(d->level)));
    if (d->why)
        json_object_set_new(j, "why", json_string(d->why));
    if (d->restarted)
        json_object_set_new(j, "restarted", json_true());
    return j;
}

json_t *drift_outcome_detectors_json(const struct drift_outcome *o)
{
    json_t *list = json_array();
    for (size_t i = 0; i < o->n_detectors; i++)
        json_array_append_new(list, detector_json(&o->detectors[i]));
    return list;
}
