/* src/judge/judge.c    One chain, one window: gather, measure, evaluate, write; for the pipeline's judge thread.
 *
 * Everything that goes into the verdict is put together first and written by one compare-and-set, so a judge may die, be
 * slow or be one of several at any point.  Nothing is kept between two steps but caches of immutable things: whatever
 * the answer was, the next step starts from what Redis says. */
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

enum { BLOB_MAX = 64 << 20, OLDER_CONFIGS = 8 };
static const int64_t HEADER_MAX_AGE_MS = INT64_C(7) * 86400000;

struct drift_judge {
    struct drift_judge_settings set;
    struct drift_cache *cache;
    struct drift_layout *bare; /* no columns: counts of a chain without a baseline */
    char **secret;             /* [config->n_endpoints], the first one of each; NULL: none */
    struct known_status {
        char *model;
        enum drift_model_status chain[DRIFT_N_CHAIN];
    } *known; /* [config->n_models], for the metric */
};

/* One window on its way through the judge. */
struct work {
    struct drift_judge *j;
    struct drift_chain_id id;
    struct drift_state st;
    struct drift_gathered g;
    struct drift_summary *sum;
    struct drift_measure *measures;
    const struct drift_baseline *baseline;
    char *why; /* unmonitored */
    char numbers[33];
    uint32_t windows; /* held ones that are in the sum */
    struct drift_verdict v;
    struct drift_outcome o;
    size_t n_actions;
    struct drift_action *actions;
};

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
    for (size_t i = 0; i < j->set.config->n_models; i++)
        free(j->known[i].model);
    free(j->known);
    drift_layout_free(j->bare);
    drift_cache_free(j->cache);
    free(j);
}

static void work_release(struct work *w)
{
    for (size_t i = 0; i < w->n_actions; i++)
        drift_action_release(&w->actions[i]);
    free(w->actions);
    for (size_t i = 0; i < w->o.n_rules; i++)
        drift_rule_result_release(&w->o.rules[i].result);
    free(w->o.rules);
    free(w->measures);
    free(w->why);
    drift_summary_free(w->sum);
    drift_gather_release(&w->g);
    drift_state_release(&w->st);
}

/* ---- what the window is compared with ---- */

/* Openly: what the model's status says while its baseline is being learned. */
static char *learning_text(const struct work *w)
{
    const struct drift_pair *f = drift_pairs_find(&w->st.fields, "first");
    int64_t first = w->g.start_ms;
    char until[32];
    if (f)
        (void)drift_i64_parse(f->value, f->len, &first);
    drift_time_text(first + w->o.model->learn_ms, until, sizeof until);
    return drift_xasprintf("learning its baseline from the traffic until %s", until);
}

static int load_reference(struct work *w, struct drift_err *err)
{
    struct drift_judge *j = w->j;
    struct drift_outcome *o = &w->o;
    o->plan = drift_plan_at(&w->st.plan, w->g.start_ms);
    o->config = drift_cache_config(j->cache, o->plan->config_hash, &w->st.fields, err);
    if (!o->config)
        return DRIFT_E_CORRUPT;
    o->model = drift_config_model(o->config, w->id.model);
    if (!o->model)
        return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_SKIP, "the model is not in configuration %.12s, which its plan names", o->config->hash);
    int rc = drift_cache_baseline(j->cache, w->id.model, o->plan, &w->baseline, &w->why, err);
    if (rc)
        return rc;
    if (!o->plan->baseline_id[0] && o->model->learn_ms) {
        free(w->why);
        w->why = learning_text(w);
    }
    if (w->baseline && !w->baseline->chain[w->id.kind].layout->n_columns) {
        w->why = drift_xasprintf("its baseline %s has no %s", w->baseline->id, w->id.kind == DRIFT_CHAIN_LABEL ? "labels" : "columns of the inputs");
        w->baseline = NULL;
    }
    return 0;
}

static const struct drift_baseline_chain *reference(const struct work *w)
{
    return w->baseline ? &w->baseline->chain[w->id.kind] : NULL;
}

/* ---- counts ---- */

