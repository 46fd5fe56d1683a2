/* src/stats/psi.c    Population stability index of two binned distributions. */
#include "driftd/psi.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "driftd/error.h"
#include "driftd/tail.h"
#include "pool.h"
#include "sum.h"

static const double SUM_MAX = 1e4; /* of lambda: above it the non-central law is approximated */

static const char *const rule_names[DRIFT_N_PSI_RULE] = {
#define X(id, name, help) name,
    DRIFT_PSI_RULES(X)
#undef X
};

const char *drift_psi_rule_name(enum drift_psi_rule rule)
{
    return rule < DRIFT_N_PSI_RULE ? rule_names[rule] : "unknown";
}

bool drift_psi_rule_parse(const char *name, enum drift_psi_rule *ret_rule)
{
    for (int i = 0; i < DRIFT_N_PSI_RULE; i++)
        if (strcmp(name, rule_names[i]) == 0) {
            *ret_rule = (enum drift_psi_rule)i;
            return true;
        }
    return false;
}

/* The share that stands for c of n values, k bins in all. */
static double share(enum drift_psi_rule rule, double c, double n, double k)
{
    switch (rule) {
    case DRIFT_PSI_ADD_HALF:
    case DRIFT_PSI_JEFFREYS:
        return (c + 0.5) / (n + 0.5 * k);
    case DRIFT_PSI_LAPLACE:
        return (c + 1) / (n + k);
    case DRIFT_PSI_EPS4_ZERO:
        return c > 0 ? c / n : 1e-4;
    case DRIFT_PSI_EPS6_ZERO:
        return c > 0 ? c / n : 1e-6;
    case DRIFT_PSI_EPS4_CLIP:
        return fmax(c / n, 1e-4);
    case DRIFT_PSI_EPS4_ADD:
        return (c / n + 1e-4) / (1 + k * 1e-4);
    default:
        return c / n;
    }
}

int drift_psi(const uint64_t *p, const uint64_t *q, size_t n_bins, enum drift_psi_rule rule, double *ret_psi,
              size_t *ret_bins)
{
    double m = sum_counts(p, n_bins), n = sum_counts(q, n_bins), psi = 0;
    size_t bins = 0;
    bool all = rule == DRIFT_PSI_JEFFREYS || rule == DRIFT_PSI_LAPLACE;
    if (!(m > 0) || !(n > 0))
        return DRIFT_E_EMPTY;
    for (size_t b = 0; b < n_bins; b++)
        bins += p[b] || q[b];
    /* the published forms take every bin given as one of k */
    double k = rule == DRIFT_PSI_ADD_HALF ? (double)bins : (double)n_bins;
    for (size_t b = 0; b < n_bins; b++) {
        bool one_empty = !p[b] != !q[b];
        if (!all && !p[b] && !q[b])
            continue;
        if (one_empty && rule == DRIFT_PSI_NONE)
            return DRIFT_E_RANGE;
        if (one_empty && rule == DRIFT_PSI_DROP)
            continue;
        double s = share(rule, (double)p[b], m, k), t = share(rule, (double)q[b], n, k);
        psi += (t - s) * log(t / s);
    }
    *ret_psi = psi;
    if (ret_bins)
        *ret_bins = bins;
    return 0;
}

double drift_psi_noise(size_t bins, double m, double n)
{
    return bins > 1 ? ((double)bins - 1) * (1 / n + 1 / m) : 0;
}

double drift_psi_p(double psi, size_t bins, double m, double n)
{
    return bins > 1 ? drift_tail_chi2(n / (n + m) * m * psi, (double)bins - 1) : 1;
}

/* M. Sankaran's normal approximation of Q(x; dof, lambda). */
static double sankaran_area(double x, double dof, double lambda)
{
    double mean = dof + lambda, wide = dof + 2 * lambda, p = wide / mean / mean;
    double h = 1 - 2 * (mean / wide) * ((dof + 3 * lambda) / wide) / 3, k = (h - 1) * (1 - 3 * h);
    double centre = 1 + h * p * (h - 1 - (1 - h / 2) * k * p), sd = h * sqrt(2 * p) * (1 + k * p / 2);
    return drift_tail_normal((pow(x / mean, h) - centre) / sd);
}

