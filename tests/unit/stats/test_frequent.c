/* tests/unit/stats/test_frequent.c    Frequent values against full counts: bounds, recall, order of joining. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/frequent.h"
#include "driftd/summary.h"
#include "zipf.h"

enum { VALUES = 20000, DRAWS = 100000, PARTS = 4, TOP = 10 };

static uint64_t counted[VALUES];
static double below[VALUES]; /* law of zipf.h */

static void add(struct drift_frequent *f, int value)
{
    char text[16];
    int n = snprintf(text, sizeof text, "v%d", value);
    drift_frequent_add(f, text, (size_t)n);
}

static void within(const struct drift_frequent *f, size_t *ret_found)
{
    struct drift_frequent_value top[TOP];
    size_t n = drift_frequent_top(f, top, TOP);
    *ret_found = 0;
    for (size_t i = 0; i < n; i++) {
        int value = atoi(top[i].text + 1);
        ck_assert_uint_le(top[i].at_least, counted[value]);
        ck_assert_uint_ge(top[i].at_most, counted[value]);
        *ret_found += value < TOP;
    }
}

START_TEST(bounds_and_recall)
{
    struct drift_rng r = drift_rng_new(drift_test_seed() + 51);
    struct drift_frequent part[PARTS] = {{0}}, joined[2] = {{0}}, whole = {0};
    size_t found;
    zipf_law(below, VALUES, 1.1);
    memset(counted, 0, sizeof counted);
    for (int i = 0; i < DRAWS; i++) {
        int value = (int)zipf_draw(below, VALUES, &r);
        counted[value]++;
        add(&part[drift_rng_below(&r, PARTS)], value);
        add(&whole, value);
    }
    within(&whole, &found);
    ck_assert_uint_ge(found, 8);
    for (int i = 0; i < PARTS; i++) {
        drift_frequent_join(&joined[0], &part[i]);
        drift_frequent_join(&joined[1], &part[PARTS - 1 - i]);
    }
    within(&joined[0], &found);
    ck_assert_uint_ge(found, 8);
    struct drift_frequent_value a[TOP], b[TOP];
    ck_assert_uint_eq(drift_frequent_top(&joined[0], a, TOP), TOP);
    ck_assert_uint_eq(drift_frequent_top(&joined[1], b, TOP), TOP);
    for (int i = 0; i < TOP; i++) { /* whatever the order */
        ck_assert_str_eq(a[i].text, b[i].text);
        ck_assert_uint_eq(a[i].at_least, b[i].at_least);
        ck_assert_uint_eq(a[i].at_most, b[i].at_most);
    }
    for (int i = 0; i < PARTS; i++)
        drift_frequent_release(&part[i]);
    drift_frequent_release(&joined[0]);
    drift_frequent_release(&joined[1]);
    drift_frequent_release(&whole);
}
END_TEST

START_TEST(few_values_are_exact)
{
    struct drift_frequent f = {0}, g = {0};
    struct drift_frequent_value top[TOP];
    for (int i = 0; i < 50; i++)
        for (int k = 0; k <= i; k++)
            add(&f, i);
    drift_frequent_add(&f, "a\0b", 3); /* cut at the NUL */
    drift_frequent_add(&f, "", 0);
    drift_frequent_join(&g, &f);
    drift_frequent_join(&g, &f);
    ck_assert_uint_eq(drift_frequent_top(&g, top, TOP), TOP);
    for (int i = 0; i < TOP; i++) {
        ck_assert_int_eq(atoi(top[i].text + 1), 49 - i);
        ck_assert_uint_eq(top[i].at_least, 2 * (uint64_t)(50 - i));
        ck_assert_uint_eq(top[i].at_most, top[i].at_least);
    }
    drift_frequent_clear(&f);
    ck_assert_uint_eq(drift_frequent_top(&f, top, TOP), 0);
    drift_frequent_release(&f);
    drift_frequent_release(&g);
}
END_TEST

START_TEST(long_and_many)
{
    static char text[300];
    struct drift_frequent f = {0};
    struct drift_frequent_value top[1];
    memset(text, 'x', sizeof text);
    memcpy(text + 62, "\xe2\x82\xac", 3); /* a character across the cut goes whole */
    drift_frequent_add(&f, text, sizeof text);
    ck_assert_uint_eq(drift_frequent_top(&f, top, 1), 1);
    ck_assert_uint_eq(strlen(top[0].text), 62);
    for (int i = 0; i < 5000; i++)
        add(&f, i);
    ck_assert_uint_eq(f.n, DRIFT_FREQUENT_SLOTS);
    drift_frequent_release(&f);
    struct drift_layout *l = drift_layout_new();
    for (int i = 0; i < 70; i++) {
        snprintf(text, sizeof text, "c%d", i);
        ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, text, NULL, 0, NULL, 0), 0);
    }
    ck_assert_int_eq(drift_layout_seal(l), 0);
    struct drift_summary *s = drift_summary_new(l);
    for (uint32_t i = 0; i < 70; i++)
        drift_summary_unseen(s, i, "x", 1);
    ck_assert_uint_eq(s->n_unseen, DRIFT_FREQUENT_COLUMNS);
    ck_assert_ptr_null(drift_summary_sketch(s, 69));
    drift_summary_free(s);
    drift_layout_free(l);
}
END_TEST

/* More partitions of nothing but different values than a joined sketch holds: the one that is everywhere is kept, and
 * its bounds hold, in either order. */
START_TEST(more_than_it_holds)
{
    enum { MANY = 100 };
    struct drift_frequent part[MANY] = {{0}}, joined[2] = {{0}};
    struct drift_frequent_value top[1];
    for (int i = 0; i < MANY; i++) {
        for (int k = 0; k < 80; k++)
            add(&part[i], 100 * i + k);
        for (int k = 0; k < 5; k++)
            add(&part[i], 19999);
    }
    for (int i = 0; i < MANY; i++) {
        drift_frequent_join(&joined[0], &part[i]);
        drift_frequent_join(&joined[1], &part[MANY - 1 - i]);
    }
    for (int k = 0; k < 2; k++) {
        ck_assert_uint_le(joined[k].n, DRIFT_FREQUENT_JOIN_MAX);
        ck_assert_uint_eq(drift_frequent_top(&joined[k], top, 1), 1);
        ck_assert_str_eq(top[0].text, "v19999");
        ck_assert_uint_le(top[0].at_least, 5 * MANY);
        ck_assert_uint_ge(top[0].at_most, 5 * MANY);
        drift_frequent_release(&joined[k]);
    }
    for (int i = 0; i < MANY; i++)
        drift_frequent_release(&part[i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("frequent");
    drift_test_add(s, "bounds, recall", bounds_and_recall, 30);
    drift_test_add(s, "more than it holds", more_than_it_holds, 20);
    drift_test_add(s, "few are exact", few_values_are_exact, 10);
    drift_test_add(s, "long, many", long_and_many, 10);
    return drift_test_run(s);
}
