/* src/store/health.c    What kind of Redis this is: version, role, persistence, eviction; for `check` and start-up.
 *
 * INFO and CONFIG may be denied by an ACL, which is good practice: then the answer is "unknown", not a failure. */
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
static int ask(struct drift_store *s, const char *const *words, size_t n, int type, redisReply **ret,
               struct drift_err *err)
{
    struct drift_args a = {0};
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

/* CONFIG GET name -> value, or NULL. */
static int config(struct drift_store *s, const char *name, redisReply **ret, const char **ret_value,
                  struct drift_err *err)
{
    const char *const words[] = {"CONFIG", "GET", name};
    *ret_value = NULL;
    int rc = ask(s, words, 3, REDIS_REPLY_ARRAY, ret, err);
    if (!rc && *ret && (*ret)->elements == 2 && drift_reply_is_text((*ret)->element[1]))
        *ret_value = (*ret)->element[1]->str;
    return rc;
}

int drift_store_health(struct drift_store *s, struct drift_store_health *ret, struct drift_err *err)
{
    static const char *const info[] = {"INFO"};
    redisReply *r = NULL;
    const char *value;
    *ret = (struct drift_store_health){.version = "unknown",
                                       .role = "unknown",
                                       .maxmemory_policy = "unknown",
                                       .maxmemory = -1,
                                       .used_memory = -1,
                                       .replicas = -1,
                                       .min_replicas = -1};
    int rc = ask(s, info, 1, REDIS_REPLY_STRING, &r, err);
    if (!rc && r) {
        from_info(r->str, ret);
        ret->info_known = true;
    }
    freeReplyObject(r);
    if (!rc && !(rc = config(s, "save", &r, &value, err))) {
        ret->config_known = value != NULL;
        ret->rdb = value && *value;
        freeReplyObject(r);
    }
    if (!rc && !(rc = config(s, "min-replicas-to-write", &r, &value, err))) {
        if (value && !drift_i64_parse(value, strlen(value), &ret->min_replicas))
            ret->min_replicas = -1;
        freeReplyObject(r);
    }
    if (!rc && !ret->maxmemory_policy[0] && !(rc = config(s, "maxmemory-policy", &r, &value, err))) {
        snprintf(ret->maxmemory_policy, sizeof ret->maxmemory_policy, "%s", value ? value : "unknown");
        freeReplyObject(r);
    }
    ret->noeviction = !strcmp(ret->maxmemory_policy, "noeviction");
    return rc;
}
