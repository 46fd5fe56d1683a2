/* single_cell.h - which cell moved, among some of the cells: as the public functions, but only the first n_tried of the
 * cells are looked at; shares are of all. */
#ifndef DRIFTD_STATS_SINGLE_CELL_H
#define DRIFTD_STATS_SINGLE_CELL_H

#include "driftd/max_cell.h"

int max_cell_among(const uint64_t *p, const uint64_t *q, size_t n_cells, size_t n_tried, double eps,
                   struct drift_max_cell *ret);
int linf_among(const uint64_t *p, const uint64_t *q, size_t n_cells, size_t n_tried, double *ret_change,
               size_t *ret_cell);

#endif
