/* tests/unit/store/test_cluster.c    Redis Cluster and Sentinel: real nodes, and servers that lie about the way. */
#include <poll.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/store/redis.h"
#include "server.h"

static struct drift_err err;
static const struct drift_slot_id slot = {"scores", 3};
#define KEY "driftd:{p/g/scores/3}"
enum { KEY_SLOT = 10596 }; /* checked against a real server below */

static void nothing(void)
{
}

/* ---- a server that says what it is told ---- */
struct fake {
    pthread_t thread;
    pthread_mutex_t lock;
    int listener, port, wake[2];
    struct bytes slots, role, command; /* replies to CLUSTER and SENTINEL, to ROLE, to what has a key */
    unsigned n_slots, n_asking, n_command, n_denied;
    bool asked, needs_asking; /* the last command was ASKING; commands without it get the reply "denied" */
};

static bool has_word(const struct bytes *b, const char *word)
{
    return memmem(b->p, b->n < 48 ? b->n : 48, word, strlen(word)) != NULL;
}

static void says(struct fake *f, struct bytes *which, const void *p, size_t n)
{
    pthread_mutex_lock(&f->lock);
    which->n = 0;
    bytes_add(which, p, n);
    pthread_mutex_unlock(&f->lock);
}

#define SAYS(f, which, ...)                                                                                            \
    do {                                                                                                               \
        char says_text[4096];                                                                                          \
        says(f, &(f)->which, says_text, (size_t)snprintf(says_text, sizeof says_text, __VA_ARGS__));                   \
    } while (0)

static void answer(struct fake *f, int client, const struct bytes *request)
{
    static const struct bytes fine = {.p = (char *)"+OK\r\n", .n = 5}, no = {.p = (char *)"-ERR no\r\n", .n = 9};
    const struct bytes *reply = &f->command;
    pthread_mutex_lock(&f->lock);
    bool asked = f->asked;
    f->asked = false;
    if (has_word(request, "\r\nASKING\r\n")) {
        f->n_asking++;
        f->asked = true;
        reply = &fine;
    } else if (has_word(request, "\r\nCLUSTER\r\n") || has_word(request, "\r\nSENTINEL\r\n")) {
        f->n_slots++;
        reply = &f->slots;
    } else if (has_word(request, "\r\nROLE\r\n")) {
        reply = &f->role;
    } else if (has_word(request, "\r\nAUTH\r\n")) {
        reply = &fine;
    } else if (has_word(request, "\r\nSCRIPT\r\n")) {
        reply = &no; /* so that every script comes as EVAL: one command */
    } else {
        f->n_command++;
        f->n_denied += f->needs_asking && !asked;
    }
    write_all(client, reply->p, reply->n);
    pthread_mutex_unlock(&f->lock);
}

static void fake_connection(struct fake *f, int client)
{
    struct bytes request = {0};
    char buf[1 << 14];
    for (;;) {
        struct pollfd p[2] = {{.fd = client, .events = POLLIN}, {.fd = f->wake[0], .events = POLLIN}};
        poll(p, 2, -1);
        ssize_t k = p[1].revents ? 0 : read(client, buf, sizeof buf);
        if (k <= 0)
            break;
        bytes_add(&request, buf, (size_t)k);
        if (!whole_request(&request))
            continue;
        answer(f, client, &request);
        request.n = 0;
    }
    free(request.p);
    close(client);
}

static void *fake_main(void *arg)
{
    struct fake *f = arg;
    for (;;) {
        struct pollfd p[2] = {{.fd = f->listener, .events = POLLIN}, {.fd = f->wake[0], .events = POLLIN}};
        poll(p, 2, -1);
        if (p[1].revents)
            return NULL;
        int client = accept(f->listener, NULL, NULL);
        if (client >= 0)
            fake_connection(f, client);
    }
}

