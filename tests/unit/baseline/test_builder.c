/* tests/unit/baseline/test_builder.c    Two passes against an independent recount; kinds, windows, memory. */
#include "support.h"

#include <jansson.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "events.h"

static const struct drift_stream inputs = {.name = (char *)"in",
                                           .features = (char *)"features",
                                           .score = (char *)"score",
                                           .decision = (char *)"decision",
                                           .source = (char *)"source",
                                           .latency = (char *)"latency"};
static const struct drift_stream labels = {.name = (char *)"labels", .label = (char *)"label"};
static const struct drift_builder_settings hourly = {
    .window_ms = 3600000, .label_window_ms = 7200000, .max_windows = 5000};

static struct drift_model model_of(void)
{
    return (struct drift_model){.name = (char *)"m 1", .include = (char *)"*", .threshold = NAN};
}

static struct drift_baseline *finish(struct drift_builder *b)
{
    struct drift_baseline *base = NULL;
    struct drift_err err;
    ck_assert_msg(!drift_builder_finish(b, NULL, "{\"file\":\"x\"}", "abc", 1767225600000, &base, &err), "%s",
                  err.text);
    return base;
}

static void freeze(struct drift_builder *b)
{
    struct drift_err err;
    ck_assert_msg(!drift_builder_freeze(b, &err), "%s", err.text);
}

/* ---- against numpy ---- */

enum { N_VALUES = 7001, N_SHAPES = 8 };
static const char *const shapes[N_SHAPES] = {"gauss", "ties", "atom", "constant", "huge", "zeros", "tail", "score"};

static double shaped(struct drift_rng *r, int shape)
{
    double g = drift_rng_gauss(r);
    switch (shape) {
    case 0:
        return g;
    case 1:
        return (double)drift_rng_below(r, 40);
    case 2:
        return drift_rng_below(r, 3) ? 7 : g;
    case 3:
        return -3.25;
    case 4:
        return g * 1e300;
    case 5:
        return drift_rng_below(r, 10) ? 0.0 : -0.0;
    case 6:
        return exp(4 * g);
    default:
        return 1 / (1 + exp(-3 * g));
    }
}

static json_t *column_json(const struct drift_column *c, const struct drift_summary *s, bool sampled, json_t *extra,
                           json_t *imported)
{
    json_t *o = json_object(), *edges = json_array(), *ends = json_array(), *cells = json_array();
    for (uint32_t i = 0; i < c->n_edges; i++)
        json_array_append_new(edges, json_real(c->edges[i]));
    for (uint32_t i = 0; i < c->n_bins; i++)
        json_array_append_new(ends, json_integer(c->bin_end[i]));
    for (uint32_t i = 0; i < c->n_cells; i++)
        json_array_append_new(cells, json_integer((json_int_t)drift_summary_cells(s, c)[i]));
    json_object_set_new(o, "name", json_string(c->name));
    json_object_set_new(o, "edges", edges);
    json_object_set_new(o, "bin_ends", ends);
    json_object_set_new(o, "cells", cells);
    json_object_set_new(o, "sampled", json_boolean(sampled));
    json_object_set_new(o, "extra", extra);
    json_object_set_new(o, "imported", imported);
    return o;
}

static long oracle(json_t *doc)
{
    char file[] = "/tmp/drift_oracle_XXXXXX", command[4096];
    long n = 0;
    int fd = mkstemp(file);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(json_dumpfd(doc, fd, JSON_REAL_PRECISION(17)), 0);
    close(fd);
    json_decref(doc);
    snprintf(command, sizeof command, "/usr/bin/python3 %s/tests/unit/baseline/oracle_builder.py %s", DRIFTD_SOURCE_DIR,
             file);
    FILE *p = popen(command, "r");
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(fscanf(p, "%ld", &n), 1);
    while (fgetc(p) != EOF) /* a pipe closed too early would make it fail */
        ;
    ck_assert_int_eq(pclose(p), 0);
    unlink(file);
    return n;
}

