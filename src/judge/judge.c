/* src/judge/judge.c    One chain, one window: gather, measure, evaluate, write; for the pipeline's judge thread.
 *
 * Everything that goes into the verdict is put together first and written by one compare-and-set, so a judge may die,
 * be slow or be one of several at any point.  Nothing is kept between two steps but caches of immutable things:
 * whatever the answer was, the next step starts from what Redis says. */
#include "room.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/base/hash.h"
#include "driftd/internal/base/log.h"
#include "driftd/internal/base/meter.h"
#include "driftd/internal/window/blob.h"

enum { OLDER_CONFIGS = 8 };

/* ---- life ---- */

static int load_secrets(struct drift_judge *j, struct drift_err *err)
{
    const struct drift_config *c = j->set.config;
    j->secret = drift_xcalloc(c->n_endpoints ? c->n_endpoints : 1, sizeof *j->secret);
    for (size_t i = 0; i < c->n_endpoints; i++) {
        int rc = c->endpoints[i].n_secrets ? drift_secret_load(&c->endpoints[i].secrets[0], &j->secret[i], err) : 0;
        if (rc) {
            drift_err_prefix(err, "secret of endpoint %s", c->endpoints[i].name);
            return rc;
        }
    }
    return 0;
}

int drift_judge_new(const struct drift_judge_settings *s, struct drift_judge **ret, struct drift_err *err)
{
    struct drift_judge *j = drift_xcalloc(1, sizeof *j);
    j->set = *s;
    if (!j->set.clock)
        j->set.clock = &drift_clock_system;
    j->cache = drift_cache_new(s->config, s->store);
    j->bare = drift_layout_new();
    j->known = drift_xcalloc(s->config->n_models ? s->config->n_models : 1, sizeof *j->known);
    int rc = load_secrets(j, err);
    if (!rc && (!j->bare || drift_layout_seal(j->bare)))
        rc = drift_fail(err, DRIFT_E_MEMORY, DRIFT_STOP, "out of memory starting the judge");
    if (rc)
        drift_judge_free(j);
    else
        *ret = j;
    return rc;
}

void drift_judge_free(struct drift_judge *j)
{
    if (!j)
        return;
    for (size_t i = 0; j->secret && i < j->set.config->n_endpoints; i++)
        drift_secret_free(j->secret[i]);
    free(j->secret);
    for (size_t i = 0; i < j->set.config->n_models; i++) {
        free(j->known[i].model);
        for (int k = 0; k < DRIFT_N_CHAIN; k++)
            drift_hold_release(&j->known[i].hold[k]);
    }
    free(j->known);
    drift_layout_free(j->bare);
    drift_cache_free(j->cache);
    free(j);
}

struct drift_known *drift_judge_known(struct drift_judge *j, const char *model)
{
    for (size_t i = 0; i < j->set.config->n_models; i++) {
        struct drift_known *k = &j->known[i];
        if (!k->model)
            k->model = drift_xstrdup(model);
        if (!strcmp(k->model, model))
            return k;
    }
    return NULL;
}

void drift_work_release(struct drift_work *w)
{
    for (size_t i = 0; i < w->n_actions; i++)
        drift_action_release(&w->actions[i]);
    free(w->actions);
    for (size_t i = 0; i < w->o.n_rules; i++)
        drift_rule_result_release(&w->o.rules[i].result);
    free(w->o.rules);
    free(w->evidence_text);
    free(w->detectors_text);
    free(w->detectors);
    json_decref(w->o.forced);
    json_decref(w->o.segments);
    free(w->segmented);
    free(w->measures);
    free(w->why);
    drift_summary_free(w->sum);
    drift_gather_release(&w->g);
    drift_state_release(&w->st);
}

/* ---- what the window is compared with ---- */