static void fake_start(struct fake *f)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    memset(f, 0, sizeof *f);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(f->listener, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(listen(f->listener, 16), 0);
    ck_assert_int_eq(getsockname(f->listener, (struct sockaddr *)&a, &n), 0);
    f->port = ntohs(a.sin_port);
    pthread_mutex_init(&f->lock, NULL);
    ck_assert_int_eq(pipe2(f->wake, O_CLOEXEC), 0);
    SAYS(f, slots, "*0\r\n");
    SAYS(f, role, "*1\r\n$6\r\nmaster\r\n");
    SAYS(f, command, "$32\r\n%s\r\n", head(1));
    ck_assert_int_eq(pthread_create(&f->thread, NULL, fake_main, f), 0);
}

static void fake_stop(struct fake *f)
{
    close(f->wake[1]);
    pthread_join(f->thread, NULL);
    close(f->wake[0]);
    close(f->listener);
    free(f->slots.p);
    free(f->role.p);
    free(f->command.p);
    pthread_mutex_destroy(&f->lock);
}

/* One node has all slots. */
static void all_slots_at(struct fake *f, int port)
{
    SAYS(f, slots, "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n", port);
}

static struct drift_store *cluster_at(const char *nodes)
{
    struct drift_redis_config cfg = {.cluster = (char *)nodes, .timeout_ms = 500};
    struct drift_store *s;
    ok(drift_store_new(&cfg, "g", &s, &err));
    return s;
}

static struct drift_store *cluster_of(const struct fake *f)
{
    char nodes[64];
    snprintf(nodes, sizeof nodes, "127.0.0.1:%d", f->port);
    return cluster_at(nodes);
}

static int check(struct drift_store *s, enum drift_reply *ret)
{
    return drift_store_check(s, slot, head(1), ret, &err);
}

static int acquire(struct drift_store *s, int h)
{
    struct drift_pairs p;
    int64_t now;
    int rc = drift_store_acquire(s, slot, head(h), "me", &p, &now, &err);
    drift_pairs_release(&p);
    return rc;
}

