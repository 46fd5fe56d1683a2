/* config.h - the configuration as one validated, immutable snapshot.
 *
 * Made from YAML by a schema table (schema.c) that also prints the reference and the JSON Schema.  All errors
 * are found in one pass.  Strings and arrays belong to the snapshot.  Lists are counted arrays; optional
 * strings are NULL when absent; times are ms.  Threads: immutable after load. */
#ifndef DRIFTD_CONFIG_CONFIG_H
#define DRIFTD_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/detector.h"
#include "driftd/evidence.h"
#include "driftd/internal/base/buf.h"
#include "driftd/internal/base/err.h"
#include "driftd/internal/flow.h"

/* {file: path} or {env: NAME}; resolved on demand by drift_secret_load, never printed. */
struct drift_secret {
    char *file, *env; /* at most one; both NULL: not set.  A relative file of a configuration is relative to it */
};
/* Reads it: heap string (free with drift_secret_free), trailing newline removed, at most 64 KiB.
 * Errors: DRIFT_E_NOT_FOUND, DRIFT_E_IO, DRIFT_E_DENIED (file readable by others). */
int drift_secret_load(const struct drift_secret *s, char **ret_text, struct drift_err *err) DRIFT_MUST_CHECK;
void drift_secret_free(char *text); /* wipes, then frees; NULL is fine */

struct drift_option { /* one librdkafka property */
    char *name, *value;
    struct drift_secret secret; /* instead of value, for passwords */
};

struct drift_kafka_config {
    char *brokers;
    char *group;   /* consumer group; names driftd's state in Redis too */
    bool patterns; /* some stream reads topics by pattern */
    size_t n_options;
    struct drift_option *options;
    uint64_t queue_bytes;   /* fetch queue of the consumer in all; default 16 MiB */
    char *quarantine_topic; /* NULL: refused records are only counted */
};

struct drift_redis_sentinel {
    char *nodes;  /* "host:port,host:port" of sentinels; NULL: no Sentinel */
    char *master; /* name of the master that they watch */
    char *username;
    struct drift_secret password; /* of the sentinels */
};

/* One of host, socket, cluster and sentinel.nodes is set. */
struct drift_redis_config {
    char *host; /* TCP */
    int port;
    char *socket;  /* unix socket path */
    char *cluster; /* "host:port,host:port": some nodes of a Redis Cluster */
    struct drift_redis_sentinel sentinel;
    int db;
    char *username;
    struct drift_secret password;
    int64_t timeout_ms; /* connect and command; default 2 s */
};

struct drift_state_config {
    int64_t flush_interval_ms; /* 1 s */
    uint64_t flush_max_bytes_per_s;
    int64_t settle_ms;         /* 10 s: what a Redis failover can lose at most */
    int64_t clock_skew_ms;     /* 1 s */
    int64_t future_skew_ms;    /* 10 s: `max_future` */
    int64_t idle_after_ms;     /* 30 s */
    int64_t retain_ms;         /* 1 h */
    int64_t plan_ttl_ms;       /* 5 s */
    int64_t judge_patience_ms; /* 3 s */
    int64_t max_hold_ms;       /* 0: off */
    int64_t max_action_age_ms; /* 1 h */
    uint32_t keep_verdicts;    /* bodies kept per chain; 240 */
};

struct drift_http_config {
    char *listen; /* "127.0.0.1:9187"; NULL (written as `none`): no server */
};

struct drift_owner {
    char *name; /* key in the map */
    char *team, *contact;
};

enum drift_endpoint_type { DRIFT_ENDPOINT_WEBHOOK }; /* adapters come later */
struct drift_endpoint {
    char *name;
    enum drift_endpoint_type type;
    char *url;
    size_t n_secrets; /* first signs; all sign while rotating (space-separated signatures) */
    struct drift_secret *secrets;
    int64_t timeout_ms; /* 15 s */
    bool allow_private; /* private, loopback and link-local addresses are refused unless set */
    char *ca_file;
};

