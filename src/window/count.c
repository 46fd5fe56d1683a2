/* src/window/count.c    One event into one summary: a cell lookup and an increment for each column. */
#include "driftd/internal/window/count.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/window/dependence.h"
#include "driftd/internal/window/segment.h"
#include "driftd/magnitude.h"

enum { NO_SLOT = -1 };
#define NO_MAGNITUDE UINT32_MAX

/* A feature column and the field slot that feeds it. */
struct feed {
    const struct drift_column *column;
    int32_t slot;       /* NO_SLOT: the stream has not shown the field yet */
    uint32_t magnitude; /* first counter of its buckets; NO_MAGNITUDE */
};

/* A numeric feature that the stream has shown, as the inner loop wants it. */
struct lane {
    const struct drift_grid *grid;
    uint32_t slot, first;
    uint32_t magnitude;
};

/* A role that a record carries at most once, and its column. */
struct scalar {
    const struct drift_column *column;
    uint32_t magnitude; /* as of a lane */
    size_t offset;      /* of the struct drift_value in struct drift_event */
};

/* Where the value of a segment key stands in an event. */
struct key_feed {
    bool source;  /* the role */
    int32_t slot; /* else: the field's */
};

/* What counting per segment adds; one allocation, only for layouts that have segments. */
struct per_segment {
    struct drift_segments *segments;
    struct key_feed feed[DRIFT_SEGMENT_KEYS];
    uint64_t *at[DRIFT_SEGMENT_KEYS]; /* counters of the event's value of each key */
};

struct drift_binding {
    const struct drift_layout *layout;
    const struct drift_stream *stream;
    const struct drift_model *model;
    enum drift_chain_kind chain;
    bool has_features, has_magnitudes;
    size_t n_feeds, n_scalars, n_lanes, n_slow;
    struct feed *feeds;
    struct lane *lanes;
    uint32_t *lane_coarse; /* [lane] -> first counter of its coarse column in a value; only with segments */
    struct feed *slow;     /* feeds that are no lane: categorical, or not shown yet */
    struct scalar scalars[DRIFT_LATENCY + 1];
    /* field slots without a column that the model would watch: "new" */
    size_t n_extra;
    uint32_t *extra;
    uint32_t n_known;                                       /* field slots looked up so far */
    struct per_segment *per_segment;                        /* NULL: none */
    uint32_t *feed_of;                                      /* [column] -> feed */
    uint32_t generation;                                    /* of the field list that slots and extra are for */
    struct drift_dependence *dependence;                    /* NULL: the layout has no such block */
    int32_t dependence_slot[DRIFT_DEPENDENCE_FEATURES_MAX]; /* field slots of its features */
};

static uint32_t magnitude_of(const struct drift_layout *l, const struct drift_column *c)
{
    return drift_magnitude_first(l, (uint32_t)(c - l->columns));
}

static void add_scalar(struct drift_binding *b, enum drift_role role, const char *path, size_t offset)
{
    int at = path ? drift_layout_find(b->layout, role, NULL) : -1;
    if (at >= 0)
        b->scalars[b->n_scalars++] =
            (struct scalar){&b->layout->columns[at], magnitude_of(b->layout, &b->layout->columns[at]), offset};
}

/* A baseline's segments were looked at when it was loaded or built: here they are of their form. */
static struct per_segment *per_segment_new(const struct drift_layout *layout, const struct drift_stream *stream)
{
    struct drift_segments *segments;
    struct drift_err err;
    if (drift_segments_new(layout, &segments, &err) || !segments)
        return NULL;
    struct per_segment *p = drift_xcalloc(1, sizeof *p);
    p->segments = segments;
    for (uint32_t k = 0; k < segments->n_keys; k++)
        p->feed[k] = (struct key_feed){stream->source && !strcmp(segments->key[k].name, "source"), NO_SLOT};
    return p;
}

static void per_segment_free(struct per_segment *p)
{
    if (p)
        drift_segments_free(p->segments);
    free(p);
}

