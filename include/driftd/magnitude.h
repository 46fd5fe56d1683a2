/* magnitude.h - orders of magnitude of a column's values, which need no baseline edges; what a change of unit looks
 * like.
 *
 * 128 buckets a numeric column, in the layout's block "magnitude" (content: the byte 1), 128 counters for each numeric
 * column in the order of the columns:
 *     0                   the value 0
 *     1 .. 63, 65 .. 127  exponent e = floor(log2 |x|) of a positive, negative value: 21 + e, 85 + e, e clamped to
 *                         -20 .. 42 (a millionth .. 4 10^12)
 *     64                  not used
 *
 * Does the window have values of another unit?  With p, q the shares of the buckets and S_k p those of the baseline
 * with every value 2^k times as large, q = (1 - a) p + a S_k p when the part a of the values changed its unit: one
 * source of many is enough.  a by least squares for each whole k, then in steps of .1 about the
 * best, and the k that leaves least of sum |q - p|.
 * S_k for a k that is not whole moves a value on by floor(k) exponents, or by one more as often as the fraction says.
 * Source: own method; a change of unit moves a histogram of exponents as a whole, which needs no edges to be seen.
 *
 * Cost: a few cycles a value; some .3 ms a comparison, no allocation.  Threads: pure.
 * A diagnosis, no test: it has no p-value, and is asked only where a test has found a change. */
#ifndef DRIFTD_MAGNITUDE_H
#define DRIFTD_MAGNITUDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "driftd/summary.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    DRIFT_MAGNITUDES = 128,
    DRIFT_MAGNITUDE_LOW = -20, /* exponents at the ends of the scale */
    DRIFT_MAGNITUDE_HIGH = 42  /* DRIFT_MAGNITUDE_LOW + 62 */
};
#define DRIFT_MAGNITUDE_BLOCK "magnitude"

/* Bucket of a finite value. */
static inline uint32_t drift_magnitude_bucket(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t any = bits << 1 != 0; /* 0 for both zeros, whose exponent is below all others */
    int32_t e = (int32_t)(bits >> 52 & 0x7ff) - (1023 + DRIFT_MAGNITUDE_LOW - 1);
    e = e < any ? any : e;
    e = e > 63 ? 63 : e;
    return (uint32_t)e + (uint32_t)(bits >> 63 & (uint64_t)any) * 64;
}

/* Gives a layout that is not sealed the block for its numeric columns so far; nothing when there is none.  Errors of
 * drift_layout_add_block. */
int drift_magnitude_add(struct drift_layout *l);
/* First counter of a column's buckets in summaries of the layout; UINT32_MAX: it has none. */
uint32_t drift_magnitude_first(const struct drift_layout *l, uint32_t column);

struct drift_unit_change {
    double factor;    /* what moved is so many times as large, within some 10 %; negative: of the other sign, too */
    double known;     /* the usual factor that it is close to (1000, 60, 1/3600 ..), 0: none; 1024 is 1000 here */
    double moved;     /* a: share of the values that moved, 0 .. 1 */
    double explained; /* share of the change of the histogram that this explains, 0 .. 1 */
    bool at_least;    /* much of what moved left or reached an end of the scale: it moved so far or farther; known: 0 */
};
/* p, q: counts, shape [DRIFT_MAGNITUDES].  True when at least 5 % of the values moved by a factor of 4 or more, or
 * changed their sign, and that explains at least 70 % of what changed. */
bool drift_magnitude_compare(const uint64_t *p, const uint64_t *q, struct drift_unit_change *ret);
/* The same for a column of two summaries of one layout; false too when it has no buckets. */
bool drift_magnitude_of(const struct drift_summary *before, const struct drift_summary *after, uint32_t column,
                        struct drift_unit_change *ret);
/* "97 % of values are about 1000 times as large: another unit?"; returns the length, NUL-terminated. */
size_t drift_magnitude_text(const struct drift_unit_change *u, char *buf, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
