/* src/judge/segments.c    The window per value of the model's keys, and which value explains what changed.
 *
 * A function of counts, baseline and the plan entry's configuration, like the rest of a verdict.  What is listed is
 * bounded: DRIFT_SEGMENT_KEYS keys of DRIFT_SEGMENT_VALUES values, DRIFT_OUTCOME_FIGURES columns each.
 * segment_figures.c measures. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/judge/attribution.h"
#include "driftd/internal/judge/outcome.h"
#include "driftd/psi.h"
#include "words.h"

enum { COLUMNS = 3, SUBJECTS = 5, TEXT = 400, NAME = 64 };
static const double gate = 1e-3;

/* What is looked at: the outcome, one key, and its counts on both sides. */
struct view {
    const struct drift_outcome *o;
    const struct drift_segments *s;
    const struct drift_segment_key *key;
};

/* A change in a column that is to be explained. */
struct subject {
    uint32_t column;
    int special; /* its share, or -1: the distribution over the coarse cells */
};

static const uint64_t *of_value(const struct view *w, const struct drift_summary *side, uint32_t value)
{
    return side->counts + drift_segment_counter(w->s, w->key, value);
}

static const char *name_in(const struct drift_segment_key *key, uint32_t value)
{
    return value < key->n_values ? key->names->columns[0].categories[value] : NULL;
}

static const char *value_name(const struct view *w, uint32_t value)
{
    return name_in(w->key, value);
}

static void put_value(json_t *j, const struct view *w, uint32_t value)
{
    const char *name = value_name(w, value);
    if (name)
        json_object_set_new(j, "value", drift_text_json(name));
    else
        json_object_set_new(j, "other", json_true());
}

/* ---- one value ---- */

static uint64_t sum_of(const uint64_t *counts, uint32_t n)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += counts[i];
    return sum;
}

const char *drift_outcome_figure_measure(int special)
{
    static const char *const rate_name[DRIFT_N_SPECIAL] = {"null_rate", "missing_rate", "nonfinite_rate",
                                                           "wrong_type_rate"};
    return special < 0 ? "psi" : rate_name[special];
}

static json_t *figure_json(const struct view *w, const struct drift_outcome_figure *f)
{
    json_t *j = json_object();
    const struct drift_column *c = &w->s->coarse->columns[f->column];
    json_object_set_new(j, "column", drift_text_json(c->name));
    json_object_set_new(j, "role", json_string(drift_role_name(c->role)));
    json_object_set_new(j, "measure", json_string(drift_outcome_figure_measure(f->special)));
    json_object_set_new(j, "effect", json_real(f->effect));
    json_object_set_new(j, "p", json_real(f->p));
    return j;
}

static json_t *value_json(const struct view *w, uint32_t value)
{
    const uint64_t *before = of_value(w, w->o->baseline, value), *now = of_value(w, w->o->verdict->summary, value);
    uint64_t m = w->o->baseline->n, n = w->o->verdict->summary->n;
    const struct drift_outcome_segment *here = &w->o->segmented->value[w->key - w->s->key][value];
    json_t *j = json_object(), *columns = json_array();
    put_value(j, w, value);
    json_object_set_new(j, "n", json_integer((json_int_t)now[0]));
    json_object_set_new(j, "share", json_real(n ? (double)now[0] / (double)n : 0));
    json_object_set_new(j, "baseline_share", json_real(m ? (double)before[0] / (double)m : 0));
    if (here->why) {
        json_object_set_new(j, "why", json_string(here->why));
        json_decref(columns);
        return j;
    }
    for (size_t i = 0; i < here->n_changes; i++)
        json_array_append_new(columns, figure_json(w, &here->changes[i]));
    for (size_t i = 0; i < here->n_rises; i++)
        json_array_append_new(columns, figure_json(w, &here->rises[i]));
    json_object_set_new(j, "columns", columns);
    return j;
}

