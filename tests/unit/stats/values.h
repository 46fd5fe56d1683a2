/* values.h - what driftd computes for one reference case, by the names of the reference files, and the comparison.
 *
 * A case is a JSON object.  Every leaf of it must be compared, or be excluded by a pattern that has a reason: a case
 * or key that nobody thought of fails the test. */
#ifndef DRIFTD_TEST_VALUES_H
#define DRIFTD_TEST_VALUES_H

#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "driftd/anderson.h"
#include "driftd/chi2.h"
#include "driftd/cvm.h"
#include "driftd/error.h"
#include "driftd/js.h"
#include "driftd/ks.h"
#include "driftd/measure.h"
#include "driftd/psi.h"
#include "driftd/rate.h"
#include "driftd/samples.h"
#include "driftd/tail.h"
#include "driftd/wasserstein.h"
#include "support.h"

enum { VALUES_MAX = 4096, KEY_MAX = 96, EXCLUDED_MAX = 100, CELLS_MAX = 1100 };

/* As ck_assert_msg, but silent when it holds: an assertion that passes costs a write to Check's pipe. */
#define demand(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg(__VA_ARGS__);                                                                                 \
    } while (0)

struct values {
    int n;
    struct {
        uint32_t hash; /* of key: they are looked for by the hundred thousand */
        char key[KEY_MAX];
        double v; /* NaN: not defined */
    } item[VALUES_MAX];
};

struct comparison {
    int compared, excluded, cases;
    int noise; /* of those excluded: the reference is nothing but rounding */
    int equal; /* of those compared, to the last bit */
    int n_patterns;
    struct {
        char pattern[KEY_MAX], why[2 * KEY_MAX];
        int used;
    } pattern[EXCLUDED_MAX];
};

static inline uint32_t key_hash(const char *key)
{
    uint32_t h = 2166136261u;
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 16777619u;
    return h;
}

__attribute__((format(printf, 3, 4))) static inline void put(struct values *vs, double v, const char *fmt, ...)
{
    va_list ap;
    demand(vs->n < VALUES_MAX, "too many values");
    va_start(ap, fmt);
    vsnprintf(vs->item[vs->n].key, KEY_MAX, fmt, ap);
    va_end(ap);
    vs->item[vs->n].hash = key_hash(vs->item[vs->n].key);
    vs->item[vs->n++].v = v;
}

static inline const double *value_find(const struct values *vs, const char *key)
{
    uint32_t hash = key_hash(key);
    for (int i = 0; i < vs->n; i++)
        if (vs->item[i].hash == hash && strcmp(vs->item[i].key, key) == 0)
            return &vs->item[i].v;
    return NULL;
}

/* How many values have a key that begins so. */
__attribute__((format(printf, 2, 3))) static inline int value_count(const struct values *vs, const char *fmt, ...)
{
    char begin[KEY_MAX];
    int n = 0;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(begin, sizeof begin, fmt, ap);
    va_end(ap);
    for (int i = 0; i < vs->n; i++)
        n += strncmp(vs->item[i].key, begin, strlen(begin)) == 0;
    return n;
}

static inline void put_chi2(struct values *vs, const char *at, const uint64_t *p, const uint64_t *q, size_t k)
{
    struct drift_chi2 t;
    ck_assert_int_eq(drift_chi2(p, q, k, &t), 0);
    put(vs, (double)t.cells, "%sk_nonempty", at);
    put(vs, t.dof, "%sdof", at);
    put(vs, t.min_expected, "%smin_expected", at);
    put(vs, (double)t.n_expected_below_5, "%sn_expected_below_5", at);
    put(vs, t.pearson, "%schi2", at);
    put(vs, t.pearson_p, "%schi2_p", at);
    put(vs, t.pearson_log10_p, "%schi2_log10_p", at);
    put(vs, t.g, "%sg", at);
    put(vs, t.g_p, "%sg_p", at);
    put(vs, t.g_log10_p, "%sg_log10_p", at);
    put(vs, t.cramers_v, "%scramers_v", at);
}

