/* Partitions against a plain recount of their logs: whatever the split of events over partitions, the order within
 * lateness, batches, flushes, lost replies, requests that come late, restarts, slots that go back, advances, changes of
 * plan and drops, the counts, counters and watermarks are the same.  The slot obeys the scripts' rules. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/ingest/partition.h"
#include "driftd/internal/window/blob.h"
#include "pairs.h"
#include "support.h"

enum {
    CHAINS = 2,
    PARTS = 4,
    EVENTS = 240,
    STARTS = 80,
    CELLS = 4,
    IDS = 60,
    ADVANCES = 64,
    HEADERS = 400,
    RETAIN = 5000
};
/* A window that closes together with older ones; times are multiples of STEP, so that they meet its bounds. */
enum { STEP = 100, WINDOW = 1000, LATENESS = 2500, NEXT_WINDOW = 2000, NEXT_LATENESS = 300, NOW = 1000000 };

static struct drift_model models[CHAINS] = {
    {.name = (char *)(uintptr_t) "m/1", .include = (char *)(uintptr_t) "*"},
    {.name = (char *)(uintptr_t) "m2",
     .include = (char *)(uintptr_t) "*",
     .dedup_by = DRIFT_DEDUP_EVENT_ID,
     .dedup_max_ids = 100000},
};
static const char *const keys[CHAINS] = {"m%2F1:i", "m2:i"};
static struct drift_stream stream = {
    .name = (char *)(uintptr_t) "s", .id = (char *)(uintptr_t) "id", .score = (char *)(uintptr_t) "score"};
static struct drift_layout *layouts[2]; /* of the two plan entries: four cells, two cells */

struct event {
    int64_t time_ms;
    int chain, id, cell; /* cell: quarter that the score lies in */
    bool future;
};
struct log {
    size_t n;
    struct event e[EVENTS];
};

/* ---- plan ---- */

static int64_t change_ms; /* where the second entry begins */

static int layout_of(void *ctx, const struct drift_chain *c, const struct drift_plan_entry *e,
                     struct drift_layout **ret, struct drift_err *err)
{
    (void)ctx, (void)c, (void)err;
    *ret = layouts[e->seq];
    return 0;
}

static void read_plan(struct drift_chain *c, size_t n)
{
    struct drift_plan_topic topic = {(char *)(uintptr_t) "t", PARTS};
    struct drift_pair field[2];
    struct drift_err err;
    for (size_t i = 0; i < n; i++) {
        struct drift_plan_entry e = {.from_ms = i ? change_ms : INT64_MIN,
                                     .baseline_id = (char *)(uintptr_t) "",
                                     .baseline_digest = (char *)(uintptr_t) "",
                                     .config_hash = (char *)(uintptr_t) "",
                                     .window_ms = i ? NEXT_WINDOW : WINDOW,
                                     .lateness_ms = i ? NEXT_LATENESS : LATENESS,
                                     .n_topics = 1,
                                     .topics = &topic};
        field[i].name = drift_xasprintf("plan:%zu", i);
        field[i].value = drift_plan_entry_json(&e);
        field[i].len = strlen(field[i].value);
    }
    ck_assert_msg(
        drift_chain_update(c, &(struct drift_pairs){n, field}, &(struct drift_pairs){0}, layout_of, NULL, &err) == 0,
        "%s", err.text);
    for (size_t i = 0; i < n; i++) {
        free(field[i].name);
        free(field[i].value);
    }
}

static int64_t start_of(int64_t t)
{
    int64_t w = t >= change_ms ? NEXT_WINDOW : WINDOW;
    return t - t % w;
}
static int64_t end_of(int64_t start)
{
    return start + (start >= change_ms ? NEXT_WINDOW : WINDOW);
}
static int64_t close_of(int64_t start)
{
    if (start < change_ms)
        return end_of(start) + LATENESS;
    int64_t close = end_of(start) + NEXT_LATENESS, older = change_ms + LATENESS;
    return close > older ? close : older; /* never before an older window */
}

/* ---- the recount ---- */

struct counts {
    uint64_t n, cell[CELLS];
};
struct recount {
    struct counts window[CHAINS][STARTS];
    int64_t late[CHAINS], idle_late[CHAINS], duplicate[CHAINS], future, wm_ms, log_ms;
    bool seen[STARTS][IDS]; /* of the chain that takes ids once */
};
struct advance {
    size_t offset;
    int64_t to_ms;
};

