/* src/stats/measure.c    Every measure of one column from its counters: the row that rules and verdicts read. */
/* Counts come in, finite numbers or a reason go out; each measure is a small function over the same two vectors. */
#include "driftd/measure.h"

#include <math.h>
#include <string.h>

#include <gsl/gsl_cdf.h>

#include "chi2.h"
#include "driftd/cells.h"
#include "driftd/error.h"
#include "driftd/js.h"
#include "driftd/ks.h"
#include "driftd/psi.h"
#include "driftd/rate.h"
#include "driftd/tail.h"
#include "single_cell.h"
#include "sum.h"

enum { CELLS_MAX = DRIFT_CATEGORIES_MAX + 2 };

static const struct {
    const char *name;
    bool has_p, numeric, categorical;
} measures[DRIFT_N_MEASURE] = {
#define X(id, name, has_p, num, cat, help) {name, has_p, num, cat},
    DRIFT_MEASURES(X)
#undef X
};

const char *drift_measure_name(enum drift_measure_id id)
{
    return id < DRIFT_N_MEASURE ? measures[id].name : "unknown";
}

bool drift_measure_parse(const char *name, enum drift_measure_id *ret_id)
{
    for (int i = 0; i < DRIFT_N_MEASURE; i++)
        if (strcmp(name, measures[i].name) == 0) {
            *ret_id = (enum drift_measure_id)i;
            return true;
        }
    return false;
}

bool drift_measure_of_model(enum drift_measure_id id)
{
    return id < DRIFT_N_MEASURE && !measures[id].numeric && !measures[id].categorical;
}

bool drift_measure_applies(enum drift_measure_id id, enum drift_kind kind)
{
    return id < DRIFT_N_MEASURE && (kind == DRIFT_NUMERIC ? measures[id].numeric : measures[id].categorical);
}

bool drift_measure_always(enum drift_measure_id id)
{
    return id <= DRIFT_MEASURE_VOLUME;
}

const char *drift_why_name(enum drift_why why)
{
    static const char *const names[] = {"none", "no_baseline", "no_data", "one_cell", "not_defined"};
    return why <= DRIFT_WHY_NOT_DEFINED ? names[why] : "unknown";
}

/* One side's view of a column: cells for KS, bins for the rest, totals. */
struct side {
    const uint64_t *special, *cell;
    uint64_t bin[CELLS_MAX];
    double valid;   /* in cells */
    uint64_t total; /* specials too */
};
struct pair {
    const struct drift_column *column;
    const struct drift_ks_null *law; /* of KS; NULL: that of continuous values */
    struct side base, cur;
    size_t n_bins;
    struct drift_chi2 chi2; /* of the bins, small ones together */
    double chi2_effect;
    uint64_t hidden;          /* of a categorical column: values that the baseline may have missed */
    size_t n_single;          /* the first of the cells, which are looked at one by one */
    const uint64_t *expected; /* shape [n_cells]: the baseline's that these are compared with */
    uint64_t raised[CELLS_MAX];
};

enum { TAIL = 2 }; /* cells behind a column's categories: rare, unseen */

static uint64_t total_of(const uint64_t *c, size_t n)
{
    uint64_t s = 0;
    for (size_t i = 0; i < n; i++)
        s = sum_sat(s, c[i]);
    return s;
}

static void side_init(struct side *s, const struct drift_column *c, const uint64_t *counters)
{
    s->special = counters;
    s->cell = counters + DRIFT_N_SPECIAL;
    s->valid = sum_counts(s->cell, c->n_cells);
    s->total = total_of(counters, drift_column_counters(c));
    if (c->kind == DRIFT_CATEGORICAL) {
        memcpy(s->bin, s->cell, c->n_cells * sizeof *s->bin);
        return;
    }
    for (uint32_t b = 0, j = 0; b < c->n_bins; b++)
        for (s->bin[b] = 0; j < c->bin_end[b]; j++)
            s->bin[b] = sum_sat(s->bin[b], s->cell[j]);
}

/* Cramer's V of two samples of one size with these shares: V itself is less the more the sizes differ. */
static double even_v(const uint64_t *p, const uint64_t *q, size_t n_cells)
{
    double m = sum_counts(p, n_cells), n = sum_counts(q, n_cells), sum = 0;
    for (size_t i = 0; i < n_cells; i++) {
        double a = (double)p[i] / m, b = (double)q[i] / n;
        if (a + b > 0)
            sum += (a - b) * (a - b) / (a + b);
    }
    return fmin(sqrt(sum / 2), 1);
}

