/* tests/unit/stats/test_layout.c    Layouts: limits, offsets, digest, categories. */
#include "support.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../src/stats/category.h"
#include "driftd/layout.h"

static const char *const colours[] = {"red", "green", "blue"};
static const char *const rare[] = {"mauve", "teal"};

static struct drift_layout *example(void)
{
    struct drift_layout *l = drift_layout_new();
    ck_assert_int_eq(
        drift_layout_add_numeric(l, DRIFT_FEATURE, "size", (double[]){0, 1, 2, 3}, 4, true, (uint32_t[]){2, 5}, 2), 0);
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "colour", colours, 3, rare, 2), 0);
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_SCORE, NULL, NULL, 0, false, NULL, 0), 0);
    return l;
}

START_TEST(offsets_and_cells)
{
    struct drift_layout *l = example();
    ck_assert_int_eq(drift_layout_seal(l), 0);
    const struct drift_column *c = l->columns;
    ck_assert_uint_eq(c[0].first, 0);
    ck_assert_uint_eq(c[0].n_cells, 5);
    ck_assert_uint_eq(c[0].n_bins, 2);
    ck_assert_uint_eq(c[1].first, 9);
    ck_assert_uint_eq(c[1].n_cells, 5);
    ck_assert_uint_eq(c[2].first, 18);
    ck_assert_uint_eq(c[2].n_bins, 1);
    ck_assert_uint_eq(l->n_counts, 23);
    ck_assert_str_eq(c[2].name, "score");
    ck_assert_uint_eq(drift_column_cell(&c[0], 0.0), 0);
    ck_assert_uint_eq(drift_column_cell(&c[0], 0.5), 1);
    ck_assert_uint_eq(drift_column_cell(&c[0], 1e300), 4);
    ck_assert_uint_eq(drift_column_cell(&c[2], 1e300), 0);
    ck_assert_int_eq(drift_layout_find(l, DRIFT_FEATURE, "colour"), 1);
    ck_assert_int_eq(drift_layout_find(l, DRIFT_FEATURE, "score"), -1);
    ck_assert_int_eq(drift_layout_find(l, DRIFT_SCORE, "whatever"), 2);
    ck_assert_int_eq(drift_layout_find(l, DRIFT_LABEL, "label"), -1);
    ck_assert_int_eq(drift_layout_seal(l), DRIFT_E_USAGE);
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "late", NULL, 0, false, NULL, 0), DRIFT_E_USAGE);
    drift_layout_free(l);
}
END_TEST

START_TEST(categories)
{
    struct drift_layout *l = example();
    ck_assert_int_eq(drift_layout_seal(l), 0);
    const struct drift_column *c = &l->columns[1];
    ck_assert_uint_eq(drift_column_category(c, "red", 3), 0);
    ck_assert_uint_eq(drift_column_category(c, "blueish", 4), 2); /* four bytes: not terminated */
    ck_assert_uint_eq(drift_column_category(c, "teal", 4), 3);
    ck_assert_uint_eq(drift_column_rare(c), 3);
    ck_assert_uint_eq(drift_column_category(c, "re", 2), 4);
    ck_assert_uint_eq(drift_column_category(c, "", 0), 4);
    ck_assert_uint_eq(drift_column_category(c, "red\0x", 5), 0); /* names end at a NUL */
    ck_assert_uint_eq(drift_column_unseen(c), 4);
    drift_layout_free(l);
}
END_TEST

