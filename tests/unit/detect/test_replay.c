/* tests/unit/detect/test_replay.c    The evidence on a baseline's own traffic: against the bank itself, step by step.
 */
#include "traffic.h"

#include "driftd/error.h"
#include "driftd/replay.h"

enum { FEATURES = 4, WINDOWS = 120, EVENTS = 400 };
#define HOUR INT64_C(3600000)

struct world {
    struct traffic t;
    struct drift_summary *pooled;
    struct drift_phase1_window windows[WINDOWS];
    struct drift_phase1 *p;
};

/* wander: standard deviation of each window's mean.  `events`: of the pool's windows. */
static void world_init(struct world *w, uint64_t stream, double wander, int copies)
{
    struct drift_rng r = drift_rng_new(stream);
    traffic_init(&w->t, FEATURES);
    w->pooled = drift_summary_new(w->t.layout);
    for (int i = 0; i < WINDOWS; i++) {
        struct drift_summary *s = drift_summary_new(w->t.layout);
        s->n = EVENTS;
        for (uint32_t f = 0; f < FEATURES; f++) {
            const struct drift_column *c = &w->t.layout->columns[f];
            struct traffic_alias a;
            if (f && (int)f < copies) {
                memcpy(s->counts + c->first, s->counts + w->t.layout->columns[0].first,
                       drift_column_counters(c) * sizeof *s->counts);
                continue;
            }
            traffic_normal(&w->t, wander * drift_rng_gauss(&r), 1, &a);
            traffic_draw(&w->t, &a, &r, EVENTS, f, s);
            s->counts[c->first + DRIFT_NULL] = drift_rng_below(&r, 9);
        }
        ck_assert_int_eq(drift_summary_merge(w->pooled, s), 0);
        w->windows[i] = (struct drift_phase1_window){.start_ms = i * HOUR, .summary = s};
    }
    ck_assert_int_eq(drift_phase1_fit(w->pooled, w->windows, WINDOWS, HOUR, NULL, &w->p), 0);
}

static void world_release(struct world *w)
{
    drift_phase1_free(w->p);
    for (int i = 0; i < WINDOWS; i++)
        drift_summary_free((struct drift_summary *)w->windows[i].summary);
    drift_summary_free(w->pooled);
    traffic_release(&w->t);
}

/* Alarms of the bank itself on blocks of the baseline. */
static double bank_rate(const struct world *w, const struct drift_evidence_settings *set, int steps)
{
    struct drift_rng r = drift_rng_new(77);
    struct drift_evidence *bank;
    struct drift_evidence_result res;
    double alarms = 0;
    uint64_t at = 0;
    ck_assert_int_eq(drift_evidence_new(w->p, set, &bank), 0);
    for (int i = 0; i < steps; i++, at++) {
        if (i % DRIFT_REPLAY_BLOCK == 0)
            at = drift_rng_below(&r, WINDOWS - DRIFT_REPLAY_BLOCK + 1);
        ck_assert_int_eq(drift_evidence_update(bank, w->windows[at].summary->counts, i * HOUR, 1, &res), 0);
        if (!res.alarm)
            continue;
        alarms++;
        drift_evidence_rearm(bank, UINT32_MAX);
    }
    drift_evidence_free(bank);
    return alarms / steps;
}

/* Alarms of the bank on new windows of the pool's law: the bank sees N(0, 1) and nulls of the same share. */
static double fresh_rate(const struct world *w, const struct drift_evidence_settings *set, int steps)
{
    struct drift_rng r = drift_rng_new(78);
    struct drift_summary *s = drift_summary_new(w->t.layout);
    struct drift_evidence *bank;
    struct drift_evidence_result res;
    double alarms = 0;
    ck_assert_int_eq(drift_evidence_new(w->p, set, &bank), 0);
    for (int i = 0; i < steps; i++) {
        traffic_window(&w->t, &r, EVENTS, s);
        for (uint32_t f = 0; f < FEATURES; f++)
            s->counts[w->t.layout->columns[f].first + DRIFT_NULL] = drift_rng_below(&r, 9);
        ck_assert_int_eq(drift_evidence_update(bank, s->counts, i * HOUR, 1, &res), 0);
        if (!res.alarm)
            continue;
        alarms++;
        drift_evidence_rearm(bank, UINT32_MAX);
    }
    drift_evidence_free(bank);
    drift_summary_free(s);
    return alarms / steps;
}

