/* src/judge/action.c    Which steps of which playbook a window starts, and the CloudEvents bodies that they send.
 *
 * An incident may run two playbooks: the one of warning first, then the one of critical.  Whoever was told that it
 * began is told that it ended, so the alert remembers which ones were started; a step that stands in both (same kind,
 * same endpoint) is one step.  On the way up, a step that the incident has not run yet starts whatever its on_update
 * says: a page that only the critical playbook has must not be lost because the alert was already firing.
 *
 * A body has to stay below 20 kB for the receivers of webhooks: when it does not, it is built again with shorter lists
 * and texts, and says so. */
#include "words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"

enum { BODY_MAX = 20000 };

struct cut {
    size_t list, text;
};
static const struct cut cuts[] = {{10, 4096}, {10, 1024}, {5, 256}, {3, 120}, {1, 40}};
enum { N_CUT = sizeof cuts / sizeof *cuts };

/* The action being written. */
struct job {
    struct drift_outcome *o;
    struct drift_outcome_rule *r; /* NULL: status of the model */
    const struct drift_playbook *playbook;
    const struct drift_step *step;
    enum drift_severity severity;
    const struct cut *cut;
    bool is_cut;
};

struct list {
    size_t n, cap;
    struct drift_action *a;
};

/* ---- small values ---- */

static json_t *real_json(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}
static json_t *count_json(uint64_t n)
{
    return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}
static json_t *time_json(int64_t ms)
{
    char text[32];
    return json_string(drift_time_text(ms, text, sizeof text));
}

static json_t *text_json(const struct job *k, const char *s)
{
    if (!s)
        return json_null();
    size_t n = strlen(s);
    if (n <= k->cut->text)
        return drift_text_json(s);
    n = k->cut->text;
    while (n && ((unsigned char)s[n] & 0xC0) == 0x80)
        n--;
    char *shorter = drift_xasprintf("%.*s...", (int)n, s);
    json_t *j = drift_text_json(shorter);
    free(shorter);
    return j;
}

/* ---- parts of the data ---- */

static const char *scope_name(enum drift_scope s)
{
    static const char *const name[] = {"feature", "score", "decision", "label", "source", "latency", "model"};
    return (size_t)s < sizeof name / sizeof *name ? name[s] : "model";
}

static json_t *rule_json(const struct job *k)
{
    const struct drift_rule *rule = k->r->rule;
    json_t *j = json_object();
    json_object_set_new(j, "name", text_json(k, rule->name));
    json_object_set_new(j, "measure", json_string(drift_measure_name(rule->measure)));
    json_object_set_new(j, "scope", json_string(scope_name(rule->scope)));
    json_object_set_new(j, "feature", rule->scope == DRIFT_SCOPE_FEATURE ? text_json(k, rule->feature) : json_null());
    json_object_set_new(j, "warning", real_json(rule->warning));
    json_object_set_new(j, "critical", real_json(rule->critical));
    json_object_set_new(j, "recovery", real_json(rule->recovery));
    json_object_set_new(j, "gate", k->r->measured ? real_json(k->r->result.gate) : json_null());
    json_object_set_new(j, "in_scope", k->r->measured ? count_json(k->r->result.n_in_scope) : json_null());
    return j;
}

static json_t *owner_json(const struct job *k, const struct drift_config *c, size_t owner)
{
    if (owner >= c->n_owners)
        return json_null();
    json_t *j = json_object();
    json_object_set_new(j, "name", text_json(k, c->owners[owner].name));
    json_object_set_new(j, "team", text_json(k, c->owners[owner].team));
    json_object_set_new(j, "contact", text_json(k, c->owners[owner].contact));
    return j;
}

static void put_sla(json_t *j, const char *name, const char *due_name, int64_t ms, int64_t end_ms)
{
    char text[48], key[32];
    strcpy(key, name);
    strcat(key, "_ms");
    json_object_set_new(j, name, ms ? json_string(drift_duration_text(ms, text, sizeof text)) : json_null());
    json_object_set_new(j, key, ms ? json_integer(ms) : json_null());
    json_object_set_new(j, due_name, ms ? time_json(end_ms + ms) : json_null());
}

