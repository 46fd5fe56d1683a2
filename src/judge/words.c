/* src/judge/words.c    A transition in plain words, for people who never saw a PSI.
 *
 * The line goes into tickets, chats and pagers as it is: names from records lose their control characters here and are
 * cut, so that no feature can break out of its line. */
#include "words.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 80, SUMMARY_BYTES = 4096 };

static void add_name(struct drift_buf *b, const char *name)
{
    size_t n = strlen(name), cut = n > NAME_BYTES ? NAME_BYTES : n;
    while (cut < n && cut > 0 && ((unsigned char)name[cut] & 0xC0) == 0x80)
        cut--;
    for (size_t i = 0; i < cut; i++) {
        char c = name[i];
        drift_buf_add(b, (unsigned char)c < 0x20 || c == 0x7f ? "?" : &c, 1);
    }
    if (cut < n)
        drift_buf_adds(b, "...");
}

void drift_words_name(struct drift_buf *b, const char *name)
{
    add_name(b, name);
}

static void add_number(struct drift_buf *b, double v)
{
    drift_buf_addf(b, fabs(v) >= 1000 ? "%.0f" : "%.3g", v);
}

static void add_count(struct drift_buf *b, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            drift_buf_adds(b, ",");
        drift_buf_add(b, &digits[i], 1);
    }
}

/* "2026-01-31 14:00", with seconds only when there are some */
static void add_minute(struct drift_buf *b, const char *rfc3339, bool date)
{
    if (date)
        drift_buf_addf(b, "%.10s ", rfc3339);
    drift_buf_addf(b, "%.*s", strncmp(rfc3339 + 17, "00Z", 3) ? (int)strlen(rfc3339) - 12 : 5, rfc3339 + 11);
}

static void add_window(struct drift_buf *b, const struct drift_verdict *v)
{
    char start[32], end[32];
    drift_time_text(v->from_ms, start, sizeof start);
    drift_time_text(v->end_ms, end, sizeof end);
    drift_buf_adds(b, "; window ");
    if (strlen(start) < 20 || strlen(end) < 20) {
        drift_buf_addf(b, "%s to %s", start, end);
    } else {
        add_minute(b, start, true);
        drift_buf_adds(b, "\xe2\x80\x93");
        add_minute(b, end, strncmp(start, end, 10) != 0);
        drift_buf_adds(b, "Z");
    }
    drift_buf_adds(b, ", ");
    add_count(b, v->n);
    drift_buf_adds(b, v->n == 1 ? " event" : " events");
    if (v->carried) {
        drift_buf_adds(b, ", ");
        add_count(b, v->carried);
        drift_buf_adds(b, " of them carried over");
    }
}

static bool is_rate(enum drift_measure_id id)
{
    return id == DRIFT_MEASURE_NULL_RATE || id == DRIFT_MEASURE_MISSING_RATE || id == DRIFT_MEASURE_INVALID_RATE ||
           id == DRIFT_MEASURE_UNSEEN_RATE || id == DRIFT_MEASURE_OUT_OF_RANGE_RATE;
}

static bool of_segment(enum drift_measure_id id)
{
    return id == DRIFT_MEASURE_SEGMENT_PSI || id == DRIFT_MEASURE_SEGMENT_RATE;
}

static const char *subject(const struct drift_rule *rule)
{
    if (rule->measure == DRIFT_MEASURE_EVIDENCE)
        return "evidence of drift";
    if (rule->measure == DRIFT_MEASURE_DETECTOR)
        return "a change detector";
    if (rule->measure == DRIFT_MEASURE_DEPENDENCE || rule->measure == DRIFT_MEASURE_EMBEDDING)
        return "dependence between features";
    if (of_segment(rule->measure))
        return "drift of one segment";
    if (rule->scope == DRIFT_SCOPE_MODEL || rule->measure == DRIFT_MEASURE_VOLUME)
        return "traffic volume";
    switch (rule->scope) {
    case DRIFT_SCOPE_SCORE:
        return "score drift";
    case DRIFT_SCOPE_DECISION:
        return "decision drift";
    case DRIFT_SCOPE_LABEL:
        return "label drift";
    case DRIFT_SCOPE_SOURCE:
        return "drift of the sources";
    case DRIFT_SCOPE_LATENCY:
        return "latency drift";
    default:
        return is_rate(rule->measure) ? "input quality" : "input drift";
    }
}

double drift_words_level(const struct drift_rule *rule, enum drift_severity severity)
{
    if (severity == DRIFT_SEV_CRITICAL && !isnan(rule->critical))
        return rule->critical;
    return isnan(rule->warning) ? rule->critical : rule->warning;
}

