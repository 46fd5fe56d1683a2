/* src/stats/cells_edf.c    Cramer-von Mises and Anderson-Darling on cells, and the law of both. */
/* Looking the null law up in tables would need one a number of cells and a pattern of ties.  Its cumulants come from
 * the pooled counts in one pass instead, since the bridge's covariance A_i (1 - A_j), i < j, is a product. */
#include "driftd/cells.h"

#include <math.h>

#include "driftd/error.h"
#include "driftd/tail.h"
#include "larger.h"
#include "single.h"
#include "sum.h"

/* ---- the law of sum w_i X_i^2, X of covariance A_i (1 - A_j) for i < j and V_i on the diagonal ---- */

/* Sums over the cells so far: traces of the first three powers of the covariance, and a Rayleigh quotient whose trial
 * vector sqrt(V A (1 - A)) is within 2 % of the largest lambda's, with or without atoms. */
struct form {
    double c1, c2, c3;          /* sums of lambda, lambda^2, lambda^3 */
    double w_aa, ww_vaa, chain; /* prefix sums: w A^2; w^2 V A^2; (prefix w A^2) w A (1 - A) */
    double f_over, f_under;     /* of the quotient */
    double f_before;            /* prefix sum w A trial */
};

static void form_add(struct form *f, double w, double a, double v, double trial)
{
    double b = 1 - a, bb = b * b, wv = w * v;
    f->c1 += wv;
    f->c2 += wv * wv + 2 * w * bb * f->w_aa;
    f->c3 += wv * wv * wv + 3 * bb * w * (f->ww_vaa + wv * f->w_aa) + 6 * w * bb * f->chain;
    f->f_over += w * trial * (wv * trial + 2 * b * f->f_before);
    f->f_under += w * trial * trial;
    f->f_before += w * trial * a;
    f->chain += f->w_aa * w * a * b;
    f->w_aa += w * a * a;
    f->ww_vaa += w * wv * a * a;
}

static double tail_far(const struct form *f, double x)
{
    double l = fmin(fmax(f->f_over / f->f_under, f->c3 / f->c2), f->c1);
    double r1 = fmax(f->c1 / l - 1, 0), r2 = fmax(f->c2 / l / l - 1, 0), r3 = fmax(f->c3 / l / l / l - 1, 0);
    double r = r2 > 0 ? fmin(r3 / r2, 0.7) : 0; /* about lambda_2 / lambda_1 */
    double log_c = (r1 + r2 / 2 + r3 / 3 + r3 * r / 4 / (1 - r)) / 2;
    return exp(log_c) * drift_tail_normal_two_sided(sqrt(x / l));
}

static double form_p(const struct form *f, double x)
{
    if (!(f->c3 > 0) || !(f->f_under > 0))
        return 1;
    double dof = f->c2 * f->c2 * f->c2 / (f->c3 * f->c3);
    double body = drift_tail_chi2((x - f->c1) * sqrt(dof / f->c2) + dof, dof);
    return body > 0.5 ? fmin(body, 1) : fmin(fmax(body, tail_far(f, x)), 1);
}

/* ---- the bracket of Cramer-von Mises ---- */

static double square(double x)
{
    return x * x;
}

/* sum over i = 0 .. n-1 of (u + i step)^2 */
static double squares(double u, double step, double n)
{
    return n > 0 ? n * u * u + u * step * n * (n - 1) + step * step * (n - 1) * n * (2 * n - 1) / 6 : 0;
}

/* The same of the positive terms only; step >= 0. */
static double squares_positive(double u, double step, double n)
{
    if (u >= 0)
        return squares(u, step, n);
    if (!(u + step * (n - 1) > 0))
        return 0;
    double skip = ceil(-u / step);
    return squares(u + skip * step, step, n - skip);
}

/* sum over i = 0 .. n-1 of max((u + i du)^2, (l + i dl)^2), where u + i du >= l + i dl throughout */
static double squares_larger(double u, double du, double l, double dl, double n)
{
    double s = u + l, ds = du + dl, end = s + ds * (n - 1);
    if (!(n > 0))
        return 0;
    if (s >= 0 && end >= 0)
        return squares(u, du, n);
    if (s <= 0 && end <= 0)
        return squares(l, dl, n);
    double k = smaller(larger(ceil(-s / ds), 1), n - 1); /* so many on the first side */
    double first = s > 0 ? squares(u, du, k) : squares(l, dl, k);
    return first + (s > 0 ? squares(l + k * dl, dl, n - k) : squares(u + k * du, du, n - k));
}

