/* src/ingest/idle.c    Raises the watermarks of silent partitions, and of all at the end of the log.
 *
 * Silent is one in which nothing was counted for idle_after, and that has been read to the end of its log; records that
 * are refused (malformed, late, in the future) move no watermark, so they are silence too, or a sender of rubbish would
 * hold all windows for ever.  That stays exact: an advance is written under the slot's head when all that was read
 * before it has been, records that are refused are so at whatever watermark, and one that comes later and would have
 * counted is late_after_idle, as after any silence. */
#include "room.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        if (strcmp(e->offset, v.offset) != 0 || v.waits || now - e->read_ms > idle) { /* not looked at for long: anew */
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

static bool at_end(const struct owned *o)
{
    return o->state && o->end_offset >= 0 &&
           (drift_partition_next(o->state) >= o->end_offset || (o->eof && o->eof_offset >= o->end_offset));
}

/* Where reading stands: markers of transactions are passed without a record. */
static int64_t read_to(const struct owned *o)
{
    int64_t next = drift_partition_next(o->state);
    return o->eof && o->eof_offset > next ? o->eof_offset : next;
}

/* All that was in the log when the brokers were asked, since since_ms, has been read. */
static bool has_read_answer(const struct owned *o, int64_t since_ms)
{
    return o->asked_ms >= since_ms && read_to(o) >= o->asked_high;
}

static bool is_idle(const struct drift_ingest *ing, const struct owned *o, int64_t since_ms)
{
    if (ing->set.until_end)
        return at_end(o);
    return o->state && o->last_record_ms <= since_ms && (o->eof || has_read_answer(o, since_ms));
}

void drift_ingest_slowest(struct drift_ingest *ing, const struct drift_chain *c, int64_t start_ms, int64_t close_ms,
                          char *ret, size_t cap)
{
    const struct drift_plan_entry *e = drift_plan_at(&c->plan, start_ms);
    int64_t low = close_ms;
    *ret = 0;
    for (size_t t = 0; e && t < e->n_topics; t++)
        for (int32_t n = 0; n < e->topics[t].partitions; n++) {
            const struct owned *o = drift_owned_find(ing, e->topics[t].topic, n);
            struct drift_err err;
            int64_t wm = o && o->state ? drift_partition_watermark(o->state) : INT64_MIN;
            if (!o && look_elsewhere(ing, c->key, e->topics[t].topic, n, &wm, &err))
                return; /* of no weight here: whoever needs Redis finds out */
            if (!o)
                wm = find_elsewhere(ing, e->topics[t].topic, n)->wm_ms;
            if (wm < low || (wm == INT64_MIN && !*ret)) {
                low = wm;
                snprintf(ret, cap, "%s/%" PRId32, e->topics[t].topic, n);
            }
        }
}

/* Lowest watermark of the partitions of o's chains that are still fed, here and elsewhere; none: now. */
static int busy_watermark(struct drift_ingest *ing, const struct owned *o, int64_t now_ms, int64_t idle_since_ms,
                          int64_t *ret, struct drift_err *err)
{
    int64_t low = now_ms, wm;
    int rc = 0;
    for (size_t i = 0; i < ing->n_owned; i++) {
        const struct owned *x = ing->owned[i];
        if (is_idle(ing, x, idle_since_ms) || !share_chain(o->stream, x->stream))
            continue;
        wm = x->state ? drift_partition_watermark(x->state) : INT64_MIN;
        low = wm < low ? wm : low;
    }
    for (size_t c = 0; c < o->stream->n_chains && !rc; c++) {
        const struct drift_chain *chain = o->stream->chains[c];
        const struct drift_plan_entry *e = drift_plan_at(&chain->plan, now_ms);
        for (size_t t = 0; t < e->n_topics && low != INT64_MIN; t++)
            for (int32_t n = 0; n < e->topics[t].partitions && !rc; n++) {
                if (drift_owned_find(ing, e->topics[t].topic, n))
                    continue;
                rc = look_elsewhere(ing, chain->key, e->topics[t].topic, n, &wm, err);
                low = !rc && wm < low ? wm : low;
            }
    }
    *ret = low;
    return rc;
}

