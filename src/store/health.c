/* src/store/health.c    What kind of Redis this is: version, role, persistence, eviction; for `check` and start-up.
 *
 * INFO and CONFIG may be denied by an ACL, which is good practice: then the answer is "unknown", not a failure. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/store/redis.h"

/* Value of "name:value\r\n" in INFO's text; "" and false when it is not there. */
static bool info_text(const char *info, const char *name, char *ret, size_t cap)
{
    size_t n = strlen(name), len = 0;
    for (const char *line = info; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) || line[n] != ':')
            continue;
        for (line += n + 1; *line && *line != '\r' && *line != '\n' && len + 1 < cap; line++)
            ret[len++] = *line >= ' ' && *line < 127 ? *line : '?';
        ret[len] = 0;
        return true;
    }
    ret[0] = 0;
    return false;
}

static int64_t info_i64(const char *info, const char *name)
{
    char text[32];
    int64_t v;
    return info_text(info, name, text, sizeof text) && drift_i64_parse(text, strlen(text), &v) ? v : -1;
}

/* ret: NULL when the server denies it.  Other failures are failures. */
static int ask(struct drift_store *s, struct drift_node *node, const char *const *words, size_t n, int type,
               redisReply **ret, struct drift_err *err)
{
    struct drift_args a = {.node = node};
    struct drift_err e;
    drift_args_names(&a, words, n);
    int rc = drift_redis_raw(s, &a, ret, err);
    drift_args_release(&a);
    if (rc || (*ret)->type == type)
        return rc;
    if ((*ret)->type != REDIS_REPLY_ERROR)
        rc = drift_reply_odd(s, words[0], err);
    else if ((rc = drift_reply_error(s, *ret, words[0], &e)) &&
             (!strncmp((*ret)->str, "NOPERM", 6) || e.code == DRIFT_E_IO))
        rc = 0; /* not for us, or renamed away */
    else if (err)
        *err = e;
    freeReplyObject(*ret);
    *ret = NULL;
    return rc;
}

static void from_info(const char *info, struct drift_store_health *h)
{
    info_text(info, "redis_version", h->version, sizeof h->version);
    info_text(info, "role", h->role, sizeof h->role);
    info_text(info, "maxmemory_policy", h->maxmemory_policy, sizeof h->maxmemory_policy);
    h->maxmemory = info_i64(info, "maxmemory");
    h->used_memory = info_i64(info, "used_memory");
    h->aof = info_i64(info, "aof_enabled") == 1;
    h->cluster = info_i64(info, "cluster_enabled") == 1;
    h->replicas = info_i64(info, "connected_slaves");
}

/* CONFIG GET name: copied to text; *ret_known: it was given. */
static int config(struct drift_store *s, struct drift_node *node, const char *name, char *text, size_t cap,
                  bool *ret_known, struct drift_err *err)
{
    const char *const words[] = {"CONFIG", "GET", name};
    redisReply *r = NULL;
    int rc = ask(s, node, words, 3, REDIS_REPLY_ARRAY, &r, err);
    *ret_known = !rc && r && r->elements == 2 && drift_reply_is_text(r->element[1]);
    snprintf(text, cap, "%s", *ret_known ? r->element[1]->str : "");
    freeReplyObject(r);
    return rc;
}

static int config_i64(struct drift_store *s, struct drift_node *node, const char *name, int64_t *ret,
                      struct drift_err *err)
{
    char text[32];
    bool known;
    int rc = config(s, node, name, text, sizeof text, &known, err);
    if (!known || !drift_i64_parse(text, strlen(text), ret))
        *ret = -1;
    return rc;
}

static int ask_config(struct drift_store *s, struct drift_node *node, struct drift_store_health *h,
                      struct drift_err *err)
{
    char text[64];
    bool known;
    int rc = config(s, node, "save", text, sizeof text, &h->config_known, err);
    h->rdb = text[0] != 0;
    if (!rc)
        rc = config_i64(s, node, "min-replicas-to-write", &h->min_replicas, err);
    if (!rc && h->min_replicas > 0) {
        rc = config_i64(s, node, "min-replicas-max-lag", &h->min_replicas_lag_ms, err);
        h->min_replicas_lag_ms *= h->min_replicas_lag_ms > 0 && h->min_replicas_lag_ms < 1000000 ? 1000 : 1;
    }
    if (!rc && h->cluster)
        rc = config_i64(s, node, "cluster-node-timeout", &h->node_timeout_ms, err);
    if (!rc && !h->maxmemory_policy[0]) {
        rc = config(s, node, "maxmemory-policy", text, sizeof text, &known, err);
        snprintf(h->maxmemory_policy, sizeof h->maxmemory_policy, "%.31s", known ? text : "unknown");
    }
    return rc;
}

