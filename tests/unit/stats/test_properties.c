/* tests/unit/stats/test_properties.c    What must hold of every measure, from values to verdict figures. */
/* The measures are taken from their table, so that one that is added later is tried too. */
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
#include "driftd/summary.h"
#include "driftd/tail.h"
#include "driftd/wasserstein.h"

enum { BASE = 2000, WINDOW = 500, ROUNDS = 12, MANY = 10000 };

#define demand(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg(__VA_ARGS__);                                                                                 \
    } while (0)

/* Families of values */

static double draw_normal(struct drift_rng *r)
{
    return drift_rng_gauss(r);
}
static double draw_skewed(struct drift_rng *r)
{
    return exp(3 * drift_rng_gauss(r));
}
static double draw_digits(struct drift_rng *r)
{
    return (double)drift_rng_below(r, 10);
}
static double draw_constant(struct drift_rng *r)
{
    (void)r;
    return 7.25;
}
static double draw_dyadic(struct drift_rng *r) /* 1e9 can be added without rounding */
{
    return (double)(int64_t)drift_rng_below(r, 1u << 20) / 1024 - 512;
}
static double draw_far(struct drift_rng *r)
{
    return 1e9 + 1e-3 * drift_rng_gauss(r);
}
static double draw_huge(struct drift_rng *r)
{
    return (drift_rng_below(r, 2) ? 1e308 : -1e308) * drift_rng_uniform(r);
}
static double draw_two_ends(struct drift_rng *r)
{
    return drift_rng_below(r, 2) ? 1e308 : -1e308;
}
static double draw_subnormal(struct drift_rng *r)
{
    return ((double)drift_rng_below(r, 5000) - 2500) * DBL_TRUE_MIN;
}
static double draw_zeros(struct drift_rng *r)
{
    return drift_rng_below(r, 2) ? 0.0 : -0.0;
}
static double draw_any(struct drift_rng *r)
{
    double x;
    do {
        uint64_t bits = drift_rng_u64(r);
        memcpy(&x, &bits, sizeof x);
    } while (!(fabs(x) < 1e308));
    return x;
}

static const struct family {
    const char *name;
    double (*draw)(struct drift_rng *r);
} families[] = {{"normal", draw_normal},     {"skewed", draw_skewed},     {"digits", draw_digits},
                {"constant", draw_constant}, {"dyadic", draw_dyadic},     {"far from 0", draw_far},
                {"huge", draw_huge},         {"two ends", draw_two_ends}, {"subnormal", draw_subnormal},
                {"zeros", draw_zeros},       {"any bits", draw_any}};
enum { N_FAMILIES = sizeof families / sizeof *families };

/* Strictly monotone maps that lose no bit on the families they are used with. */

static double map_ulps(double x)
{
    if (x == 0)
        return 12345 * DBL_TRUE_MIN; /* both zeros */
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits += x > 0 ? 12345 : -12345; /* away from 0 */
    memcpy(&x, &bits, sizeof bits);
    return x > 0 ? x : x < -12345 * DBL_TRUE_MIN ? x : -12346 * DBL_TRUE_MIN;
}
static double map_four(double x)
{
    return 4 * x;
}
static double map_billion(double x)
{
    return x + 1e9;
}
static double map_exp(double x)
{
    return exp(x);
}
static const struct map {
    const char *family;
    const char *name;
    double (*map)(double x);
    double scale; /* of an affine map: figures in units of the values are times this; 0: not affine */
} maps[] = {{"normal", "some ulps", map_ulps, 0},   {"skewed", "some ulps", map_ulps, 0},
            {"any bits", "some ulps", map_ulps, 0}, {"two ends", "some ulps", map_ulps, 0},
            {"normal", "times 4", map_four, 4},     {"digits", "times 4", map_four, 4},
            {"subnormal", "times 4", map_four, 4},  {"dyadic", "plus 1e9", map_billion, 1},
            {"digits", "exponential", map_exp, 0},  {"zeros", "plus 1e9", map_billion, 1},
            {"constant", "exponential", map_exp, 0}};

static const struct family *family_find(const char *name)
{
    for (size_t i = 0; i < N_FAMILIES; i++)
        if (strcmp(families[i].name, name) == 0)
            return &families[i];
    ck_abort_msg("no family %s", name);
    return NULL;
}

