/* summary.h - the integer counts of one window (or of a baseline): one u64 a counter of a layout.
 *
 * Adding is exact, associative and commutative.  Threads: one owner. */
#ifndef DRIFTD_SUMMARY_H
#define DRIFTD_SUMMARY_H

#include <stdint.h>

#include "driftd/layout.h"

enum drift_tally_kind {
    DRIFT_TALLY_MODEL_VERSION,
    DRIFT_TALLY_FEATURES_VERSION,
    DRIFT_TALLY_PROMPT_VERSION,
    DRIFT_TALLY_THRESHOLD_VERSION,
    DRIFT_TALLY_SCHEMA,    /* schema ids */
    DRIFT_TALLY_NEW_FIELD, /* feature fields that the layout does not have */
    DRIFT_N_TALLY
};
enum { DRIFT_TALLY_SLOTS = 32, DRIFT_TALLY_TEXT = 128 };

/* Counts per distinct text: the first DRIFT_TALLY_SLOTS of a partition's log by name, the rest in `other`. */
struct drift_tally {
    uint32_t n;
    uint64_t other;
    struct drift_tally_slot {
        char text[DRIFT_TALLY_TEXT]; /* cut to fit, NUL-terminated */
        uint64_t count;
    } *slots; /* NULL until the first add */
};

struct drift_summary {
    const struct drift_layout *layout; /* borrowed; outlives the summary */
    uint64_t n;                        /* records counted */
    uint64_t *counts;                  /* [layout->n_counts] */
    struct drift_tally tally[DRIFT_N_TALLY];
};

struct drift_summary *drift_summary_new(const struct drift_layout *layout);
void drift_summary_free(struct drift_summary *s);
void drift_summary_reset(struct drift_summary *s);
/* into += from.  DRIFT_E_MISMATCH when the digests of the layouts differ; nothing is changed then. */
int drift_summary_merge(struct drift_summary *into, const struct drift_summary *from);
void drift_tally_add(struct drift_tally *t, const char *text, size_t n, uint64_t by);
const char *drift_tally_name(enum drift_tally_kind k); /* "model", "features", "prompt", "threshold", "schema", "new_field" */

static inline const uint64_t *drift_summary_specials(const struct drift_summary *s, const struct drift_column *c)
{
    return s->counts + c->first;
}
static inline const uint64_t *drift_summary_cells(const struct drift_summary *s, const struct drift_column *c)
{
    return s->counts + c->first + DRIFT_N_SPECIAL;
}

#endif
