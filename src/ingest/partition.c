/* src/ingest/partition.c    One partition's counts, watermark and refusals, between ACQUIRE and FLUSH.
 *
 * Which window a record falls in and whether it is late depends on the log before it and on the plan only, so that
 * reading the same records again gives the same counts.  State and offset travel in one flush: what is in memory
 * here may be thrown away at any time and read again. */
#include "driftd/internal/ingest/partition.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/log.h"
#include "driftd/internal/base/meter.h"
#include "driftd/internal/ingest/dedup.h"
#include "driftd/internal/window/blob.h"

enum {
    BLOB_MAX = 64 << 20,
    NUMBER = 24,
    IDS_REWRITTEN = 1 << 20 /* bytes of stored ids that a flush may write again */
};
static const int64_t TIME_MAX_MS = INT64_C(253402300800000); /* year 10000; as partial_ms: until the next record */

struct window {
    size_t chain;
    int64_t start_ms, end_ms, close_ms;
    uint64_t n;
    uint32_t plan_seq;
    bool partial, dirty, stored;   /* stored: the slot has a blob of it */
    size_t stored_bytes;           /* of that, with its field's name */
    struct drift_summary *summary; /* NULL: closed, the slot alone has the counts */
    struct drift_binding *binding; /* of the partition's binding list */
    struct drift_idset *ids;       /* deduplicate: of the events counted, while it is open */
    char *field;
    struct drift_buf blob;
};

/* A total that lives in the slot as a decimal string. */
struct total {
    char field[2 * DRIFT_NAME_MAX + 96];
    int64_t value;
    bool dirty;
    char text[NUMBER];
};

struct chain_state {
    struct drift_chain *chain;
    int64_t gone_ms;
    bool gone_dirty;
    char gone_field[2 * DRIFT_NAME_MAX + 96], gone_text[NUMBER];
    struct total late, late_after_idle, reconciled;
    struct window *last;   /* the window that took the last event */
    size_t n_open;         /* windows with a summary */
    uint64_t n_ids;        /* in the sets of all windows */
    uint64_t stored_bytes; /* of all windows */
};

struct bound { /* one binding a layout and chain */
    const struct drift_layout *layout;
    size_t chain;
    struct drift_binding *binding;
};

struct drift_partition {
    struct drift_partition_settings set;
    char *topic, name[320];
    struct chain_state *chains;
    int64_t offset;       /* next; -1: none */
    int64_t wm_ms;        /* log and advances */
    int64_t log_wm_ms;    /* greatest event time of the log alone */
    int64_t close_ms;     /* the lowest of the open windows'; INT64_MAX: none */
    int64_t ids_close_ms; /* the lowest of the windows' that have ids */
    int64_t partial_ms;   /* windows that start at or before it were not seen from their beginning; INT64_MIN: none */
    int64_t partial_from_ms; /* but for those that a watermark here had closed */
    bool await_first, offset_dirty, wm_dirty, log_dirty, partial_dirty, waits_dirty, urgent;
    char *waits; /* NULL: it is read */
    bool anew, anew_dirty;
    char offset_text[NUMBER], wm_text[NUMBER], log_text[NUMBER], partial_text[NUMBER], partial_from_text[NUMBER];
    size_t n_windows, cap_windows;
    struct window **windows; /* ascending (start, chain) */
    struct total *other;     /* [DRIFT_N_REASON] that belong to no chain */
    struct total *refused;   /* [n_chains * DRIFT_N_REASON] */
    size_t n_bound;
    struct bound *bound;
    struct drift_dedup dedup;
    /* what prepare() hands out */
    size_t n_sets, cap_sets, n_dels, cap_dels;
    struct drift_pair *sets;
    const char **dels;
    size_t n_dropped;
    struct window **dropped;
};

static void total_init(struct total *t, const char *kind, const char *key, const char *reason)
{
    *t = (struct total){0};
    snprintf(t->field, sizeof t->field, "%s:%s%s%s", kind, key, reason ? ":" : "", reason ? reason : "");
}

static void total_add(struct total *t, int64_t by)
{
    if (__builtin_add_overflow(t->value, by, &t->value)) /* the slot had a value that nobody counted */
        t->value = by < 0 ? INT64_MIN : INT64_MAX;
    t->dirty = t->dirty || by != 0;
}

static void init_totals(struct drift_partition *p)
{
    for (int r = 1; r < DRIFT_N_REASON; r++)
        total_init(&p->other[r], "other", "-", drift_reason_name((enum drift_reason)r));
    for (size_t c = 0; c < p->set.n_chains; c++) {
        struct chain_state *cs = &p->chains[c];
        const char *key = cs->chain->key;
        total_init(&cs->late, "late", key, NULL);
        total_init(&cs->late_after_idle, "other", key, "late_after_idle");
        total_init(&cs->reconciled, "reconciled", key, NULL);
        for (int r = 1; r < DRIFT_N_REASON; r++)
            total_init(&p->refused[c * DRIFT_N_REASON + (size_t)r], "other", key,
                       drift_reason_name((enum drift_reason)r));
        snprintf(cs->gone_field, sizeof cs->gone_field, "gone:%s", key);
        cs->gone_ms = INT64_MIN;
        cs->gone_dirty = false;
        cs->last = NULL;
        cs->n_open = 0;
        cs->n_ids = 0;
    }
}

