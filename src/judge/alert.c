/* src/judge/alert.c    The state machine of one rule; no I/O, no clock.
 *
 * The last windows are kept as bits and not as a counter: `k of n` needs to know which breach leaves the span. */
#include "driftd/internal/judge/alert.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *drift_transition_name(enum drift_transition t)
{
    static const char *const name[] = {"none", "firing", "update", "resolved"};
    return (size_t)t < sizeof name / sizeof *name ? name[t] : "none";
}

const char *drift_alert_phase_name(enum drift_alert_phase p)
{
    static const char *const name[] = {"ok", "pending", "firing"};
    return (size_t)p < sizeof name / sizeof *name ? name[p] : "ok";
}

/* persist as the bits can hold it, whatever the configuration says */
struct span {
    uint32_t k, of;
    uint64_t mask;
};

static struct span span_of(const struct drift_rule *rule)
{
    struct span s;
    s.of = rule->persist_of < 1 ? 1 : rule->persist_of > DRIFT_PERSIST_MAX ? DRIFT_PERSIST_MAX : rule->persist_of;
    s.k = rule->persist_k < 1 ? 1 : rule->persist_k > s.of ? s.of : rule->persist_k;
    s.mask = s.of == 64 ? UINT64_MAX : (UINT64_C(1) << s.of) - 1;
    return s;
}

static uint32_t hits(uint64_t bits, struct span s)
{
    return (uint32_t)__builtin_popcountll(bits & s.mask);
}

static void push(struct drift_alert *a, enum drift_severity breach)
{
    a->warning_bits = a->warning_bits << 1 | (breach >= DRIFT_SEV_WARNING);
    a->critical_bits = a->critical_bits << 1 | (breach >= DRIFT_SEV_CRITICAL);
    if (a->seen < DRIFT_PERSIST_MAX)
        a->seen++;
}

/* Highest severity that k of the last `of` windows reached.  A level that the rule no longer has is not reported. */
static enum drift_severity level_of(const struct drift_alert *a, const struct drift_rule *rule, struct span s)
{
    if (!isnan(rule->critical) && hits(a->critical_bits, s) >= s.k)
        return DRIFT_SEV_CRITICAL;
    return !isnan(rule->warning) && hits(a->warning_bits, s) >= s.k ? DRIFT_SEV_WARNING : DRIFT_SEV_NONE;
}

static double recovery_of(const struct drift_rule *rule)
{
    if (!isnan(rule->recovery))
        return rule->recovery;
    return .8 * (isnan(rule->warning) ? rule->critical : rule->warning);
}

static void play(struct drift_alert *a, enum drift_severity severity, int64_t end_ms)
{
    a->severity = severity;
    a->since_ms = end_ms;
    if (severity == DRIFT_SEV_CRITICAL)
        a->played_critical = true;
    else
        a->played_warning = true;
}

static enum drift_transition watch(struct drift_alert *a, enum drift_severity level, enum drift_severity breach,
                                   struct span s, int64_t start_ms, int64_t end_ms)
{
    if (level == DRIFT_SEV_NONE || breach == DRIFT_SEV_NONE) {
        a->phase = hits(a->warning_bits, s) ? DRIFT_ALERT_PENDING : DRIFT_ALERT_OK;
        return DRIFT_TRANSITION_NONE;
    }
    a->phase = DRIFT_ALERT_FIRING;
    a->incident_ms = start_ms;
    a->quiet = 0;
    a->played_warning = a->played_critical = false;
    play(a, level, end_ms);
    return DRIFT_TRANSITION_FIRING;
}

static bool is_over(struct drift_alert *a, const struct drift_rule *rule, const struct drift_rule_result *r,
                    struct span s)
{
    double recovery = recovery_of(rule);
    if (r->breach != DRIFT_SEV_NONE || r->held_effect >= recovery) {
        a->quiet = 0;
        return false;
    }
    a->quiet++;
    return r->worst_effect < recovery || a->quiet >= s.of;
}

static void forget(struct drift_alert *a, int64_t end_ms)
{
    *a = (struct drift_alert){.since_ms = end_ms, .last_production_ms = a->last_production_ms};
}

enum drift_transition drift_alert_step(struct drift_alert *a, const struct drift_rule *rule,
                                       const struct drift_rule_result *r, int64_t start_ms, int64_t end_ms)
{
    if (!r->n_findings)
        return DRIFT_TRANSITION_NONE;
    struct span s = span_of(rule);
    push(a, r->breach);
    enum drift_severity level = level_of(a, rule, s);
    if (a->phase != DRIFT_ALERT_FIRING)
        return watch(a, level, r->breach, s, start_ms, end_ms);
    if (is_over(a, rule, r, s)) {
        forget(a, end_ms);
        return DRIFT_TRANSITION_RESOLVED;
    }
    if (level == DRIFT_SEV_NONE || level == a->severity)
        return DRIFT_TRANSITION_NONE;
    play(a, level, end_ms);
    return DRIFT_TRANSITION_UPDATE;
}

