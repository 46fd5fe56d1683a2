/* src/config/check.c    What single values cannot say: rules between keys.
 *
 * A check sees its part filled in as far as that went; it compares only what is there, so that one mistake gives
 * one line. */
#include "driftd/internal/config/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/config/detectors.h"
#include "driftd/internal/config/topics.h"
#include "driftd/measure.h"

#define CHECKER(name)                                                                                                  \
    void drift_check_##name(struct drift_fill *f, const struct drift_node *node, void *base,                           \
                            const struct drift_path *path)

static bool has(const struct drift_node *map, const char *key)
{
    const struct drift_node *n = drift_node_get(map, key);
    return n && !drift_node_null(n);
}

/* ---- kafka, redis, registry, state, http ---- */
CHECKER(option)
{
    static const char *const passwords[] = {"sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem",
                                            "sasl.oauthbearer.client.secret"};
    struct drift_option *o = base;
    for (const struct drift_reserved_option *r = drift_reserved_options; r->name; r++)
        if (!strcmp(o->name, r->name))
            drift_fill_error(f, node, path, NULL, "may not be set: %s", r->why);
    for (const char *c = o->name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '.' || *c == '_')) {
            drift_fill_error(f, node, path, NULL, "is no property of librdkafka (lower case, digits, dots)");
            break;
        }
    for (size_t i = 0; o->value && i < sizeof passwords / sizeof *passwords; i++)
        if (!strcmp(o->name, passwords[i]))
            drift_fill_warning(f, node, path, NULL, "a secret stands in the file: use {file: PATH} or {env: NAME}");
}

CHECKER(listen)
{
    struct drift_config *c = base;
    (void)f;
    (void)node;
    (void)path;
    if (!strcmp(c->http.listen, "none"))
        c->http.listen = NULL;
}

CHECKER(redis)
{
    struct drift_config *c = base;
    const struct {
        const char *key, *value;
    } ways[] = {{"host", c->redis.host},
                {"socket", c->redis.socket},
                {"cluster", c->redis.cluster},
                {"sentinel", c->redis.sentinel.nodes}};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (first && ways[i].value)
            drift_fill_error(f, drift_fill_at(node, ways[i].key), path, ways[i].key,
                             "stands beside `%s`: remove one of them", first);
        else if (ways[i].value)
            first = ways[i].key;
    if (first && strcmp(first, "host") != 0 && has(node, "port"))
        drift_fill_error(f, drift_fill_at(node, "port"), path, "port", "belongs to `host`, not to `%s`", first);
    if (c->redis.cluster && c->redis.db)
        drift_fill_error(f, drift_fill_at(node, "db"), path, "db", "must be 0: a cluster has one database");
    if (c->redis.username && !has(node, "password"))
        drift_fill_error(f, drift_fill_at(node, "username"), path, "username", "stands without `password`");
}

CHECKER(sentinel)
{
    struct drift_config *c = base;
    if (c->redis.sentinel.username && !has(node, "password"))
        drift_fill_error(f, drift_fill_at(node, "username"), path, "username", "stands without `password`");
}

CHECKER(registry)
{
    struct drift_config *c = base;
    struct drift_url u;
    if (c->registry_username && !has(node, "password"))
        drift_fill_error(f, drift_fill_at(node, "username"), path, "username", "stands without `password`");
    if (c->registry_url && drift_url_parse(c->registry_url, &u) && !u.https && !u.loopback && has(node, "password"))
        drift_fill_warning(f, drift_fill_at(node, "url"), path, "url", "the password goes over plain http: use https");
}

CHECKER(state)
{
    struct drift_config *c = base;
    /* an owner drops by headers that it read up to plan_ttl ago, and a failover may have taken back since */
    if (c->state.settle_ms && c->state.retain_ms < c->state.settle_ms + c->state.plan_ttl_ms + c->state.clock_skew_ms)
        drift_fill_error(f, drift_fill_at(node, has(node, "retain") ? "retain" : "settle"), path, "retain",
                         "must be at least `settle` + `plan_ttl` + `clock_skew`: a failover could lose a verdict whose "
                         "counts were dropped");
    if (c->state.max_hold_ms && c->state.max_hold_ms < c->state.settle_ms)
        drift_fill_error(f, drift_fill_at(node, "max_hold"), path, "max_hold",
                         "must be at least `settle`: a verdict must be settled before the next window is forced");
    else if (c->state.max_hold_ms && c->state.max_hold_ms <= c->state.idle_after_ms)
        drift_fill_warning(f, drift_fill_at(node, "max_hold"), path, "max_hold",
                           "is not above `idle_after`: partitions that are only silent are forced, too");
}

/* ---- endpoints, playbooks ---- */
static void check_url(struct drift_fill *f, const struct drift_node *node, const struct drift_endpoint *e,
                      const struct drift_path *path)
{
    struct drift_url u;
    const struct drift_node *at = drift_fill_at(node, "url");
    if (!e->url || !drift_url_parse(e->url, &u))
        return;
    if (u.private_address && !e->allow_private)
        drift_fill_error(f, at, path, "url", "is a %s address: set `allow_private: true` if that is meant",
                         u.loopback ? "loopback" : "private");
    else if (!u.https && !u.loopback && !e->allow_private)
        drift_fill_error(f, at, path, "url", "must be https (http is for loopback, or with `allow_private`)");
    else if (!u.https && !u.loopback && !e->n_secrets)
        drift_fill_error(f, at, path, "url", "http without `secret`: anybody on the way could forge actions");
    else if (!e->n_secrets && !has(node, "secret") && !has(node, "secrets"))
        drift_fill_warning(f, node, path, "secret",
                           "is missing: actions go out unsigned, a receiver cannot tell them from forged ones");
}

