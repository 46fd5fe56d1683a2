/* src/ingest/ingest.c    Owns partitions: acquires their slots, counts their records, flushes counts and offset as one.
 *
 * A partition goes granted -> acquired -> fetched.  Anything that goes wrong with Redis throws the memory away and
 * starts again at ACQUIRE: the slot holds offset and counts of one instant, so nothing is lost or counted twice. */
#include "driftd/internal/ingest/ingest.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/base/log.h"
#include "driftd/internal/base/meter.h"
#include "driftd/internal/decode/decoder.h"
#include "driftd/internal/ingest/group.h"
#include "driftd/internal/ingest/partition.h"
#include "driftd/internal/ingest/quarantine.h"

enum {
    BATCH = 2000,
    ASK_MS = 2000,       /* what a question to the brokers may take */
    ASK_RETRY_MS = 2000, /* pause after one that was not answered */
    STEP_MS = 1000,      /* acquiring lets the group wait no longer */
    RETRY_MS = 500,
    STALL_MAX_MS = 8000,
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
    bool fetching, restart, first, gap_seen, eof;
    int64_t gap_offset, eof_offset, end_offset /* --until-end: high watermark at first sight; -1: not asked */;
    int64_t retry_ms, last_record_ms, flush_due_ms, checked_ms, advance_ms; /* monotonic */
    int64_t stall_ms; /* how long it waits the next time that a schema is not to be had */
    char waiting[DRIFT_ERR_TEXT];
    struct shown shown;
    struct said said;
    struct drift_series *records, *bytes, *lag, *offset, *watermark;
};

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
    size_t n_streams, n_chains, n_owned;
    struct stream *streams;
    struct drift_chain *chains;
    uint64_t *counted; /* [n_chains] events since the last report to the meter */
    struct owned **owned;
    rd_kafka_message_t **batch;
    bool refetch; /* the list of fetched partitions has changed */
    bool redis_up, finished;
    int64_t redis_retry_ms, redis_backoff_ms, refresh_ms, redis_now_ms, redis_now_mono_ms, ask_ms, quarantine_ms,
        show_ms;
    struct said *chain_said; /* [n_chains] */
    struct said fetch_said;
    size_t n_elsewhere;
    struct elsewhere *elsewhere;
    pthread_mutex_t lock; /* owned[] and what is shown against drift_ingest_stats */
    struct drift_ingest_stats shown;
};

static int64_t mono(const struct drift_ingest *ing)
{
    return drift_mono_ms(ing->set.clock);
}

/* Redis time, carried on by our clock since the last reply. */
static int64_t redis_now(const struct drift_ingest *ing)
{
    return ing->redis_now_ms + (mono(ing) - ing->redis_now_mono_ms);
}

static void note_redis_time(struct drift_ingest *ing, int64_t now_ms)
{
    ing->redis_now_ms = now_ms;
    ing->redis_now_mono_ms = mono(ing);
}

/* Is it new, or long enough ago? */
static bool worth_saying(const struct drift_ingest *ing, struct said *last, const char *text)
{
    uint64_t mark = drift_hash64(text, strlen(text));
    int64_t now = mono(ing);
    if (mark == last->text && now - last->at_ms < SAY_MS)
        return false;
    *last = (struct said){mark, now};
    return true;
}

/* ---- set-up ---- */

static bool model_reads(const struct drift_model *m, size_t stream)
{
    for (size_t i = 0; i < m->n_streams; i++)
        if (m->streams[i] == stream)
            return true;
    return false;
}

static void wire_stream(struct drift_ingest *ing, size_t index)
{
    const struct drift_config *c = ing->set.config;
    struct stream *s = &ing->streams[index];
    s->chains = drift_xcalloc(ing->n_chains, sizeof *s->chains);
    s->chain_of = drift_xcalloc(c->n_models, sizeof *s->chain_of);
    for (size_t m = 0; m < c->n_models; m++)
        for (int k = 0; k < DRIFT_N_CHAIN; k++) {
            s->chain_of[m][k] = -1;
            if (!model_reads(&c->models[m], index) || !drift_stream_feeds(s->config, (enum drift_chain_kind)k))
                continue;
            s->chain_of[m][k] = (int16_t)s->n_chains;
            s->chains[s->n_chains++] = &ing->chains[m * DRIFT_N_CHAIN + (size_t)k];
        }
}

static void on_granted(void *ctx, const char *topic, int32_t number);
static void on_revoked(void *ctx, const char *topic, int32_t number, bool lost);

int drift_ingest_new(const struct drift_ingest_settings *s, struct drift_ingest **ret, struct drift_err *err)
{
    const struct drift_config *c = s->config;
    struct drift_ingest *ing = drift_xcalloc(1, sizeof *ing);
    int rc = 0;
    ing->set = *s;
    ing->redis_up = ing->shown.redis_up = ing->shown.kafka_up = true;
    pthread_mutex_init(&ing->lock, NULL);
    ing->batch = drift_xcalloc(BATCH, sizeof(rd_kafka_message_t *));
    ing->n_chains = c->n_models * DRIFT_N_CHAIN;
    ing->chains = drift_xcalloc(ing->n_chains, sizeof *ing->chains);
    ing->counted = drift_xcalloc(ing->n_chains, sizeof *ing->counted);
    ing->chain_said = drift_xcalloc(ing->n_chains, sizeof *ing->chain_said);
    for (size_t m = 0; m < c->n_models; m++)
        for (int k = 0; k < DRIFT_N_CHAIN; k++)
            drift_chain_init(&ing->chains[m * DRIFT_N_CHAIN + (size_t)k], &c->models[m], (enum drift_chain_kind)k);
    ing->streams = drift_xcalloc(c->n_streams, sizeof *ing->streams);
    for (; ing->n_streams < c->n_streams && !rc; ing->n_streams++) {
        struct stream *st = &ing->streams[ing->n_streams];
        st->config = &c->streams[ing->n_streams];
        wire_stream(ing, ing->n_streams);
        rc = drift_decoder_new(st->config, s->registry, &st->decoder, err);
    }
    if (!rc && c->kafka.quarantine_topic)
        rc = drift_quarantine_new(&c->kafka, &ing->quarantine, err);
    if (!rc)
        rc = drift_group_new(&(struct drift_group_settings){c, on_granted, on_revoked, ing}, &ing->group, err);
    if (rc)
        drift_ingest_free(ing, 0);
    else
        *ret = ing;
    return rc;
}

