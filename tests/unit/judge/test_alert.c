/* tests/unit/judge/test_alert.c    The state machine of a rule: every short sequence against an oracle written from the
 *                                   prose of alert.h, stories told by hand, and the stored form. */
#include "driftd/internal/judge/alert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { DEPTH = DRIFT_TEST_ROUNDS(5) == 5 ? 6 : 5, MIN = 60000 }; /* 6 takes minutes under a sanitizer */

/* What a window showed: how far the worst effect reached, and whether it passed the gate. */
enum reach { NOTHING, LOW, MID, AT_WARNING, AT_CRITICAL };
struct symbol {
    enum reach reach;
    bool significant;
};

static struct drift_rule rule_of(uint32_t k, uint32_t of, double warning, double critical)
{
    double lowest = isnan(warning) ? critical : warning;
    return (struct drift_rule){.name = (char *)"r",
                               .measure = DRIFT_MEASURE_PSI,
                               .warning = warning,
                               .critical = critical,
                               .recovery = .8 * lowest,
                               .p = NAN,
                               .persist_k = k,
                               .persist_of = of,
                               .playbook_warning = -1,
                               .playbook_critical = -1};
}

static double effect_of(const struct drift_rule *r, enum reach reach)
{
    double lowest = isnan(r->warning) ? r->critical : r->warning;
    return reach == LOW ? .5 * lowest : reach == MID ? .9 * lowest : reach == AT_WARNING ? r->warning : r->critical;
}

static struct drift_rule_result shown(const struct drift_rule *r, struct symbol s)
{
    struct drift_rule_result x = {.n_in_scope = 1};
    if (s.reach == NOTHING)
        return x;
    x.n_findings = 1;
    x.worst_effect = effect_of(r, s.reach);
    if (s.significant) {
        x.held_effect = x.worst_effect;
        x.breach = s.reach == AT_CRITICAL  ? DRIFT_SEV_CRITICAL
                   : s.reach == AT_WARNING ? DRIFT_SEV_WARNING
                                           : DRIFT_SEV_NONE;
    }
    return x;
}

/* ---- the oracle: a list of what happened, read anew at each step ---- */

struct oracle {
    int n; /* windows since the alert was last over */
    struct symbol seen[DEPTH];
    bool firing;
    enum drift_severity severity;
    int64_t incident;
};

static int reached(const struct oracle *o, uint32_t of, enum reach least)
{
    int n = 0;
    for (int i = o->n - 1; i >= 0 && i >= o->n - (int)of; i--)
        n += o->seen[i].significant && o->seen[i].reach >= least;
    return n;
}

/* Windows in a row, up to the last one, in which nothing significant was at or above the recovery level. */
static uint32_t quiet(const struct oracle *o)
{
    uint32_t n = 0;
    for (int i = o->n - 1; i >= 0; i--) {
        if (o->seen[i].significant && o->seen[i].reach >= MID)
            break;
        n++;
    }
    return n;
}

static enum drift_transition oracle_step(struct oracle *o, const struct drift_rule *r, struct symbol s, int64_t start)
{
    if (s.reach == NOTHING)
        return DRIFT_TRANSITION_NONE;
    o->seen[o->n++] = s;
    bool breaches = s.significant && s.reach >= AT_WARNING;
    enum drift_severity level = DRIFT_SEV_NONE;
    if (!isnan(r->warning) && reached(o, r->persist_of, AT_WARNING) >= (int)r->persist_k)
        level = DRIFT_SEV_WARNING;
    if (!isnan(r->critical) && reached(o, r->persist_of, AT_CRITICAL) >= (int)r->persist_k)
        level = DRIFT_SEV_CRITICAL;
    if (!o->firing) {
        if (!level || !breaches)
            return DRIFT_TRANSITION_NONE;
        o->firing = true;
        o->severity = level;
        o->incident = start;
        return DRIFT_TRANSITION_FIRING;
    }
    if (!breaches && (s.reach == LOW || quiet(o) >= r->persist_of)) {
        *o = (struct oracle){0};
        return DRIFT_TRANSITION_RESOLVED;
    }
    if (!level || level == o->severity)
        return DRIFT_TRANSITION_NONE;
    o->severity = level;
    return DRIFT_TRANSITION_UPDATE;
}

static uint64_t n_steps, n_of[4];

