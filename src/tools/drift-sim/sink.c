/* src/tools/drift-sim/sink.c    Produces to Kafka within bounds, and writes NDJSON. */
#include "sink.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/clock.h"

enum { TOPICS = 64, OUTPUTS = 64, ASK_MS = 20, IN_FLIGHT_BYTES = 4 << 20 };

struct sent { /* delivered, not yet committed by the group */
    int64_t offset;
    uint64_t bytes;
};
struct part {
    char *topic;
    int32_t partition;
    size_t head, n, cap; /* ring of sent records in order of offset */
    struct sent *ring;
};
struct output {
    char *topic; /* NULL: all */
    FILE *file;
};
struct sim_sink {
    struct sim_sink_settings s;
    rd_kafka_t *producer, *observer;
    uint64_t queued, ahead; /* bytes given to the producer; bytes delivered and not committed */
    uint64_t progress;      /* counts whatever moves */
    rd_kafka_resp_err_t failed;
    size_t n_parts, n_outputs;
    struct part parts[TOPICS * 4];
    struct output outputs[OUTPUTS];
};

static struct part *part_of(struct sim_sink *k, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < k->n_parts; i++)
        if (k->parts[i].partition == partition && !strcmp(k->parts[i].topic, topic))
            return &k->parts[i];
    if (k->n_parts == sizeof k->parts / sizeof *k->parts)
        return NULL;
    k->parts[k->n_parts] = (struct part){.topic = drift_xstrdup(topic), .partition = partition};
    return &k->parts[k->n_parts++];
}
static void part_push(struct part *p, int64_t offset, uint64_t bytes)
{
    if (p->n == p->cap) {
        struct sent *ring = drift_xcalloc(p->cap ? 2 * p->cap : 256, sizeof *ring);
        for (size_t i = 0; i < p->n; i++)
            ring[i] = p->ring[(p->head + i) % p->cap];
        free(p->ring);
        p->ring = ring;
        p->cap = p->cap ? 2 * p->cap : 256;
        p->head = 0;
    }
    p->ring[(p->head + p->n++) % p->cap] = (struct sent){offset, bytes};
}
static uint64_t part_committed(struct part *p, int64_t offset) /* next one to read; returns bytes let go */
{
    uint64_t bytes = 0;
    for (; p->n && p->ring[p->head].offset < offset; p->n--) {
        bytes += p->ring[p->head].bytes;
        p->head = (p->head + 1) % p->cap;
    }
    return bytes;
}

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    struct sim_sink *k = opaque;
    k->queued -= m->len;
    k->progress++;
    if (m->err) {
        k->failed = m->err;
        return;
    }
    struct part *p = k->observer ? part_of(k, rd_kafka_topic_name(m->rkt), m->partition) : NULL;
    if (p) {
        part_push(p, m->offset, m->len);
        k->ahead += m->len;
    }
}

/* What the followed group has committed by now.  A broker that does not answer is no error here: patience is. */
static void ask(struct sim_sink *k)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)k->n_parts);
    for (size_t i = 0; i < k->n_parts; i++)
        rd_kafka_topic_partition_list_add(list, k->parts[i].topic, k->parts[i].partition);
    if (!rd_kafka_committed(k->observer, list, 1000))
        for (size_t i = 0; i < k->n_parts; i++) {
            uint64_t bytes = list->elems[i].offset > 0 ? part_committed(&k->parts[i], list->elems[i].offset) : 0;
            k->ahead -= bytes;
            k->progress += bytes > 0;
        }
    rd_kafka_topic_partition_list_destroy(list); /* before rd_kafka_destroy(), which waits for it for ever */
}

static int kafka_new(struct sim_sink *k, rd_kafka_type_t type, const char *const *options, rd_kafka_t **ret,
                     struct drift_err *err)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_res_t rc = rd_kafka_conf_set(conf, "bootstrap.servers", k->s.brokers, text, sizeof text);
    for (; *options && rc == RD_KAFKA_CONF_OK; options += 2)
        rc = rd_kafka_conf_set(conf, options[0], options[1], text, sizeof text);
    rd_kafka_conf_set_opaque(conf, k);
    if (type == RD_KAFKA_PRODUCER)
        rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    *ret = rc == RD_KAFKA_CONF_OK ? rd_kafka_new(type, conf, text, sizeof text) : NULL;
    if (*ret)
        return 0;
    rd_kafka_conf_destroy(conf);
    return drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP, "kafka client: %s", text);
}

