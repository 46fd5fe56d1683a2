/* src/stats/tail_quadratic.c    Upper tails of sums of squared normals: limits of Cramer-von Mises, Anderson-Darling.
 */
/* With sum_k Z_k^2 / u_k the tail is the sum over odd k of (-1)^((k-1)/2) times the integral from u_k to u_{k+1} of
 * exp(-x u / 2) / (pi u sqrt|D(u)|), D(u) = prod_j (1 - u / u_j).  With u(r), u_k = u(k), and r as variable, both laws
 * have |D| = |sin(pi r)| / c(r).  The roots at the ends go away with r = k + sin^2(theta / 2); what is left is smooth
 * and periodic in theta, for which the midpoint rule converges exponentially.  The usual series (Bessel functions) give
 * the lower tail, and 1 minus that is noise below 1e-8. */
#include <math.h>
#include <stdbool.h>

#include "driftd/tail.h"

struct law {
    double least;                                            /* below, the lower tail is under 1e-16 */
    double first;                                            /* u_1 */
    void (*at)(double r, double *ret_u, double *ret_factor); /* u; u'/u sqrt(c) */
};

static void cvm_at(double r, double *ret_u, double *ret_factor)
{
    *ret_u = M_PI * M_PI * r * r;
    *ret_factor = 2 / r * sqrt(M_PI * r);
}

static void anderson_at(double r, double *ret_u, double *ret_factor)
{
    double u = r * (r + 1);
    *ret_u = u;
    *ret_factor = (2 * r + 1) / u * sqrt(M_PI * u);
}

static const struct law cvm = {.least = 0.003, .first = M_PI * M_PI, .at = cvm_at};
static const struct law anderson = {.least = 0.03, .first = 2, .at = anderson_at};

/* From u_k to u_{k+1}, times exp(x first / 2). */
static double interval(const struct law *law, double k, double x)
{
    double u, next, factor, sum = 0;
    law->at(k, &u, &factor);
    law->at(k + 1, &next, &factor);
    double nodes = fmax(64, ceil(2.7 * sqrt(x * (next - u)))), step = M_PI / nodes;
    for (double i = 0.5; i < nodes; i++) {
        double t = sin(i * step / 2) * sin(i * step / 2);
        law->at(k + t, &u, &factor);
        double e = exp(-x * (u - law->first) / 2);
        if (e < 1e-20)
            break;
        sum += e * factor * sqrt(t * (1 - t) / sin(M_PI * t));
    }
    return sum * step / M_PI;
}

static double upper(const struct law *law, double x, double *ret_log10)
{
    double sum = 0, term = 1;
    bool is_one = !(x > law->least);
    for (double k = 1; !is_one && term > 1e-18 * sum; k += 2) {
        term = interval(law, k, x);
        sum += fmod(k, 4) == 1 ? term : -term;
    }
    double log_p = is_one ? 0 : fmin(log(sum) - x * law->first / 2, 0);
    if (ret_log10)
        *ret_log10 = log_p / M_LN10;
    return exp(log_p);
}

double drift_tail_cvm(double x, double *ret_log10)
{
    return upper(&cvm, x, ret_log10);
}

double drift_tail_anderson(double x, double *ret_log10)
{
    return upper(&anderson, x, ret_log10);
}
