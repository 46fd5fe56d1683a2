/* tests/unit/detect/test_river.c    Drifts and warnings against tests/data/detect/river.json (river; published
 * formulas). */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "driftd/detector.h"
#include "support.h"

enum { N_MAX = 6000, STEPS_MAX = 8 };

/* The streams of make_river.py: splitmix64, 53 bits. */
static double uniform(uint64_t *s)
{
    uint64_t z = (*s += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static size_t stream_make(const json_t *s, double *x)
{
    size_t n = (size_t)json_integer_value(json_object_get(s, "n")), step = 0;
    uint64_t seed = (uint64_t)json_integer_value(json_object_get(s, "seed"));
    const json_t *steps = json_object_get(s, "steps");
    bool errors = !strcmp(json_string_value(json_object_get(s, "of")), "errors");
    ck_assert_uint_le(n, N_MAX);
    for (size_t i = 0; i < n; i++) {
        while (step + 1 < json_array_size(steps) &&
               json_integer_value(json_array_get(json_array_get(steps, step + 1), 0)) <= (json_int_t)i)
            step++;
        double level = json_number_value(json_array_get(json_array_get(steps, step), 1)), u = uniform(&seed);
        if (errors) {
            x[i] = u < level;
        } else {
            double v = uniform(&seed), w = uniform(&seed);
            x[i] = u + v + w - 1.5 + level;
        }
    }
    return n;
}

static double setting(const struct drift_detector_param *p, const json_t *v)
{
    for (int c = 0; json_is_string(v) && c < DRIFT_DETECTOR_CHOICES_MAX && p->choices[c]; c++)
        if (!strcmp(p->choices[c], json_string_value(v)))
            return c;
    ck_assert_msg(json_is_number(v), "%s has no such choice", p->name);
    return json_number_value(v);
}

static struct drift_detector *detector_of(const json_t *c)
{
    enum drift_detector_kind kind;
    struct drift_detector_settings s;
    struct drift_detector *d;
    const char *key;
    json_t *v;
    size_t n, set = 0;
    ck_assert(drift_detector_parse(json_string_value(json_object_get(c, "detector")), &kind));
    const struct drift_detector_param *p = drift_detector_params(kind, &n);
    drift_detector_defaults(kind, &s);
    json_object_foreach(json_object_get(c, "params"), key, v)
    {
        for (size_t i = 0; i < n; i++)
            if (!strcmp(p[i].name, key))
                set += drift_detector_set(kind, &s, key, setting(&p[i], v)) == 0;
    }
    ck_assert_uint_eq(set, json_object_size(json_object_get(c, "params")));
    ck_assert_int_eq(drift_detector_new(kind, &s, &d), 0);
    return d;
}

struct expected {
    const json_t *list;
    size_t n;
};

static void expect(struct expected *e, size_t at, const char *what, const char *params)
{
    json_int_t want = json_integer_value(json_array_get(e->list, e->n));
    if (e->n == json_array_size(e->list) || want != (json_int_t)at)
        ck_abort_msg("%s: %s %zu at %zu, not %lld of %zu", params, what, e->n, at, (long long)want,
                     json_array_size(e->list));
    e->n++;
}

/* Returns how many positions were compared. */
static size_t case_compare(const json_t *c, const double *x, size_t n)
{
    struct drift_detector *d = detector_of(c);
    struct expected drifts = {.list = json_object_get(c, "drift_at")},
                    warnings = {.list = json_object_get(c, "warning_at")};
    enum drift_detector_level level, before = DRIFT_DETECTOR_QUIET;
    char *params = json_dumps(json_object_get(c, "params"), 0);
    char text[256];
    snprintf(text, sizeof text, "%s %s on %s", json_string_value(json_object_get(c, "detector")), params,
             json_string_value(json_object_get(c, "stream")));
    for (size_t i = 0; i < n; i++, before = level) {
        if (drift_detector_add(d, x[i], &level))
            ck_abort_msg("%s: value %zu refused", text, i);
        if (level == DRIFT_DETECTOR_DRIFT)
            expect(&drifts, i, "drift", text);
        else if (level == DRIFT_DETECTOR_WARNING && before != level)
            expect(&warnings, i, "warning", text);
    }
    ck_assert_msg(drifts.n == json_array_size(drifts.list) && warnings.n == json_array_size(warnings.list),
                  "%s: %zu drifts, %zu warnings", text, drifts.n, warnings.n);
    free(params);
    drift_detector_free(d);
    return drifts.n + warnings.n;
}

START_TEST(agrees_with_river)
{
    static double x[N_MAX];
    json_error_t e;
    json_t *doc = json_load_file(DRIFTD_SOURCE_DIR "/tests/data/detect/river.json", 0, &e), *s, *c;
    size_t i, k, cases[DRIFT_N_DETECTOR] = {0}, positions[DRIFT_N_DETECTOR] = {0}, n_cases = 0, n_positions = 0;
    ck_assert_msg(doc != NULL, "%s", e.text);
    json_array_foreach(json_object_get(doc, "streams"), i, s)
    {
        size_t n = stream_make(s, x);
        json_array_foreach(json_object_get(doc, "results"), k, c)
        {
            enum drift_detector_kind kind;
            if (strcmp(json_string_value(json_object_get(c, "stream")),
                       json_string_value(json_object_get(s, "name"))) != 0)
                continue;
            ck_assert(drift_detector_parse(json_string_value(json_object_get(c, "detector")), &kind));
            positions[kind] += case_compare(c, x, n);
            cases[kind]++;
        }
    }
    for (int j = 0; j < DRIFT_N_DETECTOR; j++) {
        printf("%-14s %3zu cases, %4zu positions, all equal\n", drift_detector_name((enum drift_detector_kind)j),
               cases[j], positions[j]);
        n_cases += cases[j];
        n_positions += positions[j];
        ck_assert(j == DRIFT_DETECTOR_HDDM_W || positions[j] >= 20); /* river weighs hddm_w's first value otherwise */
    }
    ck_assert_uint_eq(n_cases, json_array_size(json_object_get(doc, "results")));
    ck_assert_uint_ge(n_cases, 206);
    ck_assert_uint_ge(n_positions, 2900);
    json_decref(doc);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("river");
    drift_test_add(s, "agrees with river", agrees_with_river, 60);
    return drift_test_run(s);
}
