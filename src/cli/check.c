/* src/cli/check.c    driftd check: is the configuration good, and (--connect) are the servers it names? */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driftd/internal/act/address.h"
#include "driftd/internal/act/sign.h"
#include "driftd/internal/cli.h"
#include "driftd/internal/cli/cost.h"
#include "driftd/internal/config/check.h"
#include "driftd/internal/decode/registry.h"
#include "driftd/internal/ingest/probe.h"
#include "driftd/internal/store/store.h"
#include "driftd/internal/window/dependence.h"

static const char usage[] =
    "Usage: driftd check -c FILE [--connect] [--timeout DURATION]\n"
    "       driftd check --reference | --json-schema\n"
    "\n"
    "Reports every mistake of a configuration at once, as file:line:column: path: message, and shows what a good one\n"
    "watches and about what it needs in Redis.\n"
    "\n"
    "  -c, --config FILE    configuration\n"
    "      --connect        also ask the servers: brokers, authorisation, topics, Redis, registry, endpoints, secrets\n"
    "      --timeout TIME   how long a server may take with --connect (10s)\n"
    "      --reference      print the reference of every key (docs/configuration.md)\n"
    "      --json-schema    print the JSON Schema (config/driftd.schema.json)\n"
    "  -h, --help           this text\n"
    "\n"
    "Exit status: 0 good, 1 a server is not as it should be, 2 usage, 69 the file cannot be read, 78 bad "
    "configuration.\n"
    "\n"
    "Examples:\n"
    "  driftd check -c /etc/driftd/driftd.yaml\n"
    "  driftd check -c /etc/driftd/driftd.yaml --connect --timeout 5s\n";

/* ---- summary ---- */
static const char *bytes_text(uint64_t bytes, char *buf, size_t cap)
{
    if (bytes >= 10 << 20)
        snprintf(buf, cap, "%llu MiB", (unsigned long long)((bytes >> 20) + 1));
    else
        snprintf(buf, cap, "%llu KiB", (unsigned long long)((bytes >> 10) + 1));
    return buf;
}

static void show_cost(const struct drift_config *c, const struct drift_model *m)
{
    struct drift_cost cost = drift_cost_of(c, m);
    char usual[32], most[32];
    printf("    in Redis a partition about %s, at most %s (%llu windows of %llu columns)\n",
           bytes_text(cost.partition.usual, usual, sizeof usual), bytes_text(cost.partition.most, most, sizeof most),
           (unsigned long long)cost.windows, (unsigned long long)cost.columns);
    printf("    in Redis the model about %s, at most %s (%u verdicts, %llu headers, baseline, plan)\n",
           bytes_text(cost.model.usual, usual, sizeof usual), bytes_text(cost.model.most, most, sizeof most),
           c->state.keep_verdicts, (unsigned long long)cost.headers);
    if (m->dedup_by)
        printf("    each event counts once by its id: up to %s more a partition and chain (%u ids)\n",
               bytes_text(cost.ids, most, sizeof most), m->dedup_max_ids);
}

static void show_dependence(const struct drift_model *m, uint64_t columns)
{
    const struct drift_dependence_config *d = &m->dependence;
    uint32_t n = columns < d->max_features ? (uint32_t)columns : d->max_features;
    double us = drift_dependence_ns(n, d->terms) / 1000;
    uint32_t one_in = drift_dependence_one_in(n, d->terms, d->budget_us);
    if (one_in == 1)
        printf("    dependence of up to %u features: about %.2g us an event, each is taken\n", n, us);
    else
        printf("    dependence of up to %u features: about %.2g us an event, one in %u is taken (budget %.3g us)\n", n,
               us, one_in, d->budget_us);
}

static void show_model(const struct drift_config *c, const struct drift_model *m)
{
    char size[48], every[48], late[48];
    printf("  model %s: owner %s, criticality %s, windows of %s%s%s, lateness %s, %zu rules\n", m->name,
           c->owners[m->owner].name, m->criticality, drift_duration_text(m->window_ms, size, sizeof size),
           m->every_ms < m->window_ms ? " every " : "",
           m->every_ms < m->window_ms ? drift_duration_text(m->every_ms, every, sizeof every) : "",
           drift_duration_text(m->lateness_ms, late, sizeof late), m->n_rules);
    show_cost(c, m);
    if (m->dependence.on)
        show_dependence(m, drift_cost_of(c, m).columns);
}

static void show_stream(const struct drift_stream *s)
{
    printf("  stream %s: %s,", s->name, s->format == DRIFT_FORMAT_AVRO ? "avro" : "json");
    for (size_t i = 0; i < s->n_topics; i++)
        printf(" %s", s->topics[i]);
    printf("%s%s\n", drift_stream_feeds(s, DRIFT_CHAIN_INPUT) ? "; inputs" : "",
           drift_stream_feeds(s, DRIFT_CHAIN_LABEL) ? "; labels" : "");
}