/* ---- addresses and keys ---- */
START_TEST(lists_of_nodes)
{
    static const char *const bad[] = {"",         "a",     "a:0",   "a:65536", "a:1,", ",a:1",
                                      "a:1,,b:1", "a b:1", "/x:1",  ":1",      "a:-1", "a:1 b:2",
                                      "[]:1",     "a:+1",  "a\n:1", "a%:1",    "a:1:", "a:99999999999999999999"};
    static struct drift_node n[4];
    ck_assert_uint_eq(drift_node_list("a:1, [::1]:2,10.0.0.1:65535", n, 4), 3);
    ck_assert_str_eq(n[0].address, "a:1");
    ck_assert_str_eq(n[1].host, "::1");
    ck_assert_str_eq(n[1].address, "[::1]:2");
    ck_assert_int_eq(n[2].port, 65535);
    ck_assert_uint_eq(drift_node_list("a:1,b:2,c:3,d:4,e:5", n, 4), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(drift_node_list(bad[i], n, 4) == 0, "%s", bad[i]);
    char longest[400];
    snprintf(longest, sizeof longest, "%0255d:1", 0);
    ck_assert_uint_eq(drift_node_list(longest, n, 4), 1);
    snprintf(longest, sizeof longest, "%0256d:1", 0);
    ck_assert_uint_eq(drift_node_list(longest, n, 4), 0);
}
END_TEST

/* A real node in cluster mode; slots: it has all of them. */
static void node_start(struct server *s, bool slots)
{
    char port[16];
    snprintf(port, sizeof port, "%d", free_port());
    const char *const extra[] = {"--cluster-enabled", "yes", "--cluster-port", port, NULL};
    ck_assert(server_start(s, extra));
    if (slots)
        tell(s, "CLUSTER ADDSLOTSRANGE 0 16383");
}

START_TEST(slots_of_keys)
{
    static const char *const keys[] = {"",      "a",       "{",  "}",      "{}",    "{}a",
                                       "a{b}c", "a{b}{c}", "{a", "a}b{c}", "{{a}}", KEY};
    struct drift_rng r = drift_rng_new(7);
    struct server s;
    node_start(&s, false);
    redisContext *c = redisConnectUnix(s.socket);
    size_t n = 0;
    for (int i = 0; i < 400; i++) {
        char random[24];
        size_t len = 0;
        const char *key = i < (int)(sizeof keys / sizeof *keys) ? keys[i] : random;
        if (key == random)
            for (uint64_t k = drift_rng_below(&r, sizeof random); k > 0; k--)
                random[len++] = "{}ab\0\xff/"[drift_rng_below(&r, 7)];
        else
            len = strlen(key);
        redisReply *reply = redisCommand(c, "CLUSTER KEYSLOT %b", key, len);
        ck_assert_int_eq(reply->type, REDIS_REPLY_INTEGER);
        ck_assert_int_eq(reply->integer, drift_cluster_key_slot(key, len));
        n += (size_t)reply->integer == KEY_SLOT && key != random;
        freeReplyObject(reply);
    }
    ck_assert_uint_eq(n, 1);
    redisFree(c);
    server_stop(&s);
    printf("400 keys hashed as redis does\n");
}
END_TEST

/* ---- a real cluster of one node ---- */
START_TEST(one_node)
{
    struct server s;
    struct drift_store_health h;
    enum drift_reply reply;
    char nodes[64];
    node_start(&s, false);
    snprintf(nodes, sizeof nodes, "127.0.0.1:%d, 127.0.0.1:%d", free_port(), s.port); /* the first is dead */
    struct drift_store *t = cluster_at(nodes);
    fails(drift_store_ping(t, &err), DRIFT_E_AWAY);
    fails(acquire(t, 1), DRIFT_E_AWAY); /* CLUSTERDOWN */
    tell(&s, "CLUSTER ADDSLOTSRANGE 0 16382");
    fails(drift_store_ping(t, &err), DRIFT_E_AWAY);
    tell(&s, "CLUSTER ADDSLOTS 16383");
    for (int i = 0; i < 1000 && acquire(t, 1); i++)
        poll(NULL, 0, 10);         /* bounded: until the node thinks that it is whole */
    ok(drift_store_ping(t, &err)); /* the table has "" for an address: the node does not know its own */
    ok(acquire(t, 1));
    ok(check(t, &reply));
    ck_assert_int_eq(reply, DRIFT_REPLY_OK);
    ok(drift_store_health(t, &h, &err));
    ck_assert(h.cluster);
    drift_store_free(t);

    struct drift_store *plain = store_at(s.socket, "g");
    ok(acquire(plain, 2));
    drift_store_free(plain);
    server_stop(&s);
}
END_TEST

START_TEST(not_a_cluster)
{
    struct server s;
    struct drift_redis_config bad[] = {{.cluster = (char *)"nonsense"}, {.cluster = (char *)"a:1", .db = 2}};
    struct drift_store *t;
    char nodes[32];
    for (int i = 0; i < 2; i++)
        fails(drift_store_new(&bad[i], "g", &t, &err), DRIFT_E_CONFIG);
    ck_assert(server_start(&s, NULL));
    snprintf(nodes, sizeof nodes, "127.0.0.1:%d", s.port);
    t = cluster_at(nodes);
    fails(acquire(t, 1), DRIFT_E_CONFIG); /* seeds that are servers of their own would share keys out among them */
    fails(drift_store_ping(t, &err), DRIFT_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.text, "redis.host"));
    drift_store_free(t);
    server_stop(&s);
}
END_TEST

/* ---- redirections ---- */
START_TEST(moved)
{
    struct fake a, b;
    enum drift_reply reply;
    fake_start(&a);
    fake_start(&b);
    all_slots_at(&a, a.port);
    all_slots_at(&b, b.port);
    struct drift_store *s = cluster_of(&a);
    SAYS(&a, command, "-MOVED %d 127.0.0.1:%d\r\n", KEY_SLOT, b.port);
    ok(check(s, &reply));
    ck_assert_uint_eq(a.n_command, 1);
    ck_assert_uint_eq(b.n_command, 1);
    ok(check(s, &reply)); /* learned */
    ck_assert_uint_eq(a.n_command, 1);
    ck_assert_uint_eq(b.n_command, 2);
    drift_store_free(s);

    /* a command that is never sent twice in doubt follows too: MOVED means that it was not applied */
    s = cluster_of(&a);
    SAYS(&b, command, "*2\r\n$2\r\nOK\r\n$1\r\n1\r\n");
    ok(acquire(s, 1));
    ck_assert_uint_eq(a.n_command, 2);
    ck_assert_uint_eq(b.n_command, 3);
    drift_store_free(s);
    fake_stop(&a);
    fake_stop(&b);
}
END_TEST

