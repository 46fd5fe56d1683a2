/* tests/support/kafka_io.c    Raw Kafka for the Python tests: topics, records of any bytes, and what a topic holds.
 *
 *     kafka_io topic BROKERS TOPIC PARTITIONS [KEY=VALUE]...     create; an existing topic is no error;
 *                                                                replication=N is the number of replicas (1)
 *     kafka_io grow BROKERS TOPIC PARTITIONS                     more partitions for a topic
 *     kafka_io delete BROKERS TOPIC
 *     kafka_io allow BROKERS NAME topic|group OPERATION USER     an ACL: read, write, describe
 *     kafka_io truncate BROKERS TOPIC PARTITION OFFSET           removes the records before the offset
 *     kafka_io produce BROKERS TOPIC < records                   little endian, a record: i32 partition (-1: by key),
 *                                                                i64 timestamp (-1: now), i32 key bytes, i32 value
 *                                                                bytes (-1: null), key, value
 *     kafka_io transactions BROKERS TOPIC N < records            the same records, N to a transaction; one whose first
 *                                                                record has the key `abort` is aborted
 *     kafka_io feed BROKERS TOPIC... < records                   for hours, through broker failures: each record has an
 *                                                                i32 index of its topic in front and no timestamp; at
 *                                                                the end prints how many were delivered, and how many
 *                                                                nobody knows about
 *     kafka_io consume BROKERS TOPIC > lines                     every record up to the end, one JSON object a line;
 *                                                                key, value and header values as hex */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die(const char *what, const char *why)
{
    fprintf(stderr, "kafka_io: %s: %s\n", what, why);
    exit(1);
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *brokers,
                          void (*on_delivery)(rd_kafka_t *, const rd_kafka_message_t *, void *))
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *options[][2] = {{"bootstrap.servers", brokers},
                                {"partitioner", "murmur2_random"},
                                {"linger.ms", "5"},
                                {"message.timeout.ms", "60000"},
                                {"log_level", "3"}};
    for (size_t i = type == RD_KAFKA_CONSUMER ? 4 : 0; i < 5; i++)
        if (rd_kafka_conf_set(conf, options[i][0], options[i][1], text, sizeof text) != RD_KAFKA_CONF_OK)
            die(options[i][0], text);
    if (type == RD_KAFKA_CONSUMER) {
        const char *more[][2] = {{"bootstrap.servers", brokers},
                                 {"group.id", "kafka_io"},
                                 {"enable.partition.eof", "true"},
                                 {"enable.auto.commit", "false"},
                                 {"auto.offset.reset", "earliest"}};
        for (size_t i = 0; i < 5; i++)
            if (rd_kafka_conf_set(conf, more[i][0], more[i][1], text, sizeof text) != RD_KAFKA_CONF_OK)
                die(more[i][0], text);
    }
    if (on_delivery)
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (!rk)
        die("client", text);
    return rk;
}

