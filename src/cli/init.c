/* src/cli/init.c    `driftd init`: looks at a topic's newest records and prints a configuration to begin with. */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/cli.h"
#include "driftd/internal/cli/guess.h"
#include "driftd/internal/decode/decoder.h"
#include "driftd/internal/decode/registry.h"
#include "driftd/internal/ingest/range.h"

enum {
    TOPICS_MAX = 32,
    OPTIONS_MAX = 64,
    MODELS_MAX = 20,
    TIMEOUT_MS = 15000,
    SCHEMA_POLL_MS = 10,
    RECORD_BYTES_MAX = 16 << 20
};

static const char help[] =
    "usage: driftd init --brokers B --topic T [--topic T2]... [--registry URL] [--format json|avro]\n"
    "                   [--group G] [--records 1000] [--option NAME=VALUE]...\n\n"
    "Reads the newest records of each topic, guesses roles, features and their kinds, and prints a commented\n"
    "configuration.  Joins no group and commits nothing.  Read what it prints: it is a guess.\n\n"
    "      --brokers B       host:port,host:port\n"
    "      --topic T         may be given several times: features, scores, labels\n"
    "      --registry URL    schema registry, for Avro\n"
    "      --format F        json or avro; seen from the records when not given\n"
    "      --group G         consumer group to put into the configuration; default driftd\n"
    "      --records N       so many records of each topic at most; default 1000\n"
    "      --option N=V      property of librdkafka: security.protocol=SASL_SSL; V may be env:NAME or file:PATH\n\n"
    "exit status: 0 good, 1 a topic has no record that can be read, 2 usage, 69 brokers or registry do not answer\n\n"
    "examples:\n"
    "  driftd init --brokers kafka:9092 --topic scores --topic labels > driftd.yaml\n"
    "  driftd init --brokers kafka:9092 --topic scores --registry http://registry:8081 > driftd.yaml\n"
    "  driftd check -c driftd.yaml\n";

struct request {
    struct drift_kafka_config kafka;
    struct drift_option options[OPTIONS_MAX];
    const char *topics[TOPICS_MAX];
    size_t n_topics;
    const char *registry_url;
    bool format_given;
    enum drift_format format;
    int64_t records;
};

/* One topic while its records are read. */
struct look {
    const struct request *request;
    const char *topic;
    struct drift_registry *registry;
    struct drift_decoder *decoder; /* made with the first record */
    enum drift_format format;
    uint64_t n_read, n_bad;
    struct drift_err bad; /* of the first record that could not be read */
    struct drift_guess guess;
};

/* ---- arguments ---- */

#define USAGE(...) (1 + drift_cli_fail(DRIFT_EXIT_USAGE, "init", __VA_ARGS__))

static int parse_option(struct request *r, char *text)
{
    char *value = strchr(text, '=');
    if (!value || value == text)
        return USAGE("--option %s: give NAME=VALUE", text);
    if (r->kafka.n_options == OPTIONS_MAX)
        return USAGE("more than %d options", OPTIONS_MAX);
    *value++ = 0;
    struct drift_option *o = &r->options[r->kafka.n_options++];
    *o = (struct drift_option){.name = text};
    if (!strncmp(value, "env:", 4))
        o->secret.env = value + 4;
    else if (!strncmp(value, "file:", 5))
        o->secret.file = value + 5;
    else
        o->value = value;
    return 0;
}

static int parse_topic(struct request *r, const char *topic)
{
    for (size_t i = 0; i < r->n_topics; i++)
        if (!strcmp(r->topics[i], topic))
            return USAGE("--topic %s is there twice", topic);
    if (r->n_topics == TOPICS_MAX)
        return USAGE("more than %d topics", TOPICS_MAX);
    r->topics[r->n_topics++] = topic;
    return 0;
}

