/* src/judge/hold.c    max_hold: a window that has waited so long is judged without the partitions that do not move.
 *
 * The judge cannot tell a partition without an owner from one whose owner is slow; it sees that neither offset nor
 * watermark have changed, for max_hold of its own monotonic clock, and the same window has waited all that time.  As
 * long as one partition moves, none is forced: the window waits anyhow, and forcing only loses counts.  FORCE seals the
 * window in the slot like an owner's advance, and is waited for like one (settle), so the counts in the slot are final
 * before they are judged; an owner that wakes up gets STALE and reads on behind the new watermark.  A slot that nobody
 * ever acquired may be forced: it has no offset, so its owner begins at the start of the log, and what belonged into
 * the window is late_after_idle.
 *
 * The slot remembers what was forced, so the verdict stays a function of what Redis holds.  A few spans are enough:
 * only a verdict of the last `settle` can be lost and its window judged again, and the same chain forces the next
 * window no earlier than max_hold >= settle behind that verdict. */
#include "room.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/base/log.h"
#include "driftd/internal/base/meter.h"

struct drift_held {
    char *topic;
    int32_t partition;
    char offset[24];
    int64_t wm_ms, since_ms; /* since: monotonic */
    bool seen;
};

void drift_hold_release(struct drift_hold *h)
{
    for (size_t i = 0; i < h->n; i++)
        free(h->held[i].topic);
    free(h->held);
    *h = (struct drift_hold){0};
}

static struct drift_held *find(struct drift_hold *h, const struct drift_part *p, int64_t now_ms)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->held[i].partition == p->partition && !strcmp(h->held[i].topic, p->topic))
            return &h->held[i];
    h->held = drift_xrealloc(h->held, h->n + 1, sizeof *h->held);
    struct drift_held *held = &h->held[h->n++];
    *held = (struct drift_held){
        .topic = drift_xstrdup(p->topic), .partition = p->partition, .wm_ms = p->view.wm_ms, .since_ms = now_ms};
    memcpy(held->offset, p->view.offset, sizeof held->offset);
    return held;
}

static int64_t quiet_ms(struct drift_held *held, const struct drift_slot_view *v, int64_t now_ms)
{
    held->seen = true;
    if (held->wm_ms != v->wm_ms || strcmp(held->offset, v->offset) != 0) {
        held->wm_ms = v->wm_ms;
        memcpy(held->offset, v->offset, sizeof held->offset);
        held->since_ms = now_ms;
    }
    return now_ms - held->since_ms;
}

/* What moves again, and is no longer waited for, begins anew when it stops. */
static void drop_unseen(struct drift_hold *h)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++) {
        if (h->held[i].seen) {
            h->held[i].seen = false;
            h->held[n++] = h->held[i];
        } else {
            free(h->held[i].topic);
        }
    }
    h->n = n;
}

/* How long all partitions that the window waits for have been quiet; -1: one of them is about to be ready. */
static int64_t all_quiet_ms(struct drift_hold *h, const struct drift_gathered *g, int64_t now_ms)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < g->n_parts; i++) {
        const struct drift_part *p = &g->parts[i];
        if (p->ready)
            continue;
        int64_t quiet = p->view.exists && p->view.wm_ms >= g->close_ms ? -1 /* its advance settles */
                                                                       : quiet_ms(find(h, p, now_ms), &p->view, now_ms);
        least = quiet < least ? quiet : least;
    }
    drop_unseen(h);
    return least;
}

static int force(struct drift_work *w, const struct drift_part *p, int64_t waited_ms, bool *ret_done,
                 struct drift_err *err)
{
    char head[DRIFT_HEAD];
    enum drift_reply reply;
    int64_t now;
    drift_random_hex32(head);
    int rc = drift_store_force(w->j->set.store, (struct drift_slot_id){p->topic, p->partition}, head, w->g.close_ms,
                               w->j->set.config->state.settle_ms, &reply, &now, err);
    *ret_done = !rc && reply == DRIFT_REPLY_OK;
    if (!*ret_done)
        return rc;
    drift_count(DRIFT_M_FORCED, p->topic);
    drift_log(DRIFT_WARN, "partition_forced", KV_S("model", w->id.model), KV_S("chain", drift_chain_name(w->id.kind)),
              KV_S("topic", p->topic), KV_I("partition", p->partition), KV_I("window", w->g.start_ms),
              KV_I("waited_ms", waited_ms),
              KV_S("text", "nothing moved there for state.max_hold: the window is judged without what it has not "
                           "counted; see who should read it"));
    return 0;
}

int drift_hold_tend(struct drift_work *w, enum drift_judge_result *ret, struct drift_err *err)
{
    struct drift_known *k = drift_judge_known(w->j, w->id.model);
    int64_t max = w->j->set.config->state.max_hold_ms, now_ms = drift_mono_ms(w->j->set.clock);
    if (!max || !k)
        return 0;
    struct drift_hold *h = &k->hold[w->id.kind];
    bool waits =
        *ret == DRIFT_JUDGE_WAITING && w->st.now_ms >= w->g.close_ms; /* never closed before the clock is there */
    if (!waits || h->start_ms != w->g.start_ms)
        drift_hold_release(h);
    if (!waits)
        return 0;
    h->start_ms = w->g.start_ms;
    int64_t quiet = all_quiet_ms(h, &w->g, now_ms);
    bool all = true;
    int rc = 0;
    for (size_t i = 0; !rc && quiet >= max && i < w->g.n_parts; i++) {
        bool done = true;
        if (!w->g.parts[i].ready)
            rc = force(w, &w->g.parts[i], quiet, &done, err);
        all = all && done;
    }
    if (!rc && quiet >= max && all)
        *ret = DRIFT_JUDGE_AGAIN;
    return rc;
}
