/* src/cli/baseline_promote.c    `driftd baseline promote`: which baseline windows are compared with, from when on.
 *
 * A chain of windows that has not started takes the active baseline when it does.  One that runs gets a plan entry
 * from a window boundary on that lies further ahead than anybody's copy of the plan can be old; only the baseline
 * changes in it, thresholds and window lengths stay those of the entry before. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/cli.h"
#include "driftd/internal/cli/baseline.h"
#include "driftd/internal/judge/judge.h"

enum { TRIES = 20 };

static const char help[] =
    "usage: driftd baseline promote -c FILE [--model M] [--from T] [--anyway] ID\n\n"
    "Makes a baseline the one that windows are compared with, from a window boundary on: the first one that is far\n"
    "enough ahead for every instance to know of it, or the first one at or after T.  Windows before stay compared "
    "with\n"
    "what held before.  A model that has not run yet starts with it; so build and promote before replaying old "
    "events.\n"
    "To go back, promote the baseline before.\n"
    "A baseline that drifts itself, or wanders so slowly that its windows say little, is refused for a model with\n"
    "`evidence`: evidence measured against it has no promised rate of false alarms.  --anyway takes it all the "
    "same.\n\n"
    "examples:\n"
    "  driftd baseline promote -c driftd.yaml phish-2026-01\n"
    "  driftd baseline promote -c driftd.yaml --model phish --from 2026-02-01T00:00:00Z phish-2026-01\n";

/* One attempt on a chain that runs. */
struct attempt {
    struct drift_store *store;
    struct drift_chain_id id;
    const struct drift_baseline *baseline;
    int64_t from_ms, margin_ms;
    int64_t judged_until_ms; /* INT64_MIN: nothing judged */
    int64_t holds_ms;        /* out */
    bool started;            /* out: the chain has a plan */
};

static int add_entry(struct attempt *a, const struct drift_plan *plan, const char *head, int64_t now_ms,
                     enum drift_reply *reply, struct drift_err *err)
{
    const struct drift_plan_entry *last = &plan->entry[plan->n - 1];
    int64_t earliest = now_ms + a->margin_ms, server_ms;
    char fresh[DRIFT_HEAD];
    if (a->from_ms > earliest)
        earliest = a->from_ms;
    if (a->judged_until_ms > earliest) /* a replay can be ahead of the clock */
        earliest = a->judged_until_ms;
    if (last->from_ms != INT64_MIN && earliest <= last->from_ms)
        earliest = last->from_ms + 1;
    struct drift_plan_entry e = *last; /* shares everything with it but the baseline */
    e.seq = last->seq + 1;
    e.baseline_id = a->baseline->id;
    e.baseline_digest = (char *)(uintptr_t)a->baseline->digest;
    e.from_ms = a->holds_ms = drift_plan_boundary(plan, earliest, last->window_ms);
    char *json = drift_plan_entry_json(&e), *name = drift_xasprintf("plan:%" PRIu32, e.seq);
    struct drift_pair set = {name, json, strlen(json)};
    drift_random_hex32(fresh);
    int rc = drift_store_plan_add(a->store, a->id, head, fresh, e.from_ms, last->from_ms, a->margin_ms, &set, 1, reply,
                                  &server_ms, err);
    free(json);
    free(name);
    return rc;
}

/* Whether the newest entry has the baseline already. */
static bool holds_already(struct attempt *a, const struct drift_plan *plan)
{
    const struct drift_plan_entry *last = &plan->entry[plan->n - 1];
    if (strcmp(last->baseline_id, a->baseline->id) || strcmp(last->baseline_digest, a->baseline->digest))
        return false;
    a->holds_ms = last->from_ms;
    return true;
}

static int promote_chain(struct attempt *a, struct drift_err *err)
{
    for (int i = 0; i < TRIES; i++) {
        struct drift_pairs fields;
        struct drift_plan plan = {0};
        enum drift_reply reply = DRIFT_REPLY_OK;
        int64_t now_ms;
        int rc = drift_store_model_read(a->store, a->id, &fields, &now_ms, err);
        if (rc)
            return rc;
        const struct drift_pair *head = drift_pairs_find(&fields, "head");
        const struct drift_pair *judged = drift_pairs_find(&fields, "judged_until");
        if (!judged || !drift_i64_parse(judged->value, judged->len, &a->judged_until_ms))
            a->judged_until_ms = INT64_MIN;
        rc = head ? drift_judge_plan(&fields, &plan, err) : 0;
        a->started = head && plan.n;
        if (!rc && a->started && !holds_already(a, &plan))
            rc = add_entry(a, &plan, head->value, now_ms, &reply, err);
        drift_plan_release(&plan);
        drift_pairs_release(&fields);
        if (rc || reply == DRIFT_REPLY_OK || reply == DRIFT_REPLY_DUP)
            return rc;
    }
    return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "model %s, %s windows: others kept writing the plan, try again",
                      a->id.model, drift_chain_name(a->id.kind));
}

