/* The owner's side of a partition against a plain recount: any batching, flushes and restarts, the same counts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/meter.h"
#include "driftd/internal/ingest/partition.h"
#include "driftd/internal/window/blob.h"
#include "pairs.h"
#include "support.h"

enum { WINDOW = 1000, LATENESS = 1500, EVENTS = 300, WINDOWS = 64 };

static struct drift_model model = {.name = (char *)(uintptr_t) "m/1", .include = (char *)(uintptr_t) "*"};
static struct drift_stream stream = {.name = (char *)(uintptr_t) "s", .score = (char *)(uintptr_t) "score"};
static struct drift_layout *the_layout;

static int layout_of(void *ctx, const struct drift_chain *c, const struct drift_plan_entry *e,
                     struct drift_layout **ret, struct drift_err *err)
{
    (void)ctx, (void)c, (void)e, (void)err;
    *ret = the_layout;
    return 0;
}

static void make_chain(struct drift_chain *c)
{
    struct drift_plan_topic topic = {(char *)(uintptr_t) "t", 1};
    struct drift_plan_entry e = {.from_ms = INT64_MIN,
                                 .baseline_id = (char *)(uintptr_t) "",
                                 .baseline_digest = (char *)(uintptr_t) "",
                                 .config_hash = (char *)(uintptr_t) "",
                                 .window_ms = WINDOW,
                                 .lateness_ms = LATENESS,
                                 .n_topics = 1,
                                 .topics = &topic};
    char *json = drift_plan_entry_json(&e);
    struct drift_pair field = {(char *)(uintptr_t) "plan:0", json, strlen(json)};
    struct drift_err err;
    drift_chain_init(c, &model, DRIFT_CHAIN_INPUT);
    ck_assert_msg(
        drift_chain_update(c, &(struct drift_pairs){1, &field}, &(struct drift_pairs){0}, layout_of, NULL, &err) == 0,
        "%s", err.text);
    free(json);
}

/* A slot as Redis would hold it. */
struct slot {
    struct drift_pairs fields;
};
static void slot_free(struct slot *s)
{
    drift_pairs_release(&s->fields);
}

static void flush(struct drift_partition *p, struct slot *s)
{
    struct drift_flush f;
    size_t bytes;
    drift_partition_prepare(p, 0, &f, &bytes);
    for (size_t i = 0; i < f.n_sets; i++)
        pairs_set(&s->fields, f.sets[i].name, f.sets[i].value, f.sets[i].len);
    for (size_t i = 0; i < f.n_dels; i++)
        pairs_del(&s->fields, f.dels[i]);
    drift_partition_flushed(p);
}

static struct drift_partition *start(struct drift_chain *c, const struct slot *s)
{
    struct drift_partition *p = drift_partition_new(&(struct drift_partition_settings){"t", 0, &stream, 1, &c, 5000});
    struct drift_err err;
    ck_assert_msg(drift_partition_load(p, &s->fields, &err) == 0, "%s", err.text);
    if (drift_partition_next(p) < 0)
        drift_partition_start(p, 0, true);
    return p;
}

static uint64_t blob_count(const struct slot *s, int64_t window)
{
    char name[64];
    struct drift_blob_head head;
    struct drift_err err;
    snprintf(name, sizeof name, "b:m%%2F1:i:%" PRId64 ":", window);
    const struct drift_pair *f = drift_pairs_find(&s->fields, name);
    if (!f)
        return 0;
    ck_assert_int_eq(drift_blob_head(f->value, f->len, &head, &err), 0);
    return head.n;
}

static int64_t number(const struct slot *s, const char *name)
{
    const struct drift_pair *f = drift_pairs_find(&s->fields, name);
    return f ? atoll(f->value) : 0;
}