/* ---- partitions come and go ---- */

static struct owned *find_owned(const struct drift_ingest *ing, const char *topic, int32_t number)
{
    for (size_t i = 0; i < ing->n_owned; i++)
        if (ing->owned[i]->number == number && !strcmp(ing->owned[i]->topic, topic))
            return ing->owned[i];
    return NULL;
}

static struct stream *stream_of(struct drift_ingest *ing, const char *topic)
{
    for (size_t s = 0; s < ing->n_streams; s++)
        for (size_t t = 0; t < ing->streams[s].config->n_topics; t++)
            if (!strcmp(ing->streams[s].config->topics[t], topic))
                return &ing->streams[s];
    return NULL;
}

static void wait_for(struct drift_ingest *ing, struct owned *o, int64_t ms, const char *why)
{
    pthread_mutex_lock(&ing->lock);
    o->retry_ms = mono(ing) + ms;
    snprintf(o->waiting, sizeof o->waiting, "%s", why);
    pthread_mutex_unlock(&ing->lock);
}

/* A new partition: the plan must learn of it. */
static void ask_for_topics(struct drift_ingest *ing, const struct stream *s, const char *topic, int32_t number)
{
    for (size_t c = 0; c < s->n_chains; c++) {
        struct drift_chain *chain = s->chains[c];
        if (!chain->plan.n || drift_plan_has_partition(&chain->plan.entry[chain->plan.n - 1], topic, number))
            continue;
        chain->topics_mono_ms = 0;
        ing->refresh_ms = 0;
    }
}

static void on_granted(void *ctx, const char *topic, int32_t number)
{
    struct drift_ingest *ing = ctx;
    char text[16];
    struct stream *s = stream_of(ing, topic);
    if (!s || find_owned(ing, topic, number))
        return;
    struct owned *o = drift_xcalloc(1, sizeof *o);
    o->topic = drift_xstrdup(topic);
    o->number = number;
    o->stream = s;
    o->end_offset = o->gap_offset = -1;
    o->shown = (struct shown){.next = -1, .high = -1, .watermark_ms = INT64_MIN};
    snprintf(o->waiting, sizeof o->waiting, "granted");
    snprintf(text, sizeof text, "%" PRId32, number);
    o->records = drift_series(DRIFT_M_RECORDS, topic, (char *)NULL);
    o->bytes = drift_series(DRIFT_M_BYTES, topic, (char *)NULL);
    o->lag = drift_series(DRIFT_M_LAG, topic, text, (char *)NULL);
    o->offset = drift_series(DRIFT_M_OFFSET, topic, text, (char *)NULL);
    o->watermark = drift_series(DRIFT_M_WATERMARK, topic, text, (char *)NULL);
    pthread_mutex_lock(&ing->lock);
    ing->owned = drift_xrealloc(ing->owned, ing->n_owned + 1, sizeof(struct owned *));
    ing->owned[ing->n_owned++] = o;
    pthread_mutex_unlock(&ing->lock);
    ask_for_topics(ing, s, topic, number);
}

static void free_owned(struct owned *o)
{
    drift_partition_free(o->state);
    free(o->topic);
    free(o);
}

/* Throws a partition's memory away; it is acquired again after a pause. */
static void release_state(struct drift_ingest *ing, struct owned *o, int64_t pause_ms, const char *why)
{
    wait_for(ing, o, pause_ms, why);
    pthread_mutex_lock(&ing->lock);
    drift_partition_free(o->state);
    o->state = NULL;
    o->fetching = o->shown.active = false;
    pthread_mutex_unlock(&ing->lock);
    ing->refetch = true;
}

/* A partition that is not read says why: at once, and every half minute while nothing changes. */
static void say_waiting(struct drift_ingest *ing, struct owned *o, const char *why)
{
    if (worth_saying(ing, &o->said, why))
        drift_log(DRIFT_WARN, "partition_waits", KV_S("topic", o->topic), KV_I("partition", o->number),
                  KV_S("text", why));
}

static void redis_lost(struct drift_ingest *ing, const struct drift_err *err)
{
    if (ing->redis_up)
        drift_log(
            DRIFT_ERROR, "redis_away", KV_S("text", err->text),
            KV_S("next", "fetching stops; every partition is read again from its stored offset when Redis is back"));
    ing->redis_backoff_ms = ing->redis_up ? RETRY_MS / 2 : ing->redis_backoff_ms * 2;
    if (ing->redis_backoff_ms > REDIS_RETRY_MAX_MS)
        ing->redis_backoff_ms = REDIS_RETRY_MAX_MS;
    ing->redis_retry_ms = mono(ing) + ing->redis_backoff_ms;
    pthread_mutex_lock(&ing->lock);
    ing->redis_up = ing->shown.redis_up = false;
    pthread_mutex_unlock(&ing->lock);
    drift_gauge(DRIFT_M_REDIS_UP, 0);
    for (size_t i = 0; i < ing->n_owned; i++)
        if (ing->owned[i]->state)
            release_state(ing, ing->owned[i], 0, "Redis is away");
}

/* Redis away is everybody's matter; a slot that holds what driftd never writes is its own partition's alone. */
static bool store_failed(struct drift_ingest *ing, struct owned *o, const struct drift_err *err)
{
    if (err->code == DRIFT_E_AWAY || err->code == DRIFT_E_DENIED) {
        redis_lost(ing, err);
        return true;
    }
    say_waiting(ing, o, err->text);
    release_state(ing, o, RETRY_MS * 2, err->text);
    return false;
}

