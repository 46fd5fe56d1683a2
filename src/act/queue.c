/* src/act/queue.c    What waits in one chain's outbox and what may go now, for the sender.
 *
 * Everything is recomputed from the entries at each call: there are few, and no second structure can disagree with
 * them.  One walk in order settles who waits for whom, with a set of the keys that are still open. */
#include "driftd/internal/act/queue.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"

enum { ID_HEX = 32 };

/* ---- a set of 64-bit keys ---- */

struct set {
    uint64_t *keys;
    size_t cap;
};

static void set_init(struct set *s, size_t n)
{
    for (s->cap = 16; s->cap < 2 * n; s->cap *= 2)
        ;
    s->keys = drift_xcalloc(s->cap, sizeof *s->keys);
}
static uint64_t *set_slot(const struct set *s, uint64_t key)
{
    size_t i = (size_t)key & (s->cap - 1);
    while (s->keys[i] && s->keys[i] != key)
        i = (i + 1) & (s->cap - 1);
    return &s->keys[i];
}

/* What the transitions of one alert at one step and endpoint share.  The hash is keyed per process; two keys that
 * meet all the same make one wait for the other, no more. */
static uint64_t key_of(const struct drift_action *a)
{
    struct drift_buf b;
    drift_buf_init(&b, 1 << 16);
    drift_buf_put_str(&b, a->rule);
    drift_buf_put_str(&b, a->step);
    drift_buf_put_str(&b, a->endpoint);
    drift_buf_put_u64(&b, (uint64_t)a->incident_ms);
    uint64_t h = drift_hash64(b.data, b.len);
    drift_buf_release(&b);
    return h ? h : 1;
}

/* ---- entries ---- */

static bool waiting(const struct drift_queued *e)
{
    return e->state.done == DRIFT_DONE_NO;
}

static void entry_free(struct drift_queued *e)
{
    drift_action_release(&e->action);
    free(e);
}

void drift_queue_release(struct drift_queue *q)
{
    for (size_t i = 0; i < q->n; i++)
        entry_free(q->entries[i]);
    free(q->entries);
    *q = (struct drift_queue){0};
}

static void count_waiting(struct drift_queue *q)
{
    q->n_waiting = 0;
    for (size_t i = 0; i < q->n; i++)
        q->n_waiting += waiting(q->entries[i]);
}

static void let_body_go(struct drift_queued *e)
{
    if (e->action.body)
        explicit_bzero(e->action.body, e->action.body_len);
    free(e->action.body);
    e->action.body = NULL;
    e->action.body_len = 0;
}

void drift_queue_finish(struct drift_queue *q, struct drift_queued *e, enum drift_done done)
{
    e->state.done = done;
    e->unsaved = true;
    e->late = false;
    let_body_go(e);
    q->n_waiting--;
}

void drift_queue_remove(struct drift_queue *q, const char *id)
{
    for (size_t i = 0; i < q->n; i++)
        if (!strcmp(q->entries[i]->id, id)) {
            entry_free(q->entries[i]);
            memmove(&q->entries[i], &q->entries[i + 1], (--q->n - i) * sizeof *q->entries);
            break;
        }
    count_waiting(q);
}

static int in_order(const void *pa, const void *pb)
{
    const struct drift_queued *a = *(struct drift_queued *const *)pa, *b = *(struct drift_queued *const *)pb;
    if (a->action.window_start_ms != b->action.window_start_ms)
        return a->action.window_start_ms < b->action.window_start_ms ? -1 : 1;
    if (a->action.seq != b->action.seq)
        return a->action.seq < b->action.seq ? -1 : 1;
    return strcmp(a->id, b->id);
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(struct drift_queued *const *)a)->id, (*(struct drift_queued *const *)b)->id);
}

