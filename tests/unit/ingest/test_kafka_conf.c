/* tests/unit/ingest/test_kafka_conf.c    librdkafka properties: defaults, what may not be set, secrets. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driftd/internal/ingest/kafka_conf.h"

static struct drift_kafka_config config_of(struct drift_option *options, size_t n)
{
    return (struct drift_kafka_config){.brokers = (char *)"b1:9092,b2:9092",
                                       .group = (char *)"g",
                                       .queue_bytes = 16 << 20,
                                       .options = options,
                                       .n_options = n};
}

static void check_value(const struct drift_kafka_config *c, enum drift_kafka_client client, const char *name,
                        const char *want)
{
    rd_kafka_conf_t *conf = NULL;
    struct drift_err err;
    char value[256] = "";
    size_t size = sizeof value;
    ck_assert_msg(!drift_kafka_conf(c, client, &conf, &err), "%s", err.text);
    ck_assert_int_eq(rd_kafka_conf_get(conf, name, value, &size), RD_KAFKA_CONF_OK);
    ck_assert_msg(!strcmp(value, want), "%s is %s and not %s", name, value, want);
    rd_kafka_conf_destroy(conf);
}

static void check_refused(const char *name, const char *value, const char *words)
{
    struct drift_option o = {.name = (char *)(uintptr_t)name, .value = (char *)(uintptr_t)value};
    struct drift_kafka_config c = config_of(&o, 1);
    rd_kafka_conf_t *conf = NULL;
    struct drift_err err;
    ck_assert_int_eq(drift_kafka_conf(&c, DRIFT_KAFKA_CONSUMER, &conf, &err), DRIFT_E_CONFIG);
    ck_assert_msg(strstr(err.text, name) && strstr(err.text, words), "%s", err.text);
    ck_assert_ptr_null(conf);
}

START_TEST(what_exact_counting_rests_on)
{
    struct drift_kafka_config c = config_of(NULL, 0);
    for (enum drift_kafka_client k = DRIFT_KAFKA_CONSUMER; k <= DRIFT_KAFKA_READER; k++) {
        check_value(&c, k, "enable.auto.commit", "false");
        check_value(&c, k, "enable.auto.offset.store", "false");
        check_value(&c, k, "auto.offset.reset", "error");
        check_value(&c, k, "enable.partition.eof", "true");
        check_value(&c, k, "queued.max.messages.kbytes", "16384");
        check_value(&c, k, "bootstrap.servers", "b1:9092,b2:9092");
    }
    check_value(&c, DRIFT_KAFKA_CONSUMER, "group.id", "g");
    check_value(&c, DRIFT_KAFKA_PRODUCER, "enable.idempotence", "true");
    check_value(&c, DRIFT_KAFKA_PRODUCER, "acks", "-1");
    c.queue_bytes = 1;
    check_value(&c, DRIFT_KAFKA_CONSUMER, "queued.max.messages.kbytes", "64");
}
END_TEST

START_TEST(options_go_before_defaults)
{
    struct drift_option o[] = {{.name = (char *)"client.id", .value = (char *)"soc-7"},
                               {.name = (char *)"session.timeout.ms", .value = (char *)"12000"}};
    struct drift_kafka_config c = config_of(o, 1);
    check_value(&c, DRIFT_KAFKA_CONSUMER, "client.id", "soc-7");
    c.n_options = 2;
    check_value(&c, DRIFT_KAFKA_CONSUMER, "session.timeout.ms", "12000");
    check_value(&c, DRIFT_KAFKA_PRODUCER, "client.id", "soc-7"); /* a consumer's property does not hurt it */
}
END_TEST

START_TEST(refusals)
{
    check_refused("enable.auto.commit", "true", "exact counting");
    check_refused("auto.offset.reset", "earliest", "exact counting");
    check_refused("group.id", "x", "kafka.group");
    check_refused("bootstrap.servers", "x", "kafka.brokers");
    check_refused("no.such.property", "1", "no such property");
    check_refused("session.timeout.ms", "soon", "session.timeout.ms");
}
END_TEST

START_TEST(secrets)
{
    char file[] = "/tmp/drift_secret_XXXXXX";
    int fd = mkstemp(file);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, "s3cret\n", 7), 7);
    close(fd);
    struct drift_option o = {.name = (char *)"sasl.password", .secret = {.file = file}};
    struct drift_kafka_config c = config_of(&o, 1);
    rd_kafka_conf_t *conf = NULL;
    struct drift_err err;
    check_value(&c, DRIFT_KAFKA_CONSUMER, "sasl.password", "s3cret");
    o.name = (char *)"security.protocol"; /* librdkafka quotes a bad value in its text: it must not come out */
    ck_assert_int_eq(drift_kafka_conf(&c, DRIFT_KAFKA_CONSUMER, &conf, &err), DRIFT_E_CONFIG);
    ck_assert_msg(!strstr(err.text, "s3cret"), "%s", err.text);
    ck_assert_int_eq(chmod(file, 0644), 0);
    ck_assert_int_eq(drift_kafka_conf(&c, DRIFT_KAFKA_CONSUMER, &conf, &err), DRIFT_E_DENIED);
    unlink(file);
    ck_assert_int_ne(drift_kafka_conf(&c, DRIFT_KAFKA_CONSUMER, &conf, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "kafka.options.security.protocol"));
}
END_TEST

START_TEST(known_limits)
{
    struct drift_option o = {.name = (char *)"sasl.mechanism", .value = (char *)"SCRAM-SHA-512"};
    struct drift_kafka_config c = config_of(&o, 1);
    ck_assert_int_eq(drift_kafka_known_limit(&c) != NULL, rd_kafka_version() < 0x02060100);
    o.value = (char *)"PLAIN";
    ck_assert_ptr_null(drift_kafka_known_limit(&c));
}
END_TEST

START_TEST(errors)
{
    struct drift_err err;
    ck_assert_int_eq(drift_kafka_fail(&err, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "topic t"), DRIFT_E_DENIED);
    ck_assert_ptr_nonnull(strstr(err.text, "topic t: "));
    ck_assert_int_eq(drift_kafka_fail(&err, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "topic t"), DRIFT_E_NOT_FOUND);
    ck_assert_int_eq(drift_kafka_fail(&err, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, "topic t"), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_kafka_fail(&err, RD_KAFKA_RESP_ERR__TRANSPORT, "topic t"), DRIFT_E_AWAY);
    ck_assert_int_eq(err.action, DRIFT_RETRY);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kafka_conf");
    drift_test_add(s, "fixed", what_exact_counting_rests_on, 10);
    drift_test_add(s, "options", options_go_before_defaults, 10);
    drift_test_add(s, "refusals", refusals, 10);
    drift_test_add(s, "secrets", secrets, 10);
    drift_test_add(s, "limits", known_limits, 10);
    drift_test_add(s, "errors", errors, 10);
    return drift_test_run(s);
}
