/* tests/unit/stats/test_measure.c    The measure row: names, published acceptance values, reasons, hostile counts. */
#include "allocations.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/ks.h"
#include "driftd/measure.h"
#include "driftd/psi.h"
#include "driftd/rate.h"
#include "driftd/tail.h"

static const uint64_t even[10] = {10000, 10000, 10000, 10000, 10000, 10000, 10000, 10000, 10000, 10000};
static const uint64_t window[10] = {120, 90, 100, 80, 110, 95, 105, 130, 85, 85};

START_TEST(acceptance_psi)
{
    double psi;
    size_t bins;
    ck_assert_int_eq(drift_psi(even, window, 10, DRIFT_PSI_ADD_HALF, &psi, &bins), 0);
    ck_assert_uint_eq(bins, 10);
    ck_near(psi, .02313247475, 1e-9);
    ck_near(psi - drift_psi_noise(bins, 100000, 1000), .01404247475, 1e-9);
    ck_near(drift_psi_p(psi, bins, 100000, 1000), .00641685687, 1e-8);
    ck_near(drift_psi_p_tolerance(psi, bins, 100000, 1000, .005), .08581576101, 2e-9);
    /* lambda 1e5, 9 degrees of freedom, 3 sd above the mean: scipy.stats.ncx2.sf; and 10^9 events at once */
    ck_near(drift_psi_p_tolerance((100009 + 3 * sqrt(2 * 200009.)) / 5e5, 10, 1e6, 1e6, .2), .0014064506488256614,
            1e-6);
    ck_near(drift_psi_p_tolerance(.1, 10, 2e9, 2e9, .1), .5, 1e-3);
}
END_TEST

START_TEST(acceptance_ks)
{
    struct drift_ks_bracket d;
    ck_assert_int_eq(drift_ks_cells(even, window, 10, &d), 0);
    ck_near(d.low, .03, 1e-12);
    ck_near(d.high, .13, 1e-12);
    ck_near(drift_ks_p_grid(d.low, 100000, 1000, d.cells), .15675858843, 1e-9);
}
END_TEST

START_TEST(acceptance_tails)
{
    ck_near(drift_tail_chi2_noncentral(20, 9, 5), .15912348527, 1e-10);
    ck_near(drift_tail_chi2_noncentral(60, 9, 10), 7.17336157587e-05, 1e-11);
    ck_near(drift_tail_chi2_noncentral(150, 19, 40), 4.32204940004e-07, 1e-11);
    ck_near(drift_tail_kolmogorov(.8), .544142411574, 1e-11);
    ck_near(drift_tail_kolmogorov(1.7), .00617743063, 1e-8);
    ck_near(drift_tail_normal(3.80211305095), 7.17336157587e-05, 1e-10);
}
END_TEST

START_TEST(tails_at_the_ends)
{
    ck_assert_double_eq(drift_tail_chi2(0, 5), 1);
    ck_assert_double_eq(drift_tail_chi2(-1, 5), 1);
    ck_assert_double_eq(drift_tail_chi2((double)NAN, 5), 1);
    ck_assert_double_eq(drift_tail_chi2((double)INFINITY, 5), 0);
    ck_assert_double_eq(drift_tail_chi2(1, 0), 0);
    ck_assert_double_eq(drift_tail_chi2(0, 0), 1);
    ck_assert_double_eq(drift_tail_chi2(1e9, 3), 0);
    ck_assert(isfinite(drift_tail_chi2_log10(1e9, 3)));
    ck_assert_double_eq(drift_tail_chi2_noncentral(0, 5, 3), 1);
    ck_assert_double_le(drift_tail_chi2_noncentral(1e-9, 5, 1e300), 1);
    ck_assert_double_eq(drift_tail_kolmogorov(0), 1);
    ck_assert_double_eq(drift_tail_kolmogorov((double)NAN), 1);
    ck_assert_double_eq(drift_tail_kolmogorov(1e6), 0);
    ck_assert(isfinite(drift_tail_kolmogorov_log10(1e6)));
    ck_assert(isfinite(drift_tail_normal_two_sided_log10(1e6)));
    for (double t = .1; t < 2; t += .001) /* the two series meet */
        ck_assert_double_ge(drift_tail_kolmogorov(t) + 1e-15, drift_tail_kolmogorov(t + .001));
}
END_TEST

