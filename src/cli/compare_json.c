/* src/cli/compare_json.c    What `driftd compare` found, as JSON. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "driftd/internal/cli/compare.h"

enum { NAMES_SHOWN = 1000 };

/* Names of files and columns need not be UTF-8. */
static json_t *text_json(const char *s)
{
    json_t *j = json_string(s);
    return j ? j : json_string("(not UTF-8)");
}

/* null: not defined, or below the smallest double (log10) */
static void put(json_t *o, const char *key, double v)
{
    json_object_set_new(o, key, isfinite(v) ? json_real(v) : json_null());
}

static void put_count(json_t *o, const char *key, uint64_t v)
{
    json_object_set_new(o, key, json_integer((json_int_t)v));
}

static json_t *measure_json(const struct drift_measure *m)
{
    json_t *o = json_object();
    if (m->why) {
        json_object_set_new(o, "why", json_string(drift_why_name(m->why)));
        return o;
    }
    put(o, "effect", m->effect);
    put(o, "value", m->value);
    put(o, "baseline", m->baseline);
    put(o, "low", m->low);
    put(o, "high", m->high);
    if (m->has_p)
        put(o, "p", m->p_value);
    if (m->drawn)
        json_object_set_new(o, "law", json_string("drawn"));
    if (m->dof > 0)
        put(o, "dof", m->dof);
    return o;
}

static void put_chi2(json_t *o, const struct drift_chi2 *t)
{
    put_count(o, "k_nonempty", t->cells);
    put_count(o, "dof", (uint64_t)t->dof);
    put(o, "chi2", t->pearson);
    put(o, "chi2_p", t->pearson_p);
    put(o, "g", t->g);
    put(o, "g_p", t->g_p);
    if (!(t->dof > 0))
        return;
    put(o, "min_expected", t->min_expected);
    put_count(o, "n_expected_below_5", t->n_expected_below_5);
    put(o, "chi2_log10_p", t->pearson_log10_p);
    put(o, "g_log10_p", t->g_log10_p);
    put(o, "cramers_v", t->cramers_v);
}

static json_t *counts_json(const uint64_t *c, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer((json_int_t)c[i]));
    return list;
}

/* What noise adds to PSI, how probable as large a one is without drift, and where the true one lies with 95 %. */
static void put_psi_law(json_t *o, const struct drift_exact_bins *b, enum drift_psi_rule rule)
{
    double size[2] = {0, 0}, psi = b->psi[rule], low = NAN, high = NAN;
    size_t bins = b->psi_bins[rule];
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < b->n; i++)
            size[side] += (double)b->count[side][i];
    if (isnan(psi) || bins < 2)
        return;
    if (drift_psi_interval(psi, bins, size[0], size[1], .95, &low, &high))
        low = high = NAN;
    put(o, "psi_noise", drift_psi_noise(bins, size[0], size[1]));
    put(o, "psi_p", drift_psi_p(psi, bins, size[0], size[1]));
    put(o, "psi_low95", low);
    put(o, "psi_high95", high);
}

/* Into o: what two rows of counts say.  PSI by the rules asked for. */
static void put_bins(json_t *o, const struct drift_exact_bins *b, const struct drift_compare_request *r)
{
    json_t *psi = json_object();
    if (!b->n) {
        json_decref(psi);
        json_object_set_new(o, "why", json_string("a side has no values"));
        return;
    }
    if (b->n <= NAMES_SHOWN) {
        json_object_set_new(o, "counts_baseline", counts_json(b->count[0], b->n));
        json_object_set_new(o, "counts_current", counts_json(b->count[1], b->n));
    }
    for (int rule = 0; rule < DRIFT_N_PSI_RULE; rule++)
        if (r->rules ? r->rules >> rule & 1 : rule == DRIFT_PSI_ADD_HALF)
            put(psi, drift_psi_rule_name((enum drift_psi_rule)rule), b->psi[rule]);
    json_object_set_new(o, "psi", psi);
    put_psi_law(o, b, r->rule);
    put(o, "js_distance_base2", b->js);
    put(o, "js_divergence_base2", b->js * b->js);
    put(o, "js_distance_base_e", b->js * sqrt(M_LN2));
    put(o, "hellinger", b->hellinger);
    put(o, "total_variation", b->total_variation);
    put(o, "kl_base_cur_laplace1_nats", b->kl[0]);
    put(o, "kl_cur_base_laplace1_nats", b->kl[1]);
    put_chi2(o, &b->chi2);
}

