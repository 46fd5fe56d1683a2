/* flow.h - what travels through the house: record -> event -> summary -> measure -> verdict.
 *
 * drift_summary and drift_measure are public (driftd/summary.h, driftd/measure.h); the rest is here.  Each
 * thing says who owns it and how long it lives.  Any stage may include this header. */
#ifndef DRIFTD_FLOW_H
#define DRIFTD_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "driftd/internal/base/text.h"
#include "driftd/measure.h"
#include "driftd/summary.h"

/* One Kafka record as it came.  Borrowed from librdkafka until the batch is destroyed. */
struct drift_record {
    const uint8_t *payload; /* NULL: tombstone */
    size_t len;
    int64_t offset;
    int64_t timestamp_ms; /* of the record; -1: none */
    bool log_append_time; /* timestamp_ms is the broker's clock */
};

/* Why a record is not counted into a window.  X(ID, "name"): names of metrics, state fields and quarantine
 * headers, never renamed. */
#define DRIFT_REASONS(X)                                                                                               \
    X(TOMBSTONE, "tombstone")             /* NULL value */                                                             \
    X(EMPTY, "empty")                     /* zero bytes */                                                             \
    X(TOO_LARGE, "too_large")             /* more bytes than max_record_bytes */                                       \
    X(BAD_FRAME, "bad_frame")             /* not the registry's framing */                                             \
    X(UNKNOWN_SCHEMA, "unknown_schema")   /* the registry says that there is no such id */                             \
    X(BAD_SCHEMA, "bad_schema")           /* the schema cannot be used (not a record, too deep ...) */                 \
    X(MALFORMED, "malformed")             /* bytes are not what the format says */                                     \
    X(NO_TIME, "no_time")                 /* role time missing or null */                                              \
    X(BAD_TIME, "bad_time")               /* role time not a number or date, or before 1970 or after 9999 */           \
    X(NO_MODEL, "no_model")               /* role model missing */                                                     \
    X(UNKNOWN_MODEL, "unknown_model")     /* model is not in the configuration */                                      \
    X(FUTURE, "future")                   /* event time beyond the reference clock + future_skew */                    \
    X(NOT_IN_PLAN, "not_in_plan")         /* the partition is not part of the window's plan */                         \
    X(LATE, "late")                       /* the window was closed by the partition's own log */                       \
    X(LATE_AFTER_IDLE, "late_after_idle") /* ... by an idle partition's advance */                                     \
    X(DUPLICATE, "duplicate")             /* event id seen in the window (deduplicate) */                              \
    X(NOTHING, "nothing")                 /* carries no role that its model counts */                                  \
    X(LOST_VERDICT, "lost_verdict")       /* was in a window whose verdict was lost beyond settle */                   \
    X(NO_ID, "no_id")                     /* role id missing or empty (deduplicate) */                                 \
    X(DEDUP_FULL, "dedup_full")           /* deduplicate.max_ids are held: nobody can tell whether it is a duplicate */

enum drift_reason {
    DRIFT_REASON_NONE = 0,
#define X(id, name) DRIFT_REASON_##id,
    DRIFT_REASONS(X)
#undef X
        DRIFT_N_REASON
};
const char *drift_reason_name(enum drift_reason r);

/* Kind of one decoded value. */
enum drift_value_kind {
    DRIFT_V_ABSENT = 0, /* the field is not in the record */
    DRIFT_V_NULL,
    DRIFT_V_NUM,       /* num is set, finite */
    DRIFT_V_STR,       /* str is set */
    DRIFT_V_BOOL,      /* num is 0 or 1 */
    DRIFT_V_NONFINITE, /* NaN, Infinity, a number beyond double */
    DRIFT_V_OTHER      /* array, object, bytes ...: no value for a column */
};

/* Names of the feature fields that a stream has shown so far: name <-> slot.  Grows to max; names beyond are
 * counted by the decoder.  Threads: the decoder's. */