struct drift_binding *drift_binding_new(const struct drift_layout *layout, const struct drift_stream *stream,
                                        const struct drift_model *model, enum drift_chain_kind chain)
{
    struct drift_binding *b = drift_xcalloc(1, sizeof *b);
    b->layout = layout;
    b->stream = stream;
    b->model = model;
    b->chain = chain;
    b->generation = UINT32_MAX;
    b->has_magnitudes = drift_layout_block(layout, DRIFT_MAGNITUDE_BLOCK) != NULL;
    if (chain == DRIFT_CHAIN_LABEL) {
        add_scalar(b, DRIFT_LABEL, stream->label, offsetof(struct drift_event, label));
        return b;
    }
    b->has_features = stream->features || stream->n_feature_fields;
    b->per_segment = per_segment_new(layout, stream);
    add_scalar(b, DRIFT_SCORE, stream->score, offsetof(struct drift_event, score));
    add_scalar(b, DRIFT_DECISION, stream->decision, offsetof(struct drift_event, decision));
    add_scalar(b, DRIFT_SOURCE, stream->source, offsetof(struct drift_event, source));
    add_scalar(b, DRIFT_LATENCY, stream->latency, offsetof(struct drift_event, latency));
    b->feeds = drift_xcalloc(layout->n_columns, sizeof *b->feeds);
    b->lanes = drift_xcalloc(layout->n_columns, sizeof *b->lanes);
    b->lane_coarse = drift_xcalloc(layout->n_columns, sizeof *b->lane_coarse);
    b->slow = drift_xcalloc(layout->n_columns, sizeof *b->slow);
    b->feed_of = drift_xcalloc(layout->n_columns, sizeof *b->feed_of);
    for (uint32_t i = 0; b->has_features && i < layout->n_columns; i++) {
        if (layout->columns[i].role != DRIFT_FEATURE)
            continue;
        b->feed_of[i] = (uint32_t)b->n_feeds;
        b->feeds[b->n_feeds++] = (struct feed){&layout->columns[i], NO_SLOT, magnitude_of(layout, &layout->columns[i])};
    }
    /* a block that cannot be read is never filled; the judge, who has its own look at it, says so */
    if (b->has_features && drift_dependence_new(layout, &b->dependence, &(struct drift_err){0}))
        b->dependence = NULL;
    return b;
}

void drift_binding_free(struct drift_binding *b)
{
    if (!b)
        return;
    per_segment_free(b->per_segment);
    free(b->feeds);
    free(b->lanes);
    free(b->lane_coarse);
    free(b->slow);
    free(b->extra);
    free(b->feed_of);
    drift_dependence_free(b->dependence);
    free(b);
}

/* The fields that name an event's segments. */
static void look_up_keys(struct per_segment *p, const struct drift_fields *fields, uint32_t from)
{
    for (uint32_t k = 0; k < p->segments->n_keys; k++) {
        if (!from)
            p->feed[k].slot = NO_SLOT;
        for (uint32_t i = from; i < fields->n; i++)
            if (!strcmp(fields->names[i], p->segments->key[k].name))
                p->feed[k].slot = (int32_t)i;
    }
}

/* Which column feeds a field name; names are looked up once, since hostile records may show thousands, one by one. */
static void look_up(struct drift_binding *b, const struct drift_fields *fields)
{
    if (fields->n < b->n_known) /* another list */
        b->n_known = 0;
    if (!b->n_known)
        for (size_t i = 0; i < b->n_feeds; i++)
            b->feeds[i].slot = NO_SLOT;
    b->extra = drift_xrealloc(b->extra, fields->n, sizeof *b->extra);
    b->n_extra = b->n_known ? b->n_extra : 0;
    if (b->per_segment)
        look_up_keys(b->per_segment, fields, b->n_known);
    for (; b->n_known < fields->n; b->n_known++) {
        const char *name = fields->names[b->n_known];
        int column = b->n_feeds ? drift_layout_find(b->layout, DRIFT_FEATURE, name) : -1;
        if (column >= 0)
            b->feeds[b->feed_of[column]].slot = (int32_t)b->n_known;
        else if (b->n_feeds && (!b->model || drift_model_wants(b->model, name)))
            b->extra[b->n_extra++] = b->n_known;
    }
}

