/* tests/unit/stats/test_legendre.c    Legendre scores: reference values, orthonormality, the exact tilt. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "driftd/error.h"
#include "driftd/legendre.h"

enum { CELLS = 102 };

/* Values of an independent implementation (powers of u, Gram-Schmidt in numpy). */
START_TEST(acceptance)
{
    static const uint64_t q[10] = {120, 90, 100, 80, 110, 95, 105, 130, 85, 85};
    static const double expected[4] = {-.7706746356, -.2175970699, -3.2873326488, .3272314465};
    uint64_t p[10];
    double mass[10], phi[4 * 10], v;
    unsigned rank;
    for (int i = 0; i < 10; i++)
        p[i] = 10000;
    ck_assert_int_eq(drift_legendre_basis(p, 10, 4, mass, phi, &rank), 0);
    ck_assert_uint_eq(rank, 4);
    for (int r = 0; r < 4; r++) {
        ck_assert_int_eq(drift_legendre_score(phi + 10 * r, q, 10, &v), 0);
        ck_near(v, expected[r], 1e-9);
    }
    /* the bound of the Gaussian form: +V2 is anti-conservative at theta 4, -V2 is not */
    ck_near(drift_legendre_cgf(mass, phi + 10, 10, 1000, 4) - 8, .172978610142, 1e-9);
    ck_assert_double_lt(drift_legendre_cgf(mass, phi + 10, 10, 1000, -4), 8);
    ck_assert_double_lt(drift_legendre_cgf(mass, phi, 10, 1000, 4), 8);
}
END_TEST

static size_t counts_draw(struct drift_rng *r, uint64_t *p)
{
    size_t k = 2 + drift_rng_below(r, CELLS - 2);
    for (size_t i = 0; i < k; i++)
        p[i] = drift_rng_below(r, 4) ? drift_rng_below(r, 1 + (drift_rng_u64(r) >> (24 + drift_rng_below(r, 39)))) : 0;
    p[drift_rng_below(r, k)] += 7;
    return k;
}

START_TEST(basis_is_orthonormal)
{
    struct drift_rng r = drift_rng_new(1);
    uint64_t p[CELLS];
    double mass[CELLS], phi[4 * CELLS];
    unsigned rank;
    for (int round = 0; round < 2000; round++) {
        size_t k = counts_draw(&r, p), filled = 0;
        for (size_t i = 0; i < k; i++)
            filled += p[i] > 0;
        ck_assert_int_eq(drift_legendre_basis(p, k, 4, mass, phi, &rank), 0);
        if (rank > 4 || rank >= filled || (filled > 1 && !rank))
            ck_abort_msg("rank %u of %zu cells", rank, filled);
        for (unsigned a = 0; a < 4; a++)
            for (unsigned b = 0; b <= a; b++) {
                double s = 0, m = 0;
                for (size_t i = 0; i < k; i++) {
                    s += mass[i] * phi[a * k + i] * phi[b * k + i];
                    m += mass[i] * phi[a * k + i];
                }
                if (!(fabs(s - (a == b && a < rank)) < 1e-6) || !(fabs(m) < 1e-9))
                    ck_abort_msg("rows %u and %u of %zu cells: %g, mean %g", a, b, k, s, m);
            }
    }
}
END_TEST

/* Sum over all outcomes of a small multinomial: the mean of exp(theta V - K) is 1 to the last digits. */
START_TEST(tilt_is_exact)
{
    static const uint64_t p[3] = {70, 25, 5};
    enum { N = 12 };
    double mass[3], phi[2 * 3], fact[N + 1] = {1};
    unsigned rank;
    for (int i = 1; i <= N; i++)
        fact[i] = fact[i - 1] * i;
    ck_assert_int_eq(drift_legendre_basis(p, 3, 2, mass, phi, &rank), 0);
    ck_assert_uint_eq(rank, 2);
    for (int k = 0; k < 8; k++) {
        const double *row = phi + 3 * (k % 2), theta = (k & 4 ? -1 : 1) * (k & 2 ? 4 : .5);
        double total = 0, cgf = drift_legendre_cgf(mass, row, 3, N, theta);
        for (uint64_t a = 0; a <= N; a++)
            for (uint64_t b = 0; a + b <= N; b++) {
                uint64_t q[3] = {a, b, N - a - b};
                double v;
                ck_assert_int_eq(drift_legendre_score(row, q, 3, &v), 0);
                double ways = fact[N] / (fact[a] * fact[b] * fact[q[2]]);
                total += ways * pow(mass[0], (double)a) * pow(mass[1], (double)b) * pow(mass[2], (double)q[2]) *
                         exp(theta * v - cgf);
            }
        ck_near(total, 1, 1e-12);
    }
}
END_TEST

