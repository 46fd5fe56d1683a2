/* tests/unit/detect/test_multiple.c    Adjusted p-values: references, order, the textbook example, what is refused. */
#include <math.h>
#include <string.h>

#include "driftd/error.h"
#include "driftd/multiple.h"
#include "families.h"
#include "support.h"

static const enum drift_multiple adjusting[] = {DRIFT_MULTIPLE_BONFERRONI, DRIFT_MULTIPLE_HOLM, DRIFT_MULTIPLE_BH,
                                                DRIFT_MULTIPLE_BY};
enum { N_ADJUSTING = sizeof adjusting / sizeof *adjusting };

START_TEST(agrees_with_statsmodels)
{
    ck_assert_int_eq(families_compare(DRIFTD_SOURCE_DIR "/tests/data/detect/multiple.json", 22), 4 * 680);
}
END_TEST

/* Benjamini and Hochberg 1995, section 3.2: 15 tests; Bonferroni at .05 rejects 3, their procedure 4. */
START_TEST(textbook_example)
{
    static const double p[15] = {.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344,
                                 .0459, .3240, .4262, .5719, .6528, .7590, 1.000};
    static const int rejected[] = {3, 3, 4, 3};
    for (int m = 0; m < N_ADJUSTING; m++) {
        double q[15];
        size_t order[15];
        int n = 0;
        ck_assert_int_eq(drift_multiple_adjust(adjusting[m], p, 15, order, q), 0);
        for (int i = 0; i < 15; i++)
            n += q[i] <= .05;
        ck_assert_int_eq(n, rejected[m]);
    }
}
END_TEST

/* Whatever the order, whether in place or not; and what each method promises of its neighbours. */
START_TEST(laws)
{
    struct drift_rng r = drift_rng_new(1);
    for (int round = 0; round < 200; round++) {
        double p[FAMILY_MAX], shuffled[FAMILY_MAX], q[N_ADJUSTING][FAMILY_MAX], again[FAMILY_MAX];
        size_t n = 1 + drift_rng_below(&r, 60), place[FAMILY_MAX], order[FAMILY_MAX];
        for (size_t i = 0; i < n; i++) {
            p[i] = drift_rng_below(&r, 4) ? pow(drift_rng_uniform(&r), 4) : (double)drift_rng_below(&r, 5) / 4;
            place[i] = i;
        }
        for (size_t i = n - 1; i > 0; i--) {
            size_t j = drift_rng_below(&r, i + 1), k = place[i];
            place[i] = place[j];
            place[j] = k;
        }
        for (int m = 0; m < N_ADJUSTING; m++) {
            ck_assert_int_eq(drift_multiple_adjust(adjusting[m], p, n, order, q[m]), 0);
            for (size_t i = 1; i < n; i++) {
                ck_assert(p[order[i - 1]] <= p[order[i]]);
                ck_assert(q[m][order[i - 1]] <= q[m][order[i]]);
            }
            for (size_t i = 0; i < n; i++)
                shuffled[i] = p[place[i]];
            ck_assert_int_eq(drift_multiple_adjust(adjusting[m], shuffled, n, order, shuffled), 0);
            for (size_t i = 0; i < n; i++) {
                ck_assert(shuffled[i] == q[m][place[i]]);
                ck_assert(q[m][i] >= p[i] && q[m][i] <= 1);
            }
        }
        ck_assert_int_eq(drift_multiple_adjust(DRIFT_MULTIPLE_NONE, p, n, order, again), 0);
        for (size_t i = 0; i < n; i++) {
            ck_assert(again[i] == p[i]);
            ck_assert(q[1][i] <= q[0][i]);               /* Holm, Bonferroni */
            ck_assert(q[2][i] <= q[1][i] * (1 + 1e-12)); /* Benjamini-Hochberg, Holm */
            ck_assert(q[2][i] <= q[3][i]);               /* Benjamini-Hochberg, -Yekutieli */
        }
    }
}
END_TEST

START_TEST(refuses)
{
    static const double wrong[] = {-1e-300, 1.0000000000000002, (double)NAN, (double)INFINITY};
    for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++) {
        double p[3] = {.1, wrong[w], .2}, q[3] = {7, 7, 7};
        size_t order[3];
        for (int m = 0; m < DRIFT_N_MULTIPLE; m++)
            ck_assert_int_eq(drift_multiple_adjust((enum drift_multiple)m, p, 3, order, q), DRIFT_E_RANGE);
        ck_assert(q[0] == 7 && q[1] == 7 && q[2] == 7);
    }
    double one = .5;
    size_t order;
    ck_assert_int_eq(drift_multiple_adjust(DRIFT_N_MULTIPLE, &one, 1, &order, &one), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_multiple_adjust(DRIFT_MULTIPLE_BH, NULL, 0, NULL, NULL), 0);
}
END_TEST

START_TEST(names)
{
    enum drift_multiple m = DRIFT_N_MULTIPLE;
    for (int i = 0; i < DRIFT_N_MULTIPLE; i++) {
        ck_assert(drift_multiple_parse(drift_multiple_name((enum drift_multiple)i), &m) && (int)m == i);
        ck_assert_uint_gt(strlen(drift_multiple_help(m)), 5);
    }
    ck_assert(!drift_multiple_parse("fdr", &m) && !drift_multiple_parse("", &m));
    ck_assert_str_eq(drift_multiple_name(DRIFT_N_MULTIPLE), "?");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("multiple");
    drift_test_add(s, "agrees with statsmodels", agrees_with_statsmodels, 10);
    drift_test_add(s, "textbook example", textbook_example, 10);
    drift_test_add(s, "laws", laws, 30);
    drift_test_add(s, "refuses", refuses, 10);
    drift_test_add(s, "names", names, 10);
    return drift_test_run(s);
}