START_TEST(statuses)
{
    double v, w;
    uint64_t some[2] = {1, 2}, none[2] = {0, 0}, half[2] = {3, 0};
    ck_assert_int_eq(drift_psi(some, none, 2, DRIFT_PSI_ADD_HALF, &v, NULL), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_psi(none, some, 2, DRIFT_PSI_ADD_HALF, &v, NULL), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_psi(some, half, 2, DRIFT_PSI_NONE, &v, NULL), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_rate_wilson(0, 0, &v, &w), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_rate_wilson(2, 1, &v, &w), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_rate_z_pooled(0, 5, 0, 7, &v), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_rate_z_pooled(0, 0, 0, 7, &v), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_rate_z_unpooled(5, 5, 0, 7, &v), DRIFT_E_RANGE);
    ck_assert_double_eq(drift_rate_p_rise(1, 0, 1, 1), 1);
    ck_assert_double_eq(drift_rate_p_rise(0, UINT64_MAX, 5, UINT64_MAX) > 0, 1);
    enum drift_psi_rule rule;
    for (int i = 0; i < DRIFT_N_PSI_RULE; i++) {
        ck_assert(drift_psi_rule_parse(drift_psi_rule_name((enum drift_psi_rule)i), &rule));
        ck_assert_int_eq(rule, i);
    }
    ck_assert(!drift_psi_rule_parse("unknown", &rule));
}
END_TEST

START_TEST(measure_names)
{
    enum drift_measure_id id;
    for (int i = 0; i < DRIFT_N_MEASURE; i++) {
        ck_assert(drift_measure_parse(drift_measure_name((enum drift_measure_id)i), &id));
        ck_assert_int_eq(id, i);
    }
    ck_assert(!drift_measure_parse("PSI", &id));
    ck_assert(!drift_measure_parse("", &id));
    ck_assert_str_eq(drift_measure_name(DRIFT_N_MEASURE), "unknown");
    ck_assert(drift_measure_applies(DRIFT_MEASURE_KS, DRIFT_NUMERIC));
    ck_assert(!drift_measure_applies(DRIFT_MEASURE_KS, DRIFT_CATEGORICAL));
    ck_assert(!drift_measure_applies(DRIFT_MEASURE_VOLUME, DRIFT_NUMERIC));
    ck_assert(!drift_measure_applies(DRIFT_N_MEASURE, DRIFT_NUMERIC));
    ck_assert_str_eq(drift_why_name(DRIFT_WHY_ONE_CELL), "one_cell");
    ck_assert_str_eq(drift_why_name((enum drift_why)77), "unknown");
}
END_TEST

static void check_row(const struct drift_measure *m, int id, const char *what)
{
    const double number[] = {m->effect, m->value, m->baseline, m->low, m->high, m->p_value, m->dof};
    if ((int)m->id != id)
        ck_abort_msg("id %d, not %d", (int)m->id, id);
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        if (!isfinite(number[i]))
            ck_abort_msg("%s of %s: number %zu is %g", drift_measure_name(m->id), what, i, number[i]);
        if (m->why && number[i] != 0)
            ck_abort_msg("%s of %s: %s, yet number %zu is %g", drift_measure_name(m->id), what, drift_why_name(m->why),
                         i, number[i]);
    }
    if (m->why)
        return;
    if (!(m->p_value >= 0 && m->p_value <= 1) || !(m->low <= m->value + 1e-12 && m->value <= m->high + 1e-12))
        ck_abort_msg("%s of %s: p %g, value %g in [%g, %g]", drift_measure_name(m->id), what, m->p_value, m->value,
                     m->low, m->high);
}

static struct drift_layout *columns_make(void)
{
    struct drift_layout *l = drift_layout_new();
    const char *const names[] = {"a", "b", "c"};
    double many[DRIFT_EDGES_MAX];
    for (int i = 0; i < DRIFT_EDGES_MAX; i++)
        many[i] = i;
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "one cell", NULL, 0, false, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "constant", many, 2, true, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "three", many, 3, true, (uint32_t[]){2, 4}, 2), 0);
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "many", many, 250, true, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "none", NULL, 0, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "cat", names, 3, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

static uint64_t count_draw(struct drift_rng *r)
{
    switch (drift_rng_below(r, 8)) {
    case 0:
        return 1;
    case 1:
        return drift_rng_below(r, 100);
    case 2:
        return drift_rng_u64(r) >> drift_rng_below(r, 64);
    case 3:
        return drift_rng_below(r, 20) ? 5 : UINT64_MAX - drift_rng_below(r, 2);
    default:
        return 0;
    }
}