double drift_psi_p_tolerance(double psi, size_t bins, double m, double n, double delta)
{
    double x = n / (n + m) * m * psi, lambda = n / (n + m) * m * delta, dof = (double)bins - 1;
    if (bins < 2)
        return 1;
    if (x > 0 && lambda > SUM_MAX) /* the sum has sqrt(lambda) terms, and windows may have 10^9 events */
        return sankaran_area(x, dof, lambda);
    return drift_tail_chi2_noncentral(x, dof, lambda);
}

double drift_psi_tolerance(double delta, size_t bins, double m)
{
    if (bins < 2)
        return delta;
    double r = sqrt(delta) + sqrt(drift_tail_chi2_inverse(0.05, (double)bins - 1) / m);
    return r * r;
}

/* lambda with an area of sankaran_area(x, dof, lambda), which rises with lambda. */
static double sankaran_lambda(double x, double dof, double area)
{
    double low = 0, high = fmax(x, dof);
    while (sankaran_area(x, dof, high) < area && high < DBL_MAX / 4) {
        low = high;
        high *= 2;
    }
    for (int i = 0; i < 60 && high - low > 1e-10 * high; i++) {
        double mid = (low + high) / 2;
        *(sankaran_area(x, dof, mid) < area ? &low : &high) = mid;
    }
    return (low + high) / 2;
}

static double miss(double x, double dof, double lambda, double area)
{
    return log(fmax(drift_tail_chi2_noncentral(x, dof, lambda), 1e-300) / area);
}

/* lambda with Q(x; dof, lambda) = area; 0 when it begins above.  An evaluation of the law costs up to milliseconds, so
 * the approximation says where to look and false position (the Illinois rule) finishes; for large x it is enough. */
static double noncentrality(double x, double dof, double area)
{
    if (drift_tail_chi2(x, dof) >= area)
        return 0;
    double guess = sankaran_lambda(x, dof, area), wide = 1e-3 * guess + 1e-2;
    if (x > SUM_MAX)
        return guess;
    double low = fmax(guess - wide, 0), high = guess + wide;
    while (low > 0 && miss(x, dof, low, area) > 0)
        low = fmax(low - (wide *= 4), 0);
    while (miss(x, dof, high, area) < 0 && wide < 1e6)
        high += wide *= 4;
    double below = miss(x, dof, low, area), above = miss(x, dof, high, area), at = high;
    for (int i = 0, side = 0; i < 60 && high - low > 1e-11 * high && above > below; i++) {
        double last = at;
        at = (low * above - high * below) / (above - below);
        double here = miss(x, dof, at, area);
        if (here == 0 || (i && fabs(at - last) <= 1e-12 * at))
            break;
        if (here < 0) {
            low = at;
            below = here;
            above /= side < 0 ? 2 : 1;
            side = -1;
        } else {
            high = at;
            above = here;
            below /= side > 0 ? 2 : 1;
            side = 1;
        }
    }
    return at;
}

int drift_psi_interval(double psi, size_t bins, double m, double n, double confidence, double *ret_low,
                       double *ret_high)
{
    double n_e = n / (n + m) * m, dof = (double)bins - 1, side = (1 - confidence) / 2;
    if (bins < 2 || !(n_e > 0) || !(psi >= 0) || isinf(psi) || !(confidence > 0 && confidence < 1))
        return DRIFT_E_RANGE;
    *ret_low = noncentrality(n_e * psi, dof, side) / n_e;
    *ret_high = noncentrality(n_e * psi, dof, 1 - side) / n_e;
    return 0;
}

size_t drift_psi_pool(const uint64_t *p, const uint64_t *q, size_t n_cells, size_t n_tail, uint64_t *ret_p,
                      uint64_t *ret_q)
{
    double m = sum_counts(p, n_cells), n = sum_counts(q, n_cells);
    uint64_t pool[2];
    if (!(m > 0) || !(n > 0))
        return 0;
    double least = fmax(5 * (m + n) / m, (m + n) / n);
    size_t k = pool_small(p, q, n_cells, n_tail, least, ret_p, ret_q, pool);
    return pool_put(pool, k, ret_p, ret_q);
}
