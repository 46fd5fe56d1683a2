/* src/store/connect.c    A store: its settings, and one command to whichever server it belongs to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/store/redis.h"

static char *dup_or_null(const char *z)
{
    return z ? drift_xstrdup(z) : NULL;
}

static void copy_settings(struct drift_redis_config *to, const struct drift_redis_config *cfg)
{
    *to = *cfg;
    to->host = dup_or_null(cfg->host);
    to->socket = dup_or_null(cfg->socket);
    to->cluster = dup_or_null(cfg->cluster);
    to->username = dup_or_null(cfg->username);
    to->password.file = dup_or_null(cfg->password.file);
    to->password.env = dup_or_null(cfg->password.env);
    to->sentinel.nodes = dup_or_null(cfg->sentinel.nodes);
    to->sentinel.master = dup_or_null(cfg->sentinel.master);
    to->sentinel.username = dup_or_null(cfg->sentinel.username);
    to->sentinel.password.file = dup_or_null(cfg->sentinel.password.file);
    to->sentinel.password.env = dup_or_null(cfg->sentinel.password.env);
}

static void release_settings(struct drift_redis_config *c)
{
    free(c->host);
    free(c->socket);
    free(c->cluster);
    free(c->username);
    free(c->password.file);
    free(c->password.env);
    free(c->sentinel.nodes);
    free(c->sentinel.master);
    free(c->sentinel.username);
    free(c->sentinel.password.file);
    free(c->sentinel.password.env);
}

/* What leads to the server: one of four ways. */
static int choose(struct drift_store *s, struct drift_err *err)
{
    struct drift_redis_config *c = &s->cfg;
    s->at = &s->only;
    snprintf(s->only.address, sizeof s->only.address, "?");
    if (c->cluster)
        return drift_cluster_new(c, &s->cluster, err);
    s->only.sentinel = c->sentinel.nodes != NULL;
    if (c->sentinel.nodes)
        return drift_sentinel_new(c, &s->sentinel, err);
    if (c->socket)
        drift_node_name_socket(&s->only, c->socket);
    else if (!drift_node_name(&s->only, c->host, strlen(c->host), c->port))
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "redis.host and redis.port are no address: %.80s port %d",
                          c->host, c->port);
    return 0;
}

int drift_store_new(const struct drift_redis_config *cfg, const char *group, struct drift_store **ret,
                    struct drift_err *err)
{
    struct drift_buf b;
    *ret = NULL;
    if (!cfg->host && !cfg->socket && !cfg->cluster && !cfg->sentinel.nodes)
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP,
                          "redis has neither host, socket, cluster nor sentinel: set redis.host");
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
    s->portion = DRIFT_PORTION;
    s->group = b.data ? b.data : drift_xstrdup("");
    copy_settings(&s->cfg, cfg);
    s->login = (struct drift_login){s->cfg.username, &s->cfg.password, s->cfg.db, "redis"};
    s->sentinel_login = (struct drift_login){s->cfg.sentinel.username, &s->cfg.sentinel.password, 0, "redis.sentinel"};
    int rc = choose(s, err);
    if (rc) {
        drift_store_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void drift_store_free(struct drift_store *s)
{
    if (!s)
        return;
    drift_node_close(&s->only);
    drift_cluster_free(s->cluster);
    drift_sentinel_free(s->sentinel);
    release_settings(&s->cfg);
    free(s->group);
    free(s);
}

/* After a failover the name may lead elsewhere, and a password file may have changed. */
void drift_redis_disconnect(struct drift_store *s)
{
    drift_node_close(s->at);
    if (s->cluster)
        s->cluster->stale = true;
}

int drift_redis_raw(struct drift_store *s, const struct drift_args *a, redisReply **ret, struct drift_err *err)
{
    *ret = NULL;
    if (a->n > DRIFT_ARGS_MAX)
        return drift_fail(err, DRIFT_E_FULL, DRIFT_STOP, "a redis command of %zu arguments: at most %d are possible",
                          a->n, DRIFT_ARGS_MAX);
    if (s->cluster && !a->node)
        return drift_cluster_call(s, a, ret, err);
    int rc = drift_node_call(s, a->node ? a->node : &s->only, a, false, ret, err);
    if (rc && s->cluster)
        s->cluster->stale = true;
    return rc;
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

static int ping(struct drift_store *s, struct drift_node *node, struct drift_err *err)
{
    struct drift_args a = {.node = node};
    redisReply *r;
    drift_args_text(&a, "PING");
    int rc = drift_redis_call(s, &a, &r, err);
    if (!rc && !(r->type == REDIS_REPLY_STATUS && !strcmp(r->str, "PONG")))
        rc = drift_reply_odd(s, "PING", err);
    freeReplyObject(r);
    drift_args_release(&a);
    return rc;
}

int drift_store_ping(struct drift_store *s, struct drift_err *err)
{
    struct drift_node *node = NULL;
    int rc = s->cluster ? drift_cluster_whole(s, err) : 0;
    if (!rc && (!s->cluster || s->cluster->denied))
        return ping(s, NULL, err);
    for (size_t i = 0; s->cluster && !rc && (node = drift_cluster_master(s, i)); i++)
        rc = ping(s, node, err);
    return rc;
}
