/* src/stats/anderson.c    Anderson-Darling statistic of two samples and its p-values. */
#include "driftd/anderson.h"

#include <math.h>

#include "driftd/error.h"
#include "driftd/tail.h"
#include "merge.h"

static const double levels[DRIFT_ANDERSON_LEVELS] = {.25, .1, .05, .025, .01, .005, .001};
/* Scholz and Stephens' table 2 for two samples: b0 + b1 + b2 */
static const double critical[DRIFT_ANDERSON_LEVELS] = {.325, 1.226, 1.961, 2.718, 3.752, 4.592, 6.546};
/* ln(level) as a quadratic of the critical value, least squares over the seven points */
static const double fit[3] = {-1.0777702798204873, -1.0082265644652506, .018198094574111258};
static const double total_max = 0x1p30;

/* sigma^2 of A2 for two samples of N values in all, H = 1/m + 1/n: Scholz and Stephens, eq. 4 with k = 2. */
static double variance(double total, double inverse)
{
    double h = 0, g = 0, hj = 0;
    for (double i = 1; i < total; i++)
        h += 1 / i;
    for (double i = 1; i < total - 1; i++) { /* sum over i < j < N of 1 / ((N - i) j), by j - i descending */
        hj += 1 / (total - i);
        g += hj / (i + 1);
    }
    double a = 4 * g - 6 + (10 - 6 * g) * inverse;
    double b = 12 * g + 8 * h - 22 + (2 * g - 14 * h - 4) * inverse;
    double c = 36 * h + 4 + (2 * h - 6) * inverse, d = 24;
    return (((a * total + b) * total + c) * total + d) / ((total - 1) * (total - 2) * (total - 3));
}

static double clipped(double t)
{
    if (t < critical[0])
        return levels[0];
    if (t > critical[DRIFT_ANDERSON_LEVELS - 1])
        return levels[DRIFT_ANDERSON_LEVELS - 1];
    return exp(fit[0] + t * (fit[1] + t * fit[2]));
}

int drift_anderson(const double *x, size_t m, const double *y, size_t n, struct drift_anderson *ret)
{
    struct merge g = {.x = x, .y = y, .m = m, .n = n};
    double total = (double)m + (double)n, inverse = 1 / (double)m + 1 / (double)n;
    long double sum = 0;
    if (!m || !n)
        return DRIFT_E_EMPTY;
    if (total < 4 || total > total_max || fmin(x[0], y[0]) == fmax(x[m - 1], y[n - 1]))
        return DRIFT_E_RANGE;
    const long double wide = (long double)total; /* products of ranks are whole numbers below 2^62 */
    while (merge_next(&g)) {
        long double equal = (long double)(g.i_in + g.j_in), rank = (long double)(g.i + g.j) - equal / 2;
        long double own = (long double)g.i - (long double)g.i_in / 2, gap = wide * own - rank * (long double)m;
        sum += equal / wide * gap * gap / (rank * (wide - rank) - wide * equal / 4);
    }
    struct drift_anderson a = {.a2 = (double)(sum * ((wide - 1) / wide)) * inverse};
    a.standardised = (a.a2 - 1) / sqrt(variance(total, inverse));
    a.p = drift_tail_anderson(1 + a.standardised * sqrt(2 * M_PI * M_PI / 3 - 6), &a.log10_p);
    a.p_clipped = clipped(a.standardised);
    *ret = a;
    return 0;
}

void drift_anderson_critical(size_t i, double *ret_level, double *ret_value)
{
    *ret_level = levels[i];
    *ret_value = critical[i];
}
