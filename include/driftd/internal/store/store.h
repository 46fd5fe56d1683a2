/* store.h - driftd's state in Redis: slots, heads, scripts.  The only door to hiredis.
 *
 * The protocol (random heads, compare-and-set, advances) is described in ARCHITECTURE.md, "Exactly once".  Key
 * names, with every name percent-encoded (drift_name_encode):
 *     driftd:{p/<group>/<topic>/<n>}          hash: head fmt offset wm log adv forced partial partial_from b:* gone:*
 *                                             late:* other:* reconciled:* waits dk d:* anew owner acquired at
 *     driftd:{m/<group>/<model>}              hash of the model's input chain: head fmt judged_until plan:* cfg:*
 *                                             alerts carry status evidence detectors first
 *     driftd:{m/<group>/<model>/label}        the same for its label chain
 *     <chain key>:w                           hash: verdict headers by window start.  Apart from the chain's own, which
 *                                             each step of the judge reads whole
 *     <chain key>:early                       hash: start ms body n:*, the open window's verdict so far
 *     <chain key>:v  <chain key>:out          hashes: verdict bodies by window start; outbox entries
 *     driftd:{b/<model>}                      hash: id -> META JSON; "active" -> id that a new chain starts with
 *     driftd:{b/<model>}:<id>                 string: baseline, format v1
 * Times are integer ms, offsets decimal strings that Lua never computes with.
 *
 * One server, the master that Sentinel names (asked for each connection), or a Redis Cluster (MOVED and ASK are
 * followed, at most five for a call): the settings say which, and the calls are the same.
 *
 * Errors: DRIFT_E_AWAY with action RETRY for everything that may pass (connection, time-out, LOADING, READONLY,
 * TRYAGAIN, CLUSTERDOWN, NOREPLICAS, OOM, BUSY, MISCONF); the command is then *in doubt*: it may have been applied.
 * DRIFT_E_DENIED (NOAUTH, WRONGPASS, NOPERM) is RETRY as well and says so.  DRIFT_E_FULL: a reply beyond 128 MiB.
 * DRIFT_E_CORRUPT: a slot holds what driftd does not write; DRIFT_E_VERSION: a newer driftd wrote it.
 * A connection is made on first use and again after an error, at most once per call and node; the caller backs off.  A
 * call takes at most the connect time-out and ten command time-outs (a long reply that keeps coming), usually far less;
 * looking for the master or the table of slots takes two time-outs more, and each redirection counts as a call.
 * Rights that an ACL must give: ~driftd:* +@read +@write +@connection +eval +evalsha +time; script|load saves bytes,
 * info and config|get are for drift_store_health.  With Sentinel also +role, and +sentinel|get-master-addr-by-name at
 * the sentinels; with a cluster cluster|slots saves redirections.  SIGPIPE is taken care of here.
 * Threads: one owner per struct drift_store; make one for each thread. */
#ifndef DRIFTD_STORE_STORE_H
#define DRIFTD_STORE_STORE_H

#include <stdint.h>

#include "driftd/internal/base/buf.h"
#include "driftd/internal/base/err.h"
#include "driftd/internal/config/config.h"
#include "driftd/internal/flow.h"

enum { DRIFT_HEAD = 33 }; /* 32 hex digits and NUL */

struct drift_store;
int drift_store_new(const struct drift_redis_config *cfg, const char *group, struct drift_store **ret,
                    struct drift_err *err) DRIFT_MUST_CHECK;
void drift_store_free(struct drift_store *s);
/* Connects (if needed) and PINGs; every master of a cluster, and every slot must have one. */
int drift_store_ping(struct drift_store *s, struct drift_err *err) DRIFT_MUST_CHECK;

/* A hash as read: field/value pairs, binary safe, NUL behind each value. */
struct drift_pair {
    char *name;
    char *value;
    size_t len;
};
struct drift_pairs {
    size_t n;
    struct drift_pair *pair;
};
void drift_pairs_release(struct drift_pairs *p);
const struct drift_pair *drift_pairs_find(const struct drift_pairs *p, const char *name); /* NULL: absent */

/* What a compare-and-set answered. */
enum drift_reply {
    DRIFT_REPLY_OK,
    DRIFT_REPLY_DUP,      /* this very write was applied before (its reply was lost) */
    DRIFT_REPLY_STALE,    /* FLUSH, CHECK: the head is another one */
    DRIFT_REPLY_CONFLICT, /* VERDICT, PLAN_ADD, OPERATE: the head is another one */
    DRIFT_REPLY_BUSY,     /* the last advance has not settled */
    DRIFT_REPLY_NOOP,     /* advance to a time that the watermark has passed: nothing written */
    DRIFT_REPLY_JUDGED,   /* the window lies before judged_until */
    DRIFT_REPLY_EXISTS,   /* MODEL_INIT: somebody was first */
    DRIFT_REPLY_TOO_EARLY /* PLAN_ADD: `from` is not far enough ahead */
};