static void recount(uint32_t sample, long least)
{
    static const double imported[] = {-1, 0.5, 2};
    struct drift_model model = model_of();
    struct drift_builder_settings set = hourly;
    struct drift_err err;
    struct maker m;
    json_t *values = json_object(), *columns = json_array(), *doc = json_object();
    set.sample = sample;
    model.threshold = .9;
    struct drift_builder *b = drift_builder_new(&model, &set);
    ck_assert_int_eq(drift_builder_edges(b, "gauss", imported, 3, &err), 0);
    maker_init(&m);
    for (int pass = 1; pass <= 2; pass++) {
        struct drift_rng r = drift_rng_new(11);
        for (int i = 0; i < N_VALUES; i++) {
            maker_next(&m, i * 60000);
            for (int k = 0; k < N_SHAPES; k++) {
                double x = shaped(&r, k);
                if (k == N_SHAPES - 1)
                    m.ev.score = (struct drift_value){DRIFT_V_NUM, x, {NULL, 0}};
                else
                    maker_num(&m, shapes[k], x);
                if (pass == 1) {
                    if (!json_object_get(values, shapes[k]))
                        json_object_set_new(values, shapes[k], json_array());
                    json_array_append_new(json_object_get(values, shapes[k]), json_real(x));
                }
            }
            pass == 1 ? drift_builder_survey(b, &m.ev, &inputs) : drift_builder_count(b, &m.ev, &inputs);
        }
        if (pass == 1)
            freeze(b);
    }
    struct drift_baseline *base = finish(b);
    const struct drift_baseline_chain *c = &base->chain[DRIFT_CHAIN_INPUT];
    ck_assert_uint_eq(c->layout->n_columns, N_SHAPES);
    for (int k = 0; k < N_SHAPES; k++) {
        json_t *extra = k == 7   ? json_pack("[f,f,f]", .85, .9, .95)
                        : k == 0 ? json_pack("[f,f,f]", -1.0, .5, 2.0)
                                 : json_array();
        json_t *import = k == 0 ? json_deep_copy(extra) : json_array();
        const struct drift_column *col = column_of(c->layout, k == 7 ? DRIFT_SCORE : DRIFT_FEATURE, shapes[k]);
        ck_assert_ptr_nonnull(col);
        json_array_append_new(columns, column_json(col, c->pooled, sample && sample < N_VALUES, extra, import));
    }
    json_object_set_new(doc, "values", values);
    json_object_set_new(doc, "columns", columns);
    long n = oracle(doc);
    printf("%ld numbers compared with numpy (sample %u)\n", n, sample);
    ck_assert_int_ge(n, least);
    drift_baseline_free(base);
    drift_builder_free(b);
    maker_release(&m);
}

START_TEST(exact_quantiles)
{
    recount(0, 900);
}
END_TEST

START_TEST(counts_are_exact_whatever_the_sample)
{
    recount(100, 300);
    recount(1, 20);
}
END_TEST

START_TEST(sampled_edges_are_near_their_rank)
{
    struct drift_model model = model_of();
    struct drift_builder_settings set = hourly;
    struct maker m;
    enum { N = 200000 };
    set.sample = 20000;
    struct drift_builder *b = drift_builder_new(&model, &set);
    maker_init(&m);
    for (int pass = 1; pass <= 2; pass++) {
        struct drift_rng r = drift_rng_new(3);
        for (int i = 0; i < N; i++) {
            maker_next(&m, 0);
            maker_num(&m, "x", drift_rng_gauss(&r) + i * 1e-4); /* a drifting one: a sample of the head would fail */
            pass == 1 ? drift_builder_survey(b, &m.ev, &inputs) : drift_builder_count(b, &m.ev, &inputs);
        }
        if (pass == 1)
            freeze(b);
    }
    struct drift_baseline *base = finish(b);
    const struct drift_summary *s = base->chain[0].pooled;
    const struct drift_column *c = &s->layout->columns[0];
    ck_assert_uint_eq(c->n_bins, 10);
    for (uint32_t i = 0; i < 10; i++) /* sd of a decile's mass in a sample of 20,000: .003; five of them */
        ck_assert_double_eq_tol((double)bin_count(s, c, i) / N, .1, .015);
    ck_assert_uint_eq(drift_summary_cells(s, c)[0], 0);
    ck_assert_uint_eq(drift_summary_cells(s, c)[c->n_cells - 1], 0);
    ck_assert_ptr_nonnull(strstr(base->meta, "from a sample of 20000 of 200000"));
    drift_baseline_free(base);
    drift_builder_free(b);
    maker_release(&m);
}
END_TEST

