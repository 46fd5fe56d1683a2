/* tests/unit/stats/test_magnitude.c    Orders of magnitude against libm; changes of unit on random values. */
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/magnitude.h"

static double normal(struct drift_rng *r)
{
    return sqrt(-2 * log(1 - drift_rng_uniform(r))) * cos(2 * M_PI * drift_rng_uniform(r));
}

static uint32_t by_libm(double x)
{
    if (x == 0)
        return 0;
    int e = ilogb(x);
    e = e < DRIFT_MAGNITUDE_LOW ? DRIFT_MAGNITUDE_LOW : e > DRIFT_MAGNITUDE_HIGH ? DRIFT_MAGNITUDE_HIGH : e;
    return (uint32_t)((x < 0 ? 64 : 0) + e - DRIFT_MAGNITUDE_LOW + 1);
}

START_TEST(buckets)
{
    static const double odd[] = {0.0, -0.0, 5e-324, -5e-324, DBL_MIN, DBL_MAX, -DBL_MAX, 1, -1, 2, 1.9999999999999998};
    struct drift_rng r = drift_rng_new(drift_test_seed() + 41);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        ck_assert_uint_eq(drift_magnitude_bucket(odd[i]), by_libm(odd[i]));
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = drift_rng_u64(&r);
        double x;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x))
            continue;
        ck_assert_uint_eq(drift_magnitude_bucket(x), by_libm(x));
        ck_assert_uint_ne(drift_magnitude_bucket(x), 64);
    }
}
END_TEST

static void draw(uint64_t *q, struct drift_rng *r, double mu, double sigma, double factor, double part, int n)
{
    memset(q, 0, DRIFT_MAGNITUDES * sizeof *q);
    for (int i = 0; i < n; i++) {
        double x = drift_rng_below(r, 20) ? exp(mu + sigma * normal(r)) : 0;
        q[drift_magnitude_bucket(drift_rng_uniform(r) < part ? factor * x : x)]++;
    }
}

/* Wide and narrow distributions, the whole and a part of the traffic. */
START_TEST(units)
{
    static const double factor[] = {1000, 1e-3, 60, 1 / 60.0, 1e6, 1e-6, 3600, 8, -1000};
    static const double sigma[] = {.3, 1, 2}, part[] = {1, .3};
    struct drift_rng r = drift_rng_new(drift_test_seed() + 42);
    uint64_t p[DRIFT_MAGNITUDES], q[DRIFT_MAGNITUDES];
    struct drift_unit_change u;
    for (size_t i = 0; i < sizeof factor / sizeof *factor; i++)
        for (size_t s = 0; s < 3; s++)
            for (size_t k = 0; k < 2; k++) {
                double mu = factor[i] > 1e3 ? 3 : fabs(factor[i]) < 1e-3 ? 12 : 8;
                draw(p, &r, mu, sigma[s], 1, 0, 20000);
                draw(q, &r, mu, sigma[s], factor[i], part[k], 5000);
                bool found = drift_magnitude_compare(p, q, &u);
                if (k && sigma[s] > 1 && fabs(log2(fabs(factor[i]))) < 7)
                    continue; /* what left and what came lie over each other: it need not be seen */
                ck_assert_msg(found, "factor %g sigma %g part %g: explained %g moved %g", factor[i], sigma[s], part[k],
                              u.explained, u.moved);
                ck_assert_msg(fabs(log2(u.factor / factor[i])) < .25, "factor %g sigma %g part %g: %g", factor[i],
                              sigma[s], part[k], u.factor);
                ck_assert_double_eq_tol(u.moved, part[k], .1);
                if (!k && sigma[s] < 1.5)
                    ck_assert_double_eq_tol(u.known, fabs(factor[i]), 1e-12);
            }
}
END_TEST

