/* src/judge/gather.c    Which window of a chain comes next, what it still waits for, and the sum of its counts.
 *
 * Each slot is read once more with the window asked for, so that its watermark and its blob come from one reply: a blob
 * is final exactly when the watermark beside it has passed the window.
 *
 * Windows that slide are sums of panes.  The chain goes from pane to pane, and everything here is about the next pane;
 * the earlier ones of its window are added when it can be judged.  They are still in the slots, since an owner keeps a
 * pane until the last verdict about it is older than retain.
 *
 * A slot has a blob for each window judged within `retain`, thousands in a replay.  So the next few windows are asked
 * for by name, and a slot is gone through only when no slot has any of them. */
#include "room.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/log.h"
#include "driftd/internal/window/blob.h"

static const int64_t TIME_MAX_MS = INT64_C(253402300800000); /* year 10000 */
enum { NEXT_WINDOWS = 64 };

/* Where to look for the lowest counts. */
struct search {
    size_t n_first; /* of these starts, ascending; then */
    int64_t first_ms[NEXT_WINDOWS];
    int64_t from_ms; /* from here on; INT64_MAX: no further */
};

static void add_part(struct drift_gathered *g, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < g->n_parts; i++)
        if (g->parts[i].partition == partition && !strcmp(g->parts[i].topic, topic))
            return;
    g->parts = drift_xrealloc(g->parts, g->n_parts + 1, sizeof *g->parts);
    g->parts[g->n_parts++] = (struct drift_part){.topic = topic, .partition = partition};
}

static int64_t entry_end(const struct drift_plan *p, size_t i)
{
    return i + 1 < p->n ? p->entry[i + 1].from_ms : INT64_MAX;
}

/* All partitions of the entries that are not over at judged_until. */
static void list_parts(const struct drift_state *st, struct drift_gathered *g)
{
    for (size_t i = 0; i < st->plan.n; i++) {
        const struct drift_plan_entry *e = &st->plan.entry[i];
        if (entry_end(&st->plan, i) <= st->judged_until_ms)
            continue;
        for (size_t t = 0; t < e->n_topics; t++)
            for (int32_t n = 0; n < e->topics[t].partitions; n++)
                add_part(g, e->topics[t].topic, n);
    }
}

/* Those of the entries that cover judged_until .. start. */
static void mark_needed(const struct drift_state *st, struct drift_gathered *g, int64_t start_ms)
{
    for (size_t k = 0; k < g->n_parts; k++) {
        g->parts[k].needed = false;
        for (size_t i = 0; i < st->plan.n; i++)
            if (entry_end(&st->plan, i) > st->judged_until_ms && st->plan.entry[i].from_ms <= start_ms &&
                drift_plan_has_partition(&st->plan.entry[i], g->parts[k].topic, g->parts[k].partition))
                g->parts[k].needed = true;
    }
}

static int read_part(struct drift_store *s, const char *key, const struct search *find, struct drift_part *p,
                     int64_t start_ms, struct drift_err *err)
{
    drift_slot_view_release(&p->view);
    struct drift_slot_id id = {p->topic, p->partition};
    struct drift_slot_ask ask = {.chain_key = key,
                                 .from_ms = find->from_ms,
                                 .start_ms = &start_ms,
                                 .n_start = start_ms != INT64_MIN,
                                 .first_ms = find->first_ms,
                                 .n_first = find->n_first};
    int rc = drift_store_look(s, id, &ask, &p->view, err);
    if (rc)
        drift_err_prefix(err, "slot %s/%" PRId32, p->topic, p->partition);
    return rc;
}

/* The next window of the chain by what the slots show; false: none.
 *
 * Normally the lowest with counts.  When a verdict was lost together with judged_until and all blobs of its window have
 * been dropped since, the gone marks are what is left of it: the last window below them is judged, as lost. */
