/* src/ingest/room.h    What the files of this room share: an owned partition, the ingest's state, and who does what.
 *
 *     ingest.c  life, the turn of the loop, what is shown        owned.c  granted, acquired, fetched, revoked
 *     flush.c   counts and offset to Redis                       record.c batches of messages
 *     idle.c    silent partitions and the end of the log
 * Threads: the ingest thread, but for what the lock guards. */
#ifndef DRIFTD_INGEST_ROOM_H
#define DRIFTD_INGEST_ROOM_H

#include "driftd/internal/base/hash.h"
#include "driftd/internal/base/log.h"
#include "driftd/internal/base/meter.h"
#include "driftd/internal/config/topics.h"
#include "driftd/internal/decode/decoder.h"
#include "driftd/internal/ingest/group.h"
#include "driftd/internal/ingest/ingest.h"
#include "driftd/internal/ingest/partition.h"
#include "driftd/internal/ingest/quarantine.h"
#include "driftd/internal/window/idset.h"

#include <pthread.h>

enum {
    BATCH = 2000,
    ASK_MS = 2000,       /* what a question to the brokers may take */
    ASK_RETRY_MS = 2000, /* pause after one that was not answered */
    STEP_MS = 1000,      /* acquiring lets the group wait no longer */
    IDLE_ASK_MS = 250,   /* nor do questions about idle partitions: the plans must be read again in time */
    RETRY_MS = 500,
    STALL_MAX_MS = 8000,
    ANEW_SIGHTINGS = 3, /* of a log that ends before the next offset, a second apart: a new leader may be behind */
    HOLD_MS = 100,      /* between two looks whether verdicts have caught up */
    REDIS_RETRY_MAX_MS = 5000,
    QUARANTINE_MS = 200,
    SHOW_MS = 100,
    SAY_MS = 30000 /* the same complaint again */
};

struct stream {
    const struct drift_stream *config;
    struct drift_decoder *decoder;
    size_t n_chains;
    struct drift_chain **chains;        /* those it feeds */
    int16_t (*chain_of)[DRIFT_N_CHAIN]; /* [model] -> index in chains, -1: none */
    size_t last_model;                  /* the one the last event named */
};

/* A complaint that may come up many times a second. */
struct said {
    uint64_t text;
    int64_t at_ms;
};

/* What other threads may see of a partition. */
struct shown {
    bool active, eof;
    int64_t next, high, watermark_ms;
};

struct owned {
    char *topic;
    int32_t number;
    struct stream *stream;
    struct drift_partition *state; /* NULL: not acquired */
    char head[DRIFT_HEAD];
    bool fetching, restart, first, gap_seen, eof, progress /* something was counted since last_record_ms */;
    int64_t gap_offset, eof_offset, end_offset /* --until-end: high watermark at first sight; -1: not asked */;
    int64_t retry_ms, last_record_ms /* silence began: a record counted or raised the watermark, or brokers are back */,
        flush_due_ms, checked_ms, advance_ms, asked_ms; /* monotonic */
    int64_t asked_high;                                 /* end of the log at asked_ms */
    int64_t stall_ms; /* how long it waits the next time that a schema is not to be had */
    unsigned beyond;  /* sightings of a log that ends before the next offset */
    int held_by;      /* chain of the stream whose verdicts must catch up first; -1: none */
    char waiting[DRIFT_ERR_TEXT];
    struct shown shown;
    struct said said, full_said;
    struct drift_series *records, *bytes, *lag, *offset, *watermark;
};

/* What the brokers refuse. */
struct trouble {
    char *topic; /* NULL: the group */
    char text[DRIFT_ERR_TEXT];
    int64_t look_ms; /* monotonic */
};
enum { TROUBLES_MAX = 64 };

/* A partition of our chains that another instance owns, as its slot shows it. */
struct elsewhere {
    char *topic;
    int32_t number;
    char offset[24];
    int64_t wm_ms, changed_ms, read_ms; /* changed, read: monotonic */
};