/* Everything that two count vectors give. */
static inline void put_counts(struct values *vs, const char *at, const uint64_t *p, const uint64_t *q, size_t k)
{
    double v;
    for (int rule = 0; rule < DRIFT_N_PSI_RULE; rule++) {
        int r = drift_psi(p, q, k, (enum drift_psi_rule)rule, &v, NULL);
        put(vs, r ? (double)NAN : v, "%spsi.%s", at, drift_psi_rule_name((enum drift_psi_rule)rule));
    }
    ck_assert_int_eq(drift_js_distance(p, q, k, &v), 0);
    put(vs, v, "%sjs_distance_base2", at);
    put(vs, v * v, "%sjs_divergence_base2", at);
    put(vs, v * sqrt(M_LN2), "%sjs_distance_base_e", at);
    ck_assert_int_eq(drift_hellinger(p, q, k, &v), 0);
    put(vs, v, "%shellinger", at);
    ck_assert_int_eq(drift_total_variation(p, q, k, &v), 0);
    put(vs, v, "%stotal_variation", at);
    ck_assert_int_eq(drift_kl_laplace(p, q, k, &v), 0);
    put(vs, v, "%skl_base_cur_laplace1_nats", at);
    ck_assert_int_eq(drift_kl_laplace(q, p, k, &v), 0);
    put(vs, v, "%skl_cur_base_laplace1_nats", at);
    put_chi2(vs, at, p, q, k);
}

static inline void put_ks(struct values *vs, const char *at, const double *x, size_t m, const double *y, size_t n)
{
    struct drift_ks_exact d;
    double p, log10_p;
    ck_assert_int_eq(drift_ks_samples(x, m, y, n, &d), 0);
    size_t a = m, b = n;
    while (b) {
        size_t c = a % b;
        a = b;
        b = c;
    }
    put(vs, d.d, "%sd", at);
    put(vs, round(d.d * (double)(m / a * n)), "%sd_numerator_over_lcm[0]", at);
    put(vs, (double)(m / a * n), "%sd_numerator_over_lcm[1]", at);
    put(vs, d.d_plus, "%sd_plus", at);
    put(vs, d.d_minus, "%sd_minus", at);
    put(vs, drift_ks_p_limit(d.d, (double)m, (double)n), "%sp_kolmogorov_limit", at);
    put(vs, drift_ks_p_limit_log10(d.d, (double)m, (double)n), "%slog10_p_kolmogorov_limit", at);
    put(vs, drift_ks_p_stephens(d.d, (double)m, (double)n), "%sp_stephens", at);
    put(vs, drift_ks_p_stephens_log10(d.d, (double)m, (double)n), "%slog10_p_stephens", at);
    int r = drift_ks_p_finite(d.d, (double)m, (double)n, &p, &log10_p);
    put(vs, r ? (double)NAN : p, "%sp_scipy_asymp_kstwo", at);
    put(vs, r ? (double)NAN : log10_p, "%slog10_p_kstwo", at);
}

static inline void put_summary(struct values *vs, const char *at, const double *x, size_t n)
{
    static const struct {
        double q;
        const char *name;
    } quantiles[] = {{.01, "0.01"}, {.05, "0.05"}, {.1, "0.1"},   {.25, "0.25"}, {.5, "0.5"},
                     {.75, "0.75"}, {.9, "0.9"},   {.95, "0.95"}, {.99, "0.99"}};
    struct drift_moments a;
    double v;
    ck_assert_int_eq(drift_samples_moments(x, n, &a), 0);
    put(vs, (double)a.n, "%sn", at);
    put(vs, (double)a.n_unique, "%sn_unique", at);
    put(vs, a.min, "%smin", at);
    put(vs, a.max, "%smax", at);
    put(vs, a.mean, "%smean", at);
    put(vs, a.deviation0, "%sstd_ddof0", at);
    put(vs, a.n > 1 ? a.deviation1 : (double)NAN, "%sstd_ddof1", at);
    if (a.has_shape) {
        put(vs, a.skew, "%sskew", at);
        put(vs, a.kurtosis, "%skurtosis_excess", at);
    }
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        ck_assert_int_eq(drift_samples_quantile(x, n, quantiles[i].q, DRIFT_QUANTILE_LINEAR, &v), 0);
        put(vs, v, "%squantile_linear.%s", at, quantiles[i].name);
        ck_assert_int_eq(drift_samples_quantile(x, n, quantiles[i].q, DRIFT_QUANTILE_INVERTED_CDF, &v), 0);
        put(vs, v, "%squantile_inverted_cdf.%s", at, quantiles[i].name);
    }
}

