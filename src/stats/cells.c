/* src/stats/cells.c    Wasserstein-1 with its bracket, the baseline's spread, the largest change of a share. */
/* Only counts and edges are known, so each figure comes with what the places of the values inside their cells could
 * make of it.  Edges may be anything finite: far out they are scaled, so that differences and squares stay finite. */
#include "driftd/cells.h"

#include <float.h>
#include <math.h>

#include "driftd/error.h"
#include "larger.h"
#include "single.h"
#include "single_cell.h"
#include "sum.h"

bool drift_cells_single(const double *edges, size_t n_cells, size_t j)
{
    return cell_single(edges, n_cells, j);
}

/* The axis in a scale where squares neither overflow nor vanish. */
struct axis {
    const double *edges;
    double factor; /* a power of two; edges times this are what is computed with */
    size_t n_cells;
};

static struct axis axis_of(const double *edges, size_t n_cells)
{
    int k;
    frexp(fmax(fabs(edges[0]), fabs(edges[n_cells - 2])), &k);
    return (struct axis){edges, k > 500 ? 0x1p-600 : k < -500 ? 0x1p600 : 1, n_cells};
}

static double axis_at(const struct axis *x, size_t j)
{
    return x->edges[j] * x->factor;
}

/* Where cell j begins and ends; the outer cells, of which only one end is known, are their edge. */
static double cell_left(const struct axis *x, size_t j)
{
    if (j == 0)
        return axis_at(x, 0);
    return axis_at(x, cell_single(x->edges, x->n_cells, j) ? j : j - 1);
}

static double cell_right(const struct axis *x, size_t j)
{
    return axis_at(x, j + 1 < x->n_cells ? j : j - 1);
}

/* ---- spread of the baseline ---- */

struct place {
    double mean, variance; /* of the values within the cell, from its left end */
};

/* Density exp(-y / t) on 0 .. width with the neighbour's density at 0: t (1 - exp(-width / t)) = reach < width.
 * Newton's method for s = width / t, from below: the function is convex and falls. */
static struct place tail_place(double width, double reach)
{
    double c = reach / width, s = -expm1(-2 * (1 - c)) / c;
    for (int i = 0; i < 8; i++)
        s += s * (-expm1(-s) - c * s) / (1 - (1 + s) * exp(-s));
    double t = width / s;
    double left = exp(-width / t), inside = 1 - left;
    double mean = (t - left * (width + t)) / inside;
    double square = (2 * t * t - left * (width * width + 2 * width * t + 2 * t * t)) / inside;
    return (struct place){mean, fmax(square - mean * mean, 0)};
}

/* Cell j's values, seen from the neighbour (n_cells: none) that lies towards the middle. */
static struct place cell_place(const struct axis *x, const uint64_t *p, size_t j, size_t neighbour)
{
    double width = cell_right(x, j) - cell_left(x, j);
    if (neighbour < x->n_cells && p[neighbour]) {
        double next = cell_right(x, neighbour) - cell_left(x, neighbour);
        double reach = next * ((double)p[j] / (double)p[neighbour]);
        if (reach > 0 && reach < width * 0.98) { /* 0: an atom, whose neighbourhood says nothing */
            struct place at = tail_place(width, reach);
            if (neighbour > j) /* thinning out to the left */
                at.mean = width - at.mean;
            return at;
        }
    }
    return (struct place){width / 2, width * width / 12};
}

struct spread {
    double mean, sd, low, high;
};

static struct spread spread_of(const struct axis *x, const uint64_t *p, double m)
{
    size_t first = 0, last = x->n_cells - 1;
    double centre, mean = 0, square = 0, apart = 0, far = 0, w = 0, wr = 0, wrr = 0;
    while (!p[first])
        first++;
    while (!p[last])
        last--;
    centre = cell_left(x, first) / 2 + cell_right(x, last) / 2; /* near it, squares keep their digits */
    for (size_t j = first; j <= last; j++) {
        if (!p[j])
            continue;
        size_t neighbour = first == last ? x->n_cells : j == last ? j - 1 : j == first ? j + 1 : x->n_cells;
        struct place at = cell_place(x, p, j, neighbour);
        double share = (double)p[j] / m, left = cell_left(x, j) - centre, right = cell_right(x, j) - centre;
        double here = left + at.mean;
        mean += share * here;
        square += share * (here * here + at.variance);
        apart += share * larger(left * left * w - 2 * left * wr + wrr, 0); /* sum over the cells before of gap^2 */
        w += share;
        wr += share * right;
        wrr += share * right * right;
    }
    for (size_t j = first; j <= last; j++) {
        double share = (double)p[j] / m, left = cell_left(x, j) - centre - mean,
               right = cell_right(x, j) - centre - mean;
        far += share * larger(left * left, right * right);
    }
    double sd = sqrt(fmax(square - mean * mean, 0)), low = sqrt(apart), high = sqrt(far);
    return (struct spread){mean + centre, fmin(fmax(sd, low), high), fmin(low, high), high};
}