START_TEST(long_names_are_cut_alike)
{
    char long_name[600];
    memset(long_name, 'x', sizeof long_name);
    memcpy(long_name + 254, "\xe6\x97\xa5", 3); /* a character over the limit of 256 bytes */
    long_name[599] = 0;
    ck_assert_uint_eq(drift_name_cut(long_name, 599), 254);
    ck_assert_uint_eq(drift_name_cut(long_name, 257), 254);
    ck_assert_uint_eq(drift_name_cut(long_name, 254), 254);
    ck_assert_uint_eq(drift_name_cut("ab\0c", 4), 2);
    const char *const one[] = {long_name};
    struct drift_layout *l = drift_layout_new();
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, long_name, one, 1, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, long_name, one, 1, NULL, 0), DRIFT_E_EXISTS);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    ck_assert_uint_eq(drift_column_category(&l->columns[0], long_name, 599), 0);
    ck_assert_uint_eq(drift_column_category(&l->columns[0], long_name, 300), 0);
    ck_assert_uint_eq(drift_column_category(&l->columns[0], long_name, 100), 2);
    ck_assert_int_eq(drift_layout_find(l, DRIFT_FEATURE, long_name), 0);
    ck_assert_uint_eq(strlen(l->columns[0].name), 254);
    drift_layout_free(l);
}
END_TEST

START_TEST(many_categories)
{
    enum { N = DRIFT_CATEGORIES_MAX + DRIFT_RARE_MAX, HALF_FULL = 16384 - DRIFT_CATEGORIES_MAX };
    char **names = malloc(N * sizeof *names);
    for (int i = 0; i < N; i++)
        if (asprintf(&names[i], "%d", i * 64) < 0)
            abort();
    char *const *const lists[2] = {names, names + DRIFT_CATEGORIES_MAX};
    struct drift_category_index *ix;
    ck_assert_int_eq(drift_category_index_new(lists, (uint32_t[2]){DRIFT_CATEGORIES_MAX, DRIFT_RARE_MAX}, &ix), 0);
    ck_assert_uint_le(drift_category_index_probes(ix), 16); /* promised whatever the names */
    for (int i = 0; i < N; i++) {
        uint32_t want = i < DRIFT_CATEGORIES_MAX ? (uint32_t)i : DRIFT_CATEGORIES_MAX;
        ck_assert_uint_eq(drift_category_index_cell(ix, names[i], strlen(names[i]), 9999), want);
        char other[32];
        int n = snprintf(other, sizeof other, "%d", i * 64 + 1);
        ck_assert_uint_eq(drift_category_index_cell(ix, other, (size_t)n, 9999), 9999);
    }
    drift_category_index_free(ix);
    /* a table exactly half full has longer runs than that: it must have been made larger */
    ck_assert_int_eq(drift_category_index_new(lists, (uint32_t[2]){DRIFT_CATEGORIES_MAX, HALF_FULL}, &ix), 0);
    ck_assert_uint_le(drift_category_index_probes(ix), 16);
    drift_category_index_free(ix);
    struct drift_layout *l = drift_layout_new();
    ck_assert_int_eq(
        drift_layout_add_categorical(l, DRIFT_FEATURE, "c", (const char *const *)names, DRIFT_CATEGORIES_MAX, NULL, 0),
        0);
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "d", (const char *const *)names,
                                                  DRIFT_CATEGORIES_MAX + 1, NULL, 0),
                     DRIFT_E_RANGE);
    ck_assert_int_eq(
        drift_layout_add_categorical(l, DRIFT_FEATURE, "d", NULL, 0, (const char *const *)names, DRIFT_RARE_MAX + 1),
        DRIFT_E_RANGE);
    drift_layout_free(l);
    for (int i = 0; i < N; i++)
        free(names[i]);
    free(names);
}
END_TEST

