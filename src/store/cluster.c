/* src/store/cluster.c    Redis Cluster: which node has a key, and following those who know better.
 *
 * Debian has no hiredis-cluster, and driftd needs little of one: all keys of a call share a hash tag, so a command
 * belongs to one slot, and there are no transactions, subscriptions or reads from replicas.  MOVED and ASK mean "not
 * applied", so even a command that must not be sent twice follows them; what a dead node did with a command stays in
 * doubt, as with one server.  The table of slots is a guess that any node may correct: a wrong one costs a redirection.
 * During a resharding a script whose keys do not all exist yet may get TRYAGAIN until the slot has moved: that is
 * AWAY, and the caller comes back. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/store/redis.h"

enum {
    TIMEOUTS = 2,        /* for all nodes that are asked for the table at a time */
    TABLE_PAUSE_MS = 100 /* between two askings */
};

/* ---- slots ---- */
/* CRC16 of the CCITT polynomial 0x1021, from 0. */
static unsigned crc16(const char *p, size_t n)
{
    unsigned crc = 0;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned)(unsigned char)p[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
    }
    return crc;
}

int drift_cluster_key_slot(const char *key, size_t len)
{
    const char *open = memchr(key, '{', len);
    const char *close = open ? memchr(open, '}', len - (size_t)(open - key)) : NULL;
    if (close && close > open + 1) {
        key = open + 1;
        len = (size_t)(close - key);
    }
    return (int)(crc16(key, len) % DRIFT_SLOTS);
}

static bool is_command(const struct drift_args *a, const char *name)
{
    return a->len[0] == strlen(name) && !memcmp(a->v[0], name, a->len[0]);
}

int drift_cluster_slot(const struct drift_args *a)
{
    static const char *const keyless[] = {"PING", "SCRIPT", "INFO", "CONFIG", "CLUSTER", "ROLE"};
    if (a->like)
        a = a->like;
    size_t at = is_command(a, "EVALSHA") || is_command(a, "EVAL") ? 3 : 1;
    for (size_t i = 0; i < sizeof keyless / sizeof *keyless; i++)
        if (is_command(a, keyless[i]))
            return -1;
    return a->n > at ? drift_cluster_key_slot(a->v[at], a->len[at]) : -1;
}

/* ---- nodes ---- */
int drift_cluster_new(const struct drift_redis_config *cfg, struct drift_cluster **ret, struct drift_err *err)
{
    struct drift_node *seeds = drift_xcalloc(DRIFT_SEEDS_MAX, sizeof *seeds);
    struct drift_cluster *c = *ret = drift_xcalloc(1, sizeof *c);
    size_t n = drift_node_list(cfg->cluster, seeds, DRIFT_SEEDS_MAX);
    c->stale = true;
    for (size_t i = 0; i < n; i++) {
        c->node[i] = drift_xcalloc(1, sizeof **c->node);
        *c->node[i] = seeds[i];
        c->node[i]->seed = true;
        c->n++;
    }
    free(seeds);
    if (!n)
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP,
                          "redis.cluster is no list of at most %d addresses as host:port,host:port", DRIFT_SEEDS_MAX);
    if (cfg->db)
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "redis.db must be 0 with redis.cluster");
    return 0;
}

void drift_cluster_free(struct drift_cluster *c)
{
    for (size_t i = 0; c && i < c->n; i++) {
        drift_node_close(c->node[i]);
        free(c->node[i]);
    }
    free(c);
}

static bool is_at(const struct drift_node *n, const char *host, size_t len, int port)
{
    return n->port == port && strlen(n->host) == len && !memcmp(n->host, host, len);
}

/* Place of the node of that address, which is made when it is new; c->n: no address, or no place. */
static size_t find_node(struct drift_cluster *c, const char *host, size_t len, int port)
{
    size_t open = c->n;
    for (size_t i = 0; i < c->n; i++) {
        if (is_at(c->node[i], host, len, port))
            return i;
        if (!c->node[i]->host[0] && open == c->n)
            open = i;
    }
    if (open == DRIFT_NODES_MAX)
        return c->n;
    if (open == c->n)
        c->node[open] = drift_xcalloc(1, sizeof **c->node);
    if (!drift_node_name(c->node[open], host, len, port)) {
        if (open == c->n)
            free(c->node[open]);
        return c->n;
    }
    c->n += open == c->n;
    return open;
}

