/* tests/unit/judge/test_judge.c    The judge on a real redis-server: what it waits for, what it writes, and that two of
 *                                   them write one verdict. */
#include "world.h"

#include "../store/server.h"
#include "driftd/internal/base/clock.h"
#include "driftd/internal/base/hash.h"
#include "driftd/internal/base/meter.h"
#include "driftd/internal/baseline/baseline.h"
#include "driftd/internal/judge/judge.h"
#include "driftd/internal/window/blob.h"

enum { PARTITIONS = 2, MIN = 60000, WINDOW = 5 * MIN };
static const int64_t T0 = INT64_C(1706709600000); /* 2024-01-31T14:00:00Z */
static const struct drift_chain_id chain = {"phish-url", DRIFT_CHAIN_INPUT};

static struct server server;
static struct drift_store *store;
static struct drift_config *config;
static struct drift_baseline *baseline;
static struct drift_judge *judge;
static char slot_head[PARTITIONS][DRIFT_HEAD];
static struct drift_err err;

/* what the callback saw last */
static struct drift_verdict seen;
static size_t n_seen, n_actions;
static enum drift_severity worst;
static void judged(void *ctx, const char *model, const struct drift_verdict *v, enum drift_severity w, size_t n)
{
    (void)ctx;
    ck_assert_str_eq(model, "phish-url");
    seen = *v;
    worst = w;
    n_actions = n;
    n_seen++;
}

/* ---- making a world ---- */

static struct drift_layout *new_layout(bool wide)
{
    static const double edges[] = {1, 2, 3};
    static const char *const classes[] = {"allow", "block"};
    struct drift_layout *l = drift_layout_new();
    ok(drift_layout_add_numeric(l, DRIFT_FEATURE, "url_length", edges, wide ? 3 : 2, false, NULL, 0));
    ok(drift_layout_add_categorical(l, DRIFT_DECISION, "decision", classes, 2, NULL, 0));
    ok(drift_layout_seal(l));
    return l;
}

static struct drift_summary *counts_of(const struct drift_layout *l, uint64_t n, double low)
{
    struct drift_summary *s = drift_summary_new(l);
    s->n = n;
    uint64_t *x = s->counts + l->columns[0].first + DRIFT_N_SPECIAL,
             *d = s->counts + l->columns[1].first + DRIFT_N_SPECIAL;
    x[0] = (uint64_t)((double)n * low);
    x[1] = n - x[0];
    d[0] = n - n / 10;
    d[1] = n / 10;
    return s;
}

static void make_baseline(void)
{
    struct drift_buf b;
    baseline = drift_xcalloc(1, sizeof *baseline);
    baseline->id = drift_xstrdup("b-1");
    baseline->model = drift_xstrdup("phish-url");
    baseline->meta = drift_xstrdup("{\"id\":\"b-1\",\"model\":\"phish-url\",\"created_ms\":1}");
    struct drift_baseline_chain *c = &baseline->chain[DRIFT_CHAIN_INPUT], *l = &baseline->chain[DRIFT_CHAIN_LABEL];
    c->layout = new_layout(false);
    c->pooled = counts_of(c->layout, 10000, .5);
    c->window_ms = WINDOW;
    c->n_windows = 10;
    c->windows = drift_xcalloc(10, sizeof *c->windows);
    for (int i = 0; i < 10; i++)
        c->windows[i] = (struct drift_baseline_window){i * (int64_t)WINDOW, counts_of(c->layout, 1000, .5)};
    l->layout = drift_layout_new();
    ok(drift_layout_seal(l->layout));
    l->pooled = drift_summary_new(l->layout);
    drift_buf_init(&b, 1 << 20);
    ok(drift_baseline_save(baseline, &b, &err));
    ok(drift_store_baseline_put(store, "phish-url", "b-1", baseline->meta, b.data, b.len, &err));
    drift_buf_release(&b);
}

static struct drift_plan_topic topics[] = {{(char *)"scores", PARTITIONS}};
static struct drift_plan_entry entry_of(uint32_t seq, int64_t from_ms, const struct drift_config *c, bool with_baseline)
{
    return (struct drift_plan_entry){.seq = seq,
                                     .from_ms = from_ms,
                                     .baseline_id = (char *)(with_baseline ? "b-1" : ""),
                                     .baseline_digest = with_baseline ? baseline->digest : (char *)"",
                                     .config_hash = (char *)c->hash,
                                     .window_ms = WINDOW,
                                     .lateness_ms = MIN,
                                     .n_topics = 1,
                                     .topics = topics};
}

static void start_chain(struct drift_chain_id id, const struct drift_plan_entry *e, const struct drift_config *c)
{
    struct drift_pair f[2];
    enum drift_reply r;
    drift_judge_plan_fields(e, c, f);
    ok(drift_store_model_init(store, id, head(1), f, 2, &r, &err));
    ck_assert_int_eq(r, DRIFT_REPLY_OK);
    for (int i = 0; i < 2; i++) {
        free(f[i].name);
        free(f[i].value);
    }
}

static void start(bool with_baseline)
{
    struct drift_plan_entry e = entry_of(0, INT64_MIN, config, with_baseline);
    start_chain(chain, &e, config);
}

/* Writes into a partition's slot as its owner would: the watermark, and a blob when there is one. */
static void flush(int p, int64_t wm, const char *name, const void *value, size_t len)
{
    char text[24], next[DRIFT_HEAD];
    struct drift_pairs fields;
    struct drift_slot_id id = {"scores", p};
    int64_t now;
    enum drift_reply r;
    if (!*slot_head[p]) {
        drift_random_hex32(slot_head[p]);
        ok(drift_store_acquire(store, id, slot_head[p], "test", &fields, &now, &err));
        drift_pairs_release(&fields);
    }
    snprintf(text, sizeof text, "%lld", (long long)wm);
    struct drift_pair sets[2] = {PAIR("wm", text), {(char *)name, (char *)value, len}};
    drift_random_hex32(next);
    struct drift_flush f = {.prev = slot_head[p], .new_head = next, .n_sets = name ? 2 : 1, .sets = sets};
    ok(drift_store_flush(store, id, &f, &r, &now, &err));
    ck_assert_int_eq(r, DRIFT_REPLY_OK);
    memcpy(slot_head[p], next, sizeof next);
}

static void put(int p, int64_t wm, int64_t window, const struct drift_layout *l, uint64_t n, double low, bool partial)
{
    char name[64];
    struct drift_buf b;
    struct drift_summary *s = l->n_columns ? counts_of(l, n, low) : drift_summary_new(l);
    s->n = n;
    drift_buf_init(&b, 1 << 20);
    drift_blob_save(s, 0, partial, &b);
    snprintf(name, sizeof name, "b:phish-url:i:%lld:", (long long)window);
    flush(p, wm, name, b.data, b.len);
    drift_buf_release(&b);
    drift_summary_free(s);
}
static void wm(int p, int64_t ms)
{
    flush(p, ms, NULL, NULL, 0);
}
static void plan_also(uint32_t seq, int64_t from_ms, const struct drift_config *c)
{
    struct drift_plan_entry e = entry_of(seq, from_ms, c, true);
    struct drift_pair f[2];
    drift_judge_plan_fields(&e, c, f);
    for (int i = 0; i < 2; i++) {
        tell(&server, "HSET %s %s %s", "driftd:{m/g%2F1/phish-url}", f[i].name, f[i].value);
        free(f[i].name);
        free(f[i].value);
    }
}
static const struct drift_layout *usual(void)
{
    return baseline->chain[DRIFT_CHAIN_INPUT].layout;
}
/* A window whole in both partitions, closed. */
static void window(int64_t start_ms, uint64_t n, double low)
{
    put(0, start_ms + WINDOW + MIN, start_ms, usual(), n / 2, low, false);
    put(1, start_ms + WINDOW + MIN, start_ms, usual(), n - n / 2, low, false);
}

static void new_judge(const struct drift_config *c)
{
    struct drift_judge_settings s = {.config = c, .store = store, .judged = judged};
    drift_judge_free(judge);
    judge = NULL;
    ok(drift_judge_new(&s, &judge, &err));
}

