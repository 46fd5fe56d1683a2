/* src/ingest/record.c    Takes batches of messages: decodes, counts or refuses each record, in offset order. */
#include "room.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/ingest/kafka_conf.h"

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

/* Event time less the clock that it is held against: the broker's where it stamps, else ours. */
static int64_t ahead_ms(const struct drift_record *rec, int64_t wall_ms, int64_t time_ms)
{
    return time_ms - (rec->log_append_time && rec->timestamp_ms >= 0 ? rec->timestamp_ms : wall_ms);
}

static void pass(struct owned *o, int64_t offset, int64_t time_ms)
{
    o->progress = o->progress || time_ms > drift_partition_watermark(o->state);
    drift_partition_pass(o->state, offset, time_ms);
}

/* The chain of the event's model that must be judged further before the event is counted; -1: none. */
static int full_chain(const struct owned *o, const struct drift_event *ev, int model)
{
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        int c = o->stream->chain_of[model][k];
        if (c >= 0 && drift_stream_event_feeds(o->stream->config, ev, (enum drift_chain_kind)k) &&
            drift_partition_full(o->state, (size_t)c, ev->time_ms))
            return c;
    }
    return -1;
}

/* Is the event one that its model must know by an id, and has none? */
static bool lacks_id(const struct drift_ingest *ing, const struct owned *o, const struct drift_event *ev, int model)
{
    const struct drift_stream *s = o->stream->config;
    return !ev->id.n && ing->set.config->models[model].dedup_by &&
           (drift_stream_event_feeds(s, ev, DRIFT_CHAIN_INPUT) || drift_stream_event_feeds(s, ev, DRIFT_CHAIN_LABEL));
}

static void say_dedup_full(struct drift_ingest *ing, struct owned *o, size_t chain)
{
    const struct drift_chain *c = o->stream->chains[chain];
    if (drift_ingest_worth_saying(ing, &o->full_said, c->key))
        drift_log(DRIFT_ERROR, "dedup_full", KV_S("model", c->model->name), KV_S("chain", drift_chain_name(c->kind)),
                  KV_S("topic", o->topic), KV_I("partition", o->number),
                  KV_U("ids", drift_partition_ids(o->state, chain)),
                  KV_S("text", "events are refused: raise deduplicate.max_ids, or make windows or lateness shorter"));
}

/* Counts one decoded event into the chains of its model.  False: it cannot be passed now; held_by says whether it is
 * verdicts that must come first. */
static bool count_event(struct drift_ingest *ing, struct owned *o, const struct drift_record *rec,
                        const struct drift_event *ev, int64_t wall_ms)
{
    struct stream *s = o->stream;
    bool any = false;
    int64_t ahead = ahead_ms(rec, wall_ms, ev->time_ms);
    if (ahead > ing->set.config->state.future_skew_ms) {
        if (!refuse(ing, o, rec, DRIFT_REASON_FUTURE, "event time lies beyond the clock and max_future"))
            return false;
        drift_series_observe(drift_series(DRIFT_M_FUTURE_SECONDS, o->topic, (char *)NULL), (double)ahead / 1e3);
        drift_partition_pass(o->state, rec->offset, INT64_MIN);
        return true;
    }
    int m = model_of(ing, s, ev);
    if (m >= 0 && lacks_id(ing, o, ev, m)) {
        if (!refuse(ing, o, rec, DRIFT_REASON_NO_ID, "role id is missing, and the model's events count once by it"))
            return false;
        pass(o, rec->offset, ev->time_ms);
        return true;
    }
    if (m >= 0 && (o->held_by = full_chain(o, ev, m)) >= 0)
        return false;
    for (int k = 0; k < DRIFT_N_CHAIN && m >= 0; k++) {
        int c = s->chain_of[m][k];
        if (c < 0 || !drift_stream_event_feeds(s->config, ev, (enum drift_chain_kind)k))
            continue;
        any = true;
        enum drift_reason why = drift_partition_count(o->state, (size_t)c, ev);
        if (why)
            drift_count(DRIFT_M_REFUSED, o->topic, drift_reason_name(why));
        if (why == DRIFT_REASON_DEDUP_FULL)
            say_dedup_full(ing, o, (size_t)c);
        if (!why)
            ing->counted[(size_t)m * DRIFT_N_CHAIN + (size_t)k]++;
        o->progress = o->progress || !why;
    }
    if (!any && !refuse(ing, o, rec, m < 0 ? DRIFT_REASON_UNKNOWN_MODEL : DRIFT_REASON_NOTHING,
                        m < 0 ? "the model is not in the configuration" : "no role that its model counts"))
        return false;
    pass(o, rec->offset, ev->time_ms);
    return true;
}

