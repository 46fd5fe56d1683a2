/* src/ingest/probe.c    Asks the brokers what `driftd check --connect` wants to know.
 *
 * The right to read shows only when something is fetched: every topic is fetched from at its end, where the answer
 * is an end-of-partition event or the refusal, and never a record of interest.  librdkafka tells refused logins as
 * events, not as results of calls, so they are collected beside. */
#include "driftd/internal/ingest/probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/config/topics.h"
#include "driftd/internal/ingest/kafka_conf.h"

struct probe {
    const struct drift_config *c;
    drift_probe_fn *say;
    void *ctx;
    rd_kafka_t *rk;
    int64_t timeout_ms;
    bool login_refused, group_refused;
    char trouble[256]; /* last error event */
};

static void say(struct probe *p, enum drift_probe result, const char *what, const char *fmt, ...) DRIFT_PRINTF(4, 5);
static void say(struct probe *p, enum drift_probe result, const char *what, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    p->say(p->ctx, result, what, text);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct probe *p = opaque;
    (void)rk;
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && *p->trouble)
        return; /* the reason before says more */
    snprintf(p->trouble, sizeof p->trouble, "%s", reason);
    p->login_refused = p->login_refused || code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
                       code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
}

static void on_log(const rd_kafka_t *rk, int level, const char *fac, const char *text)
{
    (void)rk, (void)level, (void)fac, (void)text; /* what matters comes as an error event */
}

static int64_t now_ms(void)
{
    return drift_mono_ms(&drift_clock_system);
}

static const char *option_value(const struct drift_config *c, const char *name)
{
    for (size_t i = 0; i < c->kafka.n_options; i++)
        if (!strcmp(c->kafka.options[i].name, name))
            return c->kafka.options[i].value;
    return NULL;
}

static void say_limits(struct probe *p)
{
    const char *limit = drift_kafka_known_limit(&p->c->kafka);
    const char *assignor = option_value(p->c, "partition.assignment.strategy");
    if (limit)
        say(p, DRIFT_PROBE_WARN, "librdkafka", "%s", limit);
    if (assignor && strstr(assignor, "cooperative") && rd_kafka_version() < 0x02060100)
        say(p, DRIFT_PROBE_WARN, "librdkafka",
            "%s can spin with cooperative-sticky (mended in 2.6.1): use range or roundrobin", rd_kafka_version_str());
    if (rd_kafka_version() < 0x02020000)
        say(p, DRIFT_PROBE_WARN, "librdkafka",
            "%s can stall a slow consumer for up to a second (mended in 2.2); driftd keeps that short, a newer one is "
            "faster",
            rd_kafka_version_str());
}

static bool client_new(struct probe *p)
{
    struct drift_err err = {0};
    rd_kafka_conf_t *conf;
    char text[256];
    if (drift_kafka_conf(&p->c->kafka, DRIFT_KAFKA_CONSUMER, &conf, &err)) {
        say(p, DRIFT_PROBE_FAIL, "kafka", "%s", err.text);
        return false;
    }
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set(conf, "log.connection.close", "true", text, sizeof text); /* a wrong protocol shows as that */
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, p);
    p->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!p->rk) {
        rd_kafka_conf_destroy(conf);
        say(p, DRIFT_PROBE_FAIL, "kafka", "%s: mend kafka.options", text);
    }
    return p->rk != NULL;
}

/* Metadata in short slices, so that a refused login ends the wait.  false: told already. */
static bool brokers_answer(struct probe *p)
{
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t code;
    int64_t end = now_ms() + p->timeout_ms;
    do {
        code = rd_kafka_metadata(p->rk, 0, NULL, &md, 500);
        rd_kafka_poll(p->rk, 0);
    } while (code && !p->login_refused && now_ms() < end);
    if (!code) {
        say(p, DRIFT_PROBE_OK, "kafka", "%d broker%s answer%s, librdkafka %s", md->broker_cnt,
            md->broker_cnt == 1 ? "" : "s", md->broker_cnt == 1 ? "s" : "", rd_kafka_version_str());
        rd_kafka_metadata_destroy(md);
    } else if (p->login_refused) {
        say(p, DRIFT_PROBE_FAIL, "kafka", "login refused: %s: check sasl.* in kafka.options%s", p->trouble,
            drift_kafka_known_limit(&p->c->kafka) ? ", and the warning above" : "");
    } else {
        say(p, DRIFT_PROBE_FAIL, "kafka", "no broker of %s answers: %s: check kafka.brokers and security.protocol",
            p->c->kafka.brokers, *p->trouble ? p->trouble : rd_kafka_err2str(code));
    }
    return !code;
}