static void name_numbers(struct work *w)
{
    struct drift_buf b;
    uint8_t digest[DRIFT_SHA256_BYTES];
    drift_buf_init(&b, BLOB_MAX);
    drift_summary_save(w->sum, &b);
    drift_sha256(b.data, b.len, digest);
    drift_hex(digest, 16, w->numbers);
    drift_buf_release(&b);
}

static int add_counts(struct work *w, struct drift_err *err)
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

static bool is_small(const struct work *w, uint64_t n)
{
    const struct drift_model *m = w->o.model;
    return n < m->min_events && (!m->max_carry || w->windows < m->max_carry);
}

/* Adds what earlier windows left; a carry of another layout is excluded. */
static void add_carry(struct work *w)
{
    const struct drift_carry *c = &w->st.carry;
    struct drift_err e = {0};
    struct drift_blob_head head = {0};
    if (!c->there)
        return;
    if (drift_blob_head(c->blob, c->len, &head, &e) || drift_blob_add(c->blob, c->len, w->sum, &e)) {
        w->v.excluded += head.n;
        drift_log(DRIFT_WARN, "carry_excluded", KV_S("model", w->id.model), KV_U("events", head.n), KV_S("error", e.text));
        return;
    }
    w->windows = c->windows;
    w->v.carried = head.n;
    w->v.carried_from_ms = c->from_ms;
}

static void set_kind(struct work *w)
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
    }
    v->n = w->sum->n;
}

/* ---- measures and rules ---- */

static void measure_volume(struct work *w)
{
    const struct drift_baseline_chain *ref = reference(w);
    double scale = ref->window_ms > 0 ? (double)(w->v.end_ms - w->v.start_ms) / (double)ref->window_ms : 1, sum = 0;
    uint64_t *n = drift_xcalloc(ref->n_windows ? ref->n_windows : 1, sizeof *n);
    for (size_t i = 0; i < ref->n_windows; i++) {
        n[i] = (uint64_t)llround((double)ref->windows[i].summary->n * scale);
        sum += (double)n[i];
    }
    w->o.baseline_per_window = ref->n_windows ? sum / (double)ref->n_windows : 0;
    /* carried events belong to the windows that they came from: each had its own volume */
    drift_measure_volume(n, (uint32_t)ref->n_windows, w->v.n - w->v.carried, &w->v.volume);
    free(n);
}

static void measure(struct work *w)
{
    const struct drift_layout *l = w->sum->layout;
    const struct drift_summary *pooled = reference(w)->pooled;
    w->measures = drift_xcalloc((size_t)l->n_columns * DRIFT_N_MEASURE, sizeof *w->measures);
    for (uint32_t i = 0; i < l->n_columns; i++) {
        const struct drift_column *c = &l->columns[i];
        drift_measure_column(c, pooled->counts + c->first, w->sum->counts + c->first, &w->measures[(size_t)i * DRIFT_N_MEASURE]);
    }
    w->v.measures = w->measures;
    measure_volume(w);
}

static bool is_measured(const struct drift_verdict *v)
{
    return v->kind == DRIFT_VERDICT_OK || v->kind == DRIFT_VERDICT_FORCED;
}

static struct drift_outcome_rule *add_rule(struct drift_outcome *o, const struct drift_rule *rule, const struct drift_config *c)
{
    o->rules = drift_xrealloc(o->rules, o->n_rules + 1, sizeof *o->rules);
    struct drift_outcome_rule *r = &o->rules[o->n_rules++];
    *r = (struct drift_outcome_rule){.rule = rule, .config = c};
    return r;
}

static const struct drift_rule *rule_of(const struct drift_config *c, const char *model, enum drift_chain_kind chain, const char *name)
{
    const struct drift_model *m = drift_config_model(c, model);
    for (size_t i = 0; m && i < m->n_rules; i++)
        if (drift_rule_chain(&m->rules[i]) == chain && !strcmp(m->rules[i].name, name))
            return &m->rules[i];
    return NULL;
}

