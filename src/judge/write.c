/* src/judge/write.c    The one compare-and-set of a verdict: header, alerts, carry, status, body, outbox, and what is
 *                       old enough to go.
 *
 * What is old is looked for now and then only: headers age by the clock, so once a minute is enough; bodies by number.
 * Looking at each verdict would cost a replay of n windows n^2 / 2 headers.  The first verdict of a process looks, so
 * that one which never lives long clears up as well.
 *
 * The bytes are made before the first try and sent again as they are when the first try is in doubt: the head in them
 * is what tells "it was applied" from "somebody else was first". */
#include "room.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/base/hash.h"
#include "driftd/internal/window/blob.h"

static const int64_t HEADER_MAX_AGE_MS = INT64_C(7) * 86400000, HEADERS_EVERY_NS = INT64_C(60) * 1000000000;
enum { HEADERS_AT_ONCE = 100000, BODIES_SLACK = 32 }; /* 1/32 more bodies than asked for may be kept */

struct write {
    char *header;
    struct drift_pair sets[6], body, *out;
    size_t n_sets, n_out, n_dels, n_w_dels, n_v_dels;
    char **dels, **w_dels, **v_dels;
    struct drift_swept swept; /* when this write is applied */
    char head[DRIFT_HEAD];
};

static void pair_release(struct drift_pair *p)
{
    free(p->name);
    free(p->value);
}

static void write_release(struct write *x)
{
    for (size_t i = 0; i < x->n_sets; i++)
        pair_release(&x->sets[i]);
    for (size_t i = 0; i < x->n_out; i++)
        pair_release(&x->out[i]);
    for (size_t i = 0; i < x->n_dels; i++)
        free(x->dels[i]);
    for (size_t i = 0; i < x->n_w_dels; i++)
        free(x->w_dels[i]);
    for (size_t i = 0; i < x->n_v_dels; i++)
        free(x->v_dels[i]);
    pair_release(&x->body);
    free(x->header);
    free(x->out);
    free(x->dels);
    free(x->w_dels);
    free(x->v_dels);
}

static struct drift_pair pair(char *name, char *value)
{
    return (struct drift_pair){name, value, strlen(value)};
}

static void add_name(char ***list, size_t *n, char *name)
{
    *list = drift_xrealloc(*list, *n + 1, sizeof **list);
    (*list)[(*n)++] = name;
}

/* What the owners of the partitions need before they drop their counts; the script puts its time into @now@. */
static char *header_text(const struct drift_work *w)
{
    json_t *j = json_object(), *parts = json_object();
    for (size_t i = 0; i < w->g.n_parts; i++) {
        const struct drift_part *p = &w->g.parts[i];
        if (!p->n && !p->excluded)
            continue;
        char *name = drift_xasprintf("%s/%" PRId32, p->topic, p->partition);
        json_object_set_new(parts, name, json_pack("[I,I]", (json_int_t)p->n, (json_int_t)p->excluded));
        free(name);
    }
    json_object_set_new(j, "v", json_integer(1));
    json_object_set_new(j, "kind", json_string(drift_verdict_kind_name(w->v.kind)));
    json_object_set_new(j, "plan", json_integer(w->o.plan->seq));
    json_object_set_new(j, "end", json_integer(w->v.end_ms));
    json_object_set_new(j, "parts", parts);
    json_object_set_new(j, "numbers", json_string(w->numbers));
    if (w->o.gap_from_ms < w->v.start_ms)
        json_object_set_new(j, "gap_from", json_integer(w->o.gap_from_ms));
    if (json_array_size(w->o.forced))
        json_object_set(j, "forced", w->o.forced);
    char *text = json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(j);
    if (!text)
        drift_bug("a verdict header has no JSON form");
    char *ret = drift_xasprintf("%.*s,\"ms\":@now@}", (int)strlen(text) - 1, text);
    free(text);
    return ret;
}