/* A layout as a baseline build makes it: percentiles of the values as edges, deciles as bins. */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct drift_layout *layout_of(const double *values, size_t n)
{
    static double x[BASE];
    double e[DRIFT_EDGES_MAX];
    uint32_t n_edges = 0, ends[12], n_bins = 0;
    memcpy(x, values, n * sizeof *x);
    qsort(x, n, sizeof *x, ascending);
    for (size_t k = 0; k <= 100; k++) {
        double v = k ? x[(n - 1) * k / 100] : nextafter(x[0], -INFINITY);
        if (n_edges && !(e[n_edges - 1] < v))
            continue;
        e[n_edges++] = v;
        if (k && k % 10 == 0 && k < 100)
            ends[n_bins++] = n_edges;
    }
    ends[n_bins++] = n_edges + 1;
    struct drift_layout *l = drift_layout_new();
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "x", e, n_edges, true, ends, n_bins), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

static struct drift_summary *summary_of(const struct drift_layout *l, const double *x, size_t n)
{
    struct drift_summary *s = drift_summary_new(l);
    const struct drift_column *c = &l->columns[0];
    for (size_t i = 0; i < n; i++)
        s->counts[c->first + DRIFT_N_SPECIAL + drift_column_cell(c, x[i])]++;
    s->n = n;
    return s;
}

static void measure(const struct drift_summary *base, const struct drift_summary *cur, struct drift_measure *ret)
{
    const struct drift_column *c = &base->layout->columns[0];
    drift_measure_column(c, base->counts + c->first, cur->counts + c->first, ret);
}

static void check_finite(const struct drift_measure *m, const char *what)
{
    const double number[] = {m->effect, m->value, m->baseline, m->low, m->high, m->p_value, m->dof};
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        demand(isfinite(number[i]), "%s of %s: number %zu is %g", drift_measure_name(m->id), what, i, number[i]);
        demand(!m->why || number[i] == 0, "%s of %s: %s, yet number %zu is %g", drift_measure_name(m->id), what,
               drift_why_name(m->why), i, number[i]);
    }
    demand(m->p_value >= 0 && m->p_value <= 1, "%s of %s: p %g", drift_measure_name(m->id), what, m->p_value);
    demand(m->low <= m->value + 1e-12 && m->value <= m->high + 1e-12, "%s of %s: %g in [%g, %g]",
           drift_measure_name(m->id), what, m->value, m->low, m->high);
    demand(strcmp(drift_why_name(m->why), "unknown") != 0, "reason %d", (int)m->why);
}

static void check_equal(const struct drift_measure *a, const struct drift_measure *b, double rel, const char *what)
{
    const double x[] = {a->effect, a->value, a->baseline, a->low, a->high, a->p_value, a->dof};
    const double y[] = {b->effect, b->value, b->baseline, b->low, b->high, b->p_value, b->dof};
    demand(a->why == b->why && a->has_p == b->has_p, "%s after %s: %s, %s", drift_measure_name(a->id), what,
           drift_why_name(a->why), drift_why_name(b->why));
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        demand(x[i] == y[i] || (rel > 0 && drift_near(x[i], y[i], rel)), "%s after %s: number %zu is %.17g, was %.17g",
               drift_measure_name(a->id), what, i, y[i], x[i]);
}

/* Measures that know the values behind the cells: their effect stays under a change of units only, their figures in
 * those units change with them. */
static bool knows_values(enum drift_measure_id id)
{
    return strcmp(drift_measure_name(id), "wasserstein") == 0;
}

static void values_draw(struct drift_rng *r, const struct family *f, double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = f->draw(r);
}

