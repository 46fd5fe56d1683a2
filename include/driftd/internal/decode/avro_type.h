/* avro_type.h - a writer's schema as a graph of types.
 *
 * Made from the schema's JSON with its names resolved (recursive records point to themselves), logical types of
 * times and decimals kept.  avro-c has the last word on whether it is a schema at all; the graph is our own since
 * avro-c 1.11 drops logical types.
 * Limits: 4 MiB of text, 65,536 types, nested at most 64 deep in the text.  Threads: avro-c's error text is a
 * process global, so one thread makes them; afterwards immutable. */
#ifndef DRIFTD_DECODE_AVRO_TYPE_H
#define DRIFTD_DECODE_AVRO_TYPE_H

#include <stddef.h>
#include <stdint.h>

#include "driftd/internal/base/err.h"

enum { DRIFT_AVRO_TEXT_BYTES = 4 << 20, DRIFT_AVRO_TYPES = 65536, DRIFT_AVRO_DEPTH = 64 };

enum drift_avro_kind {
    DRIFT_AVRO_NULL,
    DRIFT_AVRO_BOOLEAN,
    DRIFT_AVRO_INT,
    DRIFT_AVRO_LONG,
    DRIFT_AVRO_FLOAT,
    DRIFT_AVRO_DOUBLE,
    DRIFT_AVRO_BYTES,
    DRIFT_AVRO_STRING,
    DRIFT_AVRO_FIXED,
    DRIFT_AVRO_ENUM,
    DRIFT_AVRO_ARRAY,
    DRIFT_AVRO_MAP,
    DRIFT_AVRO_UNION,
    DRIFT_AVRO_RECORD
};
enum drift_avro_logical {
    DRIFT_AVRO_PLAIN,
    DRIFT_AVRO_MILLIS, /* timestamp-millis, local-timestamp-millis */
    DRIFT_AVRO_MICROS,
    DRIFT_AVRO_NANOS,
    DRIFT_AVRO_DECIMAL
};

struct drift_avro_type {
    enum drift_avro_kind kind;
    enum drift_avro_logical logical;
    uint32_t id;                    /* index in the schema */
    uint32_t n;                     /* fields, branches, symbols; 1 for arrays and maps */
    uint32_t size;                  /* FIXED: bytes */
    uint32_t scale;                 /* DECIMAL */
    struct drift_avro_type **types; /* [n]: of fields, branches, items; NULL for enums */
    char **names;                   /* [n]: of fields, symbols; else NULL */
};
struct drift_avro_schema {
    struct drift_avro_type **all;
    uint32_t n, cap;
    struct drift_avro_type *root; /* always a record */
};

/* Errors: DRIFT_E_PARSE with the reason. */
int drift_avro_schema_parse(const char *text, size_t len, struct drift_avro_schema **ret,
                            struct drift_err *err) DRIFT_MUST_CHECK;
void drift_avro_schema_free(struct drift_avro_schema *s);

#endif
