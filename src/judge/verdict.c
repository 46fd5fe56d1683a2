/* src/judge/verdict.c    The body of a verdict: every count and measure of a window, what the rules made of it, and the
 *                         versions of everything that was active, for whoever asks later.
 *
 * Sorted keys and reals with 17 digits: the same window gives the same bytes, and a reader gets the same doubles.
 * Members that say nothing (no p-value, interval equal to the value, measure not defined) are left out: 1,000 bodies a
 * model are kept in Redis. */
#include "driftd/internal/judge/outcome.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/psi.h"

enum { FINDINGS = 10, VERSIONS = 8, FIELDS = 32, EXPLAINED = 8, NEW_VALUES = 10 };

const char *drift_model_status_name(enum drift_model_status s)
{
    static const char *const name[] = {"unknown", "ok", "degraded", "unmonitored"};
    return (size_t)s < sizeof name / sizeof *name ? name[s] : "unknown";
}

enum drift_severity drift_outcome_severity(const struct drift_outcome *o)
{
    enum drift_severity worst = DRIFT_SEV_NONE;
    for (size_t i = 0; i < o->n_rules; i++)
        if (o->rules[i].after.phase == DRIFT_ALERT_FIRING && o->rules[i].after.severity > worst)
            worst = o->rules[i].after.severity;
    return worst;
}

uint64_t drift_outcome_total(const struct drift_summary *s, const struct drift_column *c)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < drift_column_counters(c); i++)
        n += s->counts[c->first + i];
    return n;
}

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
static json_t *text_or_null(const char *s)
{
    return s ? drift_text_json(s) : json_null();
}

/* Sets a key that may be any bytes and may be taken: a feature called "score" must not hide the score. */
static void set_unique(json_t *object, const char *prefix, const char *name, json_t *value)
{
    json_t *text = drift_text_json(name);
    char *key = drift_xstrdup(json_string_value(text));
    while (json_object_get(object, key)) {
        char *longer = drift_xasprintf("%s:%s", prefix, key);
        free(key);
        key = longer;
    }
    json_object_set_new(object, key, value);
    free(key);
    json_decref(text);
}

/* ---- tallies ---- */

static int most_first(const void *pa, const void *pb)
{
    const struct drift_tally_slot *a = *(const struct drift_tally_slot *const *)pa,
                                  *b = *(const struct drift_tally_slot *const *)pb;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return strcmp(a->text, b->text);
}

static const struct drift_tally_slot **ranked(const struct drift_tally *t)
{
    const struct drift_tally_slot **row = drift_xcalloc(t->n ? t->n : 1, sizeof *row);
    for (uint32_t i = 0; i < t->n; i++)
        row[i] = &t->slots[i];
    qsort(row, t->n, sizeof *row, most_first);
    return row;
}

json_t *drift_outcome_tally(const struct drift_tally *t, size_t top)
{
    json_t *j = json_object();
    const struct drift_tally_slot **row = ranked(t);
    uint64_t other = t->other;
    for (uint32_t i = 0; i < t->n; i++)
        if (i < top)
            set_unique(j, "value", row[i]->text, count_json(row[i]->count));
        else
            other += row[i]->count;
    if (other)
        set_unique(j, "rest", "other", count_json(other));
    free(row);
    return j;
}

json_t *drift_outcome_versions(const struct drift_outcome *o, size_t top)
{
    json_t *j = json_object();
    for (int k = DRIFT_TALLY_MODEL_VERSION; k <= DRIFT_TALLY_THRESHOLD_VERSION; k++) {
        const struct drift_tally *t = &o->verdict->summary->tally[k];
        if (t->n || t->other)
            json_object_set_new(j, drift_tally_name((enum drift_tally_kind)k), drift_outcome_tally(t, top));
    }
    return j;
}

json_t *drift_outcome_new_fields(const struct drift_outcome *o, size_t top)
{
    json_t *j = json_array();
    const struct drift_tally *t = &o->verdict->summary->tally[DRIFT_TALLY_NEW_FIELD];
    const struct drift_tally_slot **row = ranked(t);
    for (uint32_t i = 0; i < t->n && i < top; i++)
        json_array_append_new(j, drift_text_json(row[i]->text));
    free(row);
    return j;
}

