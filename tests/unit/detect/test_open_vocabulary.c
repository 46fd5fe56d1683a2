/* tests/unit/detect/test_open_vocabulary.c    Columns with more names than a baseline sees: what is new every day is no
 *                                             drift, what is new today is. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "driftd/evidence.h"
#include "driftd/measure.h"
#include "driftd/tail.h"
#include "support.h"
#include "zipf.h"

enum { NAMES = 20000, WINDOWS = 120, EVENTS = 500, OWN = 300 };
#define HOUR INT64_C(3600000)

static double law[NAMES];
static uint32_t cell_of[NAMES];

/* The names of most events get cells, all others that the baseline saw are rare. */
static struct drift_layout *layout_of(const uint32_t *count)
{
    static char names[NAMES][8];
    static const char *own[OWN], *rare[NAMES];
    static bool taken[NAMES];
    uint32_t n_rare = 0;
    memset(taken, 0, sizeof taken);
    for (int i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof names[i], "c%d", i);
    for (uint32_t k = 0; k < OWN; k++) {
        int most = 0;
        for (int i = 0; i < NAMES; i++)
            if (!taken[i] && (taken[most] || count[i] > count[most]))
                most = i;
        taken[most] = true;
        own[k] = names[most];
        cell_of[most] = k;
    }
    for (int i = 0; i < NAMES; i++) {
        if (!taken[i])
            cell_of[i] = count[i] ? OWN : OWN + 1;
        if (!taken[i] && count[i])
            rare[n_rare++] = names[i];
    }
    struct drift_layout *l = drift_layout_new();
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "domain", own, OWN, rare, n_rare), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

static void count_names(struct drift_summary *s, const uint16_t *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        s->counts[DRIFT_N_SPECIAL + cell_of[name[i]]]++;
    s->n += n;
}

struct world {
    struct drift_layout *layout;
    struct drift_summary *pooled;
    struct drift_phase1_window windows[WINDOWS];
    struct drift_phase1 *phase1;
    struct drift_evidence *bank;
};

static void world_init(struct world *w, struct drift_rng *r, double windows)
{
    static uint16_t name[WINDOWS][EVENTS];
    static uint32_t count[NAMES];
    zipf_law(law, NAMES, 1.1);
    memset(count, 0, sizeof count);
    for (int i = 0; i < WINDOWS; i++)
        for (int e = 0; e < EVENTS; e++)
            count[name[i][e] = (uint16_t)zipf_draw(law, NAMES, r)]++;
    w->layout = layout_of(count);
    w->pooled = drift_summary_new(w->layout);
    for (int i = 0; i < WINDOWS; i++) {
        struct drift_summary *s = drift_summary_new(w->layout);
        count_names(s, name[i], EVENTS);
        ck_assert_int_eq(drift_summary_merge(w->pooled, s), 0);
        w->windows[i] = (struct drift_phase1_window){.start_ms = i * HOUR, .summary = s};
    }
    struct drift_evidence_settings set = {.windows = windows};
    ck_assert_int_eq(drift_phase1_fit(w->pooled, w->windows, WINDOWS, HOUR, NULL, &w->phase1), 0);
    ck_assert_int_eq(drift_evidence_new(w->phase1, &set, &w->bank), 0);
}

static void world_release(struct world *w)
{
    drift_evidence_free(w->bank);
    drift_phase1_free(w->phase1);
    for (int i = 0; i < WINDOWS; i++)
        drift_summary_free((struct drift_summary *)w->windows[i].summary);
    drift_summary_free(w->pooled);
    drift_layout_free(w->layout);
}

/* strange: one event in so many has a name that nobody has seen; 0: none. */
static void window_draw(struct drift_rng *r, int strange, struct drift_summary *s)
{
    drift_summary_reset(s);
    for (int e = 0; e < EVENTS; e++) {
        bool other = strange && drift_rng_below(r, (uint64_t)strange) == 0;
        s->counts[DRIFT_N_SPECIAL + (other ? OWN + 1 : cell_of[zipf_draw(law, NAMES, r)])]++;
    }
    s->n = EVENTS;
}

