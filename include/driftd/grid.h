/* grid.h - exact cell lookup in a sorted list of edges at a few nanoseconds a value.
 *
 *     cell(x) = #{k : e[k] < x}       edge rule (e[j-1], e[j]];  -0.0 == +0.0
 *
 * A pseudo-logarithmic index around a centre gives a start cell, at most two comparisons with the original
 * doubles make it exact: every step of the index is monotone under rounding, so only edges in x's own index
 * cell need comparing.  Edge lists that do not fit such an index use a branch-free binary search.
 * Compile with -ffp-contract=off and never with -ffast-math.  Threads: immutable after creation. */
#ifndef DRIFTD_GRID_H
#define DRIFTD_GRID_H

#include <stddef.h>
#include <stdint.h>

struct drift_grid;

/* edges: n of them (0 .. 250), finite, strictly ascending; copied.  NULL on a violation or without memory. */
struct drift_grid *drift_grid_new(const double *edges, uint32_t n);
void drift_grid_free(struct drift_grid *g);
/* x finite.  0 .. n. */
uint32_t drift_grid_cell(const struct drift_grid *g, double x);
/* The same by plain search: the reference that tests compare with. */
uint32_t drift_grid_cell_plain(const double *edges, uint32_t n, double x);

#endif