enum drift_step_kind {
    DRIFT_STEP_TICKET,
    DRIFT_STEP_NOTIFY,
    DRIFT_STEP_PAGE,
    DRIFT_STEP_HUMAN_REVIEW,
    DRIFT_STEP_DISABLE_AUTOMATION,
    DRIFT_STEP_ROLLBACK,
    DRIFT_N_STEP
};
const char *drift_step_name(enum drift_step_kind k); /* "ticket" ... */
struct drift_step {
    enum drift_step_kind kind;
    size_t endpoint;     /* index in endpoints */
    bool shadow;         /* recorded and announced as "would have"; default for disable_automation and rollback */
    int64_t cooldown_ms; /* least event time between two firings that touch production; default 30 m there, else 0 */
    bool on_update, on_resolved; /* default: true but for page (update false) */
};
struct drift_playbook {
    char *name;
    char *what_to_do; /* plain words for whoever receives it */
    char *runbook_url;
    size_t n_steps;
    struct drift_step *steps;
};

struct drift_sla {
    int64_t acknowledge_ms, resolve_ms; /* 0: none */
};
enum drift_severity { DRIFT_SEV_NONE, DRIFT_SEV_WARNING, DRIFT_SEV_CRITICAL };
const char *drift_severity_name(enum drift_severity s); /* "none", "warning", "critical" */

enum drift_scope {
    DRIFT_SCOPE_FEATURE,
    DRIFT_SCOPE_SCORE,
    DRIFT_SCOPE_DECISION,
    DRIFT_SCOPE_LABEL,
    DRIFT_SCOPE_SOURCE,
    DRIFT_SCOPE_LATENCY,
    DRIFT_SCOPE_MODEL
};
struct drift_rule {
    char *name; /* unique in its model */
    enum drift_measure_id measure;
    enum drift_scope scope;
    char *feature;                  /* glob, when scope is FEATURE */
    double warning, critical;       /* levels on the effect; NAN: that severity is not used */
    double recovery;                /* default .8 of the lowest level */
    double p;                       /* significance gate; NAN: .001 / columns in scope; 1 switches the gate off */
    uint32_t persist_k, persist_of; /* k of the last n windows; default 1 of 1 */
    size_t owner;                   /* index in owners */
    struct drift_sla sla;
    int playbook_warning, playbook_critical; /* index in playbooks, -1: none */
};

enum drift_format { DRIFT_FORMAT_JSON, DRIFT_FORMAT_AVRO };
enum drift_time_unit {
    DRIFT_TIME_S,
    DRIFT_TIME_MS,
    DRIFT_TIME_US,
    DRIFT_TIME_NS,
    DRIFT_TIME_RFC3339,
    DRIFT_TIME_RECORD /* the Kafka record's own timestamp */
};
enum drift_recreated { DRIFT_RECREATED_WAIT, DRIFT_RECREATED_EARLIEST };
struct drift_stream {
    char *name;
    size_t n_topics;
    char **topics;
    enum drift_format format;
    char *schema_file; /* Avro without registry: plain Avro bodies of this schema */
    /* roles: dotted paths into the record ("meta.model"); NULL: the stream does not carry it */
    char *id, *time, *model, *model_value /* fixed model name, instead of the path */;
    char *version[DRIFT_N_VERSION];
    char *features;          /* path of the object whose members are the features; "" = the record itself */
    size_t n_feature_fields; /* or an explicit list of paths (the last part is not cut: the path is the name) */
    char **feature_fields;
    char *score, *decision, *label, *source, *latency;
    enum drift_time_unit time_unit;
    uint64_t max_record_bytes;         /* 1 MiB */
    uint32_t max_fields;               /* feature fields noticed in all; 4096 */
    enum drift_recreated on_recreated; /* the log ends before what comes next */
};
/* Does the stream feed that chain?  label: it has the role label; input: it has any of features, score,
 * decision, source, latency. */
