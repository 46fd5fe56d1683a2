/* tests/unit/detect/test_phase1.c    What a baseline says about its own windows, on baselines made to say it. */
#include "traffic.h"

#include "driftd/error.h"
#include "driftd/phase1.h"
#include "driftd/tail.h"

enum { FEATURES = 4, WINDOWS = 336, EVENTS = 500 };
#define HOUR INT64_C(3600000)
#define MONDAY INT64_C(345600000) /* 1970-01-05 */

/* As ck_assert_msg, but silent when it holds. */
#define demand(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg(__VA_ARGS__);                                                                                 \
    } while (0)

/* Mean of feature f in window i; r may be drawn from. */
typedef double mean_fn(struct drift_rng *r, int f, int i, double before);

struct world {
    struct traffic t;
    struct drift_summary *pooled;
    struct drift_phase1_window windows[WINDOWS];
    struct drift_phase1 *p;
};

static void world_init(struct world *w, uint64_t stream, mean_fn *mean, size_t n_windows)
{
    struct drift_rng r = drift_rng_new(stream);
    double mu[FEATURES] = {0};
    traffic_init(&w->t, FEATURES);
    w->pooled = drift_summary_new(w->t.layout);
    for (int i = 0; i < WINDOWS; i++) {
        struct drift_summary *s = drift_summary_new(w->t.layout);
        s->n = EVENTS;
        for (int f = 0; f < FEATURES; f++) {
            struct traffic_alias a;
            mu[f] = mean(&r, f, i, mu[f]);
            traffic_normal(&w->t, mu[f], 1, &a);
            traffic_draw(&w->t, &a, &r, EVENTS, (uint32_t)f, s);
        }
        ck_assert_int_eq(drift_summary_merge(w->pooled, s), 0);
        w->windows[i] = (struct drift_phase1_window){.start_ms = MONDAY + i * HOUR, .summary = s};
    }
    ck_assert_int_eq(drift_phase1_fit(w->pooled, w->windows, n_windows, HOUR, NULL, &w->p), 0);
}

static void world_release(struct world *w)
{
    drift_phase1_free(w->p);
    for (int i = 0; i < WINDOWS; i++)
        drift_summary_free((struct drift_summary *)w->windows[i].summary);
    drift_summary_free(w->pooled);
    traffic_release(&w->t);
}

static double still(struct drift_rng *r, int f, int i, double before)
{
    (void)r, (void)f, (void)i, (void)before;
    return 0;
}
static double steps(struct drift_rng *r, int f, int i, double before)
{
    (void)r, (void)before;
    return f == 1 && i >= 150 ? .12 : 0;
}
static double wander(struct drift_rng *r, int f, int i, double before) /* AR(1) .7, sd .1 */
{
    double sd = f == 2 ? .1 : 0;
    return i ? .7 * before + sd * sqrt(1 - .49) * drift_rng_gauss(r) : sd * drift_rng_gauss(r);
}
static double slow(struct drift_rng *r, int f, int i, double before) /* AR(1) .98, sd .05 */
{
    double sd = f >= 1 ? .05 : 0; /* three of four: one of them alone is seen nine times in ten */
    return i ? .98 * before + sd * sqrt(1 - .98 * .98) * drift_rng_gauss(r) : sd * drift_rng_gauss(r);
}
static double daily(struct drift_rng *r, int f, int i, double before)
{
    (void)r, (void)before;
    return f == 0 ? .2 * sin(2 * M_PI * i / 24) : 0;
}
static double weekly(struct drift_rng *r, int f, int i, double before)
{
    (void)r, (void)before;
    return f == 0 && (i / 24) % 7 >= 5 ? .15 : 0;
}