static json_t *sla_json(const struct drift_sla *sla, int64_t end_ms)
{
    json_t *j = json_object();
    put_sla(j, "acknowledge", "acknowledge_by", sla->acknowledge_ms, end_ms);
    put_sla(j, "resolve", "resolve_by", sla->resolve_ms, end_ms);
    return j;
}

static json_t *finding_json(const struct job *k, const struct drift_finding *f)
{
    const struct drift_measure *m = &f->measure;
    struct drift_share share;
    json_t *j = json_object();
    json_object_set_new(j, "name", f->column ? text_json(k, f->column->name) : json_string(drift_measure_name(m->id)));
    json_object_set_new(j, "role", json_string(f->column ? drift_role_name(f->column->role) : "model"));
    json_object_set_new(j, "measure", json_string(drift_measure_name(m->id)));
    json_object_set_new(j, "breach", json_string(drift_severity_name(f->breach)));
    json_object_set_new(j, "effect", real_json(m->effect));
    json_object_set_new(j, "value", real_json(m->value));
    json_object_set_new(j, "baseline", real_json(m->baseline));
    json_object_set_new(j, "p", m->has_p ? real_json(m->p_value) : json_null());
    json_object_set_new(j, "low", real_json(m->low));
    json_object_set_new(j, "high", real_json(m->high));
    drift_outcome_put_interval(j, k->o, f);
    if (m->id == DRIFT_MEASURE_EVIDENCE && k->o->evidence)
        json_object_set_new(j, "detail", drift_outcome_evidence_json(k->o->evidence));
    if (m->id == DRIFT_MEASURE_DETECTOR)
        json_object_set_new(j, "detail", drift_outcome_detectors_json(k->o));
    if ((m->id == DRIFT_MEASURE_DEPENDENCE || m->id == DRIFT_MEASURE_EMBEDDING) && k->o->dependence)
        json_object_set_new(j, "detail", drift_outcome_dependence_json(k->o->dependence));
    if ((m->id == DRIFT_MEASURE_SEGMENT_PSI || m->id == DRIFT_MEASURE_SEGMENT_RATE) && k->o->segmented)
        json_object_set_new(
            j, "detail", drift_outcome_segment_json(k->o->segmented, drift_outcome_segment_of(k->o->segmented, m->id)));
    if (drift_words_share(k->o, f->column, &share)) {
        json_t *s = json_object();
        json_object_set_new(s, "class", text_json(k, share.name));
        json_object_set_new(s, "window", real_json(share.now));
        json_object_set_new(s, "baseline", real_json(share.then));
        json_object_set_new(j, "share", s);
    }
    return j;
}

static json_t *findings_json(const struct job *k)
{
    json_t *j = json_array();
    for (size_t i = 0; i < k->r->result.n_findings && i < k->cut->list; i++)
        json_array_append_new(j, finding_json(k, &k->r->result.findings[i]));
    return j;
}

static json_t *incident_json(const struct job *k, int64_t incident_ms)
{
    char id[33];
    json_t *j = json_object();
    drift_action_id(k->o->group, k->o->model->name, k->o->segment, k->r->rule->name, incident_ms, "", 0, "", "", 0, id);
    json_object_set_new(j, "id", json_string(id));
    json_object_set_new(j, "start", time_json(incident_ms));
    json_object_set_new(j, "start_ms", json_integer(incident_ms));
    return j;
}

static json_t *window_json(const struct drift_outcome *o)
{
    const struct drift_verdict *v = o->verdict;
    json_t *j = json_object();
    json_object_set_new(j, "start", time_json(v->from_ms));
    json_object_set_new(j, "end", time_json(v->end_ms));
    json_object_set_new(j, "start_ms", json_integer(v->from_ms));
    json_object_set_new(j, "end_ms", json_integer(v->end_ms));
    json_object_set_new(j, "carried_from", v->carried ? time_json(v->carried_from_ms) : json_null());
    json_object_set_new(j, "gap_from", o->gap_from_ms < v->start_ms ? time_json(o->gap_from_ms) : json_null());
    return j;
}

static json_t *baseline_json(const struct job *k)
{
    json_t *j = json_object();
    json_object_set_new(j, "id", text_json(k, k->o->verdict->baseline_id));
    json_object_set_new(j, "digest", drift_text_json(k->o->verdict->baseline_digest));
    return j;
}

