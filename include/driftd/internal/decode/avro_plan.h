/* avro_plan.h - a writer's schema and the places that somebody wants, compiled into a flat program.
 *
 *     {id: string, ts: long, f: {a: double, b: double, c: [null, double]}, note: string}
 *         STR    -> PLACE_ID
 *         LONG   -> PLACE_TIME
 *         F64S   -> slots 0, 1       one bounds check for a run of doubles
 *         OPTF64 -> slot 2
 *         BLOB                       skips the note
 *         END
 *
 * Unwanted parts become skips: neighbours of fixed size are joined, records are subroutines (so that a schema
 * cannot blow up the program), arrays of fixed-size items are skipped by multiplication.
 * Values land in the row of the paths:
 *     null NULL; boolean BOOL; int, long, float, double NUM (NaN and infinities NONFINITE); string, enum STR;
 *     decimal NUM; other bytes and fixed, arrays, maps, records OTHER; a union is its branch.
 * Arrays and maps that paths lead into are walked key by key (an element's key is its index).
 *
 * Every read is checked against the record's end; nesting is at most 64; items and calls are counted against
 * bytes + 65,536, so that an array of 10^18 nulls is refused at once.  Strings that somebody wants must be UTF-8.
 * Bytes left over behind the record refuse it (it was written with another schema).
 * Threads: one owner. */
#ifndef DRIFTD_DECODE_AVRO_PLAN_H
#define DRIFTD_DECODE_AVRO_PLAN_H

#include <stdbool.h>

#include "driftd/internal/decode/avro_type.h"
#include "driftd/internal/decode/decoder.h"
#include "driftd/internal/decode/paths.h"

enum drift_avro_code {
    DRIFT_OP_END,    /* of the record, of an item, of a subroutine */
    DRIFT_OP_JUMP,   /* a: to */
    DRIFT_OP_CALL,   /* a: to */
    DRIFT_OP_SKIP,   /* a: bytes */
    DRIFT_OP_VARINT, /* skip a number */
    DRIFT_OP_BLOB,   /* skip bytes or a string */
    DRIFT_OP_UNION,  /* a: first of b targets in tables */
    DRIFT_OP_OPTION, /* union of null and one type: a: where to go when null; b: index of null */
    DRIFT_OP_OPTF64, /* union of null and double; b: index of null */
    DRIFT_OP_ARRAY,  /* skip; item program follows; a: behind it */
    DRIFT_OP_MAP,
    DRIFT_OP_ARRAY_KEYS, /* a: behind; b: box */
    DRIFT_OP_MAP_KEYS,
    DRIFT_OP_NULL,
    DRIFT_OP_OTHER,
    DRIFT_OP_BOOL,
    DRIFT_OP_INT,
    DRIFT_OP_LONG,
    DRIFT_OP_F32,
    DRIFT_OP_F64S, /* a: how many, into target, target + 1 ... */
    DRIFT_OP_STR,
    DRIFT_OP_ENUM,    /* a: type */
    DRIFT_OP_DECIMAL, /* a: scale; b: bytes, DRIFT_NOWHERE: length is in the record */
    DRIFT_OP_UNIT     /* a: the time's logical unit */
};
struct drift_avro_op {
    uint32_t code, target, a, b;
};
/* What to do with the entries of a map or an array that paths lead into. */
struct drift_avro_box {
    uint32_t node;
    uint32_t wild, skip; /* programs: a feature's value (into target + base), an unwanted value */
    uint32_t n;
    struct drift_avro_entry {
        uint32_t key, program;
    } * entries; /* by key, ascending */
};
struct drift_avro_plan {
    struct drift_avro_schema *schema;
    struct drift_paths *paths; /* borrowed */
    struct drift_avro_op *ops;
    uint32_t n_ops, cap_ops;
    uint32_t *tables;
    uint32_t n_tables, cap_tables;
    struct drift_avro_box *boxes;
    uint32_t n_boxes, cap_boxes;
};

/* Takes the schema; on failure too (DRIFT_E_RANGE: the program would be too long). */
int drift_avro_plan_new(struct drift_avro_schema *schema, struct drift_paths *paths, struct drift_avro_plan **ret,
                        struct drift_err *err) DRIFT_MUST_CHECK;
void drift_avro_plan_free(struct drift_avro_plan *p);

/* One body (without framing) into the row.  False: malformed, the row is undefined. */
bool drift_avro_run(const struct drift_avro_plan *p, const uint8_t *body, size_t len);

/* Every scalar leaf of one body, by the schema alone.  False: malformed.  Cold path. */
bool drift_avro_leaves(const struct drift_avro_schema *s, const uint8_t *body, size_t len, drift_leaf_fn *leaf,
                       void *ctx);

#endif