static void setup(void)
{
    setenv("DRIFTD_TEST_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1);
    tell(&server, "FLUSHALL");
    config = world_config(config_text);
    store = store_at(server.socket, config->kafka.group);
    memset(slot_head, 0, sizeof slot_head);
    make_baseline();
    new_judge(config);
    n_seen = 0;
}
static void teardown(void)
{
    drift_judge_free(judge);
    judge = NULL;
    drift_baseline_free(baseline);
    drift_store_free(store);
    drift_config_free(config);
}

/* ---- asking ---- */

static char waiting_text[512];
static enum drift_judge_result step_of(struct drift_chain_id id)
{
    enum drift_judge_result r;
    struct drift_buf w;
    drift_buf_init(&w, 500);
    ok(drift_judge_step(judge, id, &r, &w, &err));
    snprintf(waiting_text, sizeof waiting_text, "%s", w.data ? w.data : "");
    drift_buf_release(&w);
    return r;
}
static enum drift_judge_result step(void)
{
    return step_of(chain);
}
#define judges(kind_, n_)                                                                                              \
    do {                                                                                                               \
        ck_assert_int_eq(step(), DRIFT_JUDGE_JUDGED);                                                                  \
        ck_assert_str_eq(drift_verdict_kind_name(seen.kind), drift_verdict_kind_name(DRIFT_VERDICT_##kind_));          \
        ck_assert_uint_eq(seen.n, (n_));                                                                               \
    } while (0)

#define MODEL "driftd:{m/g%%2F1/phish-url}"
static json_t *json_field(const char *suffix, const char *name)
{
    char *key = drift_xasprintf(MODEL "%s", suffix);
    redisReply *r = ask(&server, "HGET %s %s", key, name);
    json_t *j = r->type == REDIS_REPLY_STRING ? json_loadb(r->str, r->len, 0, NULL) : NULL;
    freeReplyObject(r);
    free(key);
    return j;
}
static json_t *body_at(int64_t start_ms)
{
    char name[24];
    snprintf(name, sizeof name, "%lld", (long long)start_ms);
    return json_field(":v", name);
}
static json_t *header_at(int64_t start_ms)
{
    char name[24];
    snprintf(name, sizeof name, "%lld", (long long)start_ms);
    return json_field(":w", name);
}
static const char *str(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "(none)";
}
static long long count_out(void)
{
    return number(&server, "HLEN", "driftd:{m/g%2F1/phish-url}:out");
}

/* ---- tests ---- */

START_TEST(nothing_yet)
{
    ck_assert_int_eq(step(), DRIFT_JUDGE_IDLE); /* no chain */
    start(true);
    ck_assert_int_eq(step(), DRIFT_JUDGE_IDLE); /* no slots */
    wm(0, T0);
    wm(1, T0);
    ck_assert_int_eq(step(), DRIFT_JUDGE_IDLE); /* no counts */
    ck_assert_uint_eq(n_seen, 0);
}
END_TEST

START_TEST(waits_for_everybody)
{
    start(true);
    put(0, T0 + WINDOW + MIN, T0, usual(), 1000, .5, false);
    ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    ck_assert_str_eq(waiting_text,
                     "waits for scores/1, of which nothing has been read yet, needs 2024-01-31T14:06:00Z");
    wm(1, T0 + 2 * MIN);
    ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    ck_assert_str_eq(waiting_text, "waits for scores/1, watermark 14:02:00Z, needs 14:06:00Z");
    wm(1, T0 - WINDOW * INT64_C(1000));
    wm(0, T0 + WINDOW);
    ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    ck_assert_str_eq(waiting_text,
                     "waits for scores/1, watermark 2024-01-28T02:40:00Z, needs 2024-01-31T14:06:00Z, and for 1 more");
    wm(0, T0 + WINDOW + MIN);
    wm(1, T0 + WINDOW + MIN - 1);
    ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    wm(1, T0 + WINDOW + MIN);
    judges(OK, 1000);
    ck_assert_int_eq(step(), DRIFT_JUDGE_IDLE);
}
END_TEST

START_TEST(an_advance_settles_first)
{
    char *text = replaced(config_text, "settle: 0s", "settle: 20s");
    struct drift_config *slow = world_config(text);
    new_judge(slow);
    start(true);
    put(0, T0 + WINDOW + MIN, T0, usual(), 1000, .5, false);
    wm(1, T0);
    char next[DRIFT_HEAD];
    enum drift_reply r;
    int64_t now;
    drift_random_hex32(next);
    struct drift_flush f = {.prev = slot_head[1],
                            .new_head = next,
                            .settle_ms = 20000,
                            .advance = true,
                            .advance_to_ms = T0 + WINDOW + MIN};
    ok(drift_store_flush(store, (struct drift_slot_id){"scores", 1}, &f, &r, &now, &err));
    ck_assert_int_eq(r, DRIFT_REPLY_OK);
    ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    ck_assert_ptr_nonnull(strstr(waiting_text, "waits for scores/1, whose idle advance settles in "));
    new_judge(config); /* nothing to settle */
    judges(OK, 1000);
    drift_config_free(slow);
    free(text);
}
END_TEST

START_TEST(a_verdict_in_full)
{
    start(true);
    window(T0, 1000, .5);
    window(T0 + 2 * (int64_t)WINDOW, 1000, .9);
    judges(OK, 1000);
    ck_assert_uint_eq(n_actions, 0);
    json_t *h = header_at(T0), *b = body_at(T0), *parts = json_object_get(h, "parts");
    ck_assert_str_eq(str(h, "kind"), "ok");
    ck_assert_int_eq(json_integer_value(json_object_get(h, "end")), T0 + WINDOW);
    ck_assert_int_gt(json_integer_value(json_object_get(h, "ms")), 1600000000000);
    ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(parts, "scores/0"), 0)), 500);
    ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(parts, "scores/1"), 0)), 500);
    ck_assert_ptr_null(json_object_get(h, "gap_from"));
    ck_assert_int_eq(json_integer_value(json_array_get(
                         json_object_get(json_object_get(json_object_get(b, "columns"), "url_length"), "cells"), 0)),
                     500);
    ck_assert_str_eq(str(b, "status"), "ok");
    json_decref(h);
    json_decref(b);
    /* the next one has counts after a gap, and fires */
    judges(OK, 1000);
    ck_assert_uint_eq(n_actions, 5); /* ticket, page, would-have, rollback; the status */
    ck_assert_int_eq(worst, DRIFT_SEV_CRITICAL);
    ck_assert_int_eq(count_out(), 5);
    h = header_at(T0 + 2 * (int64_t)WINDOW);
    b = body_at(T0 + 2 * (int64_t)WINDOW);
    ck_assert_int_eq(json_integer_value(json_object_get(h, "gap_from")), T0 + WINDOW);
    ck_assert_str_eq(str(b, "gap_from"), "2024-01-31T14:05:00Z");
    ck_assert_str_eq(str(b, "status"), "degraded");
    ck_assert_uint_eq(json_array_size(json_object_get(b, "actions")), 5);
    /* every entry parses under its endpoint's secret and names itself */
    for (size_t i = 0; i < 5; i++) {
        const char *id = json_string_value(json_array_get(json_object_get(b, "actions"), i));
        char *name = drift_xasprintf("e:%s", id), *secrets[] = {(char *)"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
        redisReply *r = ask(&server, "HGET %s %s", "driftd:{m/g%2F1/phish-url}:out", name);
        struct drift_action a;
        ck_assert_int_eq(r->type, REDIS_REPLY_STRING);
        ok(drift_action_parse(r->str, r->len, secrets, 1, &a, &err));
        ck_assert_str_eq(a.id, id);
        ck_assert_uint_eq(a.seq, i);
        drift_action_release(&a);
        freeReplyObject(r);
        free(name);
    }
    json_decref(h);
    json_decref(b);
    json_t *alerts = json_field("", "alerts"), *status = json_field("", "status");
    ck_assert_str_eq(str(json_object_get(json_object_get(alerts, "rules"), "input-drift"), "phase"), "firing");
    ck_assert_str_eq(str(status, "status"), "degraded");
    json_decref(alerts);
    json_decref(status);
    ck_assert(drift_series_get(drift_series(DRIFT_M_MODEL_STATUS, "phish-url", (char *)NULL)) == 1);
    ck_assert(drift_series_get(drift_series(DRIFT_M_ALERT, "phish-url", "input-drift", (char *)NULL)) == 3);
    ck_assert(drift_series_get(drift_series(DRIFT_M_VERDICTS, "phish-url", "input", "ok", (char *)NULL)) == 2);
    ck_assert(drift_series_get(drift_series(DRIFT_M_MEASURE, "phish-url", "url_length", "psi", (char *)NULL)) > .25);
}
END_TEST

/* Windows that only one of the partitions has counts of, whichever is asked first. */
START_TEST(counts_in_one_partition)
{
    static const struct {
        int partition, window;
    } put_at[] = {
        {0, 0}, {1, 1},  {1, 3},  {0, 4},   {0, 6},   {1, 6},   {1, 7},
        {0, 9}, {0, 10}, {1, 73}, {0, 137}, {1, 202}, {0, 203}, {0, 2000}}; /* beyond what is asked for by name, too */
    enum { N = sizeof put_at / sizeof *put_at };
    int64_t end = T0 + 2001 * (int64_t)WINDOW + MIN;
    start(true);
    for (size_t i = 0; i < N; i++)
        put(put_at[i].partition, end, T0 + put_at[i].window * (int64_t)WINDOW, usual(), 1000, .5, false);
    wm(1, end);
    for (size_t i = 0; i < N; i++) {
        bool both = put_at[i].window == 6;
        judges(OK, both ? 2000 : 1000);
        ck_assert_int_eq(seen.start_ms, T0 + put_at[i].window * (int64_t)WINDOW);
        i += both;
    }
    ck_assert_int_eq(step(), DRIFT_JUDGE_IDLE);
}
END_TEST

START_TEST(held_and_carried)
{
    start(true);
    for (int i = 0; i < 5; i++)
        window(T0 + i * (int64_t)WINDOW, i == 3 ? 90 : 40, .5);
    judges(HELD, 40); /* fewer than 100 */
    json_t *c = json_field("", "carry");
    ck_assert_int_eq(json_integer_value(json_object_get(c, "windows")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(c, "from_ms")), T0);
    json_decref(c);
    judges(HELD, 80);
    ck_assert_uint_eq(seen.carried, 40);
    judges(OK, 120); /* enough */
    ck_assert_uint_eq(seen.carried, 80);
    ck_assert_int_eq(seen.carried_from_ms, T0);
    ck_assert_ptr_null(json_field("", "carry"));
    judges(HELD, 90);
    judges(OK, 130);
    ck_assert_int_eq(seen.carried_from_ms, T0 + 3 * (int64_t)WINDOW);
}
END_TEST

