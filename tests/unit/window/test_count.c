/* Counting: which cell each kind of value gets, streams that carry some roles only, new fields. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/window/count.h"
#include "driftd/magnitude.h"
#include "support.h"

enum { FIELDS = 4 };

static struct drift_layout *layout(void)
{
    static const double edges[] = {0, 10, 20};
    static const char *const cats[] = {"1", "true", "red"};
    struct drift_layout *l = drift_layout_new();
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "a", edges, 3, true, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "c", cats, 3, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_SCORE, "score", edges, 3, true, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

static uint64_t count_of(const struct drift_summary *s, uint32_t column, uint32_t counter)
{
    return s->counts[s->layout->columns[column].first + counter];
}

struct fixture {
    char *names[FIELDS];
    struct drift_fields fields;
    double num[FIELDS];
    uint8_t kind[FIELDS];
    struct drift_str str[FIELDS];
    struct drift_event ev;
};

static void prepare(struct fixture *f)
{
    static const char *const names[FIELDS] = {"c", "new", "a", "newer"};
    memset(f, 0, sizeof *f);
    for (int i = 0; i < FIELDS; i++)
        f->names[i] = (char *)(uintptr_t)names[i];
    f->fields = (struct drift_fields){3, 10, f->names, 3};
    f->ev = (struct drift_event){.fields = &f->fields, .num = f->num, .kind = f->kind, .str = f->str};
}

static struct drift_stream with_features = {
    .name = (char *)(uintptr_t) "s", .features = (char *)(uintptr_t) "features", .score = (char *)(uintptr_t) "score"};
static struct drift_stream only_score = {.name = (char *)(uintptr_t) "s", .score = (char *)(uintptr_t) "score"};

START_TEST(kinds)
{
    static const struct {
        enum drift_value_kind kind;
        double num;
        const char *str;
        uint32_t a, c; /* counter that column a, c must show */
    } cases[] = {
        {DRIFT_V_NUM, -1, "", DRIFT_N_SPECIAL + 0, DRIFT_N_SPECIAL + 4},
        {DRIFT_V_NUM, 0, "", DRIFT_N_SPECIAL + 0, DRIFT_N_SPECIAL + 4},
        {DRIFT_V_NUM, 1, "", DRIFT_N_SPECIAL + 1, DRIFT_N_SPECIAL + 0},
        {DRIFT_V_NUM, 10, "", DRIFT_N_SPECIAL + 1, DRIFT_N_SPECIAL + 4},
        {DRIFT_V_NUM, 20.5, "", DRIFT_N_SPECIAL + 3, DRIFT_N_SPECIAL + 4},
        {DRIFT_V_BOOL, 1, "", DRIFT_N_SPECIAL + 1, DRIFT_N_SPECIAL + 1},
        {DRIFT_V_STR, 0, "red", DRIFT_WRONG_TYPE, DRIFT_N_SPECIAL + 2},
        {DRIFT_V_STR, 0, "1", DRIFT_WRONG_TYPE, DRIFT_N_SPECIAL + 0},
        {DRIFT_V_STR, 0, "blue", DRIFT_WRONG_TYPE, DRIFT_N_SPECIAL + 4},
        {DRIFT_V_NULL, 0, "", DRIFT_NULL, DRIFT_NULL},
        {DRIFT_V_ABSENT, 0, "", DRIFT_MISSING, DRIFT_MISSING},
        {DRIFT_V_NONFINITE, 0, "", DRIFT_NONFINITE, DRIFT_NONFINITE},
        {DRIFT_V_OTHER, 0, "", DRIFT_WRONG_TYPE, DRIFT_WRONG_TYPE},
    };
    struct drift_layout *l = layout();
    struct fixture f;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct drift_binding *b = drift_binding_new(l, &with_features, NULL, DRIFT_CHAIN_INPUT);
        struct drift_summary *s = drift_summary_new(l);
        prepare(&f);
        for (int k = 0; k < 3; k += 2) {
            f.kind[k] = (uint8_t)cases[i].kind;
            f.num[k] = cases[i].num;
            f.str[k] = (struct drift_str){cases[i].str, strlen(cases[i].str)};
        }
        f.ev.score = (struct drift_value){.kind = DRIFT_V_NUM, .num = 15};
        drift_binding_count(b, &f.ev, s);
        ck_assert_uint_eq(s->n, 1);
        ck_assert_msg(count_of(s, 0, cases[i].a) == 1, "case %zu, column a", i);
        ck_assert_msg(count_of(s, 1, cases[i].c) == 1, "case %zu, column c", i);
        ck_assert_uint_eq(count_of(s, 2, DRIFT_N_SPECIAL + 2), 1);
        uint64_t total = 0;
        for (uint32_t k = 0; k < l->n_counts; k++)
            total += s->counts[k];
        ck_assert_uint_eq(total, 3); /* one increment a column, no more */
        drift_binding_free(b);
        drift_summary_free(s);
    }
    drift_layout_free(l);
}
END_TEST

