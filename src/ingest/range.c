/* src/ingest/range.c    Bounded reads of topics for `baseline build` and `init`.
 *
 * rd_kafka_consumer_poll one record at a time: cold path, and it serves error callbacks, which the batch call does
 * not.  A group.id must be set for rd_kafka_assign() to exist; as nothing subscribes, a refusal to use that group is
 * no obstacle and is ignored. */
#include "driftd/internal/ingest/range.h"

#include <errno.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/config/topics.h"
#include "driftd/internal/ingest/kafka_conf.h"

enum { POLL_MS = 250 };

/* What librdkafka reported beside the records. */
struct trouble {
    rd_kafka_resp_err_t code;
    char text[256];
};

struct reader {
    rd_kafka_t *rk;
    struct trouble trouble;
};

void drift_range_release(struct drift_range *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->part[i].topic);
    free(r->part);
    *r = (struct drift_range){0};
}

uint64_t drift_range_size(const struct drift_range *r)
{
    uint64_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += (uint64_t)(r->part[i].to - r->part[i].from);
    return n;
}

char *drift_range_json(const struct drift_range *r)
{
    struct drift_buf b;
    drift_buf_init(&b, SIZE_MAX / 2);
    drift_buf_adds(&b, "{\"topics\":[");
    for (size_t i = 0; i < r->n; i++) /* topic names are [A-Za-z0-9._-]: nothing to escape */
        drift_buf_addf(&b, "%s{\"topic\":\"%s\",\"partition\":%" PRId32 ",\"from\":%" PRId64 ",\"to\":%" PRId64 "}",
                       i ? "," : "", r->part[i].topic, r->part[i].partition, r->part[i].from, r->part[i].to);
    drift_buf_adds(&b, "]}");
    return b.data;
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct reader *rd = opaque;
    (void)rk;
    /* "all brokers down" follows the reason and says less */
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && rd->trouble.code)
        return;
    rd->trouble.code = (rd_kafka_resp_err_t)code;
    snprintf(rd->trouble.text, sizeof rd->trouble.text, "%s", reason);
}

static int reader_open(const struct drift_kafka_config *cfg, struct reader *rd, struct drift_err *err)
{
    rd_kafka_conf_t *conf;
    char text[256];
    int rc = drift_kafka_conf(cfg, DRIFT_KAFKA_READER, &conf, err);
    if (rc)
        return rc;
    *rd = (struct reader){0};
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, rd);
    if (!(rd->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text))) {
        rd_kafka_conf_destroy(conf);
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "kafka client cannot be made: %s", text);
    }
    return 0;
}

static void reader_close(struct reader *rd)
{
    if (rd->rk)
        rd_kafka_destroy_flags(rd->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    rd->rk = NULL;
}

/* The error of a call, with what librdkafka reported behind the scenes when that says more. */
static int reader_fail(struct reader *rd, rd_kafka_resp_err_t code, const char *what, struct drift_err *err)
{
    rd_kafka_poll(rd->rk, 0); /* serves on_error */
    bool vague = code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (!vague || !rd->trouble.code)
        return drift_kafka_fail(err, code, what);
    struct drift_err inner;
    int rc = drift_kafka_fail(&inner, rd->trouble.code, what);
    return drift_fail(err, (enum drift_code)rc, inner.action, "%s: %s", what, rd->trouble.text);
}

/* ---- resolving ---- */

static int part_add(struct drift_range *r, const char *topic, int32_t partition, int64_t from, int64_t to)
{
    r->part = drift_xrealloc(r->part, r->n + 1, sizeof *r->part);
    r->part[r->n++] = (struct drift_range_part){drift_xstrdup(topic), partition, from, to};
    return 0;
}

static int topic_resolve(struct reader *rd, const char *topic, int timeout_ms, struct drift_range *r,
                         struct drift_err *err)
{
    const struct rd_kafka_metadata *meta = NULL;
    char what[320];
    int rc = 0;
    snprintf(what, sizeof what, "topic %s", topic);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rd->rk, topic, NULL);
    if (!rkt)
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "%s: not a topic name", what);
    rd_kafka_resp_err_t e = rd_kafka_metadata(rd->rk, 0, rkt, &meta, timeout_ms);
    if (!e && meta->topic_cnt == 1)
        e = meta->topics[0].err;
    if (e)
        rc = reader_fail(rd, e, what, err);
    else if (meta->topic_cnt != 1 || meta->topics[0].partition_cnt < 1)
        rc = drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_RETRY, "%s: the brokers name no partition of it", what);
    for (int i = 0; !rc && i < meta->topics[0].partition_cnt; i++) {
        int64_t low = 0, high = 0;
        int32_t p = meta->topics[0].partitions[i].id;
        e = rd_kafka_query_watermark_offsets(rd->rk, topic, p, &low, &high, timeout_ms);
        rc = e ? reader_fail(rd, e, what, err) : part_add(r, topic, p, low, high);
    }
    if (meta)
        rd_kafka_metadata_destroy(meta);
    rd_kafka_topic_destroy(rkt);
    return rc;
}