/* Brokers that do not answer look like a silent topic: only one that says where the log ends makes a partition idle.  A
 * log to which refused records are added without a pause has no end; it is read to where it ended when that was asked.
 */
static bool has_read_to_end(struct drift_ingest *ing, struct owned *o, int64_t since_ms)
{
    int64_t low;
    struct drift_err err;
    bool asked = o->asked_ms >= since_ms && o->asked_ms - o->last_record_ms >= ing->set.config->state.idle_after_ms;
    if (!asked && drift_group_bounds(ing->group, o->topic, o->number, ASK_MS, &low, &o->asked_high, &err)) {
        o->asked_ms = INT64_MIN;
        o->last_record_ms = mono(ing); /* its leader is away, and with it those who write: silence begins anew */
        ing->ask_ms = mono(ing) + ASK_RETRY_MS;
        return false;
    }
    if (!asked)
        o->asked_ms = mono(ing);
    return has_read_answer(o, since_ms);
}

bool drift_owned_tend_idle(struct drift_ingest *ing, struct owned *o)
{
    struct drift_err err;
    int64_t now = mono(ing), since = now - ing->set.config->state.idle_after_ms, wall = drift_wall_ms(ing->set.clock),
            to;
    if (!ing->reachable || o->last_record_ms > since || now < o->advance_ms || now < ing->ask_ms ||
        now > ing->ask_until_ms || !drift_partition_closes(o->state, wall) ||
        (!o->eof && !has_read_to_end(ing, o, since)))
        return true;
    if (busy_watermark(ing, o, wall, since, &to, &err)) {
        if (err.code != DRIFT_E_AWAY && err.code != DRIFT_E_DENIED) {
            o->advance_ms = now + ASK_RETRY_MS; /* another one's slot is damaged: its owner says so */
            return true;
        }
        drift_ingest_redis_lost(ing, &err);
        return false;
    }
    if (to == INT64_MIN || to <= drift_partition_watermark(o->state) || !drift_partition_closes(o->state, to) ||
        !has_read_to_end(ing, o, since))
        return true;
    o->asked_ms = INT64_MIN; /* an answer serves once */
    return drift_owned_advance(ing, o, to);
}

/* --until-end: a partition that waits for verdicts may wait for those that have been read to the end, and whose
 * watermarks nothing raises any more: they go up to the lowest of the others. */
static bool help_held(struct drift_ingest *ing)
{
    struct drift_err err;
    int64_t now = mono(ing), to;
    bool any = false;
    for (size_t i = 0; i < ing->n_owned; i++)
        any = any || ing->owned[i]->held_by >= 0;
    for (size_t i = 0; i < ing->n_owned && any; i++) {
        struct owned *o = ing->owned[i];
        if (!at_end(o) || now < o->advance_ms || drift_partition_dirty(o->state, 0))
            continue;
        if (busy_watermark(ing, o, drift_wall_ms(ing->set.clock), now, &to, &err)) {
            o->advance_ms = now + ASK_RETRY_MS;
            continue;
        }
        if (to > drift_partition_watermark(o->state) && drift_partition_closes(o->state, to) &&
            !drift_owned_advance(ing, o, to))
            return false;
    }
    return true;
}

/* --until-end: when everything is read and flushed, every partition's watermark goes past the last window. */
void drift_ingest_finish(struct drift_ingest *ing)
{
    int64_t last = INT64_MIN;
    bool done = true;
    if (ing->finished || !drift_group_joined(ing->group) || !ing->n_owned || !help_held(ing))
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
            if (!drift_owned_advance(ing, o, last))
                return;
        }
    }
    if (!done)
        return; /* one more turn shows whether all advances were applied */
    ing->finished = true;
    ing->set.closed(ing->set.ctx);
}
