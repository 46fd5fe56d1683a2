/* src/cli/compare_report.c    Judges the columns of two files as the daemon would, and adjusts for their number. */
#include "driftd/internal/cli/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/cells.h"

/* drift_default_rules for features, and invalid values, which none of them watches. */
static const struct {
    enum drift_measure_id id;
    double warning, critical; /* 0: those of the command line */
} watched[] = {
    {DRIFT_MEASURE_PSI, 0, 0},
    {DRIFT_MEASURE_NULL_RATE, .05, .2},
    {DRIFT_MEASURE_MISSING_RATE, .05, .2},
    {DRIFT_MEASURE_INVALID_RATE, .05, .2},
    {DRIFT_MEASURE_UNSEEN_RATE, .05, .2},
};

const char *drift_compare_verdict(enum drift_severity s)
{
    return s == DRIFT_SEV_NONE ? "ok" : drift_severity_name(s);
}

static void judge(struct drift_compare_row *row, const struct drift_compare_request *r, double gate)
{
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) {
        const struct drift_measure *m = &row->m[watched[i].id];
        double warning = watched[i].warning > 0 ? watched[i].warning : r->warning;
        double critical = watched[i].critical > 0 ? watched[i].critical : r->critical;
        if (m->why || (gate < 1 && !(m->p_value < gate)))
            continue;
        enum drift_severity s = m->effect >= critical  ? DRIFT_SEV_CRITICAL
                                : m->effect >= warning ? DRIFT_SEV_WARNING
                                                       : DRIFT_SEV_NONE;
        if (s > row->severity) {
            row->severity = s;
            row->why = watched[i].id;
        }
    }
}

/* The daemon's PSI bins of a column: unions of cells of a number, the cells themselves of a category. */
static void grid_init(struct drift_exact_bins *b, const struct drift_column *c, const uint64_t *base,
                      const uint64_t *cur)
{
    uint32_t n = c->kind == DRIFT_NUMERIC ? c->n_bins : c->n_cells;
    const uint64_t *from[2] = {base + DRIFT_N_SPECIAL, cur + DRIFT_N_SPECIAL};
    uint64_t *count[2];
    for (int side = 0; side < 2; side++) {
        count[side] = drift_xcalloc(n, sizeof *count[side]);
        for (uint32_t i = 0, j = 0; i < n; i++)
            for (uint32_t end = c->kind == DRIFT_NUMERIC ? c->bin_end[i] : i + 1; j < end; j++)
                count[side][i] += from[side][j];
    }
    drift_exact_bins_init(b, count[0], count[1], n);
    free(count[0]);
    free(count[1]);
}

const char *drift_compare_bracket_name(enum drift_compare_bracket_id id)
{
    static const char *const names[] = {
#define X(id, name) name,
        DRIFT_COMPARE_BRACKETS(X)
#undef X
    };
    return names[id];
}

/* What the daemon's cells allow the distances of a numeric column to be. */
static void brackets_init(struct drift_compare_row *row, const uint64_t *base, const uint64_t *cur)
{
    const struct drift_column *c = row->column;
    const uint64_t *p = base + DRIFT_N_SPECIAL, *q = cur + DRIFT_N_SPECIAL;
    const struct drift_measure *ks = &row->m[DRIFT_MEASURE_KS];
    struct drift_compare_bracket *b = row->bracket;
    struct drift_cells_w1 w1;
    struct drift_cells_edf cvm, ad;
    row->grid_ad = row->grid_ad_p = NAN;
    if (c->kind != DRIFT_NUMERIC)
        return;
    if (!ks->why)
        b[DRIFT_BRACKET_KS] = (struct drift_compare_bracket){true, false, ks->low, ks->high, ks->effect, NAN, false};
    if (!drift_cells_wasserstein(p, q, c->edges, c->n_cells, 0, &w1))
        b[DRIFT_BRACKET_W1] = (struct drift_compare_bracket){true, w1.open, w1.low, w1.high, w1.w1, NAN, false};
    if (!drift_cells_cvm(p, q, c->edges, c->n_cells, &cvm))
        b[DRIFT_BRACKET_CVM] = (struct drift_compare_bracket){true, false, cvm.low, cvm.high, cvm.value, NAN, false};
    if (!drift_cells_anderson(p, q, c->n_cells, &ad)) {
        row->grid_ad = ad.value;
        row->grid_ad_p = ad.p_value;
    }
}

/* Sets the figures of the values between them; sums of both kinds are rounded. */
static void brackets_check(struct drift_compare_row *row)
{
    const struct drift_exact *e = &row->exact;
    const double exact[DRIFT_N_BRACKET] = {e->ks.d, e->wasserstein, e->cvm.t};
    for (int i = 0; i < DRIFT_N_BRACKET; i++) {
        struct drift_compare_bracket *b = &row->bracket[i];
        double slack = 1e-9 * fmax(fabs(b->high), fabs(b->low)) + 1e-12 * (i != DRIFT_BRACKET_W1);
        if (!b->there || e->why)
            continue;
        b->exact = exact[i];
        b->holds = b->exact >= b->low - slack && (b->open || b->exact <= b->high + slack);
        b->there = !isnan(b->exact);
    }
}