START_TEST(limits)
{
    struct drift_layout *l = example();
    double many[DRIFT_EDGES_MAX + 1];
    for (int i = 0; i <= DRIFT_EDGES_MAX; i++)
        many[i] = i;
    static const struct {
        double e[3];
        uint32_t n;
        bool bounded;
        uint32_t bin_end[3], n_bins;
    } bad[] = {
        {{1, 1, 2}, 3, false, {4}, 1},
        {{2, 1, 3}, 3, false, {4}, 1},
        {{1, 2, 3}, 3, false, {3}, 1},
        {{1, 2, 3}, 3, false, {2, 2, 4}, 3},
        {{1, 2, 3}, 3, false, {0, 4}, 2},
        {{1, 2, 3}, 3, false, {5}, 1},
        {{1, 2, 3}, 3, false, {4}, 0},
        {{1}, 1, true, {2}, 1},
        {{1, 2, (double)INFINITY}, 3, false, {4}, 1},
        {{0.0, -0.0}, 2, false, {3}, 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(drift_layout_add_numeric(l, DRIFT_FEATURE, "x", bad[i].e, bad[i].n, bad[i].bounded,
                                               bad[i].bin_end, bad[i].n_bins) == DRIFT_E_RANGE,
                      "case %zu", i);
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "x", many, DRIFT_EDGES_MAX + 1, false, NULL, 0),
                     DRIFT_E_RANGE);
    ck_assert_int_eq(drift_layout_add_numeric(l, (enum drift_role)0, "x", many, 2, false, NULL, 0), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, NULL, many, 2, false, NULL, 0), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "size", many, 2, false, NULL, 0), DRIFT_E_EXISTS);
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_SCORE, "other", many, 2, false, NULL, 0), DRIFT_E_EXISTS);
    const char *const twice[] = {"a", "b", "a"};
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "x", twice, 3, NULL, 0), DRIFT_E_EXISTS);
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "x", twice, 2, twice + 2, 1), DRIFT_E_EXISTS);
    ck_assert_uint_eq(l->n_columns, 3); /* unchanged by all of that */
    char name[16];
    for (int i = 3; i < DRIFT_COLUMNS_MAX; i++) {
        snprintf(name, sizeof name, "f%d", i);
        ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, name, NULL, 0, false, NULL, 0), 0);
    }
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "x", NULL, 0, false, NULL, 0), DRIFT_E_FULL);
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "x", NULL, 0, NULL, 0), DRIFT_E_FULL);
    drift_layout_free(l);
    drift_layout_free(NULL);
}
END_TEST

static void digest_of(int variant, char ret[65])
{
    struct drift_layout *l = drift_layout_new();
    double e[] = {0, 1, variant == 1 ? nextafter(2, 3) : 2};
    const char *const cats[] = {variant == 2 ? "ab" : "a", variant == 2 ? "" : "b"};
    const char *const others[] = {"r"};
    ck_assert_int_eq(drift_layout_add_numeric(l, variant == 3 ? DRIFT_LATENCY : DRIFT_FEATURE, variant == 4 ? "y" : "x",
                                              e, 3, variant == 5, (uint32_t[]){variant == 6 ? 1 : 2, 4}, 2),
                     0);
    if (variant != 7)
        ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "c", cats, 2, others, variant == 8 ? 0 : 1), 0);
    if (variant == 9)
        ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "d", NULL, 0, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    memcpy(ret, l->digest, 65);
    drift_layout_free(l);
}

START_TEST(digest_tells_layouts_apart)
{
    char d[10][65], again[65];
    for (int i = 0; i < 10; i++) {
        digest_of(i, d[i]);
        ck_assert_uint_eq(strspn(d[i], "0123456789abcdef"), 64);
        for (int j = 0; j < i; j++)
            ck_assert_msg(strcmp(d[i], d[j]) != 0, "variants %d and %d", i, j);
    }
    digest_of(0, again);
    ck_assert_str_eq(again, d[0]);
    /* Made by Python's hashlib and struct.  Stored state names its layout by this: it never changes. */
    ck_assert_str_eq(d[0], "a55ac693adf6d9fcf62066060cbbb904a7a1fa31b50a9694eaef339481ed5b64");
}
END_TEST

