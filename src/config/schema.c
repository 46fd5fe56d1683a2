/* src/config/schema.c    The table of every key.
 *
 * Order matters twice: the reference is printed in it, and what a row's check looks at must stand before it. */
#include "driftd/internal/config/schema.h"

#include <stdio.h>
#include <string.h>

#include "driftd/internal/config/check.h"
#include "driftd/measure.h"

#define AT(type, member) .at = offsetof(struct type, member), .width = sizeof(((struct type *)0)->member)
#define MANY(type, member, count) \
    .at = offsetof(struct type, member), .count_at = offsetof(struct type, count), \
    .size = sizeof(*((struct type *)0)->member)
#define SECOND 1e3
#define MINUTE 60e3
#define HOUR 3600e3
#define DAY 86400e3
#define KIB 1024.0
#define MIB 1048576.0
#define GIB 1073741824.0
#define PATH_PATTERN "^[^.]+(\\.[^.]+)*$"
#define URL_PATTERN "^https?://"

const struct drift_reserved_option drift_reserved_options[] = {
    {"bootstrap.servers", "set kafka.brokers instead"},
    {"metadata.broker.list", "set kafka.brokers instead"},
    {"group.id", "set kafka.group instead"},
    {"queued.max.messages.kbytes", "set kafka.queue instead"},
    {"enable.auto.commit", "driftd keeps offsets with its counts and commits itself"},
    {"enable.auto.offset.store", "driftd keeps offsets with its counts and commits itself"},
    {"auto.offset.reset", "driftd gives every offset itself, a lost one must be seen"},
    {"enable.partition.eof", "driftd needs it to tell idle from slow partitions"},
    {"enable.idempotence", "driftd's own producer is always idempotent"},
    {"acks", "driftd's own producer always waits for all replicas"},
    {"plugin.library.paths", "it would load foreign code into driftd"},
    {NULL, NULL},
};

const struct drift_default_rule drift_default_rules[] = {
    {"input-drift", DRIFT_MEASURE_PSI, DRIFT_SCOPE_FEATURE, "*", .1, .25},
    {"score-drift", DRIFT_MEASURE_PSI, DRIFT_SCOPE_SCORE, NULL, .1, .25},
    {"null-rate", DRIFT_MEASURE_NULL_RATE, DRIFT_SCOPE_FEATURE, "*", .05, .2},
    {"missing-rate", DRIFT_MEASURE_MISSING_RATE, DRIFT_SCOPE_FEATURE, "*", .05, .2},
    {"unseen-categories", DRIFT_MEASURE_UNSEEN_RATE, DRIFT_SCOPE_FEATURE, "*", .05, .2},
    {"decision-drift", DRIFT_MEASURE_PROPORTION, DRIFT_SCOPE_DECISION, NULL, .1, .2},
    {"label-drift", DRIFT_MEASURE_PROPORTION, DRIFT_SCOPE_LABEL, NULL, .1, .2},
    {"volume", DRIFT_MEASURE_VOLUME, DRIFT_SCOPE_MODEL, NULL, .7, 1.4},
};
const size_t drift_n_default_rules = sizeof drift_default_rules / sizeof *drift_default_rules;

static const struct drift_schema_choice endpoint_types[] = {
    {"webhook", DRIFT_ENDPOINT_WEBHOOK, "POST of a signed CloudEvents body"}, {NULL, 0, NULL}};
static const struct drift_schema_choice steps[] = {
    {"ticket", DRIFT_STEP_TICKET, "open, update or resolve a ticket"},
    {"notify", DRIFT_STEP_NOTIFY, "tell somebody"},
    {"page", DRIFT_STEP_PAGE, "wake somebody"},
    {"human_review", DRIFT_STEP_HUMAN_REVIEW, "send the model's decisions to people"},
    {"disable_automation", DRIFT_STEP_DISABLE_AUTOMATION, "stop acting on the model's decisions (production)"},
    {"rollback", DRIFT_STEP_ROLLBACK, "go back to the model's version before (production)"},
    {NULL, 0, NULL}};
static const struct drift_schema_choice modes[] = {
    {"live", false, "done"}, {"shadow", true, "recorded and announced as \"would have\""}, {NULL, 0, NULL}};
static const struct drift_schema_choice formats[] = {
    {"json", DRIFT_FORMAT_JSON, "one JSON object a record"},
    {"avro", DRIFT_FORMAT_AVRO, "Confluent framing and `registry`, or plain Avro of `schema_file`"},
    {NULL, 0, NULL}};
static const struct drift_schema_choice time_units[] = {
    {"s", DRIFT_TIME_S, "seconds since 1970 UTC"},      {"ms", DRIFT_TIME_MS, "milliseconds"},
    {"us", DRIFT_TIME_US, "microseconds"},              {"ns", DRIFT_TIME_NS, "nanoseconds"},
    {"rfc3339", DRIFT_TIME_RFC3339, "text such as 2026-01-31T14:05:00Z"}, {NULL, 0, NULL}};
