/* src/detect/phase1_column.c    How one column's windows vary: scores, seasons, tolerances, limits of rates. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_cdf.h>

#include "driftd/error.h"
#include "driftd/legendre.h"
#include "driftd/psi.h"
#include "driftd/tail.h"
#include "phase1.h"
#include "season.h"
#include "series.h"

/* ---- the windows ---- */

void phase1_view_release(struct phase1_view *v)
{
    free(v->counters);
    free(v->start_ms);
    free(v->at);
    free(v->n_values);
    free(v->x);
    free(v->y);
    free(v->first);
    free(v->groups);
}

int phase1_view_init(struct phase1_view *v, const struct phase1_task *t)
{
    const struct drift_layout *l = t->pooled->layout;
    size_t n = t->n_windows ? t->n_windows : 1, cells = 1;
    *v = (struct phase1_view){.window_ms = t->window_ms, .alpha = 0.001 / (2.0 * fmax(l->n_columns, 1))};
    for (uint32_t i = 0; i < l->n_columns; i++)
        cells = l->columns[i].n_cells > cells ? l->columns[i].n_cells : cells;
    v->counters = calloc(n, sizeof *v->counters);
    v->start_ms = calloc(n, sizeof *v->start_ms);
    v->at = calloc(n, sizeof *v->at);
    v->n_values = calloc(n, sizeof *v->n_values);
    v->x = calloc(n, sizeof *v->x);
    v->y = calloc(n, sizeof *v->y);
    v->first = calloc(n, sizeof *v->first);
    v->groups = calloc(cells, sizeof *v->groups);
    return v->counters && v->start_ms && v->at && v->n_values && v->x && v->y && v->first && v->groups ? 0
                                                                                                       : DRIFT_E_MEMORY;
}

/* all: windows with any value; else only those with valid ones. */
static void view_set(struct phase1_view *v, const struct drift_column *c, const struct drift_phase1_window *windows,
                     size_t n, bool all)
{
    v->c = c;
    v->n = 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t *counters = windows[i].summary->counts + c->first;
        uint64_t values =
            phase1_total(counters + (all ? 0 : DRIFT_N_SPECIAL), c->n_cells + (all ? DRIFT_N_SPECIAL : 0));
        if (!values)
            continue;
        v->counters[v->n] = counters;
        v->start_ms[v->n] = windows[i].start_ms;
        v->at[v->n] = (uint32_t)i;
        v->n_values[v->n++] = (double)values;
    }
}

static double mean_of(const double *x, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += x[i];
    return n ? s / (double)n : 0;
}

static void score_split(const struct phase1_view *v, struct drift_phase1_score *s)
{
    size_t split;
    series_split(v->x, v->n, &split, &s->split_p);
    if (!split)
        return;
    s->split = v->at[split];
    s->split_size = mean_of(v->y + split, v->n - split) - mean_of(v->y, split);
}

double phase1_curve_at(const struct drift_phase1_column *p, double location)
{
    return p->curve * (location * location - p->curve_mean);
}

/* Regression of v->y, mean scores of scale, on squares of the location's; both around their means, as season leaves
 * them.  first: mean scores of location.  The slope counts where the location wanders beyond doubt. */
static double curve_fit(const struct phase1_view *v, struct drift_phase1_column *p)
{
    double mx = 0, my = 0, xx = 0, xy = 0, yy = 0, w = (double)v->n, noise = 1 / p->n_typical;
    if (v->n < 24 || p->score[0].phi <= 1 || p->score[0].natural_sd * p->score[0].natural_sd < noise / 4)
        return 0;
    for (size_t i = 0; i < v->n; i++) {
        mx += v->first[i] * v->first[i] / w;
        my += v->y[i] / w;
    }
    for (size_t i = 0; i < v->n; i++) {
        double a = v->first[i] * v->first[i] - mx, b = v->y[i] - my;
        xx += a * a;
        xy += a * b;
        yy += b * b;
    }
    p->curve_mean = mx;
    double slope = xx > 0 ? xy / xx : 0, rest = fmax(yy - slope * xy, 0) / (w - 2);
    return slope * slope * xx > 9 * rest ? slope : 0;
}

