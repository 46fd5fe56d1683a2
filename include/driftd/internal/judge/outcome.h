/* outcome.h - one judged window with all that its texts speak of: the body of its verdict and those of its actions.
 *
 * Everything here is a function of (plan entry, merged counts, state of the chain): no clock, no late counters, no
 * delivery state, so that a window judged again gives the same bytes.  Names of features, categories and versions are
 * hostile: bytes that are not UTF-8 are written as \xNN.
 * Threads: pure. */
#ifndef DRIFTD_JUDGE_OUTCOME_H
#define DRIFTD_JUDGE_OUTCOME_H

#include <jansson.h>

#include "driftd/concordance.h"
#include "driftd/embedding.h"
#include "driftd/internal/act/outbox.h"
#include "driftd/internal/config/config.h"
#include "driftd/internal/flow.h"
#include "driftd/internal/judge/alert.h"
#include "driftd/internal/plan.h"
#include "driftd/internal/window/segment.h"

/* What a rule made of the window. */
struct drift_outcome_rule {
    const struct drift_rule *rule;
    const struct drift_config *config; /* that the rule and its playbooks are of */
    bool measured;                     /* result is set: the window was measured */
    bool retired;                      /* the plan no longer has the rule: its incident ends */
    struct drift_rule_result result;
    struct drift_alert before, after;
    enum drift_transition transition;
    uint32_t held_by_cooldown; /* bit i: step kind i was left out */
};

/* Sequential evidence at this window: what speaks for drift, most first. */
struct drift_outcome_evidence {
    double evidence, threshold; /* ln M, ln A */
    enum drift_evidence_level level;
    bool promised;  /* the baseline lets the budget of false alarms be promised */
    unsigned flags; /* enum drift_phase1_flag: why not */
    bool restarted; /* nothing was carried over: first window, or another baseline or other settings */
    size_t n_columns, n_latched, n_rearmed; /* rearmed: by an operator, before this window */
    struct drift_outcome_share {
        const struct drift_column *column;
        double share;                      /* of M, 0 .. 1 */
        enum drift_evidence_stream stream; /* what speaks loudest */
        double z;                          /* of it, in this window */
        double log_r;
        bool listed, latched;
    } column[10];
};

/* A change detector by name, at this window. */
struct drift_outcome_detector {
    const struct drift_detector_config *config;
    const char *why;                 /* it was given nothing; NULL: it was */
    double value;                    /* mean or share */
    uint64_t n, k, fed;              /* values of the column, those of the category, values given */
    enum drift_detector_level level; /* the loudest at a value of this window */
    bool restarted;                  /* it began anew */
};

/* How the features go together in this window. */
struct drift_outcome_dependence {
    const char *why;                                  /* nothing was measured; NULL: the pairs were */
    const char *why_not_embedding;                    /* likewise, of the embedding */
    uint32_t one_in;                                  /* events of which one was taken */
    const char *name[DRIFT_CONCORDANCE_FEATURES_MAX]; /* of the features; borrowed from the layout */
    struct drift_concordance_result pairs;
    struct drift_embedding_result embedding;
    double effect; /* of the embedding: see measure.h */
};

/* A change in a column among the events of one value of a key. */
struct drift_outcome_figure {
    uint32_t column;
    int special; /* its share, or -1: PSI of the coarse cells */
    double effect, p, now, before;
};
enum { DRIFT_OUTCOME_FIGURES = 3 };
struct drift_outcome_segment {
    const char *why; /* nothing was measured; NULL: it was */
    size_t n_changes, n_rises;
    struct drift_outcome_figure changes[DRIFT_OUTCOME_FIGURES], rises[DRIFT_OUTCOME_FIGURES]; /* largest first */
};
/* The largest of all keys, values and columns that is no chance, or else the least probable one. */
struct drift_outcome_segment_worst {
    uint32_t key, value;
    double tests; /* how many were looked at: 0, there is none */
    struct drift_outcome_figure figure;
};
struct drift_outcome_segments {
    const struct drift_segments *of; /* the baseline's; NULL: it has none */
    struct drift_outcome_segment value[DRIFT_SEGMENT_KEYS][DRIFT_SEGMENT_VALUES + 1]; /* as in `of` */
    struct drift_outcome_segment_worst psi, rate;
};

enum drift_model_status { DRIFT_STATUS_UNKNOWN, DRIFT_STATUS_OK, DRIFT_STATUS_DEGRADED, DRIFT_STATUS_UNMONITORED };
const char *drift_model_status_name(enum drift_model_status s); /* "unknown", "ok" ... */

struct drift_outcome {
    const char *group, *segment;       /* segment: "" today */
    const struct drift_config *config; /* of the plan entry */
    const struct drift_model *model;
    const struct drift_plan_entry *plan;
    const struct drift_verdict *verdict;
    const struct drift_summary *baseline; /* counts compared with, of the verdict's layout; NULL when unmonitored */
    const struct drift_summary
        *training;              /* counts of training data of the verdict's layout; NULL: none, or not measured */
    const char *profile;        /* the windows of the baseline that are compared with, "hour 03"; NULL: all; */
    const char *profile_why;    /* why all, though the baseline goes by the hour; NULL: it does not */
    double baseline_per_window; /* mean events of a baseline window; 0: unknown */
    int64_t gap_from_ms;        /* windows from here to the start had no counts; = start: no gap */
    size_t n_damaged;           /* partitions whose stored counts could not be read */
    bool preliminary;           /* the window is open: said in every text */
    const struct drift_outcome_evidence *evidence; /* NULL: none was kept */
    size_t n_detectors;
    const struct drift_outcome_detector *detectors;
    const struct drift_outcome_dependence *dependence; /* NULL: the model does not ask for it */
    const struct drift_outcome_segments *segmented;    /* NULL: no keys are configured, or not measured */
    json_t *segments;                                  /* the same in JSON, with what explains the changes */
    json_t *forced;                                    /* ["<topic>/<n>"] that max_hold closed; NULL or empty: none */
    size_t n_rules;
    struct drift_outcome_rule *rules; /* in order of the configuration, retired ones behind */
    enum drift_model_status status_before, status;
};

