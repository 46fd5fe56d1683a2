/* tests/unit/stats/test_cells.c    Statistics on cells: against numpy and scipy, against the samples behind the cells,
 * and the sizes of their tests. */
#include "values.h"

#include <float.h>

#include "driftd/cells.h"
#include "driftd/error.h"
#include "driftd/ks_null.h"
#include "driftd/max_cell.h"
#include "driftd/measure.h"

enum { COMPARED_MIN = 900, SAMPLES = 400 };

/* ---- against tests/data/stats/cells.json ---- */

static size_t edges_read(const json_t *list, double *ret)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++)
        ret[i] = json_number_value(json_array_get(list, i));
    return n;
}

/* The tests' laws are approximations: within 5 % and 8 % of the exact ones wherever those matter. */
static void law_compare(const char *id, const json_t *law, double cvm_p, double ad_p)
{
    double cvm = json_number_value(json_object_get(law, "cvm_p")), ad = json_number_value(json_object_get(law, "ad_p"));
    if (cvm < .5 && cvm > 1e-6)
        demand(fabs(cvm_p / cvm - 1) < .05, "%s: cvm p %g, exact %g", id, cvm_p, cvm);
    if (ad < .5 && ad > 1e-6)
        demand(fabs(ad_p / ad - 1) < .08, "%s: ad p %g, exact %g", id, ad_p, ad);
}

static void values_cells(struct values *vs, const json_t *c)
{
    uint64_t p[CELLS_MAX], q[CELLS_MAX];
    double e[CELLS_MAX], change;
    size_t k = counts_read(json_object_get(c, "p"), p), at;
    struct drift_cells_w1 w;
    struct drift_cells_edf t, a;
    struct drift_max_cell x;
    struct drift_ks_bracket d;
    counts_read(json_object_get(c, "q"), q);
    ck_assert_uint_eq(edges_read(json_object_get(c, "edges"), e), k - 1);
    ck_assert_int_eq(drift_cells_wasserstein(p, q, e, k, 0, &w), 0);
    put(vs, w.w1, "w1");
    put(vs, w.low, "w1_low");
    put(vs, w.high, "w1_high");
    put(vs, w.sd, "sd");
    put(vs, w.sd_low, "sd_low");
    put(vs, w.sd_high, "sd_high");
    put(vs, w.over_sd, "over_sd");
    put(vs, w.open, "open");
    ck_assert_int_eq(drift_cells_cvm(p, q, e, k, &t), 0);
    put(vs, t.value, "cvm");
    put(vs, t.low, "cvm_low");
    put(vs, t.high, "cvm_high");
    put(vs, t.rms, "rms");
    put(vs, t.p_value, "cvm_p");
    ck_assert_int_eq(drift_cells_anderson(p, q, k, &a), 0);
    put(vs, a.value, "ad");
    put(vs, a.p_value, "ad_p");
    law_compare(json_string_value(json_object_get(c, "id")), json_object_get(c, "law"), t.p_value, a.p_value);
    ck_assert_int_eq(drift_ks_cells_edges(p, q, e, k, &d), 0);
    put(vs, d.high, "ks_high");
    ck_assert_int_eq(drift_max_cell(p, q, k, .25, &x), 0);
    put(vs, x.p_value, "max_p_eps");
    ck_assert_int_eq(drift_max_cell(p, q, k, 0, &x), 0);
    put(vs, x.p_value, "max_p");
    put(vs, x.p_cell, "max_p_cell");
    put(vs, (double)x.cell, "max_at");
    ck_assert_int_eq(drift_cells_linf(p, q, k, &change, &at), 0);
    put(vs, change, "linf");
    put(vs, (double)at, "linf_at");
}

