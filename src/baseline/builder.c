/* src/baseline/builder.c    Turns events into a baseline: survey, freeze, count.
 *
 * Two passes instead of a quantile sketch: the second pass makes every count exact, so the first only has to choose
 * good edges, and a uniform sample of 65,536 values places a percentile within .2 % of its rank.  The sample is a
 * reservoir with random numbers from the field's name, so that the same events in the same order give the same
 * bytes; values of several partitions may arrive in another order, which moves edges within that error, never counts.
 * When the memory budget is used up, reservoirs stop growing and new category names are no longer kept: the sample
 * stays uniform, the counts of pass 2 stay exact. */
#include "driftd/internal/baseline/builder.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/baseline/law.h"
#include "driftd/internal/window/count.h"
#include "driftd/internal/window/dependence.h"
#include "driftd/internal/window/segment.h"
#include "driftd/magnitude.h"

enum {
    FIRST_SAMPLE = 64,
    FIRST_NAMES = 16,
    N_PERCENTILES = 99,
    IMPORT_MAX = 128, /* + 99 percentiles, 2 bounds, 3 of the threshold <= DRIFT_EDGES_MAX; the rest is for atoms */
    ATOM_PARTS = 100,
    CATEGORY_COST = sizeof(void *) * 6 + 32,
    EDGES_FILE_MAX = 16 << 20
};
static const double near_threshold = .05;
static const uint64_t window_bytes_max = 128u << 20; /* per chain */

struct category {
    char *name; /* NULL: free place in the table */
    uint64_t count;
};

/* What pass 1 knows of one column. */
struct survey {
    char *name;
    enum drift_role role;
    enum drift_kind type;   /* configured; 0: the data decide */
    bool seen;              /* an event had the field (imported edges alone make no column) */
    uint64_t n_num, n_text; /* numbers; strings and booleans */
    /* numbers */
    double *sample;
    uint32_t n_sample, cap_sample;
    bool sample_full; /* capacity is final */
    double min, max;
    uint64_t rng;
    /* texts: open hashing */
    struct category *table;
    uint32_t n_names, cap_names;
    uint64_t not_kept; /* values whose name was not taken any more */
    /* imported edges */
    double *import;
    uint32_t n_import;
    uint32_t joint; /* its place in joint rows + 1; 0: none */
};

/* A uniform sample of whole events, for what depends on what (model->dependence). */
struct joint {
    uint32_t n_features; /* taken so far, at most stride */
    uint32_t stride;     /* features a row; 0: not wanted */
    uint32_t left_out;   /* features beyond it */
    uint64_t n_events, rng;
    size_t n_rows, cap;
    bool full; /* capacity is final */
    double *rows;
    const char *why; /* there is no block; NULL: there is */
};

/* Slots of one stream's field list -> surveys. */
struct field_map {
    const struct drift_stream *stream;
    uint32_t n;
    int32_t *survey;                 /* -1: not watched */
    int32_t key[DRIFT_SEGMENT_KEYS]; /* slot of a segment key, -1: not shown */
};

struct chain {
    struct drift_layout *layout;
    struct drift_summary *pooled, *training;
    int64_t window_ms;
    size_t n, cap, max; /* windows, ascending by start */
    struct drift_baseline_window *windows;
    int64_t dropped_below_ms; /* windows before this are only pooled */
    size_t at;                /* where the last event's window was */
};

struct bound {
    const struct drift_stream *stream;
    struct drift_binding *binding[DRIFT_N_CHAIN];
};

struct drift_builder {
    const struct drift_model *model;
    struct drift_builder_settings set;
    uint64_t memory; /* used of set.max_bytes */
    size_t n_surveys, cap_surveys;
    struct survey *surveys;
    size_t n_maps;
    struct field_map *maps;
    struct joint joint;
    size_t role_survey[DRIFT_LATENCY + 1]; /* of score, decision ...: index + 1, 0 while not seen */
    struct survey key[DRIFT_SEGMENT_KEYS]; /* values of the model's segment keys */
    bool frozen;
    struct chain chain[DRIFT_N_CHAIN];
    size_t n_bound;
    struct bound *bound;
    int64_t first_ms, last_ms; /* event times counted */
};

/* ---- pass 1 ---- */

static uint64_t name_seed(const char *name) /* FNV-1a: the same in every process, unlike drift_hash64 */
{
    uint64_t h = 14695981039346656037u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 1099511628211u;
    return h;
}

static uint64_t rng_next(uint64_t *s) /* splitmix64 */
{
    uint64_t z = (*s += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t rng_below(uint64_t *s, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)rng_next(s) * n) >> 64);
}

static enum drift_kind role_type(const struct drift_model *m, enum drift_role role, const char *name)
{
    switch (role) {
    case DRIFT_SCORE:
    case DRIFT_LATENCY:
        return DRIFT_NUMERIC;
    case DRIFT_FEATURE:
        return m ? drift_model_type(m, name) : 0;
    default:
        return DRIFT_CATEGORICAL;
    }
}

static size_t survey_of(struct drift_builder *b, enum drift_role role, const char *name)
{
    for (size_t i = 0; i < b->n_surveys; i++)
        if (b->surveys[i].role == role && !strcmp(b->surveys[i].name, name))
            return i;
    if (b->n_surveys == b->cap_surveys) {
        b->cap_surveys = b->cap_surveys ? 2 * b->cap_surveys : 64;
        b->surveys = drift_xrealloc(b->surveys, b->cap_surveys, sizeof *b->surveys);
    }
    b->surveys[b->n_surveys] = (struct survey){
        .name = drift_xstrdup(name), .role = role, .type = role_type(b->model, role, name), .rng = name_seed(name)};
    return b->n_surveys++;
}

static bool pay(struct drift_builder *b, uint64_t bytes)
{
    if (b->memory + bytes > b->set.max_bytes)
        return false;
    b->memory += bytes;
    return true;
}