static json_t *config_json(const struct job *k)
{
    const struct drift_config *c = k->o->config;
    json_t *j = json_object(), *change = json_object();
    json_object_set_new(change, "version", text_json(k, c->change.version));
    json_object_set_new(change, "approved_by", text_json(k, c->change.approved_by));
    json_object_set_new(change, "reason", text_json(k, c->change.reason));
    json_object_set_new(j, "hash", json_string(c->hash));
    json_object_set_new(j, "change", change);
    return j;
}

/* Partitions that max_hold closed: a receiver must know that counts are missing. */
static void put_forced(const struct job *k, json_t *j)
{
    size_t n = json_array_size(k->o->forced);
    if (!n)
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < n && i < k->cut->list; i++)
        json_array_append(list, json_array_get(k->o->forced, i));
    json_object_set_new(j, "forced", list);
    json_object_set_new(j, "n_forced", count_json(n));
}

/* What every event carries, whatever it is about. */
static void put_common(const struct job *k, json_t *j)
{
    const struct drift_outcome *o = k->o;
    const struct drift_verdict *v = o->verdict;
    size_t top = k->cut->list < 8 ? k->cut->list : 8;
    json_object_set_new(j, "driftd", json_string(DRIFTD_VERSION));
    json_object_set_new(j, "group", text_json(k, o->group));
    json_object_set_new(j, "model", text_json(k, o->model->name));
    json_object_set_new(j, "segment", text_json(k, o->segment));
    json_object_set_new(j, "criticality", text_json(k, o->model->criticality));
    json_object_set_new(j, "chain", json_string(drift_chain_name(v->chain)));
    json_object_set_new(j, "kind", json_string(drift_verdict_kind_name(v->kind)));
    json_object_set_new(j, "window", window_json(o));
    json_object_set_new(j, "n", count_json(v->n));
    json_object_set_new(j, "carried", count_json(v->carried));
    json_object_set_new(j, "excluded", count_json(v->excluded));
    json_object_set_new(j, "baseline", baseline_json(k));
    json_object_set_new(j, "config", config_json(k));
    json_object_set_new(j, "versions", drift_outcome_versions(o, top));
    json_object_set_new(j, "schema_ids", drift_outcome_tally(&v->summary->tally[DRIFT_TALLY_SCHEMA], top));
    json_object_set_new(j, "new_fields", drift_outcome_new_fields(o, k->cut->list));
    json_object_set_new(j, "vanished_fields", drift_outcome_vanished_fields(o, k->cut->list));
    if (o->preliminary)
        json_object_set_new(j, "preliminary", json_true());
    put_forced(k, j);
    if (k->is_cut)
        json_object_set_new(j, "cut", json_true());
}

static json_t *summary_json(const struct job *k)
{
    struct drift_buf b;
    if (k->r)
        drift_words_alert(k->o, k->r, k->step, &b);
    else
        drift_words_status(k->o, &b);
    json_t *j = text_json(k, b.data);
    drift_buf_release(&b);
    return j;
}

static const char *transition(const struct job *k)
{
    return k->o->preliminary ? "preliminary" : drift_transition_name(k->r->transition);
}

static const char *request(const struct job *k)
{
    const struct drift_step_words *w = drift_words_step(k->step->kind);
    if (k->step->shadow)
        return k->r->transition == DRIFT_TRANSITION_RESOLVED ? w->resolved : w->done;
    return k->r->transition == DRIFT_TRANSITION_RESOLVED ? w->resolved
           : k->r->transition == DRIFT_TRANSITION_UPDATE ? w->update
                                                         : w->firing;
}