void drift_outcome_segment_words(const struct drift_outcome_segments *s, const struct drift_outcome_segment_worst *w,
                                 struct drift_buf *out)
{
    if (!w->tests)
        return;
    const struct drift_segment_key *key = &s->of->key[w->key];
    const char *name = name_in(key, w->value);
    drift_words_name(out, s->of->coarse->columns[w->figure.column].name);
    drift_buf_adds(out, " of ");
    drift_words_name(out, key->name);
    drift_buf_adds(out, name ? "=" : ": other values");
    if (name)
        drift_words_name(out, name);
    drift_buf_addf(out, " %s", drift_outcome_figure_measure(w->figure.special));
}

json_t *drift_outcome_segment_json(const struct drift_outcome_segments *s, const struct drift_outcome_segment_worst *w)
{
    json_t *j = json_object();
    if (!w->tests)
        return j;
    const struct drift_segment_key *key = &s->of->key[w->key];
    const struct drift_column *c = &s->of->coarse->columns[w->figure.column];
    const char *name = name_in(key, w->value);
    json_object_set_new(j, "key", drift_text_json(key->name));
    json_object_set_new(j, name ? "value" : "other", name ? drift_text_json(name) : json_true());
    json_object_set_new(j, "column", drift_text_json(c->name));
    json_object_set_new(j, "role", json_string(drift_role_name(c->role)));
    json_object_set_new(j, "measure", json_string(drift_outcome_figure_measure(w->figure.special)));
    json_object_set_new(j, "effect", json_real(w->figure.effect));
    json_object_set_new(j, "p", json_real(w->figure.p));
    json_object_set_new(j, "tests", json_real(w->tests));
    return j;
}

/* ---- what changed ---- */

static int special_of(enum drift_measure_id id, uint32_t i)
{
    static const int invalid[] = {DRIFT_NONFINITE, DRIFT_WRONG_TYPE};
    return id == DRIFT_MEASURE_NULL_RATE      ? (i ? -2 : DRIFT_NULL)
           : id == DRIFT_MEASURE_MISSING_RATE ? (i ? -2 : DRIFT_MISSING)
           : id == DRIFT_MEASURE_INVALID_RATE ? invalid[i]
           : i                                ? -2
                                              : -1;
}

static bool has_subject(const struct subject *list, size_t n, uint32_t column, int special)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].column == column && list[i].special == special)
            return true;
    return false;
}

static void add_subject(struct subject *list, size_t *n, uint32_t column, int special)
{
    if (*n < SUBJECTS && special >= -1 && !has_subject(list, *n, column, special))
        list[(*n)++] = (struct subject){column, special};
}

/* What rules found, the worst first; then the columns with the largest PSI that is no noise. */
static size_t find_subjects(const struct drift_outcome *o, struct subject *list)
{
    const struct drift_layout *l = o->verdict->summary->layout;
    size_t n = 0;
    for (int severity = DRIFT_SEV_CRITICAL; severity > DRIFT_SEV_NONE; severity--)
        for (size_t r = 0; r < o->n_rules; r++)
            for (size_t i = 0; o->rules[r].measured && i < o->rules[r].result.n_findings; i++) {
                const struct drift_finding *f = &o->rules[r].result.findings[i];
                for (uint32_t k = 0; k < 2 && f->column && (int)f->breach == severity; k++)
                    add_subject(list, &n, (uint32_t)(f->column - l->columns), special_of(f->measure.id, k));
            }
    for (int turn = 0; turn < COLUMNS; turn++) {
        const struct drift_measure *most = NULL;
        uint32_t at = 0;
        for (uint32_t i = 0; i < l->n_columns; i++) {
            const struct drift_measure *m = &o->verdict->measures[(size_t)i * DRIFT_N_MEASURE + DRIFT_MEASURE_PSI];
            bool drifts = m->why == DRIFT_WHY_NONE && m->has_p && m->p_value < gate / l->n_columns && m->effect > 0;
            if (!drifts || has_subject(list, n, i, -1) || (most && m->effect <= most->effect))
                continue;
            most = m;
            at = i;
        }
        if (most)
            add_subject(list, &n, at, -1);
    }
    return n;
}

