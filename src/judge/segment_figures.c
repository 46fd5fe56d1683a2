/* src/judge/segment_figures.c    What changed among the events of each value of the model's keys.
 *
 * Looked at are all columns of all values with enough events; what rules see is the largest change that is no chance
 * over all of them, so that a tenant's drift is found that the whole does not show. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/window/segment.h"
#include "driftd/psi.h"
#include "driftd/rate.h"
#include "room.h"

enum { TOP = DRIFT_OUTCOME_FIGURES };
static const double gate = 1e-3;

struct look {
    const struct drift_segments *s;
    const struct drift_summary *before, *now;
    uint64_t least; /* events of a value on both sides */
    struct drift_outcome_segments *all;
    uint32_t key, value;
    struct drift_outcome_segment *here;
};

static int largest_first(const void *pa, const void *pb)
{
    const struct drift_outcome_figure *a = pa, *b = pb;
    if (a->effect != b->effect)
        return a->effect > b->effect ? -1 : 1;
    return a->column != b->column ? (a->column < b->column ? -1 : 1) : a->special - b->special;
}

static void keep(struct drift_outcome_figure *top, size_t *n, const struct drift_outcome_figure *f)
{
    if (*n < TOP)
        top[(*n)++] = *f;
    else if (largest_first(f, &top[TOP - 1]) < 0)
        top[TOP - 1] = *f;
    qsort(top, *n, sizeof *top, largest_first);
}

/* tests is known before the first of them: what counts as no chance must not depend on the order. */
static void consider(const struct look *l, const struct drift_outcome_figure *f,
                     struct drift_outcome_segment_worst *worst)
{
    const struct drift_outcome_figure *best = &worst->figure;
    bool sure = f->p * worst->tests < gate, was = best->p * worst->tests < gate;
    bool more = sure != was ? sure : sure ? f->effect > best->effect : f->p < best->p;
    if (!more)
        return;
    worst->figure = *f;
    worst->key = l->key;
    worst->value = l->value;
}

static uint64_t sum_of(const uint64_t *counts, uint32_t n)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += counts[i];
    return sum;
}

/* PSI of the coarse cells, and the rises of the specials' rates. */
static void measure_column(const struct look *l, uint32_t at, const uint64_t *before, const uint64_t *now)
{
    const struct drift_column *c = &l->s->coarse->columns[at];
    struct drift_outcome_segments *all = l->all;
    const uint64_t *p = before + c->first, *q = now + c->first;
    double level = gate / l->s->coarse->n_columns, psi = 0;
    uint64_t m = sum_of(p, drift_column_counters(c)), n = sum_of(q, drift_column_counters(c));
    uint64_t specials_m = sum_of(p, DRIFT_N_SPECIAL), specials_n = sum_of(q, DRIFT_N_SPECIAL);
    size_t bins = 0;
    for (int k = 0; k < DRIFT_N_SPECIAL && m && n; k++) {
        struct drift_outcome_figure f = {at, k, 0, 1, (double)q[k] / (double)n, (double)p[k] / (double)m};
        f.effect = f.now - f.before;
        if (f.effect <= 0)
            continue;
        f.p = drift_rate_p_rise(p[k], m, q[k], n);
        consider(l, &f, &all->rate);
        if (f.p < level)
            keep(l->here->rises, &l->here->n_rises, &f);
    }
    uint64_t cells[2][DRIFT_SEGMENT_CELLS];
    size_t n_cells = c->n_cells;
    memcpy(cells[0], p + DRIFT_N_SPECIAL, n_cells * sizeof **cells);
    memcpy(cells[1], q + DRIFT_N_SPECIAL, n_cells * sizeof **cells);
    if (c->kind == DRIFT_CATEGORICAL) /* as the measure psi of the whole column */
        n_cells = drift_psi_pool(cells[0], cells[1], n_cells, 2, cells[0], cells[1]);
    if (drift_psi(cells[0], cells[1], n_cells, DRIFT_PSI_ADD_HALF, &psi, &bins) || bins < 2)
        return;
    double vm = (double)(m - specials_m), vn = (double)(n - specials_n);
    struct drift_outcome_figure f = {at, -1, psi - drift_psi_noise(bins, vm, vn), 1, 0, 0};
    if (f.effect <= 0)
        return;
    f.p = drift_psi_p(psi, bins, vm, vn);
    consider(l, &f, &all->psi);
    if (f.p < level)
        keep(l->here->changes, &l->here->n_changes, &f);
}

