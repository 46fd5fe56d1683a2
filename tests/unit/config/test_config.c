/* tests/unit/config/test_config.c    What a loaded configuration holds: values, defaults, answers to questions. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/config/config.h"

static struct drift_config *parse_as(const char *name, const char *text)
{
    struct drift_config *c = NULL;
    struct drift_buf report;
    drift_buf_init(&report, 1 << 20);
    int rc = drift_config_parse(name, text, strlen(text), &c, &report);
    ck_assert_msg(rc == 0, "%s", report.data);
    drift_buf_release(&report);
    return c;
}

#define HEAD "version: 1\nkafka: {brokers: \"b:1\", group: g}\nowners: {soc: {}, ops: {team: Ops}}\n"
#define STREAMS                                                                                                        \
    "streams:\n  e: {topic: t, format: json, time: ts, model: model, features: f, score: s, decision: d}\n"            \
    "  l: {topics: [l, k], format: json, time: {field: at, unit: s}, model: model, label: y}\n"
#define HOOK "endpoints: {hook: {url: \"https://h.example.com/\", secret: {env: S}}}\n"

START_TEST(defaults_are_those_of_the_header)
{
    struct drift_config *c = parse_as("x.yaml", HEAD STREAMS "models: {m: {owner: ops}}\n");
    ck_assert_str_eq(c->redis.host, "127.0.0.1");
    ck_assert_int_eq(c->redis.port, 6379);
    ck_assert_int_eq(c->redis.timeout_ms, 2000);
    ck_assert_uint_eq(c->kafka.queue_bytes, 16 << 20);
    ck_assert_int_eq(c->state.flush_interval_ms, 1000);
    ck_assert_int_eq(c->state.settle_ms, 10000);
    ck_assert_int_eq(c->state.clock_skew_ms, 1000);
    ck_assert_int_eq(c->state.future_skew_ms, 10000);
    ck_assert_int_eq(c->state.idle_after_ms, 30000);
    ck_assert_int_eq(c->state.retain_ms, 3600000);
    ck_assert_int_eq(c->state.plan_ttl_ms, 5000);
    ck_assert_int_eq(c->state.judge_patience_ms, 3000);
    ck_assert_int_eq(c->state.max_action_age_ms, 3600000);
    ck_assert_uint_eq(c->state.keep_verdicts, 240);
    ck_assert_str_eq(c->http.listen, "127.0.0.1:9187");
    ck_assert_ptr_null(c->kafka.quarantine_topic);
    ck_assert_ptr_null(c->registry_url);
    ck_assert_ptr_null(c->change.version);
    const struct drift_model *m = drift_config_model(c, "m");
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->owner, 1);
    ck_assert_str_eq(m->criticality, "medium");
    ck_assert_uint_eq(m->n_streams, 2);
    ck_assert_uint_eq(m->min_events, 100);
    ck_assert_int_eq(m->label_window_ms, m->window_ms);
    ck_assert_int_eq(m->label_lateness_ms, m->lateness_ms);
    ck_assert_uint_eq(m->max_open, 1000);
    ck_assert_str_eq(m->include, "*");
    ck_assert(isnan(m->threshold));
    ck_assert_int_eq(m->status_endpoint, -1);
    ck_assert_int_eq(m->learn_ms, 0);
    ck_assert_uint_eq(c->streams[0].max_record_bytes, 1 << 20);
    ck_assert_uint_eq(c->streams[0].max_fields, 4096);
    ck_assert_int_eq(c->streams[0].time_unit, DRIFT_TIME_MS);
    drift_config_free(c);
}
END_TEST

START_TEST(values_arrive)
{
    static const char text[] =
        "version: 1\n"
        "change: {version: 7, approved_by: \"A. Board\", reason: why}\n"
        "kafka: {brokers: \"a:1,b:2\", group: g, queue: 2MiB, quarantine_topic: q,\n"
        "        options: {security.protocol: SSL, fetch.wait.max.ms: 10, sasl.password: {env: P}}}\n"
        "redis: {socket: /run/r, db: 3, username: u, password: {file: /etc/pw}, timeout: 1500ms}\n"
        "state: {max_future: 1m, settle: 0s}\n"
        "http: {listen: none}\n"
        "owners: {soc: {team: SOC, contact: x}}\n"
        "endpoints:\n"
        "  hook: {url: \"https://h.example.com/\", secrets: [{env: A}, {file: /b}], timeout: 3s}\n"
        "playbooks:\n"
        "  p:\n"
        "    what_to_do: look\n"
        "    steps:\n"
        "      - {do: page, endpoint: hook}\n"
        "      - {do: rollback, endpoint: hook}\n"
        "      - {do: disable_automation, endpoint: hook, mode: live, cooldown: 2h, on_resolved: false}\n"
        "streams:\n"
        "  e: {topic: t, format: avro, schema_file: s.avsc, time: record, model: {value: m}, versions: {prompt: v.p},\n"
        "      features: {fields: [a.b, c]}, latency: l}\n"
        "models:\n"
        "  m:\n"
        "    owner: soc\n"
        "    window: {size: 1h30m, lateness: 2d, max_carry: 3}\n"
        "    label_window: {size: 1d}\n"
        "    rules:\n"
        "      - {name: r, measure: js, scope: {feature: \"a*\"}, critical: .5, p: 1, persist: {k: 2, of: 3},\n"
        "         sla: {acknowledge: 15m, resolve: 4h}, playbook: {critical: p}}\n"
        "      - {name: v, measure: volume, warning: 1}\n";
    struct drift_config *c = parse_as("/etc/driftd/x.yaml", text);
    ck_assert_str_eq(c->change.version, "7");
    ck_assert_uint_eq(c->kafka.queue_bytes, 2 << 20);
    ck_assert_uint_eq(c->kafka.n_options, 3);
    ck_assert_str_eq(c->kafka.options[1].name, "fetch.wait.max.ms");
    ck_assert_str_eq(c->kafka.options[1].value, "10");
    ck_assert_ptr_null(c->kafka.options[2].value);
    ck_assert_str_eq(c->kafka.options[2].secret.env, "P");
    ck_assert_ptr_null(c->redis.host);
    ck_assert_str_eq(c->redis.socket, "/run/r");
    ck_assert_int_eq(c->redis.db, 3);
    ck_assert_str_eq(c->redis.password.file, "/etc/pw");
    ck_assert_int_eq(c->redis.timeout_ms, 1500);
    ck_assert_int_eq(c->state.future_skew_ms, 60000);
    ck_assert_int_eq(c->state.settle_ms, 0);
    ck_assert_ptr_null(c->http.listen);
    ck_assert_uint_eq(c->endpoints[0].n_secrets, 2);
    ck_assert_str_eq(c->endpoints[0].secrets[1].file, "/b");
    const struct drift_step *s = c->playbooks[0].steps;
    ck_assert_uint_eq(c->playbooks[0].n_steps, 3);
    ck_assert(!s[0].shadow && !s[0].on_update && s[0].on_resolved && s[0].cooldown_ms == 0);
    ck_assert(s[1].shadow && s[1].on_update && s[1].cooldown_ms == 30 * 60000);
    ck_assert(!s[2].shadow && !s[2].on_resolved && s[2].cooldown_ms == 2 * 3600000);
    const struct drift_stream *e = c->streams;
    ck_assert_int_eq(e->time_unit, DRIFT_TIME_RECORD);
    ck_assert_ptr_null(e->time);
    ck_assert_ptr_null(e->model);
    ck_assert_str_eq(e->model_value, "m");
    ck_assert_str_eq(e->schema_file, "/etc/driftd/s.avsc"); /* relative to the configuration */
    ck_assert_str_eq(e->version[DRIFT_VERSION_PROMPT], "v.p");
    ck_assert_ptr_null(e->features);
    ck_assert_uint_eq(e->n_feature_fields, 2);
    ck_assert_str_eq(e->feature_fields[0], "a.b");
    const struct drift_model *m = c->models;
    ck_assert_int_eq(m->window_ms, 90 * 60000);
    ck_assert_int_eq(m->lateness_ms, 2 * 86400000LL);
    ck_assert_int_eq(m->label_window_ms, 86400000);
    ck_assert_int_eq(m->label_lateness_ms, 2 * 86400000LL);
    const struct drift_rule *r = m->rules;
    ck_assert_uint_eq(m->n_rules, 2);
    ck_assert_int_eq(r->measure, DRIFT_MEASURE_JS);
    ck_assert_int_eq(r->scope, DRIFT_SCOPE_FEATURE);
    ck_assert_str_eq(r->feature, "a*");
    ck_assert(isnan(r->warning) && r->critical == .5 && r->p == 1);
    ck_near(r->recovery, .4, 1e-12);
    ck_assert(r->persist_k == 2 && r->persist_of == 3);
    ck_assert(r->sla.acknowledge_ms == 15 * 60000 && r->sla.resolve_ms == 4 * 3600000);
    ck_assert(r->playbook_warning == -1 && r->playbook_critical == 0);
    ck_assert_uint_eq(r->owner, 0);
    ck_assert(r[1].scope == DRIFT_SCOPE_MODEL && isnan(r[1].p) && r[1].playbook_critical == -1);
    drift_config_free(c);
}
END_TEST

