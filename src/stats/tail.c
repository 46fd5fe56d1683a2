/* src/stats/tail.c    Tail areas of the normal, chi-square, non-central chi-square and Kolmogorov laws. */
/* GSL has no non-central chi-square and no Kolmogorov law, and its incomplete gamma function returns 0 for areas that
 * are far but not too far for a double (and calls its error handler); the rest is GSL. */
#include "driftd/tail.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_sf_erf.h>
#include <gsl/gsl_sf_gamma.h>

static const double lambda_max = 1e9;

void drift_stats_init(void)
{
    gsl_set_error_handler_off();
}

double drift_tail_normal(double z)
{
    return isnan(z) ? 1 : 0.5 * erfc(z * M_SQRT1_2);
}

double drift_tail_normal_two_sided(double z)
{
    return isnan(z) ? 1 : erfc(fabs(z) * M_SQRT1_2);
}

double drift_tail_normal_two_sided_log10(double z)
{
    return isnan(z) ? 0 : gsl_sf_log_erfc(fabs(z) * M_SQRT1_2) / M_LN10;
}

/* ln of the chi-square area by Legendre's continued fraction (Lentz's method).  x/2 well above dof/2. */
static double chi2_far_log(double x, double dof)
{
    double a = dof / 2, h = x / 2, tiny = 1e-300;
    double b = h + 1 - a, c = 1 / tiny, d = 1 / b, f = d;
    if (h > 1e16 * (a + 1)) /* the first term is all there is; the loop would not notice */
        return (a - 1) * log(h) - h - gsl_sf_lngamma(a);
    for (int i = 1; i < 10000; i++) {
        double an = -i * (i - a);
        b += 2;
        d = an * d + b;
        c = b + an / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        f *= c * d;
        if (fabs(c * d - 1) < 1e-16)
            break;
    }
    return a * log(h) - h - gsl_sf_lngamma(a) + log(f);
}

/* Is x so far above the mean that the continued fraction converges in a few steps? */
static bool chi2_is_far(double x, double dof)
{
    return x / 2 > dof / 2 + 10 + 10 * sqrt(dof / 2);
}

double drift_tail_chi2(double x, double dof)
{
    if (!(x > 0))
        return 1;
    if (!(dof >= DBL_MIN) || isinf(x))
        return 0;
    return chi2_is_far(x, dof) ? exp(chi2_far_log(x, dof)) : gsl_cdf_chisq_Q(x, dof);
}

double drift_tail_chi2_log10(double x, double dof)
{
    if (!(x > 0))
        return 0;
    if (!(dof >= DBL_MIN) || isinf(x))
        return -INFINITY;
    return (chi2_is_far(x, dof) ? chi2_far_log(x, dof) : log(gsl_cdf_chisq_Q(x, dof))) / M_LN10;
}

static double chi2_bisect(double log10_p, double dof)
{
    double low = 0, high = 1;
    while (drift_tail_chi2_log10(high, dof) > log10_p && high < 1e300)
        high *= 2;
    for (double mid; mid = low + (high - low) / 2, mid > low && mid < high;)
        *(drift_tail_chi2_log10(mid, dof) > log10_p ? &low : &high) = mid;
    return high;
}

/* GSL's inverse gives up in the far tail without saying so: at 2e-154 of one degree it is off by six powers of ten. */
double drift_tail_chi2_inverse(double p, double dof)
{
    double x = gsl_cdf_chisq_Qinv(p, dof);
    if (!(p > 0 && p < 0.5 && dof > 0) || fabs(drift_tail_chi2_log10(x, dof) - log10(p)) <= 1e-9)
        return x;
    return chi2_bisect(log10(p), dof);
}

/* Q(x; dof + 2 j) for one j after the other, upwards.  Each is the last and a term more, of which the next is a
 * multiple: all positive, so that nothing is lost; a new start every so often keeps what rounding adds small.  Near the
 * smallest double there are no such steps. */
struct ladder {
    double x, dof, q, step;
    unsigned left;
};
enum { LADDER = 64 };

static double ladder_q(struct ladder *l, double j)
{
    if (l->left) {
        l->left--;
        l->q += l->step;
        l->step *= l->x / (l->dof + 2 * j);
        return l->q;
    }
    l->q = drift_tail_chi2(l->x, l->dof + 2 * j);
    if (l->q > 1e-250) {
        l->step = drift_tail_chi2(l->x, l->dof + 2 * j + 2) - l->q;
        l->left = LADDER;
    }
    return l->q;
}

/* The terms rise to somewhere at or above the Poisson law's mode and fall then; both directions stop when what is
 * left is nothing beside the sum, so that areas of 1e-200 are as exact as those of .1. */
double drift_tail_chi2_noncentral(double x, double dof, double lambda)
{
    double mu = fmin(lambda, lambda_max) / 2, sum = 0;
    if (!(x > 0) || isnan(lambda))
        return 1;
    if (!(mu > 0))
        return drift_tail_chi2(x, dof);
    double mode = floor(mu), weight_mode = gsl_ran_poisson_pdf((unsigned)mode, mu);
    double w = weight_mode, last = 1;
    struct ladder up = {.x = x, .dof = dof};
    for (double j = mode; w > 0 && w > 1e-17 * sum; j++, w *= mu / j)
        sum += w * ladder_q(&up, j);
    w = weight_mode * mode / mu;
    for (double top = mode; top > 0 && last > 1e-17 * sum; top -= LADDER) { /* blocks, each upwards again */
        struct ladder l = {.x = x, .dof = dof};
        double from = fmax(top - LADDER, 0), q[LADDER];
        for (double j = from; j < top; j++)
            q[(int)(j - from)] = ladder_q(&l, j);
        for (double j = top - 1; j >= from && last > 1e-17 * sum; w *= j / mu, j--)
            sum += last = w * q[(int)(j - from)];
    }
    return fmin(sum, 1);
}

double drift_tail_kolmogorov(double t)
{
    double sum = 0;
    if (!(t > 0.18))
        return 1; /* 1 - 1e-16 at .18 */
    if (t < 1) {
        for (int j = 1; j < 20; j += 2)
            sum += exp(-j * j * M_PI * M_PI / (8 * t * t));
        return 1 - sqrt(2 * M_PI) / t * sum;
    }
    for (int j = 1; j < 20; j++) {
        double term = exp(-2.0 * j * j * t * t);
        sum += j % 2 ? term : -term;
        if (term < 1e-18 * sum)
            break;
    }
    return 2 * sum;
}

double drift_tail_kolmogorov_log10(double t)
{
    double q = drift_tail_kolmogorov(t);
    return q > 1e-290 ? log10(q) : (M_LN2 - 2 * t * t) / M_LN10; /* the first term is all there is */
}