struct drift_partition *drift_partition_new(const struct drift_partition_settings *s)
{
    struct drift_partition *p = drift_xcalloc(1, sizeof *p);
    p->set = *s;
    p->topic = drift_xstrdup(s->topic);
    snprintf(p->name, sizeof p->name, "%s/%" PRId32, s->topic, s->number);
    p->chains = drift_xcalloc(s->n_chains, sizeof *p->chains);
    for (size_t c = 0; c < s->n_chains; c++)
        p->chains[c].chain = s->chains[c];
    p->other = drift_xcalloc(DRIFT_N_REASON, sizeof *p->other);
    p->refused = drift_xcalloc(s->n_chains * DRIFT_N_REASON, sizeof *p->refused);
    p->set.topic = p->topic;
    p->set.chains = NULL; /* borrowed for this call only */
    p->offset = -1;
    p->wm_ms = p->log_wm_ms = p->partial_ms = p->partial_from_ms = INT64_MIN;
    p->close_ms = p->ids_close_ms = INT64_MAX;
    drift_dedup_init(&p->dedup);
    init_totals(p);
    return p;
}

static void window_free(struct window *w)
{
    drift_summary_free(w->summary);
    drift_idset_free(w->ids);
    drift_buf_release(&w->blob);
    free(w->field);
    free(w);
}

static void forget(struct drift_partition *p)
{
    for (size_t i = 0; i < p->n_windows; i++)
        window_free(p->windows[i]);
    p->n_windows = 0;
    for (size_t i = 0; i < p->n_dropped; i++)
        window_free(p->dropped[i]);
    p->n_dropped = 0;
    for (size_t i = 0; i < p->n_bound; i++)
        drift_binding_free(p->bound[i].binding);
    p->n_bound = 0;
    drift_dedup_release(&p->dedup);
    drift_dedup_init(&p->dedup);
    init_totals(p);
    p->offset = -1;
    p->wm_ms = p->log_wm_ms = p->partial_ms = p->partial_from_ms = INT64_MIN;
    p->close_ms = p->ids_close_ms = INT64_MAX;
    p->await_first = p->offset_dirty = p->wm_dirty = p->log_dirty = p->partial_dirty = p->urgent = false;
    free(p->waits);
    p->waits = NULL;
    p->waits_dirty = p->anew = p->anew_dirty = false;
}

void drift_partition_free(struct drift_partition *p)
{
    if (!p)
        return;
    forget(p);
    drift_dedup_release(&p->dedup);
    free(p->topic);
    free(p->chains);
    free(p->windows);
    free(p->other);
    free(p->refused);
    free(p->bound);
    free(p->sets);
    free(p->dels);
    free(p->dropped);
    free(p);
}

/* ---- windows ---- */

static struct drift_binding *binding_for(struct drift_partition *p, size_t chain, const struct drift_layout *layout)
{
    for (size_t i = 0; i < p->n_bound; i++)
        if (p->bound[i].layout == layout && p->bound[i].chain == chain)
            return p->bound[i].binding;
    const struct drift_chain *c = p->chains[chain].chain;
    p->bound = drift_xrealloc(p->bound, p->n_bound + 1, sizeof *p->bound);
    p->bound[p->n_bound] = (struct bound){layout, chain, drift_binding_new(layout, p->set.stream, c->model, c->kind)};
    return p->bound[p->n_bound++].binding;
}