/* The time that the script put at the end of a header; 0: none.  Not parsed as JSON: a replay has thousands of them. */
static int64_t header_ms(const struct drift_pair *f)
{
    static const char key[] = "\"ms\":";
    const char *colon = strrchr(f->value, ':'), *end = f->value + f->len;
    size_t before = sizeof key - 1;
    int64_t ms;
    if (!colon || (size_t)(colon + 1 - f->value) < before || memcmp(colon + 1 - before, key, before) || end[-1] != '}')
        return 0;
    return drift_i64_parse(colon + 1, (size_t)(end - 1 - (colon + 1)), &ms) ? ms : 0;
}

/* Every partition has dropped the window, or the header is so old that nobody waits for it. */
static bool is_done(const struct drift_work *w, const struct drift_pair *f, int64_t start_ms, int64_t gone_ms,
                    int64_t max_age_ms)
{
    if (drift_plan_window_end(&w->st.plan, start_ms) <= gone_ms)
        return true;
    int64_t ms = header_ms(f);
    return ms > 0 && w->st.now_ms - ms > max_age_ms;
}

static int prune_headers(const struct drift_work *w, struct write *x, struct drift_err *err)
{
    int64_t gone = INT64_MAX, start, max_age = w->j->set.config->state.retain_ms + HEADER_MAX_AGE_MS;
    struct drift_pairs headers;
    int rc = drift_store_headers(w->j->set.store, w->id, &headers, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < w->g.n_parts; i++)
        if (w->g.parts[i].needed && w->g.parts[i].view.gone_ms < gone)
            gone = w->g.parts[i].view.gone_ms;
    for (size_t i = 0; i < headers.n && x->n_w_dels < HEADERS_AT_ONCE; i++) {
        const struct drift_pair *f = &headers.pair[i];
        if (drift_i64_parse(f->name, strlen(f->name), &start) && start < w->v.start_ms &&
            is_done(w, f, start, gone, max_age))
            add_name(&x->w_dels, &x->n_w_dels, drift_xstrdup(f->name));
    }
    drift_pairs_release(&headers);
    return 0;
}

static int prune_bodies(const struct drift_work *w, struct write *x, struct drift_err *err)
{
    size_t keep = w->j->set.config->state.keep_verdicts, n = 0;
    int64_t *starts = NULL;
    int rc = drift_store_verdict_list(w->j->set.store, w->id, &starts, &n, err);
    if (rc == DRIFT_E_NOT_FOUND)
        return 0;
    keep = keep ? keep - 1 : 0; /* and the new one */
    for (size_t i = 0; !rc && i + keep < n; i++)
        if (starts[i] != w->v.start_ms)
            add_name(&x->v_dels, &x->n_v_dels, drift_xasprintf("%" PRId64, starts[i]));
    free(starts);
    return rc;
}

static int prune(const struct drift_work *w, struct write *x, struct drift_err *err)
{
    const struct drift_known *k = drift_judge_known(w->j, w->id.model);
    int64_t now_ns = drift_clock_system.mono_ns(drift_clock_system.ctx);
    int rc = 0;
    x->swept = k ? k->swept[w->id.kind] : (struct drift_swept){0};
    bool first = !x->swept.ever;
    if (first || now_ns - x->swept.headers_ns >= HEADERS_EVERY_NS) {
        rc = prune_headers(w, x, err);
        x->swept.headers_ns = now_ns;
    }
    if (!rc && (first || ++x->swept.since > w->j->set.config->state.keep_verdicts / BODIES_SLACK)) {
        rc = prune_bodies(w, x, err);
        x->swept.since = 0;
    }
    x->swept.ever = true;
    return rc;
}

static void put_carry(struct drift_work *w, struct write *x)
{
    const struct drift_verdict *v = &w->v;
    if (v->kind == DRIFT_VERDICT_HELD && v->n && !drift_work_slides(w)) {
        struct drift_buf b;
        drift_buf_init(&b, DRIFT_COUNTS_MAX);
        drift_blob_save(w->sum, w->o.plan->seq, false, &b);
        if (b.full)
            drift_bug("the counts of a window are larger than a layout allows");
        x->sets[x->n_sets++] =
            pair(drift_xstrdup("carry"), drift_state_carry_text(v->carried_from_ms, w->windows + 1, b.data, b.len));
        drift_buf_release(&b);
        return;
    }
    bool used = drift_work_measured(v) || v->kind == DRIFT_VERDICT_UNMONITORED || v->kind == DRIFT_VERDICT_HELD;
    if (used && drift_pairs_find(&w->st.fields, "carry"))
        add_name(&x->dels, &x->n_dels, drift_xstrdup("carry"));
}

