/* tests/unit/window/test_segment.c    Segments: the same counts as a naive recount, and blocks of any bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/buf.h"
#include "driftd/internal/window/count.h"
#include "driftd/internal/window/segment.h"
#include "support.h"

enum { CATEGORIES = 40, FIELDS = 4, EVENTS = 3000, COLUMNS = 4 };
static const char *const tenants[] = {"acme", "b", ""}, *const sources[] = {"crm", "5"};
static const double edges[] = {0, 10, 20, 30, 40};
static const uint32_t bin_end[] = {2, 3, 6};

static struct drift_segment_shape shape[COLUMNS];

static struct drift_layout *columns_only(void)
{
    char text[CATEGORIES][16];
    const char *name[CATEGORIES];
    struct drift_layout *l = drift_layout_new();
    for (int i = 0; i < CATEGORIES; i++) {
        snprintf(text[i], sizeof text[i], "c%02d", i);
        name[i] = text[i];
    }
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "a", edges, 5, true, bin_end, 3), 0);
    ck_assert_int_eq(
        drift_layout_add_categorical(l, DRIFT_FEATURE, "c", name, CATEGORIES - 5, name + CATEGORIES - 5, 5), 0);
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "few", name, 3, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_SCORE, "score", edges, 5, true, NULL, 0), 0);
    memset(shape, 0, sizeof shape);
    shape[1] = (struct drift_segment_shape){3, {1, 7, 30}};
    return l;
}

static struct drift_layout *with_segments(void)
{
    struct drift_layout *l = columns_only();
    ck_assert_int_eq(drift_segment_add(l, "tenant", tenants, 3, shape), 0);
    ck_assert_int_eq(drift_segment_add(l, "source", sources, 2, shape), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

static char *field_names[FIELDS] = {(char *)(uintptr_t) "few", (char *)(uintptr_t) "a", (char *)(uintptr_t) "tenant",
                                    (char *)(uintptr_t) "c"};
static struct drift_stream stream = {.name = (char *)(uintptr_t) "s",
                                     .features = (char *)(uintptr_t) "f",
                                     .score = (char *)(uintptr_t) "score",
                                     .source = (char *)(uintptr_t) "src"};

struct sample {
    struct drift_fields fields;
    double num[FIELDS];
    uint8_t kind[FIELDS];
    struct drift_str str[FIELDS];
    char text[FIELDS][8];
    struct drift_event ev;
};

static uint64_t state;
static uint32_t below(uint32_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % n;
}

static struct drift_str str_of(const char *s)
{
    return (struct drift_str){s, strlen(s)};
}

static void draw(struct sample *s, uint32_t n_fields)
{
    static const char *const texts[] = {"acme", "b", "", "acm", "acmee", "other", "5"};
    s->fields = (struct drift_fields){n_fields, 10, field_names, n_fields};
    s->ev = (struct drift_event){.fields = &s->fields, .num = s->num, .kind = s->kind, .str = s->str};
    for (uint32_t i = 0; i < FIELDS; i++) {
        s->kind[i] = (uint8_t)(below(4) ? i == 1 ? DRIFT_V_NUM : DRIFT_V_STR : below(DRIFT_V_OTHER + 1));
        s->num[i] = below(60) - 10.0;
        snprintf(s->text[i], sizeof s->text[i], "c%02u", below(CATEGORIES + 3));
        s->str[i] = str_of(i == 2 ? texts[below(7)] : s->text[i]);
    }
    s->ev.score = (struct drift_value){.kind = DRIFT_V_NUM, .num = below(50)};
    s->ev.source = below(3)   ? (struct drift_value){.kind = DRIFT_V_STR, .str = str_of("crm")}
                   : below(2) ? (struct drift_value){.kind = DRIFT_V_NUM, .num = 5}
                              : (struct drift_value){.kind = DRIFT_V_NULL};
}

/* By name, without the library's maps: which value, which coarse cell. */
static uint32_t naive_value(const struct sample *s, const char *key)
{
    if (!strcmp(key, "source"))
        return s->ev.source.kind == DRIFT_V_STR ? 0 : s->ev.source.kind == DRIFT_V_NUM ? 1 : 2;
    if (s->fields.n < 3 || s->kind[2] != DRIFT_V_STR)
        return 3;
    for (uint32_t i = 0; i < 3; i++)
        if (s->str[2].n == strlen(tenants[i]) && !memcmp(s->str[2].p, tenants[i], s->str[2].n))
            return i;
    return 3;
}