/* A partition stops here; what is behind this record is fetched again later. */
static void stall(struct drift_ingest *ing, struct owned *o, const char *why)
{
    o->stall_ms = !o->stall_ms ? RETRY_MS : 2 * o->stall_ms < STALL_MAX_MS ? 2 * o->stall_ms : STALL_MAX_MS;
    o->fetching = false;
    ing->refetch = true;
    drift_owned_say(ing, o, why);
    drift_owned_wait(ing, o, o->stall_ms, why);
    drift_partition_wait(o->state, why);
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
    else if (o->held_by >= 0)
        drift_owned_hold(ing, o, o->held_by);
    else
        stall(ing, o, drift_quarantine_trouble(ing->quarantine));
}

static bool is_denied(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

/* "topic x may not be read: give this user ..." where somebody can mend it, else librdkafka's words. */
static void say_what(const struct drift_ingest *ing, const rd_kafka_message_t *m, char *ret, size_t cap)
{
    const char *advice = drift_kafka_advice(m->err), *topic = m->rkt ? rd_kafka_topic_name(m->rkt) : NULL;
    bool group = m->err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    if (advice && (group || topic))
        snprintf(ret, cap, "%s %.100s %s (%s)", group ? "group" : "topic", group ? ing->set.config->kafka.group : topic,
                 advice, rd_kafka_err2name(m->err));
    else
        snprintf(ret, cap, "%s", rd_kafka_message_errstr(m));
}

static void take_error(struct drift_ingest *ing, struct owned *o, const rd_kafka_message_t *m)
{
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (o)
            drift_trouble_over(ing, o->topic);
        if (o && o->fetching) {
            o->eof = true;
            o->eof_offset = m->offset;
        }
        return;
    }
    char text[DRIFT_ERR_TEXT];
    say_what(ing, m, text, sizeof text);
    if (drift_ingest_worth_saying(ing, o ? &o->said : &ing->fetch_said, text))
        drift_log(DRIFT_ERROR, "kafka_fetch_failed", KV_S("topic", m->rkt ? rd_kafka_topic_name(m->rkt) : NULL),
                  KV_I("partition", m->partition), KV_S("error", rd_kafka_err2name(m->err)), KV_S("text", text));
    if (is_denied(m->err))
        drift_trouble_note(
            ing, m->err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED || !m->rkt ? NULL : rd_kafka_topic_name(m->rkt),
            text);
    if (o && o->state &&
        (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE))
        drift_owned_release(ing, o, RETRY_MS, "its offset is out of the log's range");
}

static void note_read(struct owned *o, size_t *records, size_t *bytes)
{
    if (o && *records) {
        drift_series_add(o->records, (double)*records);
        drift_series_add(o->bytes, (double)*bytes);
    }
    *records = *bytes = 0;
}

void drift_ingest_take(struct drift_ingest *ing, size_t n)
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
            o = rkt ? drift_owned_find(ing, rd_kafka_topic_name(rkt), number) : NULL;
        }
        if (m->err) {
            take_error(ing, o, m);
        } else if (o && o->fetching) {
            if (!records++)
                drift_trouble_over(ing, o->topic);
            bytes += m->len;
            take_record(ing, o, m, wall_ms);
            if (o->progress)
                o->last_record_ms = now;
            o->progress = false;
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
