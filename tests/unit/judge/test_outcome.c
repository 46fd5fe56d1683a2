/* tests/unit/judge/test_outcome.c    Bodies of verdicts and actions: what is in them, that they are the same every
 * time, that no name breaks them, and which steps run when. */
#include "world.h"

#include "driftd/internal/base/hash.h"
#include "driftd/psi.h"

enum { START = 1706709600, MINUTES5 = 300000 };
static const int64_t start_ms = START * INT64_C(1000); /* 2024-01-31T14:00:00Z */

static struct drift_config *config;
static struct drift_layout *layout;
static struct drift_summary *now, *then;
static struct drift_measure *measures;
static struct drift_plan_entry plan;
static struct drift_verdict verdict;
static struct drift_outcome o;

static void make_layout(const char *const *features, size_t n)
{
    static const double edges[] = {1, 2};
    static const char *const classes[] = {"allow", "block"};
    layout = drift_layout_new();
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(drift_layout_add_numeric(layout, DRIFT_FEATURE, features[i], edges, 2, false, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_numeric(layout, DRIFT_SCORE, "score", edges, 2, false, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_add_categorical(layout, DRIFT_DECISION, "decision", classes, 2, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(layout), 0);
    now = drift_summary_new(layout);
    then = drift_summary_new(layout);
    measures = drift_xcalloc((size_t)layout->n_columns * DRIFT_N_MEASURE, sizeof *measures);
    for (uint32_t i = 0; i < layout->n_columns; i++)
        for (int m = 0; m < DRIFT_N_MEASURE; m++)
            measures[i * DRIFT_N_MEASURE + (uint32_t)m] =
                (struct drift_measure){.id = (enum drift_measure_id)m,
                                       .has_p = true,
                                       .p_value = 1,
                                       .why = drift_measure_applies((enum drift_measure_id)m, layout->columns[i].kind)
                                                  ? DRIFT_WHY_NONE
                                                  : DRIFT_WHY_NOT_DEFINED};
}

static void make_outcome(void)
{
    static struct drift_plan_topic topics[] = {{(char *)"scores", 4}};
    plan = (struct drift_plan_entry){.seq = 2,
                                     .from_ms = INT64_MIN,
                                     .baseline_id = (char *)"b-1",
                                     .baseline_digest = (char *)"abc",
                                     .config_hash = config->hash,
                                     .window_ms = MINUTES5,
                                     .lateness_ms = 60000,
                                     .n_topics = 1,
                                     .topics = topics};
    now->n = 1204;
    verdict = (struct drift_verdict){.kind = DRIFT_VERDICT_OK,
                                     .start_ms = start_ms,
                                     .from_ms = start_ms,
                                     .end_ms = start_ms + MINUTES5,
                                     .n = now->n,
                                     .carried_from_ms = start_ms,
                                     .summary = now,
                                     .measures = measures,
                                     .baseline_id = "b-1",
                                     .baseline_digest = "abc",
                                     .volume = {.id = DRIFT_MEASURE_VOLUME,
                                                .has_p = true,
                                                .p_value = .5,
                                                .effect = .01,
                                                .value = 1.01,
                                                .baseline = 1190,
                                                .low = 1.01,
                                                .high = 1.01}};
    o = (struct drift_outcome){.group = "g/1",
                               .segment = "",
                               .config = config,
                               .model = drift_config_model(config, "phish-url"),
                               .plan = &plan,
                               .verdict = &verdict,
                               .baseline = then,
                               .baseline_per_window = 1190,
                               .gap_from_ms = start_ms,
                               .status = DRIFT_STATUS_OK,
                               .status_before = DRIFT_STATUS_OK};
}

static void setup(void)
{
    static const char *const features[] = {"url_length", "n_dots", "entropy"};
    config = world_config(config_text);
    make_layout(features, 3);
    make_outcome();
}

static void drop_rules(void)
{
    for (size_t i = 0; i < o.n_rules; i++)
        drift_rule_result_release(&o.rules[i].result);
    free(o.rules);
    o.rules = NULL;
    o.n_rules = 0;
}

static void teardown(void)
{
    drop_rules();
    free(measures);
    drift_summary_free(now);
    drift_summary_free(then);
    drift_layout_free(layout);
    drift_config_free(config);
}

static void set(const char *feature, double psi, double p)
{
    struct drift_measure *m =
        &measures[(size_t)drift_layout_find(layout, DRIFT_FEATURE, feature) * DRIFT_N_MEASURE + DRIFT_MEASURE_PSI];
    m->effect = psi;
    m->value = m->low = m->high = psi + 1.0 / 3;
    m->p_value = p;
    m->dof = 9;
}

/* All rules of the model, stepped from `before` (by index), as the judge does. */
static void run_rules(const struct drift_alert *before)
{
    drop_rules();
    o.n_rules = o.model->n_rules;
    o.rules = drift_xcalloc(o.n_rules, sizeof *o.rules);
    for (size_t i = 0; i < o.n_rules; i++) {
        struct drift_outcome_rule *r = &o.rules[i];
        r->rule = &o.model->rules[i];
        r->config = config;
        r->measured = true;
        if (before && i == 0)
            r->before = r->after = *before;
        drift_rule_evaluate(r->rule, &verdict, &r->result);
        r->transition = drift_alert_step(&r->after, r->rule, &r->result, verdict.start_ms, verdict.end_ms);
    }
}

struct sent {
    size_t n;
    struct drift_action *a;
};
static struct sent act(void)
{
    struct sent s;
    s.n = drift_outcome_actions(&o, &s.a);
    for (size_t i = 0; i < s.n; i++)
        ck_assert_uint_eq(s.a[i].seq, i);
    return s;
}
static void sent_release(struct sent *s)
{
    for (size_t i = 0; i < s->n; i++)
        drift_action_release(&s->a[i]);
    free(s->a);
}
/* "ticket hook firing live, ..." */
static const char *told(const struct sent *s)
{
    static char text[1024];
    size_t n = 0;
    text[0] = 0;
    for (size_t i = 0; i < s->n; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s %s %s%s", i ? ", " : "", s->a[i].step, s->a[i].endpoint,
                              s->a[i].transition, s->a[i].shadow ? " shadow" : "");
    return text;
}
static json_t *data_of(const struct drift_action *a)
{
    json_error_t e;
    json_t *j = json_loadb(a->body, a->body_len, JSON_REJECT_DUPLICATES, &e);
    ck_assert_msg(j != NULL, "%s: %s", e.text, a->body);
    json_t *data = json_incref(json_object_get(j, "data"));
    ck_assert(json_is_object(data));
    json_decref(j);
    return data;
}
static const char *str(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "(none)";
}

/* ---- what is in them ---- */

static void drift_now(void)
{
    set("url_length", .41, 1e-12);
    set("entropy", .12, 1e-9);
    set("n_dots", .0123456789, .4);
    struct drift_column *d = &layout->columns[drift_layout_find(layout, DRIFT_DECISION, "")];
    now->counts[d->first + DRIFT_N_SPECIAL] = 1000;
    now->counts[d->first + DRIFT_N_SPECIAL + 1] = 204;
    then->counts[d->first + DRIFT_N_SPECIAL] = 9500;
    then->counts[d->first + DRIFT_N_SPECIAL + 1] = 500;
    drift_tally_add(&now->tally[DRIFT_TALLY_MODEL_VERSION], "m-2", 3, 1000);
    drift_tally_add(&now->tally[DRIFT_TALLY_MODEL_VERSION], "m-1", 3, 204);
    drift_tally_add(&now->tally[DRIFT_TALLY_SCHEMA], "17", 2, 1204);
    drift_tally_add(&now->tally[DRIFT_TALLY_NEW_FIELD], "surprise", 8, 3);
}

/* Compares with a file of tests/data/judge; DRIFTD_UPDATE_GOLDEN=1 writes it. */
static void golden(const char *name, const char *text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/data/judge/%s", DRIFTD_SOURCE_DIR, name);
    char *plain = drift_xstrdup(text), *at = strstr(plain, "\"driftd\":\"" DRIFTD_VERSION "\"");
    ck_assert_msg(at != NULL, "the version is not in %s", text);
    memset(at + 10, 'x', strlen(DRIFTD_VERSION));
    if (getenv("DRIFTD_UPDATE_GOLDEN")) {
        FILE *f = fopen(path, "w");
        ck_assert_msg(f != NULL, "%s", path);
        fprintf(f, "%s\n", plain);
        fclose(f);
    }
    char *want = drift_test_read(path, NULL);
    want[strcspn(want, "\n")] = 0;
    ck_assert_msg(!strcmp(plain, want), "%s differs:\n%s\n%s", name, plain, want);
    free(want);
    free(plain);
}

START_TEST(an_alert_in_full)
{
    drift_now();
    run_rules(NULL);
    struct sent s = act();
    ck_assert_str_eq(
        told(&s), "ticket hook firing, page pager firing, disable_automation hook firing shadow, rollback hook firing");
    json_t *d = data_of(&s.a[2]);
    ck_assert_str_eq(
        str(d, "summary"),
        "phish-url: input drift is critical: url_length psi 0.41 (limit 0.25), 2 of 3 features over the warning level; "
        "window 2024-01-31 14:00\xe2\x80\x93"
        "14:05Z, 1,204 events; driftd would have disabled automation (shadow mode)");
    ck_assert_str_eq(str(d, "would_have"), "disabled automation");
    ck_assert(json_is_null(json_object_get(d, "request")));
    ck_assert_str_eq(str(d, "what_to_do"), "Contain it.");
    ck_assert_str_eq(str(d, "runbook_url"), "https://runbooks.example.com/contain");
    ck_assert_str_eq(str(d, "mode"), "shadow");
    ck_assert_str_eq(str(d, "severity"), "critical");
    ck_assert_str_eq(str(d, "criticality"), "high");
    ck_assert_str_eq(str(json_object_get(d, "owner"), "contact"), "#soc");
    ck_assert_str_eq(str(json_object_get(d, "sla"), "acknowledge_by"), "2024-01-31T14:20:00Z");
    ck_assert_str_eq(str(json_object_get(d, "sla"), "resolve"), "4h");
    ck_assert_str_eq(str(json_object_get(json_object_get(d, "config"), "change"), "approved_by"), "the change board");
    ck_assert_int_eq(
        json_integer_value(json_object_get(json_object_get(json_object_get(d, "versions"), "model"), "m-2")), 1000);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(d, "new_fields"), 0)), "surprise");
    json_t *worst = json_array_get(json_object_get(d, "measures"), 0);
    ck_assert_str_eq(str(worst, "name"), "url_length");
    ck_near(json_real_value(json_object_get(worst, "value")), .743333, 1e-9); /* six digits */
    ck_assert_ptr_null(json_object_get(d, "cut"));
    json_decref(d);
    d = data_of(&s.a[3]);
    ck_assert_str_eq(str(d, "request"), "roll the model back");
    json_decref(d);
    golden("firing.json", s.a[0].body);
    char *body = drift_outcome_verdict(&o, s.a, s.n);
    golden("verdict.json", body);
    free(body);
    sent_release(&s);
}
END_TEST

