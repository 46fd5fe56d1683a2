/* src/stats/max_cell.c    The largest rise of a single cell, for spikes. */
/* An exact area costs a microsecond, a hundred of them more than all other measures together; so Stirling's formula
 * finds the few cells that can have the smallest first. */
#include <math.h>
#include <stdbool.h>

#include <gsl/gsl_sf_gamma.h>

#include "driftd/error.h"
#include "driftd/tail.h"
#include "larger.h"
#include "single_cell.h"
#include "sum.h"

static const double normal_from = 1e8; /* variance of the count */

/* P(X >= k), X ~ binomial(k + rest, pi), k above the mean: terms fall from there on. */
static double upper_tail(double k, double rest, double pi)
{
    double n = k + rest, odds = pi / (1 - pi), sum = 0, mean = n * pi, variance = mean * (1 - pi);
    if (variance > normal_from)
        return drift_tail_normal((k - 0.5 - mean) / sqrt(variance));
    double log_choose = gsl_sf_lngamma(n + 1) - gsl_sf_lngamma(k + 1) - gsl_sf_lngamma(rest + 1);
    double term = exp(log_choose + k * log(pi) + rest * log1p(-pi));
    for (double x = k; x <= n && term > 1e-17 * sum; x++) {
        sum += term;
        term *= (n - x) / (x + 1) * odds;
    }
    return fmin(sum, 1);
}

/* ln of a figure that P(X >= k) is not below, and not far above either: its first three terms by Stirling's formula. */
static double log_least(double k, double rest, double pi)
{
    double n = k + rest, odds = pi / (1 - pi), second = rest / (k + 1) * odds, third = (rest - 1) / (k + 2) * odds;
    double far = k * log(k / (n * pi)) + (rest > 0 ? rest * log(rest / (n * (1 - pi))) : 0);
    double terms = 1 + second * (1 + larger(third, 0));
    return -far + log(n / (2 * M_PI * k * (rest + 0.2)) * terms * terms) / 2 - 0.3;
}

struct race {
    const uint64_t *p, *q;
    double pi;
    double most; /* largest q */
    double p_best, log_best;
    size_t best;
};

/* How far a count is above its mean, 0 if below, and its variance.  Scores are compared without dividing. */
struct rise {
    double gap, variance;
};

static struct rise rise_of(const struct race *r, size_t j)
{
    double k = (double)r->q[j], n = k + (double)r->p[j];
    return (struct rise){larger(k - n * r->pi, 0), n * r->pi * (1 - r->pi)};
}

/* Up to k/n = 1 - pi the exponent of the area is at most half the squared score, which needs no logarithm. */
static bool can_win(const struct race *r, size_t j, double slack)
{
    double k = (double)r->q[j], rest = (double)r->p[j];
    struct rise s = rise_of(r, j);
    if (!(s.gap > 0))
        return false;
    if (k <= (k + rest) * (1 - r->pi) && s.gap * s.gap < -2 * (r->log_best + slack) * s.variance)
        return false;
    return log_least(k, rest, r->pi) <= r->log_best;
}

static void try_cell(struct race *r, size_t j)
{
    double area = upper_tail((double)r->q[j], (double)r->p[j], r->pi);
    if (area < r->p_best || (area == r->p_best && j < r->best)) {
        r->p_best = area;
        r->log_best = log(area);
        r->best = j;
    }
}

int max_cell_among(const uint64_t *p, const uint64_t *q, size_t n_cells, size_t n_tried, double eps,
                   struct drift_max_cell *ret)
{
    double m = sum_counts(p, n_cells), n = sum_counts(q, n_cells);
    if (!(eps >= 0) || isinf(eps))
        return DRIFT_E_RANGE;
    if (!(m > 0) || !(n > 0))
        return DRIFT_E_EMPTY;
    double raised = n * (1 + fmin(eps, 1e9));
    struct race r = {.p = p, .q = q, .pi = raised / (raised + m), .p_best = 1};
    struct rise highest = {0, 1};
    size_t cells = 0, guess = 0;
    for (size_t j = 0; j < n_tried; j++) {
        struct rise s = rise_of(&r, j);
        cells += p[j] || q[j];
        r.most = larger(r.most, (double)q[j]);
        if (s.gap * s.gap * highest.variance > highest.gap * highest.gap * s.variance) {
            highest = s;
            guess = j;
        }
    }
    if (highest.gap > 0)
        try_cell(&r, guess);
    double slack = log(2 * M_PI * (r.most + 1)) / 2 + 0.3;
    for (size_t j = 0; j < n_tried; j++)
        if (j != guess && can_win(&r, j, slack))
            try_cell(&r, j);
    *ret = (struct drift_max_cell){
        .cells = cells,
        .cell = r.best,
        .p_cell = r.p_best,
        .p_value = fmin(1, r.p_best * (double)cells),
        .share = (double)q[r.best] / n,
        .baseline_share = (double)p[r.best] / m,
    };
    return 0;
}

int drift_max_cell(const uint64_t *p, const uint64_t *q, size_t n_cells, double eps, struct drift_max_cell *ret)
{
    return max_cell_among(p, q, n_cells, n_cells, eps, ret);
}
