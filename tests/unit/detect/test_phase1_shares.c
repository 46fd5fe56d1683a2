/* tests/unit/detect/test_phase1_shares.c    What a baseline says about its categories: still, split, slow, by the hour.
 */
#include "traffic.h"

#include "driftd/error.h"
#include "driftd/evidence.h"
#include "driftd/phase1.h"
#include "driftd/tail.h"

enum { COLUMNS = 4, WINDOWS = 336, EVENTS = 500 };
#define HOUR INT64_C(3600000)
#define MONDAY INT64_C(345600000) /* 1970-01-05 */

static const uint32_t n_categories[COLUMNS] = {2, 3, 8, 30};

/* As ck_assert_msg, but silent when it holds. */
#define demand(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg(__VA_ARGS__);                                                                                 \
    } while (0)

/* What is added to the log odds of the second category of column f in window i; r may be drawn from. */
typedef double odds_fn(struct drift_rng *r, uint32_t f, int i, double before);

struct world {
    struct traffic t;
    struct drift_summary *pooled;
    struct drift_phase1_window windows[WINDOWS];
    struct drift_phase1 *p;
};

static void world_init(struct world *w, uint64_t stream, odds_fn *odds)
{
    struct drift_rng r = drift_rng_new(stream);
    double at[COLUMNS] = {0};
    traffic_categories_init(&w->t, COLUMNS, n_categories);
    w->pooled = drift_summary_new(w->t.layout);
    for (int i = 0; i < WINDOWS; i++) {
        struct drift_summary *s = drift_summary_new(w->t.layout);
        s->n = EVENTS;
        for (uint32_t f = 0; f < COLUMNS; f++) {
            struct traffic_alias a;
            traffic_odds(&w->t, f, at[f] = odds(&r, f, i, at[f]), &a);
            traffic_draw(&w->t, &a, &r, EVENTS, f, s);
        }
        ck_assert_int_eq(drift_summary_merge(w->pooled, s), 0);
        w->windows[i] = (struct drift_phase1_window){.start_ms = MONDAY + i * HOUR, .summary = s};
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

static double still(struct drift_rng *r, uint32_t f, int i, double before)
{
    (void)r, (void)f, (void)i, (void)before;
    return 0;
}
static double steps(struct drift_rng *r, uint32_t f, int i, double before)
{
    (void)r, (void)before;
    return f == 1 && i >= 150 ? .3 : 0;
}
static double slow(struct drift_rng *r, uint32_t f, int i, double before) /* AR(1) .98, sd .15: all but the first */
{
    double sd = f >= 1 ? .15 : 0;
    return i ? .98 * before + sd * sqrt(1 - .98 * .98) * drift_rng_gauss(r) : sd * drift_rng_gauss(r);
}
static double daily(struct drift_rng *r, uint32_t f, int i, double before)
{
    (void)r, (void)before;
    return f == 2 ? .5 * sin(2 * M_PI * i / 24) : 0;
}

START_TEST(nothing_to_say)
{
    int phis = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct world w;
        world_init(&w, 10 + seed, still);
        demand(drift_phase1_promises(w.p) && w.p->flags == 0, "seed %lu: flags %u", (unsigned long)seed, w.p->flags);
        for (int f = 0; f < COLUMNS; f++) {
            const struct drift_phase1_score *s = &w.p->column[f].score[0];
            demand(s->used && !s->seasonal && s->natural_sd < .03 && s->split_p > 1e-4, "split %g sd %g", s->split_p,
                   s->natural_sd);
            demand(!w.p->column[f].score[1].used && !w.p->column[f].basis, "a location of categories");
            phis += s->phi > 1;
        }
        world_release(&w);
    }
    /* seven block lengths at .01 each, that go together */
    demand(phis <= 12, "%d of 80 columns seem to vary", phis);
}
END_TEST

START_TEST(names_split_and_category)
{
    struct world w;
    world_init(&w, 40, steps);
    const struct drift_phase1_column *p = &w.p->column[1];
    ck_assert(!drift_phase1_promises(w.p));
    ck_assert_int_eq(p->flags & DRIFT_PHASE1_SPLIT, DRIFT_PHASE1_SPLIT);
    ck_assert_int_eq(w.p->column[0].flags | w.p->column[2].flags | w.p->column[3].flags, 0);
    demand(p->score[0].split >= 145 && p->score[0].split <= 155, "split before window %u", p->score[0].split);
    /* .5 of 1.833 becomes .675 of 2.008, which is 6.3 points */
    double share = (double)w.pooled->counts[w.t.layout->columns[1].first + DRIFT_N_SPECIAL + 1] / (double)p->m;
    double points = p->score[0].split_size * sqrt(share * (1 - share));
    demand(p->cell == 1 && fabs(points - .0634) < .006, "category %u moves by %g", p->cell, points);
    world_release(&w);
}
END_TEST

START_TEST(sees_slow_wander)
{
    int seen = 0;
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct world w;
        world_init(&w, 50 + seed, slow);
        seen += !drift_phase1_promises(w.p);
        ck_assert_int_eq(w.p->column[0].flags, 0);
        demand(w.p->column[1].delta > 0, "no tolerance");
        world_release(&w);
    }
    demand(seen >= 6, "%d of 8", seen);
}
END_TEST