static void show_summary(const struct drift_config *c)
{
    size_t rules = 0;
    for (size_t i = 0; i < c->n_models; i++)
        rules += c->models[i].n_rules;
    printf("%s is good: streams %zu, models %zu, rules %zu, playbooks %zu, endpoints %zu; hash %.12s%s%s\n", c->file,
           c->n_streams, c->n_models, rules, c->n_playbooks, c->n_endpoints, c->hash,
           c->change.version ? ", change " : "", c->change.version ? c->change.version : "");
    for (size_t i = 0; i < c->n_streams; i++)
        show_stream(&c->streams[i]);
    for (size_t i = 0; i < c->n_models; i++)
        show_model(c, &c->models[i]);
}

/* ---- servers ---- */
struct finding {
    bool failed;
};

static void found(void *ctx, enum drift_probe result, const char *what, const char *text)
{
    struct finding *f = ctx;
    f->failed = f->failed || result == DRIFT_PROBE_FAIL;
    drift_cli_progress_done();
    printf("%-4s  %s: %s\n",
           result == DRIFT_PROBE_OK     ? "ok"
           : result == DRIFT_PROBE_WARN ? "warn"
                                        : "FAIL",
           what, text);
    fflush(stdout);
}

static void say(struct finding *f, enum drift_probe result, const char *what, const char *fmt, ...) DRIFT_PRINTF(4, 5);
static void say(struct finding *f, enum drift_probe result, const char *what, const char *fmt, ...)
{
    char text[700];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    found(f, result, what, text);
}

struct redis_finding {
    struct finding *f;
    const char *what;
};

static void redis_found(void *ctx, bool bad, const char *text)
{
    struct redis_finding *r = ctx;
    found(r->f, bad ? DRIFT_PROBE_FAIL : DRIFT_PROBE_WARN, r->what, text);
}

static void say_health(struct finding *f, const struct drift_config *c, const struct drift_store_health *h)
{
    char what[180] = "redis";
    struct redis_finding r = {f, what};
    if (c->redis.cluster || c->redis.sentinel.nodes)
        snprintf(what, sizeof what, "redis %s", h->address);
    say(f, DRIFT_PROBE_OK, what, "answers, version %s", h->version);
    if (h->cluster && !c->redis.cluster)
        say(f, DRIFT_PROBE_FAIL, what, "is a node of a cluster: set redis.cluster");
    drift_store_health_judge(h, c->state.settle_ms, redis_found, &r);
}

static void connect_redis(struct finding *f, const struct drift_config *c)
{
    struct drift_store *store = NULL;
    struct drift_store_health h = {0};
    struct drift_err err = {0};
    int rc = drift_store_new(&c->redis, c->kafka.group, &store, &err);
    if (!rc)
        rc = drift_store_ping(store, &err);
    for (size_t i = 0; !rc && !(rc = drift_store_health_of(store, i, &h, &err)); i++)
        say_health(f, c, &h);
    if (rc != DRIFT_E_NOT_FOUND)
        say(f, DRIFT_PROBE_FAIL, "redis", "%s: check redis: in the configuration", err.text);
    drift_store_free(store);
}

static void connect_registry(struct finding *f, const struct drift_config *c, int64_t timeout_ms)
{
    struct drift_registry *r = NULL;
    struct drift_err err = {0};
    char *password = NULL;
    if (!c->registry_url)
        return;
    if ((c->registry_password.file || c->registry_password.env) &&
        drift_secret_load(&c->registry_password, &password, &err)) {
        say(f, DRIFT_PROBE_FAIL, "registry", "%s", err.text);
        return;
    }
    struct drift_registry_settings s = {.url = c->registry_url,
                                        .username = c->registry_username,
                                        .password = password,
                                        .timeout_ms = timeout_ms,
                                        .max_schemas = 1};
    if (drift_registry_new(&s, &r, &err) || drift_registry_ping(r, &err))
        say(f, DRIFT_PROBE_FAIL, "registry", "%s: check registry: in the configuration", err.text);
    else
        say(f, DRIFT_PROBE_OK, "registry", "answers");
    drift_registry_free(r);
    drift_secret_free(password);
}

/* Connects to one address and closes again; NULL, or why not. */
static const char *reach(const struct addrinfo *a, int64_t timeout_ms)
{
    const char *why = NULL;
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol), code = 0;
    socklen_t len = sizeof code;
    if (fd < 0)
        return strerror(errno);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
        why = strerror(errno);
    else if (poll(&p, 1, (int)timeout_ms) != 1)
        why = "timed out";
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0 && code)
        why = strerror(code);
    close(fd);
    return why;
}

