/* tests/unit/ingest/test_probe.c    What `check --connect` finds at a mock cluster, good and refusing. */
#include "support.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <string.h>

#include "driftd/internal/ingest/probe.h"

enum { OFFSET_FETCH = 9 }; /* API key */

struct cluster {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *mock;
};

static struct cluster cluster_new(void)
{
    struct cluster k;
    char text[256];
    k.rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
    ck_assert_ptr_nonnull(k.rk);
    k.mock = rd_kafka_mock_cluster_new(k.rk, 1);
    ck_assert_ptr_nonnull(k.mock);
    ck_assert_int_eq(rd_kafka_mock_topic_create(k.mock, "events", 3, 1), 0);
    ck_assert_int_eq(rd_kafka_mock_topic_create(k.mock, "labels", 1, 1), 0);
    ck_assert_int_eq(rd_kafka_mock_topic_create(k.mock, "refused", 1, 1), 0);
    return k;
}

static void cluster_free(struct cluster *k)
{
    rd_kafka_mock_cluster_destroy(k->mock);
    rd_kafka_destroy(k->rk);
}

static struct drift_config *config_of(const char *brokers, const char *more)
{
    char text[2048];
    struct drift_config *c = NULL;
    struct drift_buf report;
    drift_buf_init(&report, 1 << 16);
    int n = snprintf(text, sizeof text,
                     "version: 1\nkafka: {brokers: \"%s\", group: g%s}\nowners: {o: {}}\n"
                     "streams: {s: {topics: [events, labels], format: json, time: ts, model: m, score: s}}\n"
                     "models: {m: {owner: o}}\n",
                     brokers, more);
    ck_assert_msg(!drift_config_parse("x.yaml", text, (size_t)n, &c, &report), "%s", report.data);
    drift_buf_release(&report);
    return c;
}

struct found {
    int n[3];
    struct drift_buf text;
};

static void note(void *ctx, enum drift_probe result, const char *what, const char *text)
{
    struct found *f = ctx;
    f->n[result]++;
    drift_buf_addf(&f->text, "%d %s: %s\n", (int)result, what, text);
}

static void probe(const char *brokers, const char *more, int64_t timeout_ms, struct found *f)
{
    struct drift_config *c = config_of(brokers, more);
    memset(f, 0, sizeof *f);
    drift_buf_init(&f->text, 1 << 16);
    drift_probe_kafka(c, timeout_ms, note, f);
    drift_config_free(c);
}

#define HAS(f, part)                                                                                                   \
    ck_assert_msg((f).text.data &&strstr((f).text.data, (part)), "no `%s` in\n%s", (part), (f).text.data)

START_TEST(a_good_cluster)
{
    struct cluster k = cluster_new();
    struct found f;
    probe(rd_kafka_mock_cluster_bootstraps(k.mock), ", quarantine_topic: refused", 10000, &f);
    ck_assert_msg(f.n[DRIFT_PROBE_FAIL] == 0, "%s", f.text.data);
    HAS(f, "0 kafka: 1 broker answers, librdkafka ");
    HAS(f, "0 group g: may be used");
    HAS(f, "0 topic events: 3 partitions, readable");
    HAS(f, "0 topic labels: 1 partition, readable");
    HAS(f, "0 topic refused: 1 partition, for quarantine");
    drift_buf_release(&f.text);
    cluster_free(&k);
}
END_TEST

START_TEST(a_hidden_topic)
{
    struct cluster k = cluster_new();
    struct found f;
    rd_kafka_mock_topic_set_error(k.mock, "events", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    probe(rd_kafka_mock_cluster_bootstraps(k.mock), "", 10000, &f);
    ck_assert_int_eq(f.n[DRIFT_PROBE_FAIL], 1);
    HAS(f, "2 topic events: may not be read: give this user the ACL operations Describe and Read");
    HAS(f, "0 topic labels: 1 partition, readable");
    drift_buf_release(&f.text);
    cluster_free(&k);
}
END_TEST

START_TEST(a_refused_group)
{
    struct cluster k = cluster_new();
    struct found f;
    rd_kafka_resp_err_t refuse = RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    rd_kafka_mock_push_request_errors(k.mock, OFFSET_FETCH, 4, refuse, refuse, refuse, refuse);
    probe(rd_kafka_mock_cluster_bootstraps(k.mock), "", 10000, &f);
    HAS(f, "2 group g: may not be used: give this user the ACL operation Read on the group");
    ck_assert_int_eq(f.n[DRIFT_PROBE_FAIL], 1);
    drift_buf_release(&f.text);
    cluster_free(&k);
}
END_TEST

START_TEST(nobody_there)
{
    struct found f;
    probe("127.0.0.1:1", "", 1200, &f); /* tcpmux: nobody listens */
    HAS(f, "2 kafka: no broker of 127.0.0.1:1 answers: ");
    HAS(f, "check kafka.brokers and security.protocol");
    ck_assert_int_eq(f.n[DRIFT_PROBE_FAIL], 1);
    ck_assert_int_eq(f.n[DRIFT_PROBE_OK], 0);
    drift_buf_release(&f.text);
}
END_TEST

START_TEST(options_and_limits)
{
    struct found f;
    probe("127.0.0.1:1", ", options: {security.protcol: SSL}", 1200, &f);
    HAS(f, "2 kafka: kafka.options.security.protcol: librdkafka ");
    drift_buf_release(&f.text);
    probe("127.0.0.1:1",
          ", options: {sasl.mechanism: SCRAM-SHA-512, partition.assignment.strategy: cooperative-sticky}", 1200, &f);
    if (rd_kafka_version() < 0x02060100) {
        HAS(f, "1 librdkafka: this librdkafka (before 2.6.1) cannot log in with SCRAM");
        HAS(f, "can spin with cooperative-sticky");
    } else {
        ck_assert_int_eq(f.n[DRIFT_PROBE_WARN], 0);
    }
    drift_buf_release(&f.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("probe");
    drift_test_add(suite, "good", a_good_cluster, 40);
    /* The mock lists the partitions of a refused topic, which no broker does, and librdkafka 2.8 crashes on such an
     * answer (its issue 4907). */
    if (rd_kafka_version() < 0x02060000)
        drift_test_add(suite, "hidden topic", a_hidden_topic, 40);
    else
        printf("left out: hidden topic, with librdkafka %s\n", rd_kafka_version_str());
    drift_test_add(suite, "refused group", a_refused_group, 40);
    drift_test_add(suite, "nobody", nobody_there, 40);
    drift_test_add(suite, "options", options_and_limits, 40);
    return drift_test_run(suite);
}
