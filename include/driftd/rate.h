/* rate.h - shares of events: interval of one, difference of two.
 *
 *     Wilson interval   (k + z^2/2 -+ z sqrt(k (n-k) / n + z^2/4)) / (n + z^2)
 *     pooled z          (k2/n2 - k1/n1) / sqrt(r (1-r) (1/n1 + 1/n2)),   r = (k1+k2) / (n1+n2)
 *     unpooled z        the same over sqrt(r1 (1-r1)/n1 + r2 (1-r2)/n2)
 *     rise              Fisher's exact test: P(X >= k2), X hypergeometric with both margins as observed
 *
 * 1 is the baseline, 2 the window; all k <= n.  A z is wrong in the tail when events are rare: five expected events, at
 * a level of 2e-5, make it reject ten times too often.  So the rise is exact, and a normal law only where no expected
 * count is below 1e5.
 * Sources: E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927; R. A. Fisher,
 * Statistical methods for research workers, 1934.
 * Cost: O(1); the exact test O(standard deviation) of the window's count.  Threads: pure. */
#ifndef DRIFTD_RATE_H
#define DRIFTD_RATE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Two-sided interval, confidence .95: z = 1.959963984540054.  DRIFT_E_EMPTY: n is 0; DRIFT_E_RANGE: k > n. */
int drift_rate_wilson(uint64_t k, uint64_t n, double *ret_low, double *ret_high);

/* z of the difference of two rates.  DRIFT_E_EMPTY: a side has no events; DRIFT_E_RANGE: k > n, or the standard error
 * is 0 (all or none on both sides). */
int drift_rate_z_pooled(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2, double *ret_z);
int drift_rate_z_unpooled(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2, double *ret_z);

/* One-sided: P(as many or more in the window | one rate).  Two-sided: twice the smaller side, at most 1.
 * 1 when a side has no events or k > n. */
double drift_rate_p_rise(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2);
double drift_rate_p_change(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2);

/* Upper bound, at 95 %, of the share of values that m values have not shown yet, from how many categories occurred once
 * (n_once) and twice (n_twice) among them:  f1/m + 1.645 sqrt(f1 + 2 f2) / m,  at most 1; with f1 = 0 at least 3/m
 * (none of m).  Sources: I. J. Good, The population frequencies of species and the estimation of population parameters,
 * 1953; W. W. Esty, A normal limit law for a nonparametric estimator of the coverage of a random sample, 1983. 1 when m
 * is 0. */
double drift_rate_unseen_bound(uint64_t n_once, uint64_t n_twice, uint64_t m);

#ifdef __cplusplus
}
#endif
#endif
