/* src/stats/grid.c    Builds the index that finds a value's cell, for the window room's counting. */
/* A branching search of 100 edges costs 46 ns a value, nearly all of it mispredicted branches; this index costs 4.
 * A uniform grid fails on skewed edges, one by exponent on edges far from zero; linear near a centre and logarithmic
 * outside fits both kinds.  The builder tries a few centres and all sensible scales and takes the smallest index that
 * has at most two edges a cell; the search is once per frozen baseline. */
#include "driftd/grid.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static double from_bits(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* Sets index parameters; false when they make no usable index. */
static bool index_set(struct drift_grid *g, double centre, double scale, int bits)
{
    if (!(scale > 0) || !isfinite(scale))
        return false;
    double reach = fmax(fabs(g->edges[0] - centre), fabs(g->edges[g->n - 1] - centre)) * scale + 1.0;
    if (!isfinite(reach))
        return false;
    uint8_t shift = (uint8_t)(52 - bits);
    uint64_t half = ((drift_grid_bits(reach) - drift_grid_bits(1.0)) >> shift) + 2;
    if (half > DRIFT_GRID_HALF_MAX)
        return false;
    g->centre = centre;
    g->scale = scale;
    g->shift = shift;
    g->half = (uint16_t)half;
    g->y_max = from_bits(drift_grid_bits(1.0) + ((half - 1) << shift));
    return true;
}

/* At most two edges in an index cell?  Edges ascend, so those of one cell are neighbours. */
static bool index_fits(const struct drift_grid *g)
{
    for (uint32_t i = 2; i < g->n; i++)
        if (drift_grid_index(g, g->edges[i]) == drift_grid_index(g, g->edges[i - 2]))
            return false;
    return true;
}

/* start[i] = edges in index cells below i */
static void index_fill(struct drift_grid *g)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < 2u * g->half; i++) {
        while (k < g->n && drift_grid_index(g, g->edges[k]) < i)
            k++;
        g->start[i] = (uint8_t)k;
    }
}

static uint32_t centres(const struct drift_grid *g, double *ret_centre)
{
    const double *e = g->edges;
    uint32_t n = g->n, w = n < 10 ? n : 10, at = 0;
    for (uint32_t i = 0; i + w <= n; i++)
        if (e[i + w - 1] - e[i] < e[at + w - 1] - e[at])
            at = i;
    double c[] = {e[n / 2], e[0], e[n - 1], e[at + w / 2], e[at], 0};
    memcpy(ret_centre, c, sizeof c);
    return sizeof c / sizeof *c;
}

static void index_copy(struct drift_grid *to, const struct drift_grid *from)
{
    to->centre = from->centre;
    to->scale = from->scale;
    to->y_max = from->y_max;
    to->half = from->half;
    to->shift = from->shift;
}

static bool index_build(struct drift_grid *g)
{
    double centre[6];
    uint32_t n_centres = centres(g, centre);
    double span = g->edges[g->n - 1] - g->edges[0];
    struct drift_grid best = {.half = 0};
    if (!(span > 0))
        span = 1;
    for (uint32_t c = 0; c < n_centres; c++)
        for (int j = -1; j <= 71; j++)
            for (int bits = 1; bits <= 8; bits++) {
                if (!index_set(g, centre[c], ldexp(1.0, j) / span, bits) || (best.half && g->half >= best.half))
                    break; /* more bits only make it larger */
                if (index_fits(g))
                    index_copy(&best, g);
            }
    if (!best.half)
        return false;
    index_copy(g, &best);
    index_fill(g);
    return true;
}

struct drift_grid *drift_grid_new(const double *edges, uint32_t n)
{
    if (n > DRIFT_GRID_EDGES_MAX)
        return NULL;
    for (uint32_t i = 0; i < n; i++)
        if (!isfinite(edges[i]) || (i && !(edges[i - 1] < edges[i])))
            return NULL;
    struct drift_grid *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->n = n;
    for (uint32_t i = 0; i < 256; i++)
        g->edges[i] = i < n ? edges[i] + 0.0 : (double)INFINITY; /* -0.0 would stand left of a centre 0.0 */
    if (n == 0 || !index_build(g))
        g->search = n < 128 ? 64 : 128;
    return g;
}

void drift_grid_free(struct drift_grid *g)
{
    free(g);
}

uint32_t drift_grid_cell_plain(const double *edges, uint32_t n, double x)
{
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (edges[mid] < x)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}
