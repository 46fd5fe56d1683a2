/* src/ingest/ingest.c    The ingest thread: its life, one turn of its loop, and what others may see of it.
 *
 * A partition goes granted -> acquired -> fetched.  Anything that goes wrong with Redis throws the memory away and
 * starts again at ACQUIRE: the slot holds offset and counts of one instant, so nothing is lost or counted twice. */
#include "room.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Is it new, or long enough ago? */
bool drift_ingest_worth_saying(const struct drift_ingest *ing, struct said *last, const char *text)
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
    ing->topics = drift_topics_new(c);
    if (!rc && c->kafka.quarantine_topic)
        rc = drift_quarantine_new(&c->kafka, &ing->quarantine, err);
    if (!rc)
        rc = drift_group_new(
            &(struct drift_group_settings){c, drift_owned_granted, drift_owned_revoked, drift_owned_disturbed, ing},
            &ing->group, err);
    if (rc)
        drift_ingest_free(ing, 0);
    else
        *ret = ing;
    return rc;
}

/* Plans, layouts and verdict headers, read again every plan_ttl / 2.  One chain that cannot be read (its topic is
 * missing, its slot damaged) holds up its own streams only. */
static void refresh_chains(struct drift_ingest *ing)
{
    struct drift_err err;
    int64_t now = mono(ing);
    bool good = true;
    /* a group that nothing is subscribed in is never joined: a pattern without topics must be able to say so */
    if (now < ing->refresh_ms || !ing->redis_up ||
        (!drift_group_joined(ing->group) && !ing->set.config->kafka.patterns))
        return;
    for (size_t s = 0; s < ing->n_streams; s++)
        for (size_t c = 0; c < ing->streams[s].n_chains; c++) {
            struct drift_chain *chain = ing->streams[s].chains[c];
            int64_t began = mono(ing);
            if (chain->plan.n && chain->read_mono_ms >= now) /* another stream feeds it too */
                continue;
            int rc = ing->set.refresh(ing->set.ctx, ing, chain, &err);
            if (rc == DRIFT_E_AWAY || rc == DRIFT_E_DENIED) {
                drift_ingest_redis_lost(ing, &err);
                return;
            }
            if (!rc)
                chain->read_mono_ms = began;
            else if (drift_ingest_worth_saying(ing, &ing->chain_said[chain - ing->chains], err.text))
                drift_log(DRIFT_WARN, "plan_waits", KV_S("model", chain->model->name),
                          KV_S("chain", drift_chain_name(chain->kind)), KV_S("text", err.text));
            good = good && !rc;
        }
    ing->refreshed_ms = mono(ing);
    ing->refresh_took_ms = ing->refreshed_ms - now;
    ing->refresh_ms = good ? now + ing->set.config->state.plan_ttl_ms / 2 : ing->refreshed_ms + RETRY_MS;
}

static void try_redis(struct drift_ingest *ing)
{
    struct drift_err err;
    if (ing->redis_up || mono(ing) < ing->redis_retry_ms)
        return;
    if (drift_store_ping(ing->set.store, &err)) {
        drift_ingest_redis_lost(ing, &err);
        return;
    }
    pthread_mutex_lock(&ing->lock);
    ing->redis_up = ing->shown.redis_up = true;
    pthread_mutex_unlock(&ing->lock);
    drift_gauge(DRIFT_M_REDIS_UP, 1);
    ing->refresh_ms = 0;
    drift_log(DRIFT_INFO, "redis_back", KV_S("text", "acquiring all partitions again"));
}

/* Flush, check, advance: whatever is due.  False: Redis went away. */
static bool tend(struct drift_ingest *ing, struct owned *o)
{
    int64_t now = mono(ing);
    if (drift_partition_dirty(o->state, redis_now(ing))) {
        if (!drift_partition_urgent(o->state) && now < o->flush_due_ms && !(ing->set.until_end && o->eof))
            return true;
        if (!drift_owned_flush(ing, o))
            return false;
        if (!o->state || drift_partition_dirty(o->state, redis_now(ing)))
            return true; /* else one that gets refused records all the time would never look idle */
    }
    if (now - o->checked_ms >= ing->set.config->state.flush_interval_ms && !drift_owned_check(ing, o))
        return false;
    return !o->state || ing->set.until_end || drift_owned_tend_idle(ing, o);
}