/* 0, or an exit status + 1. */
static int parse(int argc, char **argv, struct request *r)
{
    static const struct option options[] = {{"brokers", required_argument, NULL, 'b'},
                                            {"topic", required_argument, NULL, 't'},
                                            {"registry", required_argument, NULL, 'r'},
                                            {"format", required_argument, NULL, 'f'},
                                            {"group", required_argument, NULL, 'g'},
                                            {"records", required_argument, NULL, 'n'},
                                            {"option", required_argument, NULL, 'o'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static char group[] = "driftd";
    int opt, rc = 0;
    *r = (struct request){.records = 1000, .kafka = {.group = group, .queue_bytes = 16 << 20}};
    r->kafka.options = r->options;
    while (!rc && (opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (opt) {
        case 'b':
            r->kafka.brokers = optarg;
            break;
        case 't':
            rc = parse_topic(r, optarg);
            break;
        case 'r':
            r->registry_url = optarg;
            break;
        case 'f':
            r->format_given = true;
            r->format = !strcmp(optarg, "avro") ? DRIFT_FORMAT_AVRO : DRIFT_FORMAT_JSON;
            if (strcmp(optarg, "avro") && strcmp(optarg, "json"))
                rc = USAGE("--format %s: not json or avro", optarg);
            break;
        case 'g':
            r->kafka.group = optarg;
            break;
        case 'n':
            if (!drift_i64_parse(optarg, strlen(optarg), &r->records) || r->records < 1 || r->records > 1000000)
                rc = USAGE("--records %s: not a number from 1 to 1000000", optarg);
            break;
        case 'o':
            rc = parse_option(r, optarg);
            break;
        case 'h':
            fputs(help, stdout);
            return 1 + DRIFT_EXIT_OK;
        default:
            return 1 + DRIFT_EXIT_USAGE;
        }
    }
    if (rc)
        return rc;
    if (optind < argc)
        return USAGE("%s: not an option", argv[optind]);
    if (!r->kafka.brokers || !r->n_topics)
        return USAGE("give --brokers and at least one --topic");
    if (r->format_given && r->format == DRIFT_FORMAT_AVRO && !r->registry_url)
        return USAGE("--format avro needs --registry URL");
    return 0;
}

/* ---- looking ---- */

static int decoder_open(struct look *k, const struct drift_record *rec, struct drift_err *err)
{
    static char any[] = "any", record[] = "";
    bool framed = rec->len > 5 && rec->payload[0] == 0;
    k->format = k->request->format_given ? k->request->format : framed ? DRIFT_FORMAT_AVRO : DRIFT_FORMAT_JSON;
    if (k->format == DRIFT_FORMAT_AVRO && !k->registry)
        return drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP,
                          "topic %s looks like Avro with a schema id: give --registry URL", k->topic);
    struct drift_stream s = {.name = any,
                             .format = k->format,
                             .model_value = any,
                             .features = record,
                             .time_unit = DRIFT_TIME_RECORD,
                             .max_record_bytes = RECORD_BYTES_MAX,
                             .max_fields = DRIFT_GUESS_COLUMNS};
    return drift_decoder_new(&s, k->format == DRIFT_FORMAT_AVRO ? k->registry : NULL, &k->decoder, err);
}

static int on_record(void *ctx, const struct drift_record *rec, const char *topic, int32_t partition,
                     struct drift_err *err)
{
    struct look *k = ctx;
    int64_t begin = drift_mono_ms(&drift_clock_system);
    int rc = 0;
    (void)topic;
    (void)partition;
    if (!rec->payload || !rec->len)
        return 0;
    k->n_read++;
    if (!k->decoder && (rc = decoder_open(k, rec, err)))
        return rc;
    while ((rc = drift_decoder_leaves(k->decoder, rec, drift_guess_leaf, &k->guess, err)) &&
           err->action == DRIFT_RETRY && drift_mono_ms(&drift_clock_system) - begin < TIMEOUT_MS)
        nanosleep(&(struct timespec){.tv_nsec = SCHEMA_POLL_MS * 1000000}, NULL);
    if (!rc)
        drift_guess_record(&k->guess);
    else if (err->action == DRIFT_SKIP && !k->n_bad++)
        k->bad = *err;
    return rc && err->action != DRIFT_SKIP ? rc : 0;
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
    const struct look *k = ctx;
    drift_cli_progress("%s: %" PRIu64 " of %" PRIu64 " records", k->topic, done, total);
}

static int by_size(const void *a, const void *b)
{
    const struct drift_range_part *x = a, *y = b;
    int64_t p = x->to - x->from, q = y->to - y->from;
    return p < q ? -1 : p > q;
}

/* The newest records, spread over the partitions: what a small one lacks, larger ones give. */
static void narrow(struct drift_range *r, int64_t records)
{
    qsort(r->part, r->n, sizeof *r->part, by_size);
    for (size_t i = 0; i < r->n; i++) {
        struct drift_range_part *p = &r->part[i];
        int64_t share = (records + (int64_t)(r->n - i) - 1) / (int64_t)(r->n - i);
        if (p->to - p->from > share)
            p->from = p->to - share;
        records -= p->to - p->from;
    }
}

static int look_at(struct look *k, struct drift_err *err)
{
    struct drift_range range = {0};
    int rc = drift_range_resolve(&k->request->kafka, &k->topic, 1, INT64_MIN, TIMEOUT_MS, &range, err);
    if (rc)
        return rc;
    narrow(&range, k->request->records);
    rc = drift_range_read(&k->request->kafka, &range, TIMEOUT_MS, on_record, on_progress, k, err);
    drift_cli_progress_done();
    drift_range_release(&range);
    if (rc)
        return rc;
    if (!k->guess.n_records && k->n_bad)
        return drift_fail(err, DRIFT_E_EMPTY, DRIFT_STOP, "topic %s: no record can be read as %s: %s", k->topic,
                          k->format == DRIFT_FORMAT_AVRO ? "avro" : "json", k->bad.text);
    if (!k->guess.n_records)
        return drift_fail(err, DRIFT_E_EMPTY, DRIFT_STOP, "topic %s has no record", k->topic);
    drift_guess_answer(&k->guess);
    return 0;
}

/* ---- printing ---- */

/* A text as YAML: plain when that is safe, else in double quotes. */
static void put_text(struct drift_buf *b, const char *s)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
    bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_';
    for (const char *p = s; *p && plain; p++)
        plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("_.-", *p);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        plain = plain && strcasecmp(s, words[i]);
    if (plain) {
        drift_buf_adds(b, s);
        return;
    }
    drift_buf_adds(b, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            drift_buf_addf(b, "\\%c", *s);
        else if ((unsigned char)*s < ' ' || *s == 0x7f)
            drift_buf_addf(b, "\\x%02x", (unsigned)(unsigned char)*s);
        else if ((unsigned char)*s == 0xc2 && (unsigned char)s[1] < 0xa0) /* U+0080 .. U+009F */
            drift_buf_addf(b, "\\x%02x", (unsigned)(unsigned char)*++s);
        else
            drift_buf_add(b, s, 1);
    }
    drift_buf_adds(b, "\"");
}

static void put_pair(struct drift_buf *b, const char *indent, const char *key, const char *value)
{
    drift_buf_addf(b, "%s%s: ", indent, key);
    put_text(b, value);
    drift_buf_adds(b, "\n");
}

static void put_kafka(struct drift_buf *b, const struct request *r)
{
    drift_buf_adds(b, "kafka:\n");
    put_pair(b, "  ", "brokers", r->kafka.brokers);
    put_pair(b, "  ", "group", r->kafka.group);
    if (r->kafka.n_options)
        drift_buf_adds(b, "  options:\n");
    for (size_t i = 0; i < r->kafka.n_options; i++) {
        const struct drift_option *o = &r->options[i];
        drift_buf_addf(b, "    %s: ", o->name);
        if (o->value) {
            put_text(b, o->value);
        } else {
            drift_buf_addf(b, "{%s: ", o->secret.env ? "env" : "file");
            put_text(b, o->secret.env ? o->secret.env : o->secret.file);
            drift_buf_adds(b, "}");
        }
        drift_buf_adds(b, "\n");
    }
}

static void put_head(struct drift_buf *b, const struct request *r)
{
    drift_buf_adds(b,
                   "# Made by `driftd init` from records as they are now: every line is a guess, please read them.\n"
                   "# Then:  driftd check -c FILE [--connect];  driftd baseline build -c FILE --last 14d --promote;\n"
                   "#        driftd run -c FILE\n"
                   "version: 1\n\n");
    put_kafka(b, r);
    drift_buf_adds(
        b, "\nredis: {host: 127.0.0.1, port: 6379}   # state and baselines; persistent, maxmemory-policy noeviction\n");
    if (r->registry_url) {
        drift_buf_adds(b, "\nregistry:\n");
        put_pair(b, "  ", "url", r->registry_url);
    }
    drift_buf_adds(b, "\n# Who answers for models and rules.\n"
                      "owners:\n"
                      "  ml-team: {team: ML team, contact: ml-team@example.com}\n\n"
                      "# Who is told.  `driftd endpoint test soc` sends a signed test event.\n"
                      "endpoints:\n"
                      "  soc:\n"
                      "    url: https://soc.example.com/hooks/driftd\n"
                      "    secret: {env: DRIFTD_WEBHOOK_SECRET}   # signs every webhook: whsec_ and base64\n\n"
                      "playbooks:\n"
                      "  look:\n"
                      "    what_to_do: Compare the worst features with what changed upstream.\n"
                      "    steps:\n"
                      "      - {do: ticket, endpoint: soc}\n"
                      "  review:\n"
                      "    what_to_do: The model sees other data than it was trained on. Let people decide until the "
                      "cause is known.\n"
                      "    steps:\n"
                      "      - {do: page, endpoint: soc}\n"
                      "      - {do: human_review, endpoint: soc}\n");
}

static const char *path_of(const struct drift_guess *g, int role)
{
    return g->role[role] < 0 ? NULL : g->columns[g->role[role]].path;
}

/* What was seen of a column, as a comment. */
static void put_seen(struct drift_buf *b, const struct drift_guess *g, const struct drift_guess_column *c)
{
    char low[32], high[32];
    uint64_t present = c->n_num + c->n_text + c->n_bool + c->n_null + c->n_other;
    const char *comma = "";
    drift_buf_adds(b, "   # ");
    if (c->n_num) {
        drift_f64_text(c->min, low, sizeof low);
        drift_f64_text(c->max, high, sizeof high);
        drift_buf_addf(b, "%s .. %s", low, high);
        comma = ", ";
    }
    if (c->n_text) {
        drift_buf_addf(b, "%s%u%s texts", comma, c->n_values, c->more ? " or more" : "");
        comma = ", ";
    }
    if (c->n_bool) {
        drift_buf_addf(b, "%strue or false", comma);
        comma = ", ";
    }
    if (c->n_null) {
        drift_buf_addf(b, "%s%.1f %% null", comma, 100 * (double)c->n_null / (double)present);
        comma = ", ";
    }
    if (present < g->n_records)
        drift_buf_addf(b, "%smissing in %.1f %%", comma, 100 * (1 - (double)present / (double)g->n_records));
    drift_buf_adds(b, "\n");
}

static void put_time(struct drift_buf *b, const struct drift_guess *g)
{
    static const char *const units[] = {[DRIFT_TIME_S] = "s",
                                        [DRIFT_TIME_MS] = "ms",
                                        [DRIFT_TIME_US] = "us",
                                        [DRIFT_TIME_NS] = "ns",
                                        [DRIFT_TIME_RFC3339] = "rfc3339"};
    const char *path = path_of(g, DRIFT_GUESS_TIME);
    if (!path) {
        drift_buf_adds(b, "    time: record   # no field looks like a time: the Kafka record's own time stamp\n");
        return;
    }
    drift_buf_adds(b, "    time: {field: ");
    put_text(b, path);
    drift_buf_addf(b, ", unit: %s}\n", units[g->unit]);
}

static void put_versions(struct drift_buf *b, const struct drift_guess *g)
{
    static const struct {
        int role;
        const char *key;
    } versions[] = {{DRIFT_GUESS_MODEL_VERSION, "model"},
                    {DRIFT_GUESS_FEATURES_VERSION, "features"},
                    {DRIFT_GUESS_PROMPT_VERSION, "prompt"},
                    {DRIFT_GUESS_THRESHOLD_VERSION, "threshold"}};
    bool any = false;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        const char *path = path_of(g, versions[i].role);
        if (!path)
            continue;
        if (!any)
            drift_buf_adds(b, "    versions:\n");
        any = true;
        put_pair(b, "      ", versions[i].key, path);
    }
}