static void survey_number(struct drift_builder *b, struct survey *s, double x)
{
    if (!s->n_num || x < s->min)
        s->min = x;
    if (!s->n_num || x > s->max)
        s->max = x;
    s->n_num++;
    if (s->n_sample == s->cap_sample && !s->sample_full) {
        uint32_t cap = s->cap_sample ? 2 * s->cap_sample : FIRST_SAMPLE;
        if (cap > b->set.sample)
            cap = b->set.sample;
        if (cap == s->cap_sample || !pay(b, (cap - s->cap_sample) * sizeof *s->sample)) {
            s->sample_full = true;
        } else {
            s->sample = drift_xrealloc(s->sample, cap, sizeof *s->sample);
            s->cap_sample = cap;
        }
    }
    if (s->n_sample < s->cap_sample) {
        s->sample[s->n_sample++] = x;
        return;
    }
    uint64_t at = rng_below(&s->rng, s->n_num);
    if (at < s->n_sample)
        s->sample[at] = x;
}

static struct category *category_place(struct category *table, uint32_t cap, const char *p, size_t n)
{
    for (uint64_t i = drift_hash64(p, n);; i++) {
        struct category *c = &table[i & (cap - 1)];
        if (!c->name || (!strncmp(c->name, p, n) && !c->name[n]))
            return c;
    }
}

static void table_grow(struct survey *s)
{
    uint32_t cap = s->cap_names ? 2 * s->cap_names : FIRST_NAMES;
    struct category *table = drift_xcalloc(cap, sizeof *table);
    for (uint32_t i = 0; i < s->cap_names; i++)
        if (s->table[i].name)
            *category_place(table, cap, s->table[i].name, strlen(s->table[i].name)) = s->table[i];
    free(s->table);
    s->table = table;
    s->cap_names = cap;
}

static void survey_category(struct drift_builder *b, struct survey *s, struct drift_str text, uint64_t by)
{
    const char *p = text.p ? text.p : "";
    size_t n = drift_name_cut(p, text.n);
    if (memchr(p, 0, n)) { /* no name can hold it: unseen, always */
        s->not_kept += by;
        return;
    }
    if (2 * s->n_names >= s->cap_names)
        table_grow(s);
    struct category *c = category_place(s->table, s->cap_names, p, n);
    if (!c->name) {
        if (s->n_names >= b->set.max_distinct || !pay(b, n + CATEGORY_COST)) {
            s->not_kept += by;
            return;
        }
        c->name = drift_xstrndup(p, n);
        s->n_names++;
    }
    c->count += by;
}

static void survey_value(struct drift_builder *b, struct survey *s, enum drift_value_kind kind, double num,
                         struct drift_str str)
{
    char scratch[32];
    bool number = kind == DRIFT_V_NUM || (kind == DRIFT_V_BOOL && s->type == DRIFT_NUMERIC);
    if (!number && kind != DRIFT_V_STR && kind != DRIFT_V_BOOL)
        return;
    if (number && s->type != DRIFT_CATEGORICAL) {
        survey_number(b, s, num);
        return;
    }
    if (s->type == DRIFT_NUMERIC) /* a text in a numeric column: wrong_type in pass 2 */
        return;
    s->n_text++;
    survey_category(b, s, drift_value_category(kind, num, str, scratch), 1);
}

static size_t n_keys(const struct drift_builder *b)
{
    return b->model ? b->model->n_segment_keys : 0;
}

/* ---- whole events ---- */

static bool joint_wants(const struct drift_model *m, const struct survey *s)
{
    const struct drift_dependence_config *d = &m->dependence;
    bool any = !d->n_features;
    for (size_t i = 0; i < d->n_features && !any; i++)
        any = drift_glob_match(d->features[i], s->name);
    return any && s->role == DRIFT_FEATURE && s->type != DRIFT_CATEGORICAL;
}

/* A feature that is shown for the first time. */
static void joint_join(struct drift_builder *b, struct survey *s)
{
    struct joint *j = &b->joint;
    if (!j->stride || s->joint || !joint_wants(b->model, s))
        return;
    if (j->n_features == j->stride)
        j->left_out++;
    else
        s->joint = ++j->n_features;
}

/* The row that the next event goes to, without numbers; NULL: it is not in the sample. */
static double *joint_row(struct drift_builder *b)
{
    struct joint *j = &b->joint;
    j->n_events++;
    if (j->n_rows == j->cap && !j->full) {
        size_t cap = j->cap ? 2 * j->cap : 1024;
        if (j->cap == DRIFT_DEPENDENCE_ROWS_MAX || !pay(b, (cap - j->cap) * j->stride * sizeof *j->rows)) {
            j->full = true;
        } else {
            j->rows = drift_xrealloc(j->rows, cap * j->stride, sizeof *j->rows);
            j->cap = cap;
        }
    }
    uint64_t at = j->n_rows < j->cap ? j->n_rows++ : rng_below(&j->rng, j->n_events);
    if (at >= j->n_rows)
        return NULL;
    double *row = j->rows + (size_t)at * j->stride;
    for (uint32_t i = 0; i < j->stride; i++)
        row[i] = (double)NAN;
    return row;
}

static void joint_survey(struct drift_builder *b, const struct drift_event *ev, const struct field_map *m)
{
    double *row = joint_row(b);
    for (uint32_t i = 0; row && i < ev->fields->n; i++) {
        uint32_t at = m->survey[i] < 0 ? 0 : b->surveys[m->survey[i]].joint;
        if (at && (ev->kind[i] == DRIFT_V_NUM || ev->kind[i] == DRIFT_V_BOOL))
            row[at - 1] = ev->num[i];
    }
}

