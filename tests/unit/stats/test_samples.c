/* tests/unit/stats/test_samples.c    Statistics of sorted samples against tests/data/stats/samples.json, and their
 * laws. */
#include "values.h"

enum { COMPARED_MIN = 2300 };

static void values_samples(struct values *vs, const json_t *c)
{
    double x[CELLS_MAX], y[CELLS_MAX];
    size_t m = numbers_read(json_object_get(c, "x"), x), n = numbers_read(json_object_get(c, "y"), y);
    put_samples(vs, x, m, y, n);
    put_exact(vs, x, m, y, n);
}

static void values_law(struct values *vs, const json_t *c)
{
    const char *law = json_string_value(json_object_get(c, "law"));
    double a[3] = {0}, p, log10_p = (double)NAN;
    numbers_read(json_object_get(c, "args"), a);
    if (strcmp(law, "ks_finite") == 0)
        ck_assert_int_eq(drift_ks_p_finite(a[0], 2 * a[1], 2 * a[1], &p, &log10_p), 0);
    else if (strcmp(law, "ks_exact") == 0)
        ck_assert_int_eq(drift_ks_p_exact(a[0], (size_t)a[1], (size_t)a[2], &p), 0);
    else if (strcmp(law, "cvm") == 0)
        p = drift_tail_cvm(a[0], &log10_p);
    else
        p = drift_tail_anderson(a[0], &log10_p);
    put(vs, p, "p");
    put(vs, log10_p, "log10");
}

START_TEST(agrees_with_references)
{
    json_t *doc = json_read(DRIFTD_SOURCE_DIR "/tests/data/stats/samples.json"), *c;
    struct comparison cmp = {0};
    size_t i;
    drift_stats_init();
    json_array_foreach(json_object_get(doc, "cases"), i, c)
    {
        struct values *vs = calloc(1, sizeof *vs);
        if (strcmp(json_string_value(json_object_get(c, "kind")), "samples") == 0)
            values_samples(vs, c);
        else
            values_law(vs, c);
        tree_compare(&cmp, vs, json_string_value(json_object_get(c, "id")), "", json_object_get(c, "expected"));
        cmp.cases++;
        free(vs);
    }
    comparison_end(&cmp, "samples", COMPARED_MIN);
    json_decref(doc);
}
END_TEST

/* n values of one of several shapes, ties among them, sorted */
static void sample_make(struct drift_rng *r, double *x, size_t n, int shape)
{
    for (size_t i = 0; i < n; i++) {
        double u = drift_rng_uniform(r);
        x[i] = shape == 0 ? u : shape == 1 ? floor(8 * u) : shape == 2 ? -log(1 - u) * 1e9 : u < .8 ? 0 : u;
    }
    ck_assert_int_eq(drift_samples_sort(x, n), 0);
}

START_TEST(sorts_as_comparing_does)
{
    static const double odd[] = {INFINITY, -INFINITY, 0, -0.0, 5e-324, -5e-324, 1.7e308, -1.7e308, 1, -1};
    static double x[3000], y[3000];
    struct drift_rng r = drift_rng_new(1);
    for (size_t n = 0; n < 3000; n = n * 3 / 2 + 1) {
        for (size_t i = 0; i < n; i++)
            x[i] = y[i] = drift_rng_uniform(&r) < .3 ? odd[drift_rng_below(&r, 10)]
                                                     : drift_rng_gauss(&r) * pow(10, 40 * drift_rng_uniform(&r) - 20);
        ck_assert_int_eq(drift_samples_sort(x, n), 0);
        qsort(y, n, sizeof *y, ascending);
        for (size_t i = 0; i < n; i++)
            ck_assert(x[i] == y[i]);
    }
    for (size_t i = 0; i < 3000; i++)
        x[i] = i == 2000 ? (double)NAN : (double)(i % 7);
    ck_assert_int_eq(drift_samples_sort(x, 3000), DRIFT_E_TYPE);
    ck_assert_int_eq(drift_samples_sort(x + 2000, 1), DRIFT_E_TYPE);
    ck_assert_int_eq(drift_samples_sort(x, 2000), 0);
    ck_assert_int_eq(drift_samples_sort(NULL, 0), 0);
}
END_TEST