START_TEST(other_rules_in_words)
{
    drift_now();
    set("url_length", 0, 1);
    set("entropy", 0, 1);
    struct drift_measure *m =
        &measures[(size_t)drift_layout_find(layout, DRIFT_DECISION, "") * DRIFT_N_MEASURE + DRIFT_MEASURE_PROPORTION];
    *m = (struct drift_measure){.id = DRIFT_MEASURE_PROPORTION,
                                .has_p = true,
                                .p_value = 1e-20,
                                .effect = .11944,
                                .value = .11944,
                                .low = .11944,
                                .high = .11944};
    verdict.n = 301204; /* the most of them carried over */
    verdict.carried = 300704;
    verdict.volume.effect = .867;
    verdict.volume.p_value = 1e-9;
    run_rules(NULL);
    struct sent s = act();
    ck_assert_str_eq(told(&s), "ticket hook firing, ticket hook firing");
    json_t *d = data_of(&s.a[0]);
    ck_assert_str_eq(str(d, "summary"), "phish-url: decision drift is at warning level: decision proportion 0.119 "
                                        "(limit 0.1), share of block 0.169 (baseline 0.05); "
                                        "window 2024-01-31 14:00\xe2\x80\x93"
                                        "14:05Z, 301,204 events, 300,704 of them carried over");
    json_decref(d);
    d = data_of(&s.a[1]);
    ck_assert_ptr_nonnull(strstr(str(d, "summary"), "traffic volume is at warning level: 500 events where the baseline "
                                                    "has 1,190 a window (volume 0.867, limit 0.7);"));
    json_decref(d);
    sent_release(&s);
}
END_TEST

