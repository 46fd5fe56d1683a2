/* tests/unit/stats/test_laws.c    Laws that the statistics must obey on random data, and the sizes of their tests. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/chi2.h"
#include "driftd/js.h"
#include "driftd/ks.h"
#include "driftd/measure.h"
#include "driftd/psi.h"
#include "driftd/rate.h"
#include "driftd/tail.h"

enum { CELLS = 102, SAMPLES = 500 };

/* As ck_assert, but silent when it holds: these run millions of times. */
#define demand(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg(__VA_ARGS__);                                                                                 \
    } while (0)

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static size_t counts_draw(struct drift_rng *r, uint64_t *p, uint64_t *q)
{
    size_t k = 1 + drift_rng_below(r, CELLS);
    uint64_t big = 1 + (drift_rng_u64(r) >> (24 + drift_rng_below(r, 39)));
    for (size_t i = 0; i < k; i++) {
        p[i] = drift_rng_below(r, 3) ? drift_rng_below(r, big) : 0;
        q[i] = drift_rng_below(r, 3) ? drift_rng_below(r, big) : 0;
    }
    p[drift_rng_below(r, k)]++;
    q[drift_rng_below(r, k)]++;
    return k;
}

typedef int distance_fn(const uint64_t *p, const uint64_t *q, size_t n, double *ret);
static const struct {
    const char *name;
    distance_fn *distance;
} distances[] = {{"js", drift_js_distance}, {"hellinger", drift_hellinger}, {"tv", drift_total_variation}};

static void check_distances(const uint64_t *p, const uint64_t *q, size_t k)
{
    double d, e;
    for (size_t i = 0; i < sizeof distances / sizeof *distances; i++) {
        demand(distances[i].distance(p, q, k, &d) == 0 && distances[i].distance(q, p, k, &e) == 0, "status");
        demand(d >= 0 && d <= 1 && drift_near(d, e, 1e-9), "%s: %.17g and %.17g", distances[i].name, d, e);
        demand(distances[i].distance(p, p, k, &d) == 0 && d == 0, "%s of itself %g", distances[i].name, d);
    }
}

static void check_psi(const uint64_t *p, const uint64_t *q, size_t k)
{
    double d, e;
    for (int rule = 0; rule < DRIFT_N_PSI_RULE; rule++) {
        enum drift_psi_rule r = (enum drift_psi_rule)rule;
        int status = drift_psi(p, q, k, r, &d, NULL);
        demand(status == drift_psi(q, p, k, r, &e, NULL), "status");
        demand(status == 0 || (r == DRIFT_PSI_NONE && status == DRIFT_E_RANGE), "status %d", status);
        if (status == 0)
            demand(d >= 0 && isfinite(d) && (drift_near(d, e, 1e-9) || fabs(d - e) < 1e-15), "%s: %.17g and %.17g",
                   drift_psi_rule_name(r), d, e);
        demand(drift_psi(p, p, k, r, &d, NULL) == 0 && d == 0, "%s of itself %g", drift_psi_rule_name(r), d);
    }
}

START_TEST(distances_are_symmetric_and_bounded)
{
    struct drift_rng r = drift_rng_new(1);
    uint64_t p[CELLS], q[CELLS];
    struct drift_chi2 t;
    for (int round = 0; round < 5000; round++) {
        size_t k = counts_draw(&r, p, q);
        check_distances(p, q, k);
        check_psi(p, q, k);
        demand(drift_chi2(p, q, k, &t) == 0 && t.pearson >= 0 && t.g >= 0 && t.cramers_v <= 1, "chi2");
        demand(drift_chi2(p, p, k, &t) == 0 && t.pearson < 1e-6 && t.pearson_p > .999, "chi2 of itself %g", t.pearson);
    }
}
END_TEST

START_TEST(order_of_bins_does_not_matter)
{
    struct drift_rng r = drift_rng_new(2);
    uint64_t p[CELLS], q[CELLS];
    double a, b, js, js2;
    struct drift_chi2 s, t;
    for (int round = 0; round < 2000; round++) {
        size_t k = counts_draw(&r, p, q);
        drift_psi(p, q, k, DRIFT_PSI_ADD_HALF, &a, NULL);
        drift_js_distance(p, q, k, &js);
        drift_chi2(p, q, k, &s);
        for (size_t i = k; i > 1; i--) {
            size_t j = drift_rng_below(&r, i);
            uint64_t x = p[i - 1], y = q[i - 1];
            p[i - 1] = p[j], q[i - 1] = q[j];
            p[j] = x, q[j] = y;
        }
        drift_psi(p, q, k, DRIFT_PSI_ADD_HALF, &b, NULL);
        drift_js_distance(p, q, k, &js2);
        drift_chi2(p, q, k, &t);
        demand((drift_near(a, b, 1e-9) || fabs(a - b) < 1e-15) && drift_near(js, js2, 1e-9), "order");
        demand(drift_near(s.pearson, t.pearson, 1e-9), "order: %.17g and %.17g", s.pearson, t.pearson);
    }
}
END_TEST