/* Position of the first window that is not before (start, chain). */
static size_t find_window(const struct drift_partition *p, int64_t start, size_t chain)
{
    size_t lo = 0, hi = p->n_windows;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const struct window *w = p->windows[mid];
        if (w->start_ms < start || (w->start_ms == start && w->chain < chain))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct window *window_at(const struct drift_partition *p, int64_t start, size_t chain)
{
    size_t at = find_window(p, start, chain);
    return at < p->n_windows && p->windows[at]->start_ms == start && p->windows[at]->chain == chain ? p->windows[at]
                                                                                                    : NULL;
}

static struct window *add_window(struct drift_partition *p, size_t chain, int64_t start)
{
    const struct drift_chain *c = p->chains[chain].chain;
    size_t entry = drift_chain_entry(c, start), at = find_window(p, start, chain);
    struct window *w = drift_xcalloc(1, sizeof *w);
    w->chain = chain;
    w->start_ms = start;
    w->end_ms = start + c->plan.entry[entry].window_ms;
    w->close_ms = drift_plan_close_ms(&c->plan, start);
    w->plan_seq = c->plan.entry[entry].seq;
    w->partial = start <= p->partial_ms;
    w->field = drift_xasprintf("b:%s:%" PRId64 ":", c->key, start);
    drift_buf_init(&w->blob, BLOB_MAX);
    if (p->n_windows == p->cap_windows)
        p->windows = drift_xrealloc(p->windows, p->cap_windows = p->cap_windows ? 2 * p->cap_windows : 8,
                                    sizeof(struct window *));
    memmove(p->windows + at + 1, p->windows + at, (p->n_windows - at) * sizeof *p->windows);
    p->windows[at] = w;
    p->n_windows++;
    return w;
}

static int open_window(struct drift_partition *p, struct window *w, struct drift_err *err)
{
    const struct drift_chain *c = p->chains[w->chain].chain;
    const struct drift_layout *layout = c->layout[drift_chain_entry(c, w->start_ms)];
    w->summary = drift_summary_new(layout);
    if (!w->summary)
        return drift_fail(err, DRIFT_E_MEMORY, DRIFT_STOP, "out of memory opening a window of %s", c->model->name);
    w->binding = binding_for(p, w->chain, layout);
    p->chains[w->chain].n_open++;
    if (w->close_ms < p->close_ms)
        p->close_ms = w->close_ms;
    return 0;
}

/* ---- loading ---- */

static bool parse_number(const struct drift_pair *f, int64_t *ret)
{
    return drift_i64_parse(f->value, f->len, ret);
}

/* The cells that the blob was counted with are not to be had (any more): its records still count as records, but the
 * window cannot be measured. */
static void load_uncounted(struct window *w, const struct drift_chain *c, const char *partition)
{
    w->summary->n = w->n;
    w->partial = true;
    drift_log(DRIFT_ERROR, "window_of_other_cells", KV_S("model", c->model->name), KV_S("partition", partition),
              KV_I("window", w->start_ms), KV_U("events", w->n),
              KV_S("text", "counted with another baseline's cells than its plan gives: the window is partial"));
}

static void note_stored(struct drift_partition *p, struct window *w, size_t len)
{
    p->chains[w->chain].stored_bytes -= w->stored_bytes;
    w->stored_bytes = len ? len + strlen(w->field) : 0;
    p->chains[w->chain].stored_bytes += w->stored_bytes;
}

static int load_window(struct drift_partition *p, size_t chain, int64_t start, const struct drift_pair *f,
                       struct drift_err *err)
{
    struct drift_blob_head head;
    const struct drift_chain *c = p->chains[chain].chain;
    int rc = drift_blob_head(f->value, f->len, &head, err);
    if (rc)
        return rc;
    if (start < -TIME_MAX_MS || start > TIME_MAX_MS || drift_plan_window_start(&c->plan, start) != start)
        return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_STOP, "the plan of %s has no window that starts there",
                          c->model->name);
    struct window *w = add_window(p, chain, start);
    w->n = head.n;
    w->partial = head.partial;
    w->stored = true;
    note_stored(p, w, f->len);
    if (p->wm_ms >= w->close_ms)
        return 0;
    if ((rc = open_window(p, w, err)) == 0)
        rc = drift_blob_add(f->value, f->len, w->summary, err);
    if (rc == DRIFT_E_MISMATCH) {
        load_uncounted(w, c, p->name);
        rc = 0;
    }
    return rc;
}

/* "<prefix><chain key>:<rest>" -> index of the chain, rest; -1 when it is not one of ours. */
static int field_chain(const struct drift_partition *p, const char *name, const char *prefix, const char **ret_rest)
{
    size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0)
        return -1;
    for (size_t c = 0; c < p->set.n_chains; c++) {
        size_t k = strlen(p->chains[c].chain->key);
        if (!strncmp(name + n, p->chains[c].chain->key, k) && (name[n + k] == ':' || name[n + k] == 0)) {
            *ret_rest = name + n + k + (name[n + k] == ':');
            return (int)c;
        }
    }
    return -1;
}

static void load_totals(struct drift_partition *p, const struct drift_pair *f)
{
    int64_t v;
    const char *rest;
    if (!parse_number(f, &v))
        return;
    for (int r = 1; r < DRIFT_N_REASON; r++)
        if (!strcmp(f->name, p->other[r].field))
            p->other[r].value = v;
    for (size_t c = 0; c < p->set.n_chains; c++) {
        struct chain_state *cs = &p->chains[c];
        if (!strcmp(f->name, cs->late.field))
            cs->late.value = v;
        if (!strcmp(f->name, cs->late_after_idle.field))
            cs->late_after_idle.value = v;
        if (!strcmp(f->name, cs->reconciled.field))
            cs->reconciled.value = v;
        for (int r = 1; r < DRIFT_N_REASON; r++)
            if (!strcmp(f->name, p->refused[c * DRIFT_N_REASON + (size_t)r].field))
                p->refused[c * DRIFT_N_REASON + (size_t)r].value = v;
    }
    int c = field_chain(p, f->name, "gone:", &rest);
    if (c >= 0)
        p->chains[c].gone_ms = v;
}

/* A field of ids and the window it belongs to. */
struct stored_ids {
    struct window *w;
    uint32_t from;
    const struct drift_pair *field;
};

static int by_place(const void *a, const void *b)
{
    const struct stored_ids *x = a, *y = b;
    if (x->w != y->w)
        return x->w->start_ms < y->w->start_ms || (x->w->start_ms == y->w->start_ms && x->w->chain < y->w->chain) ? -1
                                                                                                                  : 1;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* The open window whose ids the field holds; NULL: they are of no use any more.  Ids are kept with counts: an open
 * window that has ids and no counts was not written by driftd. */
static int ids_window(struct drift_partition *p, const struct drift_pair *f, size_t chain, const char *rest,
                      struct stored_ids *ret, struct drift_err *err)
{
    const struct drift_chain *c = p->chains[chain].chain;
    const char *colon = strchr(rest, ':');
    int64_t start, from;
    char canonical[2 * NUMBER];
    if (!colon || !drift_i64_parse(rest, (size_t)(colon - rest), &start) ||
        !drift_i64_parse(colon + 1, strlen(colon + 1), &from) || from < 0 || from >= DRIFT_IDSET_MAX ||
        (snprintf(canonical, sizeof canonical, "%" PRId64 ":%" PRId64, start, from), strcmp(canonical, rest) != 0) ||
        start < -TIME_MAX_MS || start > TIME_MAX_MS || drift_plan_window_start(&c->plan, start) != start)
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "it names no window");
    *ret = (struct stored_ids){window_at(p, start, chain), (uint32_t)from, f};
    if (!ret->w && p->wm_ms < drift_plan_close_ms(&c->plan, start) && start >= p->chains[chain].gone_ms)
        return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_STOP, "its window is open and has no counts");
    if (ret->w && (!ret->w->summary || !c->model->dedup_by))
        ret->w = NULL;
    return 0;
}