START_TEST(every_family_gives_finite_figures_or_reasons)
{
    struct drift_rng r = drift_rng_new(1);
    struct drift_measure m[DRIFT_N_MEASURE];
    static double x[BASE], y[WINDOW];
    static const size_t sizes[] = {0, 1, 2, 10, WINDOW};
    int with_value = 0, rows = 0;
    for (size_t a = 0; a < N_FAMILIES; a++) {
        values_draw(&r, &families[a], x, BASE);
        struct drift_layout *l = layout_of(x, BASE);
        for (size_t b = 0; b < N_FAMILIES; b++)
            for (size_t k = 0; k < 25; k++) {
                size_t m_size = sizes[k % 5] == WINDOW ? BASE : sizes[k % 5], n_size = sizes[k / 5];
                values_draw(&r, &families[b], y, n_size);
                struct drift_summary *base = summary_of(l, x, m_size), *cur = summary_of(l, y, n_size);
                measure(base, cur, m);
                for (int i = 0; i < DRIFT_N_MEASURE; i++) {
                    check_finite(&m[i], families[b].name);
                    if (m[i].why != DRIFT_WHY_NOT_DEFINED) {
                        demand(m_size || m[i].why == DRIFT_WHY_NO_BASELINE, "%s without a baseline: %s",
                               drift_measure_name(m[i].id), drift_why_name(m[i].why));
                        demand(!m_size || n_size || m[i].why == DRIFT_WHY_NO_DATA, "%s of no values: %s",
                               drift_measure_name(m[i].id), drift_why_name(m[i].why));
                    }
                    with_value += !m[i].why;
                    rows++;
                }
                drift_summary_free(base);
                drift_summary_free(cur);
            }
        drift_layout_free(l);
    }
    printf("%d rows, %d with a value\n", rows, with_value);
    ck_assert_int_gt(with_value, rows / 5);
}
END_TEST

static void shuffle(struct drift_rng *r, double *x, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = drift_rng_below(r, i);
        double t = x[i - 1];
        x[i - 1] = x[j];
        x[j] = t;
    }
}

/* Counts the values in parts of random size and adds the parts up in random order. */
static struct drift_summary *summary_in_parts(struct drift_rng *r, const struct drift_layout *l, const double *x,
                                              size_t n)
{
    struct drift_summary *part[16];
    size_t parts = 0, at = 0;
    while (at < n) {
        size_t size = parts == 15 ? n - at : 1 + drift_rng_below(r, n - at);
        part[parts++] = summary_of(l, x + at, size);
        at += size;
    }
    while (parts > 1) {
        size_t i = drift_rng_below(r, parts), j = drift_rng_below(r, parts - 1);
        j += j >= i;
        ck_assert_int_eq(drift_summary_merge(part[i], part[j]), 0);
        drift_summary_free(part[j]);
        part[j] = part[--parts];
    }
    return part[0];
}

START_TEST(order_and_parts_do_not_matter)
{
    struct drift_rng r = drift_rng_new(2);
    struct drift_measure before[DRIFT_N_MEASURE], after[DRIFT_N_MEASURE];
    static double x[BASE], y[WINDOW];
    for (size_t f = 0; f < N_FAMILIES; f++) {
        values_draw(&r, &families[f], x, BASE);
        struct drift_layout *l = layout_of(x, BASE);
        struct drift_summary *base = summary_of(l, x, BASE);
        for (int round = 0; round < ROUNDS; round++) {
            values_draw(&r, &families[round % 2 ? f : (f + 1) % N_FAMILIES], y, WINDOW);
            struct drift_summary *whole = summary_of(l, y, WINDOW);
            shuffle(&r, y, WINDOW);
            struct drift_summary *merged = summary_in_parts(&r, l, y, WINDOW);
            ck_assert_uint_eq(merged->n, whole->n);
            ck_assert_mem_eq(merged->counts, whole->counts, l->n_counts * sizeof *whole->counts);
            measure(base, whole, before);
            measure(base, merged, after);
            for (int i = 0; i < DRIFT_N_MEASURE; i++)
                check_equal(&before[i], &after[i], 0, "merging");
            drift_summary_free(whole);
            drift_summary_free(merged);
        }
        drift_summary_free(base);
        drift_layout_free(l);
    }
}
END_TEST

