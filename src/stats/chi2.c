/* src/stats/chi2.c    Pearson and likelihood-ratio tests of homogeneity, pooling of rare cells. */
#include "chi2.h"

#include <math.h>

#include "driftd/error.h"
#include "driftd/tail.h"
#include "pool.h"
#include "sum.h"

/* (1 + d) ln(1 + d) - d, d >= -1.  G's terms O ln(O/E) are large and cancel; with - (O - E) in each, whose sum is 0,
 * they do not. */
static double likelihood_gap(double d)
{
    if (d <= -1)
        return 1;
    if (fabs(d) > 0.1)
        return (1 + d) * log1p(d) - d;
    double power = d * d, sum = 0;
    for (int k = 2; k <= 17; k++, power *= -d)
        sum += power / (k * (k - 1));
    return sum;
}

static void cell_add(struct drift_chi2 *t, double observed, double expected)
{
    double gap = observed - expected;
    t->pearson += gap * gap / expected;
    t->g += 2 * expected * likelihood_gap(gap / expected);
    t->n_expected_below_5 += expected < 5;
    t->min_expected = fmin(t->min_expected, expected);
}

int chi2_brief(const uint64_t *p, const uint64_t *q, size_t n_cells, struct drift_chi2 *ret)
{
    double m = sum_counts(p, n_cells), n = sum_counts(q, n_cells), total = m + n;
    struct drift_chi2 t = {.min_expected = INFINITY};
    double inverse = 0;
    if (!(m > 0) || !(n > 0))
        return DRIFT_E_EMPTY;
    for (size_t i = 0; i < n_cells; i++) {
        double column = (double)p[i] + (double)q[i];
        if (!(column > 0))
            continue;
        t.cells++;
        inverse += total / column;
        cell_add(&t, (double)p[i], column * (m / total));
        cell_add(&t, (double)q[i], column * (n / total));
    }
    t.dof = (double)t.cells - 1;
    if (t.cells == 1)
        t.pearson = t.g = 0; /* rounding may leave something */
    t.pearson_p = drift_tail_chi2(t.pearson, t.dof);
    double q_min = t.dof > 0 ? (total / m + total / n - 1) * (inverse - 1) / (6 * total * t.dof) : 0;
    t.williams_p = drift_tail_chi2(t.g / (1 + q_min), t.dof);
    t.cramers_v = fmin(sqrt(t.pearson / total), 1);
    *ret = t;
    return 0;
}

int drift_chi2(const uint64_t *p, const uint64_t *q, size_t n_cells, struct drift_chi2 *ret)
{
    struct drift_chi2 t;
    int rc = chi2_brief(p, q, n_cells, &t);
    if (rc)
        return rc;
    t.pearson_log10_p = drift_tail_chi2_log10(t.pearson, t.dof);
    t.g_p = drift_tail_chi2(t.g, t.dof);
    t.g_log10_p = drift_tail_chi2_log10(t.g, t.dof);
    *ret = t;
    return 0;
}

/* Takes the cell with the smallest column total out of the first k into the pool.  Ties: the first. */
static size_t take_smallest(uint64_t *p, uint64_t *q, size_t k, uint64_t *pool_p, uint64_t *pool_q)
{
    size_t at = 0;
    for (size_t i = 1; i < k; i++)
        if (sum_sat(p[i], q[i]) < sum_sat(p[at], q[at]))
            at = i;
    *pool_p = sum_sat(*pool_p, p[at]);
    *pool_q = sum_sat(*pool_q, q[at]);
    for (size_t i = at + 1; i < k; i++) {
        p[i - 1] = p[i];
        q[i - 1] = q[i];
    }
    return k - 1;
}

size_t drift_chi2_pool(const uint64_t *p, const uint64_t *q, size_t n_cells, double min_expected, uint64_t *ret_p,
                       uint64_t *ret_q)
{
    return drift_chi2_pool_tail(p, q, n_cells, 0, min_expected, ret_p, ret_q);
}

size_t drift_chi2_pool_tail(const uint64_t *p, const uint64_t *q, size_t n_cells, size_t n_tail, double min_expected,
                            uint64_t *ret_p, uint64_t *ret_q)
{
    double m = sum_counts(p, n_cells), n = sum_counts(q, n_cells);
    if (!(m > 0) || !(n > 0))
        return 0;
    double least = min_expected * (m + n) / fmin(m, n); /* column total that gives min_expected */
    uint64_t pool[2];
    size_t k = pool_small(p, q, n_cells, n_tail, least, ret_p, ret_q, pool);
    if (k && (pool[0] || pool[1]) && (double)pool[0] + (double)pool[1] < least)
        k = take_smallest(ret_p, ret_q, k, &pool[0], &pool[1]);
    return pool_put(pool, k, ret_p, ret_q);
}