static void put_features(struct drift_buf *b, const struct drift_guess *g)
{
    if (!g->n_features)
        return;
    if (g->object) {
        put_pair(b, "    ", "features", g->object);
        return;
    }
    drift_buf_adds(b, "    features:\n      fields:   # remove what the model does not read\n");
    for (size_t i = 0; i < g->n_features; i++) {
        const struct drift_guess_column *c = &g->columns[g->features[i]];
        drift_buf_adds(b, "        - ");
        put_text(b, c->path);
        put_seen(b, g, c);
    }
}

/* A name for a stream: the topic's. */
static void put_stream(struct drift_buf *b, const struct look *k, const char *model)
{
    static const struct {
        int role;
        const char *key;
    } roles[] = {{DRIFT_GUESS_SCORE, "score"},
                 {DRIFT_GUESS_DECISION, "decision"},
                 {DRIFT_GUESS_LABEL, "label"},
                 {DRIFT_GUESS_SOURCE, "source"},
                 {DRIFT_GUESS_LATENCY, "latency"}};
    const struct drift_guess *g = &k->guess;
    bool any = g->n_features > 0;
    drift_buf_adds(b, "  ");
    put_text(b, k->topic);
    drift_buf_addf(b, ":   # %" PRIu64 " records looked at%s\n", g->n_records,
                   k->n_bad ? ", others could not be read" : "");
    put_pair(b, "    ", "topic", k->topic);
    drift_buf_addf(b, "    format: %s\n", k->format == DRIFT_FORMAT_AVRO ? "avro" : "json");
    if (path_of(g, DRIFT_GUESS_ID))
        put_pair(b, "    ", "id", path_of(g, DRIFT_GUESS_ID));
    put_time(b, g);
    if (path_of(g, DRIFT_GUESS_MODEL)) {
        put_pair(b, "    ", "model", path_of(g, DRIFT_GUESS_MODEL));
    } else {
        drift_buf_adds(b, "    model: {value: ");
        put_text(b, model);
        drift_buf_adds(b, "}   # no field names the model\n");
    }
    put_versions(b, g);
    put_features(b, g);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        const char *path = path_of(g, roles[i].role);
        if (!path)
            continue;
        any = true;
        drift_buf_addf(b, "    %s: ", roles[i].key);
        put_text(b, path);
        put_seen(b, g, &g->columns[g->role[roles[i].role]]);
    }
    if (!any)
        drift_buf_adds(b, "    score: score   # nothing to watch was recognised: correct this\n");
}