static bool next_window(const struct drift_state *st, const struct drift_gathered *g, int64_t *ret_start)
{
    int64_t low = INT64_MAX, gone = INT64_MIN;
    for (size_t i = 0; i < g->n_parts; i++) {
        const struct drift_slot_view *v = &g->parts[i].view;
        low = v->lowest_blob_ms < low ? v->lowest_blob_ms : low;
        gone = v->gone_ms > gone ? v->gone_ms : gone;
    }
    if (gone > st->judged_until_ms && gone <= low && gone <= TIME_MAX_MS) {
        int64_t start = drift_plan_window_start(&st->plan, gone - 1);
        if (start >= st->judged_until_ms) {
            *ret_start = start;
            return true;
        }
    }
    *ret_start = low;
    return low != INT64_MAX;
}

/* ---- ready? ---- */

static bool unsettled(const struct drift_slot_view *v, int64_t close_ms, int64_t settle_ms)
{
    return v->has_adv && v->adv_from_ms < close_ms && close_ms <= v->adv_to_ms && v->now_ms - v->adv_at_ms < settle_ms;
}

static bool ready(const struct drift_slot_view *v, int64_t close_ms, int64_t settle_ms)
{
    return v->exists && v->wm_ms >= close_ms && !unsettled(v, close_ms, settle_ms);
}

/* Clock time only when the day is clear from the other one. */
static const char *clock_text(const char *rfc3339, bool same_day)
{
    return same_day ? rfc3339 + 11 : rfc3339;
}

static void say(const struct drift_part *p, int64_t close_ms, int64_t settle_ms, size_t others, struct drift_buf *out)
{
    const struct drift_slot_view *v = &p->view;
    char need[32], mark[32];
    drift_time_text(close_ms, need, sizeof need);
    drift_buf_addf(out, "waits for %s/%" PRId32, p->topic, p->partition);
    if (!v->exists || v->wm_ms == INT64_MIN) {
        drift_buf_addf(out, ", of which nothing has been read yet, needs %s", need);
    } else if (v->wm_ms < close_ms) {
        drift_time_text(v->wm_ms, mark, sizeof mark);
        bool same_day = !strncmp(mark, need, 11);
        drift_buf_addf(out, ", watermark %s, needs %s", clock_text(mark, same_day), clock_text(need, same_day));
    } else {
        drift_buf_addf(out, ", whose idle advance settles in %" PRId64 " ms", settle_ms - (v->now_ms - v->adv_at_ms));
    }
    if (others)
        drift_buf_addf(out, ", and for %zu more", others);
}

/* The partition that is furthest behind speaks for all. */
static bool all_ready(struct drift_gathered *g, int64_t close_ms, int64_t settle_ms, struct drift_buf *waiting)
{
    const struct drift_part *worst = NULL;
    size_t n = 0;
    for (size_t i = 0; i < g->n_parts; i++) {
        struct drift_part *p = &g->parts[i];
        p->ready = !p->needed || ready(&p->view, close_ms, settle_ms);
        if (p->ready)
            continue;
        n++;
        if (!worst || p->view.wm_ms < worst->view.wm_ms)
            worst = p;
    }
    if (worst && waiting)
        say(worst, close_ms, settle_ms, n - 1, waiting);
    return !worst;
}

/* Was the window closed in the slot by FORCE? */
static bool is_forced(const struct drift_slot_view *v, int64_t close_ms)
{
    for (size_t i = 0; i < v->n_forced; i++)
        if (v->forced[i].from_ms < close_ms && close_ms <= v->forced[i].to_ms)
            return true;
    return false;
}

/* ---- gather ---- */

static char *chain_key(struct drift_chain_id id)
{
    struct drift_buf b;
    drift_buf_init(&b, 4096);
    drift_name_encode(&b, id.model);
    drift_buf_adds(&b, id.kind == DRIFT_CHAIN_LABEL ? ":l" : ":i");
    return b.data;
}

