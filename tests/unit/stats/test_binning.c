/* tests/unit/stats/test_binning.c    Bins by named conventions: numpy on random samples, and the values that hurt. */
#include "driftd/binning.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "driftd/error.h"
#include "support.h"

enum { MOST = 512 };

static double number(FILE *f)
{
    char text[64];
    ck_assert_int_eq(fscanf(f, "%63s", text), 1);
    return strtod(text, NULL);
}

START_TEST(against_numpy)
{
    enum { CASES = 2000 };
    char command[512], name[32];
    unsigned m, k, cases = 0, edges = 0;
    snprintf(command, sizeof command, "/usr/bin/python3 '%s/tests/unit/stats/binning_oracle.py' %" PRIu64 " %d",
             DRIFTD_SOURCE_DIR, drift_test_seed(), CASES);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    while (fscanf(f, "%31s %u %u", name, &m, &k) == 3) {
        enum drift_binning b;
        double x[MOST], got[DRIFT_BINNING_EDGES];
        uint64_t counts[DRIFT_BINNING_EDGES + 1];
        size_t n;
        ck_assert(drift_binning_parse(name, &b) && m <= MOST);
        for (unsigned i = 0; i < m; i++)
            x[i] = number(f);
        ck_assert_int_eq(drift_binning_edges(b, x, m, got, &n), 0);
        ck_assert_uint_eq(n, k);
        for (unsigned i = 0; i < k; i++) {
            double want = number(f);
            ck_assert_msg(got[i] == want, "case %u, %s of %u values: edge %u is %a, not %a", cases, name, m, i, got[i],
                          want);
        }
        drift_binning_count(b, got, n, x, m, counts);
        for (unsigned i = 0; i <= k; i++)
            ck_assert_msg((double)counts[i] == number(f), "case %u, %s: count %u", cases, name, i);
        cases++;
        edges += k;
    }
    ck_assert_int_eq(pclose(f), 0);
    printf("%u samples, %u edges compared with numpy\n", cases, edges);
    ck_assert_uint_eq(cases, CASES);
    ck_assert_uint_ge(edges, 6000);
}
END_TEST

START_TEST(extremes)
{
    static const double wide[] = {-DBL_MAX, -1, 0, 1, DBL_MAX}, one[] = {3};
    for (int b = 0; b < DRIFT_N_BINNING; b++) {
        double e[DRIFT_BINNING_EDGES];
        uint64_t c[DRIFT_BINNING_EDGES + 1], sum = 0;
        size_t n = 99;
        ck_assert_int_eq(drift_binning_edges((enum drift_binning)b, wide, 5, e, &n), 0);
        ck_assert_uint_ge(n, 4);
        for (size_t i = 0; i < n; i++)
            ck_assert(isfinite(e[i]) && (!i || e[i] > e[i - 1]) && e[i] >= -DBL_MAX && e[i] <= DBL_MAX);
        drift_binning_count((enum drift_binning)b, e, n, wide, 5, c);
        for (size_t i = 0; i <= n; i++)
            sum += c[i];
        ck_assert_uint_eq(sum, 5);
        ck_assert_int_eq(drift_binning_edges((enum drift_binning)b, one, 1, e, &n), 0);
        ck_assert_uint_eq(n, b == DRIFT_BINNING_W10_MINMAX_LC ? 0 : 1);
        drift_binning_count((enum drift_binning)b, e, n, NULL, 0, c);
        for (size_t i = 0; i <= n; i++)
            ck_assert_uint_eq(c[i], 0);
        ck_assert_int_eq(drift_binning_edges((enum drift_binning)b, NULL, 0, e, &n), DRIFT_E_EMPTY);
        ck_assert(*drift_binning_help((enum drift_binning)b));
    }
    size_t n;
    double e[DRIFT_BINNING_EDGES];
    enum drift_binning b;
    ck_assert_int_eq(drift_binning_edges(DRIFT_N_BINNING, one, 1, e, &n), DRIFT_E_RANGE);
    ck_assert(!drift_binning_parse("deciles", &b));
    ck_assert_str_eq(drift_binning_name(DRIFT_N_BINNING), "unknown");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("binning");
    drift_test_add(s, "against numpy", against_numpy, 30);
    drift_test_add(s, "extremes", extremes, 5);
    return drift_test_run(s);
}
