/* src/cli/baseline_replay.c    How often would evidence have alarmed on the baseline itself?  For build and show. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "driftd/internal/base/text.h"
#include "driftd/internal/cli/baseline.h"
#include "driftd/phase1.h"
#include "driftd/replay.h"

static const double usual_windows = 2160; /* 90 days of hours, for a model that configures no evidence */

static json_t *series_json(const struct drift_replay_series *s)
{
    json_t *j = json_pack("{s:f, s:f, s:f, s:f, s:f}", "windows", s->windows, "distinct", s->distinct, "alarms",
                          s->alarms, "mean", s->mean, "low", s->low);
    json_object_set_new(j, "high", s->high > 0 ? json_real(s->high) : json_null());
    return j;
}

static void meta_add(struct drift_baseline *b, const struct drift_replay *r)
{
    json_t *meta = json_loads(b->meta, 0, NULL);
    json_t *replay = json_pack("{s:f, s:o, s:o}", "configured", r->configured, "drawn", series_json(&r->drawn), "own",
                               series_json(&r->own));
    if (json_object_set_new(meta, "replay", replay))
        drift_bug("the baseline's META is no object");
    char *text = json_dumps(meta, JSON_COMPACT | JSON_REAL_PRECISION(6));
    free(b->meta);
    b->meta = drift_xstrdup(text);
    free(text);
    json_decref(meta);
}

int drift_baseline_replay(struct drift_baseline *b, const struct drift_model *m)
{
    const struct drift_baseline_chain *ch = &b->chain[DRIFT_CHAIN_INPUT];
    const struct drift_evidence_config *e = &m->evidence;
    if (ch->n_windows < DRIFT_PHASE1_WINDOWS_MIN || !ch->pooled->n)
        return 0;
    struct drift_phase1_window *list = drift_xcalloc(ch->n_windows, sizeof *list);
    double *each = drift_xcalloc(2 * (size_t)ch->layout->n_columns + 1, sizeof *each);
    struct drift_phase1 *p = NULL;
    struct drift_replay replay;
    for (size_t i = 0; i < ch->n_windows; i++)
        list[i] = (struct drift_phase1_window){ch->windows[i].start_ms, ch->windows[i].summary};
    struct drift_evidence_settings set = drift_evidence_config_settings(e, ch->layout, each);
    set.windows = e->false_alarms ? e->windows : usual_windows;
    int rc = drift_phase1_fit(ch->pooled, list, ch->n_windows, ch->window_ms, NULL, &p);
    rc = rc ? rc : drift_replay(p, &set, ch->pooled, list, ch->n_windows, p->pool_hash, &replay);
    drift_phase1_free(p);
    free(each);
    free(list);
    if (!rc)
        meta_add(b, &replay);
    return rc == DRIFT_E_EMPTY ? 0 : rc;
}

/* ---- showing ---- */

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

void drift_baseline_replay_print(const json_t *meta)
{
    const json_t *replay = json_object_get(meta, "replay"), *drawn = json_object_get(replay, "drawn"),
                 *own = json_object_get(replay, "own");
    double wanted = number(replay, "configured"), high = number(own, "high");
    if (!json_is_object(drawn) || !json_is_object(own))
        return;
    printf("replay: %.0f false alarms in %.0f windows drawn from its counts, %.0f in %.0f of its own %.0f windows put "
           "together anew; configured: 1 in %.0f\n",
           number(drawn, "alarms"), number(drawn, "windows"), number(own, "alarms"), number(own, "windows"),
           number(own, "distinct"), wanted);
    if (high > 0 && high < wanted)
        printf("warning: its own windows alarm once in %.0f, at most once in %.0f were wanted: the baseline drifts or "
               "is too short\n",
               number(own, "mean"), wanted);
}
