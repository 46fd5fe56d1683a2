/* src/store/baseline.c    Baselines: bytes that never change under an id, their META, and the id that is active. */
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/store/redis.h"

enum { ID_MAX = 128 };

static int check_id(const char *id, struct drift_err *err)
{
    size_t n = strlen(id);
    if (n == 0 || n > ID_MAX || !strcmp(id, "active") || !strcmp(id, "seen"))
        return drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP,
                          "%.40s is no id of a baseline: 1 to %d characters, and not \"active\" or \"seen\"",
                          n ? id : "\"\"", ID_MAX);
    return 0;
}

/* Both keys, the id and what else; ret_word: the first word of the answer is that one. */
static int call(struct drift_store *s, enum drift_script script, const char *model, const char *id, const char *meta,
                const void *bytes, size_t len, const char *word, bool *ret_word, struct drift_err *err)
{
    struct drift_buf hash = {0}, string = {0};
    struct drift_args a;
    redisReply *r = NULL;
    drift_args_script(&a);
    int rc = check_id(id, err);
    if (!rc)
        rc = drift_key_baseline(model, NULL, &hash, err);
    if (!rc)
        rc = drift_key_baseline(model, id, &string, err);
    if (!rc) {
        drift_args_add(&a, hash.data, hash.len);
        drift_args_add(&a, string.data, string.len);
        drift_args_text(&a, id);
        if (meta) {
            drift_args_text(&a, meta);
            drift_args_add(&a, bytes, len);
        }
        rc = drift_script_call(s, script, &a, &r, err);
    }
    if (!rc)
        *ret_word = !strcmp(r->element[0]->str, word);
    freeReplyObject(r);
    drift_args_release(&a);
    drift_buf_release(&hash);
    drift_buf_release(&string);
    return rc;
}

int drift_store_baseline_put(struct drift_store *s, const char *model, const char *id, const char *meta,
                             const void *bytes, size_t len, struct drift_err *err)
{
    bool exists;
    int rc = call(s, DRIFT_SCRIPT_BASELINE_PUT, model, id, meta, bytes, len, "EXISTS", &exists, err);
    if (!rc && exists)
        rc = drift_fail(err, DRIFT_E_EXISTS, DRIFT_STOP,
                        "baseline %s of model %s exists with other contents: choose another id", id, model);
    return rc;
}

int drift_store_baseline_activate(struct drift_store *s, const char *model, const char *id, struct drift_err *err)
{
    bool gone;
    int rc = call(s, DRIFT_SCRIPT_BASELINE_ACTIVATE, model, id, NULL, NULL, 0, "GONE", &gone, err);
    if (!rc && gone)
        rc = drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_STOP, "model %s has no baseline %s in redis", model, id);
    return rc;
}

int drift_store_baseline_get(struct drift_store *s, const char *model, const char *id, void **ret_bytes,
                             size_t *ret_len, struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a = {0};
    redisReply *r = NULL;
    *ret_bytes = NULL;
    int rc = drift_key_baseline(model, id, &key, err);
    if (!rc) {
        drift_args_text(&a, "GET");
        drift_args_add(&a, key.data, key.len);
        rc = drift_redis_call(s, &a, &r, err);
    }
    if (!rc && r->type == REDIS_REPLY_NIL) {
        rc = drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_SKIP, "model %s has no baseline %s in redis", model, id);
    } else if (!rc && r->type != REDIS_REPLY_STRING) {
        rc = drift_reply_odd(s, "GET", err);
    } else if (!rc) {
        *ret_bytes = drift_xcalloc(r->len + 1, 1);
        memcpy(*ret_bytes, r->str, r->len);
        *ret_len = r->len;
    }
    freeReplyObject(r);
    drift_args_release(&a);
    drift_buf_release(&key);
    return rc;
}

int drift_store_baseline_list(struct drift_store *s, const char *model, struct drift_pairs *ret_meta,
                              struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a = {0};
    redisReply *r = NULL;
    *ret_meta = (struct drift_pairs){0};
    int rc = drift_key_baseline(model, NULL, &key, err);
    if (!rc) {
        drift_args_text(&a, "HGETALL");
        drift_args_add(&a, key.data, key.len);
        rc = drift_redis_call(s, &a, &r, err);
    }
    if (!rc && !drift_reply_pairs(r, 0, ret_meta))
        rc = drift_reply_odd(s, "HGETALL", err);
    freeReplyObject(r);
    drift_args_release(&a);
    drift_buf_release(&key);
    return rc;
}