/* The windows from judged_until to `last`, or as many as there is room for. */
static struct search next_windows(const struct drift_state *st, int64_t last_ms)
{
    struct search ret = {.from_ms = INT64_MAX};
    int64_t t = st->judged_until_ms;
    if (t < -TIME_MAX_MS) /* nothing judged yet */
        return ret;
    for (; ret.n_first < NEXT_WINDOWS && t <= last_ms && t <= TIME_MAX_MS; t = drift_plan_window_end(&st->plan, t))
        ret.first_ms[ret.n_first++] = t;
    return ret;
}

/* What one slot has need not be looked for above that in the others: the lowest of all is asked for. */
static int read_all(struct drift_store *s, const char *key, struct search find, struct drift_gathered *g,
                    bool only_needed, int64_t start_ms, struct drift_err *err)
{
    for (size_t i = 0; i < g->n_parts; i++) {
        if (only_needed && !g->parts[i].needed)
            continue;
        int rc = read_part(s, key, &find, &g->parts[i], start_ms, err);
        if (rc)
            return rc;
        while (find.n_first && find.first_ms[find.n_first - 1] >= g->parts[i].view.lowest_blob_ms)
            find.n_first--;
    }
    return 0;
}

static bool any_counts(const struct drift_gathered *g)
{
    for (size_t i = 0; i < g->n_parts; i++)
        if (g->parts[i].view.lowest_blob_ms != INT64_MAX)
            return true;
    return false;
}

static int read_first(struct drift_store *s, const char *key, const struct drift_state *st, struct drift_gathered *g,
                      struct drift_err *err)
{
    int64_t guess = st->judged_until_ms;
    struct search next = next_windows(st, INT64_MAX), all = {.from_ms = guess};
    if (next.n_first) {
        int rc = read_all(s, key, next, g, false, guess, err);
        if (rc || any_counts(g))
            return rc;
    }
    return read_all(s, key, all, g, false, guess, err);
}

/* Once more, with the window that was found; a lower one that has appeared since is seen. */
static int read_again(struct drift_store *s, const char *key, const struct drift_state *st, struct drift_gathered *g,
                      int64_t start_ms, struct drift_err *err)
{
    struct search find = next_windows(st, start_ms);
    if (!find.n_first || find.first_ms[find.n_first - 1] != start_ms) /* a longer gap */
        find = (struct search){.from_ms = st->judged_until_ms};
    return read_all(s, key, find, g, true, start_ms, err);
}

static int find(struct drift_store *s, const char *key, const struct drift_state *st, int64_t settle_ms,
                struct drift_gathered *g, enum drift_judge_result *ret, struct drift_buf *waiting,
                struct drift_err *err)
{
    int64_t guess = st->judged_until_ms, start, again;
    *ret = DRIFT_JUDGE_IDLE;
    list_parts(st, g);
    int rc = read_first(s, key, st, g, err);
    if (rc || !next_window(st, g, &start))
        return rc;
    if (start < -TIME_MAX_MS || start > TIME_MAX_MS || drift_plan_window_start(&st->plan, start) != start)
        return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_SKIP,
                          "a slot has counts of a window at %" PRId64 " ms, where the plan has none", start);
    g->start_ms = start;
    g->end_ms = drift_plan_window_end(&st->plan, start);
    g->from_ms = drift_plan_span_start(&st->plan, start);
    int64_t close_ms = g->close_ms = drift_plan_close_ms(&st->plan, start);
    mark_needed(st, g, start);
    *ret = DRIFT_JUDGE_WAITING;
    if (!all_ready(g, close_ms, settle_ms, waiting))
        return 0;
    if (start != guess) {
        rc = read_again(s, key, st, g, start, err);
        if (rc || !all_ready(g, close_ms, settle_ms, waiting))
            return rc;
    }
    *ret = next_window(st, g, &again) && again == start ? DRIFT_JUDGE_JUDGED : DRIFT_JUDGE_AGAIN;
    for (size_t i = 0; i < g->n_parts; i++) {
        struct drift_part *p = &g->parts[i];
        p->forced = p->needed && is_forced(&p->view, close_ms);
        g->n_forced += p->forced;
        g->lost = g->lost || (p->needed && p->view.gone_ms > start);
        /* one that lost all its records of the window has no blob to say so */
        g->partial = g->partial || (p->needed && p->view.partial_ms >= start && p->view.partial_from_ms < close_ms);
    }
    return 0;
}