START_TEST(not_carried_for_ever)
{
    start(true);
    for (int i = 0; i < 4; i++)
        window(T0 + i * (int64_t)WINDOW, 10, .5);
    judges(HELD, 10);
    judges(HELD, 20);
    judges(OK, 30); /* max_carry: 2 */
    judges(HELD, 10);
}
END_TEST

START_TEST(partial)
{
    start(true);
    window(T0, 40, .5); /* held: waits for a whole window */
    put(0, T0 + 2 * WINDOW + MIN, T0 + WINDOW, usual(), 500, .9, true);
    put(1, T0 + 2 * WINDOW + MIN, T0 + WINDOW, usual(), 500, .9, false);
    window(T0 + 2 * (int64_t)WINDOW, 500, .5);
    judges(HELD, 40);
    judges(PARTIAL, 1000);
    ck_assert_ptr_null(seen.measures);
    ck_assert_uint_eq(n_actions, 0);
    json_t *h = header_at(T0 + WINDOW);
    ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(json_object_get(h, "parts"), "scores/0"), 0)),
                     500);
    json_decref(h);
    judges(OK, 540);
    ck_assert_uint_eq(seen.carried, 40);
}
END_TEST

START_TEST(excluded)
{
    struct drift_layout *other = new_layout(true);
    start(true);
    put(0, T0 + WINDOW + MIN, T0, usual(), 600, .5, false);
    put(1, T0 + WINDOW + MIN, T0, other, 400, .5, false);
    judges(OK, 600);
    ck_assert_uint_eq(seen.excluded, 400);
    json_t *h = header_at(T0), *p = json_object_get(json_object_get(h, "parts"), "scores/1");
    ck_assert_int_eq(json_integer_value(json_array_get(p, 0)), 0);
    ck_assert_int_eq(json_integer_value(json_array_get(p, 1)), 400);
    json_decref(h);
    drift_layout_free(other);
}
END_TEST

START_TEST(damaged)
{
    char name[64];
    start(true);
    put(0, T0 + WINDOW + MIN, T0, usual(), 600, .9, false);
    snprintf(name, sizeof name, "b:phish-url:i:%lld:", (long long)T0);
    flush(1, T0 + WINDOW + MIN, name, "\1garbage that is long enough to be a blob", 40);
    judges(PARTIAL, 600); /* never measured as if it were whole */
    json_t *b = body_at(T0);
    ck_assert_int_eq(json_integer_value(json_object_get(b, "damaged_partitions")), 1);
    json_decref(b);
    /* counts of a newer driftd are not guessed at */
    snprintf(name, sizeof name, "b:phish-url:i:%lld:", (long long)(T0 + WINDOW));
    flush(1, T0 + 2 * WINDOW + MIN, name,
          "\xff"
          "garbage that is long enough to be a blob",
          40);
    wm(0, T0 + 2 * WINDOW + MIN);
    enum drift_judge_result r;
    fails(drift_judge_step(judge, chain, &r, NULL, &err), DRIFT_E_VERSION);
}
END_TEST

START_TEST(unmonitored)
{
    struct drift_layout *bare = drift_layout_new();
    ok(drift_layout_seal(bare));
    start(false);
    for (int i = 0; i < 2; i++) {
        put(0, T0 + (i + 1) * WINDOW + MIN, T0 + i * WINDOW, bare, 30, .5, false);
        wm(1, T0 + (i + 1) * WINDOW + MIN);
    }
    judges(UNMONITORED, 30); /* not held: nothing would be measured anyway */
    ck_assert_str_eq(seen.unmonitored_why ? "why" : "", "why");
    ck_assert_uint_eq(n_actions, 1);
    json_t *b = body_at(T0), *s = json_field("", "status");
    ck_assert_str_eq(str(b, "unmonitored_why"), "no baseline is active: build one and promote it");
    ck_assert_str_eq(str(s, "status"), "unmonitored");
    json_decref(b);
    json_decref(s);
    judges(UNMONITORED, 30);
    ck_assert_uint_eq(n_actions, 0); /* said once */
    ck_assert_int_eq(count_out(), 1);
    drift_layout_free(bare);
}
END_TEST

START_TEST(learning)
{
    char *text = replaced(config_text, "    status_endpoint:", "    baseline: {learn: 14d}\n    status_endpoint:");
    struct drift_config *learns = world_config(text);
    struct drift_layout *bare = drift_layout_new();
    ok(drift_layout_seal(bare));
    struct drift_plan_entry e = entry_of(0, INT64_MIN, learns, false);
    start_chain(chain, &e, learns);
    put(0, T0 + WINDOW + MIN, T0, bare, 30, .5, false);
    wm(1, T0 + WINDOW + MIN);
    judges(UNMONITORED, 30);
    json_t *b = body_at(T0);
    ck_assert_str_eq(str(b, "unmonitored_why"), "its baseline is still being learned, from 14d of events");
    json_decref(b);
    drift_layout_free(bare);
    drift_config_free(learns);
    free(text);
}
END_TEST

START_TEST(a_baseline_that_is_not_the_plans)
{
    struct drift_plan_entry e = entry_of(0, INT64_MIN, config, true);
    char digest[65];
    memset(digest, 'a', 64);
    digest[64] = 0;
    e.baseline_digest = digest;
    start_chain(chain, &e, config);
    window(T0, 1000, .9);
    judges(UNMONITORED, 0);
    ck_assert_uint_eq(seen.excluded, 1000);
    json_t *b = body_at(T0);
    ck_assert_str_eq(str(b, "unmonitored_why"), "baseline b-1 in redis has other contents than the plan names");
    json_decref(b);
    tell(&server, "DEL driftd:{b/phish-url}:b-1");
    window(T0 + WINDOW, 1000, .9);
    judges(UNMONITORED, 0);
    b = body_at(T0 + WINDOW);
    ck_assert_str_eq(str(b, "unmonitored_why"), "its baseline b-1 is not in redis");
    json_decref(b);
}
END_TEST

START_TEST(labels_without_a_label_baseline)
{
    struct drift_chain_id labels = {"phish-url", DRIFT_CHAIN_LABEL};
    struct drift_layout *bare = drift_layout_new();
    struct drift_buf blob;
    char name[64];
    ok(drift_layout_seal(bare));
    struct drift_summary *s = drift_summary_new(bare);
    struct drift_plan_entry e = entry_of(0, INT64_MIN, config, true);
    start_chain(labels, &e, config);
    s->n = 7;
    drift_buf_init(&blob, 1 << 16);
    drift_blob_save(s, 0, false, &blob);
    snprintf(name, sizeof name, "b:phish-url:l:%lld:", (long long)T0);
    flush(0, T0 + WINDOW + MIN, name, blob.data, blob.len);
    wm(1, T0 + WINDOW + MIN);
    ck_assert_int_eq(step(), DRIFT_JUDGE_IDLE);
    ck_assert_int_eq(step_of(labels), DRIFT_JUDGE_JUDGED);
    ck_assert_int_eq(seen.kind, DRIFT_VERDICT_UNMONITORED);
    ck_assert_int_eq(seen.chain, DRIFT_CHAIN_LABEL);
    ck_assert_uint_eq(seen.n, 7);
    ck_assert_uint_eq(n_actions, 0); /* the model has no label rules: nobody is bothered */
    redisReply *r = ask(&server, "HGET driftd:{m/g%%2F1/phish-url/label}:v %s", "1706709600000");
    ck_assert_ptr_nonnull(strstr(r->str, "its baseline b-1 has no labels"));
    freeReplyObject(r);
    drift_buf_release(&blob);
    drift_summary_free(s);
    drift_layout_free(bare);
}
END_TEST

START_TEST(lost)
{
    start(true);
    window(T0, 1000, .5);
    judges(OK, 1000);
    /* the model's slot goes back to before the verdict; partition 0 has dropped its counts since */
    tell(&server, "HDEL driftd:{m/g%%2F1/phish-url} judged_until alerts");
    tell(&server, "DEL driftd:{m/g%%2F1/phish-url}:w");
    char gone[24];
    snprintf(gone, sizeof gone, "%lld", (long long)(T0 + WINDOW));
    flush(0, T0 + WINDOW + MIN, "gone:phish-url:i", gone, strlen(gone));
    judges(LOST, 0);
    ck_assert_uint_eq(n_actions, 0);
    json_t *h = header_at(T0);
    ck_assert_str_eq(str(h, "kind"), "lost");
    json_decref(h);
    ck_assert_int_eq(step(), DRIFT_JUDGE_IDLE);
}
END_TEST

START_TEST(lost_without_a_trace)
{
    char gone[24], blob[48];
    start(true);
    window(T0, 1000, .5);
    judges(OK, 1000);
    tell(&server, "HDEL driftd:{m/g%%2F1/phish-url} judged_until alerts");
    tell(&server, "DEL driftd:{m/g%%2F1/phish-url}:w");
    snprintf(gone, sizeof gone, "%lld", (long long)(T0 + WINDOW));
    snprintf(blob, sizeof blob, "b:phish-url:i:%lld:", (long long)T0);
    for (int p = 0; p < PARTITIONS; p++) {
        char key[64];
        flush(p, T0 + WINDOW + MIN, "gone:phish-url:i", gone, strlen(gone));
        snprintf(key, sizeof key, "driftd:{p/g%%2F1/scores/%d}", p);
        tell(&server, "HDEL %s %s", key, blob);
    }
    judges(LOST, 0);
    ck_assert_int_eq(seen.start_ms, T0);
    ck_assert_int_eq(step(), DRIFT_JUDGE_IDLE);
    window(T0 + WINDOW, 1000, .5);
    judges(OK, 1000);
}
END_TEST