static int load_chunk(struct drift_partition *p, const struct stored_ids *s, struct drift_err *err)
{
    bool dead;
    struct window *w = s->w;
    if (!p->dedup.has_key)
        return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_STOP, "the slot has ids and no key (dk)");
    if (!w->ids)
        w->ids = drift_idset_new();
    p->ids_close_ms = w->close_ms < p->ids_close_ms ? w->close_ms : p->ids_close_ms;
    uint32_t before = drift_idset_count(w->ids);
    int rc = drift_idset_load(w->ids, s->from, s->field->value, s->field->len, &dead, err);
    if (!rc && dead)
        drift_dedup_bury(&p->dedup, drift_xstrdup(s->field->name));
    p->chains[w->chain].n_ids += drift_idset_count(w->ids) - before;
    return rc;
}

/* After the windows: what ids belong to. */
static int load_ids(struct drift_partition *p, const struct drift_pairs *fields, struct drift_err *err)
{
    const struct drift_pair *f = drift_pairs_find(fields, "dk");
    const char *rest;
    int rc = f ? drift_dedup_load_key(&p->dedup, f, err) : 0;
    struct stored_ids *found = drift_xcalloc(fields->n + 1, sizeof *found);
    size_t n = 0;
    for (size_t i = 0; i < fields->n && !rc; i++) {
        f = &fields->pair[i];
        int c = field_chain(p, f->name, "d:", &rest);
        if (c < 0)
            continue;
        rc = ids_window(p, f, (size_t)c, rest, &found[n], err);
        if (!rc && found[n].w)
            n++;
        else if (!rc)
            drift_dedup_bury(&p->dedup, drift_xstrdup(f->name));
    }
    qsort(found, n, sizeof *found, by_place);
    for (size_t i = 0; i < n && !rc; i++) {
        f = found[i].field;
        rc = load_chunk(p, &found[i], err);
    }
    if (rc)
        drift_err_prefix(err, "partition %s, field %s", p->name, f->name);
    free(found);
    return rc;
}

int drift_partition_load(struct drift_partition *p, const struct drift_pairs *fields, struct drift_err *err)
{
    const struct drift_pair *f;
    const char *rest;
    int64_t v, start;
    forget(p);
    if ((f = drift_pairs_find(fields, "offset")) && (!parse_number(f, &p->offset) || p->offset < 0))
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "field offset of partition %s in Redis is no offset",
                          p->name);
    if ((f = drift_pairs_find(fields, "wm")) && !parse_number(f, &p->wm_ms))
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "field wm of partition %s in Redis is no time", p->name);
    if ((f = drift_pairs_find(fields, "partial")) && parse_number(f, &v))
        p->partial_ms = v;
    p->await_first = p->partial_ms >= TIME_MAX_MS;
    if ((f = drift_pairs_find(fields, "partial_from")) && parse_number(f, &v))
        p->partial_from_ms = v;
    p->anew = drift_pairs_find(fields, "anew");
    p->waits_dirty = drift_pairs_find(fields, "waits");               /* not any more */
    if ((f = drift_pairs_find(fields, "log")) && parse_number(f, &v)) /* absent: advances alone have raised wm */
        p->log_wm_ms = v;
    for (size_t i = 0; i < fields->n; i++) {
        f = &fields->pair[i];
        int c = field_chain(p, f->name, "b:", &rest);
        const char *colon = c >= 0 ? strchr(rest, ':') : NULL;
        if (!colon) {
            load_totals(p, f);
            continue;
        }
        if (!drift_i64_parse(rest, (size_t)(colon - rest), &start))
            return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "field %s of partition %s in Redis names no window",
                              f->name, p->name);
        int rc = load_window(p, (size_t)c, start, f, err);
        if (rc) {
            drift_err_prefix(err, "partition %s, field %s", p->name, f->name);
            return rc;
        }
    }
    return load_ids(p, fields, err);
}

int64_t drift_partition_next(const struct drift_partition *p)
{
    return p->offset;
}

/* Records that nobody will see belonged to windows that were open, or to later ones, up to the first record after them:
 * its time ends it. */
static void mark_lost(struct drift_partition *p)
{
    bool judged = true;
    for (size_t c = 0; c < p->set.n_chains; c++)
        judged = judged && p->chains[c].chain->judged_until_ms > p->partial_ms;
    if (judged || p->partial_ms == INT64_MIN) /* else an older loss is still to be judged: together they are one */
        p->partial_from_ms = p->wm_ms;
    p->partial_ms = TIME_MAX_MS;
    p->await_first = p->partial_dirty = true;
    for (size_t i = 0; i < p->n_windows; i++)
        if (p->windows[i]->summary)
            p->windows[i]->partial = p->windows[i]->dirty = true;
}