static inline void put_cvm(struct values *vs, const char *at, const double *x, size_t m, const double *y, size_t n)
{
    struct drift_cvm c;
    if (drift_cvm(x, m, y, n, &c))
        return;
    put(vs, c.has_ties, "%sties", at);
    put(vs, c.t, "%st_ecdf", at);
    put(vs, c.p, "%sp_asymptotic_of_t_ecdf", at);
    put(vs, c.log10_p, "%slog10_p_of_t_ecdf", at);
    put(vs, c.t_midrank, "%st_scipy_midrank", at);
    put(vs, c.p_midrank, "%sp_scipy_asymptotic", at);
}

static inline void put_anderson(struct values *vs, const char *at, const double *x, size_t m, const double *y, size_t n)
{
    struct drift_anderson a;
    double level, value;
    if (drift_anderson(x, m, y, n, &a))
        return;
    put(vs, a.a2, "%sa2_midrank", at);
    put(vs, a.standardised, "%sstatistic_standardised", at);
    put(vs, a.p_clipped, "%sp_clipped_0_001_to_0_25", at);
    put(vs, a.p, "%sp_limit", at);
    put(vs, a.log10_p, "%slog10_p_limit", at);
    for (size_t i = 0; i < DRIFT_ANDERSON_LEVELS; i++) {
        drift_anderson_critical(i, &level, &value);
        put(vs, level, "%scritical_levels[%zu]", at, i);
        put(vs, value, "%scritical_values[%zu]", at, i);
    }
}

/* Everything that two sorted samples give, but the exact p-values, which take their time. */
static inline void put_samples(struct values *vs, const double *x, size_t m, const double *y, size_t n)
{
    double w;
    put(vs, (double)m, "n1");
    put(vs, (double)n, "n2");
    put_summary(vs, "summary_baseline.", x, m);
    put_summary(vs, "summary_current.", y, n);
    put_ks(vs, "ks.", x, m, y, n);
    put_cvm(vs, "cramer_von_mises.", x, m, y, n);
    put_anderson(vs, "anderson_darling.", x, m, y, n);
    ck_assert_int_eq(drift_wasserstein(x, m, y, n, &w), 0);
    put(vs, w, "wasserstein1");
    double sd = *value_find(vs, "summary_baseline.std_ddof0");
    put(vs, sd > 0 ? w / sd : (double)NAN, "wasserstein1_over_baseline_std_ddof0");
    sd = *value_find(vs, "summary_baseline.std_ddof1");
    put(vs, sd > 0 ? w / sd : (double)NAN, "wasserstein1_over_baseline_std_ddof1");
    ck_assert_int_eq(drift_energy_distance(x, m, y, n, &w), 0);
    put(vs, w, "energy_distance");
}

static inline void put_exact(struct values *vs, const double *x, size_t m, const double *y, size_t n)
{
    double p;
    ck_assert_int_eq(drift_ks_p_exact(*value_find(vs, "ks.d"), m, n, &p), 0);
    put(vs, p, "ks.p_exact");
    if (m * n <= 1000 && drift_cvm_p_exact(x, m, y, n, &p) == 0)
        put(vs, p, "cramer_von_mises.p_scipy_exact");
}

static inline void put_proportion(struct values *vs, uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2)
{
    double low, high, z, r1 = (double)k1 / (double)n1, r2 = (double)k2 / (double)n2;
    put(vs, (double)k1, "k1");
    put(vs, (double)n1, "n1");
    put(vs, (double)k2, "k2");
    put(vs, (double)n2, "n2");
    put(vs, r1, "rate1");
    put(vs, r2, "rate2");
    put(vs, r2 - r1, "diff");
    ck_assert_int_eq(drift_rate_wilson(k1, n1, &low, &high), 0);
    put(vs, low, "wilson95_rate1[0]");
    put(vs, high, "wilson95_rate1[1]");
    ck_assert_int_eq(drift_rate_wilson(k2, n2, &low, &high), 0);
    put(vs, low, "wilson95_rate2[0]");
    put(vs, high, "wilson95_rate2[1]");
    if (drift_rate_z_pooled(k1, n1, k2, n2, &z) == 0) {
        put(vs, z, "z_pooled");
        put(vs, drift_tail_normal_two_sided(z), "p_pooled");
        put(vs, drift_tail_normal_two_sided_log10(z), "log10_p_pooled");
    }
    if (drift_rate_z_unpooled(k1, n1, k2, n2, &z) == 0) {
        put(vs, z, "z_unpooled");
        put(vs, drift_tail_normal_two_sided(z), "p_unpooled");
    }
}