/* ---- partition slots ---- */
struct drift_slot_id {
    const char *topic;
    int32_t partition;
};
/* ACQUIRE: sets a fresh head (owner is text for humans), returns every field as it is then (no `offset`: a slot that
 * nobody has flushed).  now_ms = Redis TIME.  In doubt: again with another fresh head, never the same.  The field
 * `seen` is never returned, here and in MODEL_READ. */
int drift_store_acquire(struct drift_store *s, struct drift_slot_id id, const char *new_head, const char *owner,
                        struct drift_pairs *ret_fields, int64_t *ret_now_ms, struct drift_err *err) DRIFT_MUST_CHECK;
struct drift_flush {
    const char *prev, *new_head;
    int64_t settle_ms;
    bool advance; /* then sets and dels are empty */
    int64_t advance_to_ms;
    size_t n_sets;
    const struct drift_pair *sets;
    size_t n_dels;
    const char *const *dels;
};
/* FLUSH.  The caller keeps all bytes until it has OK, DUP or STALE, and sends the same again when in doubt. */
int drift_store_flush(struct drift_store *s, struct drift_slot_id id, const struct drift_flush *f,
                      enum drift_reply *ret, int64_t *ret_now_ms, struct drift_err *err) DRIFT_MUST_CHECK;
/* CHECK: is the head still ours?  OK or STALE. */
int drift_store_check(struct drift_store *s, struct drift_slot_id id, const char *prev, enum drift_reply *ret,
                      struct drift_err *err) DRIFT_MUST_CHECK;
/* FORCE: raises the watermark of a slot whose owner does not (max_hold): the owner gets STALE.  OK, BUSY.  The slot
 * remembers it (field `forced`), so that a window judged again is still known to be forced. */
int drift_store_force(struct drift_store *s, struct drift_slot_id id, const char *new_head, int64_t to_ms,
                      int64_t settle_ms, enum drift_reply *ret, int64_t *ret_now_ms,
                      struct drift_err *err) DRIFT_MUST_CHECK;

/* READ for the judge (writes `seen`, so that an isolated old master refuses).  chain_key is "<enc model>:i" or
 * ":l".  Returns the blobs of the windows that start at start_ms[..] as pairs named by the whole field name,
 * b:<chain key>:<start>:<segment> (segment "" today). */
enum { DRIFT_FORCED_MAX = 8 };
struct drift_forced { /* the watermark was forced from `from` to `to` */
    int64_t from_ms, to_ms;
};
struct drift_slot_view {
    bool exists;           /* somebody has acquired it */
    int64_t now_ms, wm_ms; /* wm: INT64_MIN when absent */
    bool waits;            /* its owner has more to read but may not, the field says why: not idle */
    bool has_adv;
    int64_t adv_from_ms, adv_to_ms, adv_at_ms;
    /* Records were lost unseen: windows that start by partial are partial here, unless partial_from had closed them. */
    int64_t partial_ms, partial_from_ms; /* INT64_MIN when absent */
    char offset[24];                     /* "" when absent */
    int64_t gone_ms;                     /* INT64_MIN when absent */
    size_t n_forced;                     /* the last ones, oldest first */
    struct drift_forced forced[DRIFT_FORCED_MAX];
    int64_t lowest_blob_ms; /* lowest window start >= from_ms of the chain that has a blob; INT64_MAX: none */
    struct drift_pairs blobs;
};
int drift_store_read(struct drift_store *s, struct drift_slot_id id, const char *chain_key, int64_t from_ms,
                     const int64_t *start_ms, size_t n_start, struct drift_slot_view *ret,
                     struct drift_err *err) DRIFT_MUST_CHECK;
/* The same, but looks for a blob at the starts first_ms[..] (ascending) first; the first one there is the lowest.  Only
 * when there is none, and from_ms is not INT64_MAX, are all blobs of the slot gone through, of which there is one for
 * each window judged within `retain`. */
struct drift_slot_ask {
    const char *chain_key;
    int64_t from_ms;
    const int64_t *start_ms, *first_ms;
    size_t n_start, n_first;
};
int drift_store_look(struct drift_store *s, struct drift_slot_id id, const struct drift_slot_ask *ask,
                     struct drift_slot_view *ret, struct drift_err *err) DRIFT_MUST_CHECK;
void drift_slot_view_release(struct drift_slot_view *v);

/* SHOW: a slot as people want to see it; writes nothing.  open: for each chain asked for, the windows from from_ms on
 * that have counts, as pairs of chain key and start (at most 10,000). */
