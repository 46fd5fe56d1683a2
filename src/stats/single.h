/* single.h - cells that hold one value only; private to the stats room, which asks for every cell of every window. */
#ifndef DRIFTD_STATS_SINGLE_H
#define DRIFTD_STATS_SINGLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Doubles as integers of the same order; neighbours differ by 1. */
static inline int64_t single_order(double x)
{
    int64_t i;
    memcpy(&i, &x, sizeof i);
    return i < 0 ? INT64_MIN - i : i;
}

/* Are the edges of cell j neighbouring doubles?  edges: n_cells - 1, ascending; NULL: no. */
static inline bool cell_single(const double *edges, size_t n_cells, size_t j)
{
    return edges && j > 0 && j + 1 < n_cells && single_order(edges[j]) - 1 == single_order(edges[j - 1]);
}

#endif