static void check_map(struct drift_rng *r, const struct map *map)
{
    const struct family *f = family_find(map->family);
    struct drift_measure before[DRIFT_N_MEASURE], after[DRIFT_N_MEASURE];
    static double x[BASE], y[WINDOW], fx[BASE], fy[WINDOW];
    char what[80];
    snprintf(what, sizeof what, "%s of %s", map->name, map->family);
    values_draw(r, f, x, BASE);
    values_draw(r, f, y, WINDOW);
    for (size_t i = 0; i < BASE; i++)
        fx[i] = map->map(x[i]);
    for (size_t i = 0; i < WINDOW; i++)
        fy[i] = map->map(y[i]);
    struct drift_layout *l = layout_of(x, BASE), *fl = layout_of(fx, BASE);
    struct drift_summary *base = summary_of(l, x, BASE), *cur = summary_of(l, y, WINDOW);
    struct drift_summary *fbase = summary_of(fl, fx, BASE), *fcur = summary_of(fl, fy, WINDOW);
    demand(l->n_counts == fl->n_counts, "%s: %u counters, then %u", what, l->n_counts, fl->n_counts);
    demand(memcmp(base->counts, fbase->counts, l->n_counts * sizeof *base->counts) == 0, "%s: baseline", what);
    demand(memcmp(cur->counts, fcur->counts, l->n_counts * sizeof *cur->counts) == 0, "%s: window", what);
    measure(base, cur, before);
    measure(fbase, fcur, after);
    for (int i = 0; i < DRIFT_N_MEASURE; i++)
        if (!knows_values((enum drift_measure_id)i))
            check_equal(&before[i], &after[i], 0, what);
        else if (map->scale > 0) {
            before[i].value *= map->scale;
            before[i].baseline *= map->scale;
            before[i].low *= map->scale;
            before[i].high *= map->scale;
            /* the first edge is an ulp below the minimum, which is not little among subnormal numbers */
            check_equal(&before[i], &after[i], strcmp(map->family, "subnormal") == 0 ? 1e-3 : 1e-6, what);
        }
    drift_summary_free(base);
    drift_summary_free(cur);
    drift_summary_free(fbase);
    drift_summary_free(fcur);
    drift_layout_free(l);
    drift_layout_free(fl);
}

START_TEST(monotone_maps_change_nothing)
{
    struct drift_rng r = drift_rng_new(3);
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
            check_map(&r, &maps[i]);
}
END_TEST

/* The baseline itself as a window: no distance, nothing unlikely. */
START_TEST(the_same_again_is_no_drift)
{
    struct drift_rng r = drift_rng_new(4);
    struct drift_measure m[DRIFT_N_MEASURE];
    static double x[BASE];
    for (size_t f = 0; f < N_FAMILIES; f++) {
        values_draw(&r, &families[f], x, BASE);
        struct drift_layout *l = layout_of(x, BASE);
        struct drift_summary *base = summary_of(l, x, BASE);
        measure(base, base, m);
        for (int i = 0; i < DRIFT_N_MEASURE; i++) {
            demand(fabs(m[i].effect) < 1e-12, "%s of %s with itself: %g", drift_measure_name(m[i].id), families[f].name,
                   m[i].effect);
            demand(m[i].why || !m[i].has_p || m[i].p_value > .2, "%s of %s with itself: p %g",
                   drift_measure_name(m[i].id), families[f].name, m[i].p_value);
        }
        drift_summary_free(base);
        drift_layout_free(l);
    }
}
END_TEST

/* The same families as sorted samples. */

static void check_samples(const double *x, size_t m, const double *y, size_t n, struct drift_ks_exact *ret_ks,
                          struct drift_cvm *ret_t, double *ret_w, const char *what)
{
    struct drift_anderson a;
    struct drift_moments s;
    double e;
    int status = drift_ks_samples(x, m, y, n, ret_ks);
    demand(status == 0 && ret_ks->d >= 0 && ret_ks->d <= 1, "ks of %s: %d, %g", what, status, ret_ks->d);
    status = drift_cvm(x, m, y, n, ret_t);
    demand(status == DRIFT_E_RANGE || (status == 0 && ret_t->t >= 0 && ret_t->p >= 0 && ret_t->p <= 1),
           "cvm of %s: %d, T %g, p %g", what, status, ret_t->t, ret_t->p);
    demand(status == 0 || m + n < 3, "cvm of %s: %d", what, status);
    status = drift_anderson(x, m, y, n, &a);
    demand(status == DRIFT_E_RANGE || (status == 0 && isfinite(a.a2) && a.p >= 0 && a.p <= 1), "anderson of %s: %d, %g",
           what, status, a.a2);
    status = drift_wasserstein(x, m, y, n, ret_w);
    demand(status == DRIFT_E_RANGE || (status == 0 && isfinite(*ret_w) && *ret_w >= 0), "w1 of %s: %d, %g", what,
           status, *ret_w);
    status = drift_energy_distance(x, m, y, n, &e);
    demand(status == DRIFT_E_RANGE || (status == 0 && isfinite(e) && e >= 0), "energy of %s: %d, %g", what, status, e);
    status = drift_samples_moments(x, m, &s);
    demand(status == DRIFT_E_RANGE || (status == 0 && isfinite(s.mean) && s.min <= s.mean && s.mean <= s.max &&
                                       isfinite(s.deviation1) && isfinite(s.skew) && isfinite(s.kurtosis)),
           "moments of %s: %d, %g", what, status, s.mean);
}

