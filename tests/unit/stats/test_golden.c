/* tests/unit/stats/test_golden.c    Statistics from the raw data against the shared golden files. */
#include "values.h"

#include <limits.h>

#include <zlib.h>

#include "driftd/layout.h"

enum { FILES_MAX = 100 };

static const char *shared;

/* A data file in memory, cut into fields; each is read once, as most columns of it are cases. */
struct table {
    char path[PATH_MAX];
    char *text;
    size_t n_rows, n_columns;
    char **field; /* [n_rows][n_columns]; row 0 is the head of a CSV file */
};
/* The rows [a, b) of one column, as text; borrowed from the table. */
struct rows {
    size_t n;
    const char **text;
};

static struct table tables[FILES_MAX];
static size_t n_tables;

static char *file_read(const char *path)
{
    size_t cap = 1 << 16, n = 0;
    char *p = malloc(cap + 1);
    gzFile f = gzopen(path, "rb");
    demand(f != NULL, "cannot open %s", path);
    for (int got; (got = gzread(f, p + n, (unsigned)(cap - n))) > 0;)
        if ((n += (size_t)got) == cap)
            p = realloc(p, (cap *= 2) + 1);
    gzclose(f);
    p[n] = 0;
    return p;
}

static size_t count_char(const char *s, const char *end, char c)
{
    size_t n = 0;
    for (; s < end; s++)
        n += *s == c;
    return n;
}

static void table_cut(struct table *t, int is_csv)
{
    char *at = t->text, *end = at + strlen(at);
    t->n_columns = is_csv ? 1 + count_char(at, strchr(at, '\n'), ',') : 1;
    t->n_rows = count_char(at, end, '\n');
    t->field = malloc(t->n_rows * t->n_columns * sizeof *t->field);
    for (size_t i = 0; i < t->n_rows; i++)
        for (size_t j = 0; j < t->n_columns; j++) {
            char *stop = at + strcspn(at, j + 1 < t->n_columns ? "," : "\n");
            t->field[i * t->n_columns + j] = at;
            if (stop > at && stop[-1] == '\r')
                stop[-1] = 0;
            *stop = 0;
            at = stop + 1;
        }
}

/* Categories of the synthetic files are JSON strings, one a line. */
static void table_unquote(struct table *t)
{
    for (size_t i = 0; i < t->n_rows; i++) {
        if (t->field[i][0] != '"')
            return;
        json_t *j = json_loads(t->field[i], JSON_DECODE_ANY, NULL);
        demand(json_is_string(j), "not a string: %s", t->field[i]);
        strcpy(t->field[i], json_string_value(j)); /* never longer than its quoted form */
        json_decref(j);
    }
}

static const struct table *table_get(const char *file, int is_csv)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s/%s", shared, strncmp(file, "synthetic/", 10) ? "data" : "golden", file);
    for (size_t i = 0; i < n_tables; i++)
        if (strcmp(tables[i].path, path) == 0)
            return &tables[i];
    demand(n_tables < FILES_MAX, "too many files");
    struct table *t = &tables[n_tables++];
    memcpy(t->path, path, sizeof path);
    t->text = file_read(path);
    table_cut(t, is_csv);
    if (!is_csv)
        table_unquote(t);
    return t;
}

static void tables_free(void)
{
    for (size_t i = 0; i < n_tables; i++) {
        free(tables[i].text);
        free(tables[i].field);
    }
    n_tables = 0;
}

static struct rows rows_read(const json_t *ref)
{
    const json_t *range = json_object_get(ref, "rows"), *name = json_object_get(ref, "column");
    const struct table *t = table_get(json_string_value(json_object_get(ref, "file")), name != NULL);
    size_t head = name != NULL, column = 0;
    while (name && strcmp(t->field[column], json_string_value(name)) != 0)
        demand(++column < t->n_columns, "no column %s in %s", json_string_value(name), t->path);
    size_t from = range ? (size_t)json_integer_value(json_array_get(range, 0)) : 0;
    size_t to = range ? (size_t)json_integer_value(json_array_get(range, 1)) : t->n_rows - head;
    demand(to <= t->n_rows - head && from < to, "%s has %zu rows", t->path, t->n_rows);
    struct rows r = {.n = to - from, .text = malloc((to - from) * sizeof *r.text)};
    for (size_t i = 0; i < r.n; i++)
        r.text[i] = t->field[(head + from + i) * t->n_columns + column];
    return r;
}

static double *numbers_of(const struct rows *r)
{
    double *x = malloc(r->n * sizeof *x);
    for (size_t i = 0; i < r->n; i++) {
        char *end;
        x[i] = strtod(r->text[i], &end);
        demand(*end == 0, "not a number: %s", r->text[i]);
    }
    ck_assert_int_eq(drift_samples_sort(x, r->n), 0);
    return x;
}

