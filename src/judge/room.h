/* room.h - what the files of this room share and nobody else needs: the state of a chain as read, its partitions, and
 * the caches of configurations and baselines that plan entries name.
 *
 * Threads: one owner, the judge's. */
#ifndef DRIFTD_JUDGE_ROOM_H
#define DRIFTD_JUDGE_ROOM_H

#include "driftd/internal/baseline/baseline.h"
#include "driftd/internal/judge/judge.h"
#include "driftd/internal/judge/outcome.h"
#include "driftd/internal/window/dependence.h"
#include "driftd/phase1.h"

enum { DRIFT_COUNTS_MAX = 64 << 20 }; /* bytes of a layout's counts, whatever it is: 4,096 columns of 1,000 cells */

/* ---- state.c: a chain's slot ---- */
struct drift_carry {
    bool there;
    int64_t from_ms;  /* start of the first held window */
    uint32_t windows; /* held in a row */
    uint8_t *blob;    /* drift_blob_save of their sum */
    size_t len;
};
struct drift_state {
    struct drift_pairs fields;
    int64_t now_ms;
    const char *head;        /* borrowed from fields; NULL: the chain was never started */
    int64_t judged_until_ms; /* INT64_MIN: no verdict yet */
    int64_t first_ms;        /* start of the first window that was judged; INT64_MIN: none yet */
    struct drift_plan plan;
    json_t *alerts; /* rule name -> drift_alert_json; never NULL after a read */
    enum drift_model_status status;
    struct drift_carry carry;
    json_t *evidence, *detectors; /* NULL: none */
};
/* Reads and parses.  AWAY; CORRUPT, PARSE, VERSION when the slot cannot be used. */
int drift_state_read(struct drift_store *s, struct drift_chain_id id, struct drift_state *ret,
                     struct drift_err *err) DRIFT_MUST_CHECK;
void drift_state_release(struct drift_state *s);
/* Texts of the fields `alerts`, `carry`, `status`; heap. */
char *drift_state_alerts_text(const struct drift_outcome *o);
char *drift_state_carry_text(int64_t from_ms, uint32_t windows, const void *blob, size_t len);
char *drift_state_status_text(const struct drift_outcome *o);
/* The stored state of a rule; zero when there is none or it cannot be read. */
struct drift_alert drift_state_alert(const struct drift_state *s, const char *rule);

/* ---- gather.c: the partitions of a chain ---- */
struct drift_part {
    const char *topic; /* borrowed from the plan */
    int32_t partition;
    bool needed; /* of an entry that covers judged_until .. the window */
    bool ready;  /* not needed, or closed there and settled */
    bool forced; /* closed there by FORCE: what its owner had not counted is missing */
    struct drift_slot_view view;
    uint64_t n, excluded; /* of the window's own counts: those of earlier panes are in their own headers */
};
struct drift_gathered {
    size_t n_parts;
    struct drift_part *parts;
    char *key;                /* of the chain in slots */
    int64_t start_ms, end_ms; /* the window; its last pane when windows slide, which then began at */
    int64_t from_ms;
    size_t n_panes; /* earlier ones, newest first */
    int64_t *pane_ms;
    int64_t close_ms; /* its X(W) */
    bool lost, partial;
    size_t n_damaged, n_forced;
    uint64_t excluded;
};
/* Finds the next window of the chain and whether all partitions are ready for it.  ret_result: IDLE, WAITING (waiting
 * says for what), AGAIN (a lower window appeared while reading), or JUDGED: the window can be judged and the views hold
 * its blobs. */
int drift_gather(struct drift_store *s, struct drift_chain_id id, const struct drift_state *st, int64_t settle_ms,
                 struct drift_gathered *ret, enum drift_judge_result *ret_result, struct drift_buf *waiting,
                 struct drift_err *err) DRIFT_MUST_CHECK;
/* The same window while it is open, with the counts that were flushed so far.  found: false when there is none, or when
 * it can be judged: then it is judged. */
int drift_gather_open(struct drift_store *s, struct drift_chain_id id, const struct drift_state *st,
                      struct drift_gathered *ret, bool *ret_found, struct drift_err *err) DRIFT_MUST_CHECK;
/* Adds the blobs to `into`; what does not fit its layout is excluded.  DRIFT_E_VERSION: a blob of a newer driftd. */
int drift_gather_add(struct drift_gathered *g, const char *model, struct drift_summary *into,
                     struct drift_err *err) DRIFT_MUST_CHECK;
void drift_gather_release(struct drift_gathered *g);

/* ---- cache.c: what plan entries name ---- */
struct drift_cache;
struct drift_cache *drift_cache_new(const struct drift_config *current, struct drift_store *store);
void drift_cache_free(struct drift_cache *c);
/* Configuration of a plan entry, from the chain's field cfg:<hash>.  Borrowed until the next call.  NULL: it is not
 * there or is not what the hash says (err). */
const struct drift_config *drift_cache_config(struct drift_cache *c, const char *hash, const struct drift_pairs *fields,
                                              struct drift_err *err);
/* The baseline of a plan entry; borrowed until the next call.  *ret NULL: unmonitored, *why (heap) in plain words.
 * Fails only when the store is away. */
int drift_cache_baseline(struct drift_cache *c, const char *model, const struct drift_plan_entry *e,
                         const struct drift_baseline **ret, char **why, struct drift_err *err) DRIFT_MUST_CHECK;