/* D as a fraction over the least common multiple of the sides' sizes, where a double holds that. */
static void put_fraction(json_t *o, const struct drift_exact *e)
{
    size_t a = e->n[0], b = e->n[1];
    while (b) {
        size_t c = a % b;
        a = b;
        b = c;
    }
    double lcm = (double)(e->n[0] / a) * (double)e->n[1];
    if (lcm <= 9007199254740992.0)
        json_object_set_new(o, "d_numerator_over_lcm",
                            json_pack("[I, I]", (json_int_t)round(e->ks.d * lcm), (json_int_t)lcm));
}

static json_t *ks_json(const struct drift_exact *e)
{
    json_t *o = json_object();
    put(o, "d", e->ks.d);
    put_fraction(o, e);
    put(o, "d_plus", e->ks.d_plus);
    put(o, "d_minus", e->ks.d_minus);
    put(o, "p_exact", e->ks_p_exact);
    put(o, "p_scipy_asymp_kstwo", e->ks_p);
    put(o, "p_kolmogorov_limit", e->ks_p_limit);
    put(o, "log10_p_kolmogorov_limit", e->ks_p_limit_log10);
    put(o, "p_stephens", e->ks_p_stephens);
    put(o, "log10_p_stephens", e->ks_p_stephens_log10);
    return o;
}

static json_t *moments_json(const struct drift_exact *e, int side)
{
    static const char *const rules[] = {"quantile_linear", "quantile_inverted_cdf"};
    const struct drift_moments *m = &e->moments[side];
    json_t *o = json_object();
    put_count(o, "n", m->n);
    put(o, "mean", m->mean);
    put(o, "std_ddof0", m->deviation0);
    put(o, "std_ddof1", m->n > 1 ? m->deviation1 : (double)NAN);
    put(o, "min", m->min);
    put(o, "max", m->max);
    put_count(o, "n_unique", m->n_unique);
    for (int rule = 0; rule < 2; rule++) {
        json_t *all = json_object();
        for (int i = 0; i < DRIFT_EXACT_QUANTILES; i++) {
            char key[16];
            snprintf(key, sizeof key, "%g", drift_exact_quantiles[i]);
            put(all, key, e->quantile[side][rule][i]);
        }
        json_object_set_new(o, rules[rule], all);
    }
    if (m->has_shape) {
        put(o, "skew", m->skew);
        put(o, "kurtosis_excess", m->kurtosis);
    }
    return o;
}

static json_t *cvm_json(const struct drift_exact *e)
{
    json_t *o = json_object();
    json_object_set_new(o, "ties", json_boolean(e->cvm.has_ties));
    put(o, "t_ecdf", e->cvm.t);
    put(o, "p_asymptotic_of_t_ecdf", e->cvm.p);
    put(o, "log10_p_asymptotic_of_t_ecdf", e->cvm.log10_p);
    put(o, "t_scipy_midrank", e->cvm.t_midrank);
    put(o, "p_scipy_asymptotic", e->cvm.p_midrank);
    put(o, "p_scipy_exact", e->cvm_p_exact);
    return o;
}