START_TEST(samples_of_every_family)
{
    struct drift_rng r = drift_rng_new(8);
    static double x[BASE], y[WINDOW];
    static const size_t sizes[] = {1, 2, 10, WINDOW};
    struct drift_ks_exact ks;
    struct drift_cvm t;
    double w;
    for (size_t a = 0; a < N_FAMILIES; a++)
        for (size_t b = 0; b < N_FAMILIES; b++)
            for (size_t k = 0; k < 16; k++) {
                size_t m = sizes[k % 4] == WINDOW ? BASE : sizes[k % 4], n = sizes[k / 4];
                char what[80];
                snprintf(what, sizeof what, "%zu %s and %zu %s", m, families[a].name, n, families[b].name);
                values_draw(&r, &families[a], x, m);
                values_draw(&r, &families[b], y, n);
                ck_assert_int_eq(drift_samples_sort(x, m), 0);
                ck_assert_int_eq(drift_samples_sort(y, n), 0);
                check_samples(x, m, y, n, &ks, &t, &w, what);
            }
}
END_TEST

START_TEST(monotone_maps_of_samples)
{
    struct drift_rng r = drift_rng_new(9);
    static double x[BASE], y[WINDOW];
    struct drift_ks_exact ks[2];
    struct drift_cvm t[2];
    double w[2];
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        values_draw(&r, family_find(maps[i].family), x, BASE);
        values_draw(&r, family_find(maps[i].family), y, WINDOW);
        for (int side = 0; side < 2; side++) {
            for (size_t k = 0; side && k < BASE; k++)
                x[k] = maps[i].map(x[k]);
            for (size_t k = 0; side && k < WINDOW; k++)
                y[k] = maps[i].map(y[k]);
            ck_assert_int_eq(drift_samples_sort(x, BASE), 0);
            ck_assert_int_eq(drift_samples_sort(y, WINDOW), 0);
            check_samples(x, BASE, y, WINDOW, &ks[side], &t[side], &w[side], maps[i].name);
        }
        demand(ks[0].d == ks[1].d && t[0].t == t[1].t && t[0].p == t[1].p, "%s of %s: D %g, %g; T %g, %g", maps[i].name,
               maps[i].family, ks[0].d, ks[1].d, t[0].t, t[1].t);
        demand(maps[i].scale == 0 || drift_near(w[0] * maps[i].scale, w[1], 1e-6), "%s of %s: W1 %g, %g", maps[i].name,
               maps[i].family, w[0], w[1]);
    }
}
END_TEST

/* Ten thousand categories: the plain sums in long double, and a column of that many names. */

static void many_draw(struct drift_rng *r, uint64_t *p, uint64_t *q)
{
    for (size_t i = 0; i < MANY; i++) {
        double share = 1e6 / (double)(i + 10);
        p[i] = (uint64_t)(share * drift_rng_uniform(r));
        q[i] = (uint64_t)(share / 20 * drift_rng_uniform(r));
    }
}