/* Openly: what the model's status says while its baseline is being learned. */
static char *learning_text(const struct drift_work *w)
{
    const struct drift_pair *f = drift_pairs_find(&w->st.fields, "first");
    int64_t first = w->g.start_ms;
    char until[32];
    if (f)
        (void)drift_i64_parse(f->value, f->len, &first);
    drift_time_text(first + w->o.model->learn_ms, until, sizeof until);
    return drift_xasprintf("learning its baseline from the traffic until %s", until);
}

static int load_reference(struct drift_work *w, struct drift_err *err)
{
    struct drift_judge *j = w->j;
    struct drift_outcome *o = &w->o;
    o->plan = drift_plan_at(&w->st.plan, w->g.start_ms);
    o->config = drift_cache_config(j->cache, o->plan->config_hash, &w->st.fields, err);
    if (!o->config)
        return DRIFT_E_CORRUPT;
    o->model = drift_config_model(o->config, w->id.model);
    if (!o->model)
        return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_SKIP,
                          "the model is not in configuration %.12s, which its plan names", o->config->hash);
    int rc = drift_cache_baseline(j->cache, w->id.model, o->plan, &w->baseline, &w->why, err);
    if (rc)
        return rc;
    if (!o->plan->baseline_id[0] && o->model->learn_ms) {
        free(w->why);
        w->why = learning_text(w);
    }
    if (!*o->plan->baseline_id && o->model->learn_ms) {
        char span[48];
        free(w->why);
        w->why = drift_xasprintf("its baseline is still being learned, from %s of events",
                                 drift_duration_text(o->model->learn_ms, span, sizeof span));
    }
    if (w->baseline && !w->baseline->chain[w->id.kind].layout->n_columns) {
        w->why = drift_xasprintf("its baseline %s has no %s", w->baseline->id,
                                 w->id.kind == DRIFT_CHAIN_LABEL ? "labels" : "columns of the inputs");
        w->baseline = NULL;
    }
    return 0;
}

static const struct drift_baseline_chain *reference(const struct drift_work *w)
{
    return w->baseline ? &w->baseline->chain[w->id.kind] : NULL;
}

/* ---- counts ---- */

static void name_numbers(struct drift_work *w)
{
    struct drift_buf b;
    uint8_t digest[DRIFT_SHA256_BYTES];
    drift_buf_init(&b, DRIFT_COUNTS_MAX);
    drift_summary_save(w->sum, &b);
    drift_sha256(b.data, b.len, digest);
    drift_hex(digest, 16, w->numbers);
    drift_buf_release(&b);
}

static int add_counts(struct drift_work *w, struct drift_err *err)
{
    w->sum = drift_summary_new(w->baseline ? reference(w)->layout : w->j->bare);
    if (!w->sum)
        return drift_fail(err, DRIFT_E_MEMORY, DRIFT_STOP, "out of memory for the counts of a window");
    if (!w->g.lost) {
        int rc = drift_gather_add(&w->g, w->id.model, w->sum, err);
        if (rc)
            return rc;
    }
    name_numbers(w);
    return 0;
}

/* Do windows slide?  Then nothing is carried: the next window has the same events anyhow. */
bool drift_work_slides(const struct drift_work *w)
{
    return w->o.plan->span_ms > w->o.plan->window_ms;
}

static bool is_small(const struct drift_work *w, uint64_t n)
{
    const struct drift_model *m = w->o.model;
    if (drift_work_slides(w))
        return n < m->min_events;
    return n < m->min_events && (!m->max_carry || w->windows < m->max_carry);
}

/* Adds what earlier windows left; a carry of another layout is excluded. */
static void add_carry(struct drift_work *w)
{
    const struct drift_carry *c = &w->st.carry;
    struct drift_err e = {0};
    struct drift_blob_head head = {0};
    if (!c->there || drift_work_slides(w)) /* held before windows slid: its panes are added as such */
        return;
    if (drift_blob_head(c->blob, c->len, &head, &e) || drift_blob_add(c->blob, c->len, w->sum, &e)) {
        w->v.excluded += head.n;
        drift_log(DRIFT_WARN, "carry_excluded", KV_S("model", w->id.model), KV_U("events", head.n),
                  KV_S("error", e.text));
        return;
    }
    w->windows = c->windows;
    w->v.carried = head.n;
    w->v.carried_from_ms = c->from_ms;
}