/* Whatever stands in the counters: finite numbers or a reason. */
/* P(at least k of n new values lie outside of the range of m): so many are met before the second of the m, from both
 * ends.  F(j) = P(all of the j outermost are new). */
static double outside_law(double k, double n, double m)
{
    double f = 1;
    for (double j = 0; j < k; j++)
        f *= (n - j) / (n + m - j);
    return f + k * f * (1 - (n - k) / (n + m - k));
}

START_TEST(range_is_the_baselines_own)
{
    static const double edges[2] = {0, 1};
    static const uint64_t sizes[][2] = {{100, 50}, {20000, 1000}, {20000, 20000}};
    struct drift_measure m[DRIFT_N_MEASURE];
    struct drift_layout *l = drift_layout_new();
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "x", edges, 2, true, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint64_t k = 0; k < 30; k++) {
            uint64_t base[DRIFT_N_SPECIAL + 3] = {0, 0, 0, 0, 0, sizes[i][0], 0};
            uint64_t cur[DRIFT_N_SPECIAL + 3] = {0, 0, 0, 0, k / 3, sizes[i][1] - k, k - k / 3};
            double law = outside_law((double)k, (double)sizes[i][1], (double)sizes[i][0]);
            drift_measure_column(&l->columns[0], base, cur, m);
            ck_near(m[DRIFT_MEASURE_OUT_OF_RANGE_RATE].p_value / law, 1, 1e-9);
            ck_assert_double_eq(m[DRIFT_MEASURE_OUT_OF_RANGE_RATE].baseline, 0);
        }
    drift_layout_free(l);
}
END_TEST

START_TEST(effects_do_not_depend_on_sizes)
{
    static const double edges[1] = {0};
    static const enum drift_measure_id ids[] = {DRIFT_MEASURE_CHI2, DRIFT_MEASURE_G_TEST};
    struct drift_measure m[DRIFT_N_MEASURE];
    struct drift_layout *l = drift_layout_new();
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "x", edges, 1, false, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    for (uint64_t size = 1; size <= 1000; size *= 10) {
        uint64_t base[DRIFT_N_SPECIAL + 2] = {0, 0, 0, 0, 1200 * size, 800 * size};
        uint64_t cur[DRIFT_N_SPECIAL + 2] = {0, 0, 0, 0, 1000, 1000};
        drift_measure_column(&l->columns[0], base, cur, m);
        for (int i = 0; i < 2; i++) /* Cramer's V of two samples of 2,000 */
            ck_near(m[ids[i]].effect, sqrt((.01 / 1.1 + .01 / .9) / 2), 1e-12);
    }
    drift_layout_free(l);
}
END_TEST

START_TEST(no_nan_without_a_reason)
{
    struct drift_layout *l = columns_make();
    struct drift_rng r = drift_rng_new(1);
    struct drift_measure m[DRIFT_N_MEASURE];
    uint64_t base[300], cur[300], rows = 0, reasons[5] = {0};
    for (int round = 0; round < 20000; round++)
        for (uint32_t c = 0; c < l->n_columns; c++) {
            uint32_t n = DRIFT_N_SPECIAL + l->columns[c].n_cells, mute = (uint32_t)drift_rng_below(&r, 4);
            for (uint32_t i = 0; i < n; i++) {
                base[i] = mute == 1 ? 0 : count_draw(&r);
                cur[i] = mute == 2 ? 0 : count_draw(&r);
            }
            drift_measure_column(&l->columns[c], base, cur, m);
            for (int i = 0; i < DRIFT_N_MEASURE; i++) {
                check_row(&m[i], i, l->columns[c].name);
                reasons[m[i].why]++;
                rows++;
            }
        }
    printf("%lu rows: with a value %lu, no baseline %lu, no data %lu, one cell %lu\n", rows, reasons[0], reasons[1],
           reasons[2], reasons[3]);
    for (int i = 0; i < 5; i++)
        ck_assert_uint_ge(reasons[i], 1000);
    drift_layout_free(l);
}
END_TEST