/* Topics of the cluster that a pattern matches, each once however many patterns do. */
static int pattern_resolve(struct reader *rd, const char *pattern, int timeout_ms, struct drift_range *r,
                           struct drift_err *err)
{
    const struct rd_kafka_metadata *md = NULL;
    size_t before = r->n;
    bool any = false;
    rd_kafka_resp_err_t e = rd_kafka_metadata(rd->rk, 1, NULL, &md, timeout_ms);
    int rc = e ? reader_fail(rd, e, pattern, err) : 0;
    for (int i = 0; !rc && i < md->topic_cnt; i++) {
        const char *name = md->topics[i].topic;
        if (md->topics[i].err || !drift_topic_matches(pattern, name))
            continue;
        bool known = false;
        for (size_t k = 0; k < before; k++)
            known = known || !strcmp(r->part[k].topic, name);
        any = true;
        if (!known)
            rc = topic_resolve(rd, name, timeout_ms, r, err);
    }
    if (md)
        rd_kafka_metadata_destroy(md);
    return !rc && !any ? drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_RETRY, "no topic matches %s", pattern) : rc;
}

static int raise_to_time(struct reader *rd, struct drift_range *r, int64_t from_ms, int timeout_ms,
                         struct drift_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)r->n);
    for (size_t i = 0; i < r->n; i++)
        rd_kafka_topic_partition_list_add(list, r->part[i].topic, r->part[i].partition)->offset = from_ms;
    rd_kafka_resp_err_t e = rd_kafka_offsets_for_times(rd->rk, list, timeout_ms);
    int rc = e ? reader_fail(rd, e, "offsets by time", err) : 0;
    for (size_t i = 0; !rc && i < r->n; i++) {
        struct drift_range_part *p = &r->part[i];
        const rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_find(list, p->topic, p->partition);
        if (!at || at->err)
            rc = reader_fail(rd, at ? at->err : RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, "offsets by time", err);
        else if (at->offset < 0 || at->offset > p->to) /* nothing is that new */
            p->from = p->to;
        else if (at->offset > p->from)
            p->from = at->offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return rc;
}

int drift_range_resolve(const struct drift_kafka_config *cfg, const char *const *topics, size_t n_topics,
                        int64_t from_ms, int64_t timeout_ms, struct drift_range *ret, struct drift_err *err)
{
    struct reader rd;
    struct drift_range r = {0};
    int rc = reader_open(cfg, &rd, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < n_topics && !rc; i++) /* names first: what a pattern finds may be among them */
        rc = drift_topic_is_pattern(topics[i]) ? 0 : topic_resolve(&rd, topics[i], (int)timeout_ms, &r, err);
    for (size_t i = 0; i < n_topics && !rc; i++)
        rc = drift_topic_is_pattern(topics[i]) ? pattern_resolve(&rd, topics[i], (int)timeout_ms, &r, err) : 0;
    if (!rc && from_ms > 0)
        rc = raise_to_time(&rd, &r, from_ms, (int)timeout_ms, err);
    reader_close(&rd);
    if (rc) {
        drift_range_release(&r);
        return rc;
    }
    *ret = r;
    return 0;
}

/* ---- reading ---- */

struct pass {
    struct reader rd;
    const struct drift_range *range;
    int64_t *next; /* per part: everything below is done */
    size_t n_open; /* parts that are not at their end */
    size_t at;     /* part of the last record */
    uint64_t done, total;
};

static int pass_assign(struct pass *p, struct drift_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)p->range->n);
    for (size_t i = 0; i < p->range->n; i++) {
        const struct drift_range_part *part = &p->range->part[i];
        p->next[i] = part->from;
        if (part->from >= part->to)
            continue;
        rd_kafka_topic_partition_list_add(list, part->topic, part->partition)->offset = part->from;
        p->n_open++;
    }
    rd_kafka_poll_set_consumer(p->rd.rk);
    rd_kafka_resp_err_t e = rd_kafka_assign(p->rd.rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return e ? drift_kafka_fail(err, e, "assigning partitions") : 0;
}

static bool is_part(const struct drift_range_part *part, const char *topic, int32_t partition)
{
    return part->partition == partition && !strcmp(part->topic, topic);
}

