/* segment.h - counts per value of a key (source, tenant, region): the layout's blocks "segment:<key>".
 *
 * Values are frozen with the baseline, so what is counted depends neither on the order of events nor on who reads
 * them, and nobody can make new segments: whatever is not a listed value, missing ones too, is `other`.
 *
 *     block: | value 0 | value 1 | ... | other |       a value: events, then per column its specials and coarse cells
 *     coarse cells of a numeric column: its PSI bins; of a categorical one: at most DRIFT_SEGMENT_CATEGORIES of its
 *     most frequent categories, then all other known ones (as `rare`), then unseen
 *     content: u8 format (1) | varint values, strings | varint columns, per column: varint n, n varint categories
 *     (n = 0: all of them, and always for numeric columns)
 *
 * All keys of a layout share one coarse form.  Threads: immutable after drift_segments_new(). */
#ifndef DRIFTD_WINDOW_SEGMENT_H
#define DRIFTD_WINDOW_SEGMENT_H

#include "driftd/internal/config/config.h"
#include "driftd/layout.h"

enum {
    DRIFT_SEGMENT_CATEGORIES = 24, /* of a column with counters of their own */
    DRIFT_SEGMENT_CELLS = 256      /* specials and coarse cells of a column: fewer */
};

/* Which categories of a column keep a coarse cell: indices in ascending order; n = 0: all. */
struct drift_segment_shape {
    uint32_t n, category[DRIFT_SEGMENT_CATEGORIES];
};

/* Before the layout is sealed, behind its last column.  shape: [layout->n_columns].  Return as drift_layout_add_block;
 * DRIFT_E_RANGE too for no or too many values, or a shape that does not fit. */
int drift_segment_add(struct drift_layout *l, const char *key, const char *const *values, uint32_t n_values,
                      const struct drift_segment_shape *shape);

struct drift_segment_key {
    const char *name;           /* borrowed from the layout */
    uint32_t first;             /* counter of value 0 */
    uint32_t n_values;          /* `other` not counted: it is value n_values */
    struct drift_layout *names; /* one column: the values */
};
struct drift_segments {
    const struct drift_layout *layout;
    struct drift_layout *coarse; /* never sealed; columns as in layout, their `first` within a value */
    uint32_t stride;             /* counters of a value */
    uint8_t *cell_of;            /* [counter of the layout's columns] -> counter of the coarse column */
    uint32_t n_keys;
    struct drift_segment_key key[DRIFT_SEGMENT_KEYS];
};
/* The segments of a sealed layout; *ret = NULL when it has none.  layout outlives them.  DRIFT_E_PARSE: the blocks are
 * not of this form (hostile bytes are safe), DRIFT_E_VERSION. */
int drift_segments_new(const struct drift_layout *l, struct drift_segments **ret,
                       struct drift_err *err) DRIFT_MUST_CHECK;
void drift_segments_free(struct drift_segments *s);                                                   /* NULL is fine */
const struct drift_segment_key *drift_segments_key(const struct drift_segments *s, const char *name); /* or NULL */
/* Value 0 .. n_values of a text of n bytes. */
uint32_t drift_segment_value(const struct drift_segment_key *k, const char *text, size_t n);
/* Counter of a summary: events of the value, and the first one of a coarse column of it. */
static inline uint32_t drift_segment_counter(const struct drift_segments *s, const struct drift_segment_key *k,
                                             uint32_t value)
{
    return k->first + value * s->stride;
}

#endif