static void say_code(struct probe *p, const char *what, rd_kafka_resp_err_t code)
{
    const char *advice = drift_kafka_advice(code);
    if (advice)
        say(p, DRIFT_PROBE_FAIL, what, "%s (%s)", advice, rd_kafka_err2name(code));
    else
        say(p, DRIFT_PROBE_FAIL, what, "%s (%s)", rd_kafka_err2str(code), rd_kafka_err2name(code));
}

/* Number of partitions of a topic to be read, or written; -1 after telling why there is none. */
static int topic_partitions(struct probe *p, const char *topic, const char *what, bool written)
{
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(p->rk, topic, NULL);
    rd_kafka_resp_err_t code = rkt ? rd_kafka_metadata(p->rk, 0, rkt, &md, (int)p->timeout_ms) : rd_kafka_last_error();
    int n = -1;
    if (!code && md->topic_cnt == 1) {
        code = md->topics[0].err;
        n = md->topics[0].partition_cnt;
        for (int i = 0; !code && i < n; i++)
            if (md->topics[0].partitions[i].leader < 0)
                code = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    }
    if (!code && n <= 0)
        code = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (written && code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        say(p, DRIFT_PROBE_FAIL, what,
            "may not be written: give this user the ACL operations Describe and Write on the topic (%s)",
            rd_kafka_err2name(code));
    else if (code)
        say_code(p, what, code);
    if (md)
        rd_kafka_metadata_destroy(md);
    if (rkt)
        rd_kafka_topic_destroy(rkt);
    return code ? -1 : n;
}

/* One message or nothing; a refused group comes as a message without topic. */
static rd_kafka_message_t *poll_once(struct probe *p, int wait_ms)
{
    rd_kafka_message_t *m = rd_kafka_consumer_poll(p->rk, wait_ms);
    if (!m || m->rkt)
        return m;
    p->group_refused = p->group_refused || m->err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    rd_kafka_message_destroy(m);
    return NULL;
}

/* The answer of each listed partition: an event at its end, a record, or an error; taken off the list as they come. */
static void await_answers(struct probe *p, rd_kafka_topic_partition_list_t *open,
                          rd_kafka_topic_partition_list_t *refused)
{
    int64_t end = now_ms() + p->timeout_ms;
    while (open->cnt && now_ms() < end) {
        rd_kafka_message_t *m = poll_once(p, 200);
        if (!m)
            continue;
        bool answered = !m->err || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF || drift_kafka_advice(m->err);
        if (answered && rd_kafka_topic_partition_list_del(open, rd_kafka_topic_name(m->rkt), m->partition) && m->err &&
            m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            rd_kafka_topic_partition_list_add(refused, rd_kafka_topic_name(m->rkt), m->partition)->err = m->err;
        rd_kafka_message_destroy(m);
    }
}

static void say_topic(struct probe *p, const char *topic, int partitions, const rd_kafka_topic_partition_list_t *open,
                      const rd_kafka_topic_partition_list_t *refused)
{
    char what[300];
    rd_kafka_topic_partition_t *no = rd_kafka_topic_partition_list_find(refused, topic, 0);
    snprintf(what, sizeof what, "topic %s", topic);
    if (no)
        say_code(p, what, no->err);
    else if (rd_kafka_topic_partition_list_find(open, topic, 0))
        say(p, DRIFT_PROBE_FAIL, what, "%d partitions, but fetching had no answer: %s", partitions,
            *p->trouble ? p->trouble : "timed out; check the brokers' advertised listeners");
    else
        say(p, DRIFT_PROBE_OK, what, "%d partition%s, readable", partitions, partitions == 1 ? "" : "s");
}

/* May it be fetched from?  One partition of each topic that is there. */
static void probe_reading(struct probe *p, const rd_kafka_topic_partition_list_t *topics, const int *partitions)
{
    rd_kafka_topic_partition_list_t *open = rd_kafka_topic_partition_list_new(topics->cnt),
                                    *refused = rd_kafka_topic_partition_list_new(topics->cnt);
    for (int i = 0; i < topics->cnt; i++)
        if (partitions[i] > 0)
            rd_kafka_topic_partition_list_add(open, topics->elems[i].topic, 0)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t code = rd_kafka_assign(p->rk, open);
    if (code)
        say_code(p, "kafka", code);
    else
        await_answers(p, open, refused);
    for (int i = 0; !code && i < topics->cnt; i++)
        if (partitions[i] > 0)
            say_topic(p, topics->elems[i].topic, partitions[i], open, refused);
    rd_kafka_assign(p->rk, NULL);
    rd_kafka_topic_partition_list_destroy(open);
    rd_kafka_topic_partition_list_destroy(refused);
}

/* The group's committed offset of one partition: a plain question that needs the right to use the group.  Where that
 * is missing the call times out, and the refusal is among the messages: so it is asked in slices. */
static void probe_group(struct probe *p, const char *topic)
{
    char what[300];
    int64_t end = now_ms() + p->timeout_ms;
    rd_kafka_resp_err_t code;
    do {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(list, topic, 0);
        code = rd_kafka_committed(p->rk, list, 500);
        if (!code)
            code = list->elems[0].err;
        rd_kafka_topic_partition_list_destroy(list); /* before the client: destroying that would hang */
        rd_kafka_message_t *m = poll_once(p, 0);
        if (m)
            rd_kafka_message_destroy(m);
    } while (code == RD_KAFKA_RESP_ERR__TIMED_OUT && !p->group_refused && now_ms() < end);
    if (p->group_refused)
        code = RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    snprintf(what, sizeof what, "group %s", p->c->kafka.group);
    if (code)
        say_code(p, what, code);
    else
        say(p, DRIFT_PROBE_OK, what, "may be used");
}

static void probe_quarantine(struct probe *p)
{
    char what[300];
    const char *topic = p->c->kafka.quarantine_topic;
    if (!topic)
        return;
    snprintf(what, sizeof what, "topic %s", topic);
    int n = topic_partitions(p, topic, what, true);
    if (n > 0)
        say(p, DRIFT_PROBE_OK, what, "%d partition%s, for quarantine; writing was not tried", n, n == 1 ? "" : "s");
}

/* Topics that are there by pattern; one that matches nothing is said, and one that two streams want. */
static void find_topics(struct probe *p, rd_kafka_topic_partition_list_t *topics)
{
    const struct rd_kafka_metadata *md = NULL;
    struct drift_topics *owners = drift_topics_new(p->c);
    size_t *found = drift_xcalloc(p->c->n_streams, sizeof *found);
    char what[300];
    rd_kafka_resp_err_t code = rd_kafka_metadata(p->rk, 1, NULL, &md, (int)p->timeout_ms);
    if (code)
        say_code(p, "topics", code);
    for (int i = 0; !code && i < md->topic_cnt; i++) {
        const char *name = md->topics[i].topic;
        int stream = drift_topics_stream(owners, name);
        snprintf(what, sizeof what, "topic %s", name);
        if (stream == DRIFT_TOPIC_TWICE)
            say(p, DRIFT_PROBE_FAIL, what, "patterns of two streams match it, so it is not read: make one narrower");
        if (stream < 0)
            continue;
        found[stream]++;
        if (!rd_kafka_topic_partition_list_find(topics, name, 0))
            rd_kafka_topic_partition_list_add(topics, name, 0);
    }
    for (size_t s = 0; !code && s < p->c->n_streams; s++) {
        snprintf(what, sizeof what, "stream %s", p->c->streams[s].name);
        if (!found[s] && drift_topic_is_pattern(p->c->streams[s].topics[0]))
            say(p, DRIFT_PROBE_WARN, what, "no topic matches %s yet: driftd waits for one", p->c->streams[s].topics[0]);
    }
    if (md)
        rd_kafka_metadata_destroy(md);
    free(found);
    drift_topics_free(owners);
}

static void probe_topics(struct probe *p)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(8);
    for (size_t i = 0; i < p->c->n_streams; i++)
        for (size_t t = 0; t < p->c->streams[i].n_topics; t++)
            if (!drift_topic_is_pattern(p->c->streams[i].topics[t]))
                rd_kafka_topic_partition_list_add(topics, p->c->streams[i].topics[t], 0);
    if (p->c->kafka.patterns)
        find_topics(p, topics);
    int *partitions = drift_xcalloc((size_t)topics->cnt + 1, sizeof *partitions), there = -1;
    for (int i = 0; i < topics->cnt; i++) {
        char what[300];
        snprintf(what, sizeof what, "topic %s", topics->elems[i].topic);
        partitions[i] = topic_partitions(p, topics->elems[i].topic, what, false);
        if (partitions[i] > 0)
            there = i;
    }
    rd_kafka_poll_set_consumer(p->rk);
    if (there >= 0) {
        probe_group(p, topics->elems[there].topic);
        probe_reading(p, topics, partitions);
    }
    free(partitions);
    rd_kafka_topic_partition_list_destroy(topics);
}

void drift_probe_kafka(const struct drift_config *c, int64_t timeout_ms, drift_probe_fn *fn, void *ctx)
{
    struct probe p = {.c = c, .say = fn, .ctx = ctx, .timeout_ms = timeout_ms};
    say_limits(&p);
    if (!client_new(&p))
        return;
    if (brokers_answer(&p)) {
        probe_topics(&p);
        probe_quarantine(&p);
    }
    rd_kafka_consumer_close(p.rk);
    rd_kafka_destroy(p.rk);
}
