/* src/store/connect.c    One connection to Redis: made on first use, given up after any error, bounded replies.
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

static int64_t timeout_ms(const struct drift_store *s)
{
    return s->cfg.timeout_ms > 0 ? s->cfg.timeout_ms : 2000;
}

static struct timeval timeout_tv(const struct drift_store *s)
{
    int64_t ms = timeout_ms(s);
    return (struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

static char *dup_or_null(const char *z)
{
    return z ? drift_xstrdup(z) : NULL;
}

int drift_store_new(const struct drift_redis_config *cfg, const char *group, struct drift_store **ret,
                    struct drift_err *err)
{
    struct drift_buf b;
    *ret = NULL;
    if (!cfg->host && !cfg->socket)
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "redis has neither a host nor a socket: set redis.host");
    if (cfg->host && strstr(cfg->host, "://"))
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP,
                          "redis.host is a host name, not a URL; TLS to redis is not supported: use a unix socket, a "
                          "private network or a local TLS proxy");
    drift_buf_init(&b, DRIFT_KEY_MAX);
    drift_name_encode(&b, group);
    if (b.full) {
        drift_buf_release(&b);
        return drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP, "consumer group name is too long for redis keys");
    }
    struct drift_store *s = drift_xcalloc(1, sizeof *s);
    s->reply_max = DRIFT_REPLY_BYTES_MAX;
    s->group = b.data ? b.data : drift_xstrdup("");
    s->cfg = *cfg;
    s->cfg.host = dup_or_null(cfg->host);
    s->cfg.socket = dup_or_null(cfg->socket);
    s->cfg.username = dup_or_null(cfg->username);
    s->cfg.password.file = dup_or_null(cfg->password.file);
    s->cfg.password.env = dup_or_null(cfg->password.env);
    if (s->cfg.socket)
        snprintf(s->address, sizeof s->address, "%s", s->cfg.socket);
    else
        snprintf(s->address, sizeof s->address, "%s:%d", s->cfg.host, s->cfg.port);
    *ret = s;
    return 0;
}

void drift_store_free(struct drift_store *s)
{
    if (!s)
        return;
    drift_redis_disconnect(s);
    free(s->cfg.host);
    free(s->cfg.socket);
    free(s->cfg.username);
    free(s->cfg.password.file);
    free(s->cfg.password.env);
    free(s->group);
    free(s);
}

void drift_redis_disconnect(struct drift_store *s)
{
    if (s->c)
        redisFree(s->c);
    s->c = NULL;
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
                          s->address, timeout_ms(s));
    if (type == REDIS_ERR_EOF || type == REDIS_ERR_IO) {
        *ret_lost = true;
        return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "redis at %s closed the connection: %s", s->address,
                          type == REDIS_ERR_EOF ? "end of stream" : strerror(sys));
    }
    if (s->budget.spent)
        return drift_fail(err, DRIFT_E_FULL, DRIFT_RETRY,
                          "redis at %s sends a reply of more than %zu bytes or %d elements or nested deeper than %d: "
                          "is this server driftd's own",
                          s->address, s->reply_max, DRIFT_REPLY_ELEMENTS_MAX, DRIFT_REPLY_DEPTH_MAX);
    return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "redis at %s does not speak the redis protocol: %s", s->address,
                      text);
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

static int exchange(struct drift_store *s, const struct drift_args *a, redisReply **ret, bool *ret_lost,
                    struct drift_err *err)
{
    redisContext *c = s->c;
    int64_t end = drift_mono_ms(&drift_clock_system) + TIMEOUTS_PER_REPLY * timeout_ms(s);
    int done = 0, sys = 0;
    void *reply = NULL;
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
static int open_socket(struct drift_store *s, struct drift_err *err)
{
    struct timeval tv = timeout_tv(s);
    errno = 0;
    s->c = s->cfg.socket ? redisConnectUnixWithTimeout(s->cfg.socket, tv)
                         : redisConnectWithTimeout(s->cfg.host, s->cfg.port, tv);
    if (!s->c)
        return drift_fail(err, DRIFT_E_MEMORY, DRIFT_RETRY, "cannot connect to redis: out of memory");
    if (s->c->err) {
        char why[sizeof s->c->errstr];
        snprintf(why, sizeof why, "%s", s->c->errstr);
        drift_redis_disconnect(s);
        return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "cannot connect to redis at %s: %s", s->address, why);
    }
    redisSetTimeout(s->c, tv);
    if (!s->cfg.socket)
        redisEnableKeepAlive(s->c);
    pthread_once(&bounded_once, bounded_init);
    s->c->reader->fn = &bounded_fn;
    s->c->reader->privdata = &s->budget;
    return 0;
}

static int authenticate(struct drift_store *s, struct drift_err *err)
{
    struct drift_args a = {0};
    redisReply *r = NULL;
    char *password = NULL;
    bool lost;
    if (!s->cfg.password.file && !s->cfg.password.env)
        return s->cfg.username ? drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP,
                                            "redis.username without redis.password: set both or neither")
                               : 0;
    int rc = drift_secret_load(&s->cfg.password, &password, err);
    if (rc) {
        drift_err_prefix(err, "redis.password");
        return rc;
    }
    drift_args_text(&a, "AUTH");
    if (s->cfg.username)
        drift_args_text(&a, s->cfg.username);
    drift_args_text(&a, password);
    rc = exchange(s, &a, &r, &lost, err);
    /* not the server's text: some versions repeat the arguments in it */
    if (!rc && r->type == REDIS_REPLY_ERROR && strncmp(r->str, "LOADING", 7) != 0)
        rc = drift_fail(err, DRIFT_E_DENIED, DRIFT_RETRY,
                        "redis at %s refuses the log-in: check redis.username and redis.password", s->address);
    else if (!rc && r->type == REDIS_REPLY_ERROR)
        rc = drift_reply_error(s, r, "AUTH", err);
    if (r)
        freeReplyObject(r);
    drift_args_release(&a);
    drift_secret_free(password);
    return rc;
}