CHECKER(endpoint)
{
    struct drift_endpoint *e = base;
    if (has(node, "secret") && has(node, "secrets"))
        drift_fill_error(f, drift_fill_at(node, "secrets"), path, "secrets",
                         "stands beside `secret`: remove one of them");
    check_url(f, node, e, path);
}

CHECKER(step)
{
    struct drift_step *s = base;
    bool production = s->kind == DRIFT_STEP_DISABLE_AUTOMATION || s->kind == DRIFT_STEP_ROLLBACK;
    if (!has(node, "mode"))
        s->shadow = production;
    if (!has(node, "cooldown"))
        s->cooldown_ms = production ? 30 * 60000 : 0;
    if (!has(node, "on_update"))
        s->on_update = s->kind != DRIFT_STEP_PAGE;
    if (production && !s->shadow && has(node, "cooldown") && s->cooldown_ms < 60000)
        drift_fill_warning(f, drift_fill_at(node, "cooldown"), path, "cooldown",
                           "a live %s may come again within a minute", drift_step_name(s->kind));
}

CHECKER(playbook)
{
    struct drift_playbook *p = base;
    if (!p->what_to_do)
        drift_fill_warning(f, node, path, "what_to_do",
                           "is missing: whoever receives an action is not told what to do");
}

/* ---- streams ---- */
CHECKER(time)
{
    struct drift_stream *s = base;
    (void)f;
    (void)path;
    if (node->kind == DRIFT_NODE_SCALAR && !strcmp(node->text, "record")) {
        s->time = NULL;
        s->time_unit = DRIFT_TIME_RECORD;
    }
}

CHECKER(features)
{
    struct drift_stream *s = base;
    if (node->kind == DRIFT_NODE_MAP && s->features && s->n_feature_fields)
        drift_fill_error(f, drift_fill_at(node, "object"), path, "object",
                         "stands beside `fields`: remove one of them");
    else if (node->kind == DRIFT_NODE_MAP && !s->features && !s->n_feature_fields && !node->n)
        drift_fill_error(f, node, path, NULL, "wants `object` or `fields`");
}

static int by_text(const void *a, const void *b)
{
    char *const *p = a, *const *q = b;
    return strcmp(*p, *q);
}

