/* grid.h - exact cell lookup in a sorted list of edges at a few nanoseconds a value.
 *
 *     cell(x) = #{k : e[k] < x}       edge rule (e[j-1], e[j]];  -0.0 == +0.0
 *
 * A pseudo-logarithmic index around a centre gives a start cell, two comparisons with the original doubles make it
 * exact:
 *     d = x - centre;   y = min(|d| * scale + 1, y_max);   k = (bits(y) - bits(1)) >> shift
 *     index = half + k right of the centre, half - 1 - k left of it
 * Every step is monotone under rounding, so an edge in a lower index cell than x is below x, one in a higher index
 * cell is not, and only edges in x's own index cell need comparing: the builder takes an index with at most two in
 * each.  There is no error analysis and no epsilon.  Edge lists that fit no such index of 1024 cells (decades of
 * width next to each other) use a branch-free binary search.
 *
 * Source: own method; exponents of doubles are a logarithm that costs nothing, and exactness is left to comparing.
 * The proof needs the same arithmetic in builder and lookup: compile with -ffp-contract=off, never with -ffast-math,
 * and leave denormals on.  Memory: 3.2 kB a grid.  Cost: some 10 ns a value, some 40 us to
 * build 100 edges.  Threads: immutable after creation. */
#ifndef DRIFTD_GRID_H
#define DRIFTD_GRID_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DRIFT_GRID_EDGES_MAX = 250, DRIFT_GRID_HALF_MAX = 512 };

/* The fields are private to grid.c; they stand here so that the lookup is inlined where events are counted. */
struct drift_grid {
    double centre, scale, y_max;
    uint16_t half;  /* index cells on either side of the centre */
    uint8_t shift;  /* 52 - bits per octave */
    uint8_t search; /* 0: use the index; else first step of the binary search, 64 or 128 */
    uint32_t n;
    double edges[256]; /* n of them, then +infinity */
    uint8_t start[2 * DRIFT_GRID_HALF_MAX];
};

/* edges: n of them (0 .. 250), finite, strictly ascending; copied.  NULL on a violation or without memory. */
struct drift_grid *drift_grid_new(const double *edges, uint32_t n);
void drift_grid_free(struct drift_grid *g); /* NULL is fine */

/* Private to the lookup: a double's bits, and the index cell of x. */
static inline uint64_t drift_grid_bits(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}
static inline uint32_t drift_grid_index(const struct drift_grid *g, double x)
{
    double d = x - g->centre;
    double y = __builtin_fabs(d) * g->scale + 1.0;
    y = y < g->y_max ? y : g->y_max; /* NaN too becomes y_max: every double has an index in range */
    uint32_t k = (uint32_t)((drift_grid_bits(y) - 0x3ff0000000000000u) >> g->shift);
    uint32_t left = (uint32_t) - (int32_t)(drift_grid_bits(d) >> 63); /* all ones left of the centre */
    return (uint32_t)g->half + (k ^ left);                            /* half + k, half - 1 - k */
}
/* Cell of x, 0 .. n.  x finite (others get some cell of the range). */
static inline uint32_t drift_grid_cell(const struct drift_grid *g, double x)
{
    if (__builtin_expect(g->search != 0, 0)) {
        uint32_t c = 0;
        for (uint32_t step = g->search; step; step >>= 1)
            c += step & (uint32_t) - (int32_t)(g->edges[c + step - 1] < x);
        return c;
    }
    uint32_t c = g->start[drift_grid_index(g, x)];
    return c + (uint32_t)(g->edges[c] < x) + (uint32_t)(g->edges[c + 1] < x); /* adds, so that no branch is made */
}
/* The same by plain search: the reference that tests compare with. */
uint32_t drift_grid_cell_plain(const double *edges, uint32_t n, double x);

#ifdef __cplusplus
}
#endif
#endif
