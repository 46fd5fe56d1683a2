/* tests/unit/stats/test_golden.c    Statistics from the raw data against the shared golden files. */
#include "values.h"

#include <limits.h>

#include <zlib.h>

#include "driftd/binning.h"
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
static size_t n_tables, n_events;
static struct event *events; /* borrows from the tables; NULL: not read yet */

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
    free(events);
    events = NULL;
}

static size_t column_find(const struct table *t, const char *name)
{
    size_t column = 0;
    while (strcmp(t->field[column], name) != 0)
        demand(++column < t->n_columns, "no column %s in %s", name, t->path);
    return column;
}

static struct rows rows_read(const json_t *ref)
{
    const json_t *range = json_object_get(ref, "rows"), *name = json_object_get(ref, "column");
    const struct table *t = table_get(json_string_value(json_object_get(ref, "file")), name != NULL);
    size_t head = name != NULL, column = name ? column_find(t, json_string_value(name)) : 0;
    size_t from = range ? (size_t)json_integer_value(json_array_get(range, 0)) : 0;
    size_t to = range ? (size_t)json_integer_value(json_array_get(range, 1)) : t->n_rows - head;
    demand(to <= t->n_rows - head && from < to, "%s has %zu rows", t->path, t->n_rows);
    struct rows r = {.n = to - from, .text = malloc((to - from) * sizeof *r.text)};
    for (size_t i = 0; i < r.n; i++)
        r.text[i] = t->field[(head + from + i) * t->n_columns + column];
    return r;
}

/* The replay of NSL-KDD: which events are asked for, by phase or by window of event time. */
struct events {
    const char *phase; /* or NULL */
    int64_t from_ms, to_ms;
};

enum { TRAIN_ROWS = 25192 };

/* Where the replay's values of one column are: its file by name, the row's line there less the row, the column. */
struct source {
    const char *file;
    const struct table *t;
    size_t head, column;
};

/* Score and decision are in a file of their own, train rows first. */
static struct source source_of(const char *file, const char *column)
{
    int is_score = strcmp(column, "score") == 0 || strcmp(column, "decision") == 0;
    int is_test = strcmp(file, "nsl_kdd_test.csv.gz") == 0;
    struct source s = {.file = file, .t = table_get(is_score ? "nslkdd_scores.csv.gz" : file, 1), .head = 1};
    if (is_score && is_test)
        s.head += TRAIN_ROWS;
    s.column = column_find(s.t, column);
    return s;
}

static const char *source_text(const struct source *s, size_t row)
{
    char **line = &s->t->field[(s->head + row) * s->t->n_columns];
    const char *name = s->t->field[s->column], *text = line[s->column];
    if (s->head > 1 || strcmp(s->t->field[0], "split") == 0)
        demand((strcmp(line[0], "test") == 0) == (s->head > 1) && strtoul(line[1], NULL, 10) == row, "row %zu", row);
    return strcmp(name, "decision") != 0 ? text : strcmp(text, "1") == 0 ? "alert" : "pass";
}

struct event {
    const char *phase, *file;
    int64_t ts;
    size_t row;
};

static struct event *events_read(size_t *ret_n)
{
    const struct table *t = table_get("nslkdd_event_index.csv.gz", 1);
    size_t phase = column_find(t, "phase"), ts = column_find(t, "ts"), file = column_find(t, "file");
    size_t row = column_find(t, "row");
    struct event *e = malloc((*ret_n = t->n_rows - 1) * sizeof *e);
    for (size_t i = 0; i < *ret_n; i++) {
        char **line = &t->field[(i + 1) * t->n_columns];
        e[i] = (struct event){.phase = line[phase], .file = line[file]};
        e[i].ts = strtoll(line[ts], NULL, 10);
        e[i].row = strtoul(line[row], NULL, 10);
    }
    return e;
}