void drift_compare_report_init(struct drift_compare_report *rep, const struct drift_compare_request *r,
                               const struct drift_compare_counts *k)
{
    size_t n = 0;
    for (int i = 0; i < DRIFT_N_CHAIN; i++)
        n += k->baseline->chain[i].layout->n_columns;
    *rep = (struct drift_compare_report){.request = r,
                                         .counts = k,
                                         .rows = drift_xcalloc(n ? n : 1, sizeof *rep->rows),
                                         .gate = isnan(r->p) ? .001 / (double)n : r->p};
    for (int i = 0; i < DRIFT_N_CHAIN; i++) {
        const struct drift_baseline_chain *c = &k->baseline->chain[i];
        for (uint32_t j = 0; j < c->layout->n_columns; j++) {
            struct drift_compare_row *row = &rep->rows[rep->n++];
            row->column = &c->layout->columns[j];
            const uint64_t *base = c->pooled->counts + row->column->first,
                           *cur = k->current[i]->counts + row->column->first;
            drift_measure_column_law(row->column, base, cur, NULL, c->laws ? c->laws[j] : NULL, row->m);
            grid_init(&row->grid, row->column, base, cur);
            brackets_init(row, base, cur);
            row->exact.why = "the values were not read";
            judge(row, r, rep->gate);
            if (row->severity > rep->worst)
                rep->worst = row->severity;
        }
    }
}

/* One test a column, so that their number is that of the columns: KS of the values, exact where that is cheap, else by
 * the law of finite samples; the grid's KS where the values are not known; for categories chi-square over cells pooled
 * as the daemon does.  With a named convention what other tools do: the law of finite samples, all categories. */
static void family_p(struct drift_compare_row *row, bool named)
{
    bool number = row->column->kind == DRIFT_NUMERIC;
    const struct drift_exact *e = &row->exact;
    const struct drift_measure *m = &row->m[number ? DRIFT_MEASURE_KS : DRIFT_MEASURE_CHI2];
    row->has_p = !m->why;
    row->p = m->p_value;
    if (e->why || (!number && !named))
        return;
    row->has_p = true;
    if (!number)
        row->p = e->names.chi2.pearson_p;
    else
        row->p = named || isnan(e->ks_p_exact) ? e->ks_p : e->ks_p_exact;
    if (isnan(row->p)) /* one value against one */
        row->p = 1;
}

static void adjust(struct drift_compare_report *rep)
{
    double *p = drift_xcalloc(rep->n ? rep->n : 1, sizeof *p);
    size_t *order = drift_xcalloc(rep->n ? rep->n : 1, sizeof *order), n = 0;
    for (size_t i = 0; i < rep->n; i++) {
        family_p(&rep->rows[i], rep->request->what.binnings);
        if (rep->rows[i].has_p)
            p[n++] = rep->rows[i].p;
    }
    bool good = !drift_multiple_adjust(rep->request->adjust, p, n, order, p);
    n = 0;
    for (size_t i = 0; i < rep->n; i++)
        if (rep->rows[i].has_p)
            rep->rows[i].adjusted = good ? p[n++] : 1;
    free(p);
    free(order);
}

static int worst_first(const void *a, const void *b)
{
    const struct drift_compare_row *x = a, *y = b;
    double p = x->m[DRIFT_MEASURE_PSI].effect, q = y->m[DRIFT_MEASURE_PSI].effect;
    if (x->severity != y->severity)
        return x->severity > y->severity ? -1 : 1;
    if (p != q)
        return p > q ? -1 : 1;
    return strcmp(x->column->name, y->column->name);
}

void drift_compare_report_finish(struct drift_compare_report *rep)
{
    for (size_t i = 0; i < rep->n; i++)
        brackets_check(&rep->rows[i]);
    adjust(rep);
    qsort(rep->rows, rep->n, sizeof *rep->rows, worst_first);
}

void drift_compare_report_release(struct drift_compare_report *rep)
{
    for (size_t i = 0; i < rep->n; i++) {
        drift_exact_bins_release(&rep->rows[i].grid);
        drift_exact_release(&rep->rows[i].exact);
    }
    free(rep->rows);
    *rep = (struct drift_compare_report){0};
}

const struct drift_exact_bins *drift_compare_bins(const struct drift_compare_report *rep,
                                                  const struct drift_compare_row *row)
{
    if (rep->request->binning < 0 || row->exact.why)
        return &row->grid;
    return row->column->kind == DRIFT_NUMERIC ? &row->exact.bins[rep->request->binning] : &row->exact.names;
}
