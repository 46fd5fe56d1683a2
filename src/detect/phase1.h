/* phase1.h - the parts of phase I: what it makes of the pool, of a column's windows, of all columns; private to the
 * detect room. */
#ifndef DRIFTD_DETECT_PHASE1_H
#define DRIFTD_DETECT_PHASE1_H

#include "driftd/phase1.h"

/* A column by itself: a p-value of no split below this is one, fewer windows than these are too few. */
static const double phase1_split_p = 1e-5, phase1_effective_least = 12;

/* Sums that stay where they are instead of starting anew. */
static inline uint64_t phase1_add(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

static inline uint64_t phase1_total(const uint64_t *c, size_t n)
{
    uint64_t s = 0;
    for (size_t i = 0; i < n; i++)
        s = phase1_add(s, c[i]);
    return s;
}

/* ---- pool ---- */

/* Empty, of a pool.  DRIFT_E_MEMORY. */
int phase1_new(const struct drift_summary *pooled, struct drift_phase1 **ret);
uint64_t phase1_pool_hash(const struct drift_summary *pooled);
void phase1_column_release(struct drift_phase1_column *p);
/* Makes basis and groups from the pool's counters of the column, and says which scores are used; needs n_typical.
 * DRIFT_E_MEMORY. */
int phase1_column_prepare(struct drift_phase1_column *p, const struct drift_column *c, const uint64_t *counters);
/* Then, with cell_phi known, the limits of the cells. */
void phase1_column_limits(struct drift_phase1_column *p, const struct drift_column *c, const uint64_t *cells);
/* Has a window enough with and without the category for its share to be near normal?  count: of the pool. */
bool phase1_share_used(const struct drift_phase1_column *p, uint64_t count);
/* Categories, then rare and unseen ones as one: which of the two a name is may say when it came first, not how often.
 */
static inline uint32_t phase1_shares(const struct drift_column *c)
{
    return c->n_categories + 1;
}
static inline uint64_t phase1_share(const struct drift_column *c, const uint64_t *cells, uint32_t j)
{
    return j < c->n_categories ? cells[j] : phase1_add(cells[drift_column_rare(c)], cells[drift_column_unseen(c)]);
}

/* ---- windows ---- */

struct phase1_task {
    const struct drift_summary *pooled;
    const struct drift_phase1_window *windows;
    size_t n_windows;
    int64_t window_ms;
    struct drift_phase1_settings set;
};

/* One column's windows: those with values only. */
struct phase1_view {
    const struct drift_column *c;
    const uint64_t **counters; /* [n], of the column */
    int64_t *start_ms;
    uint32_t *at;                     /* index among all windows */
    double *n_values, *x, *y, *first; /* first: mean scores of location */
    uint64_t *groups;                 /* [n_cells] */
    size_t n;
    int64_t window_ms;
    double alpha; /* of seasons */
};

/* Room for any column of the task.  DRIFT_E_MEMORY; release either way. */
int phase1_view_init(struct phase1_view *v, const struct phase1_task *t);
void phase1_view_release(struct phase1_view *v);
/* Column i, with the flags that it has by itself.  DRIFT_E_MEMORY. */
int phase1_column_fit(const struct phase1_task *t, struct phase1_view *v, uint32_t i, struct drift_phase1_column *p);

/* What a mean score of the location does to that of scale, beside what it does on average. */
double phase1_curve_at(const struct drift_phase1_column *p, double location);

#endif
