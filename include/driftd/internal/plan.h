/* plan.h - what holds from which window on: baseline, window length, lateness, thresholds, partitions.
 *
 * A chain's plan is the list of its entries in order of `from`; it lives in the chain's model slot (fields
 * plan:<seq>, JSON, v 2 when windows slide, else 1; cfg:<config hash>, the configuration's text) and only grows. Ingest
 * uses it to place and refuse records, the judge to know what a window is compared with; so both must read the same
 * one. Threads: a struct drift_plan has one owner. */
#ifndef DRIFTD_PLAN_H
#define DRIFTD_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "driftd/internal/base/err.h"

struct drift_plan_topic {
    char *topic;
    int32_t partitions;
};
struct drift_plan_entry {
    uint32_t seq;
    int64_t from_ms;                     /* a window start; INT64_MIN for the first entry */
    int64_t at_ms;                       /* first entry: Redis time when it was written; 0: unknown */
    char *baseline_id, *baseline_digest; /* "" when there is none: unmonitored */
    char *config_hash;
    int64_t window_ms, lateness_ms; /* what is counted, closed and judged, in a row */
    /* What a verdict is about: the last span_ms of counts, a multiple of window_ms.  Windows slide when it is more than
     * window_ms, and those are panes of them then.  0 is taken as window_ms. */
    int64_t span_ms;
    size_t n_topics;
    struct drift_plan_topic *topics;
};
struct drift_plan {
    size_t n;
    struct drift_plan_entry *entry; /* ascending from_ms */
};
void drift_plan_release(struct drift_plan *p);
void drift_plan_entry_release(struct drift_plan_entry *e);
/* Adds one entry from its JSON text (value of plan:<seq>).  Keeps order.  DRIFT_E_PARSE, DRIFT_E_VERSION. */
int drift_plan_add(struct drift_plan *p, uint32_t seq, const char *json, size_t len,
                   struct drift_err *err) DRIFT_MUST_CHECK;
/* JSON text of an entry; heap. */
char *drift_plan_entry_json(const struct drift_plan_entry *e);

/* The entry that a window starting at start_ms has; NULL: the plan is empty. */
const struct drift_plan_entry *drift_plan_at(const struct drift_plan *p, int64_t start_ms);
/* Start of the window that holds event time t. Windows are aligned to the epoch. */
int64_t drift_plan_window_start(const struct drift_plan *p, int64_t t_ms);
/* X(W): the watermark from which on the window is closed: end + lateness, never falling from window to window. */
int64_t drift_plan_close_ms(const struct drift_plan *p, int64_t start_ms);
static inline int64_t drift_plan_window_end(const struct drift_plan *p, int64_t start_ms)
{
    return start_ms + drift_plan_at(p, start_ms)->window_ms;
}
/* Begin of what the verdict of the window (pane) at start_ms is about: start_ms itself unless windows slide. */
static inline int64_t drift_plan_span_start(const struct drift_plan *p, int64_t start_ms)
{
    const struct drift_plan_entry *e = drift_plan_at(p, start_ms);
    return start_ms + e->window_ms - e->span_ms;
}
/* The last pane whose verdict is about the pane at start_ms, too: start_ms itself unless windows slide. */
int64_t drift_plan_last_span(const struct drift_plan *p, int64_t start_ms);
/* The greatest X(W) that is not above t: what a watermark at t has closed last.  INT64_MIN: nothing. */
int64_t drift_plan_last_closed(const struct drift_plan *p, int64_t t_ms);
bool drift_plan_has_partition(const struct drift_plan_entry *e, const char *topic, int32_t partition);
/* Next window start of the plan at or after t, after the last entry's (for PLAN_ADD's from with the same or another
 * window length).  INT64_MAX: the two lengths share no boundary before the year 10000. */
int64_t drift_plan_boundary(const struct drift_plan *p, int64_t t_ms, int64_t new_window_ms);

#endif