static void plain_sums(const uint64_t *p, const uint64_t *q, double *ret_psi, double *ret_x2, double *ret_js)
{
    long double m = 0, n = 0, mh = 0, nh = 0, psi = 0, x2 = 0, js = 0;
    for (size_t i = 0; i < MANY; i++) {
        m += (long double)p[i];
        n += (long double)q[i];
        mh += p[i] || q[i] ? (long double)p[i] + .5L : 0;
        nh += p[i] || q[i] ? (long double)q[i] + .5L : 0;
    }
    for (size_t i = 0; i < MANY; i++) {
        long double a = (long double)p[i], b = (long double)q[i], row = a + b;
        if (row == 0)
            continue;
        long double ea = row * m / (m + n), eb = row * n / (m + n), u = a / m, v = b / n, w = (u + v) / 2;
        psi += ((b + .5L) / nh - (a + .5L) / mh) * logl((b + .5L) / nh * mh / (a + .5L));
        x2 += (a - ea) * (a - ea) / ea + (b - eb) * (b - eb) / eb;
        js += (u > 0 ? u * log2l(u / w) : 0) / 2 + (v > 0 ? v * log2l(v / w) : 0) / 2;
    }
    *ret_psi = (double)psi;
    *ret_x2 = (double)x2;
    *ret_js = (double)sqrtl(js);
}

START_TEST(ten_thousand_categories)
{
    struct drift_rng r = drift_rng_new(5);
    static uint64_t p[MANY], q[MANY], pooled[2][MANY];
    struct drift_chi2 t;
    struct drift_ks_bracket d;
    double psi, js, other, plain[3];
    size_t bins;
    for (int round = 0; round < ROUNDS; round++) {
        many_draw(&r, p, q);
        plain_sums(p, q, &plain[0], &plain[1], &plain[2]);
        ck_assert_int_eq(drift_psi(p, q, MANY, DRIFT_PSI_ADD_HALF, &psi, &bins), 0);
        ck_assert_int_eq(drift_chi2(p, q, MANY, &t), 0);
        ck_assert_int_eq(drift_js_distance(p, q, MANY, &js), 0);
        ck_near(psi, plain[0], 1e-11);
        ck_near(t.pearson, plain[1], 1e-11);
        ck_near(js, plain[2], 1e-11);
        ck_assert_uint_eq(bins, t.cells);
        ck_assert_int_eq(drift_hellinger(p, q, MANY, &other), 0);
        ck_assert(other >= 0 && other <= 1);
        ck_assert_int_eq(drift_total_variation(p, q, MANY, &other), 0);
        ck_assert(other >= 0 && other <= 1);
        ck_assert_int_eq(drift_ks_cells(p, q, MANY, &d), 0);
        ck_assert(d.low <= d.high && d.high <= 1 && d.low <= other + 1e-12);
        size_t left = drift_chi2_pool(p, q, MANY, 5, pooled[0], pooled[1]);
        ck_assert(left > 1 && left < MANY);
        ck_assert_int_eq(drift_chi2(pooled[0], pooled[1], left, &t), 0);
        ck_assert(t.min_expected >= 5 && isfinite(t.pearson) && t.pearson_p >= 0 && t.pearson_p <= 1);
    }
}
END_TEST

static struct drift_layout *names_layout(uint32_t n, char names[][8])
{
    static const char *ptr[MANY];
    struct drift_layout *l = drift_layout_new();
    for (uint32_t i = 0; i < n; i++) {
        snprintf(names[i], 8, "c%u", i);
        ptr[i] = names[i];
    }
    uint32_t own = n < DRIFT_CATEGORIES_MAX ? n : DRIFT_CATEGORIES_MAX;
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "c", ptr, own, ptr + own, n - own), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

/* Zipf: category i with weight 1 / (i + 1), from 0 to n; the n-th is one that the layout does not know. */
static void names_count(struct drift_rng *r, struct drift_summary *s, uint32_t n, uint32_t events)
{
    const struct drift_column *c = &s->layout->columns[0];
    char name[16];
    for (uint32_t i = 0; i < events; i++) {
        int len = snprintf(name, sizeof name, "c%u", (uint32_t)(pow(n + 1, drift_rng_uniform(r)) - 1));
        s->counts[c->first + DRIFT_N_SPECIAL + drift_column_category(c, name, (size_t)len)]++;
    }
    s->n += events;
}