static struct drift_layout *layout_of(const json_t *c, uint32_t n_cells)
{
    struct drift_layout *l = drift_layout_new();
    double e[CELLS_MAX];
    uint64_t end[CELLS_MAX];
    uint32_t bin_end[CELLS_MAX];
    static const char *const names[] = {"a", "b", "c", "d"};
    char text[CELLS_MAX][8];
    const char *many[CELLS_MAX];
    size_t n_bins = counts_read(json_object_get(c, "bin_end"), end);
    for (size_t i = 0; i < n_bins; i++)
        bin_end[i] = (uint32_t)end[i];
    for (uint32_t i = 0; i < n_cells; i++) {
        snprintf(text[i], sizeof text[i], "%s%u", names[i % 4], i % 10000);
        many[i] = text[i];
    }
    if (edges_read(json_object_get(c, "edges"), e))
        ck_assert_int_eq(
            drift_layout_add_numeric(l, DRIFT_FEATURE, "x", e, n_cells - 1, true, bin_end, (uint32_t)n_bins), 0);
    else
        ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "x", many, n_cells - 2, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

static void values_measure(struct values *vs, const json_t *c)
{
    put_measures(vs, c, layout_of);
}

static double number(const json_t *c, const char *key)
{
    return json_number_value(json_object_get(c, key));
}

static void values_interval(struct values *vs, const json_t *c)
{
    double low, high;
    ck_assert_int_eq(drift_psi_interval(number(c, "psi"), (size_t)number(c, "bins"), number(c, "m"), number(c, "n"),
                                        number(c, "confidence"), &low, &high),
                     0);
    put(vs, low, "low");
    put(vs, high, "high");
}

/* Against the exact law: the table comes from 4000 draws, so at a level p it is good to 4 sqrt(p / 4000); between the
 * values that D can take it may be too large. */
static void values_null(struct values *vs, const json_t *c)
{
    uint64_t p[DRIFT_KS_NULL_CELLS];
    const json_t *share = json_object_get(c, "share"), *law;
    struct drift_ks_null table;
    size_t i;
    (void)vs;
    for (i = 0; i < json_array_size(share); i++)
        p[i] = (uint64_t)llround(1e12 * json_number_value(json_array_get(share, i)));
    ck_assert_int_eq(drift_ks_null_build(p, i, 7, &table), 0);
    json_array_foreach(json_object_get(c, "law"), i, law)
    {
        double d = json_number_value(json_array_get(law, 0)), want = json_number_value(json_array_get(law, 1));
        double got = drift_ks_null_p(&table, d, 1e12, number(c, "n"));
        double slack = 4 * sqrt(want / DRIFT_KS_NULL_DRAWS) + .05 * want;
        demand(got > want - slack && got < 1.6 * want + slack, "%s: d %g, p %g, exact %g",
               json_string_value(json_object_get(c, "id")), d, got, want);
    }
}

static const struct {
    const char *kind;
    void (*values)(struct values *vs, const json_t *c);
} kinds[] = {
    {"cells", values_cells}, {"measure", values_measure}, {"interval", values_interval}, {"null", values_null}};

START_TEST(agrees_with_scipy)
{
    json_t *doc = json_read(DRIFTD_SOURCE_DIR "/tests/data/stats/cells.json"), *c;
    struct comparison cmp = {0};
    size_t i, k;
    json_array_foreach(json_object_get(doc, "cases"), i, c)
    {
        const char *kind = json_string_value(json_object_get(c, "kind"));
        struct values *vs = calloc(1, sizeof *vs);
        for (k = 0; k < sizeof kinds / sizeof *kinds && strcmp(kinds[k].kind, kind) != 0; k++)
            ;
        ck_assert_msg(k < sizeof kinds / sizeof *kinds, "unknown kind %s", kind);
        kinds[k].values(vs, c);
        if (json_object_get(c, "expected"))
            tree_compare(&cmp, vs, json_string_value(json_object_get(c, "id")), "", json_object_get(c, "expected"));
        cmp.cases++;
        free(vs);
    }
    comparison_end(&cmp, "cells", COMPARED_MIN);
    json_decref(doc);
}
END_TEST

/* ---- against the samples behind the cells ---- */

static size_t sample_draw(struct drift_rng *r, double *x, int kind)
{
    size_t n = 1 + drift_rng_below(r, SAMPLES);
    double shift = drift_rng_uniform(r), scale = exp2((double)drift_rng_below(r, 40) - 20);
    for (size_t i = 0; i < n; i++)
        x[i] = kind == 0   ? (drift_rng_gauss(r) + shift) * scale
               : kind == 1 ? (double)drift_rng_below(r, 5) + round(shift)
               : kind == 2 ? exp(3 * drift_rng_gauss(r)) * shift
                           : (drift_rng_below(r, 2) ? 0 : fabs(drift_rng_gauss(r)) + shift);
    qsort(x, n, sizeof *x, ascending);
    return n;
}

/* Edges that are quantiles of x, as a baseline has them, or anywhere; now and then with its atoms singled out. */
static uint32_t edges_draw(struct drift_rng *r, const double *x, size_t m, double *e)
{
    uint32_t n = 0, want = 2 + (uint32_t)drift_rng_below(r, 60), anywhere = drift_rng_below(r, 5) == 0;
    uint32_t atoms = (uint32_t)drift_rng_below(r, 2);
    double spread = x[m - 1] - x[0] + 1, all[200];
    uint32_t k = 0;
    for (uint32_t i = 0; i < want; i++) {
        double v = anywhere ? x[0] + (drift_rng_uniform(r) * 1.4 - .2) * spread
                            : x[(size_t)((double)(m - 1) * i / (want - 1))];
        all[k++] = v;
        if (atoms)
            all[k++] = nextafter(v, -INFINITY);
    }
    all[k++] = nextafter(x[0], -INFINITY);
    qsort(all, k, sizeof *all, ascending);
    for (uint32_t i = 0; i < k; i++)
        if (n == 0 || e[n - 1] < all[i])
            e[n++] = all[i];
    return n;
}

struct exact {
    double w1, t, sd;
};

/* By definition: every pooled value in turn. */
static struct exact exact_of(const double *x, size_t m, const double *y, size_t n)
{
    struct exact e = {0};
    double mean = 0, last = 0, d = 0;
    for (size_t i = 0, j = 0; i < m || j < n;) {
        double at = j == n || (i < m && x[i] <= y[j]) ? x[i] : y[j];
        size_t i0 = i, j0 = j;
        if (i || j)
            e.w1 += fabs(d) * (at - last);
        while (i < m && x[i] <= at)
            i++;
        while (j < n && y[j] <= at)
            j++;
        d = (double)j / (double)n - (double)i / (double)m;
        e.t += d * d * (double)(i - i0 + j - j0);
        last = at;
    }
    for (size_t i = 0; i < m; i++)
        mean += x[i] / (double)m;
    for (size_t i = 0; i < m; i++)
        e.sd += (x[i] - mean) * (x[i] - mean) / (double)m;
    e.sd = sqrt(e.sd);
    e.t *= (double)m * (double)n / ((double)m + (double)n) / ((double)m + (double)n);
    return e;
}

struct narrow {
    int w1, t, closed;
};

static void check_brackets(struct drift_rng *r, int kind, struct narrow *narrow)
{
    double x[SAMPLES], y[SAMPLES], e[256];
    uint64_t p[256] = {0}, q[256] = {0};
    size_t m = sample_draw(r, x, kind), n = sample_draw(r, y, kind);
    uint32_t n_edges = edges_draw(r, x, m, e), cells = n_edges + 1;
    struct drift_cells_w1 w;
    struct drift_cells_edf t;
    struct drift_ks_bracket b;
    struct drift_ks_exact d;
    for (size_t i = 0; i < m; i++)
        p[drift_grid_cell_plain(e, n_edges, x[i])]++;
    for (size_t i = 0; i < n; i++)
        q[drift_grid_cell_plain(e, n_edges, y[i])]++;
    struct exact want = exact_of(x, m, y, n);
    demand(drift_cells_wasserstein(p, q, e, cells, 0, &w) == 0 && drift_cells_cvm(p, q, e, cells, &t) == 0 &&
               drift_ks_cells_edges(p, q, e, cells, &b) == 0 && drift_ks_samples(x, m, y, n, &d) == 0,
           "status");
    double slack = 1e-9 * (want.w1 + w.high + w.sd_high);
    demand(w.low <= want.w1 + slack && (w.open || want.w1 <= w.high + slack), "w1 %.17g outside [%.17g, %.17g]",
           want.w1, w.low, w.high);
    demand(w.low <= w.w1 && w.w1 <= w.high, "w1 estimate %.17g outside [%.17g, %.17g]", w.w1, w.low, w.high);
    if (!p[0] && !p[cells - 1])
        demand(w.sd_low <= want.sd + slack && want.sd <= w.sd_high + slack, "sd %.17g outside [%.17g, %.17g]", want.sd,
               w.sd_low, w.sd_high);
    demand(t.low <= want.t * (1 + 1e-9) + 1e-12 && want.t <= t.high * (1 + 1e-9) + 1e-12,
           "T %.17g outside [%.17g, %.17g]", want.t, t.low, t.high);
    demand(t.p_value >= 0 && t.p_value <= 1 && t.rms >= 0 && t.rms <= 1, "p %g, rms %g", t.p_value, t.rms);
    demand(b.low <= d.d + 1e-12 && d.d <= b.high + 1e-12, "D %g outside [%g, %g]", d.d, b.low, b.high);
    narrow->closed += !w.open;
    narrow->w1 += !w.open && w.high - w.low < .5 * want.w1;
    narrow->t += t.high - t.low < .5 * want.t;
}

START_TEST(brackets_hold_the_exact_figures)
{
    struct drift_rng r = drift_rng_new(21);
    struct narrow narrow = {0};
    for (int round = 0; round < 8000; round++)
        check_brackets(&r, round % 4, &narrow);
    printf("of 8000: %d with a bound above, %d of W1 within half its value, %d of T\n", narrow.closed, narrow.w1,
           narrow.t);
    ck_assert_int_gt(narrow.w1, 700); /* [0, infinity] would hold them too */
    ck_assert_int_gt(narrow.t, 1500);
}
END_TEST

/* A feature of few values, each in a cell of its own: nothing is left open. */
START_TEST(atoms_leave_nothing_open)
{
    double e[8];
    for (int v = 0; v < 4; v++) {
        e[2 * v] = nextafter(v, -INFINITY);
        e[2 * v + 1] = v;
    }
    uint64_t p[9] = {0, 400, 0, 300, 0, 200, 0, 100, 0}, q[9] = {0, 30, 0, 30, 0, 30, 0, 20, 0};
    struct drift_ks_bracket d;
    struct drift_cells_w1 w;
    struct drift_cells_edf t;
    ck_assert_int_eq(drift_ks_cells_edges(p, q, e, 9, &d), 0);
    ck_assert_double_eq(d.low, d.high);
    ck_assert_int_eq(drift_cells_wasserstein(p, q, e, 9, 0, &w), 0);
    /* F .4 .7 .9 1, G 3/11 6/11 9/11 1 */
    ck_near(w.w1, .4 - 3 / 11.0 + .7 - 6 / 11.0 + .9 - 9 / 11.0, 1e-9);
    ck_near(w.low, w.high, 1e-12);
    ck_near(w.sd_low, 1, 1e-12);
    ck_near(w.sd_high, 1, 1e-12);
    ck_assert_int_eq(drift_cells_cvm(p, q, e, 9, &t), 0);
    ck_near(t.low, t.high, 1e-12);
    ck_assert_int_eq(drift_ks_cells(p, q, 9, &d), 0);
    ck_assert_double_gt(d.high, d.low + .2); /* without the edges nobody knows */
}
END_TEST

/* Far out, close together, subnormal: finite figures that keep their scale. */
START_TEST(any_scale_will_do)
{
    static const double scale[] = {5e-324 * 1024, 1e-300, 1e-9, 1, 1e9, 1e300, 1.7e308 / 3};
    uint64_t p[5] = {0, 100, 300, 200, 0}, q[5] = {0, 50, 10, 40, 0};
    for (size_t i = 0; i < sizeof scale / sizeof *scale; i++) {
        double e[4] = {-3 * scale[i], -1 * scale[i], 1 * scale[i], 3 * scale[i]};
        struct drift_cells_w1 w;
        ck_assert_int_eq(drift_cells_wasserstein(p, q, e, 5, 0, &w), 0);
        ck_assert(isfinite(w.w1) && isfinite(w.sd_high) && w.low <= w.w1 && w.w1 <= w.high && w.over_sd > 0);
        struct drift_cells_w1 unit;
        double f[4] = {-3, -1, 1, 3};
        ck_assert_int_eq(drift_cells_wasserstein(p, q, f, 5, 0, &unit), 0);
        ck_near(w.over_sd, unit.over_sd, 1e-9);
        if (scale[i] < 1e308 && scale[i] > 1e-300)
            ck_near(w.w1, unit.w1 * scale[i], 1e-9);
    }
}
END_TEST

START_TEST(nothing_and_nonsense_are_refused)
{
    uint64_t none[3] = {0}, some[3] = {1, 2, 3};
    double e[2] = {0, 1}, change, low, high;
    struct drift_cells_w1 w;
    struct drift_cells_edf t;
    struct drift_max_cell x;
    struct drift_ks_null table;
    ck_assert_int_eq(drift_cells_wasserstein(none, some, e, 3, 0, &w), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_cells_wasserstein(some, some, e, 1, 0, &w), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_cells_wasserstein(some, some, e, 3, -1, &w), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_cells_wasserstein(some, some, e, 3, (double)NAN, &w), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_cells_wasserstein(some, some, e, 3, 2, &w), 0);
    ck_assert_double_eq(w.sd, 2);
    ck_assert_int_eq(drift_cells_cvm(some, none, NULL, 3, &t), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_cells_anderson(some, none, 3, &t), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_cells_linf(none, some, 3, &change, NULL), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_max_cell(some, none, 3, 0, &x), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_max_cell(some, some, 3, -.1, &x), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_max_cell(some, some, 3, (double)INFINITY, &x), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_max_cell(some, some, 3, 0, &x), 0);
    ck_assert_double_eq(x.p_value, 1);
    ck_assert_int_eq(drift_psi_interval(.1, 1, 10, 10, .95, &low, &high), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_psi_interval((double)NAN, 10, 10, 10, .95, &low, &high), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_psi_interval(.1, 10, 0, 10, .95, &low, &high), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_psi_interval(.1, 10, 10, 10, 1, &low, &high), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_ks_null_build(none, 3, 1, &table), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_ks_null_build(some, 1, 1, &table), DRIFT_E_RANGE);
    uint64_t many[DRIFT_KS_NULL_CELLS + 1];
    for (int i = 0; i <= DRIFT_KS_NULL_CELLS; i++)
        many[i] = 1;
    ck_assert_int_eq(drift_ks_null_build(many, DRIFT_KS_NULL_CELLS + 1, 1, &table), DRIFT_E_RANGE);
    ck_assert_double_eq(drift_rate_unseen_bound(0, 0, 0), 1);
    ck_assert_double_eq(drift_rate_unseen_bound(0, 0, 1000), .003);
    ck_near(drift_rate_unseen_bound(90, 40, 5000), (90 + 1.645 * sqrt(170)) / 5000, 1e-12);
    ck_assert_double_eq(drift_rate_unseen_bound(5, 0, 5), 1);
}
END_TEST

/* ---- sizes without drift ---- */

enum { SIMULATIONS = 4000, SLOTS = 4096, KINDS = 4, TESTS = 5 };

/* A law as a table of equally likely cells: even, skewed, a Poisson(2) count, 60 % zeros. */
static uint32_t law_make(int kind, uint16_t *slot)
{
    double cum = 0, poisson = exp(-2);
    uint32_t k = 0, cells = kind == 2 ? 9 : 100;
    for (uint32_t i = 0; i < SLOTS; i++) {
        double at = (i + .5) / SLOTS;
        switch (kind) {
        case 0:
            slot[i] = (uint16_t)(at * cells);
            break;
        case 1:
            slot[i] = (uint16_t)(at * at * at * cells);
            break;
        case 2:
            while (at > cum + poisson && k < 8) {
                cum += poisson;
                poisson *= 2.0 / ++k;
            }
            slot[i] = (uint16_t)k;
            break;
        default:
            slot[i] = (uint16_t)(at < .6 ? 0 : (at - .6) / .4 * cells);
        }
    }
    return cells;
}

static void counts_draw(struct drift_rng *r, const uint16_t *slot, uint64_t *c, uint32_t cells, int n)
{
    memset(c, 0, cells * sizeof *c);
    for (int i = 0; i < n; i += 4) {
        uint64_t u = drift_rng_u64(r);
        for (int k = 0; k < 4; k++, u >>= 16)
            c[slot[u % SLOTS]]++;
    }
}

static void p_values_draw(const uint64_t *p, const uint64_t *q, uint32_t cells, double m, double n,
                          const struct drift_ks_null *table, double *ret)
{
    uint64_t a[CELLS_MAX], b[CELLS_MAX];
    struct drift_cells_edf t;
    struct drift_max_cell x;
    struct drift_chi2 c;
    struct drift_ks_bracket d;
    drift_cells_cvm(p, q, NULL, cells, &t);
    ret[0] = t.p_value;
    drift_cells_anderson(p, q, cells, &t);
    ret[1] = t.p_value;
    memset(a, 0, sizeof *a * cells);
    memset(b, 0, sizeof *b * cells);
    for (uint32_t i = 0; i < cells; i++) { /* deciles */
        a[cells == 100 ? i / 10 : i] += p[i];
        b[cells == 100 ? i / 10 : i] += q[i];
    }
    drift_chi2(a, b, drift_chi2_pool(a, b, cells, 5, a, b), &c);
    ret[2] = c.williams_p;
    drift_max_cell(p, q, cells, 0, &x);
    ret[3] = x.p_value;
    drift_ks_cells(p, q, cells, &d);
    ret[4] = table ? drift_ks_null_p(table, d.low, m, n) : drift_ks_p_grid(d.low, m, n, d.cells);
}

static void sizes_of(int kind, int n, int m)
{
    static const char *const names[TESTS] = {"cvm", "anderson", "g", "max_cell", "ks"};
    static const char *const laws[KINDS] = {"even", "skewed", "poisson(2)", "60 % zeros"};
    uint16_t slot[SLOTS];
    uint64_t p[100], q[100];
    uint32_t cells = law_make(kind, slot);
    struct drift_rng r = drift_rng_new((uint64_t)(100 * kind + n));
    struct drift_ks_null table;
    int below[TESTS][2] = {{0}};
    counts_draw(&r, slot, p, cells, 1000000);
    if (kind == 2)
        ck_assert_int_eq(drift_ks_null_build(p, cells, 3, &table), 0);
    for (int i = 0; i < SIMULATIONS; i++) {
        double v[TESTS];
        counts_draw(&r, slot, p, cells, m);
        counts_draw(&r, slot, q, cells, n);
        p_values_draw(p, q, cells, m, n, kind == 2 ? &table : NULL, v);
        for (int k = 0; k < TESTS; k++) {
            below[k][0] += v[k] < .05;
            below[k][1] += v[k] < .001;
        }
    }
    for (int k = 0; k < TESTS; k++) {
        double at05 = below[k][0] / (double)SIMULATIONS, at001 = below[k][1] / (double)SIMULATIONS;
        bool bonferroni = k == 3, no_law = k == 4 && kind == 3; /* the grid's law of KS is not one for atoms */
        printf("%s, %s, n %d: size %.4f at .05, %.5f at .001\n", laws[kind], names[k], n, at05, at001);
        ck_assert_msg(at05 < .065 && at001 < .0035, "%s: size %g, %g", names[k], at05, at001);
        ck_assert_msg(bonferroni || no_law || at05 > .035, "%s: size %g", names[k], at05);
    }
}

START_TEST(sizes_are_as_stated)
{
    for (int kind = 0; kind < KINDS; kind++) {
        sizes_of(kind, 100, 1000);
        sizes_of(kind, 1000, 4000);
    }
}
END_TEST

/* P(X >= k) of the binomial law, term by term. */
static double binomial_upper(double k, double n, double pi)
{
    double sum = 0;
    for (double x = n; x >= k; x--)
        sum += exp(lgamma(n + 1) - lgamma(x + 1) - lgamma(n - x + 1) + x * log(pi) + (n - x) * log1p(-pi));
    return sum;
}

/* The cells that are not looked at closely never have the smallest area. */
START_TEST(no_smaller_area_is_missed)
{
    struct drift_rng r = drift_rng_new(22);
    uint64_t p[40], q[40];
    for (int round = 0; round < 2000; round++) {
        uint32_t k = 2 + (uint32_t)drift_rng_below(&r, 38), of_p = 1 + (uint32_t)drift_rng_below(&r, 200);
        uint32_t of_q = 1 + (uint32_t)drift_rng_below(&r, 60);
        double m = 0, n = 0, eps = (double)drift_rng_below(&r, 3) / 4, least = 1;
        for (uint32_t i = 0; i < k; i++) {
            m += (double)(p[i] = drift_rng_below(&r, 4) ? drift_rng_below(&r, of_p) : 0);
            n += (double)(q[i] = drift_rng_below(&r, 4) ? drift_rng_below(&r, of_q) : 0);
        }
        struct drift_max_cell x;
        if (drift_max_cell(p, q, k, eps, &x))
            continue;
        double pi = n * (1 + eps) / (n * (1 + eps) + m);
        for (uint32_t i = 0; i < k; i++) {
            double at = (double)q[i], all = at + (double)p[i];
            if (at > all * pi)
                least = fmin(least, binomial_upper(at, all, pi));
        }
        demand(drift_near(x.p_cell, least, 1e-9), "%u cells, eps %g: %.17g, smallest %.17g", k, eps, x.p_cell, least);
    }
}
END_TEST

/* A spike of 3 % in one cell of a hundred, and a rare category that grows: seen at once, and named. */
START_TEST(spikes_are_seen)
{
    uint64_t p[100], q[100];
    struct drift_max_cell x;
    for (int i = 0; i < 100; i++) {
        p[i] = 200;
        q[i] = 10;
    }
    q[37] += 30;
    ck_assert_int_eq(drift_max_cell(p, q, 100, 0, &x), 0);
    ck_assert_uint_eq(x.cell, 37);
    ck_assert_double_lt(x.p_value, 1e-7);
    q[37] = 10;
    p[99] = 1;
    q[99] = 12;
    ck_assert_int_eq(drift_max_cell(p, q, 100, 0, &x), 0);
    ck_assert_uint_eq(x.cell, 99);
    ck_assert_double_lt(x.p_value, 1e-7);
    ck_near(x.share, 12 / 1002.0, 1e-12);
    ck_assert_int_eq(drift_max_cell(p, q, 100, 1e6, &x), 0);
    ck_assert_double_eq(x.p_value, 1);
}
END_TEST

int main(void)
{
    drift_stats_init();
    Suite *s = suite_create("cells");
    drift_test_add(s, "agrees with scipy", agrees_with_scipy, 60);
    drift_test_add(s, "brackets", brackets_hold_the_exact_figures, 60);
    drift_test_add(s, "atoms", atoms_leave_nothing_open, 10);
    drift_test_add(s, "scales", any_scale_will_do, 10);
    drift_test_add(s, "refusals", nothing_and_nonsense_are_refused, 10);
    drift_test_add(s, "sizes", sizes_are_as_stated, 100);
    drift_test_add(s, "smallest area", no_smaller_area_is_missed, 30);
    drift_test_add(s, "spikes", spikes_are_seen, 10);
    return drift_test_run(s);
}