/* ---- kinds, roles ---- */

static void odd_event(struct maker *m, int i)
{
    static const char *const services[] = {"http", "dns", "smtp"};
    char text[16];
    maker_next(m, i * 600000ll);
    maker_num(m, "number", i);
    maker_num(m, "flag01", i % 2);
    maker_kind(m, "bool", DRIFT_V_BOOL, i % 2);
    maker_str(m, "service", services[i % 3]);
    i % 10 ? maker_num(m, "mostly_number", i) : maker_str(m, "mostly_number", "n/a");
    i % 10 ? maker_str(m, "mostly_text", "a") : maker_num(m, "mostly_text", 5);
    maker_num(m, "code", i % 4);
    maker_num(m, "excluded", 1);
    maker_kind(m, "nothing", DRIFT_V_NULL, 0);
    if (i % 5 == 0)
        maker_kind(m, "number", DRIFT_V_NULL, 0);
    if (i % 20 == 1)
        maker_kind(m, "number", DRIFT_V_NONFINITE, 0);
    if (i % 4 == 0)
        maker_num(m, "rare_field", 2);
    snprintf(text, sizeof text, "%d", i % 7);
    m->ev.score = (struct drift_value){DRIFT_V_NUM, i % 100 / 100.0, {NULL, 0}};
    m->ev.decision = (struct drift_value){DRIFT_V_BOOL, i % 2, {NULL, 0}};
    m->ev.latency = (struct drift_value){DRIFT_V_NUM, 3, {NULL, 0}};
}

static struct drift_baseline *odd_baseline(const struct drift_model *model, int n)
{
    struct drift_builder *b = drift_builder_new(model, &hourly);
    struct maker m, lab;
    maker_init(&m);
    maker_init(&lab);
    for (int pass = 1; pass <= 2; pass++) {
        for (int i = 0; i < n; i++) {
            odd_event(&m, i);
            pass == 1 ? drift_builder_survey(b, &m.ev, &inputs) : drift_builder_count(b, &m.ev, &inputs);
            maker_next(&lab, i * 600000ll);
            lab.ev.fields = NULL;
            lab.ev.label = (struct drift_value){i % 9 ? DRIFT_V_NUM : DRIFT_V_NULL, i % 3 == 0, {NULL, 0}};
            pass == 1 ? drift_builder_survey(b, &lab.ev, &labels) : drift_builder_count(b, &lab.ev, &labels);
        }
        if (pass == 1)
            freeze(b);
    }
    struct drift_baseline *base = finish(b);
    drift_builder_free(b);
    maker_release(&m);
    maker_release(&lab);
    return base;
}

