/* src/store/node.c    One connection to one Redis server: made on first use, given up after any error, bounded replies.
 *
 * The read loop is ours rather than redisCommand's, because hiredis bounds neither the size of a reply nor the time
 * that a trickling server may take, and 0.14 reads an unasked-for reply as the answer to the next command.
 * TLS has one place, open_socket(): hiredis has it from 1.0 on (redisInitiateSSL after connecting). */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/store/redis.h"

enum { TIMEOUTS_PER_REPLY = 10 }; /* a reply that keeps coming may take so many time-outs in all */

int64_t drift_node_timeout_ms(const struct drift_store *s)
{
    return s->cfg.timeout_ms > 0 ? s->cfg.timeout_ms : 2000;
}

static struct timeval timeout_tv(const struct drift_store *s)
{
    int64_t ms = drift_node_timeout_ms(s);
    return (struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

/* ---- names ---- */
/* What a server announces goes to the resolver and to logs: letters, digits and what addresses have besides. */
static bool host_good(const char *host, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = host[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr(".-_:", c))))
            return false;
    }
    return len > 0;
}

bool drift_node_name(struct drift_node *n, const char *host, size_t len, int port)
{
    if (len >= sizeof n->host || port < 1 || port > 65535 || !host_good(host, len))
        return false;
    if (n->port == port && strlen(n->host) == len && !memcmp(n->host, host, len))
        return true;
    drift_node_close(n);
    memcpy(n->host, host, len);
    n->host[len] = 0;
    n->port = port;
    snprintf(n->address, sizeof n->address, strchr(n->host, ':') ? "[%.120s]:%d" : "%.120s:%d", n->host, port);
    return true;
}

void drift_node_name_socket(struct drift_node *n, const char *path)
{
    drift_node_close(n);
    n->socket = path;
    snprintf(n->address, sizeof n->address, "%s", path);
}

/* host:port or [v6]:port */
static bool read_address(const char *text, size_t len, struct drift_node *ret)
{
    const char *colon = memrchr(text, ':', len), *host = text;
    int64_t port;
    if (!colon || colon[1] == '+' || !drift_i64_parse(colon + 1, len - (size_t)(colon + 1 - text), &port) || port < 1 ||
        port > 65535)
        return false;
    len = (size_t)(colon - text);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    return drift_node_name(ret, host, len, (int)port);
}

size_t drift_node_list(const char *text, struct drift_node *ret, size_t max)
{
    for (size_t n = 0;; n++) {
        text += strspn(text, " ");
        size_t len = strcspn(text, ",");
        if (n == max || !read_address(text, len, &ret[n]))
            return 0;
        if (!text[len])
            return n + 1;
        text += len + 1;
    }
}

void drift_node_close(struct drift_node *n)
{
    if (n->c)
        redisFree(n->c);
    n->c = NULL;
}

/* ---- bounds: hiredis builds replies through these functions ---- */
#if HIREDIS_MAJOR >= 1
typedef size_t array_len;
#else
typedef int array_len;
#endif
static redisReplyObjectFunctions plain_fn, bounded_fn;
static pthread_once_t bounded_once = PTHREAD_ONCE_INIT;

/* From 1.0 on hiredis nests without end, and frees by recursion. */
static bool too_deep(const redisReadTask *t)
{
    int depth = 0;
    for (; t; t = t->parent)
        depth++;
    return depth > DRIFT_REPLY_DEPTH_MAX;
}

static void *bounded_array(const redisReadTask *t, array_len n)
{
    struct drift_budget *b = t->privdata;
    if ((size_t)n > b->elements || too_deep(t)) {
        b->spent = true;
        return NULL;
    }
    b->elements -= (size_t)n;
    return plain_fn.createArray(t, n);
}

static void *bounded_string(const redisReadTask *t, char *p, size_t n)
{
    struct drift_budget *b = t->privdata;
    if (n > b->bytes) {
        b->spent = true;
        return NULL;
    }
    b->bytes -= n;
    return plain_fn.createString(t, p, n);
}

static void bounded_init(void)
{
    redisReader *r = redisReaderCreate(); /* the only way to the default functions in every version */
    if (!r)
        drift_bug("hiredis makes no reader: out of memory");
    plain_fn = bounded_fn = *r->fn;
    bounded_fn.createArray = bounded_array;
    bounded_fn.createString = bounded_string;
    redisReaderFree(r);
}

/* ---- one exchange ---- */
/* Fills err from a context or reader that failed.  ret_lost: the peer closed, so an idle connection may have been dead
 * all along. */
