/* src/cli/status.c    `driftd status`: what Redis says of partitions and windows; needs no running driftd. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/cli.h"
#include "driftd/internal/judge/judge.h"
#include "driftd/internal/store/store.h"

static const char help[] =
    "usage: driftd status -c FILE\n\n"
    "Shows for each model its status, plan and last judged window, for each partition how far it\n"
    "has been read, and what waits in the outbox.  Reads Redis only; a running driftd also answers\n"
    "GET /status and /readyz on its own address.\n\n"
    "example:\n  driftd status -c driftd.yaml\n";

static const char *time_or(int64_t ms, char *buf, size_t cap)
{
    return ms == INT64_MIN ? "-" : drift_time_text(ms, buf, cap);
}

static int show_partitions(struct drift_store *s, const struct drift_plan_entry *e, const char *chain_key,
                           struct drift_err *err)
{
    for (size_t t = 0; t < e->n_topics; t++)
        for (int32_t n = 0; n < e->topics[t].partitions; n++) {
            struct drift_slot_view v;
            char wm[32], blob[32];
            int rc = drift_store_read(s, (struct drift_slot_id){e->topics[t].topic, n}, chain_key, INT64_MIN, NULL, 0,
                                      &v, err);
            if (rc)
                return rc;
            if (!v.exists)
                printf("    %s/%" PRId32 ": never read\n", e->topics[t].topic, n);
            else
                printf("    %s/%" PRId32 ": next offset %s, watermark %s%s, oldest window kept %s\n",
                       e->topics[t].topic, n, v.offset[0] ? v.offset : "-", time_or(v.wm_ms, wm, sizeof wm),
                       v.has_adv && v.adv_to_ms == v.wm_ms ? " (idle)" : "",
                       v.lowest_blob_ms == INT64_MAX ? "-" : drift_time_text(v.lowest_blob_ms, blob, sizeof blob));
            drift_slot_view_release(&v);
        }
    return 0;
}

static size_t pending(struct drift_store *s, struct drift_chain_id id)
{
    struct drift_pairs out;
    struct drift_err err;
    int64_t now;
    size_t n = 0;
    if (drift_store_out_read(s, id, &out, &now, &err))
        return 0;
    for (size_t i = 0; i < out.n; i++) {
        char state[DRIFT_NAME_MAX];
        if (strncmp(out.pair[i].name, "e:", 2) != 0)
            continue;
        snprintf(state, sizeof state, "s:%s", out.pair[i].name + 2);
        const struct drift_pair *st = drift_pairs_find(&out, state);
        json_t *j = st ? json_loadb(st->value, st->len, 0, NULL) : NULL;
        n += !json_is_string(json_object_get(j, "done"));
        json_decref(j);
    }
    drift_pairs_release(&out);
    return n;
}

/* {"status": .., "why": ..} as the judge writes it. */
static void show_status(const struct drift_pair *f)
{
    json_t *j = f ? json_loadb(f->value, f->len, 0, NULL) : NULL;
    const char *status = json_string_value(json_object_get(j, "status")),
               *why = json_string_value(json_object_get(j, "why"));
    if (status)
        printf(", status %s%s%s%s", status, why ? " (" : "", why ? why : "", why ? ")" : "");
    json_decref(j);
}

static int show_chain(struct drift_store *s, const struct drift_model *m, enum drift_chain_kind kind,
                      struct drift_err *err)
{
    struct drift_chain_id id = {m->name, kind};
    struct drift_pairs fields;
    struct drift_plan plan = {0};
    struct drift_buf key;
    int64_t now, until = INT64_MIN;
    char text[32], from[32];
    int rc = drift_store_model_read(s, id, &fields, &now, err);
    if (rc)
        return rc;
    rc = drift_judge_plan(&fields, &plan, err);
    const struct drift_pair *f = drift_pairs_find(&fields, "judged_until"),
                            *status = drift_pairs_find(&fields, "status");
    if (f)
        drift_i64_parse(f->value, f->len, &until);
    printf("  %s windows: ", drift_chain_name(kind));
    if (rc || !plan.n) {
        puts("not started");
        drift_pairs_release(&fields);
        return rc;
    }
    const struct drift_plan_entry *e = &plan.entry[plan.n - 1];
    printf("judged until %s, baseline %s%s%s", time_or(until, text, sizeof text),
           e->baseline_id[0] ? e->baseline_id : "none (unmonitored)", plan.n > 1 ? ", newest plan from " : "",
           plan.n > 1 ? time_or(e->from_ms, from, sizeof from) : "");
    show_status(status);
    printf(", %zu actions wait for delivery\n", pending(s, id));
    drift_buf_init(&key, 4096);
    drift_name_encode(&key, m->name);
    drift_buf_adds(&key, kind == DRIFT_CHAIN_LABEL ? ":l" : ":i");
    rc = show_partitions(s, e, key.data, err);
    drift_buf_release(&key);
    drift_plan_release(&plan);
    drift_pairs_release(&fields);
    return rc;
}

int drift_cmd_status(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
    const char *file = NULL;
    struct drift_store *s = NULL;
    struct drift_err err;
    int opt, status;
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (opt == 'h') {
            fputs(help, stdout);
            return DRIFT_EXIT_OK;
        }
        if (opt != 'c')
            return DRIFT_EXIT_USAGE;
        file = optarg;
    }
    if (!file || optind < argc)
        return drift_cli_fail(DRIFT_EXIT_USAGE, "status", "give one configuration with -c FILE");
    struct drift_config *c = drift_cli_config(file, &status);
    if (!c)
        return status;
    int rc = drift_store_new(&c->redis, c->kafka.group, &s, &err);
    printf("group %s\n", c->kafka.group);
    for (size_t m = 0; m < c->n_models && !rc; m++) {
        printf("model %s\n", c->models[m].name);
        for (int k = 0; k < DRIFT_N_CHAIN && !rc; k++)
            rc = show_chain(s, &c->models[m], (enum drift_chain_kind)k, &err);
    }
    drift_store_free(s);
    drift_config_free(c);
    return rc ? drift_cli_fail(DRIFT_EXIT_UNAVAILABLE, "status", "%s", err.text) : DRIFT_EXIT_OK;
}