START_TEST(nothing_to_say)
{
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct world w;
        world_init(&w, 10 + seed, still, WINDOWS);
        demand(drift_phase1_promises(w.p) && w.p->flags == 0, "flags %u", w.p->flags);
        for (int f = 0; f < FEATURES; f++)
            for (int r = 0; r < 2; r++) {
                const struct drift_phase1_score *s = &w.p->column[f].score[r];
                demand(s->used && !s->seasonal && s->phi < 2.5 && s->natural_sd < .02 && s->split_p > 1e-4,
                       "phi %g sd %g split %g", s->phi, s->natural_sd, s->split_p);
                demand(s->phi > 1 || (s->effective == WINDOWS), "effective %g", s->effective);
                demand(s->phi > 1 || w.p->column[f].delta == 0 || w.p->column[f].psi_mean > 0 ||
                           w.p->column[f].score[1 - r].phi > 1,
                       "delta %g", w.p->column[f].delta);
            }
        demand(fabs(w.p->events - EVENTS) < 1e-6, "events %g", w.p->events);
        world_release(&w);
    }
}
END_TEST

START_TEST(names_the_split)
{
    struct world w;
    world_init(&w, 20, steps, WINDOWS);
    const struct drift_phase1_score *s = &w.p->column[1].score[0];
    ck_assert(!drift_phase1_promises(w.p));
    ck_assert_int_eq(w.p->column[1].flags & DRIFT_PHASE1_SPLIT, DRIFT_PHASE1_SPLIT);
    ck_assert_int_eq(w.p->column[0].flags | w.p->column[2].flags | w.p->column[3].flags, 0);
    demand(s->split >= 145 && s->split <= 155, "split before window %u", s->split);
    ck_assert_double_gt(s->split_size, .08);
    ck_assert_double_lt(s->split_size, .16);
    world_release(&w);
}
END_TEST

/* Truth: the long-run variance of V1 is 1 + n (.977 .1)^2 (1 + .7) / (1 - .7) = 28; phi is an upper limit of it. */
START_TEST(measures_wander)
{
    struct world w;
    world_init(&w, 21, wander, WINDOWS);
    const struct drift_phase1_column *p = &w.p->column[2];
    demand(p->score[0].phi > 20 && p->score[0].phi < 150, "phi %g", p->score[0].phi);
    demand(p->score[0].natural_sd > .08 && p->score[0].natural_sd < .115, "sd %g", p->score[0].natural_sd);
    demand(p->score[0].effective > 25 && p->score[0].effective < 120, "effective %g", p->score[0].effective);
    /* a shift of .1 sd makes a PSI of some .0095 */
    demand(p->psi_mean > .006 && p->psi_mean < .014 && p->delta > 16 * .006, "psi %g delta %g", p->psi_mean, p->delta);
    ck_assert_double_gt(p->delta_eff, p->delta);
    ck_assert_double_lt(w.p->column[0].score[0].phi, 3);
    /* a normal variable that moves by mu has its second score moved by sqrt(15) / (2 pi) mu^2 = .62 mu^2 */
    demand(p->curve > .3 && p->curve < 1.3, "curve %g", p->curve);
    ck_assert_double_eq(w.p->column[0].curve, 0);
    world_release(&w);
}
END_TEST

START_TEST(sees_slow_wander)
{
    int seen = 0;
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct world w;
        world_init(&w, 30 + seed, slow, WINDOWS);
        seen += !drift_phase1_promises(w.p);
        ck_assert_int_eq(w.p->column[0].flags, 0);
        world_release(&w);
    }
    ck_assert_int_ge(seen, 3);
}
END_TEST

START_TEST(knows_the_hours)
{
    struct world w;
    world_init(&w, 40, daily, WINDOWS);
    const struct drift_phase1_score *s = &w.p->column[0].score[0];
    ck_assert(s->seasonal);
    ck_assert_double_gt(s->season_share, .7);
    for (int h = 0; h < 24; h++)
        demand(fabs(drift_phase1_season(s, MONDAY + h * HOUR) - .977 * .2 * sin(2 * M_PI * h / 24)) < .05,
               "hour %d: %g", h, drift_phase1_season(s, MONDAY + h * HOUR));
    ck_assert_double_lt(s->phi, 3);
    ck_assert(!w.p->column[1].score[0].seasonal);
    ck_assert(drift_phase1_promises(w.p));
    world_release(&w);
}
END_TEST