START_TEST(any_restart_same_counts)
{
    struct drift_rng r = drift_rng_new(1);
    for (int round = 0; round < 300; round++) {
        int64_t times[EVENTS], at = 0, greatest = INT64_MIN;
        uint64_t expect[WINDOWS] = {0}, late = 0;
        struct drift_chain c;
        struct slot s = {0};
        make_chain(&c);
        for (int i = 0; i < EVENTS; i++) { /* mostly forward, some far behind; recounted by the plain rule */
            at += (int64_t)drift_rng_below(&r, 150);
            times[i] = at - (drift_rng_below(&r, 10) ? 0 : (int64_t)drift_rng_below(&r, 5000));
            times[i] = times[i] < 0 ? 0 : times[i];
            int64_t w = times[i] / WINDOW;
            if (greatest != INT64_MIN && greatest >= (w + 1) * WINDOW + LATENESS)
                late++;
            else
                expect[w]++;
            greatest = times[i] > greatest ? times[i] : greatest;
        }
        struct drift_partition *p = start(&c, &s);
        for (int64_t i = drift_partition_next(p); i < EVENTS; i++) {
            struct drift_event ev = {.time_ms = times[i], .score = {.kind = DRIFT_V_NUM, .num = .5}};
            drift_partition_count(p, 0, &ev);
            drift_partition_pass(p, i, ev.time_ms);
            if (!drift_rng_below(&r, 20))
                flush(p, &s);
            if (!drift_rng_below(&r, 30)) { /* dies: what was not flushed is read again */
                drift_partition_free(p);
                p = start(&c, &s);
                i = drift_partition_next(p) - 1;
            }
        }
        flush(p, &s);
        for (int w = 0; w < WINDOWS; w++)
            ck_assert_msg(blob_count(&s, w * WINDOW) == expect[w], "round %d window %d: %" PRIu64 " for %" PRIu64,
                          round, w, blob_count(&s, w * WINDOW), expect[w]);
        ck_assert_int_eq(number(&s, "late:m%2F1:i"), (int64_t)late);
        ck_assert_int_eq(number(&s, "offset"), EVENTS);
        ck_assert_int_eq(number(&s, "wm"), greatest);
        drift_partition_free(p);
        slot_free(&s);
        drift_chain_release(&c);
    }
}
END_TEST

START_TEST(idle_advance_and_drop)
{
    struct drift_chain c;
    struct slot s = {0};
    make_chain(&c);
    struct drift_partition *p = start(&c, &s);
    struct drift_event ev = {.time_ms = 500, .score = {.kind = DRIFT_V_NUM, .num = .5}};
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
    drift_partition_pass(p, 0, 500);
    ck_assert(drift_partition_dirty(p, 0) && !drift_partition_urgent(p));
    ck_assert(!drift_partition_closes(p, 1499) && drift_partition_closes(p, 1500)); /* [-1000, 0) */
    flush(p, &s);
    pairs_set(&s.fields, "adv", "500:9000:1", 10);
    pairs_set(&s.fields, "wm", "9000", 4);
    drift_partition_advanced(p, 9000);
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_LATE_AFTER_IDLE);
    drift_partition_free(p);
    p = start(&c, &s); /* the distinction outlives a restart */
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_LATE_AFTER_IDLE);
    ck_assert_uint_eq(drift_partition_open_windows(p, 0), 0);
    /* the verdict has settled: the blob goes, what it did not share with the verdict is late */
    struct drift_judged j;
    struct drift_err err;
    static const char header[] = "{\"kind\":\"ok\",\"end\":1000,\"ms\":1,\"parts\":{\"t/0\":[3,0]}}";
    ck_assert_int_eq(drift_judged_parse(header, strlen(header), 0, &j, &err), 0);
    c.judged = &j;
    c.n_judged = 1;
    flush(p, &s);
    ck_assert_uint_eq(blob_count(&s, 0), 1); /* now is 0: not older than retain */
    struct drift_flush f;
    size_t bytes;
    ck_assert(drift_partition_dirty(p, 6000));
    drift_partition_prepare(p, 6000, &f, &bytes);
    ck_assert_uint_eq(f.n_dels, 1);
    ck_assert_str_eq(f.dels[0], "b:m%2F1:i:0:");
    ck_assert_uint_eq(drift_partition_refused(p, DRIFT_REASON_LATE), UINT64_MAX - 1); /* 1 - 3, signed */
    drift_partition_flushed(p);
    ck_assert(!drift_partition_dirty(p, 6000));
    drift_partition_free(p);
    slot_free(&s);
    drift_judged_release(&j);
    c.judged = NULL;
    c.n_judged = 0;
    drift_chain_release(&c);
}
END_TEST