/* The stream has shown new fields: find out which column each slot feeds. */
static void rebind(struct drift_binding *b, const struct drift_fields *fields)
{
    look_up(b, fields);
    b->n_lanes = b->n_slow = 0;
    for (size_t i = 0; i < b->n_feeds; i++) {
        const struct feed *f = &b->feeds[i];
        if (f->slot != NO_SLOT && f->column->kind == DRIFT_NUMERIC) {
            if (b->per_segment)
                b->lane_coarse[b->n_lanes] =
                    b->per_segment->segments->coarse->columns[f->column - b->layout->columns].first;
            b->lanes[b->n_lanes++] = (struct lane){f->column->grid, (uint32_t)f->slot, f->column->first, f->magnitude};
        } else {
            b->slow[b->n_slow++] = *f;
        }
    }
    for (uint32_t i = 0; b->dependence && i < b->dependence->n_features; i++)
        b->dependence_slot[i] = b->feeds[b->feed_of[b->dependence->column[i]]].slot;
    b->generation = fields->generation;
}

static bool any_input(const struct drift_event *ev)
{
    if (ev->score.kind || ev->decision.kind || ev->source.kind || ev->latency.kind)
        return true;
    for (uint32_t s = 0; ev->fields && s < ev->fields->n; s++)
        if (ev->kind[s] != DRIFT_V_ABSENT)
            return true;
    return false;
}

bool drift_stream_event_feeds(const struct drift_stream *stream, const struct drift_event *ev,
                              enum drift_chain_kind chain)
{
    if (chain == DRIFT_CHAIN_LABEL)
        return stream->label && ev->label.kind != DRIFT_V_ABSENT;
    return drift_stream_feeds(stream, DRIFT_CHAIN_INPUT) && (!stream->label || any_input(ev));
}

bool drift_binding_wants(const struct drift_binding *b, const struct drift_event *ev)
{
    return drift_stream_event_feeds(b->stream, ev, b->chain);
}

struct drift_str drift_value_category(enum drift_value_kind kind, double num, struct drift_str str, char *scratch)
{
    if (kind == DRIFT_V_STR)
        return str;
    if (kind == DRIFT_V_BOOL)
        return num != 0 ? (struct drift_str){"true", 4} : (struct drift_str){"false", 5};
    return (struct drift_str){scratch, drift_f64_text(num, scratch, 32)};
}

/* Special cell of a kind that is no number. */
static const uint8_t special_of[] = {
    [DRIFT_V_ABSENT] = DRIFT_MISSING,   [DRIFT_V_NULL] = DRIFT_NULL,       [DRIFT_V_NUM] = DRIFT_WRONG_TYPE,
    [DRIFT_V_STR] = DRIFT_WRONG_TYPE,   [DRIFT_V_BOOL] = DRIFT_WRONG_TYPE, [DRIFT_V_NONFINITE] = DRIFT_NONFINITE,
    [DRIFT_V_OTHER] = DRIFT_WRONG_TYPE,
};

static inline bool is_number(uint8_t kind)
{
    return kind == DRIFT_V_NUM || kind == DRIFT_V_BOOL;
}

static inline uint32_t cell_of_number(const struct drift_grid *g, uint8_t kind, double num)
{
    if (__builtin_expect(is_number(kind), 1))
        return DRIFT_N_SPECIAL + drift_grid_cell(g, num);
    return special_of[kind];
}

/* Counter of a category, specials included; a value that the column does not know is noted beside it. */
static uint32_t cell_of_category(const struct drift_column *c, uint8_t kind, double num, struct drift_str str,
                                 struct drift_summary *into)
{
    char scratch[32];
    if (kind != DRIFT_V_STR && kind != DRIFT_V_NUM && kind != DRIFT_V_BOOL)
        return special_of[kind];
    str = drift_value_category(kind, num, str, scratch);
    uint32_t cell = drift_column_category(c, str.p, str.n);
    if (cell == drift_column_unseen(c))
        drift_summary_unseen(into, (uint32_t)(c - into->layout->columns), str.p, str.n);
    return DRIFT_N_SPECIAL + cell;
}