static uint32_t naive_bin(double x, const uint32_t *ends, uint32_t n)
{
    uint32_t cell = 0, bin = 0;
    while (cell < 5 && x > edges[cell])
        cell++;
    while (bin + 1 < n && cell >= ends[bin])
        bin++;
    return bin;
}

/* The coarse cells of `c` are c01, c07, c30, the other 37 known ones, unseen. */
static uint32_t naive_category(const char *s)
{
    int k = atoi(s + 1);
    return k == 1 ? 0 : k == 7 ? 1 : k == 30 ? 2 : k < CATEGORIES ? 3 : 4;
}

START_TEST(same_as_a_naive_recount)
{
    static const uint32_t all[] = {1, 2, 3, 4, 5, 6}, first[COLUMNS] = {1, 1 + 7, 1 + 7 + 9, 1 + 7 + 9 + 9};
    enum { STRIDE = 1 + 7 + 9 + 9 + 10 };
    struct drift_layout *l = with_segments(), *plain = columns_only();
    ck_assert_int_eq(drift_layout_seal(plain), 0);
    ck_assert_str_ne(plain->digest, l->digest);
    struct drift_binding *b = drift_binding_new(l, &stream, NULL, DRIFT_CHAIN_INPUT),
                         *without = drift_binding_new(plain, &stream, NULL, DRIFT_CHAIN_INPUT);
    struct drift_summary *s = drift_summary_new(l), *t = drift_summary_new(plain);
    uint64_t tenant[4 * STRIDE] = {0}, source[3 * STRIDE] = {0};
    state = 42;
    for (int i = 0; i < EVENTS; i++) {
        struct sample x;
        draw(&x, i < 50 ? 2 : FIELDS); /* the fields come to be known one after the other */
        drift_binding_count(b, &x.ev, s);
        drift_binding_count(without, &x.ev, t);
        uint64_t *rows[2] = {tenant + naive_value(&x, "tenant") * STRIDE, source + naive_value(&x, "source") * STRIDE};
        for (int k = 0; k < 2; k++) {
            uint64_t *to = rows[k];
            to[0]++;
            static const uint32_t slot_of[3] = {1, 3, 0};
            for (uint32_t c = 0; c < 3; c++) { /* specials are told by the plain counts below; here: values only */
                uint32_t at = slot_of[c];
                if (at >= x.fields.n)
                    to[first[c] + DRIFT_MISSING]++;
                else if (c == 0 && x.kind[at] == DRIFT_V_NUM)
                    to[first[c] + DRIFT_N_SPECIAL + naive_bin(x.num[at], bin_end, 3)]++;
                else if (c && x.kind[at] == DRIFT_V_STR)
                    to[first[c] + DRIFT_N_SPECIAL +
                       (c == 1 ? naive_category(x.text[at])
                               : (uint32_t)(atoi(x.text[at] + 1) < 3 ? atoi(x.text[at] + 1) : 4))]++;
            }
            to[first[3] + DRIFT_N_SPECIAL + naive_bin(x.ev.score.num, all, 6)]++;
        }
    }
    struct drift_segments *seg;
    struct drift_err err;
    ck_assert_int_eq(drift_segments_new(l, &seg, &err), 0);
    ck_assert_uint_eq(seg->stride, STRIDE);
    const uint64_t *naive[2] = {tenant, source};
    for (uint32_t k = 0; k < 2; k++) {
        const struct drift_segment_key *key = drift_segments_key(seg, k ? "source" : "tenant");
        uint64_t n = 0;
        for (uint32_t v = 0; v <= key->n_values; v++) {
            const uint64_t *row = s->counts + drift_segment_counter(seg, key, v);
            n += row[0];
            ck_assert_uint_eq(row[0], naive[k][v * STRIDE]);
            for (uint32_t c = 0; c < COLUMNS; c++)
                for (uint32_t i = DRIFT_N_SPECIAL; i < drift_column_counters(&seg->coarse->columns[c]); i++)
                    if (!(c && c < 3 && i >= DRIFT_N_SPECIAL + 3)) /* numbers and booleans as categories: below */
                        ck_assert_msg(c == 0 ? row[first[c] + i] >= naive[k][v * STRIDE + first[c] + i]
                                             : row[first[c] + i] == naive[k][v * STRIDE + first[c] + i],
                                      "key %u value %u column %u counter %u: %llu, recounted %llu", k, v, c, i,
                                      (unsigned long long)row[first[c] + i],
                                      (unsigned long long)naive[k][v * STRIDE + first[c] + i]);
        }
        ck_assert_uint_eq(n, EVENTS);
        for (uint32_t c = 0; c < COLUMNS; c++) { /* all values together: the column's own counts, coarse */
            const struct drift_column *fine = &plain->columns[c];
            uint64_t sum[DRIFT_SEGMENT_CELLS] = {0};
            for (uint32_t i = 0; i < drift_column_counters(fine); i++)
                sum[seg->cell_of[l->columns[c].first + i]] += t->counts[fine->first + i];
            for (uint32_t i = 0; i < drift_column_counters(&seg->coarse->columns[c]); i++) {
                uint64_t have = 0;
                for (uint32_t v = 0; v <= key->n_values; v++)
                    have += s->counts[drift_segment_counter(seg, key, v) + first[c] + i];
                ck_assert_uint_eq(have, sum[i]);
            }
        }
    }
    for (uint32_t c = 0; c < COLUMNS; c++) /* and the columns' counts are what they are without segments */
        ck_assert(!memcmp(s->counts + l->columns[c].first, t->counts + plain->columns[c].first,
                          drift_column_counters(&l->columns[c]) * sizeof *s->counts));
    drift_segments_free(seg);
    drift_binding_free(b);
    drift_binding_free(without);
    drift_summary_free(s);
    drift_summary_free(t);
    drift_layout_free(l);
    drift_layout_free(plain);
}
END_TEST

