/* src/stats/wasserstein.c    Areas between two empirical distribution functions. */
#include "driftd/wasserstein.h"

#include <math.h>

#include "driftd/error.h"
#include "merge.h"

/* integral |F - G| dx and integral (F - G)^2 dx */
static int areas(const double *x, size_t m, const double *y, size_t n, long double *ret_absolute,
                 long double *ret_square)
{
    struct merge g = {.x = x, .y = y, .m = m, .n = n};
    long double unit = (long double)m * (long double)n, gap = 0, absolute = 0, square = 0;
    if (!m || !n)
        return DRIFT_E_EMPTY;
    if (!isfinite(x[0]) || !isfinite(y[0]) || !isfinite(x[m - 1]) || !isfinite(y[n - 1]))
        return DRIFT_E_RANGE;
    for (long double last = 0; merge_next(&g); last = (long double)g.at) {
        long double width = gap == 0 ? 0 : (long double)g.at - last; /* before the first value the gap is 0 */
        absolute += fabsl(gap) * width;
        square += gap * gap * width;
        gap = merge_gap(&g) / unit;
    }
    *ret_absolute = absolute;
    *ret_square = square;
    return 0;
}

static int double_of(long double v, double *ret)
{
    if (!isfinite((double)v))
        return DRIFT_E_RANGE;
    *ret = (double)v;
    return 0;
}

int drift_wasserstein(const double *x, size_t m, const double *y, size_t n, double *ret_distance)
{
    long double absolute, square;
    int r = areas(x, m, y, n, &absolute, &square);
    return r ? r : double_of(absolute, ret_distance);
}

int drift_energy_distance(const double *x, size_t m, const double *y, size_t n, double *ret_distance)
{
    long double absolute, square;
    int r = areas(x, m, y, n, &absolute, &square);
    return r ? r : double_of(sqrtl(2 * square), ret_distance);
}
