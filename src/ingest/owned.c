/* src/ingest/owned.c    Partitions come and go: granted by the group, acquired in Redis, fetched, waiting, revoked. */
#include "room.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct owned *drift_owned_find(const struct drift_ingest *ing, const char *topic, int32_t number)
{
    for (size_t i = 0; i < ing->n_owned; i++)
        if (ing->owned[i]->number == number && !strcmp(ing->owned[i]->topic, topic))
            return ing->owned[i];
    return NULL;
}

static struct stream *stream_of(struct drift_ingest *ing, const char *topic)
{
    int s = drift_topics_stream(ing->topics, topic);
    if (s == DRIFT_TOPIC_TWICE)
        drift_ingest_say_twice(ing, topic);
    return s >= 0 ? &ing->streams[s] : NULL;
}

void drift_ingest_say_twice(struct drift_ingest *ing, const char *topic)
{
    if (drift_ingest_worth_saying(ing, &ing->twice_said, topic))
        drift_log(DRIFT_ERROR, "topic_of_two_streams", KV_S("topic", topic),
                  KV_S("text", "patterns of two streams match it, so it is not read: make one of them narrower"));
}

void drift_owned_wait(struct drift_ingest *ing, struct owned *o, int64_t ms, const char *why)
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
        if (chain->plan.n && drift_plan_has_partition(&chain->plan.entry[chain->plan.n - 1], topic, number))
            continue;
        chain->topics_mono_ms = 0;
        ing->refresh_ms = 0;
    }
}

