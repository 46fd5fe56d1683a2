/* tests/unit/act/test_sender.c    The sender on a real redis-server against real sockets: retries, restarts, two
 * senders, dead receivers, order, expiry, forged entries.  Skipped (77) without redis-server. */
#include "receiver.h"

#include <inttypes.h>
#include <signal.h>

#include "../store/server.h"
#include "driftd/internal/act/outbox.h"
#include "driftd/internal/act/sender.h"
#include "driftd/internal/base/log.h"
#include "driftd/internal/base/meter.h"

#define SECRET "a secret of the unit tests, 1"
#define MODEL "phish"
#define OUT "driftd:{m/g/phish}:out"

/* A clock that tests push ahead: real time and a bit. */
static int64_t ahead_ms;
static int64_t clock_wall(void *ctx)
{
    (void)ctx;
    return drift_clock_system.wall_ms(NULL) + ahead_ms;
}
static int64_t clock_mono(void *ctx)
{
    (void)ctx;
    return drift_clock_system.mono_ns(NULL) + ahead_ms * 1000000;
}
static const struct drift_clock test_clock = {.wall_ms = clock_wall, .mono_ns = clock_mono};

enum { N_ENDPOINTS = 4 };
static struct server redis;
static struct receiver *receiver;
static struct drift_store *writer;
static struct drift_endpoint endpoints[N_ENDPOINTS];
static char urls[N_ENDPOINTS][128];
static struct drift_secret secret = {.env = (char[]){"DRIFTD_TEST_SECRET"}};
static struct drift_model model = {.name = (char[]){MODEL}};
static struct drift_config config;
static char group[] = "g";
static const struct drift_chain_id chain = {.model = MODEL, .kind = DRIFT_CHAIN_INPUT};
static char last_head[33];
static int n_windows;

static void aim(size_t i, const char *path)
{
    snprintf(urls[i], sizeof urls[i], "http://127.0.0.1:%d%s", receiver->port, path);
}

static void setup(void)
{
    static char names[N_ENDPOINTS][4] = {"e0", "e1", "e2", "e3"};
    struct drift_err err;
    enum drift_reply reply;
    signal(SIGPIPE, SIG_IGN);
    drift_log_level(getenv("DRIFTD_TEST_LOG") ? DRIFT_DEBUG : DRIFT_ERROR);
    setenv("DRIFTD_TEST_SECRET", SECRET, 1);
    ck_assert(server_start(&redis, NULL));
    receiver = receiver_start();
    writer = store_at(redis.socket, "g");
    for (size_t i = 0; i < N_ENDPOINTS; i++) {
        endpoints[i] = (struct drift_endpoint){.name = names[i],
                                               .url = urls[i],
                                               .n_secrets = 1,
                                               .secrets = &secret,
                                               .timeout_ms = 5000,
                                               .allow_private = true};
        aim(i, "/ok");
    }
    config = (struct drift_config){.n_endpoints = N_ENDPOINTS,
                                   .endpoints = endpoints,
                                   .n_models = 1,
                                   .models = &model,
                                   .kafka = {.group = group},
                                   .state = {.max_action_age_ms = 3600000}};
    snprintf(last_head, sizeof last_head, "%032x", 0xfeed);
    struct drift_pair first = PAIR("plan:0", "{}");
    ok(drift_store_model_init(writer, chain, last_head, &first, 1, &reply, &err));
    n_windows = 0;
    ahead_ms = 0;
}

static void teardown(void)
{
    drift_store_free(writer);
    receiver_stop(receiver);
    server_stop(&redis);
}

/* ---- what a judge would write ---- */

struct step {
    size_t endpoint;
    const char *kind, *transition;
    bool shadow;
};

static int64_t window_end_ms = 0; /* 0: now */