START_TEST(thresholds_of_the_plan)
{
    /* the current configuration would fire; the one that the plan names does not */
    char *text =
        replaced(config_text, "warning: 0.1, critical: 0.25, recovery: 0.08", "warning: 5, critical: 6, recovery: 4");
    struct drift_config *lax = world_config(text);
    struct drift_plan_entry e = entry_of(0, INT64_MIN, lax, true);
    start_chain(chain, &e, lax);
    window(T0, 1000, .9);
    judges(OK, 1000);
    ck_assert_int_eq(worst, DRIFT_SEV_NONE);
    json_t *b = body_at(T0);
    ck_assert_str_eq(str(json_object_get(b, "config"), "hash"), lax->hash);
    json_decref(b);
    /* a text that is not what its name says is refused */
    char *key = drift_xasprintf("cfg:%s", lax->hash);
    tell(&server, "HSET %s %s %s", "driftd:{m/g%2F1/phish-url}", key, config_text);
    window(T0 + WINDOW, 1000, .9);
    new_judge(config);
    enum drift_judge_result r;
    fails(drift_judge_step(judge, chain, &r, NULL, &err), DRIFT_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.text, "model phish-url, input chain: configuration "));
    free(key);
    drift_config_free(lax);
    free(text);
}
END_TEST

START_TEST(a_rule_taken_out_while_it_fires)
{
    char *text = replaced(config_text, "name: input-drift", "name: other-drift");
    struct drift_config *later = world_config(text);
    start(true);
    window(T0, 1000, .9);
    judges(OK, 1000);
    ck_assert_int_eq(worst, DRIFT_SEV_CRITICAL);
    plan_also(1, T0 + WINDOW, later);
    window(T0 + WINDOW, 1000, .5);
    judges(OK, 1000);
    ck_assert_uint_eq(n_actions, 5); /* four steps hear of the end, and the model is well again */
    json_t *b = body_at(T0 + WINDOW), *alerts = json_field("", "alerts");
    ck_assert_str_eq(str(json_object_get(json_object_get(b, "rules"), "input-drift"), "transition"), "resolved");
    ck_assert_ptr_null(json_object_get(json_object_get(alerts, "rules"), "input-drift"));
    json_decref(b);
    json_decref(alerts);
    drift_config_free(later);
    free(text);
}
END_TEST

/* One baseline, and a plan that goes from no tolerance to one and back: each part has a bank and a state of its own,
 * also for a judge that begins in the middle. */
START_TEST(evidence_of_other_tolerances)
{
    char *text =
        replaced(config_text, "    rules:\n", "    evidence: {false_alarms: 1 per 1000000000 windows}\n    rules:\n");
    char *lax_text = replaced(text, "000 windows}", "000 windows, tolerance: {url_*: .1}}");
    struct drift_config *strict = world_config(text), *lax = world_config(lax_text);
    struct drift_plan_entry first = entry_of(0, INT64_MIN, strict, true);
    double evidence[6];
    char setting[6][33];
    start_chain(chain, &first, strict);
    plan_also(1, T0 + 2 * WINDOW, lax);
    plan_also(2, T0 + 4 * WINDOW, strict);
    for (int i = 0; i < 6; i++) {
        window(T0 + i * WINDOW, 1000, .6); /* psi .04 */
        if (i == 3 || i == 5)
            new_judge(config);
        judges(OK, 1000);
        json_t *b = body_at(T0 + i * WINDOW), *e = json_object_get(b, "evidence"), *state = json_field("", "evidence");
        ck_assert_int_eq(json_is_true(json_object_get(e, "restarted")), i % 2 == 0);
        evidence[i] = json_number_value(json_object_get(e, "evidence"));
        snprintf(setting[i], sizeof setting[i], "%s", str(state, "setting"));
        json_decref(b);
        json_decref(state);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_double_gt(evidence[i], 3 * (i + 1));
        ck_assert_double_eq(evidence[i], evidence[4 + i]);
        ck_assert_double_lt(evidence[2 + i], log(1 + i)); /* R of nothing but lost bets is less than the windows */
        ck_assert_str_eq(setting[i], setting[4 + i]);
        ck_assert_str_ne(setting[i], setting[2 + i]);
    }
    drift_config_free(strict);
    drift_config_free(lax);
    free(text);
    free(lax_text);
}
END_TEST

START_TEST(old_bodies_and_headers_go)
{
    start(true);
    for (int i = 0; i < 5; i++) {
        window(T0 + i * (int64_t)WINDOW, 1000, .5);
        judges(OK, 1000);
    }
    ck_assert_int_eq(number(&server, "HLEN", "driftd:{m/g%2F1/phish-url}:v"), 3); /* keep_verdicts */
    ck_assert_ptr_null(body_at(T0 + WINDOW));
    json_t *h = header_at(T0);
    ck_assert_ptr_nonnull(h); /* nobody has dropped its counts */
    json_decref(h);
    char gone[24];
    snprintf(gone, sizeof gone, "%lld", (long long)(T0 + 2 * WINDOW));
    flush(0, T0 + 5 * WINDOW + MIN, "gone:phish-url:i", gone, strlen(gone));
    new_judge(config); /* another process: looks at its first verdict */
    window(T0 + 5 * (int64_t)WINDOW, 1000, .5);
    judges(OK, 1000);
    h = header_at(T0); /* one partition has, one has not */
    ck_assert_ptr_nonnull(h);
    json_decref(h);
    flush(1, T0 + 6 * WINDOW + MIN, "gone:phish-url:i", gone, strlen(gone));
    window(T0 + 6 * (int64_t)WINDOW, 1000, .5);
    judges(OK, 1000);
    h = header_at(T0); /* looked through a moment ago */
    ck_assert_ptr_nonnull(h);
    json_decref(h);
    new_judge(config);
    window(T0 + 7 * (int64_t)WINDOW, 1000, .5);
    judges(OK, 1000);
    ck_assert_ptr_null(header_at(T0));
    ck_assert_ptr_null(header_at(T0 + WINDOW));
    for (int i = 2; i < 8; i++) {
        h = header_at(T0 + i * (int64_t)WINDOW);
        ck_assert_ptr_nonnull(h);
        json_decref(h);
    }
    /* one that nobody has dropped for a week is not kept for ever; what is not a header is left alone */
    tell(&server, "HSET driftd:{m/g%%2F1/phish-url}:w 1706710200000 %s 1706710500000 %s 1706710800000 %s junk x",
         "{\"end\":1706710500000,\"ms\":1706710200000}", ":", "");
    new_judge(config);
    window(T0 + 8 * (int64_t)WINDOW, 1000, .5);
    judges(OK, 1000);
    ck_assert_str_eq(field(&server, "driftd:{m/g%2F1/phish-url}:w", "1706710200000"), "");
    ck_assert_str_eq(field(&server, "driftd:{m/g%2F1/phish-url}:w", "1706710500000"), ":");
    ck_assert_str_eq(field(&server, "driftd:{m/g%2F1/phish-url}:w", "junk"), "x");
}
END_TEST

/* ---- windows that slide ---- */

static char *dump(const char *suffix);

/* 5 minutes, a verdict every minute. */
static struct drift_config *sliding_config;
static void slide(void)
{
    char *text = replaced(config_text, "size: 5m, lateness: 1m", "size: 5m, every: 1m, lateness: 1m");
    sliding_config = world_config(text);
    free(text);
    struct drift_plan_entry e = entry_of(0, INT64_MIN, sliding_config, true);
    e.window_ms = MIN;
    e.span_ms = WINDOW;
    start_chain(chain, &e, sliding_config);
}
static void stop_sliding(void)
{
    drift_config_free(sliding_config);
}
static int64_t pane(int64_t i)
{
    return T0 + i * MIN;
}
static long long part_n(int64_t start_ms, const char *name, size_t at)
{
    json_t *h = header_at(start_ms);
    ck_assert_ptr_nonnull(h);
    long long n = json_integer_value(json_array_get(json_object_get(json_object_get(h, "parts"), name), at));
    json_decref(h);
    return n;
}

