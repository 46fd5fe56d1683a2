/* tests/unit/detect/test_phase1_wander.c    Baselines of many columns: which wander is too slow for a promise. */
#include "traffic.h"

#include "driftd/phase1.h"

enum { FEATURES = 24, WINDOWS = 336, EVENTS = 1000, SEEDS = 4 };
#define HOUR INT64_C(3600000)

/* Means of all features, AR(1) of standard deviation .05; feature 0 steps up at window 150. */
static unsigned flags_of(uint64_t stream, double sd, double rho, double step)
{
    struct drift_rng r = drift_rng_new(stream);
    struct traffic t;
    struct drift_phase1_window windows[WINDOWS];
    struct drift_phase1 *p;
    double mu[FEATURES] = {0};
    traffic_init(&t, FEATURES);
    struct drift_summary *pooled = drift_summary_new(t.layout);
    for (int i = 0; i < WINDOWS; i++) {
        struct drift_summary *s = drift_summary_new(t.layout);
        s->n = EVENTS;
        for (uint32_t f = 0; f < FEATURES; f++) {
            struct traffic_alias a;
            mu[f] = i ? rho * mu[f] + sqrt(1 - rho * rho) * sd * drift_rng_gauss(&r) : sd * drift_rng_gauss(&r);
            traffic_normal(&t, mu[f] + (f == 0 && i >= 150 ? step : 0), 1, &a);
            traffic_draw(&t, &a, &r, EVENTS, f, s);
        }
        ck_assert_int_eq(drift_summary_merge(pooled, s), 0);
        windows[i] = (struct drift_phase1_window){.start_ms = i * HOUR, .summary = s};
    }
    ck_assert_int_eq(drift_phase1_fit(pooled, windows, WINDOWS, HOUR, NULL, &p), 0);
    unsigned flags = p->flags;
    ck_assert(drift_phase1_promises(p) == !(flags & ~(unsigned)DRIFT_PHASE1_WIDE));
    drift_phase1_free(p);
    for (int i = 0; i < WINDOWS; i++)
        drift_summary_free((struct drift_summary *)windows[i].summary);
    drift_summary_free(pooled);
    traffic_release(&t);
    return flags;
}

/* Where simulated evidence keeps its promise, the verdict does too; where it fails, the verdict withdraws it. */
START_TEST(fast_wander_keeps_the_promise)
{
    int rounds = DRIFT_TEST_ROUNDS(SEEDS) ? DRIFT_TEST_ROUNDS(SEEDS) : 1;
    for (int i = 0; i < rounds; i++) {
        ck_assert_uint_eq(flags_of(10 + (uint64_t)i, 0, 0, 0), 0);
        ck_assert_uint_eq(flags_of(20 + (uint64_t)i, .05, .9, 0), 0);
    }
}
END_TEST

START_TEST(slow_wander_withdraws_it)
{
    int rounds = DRIFT_TEST_ROUNDS(SEEDS) ? DRIFT_TEST_ROUNDS(SEEDS) : 1;
    for (int i = 0; i < rounds; i++)
        ck_assert_msg(flags_of(30 + (uint64_t)i, .05, .98, 0) & DRIFT_PHASE1_SLOW, "seed %d", i);
}
END_TEST

START_TEST(one_split_withdraws_it)
{
    ck_assert_uint_eq(flags_of(40, 0, 0, .1), DRIFT_PHASE1_SPLIT);
    ck_assert(flags_of(41, .05, .5, .4) & DRIFT_PHASE1_SPLIT); /* also where all others wander */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("phase1 wander");
    drift_test_add(s, "fast wander keeps the promise", fast_wander_keeps_the_promise, 30);
    drift_test_add(s, "slow wander withdraws it", slow_wander_withdraws_it, 30);
    drift_test_add(s, "one split withdraws it", one_split_withdraws_it, 30);
    return drift_test_run(s);
}