/* One verdict with these steps; ids are window * 100 + step. */
static void write_verdict(const struct step *steps, size_t n)
{
    struct drift_pair *out = calloc(n, sizeof *out);
    char head_text[33];
    struct drift_err err;
    int64_t start = 1000 + 1000 * n_windows, end = window_end_ms ? window_end_ms : clock_wall(NULL);
    for (size_t i = 0; i < n; i++) {
        char id[33], name[40], body[128];
        snprintf(id, sizeof id, "%032x", (unsigned)(n_windows * 100 + (int)i + 1));
        snprintf(name, sizeof name, "e:%s", id);
        snprintf(body, sizeof body, "{\"id\":\"%s\",\"text\":\"\\u00e9 exactly  so\"}", id);
        struct drift_action a = {.id = id,
                                 .endpoint = endpoints[steps[i].endpoint].name,
                                 .step = (char *)steps[i].kind,
                                 .rule = (char[]){"input-drift"},
                                 .transition = (char *)steps[i].transition,
                                 .shadow = steps[i].shadow,
                                 .incident_ms = 1000,
                                 .window_start_ms = start,
                                 .window_end_ms = end,
                                 .seq = (uint32_t)i,
                                 .body = body,
                                 .body_len = strlen(body)};
        char *entry = drift_action_entry(&a, SECRET);
        out[i] = (struct drift_pair){.name = strdup(name), .value = entry, .len = strlen(entry)};
    }
    snprintf(head_text, sizeof head_text, "%032x", 0xbeef + n_windows);
    struct drift_verdict_write w = {
        .prev = last_head, .new_head = head_text, .start_ms = start, .end_ms = start + 1000, .out = out, .n_out = n};
    enum drift_reply reply;
    ok(drift_store_verdict(writer, chain, &w, &reply, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_OK);
    snprintf(last_head, sizeof last_head, "%s", head_text);
    n_windows++;
    for (size_t i = 0; i < n; i++) {
        free(out[i].name);
        free(out[i].value);
    }
    free(out);
}

static void write_one(size_t endpoint, const char *transition)
{
    struct step s = {.endpoint = endpoint, .kind = "ticket", .transition = transition};
    write_verdict(&s, 1);
}

/* ---- senders ---- */

struct running {
    struct drift_store *store;
    struct drift_sender *sender;
};

static struct running sender_start(const char *instance, bool until_end)
{
    struct running r = {.store = store_at(redis.socket, "g")};
    struct drift_sender_settings s = {
        .config = &config, .store = r.store, .clock = &test_clock, .until_end = until_end, .instance = instance};
    struct drift_err err;
    ok(drift_sender_new(&s, &r.sender, &err));
    return r;
}
static void sender_stop(struct running r)
{
    drift_sender_free(r.sender);
    drift_store_free(r.store);
}

static size_t turn(struct running r, int wait_ms)
{
    size_t pending = 0;
    struct drift_err err;
    ok(drift_sender_step(r.sender, wait_ms, &pending, &err));
    return pending;
}

/* Turns until nothing waits, at most 30 s. */
static void drain(struct running r)
{
    int64_t end = test_now_ms() + 30000;
    drift_sender_poke(r.sender);
    while (turn(r, 100)) {
        ck_assert(!drift_sender_drained(r.sender));
        ck_assert_msg(test_now_ms() < end, "the outbox does not empty");
    }
    ck_assert(drift_sender_drained(r.sender));
}

static const char *state(int id)
{
    char name[40];
    snprintf(name, sizeof name, "s:%032x", (unsigned)id);
    return field(&redis, OUT, name);
}
static bool state_has(int id, const char *part)
{
    return strstr(state(id), part) != NULL;
}
#define expect_state(id, part) ck_assert_msg(state_has((id), (part)), "%d: %s", (id), state(id))

static double delivered(const char *endpoint, const char *result)
{
    return drift_series_get(drift_series(DRIFT_M_DELIVERIES, endpoint, result, (char *)NULL));
}

/* ---- tests ---- */

START_TEST(test_sends)
{
    static const struct step steps[] = {{0, "ticket", "firing", false},
                                        {1, "notify", "firing", false},
                                        {0, "page", "firing", false},
                                        {1, "rollback", "firing", true}};
    write_verdict(steps, 4);
    struct running r = sender_start("one", false);
    drain(r);
    ck_assert_uint_eq(receiver_count(receiver, NULL), 4);
    for (int i = 0; i < 4; i++) { /* in order, signed, the bytes that were stored */
        const struct received *q = &receiver->got[i];
        char id[33], body[128];
        snprintf(id, sizeof id, "%032x", (unsigned)i + 1);
        snprintf(body, sizeof body, "{\"id\":\"%s\",\"text\":\"\\u00e9 exactly  so\"}", id);
        ck_assert_str_eq(q->id, id);
        ck_assert_str_eq(q->body, body);
        ck_assert(received_verifies(q, SECRET));
        expect_state(i + 1, i == 3 ? "\"done\":\"shadow\"" : "\"done\":\"ok\"");
    }
    ck_assert_double_eq(delivered("e0", "ok"), 2);
    ck_assert_double_eq(delivered("e1", "shadow"), 1);
    turn(r, 0);
    sender_stop(r);
    r = sender_start("one", false); /* and not again after a restart */
    drain(r);
    ck_assert_uint_eq(receiver_count(receiver, NULL), 4);
    sender_stop(r);
}
END_TEST

START_TEST(test_retries)
{
    aim(0, "/fail-2/x");
    write_one(0, "firing");
    struct running r = sender_start("one", true);
    drain(r);
    ck_assert_uint_eq(receiver_count(receiver, "/fail-2/x"), 3);
    for (int i = 1; i < 3; i++) {
        ck_assert_str_eq(receiver->got[i].id, receiver->got[0].id);
        ck_assert_str_eq(receiver->got[i].body, receiver->got[0].body);
        ck_assert(received_verifies(&receiver->got[i], SECRET));
    }
    ck_assert_str_ne(receiver->got[2].timestamp, receiver->got[0].timestamp); /* per attempt */
    expect_state(1, "\"attempts\":3");
    ck_assert_double_eq(delivered("e0", "retry"), 2);
    sender_stop(r);
}
END_TEST

/* Off until_end the schedule holds: 5 s +- 20 %, and Retry-After beyond it. */
START_TEST(test_schedule)
{
    aim(0, "/fail-1/x");
    aim(1, "/busy-30/x");
    write_one(0, "firing");
    write_one(1, "firing");
    struct running r = sender_start("one", false);
    for (int64_t end = test_now_ms() + 20000; !state_has(1, "500") || !state_has(101, "429");) {
        turn(r, 50);
        ck_assert(test_now_ms() < end);
    }
    turn(r, 0);
    ahead_ms += 3000;
    for (int i = 0; i < 5; i++)
        turn(r, 50);
    ck_assert_uint_eq(receiver_count(receiver, NULL), 2); /* too early for both */
    ahead_ms += 4000;
    for (int64_t end = test_now_ms() + 20000; !state_has(1, "\"ok\"");) {
        turn(r, 50);
        ck_assert(test_now_ms() < end);
    }
    ck_assert_uint_eq(receiver_count(receiver, "/busy-30/x"), 1);
    ahead_ms += 16000; /* 23 s and a bit of 30 */
    for (int i = 0; i < 5; i++)
        turn(r, 50);
    ck_assert_uint_eq(receiver_count(receiver, "/busy-30/x"), 1);
    ahead_ms += 8000;
    drain(r);
    expect_state(101, "\"ok\"");
    ck_assert_uint_eq(receiver_count(receiver, "/busy-30/x"), 2);
    sender_stop(r);
}
END_TEST

START_TEST(test_dead_letter)
{
    char path[64];
    snprintf(path, sizeof path, "/redirect-%d", receiver->port);
    aim(0, "/400");
    aim(1, path);
    aim(2, "/410");
    aim(3, "/flood");
    static const struct step steps[] = {{0, "ticket", "firing", false},
                                        {1, "notify", "firing", false},
                                        {2, "page", "firing", false},
                                        {3, "notify", "firing", false}};
    write_verdict(steps, 4);
    struct running r = sender_start("one", false);
    drain(r);
    expect_state(1, "\"done\":\"dead\"");
    expect_state(1, "answered 400");
    expect_state(2, "\"done\":\"dead\"");
    expect_state(3, "\"done\":\"dead\"");
    expect_state(4, "\"done\":\"ok\"");
    ck_assert_uint_eq(receiver_count(receiver, "/secret"), 0);

    write_one(2, "update"); /* gone: nothing more in this run */
    drain(r);
    ck_assert_uint_eq(receiver_count(receiver, "/410"), 1);
    ck_assert_str_eq(state(101), "");
    sender_stop(r);
    atomic_store(&receiver->mended, true);
    r = sender_start("one", false); /* but nothing is lost */
    drain(r);
    expect_state(101, "\"ok\"");
    sender_stop(r);
}
END_TEST

START_TEST(test_restart)
{
    aim(0, "/hang/x");
    aim(1, "/fail-1000/x");
    for (int i = 0; i < 10; i++)
        write_one((size_t)i % 3, "firing");
    struct running r = sender_start("one", false);
    for (int64_t end = test_now_ms() + 20000; receiver_count(receiver, "/hang/x") < 1 || !state_has(101, "500") ||
                                              !state_has(201, "ok") || !state_has(501, "ok") ||
                                              !state_has(801, "ok");) {
        turn(r, 50);
        ck_assert(test_now_ms() < end);
    }
    sender_stop(r); /* with transfers under way */
    atomic_store(&receiver->mended, true);
    ahead_ms += 10000;
    r = sender_start("two", false);
    drain(r);
    for (int i = 0; i < 10; i++)
        expect_state(i * 100 + 1, "\"done\":\"ok\"");
    ck_assert_uint_eq(receiver_count(receiver, "/ok"), 3); /* what was done is not done again */
    sender_stop(r);
}
END_TEST

/* Redis goes and comes back: what was sent meanwhile is written when it is there again, and not sent twice. */
START_TEST(test_redis_away)
{
    write_one(0, "firing");
    struct running r = sender_start("one", false);
    struct drift_err err;
    size_t pending = 0;
    drain(r);
    write_one(0, "update");
    kill(redis.pid, SIGSTOP); /* the store times out after 5 s */
    drift_sender_poke(r.sender);
    int code = 0;
    for (int64_t end = test_now_ms() + 25000; !code && test_now_ms() < end;)
        code = drift_sender_step(r.sender, 50, &pending, &err);
    ck_assert_int_eq(code, DRIFT_E_AWAY);
    ck_assert_int_eq(drift_sender_step(r.sender, 0, &pending, &err), DRIFT_E_AWAY); /* still says so */
    kill(redis.pid, SIGCONT);
    for (int64_t end = test_now_ms() + 25000; drift_sender_step(r.sender, 50, &pending, &err) || pending;)
        ck_assert(test_now_ms() < end);
    drain(r);
    expect_state(101, "\"done\":\"ok\"");
    ck_assert_uint_eq(receiver_count(receiver, NULL), 2);
    sender_stop(r);
}
END_TEST

static void *run_until_empty(void *arg)
{
    struct running *r = arg;
    struct drift_err err;
    size_t pending = 1;
    for (int64_t end = test_now_ms() + 30000; pending && test_now_ms() < end;)
        if (drift_sender_step(r->sender, 20, &pending, &err))
            break;
    return (void *)(uintptr_t)pending;
}

/* Two senders, one outbox: leases share the work, nothing is sent twice. */
START_TEST(test_two)
{
    for (int i = 0; i < 60; i++)
        write_one((size_t)i % N_ENDPOINTS, i % 2 ? "update" : "firing");
    struct running r[2] = {sender_start("one", false), sender_start("two", false)};
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, run_until_empty, &r[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *left;
        pthread_join(t[i], &left);
        ck_assert_ptr_null(left);
    }
    ck_assert_uint_eq(receiver_count(receiver, NULL), 60);
    for (size_t i = 0; i < receiver->n; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(receiver->got[i].id, receiver->got[k].id);
    sender_stop(r[0]);
    sender_stop(r[1]);
}
END_TEST

/* One sees that an action is due, from a view of before the other one sent it. */
START_TEST(test_stale_view)
{
    aim(0, "/fail-1/x");
    write_one(0, "firing");
    struct running a = sender_start("one", false), b = sender_start("two", false);
    for (int64_t end = test_now_ms() + 20000; !state_has(1, "500");) {
        turn(a, 20);
        ck_assert(test_now_ms() < end);
    }
    int64_t due = atoll(strstr(state(1), "\"next_ms\":") + strlen("\"next_ms\":"));
    ahead_ms += due - clock_wall(NULL) - 300;
    turn(a, 0); /* looks, and again in a second */
    ck_assert_int_lt(clock_wall(NULL), due);
    ahead_ms += due - clock_wall(NULL) + 1;
    drain(b);
    ck_assert_uint_eq(receiver_count(receiver, NULL), 2);
    for (int i = 0; i < 5; i++)
        turn(a, 20);
    ck_assert_uint_eq(receiver_count(receiver, NULL), 2);
    sender_stop(a);
    sender_stop(b);
}
END_TEST

/* Stopped right behind an answer, before the turn that would have written it. */
START_TEST(test_stopped)
{
    write_one(0, "firing");
    struct running r = sender_start("one", false);
    for (int64_t end = test_now_ms() + 20000; delivered("e0", "ok") < 1;) {
        turn(r, 20);
        ck_assert(test_now_ms() < end);
    }
    ck_assert_str_eq(state(1), "");
    sender_stop(r);
    expect_state(1, "\"done\":\"ok\"");
}
END_TEST

/* A receiver that hangs has the first step of every verdict; the others must not notice for long. */
START_TEST(test_dead_receiver)
{
    aim(0, "/hang");
    endpoints[0].timeout_ms = 60000;
    static const struct step steps[] = {{0, "ticket", "firing", false}, {1, "notify", "firing", false}};
    for (int i = 0; i < 50; i++)
        write_verdict(steps, 2);
    struct running r = sender_start("one", false);
    int64_t began = test_now_ms();
    while (receiver_count(receiver, "/ok") < 50) {
        turn(r, 50);
        ck_assert_msg(test_now_ms() - began < 30000, "%zu", receiver_count(receiver, "/ok"));
    }
    ck_assert_uint_le(receiver_count(receiver, "/hang"), 4); /* its share of connections */
    ck_assert_int_lt(test_now_ms() - began, 15000);
    sender_stop(r);
}
END_TEST

/* After five failures in a row one probe per back-off; the first success lets all go. */
START_TEST(test_circuit)
{
    aim(0, "/503");
    for (int i = 0; i < 40; i++) {
        struct step s = {.endpoint = 0, .kind = i % 2 ? "ticket" : "notify", .transition = "firing"};
        write_verdict(&s, 1);
    }
    for (int i = 0; i < 38; i++) { /* let them be of different incidents' steps: all may go at once */
        struct step s = {.endpoint = 1, .kind = "ticket", .transition = "firing"};
        if (i < 2)
            write_verdict(&s, 1);
    }
    struct running r = sender_start("one", false);
    for (int64_t end = test_now_ms() + 20000; receiver_count(receiver, "/ok") < 2;) {
        turn(r, 50);
        ck_assert(test_now_ms() < end);
    }
    for (int k = 0; k < 30; k++) { /* half a minute for the receiver, in steps of a second */
        ahead_ms += 1000;
        for (int i = 0; i < 3; i++)
            turn(r, 30);
    }
    size_t failed = receiver_count(receiver, "/503");
    ck_assert_uint_ge(failed, 5);
    ck_assert_uint_le(failed, 12);
    atomic_store(&receiver->mended, true);
    ahead_ms += 5 * 60000;
    drain(r);
    for (int i = 0; i < 40; i++)
        expect_state(i * 100 + 1, "\"done\":\"ok\"");
    sender_stop(r);
}
END_TEST

START_TEST(test_order)
{
    aim(0, "/fail-1/x");
    static const struct step firing[] = {{0, "ticket", "firing", false}, {1, "notify", "firing", false}};
    static const struct step over[] = {{0, "ticket", "resolved", false}, {1, "notify", "resolved", false}};
    write_verdict(firing, 2);
    write_verdict(over, 2);
    struct running r = sender_start("one", true);
    drain(r);
    int at[4] = {0}; /* when each id first came */
    static const int ids[4] = {1, 2, 101, 102};
    for (int k = 0; k < 4; k++)
        for (size_t i = receiver->n; i-- > 0;)
            if (strtoul(receiver->got[i].id, NULL, 16) == (unsigned long)ids[k])
                at[k] = (int)i + 1;
    ck_assert_int_lt(at[0], at[1]); /* the ticket was tried before the notify ... */
    ck_assert_int_lt(at[0], at[2]);
    ck_assert_int_lt(at[1], at[3]);
    ck_assert_str_eq(receiver->got[at[2] - 1].id, "00000000000000000000000000000065");
    size_t tickets = 0; /* ... and resolved came after firing had been taken, at the second attempt */
    for (int i = 0; i < at[2] - 1; i++)
        tickets += strtoul(receiver->got[i].id, NULL, 16) == 1;
    ck_assert_uint_eq(tickets, 2);
    sender_stop(r);
}
END_TEST

START_TEST(test_expired)
{
    window_end_ms = clock_wall(NULL) - 2 * 3600000;
    static const struct step steps[] = {{0, "ticket", "firing", false}, {1, "page", "firing", false}};
    write_verdict(steps, 2);
    write_one(0, "update");
    window_end_ms = 0;
    write_one(2, "firing");
    struct running r = sender_start("one", false);
    drain(r);
    ck_assert_uint_eq(receiver_count(receiver, NULL), 3); /* two notices, one action */
    size_t notices = 0;
    for (size_t i = 0; i < 3; i++) {
        const struct received *q = &receiver->got[i];
        ck_assert(received_verifies(q, SECRET));
        if (!strstr(q->body, "io.driftd.actions.expired"))
            continue;
        notices++;
        ck_assert_ptr_nonnull(strstr(q->body, q->id)); /* the event's id is the webhook's */
        ck_assert(strstr(q->body, "\"n\":2") || strstr(q->body, "\"n\":1"));
    }
    ck_assert_uint_eq(notices, 2);
    expect_state(1, "\"done\":\"expired\"");
    expect_state(2, "\"done\":\"expired\"");
    expect_state(101, "\"done\":\"expired\"");
    expect_state(201, "\"done\":\"ok\"");
    ck_assert_double_eq(delivered("e0", "expired"), 2);
    sender_stop(r);
    r = sender_start("one", false);
    drain(r);
    ck_assert_uint_eq(receiver_count(receiver, NULL), 3);
    sender_stop(r);
}
END_TEST

START_TEST(test_expired_until_end)
{
    window_end_ms = 5000; /* a replay of 1970 */
    write_one(0, "firing");
    window_end_ms = 0;
    struct running r = sender_start("one", true);
    drain(r);
    expect_state(1, "\"done\":\"ok\"");
    sender_stop(r);
}
END_TEST

/* A notice whose receiver is away is tried again, and only then are its entries done. */
START_TEST(test_notice_retried)
{
    aim(0, "/fail-2/x");
    window_end_ms = clock_wall(NULL) - 2 * 3600000;
    write_one(0, "firing");
    write_one(0, "update");
    window_end_ms = 0;
    struct running r = sender_start("one", false);
    for (int64_t end = test_now_ms() + 20000; receiver_count(receiver, NULL) < 1;) {
        turn(r, 50);
        ck_assert(test_now_ms() < end);
    }
    for (int i = 0; i < 3; i++)
        turn(r, 20);
    ck_assert(!state_has(1, "expired"));
    ahead_ms += 6500;
    for (int64_t end = test_now_ms() + 20000; receiver_count(receiver, NULL) < 2;) {
        turn(r, 50);
        ck_assert(test_now_ms() < end);
    }
    ahead_ms += 37000;
    drain(r);
    ck_assert_uint_eq(receiver_count(receiver, NULL), 3);
    ck_assert_str_eq(receiver->got[0].id, receiver->got[2].id);
    ck_assert_str_eq(receiver->got[0].body, receiver->got[2].body);
    expect_state(1, "expired");
    expect_state(101, "expired");
    sender_stop(r);
}
END_TEST

/* Write access to Redis is not the right to have text signed. */
START_TEST(test_forged)
{
    write_one(0, "firing");
    const char *entry = field(&redis, OUT, "e:00000000000000000000000000000001");
    char *forged = strdup(entry), *at = strstr(forged, "exactly");
    memcpy(at, "EXACTLY", 7);
    tell(&redis, "HSET " OUT " e:%s %s", "00000000000000000000000000000001", forged);
    tell(&redis, "HSET " OUT " e:%s %s", "00000000000000000000000000000002", entry); /* under another id */
    tell(&redis, "HSET " OUT " e:%s %s", "00000000000000000000000000000003", "{\"endpoint\":\"e0\",\"mac\":\"\"}");
    tell(&redis, "HSET " OUT " e:%s %s", "00000000000000000000000000000004", "\x80\x81");
    tell(&redis, "HSET " OUT " e: %s s:%s %s", "x", "00000000000000000000000000000005", "[[[[[");
    free(forged);
    struct running r = sender_start("one", false);
    drain(r);
    ck_assert_uint_eq(receiver_count(receiver, NULL), 0);
    for (int i = 1; i <= 4; i++)
        expect_state(i, "\"done\":\"dead\"");
    ck_assert_double_eq(delivered("unknown", "refused"), 4);
    sender_stop(r);
}
END_TEST

/* Finished entries leave in time, and the field of a lease with them. */
START_TEST(test_clearing)
{
    write_one(0, "firing");
    struct running r = sender_start("one", false);
    drain(r);
    ck_assert_int_eq(number(&redis, "HLEN", OUT), 2); /* entry and state, no lease */
    ahead_ms += 25 * 3600000;
    drift_sender_poke(r.sender);
    turn(r, 0);
    ck_assert_int_eq(number(&redis, "EXISTS", OUT), 0);
    sender_stop(r);
}
END_TEST

static void *poke_later(void *arg)
{
    write_one(0, "firing");
    drift_sender_poke(arg);
    return NULL;
}

START_TEST(test_poke)
{
    struct running r = sender_start("one", false);
    drain(r);
    int64_t began = test_now_ms();
    pthread_t t;
    ck_assert_int_eq(pthread_create(&t, NULL, poke_later, r.sender), 0);
    while (receiver_count(receiver, NULL) < 1) { /* an idle sender would look again after 5 s */
        turn(r, 10000);
        ck_assert_int_lt(test_now_ms() - began, 4000);
    }
    pthread_join(t, NULL);
    sender_stop(r);
}
END_TEST

int main(void)
{
    struct server probe;
    if (!server_start(&probe, NULL))
        return drift_test_skip("redis-server does not start");
    server_stop(&probe);
    Suite *s = suite_create("sender");
    add_test(s, "sends", test_sends, setup, teardown);
    add_test(s, "retries", test_retries, setup, teardown);
    add_test(s, "schedule", test_schedule, setup, teardown);
    add_test(s, "dead letter", test_dead_letter, setup, teardown);
    add_test(s, "restart", test_restart, setup, teardown);
    add_test(s, "redis away", test_redis_away, setup, teardown);
    add_test(s, "two", test_two, setup, teardown);
    add_test(s, "stale view", test_stale_view, setup, teardown);
    add_test(s, "stopped", test_stopped, setup, teardown);
    add_test(s, "dead receiver", test_dead_receiver, setup, teardown);
    add_test(s, "circuit", test_circuit, setup, teardown);
    add_test(s, "order", test_order, setup, teardown);
    add_test(s, "expired", test_expired, setup, teardown);
    add_test(s, "expired until end", test_expired_until_end, setup, teardown);
    add_test(s, "notice retried", test_notice_retried, setup, teardown);
    add_test(s, "forged", test_forged, setup, teardown);
    add_test(s, "clearing", test_clearing, setup, teardown);
    add_test(s, "poke", test_poke, setup, teardown);
    return drift_test_run(s);
}
