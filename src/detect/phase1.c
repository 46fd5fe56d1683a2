/* src/detect/phase1.c    Natural variation, tolerances and stationarity of a baseline from its own windows. */
/* Everything is computed from the counts that the baseline holds anyway, in one pass a column, so that nothing of it
 * need be stored; phase1_save.c stores it all the same for those who have no windows at hand. */
#include "driftd/phase1.h"

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

static const double expected_min = 5; /* values a PSI group is to have in a window */

static uint64_t add(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

static uint64_t total(const uint64_t *c, size_t n)
{
    uint64_t s = 0;
    for (size_t i = 0; i < n; i++)
        s = add(s, c[i]);
    return s;
}

/* ---- rates ---- */

bool drift_rate_applies(enum drift_rate_id id, const struct drift_column *c)
{
    return id == DRIFT_RATE_UNSEEN         ? c->kind == DRIFT_CATEGORICAL
           : id == DRIFT_RATE_OUT_OF_RANGE ? c->kind == DRIFT_NUMERIC && c->bounded
                                           : id < DRIFT_N_RATE;
}

void drift_rate_count(enum drift_rate_id id, const struct drift_column *c, const uint64_t *counters, uint64_t *ret_k,
                      uint64_t *ret_n)
{
    const uint64_t *cell = counters + DRIFT_N_SPECIAL;
    uint64_t k = 0;
    switch (id) {
    case DRIFT_RATE_NULL:
        k = counters[DRIFT_NULL];
        break;
    case DRIFT_RATE_MISSING:
        k = counters[DRIFT_MISSING];
        break;
    case DRIFT_RATE_INVALID:
        k = add(counters[DRIFT_NONFINITE], counters[DRIFT_WRONG_TYPE]);
        break;
    case DRIFT_RATE_UNSEEN:
        k = cell[drift_column_unseen(c)];
        break;
    case DRIFT_RATE_OUT_OF_RANGE:
        k = add(cell[0], cell[c->n_cells - 1]);
        break;
    default:
        break;
    }
    *ret_k = k;
    *ret_n = total(counters, drift_column_counters(c));
}

/* ---- what is made from the pool ---- */

void phase1_column_release(struct drift_phase1_column *p)
{
    free(p->mass);
    free(p->basis);
    free(p->cell_high);
    free(p->group);
    free(p->group_count);
}

/* Upper limits of the shares of all cells at once, .95 after Bonferroni: max-cell must not take the pool's own luck for
 * drift. */
static void cell_limits(struct drift_phase1_column *p, const uint64_t *cells, size_t n)
{
    double z = gsl_cdf_ugaussian_Qinv(0.05 / (double)n), m = (double)p->m;
    for (size_t i = 0; i < n; i++) {
        double c = (double)cells[i];
        p->cell_high[i] = fmin((c + z * z / 2 + z * sqrt(c * p->cell_phi + z * z / 4)) / m, 1);
    }
}

void phase1_column_limits(struct drift_phase1_column *p, const struct drift_column *c, const uint64_t *cells)
{
    if (p->cell_high)
        cell_limits(p, cells, c->n_cells);
}

/* Neighbouring bins are joined until each has the expected count; what is left at the end joins the last one. */
static void groups_numeric(struct drift_phase1_column *p, const struct drift_column *c, const uint64_t *cells,
                           double least)
{
    uint64_t open = 0;
    uint32_t g = 0, first = 0;
    for (uint32_t b = 0, j = 0; b < c->n_bins; b++) {
        for (; j < c->bin_end[b]; j++) {
            p->group[j] = (uint16_t)g;
            open = add(open, cells[j]);
        }
        if ((double)open >= least) {
            p->group_count[g++] = open;
            open = 0;
            first = j;
        }
    }
    if (first < c->n_cells && g) {
        for (uint32_t j = first; j < c->n_cells; j++)
            p->group[j] = (uint16_t)(g - 1);
        p->group_count[g - 1] = add(p->group_count[g - 1], open);
    }
    p->n_groups = g;
}

/* Small categories make one group, which the smallest other one joins when it is too small itself. */
static void groups_categorical(struct drift_phase1_column *p, const struct drift_column *c, const uint64_t *cells,
                               double least)
{
    uint32_t g = 0, smallest = 0;
    uint64_t pool = 0;
    for (uint32_t j = 0; j < c->n_cells; j++)
        if ((double)cells[j] >= least) {
            p->group[j] = (uint16_t)g;
            p->group_count[g] = cells[j];
            smallest = cells[j] < p->group_count[smallest] ? g : smallest;
            g++;
        } else {
            p->group[j] = UINT16_MAX;
            pool = add(pool, cells[j]);
        }
    uint32_t rest = g;
    if ((double)pool < least && g) {
        rest = smallest;
        p->group_count[rest] = add(p->group_count[rest], pool);
    } else {
        p->group_count[g++] = pool;
    }
    for (uint32_t j = 0; j < c->n_cells; j++)
        if (p->group[j] == UINT16_MAX)
            p->group[j] = (uint16_t)rest;
    p->n_groups = g;
}

int phase1_column_prepare(struct drift_phase1_column *p, const struct drift_column *c, const uint64_t *counters)
{
    const uint64_t *cells = counters + DRIFT_N_SPECIAL;
    size_t n = c->n_cells;
    unsigned rank = 0;
    p->m = total(cells, n);
    if (!p->m)
        return 0;
    p->group = calloc(n, sizeof *p->group);
    p->group_count = calloc(n, sizeof *p->group_count);
    if (!p->group || !p->group_count)
        return DRIFT_E_MEMORY;
    double least = expected_min * (double)p->m / p->n_typical;
    if (c->kind == DRIFT_CATEGORICAL) {
        groups_categorical(p, c, cells, least);
        p->cell_high = calloc(n, sizeof *p->cell_high);
        return p->cell_high ? 0 : DRIFT_E_MEMORY;
    }
    groups_numeric(p, c, cells, least);
    p->mass = calloc(n, sizeof *p->mass);
    p->basis = calloc(DRIFT_PHASE1_SCORES * n, sizeof *p->basis);
    if (!p->mass || !p->basis)
        return DRIFT_E_MEMORY;
    int rc = drift_legendre_basis(cells, n, DRIFT_PHASE1_SCORES, p->mass, p->basis, &rank);
    for (unsigned r = 0; r < DRIFT_PHASE1_SCORES; r++)
        p->score[r].used = r < rank;
    return rc;
}

/* ---- the windows ---- */

/* One column's windows: those with values only. */
struct view {
    const struct drift_column *c;
    const uint64_t **counters; /* [n], of the column */
    int64_t *start_ms;
    uint32_t *at;                     /* index among all windows */
    double *n_values, *x, *y, *first; /* first: mean scores of location */
    uint64_t *groups;                 /* [n_cells] */
    size_t n;
    int64_t window_ms;
    double alpha; /* of seasons */
};

static void view_release(struct view *v)
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

static int view_init(struct view *v, const struct drift_layout *l, size_t n_windows)
{
    size_t n = n_windows ? n_windows : 1, cells = 1;
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
static void view_set(struct view *v, const struct drift_column *c, const struct drift_phase1_window *windows, size_t n,
                     bool all)
{
    v->c = c;
    v->n = 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t *counters = windows[i].summary->counts + c->first;
        uint64_t values = total(counters + (all ? 0 : DRIFT_N_SPECIAL), c->n_cells + (all ? DRIFT_N_SPECIAL : 0));
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

static void score_split(const struct view *v, struct drift_phase1_score *s)
{
    size_t split;
    series_split(v->x, v->n, &split, &s->split_p);
    if (!split)
        return;
    s->split = v->at[split];
    s->split_size = mean_of(v->y + split, v->n - split) - mean_of(v->y, split);
}

/* What a mean score of the location does to that of scale, beside what it does on average. */
static double curve_at(const struct drift_phase1_column *p, double location)
{
    return p->curve * (location * location - p->curve_mean);
}

/* Regression of v->y, mean scores of scale, on squares of the location's; both around their means, as season leaves
 * them.  first: mean scores of location.  The slope counts where the location wanders beyond doubt. */
static double curve_fit(const struct view *v, struct drift_phase1_column *p)
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

static void score_fit(const struct view *v, struct drift_phase1_column *p, unsigned r, bool season,
                      struct drift_phase1_score *s)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < v->n; i++) {
        drift_legendre_score(p->basis + r * v->c->n_cells, v->counters[i] + DRIFT_N_SPECIAL, v->c->n_cells, &v->x[i]);
        v->y[i] = v->x[i] / sqrt(v->n_values[i]);
    }
    if (season)
        season_fit(v->y, v->start_ms, v->n, v->window_ms, 1 / p->n_typical, v->alpha, s);
    for (size_t i = 0; i < v->n; i++)
        v->y[i] -= drift_phase1_season(s, v->start_ms[i]);
    if (r == 1)
        p->curve = curve_fit(v, p);
    for (size_t i = 0; i < v->n; i++) {
        v->y[i] -= r == 1 ? curve_at(p, v->first[i]) : 0;
        v->x[i] = v->y[i] * sqrt(v->n_values[i]);
        sum += v->y[i];
        squares += v->y[i] * v->y[i];
    }
    double w = (double)v->n, variance = v->n > 1 ? (squares - sum * sum / w) / (w - 1) : 0;
    s->natural_sd = sqrt(fmax(variance - 1 / p->n_typical, 0));
    s->phi = series_phi(v->x, v->n, 0.01);
    s->phi_limit = series_limit(v->x, v->n);
    if (s->seasonal && v->n > DRIFT_PHASE1_HOURS) /* a profile of 24 means has errors of its own */
        s->phi *= 1 + DRIFT_PHASE1_HOURS / w;
    s->effective = series_effective(v->x, v->n, s->phi);
    score_split(v, s);
    if (r == 0)
        memcpy(v->first, v->y, v->n * sizeof *v->y);
}

/* A mean square of k values may be this much too small, at .9. */
static double few_windows(const struct drift_phase1_column *p)
{
    double k = fmax(fmin(p->score[0].effective, p->score[1].effective), 1);
    return k / drift_tail_chi2_inverse(0.9, k);
}

/* Tolerance of PSI from how much the windows differ from the pool by themselves. */
static void psi_fit(const struct view *v, struct drift_phase1_column *p, const struct drift_phase1_settings *set)
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
static double count_phi(struct view *v, const double *k, double r, double alpha)
{
    if (!(r > 0) || !(r < 1))
        return 1;
    for (size_t i = 0; i < v->n; i++)
        v->x[i] = (k[i] - v->n_values[i] * r) / sqrt(v->n_values[i] * r * (1 - r));
    return series_phi(v->x, v->n, alpha);
}

/* The cell that varies most, among those that a window has at least one of. */
static void cells_fit(struct view *v, struct drift_phase1_column *p, const uint64_t *cells)
{
    for (uint32_t j = 0; j < v->c->n_cells; j++) {
        double r = (double)cells[j] / (double)p->m;
        if (r * p->n_typical < 1)
            continue;
        for (size_t i = 0; i < v->n; i++)
            v->y[i] = (double)v->counters[i][DRIFT_N_SPECIAL + j];
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

static void rate_fit(struct view *v, enum drift_rate_id id, const uint64_t *pooled, struct drift_phase1_rate *rate)
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
    if (id == DRIFT_RATE_UNSEEN)
        rate->high = fmin(fmax(rate->high, unseen_limit(v->c, pooled + DRIFT_N_SPECIAL, (double)n)), 1);
}

static const double split_p = 1e-5, effective_least = 12;

static unsigned score_flags(const struct drift_phase1_score *s, size_t n)
{
    unsigned flags = 0;
    if (!s->used || n < 24)
        return 0;
    flags |= s->split_p < split_p ? DRIFT_PHASE1_SPLIT : 0u;
    flags |= s->effective < effective_least ? DRIFT_PHASE1_SLOW : 0u;
    flags |= s->phi > 10 && s->natural_sd > 0.25 ? DRIFT_PHASE1_WIDE : 0u;
    return flags;
}

struct task {
    const struct drift_summary *pooled;
    const struct drift_phase1_window *windows;
    size_t n_windows;
    struct drift_phase1_settings set;
};

static int column_fit(const struct task *t, struct view *v, uint32_t i, struct drift_phase1_column *p)
{
    const struct drift_column *c = &t->pooled->layout->columns[i];
    const uint64_t *counters = t->pooled->counts + c->first, *cells = counters + DRIFT_N_SPECIAL;
    view_set(v, c, t->windows, t->n_windows, false);
    p->n_typical = v->n ? mean_of(v->n_values, v->n) : (double)total(cells, c->n_cells);
    p->cell_phi = 1;
    for (int r = 0; r < DRIFT_PHASE1_SCORES; r++)
        p->score[r] = (struct drift_phase1_score){
            .phi = 1, .phi_limit = 1, .split_p = 1, .season_p = 1, .weekend_p = 1, .effective = (double)v->n};
    int rc = phase1_column_prepare(p, c, counters);
    if (rc)
        return rc;
    for (unsigned r = 0; r < DRIFT_PHASE1_SCORES; r++)
        if (p->score[r].used)
            score_fit(v, p, r, !t->set.no_season, &p->score[r]);
    if (p->m && c->kind == DRIFT_CATEGORICAL)
        cells_fit(v, p, cells);
    if (p->m)
        psi_fit(v, p, &t->set);
    if (t->set.tolerance && t->set.tolerance[i] >= 0)
        p->delta = t->set.tolerance[i];
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

/* ---- all columns ---- */

/* FNV-1a over layout and pool: numbers of one pool must not be read beside another. */
uint64_t phase1_pool_hash(const struct drift_summary *pooled)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *s = pooled->layout->digest; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    for (uint32_t i = 0; i < pooled->layout->n_counts; i++)
        h = (h ^ pooled->counts[i]) * 0x100000001b3u;
    return h;
}

int phase1_new(const struct drift_summary *pooled, struct drift_phase1 **ret)
{
    const struct drift_layout *l = pooled->layout;
    struct drift_phase1 *p = calloc(1, sizeof *p);
    if (!p)
        return DRIFT_E_MEMORY;
    p->layout = l;
    p->pool_hash = phase1_pool_hash(pooled);
    p->column = calloc(l->n_columns ? l->n_columns : 1, sizeof *p->column);
    if (!p->column) {
        free(p);
        return DRIFT_E_MEMORY;
    }
    *ret = p;
    return 0;
}

void drift_phase1_free(struct drift_phase1 *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->layout->n_columns; i++)
        phase1_column_release(&p->column[i]);
    free(p->column);
    free(p);
}

static int task_check(const struct task *t)
{
    if (!t->pooled->n)
        return DRIFT_E_EMPTY;
    if (!(t->set.q >= 0 && t->set.q < 100) || !(t->set.delta_min >= 0 && t->set.delta_min < 1e6) ||
        t->n_windows > INT32_MAX)
        return DRIFT_E_RANGE;
    for (uint32_t i = 0; t->set.tolerance && i < t->pooled->layout->n_columns; i++)
        if (!(t->set.tolerance[i] < 1e6))
            return DRIFT_E_RANGE;
    for (size_t i = 0; i < t->n_windows; i++) {
        const struct drift_summary *s = t->windows[i].summary;
        if (s->layout != t->pooled->layout && strcmp(s->layout->digest, t->pooled->layout->digest) != 0)
            return DRIFT_E_MISMATCH;
        if (i && t->windows[i].start_ms <= t->windows[i - 1].start_ms)
            return DRIFT_E_RANGE;
    }
    return 0;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Wander is a property of traffic more than of one column: phase1.h says why. */
static int phi_floor(struct drift_phase1 *p, int r)
{
    double *phi = calloc(p->layout->n_columns + 1, sizeof *phi);
    uint32_t n = 0;
    if (!phi)
        return DRIFT_E_MEMORY;
    for (uint32_t i = 0; i < p->layout->n_columns; i++)
        if (p->column[i].score[r].used)
            phi[n++] = p->column[i].score[r].phi;
    qsort(phi, n, sizeof *phi, ascending);
    double least = n >= 8 ? 0.75 * phi[n / 2] : 1;
    free(phi);
    for (uint32_t i = 0; i < p->layout->n_columns; i++) {
        struct drift_phase1_score *s = &p->column[i].score[r];
        s->phi = fmax(s->phi, fmin(least, s->phi_limit));
    }
    return 0;
}

static double events_mean(const struct drift_phase1_window *windows, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += (double)windows[i].summary->n / (double)n;
    return s;
}

/* Few columns are judged each by itself.  With many, one that seems slow by luck is nearly always among them, and one
 * that is slow hardly spends the budget that all share; but where a good part of them wander, what they say together is
 * far surer than what each does. */
struct wander {
    bool few;          /* columns: each by itself */
    bool together;     /* an eighth of them or more wander */
    bool slow;         /* and those say that they do so slowly */
    double split_most; /* of split_p, for a split */
};
static const double slow_mean = 1.5; /* of -log10 of split_p */

static struct wander wander_of(const struct drift_phase1 *p, int r)
{
    static const double split_wander = 1e-12, slow_windows = 8, slow_share = 0.75;
    double n = 0, wander = 0, slow = 0, sum = 0;
    for (uint32_t i = 0; i < p->layout->n_columns; i++) {
        const struct drift_phase1_score *s = &p->column[i].score[r];
        n += s->used;
        if (!s->used || s->phi <= 1)
            continue;
        wander++;
        slow += s->effective < slow_windows;
        sum -= log10(fmax(s->split_p, split_wander));
    }
    struct wander w = {.few = n<16, .together = wander> 0 && wander >= n / 8};
    w.slow = w.together && (sum > slow_mean * wander || slow >= slow_share * wander);
    w.split_most = w.together ? split_wander : split_p;
    return w;
}

/* What a column says against the promise, in the light of all. */
static unsigned column_stands(const struct drift_phase1_column *c, const struct wander w[DRIFT_PHASE1_SCORES])
{
    unsigned flags = c->flags & ~(unsigned)(DRIFT_PHASE1_SLOW | DRIFT_PHASE1_SPLIT);
    for (int r = 0; r < DRIFT_PHASE1_SCORES; r++) {
        const struct drift_phase1_score *s = &c->score[r];
        if (!s->used)
            continue;
        if (w[r].few)
            return c->flags;
        flags |= s->split_p < w[r].split_most ? DRIFT_PHASE1_SPLIT : 0u;
        if (w[r].slow && s->phi > 1 && (s->effective < effective_least || -log10(s->split_p) > slow_mean))
            flags |= DRIFT_PHASE1_SLOW;
    }
    return flags;
}

/* Before phi_floor: which columns wander is what they say by themselves. */
static void verdict(struct drift_phase1 *p)
{
    struct wander w[DRIFT_PHASE1_SCORES];
    for (int r = 0; r < DRIFT_PHASE1_SCORES; r++)
        w[r] = wander_of(p, r);
    for (uint32_t i = 0; i < p->layout->n_columns; i++)
        p->flags |= p->column[i].flags = column_stands(&p->column[i], w);
    if (!p->n_windows)
        p->flags |= DRIFT_PHASE1_NO_WINDOWS;
    else if (p->n_windows < DRIFT_PHASE1_WINDOWS_MIN)
        p->flags |= DRIFT_PHASE1_FEW_WINDOWS;
}

int drift_phase1_fit(const struct drift_summary *pooled, const struct drift_phase1_window *windows, size_t n_windows,
                     int64_t window_ms, const struct drift_phase1_settings *set, struct drift_phase1 **ret)
{
    struct task t = {.pooled = pooled, .windows = windows, .n_windows = n_windows};
    struct drift_phase1 *p = NULL;
    struct view v = {.window_ms = window_ms, .alpha = 0.001 / (2.0 * fmax(pooled->layout->n_columns, 1))};
    t.set = set ? *set : (struct drift_phase1_settings){0};
    t.set.q = t.set.q == 0 ? 2 : t.set.q;
    int rc = task_check(&t);
    if (!rc)
        rc = phase1_new(pooled, &p);
    if (!rc)
        rc = view_init(&v, pooled->layout, n_windows);
    for (uint32_t i = 0; !rc && i < pooled->layout->n_columns; i++)
        rc = column_fit(&t, &v, i, &p->column[i]);
    if (!rc) {
        p->n_windows = (uint32_t)n_windows;
        verdict(p);
    }
    for (int r = 0; !rc && r < DRIFT_PHASE1_SCORES; r++)
        rc = phi_floor(p, r);
    view_release(&v);
    if (rc) {
        drift_phase1_free(p);
        return rc;
    }
    p->q = t.set.q;
    p->window_ms = window_ms;
    p->events = n_windows ? events_mean(windows, n_windows) : (double)pooled->n;
    *ret = p;
    return 0;
}

bool drift_phase1_promises(const struct drift_phase1 *p)
{
    return !(p->flags & ~(unsigned)DRIFT_PHASE1_WIDE);
}

double drift_phase1_season(const struct drift_phase1_score *s, int64_t start_ms)
{
    return s->seasonal ? s->hour[season_hour(start_ms)] + s->day[season_day(start_ms)] : 0;
}

void drift_phase1_adjust(const struct drift_phase1_column *p, int64_t start_ms, double n, double v[DRIFT_PHASE1_SCORES])
{
    double root = sqrt(n);
    for (int r = 0; r < DRIFT_PHASE1_SCORES; r++)
        v[r] -= root * drift_phase1_season(&p->score[r], start_ms);
    v[1] -= root * curve_at(p, v[0] / root);
}

double drift_phase1_dispersion(double phi, double n, double n_typical, double windows)
{
    return 1 + (phi - 1) * n / (n_typical * windows);
}
