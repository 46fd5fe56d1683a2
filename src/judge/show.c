/* src/judge/show.c    What the world sees of a judged window: metrics, log lines, the caller's callback; after the
 * write was applied, never before. */
#include "room.h"

#include <math.h>
#include <string.h>

#include "driftd/internal/base/log.h"
#include "driftd/internal/base/meter.h"

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
static void show_measures(const struct drift_work *w)
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
    if (w->v.evidence.why == DRIFT_WHY_NONE)
        show_measure(w->id.model, "model", &w->v.evidence);
    if (w->evidence.restarted)
        drift_log(DRIFT_INFO, "evidence_started", KV_S("model", w->id.model), KV_S("baseline", w->v.baseline_id),
                  KV_S("promised", w->evidence.promised ? "yes" : "no"));
}

static void show_rules(const struct drift_work *w)
{
    for (size_t i = 0; i < w->o.n_rules; i++) {
        const struct drift_outcome_rule *r = &w->o.rules[i];
        const struct drift_rule *rule = r->rule;
        int state = r->after.phase == DRIFT_ALERT_FIRING ? 1 + (int)r->after.severity : (int)r->after.phase;
        drift_gauge(DRIFT_M_ALERT, state, w->id.model, rule->name);
        if (!isnan(rule->warning))
            drift_gauge(DRIFT_M_THRESHOLD, rule->warning, w->id.model, rule->name, drift_measure_name(rule->measure),
                        "warning");
        if (!isnan(rule->critical))
            drift_gauge(DRIFT_M_THRESHOLD, rule->critical, w->id.model, rule->name, drift_measure_name(rule->measure),
                        "critical");
        if (r->transition != DRIFT_TRANSITION_NONE)
            drift_log(r->transition == DRIFT_TRANSITION_RESOLVED ? DRIFT_INFO : DRIFT_WARN, "alert_changed",
                      KV_S("model", w->id.model), KV_S("rule", rule->name),
                      KV_S("transition", drift_transition_name(r->transition)),
                      KV_S("severity", drift_severity_name(r->after.severity)), KV_I("window", w->v.start_ms));
    }
}

void drift_status_show(struct drift_judge *j, struct drift_chain_id id, enum drift_model_status status)
{
    struct drift_known *k = drift_judge_known(j, id.model);
    if (status == DRIFT_STATUS_UNKNOWN || !k || k->status[id.kind] == status)
        return;
    k->status[id.kind] = status;
    enum drift_model_status a = k->status[DRIFT_CHAIN_INPUT], b = k->status[DRIFT_CHAIN_LABEL], worst = a > b ? a : b;
    drift_gauge(DRIFT_M_MODEL_STATUS, (int)worst - (int)DRIFT_STATUS_OK, id.model);
}

void drift_work_show(const struct drift_work *w)
{
    const struct drift_verdict *v = &w->v;
    const char *chain = drift_chain_name(v->chain), *kind = drift_verdict_kind_name(v->kind);
    drift_count(DRIFT_M_VERDICTS, w->id.model, chain, kind);
    drift_gauge(DRIFT_M_WINDOW_EVENTS, (double)v->n, w->id.model, chain);
    drift_gauge(DRIFT_M_WINDOW_END, (double)v->end_ms / 1000, w->id.model, chain);
    if (v->measures)
        show_measures(w);
    show_rules(w);
    drift_status_show(w->j, w->id, w->o.status);
    if (v->kind == DRIFT_VERDICT_LOST)
        drift_log(DRIFT_ERROR, "verdict_lost", KV_S("model", w->id.model), KV_S("chain", chain),
                  KV_I("window", v->start_ms));
    if (v->kind == DRIFT_VERDICT_UNMONITORED && w->o.status_before != DRIFT_STATUS_UNMONITORED)
        drift_log(DRIFT_WARN, "model_unmonitored", KV_S("model", w->id.model), KV_S("chain", chain),
                  KV_S("why", v->unmonitored_why));
    if (v->excluded)
        drift_log(DRIFT_WARN, "counts_excluded", KV_S("model", w->id.model), KV_S("chain", chain),
                  KV_I("window", v->start_ms), KV_U("events", v->excluded));
    if (w->j->set.judged)
        w->j->set.judged(w->j->set.ctx, w->id.model, v, drift_outcome_severity(&w->o), w->n_actions);
}