struct all {
    struct drift_ks_exact ks;
    double exact, finite, w, energy;
    struct drift_cvm cvm;
    struct drift_anderson anderson;
};

static struct all all_of(const double *x, size_t m, const double *y, size_t n)
{
    struct all a = {.w = 0};
    ck_assert_int_eq(drift_ks_samples(x, m, y, n, &a.ks), 0);
    ck_assert_int_eq(drift_ks_p_exact(a.ks.d, m, n, &a.exact), 0);
    ck_assert_int_eq(drift_ks_p_finite(a.ks.d, (double)m, (double)n, &a.finite, NULL), 0);
    ck_assert_int_eq(drift_wasserstein(x, m, y, n, &a.w), 0);
    ck_assert_int_eq(drift_energy_distance(x, m, y, n, &a.energy), 0);
    ck_assert_int_eq(drift_cvm(x, m, y, n, &a.cvm), 0);
    if (x[0] != x[m - 1] || y[0] != y[n - 1] || x[0] != y[0])
        ck_assert_int_eq(drift_anderson(x, m, y, n, &a.anderson), 0);
    return a;
}

static void probability(double p)
{
    demand(p >= 0 && p <= 1, "p = %.17g", p);
}

/* Both ways round the same; nothing that only looks at order sees a monotone change; distances scale. */
START_TEST(laws_of_two_samples)
{
    static double x[400], y[400];
    struct drift_rng r = drift_rng_new(2);
    for (int round = 0; round < DRIFT_TEST_ROUNDS(200); round++) {
        size_t m = 3 + drift_rng_below(&r, 300), n = 3 + drift_rng_below(&r, 300);
        sample_make(&r, x, m, round % 4);
        sample_make(&r, y, n, round % 4);
        struct all a = all_of(x, m, y, n), b = all_of(y, n, x, m);
        probability(a.exact);
        probability(a.finite);
        probability(a.cvm.p);
        probability(a.anderson.p);
        ck_assert(a.ks.d == b.ks.d && a.ks.d_plus == b.ks.d_minus && a.w == b.w && a.energy == b.energy);
        ck_assert(drift_near(a.exact, b.exact, 1e-9));
        ck_assert(a.cvm.t == b.cvm.t && a.cvm.t_midrank == b.cvm.t_midrank);
        ck_assert(drift_near(a.anderson.a2, b.anderson.a2, 1e-9));
        ck_assert(a.cvm.has_ties || drift_near(a.cvm.t, a.cvm.t_midrank, 1e-9));
        for (size_t i = 0; i < m; i++)
            x[i] *= 0x1p40;
        for (size_t i = 0; i < n; i++)
            y[i] *= 0x1p40;
        b = all_of(x, m, y, n);
        ck_assert(a.ks.d == b.ks.d && a.cvm.t == b.cvm.t && a.anderson.a2 == b.anderson.a2 && a.w * 0x1p40 == b.w);
        ck_assert(drift_near(a.energy * 0x1p20, b.energy, 1e-15));
        b = all_of(x, m, x, m);
        ck_assert(b.ks.d == 0 && b.exact == 1 && b.finite == 1 && b.w == 0 && b.energy == 0 && b.cvm.t == 0 &&
                  b.cvm.p == 1);
    }
}
END_TEST