/* How v->y, mean scores, season and curve taken off, vary.  alpha: level at which they do so more than by chance. */
static void score_variation(const struct phase1_view *v, double n_typical, double alpha, struct drift_phase1_score *s)
{
    double sum = 0, squares = 0, w = (double)v->n;
    for (size_t i = 0; i < v->n; i++) {
        v->x[i] = v->y[i] * sqrt(v->n_values[i]);
        sum += v->y[i];
        squares += v->y[i] * v->y[i];
    }
    double variance = v->n > 1 ? (squares - sum * sum / w) / (w - 1) : 0;
    s->natural_sd = sqrt(fmax(variance - 1 / n_typical, 0));
    s->phi = series_phi(v->x, v->n, alpha);
    s->phi_limit = series_limit(v->x, v->n);
    if (s->seasonal && v->n > DRIFT_PHASE1_HOURS) /* a profile of 24 means has errors of its own */
        s->phi *= 1 + DRIFT_PHASE1_HOURS / w;
    s->effective = series_effective(v->x, v->n, s->phi);
    score_split(v, s);
}

static const double dispersion_alpha = 0.01;

static void score_fit(const struct phase1_view *v, struct drift_phase1_column *p, unsigned r, bool season)
{
    struct drift_phase1_score *s = &p->score[r];
    for (size_t i = 0; i < v->n; i++) {
        drift_legendre_score(p->basis + r * v->c->n_cells, v->counters[i] + DRIFT_N_SPECIAL, v->c->n_cells, &v->y[i]);
        v->y[i] /= sqrt(v->n_values[i]);
    }
    if (season)
        season_fit(v->y, v->start_ms, v->n, v->window_ms, 1 / p->n_typical, v->alpha, s);
    for (size_t i = 0; i < v->n; i++)
        v->y[i] -= drift_phase1_season(s, v->start_ms[i]);
    if (r == 1) {
        p->curve = curve_fit(v, p);
        for (size_t i = 0; i < v->n; i++)
            v->y[i] -= phase1_curve_at(p, v->first[i]);
    }
    score_variation(v, p->n_typical, dispersion_alpha, s);
    if (r == 0)
        memcpy(v->first, v->y, v->n * sizeof *v->y);
}

static struct drift_phase1_score score_still(const struct phase1_view *v)
{
    return (struct drift_phase1_score){
        .phi = 1, .phi_limit = 1, .split_p = 1, .season_p = 1, .weekend_p = 1, .effective = (double)v->n};
}

/* ---- shares of categories ---- */

/* Fills v->y with what window by window is above the pool's share, in standard deviations of one event. */
static void share_series(const struct phase1_view *v, const struct drift_phase1_column *p, uint64_t count,
                         uint32_t cell)
{
    double share = (double)count / (double)p->m, sd = sqrt(share * (1 - share));
    for (size_t i = 0; i < v->n; i++)
        v->y[i] = ((double)phase1_share(v->c, v->counters[i] + DRIFT_N_SPECIAL, cell) / v->n_values[i] - share) / sd;
}

/* Of n shares the one with the season that is hardest to doubt. */
static void shares_season(const struct phase1_view *v, struct drift_phase1_column *p, const uint64_t *cells, double n)
{
    struct drift_phase1_score *best = &p->score[0];
    for (uint32_t j = 0; j < phase1_shares(v->c); j++) {
        struct drift_phase1_score s = *best;
        uint64_t count = phase1_share(v->c, cells, j);
        if (!phase1_share_used(p, count))
            continue;
        share_series(v, p, count, j);
        s.seasonal = false;
        memset(s.hour, 0, sizeof s.hour);
        memset(s.day, 0, sizeof s.day);
        season_fit(v->y, v->start_ms, v->n, v->window_ms, 1 / p->n_typical, v->alpha / n, &s);
        if (s.seasonal && (!best->seasonal || fmin(s.season_p, s.weekend_p) < fmin(best->season_p, best->weekend_p)))
            *best = s;
    }
}

/* Of n shares the one that varies most and the one that splits most. */
static void share_take(struct drift_phase1_column *p, const struct drift_phase1_score *s, double n, uint32_t cell)
{
    struct drift_phase1_score *most = &p->score[0];
    if (s->phi > most->phi) {
        most->phi = s->phi;
        most->phi_limit = s->phi_limit;
        most->natural_sd = s->natural_sd;
        most->effective = s->effective;
    }
    if (s->split && (!most->split || s->split_p * n < most->split_p)) {
        most->split = s->split;
        most->split_p = fmin(s->split_p * n, 1);
        most->split_size = s->split_size;
        p->cell = cell;
    }
}

