/* tests/unit/stats/test_summary.c    Summaries add exactly, in any order and grouping. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/summary.h"

enum { PARTS = 6 };

static struct drift_layout *layout_make(const char *name)
{
    struct drift_layout *l = drift_layout_new();
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, name, (double[]){0, 1, 2}, 3, true, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "c", (const char *const[]){"a", "b"}, 2, NULL, 0),
                     0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

static struct drift_summary *part_make(const struct drift_layout *l, struct drift_rng *r, uint64_t texts)
{
    struct drift_summary *s = drift_summary_new(l);
    s->n = drift_rng_below(r, 1000);
    for (uint32_t i = 0; i < l->n_counts; i++)
        s->counts[i] = drift_rng_u64(r) >> drift_rng_below(r, 64);
    for (int k = 0; k < DRIFT_N_TALLY; k++)
        for (int i = 0; i < 60; i++) {
            char text[160];
            int n = snprintf(text, sizeof text, "%0*lu", (int)(1 + drift_rng_below(r, 140)),
                             (unsigned long)drift_rng_below(r, texts));
            drift_tally_add(&s->tally[k], text, (size_t)n, 1 + drift_rng_below(r, 5));
        }
    return s;
}

static uint64_t tally_total(const struct drift_summary *s)
{
    uint64_t total = 0;
    for (int k = 0; k < DRIFT_N_TALLY; k++) {
        total += s->tally[k].other;
        for (uint32_t i = 0; i < s->tally[k].n; i++)
            total += s->tally[k].slots[i].count;
    }
    return total;
}

static void ck_same(const struct drift_summary *a, const struct drift_summary *b)
{
    ck_assert_uint_eq(a->n, b->n);
    ck_assert_mem_eq(a->counts, b->counts, a->layout->n_counts * sizeof *a->counts);
    for (int k = 0; k < DRIFT_N_TALLY; k++) {
        ck_assert_uint_eq(a->tally[k].n, b->tally[k].n);
        ck_assert_uint_eq(a->tally[k].other, b->tally[k].other);
        if (a->tally[k].n)
            ck_assert_mem_eq(a->tally[k].slots, b->tally[k].slots, a->tally[k].n * sizeof *a->tally[k].slots);
    }
}

START_TEST(merge_order_and_grouping_do_not_matter)
{
    struct drift_layout *l = layout_make("x");
    struct drift_rng r = drift_rng_new(1);
    for (int round = 0; round < 200; round++) {
        struct drift_summary *part[PARTS], *left = drift_summary_new(l), *right = drift_summary_new(l);
        struct drift_summary *half = drift_summary_new(l);
        uint64_t total = 0;
        for (int i = 0; i < PARTS; i++) {
            part[i] = part_make(l, &r, 1 + drift_rng_below(&r, 100));
            total += tally_total(part[i]);
        }
        for (int i = 0; i < PARTS; i++)
            ck_assert_int_eq(drift_summary_merge(left, part[i]), 0);
        for (int i = PARTS - 1; i >= PARTS / 2; i--)
            ck_assert_int_eq(drift_summary_merge(right, part[i]), 0);
        for (int i = 0; i < PARTS / 2; i++)
            ck_assert_int_eq(drift_summary_merge(half, part[i]), 0);
        ck_assert_int_eq(drift_summary_merge(right, half), 0);
        ck_same(left, right);
        ck_assert_uint_eq(tally_total(left), total);
        drift_summary_reset(half);
        ck_assert_int_eq(drift_summary_merge(right, half), 0); /* nothing is the zero of adding */
        ck_same(left, right);
        for (int i = 0; i < PARTS; i++)
            drift_summary_free(part[i]);
        drift_summary_free(left);
        drift_summary_free(right);
        drift_summary_free(half);
    }
    drift_layout_free(l);
}
END_TEST