START_TEST(wrong_ones_are_refused)
{
    char name[DRIFT_SEGMENT_VALUES + 1][16];
    const char *many[DRIFT_SEGMENT_VALUES + 1];
    static const char *const twice[] = {"x", "x"};
    struct drift_segments *seg = NULL;
    struct drift_err err;
    struct drift_layout *l = columns_only();
    for (int i = 0; i <= DRIFT_SEGMENT_VALUES; i++) {
        snprintf(name[i], sizeof name[i], "v%d", i);
        many[i] = name[i];
    }
    ck_assert_int_eq(drift_segment_add(l, "k", many, 0, shape), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_segment_add(l, "k", many, DRIFT_SEGMENT_VALUES + 1, shape), DRIFT_E_RANGE);
    shape[0].n = 1; /* numeric columns have bins */
    ck_assert_int_eq(drift_segment_add(l, "k", many, 2, shape), DRIFT_E_RANGE);
    shape[0].n = shape[1].n = 0; /* too many categories for all of them */
    ck_assert_int_eq(drift_segment_add(l, "k", many, 2, shape), DRIFT_E_RANGE);
    shape[1] = (struct drift_segment_shape){2, {7, 7}};
    ck_assert_int_eq(drift_segment_add(l, "k", many, 2, shape), DRIFT_E_RANGE);
    shape[1] = (struct drift_segment_shape){1, {CATEGORIES - 5}};
    ck_assert_int_eq(drift_segment_add(l, "k", many, 2, shape), DRIFT_E_RANGE);
    shape[1].category[0] = 0;
    ck_assert_int_eq(drift_segment_add(l, "k", many, DRIFT_SEGMENT_VALUES, shape), 0);
    ck_assert_int_eq(drift_segment_add(l, "k", many, 2, shape), DRIFT_E_EXISTS);
    ck_assert_int_eq(drift_segment_add(l, "k2", twice, 2, shape), 0); /* seen when it is read */
    ck_assert_int_eq(drift_layout_seal(l), 0);
    ck_assert_int_eq(drift_segments_new(l, &seg, &err), DRIFT_E_PARSE);
    ck_assert_ptr_null(seg);
    drift_layout_free(l);
    l = columns_only();
    ck_assert_int_eq(drift_layout_add_block(l, "magnitude", "x", 1, 3), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    ck_assert_int_eq(drift_segments_new(l, &seg, &err), 0);
    ck_assert_ptr_null(seg); /* blocks of others are none of its business */
    drift_layout_free(l);
}
END_TEST

/* Every byte of the content changed in turn, cut off, lengthened; another number of counters. */
START_TEST(any_bytes_are_safe)
{
    struct drift_layout *good = with_segments();
    const struct drift_block *block = drift_layout_block(good, "segment:tenant");
    uint8_t bytes[512];
    int refused = 0, accepted = 0;
    ck_assert_uint_le(block->content_len, sizeof bytes - 1);
    for (size_t at = 0; at <= block->content_len; at++)
        for (int change = 0; change < 256; change += at < block->content_len ? 1 : 255) {
            struct drift_layout *l = columns_only();
            struct drift_segments *seg = NULL;
            struct drift_err err;
            size_t len = block->content_len;
            memcpy(bytes, block->content, len);
            bytes[len] = 0;
            if (at < len)
                bytes[at] = (uint8_t)change;
            else
                len = change ? len + 1 : len - 1;
            ck_assert_int_eq(drift_layout_add_block(l, "segment:tenant", bytes, len, block->n), 0);
            ck_assert_int_eq(drift_layout_seal(l), 0);
            int rc = drift_segments_new(l, &seg, &err);
            ck_assert(rc == 0 || rc == DRIFT_E_PARSE || rc == DRIFT_E_VERSION);
            ck_assert((rc == 0) == (seg != NULL));
            if (seg) /* then what it says lies within the block */
                ck_assert_uint_eq((uint64_t)seg->stride * (seg->key[0].n_values + 1), block->n);
            refused += rc != 0;
            accepted += rc == 0;
            drift_segments_free(seg);
            drift_layout_free(l);
        }
    printf("%d refused, %d still of the form\n", refused, accepted);
    ck_assert_int_gt(refused, 1000);
    for (int more = -1; more <= 1; more += 2) {
        struct drift_layout *l = columns_only();
        struct drift_segments *seg;
        struct drift_err err;
        ck_assert_int_eq(drift_layout_add_block(l, "segment:t", block->content, block->content_len,
                                                (uint32_t)((int)block->n + more)),
                         0);
        ck_assert_int_eq(drift_layout_seal(l), 0);
        ck_assert_int_eq(drift_segments_new(l, &seg, &err), DRIFT_E_PARSE);
        drift_layout_free(l);
    }
    drift_layout_free(good);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("segment");
    drift_test_add(suite, "same as a naive recount", same_as_a_naive_recount, 20);
    drift_test_add(suite, "wrong ones are refused", wrong_ones_are_refused, 20);
    drift_test_add(suite, "any bytes are safe", any_bytes_are_safe, 60);
    return drift_test_run(suite);
}
