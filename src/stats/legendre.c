/* src/stats/legendre.c    Legendre scores of the baseline's ranks: location and scale, linear in the counts. */
/* The polynomials grow by phi_r = t phi_(r-1) with t = 2u - 1, made orthogonal to those before: the same as
 * Gram-Schmidt of u, u^2, ... with the same signs, but without the cancellation of powers. */
#include "driftd/legendre.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "driftd/error.h"
#include "sum.h"

static double inner(const double *mass, const double *a, const double *b, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += mass[i] * a[i] * b[i];
    return s;
}

static double mean(const double *mass, const double *a, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += mass[i] * a[i];
    return s;
}

/* Takes out of v its mean and its parts along the rows before, twice: once leaves what rounding put there. */
static void orthogonalise(const double *mass, const double *phi, unsigned rows, double *v, size_t n)
{
    for (int pass = 0; pass < 2; pass++) {
        double m = mean(mass, v, n);
        for (size_t i = 0; i < n; i++)
            v[i] -= m;
        for (unsigned r = 0; r < rows; r++) {
            const double *row = phi + r * n;
            double part = inner(mass, v, row, n);
            for (size_t i = 0; i < n; i++)
                v[i] -= part * row[i];
        }
    }
}

/* False when nothing but rounding is left. */
static bool row_make(const double *mass, double *phi, unsigned r, const double *t, size_t n)
{
    double *v = phi + r * n;
    const double *row = r ? v - n : NULL;
    for (size_t i = 0; i < n; i++)
        v[i] = row ? t[i] * row[i] : t[i];
    double before = sqrt(inner(mass, v, v, n));
    orthogonalise(mass, phi, r, v, n);
    double norm = sqrt(inner(mass, v, v, n));
    if (!(norm > 1e-10 * before))
        return false;
    for (size_t i = 0; i < n; i++)
        v[i] /= norm;
    return true;
}

int drift_legendre_basis(const uint64_t *p, size_t n_cells, unsigned degree, double *ret_mass, double *ret_phi,
                         unsigned *ret_rank)
{
    double m = sum_counts(p, n_cells), below = 0;
    size_t filled = 0;
    if (degree < 1 || degree > DRIFT_LEGENDRE_MAX)
        return DRIFT_E_RANGE;
    if (!(m > 0))
        return DRIFT_E_EMPTY;
    memset(ret_phi, 0, degree * n_cells * sizeof *ret_phi);
    double *t = ret_phi + (degree - 1) * n_cells; /* the last row holds t until its own turn */
    for (size_t i = 0; i < n_cells; i++) {
        ret_mass[i] = (double)p[i] / m;
        filled += p[i] > 0;
        t[i] = 2 * below + ret_mass[i] - 1;
        below += ret_mass[i];
    }
    unsigned r = 0;
    while (r < degree && r + 1 < filled && row_make(ret_mass, ret_phi, r, t, n_cells))
        r++;
    memset(ret_phi + r * n_cells, 0, (degree - r) * n_cells * sizeof *ret_phi);
    *ret_rank = r;
    return 0;
}

int drift_legendre_score(const double *phi, const uint64_t *q, size_t n_cells, double *ret_v)
{
    double n = sum_counts(q, n_cells), s = 0;
    if (!(n > 0))
        return DRIFT_E_EMPTY;
    for (size_t i = 0; i < n_cells; i++)
        s += (double)q[i] * phi[i];
    *ret_v = s / sqrt(n);
    return 0;
}

double drift_legendre_cgf(const double *mass, const double *phi, size_t n_cells, double n, double theta)
{
    double s = 0, step = theta / sqrt(n);
    for (size_t i = 0; i < n_cells; i++)
        if (mass[i] > 0)
            s += mass[i] * exp(step * phi[i]);
    return n * log(s);
}

/* exp(x) by its series for |x| <= 1/8, to 1e-17 of itself: with events by the hundred all steps are that small. */
static inline double exp_small(double x)
{
    double s = x * x, f = s * s;
    if (s > 1. / 64)
        return exp(x);
    double low = 1 + x + s * (1. / 2 + x * (1. / 6));
    double middle = 1. / 24 + x * (1. / 120) + s * (1. / 720 + x * (1. / 5040));
    return low + f * (middle + f * (1. / 40320 + x * (1. / 362880) + s * (1. / 3628800)));
}

void drift_legendre_tilt(const double *mass, const double *phi, size_t n_cells, double n, double scale,
                         double ret_up[DRIFT_LEGENDRE_TILTS], double ret_down[DRIFT_LEGENDRE_TILTS])
{
    double up[4] = {0}, down[4] = {0}, step = 0.5 * scale / sqrt(n);
    for (size_t i = 0; i < n_cells; i++) {
        if (!(mass[i] > 0))
            continue;
        double a = exp_small(step * phi[i]), b = 1 / a; /* theta doubles: each power is the square of the one before */
        for (int k = 0; k < 4; k++, a *= a, b *= b) {
            up[k] += mass[i] * a;
            down[k] += mass[i] * b;
        }
    }
    for (int k = 0; k < 4; k++) {
        ret_up[k] = n * log(up[k]);
        ret_down[k] = n * log(down[k]);
    }
}