/* Counts of the subject, shape [values][cells]; a share has two cells. */
static uint32_t gather_cells(const struct view *w, const struct subject *s, const struct drift_summary *side,
                             uint64_t *ret)
{
    const struct drift_column *c = &w->s->coarse->columns[s->column];
    uint32_t n_cells = s->special < 0 ? c->n_cells : 2;
    for (uint32_t v = 0; v <= w->key->n_values; v++) {
        const uint64_t *from = of_value(w, side, v) + c->first;
        uint64_t *to = ret + (size_t)v * n_cells;
        if (s->special < 0) {
            memcpy(to, from + DRIFT_N_SPECIAL, n_cells * sizeof *to);
        } else {
            to[0] = from[s->special];
            to[1] = sum_of(from, drift_column_counters(c)) - to[0];
        }
    }
    return n_cells;
}

static void name_values(const struct view *w, const struct drift_attribution *a, char *buf, size_t cap)
{
    size_t at = 0;
    for (uint32_t i = 0; i < a->n_removed && at < cap; i++) {
        const char *name = value_name(w, a->removed[i]);
        at += (size_t)snprintf(buf + at, cap - at, "%s%s%s%.*s", i ? ", " : "", w->key->name,
                               name ? "=" : ": other values", NAME, name ? name : "");
    }
}

/* The value whose share of the events changed most, with both shares. */
static void mix_words(const struct view *w, char *buf, size_t cap)
{
    double most = -1, m = (double)w->o->baseline->n, n = (double)w->o->verdict->summary->n;
    for (uint32_t v = 0; v <= w->key->n_values; v++) {
        double before = (double)of_value(w, w->o->baseline, v)[0] / fmax(m, 1);
        double now = (double)of_value(w, w->o->verdict->summary, v)[0] / fmax(n, 1);
        const char *name = value_name(w, v);
        if (fabs(now - before) <= most)
            continue;
        most = fabs(now - before);
        snprintf(buf, cap, "%.*s: %.3g %% to %.3g %% of events", NAME, name ? name : "other values", 100 * before,
                 100 * now);
    }
}

static void text_of(const struct view *w, const struct subject *s, const struct drift_attribution *a, char *buf)
{
    char names[TEXT / 2], mix[TEXT / 2];
    const char *column = w->s->coarse->columns[s->column].name;
    const char *what = drift_outcome_figure_measure(s->special);
    name_values(w, a, names, sizeof names);
    mix_words(w, mix, sizeof mix);
    switch (a->kind) {
    case DRIFT_ATTRIBUTION_MIX:
        snprintf(buf, TEXT, "%.0f %% of the change of %.*s (%s) comes from another mix of %.*s (%s)", 100 * a->mix,
                 NAME, column, what, NAME, w->key->name, mix);
        break;
    case DRIFT_ATTRIBUTION_VALUES:
        snprintf(buf, TEXT, "%.0f %% of the change of %.*s (%s) comes from %s", 100 * (1 - a->left / a->psi), NAME,
                 column, what, names);
        break;
    case DRIFT_ATTRIBUTION_ALIKE:
        snprintf(buf, TEXT, "%.*s (%s) changed in many values of %.*s", NAME, column, what, NAME, w->key->name);
        break;
    case DRIFT_ATTRIBUTION_FEW:
        snprintf(buf, TEXT, "%.*s (%s): one value of %.*s has nearly all events", NAME, column, what, NAME,
                 w->key->name);
        break;
    case DRIFT_ATTRIBUTION_NONE:
        snprintf(buf, TEXT, "%.*s (%s) changed too little to tell values of %.*s apart", NAME, column, what, NAME,
                 w->key->name);
        break;
    }
}

