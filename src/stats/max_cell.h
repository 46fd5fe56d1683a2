/* max_cell.h - the test for a rise of a single cell, among some of the cells. */
#ifndef DRIFTD_STATS_MAX_CELL_H
#define DRIFTD_STATS_MAX_CELL_H

#include "driftd/max_cell.h"

/* As drift_max_cell, but only the first n_tried of the cells are looked at; shares are of all. */
int max_cell_among(const uint64_t *p, const uint64_t *q, size_t n_cells, size_t n_tried, double eps,
                   struct drift_max_cell *ret);

#endif