static void judge_pane(struct drift_chain *c, int64_t pane, int64_t at_ms)
{
    struct drift_err err;
    char text[96];
    c->judged = drift_xrealloc(c->judged, c->n_judged + 1, sizeof *c->judged);
    snprintf(text, sizeof text, "{\"kind\":\"ok\",\"end\":%lld,\"ms\":%lld,\"parts\":{\"t/0\":[1,0]}}",
             (long long)(pane + WINDOW), (long long)at_ms);
    ck_assert_int_eq(drift_judged_parse(text, strlen(text), pane, &c->judged[c->n_judged++], &err), 0);
}

/* A pane stays until the last verdict about it is older than retain, whichever panes had events. */
START_TEST(panes_stay_for_their_last_window)
{
    struct drift_chain c;
    struct slot s = {0};
    make_chain(&c);
    c.plan.entry[0].span_ms = 4 * WINDOW;
    struct drift_partition *p = start(&c, &s);
    static const int64_t pane[] = {0, 1, 2, 3, 4, 6}; /* one without events */
    for (size_t i = 0; i < 6; i++) {
        struct drift_event ev = {.time_ms = pane[i] * WINDOW + 5, .score = {.kind = DRIFT_V_NUM, .num = .5}};
        ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
        drift_partition_pass(p, (int64_t)i, ev.time_ms);
    }
    drift_partition_pass(p, 6, 20 * WINDOW);
    flush(p, &s);
    for (size_t i = 0; i < 3; i++)
        judge_pane(&c, pane[i] * WINDOW, 1000);
    ck_assert(!drift_partition_dirty(p, 1000000)); /* the verdict of pane 3 is about pane 0, too */
    judge_pane(&c, 3 * WINDOW, 2000);
    ck_assert(!drift_partition_dirty(p, 2000)); /* as old as they get: retain is not over */
    struct drift_flush f;
    size_t bytes;
    ck_assert(drift_partition_dirty(p, 1000000));
    drift_partition_prepare(p, 1000000, &f, &bytes);
    ck_assert_uint_eq(f.n_dels, 1);
    ck_assert_str_eq(f.dels[0], "b:m%2F1:i:0:");
    drift_partition_flushed(p);
    judge_pane(&c, 4 * WINDOW, 3000);
    drift_partition_prepare(p, 1000000, &f, &bytes);
    ck_assert_uint_eq(f.n_dels, 1);
    drift_partition_flushed(p);
    judge_pane(&c, 6 * WINDOW, 4000); /* nothing was in pane 5: the one behind it is the last about panes 2 and 3 */
    drift_partition_prepare(p, 1000000, &f, &bytes);
    ck_assert_uint_eq(f.n_dels, 2);
    drift_partition_flushed(p);
    ck_assert(!drift_partition_dirty(p, 1000000));
    ck_assert_uint_eq(drift_partition_refused(p, DRIFT_REASON_LATE), 0);
    drift_partition_free(p);
    slot_free(&s);
    drift_chain_release(&c);
}
END_TEST