static inline void exclusions_read(struct comparison *c, const char *path)
{
    char *text = drift_test_read(path, NULL), *save;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *gap = strpbrk(line, " \t");
        if (line[0] == '#')
            continue;
        demand(gap && strspn(gap, " \t") < strlen(gap), "no reason given: %s", line);
        ck_assert_int_lt(c->n_patterns, EXCLUDED_MAX);
        snprintf(c->pattern[c->n_patterns].pattern, KEY_MAX, "%.*s", (int)(gap - line), line);
        snprintf(c->pattern[c->n_patterns++].why, 2 * KEY_MAX, "%s", gap + strspn(gap, " \t"));
    }
    free(text);
}

static inline int key_excluded(struct comparison *c, const char *key)
{
    for (int i = 0; i < c->n_patterns; i++)
        if (fnmatch(c->pattern[i].pattern, key, 0) == 0) {
            c->pattern[i].used++;
            return 1;
        }
    return 0;
}

/* How far a reference may be off by its own rounding, where it sums terms that cancel: G to 1e-16 of the number of
 * values (50,000), a Jensen-Shannon divergence to some 1e-16 (near 0 that leaves few digits of its root), the skew of
 * symmetric data the same; chi-square and V of equal shares are 0 or what rounding leaves of them.  The mid-rank form
 * of Cramer-von Mises is the difference of two numbers of some 2 m n / 3 (m + n), 8000 here; ours is taken from
 * integers.  No other figure has a slack; docs/golden.md lists these. */
static inline int within_rounding(const char *name, double got, double want)
{
    static const struct {
        const char *name;
        double slack;
    } sums[] = {{"g", 2e-11},    {"t_scipy_midrank", 4e-12},    {"chi2", 1e-15}, {"cramers_v", 1e-15},
                {"skew", 1e-15}, {"js_divergence_base2", 1e-15}};
    if (strncmp(name, "js_distance", 11) == 0)
        return fabs(got * got - want * want) <= 1e-15;
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        if (strcmp(name, sums[i].name) == 0)
            return fabs(got - want) <= sums[i].slack;
    return 0;
}

static inline int is_cvm_p(const char *name)
{
    return strcmp(name, "p_asymptotic_of_t_ecdf") == 0 || strcmp(name, "p_scipy_asymptotic") == 0;
}

/* scipy sums the lower tail of the Cramer-von Mises law until a term is below 1e-7 and subtracts from 1: an upper tail
 * below 1e-6 is what is left over, and no reference. */
static inline int is_noise(const char *name, double want)
{
    return is_cvm_p(name) && want < 1e-6;
}

static inline const char *key_name(const char *key)
{
    return strrchr(key, '.') ? strrchr(key, '.') + 1 : key;
}

static int values_rounded; /* compared within rounding only */

/* 1e-9 relative; p-values and their logarithms 1e-6, or 1e-12 off 0, that of p = 1; a p-value below 1e-290 is compared
 * by its logarithm only. */
static inline int value_same(const char *key, double got, double want)
{
    const char *name = key_name(key);
    if (strstr(name, "log10"))
        return drift_near(got, want, 1e-6) || fabs(got - want) <= 1e-12;
    if (strcmp(name, "area") == 0) /* of a tail: exact however small */
        return drift_near(got, want, 1e-9) || (got < 1e-290 && want < 1e-290);
    int is_p = strncmp(name, "p_", 2) == 0 || strstr(name, "_p");
    if (drift_near(got, want, is_p ? 1e-6 : 1e-9) || (is_p && got >= 0 && got < 1e-290 && want < 1e-290))
        return 1;
    int r = is_p ? is_cvm_p(name) && fabs(got - want) <= 1e-11 : within_rounding(name, got, want);
    values_rounded += r;
    return r;
}

/* The number of a leaf: 0 or 1 for false and true. */
static inline double leaf_number(const json_t *j)
{
    return json_is_boolean(j) ? json_is_true(j) : json_number_value(j);
}