START_TEST(asking)
{
    struct fake a, b;
    enum drift_reply reply;
    fake_start(&a);
    fake_start(&b);
    all_slots_at(&a, a.port);
    b.needs_asking = true;
    struct drift_store *s = cluster_of(&a);
    SAYS(&a, command, "-ASK %d 127.0.0.1:%d\r\n", KEY_SLOT, b.port);
    for (unsigned i = 1; i <= 3; i++) { /* the slot stays where it is */
        ok(check(s, &reply));
        ck_assert_uint_eq(a.n_command, i);
        ck_assert_uint_eq(b.n_command, i);
        ck_assert_uint_eq(b.n_asking, i);
    }
    ck_assert_uint_eq(b.n_denied, 0);
    drift_store_free(s);
    fake_stop(&a);
    fake_stop(&b);
}
END_TEST

START_TEST(in_circles)
{
    struct fake a, b;
    enum drift_reply reply;
    fake_start(&a);
    fake_start(&b);
    all_slots_at(&a, a.port);
    struct drift_store *s = cluster_of(&a);
    for (int i = 0; i < 2; i++) {
        const char *word = i ? "ASK" : "MOVED";
        SAYS(&a, command, "-%s %d 127.0.0.1:%d\r\n", word, KEY_SLOT, b.port);
        SAYS(&b, command, "-%s %d 127.0.0.1:%d\r\n", word, KEY_SLOT, a.port);
        fails(check(s, &reply), DRIFT_E_AWAY);
        ck_assert_int_eq(err.action, DRIFT_RETRY);
        ck_assert_uint_eq(a.n_command + b.n_command, (unsigned)(i + 1) * (1 + DRIFT_REDIRECTIONS_MAX));
    }
    SAYS(&a, command, "-TRYAGAIN Multiple keys request during rehashing of slot\r\n");
    SAYS(&b, command, "-CLUSTERDOWN The cluster is down\r\n");
    for (int i = 0; i < 3; i++)
        fails(check(s, &reply), DRIFT_E_AWAY);
    drift_store_free(s);
    fake_stop(&a);
    fake_stop(&b);
}
END_TEST

/* The right CLUSTER SLOTS is denied: seeds and redirections are enough. */
START_TEST(table_denied)
{
    struct fake a, b;
    enum drift_reply reply;
    fake_start(&a);
    fake_start(&b);
    SAYS(&a, slots, "-NOPERM this user has no permissions to run the 'cluster|slots' command\r\n");
    SAYS(&a, command, "-MOVED %d 127.0.0.1:%d\r\n", KEY_SLOT, b.port);
    struct drift_store *s = cluster_of(&a);
    for (int i = 0; i < 3; i++)
        ok(check(s, &reply));
    ck_assert_uint_eq(a.n_command, 1);
    ck_assert_uint_eq(b.n_command, 3);
    ck_assert_uint_eq(a.n_slots, 1);
    drift_store_free(s);
    fake_stop(&a);
    fake_stop(&b);
}
END_TEST

/* The node of a slot is dead: AWAY, and the others say who took over. */
START_TEST(node_replaced)
{
    struct fake a, b;
    enum drift_reply reply;
    fake_start(&a);
    fake_start(&b);
    int dead = free_port();
    all_slots_at(&a, dead);
    struct drift_store *s = cluster_of(&a);
    fails(check(s, &reply), DRIFT_E_AWAY);
    fails(drift_store_ping(s, &err), DRIFT_E_AWAY);
    all_slots_at(&a, b.port);
    SAYS(&b, command, "+PONG\r\n");
    ok(drift_store_ping(s, &err));
    all_slots_at(&a, dead);
    s->cluster->stale = true;
    fails(drift_store_ping(s, &err), DRIFT_E_AWAY);
    all_slots_at(&a, b.port);
    SAYS(&b, command, "$32\r\n%s\r\n", head(1));
    s->cluster->asked_ms = 0;
    ok(check(s, &reply)); /* a call finds the way as well */
    drift_store_free(s);
    fake_stop(&a);
    fake_stop(&b);
}
END_TEST