START_TEST(pooling_keeps_totals_and_expectations)
{
    struct drift_rng r = drift_rng_new(3);
    uint64_t p[CELLS], q[CELLS], a[CELLS], b[CELLS];
    struct drift_chi2 t;
    for (int round = 0; round < 5000; round++) {
        size_t k = counts_draw(&r, p, q), left = drift_chi2_pool(p, q, k, 5, a, b);
        uint64_t sum[4] = {0};
        for (size_t i = 0; i < k; i++)
            sum[0] += p[i], sum[1] += q[i];
        for (size_t i = 0; i < left; i++)
            sum[2] += a[i], sum[3] += b[i];
        demand(left >= 1 && left <= k && sum[0] == sum[2] && sum[1] == sum[3], "totals");
        demand(drift_chi2(a, b, left, &t) == 0 && t.cells == left, "cells");
        demand(left == 1 || t.min_expected > 5 - 1e-9, "expected %g of %zu cells", t.min_expected, left);
        demand(drift_chi2_pool(p, q, k, 5, p, q) == left && memcmp(p, a, left * sizeof *p) == 0, "in place");
    }
}
END_TEST

static size_t sample_draw(struct drift_rng *r, double *x, int kind)
{
    size_t n = 1 + drift_rng_below(r, SAMPLES);
    double shift = drift_rng_uniform(r);
    for (size_t i = 0; i < n; i++)
        x[i] = kind == 0   ? drift_rng_gauss(r) + shift
               : kind == 1 ? (double)drift_rng_below(r, 5) + round(shift)
                           : exp(3 * drift_rng_gauss(r)) * shift;
    qsort(x, n, sizeof *x, ascending);
    return n;
}

/* Cells between edges that are quantiles of x, as a baseline has them, or anywhere. */
static struct drift_layout *cells_draw(struct drift_rng *r, const double *x, size_t m, int anywhere)
{
    double e[CELLS];
    uint32_t n = 0, want = 1 + (uint32_t)drift_rng_below(r, 100);
    for (uint32_t i = 0; i < want; i++)
        e[i] = anywhere ? drift_rng_gauss(r) * 3 : x[(size_t)((double)m * (i + 1) / (want + 1))];
    qsort(e, want, sizeof *e, ascending);
    for (uint32_t i = 0; i < want; i++)
        if (n == 0 || e[n - 1] < e[i])
            e[n++] = e[i];
    struct drift_layout *l = drift_layout_new();
    demand(drift_layout_add_numeric(l, DRIFT_FEATURE, "x", e, n, false, NULL, 0) == 0 && drift_layout_seal(l) == 0,
           "layout");
    return l;
}

START_TEST(bracket_holds_the_exact_distance)
{
    struct drift_rng r = drift_rng_new(4);
    double x[SAMPLES], y[SAMPLES], widest = 0;
    int informative = 0;
    for (int round = 0; round < 6000; round++) {
        uint64_t p[CELLS] = {0}, q[CELLS] = {0};
        size_t m = sample_draw(&r, x, round % 3), n = sample_draw(&r, y, round % 3);
        struct drift_layout *l = cells_draw(&r, x, m, round % 7 == 0);
        struct drift_ks_exact d;
        struct drift_ks_bracket b;
        for (size_t i = 0; i < m; i++)
            p[drift_column_cell(&l->columns[0], x[i])]++;
        for (size_t i = 0; i < n; i++)
            q[drift_column_cell(&l->columns[0], y[i])]++;
        demand(drift_ks_samples(x, m, y, n, &d) == 0 && drift_ks_cells(p, q, l->columns[0].n_cells, &b) == 0, "status");
        demand(0 <= b.low && b.low <= d.d + 1e-12 && d.d <= b.high + 1e-12 && b.high <= 1, "%g outside [%g, %g]", d.d,
               b.low, b.high);
        demand(d.d == fmax(d.d_plus, d.d_minus), "sides");
        widest = fmax(widest, b.high - b.low);
        informative += b.high - b.low < .05;
        drift_layout_free(l);
    }
    printf("widest bracket %g, %d narrower than .05\n", widest, informative);
    ck_assert_int_gt(informative, 1000); /* [0, 1] would pass too */
}
END_TEST

