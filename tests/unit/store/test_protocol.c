/* tests/unit/store/test_protocol.c    Random histories of owners, judges and an operator over lossy connections.
 *
 * Two owners of one partition (each believes to be the only one) count the same log; requests are lost before or after
 * they were executed, or executed much later.  After every step the slot is read behind the store's back:
 *   - it changed only if its head did, and then into what exactly one known write makes of the state before;
 *   - that write named the head that was there (but for an ACQUIRE);
 *   - its counts are those of the log up to its offset: every record once.
 * The same for verdicts and an operator's acknowledgements on one chain: no window twice, no update lost. */
#include <inttypes.h>

#include "driftd/internal/base/hash.h"
#include "server.h"

enum { N_LOG = 120, N_WINDOW = 5, N_STEP = 160, N_OP = 4096, N_OWNER = 2 };

static struct server server;
static struct drift_err err;
static const struct drift_slot_id slot = {"scores", 0};
static const struct drift_chain_id chain = {"fraud", DRIFT_CHAIN_INPUT};
#define SLOT_KEY "driftd:{p/g/scores/0}"
#define CHAIN_KEY "driftd:{m/g/fraud}"

static long n_cases(void)
{
    const char *e = getenv("DRIFTD_CASES");
    return e ? atol(e) : 40;
}

static enum fate random_fate(void *ctx)
{
    static const enum fate fates[] = {PASS, PASS, PASS, PASS, PASS, DROP_REQUEST, DROP_REPLY, DROP_REPLY, GHOST};
    return fates[drift_rng_below(ctx, sizeof fates / sizeof *fates)];
}

static void new_head(struct drift_rng *r, char ret[DRIFT_HEAD])
{
    snprintf(ret, DRIFT_HEAD, "%016" PRIx64 "%016" PRIx64, drift_rng_u64(r), drift_rng_u64(r));
}

/* ---- what every actor has: a store, a lossy way to the server, ghosts of its own ---- */
struct actor {
    struct drift_store *store;
    struct proxy proxy;
    struct drift_rng rng;
    unsigned n_released;
};

static void actor_start(struct actor *a, const char *name, uint64_t stream)
{
    a->rng = drift_rng_new(stream);
    a->n_released = 0;
    proxy_start(&a->proxy, &server, name, random_fate, &a->rng);
    a->store = store_at(a->proxy.path, "g");
}

static void actor_stop(struct actor *a, unsigned met[4])
{
    drift_store_free(a->store);
    proxy_stop(&a->proxy);
    for (int i = 0; i < 4; i++)
        met[i] += a->proxy.n_met[i];
}

static void set_faults(struct actor *a, bool on)
{
    pthread_mutex_lock(&a->proxy.lock);
    a->proxy.fate = on ? random_fate : NULL;
    pthread_mutex_unlock(&a->proxy.lock);
}

/* Any ghost may come at any time, whatever was sent before or after it. */
static bool release_one(struct actor *a, struct drift_rng *r)
{
    if (!a->proxy.n_ghosts)
        return false;
    return proxy_release(&a->proxy, (unsigned)drift_rng_below(r, a->proxy.n_ghosts));
}

/* ==== partition ==== */
struct counts {
    int64_t offset, wm, n[N_WINDOW];
};
struct owner {
    struct actor actor;
    bool has_state, pending, advancing;
    char base[DRIFT_HEAD], next[DRIFT_HEAD];
    struct counts mine, sent; /* sent: the very values of the flush in doubt */
    int64_t advance_to;
};
enum op_kind { ACQUIRE, FLUSH, ADVANCE };
struct slot_op {
    char head[DRIFT_HEAD], prev[DRIFT_HEAD];
    enum op_kind kind;
    struct counts values;
};
static struct slot_op ops[N_OP];
static unsigned n_ops;

static int window_of(int64_t record)
{
    return (int)(record * 7 % 13 % N_WINDOW);
}

static struct counts expected(int64_t offset)
{
    struct counts c = {.offset = offset};
    for (int64_t i = 0; i < offset; i++)
        c.n[window_of(i)]++;
    return c;
}

struct slot_state {
    char head[DRIFT_HEAD];
    struct counts c;
};