static struct field_map *map_of(struct drift_builder *b, const struct drift_stream *st,
                                const struct drift_fields *fields)
{
    struct field_map *m = NULL;
    for (size_t i = 0; i < b->n_maps && !m; i++)
        if (b->maps[i].stream == st)
            m = &b->maps[i];
    if (!m) {
        b->maps = drift_xrealloc(b->maps, b->n_maps + 1, sizeof *b->maps);
        m = &b->maps[b->n_maps++];
        *m = (struct field_map){.stream = st, .key = {-1, -1, -1, -1}};
    }
    if (m->n < fields->n) {
        m->survey = drift_xrealloc(m->survey, fields->n, sizeof *m->survey);
        for (; m->n < fields->n; m->n++) {
            const char *name = fields->names[m->n];
            bool wanted = strlen(name) <= DRIFT_NAME_MAX && (!b->model || drift_model_wants(b->model, name));
            m->survey[m->n] = wanted ? (int32_t)survey_of(b, DRIFT_FEATURE, name) : -1;
            for (size_t k = 0; k < n_keys(b); k++)
                if (!strcmp(b->model->segment_keys[k], name))
                    m->key[k] = (int32_t)m->n;
            if (wanted) {
                joint_join(b, &b->surveys[m->survey[m->n]]);
                b->surveys[m->survey[m->n]].seen = true;
            }
        }
    }
    return m;
}

static void survey_role(struct drift_builder *b, enum drift_role role, const struct drift_value *v)
{
    if (v->kind == DRIFT_V_ABSENT)
        return;
    if (!b->role_survey[role])
        b->role_survey[role] = survey_of(b, role, drift_role_name(role)) + 1;
    struct survey *s = &b->surveys[b->role_survey[role] - 1];
    s->seen = true;
    survey_value(b, s, v->kind, v->num, v->str);
}

/* As counting finds it: the role when the stream has it, else a field. */
static void survey_keys(struct drift_builder *b, const struct drift_event *ev, const struct drift_stream *st,
                        const struct field_map *m)
{
    for (size_t k = 0; k < n_keys(b); k++) {
        struct survey *s = &b->key[k];
        if (st->source && !strcmp(b->model->segment_keys[k], "source"))
            survey_value(b, s, ev->source.kind, ev->source.num, ev->source.str);
        else if (m && m->key[k] >= 0)
            survey_value(b, s, (enum drift_value_kind)ev->kind[m->key[k]], ev->num[m->key[k]], ev->str[m->key[k]]);
    }
}

void drift_builder_survey(struct drift_builder *b, const struct drift_event *ev, const struct drift_stream *st)
{
    const struct field_map *m = NULL;
    if (ev->fields && (st->features || st->n_feature_fields)) {
        m = map_of(b, st, ev->fields);
        for (uint32_t i = 0; i < ev->fields->n; i++)
            if (m->survey[i] >= 0 && ev->kind[i] != DRIFT_V_ABSENT)
                survey_value(b, &b->surveys[m->survey[i]], (enum drift_value_kind)ev->kind[i], ev->num[i], ev->str[i]);
        if (b->joint.stride)
            joint_survey(b, ev, m);
    }
    survey_keys(b, ev, st, m);
    survey_role(b, DRIFT_SCORE, &ev->score);
    survey_role(b, DRIFT_DECISION, &ev->decision);
    survey_role(b, DRIFT_LABEL, &ev->label);
    survey_role(b, DRIFT_SOURCE, &ev->source);
    survey_role(b, DRIFT_LATENCY, &ev->latency);
}

/* ---- freezing ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int by_count(const void *a, const void *b)
{
    const struct category *x = a, *y = b;
    return x->count > y->count ? -1 : x->count < y->count ? 1 : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts and removes equal values; returns how many are left. -0 and 0 are equal, the first stays as 0. */
static uint32_t unique(double *v, uint32_t n)
{
    uint32_t k = 0;
    qsort(v, n, sizeof *v, by_value);
    for (uint32_t i = 0; i < n; i++)
        if (!k || v[i] != v[k - 1])
            v[k++] = v[i] == 0 ? 0 : v[i];
    return k;
}

/* The smallest observed value with at least k % of the sample <= it (sorted sample). */
static double percentile(const struct survey *s, uint32_t k)
{
    uint64_t rank = ((uint64_t)s->n_sample * k + 99) / 100;
    return s->sample[rank ? rank - 1 : 0];
}

/* .9 + .05 is not the double that is written .95. */
static double rounded(double x)
{
    char text[40];
    snprintf(text, sizeof text, "%.12g", x);
    return strtod(text, NULL);
}

/* Ends of the PSI bins, as values; the last bin is open. */
static uint32_t bin_values(const struct survey *s, double *ends)
{
    uint32_t n = 0;
    if (s->n_import) {
        memcpy(ends, s->import, s->n_import * sizeof *ends);
        return s->n_import;
    }
    for (uint32_t k = 10; s->n_sample && k < 100; k += 10)
        if (percentile(s, k) < s->max) /* a bin above the maximum would be empty for ever */
            ends[n++] = percentile(s, k);
    return unique(ends, n);
}

/* Edges just below values with at least 1 / parts of the sample whose cell holds other values of it, too.  Such a value
 * is an edge itself: no run of that length lies between two percentiles.  Returns how many; ret may be NULL. */
static uint32_t atoms(const struct survey *s, const double *edges, uint32_t n, uint32_t parts, double *ret)
{
    uint32_t found = 0;
    for (uint32_t from = 0, to, e = 0; from < s->n_sample; from = to) {
        double x = s->sample[from];
        for (to = from + 1; to < s->n_sample && s->sample[to] == x; to++)
            ;
        while (e < n && edges[e] < x)
            e++;
        if ((uint64_t)(to - from) * parts < s->n_sample || !from || (e && s->sample[from - 1] <= edges[e - 1]))
            continue;
        if (ret)
            ret[found] = nextafter(x, -INFINITY);
        found++;
    }
    return found;
}

/* With imported edges there may not be room for all: the heaviest then. */
static uint32_t add_atoms(const struct survey *s, double *edges, uint32_t n)
{
    uint32_t parts = ATOM_PARTS;
    while (atoms(s, edges, n, parts, NULL) > DRIFT_EDGES_MAX - n)
        parts /= 2;
    n += atoms(s, edges, n, parts, edges + n);
    return unique(edges, n);
}