const char *drift_judge_secret(const struct drift_judge *j, const char *endpoint)
{
    for (size_t i = 0; i < j->set.config->n_endpoints; i++)
        if (!strcmp(j->set.config->endpoints[i].name, endpoint))
            return j->secret[i];
    return NULL;
}

static int compose(struct drift_work *w, struct write *x, struct drift_err *err)
{
    char start[24];
    snprintf(start, sizeof start, "%" PRId64, w->v.start_ms);
    drift_random_hex32(x->head);
    x->header = header_text(w);
    if (w->st.judged_until_ms == INT64_MIN) /* where learning a baseline begins */
        x->sets[x->n_sets++] = pair(drift_xstrdup("first"), drift_xstrdup(start));
    if (drift_work_measured(&w->v) || w->v.kind == DRIFT_VERDICT_UNMONITORED)
        x->sets[x->n_sets++] = pair(drift_xstrdup("alerts"), drift_state_alerts_text(&w->o));
    if (w->evidence_text) {
        x->sets[x->n_sets++] = pair(drift_xstrdup("evidence"), w->evidence_text);
        w->evidence_text = NULL;
    }
    if (w->detectors_text) {
        x->sets[x->n_sets++] = pair(drift_xstrdup("detectors"), w->detectors_text);
        w->detectors_text = NULL;
    }
    if (w->o.status != w->o.status_before)
        x->sets[x->n_sets++] = pair(drift_xstrdup("status"), drift_state_status_text(&w->o));
    put_carry(w, x);
    x->body = pair(drift_xstrdup(start), drift_outcome_verdict(&w->o, w->actions, w->n_actions));
    x->out = drift_xcalloc(w->n_actions ? w->n_actions : 1, sizeof *x->out);
    for (; x->n_out < w->n_actions; x->n_out++) {
        const struct drift_action *a = &w->actions[x->n_out];
        x->out[x->n_out] =
            pair(drift_xasprintf("e:%s", a->id), drift_action_entry(a, drift_judge_secret(w->j, a->endpoint)));
    }
    return prune(w, x, err);
}

int drift_work_write(struct drift_work *w, enum drift_reply *ret, struct drift_err *err)
{
    struct write x = {0};
    int rc = compose(w, &x, err);
    if (!rc) {
        struct drift_verdict_write vw = {.prev = w->st.head,
                                         .new_head = x.head,
                                         .start_ms = w->v.start_ms,
                                         .end_ms = w->v.end_ms,
                                         .header = x.header,
                                         .sets = x.sets,
                                         .n_sets = x.n_sets,
                                         .dels = (const char *const *)x.dels,
                                         .n_dels = x.n_dels,
                                         .w_dels = (const char *const *)x.w_dels,
                                         .n_w_dels = x.n_w_dels,
                                         .bodies = &x.body,
                                         .n_bodies = 1,
                                         .v_dels = (const char *const *)x.v_dels,
                                         .n_v_dels = x.n_v_dels,
                                         .out = x.out,
                                         .n_out = x.n_out};
        struct drift_err first = {0};
        rc = drift_store_verdict(w->j->set.store, w->id, &vw, ret, &first);
        if (rc && first.action == DRIFT_RETRY) /* in doubt: the same bytes once more tell whether it was applied */
            rc = drift_store_verdict(w->j->set.store, w->id, &vw, ret, err);
        else if (rc && err)
            *err = first;
        struct drift_known *k = drift_judge_known(w->j, w->id.model);
        if (!rc && k && (*ret == DRIFT_REPLY_OK || *ret == DRIFT_REPLY_DUP))
            k->swept[w->id.kind] = x.swept;
    }
    write_release(&x);
    return rc;
}