static void put_types(struct drift_buf *b, const struct look *looks, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        const struct drift_guess *g = &looks[i].guess;
        for (size_t f = 0; f < g->n_features; f++) {
            const struct drift_guess_column *c = &g->columns[g->features[f]];
            const char *name = drift_guess_name(g, c);
            bool seen = false; /* by an earlier stream */
            for (size_t j = 0; j < i && !seen; j++)
                for (size_t q = 0; q < looks[j].guess.n_features && !seen; q++)
                    seen = !strcmp(
                        name, drift_guess_name(&looks[j].guess, &looks[j].guess.columns[looks[j].guess.features[q]]));
            if (seen || drift_guess_identifier(g, c) || strpbrk(name, "*?"))
                continue;
            if (!any)
                drift_buf_adds(b, "      types:\n");
            any = true;
            drift_buf_adds(b, "        ");
            put_text(b, name);
            drift_buf_adds(b, drift_guess_numeric(c) ? ": numeric" : ": categorical");
            put_seen(b, g, c);
        }
    }
}

static void put_excluded(struct drift_buf *b, const struct look *looks, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++)
        for (size_t f = 0; f < looks[i].guess.n_features; f++) {
            const struct drift_guess_column *c = &looks[i].guess.columns[looks[i].guess.features[f]];
            if (!drift_guess_identifier(&looks[i].guess, c))
                continue;
            if (!any)
                drift_buf_adds(b, "      exclude:   # look like identifiers\n");
            any = true;
            drift_buf_adds(b, "        - ");
            put_text(b, drift_guess_name(&looks[i].guess, c));
            drift_buf_adds(b, "\n");
        }
}

