/* anderson.h - Anderson-Darling: the squared distance of two distribution functions, weighted so that the tails count.
 *
 *     A2 = (N - 1) / N (1/m + 1/n) sum over distinct values of  l/N (N M - B m)^2 / (B (N - B) - N l / 4)
 *
 * N = m + n; l values are equal to this one, B is its mid-rank among all, M the same among the baseline's (F. W.
 * Scholz, M. A. Stephens, K-sample Anderson-Darling tests, 1987, eq. 7, two samples).  Without drift its mean is 1;
 * standardised = (A2 - 1) / sigma with their finite-sample sigma.
 *
 * p is the limit law's (tail.h) at 1 + standardised * sqrt(2 pi^2 / 3 - 6), its own deviation, and so right in the
 * tail. p_clipped is what other tools give: a quadratic through seven points of Scholz and Stephens' table, held within
 * .001 and .25.
 * With few distinct values p is too small (below .05 in 8 % of undrifted samples of Poisson(2), in 9 % where 60 % are
 * equal): count them as cells, drift_cells_anderson (cells.h), whose law has the ties in it. Cost: O(m + n), no
 * allocation.  Threads: pure. */
#ifndef DRIFTD_ANDERSON_H
#define DRIFTD_ANDERSON_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct drift_anderson {
    double a2, standardised;
    double p, log10_p;
    double p_clipped;
};
/* x (m values) and y (n values) sorted ascending, without NaN.  DRIFT_E_EMPTY: a side has no values; DRIFT_E_RANGE: all
 * values are equal, fewer than 4 or more than 2^30 in all. */
int drift_anderson(const double *x, size_t m, const double *y, size_t n, struct drift_anderson *ret);

enum { DRIFT_ANDERSON_LEVELS = 7 };
/* Level i and the standardised value that is exceeded with it; i < DRIFT_ANDERSON_LEVELS. */
void drift_anderson_critical(size_t i, double *ret_level, double *ret_value);

#ifdef __cplusplus
}
#endif
#endif
