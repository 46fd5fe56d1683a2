/* tests/unit/stats/test_grid.c    The indexed cell lookup against plain search, on edges and values made to break it.
 */
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/grid.h"

enum { VALUES_MIN = 4000000 };
static uint64_t compared, searched;

static double gauss(struct drift_rng *r)
{
    return drift_rng_gauss(r);
}
static double lognormal(struct drift_rng *r)
{
    return exp(3 * drift_rng_gauss(r));
}
static double ints(struct drift_rng *r)
{
    return (double)drift_rng_below(r, 200);
}
static double unit(struct drift_rng *r)
{
    return drift_rng_uniform(r);
}
static double mostly_zero(struct drift_rng *r)
{
    return drift_rng_below(r, 10) ? (drift_rng_below(r, 2) ? 0.0 : -0.0) : drift_rng_uniform(r) * 1e4;
}
static double few(struct drift_rng *r)
{
    static const double v[] = {-1, 0, 0.5, 7, 1e6};
    return v[drift_rng_below(r, 5)];
}
static double pareto_signed(struct drift_rng *r)
{
    double x = pow(drift_rng_uniform(r), -1.2);
    return drift_rng_below(r, 2) ? x : -x;
}
static double bimodal(struct drift_rng *r)
{
    return drift_rng_gauss(r) * 1e-3 + (drift_rng_below(r, 2) ? 1e6 : -1e6);
}
static double epoch(struct drift_rng *r)
{
    return 1.7e12 + drift_rng_uniform(r) * 1e9;
}
static double decades(struct drift_rng *r)
{
    return pow(10, drift_rng_uniform(r) * 12 - 6);
}
static double all_decades(struct drift_rng *r)
{
    return pow(10, drift_rng_uniform(r) * 600 - 300);
}
static double subnormal(struct drift_rng *r)
{
    return (double)((int64_t)drift_rng_below(r, 2001) - 1000) * DBL_TRUE_MIN;
}
static double huge(struct drift_rng *r)
{
    return (drift_rng_uniform(r) * 2 - 1) * 1.7e308;
}

static const struct {
    const char *name;
    double (*draw)(struct drift_rng *);
} families[] = {{"normal", gauss},
                {"lognormal", lognormal},
                {"ints", ints},
                {"unit", unit},
                {"mostly_zero", mostly_zero},
                {"few", few},
                {"pareto", pareto_signed},
                {"bimodal", bimodal},
                {"epoch", epoch},
                {"decades", decades},
                {"subnormal", subnormal},
                {"huge", huge},
                {"all_decades", all_decades}};
enum { N_FAMILIES = sizeof families / sizeof *families };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* n sorted distinct draws, at most max */
static uint32_t edges_draw(struct drift_rng *r, double (*draw)(struct drift_rng *), double *e, uint32_t max)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < max; i++)
        e[i] = draw(r);
    qsort(e, max, sizeof *e, ascending);
    for (uint32_t i = 0; i < max; i++)
        if (n == 0 || e[n - 1] < e[i])
            e[n++] = e[i];
    return n;
}

static void check_value(const struct drift_grid *g, const double *e, uint32_t n, double x)
{
    if (!isfinite(x))
        return;
    uint32_t got = drift_grid_cell(g, x), want = drift_grid_cell_plain(e, n, x);
    if (got != want) /* an assertion that passes costs a write: too much for ten million */
        ck_abort_msg("x = %a (%.17g): cell %u, plain search %u, %u edges from %a", x, x, got, want, n, n ? e[0] : 0.0);
    compared++;
}

static void check_around(const struct drift_grid *g, const double *e, uint32_t n, double x)
{
    check_value(g, e, n, x);
    check_value(g, e, n, nextafter(x, INFINITY));
    check_value(g, e, n, nextafter(x, -INFINITY));
    check_value(g, e, n, -x);
}