/* The same values with a block of magnitudes: each number is in one bucket, nothing else changes. */
START_TEST(magnitudes)
{
    static const struct drift_value values[] = {{DRIFT_V_NUM, 15, {"", 0}},   {DRIFT_V_NUM, -0.3, {"", 0}},
                                                {DRIFT_V_NUM, 0, {"", 0}},    {DRIFT_V_BOOL, 1, {"", 0}},
                                                {DRIFT_V_STR, 0, {"red", 3}}, {DRIFT_V_NULL, 0, {"", 0}}};
    enum { N = sizeof values / sizeof *values };
    static const uint32_t bucket[N] = {21 + 3, 85 - 2, 0, 21, UINT32_MAX, UINT32_MAX};
    struct drift_layout *bare = layout(), *l = drift_layout_new();
    struct fixture f;
    for (uint32_t i = 0; i < bare->n_columns; i++) {
        const struct drift_column *c = &bare->columns[i];
        int rc = c->kind == DRIFT_NUMERIC
                     ? drift_layout_add_numeric(l, c->role, c->name, c->edges, c->n_edges, c->bounded, NULL, 0)
                     : drift_layout_add_categorical(l, c->role, c->name, (const char *const *)c->categories,
                                                    c->n_categories, NULL, 0);
        ck_assert_int_eq(rc, 0);
    }
    ck_assert_int_eq(drift_magnitude_add(l), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    for (int i = 0; i < N; i++) {
        struct drift_binding *b = drift_binding_new(l, &with_features, NULL, DRIFT_CHAIN_INPUT),
                             *plain = drift_binding_new(bare, &with_features, NULL, DRIFT_CHAIN_INPUT);
        struct drift_summary *s = drift_summary_new(l), *without = drift_summary_new(bare);
        prepare(&f);
        f.kind[2] = (uint8_t)values[i].kind;
        f.num[2] = values[i].num;
        f.str[2] = values[i].str;
        f.ev.score = values[i];
        drift_binding_count(b, &f.ev, s);
        drift_binding_count(plain, &f.ev, without);
        ck_assert_mem_eq(s->counts, without->counts, bare->n_counts * sizeof *s->counts);
        for (uint32_t k = 0; k < l->n_columns; k++) {
            uint32_t first = drift_magnitude_first(l, k);
            for (uint32_t at = 0; first != UINT32_MAX && at < DRIFT_MAGNITUDES; at++)
                ck_assert_uint_eq(s->counts[first + at], at == bucket[i]);
        }
        drift_binding_free(b);
        drift_binding_free(plain);
        drift_summary_free(s);
        drift_summary_free(without);
    }
    drift_layout_free(l);
    drift_layout_free(bare);
}
END_TEST

START_TEST(some_roles_only)
{
    struct drift_layout *l = layout();
    struct fixture f;
    struct drift_binding *b = drift_binding_new(l, &only_score, NULL, DRIFT_CHAIN_INPUT);
    struct drift_summary *s = drift_summary_new(l);
    prepare(&f);
    f.ev.score = (struct drift_value){.kind = DRIFT_V_NULL};
    drift_binding_count(b, &f.ev, s);
    ck_assert_uint_eq(count_of(s, 2, DRIFT_NULL), 1);
    for (uint32_t k = 0; k < DRIFT_N_SPECIAL; k++) /* features come on another topic: not even missing */
        ck_assert(count_of(s, 0, k) == 0 && count_of(s, 1, k) == 0);
    drift_binding_free(b);
    drift_summary_free(s);
    drift_layout_free(l);
}
END_TEST

START_TEST(fields_grow)
{
    struct drift_layout *l = layout();
    struct fixture f;
    struct drift_binding *b = drift_binding_new(l, &with_features, NULL, DRIFT_CHAIN_INPUT);
    struct drift_summary *s = drift_summary_new(l);
    prepare(&f);
    f.fields.n = 1; /* only c so far */
    f.fields.generation = 1;
    drift_binding_count(b, &f.ev, s);
    ck_assert_uint_eq(count_of(s, 0, DRIFT_MISSING), 1);
    f.fields.n = 4;
    f.fields.generation = 4;
    f.kind[1] = f.kind[2] = f.kind[3] = DRIFT_V_NUM;
    f.num[2] = 5;
    f.ev.version[DRIFT_VERSION_MODEL] = (struct drift_str){"v7", 2};
    f.ev.schema = (struct drift_str){"42", 2};
    drift_binding_count(b, &f.ev, s);
    ck_assert_uint_eq(count_of(s, 0, DRIFT_N_SPECIAL + 1), 1);
    ck_assert_uint_eq(s->tally[DRIFT_TALLY_NEW_FIELD].n, 2);
    ck_assert_str_eq(s->tally[DRIFT_TALLY_NEW_FIELD].slots[0].text, "new");
    ck_assert_str_eq(s->tally[DRIFT_TALLY_MODEL_VERSION].slots[0].text, "v7");
    ck_assert_str_eq(s->tally[DRIFT_TALLY_SCHEMA].slots[0].text, "42");
    drift_binding_free(b);
    drift_summary_free(s);
    drift_layout_free(l);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("count");
    drift_test_add(s, "kinds", kinds, 10);
    drift_test_add(s, "magnitudes", magnitudes, 10);
    drift_test_add(s, "some_roles_only", some_roles_only, 10);
    drift_test_add(s, "fields_grow", fields_grow, 10);
    return drift_test_run(s);
}