void drift_partition_start(struct drift_partition *p, int64_t offset, bool at_low)
{
    p->offset = offset;
    p->offset_dirty = true;
    if (!at_low)
        mark_lost(p);
    p->anew_dirty = p->anew_dirty || p->anew;
    p->anew = false;
}

bool drift_partition_anew(const struct drift_partition *p)
{
    return p->anew;
}

int64_t drift_partition_watermark(const struct drift_partition *p)
{
    return p->wm_ms;
}

/* ---- counting ---- */

void drift_partition_refuse(struct drift_partition *p, int chain, enum drift_reason why)
{
    if (chain < 0) {
        total_add(&p->other[why], 1);
        return;
    }
    struct chain_state *cs = &p->chains[chain];
    if (why == DRIFT_REASON_LATE) {
        total_add(&cs->late, 1);
        drift_series_add(cs->chain->late, 1);
    } else if (why == DRIFT_REASON_LATE_AFTER_IDLE) {
        total_add(&cs->late_after_idle, 1);
        drift_series_add(cs->chain->late, 1);
    } else {
        total_add(&p->refused[(size_t)chain * DRIFT_N_REASON + why], 1);
    }
}

static enum drift_reason count_in(struct drift_partition *p, struct window *w, const struct drift_event *ev)
{
    struct chain_state *cs = &p->chains[w->chain];
    const struct drift_model *m = cs->chain->model;
    if (m->dedup_by) {
        enum drift_reason why = drift_dedup_take(&p->dedup, &w->ids, ev->id, &cs->n_ids, m->dedup_max_ids);
        if (why) {
            drift_partition_refuse(p, (int)w->chain, why);
            return why;
        }
        p->ids_close_ms = w->close_ms < p->ids_close_ms ? w->close_ms : p->ids_close_ms;
    }
    drift_binding_count(w->binding, ev, w->summary);
    w->n++;
    w->dirty = true;
    return DRIFT_REASON_NONE;
}

/* The watermark that closed the window, less its closing time. */
static void note_late(struct drift_partition *p, const struct chain_state *cs, enum drift_reason why, int64_t close_ms)
{
    if (why == DRIFT_REASON_LATE)
        drift_series_observe(cs->chain->late_by, (double)(p->log_wm_ms - close_ms) / 1e3);
    else if (why == DRIFT_REASON_LATE_AFTER_IDLE) /* below it when the window is gone though the slot went back */
        drift_series_observe(cs->chain->late_after_idle_by,
                             p->wm_ms > close_ms ? (double)(p->wm_ms - close_ms) / 1e3 : 0);
}

enum drift_reason drift_partition_count(struct drift_partition *p, size_t chain, const struct drift_event *ev)
{
    struct chain_state *cs = &p->chains[chain];
    const struct drift_plan *plan = &cs->chain->plan;
    struct window *w = cs->last;
    if (w && ev->time_ms >= w->start_ms && ev->time_ms < w->end_ms && p->wm_ms < w->close_ms && w->summary)
        return count_in(p, w, ev);
    int64_t start = drift_plan_window_start(plan, ev->time_ms), close = drift_plan_close_ms(plan, start);
    enum drift_reason why = DRIFT_REASON_NONE;
    if (!drift_plan_has_partition(drift_plan_at(plan, start), p->topic, p->set.number))
        why = DRIFT_REASON_NOT_IN_PLAN;
    else if (p->log_wm_ms >= close)
        why = DRIFT_REASON_LATE;
    else if (p->wm_ms >= close || start < cs->gone_ms)
        why = DRIFT_REASON_LATE_AFTER_IDLE;
    w = why ? NULL : window_at(p, start, chain);
    if (!why && !w && cs->chain->model->dedup_by) /* no window for an event that will not be counted */
        why = !ev->id.n                                      ? DRIFT_REASON_NO_ID
              : cs->n_ids >= cs->chain->model->dedup_max_ids ? DRIFT_REASON_DEDUP_FULL
                                                             : DRIFT_REASON_NONE;
    if (why) {
        note_late(p, cs, why, close);
        drift_partition_refuse(p, (int)chain, why);
        return why;
    }
    if (!w)
        w = add_window(p, chain, start);
    struct drift_err err;
    if (!w->summary && open_window(p, w, &err))
        drift_bug(err.text);
    cs->last = w;
    return count_in(p, w, ev);
}

/* ---- windows that wait for verdicts ---- */

size_t drift_partition_unjudged(const struct drift_partition *p, size_t chain, int64_t *ret_start, int64_t *ret_close)
{
    const struct drift_chain *c = p->chains[chain].chain;
    size_t n = 0;
    *ret_start = *ret_close = INT64_MAX;
    for (size_t i = p->n_windows; i-- && p->windows[i]->start_ms >= c->judged_until_ms;)
        if (p->windows[i]->chain == chain) {
            n++;
            *ret_start = p->windows[i]->start_ms;
            *ret_close = p->windows[i]->close_ms;
        }
    return n;
}

static bool newest(const struct drift_partition *p, size_t chain, int64_t start)
{
    for (size_t i = p->n_windows; i-- && p->windows[i]->start_ms >= start;)
        if (p->windows[i]->chain == chain)
            return false;
    return true;
}