/* ---- earlier panes ---- */

/* Those from g->from_ms on.  What cannot be had whole makes the window partial: a pane of an older plan that reaches
 * over the begin, and everything before the chain's first. */
static void list_panes(const struct drift_state *st, struct drift_gathered *g)
{
    int64_t first = st->first_ms == INT64_MIN ? g->start_ms : st->first_ms;
    g->partial = g->partial || g->from_ms < first;
    for (int64_t t = g->start_ms; t > g->from_ms;) {
        t = drift_plan_window_start(&st->plan, t - 1);
        if (t < g->from_ms || g->n_panes == DRIFT_PANES_MAX) {
            g->partial = true;
            return;
        }
        g->pane_ms = drift_xrealloc(g->pane_ms, g->n_panes + 1, sizeof *g->pane_ms);
        g->pane_ms[g->n_panes++] = t;
    }
}

/* Partitions that only earlier panes have: their topic was taken out of the plan since. */
static void list_older_parts(const struct drift_state *st, struct drift_gathered *g)
{
    for (size_t i = 0; i < st->plan.n; i++) {
        const struct drift_plan_entry *e = &st->plan.entry[i];
        if (entry_end(&st->plan, i) <= g->from_ms || e->from_ms > g->start_ms)
            continue;
        for (size_t t = 0; t < e->n_topics; t++)
            for (int32_t n = 0; n < e->topics[t].partitions; n++)
                add_part(g, e->topics[t].topic, n);
    }
}

/* Are the pane's counts in the slot, and final? */
static void check_pane(const struct drift_state *st, struct drift_gathered *g, struct drift_part *p, int64_t pane_ms)
{
    const struct drift_slot_view *v = &p->view;
    int64_t close_ms = drift_plan_close_ms(&st->plan, pane_ms);
    if (!drift_plan_has_partition(drift_plan_at(&st->plan, pane_ms), p->topic, p->partition))
        return;
    bool forced = is_forced(v, close_ms);
    g->n_forced += forced && !p->forced;
    p->forced = p->forced || forced;
    g->partial = g->partial || v->gone_ms > pane_ms || v->wm_ms < close_ms ||
                 (v->partial_ms >= pane_ms && v->partial_from_ms < close_ms);
}

/* Reads every slot once more, with all panes.  A slot that went back in time since it was looked at is not ready: all
 * that is added comes from one reply of each. */
static int read_panes(struct drift_store *s, const struct drift_state *st, int64_t settle_ms, struct drift_gathered *g,
                      enum drift_judge_result *ret, struct drift_err *err)
{
    list_older_parts(st, g);
    int64_t *start_ms = drift_xcalloc(g->n_panes + 1, sizeof *start_ms);
    int rc = 0;
    start_ms[0] = g->start_ms;
    for (size_t k = 0; k < g->n_panes; k++)
        start_ms[k + 1] = g->pane_ms[k];
    for (size_t i = 0; i < g->n_parts && !rc; i++) {
        struct drift_part *p = &g->parts[i];
        drift_slot_view_release(&p->view);
        rc = drift_store_read(s, (struct drift_slot_id){p->topic, p->partition}, g->key, INT64_MAX, start_ms,
                              g->n_panes + 1, &p->view, err);
        if (rc)
            drift_err_prefix(err, "slot %s/%" PRId32, p->topic, p->partition);
        else if (p->needed && !ready(&p->view, g->close_ms, settle_ms))
            *ret = DRIFT_JUDGE_AGAIN;
        for (size_t k = 0; !rc && k < g->n_panes; k++)
            check_pane(st, g, p, g->pane_ms[k]);
    }
    free(start_ms);
    return rc;
}

