/* src/judge/profile.c    What a window is compared with: all of the baseline, or its windows of the same hour.
 *
 * Traffic that goes by the hour differs from the pool every night.  The baseline's windows of one hour of UTC, apart
 * for weekends when asked for or when they differ, are added up on the baseline's own cells, so a measure against them
 * is one against any other counts; only their number is smaller, which the measures know.  Which profile there is is a
 * function of baseline and configuration, the slot one of the window's start: a window judged again finds the same. */
#include <stdlib.h>
#include <string.h>

#include "driftd/phase1.h"
#include "room.h"

enum { SLOT_WINDOWS = 5, SLOT_EVENTS = 1000, HOURS = DRIFT_PHASE1_HOURS };
static const int64_t hour_ms = 3600000, day_ms = 86400000;

/* Kept with a baseline: what its chains say, and the slot that was asked for last. */
struct drift_profile {
    struct profile_chain {
        bool judged; /* by phase I */
        enum drift_profile_kind said;
        int slot; /* of sum; -1: none */
        uint32_t n_windows;
        struct drift_summary *sum;
    } chain[DRIFT_N_CHAIN];
};

void drift_profile_free(struct drift_profile *p)
{
    for (int k = 0; p && k < DRIFT_N_CHAIN; k++)
        drift_summary_free(p->chain[k].sum);
    free(p);
}

static int64_t day_of(int64_t ms)
{
    return ms >= 0 ? ms / day_ms : -((day_ms - 1 - ms) / day_ms);
}

static unsigned hour_of(int64_t ms)
{
    return (unsigned)((ms - day_of(ms) * day_ms) / hour_ms);
}

static bool weekend(int64_t ms)
{
    return (day_of(ms) % 7 + 7 + 3) % 7 >= 5; /* 1970-01-01 was a Thursday */
}

/* 0 .. 23, weekends 24 .. 47 when they are apart. */
static int slot_of(enum drift_profile_kind kind, int64_t ms)
{
    return (int)hour_of(ms) + (kind == DRIFT_PROFILE_WEEKDAY_HOUR && weekend(ms) ? HOURS : 0);
}

/* What phase I finds in any column: one season of the traffic. */
static enum drift_profile_kind said_by(const struct drift_baseline_chain *ref)
{
    struct drift_phase1 *p = NULL;
    bool hours = false, weekends = false;
    if (ref->n_windows < 2 || drift_phase1_of(ref, &p))
        return DRIFT_PROFILE_NONE;
    for (uint32_t i = 0; i < p->layout->n_columns; i++)
        for (int r = 0; r < DRIFT_PHASE1_SCORES; r++) {
            const struct drift_phase1_score *s = &p->column[i].score[r];
            for (int h = 0; s->seasonal && h < HOURS; h++)
                hours |= s->hour[h] != 0;
            weekends |= s->seasonal && (s->day[0] != 0 || s->day[1] != 0);
        }
    drift_phase1_free(p);
    return weekends ? DRIFT_PROFILE_WEEKDAY_HOUR : hours ? DRIFT_PROFILE_HOUR : DRIFT_PROFILE_NONE;
}

static enum drift_profile_kind kind_of(struct profile_chain *c, const struct drift_baseline_chain *ref,
                                       enum drift_profile_kind asked)
{
    if (asked != DRIFT_PROFILE_AUTO)
        return asked;
    if (!c->judged)
        c->said = said_by(ref);
    c->judged = true;
    return c->said;
}

static void slot_fill(struct profile_chain *c, const struct drift_baseline_chain *ref, enum drift_profile_kind kind,
                      int slot)
{
    int id = slot + (kind == DRIFT_PROFILE_HOUR ? 2 * HOURS : 0);
    if (c->sum && c->slot == id)
        return;
    if (!c->sum)
        c->sum = drift_summary_new(ref->layout);
    if (!c->sum)
        drift_bug("no summary for a sealed layout");
    drift_summary_reset(c->sum);
    c->slot = id;
    c->n_windows = 0;
    for (size_t i = 0; i < ref->n_windows; i++) {
        if (slot_of(kind, ref->windows[i].start_ms) != slot)
            continue;
        if (drift_summary_merge(c->sum, ref->windows[i].summary))
            drift_bug("a baseline's window of another layout");
        c->n_windows++;
    }
}

static void name_slot(struct drift_work *w, enum drift_profile_kind kind)
{
    const char *day = kind == DRIFT_PROFILE_HOUR ? "" : weekend(w->v.from_ms) ? "weekend " : "weekday ";
    snprintf(w->profile_name, sizeof w->profile_name, "%shour %02u", day, hour_of(w->v.from_ms));
    w->o.profile = w->profile_name;
}

void drift_work_profile(struct drift_work *w)
{
    const struct drift_baseline_chain *ref = &w->baseline->chain[w->id.kind];
    int64_t span = w->v.end_ms - w->v.from_ms;
    w->compared = ref->pooled;
    if (w->o.model->profile == DRIFT_PROFILE_NONE)
        return;
    struct drift_profile **at = drift_cache_profile(w->j->cache, w->baseline);
    if (!*at)
        *at = drift_xcalloc(1, sizeof **at);
    struct profile_chain *c = &(*at)->chain[w->id.kind];
    enum drift_profile_kind kind = kind_of(c, ref, w->o.model->profile);
    if (kind == DRIFT_PROFILE_NONE)
        return;
    if (!ref->n_windows)
        w->o.profile_why = "the baseline has no windows";
    else if (w->v.carried || span > (ref->window_ms > hour_ms ? ref->window_ms : hour_ms))
        w->o.profile_why = "the counts are of more than an hour";
    if (w->o.profile_why)
        return;
    slot_fill(c, ref, kind, slot_of(kind, w->v.from_ms));
    if (c->n_windows < SLOT_WINDOWS || c->sum->n < SLOT_EVENTS) {
        w->o.profile_why = "the baseline has fewer than 5 windows or 1,000 events of that hour";
        return;
    }
    w->compared = w->o.baseline = c->sum;
    w->profile_kind = kind;
    name_slot(w, kind);
}

bool drift_work_profile_has(const struct drift_work *w, int64_t start_ms)
{
    return !w->o.profile || slot_of(w->profile_kind, start_ms) == slot_of(w->profile_kind, w->v.from_ms);
}