START_TEST(columns_of_one_and_of_ten_thousand_names)
{
    static char names[MANY][8];
    struct drift_rng r = drift_rng_new(6);
    struct drift_measure m[DRIFT_N_MEASURE];
    for (uint32_t n = 1; n <= MANY; n *= 10) {
        struct drift_layout *l = names_layout(n, names);
        struct drift_summary *base = drift_summary_new(l), *cur = drift_summary_new(l);
        names_count(&r, base, n, 50000);
        for (uint32_t events = 0; events <= 20000; events = events ? 10 * events : 2) {
            drift_summary_reset(cur);
            names_count(&r, cur, n, events);
            measure(base, cur, m);
            for (int i = 0; i < DRIFT_N_MEASURE; i++)
                check_finite(&m[i], "names");
        }
        ck_assert(n == 1 || m[DRIFT_MEASURE_CHI2].why == DRIFT_WHY_NONE);
        ck_assert(m[DRIFT_MEASURE_UNSEEN_RATE].why == DRIFT_WHY_NONE && m[DRIFT_MEASURE_UNSEEN_RATE].effect < .02 &&
                  m[DRIFT_MEASURE_UNSEEN_RATE].effect > -.25);
        drift_summary_free(base);
        drift_summary_free(cur);
        drift_layout_free(l);
    }
    struct drift_layout *l = names_layout(1, names);
    uint64_t base[DRIFT_N_SPECIAL + 3] = {0}, cur[DRIFT_N_SPECIAL + 3] = {0};
    base[DRIFT_N_SPECIAL] = 500;
    cur[DRIFT_N_SPECIAL] = 50;
    drift_measure_column(&l->columns[0], base, cur, m);
    ck_assert_int_eq(m[DRIFT_MEASURE_PSI].why, DRIFT_WHY_ONE_CELL);
    ck_assert_int_eq(m[DRIFT_MEASURE_UNSEEN_RATE].why, DRIFT_WHY_NONE);
    drift_layout_free(l);
}
END_TEST

/* P-values of whatever arguments: a probability, never NaN. */

static const double nasty[] = {0,     -0.0,   1,       .5, -1,   2,   1e-300,           DBL_TRUE_MIN,      1e9,
                               1e300, -1e300, DBL_MAX, 10, 1000, 1e5, (double)INFINITY, -(double)INFINITY, (double)NAN};
enum { N_NASTY = sizeof nasty / sizeof *nasty };

static void check_p(double p, const char *what, double a, double b, double c, size_t k)
{
    demand(p >= 0 && p <= 1, "%s(%g, %g, %g; %zu) = %g", what, a, b, c, k, p);
}

START_TEST(p_values_of_anything_are_probabilities)
{
    static const size_t cells[] = {0, 1, 2, 10, 1000, SIZE_MAX};
    for (size_t i = 0; i < N_NASTY; i++) {
        double a = nasty[i];
        check_p(drift_tail_normal(a), "normal", a, 0, 0, 0);
        check_p(drift_tail_normal_two_sided(a), "normal_two_sided", a, 0, 0, 0);
        check_p(drift_tail_kolmogorov(a), "kolmogorov", a, 0, 0, 0);
        for (size_t j = 0; j < N_NASTY; j++) {
            double b = nasty[j];
            check_p(drift_tail_chi2(a, b), "chi2", a, b, 0, 0);
            for (size_t k = 0; k < N_NASTY; k++) {
                double c = nasty[k];
                check_p(drift_ks_p_limit(a, b, c), "ks_limit", a, b, c, 0);
                check_p(drift_ks_p_stephens(a, b, c), "ks_stephens", a, b, c, 0);
                if (!(fabs(c) > 1e6) && !(b > 1e9)) /* its cost grows with both */
                    check_p(drift_tail_chi2_noncentral(a, b, c), "noncentral", a, b, c, 0);
                for (size_t n = 0; n < sizeof cells / sizeof *cells; n++) {
                    check_p(drift_psi_p(a, cells[n], b, c), "psi_p", a, b, c, cells[n]);
                    check_p(drift_ks_p_grid(a, b, c, cells[n]), "ks_grid", a, b, c, cells[n]);
                }
            }
        }
    }
}
END_TEST

