/* src/store/chain.c    Model slots: a chain's plan and verdicts, each write a compare-and-set on its head. */
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/store/redis.h"

int drift_store_model_read(struct drift_store *s, struct drift_chain_id id, struct drift_pairs *ret_fields,
                           int64_t *ret_now_ms, struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a;
    redisReply *r = NULL;
    *ret_fields = (struct drift_pairs){0};
    drift_args_script(&a);
    int rc = drift_key_chain(s, id, "", &key, err);
    if (!rc) {
        drift_args_add(&a, key.data, key.len);
        rc = drift_script_call(s, DRIFT_SCRIPT_MODEL_READ, &a, &r, err);
    }
    if (!rc && (!drift_reply_i64(r->element[1], ret_now_ms) || !drift_reply_pairs(r, 2, ret_fields)))
        rc = drift_reply_odd(s, "MODEL_READ", err);
    freeReplyObject(r);
    drift_args_release(&a);
    drift_buf_release(&key);
    return rc;
}

static bool is_reserved(const char *name)
{
    return !strcmp(name, "head") || !strcmp(name, "fmt") || !strcmp(name, "seen") || !strcmp(name, "judged_until");
}

static int validate(const struct drift_pair *sets, size_t n_sets, const char *const *dels, size_t n_dels,
                    struct drift_err *err)
{
    for (size_t i = 0; i < n_sets; i++)
        if (is_reserved(sets[i].name))
            return drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP, "a chain's write must not set %s", sets[i].name);
    for (size_t i = 0; i < n_dels; i++)
        if (is_reserved(dels[i]))
            return drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP, "a chain's write must not delete %s", dels[i]);
    return 0;
}

int drift_store_model_init(struct drift_store *s, struct drift_chain_id id, const char *new_head,
                           const struct drift_pair *sets, size_t n_sets, enum drift_reply *ret, struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a;
    drift_args_script(&a);
    int rc = drift_key_chain(s, id, "", &key, err);
    if (!rc)
        rc = validate(sets, n_sets, NULL, 0, err);
    if (!rc) {
        drift_args_add(&a, key.data, key.len);
        drift_args_text(&a, new_head);
        drift_args_int(&a, (int64_t)n_sets);
        drift_args_pairs(&a, sets, n_sets);
        rc = drift_script_cas(s, DRIFT_SCRIPT_MODEL_INIT, &a, ret, NULL, err);
    }
    drift_args_release(&a);
    drift_buf_release(&key);
    return rc;
}

int drift_store_plan_add(struct drift_store *s, struct drift_chain_id id, const char *prev, const char *new_head,
                         int64_t from_ms, int64_t last_from_ms, int64_t margin_ms, const struct drift_pair *sets,
                         size_t n_sets, enum drift_reply *ret, int64_t *ret_now_ms, struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a;
    drift_args_script(&a);
    int rc = drift_key_chain(s, id, "", &key, err);
    if (!rc)
        rc = validate(sets, n_sets, NULL, 0, err);
    if (!rc) {
        drift_args_add(&a, key.data, key.len);
        drift_args_text(&a, prev);
        drift_args_text(&a, new_head);
        drift_args_int(&a, from_ms);
        drift_args_int(&a, last_from_ms);
        drift_args_int(&a, margin_ms);
        drift_args_int(&a, (int64_t)n_sets);
        drift_args_pairs(&a, sets, n_sets);
        rc = drift_script_cas(s, DRIFT_SCRIPT_PLAN_ADD, &a, ret, ret_now_ms, err);
    }
    drift_args_release(&a);
    drift_buf_release(&key);
    return rc;
}

static void verdict_args(struct drift_args *a, const struct drift_verdict_write *w)
{
    drift_args_text(a, w->prev);
    drift_args_text(a, w->new_head);
    drift_args_int(a, w->start_ms);
    drift_args_int(a, w->end_ms);
    drift_args_text(a, w->header);
    drift_args_int(a, (int64_t)w->n_sets);
    drift_args_int(a, (int64_t)w->n_dels);
    drift_args_int(a, (int64_t)w->n_w_dels);
    drift_args_int(a, (int64_t)w->n_bodies);
    drift_args_int(a, (int64_t)w->n_v_dels);
    drift_args_int(a, (int64_t)w->n_out);
    drift_args_pairs(a, w->sets, w->n_sets);
    drift_args_names(a, w->dels, w->n_dels);
    drift_args_names(a, w->w_dels, w->n_w_dels);
    drift_args_pairs(a, w->bodies, w->n_bodies);
    drift_args_names(a, w->v_dels, w->n_v_dels);
    drift_args_pairs(a, w->out, w->n_out);
}

int drift_store_verdict(struct drift_store *s, struct drift_chain_id id, const struct drift_verdict_write *w,
                        enum drift_reply *ret, struct drift_err *err)
{
    static const char *const suffixes[] = {"", ":w", ":v", ":out"};
    enum { N_KEY = sizeof suffixes / sizeof *suffixes };
    struct drift_buf key[N_KEY] = {{0}};
    struct drift_args a;
    int rc = validate(w->sets, w->n_sets, w->dels, w->n_dels, err);
    drift_args_script(&a);
    for (int i = 0; i < N_KEY && !rc; i++) {
        rc = drift_key_chain(s, id, suffixes[i], &key[i], err);
        if (!rc)
            drift_args_add(&a, key[i].data, key[i].len);
    }
    if (!rc) {
        verdict_args(&a, w);
        rc = drift_script_cas(s, DRIFT_SCRIPT_VERDICT, &a, ret, NULL, err);
    }
    drift_args_release(&a);
    for (int i = 0; i < N_KEY; i++)
        drift_buf_release(&key[i]);
    return rc;
}

