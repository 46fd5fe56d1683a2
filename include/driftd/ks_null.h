/* ks_null.h - how large the Kolmogorov-Smirnov distance of a discrete feature is without drift.
 *
 * The continuous law is conservative where a feature has few distinct values: at a nominal 5 % that of the grid (ks.h)
 * rejects 2.8 to 2.9 % of undrifted windows of a Poisson(2) count (docs/calibration.md).  So the law of
 *     t = sqrt(n) max_j |G_j - F_j|,     G of n values drawn from the baseline's own shares F,
 * is drawn: DRIFT_KS_NULL_DRAWS windows at each of the sizes n = 100, 300, 1000, 3000, 10000, seeded, and its upper
 * quantiles at the levels of drift_ks_null_levels are kept.  Between sizes a quantile is interpolated in 1/sqrt(n) (the
 * order of the discreteness), between levels ln p is straight in t^2 (the tails' shape), beyond the last level
 * p = p_last exp(-2 (t^2 - t_last^2)), which no share of the mass can exceed.  With a baseline of m values t is
 * sqrt(n m / (n + m)) D_low.  D is read at cells' upper edges, as drift_ks_cells does (ks.h).
 * The quantiles are p-values' lower ends: for t at or above the quantile of level a, p <= a.  A quantile is the
 * smallest drawn t that at most a share a of the draws reach or exceed; since t is discrete, the size can be below a.
 * Sources: W. J. Conover, A Kolmogorov goodness-of-fit test for discontinuous distributions, 1972 (that the law is one
 * of its own); A. C. A. Hope, A simplified Monte Carlo significance test procedure, 1968 (drawing it); P. Massart, The
 * tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality, 1990 (the tail).  Interpolation: own method, checked
 * against exact laws.
 *
 * Use: up to DRIFT_KS_NULL_CELLS cells with a value in the baseline; above, ks.h's law of the grid does.
 * Cost: building about 5 ms a cell (once a baseline), a p-value 0.1 to 0.3 us.  The caller keeps the table (plain data,
 * no pointers: may be copied and written out).  Same counts and seed give the same table on the same GSL. Threads:
 * pure. */
#ifndef DRIFTD_KS_NULL_H
#define DRIFTD_KS_NULL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DRIFT_KS_NULL_CELLS = 50, DRIFT_KS_NULL_DRAWS = 4000, DRIFT_KS_NULL_SIZES = 5, DRIFT_KS_NULL_LEVELS = 12 };

extern const double drift_ks_null_sizes[DRIFT_KS_NULL_SIZES];
extern const double drift_ks_null_levels[DRIFT_KS_NULL_LEVELS]; /* falling: .9, .7, .5 ... .001 */

struct drift_ks_null {
    double t[DRIFT_KS_NULL_SIZES][DRIFT_KS_NULL_LEVELS]; /* quantiles, rising with the level's rarity */
};

/* p: the baseline's counts in the order of the values, shape [n_cells].  Returns 0, DRIFT_E_EMPTY (no values),
 * DRIFT_E_RANGE (fewer than 2 or more than DRIFT_KS_NULL_CELLS cells have a value), DRIFT_E_MEMORY. */
int drift_ks_null_build(const uint64_t *p, size_t n_cells, uint64_t seed, struct drift_ks_null *ret);

/* P-value of d = D_low of a window of n values against a baseline of m.  1 for n or m below 1. */
double drift_ks_null_p(const struct drift_ks_null *t, double d, double m, double n);

#ifdef __cplusplus
}
#endif
#endif
