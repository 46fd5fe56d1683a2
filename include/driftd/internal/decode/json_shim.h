/* json_shim.h - simdjson's On-Demand parser behind a C interface: one JSON object into the row of a drift_paths.
 *
 * Values, in the places that somebody wants:
 *     string                    STR, unescaped; an invalid escape or a lone surrogate refuses the record
 *     number                    NUM; beyond double: NONFINITE; digits that are not a JSON number refuse the record
 *     NaN, Infinity, nan, inf   NONFINITE (with or without sign, any case), though not JSON
 *     true, false, null         BOOL, NULL
 *     object, array             OTHER (and members, where paths lead into it)
 *     anything else             refuses the record
 * Same key twice: the last one wins, an object as a whole.  UTF-8 is checked everywhere.  Parts that nobody wants
 * are checked for balanced brackets only.  Deep nesting costs nothing: skipping is a loop.
 *
 * Strings are borrowed from the parser and the buffer until the next walk.  Memory grows to the longest record.
 * Threads: one owner. */
#ifndef DRIFTD_DECODE_JSON_SHIM_H
#define DRIFTD_DECODE_JSON_SHIM_H

#include "driftd/internal/decode/paths.h"

#ifdef __cplusplus
extern "C" {
#endif

struct drift_json;

struct drift_json *drift_json_new(void); /* NULL: no memory */
void drift_json_free(struct drift_json *j);
/* 0; or DRIFT_E_PARSE and *ret_why (static text), the row is then undefined; or DRIFT_E_MEMORY. */
int drift_json_walk(struct drift_json *j, const uint8_t *text, size_t len, struct drift_paths *paths,
                    const char **ret_why) DRIFT_MUST_CHECK;
/* One value that is no string, object or array, without white space, by the rules above; false: refused.  The byte
 * behind it can be read and belongs to no number. */
bool drift_json_token(struct drift_row *row, uint32_t target, const char *p, size_t n);

#ifdef __cplusplus
}
#endif
#endif