/* Values that a baseline of these cells may have missed, as many as its size is worth (Good, Turing; an upper limit at
 * 95 %); 0 where no category was seen once. */
static double missed(const struct drift_column *c, const uint64_t *cell)
{
    uint64_t once = 0, twice = 0;
    for (uint32_t j = 0; j < c->n_categories; j++) {
        once += cell[j] == 1;
        twice += cell[j] == 2;
    }
    /* names without a cell of their own: each once, or as many twice as their values allow */
    uint64_t names = c->n_rare, values = cell[drift_column_rare(c)], of_once = names < values ? names : values;
    once += of_once;
    twice += (2 * of_once < values ? of_once : values - of_once) / 2;
    return once ? drift_rate_unseen_bound(once, twice, total_of(cell, c->n_cells)) : 0;
}

/* Categories are looked at one by one, with what the baseline may have missed as its share of unseen ones.  Where that
 * is a hundredth of the values or more, only those with a cell of their own: how much the others have together is
 * decided by which of them it happened to see, and unseen_rate is what watches them. */
static void singles_init(struct pair *p, const uint64_t *whole)
{
    const struct drift_column *c = p->column;
    double share = missed(c, whole + DRIFT_N_SPECIAL);
    uint32_t unseen = drift_column_unseen(c);
    p->hidden = (uint64_t)ceil(share * p->base.valid);
    p->n_single = share >= 0.01 ? c->n_categories : c->n_cells;
    if (p->n_single < c->n_cells)
        return;
    memcpy(p->raised, p->base.cell, c->n_cells * sizeof *p->raised);
    p->raised[unseen] = sum_sat(p->raised[unseen], p->hidden);
    p->expected = p->raised;
}

static void pair_init(struct pair *p, const struct drift_column *c, const uint64_t *base, const uint64_t *cur,
                      const uint64_t *whole)
{
    uint64_t pooled[2][CELLS_MAX];
    size_t tail = c->kind == DRIFT_CATEGORICAL ? TAIL : 0;
    p->column = c;
    side_init(&p->base, c, base);
    side_init(&p->cur, c, cur);
    p->n_bins = c->kind == DRIFT_CATEGORICAL ? c->n_cells : c->n_bins;
    p->expected = p->base.cell;
    p->n_single = c->n_cells;
    if (c->kind == DRIFT_CATEGORICAL)
        singles_init(p, whole);
    size_t k = drift_chi2_pool_tail(p->base.bin, p->cur.bin, p->n_bins, tail, 5, pooled[0], pooled[1]);
    if (!k)
        return;
    chi2_brief(pooled[0], pooled[1], k, &p->chi2);
    p->chi2_effect = even_v(pooled[0], pooled[1], k);
}

static void set(struct drift_measure *m, double effect, double value, double p_value, double dof)
{
    m->effect = effect;
    m->value = m->low = m->high = value;
    m->has_p = measures[m->id].has_p;
    m->p_value = m->has_p ? fmin(fmax(p_value, 0), 1) : 0;
    m->dof = dof;
}

/* What a window shows for the first time has its like in the baseline, where they were seen once, so the corrected one
 * counts these together. */
static void measure_psi(const struct pair *p, struct drift_measure *corrected, struct drift_measure *raw)
{
    uint64_t pooled[2][CELLS_MAX];
    double psi, m = p->base.valid, n = p->cur.valid;
    size_t bins;
    if (drift_psi(p->base.bin, p->cur.bin, p->n_bins, DRIFT_PSI_ADD_HALF, &psi, &bins))
        return; /* both sides were found not empty */
    double p_value = drift_psi_p(psi, bins, m, n), dof = (double)bins - 1;
    set(raw, psi, psi, p_value, dof);
    set(corrected, fmax(0, psi - drift_psi_noise(bins, m, n)), psi, p_value, dof);
    if (p->column->kind == DRIFT_NUMERIC)
        return;
    size_t k = drift_psi_pool(p->base.bin, p->cur.bin, p->n_bins, TAIL, pooled[0], pooled[1]);
    if (drift_psi(pooled[0], pooled[1], k, DRIFT_PSI_ADD_HALF, &psi, &bins))
        return;
    p_value = drift_psi_p(psi, bins, m, n);
    set(corrected, fmax(0, psi - drift_psi_noise(bins, m, n)), psi, p_value, (double)bins - 1);
    raw->p_value = p_value; /* its own law does not hold for small categories */
}