/* A small A, so that there are alarms to be compared. */
START_TEST(as_the_bank_itself)
{
    static const struct drift_evidence_settings sets[] = {
        {.windows = 12}, {.windows = 12, .glitch_guard = true}, {.windows = 30, .mode = DRIFT_EVIDENCE_CALIBRATED}};
    int steps = DRIFT_TEST_ROUNDS(8000);
    struct world w;
    world_init(&w, 1, 0, 0);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct drift_replay got;
        ck_assert_int_eq(drift_replay(w.p, &sets[i], w.pooled, w.windows, WINDOWS, 5, &got), 0);
        double own = bank_rate(&w, &sets[i], steps), drawn = fresh_rate(&w, &sets[i], steps);
        double by_own = 1 / got.own.mean, by_drawn = 1 / got.drawn.mean;
        printf("A %g: own %.5f, bank %.5f; drawn %.5f, bank %.5f\n", sets[i].windows, by_own, own, by_drawn, drawn);
        ck_assert_msg(fabs(by_own - own) < 5 * sqrt(own / steps) + .1 * own, "own windows: %g, bank %g", by_own, own);
        /* one truth beside others that are as likely: the same but for the baseline's error */
        ck_assert_msg(by_drawn < 2.5 * drawn + 5 / (double)steps && by_drawn > drawn / 2.5 - 5 / (double)steps,
                      "drawn windows: %g, bank %g", by_drawn, drawn);
        ck_assert_double_eq(got.configured, sets[i].windows);
        ck_assert(got.own.low < got.own.mean && got.own.mean < got.own.high);
    }
    world_release(&w);
}
END_TEST

START_TEST(holds_what_is_promised)
{
    struct drift_evidence_settings set = {.windows = 300};
    for (int kind = 0; kind < 3; kind++) { /* still, wandering, columns that are copies of each other */
        struct world w;
        struct drift_replay got;
        world_init(&w, 10 + (uint64_t)kind, kind == 1 ? .1 : 0, kind == 2 ? 4 : 0);
        ck_assert_int_eq(drift_replay(w.p, &set, w.pooled, w.windows, WINDOWS, 5, &got), 0);
        ck_assert_double_eq(got.own.distinct, WINDOWS);
        ck_assert_msg((got.own.high == 0 || got.own.high >= 300) && got.drawn.mean >= 300, "%d: own %g, drawn %g", kind,
                      got.own.mean, got.drawn.mean);
        ck_assert_double_eq(got.own.windows, DRIFT_REPLAY_WINDOWS);
        world_release(&w);
    }
}
END_TEST

/* Phase I of a still baseline does not know the wander of these windows: the replay says so. */
START_TEST(sees_a_broken_promise)
{
    struct drift_evidence_settings set = {.windows = 300};
    struct world w, other;
    struct drift_replay got;
    world_init(&w, 20, 0, 0);
    world_init(&other, 21, .3, 0);
    ck_assert_int_eq(drift_replay(w.p, &set, w.pooled, other.windows, WINDOWS, 5, &got), 0);
    ck_assert_msg(got.own.high > 0 && got.own.high < 300, "mean %g", got.own.mean);
    ck_assert(got.drawn.mean >= 300); /* the pool is still the still one's */
    world_release(&w);
    world_release(&other);
}
END_TEST

START_TEST(same_seed_same_result)
{
    struct drift_evidence_settings set = {.windows = 12};
    struct world w;
    struct drift_replay a, b, c;
    world_init(&w, 30, 0, 0);
    ck_assert_int_eq(drift_replay(w.p, &set, w.pooled, w.windows, WINDOWS, 5, &a), 0);
    ck_assert_int_eq(drift_replay(w.p, &set, w.pooled, w.windows, WINDOWS, 5, &b), 0);
    ck_assert_int_eq(drift_replay(w.p, &set, w.pooled, w.windows, WINDOWS, 6, &c), 0);
    ck_assert(a.own.alarms == b.own.alarms && a.drawn.alarms == b.drawn.alarms);
    ck_assert(a.own.alarms != c.own.alarms || a.drawn.alarms != c.drawn.alarms);
    world_release(&w);
}
END_TEST

START_TEST(says_what_is_wrong)
{
    static const double none[FEATURES] = {0};
    struct drift_evidence_settings set = {.windows = 12};
    struct world w, other;
    struct drift_replay got = {.configured = -1};
    world_init(&w, 40, 0, 0);
    traffic_init(&other.t, FEATURES + 1);
    other.pooled = drift_summary_new(other.t.layout);
    ck_assert_int_eq(drift_replay(w.p, &set, w.pooled, w.windows, 0, 5, &got), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_replay(w.p, &set, w.pooled, w.windows, WINDOWS - 1, 5, &got), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_replay(w.p, &set, other.pooled, w.windows, WINDOWS, 5, &got), DRIFT_E_MISMATCH);
    set.windows = 1;
    ck_assert_int_eq(drift_replay(w.p, &set, w.pooled, w.windows, WINDOWS, 5, &got), DRIFT_E_RANGE);
    set = (struct drift_evidence_settings){.windows = 12, .weight = none};
    ck_assert_int_eq(drift_replay(w.p, &set, w.pooled, w.windows, WINDOWS, 5, &got), DRIFT_E_EMPTY);
    ck_assert_double_eq(got.configured, -1);
    drift_summary_free(other.pooled);
    traffic_release(&other.t);
    world_release(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("replay");
    drift_test_add(s, "as the bank itself", as_the_bank_itself, 30);
    drift_test_add(s, "holds what is promised", holds_what_is_promised, 30);
    drift_test_add(s, "sees a broken promise", sees_a_broken_promise, 30);
    drift_test_add(s, "same seed, same result", same_seed_same_result, 30);
    drift_test_add(s, "says what is wrong", says_what_is_wrong, 30);
    return drift_test_run(s);
}
