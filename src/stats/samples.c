/* src/stats/samples.c    Sorts samples, their moments and quantiles. */
/* Sorting is by digits of the bit patterns: about four times as fast as comparing, and the same for every order of the
 * input.  Sums are in long double with Neumaier's correction: neither offsets nor values of 1e308 lose anything. */
#include "driftd/samples.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/error.h"

/* x itself is the second buffer of the sort. */
typedef uint64_t __attribute__((may_alias)) bits;

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, PASSES = 6 };

/* Unsigned integers in the order of the doubles, and back. */
static uint64_t key_of(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u >> 63 ? ~u : u | (uint64_t)1 << 63;
}

static double key_back(uint64_t u)
{
    double x;
    u = u >> 63 ? u ^ (uint64_t)1 << 63 : ~u;
    memcpy(&x, &u, sizeof x);
    return x;
}

static size_t digit_of(uint64_t key, int pass)
{
    return key >> (pass * DIGIT_BITS) & (DIGITS - 1);
}

/* One pass by one digit; false when all values have the same, and nothing was moved. */
static bool pass_sort(const bits *from, bits *to, size_t n, int pass)
{
    size_t start[DIGITS] = {0}, at = 0;
    for (size_t i = 0; i < n; i++)
        start[digit_of(from[i], pass)]++;
    if (start[digit_of(from[0], pass)] == n)
        return false;
    for (size_t d = 0; d < DIGITS; d++) {
        size_t count = start[d];
        start[d] = at;
        at += count;
    }
    for (size_t i = 0; i < n; i++)
        to[start[digit_of(from[i], pass)]++] = from[i];
    return true;
}

static void insertion_sort(double *x, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        double v = x[i];
        size_t j = i;
        for (; j > 0 && x[j - 1] > v; j--)
            x[j] = x[j - 1];
        x[j] = v;
    }
}

int drift_samples_sort(double *x, size_t n)
{
    bool is_sorted = true;
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i]))
            return DRIFT_E_TYPE;
        is_sorted = is_sorted && (i == 0 || x[i - 1] <= x[i]);
    }
    if (is_sorted)
        return 0;
    if (n < 64) {
        insertion_sort(x, n);
        return 0;
    }
    bits *spare = malloc(n * sizeof *spare), *b = spare, *other = (bits *)x;
    if (!spare)
        return DRIFT_E_MEMORY;
    for (size_t i = 0; i < n; i++)
        b[i] = key_of(x[i]);
    for (int pass = 0; pass < PASSES; pass++)
        if (pass_sort(b, other, n, pass)) {
            bits *swap = b;
            b = other;
            other = swap;
        }
    for (size_t i = 0; i < n; i++)
        x[i] = key_back(b[i]);
    free(spare);
    return 0;
}

struct total {
    long double sum, error;
};

static void total_add(struct total *t, long double v)
{
    long double s = t->sum + v;
    t->error += fabsl(t->sum) >= fabsl(v) ? t->sum - s + v : v - s + t->sum;
    t->sum = s;
}

/* mean of x - centre */
static long double mean_from(const double *x, size_t n, long double centre)
{
    struct total t = {0, 0};
    for (size_t i = 0; i < n; i++)
        total_add(&t, (long double)x[i] - centre);
    return (t.sum + t.error) / (long double)n;
}

static size_t unique_of(const double *x, size_t n)
{
    size_t k = 1;
    for (size_t i = 1; i < n; i++)
        k += x[i] != x[i - 1];
    return k;
}

/* Where a sample lies: centre is the mean but for its rounding, which is rest.  x - centre is exact for values near it,
 * as those at a large offset are. */
struct place {
    long double centre, rest, reach; /* reach: the largest distance from the mean */
};

static struct place place_of(const double *x, size_t n)
{
    struct place p = {.centre = (long double)(double)mean_from(x, n, 0)};
    p.rest = mean_from(x, n, p.centre);
    p.reach = fmaxl((long double)x[n - 1] - p.centre - p.rest, p.centre - (long double)x[0] + p.rest);
    return p;
}

/* Squares, cubes and fourth powers of the distances from the mean, averaged; in units of the largest distance. */
static void powers_of(const double *x, size_t n, const struct place *p, long double ret[3])
{
    struct total t[3] = {{0, 0}, {0, 0}, {0, 0}};
    for (size_t i = 0; i < n; i++) {
        long double r = ((long double)x[i] - p->centre - p->rest) / p->reach, r2 = r * r;
        total_add(&t[0], r2);
        total_add(&t[1], r2 * r);
        total_add(&t[2], r2 * r2);
    }
    for (int i = 0; i < 3; i++)
        ret[i] = (t[i].sum + t[i].error) / (long double)n;
}

int drift_samples_moments(const double *x, size_t n, struct drift_moments *ret)
{
    if (!n)
        return DRIFT_E_EMPTY;
    struct drift_moments a = {.n = n, .min = x[0], .max = x[n - 1], .mean = x[0]};
    if (!isfinite(a.min) || !isfinite(a.max))
        return DRIFT_E_RANGE;
    a.n_unique = unique_of(x, n);
    if (a.n_unique > 1) {
        struct place p = place_of(x, n);
        long double m[3];
        powers_of(x, n, &p, m);
        long double deviation = p.reach * sqrtl(m[0]);
        a.mean = (double)(p.centre + p.rest);
        a.deviation0 = (double)deviation;
        a.deviation1 = (double)(deviation * sqrtl((long double)n / (long double)(n - 1)));
        if (!isfinite(a.deviation1))
            return DRIFT_E_RANGE;
        a.has_shape = n > 2;
        a.skew = a.has_shape ? (double)(m[1] / (m[0] * sqrtl(m[0]))) : 0;
        a.kurtosis = a.has_shape ? (double)(m[2] / (m[0] * m[0]) - 3) : 0;
    }
    *ret = a;
    return 0;
}

/* numpy's: from the nearer end, so that it is monotone and exact at both. */
static double between(double a, double b, double share)
{
    double gap = b - a;
    if (a == b)
        return a;
    if (!isfinite(gap))
        return isfinite(a) && isfinite(b) ? a * (1 - share) + b * share : share > 0 ? b : a;
    return share < 0.5 ? a + gap * share : b - gap * (1 - share);
}

int drift_samples_quantile(const double *x, size_t n, double q, enum drift_quantile_rule rule, double *ret)
{
    if (!n)
        return DRIFT_E_EMPTY;
    if (!(q >= 0 && q <= 1))
        return DRIFT_E_RANGE;
    if (rule == DRIFT_QUANTILE_INVERTED_CDF) {
        double rank = ceil((double)n * q);
        *ret = x[rank < 1 ? 0 : rank >= (double)n ? n - 1 : (size_t)rank - 1];
        return 0;
    }
    double h = (double)(n - 1) * q, whole = floor(h);
    size_t i = (size_t)whole < n ? (size_t)whole : n - 1;
    *ret = i + 1 < n ? between(x[i], x[i + 1], h - whole) : x[i];
    return 0;
}