static int freeze_numeric(const struct drift_builder *b, struct drift_layout *l, struct survey *s)
{
    double edges[DRIFT_EDGES_MAX], ends[DRIFT_EDGES_MAX];
    uint32_t n = 0, bin_end[DRIFT_EDGES_MAX + 1], n_bins = 0;
    bool bounded = false;
    if (s->n_num) {
        qsort(s->sample, s->n_sample, sizeof *s->sample, by_value);
        double below = nextafter(s->min, -INFINITY);
        bounded = isfinite(below);
        if (bounded)
            edges[n++] = below;
        for (uint32_t k = 1; k <= N_PERCENTILES && s->n_sample; k++)
            edges[n++] = percentile(s, k);
        edges[n++] = s->max;
    }
    if (s->role == DRIFT_SCORE && b->model && isfinite(b->model->threshold))
        for (int k = -1; k <= 1; k++)
            edges[n++] = rounded(b->model->threshold + k * near_threshold);
    for (uint32_t i = 0; i < s->n_import; i++)
        edges[n++] = s->import[i];
    n = unique(edges, n);
    if (s->n_sample)
        n = add_atoms(s, edges, n);
    uint32_t n_ends = bin_values(s, ends);
    for (uint32_t i = 0, e = 0; e < n && i < n_ends; e++)
        if (edges[e] == ends[i]) {
            bin_end[n_bins++] = e + 1;
            i++;
        }
    bin_end[n_bins++] = n + 1;
    return drift_layout_add_numeric(l, s->role, s->name, edges, n, bounded, bin_end, n_bins);
}

static int freeze_categorical(struct drift_layout *l, const struct survey *s)
{
    struct category *all = drift_xcalloc(s->n_names ? s->n_names : 1, sizeof *all);
    char **names = drift_xcalloc(s->n_names ? s->n_names : 1, sizeof *names);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->cap_names; i++)
        if (s->table[i].name)
            all[n++] = s->table[i];
    qsort(all, n, sizeof *all, by_count);
    if (n > DRIFT_CATEGORIES_MAX + DRIFT_RARE_MAX)
        n = DRIFT_CATEGORIES_MAX + DRIFT_RARE_MAX;
    for (uint32_t i = 0; i < n; i++)
        names[i] = all[i].name;
    uint32_t own = n < DRIFT_CATEGORIES_MAX ? n : DRIFT_CATEGORIES_MAX;
    qsort(names, own, sizeof *names, by_name);
    qsort(names + own, n - own, sizeof *names, by_name);
    int rc = drift_layout_add_categorical(l, s->role, s->name, (const char *const *)names, own,
                                          (const char *const *)names + own, n - own);
    free(all);
    free(names);
    return rc;
}

/* Numbers of a column that turned out to be categorical: the sample says which there are and how often. */
static void numbers_to_categories(struct drift_builder *b, struct survey *s)
{
    char scratch[32];
    for (uint32_t i = 0; i < s->n_sample; i++)
        survey_category(b, s, drift_value_category(DRIFT_V_NUM, s->sample[i], (struct drift_str){0}, scratch),
                        s->n_num / s->n_sample);
}

static int freeze_column(struct drift_builder *b, struct drift_layout *l, struct survey *s)
{
    enum drift_kind kind = s->type ? s->type : s->n_text > s->n_num ? DRIFT_CATEGORICAL : DRIFT_NUMERIC;
    if (kind == DRIFT_NUMERIC)
        return freeze_numeric(b, l, s);
    numbers_to_categories(b, s);
    return freeze_categorical(l, s);
}

static int by_column(const void *a, const void *b)
{
    const struct survey *x = *(struct survey *const *)a, *y = *(struct survey *const *)b;
    return x->role != y->role ? (x->role < y->role ? -1 : 1) : strcmp(x->name, y->name);
}

/* ---- segments ---- */

struct counted {
    uint64_t count;
    uint32_t at;
};

static int most_counted(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    return x->count != y->count ? (x->count > y->count ? -1 : 1) : x->at < y->at ? -1 : x->at > y->at;
}