/* What the log decides and what idleness decides stay apart, over several advances and restarts. */
START_TEST(idle_and_log_apart)
{
    struct drift_chain c;
    struct slot s = {0};
    make_chain(&c);
    struct drift_partition *p = start(&c, &s);
    struct drift_event at = {.time_ms = 9000, .score = {.kind = DRIFT_V_NUM, .num = .5}};
    ck_assert_int_eq(drift_partition_count(p, 0, &at), DRIFT_REASON_NONE);
    drift_partition_pass(p, 0, 9000);
    flush(p, &s);
    pairs_set(&s.fields, "adv", "9000:20000:1", 12);
    pairs_set(&s.fields, "wm", "20000", 5);
    drift_partition_advanced(p, 20000);
    at.time_ms = 12000;
    ck_assert_int_eq(drift_partition_count(p, 0, &at), DRIFT_REASON_LATE_AFTER_IDLE);
    drift_partition_pass(p, 1, 12000);
    flush(p, &s);
    pairs_set(&s.fields, "adv", "20000:30000:2", 13);
    pairs_set(&s.fields, "wm", "30000", 5);
    drift_partition_advanced(p, 30000);
    for (int again = 0; again < 2; again++) {
        at.time_ms = 7000; /* closed by the log's 12000 */
        ck_assert_int_eq(drift_partition_count(p, 0, &at), DRIFT_REASON_LATE);
        at.time_ms = 11000; /* not by the log */
        ck_assert_int_eq(drift_partition_count(p, 0, &at), DRIFT_REASON_LATE_AFTER_IDLE);
        at.time_ms = 25000;
        ck_assert_int_eq(drift_partition_count(p, 0, &at), DRIFT_REASON_LATE_AFTER_IDLE);
        drift_partition_free(p);
        p = start(&c, &s);
    }
    drift_partition_free(p);
    slot_free(&s);
    drift_chain_release(&c);
}
END_TEST

/* The baseline that a window was counted with is gone: its records stay records, and the partition goes on. */
START_TEST(other_cells)
{
    struct drift_layout *counted = the_layout, *bare = drift_layout_new();
    struct drift_chain c;
    struct slot s = {0};
    struct drift_blob_head head;
    struct drift_err err;
    ck_assert_int_eq(drift_layout_seal(bare), 0);
    make_chain(&c);
    struct drift_partition *p = start(&c, &s);
    struct drift_event ev = {.time_ms = 500, .score = {.kind = DRIFT_V_NUM, .num = .5}};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
        drift_partition_pass(p, i, 500);
    }
    flush(p, &s);
    drift_partition_free(p);
    drift_chain_release(&c);
    the_layout = bare;
    make_chain(&c);
    p = start(&c, &s);
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
    drift_partition_pass(p, 3, 500);
    flush(p, &s);
    const struct drift_pair *f = drift_pairs_find(&s.fields, "b:m%2F1:i:0:");
    ck_assert(f && drift_blob_head(f->value, f->len, &head, &err) == 0);
    ck_assert_uint_eq(head.n, 4);
    ck_assert(head.partial);
    drift_partition_free(p);
    slot_free(&s);
    drift_chain_release(&c);
    the_layout = counted;
    drift_layout_free(bare);
}
END_TEST