static int select_db(struct drift_store *s, struct drift_err *err)
{
    struct drift_args a = {0};
    redisReply *r = NULL;
    bool lost;
    if (!s->cfg.db)
        return 0;
    drift_args_text(&a, "SELECT");
    drift_args_int(&a, s->cfg.db);
    int rc = exchange(s, &a, &r, &lost, err);
    if (!rc && r->type == REDIS_REPLY_ERROR)
        rc = drift_reply_error(s, r, "SELECT", err);
    if (r)
        freeReplyObject(r);
    drift_args_release(&a);
    return rc;
}

static int reconnect(struct drift_store *s, struct drift_err *err)
{
    int rc = open_socket(s, err);
    if (!rc)
        rc = authenticate(s, err);
    if (!rc)
        rc = select_db(s, err);
    if (rc)
        drift_redis_disconnect(s);
    return rc;
}

/* An idle connection may have died unseen, so a lost one is replaced and the command sent again: applied twice, a
 * compare-and-set answers DUP and the rest are idempotent.  Not so ACQUIRE and FORCE, which put a head without naming
 * the one before: were the first copy delayed by the network, it would bring that head back later, and with it a
 * delayed flush that builds on it.  Those are the caller's to repeat, under a fresh head. */
int drift_redis_raw(struct drift_store *s, const struct drift_args *a, redisReply **ret, struct drift_err *err)
{
    struct drift_err e = {0};
    bool lost = false;
    *ret = NULL;
    if (a->n > DRIFT_ARGS_MAX)
        return drift_fail(err, DRIFT_E_FULL, DRIFT_STOP, "a redis command of %zu arguments: at most %d are possible",
                          a->n, DRIFT_ARGS_MAX);
    if (s->c && !quiet(s->c))
        drift_redis_disconnect(s);
    for (bool old = s->c != NULL;; old = false) {
        int rc = s->c ? 0 : reconnect(s, &e);
        if (!rc && !(rc = exchange(s, a, ret, &lost, &e)))
            return 0;
        drift_redis_disconnect(s);
        if (old && lost && !a->once)
            continue;
        if (err)
            *err = e;
        return rc;
    }
}

int drift_redis_call(struct drift_store *s, const struct drift_args *a, redisReply **ret, struct drift_err *err)
{
    int rc = drift_redis_raw(s, a, ret, err);
    if (rc || (*ret)->type != REDIS_REPLY_ERROR)
        return rc;
    char command[16];
    snprintf(command, sizeof command, "%.*s", (int)a->len[0], a->v[0]);
    rc = drift_reply_error(s, *ret, command, err);
    freeReplyObject(*ret);
    *ret = NULL;
    return rc;
}

int drift_store_ping(struct drift_store *s, struct drift_err *err)
{
    struct drift_args a = {0};
    redisReply *r;
    drift_args_text(&a, "PING");
    int rc = drift_redis_call(s, &a, &r, err);
    if (!rc && !(r->type == REDIS_REPLY_STATUS && !strcmp(r->str, "PONG")))
        rc = drift_reply_odd(s, "PING", err);
    freeReplyObject(r);
    drift_args_release(&a);
    return rc;
}
