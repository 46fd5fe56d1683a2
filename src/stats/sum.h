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
    double s[4] = {0}; /* exact below 2^53; four, so that no addition waits for the one before */
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t k = 0; k < 4; k++)
            s[k] += (double)c[i + k];
    for (; i < n; i++)
        s[0] += (double)c[i];
    return s[0] + s[1] + (s[2] + s[3]);
}

#endif