START_TEST(knows_the_hours)
{
    struct world w;
    world_init(&w, 60, daily);
    const struct drift_phase1_score *s = &w.p->column[2].score[0];
    ck_assert(s->seasonal);
    ck_assert_double_gt(s->season_share, .6);
    demand(fabs(s->hour[6]) > .1 && s->hour[6] * s->hour[18] < 0, "%g at six, %g at eighteen", s->hour[6], s->hour[18]);
    ck_assert(!w.p->column[1].score[0].seasonal);
    demand(drift_phase1_promises(w.p), "flags %u", w.p->flags);
    world_release(&w);
}
END_TEST

START_TEST(saved_and_read)
{
    struct world w;
    struct drift_phase1 *q;
    static uint8_t bytes[1 << 14], again[1 << 14];
    size_t len, len2;
    world_init(&w, 61, daily);
    ck_assert_int_eq(drift_phase1_save(w.p, bytes, sizeof bytes, &len), 0);
    ck_assert_int_eq(drift_phase1_load(bytes, len, w.pooled, &q), 0);
    ck_assert_int_eq(drift_phase1_save(q, again, sizeof again, &len2), 0);
    ck_assert(len == len2 && !memcmp(bytes, again, len));
    ck_assert(q->column[2].score[0].used && q->column[2].score[0].seasonal);
    ck_assert_uint_eq(q->column[1].cell, w.p->column[1].cell);
    drift_phase1_free(q);
    struct drift_rng r = drift_rng_new(62);
    for (int i = 0; i < 3000; i++) {
        memcpy(again, bytes, len);
        again[drift_rng_below(&r, len)] = (uint8_t)drift_rng_u64(&r);
        if (drift_phase1_load(again, len, w.pooled, &q) == 0) {
            for (int f = 0; f < COLUMNS; f++)
                ck_assert_uint_lt(q->column[f].cell, w.t.layout->columns[f].n_cells);
            drift_phase1_free(q);
        }
    }
    world_release(&w);
}
END_TEST

/* What is made of counts near the end of their range can be read again. */
START_TEST(huge_counts)
{
    struct world w;
    struct drift_phase1 *q;
    static uint8_t bytes[1 << 14];
    size_t len;
    world_init(&w, 64, slow);
    drift_phase1_free(w.p);
    drift_summary_reset(w.pooled);
    for (int i = 0; i < WINDOWS; i++) {
        struct drift_summary *s = (struct drift_summary *)(uintptr_t)w.windows[i].summary;
        for (uint32_t k = 0; k < w.t.layout->n_counts; k++)
            s->counts[k] <<= 45;
        s->n <<= 45;
        ck_assert_int_eq(drift_summary_merge(w.pooled, s), 0);
    }
    ck_assert_int_eq(drift_phase1_fit(w.pooled, w.windows, WINDOWS, HOUR, NULL, &w.p), 0);
    demand(w.p->column[2].score[0].phi > 1e8, "phi %g", w.p->column[2].score[0].phi);
    ck_assert_int_eq(drift_phase1_save(w.p, bytes, sizeof bytes, &len), 0);
    ck_assert_int_eq(drift_phase1_load(bytes, len, w.pooled, &q), 0);
    drift_phase1_free(q);
    world_release(&w);
}
END_TEST

/* The shares say how still a column stands; they are no streams of evidence. */
START_TEST(no_streams_of_their_own)
{
    struct world w;
    struct drift_evidence *e;
    struct drift_evidence_result res;
    world_init(&w, 63, still);
    ck_assert_int_eq(drift_evidence_new(w.p, &(struct drift_evidence_settings){.windows = 2160}, &e), 0);
    ck_assert_int_eq(drift_evidence_update(e, w.windows[0].summary->counts, 0, 1, &res), 0);
    for (uint32_t f = 0; f < COLUMNS; f++) {
        const struct drift_evidence_column *c = drift_evidence_of(e, f);
        ck_assert(c->live[DRIFT_STREAM_PSI] && c->live[DRIFT_STREAM_MAX_CELL]);
        ck_assert(!c->live[DRIFT_STREAM_V1_UP] && !c->live[DRIFT_STREAM_V2_DOWN]);
    }
    drift_evidence_free(e);
    world_release(&w);
}
END_TEST

int main(void)
{
    drift_stats_init();
    Suite *s = suite_create("phase1_shares");
    drift_test_add(s, "nothing to say", nothing_to_say, 30);
    drift_test_add(s, "names split and category", names_split_and_category, 10);
    drift_test_add(s, "sees slow wander", sees_slow_wander, 20);
    drift_test_add(s, "knows the hours", knows_the_hours, 10);
    drift_test_add(s, "saved and read", saved_and_read, 20);
    drift_test_add(s, "huge counts", huge_counts, 20);
    drift_test_add(s, "no streams of their own", no_streams_of_their_own, 10);
    return drift_test_run(s);
}
