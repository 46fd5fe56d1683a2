/* js.h - bounded distances of two binned distributions.
 *
 *     Jensen-Shannon   JS = sqrt( sum p log2(p/r) / 2 + sum q log2(q/r) / 2 ),  r = (p + q) / 2     0 .. 1
 *     Hellinger        H  = sqrt( sum (sqrt p - sqrt q)^2 / 2 )                                     0 .. 1
 *     total variation  TV = sum |p - q| / 2                                                         0 .. 1
 *     Kullback-Leibler KL = sum p ln(p / q), one count added to every bin of both sides             nats, >= 0
 *
 * All but KL are symmetric and need no rule for empty bins.  Near equality JS^2 ~ PSI / 8 (in nats): it tells nothing
 * that PSI does not, and has no null law of its own here; it is given since other tools report it.
 * Sources: J. Lin, Divergence measures based on the Shannon entropy, 1991; D. M. Endres, J. E. Schindelin, A new metric
 * for probability distributions, 2003 (the root is a metric).
 * Cost: O(bins), no allocation.  Threads: pure. */
#ifndef DRIFTD_JS_H
#define DRIFTD_JS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* p, q: counts, shape [n_bins]; each returns 0 or DRIFT_E_EMPTY (a side has no values), and writes on success only. */
int drift_js_distance(const uint64_t *p, const uint64_t *q, size_t n_bins, double *ret_js);
int drift_hellinger(const uint64_t *p, const uint64_t *q, size_t n_bins, double *ret_hellinger);
int drift_total_variation(const uint64_t *p, const uint64_t *q, size_t n_bins, double *ret_tv);
int drift_kl_laplace(const uint64_t *p, const uint64_t *q, size_t n_bins, double *ret_kl);

#ifdef __cplusplus
}
#endif
#endif