static struct slot_state read_slot(void)
{
    struct slot_state s = {.c.offset = 0};
    redisReply *r = ask(&server, "HGETALL " SLOT_KEY);
    for (size_t i = 0; i + 1 < r->elements; i += 2) {
        const char *name = r->element[i]->str, *value = r->element[i + 1]->str;
        if (!strcmp(name, "head"))
            snprintf(s.head, sizeof s.head, "%s", value);
        else if (!strcmp(name, "offset"))
            s.c.offset = atoll(value);
        else if (!strcmp(name, "wm"))
            s.c.wm = atoll(value);
        else if (!strncmp(name, "b:m:i:", 6))
            s.c.n[atoi(name + 6)] = atoll(value);
    }
    freeReplyObject(r);
    return s;
}

static void record_op(const char *head, const char *prev, enum op_kind kind, const struct counts *values)
{
    ck_assert_uint_lt(n_ops, N_OP);
    struct slot_op *op = &ops[n_ops++];
    snprintf(op->head, sizeof op->head, "%s", head);
    snprintf(op->prev, sizeof op->prev, "%s", prev);
    op->kind = kind;
    op->values = *values;
}

static void owner_acquire(struct owner *o)
{
    struct drift_pairs p;
    int64_t now;
    char h[DRIFT_HEAD];
    new_head(&o->actor.rng, h);
    o->pending = o->has_state = false;
    record_op(h, "", ACQUIRE, &(struct counts){0});
    if (drift_store_acquire(o->actor.store, slot, h, "owner", &p, &now, &err)) {
        ck_assert_int_eq(err.code, DRIFT_E_AWAY);
        ck_assert_int_eq(err.action, DRIFT_RETRY);
        return;
    }
    o->mine = (struct counts){0};
    for (size_t i = 0; i < p.n; i++) {
        if (!strcmp(p.pair[i].name, "offset"))
            o->mine.offset = atoll(p.pair[i].value);
        else if (!strcmp(p.pair[i].name, "wm"))
            o->mine.wm = atoll(p.pair[i].value);
        else if (!strncmp(p.pair[i].name, "b:m:i:", 6))
            o->mine.n[atoi(p.pair[i].name + 6)] = atoll(p.pair[i].value);
    }
    drift_pairs_release(&p);
    memcpy(o->base, h, sizeof h);
    o->has_state = true;
}

/* What a reply to a compare-and-set says about the head must be so. */
static void check_reply(enum drift_reply reply, const char *prev, const char *new, enum drift_reply other,
                        const char *key)
{
    const char *now = field(&server, key, "head");
    if (reply == DRIFT_REPLY_OK || reply == DRIFT_REPLY_DUP) {
        ck_assert_str_eq(now, new);
    } else if (reply == DRIFT_REPLY_NOOP || reply == DRIFT_REPLY_JUDGED) {
        ck_assert_str_eq(now, prev);
    } else {
        ck_assert_int_eq(reply, other);
        ck_assert_str_ne(now, prev);
        ck_assert_str_ne(now, new);
    }
}

/* Sends what is in doubt, or a new write. */
static void owner_flush(struct owner *o, bool advance)
{
    struct drift_pair sets[N_WINDOW + 2];
    char names[N_WINDOW][24], values[N_WINDOW + 2][24];
    enum drift_reply reply;
    int64_t now;
    if (!o->pending) {
        new_head(&o->actor.rng, o->next);
        o->pending = true;
        o->advancing = advance;
        o->sent = o->mine;
        o->advance_to = o->mine.wm + (int64_t)drift_rng_below(&o->actor.rng, 3);
        struct counts c = advance ? (struct counts){.wm = o->advance_to} : o->sent;
        record_op(o->next, o->base, advance ? ADVANCE : FLUSH, &c);
    }
    struct drift_flush f = {.prev = o->base, .new_head = o->next, .sets = sets};
    if (o->advancing) {
        f.advance = true;
        f.advance_to_ms = o->advance_to;
    } else {
        for (int w = 0; w < N_WINDOW; w++) {
            snprintf(names[w], sizeof names[w], "b:m:i:%d", w);
            snprintf(values[w], sizeof values[w], "%" PRId64, o->sent.n[w]);
            sets[w] = PAIR(names[w], values[w]);
        }
        snprintf(values[N_WINDOW], 24, "%" PRId64, o->sent.offset);
        snprintf(values[N_WINDOW + 1], 24, "%" PRId64, o->sent.wm);
        sets[N_WINDOW] = PAIR("offset", values[N_WINDOW]);
        sets[N_WINDOW + 1] = PAIR("wm", values[N_WINDOW + 1]);
        f.n_sets = N_WINDOW + 2;
    }
    if (drift_store_flush(o->actor.store, slot, &f, &reply, &now, &err)) {
        ck_assert_int_eq(err.code, DRIFT_E_AWAY);
        return; /* in doubt: the same again */
    }
    check_reply(reply, o->base, o->next, DRIFT_REPLY_STALE, SLOT_KEY);
    o->pending = false;
    if (reply == DRIFT_REPLY_STALE) {
        o->has_state = false;
    } else if (reply != DRIFT_REPLY_NOOP) {
        memcpy(o->base, o->next, sizeof o->base);
        if (o->advancing)
            o->mine.wm = o->advance_to > o->mine.wm ? o->advance_to : o->mine.wm;
    }
}