static void set_kind(struct drift_work *w)
{
    struct drift_verdict *v = &w->v;
    v->excluded = w->g.excluded;
    v->carried_from_ms = v->start_ms;
    v->kind = DRIFT_VERDICT_OK;
    if (w->g.lost) {
        v->kind = DRIFT_VERDICT_LOST;
    } else if (!w->baseline) {
        v->kind = DRIFT_VERDICT_UNMONITORED;
        add_carry(w); /* of another layout: excluded */
    } else if (w->g.partial) {
        v->kind = DRIFT_VERDICT_PARTIAL; /* the carry waits for a whole window */
    } else {
        add_carry(w);
        if (is_small(w, w->sum->n))
            v->kind = DRIFT_VERDICT_HELD;
        else if (w->g.n_forced)
            v->kind = DRIFT_VERDICT_FORCED;
    }
    v->n = w->sum->n;
}

/* ---- measures and rules ---- */

static void measure_volume(struct drift_work *w)
{
    const struct drift_baseline_chain *ref = reference(w);
    double scale = ref->window_ms > 0 ? (double)(w->v.end_ms - w->v.from_ms) / (double)ref->window_ms : 1, sum = 0;
    uint64_t *n = drift_xcalloc(ref->n_windows ? ref->n_windows : 1, sizeof *n);
    size_t n_windows = 0;
    for (size_t i = 0; i < ref->n_windows; i++) {
        if (!drift_work_profile_has(w, ref->windows[i].start_ms))
            continue;
        n[n_windows] = (uint64_t)llround((double)ref->windows[i].summary->n * scale);
        sum += (double)n[n_windows++];
    }
    w->o.baseline_per_window = n_windows ? sum / (double)n_windows : 0;
    /* carried events belong to the windows that they came from: each had its own volume */
    drift_measure_volume(n, (uint32_t)n_windows, w->v.n - w->v.carried, &w->v.volume);
    free(n);
}

static void measure(struct drift_work *w)
{
    const struct drift_layout *l = w->sum->layout;
    drift_work_profile(w);
    const struct drift_summary *pooled = w->compared;
    /* drawn from the pool's shares: an hour's are others */
    struct drift_ks_null *const *laws = w->o.profile ? NULL : reference(w)->laws;
    w->measures = drift_xcalloc((size_t)l->n_columns * DRIFT_N_MEASURE, sizeof *w->measures);
    for (uint32_t i = 0; i < l->n_columns; i++) {
        const struct drift_column *c = &l->columns[i];
        drift_measure_column_law(c, pooled->counts + c->first, w->sum->counts + c->first,
                                 reference(w)->pooled->counts + c->first, laws ? laws[i] : NULL,
                                 &w->measures[(size_t)i * DRIFT_N_MEASURE]);
    }
    w->v.measures = w->measures;
    w->o.training = reference(w)->training;
    drift_work_evidence(w);
    drift_work_detectors(w);
    drift_work_dependence(w);
    drift_work_segments(w);
    if (w->early) /* of a window that goes on */
        w->v.volume = (struct drift_measure){.id = DRIFT_MEASURE_VOLUME, .why = DRIFT_WHY_NO_DATA};
    else
        measure_volume(w);
}

bool drift_work_measured(const struct drift_verdict *v)
{
    return v->kind == DRIFT_VERDICT_OK || v->kind == DRIFT_VERDICT_FORCED;
}