struct drift_show_ask {
    const char *chain_key;
    int64_t from_ms;
};
struct drift_slot_show {
    bool exists;                  /* somebody has acquired it */
    int64_t now_ms, wm_ms, at_ms; /* at: the last write of an owner; both INT64_MIN when absent */
    bool has_adv;
    int64_t adv_from_ms, adv_to_ms, adv_at_ms;
    char offset[24]; /* "" when absent */
    char *owner;     /* who acquired it last; never NULL */
    char *waits;     /* why its owner has stopped reading it for now; NULL: it has not said so */
    uint64_t late, refused;
    struct drift_pairs open;
};
int drift_store_show(struct drift_store *s, struct drift_slot_id id, const struct drift_show_ask *asks, size_t n,
                     struct drift_slot_show *ret, struct drift_err *err) DRIFT_MUST_CHECK;
void drift_slot_show_release(struct drift_slot_show *v);

/* ---- model slots.  A chain that does not exist reads as no fields ---- */
struct drift_chain_id {
    const char *model;
    enum drift_chain_kind kind;
};
int drift_store_model_read(struct drift_store *s, struct drift_chain_id id, struct drift_pairs *ret_fields,
                           int64_t *ret_now_ms, struct drift_err *err) DRIFT_MUST_CHECK;
/* HEADERS: the verdict headers that are still kept, named by the window start, in no order; in portions, however many
 * there are (10 million are refused: DRIFT_E_FULL), those added meanwhile may be missing.  Writes `seen` as
 * MODEL_READ does.  Costs time for all windows judged within `retain`: not for every window. */
int drift_store_headers(struct drift_store *s, struct drift_chain_id id, struct drift_pairs *ret_headers,
                        struct drift_err *err) DRIFT_MUST_CHECK;
/* MODEL_INIT: writes the first plan entry (fields given) and a head.  OK or EXISTS.  Here and in PLAN_ADD the values
 * of plan:* get the script's time for the placeholder @now@. */
int drift_store_model_init(struct drift_store *s, struct drift_chain_id id, const char *new_head,
                           const struct drift_pair *sets, size_t n_sets, enum drift_reply *ret,
                           struct drift_err *err) DRIFT_MUST_CHECK;
/* PLAN_ADD: refuses from < now + margin (TOO_EARLY, *ret_now_ms says when), from < judged_until, from <= the last
 * entry's.  sets: plan:<seq> and cfg:<hash>; the script itself checks that plan:<seq> is new. */
int drift_store_plan_add(struct drift_store *s, struct drift_chain_id id, const char *prev, const char *new_head,
                         int64_t from_ms, int64_t last_from_ms, int64_t margin_ms, const struct drift_pair *sets,
                         size_t n_sets, enum drift_reply *ret, int64_t *ret_now_ms,
                         struct drift_err *err) DRIFT_MUST_CHECK;
/* VERDICT: one compare-and-set writes :w, :v, :out and the hash.  `header` goes to :w under start_ms, with the script's
 * time for the placeholder @now@; `sets` go to the hash (alerts, carry, status, evidence, detectors), `dels` are fields
 * of the hash, old headers in w_dels, old bodies in v_dels.  judged_until becomes end_ms.  OK, DUP, CONFLICT, JUDGED.
 */
struct drift_verdict_write {
    const char *prev, *new_head;
    int64_t start_ms, end_ms;
    const char *header;
    const struct drift_pair *sets;
    size_t n_sets;
    const char *const *dels;
    size_t n_dels;
    const char *const *w_dels;
    size_t n_w_dels;
    const struct drift_pair *bodies; /* :v, named by the window start */
    size_t n_bodies;
    const char *const *v_dels;
    size_t n_v_dels;
    const struct drift_pair *out; /* :out, named "e:<action id>" */
    size_t n_out;
};
int drift_store_verdict(struct drift_store *s, struct drift_chain_id id, const struct drift_verdict_write *w,
                        enum drift_reply *ret, struct drift_err *err) DRIFT_MUST_CHECK;
/* EARLY: what the window that is still open looks like, to :early, over what was there.  head: of the chain as read;
 * OK, or CONFLICT when it is another one.  out[i] goes to :out unless an earlier call wrote entries of a notice called
 * notices[i] for the same window.  May be repeated. */
struct drift_early_write {
    const char *head;
    int64_t start_ms;
    const char *body;
    size_t n_out;
    const char *const *notices;
    const struct drift_pair *out; /* named "e:<action id>" */
};
int drift_store_early(struct drift_store *s, struct drift_chain_id id, const struct drift_early_write *w,
                      enum drift_reply *ret, struct drift_err *err) DRIFT_MUST_CHECK;
/* Its fields: start, ms (when), body; none when there never was one.  It is outdated when judged_until has passed
 * start. */
