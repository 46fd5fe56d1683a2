/* src/ingest/quarantine.c    Refused records, kept in a topic of their own with the reason beside them. */
#include "driftd/internal/ingest/quarantine.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/base/log.h"
#include "driftd/internal/base/meter.h"
#include "driftd/internal/ingest/kafka_conf.h"

enum { QUEUE_MAX = 10000, RENEW_MS = 5000, CLOSE_MS = 500 };

struct drift_quarantine {
    const struct drift_kafka_config *cfg;
    rd_kafka_t *rk;
    char *topic;
    bool lost;                    /* a copy was not taken, and may be another time */
    char trouble[DRIFT_ERR_TEXT]; /* why */
    int64_t renewed_ms;
};

/* Refused for what the record is: it stays where it is in the source topic, and is counted. */
static bool is_final(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           code == RD_KAFKA_RESP_ERR_INVALID_MSG || code == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

static void note_lost(struct drift_quarantine *q, rd_kafka_resp_err_t code, const char *text)
{
    bool denied =
        code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    q->lost = true;
    if (denied)
        snprintf(q->trouble, sizeof q->trouble,
                 "the quarantine topic %.100s may not be written: give this user the ACL operations Describe and Write "
                 "on it (%s)",
                 q->topic, rd_kafka_err2name(code));
    else
        snprintf(q->trouble, sizeof q->trouble, "the quarantine topic %.100s takes nothing: %.120s", q->topic, text);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    if (m->err && !is_final(m->err))
        note_lost(opaque, m->err, rd_kafka_err2str(m->err));
    if (m->err)
        drift_log(DRIFT_ERROR, "quarantine_failed", KV_S("topic", rd_kafka_topic_name(m->rkt)),
                  KV_S("text", rd_kafka_err2str(m->err)));
}

static int open_client(struct drift_quarantine *q, struct drift_err *err)
{
    rd_kafka_conf_t *conf;
    char text[256];
    int rc = drift_kafka_conf(q->cfg, DRIFT_KAFKA_PRODUCER, &conf, err);
    if (rc)
        return rc;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, q);
    q->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!q->rk) {
        rd_kafka_conf_destroy(conf);
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "cannot make the quarantine's Kafka producer: %s", text);
    }
    q->renewed_ms = drift_mono_ms(&drift_clock_system);
    return 0;
}

int drift_quarantine_new(const struct drift_kafka_config *cfg, struct drift_quarantine **ret, struct drift_err *err)
{
    struct drift_quarantine *q = drift_xcalloc(1, sizeof *q);
    q->cfg = cfg;
    q->topic = drift_xstrdup(cfg->quarantine_topic);
    int rc = open_client(q, err);
    if (rc)
        drift_quarantine_free(q);
    else
        *ret = q;
    return rc;
}

void drift_quarantine_free(struct drift_quarantine *q)
{
    if (!q)
        return;
    if (q->rk) {
        rd_kafka_flush(q->rk, CLOSE_MS);
        rd_kafka_purge(q->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_destroy(q->rk);
    }
    free(q->topic);
    free(q);
}

/* An idempotent producer that was refused its id is dead for good, though the right may be granted later. */
static bool alive(struct drift_quarantine *q)
{
    char text[200];
    struct drift_err err;
    rd_kafka_resp_err_t fatal = q->rk ? rd_kafka_fatal_error(q->rk, text, sizeof text) : RD_KAFKA_RESP_ERR__STATE;
    if (!fatal)
        return true;
    if (q->rk)
        note_lost(q, fatal, text);
    if (drift_mono_ms(&drift_clock_system) - q->renewed_ms < RENEW_MS)
        return false;
    if (q->rk) {
        rd_kafka_purge(q->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_destroy(q->rk);
        q->rk = NULL;
    }
    return !open_client(q, &err);
}

const char *drift_quarantine_lost(struct drift_quarantine *q)
{
    if (q->rk)
        rd_kafka_poll(q->rk, 0);
    bool lost = q->lost;
    q->lost = false;
    return lost ? q->trouble : NULL;
}

const char *drift_quarantine_trouble(const struct drift_quarantine *q)
{
    return *q->trouble ? q->trouble : "the quarantine topic takes nothing";
}

bool drift_quarantine_put(struct drift_quarantine *q, const struct drift_record *rec, const char *topic,
                          int32_t partition, enum drift_reason why, const char *text)
{
    char number[24], where[24];
    if (!alive(q) || rd_kafka_outq_len(q->rk) >= QUEUE_MAX)
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
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    bool final = is_final(code);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        note_lost(q, code, rd_kafka_error_string(error));
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
        drift_log(DRIFT_ERROR, "quarantine_failed", KV_S("topic", q->topic),
                  KV_S("text", rd_kafka_error_string(error)));
    rd_kafka_error_destroy(error);
    return final;
}

bool drift_quarantine_settled(struct drift_quarantine *q, int wait_ms)
{
    if (!q->rk || q->lost)
        return false;
    return rd_kafka_outq_len(q->rk) == 0 || (rd_kafka_flush(q->rk, wait_ms) == RD_KAFKA_RESP_ERR_NO_ERROR && !q->lost);
}
