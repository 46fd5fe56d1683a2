/* src/store/slot.c    Partition slots: acquire, flush, check for the owner, read and force for the judge. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/store/redis.h"

static int begin(const struct drift_store *s, struct drift_slot_id id, struct drift_buf *key, struct drift_args *a,
                 struct drift_err *err)
{
    drift_args_script(a);
    int rc = drift_key_slot(s, id, key, err);
    if (!rc)
        drift_args_add(a, key->data, key->len);
    return rc;
}

static void end(struct drift_buf *key, struct drift_args *a)
{
    drift_args_release(a);
    drift_buf_release(key);
}

int drift_store_acquire(struct drift_store *s, struct drift_slot_id id, const char *new_head, const char *owner,
                        struct drift_pairs *ret_fields, int64_t *ret_now_ms, struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a;
    redisReply *r = NULL;
    *ret_fields = (struct drift_pairs){0};
    int rc = begin(s, id, &key, &a, err);
    if (!rc) {
        a.once = true;
        drift_args_text(&a, new_head);
        drift_args_text(&a, owner);
        rc = drift_script_call(s, DRIFT_SCRIPT_ACQUIRE, &a, &r, err);
    }
    if (!rc && (!drift_reply_i64(r->element[1], ret_now_ms) || !drift_reply_pairs(r, 2, ret_fields)))
        rc = drift_reply_odd(s, "ACQUIRE", err);
    freeReplyObject(r);
    end(&key, &a);
    return rc;
}

/* Fields that only the scripts write: a flush that carried one would undo what they promise. */
static bool is_reserved(const char *name)
{
    static const char *const names[] = {"head", "fmt", "adv", "forced", "seen", "owner", "acquired", "at"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static int validate(const struct drift_flush *f, struct drift_err *err)
{
    if (f->advance && (f->n_sets || f->n_dels))
        return drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP, "an advance travels alone, not with %zu fields",
                          f->n_sets + f->n_dels);
    for (size_t i = 0; i < f->n_sets; i++)
        if (is_reserved(f->sets[i].name))
            return drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP, "a flush must not set %s", f->sets[i].name);
    for (size_t i = 0; i < f->n_dels; i++)
        if (is_reserved(f->dels[i]))
            return drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP, "a flush must not delete %s", f->dels[i]);
    return 0;
}

int drift_store_flush(struct drift_store *s, struct drift_slot_id id, const struct drift_flush *f,
                      enum drift_reply *ret, int64_t *ret_now_ms, struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a;
    int rc = begin(s, id, &key, &a, err);
    if (!rc)
        rc = validate(f, err);
    if (!rc) {
        drift_args_text(&a, f->prev);
        drift_args_text(&a, f->new_head);
        drift_args_int(&a, f->settle_ms);
        if (f->advance)
            drift_args_int(&a, f->advance_to_ms);
        else
            drift_args_text(&a, "");
        drift_args_int(&a, (int64_t)f->n_sets);
        drift_args_int(&a, (int64_t)f->n_dels);
        drift_args_pairs(&a, f->sets, f->n_sets);
        drift_args_names(&a, f->dels, f->n_dels);
        rc = drift_script_cas(s, DRIFT_SCRIPT_FLUSH, &a, ret, ret_now_ms, err);
    }
    end(&key, &a);
    return rc;
}

int drift_store_check(struct drift_store *s, struct drift_slot_id id, const char *prev, enum drift_reply *ret,
                      struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a = {0};
    redisReply *r = NULL;
    int rc = drift_key_slot(s, id, &key, err);
    if (!rc) {
        drift_args_text(&a, "HGET");
        drift_args_add(&a, key.data, key.len);
        drift_args_text(&a, "head");
        rc = drift_redis_call(s, &a, &r, err);
    }
    if (!rc && r->type == REDIS_REPLY_STRING)
        *ret = strcmp(r->str, prev) == 0 ? DRIFT_REPLY_OK : DRIFT_REPLY_STALE;
    else if (!rc && r->type == REDIS_REPLY_NIL)
        *ret = DRIFT_REPLY_STALE;
    else if (!rc)
        rc = drift_reply_odd(s, "HGET", err);
    freeReplyObject(r);
    end(&key, &a);
    return rc;
}

int drift_store_force(struct drift_store *s, struct drift_slot_id id, const char *new_head, int64_t to_ms,
                      int64_t settle_ms, enum drift_reply *ret, int64_t *ret_now_ms, struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a;
    int rc = begin(s, id, &key, &a, err);
    if (!rc) {
        a.once = true;
        drift_args_text(&a, new_head);
        drift_args_int(&a, to_ms);
        drift_args_int(&a, settle_ms);
        rc = drift_script_cas(s, DRIFT_SCRIPT_FORCE, &a, ret, ret_now_ms, err);
    }
    end(&key, &a);
    return rc;
}