static inline void leaf_compare(struct comparison *c, const struct values *vs, const char *id, const char *key,
                                const json_t *want)
{
    const double *got = value_find(vs, key);
    if (!got) {
        demand(key_excluded(c, key), "%s: %s is neither computed nor excluded", id, key);
        c->excluded++;
        return;
    }
    if (json_is_number(want) && is_noise(key_name(key), json_number_value(want))) {
        demand(*got >= 0 && *got < 1e-6, "%s: %s = %.17g, reference %.17g", id, key, *got, json_number_value(want));
        c->noise++;
        c->excluded++;
        return;
    }
    if (json_is_null(want))
        demand(isnan(*got), "%s: %s = %.17g, reference not defined", id, key, *got);
    else
        demand(value_same(key, *got, leaf_number(want)), "%s: %s = %.17g, reference %.17g", id, key, *got,
               leaf_number(want));
    c->compared++;
    c->equal += json_is_null(want) || *got == leaf_number(want);
}

static inline void tree_compare(struct comparison *c, const struct values *vs, const char *id, const char *key,
                                const json_t *want)
{
    char below[KEY_MAX * 2];
    const char *k;
    json_t *v;
    size_t i;
    if (key[0] && !value_find(vs, key) && !json_is_object(want) && key_excluded(c, key)) {
        c->excluded++; /* a list that is excluded as a whole counts once */
        return;
    }
    if (json_is_object(want)) {
        json_object_foreach((json_t *)want, k, v)
        {
            snprintf(below, sizeof below, "%s%s%s", key, key[0] ? "." : "", k);
            tree_compare(c, vs, id, below, v);
        }
    } else if (json_is_array(want)) {
        json_array_foreach((json_t *)want, i, v)
        {
            snprintf(below, sizeof below, "%s[%zu]", key, i);
            tree_compare(c, vs, id, below, v);
        }
    } else {
        leaf_compare(c, vs, id, key, want);
    }
}

/* No pattern without use: a list of exclusions that outlives its reasons hides new gaps. */
static inline void comparison_end(struct comparison *c, const char *what, int compared_min)
{
    printf(
        "%s: %d values compared in %d cases (%d of them within the reference's rounding), %d excluded by %d patterns\n",
        what, c->compared, c->cases, values_rounded, c->excluded, c->n_patterns);
    fflush(stdout);
    for (int i = 0; i < c->n_patterns; i++)
        demand(c->pattern[i].used, "exclusion %s matches nothing", c->pattern[i].pattern);
    ck_assert_int_ge(c->compared, compared_min);
}

static inline size_t counts_read(const json_t *list, uint64_t *ret)
{
    size_t n = json_array_size(list);
    ck_assert_uint_le(n, CELLS_MAX);
    for (size_t i = 0; i < n; i++)
        ret[i] = (uint64_t)json_integer_value(json_array_get(list, i));
    return n;
}

static inline size_t numbers_read(const json_t *list, double *ret)
{
    size_t n = json_array_size(list);
    ck_assert_uint_le(n, CELLS_MAX);
    for (size_t i = 0; i < n; i++)
        ret[i] = json_number_value(json_array_get(list, i));
    return n;
}

/* All measures of a column: counters "base" and "cur", layout as the caller makes it of the case and its cells. */
static inline void put_measures(struct values *vs, const json_t *c,
                                struct drift_layout *(*layout_of)(const json_t *c, uint32_t n_cells))
{
    uint64_t base[CELLS_MAX], cur[CELLS_MAX];
    size_t n = counts_read(json_object_get(c, "base"), base);
    struct drift_measure m[DRIFT_N_MEASURE];
    ck_assert_uint_eq(counts_read(json_object_get(c, "cur"), cur), n);
    struct drift_layout *l = layout_of(c, (uint32_t)n - DRIFT_N_SPECIAL);
    drift_measure_column(&l->columns[0], base, cur, m);
    for (int i = 0; i < DRIFT_N_MEASURE; i++) {
        const char *name = drift_measure_name((enum drift_measure_id)i);
        put(vs, m[i].why, "%s.why", name);
        put(vs, m[i].effect, "%s.effect", name);
        put(vs, m[i].value, "%s.value", name);
        put(vs, m[i].baseline, "%s.baseline", name);
        put(vs, m[i].low, "%s.low", name);
        put(vs, m[i].high, "%s.high", name);
        put(vs, m[i].p_value, "%s.p_value", name);
        put(vs, m[i].dof, "%s.dof", name);
    }
    drift_layout_free(l);
}

static inline json_t *json_read(const char *path)
{
    json_error_t err;
    json_t *j = json_load_file(path, 0, &err);
    demand(j != NULL, "%s: %s", path, err.text);
    return j;
}

static inline int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

#endif
