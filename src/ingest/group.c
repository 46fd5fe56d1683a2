/* src/ingest/group.c    Consumer group membership over librdkafka, for the ingest thread.
 *
 * The callbacks only note what is granted; what is fetched is set between polls, so that no record of an old
 * assignment can be taken for one of the new.  Eager assignors replace the whole assignment, cooperative ones change
 * it by the difference.
 *
 * librdkafka pauses the partitions that stay while a cooperative rebalance runs.  Messages of theirs that a batch holds
 * at that moment are thrown out of it, and yet fetching resumes behind them: they would be lost (seen with 2.0.2).  So
 * after each such rebalance everything is fetched anew from the next offset to count; that request comes after the
 * pause, so nothing of it is left then. */
#include "driftd/internal/ingest/group.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/base/log.h"
#include "driftd/internal/base/meter.h"
#include "driftd/internal/ingest/kafka_conf.h"

enum { PROBE_MS = 1000, PROBE_WAIT_MS = 100 };

struct drift_group {
    struct drift_group_settings set;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    rd_kafka_topic_partition_list_t *fetched;
    bool joined, cooperative; /* as of the last rebalance */
    atomic_bool reachable;    /* read by other threads */
    int64_t probe_ms;         /* when to ask again whether brokers are back */
};

/* True: it went well. */
static bool check(rd_kafka_error_t *error, const char *what)
{
    if (!error)
        return true;
    drift_log(DRIFT_ERROR, "assign_failed", KV_S("call", what), KV_S("text", rd_kafka_error_string(error)));
    rd_kafka_error_destroy(error);
    return false;
}

static void forget_fetched(struct drift_group *g, const rd_kafka_topic_partition_list_t *gone)
{
    for (int i = 0; i < gone->cnt; i++)
        rd_kafka_topic_partition_list_del(g->fetched, gone->elems[i].topic, gone->elems[i].partition);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct drift_group *g = opaque;
    rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
    bool assign = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, lost = rd_kafka_assignment_lost(rk);
    /* asked for once, before anything is unassigned: a client that is closing may be gone behind that, and then this
     * call waits for ever (2.0.2) */
    const char *protocol = rd_kafka_rebalance_protocol(rk);
    g->cooperative = protocol && !strcmp(protocol, "COOPERATIVE");
    drift_log(DRIFT_INFO, assign ? "partitions_granted" : "partitions_revoked", KV_I("count", list->cnt),
              KV_S("protocol", protocol ? protocol : "NONE"), KV_S("lost", lost ? "yes" : "no"));
    drift_count(DRIFT_M_REBALANCES, assign ? "granted" : "revoked");
    for (int i = 0; i < list->cnt; i++) {
        if (assign)
            g->set.granted(g->set.ctx, list->elems[i].topic, list->elems[i].partition);
        else
            g->set.revoked(g->set.ctx, list->elems[i].topic, list->elems[i].partition, lost);
    }
    if (assign) {
        g->joined = true;
        g->reachable = true;
        if (g->cooperative) {
            check(rd_kafka_incremental_assign(rk, none), "incremental_assign");
        } else {
            rd_kafka_assign(rk, none);
            g->fetched->cnt = 0;
        }
    } else if (g->cooperative) {
        /* only what is being fetched can be unassigned; the rest was never assigned */
        rd_kafka_topic_partition_list_t *ours = rd_kafka_topic_partition_list_new(list->cnt);
        for (int i = 0; i < list->cnt; i++)
            if (rd_kafka_topic_partition_list_find(g->fetched, list->elems[i].topic, list->elems[i].partition))
                rd_kafka_topic_partition_list_add(ours, list->elems[i].topic, list->elems[i].partition);
        check(rd_kafka_incremental_unassign(rk, ours), "incremental_unassign");
        rd_kafka_topic_partition_list_destroy(ours);
        forget_fetched(g, list);
        g->joined = g->joined && !lost;
    } else {
        g->joined = false;
        rd_kafka_assign(rk, NULL);
        rd_kafka_topic_partition_list_destroy(g->fetched);
        g->fetched = rd_kafka_topic_partition_list_new(8);
    }
    rd_kafka_topic_partition_list_destroy(none);
    if (g->cooperative)
        g->set.disturbed(g->set.ctx);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct drift_group *g = opaque;
    (void)rk;
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        g->reachable = false;
    drift_log(DRIFT_WARN, "kafka_error", KV_S("error", rd_kafka_err2name((rd_kafka_resp_err_t)code)),
              KV_S("text", reason));
}