START_TEST(text_and_hash_are_kept)
{
    static const char text[] = HEAD STREAMS "models: {m: {owner: ops}}\n";
    char hash[65];
    struct drift_config *c = parse_as("dir/x.yaml", text);
    drift_sha256_hex(text, strlen(text), hash);
    ck_assert_str_eq(c->hash, hash);
    ck_assert_str_eq(c->text, text);
    ck_assert_uint_eq(c->text_len, strlen(text));
    ck_assert_str_eq(c->file, "dir/x.yaml");
    drift_config_free(c);
}
END_TEST

START_TEST(default_rules_follow_the_roles)
{
    struct drift_config *c = parse_as(
        "x.yaml", HEAD HOOK "playbooks: {a: {what_to_do: x, steps: [{do: ticket, endpoint: hook}]}}\n" STREAMS
                            "models:\n  all: {owner: ops, default_playbook: {critical: a}}\n"
                            "  scores: {owner: soc, streams: [l], rules: null}\n  none: {owner: soc, rules: []}\n");
    const struct drift_model *all = drift_config_model(c, "all"), *labels = drift_config_model(c, "scores");
    ck_assert_uint_eq(all->n_rules, 8);
    ck_assert_str_eq(all->rules[0].name, "input-drift");
    ck_assert(all->rules[0].warning == .1 && all->rules[0].critical == .25);
    ck_assert(all->rules[0].playbook_warning == -1 && all->rules[0].playbook_critical == 0);
    ck_assert_uint_eq(all->rules[0].owner, 1);
    ck_assert_uint_eq(labels->n_rules, 1); /* a stream of labels only */
    ck_assert_int_eq(labels->rules[0].scope, DRIFT_SCOPE_LABEL);
    ck_assert_uint_eq(drift_config_model(c, "none")->n_rules, 0);
    ck_assert_ptr_null(drift_config_model(c, "other"));
    drift_config_free(c);
}
END_TEST