static double bits_random(struct drift_rng *r)
{
    uint64_t u = drift_rng_u64(r);
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static void check_edges(struct drift_rng *r, double (*draw)(struct drift_rng *), const double *e, uint32_t n)
{
    static const double nasty[] = {0.0, DBL_TRUE_MIN, DBL_MIN, 1, 1e-300, 1.7e308, DBL_MAX, 4503599627370496.0};
    struct drift_grid *g = drift_grid_new(e, n);
    ck_assert_ptr_nonnull(g);
    searched += g->search != 0;
    for (uint32_t i = 0; i < n; i++)
        check_around(g, e, n, e[i]);
    for (uint32_t i = 0; i + 1 < n; i++)
        check_around(g, e, n, e[i] / 2 + e[i + 1] / 2);
    for (size_t i = 0; i < sizeof nasty / sizeof *nasty; i++)
        check_around(g, e, n, nasty[i]);
    check_around(g, e, n, g->centre);
    for (int i = 0; i < 2000; i++) {
        check_value(g, e, n, draw(r));
        check_value(g, e, n, bits_random(r));
    }
    drift_grid_free(g);
}

START_TEST(agrees_with_plain_search)
{
    static const uint32_t sizes[] = {0, 1, 2, 3, 9, 10, 11, 64, 100, 103, 127, 128, 250};
    struct drift_rng r = drift_rng_new(1);
    double e[250];
    for (int f = 0; f < N_FAMILIES; f++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (int round = 0; round < 7; round++) {
                uint32_t n = edges_draw(&r, families[f].draw, e, sizes[s]);
                check_edges(&r, families[f].draw, e, n);
                check_edges(&r, families[(f + 1) % N_FAMILIES].draw, e, n); /* values of another kind */
            }
    printf("grid: %lu values compared, %lu edge lists by binary search\n", (unsigned long)compared,
           (unsigned long)searched);
    ck_assert_uint_ge(compared, VALUES_MIN);
    ck_assert_uint_ge(searched, 10); /* the fallback was tried too */
}
END_TEST

/* Minimum, percentiles and maximum of a large sample: what a baseline has. */
static uint32_t percentiles_draw(struct drift_rng *r, double (*draw)(struct drift_rng *), double *e)
{
    enum { SAMPLE = 20000 };
    static double x[SAMPLE];
    uint32_t n = 0;
    for (int i = 0; i < SAMPLE; i++)
        x[i] = draw(r);
    qsort(x, SAMPLE, sizeof *x, ascending);
    for (int k = 0; k <= 100; k++) {
        double v = k == 0 ? nextafter(x[0], -INFINITY) : x[SAMPLE / 100 * k - 1];
        if (n == 0 || e[n - 1] < v)
            e[n++] = v;
    }
    return n;
}

START_TEST(usual_edges_fit_the_index)
{
    struct drift_rng r = drift_rng_new(2);
    double e[101];
    for (int f = 0; f < N_FAMILIES; f++) {
        uint32_t n = percentiles_draw(&r, families[f].draw, e);
        check_edges(&r, families[f].draw, e, n);
        struct drift_grid *g = drift_grid_new(e, n);
        printf("%s: %s, %d\n", families[f].name, g->search ? "search" : "index", g->half);
        if (families[f].draw != bimodal && families[f].draw != huge && families[f].draw != subnormal &&
            families[f].draw != all_decades) /* widths from 1e9 times each other on, or scales beyond a double */
            ck_assert_msg(g->search == 0, "%s needs a search", families[f].name);
        drift_grid_free(g);
    }
}
END_TEST

START_TEST(negative_zero_is_zero)
{
    for (int i = 0; i < 2; i++) {
        double e[] = {-1, i ? 0.0 : -0.0, 1};
        struct drift_grid *g = drift_grid_new(e, 3);
        ck_assert_uint_eq(drift_grid_cell(g, 0.0), 1);
        ck_assert_uint_eq(drift_grid_cell(g, -0.0), 1);
        ck_assert_uint_eq(drift_grid_cell(g, DBL_TRUE_MIN), 2);
        drift_grid_free(g);
    }
    /* more powers of two on the left than on the right of -0.0: an index around +0.0, which is no edge, fits best */
    double e[80];
    uint32_t n = 0, around_zero = 0;
    for (int k = 20; k >= -20; k--)
        e[n++] = -ldexp(1, k);
    e[n++] = -0.0;
    for (int k = -10; k <= 10; k++)
        e[n++] = ldexp(1, k);
    for (uint32_t from = 0; from < 30; from++) {
        struct drift_grid *g = drift_grid_new(e + from, n - from);
        around_zero += g->centre == 0 && g->search == 0;
        ck_assert_uint_eq(drift_grid_cell(g, 0.0), 41 - from);
        ck_assert_uint_eq(drift_grid_cell(g, -0.0), 41 - from);
        drift_grid_free(g);
    }
    ck_assert_uint_ge(around_zero, 1);
}
END_TEST

START_TEST(not_finite_stays_in_range)
{
    double e[] = {-1, 0, 3};
    struct drift_grid *g = drift_grid_new(e, 3);
    ck_assert_uint_le(drift_grid_cell(g, (double)NAN), 3);
    ck_assert_uint_eq(drift_grid_cell(g, (double)INFINITY), 3);
    ck_assert_uint_eq(drift_grid_cell(g, (double)-INFINITY), 0);
    drift_grid_free(g);
}
END_TEST

START_TEST(refuses_bad_edges)
{
    double many[251];
    for (int i = 0; i < 251; i++)
        many[i] = i;
    ck_assert_ptr_null(drift_grid_new(many, 251));
    ck_assert_ptr_null(drift_grid_new((double[]){1, 1}, 2));
    ck_assert_ptr_null(drift_grid_new((double[]){2, 1}, 2));
    ck_assert_ptr_null(drift_grid_new((double[]){-0.0, 0.0}, 2));
    ck_assert_ptr_null(drift_grid_new((double[]){1, (double)NAN}, 2));
    ck_assert_ptr_null(drift_grid_new((double[]){1, (double)INFINITY}, 2));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("grid");
    drift_test_add(s, "agrees with plain search", agrees_with_plain_search, 60);
    drift_test_add(s, "usual edges fit the index", usual_edges_fit_the_index, 10);
    drift_test_add(s, "negative zero", negative_zero_is_zero, 10);
    drift_test_add(s, "not finite", not_finite_stays_in_range, 10);
    drift_test_add(s, "bad edges", refuses_bad_edges, 10);
    return drift_test_run(s);
}