START_TEST(hostile_redirections)
{
    static const char *const texts[] = {"MOVED ",
                                        "MOVED  ",
                                        "MOVED 10596",
                                        "MOVED 10596 ",
                                        "MOVED x 127.0.0.1:1",
                                        "MOVED 1 127.0.0.1:1",
                                        "MOVED -1 127.0.0.1:1",
                                        "MOVED 99999999999999999999 127.0.0.1:1",
                                        "MOVED 10596 127.0.0.1",
                                        "MOVED 10596 127.0.0.1:",
                                        "MOVED 10596 127.0.0.1:0",
                                        "MOVED 10596 127.0.0.1:65536",
                                        "MOVED 10596 127.0.0.1:1x",
                                        "MOVED 10596 /etc/passwd:1",
                                        "MOVED 10596 a b:1",
                                        "MOVED 10596 ?:1",
                                        "MOVED 10596 \x1b[2J:1",
                                        "ASK ",
                                        "ASK 10596 :0",
                                        "ASK 10596 \n:1"};
    struct fake a;
    enum drift_reply reply;
    char longest[400];
    fake_start(&a);
    all_slots_at(&a, a.port);
    struct drift_store *s = cluster_of(&a);
    snprintf(longest, sizeof longest, "MOVED 10596 %0300d:1", 1);
    for (size_t i = 0; i <= sizeof texts / sizeof *texts; i++) {
        const char *text = i < sizeof texts / sizeof *texts ? texts[i] : longest;
        unsigned before = a.n_command;
        SAYS(&a, command, "-%s\r\n", text);
        ck_assert_msg(check(s, &reply) != 0, "%s", text);
        ck_assert_uint_eq(a.n_command, before + 1);
        for (const char *c = err.text; *c; c++)
            ck_assert_msg(*c >= ' ' && *c < 127, "control character in an error text");
    }
    SAYS(&a, command, "-MOVED 10596 :%d\r\n", a.port); /* an empty host is the node itself: round in circles */
    fails(check(s, &reply), DRIFT_E_AWAY);
    ck_assert_ptr_nonnull(strstr(err.text, "node to node"));
    drift_store_free(s);
    fake_stop(&a);
}
END_TEST

/* Every redirection names a node that nobody knew: the table of nodes has an end, and starts anew. */
START_TEST(endless_nodes)
{
    struct fake a;
    enum drift_reply reply;
    fake_start(&a);
    all_slots_at(&a, a.port);
    struct drift_store *s = cluster_of(&a);
    unsigned full = 0;
    for (int i = 0; i < DRIFT_NODES_MAX + 50; i++) {
        SAYS(&a, command, "-ASK %d 127.0.0.1:%d\r\n", KEY_SLOT, 1 + i % 1000);
        a.n_slots = 0;
        ck_assert_int_ne(check(s, &reply), 0);
        full += strstr(err.text, "named more than") != NULL;
        ck_assert_uint_le(s->cluster->n, DRIFT_NODES_MAX);
    }
    all_slots_at(&a, a.port);
    SAYS(&a, command, "$32\r\n%s\r\n", head(1));
    s->cluster->asked_ms = 0;
    ok(check(s, &reply));
    drift_store_free(s);
    fake_stop(&a);
    printf("%u times too many nodes\n", full);
}
END_TEST