/* Nodes that are neither in the table nor named by the configuration give their places back. */
static void forget_nodes(struct drift_cluster *c)
{
    for (size_t i = 0; i < c->n; i++)
        c->node[i]->listed = false;
    for (size_t i = 0; i < DRIFT_SLOTS; i++)
        if (c->of[i])
            c->node[c->of[i] - 1]->listed = true;
    for (size_t i = 0; i < c->n; i++)
        if (!c->node[i]->listed) {
            drift_node_close(c->node[i]);
            if (!c->node[i]->seed)
                *c->node[i] = (struct drift_node){.address = "?"};
        }
}

/* ---- the table: CLUSTER SLOTS ---- */
struct range {
    int64_t first, last, port;
    const char *host;
    size_t len;
};

/* {first, last, {host, port, ...}, replicas ...}.  A node that does not know its own address gives "" or nil: the
 * one that was asked. */
static bool read_range(const redisReply *r, const struct drift_node *asked, struct range *ret)
{
    if (r->type != REDIS_REPLY_ARRAY || r->elements < 3 || !drift_reply_i64(r->element[0], &ret->first) ||
        !drift_reply_i64(r->element[1], &ret->last))
        return false;
    const redisReply *node = r->element[2];
    if (node->type != REDIS_REPLY_ARRAY || node->elements < 2 || !drift_reply_i64(node->element[1], &ret->port))
        return false;
    const redisReply *host = node->element[0];
    if (host->type != REDIS_REPLY_NIL && !drift_reply_is_text(host))
        return false;
    bool own = host->type == REDIS_REPLY_NIL || !host->len;
    ret->host = own ? asked->host : host->str;
    ret->len = own ? strlen(asked->host) : host->len;
    return ret->first >= 0 && ret->first <= ret->last && ret->last < DRIFT_SLOTS && ret->port >= 1 &&
           ret->port <= 65535;
}

static bool take_table(struct drift_cluster *c, const redisReply *r, const struct drift_node *asked)
{
    uint16_t fresh[DRIFT_SLOTS] = {0};
    struct range g;
    if (r->type != REDIS_REPLY_ARRAY || !r->elements || r->elements > DRIFT_SLOTS)
        return false;
    for (size_t i = 0; i < r->elements; i++) {
        size_t at = c->n;
        bool good = read_range(r->element[i], asked, &g);
        if (good)
            at = find_node(c, g.host, g.len, (int)g.port);
        if (!good || at == c->n) {
            forget_nodes(c); /* those that this reply has made */
            return false;
        }
        for (int64_t slot = g.first; slot <= g.last; slot++)
            fresh[slot] = (uint16_t)(at + 1);
    }
    memcpy(c->of, fresh, sizeof fresh);
    forget_nodes(c);
    return true;
}

static int ask_table(struct drift_store *s, struct drift_node *n, struct drift_err *err)
{
    struct drift_cluster *c = s->cluster;
    struct drift_args a = {0};
    redisReply *r = NULL;
    drift_args_text(&a, "CLUSTER");
    drift_args_text(&a, "SLOTS");
    int rc = drift_node_call(s, n, &a, false, &r, err);
    drift_args_release(&a);
    if (rc)
        return rc;
    if (r->type == REDIS_REPLY_ERROR && !strncmp(r->str, "NOPERM", 6))
        c->denied = true;
    else if (r->type == REDIS_REPLY_ERROR && strstr(r->str, "cluster support disabled"))
        rc = drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP,
                        "redis at %s is no node of a cluster: set redis.host instead of redis.cluster", n->address);
    else if (r->type == REDIS_REPLY_ERROR)
        rc = drift_reply_error(s, r, "CLUSTER", err);
    else if (r->type == REDIS_REPLY_ARRAY && !r->elements)
        rc = drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "redis at %s belongs to a cluster without slots", n->address);
    else if (!take_table(c, r, n))
        rc = drift_reply_odd(s, "CLUSTER", err);
    freeReplyObject(r);
    return rc;
}

/* One node after the other; the next time goes on with the following one, so that a node that cannot be reached or
 * sees an old cluster is not asked for ever. */
static int refresh(struct drift_store *s, struct drift_err *err)
{
    struct drift_cluster *c = s->cluster;
    int64_t now = drift_mono_ms(&drift_clock_system), end = now + TIMEOUTS * drift_node_timeout_ms(s);
    int rc = DRIFT_E_AWAY;
    c->asked_ms = now;
    for (size_t tried = c->n; tried > 0 && rc && rc != DRIFT_E_CONFIG; tried--) {
        struct drift_node *n = c->node[c->next++ % c->n];
        struct drift_err own = {0};
        if (!n->host[0])
            continue;
        rc = ask_table(s, n, &own);
        if (rc && err)
            *err = own;
        if (drift_mono_ms(&drift_clock_system) >= end)
            break;
    }
    c->stale = rc != 0;
    return rc;
}

