/* json_leaves.h - every scalar leaf of one JSON record, for `init`.  jansson; cold path. */
#ifndef DRIFTD_DECODE_JSON_LEAVES_H
#define DRIFTD_DECODE_JSON_LEAVES_H

#include "driftd/internal/decode/decoder.h"

/* DRIFT_E_PARSE: not a JSON object.  Elements of arrays have their index as name. */
int drift_json_leaves(const uint8_t *text, size_t len, drift_leaf_fn *leaf, void *ctx,
                      struct drift_err *err) DRIFT_MUST_CHECK;

#endif
