/* summary.h - the integer counts of one window (or of a baseline): one u64 a counter of a layout.
 *
 * Adding is exact, associative and commutative.  Cost: O(counters) to make, reset and merge; only making one and a new
 * text in a tally allocate.  Threads: one owner. */
#ifndef DRIFTD_SUMMARY_H
#define DRIFTD_SUMMARY_H

#include <stdint.h>

#include "driftd/frequent.h"
#include "driftd/layout.h"

#ifdef __cplusplus
extern "C" {
#endif

enum drift_tally_kind {
    DRIFT_TALLY_MODEL_VERSION,
    DRIFT_TALLY_FEATURES_VERSION,
    DRIFT_TALLY_PROMPT_VERSION,
    DRIFT_TALLY_THRESHOLD_VERSION,
    DRIFT_TALLY_SCHEMA,    /* schema ids */
    DRIFT_TALLY_NEW_FIELD, /* feature fields that the layout does not have */
    DRIFT_N_TALLY
};
enum { DRIFT_FREQUENT_COLUMNS = 64 }; /* of a summary that have a sketch: the first ones that need it */
enum { DRIFT_TALLY_SLOTS = 32, DRIFT_TALLY_TEXT = 128, DRIFT_TALLY_JOIN_MAX = 8192 };

/* Counts per distinct text, in byte order of the texts: the first DRIFT_TALLY_SLOTS of a partition's log by name, the
 * rest in `other`.  Merged tallies keep the union of the names (up to DRIFT_TALLY_JOIN_MAX), so that the order of
 * merging does not matter. */
struct drift_tally {
    uint32_t n, cap;
    uint32_t last; /* where the last text was found: most records repeat it */
    uint64_t other;
    struct drift_tally_slot {
        char text[DRIFT_TALLY_TEXT]; /* cut to fit at a character's end, NUL-terminated */
        uint64_t count;
    } * slots; /* NULL until the first add */
};

struct drift_summary {
    const struct drift_layout *layout; /* borrowed; outlives the summary */
    uint64_t n;                        /* records counted */
    uint64_t *counts;                  /* [layout->n_counts] */
    struct drift_tally tally[DRIFT_N_TALLY];
    struct drift_frequent **unseen; /* [layout->n_columns], values that a column does not know; NULL: none; as are its
                                       elements */
    uint32_t n_unseen;
};

struct drift_summary *drift_summary_new(const struct drift_layout *layout); /* sealed; NULL without memory */
void drift_summary_free(struct drift_summary *s);                           /* NULL is fine */
void drift_summary_reset(struct drift_summary *s);                          /* all zero; memory kept */
/* into += from.  DRIFT_E_MISMATCH when the digests of the layouts differ; nothing is changed then. */
int drift_summary_merge(struct drift_summary *into, const struct drift_summary *from);
/* Counts a value of a categorical column that its layout does not know, beside the cell `unseen`: for explanations
 * only. Nothing when DRIFT_FREQUENT_COLUMNS others have a sketch. */
void drift_summary_unseen(struct drift_summary *s, uint32_t column, const char *text, size_t n);
/* The column's sketch, made when there is none; NULL as above. */
struct drift_frequent *drift_summary_sketch(struct drift_summary *s, uint32_t column);
/* Counts one text (n bytes, cut at a NUL).  A new text beyond the slots, or without memory, goes to `other`. */
void drift_tally_add(struct drift_tally *t, const char *text, size_t n, uint64_t by);
/* The same for counts that come from another tally (merging, loading): new texts get a slot up to
 * DRIFT_TALLY_JOIN_MAX. */
void drift_tally_join(struct drift_tally *t, const char *text, size_t n, uint64_t by);
/* "model", "features", "prompt", "threshold", "schema", "new_field" */
const char *drift_tally_name(enum drift_tally_kind k);

/* The counters of one column of the summary's layout: specials [DRIFT_N_SPECIAL], cells [c->n_cells].  Borrowed. */
static inline const uint64_t *drift_summary_specials(const struct drift_summary *s, const struct drift_column *c)
{
    return s->counts + c->first;
}
static inline const uint64_t *drift_summary_cells(const struct drift_summary *s, const struct drift_column *c)
{
    return s->counts + c->first + DRIFT_N_SPECIAL;
}

#ifdef __cplusplus
}
#endif
#endif
