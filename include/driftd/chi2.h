/* chi2.h - do two rows of counts come from one distribution?  Pearson and likelihood-ratio tests of homogeneity.
 *
 *     X2 = sum (O - E)^2 / E       G = 2 sum O ln(O / E)       over the 2 x K table, E = row total * column total / N
 *     both ~ chi-square with K - 1 degrees of freedom;  Cramer's V = sqrt(X2 / N), 0 .. 1
 *     Williams' G / (1 + (N/m + N/n - 1)(sum_j N/C_j - 1) / (6 N (K - 1))), C_j the column totals, is closer to that
 *     law: G alone rejects about 6 % at the level of 5 % (D. A. Williams, Improved likelihood ratio tests for complete
 *     contingency tables, 1976)
 *
 * Cells empty on both sides are left out; no continuity correction.  The law needs expected counts of about 5: pool
 * first (W. G. Cochran, Some methods for strengthening the common chi-square tests, 1954).  Unpooled, 2000 categories
 * at 1000 events make X2 reject 18 % of undrifted windows at level .05.  Pooling blinds the test to a single rare cell
 * that grows.  Cost: O(cells), no allocation.  Threads: pure. */
#ifndef DRIFTD_CHI2_H
#define DRIFTD_CHI2_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct drift_chi2 {
    size_t cells; /* K: not empty on both sides */
    double dof;   /* K - 1 */
    double pearson, pearson_p, pearson_log10_p;
    double g, g_p, g_log10_p;
    double williams_p; /* of Williams' corrected G */
    double cramers_v;
    double min_expected;       /* of both rows */
    size_t n_expected_below_5; /* of the 2 K expected counts */
};
/* p, q: counts, shape [n_cells].  With one cell: statistics 0, p 1.  Returns 0 or DRIFT_E_EMPTY (a side has none). */
int drift_chi2(const uint64_t *p, const uint64_t *q, size_t n_cells, struct drift_chi2 *ret);

/* Pools all cells whose expected count in the smaller row is below min_expected into one, which comes last; when that
 * one is still below, the least frequent other cell joins it.  Which cells are pooled depends on the column totals
 * only, so the test stays valid.  ret_p, ret_q: shape [n_cells], may be p and q themselves.
 * Returns how many cells are left (0: a side has no values). */
size_t drift_chi2_pool(const uint64_t *p, const uint64_t *q, size_t n_cells, double min_expected, uint64_t *ret_p,
                       uint64_t *ret_q);
/* The same, and the last n_tail cells are pooled whatever they hold: those of many small categories together, of which
 * the one side knows others than the other one does (rare, unseen). */
size_t drift_chi2_pool_tail(const uint64_t *p, const uint64_t *q, size_t n_cells, size_t n_tail, double min_expected,
                            uint64_t *ret_p, uint64_t *ret_q);

#ifdef __cplusplus
}
#endif
#endif