START_TEST(new_every_day)
{
    struct drift_rng r = drift_rng_new(1);
    struct world w;
    world_init(&w, &r, 1e5);
    ck_assert_msg(drift_phase1_promises(w.phase1), "flags %u", w.phase1->flags);
    struct drift_summary *s = drift_summary_new(w.layout);
    struct drift_measure m[DRIFT_N_MEASURE];
    const struct drift_column *c = &w.layout->columns[0];
    double most = 0, unseen = 0, psi = 0;
    int small_p[DRIFT_N_MEASURE] = {0};
    enum { QUIET = 400 };
    for (int i = 0; i < QUIET; i++) {
        struct drift_evidence_result res;
        window_draw(&r, 0, s);
        ck_assert_int_eq(drift_evidence_update(w.bank, s->counts, (WINDOWS + i) * HOUR, 1, &res), 0);
        most = fmax(most, res.evidence);
        ck_assert_msg(!res.alarm, "alarm at window %d", i);
        drift_measure_column(c, w.pooled->counts, s->counts, m);
        unseen += m[DRIFT_MEASURE_UNSEEN_RATE].value / QUIET;
        psi = fmax(psi, m[DRIFT_MEASURE_PSI].effect);
        for (int k = 0; k < DRIFT_N_MEASURE; k++)
            small_p[k] += m[k].why == DRIFT_WHY_NONE && m[k].has_p && m[k].p_value < 1e-4;
    }
    printf("%.1f %% of a window are new; evidence at most %.2f of 11.5; psi at most %.3f\n", 100 * unseen, most, psi);
    ck_assert_msg(unseen > .03, "only %g of a window is new: nothing is tested", unseen);
    ck_assert_msg(psi < .1, "psi %g", psi);
    for (int k = 0; k < DRIFT_N_MEASURE; k++)
        ck_assert_msg(small_p[k] <= 1, "%s: p < 1e-4 in %d of %d windows", drift_measure_name((enum drift_measure_id)k),
                      small_p[k], QUIET);
    drift_summary_free(s);
    world_release(&w);
}
END_TEST

START_TEST(new_today)
{
    struct drift_rng r = drift_rng_new(2);
    struct world w;
    int i = 0;
    world_init(&w, &r, 2160);
    struct drift_summary *s = drift_summary_new(w.layout);
    struct drift_measure m[DRIFT_N_MEASURE];
    struct drift_evidence_result res = {0};
    for (; i < 30 && !res.alarm; i++) {
        window_draw(&r, 10, s);
        ck_assert_int_eq(drift_evidence_update(w.bank, s->counts, (WINDOWS + i) * HOUR, 1, &res), 0);
    }
    printf("one event in ten has a name of another world: alarm after %d windows\n", i);
    ck_assert_msg(res.alarm && i <= 15, "no alarm after %d windows", i);
    /* a name in two: rules see it at once */
    window_draw(&r, 2, s);
    drift_measure_column(&w.layout->columns[0], w.pooled->counts, s->counts, m);
    ck_assert_msg(m[DRIFT_MEASURE_UNSEEN_RATE].effect > .1 && m[DRIFT_MEASURE_UNSEEN_RATE].p_value < 1e-6,
                  "rise %g p %g", m[DRIFT_MEASURE_UNSEEN_RATE].effect, m[DRIFT_MEASURE_UNSEEN_RATE].p_value);
    ck_assert_msg(m[DRIFT_MEASURE_PSI].effect > .1 && m[DRIFT_MEASURE_PSI].p_value < 1e-6, "psi %g p %g",
                  m[DRIFT_MEASURE_PSI].effect, m[DRIFT_MEASURE_PSI].p_value);
    drift_summary_free(s);
    world_release(&w);
}
END_TEST