static int by_index(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* The categories with the most values keep coarse cells of their own. */
static void shape_of(const struct drift_column *c, const struct survey *s, struct drift_segment_shape *ret)
{
    *ret = (struct drift_segment_shape){0};
    if (c->kind == DRIFT_NUMERIC || c->n_categories <= DRIFT_SEGMENT_CATEGORIES)
        return;
    struct counted *all = drift_xcalloc(c->n_categories, sizeof *all);
    for (uint32_t i = 0; i < c->n_categories; i++)
        all[i] = (struct counted){
            category_place(s->table, s->cap_names, c->categories[i], strlen(c->categories[i]))->count, i};
    qsort(all, c->n_categories, sizeof *all, most_counted);
    ret->n = DRIFT_SEGMENT_CATEGORIES;
    for (uint32_t i = 0; i < ret->n; i++)
        ret->category[i] = all[i].at;
    qsort(ret->category, ret->n, sizeof *ret->category, by_index);
    free(all);
}

/* The most frequent values of a key.  A key that no event had makes no block: its verdicts say so. */
static int freeze_key(const struct drift_builder *b, struct drift_layout *l, size_t k,
                      const struct drift_segment_shape *shape)
{
    const struct survey *s = &b->key[k];
    const char *names[DRIFT_SEGMENT_VALUES];
    uint32_t n = 0;
    if (!s->n_names)
        return 0;
    struct category *all = drift_xcalloc(s->n_names, sizeof *all);
    for (uint32_t i = 0; i < s->cap_names; i++)
        if (s->table[i].name)
            all[n++] = s->table[i];
    qsort(all, n, sizeof *all, by_count);
    n = n < b->model->segment_values ? n : b->model->segment_values;
    for (uint32_t i = 0; i < n; i++)
        names[i] = all[i].name;
    int rc = drift_segment_add(l, b->model->segment_keys[k], names, n, shape);
    free(all);
    return rc;
}

/* order: surveys of the layout's columns, and of the label's behind them. */
static int freeze_keys(const struct drift_builder *b, struct drift_layout *l, struct survey *const *order,
                       struct drift_err *err)
{
    int rc = 0;
    if (!l->n_columns || !n_keys(b))
        return 0;
    struct drift_segment_shape *shape = drift_xcalloc(l->n_columns, sizeof *shape);
    for (uint32_t i = 0, at = 0; i < l->n_columns; i++, at++) {
        at += order[at]->role == DRIFT_LABEL;
        shape_of(&l->columns[i], order[at], &shape[i]);
    }
    for (size_t k = 0; k < n_keys(b) && !rc; k++) {
        rc = freeze_key(b, l, k, shape);
        if (rc)
            drift_fail(err, rc, DRIFT_STOP,
                       "segments by %s: too many counters for %" PRIu32 " columns: lower `segments.max_values`, or "
                       "watch fewer features",
                       b->model->segment_keys[k], l->n_columns);
    }
    free(shape);
    return rc;
}

/* ---- what depends on what ---- */

/* Brings the columns of joint rows into the layout's order, which is that of names. */
static void joint_order(struct drift_builder *b, const struct drift_layout *l, struct drift_dependence_learn *ret,
                        uint32_t *column, uint32_t *place)
{
    for (uint32_t i = 0; i < l->n_columns; i++) {
        if (l->columns[i].role != DRIFT_FEATURE || l->columns[i].kind != DRIFT_NUMERIC)
            continue;
        const struct survey *s = &b->surveys[survey_of(b, DRIFT_FEATURE, l->columns[i].name)];
        if (!s->joint)
            continue;
        place[ret->n_features] = s->joint - 1;
        column[ret->n_features++] = i;
    }
}

static void rows_permute(struct joint *j, const uint32_t *place, uint32_t n)
{
    double row[DRIFT_DEPENDENCE_FEATURES_MAX];
    for (size_t r = 0; r < j->n_rows; r++) {
        double *at = j->rows + r * j->stride;
        memcpy(row, at, j->stride * sizeof *row);
        for (uint32_t i = 0; i < n; i++)
            at[i] = row[place[i]];
    }
}

/* The first rows are of the first events: what is taken from a few of them needs an order that says nothing. */
static void rows_shuffle(struct joint *j)
{
    double row[DRIFT_DEPENDENCE_FEATURES_MAX];
    size_t bytes = j->stride * sizeof *row;
    for (size_t n = j->n_rows; n > 1; n--) {
        double *a = j->rows + (n - 1) * j->stride, *b = j->rows + (size_t)rng_below(&j->rng, n) * j->stride;
        memcpy(row, a, bytes);
        memmove(a, b, bytes);
        memcpy(b, row, bytes);
    }
}

static int joint_freeze(struct drift_builder *b, struct drift_layout *l, struct drift_err *err)
{
    struct joint *j = &b->joint;
    uint32_t column[DRIFT_DEPENDENCE_FEATURES_MAX], place[DRIFT_DEPENDENCE_FEATURES_MAX];
    if (!j->stride)
        return 0;
    struct drift_dependence_learn from = {.n_terms = b->model->dependence.terms,
                                          .budget_us = b->model->dependence.budget_us,
                                          .column = column,
                                          .rows = j->rows,
                                          .n_rows = j->n_rows,
                                          .stride = j->stride};
    joint_order(b, l, &from, column, place);
    rows_permute(j, place, from.n_features);
    rows_shuffle(j);
    int rc = drift_dependence_learn(&from, l);
    if (rc && rc != DRIFT_E_EMPTY)
        return drift_fail(err, rc, DRIFT_STOP, "dependence between features cannot be learned: %s",
                          drift_code_name(rc));
    if (rc)
        j->why = from.n_features < 2 ? "fewer than two numeric features vary"
                                     : "too few events, or fewer than two numeric features vary";
    return 0;
}

static void chain_freeze(struct drift_builder *b, struct chain *c, int64_t window_ms)
{
    uint64_t fit = window_bytes_max / drift_baseline_window_bytes(c->layout);
    c->pooled = drift_summary_new(c->layout);
    if (!c->pooled)
        drift_bug("no summary for a sealed layout");
    c->window_ms = window_ms;
    c->max = fit < b->set.max_windows ? (size_t)fit : b->set.max_windows;
    c->dropped_below_ms = INT64_MIN;
}

int drift_builder_freeze(struct drift_builder *b, struct drift_err *err)
{
    bool any = false;
    for (size_t i = 0; i < b->n_surveys; i++)
        any |= b->surveys[i].n_num || b->surveys[i].n_text;
    if (!any)
        return drift_fail(err, DRIFT_E_EMPTY, DRIFT_STOP,
                          "no event with a value: check the topics, the time range and the model's name");
    struct survey **order = drift_xcalloc(b->n_surveys, sizeof(struct survey *));
    size_t n = 0;
    for (size_t i = 0; i < b->n_surveys; i++)
        if (b->surveys[i].seen)
            order[n++] = &b->surveys[i];
    qsort(order, n, sizeof(struct survey *), by_column);
    for (int k = 0; k < DRIFT_N_CHAIN; k++)
        b->chain[k].layout = drift_layout_new();
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        struct survey *s = order[i];
        enum drift_chain_kind k = s->role == DRIFT_LABEL ? DRIFT_CHAIN_LABEL : DRIFT_CHAIN_INPUT;
        rc = freeze_column(b, b->chain[k].layout, s);
        if (rc)
            drift_fail(err, rc, DRIFT_STOP, "column %s cannot be part of a baseline: %s", s->name, drift_code_name(rc));
    }
    rc = rc ? rc : freeze_keys(b, b->chain[DRIFT_CHAIN_INPUT].layout, order, err);
    free(order);
    rc = rc ? rc : joint_freeze(b, b->chain[DRIFT_CHAIN_INPUT].layout, err);
    if (rc)
        return rc;
    for (int k = 0; k < DRIFT_N_CHAIN && !rc; k++) {
        rc = drift_magnitude_add(b->chain[k].layout);
        rc = rc ? rc : drift_layout_seal(b->chain[k].layout);
        if (rc)
            drift_fail(err, rc, DRIFT_STOP, "the baseline's layout cannot be sealed: %s", drift_code_name(rc));
    }
    if (rc)
        return rc;
    chain_freeze(b, &b->chain[DRIFT_CHAIN_INPUT], b->set.window_ms);
    chain_freeze(b, &b->chain[DRIFT_CHAIN_LABEL], b->set.label_window_ms);
    b->frozen = true;
    return 0;
}