static void recount(const struct log *log, const struct advance *adv, size_t n_adv, struct recount *r)
{
    r->wm_ms = r->log_ms = INT64_MIN;
    for (size_t i = 0; i <= log->n; i++) {
        for (size_t a = 0; a < n_adv; a++)
            if (adv[a].offset == i && adv[a].to_ms > r->wm_ms)
                r->wm_ms = adv[a].to_ms;
        if (i == log->n)
            break;
        const struct event *e = &log->e[i];
        int64_t start = start_of(e->time_ms);
        size_t w = (size_t)(start / WINDOW);
        bool twice = e->chain == 1 && r->seen[w][e->id];
        if (e->future) {
            r->future++;
            continue;
        }
        if (r->log_ms >= close_of(start)) {
            r->late[e->chain]++;
        } else if (r->wm_ms >= close_of(start)) {
            r->idle_late[e->chain]++;
        } else if (twice) {
            r->duplicate[e->chain]++;
        } else {
            r->window[e->chain][w].n++;
            r->window[e->chain][w].cell[start >= change_ms ? e->cell / 2 : e->cell]++;
            r->seen[w][e->id] = r->seen[w][e->id] || e->chain == 1;
        }
        r->log_ms = e->time_ms > r->log_ms ? e->time_ms : r->log_ms;
        r->wm_ms = e->time_ms > r->wm_ms ? e->time_ms : r->wm_ms;
    }
}

/* ---- a slot with the scripts' rules ---- */

static int64_t number(const struct drift_pairs *s, const char *prefix, const char *key, const char *rest)
{
    char name[200];
    snprintf(name, sizeof name, "%s%s%s", prefix, key, rest);
    const struct drift_pair *f = drift_pairs_find(s, name);
    return f ? atoll(f->value) : 0;
}

struct slot {
    struct drift_pairs now, before; /* before: what a failover restores; never behind an advance */
    uint64_t head, head_before;
};
struct request { /* a flush or an advance that may be applied later */
    uint64_t prev, next;
    int64_t advance_ms; /* INT64_MIN: a flush */
    struct drift_pairs sets;
    size_t n_dels;
    char **dels;
};

static void request_free(struct request *q)
{
    drift_pairs_release(&q->sets);
    for (size_t i = 0; i < q->n_dels; i++)
        free(q->dels[i]);
    free(q->dels);
    *q = (struct request){0};
}

static void snapshot(struct slot *s)
{
    drift_pairs_release(&s->before);
    for (size_t i = 0; i < s->now.n; i++)
        pairs_set(&s->before, s->now.pair[i].name, s->now.pair[i].value, s->now.pair[i].len);
    s->head_before = s->head;
}

static void fail_over(struct slot *s)
{
    struct drift_pairs lost = s->now;
    s->now = (struct drift_pairs){0};
    for (size_t i = 0; i < s->before.n; i++)
        pairs_set(&s->now, s->before.pair[i].name, s->before.pair[i].value, s->before.pair[i].len);
    s->head = s->head_before;
    drift_pairs_release(&lost);
}

/* FLUSH of scripts.c. */
static enum drift_reply apply(struct slot *s, const struct request *q)
{
    if (s->head == q->next)
        return DRIFT_REPLY_DUP;
    if (s->head != q->prev)
        return DRIFT_REPLY_STALE;
    if (q->advance_ms != INT64_MIN) {
        char text[24];
        const struct drift_pair *wm = drift_pairs_find(&s->now, "wm");
        if (wm && q->advance_ms <= atoll(wm->value))
            return DRIFT_REPLY_NOOP;
        pairs_set(&s->now, "wm", text, (size_t)snprintf(text, sizeof text, "%" PRId64, q->advance_ms));
    }
    for (size_t i = 0; i < q->sets.n; i++)
        pairs_set(&s->now, q->sets.pair[i].name, q->sets.pair[i].value, q->sets.pair[i].len);
    for (size_t i = 0; i < q->n_dels; i++)
        pairs_del(&s->now, q->dels[i]);
    s->head = q->next;
    if (q->advance_ms != INT64_MIN) /* settled before anything else happens */
        snapshot(s);
    return DRIFT_REPLY_OK;
}

/* ---- one partition on its way through one log ---- */