static struct rows rows_of_events(const struct events *which, const char *column)
{
    if (!events)
        events = events_read(&n_events);
    struct rows r = {.n = 0, .text = malloc(n_events * sizeof *r.text)};
    struct source s = {.file = ""};
    for (const struct event *e = events; e < events + n_events; e++) {
        if (which->phase ? strcmp(e->phase, which->phase) != 0 : e->ts < which->from_ms || e->ts >= which->to_ms)
            continue;
        if (strcmp(s.file, e->file) != 0)
            s = source_of(e->file, column);
        r.text[r.n++] = source_text(&s, e->row);
    }
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

/* The bins as a layout column, the values counted through it, as the daemon does.  Left-closed bins are right-closed
 * ones with the next smaller double as edge. */
static void values_binned(struct values *vs, const char *scheme, const double *x, size_t m, const double *y, size_t n)
{
    size_t k;
    enum drift_binning rule;
    double edges[DRIFT_BINNING_EDGES], d = *value_find(vs, "ks.d");
    uint64_t p[DRIFT_BINNING_EDGES + 1] = {0}, q[DRIFT_BINNING_EDGES + 1] = {0};
    char at[KEY_MAX];
    struct drift_ks_bracket bracket;
    struct drift_layout *l = drift_layout_new();
    ck_assert(drift_binning_parse(scheme, &rule));
    ck_assert_int_eq(drift_binning_edges(rule, x, m, edges, &k), 0);
    snprintf(at, sizeof at, "binned.%s.", scheme);
    for (size_t i = 0; i < k; i++) {
        put(vs, edges[i], "%sedges[%zu]", at, i);
        if (strstr(scheme, "_lc"))
            edges[i] = nextafter(edges[i], -INFINITY);
    }
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "x", edges, (uint32_t)k, false, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    for (size_t i = 0; i < m; i++)
        p[drift_column_cell(&l->columns[0], x[i])]++;
    for (size_t i = 0; i < n; i++)
        q[drift_column_cell(&l->columns[0], y[i])]++;
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

static void values_numeric(struct values *vs, const json_t *c, const struct rows *a, const struct rows *b)
{
    double *x = numbers_of(a), *y = numbers_of(b);
    const char *scheme;
    json_t *binned;
    put_samples(vs, x, a->n, y, b->n);
    exact_put(vs, c, x, a->n, y, b->n);
    json_object_foreach(json_object_get(c, "binned"), scheme, binned)
    {
        values_binned(vs, scheme, x, a->n, y, b->n);
        ck_assert_int_eq(value_count(vs, "binned.%s.edges[", scheme),
                         (int)json_array_size(json_object_get(binned, "edges")));
    }
    if (json_object_get(json_object_get(c, "anderson_darling"), "note"))
        demand(!value_find(vs, "anderson_darling.a2_midrank"), "all values are equal");
    free(x);
    free(y);
}

static void category_set_check(const json_t *c, const char *key, const char **names, size_t k, const uint64_t *count)
{
    const json_t *list = json_object_get(c, key);
    size_t found = 0;
    if (!list)
        return;
    for (size_t i = 0; i < k; i++)
        if (count[i] == 0) {
            const char *name = json_string_value(json_array_get(list, found++));
            demand(name && strcmp(name, names[i]) == 0, "%s", key);
        }
    ck_assert_uint_eq(found, json_array_size(list));
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The union of both sides in the order of bytes. */
static size_t categories_of(const struct rows *a, const struct rows *b, const char **ret)
{
    size_t n = a->n + b->n, k = 0;
    const char **all = malloc(n * sizeof *all);
    memcpy(all, a->text, a->n * sizeof *all);
    memcpy(all + a->n, b->text, b->n * sizeof *all);
    qsort(all, n, sizeof *all, by_bytes);
    for (size_t i = 0; i < n; i++)
        if (k == 0 || strcmp(ret[k - 1], all[i]) != 0) {
            demand(k < CELLS_MAX, "too many categories");
            ret[k++] = all[i];
        }
    free(all);
    return k;
}

static void values_categorical(struct values *vs, const json_t *c, const struct rows *a, const struct rows *b)
{
    const json_t *list = json_object_get(c, "categories");
    const char *names[CELLS_MAX];
    size_t k = categories_of(a, b, names);
    uint64_t p[CELLS_MAX] = {0}, q[CELLS_MAX] = {0}, fresh = 0;
    struct drift_layout *l = drift_layout_new();
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "x", names, (uint32_t)k, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    for (size_t i = 0; i < a->n; i++)
        p[drift_column_category(&l->columns[0], a->text[i], strlen(a->text[i]))]++;
    for (size_t i = 0; i < b->n; i++)
        q[drift_column_category(&l->columns[0], b->text[i], strlen(b->text[i]))]++;
    ck_assert_uint_eq(p[k + 1] + q[k + 1], 0); /* none unseen */
    for (size_t i = 0; i < k; i++) {
        fresh += p[i] ? 0 : q[i];
        demand(!list || strcmp(names[i], json_string_value(json_array_get(list, i))) == 0, "category %s", names[i]);
    }
    demand(!list || json_array_size(list) == k, "%zu categories", k);
    put(vs, (double)a->n, "n1");
    put(vs, (double)b->n, "n2");
    put(vs, (double)fresh / (double)b->n, "new_share_current");
    counts_put(vs, "", p, q, k);
    category_set_check(c, "new_in_current", names, k, p);
    category_set_check(c, "gone_in_current", names, k, q);
    drift_layout_free(l);
}

/* Is this text what the case counts?  Positives are a number, a text, or all but "normal". */
static int is_positive(const json_t *positive, const char *text)
{
    if (json_is_number(positive))
        return strtod(text, NULL) == json_number_value(positive);
    if (strcmp(json_string_value(positive), "attack_type != normal") == 0)
        return strcmp(text, "normal") != 0;
    return strcmp(text, json_string_value(positive)) == 0;
}

static uint64_t positives(const json_t *ref, const json_t *positive, uint64_t *ret_n)
{
    struct rows r = rows_read(ref);
    uint64_t k = 0;
    for (size_t i = 0; i < r.n; i++)
        k += (uint64_t)is_positive(positive, r.text[i]);
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
    if (positive) {
        k1 = positives(json_object_get(c, "baseline"), positive, &n1);
        k2 = positives(json_object_get(c, "current"), positive, &n2);
    }
    put_proportion(vs, k1, n1, k2, n2);
}

/* A window's feature under the short names of that file. */
static void window_feature(struct values *vs, const json_t *want, const char *name, const struct events *window)
{
    static const char *const keys[][2] = {{"ks_d", "ks.d"},
                                          {"ks_p_kstwo", "ks.p_scipy_asymp_kstwo"},
                                          {"mean", "summary_current.mean"},
                                          {"wasserstein1", "wasserstein1"}};
    static const char *const binned[] = {"js_distance_base2", "hellinger", "chi2", "chi2_p", "dof", "g", "g_p"};
    const struct events reference = {.phase = "reference"};
    struct rows a = rows_of_events(&reference, name), b = rows_of_events(window, name);
    struct values *all = calloc(1, sizeof *all);
    int is_number = json_object_get(want, "ks_d") != NULL;
    const char *at = is_number ? "binned.q10_linear_rc." : "";
    char key[KEY_MAX];
    if (is_number) {
        double *x = numbers_of(&a), *y = numbers_of(&b);
        put_samples(all, x, a.n, y, b.n);
        values_binned(all, "q10_linear_rc", x, a.n, y, b.n);
        free(x);
        free(y);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            put(vs, *value_find(all, keys[i][1]), "features.%s.%s", name, keys[i][0]);
        for (int i = 0; i < value_count(all, "%scounts_current[", at); i++) {
            snprintf(key, sizeof key, "%scounts_current[%d]", at, i);
            put(vs, *value_find(all, key), "features.%s.counts_current[%d]", name, i);
        }
    } else {
        values_categorical(all, want, &a, &b);
    }
    for (size_t i = 0; i < sizeof binned / sizeof *binned; i++) {
        snprintf(key, sizeof key, "%s%s", at, binned[i]);
        put(vs, *value_find(all, key), "features.%s.%s", name, binned[i]);
    }
    snprintf(key, sizeof key, "%spsi.eps1e-4_zero", at);
    put(vs, *value_find(all, key), "features.%s.psi_eps1e_4_zero", name);
    snprintf(key, sizeof key, "%spsi.laplace1", at);
    put(vs, *value_find(all, key), "features.%s.psi_laplace1", name);
    free(all);
    free(a.text);
    free(b.text);
}

static void values_window(struct values *vs, const json_t *c)
{
    struct events window = {.from_ms = json_integer_value(json_object_get(c, "start_ts"))};
    const char *name;
    json_t *want;
    uint64_t alerts = 0;
    window.to_ms = window.from_ms + 6 * 3600 * 1000;
    struct rows decisions = rows_of_events(&window, "decision");
    for (size_t i = 0; i < decisions.n; i++)
        alerts += strcmp(decisions.text[i], "alert") == 0;
    put(vs, (double)window.from_ms, "start_ts");
    put(vs, (double)window.to_ms, "end_ts");
    put(vs, (double)decisions.n, "events");
    put(vs, (double)alerts, "alerts");
    json_object_foreach(json_object_get(c, "features"), name, want)
    {
        window_feature(vs, want, name, &window);
    }
    free(decisions.text);
}

/* Rows that the case names, or (the replay) the phases in its id: <column>_reference_v_<phase>. */
static void case_rows(const json_t *c, struct rows *ret_a, struct rows *ret_b)
{
    const char *id = json_string_value(json_object_get(c, "id")), *mark = strstr(id, "_reference_v_");
    if (json_object_get(c, "baseline")) {
        *ret_a = rows_read(json_object_get(c, "baseline"));
        *ret_b = rows_read(json_object_get(c, "current"));
        return;
    }
    const struct events reference = {.phase = "reference"}, current = {.phase = mark + strlen("_reference_v_")};
    char column[KEY_MAX];
    snprintf(column, sizeof column, "%.*s", (int)(mark - id), id);
    *ret_a = rows_of_events(&reference, column);
    *ret_b = rows_of_events(&current, column);
}

static void case_compare(struct comparison *cmp, const json_t *c)
{
    const char *kind = json_string_value(json_object_get(c, "kind"));
    struct values *vs = calloc(1, sizeof *vs);
    struct rows a = {0}, b = {0};
    if (strncmp(kind, "numeric", 7) == 0) {
        case_rows(c, &a, &b);
        values_numeric(vs, c, &a, &b);
    } else if (strcmp(kind, "categorical") == 0) {
        case_rows(c, &a, &b);
        values_categorical(vs, c, &a, &b);
    } else if (strcmp(kind, "proportion") == 0) {
        values_proportion(vs, c);
    } else if (strcmp(kind, "window") == 0) {
        values_window(vs, c);
    } else {
        ck_abort_msg("unknown kind %s", kind);
    }
    tree_compare(cmp, vs, json_string_value(json_object_get(c, "id")), "", c);
    cmp->cases++;
    free(a.text);
    free(b.text);
    free(vs);
}

/* The replay's windows share one baseline, whose bins stand at the head of the file. */
static void frozen_compare(struct comparison *cmp, const json_t *doc)
{
    const struct events reference = {.phase = "reference"};
    const json_t *baseline = json_object_get(doc, "baseline");
    struct values *vs = calloc(1, sizeof *vs);
    const char *name;
    json_t *edges;
    json_object_foreach(json_object_get(baseline, "edges"), name, edges)
    {
        double e[DRIFT_BINNING_EDGES];
        uint64_t count[DRIFT_BINNING_EDGES + 1];
        size_t k;
        struct rows a = rows_of_events(&reference, name);
        double *x = numbers_of(&a);
        ck_assert_int_eq(drift_binning_edges(DRIFT_BINNING_Q10_LINEAR_RC, x, a.n, e, &k), 0);
        drift_binning_count(DRIFT_BINNING_Q10_LINEAR_RC, e, k, x, a.n, count);
        ck_assert_uint_eq(k, json_array_size(edges));
        for (size_t i = 0; i <= k; i++) {
            put(vs, (double)count[i], "frozen.counts.%s[%zu]", name, i);
            if (i < k)
                put(vs, e[i], "frozen.edges.%s[%zu]", name, i);
        }
        put(vs, (double)a.n, "frozen.events");
        free(x);
        free(a.text);
    }
    tree_compare(cmp, vs, "frozen", "frozen", baseline);
    free(vs);
}

static const struct {
    const char *file;
    int cases, compared_min;
    const char *other_kind; /* performance from labels: not here, counted */
    int other_cases;
} files[] = {{"nslkdd_features", 49, 10140, NULL, 0},
             {"nslkdd_control", 49, 10090, NULL, 0},
             {"nslkdd_small", 44, 9570, NULL, 0},
             {"nslkdd_scores", 8, 720, "metrics", 6},
             {"nslkdd_stream", 86, 14530, "metrics_stream", 3},
             {"nslkdd_windows", 38, 7290, NULL, 0},
             {"elec2", 27, 4960, NULL, 0},
             {"phishing_river", 19, 2630, NULL, 0},
             {"phishing_uci", 31, 1020, NULL, 0},
             {"cicids2017", 20, 5520, NULL, 0},
             {"gas_drift", 119, 22820, NULL, 0},
             {"keystroke", 77, 14390, NULL, 0},
             {"ssh_auth", 7, 470, NULL, 0},
             {"nab", 11, 2160, NULL, 0},
             {"synthetic", 28, 6130, NULL, 0}};
enum { N_FILES = sizeof files / sizeof *files };

static void file_compare(struct comparison *cmp, const json_t *doc, const char *other_kind, int *ret_left_out)
{
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(doc, "results"), i, c)
    {
        const char *kind = json_string_value(json_object_get(c, "kind"));
        if (other_kind && strcmp(kind, other_kind) == 0)
            ++*ret_left_out;
        else
            case_compare(cmp, c);
    }
    if (json_object_get(json_object_get(doc, "baseline"), "edges"))
        frozen_compare(cmp, doc);
}

START_TEST(agrees_with_golden)
{
    struct comparison all = {0};
    int compared_min = 0;
    drift_stats_init();
    exclusions_read(&all, DRIFTD_SOURCE_DIR "/tests/unit/stats/golden_excluded.txt");
    printf("%-16s %6s %9s %9s %9s %9s\n", "file", "cases", "compared", "to bit", "excluded", "other");
    for (size_t f = 0; f < N_FILES; f++) {
        char path[PATH_MAX];
        int left_out = 0;
        struct comparison before = all;
        snprintf(path, sizeof path, "%s/golden/%s.json", shared, files[f].file);
        json_t *doc = json_read(path);
        file_compare(&all, doc, files[f].other_kind, &left_out);
        json_decref(doc);
        printf("%-16s %6d %9d %9d %9d %9d\n", files[f].file, all.cases - before.cases, all.compared - before.compared,
               all.equal - before.equal, all.excluded - before.excluded, left_out);
        ck_assert_int_eq(all.cases - before.cases, files[f].cases);
        ck_assert_int_eq(left_out, files[f].other_cases);
        ck_assert_int_ge(all.compared - before.compared, files[f].compared_min);
        compared_min += files[f].compared_min;
    }
    for (int i = 0; i < all.n_patterns; i++)
        printf("excluded %6d  %-28s %s\n", all.pattern[i].used, all.pattern[i].pattern, all.pattern[i].why);
    printf("excluded %6d  %-28s %s\n", all.noise, "cramer_von_mises.p_*",
           "below 1e-6, where the reference is rounding noise: asked only whether ours is below, too");
    ck_assert_int_eq(all.noise, 535);
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
