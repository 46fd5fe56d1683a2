/* samples.h - sorted samples: how they are made, their moments and quantiles.
 *
 * The statistics of ks.h, wasserstein.h, cvm.h and anderson.h take two samples, each an array of doubles sorted
 * ascending without NaN: x with m values is the baseline, y with n the window.  8 bytes a value, 16 while sorting.
 *
 *     mean      sum x / n                       deviation 0   sqrt(sum (x - mean)^2 / n), deviation 1 over n - 1
 *     skew      m3 / m2^1.5                     kurtosis      m4 / m2^2 - 3        m_r = sum (x - mean)^r / n
 *     quantile  LINEAR:        x[h] + (h - floor h)(x[h + 1] - x[h]) at h = (n - 1) q, from 0
 *               INVERTED_CDF:  the ceil(n q)-th smallest value, no interpolation
 *               (R. J. Hyndman, Y. Fan, Sample quantiles in statistical packages, 1996: types 7 and 1)
 *
 * Sums are compensated and relative to the mean: an offset of 1e15 costs nothing.  All equal values have deviation 0
 * exactly.  Cost: O(n), sorting about 20 ns a value.  Threads: pure. */
#ifndef DRIFTD_SAMPLES_H
#define DRIFTD_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sorts x in place.  DRIFT_E_TYPE: a NaN is among the values (they are in no order then); DRIFT_E_MEMORY: 8 bytes a
 * value for the time of the call are not to be had. */
int drift_samples_sort(double *x, size_t n);

struct drift_moments {
    size_t n, n_unique;
    double min, max, mean;
    double deviation0, deviation1; /* deviation1 is 0 when n = 1 */
    double skew, kurtosis;         /* 0 unless has_shape */
    bool has_shape;                /* n > 2 and not all equal */
};
/* x sorted ascending, shape [n].  DRIFT_E_EMPTY: n is 0; DRIFT_E_RANGE: a value is infinite or NaN, or the deviation
 * is beyond the range of a double. */
int drift_samples_moments(const double *x, size_t n, struct drift_moments *ret);

enum drift_quantile_rule { DRIFT_QUANTILE_LINEAR, DRIFT_QUANTILE_INVERTED_CDF };
/* 0 <= q <= 1.  DRIFT_E_EMPTY: n is 0; DRIFT_E_RANGE: q is not in [0, 1]. */
int drift_samples_quantile(const double *x, size_t n, double q, enum drift_quantile_rule rule, double *ret);

#ifdef __cplusplus
}
#endif
#endif