/* What a rule found of psi has its interval, in both bodies; what it only looked at has none. */
START_TEST(found_psi_has_an_interval)
{
    static const uint64_t n[2][3] = {{4000, 3000, 2000}, {100, 300, 200}};
    drift_now();
    for (uint32_t i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            then->counts[layout->columns[i].first + DRIFT_N_SPECIAL + (uint32_t)j] = n[0][j];
            now->counts[layout->columns[i].first + DRIFT_N_SPECIAL + (uint32_t)j] = n[1][j];
        }
    run_rules(NULL);
    struct sent s = act();
    char *body = drift_outcome_verdict(&o, s.a, s.n);
    json_t *j = json_loads(body, 0, NULL), *d = data_of(&s.a[0]);
    json_t *lists[] = {
        json_object_get(json_object_get(json_object_get(j, "rules"), "input-drift"), "findings"),
        json_object_get(d, "measures"),
    };
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(json_array_size(lists[i]), 3);
        for (size_t k = 0; k < 3; k++) { /* url_length and entropy were found, n_dots was not */
            const json_t *f = json_array_get(lists[i], k), *low = json_object_get(f, "low95"),
                         *high = json_object_get(f, "high95");
            double value = json_number_value(json_object_get(f, "value"));
            ck_assert_int_eq(json_is_real(low) && json_is_real(high), k < 2);
            if (k < 2) {
                ck_near(drift_psi_p_tolerance(value, 10, 9000, 600, json_real_value(low)), .025, i ? 1e-3 : 1e-8);
                ck_near(drift_psi_p_tolerance(value, 10, 9000, 600, json_real_value(high)), .975, i ? 1e-3 : 1e-8);
            }
        }
    }
    const json_t *of = json_object_get(json_object_get(json_object_get(j, "rules"), "volume"), "findings");
    ck_assert_ptr_null(json_object_get(json_array_get(of, 0), "low95"));
    json_decref(j);
    json_decref(d);
    free(body);
    sent_release(&s);
}
END_TEST

