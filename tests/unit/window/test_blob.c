/* Packed windows: what is saved comes back, damaged bytes are refused, sums do not depend on the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/window/blob.h"
#include "support.h"

static struct drift_layout *make_layout(struct drift_rng *r)
{
    struct drift_layout *l = drift_layout_new();
    size_t columns = 1 + drift_rng_below(r, 6);
    for (size_t i = 0; i < columns; i++) {
        char name[32];
        double edges[100];
        uint32_t n = (uint32_t)drift_rng_below(r, 100);
        snprintf(name, sizeof name, "f%zu", i);
        for (uint32_t k = 0; k < n; k++)
            edges[k] = k + drift_rng_uniform(r) * .5;
        if (drift_rng_below(r, 2)) {
            ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, name, edges, n, false, NULL, 0), 0);
        } else {
            const char *cats[] = {"a", "b", "c"};
            ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, name, cats, 3, NULL, 0), 0);
        }
    }
    for (size_t i = drift_rng_below(r, 3); i > 0; i--) {
        char name[32];
        snprintf(name, sizeof name, "block %zu", i);
        ck_assert_int_eq(drift_layout_add_block(l, name, "x", 1, 1 + (uint32_t)drift_rng_below(r, 300)), 0);
    }
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

static void fill(struct drift_rng *r, struct drift_summary *s)
{
    s->n = drift_rng_below(r, 100000);
    for (uint32_t i = 0; i < s->layout->n_counts; i++)
        if (drift_rng_below(r, 2))
            s->counts[i] = drift_rng_u64(r) >> (8 + drift_rng_below(r, 56));
    for (int k = 0; k < DRIFT_N_TALLY; k++)
        for (uint64_t i = drift_rng_below(r, 5); i > 0; i--) {
            char text[32];
            int n = snprintf(text, sizeof text, "v%d", (int)drift_rng_below(r, 40));
            drift_tally_add(&s->tally[k], text, (size_t)n, 1 + drift_rng_below(r, 1000));
        }
    for (uint32_t i = 0; i < s->layout->n_columns; i++)
        for (uint64_t k = drift_rng_below(r, 4) ? 0 : drift_rng_below(r, 300); k > 0; k--) {
            char text[32];
            int n = snprintf(text, sizeof text, "new %d", (int)drift_rng_below(r, 100));
            drift_summary_unseen(s, i, text, (size_t)n);
        }
}

static uint32_t held(const struct drift_summary *s, uint32_t column)
{
    return s->unseen && s->unseen[column] ? s->unseen[column]->n : 0;
}

static void same(const struct drift_summary *a, const struct drift_summary *b)
{
    for (uint32_t i = 0; i < a->layout->n_columns; i++) {
        ck_assert_uint_eq(held(a, i), held(b, i));
        for (uint32_t k = 0; k < held(a, i); k++)
            ck_assert_mem_eq(&a->unseen[i]->slots[k], &b->unseen[i]->slots[k], sizeof *a->unseen[i]->slots);
    }
    ck_assert_uint_eq(a->n, b->n);
    ck_assert(!memcmp(a->counts, b->counts, a->layout->n_counts * sizeof *a->counts));
    for (int k = 0; k < DRIFT_N_TALLY; k++) {
        ck_assert_uint_eq(a->tally[k].n, b->tally[k].n);
        ck_assert_uint_eq(a->tally[k].other, b->tally[k].other);
        for (uint32_t i = 0; i < a->tally[k].n; i++) {
            ck_assert_str_eq(a->tally[k].slots[i].text, b->tally[k].slots[i].text);
            ck_assert_uint_eq(a->tally[k].slots[i].count, b->tally[k].slots[i].count);
        }
    }
}

START_TEST(round_trip)
{
    struct drift_rng r = drift_rng_new(1);
    for (int round = 0; round < 500; round++) {
        struct drift_layout *l = make_layout(&r);
        struct drift_summary *s = drift_summary_new(l), *back = drift_summary_new(l), *twice = drift_summary_new(l);
        struct drift_buf b, again;
        struct drift_blob_head head;
        struct drift_err err;
        drift_buf_init(&b, 1 << 20);
        drift_buf_init(&again, 1 << 20);
        fill(&r, s);
        drift_blob_save(s, (uint32_t)round, round % 2, &b);
        ck_assert_msg(drift_blob_add(b.data, b.len, back, &err) == 0, "%s", err.text);
        same(s, back);
        drift_blob_save(back, (uint32_t)round, round % 2, &again);
        ck_assert(b.len == again.len && !memcmp(b.data, again.data, b.len)); /* save, load, save: equal bytes */
        ck_assert_int_eq(drift_blob_head(b.data, b.len, &head, &err), 0);
        ck_assert(head.plan_seq == (uint32_t)round && head.partial == (round % 2 == 1) && head.n == s->n);
        ck_assert_int_eq(drift_blob_add(b.data, b.len, twice, &err), 0);
        ck_assert_int_eq(drift_blob_add(b.data, b.len, twice, &err), 0);
        ck_assert_int_eq(drift_summary_merge(back, s), 0);
        same(back, twice);
        drift_buf_release(&b);
        drift_buf_release(&again);
        drift_summary_free(s);
        drift_summary_free(back);
        drift_summary_free(twice);
        drift_layout_free(l);
    }
}
END_TEST

