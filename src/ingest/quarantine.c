/* src/ingest/quarantine.c    Refused records, kept in a topic of their own with the reason beside them. */
#include "driftd/internal/ingest/quarantine.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/log.h"
#include "driftd/internal/base/meter.h"
#include "driftd/internal/ingest/kafka_conf.h"

enum { QUEUE_MAX = 10000 };

struct drift_quarantine {
    rd_kafka_t *rk;
    char *topic;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    (void)opaque;
    if (m->err)
        drift_log(DRIFT_ERROR, "quarantine_failed", KV_S("topic", rd_kafka_topic_name(m->rkt)),
                  KV_S("text", rd_kafka_err2str(m->err)));
}

int drift_quarantine_new(const struct drift_kafka_config *cfg, struct drift_quarantine **ret, struct drift_err *err)
{
    rd_kafka_conf_t *conf;
    char text[256];
    int rc = drift_kafka_conf(cfg, DRIFT_KAFKA_PRODUCER, &conf, err);
    if (rc)
        return rc;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "cannot make the quarantine's Kafka producer: %s", text);
    }
    *ret = drift_xcalloc(1, sizeof **ret);
    (*ret)->rk = rk;
    (*ret)->topic = drift_xstrdup(cfg->quarantine_topic);
    return 0;
}

void drift_quarantine_free(struct drift_quarantine *q)
{
    if (!q)
        return;
    rd_kafka_flush(q->rk, 2000);
    rd_kafka_destroy(q->rk);
    free(q->topic);
    free(q);
}

bool drift_quarantine_put(struct drift_quarantine *q, const struct drift_record *rec, const char *topic,
                          int32_t partition, enum drift_reason why, const char *text)
{
    char number[24], where[24];
    if (rd_kafka_outq_len(q->rk) >= QUEUE_MAX)
        return false;
    snprintf(number, sizeof number, "%" PRId32, partition);
    snprintf(where, sizeof where, "%" PRId64, rec->offset);
    rd_kafka_error_t *error = rd_kafka_produceva(
        q->rk,
        (rd_kafka_vu_t[]){
            {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = q->topic},
            {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)rec->payload, rec->len}},
            {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
            {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"driftd-reason", drift_reason_name(why), -1}},
            {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"driftd-topic", topic, -1}},
            {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"driftd-partition", number, -1}},
            {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"driftd-offset", where, -1}},
            {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"driftd-text", text, -1}},
        },
        8);
    rd_kafka_poll(q->rk, 0);
    if (!error) {
        drift_count(DRIFT_M_QUARANTINED, topic);
        return true;
    }
    bool full = rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL;
    if (!full) /* too large for the topic, say: it stays where it is in the source topic, and is counted */
        drift_log(DRIFT_ERROR, "quarantine_failed", KV_S("topic", q->topic),
                  KV_S("text", rd_kafka_error_string(error)));
    rd_kafka_error_destroy(error);
    return !full;
}

bool drift_quarantine_settled(struct drift_quarantine *q, int wait_ms)
{
    return rd_kafka_outq_len(q->rk) == 0 || rd_kafka_flush(q->rk, wait_ms) == RD_KAFKA_RESP_ERR_NO_ERROR;
}