/* Index of the record's part; range->n when it is none of ours. */
static size_t part_of(struct pass *p, const rd_kafka_message_t *m)
{
    const char *topic = m->rkt ? rd_kafka_topic_name(m->rkt) : "";
    if (is_part(&p->range->part[p->at], topic, m->partition))
        return p->at;
    for (size_t i = 0; i < p->range->n; i++)
        if (is_part(&p->range->part[i], topic, m->partition))
            return p->at = i;
    return p->range->n;
}

/* Everything of the part below `next` is done. */
static void advance(struct pass *p, size_t i, int64_t next)
{
    const struct drift_range_part *part = &p->range->part[i];
    if (p->next[i] >= part->to || next <= p->next[i])
        return;
    if (next > part->to)
        next = part->to;
    p->done += (uint64_t)(next - p->next[i]);
    p->next[i] = next;
    if (next == part->to)
        p->n_open--;
}

static int on_failure(struct pass *p, const rd_kafka_message_t *m, struct drift_err *err)
{
    char what[320];
    size_t i = m->rkt ? part_of(p, m) : p->range->n;
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (i < p->range->n)
            advance(p, i, p->range->part[i].to);
        return 0;
    }
    if (m->err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
        return 0;
    snprintf(what, sizeof what, "topic %s, partition %" PRId32, m->rkt ? rd_kafka_topic_name(m->rkt) : "-",
             m->partition);
    int rc = drift_kafka_fail(err, m->err, what);
    if (rc == DRIFT_E_AWAY) /* librdkafka tries again; the time-out decides */
        return 0;
    if (rc == DRIFT_E_RANGE)
        return drift_fail(
            err, DRIFT_E_RANGE, DRIFT_STOP,
            "%s: retention removed records of the range while it was read: start later or keep them longer", what);
    return rc;
}

static int on_record(struct pass *p, const rd_kafka_message_t *m, drift_range_fn *record, void *ctx,
                     struct drift_err *err)
{
    size_t i = part_of(p, m);
    if (i == p->range->n || m->offset < p->next[i] || m->offset >= p->range->part[i].to) {
        if (i < p->range->n)
            advance(p, i, m->offset + 1);
        return 0;
    }
    rd_kafka_timestamp_type_t type;
    struct drift_record rec = {m->payload, m->payload ? m->len : 0, m->offset, rd_kafka_message_timestamp(m, &type),
                               false};
    rec.log_append_time = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
    int rc = record(ctx, &rec, p->range->part[i].topic, m->partition, err);
    advance(p, i, m->offset + 1);
    return rc;
}

static int timed_out(struct pass *p, int64_t timeout_ms, struct drift_err *err)
{
    return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY,
                      "no record for %" PRId64 " s with %zu partitions not at their end%s%s", timeout_ms / 1000,
                      p->n_open, p->rd.trouble.code ? ": " : "", p->rd.trouble.text);
}

static int pass_run(struct pass *p, int64_t timeout_ms, drift_range_fn *record, drift_range_progress_fn *progress,
                    void *ctx, struct drift_err *err)
{
    int64_t last = drift_mono_ms(&drift_clock_system), shown = last;
    int rc = 0;
    while (p->n_open && !rc) {
        uint64_t before = p->done;
        rd_kafka_message_t *m = rd_kafka_consumer_poll(p->rd.rk, POLL_MS);
        if (m) {
            rc = m->err ? on_failure(p, m, err) : on_record(p, m, record, ctx, err);
            rd_kafka_message_destroy(m);
        }
        int64_t now = drift_mono_ms(&drift_clock_system);
        if (p->done != before)
            last = now;
        if (progress && now - shown >= POLL_MS) {
            progress(ctx, p->done, p->total);
            shown = now;
        }
        if (!rc && p->n_open && now - last > timeout_ms)
            rc = timed_out(p, timeout_ms, err);
    }
    if (!rc && progress)
        progress(ctx, p->done, p->total);
    return rc;
}

int drift_range_read(const struct drift_kafka_config *cfg, const struct drift_range *r, int64_t timeout_ms,
                     drift_range_fn *record, drift_range_progress_fn *progress, void *ctx, struct drift_err *err)
{
    struct pass p = {.range = r, .total = drift_range_size(r)};
    if (!p.total)
        return 0;
    int rc = reader_open(cfg, &p.rd, err);
    if (rc)
        return rc;
    p.next = drift_xcalloc(r->n, sizeof *p.next);
    rc = pass_assign(&p, err);
    if (!rc)
        rc = pass_run(&p, timeout_ms, record, progress, ctx, err);
    reader_close(&p.rd);
    free(p.next);
    return rc;
}
