/* src/stats/ks_exact.c    The exact law of the two-sample Kolmogorov-Smirnov distance, by counting lattice paths. */
/* Touching probabilities are built up from the corner instead of counting what stays inside: all terms are positive, so
 * a p-value of 1e-200 has as many digits as one of .1.  By symmetry half of the diagonals is enough. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "driftd/error.h"
#include "driftd/ks.h"

/* The boundary: a path of i steps of one kind and j = s - i of the other touches when |i n/g - j m/g| >= h. */
struct lattice {
    int64_t m, n, mg, ng, h; /* m <= n */
};

/* The free points of diagonal s are lo .. hi; none when lo > hi. */
static void diagonal(const struct lattice *l, int64_t s, int64_t *ret_lo, int64_t *ret_hi)
{
    int64_t c = l->mg + l->ng, centre = s * l->mg;
    int64_t lo = centre < l->h ? -((l->h - centre - 1) / c) : (centre - l->h) / c + 1;
    int64_t hi = (centre + l->h - 1) / c;
    int64_t least = s > l->n ? s - l->n : 0, most = s < l->m ? s : l->m;
    *ret_lo = lo > least ? lo : least;
    *ret_hi = hi < most ? hi : most;
}

/* One diagonal further: P(touched at (i, s - i)) from the two points before it.  old and now are indexed from -1. */
static void diagonal_step(const double *restrict old, double *restrict now, int64_t s, int64_t lo, int64_t hi)
{
    double inverse = 1 / (double)s, a = (double)lo, b = (double)(s - lo);
    now[lo - 1] = now[hi + 1] = 1; /* beyond the boundary, or never looked at */
    for (int64_t i = lo; i <= hi; i++, a++, b--)
        now[i] = (a * old[i - 1] + b * old[i]) * inverse;
}

struct middle {
    const struct lattice *l;
    int64_t s, lo, hi;
    const double *before, *after;
    double touched, total;
};

/* Adds point i of the middle diagonal with weight w: touched before it, or else after it, which is by symmetry the
 * probability of the point m - i. */
static void middle_add(struct middle *a, int64_t i, double w)
{
    int is_free = i >= a->lo && i <= a->hi;
    a->total += w;
    a->touched += is_free ? w * (a->before[i] + (1 - a->before[i]) * a->after[a->l->m - i]) : w;
}

/* P(touched): the weights are the hypergeometric law of i on diagonal s, outwards from its mode. */
static double middle_sum(const struct lattice *l, int64_t s, const double *before, const double *after)
{
    struct middle a = {.l = l, .s = s, .before = before, .after = after};
    int64_t least = s > l->n ? s - l->n : 0, most = s < l->m ? s : l->m;
    int64_t mode = (int64_t)((double)s * ((double)l->m / (double)(l->m + l->n)));
    double w = 1, j0 = (double)(l->n - s); /* values of the other kind after the diagonal, less i */
    diagonal(l, s, &a.lo, &a.hi);
    mode = mode < least ? least : mode > most ? most : mode;
    for (int64_t i = mode; i <= most && w > 0; i++) {
        middle_add(&a, i, w);
        w *= (double)(s - i) * (double)(l->m - i) / ((double)(i + 1) * (j0 + (double)(i + 1)));
    }
    w = 1;
    for (int64_t i = mode; i > least && w > 0; i--) {
        w *= (double)i * (j0 + (double)i) / ((double)(s - i + 1) * (double)(l->m - i + 1));
        middle_add(&a, i - 1, w);
    }
    return a.touched / a.total;
}

static double lattice_p(const struct lattice *l, double *work)
{
    int64_t total = l->m + l->n, middle = total / 2, lo, hi;
    double *old = work + 1, *now = work + l->m + 4;
    old[-1] = old[1] = 1;
    old[0] = 0;
    for (int64_t s = 1; s <= total - middle; s++) {
        diagonal(l, s, &lo, &hi);
        diagonal_step(old, now, s, lo, hi);
        double *swap = old;
        old = now;
        now = swap;
    }
    return total % 2 ? middle_sum(l, middle, now, old) : middle_sum(l, middle, old, old);
}

/* Equal sizes: 2 (C(2n, n-h) - C(2n, n-2h) + ...) / C(2n, n), nested so that nothing overflows. */
static double equal_p(double n, double h)
{
    double p = 0;
    for (double k = floor(n / h); k >= 0; k--) {
        double a = 1;
        for (double j = 0; j < h && a > 0; j++)
            a *= (n - k * h - j) / (n + k * h + j + 1);
        p = a * (1 - p);
    }
    return fmin(2 * p, 1);
}

static size_t divisor(size_t a, size_t b)
{
    while (b) {
        size_t c = a % b;
        a = b;
        b = c;
    }
    return a;
}

/* Is the p-value below 1e-300?  A diagonal is left by at most exp(-2 d^2 n_e n / (n + 1)), n the larger side
 * (R. J. Serfling, Probability inequalities for the sum in sampling without replacement, 1974), and there are m + n. */
static int is_nothing(double d, double m, double n)
{
    double large = fmax(m, n), exponent = 2 * d * d * (m * n / (m + n)) * (large / (large + 1));
    return log(2 * (m + n)) - exponent < -300 * M_LN10;
}

int drift_ks_p_exact(double d, size_t m, size_t n, double *ret_p)
{
    if (!m || !n)
        return DRIFT_E_EMPTY;
    double a = (double)m, b = (double)n, g = (double)divisor(m, n), h = round(d * (a / g * b));
    if (!(d >= 0 && d <= 1) || a / g * b > 0x1p52)
        return DRIFT_E_RANGE;
    if (h == 0 || is_nothing(d, a, b)) {
        *ret_p = h == 0;
        return 0;
    }
    double steps = m == n ? 4 * a : fmin((a + b) / 2 * (2 * h * g / (a + b) + 1), a * b / 2);
    if (steps > DRIFT_KS_EXACT_STEPS)
        return DRIFT_E_RANGE;
    if (m == n) {
        *ret_p = equal_p(a, h);
        return 0;
    }
    int64_t small = (int64_t)(m < n ? m : n), large = (int64_t)(m < n ? n : m);
    struct lattice l = {.m = small, .n = large, .mg = small / (int64_t)g, .ng = large / (int64_t)g, .h = (int64_t)h};
    double *work = malloc(2 * (size_t)(small + 3) * sizeof *work);
    if (!work)
        return DRIFT_E_MEMORY;
    *ret_p = fmin(lattice_p(&l, work), 1);
    free(work);
    return 0;
}
