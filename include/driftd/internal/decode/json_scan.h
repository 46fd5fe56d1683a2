/* json_scan.h - reads a JSON record by the shape of one before it; the walker of json_shim.h stays the judge.
 *
 * Events of a topic differ in their values, hardly ever in anything between them.  Of a record that the walker has
 * accepted, the skeleton is kept: the exact bytes between the values, and what each value is for.
 *
 *     {"id":"a","f":{"x":1.5,"y":null}}      {"id":  ID     ,"f":{"x":  x     ,"y":  y     }}
 *
 * A record with the same bytes there and a scalar at each place goes into the row without a look for structure and
 * without a copy.  Any deviation gives the record up, nothing is concluded from it, and the walker decodes it.
 *
 * Why the row is the same: a skeleton is learned only from strict JSON, so a record that follows it, each of its
 * values a whole scalar, is JSON of the same keys in the same order, and the walker would write the same targets in
 * the same order; numbers and words go through the walker's own functions.
 *     string             taken without escape and control byte, as UTF-8; else given up
 *     number             json_num.h; other spellings, null, true, false, NaN ... by drift_json_token(), which refuses
 *                        what the walker refuses: given up
 *     of no use          a string as above, or a run of letters, digits, '+', '-' and '.' (the walker asks less)
 *     object, array      in the place of a value: given up
 * Never learned: a record with an array, with more than 512 values, 16 KiB of skeleton, 512 bytes between two values
 * or 16 levels; with an escape in a key; that has an object twice; or a feature beyond max_fields (to be counted).
 *
 * Two misses in a row and the walker's next success replace the skeleton.  More than 16 misses in 64 records: it
 * rests for 4,096 records, so that a topic without a common shape pays next to nothing.
 *
 * Strings are borrowed from the record and the scanner until the next try.  No read goes behind the record; nothing
 * is allocated after _new.  Threads: one owner. */
#ifndef DRIFTD_DECODE_JSON_SCAN_H
#define DRIFTD_DECODE_JSON_SCAN_H

#include "driftd/internal/decode/paths.h"

enum { DRIFT_JSON_SCAN_WINDOW = 64, DRIFT_JSON_SCAN_MISSES = 16, DRIFT_JSON_SCAN_REST = 4096 };

struct drift_json_scan;

struct drift_json_scan *drift_json_scan_new(void);
void drift_json_scan_free(struct drift_json_scan *s);

/* The record into a row that was reset.  False: not of the learned shape; reset the row and walk. */
bool drift_json_scan_try(struct drift_json_scan *s, const uint8_t *text, size_t len, struct drift_row *row);
/* After a try that was false and a walk that was not: this is what records look like now. */
void drift_json_scan_learn(struct drift_json_scan *s, const uint8_t *text, size_t len, const struct drift_paths *paths);

/* Records that went this way so far. */
uint64_t drift_json_scan_hits(const struct drift_json_scan *s);

#endif