static void counts_put(struct values *vs, const char *at, const uint64_t *p, const uint64_t *q, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        put(vs, (double)p[i], "%scounts_baseline[%zu]", at, i);
        put(vs, (double)q[i], "%scounts_current[%zu]", at, i);
    }
    put_counts(vs, at, p, q, k);
}

/* The golden bins as a layout column, the values counted through it.  Left-closed bins are right-closed ones with the
 * next smaller double as edge. */
static void values_binned(struct values *vs, const char *scheme, const json_t *binned, const double *x, size_t m,
                          const double *y, size_t n, double d)
{
    const json_t *list = json_object_get(binned, "edges");
    uint32_t k = (uint32_t)json_array_size(list);
    double edges[DRIFT_EDGES_MAX];
    uint64_t p[DRIFT_EDGES_MAX + 1] = {0}, q[DRIFT_EDGES_MAX + 1] = {0};
    char at[KEY_MAX];
    struct drift_ks_bracket bracket;
    struct drift_layout *l = drift_layout_new();
    for (uint32_t i = 0; i < k; i++) {
        edges[i] = json_number_value(json_array_get(list, i));
        if (strstr(scheme, "_lc"))
            edges[i] = nextafter(edges[i], -INFINITY);
    }
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "x", edges, k, false, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    for (size_t i = 0; i < m; i++)
        p[drift_column_cell(&l->columns[0], x[i])]++;
    for (size_t i = 0; i < n; i++)
        q[drift_column_cell(&l->columns[0], y[i])]++;
    snprintf(at, sizeof at, "binned.%s.", scheme);
    counts_put(vs, at, p, q, k + 1);
    ck_assert_int_eq(drift_ks_cells(p, q, k + 1, &bracket), 0);
    ck_assert_msg(bracket.low <= d + 1e-12 && d <= bracket.high + 1e-12, "D = %g outside [%g, %g]", d, bracket.low,
                  bracket.high);
    drift_layout_free(l);
}

/* Some p-values have no reference, as scipy's rounding took them past 1 and it gave up: then ours must be 1. */
static void exact_put(struct values *vs, const json_t *c, const double *x, size_t m, const double *y, size_t n)
{
    const json_t *want = json_object_get(json_object_get(c, "ks"), "p_exact");
    if (!want)
        return;
    put_exact(vs, x, m, y, n);
    double *got = (double *)value_find(vs, "ks.p_exact");
    if (json_is_null(want)) {
        demand(*got > 1 - 1e-9 && *got <= 1, "p_exact = %.17g without a reference", *got);
        *got = (double)NAN;
    }
}

static void values_numeric(struct values *vs, const json_t *c)
{
    struct rows a = rows_read(json_object_get(c, "baseline")), b = rows_read(json_object_get(c, "current"));
    double *x = numbers_of(&a), *y = numbers_of(&b);
    const char *scheme;
    json_t *binned;
    put_samples(vs, x, a.n, y, b.n);
    exact_put(vs, c, x, a.n, y, b.n);
    json_object_foreach(json_object_get(c, "binned"), scheme, binned)
    {
        values_binned(vs, scheme, binned, x, a.n, y, b.n, *value_find(vs, "ks.d"));
    }
    free(x);
    free(y);
    free(a.text);
    free(b.text);
}

static void category_set_check(const json_t *c, const char *key, const json_t *names, const uint64_t *count)
{
    const json_t *list = json_object_get(c, key);
    size_t found = 0;
    for (size_t i = 0; i < json_array_size(names); i++)
        if (count[i] == 0)
            demand(json_equal(json_array_get(names, i), json_array_get(list, found++)), "%s", key);
    ck_assert_uint_eq(found, json_array_size(list));
}

