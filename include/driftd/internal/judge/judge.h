/* judge.h - closes windows: merges the partitions' counts, measures, evaluates rules, writes verdict, alerts and
 * outbox in one compare-and-set.
 *
 * What it writes, all JSON: to :w, by window start, the header that the owners of the partitions wait for
 *                {"v":1,"kind":..,"plan":seq,"end":ms,"parts":{"<topic>/<n>":[n, excluded]},"numbers":"<digest of the
 *                counts>","gap_from":ms (only after a gap),"forced":["<topic>/<n>"] (only when max_hold closed some),
 *                "ms":Redis time}; partitions without counts are left out
 * into the chain's slot
 *     alerts     {"v":1,"rules":{name: drift_alert_json}}
 *     carry      {"v":1,"from_ms":..,"windows":n,"blob":"<base64 of drift_blob_save>"}, while windows are held
 *     status     {"v":1,"status":"ok|degraded|unmonitored","since_ms":..,"why":..}; of the label chain only when the
 *                model has label rules
 * to :v the body (outcome.h), to :out the entries (act/outbox.h).
 *
 * Anybody may judge; several at once do no harm (the chain's head decides).  A verdict, its alerts and its action
 * bytes are a function of (plan entry, merged counts, state of the chain): no clock in them.
 * Threads: one owner. */
#ifndef DRIFTD_JUDGE_JUDGE_H
#define DRIFTD_JUDGE_JUDGE_H

#include "driftd/internal/base/clock.h"
#include "driftd/internal/config/config.h"
#include "driftd/internal/flow.h"
#include "driftd/internal/judge/alert.h"
#include "driftd/internal/plan.h"
#include "driftd/internal/store/store.h"

struct drift_judge;
/* A judged window, for whoever shows it (console line of `run`, metrics).  worst: the worst severity that fires now. */
typedef void drift_judged_fn(void *ctx, const char *model, const struct drift_verdict *v, enum drift_severity worst,
                             size_t n_actions);
struct drift_judge_settings {
    const struct drift_config *config; /* current one: endpoints' secrets, state settings */
    struct drift_store *store;         /* the judge's own connection; borrowed */
    drift_judged_fn *judged;           /* may be NULL */
    void *ctx;
    const struct drift_clock *clock; /* for max_hold and early; NULL: the system's */
    drift_judged_fn *early;          /* a preliminary verdict; worst: the worst level that is crossed.  May be NULL */
};
int drift_judge_new(const struct drift_judge_settings *s, struct drift_judge **ret,
                    struct drift_err *err) DRIFT_MUST_CHECK;
void drift_judge_free(struct drift_judge *j);

enum drift_judge_result {
    DRIFT_JUDGE_IDLE,    /* nothing to judge now */
    DRIFT_JUDGE_JUDGED,  /* one window done: call again */
    DRIFT_JUDGE_WAITING, /* a window with counts waits: text says for what */
    DRIFT_JUDGE_AGAIN    /* somebody else wrote: call again */
};
/* Looks at one chain; judges at most one window.  waiting (may be NULL) gets plain words: "waits for scores/3,
 * watermark 14:02:00Z, needs 14:05:00Z".  Errors: AWAY (RETRY), CORRUPT ... */
int drift_judge_step(struct drift_judge *j, struct drift_chain_id chain, enum drift_judge_result *ret,
                     struct drift_buf *waiting, struct drift_err *err) DRIFT_MUST_CHECK;

/* A chain as people ask for it.  Touches nothing in Redis but the `seen` marks of the slots it reads. */
struct drift_look_alert {
    char *rule;
    struct drift_alert alert;
};
struct drift_look {
    bool started;                       /* false: nobody has written its plan; nothing else is set then */
    int64_t now_ms;                     /* Redis time */
    int64_t judged_until_ms;            /* INT64_MIN before the first verdict */
    const char *status;                 /* "unknown", "ok" ... */
    char *why;                          /* of the status; NULL: none */
    int64_t status_since_ms;            /* 0: unknown */
    bool next;                          /* a window with counts is not judged yet; */
    int64_t next_start_ms, next_end_ms; /* the first one, and */
    char *waiting;                      /* what it waits for, as drift_judge_step says it; NULL without one */
    uint32_t held_windows;              /* with too few events, in a row; 0: none */
    int64_t held_from_ms;
    uint64_t held_events;
    size_t n_alerts;
    struct drift_look_alert *alerts;
    struct drift_plan plan;
};
int drift_judge_look(struct drift_store *s, struct drift_chain_id chain, int64_t settle_ms, struct drift_look *ret,
                     struct drift_err *err) DRIFT_MUST_CHECK;
void drift_look_release(struct drift_look *l);

/* When the model wants preliminary verdicts and the last one is old enough: looks at the open window, writes :early and
 * at most one notice per rule and window.  One instance should: several would only look more often. */
int drift_judge_early(struct drift_judge *j, struct drift_chain_id chain, struct drift_err *err) DRIFT_MUST_CHECK;

/* Reads a chain's plan from the fields of its slot. */
int drift_judge_plan(const struct drift_pairs *fields, struct drift_plan *ret, struct drift_err *err) DRIFT_MUST_CHECK;
/* First or further plan entry as fields for MODEL_INIT / PLAN_ADD: plan:<seq> and cfg:<hash>.  Heap strings in ret[2].
 */
void drift_judge_plan_fields(const struct drift_plan_entry *e, const struct drift_config *c, struct drift_pair ret[2]);
/* Least distance of a new entry's `from` from now: future_skew + 2 clock_skew + plan_ttl + settle.  A failover may take
 * the entry back as late as settle after it was written, and an owner that had read it just before may count by it for
 * another plan_ttl: by then no record of a window from `from` on may have come. */
int64_t drift_judge_margin_ms(const struct drift_state_config *s);

#endif
