/* src/judge/explain.c    Which columns a verdict is about, most first, and what changed in them, in words. */
#include <string.h>

#include "driftd/explain.h"
#include "driftd/internal/judge/outcome.h"
#include "driftd/magnitude.h"

enum { TOP = 8 };

/* A column that something speaks for. */
struct subject {
    const struct drift_column *column;
    double share; /* of the evidence; below 0: the evidence does not speak of it */
};
struct subjects {
    size_t n;
    struct subject at[TOP];
};

static void add(struct subjects *s, const struct drift_column *c, double share)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->at[i].column == c) {
            s->at[i].share = s->at[i].share < 0 ? share : s->at[i].share;
            return;
        }
    if (c && s->n < TOP)
        s->at[s->n++] = (struct subject){c, share};
}

static void add_rule(struct subjects *s, const struct drift_outcome *o, const struct drift_outcome_rule *r)
{
    const struct drift_outcome_evidence *e = o->evidence;
    if (!r->measured || r->result.breach == DRIFT_SEV_NONE)
        return;
    for (size_t i = 0; i < r->result.n_findings; i++)
        if (r->result.findings[i].breach != DRIFT_SEV_NONE)
            add(s, r->result.findings[i].column, -1);
    for (size_t i = 0; r->rule->measure == DRIFT_MEASURE_EVIDENCE && e && i < e->n_columns; i++)
        if (e->column[i].listed || e->column[i].latched || e->column[i].share >= .05)
            add(s, e->column[i].column, e->column[i].share);
}

/* Of one rule, or NULL: of all that breach, the worst severity first. */
static struct subjects subjects_of(const struct drift_outcome *o, const struct drift_outcome_rule *only)
{
    struct subjects s = {0};
    if (!o->baseline || !o->verdict->measures)
        return s;
    if (only)
        add_rule(&s, o, only);
    for (int severity = DRIFT_SEV_CRITICAL; severity > DRIFT_SEV_NONE && !only; severity--)
        for (size_t i = 0; i < o->n_rules; i++)
            if (o->rules[i].measured && (int)o->rules[i].result.breach == severity)
                add_rule(&s, o, &o->rules[i]);
    for (size_t i = 0; o->evidence && i < o->evidence->n_columns; i++) /* shares of columns that rules named */
        for (size_t k = 0; k < s.n; k++)
            if (s.at[k].column == o->evidence->column[i].column && s.at[k].share < 0)
                s.at[k].share = o->evidence->column[i].share;
    return s;
}

/* Another unit, when that explains what moved. */
static void put_unit(const struct drift_outcome *o, const struct drift_column *c, json_t *j)
{
    struct drift_unit_change u;
    char text[128];
    if (!drift_magnitude_of(o->baseline, o->verdict->summary, (uint32_t)(c - o->baseline->layout->columns), &u))
        return;
    json_t *unit = json_object();
    drift_magnitude_text(&u, text, sizeof text);
    json_object_set_new(unit, "factor", json_real(u.known > 0 ? (u.factor < 0 ? -u.known : u.known) : u.factor));
    json_object_set_new(unit, "moved", json_real(u.moved));
    json_object_set_new(unit, "text", json_string(text));
    json_object_set_new(j, "unit", unit);
}

static void put_new(const struct drift_outcome *o, const struct drift_column *c, json_t *j)
{
    char text[640];
    const struct drift_summary *s = o->verdict->summary;
    if (c->kind == DRIFT_CATEGORICAL && drift_unseen_text(s, (uint32_t)(c - s->layout->columns), text, sizeof text))
        json_object_set_new(j, "new", drift_text_json(text));
}

static json_t *line_json(const struct drift_outcome *o, const struct subject *s)
{
    static const char *const way[] = {"down", "none", "up"};
    const struct drift_column *c = s->column;
    struct drift_shift d;
    char text[DRIFT_SHIFT_TEXT];
    json_t *j = json_object();
    drift_shift_of(c, drift_summary_specials(o->baseline, c), drift_summary_specials(o->verdict->summary, c), &d);
    drift_shift_text(c, &d, text, sizeof text);
    json_object_set_new(j, "column", drift_text_json(c->name));
    json_object_set_new(j, "role", json_string(drift_role_name(c->role)));
    json_object_set_new(j, "direction", json_string(way[1 + drift_shift_direction(&d)]));
    json_object_set_new(j, "text", drift_text_json(text));
    if (d.has_shift)
        json_object_set_new(j, "shift_sd", json_real(d.shift_sd));
    if (s->share >= 0)
        json_object_set_new(j, "share", json_real(s->share));
    put_unit(o, c, j);
    put_new(o, c, j);
    json_t *segments = drift_outcome_segment_texts(o, c);
    if (json_array_size(segments))
        json_object_set(j, "segments", segments);
    json_decref(segments);
    return j;
}