START_TEST(sliding)
{
    /* events of each pane in each partition: none in pane 7, nor in 13 to 16 */
    static const int n_of[PARTITIONS][18] = {{100, 7, 0, 31, 50, 60, 0, 0, 9, 10, 11, 12, 13, 0, 0, 0, 0, 55},
                                             {20, 0, 40, 3, 0, 6, 70, 0, 0, 100, 1, 2, 3, 0, 0, 0, 0, 0}};
    slide();
    for (int i = 0; i < 18; i++)
        for (int p = 0; p < PARTITIONS; p++)
            if (n_of[p][i])
                put(p, pane(21), pane(i), usual(), (uint64_t)n_of[p][i], .5, false);
            else
                wm(p, pane(21));
    int n_windows = 0;
    for (int i = 0; i < 18; i++) {
        if (!n_of[0][i] && !n_of[1][i])
            continue;
        uint64_t sum = 0;
        for (int k = i; k >= 0 && k > i - 5; k--)
            sum += (uint64_t)n_of[0][k] + (uint64_t)n_of[1][k];
        ck_assert_int_eq(step(), DRIFT_JUDGE_JUDGED);
        n_windows++;
        ck_assert_uint_eq(seen.n, sum);
        ck_assert_int_eq(seen.start_ms, pane(i));
        ck_assert_int_eq(seen.end_ms, pane(i + 1));
        ck_assert_int_eq(seen.from_ms, pane(i - 4));
        ck_assert_int_eq(seen.kind, i < 4       ? DRIFT_VERDICT_PARTIAL /* begins before the first counts */
                                    : sum < 100 ? DRIFT_VERDICT_HELD
                                                : DRIFT_VERDICT_OK);
        ck_assert_uint_eq(seen.carried, 0);
        ck_assert_ptr_null(json_field("", "carry"));
        for (int p = 0; p < PARTITIONS; p++)
            ck_assert_int_eq(part_n(pane(i), p ? "scores/1" : "scores/0", 0), n_of[p][i]); /* its own pane's */
    }
    ck_assert_int_eq(n_windows, 13);
    ck_assert_int_eq(step(), DRIFT_JUDGE_IDLE);
    json_t *b = body_at(pane(12)), *w = json_object_get(b, "window");
    ck_assert_str_eq(str(w, "start"), "2024-01-31T14:08:00Z");
    ck_assert_str_eq(str(w, "end"), "2024-01-31T14:13:00Z");
    ck_assert_int_eq(json_integer_value(json_object_get(w, "every_ms")), MIN);
    ck_assert(json_is_null(json_object_get(b, "gap_from")));
    json_decref(b);
    b = body_at(pane(17));
    ck_assert_str_eq(str(b, "gap_from"), "2024-01-31T14:13:00Z");
    json_decref(b);
    stop_sliding();
}
END_TEST

START_TEST(sliding_measures_the_whole)
{
    slide();
    for (int i = 0; i < 6; i++) { /* drifted but for the last pane */
        put(0, pane(i + 2), pane(i), usual(), 200, i < 5 ? .9 : .5, false);
        wm(1, pane(i + 2));
    }
    for (int i = 0; i < 4; i++)
        judges(PARTIAL, 200 * (uint64_t)(i + 1));
    judges(OK, 1000);
    ck_assert_int_eq(worst, DRIFT_SEV_CRITICAL);
    ck_assert(seen.volume.why == DRIFT_WHY_NONE && fabs(seen.volume.effect) < 1e-9); /* as the baseline's windows */
    json_t *b = body_at(pane(4));
    ck_assert_int_eq(json_integer_value(json_array_get(
                         json_object_get(json_object_get(json_object_get(b, "columns"), "url_length"), "cells"), 0)),
                     900);
    json_decref(b);
    judges(OK, 1000);
    ck_assert_int_eq(worst, DRIFT_SEV_CRITICAL); /* 820 of 1000 */
    stop_sliding();
}
END_TEST

START_TEST(sliding_judged_again)
{
    slide();
    for (int i = 0; i < 8; i++)
        for (int p = 0; p < PARTITIONS; p++)
            put(p, pane(i + 2), pane(i), usual(), 100 + (uint64_t)(7 * i + p), i == 6 ? .9 : .6, false);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(step(), DRIFT_JUDGE_JUDGED);
    char *v = dump(":v"), *out = dump(":out");
    /* the last three verdicts are lost, with all that came of them */
    char until[24];
    snprintf(until, sizeof until, "%lld", (long long)pane(5));
    tell(&server, "HSET driftd:{m/g%%2F1/phish-url} judged_until %s", until);
    tell(&server, "HDEL driftd:{m/g%%2F1/phish-url} alerts status");
    tell(&server, "DEL driftd:{m/g%%2F1/phish-url}:v driftd:{m/g%%2F1/phish-url}:out");
    new_judge(sliding_config);
    for (int i = 5; i < 8; i++)
        ck_assert_int_eq(step(), DRIFT_JUDGE_JUDGED);
    ck_assert_int_eq(step(), DRIFT_JUDGE_IDLE);
    for (int i = 5; i < 8; i++) {
        char name[24];
        snprintf(name, sizeof name, "%lld", (long long)pane(i));
        json_t *a = json_loads(v, 0, NULL), *b = body_at(pane(i));
        json_t *old = json_loads(json_string_value(json_object_get(a, name)), 0, NULL);
        ck_assert(old && json_equal(json_object_get(old, "columns"), json_object_get(b, "columns")));
        ck_assert(json_equal(json_object_get(old, "n"), json_object_get(b, "n")));
        json_decref(a);
        json_decref(b);
        json_decref(old);
    }
    free(v);
    free(out);
    new_judge(config);
    stop_sliding();
}
END_TEST

START_TEST(sliding_with_panes_that_do_not_fit)
{
    struct drift_layout *other = new_layout(true);
    slide();
    for (int i = 0; i < 10; i++) {
        put(0, pane(i + 2), pane(i), i == 5 ? other : usual(), 200, .5, false);
        wm(1, pane(i + 2));
    }
    for (int i = 0; i < 4; i++)
        judges(PARTIAL, 200 * (uint64_t)(i + 1));
    judges(OK, 1000);
    for (int i = 5; i < 10; i++) { /* five windows exclude it, one header says so */
        judges(OK, 800);
        ck_assert_uint_eq(seen.excluded, 200);
        ck_assert_int_eq(part_n(pane(i), "scores/0", 1), i == 5 ? 200 : 0);
    }
    put(0, pane(12), pane(10), usual(), 200, .5, false);
    wm(1, pane(12));
    judges(OK, 1000);
    ck_assert_uint_eq(seen.excluded, 0);
    /* one that was dropped is missing, and the windows about it say so */
    char gone[24];
    snprintf(gone, sizeof gone, "%lld", (long long)pane(9));
    flush(0, pane(13), "gone:phish-url:i", gone, strlen(gone));
    put(0, pane(13), pane(11), usual(), 200, .5, false);
    wm(1, pane(13));
    judges(PARTIAL, 1000);
    drift_layout_free(other);
    stop_sliding();
}
END_TEST

START_TEST(from_tumbling_to_sliding)
{
    char *text = replaced(config_text, "size: 5m, lateness: 1m", "size: 5m, every: 1m, lateness: 1m");
    struct drift_config *later = world_config(text);
    start(true);
    struct drift_plan_entry e = entry_of(1, T0 + 2 * WINDOW, later, true);
    struct drift_pair f[2];
    e.window_ms = MIN;
    e.span_ms = WINDOW;
    drift_judge_plan_fields(&e, later, f);
    for (int i = 0; i < 2; i++) {
        tell(&server, "HSET %s %s %s", "driftd:{m/g%2F1/phish-url}", f[i].name, f[i].value);
        free(f[i].name);
        free(f[i].value);
    }
    window(T0, 1000, .5);
    window(T0 + WINDOW, 50, .5); /* held: its carry is not added to windows that slide */
    judges(OK, 1000);
    judges(HELD, 50);
    for (int i = 10; i < 16; i++) {
        put(0, pane(i + 2), pane(i), usual(), 100, .5, false);
        wm(1, pane(i + 2));
    }
    for (int i = 10; i < 14; i++)
        judges(PARTIAL, 100 * (uint64_t)(i - 9)); /* an old window cannot be cut */
    judges(OK, 500);
    ck_assert_uint_eq(seen.carried, 0);
    ck_assert_ptr_null(json_field("", "carry"));
    judges(OK, 500);
    drift_config_free(later);
    free(text);
}
END_TEST

/* ---- early verdicts ---- */

static int64_t fake_ns;
static int64_t fake_mono(void *ctx)
{
    (void)ctx;
    return fake_ns;
}
static int64_t fake_wall(void *ctx)
{
    (void)ctx;
    return 0;
}
static const struct drift_clock fake_clock = {.wall_ms = fake_wall, .mono_ns = fake_mono};
static void pass(int64_t ms)
{
    fake_ns += ms * 1000000;
}

static size_t n_early;
static struct drift_verdict early_seen;
static enum drift_severity early_worst;
static void early(void *ctx, const char *model, const struct drift_verdict *v, enum drift_severity w, size_t n)
{
    (void)ctx, (void)n;
    ck_assert_str_eq(model, "phish-url");
    early_seen = *v;
    early_worst = w;
    n_early++;
}

static struct drift_config *hasty;
static void be_hasty(void)
{
    char *text = replaced(config_text, "lateness: 1m", "lateness: 1m, early: {every: 1m}"),
         *more = replaced(text, "      - {do: page, endpoint: pager}",
                          "      - {do: page, endpoint: pager}\n      - {do: notify, endpoint: hook}\n"
                          "      - {do: human_review, endpoint: hook}");
    hasty = world_config(more);
    free(text);
    free(more);
    struct drift_judge_settings s = {
        .config = hasty, .store = store, .judged = judged, .clock = &fake_clock, .early = early};
    drift_judge_free(judge);
    judge = NULL;
    ok(drift_judge_new(&s, &judge, &err));
    struct drift_plan_entry e = entry_of(0, INT64_MIN, hasty, true);
    start_chain(chain, &e, hasty);
    n_early = 0;
    fake_ns = 1000000;
}
static void look(void)
{
    pass(MIN);
    ok(drift_judge_early(judge, chain, &err));
}