static json_t *subject_json(const struct view *w, const struct subject *s)
{
    struct drift_attribution a;
    char text[TEXT];
    size_t room = (size_t)DRIFT_ATTRIBUTION_SIDES * DRIFT_ATTRIBUTION_CELLS;
    uint64_t *base = drift_xcalloc(2 * room, sizeof *base), *cur = base + room;
    uint32_t n_cells = gather_cells(w, s, w->o->baseline, base);
    gather_cells(w, s, w->o->verdict->summary, cur);
    drift_attribute(base, cur, w->key->n_values + 1, n_cells, w->o->model->segment_min_events, &a);
    free(base);
    text_of(w, s, &a, text);
    const struct drift_column *c = &w->s->coarse->columns[s->column];
    json_t *j = json_object(), *values = json_array();
    for (uint32_t i = 0; i < a.n_removed; i++) {
        json_t *one = json_object();
        put_value(one, w, a.removed[i]);
        json_array_append_new(values, one);
    }
    json_object_set_new(j, "column", drift_text_json(c->name));
    json_object_set_new(j, "role", json_string(drift_role_name(c->role)));
    json_object_set_new(j, "measure", json_string(drift_outcome_figure_measure(s->special)));
    json_object_set_new(j, "explained_by", json_string(drift_attribution_name(a.kind)));
    json_object_set_new(j, "psi", json_real(a.psi));
    json_object_set_new(j, "psi_without", json_real(a.left));
    json_object_set_new(j, "mix", json_real(a.mix));
    json_object_set_new(j, "without", values);
    json_object_set_new(j, "text", drift_text_json(text));
    return j;
}

/* ---- one key ---- */

static json_t *mix_json(const struct view *w)
{
    uint64_t p[DRIFT_SEGMENT_VALUES + 1], q[DRIFT_SEGMENT_VALUES + 1], m = 0, n = 0;
    double psi = 0;
    size_t bins = 0;
    for (uint32_t v = 0; v <= w->key->n_values; v++) {
        m += p[v] = of_value(w, w->o->baseline, v)[0];
        n += q[v] = of_value(w, w->o->verdict->summary, v)[0];
    }
    json_t *j = json_object();
    if (drift_psi(p, q, w->key->n_values + 1, DRIFT_PSI_ADD_HALF, &psi, &bins) || bins < 2)
        return j;
    json_object_set_new(j, "psi", json_real(fmax(0, psi - drift_psi_noise(bins, (double)m, (double)n))));
    json_object_set_new(j, "p", json_real(drift_psi_p(psi, bins, (double)m, (double)n)));
    return j;
}

static json_t *key_json(const struct view *w, const struct subject *subject, size_t n_subjects)
{
    json_t *j = json_object(), *values = json_array(), *changes = json_array();
    for (uint32_t v = 0; v <= w->key->n_values; v++)
        json_array_append_new(values, value_json(w, v));
    for (size_t i = 0; i < n_subjects; i++)
        json_array_append_new(changes, subject_json(w, &subject[i]));
    json_object_set_new(j, "values", values);
    json_object_set_new(j, "mix", mix_json(w));
    json_object_set_new(j, "changes", changes);
    return j;
}

json_t *drift_outcome_segments(const struct drift_outcome *o)
{
    struct subject subject[SUBJECTS];
    if (!o->segmented || !o->baseline || !o->verdict->measures)
        return NULL;
    json_t *j = json_object();
    size_t n = find_subjects(o, subject);
    const struct drift_segments *s = o->segmented->of;
    for (size_t i = 0; i < o->model->n_segment_keys; i++) {
        const char *name = o->model->segment_keys[i];
        struct view w = {o, s, drift_segments_key(s, name)};
        json_t *one =
            w.key ? key_json(&w, subject, n)
                  : json_pack("{s:s}", "why", "the baseline has no values of this key: build and promote a new one");
        json_t *key = drift_text_json(name);
        json_object_set_new(j, json_string_value(key), one);
        json_decref(key);
    }
    return j;
}

json_t *drift_outcome_segment_texts(const struct drift_outcome *o, const struct drift_column *c)
{
    const char *key;
    json_t *one, *change, *texts = json_array(), *name = drift_text_json(c->name);
    size_t i;
    json_object_foreach(o->segments, key, one)
    {
        json_array_foreach(json_object_get(one, "changes"), i, change)
        {
            bool told = strcmp(json_string_value(json_object_get(change, "explained_by")), "none") != 0;
            bool role = !strcmp(json_string_value(json_object_get(change, "role")), drift_role_name(c->role));
            if (told && role && json_equal(json_object_get(change, "column"), name))
                json_array_append(texts, json_object_get(change, "text"));
        }
    }
    json_decref(name);
    return texts;
}