START_TEST(kinds_and_columns)
{
    struct drift_feature_type types[] = {{(char *)"code", DRIFT_CATEGORICAL}};
    char *exclude[] = {(char *)"excluded"};
    struct drift_model model = model_of();
    model.n_types = 1;
    model.types = types;
    model.n_exclude = 1;
    model.exclude = exclude;
    struct drift_baseline *base = odd_baseline(&model, 600);
    const struct drift_layout *l = base->chain[DRIFT_CHAIN_INPUT].layout;
    const struct drift_summary *s = base->chain[DRIFT_CHAIN_INPUT].pooled;
    static const struct {
        const char *name;
        enum drift_kind kind;
    } want[] = {{"bool", DRIFT_CATEGORICAL},      {"code", DRIFT_CATEGORICAL},        {"flag01", DRIFT_NUMERIC},
                {"mostly_number", DRIFT_NUMERIC}, {"mostly_text", DRIFT_CATEGORICAL}, {"nothing", DRIFT_NUMERIC},
                {"number", DRIFT_NUMERIC},        {"rare_field", DRIFT_NUMERIC},      {"service", DRIFT_CATEGORICAL},
                {"score", DRIFT_NUMERIC},         {"decision", DRIFT_CATEGORICAL},    {"latency", DRIFT_NUMERIC}};
    ck_assert_uint_eq(l->n_columns, sizeof want / sizeof *want);
    for (uint32_t i = 0; i < l->n_columns; i++) {
        ck_assert_str_eq(l->columns[i].name, want[i].name);
        ck_assert_int_eq(l->columns[i].kind, want[i].kind);
    }
    ck_assert_uint_eq(s->n, 600);
    const struct drift_column *c = column_of(l, DRIFT_FEATURE, "number");
    ck_assert_uint_eq(drift_summary_specials(s, c)[DRIFT_NULL], 120);
    ck_assert_uint_eq(drift_summary_specials(s, c)[DRIFT_NONFINITE], 30);
    c = column_of(l, DRIFT_FEATURE, "rare_field");
    ck_assert_uint_eq(drift_summary_specials(s, c)[DRIFT_MISSING], 450);
    c = column_of(l, DRIFT_FEATURE, "mostly_number");
    ck_assert_uint_eq(drift_summary_specials(s, c)[DRIFT_WRONG_TYPE], 60);
    c = column_of(l, DRIFT_FEATURE, "mostly_text");
    ck_assert_uint_eq(c->n_categories, 2);
    ck_assert_str_eq(c->categories[0], "5");
    ck_assert_uint_eq(drift_summary_cells(s, c)[0], 60);
    ck_assert_uint_eq(drift_summary_cells(s, c)[drift_column_unseen(c)], 0);
    c = column_of(l, DRIFT_FEATURE, "code");
    ck_assert_uint_eq(c->n_categories, 4);
    ck_assert_uint_eq(drift_summary_cells(s, c)[3], 150);
    c = column_of(l, DRIFT_FEATURE, "nothing");
    ck_assert_uint_eq(c->n_edges, 0);
    ck_assert_uint_eq(drift_summary_specials(s, c)[DRIFT_NULL], 600);
    c = column_of(l, DRIFT_LATENCY, NULL); /* constant: one cell of three holds all, one bin */
    ck_assert_uint_eq(c->n_edges, 2);
    ck_assert_uint_eq(c->n_bins, 1);
    ck_assert_uint_eq(drift_summary_cells(s, c)[1], 600);
    c = column_of(l, DRIFT_DECISION, NULL);
    ck_assert_str_eq(c->categories[0], "false");

    const struct drift_baseline_chain *lab = &base->chain[DRIFT_CHAIN_LABEL];
    ck_assert_uint_eq(lab->layout->n_columns, 1);
    c = &lab->layout->columns[0];
    ck_assert_int_eq(c->role, DRIFT_LABEL);
    ck_assert_uint_eq(c->n_categories, 2);
    ck_assert_str_eq(c->categories[1], "1");
    ck_assert_uint_eq(lab->pooled->n, 600);
    ck_assert_uint_eq(drift_summary_specials(lab->pooled, c)[DRIFT_NULL], 67);
    ck_assert_uint_eq(drift_summary_cells(lab->pooled, c)[1], 133);
    ck_assert_int_eq(lab->window_ms, 7200000);
    ck_assert_uint_eq(lab->n_windows, 50);
    ck_assert_uint_eq(base->chain[DRIFT_CHAIN_INPUT].n_windows, 100);
    drift_baseline_free(base);
}
END_TEST