/* Where one share has a season the others have it, too: what one gains they lose. */
static void shares_fit(const struct phase1_view *v, struct drift_phase1_column *p, const uint64_t *cells, bool season)
{
    double n = 0;
    bool hours = false;
    for (uint32_t j = 0; j < phase1_shares(v->c); j++)
        n += phase1_share_used(p, phase1_share(v->c, cells, j));
    if (season)
        shares_season(v, p, cells, n);
    for (int h = 0; h < DRIFT_PHASE1_HOURS; h++)
        hours |= p->score[0].hour[h] != 0;
    for (uint32_t j = 0; j < phase1_shares(v->c); j++) {
        struct drift_phase1_score s = score_still(v);
        uint64_t count = phase1_share(v->c, cells, j);
        if (!phase1_share_used(p, count))
            continue;
        share_series(v, p, count, j);
        s.seasonal = p->score[0].seasonal;
        if (s.seasonal)
            season_take(v->y, v->start_ms, v->n, hours, p->score[0].day[0] != 0 || p->score[0].day[1] != 0);
        score_variation(v, p->n_typical, dispersion_alpha / n, &s);
        share_take(p, &s, n, j);
    }
}

/* A mean square of k values may be this much too small, at .9. */
static double few_windows(const struct drift_phase1_column *p)
{
    double k = fmax(fmin(p->score[0].effective, p->score[1].effective), 1);
    return k / drift_tail_chi2_inverse(0.9, k);
}

/* Tolerance of PSI from how much the windows differ from the pool by themselves. */
static void psi_fit(const struct phase1_view *v, struct drift_phase1_column *p, const struct drift_phase1_settings *set)
{
    double sum = 0, squares = 0, w = 0, noise = 0;
    for (size_t i = 0; i < v->n && p->n_groups > 1; i++) {
        double psi;
        size_t bins;
        memset(v->groups, 0, p->n_groups * sizeof *v->groups);
        for (uint32_t j = 0; j < v->c->n_cells; j++)
            v->groups[p->group[j]] += v->counters[i][DRIFT_N_SPECIAL + j];
        if (drift_psi(p->group_count, v->groups, p->n_groups, DRIFT_PSI_ADD_HALF, &psi, &bins))
            continue;
        /* the window is a part of the pool: its own noise is less by what it brought there */
        psi -= ((double)bins - 1) * fmax(1 / v->n_values[i] - 1 / (double)p->m, 0);
        noise += sqrt(2 * ((double)bins - 1)) / v->n_values[i];
        sum += psi;
        squares += psi * psi;
        w++;
    }
    p->delta = set->delta_min;
    if (w < 2)
        return;
    double phi = fmax(p->score[0].phi, p->score[1].phi), mean = sum / w;
    double sd = sqrt(fmax((squares - sum * sum / w) / (w - 1), 0)), se = fmax(noise / w, sd) / sqrt(w);
    p->psi_mean = mean;
    if (mean > 2.5 * se || phi > 1)
        p->delta = fmax(set->delta_min, 16 * few_windows(p) * fmax(mean, se));
}

/* Over-dispersion of one count per window: k of n at rate r. */
static double count_phi(struct phase1_view *v, const double *k, double r, double alpha)
{
    if (!(r > 0) || !(r < 1))
        return 1;
    for (size_t i = 0; i < v->n; i++)
        v->x[i] = (k[i] - v->n_values[i] * r) / sqrt(v->n_values[i] * r * (1 - r));
    return series_phi(v->x, v->n, alpha);
}

/* The cell that varies most, among those that a window has at least one of. */
static void cells_fit(struct phase1_view *v, struct drift_phase1_column *p, const uint64_t *cells)
{
    for (uint32_t j = 0; j < phase1_shares(v->c); j++) {
        double r = (double)phase1_share(v->c, cells, j) / (double)p->m;
        if (r * p->n_typical < 1)
            continue;
        for (size_t i = 0; i < v->n; i++)
            v->y[i] = (double)phase1_share(v->c, v->counters[i] + DRIFT_N_SPECIAL, j);
        p->cell_phi = fmax(p->cell_phi, count_phi(v, v->y, r, 0.01 / v->c->n_cells));
    }
}

/* Categories seen once or twice tell how many more there are.  Rare names have no counters of their own: each may have
 * been seen once, or all of them twice. */
static double unseen_limit(const struct drift_column *c, const uint64_t *cells, double m)
{
    double rare = (double)cells[drift_column_rare(c)], unseen = (double)cells[drift_column_unseen(c)];
    double f1 = fmin(c->n_rare, rare), both = fmin(2.0 * c->n_rare, rare);
    for (uint32_t j = 0; j < c->n_categories; j++) {
        f1 += cells[j] == 1;
        both += cells[j] == 1 ? 1 : cells[j] == 2 ? 2 : 0;
    }
    return (unseen + f1 + 1.645 * sqrt(both + unseen)) / m;
}

/* Where the beta law with a and b has this much above it (upper) or below.  By halving: GSL's inverse gives up on some.
 */
