/* src/cli/sort.c    Sorts many doubles, in linear time; for `compare`, which sorts ten million a column. */
#include "driftd/internal/cli/sort.h"

#include <stdint.h>
#include <string.h>

enum { BITS = 8, PLACES = 8, BUCKETS = 1 << BITS };

/* Bits whose order as integers is that of the doubles. */
static uint64_t key_of(double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    return u >> 63 ? ~u : u | UINT64_C(1) << 63;
}

static unsigned digit(double v, int place)
{
    return (unsigned)(key_of(v) >> (BITS * place)) & (BUCKETS - 1);
}

static void pass(const double *from, double *to, size_t n, int place, const size_t count[BUCKETS])
{
    size_t at[BUCKETS], sum = 0;
    for (int i = 0; i < BUCKETS; i++) {
        at[i] = sum;
        sum += count[i];
    }
    for (size_t i = 0; i < n; i++)
        to[at[digit(from[i], place)]++] = from[i];
}

void drift_sort_doubles(double *x, size_t n, double *scratch)
{
    size_t count[PLACES][BUCKETS] = {{0}};
    double *from = x, *to = scratch;
    for (size_t i = 0; i < n; i++)
        for (int place = 0; place < PLACES; place++)
            count[place][digit(x[i], place)]++;
    for (int place = 0; place < PLACES; place++) {
        if (!n || count[place][digit(x[0], place)] == n)
            continue;
        pass(from, to, n, place, count[place]);
        double *swap = from;
        from = to;
        to = swap;
    }
    if (from != x)
        memcpy(x, from, n * sizeof *x);
}
