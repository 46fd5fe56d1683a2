/* src/stats/rate.c    Wilson interval, two-proportion z, exact test for a rise. */
#include "driftd/rate.h"

#include <math.h>

#include <gsl/gsl_sf_gamma.h>

#include "driftd/error.h"
#include "driftd/tail.h"

static const double z95 = 1.959963984540054; /* upper 2.5 % point of the normal law */
static const double normal_from = 1e5;       /* least expected count for the normal law in a tail */
static const double exact_to = 0x1p50;       /* events in all: counts stay exact in doubles */

int drift_rate_wilson(uint64_t k, uint64_t n, double *ret_low, double *ret_high)
{
    if (!n)
        return DRIFT_E_EMPTY;
    if (k > n)
        return DRIFT_E_RANGE;
    double a = (double)k, b = (double)n, z2 = z95 * z95;
    double centre = (a + z2 / 2) / (b + z2), half = z95 / (b + z2) * sqrt(a * ((double)(n - k) / b) + z2 / 4);
    *ret_low = k ? fmax(centre - half, 0) : 0; /* the ends are exact there, rounding is not */
    *ret_high = k < n ? fmin(centre + half, 1) : 1;
    return 0;
}

static int pair_check(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2)
{
    if (!n1 || !n2)
        return DRIFT_E_EMPTY;
    return k1 > n1 || k2 > n2 ? DRIFT_E_RANGE : 0;
}

int drift_rate_z_pooled(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2, double *ret_z)
{
    int r = pair_check(k1, n1, k2, n2);
    if (r)
        return r;
    double a = (double)n1, b = (double)n2;
    double hit = ((double)k1 + (double)k2) / (a + b), miss = ((double)(n1 - k1) + (double)(n2 - k2)) / (a + b);
    double variance = hit * miss * (1 / a + 1 / b);
    if (!(variance > 0))
        return DRIFT_E_RANGE;
    *ret_z = ((double)k2 / b - (double)k1 / a) / sqrt(variance);
    return 0;
}

int drift_rate_z_unpooled(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2, double *ret_z)
{
    int r = pair_check(k1, n1, k2, n2);
    if (r)
        return r;
    double a = (double)n1, b = (double)n2, r1 = (double)k1 / a, r2 = (double)k2 / b;
    double variance = r1 * ((double)(n1 - k1) / a) / a + r2 * ((double)(n2 - k2) / b) / b;
    if (!(variance > 0))
        return DRIFT_E_RANGE;
    *ret_z = (r2 - r1) / sqrt(variance);
    return 0;
}

static double log_choose(double n, double k)
{
    return gsl_sf_lngamma(n + 1) - gsl_sf_lngamma(k + 1) - gsl_sf_lngamma(n - k + 1);
}

/* P(X >= k), k above the mean: k of n drawn are hits, of `hits` hits and `misses` misses in all.  The terms fall from
 * there on, so the sum ends when nothing more comes. */
static double hypergeometric_upper(double k, double n, double hits, double misses)
{
    double term = exp(log_choose(hits, k) + log_choose(misses, n - k) - log_choose(hits + misses, n)), sum = 0;
    for (double x = k; x <= fmin(n, hits) && term > 1e-17 * sum; x++) {
        sum += term;
        term *= (hits - x) / (x + 1) * ((n - x) / (misses - n + x + 1));
    }
    return fmin(sum, 1);
}

static double hypergeometric_tail(double k, double n, double hits, double misses)
{
    if (k <= fmax(0, n - misses))
        return 1;
    if (k > n * (hits / (hits + misses)))
        return hypergeometric_upper(k, n, hits, misses);
    return fmax(1 - hypergeometric_upper(n - k + 1, n, misses, hits), 0); /* 1 - P(n - k + 1 or more misses) */
}

double drift_rate_p_rise(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2)
{
    double z;
    if (pair_check(k1, n1, k2, n2) || k2 == 0)
        return 1;
    double hits = (double)k1 + (double)k2, misses = (double)(n1 - k1) + (double)(n2 - k2);
    double share = (double)(n1 < n2 ? n1 : n2) / (hits + misses);
    if (fmin(hits, misses) * share < normal_from && hits + misses < exact_to)
        return hypergeometric_tail((double)k2, (double)n2, hits, misses);
    return drift_rate_z_pooled(k1, n1, k2, n2, &z) ? 1 : drift_tail_normal(z);
}

double drift_rate_p_change(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2)
{
    if (pair_check(k1, n1, k2, n2))
        return 1;
    double rise = drift_rate_p_rise(k1, n1, k2, n2), fall = drift_rate_p_rise(n1 - k1, n1, n2 - k2, n2);
    return fmin(2 * fmin(rise, fall), 1);
}

double drift_rate_unseen_bound(uint64_t n_once, uint64_t n_twice, uint64_t m)
{
    double f1 = (double)n_once, f2 = (double)n_twice, all = (double)m;
    if (!m)
        return 1;
    double bound = (f1 + 1.645 * sqrt(f1 + 2 * f2)) / all; /* the upper 5 % point of the normal law */
    return fmin(f1 > 0 ? bound : fmax(bound, 3 / all), 1);
}