int sim_sink_new(const struct sim_sink_settings *s, struct sim_sink **ret, struct drift_err *err)
{
    struct sim_sink *k = drift_xcalloc(1, sizeof *k);
    k->s = *s;
    const char *producer[] = {"partitioner", "murmur2_random",     "linger.ms", "20", "acks",
                              "all",         "message.timeout.ms", "60000",     NULL};
    const char *observer[] = {"group.id", s->follow, NULL};
    int rc = s->brokers ? kafka_new(k, RD_KAFKA_PRODUCER, producer, &k->producer, err) : 0;
    if (!rc && s->brokers && s->follow)
        rc = kafka_new(k, RD_KAFKA_CONSUMER, observer, &k->observer, err);
    if (rc) {
        sim_sink_free(k);
        return rc;
    }
    *ret = k;
    return 0;
}
void sim_sink_free(struct sim_sink *k)
{
    if (!k)
        return;
    if (k->producer)
        rd_kafka_destroy(k->producer);
    if (k->observer)
        rd_kafka_destroy(k->observer);
    for (size_t i = 0; i < k->n_parts; i++) {
        free(k->parts[i].topic);
        free(k->parts[i].ring);
    }
    for (size_t i = 0; i < k->n_outputs; i++) {
        free(k->outputs[i].topic);
        fclose(k->outputs[i].file);
    }
    free(k);
}
int sim_sink_output(struct sim_sink *k, const char *topic, const char *file, struct drift_err *err)
{
    if (k->n_outputs == OUTPUTS)
        return drift_fail(err, DRIFT_E_FULL, DRIFT_STOP, "more than %d outputs", OUTPUTS);
    FILE *f = fopen(file, "w");
    if (!f)
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot write %s: %s", file, strerror(errno));
    k->outputs[k->n_outputs++] = (struct output){topic ? drift_xstrdup(topic) : NULL, f};
    return 0;
}

void sim_sink_poll(struct sim_sink *k, int wait_ms)
{
    if (k->producer)
        rd_kafka_poll(k->producer, wait_ms);
}
/* Waits until at most `queued` bytes are unanswered and `ahead` uncommitted. */
static int settle(struct sim_sink *k, uint64_t queued, uint64_t ahead, struct drift_err *err)
{
    uint64_t seen = k->progress;
    int64_t since = drift_mono_ms(&drift_clock_system);
    while (k->producer && !k->failed && !*k->s.stop && (k->queued > queued || k->ahead + k->queued > ahead)) {
        rd_kafka_poll(k->producer, ASK_MS);
        if (k->observer && k->ahead + k->queued > ahead)
            ask(k);
        int64_t now = drift_mono_ms(&drift_clock_system);
        if (k->progress != seen) {
            seen = k->progress;
            since = now;
        } else if (now - since > k->s.patience_ms) {
            return drift_fail(err, DRIFT_E_AWAY, DRIFT_STOP,
                              "no progress for %lld s: %llu bytes unanswered by %s, %llu not committed by group %s",
                              (long long)k->s.patience_ms / 1000, (unsigned long long)k->queued, k->s.brokers,
                              (unsigned long long)k->ahead, k->s.follow ? k->s.follow : "-");
        }
    }
    if (k->failed)
        return drift_fail(err, DRIFT_E_AWAY, DRIFT_STOP, "cannot produce to %s: %s", k->s.brokers,
                          rd_kafka_err2str(k->failed));
    return 0;
}
static uint64_t ahead_max(const struct sim_sink *k)
{
    return k->observer ? k->s.ahead_max : UINT64_MAX;
}

static int write_line(struct sim_sink *k, const char *topic, const void *p, size_t n, struct drift_err *err)
{
    for (size_t i = 0; i < k->n_outputs; i++) {
        struct output *o = &k->outputs[i];
        if (o->topic && strcmp(o->topic, topic))
            continue;
        if (fwrite(p, 1, n, o->file) != n || fputc('\n', o->file) == EOF)
            return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot write output: %s", strerror(errno));
    }
    return 0;
}
int sim_sink_send(struct sim_sink *k, const char *topic, const char *key, const void *p, size_t n, int64_t ts_ms,
                  struct drift_err *err)
{
    int rc = write_line(k, topic, p, n, err);
    if (rc || !k->producer)
        return rc;
    uint64_t limit = ahead_max(k);
    rc = settle(k, IN_FLIGHT_BYTES, limit > n ? limit - n : 0, err);
    if (rc)
        return rc;
    for (;;) {
        rd_kafka_resp_err_t e =
            rd_kafka_producev(k->producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, key ? strlen(key) : 0),
                              RD_KAFKA_V_VALUE((void *)(uintptr_t)p, n), RD_KAFKA_V_TIMESTAMP(ts_ms),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (!e)
            break;
        if (e != RD_KAFKA_RESP_ERR__QUEUE_FULL || *k->s.stop)
            return drift_fail(err, DRIFT_E_AWAY, DRIFT_STOP, "cannot produce to %s: %s", topic, rd_kafka_err2str(e));
        rd_kafka_poll(k->producer, 100);
    }
    k->queued += n;
    rd_kafka_poll(k->producer, 0);
    return 0;
}
int sim_sink_flush(struct sim_sink *k, bool committed, struct drift_err *err)
{
    for (size_t i = 0; i < k->n_outputs; i++)
        if (fflush(k->outputs[i].file))
            return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot write output: %s", strerror(errno));
    return settle(k, 0, committed && k->observer ? 0 : UINT64_MAX, err);
}
