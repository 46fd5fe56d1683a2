/* src/stats/binning.c    Bins of a numeric sample by named conventions. */
#include "driftd/binning.h"

#include <math.h>
#include <string.h>

#include "driftd/error.h"

static const struct {
    const char *name, *help;
} names[DRIFT_N_BINNING] = {
#define X(id, name, help) {name, help},
    DRIFT_BINNINGS(X)
#undef X
};

const char *drift_binning_name(enum drift_binning b)
{
    return b < DRIFT_N_BINNING ? names[b].name : "unknown";
}

const char *drift_binning_help(enum drift_binning b)
{
    return b < DRIFT_N_BINNING ? names[b].help : "";
}

bool drift_binning_parse(const char *name, enum drift_binning *ret)
{
    for (int i = 0; i < DRIFT_N_BINNING; i++)
        if (!strcmp(name, names[i].name)) {
            *ret = (enum drift_binning)i;
            return true;
        }
    return false;
}

/* Between a and b, from whichever end is nearer, as numpy does it. */
static double between(double a, double b, double t)
{
    double d = b - a;
    if (!isfinite(d))
        return a * (1 - t) + b * t;
    return t < 0.5 ? a + d * t : b - d * (1 - t);
}

static double quantile_linear(const double *x, size_t m, double q)
{
    double at = (double)(m - 1) * q;
    size_t i = (size_t)at;
    return i + 1 < m ? between(x[i], x[i + 1], at - (double)i) : x[m - 1];
}

static double tenth_of_width(double low, double high, double k)
{
    double width = high - low;
    return isfinite(width * k) ? low + width * k / 10 : between(low, high, k / 10);
}

static double edge(enum drift_binning b, const double *x, size_t m, unsigned k)
{
    switch (b) {
    case DRIFT_BINNING_Q10_LINEAR_RC:
    case DRIFT_BINNING_Q10_LINEAR_LC:
        return quantile_linear(x, m, k / 10.0);
    case DRIFT_BINNING_Q10_INVCDF_RC:
        return x[m / 10 * k + (m % 10 * k + 9) / 10 - 1]; /* ceil(m k / 10), which cannot overflow */
    default:
        return tenth_of_width(x[0], x[m - 1], k);
    }
}

/* Into the ascending list, unless it is there; rounding may have turned two neighbours round. */
static size_t insert(double *edges, size_t n, double e)
{
    size_t at = n;
    while (at && edges[at - 1] >= e)
        at--;
    if (at < n && edges[at] == e)
        return n;
    memmove(edges + at + 1, edges + at, (n - at) * sizeof *edges);
    edges[at] = e;
    return n + 1;
}

int drift_binning_edges(enum drift_binning b, const double *x, size_t m, double *ret_edges, size_t *ret_n)
{
    size_t n = 0;
    if (b >= DRIFT_N_BINNING)
        return DRIFT_E_RANGE;
    if (!m)
        return DRIFT_E_EMPTY;
    bool none = b == DRIFT_BINNING_W10_MINMAX_LC && x[0] == x[m - 1];
    for (unsigned k = 1; k <= DRIFT_BINNING_EDGES && !none; k++)
        n = insert(ret_edges, n, edge(b, x, m, k));
    *ret_n = n;
    return 0;
}

/* How many of the values are below e, or equal to it. */
static size_t up_to(const double *x, size_t n, double e, bool equal_too)
{
    size_t from = 0;
    while (n) {
        size_t half = n / 2;
        if (x[from + half] < e || (equal_too && x[from + half] == e)) {
            from += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return from;
}

void drift_binning_count(enum drift_binning b, const double *edges, size_t n_edges, const double *x, size_t n,
                         uint64_t *ret_counts)
{
    bool right_closed = b == DRIFT_BINNING_Q10_LINEAR_RC || b == DRIFT_BINNING_Q10_INVCDF_RC;
    size_t before = 0;
    for (size_t i = 0; i < n_edges; i++) {
        size_t at = up_to(x, n, edges[i], right_closed);
        ret_counts[i] = at - before;
        before = at;
    }
    ret_counts[n_edges] = n - before;
}
