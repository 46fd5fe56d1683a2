/* tests/unit/baseline/test_baseline.c    The file form of a baseline: round trip, digest, hostile bytes. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/baseline/baseline.h"

enum { TAIL = 4 + 8 + 32 }; /* section DGST */

static struct drift_summary *random_summary(struct drift_rng *r, const struct drift_layout *l)
{
    struct drift_summary *s = drift_summary_new(l);
    s->n = drift_rng_below(r, 100000);
    for (uint32_t i = 0; i < l->n_counts; i++)
        if (drift_rng_below(r, 3))
            s->counts[i] = drift_rng_u64(r) >> drift_rng_below(r, 64);
    drift_tally_add(&s->tally[DRIFT_TALLY_MODEL_VERSION], "2024.01.0", 9, 7);
    return s;
}

static struct drift_baseline *sample_baseline(bool blocks)
{
    static const double edges[] = {-5e-324, 0, 1.5, 7e300};
    static const uint32_t bins[] = {2, 3, 5};
    static const char *const names[] = {"http", "ftp", "caf\xc3\xa9"}, *const rare[] = {"gopher"},
                             *const classes[] = {"0", "1"};
    struct drift_rng r = drift_rng_new(1);
    struct drift_baseline *b = calloc(1, sizeof *b);
    b->id = strdup("phish-v3.1");
    b->model = strdup("phish/url");
    b->created_ms = 1767225600000;
    b->meta = strdup("{\"id\":\"phish-v3.1\",\"model\":\"phish/url\",\"created_ms\":1767225600000}");
    struct drift_layout *in = b->chain[DRIFT_CHAIN_INPUT].layout = drift_layout_new();
    struct drift_layout *lb = b->chain[DRIFT_CHAIN_LABEL].layout = drift_layout_new();
    ck_assert_int_eq(drift_layout_add_numeric(in, DRIFT_FEATURE, "bytes", edges, 4, true, bins, 3), 0);
    ck_assert_int_eq(drift_layout_add_numeric(in, DRIFT_FEATURE, "empty", NULL, 0, false, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_categorical(in, DRIFT_FEATURE, "service", names, 3, rare, 1), 0);
    ck_assert_int_eq(drift_layout_add_categorical(lb, DRIFT_LABEL, "label", classes, 2, NULL, 0), 0);
    if (blocks) {
        ck_assert_int_eq(drift_layout_add_block(in, "magnitude", "\1\0\2", 3, 128), 0);
        ck_assert_int_eq(drift_layout_add_block(in, "by tenant", "acme", 4, 17), 0);
    }
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        struct drift_baseline_chain *c = &b->chain[k];
        ck_assert_int_eq(drift_layout_seal(c->layout), 0);
        c->pooled = random_summary(&r, c->layout);
        c->window_ms = 3600000;
        c->n_windows = 3;
        c->windows = calloc(c->n_windows, sizeof *c->windows);
        for (size_t i = 0; i < c->n_windows; i++)
            c->windows[i] = (struct drift_baseline_window){((int64_t)i - 1) * 7200000, random_summary(&r, c->layout)};
    }
    return b;
}

static void save(struct drift_baseline *b, struct drift_buf *out)
{
    struct drift_err err;
    drift_buf_init(out, 1 << 20);
    ck_assert_int_eq(drift_baseline_save(b, out, &err), 0);
}

/* Makes the digest at the end fit the bytes before it, as whoever forges a file would. */
static void reseal(uint8_t *p, size_t len)
{
    drift_sha256(p, len - TAIL, p + len - 32);
}