static bool about_dependence(const struct drift_outcome *o, const struct drift_outcome_rule *only)
{
    bool any = false;
    for (size_t i = 0; o->dependence && !o->dependence->why && i < o->n_rules; i++) {
        const struct drift_outcome_rule *r = &o->rules[i];
        bool ours = r->rule->measure == DRIFT_MEASURE_DEPENDENCE || r->rule->measure == DRIFT_MEASURE_EMBEDDING;
        any |= ours && (!only || r == only) && r->measured && r->result.breach != DRIFT_SEV_NONE;
    }
    return any;
}

/* The pairs of features that do not go together as before. */
static void put_pairs(json_t *list, const struct drift_outcome *o, const struct drift_outcome_rule *only, size_t top)
{
    enum { PAIRS = 3 };
    const struct drift_outcome_dependence *d = o->dependence;
    size_t n = about_dependence(o, only) ? d->pairs.n_top : 0, put = 0;
    for (size_t i = 0; i < n && put < PAIRS && json_array_size(list) < top; i++) {
        const struct drift_concordance_pair *p = &d->pairs.top[i];
        struct drift_buf text;
        if (!drift_outcome_pair_changed(d, p))
            continue;
        drift_buf_init(&text, DRIFT_SHIFT_TEXT);
        drift_outcome_pair_words(d, p, &text);
        json_t *j = json_object();
        json_object_set_new(j, "column", drift_text_json(d->name[p->i]));
        json_object_set_new(j, "with", drift_text_json(d->name[p->j]));
        json_object_set_new(j, "role", json_string(drift_role_name(DRIFT_FEATURE)));
        json_object_set_new(j, "direction", json_string("none"));
        json_object_set_new(j, "text", drift_text_json(text.data ? text.data : ""));
        json_array_append_new(list, j);
        drift_buf_release(&text);
        put++;
    }
}

/* The value of a key whose events a rule found to have changed. */
static void put_segment(json_t *list, const struct drift_outcome *o, const struct drift_outcome_rule *only,
                        enum drift_measure_id id)
{
    const struct drift_outcome_segment_worst *w = o->segmented ? drift_outcome_segment_of(o->segmented, id) : NULL;
    struct drift_buf text;
    bool any = false;
    for (size_t i = 0; w && w->tests > 0 && i < o->n_rules; i++) {
        const struct drift_outcome_rule *r = &o->rules[i];
        any |= r->rule->measure == id && (!only || r == only) && r->measured && r->result.breach != DRIFT_SEV_NONE;
    }
    if (!any)
        return;
    const struct drift_outcome_figure *f = &w->figure;
    drift_buf_init(&text, DRIFT_SHIFT_TEXT);
    drift_outcome_segment_words(o->segmented, w, &text);
    if (f->special < 0)
        drift_buf_addf(&text, " %.2g", f->effect);
    else
        drift_buf_addf(&text, " %.*g %% (baseline %.*g %%)", drift_percent_digits(100 * f->now), 100 * f->now,
                       drift_percent_digits(100 * f->before), 100 * f->before);
    json_t *j = drift_outcome_segment_json(o->segmented, w);
    json_object_set_new(j, "direction", json_string(f->special < 0 ? "none" : "up"));
    json_object_set_new(j, "text", drift_text_json(text.data ? text.data : ""));
    json_array_append_new(list, j);
    drift_buf_release(&text);
}

json_t *drift_outcome_explanation(const struct drift_outcome *o, const struct drift_outcome_rule *only, size_t top)
{
    struct subjects s = subjects_of(o, only);
    json_t *list = json_array();
    put_segment(list, o, only, DRIFT_MEASURE_SEGMENT_PSI);
    put_segment(list, o, only, DRIFT_MEASURE_SEGMENT_RATE);
    put_pairs(list, o, only, top);
    for (size_t i = 0; i < s.n && json_array_size(list) < top; i++)
        json_array_append_new(list, line_json(o, &s.at[i]));
    return list;
}

json_t *drift_outcome_histogram(const struct drift_outcome *o, const struct drift_outcome_rule *only)
{
    struct subjects s = subjects_of(o, only);
    char text[DRIFT_HISTOGRAM_TEXT];
    if (!s.n)
        return json_null();
    const struct drift_column *c = s.at[0].column;
    if (!drift_histogram_text(c, drift_summary_specials(o->baseline, c), drift_summary_specials(o->verdict->summary, c),
                              false, text, sizeof text))
        return json_null();
    json_t *j = json_object();
    json_object_set_new(j, "column", drift_text_json(c->name));
    json_object_set_new(j, "text", drift_text_json(text));
    return j;
}