static void owner_count(struct owner *o)
{
    if (o->pending && o->advancing) /* counts nothing until an advance is answered */
        return;
    for (int i = 0; i < 4 && o->mine.offset < N_LOG; i++) {
        o->mine.n[window_of(o->mine.offset)]++;
        o->mine.offset++;
        o->mine.wm = o->mine.offset > o->mine.wm ? o->mine.offset : o->mine.wm;
    }
}

static void owner_step(struct owner *o, struct drift_rng *r)
{
    uint64_t dice = drift_rng_below(r, 100);
    enum drift_reply reply;
    if (dice < 4)
        o->has_state = o->pending = false; /* crash */
    else if (!o->has_state)
        owner_acquire(o);
    else if (dice < 35)
        owner_count(o);
    else if (dice < 85)
        owner_flush(o, false);
    else if (dice < 93)
        owner_flush(o, true);
    else if (!o->pending && drift_store_check(o->actor.store, slot, o->base, &reply, &err) == 0)
        ck_assert_int_eq(reply == DRIFT_REPLY_OK, !strcmp(field(&server, SLOT_KEY, "head"), o->base));
}

/* The heart: from the state before to the state now by at most one known write. */
static unsigned verify_slot(struct slot_state *last)
{
    struct slot_state now = read_slot();
    struct counts should = expected(now.c.offset);
    ck_assert_msg(!memcmp(should.n, now.c.n, sizeof should.n), "counts are not those of the log up to %" PRId64,
                  now.c.offset);
    if (!strcmp(now.head, last->head)) {
        ck_assert_msg(!memcmp(&now, last, sizeof now), "the slot changed without its head");
        return 0;
    }
    const struct slot_op *op = NULL;
    for (unsigned i = 0; i < n_ops; i++)
        if (!strcmp(ops[i].head, now.head))
            op = &ops[i];
    ck_assert_msg(op != NULL, "head %s is nobody's", now.head);
    struct counts want = last->c;
    if (op->kind != ACQUIRE)
        ck_assert_msg(!strcmp(op->prev, last->head), "a write was applied on a state that it did not name");
    if (op->kind == FLUSH)
        want = op->values;
    else if (op->kind == ADVANCE)
        want.wm = op->values.wm;
    ck_assert_msg(!memcmp(&want, &now.c, sizeof want), "the slot is not what the write makes of it");
    ck_assert_msg(now.c.offset >= last->c.offset && now.c.wm >= last->c.wm, "the slot went back");
    *last = now;
    return 1;
}

static void run_slot_case(uint64_t seed, unsigned met[4], unsigned *n_writes, unsigned *n_ghosts)
{
    struct drift_rng r = drift_rng_new(seed);
    struct owner o[N_OWNER] = {{.has_state = false}};
    struct slot_state last = {.head = ""};
    tell(&server, "FLUSHALL");
    n_ops = 0;
    for (int i = 0; i < N_OWNER; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        actor_start(&o[i].actor, name, seed * 8 + (uint64_t)i + 1);
    }
    for (int step = 0; step < N_STEP; step++) {
        struct owner *who = &o[drift_rng_below(&r, N_OWNER)];
        uint64_t dice = drift_rng_below(&r, 100);
        if (dice < 10)
            *n_ghosts += release_one(&who->actor, &r);
        else if (dice < 12)
            tell(&server, "SCRIPT FLUSH");
        else
            owner_step(who, &r);
        *n_writes += verify_slot(&last);
    }
    /* no more faults: one owner drains the log, then the ghosts that are left come and change nothing */
    set_faults(&o[0].actor, false);
    o[0].has_state = false;
    while (last.c.offset < N_LOG || o[0].pending) {
        if (!o[0].has_state)
            owner_acquire(&o[0]);
        verify_slot(&last);
        owner_count(&o[0]);
        owner_flush(&o[0], false);
        verify_slot(&last);
    }
    for (int i = 0; i < N_OWNER; i++)
        for (unsigned g = 0; g < o[i].actor.proxy.n_ghosts; g++)
            *n_ghosts += proxy_release(&o[i].actor.proxy, g);
    struct slot_state end = read_slot();
    struct counts all = expected(N_LOG);
    ck_assert_int_eq(end.c.offset, N_LOG);
    ck_assert_int_eq(memcmp(end.c.n, all.n, sizeof all.n), 0);
    for (int i = 0; i < N_OWNER; i++)
        actor_stop(&o[i].actor, met);
}