/* ---- pass 2 ---- */

static struct bound *bound_of(struct drift_builder *b, const struct drift_stream *st)
{
    for (size_t i = 0; i < b->n_bound; i++)
        if (b->bound[i].stream == st)
            return &b->bound[i];
    b->bound = drift_xrealloc(b->bound, b->n_bound + 1, sizeof *b->bound);
    struct bound *n = &b->bound[b->n_bound++];
    *n = (struct bound){.stream = st};
    for (int k = 0; k < DRIFT_N_CHAIN; k++)
        if (b->chain[k].layout->n_columns && drift_stream_feeds(st, (enum drift_chain_kind)k))
            n->binding[k] = drift_binding_new(b->chain[k].layout, st, b->model, (enum drift_chain_kind)k);
    return n;
}

void drift_builder_unbind(struct drift_builder *b)
{
    for (size_t i = 0; i < b->n_bound; i++)
        for (int k = 0; k < DRIFT_N_CHAIN; k++)
            drift_binding_free(b->bound[i].binding[k]);
    b->n_bound = 0;
}

static int64_t window_start(int64_t t, int64_t window_ms)
{
    int64_t r = t % window_ms;
    return t - (r < 0 ? r + window_ms : r);
}

static size_t lower_bound(const struct chain *c, int64_t start)
{
    size_t lo = 0, hi = c->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (c->windows[mid].start_ms < start)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The newest `max` windows are kept: dropping only ever raises dropped_below_ms, so a kept one is complete. */
static void drop_oldest(struct chain *c)
{
    c->dropped_below_ms = c->windows[0].start_ms + c->window_ms;
    drift_summary_free(c->windows[0].summary);
    memmove(c->windows, c->windows + 1, --c->n * sizeof *c->windows);
}

static struct drift_summary *window_of(struct chain *c, int64_t start)
{
    if (c->at < c->n && c->windows[c->at].start_ms == start)
        return c->windows[c->at].summary;
    if (!c->max || start < c->dropped_below_ms)
        return NULL;
    size_t at = lower_bound(c, start);
    if (at == c->n || c->windows[at].start_ms != start) {
        if (c->n == c->max) {
            if (!at) { /* older than all that are kept */
                c->dropped_below_ms = start + c->window_ms;
                return NULL;
            }
            drop_oldest(c);
            at--;
        }
        if (c->n == c->cap) {
            c->cap = c->cap ? 2 * c->cap : 64;
            c->windows = drift_xrealloc(c->windows, c->cap, sizeof *c->windows);
        }
        memmove(c->windows + at + 1, c->windows + at, (c->n - at) * sizeof *c->windows);
        c->windows[at] = (struct drift_baseline_window){start, drift_summary_new(c->layout)};
        c->n++;
    }
    c->at = at;
    return c->windows[at].summary;
}

const struct drift_layout *drift_builder_layout(const struct drift_builder *b, enum drift_chain_kind kind)
{
    return b->frozen ? b->chain[kind].layout : NULL;
}

void drift_builder_count(struct drift_builder *b, const struct drift_event *ev, const struct drift_stream *st)
{
    if (!b->frozen)
        drift_bug("baseline counts before its layout is frozen");
    struct bound *bound = bound_of(b, st);
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        struct drift_binding *binding = bound->binding[k];
        struct chain *c = &b->chain[k];
        if (!binding || !drift_binding_wants(binding, ev))
            continue;
        drift_binding_count(binding, ev, c->pooled);
        struct drift_summary *w = c->window_ms > 0 ? window_of(c, window_start(ev->time_ms, c->window_ms)) : NULL;
        if (w)
            drift_binding_count(binding, ev, w);
        if (ev->time_ms < b->first_ms)
            b->first_ms = ev->time_ms;
        if (ev->time_ms > b->last_ms)
            b->last_ms = ev->time_ms;
    }
}

void drift_builder_train(struct drift_builder *b, const struct drift_event *ev, const struct drift_stream *st)
{
    if (!b->frozen)
        drift_bug("training data count before the layout is frozen");
    struct bound *bound = bound_of(b, st);
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        struct drift_binding *binding = bound->binding[k];
        struct chain *c = &b->chain[k];
        if (!binding || !drift_binding_wants(binding, ev))
            continue;
        if (!c->training && !(c->training = drift_summary_new(c->layout)))
            drift_bug("no summary for a sealed layout");
        drift_binding_count(binding, ev, c->training);
    }
}

/* ---- finishing ---- */