bool drift_partition_full(const struct drift_partition *p, size_t chain, int64_t time_ms)
{
    const struct chain_state *cs = &p->chains[chain];
    uint32_t limit = cs->chain->model->max_open;
    int64_t oldest, close;
    if (!limit || p->n_windows < limit || (cs->last && time_ms >= cs->last->start_ms && time_ms < cs->last->end_ms))
        return false;
    int64_t start = drift_plan_window_start(&cs->chain->plan, time_ms);
    if (!newest(p, chain, start) ||
        !drift_plan_has_partition(drift_plan_at(&cs->chain->plan, start), p->topic, p->set.number))
        return false;
    return drift_partition_unjudged(p, chain, &oldest, &close) >= limit && p->wm_ms >= close;
}

bool drift_partition_relieved(const struct drift_partition *p, size_t chain)
{
    int64_t oldest, close;
    size_t n = drift_partition_unjudged(p, chain, &oldest, &close);
    return n <= p->chains[chain].chain->model->max_open / 2 || p->wm_ms < close;
}

void drift_partition_wait(struct drift_partition *p, const char *why)
{
    if (why ? p->waits && !strcmp(why, p->waits) : !p->waits)
        return;
    free(p->waits);
    p->waits = why ? drift_xstrdup(why) : NULL;
    p->waits_dirty = true;
}

static void end_loss(struct drift_partition *p, int64_t time_ms)
{
    p->await_first = false;
    p->partial_ms = time_ms;
    p->partial_dirty = true;
}

/* At once, not with the flush: what dedup_full refuses must not depend on when flushes come. */
static void retire_ids(struct drift_partition *p)
{
    p->ids_close_ms = INT64_MAX;
    for (size_t i = 0; i < p->n_windows; i++) {
        struct window *w = p->windows[i];
        if (w->ids && w->close_ms <= p->wm_ms)
            drift_dedup_retire(&p->dedup, w->field, &w->ids, &p->chains[w->chain].n_ids);
        else if (w->ids && w->close_ms < p->ids_close_ms)
            p->ids_close_ms = w->close_ms;
    }
}

static void raise_watermark(struct drift_partition *p, int64_t to_ms)
{
    p->wm_ms = to_ms;
    if (p->ids_close_ms <= to_ms)
        retire_ids(p);
    p->urgent = p->urgent || p->close_ms <= to_ms;
}

void drift_partition_pass(struct drift_partition *p, int64_t offset, int64_t time_ms)
{
    p->offset = offset + 1;
    p->offset_dirty = true;
    if (time_ms == INT64_MIN)
        return;
    if (p->await_first)
        end_loss(p, time_ms);
    if (time_ms > p->log_wm_ms) {
        p->log_wm_ms = time_ms;
        p->log_dirty = true;
    }
    if (time_ms > p->wm_ms) {
        p->wm_dirty = true;
        raise_watermark(p, time_ms);
    }
}

/* ---- flushing ---- */

static void add_set(struct drift_partition *p, const char *name, const char *value, size_t len)
{
    if (p->n_sets == p->cap_sets)
        p->sets = drift_xrealloc(p->sets, p->cap_sets = p->cap_sets ? 2 * p->cap_sets : 16, sizeof *p->sets);
    p->sets[p->n_sets++] = (struct drift_pair){(char *)(uintptr_t)name, (char *)(uintptr_t)value, len};
}

static void add_number(struct drift_partition *p, const char *name, int64_t v, char text[NUMBER])
{
    add_set(p, name, text, (size_t)snprintf(text, NUMBER, "%" PRId64, v));
}

static void add_del(struct drift_partition *p, const char *name)
{
    if (p->n_dels == p->cap_dels)
        p->dels = drift_xrealloc(p->dels, p->cap_dels = p->cap_dels ? 2 * p->cap_dels : 16, sizeof *p->dels);
    p->dels[p->n_dels++] = name;
}

static void add_total(struct drift_partition *p, struct total *t)
{
    if (t->dirty)
        add_number(p, t->field, t->value, t->text);
}

static void take_out(struct drift_partition *p, struct window *w)
{
    size_t at = find_window(p, w->start_ms, w->chain);
    struct chain_state *cs = &p->chains[w->chain];
    if (w->stored)
        add_del(p, w->field);
    memmove(p->windows + at, p->windows + at + 1, (--p->n_windows - at) * sizeof *p->windows);
    p->dropped = drift_xrealloc(p->dropped, p->n_dropped + 1, sizeof(struct window *));
    p->dropped[p->n_dropped++] = w;
    cs->n_open -= w->summary != NULL;
    note_stored(p, w, 0);
    if (cs->last == w)
        cs->last = NULL;
}

/* The first window of a chain; NULL: none starts before before_ms. */
static struct window *first_window(const struct drift_partition *p, size_t chain, int64_t before_ms)
{
    for (size_t i = 0; i < p->n_windows && p->windows[i]->start_ms < before_ms; i++)
        if (p->windows[i]->chain == chain)
            return p->windows[i];
    return NULL;
}

/* Windows that the chain has passed over: verdict and judged_until were lost together, and only the last window below
 * the gone marks was judged again, as lost.  Nobody will judge these any more. */
