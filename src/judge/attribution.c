/* src/judge/attribution.c    Which values of a segment key make a change; pure, for the verdict's `segments`. */
#include "driftd/internal/judge/attribution.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "driftd/psi.h"

static const double p_max = 1e-3, mix_part = .5, left_part = .5, least_gain = .1, enough = .1;

/* One side: counts per cell and their sum. */
struct side {
    uint64_t cell[DRIFT_ATTRIBUTION_CELLS], n;
};
struct pair {
    struct side base, cur;
};

const char *drift_attribution_name(enum drift_attribution_kind k)
{
    static const char *const name[] = {"none", "mix", "values", "alike", "few"};
    return (size_t)k < sizeof name / sizeof *name ? name[k] : "unknown";
}

static void side_add(struct side *s, const uint64_t *row, uint32_t n_cells)
{
    for (uint32_t i = 0; i < n_cells; i++) {
        s->cell[i] += row[i];
        s->n += row[i];
    }
}

static void side_take(struct side *s, const uint64_t *row, uint32_t n_cells)
{
    for (uint32_t i = 0; i < n_cells; i++) {
        s->cell[i] -= row[i];
        s->n -= row[i];
    }
}

static double corrected(const struct pair *x, uint32_t n_cells, double *ret_p)
{
    double psi = 0;
    size_t bins = 0;
    *ret_p = 1;
    if (drift_psi(x->base.cell, x->cur.cell, n_cells, DRIFT_PSI_ADD_HALF, &psi, &bins) || bins < 2)
        return 0;
    *ret_p = drift_psi_p(psi, bins, (double)x->base.n, (double)x->cur.n);
    return fmax(0, psi - drift_psi_noise(bins, (double)x->base.n, (double)x->cur.n));
}

/* The same index of expected counts, half a one added. */
static double psi_of(const double *p, const double *q, uint32_t n_cells)
{
    double m = 0, n = 0, sum = 0;
    for (uint32_t i = 0; i < n_cells; i++) {
        m += p[i] > 0 || q[i] > 0 ? p[i] + .5 : 0;
        n += p[i] > 0 || q[i] > 0 ? q[i] + .5 : 0;
    }
    for (uint32_t i = 0; i < n_cells; i++)
        if (p[i] > 0 || q[i] > 0) {
            double a = (p[i] + .5) / m, b = (q[i] + .5) / n;
            sum += (b - a) * log(b / a);
        }
    return sum;
}

/* Part of the change that comes from the mix of values. */
static double part_of_mix(const struct pair *all, const uint64_t *base, const uint64_t *cur, uint32_t n_values,
                          uint32_t n_cells)
{
    double p[DRIFT_ATTRIBUTION_CELLS], q[DRIFT_ATTRIBUTION_CELLS], mixed[DRIFT_ATTRIBUTION_CELLS] = {0};
    for (uint32_t v = 0; v < n_values; v++) {
        struct side b = {.n = 0}, c = {.n = 0};
        side_add(&b, base + (size_t)v * n_cells, n_cells);
        side_add(&c, cur + (size_t)v * n_cells, n_cells);
        const struct side *from = b.n ? &b : &all->base; /* a new value: what it brings happened within */
        double scale = (double)all->base.n * ((double)c.n / (double)all->cur.n) / (double)from->n;
        for (uint32_t i = 0; i < n_cells; i++)
            mixed[i] += scale * (double)from->cell[i];
    }
    for (uint32_t i = 0; i < n_cells; i++) {
        p[i] = (double)all->base.cell[i];
        q[i] = (double)all->cur.cell[i];
    }
    double between = psi_of(p, mixed, n_cells), within = psi_of(mixed, q, n_cells);
    uint32_t bins = 0;
    for (uint32_t i = 0; i < n_cells; i++)
        bins += all->base.cell[i] || all->cur.cell[i];
    within = fmax(0, within - drift_psi_noise(bins, (double)all->base.n, (double)all->cur.n));
    return between + within > 0 ? between / (between + within) : 0;
}

/* The value whose removal leaves the least; false: none can be left out. */
static bool best_removal(const struct pair *x, const uint64_t *base, const uint64_t *cur, uint32_t n_values,
                         uint32_t n_cells, uint64_t min_events, const bool *gone, uint32_t *ret_value, double *ret_left)
{
    bool found = false;
    for (uint32_t v = 0; v < n_values; v++) {
        struct pair y = *x;
        double p;
        if (gone[v])
            continue;
        side_take(&y.base, base + (size_t)v * n_cells, n_cells);
        side_take(&y.cur, cur + (size_t)v * n_cells, n_cells);
        if (y.cur.n < min_events || y.base.n < min_events || (y.cur.n == x->cur.n && y.base.n == x->base.n))
            continue;
        double left = corrected(&y, n_cells, &p);
        if (!found || left < *ret_left) {
            *ret_left = left;
            *ret_value = v;
        }
        found = true;
    }
    return found;
}

/* Values are taken away as long as each takes a tenth of the whole along. */
static bool remove_values(struct pair x, const uint64_t *base, const uint64_t *cur, uint32_t n_values, uint32_t n_cells,
                          uint64_t min_events, struct drift_attribution *ret)
{
    bool gone[DRIFT_ATTRIBUTION_SIDES] = {false}, any = false;
    ret->left = ret->psi;
    while (ret->n_removed < DRIFT_ATTRIBUTION_REMOVED && ret->left > enough * ret->psi) {
        uint32_t v = 0;
        double left = 0;
        if (!best_removal(&x, base, cur, n_values, n_cells, min_events, gone, &v, &left))
            break;
        any = true;
        if (ret->left - left < least_gain * ret->psi)
            break;
        gone[v] = true;
        ret->removed[ret->n_removed++] = v;
        ret->left = left;
        side_take(&x.base, base + (size_t)v * n_cells, n_cells);
        side_take(&x.cur, cur + (size_t)v * n_cells, n_cells);
    }
    return any;
}

void drift_attribute(const uint64_t *base, const uint64_t *cur, uint32_t n_values, uint32_t n_cells,
                     uint64_t min_events, struct drift_attribution *ret)
{
    struct pair all;
    memset(&all, 0, sizeof all);
    *ret = (struct drift_attribution){.p_value = 1};
    if (!n_values || n_values > DRIFT_ATTRIBUTION_SIDES || n_cells < 2 || n_cells > DRIFT_ATTRIBUTION_CELLS)
        return;
    for (uint32_t v = 0; v < n_values; v++) {
        side_add(&all.base, base + (size_t)v * n_cells, n_cells);
        side_add(&all.cur, cur + (size_t)v * n_cells, n_cells);
    }
    if (!all.base.n || !all.cur.n)
        return;
    ret->psi = ret->left = corrected(&all, n_cells, &ret->p_value);
    if (ret->psi <= 0 || ret->p_value >= p_max)
        return;
    ret->mix = part_of_mix(&all, base, cur, n_values, n_cells);
    bool any = remove_values(all, base, cur, n_values, n_cells, min_events ? min_events : 1, ret);
    if (ret->mix >= mix_part)
        ret->kind = DRIFT_ATTRIBUTION_MIX;
    else if (!any)
        ret->kind = DRIFT_ATTRIBUTION_FEW;
    else
        ret->kind = ret->left <= left_part * ret->psi ? DRIFT_ATTRIBUTION_VALUES : DRIFT_ATTRIBUTION_ALIKE;
}