static void evaluate_rules(struct work *w)
{
    struct drift_outcome *o = &w->o;
    for (size_t i = 0; i < o->model->n_rules; i++) {
        const struct drift_rule *rule = &o->model->rules[i];
        if (drift_rule_chain(rule) != w->id.kind)
            continue;
        struct drift_outcome_rule *r = add_rule(o, rule, o->config);
        r->before = r->after = drift_state_alert(&w->st, rule->name);
        if (!is_measured(&w->v))
            continue;
        r->measured = true;
        drift_rule_evaluate(rule, &w->v, &r->result);
        r->transition = drift_alert_step(&r->after, rule, &r->result, w->v.start_ms, w->v.end_ms);
    }
}

/* The newest older plan entry that had the rule tells whom its incident was announced to. */
static void retire(struct work *w, const char *name, const struct drift_alert *a)
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
static void retire_rules(struct work *w)
{
    const char *name;
    json_t *stored;
    json_object_foreach(w->st.alerts, name, stored)
    {
        struct drift_alert a;
        if (!rule_of(w->o.config, w->id.model, w->id.kind, name) && !drift_alert_parse(stored, &a, NULL) && a.phase == DRIFT_ALERT_FIRING)
            retire(w, name, &a);
    }
}

static void set_status(struct work *w)
{
    struct drift_outcome *o = &w->o;
    bool rules = false;
    for (size_t i = 0; i < o->n_rules; i++)
        rules = rules || !o->rules[i].retired;
    o->status = o->status_before = w->st.status;
    if (w->id.kind == DRIFT_CHAIN_LABEL && !rules)
        return; /* nobody asked for the labels: they neither degrade a model nor leave it unmonitored */
    if (w->v.kind == DRIFT_VERDICT_UNMONITORED)
        o->status = DRIFT_STATUS_UNMONITORED;
    else if (is_measured(&w->v))
        o->status = drift_outcome_severity(o) ? DRIFT_STATUS_DEGRADED : DRIFT_STATUS_OK;
}

static int decide(struct work *w, struct drift_err *err)
{
    struct drift_outcome *o = &w->o;
    int rc = load_reference(w, err);
    rc = rc ? rc : add_counts(w, err);
    if (rc)
        return rc;
    w->v = (struct drift_verdict){.chain = w->id.kind, .start_ms = w->g.start_ms, .end_ms = w->g.end_ms, .summary = w->sum,
                                  .baseline_id = w->baseline ? o->plan->baseline_id : "",
                                  .baseline_digest = w->baseline ? w->baseline->digest : "", .unmonitored_why = w->why};
    o->group = w->j->set.config->kafka.group;
    o->segment = "";
    o->verdict = &w->v;
    o->baseline = w->baseline ? reference(w)->pooled : NULL;
    o->n_damaged = w->g.n_damaged;
    bool gap = w->st.judged_until_ms != INT64_MIN && w->st.judged_until_ms < w->g.start_ms;
    o->gap_from_ms = gap ? w->st.judged_until_ms : w->g.start_ms;
    set_kind(w);
    if (is_measured(&w->v))
        measure(w);
    evaluate_rules(w);
    if (is_measured(&w->v) || w->v.kind == DRIFT_VERDICT_UNMONITORED)
        retire_rules(w);
    set_status(w);
    w->n_actions = drift_outcome_actions(o, &w->actions);
    return 0;
}

/* ---- the write ---- */

struct write {
    struct drift_pair sets[5], body, *out;
    size_t n_sets, n_out, n_dels, n_v_dels;
    char **dels, **v_dels;
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
    for (size_t i = 0; i < x->n_v_dels; i++)
        free(x->v_dels[i]);
    pair_release(&x->body);
    free(x->out);
    free(x->dels);
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
static char *header_text(const struct work *w)
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
    char *text = json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(j);
    if (!text)
        drift_bug("a verdict header has no JSON form");
    char *ret = drift_xasprintf("%.*s,\"ms\":@now@}", (int)strlen(text) - 1, text);
    free(text);
    return ret;
}