START_TEST(damage)
{
    struct drift_rng r = drift_rng_new(2);
    struct drift_layout *l = make_layout(&r), *other = make_layout(&r);
    struct drift_summary *s = drift_summary_new(l), *into = drift_summary_new(l), *empty = drift_summary_new(l),
                         *foreign = drift_summary_new(other);
    struct drift_buf b;
    struct drift_err err;
    drift_buf_init(&b, 1 << 20);
    fill(&r, s);
    drift_blob_save(s, 7, false, &b);
    for (size_t n = 0; n < b.len; n++) { /* ends early, in memory of just that size */
        char *cut = malloc(n ? n : 1);
        memcpy(cut, b.data, n);
        ck_assert_int_ne(drift_blob_add(cut, n, into, &err), 0);
        free(cut);
    }
    for (size_t i = 0; i < b.len; i++) { /* a flipped bit */
        b.data[i] = (char)(b.data[i] ^ 1 << (i % 8));
        ck_assert_int_ne(drift_blob_add(b.data, b.len, into, &err), 0);
        b.data[i] = (char)(b.data[i] ^ 1 << (i % 8));
    }
    for (int round = 0; round < 20000; round++) { /* random bytes behind a good head and a good CRC */
        char junk[256];
        size_t n = 40 + drift_rng_below(&r, 200);
        memcpy(junk, b.data, 19);
        for (size_t i = 19; i < n - 4; i++)
            junk[i] = (char)drift_rng_u64(&r);
        uint32_t crc = drift_crc32c(junk, n - 4);
        memcpy(junk + n - 4, &crc, 4);
        struct drift_summary *scratch = drift_summary_new(l);
        (void)!drift_blob_add(junk, n, scratch, &err);
        drift_summary_free(scratch);
    }
    same(into, empty);
    ck_assert_int_eq(drift_blob_add(b.data, b.len, foreign, &err), DRIFT_E_MISMATCH);
    b.data[0] = 3;
    ck_assert_int_eq(drift_blob_add(b.data, b.len, into, &err), DRIFT_E_VERSION);
    drift_buf_release(&b);
    drift_summary_free(s);
    drift_summary_free(into);
    drift_summary_free(empty);
    drift_summary_free(foreign);
    drift_layout_free(l);
    drift_layout_free(other);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blob");
    drift_test_add(s, "round_trip", round_trip, 60);
    drift_test_add(s, "damage", damage, 60);
    return drift_test_run(s);
}