/* Cells go with the edges: a shift by 1e9 (exact here) and a monotone map change no count. */
START_TEST(shifts_and_monotone_maps_change_nothing)
{
    struct drift_rng r = drift_rng_new(5);
    for (int round = 0; round < 500; round++) {
        double e[3][40];
        uint32_t n = 0;
        for (int i = 0; i < 40; i++) {
            double v = (double)((int64_t)drift_rng_below(&r, 4000) - 2000) / 1024;
            if (n == 0 || e[0][n - 1] < v)
                e[0][n++] = v;
        }
        for (uint32_t i = 0; i < n; i++) {
            e[1][i] = e[0][i] + 1e9;
            e[2][i] = e[0][i] * e[0][i] * e[0][i];
        }
        struct drift_grid *g[3];
        for (int k = 0; k < 3; k++)
            g[k] = drift_grid_new(e[k], n);
        for (int i = 0; i < 1000; i++) {
            double v = (double)((int64_t)drift_rng_below(&r, 6000) - 3000) / 1024;
            uint32_t c = drift_grid_cell(g[0], v);
            demand(c == drift_grid_cell(g[1], v + 1e9) && c == drift_grid_cell(g[2], v * v * v), "cell of %g", v);
        }
        for (int k = 0; k < 3; k++)
            drift_grid_free(g[k]);
    }
}
END_TEST

enum { SIMULATIONS = 10000 };
static double p_values[4][SIMULATIONS];

static void draw_cells(struct drift_rng *r, uint64_t *c, uint64_t k, int n)
{
    memset(c, 0, k * sizeof *c);
    for (int i = 0; i < n; i++)
        c[drift_rng_below(r, k)]++;
}

/* Two samples of one law in 100 equal cells; deciles are unions of ten. */
static void simulate(struct drift_rng *r, int m, int n, int at)
{
    uint64_t p[100], q[100], p10[10] = {0}, q10[10] = {0};
    double psi, z;
    size_t bins;
    struct drift_ks_bracket d;
    struct drift_chi2 t;
    draw_cells(r, p, 100, m);
    draw_cells(r, q, 100, n);
    for (int i = 0; i < 100; i++) {
        p10[i / 10] += p[i];
        q10[i / 10] += q[i];
    }
    drift_psi(p10, q10, 10, DRIFT_PSI_ADD_HALF, &psi, &bins);
    drift_ks_cells(p, q, 100, &d);
    drift_chi2(p10, q10, 10, &t);
    drift_rate_z_pooled(p10[0] + p10[1] + p10[2], (uint64_t)m, q10[0] + q10[1] + q10[2], (uint64_t)n, &z);
    p_values[0][at] = drift_psi_p(psi, bins, m, n);
    p_values[1][at] = t.pearson_p;
    p_values[2][at] = drift_tail_normal_two_sided(z);
    p_values[3][at] = drift_ks_p_grid(d.low, m, n, d.cells);
}

/* The p-values of undrifted windows are uniform: their distance from it within what 10,000 of them allow at .0001 (2.2
 * over the root), with a margin for laws that hold in the limit only. */
START_TEST(p_values_are_uniform_without_drift)
{
    static const char *const names[] = {"psi", "chi2", "z", "ks"};
    static const double margin[] = {.01, .005, .02, .03};
    static const int sizes[][2] = {{2000, 1000}, {10000, 500}};
    struct drift_rng r = drift_rng_new(6);
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < SIMULATIONS; i++)
            simulate(&r, sizes[s][0], sizes[s][1], i);
        for (int k = 0; k < 4; k++) {
            double d = 0, size = 0;
            qsort(p_values[k], SIMULATIONS, sizeof(double), ascending);
            for (int i = 0; i < SIMULATIONS; i++) {
                d = fmax(d, fabs(p_values[k][i] - (i + .5) / SIMULATIONS));
                size += p_values[k][i] < .05;
            }
            printf("%s, m %d, n %d: distance %.4f, size at .05 %.4f\n", names[k], sizes[s][0], sizes[s][1], d,
                   size / SIMULATIONS);
            ck_assert_msg(d < 2.2 / sqrt(SIMULATIONS) + margin[k], "%s: distance %g", names[k], d);
            ck_assert_msg(fabs(size / SIMULATIONS - .05) < .01, "%s: size %g", names[k], size / SIMULATIONS);
        }
    }
}
END_TEST

static uint64_t binomial(struct drift_rng *r, int n, double rate)
{
    uint64_t k = 0;
    for (int i = 0; i < n; i++)
        k += drift_rng_uniform(r) < rate;
    return k;
}