/* A text that is in the list twice, or NULL. */
static const char *repeated(struct drift_fill *f, char *const *list, size_t n)
{
    size_t m = 0;
    char **sorted = drift_memory_get(f->memory, n + 1, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        if (list[i])
            sorted[m++] = list[i];
    qsort(sorted, m, sizeof *sorted, by_text);
    for (size_t i = 1; i < m; i++)
        if (!strcmp(sorted[i], sorted[i - 1]))
            return sorted[i];
    return NULL;
}

static void check_topics(struct drift_fill *f, const struct drift_node *node, const struct drift_stream *s,
                         const struct drift_path *path)
{
    const char *twice;
    if (has(node, "topic") && has(node, "topics"))
        drift_fill_error(f, drift_fill_at(node, "topics"), path, "topics", "stands beside `topic`: remove one of them");
    else if (!has(node, "topic") &&
             (!has(node, "topics") || (drift_node_get(node, "topics")->kind == DRIFT_NODE_LIST && !s->n_topics)))
        drift_fill_error(f, drift_fill_at(node, "topics"), path, "topic", "is missing (or `topics`)");
    else if ((twice = repeated(f, s->topics, s->n_topics)))
        drift_fill_error(f, drift_fill_at(node, "topics"), path, "topics", "`%s` is there twice", twice);
}

CHECKER(stream)
{
    static const char *const data[] = {"features", "score", "decision", "label", "source", "latency"};
    struct drift_stream *s = base;
    const char *twice;
    bool any = false;
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        any = any || has(node, data[i]);
    check_topics(f, node, s, path);
    if (!any)
        drift_fill_error(f, node, path, NULL,
                         "carries nothing to watch: give features, score, decision, label, source or latency");
    if (s->schema_file && s->format == DRIFT_FORMAT_JSON)
        drift_fill_error(f, drift_fill_at(node, "schema_file"), path, "schema_file", "is for `format: avro`");
    if (has(node, "format") && s->format == DRIFT_FORMAT_AVRO && !s->schema_file && !has(f->root, "registry"))
        drift_fill_error(f, drift_fill_at(node, "format"), path, "format",
                         "avro needs `registry` or the stream's `schema_file`");
    if ((twice = repeated(f, s->feature_fields, s->n_feature_fields)))
        drift_fill_error(f, drift_fill_at(node, "features"), path, "features.fields", "`%s` is there twice", twice);
}

/* ---- rules ---- */
CHECKER(scope)
{
    struct drift_rule *r = base;
    (void)f;
    (void)path;
    if (node->kind == DRIFT_NODE_MAP)
        r->scope = DRIFT_SCOPE_FEATURE;
}

CHECKER(rule_playbook)
{
    struct drift_rule *r = base;
    (void)f;
    (void)path;
    if (node->kind == DRIFT_NODE_SCALAR)
        r->playbook_critical = r->playbook_warning;
}

static bool scope_numeric(enum drift_scope s)
{
    return s == DRIFT_SCOPE_SCORE || s == DRIFT_SCOPE_LATENCY;
}

static void check_fit(struct drift_fill *f, const struct drift_node *node, const struct drift_rule *r,
                      const struct drift_path *path)
{
    const char *measure = drift_measure_name(r->measure), *scope = drift_scope_name(r->scope);
    const struct drift_node *at = drift_fill_at(node, "scope");
    if (drift_measure_of_model(r->measure)) {
        if (r->scope != DRIFT_SCOPE_MODEL && !(r->measure == DRIFT_MEASURE_DETECTOR && r->scope == DRIFT_SCOPE_LABEL))
            drift_fill_error(f, at, path, "scope", "%s is of the model as a whole: write `scope: model`", measure);
    } else if (r->scope == DRIFT_SCOPE_MODEL) {
        drift_fill_error(f, at, path, "scope", "%s is of a column: write a role or {feature: NAME}", measure);
    } else if (r->scope != DRIFT_SCOPE_FEATURE) {
        enum drift_kind kind = scope_numeric(r->scope) ? DRIFT_NUMERIC : DRIFT_CATEGORICAL;
        if (!drift_measure_applies(r->measure, kind))
            drift_fill_error(f, drift_fill_at(node, "measure"), path, "measure",
                             "%s does not exist for the %s, which is %s", measure, scope,
                             kind == DRIFT_NUMERIC ? "a number" : "a category");
    }
}

/* Largest effect that a measure can have; 0: no bound worth checking. */
static double effect_max(enum drift_measure_id m)
{
    switch (m) {
    case DRIFT_MEASURE_PSI:
    case DRIFT_MEASURE_PSI_RAW:
    case DRIFT_MEASURE_WASSERSTEIN:
    case DRIFT_MEASURE_VOLUME:
    case DRIFT_MEASURE_EVIDENCE:
    case DRIFT_MEASURE_EMBEDDING:
    case DRIFT_MEASURE_SEGMENT_PSI:
        return 0;
    case DRIFT_MEASURE_DEPENDENCE:
        return 2;
    default:
        return 1;
    }
}

static void check_level(struct drift_fill *f, const struct drift_node *node, const struct drift_rule *r,
                        const struct drift_path *path, const char *key, double level)
{
    double max = effect_max(r->measure);
    if (max > 0 && level > max && has(node, "measure"))
        drift_fill_error(f, drift_fill_at(node, key), path, key, "can never be reached: %s is at most %g",
                         drift_measure_name(r->measure), max);
}

static void check_levels(struct drift_fill *f, const struct drift_node *node, struct drift_rule *r,
                         const struct drift_path *path)
{
    if (!has(node, "warning") && !has(node, "critical"))
        drift_fill_error(f, node, path, "warning", "is missing (or `critical`): a rule needs a level");
    if (r->critical < r->warning) /* false with NAN */
        drift_fill_error(f, drift_fill_at(node, "critical"), path, "critical", "is below `warning`");
    check_level(f, node, r, path, "warning", r->warning);
    check_level(f, node, r, path, "critical", r->critical);
    double lowest = fmin(r->warning, r->critical); /* the other one when one is NAN */
    if (isnan(r->recovery))
        r->recovery = .8 * lowest;
    else if (r->recovery >= lowest)
        drift_fill_error(f, drift_fill_at(node, "recovery"), path, "recovery", "must be below the lowest level");
}

CHECKER(rule)
{
    struct drift_rule *r = base;
    const struct drift_node *persist = drift_node_get(node, "persist");
    if (!has(node, "scope")) {
        r->scope = DRIFT_SCOPE_MODEL;
        if (has(node, "measure") && !drift_measure_of_model(r->measure))
            drift_fill_error(f, node, path, "scope", "is missing (of what)");
    } else if (has(node, "measure")) {
        check_fit(f, node, r, path);
    }
    check_levels(f, node, r, path);
    if (!r->persist_of)
        r->persist_of = r->persist_k;
    if (r->persist_k > r->persist_of)
        drift_fill_error(f, drift_fill_at(persist, "k"), path, "persist.k", "is above `of`");
    if (r->sla.acknowledge_ms && r->sla.resolve_ms && r->sla.resolve_ms < r->sla.acknowledge_ms)
        drift_fill_error(f, drift_fill_at(drift_node_get(node, "sla"), "resolve"), path, "sla.resolve",
                         "is shorter than `acknowledge`");
}

/* ---- models ---- */
static bool model_of_stream(const struct drift_stream *s, const struct drift_model *m)
{
    return !s->model_value || !m->name || !strcmp(s->model_value, m->name);
}

static void streams_default(struct drift_fill *f, struct drift_model *m)
{
    m->streams = drift_memory_get(f->memory, f->config->n_streams + 1, sizeof *m->streams);
    for (size_t i = 0; i < f->config->n_streams; i++)
        if (model_of_stream(&f->config->streams[i], m))
            m->streams[m->n_streams++] = i;
}

static void check_streams(struct drift_fill *f, const struct drift_node *node, const struct drift_model *m,
                          const struct drift_path *path)
{
    const struct drift_node *list = drift_node_get(node, "streams");
    for (size_t i = 0; i < m->n_streams; i++) {
        if (m->streams[i] >= f->config->n_streams)
            continue;
        const struct drift_stream *s = &f->config->streams[m->streams[i]];
        struct drift_path keys = {.up = path, .key = "streams"}, last = {.up = &keys, .index = i};
        for (size_t j = 0; j < i; j++)
            if (m->streams[j] == m->streams[i]) {
                drift_fill_error(f, list->item[i], &last, NULL, "`%s` is there twice", s->name);
                break;
            }
        if (!model_of_stream(s, m))
            drift_fill_error(f, list->item[i], &last, NULL, "all records of `%s` are of the model `%s`", s->name,
                             s->model_value);
    }
}

static bool stream_carries(const struct drift_stream *s, enum drift_scope scope)
{
    switch (scope) {
    case DRIFT_SCOPE_FEATURE:
        return s->features || s->n_feature_fields;
    case DRIFT_SCOPE_SCORE:
        return s->score;
    case DRIFT_SCOPE_DECISION:
        return s->decision;
    case DRIFT_SCOPE_LABEL:
        return s->label;
    case DRIFT_SCOPE_SOURCE:
        return s->source;
    case DRIFT_SCOPE_LATENCY:
        return s->latency;
    case DRIFT_SCOPE_MODEL:
        return drift_stream_feeds(s, DRIFT_CHAIN_INPUT);
    }
    return false;
}

static bool model_carries(const struct drift_fill *f, const struct drift_model *m, enum drift_scope scope)
{
    for (size_t i = 0; i < m->n_streams; i++)
        if (m->streams[i] < f->config->n_streams && stream_carries(&f->config->streams[m->streams[i]], scope))
            return true;
    return false;
}

static void rules_default(struct drift_fill *f, struct drift_model *m)
{
    m->rules = drift_memory_get(f->memory, drift_n_default_rules, sizeof *m->rules);
    for (size_t i = 0; i < drift_n_default_rules; i++) {
        const struct drift_default_rule *d = &drift_default_rules[i];
        if (!model_carries(f, m, d->scope) || (d->measure == DRIFT_MEASURE_EVIDENCE && !m->evidence.windows))
            continue;
        m->rules[m->n_rules++] = (struct drift_rule){
            .name = drift_memory_text(f->memory, d->name, strlen(d->name)),
            .measure = d->measure,
            .scope = d->scope,
            .feature = d->feature ? drift_memory_text(f->memory, d->feature, strlen(d->feature)) : NULL,
            .warning = d->warning,
            .critical = d->critical,
            .recovery = .8 * d->warning,
            .p = (double)NAN,
            .persist_k = 1,
            .persist_of = 1,
            .owner = m->owner,
            .playbook_warning = m->default_warning,
            .playbook_critical = m->default_critical,
        };
    }
}

/* What rules take from their model, and what they need of it. */
static void check_rules(struct drift_fill *f, const struct drift_node *node, struct drift_model *m,
                        const struct drift_path *path)
{
    const struct drift_node *list = drift_node_get(node, "rules");
    struct drift_path keys = {.up = path, .key = "rules"};
    for (size_t i = 0; i < m->n_rules; i++) {
        struct drift_rule *r = &m->rules[i];
        const struct drift_node *at = list->item[i];
        struct drift_path last = {.up = &keys, .index = i};
        if (r->owner == SIZE_MAX)
            r->owner = m->owner;
        if (!has(at, "playbook")) {
            r->playbook_warning = m->default_warning;
            r->playbook_critical = m->default_critical;
        }
        for (size_t j = 0; r->name && j < i; j++)
            if (m->rules[j].name && !strcmp(m->rules[j].name, r->name)) {
                drift_fill_error(f, drift_fill_at(at, "name"), &last, "name", "`%s` is the name of rules[%zu] too",
                                 r->name, j);
                break;
            }
        if (has(at, "scope") && m->n_streams && !model_carries(f, m, r->scope))
            drift_fill_error(f, drift_fill_at(at, "scope"), &last, "scope", "no stream of the model carries %s",
                             r->scope == DRIFT_SCOPE_FEATURE ? "features" : drift_scope_name(r->scope));
    }
}

static void windows_default(const struct drift_node *node, struct drift_model *m)
{
    const struct drift_node *label = drift_node_get(node, "label_window");
    if (!m->every_ms)
        m->every_ms = m->window_ms;
    if (!has(label, "size"))
        m->label_window_ms = m->window_ms;
    if (!has(label, "every"))
        m->label_every_ms = has(label, "size") ? m->label_window_ms : m->every_ms;
    if (!has(label, "lateness"))
        m->label_lateness_ms = m->lateness_ms;
}

static void check_every(struct drift_fill *f, const struct drift_node *node, const struct drift_path *path,
                        const char *key, int64_t size_ms, int64_t every_ms)
{
    struct drift_path window = {.up = path, .key = key};
    const struct drift_node *at = drift_fill_at(drift_fill_at(node, key), "every");
    if (every_ms <= 0 || size_ms <= 0)
        return;
    if (size_ms % every_ms)
        drift_fill_error(f, at, &window, "every", "must divide `size`");
    else if (size_ms / every_ms > DRIFT_PANES_MAX)
        drift_fill_error(f, at, &window, "every", "cuts a window into %lld parts, at most %d",
                         (long long)(size_ms / every_ms), DRIFT_PANES_MAX);
}

/* Windows of a chain that are open at once when events come in order. */
static int64_t windows_needed(int64_t size_ms, int64_t lateness_ms)
{
    return size_ms > 0 ? (lateness_ms + size_ms - 1) / size_ms + 2 : 0;
}

static void check_windows(struct drift_fill *f, const struct drift_node *node, struct drift_model *m,
                          const struct drift_path *path)
{
    enum { NEEDED_MAX = 10000, OPEN_DEFAULT = 1000 };
    windows_default(node, m);
    check_every(f, node, path, "window", m->window_ms, m->every_ms);
    check_every(f, node, path, "label_window", m->label_window_ms, m->label_every_ms);
    int64_t input = windows_needed(m->every_ms, m->lateness_ms);
    int64_t label = windows_needed(m->label_every_ms, m->label_lateness_ms);
    int64_t needed = input > label ? input : label;
    if (needed > NEEDED_MAX) {
        const char *key = input >= label ? "window" : "label_window";
        drift_fill_error(f, drift_fill_at(drift_fill_at(node, key), "lateness"), path, key,
                         "lateness holds %lld windows open, at most 10000: make `size` larger", (long long)needed);
        return;
    }
    const struct drift_node *window = drift_node_get(node, "window");
    struct drift_path windows = {.up = path, .key = "window"};
    int64_t fallback = 2 * needed + 16 > OPEN_DEFAULT ? 2 * needed + 16 : OPEN_DEFAULT;
    if (!has(window, "max_open"))
        m->max_open = (uint32_t)fallback;
    else if (m->max_open && m->max_open < needed)
        drift_fill_error(f, drift_fill_at(window, "max_open"), &windows, "max_open",
                         "is too few: lateness alone keeps %lld windows open", (long long)needed);
    if (m->learn_ms && m->learn_ms < m->window_ms)
        drift_fill_error(f, drift_fill_at(drift_node_get(node, "baseline"), "learn"), path, "baseline.learn",
                         "is shorter than a window");
}

/* Chains that a stream feeds for a model: each keeps ids of its own. */
static unsigned chains_fed(const struct drift_stream *s)
{
    return (unsigned)drift_stream_feeds(s, DRIFT_CHAIN_INPUT) + (unsigned)drift_stream_feeds(s, DRIFT_CHAIN_LABEL);
}

static void check_deduplicate(struct drift_fill *f, const struct drift_node *node, const struct drift_model *m,
                              const struct drift_path *path)
{
    for (size_t i = 0; m->dedup_by && i < m->n_streams; i++) {
        if (m->streams[i] >= f->config->n_streams)
            continue;
        const struct drift_stream *s = &f->config->streams[m->streams[i]];
        if (!s->id && chains_fed(s))
            drift_fill_error(f, drift_fill_at(drift_fill_at(node, "deduplicate"), "by"), path, "deduplicate.by",
                             "stream `%s` has no role `id`: write streams.%s.id, the path of the event's id, or leave "
                             "the stream out of `streams`",
                             s->name, s->name);
    }
}

static void check_evidence(struct drift_fill *f, const struct drift_node *node, struct drift_model *m,
                           const struct drift_path *path)
{
    struct drift_path keys = {.up = path, .key = "evidence"};
    const struct drift_node *at = drift_node_get(node, "evidence");
    if (!m->evidence.false_alarms)
        return;
    int rc =
        m->every_ms > 0 ? drift_false_alarms_parse(m->evidence.false_alarms, m->every_ms, &m->evidence.windows) : 0;
    if (rc)
        drift_fill_error(f, drift_fill_at(at, "false_alarms"), &keys, "false_alarms",
                         rc == DRIFT_E_RANGE ? "is not between one in 10 and one in 1,000,000,000 windows"
                                             : "is not of the form `1 per 90d` or `1 per 2160 windows`");
    if (m->every_ms < m->window_ms)
        drift_fill_error(f, at, path, "evidence",
                         "adds up windows that have no events in common: leave out `window.every`");
}

/* Evidence without a rule alarms nobody, a rule without evidence never fires. */
static void check_evidence_rules(struct drift_fill *f, const struct drift_node *node, const struct drift_model *m,
                                 const struct drift_path *path)
{
    const struct drift_node *list = drift_node_get(node, "rules");
    struct drift_path keys = {.up = path, .key = "rules"};
    bool any = false;
    for (size_t i = 0; i < m->n_rules; i++) {
        struct drift_path last = {.up = &keys, .index = i};
        if (m->rules[i].measure != DRIFT_MEASURE_EVIDENCE || !has(list->item[i], "measure"))
            continue;
        any = true;
        if (!m->evidence.false_alarms)
            drift_fill_error(f, drift_fill_at(list->item[i], "measure"), &last, "measure",
                             "needs the model's `evidence: {false_alarms: ..}`");
    }
    if (m->evidence.false_alarms && !any)
        drift_fill_warning(f, drift_fill_at(node, "evidence"), path, "evidence",
                           "no rule has `measure: evidence`, so its alarms reach nobody");
}

/* ---- detectors ---- */

CHECKER(detector_scope)
{
    struct drift_detector_config *d = base;
    (void)f;
    (void)path;
    if (node->kind == DRIFT_NODE_MAP)
        d->scope = DRIFT_SCOPE_FEATURE;
}

static void check_parameters(struct drift_fill *f, const struct drift_node *node, struct drift_detector_config *d,
                             const struct drift_path *path)
{
    struct drift_path keys = {.up = path, .key = "parameters"};
    const struct drift_node *map = drift_fill_at(node, "parameters");
    struct drift_detector *probe = NULL;
    struct drift_err err;
    bool good = true;
    drift_detector_defaults(d->kind, &d->settings);
    for (size_t i = 0; i < d->n_parameters; i++) {
        const struct drift_detector_parameter *p = &d->parameters[i];
        if (!p->text || !drift_detector_set_text(d->kind, &d->settings, p->name, p->text, &err))
            continue;
        drift_fill_error(f, drift_fill_at(map, p->name), &keys, p->name, "%s", err.text);
        good = false;
    }
    if (good && drift_detector_new(d->kind, &d->settings, &probe))
        drift_fill_error(f, map, path, "parameters", "do not go together: see `driftd detect --detectors`");
    drift_detector_free(probe);
}

CHECKER(detector)
{
    struct drift_detector_config *d = base;
    bool errors = d->kind == DRIFT_DETECTOR_DDM || d->kind == DRIFT_DETECTOR_EDDM;
    if (!has(node, "detector") || !has(node, "scope"))
        return;
    if (scope_numeric(d->scope) && (errors || d->feed == DRIFT_FEED_EVENTS))
        drift_fill_error(f, drift_fill_at(node, "scope"), path, "scope",
                         "%s is fed with events that are errors or not: the %s is a number",
                         drift_detector_name(d->kind), drift_scope_name(d->scope));
    else if (errors && d->feed == DRIFT_FEED_WINDOW)
        drift_fill_error(f, drift_fill_at(node, "feed"), path, "feed",
                         "%s takes errors one by one: write `feed: events`", drift_detector_name(d->kind));
    if (scope_numeric(d->scope) && d->value)
        drift_fill_error(f, drift_fill_at(node, "value"), path, "value", "is for categories: the %s is a number",
                         drift_scope_name(d->scope));
    if (d->feed == DRIFT_FEED_AUTO)
        d->feed = errors ? DRIFT_FEED_EVENTS : DRIFT_FEED_WINDOW;
    check_parameters(f, node, d, path);
}

/* The category, when it is not written, and windows that are seen once. */
static void check_detectors(struct drift_fill *f, const struct drift_node *node, struct drift_model *m,
                            const struct drift_path *path)
{
    const struct drift_node *map = drift_node_get(node, "detectors");
    struct drift_path keys = {.up = path, .key = "detectors"};
    bool any = false, needs = m->n_detectors > 0;
    for (size_t i = 0; i < m->n_detectors; i++) {
        struct drift_detector_config *d = &m->detectors[i];
        const struct drift_node *at = drift_fill_at(map, d->name);
        bool label = d->scope == DRIFT_SCOPE_LABEL;
        const char *positive = label                              ? m->positive_label
                               : d->scope == DRIFT_SCOPE_DECISION ? m->positive_decision
                                                                  : NULL;
        if (!model_carries(f, m, d->scope))
            drift_fill_error(f, at, &keys, d->name, "no stream of the model carries %s", drift_scope_name(d->scope));
        if (!d->value && positive)
            d->value = drift_memory_text(f->memory, positive, strlen(positive));
        if (!d->value && (label || d->scope == DRIFT_SCOPE_DECISION || d->scope == DRIFT_SCOPE_SOURCE))
            drift_fill_error(f, at, &keys, d->name, "needs `value`, the category whose share is watched");
        if (label ? m->label_every_ms < m->label_window_ms : m->every_ms < m->window_ms)
            drift_fill_error(f, at, &keys, d->name,
                             "takes windows that have no events in common: leave out `window.every`");
    }
    for (size_t i = 0; i < m->n_rules; i++)
        any |= m->rules[i].measure == DRIFT_MEASURE_DETECTOR && m->rules[i].name;
    if (any && !needs)
        drift_fill_error(f, drift_fill_at(node, "rules"), path, "rules",
                         "a rule has `measure: detector`, and the model has no `detectors`");
}

/* ---- segments ---- */

static bool stream_has_key(const struct drift_stream *s, const char *key)
{
    bool found = s->features || (s->source && !strcmp(key, "source"));
    for (size_t i = 0; i < s->n_feature_fields && !found; i++)
        found = s->feature_fields[i] && !strcmp(s->feature_fields[i], key);
    return found;
}

static void check_segments(struct drift_fill *f, const struct drift_node *node, const struct drift_model *m,
                           const struct drift_path *path)
{
    const struct drift_node *at = drift_node_get(node, "segments"), *list = drift_fill_at(at, "keys");
    struct drift_path segments = {.up = path, .key = "segments"}, keys = {.up = &segments, .key = "keys"};
    bool any = false;
    for (size_t i = 0; i < m->n_segment_keys; i++) {
        struct drift_path last = {.up = &keys, .index = i};
        const char *key = m->segment_keys[i];
        bool found = false;
        if (!key)
            continue;
        for (size_t k = 0; k < m->n_streams && !found; k++)
            found = m->streams[k] >= f->config->n_streams || stream_has_key(&f->config->streams[m->streams[k]], key);
        if (!found)
            drift_fill_error(f, list, &last, NULL, "no stream of the model has the role or a field `%s`", key);
        for (size_t k = 0; k < i; k++)
            if (m->segment_keys[k] && !strcmp(m->segment_keys[k], key))
                drift_fill_error(f, list, &last, NULL, "`%s` stands there twice", key);
    }
    for (size_t i = 0; i < m->n_rules; i++)
        any |= m->rules[i].name &&
               (m->rules[i].measure == DRIFT_MEASURE_SEGMENT_PSI || m->rules[i].measure == DRIFT_MEASURE_SEGMENT_RATE);
    if (any && !m->n_segment_keys)
        drift_fill_error(
            f, drift_fill_at(node, "rules"), path, "rules",
            "a rule has `measure: segment_psi` or `segment_rate`, and the model has no `segments: {keys: []}`");
}

/* ---- dependence ---- */

static bool of_dependence(enum drift_measure_id m)
{
    return m == DRIFT_MEASURE_DEPENDENCE || m == DRIFT_MEASURE_EMBEDDING;
}

static void check_dependence(struct drift_fill *f, const struct drift_node *node, struct drift_model *m,
                             const struct drift_path *path)
{
    const struct drift_node *at = drift_node_get(node, "dependence");
    struct drift_path keys = {.up = path, .key = "dependence"};
    bool any = false;
    m->dependence.on = at && at->kind == DRIFT_NODE_MAP;
    if (m->dependence.on && m->dependence.terms % 16)
        drift_fill_error(f, drift_fill_at(at, "terms"), &keys, "terms", "is not a multiple of 16");
    if (m->dependence.on && m->n_streams && !model_carries(f, m, DRIFT_SCOPE_FEATURE))
        drift_fill_error(f, at, path, "dependence", "is between features, and no stream of the model carries any");
    for (size_t i = 0; i < m->n_rules; i++)
        any |= m->rules[i].name && of_dependence(m->rules[i].measure);
    if (any && !m->dependence.on)
        drift_fill_error(f, drift_fill_at(node, "rules"), path, "rules",
                         "a rule has `measure: dependence` or `embedding`, and the model has no `dependence: {}`");
    if (m->dependence.on && !any)
        drift_fill_warning(f, at, path, "dependence",
                           "no rule has `measure: dependence` or `embedding`, so nobody is told of what it finds");
}

CHECKER(model)
{
    struct drift_model *m = base;
    if (!has(node, "streams"))
        streams_default(f, m);
    else
        check_streams(f, node, m, path);
    if (f->config->n_streams && !m->n_streams)
        drift_fill_error(f, drift_fill_at(node, "streams"), path, "streams", "no stream carries the model");
    check_windows(f, node, m, path);
    check_deduplicate(f, node, m, path);
    check_evidence(f, node, m, path);
    if (has(node, "rules")) {
        check_rules(f, node, m, path);
        check_evidence_rules(f, node, m, path);
    } else {
        rules_default(f, m);
    }
    check_detectors(f, node, m, path);
    check_segments(f, node, m, path);
    check_dependence(f, node, m, path);
    if (!isnan(m->threshold) && m->n_streams && !model_carries(f, m, DRIFT_SCOPE_SCORE))
        drift_fill_error(f, drift_fill_at(node, "threshold"), path, "threshold",
                         "no stream of the model carries score");
}

/* ---- the whole ---- */
static void check_model_values(struct drift_fill *f, const struct drift_node *streams, const struct drift_path *path)
{
    const struct drift_config *c = f->config;
    char hint[192];
    for (size_t i = 0; streams && c->n_models && i < c->n_streams; i++) {
        const struct drift_stream *s = &c->streams[i];
        if (!s->model_value || drift_config_model(c, s->model_value))
            continue;
        const struct drift_node *model = drift_node_get(streams->item[i], "model");
        struct drift_path all = {.up = path, .key = "streams"}, one = {.up = &all, .key = s->name};
        drift_fill_error(
            f, drift_fill_at(model, "value"), &one, "model.value", "`%s` is not in `models`%s", s->model_value,
            drift_fill_hint(s->model_value, &c->models->name, c->n_models, sizeof *c->models, hint, sizeof hint));
    }
}

static bool takes(const char *pattern, const char *name)
{
    return drift_topic_is_pattern(pattern) && !drift_topic_is_pattern(name) && !drift_topic_pattern_wrong(pattern) &&
           drift_topic_matches(pattern, name);
}

/* A topic belongs to one stream: a record is decoded in one way.  Whether two patterns meet shows when it exists. */
static void check_topic_owners(struct drift_fill *f, const struct drift_node *streams, const struct drift_path *path)
{
    const struct drift_config *c = f->config;
    for (size_t i = 0; streams && i < c->n_streams; i++)
        for (size_t t = 0; t < c->streams[i].n_topics; t++)
            for (size_t j = 0; j < i; j++)
                for (size_t u = 0; u < c->streams[j].n_topics; u++) {
                    const char *a = c->streams[i].topics[t], *b = c->streams[j].topics[u];
                    struct drift_path all = {.up = path, .key = "streams"},
                                      one = {.up = &all, .key = c->streams[i].name};
                    const struct drift_node *at = streams->item[i];
                    if (a && b && (!strcmp(a, b) || takes(a, b) || takes(b, a)))
                        drift_fill_error(f, drift_fill_at(at, has(at, "topic") ? "topic" : "topics"), &one, "topic",
                                         "`%s` belongs to the stream `%s` already%s", a, c->streams[j].name,
                                         strcmp(a, b) ? ", one name is in the other's pattern" : "");
                }
}

/* What was refused would be read, refused and written again, for ever. */
static void check_quarantine(struct drift_fill *f, const struct drift_node *node, const struct drift_path *path)
{
    const struct drift_config *c = f->config;
    struct drift_path kafka = {.up = path, .key = "kafka"};
    const char *topic = c->kafka.quarantine_topic;
    for (size_t i = 0; topic && i < c->n_streams; i++)
        for (size_t t = 0; t < c->streams[i].n_topics; t++) {
            const char *a = c->streams[i].topics[t];
            if (a && (!strcmp(a, topic) || takes(a, topic)))
                drift_fill_error(f, drift_fill_at(drift_node_get(node, "kafka"), "quarantine_topic"), &kafka,
                                 "quarantine_topic", "the stream `%s` reads it", c->streams[i].name);
        }
}

static void note_patterns(struct drift_config *c)
{
    for (size_t i = 0; i < c->n_streams; i++)
        for (size_t t = 0; t < c->streams[i].n_topics; t++)
            c->kafka.patterns =
                c->kafka.patterns || (c->streams[i].topics[t] && drift_topic_is_pattern(c->streams[i].topics[t]));
}

/* All ids of a partition come in one reply when it is acquired. */
static void check_ids_kept(struct drift_fill *f, const struct drift_path *path)
{
    const struct drift_config *c = f->config;
    const struct drift_node *models = drift_node_get(f->root, "models");
    struct drift_path all = {.up = path, .key = "models"};
    for (size_t i = 0; i < c->n_streams; i++) {
        uint64_t ids = 0;
        for (size_t m = 0; m < c->n_models; m++)
            for (size_t k = 0; c->models[m].dedup_by && k < c->models[m].n_streams; k++)
                if (c->models[m].streams[k] == i && ids <= DRIFT_DEDUP_SLOT_MAX) {
                    ids += (uint64_t)c->models[m].dedup_max_ids * chains_fed(&c->streams[i]);
                    if (ids <= DRIFT_DEDUP_SLOT_MAX)
                        continue;
                    struct drift_path one = {.up = &all, .key = c->models[m].name};
                    const struct drift_node *at = drift_fill_at(models->item[m], "deduplicate");
                    drift_fill_error(f, drift_fill_at(at, "max_ids"), &one, "deduplicate.max_ids",
                                     "the chains of stream `%s` would keep %llu ids in a partition, at most %d can be "
                                     "read back: lower max_ids, or give models topics of their own",
                                     c->streams[i].name, (unsigned long long)ids, DRIFT_DEDUP_SLOT_MAX);
                }
    }
}

static void mark(bool *used, int i, size_t n)
{
    if (i >= 0 && (size_t)i < n)
        used[i] = true;
}

static void warn_unused(struct drift_fill *f, const struct drift_path *path, const char *key, const bool *used,
                        size_t n)
{
    const struct drift_node *map = drift_node_get(f->root, key);
    struct drift_path all = {.up = path, .key = key};
    for (size_t i = 0; i < n; i++)
        if (!used[i])
            drift_fill_warning(f, map->key[i], &all, map->key[i]->text, "is used nowhere");
}

static void check_unused(struct drift_fill *f, const struct drift_path *path)
{
    const struct drift_config *c = f->config;
    bool *endpoints = drift_memory_get(f->memory, c->n_endpoints + 1, sizeof *endpoints);
    bool *playbooks = drift_memory_get(f->memory, c->n_playbooks + 1, sizeof *playbooks);
    bool *streams = drift_memory_get(f->memory, c->n_streams + 1, sizeof *streams);
    for (size_t i = 0; i < c->n_playbooks; i++)
        for (size_t s = 0; s < c->playbooks[i].n_steps; s++)
            mark(endpoints, (int)c->playbooks[i].steps[s].endpoint, c->n_endpoints);
    for (size_t i = 0; i < c->n_models; i++) {
        const struct drift_model *m = &c->models[i];
        mark(endpoints, m->status_endpoint, c->n_endpoints);
        for (size_t r = 0; r < m->n_rules; r++) {
            mark(playbooks, m->rules[r].playbook_warning, c->n_playbooks);
            mark(playbooks, m->rules[r].playbook_critical, c->n_playbooks);
        }
        for (size_t s = 0; s < m->n_streams; s++)
            mark(streams, (int)m->streams[s], c->n_streams);
    }
    warn_unused(f, path, "endpoints", endpoints, c->n_endpoints);
    warn_unused(f, path, "playbooks", playbooks, c->n_playbooks);
    warn_unused(f, path, "streams", streams, c->n_streams);
}

CHECKER(config)
{
    struct drift_config *c = base;
    const struct drift_node *streams = drift_node_get(node, "streams");
    if (!c->redis.host && !c->redis.socket && !c->redis.cluster && !c->redis.sentinel.nodes)
        c->redis.host = drift_memory_text(f->memory, "127.0.0.1", 9);
    check_model_values(f, streams, path);
    check_topic_owners(f, streams, path);
    check_quarantine(f, node, path);
    note_patterns(c);
    check_ids_kept(f, path);
    if (!f->errors.n)
        check_unused(f, path);
}