/* Few categories, of which one is next to nothing, or was never seen: pooled with whatever else, but never out of
 * sight. */
START_TEST(next_to_nothing_and_grows)
{
    static const char *const names[] = {"pass", "block", "review"};
    static const struct {
        uint64_t base[5], cur[5];
    } cases[] = {{{19998, 2, 0, 0, 0}, {470, 30, 0, 0, 0}},
                 {{19000, 960, 40, 0, 0}, {380, 20, 100, 0, 0}},
                 {{19000, 1000, 0, 0, 0}, {440, 30, 0, 0, 30}},
                 {{16000, 3990, 10, 0, 0}, {375, 95, 30, 0, 0}}};
    struct drift_layout *l = drift_layout_new();
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "verdict", names, 3, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t base[DRIFT_N_SPECIAL + 5] = {0}, cur[DRIFT_N_SPECIAL + 5] = {0};
        struct drift_measure m[DRIFT_N_MEASURE];
        memcpy(base + DRIFT_N_SPECIAL, cases[i].base, sizeof cases[i].base);
        memcpy(cur + DRIFT_N_SPECIAL, cases[i].cur, sizeof cases[i].cur);
        drift_measure_column(&l->columns[0], base, cur, m);
        const struct drift_measure *psi = &m[DRIFT_MEASURE_PSI];
        const struct drift_measure *share = &m[DRIFT_MEASURE_PROPORTION];
        ck_assert_msg(share->effect > .05 && share->p_value < 1e-6, "case %zu: share %g, p %g", i, share->effect,
                      share->p_value);
        ck_assert_msg(psi->effect > .2 && psi->effect > .8 * m[DRIFT_MEASURE_PSI_RAW].effect && psi->p_value < 1e-6,
                      "case %zu: psi %g of %g, p %g", i, psi->effect, m[DRIFT_MEASURE_PSI_RAW].effect, psi->p_value);
    }
    drift_layout_free(l);
}
END_TEST

static struct drift_layout *small_layout(uint32_t n_own, uint32_t n_rare)
{
    static char names[1000][8];
    static const char *list[1000];
    for (int i = 0; i < 1000; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        list[i] = names[i];
    }
    struct drift_layout *l = drift_layout_new();
    ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "x", list, n_own, list + n_own, n_rare), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

/* Names that an hour's windows had once are no hint that others are to come, when all windows had them often. */
START_TEST(an_hour_asks_the_whole)
{
    enum { OWN_NAMES = 200 };
    struct drift_layout *l = small_layout(OWN_NAMES, 0);
    uint64_t whole[DRIFT_N_SPECIAL + OWN_NAMES + 2] = {0}, hour[DRIFT_N_SPECIAL + OWN_NAMES + 2] = {0};
    uint64_t cur[DRIFT_N_SPECIAL + OWN_NAMES + 2] = {0};
    struct drift_measure m[DRIFT_N_MEASURE];
    for (int i = 0; i < OWN_NAMES; i++) {
        whole[DRIFT_N_SPECIAL + i] = 100;
        hour[DRIFT_N_SPECIAL + i] = 1 + (uint64_t)(i % 2);
        cur[DRIFT_N_SPECIAL + i] = 2;
    }
    cur[DRIFT_N_SPECIAL + OWN_NAMES + 1] = 40;
    drift_measure_column_law(&l->columns[0], hour, cur, whole, NULL, m);
    ck_assert_double_eq(m[DRIFT_MEASURE_UNSEEN_RATE].baseline, 0);
    ck_assert_double_lt(m[DRIFT_MEASURE_UNSEEN_RATE].p_value, 1e-8);
    drift_measure_column(&l->columns[0], hour, cur, m);
    ck_assert_double_gt(m[DRIFT_MEASURE_UNSEEN_RATE].baseline, .3);
    drift_layout_free(l);
}
END_TEST

