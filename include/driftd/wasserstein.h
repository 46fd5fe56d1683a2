/* wasserstein.h - how far a sample has to be moved to become another one.
 *
 *     Wasserstein-1    W = integral |F(x) - G(x)| dx          unit: that of the data; mean distance that a value moves
 *     energy distance  E = sqrt(2 integral (F - G)^2 dx)      unit: its square root
 *
 * F baseline, G window, both step functions.  For comparison between features W is given over the baseline's standard
 * deviation (drift_samples_moments); a baseline that is constant has none.  Neither has a null law that is free of the
 * data's.  Sources: L. V. Kantorovich, 1942 (for one dimension: S. S. Vallender, Calculation of the Wasserstein
 * distance between probability distributions on the line, 1974); G. J. Szekely, M. L. Rizzo, Energy statistics, 2013.
 * Cost: O(m + n), no allocation.  Threads: pure. */
#ifndef DRIFTD_WASSERSTEIN_H
#define DRIFTD_WASSERSTEIN_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* x (m values) and y (n values) sorted ascending, without NaN.  DRIFT_E_EMPTY: a side has no values; DRIFT_E_RANGE: a
 * value is infinite, or the distance is beyond the range of a double. */
int drift_wasserstein(const double *x, size_t m, const double *y, size_t n, double *ret_distance);
int drift_energy_distance(const double *x, size_t m, const double *y, size_t n, double *ret_distance);

#ifdef __cplusplus
}
#endif
#endif