static double beta_limit(double a, double b, double tail, bool upper)
{
    double low = upper ? a / (a + b) / 2 : 0, high = upper ? 1 : a / (a + b);
    for (int i = 0; i < 100 && high - low > 1e-14 * high; i++) {
        double mid = (low + high) / 2, area = upper ? gsl_cdf_beta_Q(mid, a, b) : gsl_cdf_beta_P(mid, a, b);
        *((area > tail) == upper ? &low : &high) = mid;
    }
    return (low + high) / 2;
}

static void rate_fit(struct phase1_view *v, enum drift_rate_id id, const uint64_t *pooled,
                     struct drift_phase1_rate *rate)
{
    static const double tail = 0.022750131948179207; /* beyond 2 standard deviations */
    uint64_t k, n;
    drift_rate_count(id, v->c, pooled, &k, &n);
    if (!n)
        return;
    for (size_t i = 0; i < v->n; i++) {
        uint64_t a, b;
        drift_rate_count(id, v->c, v->counters[i], &a, &b);
        v->y[i] = (double)a;
    }
    rate->used = true;
    rate->phi = count_phi(v, v->y, (double)k / (double)n, 0.01);
    double hits = (double)k / rate->phi, rest = (double)(n - k) / rate->phi;
    rate->low = k ? beta_limit(hits, rest + 1, tail, false) : 0;
    rate->high = n > k ? beta_limit(hits + 1, rest, tail, true) : 1;
    if (id == DRIFT_RATE_OUT_OF_RANGE) /* beyond both extremes of the n values themselves */
        rate->high = rest > 1 ? beta_limit(hits + 2, rest - 1, tail, true) : 1;
    if (id == DRIFT_RATE_UNSEEN)
        rate->high = fmin(fmax(rate->high, unseen_limit(v->c, pooled + DRIFT_N_SPECIAL, (double)n)), 1);
    rate->low = fmin(rate->low, rate->high); /* of many events they are alike but for rounding */
}

static unsigned score_flags(const struct drift_phase1_score *s, size_t n)
{
    unsigned flags = 0;
    if (!s->used || n < 24)
        return 0;
    flags |= s->split_p < phase1_split_p ? DRIFT_PHASE1_SPLIT : 0u;
    flags |= s->effective < phase1_effective_least ? DRIFT_PHASE1_SLOW : 0u;
    flags |= s->phi > 10 && s->natural_sd > 0.25 ? DRIFT_PHASE1_WIDE : 0u;
    return flags;
}

static void variation_fit(const struct phase1_task *t, struct phase1_view *v, struct drift_phase1_column *p,
                          const uint64_t *cells)
{
    for (unsigned r = 0; p->basis && r < DRIFT_PHASE1_SCORES; r++)
        if (p->score[r].used)
            score_fit(v, p, r, !t->set.no_season);
    if (v->c->kind == DRIFT_CATEGORICAL) {
        shares_fit(v, p, cells, !t->set.no_season);
        cells_fit(v, p, cells);
    }
    psi_fit(v, p, &t->set);
}

int phase1_column_fit(const struct phase1_task *t, struct phase1_view *v, uint32_t i, struct drift_phase1_column *p)
{
    const struct drift_column *c = &t->pooled->layout->columns[i];
    const uint64_t *counters = t->pooled->counts + c->first, *cells = counters + DRIFT_N_SPECIAL;
    view_set(v, c, t->windows, t->n_windows, false);
    p->n_typical = v->n ? mean_of(v->n_values, v->n) : (double)phase1_total(cells, c->n_cells);
    p->cell_phi = 1;
    for (int r = 0; r < DRIFT_PHASE1_SCORES; r++)
        p->score[r] = score_still(v);
    int rc = phase1_column_prepare(p, c, counters);
    if (rc)
        return rc;
    if (p->m)
        variation_fit(t, v, p, cells);
    p->delta_eff = p->m ? drift_psi_tolerance(p->delta, p->n_groups, (double)p->m) : 0;
    phase1_column_limits(p, c, cells);
    for (unsigned r = 0; r < DRIFT_PHASE1_SCORES; r++)
        p->flags |= score_flags(&p->score[r], v->n);
    if (p->m && p->n_typical < 100)
        p->flags |= DRIFT_PHASE1_SMALL_WINDOWS;
    view_set(v, c, t->windows, t->n_windows, true);
    for (unsigned id = 0; id < DRIFT_N_RATE; id++)
        if (drift_rate_applies((enum drift_rate_id)id, c))
            rate_fit(v, (enum drift_rate_id)id, counters, &p->rate[id]);
    return 0;
}
