/* server.h - a real redis-server of the test's own, and a proxy in front of it that loses things on purpose.
 *
 * The server listens on a unix socket and a loopback port in a fresh directory and dies with the process that started
 * it.  The proxy reads whole requests, so that a fault strikes between two bytes that matter: before the request was
 * executed, after it, or much later (a ghost). */
#ifndef DRIFTD_TEST_SERVER_H
#define DRIFTD_TEST_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driftd/internal/store/store.h"
#include "support.h"

#define MAYBE __attribute__((unused)) static

/* ---- server ---- */
struct server {
    pid_t pid;
    int port;
    char dir[64], socket[96], log[96];
};

MAYBE int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) || getsockname(fd, (struct sockaddr *)&a, &n))
        abort();
    close(fd);
    return ntohs(a.sin_port);
}

MAYBE bool server_answers(const struct server *s)
{
    redisContext *c = redisConnectUnix(s->socket);
    bool up = false;
    if (c && !c->err) {
        redisReply *r = redisCommand(c, "PING");
        up = r && (r->type == REDIS_REPLY_STATUS || (r->type == REDIS_REPLY_ERROR && !strncmp(r->str, "NOAUTH", 6)));
        freeReplyObject(r);
    }
    if (c)
        redisFree(c);
    return up;
}

MAYBE void server_exec(const struct server *s, const char *const *extra)
{
    char port[16];
    const char *argv[40] = {"redis-server", "--port",    port,   "--bind", "127.0.0.1", "--unixsocket",
                            s->socket,      "--dir",     s->dir, "--save", "",          "--appendonly",
                            "no",           "--logfile", s->log};
    size_t n = 15;
    snprintf(port, sizeof port, "%d", s->port);
    while (extra && *extra)
        argv[n++] = *extra++;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[0], (char *const *)argv);
    _exit(127);
}

MAYBE int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