/* ---- topic, delete ---- */
static int admin_wait(rd_kafka_queue_t *q, rd_kafka_resp_err_t fine)
{
    rd_kafka_event_t *ev = rd_kafka_queue_poll(q, 30000);
    if (!ev)
        die("admin", "no answer within 30 s");
    if (rd_kafka_event_error(ev))
        die("admin", rd_kafka_event_error_string(ev));
    size_t n = 0;
    const rd_kafka_topic_result_t **results = NULL;
    if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_CREATETOPICS_RESULT)
        results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(ev), &n);
    else if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_CREATEPARTITIONS_RESULT)
        results = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(ev), &n);
    else if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_DELETETOPICS_RESULT)
        results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(ev), &n);
    for (size_t i = 0; i < n; i++) {
        rd_kafka_resp_err_t e = rd_kafka_topic_result_error(results[i]);
        if (e && e != fine)
            die(rd_kafka_topic_result_name(results[i]), rd_kafka_err2str(e));
    }
    rd_kafka_event_destroy(ev);
    return 0;
}
static int topic(int argc, char **argv)
{
    if (argc < 5)
        die("topic", "needs BROKERS TOPIC PARTITIONS");
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, argv[2], NULL);
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    char text[512];
    int replicas = 1;
    for (int i = 5; i < argc; i++)
        if (!strncmp(argv[i], "replication=", 12))
            replicas = atoi(argv[i] + 12);
    rd_kafka_NewTopic_t *t = rd_kafka_NewTopic_new(argv[3], atoi(argv[4]), replicas, text, sizeof text);
    if (!t)
        die(argv[3], text);
    for (int i = 5; i < argc; i++) {
        if (!strncmp(argv[i], "replication=", 12))
            continue;
        char *eq = strchr(argv[i], '=');
        if (!eq)
            die(argv[i], "not KEY=VALUE");
        *eq = 0;
        rd_kafka_NewTopic_set_config(t, argv[i], eq + 1);
    }
    rd_kafka_CreateTopics(rk, &t, 1, NULL, q);
    admin_wait(q, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS);
    rd_kafka_NewTopic_destroy(t);
    rd_kafka_queue_destroy(q);
    rd_kafka_destroy(rk);
    return 0;
}
static int grow(int argc, char **argv)
{
    char text[512];
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, argv[2], NULL);
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    rd_kafka_NewPartitions_t *n =
        rd_kafka_NewPartitions_new(argv[3], (size_t)atoi(argc > 4 ? argv[4] : "0"), text, sizeof text);
    if (!n)
        die(argv[3], text);
    rd_kafka_CreatePartitions(rk, &n, 1, NULL, q);
    admin_wait(q, RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_NewPartitions_destroy(n);
    rd_kafka_queue_destroy(q);
    rd_kafka_destroy(rk);
    return 0;
}
static int delete (char **argv)
{
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, argv[2], NULL);
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    rd_kafka_DeleteTopic_t *t = rd_kafka_DeleteTopic_new(argv[3]);
    rd_kafka_DeleteTopics(rk, &t, 1, NULL, q);
    admin_wait(q, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    rd_kafka_DeleteTopic_destroy(t);
    rd_kafka_queue_destroy(q);
    rd_kafka_destroy(rk);
    return 0;
}

/* Removes what lies before the offset. */
static int truncate_log(int argc, char **argv)
{
    if (argc < 6)
        die("truncate", "needs BROKERS TOPIC PARTITION OFFSET");
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, argv[2], NULL);
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(l, argv[3], atoi(argv[4]))->offset = atoll(argv[5]);
    rd_kafka_DeleteRecords_t *d = rd_kafka_DeleteRecords_new(l);
    rd_kafka_DeleteRecords(rk, &d, 1, NULL, q);
    admin_wait(q, RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_DeleteRecords_destroy(d);
    rd_kafka_topic_partition_list_destroy(l);
    rd_kafka_queue_destroy(q);
    rd_kafka_destroy(rk);
    return 0;
}

