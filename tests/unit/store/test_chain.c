/* tests/unit/store/test_chain.c    Model slots, outbox and baselines against a real redis-server. */
#include <inttypes.h>

#include "driftd/internal/store/redis.h"
#include "server.h"

static struct server server;
static struct drift_store *s;
static struct drift_err err;
static const struct drift_chain_id input = {"fraud", DRIFT_CHAIN_INPUT}, label = {"fraud", DRIFT_CHAIN_LABEL};
#define KEY "driftd:{m/g/fraud}"
#define LABEL_KEY "driftd:{m/g/fraud/label}"

static void setup(void)
{
    tell(&server, "FLUSHALL");
    s = store_at(server.socket, "g");
}

static void teardown(void)
{
    drift_store_free(s);
}

static const char *text_of(const struct drift_pairs *p, const char *name)
{
    const struct drift_pair *f = drift_pairs_find(p, name);
    return f ? f->value : "";
}

static enum drift_reply init(struct drift_chain_id id, int new)
{
    struct drift_pair sets[] = {PAIR("plan:0", "{\"v\":1,\"ms\":@now@}"), PAIR("cfg:abc", "mail: a@now@b")};
    enum drift_reply reply;
    ok(drift_store_model_init(s, id, head(new), sets, 2, &reply, &err));
    return reply;
}

static int64_t redis_now(void)
{
    redisReply *t = ask(&server, "TIME");
    int64_t now = atoll(t->element[0]->str) * 1000 + atoll(t->element[1]->str) / 1000;
    freeReplyObject(t);
    return now;
}

START_TEST(model_init_and_read)
{
    struct drift_pairs p;
    int64_t now, ms = 0;
    ok(drift_store_model_read(s, input, &p, &now, &err));
    ck_assert_uint_eq(p.n, 0); /* `seen` is not a field of the chain */
    ck_assert_str_ne(field(&server, KEY, "seen"), "");
    drift_pairs_release(&p);

    ck_assert_int_eq(init(input, 1), DRIFT_REPLY_OK);
    ck_assert_int_eq(init(input, 1), DRIFT_REPLY_OK); /* the reply was lost */
    ck_assert_int_eq(init(input, 2), DRIFT_REPLY_EXISTS);
    ck_assert_int_eq(init(label, 3), DRIFT_REPLY_OK); /* a chain of its own */
    ok(drift_store_model_read(s, input, &p, &now, &err));
    ck_assert_uint_eq(p.n, 4);
    ck_assert_str_eq(text_of(&p, "head"), head(1));
    ck_assert_str_eq(text_of(&p, "fmt"), "1");
    ck_assert_str_eq(text_of(&p, "cfg:abc"), "mail: a@now@b"); /* a configuration's text is not touched */
    ck_assert_int_eq(sscanf(text_of(&p, "plan:0"), "{\"v\":1,\"ms\":%" SCNd64 "}", &ms), 1);
    ck_assert(ms <= now && ms > now - 60000);
    ck_assert(now <= redis_now());
    drift_pairs_release(&p);
    ck_assert_str_eq(field(&server, LABEL_KEY, "head"), head(3));

    tell(&server, "HSET " KEY " fmt 7");
    fails(drift_store_model_read(s, input, &p, &now, &err), DRIFT_E_VERSION);
}
END_TEST

static enum drift_reply plan_add(int prev, int new, int seq, int64_t from, int64_t last, int64_t margin)
{
    char name[32], value[64];
    enum drift_reply reply;
    int64_t now = 0;
    snprintf(name, sizeof name, "plan:%d", seq);
    snprintf(value, sizeof value, "{\"from\":%" PRId64 ",\"ms\":@now@}", from);
    struct drift_pair sets[] = {PAIR(name, value), PAIR("cfg:def", "text")};
    ok(drift_store_plan_add(s, input, head(prev), head(new), from, last, margin, sets, 2, &reply, &now, &err));
    ck_assert(now > redis_now() - 60000 && now <= redis_now());
    return reply;
}