START_TEST(knows_the_weekend)
{
    struct world w;
    world_init(&w, 41, weekly, WINDOWS);
    const struct drift_phase1_score *s = &w.p->column[0].score[0];
    ck_assert(s->seasonal);
    ck_assert_double_lt(s->weekend_p, 1e-6);
    double gap = drift_phase1_season(s, MONDAY + 5 * 24 * HOUR) - drift_phase1_season(s, MONDAY);
    demand(gap > .12 && gap < .18, "gap %g", gap);
    demand(drift_phase1_season(s, MONDAY - HOUR) > drift_phase1_season(s, MONDAY), "Sunday before 1970-01-05");
    world_release(&w);
}
END_TEST

START_TEST(too_little)
{
    struct world w;
    world_init(&w, 42, still, 40);
    ck_assert_uint_eq(w.p->flags, DRIFT_PHASE1_FEW_WINDOWS);
    world_release(&w);
    world_init(&w, 42, still, 0);
    ck_assert_uint_eq(w.p->flags, DRIFT_PHASE1_NO_WINDOWS);
    ck_assert_double_eq(w.p->column[0].score[0].phi, 1);
    struct drift_phase1 *p;
    struct drift_phase1_window turned[2] = {w.windows[1], w.windows[0]};
    ck_assert_int_eq(drift_phase1_fit(w.pooled, turned, 2, HOUR, NULL, &p), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_phase1_fit(w.pooled, NULL, 0, HOUR, &(struct drift_phase1_settings){.q = NAN}, &p),
                     DRIFT_E_RANGE);
    drift_summary_reset(w.pooled);
    ck_assert_int_eq(drift_phase1_fit(w.pooled, NULL, 0, HOUR, NULL, &p), DRIFT_E_EMPTY);
    world_release(&w);
}
END_TEST

static struct drift_layout *categories(uint32_t n)
{
    static char names[100][8];
    const char *list[100];
    struct drift_layout *l = drift_layout_new();
    static const char *const rare[] = {"r1", "r2", "r3"};
    for (uint32_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "c%u", i);
        list[i] = names[i];
    }
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "country", list, n, rare, 3), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

/* Rates: limits by scipy.stats.beta at .97725. */
START_TEST(limits_of_rates)
{
    static const struct {
        uint64_t k, n;
        double low, high;
    } cases[] = {{0, 1000, 0, 0.0037760371077625652},
                 {3, 1000, 0.0005967065033349027, 0.008875439846624035},
                 {50, 2000, 0.018496271224849512, 0.03299397714703261}};
    struct drift_layout *l = categories(5);
    struct drift_summary *s = drift_summary_new(l);
    struct drift_phase1 *p;
    for (size_t i = 0; i < 3; i++) {
        drift_summary_reset(s);
        s->n = cases[i].n;
        s->counts[DRIFT_NULL] = cases[i].k;
        s->counts[DRIFT_N_SPECIAL] = cases[i].n - cases[i].k;
        ck_assert_int_eq(drift_phase1_fit(s, NULL, 0, 0, NULL, &p), 0);
        const struct drift_phase1_rate *r = &p->column[0].rate[DRIFT_RATE_NULL];
        ck_assert(r->used);
        demand(fabs(r->low - cases[i].low) < 1e-9 && fabs(r->high - cases[i].high) < 1e-9, "%.10g %.10g", r->low,
               r->high);
        drift_phase1_free(p);
    }
    drift_summary_free(s);
    drift_layout_free(l);
}
END_TEST

START_TEST(categories_make_groups)
{
    struct drift_layout *l = categories(100);
    struct drift_summary *s = drift_summary_new(l);
    struct drift_phase1 *p;
    struct drift_rng r = drift_rng_new(50);
    for (int round = 0; round < 200; round++) {
        uint64_t n = 0, grouped = 0;
        drift_summary_reset(s);
        for (uint32_t j = 0; j < 102; j++)
            n += s->counts[DRIFT_N_SPECIAL + j] =
                drift_rng_below(&r, 3) ? drift_rng_below(&r, 1 + drift_rng_below(&r, 40)) : 0;
        s->counts[DRIFT_N_SPECIAL]++;
        s->n = n + 1;
        ck_assert_int_eq(drift_phase1_fit(s, NULL, 0, 0, NULL, &p), 0);
        const struct drift_phase1_column *c = &p->column[0];
        for (uint32_t g = 0; g < c->n_groups; g++) {
            uint64_t sum = 0;
            for (uint32_t j = 0; j < 102; j++)
                sum += c->group[j] == g ? s->counts[DRIFT_N_SPECIAL + j] : 0;
            demand(sum == c->group_count[g], "group %u: %lu", g, (unsigned long)sum);
            demand(sum >= 5 || c->n_groups == 1, "group %u of %u has %lu", g, c->n_groups, (unsigned long)sum);
            grouped += sum;
        }
        demand(grouped == c->m, "all of them");
        for (uint32_t j = 0; j < 102; j++)
            demand(c->group[j] < c->n_groups &&
                       c->cell_high[j] >= (double)s->counts[DRIFT_N_SPECIAL + j] / (double)c->m,
                   "cell %u", j);
        drift_phase1_free(p);
    }
    drift_summary_free(s);
    drift_layout_free(l);
}
END_TEST