/* Whoever can write to Redis can write anything: refused or used, never a crash, never a wrong sum. */
START_TEST(hostile_slot)
{
    static const char *const bad[][2] = {
        {"offset", "-1"},
        {"offset", "x"},
        {"offset", "99999999999999999999"},
        {"wm", ""},
        {"wm", "1e3"},
        {"b:m%2F1:i:0:", "junk"},
        {"b:m%2F1:i:9223372036854775807:", NULL},
        {"b:m%2F1:i:-9223372036854775808:", NULL},
        {"b:m%2F1:i:1:", NULL},
        {"b:m%2F1:i::", NULL},
        {"b:m%2F1:i:x:", NULL},
    };
    static const char *const odd[][2] = {
        {"wm", "9223372036854775807"},
        {"log", "9223372036854775807"},
        {"log", "x"},
        {"partial", "9223372036854775807"},
        {"gone:m%2F1:i", "9223372036854775807"},
        {"gone:m%2F1:i", "-9223372036854775808"},
        {"late:m%2F1:i", "9223372036854775807"},
        {"late:m%2F1:i", "-9223372036854775808"},
        {"other:-:future", "9223372036854775807"},
        {"adv", ":::"},
        {"b:other:i:0:", "junk"},
        {"b:m%2F1:i", "junk"},
        {"", ""},
        {"b:", ""},
    };
    struct drift_chain c;
    struct drift_err err;
    struct drift_buf blob;
    make_chain(&c);
    struct drift_summary *sum = drift_summary_new(the_layout);
    drift_buf_init(&blob, 1 << 20);
    drift_blob_save(sum, 0, false, &blob);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct slot s = {0};
        pairs_set(&s.fields, bad[i][0], bad[i][1] ? bad[i][1] : blob.data, bad[i][1] ? strlen(bad[i][1]) : blob.len);
        struct drift_partition *p = drift_partition_new(
            &(struct drift_partition_settings){"t", 0, &stream, 1, (struct drift_chain *[]){&c}, 5000});
        ck_assert_msg(drift_partition_load(p, &s.fields, &err) != 0, "%s=%s", bad[i][0], bad[i][1]);
        ck_assert(err.text[0] != 0);
        drift_partition_free(p);
        slot_free(&s);
    }
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct slot s = {0};
        pairs_set(&s.fields, odd[i][0], odd[i][1], strlen(odd[i][1]));
        struct drift_partition *p = start(&c, &s);
        for (int64_t t = 0; t < 20000; t += 700) {
            struct drift_event ev = {.time_ms = t, .score = {.kind = DRIFT_V_NUM, .num = .5}};
            (void)drift_partition_count(p, 0, &ev);
            drift_partition_refuse(p, -1, DRIFT_REASON_FUTURE);
            drift_partition_refuse(p, 0, DRIFT_REASON_LATE);
            drift_partition_pass(p, t, t);
            (void)drift_partition_closes(p, t);
            flush(p, &s);
        }
        (void)drift_partition_refused(p, DRIFT_REASON_LATE);
        drift_partition_free(p);
        slot_free(&s);
    }
    drift_summary_free(sum);
    drift_buf_release(&blob);
    drift_chain_release(&c);
}
END_TEST

static void event_at(struct drift_partition *p, int64_t offset, int64_t time_ms)
{
    struct drift_event ev = {.time_ms = time_ms, .score = {.kind = DRIFT_V_NUM, .num = .5}};
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
    drift_partition_pass(p, offset, time_ms);
}

/* Windows pile up until max_open; only a newest window waits, and never for the partition's own watermark. */
START_TEST(full_of_unjudged_windows)
{
    struct drift_chain c;
    struct slot s = {0};
    int64_t first, close;
    make_chain(&c);
    model.max_open = 6;
    struct drift_partition *p = start(&c, &s);
    for (int64_t i = 0; i < 6; i++) {
        ck_assert(!drift_partition_full(p, 0, 2 * i * WINDOW));
        event_at(p, i, 2 * i * WINDOW);
    }
    ck_assert_uint_eq(drift_partition_unjudged(p, 0, &first, &close), 6);
    ck_assert_int_eq(first, 0);
    ck_assert_int_eq(close, WINDOW + LATENESS);
    ck_assert(drift_partition_full(p, 0, 11 * WINDOW));        /* a newer one */
    ck_assert(!drift_partition_full(p, 0, 10 * WINDOW + 999)); /* the newest itself */
    ck_assert(!drift_partition_full(p, 0, 9 * WINDOW));        /* an older one, not open yet */
    ck_assert(!drift_partition_full(p, 0, 0));                 /* late */
    ck_assert(!drift_partition_relieved(p, 0));
    flush(p, &s);
    drift_partition_free(p);
    p = start(&c, &s); /* another owner counts the same ones */
    ck_assert(drift_partition_full(p, 0, 11 * WINDOW));
    c.judged_until_ms = 5 * WINDOW; /* three of six */
    ck_assert(!drift_partition_full(p, 0, 11 * WINDOW));
    ck_assert(drift_partition_relieved(p, 0));
    /* what holds open windows is its own watermark: it must go on, however small the limit */
    model.max_open = 2;
    c.judged_until_ms = 8 * WINDOW;
    ck_assert_uint_eq(drift_partition_unjudged(p, 0, &first, &close), 2);
    ck_assert_int_gt(close, drift_partition_watermark(p));
    ck_assert(!drift_partition_full(p, 0, 11 * WINDOW));
    model.max_open = 0;
    c.judged_until_ms = INT64_MIN;
    ck_assert(!drift_partition_full(p, 0, 11 * WINDOW));
    drift_partition_free(p);
    slot_free(&s);
    drift_chain_release(&c);
}
END_TEST