/* Later measures stand where a rule asks for them, and nowhere else: a verdict of other rules keeps its bytes. */
START_TEST(asked_measures_are_listed)
{
    drift_now();
    run_rules(NULL);
    struct sent s = act();
    struct drift_rule asked = *o.rules[0].rule;
    for (int round = 0; round < 2; round++) {
        char *body = drift_outcome_verdict(&o, s.a, s.n);
        json_t *j = json_loads(body, 0, NULL);
        json_t *m = json_object_get(json_object_get(json_object_get(j, "columns"), "url_length"), "measures");
        ck_assert_ptr_nonnull(json_object_get(m, "ks"));
        ck_assert(!json_object_get(m, "wasserstein") == !round);
        ck_assert_ptr_null(json_object_get(m, "linf"));
        m = json_object_get(json_object_get(json_object_get(j, "columns"), "decision"), "measures");
        ck_assert_ptr_nonnull(json_object_get(m, "proportion"));
        ck_assert_ptr_null(json_object_get(m, "wasserstein")); /* of no category */
        json_decref(j);
        free(body);
        asked.measure = DRIFT_MEASURE_WASSERSTEIN;
        o.rules[0].rule = &asked;
    }
    sent_release(&s);
}
END_TEST

START_TEST(the_same_every_time)
{
    char *first = NULL, ids[2][8][33];
    for (int round = 0; round < 2; round++) {
        if (round) {
            teardown();
            setup();
        }
        drift_now();
        run_rules(NULL);
        struct sent s = act();
        char *all = drift_outcome_verdict(&o, s.a, s.n);
        for (size_t i = 0; i < s.n; i++) {
            char *more = drift_xasprintf("%s\n%s", all, s.a[i].body);
            free(all);
            all = more;
            memcpy(ids[round][i], s.a[i].id, 33);
            ck_assert_int_eq(memcmp(ids[0][i], ids[round][i], 33), 0);
        }
        if (first)
            ck_assert_str_eq(first, all);
        else
            first = drift_xstrdup(all);
        free(all);
        sent_release(&s);
    }
    free(first);
}
END_TEST