struct drift_ingest {
    struct drift_ingest_settings set;
    struct drift_group *group;
    struct drift_quarantine *quarantine;
    struct drift_topics *topics;
    struct said twice_said;
    size_t n_streams, n_chains, n_owned;
    struct stream *streams;
    struct drift_chain *chains;
    uint64_t *counted; /* [n_chains] events since the last report to the meter */
    struct owned **owned;
    rd_kafka_message_t **batch;
    bool refetch; /* the list of fetched partitions has changed */
    bool redis_up, reachable /* brokers, when last looked */, finished;
    int64_t redis_retry_ms, redis_backoff_ms, refresh_ms, refreshed_ms, refresh_took_ms, redis_now_ms,
        redis_now_mono_ms, ask_ms, ask_until_ms, quarantine_ms, show_ms;
    struct said *chain_said; /* [n_chains] */
    struct said fetch_said, redis_said;
    size_t n_troubles;
    struct trouble troubles[TROUBLES_MAX]; /* under the lock for writing */
    size_t n_elsewhere;
    struct elsewhere *elsewhere;
    pthread_mutex_t lock; /* owned[] and what is shown against drift_ingest_stats */
    struct drift_ingest_stats shown;
};

static inline int64_t mono(const struct drift_ingest *ing)
{
    return drift_mono_ms(ing->set.clock);
}

/* Redis time, carried on by our clock since the last reply. */
static inline int64_t redis_now(const struct drift_ingest *ing)
{
    return ing->redis_now_ms + (mono(ing) - ing->redis_now_mono_ms);
}

static inline void note_redis_time(struct drift_ingest *ing, int64_t now_ms)
{
    ing->redis_now_ms = now_ms;
    ing->redis_now_mono_ms = mono(ing);
}

/* ---- ingest.c ---- */

/* Is a complaint new, or long enough ago? */
bool drift_ingest_worth_saying(const struct drift_ingest *ing, struct said *last, const char *text);

/* ---- owned.c ---- */

/* Patterns of two streams match a topic: nobody reads it. */
void drift_ingest_say_twice(struct drift_ingest *ing, const char *topic);

struct owned *drift_owned_find(const struct drift_ingest *ing, const char *topic, int32_t number);
void drift_owned_wait(struct drift_ingest *ing, struct owned *o, int64_t ms, const char *why);
/* The group's two callbacks; ctx is the ingest. */
void drift_owned_granted(void *ctx, const char *topic, int32_t number);
void drift_owned_free(struct owned *o);
/* Throws the memory away; the partition is acquired again after a pause. */
void drift_owned_release(struct drift_ingest *ing, struct owned *o, int64_t pause_ms, const char *why);
void drift_owned_say(struct drift_ingest *ing, struct owned *o, const char *why);
void drift_ingest_redis_lost(struct drift_ingest *ing, const struct drift_err *err);
/* What an error of Redis means for one partition, or for all.  True: Redis is away, all memory is gone. */
bool drift_owned_store_failed(struct drift_ingest *ing, struct owned *o, const struct drift_err *err);
/* Not read on until the verdicts of that chain of its stream have caught up. */
void drift_owned_hold(struct drift_ingest *ing, struct owned *o, int chain);
void drift_owned_stale(struct drift_ingest *ing, struct owned *o);
void drift_owned_revoked(void *ctx, const char *topic, int32_t number, bool lost);
void drift_owned_disturbed(void *ctx);
void drift_ingest_drop_outdated(struct drift_ingest *ing);
void drift_ingest_acquire(struct drift_ingest *ing);
int drift_ingest_refetch(struct drift_ingest *ing, struct drift_err *err);

/* ---- flush.c: each returns false when Redis went away ---- */

bool drift_owned_flush(struct drift_ingest *ing, struct owned *o);
bool drift_owned_advance(struct drift_ingest *ing, struct owned *o, int64_t to_ms);
bool drift_owned_check(struct drift_ingest *ing, struct owned *o);

/* ---- record.c ---- */

/* Counts the first n messages of ing->batch and destroys them. */
void drift_ingest_take(struct drift_ingest *ing, size_t n);

/* ---- trouble.c; topic NULL: the group ---- */

void drift_trouble_note(struct drift_ingest *ing, const char *topic, const char *text);
void drift_trouble_over(struct drift_ingest *ing, const char *topic);
/* Under the lock: text about a topic, or NULL; all texts, a line each. */
const char *drift_trouble_of(const struct drift_ingest *ing, const char *topic);
void drift_trouble_show(const struct drift_ingest *ing, char *ret, size_t cap);
/* Ends troubles that are over without anything having been read. */
void drift_trouble_tend(struct drift_ingest *ing);

/* ---- idle.c ---- */

bool drift_owned_tend_idle(struct drift_ingest *ing, struct owned *o);
/* The partition that holds a window back most, as "<topic>/<n>"; "" when none does.  Cached for what is elsewhere. */
void drift_ingest_slowest(struct drift_ingest *ing, const struct drift_chain *c, int64_t start_ms, int64_t close_ms,
                          char *ret, size_t cap);
void drift_ingest_finish(struct drift_ingest *ing);

#endif
