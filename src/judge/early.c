/* src/judge/early.c    What the window that is still open looks like: shown, told once, and never more than that.
 *
 * The counts that partitions have flushed so far are judged as the window will be, by the same rules of the same plan,
 * but for the volume, which an open window cannot have.  Nothing that a final verdict depends on is written: the
 * chain's head, alerts and judged_until stay as they are, so a window gets the same verdict with and without.  The body
 * depends on the moment; it goes to a place of its own and is overwritten.
 *
 * A rule whose level is crossed tells so at most once a window, through steps that only tell (notify, page): a ticket
 * or a rollback that a later event would make wrong is worse than a late one.  The notice's id has a digest of its
 * body, since two judges at two moments say two things; its name in :early has not, so only one of them goes out. */
#include "room.h"

#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/meter.h"

static int write_early(struct drift_work *w, enum drift_reply *reply, struct drift_err *err)
{
    char **notices = NULL, *body = NULL;
    struct drift_pair *out = drift_xcalloc(w->n_actions ? w->n_actions : 1, sizeof *out);
    notices = drift_xcalloc(w->n_actions ? w->n_actions : 1, sizeof *notices);
    for (size_t i = 0; i < w->n_actions; i++) {
        const struct drift_action *a = &w->actions[i];
        notices[i] = drift_xstrdup(a->rule);
        char *entry = drift_action_entry(a, drift_judge_secret(w->j, a->endpoint));
        out[i] = (struct drift_pair){drift_xasprintf("e:%s", a->id), entry, strlen(entry)};
    }
    body = drift_outcome_verdict(&w->o, NULL, 0);
    struct drift_early_write ew = {.head = w->st.head,
                                   .start_ms = w->v.start_ms,
                                   .body = body,
                                   .n_out = w->n_actions,
                                   .notices = (const char *const *)notices,
                                   .out = out};
    int rc = drift_store_early(w->j->set.store, w->id, &ew, reply, err);
    for (size_t i = 0; i < w->n_actions; i++) {
        free(notices[i]);
        free(out[i].name);
        free(out[i].value);
    }
    free(notices);
    free(out);
    free(body);
    return rc;
}

static enum drift_severity worst_breach(const struct drift_outcome *o)
{
    enum drift_severity worst = DRIFT_SEV_NONE;
    for (size_t i = 0; i < o->n_rules; i++)
        if (o->rules[i].measured && o->rules[i].result.breach > worst)
            worst = o->rules[i].result.breach;
    return worst;
}

static int look(struct drift_work *w, struct drift_err *err)
{
    enum drift_reply reply;
    int rc = drift_work_decide(w, err);
    if (rc)
        return rc;
    w->n_actions = drift_outcome_notices(&w->o, &w->actions);
    rc = write_early(w, &reply, err);
    if (rc || reply != DRIFT_REPLY_OK) /* judged meanwhile */
        return rc;
    drift_count(DRIFT_M_EARLY, w->id.model, drift_chain_name(w->id.kind));
    if (w->j->set.early)
        w->j->set.early(w->j->set.ctx, w->id.model, &w->v, worst_breach(&w->o), w->n_actions);
    return 0;
}

int drift_judge_early(struct drift_judge *j, struct drift_chain_id chain, struct drift_err *err)
{
    const struct drift_model *m = drift_config_model(j->set.config, chain.model);
    struct drift_known *k = drift_judge_known(j, chain.model);
    int64_t now_ms = drift_mono_ms(j->set.clock);
    if (!m || !k || !m->early_ms || (k->early_ms[chain.kind] && now_ms - k->early_ms[chain.kind] < m->early_ms))
        return 0;
    k->early_ms[chain.kind] = now_ms;
    struct drift_work w = {.j = j, .id = chain, .early = true};
    bool found = false;
    int rc = drift_state_read(j->set.store, chain, &w.st, err);
    if (!rc && w.st.head)
        rc = drift_gather_open(j->set.store, chain, &w.st, &w.g, &found, err);
    if (!rc && found)
        rc = look(&w, err);
    drift_work_release(&w);
    return rc;
}