/* ---- calls ---- */
/* For a command without key, or a slot that nobody is known for: a node that answers, or any of the seeds. */
static struct drift_node *any_node(struct drift_cluster *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->node[i]->c)
            return c->node[i];
    for (;;) { /* the configuration names at least one, and seeds keep their places */
        struct drift_node *n = c->node[c->next++ % c->n];
        if (n->seed)
            return n;
    }
}

static bool is_redirection(const redisReply *r)
{
    return r->type == REDIS_REPLY_ERROR && (!strncmp(r->str, "MOVED ", 6) || !strncmp(r->str, "ASK ", 4));
}

/* "MOVED slot host:port", "ASK slot host:port"; an empty host is the one that said so. */
static int follow(struct drift_store *s, int slot, const redisReply *r, struct drift_node **n, bool *ret_asking,
                  struct drift_err *err)
{
    struct drift_cluster *c = s->cluster;
    const char *number = strchr(r->str, ' ') + 1, *space = strchr(number, ' ');
    const char *host = space ? space + 1 : "", *colon = strrchr(host, ':');
    int64_t said, port;
    *ret_asking = r->str[0] == 'A';
    if (!colon || !drift_i64_parse(number, (size_t)(space - number), &said) || said != slot ||
        !drift_i64_parse(colon + 1, strlen(colon + 1), &port) || port < 1 || port > 65535)
        return drift_reply_odd(s, "a command of another node's", err);
    size_t len = (size_t)(colon - host);
    char own[sizeof(*n)->host];
    memcpy(own, (*n)->host, sizeof own); /* find_node may move it out */
    size_t at = len ? find_node(c, host, len, (int)port) : find_node(c, own, strlen(own), (int)port);
    if (at == c->n && c->n == DRIFT_NODES_MAX) {
        memset(c->of, 0, sizeof c->of); /* start again from the seeds */
        forget_nodes(c);
        c->stale = true;
        return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "the redis cluster has named more than %d nodes",
                          DRIFT_NODES_MAX);
    }
    if (at == c->n)
        return drift_reply_odd(s, "a command of another node's", err);
    if (!*ret_asking) {
        c->of[slot] = (uint16_t)(at + 1);
        c->stale = true; /* where one slot went, others may have gone */
    }
    *n = c->node[at];
    return 0;
}

static int prepare(struct drift_store *s, struct drift_err *err)
{
    struct drift_cluster *c = s->cluster;
    if (!c->stale || c->denied || (c->asked_ms && drift_mono_ms(&drift_clock_system) - c->asked_ms < TABLE_PAUSE_MS))
        return 0;
    struct drift_err own = {0};
    int rc = refresh(s, &own);
    if (rc != DRIFT_E_CONFIG)
        return 0; /* the table as it was may do, and any node knows the way */
    if (err)
        *err = own;
    return rc;
}

int drift_cluster_call(struct drift_store *s, const struct drift_args *a, redisReply **ret, struct drift_err *err)
{
    struct drift_cluster *c = s->cluster;
    int slot = drift_cluster_slot(a), rc = prepare(s, err);
    bool asking = false;
    struct drift_node *n = slot >= 0 && c->of[slot] ? c->node[c->of[slot] - 1] : any_node(c);
    for (int hop = 0; !rc && hop <= DRIFT_REDIRECTIONS_MAX; hop++) {
        rc = drift_node_call(s, n, a, asking, ret, err);
        if (rc)
            c->stale = true;
        else if (slot < 0 || !is_redirection(*ret))
            return 0;
        else
            rc = follow(s, slot, *ret, &n, &asking, err);
        freeReplyObject(*ret);
        *ret = NULL;
    }
    return rc ? rc
              : drift_fail(
                    err, DRIFT_E_AWAY, DRIFT_RETRY,
                    "the redis cluster sends a command from node to node, the last is %s: its nodes do not agree "
                    "about slot %d",
                    n->address, slot);
}

struct drift_node *drift_cluster_master(struct drift_store *s, size_t i)
{
    struct drift_cluster *c = s->cluster;
    for (size_t at = 0; at < c->n; at++)
        if (c->node[at]->listed && i-- == 0)
            return c->node[at];
    return NULL;
}

int drift_cluster_whole(struct drift_store *s, struct drift_err *err)
{
    struct drift_cluster *c = s->cluster;
    int n = 0, rc = c->stale && !c->denied ? refresh(s, err) : 0;
    for (int i = 0; !rc && !c->denied && i < DRIFT_SLOTS; i++)
        n += !c->of[i];
    if (n)
        rc = drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "%d of the redis cluster's %d slots have no node", n,
                        DRIFT_SLOTS);
    c->stale = c->stale || rc;
    return rc;
}