/* ---- refresh ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct drift_pair *const *)a)->name, (*(const struct drift_pair *const *)b)->name);
}

struct index {
    const struct drift_pair **pairs;
    size_t n;
};

static struct index index_of(const struct drift_pairs *fields)
{
    struct index x = {drift_xcalloc(fields->n + 1, sizeof *x.pairs), fields->n};
    for (size_t i = 0; i < fields->n; i++)
        x.pairs[i] = &fields->pair[i];
    qsort(x.pairs, x.n, sizeof *x.pairs, by_name);
    return x;
}

static const struct drift_pair *find_field(const struct index *x, char prefix, const char *id)
{
    char name[ID_HEX + 3];
    snprintf(name, sizeof name, "%c:%s", prefix, id);
    struct drift_pair want = {.name = name}, *key = &want;
    const struct drift_pair **at = bsearch(&key, x->pairs, x->n, sizeof *x->pairs, by_name);
    return at ? *at : NULL;
}

static bool is_id(const char *s)
{
    for (size_t i = 0; i < ID_HEX; i++)
        if (!isxdigit((unsigned char)s[i]) || isupper((unsigned char)s[i]))
            return false;
    return s[ID_HEX] == 0;
}

static void refuse(struct drift_queued *e, int64_t now_ms, const char *why)
{
    drift_action_release(&e->action);
    snprintf(e->state.error, sizeof e->state.error, "%.*s", (int)sizeof e->state.error - 1, why);
    e->state.done = DRIFT_DONE_DEAD;
    e->state.last_ms = now_ms;
    e->refused = e->unsaved = true;
}

/* The endpoint says whose secrets the MAC was made with; it is inside the MAC, so a lie about it does not help. */
static bool peek_target(const struct drift_pair *p, const struct drift_queue_rules *rules, size_t *ret, char *name,
                        size_t cap)
{
    json_t *j = json_loadb(p->value, p->len, JSON_REJECT_DUPLICATES, NULL);
    const char *endpoint = json_string_value(json_object_get(j, "endpoint"));
    bool found = false;
    snprintf(name, cap, "%s", endpoint ? endpoint : "");
    for (size_t i = 0; endpoint && !found && i < rules->n_targets; i++)
        if (!strcmp(rules->targets[i].endpoint->name, endpoint)) {
            *ret = i;
            found = true;
        }
    json_decref(j);
    return found;
}

static void read_entry(struct drift_queued *e, const struct drift_pair *p, int64_t now_ms,
                       const struct drift_queue_rules *rules)
{
    struct drift_err err = {0};
    char name[64], text[160];
    bool finished = !waiting(e); /* then nothing is refused any more: it only stays to be shown */
    drift_action_release(&e->action);
    if (p->len > DRIFT_QUEUE_ENTRY_MAX) {
        if (!finished)
            refuse(e, now_ms, "entry is larger than 1 MiB");
        return;
    }
    if (!peek_target(p, rules, &e->target, name, sizeof name)) {
        snprintf(text, sizeof text, "%s%.63s",
                 *name ? "no endpoint in the configuration is called " : "entry names no endpoint", name);
        if (!finished)
            refuse(e, now_ms, text);
        return;
    }
    const struct drift_target *t = &rules->targets[e->target];
    if (drift_action_parse(p->value, p->len, t->secrets, t->n_secrets, &e->action, &err)) {
        e->action = (struct drift_action){0};
        if (!finished)
            refuse(e, now_ms, err.text);
    } else if (strcmp(e->action.id, e->id)) {
        drift_action_release(&e->action);
        if (!finished)
            refuse(e, now_ms, "entry has another id than its field");
    } else {
        e->key = key_of(&e->action);
        if (finished)
            let_body_go(e);
    }
}

static void read_state(struct drift_queued *e, const struct index *x, int64_t now_ms,
                       const struct drift_queue_rules *rules)
{
    const struct drift_pair *s = find_field(x, 's', e->id), *l = find_field(x, 'l', e->id);
    struct drift_retry state = {0};
    if (s && drift_retry_parse(s->value, s->len, now_ms, &state, NULL))
        state = (struct drift_retry){0}; /* nobody knows what happened: at least once */
    if (rules->brief && state.next_ms > now_ms + 1000)
        state.next_ms = now_ms + 1000;
    e->state = state;

    /* "until:owner" */
    const char *colon = l ? memchr(l->value, ':', l->len) : NULL;
    int64_t till = 0;
    e->leased_until_ms = 0;
    if (colon && strcmp(colon + 1, rules->instance) && drift_i64_parse(l->value, (size_t)(colon - l->value), &till))
        e->leased_until_ms = till;
}