static size_t n_vanished(uint64_t now_missing, uint64_t now_there, uint64_t then_missing, uint64_t then_there)
{
    uint32_t at = layout->columns[0].first;
    now->counts[at + DRIFT_MISSING] = now_missing;
    now->counts[at + DRIFT_N_SPECIAL] = now_there;
    then->counts[at + DRIFT_MISSING] = then_missing;
    then->counts[at + DRIFT_N_SPECIAL] = then_there;
    json_t *j = drift_outcome_vanished_fields(&o, 10);
    size_t n = json_array_size(j);
    json_decref(j);
    return n;
}

START_TEST(vanished_fields)
{
    ck_assert_uint_eq(n_vanished(10, 0, 0, 10), 1);
    ck_assert_uint_eq(n_vanished(10, 0, 9, 1), 1);
    ck_assert_uint_eq(n_vanished(10, 1, 0, 10), 0); /* one value is there */
    ck_assert_uint_eq(n_vanished(10, 0, 10, 0), 0); /* it never was */
    ck_assert_uint_eq(n_vanished(0, 0, 0, 10), 0);  /* the stream of features was silent, that is another thing */
    o.baseline = NULL;
    ck_assert_uint_eq(n_vanished(10, 0, 0, 10), 0);
}
END_TEST

/* ---- hostile names ---- */

START_TEST(hostile_names)
{
    static const char *const names[] = {"\"quote\"",
                                        "line\nbreak\r\t",
                                        "</script><b>",
                                        "a\xff"
                                        "b",
                                        "a\xfe"
                                        "b",
                                        "\xed\xa0\x80",
                                        "\xc0\x80",
                                        "score",
                                        "decision",
                                        "{}[]\\",
                                        "\x01\x1f\x7f",
                                        "\xf4\x90\x80\x80",
                                        "\xe2\x80",
                                        "ok \xe2\x82\xac"};
    enum { N = sizeof names / sizeof *names };
    teardown();
    config = world_config(config_text);
    make_layout(names, N);
    make_outcome();
    for (size_t i = 0; i < N; i++) {
        set(names[i], .5 + (double)i / 100, 0);
        drift_tally_add(&now->tally[DRIFT_TALLY_MODEL_VERSION], names[i], strlen(names[i]), i + 1);
        drift_tally_add(&now->tally[DRIFT_TALLY_SCHEMA], names[i], strlen(names[i]), 1);
        drift_tally_add(&now->tally[DRIFT_TALLY_NEW_FIELD], names[i], strlen(names[i]), 1);
        uint32_t first = layout->columns[i].first;
        now->counts[first + DRIFT_MISSING] = 5; /* vanished: the baseline has values */
        then->counts[first + DRIFT_N_SPECIAL] = 5;
    }
    run_rules(NULL);
    struct sent s = act();
    ck_assert_uint_eq(s.n, 4);
    for (size_t i = 0; i < s.n; i++) {
        json_t *d = data_of(&s.a[i]);
        const char *summary = str(d, "summary");
        for (const char *p = summary; *p; p++)
            ck_assert_msg((unsigned char)*p >= 0x20, "a control character in: %s", summary);
        json_decref(d);
        struct drift_action back;
        struct drift_err err;
        char *entry = drift_action_entry(&s.a[i], "a secret of twenty-four bytes");
        char *secrets[] = {(char *)"a secret of twenty-four bytes"};
        ck_assert_int_eq(drift_action_parse(entry, strlen(entry), secrets, 1, &back, &err), 0);
        ck_assert_str_eq(back.body, s.a[i].body);
        drift_action_release(&back);
        free(entry);
    }
    char *body = drift_outcome_verdict(&o, s.a, s.n);
    json_error_t e;
    json_t *j = json_loads(body, JSON_REJECT_DUPLICATES, &e);
    ck_assert_msg(j != NULL, "%s", e.text);
    json_t *columns = json_object_get(j, "columns");
    ck_assert_uint_eq(json_object_size(columns), N + 2); /* none hides another */
    ck_assert_str_eq(str(json_object_get(columns, "score"), "role"), "score");
    ck_assert_str_eq(str(json_object_get(columns, "feature:score"), "role"), "feature");
    ck_assert_ptr_nonnull(json_object_get(columns, "a\\xffb"));
    ck_assert_ptr_nonnull(json_object_get(columns, "\\xed\\xa0\\x80"));
    ck_assert_ptr_nonnull(json_object_get(columns, "ok \xe2\x82\xac"));
    ck_assert_uint_eq(json_array_size(json_object_get(j, "vanished_fields")), N);
    ck_assert_uint_eq(json_array_size(json_object_get(j, "new_fields")), N);
    json_t *versions = json_object_get(json_object_get(j, "versions"), "model");
    ck_assert_uint_eq(json_object_size(versions), 9); /* eight and the rest */
    ck_assert_int_eq(json_integer_value(json_object_get(versions, "other")), 1 + 2 + 3 + 4 + 5 + 6);
    json_decref(j);
    free(body);
    sent_release(&s);
}
END_TEST