static void stale(struct drift_ingest *ing, struct owned *o)
{
    uint64_t pause = drift_hash64(o->head, sizeof o->head) % 400;
    drift_log(DRIFT_WARN, "slot_stale", KV_S("topic", o->topic), KV_I("partition", o->number),
              KV_S("text", "another instance or a Redis failover changed the slot; reading it again"));
    release_state(ing, o, (int64_t)pause, "its slot had another head");
    ing->refresh_ms = 0; /* when Redis has gone back in time, the plan may have too */
}

/* ---- flushing ---- */

static void report_partition(struct drift_ingest *ing, struct owned *o)
{
    int64_t high = drift_group_cached_high(ing->group, o->topic, o->number), next = drift_partition_next(o->state);
    int64_t wm = drift_partition_watermark(o->state);
    drift_series_set(o->offset, (double)next);
    if (high >= 0)
        drift_series_set(o->lag, (double)(high > next ? high - next : 0));
    if (wm != INT64_MIN)
        drift_series_set(o->watermark, (double)wm / 1000);
}

static void note_flush(const char *result, size_t bytes, int64_t took_ms)
{
    static struct drift_series *b, *s; /* one thread flushes */
    if (!b) {
        b = drift_series(DRIFT_M_FLUSH_BYTES, (char *)NULL);
        s = drift_series(DRIFT_M_FLUSH_SECONDS, (char *)NULL);
    }
    drift_count(DRIFT_M_FLUSHES, result);
    drift_series_add(b, (double)bytes);
    drift_series_add(s, (double)took_ms / 1e3);
}

/* Sends f until it is known what became of it: the same bytes a second time when the first reply was lost. */
static int send_flush(struct drift_ingest *ing, struct owned *o, struct drift_flush *f, size_t bytes,
                      enum drift_reply *reply, struct drift_err *err)
{
    char head[DRIFT_HEAD];
    int64_t now, began = mono(ing);
    drift_random_hex32(head);
    f->prev = o->head;
    f->new_head = head;
    f->settle_ms = ing->set.config->state.settle_ms;
    struct drift_slot_id id = {o->topic, o->number};
    int rc = drift_store_flush(ing->set.store, id, f, reply, &now, err);
    if (rc == DRIFT_E_AWAY)
        rc = drift_store_flush(ing->set.store, id, f, reply, &now, err);
    if (rc) {
        note_flush("in_doubt", bytes, mono(ing) - began);
        return rc;
    }
    if (*reply == DRIFT_REPLY_OK)
        note_redis_time(ing, now);
    if (*reply == DRIFT_REPLY_OK || *reply == DRIFT_REPLY_DUP)
        memcpy(o->head, head, sizeof head);
    note_flush(*reply == DRIFT_REPLY_OK      ? "ok"
               : *reply == DRIFT_REPLY_DUP   ? "duplicate"
               : *reply == DRIFT_REPLY_STALE ? "stale"
                                             : "busy",
               bytes, mono(ing) - began);
    return 0;
}

/* Refused records go before the offset that passes them.  One wait for all partitions. */
static bool quarantine_settled(struct drift_ingest *ing)
{
    if (!ing->quarantine ||
        drift_quarantine_settled(ing->quarantine, mono(ing) < ing->quarantine_ms ? 0 : QUARANTINE_MS))
        return true;
    ing->quarantine_ms = mono(ing) + QUARANTINE_MS;
    return false;
}

/* Writes what has changed.  Returns false when Redis is away (all memory is gone then). */
static bool flush(struct drift_ingest *ing, struct owned *o)
{
    struct drift_flush f;
    struct drift_err err;
    enum drift_reply reply;
    size_t bytes;
    int64_t now = mono(ing);
    const struct drift_state_config *cfg = &ing->set.config->state;
    if (!quarantine_settled(ing))
        return true; /* the flush stays due */
    bool urgent = drift_partition_urgent(o->state);
    drift_partition_prepare(o->state, redis_now(ing), &f, &bytes);
    if (send_flush(ing, o, &f, bytes, &reply, &err))
        return !store_failed(ing, o, &err);
    if (reply == DRIFT_REPLY_STALE) {
        stale(ing, o);
        return true;
    }
    drift_partition_flushed(o->state);
    int64_t stretch = cfg->flush_max_bytes_per_s ? (int64_t)(bytes * 1000 / cfg->flush_max_bytes_per_s) : 0;
    o->flush_due_ms = now + (stretch > cfg->flush_interval_ms ? stretch : cfg->flush_interval_ms);
    o->checked_ms = now;
    struct drift_fetch commit = {o->topic, o->number, drift_partition_next(o->state), false};
    drift_group_commit(ing->group, &commit, 1);
    report_partition(ing, o);
    if (urgent)
        ing->set.closed(ing->set.ctx);
    return true;
}

/* Raises an idle partition's watermark in its slot. */
static bool advance(struct drift_ingest *ing, struct owned *o, int64_t to_ms)
{
    struct drift_flush f = {.advance = true, .advance_to_ms = to_ms};
    struct drift_err err;
    enum drift_reply reply;
    if (send_flush(ing, o, &f, 0, &reply, &err))
        return !store_failed(ing, o, &err);
    if (reply == DRIFT_REPLY_STALE) {
        stale(ing, o);
        return true;
    }
    if (reply == DRIFT_REPLY_BUSY) {
        o->advance_ms = mono(ing) + RETRY_MS;
        return true;
    }
    drift_partition_advanced(o->state, to_ms);
    o->advance_ms = mono(ing) + ing->set.config->state.settle_ms;
    report_partition(ing, o);
    ing->set.closed(ing->set.ctx);
    return true;
}