int drift_store_early_read(struct drift_store *s, struct drift_chain_id id, struct drift_pairs *ret_fields,
                           struct drift_err *err) DRIFT_MUST_CHECK;
/* OPERATE: an operator's write to the alerts.  OK, DUP, CONFLICT. */
int drift_store_operate(struct drift_store *s, struct drift_chain_id id, const char *prev, const char *new_head,
                        const struct drift_pair *sets, size_t n_sets, enum drift_reply *ret,
                        struct drift_err *err) DRIFT_MUST_CHECK;
/* Verdict body of a window; DRIFT_E_NOT_FOUND. */
int drift_store_verdict_body(struct drift_store *s, struct drift_chain_id id, int64_t start_ms, char **ret_body,
                             size_t *ret_len, struct drift_err *err) DRIFT_MUST_CHECK;
/* All window starts with a body, ascending: caller frees. */
int drift_store_verdict_list(struct drift_store *s, struct drift_chain_id id, int64_t **ret_starts, size_t *ret_n,
                             struct drift_err *err) DRIFT_MUST_CHECK;

/* ---- outbox: fields e:<id> (entry, written by VERDICT only), s:<id> (delivery state) and l:<id> (lease
 * "until:owner"), both written here.  A state without an entry may be found: a failover took the entry ---- */
int drift_store_out_read(struct drift_store *s, struct drift_chain_id id, struct drift_pairs *ret_fields,
                         int64_t *ret_now_ms, struct drift_err *err) DRIFT_MUST_CHECK;
/* Lease: takes entry `action` for lease_ms unless another owner has a live lease or the entry is gone.  The delivery
 * state is opaque here: read again after a claim whether the entry is still to be sent. */
int drift_store_out_claim(struct drift_store *s, struct drift_chain_id id, const char *action, const char *owner,
                          int64_t lease_ms, bool *ret_taken, struct drift_err *err) DRIFT_MUST_CHECK;
/* Writes the delivery state (JSON text) and drops the lease. */
int drift_store_out_state(struct drift_store *s, struct drift_chain_id id, const char *action, const char *state,
                          struct drift_err *err) DRIFT_MUST_CHECK;
/* Removes finished entries with their states. */
int drift_store_out_drop(struct drift_store *s, struct drift_chain_id id, const char *const *actions, size_t n,
                         struct drift_err *err) DRIFT_MUST_CHECK;

/* ---- baselines ---- */
int drift_store_baseline_put(struct drift_store *s, const char *model, const char *id, const char *meta,
                             const void *bytes, size_t len,
                             struct drift_err *err) DRIFT_MUST_CHECK; /* DRIFT_E_EXISTS when the id has other bytes */
int drift_store_baseline_get(struct drift_store *s, const char *model, const char *id, void **ret_bytes,
                             size_t *ret_len, struct drift_err *err) DRIFT_MUST_CHECK;
int drift_store_baseline_list(struct drift_store *s, const char *model,
                              struct drift_pairs *ret_meta /* id -> META, "active" -> id */,
                              struct drift_err *err) DRIFT_MUST_CHECK;
int drift_store_baseline_activate(struct drift_store *s, const char *model, const char *id,
                                  struct drift_err *err) DRIFT_MUST_CHECK;

/* ---- health: what `check --connect` and start-up report ---- */
struct drift_store_health {
    char address[160];
    char version[32], maxmemory_policy[32], role[16];
    bool info_known, config_known; /* false: the server denies INFO or CONFIG GET to us; texts are "unknown" then */
    bool aof, noeviction, cluster; /* from INFO */
    bool rdb;                      /* from CONFIG GET */
    int64_t maxmemory, used_memory, replicas; /* -1: unknown */
    int64_t min_replicas;                     /* min-replicas-to-write; -1: unknown */
    int64_t min_replicas_lag_ms;              /* min-replicas-max-lag; -1: unknown */
    int64_t node_timeout_ms;                  /* cluster-node-timeout; -1: unknown, or no cluster */
};
int drift_store_health(struct drift_store *s, struct drift_store_health *ret, struct drift_err *err) DRIFT_MUST_CHECK;
/* The same of the i-th master of a cluster; otherwise there is only number 0.  DRIFT_E_NOT_FOUND behind the last. */
int drift_store_health_of(struct drift_store *s, size_t i, struct drift_store_health *ret,
                          struct drift_err *err) DRIFT_MUST_CHECK;
/* Calls say for everything about this server that driftd's promises do not go with; bad: state can be lost or writes
 * are impossible, else a warning. */
void drift_store_health_judge(const struct drift_store_health *h, int64_t settle_ms,
                              void (*say)(void *ctx, bool bad, const char *text), void *ctx);

#endif