static json_t *alert_data(const struct job *k)
{
    const struct drift_outcome_rule *r = k->r;
    const struct drift_verdict *v = k->o->verdict;
    bool over = r->transition == DRIFT_TRANSITION_RESOLVED;
    json_t *j = json_object();
    put_common(k, j);
    json_object_set_new(j, "summary", summary_json(k));
    json_object_set_new(j, "what_to_do", text_json(k, k->playbook->what_to_do));
    json_object_set_new(j, "runbook_url", text_json(k, k->playbook->runbook_url));
    json_object_set_new(j, "playbook", text_json(k, k->playbook->name));
    json_object_set_new(j, "step", json_string(drift_step_name(k->step->kind)));
    json_object_set_new(j, "mode", json_string(k->step->shadow ? "shadow" : "live"));
    json_object_set_new(j, "request", k->step->shadow ? json_null() : json_string(request(k)));
    json_object_set_new(j, "would_have", k->step->shadow ? json_string(request(k)) : json_null());
    json_object_set_new(j, "transition", json_string(transition(k)));
    json_object_set_new(j, "severity",
                        json_string(drift_severity_name(k->o->preliminary ? k->severity
                                                        : over            ? r->before.severity
                                                                          : r->after.severity)));
    json_object_set_new(j, "rule", rule_json(k));
    json_object_set_new(j, "owner", owner_json(k, r->config, r->rule->owner));
    json_object_set_new(j, "sla", sla_json(&r->rule->sla, v->end_ms));
    if (k->o->preliminary)
        json_object_set_new(j, "incident", json_null());
    else
        json_object_set_new(j, "incident", incident_json(k, over ? r->before.incident_ms : r->after.incident_ms));
    json_object_set_new(j, "measures", findings_json(k));
    json_object_set_new(j, "explanation", drift_outcome_explanation(k->o, r, k->cut->list));
    json_object_set_new(j, "histogram", k->is_cut ? json_null() : drift_outcome_histogram(k->o, r));
    return j;
}

static json_t *status_data(const struct job *k)
{
    const struct drift_outcome *o = k->o;
    json_t *j = json_object(), *firing = json_array();
    put_common(k, j);
    for (size_t i = 0; i < o->n_rules && json_array_size(firing) < k->cut->list; i++)
        if (o->rules[i].after.phase == DRIFT_ALERT_FIRING)
            json_array_append_new(firing, text_json(k, o->rules[i].rule->name));
    json_object_set_new(j, "summary", summary_json(k));
    json_object_set_new(j, "step", json_string("status"));
    json_object_set_new(j, "mode", json_string("live"));
    json_object_set_new(j, "status", json_string(drift_model_status_name(o->status)));
    json_object_set_new(j, "status_before", json_string(drift_model_status_name(o->status_before)));
    json_object_set_new(j, "unmonitored_why", text_json(k, o->verdict->unmonitored_why));
    json_object_set_new(j, "firing_rules", firing);
    json_object_set_new(j, "owner", owner_json(k, o->config, o->model->owner));
    return j;
}

/* ---- the envelope ---- */

static json_t *source_json(const char *group)
{
    struct drift_buf b;
    drift_buf_init(&b, 4096);
    drift_buf_adds(&b, "/driftd/");
    drift_name_encode(&b, group);
    json_t *j = json_string(b.data);
    drift_buf_release(&b);
    return j;
}

static json_t *subject_json(const struct job *k)
{
    char *s = k->r ? drift_xasprintf("%s/%s", k->o->model->name, k->r->rule->name) : drift_xstrdup(k->o->model->name);
    json_t *j = text_json(k, s);
    free(s);
    return j;
}

static char *event_text(const struct job *k, const char *id)
{
    json_t *j = json_object();
    char *type = k->r ? drift_xasprintf("io.driftd.alert.%s", transition(k)) : drift_xstrdup("io.driftd.model.status");
    json_object_set_new(j, "specversion", json_string("1.0"));
    json_object_set_new(j, "id", json_string(id));
    json_object_set_new(j, "source", source_json(k->o->group));
    json_object_set_new(j, "type", json_string(type));
    json_object_set_new(j, "subject", subject_json(k));
    json_object_set_new(j, "time", time_json(k->o->verdict->end_ms));
    json_object_set_new(j, "datacontenttype", json_string("application/json"));
    json_object_set_new(j, "data", k->r ? alert_data(k) : status_data(k));
    /* six digits are what a reader can use; they also hide the last bits that two math libraries may differ in */
    char *text = json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(j);
    free(type);
    if (!text)
        drift_bug("an action has no JSON form");
    return text;
}

