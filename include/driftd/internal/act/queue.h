/* queue.h - the sender's view of one chain's outbox: what waits, what may go now, what is finished.  No I/O.
 *
 * refresh merges what Redis holds: new entries are checked (MAC, endpoint) and kept parsed; the states of those that
 * are not in this process's hands are taken over.  ready walks the entries in order of window and step and returns
 * those that may be attempted now:
 *   - in one verdict a step waits until each step before it had its first attempt, unless that one's endpoint is
 *     passed over (held back or slow): a dead receiver delays no other;
 *   - of one rule, incident, step and endpoint a later window's transition waits until the earlier ones are done.
 * An entry that was never attempted and whose window ended max_age_ms ago when it is first seen is marked late: it is
 * not sent, one notice is.  Only what continues an incident of which the receiver has heard is sent anyhow.
 * Threads: one owner. */
#ifndef DRIFTD_ACT_QUEUE_H
#define DRIFTD_ACT_QUEUE_H

#include "driftd/internal/act/outbox.h"
#include "driftd/internal/act/retry.h"
#include "driftd/internal/store/store.h"

/* Where entries go: one per configured endpoint, by its index. */
struct drift_target {
    const struct drift_endpoint *endpoint;
    char **secrets;
    size_t n_secrets;
    bool held;        /* attempts may not start: disabled, circuit open, told to wait */
    bool passed_over; /* held, or so slow that steps at other endpoints do not wait for it */
    int64_t back_ms;  /* wall clock when it last answered again after failing: older failures are due at once; 0: never
                         failed */
};

enum { DRIFT_QUEUE_MAX = 20000, DRIFT_QUEUE_ENTRY_MAX = 1 << 20, DRIFT_QUEUE_KEEP = 1000 };
enum { DRIFT_QUEUE_KEEP_MS = 24 * 60 * 60 * 1000 };

struct drift_queued {
    struct drift_action action; /* body NULL when finished; all NULL when it could not be read */
    char id[33];
    size_t target;
    struct drift_retry state;
    bool refused;   /* found bad by this refresh: the caller logs and counts it, then clears this */
    bool unsaved;   /* state is newer than Redis's */
    bool in_flight; /* being sent, or part of a notice: refresh leaves it alone */
    bool claimed;   /* this process has the lease and is about to look again: refresh keeps it, with Redis's state */
    bool late;      /* waits for its notice */
    int64_t leased_until_ms; /* by somebody else; 0: no */
    uint64_t key;            /* hash of rule, step, endpoint, incident: what transitions share */
    bool found;              /* scratch of refresh */
    bool is_new;
};

struct drift_queue {
    struct drift_queued **entries; /* by window start, seq, id */
    size_t n, cap;
    size_t n_waiting; /* not finished */
};

struct drift_queue_rules {
    const struct drift_target *targets;
    size_t n_targets;
    const char *instance; /* leases of others hold an entry back */
    int64_t max_age_ms;   /* 0: nothing is late */
    bool brief;           /* stored waits are cut to 1 s */
};

void drift_queue_release(struct drift_queue *q);
void drift_queue_refresh(struct drift_queue *q, const struct drift_pairs *fields, int64_t now_ms,
                         const struct drift_queue_rules *rules);
/* Entries that may be attempted now, in order, at most max. */
size_t drift_queue_ready(struct drift_queue *q, int64_t now_ms, const struct drift_queue_rules *rules,
                         struct drift_queued **ret, size_t max);
/* Earliest time at which a waiting entry is due whose target is not held; INT64_MAX: none. */
int64_t drift_queue_next_ms(const struct drift_queue *q, const struct drift_queue_rules *rules);
/* Finishes an entry: its body is let go. */
void drift_queue_finish(struct drift_queue *q, struct drift_queued *e, enum drift_done done);
/* Finished entries that have had their time (24 h, or more than 1,000 of them): at most max ids, borrowed. */
size_t drift_queue_old(const struct drift_queue *q, int64_t now_ms, const char **ret_ids, size_t max);
void drift_queue_remove(struct drift_queue *q, const char *id);

#endif