/* ---- which class moved ---- */

static double share(const struct drift_summary *s, const struct drift_column *c, uint32_t cell)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < c->n_cells; i++)
        n += drift_summary_cells(s, c)[i];
    return n ? (double)drift_summary_cells(s, c)[cell] / (double)n : 0;
}

bool drift_words_share(const struct drift_outcome *o, const struct drift_column *c, struct drift_share *ret)
{
    if (!c || !o->baseline || c->kind != DRIFT_CATEGORICAL || (c->role != DRIFT_LABEL && c->role != DRIFT_DECISION))
        return false;
    const char *wanted = c->role == DRIFT_LABEL ? o->model->positive_label : o->model->positive_decision;
    double most = -1;
    for (uint32_t i = 0; i < c->n_cells; i++) {
        const char *name = i < c->n_categories ? c->categories[i] : i == drift_column_rare(c) ? "(rare)" : "(unseen)";
        double now = share(o->verdict->summary, c, i), then = share(o->baseline, c, i);
        bool asked = wanted && i < c->n_categories && !strcmp(wanted, name);
        double rank = asked ? 2 : fabs(now - then); /* a share cannot move by 2 */
        if (rank > most) {
            most = rank;
            *ret = (struct drift_share){name, now, then};
        }
    }
    return most >= 0;
}

/* ---- sentences ---- */

static void add_volume(struct drift_buf *b, const struct drift_outcome *o, const struct drift_measure *m)
{
    add_count(b, o->verdict->n - o->verdict->carried);
    drift_buf_adds(b, " events");
    if (o->baseline_per_window > 0) {
        drift_buf_adds(b, " where the baseline has ");
        add_count(b, (uint64_t)llround(o->baseline_per_window));
        drift_buf_adds(b, " a window");
    }
    drift_buf_adds(b, " (volume ");
    add_number(b, m->effect);
}

/* "url_length: values moved up (62 % of the evidence)" */
static void add_share(struct drift_buf *b, const struct drift_outcome_share *s)
{
    add_name(b, s->column->role == DRIFT_FEATURE ? s->column->name : drift_role_name(s->column->role));
    drift_buf_addf(b, ": %s (%.0f %% of the evidence)", drift_evidence_stream_words(s->stream), 100 * s->share);
}

static void add_evidence(struct drift_buf *b, const struct drift_outcome *o, const struct drift_measure *m)
{
    enum { NAMED = 3 };
    const struct drift_outcome_evidence *e = o->evidence;
    size_t n = 0;
    for (size_t i = 0; e && i < e->n_columns && n < NAMED; i++) {
        const struct drift_outcome_share *s = &e->column[i];
        if (!s->listed && (n || s->share <= 0))
            continue;
        drift_buf_adds(b, n++ ? ", " : "");
        add_share(b, s);
    }
    if (!n && e && e->n_latched)
        drift_buf_addf(b, "%zu %s alarmed of before not been without drift since", e->n_latched,
                       e->n_latched == 1 ? "column has" : "columns have");
    else if (!n)
        drift_buf_adds(b, "no column stands out");
    if (e && !e->promised)
        drift_buf_adds(b, ", and the baseline does not let a rate of false alarms be promised");
    drift_buf_adds(b, " (evidence ");
    add_number(b, m->value);
    drift_buf_adds(b, ", alarm at ");
    add_number(b, m->baseline);
    drift_buf_adds(b, "; of the threshold ");
    add_number(b, m->effect);
    drift_buf_adds(b, ", ");
}

/* "score-mean (page_hinkley) calls drift at .31" */
static void add_detectors(struct drift_buf *b, const struct drift_outcome *o, const struct drift_measure *m)
{
    enum { NAMED = 3 };
    size_t n = 0;
    for (size_t i = 0; i < o->n_detectors && n < NAMED; i++) {
        const struct drift_outcome_detector *d = &o->detectors[i];
        if (!d->level || d->level * .5 < m->effect)
            continue;
        drift_buf_adds(b, n++ ? ", " : "");
        add_name(b, d->config->name);
        drift_buf_addf(b, " (%s) %s at ", drift_detector_name(d->config->kind),
                       d->level == DRIFT_DETECTOR_DRIFT ? "calls drift" : "warns");
        add_number(b, d->value);
    }
    if (!n)
        drift_buf_adds(b, "all detectors are quiet");
    drift_buf_adds(b, " (level ");
    add_number(b, m->effect);
    drift_buf_adds(b, ", ");
}