static int transport_failed(struct drift_store *s, int type, const char *text, int sys, bool *ret_lost,
                            struct drift_err *err)
{
    *ret_lost = false;
#ifdef REDIS_ERR_TIMEOUT /* from 1.0 on */
    if (type == REDIS_ERR_TIMEOUT) {
        type = REDIS_ERR_IO;
        sys = ETIMEDOUT;
    }
#endif
    if (type == REDIS_ERR_IO && (sys == EAGAIN || sys == EWOULDBLOCK || sys == ETIMEDOUT))
        return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "redis at %s does not answer: timed out after %" PRId64 " ms",
                          s->at->address, drift_node_timeout_ms(s));
    if (type == REDIS_ERR_EOF || type == REDIS_ERR_IO) {
        *ret_lost = true;
        return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "redis at %s closed the connection: %s", s->at->address,
                          type == REDIS_ERR_EOF ? "end of stream" : strerror(sys));
    }
    if (s->budget.spent)
        return drift_fail(err, DRIFT_E_FULL, DRIFT_RETRY,
                          "redis at %s sends a reply of more than %zu bytes or %d elements or nested deeper than %d: "
                          "is this server driftd's own",
                          s->at->address, s->reply_max, DRIFT_REPLY_ELEMENTS_MAX, DRIFT_REPLY_DEPTH_MAX);
    return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "redis at %s does not speak the redis protocol: %s",
                      s->at->address, text);
}