/* Exact: never more false alarms than stated, also for rare events. */
START_TEST(rise_test_keeps_its_level)
{
    static const double rate[] = {.0005, .005, .05, .5};
    struct drift_rng r = drift_rng_new(7);
    for (int k = 0; k < 4; k++) {
        int below[2] = {0}, n = 20000;
        for (int i = 0; i < n; i++) {
            double p = drift_rate_p_rise(binomial(&r, 600, rate[k]), 600, binomial(&r, 200, rate[k]), 200);
            below[0] += p < .05;
            below[1] += p < .005;
        }
        printf("rate %g: size at .05 %.4f, at .005 %.5f\n", rate[k], below[0] / (double)n, below[1] / (double)n);
        ck_assert_double_lt(below[0] / (double)n, .05 + 4 * sqrt(.05 / n));
        ck_assert_double_lt(below[1] / (double)n, .005 + 4 * sqrt(.005 / n));
    }
    ck_assert_double_lt(drift_rate_p_rise(5, 10000, 30, 1000), 1e-20); /* and it does see a rise */
}
END_TEST

/* GSL's own gives up at 1e-154 of one degree. */
START_TEST(chi2_inverse_goes_all_the_way)
{
    static const double dof[] = {1, 2, 9, 99, 20000};
    for (int e = 1; e < 300; e++)
        for (size_t i = 0; i < sizeof dof / sizeof *dof; i++) {
            double p = pow(10, -e), x = drift_tail_chi2_inverse(p, dof[i]);
            if (!(fabs(drift_tail_chi2_log10(x, dof[i]) + e) < 1e-7))
                ck_abort_msg("1e-%d of %g degrees: %g", e, dof[i], x);
        }
}
END_TEST

START_TEST(p_values_fall_with_the_shift)
{
    uint64_t p[10], q[10];
    double last_psi = 2, last_ks = 2, last_chi2 = 2, psi;
    for (int shift = 0; shift < 12; shift++) {
        size_t bins;
        struct drift_ks_bracket d;
        struct drift_chi2 t;
        for (int i = 0; i < 10; i++) {
            p[i] = 1000;
            q[i] = (uint64_t)(100 + shift * (i < 5 ? -5 : 5));
        }
        drift_psi(p, q, 10, DRIFT_PSI_ADD_HALF, &psi, &bins);
        drift_ks_cells(p, q, 10, &d);
        drift_chi2(p, q, 10, &t);
        double a = drift_psi_p(psi, bins, 10000, 1000), b = drift_ks_p_grid(d.low, 10000, 1000, d.cells);
        ck_assert(a < last_psi && b < last_ks && t.pearson_p < last_chi2);
        last_psi = a, last_ks = b, last_chi2 = t.pearson_p;
    }
    ck_assert_double_lt(last_psi, 1e-12);
}
END_TEST

/* One event, one cell: an answer or a reason, no alarm. */
START_TEST(tiny_windows_do_not_alarm)
{
    struct drift_layout *l = drift_layout_new();
    struct drift_measure m[DRIFT_N_MEASURE];
    double e[101];
    uint64_t base[4 + 102] = {0}, cur[4 + 102] = {0};
    for (int i = 0; i < 101; i++) {
        e[i] = i;
        base[4 + i] = i ? 200 : 0;
    }
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "x", e, 101, true, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    for (int i = 1; i < 101; i++) {
        cur[4 + i] = 1;
        drift_measure_column(&l->columns[0], base, cur, m);
        for (int k = 0; k < DRIFT_N_MEASURE; k++)
            demand(m[k].why || !m[k].has_p || m[k].p_value > .001, "%s: p %g with one event",
                   drift_measure_name(m[k].id), m[k].p_value);
        cur[4 + i] = 0;
    }
    drift_layout_free(l);
}
END_TEST

int main(void)
{
    drift_stats_init();
    Suite *s = suite_create("laws");
    drift_test_add(s, "distances", distances_are_symmetric_and_bounded, 30);
    drift_test_add(s, "order of bins", order_of_bins_does_not_matter, 30);
    drift_test_add(s, "pooling", pooling_keeps_totals_and_expectations, 30);
    drift_test_add(s, "bracket", bracket_holds_the_exact_distance, 60);
    drift_test_add(s, "shifts and maps", shifts_and_monotone_maps_change_nothing, 30);
    drift_test_add(s, "uniform p-values", p_values_are_uniform_without_drift, 100);
    drift_test_add(s, "rise", rise_test_keeps_its_level, 60);
    drift_test_add(s, "shift", p_values_fall_with_the_shift, 10);
    drift_test_add(s, "tiny windows", tiny_windows_do_not_alarm, 10);
    drift_test_add(s, "inverse of chi-square", chi2_inverse_goes_all_the_way, 10);
    return drift_test_run(s);
}
