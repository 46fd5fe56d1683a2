/* law.h - null laws of the Kolmogorov-Smirnov distance (driftd/ks_null.h) of a baseline's discrete columns: drawn when
 * it is built, stored with it, looked up when windows are measured.
 *
 * Section `ksnl`, for both chains: count, then per table the column's number and its quantiles as doubles.  Lower case:
 * versions that do not know it skip it and use the law of continuous values, which is conservative there.
 * Drawn for numeric columns with 3 .. DRIFT_KS_NULL_CELLS cells that have a value (two cells have an exact test), the
 * first DRIFT_LAW_CELLS_MAX cells of a baseline, columns in their order: some 5 ms each, so 10 s at most.
 * Threads: as the baseline. */
#ifndef DRIFTD_BASELINE_LAW_H
#define DRIFTD_BASELINE_LAW_H

#include "driftd/internal/baseline/baseline.h"

enum { DRIFT_LAW_CELLS_MAX = 2000 };

/* seed: the same counts and seed give the same tables.  Returns how many columns that could have one have none. */
uint32_t drift_law_draw(struct drift_baseline *b, uint64_t seed);
void drift_law_release(struct drift_baseline_chain *c);
bool drift_law_any(const struct drift_baseline *b);
/* The section's content. */
void drift_law_save(const struct drift_baseline *b, struct drift_buf *out);
/* false: not what save writes.  The chains have layouts. */
bool drift_law_load(struct drift_baseline *b, struct drift_rd *r);

#endif