/* Every partition has dropped the window, or the header is so old that nobody waits for it. */
static bool is_done(const struct work *w, const struct drift_pair *f, int64_t start_ms, int64_t gone_ms, int64_t max_age_ms)
{
    if (drift_plan_window_end(&w->st.plan, start_ms) <= gone_ms)
        return true;
    json_t *j = json_loadb(f->value, f->len, 0, NULL);
    int64_t ms = json_integer_value(json_object_get(j, "ms"));
    json_decref(j);
    return ms > 0 && w->st.now_ms - ms > max_age_ms;
}

static void prune_headers(const struct work *w, struct write *x)
{
    int64_t gone = INT64_MAX, start, max_age = w->j->set.config->state.retain_ms + HEADER_MAX_AGE_MS;
    for (size_t i = 0; i < w->g.n_parts; i++)
        if (w->g.parts[i].needed && w->g.parts[i].view.gone_ms < gone)
            gone = w->g.parts[i].view.gone_ms;
    for (size_t i = 0; i < w->st.fields.n; i++) {
        const struct drift_pair *f = &w->st.fields.pair[i];
        if (!strncmp(f->name, "w:", 2) && drift_i64_parse(f->name + 2, strlen(f->name + 2), &start) && start < w->v.start_ms &&
            is_done(w, f, start, gone, max_age))
            add_name(&x->dels, &x->n_dels, drift_xstrdup(f->name));
    }
}

static int prune_bodies(const struct work *w, struct write *x, struct drift_err *err)
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

static void put_carry(struct work *w, struct write *x)
{
    const struct drift_verdict *v = &w->v;
    if (v->kind == DRIFT_VERDICT_HELD && v->n) {
        struct drift_buf b;
        drift_buf_init(&b, BLOB_MAX);
        drift_blob_save(w->sum, w->o.plan->seq, false, &b);
        if (b.full)
            drift_bug("the counts of a window are larger than a layout allows");
        x->sets[x->n_sets++] = pair(drift_xstrdup("carry"), drift_state_carry_text(v->carried_from_ms, w->windows + 1, b.data, b.len));
        drift_buf_release(&b);
        return;
    }
    bool used = is_measured(v) || v->kind == DRIFT_VERDICT_UNMONITORED || v->kind == DRIFT_VERDICT_HELD;
    if (used && drift_pairs_find(&w->st.fields, "carry"))
        add_name(&x->dels, &x->n_dels, drift_xstrdup("carry"));
}

static const char *secret_of(const struct drift_judge *j, const char *endpoint)
{
    for (size_t i = 0; i < j->set.config->n_endpoints; i++)
        if (!strcmp(j->set.config->endpoints[i].name, endpoint))
            return j->secret[i];
    return NULL;
}

static int compose(struct work *w, struct write *x, struct drift_err *err)
{
    char start[24];
    snprintf(start, sizeof start, "%" PRId64, w->v.start_ms);
    drift_random_hex32(x->head);
    x->sets[x->n_sets++] = pair(drift_xasprintf("w:%s", start), header_text(w));
    if (w->st.judged_until_ms == INT64_MIN) /* where learning a baseline begins */
        x->sets[x->n_sets++] = pair(drift_xstrdup("first"), drift_xstrdup(start));
    if (is_measured(&w->v) || w->v.kind == DRIFT_VERDICT_UNMONITORED)
        x->sets[x->n_sets++] = pair(drift_xstrdup("alerts"), drift_state_alerts_text(&w->o));
    if (w->o.status != w->o.status_before)
        x->sets[x->n_sets++] = pair(drift_xstrdup("status"), drift_state_status_text(&w->o));
    put_carry(w, x);
    x->body = pair(drift_xstrdup(start), drift_outcome_verdict(&w->o, w->actions, w->n_actions));
    x->out = drift_xcalloc(w->n_actions ? w->n_actions : 1, sizeof *x->out);
    for (; x->n_out < w->n_actions; x->n_out++) {
        const struct drift_action *a = &w->actions[x->n_out];
        x->out[x->n_out] = pair(drift_xasprintf("e:%s", a->id), drift_action_entry(a, secret_of(w->j, a->endpoint)));
    }
    prune_headers(w, x);
    return prune_bodies(w, x, err);
}