struct run {
    struct drift_rng *rng;
    const struct log *log;
    int32_t number;
    struct slot slot;
    struct drift_partition *p;
    struct drift_chain chain[CHAINS];
    uint64_t base, heads;
    struct request late;          /* in flight since long ago */
    size_t n_adv, change_at, end; /* end: of the log as far as it has come */
    struct advance adv[ADVANCES];
    struct drift_pairs judged; /* blobs as they were judged */
    size_t n_stale, n_dup, n_drop, n_failover;
};

static bool chance(struct run *r, uint64_t one_in)
{
    return !drift_rng_below(r->rng, one_in);
}

static void acquire(struct run *r)
{
    struct drift_chain *c[CHAINS] = {&r->chain[0], &r->chain[1]};
    struct drift_err err;
    drift_partition_free(r->p);
    r->base = r->slot.head = ++r->heads;
    r->p = drift_partition_new(&(struct drift_partition_settings){"t", r->number, &stream, CHAINS, c, RETAIN});
    ck_assert_msg(drift_partition_load(r->p, &r->slot.now, &err) == 0, "%s", err.text);
    if (drift_partition_next(r->p) < 0)
        drift_partition_start(r->p, 0, true);
}

static struct request request_of(struct run *r, const struct drift_flush *f, int64_t advance_ms)
{
    struct request q = {.prev = r->base, .next = ++r->heads, .advance_ms = advance_ms};
    for (size_t i = 0; f && i < f->n_sets; i++)
        pairs_set(&q.sets, f->sets[i].name, f->sets[i].value, f->sets[i].len);
    q.dels = drift_xcalloc(f && f->n_dels ? f->n_dels : 1, sizeof *q.dels);
    for (; f && q.n_dels < f->n_dels; q.n_dels++)
        q.dels[q.n_dels] = drift_xstrdup(f->dels[q.n_dels]);
    return q;
}

/* As flush.c does: at most twice, the same bytes; then the memory goes.  False: it has gone. */
static bool sent(struct run *r, struct request *q, enum drift_reply *ret)
{
    for (int try = 0; try < 2; try++) {
        bool arrives = !chance(r, 6), reply = !chance(r, 6);
        if (arrives)
            *ret = apply(&r->slot, q);
        if (arrives && reply) {
            r->n_dup += *ret == DRIFT_REPLY_DUP;
            if (*ret == DRIFT_REPLY_STALE) {
                r->n_stale++;
                request_free(q);
                acquire(r);
                return false;
            }
            if (*ret != DRIFT_REPLY_NOOP)
                r->base = q->next;
            request_free(q);
            return true;
        }
    }
    request_free(&r->late); /* the older one is lost for good */
    r->late = *q;
    if (chance(r, 2)) /* before the slot is acquired anew it may still be applied */
        (void)apply(&r->slot, &r->late);
    acquire(r);
    return false;
}

static void flush(struct run *r)
{
    struct drift_flush f;
    size_t bytes;
    enum drift_reply reply;
    drift_partition_prepare(r->p, NOW, &f, &bytes);
    r->n_drop += f.n_dels;
    struct request q = request_of(r, &f, INT64_MIN);
    if (sent(r, &q, &reply))
        drift_partition_flushed(r->p);
}

/* Only a flushed partition at the end of its log advances; the slot keeps what was applied. */
static void advance(struct run *r, int64_t by)
{
    enum drift_reply reply = DRIFT_REPLY_STALE;
    int64_t wm = drift_partition_watermark(r->p), to = (wm == INT64_MIN ? 0 : wm) + by;
    size_t at = (size_t)drift_partition_next(r->p);
    if (drift_partition_dirty(r->p, NOW) || r->n_adv == ADVANCES || at < r->end)
        return;
    struct request q = request_of(r, NULL, to);
    uint64_t head = q.next;
    bool answered = sent(r, &q, &reply);
    if (answered)
        drift_partition_advanced(r->p, to);
    if (answered ? reply != DRIFT_REPLY_NOOP : r->late.next == head && number(&r->slot.now, "wm", "", "") == to)
        r->adv[r->n_adv++] = (struct advance){at, to};
}