static bool check_head(struct drift_ingest *ing, struct owned *o)
{
    struct drift_err err;
    enum drift_reply reply;
    if (drift_store_check(ing->set.store, (struct drift_slot_id){o->topic, o->number}, o->head, &reply, &err))
        return !store_failed(ing, o, &err);
    if (reply == DRIFT_REPLY_STALE)
        stale(ing, o);
    o->checked_ms = mono(ing);
    return true;
}

static void on_revoked(void *ctx, const char *topic, int32_t number, bool lost)
{
    struct drift_ingest *ing = ctx;
    struct owned *o = find_owned(ing, topic, number);
    if (!o)
        return;
    if (o->state && !lost && ing->redis_up && drift_partition_dirty(o->state, redis_now(ing)))
        flush(ing, o);
    pthread_mutex_lock(&ing->lock);
    for (size_t i = 0; i < ing->n_owned; i++)
        if (ing->owned[i] == o)
            ing->owned[i] = ing->owned[--ing->n_owned];
    pthread_mutex_unlock(&ing->lock);
    free_owned(o);
}

/* ---- acquiring ---- */

/* Where does reading begin?  The slot knows; else the start of the log.  A log that lost what the slot asks for is
 * said loudly. */
static int place_start(struct drift_ingest *ing, struct owned *o, struct drift_partition *state, struct drift_err *err)
{
    int64_t low, high, committed, next = drift_partition_next(state);
    int rc = drift_group_bounds(ing->group, o->topic, o->number, ASK_MS, &low, &high, err);
    if (rc)
        return rc;
    if (o->end_offset < 0)
        o->end_offset = high;
    if (next > high)
        return drift_fail(err, DRIFT_E_RANGE, DRIFT_RETRY,
                          "offset %" PRId64 " lies beyond the end of the log (%" PRId64 "): was the topic made anew? "
                          "use another group, or remove its state from Redis",
                          next, high);
    if (next >= low)
        return 0;
    if (next >= 0) {
        drift_log(DRIFT_ERROR, "records_expired", KV_S("topic", o->topic), KV_I("partition", o->number),
                  KV_I("from_offset", next), KV_I("to_offset", low),
                  KV_S("text", "Kafka deleted records before they were counted; windows they fell in are partial"));
        drift_partition_start(state, low, false);
        return 0;
    }
    rc = drift_group_committed(ing->group, o->topic, o->number, ASK_MS, &committed, err);
    if (rc)
        return rc;
    if (committed > low) {
        drift_count(DRIFT_M_STATE_LOST, o->topic);
        drift_log(
            DRIFT_ERROR, "state_lost", KV_S("topic", o->topic), KV_I("partition", o->number),
            KV_I("committed_offset", committed),
            KV_S(
                "text",
                "Redis holds no state though the group has read this partition; reading the log again from its start"));
    }
    drift_partition_start(state, low, true);
    return 0;
}

/* *ret_broker: it is the brokers that failed, not Redis. */
static int acquire(struct drift_ingest *ing, struct owned *o, bool *ret_broker, struct drift_err *err)
{
    struct drift_pairs fields;
    int64_t now;
    struct drift_partition_settings ps = {o->topic,          o->number,
                                          o->stream->config, o->stream->n_chains,
                                          o->stream->chains, ing->set.config->state.retain_ms};
    drift_random_hex32(o->head);
    int rc = drift_store_acquire(ing->set.store, (struct drift_slot_id){o->topic, o->number}, o->head,
                                 ing->set.instance, &fields, &now, err);
    if (rc)
        return rc;
    note_redis_time(ing, now);
    struct drift_partition *state = drift_partition_new(&ps);
    rc = drift_partition_load(state, &fields, err);
    drift_pairs_release(&fields);
    if (!rc && (rc = place_start(ing, o, state, err)) != 0 && err->code != DRIFT_E_RANGE)
        *ret_broker = true;
    if (rc) {
        drift_partition_free(state);
        return rc;
    }
    pthread_mutex_lock(&ing->lock);
    o->state = state;
    o->fetching = o->restart = o->first = true;
    o->eof = o->gap_seen = false;
    o->last_record_ms = o->checked_ms = o->flush_due_ms = mono(ing);
    o->waiting[0] = 0;
    pthread_mutex_unlock(&ing->lock);
    ing->refetch = true;
    drift_log(DRIFT_INFO, "partition_acquired", KV_S("topic", o->topic), KV_I("partition", o->number),
              KV_I("offset", drift_partition_next(state)));
    return 0;
}

/* Is every chain that the stream feeds known, by a copy of its plan that is fresh enough to count by? */
static bool plans_fresh(const struct drift_ingest *ing, const struct stream *s)
{
    int64_t oldest = mono(ing) - ing->set.config->state.plan_ttl_ms;
    for (size_t c = 0; c < s->n_chains; c++)
        if (!s->chains[c]->plan.n || s->chains[c]->read_mono_ms < oldest)
            return false;
    return true;
}

/* What was counted by plans that may be outdated is thrown away and read again. */
static void drop_outdated(struct drift_ingest *ing)
{
    for (size_t i = 0; i < ing->n_owned; i++)
        if (ing->owned[i]->state && !plans_fresh(ing, ing->owned[i]->stream))
            release_state(ing, ing->owned[i], 0, "its model's plan could not be read lately");
}

static void acquire_one(struct drift_ingest *ing, struct owned *o)
{
    struct drift_err err;
    bool broker = false;
    if (!acquire(ing, o, &broker, &err))
        return;
    if (!broker) {
        store_failed(ing, o, &err);
        return;
    }
    ing->ask_ms = mono(ing) + ASK_RETRY_MS;
    say_waiting(ing, o, err.text);
    wait_for(ing, o, ASK_RETRY_MS, err.text);
}