START_TEST(a_stream_fixed_to_a_model_feeds_only_that)
{
    struct drift_config *c =
        parse_as("x.yaml", HEAD "streams:\n  a: {topic: a, format: json, time: ts, model: {value: m}, score: s}\n"
                                "  b: {topic: b, format: json, time: ts, model: name, score: s}\n"
                                "models: {m: {owner: soc}, n: {owner: soc}}\n");
    ck_assert_uint_eq(drift_config_model(c, "m")->n_streams, 2);
    ck_assert_uint_eq(drift_config_model(c, "n")->n_streams, 1);
    ck_assert_uint_eq(drift_config_model(c, "n")->streams[0], 1);
    ck_assert(drift_stream_feeds(&c->streams[0], DRIFT_CHAIN_INPUT));
    ck_assert(!drift_stream_feeds(&c->streams[0], DRIFT_CHAIN_LABEL));
    drift_config_free(c);
}
END_TEST

START_TEST(features_wanted_and_typed)
{
    struct drift_config *c = parse_as(
        "x.yaml", HEAD STREAMS
        "models:\n  m:\n    owner: ops\n    features:\n      include: \"f_*\"\n      exclude: [f_id, \"*_raw\"]\n"
        "      types: {f_country: categorical, \"f_*\": numeric}\n");
    const struct drift_model *m = c->models;
    ck_assert(drift_model_wants(m, "f_x"));
    ck_assert(!drift_model_wants(m, "x"));
    ck_assert(!drift_model_wants(m, "f_id"));
    ck_assert(!drift_model_wants(m, "f_x_raw"));
    ck_assert_int_eq(drift_model_type(m, "f_country"), DRIFT_CATEGORICAL); /* the first that matches */
    ck_assert_int_eq(drift_model_type(m, "f_x"), DRIFT_NUMERIC);
    ck_assert_int_eq(drift_model_type(m, "x"), 0);
    drift_config_free(c);
}
END_TEST