/* The same cell once more for each key, in the coarse form of the event's value. */
static inline void count_segments(const struct per_segment *p, uint32_t counter, uint32_t coarse_first)
{
    uint32_t at = coarse_first + p->segments->cell_of[counter];
    for (uint32_t k = 0; k < p->segments->n_keys; k++)
        p->at[k][at]++;
}

static void count_value(const struct drift_binding *b, const struct drift_column *c, uint8_t kind, double num,
                        const struct drift_str *str, struct drift_summary *into)
{
    uint32_t cell =
        c->kind == DRIFT_NUMERIC ? cell_of_number(c->grid, kind, num) : cell_of_category(c, kind, num, *str, into);
    into->counts[c->first + cell]++;
    if (b->per_segment)
        count_segments(b->per_segment, c->first + cell,
                       b->per_segment->segments->coarse->columns[c - b->layout->columns].first);
}

static uint32_t value_of(const struct drift_segment_key *k, const struct key_feed *f, const struct drift_event *ev)
{
    struct drift_value v = {.kind = DRIFT_V_ABSENT};
    char scratch[32];
    if (f->source)
        v = ev->source;
    else if (f->slot != NO_SLOT)
        v = (struct drift_value){(enum drift_value_kind)ev->kind[f->slot], ev->num[f->slot], ev->str[f->slot]};
    if (v.kind != DRIFT_V_STR && v.kind != DRIFT_V_NUM && v.kind != DRIFT_V_BOOL)
        return k->n_values;
    struct drift_str text = drift_value_category(v.kind, v.num, v.str, scratch);
    return drift_segment_value(k, text.p, text.n);
}

/* Which segments the event belongs to: looked up once, whatever the number of columns. */
static void find_segments(struct per_segment *p, const struct drift_event *ev, uint64_t *counts)
{
    for (uint32_t k = 0; k < p->segments->n_keys; k++) {
        const struct drift_segment_key *key = &p->segments->key[k];
        p->at[k] = counts + drift_segment_counter(p->segments, key, value_of(key, &p->feed[k], ev));
        p->at[k][0]++;
    }
}

static void count_magnitude(uint32_t first, uint8_t kind, double num, uint64_t *counts)
{
    if (first != NO_MAGNITUDE && is_number(kind))
        counts[first + drift_magnitude_bucket(num)]++;
}

/* The numeric features; apart from count_features, whose loops stay as short as they are.  The loop is inlined for the
 * usual numbers of keys, so that the counters' addresses stay in registers. */
static inline void count_lanes_of(const struct drift_binding *b, const struct drift_event *ev, uint64_t *counts,
                                  uint32_t n_keys, bool magnitudes)
{
    const uint8_t *cell_of = b->per_segment->segments->cell_of;
    const uint32_t *coarse = b->lane_coarse;
    uint64_t *at[DRIFT_SEGMENT_KEYS];
    for (uint32_t k = 0; k < n_keys; k++)
        at[k] = b->per_segment->at[k];
    for (const struct lane *l = b->lanes, *end = l + b->n_lanes; l < end; l++, coarse++) {
        uint8_t kind = ev->kind[l->slot];
        double x = ev->num[l->slot];
        uint32_t counter = l->first + cell_of_number(l->grid, kind, x);
        counts[counter]++;
        if (magnitudes)
            count_magnitude(l->magnitude, kind, x, counts);
        uint32_t to = *coarse + cell_of[counter];
        for (uint32_t k = 0; k < n_keys; k++)
            at[k][to]++;
    }
}

/* Not inlined: it would take registers from the loops of count_features (7 % with magnitudes). */
__attribute__((noinline)) static void count_lanes_by_segment(const struct drift_binding *b,
                                                             const struct drift_event *ev, uint64_t *counts)
{
    uint32_t n = b->per_segment->segments->n_keys;
    if (n == 1 && b->has_magnitudes)
        count_lanes_of(b, ev, counts, 1, true);
    else if (n == 2 && b->has_magnitudes)
        count_lanes_of(b, ev, counts, 2, true);
    else
        count_lanes_of(b, ev, counts, n, b->has_magnitudes);
}