/* Every value of the window is missing, and the baseline had some. */
static bool vanished(const struct drift_outcome *o, const struct drift_column *c)
{
    if (c->role != DRIFT_FEATURE || !o->baseline)
        return false;
    uint64_t now = drift_outcome_total(o->verdict->summary, c), then = drift_outcome_total(o->baseline, c);
    return now && drift_summary_specials(o->verdict->summary, c)[DRIFT_MISSING] == now &&
           drift_summary_specials(o->baseline, c)[DRIFT_MISSING] < then;
}

json_t *drift_outcome_vanished_fields(const struct drift_outcome *o, size_t top)
{
    json_t *j = json_array();
    const struct drift_layout *l = o->verdict->summary->layout;
    for (uint32_t i = 0; i < l->n_columns && json_array_size(j) < top; i++)
        if (vanished(o, &l->columns[i]))
            json_array_append_new(j, drift_text_json(l->columns[i].name));
    return j;
}

json_t *drift_outcome_change(const struct drift_config *c)
{
    json_t *j = json_object();
    json_object_set_new(j, "version", text_or_null(c->change.version));
    json_object_set_new(j, "approved_by", text_or_null(c->change.approved_by));
    json_object_set_new(j, "reason", text_or_null(c->change.reason));
    return j;
}

/* ---- columns ---- */

static json_t *measure_json(const struct drift_measure *m)
{
    static const char *const why[] = {"", "no_baseline", "no_data", "one_cell", "not_defined"};
    json_t *j = json_object();
    if (m->why != DRIFT_WHY_NONE) {
        json_object_set_new(j, "why", json_string((size_t)m->why < sizeof why / sizeof *why ? why[m->why] : "unknown"));
        return j;
    }
    json_object_set_new(j, "effect", real_json(m->effect));
    if (m->value != m->effect)
        json_object_set_new(j, "value", real_json(m->value));
    if (m->has_p)
        json_object_set_new(j, "p", real_json(m->p_value));
    if (m->baseline != 0)
        json_object_set_new(j, "baseline", real_json(m->baseline));
    if (m->low != m->value || m->high != m->value) {
        json_object_set_new(j, "low", real_json(m->low));
        json_object_set_new(j, "high", real_json(m->high));
    }
    if (m->drawn)
        json_object_set_new(j, "law", json_string("drawn"));
    if (m->dof != 0)
        json_object_set_new(j, "dof", real_json(m->dof));
    return j;
}

static double valid_of(const struct drift_summary *s, const struct drift_column *c)
{
    double n = 0;
    for (uint32_t i = 0; i < c->n_cells; i++)
        n += (double)drift_summary_cells(s, c)[i];
    return n;
}

void drift_outcome_put_interval(json_t *j, const struct drift_outcome *o, const struct drift_finding *f)
{
    double low, high;
    const struct drift_measure *m = &f->measure;
    if (f->breach == DRIFT_SEV_NONE || m->id != DRIFT_MEASURE_PSI || !o->baseline ||
        drift_psi_interval(m->value, (size_t)m->dof + 1, valid_of(o->baseline, f->column),
                           valid_of(o->verdict->summary, f->column), .95, &low, &high))
        return;
    json_object_set_new(j, "low95", real_json(low));
    json_object_set_new(j, "high95", real_json(high));
}

/* Measures that came after the first format only where a rule asks for them: they would double a verdict. */
static bool is_listed(const struct drift_outcome *o, enum drift_measure_id id)
{
    bool listed = drift_measure_always(id);
    for (size_t i = 0; i < o->n_rules && !listed; i++)
        listed = o->rules[i].rule->measure == id;
    return listed;
}

