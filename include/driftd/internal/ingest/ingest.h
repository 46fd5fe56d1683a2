/* ingest.h - the consumer group and the partitions that this process owns: records in, counts in Redis out.
 *
 * One thread polls, decodes, counts and flushes.  A partition is *granted* by the group, *acquired* (its slot's head is
 * ours, its state is in memory) and then fetched from the offset that the slot names.  When Redis goes away all memory
 * is dropped and nothing is fetched; polling goes on, and each granted partition is acquired again later.  When a
 * schema is missing, that partition alone is not fetched.  librdkafka 2.0.2 loses records on pause and seek, so neither
 * is used: fetching is started and stopped by assigning.
 * Threads: one owner, but for drift_ingest_stats. */
#ifndef DRIFTD_INGEST_INGEST_H
#define DRIFTD_INGEST_INGEST_H

#include "driftd/internal/base/clock.h"
#include "driftd/internal/decode/registry.h"
#include "driftd/internal/ingest/chain.h"

struct drift_ingest;
struct drift_ingest_settings {
    const struct drift_config *config;
    struct drift_store *store;       /* ingest's own connection; borrowed */
    struct drift_registry *registry; /* NULL: none */
    const struct drift_clock *clock;
    const char *instance; /* for humans, in slots */
    bool until_end;
    /* Brings a chain's copy up to date: reads its slot, writes the first plan entry or a new one when configuration or
     * partitions changed, resolves layouts.  AWAY: try again. */
    int (*refresh)(void *ctx, struct drift_ingest *ing, struct drift_chain *chain, struct drift_err *err);
    void (*closed)(void *ctx); /* a window was closed and flushed: wake the judge */
    void *ctx;
};
int drift_ingest_new(const struct drift_ingest_settings *s, struct drift_ingest **ret,
                     struct drift_err *err) DRIFT_MUST_CHECK;
/* One turn: polls for at most wait_ms, counts what came, flushes what is due.  Returns 0 also while servers are away
 * (they are logged and shown by stats); an error with action STOP is fatal. */
int drift_ingest_step(struct drift_ingest *ing, int wait_ms, struct drift_err *err) DRIFT_MUST_CHECK;
/* --until-end: everything up to the end of the log (as of the first assignment) is counted, flushed and closed. */
bool drift_ingest_finished(const struct drift_ingest *ing);
/* Flushes, leaves the group within deadline_ms, frees. */
void drift_ingest_free(struct drift_ingest *ing, int64_t deadline_ms);

/* Is that partition granted to this instance?  The ingest thread's. */
bool drift_ingest_owns(const struct drift_ingest *ing, const char *topic, int32_t partition);
/* Appends the topics of a stream, by name and by pattern, with their partitions as the brokers know them.
 * NOT_FOUND: one that is named is missing, or nothing matches (yet); AWAY: no answer. */
int drift_ingest_topics(struct drift_ingest *ing, size_t stream, struct drift_plan_entry *e,
                        struct drift_err *err) DRIFT_MUST_CHECK;
/* Partitions of a topic by the broker's metadata; 0: not known (yet). */
int32_t drift_ingest_partitions(struct drift_ingest *ing, const char *topic);

struct drift_ingest_partition_stats {
    const char *topic; /* borrowed for the call */
    int32_t number;
    bool active, eof;
    int64_t next, high, watermark_ms;
    const char *waiting; /* plain words; NULL when active */
};
typedef void drift_ingest_partition_fn(void *ctx, const struct drift_ingest_partition_stats *s);
struct drift_ingest_stats {
    bool redis_up, kafka_up, joined, all_active;
    size_t granted, active;
    char refused[1024]; /* what the brokers refuse us and who can mend it, a line each; "": nothing */
};
/* Any thread. */
void drift_ingest_stats(struct drift_ingest *ing, struct drift_ingest_stats *ret, drift_ingest_partition_fn *each,
                        void *ctx);

#endif