static double two_cells_p(const uint64_t *base, const uint64_t *cur, size_t n_cells)
{
    size_t i = 0;
    uint64_t m = 0, n = 0;
    while (!base[i] && !cur[i])
        i++;
    for (size_t j = 0; j < n_cells; j++) {
        m = sum_sat(m, base[j]);
        n = sum_sat(n, cur[j]);
    }
    return drift_rate_p_change(base[i], m, cur[i], n);
}

static double ks_p(const struct pair *p, const struct drift_ks_bracket *d)
{
    if (d->cells == 2)
        return two_cells_p(p->base.cell, p->cur.cell, p->column->n_cells);
    return p->law ? drift_ks_null_p(p->law, d->low, p->base.valid, p->cur.valid)
                  : drift_ks_p_grid(d->low, p->base.valid, p->cur.valid, d->cells);
}

static void measure_ks(const struct pair *p, struct drift_measure *m)
{
    struct drift_ks_bracket d;
    if (drift_ks_cells_edges(p->base.cell, p->cur.cell, p->column->edges, p->column->n_cells, &d))
        return;
    set(m, d.low, d.low, ks_p(p, &d), 0);
    m->drawn = p->law && d.cells > 2;
    m->low = d.low;
    m->high = d.high;
}

static void measure_js(const struct pair *p, struct drift_measure *m)
{
    double js;
    if (drift_js_distance(p->base.bin, p->cur.bin, p->n_bins, &js) == 0)
        set(m, js, js, 0, 0);
}

/* p: no law of their own, so that of the chi-square test over the same bins. */
static void measure_distances(const struct pair *p, struct drift_measure *hellinger, struct drift_measure *variation)
{
    double d;
    if (drift_hellinger(p->base.bin, p->cur.bin, p->n_bins, &d) == 0)
        set(hellinger, d, d, p->chi2.pearson_p, 0);
    if (drift_total_variation(p->base.bin, p->cur.bin, p->n_bins, &d) == 0)
        set(variation, d, d, p->chi2.pearson_p, 0);
}

static void measure_cvm(const struct pair *p, struct drift_measure *cvm, struct drift_measure *wasserstein)
{
    const struct drift_column *c = p->column;
    struct drift_cells_edf t;
    struct drift_cells_w1 w;
    if (drift_cells_cvm(p->base.cell, p->cur.cell, c->edges, c->n_cells, &t))
        return;
    set(cvm, t.rms, t.value, t.p_value, 0);
    cvm->low = t.low;
    cvm->high = t.high;
    if (drift_cells_wasserstein(p->base.cell, p->cur.cell, c->edges, c->n_cells, 0, &w) || w.over_sd < 0) {
        wasserstein->why = DRIFT_WHY_ONE_CELL;
        return;
    }
    set(wasserstein, w.over_sd, w.w1, t.p_value, 0);
    wasserstein->low = w.low;
    wasserstein->high = w.high;
    wasserstein->baseline = w.sd;
}

/* The share of one cell: `now` of n in the window, `before` of m in the baseline. */
static void set_share(uint64_t before, uint64_t m, uint64_t now, uint64_t n, double effect, double p_value,
                      struct drift_measure *ret)
{
    set(ret, effect, (double)now / (double)n, p_value, 0);
    ret->baseline = (double)before / (double)m;
    drift_rate_wilson(now, n, &ret->low, &ret->high);
}

/* p of linf and proportion: exact; times the number of cells, since the one that moved most is looked at.  A category
 * and one other are one share to proportion, which a column of numbers has none of (NULL). */
static void measure_cells(const struct pair *p, struct drift_measure *linf, struct drift_measure *max_cell,
                          struct drift_measure *proportion)
{
    const uint64_t *a = p->expected, *b = p->cur.cell;
    size_t n_cells = p->column->n_cells, i, cells = n_cells > p->n_single; /* the others are one */
    uint64_t m = total_of(a, n_cells), n = total_of(b, n_cells);
    struct drift_max_cell t;
    double change;
    if (linf_among(a, b, n_cells, p->n_single, &change, &i) || max_cell_among(a, b, n_cells, p->n_single, 0, &t))
        return; /* both sides were found not empty */
    for (size_t j = 0; j < p->n_single; j++)
        cells += a[j] || b[j];
    double one = drift_rate_p_change(a[i], m, b[i], n), all = (double)cells * one;
    set_share(a[i], m, b[i], n, fabs(change), all, linf);
    set_share(a[t.cell], m, b[t.cell], n, fmax(t.share - t.baseline_share, 0), t.p_value, max_cell);
    if (proportion)
        set_share(a[i], m, b[i], n, fabs(change), cells > 2 ? all : one, proportion);
}