START_TEST(volume_is_finite)
{
    struct drift_rng r = drift_rng_new(2);
    struct drift_measure m;
    drift_measure_volume(NULL, 0, 5, &m);
    ck_assert_int_eq(m.why, DRIFT_WHY_NO_BASELINE);
    drift_measure_volume((uint64_t[]){0, 0}, 2, 5, &m);
    ck_assert_int_eq(m.why, DRIFT_WHY_NO_BASELINE);
    for (int round = 0; round < 20000; round++) {
        uint64_t n[20];
        for (int i = 0; i < 20; i++)
            n[i] = round % 2 ? drift_rng_u64(&r) >> drift_rng_below(&r, 64)
                             : 1000 + drift_rng_below(&r, 1 + (uint64_t)round);
        drift_measure_volume(n, 1 + (uint32_t)drift_rng_below(&r, 20), round % 3 ? n[5] : count_draw(&r), &m);
        check_row(&m, DRIFT_MEASURE_VOLUME, "volume");
    }
    /* from the negative binomial to its limit without a jump */
    double p[2];
    drift_measure_volume((uint64_t[]){9000, 10980, 9000, 10980}, 4, 7000, &m);
    p[0] = m.p_value;
    drift_measure_volume((uint64_t[]){9000, 11020, 9000, 11020}, 4, 7010, &m);
    p[1] = m.p_value;
    ck_near(p[0], p[1], .15);
}
END_TEST

/* A constant feature that moves is drift; one that stays has nothing to compare. */
START_TEST(constant_that_moves)
{
    struct drift_layout *l = columns_make();
    struct drift_measure m[DRIFT_N_MEASURE];
    uint64_t base[7] = {0, 0, 0, 0, 0, 500, 0}, stays[7] = {0, 0, 0, 0, 0, 50, 0}, moves[7] = {0, 0, 0, 0, 0, 0, 50};
    drift_measure_column(&l->columns[1], base, stays, m);
    ck_assert_int_eq(m[DRIFT_MEASURE_PSI].why, DRIFT_WHY_ONE_CELL);
    ck_assert_int_eq(m[DRIFT_MEASURE_KS].why, DRIFT_WHY_ONE_CELL);
    ck_assert_int_eq(m[DRIFT_MEASURE_OUT_OF_RANGE_RATE].why, DRIFT_WHY_NONE);
    drift_measure_column(&l->columns[1], base, moves, m);
    ck_assert_double_gt(m[DRIFT_MEASURE_PSI].effect, 1);
    ck_assert_double_lt(m[DRIFT_MEASURE_PSI].p_value, 1e-6);
    ck_assert_double_eq(m[DRIFT_MEASURE_KS].effect, 1);
    ck_assert_double_eq(m[DRIFT_MEASURE_OUT_OF_RANGE_RATE].effect, 1);
    drift_layout_free(l);
}
END_TEST

START_TEST(measuring_allocates_nothing)
{
#if ALLOCATIONS_COUNTED
    struct drift_layout *l = columns_make();
    struct drift_rng r = drift_rng_new(3);
    struct drift_measure m[DRIFT_N_MEASURE];
    uint64_t base[300], cur[300];
    for (int i = 0; i < 300; i++) {
        base[i] = 1000 + drift_rng_below(&r, 100);
        cur[i] = drift_rng_below(&r, 100);
    }
    unsigned long before = allocations;
    for (uint32_t c = 0; c < l->n_columns; c++)
        drift_measure_column(&l->columns[c], base, cur, m);
    drift_measure_volume(base, 300, 1000, &m[0]);
    unsigned long after = allocations;
    ck_assert_uint_gt(before, 0); /* the counter counts */
    ck_assert_uint_eq(after, before);
    drift_layout_free(l);
#endif
}
END_TEST

int main(void)
{
    drift_stats_init();
    Suite *s = suite_create("measure");
    drift_test_add(s, "acceptance psi", acceptance_psi, 10);
    drift_test_add(s, "acceptance ks", acceptance_ks, 10);
    drift_test_add(s, "acceptance tails", acceptance_tails, 10);
    drift_test_add(s, "tails at the ends", tails_at_the_ends, 10);
    drift_test_add(s, "statuses", statuses, 10);
    drift_test_add(s, "names", measure_names, 10);
    drift_test_add(s, "range is the baseline's own", range_is_the_baselines_own, 10);
    drift_test_add(s, "effects do not depend on sizes", effects_do_not_depend_on_sizes, 10);
    drift_test_add(s, "no nan without a reason", no_nan_without_a_reason, 60);
    drift_test_add(s, "volume is finite", volume_is_finite, 30);
    drift_test_add(s, "no allocation", measuring_allocates_nothing, 10);
    drift_test_add(s, "constant that moves", constant_that_moves, 10);
    return drift_test_run(s);
}