START_TEST(four_tilts_at_once)
{
    static const double theta[4] = {.5, 1, 2, 4};
    struct drift_rng r = drift_rng_new(2);
    uint64_t p[CELLS];
    double mass[CELLS], phi[2 * CELLS], up[4], down[4];
    unsigned rank;
    for (int round = 0; round < 200; round++) {
        size_t k = counts_draw(&r, p);
        double n = 1 + (double)drift_rng_below(&r, 100000), scale = .1 + drift_rng_uniform(&r);
        ck_assert_int_eq(drift_legendre_basis(p, k, 2, mass, phi, &rank), 0);
        drift_legendre_tilt(mass, phi, k, n, scale, up, down);
        for (int i = 0; i < 4; i++) {
            double a = drift_legendre_cgf(mass, phi, k, n, scale * theta[i]);
            double b = drift_legendre_cgf(mass, phi, k, n, -scale * theta[i]);
            if (!(drift_near(up[i], a, 1e-9) || fabs(up[i] - a) < 1e-7) ||
                !(drift_near(down[i], b, 1e-9) || fabs(down[i] - b) < 1e-7))
                ck_abort_msg("%g %g, %g %g", up[i], a, down[i], b);
        }
    }
}
END_TEST

START_TEST(direction_and_units)
{
    uint64_t p[CELLS], up[CELLS] = {0}, wide[CELLS] = {0};
    double mass[CELLS], phi[2 * CELLS], v1, v2;
    unsigned rank;
    for (int i = 0; i < CELLS; i++)
        p[i] = i && i < CELLS - 1 ? 100 : 0;
    for (int i = 50; i < CELLS; i++)
        up[i] = 10;
    for (int i = 0; i < 20; i++)
        wide[i] = wide[CELLS - 1 - i] = 10;
    ck_assert_int_eq(drift_legendre_basis(p, CELLS, 2, mass, phi, &rank), 0);
    ck_assert_double_gt(phi[CELLS - 1], phi[CELLS - 2] - 1e-9); /* a cell without baseline counts has its score too */
    drift_legendre_score(phi, up, CELLS, &v1);
    ck_assert_double_gt(v1, 10);
    drift_legendre_score(phi, wide, CELLS, &v1);
    drift_legendre_score(phi + CELLS, wide, CELLS, &v2);
    ck_assert_double_lt(fabs(v1), 1e-6);
    ck_assert_double_gt(v2, 10);
}
END_TEST

START_TEST(statuses)
{
    static const uint64_t none[3] = {0}, one[3] = {0, 5, 0}, two[3] = {3, 0, 5}, large[3] = {UINT64_MAX, UINT64_MAX, 1};
    double mass[3], phi[4 * 3], v = 5;
    unsigned rank = 9;
    ck_assert_int_eq(drift_legendre_basis(none, 3, 2, mass, phi, &rank), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_legendre_basis(one, 3, 0, mass, phi, &rank), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_legendre_basis(one, 3, 5, mass, phi, &rank), DRIFT_E_RANGE);
    ck_assert_uint_eq(rank, 9);
    ck_assert_int_eq(drift_legendre_basis(one, 3, 2, mass, phi, &rank), 0);
    ck_assert_uint_eq(rank, 0);
    ck_assert_int_eq(drift_legendre_basis(two, 3, 2, mass, phi, &rank), 0);
    ck_assert_uint_eq(rank, 1);
    ck_assert_int_eq(drift_legendre_score(phi, none, 3, &v), DRIFT_E_EMPTY);
    ck_assert_double_eq(v, 5);
    ck_assert_int_eq(drift_legendre_basis(large, 3, 4, mass, phi, &rank), 0);
    ck_assert_int_eq(drift_legendre_score(phi, large, 3, &v), 0);
    ck_assert(isfinite(v));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("legendre");
    drift_test_add(s, "acceptance", acceptance, 10);
    drift_test_add(s, "basis is orthonormal", basis_is_orthonormal, 20);
    drift_test_add(s, "tilt is exact", tilt_is_exact, 10);
    drift_test_add(s, "four tilts at once", four_tilts_at_once, 10);
    drift_test_add(s, "direction and units", direction_and_units, 10);
    drift_test_add(s, "statuses", statuses, 10);
    return drift_test_run(s);
}
