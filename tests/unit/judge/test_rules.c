/* tests/unit/judge/test_rules.c    Which columns a rule looks at, its gate and its order, on measures made by hand. */
#include "driftd/internal/judge/alert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static struct drift_layout *layout;
static struct drift_summary *sum;
static struct drift_measure *measures;
static struct drift_verdict v;

static void setup(void)
{
    static const double edges[] = {1, 2};
    static const char *const classes[] = {"ham", "phish"};
    layout = drift_layout_new();
    for (int i = 0; i < 5; i++) {
        char name[8] = {'f', (char)('0' + i), 0};
        ck_assert_int_eq(drift_layout_add_numeric(layout, DRIFT_FEATURE, name, edges, 2, false, NULL, 0), 0);
    }
    ck_assert_int_eq(drift_layout_add_categorical(layout, DRIFT_FEATURE, "country", classes, 2, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_numeric(layout, DRIFT_SCORE, "score", edges, 2, false, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_categorical(layout, DRIFT_DECISION, "decision", classes, 2, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_categorical(layout, DRIFT_LABEL, "label", classes, 2, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(layout), 0);
    sum = drift_summary_new(layout);
    measures = drift_xcalloc((size_t)layout->n_columns * DRIFT_N_MEASURE, sizeof *measures);
    for (uint32_t i = 0; i < layout->n_columns; i++)
        for (int m = 0; m < DRIFT_N_MEASURE; m++)
            measures[i * DRIFT_N_MEASURE + (uint32_t)m] =
                (struct drift_measure){.id = (enum drift_measure_id)m, .has_p = true, .p_value = 1};
    v = (struct drift_verdict){.summary = sum, .measures = measures};
}
static void teardown(void)
{
    free(measures);
    drift_summary_free(sum);
    drift_layout_free(layout);
}

static struct drift_measure *at(enum drift_role role, const char *name, enum drift_measure_id id)
{
    int i = drift_layout_find(layout, role, name);
    ck_assert_int_ge(i, 0);
    return &measures[(size_t)i * DRIFT_N_MEASURE + id];
}
static void set(const char *feature, double effect, double p)
{
    at(DRIFT_FEATURE, feature, DRIFT_MEASURE_PSI)->effect = effect;
    at(DRIFT_FEATURE, feature, DRIFT_MEASURE_PSI)->p_value = p;
}
static struct drift_rule psi(void)
{
    return (struct drift_rule){.name = (char *)"r",
                               .measure = DRIFT_MEASURE_PSI,
                               .scope = DRIFT_SCOPE_FEATURE,
                               .feature = (char *)"*",
                               .warning = .1,
                               .critical = .25,
                               .recovery = .08,
                               .p = NAN};
}

START_TEST(worst_first)
{
    struct drift_rule r = psi();
    struct drift_rule_result x;
    set("f0", .12, 1e-9);
    set("f1", .30, 1e-9);
    set("f2", .90, .5); /* large but noise */
    set("f3", .12, 1e-9);
    set("country", .2, 1e-9);
    drift_rule_evaluate(&r, &v, &x);
    ck_assert_uint_eq(x.n_in_scope, 6);
    ck_assert_uint_eq(x.n_findings, 6);
    ck_assert_int_eq(x.breach, DRIFT_SEV_CRITICAL);
    ck_assert(x.worst_effect == .9 && x.held_effect == .3);
    ck_near(x.gate, 1e-3 / 6, 1e-15);
    static const char *const order[] = {"f1", "country", "f0", "f3", "f2", "f4"};
    for (size_t i = 0; i < 6; i++)
        ck_assert_msg(!strcmp(x.findings[i].column->name, order[i]), "place %zu is %s", i, x.findings[i].column->name);
    ck_assert_int_eq(x.findings[4].breach, DRIFT_SEV_NONE);
    drift_rule_result_release(&x);
    ck_assert_ptr_null(x.findings);
}
END_TEST

START_TEST(the_gate)
{
    struct drift_rule r = psi();
    struct drift_rule_result x;
    set("f0", .5, 1e-3 / 6);
    drift_rule_evaluate(&r, &v, &x);
    ck_assert_int_eq(x.breach, DRIFT_SEV_NONE); /* below, not at */
    drift_rule_result_release(&x);
    at(DRIFT_FEATURE, "f4", DRIFT_MEASURE_PSI)->why = DRIFT_WHY_NO_DATA; /* one column less to be fooled by */
    drift_rule_evaluate(&r, &v, &x);
    ck_assert_uint_eq(x.n_in_scope, 6);
    ck_assert_uint_eq(x.n_findings, 5);
    ck_near(x.gate, 1e-3 / 5, 1e-15);
    ck_assert_int_eq(x.breach, DRIFT_SEV_CRITICAL);
    drift_rule_result_release(&x);
    set("f0", .5, 1);
    r.p = 1; /* off */
    drift_rule_evaluate(&r, &v, &x);
    ck_assert_int_eq(x.breach, DRIFT_SEV_CRITICAL);
    drift_rule_result_release(&x);
    r.p = .01;
    set("f0", .5, .0099);
    drift_rule_evaluate(&r, &v, &x);
    ck_assert(x.gate == .01);
    ck_assert_int_eq(x.breach, DRIFT_SEV_CRITICAL);
    drift_rule_result_release(&x);
    /* a measure without a p-value passes */
    r.p = NAN;
    r.measure = DRIFT_MEASURE_JS;
    at(DRIFT_FEATURE, "f0", DRIFT_MEASURE_JS)->has_p = false;
    at(DRIFT_FEATURE, "f0", DRIFT_MEASURE_JS)->effect = .1;
    drift_rule_evaluate(&r, &v, &x);
    ck_assert_int_eq(x.breach, DRIFT_SEV_WARNING);
    drift_rule_result_release(&x);
}
END_TEST

START_TEST(levels)
{
    struct drift_rule r = psi();
    struct drift_rule_result x;
    static const struct {
        double warning, critical, effect;
        enum drift_severity want;
    } cases[] = {{.1, .25, .1, DRIFT_SEV_WARNING}, {.1, .25, .25, DRIFT_SEV_CRITICAL}, {.1, .25, .0999, DRIFT_SEV_NONE},
                 {NAN, .25, .2, DRIFT_SEV_NONE},   {NAN, .25, .3, DRIFT_SEV_CRITICAL}, {.1, NAN, 5, DRIFT_SEV_WARNING},
                 {.1, .25, NAN, DRIFT_SEV_NONE},   {.1, .25, INFINITY, DRIFT_SEV_NONE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        r.warning = cases[i].warning;
        r.critical = cases[i].critical;
        set("f0", cases[i].effect, 0);
        drift_rule_evaluate(&r, &v, &x);
        ck_assert_msg(x.breach == cases[i].want, "case %zu: %s", i, drift_severity_name(x.breach));
        drift_rule_result_release(&x);
    }
}
END_TEST

static size_t scope(enum drift_scope s, const char *glob, enum drift_measure_id m)
{
    struct drift_rule r = psi();
    struct drift_rule_result x;
    r.scope = s;
    r.feature = (char *)glob;
    r.measure = m;
    drift_rule_evaluate(&r, &v, &x);
    size_t n = x.n_in_scope;
    for (size_t i = 0; i < x.n_findings; i++)
        if (x.findings[i].column && x.findings[i].column->role == DRIFT_FEATURE)
            ck_assert_int_eq(s, DRIFT_SCOPE_FEATURE);
    drift_rule_result_release(&x);
    return n;
}

START_TEST(scopes)
{
    ck_assert_uint_eq(scope(DRIFT_SCOPE_FEATURE, "*", DRIFT_MEASURE_PSI), 6);
    ck_assert_uint_eq(scope(DRIFT_SCOPE_FEATURE, NULL, DRIFT_MEASURE_PSI), 6);
    ck_assert_uint_eq(scope(DRIFT_SCOPE_FEATURE, "f?", DRIFT_MEASURE_PSI), 5);
    ck_assert_uint_eq(scope(DRIFT_SCOPE_FEATURE, "*", DRIFT_MEASURE_KS), 5); /* not for categories */
    ck_assert_uint_eq(scope(DRIFT_SCOPE_FEATURE, "absent", DRIFT_MEASURE_PSI), 0);
    ck_assert_uint_eq(scope(DRIFT_SCOPE_SCORE, NULL, DRIFT_MEASURE_PSI), 1);
    ck_assert_uint_eq(scope(DRIFT_SCOPE_DECISION, NULL, DRIFT_MEASURE_PROPORTION), 1);
    ck_assert_uint_eq(scope(DRIFT_SCOPE_LABEL, NULL, DRIFT_MEASURE_PROPORTION), 1);
    ck_assert_uint_eq(scope(DRIFT_SCOPE_SOURCE, NULL, DRIFT_MEASURE_PSI), 0);
    ck_assert_uint_eq(scope(DRIFT_SCOPE_MODEL, NULL, DRIFT_MEASURE_VOLUME), 1);
    struct drift_rule r = psi();
    ck_assert_int_eq(drift_rule_chain(&r), DRIFT_CHAIN_INPUT);
    r.scope = DRIFT_SCOPE_LABEL;
    ck_assert_int_eq(drift_rule_chain(&r), DRIFT_CHAIN_LABEL);
}
END_TEST

START_TEST(volume)
{
    struct drift_rule r = psi();
    struct drift_rule_result x;
    r.scope = DRIFT_SCOPE_MODEL;
    r.measure = DRIFT_MEASURE_VOLUME;
    r.warning = .7;
    r.critical = NAN;
    v.volume = (struct drift_measure){.id = DRIFT_MEASURE_VOLUME, .has_p = true, .p_value = 1e-9, .effect = .8};
    drift_rule_evaluate(&r, &v, &x);
    ck_assert_int_eq(x.breach, DRIFT_SEV_WARNING);
    ck_assert_ptr_null(x.findings[0].column);
    drift_rule_result_release(&x);
    v.volume.why = DRIFT_WHY_NO_BASELINE;
    drift_rule_evaluate(&r, &v, &x);
    ck_assert_uint_eq(x.n_findings, 0);
    ck_assert(x.worst_effect == 0);
    drift_rule_result_release(&x);
}
END_TEST

static void add(Suite *s, const char *name, const TTest *t)
{
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, t);
    suite_add_tcase(s, c);
}

int main(void)
{
    Suite *s = suite_create("rules");
    add(s, "worst first", worst_first);
    add(s, "the gate", the_gate);
    add(s, "levels", levels);
    add(s, "scopes", scopes);
    add(s, "volume", volume);
    return drift_test_run(s);
}
