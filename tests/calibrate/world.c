/* tests/calibrate/world.c    One simulated model: baseline, phase I, bank, traffic; for the tables of calibrate.c. */
#include "calibrate.h"

static void means_next(struct world *w, size_t i)
{
    for (int f = 0; f < FEATURES; f++) {
        double shock = w->s.sd * drift_rng_gauss(&w->r);
        w->mu[f] = i ? w->s.rho * w->mu[f] + sqrt(1 - w->s.rho * w->s.rho) * shock : shock;
        if (w->s.wandering && f >= w->s.wandering)
            w->mu[f] = 0;
    }
}

static void window_draw(struct world *w, struct change c, struct drift_summary *s)
{
    int copies = w->s.copies > 1 ? w->s.copies : 1;
    drift_summary_reset(s);
    s->n = w->s.events;
    for (int f = 0; f < FEATURES; f++) {
        const struct drift_column *col = &w->t.layout->columns[f];
        struct traffic_alias a;
        double mean = w->mu[f], sd = 1;
        if (f % copies) {
            memcpy(s->counts + col->first, s->counts + col[-(f % copies)].first,
                   (DRIFT_N_SPECIAL + col->n_cells) * sizeof *s->counts);
            continue;
        }
        mean += w->s.daily * sin(2 * 3.14159265358979 * ((double)(w->now / HOUR_MS) / 24 + w->phase[f]));
        if (f == 0) {
            mean += c.mean;
            sd = c.sd;
        }
        bool still = mean == 0 && sd == 1 && !w->s.shares;
        if (w->s.shares)
            traffic_odds(&w->t, (uint32_t)f, mean, &a);
        else if (!still)
            traffic_normal(&w->t, mean, sd, &a);
        traffic_draw(&w->t, still ? &w->t.still : &a, &w->r, w->s.events, (uint32_t)f, s);
        for (unsigned e = 0; e < w->s.events && (w->s.shares || w->s.own_range); e++)
            s->counts[col->first + DRIFT_NULL] += drift_rng_below(&w->r, 100) == 0;
        if (w->s.own_range)
            for (int end = 0; end < 2; end++) {
                uint64_t *outer = s->counts + col->first + DRIFT_N_SPECIAL + (end ? col->n_cells - 1 : 0);
                traffic_outside(&w->r, w->beyond[f][end], end ? outer - 1 : outer + 1, outer);
            }
    }
    w->now += HOUR_MS;
}

static void categories_init(struct traffic *t)
{
    static const uint32_t kinds[] = {2, 3, 8, 20};
    uint32_t n[FEATURES];
    for (int f = 0; f < FEATURES; f++)
        n[f] = kinds[f % 4];
    traffic_categories_init(t, FEATURES, n);
}

void world_init(struct world *w, const struct scenario *s, enum drift_evidence_mode mode, bool guard, uint64_t seed)
{
    struct drift_phase1_window windows[BASELINE_MAX];
    struct drift_evidence_settings set = {.windows = FALSE_ALARM_WINDOWS, .mode = mode, .glitch_guard = guard};
    memset(w, 0, sizeof *w);
    if (s->shares)
        categories_init(&w->t);
    else
        traffic_init(&w->t, FEATURES);
    w->s = *s;
    w->r = drift_rng_new(seed);
    w->pooled = drift_summary_new(w->t.layout);
    w->window = drift_summary_new(w->t.layout);
    for (int f = 0; f < FEATURES; f++)
        w->phase[f] = drift_rng_uniform(&w->r);
    for (size_t i = 0; i < s->windows; i++) {
        struct drift_summary *one = drift_summary_new(w->t.layout);
        means_next(w, i);
        windows[i].start_ms = w->now;
        window_draw(w, (struct change){0, 1}, one);
        windows[i].summary = one;
        if (drift_summary_merge(w->pooled, one))
            abort();
    }
    for (int f = 0; f < FEATURES && s->own_range; f++) {
        const struct drift_column *col = &w->t.layout->columns[f];
        const uint64_t *cells = w->pooled->counts + col->first + DRIFT_N_SPECIAL;
        w->beyond[f][0] = traffic_beyond(&w->r, cells[1]);
        w->beyond[f][1] = traffic_beyond(&w->r, cells[col->n_cells - 2]);
    }
    if (drift_phase1_fit(w->pooled, windows, s->windows, HOUR_MS, NULL, &w->phase1) ||
        drift_evidence_new(w->phase1, &set, &w->bank))
        abort();
    for (size_t i = 0; i < s->windows; i++)
        drift_summary_free((struct drift_summary *)windows[i].summary);
}

void world_release(struct world *w)
{
    drift_evidence_free(w->bank);
    drift_phase1_free(w->phase1);
    drift_summary_free(w->pooled);
    drift_summary_free(w->window);
    traffic_release(&w->t);
}

void world_step(struct world *w, struct change c, struct drift_evidence_result *ret)
{
    means_next(w, 1);
    int64_t start_ms = w->now;
    window_draw(w, c, w->window);
    if (drift_evidence_update(w->bank, w->window->counts, start_ms, 1, ret))
        abort();
}
