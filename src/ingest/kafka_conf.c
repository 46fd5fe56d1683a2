/* src/ingest/kafka_conf.c    Turns kafka: of the configuration into librdkafka properties, for all clients.
 *
 * Two stalls are defused here.  librdkafka before 2.2 does not fetch for up to a second once a queue has passed its
 * limits and nothing wakes the broker thread; a short metadata interval wakes it.  Since 2.2 there is a property
 * for it.  auto.offset.reset stays `error`: driftd gives every offset itself, and a lost one must be seen. */
#include "driftd/internal/ingest/kafka_conf.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "driftd/internal/base/log.h"

enum { ALL = 1 << DRIFT_KAFKA_CONSUMER | 1 << DRIFT_KAFKA_READER | 1 << DRIFT_KAFKA_PRODUCER };
enum { READS = 1 << DRIFT_KAFKA_CONSUMER | 1 << DRIFT_KAFKA_READER, WRITES = 1 << DRIFT_KAFKA_PRODUCER };

struct property {
    unsigned clients; /* bit set of enum drift_kafka_client */
    int since;        /* least rd_kafka_version(), 0: any */
    int until;        /* first version that does not need it, 0: none */
    const char *name, *value;
};

static const struct property defaults[] = {
    {ALL, 0, 0, "client.id", "driftd"},
    {ALL, 0, 0, "log.connection.close", "false"},
    {ALL, 0, 0, "reconnect.backoff.max.ms", "5000"},
    {ALL, 0, 0, "broker.address.ttl", "1000"},
    {ALL, 0, 0, "socket.keepalive.enable", "true"},
    {READS, 0, 0, "queued.min.messages", "20000"},
    {READS, 0, 0x02020000, "topic.metadata.refresh.interval.ms", "20"},
    {READS, 0x02020000, 0, "fetch.queue.backoff.ms", "5"},
    {READS, 0, 0, "fetch.error.backoff.ms", "200"},
    /* a broker answers one request of a connection after the other: at the end of the log a question waits so long */
    {READS, 0, 0, "fetch.wait.max.ms", "100"},
    {READS, 0, 0, "allow.auto.create.topics", "false"},
    {WRITES, 0, 0, "linger.ms", "20"},
};

/* What counting exactly rests on; a user's value would break it silently. */
static const struct property fixed[] = {
    {READS, 0, 0, "enable.auto.commit", "false"}, {READS, 0, 0, "enable.auto.offset.store", "false"},
    {READS, 0, 0, "auto.offset.reset", "error"},  {READS, 0, 0, "enable.partition.eof", "true"},
    {WRITES, 0, 0, "enable.idempotence", "true"}, {WRITES, 0, 0, "acks", "all"},
};
/* Set from keys of their own. */
static const char *const own_keys[][2] = {
    {"bootstrap.servers", "kafka.brokers"},
    {"metadata.broker.list", "kafka.brokers"},
    {"group.id", "kafka.group"},
    {"queued.max.messages.kbytes", "kafka.queue"},
};
#define N(a) (sizeof(a) / sizeof((a)[0]))

static void log_line(const rd_kafka_t *rk, int level, const char *fac, const char *text)
{
    (void)rk;
    /* one list of options serves consumers and producers; brokers that cannot refuse to create a topic are old */
    if (!strcmp(fac, "CONFWARN") || !strcmp(fac, "AUTOCREATE"))
        return;
    drift_log(level <= LOG_ERR       ? DRIFT_ERROR
              : level <= LOG_WARNING ? DRIFT_WARN
              : level <= LOG_NOTICE  ? DRIFT_INFO
                                     : DRIFT_DEBUG,
              "kafka_log", KV_S("facility", fac), KV_S("text", text));
}

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct drift_err *err)
{
    char text[256];
    rd_kafka_conf_res_t res = rd_kafka_conf_set(conf, name, value, text, sizeof text);
    if (res == RD_KAFKA_CONF_OK)
        return 0;
    if (res == RD_KAFKA_CONF_UNKNOWN)
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "kafka.options.%s: librdkafka %s knows no such property",
                          name, rd_kafka_version_str());
    return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "kafka.options.%s: %s", name, text);
}

static int set_table(rd_kafka_conf_t *conf, const struct property *table, size_t n, enum drift_kafka_client client,
                     struct drift_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct property *p = &table[i];
        if (!(p->clients & 1u << client) || rd_kafka_version() < p->since ||
            (p->until && rd_kafka_version() >= p->until))
            continue;
        int rc = set(conf, p->name, p->value, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int refuse_reserved(const char *name, struct drift_err *err)
{
    for (size_t i = 0; i < N(own_keys); i++)
        if (!strcmp(name, own_keys[i][0]))
            return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "kafka.options.%s: set %s instead", name,
                              own_keys[i][1]);
    for (size_t i = 0; i < N(fixed); i++)
        if (!strcmp(name, fixed[i].name))
            return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP,
                              "kafka.options.%s: driftd sets it to %s, exact counting rests on that; remove it", name,
                              fixed[i].value);
    return 0;
}