/* Why a partition is not read stands in its slot as long as it holds, and whoever takes over removes it. */
START_TEST(waiting_is_in_the_slot)
{
    struct drift_chain c;
    struct slot s = {0};
    make_chain(&c);
    struct drift_partition *p = start(&c, &s);
    flush(p, &s);
    ck_assert(!drift_partition_dirty(p, 0));
    drift_partition_wait(p, NULL);
    ck_assert(!drift_partition_dirty(p, 0));
    drift_partition_wait(p, "for a schema");
    ck_assert(drift_partition_dirty(p, 0));
    flush(p, &s);
    ck_assert_str_eq(drift_pairs_find(&s.fields, "waits")->value, "for a schema");
    drift_partition_wait(p, "for a schema");
    ck_assert(!drift_partition_dirty(p, 0));
    drift_partition_free(p);
    p = start(&c, &s);
    ck_assert(drift_partition_dirty(p, 0));
    flush(p, &s);
    ck_assert_ptr_null(drift_pairs_find(&s.fields, "waits"));
    drift_partition_free(p);
    slot_free(&s);
    drift_chain_release(&c);
}
END_TEST

/* Thousands of windows: memory for the open ones only, and closed ones go when their verdicts have settled. */
START_TEST(many_windows)
{
    struct drift_chain c;
    struct slot s = {0};
    make_chain(&c);
    struct drift_partition *p = start(&c, &s);
    for (int64_t w = 0; w < 3000; w++) {
        struct drift_event ev = {.time_ms = w * WINDOW, .score = {.kind = DRIFT_V_NUM, .num = .5}};
        ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
        drift_partition_pass(p, w, ev.time_ms);
        flush(p, &s);
        ck_assert_uint_le(drift_partition_open_windows(p, 0), 3);
    }
    c.judged = calloc(3000, sizeof *c.judged);
    for (int64_t w = 0; w < 2990; w++) {
        struct drift_err err;
        static const char header[] = "{\"kind\":\"ok\",\"end\":%" PRId64 ",\"ms\":1,\"parts\":{\"t/0\":[1,0]}}";
        char *json = drift_xasprintf(header, (w + 1) * WINDOW);
        ck_assert_int_eq(drift_judged_parse(json, strlen(json), w * WINDOW, &c.judged[c.n_judged++], &err), 0);
        free(json);
    }
    struct drift_flush f;
    size_t bytes;
    ck_assert(drift_partition_dirty(p, 10000));
    drift_partition_prepare(p, 10000, &f, &bytes);
    ck_assert_uint_eq(f.n_dels, 2990);
    for (size_t i = 0; i < f.n_dels; i++)
        pairs_del(&s.fields, f.dels[i]);
    for (size_t i = 0; i < f.n_sets; i++)
        pairs_set(&s.fields, f.sets[i].name, f.sets[i].value, f.sets[i].len);
    drift_partition_flushed(p);
    ck_assert(!drift_partition_dirty(p, 10000));
    ck_assert_int_eq(number(&s, "gone:m%2F1:i"), 2990 * WINDOW);
    ck_assert_ptr_null(drift_pairs_find(&s.fields, "reconciled:m%2F1:i"));
    ck_assert_ptr_null(drift_pairs_find(&s.fields, "late:m%2F1:i"));
    drift_partition_free(p);
    slot_free(&s);
    drift_chain_release(&c);
}
END_TEST