START_TEST(same_events_same_bytes)
{
    struct drift_model model = model_of();
    struct drift_baseline *a = odd_baseline(&model, 5000), *b = odd_baseline(&model, 5000),
                          *c = odd_baseline(&model, 5001);
    struct drift_err err;
    struct drift_buf x, y;
    drift_buf_init(&x, 1 << 24);
    drift_buf_init(&y, 1 << 24);
    ck_assert_int_eq(drift_baseline_save(a, &x, &err), 0);
    ck_assert_int_eq(drift_baseline_save(b, &y, &err), 0);
    ck_assert_str_eq(a->digest, b->digest);
    ck_assert_uint_eq(x.len, y.len);
    ck_assert_str_eq(a->id, b->id);
    ck_assert_int_eq(strncmp(a->id, "m-1-", 4), 0);
    ck_assert_str_ne(a->id, c->id);
    struct drift_baseline *loaded;
    ck_assert_int_eq(drift_baseline_load(x.data, x.len, &loaded, &err), 0);
    ck_assert_str_eq(loaded->chain[0].layout->digest, a->chain[0].layout->digest);
    json_t *meta = json_loads(loaded->meta, 0, NULL);
    ck_assert_int_eq(json_integer_value(json_object_get(meta, "events")), 5000);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(meta, "source"), "file")), "x");
    json_decref(meta);
    drift_baseline_free(a);
    drift_baseline_free(b);
    drift_baseline_free(c);
    drift_baseline_free(loaded);
    drift_buf_release(&x);
    drift_buf_release(&y);
}
END_TEST

START_TEST(many_categories)
{
    struct drift_model model = model_of();
    struct drift_builder_settings set = hourly;
    struct maker m;
    char text[400];
    set.max_distinct = 3000;
    struct drift_builder *b = drift_builder_new(&model, &set);
    maker_init(&m);
    for (int pass = 1; pass <= 2; pass++) {
        for (int i = 0; i < 4000; i++)
            for (int times = i < 10 ? 3 : 1; times--;) { /* the first ten are the frequent ones */
                maker_next(&m, 0);
                memset(text, 'x', 300); /* longer than a name may be */
                snprintf(text, sizeof text, "c%04d", i);
                if (i == 7) {
                    memset(text, 'y', 300);
                    text[300] = 0;
                }
                maker_str(&m, "user", text);
                pass == 1 ? drift_builder_survey(b, &m.ev, &inputs) : drift_builder_count(b, &m.ev, &inputs);
            }
        if (pass == 1)
            freeze(b);
    }
    struct drift_baseline *base = finish(b);
    const struct drift_summary *s = base->chain[0].pooled;
    const struct drift_column *c = &s->layout->columns[0];
    ck_assert_uint_eq(c->n_categories, DRIFT_CATEGORIES_MAX);
    ck_assert_uint_eq(c->n_rare, 2000);
    ck_assert_str_eq(c->categories[0], "c0000");
    ck_assert_uint_eq(strlen(c->categories[c->n_categories - 1]), DRIFT_NAME_MAX);
    ck_assert_uint_eq(drift_summary_cells(s, c)[0], 3);
    ck_assert_uint_eq(drift_summary_cells(s, c)[c->n_categories - 1], 3);
    ck_assert_uint_eq(drift_summary_cells(s, c)[drift_column_rare(c)], 2000);
    ck_assert_uint_eq(drift_summary_cells(s, c)[drift_column_unseen(c)], 1000);
    ck_assert_ptr_nonnull(strstr(base->meta, "user: 1000 values beyond 3000 distinct ones count as unseen"));
    drift_baseline_free(base);
    drift_builder_free(b);
    maker_release(&m);
}
END_TEST

/* ---- windows ---- */