static char *body(struct job *k, const char *id)
{
    char *text = NULL;
    for (size_t i = 0; i < N_CUT; i++) {
        free(text);
        k->cut = &cuts[i];
        k->is_cut = i > 0;
        text = event_text(k, id);
        if (strlen(text) < BODY_MAX)
            break;
    }
    return text;
}

static struct drift_action *append(struct list *l)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 8;
        l->a = drift_xrealloc(l->a, l->cap, sizeof *l->a);
    }
    struct drift_action *a = &l->a[l->n++];
    *a = (struct drift_action){.seq = (uint32_t)(l->n - 1)};
    return a;
}

static void emit(struct list *l, struct job *k, const char *step, uint32_t step_index, const char *endpoint,
                 const char *rule, int64_t incident_ms, const char *transition)
{
    const struct drift_outcome *o = k->o;
    char id[33];
    drift_action_id(o->group, o->model->name, o->segment, rule, incident_ms, step, step_index, endpoint, transition,
                    o->verdict->start_ms, id);
    struct drift_action *a = append(l);
    a->id = drift_xstrdup(id);
    a->endpoint = drift_xstrdup(endpoint);
    a->step = drift_xstrdup(step);
    a->rule = drift_xstrdup(rule);
    a->transition = drift_xstrdup(transition);
    a->shadow = k->step && k->step->shadow;
    a->incident_ms = incident_ms;
    a->window_start_ms = o->verdict->start_ms;
    a->window_end_ms = o->verdict->end_ms;
    a->body = body(k, id);
    a->body_len = strlen(a->body);
}

/* ---- which steps ---- */

static bool touches_production(const struct drift_step *s)
{
    return s->kind == DRIFT_STEP_DISABLE_AUTOMATION || s->kind == DRIFT_STEP_ROLLBACK;
}

static const struct drift_playbook *playbook_of(const struct drift_outcome_rule *r, enum drift_severity severity)
{
    int at = severity == DRIFT_SEV_CRITICAL ? r->rule->playbook_critical : r->rule->playbook_warning;
    return at >= 0 && (size_t)at < r->config->n_playbooks ? &r->config->playbooks[at] : NULL;
}

static bool played(const struct drift_alert *a, enum drift_severity severity)
{
    return severity == DRIFT_SEV_CRITICAL ? a->played_critical : a->played_warning;
}

static bool has_step(const struct drift_playbook *p, const struct drift_step *s)
{
    for (size_t i = 0; p && i < p->n_steps; i++)
        if (p->steps[i].kind == s->kind && p->steps[i].endpoint == s->endpoint)
            return true;
    return false;
}

/* Within the cool-down of its own last request, by event time. */
static bool cools_down(const struct job *k)
{
    const struct drift_outcome_rule *r = k->r;
    int64_t last = r->before.last_production_ms;
    if (k->step->shadow || !touches_production(k->step) || r->transition == DRIFT_TRANSITION_RESOLVED)
        return false;
    return last && k->o->verdict->end_ms - last < k->step->cooldown_ms;
}

static void run_step(struct list *l, struct job *k, uint32_t index)
{
    struct drift_outcome_rule *r = k->r;
    bool over = r->transition == DRIFT_TRANSITION_RESOLVED;
    if (cools_down(k)) {
        r->held_by_cooldown |= UINT32_C(1) << k->step->kind;
        return;
    }
    if (!k->step->shadow && touches_production(k->step) && !over)
        r->after.last_production_ms = k->o->verdict->end_ms;
    if (k->step->endpoint >= r->config->n_endpoints)
        return;
    emit(l, k, drift_step_name(k->step->kind), index, r->config->endpoints[k->step->endpoint].name, r->rule->name,
         over ? r->before.incident_ms : r->after.incident_ms, drift_transition_name(r->transition));
}

/* Does this transition run the step?  other: the incident's other playbook, if it was started before. */
static bool wanted(const struct job *k, const struct drift_playbook *other)
{
    switch (k->r->transition) {
    case DRIFT_TRANSITION_FIRING:
        return true;
    case DRIFT_TRANSITION_UPDATE:
        return k->step->on_update || (!played(&k->r->before, k->severity) && !has_step(other, k->step));
    case DRIFT_TRANSITION_RESOLVED:
        return k->step->on_resolved;
    default:
        return false;
    }
}