/* "" leaves *ret as it is */
static bool optional_i64(const redisReply *r, int64_t *ret)
{
    return drift_reply_is_text(r) && (r->len == 0 || drift_i64_parse(r->str, r->len, ret));
}

/* from:to:ms */
static bool parse_adv(const redisReply *r, bool *has, int64_t *from_ms, int64_t *to_ms, int64_t *at_ms)
{
    if (!drift_reply_is_text(r))
        return false;
    if (!r->len)
        return true;
    const char *one = memchr(r->str, ':', r->len);
    const char *two = one ? memchr(one + 1, ':', r->len - (size_t)(one + 1 - r->str)) : NULL;
    *has = true;
    return two && drift_i64_parse(r->str, (size_t)(one - r->str), from_ms) &&
           drift_i64_parse(one + 1, (size_t)(two - one - 1), to_ms) &&
           drift_i64_parse(two + 1, r->len - (size_t)(two + 1 - r->str), at_ms);
}

/* "from:to from:to ..." */
static bool parse_forced(const redisReply *r, struct drift_slot_view *v)
{
    if (!drift_reply_is_text(r))
        return false;
    for (const char *at = r->str, *end = r->str + r->len; at < end;) {
        const char *space = memchr(at, ' ', (size_t)(end - at)), *stop = space ? space : end;
        const char *colon = memchr(at, ':', (size_t)(stop - at));
        if (!colon || v->n_forced == DRIFT_FORCED_MAX)
            return false;
        struct drift_forced *f = &v->forced[v->n_forced++];
        if (!drift_i64_parse(at, (size_t)(colon - at), &f->from_ms) ||
            !drift_i64_parse(colon + 1, (size_t)(stop - colon - 1), &f->to_ms))
            return false;
        at = stop + 1;
    }
    return true;
}

enum { OFFSET_CAP = sizeof((struct drift_slot_view *)0)->offset };
static bool parse_offset(const redisReply *r, char ret[OFFSET_CAP])
{
    int64_t offset;
    if (!drift_reply_is_text(r) || r->len >= OFFSET_CAP)
        return false;
    memcpy(ret, r->str, r->len);
    return r->len == 0 || (drift_i64_parse(r->str, r->len, &offset) && offset >= 0);
}

/* {OK, now, exists, wm, adv, offset, gone, lowest blob, waits, partial, partial_from, forced, field, blob, ...}; NULL:
 * fine, else what is not. */
static const char *parse_view(const redisReply *r, struct drift_slot_view *v)
{
    enum { NOW = 1, EXISTS, WM, ADV, OFFSET, GONE, LOWEST, WAITS, PARTIAL, PARTIAL_FROM, FORCED, BLOBS };
    if (r->elements < BLOBS || !drift_reply_i64(r->element[NOW], &v->now_ms) ||
        !drift_reply_is_text(r->element[EXISTS]) || !drift_reply_is_text(r->element[WAITS]) ||
        !optional_i64(r->element[LOWEST], &v->lowest_blob_ms) || !drift_reply_pairs(r, BLOBS, &v->blobs))
        return "reply";
    v->exists = r->element[EXISTS]->len > 0;
    v->waits = r->element[WAITS]->len > 0;
    return !optional_i64(r->element[WM], &v->wm_ms)                                                  ? "wm"
           : !parse_adv(r->element[ADV], &v->has_adv, &v->adv_from_ms, &v->adv_to_ms, &v->adv_at_ms) ? "adv"
           : !parse_offset(r->element[OFFSET], v->offset)                                            ? "offset"
           : !optional_i64(r->element[GONE], &v->gone_ms)                                            ? "gone"
           : !optional_i64(r->element[PARTIAL], &v->partial_ms) ||
                   !optional_i64(r->element[PARTIAL_FROM], &v->partial_from_ms)
               ? "partial"
           : !parse_forced(r->element[FORCED], v) ? "forced"
                                                  : NULL;
}