MAYBE void server_stop(struct server *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    nftw(s->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* False: there is no redis-server on this machine.  extra: more arguments, NULL-terminated. */
MAYBE bool server_start(struct server *s, const char *const *extra)
{
    memset(s, 0, sizeof *s);
    snprintf(s->dir, sizeof s->dir, "/tmp/driftd-store-XXXXXX");
    if (!mkdtemp(s->dir))
        abort();
    snprintf(s->socket, sizeof s->socket, "%s/s", s->dir);
    snprintf(s->log, sizeof s->log, "%s/log", s->dir);
    s->port = free_port();
    s->pid = fork();
    if (s->pid == 0)
        server_exec(s, extra);
    for (int i = 0; i < 3000; i++) {
        int status;
        if (server_answers(s))
            return true;
        if (waitpid(s->pid, &status, WNOHANG) == s->pid)
            break;
        poll(NULL, 0, 10);
    }
    s->pid = 0;
    server_stop(s);
    return false;
}

/* One command on a connection of its own, arguments split at spaces (or %b, %s as hiredis does). */
MAYBE redisReply *ask(const struct server *s, const char *fmt, ...)
{
    redisContext *c = redisConnectUnix(s->socket);
    va_list ap;
    ck_assert(c && !c->err);
    va_start(ap, fmt);
    redisReply *r = redisvCommand(c, fmt, ap);
    va_end(ap);
    redisFree(c);
    ck_assert_msg(r != NULL, "redis closed the connection");
    return r;
}

#define tell(s, ...)                                                                                                   \
    do {                                                                                                               \
        redisReply *tell_r = ask((s), __VA_ARGS__);                                                                    \
        ck_assert_msg(tell_r->type != REDIS_REPLY_ERROR, "%s", tell_r->str);                                           \
        freeReplyObject(tell_r);                                                                                       \
    } while (0)

/* HGET as a string; "" when absent.  The last four results stay valid. */
MAYBE const char *field(const struct server *s, const char *key, const char *name)
{
    static char text[4][4096];
    static int next;
    char *t = text[next++ % 4];
    redisReply *r = ask(s, "HGET %s %s", key, name);
    snprintf(t, sizeof text[0], "%s", r->type == REDIS_REPLY_STRING ? r->str : "");
    freeReplyObject(r);
    return t;
}

MAYBE long long number(const struct server *s, const char *command, const char *key)
{
    redisReply *r = ask(s, "%s %s", command, key);
    long long n = r->integer;
    ck_assert_int_eq(r->type, REDIS_REPLY_INTEGER);
    freeReplyObject(r);
    return n;
}

/* A test with what must be so before and after it. */
MAYBE void add_test(Suite *suite, const char *name, const TTest *test, SFun setup, SFun teardown)
{
    const char *slow = getenv("DRIFTD_TEST_SLOW");
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60 * (slow ? atof(slow) : 1));
    tcase_add_test(c, test);
    suite_add_tcase(suite, c);
}

/* ---- a store on a socket ---- */
MAYBE struct drift_store *store_at(const char *path, const char *group)
{
    struct drift_redis_config cfg = {.socket = (char *)path, .timeout_ms = 5000};
    struct drift_store *s;
    struct drift_err err;
    ck_assert_int_eq(drift_store_new(&cfg, group, &s, &err), 0);
    return s;
}

#define ok(call)                                                                                                       \
    do {                                                                                                               \
        int ok_rc = (call);                                                                                            \
        ck_assert_msg(ok_rc == 0, "%s: %s", #call, err.text);                                                          \
    } while (0)

#define fails(call, want)                                                                                              \
    do {                                                                                                               \
        int fails_rc = (call);                                                                                         \
        ck_assert_msg(fails_rc == (int)(want), "%s: %s, expected %s (%s)", #call,                                      \
                      drift_code_name((enum drift_code)fails_rc), drift_code_name(want),                               \
                      fails_rc ? err.text : "no error");                                                               \
        ck_assert_int_eq(err.code, (int)(want));                                                                       \
    } while (0)

#define PAIR(n, v)                                                                                                     \
    (struct drift_pair)                                                                                                \
    {                                                                                                                  \
        .name = (char *)(n), .value = (char *)(v), .len = strlen(v)                                                    \
    }

/* 32 characters that tell heads apart in failure messages */
MAYBE const char *head(int i)
{
    static char text[8][33];
    static int next;
    char *t = text[next++ % 8];
    snprintf(t, sizeof text[0], "%032x", (unsigned)i);
    return t;
}

/* ---- proxy ---- */
enum fate {
    PASS,         /* forward, and the reply back */
    DROP_REQUEST, /* close: never executed */
    DROP_REPLY,   /* executed, then close */
    GHOST         /* close; executed when proxy_release is called */
};
struct bytes {
    char *p;
    size_t n, cap;
};
struct proxy {
    pthread_t thread;
    int listener, wake[2];
    char path[96];
    const struct server *server;
    pthread_mutex_t lock;
    enum fate (*fate)(void *ctx); /* asked for each request of a script; called by the proxy's thread */
    void *ctx;
    unsigned n_met[4]; /* script requests by fate */
    struct bytes ghosts[64];
    unsigned n_ghosts;
};

MAYBE void bytes_add(struct bytes *b, const char *p, size_t n)
{
    if (b->n + n > b->cap)
        b->p = realloc(b->p, b->cap = 2 * (b->n + n));
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

/* Is a whole request ("*n" of "$len") there? */
MAYBE bool whole_request(const struct bytes *b)
{
    const char *p = b->p, *end = b->p + b->n;
    if (!b->n || *p != '*')
        return false;
    long args = strtol(p + 1, NULL, 10);
    for (long i = 0; i <= args; i++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        if (!nl)
            return false;
        if (i > 0) {
            size_t len = (size_t)strtol(p + 1, NULL, 10);
            if ((size_t)(end - (nl + 1)) < len + 2)
                return false;
            p = nl + 1 + len + 2;
        } else {
            p = nl + 1;
        }
        if (i < args && p >= end)
            return false;
    }
    return true;
}

MAYBE int dial(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
        close(fd);
        return -1;
    }
    return fd;
}

MAYBE void write_all(int fd, const char *p, size_t n)
{
    for (ssize_t k; n > 0; p += k, n -= (size_t)k)
        if ((k = send(fd, p, n, MSG_NOSIGNAL)) <= 0)
            return;
}

/* Sends the request and reads the whole reply (hiredis parses a copy to find its end). */
MAYBE void execute(int fd, const struct bytes *request, struct bytes *reply)
{
    redisReader *r = redisReaderCreate();
    void *parsed = NULL;
    char buf[65536];
    write_all(fd, request->p, request->n);
    while (!parsed) {
        ssize_t k = read(fd, buf, sizeof buf);
        if (k <= 0)
            break;
        bytes_add(reply, buf, (size_t)k);
        redisReaderFeed(r, buf, (size_t)k);
        if (redisReaderGetReply(r, &parsed) != REDIS_OK)
            break;
    }
    if (parsed)
        freeReplyObject(parsed);
    redisReaderFree(r);
}

MAYBE bool is_script(const struct bytes *b)
{
    return memmem(b->p, b->n < 32 ? b->n : 32, "\r\nEVAL", 6) != NULL;
}

/* One request; false: the connection is over. */
MAYBE bool proxy_serve(struct proxy *p, int client, int server, struct bytes *request)
{
    struct bytes reply = {0};
    pthread_mutex_lock(&p->lock);
    enum fate fate = is_script(request) && p->fate ? p->fate(p->ctx) : PASS;
    if (is_script(request))
        p->n_met[fate]++;
    if (fate == GHOST && p->n_ghosts < 64) {
        bytes_add(&p->ghosts[p->n_ghosts++], request->p, request->n);
    } else if (fate == PASS || fate == DROP_REPLY) {
        execute(server, request, &reply);
    }
    pthread_mutex_unlock(&p->lock);
    if (fate == PASS)
        write_all(client, reply.p, reply.n);
    free(reply.p);
    return fate == PASS;
}

MAYBE void proxy_connection(struct proxy *p, int client)
{
    struct bytes request = {0};
    int server = dial(p->server->socket);
    char buf[65536];
    for (;;) {
        struct pollfd fds[2] = {{.fd = client, .events = POLLIN}, {.fd = p->wake[0], .events = POLLIN}};
        poll(fds, 2, -1);
        if (fds[1].revents)
            break;
        ssize_t k = read(client, buf, sizeof buf);
        if (k <= 0)
            break;
        bytes_add(&request, buf, (size_t)k);
        if (!whole_request(&request))
            continue;
        if (!proxy_serve(p, client, server, &request))
            break;
        request.n = 0;
    }
    free(request.p);
    close(client);
    close(server);
}

/* One connection after the other: a store has only one. Each store gets its own proxy. */
MAYBE void *proxy_main(void *arg)
{
    struct proxy *p = arg;
    for (;;) {
        struct pollfd fds[2] = {{.fd = p->listener, .events = POLLIN}, {.fd = p->wake[0], .events = POLLIN}};
        poll(fds, 2, -1);
        if (fds[1].revents)
            return NULL;
        int client = accept(p->listener, NULL, NULL);
        if (client >= 0)
            proxy_connection(p, client);
    }
}

MAYBE int listen_at(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    unlink(path); /* of a test that failed */
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    return fd;
}

MAYBE void proxy_start(struct proxy *p, const struct server *s, const char *name, enum fate (*fate)(void *), void *ctx)
{
    memset(p, 0, sizeof *p);
    snprintf(p->path, sizeof p->path, "%s/%s", s->dir, name);
    p->server = s;
    p->fate = fate;
    p->ctx = ctx;
    p->listener = listen_at(p->path);
    pthread_mutex_init(&p->lock, NULL);
    ck_assert_int_eq(pipe2(p->wake, O_CLOEXEC), 0);
    ck_assert_int_eq(pthread_create(&p->thread, NULL, proxy_main, p), 0);
}

MAYBE void proxy_stop(struct proxy *p)
{
    close(p->wake[1]);
    pthread_join(p->thread, NULL);
    close(p->wake[0]);
    close(p->listener);
    unlink(p->path);
    for (unsigned i = 0; i < p->n_ghosts; i++)
        free(p->ghosts[i].p);
    pthread_mutex_destroy(&p->lock);
}

/* Ghost i reaches the server now; a network delays, it does not double, so once.  False: nothing happened. */
MAYBE bool proxy_release(struct proxy *p, unsigned i)
{
    struct bytes reply = {0};
    if (!p->ghosts[i].n)
        return false;
    int fd = dial(p->server->socket);
    execute(fd, &p->ghosts[i], &reply);
    p->ghosts[i].n = 0;
    bool ran = reply.n && reply.p[0] != '-';
    ck_assert_msg(ran || (reply.n > 9 && !memcmp(reply.p, "-NOSCRIPT", 9)), "a ghost got %.*s", (int)reply.n,
                  reply.p ? reply.p : "nothing");
    close(fd);
    free(reply.p);
    return ran;
}

#endif