static bool any_role(const struct look *looks, size_t n, int role)
{
    for (size_t i = 0; i < n; i++)
        if (looks[i].guess.role[role] >= 0)
            return true;
    return false;
}

static void put_model(struct drift_buf *b, const char *name, const struct look *looks, size_t n)
{
    bool features = false;
    for (size_t i = 0; i < n; i++)
        features |= looks[i].guess.n_features > 0;
    drift_buf_adds(b, "  ");
    put_text(b, name);
    drift_buf_adds(b, ":\n"
                      "    owner: ml-team\n"
                      "    criticality: medium\n"
                      "    window: {size: 1h, lateness: 10m, min_events: 100}\n");
    if (any_role(looks, n, DRIFT_GUESS_SCORE))
        drift_buf_adds(b, "    # threshold: 0.5          # decision threshold on the score\n");
    if (any_role(looks, n, DRIFT_GUESS_LABEL))
        drift_buf_adds(b, "    # positive_label: 1        # label whose share the summaries name\n");
    if (any_role(looks, n, DRIFT_GUESS_DECISION))
        drift_buf_adds(b, "    # positive_decision: block # decision whose share the summaries name\n");
    if (features)
        drift_buf_adds(b, "    features:\n      include: \"*\"\n");
    put_excluded(b, looks, n);
    put_types(b, looks, n);
    drift_buf_adds(b, "    # no `rules`: the default ones (driftd check --reference lists them), with these playbooks\n"
                      "    default_playbook: {warning: look, critical: review}\n");
}