static void run_playbook(struct list *l, struct drift_outcome *o, struct drift_outcome_rule *r,
                         enum drift_severity severity, const struct drift_playbook *done,
                         const struct drift_playbook *other)
{
    const struct drift_playbook *p = playbook_of(r, severity);
    for (size_t i = 0; p && p != done && i < p->n_steps; i++) {
        struct job k = {.o = o, .r = r, .playbook = p, .step = &p->steps[i], .severity = severity};
        if (!has_step(done, k.step) && wanted(&k, other))
            run_step(l, &k, (uint32_t)i);
    }
}

static void run_rule(struct list *l, struct drift_outcome *o, struct drift_outcome_rule *r)
{
    bool over = r->transition == DRIFT_TRANSITION_RESOLVED;
    enum drift_severity now = over ? r->before.severity : r->after.severity;
    enum drift_severity also = now == DRIFT_SEV_CRITICAL ? DRIFT_SEV_WARNING : DRIFT_SEV_CRITICAL;
    bool two = r->transition != DRIFT_TRANSITION_FIRING && played(&r->before, also);
    const struct drift_playbook *other = two ? playbook_of(r, also) : NULL;
    run_playbook(l, o, r, now, NULL, other);
    if (two)
        run_playbook(l, o, r, also, playbook_of(r, now), NULL);
}

/* ---- notices of an open window ---- */

static bool only_tells(const struct drift_step *s)
{
    return s->kind == DRIFT_STEP_NOTIFY || s->kind == DRIFT_STEP_PAGE;
}

/* Two notices of one rule and window differ in what they say, hence in their ids. */
static void emit_notice(struct list *l, struct job *k, uint32_t index)
{
    const struct drift_rule *rule = k->r->rule;
    const char *endpoint = k->r->config->endpoints[k->step->endpoint].name;
    uint8_t digest[DRIFT_SHA256_BYTES];
    char hex[33], name[64];
    char *text = body(k, "");
    drift_sha256(text, strlen(text), digest);
    drift_hex(digest, 16, hex);
    free(text);
    snprintf(name, sizeof name, "preliminary:%s", hex);
    emit(l, k, drift_step_name(k->step->kind), index, endpoint, rule->name, 0, name);
    struct drift_action *a = &l->a[l->n - 1];
    free(a->transition);
    a->transition = drift_xstrdup("preliminary");
}

size_t drift_outcome_notices(struct drift_outcome *o, struct drift_action **ret)
{
    struct list l = {0};
    for (size_t i = 0; i < o->n_rules; i++) {
        struct drift_outcome_rule *r = &o->rules[i];
        enum drift_severity breach = r->measured ? r->result.breach : DRIFT_SEV_NONE;
        const struct drift_playbook *p = breach ? playbook_of(r, breach) : NULL;
        for (size_t s = 0; p && s < p->n_steps; s++) {
            struct job k = {.o = o, .r = r, .playbook = p, .step = &p->steps[s], .severity = breach};
            if (only_tells(k.step) && k.step->endpoint < r->config->n_endpoints)
                emit_notice(&l, &k, (uint32_t)s);
        }
    }
    *ret = l.a;
    return l.n;
}

static void run_status(struct list *l, struct drift_outcome *o)
{
    int at = o->model->status_endpoint;
    bool first_good = o->status_before == DRIFT_STATUS_UNKNOWN && o->status == DRIFT_STATUS_OK;
    if (o->status == o->status_before || first_good || at < 0 || (size_t)at >= o->config->n_endpoints)
        return;
    struct job k = {.o = o};
    bool label = o->verdict->chain == DRIFT_CHAIN_LABEL;
    /* one incident for all: the sender keeps the order of a model's status changes */
    emit(l, &k, label ? "status_label" : "status", 0, o->config->endpoints[at].name, "", 0,
         drift_model_status_name(o->status));
}

size_t drift_outcome_actions(struct drift_outcome *o, struct drift_action **ret)
{
    struct list l = {0};
    for (size_t i = 0; i < o->n_rules; i++)
        if (o->rules[i].transition != DRIFT_TRANSITION_NONE)
            run_rule(&l, o, &o->rules[i]);
    run_status(&l, o);
    *ret = l.a;
    return l.n;
}