int drift_gather(struct drift_store *s, struct drift_chain_id id, const struct drift_state *st, int64_t settle_ms,
                 struct drift_gathered *ret, enum drift_judge_result *ret_result, struct drift_buf *waiting,
                 struct drift_err *err)
{
    *ret = (struct drift_gathered){.key = chain_key(id)};
    int rc = find(s, ret->key, st, settle_ms, ret, ret_result, waiting, err);
    if (!rc && *ret_result == DRIFT_JUDGE_JUDGED) {
        list_panes(st, ret);
        if (ret->n_panes)
            rc = read_panes(s, st, settle_ms, ret, ret_result, err);
    }
    if (rc) {
        drift_gather_release(ret);
        drift_err_prefix(err, "model %s, %s chain", id.model, drift_chain_name(id.kind));
    }
    return rc;
}

int drift_gather_open(struct drift_store *s, struct drift_chain_id id, const struct drift_state *st,
                      struct drift_gathered *ret, bool *ret_found, struct drift_err *err)
{
    enum drift_judge_result result;
    struct drift_buf waiting;
    *ret = (struct drift_gathered){.key = chain_key(id)};
    drift_buf_init(&waiting, 400);
    int rc = find(s, ret->key, st, 0, ret, &result, &waiting, err);
    drift_buf_release(&waiting);
    *ret_found = !rc && result == DRIFT_JUDGE_WAITING;
    if (*ret_found) {
        list_panes(st, ret);
        rc = read_panes(s, st, 0, ret, &result, err);
    }
    for (size_t i = 0; i < ret->n_parts; i++)
        *ret_found = *ret_found && !(ret->parts[i].needed && ret->parts[i].view.gone_ms > ret->start_ms);
    if (rc) {
        drift_gather_release(ret);
        drift_err_prefix(err, "model %s, %s chain", id.model, drift_chain_name(id.kind));
    }
    return rc;
}

/* A blob that cannot be read: its counts are unknown, so the window is not whole. */
static void damaged(struct drift_gathered *g, const char *model, const struct drift_part *p,
                    const struct drift_err *why)
{
    g->n_damaged++;
    g->partial = true;
    drift_log(DRIFT_ERROR, "counts_damaged", KV_S("model", model), KV_S("topic", p->topic),
              KV_I("partition", p->partition), KV_I("window", g->start_ms), KV_S("error", why->text));
}

static int add_pane(struct drift_gathered *g, const char *model, struct drift_part *p, int64_t start_ms,
                    struct drift_summary *into, struct drift_err *err)
{
    struct drift_err e = {0};
    struct drift_blob_head head;
    char *name = drift_xasprintf("b:%s:%" PRId64 ":", g->key, start_ms);
    const struct drift_pair *blob = drift_pairs_find(&p->view.blobs, name);
    free(name);
    if (!blob)
        return 0;
    int rc = drift_blob_head(blob->value, blob->len, &head, &e);
    if (!rc)
        rc = drift_blob_add(blob->value, blob->len, into, &e);
    if (rc == DRIFT_E_VERSION || rc == DRIFT_E_MEMORY) {
        *err = e;
        return rc;
    }
    if (rc && rc != DRIFT_E_MISMATCH) {
        damaged(g, model, p, &e);
        return 0;
    }
    if (start_ms == g->start_ms)
        *(rc ? &p->excluded : &p->n) = head.n;
    g->excluded += rc ? head.n : 0;
    g->partial = g->partial || head.partial;
    return 0;
}

int drift_gather_add(struct drift_gathered *g, const char *model, struct drift_summary *into, struct drift_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < g->n_parts && !rc; i++) {
        if (g->parts[i].needed)
            rc = add_pane(g, model, &g->parts[i], g->start_ms, into, err);
        for (size_t k = 0; k < g->n_panes && !rc; k++)
            rc = add_pane(g, model, &g->parts[i], g->pane_ms[k], into, err);
    }
    return rc;
}

void drift_gather_release(struct drift_gathered *g)
{
    for (size_t i = 0; i < g->n_parts; i++)
        drift_slot_view_release(&g->parts[i].view);
    free(g->parts);
    free(g->pane_ms);
    free(g->key);
    *g = (struct drift_gathered){0};
}