static json_t *anderson_json(const struct drift_exact *e)
{
    json_t *o = json_object();
    if (isnan(e->anderson.a2)) {
        json_object_set_new(o, "why", json_string("all values are equal, or fewer than 4"));
        return o;
    }
    put(o, "statistic_standardised", e->anderson.standardised);
    put(o, "a2_midrank", e->anderson.a2);
    put(o, "p", e->anderson.p);
    put(o, "log10_p", e->anderson.log10_p);
    put(o, "p_clipped_0_001_to_0_25", e->anderson.p_clipped);
    json_t *levels = json_array(), *values = json_array();
    for (size_t i = 0; i < DRIFT_ANDERSON_LEVELS; i++) {
        double level, value;
        drift_anderson_critical(i, &level, &value);
        json_array_append_new(levels, json_real(level));
        json_array_append_new(values, json_real(value));
    }
    json_object_set_new(o, "critical_levels", levels);
    json_object_set_new(o, "critical_values", values);
    return o;
}

static void put_distances(json_t *o, const struct drift_compare_row *row)
{
    const struct drift_exact *e = &row->exact;
    double sd0 = e->moments[0].deviation0, sd1 = e->moments[0].deviation1;
    json_object_set_new(o, "summary_baseline", moments_json(e, 0));
    json_object_set_new(o, "summary_current", moments_json(e, 1));
    json_object_set_new(o, "ks", ks_json(e));
    put(o, "wasserstein1", e->wasserstein);
    put(o, "wasserstein1_over_baseline_std_ddof0", sd0 > 0 ? e->wasserstein / sd0 : (double)NAN);
    put(o, "wasserstein1_over_baseline_std_ddof1", sd1 > 0 ? e->wasserstein / sd1 : (double)NAN);
    put(o, "energy_distance", e->energy);
    json_object_set_new(o, "cramer_von_mises", cvm_json(e));
    json_object_set_new(o, "anderson_darling", anderson_json(e));
}

static void put_numbers(json_t *o, const struct drift_compare_row *row, const struct drift_compare_request *r)
{
    const struct drift_exact *e = &row->exact;
    json_t *binned = json_object();
    put_distances(o, row);
    for (int b = 0; b < DRIFT_N_BINNING; b++) {
        if (!(r->what.binnings >> b & 1))
            continue;
        json_t *scheme = json_object(), *edges = json_array();
        for (size_t i = 0; i < e->n_edges[b]; i++)
            json_array_append_new(edges, json_real(e->edges[b][i]));
        json_object_set_new(scheme, "edges", edges);
        put_bins(scheme, &e->bins[b], r);
        json_object_set_new(binned, drift_binning_name((enum drift_binning)b), scheme);
    }
    json_object_set_new(o, "binned", binned);
}

static void put_names(json_t *o, const struct drift_exact *e, const struct drift_compare_request *r)
{
    put_count(o, "n_new_in_current", e->n_new);
    put_count(o, "n_gone_in_current", e->n_gone);
    put(o, "new_share_current", (double)e->new_values / (double)e->n[1]);
    put_bins(o, &e->names, r);
    if (e->names.n > NAMES_SHOWN)
        return;
    json_t *all = json_array(), *fresh = json_array(), *gone = json_array();
    for (size_t i = 0; i < e->names.n; i++) {
        json_array_append_new(all, text_json(e->name[i]));
        if (!e->names.count[0][i])
            json_array_append_new(fresh, text_json(e->name[i]));
        if (!e->names.count[1][i])
            json_array_append_new(gone, text_json(e->name[i]));
    }
    json_object_set_new(o, "categories", all);
    json_object_set_new(o, "new_in_current", fresh);
    json_object_set_new(o, "gone_in_current", gone);
}

static json_t *exact_json(const struct drift_compare_row *row, const struct drift_compare_request *r)
{
    const struct drift_exact *e = &row->exact;
    json_t *o = json_object();
    if (e->why) {
        json_object_set_new(o, "why", json_string(e->why));
        return o;
    }
    put_count(o, "n1", e->n[0]);
    put_count(o, "n2", e->n[1]);
    if (row->column->kind == DRIFT_NUMERIC)
        put_numbers(o, row, r);
    else
        put_names(o, e, r);
    return o;
}

