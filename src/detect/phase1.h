/* phase1.h - what fitting and loading of phase I share; private to the detect room. */
#ifndef DRIFTD_DETECT_PHASE1_H
#define DRIFTD_DETECT_PHASE1_H

#include "driftd/phase1.h"

/* Empty, of a pool.  DRIFT_E_MEMORY. */
int phase1_new(const struct drift_summary *pooled, struct drift_phase1 **ret);
uint64_t phase1_pool_hash(const struct drift_summary *pooled);
void phase1_column_release(struct drift_phase1_column *p);
/* Makes basis and groups from the pool's counters of the column; needs n_typical.  DRIFT_E_MEMORY. */
int phase1_column_prepare(struct drift_phase1_column *p, const struct drift_column *c, const uint64_t *counters);
/* Then, with cell_phi known, the limits of the cells. */
void phase1_column_limits(struct drift_phase1_column *p, const struct drift_column *c, const uint64_t *cells);

#endif