/* The pairs that changed, or what that nothing names any. */
static void add_dependence(struct drift_buf *b, const struct drift_outcome *o, const struct drift_measure *m)
{
    enum { NAMED = 2 };
    const struct drift_outcome_dependence *d = o->dependence;
    size_t n = 0;
    for (size_t i = 0; d && !d->why && i < d->pairs.n_top && n < NAMED; i++) {
        if (!drift_outcome_pair_changed(d, &d->pairs.top[i]))
            continue;
        drift_buf_adds(b, n++ ? ", " : "");
        drift_outcome_pair_words(d, &d->pairs.top[i], b);
    }
    if (!n && m->id == DRIFT_MEASURE_EMBEDDING)
        drift_buf_adds(b, "the features' joint distribution moved, and no single pair explains it");
    else if (!n)
        drift_buf_adds(b, "no pair of features stands out");
    drift_buf_addf(b, " (%s ", drift_measure_name(m->id));
    add_number(b, m->effect);
    drift_buf_adds(b, ", ");
}

static void add_segment(struct drift_buf *b, const struct drift_outcome *o, const struct drift_measure *m)
{
    const struct drift_outcome_segments *s = o->segmented;
    if (s)
        drift_outcome_segment_words(s, drift_outcome_segment_of(s, m->id), b);
    drift_buf_adds(b, " ");
    add_number(b, m->id == DRIFT_MEASURE_SEGMENT_PSI ? m->effect : m->value);
    drift_buf_adds(b, " (");
    if (m->id == DRIFT_MEASURE_SEGMENT_RATE) {
        drift_buf_adds(b, "baseline ");
        add_number(b, m->baseline);
        drift_buf_adds(b, ", ");
    }
}

static void add_finding(struct drift_buf *b, const struct drift_outcome *o, const struct drift_finding *f,
                        const char *limit, double level)
{
    struct drift_share s;
    if (f->measure.id == DRIFT_MEASURE_EVIDENCE) {
        add_evidence(b, o, &f->measure);
    } else if (f->measure.id == DRIFT_MEASURE_DETECTOR) {
        add_detectors(b, o, &f->measure);
    } else if (f->measure.id == DRIFT_MEASURE_DEPENDENCE || f->measure.id == DRIFT_MEASURE_EMBEDDING) {
        add_dependence(b, o, &f->measure);
    } else if (of_segment(f->measure.id)) {
        add_segment(b, o, &f->measure);
    } else if (!f->column) {
        add_volume(b, o, &f->measure);
        drift_buf_adds(b, ", ");
    } else {
        add_name(b, f->column->name);
        drift_buf_addf(b, " %s ", drift_measure_name(f->measure.id));
        add_number(b, is_rate(f->measure.id) ? f->measure.value : f->measure.effect);
        drift_buf_adds(b, " (");
        if (is_rate(f->measure.id)) {
            drift_buf_adds(b, "baseline ");
            add_number(b, f->measure.baseline);
            drift_buf_adds(b, ", ");
        }
    }
    drift_buf_addf(b, "%s %s", limit, is_rate(f->measure.id) ? "+" : "");
    add_number(b, level);
    drift_buf_adds(b, ")");
    if (drift_words_share(o, f->column, &s)) {
        drift_buf_adds(b, ", share of ");
        add_name(b, s.name);
        drift_buf_adds(b, " ");
        add_number(b, s.now);
        drift_buf_adds(b, " (baseline ");
        add_number(b, s.then);
        drift_buf_adds(b, ")");
    }
}

static const char *severity_words(enum drift_severity s)
{
    return s == DRIFT_SEV_WARNING ? "at warning level" : drift_severity_name(s);
}

static void add_firing(struct drift_buf *b, const struct drift_outcome *o, const struct drift_outcome_rule *r)
{
    if (o->preliminary)
        drift_buf_addf(b, "preliminary, the window is still open: %s is %s so far", subject(r->rule),
                       severity_words(r->result.breach));
    else
        drift_buf_addf(b, "%s is %s%s", subject(r->rule), r->transition == DRIFT_TRANSITION_UPDATE ? "now " : "",
                       severity_words(r->after.severity));
    if (r->transition == DRIFT_TRANSITION_UPDATE)
        drift_buf_addf(b, " (was %s)", drift_severity_name(r->before.severity));
    if (!r->result.n_findings)
        return;
    const struct drift_finding *worst = &r->result.findings[0];
    drift_buf_adds(b, ": ");
    add_finding(b, o, worst, "limit", drift_words_level(r->rule, worst->breach ? worst->breach : r->after.severity));
    size_t over = 0;
    while (over < r->result.n_findings && r->result.findings[over].breach != DRIFT_SEV_NONE)
        over++;
    if (r->rule->scope == DRIFT_SCOPE_FEATURE && r->result.n_in_scope > 1)
        drift_buf_addf(b, ", %zu of %zu features over the %s level", over, r->result.n_in_scope,
                       isnan(r->rule->warning) ? "critical" : "warning");
}

