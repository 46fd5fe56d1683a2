/* src/stats/ks_finite.c    The law of the one-sample Kolmogorov-Smirnov distance for a finite number of values. */
/* Regions as in Simard and L'Ecuyer (ks.h), which are also scipy's, so that figures agree; where they take Pomeranz'
 * recursion, Durbin's matrix is used as well: it is as exact there and small enough. */
#include <math.h>
#include <string.h>

#include <gsl/gsl_sf_log.h>

#include "driftd/error.h"
#include "driftd/ks.h"

enum { DURBIN_K_MAX = 28, DURBIN_MAX = 2 * DURBIN_K_MAX - 1 };

struct matrix {
    int k;        /* rows */
    int exponent; /* the entries are to be multiplied by 2^exponent */
    double a[DURBIN_MAX * DURBIN_MAX];
};

static void matrix_scale(struct matrix *p)
{
    int e;
    frexp(p->a[(p->k / 2) * p->k + p->k / 2], &e);
    if (e < 256 && e > -256)
        return;
    for (int i = 0; i < p->k * p->k; i++)
        p->a[i] = ldexp(p->a[i], -e);
    p->exponent += e;
}

static void matrix_multiply(const struct matrix *p, const struct matrix *q, struct matrix *ret)
{
    int k = p->k;
    memset(ret->a, 0, (size_t)(k * k) * sizeof ret->a[0]);
    for (int i = 0; i < k; i++)
        for (int j = 0; j < k; j++)
            for (int c = 0; c < k; c++)
                ret->a[i * k + c] += p->a[i * k + j] * q->a[j * k + c];
    ret->k = k;
    ret->exponent = p->exponent + q->exponent;
    matrix_scale(ret);
}

/* J. Durbin's matrix (G. Marsaglia, W. W. Tsang, J. Wang, Evaluating Kolmogorov's distribution, 2003): all entries
 * are positive, so its powers lose nothing.  d = (k - h) / n. */
static void durbin_fill(struct matrix *q, int k, double h)
{
    int m = q->k = 2 * k - 1;
    double column[DURBIN_MAX], factorial = 1, power = 1;
    q->exponent = 0;
    for (int i = 0; i < m; i++) {
        power *= h;
        factorial /= i + 1;
        column[i] = (1 - power) * factorial;
    }
    column[m - 1] = (1 - 2 * power + (h > 0.5 ? pow(2 * h - 1, m) : 0)) * factorial;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++)
            q->a[i * m + j] = i - j + 1 < 0 ? 0 : 1 / tgamma(i - j + 2);
    for (int i = 0; i < m; i++) {
        q->a[i * m] = column[i];
        q->a[(m - 1) * m + i] = column[m - 1 - i];
    }
}

/* P(distance < d) = n!/n^n (H^n)_kk */
static double durbin_below(double n, double d)
{
    struct matrix base, power, swap;
    int k = (int)ceil(n * d), e;
    durbin_fill(&base, k, k - n * d);
    power = base; /* H^1 */
    for (unsigned left = (unsigned)n - 1; left; left >>= 1) {
        if (left & 1) {
            matrix_multiply(&power, &base, &swap);
            power = swap;
        }
        if (left > 1) {
            matrix_multiply(&base, &base, &swap);
            base = swap;
        }
    }
    double p = power.a[(k - 1) * power.k + k - 1];
    for (double i = 1; i <= n; i++) {
        p *= i / n;
        if (p < 0x1p-500) {
            p = frexp(p, &e);
            power.exponent += e;
        }
    }
    return ldexp(p, power.exponent);
}

/* Pelz and Good's expansion in 1/sqrt(n), each term as a theta series that converges fast for small arguments. */
static double pelz_good_below(double n, double d)
{
    double z = sqrt(n) * d, z2 = z * z, z4 = z2 * z2, z6 = z4 * z2, pi2 = M_PI * M_PI;
    double k0 = 0, k1 = 0, k2 = 0, k3 = 0, k2_whole = 0, k3_whole = 0;
    if (z < 0.04)
        return 0; /* below 1e-300, and powers of z would be too */
    for (double k = 0.5; k * k * pi2 / (2 * z2) < 745; k++) {
        double a = pi2 * k * k, e = exp(-a / (2 * z2));
        k0 += e;
        k1 += e * (a - z2);
        k2 += e * (6 * z6 + 2 * z4 + a * (2 * z4 - 5 * z2) + a * a * (1 - 2 * z2));
        k3 += e * (a * a * a * (5 - 30 * z2) + a * a * (212 * z4 - 60 * z2) + a * (135 * z4 - 96 * z6) - 30 * z6 -
                   90 * z6 * z2);
    }
    for (double k = 1; k * k * pi2 / (2 * z2) < 745; k++) {
        double a = pi2 * k * k, e = exp(-a / (2 * z2));
        k2_whole += e * a;
        k3_whole += e * a * (3 * z2 - a);
    }
    double sum = k0 / z + k1 / (6 * z4) / sqrt(n) + (k2 / (72 * z6 * z) - k2_whole / (36 * z2 * z)) / n +
                 (k3 / (6480 * z6 * z4) + k3_whole / (216 * z6)) / (n * sqrt(n));
    return sqrt(2 * M_PI) * sum;
}