/* Beyond the ends of the scale sizes are not told apart: a bound, never a factor by name. */
START_TEST(off_the_scale)
{
    static const struct {
        double size, factor;
    } cases[] = {{1.7e12, 1e3}, {1.7e9, 1e9}, {1.7e18, 1e-9}, {1e11, 1e3}, {1e-5, 1e-3}, {1e-8, 1e3}, {1e-4, 1e-6}};
    struct drift_rng r = drift_rng_new(drift_test_seed() + 44);
    uint64_t p[DRIFT_MAGNITUDES], q[DRIFT_MAGNITUDES];
    struct drift_unit_change u;
    char text[128];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int wide = 0; wide < 2; wide++) {
            draw(p, &r, log(cases[i].size), wide ? .5 : .001, 1, 0, 20000);
            draw(q, &r, log(cases[i].size), wide ? .5 : .001, cases[i].factor, 1, 5000);
            bool found = drift_magnitude_compare(p, q, &u);
            ck_assert_msg(!found || (u.at_least && !(u.known > 0)), "%g times %g: %g", cases[i].size, cases[i].factor,
                          u.factor);
            ck_assert(!found || fabs(log2(u.factor)) <= fabs(log2(cases[i].factor)) + .25);
            ck_assert(found || wide);
        }
    drift_magnitude_text(&(struct drift_unit_change){.factor = 4, .moved = 1, .at_least = true}, text, sizeof text);
    ck_assert_str_eq(text, "100 % of values are at least 4 times as large: another unit?");
}
END_TEST

START_TEST(what_is_none)
{
    struct drift_rng r = drift_rng_new(drift_test_seed() + 43);
    uint64_t p[DRIFT_MAGNITUDES], q[DRIFT_MAGNITUDES];
    struct drift_unit_change u;
    char text[128];
    for (int i = 0; i < 200; i++) {
        double mu = 20 * drift_rng_uniform(&r) - 5, sigma = .2 + 2 * drift_rng_uniform(&r);
        draw(p, &r, mu, sigma, 1, 0, 20000);
        draw(q, &r, mu, sigma, 1, 0, 1000);
        ck_assert(!drift_magnitude_compare(p, q, &u)); /* chance */
        draw(q, &r, mu + .3 * sigma, sigma, 1, 0, 1000);
        bool found = drift_magnitude_compare(p, q, &u);
        ck_assert_msg(!found || u.moved < .3, "a small shift is no unit: %g of %g", u.factor, u.moved);
        draw(q, &r, mu, 3 * sigma, 1, 0, 1000);
        ck_assert_msg(!drift_magnitude_compare(p, q, &u), "wider is no unit: %g", u.factor);
    }
    memset(p, 0, sizeof p);
    ck_assert(!drift_magnitude_compare(p, q, &u));
    ck_assert(!drift_magnitude_compare(q, p, &u));
    drift_magnitude_text(&(struct drift_unit_change){.factor = 1003, .known = 1000, .moved = .973}, text, sizeof text);
    ck_assert_str_eq(text, "97 % of values are about 1000 times as large: another unit?");
    drift_magnitude_text(&(struct drift_unit_change){.factor = 1. / 62, .known = 1. / 60, .moved = 1}, text,
                         sizeof text);
    ck_assert_str_eq(text, "100 % of values are about 60 times as small: another unit?");
    drift_magnitude_text(&(struct drift_unit_change){.factor = -1.1, .moved = 1}, text, sizeof text);
    ck_assert_str_eq(text, "100 % of values changed their sign");
}
END_TEST

START_TEST(in_a_layout)
{
    struct drift_layout *l = drift_layout_new(), *bare = drift_layout_new();
    drift_layout_add_numeric(l, DRIFT_FEATURE, "a", NULL, 0, false, NULL, 0);
    drift_layout_add_categorical(l, DRIFT_FEATURE, "b", NULL, 0, NULL, 0);
    drift_layout_add_numeric(l, DRIFT_SCORE, NULL, NULL, 0, false, NULL, 0);
    ck_assert_int_eq(drift_magnitude_add(l), 0);
    ck_assert_int_eq(drift_magnitude_add(bare), 0);
    ck_assert_uint_eq(bare->n_blocks, 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    ck_assert_uint_eq(l->n_counts, 5 + 6 + 5 + 256);
    ck_assert_uint_eq(drift_magnitude_first(l, 0), 16);
    ck_assert_uint_eq(drift_magnitude_first(l, 1), UINT32_MAX);
    ck_assert_uint_eq(drift_magnitude_first(l, 2), 16 + 128);
    drift_layout_free(l);
    drift_layout_free(bare);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("magnitude");
    drift_test_add(s, "buckets", buckets, 10);
    drift_test_add(s, "units", units, 30);
    drift_test_add(s, "ends of the scale", off_the_scale, 10);
    drift_test_add(s, "no unit", what_is_none, 30);
    drift_test_add(s, "layout", in_a_layout, 10);
    return drift_test_run(s);
}
