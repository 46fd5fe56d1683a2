/* tests/unit/stats/test_reference.c    Statistics against tests/data/stats/expected.json (scipy, mpmath). */
#include "values.h"

#include "driftd/measure.h"

enum { COMPARED_MIN = 4280 };

static void put_pooled(struct values *vs, const uint64_t *p, const uint64_t *q, size_t k)
{
    uint64_t a[CELLS_MAX], b[CELLS_MAX];
    size_t cells = drift_chi2_pool(p, q, k, 5, a, b);
    put(vs, (double)cells, "pooled_cells");
    put_chi2(vs, "pooled.", a, b, cells);
}

static void values_counts(struct values *vs, const json_t *c)
{
    uint64_t p[CELLS_MAX], q[CELLS_MAX];
    double psi, m = 0, n = 0;
    size_t bins, k = counts_read(json_object_get(c, "p"), p);
    struct drift_ks_bracket d;
    ck_assert_uint_eq(counts_read(json_object_get(c, "q"), q), k);
    for (size_t i = 0; i < k; i++) {
        m += (double)p[i];
        n += (double)q[i];
    }
    put_counts(vs, "", p, q, k);
    put_pooled(vs, p, q, k);
    ck_assert_int_eq(drift_ks_cells(p, q, k, &d), 0);
    put(vs, d.low, "ks_low");
    put(vs, d.high, "ks_high");
    put(vs, drift_ks_p_grid(d.low, m, n, d.cells), "ks_p_grid");
    ck_assert_int_eq(drift_psi(p, q, k, DRIFT_PSI_ADD_HALF, &psi, &bins), 0);
    put(vs, drift_psi_noise(bins, m, n), "psi_noise");
    put(vs, drift_psi_p(psi, bins, m, n), "psi_p");
    put(vs, drift_psi_p_tolerance(psi, bins, m, n, .01), "psi_p_tolerance_.01");
    put(vs, drift_psi_tolerance(.01, bins, m), "psi_tolerance_.01");
}

static void values_samples(struct values *vs, const json_t *c)
{
    double x[CELLS_MAX], y[CELLS_MAX];
    size_t m = numbers_read(json_object_get(c, "x"), x), n = numbers_read(json_object_get(c, "y"), y);
    put_ks(vs, "", x, m, y, n);
}

static uint64_t integer(const json_t *c, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(c, key));
}

static void values_proportion(struct values *vs, const json_t *c)
{
    const json_t *e = json_object_get(c, "expected");
    uint64_t k1 = integer(e, "k1"), n1 = integer(e, "n1"), k2 = integer(e, "k2"), n2 = integer(e, "n2");
    put_proportion(vs, k1, n1, k2, n2);
    put(vs, drift_rate_p_rise(k1, n1, k2, n2), "p_rise");
    put(vs, drift_rate_p_change(k1, n1, k2, n2), "p_change");
}

static void values_tail(struct values *vs, const json_t *c)
{
    const char *law = json_string_value(json_object_get(c, "law"));
    double a[3] = {0};
    numbers_read(json_object_get(c, "args"), a);
    if (strcmp(law, "normal2") == 0) {
        put(vs, drift_tail_normal_two_sided(a[0]), "area");
        put(vs, drift_tail_normal_two_sided_log10(a[0]), "log10");
    } else if (strcmp(law, "chi2") == 0) {
        put(vs, drift_tail_chi2(a[0], a[1]), "area");
        put(vs, drift_tail_chi2_log10(a[0], a[1]), "log10");
    } else if (strcmp(law, "kolmogorov") == 0) {
        put(vs, drift_tail_kolmogorov(a[0]), "area");
        put(vs, drift_tail_kolmogorov_log10(a[0]), "log10");
    } else {
        put(vs, drift_tail_chi2_noncentral(a[0], a[1], a[2]), "area");
    }
}

