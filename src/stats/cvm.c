/* src/stats/cvm.c    Cramer-von Mises criterion of two samples, its limit law and its exact one. */
#include "driftd/cvm.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/error.h"
#include "driftd/tail.h"
#include "merge.h"

__extension__ typedef __int128 wide; /* 4 U of 2^30 values is below 2^122 */

enum { VALUES_MAX = 1 << 30, ORDERS_BYTES_MAX = 1 << 28 };

/* Sum over count values of one side, ranks own + 1 ... own + count there, all of pooled rank r = twice / 2:
 * 4 sum (r - own - k)^2 */
static wide rank_squares(uint64_t twice, uint64_t own, uint64_t count)
{
    wide gap = (wide)twice - 2 * (wide)own, c = (wide)count; /* sum over k of (gap - 2 k)^2 */
    return c * gap * gap - 2 * gap * c * (c + 1) + 2 * c * (c + 1) * (2 * c + 1) / 3;
}

struct criterion {
    long double square; /* sum of (m n (F - G))^2 over the pooled values */
    wide u4;            /* 4 U of Anderson's eq. 10 */
    bool has_ties;
};

static void criterion_read(const double *x, size_t m, const double *y, size_t n, struct criterion *ret)
{
    struct merge g = {.x = x, .y = y, .m = m, .n = n};
    memset(ret, 0, sizeof *ret);
    while (merge_next(&g)) {
        uint64_t i = g.i - g.i_in, j = g.j - g.j_in, equal = g.i_in + g.j_in, twice = 2 * (i + j) + equal + 1;
        long double gap = merge_gap(&g);
        ret->square += gap * gap * (long double)equal;
        ret->u4 += (wide)m * rank_squares(twice, i, g.i_in) + (wide)n * rank_squares(twice, j, g.j_in);
        ret->has_ties |= equal > 1;
    }
}

/* T - (4 k - 1) / (6 N) = U / (k N), k = m n: as one fraction, for the two are large and nearly equal. */
static wide midrank_numerator(const struct criterion *c, size_t m, size_t n)
{
    wide k = (wide)m * (wide)n;
    return 6 * c->u4 - 4 * k * (4 * k - 1); /* over 24 k N */
}

static double limit_p(double t, double m, double n, double *ret_log10)
{
    double total = m + n, mean = (1 + 1 / total) / 6;
    double variance = (total + 1) / total * ((4 * total - 3 * (m / n + n / m) - 2) / (180 * total));
    return drift_tail_cvm(1.0 / 6 + (t - mean) / sqrt(45 * variance), ret_log10);
}

static int sizes_check(size_t m, size_t n)
{
    if (!m || !n)
        return DRIFT_E_EMPTY;
    return m > VALUES_MAX || n > VALUES_MAX || m + n > VALUES_MAX || m + n < 3 ? DRIFT_E_RANGE : 0;
}

int drift_cvm(const double *x, size_t m, const double *y, size_t n, struct drift_cvm *ret)
{
    struct criterion c;
    int r = sizes_check(m, n);
    if (r)
        return r;
    criterion_read(x, m, y, n, &c);
    long double k = (long double)m * (long double)n, total = (long double)m + (long double)n;
    *ret = (struct drift_cvm){.t = (double)(c.square / k / total / total),
                              .t_midrank = (double)((long double)midrank_numerator(&c, m, n) / (24 * k * total)),
                              .has_ties = c.has_ties};
    ret->p = limit_p(ret->t, (double)m, (double)n, &ret->log10_p);
    ret->p_midrank = limit_p(ret->t_midrank, (double)m, (double)n, &ret->log10_p_midrank);
    return 0;
}

/* How many paths come to a point with each sum of squares so far: count[s - base] with s = base .. base + n - 1; sums
 * that have reached the limit are left out. */
struct tally {
    int64_t base, n;
    double *count;
};

