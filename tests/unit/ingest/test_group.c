/* tests/unit/ingest/test_group.c    Errors that end a Kafka client for good, at a mock cluster.
 *
 * The file under test is included: only its client can be told to fail. */
#include "../../../src/ingest/group.c"

#include <librdkafka/rdkafka_mock.h>

#include "support.h"

static int n_granted;

static void granted(void *ctx, const char *topic, int32_t partition)
{
    (void)ctx, (void)topic, (void)partition;
    n_granted++;
}

static void revoked(void *ctx, const char *topic, int32_t partition, bool lost)
{
    (void)ctx, (void)topic, (void)partition, (void)lost;
    n_granted--;
}

static struct drift_config *config_of(const char *brokers)
{
    char text[1024];
    struct drift_config *c = NULL;
    struct drift_buf report;
    drift_buf_init(&report, 1 << 16);
    int n = snprintf(text, sizeof text,
                     "version: 1\nkafka: {brokers: \"%s\", group: g, options: {test.mock.num.brokers: \"1\"}}\n"
                     "owners: {o: {}}\nstreams: {s: {topic: events, format: json, time: ts, model: m, score: s}}\n"
                     "models: {m: {owner: o}}\n",
                     brokers);
    ck_assert_msg(!drift_config_parse("x.yaml", text, (size_t)n, &c, &report), "%s", report.data);
    drift_buf_release(&report);
    return c;
}

/* A number of polls that a slow machine needs too; each waits for at most 100 ms. */
static int poll_for(struct drift_group *g, int turns, struct drift_err *err)
{
    int rc = 0;
    for (int i = 0; i < turns && !rc; i++) {
        rd_kafka_message_t *m[8];
        size_t n;
        rc = drift_group_poll(g, 100, m, 8, &n, err);
        for (size_t k = 0; k < n; k++)
            rd_kafka_message_destroy(m[k]);
    }
    return rc;
}

static void fatal(rd_kafka_resp_err_t code, const char *words)
{
    struct drift_config *c = config_of("unused:1");
    struct drift_err err = {0};
    struct drift_group *g = NULL;
    ck_assert_msg(
        !drift_group_new(&(struct drift_group_settings){.config = c, .granted = granted, .revoked = revoked}, &g, &err),
        "%s", err.text);
    ck_assert_msg(!poll_for(g, 3, &err), "%s", err.text);
    ck_assert_int_eq(rd_kafka_test_fatal_error(g->rk, code, "made up"), 0);
    ck_assert_int_eq(poll_for(g, 3, &err), DRIFT_E_IO);
    ck_assert_int_eq(err.action, DRIFT_STOP);
    ck_assert_msg(strstr(err.text, rd_kafka_err2name(code)) && strstr(err.text, words), "%s", err.text);
    drift_group_free(g, 1000);
    drift_config_free(c);
}

START_TEST(fatal_error_stops)
{
    fatal(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, "made up");
}
END_TEST

START_TEST(fenced_member_says_what_to_do)
{
    fatal(RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "group.instance.id");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("group");
    drift_test_add(suite, "fatal", fatal_error_stops, 40);
    drift_test_add(suite, "fenced", fenced_member_says_what_to_do, 40);
    return drift_test_run(suite);
}