static struct drift_queued *known(struct drift_queued **sorted, size_t n, const char *id)
{
    struct drift_queued want, *key = &want;
    snprintf(want.id, sizeof want.id, "%s", id);
    struct drift_queued **at = n ? bsearch(&key, sorted, n, sizeof *sorted, by_id) : NULL;
    return at ? *at : NULL;
}

static struct drift_queued *append(struct drift_queue *q, const char *id)
{
    if (q->n == q->cap) {
        q->cap = q->cap ? 2 * q->cap : 64;
        q->entries = drift_xrealloc(q->entries, q->cap, sizeof *q->entries);
    }
    struct drift_queued *e = drift_xcalloc(1, sizeof *e);
    snprintf(e->id, sizeof e->id, "%s", id);
    e->is_new = true;
    q->entries[q->n++] = e;
    return e;
}

static void refresh_entry(struct drift_queue *q, struct drift_queued *e, const struct drift_pair *p,
                          const struct index *x, int64_t now_ms, const struct drift_queue_rules *rules)
{
    const char *id = p->name + 2;
    bool fresh = !e;
    if (!e) {
        if (q->n >= DRIFT_QUEUE_MAX)
            return;
        e = append(q, id);
    }
    e->found = true;
    if (e->in_flight || e->unsaved) /* this process knows better */
        return;
    read_state(e, x, now_ms, rules);
    if (fresh)
        read_entry(e, p, now_ms, rules);
    else if (!waiting(e))
        let_body_go(e);
    else if (!e->action.body) /* somebody took the done mark away: to be sent again */
        read_entry(e, p, now_ms, rules);
}

/* A failover may take an entry away and leave its state; judged again, the entry comes back with the same id and is
 * known to be sent.  Until then the state is kept like a finished entry, and dropped like one. */
static void refresh_orphan(struct drift_queue *q, struct drift_queued *e, const struct index *x, const char *id,
                           int64_t now_ms, const struct drift_queue_rules *rules)
{
    if (!e && q->n < DRIFT_QUEUE_MAX) {
        e = append(q, id);
        read_state(e, x, now_ms, rules);
        if (waiting(e)) {
            q->n--;
            free(e);
            return;
        }
    }
    if (e && !waiting(e))
        e->found = true;
}

static void drop_vanished(struct drift_queue *q)
{
    size_t n = 0;
    for (size_t i = 0; i < q->n; i++) {
        struct drift_queued *e = q->entries[i];
        if (e->found || e->in_flight || e->claimed)
            q->entries[n++] = e;
        else
            entry_free(e);
    }
    q->n = n;
}

static void mark_late(struct drift_queue *q, int64_t now_ms, const struct drift_queue_rules *rules)
{
    struct set heard;
    set_init(&heard, q->n);
    for (size_t i = 0; i < q->n; i++) {
        struct drift_queued *e = q->entries[i];
        if (!e->action.id)
            continue;
        uint64_t *slot = set_slot(&heard, e->key);
        if (e->state.attempts)
            *slot = e->key;
        else if (e->is_new && waiting(e) && rules->max_age_ms && *slot != e->key &&
                 e->action.window_end_ms < now_ms - rules->max_age_ms)
            e->late = true;
        e->is_new = false;
    }
    free(heard.keys);
}

void drift_queue_refresh(struct drift_queue *q, const struct drift_pairs *fields, int64_t now_ms,
                         const struct drift_queue_rules *rules)
{
    struct index x = index_of(fields);
    size_t n_known = q->n;
    struct drift_queued **sorted = drift_xcalloc(n_known + 1, sizeof *sorted);
    for (size_t i = 0; i < n_known; i++) {
        sorted[i] = q->entries[i];
        sorted[i]->found = false;
    }
    qsort(sorted, n_known, sizeof *sorted, by_id);
    for (size_t i = 0; i < fields->n; i++) {
        const struct drift_pair *p = &fields->pair[i];
        if (strlen(p->name) < 2 || p->name[1] != ':' || !is_id(p->name + 2))
            continue;
        if (p->name[0] == 'e')
            refresh_entry(q, known(sorted, n_known, p->name + 2), p, &x, now_ms, rules);
        else if (p->name[0] == 's' && !find_field(&x, 'e', p->name + 2))
            refresh_orphan(q, known(sorted, n_known, p->name + 2), &x, p->name + 2, now_ms, rules);
    }
    free(sorted);
    free(x.pairs);
    drop_vanished(q);
    if (q->n)
        qsort(q->entries, q->n, sizeof *q->entries, in_order);
    mark_late(q, now_ms, rules);
    count_waiting(q);
}