/* A window that the slot has closed gets its verdict, once: the judge's copy of the counts, a header for the owner. */
static void judge(struct run *r)
{
    struct drift_blob_head head;
    struct drift_err err;
    const struct drift_pair *wm = drift_pairs_find(&r->slot.now, "wm");
    for (int c = 0; wm && c < CHAINS; c++) {
        struct drift_chain *chain = &r->chain[c];
        int64_t last = chain->n_judged ? chain->judged[chain->n_judged - 1].start_ms : -1;
        for (int64_t start = 0; start < STARTS * WINDOW; start = end_of(start)) {
            char name[64];
            snprintf(name, sizeof name, "b:%s:%" PRId64 ":", keys[c], start);
            const struct drift_pair *f = drift_pairs_find(&r->slot.now, name);
            if (start <= last || !f || atoll(wm->value) < close_of(start))
                continue;
            ck_assert_int_eq(drift_blob_head(f->value, f->len, &head, &err), 0);
            pairs_set(&r->judged, name, f->value, f->len);
            char *json = drift_xasprintf("{\"kind\":\"ok\",\"end\":%" PRId64 ",\"ms\":1,\"parts\":{\"t/%" PRId32
                                         "\":[%" PRIu64 ",0]}}",
                                         end_of(start), r->number, head.n);
            chain->judged = drift_xrealloc(chain->judged, chain->n_judged + 1, sizeof *chain->judged);
            ck_assert_int_eq(drift_judged_parse(json, strlen(json), start, &chain->judged[chain->n_judged++], &err), 0);
            free(json);
        }
    }
}

static void count(struct run *r, size_t i)
{
    char id[16];
    const struct event *e = &r->log->e[i];
    struct drift_event ev = {.time_ms = e->time_ms, .score = {.kind = DRIFT_V_NUM, .num = .125 + .25 * e->cell}};
    ev.id = (struct drift_str){id, (size_t)snprintf(id, sizeof id, "id-%d", e->id)};
    if (e->future)
        drift_partition_refuse(r->p, -1, DRIFT_REASON_FUTURE);
    else
        (void)drift_partition_count(r->p, (size_t)e->chain, &ev);
    drift_partition_pass(r->p, (int64_t)i, e->future ? INT64_MIN : e->time_ms);
}

/* Anything that may happen between two records. */
static void disturb(struct run *r, bool advances)
{
    if (chance(r, 9))
        flush(r);
    if (chance(r, 25))
        acquire(r);                     /* dies */
    if (r->late.next && chance(r, 9)) { /* far too late: another head is there */
        ck_assert_int_ne(apply(&r->slot, &r->late), DRIFT_REPLY_OK);
        request_free(&r->late);
    }
    if (chance(r, 12))
        snapshot(&r->slot);
    if (chance(r, 40)) {
        fail_over(&r->slot);
        request_free(&r->late); /* it was for the old master */
        r->n_failover++;
    }
    if (advances && chance(r, 20)) {
        flush(r);
        advance(r, STEP * (int64_t)drift_rng_below(r->rng, 40));
    }
    if (chance(r, 10))
        judge(r);
}

/* Until everything is counted and what was judged is dropped. */
static void run_log(struct run *r, bool advances)
{
    for (int c = 0; c < CHAINS; c++) {
        drift_chain_init(&r->chain[c], &models[c], DRIFT_CHAIN_INPUT);
        read_plan(&r->chain[c], 1);
    }
    bool changed = false;
    acquire(r);
    for (int quiet = 0; quiet < 3;) {
        size_t i = (size_t)drift_partition_next(r->p);
        if (!changed && i >= r->change_at) {
            for (int c = 0; c < CHAINS; c++) {
                struct drift_chain *chain = &r->chain[c], kept = *chain;
                chain->judged = NULL; /* the headers that the judge wrote stay */
                chain->n_judged = 0;
                read_plan(chain, 2);
                chain->judged = kept.judged;
                chain->n_judged = kept.n_judged;
            }
            changed = true;
        }
        if (i < r->log->n) {
            for (uint64_t n = 1 + drift_rng_below(r->rng, 8); n && i < r->log->n && (changed || i < r->change_at); n--)
                count(r, i++);
            r->end = i > r->end ? i : r->end;
            disturb(r, advances);
            quiet = 0;
        } else {
            judge(r);
            flush(r);
            quiet = drift_partition_next(r->p) == (int64_t)r->log->n && !drift_partition_dirty(r->p, NOW) &&
                            r->base == r->slot.head
                        ? quiet + 1
                        : 0;
        }
    }
}