static json_t *new_values_json(const struct drift_frequent *f)
{
    struct drift_frequent_value top[NEW_VALUES];
    size_t n = drift_frequent_top(f, top, NEW_VALUES);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *one = json_object();
        json_object_set_new(one, "value", drift_text_json(top[i].text));
        json_object_set_new(one, "at_least", count_json(top[i].at_least));
        json_object_set_new(one, "at_most", count_json(top[i].at_most));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *column_json(const struct drift_outcome *o, uint32_t at)
{
    static const char *const special[DRIFT_N_SPECIAL] = {"null", "missing", "nonfinite", "wrong_type"};
    const struct drift_summary *s = o->verdict->summary;
    const struct drift_column *c = &s->layout->columns[at];
    json_t *j = json_object(), *specials = json_object(), *cells = json_array();
    for (int i = 0; i < DRIFT_N_SPECIAL; i++)
        json_object_set_new(specials, special[i], count_json(drift_summary_specials(s, c)[i]));
    for (uint32_t i = 0; i < c->n_cells; i++)
        json_array_append_new(cells, count_json(drift_summary_cells(s, c)[i]));
    json_object_set_new(j, "role", json_string(drift_role_name(c->role)));
    json_object_set_new(j, "kind", json_string(c->kind == DRIFT_NUMERIC ? "numeric" : "categorical"));
    json_object_set_new(j, "n", count_json(drift_outcome_total(s, c)));
    json_object_set_new(j, "specials", specials);
    json_object_set_new(j, "cells", cells);
    if (s->unseen && s->unseen[at] && s->unseen[at]->n)
        json_object_set_new(j, "new_values", new_values_json(s->unseen[at]));
    if (!o->verdict->measures)
        return j;
    json_t *measures = json_object();
    for (int i = 0; i < DRIFT_N_MEASURE; i++) {
        const struct drift_measure *m = &o->verdict->measures[(size_t)at * DRIFT_N_MEASURE + (size_t)i];
        if (m->why != DRIFT_WHY_NOT_DEFINED && is_listed(o, (enum drift_measure_id)i))
            json_object_set_new(measures, drift_measure_name((enum drift_measure_id)i), measure_json(m));
    }
    json_object_set_new(j, "measures", measures);
    return j;
}

static json_t *columns_json(const struct drift_outcome *o)
{
    json_t *j = json_object();
    const struct drift_layout *l = o->verdict->summary->layout;
    for (int features = 0; features < 2; features++) /* the model's own columns first: their names stay plain */
        for (uint32_t i = 0; i < l->n_columns; i++)
            if ((l->columns[i].role == DRIFT_FEATURE) == features)
                set_unique(j, drift_role_name(l->columns[i].role),
                           features ? l->columns[i].name : drift_role_name(l->columns[i].role), column_json(o, i));
    return j;
}

/* ---- evidence ---- */

static json_t *share_json(const struct drift_outcome_share *s)
{
    json_t *j = json_object();
    json_object_set_new(j, "column", drift_text_json(s->column->name));
    json_object_set_new(j, "role", json_string(drift_role_name(s->column->role)));
    json_object_set_new(j, "share", real_json(s->share));
    json_object_set_new(j, "what", json_string(drift_evidence_stream_name(s->stream)));
    json_object_set_new(j, "words", json_string(drift_evidence_stream_words(s->stream)));
    json_object_set_new(j, "z", real_json(s->z));
    json_object_set_new(j, "evidence", real_json(s->log_r));
    if (s->listed)
        json_object_set_new(j, "alarmed", json_true());
    if (s->latched)
        json_object_set_new(j, "latched", json_true());
    return j;
}

json_t *drift_outcome_evidence_json(const struct drift_outcome_evidence *e)
{
    static const char *const level[] = {"ok", "warning", "alarm"};
    if (!e)
        return json_null();
    json_t *j = json_object(), *columns = json_array();
    for (size_t i = 0; i < e->n_columns; i++)
        if (e->column[i].share > 0 || e->column[i].latched)
            json_array_append_new(columns, share_json(&e->column[i]));
    json_object_set_new(j, "level", json_string(level[e->level]));
    json_object_set_new(j, "evidence", real_json(e->evidence));
    json_object_set_new(j, "threshold", real_json(e->threshold));
    json_object_set_new(j, "promised", json_boolean(e->promised));
    if (e->restarted)
        json_object_set_new(j, "restarted", json_true());
    if (e->n_rearmed)
        json_object_set_new(j, "rearmed", json_integer((json_int_t)e->n_rearmed));
    json_object_set_new(j, "columns", columns);
    return j;
}

/* ---- rules ---- */

static json_t *findings_json(const struct drift_outcome *o, const struct drift_rule_result *r)
{
    json_t *j = json_array();
    for (size_t i = 0; i < r->n_findings && i < FINDINGS; i++) {
        const struct drift_finding *f = &r->findings[i];
        json_t *one = measure_json(&f->measure);
        json_object_set_new(one, "column", f->column ? drift_text_json(f->column->name) : json_null());
        json_object_set_new(one, "role", json_string(f->column ? drift_role_name(f->column->role) : "model"));
        json_object_set_new(one, "measure", json_string(drift_measure_name(f->measure.id)));
        json_object_set_new(one, "breach", json_string(drift_severity_name(f->breach)));
        drift_outcome_put_interval(one, o, f);
        json_array_append_new(j, one);
    }
    return j;
}

static json_t *held_json(uint32_t held)
{
    json_t *j = json_array();
    for (int i = 0; i < DRIFT_N_STEP; i++)
        if (held >> i & 1)
            json_array_append_new(j, json_string(drift_step_name((enum drift_step_kind)i)));
    return j;
}

static json_t *rule_json(const struct drift_outcome *o, const struct drift_outcome_rule *r)
{
    json_t *j = json_object();
    int64_t incident = r->after.phase == DRIFT_ALERT_FIRING ? r->after.incident_ms : r->before.incident_ms;
    bool named = r->after.phase == DRIFT_ALERT_FIRING || r->transition == DRIFT_TRANSITION_RESOLVED;
    json_object_set_new(j, "phase", json_string(drift_alert_phase_name(r->after.phase)));
    json_object_set_new(j, "severity", json_string(drift_severity_name(r->after.severity)));
    json_object_set_new(j, "transition", json_string(drift_transition_name(r->transition)));
    json_object_set_new(j, "incident", named ? time_json(incident) : json_null());
    if (r->held_by_cooldown)
        json_object_set_new(j, "held_by_cooldown", held_json(r->held_by_cooldown));
    if (r->retired)
        json_object_set_new(j, "retired", json_true());
    if (!r->measured)
        return j;
    json_object_set_new(j, "breach", json_string(drift_severity_name(r->result.breach)));
    json_object_set_new(j, "worst_effect", real_json(r->result.worst_effect));
    json_object_set_new(j, "held_effect", real_json(r->result.held_effect));
    json_object_set_new(j, "gate", real_json(r->result.gate));
    json_object_set_new(j, "in_scope", count_json(r->result.n_in_scope));
    json_object_set_new(j, "findings", findings_json(o, &r->result));
    return j;
}

static json_t *rules_json(const struct drift_outcome *o)
{
    json_t *j = json_object();
    for (size_t i = 0; i < o->n_rules; i++)
        set_unique(j, "rule", o->rules[i].rule->name, rule_json(o, &o->rules[i]));
    return j;
}

/* ---- the whole ---- */

static void put_window(json_t *j, const struct drift_outcome *o)
{
    const struct drift_verdict *v = o->verdict;
    json_t *w = json_object();
    json_object_set_new(w, "start", time_json(v->from_ms));
    json_object_set_new(w, "end", time_json(v->end_ms));
    json_object_set_new(w, "start_ms", json_integer(v->from_ms));
    json_object_set_new(w, "end_ms", json_integer(v->end_ms));
    if (v->from_ms < v->start_ms)
        json_object_set_new(w, "every_ms", json_integer(v->end_ms - v->start_ms));
    json_object_set_new(j, "window", w);
    json_object_set_new(j, "n", count_json(v->n));
    json_object_set_new(j, "carried", count_json(v->carried));
    json_object_set_new(j, "carried_from", v->carried ? time_json(v->carried_from_ms) : json_null());
    json_object_set_new(j, "excluded", count_json(v->excluded));
    json_object_set_new(j, "gap_from", o->gap_from_ms < v->start_ms ? time_json(o->gap_from_ms) : json_null());
    if (o->n_damaged)
        json_object_set_new(j, "damaged_partitions", count_json(o->n_damaged));
    if (json_array_size(o->forced))
        json_object_set(j, "forced", o->forced);
}

static void put_reference(json_t *j, const struct drift_outcome *o)
{
    json_t *b = json_object(), *c = json_object();
    json_object_set_new(b, "id", drift_text_json(o->verdict->baseline_id));
    json_object_set_new(b, "digest", drift_text_json(o->verdict->baseline_digest));
    if (o->profile)
        json_object_set_new(j, "profile", json_string(o->profile));
    if (o->profile_why)
        json_object_set_new(j, "profile_why", json_string(o->profile_why));
    json_object_set_new(j, "baseline", b);
    json_object_set_new(c, "hash", json_string(o->config->hash));
    json_object_set_new(c, "change", drift_outcome_change(o->config));
    json_object_set_new(j, "config", c);
    json_object_set_new(j, "plan", json_integer(o->plan->seq));
    json_object_set_new(j, "unmonitored_why", text_or_null(o->verdict->unmonitored_why));
}

static json_t *ids_json(const struct drift_action *actions, size_t n)
{
    json_t *j = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(j, json_string(actions[i].id));
    return j;
}

char *drift_outcome_verdict(const struct drift_outcome *o, const struct drift_action *actions, size_t n_actions)
{
    const struct drift_verdict *v = o->verdict;
    json_t *j = json_object();
    json_object_set_new(j, "v", json_integer(1));
    json_object_set_new(j, "driftd", json_string(DRIFTD_VERSION));
    json_object_set_new(j, "group", drift_text_json(o->group));
    json_object_set_new(j, "model", drift_text_json(o->model->name));
    json_object_set_new(j, "segment", drift_text_json(o->segment));
    json_object_set_new(j, "chain", json_string(drift_chain_name(v->chain)));
    json_object_set_new(j, "kind", json_string(drift_verdict_kind_name(v->kind)));
    if (o->preliminary)
        json_object_set_new(j, "preliminary", json_true());
    put_window(j, o);
    put_reference(j, o);
    json_object_set_new(j, "versions", drift_outcome_versions(o, VERSIONS));
    json_object_set_new(j, "schema_ids", drift_outcome_tally(&v->summary->tally[DRIFT_TALLY_SCHEMA], FIELDS));
    json_object_set_new(j, "new_fields", drift_outcome_new_fields(o, FIELDS));
    json_object_set_new(j, "vanished_fields", drift_outcome_vanished_fields(o, FIELDS));
    json_object_set_new(j, "columns", columns_json(o));
    json_object_set_new(j, "volume", v->measures ? measure_json(&v->volume) : json_null());
    if (o->evidence)
        json_object_set_new(j, "evidence", drift_outcome_evidence_json(o->evidence));
    if (o->n_detectors)
        json_object_set_new(j, "detectors", drift_outcome_detectors_json(o));
    if (o->segments)
        json_object_set(j, "segments", o->segments);
    json_object_set_new(j, "explanation", drift_outcome_explanation(o, NULL, EXPLAINED));
    if (o->training)
        json_object_set_new(j, "skew", drift_outcome_skew(o));
    if (o->dependence)
        json_object_set_new(j, "dependence", drift_outcome_dependence_json(o->dependence));
    json_object_set_new(j, "rules", rules_json(o));
    json_object_set_new(j, "actions", ids_json(actions, n_actions));
    json_object_set_new(j, "status", json_string(drift_model_status_name(o->status)));
    char *text = json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(j);
    if (!text)
        drift_bug("a verdict has no JSON form");
    return text;
}