/* ---- who may go ---- */

struct walk {
    struct set open;      /* keys with a waiting transition in an earlier window */
    size_t group;         /* first entry of the current window */
    bool blocked;         /* a step of this window has not had its first attempt ... */
    uint32_t blocked_seq; /* ... and this is the first such one */
};

static void next_window(struct walk *w, struct drift_queue *q, size_t i)
{
    for (; w->group < i; w->group++) {
        struct drift_queued *e = q->entries[w->group];
        if (waiting(e) && !e->late)
            *set_slot(&w->open, e->key) = e->key;
    }
    w->blocked = false;
}

/* What failed before its endpoint came back is due at once. */
static int64_t due_ms(const struct drift_queued *e, const struct drift_queue_rules *rules)
{
    int64_t back_ms = rules->targets[e->target].back_ms;
    return back_ms && e->state.last_ms <= back_ms ? 0 : e->state.next_ms;
}

static bool may_go(const struct walk *w, const struct drift_queued *e, int64_t now_ms,
                   const struct drift_queue_rules *rules)
{
    if (e->in_flight || e->unsaved || e->late || due_ms(e, rules) > now_ms || e->leased_until_ms > now_ms ||
        rules->targets[e->target].held)
        return false;
    if (w->blocked && w->blocked_seq < e->action.seq && !e->state.attempts)
        return false;
    return *set_slot(&w->open, e->key) != e->key;
}

size_t drift_queue_ready(struct drift_queue *q, int64_t now_ms, const struct drift_queue_rules *rules,
                         struct drift_queued **ret, size_t max)
{
    struct walk w = {0};
    size_t n = 0;
    set_init(&w.open, q->n);
    for (size_t i = 0; i < q->n && n < max; i++) {
        struct drift_queued *e = q->entries[i];
        if (i == 0 || e->action.window_start_ms != q->entries[i - 1]->action.window_start_ms)
            next_window(&w, q, i);
        if (!waiting(e) || !e->action.id)
            continue;
        if (may_go(&w, e, now_ms, rules))
            ret[n++] = e;
        if (!w.blocked && !e->late && !e->state.attempts && !rules->targets[e->target].passed_over) {
            w.blocked = true;
            w.blocked_seq = e->action.seq;
        }
    }
    free(w.open.keys);
    return n;
}

int64_t drift_queue_next_ms(const struct drift_queue *q, const struct drift_queue_rules *rules)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < q->n; i++) {
        const struct drift_queued *e = q->entries[i];
        if (waiting(e) && e->action.id && !e->in_flight && !e->late && !rules->targets[e->target].held &&
            due_ms(e, rules) < next)
            next = due_ms(e, rules);
    }
    return next;
}

/* ---- what may be dropped ---- */

static int by_last(const void *pa, const void *pb)
{
    const struct drift_queued *a = *(struct drift_queued *const *)pa, *b = *(struct drift_queued *const *)pb;
    return a->state.last_ms < b->state.last_ms ? -1 : a->state.last_ms > b->state.last_ms ? 1 : strcmp(a->id, b->id);
}

size_t drift_queue_old(const struct drift_queue *q, int64_t now_ms, const char **ret_ids, size_t max)
{
    struct drift_queued **done = drift_xcalloc(q->n + 1, sizeof *done);
    size_t n_done = 0, n = 0;
    for (size_t i = 0; i < q->n; i++)
        if (!waiting(q->entries[i]) && !q->entries[i]->unsaved && !q->entries[i]->in_flight && !q->entries[i]->claimed)
            done[n_done++] = q->entries[i];
    qsort(done, n_done, sizeof *done, by_last);
    for (size_t i = 0; i < n_done && n < max; i++)
        if (n_done - i > DRIFT_QUEUE_KEEP || done[i]->state.last_ms < now_ms - DRIFT_QUEUE_KEEP_MS)
            ret_ids[n++] = done[i]->id;
    free(done);
    return n;
}
