/* src/cli/exact.c    What the values of a column say; for `compare`. */
#include "driftd/internal/cli/exact.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/error.h"
#include "driftd/js.h"
#include "driftd/wasserstein.h"

const double drift_exact_quantiles[DRIFT_EXACT_QUANTILES] = {.01, .05, .1, .25, .5, .75, .9, .95, .99};

void drift_exact_bins_init(struct drift_exact_bins *b, const uint64_t *p, const uint64_t *q, size_t n)
{
    const uint64_t *side[2] = {p, q};
    *b = (struct drift_exact_bins){.n = n};
    for (int i = 0; i < 2; i++) {
        b->count[i] = drift_xcalloc(n ? n : 1, sizeof *b->count[i]);
        memcpy(b->count[i], side[i], n * sizeof *b->count[i]);
    }
    if (drift_chi2(p, q, n, &b->chi2) || drift_js_distance(p, q, n, &b->js) ||
        drift_hellinger(p, q, n, &b->hellinger) || drift_total_variation(p, q, n, &b->total_variation) ||
        drift_kl_laplace(p, q, n, &b->kl[0]) || drift_kl_laplace(q, p, n, &b->kl[1])) {
        b->n = 0; /* a side is empty */
        return;
    }
    for (int rule = 0; rule < DRIFT_N_PSI_RULE; rule++)
        if (drift_psi(p, q, n, (enum drift_psi_rule)rule, &b->psi[rule], &b->psi_bins[rule]))
            b->psi[rule] = NAN;
}

void drift_exact_bins_release(struct drift_exact_bins *b)
{
    free(b->count[0]);
    free(b->count[1]);
    *b = (struct drift_exact_bins){0};
}

static double or_nan(int rc, double v)
{
    return rc ? (double)NAN : v;
}

static void describe(struct drift_exact *e, int side, const double *x, size_t n)
{
    if (drift_samples_moments(x, n, &e->moments[side]))
        e->moments[side] = (struct drift_moments){.n = n, .mean = NAN, .deviation0 = NAN, .deviation1 = NAN};
    e->moments[side].min = x[0];
    e->moments[side].max = x[n - 1];
    for (int rule = 0; rule < 2; rule++)
        for (int i = 0; i < DRIFT_EXACT_QUANTILES; i++) {
            double q = 0;
            int rc = drift_samples_quantile(x, n, drift_exact_quantiles[i],
                                            rule ? DRIFT_QUANTILE_INVERTED_CDF : DRIFT_QUANTILE_LINEAR, &q);
            e->quantile[side][rule][i] = or_nan(rc, q);
        }
}

/* Steps over the lattice of orders that are done unasked. */
static const double cheap = 1e7;

static void distances(struct drift_exact *e, const struct drift_values *v, bool all_orders)
{
    const double *x = v->x[0], *y = v->x[1];
    size_t m = v->n[0], n = v->n[1];
    double dm = (double)m, dn = (double)n, p = 0;
    int rc = drift_ks_p_finite(e->ks.d, dm, dn, &p, NULL);
    e->ks_p = or_nan(rc, p);
    rc = all_orders || e->ks.d * dm * dn <= cheap ? drift_ks_p_exact(e->ks.d, m, n, &p) : DRIFT_E_RANGE;
    e->ks_p_exact = or_nan(rc, p);
    e->ks_p_limit = drift_ks_p_limit(e->ks.d, dm, dn);
    e->ks_p_limit_log10 = drift_ks_p_limit_log10(e->ks.d, dm, dn);
    e->ks_p_stephens = drift_ks_p_stephens(e->ks.d, dm, dn);
    e->ks_p_stephens_log10 = drift_ks_p_stephens_log10(e->ks.d, dm, dn);
    rc = drift_wasserstein(x, m, y, n, &p);
    e->wasserstein = or_nan(rc, p);
    rc = drift_energy_distance(x, m, y, n, &p);
    e->energy = or_nan(rc, p);
    if (drift_cvm(x, m, y, n, &e->cvm))
        e->cvm = (struct drift_cvm){NAN, NAN, NAN, NAN, NAN, NAN, false};
    rc = drift_cvm_p_exact(x, m, y, n, &p);
    e->cvm_p_exact = or_nan(rc, p);
    if (drift_anderson(x, m, y, n, &e->anderson))
        e->anderson = (struct drift_anderson){NAN, NAN, NAN, NAN, NAN};
}

const char drift_exact_empty[] = "a side has no values";

static void numbers_init(struct drift_exact *e, const struct drift_values *v, const struct drift_exact_settings *s)
{
    if (drift_ks_samples(v->x[0], v->n[0], v->x[1], v->n[1], &e->ks)) {
        e->why = drift_exact_empty;
        return;
    }
    for (int side = 0; side < 2; side++)
        describe(e, side, v->x[side], v->n[side]);
    distances(e, v, s->all_orders);
    for (int b = 0; b < DRIFT_N_BINNING; b++) {
        uint64_t count[2][DRIFT_BINNING_EDGES + 1];
        if (!(s->binnings >> b & 1) ||
            drift_binning_edges((enum drift_binning)b, v->x[0], v->n[0], e->edges[b], &e->n_edges[b]))
            continue;
        for (int side = 0; side < 2; side++)
            drift_binning_count((enum drift_binning)b, e->edges[b], e->n_edges[b], v->x[side], v->n[side], count[side]);
        drift_exact_bins_init(&e->bins[b], count[0], count[1], e->n_edges[b] + 1);
    }
}

static void names_init(struct drift_exact *e, const struct drift_values *v)
{
    drift_exact_bins_init(&e->names, v->count[0], v->count[1], v->n_names);
    if (!e->names.n) {
        e->why = drift_exact_empty;
        return;
    }
    e->name = drift_xcalloc(v->n_names, sizeof *e->name);
    for (size_t i = 0; i < v->n_names; i++) {
        e->name[i] = drift_xstrndup(v->names[i].p, v->names[i].n);
        e->n_new += !v->count[0][i];
        e->n_gone += !v->count[1][i];
        e->new_values += v->count[0][i] ? 0 : v->count[1][i];
    }
}

void drift_exact_init(struct drift_exact *e, const struct drift_values *v, const struct drift_exact_settings *s)
{
    *e = (struct drift_exact){.why = v->why, .n = {v->n[0], v->n[1]}};
    if (!e->why && v->x[0])
        numbers_init(e, v, s);
    else if (!e->why)
        names_init(e, v);
}

void drift_exact_release(struct drift_exact *e)
{
    for (int b = 0; b < DRIFT_N_BINNING; b++)
        drift_exact_bins_release(&e->bins[b]);
    for (size_t i = 0; e->name && i < e->names.n; i++)
        free(e->name[i]);
    free(e->name);
    drift_exact_bins_release(&e->names);
    *e = (struct drift_exact){.why = "released"};
}