START_TEST(newest_windows_are_kept_whole)
{
    enum { N = 20000, WINDOWS = 200, KEPT = 37 };
    struct drift_model model = model_of();
    struct drift_builder_settings set = hourly;
    struct drift_rng r = drift_rng_new(5);
    struct maker m;
    uint64_t want[WINDOWS] = {0};
    static int64_t at[N];
    set.max_windows = KEPT;
    struct drift_builder *b = drift_builder_new(&model, &set);
    maker_init(&m);
    for (int i = 0; i < N; i++) { /* any order; half of it before 1970 */
        at[i] = (int64_t)drift_rng_below(&r, WINDOWS * 3600000ull) - WINDOWS / 2 * 3600000ll;
        want[(at[i] + WINDOWS / 2 * 3600000ll) / 3600000]++;
    }
    for (int pass = 1; pass <= 2; pass++) {
        for (int i = 0; i < N; i++) {
            maker_next(&m, at[i]);
            maker_num(&m, "x", i);
            pass == 1 ? drift_builder_survey(b, &m.ev, &inputs) : drift_builder_count(b, &m.ev, &inputs);
        }
        if (pass == 1)
            freeze(b);
    }
    struct drift_baseline *base = finish(b);
    const struct drift_baseline_chain *c = &base->chain[0];
    ck_assert_uint_eq(c->pooled->n, N);
    ck_assert_uint_eq(c->n_windows, KEPT);
    for (int i = 0; i < KEPT; i++) {
        ck_assert_int_eq(c->windows[i].start_ms, (WINDOWS / 2 - KEPT + i) * 3600000ll);
        ck_assert_uint_eq(c->windows[i].summary->n, want[WINDOWS - KEPT + i]);
    }
    ck_assert_ptr_nonnull(strstr(base->meta, "are only pooled: at most 37"));
    drift_baseline_free(base);
    drift_builder_free(b);
    maker_release(&m);
}
END_TEST

START_TEST(windows_add_up_to_the_pool)
{
    struct drift_model model = model_of();
    struct drift_baseline *base = odd_baseline(&model, 3000);
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        const struct drift_baseline_chain *c = &base->chain[k];
        struct drift_summary *sum = drift_summary_new(c->layout);
        ck_assert_uint_gt(c->n_windows, 10);
        for (size_t i = 0; i < c->n_windows; i++)
            ck_assert_int_eq(drift_summary_merge(sum, c->windows[i].summary), 0);
        ck_assert_uint_eq(sum->n, c->pooled->n);
        ck_assert_int_eq(memcmp(sum->counts, c->pooled->counts, c->layout->n_counts * sizeof *sum->counts), 0);
        drift_summary_free(sum);
    }
    drift_baseline_free(base);
}
END_TEST

/* ---- bounds and refusals ---- */

START_TEST(memory_is_bounded)
{
#ifdef __SANITIZE_ADDRESS__
    printf("allocator statistics do not exist under the address sanitizer\n");
#else
    enum { FIELDS = 400, BUDGET = 8 << 20 };
    struct drift_model model = model_of();
    struct drift_builder_settings set = hourly;
    struct drift_rng r = drift_rng_new(6);
    struct maker m;
    char name[32], text[64];
    set.max_bytes = BUDGET;
    maker_init(&m);
    for (int k = 0; k < FIELDS; k++) {
        snprintf(name, sizeof name, "f%03d", k);
        maker_slot(&m, name);
    }
    size_t before = mallinfo2().uordblks;
    struct drift_builder *b = drift_builder_new(&model, &set);
    for (int i = 0; i < 20000; i++) { /* without a bound: 32 MB of samples, 70 MB of names */
        maker_next(&m, 0);
        for (int k = 0; k < FIELDS; k++) {
            snprintf(name, sizeof name, "f%03d", k);
            if (k % 2) {
                snprintf(text, sizeof text, "%016llx", (unsigned long long)drift_rng_u64(&r));
                m.kind[k] = DRIFT_V_STR;
                m.str[k] = (struct drift_str){text, 16};
            } else {
                m.kind[k] = DRIFT_V_NUM;
                m.num[k] = drift_rng_gauss(&r);
            }
        }
        drift_builder_survey(b, &m.ev, &inputs);
    }
    size_t used = mallinfo2().uordblks - before;
    printf("%zu bytes used, budget %d\n", used, BUDGET);
    ck_assert_uint_lt(used, BUDGET + (2 << 20));
    freeze(b);
    drift_builder_free(b);
    maker_release(&m);
#endif
}
END_TEST