static void same_after_storing(const struct drift_alert *a)
{
    struct drift_err err;
    struct drift_alert b;
    json_t *j = drift_alert_json(a);
    ck_assert_int_eq(drift_alert_parse(j, &b, &err), 0);
    json_t *again = drift_alert_json(&b);
    ck_assert(json_equal(j, again));
    ck_assert_int_eq(b.phase, a->phase);
    ck_assert_uint_eq(b.warning_bits, a->warning_bits);
    ck_assert_int_eq(b.played_critical, a->played_critical);
    ck_assert_int_eq(b.incident_ms, a->incident_ms);
    json_decref(j);
    json_decref(again);
}

static void walk(const struct drift_rule *r, const struct symbol *alphabet, size_t n, struct drift_alert a,
                 struct oracle o, int depth)
{
    if (depth == DEPTH)
        return;
    for (size_t i = 0; i < n; i++) {
        struct drift_alert b = a;
        struct oracle p = o;
        struct drift_rule_result x = shown(r, alphabet[i]);
        int64_t start = (depth + 1) * (int64_t)MIN;
        enum drift_transition want = oracle_step(&p, r, alphabet[i], start);
        enum drift_transition got = drift_alert_step(&b, r, &x, start, start + MIN);
        ck_assert_msg(got == want, "depth %d, symbol %zu, %u of %u: %s, expected %s", depth, i, r->persist_k,
                      r->persist_of, drift_transition_name(got), drift_transition_name(want));
        ck_assert_int_eq(b.phase == DRIFT_ALERT_FIRING, p.firing);
        ck_assert_int_eq(b.severity, p.severity);
        ck_assert_int_eq(b.incident_ms, p.incident);
        if (!p.firing)
            ck_assert_int_eq(b.phase == DRIFT_ALERT_PENDING, reached(&p, r->persist_of, AT_WARNING) > 0);
        if (got != DRIFT_TRANSITION_NONE)
            ck_assert_int_eq(b.since_ms, start + MIN);
        n_steps++;
        n_of[got]++;
        if (depth < 3)
            same_after_storing(&b);
        walk(r, alphabet, n, b, p, depth + 1);
    }
}

START_TEST(every_short_sequence)
{
    static const uint32_t persist[][2] = {{1, 1}, {1, 2}, {2, 2}, {2, 3}, {3, 3}};
    for (size_t i = 0; i < sizeof persist / sizeof *persist; i++)
        for (int levels = 1; levels <= 3; levels++) {
            struct drift_rule r =
                rule_of(persist[i][0], persist[i][1], levels & 1 ? .1 : (double)NAN, levels & 2 ? .25 : (double)NAN);
            struct symbol alphabet[9];
            size_t n = 0;
            alphabet[n++] = (struct symbol){NOTHING, false};
            alphabet[n++] = (struct symbol){LOW, true};
            alphabet[n++] = (struct symbol){MID, false};
            alphabet[n++] = (struct symbol){MID, true};
            for (int s = 0; s < 2; s++) {
                if (levels & 1)
                    alphabet[n++] = (struct symbol){AT_WARNING, s};
                if (levels & 2)
                    alphabet[n++] = (struct symbol){AT_CRITICAL, s};
            }
            walk(&r, alphabet, n, (struct drift_alert){0}, (struct oracle){0}, 0);
        }
    printf("%llu steps: %llu firing, %llu update, %llu resolved\n", (unsigned long long)n_steps,
           (unsigned long long)n_of[1], (unsigned long long)n_of[2], (unsigned long long)n_of[3]);
    ck_assert_uint_gt(n_steps, DRIFT_TEST_ROUNDS(1000000));
    for (int i = 0; i < 4; i++)
        ck_assert_uint_gt(n_of[i], DRIFT_TEST_ROUNDS(10000));
}
END_TEST

/* ---- stories: a letter a window, a letter what happened ----
 * window: . low   m between recovery and warning, significant   n the same as noise   g far above, but gated
 *         W C breaches   0 no measure;   happened: . nothing   F fires   U changes   R is over */
struct story {
    const char *what;
    uint32_t k, of;
    const char *windows, *happened;
};
static const struct story stories[] = {
    {"one window fires, one ends", 1, 1, ".W.", ".FR"},
    {"two of three", 2, 3, "W.W..", "..FR."},
    {"two of three: too far apart", 2, 3, "W..W..W", "......."},
    {"a level between recovery and warning holds", 1, 1, "WmmmmW.", "F.....R"},
    {"noise does not hold it beyond the span", 2, 3, "WWnnn", ".F..R"},
    {"noise in between starts the span anew", 1, 2, "WnWnn", "F...R"},
    {"a gated window never fires", 1, 1, "gggg", "...."},
    {"a gated window ends it after the span", 1, 1, "Wg", "FR"},
    {"silence is not health", 1, 1, "C0000.", "F....R"},
    {"up and down", 1, 1, "WCCWW.", "FU.U.R"},
    {"severity is what k reached", 2, 3, "WCWCC.", ".F.U.R"},
    {"an end forgets the breaches before it", 2, 3, "WW.W.WW", ".FR..F."},
    {"silence does not count as a window", 2, 2, "W0W0.", "..F.R"},
};

