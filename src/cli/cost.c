/* src/cli/cost.c    What a model takes in Redis, for `driftd check`: sizes measured with Redis 7.0, rounded up. */
#include "driftd/internal/cli/cost.h"

#include <stdbool.h>

enum {
    ASSUMED_FEATURES = 50, /* when the configuration does not list them */
    ID_BYTES = 17          /* of an event id: 16, and its share of a field */
};

/* Of one thing: fixed, and for each column (or rule). */
struct rate {
    uint64_t fixed, each;
};
struct rates {
    struct rate usual, most;
};
static const struct rates window = {{200, 110}, {26000, 810}}; /* at most: 6 tallies of 32 texts; 3 bytes a counter */
static const struct rates header = {{330, 0}, {1500, 0}};
static const struct rates body = {{2000, 1700}, {6000, 8000}};
static const struct rates baseline = {{1000, 3000}, {3000, 16000}};
static const struct rates evidence = {{200, 350}, {300, 450}};
static const struct rates detectors = {{60, 1200}, {60, 110000}}; /* kswin of 10,000 values takes most */
/* Per key; each: of a value (`other` too) and column, in verdicts of a value. */
static const struct rates segment_window = {{0, 12}, {0, 44}};
static const struct rates segment_body = {{500, 150}, {2000, 700}};
static const struct rates segment_baseline = {{400, 240}, {4000, 700}};
static const struct rates chain = {{4000, 400}, {12000, 2000}}; /* each: of a rule */

static void add(struct drift_cost_bytes *to, const struct rates *r, uint64_t n, uint64_t each)
{
    to->usual += n * (r->usual.fixed + each * r->usual.each);
    to->most += n * (r->most.fixed + each * r->most.each);
}

static uint64_t columns_of(const struct drift_config *c, const struct drift_model *m)
{
    uint64_t n = 0;
    for (size_t i = 0; i < m->n_streams; i++) {
        const struct drift_stream *s = &c->streams[m->streams[i]];
        n += s->n_feature_fields ? s->n_feature_fields : s->features ? (size_t)ASSUMED_FEATURES : 0;
        n += (uint64_t)(s->score != NULL) + (s->decision != NULL) + (s->source != NULL) + (s->latency != NULL) +
             (s->label != NULL);
    }
    return n;
}

/* Totals of terms take 5 bytes, of pairs 2 (10 and 5 at most); the baseline has the products of terms and the cells'
 * scores besides. */
static void add_dependence(struct drift_cost *cost, const struct drift_dependence_config *d, uint64_t columns)
{
    uint64_t n = columns < d->max_features ? columns : d->max_features, pairs = n * (n + 1) / 2, t = d->terms;
    cost->partition.usual += cost->windows * (5 * t + 2 * pairs);
    cost->partition.most += cost->windows * (10 * t + 5 * pairs);
    cost->model.usual += 850 * n + 3 * t * t;
    cost->model.most += 2100 * n + 5 * t * t;
}

struct drift_cost drift_cost_of(const struct drift_config *c, const struct drift_model *m)
{
    struct drift_cost cost = {.columns = columns_of(c, m), .ids = (uint64_t)m->dedup_max_ids * ID_BYTES};
    int64_t judged_ms = c->state.retain_ms + m->window_ms - m->every_ms;
    cost.windows = (uint64_t)((m->lateness_ms + judged_ms) / m->every_ms) + 2;
    cost.headers = (uint64_t)((c->state.retain_ms + m->window_ms) / m->every_ms) + 2;
    add(&cost.partition, &window, cost.windows, cost.columns);
    add(&cost.model, &header, cost.headers, 0);
    add(&cost.model, &body, c->state.keep_verdicts, cost.columns);
    add(&cost.model, &baseline, 1, cost.columns);
    add(&cost.model, &chain, 1, m->n_rules);
    uint64_t values = m->segment_values + 1;
    for (size_t i = 0; i < m->n_segment_keys; i++) {
        add(&cost.partition, &segment_window, cost.windows, values * cost.columns);
        add(&cost.model, &segment_body, c->state.keep_verdicts, values);
        add(&cost.model, &segment_baseline, 1, values * cost.columns);
    }
    if (m->evidence.windows)
        add(&cost.model, &evidence, 1, cost.columns);
    if (m->n_detectors)
        add(&cost.model, &detectors, 1, m->n_detectors);
    if (m->dependence.on)
        add_dependence(&cost, &m->dependence, cost.columns);
    return cost;
}
