/* range.h - reads a bounded part of topics once, outside the daemon's consumer group.
 *
 * Bounds are offsets, fixed when the range is resolved: reading it again gives the same records, which is what a
 * two-pass builder needs.  Partitions are assigned by hand; nothing is joined and nothing committed.
 * Memory: librdkafka's queue, bounded by kafka.queue_bytes.  Threads: one owner; the callback runs on the caller's. */
#ifndef DRIFTD_INGEST_RANGE_H
#define DRIFTD_INGEST_RANGE_H

#include "driftd/internal/base/err.h"
#include "driftd/internal/config/config.h"
#include "driftd/internal/flow.h"

struct drift_range_part {
    char *topic;
    int32_t partition;
    int64_t from, to; /* offsets [from, to); a caller may narrow them */
};
struct drift_range {
    size_t n;
    struct drift_range_part *part;
};
void drift_range_release(struct drift_range *r);
/* Offsets in all: an upper bound of the records (compaction and transactions leave gaps). */
uint64_t drift_range_size(const struct drift_range *r);
/* {"topics": [{"topic": .., "partition": .., "from": .., "to": ..}]} for META; heap. */
char *drift_range_json(const struct drift_range *r);

/* All partitions of the topics (names, or patterns as in topics.h), from the first record whose own timestamp is at
 * least from_ms (INT64_MIN: from the low watermark) to the end of the log as it is now.  There is no upper bound by
 * time: event times may be older than record times by any amount, so whoever wants a range of event times filters the
 * events. Errors: AWAY (no answer within timeout_ms), NOT_FOUND (no such topic), DENIED, CONFIG. */
int drift_range_resolve(const struct drift_kafka_config *cfg, const char *const *topics, size_t n_topics,
                        int64_t from_ms, int64_t timeout_ms, struct drift_range *ret,
                        struct drift_err *err) DRIFT_MUST_CHECK;

/* One record.  Not 0: reading ends with that code (and the err that the callback filled). */
typedef int drift_range_fn(void *ctx, const struct drift_record *rec, const char *topic, int32_t partition,
                           struct drift_err *err);
typedef void drift_range_progress_fn(void *ctx, uint64_t done, uint64_t total);

/* Calls `record` for each record of the range, in offset order within a partition.  progress may be NULL; it is
 * called about four times a second.  Errors: RANGE (retention removed a part since resolving), AWAY (no record for
 * timeout_ms), DENIED, and the callback's. */
int drift_range_read(const struct drift_kafka_config *cfg, const struct drift_range *r, int64_t timeout_ms,
                     drift_range_fn *record, drift_range_progress_fn *progress, void *ctx,
                     struct drift_err *err) DRIFT_MUST_CHECK;

#endif