int drift_store_look(struct drift_store *s, struct drift_slot_id id, const struct drift_slot_ask *ask,
                     struct drift_slot_view *ret, struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a;
    redisReply *r = NULL;
    *ret = (struct drift_slot_view){.wm_ms = INT64_MIN,
                                    .gone_ms = INT64_MIN,
                                    .lowest_blob_ms = INT64_MAX,
                                    .partial_ms = INT64_MIN,
                                    .partial_from_ms = INT64_MIN};
    int rc = begin(s, id, &key, &a, err);
    if (!rc) {
        drift_args_text(&a, ask->chain_key);
        drift_args_int(&a, ask->from_ms);
        drift_args_int(&a, (int64_t)ask->n_first);
        for (size_t i = 0; i < ask->n_first; i++)
            drift_args_int(&a, ask->first_ms[i]);
        for (size_t i = 0; i < ask->n_start; i++)
            drift_args_int(&a, ask->start_ms[i]);
        rc = drift_script_call(s, DRIFT_SCRIPT_READ, &a, &r, err);
    }
    if (!rc) {
        const char *bad = parse_view(r, ret);
        if (bad && !strcmp(bad, "reply"))
            rc = drift_reply_odd(s, "READ", err);
        else if (bad)
            rc = drift_fail(err, DRIFT_E_CORRUPT, DRIFT_STOP, "field %s of %s in redis is not what driftd writes", bad,
                            key.data);
        if (rc)
            drift_slot_view_release(ret);
    }
    freeReplyObject(r);
    end(&key, &a);
    return rc;
}

int drift_store_read(struct drift_store *s, struct drift_slot_id id, const char *chain_key, int64_t from_ms,
                     const int64_t *start_ms, size_t n_start, struct drift_slot_view *ret, struct drift_err *err)
{
    struct drift_slot_ask ask = {.chain_key = chain_key, .from_ms = from_ms, .start_ms = start_ms, .n_start = n_start};
    return drift_store_look(s, id, &ask, ret, err);
}

void drift_slot_view_release(struct drift_slot_view *v)
{
    drift_pairs_release(&v->blobs);
}

/* {OK, now, exists, wm, adv, offset, owner, at, waits, late, other, chain key, start, ...}; NULL: fine, else what is
 * not. */
static const char *parse_show(const redisReply *r, struct drift_slot_show *v)
{
    enum { NOW = 1, EXISTS, WM, ADV, OFFSET, OWNER, AT, WAITS, LATE, OTHER, OPEN };
    int64_t late, refused;
    if (r->elements < OPEN || !drift_reply_i64(r->element[NOW], &v->now_ms) ||
        !drift_reply_is_text(r->element[EXISTS]) || !drift_reply_i64(r->element[LATE], &late) ||
        !drift_reply_i64(r->element[OTHER], &refused) || !drift_reply_pairs(r, OPEN, &v->open))
        return "reply";
    v->exists = r->element[EXISTS]->len > 0;
    v->late = (uint64_t)late;
    v->refused = (uint64_t)refused;
    if (drift_reply_is_text(r->element[OWNER]))
        v->owner = drift_xstrndup(r->element[OWNER]->str, r->element[OWNER]->len);
    if (drift_reply_is_text(r->element[WAITS]) && r->element[WAITS]->len)
        v->waits = drift_xstrndup(r->element[WAITS]->str, r->element[WAITS]->len);
    return !v->owner                                                                                 ? "owner"
           : !optional_i64(r->element[WM], &v->wm_ms)                                                ? "wm"
           : !parse_adv(r->element[ADV], &v->has_adv, &v->adv_from_ms, &v->adv_to_ms, &v->adv_at_ms) ? "adv"
           : !parse_offset(r->element[OFFSET], v->offset)                                            ? "offset"
           : !optional_i64(r->element[AT], &v->at_ms)                                                ? "at"
                                                                                                     : NULL;
}

int drift_store_show(struct drift_store *s, struct drift_slot_id id, const struct drift_show_ask *asks, size_t n,
                     struct drift_slot_show *ret, struct drift_err *err)
{
    struct drift_buf key;
    struct drift_args a;
    redisReply *r = NULL;
    *ret = (struct drift_slot_show){.wm_ms = INT64_MIN, .at_ms = INT64_MIN};
    int rc = begin(s, id, &key, &a, err);
    for (size_t i = 0; i < n && !rc; i++) {
        drift_args_text(&a, asks[i].chain_key);
        drift_args_int(&a, asks[i].from_ms);
    }
    if (!rc)
        rc = drift_script_call(s, DRIFT_SCRIPT_SHOW, &a, &r, err);
    const char *bad = rc ? NULL : parse_show(r, ret);
    if (bad && !strcmp(bad, "reply"))
        rc = drift_reply_odd(s, "SHOW", err);
    else if (bad)
        rc = drift_fail(err, DRIFT_E_CORRUPT, DRIFT_STOP, "field %s of %s in redis is not what driftd writes", bad,
                        key.data);
    if (rc)
        drift_slot_show_release(ret);
    freeReplyObject(r);
    end(&key, &a);
    return rc;
}

void drift_slot_show_release(struct drift_slot_show *v)
{
    drift_pairs_release(&v->open);
    free(v->owner);
    free(v->waits);
    v->owner = v->waits = NULL;
}
