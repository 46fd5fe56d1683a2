/* tests/bench/load.c    Makes the bench's topics, and consumes them raw: the yardstick for driftd's throughput.
 *
 *   load produce avro|json BROKERS TOPIC EVENTS PARTITIONS MODELS FEATURES
 *   load raw BROKERS TOPIC PARTITIONS                 consume everything and throw it away; CPU seconds, and
 *                                                     those of the wall clock from the first record on, on stdout
 *   load schema FEATURES                              the Avro schema of the events
 * Event i is the same in every topic.  Raw uses the same client settings as driftd (ingest/kafka_conf.c). */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { FEATURES_MAX = 1000, BATCH = 2000 };
static const int64_t T0 = 1767225600000; /* 2026-01-01; a million events span 15 minutes */

static uint64_t state;
static uint64_t next64(void)
{
    uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}
static double uniform(void)
{
    return ((double)(next64() >> 11) + 0.5) * 0x1p-53;
}
static double gauss(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

struct event {
    char id[40], model[24];
    int64_t time_ms;
    int n_features;
    double f[FEATURES_MAX];
    const char *country, *decision;
    double score;
};

/* Four families of marginals; every fifth feature is null now and then. */
static void make(struct event *e, int64_t i, int models, int features)
{
    static const char *const countries[] = {"DE", "US", "FR", "GB", "JP", "BR", "IN", "NL"};
    state = (uint64_t)i * 0xD1342543DE82EF95u + 12345;
    snprintf(e->id, sizeof e->id, "%016" PRIx64 "-%012" PRIx64, next64(), (uint64_t)i);
    snprintf(e->model, sizeof e->model, "model-%d", (int)(next64() % (uint64_t)models));
    e->time_ms = T0 + (int64_t)((double)i * 0.9) - (int64_t)(next64() % 200);
    e->n_features = features;
    for (int k = 0; k < features; k++) {
        double g = gauss();
        e->f[k] = k % 4 == 0 ? g : k % 4 == 1 ? exp(0.8 * g) : k % 4 == 2 ? floor(fabs(g) * 10) : 100 + 15 * g;
        if (k % 5 == 4 && uniform() < 0.02)
            e->f[k] = NAN;
    }
    e->country = countries[next64() % 8];
    e->score = 1 / (1 + exp(1.5 - e->f[0]));
    e->decision = e->score > 0.5 ? "block" : "allow";
}

static uint8_t *put_long(uint8_t *p, int64_t v)
{
    uint64_t z = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    for (; z > 0x7f; z >>= 7)
        *p++ = (uint8_t)(z | 0x80);
    *p++ = (uint8_t)z;
    return p;
}
static uint8_t *put_text(uint8_t *p, const char *s)
{
    size_t n = strlen(s);
    p = put_long(p, (int64_t)n);
    memcpy(p, s, n);
    return p + n;
}
static size_t as_avro(const struct event *e, uint8_t *buf)
{
    uint8_t *p = put_text(buf, e->id);
    p = put_long(p, e->time_ms);
    p = put_text(p, e->model);
    p = put_text(p, "2026.01.3");
    for (int k = 0; k < e->n_features; k++) {
        if (k % 5 == 4 && isnan(e->f[k])) {
            *p++ = 0;
            continue;
        }
        if (k % 5 == 4)
            *p++ = 2;
        memcpy(p, &e->f[k], 8);
        p += 8;
    }
    p = put_text(p, e->country);
    memcpy(p, &e->score, 8);
    return (size_t)(put_text(p + 8, e->decision) - buf);
}
static size_t as_json(const struct event *e, uint8_t *buf)
{
    char *p = (char *)buf;
    p += sprintf(p,
                 "{\"event_id\":\"%s\",\"event_time\":%" PRId64
                 ",\"model\":\"%s\",\"model_version\":\"2026.01.3\",\"features\":{",
                 e->id, e->time_ms, e->model);
    for (int k = 0; k < e->n_features; k++)
        p += isnan(e->f[k]) ? sprintf(p, "%s\"f%02d\":null", k ? "," : "", k)
                            : sprintf(p, "%s\"f%02d\":%.14g", k ? "," : "", k, e->f[k]);
    p += sprintf(p, ",\"country\":\"%s\"},\"score\":%.14g,\"decision\":\"%s\"}", e->country, e->score, e->decision);
    return (size_t)(p - (char *)buf);
}

static void print_schema(int features)
{
    printf("{\"type\":\"record\",\"name\":\"Event\",\"fields\":[{\"name\":\"event_id\",\"type\":\"string\"},"
           "{\"name\":\"event_time\",\"type\":\"long\"},{\"name\":\"model\",\"type\":\"string\"},"
           "{\"name\":\"model_version\",\"type\":\"string\"},{\"name\":\"features\",\"type\":{\"type\":\"record\","
           "\"name\":\"Features\",\"fields\":[");
    for (int k = 0; k < features; k++)
        printf("{\"name\":\"f%02d\",\"type\":%s},", k, k % 5 == 4 ? "[\"null\",\"double\"]" : "\"double\"");
    printf("{\"name\":\"country\",\"type\":\"string\"}]}},{\"name\":\"score\",\"type\":\"double\"},{\"name\":"
           "\"decision\",\"type\":\"string\"}]}\n");
}

static void set(rd_kafka_conf_t *c, const char *name, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(c, name, value, text, sizeof text) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "%s\n", text);
        exit(1);
    }
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *c)
{
    char text[256];
    rd_kafka_t *rk = rd_kafka_new(type, c, text, sizeof text);
    if (!rk) {
        fprintf(stderr, "%s\n", text);
        exit(1);
    }
    return rk;
}

