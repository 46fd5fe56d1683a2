/* alert.h - the state machine of one rule on one chain; no I/O, no clock.
 *
 *     ok -> pending -> firing(warning | critical) -> ok (resolved)
 *
 * A window *breaches* a severity when a column in scope reaches its level on the effect and passes the significance
 * gate.  Firing starts with a breach when k of the last `of` measured windows breached (severity: the highest that k of
 * them reached); while it fires, the severity follows what k of the last `of` reached.  It ends with the first window
 * that does not breach and whose worst effect (gate aside) is below the recovery level, or with the last of `of`
 * windows in a row in which no column that passes the gate was at or above the recovery level: hysteresis holds for
 * evidence, not for noise.  Its end forgets the breaches before it.  Windows without a measure of the rule (partial,
 * held, unmonitored, no valid value in scope) leave the state as it is: silence is not health. An incident is one life
 * of an alert, named by the start of its first firing window. */
#ifndef DRIFTD_JUDGE_ALERT_H
#define DRIFTD_JUDGE_ALERT_H

#include <jansson.h>

#include "driftd/internal/config/config.h"
#include "driftd/internal/flow.h"

enum drift_alert_phase { DRIFT_ALERT_OK, DRIFT_ALERT_PENDING, DRIFT_ALERT_FIRING };
enum drift_transition {
    DRIFT_TRANSITION_NONE,
    DRIFT_TRANSITION_FIRING,
    DRIFT_TRANSITION_UPDATE,
    DRIFT_TRANSITION_RESOLVED
};
const char *drift_transition_name(enum drift_transition t); /* "none", "firing", "update", "resolved" */

enum { DRIFT_PERSIST_MAX = 64 };
struct drift_alert {
    enum drift_alert_phase phase;
    enum drift_severity severity;         /* while firing */
    uint64_t warning_bits, critical_bits; /* breaches of the last windows, bit 0 the newest */
    uint32_t seen;                        /* windows in the bits, at most DRIFT_PERSIST_MAX */
    uint32_t quiet;                       /* while firing: windows in a row without a significant effect >= recovery */
    bool played_warning, played_critical; /* whose playbooks were started in this incident: those are told its end */
    int64_t incident_ms;                  /* start of the incident's first firing window; 0 when none */
    int64_t since_ms;                     /* end of the window of the last transition */
    int64_t last_production_ms;           /* window end of the last live production-touching step; 0: never */
};

/* One column's part in a rule. */
struct drift_finding {
    const struct drift_column *column; /* NULL: the model (volume) */
    struct drift_measure measure;
    enum drift_severity breach; /* gate included */
};
struct drift_rule_result {
    enum drift_severity breach; /* worst of the findings */
    double worst_effect;        /* gate aside; 0 without findings */
    double held_effect;         /* the worst of those that pass the gate; 0 when none does */
    double gate;                /* p-value below which a finding counts */
    size_t n_in_scope;
    size_t n_findings;              /* columns in scope with a value: by breach, then by effect, worst first */
    struct drift_finding *findings; /* heap */
};
/* The chain that a rule is evaluated in: scope label in the label chain, everything else in the input chain. */
enum drift_chain_kind drift_rule_chain(const struct drift_rule *rule);
/* Evaluates a rule on a measured window (v->measures is set).  Sets everything; release frees findings.
 * Gate: rule->p when set, else .001 / columns in scope with a value; 1 switches it off; measures without p pass. */
void drift_rule_evaluate(const struct drift_rule *rule, const struct drift_verdict *v, struct drift_rule_result *ret);
void drift_rule_result_release(struct drift_rule_result *r);

/* One step, for a measured window.  Returns the transition; UPDATE when the severity changed while firing. */
enum drift_transition drift_alert_step(struct drift_alert *a, const struct drift_rule *rule,
                                       const struct drift_rule_result *r, int64_t start_ms, int64_t end_ms);

const char *drift_alert_phase_name(enum drift_alert_phase p); /* "ok", "pending", "firing" */
json_t *drift_alert_json(const struct drift_alert *a);        /* new reference */
/* DRIFT_E_PARSE.  Hostile input is safe. */
int drift_alert_parse(const json_t *j, struct drift_alert *ret, struct drift_err *err) DRIFT_MUST_CHECK;

#endif