static const struct drift_schema_choice kinds[] = {{"numeric", DRIFT_NUMERIC, NULL},
                                                   {"categorical", DRIFT_CATEGORICAL, NULL},
                                                   {NULL, 0, NULL}};
static const struct drift_schema_choice criticalities[] = {
    {"low", 0, NULL}, {"medium", 1, NULL}, {"high", 2, NULL}, {"critical", 3, NULL}, {NULL, 0, NULL}};
static const struct drift_schema_choice measures[] = {
#define X(id, name, has_p, numeric, categorical, help) {name, DRIFT_MEASURE_##id, help},
    DRIFT_MEASURES(X)
#undef X
    {NULL, 0, NULL}};
static const struct drift_schema_choice scopes[] = {
    {"score", DRIFT_SCOPE_SCORE, "the score, a number"},
    {"decision", DRIFT_SCOPE_DECISION, "the decision, a category"},
    {"label", DRIFT_SCOPE_LABEL, "the label, a category, by the time of the label"},
    {"source", DRIFT_SCOPE_SOURCE, "the source, a category"},
    {"latency", DRIFT_SCOPE_LATENCY, "the latency, a number"},
    {"model", DRIFT_SCOPE_MODEL, "the model as a whole, for volume"},
    {NULL, 0, NULL}};

const char *drift_scope_name(enum drift_scope s)
{
    for (const struct drift_schema_choice *c = scopes; c->name; c++)
        if (c->value == (int)s)
            return c->name;
    return "feature";
}

/* ---- kafka, redis, registry, state, http, change ---- */
static const struct drift_schema_row option = {
    .key = "", .type = DRIFT_T_OPTION, .check = drift_check_option,
    .help = "a property of librdkafka and its value; `{file: ..}` or `{env: ..}` for passwords"};

static const struct drift_schema_row kafka[] = {
    {.key = "brokers", .type = DRIFT_T_TEXT, AT(drift_config, kafka.brokers), .required = true,
     .format = drift_format_brokers, .max = 4096, .help = "brokers to begin with: `host:port,host:port`"},
    {.key = "group", .type = DRIFT_T_TEXT, AT(drift_config, kafka.group), .required = true, .max = 200,
     .format = drift_format_group, .help = "consumer group; it names driftd's state in Redis too, so a new group begins from nothing"},
    {.key = "options", .type = DRIFT_T_NAMED, MANY(drift_config, kafka.options, kafka.n_options), .elem = &option,
     .max_items = 200, .help = "properties of librdkafka, passed on: `security.protocol: SASL_SSL`, `sasl.password: {file: /etc/driftd/kafka}`"},
    {.key = "queue", .type = DRIFT_T_SIZE, AT(drift_config, kafka.queue_bytes), .fallback = "16MiB", .min = MIB,
     .max = GIB, .help = "memory for fetched records that wait to be counted, in all"},
    {.key = "quarantine_topic", .type = DRIFT_T_TEXT, AT(drift_config, kafka.quarantine_topic), .max = 249,
     .format = drift_format_topic, .pattern = "^[A-Za-z0-9._-]+$", .fallback_words = "none: records that cannot be read are counted only",
     .help = "records that cannot be read go there as they are, with the reason in their headers"},
    {.key = NULL}};

static const struct drift_schema_row redis[] = {
    {.key = "host", .type = DRIFT_T_TEXT, AT(drift_config, redis.host), .format = drift_format_host, .max = 255,
     .fallback_words = "127.0.0.1 without `socket`", .help = "name or address"},
    {.key = "port", .type = DRIFT_T_INT, AT(drift_config, redis.port), .fallback = "6379", .min = 1, .max = 65535,
     .help = "TCP port"},
    {.key = "socket", .type = DRIFT_T_TEXT, AT(drift_config, redis.socket), .max = 107, .file = true,
     .help = "unix socket, instead of `host`"},
    {.key = "db", .type = DRIFT_T_INT, AT(drift_config, redis.db), .fallback = "0", .max = 16383,
     .help = "number of the database"},
    {.key = "username", .type = DRIFT_T_TEXT, AT(drift_config, redis.username), .help = "ACL user"},
    {.key = "password", .type = DRIFT_T_SECRET, AT(drift_config, redis.password), .help = "its password"},
    {.key = "timeout", .type = DRIFT_T_DURATION, AT(drift_config, redis.timeout_ms), .fallback = "2s",
     .min = 100, .max = MINUTE, .help = "for connecting, and for a command"},
    {.key = NULL}};

static const struct drift_schema_row registry[] = {
    {.key = "url", .type = DRIFT_T_TEXT, AT(drift_config, registry_url), .required = true, .max = 2048,
     .format = drift_format_url, .unquoted = true, .pattern = URL_PATTERN, .help = "schema registry with Confluent's REST API; may have a path"},
    {.key = "username", .type = DRIFT_T_TEXT, AT(drift_config, registry_username), .help = "for HTTP basic authentication"},
    {.key = "password", .type = DRIFT_T_SECRET, AT(drift_config, registry_password), .help = "its password"},
    {.key = NULL}};

