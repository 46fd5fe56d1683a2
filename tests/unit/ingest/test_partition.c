/* The owner's side of a partition against a plain recount: any batching, flushes and restarts, the same counts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/ingest/partition.h"
#include "driftd/internal/window/blob.h"
#include "support.h"

enum { WINDOW = 1000, LATENESS = 1500, EVENTS = 300, WINDOWS = 64 };

static struct drift_model model = {.name = (char *)(uintptr_t)"m/1", .include = (char *)(uintptr_t)"*"};
static struct drift_stream stream = {.name = (char *)(uintptr_t)"s", .score = (char *)(uintptr_t)"score"};
static struct drift_layout *the_layout;

static int layout_of(void *ctx, const struct drift_chain *c, const struct drift_plan_entry *e, struct drift_layout **ret, struct drift_err *err)
{
    (void)ctx, (void)c, (void)e, (void)err;
    *ret = the_layout;
    return 0;
}

static void make_chain(struct drift_chain *c)
{
    struct drift_plan_topic topic = {(char *)(uintptr_t)"t", 1};
    struct drift_plan_entry e = {.from_ms = INT64_MIN, .baseline_id = (char *)(uintptr_t)"", .baseline_digest = (char *)(uintptr_t)"",
                                 .config_hash = (char *)(uintptr_t)"", .window_ms = WINDOW, .lateness_ms = LATENESS, .n_topics = 1, .topics = &topic};
    char *json = drift_plan_entry_json(&e);
    struct drift_pair field = {(char *)(uintptr_t)"plan:0", json, strlen(json)};
    struct drift_err err;
    drift_chain_init(c, &model, DRIFT_CHAIN_INPUT);
    ck_assert_msg(drift_chain_update(c, &(struct drift_pairs){1, &field}, layout_of, NULL, &err) == 0, "%s", err.text);
    free(json);
}

/* A slot as Redis would hold it. */
struct slot {
    struct drift_pairs fields;
};
static void slot_set(struct slot *s, const char *name, const char *value, size_t len)
{
    struct drift_pair *f = NULL;
    for (size_t i = 0; i < s->fields.n; i++)
        if (!strcmp(s->fields.pair[i].name, name))
            f = &s->fields.pair[i];
    if (!f) {
        s->fields.pair = realloc(s->fields.pair, (s->fields.n + 1) * sizeof *f);
        f = &s->fields.pair[s->fields.n++];
        f->name = strdup(name);
        f->value = NULL;
    }
    free(f->value);
    f->value = malloc(len + 1);
    memcpy(f->value, value, len);
    f->value[len] = 0;
    f->len = len;
}
static void slot_del(struct slot *s, const char *name)
{
    for (size_t i = 0; i < s->fields.n; i++)
        if (!strcmp(s->fields.pair[i].name, name)) {
            free(s->fields.pair[i].name);
            free(s->fields.pair[i].value);
            s->fields.pair[i] = s->fields.pair[--s->fields.n];
            return;
        }
}
static void slot_free(struct slot *s)
{
    while (s->fields.n)
        slot_del(s, s->fields.pair[0].name);
    free(s->fields.pair);
}

static void flush(struct drift_partition *p, struct slot *s)
{
    struct drift_flush f;
    size_t bytes;
    drift_partition_prepare(p, 0, &f, &bytes);
    for (size_t i = 0; i < f.n_sets; i++)
        slot_set(s, f.sets[i].name, f.sets[i].value, f.sets[i].len);
    for (size_t i = 0; i < f.n_dels; i++)
        slot_del(s, f.dels[i]);
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
            ck_assert_msg(blob_count(&s, w * WINDOW) == expect[w], "round %d window %d: %" PRIu64 " for %" PRIu64, round, w, blob_count(&s, w * WINDOW), expect[w]);
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
    slot_set(&s, "adv", "500:9000:1", 10);
    slot_set(&s, "wm", "9000", 4);
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
    if (drift_layout_add_numeric(the_layout, DRIFT_SCORE, "score", edges, 3, false, NULL, 0) || drift_layout_seal(the_layout))
        return 1;
    drift_test_add(s, "any_restart_same_counts", any_restart_same_counts, 60);
    drift_test_add(s, "idle_advance_and_drop", idle_advance_and_drop, 10);
    drift_test_add(s, "partial_after_loss", partial_after_loss, 10);
    int status = drift_test_run(s);
    drift_layout_free(the_layout);
    return status;
}
