/* traffic.h - windows of simulated events of one model, straight as counts: 50 features of 1000 events in 0.2 ms.
 *
 * Each feature is numeric with the cells that a baseline of N(0, 1) has: 1 % each, deciles as PSI bins, a bounded range
 * of -+4.6.  A window draws n events of N(mu, sd) per feature by Walker's alias method, seeded by support.h.  Or each
 * is categorical: category k has a share in proportion to 1 / (k + 1), and the odds of the second can be moved. */
#ifndef DRIFTD_TEST_TRAFFIC_H
#define DRIFTD_TEST_TRAFFIC_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/summary.h"
#include "support.h"

enum { TRAFFIC_EDGES = 101, TRAFFIC_CELLS = TRAFFIC_EDGES + 1 };

struct traffic_alias {
    uint32_t threshold[TRAFFIC_CELLS];
    uint8_t other[TRAFFIC_CELLS];
};

struct traffic {
    struct drift_layout *layout;
    double edges[TRAFFIC_EDGES];
    struct traffic_alias still; /* N(0, 1) */
};

static inline double traffic_phi(double x)
{
    return 0.5 * erfc(-x * 0.70710678118654752);
}

static inline double traffic_quantile(double p)
{
    double low = -9, high = 9;
    for (int i = 0; i < 80; i++) {
        double mid = (low + high) / 2;
        *(traffic_phi(mid) < p ? &low : &high) = mid;
    }
    return (low + high) / 2;
}

/* mass: shape [TRAFFIC_CELLS], sums to 1 */
static inline void traffic_alias_make(struct traffic_alias *a, const double *mass)
{
    double scaled[TRAFFIC_CELLS];
    uint8_t small[TRAFFIC_CELLS], large[TRAFFIC_CELLS];
    int n_small = 0, n_large = 0;
    for (int i = 0; i < TRAFFIC_CELLS; i++) {
        scaled[i] = mass[i] * TRAFFIC_CELLS;
        if (scaled[i] < 1)
            small[n_small++] = (uint8_t)i;
        else
            large[n_large++] = (uint8_t)i;
    }
    for (int i = 0; i < TRAFFIC_CELLS; i++) {
        a->threshold[i] = UINT32_MAX;
        a->other[i] = (uint8_t)i;
    }
    while (n_small && n_large) {
        uint8_t s = small[--n_small], l = large[n_large - 1];
        a->threshold[s] = (uint32_t)(scaled[s] * 4294967295.0);
        a->other[s] = l;
        scaled[l] -= 1 - scaled[s];
        if (scaled[l] < 1) {
            n_large--;
            small[n_small++] = l;
        }
    }
}

static inline void traffic_normal(const struct traffic *t, double mu, double sd, struct traffic_alias *a)
{
    double mass[TRAFFIC_CELLS], below = 0;
    for (int i = 0; i < TRAFFIC_CELLS; i++) {
        double upto = i < TRAFFIC_EDGES ? traffic_phi((t->edges[i] - mu) / sd) : 1;
        mass[i] = upto - below;
        below = upto;
    }
    traffic_alias_make(a, mass);
}

static inline void traffic_init(struct traffic *t, int n_features)
{
    static const uint32_t bin_end[10] = {11, 21, 31, 41, 51, 61, 71, 81, 91, TRAFFIC_CELLS};
    t->edges[0] = -4.6;
    t->edges[TRAFFIC_EDGES - 1] = 4.6;
    for (int i = 1; i < TRAFFIC_EDGES - 1; i++)
        t->edges[i] = traffic_quantile(i / 100.0);
    t->layout = drift_layout_new();
    for (int i = 0; i < n_features; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%02d", i);
        if (drift_layout_add_numeric(t->layout, DRIFT_FEATURE, name, t->edges, TRAFFIC_EDGES, true, bin_end, 10))
            abort();
    }
    if (drift_layout_seal(t->layout))
        abort();
    traffic_normal(t, 0, 1, &t->still);
}

/* n_categories: shape [n_features], 2 to 30; `still` is not made: each feature has its own. */
static inline void traffic_categories_init(struct traffic *t, int n_features, const uint32_t *n_categories)
{
    t->layout = drift_layout_new();
    for (int i = 0; i < n_features; i++) {
        char name[16], names[30][8];
        const char *list[30];
        for (uint32_t k = 0; k < n_categories[i]; k++) {
            snprintf(names[k], sizeof names[k], "c%u", k);
            list[k] = names[k];
        }
        snprintf(name, sizeof name, "f%02d", i);
        if (drift_layout_add_categorical(t->layout, DRIFT_FEATURE, name, list, n_categories[i], NULL, 0))
            abort();
    }
    if (drift_layout_seal(t->layout))
        abort();
}

/* odds: added to the log odds of the second category */
static inline void traffic_odds(const struct traffic *t, uint32_t feature, double odds, struct traffic_alias *a)
{
    double mass[TRAFFIC_CELLS] = {0}, sum = 0;
    uint32_t n = t->layout->columns[feature].n_categories;
    for (uint32_t k = 0; k < n; k++)
        sum += mass[k] = exp(k == 1 ? odds : 0) / (k + 1);
    for (uint32_t k = 0; k < n; k++)
        mass[k] /= sum;
    traffic_alias_make(a, mass);
}

static inline void traffic_release(struct traffic *t)
{
    drift_layout_free(t->layout);
}

/* Adds n events of a feature. */
static inline void traffic_draw(const struct traffic *t, const struct traffic_alias *a, struct drift_rng *r, uint64_t n,
                                uint32_t feature, struct drift_summary *s)
{
    uint64_t *cells = s->counts + t->layout->columns[feature].first + DRIFT_N_SPECIAL;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t u = drift_rng_u64(r);
        uint32_t cell = (uint32_t)(((u >> 32) * TRAFFIC_CELLS) >> 32);
        cells[(uint32_t)u <= a->threshold[cell] ? cell : a->other[cell]]++;
    }
}

/* Where the baseline's m values end in the outermost cell, as a share of the cell: of it values to come lie outside. */
static inline double traffic_beyond(struct drift_rng *r, uint64_t m)
{
    return m ? 1 - pow(drift_rng_uniform(r), 1 / (double)m) : 1;
}

/* Of the values in the outermost cell and beyond, this share goes outside. */
static inline void traffic_outside(struct drift_rng *r, double share, uint64_t *inner, uint64_t *outer)
{
    uint64_t n = *inner + *outer;
    *inner = *outer = 0;
    for (uint64_t i = 0; i < n; i++)
        ++*(drift_rng_uniform(r) < share ? outer : inner);
}

/* A window of n events, all features still; then features may be drawn again after traffic_clear. */
static inline void traffic_window(const struct traffic *t, struct drift_rng *r, uint64_t n, struct drift_summary *s)
{
    drift_summary_reset(s);
    s->n = n;
    for (uint32_t f = 0; f < t->layout->n_columns; f++)
        traffic_draw(t, &t->still, r, n, f, s);
}

static inline void traffic_clear(const struct traffic *t, uint32_t feature, struct drift_summary *s)
{
    const struct drift_column *c = &t->layout->columns[feature];
    memset(s->counts + c->first, 0, (DRIFT_N_SPECIAL + c->n_cells) * sizeof *s->counts);
}

#endif
