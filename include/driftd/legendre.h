/* legendre.h - location and scale of a window in one number each: Legendre scores of the baseline's ranks.
 *
 *     u_j    = baseline mass below cell j + half of its own             mid-rank, 0 .. 1
 *     phi_r  = Gram-Schmidt of u, u^2, ... under the baseline's masses p: sum p phi_r = 0, sum p phi_r phi_s = [r = s]
 *     V_r    = n^(-1/2) sum_j c_j phi_r(j)                              c: the window's counts, n their sum
 *
 * Without drift V_r ~ N(0, 1), uncorrelated.  V1 > 0: values moved up in rank; V2 > 0: more of them far out on both
 * sides.  A shift of the mean by mu standard deviations moves V1 of a normal variable by .977 mu sqrt(n).  V_r is
 * linear in the counts, so windows add up with their sign; a monotone change of units of both sides leaves it as it
 * was.
 *
 * Exponential tilt: with W = exp(theta V_r - K_n(theta)), K_n(theta) = n ln sum_j p_j exp(theta phi_r(j) / sqrt(n)),
 * the mean of W is 1 for every n, not only in the limit: that makes V_r fit for sequential evidence (evidence.h).
 *
 * Sources: J. Neyman, "Smooth" test for goodness of fit, 1937; D. E. Barton, 1953; T. Ledwina, Data-driven version of
 * Neyman's smooth test of fit, 1994.
 * Cost: O(degree^2 cells) for the basis, O(cells) for a score, no allocation.  Threads: pure.
 * Does not see changes of shape that leave location and scale of the ranks as they were: that is PSI's part. */
#ifndef DRIFTD_LEGENDRE_H
#define DRIFTD_LEGENDRE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DRIFT_LEGENDRE_MAX = 4, DRIFT_LEGENDRE_TILTS = 4 };

/* The basis of a baseline.
 *   p          counts, shape [n_cells], in the order of the values; cells without counts get the polynomial's value too
 *   degree     1 .. DRIFT_LEGENDRE_MAX
 *   ret_mass   shape [n_cells], p / sum p
 *   ret_phi    shape [degree][n_cells]; rows from *ret_rank on are 0
 *   ret_rank   how many scores exist: fewer than degree when few cells have counts (one cell: 0)
 * Returns 0, DRIFT_E_EMPTY (no counts), DRIFT_E_RANGE (degree). */
int drift_legendre_basis(const uint64_t *p, size_t n_cells, unsigned degree, double *ret_mass, double *ret_phi,
                         unsigned *ret_rank);

/* One score: phi one row of the basis, q the window's counts.  Returns 0 or DRIFT_E_EMPTY (the window has none). */
int drift_legendre_score(const double *phi, const uint64_t *q, size_t n_cells, double *ret_v);

/* K_n(theta) above; theta of either sign, n > 0.  +infinity where the tilt overflows: e-values made with it are 0. */
double drift_legendre_cgf(const double *mass, const double *phi, size_t n_cells, double n, double theta);

/* The same for theta = scale {.5, 1, 2, 4} (ret_up) and its negatives (ret_down) with one exponential a cell. */
void drift_legendre_tilt(const double *mass, const double *phi, size_t n_cells, double n, double scale,
                         double ret_up[DRIFT_LEGENDRE_TILTS], double ret_down[DRIFT_LEGENDRE_TILTS]);

#ifdef __cplusplus
}
#endif
#endif