/* Names of the models that the records carry; without any, one by the first topic. */
static size_t list_models(const struct look *looks, size_t n, const char *ret[MODELS_MAX])
{
    size_t n_models = 0;
    for (size_t i = 0; i < n; i++) {
        const struct drift_guess *g = &looks[i].guess;
        if (g->role[DRIFT_GUESS_MODEL] < 0)
            continue;
        const struct drift_guess_column *c = &g->columns[g->role[DRIFT_GUESS_MODEL]];
        for (uint32_t v = 0; v < c->n_values && n_models < MODELS_MAX; v++) {
            bool known = false;
            for (size_t m = 0; m < n_models; m++)
                known |= !strcmp(ret[m], c->values[v]);
            if (!known && *c->values[v])
                ret[n_models++] = c->values[v];
        }
    }
    if (!n_models)
        ret[n_models++] = looks[0].topic;
    return n_models;
}

static void put_config(struct drift_buf *b, const struct request *r, const struct look *looks)
{
    const char *models[MODELS_MAX];
    size_t n = list_models(looks, r->n_topics, models);
    put_head(b, r);
    drift_buf_adds(b, "\n# Where in a record each role is found.\nstreams:\n");
    for (size_t i = 0; i < r->n_topics; i++)
        put_stream(b, &looks[i], models[0]);
    drift_buf_adds(b, "\nmodels:\n");
    for (size_t i = 0; i < n; i++)
        put_model(b, models[i], looks, r->n_topics);
}

/* What init prints must be what check accepts. */
static int verify(const struct drift_buf *b)
{
    struct drift_config *c = NULL;
    struct drift_buf report;
    drift_buf_init(&report, 1 << 20);
    int rc = drift_config_parse("init", b->data, b->len, &c, &report);
    if (rc)
        fprintf(stderr, "driftd init: the configuration below is not valid, please correct it:\n%s",
                report.data ? report.data : "");
    else
        drift_config_free(c);
    drift_buf_release(&report);
    return rc;
}

static int init(const struct request *r, struct look *looks, struct drift_err *err)
{
    struct drift_registry *registry = NULL;
    int rc = 0;
    if (r->registry_url)
        rc = drift_registry_new(
            &(struct drift_registry_settings){.url = r->registry_url, .timeout_ms = 5000, .max_schemas = 1000},
            &registry, err);
    for (size_t i = 0; i < r->n_topics && !rc; i++) {
        looks[i].registry = registry;
        rc = look_at(&looks[i], err);
    }
    for (size_t i = 0; i < r->n_topics; i++)
        drift_decoder_free(looks[i].decoder);
    if (registry)
        drift_registry_free(registry);
    return rc;
}

static int exit_status(int rc)
{
    return rc == DRIFT_E_USAGE    ? DRIFT_EXIT_USAGE
           : rc == DRIFT_E_CONFIG ? DRIFT_EXIT_CONFIG
           : rc == DRIFT_E_EMPTY  ? DRIFT_EXIT_FOUND
                                  : DRIFT_EXIT_UNAVAILABLE;
}

int drift_cmd_init(int argc, char **argv)
{
    struct request r;
    struct look looks[TOPICS_MAX] = {0};
    struct drift_err err = {.text = ""};
    struct drift_buf b;
    int status = parse(argc, argv, &r);
    if (status)
        return status - 1;
    for (size_t i = 0; i < r.n_topics; i++) {
        looks[i] = (struct look){.request = &r, .topic = r.topics[i]};
        drift_guess_init(&looks[i].guess);
    }
    int rc = init(&r, looks, &err);
    if (rc) {
        status = drift_cli_fail(exit_status(rc), "init", "%s", err.text);
    } else {
        drift_buf_init(&b, 16 << 20);
        put_config(&b, &r, looks);
        status = verify(&b) ? DRIFT_EXIT_SOFTWARE : DRIFT_EXIT_OK;
        fputs(b.data, stdout);
        drift_buf_release(&b);
    }
    for (size_t i = 0; i < r.n_topics; i++)
        drift_guess_release(&looks[i].guess);
    return status;
}