/* hiredis writes with write(2); without this a closed connection would kill a process that leaves SIGPIPE alone. */
static int write_quietly(redisContext *c, int *done, int *sys)
{
    sigset_t pipe_set, pending, old;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
    int rc = redisBufferWrite(c, done);
    *sys = errno;
    if (rc != REDIS_OK && !was_pending) {
        static const struct timespec at_once;
        while (sigtimedwait(&pipe_set, NULL, &at_once) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

int drift_node_exchange(struct drift_store *s, struct drift_node *n, const struct drift_args *a, redisReply **ret,
                        bool *ret_lost, struct drift_err *err)
{
    redisContext *c = n->c;
    int64_t end = drift_mono_ms(&drift_clock_system) + TIMEOUTS_PER_REPLY * drift_node_timeout_ms(s);
    int done = 0, sys = 0;
    void *reply = NULL;
    s->at = n;
    s->budget = (struct drift_budget){.bytes = s->reply_max, .elements = DRIFT_REPLY_ELEMENTS_MAX};
    if (redisAppendCommandArgv(c, (int)a->n, a->v, a->len) != REDIS_OK)
        return transport_failed(s, REDIS_ERR_OTHER, c->errstr, 0, ret_lost, err);
    while (!done) {
        if (write_quietly(c, &done, &sys) != REDIS_OK)
            return transport_failed(s, c->err, c->errstr, sys, ret_lost, err);
        if (!done && drift_mono_ms(&drift_clock_system) > end)
            return transport_failed(s, REDIS_ERR_IO, "", ETIMEDOUT, ret_lost, err);
    }
    for (;;) {
        if (redisReaderGetReply(c->reader, &reply) != REDIS_OK)
            return transport_failed(s, REDIS_ERR_PROTOCOL, c->reader->errstr, 0, ret_lost, err);
        if (reply)
            break;
        if (redisBufferRead(c) != REDIS_OK)
            return transport_failed(s, c->err, c->errstr, errno, ret_lost, err);
        if (c->reader->len - c->reader->pos > s->reply_max) {
            s->budget.spent = true;
            return transport_failed(s, REDIS_ERR_PROTOCOL, "", 0, ret_lost, err);
        }
        if (drift_mono_ms(&drift_clock_system) > end)
            return transport_failed(s, REDIS_ERR_IO, "", ETIMEDOUT, ret_lost, err);
    }
    *ret = reply;
    if (c->reader->len == c->reader->pos)
        return 0;
    freeReplyObject(reply);
    *ret = NULL;
    return transport_failed(s, REDIS_ERR_PROTOCOL, "more than one reply to one command", 0, ret_lost, err);
}

/* A reply that nobody asked for, or the end of the stream, waits on an idle connection: it is of no use any more. */
static bool quiet(const redisContext *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

/* ---- connecting ---- */
static int open_socket(struct drift_store *s, struct drift_node *n, struct drift_err *err)
{
    struct timeval tv = timeout_tv(s);
    errno = 0;
    s->at = n;
    n->c = n->socket ? redisConnectUnixWithTimeout(n->socket, tv) : redisConnectWithTimeout(n->host, n->port, tv);
    if (!n->c)
        return drift_fail(err, DRIFT_E_MEMORY, DRIFT_RETRY, "cannot connect to redis: out of memory");
    if (n->c->err) {
        char why[sizeof n->c->errstr];
        snprintf(why, sizeof why, "%s", n->c->errstr);
        drift_node_close(n);
        return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "cannot connect to redis at %s: %s", n->address, why);
    }
    redisSetTimeout(n->c, tv);
    if (!n->socket)
        redisEnableKeepAlive(n->c);
    pthread_once(&bounded_once, bounded_init);
    n->c->reader->fn = &bounded_fn;
    n->c->reader->privdata = &s->budget;
    return 0;
}

static int authenticate(struct drift_store *s, struct drift_node *n, const struct drift_login *l, struct drift_err *err)
{
    struct drift_args a = {0};
    redisReply *r = NULL;
    char *password = NULL;
    bool lost;
    if (!l->password->file && !l->password->env)
        return l->username ? drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP,
                                        "%s.username without %s.password: set both or neither", l->key, l->key)
                           : 0;
    int rc = drift_secret_load(l->password, &password, err);
    if (rc) {
        drift_err_prefix(err, "%s.password", l->key);
        return rc;
    }
    drift_args_text(&a, "AUTH");
    if (l->username)
        drift_args_text(&a, l->username);
    drift_args_text(&a, password);
    rc = drift_node_exchange(s, n, &a, &r, &lost, err);
    /* not the server's text: some versions repeat the arguments in it */
    if (!rc && r->type == REDIS_REPLY_ERROR && strncmp(r->str, "LOADING", 7) != 0)
        rc =
            drift_fail(err, DRIFT_E_DENIED, DRIFT_RETRY,
                       "redis at %s refuses the log-in: check %s.username and %s.password", n->address, l->key, l->key);
    else if (!rc && r->type == REDIS_REPLY_ERROR)
        rc = drift_reply_error(s, r, "AUTH", err);
    if (r)
        freeReplyObject(r);
    drift_args_release(&a);
    drift_secret_free(password);
    return rc;
}

/* A short command whose reply only must not be an error. */
static int ask(struct drift_store *s, struct drift_node *n, struct drift_args *a, bool *ret_lost, struct drift_err *err)
{
    redisReply *r = NULL;
    int rc = drift_node_exchange(s, n, a, &r, ret_lost, err);
    if (!rc && r->type == REDIS_REPLY_ERROR)
        rc = drift_reply_error(s, r, a->v[0], err);
    if (r)
        freeReplyObject(r);
    drift_args_release(a);
    return rc;
}

static int select_db(struct drift_store *s, struct drift_node *n, int db, struct drift_err *err)
{
    struct drift_args a = {0};
    bool lost;
    if (!db)
        return 0;
    drift_args_text(&a, "SELECT");
    drift_args_int(&a, db);
    return ask(s, n, &a, &lost, err);
}

static bool is_sentinel(const struct drift_store *s, const struct drift_node *n)
{
    return s->sentinel && n >= s->sentinel->node && n < s->sentinel->node + s->sentinel->n;
}

static int reconnect(struct drift_store *s, struct drift_node *n, struct drift_err *err)
{
    const struct drift_login *l = is_sentinel(s, n) ? &s->sentinel_login : &s->login;
    int rc = n->sentinel ? drift_sentinel_find(s, n, err) : 0;
    if (!rc)
        rc = open_socket(s, n, err);
    if (!rc)
        rc = authenticate(s, n, l, err);
    if (!rc)
        rc = select_db(s, n, l->db, err);
    if (!rc && n->sentinel)
        rc = drift_sentinel_role(s, n, err);
    s->connections += !rc;
    if (rc)
        drift_node_close(n);
    return rc;
}

static int attempt(struct drift_store *s, struct drift_node *n, const struct drift_args *a, bool asking,
                   redisReply **ret, bool *ret_lost, struct drift_err *err)
{
    struct drift_args word = {0};
    int rc = 0;
    if (!n->c)
        rc = reconnect(s, n, err);
    if (!rc && asking) {
        drift_args_text(&word, "ASKING");
        rc = ask(s, n, &word, ret_lost, err);
    }
    return rc ? rc : drift_node_exchange(s, n, a, ret, ret_lost, err);
}

/* An idle connection may have died unseen, so a lost one is replaced and the command sent again: applied twice, a
 * compare-and-set answers DUP and the rest are idempotent.  Not so ACQUIRE and FORCE, which put a head without naming
 * the one before: were the first copy delayed by the network, it would bring that head back later, and with it a
 * delayed flush that builds on it.  Those are the caller's to repeat, under a fresh head. */
int drift_node_call(struct drift_store *s, struct drift_node *n, const struct drift_args *a, bool asking,
                    redisReply **ret, struct drift_err *err)
{
    struct drift_err e = {0};
    *ret = NULL;
    if (n->c && !quiet(n->c))
        drift_node_close(n);
    for (bool old = n->c != NULL;; old = false) {
        bool lost = false;
        int rc = attempt(s, n, a, asking, ret, &lost, &e);
        if (!rc)
            return 0;
        drift_node_close(n);
        if (old && lost && !a->once)
            continue;
        if (err)
            *err = e;
        return rc;
    }
}