static void run_free(struct run *r)
{
    drift_partition_free(r->p);
    for (int c = 0; c < CHAINS; c++)
        drift_chain_release(&r->chain[c]);
    drift_pairs_release(&r->slot.now);
    drift_pairs_release(&r->slot.before);
    drift_pairs_release(&r->judged);
    request_free(&r->late);
}

/* The counts of a window: judged and dropped, or still in the slot. */
static const struct drift_pair *blob_of(const struct run *r, int chain, int64_t start)
{
    char name[64];
    snprintf(name, sizeof name, "b:%s:%" PRId64 ":", keys[chain], start);
    const struct drift_pair *f = drift_pairs_find(&r->judged, name);
    return f ? f : drift_pairs_find(&r->slot.now, name);
}

/* The sum over partitions, in any order, against the recounts. */
static void compare_windows(struct drift_rng *rng, struct run *runs, const struct recount *want, size_t n_parts,
                            int round)
{
    for (int c = 0; c < CHAINS; c++)
        for (int64_t start = 0; start < STARTS * WINDOW; start = end_of(start)) {
            const struct drift_layout *l = layouts[start >= change_ms];
            struct drift_summary *sum = drift_summary_new(l);
            struct counts expect = {0};
            struct drift_err err;
            size_t first = drift_rng_below(rng, n_parts), step = chance(&runs[0], 2) ? 1 : n_parts - 1;
            for (size_t k = 0, p = first; k < n_parts; k++, p = (p + step) % n_parts) {
                const struct counts *w = &want[p].window[c][start / WINDOW];
                const struct drift_pair *f = blob_of(&runs[p], c, start);
                if (f)
                    ck_assert_msg(drift_blob_add(f->value, f->len, sum, &err) == 0, "%s", err.text);
                expect.n += w->n;
                for (int i = 0; i < CELLS; i++)
                    expect.cell[i] += w->cell[i];
            }
            ck_assert_msg(sum->n == expect.n, "round %d chain %d window %" PRId64 ": %" PRIu64 " for %" PRIu64, round,
                          c, start, sum->n, expect.n);
            for (int i = 0; i < (start >= change_ms ? 2 : CELLS); i++)
                ck_assert_uint_eq(drift_summary_cells(sum, &l->columns[0])[i], expect.cell[i]);
            drift_summary_free(sum);
        }
}

static void compare_counters(const struct run *r, const struct recount *want, int round)
{
    const struct drift_pairs *s = &r->slot.now;
    for (int c = 0; c < CHAINS; c++) {
        ck_assert_msg(number(s, "late:", keys[c], "") == want->late[c], "round %d: late %" PRId64 " for %" PRId64,
                      round, number(s, "late:", keys[c], ""), want->late[c]);
        ck_assert_int_eq(number(s, "other:", keys[c], ":late_after_idle"), want->idle_late[c]);
        ck_assert_int_eq(number(s, "other:", keys[c], ":duplicate"), want->duplicate[c]);
        ck_assert_int_eq(number(s, "other:", keys[c], ":lost_verdict"), 0);
        ck_assert_int_eq(number(s, "reconciled:", keys[c], ""), 0);
    }
    ck_assert_int_eq(number(s, "other:", "-", ":future"), want->future);
    if (want->wm_ms != INT64_MIN)
        ck_assert_int_eq(number(s, "wm", "", ""), want->wm_ms);
    if (want->log_ms != INT64_MIN)
        ck_assert_int_eq(number(s, "log", "", ""), want->log_ms);
    if (r->log->n)
        ck_assert_int_eq(number(s, "offset", "", ""), (int64_t)r->log->n);
}

/* ---- the two properties ---- */

static struct event draw(struct drift_rng *rng, int64_t at, int64_t disorder)
{
    struct event e = {.time_ms = at - (int64_t)drift_rng_below(rng, (uint64_t)disorder + 1)};
    e.time_ms = e.time_ms < 0 ? 0 : e.time_ms - e.time_ms % STEP;
    e.chain = (int)drift_rng_below(rng, CHAINS);
    e.id = (int)drift_rng_below(rng, IDS);
    e.cell = (int)drift_rng_below(rng, CELLS);
    return e;
}

/* The plan's new entry is known before the first record that it holds for. */
static size_t draw_change(struct drift_rng *rng, const struct log *log)
{
    size_t at = 0;
    while (at < log->n && log->e[at].time_ms < change_ms)
        at++;
    return drift_rng_below(rng, at + 1);
}

