/* src/stats/ks.c    Kolmogorov-Smirnov distance: bracket from cells, exact from sorted values, p-values. */
#include "driftd/ks.h"

#include <math.h>

#include "driftd/error.h"
#include "driftd/tail.h"
#include "larger.h"
#include "single.h"
#include "sum.h"

static double positive(double x)
{
    return x > 0 ? x : 0;
}

int drift_ks_cells(const uint64_t *p, const uint64_t *q, size_t n_cells, struct drift_ks_bracket *ret)
{
    return drift_ks_cells_edges(p, q, NULL, n_cells, ret);
}

int drift_ks_cells_edges(const uint64_t *p, const uint64_t *q, const double *edges, size_t n_cells,
                         struct drift_ks_bracket *ret)
{
    double m = sum_counts(p, n_cells), n = sum_counts(q, n_cells);
    double low = 0, high = 0, f = 0, g = 0, cum_p = 0, cum_q = 0;
    size_t cells = 0;
    if (!(m > 0) || !(n > 0))
        return DRIFT_E_EMPTY;
    for (size_t j = 0; j < n_cells; j++) {
        if (!p[j] && !q[j])
            continue;
        double f0 = f, g0 = g;
        cells++;
        f = (cum_p += (double)p[j]) / m;
        g = (cum_q += (double)q[j]) / n;
        double w = (double)p[j] / m, v = (double)q[j] / n;
        double up = smaller(positive(g - f) + w, positive(g0 - f0) + v);
        double down = smaller(positive(f - g) + v, positive(f0 - g0) + w);
        low = larger(low, fabs(g - f));
        if (cell_single(edges, n_cells, j))
            continue;
        high = larger(high, larger(up, down));
    }
    /* rounding of the two ends must not turn them round, nor leave [0, 1] */
    *ret = (struct drift_ks_bracket){.low = fmin(low, 1), .high = fmin(fmax(low, high), 1), .cells = cells};
    return 0;
}

static double effective(double m, double n)
{
    return n / (n + m) * m;
}

double drift_ks_p_grid(double d, double m, double n, size_t cells)
{
    return drift_tail_kolmogorov(sqrt(effective(m, n)) * d + 0.5826 / sqrt((double)(cells ? cells : 1)));
}

int drift_ks_samples(const double *x, size_t m, const double *y, size_t n, struct drift_ks_exact *ret)
{
    size_t i = 0, j = 0;
    double plus = 0, minus = 0;
    if (!m || !n)
        return DRIFT_E_EMPTY;
    while (i < m || j < n) {
        double at = j == n || (i < m && x[i] <= y[j]) ? x[i] : y[j];
        while (i < m && x[i] <= at)
            i++;
        while (j < n && y[j] <= at)
            j++;
        double diff = (double)i / (double)m - (double)j / (double)n;
        plus = fmax(plus, diff);
        minus = fmax(minus, -diff);
    }
    *ret = (struct drift_ks_exact){.d = fmax(plus, minus), .d_plus = plus, .d_minus = minus};
    return 0;
}

double drift_ks_p_limit(double d, double m, double n)
{
    return drift_tail_kolmogorov(sqrt(effective(m, n)) * d);
}

double drift_ks_p_limit_log10(double d, double m, double n)
{
    return drift_tail_kolmogorov_log10(sqrt(effective(m, n)) * d);
}

static double stephens(double d, double m, double n)
{
    double s = sqrt(effective(m, n));
    return (s + 0.12 + 0.11 / s) * d;
}

double drift_ks_p_stephens(double d, double m, double n)
{
    return drift_tail_kolmogorov(stephens(d, m, n));
}

double drift_ks_p_stephens_log10(double d, double m, double n)
{
    return drift_tail_kolmogorov_log10(stephens(d, m, n));
}