static const struct drift_schema_row state[] = {
    {.key = "flush_interval", .type = DRIFT_T_DURATION, AT(drift_config, state.flush_interval_ms), .fallback = "1s",
     .min = 20, .max = MINUTE, .help = "counts and offset are saved so often; a crash costs reading that much again"},
    {.key = "flush_max_bytes_per_s", .type = DRIFT_T_SIZE, AT(drift_config, state.flush_max_bytes_per_s),
     .fallback = "8MiB", .min = 64 * KIB, .max = GIB, .help = "state writes are stretched to stay below"},
    {.key = "settle", .type = DRIFT_T_DURATION, AT(drift_config, state.settle_ms), .fallback = "10s", .max = 10 * MINUTE,
     .help = "what a failover of Redis can lose at most; 0s only for a Redis that never fails over"},
    {.key = "clock_skew", .type = DRIFT_T_DURATION, AT(drift_config, state.clock_skew_ms), .fallback = "1s",
     .max = 5 * MINUTE, .help = "clocks of the hosts of driftd, Redis and brokers differ by at most this"},
    {.key = "max_future", .type = DRIFT_T_DURATION, AT(drift_config, state.future_skew_ms), .fallback = "10s",
     .max = DAY, .help = "events further ahead of the broker's clock are counted as `future`, not into a window"},
    {.key = "idle_after", .type = DRIFT_T_DURATION, AT(drift_config, state.idle_after_ms), .fallback = "30s",
     .min = 100, .max = DAY, .help = "a partition at its end with nothing new for so long no longer holds windows back"},
    {.key = "retain", .type = DRIFT_T_DURATION, AT(drift_config, state.retain_ms), .fallback = "1h", .max = 31 * DAY,
     .help = "a judged window's counts stay in Redis so long; at least `settle`"},
    {.key = "plan_ttl", .type = DRIFT_T_DURATION, AT(drift_config, state.plan_ttl_ms), .fallback = "5s", .min = 100,
     .max = MINUTE, .help = "an instance looks for new plans (baselines, thresholds) at least so often"},
    {.key = "judge_patience", .type = DRIFT_T_DURATION, AT(drift_config, state.judge_patience_ms), .fallback = "3s",
     .max = 10 * MINUTE, .help = "another instance judges a window that its judge left lying for so long"},
    {.key = "max_action_age", .type = DRIFT_T_DURATION, AT(drift_config, state.max_action_age_ms), .fallback = "1h",
     .min = SECOND, .max = 3650 * DAY, .help = "actions about windows that ended longer ago are summarised, not sent"},
    {.key = "keep_verdicts", .type = DRIFT_T_INT, AT(drift_config, state.keep_verdicts), .fallback = "1000", .min = 1,
     .max = 100000, .help = "verdicts kept per model, inputs and labels each"},
    {.key = NULL}};

static const struct drift_schema_row http[] = {
    {.key = "listen", .type = DRIFT_T_TEXT, AT(drift_config, http.listen), .fallback = "127.0.0.1:9187", .max = 255,
     .format = drift_format_listen, .check = drift_check_listen, .help = "address of /metrics, /livez and /readyz; `none` for no server"},
    {.key = NULL}};

static const struct drift_schema_row change[] = {
    {.key = "version", .type = DRIFT_T_TEXT, AT(drift_config, change.version), .max = 128, .help = "version or ticket of this configuration"},
    {.key = "approved_by", .type = DRIFT_T_TEXT, AT(drift_config, change.approved_by), .max = 128, .help = "who approved it"},
    {.key = "reason", .type = DRIFT_T_TEXT, AT(drift_config, change.reason), .help = "why"},
    {.key = NULL}};

/* ---- owners, endpoints, playbooks ---- */
static const struct drift_schema_row owner_keys[] = {
    {.key = "team", .type = DRIFT_T_TEXT, AT(drift_owner, team), .max = 128, .help = "name of the team, as people know it"},
    {.key = "contact", .type = DRIFT_T_TEXT, AT(drift_owner, contact), .help = "where to reach it: channel, mail, rota"},
    {.key = NULL}};
static const struct drift_schema_row owner = {.key = "", .type = DRIFT_T_MAP, .sub = owner_keys,
                                              .help = "who answers for models and rules"};