static void acquire_waiting(struct drift_ingest *ing)
{
    int64_t until = mono(ing) + STEP_MS;
    for (size_t i = 0; i < ing->n_owned && ing->redis_up; i++) {
        struct owned *o = ing->owned[i];
        int64_t now = mono(ing);
        if (now > until)
            return;
        if (now < o->retry_ms || (o->state && o->fetching))
            continue;
        if (o->state) { /* waited for a schema: try again where it stopped */
            pthread_mutex_lock(&ing->lock);
            o->waiting[0] = 0;
            pthread_mutex_unlock(&ing->lock);
            o->fetching = o->restart = true;
            ing->refetch = true;
        } else if (now >= ing->ask_ms && plans_fresh(ing, o->stream)) {
            acquire_one(ing, o);
        }
    }
}

static int refetch(struct drift_ingest *ing, struct drift_err *err)
{
    struct drift_fetch *list = drift_xcalloc(ing->n_owned, sizeof *list);
    struct owned **who = drift_xcalloc(ing->n_owned, sizeof(struct owned *));
    size_t n = 0;
    for (size_t i = 0; i < ing->n_owned; i++) {
        struct owned *o = ing->owned[i];
        if (!o->fetching)
            continue;
        who[n] = o;
        list[n++] = (struct drift_fetch){o->topic, o->number, drift_partition_next(o->state), o->restart};
    }
    int rc = drift_group_fetch(ing->group, list, n, err);
    for (size_t i = 0; i < n; i++) { /* one that goes on gets no second news of the log's end */
        who[i]->restart = false;
        who[i]->first = who[i]->first || list[i].restart;
        who[i]->eof = who[i]->eof && !list[i].restart;
    }
    free(list);
    free(who);
    ing->refetch = false;
    drift_gauge(DRIFT_M_PARTITIONS, (double)n);
    return rc;
}

/* ---- records ---- */

static int model_of(struct drift_ingest *ing, struct stream *s, const struct drift_event *ev)
{
    const struct drift_config *c = ing->set.config;
    struct drift_str name = ev->model;
    if (s->config->model_value && !name.n)
        name = (struct drift_str){s->config->model_value, strlen(s->config->model_value)};
    if (s->last_model < c->n_models && drift_str_eq(name, c->models[s->last_model].name))
        return (int)s->last_model;
    for (size_t m = 0; m < c->n_models; m++)
        if (drift_str_eq(name, c->models[m].name)) {
            s->last_model = m;
            return (int)m;
        }
    return -1;
}

/* Counts a refusal; a malformed record also goes to quarantine.  False: the quarantine is full. */
static bool refuse(struct drift_ingest *ing, struct owned *o, const struct drift_record *rec, enum drift_reason why,
                   const char *text)
{
    if (ing->quarantine && !drift_quarantine_put(ing->quarantine, rec, o->topic, o->number, why, text))
        return false;
    drift_partition_refuse(o->state, -1, why);
    drift_count(DRIFT_M_REFUSED, o->topic, drift_reason_name(why));
    return true;
}

static bool in_future(const struct drift_ingest *ing, const struct drift_record *rec, int64_t wall_ms, int64_t time_ms)
{
    int64_t reference = rec->log_append_time && rec->timestamp_ms >= 0 ? rec->timestamp_ms : wall_ms;
    return time_ms > reference + ing->set.config->state.future_skew_ms;
}

/* Counts one decoded event into the chains of its model. */
static bool count_event(struct drift_ingest *ing, struct owned *o, const struct drift_record *rec,
                        const struct drift_event *ev, int64_t wall_ms)
{
    struct stream *s = o->stream;
    bool any = false;
    if (in_future(ing, rec, wall_ms, ev->time_ms)) {
        if (!refuse(ing, o, rec, DRIFT_REASON_FUTURE, "event time lies beyond the clock and max_future"))
            return false;
        drift_partition_pass(o->state, rec->offset, INT64_MIN);
        return true;
    }
    int m = model_of(ing, s, ev);
    for (int k = 0; k < DRIFT_N_CHAIN && m >= 0; k++) {
        int c = s->chain_of[m][k];
        if (c < 0 || !drift_stream_event_feeds(s->config, ev, (enum drift_chain_kind)k))
            continue;
        any = true;
        enum drift_reason why = drift_partition_count(o->state, (size_t)c, ev);
        if (why)
            drift_count(DRIFT_M_REFUSED, o->topic, drift_reason_name(why));
        else
            ing->counted[(size_t)m * DRIFT_N_CHAIN + (size_t)k]++;
    }
    if (!any && !refuse(ing, o, rec, m < 0 ? DRIFT_REASON_UNKNOWN_MODEL : DRIFT_REASON_NOTHING,
                        m < 0 ? "the model is not in the configuration" : "no role that its model counts"))
        return false;
    drift_partition_pass(o->state, rec->offset, ev->time_ms);
    return true;
}

/* A partition stops here; what is behind this record is fetched again later. */
static void stall(struct drift_ingest *ing, struct owned *o, const char *why)
{
    o->stall_ms = !o->stall_ms ? RETRY_MS : 2 * o->stall_ms < STALL_MAX_MS ? 2 * o->stall_ms : STALL_MAX_MS;
    o->fetching = false;
    ing->refetch = true;
    say_waiting(ing, o, why);
    wait_for(ing, o, o->stall_ms, why);
}

/* The log may leave offsets out (compaction, transactions), but the first record after an assign must not be believed
 * at once: it may be left over from an older fetch.  True: go on with this record. */
static bool gap_explained(struct drift_ingest *ing, struct owned *o, int64_t offset)
{
    int64_t next = drift_partition_next(o->state);
    if (o->first && !(o->gap_seen && o->gap_offset == offset)) {
        o->gap_seen = true;
        o->gap_offset = offset;
        o->fetching = false;
        o->retry_ms = 0;
        ing->refetch = true;
        return false;
    }
    drift_series_add(drift_series(DRIFT_M_OFFSET_GAPS, o->topic, (char *)NULL), (double)(offset - next));
    return true;
}