static void drop_passed_over(struct drift_partition *p, size_t chain, const struct drift_judged *j)
{
    struct window *w;
    while ((w = first_window(p, chain, j->start_ms))) {
        total_add(&p->refused[chain * DRIFT_N_REASON + DRIFT_REASON_LOST_VERDICT], (int64_t)w->n);
        drift_log(DRIFT_ERROR, "window_passed_over", KV_S("model", p->chains[chain].chain->model->name),
                  KV_S("partition", p->name), KV_I("window", w->start_ms), KV_U("events", w->n));
        take_out(p, w);
    }
}

/* The verdict of `j` has settled: what blob and verdict do not share goes to the late counter, the blob goes. */
static void drop_window(struct drift_partition *p, size_t chain, const struct drift_judged *j)
{
    struct chain_state *cs = &p->chains[chain];
    struct window *w = window_at(p, j->start_ms, chain);
    uint64_t in_verdict = 0;
    for (size_t i = 0; i < j->n_parts; i++)
        if (!strcmp(j->parts[i].partition, p->name))
            in_verdict = j->parts[i].n + j->parts[i].excluded;
    if (w && j->lost) {
        total_add(&p->refused[chain * DRIFT_N_REASON + DRIFT_REASON_LOST_VERDICT], (int64_t)w->n);
    } else if ((w ? w->n : 0) != in_verdict) {
        int64_t difference = (int64_t)((w ? w->n : 0) - in_verdict);
        total_add(&cs->late, difference);
        total_add(&cs->reconciled, difference);
        drift_log(DRIFT_ERROR, "window_reconciled", KV_S("model", cs->chain->model->name), KV_S("partition", p->name),
                  KV_I("window", j->start_ms), KV_I("difference", difference));
    }
    if (w)
        take_out(p, w);
    if (j->lost)
        drop_passed_over(p, chain, j);
    cs->gone_ms = j->end_ms;
    cs->gone_dirty = true;
}

/* Is the last verdict about j's counts older than retain?  j's own one, unless windows slide. */
static bool all_settled(const struct drift_chain *c, const struct drift_judged *j, int64_t before_ms)
{
    size_t last = drift_chain_judged_from(c, drift_plan_last_span(&c->plan, j->start_ms));
    return last < c->n_judged && c->judged[last].at_ms <= before_ms;
}

/* Verdicts that wait to be dropped, in order; `drop` false: is there any? */
static bool settle_verdicts(struct drift_partition *p, int64_t now_ms, bool drop)
{
    bool any = false;
    for (size_t c = 0; c < p->set.n_chains; c++) {
        const struct drift_chain *chain = p->chains[c].chain;
        for (size_t i = drift_chain_judged_from(chain, p->chains[c].gone_ms); i < chain->n_judged; i++) {
            const struct drift_judged *j = &chain->judged[i];
            if (j->start_ms < p->chains[c].gone_ms)
                continue; /* by the one before it */
            if (now_ms - j->at_ms < p->set.retain_ms || !all_settled(chain, j, now_ms - p->set.retain_ms) ||
                p->wm_ms < drift_plan_close_ms(&chain->plan, j->start_ms))
                break;
            const struct window *w = window_at(p, j->start_ms, c);
            const struct window *lower = j->lost ? first_window(p, c, j->start_ms) : NULL;
            if ((w && w->dirty) || (lower && lower->dirty)) /* their last counts go first */
                break;
            any = true;
            if (drop)
                drop_window(p, c, j);
        }
    }
    return any;
}

bool drift_partition_dirty(struct drift_partition *p, int64_t now_ms)
{
    return p->offset_dirty || p->wm_dirty || p->partial_dirty || p->waits_dirty || p->dedup.n_dead ||
           settle_verdicts(p, now_ms, false);
}

bool drift_partition_urgent(const struct drift_partition *p)
{
    return p->urgent;
}

static void add_field(void *ctx, const char *name, const char *value, size_t len)
{
    add_set(ctx, name, value, len);
}

/* Ids counted since the last flush, and the fields of windows that were closed. */
static void add_ids(struct drift_partition *p)
{
    size_t budget = IDS_REWRITTEN, bytes = 0;
    char *const *dead;
    for (size_t i = 0; i < p->n_windows; i++) {
        struct window *w = p->windows[i];
        if (w->ids)
            bytes += drift_dedup_pack(&p->dedup, w->field, w->ids, &budget);
    }
    drift_dedup_reserve(&p->dedup, bytes);
    for (size_t i = 0; bytes && i < p->n_windows; i++)
        if (p->windows[i]->ids)
            drift_dedup_save(&p->dedup, p->windows[i]->field, p->windows[i]->ids, add_field, p);
    const char *key = drift_dedup_key(&p->dedup);
    if (key)
        add_set(p, "dk", key, strlen(key));
    for (size_t i = 0, n = drift_dedup_dead(&p->dedup, &dead); i < n; i++)
        add_del(p, dead[i]);
}