/* Apart: two of all orders are as far, so each exact p-value is 2 / C(m + n, m). */
START_TEST(apart)
{
    double x[20], y[20], p;
    for (size_t m = 2; m <= 12; m++)
        for (size_t n = 2; n <= 12; n++) {
            double orders = 1;
            for (size_t i = 1; i <= m; i++)
                orders = orders * (double)(n + i) / (double)i;
            for (size_t i = 0; i < 20; i++) {
                x[i] = (double)i;
                y[i] = 100 + (double)i;
            }
            ck_assert_int_eq(drift_ks_p_exact(1, m, n, &p), 0);
            demand(drift_near(p, 2 / orders, 1e-12), "ks %zu %zu: %g", m, n, p);
            ck_assert_int_eq(drift_cvm_p_exact(x, m, y, n, &p), 0);
            demand(drift_near(p, 2 / orders, 1e-12), "cvm %zu %zu: %g", m, n, p);
        }
}
END_TEST

/* The lattice and the closed form for equal sizes are two programs; between n and n + 1 the law moves little, and the
 * closed form itself falls with d. */
START_TEST(exact_law_is_smooth)
{
    double before = 1, p, q, r;
    for (int h = 1; h <= 500; h++) {
        double d = h / 500.0;
        ck_assert_int_eq(drift_ks_p_exact(d, 500, 500, &p), 0);
        ck_assert_double_le(p, before * (1 + 1e-12)); /* near 1 it is rounded */
        before = p;
        if (h < 20 || h > 100)
            continue;
        ck_assert_int_eq(drift_ks_p_exact(d, 499, 500, &q), 0);
        ck_assert_int_eq(drift_ks_p_exact(d, 500, 501, &r), 0);
        demand(q > p * .7 && q < p * 1.3 && r > p * .7 && r < p * 1.3, "d = %g: %g %g %g", d, q, p, r);
    }
    ck_assert_int_eq(drift_ks_p_exact(.9, 100000, 99999, &p), 0);
    ck_assert(p == 0); /* below 1e-300 */
}
END_TEST

START_TEST(refuses)
{
    double x[4] = {1, 2, 3, 4}, same[4] = {7, 7, 7, 7}, wide[2] = {-1.7e308, 1.7e308}, endless[2] = {1, INFINITY},
           v = 42;
    struct drift_moments mo = {.n = 42};
    struct drift_cvm c = {.t = 42};
    struct drift_anderson a = {.a2 = 42};
    ck_assert_int_eq(drift_ks_p_exact(.5, 0, 4, &v), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_ks_p_exact(1.5, 4, 4, &v), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_ks_p_exact((double)NAN, 4, 4, &v), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_ks_p_exact(.001, 10000000, 9999999, &v), DRIFT_E_RANGE); /* too long */
    ck_assert_int_eq(drift_ks_p_exact(.5, SIZE_MAX, SIZE_MAX - 1, &v), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_ks_p_finite(.5, 1, 1, &v, NULL), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_ks_p_finite(.5, 0, 9, &v, NULL), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_ks_p_finite(-.5, 9, 9, &v, NULL), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_ks_p_finite(.5, 1e300, 1e300, &v, NULL), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_ks_p_finite(.5, (double)NAN, 9, &v, NULL), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_samples_moments(x, 0, &mo), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_samples_moments(endless, 2, &mo), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_samples_moments(wide, 2, &mo), DRIFT_E_RANGE); /* deviation1 is 2.4e308 */
    ck_assert_int_eq(drift_samples_quantile(x, 0, .5, DRIFT_QUANTILE_LINEAR, &v), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_samples_quantile(x, 4, 1.01, DRIFT_QUANTILE_LINEAR, &v), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_samples_quantile(x, 4, (double)NAN, DRIFT_QUANTILE_INVERTED_CDF, &v), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_wasserstein(x, 4, x, 0, &v), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_wasserstein(x, 4, endless, 2, &v), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_wasserstein(wide, 1, wide + 1, 1, &v), DRIFT_E_RANGE); /* 3.4e308 */
    ck_assert_int_eq(drift_energy_distance(x, 0, x, 4, &v), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_cvm(x, 0, x, 4, &c), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_cvm(x, 1, x, 1, &c), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_cvm_p_exact(x, 4, x, 0, &v), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_anderson(x, 0, x, 4, &a), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_anderson(x, 1, x, 2, &a), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_anderson(same, 4, same, 4, &a), DRIFT_E_RANGE);
    ck_assert(v == 42 && mo.n == 42 && c.t == 42 && a.a2 == 42); /* written on success only */
}
END_TEST