START_TEST(refusals)
{
    struct drift_model model = model_of();
    struct drift_feature_type types[] = {{(char *)"svc", DRIFT_CATEGORICAL}};
    struct drift_builder_settings set = hourly;
    struct drift_err err;
    struct drift_baseline *base;
    struct maker m;
    double many[200] = {0};
    model.n_types = 1;
    model.types = types;
    struct drift_builder *b = drift_builder_new(&model, &set);
    ck_assert_int_eq(drift_builder_freeze(b, &err), DRIFT_E_EMPTY);
    for (int i = 0; i < 200; i++)
        many[i] = i;
    ck_assert_int_eq(drift_builder_edges(b, "x", many, 200, &err), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_builder_edges(b, "x", many, 0, &err), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_builder_edges(b, "x", (double[]){1, 1}, 2, &err), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_builder_edges(b, "x", (double[]){1, INFINITY}, 2, &err), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_builder_edges(b, "svc", many, 2, &err), DRIFT_E_TYPE);
    ck_assert_int_eq(drift_builder_edges_file(b, "/nonexistent/edges.json", &err), DRIFT_E_IO);
    ck_assert_int_eq(drift_builder_edges_file(b, DRIFTD_SOURCE_DIR "/CMakeLists.txt", &err), DRIFT_E_PARSE);
    ck_assert_int_eq(drift_builder_edges(b, "ghost", many, 3, &err), 0); /* no event will have it */
    maker_init(&m);
    maker_next(&m, 0);
    maker_num(&m, "x", 1);
    maker_str(&m, "nul", "a");
    m.str[maker_slot(&m, "nul")] = (struct drift_str){"a\0b", 3};
    drift_builder_survey(b, &m.ev, &inputs);
    freeze(b);
    ck_assert_int_eq(drift_builder_finish(b, NULL, NULL, NULL, 0, &base, &err), DRIFT_E_EMPTY);
    drift_builder_count(b, &m.ev, &inputs);
    ck_assert_int_eq(drift_builder_finish(b, "not an id", NULL, NULL, 0, &base, &err), DRIFT_E_USAGE);
    ck_assert_int_eq(drift_builder_finish(b, "an-id", NULL, NULL, 0, &base, &err), 0);
    ck_assert_str_eq(base->id, "an-id");
    ck_assert_int_lt(drift_layout_find(base->chain[0].layout, DRIFT_FEATURE, "ghost"), 0);
    ck_assert_ptr_nonnull(strstr(base->meta, "ghost: imported edges not used"));
    drift_baseline_free(base);
    drift_builder_free(b);
    maker_release(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("builder");
    drift_test_add(s, "exact_quantiles", exact_quantiles, 60);
    drift_test_add(s, "exact_counts", counts_are_exact_whatever_the_sample, 60);
    drift_test_add(s, "sampled_edges", sampled_edges_are_near_their_rank, 60);
    drift_test_add(s, "kinds", kinds_and_columns, 10);
    drift_test_add(s, "same_bytes", same_events_same_bytes, 30);
    drift_test_add(s, "many_categories", many_categories, 30);
    drift_test_add(s, "newest_windows", newest_windows_are_kept_whole, 30);
    drift_test_add(s, "windows_add_up", windows_add_up_to_the_pool, 30);
    drift_test_add(s, "memory", memory_is_bounded, 60);
    drift_test_add(s, "refusals", refusals, 10);
    return drift_test_run(s);
}