/* The columns that a rule found, in its order, what became of them, and the first as bars. */
START_TEST(what_changed)
{
    set("url_length", .41, 1e-12);
    set("entropy", .12, 1e-9);
    set("n_dots", .01, .4);
    const struct drift_column *c = &layout->columns[drift_layout_find(layout, DRIFT_FEATURE, "url_length")];
    for (uint32_t i = 0; i < 3; i++) {
        then->counts[c->first + DRIFT_N_SPECIAL + i] = 100;
        now->counts[c->first + DRIFT_N_SPECIAL + i] = (uint64_t[]){10, 20, 70}[i];
    }
    run_rules(NULL);
    struct sent s = act();
    ck_assert_uint_ge(s.n, 1);
    json_t *d = data_of(&s.a[0]), *list = json_object_get(d, "explanation"), *first = json_array_get(list, 0);
    ck_assert_uint_eq(json_array_size(list), 2); /* n_dots is below every level */
    ck_assert_str_eq(str(first, "column"), "url_length");
    ck_assert_str_eq(str(first, "role"), "feature");
    ck_assert_str_eq(str(first, "direction"), "up");
    ck_assert_double_gt(json_real_value(json_object_get(first, "shift_sd")), 0);
    ck_assert_msg(strstr(str(first, "text"), "moved up by "), "%s", str(first, "text"));
    ck_assert_ptr_null(json_object_get(first, "share")); /* there is no evidence */
    ck_assert_str_eq(str(json_array_get(list, 1), "column"), "entropy");
    ck_assert_str_eq(str(json_array_get(list, 1), "direction"), "none");
    ck_assert_str_eq(str(json_array_get(list, 1), "text"), "no values in the window");
    ck_assert_str_eq(str(json_object_get(d, "histogram"), "column"), "url_length");
    ck_assert(strstr(str(json_object_get(d, "histogram"), "text"), "70% ####"));
    json_decref(d);
    char *body = drift_outcome_verdict(&o, s.a, s.n);
    json_t *j = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(j);
    ck_assert(json_array_size(json_object_get(j, "explanation")) >= 2);
    ck_assert_str_eq(str(json_array_get(json_object_get(j, "explanation"), 0), "column"), "url_length");
    json_decref(j);
    free(body);
    sent_release(&s);
    set("url_length", .01, .5); /* nothing is found: nothing is explained */
    set("entropy", .01, .5);
    run_rules(NULL);
    ck_assert_uint_eq(json_array_size(j = drift_outcome_explanation(&o, NULL, 8)), 0);
    json_decref(j);
    ck_assert(json_is_null(j = drift_outcome_histogram(&o, NULL)));
    json_decref(j);
}
END_TEST

START_TEST(a_body_stays_small)
{
    enum { N = 60 };
    char *names[N];
    for (int i = 0; i < N; i++) {
        names[i] = drift_xcalloc(256, 1);
        memset(names[i], 1 + i % 8, 255); /* six bytes each, escaped */
        names[i][0] = (char)('0' + i);
    }
    char *words = drift_xcalloc(4001, 1), *text;
    memset(words, 'x', 4000);
    text = replaced(config_text, "Contain it.", words);
    teardown();
    config = world_config(text);
    make_layout((const char *const *)names, N);
    make_outcome();
    for (int i = 0; i < N; i++) {
        set(names[i], .5, 0);
        for (int k = 0; k < DRIFT_N_TALLY; k++)
            drift_tally_add(&now->tally[k], names[i], 127, (uint64_t)i + 1);
    }
    run_rules(NULL);
    struct sent s = act();
    ck_assert_uint_eq(s.n, 4);
    for (size_t i = 0; i < s.n; i++) {
        ck_assert_uint_lt(s.a[i].body_len, 20000);
        json_t *d = data_of(&s.a[i]);
        ck_assert(json_is_true(json_object_get(d, "cut")));
        ck_assert_ptr_nonnull(json_array_get(json_object_get(d, "measures"), 0));
        json_decref(d);
    }
    sent_release(&s);
    for (int i = 0; i < N; i++)
        free(names[i]);
    free(words);
    free(text);
}
END_TEST