static void values_volume(struct values *vs, const json_t *c)
{
    uint64_t base[CELLS_MAX];
    size_t n = counts_read(json_object_get(c, "base"), base);
    struct drift_measure m;
    drift_measure_volume(base, (uint32_t)n, integer(c, "n"), &m);
    ck_assert_int_eq(m.why, DRIFT_WHY_NONE);
    put(vs, m.effect, "effect");
    put(vs, m.value, "value");
    put(vs, m.baseline, "baseline");
    put(vs, m.p_value, "p_value");
}

/* Edges are of no concern to a measure: any ascending ones do. */
static struct drift_layout *layout_of(const json_t *c, uint32_t n_cells)
{
    struct drift_layout *l = drift_layout_new();
    uint64_t end[CELLS_MAX];
    uint32_t bin_end[CELLS_MAX];
    double edges[DRIFT_EDGES_MAX];
    size_t n_bins = counts_read(json_object_get(c, "bin_end"), end);
    for (size_t i = 0; i < n_bins; i++)
        bin_end[i] = (uint32_t)end[i];
    if (strcmp(json_string_value(json_object_get(c, "column")), "numeric") == 0) {
        for (uint32_t i = 0; i + 1 < n_cells; i++)
            edges[i] = i;
        ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "x", edges, n_cells - 1,
                                                  json_is_true(json_object_get(c, "bounded")), n_bins ? bin_end : NULL,
                                                  (uint32_t)n_bins),
                         0);
    } else {
        char text[CELLS_MAX][8];
        const char *names[CELLS_MAX];
        for (uint32_t i = 0; i + 2 < n_cells; i++) {
            snprintf(text[i], sizeof text[i], "c%u", i % 10000);
            names[i] = text[i];
        }
        ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "x", names, n_cells - 2, NULL, 0), 0);
    }
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

static void values_measure(struct values *vs, const json_t *c)
{
    put_measures(vs, c, layout_of);
}

static const struct {
    const char *kind;
    void (*values)(struct values *vs, const json_t *c);
} kinds[] = {{"counts", values_counts}, {"samples", values_samples}, {"proportion", values_proportion},
             {"tail", values_tail},     {"volume", values_volume},   {"measure", values_measure}};

START_TEST(agrees_with_scipy)
{
    json_t *doc = json_read(DRIFTD_SOURCE_DIR "/tests/data/stats/expected.json"), *c;
    struct comparison cmp = {0};
    size_t i, k;
    drift_stats_init();
    json_array_foreach(json_object_get(doc, "cases"), i, c)
    {
        const char *kind = json_string_value(json_object_get(c, "kind"));
        struct values *vs = calloc(1, sizeof *vs);
        for (k = 0; k < sizeof kinds / sizeof *kinds && strcmp(kinds[k].kind, kind) != 0; k++)
            ;
        ck_assert_msg(k < sizeof kinds / sizeof *kinds, "unknown kind %s", kind);
        kinds[k].values(vs, c);
        tree_compare(&cmp, vs, json_string_value(json_object_get(c, "id")), "", json_object_get(c, "expected"));
        cmp.cases++;
        free(vs);
    }
    comparison_end(&cmp, "reference", COMPARED_MIN);
    json_decref(doc);
}
END_TEST

/* The comparison itself must be able to fail. */
START_TEST(comparison_sees_small_errors)
{
    ck_assert_int_eq(value_same("psi.none", .02, .02 * (1 + 5e-10)), 1);
    ck_assert_int_eq(value_same("psi.none", .02, .02 * (1 + 2e-9)), 0);
    ck_assert_int_eq(value_same("chi2_p", .02, .02 * (1 + 5e-7)), 1);
    ck_assert_int_eq(value_same("chi2_p", .02, .02 * (1 + 2e-6)), 0);
    ck_assert_int_eq(value_same("chi2_p", 0, 1e-250), 0);
    ck_assert_int_eq(value_same("chi2_p", 0, 1e-300), 1);
    ck_assert_int_eq(value_same("ks.d", (double)NAN, .1), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reference");
    drift_test_add(s, "agrees with scipy", agrees_with_scipy, 60);
    drift_test_add(s, "comparison", comparison_sees_small_errors, 10);
    return drift_test_run(s);
}