static int write_verdict(struct work *w, enum drift_reply *ret, struct drift_err *err)
{
    struct write x = {0};
    int rc = compose(w, &x, err);
    if (!rc) {
        struct drift_verdict_write vw = {.prev = w->st.head, .new_head = x.head, .start_ms = w->v.start_ms, .end_ms = w->v.end_ms,
                                         .sets = x.sets, .n_sets = x.n_sets, .dels = (const char *const *)x.dels, .n_dels = x.n_dels,
                                         .bodies = &x.body, .n_bodies = 1, .v_dels = (const char *const *)x.v_dels,
                                         .n_v_dels = x.n_v_dels, .out = x.out, .n_out = x.n_out};
        struct drift_err first = {0};
        rc = drift_store_verdict(w->j->set.store, w->id, &vw, ret, &first);
        if (rc && first.action == DRIFT_RETRY) /* in doubt: the same bytes once more tell whether it was applied */
            rc = drift_store_verdict(w->j->set.store, w->id, &vw, ret, err);
        else if (rc && err)
            *err = first;
    }
    write_release(&x);
    return rc;
}

/* ---- what the world sees ---- */

static const char *column_label(const struct drift_column *c)
{
    return c->role == DRIFT_FEATURE ? c->name : drift_role_name(c->role);
}

static void show_measure(const char *model, const char *column, const struct drift_measure *m)
{
    bool there = m->why == DRIFT_WHY_NONE;
    drift_gauge(DRIFT_M_MEASURE, there ? m->effect : (double)NAN, model, column, drift_measure_name(m->id));
    if (m->has_p || !there)
        drift_gauge(DRIFT_M_MEASURE_P, there ? m->p_value : (double)NAN, model, column, drift_measure_name(m->id));
}

/* PSI of every column, and whatever a rule looks at: all measures of all columns would be thousands of series. */
static void show_measures(const struct work *w)
{
    const struct drift_layout *l = w->sum->layout;
    for (uint32_t i = 0; i < l->n_columns; i++) {
        const struct drift_measure *row = &w->measures[(size_t)i * DRIFT_N_MEASURE];
        bool shown[DRIFT_N_MEASURE] = {[DRIFT_MEASURE_PSI] = true};
        for (size_t k = 0; k < w->o.n_rules; k++)
            shown[w->o.rules[k].rule->measure] = true;
        for (int m = 0; m < DRIFT_N_MEASURE; m++)
            if (shown[m] && row[m].why != DRIFT_WHY_NOT_DEFINED)
                show_measure(w->id.model, column_label(&l->columns[i]), &row[m]);
    }
    if (w->id.kind == DRIFT_CHAIN_INPUT)
        show_measure(w->id.model, "model", &w->v.volume);
}

static void show_rules(const struct work *w)
{
    for (size_t i = 0; i < w->o.n_rules; i++) {
        const struct drift_outcome_rule *r = &w->o.rules[i];
        const struct drift_rule *rule = r->rule;
        int state = r->after.phase == DRIFT_ALERT_FIRING ? 1 + (int)r->after.severity : (int)r->after.phase;
        drift_gauge(DRIFT_M_ALERT, state, w->id.model, rule->name);
        if (!isnan(rule->warning))
            drift_gauge(DRIFT_M_THRESHOLD, rule->warning, w->id.model, rule->name, "warning");
        if (!isnan(rule->critical))
            drift_gauge(DRIFT_M_THRESHOLD, rule->critical, w->id.model, rule->name, "critical");
        if (r->transition != DRIFT_TRANSITION_NONE)
            drift_log(r->transition == DRIFT_TRANSITION_RESOLVED ? DRIFT_INFO : DRIFT_WARN, "alert_changed",
                      KV_S("model", w->id.model), KV_S("rule", rule->name), KV_S("transition", drift_transition_name(r->transition)),
                      KV_S("severity", drift_severity_name(r->after.severity)), KV_I("window", w->v.start_ms));
    }
}

