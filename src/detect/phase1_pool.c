/* src/detect/phase1_pool.c    What phase I makes of the pooled counts: rates, groups of PSI, limits of cells. */
/* Nothing here knows of windows, so that a fit that was read back from bytes makes the same again. */
#include <math.h>
#include <stdlib.h>

#include <gsl/gsl_cdf.h>

#include "driftd/error.h"
#include "driftd/legendre.h"
#include "phase1.h"

static const double expected_min = 5; /* values a PSI group, or a category and the rest, are to have in a window */

/* ---- rates ---- */

bool drift_rate_applies(enum drift_rate_id id, const struct drift_column *c)
{
    return id == DRIFT_RATE_UNSEEN         ? c->kind == DRIFT_CATEGORICAL
           : id == DRIFT_RATE_OUT_OF_RANGE ? c->kind == DRIFT_NUMERIC && c->bounded
                                           : id < DRIFT_N_RATE;
}

void drift_rate_count(enum drift_rate_id id, const struct drift_column *c, const uint64_t *counters, uint64_t *ret_k,
                      uint64_t *ret_n)
{
    const uint64_t *cell = counters + DRIFT_N_SPECIAL;
    uint64_t k = 0;
    switch (id) {
    case DRIFT_RATE_NULL:
        k = counters[DRIFT_NULL];
        break;
    case DRIFT_RATE_MISSING:
        k = counters[DRIFT_MISSING];
        break;
    case DRIFT_RATE_INVALID:
        k = phase1_add(counters[DRIFT_NONFINITE], counters[DRIFT_WRONG_TYPE]);
        break;
    case DRIFT_RATE_UNSEEN:
        k = cell[drift_column_unseen(c)];
        break;
    case DRIFT_RATE_OUT_OF_RANGE:
        k = phase1_add(cell[0], cell[c->n_cells - 1]);
        break;
    default:
        break;
    }
    *ret_k = k;
    *ret_n = phase1_total(counters, drift_column_counters(c));
}

/* ---- what is made from the pool ---- */

void phase1_column_release(struct drift_phase1_column *p)
{
    free(p->mass);
    free(p->basis);
    free(p->cell_high);
    free(p->group);
    free(p->group_count);
}

/* Upper limits of the shares of all cells at once, .95 after Bonferroni: max-cell must not take the pool's own luck for
 * drift. */
static void cell_limits(struct drift_phase1_column *p, const uint64_t *cells, size_t n)
{
    double z = gsl_cdf_ugaussian_Qinv(0.05 / (double)n), m = (double)p->m;
    for (size_t i = 0; i < n; i++) {
        double c = (double)cells[i];
        p->cell_high[i] = fmin((c + z * z / 2 + z * sqrt(c * p->cell_phi + z * z / 4)) / m, 1);
    }
}

void phase1_column_limits(struct drift_phase1_column *p, const struct drift_column *c, const uint64_t *cells)
{
    if (p->cell_high)
        cell_limits(p, cells, c->n_cells);
}

/* Neighbouring bins are joined until each has the expected count; what is left at the end joins the last one. */
static void groups_numeric(struct drift_phase1_column *p, const struct drift_column *c, const uint64_t *cells,
                           double least)
{
    uint64_t open = 0;
    uint32_t g = 0, first = 0;
    for (uint32_t b = 0, j = 0; b < c->n_bins; b++) {
        for (; j < c->bin_end[b]; j++) {
            p->group[j] = (uint16_t)g;
            open = phase1_add(open, cells[j]);
        }
        if ((double)open >= least) {
            p->group_count[g++] = open;
            open = 0;
            first = j;
        }
    }
    if (first < c->n_cells && g) {
        for (uint32_t j = first; j < c->n_cells; j++)
            p->group[j] = (uint16_t)(g - 1);
        p->group_count[g - 1] = phase1_add(p->group_count[g - 1], open);
    }
    p->n_groups = g;
}

/* Small categories make one group, which the smallest other one joins when it is too small itself.  Rare and unseen
 * ones belong to it whatever they hold: what is new in a window has its like among the rare ones of the baseline. */
static void groups_categorical(struct drift_phase1_column *p, const struct drift_column *c, const uint64_t *cells,
                               double least)
{
    uint32_t g = 0, smallest = 0;
    uint64_t pool = 0;
    for (uint32_t j = 0; j < c->n_cells; j++)
        if ((double)cells[j] >= least && j < c->n_categories) {
            p->group[j] = (uint16_t)g;
            p->group_count[g] = cells[j];
            smallest = cells[j] < p->group_count[smallest] ? g : smallest;
            g++;
        } else {
            p->group[j] = UINT16_MAX;
            pool = phase1_add(pool, cells[j]);
        }
    uint32_t rest = g;
    if ((double)pool < least && g) {
        rest = smallest;
        p->group_count[rest] = phase1_add(p->group_count[rest], pool);
    } else {
        p->group_count[g++] = pool;
    }
    for (uint32_t j = 0; j < c->n_cells; j++)
        if (p->group[j] == UINT16_MAX)
            p->group[j] = (uint16_t)rest;
    p->n_groups = g;
}

bool phase1_share_used(const struct drift_phase1_column *p, uint64_t count)
{
    double share = (double)count / (double)p->m;
    return fmin(share, 1 - share) * p->n_typical >= expected_min;
}

int phase1_column_prepare(struct drift_phase1_column *p, const struct drift_column *c, const uint64_t *counters)
{
    const uint64_t *cells = counters + DRIFT_N_SPECIAL;
    size_t n = c->n_cells;
    unsigned rank = 0;
    p->m = phase1_total(cells, n);
    if (!p->m)
        return 0;
    p->group = calloc(n, sizeof *p->group);
    p->group_count = calloc(n, sizeof *p->group_count);
    if (!p->group || !p->group_count)
        return DRIFT_E_MEMORY;
    double least = expected_min * (double)p->m / p->n_typical;
    if (c->kind == DRIFT_CATEGORICAL) {
        groups_categorical(p, c, cells, least);
        for (uint32_t j = 0; j < phase1_shares(c); j++)
            p->score[0].used = p->score[0].used || phase1_share_used(p, phase1_share(c, cells, j));
        p->cell_high = calloc(n, sizeof *p->cell_high);
        return p->cell_high ? 0 : DRIFT_E_MEMORY;
    }
    groups_numeric(p, c, cells, least);
    p->mass = calloc(n, sizeof *p->mass);
    p->basis = calloc(DRIFT_PHASE1_SCORES * n, sizeof *p->basis);
    if (!p->mass || !p->basis)
        return DRIFT_E_MEMORY;
    int rc = drift_legendre_basis(cells, n, DRIFT_PHASE1_SCORES, p->mass, p->basis, &rank);
    for (unsigned r = 0; r < DRIFT_PHASE1_SCORES; r++)
        p->score[r].used = r < rank;
    return rc;
}