/* ---- which steps run when ---- */

static struct drift_alert firing(enum drift_severity severity, bool played_warning, bool played_critical)
{
    return (struct drift_alert){.phase = DRIFT_ALERT_FIRING,
                                .severity = severity,
                                .played_warning = played_warning,
                                .played_critical = played_critical,
                                .incident_ms = start_ms - MINUTES5,
                                .since_ms = start_ms};
}

START_TEST(on_the_way_up)
{
    struct drift_alert a = firing(DRIFT_SEV_WARNING, true, false);
    set("n_dots", .5, 0);
    run_rules(&a);
    struct sent s = act();
    /* the ticket stands in both playbooks and is updated; the rest begins now, page too, though its on_update is off */
    ck_assert_str_eq(
        told(&s), "ticket hook update, page pager update, disable_automation hook update shadow, rollback hook update");
    json_t *d = data_of(&s.a[0]);
    ck_assert_ptr_nonnull(strstr(str(d, "summary"), "input drift is now critical (was warning)"));
    json_decref(d);
    sent_release(&s);
}
END_TEST

START_TEST(on_the_way_down)
{
    struct drift_alert a = firing(DRIFT_SEV_CRITICAL, true, true);
    set("n_dots", .15, 0);
    run_rules(&a);
    struct sent s = act();
    ck_assert_str_eq(told(&s), "ticket hook update, disable_automation hook update shadow, rollback hook update");
    sent_release(&s);
}
END_TEST

START_TEST(the_end_reaches_everybody)
{
    struct drift_alert a = firing(DRIFT_SEV_WARNING, true, true); /* was critical for a while */
    set("n_dots", .01, .5);
    run_rules(&a);
    struct sent s = act();
    ck_assert_str_eq(
        told(&s),
        "ticket hook resolved, page pager resolved, disable_automation hook resolved shadow, rollback hook resolved");
    json_t *d = data_of(&s.a[0]);
    ck_assert_str_eq(str(json_object_get(d, "incident"), "start"), "2024-01-31T13:55:00Z");
    ck_assert_str_eq(str(d, "severity"), "warning");
    ck_assert_ptr_nonnull(strstr(
        str(d, "summary"), "input drift is over: the worst is n_dots psi 0.01 (recovers below 0.08); it began with "
                           "the window of 2024-01-31T13:55:00Z"));
    char *incident = drift_xstrdup(str(json_object_get(d, "incident"), "id"));
    json_decref(d);
    sent_release(&s);
    /* the same incident has the same id while it fires */
    a = firing(DRIFT_SEV_CRITICAL, true, true);
    set("n_dots", .15, 0);
    run_rules(&a);
    s = act();
    d = data_of(&s.a[0]);
    ck_assert_str_eq(str(json_object_get(d, "incident"), "id"), incident);
    json_decref(d);
    free(incident);
    sent_release(&s);
    a = firing(DRIFT_SEV_WARNING, true, false);
    set("n_dots", .01, .5);
    run_rules(&a);
    s = act();
    ck_assert_str_eq(told(&s), "ticket hook resolved"); /* who was not told of it is not told of its end */
    sent_release(&s);
}
END_TEST