static void measure_rate(const struct pair *p, uint64_t k_base, uint64_t k_cur, struct drift_measure *m)
{
    uint64_t n_base = p->base.total, n_cur = p->cur.total;
    m->why = !n_base ? DRIFT_WHY_NO_BASELINE : !n_cur ? DRIFT_WHY_NO_DATA : DRIFT_WHY_NONE;
    if (m->why)
        return;
    double rate = (double)k_cur / (double)n_cur, before = (double)k_base / (double)n_base;
    set(m, rate - before, rate, drift_rate_p_rise(k_base, n_base, k_cur, n_cur), 0);
    m->baseline = before;
    drift_rate_wilson(k_cur, n_cur, &m->low, &m->high);
}

/* The range is that of the baseline's own values: that none of them lies outside says little.  How many of n new ones
 * do before the second of m is met is as if one of m had been outside. */
static void measure_outside(const struct pair *p, struct drift_measure *m)
{
    uint32_t last = p->column->n_cells - 1;
    uint64_t before = sum_sat(p->base.cell[0], p->base.cell[last]), now = sum_sat(p->cur.cell[0], p->cur.cell[last]);
    measure_rate(p, before, now, m);
    if (!m->why)
        m->p_value = drift_rate_p_rise(sum_sat(before, 1), p->base.total, now, p->cur.total);
}

static void measure_rates(const struct pair *p, struct drift_measure *ret)
{
    const uint64_t *a = p->base.special, *b = p->cur.special;
    measure_rate(p, a[DRIFT_NULL], b[DRIFT_NULL], &ret[DRIFT_MEASURE_NULL_RATE]);
    measure_rate(p, a[DRIFT_MISSING], b[DRIFT_MISSING], &ret[DRIFT_MEASURE_MISSING_RATE]);
    measure_rate(p, sum_sat(a[DRIFT_NONFINITE], a[DRIFT_WRONG_TYPE]), sum_sat(b[DRIFT_NONFINITE], b[DRIFT_WRONG_TYPE]),
                 &ret[DRIFT_MEASURE_INVALID_RATE]);
    if (p->column->kind == DRIFT_CATEGORICAL) {
        uint32_t u = drift_column_unseen(p->column);
        uint64_t known = sum_sat(p->base.cell[u], p->hidden);
        measure_rate(p, known < p->base.total ? known : p->base.total, p->cur.cell[u], &ret[DRIFT_MEASURE_UNSEEN_RATE]);
    } else if (p->column->bounded) {
        measure_outside(p, &ret[DRIFT_MEASURE_OUT_OF_RANGE_RATE]);
    } else {
        ret[DRIFT_MEASURE_OUT_OF_RANGE_RATE].why = DRIFT_WHY_NOT_DEFINED;
    }
}

/* Measures over the valid values: all share the reasons why there may be none. */
static const struct {
    enum drift_measure_id id;
    bool cells; /* over all cells, else over bins: one bin may still be several cells */
} valid_measures[] = {
    {DRIFT_MEASURE_PSI, false},        {DRIFT_MEASURE_PSI_RAW, false},
    {DRIFT_MEASURE_KS, true},          {DRIFT_MEASURE_JS, false},
    {DRIFT_MEASURE_CHI2, false},       {DRIFT_MEASURE_PROPORTION, true},
    {DRIFT_MEASURE_WASSERSTEIN, true}, {DRIFT_MEASURE_CVM, true},
    {DRIFT_MEASURE_HELLINGER, false},  {DRIFT_MEASURE_TOTAL_VARIATION, false},
    {DRIFT_MEASURE_LINF, true},        {DRIFT_MEASURE_MAX_CELL, true},
    {DRIFT_MEASURE_G_TEST, false},
};

static enum drift_why why_not(const struct pair *p, const uint64_t *base, const uint64_t *cur, size_t n)
{
    size_t filled = 0;
    if (!(p->base.valid > 0))
        return DRIFT_WHY_NO_BASELINE;
    if (!(p->cur.valid > 0))
        return DRIFT_WHY_NO_DATA;
    for (size_t b = 0; b < n; b++)
        filled += base[b] || cur[b];
    return filled < 2 ? DRIFT_WHY_ONE_CELL : DRIFT_WHY_NONE;
}