/* The outbox without its preliminary notices, which are counted. */
static char *final_out(size_t *ret_notices)
{
    char *text = dump(":out");
    json_t *j = json_loads(text, 0, NULL), *entry;
    const char *name;
    void *next;
    *ret_notices = 0;
    json_object_foreach_safe(j, next, name, entry)
    {
        json_t *e = json_loads(json_string_value(entry), 0, NULL), *body = json_loads(str(e, "body"), 0, NULL);
        const json_t *data = json_object_get(body, "data");
        if (!strcmp(str(e, "transition"), "preliminary")) {
            ++*ret_notices;
            ck_assert(!strcmp(str(e, "step"), "page") || !strcmp(str(e, "step"), "notify"));
            ck_assert_str_eq(str(body, "type"), "io.driftd.alert.preliminary");
            ck_assert_str_eq(str(body, "id"), str(e, "id"));
            ck_assert(json_is_true(json_object_get(data, "preliminary")));
            ck_assert_str_eq(str(data, "severity"), "critical");
            ck_assert(json_is_null(json_object_get(data, "incident")));
            ck_assert_ptr_nonnull(strstr(str(data, "summary"), "preliminary, the window is still open"));
            json_object_del(j, name);
        } else {
            ck_assert_ptr_null(json_object_get(data, "preliminary"));
        }
        json_decref(e);
        json_decref(body);
    }
    free(text);
    text = json_dumps(j, JSON_SORT_KEYS);
    json_decref(j);
    return text;
}

/* Three windows: the second drifts from its first events on, the third no more. */
static void hasty_feed(bool looks)
{
    for (int i = 0; i < 3; i++) {
        int64_t w = T0 + i * (int64_t)WINDOW;
        for (int k = 1; k <= 4; k++) {
            put(0, w + k * MIN, w, usual(), (uint64_t)(150 * k), i == 1 ? .9 : .5, false);
            wm(1, w + k * MIN);
            if (looks)
                look();
            ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
        }
        wm(0, w + WINDOW + MIN);
        wm(1, w + WINDOW + MIN);
        judges(OK, 600);
        if (looks)
            look(); /* nothing is open */
    }
}

static char *alerts_text(void)
{
    json_t *j = json_field("", "alerts");
    char *text = json_dumps(j, JSON_SORT_KEYS);
    json_decref(j);
    return text;
}

START_TEST(early_changes_nothing)
{
    size_t notices;
    be_hasty();
    hasty_feed(false);
    char *v = dump(":v"), *out = final_out(&notices), *alerts = alerts_text();
    ck_assert_uint_eq(notices, 0);
    ck_assert_int_eq(number(&server, "EXISTS", "driftd:{m/g%2F1/phish-url}:early"), 0);
    new_judge(config);
    drift_config_free(hasty);
    tell(&server, "FLUSHALL");
    memset(slot_head, 0, sizeof slot_head);
    drift_baseline_free(baseline);
    make_baseline();
    be_hasty();
    hasty_feed(true);
    ck_assert_uint_eq(n_early, 12);
    char *v2 = dump(":v"), *out2 = final_out(&notices), *alerts2 = alerts_text();
    ck_assert_uint_eq(notices, 2); /* the page and the notice of one rule, for one window, told once */
    ck_assert_str_eq(v, v2);
    ck_assert_str_eq(out, out2);
    ck_assert_uint_gt(strlen(out), 1000);
    ck_assert_str_eq(alerts, alerts2);
    free(v);
    free(v2);
    free(out);
    free(out2);
    free(alerts);
    free(alerts2);
    new_judge(config);
    drift_config_free(hasty);
}
END_TEST

START_TEST(early_shows_the_open_window)
{
    be_hasty();
    put(0, T0 + MIN, T0, usual(), 400, .9, false);
    char *before = dump("");
    look();
    ck_assert_uint_eq(n_early, 1);
    ck_assert_uint_eq(early_seen.n, 400);
    ck_assert_int_eq(early_worst, DRIFT_SEV_CRITICAL);
    ck_assert_int_eq(early_seen.volume.why, DRIFT_WHY_NO_DATA); /* an open window has none */
    json_t *b = json_field(":early", "body"), *rule = json_object_get(json_object_get(b, "rules"), "input-drift");
    ck_assert(json_is_true(json_object_get(b, "preliminary")));
    ck_assert_str_eq(str(b, "kind"), "ok");
    ck_assert_str_eq(str(rule, "breach"), "critical");
    ck_assert_str_eq(str(rule, "phase"), "ok"); /* alerts are untouched */
    json_decref(b);
    tell(&server, "HDEL driftd:{m/g%%2F1/phish-url} seen");
    char *after = dump("");
    ck_assert_str_eq(before, after); /* head, alerts, judged_until */
    free(before);
    free(after);
    pass(MIN - 1); /* not before it is due */
    ok(drift_judge_early(judge, chain, &err));
    ck_assert_uint_eq(n_early, 1);
    put(0, T0 + 2 * MIN, T0, usual(), 800, .9, false);
    put(1, T0 + 2 * MIN, T0, usual(), 90, .5, false);
    pass(1);
    ok(drift_judge_early(judge, chain, &err));
    ck_assert_uint_eq(n_early, 2);
    ck_assert_uint_eq(early_seen.n, 890);
    ck_assert_int_eq(count_out(), 2); /* told once */
    ck_assert(drift_series_get(drift_series(DRIFT_M_EARLY, "phish-url", "input", (char *)NULL)) == 2);
    /* another window is another story */
    put(0, T0 + WINDOW + MIN, T0 + WINDOW, usual(), 400, .9, false);
    wm(1, T0 + WINDOW + MIN);
    judges(OK, 890);
    int64_t n = count_out();
    look();
    ck_assert_int_eq(count_out(), n + 2);
    /* too few events are not measured, and nobody is told */
    wm(0, T0 + 2 * WINDOW + MIN);
    wm(1, T0 + 2 * WINDOW + MIN);
    judges(OK, 400);
    put(0, T0 + 2 * WINDOW + 2 * MIN, T0 + 2 * (int64_t)WINDOW, usual(), 99, .9, false);
    n = count_out();
    look();
    ck_assert_int_eq(early_seen.kind, DRIFT_VERDICT_HELD);
    ck_assert_int_eq(count_out(), n);
    ck_assert_str_eq(field(&server, "driftd:{m/g%2F1/phish-url}", "carry"), "");
    new_judge(config);
    drift_config_free(hasty);
}
END_TEST

START_TEST(early_windows_that_slide)
{
    char *text = replaced(config_text, "lateness: 1m", "every: 1m, lateness: 1m, early: {every: 10s}");
    hasty = world_config(text);
    free(text);
    struct drift_judge_settings s = {
        .config = hasty, .store = store, .judged = judged, .clock = &fake_clock, .early = early};
    drift_judge_free(judge);
    judge = NULL;
    ok(drift_judge_new(&s, &judge, &err));
    struct drift_plan_entry e = entry_of(0, INT64_MIN, hasty, true);
    e.window_ms = MIN;
    e.span_ms = WINDOW;
    start_chain(chain, &e, hasty);
    for (int i = 0; i < 8; i++) {
        put(0, pane(i + 2), pane(i), usual(), 100, .5, false);
        wm(1, pane(i + 2));
        ck_assert_int_eq(step(), DRIFT_JUDGE_JUDGED);
    }
    put(0, pane(9) + 30000, pane(8), usual(), 60, .5, false);
    look();
    ck_assert_uint_eq(early_seen.n, 460);
    ck_assert_int_eq(early_seen.from_ms, pane(4));
    ck_assert_int_eq(early_seen.kind, DRIFT_VERDICT_OK);
    new_judge(config);
    drift_config_free(hasty);
}
END_TEST

/* ---- max_hold ---- */

/* A judge that forces after 10 s; to be freed by leave(). */
static struct drift_config *patient;
static void be_patient(const char *state)
{
    char *text = replaced(config_text, "settle: 0s", state);
    patient = world_config(text);
    free(text);
    struct drift_judge_settings s = {.config = patient, .store = store, .judged = judged, .clock = &fake_clock};
    drift_judge_free(judge);
    judge = NULL;
    ok(drift_judge_new(&s, &judge, &err));
}
static void leave(void)
{
    new_judge(config);
    drift_config_free(patient);
}
static const char SLOT_0[] = "driftd:{p/g%2F1/scores/0}", SLOT_1[] = "driftd:{p/g%2F1/scores/1}";

START_TEST(forced)
{
    be_patient("settle: 0s, max_hold: 10s");
    start(true);
    put(0, T0 + WINDOW + MIN, T0, usual(), 1000, .5, false); /* nobody has ever acquired the other partition */
    ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    pass(9999);
    ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    ck_assert_int_eq(number(&server, "EXISTS", SLOT_1), 1); /* `seen` */
    ck_assert_str_eq(field(&server, SLOT_1, "head"), "");
    pass(1);
    ck_assert_int_eq(step(), DRIFT_JUDGE_AGAIN);
    judges(FORCED, 1000);
    ck_assert_ptr_nonnull(seen.measures); /* measured, and marked */
    json_t *h = header_at(T0), *b = body_at(T0);
    ck_assert_str_eq(str(h, "kind"), "forced");
    ck_assert_uint_eq(json_array_size(json_object_get(h, "forced")), 1);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(h, "forced"), 0)), "scores/1");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(b, "forced"), 0)), "scores/1");
    ck_assert_str_eq(str(b, "kind"), "forced");
    json_decref(h);
    json_decref(b);
    ck_assert_str_eq(field(&server, SLOT_1, "wm"), "1706709960000");
    ck_assert_str_eq(field(&server, SLOT_1, "forced"), "0:1706709960000");
    ck_assert_str_eq(field(&server, SLOT_1, "offset"), "");
    /* the partition comes back: the next window is an ordinary one */
    window(T0 + WINDOW, 1000, .5);
    judges(OK, 1000);
    b = body_at(T0 + WINDOW);
    ck_assert_ptr_null(json_object_get(b, "forced"));
    json_decref(b);
    leave();
}
END_TEST