START_TEST(saved_and_read)
{
    struct world w;
    struct drift_phase1 *q;
    static uint8_t bytes[1 << 14], again[1 << 14];
    size_t len, len2;
    world_init(&w, 60, daily, WINDOWS);
    ck_assert_int_eq(drift_phase1_save(w.p, bytes, sizeof bytes, &len), 0);
    ck_assert_int_eq(drift_phase1_load(bytes, len, w.pooled, &q), 0);
    ck_assert_int_eq(drift_phase1_save(q, again, sizeof again, &len2), 0);
    ck_assert(len == len2 && !memcmp(bytes, again, len));
    for (int f = 0; f < FEATURES; f++) {
        ck_assert_double_eq(q->column[f].delta_eff, w.p->column[f].delta_eff);
        ck_assert_mem_eq(q->column[f].basis, w.p->column[f].basis, 2 * TRAFFIC_CELLS * sizeof(double));
        ck_assert_mem_eq(q->column[f].group, w.p->column[f].group, TRAFFIC_CELLS * sizeof(uint16_t));
    }
    drift_phase1_free(q);
    for (size_t cut = 0; cut < len; cut++)
        demand(drift_phase1_load(bytes, cut, w.pooled, &q) == DRIFT_E_PARSE, "cut at %zu", cut);
    ck_assert_int_eq(drift_phase1_load(bytes, len + 8, w.pooled, &q), DRIFT_E_PARSE);
    ck_assert_int_eq(drift_phase1_save(w.p, again, 20, &len2), DRIFT_E_FULL);
    struct drift_rng r = drift_rng_new(61);
    for (int i = 0; i < 3000; i++) {
        memcpy(again, bytes, len);
        for (int k = 0; k < 1 + i % 3; k++)
            again[drift_rng_below(&r, len)] = (uint8_t)drift_rng_u64(&r);
        if (drift_phase1_load(again, len, w.pooled, &q) == 0)
            drift_phase1_free(q);
    }
    memcpy(again, bytes, len);
    memcpy(again + 40, &(double){3600000.5}, sizeof(double)); /* magic, version, hash, q, windows: then their length */
    ck_assert_int_eq(drift_phase1_load(again, len, w.pooled, &q), DRIFT_E_CORRUPT);
    w.pooled->counts[7]++;
    ck_assert_int_eq(drift_phase1_load(bytes, len, w.pooled, &q), DRIFT_E_MISMATCH);
    world_release(&w);
}
END_TEST

int main(void)
{
    drift_stats_init();
    Suite *s = suite_create("phase1");
    drift_test_add(s, "nothing to say", nothing_to_say, 20);
    drift_test_add(s, "names the split", names_the_split, 10);
    drift_test_add(s, "measures wander", measures_wander, 10);
    drift_test_add(s, "sees slow wander", sees_slow_wander, 20);
    drift_test_add(s, "knows the hours", knows_the_hours, 10);
    drift_test_add(s, "knows the weekend", knows_the_weekend, 10);
    drift_test_add(s, "too little", too_little, 10);
    drift_test_add(s, "limits of rates", limits_of_rates, 10);
    drift_test_add(s, "categories make groups", categories_make_groups, 10);
    drift_test_add(s, "saved and read", saved_and_read, 20);
    return drift_test_run(s);
}
