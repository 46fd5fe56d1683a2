/* src/detect/series.c    Long-run variance, memory and breaks of a series of window scores; for phase1.c. */
/* Blocks instead of a fitted autoregression: prewhitening with a fitted AR(1) lets a wandering baseline alarm after
 * some ninety windows, because its error is taken for certain. */
#include "series.h"

#include <math.h>

#include "driftd/tail.h"

static double mean_of(const double *x, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += x[i];
    return n ? s / (double)n : 0;
}

static double block_variance(const double *x, size_t b, size_t k)
{
    double mean = mean_of(x, b * k), s = 0;
    for (size_t i = 0; i < k; i++) {
        double d = mean_of(x + i * b, b) - mean;
        s += d * d;
    }
    return (double)b * s / ((double)k - 1);
}

double series_phi(const double *x, size_t n, double alpha)
{
    static const size_t blocks[] = {1, 2, 4, 8, 16, 24, 48};
    double phi = 1;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks && n / blocks[i] >= 6; i++) {
        size_t k = n / blocks[i];
        double dof = (double)k - 1, v = block_variance(x, blocks[i], k) * dof;
        if (v > drift_tail_chi2_inverse(alpha, dof))
            phi = fmax(phi, v / drift_tail_chi2_inverse(0.9, dof));
    }
    return phi;
}

double series_limit(const double *x, size_t n)
{
    static const size_t blocks[] = {24, 16, 8, 4, 2, 1};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        size_t k = n / blocks[i];
        if (k >= 10)
            return block_variance(x, blocks[i], k) * ((double)k - 1) / drift_tail_chi2_inverse(0.999, (double)k - 1);
    }
    return 1;
}

static double autocovariance(const double *x, size_t n, double mean, size_t lag)
{
    double s = 0;
    for (size_t i = lag; i < n; i++)
        s += (x[i] - mean) * (x[i - lag] - mean);
    return s / (double)n;
}

/* The ratio of autocovariances is blind where all windows lie on one slope; what phi says of the wander's long-run
 * variance beside its variance is not, but phi is an upper limit, some twice too large. */
double series_effective(const double *x, size_t n, double phi)
{
    if (n < 8 || phi <= 1)
        return (double)n;
    double mean = mean_of(x, n), c0 = autocovariance(x, n, mean, 0), c1 = autocovariance(x, n, mean, 1);
    if (!(c1 > 2.5 * c0 / sqrt((double)n)))
        return (double)n;
    double rho = fmin(fmax(autocovariance(x, n, mean, 2) / c1, 0), 0.999);
    double by_memory = (double)n * (1 - rho) / (1 + rho), by_phi = 2 * (double)n * fmax(c0 - 1, 0) / (phi - 1);
    return fmin(by_memory, by_phi);
}

/* Long-run variance of both parts, each around its own mean: a break must not hide behind the variance that it makes.
 */
static double variance_within(const double *x, size_t n, size_t at)
{
    static const size_t blocks[] = {1, 2, 4, 8, 16, 24};
    double phi = 1, before = mean_of(x, at), after = mean_of(x + at, n - at);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks && n / blocks[i] >= 10; i++) {
        size_t b = blocks[i];
        double s = 0, k = 0;
        for (size_t from = 0; from + b <= n; from += b) {
            double d = 0;
            for (size_t j = from; j < from + b; j++)
                d += x[j] - (j < at ? before : after);
            s += d * d / (double)b;
            k++;
        }
        phi = fmax(phi, s / (k - 2));
    }
    return phi;
}

void series_split(const double *x, size_t n, size_t *ret_split, double *ret_p)
{
    *ret_split = 0;
    *ret_p = 1;
    if (n < 24)
        return;
    double mean = mean_of(x, n), cusum = 0, largest = 0, best = -1;
    size_t edge = n / 20 > 4 ? n / 20 : 4;
    for (size_t t = 1; t < n; t++) {
        cusum += x[t - 1] - mean;
        largest = fmax(largest, fabs(cusum));
        double weighted = cusum * cusum / ((double)t * (double)(n - t));
        if (t >= edge && t <= n - edge && weighted > best) {
            best = weighted;
            *ret_split = t;
        }
    }
    *ret_p = drift_tail_kolmogorov(largest / sqrt((double)n * variance_within(x, n, *ret_split)));
}
