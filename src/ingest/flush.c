/* src/ingest/flush.c    Writes a partition's counts and offset to its slot as one, and knows what became of it. */
#include "room.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void note_flush(const char *result, size_t bytes, int64_t took_ns)
{
    static struct drift_series *b, *s; /* one thread flushes */
    if (!b) {
        b = drift_series(DRIFT_M_FLUSH_BYTES, (char *)NULL);
        s = drift_series(DRIFT_M_FLUSH_SECONDS, (char *)NULL);
    }
    drift_count(DRIFT_M_FLUSHES, result);
    drift_series_add(b, (double)bytes);
    drift_series_add(s, (double)took_ns / 1e9);
}

/* A flush takes a tenth of a millisecond. */
static int64_t mono_ns(const struct drift_ingest *ing)
{
    return ing->set.clock->mono_ns(ing->set.clock->ctx);
}

/* Sends f until it is known what became of it: the same bytes a second time when the first reply was lost.  began_ns:
 * when f began to be made. */
static int send_flush(struct drift_ingest *ing, struct owned *o, struct drift_flush *f, size_t bytes, int64_t began_ns,
                      enum drift_reply *reply, struct drift_err *err)
{
    char head[DRIFT_HEAD];
    int64_t now;
    drift_random_hex32(head);
    f->prev = o->head;
    f->new_head = head;
    f->settle_ms = ing->set.config->state.settle_ms;
    struct drift_slot_id id = {o->topic, o->number};
    int rc = drift_store_flush(ing->set.store, id, f, reply, &now, err);
    if (rc == DRIFT_E_AWAY)
        rc = drift_store_flush(ing->set.store, id, f, reply, &now, err);
    if (rc) {
        note_flush("in_doubt", bytes, mono_ns(ing) - began_ns);
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
               bytes, mono_ns(ing) - began_ns);
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
bool drift_owned_flush(struct drift_ingest *ing, struct owned *o)
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
    int64_t began_ns = mono_ns(ing);
    drift_partition_prepare(o->state, redis_now(ing), &f, &bytes);
    if (send_flush(ing, o, &f, bytes, began_ns, &reply, &err))
        return !drift_owned_store_failed(ing, o, &err);
    if (reply == DRIFT_REPLY_STALE) {
        drift_owned_stale(ing, o);
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
bool drift_owned_advance(struct drift_ingest *ing, struct owned *o, int64_t to_ms)
{
    struct drift_flush f = {.advance = true, .advance_to_ms = to_ms};
    struct drift_err err;
    enum drift_reply reply;
    if (send_flush(ing, o, &f, 0, mono_ns(ing), &reply, &err))
        return !drift_owned_store_failed(ing, o, &err);
    if (reply == DRIFT_REPLY_STALE) {
        drift_owned_stale(ing, o);
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

bool drift_owned_check(struct drift_ingest *ing, struct owned *o)
{
    struct drift_err err;
    enum drift_reply reply;
    if (drift_store_check(ing->set.store, (struct drift_slot_id){o->topic, o->number}, o->head, &reply, &err))
        return !drift_owned_store_failed(ing, o, &err);
    if (reply == DRIFT_REPLY_STALE)
        drift_owned_stale(ing, o);
    o->checked_ms = mono(ing);
    return true;
}