static struct symbol symbol_of(char c)
{
    switch (c) {
    case '.':
        return (struct symbol){LOW, true};
    case 'm':
        return (struct symbol){MID, true};
    case 'n':
        return (struct symbol){MID, false};
    case 'g':
        return (struct symbol){AT_CRITICAL, false};
    case 'W':
        return (struct symbol){AT_WARNING, true};
    case 'C':
        return (struct symbol){AT_CRITICAL, true};
    default:
        return (struct symbol){NOTHING, false};
    }
}

START_TEST(told_by_hand)
{
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
        const struct story *s = &stories[i];
        struct drift_rule r = rule_of(s->k, s->of, .1, .25);
        struct drift_alert a = {0};
        char got[32] = "";
        ck_assert_uint_eq(strlen(s->windows), strlen(s->happened));
        for (size_t k = 0; s->windows[k]; k++) {
            struct drift_rule_result x = shown(&r, symbol_of(s->windows[k]));
            got[k] = ".FUR"[drift_alert_step(&a, &r, &x, (int64_t)k * MIN, (int64_t)(k + 1) * MIN)];
        }
        ck_assert_msg(!strcmp(got, s->happened), "%s: %s gives %s, expected %s", s->what, s->windows, got, s->happened);
    }
}
END_TEST

START_TEST(long_spans)
{
    struct drift_rule r = rule_of(64, 64, .1, .25);
    struct drift_alert a = {0};
    struct drift_rule_result x = shown(&r, symbol_of('C'));
    for (int i = 0; i < 63; i++)
        ck_assert_int_eq(drift_alert_step(&a, &r, &x, i, i + 1), DRIFT_TRANSITION_NONE);
    ck_assert_int_eq(drift_alert_step(&a, &r, &x, 63, 64), DRIFT_TRANSITION_FIRING);
    ck_assert_uint_eq(a.critical_bits, UINT64_MAX);
    same_after_storing(&a);
    /* a configuration beyond what the bits hold is taken as the most that they do */
    r.persist_k = 1000;
    r.persist_of = 2000;
    x = shown(&r, symbol_of('n'));
    for (int i = 0; i < 63; i++)
        ck_assert_int_eq(drift_alert_step(&a, &r, &x, 64 + i, 65 + i), DRIFT_TRANSITION_NONE);
    ck_assert_int_eq(drift_alert_step(&a, &r, &x, 127, 128), DRIFT_TRANSITION_RESOLVED);
}
END_TEST

START_TEST(an_end_keeps_the_cooldown)
{
    struct drift_rule r = rule_of(1, 1, .1, .25);
    struct drift_alert a = {0};
    struct drift_rule_result c = shown(&r, symbol_of('C')), low = shown(&r, symbol_of('.'));
    drift_alert_step(&a, &r, &c, 0, MIN);
    ck_assert(a.played_critical && !a.played_warning);
    a.last_production_ms = MIN;
    drift_alert_step(&a, &r, &low, MIN, 2 * MIN);
    ck_assert_int_eq(a.last_production_ms, MIN);
    ck_assert(!a.played_critical);
    ck_assert_int_eq(a.incident_ms, 0);
}
END_TEST

START_TEST(levels_taken_away)
{
    /* breaches that were counted under older levels do not fire a severity that the rule no longer has */
    struct drift_rule both = rule_of(2, 3, .1, .25), only = rule_of(2, 3, NAN, .25);
    struct drift_alert a = {0};
    struct drift_rule_result w = shown(&both, symbol_of('W')), c = shown(&both, symbol_of('C'));
    drift_alert_step(&a, &both, &w, 0, MIN);
    ck_assert_int_eq(drift_alert_step(&a, &only, &c, MIN, 2 * MIN), DRIFT_TRANSITION_NONE);
    ck_assert_int_eq(drift_alert_step(&a, &only, &c, 2 * MIN, 3 * MIN), DRIFT_TRANSITION_FIRING);
    ck_assert_int_eq(a.severity, DRIFT_SEV_CRITICAL);
}
END_TEST