/* Where what is made of a baseline that the cache holds is kept, and freed with it. */
struct drift_bank **drift_cache_bank(struct drift_cache *c, const struct drift_baseline *b);
struct drift_profile **drift_cache_profile(struct drift_cache *c, const struct drift_baseline *b);
struct drift_known_dependence {
    bool looked;
    struct drift_dependence *made; /* NULL: the baseline has no such block, or (why) it cannot be used */
    const char *why;
};
struct drift_known_segments {
    bool looked;
    struct drift_segments *made[DRIFT_N_CHAIN]; /* NULL: its layout has none */
};
struct drift_known_segments *drift_cache_segments(struct drift_cache *c, const struct drift_baseline *b);
struct drift_known_dependence *drift_cache_dependence(struct drift_cache *c, const struct drift_baseline *b);

/* ---- evidence.c: sequential evidence ---- */
void drift_bank_free(struct drift_bank *b); /* NULL is fine */
/* Phase I of a baseline's chain, as the engine has it. */
int drift_phase1_of(const struct drift_baseline_chain *ref, struct drift_phase1 **ret) DRIFT_MUST_CHECK;

/* ---- judge.c: one window on its way ---- */
struct drift_judge {
    struct drift_judge_settings set;
    struct drift_cache *cache;
    struct drift_layout *bare; /* no columns: counts of a chain without a baseline */
    char **secret;             /* [config->n_endpoints], the first one of each; NULL: none */
    struct drift_known *known; /* [config->n_models] */
};

/* A window that waits, and since when nothing has moved in the partitions that it waits for. */
struct drift_hold {
    int64_t start_ms;
    size_t n;
    struct drift_held *held;
};

/* What a judge remembers of a model's chains: nothing that a verdict depends on. */
struct drift_known {
    char *model;                                   /* NULL: a free place */
    enum drift_model_status status[DRIFT_N_CHAIN]; /* for the metric */
    struct drift_swept {
        bool ever;
        int64_t headers_ns; /* monotonic: when headers were last looked through for old ones */
        uint32_t since;     /* verdicts since bodies were */
    } swept[DRIFT_N_CHAIN];
    struct drift_hold hold[DRIFT_N_CHAIN];
    int64_t early_ms[DRIFT_N_CHAIN]; /* monotonic: when the open window was last looked at; 0: never */
};
/* NULL: a model that the configuration does not have. */
struct drift_known *drift_judge_known(struct drift_judge *j, const char *model);

struct drift_work {
    struct drift_judge *j;
    bool early; /* about a window that is open: nothing of it stays */
    struct drift_chain_id id;
    struct drift_state st;
    struct drift_gathered g;
    struct drift_summary *sum;
    struct drift_measure *measures;
    const struct drift_baseline *baseline;
    const struct drift_summary *compared; /* what measures compare with: the pool, or windows of the same hour */
    enum drift_profile_kind profile_kind; /* of o.profile */
    char profile_name[24];
    char *why; /* unmonitored */
    char numbers[33];
    uint32_t windows; /* held ones that are in the sum */
    struct drift_verdict v;
    struct drift_outcome o;
    struct drift_outcome_evidence evidence;
    struct drift_outcome_detector *detectors;
    struct drift_outcome_dependence dependence;
    struct drift_outcome_segments *segmented; /* heap */
    /* the chain's fields `evidence` and `detectors` as this window leaves them; NULL: unchanged */
    char *evidence_text, *detectors_text;
    size_t n_actions;
    struct drift_action *actions;
};
/* ---- profile.c: a baseline's windows of one hour ---- */
void drift_profile_free(struct drift_profile *p); /* NULL is fine */
/* Sets compared, and o.profile or o.profile_why when there is a profile (outcome.h). */
void drift_work_profile(struct drift_work *w);
/* Is a baseline's window that starts then among those that are compared with? */
bool drift_work_profile_has(const struct drift_work *w, int64_t start_ms);

/* Moves the evidence of a measured window.  Leaves v.evidence without a value when the model asks for none. */
void drift_work_evidence(struct drift_work *w);

/* ---- detectors.c ---- */
/* Moves the model's detectors of this chain.  Leaves v.detector without a value when nothing was fed. */
void drift_work_detectors(struct drift_work *w);

/* ---- dependence.c ---- */
/* Measures how the features go together.  Leaves v.dependence and v.embedding without a value where it cannot. */
void drift_work_dependence(struct drift_work *w);

/* ---- segments.c ---- */
/* Measures the values of the model's keys.  Leaves v.segment_psi and v.segment_rate without a value where it cannot. */
void drift_work_segments(struct drift_work *w);

/* ---- judge.c ---- */
bool drift_work_slides(const struct drift_work *w);
/* Were measures and rules evaluated? */
bool drift_work_measured(const struct drift_verdict *v);

/* ---- hold.c: max_hold ---- */
/* After a look at the chain that ended with *ret: when the window has waited for max_hold, forces the partitions that
 * it waits for, and *ret becomes AGAIN. */
int drift_hold_tend(struct drift_work *w, enum drift_judge_result *ret, struct drift_err *err) DRIFT_MUST_CHECK;
void drift_hold_release(struct drift_hold *h);

/* ---- judge.c ---- */
/* Everything but the write: verdict, rules, actions. */
int drift_work_decide(struct drift_work *w, struct drift_err *err) DRIFT_MUST_CHECK;
void drift_work_release(struct drift_work *w);

/* ---- write.c, show.c ---- */
const char *drift_judge_secret(const struct drift_judge *j, const char *endpoint); /* NULL: none */
int drift_work_write(struct drift_work *w, enum drift_reply *ret, struct drift_err *err) DRIFT_MUST_CHECK;
void drift_work_show(const struct drift_work *w);
/* The model's metric: the worse status of its two chains. */
void drift_status_show(struct drift_judge *j, struct drift_chain_id id, enum drift_model_status status);

#endif