START_TEST(cool_down)
{
    set("n_dots", .5, 0);
    struct drift_alert a = {.last_production_ms =
                                start_ms + MINUTES5 - 1800000 + 1}; /* 1 ms less than 30 minutes ago */
    run_rules(&a);
    struct sent s = act();
    ck_assert_str_eq(told(&s), "ticket hook firing, page pager firing, disable_automation hook firing shadow");
    ck_assert_int_eq(o.rules[0].after.last_production_ms, a.last_production_ms);
    char *body = drift_outcome_verdict(&o, s.a, s.n);
    ck_assert_ptr_nonnull(strstr(body, "\"held_by_cooldown\":[\"rollback\"]"));
    free(body);
    sent_release(&s);
    a.last_production_ms--;
    run_rules(&a);
    s = act();
    ck_assert_uint_eq(s.n, 4);
    ck_assert_int_eq(o.rules[0].after.last_production_ms, start_ms + MINUTES5);
    sent_release(&s);
}
END_TEST

START_TEST(status_events)
{
    static const struct {
        enum drift_model_status before, after;
        bool sent;
    } cases[] = {{DRIFT_STATUS_UNKNOWN, DRIFT_STATUS_OK, false},
                 {DRIFT_STATUS_UNKNOWN, DRIFT_STATUS_UNMONITORED, true},
                 {DRIFT_STATUS_UNKNOWN, DRIFT_STATUS_DEGRADED, true},
                 {DRIFT_STATUS_OK, DRIFT_STATUS_OK, false},
                 {DRIFT_STATUS_OK, DRIFT_STATUS_DEGRADED, true},
                 {DRIFT_STATUS_DEGRADED, DRIFT_STATUS_OK, true},
                 {DRIFT_STATUS_UNMONITORED, DRIFT_STATUS_OK, true},
                 {DRIFT_STATUS_UNMONITORED, DRIFT_STATUS_UNMONITORED, false}};
    run_rules(NULL);
    verdict.unmonitored_why = "no baseline is active";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        o.status_before = cases[i].before;
        o.status = cases[i].after;
        struct sent s = act();
        ck_assert_msg(s.n == cases[i].sent, "case %zu: %zu", i, s.n);
        for (size_t k = 0; k < s.n; k++) {
            json_t *d = data_of(&s.a[k]);
            ck_assert_str_eq(s.a[k].step, "status");
            ck_assert_str_eq(str(d, "status"), drift_model_status_name(cases[i].after));
            ck_assert_ptr_nonnull(strstr(s.a[k].body, "\"type\":\"io.driftd.model.status\""));
            if (cases[i].after == DRIFT_STATUS_UNMONITORED)
                ck_assert_ptr_nonnull(strstr(str(d, "summary"),
                                             "phish-url: the model is now unmonitored: no baseline is active; window"));
            json_decref(d);
        }
        sent_release(&s);
    }
}
END_TEST

START_TEST(a_retired_rule)
{
    run_rules(NULL);
    o.rules[0].before = firing(DRIFT_SEV_CRITICAL, false, true);
    drift_rule_result_release(&o.rules[0].result);
    o.rules[0].measured = false;
    o.rules[0].retired = true;
    o.rules[0].after = (struct drift_alert){0};
    o.rules[0].transition = DRIFT_TRANSITION_RESOLVED;
    struct sent s = act();
    ck_assert_uint_eq(s.n, 4);
    json_t *d = data_of(&s.a[0]);
    ck_assert_ptr_nonnull(strstr(str(d, "summary"), "is over: its rule is no longer in the configuration"));
    json_decref(d);
    sent_release(&s);
}
END_TEST

static void add(Suite *s, const char *name, const TTest *t)
{
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 30);
    tcase_add_test(c, t);
    suite_add_tcase(s, c);
}

int main(void)
{
    Suite *s = suite_create("outcome");
    add(s, "an alert in full", an_alert_in_full);
    add(s, "other rules in words", other_rules_in_words);
    add(s, "found psi has an interval", found_psi_has_an_interval);
    add(s, "asked measures", asked_measures_are_listed);
    add(s, "the same every time", the_same_every_time);
    add(s, "vanished fields", vanished_fields);
    add(s, "hostile names", hostile_names);
    add(s, "what changed", what_changed);
    add(s, "a body stays small", a_body_stays_small);
    add(s, "on the way up", on_the_way_up);
    add(s, "on the way down", on_the_way_down);
    add(s, "the end reaches everybody", the_end_reaches_everybody);
    add(s, "cool-down", cool_down);
    add(s, "status events", status_events);
    add(s, "a retired rule", a_retired_rule);
    return drift_test_run(s);
}