static void check_same(const struct drift_baseline *a, const struct drift_baseline *b)
{
    ck_assert_str_eq(a->id, b->id);
    ck_assert_str_eq(a->model, b->model);
    ck_assert_str_eq(a->meta, b->meta);
    ck_assert_str_eq(a->digest, b->digest);
    ck_assert_int_eq(a->created_ms, b->created_ms);
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        const struct drift_baseline_chain *x = &a->chain[k], *y = &b->chain[k];
        size_t bytes = x->layout->n_counts * sizeof(uint64_t);
        ck_assert_str_eq(x->layout->digest, y->layout->digest);
        ck_assert_uint_eq(x->layout->n_blocks, y->layout->n_blocks);
        for (uint32_t i = 0; i < x->layout->n_blocks; i++) {
            const struct drift_block *p = &x->layout->blocks[i], *q = &y->layout->blocks[i];
            ck_assert_str_eq(p->name, q->name);
            ck_assert_uint_eq(p->n, q->n);
            ck_assert_uint_eq(p->content_len, q->content_len);
            ck_assert_mem_eq(p->content, q->content, p->content_len);
        }
        ck_assert_uint_eq(x->pooled->n, y->pooled->n);
        ck_assert_int_eq(memcmp(x->pooled->counts, y->pooled->counts, bytes), 0);
        ck_assert_uint_eq(x->n_windows, y->n_windows);
        ck_assert_int_eq(x->window_ms, y->window_ms);
        for (size_t i = 0; i < x->n_windows; i++) {
            ck_assert_int_eq(x->windows[i].start_ms, y->windows[i].start_ms);
            ck_assert_uint_eq(x->windows[i].summary->n, y->windows[i].summary->n);
            ck_assert_int_eq(memcmp(x->windows[i].summary->counts, y->windows[i].summary->counts, bytes), 0);
            ck_assert_uint_eq(y->windows[i].summary->tally[DRIFT_TALLY_MODEL_VERSION].slots[0].count, 7);
        }
    }
}

START_TEST(round_trip)
{
    struct drift_baseline *b = sample_baseline(true), *again = NULL;
    struct drift_buf first, second;
    struct drift_err err;
    char hex[DRIFT_HEX_DIGEST];
    save(b, &first);
    drift_sha256_hex(first.data, first.len - TAIL, hex);
    ck_assert_str_eq(b->digest, hex);
    ck_assert_int_eq(drift_baseline_load(first.data, first.len, &again, &err), 0);
    check_same(b, again);
    save(again, &second);
    ck_assert_uint_eq(first.len, second.len);
    ck_assert_int_eq(memcmp(first.data, second.data, first.len), 0);
    drift_baseline_free(b);
    drift_baseline_free(again);
    drift_buf_release(&first);
    drift_buf_release(&second);
}
END_TEST

START_TEST(digest_names_the_content)
{
    struct drift_baseline *b = sample_baseline(true);
    struct drift_buf out, changed;
    char digest[DRIFT_HEX_DIGEST];
    save(b, &out);
    memcpy(digest, b->digest, sizeof digest);
    b->chain[DRIFT_CHAIN_LABEL].windows[2].summary->counts[5]++;
    save(b, &changed);
    ck_assert_str_ne(digest, b->digest);
    drift_baseline_free(b);
    drift_buf_release(&out);
    drift_buf_release(&changed);
}
END_TEST

START_TEST(pool_without_windows)
{
    struct drift_baseline *b = sample_baseline(true), *again = NULL;
    struct drift_buf out;
    struct drift_err err;
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        struct drift_baseline_chain *c = &b->chain[k];
        for (size_t i = 0; i < c->n_windows; i++)
            drift_summary_free(c->windows[i].summary);
        c->n_windows = 0;
        c->window_ms = 0;
    }
    save(b, &out);
    ck_assert_ptr_null(memmem(out.data, out.len, "WINS", 4));
    ck_assert_int_eq(drift_baseline_load(out.data, out.len, &again, &err), 0);
    check_same(b, again);
    drift_baseline_free(b);
    drift_baseline_free(again);
    drift_buf_release(&out);
}
END_TEST

static int load_exact(const void *p, size_t len, bool ret_text)
{
    struct drift_baseline *b = NULL;
    struct drift_err err = {0};
    void *exact = malloc(len ? len : 1); /* so that the sanitizer sees a read past the end */
    memcpy(exact, p, len);
    int rc = drift_baseline_load(exact, len, &b, &err);
    if (rc && ret_text)
        ck_assert_uint_gt(strlen(err.text), 10);
    drift_baseline_free(rc ? NULL : b);
    free(exact);
    return rc;
}

