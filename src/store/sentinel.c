/* src/store/sentinel.c    Which server is master, asked of Redis Sentinel for each connection.
 *
 * The way of Redis' own guide for clients: the first sentinel that knows the name is believed, the server that it names
 * must call itself master, and every lost connection begins anew.  A failover therefore looks like a lost connection to
 * everybody else.  A deposed master closes its clients' connections when it is told so; until then it refuses writes
 * when it runs with min-replicas-to-write, and what it takes all the same counts as lost in a failover (state.settle).
 * Nothing is subscribed to: +switch-master would only be a hint, and a second connection to keep alive. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/store/redis.h"

enum { TIMEOUTS = 2 }; /* for all sentinels that one call asks */

int drift_sentinel_new(const struct drift_redis_config *cfg, struct drift_sentinel **ret, struct drift_err *err)
{
    struct drift_sentinel *t = drift_xcalloc(1, sizeof *t);
    *ret = t;
    t->n = drift_node_list(cfg->sentinel.nodes, t->node, DRIFT_SEEDS_MAX);
    if (!t->n)
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP,
                          "redis.sentinel.nodes is no list of at most %d addresses as host:port,host:port",
                          DRIFT_SEEDS_MAX);
    if (!cfg->sentinel.master || !*cfg->sentinel.master)
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP,
                          "redis.sentinel.master is missing: the name under which the sentinels watch the master");
    return 0;
}

void drift_sentinel_free(struct drift_sentinel *t)
{
    for (size_t i = 0; t && i < t->n; i++)
        drift_node_close(&t->node[i]);
    free(t);
}

/* {address, port}, or nil. */
static int take_master(struct drift_store *s, const redisReply *r, struct drift_node *n, struct drift_err *err)
{
    int64_t port;
    if (r->type == REDIS_REPLY_NIL || (r->type == REDIS_REPLY_ARRAY && !r->elements))
        return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY,
                          "sentinel at %s does not know a master called %s: check redis.sentinel.master",
                          s->at->address, s->cfg.sentinel.master);
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 2 || !drift_reply_is_text(r->element[0]) ||
        !drift_reply_i64(r->element[1], &port) || port < 1 || port > 65535 ||
        !drift_node_name(n, r->element[0]->str, r->element[0]->len, (int)port))
        return drift_reply_odd(s, "SENTINEL", err);
    return 0;
}

static int ask(struct drift_store *s, struct drift_node *sentinel, struct drift_node *n, struct drift_err *err)
{
    struct drift_args a = {0};
    redisReply *r = NULL;
    drift_args_text(&a, "SENTINEL");
    drift_args_text(&a, "GET-MASTER-ADDR-BY-NAME");
    drift_args_text(&a, s->cfg.sentinel.master);
    int rc = drift_node_call(s, sentinel, &a, false, &r, err);
    if (!rc && r->type == REDIS_REPLY_ERROR)
        rc = drift_reply_error(s, r, "SENTINEL", err);
    else if (!rc)
        rc = take_master(s, r, n, err);
    if (r)
        freeReplyObject(r);
    drift_args_release(&a);
    drift_node_close(sentinel); /* asked again in a month, perhaps */
    return rc;
}

int drift_sentinel_find(struct drift_store *s, struct drift_node *n, struct drift_err *err)
{
    struct drift_sentinel *t = s->sentinel;
    int64_t end = drift_mono_ms(&drift_clock_system) + TIMEOUTS * drift_node_timeout_ms(s);
    int rc = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct drift_err own = {0};
        rc = ask(s, &t->node[t->next], n, &own);
        if (!rc)
            return 0;
        if (err)
            *err = own;
        t->next = (t->next + 1) % t->n;
        if (drift_mono_ms(&drift_clock_system) >= end)
            break;
    }
    if (rc == DRIFT_E_AWAY)
        drift_err_prefix(err, "no sentinel names the master, of the last asked");
    return rc;
}

int drift_sentinel_role(struct drift_store *s, struct drift_node *n, struct drift_err *err)
{
    struct drift_args a = {0};
    redisReply *r = NULL;
    bool lost;
    drift_args_text(&a, "ROLE");
    int rc = drift_node_exchange(s, n, &a, &r, &lost, err);
    drift_args_release(&a);
    if (!rc && r->type == REDIS_REPLY_ERROR && !strncmp(r->str, "NOPERM", 6))
        rc = drift_fail(err, DRIFT_E_DENIED, DRIFT_RETRY,
                        "redis at %s does not say whether it is a master: give the user of redis.username the right "
                        "+role",
                        n->address);
    else if (!rc && r->type == REDIS_REPLY_ERROR)
        rc = drift_reply_error(s, r, "ROLE", err);
    else if (!rc && (r->type != REDIS_REPLY_ARRAY || !r->elements || !drift_reply_is_text(r->element[0])))
        rc = drift_reply_odd(s, "ROLE", err);
    else if (!rc && strcmp(r->element[0]->str, "master") != 0)
        rc = drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY,
                        "redis at %s, which the sentinels name as master, is none: a failover is going on, or this "
                        "sentinel has not heard of it",
                        n->address);
    if (r)
        freeReplyObject(r);
    if (rc) /* another sentinel may know better */
        s->sentinel->next = (s->sentinel->next + 1) % s->sentinel->n;
    return rc;
}