static void count_features(struct drift_binding *b, const struct drift_event *ev, struct drift_summary *into)
{
    static const struct drift_str none = {"", 0};
    uint64_t *counts = into->counts;
    const double *num = ev->num;
    const uint8_t *kind = ev->kind;
    if (b->per_segment)
        count_lanes_by_segment(b, ev, counts);
    else if (b->has_magnitudes)
        for (const struct lane *l = b->lanes, *end = l + b->n_lanes; l < end; l++) {
            double x = num[l->slot];
            if (__builtin_expect(is_number(kind[l->slot]), 1)) {
                counts[l->first + DRIFT_N_SPECIAL + drift_grid_cell(l->grid, x)]++;
                counts[l->magnitude + drift_magnitude_bucket(x)]++;
            } else {
                counts[l->first + special_of[kind[l->slot]]]++;
            }
        }
    else
        for (const struct lane *l = b->lanes, *end = l + b->n_lanes; l < end; l++)
            counts[l->first + cell_of_number(l->grid, kind[l->slot], num[l->slot])]++;
    for (size_t i = 0; i < b->n_slow; i++) {
        int32_t s = b->slow[i].slot;
        if (s == NO_SLOT)
            count_value(b, b->slow[i].column, DRIFT_V_ABSENT, 0, &none, into);
        else
            count_value(b, b->slow[i].column, kind[s], num[s], &ev->str[s], into);
    }
    for (size_t i = 0; i < b->n_extra; i++)
        if (ev->kind[b->extra[i]] != DRIFT_V_ABSENT) {
            const char *name = ev->fields->names[b->extra[i]];
            drift_tally_add(&into->tally[DRIFT_TALLY_NEW_FIELD], name, strlen(name), 1);
        }
}

static void count_dependence(const struct drift_binding *b, const struct drift_event *ev, uint64_t *counts)
{
    const struct drift_dependence *d = b->dependence;
    double score[DRIFT_DEPENDENCE_FEATURES_MAX];
    for (uint32_t i = 0; i < d->n_features; i++) {
        int32_t s = b->dependence_slot[i];
        bool number = s != NO_SLOT && (ev->kind[s] == DRIFT_V_NUM || ev->kind[s] == DRIFT_V_BOOL);
        const struct drift_column *c = &b->layout->columns[d->column[i]];
        score[i] = number ? d->score[i][drift_column_cell(c, ev->num[s])] : (double)NAN;
    }
    drift_dependence_add(d, score, counts);
}

void drift_binding_count(struct drift_binding *b, const struct drift_event *ev, struct drift_summary *into)
{
    if (b->has_features && b->generation != ev->fields->generation)
        rebind(b, ev->fields);
    into->n++;
    if (b->per_segment)
        find_segments(b->per_segment, ev, into->counts);
    if (b->has_features)
        count_features(b, ev, into);
    if (b->dependence && drift_dependence_takes(b->dependence, ev->place))
        count_dependence(b, ev, into->counts);
    for (size_t i = 0; i < b->n_scalars; i++) {
        const struct drift_value *v =
            (const struct drift_value *)(const void *)((const char *)ev + b->scalars[i].offset);
        count_value(b, b->scalars[i].column, (uint8_t)v->kind, v->num, &v->str, into);
        count_magnitude(b->scalars[i].magnitude, (uint8_t)v->kind, v->num, into->counts);
    }
    for (int k = 0; k < DRIFT_N_VERSION; k++)
        if (ev->version[k].n)
            drift_tally_add(&into->tally[DRIFT_TALLY_MODEL_VERSION + k], ev->version[k].p, ev->version[k].n, 1);
    if (ev->schema.n)
        drift_tally_add(&into->tally[DRIFT_TALLY_SCHEMA], ev->schema.p, ev->schema.n, 1);
}