START_TEST(owners)
{
    unsigned met[4] = {0}, n_writes = 0, n_ghosts = 0;
    for (long i = 0; i < n_cases(); i++)
        run_slot_case((uint64_t)i + 100, met, &n_writes, &n_ghosts);
    printf("owners: %u writes applied; requests passed %u, lost %u, reply lost %u, delayed %u (executed late %u)\n",
           n_writes, met[PASS], met[DROP_REQUEST], met[DROP_REPLY], met[GHOST], n_ghosts);
    ck_assert_uint_gt(n_writes, 20 * (unsigned)n_cases());
    for (int i = 0; i < 4; i++)
        ck_assert_uint_gt(met[i], (unsigned)n_cases());
    ck_assert_uint_gt(n_ghosts, (unsigned)n_cases());
}
END_TEST

/* ==== chain: two judges and an operator ==== */
struct judge {
    struct actor actor;
    bool has_state;
    char base[DRIFT_HEAD];
    int64_t judged, acknowledged; /* as read: the alerts field is "judged:acknowledged" */
};
struct chain_op {
    char head[DRIFT_HEAD], prev[DRIFT_HEAD];
    int64_t judged, acknowledged;
};
static struct chain_op chain_ops[N_OP];

static bool read_model(struct judge *j)
{
    struct drift_pairs p;
    int64_t now;
    j->has_state = false;
    if (drift_store_model_read(j->actor.store, chain, &p, &now, &err)) {
        ck_assert_int_eq(err.code, DRIFT_E_AWAY);
        return false;
    }
    snprintf(j->base, sizeof j->base, "%s", drift_pairs_find(&p, "head")->value);
    ck_assert_int_eq(
        sscanf(drift_pairs_find(&p, "alerts")->value, "%" SCNd64 ":%" SCNd64, &j->judged, &j->acknowledged), 2);
    drift_pairs_release(&p);
    return j->has_state = true;
}

/* One verdict, or an acknowledgement, on what was read before (however long ago). */
static void judge_write(struct judge *j, bool operate)
{
    char h[DRIFT_HEAD], alerts[48], start[24], id[32];
    struct drift_pair sets[1];
    enum drift_reply reply;
    int rc;
    new_head(&j->actor.rng, h);
    struct chain_op *op = &chain_ops[n_ops++];
    *op = (struct chain_op){.judged = j->judged + !operate, .acknowledged = j->acknowledged + operate};
    memcpy(op->head, h, sizeof h);
    memcpy(op->prev, j->base, sizeof h);
    snprintf(alerts, sizeof alerts, "%" PRId64 ":%" PRId64, op->judged, op->acknowledged);
    snprintf(start, sizeof start, "%" PRId64, j->judged * 1000);
    snprintf(id, sizeof id, "e:%s", start);
    sets[0] = PAIR("alerts", alerts);
    if (operate) {
        rc = drift_store_operate(j->actor.store, chain, j->base, h, sets, 1, &reply, &err);
    } else {
        struct drift_pair body = PAIR(start, alerts), out = PAIR(id, h);
        struct drift_verdict_write w = {.prev = j->base,
                                        .new_head = h,
                                        .start_ms = j->judged * 1000,
                                        .end_ms = j->judged * 1000 + 1000,
                                        .header = "{\"ms\":@now@}",
                                        .sets = sets,
                                        .n_sets = 1,
                                        .bodies = &body,
                                        .n_bodies = 1,
                                        .out = &out,
                                        .n_out = 1};
        rc = drift_store_verdict(j->actor.store, chain, &w, &reply, &err);
    }
    if (rc) {
        ck_assert_int_eq(err.code, DRIFT_E_AWAY); /* forget everything, read again */
    } else {
        check_reply(reply, j->base, h, DRIFT_REPLY_CONFLICT, CHAIN_KEY);
    }
    j->has_state = false;
}