static void take_record(struct drift_ingest *ing, struct owned *o, const rd_kafka_message_t *m, int64_t wall_ms)
{
    rd_kafka_timestamp_type_t type;
    const struct drift_event *ev;
    enum drift_reason why = DRIFT_REASON_NONE;
    struct drift_err err;
    int64_t next = drift_partition_next(o->state);
    if (m->offset < next || (m->offset > next && !gap_explained(ing, o, m->offset)))
        return;
    o->first = o->gap_seen = o->eof = false;
    struct drift_record rec = {m->payload, m->len, m->offset, rd_kafka_message_timestamp(m, &type), false};
    rec.log_append_time = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
    int rc = drift_decoder_decode(o->stream->decoder, &rec, &ev, &why, &err);
    if (rc && err.action == DRIFT_RETRY) {
        stall(ing, o, err.text);
        return;
    }
    bool taken = true;
    if (rc) {
        if ((taken = refuse(ing, o, &rec, why, err.text)))
            drift_partition_pass(o->state, rec.offset, INT64_MIN);
    } else {
        taken = count_event(ing, o, &rec, ev, wall_ms);
    }
    if (taken)
        o->stall_ms = 0;
    else
        stall(ing, o, "the quarantine topic takes nothing");
}

static void take_error(struct drift_ingest *ing, struct owned *o, const rd_kafka_message_t *m)
{
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (o && o->fetching) {
            o->eof = true;
            o->eof_offset = m->offset;
        }
        return;
    }
    if (worth_saying(ing, o ? &o->said : &ing->fetch_said, rd_kafka_message_errstr(m)))
        drift_log(DRIFT_ERROR, "kafka_fetch_failed", KV_S("topic", m->rkt ? rd_kafka_topic_name(m->rkt) : NULL),
                  KV_I("partition", m->partition), KV_S("error", rd_kafka_err2name(m->err)),
                  KV_S("text", rd_kafka_message_errstr(m)));
    if (o && o->state &&
        (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE))
        release_state(ing, o, RETRY_MS, "its offset is out of the log's range");
}

static void note_read(struct owned *o, size_t *records, size_t *bytes)
{
    if (o && *records) {
        drift_series_add(o->records, (double)*records);
        drift_series_add(o->bytes, (double)*bytes);
    }
    *records = *bytes = 0;
}

static void take_batch(struct drift_ingest *ing, size_t n)
{
    struct owned *o = NULL;
    const rd_kafka_topic_t *rkt = NULL;
    int32_t number = -1;
    size_t records = 0, bytes = 0;
    int64_t wall_ms = drift_wall_ms(ing->set.clock), now = mono(ing);
    for (size_t i = 0; i < n; i++) {
        rd_kafka_message_t *m = ing->batch[i];
        if (m->rkt != rkt || m->partition != number) {
            note_read(o, &records, &bytes);
            rkt = m->rkt;
            number = m->partition;
            o = rkt ? find_owned(ing, rd_kafka_topic_name(rkt), number) : NULL;
        }
        if (m->err) {
            take_error(ing, o, m);
        } else if (o && o->fetching) {
            records++;
            bytes += m->len;
            o->last_record_ms = now;
            take_record(ing, o, m, wall_ms);
        }
        rd_kafka_message_destroy(m);
    }
    note_read(o, &records, &bytes);
    for (size_t c = 0; c < ing->n_chains; c++)
        if (ing->counted[c]) {
            drift_series_add(ing->chains[c].events, (double)ing->counted[c]);
            ing->counted[c] = 0;
        }
}

/* ---- time ---- */

/* Plans, layouts and verdict headers, read again every plan_ttl / 2.  One chain that cannot be read (its topic is
 * missing, its slot damaged) holds up its own streams only. */
static void refresh_chains(struct drift_ingest *ing)
{
    struct drift_err err;
    int64_t now = mono(ing);
    bool good = true;
    if (now < ing->refresh_ms || !ing->redis_up || !drift_group_joined(ing->group))
        return;
    for (size_t s = 0; s < ing->n_streams; s++)
        for (size_t c = 0; c < ing->streams[s].n_chains; c++) {
            struct drift_chain *chain = ing->streams[s].chains[c];
            int64_t began = mono(ing);
            if (chain->plan.n && chain->read_mono_ms >= now) /* another stream feeds it too */
                continue;
            int rc = ing->set.refresh(ing->set.ctx, ing, chain, &err);
            if (rc == DRIFT_E_AWAY || rc == DRIFT_E_DENIED) {
                redis_lost(ing, &err);
                return;
            }
            if (!rc)
                chain->read_mono_ms = began;
            else if (worth_saying(ing, &ing->chain_said[chain - ing->chains], err.text))
                drift_log(DRIFT_WARN, "plan_waits", KV_S("model", chain->model->name),
                          KV_S("chain", drift_chain_name(chain->kind)), KV_S("text", err.text));
            good = good && !rc;
        }
    ing->refresh_ms = good ? now + ing->set.config->state.plan_ttl_ms / 2 : mono(ing) + RETRY_MS;
}

static void try_redis(struct drift_ingest *ing)
{
    struct drift_err err;
    if (ing->redis_up || mono(ing) < ing->redis_retry_ms)
        return;
    if (drift_store_ping(ing->set.store, &err)) {
        redis_lost(ing, &err);
        return;
    }
    pthread_mutex_lock(&ing->lock);
    ing->redis_up = ing->shown.redis_up = true;
    pthread_mutex_unlock(&ing->lock);
    drift_gauge(DRIFT_M_REDIS_UP, 1);
    ing->refresh_ms = 0;
    drift_log(DRIFT_INFO, "redis_back", KV_S("text", "acquiring all partitions again"));
}

/* ---- idle partitions ---- */