START_TEST(all_is_new)
{
    struct drift_layout *l = small_layout(1, 500);
    uint64_t base[DRIFT_N_SPECIAL + 3] = {0, 0, 0, 0, 500, 500, 0}, cur[DRIFT_N_SPECIAL + 3] = {0, 0, 0, 0, 0, 0, 1000};
    struct drift_measure m[DRIFT_N_MEASURE];
    drift_measure_column(&l->columns[0], base, cur, m);
    ck_assert_int_eq(m[DRIFT_MEASURE_LINF].why, DRIFT_WHY_NONE);
    ck_assert_double_eq(m[DRIFT_MEASURE_LINF].effect, .5);
    ck_assert_double_eq(m[DRIFT_MEASURE_PROPORTION].effect, .5);
    ck_assert_int_eq(m[DRIFT_MEASURE_MAX_CELL].why, DRIFT_WHY_NONE);
    ck_assert_double_eq(m[DRIFT_MEASURE_MAX_CELL].effect, 0); /* what has a cell of its own fell */
    /* a baseline can have missed no more than there is */
    base[DRIFT_N_SPECIAL] = 1;
    base[DRIFT_N_SPECIAL + 1] = 0;
    base[DRIFT_N_SPECIAL + 2] = 1000;
    drift_measure_column(&l->columns[0], base, cur, m);
    ck_assert_double_le(m[DRIFT_MEASURE_UNSEEN_RATE].baseline, 1);
    ck_assert_double_ge(m[DRIFT_MEASURE_UNSEEN_RATE].effect, -1);
    drift_layout_free(l);
}
END_TEST

/* Where names are too many to be kept, those of the first windows are known and later ones are not: which of the two a
 * name is says when it came, not that anything has changed. */
START_TEST(names_beyond_what_is_kept)
{
    enum { OTHERS = 400 };
    struct drift_rng r = drift_rng_new(5);
    struct drift_layout *l = small_layout(100, 500);
    struct drift_summary *pooled = drift_summary_new(l);
    struct drift_phase1_window windows[WINDOWS];
    struct drift_phase1 *p;
    for (int i = 0; i < WINDOWS; i++) {
        struct drift_summary *s = drift_summary_new(l);
        for (int e = 0; e < EVENTS; e++) {
            bool own = drift_rng_below(&r, EVENTS) >= OTHERS;
            uint64_t later = drift_rng_below(&r, WINDOWS);
            s->counts[DRIFT_N_SPECIAL + (own ? drift_rng_below(&r, 100) : later < (uint64_t)i ? 101 : 100)]++;
        }
        s->n = EVENTS;
        ck_assert_int_eq(drift_summary_merge(pooled, s), 0);
        windows[i] = (struct drift_phase1_window){.start_ms = i * HOUR, .summary = s};
    }
    ck_assert_int_eq(drift_phase1_fit(pooled, windows, WINDOWS, HOUR, NULL, &p), 0);
    ck_assert_msg(drift_phase1_promises(p), "flags %u, column %u: split p %g before window %u", p->flags,
                  p->column[0].flags, p->column[0].score[0].split_p, p->column[0].score[0].split);
    drift_phase1_free(p);
    for (int i = 0; i < WINDOWS; i++)
        drift_summary_free((struct drift_summary *)windows[i].summary);
    drift_summary_free(pooled);
    drift_layout_free(l);
}
END_TEST

int main(void)
{
    drift_stats_init();
    Suite *s = suite_create("open_vocabulary");
    drift_test_add(s, "new every day", new_every_day, 30);
    drift_test_add(s, "new today", new_today, 30);
    drift_test_add(s, "next to nothing, and grows", next_to_nothing_and_grows, 10);
    drift_test_add(s, "an hour asks the whole", an_hour_asks_the_whole, 10);
    drift_test_add(s, "all is new", all_is_new, 10);
    drift_test_add(s, "names beyond what is kept", names_beyond_what_is_kept, 30);
    return drift_test_run(s);
}