static void fill(struct drift_rng *rng, struct log *logs, size_t n_parts, int64_t disorder, bool future)
{
    int64_t at = 0;
    for (int i = 0; i < EVENTS; i++) {
        at += (int64_t)drift_rng_below(rng, 2 * STARTS * WINDOW / EVENTS - 20);
        struct log *l = &logs[drift_rng_below(rng, n_parts)];
        struct event e = draw(rng, at < STARTS * WINDOW - 4000 ? at : STARTS * WINDOW - 4000, disorder);
        e.future = future && !drift_rng_below(rng, 15);
        l->e[l->n++] = e;
    }
}

static struct totals {
    size_t stale, dup, drop, failover, advances, late, idle_late;
} totals;

static void one_round(struct drift_rng *rng, int round, int64_t disorder, bool advances)
{
    size_t n_parts = 1 + drift_rng_below(rng, PARTS);
    struct log *logs = drift_xcalloc(PARTS, sizeof *logs);
    struct run *runs = drift_xcalloc(PARTS, sizeof *runs);
    struct recount *want = drift_xcalloc(PARTS, sizeof *want);
    change_ms = NEXT_WINDOW * (int64_t)(5 + drift_rng_below(rng, 25));
    fill(rng, logs, n_parts, disorder, advances);
    for (size_t p = 0; p < n_parts; p++) {
        struct run *r = &runs[p];
        *r = (struct run){.rng = rng, .log = &logs[p], .number = (int32_t)p, .change_at = draw_change(rng, &logs[p])};
        run_log(r, advances);
        recount(&logs[p], r->adv, r->n_adv, &want[p]);
        compare_counters(r, &want[p], round);
        totals.stale += r->n_stale;
        totals.dup += r->n_dup;
        totals.drop += r->n_drop;
        totals.failover += r->n_failover;
        totals.advances += r->n_adv;
        for (int c = 0; c < CHAINS; c++) {
            totals.late += (size_t)want[p].late[c];
            totals.idle_late += (size_t)want[p].idle_late[c];
        }
    }
    compare_windows(rng, runs, want, n_parts, round);
    for (size_t p = 0; p < n_parts; p++)
        run_free(&runs[p]);
    free(logs);
    free(runs);
    free(want);
}

/* Any order, late records, advances: each log decides for itself, and every way through it the same. */
START_TEST(any_way_the_same_counts)
{
    struct drift_rng rng = drift_rng_new(11);
    totals = (struct totals){0};
    for (int round = 0; round < 150; round++)
        one_round(&rng, round, 6000, true);
    /* the test has seen what it is for */
    ck_assert_uint_gt(totals.stale, 100);
    ck_assert_uint_gt(totals.dup, 100);
    ck_assert_uint_gt(totals.drop, 1000);
    ck_assert_uint_gt(totals.failover, 100);
    ck_assert_uint_gt(totals.advances, 100);
    ck_assert_uint_gt(totals.late, 100);
    ck_assert_uint_gt(totals.idle_late, 20);
}
END_TEST

/* Within lateness nothing is late, so the split over partitions does not matter either. */
START_TEST(any_split_the_same_windows)
{
    struct drift_rng rng = drift_rng_new(12);
    totals = (struct totals){0};
    for (int round = 0; round < 150; round++)
        one_round(&rng, round, NEXT_LATENESS - STEP, false);
    ck_assert_uint_eq(totals.late, 0);
    ck_assert_uint_eq(totals.idle_late, 0);
    ck_assert_uint_gt(totals.drop, 1000);
}
END_TEST

int main(void)
{
    static const double edges[] = {.25, .5, .75}, half[] = {.5};
    Suite *s = suite_create("partition_property");
    for (int i = 0; i < 2; i++)
        layouts[i] = drift_layout_new();
    if (drift_layout_add_numeric(layouts[0], DRIFT_SCORE, "score", edges, 3, false, NULL, 0) ||
        drift_layout_add_numeric(layouts[1], DRIFT_SCORE, "score", half, 1, false, NULL, 0) ||
        drift_layout_seal(layouts[0]) || drift_layout_seal(layouts[1]))
        return 1;
    drift_test_add(s, "any_way_the_same_counts", any_way_the_same_counts, 60);
    drift_test_add(s, "any_split_the_same_windows", any_split_the_same_windows, 60);
    int status = drift_test_run(s);
    drift_layout_free(layouts[0]);
    drift_layout_free(layouts[1]);
    return status;
}
