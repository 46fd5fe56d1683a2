/* src/detect/phase1.c    Natural variation, tolerances and stationarity of a baseline from its own windows. */
/* Everything is computed from the counts that the baseline holds anyway, in one pass a column, so that nothing of it
 * need be stored; phase1_save.c stores it all the same for those who have no windows at hand. */
#include "driftd/phase1.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/error.h"
#include "phase1.h"
#include "season.h"

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

static int task_check(const struct phase1_task *t)
{
    if (!t->pooled->n)
        return DRIFT_E_EMPTY;
    if (!(t->set.q >= 0 && t->set.q < 100) || !(t->set.delta_min >= 0 && t->set.delta_min < 1e6) ||
        t->n_windows > INT32_MAX)
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

/* Wander is a property of traffic more than of one column: phase1.h says why.  Of numeric columns: nothing is divided
 * by the phi of shares. */
static int phi_floor(struct drift_phase1 *p, int r)
{
    double *phi = calloc(p->layout->n_columns + 1, sizeof *phi);
    uint32_t n = 0;
    if (!phi)
        return DRIFT_E_MEMORY;
    for (uint32_t i = 0; i < p->layout->n_columns; i++)
        if (p->column[i].basis && p->column[i].score[r].used)
            phi[n++] = p->column[i].score[r].phi;
    qsort(phi, n, sizeof *phi, ascending);
    double least = n >= 8 ? 0.75 * phi[n / 2] : 1;
    free(phi);
    for (uint32_t i = 0; i < p->layout->n_columns; i++) {
        struct drift_phase1_score *s = &p->column[i].score[r];
        if (p->column[i].basis)
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
    w.split_most = w.together ? split_wander : phase1_split_p;
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
        if (w[r].slow && s->phi > 1 && (s->effective < phase1_effective_least || -log10(s->split_p) > slow_mean))
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
    struct phase1_task t = {.pooled = pooled, .windows = windows, .n_windows = n_windows, .window_ms = window_ms};
    struct drift_phase1 *p = NULL;
    struct phase1_view v = {0};
    t.set = set ? *set : (struct drift_phase1_settings){0};
    t.set.q = t.set.q == 0 ? 2 : t.set.q;
    int rc = task_check(&t);
    if (!rc)
        rc = phase1_new(pooled, &p);
    if (!rc)
        rc = phase1_view_init(&v, &t);
    for (uint32_t i = 0; !rc && i < pooled->layout->n_columns; i++)
        rc = phase1_column_fit(&t, &v, i, &p->column[i]);
    if (!rc) {
        p->n_windows = (uint32_t)n_windows;
        verdict(p);
    }
    for (int r = 0; !rc && r < DRIFT_PHASE1_SCORES; r++)
        rc = phi_floor(p, r);
    phase1_view_release(&v);
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
    v[1] -= root * phase1_curve_at(p, v[0] / root);
}

double drift_phase1_dispersion(double phi, double n, double n_typical, double windows)
{
    return 1 + (phi - 1) * n / (n_typical * windows);
}
