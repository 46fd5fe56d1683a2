/* group.h - membership in the consumer group: what is granted, what is fetched, batches of messages.  librdkafka.
 *
 * Assignments are granted and revoked inside poll(), through the callbacks; fetching starts with fetch().
 * Threads: one owner. */
#ifndef DRIFTD_INGEST_GROUP_H
#define DRIFTD_INGEST_GROUP_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "driftd/internal/base/err.h"
#include "driftd/internal/config/config.h"

struct drift_group;
struct drift_group_settings {
    const struct drift_config *config;
    void (*granted)(void *ctx, const char *topic, int32_t partition);
    /* lost: the group has given it to somebody else already */
    void (*revoked)(void *ctx, const char *topic, int32_t partition, bool lost);
    /* After a cooperative rebalance: whatever is still being fetched may skip records now, so fetch it anew. */
    void (*disturbed)(void *ctx);
    void *ctx;
};
int drift_group_new(const struct drift_group_settings *s, struct drift_group **ret,
                    struct drift_err *err) DRIFT_MUST_CHECK;
/* Leaves the group (bounded by deadline_ms) and frees. */
void drift_group_free(struct drift_group *g, int64_t deadline_ms);
/* Next batch; messages belong to the caller (rd_kafka_message_destroy).  A fatal error of the client: STOP. */
int drift_group_poll(struct drift_group *g, int wait_ms, rd_kafka_message_t **msgs, size_t max, size_t *ret_n,
                     struct drift_err *err) DRIFT_MUST_CHECK;
/* Fetch exactly these partitions; all others are not fetched.  One that is being fetched already goes on unless
 * `restart` is set; offset is where to begin.  Sets `restart` of those that do begin anew: an eager assignor begins
 * anew everywhere, so give the next offset to count. */
struct drift_fetch {
    const char *topic;
    int32_t partition;
    int64_t offset;
    bool restart;
};
int drift_group_fetch(struct drift_group *g, struct drift_fetch *list, size_t n,
                      struct drift_err *err) DRIFT_MUST_CHECK;
/* Commits offsets to Kafka, for lag tools only; asynchronous, errors are ignored. */
void drift_group_commit(struct drift_group *g, const struct drift_fetch *list, size_t n);
/* Offset committed in Kafka; -1: none.  Blocking, at most timeout_ms. */
int drift_group_committed(struct drift_group *g, const char *topic, int32_t partition, int timeout_ms, int64_t *ret,
                          struct drift_err *err) DRIFT_MUST_CHECK;
int drift_group_bounds(struct drift_group *g, const char *topic, int32_t partition, int timeout_ms, int64_t *ret_low,
                       int64_t *ret_high, struct drift_err *err) DRIFT_MUST_CHECK;
int64_t drift_group_cached_high(struct drift_group *g, const char *topic, int32_t partition); /* -1: unknown */
int32_t drift_group_partitions(struct drift_group *g, const char *topic, int timeout_ms);     /* 0: unknown */
/* Every topic of the cluster that has partitions now; names are borrowed for the call. */
typedef void drift_group_topic_fn(void *ctx, const char *topic, int32_t partitions);
int drift_group_topics(struct drift_group *g, int timeout_ms, drift_group_topic_fn *fn, void *ctx,
                       struct drift_err *err) DRIFT_MUST_CHECK;
bool drift_group_joined(const struct drift_group *g);    /* an assignment stands, be it empty */
bool drift_group_reachable(const struct drift_group *g); /* not all brokers are away.  Any thread */

#endif
