/* tests/unit/cli/test_values.c    Values of two files: all of them, sorted, whatever memory there is. */
#include "driftd/internal/cli/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { COLUMNS = 12, ROWS = 3000, KINDS = 40 };

/* Columns 0, 2, 4 ... are numbers, the others texts; a value now and then is missing.  The last two are score and
 * label. */
struct world {
    struct drift_column column[COLUMNS];
    char name[COLUMNS][16], text[KINDS][16];
    struct drift_values_column set[COLUMNS];
    struct drift_fields fields;
    char *names[COLUMNS];
    double num[2][ROWS][COLUMNS];
    uint8_t kind[2][ROWS][COLUMNS];
    unsigned which[2][ROWS][COLUMNS];
    size_t rows[2];
    int readings, seen[COLUMNS];
    const char *why[COLUMNS];
};

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof *w);
    struct drift_rng r = drift_rng_new(1);
    w->rows[0] = ROWS;
    w->rows[1] = ROWS / 2;
    for (int i = 0; i < KINDS; i++)
        snprintf(w->text[i], sizeof w->text[i], "%.*s%d", i % 5, "zzyxb", i);
    for (int c = 0; c < COLUMNS; c++) {
        snprintf(w->name[c], sizeof w->name[c], "column %d", COLUMNS - c);
        w->column[c] = (struct drift_column){.name = w->name[c],
                                             .kind = c % 2 ? DRIFT_CATEGORICAL : DRIFT_NUMERIC,
                                             .role = c < COLUMNS - 2 ? DRIFT_FEATURE
                                                     : c % 2         ? DRIFT_LABEL
                                                                     : DRIFT_SCORE};
        w->set[c].column = &w->column[c];
        w->names[c] = w->name[c];
        for (int side = 0; side < 2; side++)
            for (size_t i = 0; i < w->rows[side]; i++) {
                bool there = drift_rng_below(&r, 10) > 0;
                w->num[side][i][c] = (drift_rng_uniform(&r) - .5) * (drift_rng_below(&r, 9) ? 1 : 1e300);
                w->which[side][i][c] = (unsigned)drift_rng_below(&r, KINDS);
                w->kind[side][i][c] = (uint8_t)(!there ? DRIFT_V_NULL : c % 2 ? DRIFT_V_STR : DRIFT_V_NUM);
                w->set[c].n[side] += there && !(c % 2);
            }
    }
    w->fields = (struct drift_fields){.n = COLUMNS - 2, .max = COLUMNS, .names = w->names, .generation = 7};
    return w;
}

static struct drift_value value(const struct world *w, int side, size_t i, int c)
{
    const char *text = w->text[w->which[side][i][c]];
    return (struct drift_value){w->kind[side][i][c], w->num[side][i][c], {text, strlen(text)}};
}

static int read_world(void *ctx, int side, struct drift_collector *k, struct drift_err *err)
{
    struct world *w = ctx;
    (void)err;
    w->readings += !side;
    for (size_t i = 0; i < w->rows[side]; i++) {
        struct drift_str str[COLUMNS];
        for (int c = 0; c < COLUMNS; c++)
            str[c] = value(w, side, i, c).str;
        struct drift_event ev = {.fields = &w->fields,
                                 .num = w->num[side][i],
                                 .kind = w->kind[side][i],
                                 .str = str,
                                 .score = value(w, side, i, COLUMNS - 2),
                                 .label = value(w, side, i, COLUMNS - 1)};
        drift_values_row(k, &ev);
    }
    return 0;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void check_numbers(const struct world *w, const struct drift_values *v, int c)
{
    static double want[ROWS];
    for (int side = 0; side < 2; side++) {
        size_t n = 0;
        for (size_t i = 0; i < w->rows[side]; i++)
            if (w->kind[side][i][c] == DRIFT_V_NUM)
                want[n++] = w->num[side][i][c];
        qsort(want, n, sizeof *want, ascending);
        ck_assert_uint_eq(v->n[side], n);
        ck_assert(!memcmp(v->x[side], want, n * sizeof *want));
    }
}

static void check_names(const struct world *w, const struct drift_values *v, int c)
{
    ck_assert_uint_eq(v->n_names, KINDS);
    for (size_t k = 0; k < v->n_names; k++) {
        if (k) {
            char a[16], b[16];
            snprintf(a, sizeof a, "%.*s", (int)v->names[k - 1].n, v->names[k - 1].p);
            snprintf(b, sizeof b, "%.*s", (int)v->names[k].n, v->names[k].p);
            ck_assert_int_lt(strcmp(a, b), 0);
        }
        for (int side = 0; side < 2; side++) {
            uint64_t n = 0;
            for (size_t i = 0; i < w->rows[side]; i++)
                n += w->kind[side][i][c] == DRIFT_V_STR && drift_str_eq(v->names[k], w->text[w->which[side][i][c]]);
            ck_assert_uint_eq(v->count[side][k], n);
        }
    }
}

static void check(void *ctx, const struct drift_values *v)
{
    struct world *w = ctx;
    int c = (int)v->at;
    w->seen[c]++;
    w->why[c] = v->why;
    if (v->why)
        return;
    if (c % 2)
        check_names(w, v, c);
    else
        check_numbers(w, v, c);
}

/* How often both files are read grows as memory shrinks; a column that does not fit says so. */
START_TEST(whatever_memory)
{
    static const struct {
        uint64_t bytes;
        int readings_min, readings_max;
        bool numbers; /* fit */
    } at[] = {{1 << 30, 1, 1, true}, {200000, 2, 4, true}, {60000, 6, 12, true}, {48000, 1, 6, false}};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        struct world *w = world_new();
        struct drift_err err;
        ck_assert_int_eq(drift_values_each(w->set, COLUMNS, at[i].bytes, read_world, check, w, &err), 0);
        for (int c = 0; c < COLUMNS; c++) {
            ck_assert_int_eq(w->seen[c], 1);
            ck_assert(!w->why[c] == (c % 2 || at[i].numbers));
        }
        ck_assert_msg(w->readings >= at[i].readings_min && w->readings <= at[i].readings_max, "%d bytes: %d readings",
                      (int)at[i].bytes, w->readings);
        free(w);
    }
}
END_TEST