static int set_secret(rd_kafka_conf_t *conf, const struct drift_option *o, struct drift_err *err)
{
    char *value, text[256];
    int rc = drift_secret_load(&o->secret, &value, err);
    if (rc) {
        drift_err_prefix(err, "kafka.options.%s", o->name);
        return rc;
    }
    /* librdkafka's text quotes the value, so it is not passed on */
    rd_kafka_conf_res_t res = rd_kafka_conf_set(conf, o->name, value, text, sizeof text);
    explicit_bzero(text, sizeof text);
    drift_secret_free(value);
    if (res != RD_KAFKA_CONF_OK)
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "kafka.options.%s: librdkafka %s refuses %s", o->name,
                          rd_kafka_version_str(), res == RD_KAFKA_CONF_UNKNOWN ? "the property" : "the secret's value");
    return 0;
}

static int set_options(rd_kafka_conf_t *conf, const struct drift_kafka_config *cfg, struct drift_err *err)
{
    for (size_t i = 0; i < cfg->n_options; i++) {
        const struct drift_option *o = &cfg->options[i];
        int rc = refuse_reserved(o->name, err);
        if (!rc)
            rc = o->secret.file || o->secret.env ? set_secret(conf, o, err) : set(conf, o->name, o->value, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int set_limits(rd_kafka_conf_t *conf, const struct drift_kafka_config *cfg, enum drift_kafka_client client,
                      struct drift_err *err)
{
    char text[32];
    int rc = 0;
    if (client == DRIFT_KAFKA_PRODUCER)
        return 0;
    uint64_t kib = cfg->queue_bytes / 1024;
    snprintf(text, sizeof text, "%llu", (unsigned long long)(kib < 64 ? 64 : kib > 2097151 ? 2097151 : kib));
    rc = set(conf, "queued.max.messages.kbytes", text, err);
    /* librdkafka wants a group.id of every consumer that polls; a reader neither joins nor commits. */
    if (!rc)
        rc = set(conf, "group.id", client == DRIFT_KAFKA_CONSUMER && cfg->group ? cfg->group : "driftd-reader", err);
    return rc;
}

int drift_kafka_conf(const struct drift_kafka_config *cfg, enum drift_kafka_client client, rd_kafka_conf_t **ret_conf,
                     struct drift_err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, log_line);
    int rc = set(conf, "bootstrap.servers", cfg->brokers, err);
    if (!rc)
        rc = set_table(conf, defaults, N(defaults), client, err);
    if (!rc && cfg->patterns) /* each refresh asks for all topics of the cluster; new ones are seen so soon */
        rc = set(conf, "topic.metadata.refresh.interval.ms", "5000", err);
    if (!rc)
        rc = set_options(conf, cfg, err);
    if (!rc)
        rc = set_limits(conf, cfg, client, err);
    if (!rc)
        rc = set_table(conf, fixed, N(fixed), client, err);
    if (rc) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    *ret_conf = conf;
    return 0;
}

const char *drift_kafka_known_limit(const struct drift_kafka_config *cfg)
{
    for (size_t i = 0; i < cfg->n_options; i++) {
        const struct drift_option *o = &cfg->options[i];
        bool mechanism = !strcmp(o->name, "sasl.mechanism") || !strcmp(o->name, "sasl.mechanisms");
        if (mechanism && o->value && !strncasecmp(o->value, "SCRAM-", 6) && rd_kafka_version() < 0x02060100)
            return "this librdkafka (before 2.6.1) cannot log in with SCRAM to Kafka 4.x and newer, the broker answers "
                   "\"invalid credentials\" to the right password: use SASL/PLAIN over TLS, a client certificate, or a "
                   "newer librdkafka (the container image has one)";
    }
    return NULL;
}

int drift_kafka_fail(struct drift_err *err, rd_kafka_resp_err_t code, const char *what)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        return drift_fail(err, DRIFT_E_DENIED, DRIFT_RETRY, "%s: %s", what, rd_kafka_err2str(code));
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_RETRY, "%s: %s", what, rd_kafka_err2str(code));
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        return drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP, "%s: %s", what, rd_kafka_err2str(code));
    default:
        return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "%s: %s", what, rd_kafka_err2str(code));
    }
}

const char *drift_kafka_advice(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return "does not exist (or may not be seen by this user): create it, or mend its name";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return "may not be read: give this user the ACL operations Describe and Read on the topic";
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return "may not be used: give this user the ACL operation Read on the group";
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
        return "has a partition without leader: look after the brokers";
    default:
        return NULL;
    }
}