static void measure_valid(const struct pair *p, struct drift_measure *ret)
{
    enum drift_why bins = why_not(p, p->base.bin, p->cur.bin, p->n_bins);
    enum drift_why cells = why_not(p, p->base.cell, p->cur.cell, p->column->n_cells);
    bool numeric = p->column->kind == DRIFT_NUMERIC;
    for (size_t i = 0; i < sizeof valid_measures / sizeof *valid_measures; i++) {
        struct drift_measure *m = &ret[valid_measures[i].id];
        if (!m->why)
            m->why = valid_measures[i].cells ? cells : bins;
    }
    if (!cells) {
        if (numeric)
            measure_ks(p, &ret[DRIFT_MEASURE_KS]);
        if (numeric)
            measure_cvm(p, &ret[DRIFT_MEASURE_CVM], &ret[DRIFT_MEASURE_WASSERSTEIN]);
        measure_cells(p, &ret[DRIFT_MEASURE_LINF], &ret[DRIFT_MEASURE_MAX_CELL],
                      numeric ? NULL : &ret[DRIFT_MEASURE_PROPORTION]);
    }
    if (bins)
        return;
    const struct drift_chi2 *t = &p->chi2;
    measure_psi(p, &ret[DRIFT_MEASURE_PSI], &ret[DRIFT_MEASURE_PSI_RAW]);
    measure_js(p, &ret[DRIFT_MEASURE_JS]);
    measure_distances(p, &ret[DRIFT_MEASURE_HELLINGER], &ret[DRIFT_MEASURE_TOTAL_VARIATION]);
    set(&ret[DRIFT_MEASURE_CHI2], p->chi2_effect, t->pearson, t->pearson_p, t->dof);
    set(&ret[DRIFT_MEASURE_G_TEST], p->chi2_effect, t->g, t->williams_p, t->dof);
}

void drift_measure_column(const struct drift_column *c, const uint64_t *base, const uint64_t *cur,
                          struct drift_measure ret[DRIFT_N_MEASURE])
{
    drift_measure_column_law(c, base, cur, NULL, NULL, ret);
}

void drift_measure_column_law(const struct drift_column *c, const uint64_t *base, const uint64_t *cur,
                              const uint64_t *whole, const struct drift_ks_null *law,
                              struct drift_measure ret[DRIFT_N_MEASURE])
{
    struct pair p;
    pair_init(&p, c, base, cur, whole ? whole : base);
    p.law = law;
    for (int i = 0; i < DRIFT_N_MEASURE; i++)
        ret[i] = (struct drift_measure){
            .id = (enum drift_measure_id)i,
            .why = drift_measure_applies((enum drift_measure_id)i, c->kind) ? DRIFT_WHY_NONE : DRIFT_WHY_NOT_DEFINED};
    measure_valid(&p, ret);
    measure_rates(&p, ret);
}

/* P(X <= k), or P(X >= k), of a count with this mean and variance >= mean. */
static double count_tail(double k, double mean, double variance, bool upper)
{
    if (upper && k < 1)
        return 1;
    if (variance <= mean * (1 + 1e-9)) /* Poisson */
        return upper ? gsl_cdf_gamma_P(mean, k, 1) : gsl_cdf_gamma_Q(mean, k + 1, 1);
    if (fmax(k, mean) < 1e4) { /* negative binomial */
        double r = mean * mean / (variance - mean), miss = mean / variance;
        return upper ? gsl_cdf_beta_Q(miss, r, k) : gsl_cdf_beta_P(miss, r, k + 1);
    }
    double scale = variance / mean; /* its limit for large counts */
    return upper ? gsl_cdf_gamma_Q(k - 0.5, mean / scale, scale) : gsl_cdf_gamma_P(k + 0.5, mean / scale, scale);
}

void drift_measure_volume(const uint64_t *baseline_n, uint32_t n_windows, uint64_t n, struct drift_measure *ret)
{
    double w = n_windows, mean = sum_counts(baseline_n, n_windows) / fmax(w, 1), squares = 0, k = (double)n;
    *ret = (struct drift_measure){.id = DRIFT_MEASURE_VOLUME};
    if (!(mean > 0)) {
        ret->why = DRIFT_WHY_NO_BASELINE;
        return;
    }
    for (uint32_t i = 0; i < n_windows; i++)
        squares += ((double)baseline_n[i] - mean) * ((double)baseline_n[i] - mean);
    double variance = fmax(n_windows > 1 ? squares / (w - 1) : 0, mean) * (1 + 1 / w);
    double lower = count_tail(k, mean, variance, false), upper = count_tail(k, mean, variance, true);
    set(ret, fabs(log((k + 0.5) / (mean + 0.5))), k / mean, 2 * fmin(lower, upper), 0);
    ret->baseline = mean;
}