START_TEST(not_forced_while_something_moves)
{
    be_patient("settle: 0s, max_hold: 10s");
    start(true);
    put(0, T0 + WINDOW, T0, usual(), 500, .5, false);
    wm(1, T0);
    ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    for (int i = 1; i < 10; i++) { /* one of the two moves: the other one is not forced either */
        pass(9000);
        wm(0, T0 + WINDOW + i);
        ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    }
    pass(9999);
    ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    ck_assert_str_eq(field(&server, SLOT_1, "forced"), "");
    pass(1);
    ck_assert_int_eq(step(), DRIFT_JUDGE_AGAIN);
    judges(FORCED, 500);
    json_t *b = body_at(T0);
    ck_assert_uint_eq(json_array_size(json_object_get(b, "forced")), 2);
    json_decref(b);
    /* both owners have other heads now */
    enum drift_reply r;
    for (int p = 0; p < 2; p++) {
        ok(drift_store_check(store, (struct drift_slot_id){"scores", p}, slot_head[p], &r, &err));
        ck_assert_int_eq(r, DRIFT_REPLY_STALE);
    }
    ck_assert_str_eq(field(&server, SLOT_0, "wm"), "1706709960000");
    leave();
}
END_TEST

START_TEST(not_forced_before_the_clock_is_there)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t start_ms = now.tv_sec * INT64_C(1000) / WINDOW * WINDOW;
    be_patient("settle: 0s, max_hold: 10s");
    start(true);
    put(0, start_ms + WINDOW + MIN, start_ms, usual(), 500, .5, false);
    for (int i = 0; i < 5; i++) { /* its end has not come */
        ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
        pass(20000);
    }
    ck_assert_str_eq(field(&server, SLOT_1, "head"), "");
    leave();
}
END_TEST

START_TEST(forced_counts_settle)
{
    be_patient("settle: 20s, max_hold: 20s");
    start(true);
    put(0, T0 + WINDOW + MIN, T0, usual(), 1000, .5, false);
    ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    pass(20000);
    ck_assert_int_eq(step(), DRIFT_JUDGE_AGAIN);
    ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    ck_assert_ptr_nonnull(strstr(waiting_text, "settles in "));
    pass(60000); /* it is the slot's clock that counts, and nothing is forced twice */
    ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    leave(); /* the usual judge does not wait */
    judges(FORCED, 1000);
}
END_TEST

START_TEST(forced_and_judged_again)
{
    be_patient("settle: 0s, max_hold: 10s");
    start(true);
    put(0, T0 + WINDOW + MIN, T0, usual(), 1000, .9, false);
    ck_assert_int_eq(step(), DRIFT_JUDGE_WAITING);
    pass(10000);
    ck_assert_int_eq(step(), DRIFT_JUDGE_AGAIN);
    judges(FORCED, 1000);
    char *v = dump(":v"), *out = dump(":out");
    ck_assert_ptr_nonnull(strstr(out, "\\\\\\\"forced\\\\\\\":[\\\\\\\"scores/1\\\\\\\"]"));
    tell(&server, "HDEL driftd:{m/g%%2F1/phish-url} judged_until alerts status");
    tell(&server, "DEL driftd:{m/g%%2F1/phish-url}:v driftd:{m/g%%2F1/phish-url}:out driftd:{m/g%%2F1/phish-url}:w");
    leave();
    judges(FORCED, 1000);
    char *v2 = dump(":v"), *out2 = dump(":out");
    ck_assert_str_eq(v, v2);
    ck_assert_str_eq(out, out2);
    free(v);
    free(v2);
    free(out);
    free(out2);
}
END_TEST

/* ---- the same window twice ---- */

static char *dump(const char *suffix)
{
    char *key = drift_xasprintf("driftd:{m/g%%2F1/phish-url}%s", suffix);
    redisReply *r = ask(&server, "HGETALL %s", key);
    json_t *j = json_object();
    for (size_t i = 0; i + 1 < r->elements; i += 2)
        json_object_set_new(j, r->element[i]->str, json_stringn(r->element[i + 1]->str, r->element[i + 1]->len));
    char *text = json_dumps(j, JSON_SORT_KEYS);
    json_decref(j);
    freeReplyObject(r);
    free(key);
    return text;
}

START_TEST(judged_again_after_a_failover)
{
    start(true);
    window(T0, 1000, .9);
    judges(OK, 1000);
    char *v = dump(":v"), *out = dump(":out");
    /* the write is lost as a whole */
    tell(&server, "HDEL driftd:{m/g%%2F1/phish-url} judged_until alerts status");
    tell(&server, "DEL driftd:{m/g%%2F1/phish-url}:v driftd:{m/g%%2F1/phish-url}:out driftd:{m/g%%2F1/phish-url}:w");
    new_judge(config);
    judges(OK, 1000);
    char *v2 = dump(":v"), *out2 = dump(":out");
    ck_assert_str_eq(v, v2);
    ck_assert_str_eq(out, out2);
    ck_assert_uint_gt(strlen(out), 1000);
    free(v);
    free(v2);
    free(out);
    free(out2);
}
END_TEST

struct rival {
    pthread_t thread;
    int judged, again;
    const struct drift_config *config;
    const char *why; /* it failed */
    pthread_barrier_t *both;
};
static void *rival_main(void *arg)
{
    struct rival *x = arg;
    struct drift_store *own = store_at(server.socket, x->config->kafka.group);
    struct drift_judge_settings s = {.config = x->config, .store = own};
    struct drift_judge *j;
    struct drift_err e;
    enum drift_judge_result r = DRIFT_JUDGE_AGAIN;
    if (drift_judge_new(&s, &j, &e)) {
        x->why = "cannot start";
        r = DRIFT_JUDGE_IDLE;
        j = NULL;
    }
    pthread_barrier_wait(x->both);
    while (r == DRIFT_JUDGE_AGAIN || r == DRIFT_JUDGE_JUDGED) {
        if (drift_judge_step(j, chain, &r, NULL, &e)) {
            x->why = "a step failed";
            break;
        }
        x->judged += r == DRIFT_JUDGE_JUDGED;
        x->again += r == DRIFT_JUDGE_AGAIN;
    }
    drift_judge_free(j);
    drift_store_free(own);
    return NULL;
}

START_TEST(two_judges_one_chain)
{
    enum { WINDOWS = 60 };
    pthread_barrier_t both;
    struct rival x[2] = {{.config = config, .both = &both}, {.config = config, .both = &both}};
    pthread_barrier_init(&both, NULL, 2);
    start(true);
    for (int i = 0; i < WINDOWS; i++)
        window(T0 + i * (int64_t)WINDOW, 1000, i % 3 ? .5 : .9);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&x[i].thread, NULL, rival_main, &x[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(x[i].thread, NULL);
        ck_assert_msg(!x[i].why, "%s", x[i].why);
    }
    pthread_barrier_destroy(&both);
    printf("two judges: %d + %d windows, %d + %d conflicts\n", x[0].judged, x[1].judged, x[0].again, x[1].again);
    ck_assert_int_eq(x[0].judged + x[1].judged, WINDOWS);
    ck_assert_int_gt(x[0].again + x[1].again, 0); /* else nothing was tried */
    /* each incident: 4 steps fire, 4 resolve, the status changes twice; every other rollback falls into its cool-down
     */
    ck_assert_int_eq(count_out(), WINDOWS / 3 * 10 - WINDOWS / 6);
}
END_TEST

/* From here on a step is MODEL_READ, READ, READ, HEADERS (the first one of a judge), VERDICT: the server knows the
 * scripts, and the next window is where judged_until is. */
enum { VERDICT_CALL = 5 };
static void warm_up(void)
{
    start(true);
    window(T0 - WINDOW, 1000, .5);
    judges(OK, 1000);
    n_seen = 0;
}

/* Somebody writes between reading and writing. */
static enum fate meddle(void *ctx)
{
    int *n = ctx;
    if (++*n == VERDICT_CALL)
        tell(&server, "HSET driftd:{m/g%%2F1/phish-url} head %s", "operator");
    return PASS;
}

START_TEST(conflict)
{
    struct proxy p;
    int n = 0;
    struct drift_store *direct = store;
    warm_up();
    window(T0, 1000, .5);
    proxy_start(&p, &server, "p", meddle, &n);
    store = store_at(p.path, config->kafka.group);
    new_judge(config);
    ck_assert_int_eq(step(), DRIFT_JUDGE_AGAIN);
    ck_assert_int_eq(n, VERDICT_CALL);
    ck_assert_ptr_null(body_at(T0));
    ck_assert_uint_eq(n_seen, 0);
    drift_judge_free(judge);
    judge = NULL;
    drift_store_free(store);
    proxy_stop(&p);
    store = direct;
}
END_TEST