/* t += from, then `square` is added to every sum. */
static void tally_add(struct tally *t, const struct tally *from, int64_t square, int64_t limit)
{
    if (from->n && !t->n) {
        *t = (struct tally){.base = from->base, .n = from->n, .count = t->count};
        memcpy(t->count, from->count, (size_t)from->n * sizeof *t->count);
    } else if (from->n) {
        int64_t base = t->base < from->base ? t->base : from->base, down = t->base - base;
        int64_t end = t->base + t->n > from->base + from->n ? t->base + t->n : from->base + from->n;
        memmove(t->count + down, t->count, (size_t)t->n * sizeof *t->count);
        memset(t->count, 0, (size_t)down * sizeof *t->count);
        memset(t->count + down + t->n, 0, (size_t)(end - base - down - t->n) * sizeof *t->count);
        for (int64_t i = 0; i < from->n; i++)
            t->count[from->base - base + i] += from->count[i];
        t->base = base;
        t->n = end - base;
    }
    t->base += square;
    if (t->base + t->n > limit)
        t->n = t->base < limit ? limit - t->base : 0;
}

/* Paths from (0, 0) to (m, n) whose sum of (a i - b j)^2 stays below the limit.  column: shape [m + 1], each with room
 * for limit counts. */
static double paths_below(int64_t m, int64_t n, int64_t a, int64_t b, int64_t limit, struct tally *column)
{
    const struct tally none = {0};
    column[0].n = 1;
    column[0].count[0] = 1;
    for (int64_t j = 0; j <= n; j++)
        for (int64_t i = 0; i <= m; i++)
            tally_add(&column[i], i ? &column[i - 1] : &none, (a * i - b * j) * (a * i - b * j), limit);
    double sum = 0;
    for (int64_t s = 0; s < column[m].n; s++)
        sum += column[m].count[s];
    return sum;
}

static int64_t divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t c = a % b;
        a = b;
        b = c;
    }
    return a;
}

static double orders(double m, double n)
{
    double c = 1;
    for (double i = 1; i <= m && c <= 0x1p60; i++)
        c = c * (n + i) / i; /* exact: each is a binomial coefficient */
    return c;
}

static int exact_p(int64_t m, int64_t n, int64_t limit, double *ret_p)
{
    int64_t g = divisor(m, n);
    size_t room = (size_t)limit;
    double all = orders((double)m, (double)n);
    struct tally column[64] = {{0}};
    double *counts = calloc((size_t)(m + 1) * room, sizeof *counts);
    if (!counts)
        return DRIFT_E_MEMORY;
    for (int64_t i = 0; i <= m; i++)
        column[i].count = counts + (size_t)i * room;
    *ret_p = (all - paths_below(m, n, n / g, m / g, limit, column)) / all;
    free(counts);
    return 0;
}

int drift_cvm_p_exact(const double *x, size_t m, const double *y, size_t n, double *ret_p)
{
    struct criterion c;
    int r = sizes_check(m, n);
    if (r)
        return r;
    double small = (double)(m < n ? m : n), large = (double)(m < n ? n : m);
    if (small > 60 || large > 1e6 || orders(small, large) > 0x1p53)
        return DRIFT_E_RANGE;
    criterion_read(x, m, y, n, &c);
    int64_t lcm = (int64_t)m / divisor((int64_t)m, (int64_t)n) * (int64_t)n;
    /* the sum that T stands for: floor(T N^2 lcm^2 / (m n)) */
    wide k = (wide)m * (wide)n, above = midrank_numerator(&c, m, n) * ((wide)(m + n) * lcm * lcm), below = 24 * k * k;
    wide limit = above > 0 ? above / below : 0;
    if (limit == 0) {
        *ret_p = 1;
        return 0;
    }
    if (limit * (wide)((small + 1) * sizeof(double)) > ORDERS_BYTES_MAX)
        return DRIFT_E_RANGE;
    return exact_p((int64_t)small, (int64_t)large, (int64_t)limit, ret_p);
}