/* ---- produce ---- */
static uint64_t n_delivered;
static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    (void)opaque;
    if (m->err)
        die("produce", rd_kafka_err2str(m->err));
    n_delivered++;
}
static int take(void *p, size_t n) /* 0: the input ended before the first byte */
{
    size_t got = fread(p, 1, n, stdin);
    if (got && got < n)
        die("stdin", "ends inside a record");
    return got == n;
}
static uint8_t *bytes(int32_t n)
{
    if (n < 0)
        return NULL;
    if (n > 64 << 20)
        die("stdin", "a record of more than 64 MiB");
    uint8_t *p = malloc((size_t)n + 1);
    if (!p || (n && !take(p, (size_t)n)))
        die("stdin", "ends inside a record");
    return p;
}
static void check(rd_kafka_error_t *e)
{
    if (e)
        die("transaction", rd_kafka_error_string(e));
}
static rd_kafka_t *transactional(const char *brokers)
{
    char text[512], id[64];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    snprintf(id, sizeof id, "kafka_io-%ld", (long)getpid());
    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text) ||
        rd_kafka_conf_set(conf, "partitioner", "murmur2_random", text, sizeof text) ||
        rd_kafka_conf_set(conf, "transactional.id", id, text, sizeof text) ||
        /* nobody waits longer for one whose producer was killed */
        rd_kafka_conf_set(conf, "transaction.timeout.ms", "10000", text, sizeof text))
        die("client", text);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk)
        die("client", text);
    check(rd_kafka_init_transactions(rk, 30000));
    return rk;
}
static void end_transaction(rd_kafka_t *rk, int aborts)
{
    if (rd_kafka_flush(rk, 30000)) /* aborting would drop what was not sent */
        die("transaction", "not everything was delivered within 30 s");
    check(aborts ? rd_kafka_abort_transaction(rk, 30000) : rd_kafka_commit_transaction(rk, 30000));
}
/* per: records to a transaction; 0: none */
static int produce(char **argv, uint64_t per)
{
    rd_kafka_t *rk = per ? transactional(argv[2]) : client(RD_KAFKA_PRODUCER, argv[2], delivered);
    struct __attribute__((packed)) {
        int32_t partition;
        int64_t timestamp;
        int32_t key, value;
    } h;
    uint64_t n = 0;
    int aborts = 0;
    for (; take(&h, sizeof h); n++) {
        uint8_t *key = bytes(h.key), *value = bytes(h.value);
        if (per && n % per == 0) {
            if (n)
                end_transaction(rk, aborts);
            aborts = h.key == 5 && !memcmp(key, "abort", 5);
            check(rd_kafka_begin_transaction(rk));
        }
        rd_kafka_resp_err_t e;
        while ((e = rd_kafka_producev(
                    rk, RD_KAFKA_V_TOPIC(argv[3]), RD_KAFKA_V_PARTITION(h.partition),
                    RD_KAFKA_V_KEY(key, key ? (size_t)h.key : 0), RD_KAFKA_V_VALUE(value, value ? (size_t)h.value : 0),
                    RD_KAFKA_V_TIMESTAMP(h.timestamp < 0 ? 0 : h.timestamp), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                    RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(rk, 50);
        if (e)
            die(argv[3], rd_kafka_err2str(e));
        rd_kafka_poll(rk, 0);
        free(key);
        free(value);
    }
    if (per) {
        if (n)
            end_transaction(rk, aborts);
        printf("%" PRIu64 "\n", n);
        rd_kafka_destroy(rk);
        return 0;
    }
    if (rd_kafka_flush(rk, 60000))
        die("produce", "not everything was delivered within 60 s");
    printf("%" PRIu64 "\n", n_delivered);
    rd_kafka_destroy(rk);
    return n_delivered == n ? 0 : 1;
}

/* ---- feed ---- */
static uint64_t n_unknown;
static void settled(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    (void)opaque;
    *(m->err ? &n_unknown : &n_delivered) += 1;
}
static rd_kafka_t *feeder(const char *brokers)
{
    static const char *const options[][2] = {{"enable.idempotence", "true"},
                                             {"partitioner", "murmur2_random"},
                                             {"linger.ms", "5"},
                                             {"message.timeout.ms", "300000"},
                                             {"queue.buffering.max.messages", "20000"},
                                             {"reconnect.backoff.max.ms", "500"},
                                             {"log_level", "2"}};
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text))
        die("client", text);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (rd_kafka_conf_set(conf, options[i][0], options[i][1], text, sizeof text))
            die(options[i][0], text);
    rd_kafka_conf_set_dr_msg_cb(conf, settled);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk)
        die("client", text);
    return rk;
}
/* Whoever reads the topics afterwards knows what arrived: a record that was given up is no failure here. */
static int feed(int argc, char **argv)
{
    rd_kafka_t *rk = feeder(argv[2]);
    struct __attribute__((packed)) {
        int32_t topic, partition, key, value;
    } h;
    char text[512];
    while (take(&h, sizeof h)) {
        uint8_t *key = bytes(h.key), *value = bytes(h.value);
        if (h.topic < 0 || h.topic >= argc - 3)
            die("stdin", "an index of no topic");
        rd_kafka_resp_err_t e;
        while ((e = rd_kafka_producev(
                    rk, RD_KAFKA_V_TOPIC(argv[3 + h.topic]), RD_KAFKA_V_PARTITION(h.partition),
                    RD_KAFKA_V_KEY(key, key ? (size_t)h.key : 0), RD_KAFKA_V_VALUE(value, value ? (size_t)h.value : 0),
                    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(rk, 50);
        if (rd_kafka_fatal_error(rk, text, sizeof text))
            die("feed", text);
        if (e)
            die(argv[3 + h.topic], rd_kafka_err2str(e));
        rd_kafka_poll(rk, 0);
        free(key);
        free(value);
    }
    rd_kafka_flush(rk, 120000);
    printf("{\"delivered\":%" PRIu64 ",\"unknown\":%" PRIu64 "}\n", n_delivered,
           n_unknown + (uint64_t)rd_kafka_outq_len(rk));
    rd_kafka_destroy(rk);
    return 0;
}

/* ---- consume ---- */
static void hex(const char *name, const void *p, size_t n)
{
    if (!p) {
        printf(",\"%s\":null", name);
        return;
    }
    printf(",\"%s\":\"", name);
    for (size_t i = 0; i < n; i++)
        printf("%02x", ((const uint8_t *)p)[i]);
    putchar('"');
}
static void show(const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t type;
    printf("{\"partition\":%" PRId32 ",\"offset\":%" PRId64 ",\"timestamp\":%" PRId64, m->partition, m->offset,
           rd_kafka_message_timestamp(m, &type));
    hex("key", m->key, m->key_len);
    hex("value", m->payload, m->len);
    rd_kafka_headers_t *headers;
    fputs(",\"headers\":{\"\":null", stdout);
    if (!rd_kafka_message_headers(m, &headers)) {
        const char *name;
        const void *value;
        size_t n;
        for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &n); i++)
            hex(name, value, n);
    }
    fputs("}}\n", stdout);
}
static int consume(char **argv)
{
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, argv[2], NULL);
    rd_kafka_poll_set_consumer(rk);
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_topic_t *t = rd_kafka_topic_new(rk, argv[3], NULL);
    rd_kafka_resp_err_t e = rd_kafka_metadata(rk, 0, t, &md, 30000);
    if (e)
        die(argv[3], rd_kafka_err2str(e));
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    for (int i = 0; i < md->topics[0].partition_cnt; i++)
        rd_kafka_topic_partition_list_add(list, argv[3], i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    int left = md->topics[0].err ? 0 : md->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(md);
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    while (left) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 30000);
        if (!m)
            die(argv[3], "nothing within 30 s");
        if (!m->err)
            show(m);
        else if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            left--;
        else
            die(argv[3], rd_kafka_message_errstr(m));
        rd_kafka_message_destroy(m);
    }
    rd_kafka_topic_destroy(t);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return 0;
}