/* The reply of VERDICT is lost: the same bytes again answer DUP. */
static enum fate lose_verdict(void *ctx)
{
    int *n = ctx;
    return ++*n == VERDICT_CALL ? DROP_REPLY : PASS;
}

START_TEST(lost_reply)
{
    struct proxy p;
    int n = 0;
    struct drift_store *direct = store;
    warm_up();
    window(T0, 1000, .9);
    proxy_start(&p, &server, "p", lose_verdict, &n);
    store = store_at(p.path, config->kafka.group);
    new_judge(config);
    enum drift_judge_result r = DRIFT_JUDGE_IDLE;
    ok(drift_judge_step(judge, chain, &r, NULL, &err));
    ck_assert_int_eq(r, DRIFT_JUDGE_JUDGED);
    ck_assert_int_eq(n, VERDICT_CALL + 1); /* once more, and it was there */
    ck_assert_int_eq(number(&server, "HLEN", "driftd:{m/g%2F1/phish-url}:v"), 2);
    ck_assert_int_eq(count_out(), 5);
    ck_assert_uint_eq(n_seen, 1);
    drift_judge_free(judge);
    judge = NULL;
    drift_store_free(store);
    proxy_stop(&p);
    store = direct;
}
END_TEST

START_TEST(scribbled_state)
{
    start(true);
    window(T0, 1000, .9);
    tell(&server, "HSET driftd:{m/g%%2F1/phish-url} alerts %s carry %s status %s",
         "{\"v\":1,\"rules\":{\"input-drift\":7}}", "[", "{\"status\":3}");
    tell(&server, "HSET driftd:{m/g%%2F1/phish-url}:w junk x");
    judges(OK, 1000);
    ck_assert_int_eq(worst, DRIFT_SEV_CRITICAL);
    tell(&server, "HSET driftd:{m/g%%2F1/phish-url} judged_until %s", "soon");
    enum drift_judge_result r;
    fails(drift_judge_step(judge, chain, &r, NULL, &err), DRIFT_E_CORRUPT);
    tell(&server, "HDEL driftd:{m/g%%2F1/phish-url} judged_until plan:0");
    fails(drift_judge_step(judge, chain, &r, NULL, &err), DRIFT_E_CORRUPT);
}
END_TEST

/* What a newer driftd wrote is not dropped: nothing is judged, nothing overwritten. */
START_TEST(newer_state)
{
    static const char *const newer[][2] = {{"alerts", "{\"v\":2,\"rules\":{}}"},
                                           {"carry", "{\"v\":2}"},
                                           {"status", "{\"v\":99,\"status\":\"ok\"}"},
                                           {"evidence", "{\"v\":2}"}};
    start(true);
    window(T0, 1000, .9);
    for (size_t i = 0; i < sizeof newer / sizeof *newer; i++) {
        enum drift_judge_result r;
        tell(&server, "HSET driftd:{m/g%%2F1/phish-url} %s %s", newer[i][0], newer[i][1]);
        fails(drift_judge_step(judge, chain, &r, NULL, &err), DRIFT_E_VERSION);
        ck_assert_msg(strstr(err.text, newer[i][0]) && strstr(err.text, "newer"), "%s", err.text);
        tell(&server, "HDEL driftd:{m/g%%2F1/phish-url} %s", newer[i][0]);
    }
    judges(OK, 1000);
}
END_TEST

START_TEST(counts_where_no_window_is)
{
    start(true);
    put(0, T0 + WINDOW + MIN, T0 + 1, usual(), 10, .5, false);
    wm(1, T0 + WINDOW + MIN);
    enum drift_judge_result r;
    fails(drift_judge_step(judge, chain, &r, NULL, &err), DRIFT_E_CORRUPT);
}
END_TEST

START_TEST(redis_away)
{
    struct drift_redis_config nowhere = {.socket = (char *)"/nonexistent/redis", .timeout_ms = 200};
    struct drift_store *direct = store;
    ok(drift_store_new(&nowhere, "g/1", &store, &err));
    new_judge(config);
    enum drift_judge_result r;
    fails(drift_judge_step(judge, chain, &r, NULL, &err), DRIFT_E_AWAY);
    ck_assert_int_eq(err.action, DRIFT_RETRY);
    drift_judge_free(judge);
    judge = NULL;
    drift_store_free(store);
    store = direct;
}
END_TEST

START_TEST(margin)
{
    struct drift_state_config s = {
        .settle_ms = 10000, .clock_skew_ms = 1000, .future_skew_ms = 10000, .plan_ttl_ms = 5000};
    ck_assert_int_eq(drift_judge_margin_ms(&s), 27000);
    s.plan_ttl_ms = 15000;
    ck_assert_int_eq(drift_judge_margin_ms(&s), 37000);
}
END_TEST

START_TEST(a_secret_that_is_not_there)
{
    unsetenv("DRIFTD_TEST_SECRET");
    struct drift_judge_settings s = {.config = config, .store = store};
    struct drift_judge *j = NULL;
    fails(drift_judge_new(&s, &j, &err), DRIFT_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "secret of endpoint hook"));
    ck_assert_ptr_null(j);
}
END_TEST

/* ---- many windows ---- */

static long long stat_of(const char *section, const char *name)
{
    redisReply *r = ask(&server, "INFO %s", section);
    const char *at = strstr(r->str, name);
    long long n = at ? atoll(at + strlen(name)) : 0;
    freeReplyObject(r);
    return n;
}

/* A replay judges thousands of windows before the first is old enough to be dropped: what was judged before must not
 * cost the next one anything.  Bytes and scans are counted by the server; the time is only shown. */
static void replay(int every)
{
    enum { ROUNDS = 5 };
    const char *wanted = getenv("DRIFTD_TEST_WINDOWS");
    int per_round = wanted ? atoi(wanted) / ROUNDS : 400;
    long long bytes[ROUNDS], keys[ROUNDS];
    start(true);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t first = T0 + (int64_t)round * per_round * every * WINDOW, ns = 0;
        for (int i = 0; i < per_round; i++)
            window(first + i * every * (int64_t)WINDOW, 1000, .5);
        bytes[round] = -stat_of("stats", "total_net_output_bytes:");
        keys[round] = -stat_of("commandstats", "cmdstat_hkeys:calls=");
        ns = -drift_clock_system.mono_ns(drift_clock_system.ctx);
        for (int i = 0; i < per_round; i++)
            ck_assert_int_eq(step(), DRIFT_JUDGE_JUDGED);
        ns += drift_clock_system.mono_ns(drift_clock_system.ctx);
        bytes[round] += stat_of("stats", "total_net_output_bytes:");
        keys[round] += stat_of("commandstats", "cmdstat_hkeys:calls=");
        printf("windows %d to %d: %.3f ms, %lld bytes, %.2f scans each\n", round * per_round, (round + 1) * per_round,
               (double)ns / 1e6 / per_round, bytes[round] / per_round, (double)keys[round] / per_round);
    }
    ck_assert_uint_eq(n_seen, (size_t)(ROUNDS * per_round));
    for (int round = 1; round < ROUNDS; round++) {
        ck_assert_int_lt(bytes[round], bytes[0] + bytes[0] / 10);
        ck_assert_int_le(keys[round], per_round + per_round / 10); /* one each: of the bodies */
    }
}

START_TEST(a_long_replay_costs_the_same_to_its_end)
{
    replay(1);
}
END_TEST

START_TEST(with_gaps_too)
{
    replay(3);
}
END_TEST

int main(void)
{
    if (!server_start(&server, NULL))
        return drift_test_skip("there is no redis-server");
    Suite *s = suite_create("judge");
#define T(name) add_test(s, #name, name, setup, teardown)
    T(nothing_yet);
    T(waits_for_everybody);
    T(an_advance_settles_first);
    T(a_verdict_in_full);
    T(counts_in_one_partition);
    T(held_and_carried);
    T(not_carried_for_ever);
    T(partial);
    T(excluded);
    T(damaged);
    T(unmonitored);
    T(learning);
    T(a_baseline_that_is_not_the_plans);
    T(labels_without_a_label_baseline);
    T(lost);
    T(lost_without_a_trace);
    T(thresholds_of_the_plan);
    T(a_rule_taken_out_while_it_fires);
    T(evidence_of_other_tolerances);
    T(old_bodies_and_headers_go);
    T(sliding);
    T(sliding_measures_the_whole);
    T(sliding_judged_again);
    T(sliding_with_panes_that_do_not_fit);
    T(from_tumbling_to_sliding);
    T(early_changes_nothing);
    T(early_shows_the_open_window);
    T(early_windows_that_slide);
    T(forced);
    T(not_forced_while_something_moves);
    T(not_forced_before_the_clock_is_there);
    T(forced_counts_settle);
    T(forced_and_judged_again);
    T(judged_again_after_a_failover);
    T(two_judges_one_chain);
    T(conflict);
    T(lost_reply);
    T(scribbled_state);
    T(newer_state);
    T(counts_where_no_window_is);
    T(redis_away);
    T(a_long_replay_costs_the_same_to_its_end);
    T(with_gaps_too);
    T(margin);
    T(a_secret_that_is_not_there);
    int rc = drift_test_run(s);
    server_stop(&server);
    return rc;
}
