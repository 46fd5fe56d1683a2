/* hypergeometric.h - tail of the hypergeometric law, for any counts; private to the detect room.
 *
 * x of n drawn are marked, `marked` of all `total` are.  Probabilities by C. Loader's saddle-point expansion (Fast and
 * accurate computation of binomial probabilities, 2000), which keeps its digits where differences of log-gammas lose
 * them; the tail is summed outwards from x, term by term, so the caller keeps the variance bounded (1e6: some ten
 * thousand terms at most). */
#ifndef DRIFTD_DETECT_HYPERGEOMETRIC_H
#define DRIFTD_DETECT_HYPERGEOMETRIC_H

#include <math.h>
#include <stdbool.h>

static inline double hypergeometric_variance(double n, double marked, double total)
{
    return total > 1 ? n / total * marked * ((total - marked) / total) * ((total - n) / (total - 1)) : 0;
}

/* ln n! less Stirling's formula for it */
static inline double stirling_error(double n)
{
    if (n < 16) {
        double ln = 0;
        for (double k = 2; k <= n; k++)
            ln += log(k);
        return n > 0 ? ln - (n + 0.5) * log(n) + n - 0.5 * log(2 * M_PI) : 0;
    }
    double s = n * n;
    return (1 / 12.0 - (1 / 360.0 - (1 / 1260.0 - (1 / 1680.0 - 1 / 1188.0 / s) / s) / s) / s) / n;
}

/* x ln(x / mean) + mean - x */
static inline double deviance_part(double x, double mean)
{
    double gap = x - mean;
    if (fabs(gap) >= 0.1 * (x + mean))
        return x * log(x / mean) - gap;
    double v = gap / (x + mean), sum = gap * v, term = 2 * x * v;
    for (int j = 1; j < 100; j++) {
        term *= v * v;
        double next = sum + term / (2 * j + 1);
        if (next == sum)
            break;
        sum = next;
    }
    return sum;
}

/* ln of the binomial probability of x in n, p + q = 1, both above 0 */
static inline double binomial_log(double x, double n, double p, double q)
{
    if (x <= 0)
        return n <= 0 ? 0 : p < 0.1 ? -deviance_part(n, n * q) - n * p : n * log(q);
    if (x >= n)
        return q < 0.1 ? -deviance_part(n, n * p) - n * q : n * log(p);
    return stirling_error(n) - stirling_error(x) - stirling_error(n - x) - deviance_part(x, n * p) -
           deviance_part(n - x, n * q) + 0.5 * log(n / (2 * M_PI * x * (n - x)));
}

/* log10 of P(X >= x) when upper, else of P(X <= x); x is a possible value on that side of the mean, 0 < n < total. */
static inline double hypergeometric_tail_log10(double x, double n, double marked, double total, bool upper)
{
    double p = n / total, q = (total - n) / total, rest = total - marked;
    double first = binomial_log(x, marked, p, q) + binomial_log(n - x, rest, p, q) - binomial_log(n, total, p, q);
    double sum = 1, term = 1;
    for (double k = x; term > 1e-17 * sum; k += upper ? 1 : -1) {
        term *= upper ? (marked - k) / (k + 1) * ((n - k) / (rest - n + k + 1))
                      : k / (marked - k + 1) * ((rest - n + k) / (n - k + 1));
        sum += term;
    }
    return fmin((first + log(sum)) / M_LN10, 0);
}

#endif