static bool share_chain(const struct stream *a, const struct stream *b)
{
    for (size_t i = 0; i < a->n_chains; i++)
        for (size_t k = 0; k < b->n_chains; k++)
            if (a->chains[i] == b->chains[k])
                return true;
    return false;
}

static struct elsewhere *find_elsewhere(struct drift_ingest *ing, const char *topic, int32_t number)
{
    for (size_t i = 0; i < ing->n_elsewhere; i++)
        if (ing->elsewhere[i].number == number && !strcmp(ing->elsewhere[i].topic, topic))
            return &ing->elsewhere[i];
    ing->elsewhere = drift_xrealloc(ing->elsewhere, ing->n_elsewhere + 1, sizeof *ing->elsewhere);
    struct elsewhere *e = &ing->elsewhere[ing->n_elsewhere++];
    *e = (struct elsewhere){
        .topic = drift_xstrdup(topic), .number = number, .changed_ms = mono(ing), .read_ms = INT64_MIN};
    return e;
}

/* Watermark of a partition that another instance owns; INT64_MAX when its slot has not changed for idle_after. */
static int look_elsewhere(struct drift_ingest *ing, const char *key, const char *topic, int32_t number, int64_t *ret,
                          struct drift_err *err)
{
    struct elsewhere *e = find_elsewhere(ing, topic, number);
    int64_t now = mono(ing), idle = ing->set.config->state.idle_after_ms;
    if (e->read_ms == INT64_MIN || now - e->read_ms >= idle / 4) {
        struct drift_slot_view v;
        int rc =
            drift_store_read(ing->set.store, (struct drift_slot_id){topic, number}, key, INT64_MAX, NULL, 0, &v, err);
        if (rc)
            return rc;
        if (strcmp(e->offset, v.offset) != 0 || now - e->read_ms > idle) { /* not looked at for long: begin anew */
            snprintf(e->offset, sizeof e->offset, "%s", v.offset);
            e->changed_ms = now;
        }
        e->wm_ms = v.wm_ms;
        e->read_ms = now;
        drift_slot_view_release(&v);
    }
    *ret = now - e->changed_ms >= idle ? INT64_MAX : e->wm_ms;
    return 0;
}

/* Lowest watermark of the partitions of o's chains that are still fed, here and elsewhere; none: now. */
static int busy_watermark(struct drift_ingest *ing, const struct owned *o, int64_t now_ms, int64_t idle_since_ms,
                          int64_t *ret, struct drift_err *err)
{
    int64_t low = now_ms, wm;
    int rc = 0;
    for (size_t i = 0; i < ing->n_owned; i++) {
        const struct owned *x = ing->owned[i];
        bool idle = x->state && x->eof && x->last_record_ms <= idle_since_ms;
        if (idle || !share_chain(o->stream, x->stream))
            continue;
        wm = x->state ? drift_partition_watermark(x->state) : INT64_MIN;
        low = wm < low ? wm : low;
    }
    for (size_t c = 0; c < o->stream->n_chains && !rc; c++) {
        const struct drift_chain *chain = o->stream->chains[c];
        const struct drift_plan_entry *e = drift_plan_at(&chain->plan, now_ms);
        for (size_t t = 0; t < e->n_topics && low != INT64_MIN; t++)
            for (int32_t n = 0; n < e->topics[t].partitions && !rc; n++) {
                if (find_owned(ing, e->topics[t].topic, n))
                    continue;
                rc = look_elsewhere(ing, chain->key, e->topics[t].topic, n, &wm, err);
                low = !rc && wm < low ? wm : low;
            }
    }
    *ret = low;
    return rc;
}

/* Brokers that do not answer look like a silent topic: only one that says that nothing came after what was read makes a
 * partition idle. */
static bool log_has_ended(struct drift_ingest *ing, struct owned *o)
{
    int64_t low, high;
    struct drift_err err;
    if (drift_group_bounds(ing->group, o->topic, o->number, RETRY_MS, &low, &high, &err)) {
        ing->ask_ms = mono(ing) + ASK_RETRY_MS;
        return false;
    }
    return high <= o->eof_offset || high <= drift_partition_next(o->state);
}

static bool tend_idle(struct drift_ingest *ing, struct owned *o)
{
    struct drift_err err;
    int64_t now = mono(ing), since = now - ing->set.config->state.idle_after_ms, wall = drift_wall_ms(ing->set.clock),
            to;
    if (!o->eof || o->last_record_ms > since || now < o->advance_ms || now < ing->ask_ms ||
        !drift_partition_closes(o->state, wall))
        return true;
    if (busy_watermark(ing, o, wall, since, &to, &err)) {
        if (err.code != DRIFT_E_AWAY && err.code != DRIFT_E_DENIED) {
            o->advance_ms = now + ASK_RETRY_MS; /* another one's slot is damaged: its owner says so */
            return true;
        }
        redis_lost(ing, &err);
        return false;
    }
    if (to == INT64_MIN || to <= drift_partition_watermark(o->state) || !drift_partition_closes(o->state, to) ||
        !log_has_ended(ing, o))
        return true;
    return advance(ing, o, to);
}

/* Flush, check, advance: whatever is due.  False: Redis went away. */
static bool tend(struct drift_ingest *ing, struct owned *o)
{
    int64_t now = mono(ing);
    if (drift_partition_dirty(o->state, redis_now(ing))) {
        if (drift_partition_urgent(o->state) || now >= o->flush_due_ms || (ing->set.until_end && o->eof))
            return flush(ing, o);
        return true;
    }
    if (now - o->checked_ms >= ing->set.config->state.flush_interval_ms && !check_head(ing, o))
        return false;
    return !o->state || ing->set.until_end || tend_idle(ing, o);
}

static bool at_end(const struct owned *o)
{
    return o->state && o->end_offset >= 0 &&
           (drift_partition_next(o->state) >= o->end_offset || (o->eof && o->eof_offset >= o->end_offset));
}