/* ---- Wasserstein-1 ---- */

/* Integral of |d| over a unit of length on which d goes straight from b to a. */
static double straight(double b, double a)
{
    if (b * a >= 0)
        return (fabs(a) + fabs(b)) / 2;
    return (a * a + b * b) / (2 * (fabs(a) + fabs(b)));
}

static double back(const struct axis *x, double v)
{
    return fmin(v / x->factor, DBL_MAX);
}

int drift_cells_wasserstein(const uint64_t *p, const uint64_t *q, const double *edges, size_t n_cells, double sd,
                            struct drift_cells_w1 *ret)
{
    if (n_cells < 2 || !(sd >= 0) || isinf(sd))
        return DRIFT_E_RANGE;
    double m = sum_counts(p, n_cells), n = sum_counts(q, n_cells), w1 = 0, low = 0, high = 0, cum_p = 0, cum_q = 0;
    if (!(m > 0) || !(n > 0))
        return DRIFT_E_EMPTY;
    struct axis x = axis_of(edges, n_cells);
    cum_p = (double)p[0];
    cum_q = (double)q[0];
    double d = cum_q / n - cum_p / m; /* at the cell's left edge */
    for (size_t j = 1; j + 1 < n_cells; j++) {
        double width = axis_at(&x, j) - axis_at(&x, j - 1), w = (double)p[j] / m, v = (double)q[j] / n, before = d;
        cum_p += (double)p[j];
        cum_q += (double)q[j];
        d = cum_q / n - cum_p / m;
        if ((!p[j] && !q[j]) || cell_single(edges, n_cells, j)) { /* all of it at the right edge */
            double exact = width * fabs(before);
            w1 += exact, low += exact, high += exact;
            continue;
        }
        w1 += width * straight(before, d);
        low += width * larger(0, larger(before - w, -before - v));
        high += width * larger(fabs(before + v), fabs(before - w));
    }
    struct spread s = spread_of(&x, p, m);
    if (sd > 0)
        s.sd = s.low = s.high = sd * x.factor;
    low = fmin(low, w1); /* rounding only */
    high = fmax(high, w1);
    *ret = (struct drift_cells_w1){
        .w1 = back(&x, w1),
        .low = back(&x, low),
        .high = back(&x, high),
        .sd = back(&x, s.sd),
        .sd_low = back(&x, s.low),
        .sd_high = back(&x, s.high),
        .over_sd = s.sd > 0 ? fmin(w1 / s.sd, DBL_MAX) : -1,
        .open = p[0] || q[0] || p[n_cells - 1] || q[n_cells - 1],
    };
    return 0;
}

int linf_among(const uint64_t *p, const uint64_t *q, size_t n_cells, size_t n_tried, double *ret_change,
               size_t *ret_cell)
{
    double m = sum_counts(p, n_cells), n = sum_counts(q, n_cells), change = 0, tie = 1e-12;
    size_t worst = 0;
    if (!(m > 0) || !(n > 0))
        return DRIFT_E_EMPTY;
    for (size_t j = 0; j < n_tried; j++) {
        double d = (double)q[j] / n - (double)p[j] / m, gain = fabs(d) - fabs(change);
        if (gain > tie || (gain > -tie && d > 0 && change < 0)) {
            change = d;
            worst = j;
        }
    }
    *ret_change = change;
    if (ret_cell)
        *ret_cell = worst;
    return 0;
}

int drift_cells_linf(const uint64_t *p, const uint64_t *q, size_t n_cells, double *ret_change, size_t *ret_cell)
{
    return linf_among(p, q, n_cells, n_cells, ret_change, ret_cell);
}
