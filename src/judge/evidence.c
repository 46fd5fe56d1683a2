/* src/judge/evidence.c    Sequential evidence of a chain: read from the slot, moved by one window, written with its
 *                          verdict.
 *
 * The state is a field of the chain's slot and part of the verdict's compare-and-set, so a window that is judged again
 * moves it once.  It belongs to one baseline and one setting; with others it begins at 0, and the verdict says so. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/evidence.h"
#include "driftd/internal/base/hash.h"
#include "driftd/internal/base/log.h"
#include "room.h"

static const double RATIO_MAX = 1e6; /* of evidence and threshold, so that effects stay readable */

/* What a baseline is to the engine, and the engine itself, for one setting at a time. */
struct drift_bank {
    struct drift_phase1 *phase1;
    struct drift_evidence *engine;
    uint8_t *bytes; /* of a state: as it begins in the first half, as it is in the second */
    size_t cap;
    char setting[33];
};

static void engine_free(struct drift_bank *b)
{
    drift_evidence_free(b->engine);
    free(b->bytes);
    b->engine = NULL;
    b->bytes = NULL;
}

void drift_bank_free(struct drift_bank *b)
{
    if (!b)
        return;
    engine_free(b);
    drift_phase1_free(b->phase1);
    free(b);
}

/* Two settings with one name bet alike.  Tolerances count where there are any, so that without them a state keeps the
 * name that it had before they were known. */
static void setting_name(const struct drift_evidence_settings *set, uint32_t n, char ret[33])
{
    struct drift_buf b;
    uint8_t digest[DRIFT_SHA256_BYTES];
    drift_buf_init(&b, 64 + (size_t)n * 80);
    drift_buf_addf(&b, "%.17g %d %d %u", set->windows, (int)set->mode, set->glitch_guard, set->clear_windows);
    for (uint32_t i = 0; i < n; i++)
        drift_buf_addf(&b, " %.17g", set->weight[i]);
    for (uint32_t i = 0; i < n; i++)
        if (set->tolerance[i] >= 0)
            drift_buf_addf(&b, " tolerance %u %.17g", i, set->tolerance[i]);
    drift_sha256(b.data, b.len, digest);
    drift_hex(digest, 16, ret);
    drift_buf_release(&b);
}

int drift_phase1_of(const struct drift_baseline_chain *ref, struct drift_phase1 **ret)
{
    struct drift_phase1_window *list = drift_xcalloc(ref->n_windows ? ref->n_windows : 1, sizeof *list);
    for (size_t i = 0; i < ref->n_windows; i++)
        list[i] = (struct drift_phase1_window){ref->windows[i].start_ms, ref->windows[i].summary};
    int rc = drift_phase1_fit(ref->pooled, list, ref->n_windows, ref->window_ms, NULL, ret);
    free(list);
    return rc;
}

static int engine_new(struct drift_bank *b, const struct drift_evidence_settings *set)
{
    int rc = drift_evidence_new(b->phase1, set, &b->engine);
    if (rc)
        return rc;
    size_t len;
    b->cap = drift_evidence_bytes(b->engine);
    b->bytes = drift_xcalloc(2, b->cap);
    rc = drift_evidence_save(b->engine, b->bytes, b->cap, &len);
    return rc ? rc : len <= b->cap ? 0 : DRIFT_E_FULL;
}

static int engine_of(struct drift_bank *b, const struct drift_evidence_config *e, const struct drift_layout *l)
{
    char setting[33];
    int rc = 0;
    double *each = drift_xcalloc(2 * (size_t)l->n_columns + 1, sizeof *each);
    struct drift_evidence_settings set = drift_evidence_config_settings(e, l, each);
    setting_name(&set, l->n_columns, setting);
    if (!b->engine || strcmp(setting, b->setting) != 0) {
        engine_free(b);
        memcpy(b->setting, setting, sizeof setting);
        rc = engine_new(b, &set);
    }
    free(each);
    return rc;
}

/* The engine of the window's baseline and configuration; NULL: none can be made, which is logged. */
static struct drift_bank *bank(struct drift_work *w)
{
    struct drift_bank **at = drift_cache_bank(w->j->cache, w->baseline), *b = *at;
    const struct drift_baseline_chain *ref = &w->baseline->chain[w->id.kind];
    if (!b)
        b = *at = drift_xcalloc(1, sizeof *b);
    int rc = b->phase1 ? 0 : drift_phase1_of(ref, &b->phase1);
    rc = rc ? rc : engine_of(b, &w->o.model->evidence, ref->layout);
    if (!rc)
        return b;
    drift_log(DRIFT_ERROR, "evidence_impossible", KV_S("model", w->id.model), KV_S("baseline", w->baseline->id),
              KV_S("why", drift_code_name((enum drift_code)rc)));
    engine_free(b);
    b->setting[0] = 0;
    return NULL;
}

/* ---- the field ---- */

static const char *text_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "";
}

/* What an operator asked for since the last window (`driftd rearm`): "*" is all columns. */
static void rearm(struct drift_work *w, struct drift_bank *b)
{
    const struct drift_layout *l = w->sum->layout;
    const json_t *name;
    size_t i;
    json_array_foreach(json_object_get(w->st.evidence, "rearm"), i, name)
    {
        const char *s = json_is_string(name) ? json_string_value(name) : "";
        for (uint32_t c = 0; c < l->n_columns; c++) {
            if (strcmp(s, "*") != 0 && strcmp(s, l->columns[c].name) != 0)
                continue;
            drift_evidence_rearm(b->engine, c);
            w->evidence.n_rearmed++;
        }
    }
}

