/* src/judge/rules.c    What one rule says about one measured window: which columns reach its levels; no I/O.
 *
 * The gate divides by the columns that have a value, not by those that exist: a feed that lost half of its fields
 * must not become half as sensitive, and a column without a value makes no claim that could be false. */
#include "driftd/internal/judge/alert.h"

#include <math.h>
#include <stdlib.h>

enum drift_chain_kind drift_rule_chain(const struct drift_rule *rule)
{
    return rule->scope == DRIFT_SCOPE_LABEL ? DRIFT_CHAIN_LABEL : DRIFT_CHAIN_INPUT;
}

static bool of_model(const struct drift_rule *rule)
{
    return rule->scope == DRIFT_SCOPE_MODEL || drift_measure_of_model(rule->measure);
}

static bool in_scope(const struct drift_rule *rule, const struct drift_column *c)
{
    switch (rule->scope) {
    case DRIFT_SCOPE_FEATURE:
        return c->role == DRIFT_FEATURE && (!rule->feature || drift_glob_match(rule->feature, c->name));
    case DRIFT_SCOPE_SCORE:
        return c->role == DRIFT_SCORE;
    case DRIFT_SCOPE_DECISION:
        return c->role == DRIFT_DECISION;
    case DRIFT_SCOPE_LABEL:
        return c->role == DRIFT_LABEL;
    case DRIFT_SCOPE_SOURCE:
        return c->role == DRIFT_SOURCE;
    case DRIFT_SCOPE_LATENCY:
        return c->role == DRIFT_LATENCY;
    case DRIFT_SCOPE_MODEL:
        return false;
    }
    return false;
}

static const struct drift_measure *of_verdict(const struct drift_verdict *v, enum drift_measure_id id)
{
    switch (id) {
    case DRIFT_MEASURE_EVIDENCE:
        return &v->evidence;
    case DRIFT_MEASURE_DETECTOR:
        return &v->detector;
    case DRIFT_MEASURE_DEPENDENCE:
        return &v->dependence;
    case DRIFT_MEASURE_EMBEDDING:
        return &v->embedding;
    case DRIFT_MEASURE_SEGMENT_PSI:
        return &v->segment_psi;
    case DRIFT_MEASURE_SEGMENT_RATE:
        return &v->segment_rate;
    default:
        return &v->volume;
    }
}

static void collect(const struct drift_rule *rule, const struct drift_verdict *v, struct drift_rule_result *ret)
{
    if (of_model(rule)) {
        ret->n_in_scope = 1;
        const struct drift_measure *m = of_verdict(v, rule->measure);
        if (m->why == DRIFT_WHY_NONE)
            ret->findings[ret->n_findings++] = (struct drift_finding){.measure = *m};
        return;
    }
    const struct drift_layout *l = v->summary->layout;
    for (uint32_t i = 0; v->measures && i < l->n_columns; i++) {
        const struct drift_column *c = &l->columns[i];
        if (!in_scope(rule, c) || !drift_measure_applies(rule->measure, c->kind))
            continue;
        ret->n_in_scope++;
        const struct drift_measure *m = &v->measures[(size_t)i * DRIFT_N_MEASURE + rule->measure];
        if (m->why == DRIFT_WHY_NONE && isfinite(m->effect))
            ret->findings[ret->n_findings++] = (struct drift_finding){.column = c, .measure = *m};
    }
}

static bool passes(const struct drift_measure *m, double gate)
{
    return !m->has_p || gate >= 1 || m->p_value < gate;
}

static enum drift_severity reached(const struct drift_rule *rule, double effect)
{
    if (!isnan(rule->critical) && effect >= rule->critical)
        return DRIFT_SEV_CRITICAL;
    return !isnan(rule->warning) && effect >= rule->warning ? DRIFT_SEV_WARNING : DRIFT_SEV_NONE;
}

static int worst_first(const void *pa, const void *pb)
{
    const struct drift_finding *a = pa, *b = pb;
    if (a->breach != b->breach)
        return a->breach > b->breach ? -1 : 1;
    if (a->measure.effect != b->measure.effect)
        return a->measure.effect > b->measure.effect ? -1 : 1;
    /* columns of one array: the order of the layout makes equal effects stable */
    return a->column < b->column ? -1 : a->column > b->column;
}

void drift_rule_evaluate(const struct drift_rule *rule, const struct drift_verdict *v, struct drift_rule_result *ret)
{
    size_t room = of_model(rule) ? 1 : v->summary->layout->n_columns;
    *ret = (struct drift_rule_result){.findings = drift_xcalloc(room ? room : 1, sizeof *ret->findings)};
    collect(rule, v, ret);
    ret->gate = isnan(rule->p) ? 1e-3 / (double)(ret->n_findings ? ret->n_findings : 1) : rule->p;
    for (size_t i = 0; i < ret->n_findings; i++) {
        struct drift_finding *f = &ret->findings[i];
        ret->worst_effect = fmax(ret->worst_effect, f->measure.effect);
        if (!passes(&f->measure, ret->gate))
            continue;
        ret->held_effect = fmax(ret->held_effect, f->measure.effect);
        f->breach = reached(rule, f->measure.effect);
        if (f->breach > ret->breach)
            ret->breach = f->breach;
    }
    qsort(ret->findings, ret->n_findings, sizeof *ret->findings, worst_first);
}

void drift_rule_result_release(struct drift_rule_result *r)
{
    free(r->findings);
    *r = (struct drift_rule_result){0};
}
