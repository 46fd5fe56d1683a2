/* src/ingest/ends.c    Asks the brokers how far the logs reach and who is in the group, for `driftd status`.
 *
 * One request to each leader for all of its partitions: asked one by one, hundreds of partitions take seconds. */
#include "driftd/internal/ingest/ends.h"

#include <stdio.h>
#include <string.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/ingest/kafka_conf.h"

enum { SLICE_MS = 250 };

struct asking {
    bool denied;
    char trouble[200]; /* last error event */
};

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct asking *a = opaque;
    (void)rk;
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !*a->trouble) /* the reason before says more */
        snprintf(a->trouble, sizeof a->trouble, "%.199s", reason);
    a->denied =
        a->denied || code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
}

static void on_log(const rd_kafka_t *rk, int level, const char *fac, const char *text)
{
    (void)rk, (void)level, (void)fac, (void)text; /* what matters comes as an error event */
}

static int client_new(const struct drift_kafka_config *cfg, struct asking *a, rd_kafka_t **ret, struct drift_err *err)
{
    rd_kafka_conf_t *conf;
    char text[200];
    int rc = drift_kafka_conf(cfg, DRIFT_KAFKA_CONSUMER, &conf, err);
    if (rc)
        return rc;
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, a);
    *ret = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (*ret)
        return 0;
    rd_kafka_conf_destroy(conf);
    return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "cannot make a Kafka client: %s", text);
}

/* Asks in slices, so that a refused login ends the wait. */
static int await_brokers(rd_kafka_t *rk, struct asking *a, const struct drift_kafka_config *cfg, int64_t until,
                         struct drift_err *err)
{
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t code;
    do {
        code = rd_kafka_metadata(rk, 0, NULL, &md, SLICE_MS);
        rd_kafka_poll(rk, 0);
    } while (code && !a->denied && drift_mono_ms(&drift_clock_system) < until);
    if (!code) {
        rd_kafka_metadata_destroy(md);
        return 0;
    }
    return drift_fail(err, a->denied ? DRIFT_E_DENIED : DRIFT_E_AWAY, DRIFT_RETRY, "%s%s: %s",
                      a->denied ? "Kafka refuses the login" : "no broker answers at ", a->denied ? "" : cfg->brokers,
                      *a->trouble ? a->trouble : rd_kafka_err2str(code));
}

static int left(int64_t until)
{
    int64_t ms = until - drift_mono_ms(&drift_clock_system);
    return ms > SLICE_MS ? (int)ms : SLICE_MS;
}

static void read_ends(rd_kafka_t *rk, int64_t until, struct drift_end *list, size_t n)
{
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(l, list[i].topic, list[i].partition)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t code = n ? rd_kafka_offsets_for_times(rk, l, left(until)) : RD_KAFKA_RESP_ERR__NO_OFFSET;
    for (int i = 0; i < l->cnt && !code; i++)
        if (!l->elems[i].err && l->elems[i].offset >= 0)
            list[i].high = l->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(l);
}

static void read_group(rd_kafka_t *rk, const char *group, int64_t until, struct drift_group_info *ret)
{
    const struct rd_kafka_group_list *found = NULL;
    if (rd_kafka_list_groups(rk, group, &found, left(until)))
        return;
    for (int i = 0; i < found->group_cnt; i++) {
        const struct rd_kafka_group_info *g = &found->groups[i];
        if (g->err || strcmp(g->group, group))
            continue;
        snprintf(ret->state, sizeof ret->state, "%.31s", g->state);
        ret->n_members = g->member_cnt;
    }
    rd_kafka_group_list_destroy(found);
}

int drift_ends_read(const struct drift_kafka_config *cfg, int64_t timeout_ms, struct drift_end *list, size_t n,
                    struct drift_group_info *ret_group, struct drift_err *err)
{
    struct asking a = {.trouble = ""};
    rd_kafka_t *rk = NULL;
    int64_t until = drift_mono_ms(&drift_clock_system) + timeout_ms;
    for (size_t i = 0; i < n; i++)
        list[i].high = -1;
    *ret_group = (struct drift_group_info){.state = ""};
    int rc = client_new(cfg, &a, &rk, err);
    if (rc)
        return rc;
    rc = await_brokers(rk, &a, cfg, until, err);
    if (!rc) {
        read_ends(rk, until, list, n);
        read_group(rk, cfg->group, until, ret_group);
    }
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return rc;
}