/* ln n! - ln(sqrt(2 pi n) (n/e)^n) */
static double stirling_error(double n)
{
    double n2 = n * n;
    if (n < 16)
        return lgamma(n + 1) - (n + 0.5) * log(n) + n - 0.5 * log(2 * M_PI);
    return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - (1.0 / 1680 - 1.0 / 1188 / n2) / n2) / n2) / n2) / n;
}

/* ln of the term of N. V. Smirnov's one-sided law where the distance is first reached at v of n values:
 * x/y C(n, v) y^v (1-y)^(n-v), y = x + v/n; the binomial part as in C. Loader, Fast and accurate computation of
 * binomial probabilities, 2000. */
static double smirnov_term(double n, double x, double v, double stirling_n)
{
    double rest = n - v, gap = n * x;
    if (v == 0)
        return n * log1p(-x);
    if (gap >= rest)
        return -(double)INFINITY;
    double deviance = -v * gsl_sf_log_1plusx_mx(gap / v) - rest * gsl_sf_log_1plusx_mx(-gap / rest);
    return log(gap / (gap + v)) + stirling_n - stirling_error(v) - stirling_error(rest) - deviance -
           0.5 * log(2 * M_PI * v * (rest / n));
}

/* Where the terms are greatest, to within a stride; they rise and fall, but between neighbours rounding may be more
 * than the slope. */
static double smirnov_peak(double n, double x, double stride, double stirling_n)
{
    double lo = 0, hi = floor(fmax(floor(n * (1 - x)), 0) / stride);
    while (lo < hi) {
        double v = floor((lo + hi) / 2);
        if (smirnov_term(n, x, v * stride, stirling_n) < smirnov_term(n, x, (v + 1) * stride, stirling_n))
            lo = v + 1;
        else
            hi = v;
    }
    return lo * stride;
}

/* ln P(one-sided distance >= x): a sum of positive terms, outwards from the greatest.  The terms of many values are a
 * smooth bump sqrt(n) / (4 x) wide, flat at its ends, so a part of them, evenly spaced, stands for all. */
static double smirnov_log(double n, double x)
{
    const double nothing = 45, all_below = 1000, terms = 16384;
    double last = fmax(floor(n * (1 - x)), 0), s = stirling_error(n);
    double stride = fmax(floor(fmin(n / terms, sqrt(n) / x / 16)), 1), peak = smirnov_peak(n, x, stride, s);
    double top = smirnov_term(n, x, peak, s), sum = 0, l = 0;
    for (double v = peak; v <= last && (l > -nothing || n < all_below); v += stride)
        sum += exp(l = smirnov_term(n, x, v, s) - top);
    l = 0;
    for (double v = peak - stride; v >= 0 && (l > -nothing || n < all_below); v -= stride)
        sum += exp(l = smirnov_term(n, x, v, s) - top);
    return top + log(sum) + log(stride);
}

/* ln P(distance >= d), 1 <= n, 0 < d < 1 */
static double finite_log(double n, double d)
{
    double t = n * d, t2 = t * d;
    if (t <= 0.5)
        return 0;
    if (t <= 1) /* n!/n^n (2t - 1)^n */
        return log1p(-exp(0.5 * log(2 * M_PI * n) - n + stirling_error(n) + n * log(2 * t - 1)));
    if (t >= n - 1 || d >= 0.5 || t2 >= (n <= 140 ? 4 : 2.2))
        return fmin(M_LN2 + (t >= n - 1 ? n * log1p(-d) : smirnov_log(n, d)), 0);
    double below =
        n <= 140 || (n <= 1e5 && t * sqrt(d) <= 1.4 && t < DURBIN_K_MAX) ? durbin_below(n, d) : pelz_good_below(n, d);
    return log1p(-fmin(fmax(below, 0), 1 - 0x1p-53));
}

int drift_ks_p_finite(double d, double m, double n, double *ret_p, double *ret_log10)
{
    double values = nearbyint(n / (n + m) * m);
    if (!(values >= 1))
        return DRIFT_E_EMPTY;
    if (!(d >= 0 && d <= 1) || values > 1e15)
        return DRIFT_E_RANGE;
    double log_p = d > 0 ? d < 1 ? finite_log(values, d) : -(double)INFINITY : 0;
    *ret_p = exp(log_p);
    if (ret_log10)
        *ret_log10 = log_p / M_LN10;
    return 0;
}
