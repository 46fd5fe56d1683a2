/* chi2.h - the part of drift_chi2 that rules read; private to the stats room. */
#ifndef DRIFTD_STATS_CHI2_H
#define DRIFTD_STATS_CHI2_H

#include "driftd/chi2.h"

/* All but g_p and the logarithms, which cost as much as everything else. */
int chi2_brief(const uint64_t *p, const uint64_t *q, size_t n_cells, struct drift_chi2 *ret);

#endif
