/* src/store/headers.c    The verdict headers of a chain, read in portions: a hash of any size, replies of bounded size.
 *
 * HSCAN gives every field that is there from the first portion to the last, as long as one server answers all of them;
 * a header that were left out would let an owner drop counts unreconciled.  So the portions start anew when the
 * connection was another one in between.  A field may come twice: the later one is kept.  Of the headers written while
 * the portions came, some may be missing and later ones not; so all of them are left for the next time. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/store/redis.h"

enum { PORTIONS_MAX = 500, STARTS_MAX = 3 };

struct reading {
    struct drift_buf key, headers;
    struct drift_pairs all;
    size_t cap;
    char cursor[24];  /* as the server gave it; "0" begins and ends */
    int64_t until_ms; /* judged_until at the first portion: what was there then starts before it; INT64_MIN: none */
};

static void take(struct reading *g, struct drift_pairs *portion)
{
    if (g->all.n + portion->n > g->cap) {
        g->cap = 2 * (g->all.n + portion->n);
        g->all.pair = drift_xrealloc(g->all.pair, g->cap, sizeof *g->all.pair);
    }
    if (portion->n)
        memcpy(g->all.pair + g->all.n, portion->pair, portion->n * sizeof *portion->pair);
    g->all.n += portion->n;
    free(portion->pair);
}

static bool is_cursor(const redisReply *r)
{
    return drift_reply_is_text(r) && r->len > 0 && r->len < 24 && strspn(r->str, "0123456789") == r->len;
}

static int read_portion(struct drift_store *s, struct reading *g, struct drift_err *err)
{
    enum { CURSOR = 2, UNTIL, PAIRS };
    struct drift_args a;
    struct drift_pairs portion;
    redisReply *r = NULL;
    bool first = !strcmp(g->cursor, "0");
    drift_args_script(&a);
    drift_args_add(&a, g->key.data, g->key.len);
    drift_args_add(&a, g->headers.data, g->headers.len);
    drift_args_text(&a, g->cursor);
    drift_args_int(&a, s->portion);
    int rc = drift_script_call(s, DRIFT_SCRIPT_HEADERS, &a, &r, err);
    if (!rc && (r->elements < PAIRS || !is_cursor(r->element[CURSOR]) || !drift_reply_is_text(r->element[UNTIL]) ||
                !drift_reply_pairs(r, PAIRS, &portion)))
        rc = drift_reply_odd(s, "HEADERS", err);
    if (!rc) {
        if (first && !drift_i64_parse(r->element[UNTIL]->str, r->element[UNTIL]->len, &g->until_ms))
            g->until_ms = INT64_MIN;
        memcpy(g->cursor, r->element[CURSOR]->str, r->element[CURSOR]->len + 1);
        take(g, &portion);
    }
    freeReplyObject(r);
    drift_args_release(&a);
    return rc;
}

struct place { /* qsort is not stable */
    struct drift_pair pair;
    size_t at;
};

static int by_name(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = strcmp(x->pair.name, y->pair.name);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static bool came_later(const struct drift_pair *f, int64_t until_ms)
{
    int64_t start;
    return drift_i64_parse(f->name, strlen(f->name), &start) && start >= until_ms;
}

/* Of each name the last one, and none from until_ms on. */
static void clean(struct drift_pairs *p, int64_t until_ms)
{
    struct place *sorted = drift_xcalloc(p->n, sizeof *sorted);
    for (size_t i = 0; i < p->n; i++)
        sorted[i] = (struct place){p->pair[i], i};
    qsort(sorted, p->n, sizeof *sorted, by_name);
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if ((i + 1 < p->n && !strcmp(sorted[i].pair.name, sorted[i + 1].pair.name)) ||
            came_later(&sorted[i].pair, until_ms)) {
            free(sorted[i].pair.name);
            free(sorted[i].pair.value);
        } else {
            p->pair[n++] = sorted[i].pair;
        }
    }
    p->n = n;
    free(sorted);
}

/* True in *ret_whole: all of it came over one connection. */
static int read_all(struct drift_store *s, struct reading *g, bool *ret_whole, struct drift_err *err)
{
    uint64_t connections = 0;
    const struct drift_node *node = NULL;
    int portions = 0;
    *ret_whole = true;
    memcpy(g->cursor, "0", 2);
    do {
        int rc = portions < PORTIONS_MAX ? read_portion(s, g, err)
                                         : drift_fail(err, DRIFT_E_FULL, DRIFT_RETRY,
                                                      "redis at %s has more than %d verdict headers of one "
                                                      "model: lower state.retain",
                                                      s->at->address, PORTIONS_MAX * s->portion);
        if (rc)
            return rc;
        if (portions++ && (s->connections != connections || s->at != node)) {
            *ret_whole = false;
            return 0;
        }
        connections = s->connections;
        node = s->at;
    } while (strcmp(g->cursor, "0") != 0);
    if (portions > 1)
        clean(&g->all, g->until_ms);
    return 0;
}

int drift_store_headers(struct drift_store *s, struct drift_chain_id id, struct drift_pairs *ret_headers,
                        struct drift_err *err)
{
    struct reading g = {.cap = 0};
    bool whole = false;
    *ret_headers = (struct drift_pairs){0};
    int rc = drift_key_chain(s, id, "", &g.key, err);
    rc = rc ? rc : drift_key_chain(s, id, ":w", &g.headers, err);
    for (int i = 0; !rc && !whole && i < STARTS_MAX; i++) {
        drift_pairs_release(&g.all);
        g.cap = 0;
        rc = read_all(s, &g, &whole, err);
    }
    if (!rc && !whole)
        rc = drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY,
                        "redis at %s loses its connection while verdict headers are read", s->at->address);
    if (rc)
        drift_pairs_release(&g.all);
    *ret_headers = g.all;
    drift_buf_release(&g.headers);
    drift_buf_release(&g.key);
    return rc;
}