static const struct drift_schema_row secret = {.key = "", .type = DRIFT_T_SECRET, .help = "a secret"};
static const struct drift_schema_row endpoint_keys[] = {
    {.key = "type", .type = DRIFT_T_CHOICE, AT(drift_endpoint, type), .choices = endpoint_types, .fallback = "webhook",
     .help = "kind of receiver"},
    {.key = "url", .type = DRIFT_T_TEXT, AT(drift_endpoint, url), .required = true, .max = 2048, .format = drift_format_url, .unquoted = true,
     .pattern = URL_PATTERN, .help = "where to POST; https, or http to a loopback or (with `allow_private`) private address"},
    {.key = "secret", .type = DRIFT_T_LIST, MANY(drift_endpoint, secrets, n_secrets), .elem = &secret, .single = true,
     .help = "key of the signature: `whsec_` and base64, or any text of at least 24 bytes"},
    {.key = "secrets", .type = DRIFT_T_LIST, MANY(drift_endpoint, secrets, n_secrets), .elem = &secret, .max_items = 4,
     .help = "several while rotating, instead of `secret`: all sign, the first keeps the outbox"},
    {.key = "timeout", .type = DRIFT_T_DURATION, AT(drift_endpoint, timeout_ms), .fallback = "15s", .min = 100,
     .max = 5 * MINUTE, .help = "of one attempt"},
    {.key = "allow_private", .type = DRIFT_T_BOOL, AT(drift_endpoint, allow_private), .fallback = "false",
     .help = "allow private, loopback and link-local addresses, which are refused otherwise"},
    {.key = "ca_file", .type = DRIFT_T_TEXT, AT(drift_endpoint, ca_file), .max = 4096, .file = true,
     .fallback_words = "the system's", .help = "certificates to trust, PEM"},
    {.key = NULL}};
static const struct drift_schema_row endpoint = {.key = "", .type = DRIFT_T_MAP, .sub = endpoint_keys,
                                                 .check = drift_check_endpoint, .help = "a receiver of actions"};

static const struct drift_schema_row step_keys[] = {
    {.key = "do", .type = DRIFT_T_CHOICE, AT(drift_step, kind), .choices = steps, .required = true, .help = "what is asked of the receiver"},
    {.key = "endpoint", .type = DRIFT_T_REF, AT(drift_step, endpoint), .ref = DRIFT_REF_ENDPOINT, .required = true,
     .help = "name in `endpoints`"},
    {.key = "mode", .type = DRIFT_T_CHOICE, AT(drift_step, shadow), .choices = modes,
     .fallback_words = "shadow for disable_automation and rollback, else live", .help = "whether it is done"},
    {.key = "cooldown", .type = DRIFT_T_DURATION, AT(drift_step, cooldown_ms), .max = 31 * DAY,
     .fallback_words = "30m for disable_automation and rollback, else 0s", .help = "least event time between two firings of the step"},
    {.key = "on_update", .type = DRIFT_T_BOOL, AT(drift_step, on_update), .fallback_words = "false for page, else true",
     .help = "also when a firing alert changes (severity, worst features)"},
    {.key = "on_resolved", .type = DRIFT_T_BOOL, AT(drift_step, on_resolved), .fallback = "true", .help = "also when the alert resolves"},
    {.key = NULL}};
static const struct drift_schema_row step = {.key = "", .type = DRIFT_T_MAP, .sub = step_keys, .check = drift_check_step,
                                             .help = "a step, sent in the order of the list"};
static const struct drift_schema_row playbook_keys[] = {
    {.key = "what_to_do", .type = DRIFT_T_TEXT, AT(drift_playbook, what_to_do), .max = 4096,
     .help = "plain words for whoever receives it"},
    {.key = "runbook_url", .type = DRIFT_T_TEXT, AT(drift_playbook, runbook_url), .max = 2048, .format = drift_format_url, .unquoted = true,
     .pattern = URL_PATTERN, .help = "link that travels with every action"},
    {.key = "steps", .type = DRIFT_T_LIST, MANY(drift_playbook, steps, n_steps), .elem = &step, .max_items = 32,
     .required = true, .help = "what is done, in this order"},
    {.key = NULL}};
static const struct drift_schema_row playbook = {.key = "", .type = DRIFT_T_MAP, .sub = playbook_keys,
                                                 .check = drift_check_playbook, .help = "what happens when a rule fires"};

/* ---- streams ---- */
static const struct drift_schema_row topic = {.key = "", .type = DRIFT_T_TEXT, .format = drift_format_topic, .max = 249,
                                              .pattern = "^[A-Za-z0-9._-]+$", .help = "name of a topic"};
static const struct drift_schema_row path = {.key = "", .type = DRIFT_T_TEXT, .format = drift_format_path, .max = 256,
                                             .pattern = PATH_PATTERN, .help = "dotted path into the record"};
static const struct drift_schema_row time_keys[] = {
    {.key = "field", .type = DRIFT_T_TEXT, AT(drift_stream, time), .format = drift_format_path, .max = 256,
     .pattern = PATH_PATTERN, .required = true, .help = "path of the event's time"},
    {.key = "unit", .type = DRIFT_T_CHOICE, AT(drift_stream, time_unit), .choices = time_units, .fallback = "ms",
     .help = "what it counts"},
    {.key = NULL}};