/* ---- tables that are none ---- */
static const struct {
    const char *p;
    size_t n;
} tables[] = {
#define B(text)                                                                                                        \
    {                                                                                                                  \
        text, sizeof text - 1                                                                                          \
    }
    B("+OK\r\n"),
    B(":1\r\n"),
    B("$-1\r\n"),
    B("*-1\r\n"),
    B("*0\r\n"),
    B("*1\r\n*0\r\n"),
    B("*1\r\n$1\r\nx\r\n"),
    B("*1\r\n*3\r\n:0\r\n:1\r\n*0\r\n"),
    B("*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n"),
    B("*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n"),
    B("*1\r\n*3\r\n:2\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n"),
    B("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:0\r\n"),
    B("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\n/\r\n:1\r\n"),
    B("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$3\r\na\0b\r\n:1\r\n"),
    B("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n*0\r\n:1\r\n"),
    B("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n$1\r\nx\r\n"),
    B("*1\r\n*3\r\n$1\r\nx\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n"),
    B("*1\r\n*2\r\n:0\r\n:1\r\n"),
    B("*20000\r\n"),
    B("*2000000\r\n"),
    B("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"),
    B("-ERR unknown command\r\n"),
    B("-CLUSTERDOWN\r\n"),
#undef B
};

START_TEST(hostile_tables)
{
    struct fake a;
    enum drift_reply reply;
    size_t n = sizeof tables / sizeof *tables;
    fake_start(&a);
    for (size_t i = 0; i < n; i++) {
        struct drift_redis_config cfg = {.timeout_ms = 100};
        char nodes[64];
        struct drift_store *s;
        snprintf(nodes, sizeof nodes, "127.0.0.1:%d", a.port);
        cfg.cluster = nodes;
        says(&a, &a.slots, tables[i].p, tables[i].n);
        ok(drift_store_new(&cfg, "g", &s, &err));
        ck_assert_msg(drift_store_ping(s, &err) != 0, "table %zu passed", i);
        ok(check(s, &reply)); /* no table, but the node that was named knows the way */
        for (int k = 0; k < DRIFT_SLOTS; k++)
            if (s->cluster->of[k])
                ck_abort_msg("table %zu gave slot %d a node", i, k);
        drift_store_free(s);
    }
    fake_stop(&a);
    printf("%zu tables refused\n", n);
}
END_TEST

START_TEST(too_many_nodes)
{
    struct fake a;
    struct bytes text = {0};
    char range[128];
    enum drift_reply reply;
    fake_start(&a);
    bytes_add(&text, "*600\r\n", 6);
    for (int i = 0; i < 600; i++)
        bytes_add(
            &text, range,
            (size_t)snprintf(range, sizeof range, "*3\r\n:%d\r\n:%d\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n", i, i, i + 1));
    says(&a, &a.slots, text.p, text.n);
    struct drift_store *s = cluster_of(&a);
    ck_assert_int_ne(drift_store_ping(s, &err), 0);
    ok(check(s, &reply));
    size_t used = 0;
    for (size_t i = 0; i < s->cluster->n; i++)
        used += s->cluster->node[i]->host[0] != 0;
    ck_assert_uint_eq(used, 1); /* the seed */
    drift_store_free(s);
    free(text.p);
    fake_stop(&a);
}
END_TEST

START_TEST(mutated_tables)
{
    static const char good[] =
        "*2\r\n*4\r\n:0\r\n:8000\r\n*4\r\n$9\r\n127.0.0.1\r\n:7001\r\n$2\r\nid\r\n*0\r\n*2\r\n$1\r\nb"
        "\r\n:2\r\n*3\r\n:8001\r\n:16383\r\n*2\r\n$0\r\n\r\n:7002\r\n";
    const char *e = getenv("DRIFTD_CASES");
    int cases = e ? atoi(e) * 50 : 400, taken = 0;
    struct drift_rng r = drift_rng_new(41);
    struct fake a;
    fake_start(&a);
    for (int i = 0; i < cases; i++) {
        struct drift_redis_config cfg = {.timeout_ms = 10};
        char text[sizeof good], nodes[64];
        struct drift_store *s;
        memcpy(text, good, sizeof good);
        for (uint64_t k = drift_rng_below(&r, 4); k > 0; k--)
            text[drift_rng_below(&r, sizeof good - 1)] = "$*+-:0123456789\r\nx"[drift_rng_below(&r, 18)];
        says(&a, &a.slots, text, sizeof good - 1);
        snprintf(nodes, sizeof nodes, "127.0.0.1:%d", a.port);
        cfg.cluster = nodes;
        ok(drift_store_new(&cfg, "g", &s, &err));
        (void)!drift_cluster_whole(s, &err); /* not a call: it would ask a resolver for names that are none */
        taken += s->cluster->of[0] != 0;
        for (int k = 0; k < DRIFT_SLOTS; k++)
            if (s->cluster->of[k] && !s->cluster->node[s->cluster->of[k] - 1]->host[0])
                ck_abort_msg("case %d: slot %d leads to a place that is free", i, k);
        drift_store_free(s);
    }
    fake_stop(&a);
    printf("%d mutated tables, %d taken\n", cases, taken);
    ck_assert_int_gt(taken, cases / 20);
    ck_assert_int_lt(taken, cases);
}
END_TEST