/* The model's metric is the worse of its two chains. */
static void show_status(struct drift_judge *j, struct drift_chain_id id, enum drift_model_status status)
{
    struct known_status *k = j->known;
    size_t i = 0, n = j->set.config->n_models;
    while (i < n && k[i].model && strcmp(k[i].model, id.model))
        i++;
    if (status == DRIFT_STATUS_UNKNOWN || i == n)
        return;
    if (!k[i].model)
        k[i].model = drift_xstrdup(id.model);
    if (k[i].chain[id.kind] == status)
        return;
    k[i].chain[id.kind] = status;
    enum drift_model_status a = k[i].chain[DRIFT_CHAIN_INPUT], b = k[i].chain[DRIFT_CHAIN_LABEL], worst = a > b ? a : b;
    drift_gauge(DRIFT_M_MODEL_STATUS, (int)worst - (int)DRIFT_STATUS_OK, id.model);
}

static void show(const struct work *w)
{
    const struct drift_verdict *v = &w->v;
    const char *chain = drift_chain_name(v->chain), *kind = drift_verdict_kind_name(v->kind);
    drift_count(DRIFT_M_VERDICTS, w->id.model, chain, kind);
    drift_gauge(DRIFT_M_WINDOW_EVENTS, (double)v->n, w->id.model, chain);
    drift_gauge(DRIFT_M_WINDOW_END, (double)v->end_ms / 1000, w->id.model, chain);
    if (v->measures)
        show_measures(w);
    show_rules(w);
    show_status(w->j, w->id, w->o.status);
    if (v->kind == DRIFT_VERDICT_LOST)
        drift_log(DRIFT_ERROR, "verdict_lost", KV_S("model", w->id.model), KV_S("chain", chain), KV_I("window", v->start_ms));
    if (v->kind == DRIFT_VERDICT_UNMONITORED && w->o.status_before != DRIFT_STATUS_UNMONITORED)
        drift_log(DRIFT_WARN, "model_unmonitored", KV_S("model", w->id.model), KV_S("chain", chain), KV_S("why", v->unmonitored_why));
    if (v->excluded)
        drift_log(DRIFT_WARN, "counts_excluded", KV_S("model", w->id.model), KV_S("chain", chain), KV_I("window", v->start_ms), KV_U("events", v->excluded));
    if (w->j->set.judged)
        w->j->set.judged(w->j->set.ctx, w->id.model, v, drift_outcome_severity(&w->o), w->n_actions);
}

/* ---- one step ---- */

static int judge(struct work *w, enum drift_judge_result *ret, struct drift_err *err)
{
    enum drift_reply reply = DRIFT_REPLY_CONFLICT;
    int64_t began = drift_clock_system.mono_ns(drift_clock_system.ctx);
    int rc = decide(w, err);
    if (rc) {
        drift_err_prefix(err, "model %s, %s chain", w->id.model, drift_chain_name(w->id.kind));
        return rc;
    }
    rc = write_verdict(w, &reply, err);
    if (rc)
        return rc;
    *ret = DRIFT_JUDGE_AGAIN;
    if (reply != DRIFT_REPLY_OK && reply != DRIFT_REPLY_DUP)
        return 0;
    *ret = DRIFT_JUDGE_JUDGED;
    show(w);
    double seconds = (double)(drift_clock_system.mono_ns(drift_clock_system.ctx) - began) / 1e9;
    drift_series_add(drift_series(DRIFT_M_JUDGE_SECONDS, (char *)NULL), seconds);
    return 0;
}

int drift_judge_step(struct drift_judge *j, struct drift_chain_id chain, enum drift_judge_result *ret,
                     struct drift_buf *waiting, struct drift_err *err)
{
    struct work w = {.j = j, .id = chain};
    enum drift_judge_result result = DRIFT_JUDGE_IDLE;
    int rc = drift_state_read(j->set.store, chain, &w.st, err);
    if (!rc && w.st.head) {
        show_status(j, chain, w.st.status);
        rc = drift_gather(j->set.store, chain, &w.st, j->set.config->state.settle_ms, &w.g, &result, waiting, err);
        if (!rc && result == DRIFT_JUDGE_JUDGED)
            rc = judge(&w, &result, err);
    }
    work_release(&w);
    if (!rc)
        *ret = result;
    return rc;
}