static const struct drift_schema_row stream_model_keys[] = {
    {.key = "value", .type = DRIFT_T_TEXT, AT(drift_stream, model_value), .format = drift_format_name, .max = 128,
     .required = true, .help = "all records are of this model"},
    {.key = NULL}};
static const struct drift_schema_row version_keys[] = {
    {.key = "model", .type = DRIFT_T_TEXT, AT(drift_stream, version[DRIFT_VERSION_MODEL]), .format = drift_format_path,
     .max = 256, .pattern = PATH_PATTERN, .help = "path of the model's version"},
    {.key = "features", .type = DRIFT_T_TEXT, AT(drift_stream, version[DRIFT_VERSION_FEATURES]), .max = 256,
     .format = drift_format_path, .pattern = PATH_PATTERN, .help = "path of the version of the feature pipeline"},
    {.key = "prompt", .type = DRIFT_T_TEXT, AT(drift_stream, version[DRIFT_VERSION_PROMPT]), .max = 256,
     .format = drift_format_path, .pattern = PATH_PATTERN, .help = "path of the prompt's version"},
    {.key = "threshold", .type = DRIFT_T_TEXT, AT(drift_stream, version[DRIFT_VERSION_THRESHOLD]), .max = 256,
     .format = drift_format_path, .pattern = PATH_PATTERN, .help = "path of the version of the decision threshold"},
    {.key = NULL}};
static const struct drift_schema_row features_keys[] = {
    {.key = "object", .type = DRIFT_T_TEXT, AT(drift_stream, features), .format = drift_format_path, .max = 256,
     .empty_ok = true, .help = "path of the object whose members are the features; `\"\"` is the record itself, less its roles"},
    {.key = "fields", .type = DRIFT_T_LIST, MANY(drift_stream, feature_fields, n_feature_fields), .elem = &path,
     .max_items = 4096, .help = "or the paths one by one; a path is the feature's name"},
    {.key = NULL}};
#define ROLE(name, words) \
    {.key = #name, .type = DRIFT_T_TEXT, AT(drift_stream, name), .format = drift_format_path, .max = 256, \
     .pattern = PATH_PATTERN, .help = words}
static const struct drift_schema_row stream_keys[] = {
    {.key = "topic", .type = DRIFT_T_LIST, MANY(drift_stream, topics, n_topics), .elem = &topic, .single = true,
     .help = "the topic; this or `topics` is needed"},
    {.key = "topics", .type = DRIFT_T_LIST, MANY(drift_stream, topics, n_topics), .elem = &topic, .max_items = 100,
     .help = "several topics of the same form"},
    {.key = "format", .type = DRIFT_T_CHOICE, AT(drift_stream, format), .choices = formats, .required = true,
     .help = "form of a record's value"},
    {.key = "schema_file", .type = DRIFT_T_TEXT, AT(drift_stream, schema_file), .max = 4096, .file = true,
     .help = "Avro without registry: schema of plain Avro bodies"},
    ROLE(id, "path of the event's id"),
    {.key = "time", .type = DRIFT_T_TEXT, AT(drift_stream, time), .sub = time_keys, .required = true, .max = 256,
     .format = drift_format_path, .pattern = PATH_PATTERN, .check = drift_check_time,
     .help = "path of the event's time in ms; `record` for the Kafka record's own time stamp"},
    {.key = "model", .type = DRIFT_T_TEXT, AT(drift_stream, model), .sub = stream_model_keys, .required = true, .max = 256,
     .format = drift_format_path, .pattern = PATH_PATTERN, .help = "path of the model's name"},
    {.key = "versions", .type = DRIFT_T_MAP, .sub = version_keys, .help = "versions that events carry: counted per window"},
    {.key = "features", .type = DRIFT_T_TEXT, AT(drift_stream, features), .sub = features_keys, .max = 256,
     .format = drift_format_path, .pattern = PATH_PATTERN, .check = drift_check_features,
     .help = "path of the object whose members are the features"},
    ROLE(score, "path of the model's score, a number"),
    ROLE(decision, "path of what was decided, a category"),
    ROLE(label, "path of the label, a category; its time is the stream's `time`"),
    ROLE(source, "path of where the event came from (sensor, tenant ...), a category"),
    ROLE(latency, "path of how long the model took, a number"),
    {.key = "max_record", .type = DRIFT_T_SIZE, AT(drift_stream, max_record_bytes), .fallback = "1MiB", .min = 256,
     .max = 64 * MIB, .help = "larger records are refused"},
    {.key = "max_fields", .type = DRIFT_T_INT, AT(drift_stream, max_fields), .fallback = "4096", .min = 1, .max = 4096,
     .help = "distinct feature fields noticed in all; further names are counted only"},
    {.key = NULL}};
static const struct drift_schema_row stream = {.key = "", .type = DRIFT_T_MAP, .sub = stream_keys,
                                               .check = drift_check_stream, .help = "topics, their format, and where in a record each role is found"};

