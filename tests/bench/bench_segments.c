/* tests/bench/bench_segments.c    What the values of keys add to the judgement of a window.
 *
 * 4 keys of 64 values, numeric features in ten bins, 1,000 events a value in the baseline and 200 in the window; the
 * best of several passes, since the machine is shared: milliseconds, and nanoseconds a value and feature. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "driftd/internal/judge/outcome.h"
#include "driftd/internal/window/segment.h"
#include "driftd/tail.h"
#include "support.h"

enum { KEYS = DRIFT_SEGMENT_KEYS, VALUES = DRIFT_SEGMENT_VALUES, PASSES = 10, BASELINE = 1000, WINDOW = 200 };

static double ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* drifts: of these features the window's events lie elsewhere */
static void fill(struct drift_summary *s, const struct drift_segments *segments, struct drift_rng *r, uint64_t events,
                 uint32_t drifts)
{
    for (uint32_t k = 0; k < segments->n_keys; k++)
        for (uint32_t v = 0; v <= segments->key[k].n_values; v++) {
            uint64_t *counts = s->counts + drift_segment_counter(segments, &segments->key[k], v);
            counts[0] = events;
            for (uint32_t f = 0; f < segments->coarse->n_columns; f++) {
                const struct drift_column *c = &segments->coarse->columns[f];
                for (uint64_t e = 0; e < events; e++) {
                    uint64_t cell = drift_rng_below(r, c->n_cells);
                    counts[c->first +
                           (drift_rng_below(r, 50) ? DRIFT_N_SPECIAL + (f < drifts ? cell / 2 : cell) : DRIFT_NULL)]++;
                }
            }
            s->n += k == 0 ? events : 0;
        }
}

static struct drift_layout *layout_of(int features)
{
    struct drift_layout *l = drift_layout_new();
    struct drift_segment_shape *shape = calloc((size_t)features, sizeof *shape);
    char names[VALUES][8];
    const char *values[VALUES];
    double edges[9];
    for (int i = 0; i < 9; i++)
        edges[i] = i;
    for (int f = 0; f < features; f++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", f);
        if (drift_layout_add_numeric(l, DRIFT_FEATURE, name, edges, 9, false, NULL, 0))
            abort();
    }
    for (int v = 0; v < VALUES; v++) {
        snprintf(names[v], sizeof names[v], "v%d", v);
        values[v] = names[v];
    }
    for (int k = 0; k < KEYS; k++) {
        char key[8];
        snprintf(key, sizeof key, "key%d", k);
        if (drift_segment_add(l, key, values, VALUES, shape))
            abort();
    }
    if (drift_layout_seal(l))
        abort();
    free(shape);
    return l;
}

static void bench(int features, uint32_t drifts)
{
    static char key[KEYS][8] = {"key0", "key1", "key2", "key3"}, *keys[] = {key[0], key[1], key[2], key[3]};
    struct drift_model m = {.n_segment_keys = KEYS, .segment_keys = keys, .segment_min_events = 100};
    struct drift_rng r = drift_rng_new(1);
    struct drift_layout *l = layout_of(features);
    struct drift_segments *segments;
    struct drift_err err = {0};
    if (drift_segments_new(l, &segments, &err))
        abort();
    struct drift_summary *before = drift_summary_new(l), *now = drift_summary_new(l);
    fill(before, segments, &r, BASELINE, 0);
    fill(now, segments, &r, WINDOW, drifts);
    struct drift_outcome_segments *o = calloc(1, sizeof *o);
    double best = INFINITY;
    for (int pass = 0; pass < PASSES; pass++) {
        memset(o, 0, sizeof *o);
        o->of = segments;
        double from = ms();
        drift_outcome_segment_figures(&m, before, now, o);
        best = fmin(best, ms() - from);
    }
    double n = (double)KEYS * (VALUES + 1) * features;
    if (o->psi.tests != n)
        abort();
    printf("{\"bench\": \"segments\", \"features\": %d, \"drifting\": %u, \"keys\": %d, \"values\": %d, \"ms\": %.2f, "
           "\"ns_per_value_and_feature\": %.0f}\n",
           features, drifts, KEYS, VALUES, best, best * 1e6 / n);
    free(o);
    drift_summary_free(before);
    drift_summary_free(now);
    drift_segments_free(segments);
    drift_layout_free(l);
}

int main(void)
{
    drift_stats_init();
    bench(50, 0);
    bench(50, 25);
    bench(1000, 0);
    return 0;
}