static void connect_endpoint(struct finding *f, const struct drift_endpoint *e, int64_t timeout_ms)
{
    char what[160], host[256], port[8];
    struct drift_url u;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    snprintf(what, sizeof what, "endpoint %s", e->name);
    if (!drift_url_parse(e->url, &u))
        return;
    snprintf(host, sizeof host, "%.*s", (int)u.host_len, u.host);
    const char *behind = u.host + u.host_len + (u.host[u.host_len] == ']');
    snprintf(port, sizeof port, "%.*s", *behind == ':' ? (int)strspn(behind + 1, "0123456789") : 0, behind + 1);
    int code = getaddrinfo(host, *port ? port : u.https ? "443" : "80", &hints, &list);
    if (code) {
        say(f, DRIFT_PROBE_FAIL, what, "%s cannot be resolved: %s", host, gai_strerror(code));
        return;
    }
    const char *why = "no address", *kind = NULL;
    for (const struct addrinfo *a = list; a && why; a = a->ai_next) {
        kind = e->allow_private ? NULL : drift_address_refused(a->ai_addr, a->ai_addrlen);
        why = kind ? kind : reach(a, timeout_ms);
    }
    if (!why)
        say(f, DRIFT_PROBE_OK, what, "takes connections; `driftd endpoint test %s` sends a signed test event", e->name);
    else if (kind)
        say(f, DRIFT_PROBE_FAIL, what, "%s resolves to a %s address: set allow_private if that is meant", host, kind);
    else
        say(f, DRIFT_PROBE_FAIL, what, "%s takes no connection: %s", host, why);
    freeaddrinfo(list);
}

static void check_secrets(struct finding *f, const struct drift_endpoint *e)
{
    char what[160];
    snprintf(what, sizeof what, "endpoint %s", e->name);
    for (size_t i = 0; i < e->n_secrets; i++) {
        struct drift_err err = {0};
        char *text = NULL;
        uint8_t key[DRIFT_SECRET_MAX];
        size_t n;
        if (drift_secret_load(&e->secrets[i], &text, &err) || drift_sign_key(text, key, sizeof key, &n, &err))
            say(f, DRIFT_PROBE_FAIL, what, "%s", err.text);
        explicit_bzero(key, sizeof key);
        drift_secret_free(text);
    }
}

static int connect_all(const struct drift_config *c, int64_t timeout_ms)
{
    struct finding f = {0};
    drift_cli_progress("asking the brokers ...");
    drift_probe_kafka(c, timeout_ms, found, &f);
    drift_cli_progress("asking Redis ...");
    connect_redis(&f, c);
    drift_cli_progress("asking the registry ...");
    connect_registry(&f, c, timeout_ms);
    for (size_t i = 0; i < c->n_endpoints; i++) {
        drift_cli_progress("connecting to endpoint %s ...", c->endpoints[i].name);
        check_secrets(&f, &c->endpoints[i]);
        connect_endpoint(&f, &c->endpoints[i], timeout_ms);
    }
    drift_cli_progress_done();
    return f.failed ? DRIFT_EXIT_FOUND : DRIFT_EXIT_OK;
}

/* ---- command ---- */
static int print_generated(void (*make)(struct drift_buf *))
{
    struct drift_buf b;
    drift_buf_init(&b, 4 << 20);
    make(&b);
    bool good = fwrite(b.data, 1, b.len, stdout) == b.len && fflush(stdout) == 0;
    drift_buf_release(&b);
    return good ? DRIFT_EXIT_OK : drift_cli_fail(DRIFT_EXIT_UNAVAILABLE, "check", "cannot write: %s", strerror(errno));
}

static int check_file(const char *file, bool connect, int64_t timeout_ms)
{
    int status = DRIFT_EXIT_OK;
    struct drift_config *c = drift_cli_config(file, &status);
    if (!c)
        return status;
    show_summary(c);
    if (connect)
        status = connect_all(c, timeout_ms);
    drift_config_free(c);
    return status;
}

int drift_cmd_check(int argc, char **argv)
{
    enum { CONNECT = 256, TIMEOUT, REFERENCE, SCHEMA };
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"connect", no_argument, NULL, CONNECT},
                                            {"timeout", required_argument, NULL, TIMEOUT},
                                            {"reference", no_argument, NULL, REFERENCE},
                                            {"json-schema", no_argument, NULL, SCHEMA},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *file = NULL;
    bool connect = false;
    int64_t timeout_ms = 10000;
    for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;)
        switch (o) {
        case 'c':
            file = optarg;
            break;
        case CONNECT:
            connect = true;
            break;
        case TIMEOUT:
            if (!drift_duration_parse(optarg, strlen(optarg), &timeout_ms) || timeout_ms < 100 || timeout_ms > 600000)
                return drift_cli_fail(DRIFT_EXIT_USAGE, "check", "--timeout wants a duration from 100ms to 10m, not %s",
                                      optarg);
            break;
        case REFERENCE:
            return print_generated(drift_config_reference);
        case SCHEMA:
            return print_generated(drift_config_json_schema);
        case 'h':
            fputs(usage, stdout);
            return DRIFT_EXIT_OK;
        default:
            fputs(usage, stderr);
            return DRIFT_EXIT_USAGE;
        }
    if (!file || optind != argc) {
        fputs(usage, stderr);
        return DRIFT_EXIT_USAGE;
    }
    return check_file(file, connect, timeout_ms);
}