static const uint64_t *counts_of(const struct look *l, const struct drift_summary *side)
{
    return side->counts + drift_segment_counter(l->s, &l->s->key[l->key], l->value);
}

static void value_check(struct look *l)
{
    l->here->why = counts_of(l, l->now)[0] < l->least      ? "too few events in the window"
                   : counts_of(l, l->before)[0] < l->least ? "too few events in the baseline"
                                                           : NULL;
    if (l->here->why)
        return;
    l->all->psi.tests += l->s->coarse->n_columns;
    l->all->rate.tests += DRIFT_N_SPECIAL * (double)l->s->coarse->n_columns;
}

static void value_measure(struct look *l)
{
    for (uint32_t i = 0; !l->here->why && i < l->s->coarse->n_columns; i++)
        measure_column(l, i, counts_of(l, l->before), counts_of(l, l->now));
}

/* Values of the keys that the model has today: the baseline may know more. */
static void each_value(struct look *l, const struct drift_model *m, void (*what)(struct look *l))
{
    for (size_t i = 0; i < m->n_segment_keys; i++) {
        const struct drift_segment_key *key = drift_segments_key(l->s, m->segment_keys[i]);
        if (!key)
            continue;
        l->key = (uint32_t)(key - l->s->key);
        for (l->value = 0; l->value <= key->n_values; l->value++) {
            l->here = &l->all->value[l->key][l->value];
            what(l);
        }
    }
}

void drift_outcome_segment_figures(const struct drift_model *m, const struct drift_summary *before,
                                   const struct drift_summary *now, struct drift_outcome_segments *ret)
{
    static const struct drift_outcome_segment_worst none = {.figure = {.special = -1, .p = 1}};
    struct look l = {.s = ret->of, .before = before, .now = now, .least = m->segment_min_events, .all = ret};
    ret->psi = ret->rate = none;
    if (!ret->of)
        return;
    each_value(&l, m, value_check);
    each_value(&l, m, value_measure);
}

static struct drift_measure measure_of(enum drift_measure_id id, const struct drift_outcome_segment_worst *worst)
{
    const struct drift_outcome_figure *f = &worst->figure;
    struct drift_measure m = {.id = id, .why = worst->tests > 0 ? DRIFT_WHY_NONE : DRIFT_WHY_NO_DATA, .has_p = true};
    if (m.why != DRIFT_WHY_NONE)
        return m;
    m.effect = f->effect;
    m.value = m.low = m.high = f->special < 0 ? f->effect : f->now;
    m.baseline = f->before;
    m.p_value = fmin(1, f->p * worst->tests);
    return m;
}

void drift_work_segments(struct drift_work *w)
{
    w->v.segment_psi = (struct drift_measure){.id = DRIFT_MEASURE_SEGMENT_PSI, .why = DRIFT_WHY_NO_DATA};
    w->v.segment_rate = (struct drift_measure){.id = DRIFT_MEASURE_SEGMENT_RATE, .why = DRIFT_WHY_NO_DATA};
    if (!w->o.model->n_segment_keys)
        return;
    w->segmented = drift_xcalloc(1, sizeof *w->segmented);
    w->o.segmented = w->segmented;
    w->segmented->of = drift_cache_segments(w->j->cache, w->baseline)->made[w->id.kind];
    drift_outcome_segment_figures(w->o.model, w->compared, w->sum, w->segmented);
    w->v.segment_psi = measure_of(DRIFT_MEASURE_SEGMENT_PSI, &w->segmented->psi);
    w->v.segment_rate = measure_of(DRIFT_MEASURE_SEGMENT_RATE, &w->segmented->rate);
}