START_TEST(plan_add_replies)
{
    int64_t now = redis_now(), far = now + 3600000;
    ck_assert_int_eq(plan_add(1, 2, 1, far, INT64_MIN, 60000), DRIFT_REPLY_CONFLICT); /* no chain */
    ck_assert_int_eq(init(input, 1), DRIFT_REPLY_OK);
    ck_assert_int_eq(plan_add(1, 2, 1, now + 59000, INT64_MIN, 60000), DRIFT_REPLY_TOO_EARLY);
    ck_assert_int_eq(plan_add(1, 2, 1, far, far, 60000), DRIFT_REPLY_TOO_EARLY);
    ck_assert_int_eq(plan_add(1, 2, 0, far, INT64_MIN, 60000), DRIFT_REPLY_CONFLICT); /* plan:0 is there */
    tell(&server, "HSET " KEY " judged_until %lld", (long long)far + 1);
    ck_assert_int_eq(plan_add(1, 2, 1, far, INT64_MIN, 60000), DRIFT_REPLY_TOO_EARLY);
    tell(&server, "HSET " KEY " judged_until soon");
    struct drift_pair set = PAIR("plan:1", "x");
    enum drift_reply reply;
    fails(drift_store_plan_add(s, input, head(1), head(2), far, 0, 0, &set, 1, &reply, &now, &err), DRIFT_E_CORRUPT);
    ck_assert_str_eq(field(&server, KEY, "plan:1"), "");
    ck_assert_str_eq(field(&server, KEY, "head"), head(1));
    tell(&server, "HSET " KEY " judged_until %lld", (long long)far);
    ck_assert_int_eq(plan_add(1, 2, 1, far, INT64_MIN, 60000), DRIFT_REPLY_OK);
    ck_assert_int_eq(plan_add(1, 2, 1, far, INT64_MIN, 60000), DRIFT_REPLY_DUP);
    ck_assert_int_eq(plan_add(1, 3, 2, far + 1, far, 60000), DRIFT_REPLY_CONFLICT);
    ck_assert_ptr_null(strchr(field(&server, KEY, "plan:1"), '@'));
    ck_assert_str_eq(field(&server, KEY, "cfg:def"), "text");
    /* the number of pairs that is looked through for plan:<seq> includes the last one */
    struct drift_pair sets[] = {PAIR("cfg:x", "x"), PAIR("plan:1", "x")};
    ok(drift_store_plan_add(s, input, head(2), head(3), far + 1, far, 0, sets, 2, &reply, &now, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_CONFLICT);
}
END_TEST

static enum drift_reply verdict(int prev, int new, int64_t start, const char *body)
{
    char name[32], out[40];
    const char *dels[] = {"alert-old"}, *w_dels[] = {"-120000"}, *v_dels[] = {"-60000"};
    enum drift_reply reply;
    snprintf(name, sizeof name, "%" PRId64, start);
    snprintf(out, sizeof out, "e:%d", new);
    struct drift_pair sets[] = {PAIR("alerts", "[\"@now@\"]"), PAIR("status", body)};
    struct drift_pair bodies[] = {PAIR(name, body)}, outs[] = {PAIR(out, "{\"body\":\"@now@\"}")};
    struct drift_verdict_write v = {.prev = head(prev),
                                    .new_head = head(new),
                                    .start_ms = start,
                                    .end_ms = start + 60000,
                                    .header = "{\"kind\":\"ok\",\"ms\":@now@}",
                                    .sets = sets,
                                    .n_sets = 2,
                                    .dels = dels,
                                    .n_dels = 1,
                                    .w_dels = w_dels,
                                    .n_w_dels = 1,
                                    .bodies = bodies,
                                    .n_bodies = 1,
                                    .v_dels = v_dels,
                                    .n_v_dels = 1,
                                    .out = outs,
                                    .n_out = 1};
    ok(drift_store_verdict(s, input, &v, &reply, &err));
    return reply;
}

START_TEST(verdict_replies)
{
    int64_t ms = 0;
    char *body;
    size_t len;
    ck_assert_int_eq(verdict(1, 2, 0, "x"), DRIFT_REPLY_CONFLICT); /* no chain */
    ck_assert_int_eq(number(&server, "EXISTS", KEY ":out"), 0);
    ck_assert_int_eq(init(input, 1), DRIFT_REPLY_OK);
    tell(&server, "HSET " KEY " alert-old x");
    tell(&server, "HSET " KEY ":w -60000 x -120000 x");
    tell(&server, "HSET " KEY ":v -60000 x -120000 x");
    ck_assert_int_eq(verdict(1, 2, 60000, "one"), DRIFT_REPLY_OK);
    ck_assert_str_eq(field(&server, KEY, "head"), head(2));
    ck_assert_str_eq(field(&server, KEY, "judged_until"), "120000");
    ck_assert_str_eq(field(&server, KEY, "alert-old"), "");
    ck_assert_str_eq(field(&server, KEY ":v", "-60000"), "");
    ck_assert_str_eq(field(&server, KEY ":v", "-120000"), "x");
    ck_assert_str_eq(field(&server, KEY ":v", "60000"), "one");
    ck_assert_str_eq(field(&server, KEY ":w", "-60000"), "x");
    ck_assert_str_eq(field(&server, KEY ":w", "-120000"), "");
    ck_assert_int_eq(sscanf(field(&server, KEY ":w", "60000"), "{\"kind\":\"ok\",\"ms\":%" SCNd64 "}", &ms), 1);
    ck_assert(ms > redis_now() - 60000 && ms <= redis_now());
    ck_assert_str_eq(field(&server, KEY, "alerts"), "[\"@now@\"]"); /* no clock in alerts, bodies and actions */
    ck_assert_str_eq(field(&server, KEY ":out", "e:2"), "{\"body\":\"@now@\"}");

    ck_assert_int_eq(verdict(1, 2, 60000, "one"), DRIFT_REPLY_DUP);
    ck_assert_int_eq(verdict(1, 3, 60000, "two"), DRIFT_REPLY_CONFLICT);
    ck_assert_int_eq(verdict(2, 3, 119999, "two"), DRIFT_REPLY_JUDGED);
    ck_assert_str_eq(field(&server, KEY ":v", "60000"), "one");
    ck_assert_int_eq(number(&server, "HLEN", KEY ":out"), 1);
    ck_assert_int_eq(verdict(2, 3, 120000, "two"), DRIFT_REPLY_OK);

    ok(drift_store_verdict_body(s, input, 60000, &body, &len, &err));
    ck_assert_uint_eq(len, 3);
    ck_assert_str_eq(body, "one");
    free(body);
    fails(drift_store_verdict_body(s, input, 7, &body, &len, &err), DRIFT_E_NOT_FOUND);
    ck_assert_ptr_null(body);
    fails(drift_store_verdict_body(s, label, 60000, &body, &len, &err), DRIFT_E_NOT_FOUND);

    int64_t *starts;
    size_t n;
    tell(&server, "HSET " KEY ":v -1 x 9000000000000 x junk x 99999999999999999999 x");
    ok(drift_store_verdict_list(s, input, &starts, &n, &err));
    ck_assert_uint_eq(n, 5);
    ck_assert_int_eq(starts[0], -120000);
    ck_assert_int_eq(starts[1], -1);
    ck_assert_int_eq(starts[2], 60000);
    ck_assert_int_eq(starts[3], 120000);
    ck_assert_int_eq(starts[4], 9000000000000);
    free(starts);
    ok(drift_store_verdict_list(s, label, &starts, &n, &err));
    ck_assert_uint_eq(n, 0);
    free(starts);
}
END_TEST

/* Apart from what the judge reads at each step, and binary safe. */
struct interruption {
    int at, seen;
};
static enum fate interrupt(void *ctx)
{
    struct interruption *i = ctx;
    return ++i->seen == i->at ? DROP_REPLY : PASS;
}

static void check_headers(struct drift_store *t, int n)
{
    struct drift_pairs p;
    static bool seen[5000];
    memset(seen, 0, sizeof seen);
    ok(drift_store_headers(t, input, &p, &err));
    ck_assert_uint_eq(p.n, (size_t)n);
    for (size_t i = 0; i < p.n; i++) {
        int at = atoi(p.pair[i].name) / 1000;
        ck_assert(!seen[at]);
        seen[at] = true;
        ck_assert_int_eq(atoi(p.pair[i].value), at);
    }
    drift_pairs_release(&p);
}

/* More headers than one portion: none is missing, none comes twice, also when the connection is lost in between. */
START_TEST(headers_in_portions)
{
    enum { N = 5000 };
    struct interruption i = {0, 0};
    struct proxy p;
    ck_assert_int_eq(init(input, 1), DRIFT_REPLY_OK);
    redisContext *c = redisConnectUnix(server.socket);
    for (int k = 0; k < N; k++)
        redisAppendCommand(c, "HSET " KEY ":w %d000 %d", k, k);
    for (int k = 0; k < N; k++) {
        redisReply *r;
        ck_assert_int_eq(redisGetReply(c, (void **)&r), REDIS_OK);
        freeReplyObject(r);
    }
    redisFree(c);
    tell(&server, "HSET " KEY " judged_until %d000", N);
    check_headers(s, N);
    proxy_start(&p, &server, "proxy", interrupt, &i);
    struct drift_store *t = store_at(p.path, "g");
    t->portion = 300;
    check_headers(t, N);
    ck_assert_int_gt(i.seen, 10);
    for (int at = 1; at <= 9; at++) { /* a lost reply at each of the first portions: all starts anew */
        i = (struct interruption){at, 0};
        check_headers(t, N);
        ck_assert_int_ge(i.seen, at + N / 300);
    }
    /* written while the portions came: left for the next time, whichever of them HSCAN would give */
    tell(&server, "HSET " KEY " judged_until %d000", N - 10);
    check_headers(t, N - 10);
    check_headers(s, N); /* one portion is one instant */
    drift_store_free(t);
    proxy_stop(&p);
}
END_TEST

START_TEST(headers_are_apart)
{
    struct drift_pairs p;
    int64_t now;
    ok(drift_store_headers(s, input, &p, &err));
    ck_assert_uint_eq(p.n, 0); /* no chain */
    drift_pairs_release(&p);
    ck_assert_str_ne(field(&server, KEY, "seen"), ""); /* a read that writes, where the format stands */
    ck_assert_int_eq(number(&server, "EXISTS", KEY ":w"), 0);
    ck_assert_int_eq(init(input, 1), DRIFT_REPLY_OK);
    ck_assert_int_eq(verdict(1, 2, 60000, "one"), DRIFT_REPLY_OK);
    ck_assert_int_eq(verdict(2, 3, 120000, "two"), DRIFT_REPLY_OK);
    tell(&server, "HSET " KEY ":w junk %b", "a\0b", (size_t)3);
    ok(drift_store_headers(s, input, &p, &err));
    ck_assert_uint_eq(p.n, 3);
    ck_assert_ptr_nonnull(strstr(text_of(&p, "60000"), "\"kind\":\"ok\""));
    ck_assert_str_ne(text_of(&p, "120000"), "");
    ck_assert_uint_eq(drift_pairs_find(&p, "junk")->len, 3);
    drift_pairs_release(&p);
    ok(drift_store_model_read(s, input, &p, &now, &err));
    ck_assert_uint_eq(p.n, 7); /* head fmt plan:0 cfg:abc alerts status judged_until */
    drift_pairs_release(&p);
    ok(drift_store_headers(s, label, &p, &err)); /* another chain's */
    ck_assert_uint_eq(p.n, 0);
    drift_pairs_release(&p);
    tell(&server, "HSET " KEY " fmt 7");
    fails(drift_store_headers(s, input, &p, &err), DRIFT_E_VERSION);
    ck_assert_uint_eq(p.n, 0);
    tell(&server, "HSET " KEY " fmt 1");
    tell(&server, "SET " KEY ":w x");
    fails(drift_store_headers(s, input, &p, &err), DRIFT_E_CORRUPT);
}
END_TEST

START_TEST(verdict_refuses)
{
    static const char *const names[] = {"head", "fmt", "seen", "judged_until"};
    enum drift_reply reply;
    ck_assert_int_eq(init(input, 1), DRIFT_REPLY_OK);
    for (size_t i = 0; i < 4; i++) {
        struct drift_pair bad = PAIR(names[i], "x");
        struct drift_verdict_write w = {.prev = head(1), .new_head = head(2), .header = "", .sets = &bad, .n_sets = 1};
        struct drift_verdict_write d = {
            .prev = head(1), .new_head = head(2), .header = "", .dels = &names[i], .n_dels = 1};
        int64_t now;
        fails(drift_store_verdict(s, input, &w, &reply, &err), DRIFT_E_USAGE);
        fails(drift_store_verdict(s, input, &d, &reply, &err), DRIFT_E_USAGE);
        fails(drift_store_operate(s, input, head(1), head(2), &bad, 1, &reply, &err), DRIFT_E_USAGE);
        fails(drift_store_model_init(s, input, head(2), &bad, 1, &reply, &err), DRIFT_E_USAGE);
        fails(drift_store_plan_add(s, input, head(1), head(2), 1, 0, 0, &bad, 1, &reply, &now, &err), DRIFT_E_USAGE);
    }
    ck_assert_str_eq(field(&server, KEY, "head"), head(1));
}
END_TEST

/* Something else under :w, :v or :out: found before anything is written. */
START_TEST(verdict_all_or_nothing)
{
    static const char *const keys[] = {KEY ":w", KEY ":v", KEY ":out"};
    ck_assert_int_eq(init(input, 1), DRIFT_REPLY_OK);
    for (int i = 0; i < 3; i++) {
        struct drift_pair set = PAIR("alerts", "x"), body = PAIR("0", "x"), out = PAIR("e:1", "x");
        struct drift_verdict_write w = {.prev = head(1),
                                        .new_head = head(2),
                                        .end_ms = 1,
                                        .header = "{}",
                                        .sets = &set,
                                        .n_sets = 1,
                                        .bodies = &body,
                                        .n_bodies = 1,
                                        .out = &out,
                                        .n_out = 1};
        enum drift_reply reply;
        tell(&server, "SET %s x", keys[i]);
        fails(drift_store_verdict(s, input, &w, &reply, &err), DRIFT_E_CORRUPT);
        for (int k = 0; k < 3; k++)
            ck_assert_int_eq(number(&server, "EXISTS", keys[k]), k == i);
        ck_assert_str_eq(field(&server, KEY, "head"), head(1));
        ck_assert_str_eq(field(&server, KEY, "alerts"), "");
        tell(&server, "DEL %s", keys[i]);
    }
}
END_TEST

/* Thousands of everything in one write, none taken for another: the counts in the arguments must fit. */
START_TEST(large_verdict)
{
    enum { N = 4500 };
    static struct drift_pair sets[N], bodies[N], outs[N];
    static const char *dels[N], *w_dels[N], *v_dels[N];
    char *names[N];
    enum drift_reply reply;
    ck_assert_int_eq(init(input, 1), DRIFT_REPLY_OK);
    for (int i = 0; i < N; i++) {
        ck_assert_int_gt(asprintf(&names[i], "%d", i), 0);
        sets[i] = PAIR(names[i], "s");
        bodies[i] = PAIR(names[i], "b");
        outs[i] = PAIR(names[i], "o");
        dels[i] = i % 2 ? names[i] : "nothing";
        v_dels[i] = i % 2 ? "nothing" : names[i];
        w_dels[i] = i % 3 ? "nothing" : names[i];
        if (i % 500 == 0)
            tell(&server, "HSET " KEY ":w %d x %d x", i, i + 1);
    }
    struct drift_verdict_write w = {.prev = head(1),
                                    .new_head = head(2),
                                    .start_ms = -5,
                                    .end_ms = 5,
                                    .header = "h",
                                    .sets = sets,
                                    .n_sets = N,
                                    .dels = dels,
                                    .n_dels = N,
                                    .w_dels = w_dels,
                                    .n_w_dels = N,
                                    .bodies = bodies,
                                    .n_bodies = N,
                                    .v_dels = v_dels,
                                    .n_v_dels = N,
                                    .out = outs,
                                    .n_out = N};
    ok(drift_store_verdict(s, input, &w, &reply, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_OK);
    ck_assert_int_eq(number(&server, "HLEN", KEY), N / 2 + 5); /* head fmt plan:0 cfg:abc judged_until */
    for (int i = 0; i < N; i += 500) {
        ck_assert_str_eq(field(&server, KEY ":w", names[i]), i % 3 ? "x" : "");
        ck_assert_str_eq(field(&server, KEY ":w", names[i + 1]), (i + 1) % 3 ? "x" : "");
    }
    ck_assert_str_eq(field(&server, KEY ":w", "-5"), "h");
    ck_assert_int_eq(number(&server, "HLEN", KEY ":v"), N / 2);
    ck_assert_int_eq(number(&server, "HLEN", KEY ":out"), N);
    ck_assert_str_eq(field(&server, KEY, "4498"), "s");
    ck_assert_str_eq(field(&server, KEY, "4499"), "");
    ck_assert_str_eq(field(&server, KEY ":v", "4499"), "b");
    ck_assert_str_eq(field(&server, KEY ":v", "4498"), "");
    ck_assert_str_eq(field(&server, KEY ":out", "4499"), "o");
    for (int i = 0; i < N; i++)
        free(names[i]);
}
END_TEST

START_TEST(operate_replies)
{
    struct drift_pair set = PAIR("alerts", "acknowledged");
    enum drift_reply reply;
    ok(drift_store_operate(s, input, head(1), head(2), &set, 1, &reply, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_CONFLICT);
    ck_assert_int_eq(init(input, 1), DRIFT_REPLY_OK);
    ok(drift_store_operate(s, input, head(1), head(2), &set, 1, &reply, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_OK);
    ok(drift_store_operate(s, input, head(1), head(2), &set, 1, &reply, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_DUP);
    ck_assert_str_eq(field(&server, KEY, "alerts"), "acknowledged");
    ck_assert_int_eq(verdict(1, 3, 0, "x"), DRIFT_REPLY_CONFLICT); /* no operator's write is overwritten */
    ck_assert_str_eq(field(&server, KEY, "alerts"), "acknowledged");
}
END_TEST

static bool claim(const char *action, const char *owner, int64_t lease)
{
    bool taken;
    ok(drift_store_out_claim(s, input, action, owner, lease, &taken, &err));
    return taken;
}

START_TEST(outbox_leases)
{
    struct drift_pairs p;
    int64_t now;
    ok(drift_store_out_read(s, input, &p, &now, &err));
    ck_assert_uint_eq(p.n, 0);
    drift_pairs_release(&p);
    ck_assert(!claim("2", "a", 60000)); /* no such entry */
    ck_assert_int_eq(number(&server, "EXISTS", KEY ":out"), 0);
    ck_assert_int_eq(init(input, 1), DRIFT_REPLY_OK);
    ck_assert_int_eq(verdict(1, 2, 0, "x"), DRIFT_REPLY_OK);

    ck_assert(claim("2", "a:1:9", 60000)); /* an owner with colons */
    ck_assert(claim("2", "a:1:9", 60000)); /* its own lease is no hindrance (a lost reply) */
    ck_assert(!claim("2", "b", 60000));
    ck_assert(!claim("2", "a:1", 60000));
    ok(drift_store_out_state(s, input, "2", "{\"attempts\":1}", &err)); /* drops the lease */
    ck_assert(claim("2", "b", -1));                                     /* a lease that is over at once */
    ck_assert(claim("2", "a:1:9", 60000));
    tell(&server, "HSET " KEY ":out l:2 garbage");
    ck_assert(claim("2", "b", 60000)); /* no lease that anybody can hold */

    ok(drift_store_out_read(s, input, &p, &now, &err));
    ck_assert_uint_eq(p.n, 3);
    ck_assert_str_eq(text_of(&p, "e:2"), "{\"body\":\"@now@\"}");
    ck_assert_str_eq(text_of(&p, "s:2"), "{\"attempts\":1}");
    int64_t till = 0;
    char owner[8] = "";
    ck_assert_int_eq(sscanf(text_of(&p, "l:2"), "%" SCNd64 ":%7s", &till, owner), 2);
    ck_assert(till > now && till <= now + 60000);
    ck_assert_str_eq(owner, "b");
    drift_pairs_release(&p);
    ck_assert_str_eq(field(&server, KEY, "head"), head(2)); /* delivery does not touch the chain */
}
END_TEST

START_TEST(outbox_drop)
{
    enum { N = 2500 };
    static char ids[N][16];
    static const char *names[N];
    struct drift_pairs p;
    int64_t now;
    ck_assert_int_eq(init(input, 1), DRIFT_REPLY_OK);
    for (int i = 0; i < N; i++) {
        snprintf(ids[i], sizeof ids[i], "%d", i);
        names[i] = ids[i];
        tell(&server, "HSET " KEY ":out e:%d x s:%d x l:%d x", i, i, i);
    }
    tell(&server, "HSET " KEY ":out e:keep x s:keep x s:orphan x");
    ok(drift_store_out_drop(s, input, names, 0, &err));
    ck_assert_int_eq(number(&server, "HLEN", KEY ":out"), 3 * N + 3);
    ok(drift_store_out_drop(s, input, names, N, &err));
    ok(drift_store_out_drop(s, input, names, N, &err)); /* again: nothing left to drop */
    ok(drift_store_out_read(s, input, &p, &now, &err));
    ck_assert_uint_eq(p.n, 3);
    ck_assert_str_eq(text_of(&p, "e:keep"), "x");
    drift_pairs_release(&p);
}
END_TEST

START_TEST(baselines)
{
    static const char bytes[] = "a\0b\r\n\xff";
    struct drift_pairs p;
    void *got;
    size_t len;
    fails(drift_store_baseline_get(s, "fraud", "v1", &got, &len, &err), DRIFT_E_NOT_FOUND);
    fails(drift_store_baseline_activate(s, "fraud", "v1", &err), DRIFT_E_NOT_FOUND);
    ok(drift_store_baseline_list(s, "fraud", &p, &err));
    ck_assert_uint_eq(p.n, 0);
    drift_pairs_release(&p);

    ok(drift_store_baseline_put(s, "fraud", "v1", "{\"n\":1}", bytes, sizeof bytes, &err));
    ok(drift_store_baseline_put(s, "fraud", "v1", "{\"n\":2}", bytes, sizeof bytes, &err)); /* same bytes: no news */
    fails(drift_store_baseline_put(s, "fraud", "v1", "{\"n\":3}", bytes, sizeof bytes - 1, &err), DRIFT_E_EXISTS);
    ok(drift_store_baseline_get(s, "fraud", "v1", &got, &len, &err));
    ck_assert_uint_eq(len, sizeof bytes);
    ck_assert_int_eq(memcmp(got, bytes, len), 0);
    free(got);
    ok(drift_store_baseline_put(s, "fraud", "v2/x}", "{\"n\":4}", "", 0, &err));
    ok(drift_store_baseline_get(s, "fraud", "v2/x}", &got, &len, &err));
    ck_assert_uint_eq(len, 0);
    free(got);
    ck_assert_int_eq(number(&server, "EXISTS", "driftd:{b/fraud}:v2%2Fx%7D"), 1);

    ok(drift_store_baseline_activate(s, "fraud", "v1", &err));
    fails(drift_store_baseline_activate(s, "fraud", "v3", &err), DRIFT_E_NOT_FOUND);
    ok(drift_store_baseline_list(s, "fraud", &p, &err));
    ck_assert_uint_eq(p.n, 3);
    ck_assert_str_eq(text_of(&p, "v1"), "{\"n\":1}");
    ck_assert_str_eq(text_of(&p, "v2/x}"), "{\"n\":4}");
    ck_assert_str_eq(text_of(&p, "active"), "v1");
    drift_pairs_release(&p);
    ok(drift_store_baseline_list(s, "other", &p, &err));
    ck_assert_uint_eq(p.n, 0);
    drift_pairs_release(&p);

    tell(&server, "DEL driftd:{b/fraud}:v1"); /* half of it lost: put again completes it */
    fails(drift_store_baseline_activate(s, "fraud", "v1", &err), DRIFT_E_NOT_FOUND);
    ok(drift_store_baseline_put(s, "fraud", "v1", "{\"n\":5}", "new", 3, &err));
    tell(&server, "HDEL driftd:{b/fraud} v1");
    ok(drift_store_baseline_put(s, "fraud", "v1", "{\"n\":6}", "new", 3, &err));
    ck_assert_str_eq(field(&server, "driftd:{b/fraud}", "v1"), "{\"n\":6}");
}
END_TEST

START_TEST(baseline_ids)
{
    char longest[131];
    static const char *const bad[] = {"", "active", "seen"};
    memset(longest, 'x', 130);
    longest[129] = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *id = i < 3 ? bad[i] : longest;
        fails(drift_store_baseline_put(s, "fraud", id, "{}", "x", 1, &err), DRIFT_E_USAGE);
        fails(drift_store_baseline_activate(s, "fraud", id, &err), DRIFT_E_USAGE);
    }
    longest[128] = 0;
    ok(drift_store_baseline_put(s, "fraud", longest, "{}", "x", 1, &err));
}
END_TEST

START_TEST(baseline_of_megabytes)
{
    size_t len = 8 << 20, got_len;
    char *bytes = malloc(len);
    void *got;
    struct drift_rng rng = drift_rng_new(3);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)drift_rng_u64(&rng);
    ok(drift_store_baseline_put(s, "fraud", "big", "{}", bytes, len, &err));
    ok(drift_store_baseline_get(s, "fraud", "big", &got, &got_len, &err));
    ck_assert_uint_eq(got_len, len);
    ck_assert_int_eq(memcmp(got, bytes, len), 0);
    bytes[len - 1] ^= 1;
    fails(drift_store_baseline_put(s, "fraud", "big", "{}", bytes, len, &err), DRIFT_E_EXISTS);
    free(got);
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/chain");
    if (!server_start(&server, NULL))
        return drift_test_skip("there is no redis-server");
#define ADD(test) add_test(suite, #test, test, setup, teardown)
    ADD(model_init_and_read);
    ADD(plan_add_replies);
    ADD(verdict_replies);
    ADD(headers_are_apart);
    ADD(headers_in_portions);
    ADD(verdict_refuses);
    ADD(verdict_all_or_nothing);
    ADD(large_verdict);
    ADD(operate_replies);
    ADD(outbox_leases);
    ADD(outbox_drop);
    ADD(baselines);
    ADD(baseline_ids);
    ADD(baseline_of_megabytes);
    int status = drift_test_run(suite);
    server_stop(&server);
    return status;
}