START_TEST(changed_files)
{
    struct world *w = world_new();
    struct drift_err err;
    w->set[2].n[1]--; /* as if the file had grown since it was counted */
    ck_assert_int_eq(drift_values_each(w->set, COLUMNS, 1 << 30, read_world, check, w, &err), DRIFT_E_MISMATCH);
    w->set[2].n[1] += 2; /* ... or had shrunk */
    ck_assert_int_eq(drift_values_each(w->set, COLUMNS, 1 << 30, read_world, check, w, &err), DRIFT_E_MISMATCH);
    free(w);
}
END_TEST

/* One column of labels that are all different. */
static int read_many(void *ctx, int side, struct drift_collector *k, struct drift_err *err)
{
    size_t n = *(size_t *)ctx;
    (void)err;
    for (size_t i = 0; i < n && !side; i++)
        drift_values_row(k, &(struct drift_event){.label = {.kind = DRIFT_V_NUM, .num = (double)i}});
    return 0;
}

static void keep_why(void *ctx, const struct drift_values *v)
{
    size_t n = *(size_t *)ctx;
    ck_assert((v->why != NULL) == (n > DRIFT_DISTINCT_MAX));
    ck_assert(v->why || v->n_names == n);
}

START_TEST(too_many_categories)
{
    static const size_t many[] = {DRIFT_DISTINCT_MAX, DRIFT_DISTINCT_MAX + 1};
    struct drift_column label = {.name = (char *)"label", .kind = DRIFT_CATEGORICAL, .role = DRIFT_LABEL};
    struct drift_values_column set = {.column = &label};
    struct drift_err err;
    for (size_t i = 0; i < sizeof many / sizeof *many; i++)
        ck_assert_int_eq(drift_values_each(&set, 1, 1 << 20, read_many, keep_why, (void *)&many[i], &err), 0);
}
END_TEST

enum { WIDE = 4, DISTINCT = 20000 };

struct wide {
    struct drift_column column[WIDE];
    struct drift_fields fields;
    char *names[WIDE];
    int readings, seen;
};

/* Columns of categories that take some 2 MB each. */
static int read_wide(void *ctx, int side, struct drift_collector *k, struct drift_err *err)
{
    struct wide *w = ctx;
    (void)err;
    w->readings += !side;
    for (int i = 0; i < DISTINCT; i++) {
        double num[WIDE];
        uint8_t kind[WIDE];
        struct drift_str str[WIDE] = {{0}};
        for (int c = 0; c < WIDE; c++) {
            num[c] = i * .3;
            kind[c] = DRIFT_V_NUM;
        }
        drift_values_row(k, &(struct drift_event){.fields = &w->fields, .num = num, .kind = kind, .str = str});
    }
    return 0;
}

static void see_wide(void *ctx, const struct drift_values *v)
{
    ck_assert(!v->why && v->n_names == DISTINCT && v->n[0] == DISTINCT && v->n[1] == DISTINCT);
    ((struct wide *)ctx)->seen++;
}

/* Those that do not fit beside others wait for a reading of their own. */
START_TEST(categories_wait)
{
    static const struct {
        uint64_t bytes;
        int readings;
    } at[] = {{64 << 20, 1}, {1 << 20, WIDE}};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        struct wide w = {.fields = {.n = WIDE, .max = WIDE, .generation = 1}};
        struct drift_values_column set[WIDE] = {{0}};
        struct drift_err err;
        char name[WIDE][2] = {"a", "b", "c", "d"};
        w.fields.names = w.names;
        for (int c = 0; c < WIDE; c++) {
            w.names[c] = name[c];
            w.column[c] = (struct drift_column){.name = name[c], .kind = DRIFT_CATEGORICAL, .role = DRIFT_FEATURE};
            set[c].column = &w.column[c];
        }
        ck_assert_int_eq(drift_values_each(set, WIDE, at[i].bytes, read_wide, see_wide, &w, &err), 0);
        ck_assert_int_eq(w.seen, WIDE);
        ck_assert_int_eq(w.readings, at[i].readings);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("values");
    drift_test_add(s, "whatever memory", whatever_memory, 20);
    drift_test_add(s, "changed files", changed_files, 20);
    drift_test_add(s, "too many categories", too_many_categories, 20);
    drift_test_add(s, "categories wait", categories_wait, 20);
    return drift_test_run(s);
}
