/* Sets of ids and their chunks: any order of adding, packing, flushing and loading gives the same set. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/siphash.h"
#include "driftd/internal/window/idset.h"
#include "support.h"

enum { FIELDS = 4096, BUDGET = 1 << 20 };

/* A slot's fields of one set: what a flush wrote, by position. */
struct field {
    uint32_t from;
    size_t len;
    char *bytes;
};
struct slot {
    size_t n;
    struct field f[FIELDS];
    uint32_t dead[FIELDS];
    size_t n_dead;
    uint64_t written;
};

static struct field *slot_find(struct slot *s, uint32_t from)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->f[i].from == from)
            return &s->f[i];
    return NULL;
}

static void dead(void *ctx, uint32_t from)
{
    struct slot *s = ctx;
    ck_assert_uint_lt(s->n_dead, FIELDS);
    s->dead[s->n_dead++] = from;
}

/* One flush; cut: the deletes do not happen (a script that was cut off). */
static void flush(struct drift_idset *set, struct slot *s, size_t budget, bool cut)
{
    const struct drift_idset_chunk *c;
    struct drift_buf b;
    drift_buf_init(&b, 1 << 26);
    drift_idset_pack(set, &budget, dead, s);
    for (size_t i = 0, n = drift_idset_chunks(set, &c); i < n; i++) {
        if (!c[i].dirty)
            continue;
        struct field *f = slot_find(s, c[i].from);
        ck_assert(c[i].stored == (f != NULL));
        drift_buf_reset(&b);
        drift_idset_save(set, &c[i], &b);
        ck_assert_uint_eq(b.len, drift_idset_chunk_bytes(&c[i]));
        if (!f) {
            ck_assert_uint_lt(s->n, FIELDS);
            f = &s->f[s->n++];
            *f = (struct field){.from = c[i].from};
        }
        free(f->bytes);
        f->bytes = malloc(b.len);
        memcpy(f->bytes, b.data, f->len = b.len);
        s->written += b.len;
    }
    for (size_t i = 0; i < s->n_dead && !cut; i++) {
        struct field *f = slot_find(s, s->dead[i]);
        ck_assert_ptr_nonnull(f);
        free(f->bytes);
        *f = s->f[--s->n];
    }
    s->n_dead = 0;
    drift_idset_flushed(set);
    drift_buf_release(&b);
}

static int by_from(const void *a, const void *b)
{
    const struct field *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

static int load(struct slot *s, struct drift_idset **ret, struct drift_err *err)
{
    *ret = drift_idset_new();
    qsort(s->f, s->n, sizeof *s->f, by_from);
    for (size_t i = 0; i < s->n; i++) {
        bool is_dead;
        int rc = drift_idset_load(*ret, s->f[i].from, s->f[i].bytes, s->f[i].len, &is_dead, err);
        if (rc)
            return rc;
        if (is_dead) {
            free(s->f[i].bytes);
            memmove(s->f + i, s->f + i + 1, (--s->n - i) * sizeof *s->f);
            i--;
        }
    }
    return 0;
}

static void slot_free(struct slot *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->f[i].bytes);
    free(s);
}

static void name(uint64_t i, uint8_t ret[DRIFT_ID_BYTES])
{
    static const uint8_t key[DRIFT_SIPHASH_KEY];
    drift_siphash(key, &i, sizeof i, ret);
}

/* The n-th id of a set is number n: membership is a comparison. */
START_TEST(any_flushes_same_set)
{
    struct drift_rng r = drift_rng_new(21);
    for (int round = 0; round < DRIFT_TEST_ROUNDS(40); round++) {
        struct slot *s = calloc(1, sizeof *s);
        struct drift_idset *set = drift_idset_new();
        struct drift_err err;
        uint8_t id[DRIFT_ID_BYTES];
        uint64_t n = 0, kept = 0, step = 1 + drift_rng_below(&r, round % 3 ? 60 : 3000);
        for (int flushes = 0; flushes < 60; flushes++) {
            for (uint64_t k = drift_rng_below(&r, step); k--;) {
                name(n, id);
                ck_assert(drift_idset_add(set, id));
                n++;
                name(drift_rng_below(&r, n), id);
                ck_assert(!drift_idset_add(set, id));
            }
            ck_assert_uint_eq(drift_idset_count(set), n);
            if (drift_rng_below(&r, 4)) {
                flush(set, s, drift_rng_below(&r, 3) ? BUDGET : 0, !drift_rng_below(&r, 5));
                kept = n;
            }
            if (!drift_rng_below(&r, 6)) { /* dies */
                drift_idset_free(set);
                ck_assert_msg(load(s, &set, &err) == 0, "round %d: %s", round, err.text);
                n = kept;
                ck_assert_uint_eq(drift_idset_count(set), n);
            }
        }
        for (uint64_t i = 0; i < n + 100; i++) {
            name(i, id);
            ck_assert(drift_idset_has(set, id) == (i < n));
        }
        drift_idset_free(set);
        slot_free(s);
    }
}
END_TEST