static unsigned verify_chain(struct chain_op *last)
{
    char now[DRIFT_HEAD], alerts[48], want[48];
    snprintf(now, sizeof now, "%s", field(&server, CHAIN_KEY, "head"));
    snprintf(alerts, sizeof alerts, "%s", field(&server, CHAIN_KEY, "alerts"));
    unsigned applied = strcmp(now, last->head) != 0;
    for (unsigned i = 0; applied && i < n_ops; i++)
        if (!strcmp(chain_ops[i].head, now)) {
            ck_assert_str_eq(chain_ops[i].prev, last->head);
            ck_assert_int_eq(chain_ops[i].judged + chain_ops[i].acknowledged, last->judged + last->acknowledged + 1);
            *last = chain_ops[i];
        }
    ck_assert_str_eq(now, last->head);
    snprintf(want, sizeof want, "%" PRId64 ":%" PRId64, last->judged, last->acknowledged);
    ck_assert_str_eq(alerts, want);
    ck_assert_int_eq(number(&server, "HLEN", CHAIN_KEY ":w"), last->judged);
    ck_assert_int_eq(number(&server, "HLEN", CHAIN_KEY ":v"), last->judged);
    ck_assert_int_eq(number(&server, "HLEN", CHAIN_KEY ":out"), last->judged);
    ck_assert_int_eq(atoll(field(&server, CHAIN_KEY, "judged_until")), last->judged * 1000);
    return applied;
}

static void run_chain_case(uint64_t seed, unsigned met[4], unsigned *n_writes)
{
    struct drift_rng r = drift_rng_new(seed);
    struct judge j[3] = {{.has_state = false}};
    struct chain_op last = {.judged = 0};
    tell(&server, "FLUSHALL");
    n_ops = 0;
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "j%d", i);
        actor_start(&j[i].actor, name, seed * 8 + (uint64_t)i + 5);
    }
    new_head(&r, last.head);
    struct drift_pair first = PAIR("alerts", "0:0");
    enum drift_reply reply;
    while (drift_store_model_init(j[0].actor.store, chain, last.head, &first, 1, &reply, &err))
        ck_assert_int_eq(err.code, DRIFT_E_AWAY);
    ck_assert_int_eq(reply, DRIFT_REPLY_OK); /* also when the first reply was lost */
    for (int step = 0; step < N_STEP; step++) {
        int i = (int)drift_rng_below(&r, 3);
        if (drift_rng_below(&r, 10) == 0)
            release_one(&j[i].actor, &r);
        else if (!j[i].has_state)
            read_model(&j[i]);
        else
            judge_write(&j[i], i == 2);
        *n_writes += verify_chain(&last);
    }
    for (int64_t w = 0; w < last.judged; w++) { /* every window's body and action come from one and the same write */
        char start[24], id[32], body[48];
        snprintf(start, sizeof start, "%" PRId64, w * 1000);
        snprintf(id, sizeof id, "e:%s", start);
        snprintf(body, sizeof body, "%s", field(&server, CHAIN_KEY ":v", start));
        ck_assert_int_eq(atoll(body), w + 1);
        const char *by = field(&server, CHAIN_KEY ":out", id);
        unsigned found = 0;
        for (unsigned k = 0; k < n_ops; k++)
            found += !strcmp(chain_ops[k].head, by) && chain_ops[k].judged == w + 1;
        ck_assert_uint_eq(found, 1);
    }
    for (int i = 0; i < 3; i++)
        actor_stop(&j[i].actor, met);
}

START_TEST(judges)
{
    unsigned met[4] = {0}, n_writes = 0;
    for (long i = 0; i < n_cases(); i++)
        run_chain_case((uint64_t)i + 5000, met, &n_writes);
    printf("judges: %u writes applied; requests passed %u, lost %u, reply lost %u, delayed %u\n", n_writes, met[PASS],
           met[DROP_REQUEST], met[DROP_REPLY], met[GHOST]);
    ck_assert_uint_gt(n_writes, 15 * (unsigned)n_cases());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/protocol");
    if (!server_start(&server, NULL))
        return drift_test_skip("there is no redis-server");
    add_test(suite, "owners", owners, NULL, NULL);
    add_test(suite, "judges", judges, NULL, NULL);
    int status = drift_test_run(suite);
    server_stop(&server);
    return status;
}