/* --until-end: when everything is read and flushed, every partition's watermark goes past the last window. */
static void finish(struct drift_ingest *ing)
{
    int64_t last = INT64_MIN;
    bool done = true;
    if (ing->finished || !drift_group_joined(ing->group) || !ing->n_owned)
        return;
    for (size_t i = 0; i < ing->n_owned; i++) {
        struct owned *o = ing->owned[i];
        if (!at_end(o) || drift_partition_dirty(o->state, 0))
            return;
        int64_t close = drift_partition_last_close(o->state), wm = drift_partition_watermark(o->state);
        last = close > last ? close : last;
        last = wm > last ? wm : last;
    }
    for (size_t i = 0; i < ing->n_owned; i++) {
        struct owned *o = ing->owned[i];
        if (last != INT64_MIN && drift_partition_watermark(o->state) < last) {
            done = false;
            if (!advance(ing, o, last))
                return;
        }
    }
    if (!done)
        return; /* one more turn shows whether all advances were applied */
    ing->finished = true;
    ing->set.closed(ing->set.ctx);
}

static void report_open(struct drift_ingest *ing)
{
    for (size_t c = 0; c < ing->n_chains; c++) {
        size_t n = 0;
        for (size_t i = 0; i < ing->n_owned; i++) {
            const struct owned *o = ing->owned[i];
            for (size_t k = 0; o->state && k < o->stream->n_chains; k++)
                if (o->stream->chains[k] == &ing->chains[c])
                    n += drift_partition_open_windows(o->state, k);
        }
        drift_series_set(ing->chains[c].open, (double)n);
    }
}

/* For the threads that serve /readyz and /status. */
static void show(struct drift_ingest *ing)
{
    if (mono(ing) < ing->show_ms)
        return;
    ing->show_ms = mono(ing) + SHOW_MS;
    pthread_mutex_lock(&ing->lock);
    ing->shown.joined = drift_group_joined(ing->group);
    ing->shown.kafka_up = drift_group_reachable(ing->group);
    for (size_t i = 0; i < ing->n_owned; i++) {
        struct owned *o = ing->owned[i];
        o->shown.active = o->state && o->fetching;
        o->shown.eof = o->eof;
        if (!o->state)
            continue;
        o->shown.next = drift_partition_next(o->state);
        o->shown.watermark_ms = drift_partition_watermark(o->state);
        o->shown.high = drift_group_cached_high(ing->group, o->topic, o->number);
    }
    pthread_mutex_unlock(&ing->lock);
    report_open(ing);
}

int drift_ingest_step(struct drift_ingest *ing, int wait_ms, struct drift_err *err)
{
    size_t n;
    try_redis(ing);
    refresh_chains(ing);
    acquire_waiting(ing);
    drop_outdated(ing);
    if (ing->refetch && refetch(ing, err))
        return err->code;
    int rc = drift_group_poll(ing->group, wait_ms, ing->batch, BATCH, &n, err);
    take_batch(ing, n);
    if (rc)
        return rc;
    drop_outdated(ing);
    for (size_t i = 0; i < ing->n_owned && ing->redis_up; i++)
        if (ing->owned[i]->state && !tend(ing, ing->owned[i]))
            break;
    if (ing->set.until_end && ing->redis_up)
        finish(ing);
    show(ing);
    return 0;
}

bool drift_ingest_finished(const struct drift_ingest *ing)
{
    return ing->finished;
}

void drift_ingest_free(struct drift_ingest *ing, int64_t deadline_ms)
{
    if (!ing)
        return;
    if (ing->group) /* leaving revokes, and that flushes */
        drift_group_free(ing->group, deadline_ms);
    drift_quarantine_free(ing->quarantine);
    for (size_t i = 0; i < ing->n_owned; i++)
        free_owned(ing->owned[i]);
    for (size_t s = 0; s < ing->n_streams; s++) {
        drift_decoder_free(ing->streams[s].decoder);
        free(ing->streams[s].chains);
        free(ing->streams[s].chain_of);
    }
    for (size_t c = 0; c < ing->n_chains; c++)
        drift_chain_release(&ing->chains[c]);
    pthread_mutex_destroy(&ing->lock);
    free(ing->streams);
    free(ing->chains);
    free(ing->counted);
    free(ing->chain_said);
    for (size_t i = 0; i < ing->n_elsewhere; i++)
        free(ing->elsewhere[i].topic);
    free(ing->elsewhere);
    free(ing->owned);
    free(ing->batch);
    free(ing);
}

bool drift_ingest_owns(const struct drift_ingest *ing, const char *topic, int32_t partition)
{
    return find_owned(ing, topic, partition);
}

int32_t drift_ingest_partitions(struct drift_ingest *ing, const char *topic)
{
    return drift_group_partitions(ing->group, topic, ASK_MS);
}

void drift_ingest_stats(struct drift_ingest *ing, struct drift_ingest_stats *ret, drift_ingest_partition_fn *each,
                        void *ctx)
{
    pthread_mutex_lock(&ing->lock);
    *ret = ing->shown;
    ret->granted = ing->n_owned;
    ret->active = 0;
    for (size_t i = 0; i < ing->n_owned; i++) {
        const struct owned *o = ing->owned[i];
        struct drift_ingest_partition_stats s = {.topic = o->topic,
                                                 .number = o->number,
                                                 .active = o->shown.active,
                                                 .eof = o->shown.eof,
                                                 .next = o->shown.next,
                                                 .high = o->shown.high,
                                                 .watermark_ms = o->shown.watermark_ms,
                                                 .waiting = o->waiting[0] ? o->waiting : NULL};
        ret->active += s.active;
        if (each)
            each(ctx, &s);
    }
    ret->all_active = ret->active == ret->granted;
    pthread_mutex_unlock(&ing->lock);
}