/* ---- rules ---- */
static const struct drift_schema_row scope_keys[] = {
    {.key = "feature", .type = DRIFT_T_TEXT, AT(drift_rule, feature), .required = true, .max = 256,
     .help = "features by name, with `*` and `?`"},
    {.key = NULL}};
static const struct drift_schema_row persist_keys[] = {
    {.key = "k", .type = DRIFT_T_INT, AT(drift_rule, persist_k), .fallback = "1", .min = 1, .max = 64,
     .help = "a rule fires when so many ..."},
    {.key = "of", .type = DRIFT_T_INT, AT(drift_rule, persist_of), .fallback_words = "k", .min = 1, .max = 64,
     .help = "... of so many last windows are above its level"},
    {.key = NULL}};
static const struct drift_schema_row sla_keys[] = {
    {.key = "acknowledge", .type = DRIFT_T_DURATION, AT(drift_rule, sla.acknowledge_ms), .min = SECOND, .max = 365 * DAY,
     .fallback_words = "none", .help = "time to acknowledge"},
    {.key = "resolve", .type = DRIFT_T_DURATION, AT(drift_rule, sla.resolve_ms), .min = SECOND, .max = 365 * DAY,
     .fallback_words = "none", .help = "time to resolve"},
    {.key = NULL}};
static const struct drift_schema_row rule_playbook_keys[] = {
    {.key = "warning", .type = DRIFT_T_REF, AT(drift_rule, playbook_warning), .ref = DRIFT_REF_PLAYBOOK,
     .help = "playbook of a warning"},
    {.key = "critical", .type = DRIFT_T_REF, AT(drift_rule, playbook_critical), .ref = DRIFT_REF_PLAYBOOK,
     .help = "playbook of a critical alert"},
    {.key = NULL}};
static const struct drift_schema_row rule_keys[] = {
    {.key = "name", .type = DRIFT_T_TEXT, AT(drift_rule, name), .required = true, .format = drift_format_name, .max = 128,
     .help = "unique in the model; it names the alert"},
    {.key = "measure", .type = DRIFT_T_CHOICE, AT(drift_rule, measure), .choices = measures, .required = true,
     .help = "what is measured"},
    {.key = "scope", .type = DRIFT_T_CHOICE, AT(drift_rule, scope), .choices = scopes, .sub = scope_keys,
     .check = drift_check_scope, .fallback_words = "model for volume; else needed", .help = "of what"},
    {.key = "warning", .type = DRIFT_T_NUMBER, AT(drift_rule, warning), .min = 1e-9, .max = 1e6,
     .help = "level of a warning on the measure's effect"},
    {.key = "critical", .type = DRIFT_T_NUMBER, AT(drift_rule, critical), .min = 1e-9, .max = 1e6,
     .help = "level of a critical alert; `warning` or `critical` is needed"},
    {.key = "recovery", .type = DRIFT_T_NUMBER, AT(drift_rule, recovery), .max = 1e6,
     .fallback_words = ".8 of the lowest level", .help = "a firing alert resolves below this"},
    {.key = "p", .type = DRIFT_T_NUMBER, AT(drift_rule, p), .min = 1e-300, .max = 1,
     .fallback_words = ".001 divided by the columns in scope", .help = "a level counts only with a p-value below; 1 switches that off"},
    {.key = "persist", .type = DRIFT_T_MAP, .sub = persist_keys, .help = "k of the last n windows"},
    {.key = "owner", .type = DRIFT_T_REF, AT(drift_rule, owner), .ref = DRIFT_REF_OWNER, .fallback_words = "the model's",
     .help = "name in `owners`"},
    {.key = "sla", .type = DRIFT_T_MAP, .sub = sla_keys, .help = "what the owner promises; travels with the actions"},
    {.key = "playbook", .type = DRIFT_T_REF, AT(drift_rule, playbook_warning), .sub = rule_playbook_keys,
     .ref = DRIFT_REF_PLAYBOOK, .check = drift_check_rule_playbook, .fallback_words = "the model's `default_playbook`",
     .help = "name in `playbooks` for both levels, or one each; `{}` for none"},
    {.key = NULL}};
static const struct drift_schema_row rule = {.key = "", .type = DRIFT_T_MAP, .sub = rule_keys, .check = drift_check_rule,
                                             .help = "a rule: one alert, however many features are above its level"};

/* ---- models ---- */
static const struct drift_schema_row stream_ref = {.key = "", .type = DRIFT_T_REF, .width = sizeof(size_t),
                                                   .ref = DRIFT_REF_STREAM, .help = "name in `streams`"};
static const struct drift_schema_row glob = {.key = "", .type = DRIFT_T_TEXT, .max = 256, .help = "name with `*` and `?`"};
static const struct drift_schema_row kind = {.key = "", .type = DRIFT_T_CHOICE, AT(drift_feature_type, kind),
                                             .choices = kinds, .help = "type of the features of that name (with `*` and `?`)"};