START_TEST(truncation_at_each_byte)
{
    struct drift_baseline *b = sample_baseline(true);
    struct drift_buf out;
    save(b, &out);
    for (size_t n = 0; n < out.len; n++)
        ck_assert_int_ne(load_exact(out.data, n, true), 0);
    ck_assert_int_eq(load_exact(out.data, out.len, false), 0);
    /* cut inside, with a digest that fits the rest */
    for (size_t n = 8; n < out.len - TAIL; n++) {
        uint8_t *cut = malloc(n + TAIL);
        memcpy(cut, out.data, n);
        memcpy(cut + n, out.data + out.len - TAIL, TAIL);
        reseal(cut, n + TAIL);
        int rc = load_exact(cut, n + TAIL, true);
        const char *wins = memmem(out.data, out.len, "WINS", 4);
        if ((size_t)(wins - out.data) == n) /* exactly the optional section is gone: a valid file */
            ck_assert_int_eq(rc, 0);
        else
            ck_assert_int_ne(rc, 0);
        free(cut);
    }
    printf("%zu lengths tried\n", 2 * out.len - 8 - TAIL);
    drift_baseline_free(b);
    drift_buf_release(&out);
}
END_TEST

START_TEST(flipped_bytes)
{
    struct drift_baseline *b = sample_baseline(true);
    struct drift_buf out;
    size_t refused = 0, taken = 0;
    save(b, &out);
    uint8_t *p = malloc(out.len);
    for (size_t i = 0; i < out.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(p, out.data, out.len);
            p[i] = (uint8_t)(p[i] ^ 1u << bit);
            ck_assert_int_ne(load_exact(p, out.len, true), 0);
            reseal(p, out.len); /* now only the checks behind the digest stand */
            load_exact(p, out.len, true) ? refused++ : taken++;
        }
    printf("%zu forged files refused, %zu hold other numbers\n", refused, taken);
    ck_assert_uint_gt(refused, 500);
    free(p);
    drift_baseline_free(b);
    drift_buf_release(&out);
}
END_TEST

START_TEST(random_bytes_behind_the_digest)
{
    struct drift_rng r = drift_rng_new(2);
    struct drift_baseline *b = sample_baseline(true);
    struct drift_buf out;
    save(b, &out);
    uint8_t *p = malloc(out.len);
    for (int round = 0; round < 20000; round++) {
        memcpy(p, out.data, out.len);
        for (uint64_t k = 1 + drift_rng_below(&r, 6); k--;)
            p[drift_rng_below(&r, out.len - TAIL)] = drift_rng_below(&r, 2) ? 0xff : (uint8_t)drift_rng_u64(&r);
        reseal(p, out.len);
        load_exact(p, out.len, true);
    }
    free(p);
    drift_baseline_free(b);
    drift_buf_release(&out);
}
END_TEST

/* Puts a section before the digest (or at the end) of a saved baseline and seals it again. */
static int load_with_section(const char *tag, bool behind)
{
    struct drift_baseline *b = sample_baseline(true);
    struct drift_buf out, more;
    save(b, &out);
    drift_buf_init(&more, 1 << 20);
    size_t cut = behind ? out.len : out.len - TAIL;
    drift_buf_add(&more, out.data, cut);
    drift_buf_add(&more, tag, 4);
    drift_buf_put_u64(&more, 3);
    drift_buf_adds(&more, "abc");
    drift_buf_add(&more, out.data + cut, out.len - cut);
    if (!behind)
        reseal((uint8_t *)more.data, more.len);
    int rc = load_exact(more.data, more.len, true);
    drift_baseline_free(b);
    drift_buf_release(&out);
    drift_buf_release(&more);
    return rc;
}