bool drift_stream_feeds(const struct drift_stream *s, enum drift_chain_kind chain);

struct drift_feature_type {
    char *name; /* glob */
    enum drift_kind kind;
};
/* What makes two events the same one (the stream's role id), and where: in one window of one partition. */
enum drift_dedup_by { DRIFT_DEDUP_OFF, DRIFT_DEDUP_EVENT_ID };
enum drift_dedup_within { DRIFT_DEDUP_WINDOW };
enum {
    DRIFT_DEDUP_IDS_MAX = 4000000, /* of one model */
    DRIFT_DEDUP_SLOT_MAX =
        6000000 /* of all chains in one partition's slot: 96 MB of the 128 MiB that a reply may have */
};

struct drift_evidence_number {
    char *name; /* glob */
    double value;
};
/* Sequential evidence over the columns of the input windows (driftd/evidence.h). */
struct drift_evidence_config {
    char *false_alarms; /* as written; NULL: none is kept */
    double windows;     /* mean windows between false alarms */
    enum drift_evidence_mode mode;
    bool glitch_guard;
    uint32_t clear_windows;
    size_t n_weights, n_tolerances;
    struct drift_evidence_number *weights, *tolerances; /* the first that matches; else 1, and what phase I says */
};

/* A change detector by name (driftd/detector.h), over a figure of the windows of a chain. */
enum drift_detector_feed {
    DRIFT_FEED_AUTO,   /* events where the detector wants errors, else window */
    DRIFT_FEED_WINDOW, /* one value a window: a mean, or a share */
    DRIFT_FEED_EVENTS  /* a 1 for each value of a category and a 0 for each other */
};
enum { DRIFT_DETECTORS_MAX = 32 }; /* of a model */
enum {
    DRIFT_SEGMENT_KEYS = 4,   /* of a model */
    DRIFT_SEGMENT_VALUES = 64 /* of a key, without `other` */
};
struct drift_detector_parameter {
    char *name, *text;
};
struct drift_detector_config {
    char *name;
    enum drift_detector_kind kind;
    enum drift_scope scope; /* whose values; never MODEL */
    char *feature;          /* of scope FEATURE: its name */
    char *value;            /* of categories: the one whose share it is */
    enum drift_detector_feed feed;
    size_t n_parameters;
    struct drift_detector_parameter *parameters; /* as written */
    struct drift_detector_settings settings;     /* what they come to */
};

/* Which windows of its baseline a window is compared with; hours of UTC. */
enum drift_profile_kind {
    DRIFT_PROFILE_AUTO, /* what phase I finds in the baseline: one of those below */
    DRIFT_PROFILE_NONE, /* all */
    DRIFT_PROFILE_HOUR,
    DRIFT_PROFILE_WEEKDAY_HOUR /* Monday to Friday apart from Saturday and Sunday */
};

/* How numeric features go together (driftd/embedding.h, driftd/concordance.h); holds from the next baseline on. */
struct drift_dependence_config {
    bool on;
    size_t n_features;
    char **features; /* globs; none: all */
    uint32_t max_features, terms;
    double budget_us; /* mean time that an event may cost */
};

