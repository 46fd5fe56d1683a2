/* layout.h - which counters a window has: columns, their cells, blocks, and where each counter stands.
 *
 * A layout is frozen with its baseline.  Summaries of one layout are plain vectors of u64 that add; summaries
 * of different layouts never do (compare the digests).
 *
 *     counts: | column 0: specials, cells | column 1: specials, cells | ... | block 0 | block 1 | ...
 *     specials: null, missing, nonfinite, wrong_type          (rates; not part of PSI, KS, JS)
 *     numeric cells 0..n_edges:  (-inf,e0] (e0,e1] ... (e_last,+inf)       right-closed
 *     categorical cells: categories 0..n_categories-1, rare, unseen
 *
 * A numeric column whose baseline range is known has e0 = the double below the baseline's minimum and
 * e_last = its maximum, so that cell 0 is "below minimum" and the last cell "above maximum" (bounded = true).
 * A block is a named run of further counters that add: who defines it says what they count, in bytes (`content`) that
 * are part of the digest.  Signed totals stand in it as two's complement, which adds as well.
 * PSI bins are unions of neighbouring cells: bin b holds cells bin_end[b-1] .. bin_end[b]-1 (bin_end[-1] = 0),
 * bin_end[n_bins-1] = n_cells.
 *
 * Cost: O(counters) to build and seal, with an index of each column (grid.h); a column's cell is O(1) to look up.
 * Ownership: a layout owns everything it points to.  Threads: immutable after drift_layout_seal(). */
#ifndef DRIFTD_LAYOUT_H
#define DRIFTD_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/error.h"
#include "driftd/grid.h"

#ifdef __cplusplus
extern "C" {
#endif

enum drift_kind { DRIFT_NUMERIC = 1, DRIFT_CATEGORICAL = 2 };
enum drift_role { DRIFT_FEATURE = 1, DRIFT_SCORE, DRIFT_DECISION, DRIFT_LABEL, DRIFT_SOURCE, DRIFT_LATENCY };
enum drift_special { DRIFT_NULL, DRIFT_MISSING, DRIFT_NONFINITE, DRIFT_WRONG_TYPE, DRIFT_N_SPECIAL };
enum {
    DRIFT_EDGES_MAX = DRIFT_GRID_EDGES_MAX, /* 250 per numeric column */
    DRIFT_CATEGORIES_MAX = 1000,            /* cells of their own per categorical column */
    DRIFT_RARE_MAX = 20000,                 /* further known names, counted together in the cell `rare` */
    DRIFT_NAME_MAX = 256, /* bytes of a column or category name, the NUL not counted; longer ones are cut */
    DRIFT_COLUMNS_MAX = 4096,
    DRIFT_BLOCKS_MAX = 16,
    DRIFT_BLOCK_COUNTERS_MAX = 4 << 20, /* of all blocks of a layout */
    DRIFT_BLOCK_CONTENT_MAX = 4 << 20   /* bytes of a block's content */
};

struct drift_column {
    char *name;
    enum drift_role role;
    enum drift_kind kind;
    uint32_t first;   /* index of the column's first counter */
    uint32_t n_cells; /* behind the specials: n_edges + 1, or n_categories + 2 */
    bool bounded;
    /* numeric */
    uint32_t n_edges;
    double *edges; /* finite, strictly ascending */
    uint32_t n_bins;
    uint32_t *bin_end;
    struct drift_grid *grid; /* made by drift_layout_seal() */
    /* categorical; order = order of cells */
    uint32_t n_categories;
    char **categories;
    uint32_t n_rare;
    char **rare;
    struct drift_category_index *index; /* made by drift_layout_seal() */
};

struct drift_block {
    char *name;
    uint32_t first, n; /* counters of a summary: counts[first .. first + n - 1] */
    uint8_t *content;
    size_t content_len;
};

struct drift_layout {
    uint32_t n_columns;
    struct drift_column *columns;
    uint32_t n_blocks;
    struct drift_block *blocks; /* in order of adding */
    uint32_t n_counts;          /* counters in all */
    char digest[65];            /* SHA-256 hex over names, roles, kinds, edges, bins, categories, blocks */
};

struct drift_layout *drift_layout_new(void);
void drift_layout_free(struct drift_layout *l); /* NULL is fine */

/* How many of n bytes of a column or category name count: up to the first NUL, at most DRIFT_NAME_MAX, never a part
 * of a UTF-8 sequence.  Everything here cuts names with it, at adding and at looking up; whoever collects names for a
 * layout does the same, so that two long names that become one are counted as one. */
size_t drift_name_cut(const char *s, size_t n);

/* Append a column; copies everything.  Return 0, DRIFT_E_RANGE (edges not finite or ascending, too many cells,
 * bounded with fewer than two edges, bins that do not cover the cells), DRIFT_E_FULL, DRIFT_E_EXISTS (role and name
 * are there already, or a category twice), DRIFT_E_MEMORY, DRIFT_E_USAGE (the layout is sealed).  The layout is
 * unchanged when they fail.  n_edges may be 0 (one cell).  bin_end may be NULL: one bin a cell. */
int drift_layout_add_numeric(struct drift_layout *l, enum drift_role role, const char *name, const double *edges,
                             uint32_t n_edges, bool bounded, const uint32_t *bin_end, uint32_t n_bins);
int drift_layout_add_categorical(struct drift_layout *l, enum drift_role role, const char *name,
                                 const char *const *categories, uint32_t n_categories, const char *const *rare,
                                 uint32_t n_rare);
/* Appends a block of n counters, 1 .. ; copies name and content.  Return as above: DRIFT_E_RANGE (n or len is 0 or too
 * large, the name is empty), DRIFT_E_FULL, DRIFT_E_EXISTS, DRIFT_E_MEMORY, DRIFT_E_USAGE. */
int drift_layout_add_block(struct drift_layout *l, const char *name, const void *content, size_t len, uint32_t n);
/* The block of that name, or NULL. */
const struct drift_block *drift_layout_block(const struct drift_layout *l, const char *name);
/* Computes offsets, digest, lookup tables.  Call once, after the last column.  DRIFT_E_MEMORY, DRIFT_E_USAGE (sealed
 * before). */
int drift_layout_seal(struct drift_layout *l);

/* Index of a column, or -1.  name is ignored for score, decision, label, source and latency. */
int drift_layout_find(const struct drift_layout *l, enum drift_role role, const char *name);
const char *drift_role_name(enum drift_role role); /* "feature", "score" ... */

/* Cell (0-based, without the specials) of a value; the layout is sealed, the column of the right kind.  x must not be
 * NaN or infinite (callers count those as DRIFT_NONFINITE). */
static inline uint32_t drift_column_cell(const struct drift_column *c, double x)
{
    return drift_grid_cell(c->grid, x);
}
/* A category that the layout does not know gives the cell unseen.  s may be anything of n bytes: the lookup is a
 * keyed hash with a bounded number of probes, so crafted names cannot slow it down. */
uint32_t drift_column_category(const struct drift_column *c, const char *s, size_t n);
/* Counters of a column: specials and cells. */
static inline uint32_t drift_column_counters(const struct drift_column *c)
{
    return DRIFT_N_SPECIAL + c->n_cells;
}
static inline uint32_t drift_column_rare(const struct drift_column *c)
{
    return c->n_categories;
}
static inline uint32_t drift_column_unseen(const struct drift_column *c)
{
    return c->n_categories + 1;
}

#ifdef __cplusplus
}
#endif
#endif
