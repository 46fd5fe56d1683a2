/* src/stats/js.c    Jensen-Shannon, Hellinger, total variation and Kullback-Leibler of two binned distributions. */
#include "driftd/js.h"

#include <math.h>

#include "driftd/error.h"
#include "sum.h"

/* (1+d) ln(1+d) + (1-d) ln(1-d), 0 <= d <= 1.  The plain form loses all digits near 0, where drift is usually. */
static double entropy_gap(double d)
{
    if (d >= 1)
        return 2 * M_LN2;
    if (d > 0.1)
        return (1 + d) * log1p(d) + (1 - d) * log1p(-d);
    double d2 = d * d, power = d2, sum = 0;
    for (int k = 1; k <= 8; k++, power *= d2)
        sum += power / (k * (2 * k - 1));
    return sum;
}

int drift_js_distance(const uint64_t *p, const uint64_t *q, size_t n_bins, double *ret_js)
{
    double m = sum_counts(p, n_bins), n = sum_counts(q, n_bins), sum = 0;
    if (!(m > 0) || !(n > 0))
        return DRIFT_E_EMPTY;
    for (size_t b = 0; b < n_bins; b++) {
        double s = (double)p[b] / m, t = (double)q[b] / n, both = s + t;
        if (both > 0)
            sum += both * entropy_gap(fabs(t - s) / both);
    }
    *ret_js = fmin(sqrt(sum / 4 / M_LN2), 1);
    return 0;
}

int drift_hellinger(const uint64_t *p, const uint64_t *q, size_t n_bins, double *ret_hellinger)
{
    double m = sum_counts(p, n_bins), n = sum_counts(q, n_bins), sum = 0;
    if (!(m > 0) || !(n > 0))
        return DRIFT_E_EMPTY;
    for (size_t b = 0; b < n_bins; b++) {
        double d = sqrt((double)p[b] / m) - sqrt((double)q[b] / n);
        sum += d * d;
    }
    *ret_hellinger = fmin(sqrt(sum / 2), 1);
    return 0;
}

int drift_total_variation(const uint64_t *p, const uint64_t *q, size_t n_bins, double *ret_tv)
{
    double m = sum_counts(p, n_bins), n = sum_counts(q, n_bins), sum = 0;
    if (!(m > 0) || !(n > 0))
        return DRIFT_E_EMPTY;
    for (size_t b = 0; b < n_bins; b++)
        sum += fabs((double)p[b] / m - (double)q[b] / n);
    *ret_tv = fmin(sum / 2, 1);
    return 0;
}

int drift_kl_laplace(const uint64_t *p, const uint64_t *q, size_t n_bins, double *ret_kl)
{
    double m = sum_counts(p, n_bins), n = sum_counts(q, n_bins), k = (double)n_bins, sum = 0;
    if (!(m > 0) || !(n > 0))
        return DRIFT_E_EMPTY;
    for (size_t b = 0; b < n_bins; b++) {
        double s = ((double)p[b] + 1) / (m + k), t = ((double)q[b] + 1) / (n + k);
        sum += s * log(s / t);
    }
    *ret_kl = fmax(sum, 0);
    return 0;
}
