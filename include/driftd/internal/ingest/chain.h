/* chain.h - one chain of windows as ingest needs it: plan, the layout of each plan entry, verdict headers.
 *
 * A chain is a model's input or label windows.  The copy is read from the chain's slot every plan_ttl / 2; counting
 * stops when it is older than plan_ttl, and what was counted since is read again.  Threads: the ingest thread. */
#ifndef DRIFTD_INGEST_CHAIN_H
#define DRIFTD_INGEST_CHAIN_H

#include "driftd/internal/config/config.h"
#include "driftd/internal/flow.h"
#include "driftd/internal/plan.h"
#include "driftd/internal/store/store.h"

/* What the owner of a partition must know of a judged window before it drops its blob. */
struct drift_judged_part {
    char *partition; /* "<topic>/<n>" */
    uint64_t n, excluded;
};
struct drift_judged {
    int64_t start_ms, end_ms, at_ms; /* at: Redis time of the verdict */
    bool lost;                       /* kind lost */
    size_t n_parts;
    struct drift_judged_part *parts;
};

struct drift_chain {
    const struct drift_model *model;
    enum drift_chain_kind kind;
    char *key; /* "<encoded model>:i" or ":l", part of field names in partition slots */
    struct drift_plan plan;
    struct drift_layout **layout; /* [plan.n], of the entry's baseline or the bare one; owned by the layout cache */
    size_t n_judged;
    struct drift_judged *judged; /* ascending start */
    int64_t judged_until_ms;     /* INT64_MIN before the first verdict */
    int64_t first_ms;            /* start of the first window judged; INT64_MIN before */
    int64_t read_mono_ms;        /* when the copy was asked for */
    int64_t redis_ms;            /* Redis time of the copy */
    int64_t topics_mono_ms;      /* when the brokers were last asked for its topics; 0: never */
    int64_t missing_mono_ms;     /* since when a topic that matches a pattern is not listed; 0: none is missing */
    bool announced;              /* its last entry has been ours: another one behind it is newer, not older */
    uint32_t announced_over;     /* seq of the other one, once said */
    struct drift_series *events, *late, *open, *bytes;
    struct drift_series *late_by, *late_after_idle_by; /* how late */
    struct drift_series *ids, *ids_share;              /* NULL without deduplicate */
};

void drift_chain_init(struct drift_chain *c, const struct drift_model *m, enum drift_chain_kind kind);
void drift_chain_release(struct drift_chain *c);
/* Layout of a plan entry: the baseline's, or the bare one.  Lives until the process ends.  AWAY: ask again. */
typedef int drift_layout_fn(void *ctx, const struct drift_chain *c, const struct drift_plan_entry *e,
                            struct drift_layout **ret, struct drift_err *err);
/* Takes over what HEADERS and, after it, MODEL_READ gave: so the plan knows every window that has a header.  On an
 * error the copy stays as it was. */
int drift_chain_update(struct drift_chain *c, const struct drift_pairs *fields, const struct drift_pairs *headers,
                       drift_layout_fn *layout, void *ctx, struct drift_err *err) DRIFT_MUST_CHECK;
/* Index of the plan entry and layout for a window start. */
size_t drift_chain_entry(const struct drift_chain *c, int64_t start_ms);
/* Verdict of a window, or NULL. */
const struct drift_judged *drift_chain_judged(const struct drift_chain *c, int64_t start_ms);

/* Index of the first verdict whose window starts at or after start_ms; n_judged: none. */
size_t drift_chain_judged_from(const struct drift_chain *c, int64_t start_ms);

/* A verdict header as the judge writes it (judge.h); @now@ is replaced by the script. */
int drift_judged_parse(const char *json, size_t len, int64_t start_ms, struct drift_judged *ret,
                       struct drift_err *err) DRIFT_MUST_CHECK;
void drift_judged_release(struct drift_judged *j);

#endif