START_TEST(a_calm_window_never_fires)
{
    /* even when the configuration asks for less than it did while the breaches were counted */
    struct drift_rule strict = rule_of(3, 3, .1, .25), lax = rule_of(2, 3, .1, .25);
    struct drift_alert a = {0};
    struct drift_rule_result w = shown(&strict, symbol_of('W')), low = shown(&strict, symbol_of('.'));
    drift_alert_step(&a, &strict, &w, 0, MIN);
    drift_alert_step(&a, &strict, &w, MIN, 2 * MIN);
    ck_assert_int_eq(drift_alert_step(&a, &lax, &low, 2 * MIN, 3 * MIN), DRIFT_TRANSITION_NONE);
    ck_assert_int_eq(a.phase, DRIFT_ALERT_PENDING);
    ck_assert_int_eq(drift_alert_step(&a, &lax, &w, 3 * MIN, 4 * MIN), DRIFT_TRANSITION_FIRING);
}
END_TEST

/* ---- hostile stored states ---- */
static const char good[] =
    "{\"phase\":\"firing\",\"severity\":\"warning\",\"warning_bits\":\"1\",\"critical_bits\":\"0\",\"seen\":1,"
    "\"quiet\":0,\"played_warning\":true,\"played_critical\":false,\"incident_ms\":60000,"
    "\"since_ms\":120000,\"last_production_ms\":0}";

START_TEST(stored_states_are_checked)
{
    static const char *const bad[][2] = {
        {"\"phase\":\"firing\"", "\"phase\":\"fired\""},
        {"\"phase\":\"firing\"", "\"phase\":2"},
        {"\"phase\":\"firing\"", "\"phase\":\"ok\""},
        {"\"severity\":\"warning\"", "\"severity\":\"none\""},
        {"\"severity\":\"warning\"", "\"severity\":null"},
        {"\"warning_bits\":\"1\"", "\"warning_bits\":1"},
        {"\"warning_bits\":\"1\"", "\"warning_bits\":\"\""},
        {"\"warning_bits\":\"1\"", "\"warning_bits\":\"10000000000000000\""},
        {"\"warning_bits\":\"1\"", "\"warning_bits\":\"-1\""},
        {"\"warning_bits\":\"1\"", "\"warning_bits\":\"\\u0000\""},
        {"\"seen\":1", "\"seen\":65"},
        {"\"seen\":1", "\"seen\":-1"},
        {"\"seen\":1", "\"seen\":1.5"},
        {"\"quiet\":0", "\"quiet\":\"0\""},
        {"\"incident_ms\":60000", "\"incident_ms\":9223372036854775807"},
        {"\"since_ms\":120000,", ""},
    };
    struct drift_alert a = {.seen = 7};
    struct drift_err err;
    json_t *j = json_loads(good, 0, NULL);
    ck_assert_int_eq(drift_alert_parse(j, &a, &err), 0);
    ck_assert_int_eq(a.phase, DRIFT_ALERT_FIRING);
    ck_assert_int_eq(a.incident_ms, 60000);
    json_decref(j);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *at = strstr(good, bad[i][0]);
        ck_assert_msg(at != NULL, "case %zu", i);
        char *text = drift_xasprintf("%.*s%s%s", (int)(at - good), good, bad[i][1], at + strlen(bad[i][0]));
        j = json_loads(text, JSON_ALLOW_NUL, NULL);
        ck_assert_msg(j != NULL, "case %zu: %s", i, text);
        a = (struct drift_alert){.seen = 7};
        ck_assert_msg(drift_alert_parse(j, &a, &err) == DRIFT_E_PARSE, "case %zu: %s", i, text);
        ck_assert_uint_eq(a.seen, 7);
        json_decref(j);
        free(text);
    }
    ck_assert_int_eq(drift_alert_parse(NULL, &a, &err), DRIFT_E_PARSE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("alert");
    drift_test_add(s, "every short sequence", every_short_sequence, 100);
    drift_test_add(s, "told by hand", told_by_hand, 10);
    drift_test_add(s, "long spans", long_spans, 10);
    drift_test_add(s, "an end keeps the cooldown", an_end_keeps_the_cooldown, 10);
    drift_test_add(s, "levels taken away", levels_taken_away, 10);
    drift_test_add(s, "a calm window never fires", a_calm_window_never_fires, 10);
    drift_test_add(s, "stored states are checked", stored_states_are_checked, 10);
    return drift_test_run(s);
}