static bool feeds(const struct drift_config *c, const struct drift_model *m, enum drift_chain_kind kind)
{
    for (size_t i = 0; i < m->n_streams; i++)
        if (drift_stream_feeds(&c->streams[m->streams[i]], kind))
            return true;
    return false;
}

static void tell(const struct attempt *a)
{
    char from[32];
    printf("%s windows: ", drift_chain_name(a->id.kind));
    if (!a->started)
        puts("not started yet, they begin with it");
    else if (a->holds_ms == INT64_MIN)
        puts("compared with it from the first window on");
    else
        printf("compared with it from the window that starts at %s on\n",
               drift_time_text(a->holds_ms, from, sizeof from));
}

/* Refuses what evidence cannot be trusted with. */
static int look(const struct drift_baseline *b, const struct drift_model *m, bool anyway, struct drift_err *err)
{
    struct drift_phase1 *p = NULL;
    int rc = drift_baseline_phase1(b, &p, err);
    if (!rc && p && !drift_phase1_promises(p)) {
        char *why = drift_baseline_phase1_why(b, p);
        if (!drift_baseline_stationary(p) && !anyway)
            rc = drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP,
                            "baseline %.60s is not for model %.60s, which has evidence: %.240s; choose a calmer range, "
                            "or promote it with --anyway, without a promised rate of false alarms",
                            b->id, m->name, why);
        else
            fprintf(stderr, "no rate of false alarms is promised for model %s with baseline %s: %s\n", m->name, b->id,
                    why);
        free(why);
    }
    drift_phase1_free(p);
    return rc;
}

int drift_baseline_promote(struct drift_store *s, const struct drift_config *c, const struct drift_model *m,
                           const char *id, int64_t from_ms, bool anyway, struct drift_err *err)
{
    struct drift_baseline *b = NULL;
    int rc = drift_baseline_fetch(s, m->name, id, &b, err);
    if (!rc && m->evidence.windows)
        rc = look(b, m, anyway, err);
    if (!rc)
        rc = drift_store_baseline_activate(s, m->name, id, err);
    if (!rc)
        printf("baseline %s of model %s is active\n", id, m->name);
    for (int k = 0; k < DRIFT_N_CHAIN && !rc; k++) {
        struct attempt a = {.store = s,
                            .id = {m->name, (enum drift_chain_kind)k},
                            .baseline = b,
                            .from_ms = from_ms,
                            .margin_ms = drift_judge_margin_ms(&c->state)};
        if (!feeds(c, m, a.id.kind))
            continue;
        rc = promote_chain(&a, err);
        if (!rc)
            tell(&a);
    }
    drift_baseline_free(b);
    return rc;
}

int drift_baseline_promote_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"model", required_argument, NULL, 'm'},
        {"from", required_argument, NULL, 'f'},   {"anyway", no_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},         {0}};
    const char *config = NULL, *model = NULL;
    const struct drift_model *m;
    struct drift_store *s = NULL;
    struct drift_err err = {.text = ""};
    int64_t from_ms = INT64_MIN;
    bool anyway = false;
    int opt, status;
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (opt == 'h') {
            fputs(help, stdout);
            return DRIFT_EXIT_OK;
        }
        if (opt == 'c')
            config = optarg;
        else if (opt == 'm')
            model = optarg;
        else if (opt == 'a')
            anyway = true;
        else if (opt != 'f')
            return DRIFT_EXIT_USAGE;
        else if (!drift_time_parse(optarg, strlen(optarg), &from_ms))
            return drift_cli_fail(DRIFT_EXIT_USAGE, "baseline promote",
                                  "--from %s: not a time such as 2026-01-31T14:05:00Z", optarg);
    }
    if (argc - optind != 1)
        return drift_cli_fail(DRIFT_EXIT_USAGE, "baseline promote",
                              "give the id of one baseline, see `driftd baseline list`");
    struct drift_config *c = drift_baseline_config("baseline promote", config, model, &m, &status);
    if (!c)
        return status;
    int rc = drift_store_new(&c->redis, c->kafka.group, &s, &err);
    if (!rc)
        rc = drift_baseline_promote(s, c, m, argv[optind], from_ms, anyway, &err);
    drift_store_free(s);
    drift_config_free(c);
    return rc ? drift_baseline_fail("baseline promote", rc, &err) : DRIFT_EXIT_OK;
}