START_TEST(partial_after_loss)
{
    struct drift_chain c;
    struct slot s = {0};
    struct drift_blob_head head;
    struct drift_err err;
    make_chain(&c);
    struct drift_partition *p = start(&c, &s);
    drift_partition_start(p, 100, false); /* the log no longer has what was next */
    for (int64_t t = 1500; t < 4000; t += 500) {
        struct drift_event ev = {.time_ms = t, .score = {.kind = DRIFT_V_NUM, .num = .5}};
        ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
        drift_partition_pass(p, 100 + t, t);
    }
    flush(p, &s);
    for (int64_t w = 1000; w < 4000; w += 1000) {
        char name[64];
        snprintf(name, sizeof name, "b:m%%2F1:i:%" PRId64 ":", w);
        const struct drift_pair *f = drift_pairs_find(&s.fields, name);
        ck_assert(f && drift_blob_head(f->value, f->len, &head, &err) == 0);
        ck_assert_msg(head.partial == (w == 1000), "window %" PRId64, w);
    }
    ck_assert_int_eq(number(&s, "partial"), 1500);
    ck_assert_int_eq(number(&s, "partial_from"), INT64_MIN);
    /* again: what was open may lack records, however far ahead; it lasts until a record comes, over restarts too */
    drift_partition_start(p, 9000, false);
    flush(p, &s);
    ck_assert_int_eq(number(&s, "partial_from"), INT64_MIN); /* the first loss is not judged yet */
    c.judged_until_ms = 2000;
    drift_partition_start(p, 9000, false);
    ck_assert_int_eq(number(&s, "partial_from"), INT64_MIN);
    drift_partition_free(p);
    p = start(&c, &s);
    event_at(p, 9000, 3200);
    event_at(p, 9001, 5000);
    flush(p, &s);
    ck_assert_int_eq(number(&s, "partial"), 3200);
    for (int64_t w = 2000; w < 6000; w += 1000) {
        char name[64];
        snprintf(name, sizeof name, "b:m%%2F1:i:%" PRId64 ":", w);
        const struct drift_pair *f = drift_pairs_find(&s.fields, name);
        ck_assert_msg(!f == (w == 4000), "window %" PRId64, w);
        ck_assert(!f || drift_blob_head(f->value, f->len, &head, &err) == 0);
        ck_assert_msg(!f || head.partial == (w < 4000), "window %" PRId64, w);
    }
    c.judged_until_ms = 4000;
    drift_partition_start(p, 9100, false);
    flush(p, &s);
    ck_assert_int_eq(number(&s, "partial_from"), 5000);
    drift_partition_free(p);
    slot_free(&s);
    drift_chain_release(&c);
}
END_TEST

/* How late, apart by what closed the window, is how much more lateness would have counted it. */
START_TEST(how_late)
{
    struct drift_chain c;
    struct slot s = {0};
    struct drift_buf out;
    drift_meter_reset();
    make_chain(&c);
    struct drift_partition *p = start(&c, &s);
    event_at(p, 0, 2500 + 10000); /* closes [0, 1000) by 10 s to the millisecond */
    struct drift_event ev = {.time_ms = 0, .score = {.kind = DRIFT_V_NUM, .num = .5}};
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_LATE);
    drift_partition_advanced(p, 100000);
    ev.time_ms = 13000;
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_LATE_AFTER_IDLE);
    drift_buf_init(&out, 1 << 20);
    drift_meter_render(&out);
#define BY(reason) "{model=\"m/1\",chain=\"input\",reason=\"" reason "\"} "
    ck_assert_ptr_nonnull(strstr(out.data, "driftd_event_late_seconds_sum" BY("late") "10\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "driftd_event_late_seconds_count" BY("late") "1\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "driftd_event_late_seconds_sum" BY("late_after_idle") "84.5\n"));
#undef BY
    drift_buf_release(&out);
    drift_partition_free(p);
    slot_free(&s);
    drift_chain_release(&c);
}
END_TEST

static struct drift_judged verdict(int64_t start, const char *kind, int n)
{
    struct drift_judged j;
    struct drift_err err;
    char *json = drift_xasprintf("{\"kind\":\"%s\",\"end\":%" PRId64 ",\"ms\":1,\"parts\":{\"t/0\":[%d,0]}}", kind,
                                 start + WINDOW, n);
    ck_assert_int_eq(drift_judged_parse(json, strlen(json), start, &j, &err), 0);
    free(json);
    return j;
}