static json_t *notes(const struct drift_builder *b, uint32_t without_law)
{
    json_t *a = json_array();
    char text[DRIFT_NAME_MAX + 256];
    if (without_law) {
        snprintf(text, sizeof text,
                 "%" PRIu32 " discrete columns keep the law of continuous values for ks, which is conservative",
                 without_law);
        json_array_append_new(a, json_string(text));
    }
    for (size_t i = 0; i < b->n_surveys; i++) {
        const struct survey *s = &b->surveys[i];
        if (s->n_num > s->n_sample && s->n_sample && s->type != DRIFT_CATEGORICAL) {
            snprintf(text, sizeof text, "%s: edges from a sample of %" PRIu32 " of %" PRIu64 " values", s->name,
                     s->n_sample, s->n_num);
            json_array_append_new(a, json_string(text));
        }
        if (!s->seen) {
            snprintf(text, sizeof text, "%s: imported edges not used, no event has the column", s->name);
            json_array_append_new(a, json_string(text));
        }
        if (s->not_kept) {
            snprintf(text, sizeof text, "%s: %" PRIu64 " values beyond %" PRIu32 " distinct ones count as unseen",
                     s->name, s->not_kept, s->n_names);
            json_array_append_new(a, json_string(text));
        }
    }
    if (b->joint.why) {
        snprintf(text, sizeof text, "dependence between features is not watched: %s", b->joint.why);
        json_array_append_new(a, json_string(text));
    }
    if (b->joint.left_out) {
        snprintf(text, sizeof text, "dependence is watched between %" PRIu32 " features, %" PRIu32 " more are left out",
                 b->joint.n_features, b->joint.left_out);
        json_array_append_new(a, json_string(text));
    }
    for (int k = 0; k < DRIFT_N_CHAIN; k++)
        if (b->chain[k].dropped_below_ms != INT64_MIN) {
            char when[32];
            snprintf(text, sizeof text, "%s windows before %s are only pooled: at most %zu are kept apart",
                     drift_chain_name((enum drift_chain_kind)k),
                     drift_time_text(b->chain[k].dropped_below_ms, when, sizeof when), b->chain[k].max);
            json_array_append_new(a, json_string(text));
        }
    return a;
}

static void move_chains(struct drift_builder *b, struct drift_baseline *base)
{
    drift_builder_unbind(b);
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        struct chain *c = &b->chain[k];
        base->chain[k] = (struct drift_baseline_chain){.layout = c->layout,
                                                       .pooled = c->pooled,
                                                       .training = c->training,
                                                       .window_ms = c->n ? c->window_ms : 0,
                                                       .n_windows = c->n,
                                                       .windows = c->windows};
        c->layout = NULL;
        c->pooled = c->training = NULL;
        c->windows = NULL;
        c->n = c->cap = 0;
    }
    b->frozen = false;
}

static char *made_id(const char *model, const char *content)
{
    char *id = drift_xasprintf("%.100s-%.12s", model, content);
    for (char *p = id; *p; p++)
        if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9') && !strchr("._-", *p))
            *p = '-';
    return id;
}

static int content_digest(const struct drift_baseline *base, char ret_hex[DRIFT_HEX_DIGEST], struct drift_err *err)
{
    struct drift_buf content;
    int rc = 0;
    drift_buf_init(&content, DRIFT_BASELINE_BYTES_MAX);
    drift_baseline_save_content(base, &content);
    if (content.full)
        rc = drift_fail(err, DRIFT_E_FULL, DRIFT_STOP,
                        "the baseline is larger than %d bytes: watch fewer features or a shorter range",
                        DRIFT_BASELINE_BYTES_MAX);
    else
        drift_sha256_hex(content.data, content.len, ret_hex);
    drift_buf_release(&content);
    return rc;
}

static char *meta_text(const struct drift_builder *b, const struct drift_baseline *base, const char *content,
                       const char *source, const char *config_hash, uint32_t without_law)
{
    char created[32], first[32], last[32];
    json_t *o = json_object(), *src = source ? json_loads(source, 0, NULL) : NULL;
    json_object_set_new(o, "id", json_string(base->id));
    json_object_set_new(o, "model", json_string(base->model));
    json_object_set_new(o, "created_ms", json_integer(base->created_ms));
    json_object_set_new(o, "created", json_string(drift_time_text(base->created_ms, created, sizeof created)));
    json_object_set_new(o, "content", json_string(content));
    json_object_set_new(o, "source", src ? src : json_object());
    if (b->last_ms >= b->first_ms) {
        json_object_set_new(o, "first_event", json_string(drift_time_text(b->first_ms, first, sizeof first)));
        json_object_set_new(o, "last_event", json_string(drift_time_text(b->last_ms, last, sizeof last)));
    }
    json_object_set_new(o, "events", json_integer((json_int_t)base->chain[DRIFT_CHAIN_INPUT].pooled->n));
    json_object_set_new(o, "labels", json_integer((json_int_t)base->chain[DRIFT_CHAIN_LABEL].pooled->n));
    json_object_set_new(o, "windows", json_integer((json_int_t)base->chain[DRIFT_CHAIN_INPUT].n_windows));
    if (base->chain[DRIFT_CHAIN_INPUT].training)
        json_object_set_new(o, "training", json_integer((json_int_t)base->chain[DRIFT_CHAIN_INPUT].training->n));
    json_object_set_new(o, "config_hash", json_string(config_hash ? config_hash : ""));
    json_object_set_new(o, "seed", json_string("names"));
    json_object_set_new(o, "driftd", json_string(DRIFTD_VERSION));
    json_object_set_new(o, "notes", notes(b, without_law));
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

/* The first half of a digest in hex, as a number. */
static uint64_t seed_of(const char content[DRIFT_HEX_DIGEST])
{
    char half[17] = "";
    memcpy(half, content, 16);
    return strtoull(half, NULL, 16);
}

int drift_builder_finish(struct drift_builder *b, const char *id, const char *source, const char *config_hash,
                         int64_t now_ms, struct drift_baseline **ret, struct drift_err *err)
{
    char content[DRIFT_HEX_DIGEST];
    if (!b->frozen)
        drift_bug("baseline finished before its layout is frozen");
    if (id && !drift_baseline_id_valid(id))
        return drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP,
                          "baseline id %s: use 1 to 128 of letters, digits, dot, underscore, hyphen", id);
    if (!b->chain[DRIFT_CHAIN_INPUT].pooled->n && !b->chain[DRIFT_CHAIN_LABEL].pooled->n)
        return drift_fail(err, DRIFT_E_EMPTY, DRIFT_STOP, "the second pass saw no event of the model");
    struct drift_baseline *base = drift_xcalloc(1, sizeof *base);
    base->model = drift_xstrdup(b->model && b->model->name ? b->model->name : "model");
    base->created_ms = now_ms;
    move_chains(b, base);
    int rc = content_digest(base, content, err);
    if (rc) {
        drift_baseline_free(base);
        return rc;
    }
    base->id = id ? drift_xstrdup(id) : made_id(base->model, content);
    uint32_t without_law = drift_law_draw(base, seed_of(content));
    base->meta = meta_text(b, base, content, source, config_hash, without_law);
    *ret = base;
    return 0;
}