/* A new reference to text that may be anything. */
json_t *drift_text_json(const char *s);

/* Decides and writes the actions: heap array, each to be released.  Sets held_by_cooldown, and after.last_production_ms
 * of rules with a live production-touching step. */
size_t drift_outcome_actions(struct drift_outcome *o, struct drift_action **ret);

/* Of a window that is open: what tells that a level is crossed, the steps notify and page of the rules' playbooks. */
size_t drift_outcome_notices(struct drift_outcome *o, struct drift_action **ret);

/* Body of the verdict: compact JSON, sorted keys, reals with 17 digits; heap. */
char *drift_outcome_verdict(const struct drift_outcome *o, const struct drift_action *actions, size_t n_actions);

/* ---- shared by the two bodies ---- */
/* {"model": {value: count, ... top n, "other": count}} */
json_t *drift_outcome_versions(const struct drift_outcome *o, size_t top);
json_t *drift_outcome_tally(const struct drift_tally *t, size_t top);
json_t *drift_outcome_new_fields(const struct drift_outcome *o, size_t top);      /* [name] */
json_t *drift_outcome_vanished_fields(const struct drift_outcome *o, size_t top); /* [name] */
json_t *drift_outcome_change(const struct drift_config *c);                       /* {version, approved_by, reason} */
/* Sets low95 and high95, the interval of the true psi (driftd/psi.h), of a column whose psi a rule found.  Some .1 ms:
 * not for each column of each window. */
void drift_outcome_put_interval(json_t *j, const struct drift_outcome *o, const struct drift_finding *f);
/* What changed in the columns that a rule (NULL: any) found, worst first: [{column, role, direction, text, shift_sd,
 * share}], at most `top` and 8.  First come the value of a key that such a rule found, {key, value, column, role,
 * direction, text ...}, and pairs of features that do not go together as before: {column, with, role, direction, text};
 * empty when none did or nothing was measured. */
json_t *drift_outcome_explanation(const struct drift_outcome *o, const struct drift_outcome_rule *only, size_t top);
/* The first of them as {column, text}, baseline beside window; null when there is none. */
json_t *drift_outcome_histogram(const struct drift_outcome *o, const struct drift_outcome_rule *only);
/* Measures the values of the model's keys that ret->of has; ret is otherwise zero.  before, now: counts of the layout
 * of ret->of. */
void drift_outcome_segment_figures(const struct drift_model *m, const struct drift_summary *before,
                                   const struct drift_summary *now, struct drift_outcome_segments *ret);
/* "null_rate", "missing_rate" ..., or "psi" for -1 */
const char *drift_outcome_figure_measure(int special);
/* What the measure segment_psi or segment_rate saw. */
static inline const struct drift_outcome_segment_worst *drift_outcome_segment_of(const struct drift_outcome_segments *s,
                                                                                 enum drift_measure_id id)
{
    return id == DRIFT_MEASURE_SEGMENT_RATE ? &s->rate : &s->psi;
}
/* "url_length of source=crm psi"; nothing when there is none */
void drift_outcome_segment_words(const struct drift_outcome_segments *s, const struct drift_outcome_segment_worst *w,
                                 struct drift_buf *out);
json_t *drift_outcome_segment_json(const struct drift_outcome_segments *s, const struct drift_outcome_segment_worst *w);
/* Per key: values with shares and their columns that changed, the mix, and which values explain the columns that rules
 * found.  NULL: see above. */
json_t *drift_outcome_segments(const struct drift_outcome *o);
json_t *drift_outcome_segment_texts(const struct drift_outcome *o, const struct drift_column *c); /* [text] of them */
/* The window beside training data: {"n": .., "columns": [{column, role, psi, p, ks}]}, the largest psi first, at most
 * 20 of those that differ at p < .001 / columns. */
json_t *drift_outcome_skew(const struct drift_outcome *o);
json_t *drift_outcome_detectors_json(const struct drift_outcome *o);
json_t *drift_outcome_dependence_json(const struct drift_outcome_dependence *d);
/* Did the pair change, whatever else was looked at (its p-value times the number of pairs is below .01)? */
bool drift_outcome_pair_changed(const struct drift_outcome_dependence *d, const struct drift_concordance_pair *p);
/* "`a` and `b` used to rise together (correlation of sides .56), now they do not (.02)" */
void drift_outcome_pair_words(const struct drift_outcome_dependence *d, const struct drift_concordance_pair *p,
                              struct drift_buf *out);
json_t *drift_outcome_evidence_json(const struct drift_outcome_evidence *e); /* null without one */
/* Sum of a column's counters. */
uint64_t drift_outcome_total(const struct drift_summary *s, const struct drift_column *c);
/* Worst severity that fires now. */
enum drift_severity drift_outcome_severity(const struct drift_outcome *o);

#endif