static void values_categorical(struct values *vs, const json_t *c)
{
    struct rows a = rows_read(json_object_get(c, "baseline")), b = rows_read(json_object_get(c, "current"));
    const json_t *list = json_object_get(c, "categories");
    size_t k = json_array_size(list);
    const char *names[CELLS_MAX];
    uint64_t p[CELLS_MAX] = {0}, q[CELLS_MAX] = {0}, fresh = 0;
    struct drift_layout *l = drift_layout_new();
    for (size_t i = 0; i < k; i++)
        names[i] = json_string_value(json_array_get(list, i));
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "x", names, (uint32_t)k, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    for (size_t i = 0; i < a.n; i++)
        p[drift_column_category(&l->columns[0], a.text[i], strlen(a.text[i]))]++;
    for (size_t i = 0; i < b.n; i++)
        q[drift_column_category(&l->columns[0], b.text[i], strlen(b.text[i]))]++;
    ck_assert_uint_eq(p[k + 1] + q[k + 1], 0); /* none unseen */
    for (size_t i = 0; i < k; i++)
        fresh += p[i] ? 0 : q[i];
    put(vs, (double)a.n, "n1");
    put(vs, (double)b.n, "n2");
    put(vs, (double)fresh / (double)b.n, "new_share_current");
    counts_put(vs, "", p, q, k);
    category_set_check(c, "new_in_current", list, p);
    category_set_check(c, "gone_in_current", list, q);
    drift_layout_free(l);
    free(a.text);
    free(b.text);
}

static uint64_t attacks(const json_t *ref, uint64_t *ret_n)
{
    struct rows r = rows_read(ref);
    uint64_t k = 0;
    for (size_t i = 0; i < r.n; i++)
        k += strcmp(r.text[i], "normal") != 0;
    *ret_n = r.n;
    free(r.text);
    return k;
}

/* Counted from the data where the case says which column; else the counts are the case's input. */
static void values_proportion(struct values *vs, const json_t *c)
{
    const json_t *positive = json_object_get(c, "positive");
    uint64_t k1 = (uint64_t)json_integer_value(json_object_get(c, "k1"));
    uint64_t n1 = (uint64_t)json_integer_value(json_object_get(c, "n1"));
    uint64_t k2 = (uint64_t)json_integer_value(json_object_get(c, "k2"));
    uint64_t n2 = (uint64_t)json_integer_value(json_object_get(c, "n2"));
    if (positive && strcmp(json_string_value(positive), "attack_type != normal") == 0) {
        k1 = attacks(json_object_get(c, "baseline"), &n1);
        k2 = attacks(json_object_get(c, "current"), &n2);
    }
    put_proportion(vs, k1, n1, k2, n2);
}

static void case_compare(struct comparison *cmp, const json_t *c)
{
    const char *kind = json_string_value(json_object_get(c, "kind"));
    struct values *vs = calloc(1, sizeof *vs);
    if (strncmp(kind, "numeric", 7) == 0)
        values_numeric(vs, c);
    else if (strcmp(kind, "categorical") == 0)
        values_categorical(vs, c);
    else if (strcmp(kind, "proportion") == 0)
        values_proportion(vs, c);
    else
        ck_abort_msg("unknown kind %s", kind);
    tree_compare(cmp, vs, json_string_value(json_object_get(c, "id")), "", c);
    cmp->cases++;
    free(vs);
}

static const struct {
    const char *file;
    int cases, compared_min;
    const char *other_kind; /* of a later step: left out, counted */
} files[] = {{"nslkdd_features", 49, 6400, NULL},
             {"nslkdd_control", 49, 6300, NULL},
             {"nslkdd_scores", 8, 480, "metrics"},
             {"synthetic", 28, 4000, NULL}};

START_TEST(agrees_with_golden)
{
    struct comparison all = {0};
    int compared_min = 0;
    drift_stats_init();
    exclusions_read(&all, DRIFTD_SOURCE_DIR "/tests/unit/stats/golden_excluded.txt");
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        char path[PATH_MAX];
        int left_out = 0, before = all.compared, cases_before = all.cases;
        size_t i;
        json_t *c;
        snprintf(path, sizeof path, "%s/golden/%s.json", shared, files[f].file);
        json_t *doc = json_read(path);
        json_array_foreach(json_object_get(doc, "results"), i, c)
        {
            const char *kind = json_string_value(json_object_get(c, "kind"));
            if (files[f].other_kind && strcmp(kind, files[f].other_kind) == 0)
                left_out++;
            else
                case_compare(&all, c);
        }
        json_decref(doc);
        printf("%s: %d values in %d cases, %d cases of kind %s left out\n", files[f].file, all.compared - before,
               all.cases - cases_before, left_out, files[f].other_kind ? files[f].other_kind : "-");
        ck_assert_int_eq(all.cases - cases_before, files[f].cases);
        ck_assert_int_ge(all.compared - before, files[f].compared_min);
        compared_min += files[f].compared_min;
    }
    comparison_end(&all, "golden", compared_min);
    tables_free();
}
END_TEST

int main(void)
{
    shared = drift_test_shared();
    if (!shared)
        return drift_test_skip("no ../shared beside the clone: golden values not compared");
    Suite *s = suite_create("golden");
    drift_test_add(s, "agrees with golden", agrees_with_golden, 100);
    return drift_test_run(s);
}