START_TEST(newer_files)
{
    struct drift_baseline *b = sample_baseline(true);
    struct drift_buf out;
    save(b, &out);
    out.data[6] = '2';
    ck_assert_int_eq(load_exact(out.data, out.len, true), DRIFT_E_VERSION);
    out.data[6] = 'x';
    ck_assert_int_eq(load_exact(out.data, out.len, true), DRIFT_E_PARSE);
    drift_baseline_free(b);
    drift_buf_release(&out);
    ck_assert_int_eq(load_with_section("CALI", false), DRIFT_E_VERSION);
    ck_assert_int_eq(load_with_section("hint", false), 0);
    ck_assert_int_eq(load_with_section("SIGN", true), 0);
    ck_assert_int_eq(load_with_section("SIGN", false), DRIFT_E_VERSION);
    ck_assert_int_eq(load_with_section("POOL", false), DRIFT_E_PARSE);
    ck_assert_int_eq(load_with_section("POOL", true), DRIFT_E_PARSE);
    ck_assert_int_eq(load_with_section("DGST", true), DRIFT_E_PARSE);
}
END_TEST

/* Files of before there were blocks are as they were; a section that names no block is not written. */
START_TEST(without_blocks)
{
    struct drift_baseline *b = sample_baseline(false), *again = NULL;
    struct drift_buf out;
    struct drift_err err;
    save(b, &out);
    ck_assert_ptr_null(memmem(out.data, out.len, "BLKS", 4));
    ck_assert_int_eq(drift_baseline_load(out.data, out.len, &again, &err), 0);
    check_same(b, again);
    drift_baseline_free(b);
    drift_baseline_free(again);
    drift_buf_release(&out);
    ck_assert_int_eq(load_with_section("BLKS", false), DRIFT_E_PARSE); /* they have some already, and pools besides */
}
END_TEST

/* jansson skips zero bytes between tokens: the text would no longer be what was parsed. */
START_TEST(zero_byte_in_meta)
{
    struct drift_baseline *b = sample_baseline(true);
    struct drift_buf out;
    free(b->meta);
    b->meta = strdup("{\"id\":\"a\", \"model\":\"m\"}");
    save(b, &out);
    ck_assert_int_eq(load_exact(out.data, out.len, false), 0);
    char *space = memchr(out.data, ' ', out.len);
    *space = 0;
    reseal((uint8_t *)out.data, out.len);
    ck_assert_int_eq(load_exact(out.data, out.len, true), DRIFT_E_PARSE);
    drift_baseline_free(b);
    drift_buf_release(&out);
}
END_TEST

START_TEST(too_small_a_buffer)
{
    struct drift_baseline *b = sample_baseline(true);
    struct drift_buf out;
    struct drift_err err;
    drift_buf_init(&out, 300);
    ck_assert_int_eq(drift_baseline_save(b, &out, &err), DRIFT_E_FULL);
    drift_baseline_free(b);
    drift_buf_release(&out);
}
END_TEST

START_TEST(ids)
{
    char longest[130];
    memset(longest, 'a', 128);
    longest[128] = 0;
    ck_assert(drift_baseline_id_valid("phish-2026.01_b"));
    ck_assert(drift_baseline_id_valid(longest));
    longest[128] = 'a';
    longest[129] = 0;
    ck_assert(!drift_baseline_id_valid(longest));
    ck_assert(!drift_baseline_id_valid(""));
    ck_assert(!drift_baseline_id_valid("active"));
    ck_assert(!drift_baseline_id_valid("a b"));
    ck_assert(!drift_baseline_id_valid("a:b"));
    ck_assert(!drift_baseline_id_valid("\xc3\xa9"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("baseline");
    drift_test_add(s, "round_trip", round_trip, 10);
    drift_test_add(s, "digest", digest_names_the_content, 10);
    drift_test_add(s, "pool_without_windows", pool_without_windows, 10);
    drift_test_add(s, "truncation", truncation_at_each_byte, 60);
    drift_test_add(s, "flipped", flipped_bytes, 120);
    drift_test_add(s, "random", random_bytes_behind_the_digest, 60);
    drift_test_add(s, "newer", newer_files, 10);
    drift_test_add(s, "without blocks", without_blocks, 10);
    drift_test_add(s, "zero_byte", zero_byte_in_meta, 10);
    drift_test_add(s, "too_small", too_small_a_buffer, 10);
    drift_test_add(s, "ids", ids, 10);
    return drift_test_run(s);
}
