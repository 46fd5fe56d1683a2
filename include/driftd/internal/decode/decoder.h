/* decoder.h - bytes of one record -> one event, by the stream's format and roles.
 *
 * Bodies: JSON (simdjson behind json_shim.h; records that look like the one before, json_scan.h), Avro with Confluent
 * framing (magic 0, id as 4 bytes big endian) and a registry, or plain Avro with a schema file.  The result is a
 * function of the record (and of what the registry says for its id, which never changes).
 *
 * Roles and features are found by dotted paths (paths.h); an array's elements have their index as name, also as
 * features ("0", "1" ...).  A member that a role uses is no feature.  Values: see json_shim.h and avro_plan.h.
 * Time: whole or fractional numbers in the stream's unit, which decides whatever logical type a schema names (only
 * a stream whose unit is rfc3339 takes a schema's timestamp-millis, -micros or -nanos); text is RFC 3339 or such a
 * number.  Below milliseconds: whole numbers are cut, fractional ones rounded.  Without a role time, and with the
 * unit `record`, the record's own timestamp.
 * Id, model and versions that are numbers or booleans become text, numbers in their shortest form; an id of more
 * digits than 64 bits hold keeps its digits.  An empty model is a missing model.
 * Refused whole: JSON that simdjson refuses, Avro bodies with bytes left over, strings that are not UTF-8.
 *
 * Threads: one owner; all decoders of a process live on one thread (avro-c keeps its error text in a global). */
#ifndef DRIFTD_DECODE_DECODER_H
#define DRIFTD_DECODE_DECODER_H

#include "driftd/internal/config/config.h"
#include "driftd/internal/flow.h"

struct drift_decoder;
struct drift_registry; /* registry.h; NULL when the stream needs none */

int drift_decoder_new(const struct drift_stream *stream, struct drift_registry *registry, struct drift_decoder **ret,
                      struct drift_err *err) DRIFT_MUST_CHECK;
void drift_decoder_free(struct drift_decoder *d);

/* 0 and *ret_event, valid until the next call; or, with *ret_event undefined,
 *     action SKIP   *ret_reason says why the record is refused (count it, quarantine it, go on)
 *     action RETRY  the schema is not here yet: leave the partition at this record and ask again later
 * err->text never holds payload values. */
int drift_decoder_decode(struct drift_decoder *d, const struct drift_record *rec, const struct drift_event **ret_event,
                         enum drift_reason *ret_reason, struct drift_err *err) DRIFT_MUST_CHECK;

/* Feature fields seen so far and how many names were refused beyond max_fields. */
const struct drift_fields *drift_decoder_fields(const struct drift_decoder *d);
uint64_t drift_decoder_fields_refused(const struct drift_decoder *d);

/* For `init`: calls `leaf` for every scalar leaf of one record, with its dotted path.  Cold path. */
typedef void drift_leaf_fn(void *ctx, const char *path, enum drift_value_kind kind, double num, struct drift_str str);
int drift_decoder_leaves(struct drift_decoder *d, const struct drift_record *rec, drift_leaf_fn *leaf, void *ctx,
                         struct drift_err *err) DRIFT_MUST_CHECK;

#endif