/* Neither the number of fields nor what a flush writes grows with the number of flushes. */
START_TEST(bounded)
{
    struct slot *s = calloc(1, sizeof *s);
    struct drift_idset *set = drift_idset_new();
    uint8_t id[DRIFT_ID_BYTES];
    uint64_t n = 0, most = 0;
    size_t fields = 0;
    while (n < 100000) {
        uint64_t before = s->written;
        for (int k = 0; k < 7; k++) {
            name(n++, id);
            drift_idset_add(set, id);
        }
        flush(set, s, BUDGET, false);
        most = s->written - before > most ? s->written - before : most;
        fields = s->n > fields ? s->n : fields;
    }
    printf("100000 ids by sevens: %zu fields at most, %.1f bytes written an id, %" PRIu64 " in the largest flush\n",
           fields, (double)s->written / (double)n, most);
    ck_assert_uint_le(fields, 100000 / DRIFT_IDSET_FULL + 60);
    ck_assert_uint_le(most, DRIFT_IDSET_CHUNK_BYTES + 8 * DRIFT_ID_BYTES);
    ck_assert_uint_le(s->written, n * 6 * DRIFT_ID_BYTES);
    ck_assert_uint_le(drift_idset_bytes(set), n * 43 + 4096);
    drift_idset_free(set);
    slot_free(s);
}
END_TEST

START_TEST(hostile)
{
    struct slot *s = calloc(1, sizeof *s);
    struct drift_idset *set = drift_idset_new(), *other;
    struct drift_err err;
    uint8_t id[DRIFT_ID_BYTES];
    bool is_dead;
    for (uint64_t i = 0; i < 10; i++) {
        name(i, id);
        drift_idset_add(set, id);
    }
    flush(set, s, BUDGET, false);
    ck_assert_uint_eq(s->n, 1);
    char *good = s->f[0].bytes;
    size_t len = s->f[0].len;
    for (size_t cut = 0; cut < len; cut++) {
        other = drift_idset_new();
        ck_assert_int_ne(drift_idset_load(other, 0, good, cut, &is_dead, &err), 0);
        drift_idset_free(other);
    }
    for (size_t at = 0; at < len; at++) {
        other = drift_idset_new();
        good[at] = (char)(good[at] ^ 4);
        int rc = drift_idset_load(other, 0, good, len, &is_dead, &err);
        ck_assert_int_eq(rc, at == 0 ? DRIFT_E_VERSION : DRIFT_E_CORRUPT);
        good[at] = (char)(good[at] ^ 4);
        drift_idset_free(other);
    }
    other = drift_idset_new();
    ck_assert_int_eq(drift_idset_load(other, 1, good, len, &is_dead, &err), DRIFT_E_CORRUPT); /* a gap */
    ck_assert_int_eq(drift_idset_load(other, 0, good, len, &is_dead, &err), 0);
    ck_assert_int_eq(drift_idset_load(other, 5, good, len, &is_dead, &err), DRIFT_E_CORRUPT);  /* half of it known */
    ck_assert_int_eq(drift_idset_load(other, 10, good, len, &is_dead, &err), DRIFT_E_CORRUPT); /* the same again */
    drift_idset_free(other);
    drift_idset_free(set);
    slot_free(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("idset");
    drift_test_add(s, "any_flushes_same_set", any_flushes_same_set, 60);
    drift_test_add(s, "bounded", bounded, 60);
    drift_test_add(s, "hostile", hostile, 10);
    return drift_test_run(s);
}