static void report_open(struct drift_ingest *ing)
{
    for (size_t c = 0; c < ing->n_chains; c++) {
        size_t n = 0;
        uint64_t ids = 0, most = 0, bytes = 0;
        for (size_t i = 0; i < ing->n_owned; i++) {
            const struct owned *o = ing->owned[i];
            for (size_t k = 0; o->state && k < o->stream->n_chains; k++)
                if (o->stream->chains[k] == &ing->chains[c]) {
                    uint64_t held = drift_partition_ids(o->state, k);
                    n += drift_partition_open_windows(o->state, k);
                    ids += held;
                    bytes += drift_partition_stored_bytes(o->state, k);
                    most = held > most ? held : most;
                }
        }
        drift_series_set(ing->chains[c].open, (double)n);
        drift_series_set(ing->chains[c].bytes, (double)(bytes + ids * DRIFT_ID_BYTES));
        if (!ing->chains[c].ids)
            continue;
        drift_series_set(ing->chains[c].ids, (double)ids);
        drift_series_set(ing->chains[c].ids_share, (double)most / ing->chains[c].model->dedup_max_ids);
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

/* A refused record whose copy the quarantine topic did not take is read again, with all that was counted since. */
static void drop_unkept(struct drift_ingest *ing)
{
    const char *why = ing->quarantine ? drift_quarantine_lost(ing->quarantine) : NULL;
    for (size_t i = 0; why && i < ing->n_owned; i++) {
        struct owned *o = ing->owned[i];
        if (!o->state || !drift_partition_dirty(o->state, redis_now(ing)))
            continue;
        drift_owned_say(ing, o, why);
        drift_owned_release(ing, o, ASK_RETRY_MS, why);
    }
}

/* While no broker answered, nobody was silent: senders were held up too, and not all are back at the same moment. */
static void note_reach(struct drift_ingest *ing)
{
    bool up = drift_group_reachable(ing->group);
    for (size_t i = 0; i < ing->n_owned && up && !ing->reachable; i++)
        ing->owned[i]->last_record_ms = mono(ing);
    ing->reachable = up;
}

int drift_ingest_step(struct drift_ingest *ing, int wait_ms, struct drift_err *err)
{
    size_t n;
    try_redis(ing);
    refresh_chains(ing);
    drift_ingest_acquire(ing);
    drift_ingest_drop_outdated(ing);
    if (ing->refetch && drift_ingest_refetch(ing, err))
        return err->code;
    int rc = drift_group_poll(ing->group, wait_ms, ing->batch, BATCH, &n, err);
    drift_ingest_take(ing, n);
    note_reach(ing);
    if (rc)
        return rc;
    drift_trouble_tend(ing);
    drop_unkept(ing);
    drift_ingest_drop_outdated(ing);
    ing->ask_until_ms = mono(ing) + IDLE_ASK_MS;
    for (size_t i = 0; i < ing->n_owned && ing->redis_up; i++)
        if (ing->owned[i]->state && !tend(ing, ing->owned[i]))
            break;
    if (ing->set.until_end && ing->redis_up)
        drift_ingest_finish(ing);
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
    for (size_t i = 0; i < ing->n_troubles; i++)
        free(ing->troubles[i].topic);
    for (size_t i = 0; i < ing->n_owned; i++)
        drift_owned_free(ing->owned[i]);
    for (size_t s = 0; s < ing->n_streams; s++) {
        drift_decoder_free(ing->streams[s].decoder);
        free(ing->streams[s].chains);
        free(ing->streams[s].chain_of);
    }
    for (size_t c = 0; c < ing->n_chains; c++)
        drift_chain_release(&ing->chains[c]);
    pthread_mutex_destroy(&ing->lock);
    drift_topics_free(ing->topics);
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
    return drift_owned_find(ing, topic, partition);
}

static void add_topic(struct drift_plan_entry *e, const char *topic, int32_t partitions)
{
    for (size_t i = 0; i < e->n_topics; i++)
        if (!strcmp(e->topics[i].topic, topic))
            return;
    e->topics = drift_xrealloc(e->topics, e->n_topics + 1, sizeof *e->topics);
    e->topics[e->n_topics++] = (struct drift_plan_topic){drift_xstrdup(topic), partitions};
}

struct listing {
    struct drift_ingest *ing;
    size_t stream;
    struct drift_plan_entry *e;
};

static void take_listed(void *ctx, const char *topic, int32_t partitions)
{
    struct listing *l = ctx;
    int stream = drift_topics_stream(l->ing->topics, topic);
    if (stream == (int)l->stream)
        add_topic(l->e, topic, partitions);
    else if (stream == DRIFT_TOPIC_TWICE)
        drift_ingest_say_twice(l->ing, topic);
}

int drift_ingest_topics(struct drift_ingest *ing, size_t stream, struct drift_plan_entry *e, struct drift_err *err)
{
    const struct drift_stream *s = &ing->set.config->streams[stream];
    const char *pattern = NULL;
    size_t before = e->n_topics;
    for (size_t t = 0; t < s->n_topics; t++) {
        if (drift_topic_is_pattern(s->topics[t])) {
            pattern = s->topics[t];
            continue;
        }
        int32_t n = drift_ingest_partitions(ing, s->topics[t]);
        if (n <= 0)
            return drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_RETRY, "topic %s is not known to the brokers (yet)",
                              s->topics[t]);
        add_topic(e, s->topics[t], n);
    }
    struct listing l = {ing, stream, e};
    int rc = pattern ? drift_group_topics(ing->group, ASK_MS, take_listed, &l, err) : 0;
    if (rc)
        return drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_RETRY, "the brokers do not list their topics (yet)");
    if (e->n_topics == before)
        return drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_RETRY, "no topic matches %s (yet)", pattern ? pattern : "-");
    return 0;
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
        const char *refused = drift_trouble_of(ing, o->topic);
        if (refused) { /* it is assigned and brings nothing */
            s.active = false;
            s.waiting = refused;
        }
        ret->active += s.active;
        if (each)
            each(ctx, &s);
    }
    ret->all_active = ret->active == ret->granted;
    drift_trouble_show(ing, ret->refused, sizeof ret->refused);
    pthread_mutex_unlock(&ing->lock);
}