/* Names are globs, the first that matches counts, roles are no features; one that names nothing changes nothing. */
START_TEST(evidence_numbers_by_column)
{
    static const struct {
        enum drift_role role;
        const char *name;
        double weight, tolerance;
    } columns[] = {{DRIFT_FEATURE, "url_length", 3, .05},
                   {DRIFT_FEATURE, "url_dots", 3, .01},
                   {DRIFT_FEATURE, "score", 1, -1},
                   {DRIFT_SCORE, "url_score", 1, -1},
                   {DRIFT_LATENCY, "url_latency", 0, -1}};
    enum { N = sizeof columns / sizeof *columns };
    struct drift_config *c =
        parse_as("x.yaml",
                 HEAD STREAMS "models:\n  m: {owner: ops, evidence: {false_alarms: 1 per 50 windows, mode: calibrated, "
                              "weights: {url_*: 3}, tolerance: {url_length: .05, url_*: .01, nobody: 7}}}\n");
    struct drift_layout *l = drift_layout_new();
    double each[2 * N];
    for (size_t i = 0; i < N; i++)
        ck_assert_int_eq(drift_layout_add_numeric(l, columns[i].role, columns[i].name, NULL, 0, false, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    struct drift_evidence_settings set = drift_evidence_config_settings(&drift_config_model(c, "m")->evidence, l, each);
    ck_assert(set.windows == 50 && set.mode == DRIFT_EVIDENCE_CALIBRATED && set.clear_windows == 24);
    for (size_t i = 0; i < N; i++) {
        int at = drift_layout_find(l, columns[i].role, columns[i].name);
        ck_assert_msg(at >= 0 && set.weight[at] == columns[i].weight && set.tolerance[at] == columns[i].tolerance,
                      "%s: %d", columns[i].name, at);
    }
    drift_layout_free(l);
    drift_config_free(c);
}
END_TEST

START_TEST(an_unreadable_file_is_io)
{
    struct drift_config *c = NULL;
    struct drift_buf report;
    drift_buf_init(&report, 4096);
    ck_assert_int_eq(drift_config_load("/nonexistent/x.yaml", &c, &report), DRIFT_E_IO);
    ck_assert_ptr_nonnull(strstr(report.data, "/nonexistent/x.yaml: cannot be read: "));
    drift_buf_reset(&report);
    ck_assert_int_eq(drift_config_load("/", &c, &report), DRIFT_E_IO);
    ck_assert_ptr_null(c);
    drift_config_free(NULL);
    drift_buf_release(&report);
}
END_TEST

START_TEST(names_are_stable)
{
    ck_assert_str_eq(drift_step_name(DRIFT_STEP_TICKET), "ticket");
    ck_assert_str_eq(drift_step_name(DRIFT_STEP_ROLLBACK), "rollback");
    ck_assert_str_eq(drift_step_name(DRIFT_STEP_HUMAN_REVIEW), "human_review");
    ck_assert_str_eq(drift_step_name(DRIFT_N_STEP), "unknown");
    ck_assert_str_eq(drift_severity_name(DRIFT_SEV_NONE), "none");
    ck_assert_str_eq(drift_severity_name(DRIFT_SEV_CRITICAL), "critical");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    drift_test_add(suite, "defaults", defaults_are_those_of_the_header, 10);
    drift_test_add(suite, "values", values_arrive, 10);
    drift_test_add(suite, "text", text_and_hash_are_kept, 10);
    drift_test_add(suite, "default rules", default_rules_follow_the_roles, 10);
    drift_test_add(suite, "fixed model", a_stream_fixed_to_a_model_feeds_only_that, 10);
    drift_test_add(suite, "features", features_wanted_and_typed, 10);
    drift_test_add(suite, "evidence numbers", evidence_numbers_by_column, 10);
    drift_test_add(suite, "unreadable", an_unreadable_file_is_io, 10);
    drift_test_add(suite, "names", names_are_stable, 10);
    return drift_test_run(suite);
}