static struct drift_outcome_rule *add_rule(struct drift_outcome *o, const struct drift_rule *rule,
                                           const struct drift_config *c)
{
    o->rules = drift_xrealloc(o->rules, o->n_rules + 1, sizeof *o->rules);
    struct drift_outcome_rule *r = &o->rules[o->n_rules++];
    *r = (struct drift_outcome_rule){.rule = rule, .config = c};
    return r;
}

static const struct drift_rule *rule_of(const struct drift_config *c, const char *model, enum drift_chain_kind chain,
                                        const char *name)
{
    const struct drift_model *m = drift_config_model(c, model);
    for (size_t i = 0; m && i < m->n_rules; i++)
        if (drift_rule_chain(&m->rules[i]) == chain && !strcmp(m->rules[i].name, name))
            return &m->rules[i];
    return NULL;
}

static void evaluate_rules(struct drift_work *w)
{
    struct drift_outcome *o = &w->o;
    for (size_t i = 0; i < o->model->n_rules; i++) {
        const struct drift_rule *rule = &o->model->rules[i];
        if (drift_rule_chain(rule) != w->id.kind)
            continue;
        struct drift_outcome_rule *r = add_rule(o, rule, o->config);
        r->before = r->after = drift_state_alert(&w->st, rule->name);
        if (!drift_work_measured(&w->v))
            continue;
        r->measured = true;
        drift_rule_evaluate(rule, &w->v, &r->result);
        if (!w->early)
            r->transition = drift_alert_step(&r->after, rule, &r->result, w->v.start_ms, w->v.end_ms);
    }
}

/* The newest older plan entry that had the rule tells whom its incident was announced to. */
static void retire(struct drift_work *w, const char *name, const struct drift_alert *a)
{
    size_t looked = 0;
    for (size_t i = w->st.plan.n; i-- > 0 && looked < OLDER_CONFIGS;) {
        const struct drift_plan_entry *e = &w->st.plan.entry[i];
        if (e->from_ms >= w->o.plan->from_ms)
            continue;
        looked++;
        const struct drift_config *c = drift_cache_config(w->j->cache, e->config_hash, &w->st.fields, NULL);
        const struct drift_rule *rule = c ? rule_of(c, w->id.model, w->id.kind, name) : NULL;
        if (!rule)
            continue;
        struct drift_outcome_rule *r = add_rule(&w->o, rule, c);
        r->retired = true;
        r->before = *a;
        r->transition = DRIFT_TRANSITION_RESOLVED;
        return;
    }
    drift_log(DRIFT_WARN, "incident_dropped", KV_S("model", w->id.model), KV_S("rule", name));
}

/* Rules that fire in the stored state but are no longer in the plan: their incidents end here. */
static void retire_rules(struct drift_work *w)
{
    const char *name;
    json_t *stored;
    json_object_foreach(w->st.alerts, name, stored)
    {
        struct drift_alert a;
        if (!rule_of(w->o.config, w->id.model, w->id.kind, name) && !drift_alert_parse(stored, &a, NULL) &&
            a.phase == DRIFT_ALERT_FIRING)
            retire(w, name, &a);
    }
}

static void set_status(struct drift_work *w)
{
    struct drift_outcome *o = &w->o;
    bool rules = false;
    for (size_t i = 0; i < o->n_rules; i++)
        rules = rules || !o->rules[i].retired;
    o->status = o->status_before = w->st.status;
    if (w->early)
        return;
    if (w->id.kind == DRIFT_CHAIN_LABEL && !rules)
        return; /* nobody asked for the labels: they neither degrade a model nor leave it unmonitored */
    if (w->v.kind == DRIFT_VERDICT_UNMONITORED)
        o->status = DRIFT_STATUS_UNMONITORED;
    else if (drift_work_measured(&w->v))
        o->status = drift_outcome_severity(o) ? DRIFT_STATUS_DEGRADED : DRIFT_STATUS_OK;
}