static rd_kafka_topic_partition_list_t *all_topics(const struct drift_config *c)
{
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(8);
    for (size_t s = 0; s < c->n_streams; s++)
        for (size_t t = 0; t < c->streams[s].n_topics; t++)
            if (!rd_kafka_topic_partition_list_find(l, c->streams[s].topics[t], RD_KAFKA_PARTITION_UA))
                rd_kafka_topic_partition_list_add(l, c->streams[s].topics[t], RD_KAFKA_PARTITION_UA);
    return l;
}

int drift_group_new(const struct drift_group_settings *s, struct drift_group **ret, struct drift_err *err)
{
    rd_kafka_conf_t *conf;
    char text[256];
    int rc = drift_kafka_conf(&s->config->kafka, DRIFT_KAFKA_CONSUMER, &conf, err);
    if (rc)
        return rc;
    struct drift_group *g = drift_xcalloc(1, sizeof *g);
    g->set = *s;
    g->reachable = true; /* until the client says otherwise */
    rd_kafka_conf_set_opaque(conf, g);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, on_error);
    g->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!g->rk) {
        rd_kafka_conf_destroy(conf);
        free(g);
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "cannot make a Kafka consumer: %s", text);
    }
    drift_gauge(DRIFT_M_BUILD_INFO, 1, DRIFTD_VERSION, rd_kafka_version_str());
    rd_kafka_poll_set_consumer(g->rk);
    g->queue = rd_kafka_queue_get_consumer(g->rk);
    g->fetched = rd_kafka_topic_partition_list_new(8);
    rd_kafka_topic_partition_list_t *topics = all_topics(s->config);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(g->rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code) {
        drift_group_free(g, 0);
        return drift_kafka_fail(err, code, "cannot subscribe");
    }
    *ret = g;
    return 0;
}

void drift_group_free(struct drift_group *g, int64_t deadline_ms)
{
    if (!g)
        return;
    int64_t until = drift_mono_ms(&drift_clock_system) + deadline_ms;
    bool closing = check(rd_kafka_consumer_close_queue(g->rk, g->queue), "close");
    while (closing && !rd_kafka_consumer_closed(g->rk) && drift_mono_ms(&drift_clock_system) < until) {
        rd_kafka_message_t *m;
        if (rd_kafka_consume_batch_queue(g->queue, 50, &m, 1) == 1)
            rd_kafka_message_destroy(m);
    }
    bool closed = rd_kafka_consumer_closed(g->rk);
    if (!closed)
        drift_log(DRIFT_WARN, "group_left_late",
                  KV_S("text", "the group did not answer in time; its session will expire"));
    rd_kafka_queue_destroy(g->queue);
    rd_kafka_topic_partition_list_destroy(g->fetched);
    rd_kafka_destroy_flags(g->rk, closed ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(g);
}

/* librdkafka says when all brokers are gone, but not when one is back. */
static void probe(struct drift_group *g)
{
    const struct rd_kafka_metadata *md;
    int64_t now = drift_mono_ms(&drift_clock_system);
    if (now < g->probe_ms)
        return;
    g->probe_ms = now + PROBE_MS;
    if (!rd_kafka_metadata(g->rk, 0, NULL, &md, PROBE_WAIT_MS)) {
        g->reachable = true;
        rd_kafka_metadata_destroy(md);
    }
}

int drift_group_poll(struct drift_group *g, int wait_ms, rd_kafka_message_t **msgs, size_t max, size_t *ret_n,
                     struct drift_err *err)
{
    char text[256];
    ssize_t n = rd_kafka_consume_batch_queue(g->queue, wait_ms, msgs, max);
    *ret_n = n > 0 ? (size_t)n : 0;
    if (!g->reachable)
        probe(g);
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(g->rk, text, sizeof text);
    if (fatal)
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "Kafka client failed for good: %s: %s%s",
                          rd_kafka_err2name(fatal), text,
                          fatal == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID
                              ? "; another process has the same group.instance.id: give each instance its own"
                              : "");
    return 0;
}

