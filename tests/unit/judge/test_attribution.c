/* tests/unit/judge/test_attribution.c    Which values explain a change, on counts whose cause is known. */
#include <math.h>
#include <string.h>

#include "driftd/internal/judge/attribution.h"
#include "driftd/psi.h"
#include "support.h"

enum { VALUES = 4, CELLS = 5 };
static uint64_t base[VALUES * CELLS], cur[VALUES * CELLS];
static struct drift_attribution a;

static void rows(uint64_t *to, const uint64_t *weights, uint64_t (*shares)[CELLS])
{
    for (int v = 0; v < VALUES; v++)
        for (int i = 0; i < CELLS; i++)
            to[v * CELLS + i] = weights[v] * shares[v][i];
}

static uint64_t flat[VALUES][CELLS] = {
    {20, 20, 20, 20, 20}, {20, 20, 20, 20, 20}, {20, 20, 20, 20, 20}, {20, 20, 20, 20, 20}};
static uint64_t apart[VALUES][CELLS] = {
    {80, 10, 5, 5, 0}, {0, 5, 5, 10, 80}, {20, 20, 20, 20, 20}, {20, 20, 20, 20, 20}};
static const uint64_t even[VALUES] = {10, 10, 10, 10};

static void run(void)
{
    drift_attribute(base, cur, VALUES, CELLS, 100, &a);
    ck_assert(isfinite(a.psi) && a.psi >= 0 && a.mix >= 0 && a.mix <= 1 && isfinite(a.left));
}

START_TEST(nothing_changed)
{
    rows(base, even, apart);
    rows(cur, even, apart);
    run();
    ck_assert_int_eq(a.kind, DRIFT_ATTRIBUTION_NONE);
    ck_assert(a.psi == 0 && a.n_removed == 0);
}
END_TEST

START_TEST(one_value)
{
    uint64_t changed[VALUES][CELLS];
    memcpy(changed, flat, sizeof flat);
    memcpy(changed[2], (uint64_t[CELLS]){5, 5, 10, 20, 60}, sizeof changed[2]);
    rows(base, even, flat);
    rows(cur, even, changed);
    run();
    ck_assert_int_eq(a.kind, DRIFT_ATTRIBUTION_VALUES);
    ck_assert(a.n_removed == 1 && a.removed[0] == 2 && a.left == 0 && a.mix < 1e-9);
    uint64_t p[CELLS] = {0}, q[CELLS] = {0};
    double psi;
    size_t bins;
    for (int i = 0; i < VALUES * CELLS; i++) {
        p[i % CELLS] += base[i];
        q[i % CELLS] += cur[i];
    }
    ck_assert_int_eq(drift_psi(p, q, CELLS, DRIFT_PSI_ADD_HALF, &psi, &bins), 0);
    ck_assert_double_eq_tol(a.psi, psi - drift_psi_noise(bins, 4000, 4000), 1e-15);
}
END_TEST

START_TEST(two_values)
{
    uint64_t changed[VALUES][CELLS];
    memcpy(changed, flat, sizeof flat);
    memcpy(changed[0], (uint64_t[CELLS]){5, 5, 10, 20, 60}, sizeof changed[0]);
    memcpy(changed[3], (uint64_t[CELLS]){10, 10, 10, 20, 50}, sizeof changed[3]);
    rows(base, even, flat);
    rows(cur, even, changed);
    run();
    ck_assert_int_eq(a.kind, DRIFT_ATTRIBUTION_VALUES);
    ck_assert(a.n_removed == 2 && a.removed[0] == 0 && a.removed[1] == 3 && a.left == 0);
}
END_TEST

START_TEST(all_alike)
{
    uint64_t changed[VALUES][CELLS];
    for (int v = 0; v < VALUES; v++)
        memcpy(changed[v], (uint64_t[CELLS]){5, 5, 10, 20, 60}, sizeof changed[v]);
    rows(base, even, flat);
    rows(cur, even, changed);
    run();
    ck_assert_int_eq(a.kind, DRIFT_ATTRIBUTION_ALIKE);
    ck_assert(a.n_removed == 0 && a.left == a.psi && a.mix < 1e-9);
}
END_TEST

START_TEST(only_the_mix)
{
    rows(base, even, apart);
    rows(cur, (uint64_t[VALUES]){5, 25, 10, 10}, apart);
    run();
    ck_assert_int_eq(a.kind, DRIFT_ATTRIBUTION_MIX);
    ck_assert_msg(a.mix > .98, "mix %g", a.mix);
}
END_TEST