static struct drift_layout *layout_with_block(const char *name, const char *content, uint32_t n)
{
    struct drift_layout *l = drift_layout_new();
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "a", (double[]){1, 2}, 2, false, NULL, 0), 0);
    if (name)
        ck_assert_int_eq(drift_layout_add_block(l, name, content, strlen(content), n), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

START_TEST(blocks)
{
    static const struct {
        const char *name, *content;
        uint32_t n;
    } unlike[] = {{NULL, NULL, 0}, {"m", "x", 5}, {"n", "x", 5}, {"m", "y", 5}, {"m", "x", 6}};
    enum { N = sizeof unlike / sizeof *unlike };
    struct drift_layout *l[N];
    for (int i = 0; i < N; i++) {
        l[i] = layout_with_block(unlike[i].name, unlike[i].content, unlike[i].n);
        for (int j = 0; j < i; j++)
            ck_assert_msg(strcmp(l[i]->digest, l[j]->digest) != 0, "variants %d and %d", i, j);
    }
    ck_assert_uint_eq(l[0]->n_counts, 7);
    ck_assert_uint_eq(l[1]->n_counts, 12);
    ck_assert_uint_eq(drift_layout_block(l[1], "m")->first, 7);
    ck_assert_ptr_null(drift_layout_block(l[1], "n"));
    ck_assert_int_eq(drift_layout_add_block(l[0], "m", "x", 1, 1), DRIFT_E_USAGE);
    for (int i = 0; i < N; i++)
        drift_layout_free(l[i]);
}
END_TEST

START_TEST(block_limits)
{
    struct drift_layout *l = drift_layout_new();
    char name[8];
    ck_assert_int_eq(drift_layout_add_block(l, "", "x", 1, 1), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_layout_add_block(l, "m", "x", 0, 1), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_layout_add_block(l, "m", "x", 1, 0), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_layout_add_block(l, "m", "x", 1, DRIFT_BLOCK_COUNTERS_MAX + 1), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_layout_add_block(l, "m", "x", 1, DRIFT_BLOCK_COUNTERS_MAX - 14), 0);
    ck_assert_int_eq(drift_layout_add_block(l, "m", "x", 1, 1), DRIFT_E_EXISTS);
    for (uint32_t i = 1; i < DRIFT_BLOCKS_MAX - 1; i++) {
        snprintf(name, sizeof name, "b%" PRIu32, i);
        ck_assert_int_eq(drift_layout_add_block(l, name, "x", 1, 1), 0);
    }
    ck_assert_int_eq(drift_layout_add_block(l, "large", "x", 1, 1), DRIFT_E_FULL); /* counters */
    drift_layout_free(l);
    l = drift_layout_new();
    for (uint32_t i = 0; i < DRIFT_BLOCKS_MAX; i++) {
        snprintf(name, sizeof name, "b%" PRIu32, i);
        ck_assert_int_eq(drift_layout_add_block(l, name, "x", 1, 1), 0);
    }
    ck_assert_int_eq(drift_layout_add_block(l, "more", "x", 1, 1), DRIFT_E_FULL); /* blocks */
    drift_layout_free(l);
}
END_TEST

START_TEST(role_names)
{
    ck_assert_str_eq(drift_role_name(DRIFT_FEATURE), "feature");
    ck_assert_str_eq(drift_role_name(DRIFT_LATENCY), "latency");
    ck_assert_str_eq(drift_role_name((enum drift_role)0), "unknown");
    ck_assert_str_eq(drift_role_name((enum drift_role)99), "unknown");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("layout");
    drift_test_add(s, "offsets and cells", offsets_and_cells, 10);
    drift_test_add(s, "categories", categories, 10);
    drift_test_add(s, "long names", long_names_are_cut_alike, 10);
    drift_test_add(s, "many categories", many_categories, 30);
    drift_test_add(s, "limits", limits, 30);
    drift_test_add(s, "digest", digest_tells_layouts_apart, 10);
    drift_test_add(s, "blocks", blocks, 10);
    drift_test_add(s, "block limits", block_limits, 10);
    drift_test_add(s, "role names", role_names, 10);
    return drift_test_run(s);
}