struct drift_fields {
    uint32_t n, max;
    char **names;        /* [n] */
    uint32_t generation; /* changes whenever n does */
};

enum drift_version_role {
    DRIFT_VERSION_MODEL,
    DRIFT_VERSION_FEATURES,
    DRIFT_VERSION_PROMPT,
    DRIFT_VERSION_THRESHOLD,
    DRIFT_N_VERSION
};

struct drift_value {
    enum drift_value_kind kind;
    double num;
    struct drift_str str;
};

/* One decoded record.  All strings are borrowed from the record or the decoder until the next decode.  The
 * arrays belong to the decoder: num[s], kind[s], str[s] of field slot s < fields->n. */
struct drift_event {
    int64_t time_ms;
    uint64_t place;      /* of the record in its log, the offset: what samples go by, so that a replay repeats them */
    struct drift_str id; /* n = 0: none */
    struct drift_str model; /* n = 0: the stream names a fixed model */
    struct drift_str version[DRIFT_N_VERSION];
    struct drift_str schema;                                    /* id of the writer's schema as text; n = 0: none */
    struct drift_value score, decision, label, source, latency; /* ABSENT when the stream has no such role */
    const struct drift_fields *fields;
    const double *num;
    const uint8_t *kind; /* enum drift_value_kind */
    const struct drift_str *str;
};

/* Which of a model's two chains of windows: inputs (features, score, decision) by event time, labels by label
 * time.  Each has its own partitions, plan and verdicts. */
enum drift_chain_kind { DRIFT_CHAIN_INPUT, DRIFT_CHAIN_LABEL, DRIFT_N_CHAIN };
static inline const char *drift_chain_name(enum drift_chain_kind k)
{
    return k == DRIFT_CHAIN_LABEL ? "label" : "input";
}

enum { DRIFT_PANES_MAX = 1000 }; /* parts of a sliding window */

/* What came out of judging a window.  X(ID, "name") */
#define DRIFT_VERDICT_KINDS(X)                                                                                         \
    X(OK, "ok")                   /* measured against the baseline */                                                  \
    X(HELD, "held")               /* fewer than min_events: counts carried to the next window */                       \
    X(PARTIAL, "partial")         /* not seen from its beginning: not measured */                                      \
    X(UNMONITORED, "unmonitored") /* no usable baseline: counted, not measured */                                      \
    X(FORCED, "forced")           /* closed by max_hold without some partitions */                                     \
    X(LOST, "lost")               /* the verdict was lost beyond settle; counts are gone */

enum drift_verdict_kind {
#define X(id, name) DRIFT_VERDICT_##id,
    DRIFT_VERDICT_KINDS(X)
#undef X
        DRIFT_N_VERDICT
};
const char *drift_verdict_kind_name(enum drift_verdict_kind k);

/* A judged window's numbers, as rules and the verdict's body see them.  Owned by the judge; valid while it
 * handles the window. */
struct drift_verdict {
    enum drift_verdict_kind kind;
    enum drift_chain_kind chain;
    int64_t start_ms, end_ms;             /* its place in the chain: keys, ids and the order go by start_ms */
    int64_t from_ms;                      /* what it is about begins here: before start_ms when windows slide */
    uint64_t n;                           /* events, carried ones included */
    uint64_t carried;                     /* of them: from held windows before */
    uint64_t excluded;                    /* counts that could not be added (other layout) */
    int64_t carried_from_ms;              /* start of the first held window; = start_ms when carried is 0 */
    const struct drift_summary *summary;  /* merged; layout = the baseline's (or the bare one) */
    const struct drift_measure *measures; /* [n_columns][DRIFT_N_MEASURE] when kind is OK or FORCED, else NULL */
    struct drift_measure volume, evidence, detector, dependence, embedding, segment_psi,
        segment_rate;                          /* of the model */
    const char *baseline_id, *baseline_digest; /* "" when unmonitored */
    const char *unmonitored_why;               /* plain words; NULL otherwise */
};

#endif