/* ---- Sentinel ---- */
static struct drift_store *sentinel_at(const char *nodes)
{
    struct drift_redis_config cfg = {.sentinel = {.nodes = (char *)nodes, .master = (char *)"main"}, .timeout_ms = 500};
    struct drift_store *s;
    ok(drift_store_new(&cfg, "g", &s, &err));
    return s;
}

static void names(struct fake *f, int port)
{
    char text[16];
    int n = snprintf(text, sizeof text, "%d", port);
    SAYS(f, slots, "*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%s\r\n", n, text);
}

START_TEST(sentinel)
{
    struct server one, two;
    struct fake a;
    enum drift_reply reply;
    char nodes[64];
    struct drift_redis_config bad[] = {{.sentinel = {.nodes = (char *)"x"}}, {.sentinel = {.nodes = (char *)"x:1"}}};
    struct drift_store *s;
    for (int i = 0; i < 2; i++)
        fails(drift_store_new(&bad[i], "g", &s, &err), DRIFT_E_CONFIG);
    ck_assert(server_start(&one, NULL) && server_start(&two, NULL));
    fake_start(&a);
    snprintf(nodes, sizeof nodes, "127.0.0.1:%d,127.0.0.1:%d", free_port(), a.port); /* the first is dead */
    s = sentinel_at(nodes);
    SAYS(&a, slots, "*-1\r\n");
    fails(drift_store_ping(s, &err), DRIFT_E_AWAY);
    ck_assert_msg(strstr(err.text, "no sentinel names the master") != NULL, "%s", err.text);
    names(&a, one.port);
    ok(acquire(s, 1));
    ck_assert_str_eq(field(&one, KEY, "head"), head(1));
    ok(check(s, &reply));
    unsigned asked = a.n_slots;
    ok(check(s, &reply)); /* once for a connection */
    ck_assert_uint_eq(a.n_slots, asked);

    /* the master has become a replica, and another server is named: the refused command is the caller's to repeat */
    names(&a, two.port);
    tell(&one, "REPLICAOF 127.0.0.1 %d", two.port);
    fails(acquire(s, 2), DRIFT_E_AWAY);
    ok(acquire(s, 3));
    ck_assert_str_eq(field(&two, KEY, "head"), head(3));

    /* an idle connection was closed: even a plain read asks again, it must not be answered by a replica */
    names(&a, one.port);
    tell(&two, "CLIENT KILL TYPE normal SKIPME yes");
    fails(check(s, &reply), DRIFT_E_AWAY);
    ck_assert_msg(strstr(err.text, "which the sentinels name as master, is none") != NULL, "%s", err.text);
    names(&a, two.port);
    ok(check(s, &reply));
    drift_store_free(s);
    fake_stop(&a);
    server_stop(&one);
    server_stop(&two);
}
END_TEST