START_TEST(only_equal_layouts_add)
{
    struct drift_layout *l = layout_make("x"), *same = layout_make("x"), *other = layout_make("y");
    struct drift_summary *a = drift_summary_new(l), *b = drift_summary_new(same), *c = drift_summary_new(other);
    a->n = a->counts[3] = 5;
    b->n = b->counts[3] = 7;
    c->n = 9;
    ck_assert_int_eq(drift_summary_merge(a, b), 0);
    ck_assert_uint_eq(a->counts[3], 12);
    ck_assert_int_eq(drift_summary_merge(a, c), DRIFT_E_MISMATCH);
    ck_assert_uint_eq(a->n, 12);
    ck_assert_ptr_eq(drift_summary_specials(a, &l->columns[1]), a->counts + 8);
    ck_assert_ptr_eq(drift_summary_cells(a, &l->columns[0]), a->counts + 4);
    drift_summary_free(a);
    drift_summary_free(b);
    drift_summary_free(c);
    drift_summary_free(NULL);
    drift_layout_free(l);
    drift_layout_free(same);
    drift_layout_free(other);
}
END_TEST

START_TEST(tally_keeps_the_first_texts)
{
    struct drift_layout *l = layout_make("x");
    struct drift_summary *s = drift_summary_new(l);
    struct drift_tally *t = &s->tally[0];
    char text[8];
    for (int i = 0; i < 40; i++)
        drift_tally_add(t, text, (size_t)snprintf(text, sizeof text, "v%02d", i), 2);
    ck_assert_uint_eq(t->n, DRIFT_TALLY_SLOTS);
    ck_assert_uint_eq(t->other, 2 * (40 - DRIFT_TALLY_SLOTS));
    drift_tally_add(t, "v03x", 3, 1); /* three bytes */
    ck_assert_str_eq(t->slots[3].text, "v03");
    ck_assert_uint_eq(t->slots[3].count, 3);
    drift_tally_join(t, "v39", 3, 4);
    ck_assert_uint_eq(t->n, DRIFT_TALLY_SLOTS + 1);
    ck_assert_str_eq(t->slots[32].text, "v39");
    drift_summary_reset(s);
    ck_assert_uint_eq(t->n, 0);
    ck_assert_uint_eq(t->other, 0);
    drift_tally_add(t, "", 0, 1);
    ck_assert_str_eq(t->slots[0].text, "");
    for (int k = 0; k < DRIFT_N_TALLY; k++)
        ck_assert_str_ne(drift_tally_name((enum drift_tally_kind)k), "unknown");
    ck_assert_str_eq(drift_tally_name(DRIFT_N_TALLY), "unknown");
    drift_summary_free(s);
    drift_layout_free(l);
}
END_TEST

START_TEST(tally_cuts_texts)
{
    struct drift_tally t = {0};
    char text[300];
    memset(text, 'x', sizeof text);
    drift_tally_add(&t, text, 300, 1);
    drift_tally_add(&t, text, 127, 1); /* what is kept of it */
    drift_tally_add(&t, "a\0b", 3, 1);
    drift_tally_add(&t, "a", 1, 1);
    memcpy(text + 125, "\xe6\x97\xa5", 3);
    drift_tally_add(&t, text, 300, 1);
    ck_assert_uint_eq(t.n, 3);
    ck_assert_str_eq(t.slots[0].text, "a");
    ck_assert_uint_eq(t.slots[0].count, 2);
    ck_assert_uint_eq(strlen(t.slots[1].text), 125);
    ck_assert_uint_eq(strlen(t.slots[2].text), 127);
    ck_assert_uint_eq(t.slots[2].count, 2);
    free(t.slots);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("summary");
    drift_test_add(s, "merge order and grouping", merge_order_and_grouping_do_not_matter, 30);
    drift_test_add(s, "only equal layouts add", only_equal_layouts_add, 10);
    drift_test_add(s, "tally keeps the first", tally_keeps_the_first_texts, 10);
    drift_test_add(s, "tally cuts", tally_cuts_texts, 10);
    return drift_test_run(s);
}