START_TEST(mix_and_values)
{
    uint64_t changed[VALUES][CELLS];
    memcpy(changed, apart, sizeof apart);
    memcpy(changed[2], (uint64_t[CELLS]){0, 5, 5, 10, 80}, sizeof changed[2]);
    rows(base, even, apart);
    rows(cur, (uint64_t[VALUES]){9, 11, 10, 10}, changed);
    run();
    ck_assert_int_eq(a.kind, DRIFT_ATTRIBUTION_VALUES);
    ck_assert(a.removed[0] == 2 && a.mix > 0 && a.mix < .3);
}
END_TEST

/* Nothing to compare with when one value has everything; values that only one side has; empty sides. */
START_TEST(edges)
{
    uint64_t shifted[VALUES][CELLS];
    memcpy(shifted, apart, sizeof apart);
    memcpy(shifted[0], apart[1], sizeof shifted[0]);
    rows(base, (uint64_t[VALUES]){40, 0, 0, 0}, apart);
    rows(cur, (uint64_t[VALUES]){40, 0, 0, 0}, shifted);
    run();
    ck_assert_int_eq(a.kind, DRIFT_ATTRIBUTION_FEW);
    rows(base, (uint64_t[VALUES]){20, 0, 20, 20}, apart);
    rows(cur, (uint64_t[VALUES]){20, 30, 20, 20}, apart); /* value 1 is new */
    run();
    ck_assert_int_eq(a.kind, DRIFT_ATTRIBUTION_VALUES);
    ck_assert(a.n_removed == 1 && a.removed[0] == 1 && a.mix < .01);
    memset(cur, 0, sizeof cur);
    run();
    ck_assert_int_eq(a.kind, DRIFT_ATTRIBUTION_NONE);
    drift_attribute(base, cur, VALUES, 1, 100, &a);
    ck_assert(a.kind == DRIFT_ATTRIBUTION_NONE && a.p_value == 1);
    drift_attribute(base, cur, DRIFT_ATTRIBUTION_SIDES + 1, CELLS, 100, &a);
    ck_assert_int_eq(a.kind, DRIFT_ATTRIBUTION_NONE);
    ck_assert_str_eq(drift_attribution_name(DRIFT_ATTRIBUTION_MIX), "mix");
}
END_TEST

/* The order of values does not matter to what is found. */
START_TEST(permutation)
{
    uint64_t changed[VALUES][CELLS], turned_base[VALUES * CELLS], turned_cur[VALUES * CELLS];
    struct drift_attribution b;
    memcpy(changed, apart, sizeof apart);
    memcpy(changed[1], flat[0], sizeof changed[1]);
    rows(base, (uint64_t[VALUES]){7, 9, 13, 4}, apart);
    rows(cur, (uint64_t[VALUES]){6, 11, 10, 5}, changed);
    run();
    for (int v = 0; v < VALUES; v++) {
        memcpy(turned_base + ((v + 1) % VALUES) * CELLS, base + v * CELLS, CELLS * sizeof *base);
        memcpy(turned_cur + ((v + 1) % VALUES) * CELLS, cur + v * CELLS, CELLS * sizeof *cur);
    }
    drift_attribute(turned_base, turned_cur, VALUES, CELLS, 100, &b);
    ck_assert_int_eq(a.kind, b.kind);
    ck_assert_uint_eq(a.n_removed, b.n_removed);
    for (uint32_t i = 0; i < a.n_removed; i++)
        ck_assert_uint_eq((a.removed[i] + 1) % VALUES, b.removed[i]);
    ck_assert(a.psi == b.psi && a.left == b.left);
    ck_assert_double_eq_tol(a.mix, b.mix, 1e-12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attribution");
    drift_test_add(suite, "nothing changed", nothing_changed, 10);
    drift_test_add(suite, "one value", one_value, 10);
    drift_test_add(suite, "two values", two_values, 10);
    drift_test_add(suite, "all alike", all_alike, 10);
    drift_test_add(suite, "only the mix", only_the_mix, 10);
    drift_test_add(suite, "mix and values", mix_and_values, 10);
    drift_test_add(suite, "edges", edges, 10);
    drift_test_add(suite, "permutation", permutation, 10);
    return drift_test_run(suite);
}
