/* alert.h - the state machine of one rule on one chain; no I/O, no clock.
 *
 *     ok -> pending -> firing(warning | critical) -> ok (resolved)
 *
 * A window *breaches* a severity when the worst column in scope reaches its level on the effect and passes the
 * significance gate.  Firing starts when k of the last `of` judged windows breached (severity: the highest that k of
 * them reached); it ends with the first window whose worst effect (gate aside) is below the recovery level, or whose
 * breach is gone in `of` windows.  Windows without a measure (partial, unmonitored) leave the state as it is.
 * An incident is one life of an alert, named by the start of its first firing window. */
#ifndef DRIFTD_JUDGE_ALERT_H
#define DRIFTD_JUDGE_ALERT_H

#include <jansson.h>

#include "driftd/internal/config/config.h"
#include "driftd/internal/flow.h"

enum drift_alert_phase { DRIFT_ALERT_OK, DRIFT_ALERT_PENDING, DRIFT_ALERT_FIRING };
enum drift_transition { DRIFT_TRANSITION_NONE, DRIFT_TRANSITION_FIRING, DRIFT_TRANSITION_UPDATE, DRIFT_TRANSITION_RESOLVED };
const char *drift_transition_name(enum drift_transition t); /* "none", "firing", "update", "resolved" */

enum { DRIFT_PERSIST_MAX = 64 };
struct drift_alert {
    enum drift_alert_phase phase;
    enum drift_severity severity;   /* while firing */
    uint64_t warning_bits, critical_bits; /* breaches of the last windows, bit 0 the newest */
    uint32_t seen;                  /* windows in the bits, at most DRIFT_PERSIST_MAX */
    int64_t incident_ms;            /* start of the incident's first firing window; 0 when none */
    int64_t since_ms;               /* end of the window of the last transition */
    int64_t last_production_ms;     /* window end of the last live production-touching step; 0: never */
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
    double gate;                /* p-value below which a finding counts */
    size_t n_in_scope;
    size_t n_findings;          /* columns in scope with a value, worst first */
    struct drift_finding *findings; /* heap */
};
/* Evaluates a rule on a measured window.  Sets everything; release frees findings. */
void drift_rule_evaluate(const struct drift_rule *rule, const struct drift_verdict *v, struct drift_rule_result *ret);
void drift_rule_result_release(struct drift_rule_result *r);

/* One step.  Returns the transition; UPDATE when the severity changed while firing. */
enum drift_transition drift_alert_step(struct drift_alert *a, const struct drift_rule *rule, const struct drift_rule_result *r,
                                       int64_t start_ms, int64_t end_ms);

json_t *drift_alert_json(const struct drift_alert *a); /* new reference */
int drift_alert_parse(const json_t *j, struct drift_alert *ret, struct drift_err *err) DRIFT_MUST_CHECK;

#endif