void drift_owned_granted(void *ctx, const char *topic, int32_t number)
{
    struct drift_ingest *ing = ctx;
    char text[16];
    struct stream *s = stream_of(ing, topic);
    if (!s || drift_owned_find(ing, topic, number))
        return;
    struct owned *o = drift_xcalloc(1, sizeof *o);
    o->topic = drift_xstrdup(topic);
    o->number = number;
    o->stream = s;
    o->end_offset = o->gap_offset = -1;
    o->held_by = -1;
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

void drift_owned_free(struct owned *o)
{
    drift_partition_free(o->state);
    free(o->topic);
    free(o);
}

/* Throws a partition's memory away; it is acquired again after a pause. */
void drift_owned_release(struct drift_ingest *ing, struct owned *o, int64_t pause_ms, const char *why)
{
    drift_owned_wait(ing, o, pause_ms, why);
    pthread_mutex_lock(&ing->lock);
    drift_partition_free(o->state);
    o->state = NULL;
    o->fetching = o->shown.active = false;
    o->held_by = -1;
    pthread_mutex_unlock(&ing->lock);
    ing->refetch = true;
}

/* A partition that is not read says why: at once, and every half minute while nothing changes. */
void drift_owned_say(struct drift_ingest *ing, struct owned *o, const char *why)
{
    if (drift_ingest_worth_saying(ing, &o->said, why))
        drift_log(DRIFT_WARN, "partition_waits", KV_S("topic", o->topic), KV_I("partition", o->number),
                  KV_S("text", why));
}

/* "1000 windows of m are not judged yet, the oldest waits for scores/3" */
static void hold_text(struct drift_ingest *ing, const struct owned *o, char *buf, size_t cap)
{
    char slowest[300];
    int64_t start, close;
    const struct drift_chain *c = o->stream->chains[o->held_by];
    size_t n = drift_partition_unjudged(o->state, (size_t)o->held_by, &start, &close);
    drift_ingest_slowest(ing, c, start, close, slowest, sizeof slowest);
    snprintf(buf, cap, "%zu %swindows of %s are not judged yet%s%s", n, c->kind == DRIFT_CHAIN_LABEL ? "label " : "",
             c->model->name, slowest[0] ? ", the oldest waits for " : "", slowest);
}

/* The plan's copy shows what has been judged: it is read sooner, but never for more than a fifth of the time. */
static void keep_waiting(struct drift_ingest *ing, struct owned *o)
{
    char text[DRIFT_ERR_TEXT];
    int64_t pause = 4 * ing->refresh_took_ms > HOLD_MS ? 4 * ing->refresh_took_ms : HOLD_MS;
    if (ing->refreshed_ms + pause < ing->refresh_ms)
        ing->refresh_ms = ing->refreshed_ms + pause;
    hold_text(ing, o, text, sizeof text);
    drift_owned_say(ing, o, text);
    drift_owned_wait(ing, o, HOLD_MS, text);
}

void drift_owned_hold(struct drift_ingest *ing, struct owned *o, int chain)
{
    o->held_by = chain;
    o->fetching = false;
    ing->refetch = true;
    keep_waiting(ing, o);
    drift_partition_wait(o->state, o->waiting);
    drift_count(DRIFT_M_HELD, o->topic);
}

void drift_ingest_redis_lost(struct drift_ingest *ing, const struct drift_err *err)
{
    if (ing->redis_up)
        drift_log(
            DRIFT_ERROR, "redis_away", KV_S("text", err->text),
            KV_S("next", "fetching stops; every partition is read again from its stored offset when Redis is back"));
    else if (drift_ingest_worth_saying(ing, &ing->redis_said, err->text)) /* the reason may be another one by now */
        drift_log(DRIFT_WARN, "redis_away", KV_S("text", err->text), KV_S("next", "trying on"));
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
            drift_owned_release(ing, ing->owned[i], 0, "Redis is away");
}

/* Redis away is everybody's matter; a slot that holds what driftd never writes is its own partition's alone. */
bool drift_owned_store_failed(struct drift_ingest *ing, struct owned *o, const struct drift_err *err)
{
    if (err->code == DRIFT_E_AWAY || err->code == DRIFT_E_DENIED) {
        drift_ingest_redis_lost(ing, err);
        return true;
    }
    drift_owned_say(ing, o, err->text);
    drift_owned_release(ing, o, RETRY_MS * 2, err->text);
    return false;
}

void drift_owned_stale(struct drift_ingest *ing, struct owned *o)
{
    uint64_t pause = drift_hash64(o->head, sizeof o->head) % 400;
    drift_log(DRIFT_WARN, "slot_stale", KV_S("topic", o->topic), KV_I("partition", o->number),
              KV_S("text", "another instance or a Redis failover changed the slot; reading it again"));
    drift_owned_release(ing, o, (int64_t)pause, "its slot had another head");
    ing->refresh_ms = 0; /* when Redis has gone back in time, the plan may have too */
}

void drift_owned_revoked(void *ctx, const char *topic, int32_t number, bool lost)
{
    struct drift_ingest *ing = ctx;
    struct owned *o = drift_owned_find(ing, topic, number);
    if (!o)
        return;
    if (o->state && !lost && ing->redis_up && drift_partition_dirty(o->state, redis_now(ing)))
        drift_owned_flush(ing, o);
    pthread_mutex_lock(&ing->lock);
    for (size_t i = 0; i < ing->n_owned; i++)
        if (ing->owned[i] == o)
            ing->owned[i] = ing->owned[--ing->n_owned];
    pthread_mutex_unlock(&ing->lock);
    drift_series_set(o->lag, 0); /* its new owner shows it; a stale lag would alarm */
    for (size_t c = 0; ing->set.config->kafka.patterns && c < o->stream->n_chains; c++)
        o->stream->chains[c]->topics_mono_ms = 0; /* perhaps the topic is gone */
    drift_owned_free(o);
}

/* What this batch still brings is not taken either: it may begin behind records that were thrown away. */
void drift_owned_disturbed(void *ctx)
{
    struct drift_ingest *ing = ctx;
    for (size_t i = 0; i < ing->n_owned; i++)
        if (ing->owned[i]->fetching) {
            ing->owned[i]->fetching = false;
            ing->owned[i]->retry_ms = 0;
            ing->refetch = true;
        }
}

/* ---- acquiring ---- */

/* The log may grow past the offset again, and nobody would see that what lies below was never counted. */
static int mark_anew(struct drift_ingest *ing, struct owned *o, struct drift_err *err)
{
    char head[DRIFT_HEAD], one[] = "1", name[] = "anew";
    struct drift_pair set = {name, one, 1};
    enum drift_reply reply;
    int64_t now;
    drift_random_hex32(head);
    struct drift_flush f = {.prev = o->head, .new_head = head, .n_sets = 1, .sets = &set};
    return drift_store_flush(ing->set.store, (struct drift_slot_id){o->topic, o->number}, &f, &reply, &now, err);
}

/* The log ends before what comes next: deleted and made again, or cut off by an unclean election.  RANGE: it waits. */
static int log_is_another(struct drift_ingest *ing, struct owned *o, struct drift_partition *state, int64_t low,
                          int64_t high, struct drift_err *err)
{
    int64_t next = drift_partition_next(state);
    bool known = drift_partition_anew(state);
    int rc = 0;
    if (!known && ++o->beyond < ANEW_SIGHTINGS)
        return drift_fail(
            err, DRIFT_E_RANGE, DRIFT_RETRY,
            "the log ends at offset %" PRId64 ", before the next one to count (%" PRId64 "): asking again", high, next);
    if (o->stream->config->on_recreated == DRIFT_RECREATED_EARLIEST) {
        drift_log(DRIFT_ERROR, "topic_recreated", KV_S("topic", o->topic), KV_I("partition", o->number),
                  KV_I("from_offset", next), KV_I("to_offset", low),
                  KV_S("text",
                       "the log ended before what was counted already: deleted and made again, or cut off; it is "
                       "read from its start, counts and watermark stay, windows it falls in are partial"));
        drift_count(DRIFT_M_RECREATED, o->topic);
        drift_partition_start(state, low, false);
        return 0;
    }
    if (!known && (rc = mark_anew(ing, o, err)) != 0)
        return rc;
    return drift_fail(err, DRIFT_E_RANGE, DRIFT_RETRY,
                      "the log ended before offset %" PRId64
                      " that comes next: the topic was made anew or cut off; set "
                      "on_recreated: earliest for its stream to read it from its start",
                      next);
}

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
    if (next > high || drift_partition_anew(state))
        return log_is_another(ing, o, state, low, high, err);
    o->beyond = 0;
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
    o->asked_ms = INT64_MIN;
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

/* A failover may take back the first entry of a plan that has not settled, and another one would be written: nobody may
 * have counted by it.  Later entries hold from further ahead than that.  True: all are old enough. */
static bool plans_settled(struct drift_ingest *ing, struct owned *o)
{
    int64_t settle = ing->set.config->state.settle_ms, now = mono(ing);
    char text[256];
    for (size_t c = 0; settle && c < o->stream->n_chains; c++) {
        const struct drift_chain *chain = o->stream->chains[c];
        int64_t age = chain->redis_ms + (now - chain->read_mono_ms) - chain->plan.entry[0].at_ms;
        if (age <= -settle || age >= settle) /* far in the future: no clock that is to be waited for */
            continue;
        int64_t left = age < 0 ? settle : settle - age;
        snprintf(text, sizeof text, "the plan of %s is new and settles in %" PRId64 " s", chain->model->name,
                 (left + 999) / 1000);
        drift_owned_wait(ing, o, left < RETRY_MS ? left : RETRY_MS, text);
        return false;
    }
    return true;
}

/* What was counted by plans that may be outdated is thrown away and read again. */
void drift_ingest_drop_outdated(struct drift_ingest *ing)
{
    for (size_t i = 0; i < ing->n_owned; i++)
        if (ing->owned[i]->state && !plans_fresh(ing, ing->owned[i]->stream)) {
            drift_owned_say(ing, ing->owned[i], "its model's plan could not be read lately");
            drift_owned_release(ing, ing->owned[i], 0, "its model's plan could not be read lately");
        }
}

static void acquire_one(struct drift_ingest *ing, struct owned *o)
{
    struct drift_err err;
    bool broker = false;
    if (!acquire(ing, o, &broker, &err))
        return;
    if (!broker) {
        drift_owned_store_failed(ing, o, &err);
        return;
    }
    ing->ask_ms = mono(ing) + ASK_RETRY_MS;
    drift_owned_say(ing, o, err.text);
    drift_owned_wait(ing, o, ASK_RETRY_MS, err.text);
}

void drift_ingest_acquire(struct drift_ingest *ing)
{
    int64_t until = mono(ing) + STEP_MS;
    for (size_t i = 0; i < ing->n_owned && ing->redis_up; i++) {
        struct owned *o = ing->owned[i];
        int64_t now = mono(ing);
        if (now > until)
            return;
        if (now < o->retry_ms || (o->state && o->fetching))
            continue;
        if (o->state && o->held_by >= 0 && !drift_partition_relieved(o->state, (size_t)o->held_by)) {
            keep_waiting(ing, o);
        } else if (o->state) { /* waited for a schema or for verdicts: try again where it stopped */
            pthread_mutex_lock(&ing->lock);
            o->waiting[0] = 0;
            pthread_mutex_unlock(&ing->lock);
            o->held_by = -1;
            drift_partition_wait(o->state, NULL);
            o->fetching = o->restart = true;
            ing->refetch = true;
        } else if (now >= ing->ask_ms && plans_fresh(ing, o->stream) && plans_settled(ing, o)) {
            acquire_one(ing, o);
        }
    }
}

int drift_ingest_refetch(struct drift_ingest *ing, struct drift_err *err)
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