static const struct drift_schema_row window_keys[] = {
    {.key = "size", .type = DRIFT_T_DURATION, AT(drift_model, window_ms), .fallback = "1h", .min = SECOND, .max = 31 * DAY,
     .help = "length; windows begin at multiples of it since 1970 UTC"},
    {.key = "lateness", .type = DRIFT_T_DURATION, AT(drift_model, lateness_ms), .fallback = "5m", .max = 31 * DAY,
     .help = "a window stays open so long behind its end"},
    {.key = "min_events", .type = DRIFT_T_INT, AT(drift_model, min_events), .fallback = "100", .min = 1, .max = 1e9,
     .help = "with fewer a window is held and its counts carried to the next"},
    {.key = "max_carry", .type = DRIFT_T_INT, AT(drift_model, max_carry), .fallback = "0", .max = 100000,
     .help = "so many windows are carried at most, then judged anyhow; 0: no limit"},
    {.key = "max_open", .type = DRIFT_T_INT, AT(drift_model, max_open_windows), .min = 2, .max = 100000,
     .fallback_words = "16 more than lateness needs", .help = "open windows of a partition; one too far ahead waits"},
    {.key = NULL}};
static const struct drift_schema_row label_window_keys[] = {
    {.key = "size", .type = DRIFT_T_DURATION, AT(drift_model, label_window_ms), .fallback_words = "as `window`",
     .min = SECOND, .max = 31 * DAY, .help = "length of windows by label time"},
    {.key = "lateness", .type = DRIFT_T_DURATION, AT(drift_model, label_lateness_ms), .fallback_words = "as `window`",
     .max = 31 * DAY, .help = "a label window stays open so long behind its end"},
    {.key = NULL}};
static const struct drift_schema_row model_features_keys[] = {
    {.key = "include", .type = DRIFT_T_TEXT, AT(drift_model, include), .fallback = "*", .max = 256,
     .help = "features to watch, with `*` and `?`"},
    {.key = "exclude", .type = DRIFT_T_LIST, MANY(drift_model, exclude, n_exclude), .elem = &glob, .max_items = 4096,
     .help = "features not to watch, with `*` and `?`"},
    {.key = "types", .type = DRIFT_T_NAMED, MANY(drift_model, types, n_types), .elem = &kind, .max_items = 4096,
     .help = "type by feature name; the first that matches; without one the data decide when the baseline is built"},
    {.key = NULL}};
static const struct drift_schema_row baseline_keys[] = {
    {.key = "learn", .type = DRIFT_T_DURATION, AT(drift_model, learn_ms), .min = MINUTE, .max = 365 * DAY,
     .fallback_words = "none: built and promoted by `driftd baseline`", .help = "the baseline is learned from the first so long"},
    {.key = NULL}};
static const struct drift_schema_row default_playbook_keys[] = {
    {.key = "warning", .type = DRIFT_T_REF, AT(drift_model, default_warning), .ref = DRIFT_REF_PLAYBOOK,
     .help = "playbook of warnings"},
    {.key = "critical", .type = DRIFT_T_REF, AT(drift_model, default_critical), .ref = DRIFT_REF_PLAYBOOK,
     .help = "playbook of critical alerts"},
    {.key = NULL}};
static const struct drift_schema_row model_keys[] = {
    {.key = "owner", .type = DRIFT_T_REF, AT(drift_model, owner), .ref = DRIFT_REF_OWNER, .required = true,
     .help = "name in `owners`"},
    {.key = "criticality", .type = DRIFT_T_TEXT, AT(drift_model, criticality), .choices = criticalities,
     .fallback = "medium", .help = "how much depends on the model; travels with the actions"},
    {.key = "streams", .type = DRIFT_T_LIST, MANY(drift_model, streams, n_streams), .elem = &stream_ref, .max_items = 100,
     .fallback_words = "all that are not fixed to another model", .help = "names in `streams` that carry the model's events"},
    {.key = "window", .type = DRIFT_T_MAP, .sub = window_keys, .help = "windows by event time"},
    {.key = "label_window", .type = DRIFT_T_MAP, .sub = label_window_keys, .help = "windows by label time"},
    {.key = "features", .type = DRIFT_T_MAP, .sub = model_features_keys, .help = "which features, and their types"},
    {.key = "threshold", .type = DRIFT_T_NUMBER, AT(drift_model, threshold),
     .fallback_words = "none", .help = "decision threshold on the score: an edge of its cells"},
    {.key = "positive_label", .type = DRIFT_T_TEXT, AT(drift_model, positive_label), .max = 128,
     .fallback_words = "the class that changed most", .help = "label whose share the summary names"},
    {.key = "positive_decision", .type = DRIFT_T_TEXT, AT(drift_model, positive_decision), .max = 128,
     .fallback_words = "the one that changed most", .help = "decision whose share the summary names"},
    {.key = "baseline", .type = DRIFT_T_MAP, .sub = baseline_keys, .help = "where the baseline comes from"},
    {.key = "status_endpoint", .type = DRIFT_T_REF, AT(drift_model, status_endpoint), .ref = DRIFT_REF_ENDPOINT,
     .fallback_words = "none", .help = "name in `endpoints`: told when the model is ok, degraded or unmonitored"},
    {.key = "default_playbook", .type = DRIFT_T_MAP, .sub = default_playbook_keys,
     .help = "playbooks of the default rules, and of rules without `playbook`"},
    {.key = "rules", .type = DRIFT_T_LIST, MANY(drift_model, rules, n_rules), .elem = &rule, .max_items = 500,
     .fallback_words = "the default rules below; `[]` for none", .help = "what is judged"},
    {.key = "segments", .type = DRIFT_T_REFUSED, .help = "segments are not implemented yet in this version: remove the key"},
    {.key = NULL}};
