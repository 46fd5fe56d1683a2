/* tests/unit/detect/test_cost.c    What a closed window costs once everything is set up: time, and no allocation. */
/* What is on for every column of a window: all measures, the evidence of the bank, its state as bytes, and the
 * detectors by name on one figure.  The columns are numeric ones with a full grid; half of them drift in three windows
 * of four. The promise is 1 ms for 50 and 20 ms for 1,000 columns on a core of its own; what is asserted allows for a
 * core that is shared.  Columns of many categories, dependence and segments come on top: bench_stats,
 * bench_multivariate and bench_segments say what they take. */
#include <time.h>

#include "allocations.h"
#include "traffic.h"

#include "driftd/detector.h"
#include "driftd/evidence.h"
#include "driftd/measure.h"
#include "driftd/tail.h"

enum { WINDOWS = 80, EVENTS = 300, KEPT = 4, ROUNDS = 12, SHARED_CORE = 2 };
#define HOUR INT64_C(3600000)

struct world {
    struct traffic t;
    struct drift_summary *pooled, *window[KEPT];
    struct drift_phase1 *phase1;
    struct drift_evidence *bank;
    struct drift_detector *detector[DRIFT_N_DETECTOR];
    uint8_t *bytes;
    int64_t now;
};

static void drift_some(struct world *w, struct drift_rng *r, struct drift_summary *s, double mu)
{
    struct traffic_alias moved;
    traffic_normal(&w->t, mu, 1.2, &moved);
    for (uint32_t f = 0; f < w->t.layout->n_columns; f += 2) {
        traffic_clear(&w->t, f, s);
        traffic_draw(&w->t, &moved, r, EVENTS, f, s);
    }
}

static void world_init(struct world *w, int features)
{
    const struct drift_evidence_settings set = {.windows = 2160};
    struct drift_rng r = drift_rng_new(900);
    struct drift_phase1_window windows[WINDOWS];
    *w = (struct world){0};
    traffic_init(&w->t, features);
    w->pooled = drift_summary_new(w->t.layout);
    for (int i = 0; i < WINDOWS; i++) {
        struct drift_summary *s = drift_summary_new(w->t.layout);
        traffic_window(&w->t, &r, EVENTS, s);
        ck_assert_int_eq(drift_summary_merge(w->pooled, s), 0);
        windows[i] = (struct drift_phase1_window){.start_ms = i * HOUR, .summary = s};
    }
    ck_assert_int_eq(drift_phase1_fit(w->pooled, windows, WINDOWS, HOUR, NULL, &w->phase1), 0);
    for (int i = 0; i < WINDOWS; i++)
        drift_summary_free((struct drift_summary *)(uintptr_t)windows[i].summary);
    for (int i = 0; i < KEPT; i++) {
        w->window[i] = drift_summary_new(w->t.layout);
        traffic_window(&w->t, &r, EVENTS, w->window[i]);
        if (i)
            drift_some(w, &r, w->window[i], i * .3);
    }
    ck_assert_int_eq(drift_evidence_new(w->phase1, &set, &w->bank), 0);
    for (int k = 0; k < DRIFT_N_DETECTOR; k++)
        ck_assert_int_eq(drift_detector_new((enum drift_detector_kind)k, NULL, &w->detector[k]), 0);
    w->bytes = malloc(drift_evidence_bytes(w->bank));
}

static void world_release(struct world *w)
{
    for (int k = 0; k < DRIFT_N_DETECTOR; k++)
        drift_detector_free(w->detector[k]);
    drift_evidence_free(w->bank);
    drift_phase1_free(w->phase1);
    for (int i = 0; i < KEPT; i++)
        drift_summary_free(w->window[i]);
    drift_summary_free(w->pooled);
    traffic_release(&w->t);
    free(w->bytes);
}

static bool measures(struct world *w, const struct drift_summary *s)
{
    struct drift_measure m[DRIFT_N_MEASURE];
    size_t n = 0;
    for (uint32_t f = 0; f < s->layout->n_columns; f++) {
        const struct drift_column *c = &s->layout->columns[f];
        drift_measure_column(c, w->pooled->counts + c->first, s->counts + c->first, m);
        for (int i = 0; i < DRIFT_N_MEASURE; i++)
            n += m[i].why == DRIFT_WHY_NONE;
    }
    return n >= 10 * (size_t)s->layout->n_columns; /* of DRIFT_N_MEASURE */
}

static bool window_judge(struct world *w, const struct drift_summary *s, struct drift_evidence_result *r)
{
    enum drift_detector_level level;
    size_t n;
    bool good = measures(w, s);
    w->now += HOUR;
    good &= drift_evidence_update(w->bank, s->counts, w->now, 1, r) == 0 && r->applied;
    good &= drift_evidence_save(w->bank, w->bytes, drift_evidence_bytes(w->bank), &n) == 0;
    for (int k = 0; k < DRIFT_N_DETECTOR; k++)
        good &= drift_detector_add(w->detector[k], (double)(s->counts[DRIFT_N_SPECIAL] & 1), &level) == 0;
    return good;
}

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Returns the time of a window, the mean over the kept ones in the best round. */
static double measure(int features)
{
    struct world w;
    struct drift_evidence_result r = {0};
    double best = INFINITY;
    bool good = true, alarm = false;
    world_init(&w, features);
    good &= window_judge(&w, w.window[0], &r);
    size_t before = allocations;
    for (int round = 0; round < ROUNDS; round++) {
        double from = cpu_ms();
        for (int i = 0; i < KEPT; i++) {
            good &= window_judge(&w, w.window[i], &r);
            alarm |= r.alarm;
        }
        best = fmin(best, (cpu_ms() - from) / KEPT);
    }
    ck_assert_msg(allocations == before, "%d features: %zu allocations in %d windows", features, allocations - before,
                  ROUNDS * KEPT);
    ck_assert(good && alarm);
    world_release(&w);
    return best;
}

static double slowness(void)
{
    const char *slow = getenv("DRIFTD_TEST_SLOW");
    return SHARED_CORE * (slow ? 4 * atof(slow) : 1);
}

/* What the counter is worth: it must see a pair that leaves nothing behind. */
START_TEST(allocations_are_seen)
{
    size_t before = allocations;
    void *volatile p = malloc(100);
    free(p);
    ck_assert_uint_eq(allocations - before, ALLOCATIONS_COUNTED);
    struct drift_layout *l = drift_layout_new(); /* a library's */
    drift_layout_free(l);
    ck_assert_uint_ge(allocations - before, 2 * ALLOCATIONS_COUNTED);
}
END_TEST

START_TEST(fifty_features)
{
    double ms = measure(50);
    printf("50 features %.3f ms a window\n", ms);
    ck_assert_msg(ms < 1 * slowness(), "50 features %.3f ms", ms);
}
END_TEST

START_TEST(a_thousand_features)
{
    double ms = measure(1000);
    printf("1000 features %.3f ms a window\n", ms);
    ck_assert_msg(ms < 20 * slowness(), "1000 features %.3f ms", ms);
}
END_TEST

int main(void)
{
    drift_stats_init();
    Suite *s = suite_create("cost");
    drift_test_add(s, "allocations are seen", allocations_are_seen, 10);
    drift_test_add(s, "fifty features", fifty_features, 30);
    drift_test_add(s, "a thousand features", a_thousand_features, 60);
    return drift_test_run(s);
}