/* What is too large for the exact Cramer-von Mises law is refused before anything is allocated. */
START_TEST(exact_cvm_has_limits)
{
    static double x[70000], y[70000];
    double p;
    for (size_t i = 0; i < 70000; i++) {
        x[i] = (double)i;
        y[i] = (double)i + 1e6;
    }
    ck_assert_int_eq(drift_cvm_p_exact(x, 70000, y, 70000, &p), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_cvm_p_exact(x, 1, y, 70000, &p), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_cvm_p_exact(x, 29, y, 31, &p), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_cvm_p_exact(x, 20, x, 20, &p), 0);
}
END_TEST

START_TEST(quantiles_at_the_ends)
{
    double x[3] = {1, 2, 4}, wide[2] = {-1.7e308, 1.7e308}, v;
    for (int rule = DRIFT_QUANTILE_LINEAR; rule <= DRIFT_QUANTILE_INVERTED_CDF; rule++) {
        ck_assert_int_eq(drift_samples_quantile(x, 3, 0, (enum drift_quantile_rule)rule, &v), 0);
        ck_assert(v == 1);
        ck_assert_int_eq(drift_samples_quantile(x, 3, 1, (enum drift_quantile_rule)rule, &v), 0);
        ck_assert(v == 4);
        ck_assert_int_eq(drift_samples_quantile(x + 1, 1, .7, (enum drift_quantile_rule)rule, &v), 0);
        ck_assert(v == 2);
    }
    ck_assert_int_eq(drift_samples_quantile(wide, 2, .5, DRIFT_QUANTILE_LINEAR, &v), 0);
    ck_assert(v == 0);
}
END_TEST

/* Any size and distance is answered at once, with a probability. */
START_TEST(finite_law_of_any_size)
{
    double p, log10_p;
    for (double n = 1; n < 1e15; n *= 7)
        for (double d = 0, last = 1; d <= 1; d = d > 0 ? d * 3 : 1e-20, last = p) {
            ck_assert_int_eq(drift_ks_p_finite(d, 2 * n, 2 * n, &p, &log10_p), 0);
            demand(p >= 0 && p <= last && log10_p <= 0, "n = %g, d = %g: %g", n, d, p);
            ck_assert(p < 1e-290 || drift_near(pow(10, log10_p), p, 1e-9));
        }
    for (int i = 0; i < 2; i++) { /* at a fixed sqrt(n) d it moves to the limit law, 1 / sqrt(n) away */
        double t = i ? 1.2 : 2.5, limit = drift_tail_kolmogorov(t);
        for (double n = 1e3; n < 1e14; n *= 10) {
            ck_assert_int_eq(drift_ks_p_finite(t / sqrt(n), 2 * n, 2 * n, &p, NULL), 0);
            double gap = fabs(p / limit - 1) * sqrt(n);
            demand(gap < 4 && gap > 0.5, "n = %g, t = %g: %g from the limit", n, t, gap);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("samples");
    drift_test_add(s, "agrees with references", agrees_with_references, 60);
    drift_test_add(s, "sorts", sorts_as_comparing_does, 10);
    drift_test_add(s, "laws", laws_of_two_samples, 30);
    drift_test_add(s, "apart", apart, 10);
    drift_test_add(s, "exact law", exact_law_is_smooth, 30);
    drift_test_add(s, "finite law", finite_law_of_any_size, 10);
    drift_test_add(s, "refuses", refuses, 10);
    drift_test_add(s, "exact cvm has limits", exact_cvm_has_limits, 20);
    drift_test_add(s, "quantiles", quantiles_at_the_ends, 10);
    return drift_test_run(s);
}