static const struct drift_schema_row model = {.key = "", .type = DRIFT_T_MAP, .sub = model_keys, .check = drift_check_model,
                                              .help = "a model that is watched; events of others are counted as `unknown_model`"};

/* ---- the whole ---- */
static const struct drift_schema_row root_keys[] = {
    {.key = "version", .type = DRIFT_T_INT, .required = true, .min = 1, .max = 1, .help = "of this format: 1"},
    {.key = "change", .type = DRIFT_T_MAP, .sub = change, .help = "what this version of the file is; travels with the actions"},
    {.key = "kafka", .type = DRIFT_T_MAP, .sub = kafka, .required = true, .help = "where events come from"},
    {.key = "redis", .type = DRIFT_T_MAP, .sub = redis, .check = drift_check_redis, .help = "where the state lives"},
    {.key = "registry", .type = DRIFT_T_MAP, .sub = registry, .check = drift_check_registry,
     .help = "schema registry, for Avro without `schema_file`"},
    {.key = "state", .type = DRIFT_T_MAP, .sub = state, .check = drift_check_state, .help = "times and limits of the protocol"},
    {.key = "http", .type = DRIFT_T_MAP, .sub = http, .help = "driftd's own HTTP server"},
    {.key = "owners", .type = DRIFT_T_NAMED, MANY(drift_config, owners, n_owners), .elem = &owner, .required = true,
     .help = "who answers for models and rules"},
    {.key = "endpoints", .type = DRIFT_T_NAMED, MANY(drift_config, endpoints, n_endpoints), .elem = &endpoint,
     .help = "receivers of actions"},
    {.key = "playbooks", .type = DRIFT_T_NAMED, MANY(drift_config, playbooks, n_playbooks), .elem = &playbook,
     .help = "what happens when a rule fires"},
    {.key = "streams", .type = DRIFT_T_NAMED, MANY(drift_config, streams, n_streams), .elem = &stream, .required = true,
     .help = "topics, their format, and where in a record each role is found"},
    {.key = "models", .type = DRIFT_T_NAMED, MANY(drift_config, models, n_models), .elem = &model, .required = true,
     .help = "what is watched"},
    {.key = NULL}};
const struct drift_schema_row drift_schema_root = {.key = "", .type = DRIFT_T_MAP, .sub = root_keys, .check = drift_check_config,
                                                   .help = "configuration of driftd"};

static void bound_text(const struct drift_schema_row *row, double v, char *buf, size_t cap)
{
    if (row->type == DRIFT_T_DURATION)
        drift_duration_text((int64_t)v, buf, cap);
    else if (row->type == DRIFT_T_SIZE && v >= GIB)
        snprintf(buf, cap, "%.0fGiB", v / GIB);
    else if (row->type == DRIFT_T_SIZE && v >= MIB)
        snprintf(buf, cap, "%.0fMiB", v / MIB);
    else if (row->type == DRIFT_T_SIZE && v >= KIB)
        snprintf(buf, cap, "%.0fKiB", v / KIB);
    else if (row->type == DRIFT_T_SIZE)
        snprintf(buf, cap, "%.0fB", v);
    else
        drift_f64_text(v, buf, cap);
}

const char *drift_schema_range_text(const struct drift_schema_row *row, char *buf, size_t cap)
{
    char low[48], high[48];
    *buf = 0;
    bool ranged = row->type == DRIFT_T_INT || row->type == DRIFT_T_NUMBER || row->type == DRIFT_T_DURATION ||
                  row->type == DRIFT_T_SIZE;
    if (!ranged || (row->min == 0 && row->max == 0))
        return buf;
    bound_text(row, row->min, low, sizeof low);
    bound_text(row, row->max, high, sizeof high);
    if (strcmp(low, high) == 0)
        snprintf(buf, cap, "%s", low);
    else
        snprintf(buf, cap, "%s to %s", low, high);
    return buf;
}
