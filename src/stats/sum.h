/* sum.h - totals of counters; private to the stats room.
 *
 * Counters may come from outside, so no total may wrap: a total below one of its parts would make shares above 1 and
 * roots of negative numbers. */
#ifndef DRIFTD_STATS_SUM_H
#define DRIFTD_STATS_SUM_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t sum_sat(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}
static inline double sum_counts(const uint64_t *c, size_t n)
{
    double s = 0; /* exact below 2^53 */
    for (size_t i = 0; i < n; i++)
        s += (double)c[i];
    return s;
}

#endif