START_TEST(rates_of_anything_are_probabilities)
{
    static const uint64_t n[] = {0, 1, 2, 100, 1000000, UINT64_MAX - 1, UINT64_MAX};
    enum { N = sizeof n / sizeof *n };
    for (size_t i = 0; i < N * N * N * N; i++) {
        uint64_t k1 = n[i % N], n1 = n[i / N % N], k2 = n[i / N / N % N], n2 = n[i / N / N / N];
        double low = -1, high = -1, z = 0;
        check_p(drift_rate_p_rise(k1, n1, k2, n2), "rise", (double)k1, (double)n1, (double)k2, (size_t)n2);
        check_p(drift_rate_p_change(k1, n1, k2, n2), "change", (double)k1, (double)n1, (double)k2, (size_t)n2);
        demand(drift_rate_z_pooled(k1, n1, k2, n2, &z) || isfinite(z), "pooled z %g", z);
        demand(drift_rate_z_unpooled(k1, n1, k2, n2, &z) || isfinite(z), "unpooled z %g", z);
        if (drift_rate_wilson(k1, n1, &low, &high) == 0) {
            double rate = (double)k1 / (double)n1;
            demand(low >= 0 && low <= rate && rate <= high && high <= 1, "%g in [%g, %g]", rate, low, high);
        }
    }
}
END_TEST

/* Cost.  The fastest of several rounds of processor time, so that a busy machine does not matter. */

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

START_TEST(a_window_costs_less_than_a_millisecond)
{
    struct drift_rng r = drift_rng_new(7);
    struct drift_measure m[DRIFT_N_MEASURE];
    static double x[BASE], y[WINDOW];
    struct drift_summary *base[10], *cur[10];
    double best[2] = {INFINITY, INFINITY};
    static const int features[2] = {50, 1000};
    const char *slow = getenv("DRIFTD_TEST_SLOW");
    double times = slow ? 4 * atof(slow) : 1;
    for (int k = 0; k < 10; k++) { /* half of them drift: far tails cost more */
        values_draw(&r, &families[k % 5 == 3 ? 0 : k % 5], x, BASE);
        struct drift_layout *l = layout_of(x, BASE);
        base[k] = summary_of(l, x, BASE);
        values_draw(&r, &families[k < 5 ? k : (k + 1) % 5], y, WINDOW);
        cur[k] = summary_of(l, y, WINDOW);
    }
    for (int w = 0; w < 2; w++)
        for (int round = 0; round < 10; round++) {
            double from = cpu_ms();
            for (int f = 0; f < features[w]; f++)
                measure(base[f % 10], cur[f % 10], m);
            best[w] = fmin(best[w], cpu_ms() - from);
        }
    printf("50 features %.3f ms, 1000 features %.3f ms\n", best[0], best[1]);
    demand(best[0] < times && best[1] < 20 * times, "50 features %.3f ms, 1000 features %.3f ms", best[0], best[1]);
    for (int k = 0; k < 10; k++) {
        drift_layout_free((struct drift_layout *)(uintptr_t)base[k]->layout);
        drift_summary_free(base[k]);
        drift_summary_free(cur[k]);
    }
}
END_TEST

int main(void)
{
    drift_stats_init();
    Suite *s = suite_create("properties");
    drift_test_add(s, "finite or a reason", every_family_gives_finite_figures_or_reasons, 30);
    drift_test_add(s, "order and parts", order_and_parts_do_not_matter, 30);
    drift_test_add(s, "monotone maps", monotone_maps_change_nothing, 30);
    drift_test_add(s, "the same again", the_same_again_is_no_drift, 30);
    drift_test_add(s, "samples of every family", samples_of_every_family, 30);
    drift_test_add(s, "maps of samples", monotone_maps_of_samples, 30);
    drift_test_add(s, "10,000 categories", ten_thousand_categories, 30);
    drift_test_add(s, "columns of names", columns_of_one_and_of_ten_thousand_names, 30);
    drift_test_add(s, "p-values of anything", p_values_of_anything_are_probabilities, 30);
    drift_test_add(s, "rates of anything", rates_of_anything_are_probabilities, 30);
    drift_test_add(s, "cost", a_window_costs_less_than_a_millisecond, 30);
    return drift_test_run(s);
}