/* ---- stored form ---- */

/* JSON integers are signed: 64 bits travel as hex text. */
static json_t *bits_json(uint64_t bits)
{
    char text[17];
    snprintf(text, sizeof text, "%" PRIx64, bits);
    return json_string(text);
}

json_t *drift_alert_json(const struct drift_alert *a)
{
    json_t *j = json_object();
    json_object_set_new(j, "phase", json_string(drift_alert_phase_name(a->phase)));
    json_object_set_new(j, "severity", json_string(drift_severity_name(a->severity)));
    json_object_set_new(j, "warning_bits", bits_json(a->warning_bits));
    json_object_set_new(j, "critical_bits", bits_json(a->critical_bits));
    json_object_set_new(j, "seen", json_integer(a->seen));
    json_object_set_new(j, "quiet", json_integer(a->quiet));
    json_object_set_new(j, "played_warning", json_boolean(a->played_warning));
    json_object_set_new(j, "played_critical", json_boolean(a->played_critical));
    json_object_set_new(j, "incident_ms", json_integer(a->incident_ms));
    json_object_set_new(j, "since_ms", json_integer(a->since_ms));
    json_object_set_new(j, "last_production_ms", json_integer(a->last_production_ms));
    return j;
}

static bool bits_parse(const json_t *j, const char *key, uint64_t *ret)
{
    const json_t *v = json_object_get(j, key);
    const char *s = json_string_value(v);
    size_t n = s ? json_string_length(v) : 0;
    if (n < 1 || n > 16)
        return false;
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        const char *at = s[i] ? strchr("0123456789abcdef", s[i]) : NULL;
        if (!at)
            return false;
        bits = bits << 4 | (uint64_t)(strchr("0123456789abcdef", s[i]) - "0123456789abcdef");
    }
    *ret = bits;
    return true;
}

static bool int_parse(const json_t *j, const char *key, int64_t least, int64_t most, int64_t *ret)
{
    const json_t *v = json_object_get(j, key);
    if (!json_is_integer(v) || json_integer_value(v) < least || json_integer_value(v) > most)
        return false;
    *ret = json_integer_value(v);
    return true;
}

static bool name_parse(const json_t *j, const char *key, const char *(*name)(int), int n, int *ret)
{
    const char *s = json_string_value(json_object_get(j, key));
    for (int i = 0; s && i < n; i++)
        if (!strcmp(s, name(i))) {
            *ret = i;
            return true;
        }
    return false;
}

static const char *phase_at(int i)
{
    return drift_alert_phase_name((enum drift_alert_phase)i);
}
static const char *severity_at(int i)
{
    return drift_severity_name((enum drift_severity)i);
}

int drift_alert_parse(const json_t *j, struct drift_alert *ret, struct drift_err *err)
{
    const int64_t far = INT64_C(1) << 62;
    struct drift_alert a = {0};
    int phase = 0, severity = 0;
    int64_t seen = 0, quiet = 0;
    bool good =
        json_is_object(j) && name_parse(j, "phase", phase_at, 3, &phase) &&
        name_parse(j, "severity", severity_at, 3, &severity) && bits_parse(j, "warning_bits", &a.warning_bits) &&
        bits_parse(j, "critical_bits", &a.critical_bits) && int_parse(j, "seen", 0, DRIFT_PERSIST_MAX, &seen) &&
        int_parse(j, "quiet", 0, DRIFT_PERSIST_MAX, &quiet) && int_parse(j, "incident_ms", -far, far, &a.incident_ms) &&
        int_parse(j, "since_ms", -far, far, &a.since_ms) &&
        int_parse(j, "last_production_ms", -far, far, &a.last_production_ms);
    if (!good || (phase == DRIFT_ALERT_FIRING) != (severity != DRIFT_SEV_NONE))
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_SKIP, "the stored state of an alert is not of the expected form");
    a.phase = (enum drift_alert_phase)phase;
    a.severity = (enum drift_severity)severity;
    a.seen = (uint32_t)seen;
    a.quiet = (uint32_t)quiet;
    a.played_warning = json_is_true(json_object_get(j, "played_warning"));
    a.played_critical = json_is_true(json_object_get(j, "played_critical"));
    *ret = a;
    return 0;
}