/* Puts the stored state into the engine.  False: there is none of this baseline and setting, and it begins anew. */
static bool take_state(struct drift_work *w, struct drift_bank *b)
{
    const json_t *j = w->st.evidence;
    const char *state = text_of(j, "state");
    size_t len = strlen(state), n = 0;
    uint8_t *bytes = drift_xcalloc(len ? len : 1, 1);
    bool ours = !strcmp(text_of(j, "baseline"), w->baseline->digest) && !strcmp(text_of(j, "setting"), b->setting);
    bool good = ours && drift_base64_decode(state, len, bytes, len, &n) && !drift_evidence_load(b->engine, bytes, n);
    if (ours && !good)
        drift_log(DRIFT_ERROR, "state_unreadable", KV_S("model", w->id.model),
                  KV_S("chain", drift_chain_name(w->id.kind)), KV_S("field", "evidence"));
    if (!good && drift_evidence_load(b->engine, b->bytes, b->cap))
        drift_bug("an engine does not read what it wrote");
    free(bytes);
    if (good)
        rearm(w, b);
    return good;
}

static char *state_text(const struct drift_work *w, struct drift_bank *b)
{
    uint8_t *at = b->bytes + b->cap;
    size_t len;
    if (drift_evidence_save(b->engine, at, b->cap, &len))
        drift_bug("the state of an engine has grown");
    char *base64 = drift_xcalloc(4 * ((len + 2) / 3) + 1, 1);
    drift_base64(at, len, base64);
    char *text = drift_xasprintf("{\"v\":1,\"baseline\":\"%s\",\"setting\":\"%s\",\"state\":\"%s\"}",
                                 w->baseline->digest, b->setting, base64);
    free(base64);
    return text;
}

/* ---- what it says ---- */

static int most_first(const void *pa, const void *pb)
{
    const struct drift_outcome_share *a = pa, *b = pb;
    if (a->listed != b->listed)
        return a->listed ? -1 : 1;
    if (a->share != b->share)
        return a->share > b->share ? -1 : 1;
    return a->column < b->column ? -1 : a->column > b->column;
}

static void rank(struct drift_work *w, const struct drift_bank *b)
{
    const struct drift_layout *l = w->sum->layout;
    struct drift_outcome_evidence *e = &w->evidence;
    struct drift_outcome_share *all = drift_xcalloc(l->n_columns ? l->n_columns : 1, sizeof *all);
    size_t n = 0;
    for (uint32_t i = 0; i < l->n_columns; i++) {
        const struct drift_evidence_column *c = drift_evidence_of(b->engine, i);
        if (c->watched)
            all[n++] = (struct drift_outcome_share){.column = &l->columns[i],
                                                    .share = c->share,
                                                    .stream = c->top,
                                                    .z = c->live[c->top] ? c->z[c->top] : 0,
                                                    .log_r = c->log_r_stream[c->top],
                                                    .listed = c->listed,
                                                    .latched = c->latched};
    }
    qsort(all, n, sizeof *all, most_first);
    e->n_columns = n < sizeof e->column / sizeof *e->column ? n : sizeof e->column / sizeof *e->column;
    memcpy(e->column, all, e->n_columns * sizeof *all);
    free(all);
}

static void say(struct drift_work *w, const struct drift_bank *b, const struct drift_evidence_result *r)
{
    double ratio = fmin(exp(fmin(r->evidence - r->threshold, 700)), RATIO_MAX);
    w->evidence.evidence = r->evidence;
    w->evidence.threshold = r->threshold;
    w->evidence.level = r->level;
    w->evidence.n_latched = r->n_latched;
    w->evidence.promised = drift_phase1_promises(b->phase1);
    w->evidence.flags = b->phase1->flags;
    rank(w, b);
    w->o.evidence = &w->evidence;
    w->v.evidence = (struct drift_measure){.id = DRIFT_MEASURE_EVIDENCE,
                                           /* as long as a column is latched the alarm stands */
                                           .effect = r->level == DRIFT_EVIDENCE_ALARM ? fmax(ratio, 1) : ratio,
                                           .value = r->evidence,
                                           .low = r->evidence,
                                           .high = r->evidence,
                                           .baseline = r->threshold};
}

void drift_work_evidence(struct drift_work *w)
{
    struct drift_evidence_result r;
    w->v.evidence = (struct drift_measure){.id = DRIFT_MEASURE_EVIDENCE, .why = DRIFT_WHY_NO_DATA};
    if (w->early || w->id.kind != DRIFT_CHAIN_INPUT || !w->o.model->evidence.windows)
        return;
    struct drift_bank *b = bank(w);
    if (!b)
        return;
    w->evidence.restarted = !take_state(w, b);
    int rc = drift_evidence_update(b->engine, w->sum->counts, w->v.start_ms, w->windows + 1, &r);
    if (rc)
        drift_bug("an engine refuses a window");
    say(w, b, &r);
    w->evidence_text = state_text(w, b);
}