static long failed;
static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    (void)opaque;
    failed += m->err != 0;
}

static int produce(char **a, int n)
{
    static uint8_t buf[64 * FEATURES_MAX + 4096];
    static struct event e;
    if (n < 7)
        return 2;
    int64_t events = atoll(a[3]);
    int partitions = atoi(a[4]), models = atoi(a[5]), features = atoi(a[6]);
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    set(c, "bootstrap.servers", a[1]);
    set(c, "linger.ms", "50");
    set(c, "queue.buffering.max.messages", "200000");
    rd_kafka_conf_set_dr_msg_cb(c, on_delivery);
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, c);
    for (int64_t i = 0; i < events; i++) {
        make(&e, i, models, features);
        size_t len = a[0][0] == 'a' ? as_avro(&e, buf) : as_json(&e, buf);
        while (rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(a[2]), RD_KAFKA_V_PARTITION((int32_t)(i % partitions)),
                                 RD_KAFKA_V_VALUE(buf, len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                 RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(rk, 50);
        if (i % 1000 == 0)
            rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, 60000);
    rd_kafka_destroy(rk);
    return failed ? 1 : 0;
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static int raw(char **a, int n)
{
    static rd_kafka_message_t *m[BATCH];
    if (n < 3)
        return 2;
    int partitions = atoi(a[2]), ends = 0;
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    set(c, "bootstrap.servers", a[0]);
    set(c, "group.id", "raw");
    set(c, "enable.auto.commit", "false");
    set(c, "enable.partition.eof", "true");
    set(c, "auto.offset.reset", "error");
    set(c, "queued.min.messages", "20000");
    set(c, "queued.max.messages.kbytes", "16384");
    if (rd_kafka_version() < 0x02020000)
        set(c, "topic.metadata.refresh.interval.ms", "20");
    else
        set(c, "fetch.queue.backoff.ms", "5");
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, c);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; i++)
        rd_kafka_topic_partition_list_add(l, a[1], i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, l);
    rd_kafka_topic_partition_list_destroy(l);
    rd_kafka_queue_t *q = rd_kafka_queue_get_consumer(rk);
    int64_t events = 0, bytes = 0;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    while (ends < partitions) {
        ssize_t got = rd_kafka_consume_batch_queue(q, 20, m, BATCH);
        if (!events && got > 0) /* connecting is not reading */
            clock_gettime(CLOCK_MONOTONIC, &from);
        for (ssize_t i = 0; i < got; i++) {
            ends += m[i]->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
            events += !m[i]->err;
            bytes += m[i]->err ? 0 : (int64_t)m[i]->len;
            rd_kafka_message_destroy(m[i]);
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("{\"events\":%" PRId64 ",\"bytes\":%" PRId64 ",\"cpu_s\":%.3f,\"wall_s\":%.3f}\n", events, bytes, cpu_s(),
           (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec));
    rd_kafka_queue_destroy(q);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return 0;
}

int main(int argc, char **argv)
{
    int status = 2;
    if (argc > 2 && !strcmp(argv[1], "produce"))
        status = produce(argv + 2, argc - 2);
    else if (argc > 2 && !strcmp(argv[1], "raw"))
        status = raw(argv + 2, argc - 2);
    else if (argc == 3 && !strcmp(argv[1], "schema") && atoi(argv[2]) <= FEATURES_MAX) {
        print_schema(atoi(argv[2]));
        status = 0;
    }
    if (status == 2)
        fprintf(stderr, "usage: load produce avro|json BROKERS TOPIC EVENTS PARTITIONS MODELS FEATURES | raw BROKERS "
                        "TOPIC PARTITIONS | schema FEATURES\n");
    return status;
}