struct drift_model {
    char *name;
    size_t owner;
    char *criticality; /* low, medium, high, critical */
    size_t n_streams;  /* indices; default: all streams */
    size_t *streams;
    int64_t window_ms, lateness_ms;
    int64_t label_window_ms, label_lateness_ms; /* default: as above */
    int64_t early_ms;                           /* a preliminary verdict of the open window so often; 0: none */
    int64_t every_ms, label_every_ms;           /* a verdict so often; = the length when windows do not slide */
    uint64_t min_events;                        /* fewer: held and carried over; 100 */
    uint32_t max_carry; /* windows carried at most before they are judged anyhow; 0 = no limit */
    uint32_t max_open;  /* windows of a chain with counts in one partition that are not judged; 0: no limit (tests) */
    enum drift_dedup_by dedup_by;
    enum drift_dedup_within dedup_within;
    uint32_t dedup_max_ids; /* of all open windows of a chain in one partition */
    struct drift_evidence_config evidence;
    size_t n_detectors;
    struct drift_detector_config *detectors;
    size_t n_segment_keys;
    char **segment_keys;         /* "source", or names of fields; at most DRIFT_SEGMENT_KEYS */
    uint32_t segment_values;     /* of a key: the most frequent ones of the baseline */
    uint64_t segment_min_events; /* fewer: a value's columns are not measured */
    struct drift_dependence_config dependence;
    char *include; /* glob over features; "*" */
    size_t n_exclude;
    char **exclude;
    size_t n_types;
    struct drift_feature_type *types;
    double threshold;                         /* decision threshold on the score; NAN: none */
    char *positive_label, *positive_decision; /* class whose share the summary text names; NULL: largest change */
    enum drift_profile_kind profile;
    int64_t learn_ms;                      /* baseline learned from the first so long; 0: built and promoted by hand */
    int status_endpoint;                   /* index, -1: none: webhook on ok / degraded / unmonitored */
    int default_warning, default_critical; /* `default_playbook`: of rules without `playbook`; -1: none */
    size_t n_rules;
    struct drift_rule *rules;
};

struct drift_change {
    char *version, *approved_by, *reason; /* NULL when absent */
};

struct drift_config {
    char *file; /* where it came from */
    char *text; /* the YAML itself (a plan entry keeps it) */
    size_t text_len;
    char hash[65]; /* SHA-256 hex of text */
    struct drift_change change;
    struct drift_kafka_config kafka;
    struct drift_redis_config redis;
    struct drift_state_config state;
    char *registry_url; /* NULL: none; may have a path */
    char *registry_username;
    struct drift_secret registry_password;
    struct drift_http_config http;
    size_t n_owners;
    struct drift_owner *owners;
    size_t n_endpoints;
    struct drift_endpoint *endpoints;
    size_t n_playbooks;
    struct drift_playbook *playbooks;
    size_t n_streams;
    struct drift_stream *streams;
    size_t n_models;
    struct drift_model *models;
    char *warnings;              /* lines as in a report, "" when there are none: not wrong, but probably not meant */
    struct drift_memory *memory; /* holds everything above */
};

/* Parses and validates.  On errors returns DRIFT_E_CONFIG and appends to `report` one line an error, in order of
 * position: "file:line:column: path: message (did you mean ...?)".  Unreadable file: DRIFT_E_IO. */
int drift_config_load(const char *file, struct drift_config **ret, struct drift_buf *report) DRIFT_MUST_CHECK;
int drift_config_parse(const char *name, const char *text, size_t len, struct drift_config **ret,
                       struct drift_buf *report) DRIFT_MUST_CHECK;
void drift_config_free(struct drift_config *c);

const struct drift_model *drift_config_model(const struct drift_config *c, const char *name);
/* Which of a model's features are watched: include and not exclude. */
bool drift_model_wants(const struct drift_model *m, const char *feature);
/* Configured type of a feature, or 0 when the data decide. */
enum drift_kind drift_model_type(const struct drift_model *m, const char *feature);
/* What the engine is told of the columns of a layout: weights as configured for features, else 1 for those that are
 * watched; tolerances as configured for features, else none.  Both in `each`, shape [2 n_columns], where they stay. */
struct drift_evidence_settings drift_evidence_config_settings(const struct drift_evidence_config *e,
                                                              const struct drift_layout *l, double *each);

/* The reference of every key as Markdown, and the JSON Schema; both from the schema table. */
void drift_config_reference(struct drift_buf *out);
void drift_config_json_schema(struct drift_buf *out);

#endif