void drift_partition_prepare(struct drift_partition *p, int64_t now_ms, struct drift_flush *ret, size_t *ret_bytes)
{
    p->n_sets = p->n_dels = 0;
    settle_verdicts(p, now_ms, true);
    if (p->offset_dirty)
        add_number(p, "offset", p->offset, p->offset_text);
    if (p->wm_dirty)
        add_number(p, "wm", p->wm_ms, p->wm_text);
    if (p->log_dirty)
        add_number(p, "log", p->log_wm_ms, p->log_text);
    if (p->partial_dirty)
        add_number(p, "partial", p->partial_ms, p->partial_text);
    if (p->partial_dirty)
        add_number(p, "partial_from", p->partial_from_ms, p->partial_from_text);
    if (p->waits_dirty && p->waits)
        add_set(p, "waits", p->waits, strlen(p->waits));
    else if (p->waits_dirty)
        add_del(p, "waits");
    if (p->anew_dirty)
        add_del(p, "anew");
    for (size_t i = 0; i < p->n_windows; i++) {
        struct window *w = p->windows[i];
        if (!w->dirty)
            continue;
        drift_buf_reset(&w->blob);
        drift_blob_save(w->summary, w->plan_seq, w->partial, &w->blob);
        if (w->blob.full)
            drift_bug("a window's counts pass 64 MiB");
        add_set(p, w->field, w->blob.data, w->blob.len);
    }
    add_ids(p);
    for (int r = 1; r < DRIFT_N_REASON; r++)
        add_total(p, &p->other[r]);
    for (size_t c = 0; c < p->set.n_chains; c++) {
        struct chain_state *cs = &p->chains[c];
        add_total(p, &cs->late);
        add_total(p, &cs->late_after_idle);
        add_total(p, &cs->reconciled);
        for (int r = 1; r < DRIFT_N_REASON; r++)
            add_total(p, &p->refused[c * DRIFT_N_REASON + (size_t)r]);
        if (cs->gone_dirty)
            add_number(p, cs->gone_field, cs->gone_ms, cs->gone_text);
    }
    *ret = (struct drift_flush){.n_sets = p->n_sets, .sets = p->sets, .n_dels = p->n_dels, .dels = p->dels};
    *ret_bytes = 0;
    for (size_t i = 0; i < p->n_sets; i++)
        *ret_bytes += p->sets[i].len + strlen(p->sets[i].name);
}

void drift_partition_flushed(struct drift_partition *p)
{
    p->offset_dirty = p->wm_dirty = p->log_dirty = p->partial_dirty = p->waits_dirty = p->urgent = false;
    p->anew_dirty = false;
    p->close_ms = INT64_MAX;
    drift_dedup_flushed(&p->dedup);
    for (int r = 1; r < DRIFT_N_REASON; r++)
        p->other[r].dirty = false;
    for (size_t c = 0; c < p->set.n_chains; c++) {
        struct chain_state *cs = &p->chains[c];
        cs->late.dirty = cs->late_after_idle.dirty = cs->reconciled.dirty = cs->gone_dirty = false;
        for (int r = 1; r < DRIFT_N_REASON; r++)
            p->refused[c * DRIFT_N_REASON + (size_t)r].dirty = false;
    }
    for (size_t i = 0; i < p->n_windows; i++) {
        struct window *w = p->windows[i];
        w->stored = w->stored || w->dirty;
        if (w->dirty)
            note_stored(p, w, w->blob.len);
        w->dirty = false;
        if (w->ids)
            drift_idset_flushed(w->ids);
        if (w->summary && p->wm_ms >= w->close_ms) { /* the slot has it for good */
            drift_summary_free(w->summary);
            w->summary = NULL;
            drift_buf_release(&w->blob);
            p->chains[w->chain].n_open--;
        }
        if (w->summary && w->close_ms < p->close_ms)
            p->close_ms = w->close_ms;
    }
    for (size_t i = 0; i < p->n_dropped; i++)
        window_free(p->dropped[i]);
    p->n_dropped = 0;
}

void drift_partition_advanced(struct drift_partition *p, int64_t to_ms)
{
    if (to_ms <= p->wm_ms)
        return;
    raise_watermark(p, to_ms);
    drift_partition_flushed(p);
}

bool drift_partition_closes(const struct drift_partition *p, int64_t to_ms)
{
    if (p->wm_ms == INT64_MIN)
        return true;
    for (size_t c = 0; c < p->set.n_chains; c++)
        if (drift_plan_last_closed(&p->chains[c].chain->plan, to_ms) > p->wm_ms)
            return true;
    return false;
}

int64_t drift_partition_last_close(const struct drift_partition *p)
{
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < p->n_windows; i++)
        if (p->windows[i]->close_ms > last)
            last = p->windows[i]->close_ms;
    return last;
}

size_t drift_partition_open_windows(const struct drift_partition *p, size_t chain)
{
    return p->chains[chain].n_open;
}

uint64_t drift_partition_stored_bytes(const struct drift_partition *p, size_t chain)
{
    return p->chains[chain].stored_bytes;
}

uint64_t drift_partition_ids(const struct drift_partition *p, size_t chain)
{
    return p->chains[chain].n_ids;
}

uint64_t drift_partition_refused(const struct drift_partition *p, enum drift_reason why)
{
    uint64_t n = (uint64_t)p->other[why].value;
    for (size_t c = 0; c < p->set.n_chains; c++) {
        n += (uint64_t)p->refused[c * DRIFT_N_REASON + why].value;
        n += why == DRIFT_REASON_LATE ? (uint64_t)p->chains[c].late.value : 0;
        n += why == DRIFT_REASON_LATE_AFTER_IDLE ? (uint64_t)p->chains[c].late_after_idle.value : 0;
    }
    return n;
}