START_TEST(hostile_sentinels)
{
    static const char *const texts[] = {"+OK\r\n",
                                        "*0\r\n",
                                        "*1\r\n$1\r\na\r\n",
                                        "*2\r\n$1\r\na\r\n$1\r\nx\r\n",
                                        "*2\r\n$1\r\na\r\n:0\r\n",
                                        "*2\r\n$1\r\na\r\n:65536\r\n",
                                        "*2\r\n$0\r\n\r\n:1\r\n",
                                        "*2\r\n$2\r\n/x\r\n:1\r\n",
                                        "*2\r\n*0\r\n*0\r\n",
                                        "*3\r\n$1\r\na\r\n:1\r\n:1\r\n",
                                        "-IDONTKNOW I have no address\r\n",
                                        "-NOAUTH Authentication required.\r\n",
                                        "-ERR unknown command\r\n",
                                        "$-1\r\n",
                                        ":1\r\n",
                                        "*2000000\r\n"};
    static const char *const roles[] = {
        "*0\r\n",       "+master\r\n", "*1\r\n$5\r\nslave\r\n", "*1\r\n$8\r\nsentinel\r\n",
        "*1\r\n:1\r\n", "$-1\r\n",     "-NOPERM no\r\n",        "-LOADING\r\n"};
    struct fake a;
    char nodes[64];
    fake_start(&a);
    snprintf(nodes, sizeof nodes, "127.0.0.1:%d", a.port);
    struct drift_store *s = sentinel_at(nodes);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        SAYS(&a, slots, "%s", texts[i]);
        ck_assert_msg(acquire(s, 1) != 0, "%s", texts[i]);
    }
    ck_assert_uint_eq(a.n_command, 0); /* nobody was taken for the master */
    drift_store_free(s);

    struct fake m;
    fake_start(&m);
    names(&a, m.port);
    s = sentinel_at(nodes);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        SAYS(&m, role, "%s", roles[i]);
        ck_assert_msg(acquire(s, 1) != 0, "%s", roles[i]);
    }
    ck_assert_uint_eq(m.n_command, 0);
    drift_store_free(s);
    fake_stop(&a);
    fake_stop(&m);
}
END_TEST

/* Sentinels that hang: a call ends in bounded time, and the next one begins with the following sentinel. */
START_TEST(silent_sentinels)
{
    struct fake a[4];
    char nodes[160] = "";
    struct drift_redis_config cfg = {.sentinel = {.nodes = nodes, .master = (char *)"main"}, .timeout_ms = 100};
    struct drift_store *s;
    for (int i = 0; i < 4; i++) {
        fake_start(&a[i]);
        SAYS(&a[i], slots, "%s", "");
        snprintf(nodes + strlen(nodes), sizeof nodes - strlen(nodes), "%s127.0.0.1:%d", i ? "," : "", a[i].port);
    }
    ok(drift_store_new(&cfg, "g", &s, &err));
    int64_t start = drift_mono_ms(&drift_clock_system);
    fails(drift_store_ping(s, &err), DRIFT_E_AWAY);
    ck_assert_int_lt(drift_mono_ms(&drift_clock_system) - start, 5000);
    ck_assert_uint_eq(a[2].n_slots + a[3].n_slots, 0);
    fails(drift_store_ping(s, &err), DRIFT_E_AWAY);
    ck_assert_uint_gt(a[2].n_slots, 0);
    drift_store_free(s);
    for (int i = 0; i < 4; i++)
        fake_stop(&a[i]);
}
END_TEST

int main(void)
{
    struct server probe;
    Suite *suite = suite_create("store/cluster");
    if (!server_start(&probe, NULL))
        return drift_test_skip("there is no redis-server");
    server_stop(&probe);
#define ADD(test) add_test(suite, #test, test, nothing, nothing)
    ADD(lists_of_nodes);
    ADD(slots_of_keys);
    ADD(one_node);
    ADD(not_a_cluster);
    ADD(moved);
    ADD(asking);
    ADD(in_circles);
    ADD(table_denied);
    ADD(node_replaced);
    ADD(hostile_redirections);
    ADD(endless_nodes);
    ADD(hostile_tables);
    ADD(too_many_nodes);
    ADD(mutated_tables);
    ADD(sentinel);
    ADD(hostile_sentinels);
    ADD(silent_sentinels);
    return drift_test_run(suite);
}