int drift_store_early(struct drift_store *s, struct drift_chain_id id, const struct drift_early_write *w,
                      enum drift_reply *ret, struct drift_err *err)
{
    static const char *const suffixes[] = {"", ":early", ":out"};
    enum { N_KEY = sizeof suffixes / sizeof *suffixes };
    struct drift_buf key[N_KEY] = {{0}};
    struct drift_args a;
    int rc = 0;
    drift_args_script(&a);
    for (int i = 0; i < N_KEY && !rc; i++) {
        rc = drift_key_chain(s, id, suffixes[i], &key[i], err);
        if (!rc)
            drift_args_add(&a, key[i].data, key[i].len);
    }
    if (!rc) {
        drift_args_text(&a, w->head);
        drift_args_int(&a, w->start_ms);
        drift_args_text(&a, w->body);
        drift_args_int(&a, (int64_t)w->n_out);
        for (size_t i = 0; i < w->n_out; i++) {
            drift_args_text(&a, w->notices[i]);
            drift_args_pairs(&a, &w->out[i], 1);
        }
        rc = drift_script_cas(s, DRIFT_SCRIPT_EARLY, &a, ret, NULL, err);
    }
    drift_args_release(&a);
    for (int i = 0; i < N_KEY; i++)
        drift_buf_release(&key[i]);
    return rc;
}

int drift_store_early_read(struct drift_store *s, struct drift_chain_id id, struct drift_pairs *ret_fields,
                           struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a = {0};
    redisReply *r = NULL;
    *ret_fields = (struct drift_pairs){0};
    int rc = drift_key_chain(s, id, ":early", &key, err);
    if (!rc) {
        drift_args_text(&a, "HGETALL");
        drift_args_add(&a, key.data, key.len);
        rc = drift_redis_call(s, &a, &r, err);
    }
    if (!rc && !drift_reply_pairs(r, 0, ret_fields))
        rc = drift_reply_odd(s, "HGETALL", err);
    freeReplyObject(r);
    drift_args_release(&a);
    drift_buf_release(&key);
    return rc;
}

int drift_store_operate(struct drift_store *s, struct drift_chain_id id, const char *prev, const char *new_head,
                        const struct drift_pair *sets, size_t n_sets, enum drift_reply *ret, struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a;
    drift_args_script(&a);
    int rc = drift_key_chain(s, id, "", &key, err);
    if (!rc)
        rc = validate(sets, n_sets, NULL, 0, err);
    if (!rc) {
        drift_args_add(&a, key.data, key.len);
        drift_args_text(&a, prev);
        drift_args_text(&a, new_head);
        drift_args_int(&a, (int64_t)n_sets);
        drift_args_pairs(&a, sets, n_sets);
        rc = drift_script_cas(s, DRIFT_SCRIPT_OPERATE, &a, ret, NULL, err);
    }
    drift_args_release(&a);
    drift_buf_release(&key);
    return rc;
}

int drift_store_verdict_body(struct drift_store *s, struct drift_chain_id id, int64_t start_ms, char **ret_body,
                             size_t *ret_len, struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a = {0};
    redisReply *r = NULL;
    *ret_body = NULL;
    int rc = drift_key_chain(s, id, ":v", &key, err);
    if (!rc) {
        drift_args_text(&a, "HGET");
        drift_args_add(&a, key.data, key.len);
        drift_args_int(&a, start_ms);
        rc = drift_redis_call(s, &a, &r, err);
    }
    if (!rc && r->type == REDIS_REPLY_NIL) {
        rc = drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_SKIP, "there is no verdict of that window in redis");
    } else if (!rc && r->type != REDIS_REPLY_STRING) {
        rc = drift_reply_odd(s, "HGET", err);
    } else if (!rc) {
        *ret_body = drift_xcalloc(r->len + 1, 1);
        memcpy(*ret_body, r->str, r->len);
        *ret_len = r->len;
    }
    freeReplyObject(r);
    drift_args_release(&a);
    drift_buf_release(&key);
    return rc;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int drift_store_verdict_list(struct drift_store *s, struct drift_chain_id id, int64_t **ret_starts, size_t *ret_n,
                             struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a = {0};
    redisReply *r = NULL;
    *ret_starts = NULL;
    *ret_n = 0;
    int rc = drift_key_chain(s, id, ":v", &key, err);
    if (!rc) {
        drift_args_text(&a, "HKEYS");
        drift_args_add(&a, key.data, key.len);
        rc = drift_redis_call(s, &a, &r, err);
    }
    bool texts = !rc && r->type == REDIS_REPLY_ARRAY;
    for (size_t i = 0; texts && i < r->elements; i++)
        texts = drift_reply_is_text(r->element[i]);
    if (!rc && !texts)
        rc = drift_reply_odd(s, "HKEYS", err);
    if (!rc) {
        int64_t *starts = drift_xcalloc(r->elements, sizeof *starts);
        for (size_t i = 0; i < r->elements; i++)
            if (drift_reply_i64(r->element[i], &starts[*ret_n])) /* a field that is no time is not a window's */
                ++*ret_n;
        qsort(starts, *ret_n, sizeof *starts, by_time);
        *ret_starts = starts;
    }
    freeReplyObject(r);
    drift_args_release(&a);
    drift_buf_release(&key);
    return rc;
}