static void add_resolved(struct drift_buf *b, const struct drift_outcome *o, const struct drift_outcome_rule *r)
{
    char since[32];
    drift_buf_addf(b, "%s is over: ", subject(r->rule));
    if (r->retired || !r->result.n_findings) {
        drift_buf_adds(b, "its rule is no longer in the configuration");
    } else {
        const struct drift_finding *worst = &r->result.findings[0];
        for (size_t i = 1; i < r->result.n_findings; i++)
            if (r->result.findings[i].measure.effect > worst->measure.effect)
                worst = &r->result.findings[i];
        drift_buf_adds(b, "the worst is ");
        add_finding(b, o, worst, "recovers below", r->rule->recovery);
    }
    drift_buf_addf(b, "; it began with the window of %s", drift_time_text(r->before.incident_ms, since, sizeof since));
}

const struct drift_step_words *drift_words_step(enum drift_step_kind k)
{
    static const struct drift_step_words words[DRIFT_N_STEP] = {
        [DRIFT_STEP_TICKET] = {"open a ticket", "opened a ticket", "update the ticket", "close the ticket"},
        [DRIFT_STEP_NOTIFY] = {"tell the owner", "told the owner", "tell the owner", "tell the owner that it is over"},
        [DRIFT_STEP_PAGE] = {"page the owner", "paged the owner", "update the page", "resolve the page"},
        [DRIFT_STEP_HUMAN_REVIEW] = {"route decisions to human review", "routed decisions to human review",
                                     "keep decisions in human review", "end the human review of decisions"},
        [DRIFT_STEP_DISABLE_AUTOMATION] = {"disable automation", "disabled automation", "keep automation disabled",
                                           "enable automation again"},
        [DRIFT_STEP_ROLLBACK] = {"roll the model back", "rolled the model back", "keep the model rolled back",
                                 "end the rollback of the model"},
    };
    return &words[k];
}

static void add_shadow(struct drift_buf *b, const struct drift_outcome_rule *r, const struct drift_step *step)
{
    const struct drift_step_words *w = drift_words_step(step->kind);
    if (r->transition == DRIFT_TRANSITION_RESOLVED)
        drift_buf_addf(b, "; driftd would have asked to %s (shadow mode)", w->resolved);
    else
        drift_buf_addf(b, "; driftd would have %s (shadow mode)", w->done);
}

void drift_words_alert(const struct drift_outcome *o, const struct drift_outcome_rule *r, const struct drift_step *step,
                       struct drift_buf *b)
{
    drift_buf_init(b, SUMMARY_BYTES);
    add_name(b, o->model->name);
    drift_buf_adds(b, ": ");
    if (r->transition == DRIFT_TRANSITION_RESOLVED)
        add_resolved(b, o, r);
    else
        add_firing(b, o, r);
    add_window(b, o->verdict);
    if (step->shadow)
        add_shadow(b, r, step);
}

void drift_words_status(const struct drift_outcome *o, struct drift_buf *b)
{
    drift_buf_init(b, SUMMARY_BYTES);
    add_name(b, o->model->name);
    drift_buf_addf(b, ": %s is now %s",
                   o->verdict->chain == DRIFT_CHAIN_LABEL ? "the model (by its labels)" : "the model",
                   drift_model_status_name(o->status));
    if (o->status_before != DRIFT_STATUS_UNKNOWN)
        drift_buf_addf(b, " (was %s)", drift_model_status_name(o->status_before));
    if (o->status == DRIFT_STATUS_UNMONITORED && o->verdict->unmonitored_why)
        drift_buf_addf(b, ": %s", o->verdict->unmonitored_why);
    if (o->status == DRIFT_STATUS_DEGRADED) {
        size_t n = 0;
        for (size_t i = 0; i < o->n_rules; i++) {
            if (o->rules[i].after.phase != DRIFT_ALERT_FIRING)
                continue;
            drift_buf_adds(b, n++ ? ", " : ": ");
            add_name(b, o->rules[i].rule->name);
            drift_buf_addf(b, " is %s", severity_words(o->rules[i].after.severity));
        }
    }
    add_window(b, o->verdict);
}