/* Cooperative: partitions that go on as they are stay untouched. */
static void fetch_by_difference(struct drift_group *g, struct drift_fetch *list, size_t n,
                                rd_kafka_topic_partition_list_t *want)
{
    rd_kafka_topic_partition_list_t *add = rd_kafka_topic_partition_list_new((int)n),
                                    *drop = rd_kafka_topic_partition_list_new(g->fetched->cnt);
    for (int i = 0; i < g->fetched->cnt; i++)
        if (!rd_kafka_topic_partition_list_find(want, g->fetched->elems[i].topic, g->fetched->elems[i].partition))
            rd_kafka_topic_partition_list_add(drop, g->fetched->elems[i].topic, g->fetched->elems[i].partition);
    for (size_t i = 0; i < n; i++) {
        bool running = rd_kafka_topic_partition_list_find(g->fetched, list[i].topic, list[i].partition);
        if (running && !list[i].restart)
            continue;
        list[i].restart = true;
        if (running)
            rd_kafka_topic_partition_list_add(drop, list[i].topic, list[i].partition);
        rd_kafka_topic_partition_list_add(add, list[i].topic, list[i].partition)->offset = list[i].offset;
    }
    if (drop->cnt)
        check(rd_kafka_incremental_unassign(g->rk, drop), "incremental_unassign");
    if (add->cnt)
        check(rd_kafka_incremental_assign(g->rk, add), "incremental_assign");
    rd_kafka_topic_partition_list_destroy(add);
    rd_kafka_topic_partition_list_destroy(drop);
}

int drift_group_fetch(struct drift_group *g, struct drift_fetch *list, size_t n, struct drift_err *err)
{
    rd_kafka_topic_partition_list_t *want = rd_kafka_topic_partition_list_new((int)n);
    rd_kafka_resp_err_t code = 0;
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(want, list[i].topic, list[i].partition)->offset = list[i].offset;
    if (g->cooperative) {
        fetch_by_difference(g, list, n, want);
    } else {
        for (size_t i = 0; i < n; i++)
            list[i].restart = true;
        code = rd_kafka_assign(g->rk, want);
    }
    rd_kafka_topic_partition_list_destroy(g->fetched);
    g->fetched = want;
    return code ? drift_kafka_fail(err, code, "cannot assign partitions") : 0;
}

void drift_group_commit(struct drift_group *g, const struct drift_fetch *list, size_t n)
{
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(l, list[i].topic, list[i].partition)->offset = list[i].offset;
    if (n)
        rd_kafka_commit(g->rk, l, 1);
    rd_kafka_topic_partition_list_destroy(l);
}

int drift_group_committed(struct drift_group *g, const char *topic, int32_t partition, int timeout_ms, int64_t *ret,
                          struct drift_err *err)
{
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(l, topic, partition);
    rd_kafka_resp_err_t code = rd_kafka_committed(g->rk, l, timeout_ms);
    *ret = l->elems[0].offset >= 0 ? l->elems[0].offset : -1;
    rd_kafka_topic_partition_list_destroy(l);
    return code ? drift_kafka_fail(err, code, "cannot ask for the committed offset") : 0;
}

int drift_group_bounds(struct drift_group *g, const char *topic, int32_t partition, int timeout_ms, int64_t *ret_low,
                       int64_t *ret_high, struct drift_err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(g->rk, topic, partition, ret_low, ret_high, timeout_ms);
    return code ? drift_kafka_fail(err, code, "cannot ask for the bounds of the log") : 0;
}

int64_t drift_group_cached_high(struct drift_group *g, const char *topic, int32_t partition)
{
    int64_t low, high;
    return rd_kafka_get_watermark_offsets(g->rk, topic, partition, &low, &high) ? -1 : high;
}

int32_t drift_group_partitions(struct drift_group *g, const char *topic, int timeout_ms)
{
    const struct rd_kafka_metadata *md;
    int32_t n = 0;
    rd_kafka_topic_t *t = rd_kafka_topic_new(g->rk, topic, NULL);
    if (t && !rd_kafka_metadata(g->rk, 0, t, &md, timeout_ms)) {
        if (md->topic_cnt == 1 && !md->topics[0].err)
            n = md->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(md);
    }
    if (t)
        rd_kafka_topic_destroy(t);
    return n;
}

int drift_group_topics(struct drift_group *g, int timeout_ms, drift_group_topic_fn *fn, void *ctx,
                       struct drift_err *err)
{
    const struct rd_kafka_metadata *md;
    rd_kafka_resp_err_t code = rd_kafka_metadata(g->rk, 1, NULL, &md, timeout_ms);
    if (code)
        return drift_kafka_fail(err, code, "cannot list the topics");
    for (int i = 0; i < md->topic_cnt; i++)
        if (!md->topics[i].err && md->topics[i].partition_cnt > 0)
            fn(ctx, md->topics[i].topic, md->topics[i].partition_cnt);
    rd_kafka_metadata_destroy(md);
    return 0;
}

bool drift_group_joined(const struct drift_group *g)
{
    return g->joined;
}

bool drift_group_reachable(const struct drift_group *g)
{
    return g->reachable;
}