/* Distances by the daemon's cells: what they allow, what they say, and where the exact figure lies. */
static void put_brackets(json_t *o, const struct drift_compare_row *row)
{
    for (int i = 0; i < DRIFT_N_BRACKET; i++) {
        const struct drift_compare_bracket *b = &row->bracket[i];
        if (!b->there)
            continue;
        json_t *at = json_object();
        put(at, "value", b->estimate);
        put(at, "low", b->low);
        put(at, "high", b->open ? (double)NAN : b->high);
        if (!row->exact.why) {
            put(at, "exact", b->exact);
            json_object_set_new(at, "holds", json_boolean(b->holds));
        }
        json_object_set_new(o, drift_compare_bracket_name((enum drift_compare_bracket_id)i), at);
    }
    if (!isnan(row->grid_ad)) {
        json_t *at = json_object();
        put(at, "a2_midrank", row->grid_ad);
        put(at, "p", row->grid_ad_p);
        json_object_set_new(o, "anderson_darling", at);
    }
}

static json_t *row_json(const struct drift_compare_report *rep, const struct drift_compare_row *row)
{
    const struct drift_compare_request *r = rep->request;
    json_t *o = json_object(), *all = json_object(), *grid = json_object();
    json_object_set_new(o, "column", text_json(row->column->name));
    json_object_set_new(o, "role", json_string(drift_role_name(row->column->role)));
    json_object_set_new(o, "kind", json_string(row->column->kind == DRIFT_NUMERIC ? "numeric" : "categorical"));
    json_object_set_new(o, "verdict", json_string(drift_compare_verdict(row->severity)));
    json_object_set_new(o, "why", row->severity ? json_string(drift_measure_name(row->why)) : json_null());
    for (int i = 0; i < DRIFT_N_MEASURE; i++)
        if (drift_measure_applies((enum drift_measure_id)i, row->column->kind) && i != DRIFT_MEASURE_VOLUME)
            json_object_set_new(all, drift_measure_name((enum drift_measure_id)i), measure_json(&row->m[i]));
    json_object_set_new(o, "measures", all);
    put_bins(grid, &row->grid, r);
    put_brackets(grid, row);
    json_object_set_new(o, "grid", grid);
    if (row->has_p) {
        put(o, "p", row->p);
        put(o, "p_adjusted", row->adjusted);
    }
    json_object_set_new(o, "change", drift_compare_change_json(rep, row));
    if (r->exact)
        json_object_set_new(o, "exact", exact_json(row, r));
    return o;
}

void drift_compare_json(const struct drift_compare_report *rep)
{
    static const char *const side[] = {"baseline", "current"};
    const struct drift_compare_request *r = rep->request;
    const struct drift_tally *new = &rep->counts->current[DRIFT_CHAIN_INPUT]->tally[DRIFT_TALLY_NEW_FIELD];
    json_t *o = json_object(), *rows = json_array(), *fresh = json_array();
    for (int i = 0; i < 2; i++)
        json_object_set_new(
            o, side[i],
            json_pack("{s:o, s:I}", "file", text_json(r->file[i]), "rows", (json_int_t)rep->counts->rows[i]));
    json_object_set_new(o, "verdict", json_string(drift_compare_verdict(rep->worst)));
    put(o, "p_gate", rep->gate);
    json_object_set_new(o, "adjust", json_string(drift_multiple_name(r->adjust)));
    for (size_t i = 0; i < rep->n; i++)
        json_array_append_new(rows, row_json(rep, &rep->rows[i]));
    for (uint32_t i = 0; i < new->n; i++)
        json_array_append_new(fresh, text_json(new->slots[i].text));
    json_object_set_new(o, "columns", rows);
    if (r->multivariate)
        json_object_set_new(o, "multivariate", drift_compare_dependence_json(rep));
    json_object_set_new(o, "new_columns", fresh);
    json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
}