static int of_node(struct drift_store *s, struct drift_node *node, struct drift_store_health *ret,
                   struct drift_err *err)
{
    static const char *const info[] = {"INFO"};
    redisReply *r = NULL;
    *ret = (struct drift_store_health){.version = "unknown",
                                       .role = "unknown",
                                       .maxmemory_policy = "unknown",
                                       .maxmemory = -1,
                                       .used_memory = -1,
                                       .replicas = -1,
                                       .min_replicas = -1,
                                       .min_replicas_lag_ms = -1,
                                       .node_timeout_ms = -1};
    int rc = ask(s, node, info, 1, REDIS_REPLY_STRING, &r, err);
    if (!rc && r) {
        from_info(r->str, ret);
        ret->info_known = true;
    }
    freeReplyObject(r);
    if (!rc)
        rc = ask_config(s, node, ret, err);
    snprintf(ret->address, sizeof ret->address, "%s", s->at->address);
    ret->noeviction = !strcmp(ret->maxmemory_policy, "noeviction");
    return rc;
}

int drift_store_health_of(struct drift_store *s, size_t i, struct drift_store_health *ret, struct drift_err *err)
{
    struct drift_node *node = NULL;
    int rc = s->cluster ? drift_cluster_whole(s, err) : 0;
    if (!rc && s->cluster)
        node = drift_cluster_master(s, i);
    if (!rc && !node && i > 0)
        return drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_SKIP, "redis has no master number %zu", i + 1);
    return rc ? rc : of_node(s, node, ret, err); /* no table of the cluster: the node that answers */
}

int drift_store_health(struct drift_store *s, struct drift_store_health *ret, struct drift_err *err)
{
    return of_node(s, s->cluster ? drift_cluster_master(s, 0) : NULL, ret, err);
}

/* ---- what is wrong with it ---- */
struct listener {
    void (*say)(void *ctx, bool bad, const char *text);
    void *ctx;
};

static void say(const struct listener *to, bool bad, const char *fmt, ...) DRIFT_PRINTF(3, 4);
static void say(const struct listener *to, bool bad, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    to->say(to->ctx, bad, text);
}

static void judge_memory(const struct drift_store_health *h, const struct listener *to)
{
    if (!h->config_known && !h->noeviction)
        say(to, false, "eviction policy is unknown: it must be noeviction, anything else drops state");
    else if (!h->noeviction && h->maxmemory != 0)
        say(to, true, "evicts keys (maxmemory-policy %s): set noeviction, eviction drops counts and actions",
            h->maxmemory_policy);
    else if (!h->noeviction)
        say(to, false, "maxmemory-policy is %s: set noeviction before a maxmemory is set", h->maxmemory_policy);
    if (h->maxmemory > 0 && h->used_memory > h->maxmemory / 10 * 9)
        say(to, false, "uses more than 90 %% of maxmemory: writes will be refused when it is full");
}

/* Assumption A1: a failover loses at most the writes of the last `settle`. */
static void judge_failover(const struct drift_store_health *h, int64_t settle_ms, const struct listener *to)
{
    bool fails_over = h->replicas > 0;
    if (fails_over && settle_ms == 0)
        say(to, false, "has replicas, but state.settle is 0s: a failover could judge a window twice; set 10s");
    if (fails_over && h->min_replicas == 0)
        say(to, false, "min-replicas-to-write is 0: a failover can lose more than state.settle; set 1");
    if (fails_over && settle_ms > 0 && h->min_replicas > 0 && h->min_replicas_lag_ms >= settle_ms)
        say(to, false, "min-replicas-max-lag is %lld s: a failover can lose more than state.settle; set less than that",
            (long long)h->min_replicas_lag_ms / 1000);
    if (fails_over && settle_ms > 0 && h->node_timeout_ms >= settle_ms)
        say(to, false,
            "cluster-node-timeout is %lld ms: a failover can lose more than state.settle; set less than that",
            (long long)h->node_timeout_ms);
}

void drift_store_health_judge(const struct drift_store_health *h, int64_t settle_ms,
                              void (*tell)(void *ctx, bool bad, const char *text), void *ctx)
{
    struct listener to = {tell, ctx};
    if (!h->info_known)
        say(&to, false, "INFO is denied to this user: role and persistence are unknown");
    else if (strcmp(h->role, "master") != 0)
        say(&to, true, "is a %s: connect to the master, a replica takes no writes", h->role);
    judge_memory(h, &to);
    if (h->info_known && !h->aof)
        say(&to, false, "appendonly is off: a restart loses %s; set appendonly yes",
            h->rdb ? "everything since the last snapshot" : "everything");
    judge_failover(h, settle_ms, &to);
}