/* ---- imported edges ---- */

int drift_builder_edges(struct drift_builder *b, const char *column, const double *edges, size_t n,
                        struct drift_err *err)
{
    if (!n || n > IMPORT_MAX)
        return drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP, "column %s: %zu edges, 1 to %d are possible", column, n,
                          IMPORT_MAX);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(edges[i]) || (i && !(edges[i] > edges[i - 1])))
            return drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP,
                              "column %s: edge %zu is not finite or not above the one before", column, i + 1);
    if (strlen(column) > DRIFT_NAME_MAX)
        return drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP, "column %.40s...: the name is too long", column);
    enum drift_role role = !strcmp(column, "score")     ? DRIFT_SCORE
                           : !strcmp(column, "latency") ? DRIFT_LATENCY
                                                        : DRIFT_FEATURE;
    size_t at = survey_of(b, role, column); /* may move the array */
    struct survey *s = &b->surveys[at];
    if (s->type == DRIFT_CATEGORICAL)
        return drift_fail(err, DRIFT_E_TYPE, DRIFT_STOP,
                          "column %s: edges for a column that the configuration calls categorical", column);
    s->type = DRIFT_NUMERIC;
    s->import = drift_xrealloc(s->import, n, sizeof *s->import);
    for (size_t i = 0; i < n; i++)
        s->import[i] = edges[i] == 0 ? 0 : edges[i];
    s->n_import = (uint32_t)n;
    return 0;
}

static int edges_of(struct drift_builder *b, const char *column, const json_t *list, struct drift_err *err)
{
    double edges[IMPORT_MAX];
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > IMPORT_MAX)
        return drift_fail(err, DRIFT_E_TYPE, DRIFT_STOP, "column %s: not a list of at most %d numbers", column,
                          IMPORT_MAX);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_number(v))
            return drift_fail(err, DRIFT_E_TYPE, DRIFT_STOP, "column %s: edge %zu is not a number", column, i + 1);
        edges[i] = json_number_value(v);
    }
    return drift_builder_edges(b, column, edges, n, err);
}

int drift_builder_edges_file(struct drift_builder *b, const char *file, struct drift_err *err)
{
    json_error_t je;
    FILE *f = fopen(file, "rb");
    if (!f)
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read %s: %s", file, strerror(errno));
    json_t *root = NULL;
    if (!fseek(f, 0, SEEK_END) && ftell(f) <= EDGES_FILE_MAX && !fseek(f, 0, SEEK_SET))
        root = json_loadf(f, JSON_REJECT_DUPLICATES, &je);
    else
        snprintf(je.text, sizeof je.text, "larger than %d bytes", EDGES_FILE_MAX);
    fclose(f);
    if (!root)
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "%s: %s", file, je.text);
    const json_t *edges = json_object_get(json_object_get(root, "baseline"), "edges");
    if (!edges)
        edges = json_object_get(root, "edges");
    int rc = 0;
    if (!json_object_size(edges))
        rc = drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "%s: it has no object baseline.edges or edges", file);
    const char *name;
    json_t *list;
    json_object_foreach((json_t *)(uintptr_t)edges, name, list)
    {
        if (!rc && (rc = edges_of(b, name, list, err)))
            drift_err_prefix(err, "%s", file);
    }
    json_decref(root);
    return rc;
}

/* ---- life ---- */

struct drift_builder *drift_builder_new(const struct drift_model *m, const struct drift_builder_settings *s)
{
    struct drift_builder *b = drift_xcalloc(1, sizeof *b);
    b->model = m;
    if (s)
        b->set = *s;
    if (!b->set.sample)
        b->set.sample = 65536;
    if (!b->set.max_distinct)
        b->set.max_distinct = DRIFT_CATEGORIES_MAX + DRIFT_RARE_MAX;
    if (!b->set.max_bytes)
        b->set.max_bytes = 512u << 20;
    if (m && m->dependence.on)
        b->joint = (struct joint){.stride = m->dependence.max_features, .rng = name_seed(m->name)};
    b->first_ms = INT64_MAX;
    b->last_ms = INT64_MIN;
    for (size_t k = 0; k < n_keys(b); k++)
        b->key[k] = (struct survey){.role = DRIFT_SOURCE, .type = DRIFT_CATEGORICAL};
    return b;
}

static void survey_release(struct survey *s)
{
    for (uint32_t i = 0; i < s->cap_names; i++)
        free(s->table[i].name);
    free(s->table);
    free(s->sample);
    free(s->import);
    free(s->name);
}

void drift_builder_free(struct drift_builder *b)
{
    if (!b)
        return;
    drift_builder_unbind(b);
    free(b->bound);
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        struct chain *c = &b->chain[k];
        for (size_t i = 0; i < c->n; i++)
            drift_summary_free(c->windows[i].summary);
        free(c->windows);
        drift_summary_free(c->pooled);
        drift_summary_free(c->training);
        drift_layout_free(c->layout);
    }
    for (size_t i = 0; i < b->n_maps; i++)
        free(b->maps[i].survey);
    free(b->maps);
    for (size_t i = 0; i < b->n_surveys; i++)
        survey_release(&b->surveys[i]);
    for (size_t k = 0; k < DRIFT_SEGMENT_KEYS; k++)
        survey_release(&b->key[k]);
    free(b->surveys);
    free(b->joint.rows);
    free(b);
}
