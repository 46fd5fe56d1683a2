/* src/store/outbox.c    Delivery state of actions: leases, attempts, clearing.  Entries themselves come with a verdict.
 *
 * Fields of <chain key>:out: e:<id> the entry, s:<id> its delivery state, l:<id> the lease "until:owner".  Delivery
 * does not touch the chain's head: an attempt must not make a verdict start anew. */
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/store/redis.h"

enum { DROP_AT_ONCE = 1000 };

int drift_store_out_read(struct drift_store *s, struct drift_chain_id id, struct drift_pairs *ret_fields,
                         int64_t *ret_now_ms, struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a;
    redisReply *r = NULL;
    *ret_fields = (struct drift_pairs){0};
    drift_args_script(&a);
    int rc = drift_key_chain(s, id, ":out", &key, err);
    if (!rc) {
        drift_args_add(&a, key.data, key.len);
        rc = drift_script_call(s, DRIFT_SCRIPT_OUT_READ, &a, &r, err);
    }
    if (!rc && (!drift_reply_i64(r->element[1], ret_now_ms) || !drift_reply_pairs(r, 2, ret_fields)))
        rc = drift_reply_odd(s, "OUT_READ", err);
    freeReplyObject(r);
    drift_args_release(&a);
    drift_buf_release(&key);
    return rc;
}

int drift_store_out_claim(struct drift_store *s, struct drift_chain_id id, const char *action, const char *owner,
                          int64_t lease_ms, bool *ret_taken, struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a;
    redisReply *r = NULL;
    *ret_taken = false;
    drift_args_script(&a);
    int rc = drift_key_chain(s, id, ":out", &key, err);
    if (!rc) {
        drift_args_add(&a, key.data, key.len);
        drift_args_text(&a, action);
        drift_args_text(&a, owner);
        drift_args_int(&a, lease_ms);
        rc = drift_script_call(s, DRIFT_SCRIPT_OUT_CLAIM, &a, &r, err);
    }
    if (!rc)
        *ret_taken = !strcmp(r->element[0]->str, "OK");
    freeReplyObject(r);
    drift_args_release(&a);
    drift_buf_release(&key);
    return rc;
}

int drift_store_out_state(struct drift_store *s, struct drift_chain_id id, const char *action, const char *state,
                          struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a;
    enum drift_reply reply;
    drift_args_script(&a);
    int rc = drift_key_chain(s, id, ":out", &key, err);
    if (!rc) {
        drift_args_add(&a, key.data, key.len);
        drift_args_text(&a, action);
        drift_args_text(&a, state);
        rc = drift_script_cas(s, DRIFT_SCRIPT_OUT_STATE, &a, &reply, NULL, err);
    }
    drift_args_release(&a);
    drift_buf_release(&key);
    return rc;
}

static int drop(struct drift_store *s, const struct drift_buf *key, const char *const *actions, size_t n,
                struct drift_err *err)
{
    struct drift_args a = {0};
    redisReply *r = NULL;
    drift_args_text(&a, "HDEL");
    drift_args_add(&a, key->data, key->len);
    for (size_t i = 0; i < n; i++) {
        drift_args_field(&a, 'e', actions[i]);
        drift_args_field(&a, 's', actions[i]);
        drift_args_field(&a, 'l', actions[i]);
    }
    int rc = drift_redis_call(s, &a, &r, err);
    if (!rc && r->type != REDIS_REPLY_INTEGER)
        rc = drift_reply_odd(s, "HDEL", err);
    freeReplyObject(r);
    drift_args_release(&a);
    return rc;
}

int drift_store_out_drop(struct drift_store *s, struct drift_chain_id id, const char *const *actions, size_t n,
                         struct drift_err *err)
{
    struct drift_buf key;
    int rc = drift_key_chain(s, id, ":out", &key, err);
    for (size_t i = 0; i < n && !rc; i += DROP_AT_ONCE)
        rc = drop(s, &key, actions + i, n - i < DROP_AT_ONCE ? n - i : DROP_AT_ONCE, err);
    drift_buf_release(&key);
    return rc;
}
