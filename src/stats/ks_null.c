/* src/stats/ks_null.c    Null law of the KS distance of a discrete feature, drawn once and looked up. */
/* Exact laws exist (a recursion over the values), but cost the square of n a value; the drawn table is good to a tenth
 * of its levels and is built once a baseline. */
#include "driftd/ks_null.h"

#include <math.h>
#include <stdlib.h>

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>

#include "driftd/error.h"
#include "sum.h"

const double drift_ks_null_sizes[DRIFT_KS_NULL_SIZES] = {100, 300, 1000, 3000, 10000};
const double drift_ks_null_levels[DRIFT_KS_NULL_LEVELS] = {.9, .7, .5, .3, .2, .1, .05, .02, .01, .005, .002, .001};

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* sqrt(n) D of one window of n values: each cell's count is binomial in what is left. */
static double draw(const gsl_rng *r, const double *share, size_t n_cells, unsigned n)
{
    double gap = 0, worst = 0, rest = 1;
    unsigned left = n;
    for (size_t j = 0; j + 1 < n_cells; j++) {
        unsigned k = left ? gsl_ran_binomial(r, fmin(share[j] / rest, 1), left) : 0;
        gap += (double)k / n - share[j];
        worst = fmax(worst, fabs(gap));
        left -= k;
        rest = fmax(rest - share[j], share[j + 1]);
    }
    return sqrt(n) * worst;
}

/* The smallest drawn value that at most a share `level` of the draws reaches; above all of them if even one is more. */
static double quantile(const double *falling, double level)
{
    size_t most = (size_t)(level * DRIFT_KS_NULL_DRAWS + 1e-9), k = most;
    while (k > 0 && falling[k - 1] <= falling[k] * (1 + 1e-12)) /* equal ones are reached by all of them */
        k--;
    return k > 0 ? falling[k - 1] : falling[0] * (1 + 1e-9);
}

int drift_ks_null_build(const uint64_t *p, size_t n_cells, uint64_t seed, struct drift_ks_null *ret)
{
    double m = sum_counts(p, n_cells), share[DRIFT_KS_NULL_CELLS];
    size_t cells = 0;
    if (!(m > 0))
        return DRIFT_E_EMPTY;
    for (size_t j = 0; j < n_cells; j++) {
        if (!p[j])
            continue;
        if (cells == DRIFT_KS_NULL_CELLS)
            return DRIFT_E_RANGE;
        share[cells++] = (double)p[j] / m;
    }
    if (cells < 2)
        return DRIFT_E_RANGE;
    double *t = malloc(DRIFT_KS_NULL_DRAWS * sizeof *t);
    gsl_rng *r = gsl_rng_alloc(gsl_rng_mt19937);
    if (t && r) {
        gsl_rng_set(r, (unsigned long)(seed ^ seed >> 32));
        for (int s = 0; s < DRIFT_KS_NULL_SIZES; s++) {
            for (int i = 0; i < DRIFT_KS_NULL_DRAWS; i++)
                t[i] = draw(r, share, cells, (unsigned)drift_ks_null_sizes[s]);
            qsort(t, DRIFT_KS_NULL_DRAWS, sizeof *t, descending);
            for (int k = 0; k < DRIFT_KS_NULL_LEVELS; k++)
                ret->t[s][k] = quantile(t, drift_ks_null_levels[k]);
        }
    }
    int status = t && r ? 0 : DRIFT_E_MEMORY;
    if (r)
        gsl_rng_free(r);
    free(t);
    return status;
}

/* Quantile of a level at size n: straight in 1/sqrt(n), the ends held. */
static double quantile_at(const struct drift_ks_null *t, int level, double n)
{
    int s = 1;
    while (s + 1 < DRIFT_KS_NULL_SIZES && drift_ks_null_sizes[s] < n)
        s++;
    double a = 1 / sqrt(drift_ks_null_sizes[s - 1]), b = 1 / sqrt(drift_ks_null_sizes[s]);
    double at = fmin(fmax((1 / sqrt(n) - b) / (a - b), 0), 1);
    return t->t[s][level] + at * (t->t[s - 1][level] - t->t[s][level]);
}

double drift_ks_null_p(const struct drift_ks_null *t, double d, double m, double n)
{
    double x = sqrt(n / (n + m) * m) * d, below = 0, log_below = 0;
    if (!(n >= 1) || !(m >= 1) || !(x > 0))
        return 1;
    for (int k = 0; k < DRIFT_KS_NULL_LEVELS; k++) {
        double q = quantile_at(t, k, n), log_p = log(drift_ks_null_levels[k]);
        if (x < q * (1 - 1e-12)) {
            double gap = q * q - below * below, at = gap > 0 ? (x * x - below * below) / gap : 0;
            return fmin(exp(log_below + at * (log_p - log_below)), 1);
        }
        below = q;
        log_below = log_p;
    }
    return fmin(exp(log_below - 2 * (x * x - below * below)), 1);
}
