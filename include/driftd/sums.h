/* sums.h - vectors of integers that add: what a window keeps of its events besides counts.
 *
 *     sums[0]       n, the events added
 *     sums[1..]     totals over these events of terms between -unit and +unit
 *
 * Terms are fixed point, so that merging is addition of integers: exact, in any order, over any split.  embedding.h
 * (unit 2^20) and concordance.h (unit 1) say what the terms are.  Head-room: n is at most 2^42, so with a unit of up to
 * 2^20 no total leaves +-2^62; adding and merging refuse to go further.
 *
 * As bytes: u8 format (1) | varint length of the vector | varint n | zigzag varints.  Varints are little endian, 7 bits
 * a byte.  Loading takes hostile bytes; whoever carries them adds a checksum.
 * Cost: one pass, no allocation.  Threads: pure. */
#ifndef DRIFTD_SUMS_H
#define DRIFTD_SUMS_H

#include <stddef.h>
#include <stdint.h>

#include "driftd/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DRIFT_SUMS_EVENTS_MAX (INT64_C(1) << 42)
#define DRIFT_SUMS_UNIT_MAX (INT64_C(1) << 20)
enum { DRIFT_SUMS_MAX = 4096 }; /* longest vector, n included */

/* Could these be sums of `length` (1 .. DRIFT_SUMS_MAX) with this unit (1 .. DRIFT_SUMS_UNIT_MAX)?  0 <= n <=
 * DRIFT_SUMS_EVENTS_MAX and no total beyond n units.  Returns 0 or DRIFT_E_RANGE. */
int drift_sums_check(const int64_t *sums, size_t length, int64_t unit);

/* into += from, both checked vectors of one length.  DRIFT_E_FULL when n would pass DRIFT_SUMS_EVENTS_MAX; `into` is
 * unchanged then. */
int drift_sums_merge(int64_t *into, const int64_t *from, size_t length);

/* Most bytes that a vector of this length can take. */
static inline size_t drift_sums_bytes_max(size_t length)
{
    return 1 + 3 + 10 * length;
}
/* Writes to out and returns how many bytes; 0 when cap is too small (drift_sums_bytes_max() always suffices). */
size_t drift_sums_save(const int64_t *sums, size_t length, uint8_t *out, size_t cap);
/* Reads exactly len bytes.  ret_sums: shape [length], anything when it fails.  Returns 0, DRIFT_E_PARSE (empty, cut
 * short, too long, not varints), DRIFT_E_VERSION, DRIFT_E_MISMATCH (a vector of another length), DRIFT_E_RANGE (not
 * sums of that unit). */
int drift_sums_load(const uint8_t *p, size_t len, int64_t *ret_sums, size_t length, int64_t unit);

#ifdef __cplusplus
}
#endif
#endif