/* The verdicts of two windows were lost with the counts of other partitions; the second alone was judged again. */
START_TEST(passed_over_by_the_chain)
{
    struct drift_chain c;
    struct slot s = {0};
    make_chain(&c);
    struct drift_partition *p = start(&c, &s);
    for (int64_t t = 0; t < 6000; t += 1000) {
        struct drift_event ev = {.time_ms = t, .score = {.kind = DRIFT_V_NUM, .num = .5}};
        ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
        drift_partition_pass(p, t / 1000, t);
    }
    flush(p, &s);
    c.judged = calloc(1, sizeof *c.judged);
    c.judged[c.n_judged++] = verdict(1000, "lost", 0);
    struct drift_flush f;
    size_t bytes;
    ck_assert(drift_partition_dirty(p, 10000));
    drift_partition_prepare(p, 10000, &f, &bytes);
    ck_assert_uint_eq(f.n_dels, 2);
    drift_partition_flushed(p);
    ck_assert_uint_eq(drift_partition_refused(p, DRIFT_REASON_LOST_VERDICT), 2);
    ck_assert_uint_eq(drift_partition_refused(p, DRIFT_REASON_LATE), 0);
    drift_partition_free(p);
    slot_free(&s);
    drift_chain_release(&c);
}
END_TEST

/* Read again after its slot was lost: the verdict is old when the window closes here, so it goes with its memory. */
START_TEST(dropped_while_in_memory)
{
    struct drift_chain c;
    struct slot s = {0};
    make_chain(&c);
    c.judged = calloc(1, sizeof *c.judged);
    c.judged[c.n_judged++] = verdict(0, "ok", 1);
    struct drift_partition *p = start(&c, &s);
    struct drift_event ev = {.time_ms = 500, .score = {.kind = DRIFT_V_NUM, .num = .5}};
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
    drift_partition_pass(p, 0, 500);
    flush(p, &s);
    ck_assert_uint_eq(drift_partition_open_windows(p, 0), 1);
    drift_partition_pass(p, 1, 9000);
    struct drift_flush f;
    size_t bytes;
    drift_partition_prepare(p, 10000, &f, &bytes);
    ck_assert_uint_eq(f.n_dels, 1);
    drift_partition_flushed(p);
    ck_assert_uint_eq(drift_partition_open_windows(p, 0), 0);
    drift_partition_free(p);
    slot_free(&s);
    drift_chain_release(&c);
}
END_TEST

int main(void)
{
    static const double edges[] = {.25, .5, .75};
    Suite *s = suite_create("partition");
    the_layout = drift_layout_new();
    if (drift_layout_add_numeric(the_layout, DRIFT_SCORE, "score", edges, 3, false, NULL, 0) ||
        drift_layout_seal(the_layout))
        return 1;
    drift_test_add(s, "any_restart_same_counts", any_restart_same_counts, 60);
    drift_test_add(s, "panes_stay_for_their_last_window", panes_stay_for_their_last_window, 10);
    drift_test_add(s, "idle_advance_and_drop", idle_advance_and_drop, 10);
    drift_test_add(s, "how_late", how_late, 10);
    drift_test_add(s, "idle_and_log_apart", idle_and_log_apart, 10);
    drift_test_add(s, "other_cells", other_cells, 10);
    drift_test_add(s, "hostile_slot", hostile_slot, 10);
    drift_test_add(s, "full_of_unjudged_windows", full_of_unjudged_windows, 10);
    drift_test_add(s, "waiting_is_in_the_slot", waiting_is_in_the_slot, 10);
    drift_test_add(s, "many_windows", many_windows, 60);
    drift_test_add(s, "partial_after_loss", partial_after_loss, 10);
    drift_test_add(s, "passed_over_by_the_chain", passed_over_by_the_chain, 10);
    drift_test_add(s, "dropped_while_in_memory", dropped_while_in_memory, 10);
    int status = drift_test_run(s);
    drift_layout_free(the_layout);
    return status;
}