/* ---- allow ---- */
static int allow(char **argv)
{
    char text[256];
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, argv[2], NULL);
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    rd_kafka_AclOperation_t operation = !strcmp(argv[5], "read")    ? RD_KAFKA_ACL_OPERATION_READ
                                        : !strcmp(argv[5], "write") ? RD_KAFKA_ACL_OPERATION_WRITE
                                                                    : RD_KAFKA_ACL_OPERATION_DESCRIBE;
    rd_kafka_AclBinding_t *acl =
        rd_kafka_AclBinding_new(!strcmp(argv[4], "group") ? RD_KAFKA_RESOURCE_GROUP : RD_KAFKA_RESOURCE_TOPIC, argv[3],
                                RD_KAFKA_RESOURCE_PATTERN_LITERAL, argv[6], "*", operation,
                                RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, text, sizeof text);
    if (!acl)
        die("acl", text);
    rd_kafka_CreateAcls(rk, &acl, 1, NULL, q);
    rd_kafka_event_t *ev = rd_kafka_queue_poll(q, 30000);
    if (!ev || rd_kafka_event_error(ev))
        die("acl", ev ? rd_kafka_event_error_string(ev) : "no answer within 30 s");
    size_t n = 0;
    const rd_kafka_acl_result_t **results = rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(ev), &n);
    if (n != 1 || rd_kafka_acl_result_error(results[0]))
        die("acl", n ? rd_kafka_error_string(rd_kafka_acl_result_error(results[0])) : "no result");
    rd_kafka_event_destroy(ev);
    rd_kafka_AclBinding_destroy(acl);
    rd_kafka_queue_destroy(q);
    rd_kafka_destroy(rk);
    return 0;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 3 ? argv[1] : "";
    if (!strcmp(verb, "transactions") && argc > 4 && atoi(argv[4]) > 0)
        return produce(argv, (uint64_t)atoi(argv[4]));
    if (!strcmp(verb, "grow"))
        return grow(argc, argv);
    if (!strcmp(verb, "topic"))
        return topic(argc, argv);
    if (!strcmp(verb, "truncate"))
        return truncate_log(argc, argv);
    if (!strcmp(verb, "allow") && argc == 7)
        return allow(argv);
    if (!strcmp(verb, "delete"))
        return delete (argv);
    if (!strcmp(verb, "produce"))
        return produce(argv, 0);
    if (!strcmp(verb, "feed"))
        return feed(argc, argv);
    if (!strcmp(verb, "consume"))
        return consume(argv);
    fputs("usage: kafka_io topic|grow|delete|allow|truncate|produce|transactions|feed|consume BROKERS TOPIC ...\n",
          stderr);
    return 2;
}