/* One cell: np of m values of the baseline, nq of n of the window, d = b before it. */
struct step {
    double np, nq, m, n, b;
};

static double cell_low(const struct step *c)
{
    double l = c->b - c->np / c->m, u = c->b + c->nq / c->n;
    return c->np * square(larger(l, 0)) + squares_positive(l + 1 / c->n, 1 / c->n, c->nq) +
           c->nq * square(larger(-u, 0)) + squares_positive(-u + 1 / c->m, 1 / c->m, c->np);
}

static double cell_high(const struct step *c)
{
    double l = c->b - c->np / c->m, u = c->b + c->nq / c->n, short_run = smaller(c->np, c->nq);
    double middle = larger(c->np, c->nq) - short_run, dl = 1 / c->n, du = -1 / c->m;
    double high = short_run * larger(square(u), square(l));
    if (c->np < c->nq) {
        high += squares_larger(u, 0, l + dl, dl, middle);
        return high + squares_larger(u + du, du, l + (middle + 1) * dl, dl, short_run);
    }
    high += squares_larger(u + du, du, l, 0, middle);
    return high + squares_larger(u + (middle + 1) * du, du, l + dl, dl, short_run);
}

/* ---- both statistics ---- */

int drift_cells_cvm(const uint64_t *p, const uint64_t *q, const double *edges, size_t n_cells,
                    struct drift_cells_edf *ret)
{
    double m = sum_counts(p, n_cells), n = sum_counts(q, n_cells), all = m + n, n_e = n / all * m;
    double cum_p = 0, cum_q = 0, d = 0, t = 0, low = 0, high = 0;
    struct form f = {0};
    size_t cells = 0;
    if (!(m > 0) || !(n > 0))
        return DRIFT_E_EMPTY;
    for (size_t j = 0; j < n_cells; j++) {
        if (!p[j] && !q[j])
            continue;
        struct step at = {.np = (double)p[j], .nq = (double)q[j], .m = m, .n = n, .b = d};
        cells++;
        cum_p += at.np;
        cum_q += at.nq;
        d = cum_q / n - cum_p / m;
        double here = (at.np + at.nq) * d * d, h = (cum_p + cum_q) / all;
        t += here;
        bool single = cell_single(edges, n_cells, j);
        low += single ? here : cell_low(&at);
        high += single ? here : cell_high(&at);
        form_add(&f, (at.np + at.nq) / all, h, h * (1 - h), h * (1 - h));
    }
    t = cells > 1 ? t : 0; /* rounding may leave something */
    *ret = (struct drift_cells_edf){.value = t / all * n_e, .p_value = 1, .cells = cells};
    ret->low = fmin(low / all * n_e, ret->value); /* rounding only */
    ret->high = fmax(high / all * n_e, ret->value);
    if (cells == 1)
        return 0;
    ret->p_value = form_p(&f, ret->value * ((all - 1) / all));
    ret->rms = fmin(sqrt(t / all), 1);
    return 0;
}

int drift_cells_anderson(const uint64_t *p, const uint64_t *q, size_t n_cells, struct drift_cells_edf *ret)
{
    double m = sum_counts(p, n_cells), n = sum_counts(q, n_cells), all = m + n, n_e = n / all * m;
    double cum_p = 0, cum_q = 0, d = 0, t = 0, mean = 0;
    struct form f = {0};
    size_t cells = 0;
    if (!(m > 0) || !(n > 0))
        return DRIFT_E_EMPTY;
    for (size_t j = 0; j < n_cells; j++) {
        if (!p[j] && !q[j])
            continue;
        cells++;
        double share = ((double)p[j] + (double)q[j]) / all, before = d;
        double rank = (cum_p + cum_q) / all + share / 2;
        cum_p += (double)p[j];
        cum_q += (double)q[j];
        d = cum_q / n - cum_p / m;
        double a = (before + d) / 2, v = rank * (1 - rank) - share / 4;
        mean += share * d * d;
        if (!(v > 0)) /* all values in this cell */
            continue;
        t += share * a * a / v;
        form_add(&f, share / v, rank, v, sqrt(v * rank * (1 - rank)));
    }
    *ret = (struct drift_cells_edf){.p_value = 1, .cells = cells};
    if (cells == 1)
        return 0;
    ret->value = ret->low = ret->high = t * n_e * ((all - 1) / all);
    ret->p_value = form_p(&f, ret->value);
    ret->rms = fmin(sqrt(mean), 1);
    return 0;
}