static void list_forced(struct drift_work *w)
{
    w->o.forced = json_array();
    for (size_t i = 0; i < w->g.n_parts; i++) {
        const struct drift_part *p = &w->g.parts[i];
        char *name = drift_xasprintf("%s/%" PRId32, p->topic, p->partition);
        if (p->forced)
            json_array_append_new(w->o.forced, json_string(name));
        free(name);
    }
}

int drift_work_decide(struct drift_work *w, struct drift_err *err)
{
    struct drift_outcome *o = &w->o;
    int rc = load_reference(w, err);
    rc = rc ? rc : add_counts(w, err);
    if (rc)
        return rc;
    w->v = (struct drift_verdict){.chain = w->id.kind,
                                  .start_ms = w->g.start_ms,
                                  .from_ms = w->g.from_ms,
                                  .end_ms = w->g.end_ms,
                                  .summary = w->sum,
                                  .baseline_id = w->baseline ? o->plan->baseline_id : "",
                                  .baseline_digest = w->baseline ? w->baseline->digest : "",
                                  .unmonitored_why = w->why};
    o->group = w->j->set.config->kafka.group;
    o->segment = "";
    o->verdict = &w->v;
    o->preliminary = w->early;
    o->baseline = w->baseline ? reference(w)->pooled : NULL;
    o->n_damaged = w->g.n_damaged;
    list_forced(w);
    bool gap = w->st.judged_until_ms != INT64_MIN && w->st.judged_until_ms < w->g.start_ms;
    o->gap_from_ms = gap ? w->st.judged_until_ms : w->g.start_ms;
    set_kind(w);
    if (drift_work_measured(&w->v))
        measure(w);
    evaluate_rules(w);
    o->segments = drift_work_measured(&w->v) ? drift_outcome_segments(o) : NULL;
    if (!w->early && (drift_work_measured(&w->v) || w->v.kind == DRIFT_VERDICT_UNMONITORED))
        retire_rules(w);
    set_status(w);
    if (!w->early)
        w->n_actions = drift_outcome_actions(o, &w->actions);
    return 0;
}

/* ---- one step ---- */

static int judge(struct drift_work *w, enum drift_judge_result *ret, struct drift_err *err)
{
    enum drift_reply reply = DRIFT_REPLY_CONFLICT;
    int64_t began = drift_clock_system.mono_ns(drift_clock_system.ctx);
    int rc = drift_work_decide(w, err);
    if (rc) {
        drift_err_prefix(err, "model %s, %s chain", w->id.model, drift_chain_name(w->id.kind));
        return rc;
    }
    rc = drift_work_write(w, &reply, err);
    if (rc)
        return rc;
    *ret = DRIFT_JUDGE_AGAIN;
    if (reply != DRIFT_REPLY_OK && reply != DRIFT_REPLY_DUP)
        return 0;
    *ret = DRIFT_JUDGE_JUDGED;
    drift_work_show(w);
    double seconds = (double)(drift_clock_system.mono_ns(drift_clock_system.ctx) - began) / 1e9;
    drift_series_add(drift_series(DRIFT_M_JUDGE_SECONDS, (char *)NULL), seconds);
    return 0;
}

int drift_judge_step(struct drift_judge *j, struct drift_chain_id chain, enum drift_judge_result *ret,
                     struct drift_buf *waiting, struct drift_err *err)
{
    struct drift_work w = {.j = j, .id = chain};
    enum drift_judge_result result = DRIFT_JUDGE_IDLE;
    int rc = drift_state_read(j->set.store, chain, &w.st, err);
    if (!rc && w.st.head) {
        drift_status_show(j, chain, w.st.status);
        rc = drift_gather(j->set.store, chain, &w.st, j->set.config->state.settle_ms, &w.g, &result, waiting, err);
        if (!rc)
            rc = drift_hold_tend(&w, &result, err);
        if (!rc && result == DRIFT_JUDGE_JUDGED)
            rc = judge(&w, &result, err);
    }
    drift_work_release(&w);
    if (!rc)
        *ret = result;
    return rc;
}
