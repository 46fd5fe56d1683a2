/* src/judge/look.c    A chain for people: where it stands and what its next window waits for; judges nothing. */
#include "room.h"

#include <stdlib.h>
#include <string.h>

#include "driftd/internal/window/blob.h"

static void take_alerts(const struct drift_state *st, struct drift_look *l)
{
    const char *rule;
    json_t *stored;
    l->alerts = drift_xcalloc(json_object_size(st->alerts) + 1, sizeof *l->alerts);
    json_object_foreach(st->alerts, rule, stored)
    {
        struct drift_look_alert *a = &l->alerts[l->n_alerts];
        if (drift_alert_parse(stored, &a->alert, NULL))
            continue;
        a->rule = drift_xstrdup(rule);
        l->n_alerts++;
    }
}

static void take_status(const struct drift_state *st, struct drift_look *l)
{
    const struct drift_pair *f = drift_pairs_find(&st->fields, "status");
    json_t *j = f ? json_loadb(f->value, f->len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *why = json_string_value(json_object_get(j, "why"));
    l->status = drift_model_status_name(st->status);
    l->status_since_ms = json_integer_value(json_object_get(j, "since_ms"));
    l->why = why ? drift_xstrdup(why) : NULL;
    json_decref(j);
}

static void take_carry(const struct drift_carry *c, struct drift_look *l)
{
    struct drift_blob_head head = {0};
    struct drift_err ignored;
    if (!c->there)
        return;
    l->held_windows = c->windows;
    l->held_from_ms = c->from_ms;
    if (!drift_blob_head(c->blob, c->len, &head, &ignored))
        l->held_events = head.n;
}

static void take_wait(const struct drift_gathered *g, enum drift_judge_result result, struct drift_buf *waiting,
                      struct drift_look *l)
{
    bool ready = result == DRIFT_JUDGE_JUDGED || result == DRIFT_JUDGE_AGAIN;
    if (result == DRIFT_JUDGE_IDLE)
        return;
    l->next = true;
    l->next_start_ms = g->start_ms;
    l->next_end_ms = g->end_ms;
    l->waiting = drift_xstrdup(ready           ? "is ready, waits for an instance to judge it"
                               : waiting->data ? waiting->data
                                               : "");
}

int drift_judge_look(struct drift_store *s, struct drift_chain_id chain, int64_t settle_ms, struct drift_look *ret,
                     struct drift_err *err)
{
    struct drift_state st;
    struct drift_gathered g = {0};
    enum drift_judge_result result = DRIFT_JUDGE_IDLE;
    struct drift_buf waiting;
    *ret = (struct drift_look){.judged_until_ms = INT64_MIN};
    int rc = drift_state_read(s, chain, &st, err);
    if (rc)
        return rc;
    drift_buf_init(&waiting, 4096);
    ret->now_ms = st.now_ms;
    if (st.head)
        rc = drift_gather(s, chain, &st, settle_ms, &g, &result, &waiting, err);
    if (st.head && !rc) {
        ret->started = true;
        ret->judged_until_ms = st.judged_until_ms;
        take_alerts(&st, ret);
        take_status(&st, ret);
        take_carry(&st.carry, ret);
        take_wait(&g, result, &waiting, ret);
        ret->plan = st.plan;
        st.plan = (struct drift_plan){0};
    }
    drift_buf_release(&waiting);
    drift_gather_release(&g);
    drift_state_release(&st);
    return rc;
}

void drift_look_release(struct drift_look *l)
{
    for (size_t i = 0; i < l->n_alerts; i++)
        free(l->alerts[i].rule);
    free(l->alerts);
    free(l->why);
    free(l->waiting);
    drift_plan_release(&l->plan);
    *l = (struct drift_look){0};
}
