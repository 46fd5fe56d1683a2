/* src/window/dependence.c    How features go together, as counters of a window: learned with the baseline, added event
 *                            by event.
 *
 * What the embedding needs of the baseline (means and covariance of its terms) is learned from the sample that also
 * gives its scale, and travels in the layout: a later pass could not change the layout any more, and 65,536 events are
 * 1,000 for each of 64 terms.  The pairs' reference are the baseline's own counters, of all events that were taken. */
#include "driftd/internal/window/dependence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/buf.h"

enum { FORMAT = 1, CONTENT_MAX = DRIFT_BLOCK_CONTENT_MAX };
static const double ridge = 1e-3;

/* ---- cost ---- */

/* Fitted to `bench_dependence`: a look-up and a clipping a feature, a product a feature and frequency, a turn a
 * frequency, an addition a pair. */
double drift_dependence_ns(uint32_t n_features, uint32_t n_terms)
{
    double d = n_features, half = n_terms / 2;
    return 40 + 6 * d + .65 * d * half + 4 * half + .6 * d * (d - 1) / 2;
}

uint32_t drift_dependence_one_in(uint32_t n_features, uint32_t n_terms, double budget_us)
{
    double n = ceil(drift_dependence_ns(n_features, n_terms) / (1000 * budget_us));
    return n <= 1 ? 1 : n >= DRIFT_DEPENDENCE_ONE_IN_MAX ? DRIFT_DEPENDENCE_ONE_IN_MAX : (uint32_t)n;
}

/* ---- learning ---- */

struct learning {
    const struct drift_dependence_learn *from;
    struct drift_layout *layout;
    uint32_t n; /* columns that are left */
    uint32_t column[DRIFT_DEPENDENCE_FEATURES_MAX], source[DRIFT_DEPENDENCE_FEATURES_MAX];
    double *score[DRIFT_DEPENDENCE_FEATURES_MAX]; /* by cell */
    double *rows;                                 /* [n_rows][n] scores */
    double mean[DRIFT_DEPENDENCE_FEATURES_MAX], scale[DRIFT_DEPENDENCE_FEATURES_MAX];
    struct drift_embedding *embedding;
    struct drift_concordance concordance;
};

static void learning_release(struct learning *g)
{
    for (uint32_t i = 0; i < g->n; i++)
        free(g->score[i]);
    free(g->rows);
    drift_embedding_free(g->embedding);
}

static double value_at(const struct learning *g, size_t row, uint32_t source)
{
    return g->from->rows[row * g->from->stride + source];
}

/* Scores of the cells of a column; NULL when all of its values are in one. */
static double *scores_of(const struct learning *g, const struct drift_column *c, uint32_t source)
{
    double *score = drift_xcalloc(c->n_cells, sizeof *score), n = 0, below = 0;
    uint32_t filled = 0;
    for (size_t r = 0; r < g->from->n_rows; r++)
        if (isfinite(value_at(g, r, source)))
            score[drift_column_cell(c, value_at(g, r, source))]++;
    for (uint32_t i = 0; i < c->n_cells; i++) {
        filled += score[i] > 0;
        score[i] += 1. / c->n_cells; /* outside the baseline's range there is a place too */
        n += score[i];
    }
    for (uint32_t i = 0; i < c->n_cells; i++) {
        double here = score[i];
        score[i] = sqrt(12) * ((below + here / 2) / n - .5);
        below += here;
    }
    if (filled > 1)
        return score;
    free(score);
    return NULL;
}

static int columns_choose(struct learning *g)
{
    const struct drift_dependence_learn *from = g->from;
    for (uint32_t i = 0; i < from->n_features; i++) {
        struct drift_column *c = &g->layout->columns[from->column[i]];
        if (!c->grid && !(c->grid = drift_grid_new(c->edges, c->n_edges)))
            return DRIFT_E_MEMORY;
        double *score = scores_of(g, c, i);
        if (!score)
            continue;
        g->column[g->n] = from->column[i];
        g->source[g->n] = i;
        g->score[g->n++] = score;
    }
    return g->n < 2 ? DRIFT_E_EMPTY : 0;
}

static void rows_score(struct learning *g)
{
    g->rows = drift_xcalloc(g->from->n_rows * g->n, sizeof *g->rows);
    for (size_t r = 0; r < g->from->n_rows; r++)
        for (uint32_t i = 0; i < g->n; i++) {
            double x = value_at(g, r, g->source[i]);
            const struct drift_column *c = &g->layout->columns[g->column[i]];
            g->rows[r * g->n + i] = isfinite(x) ? g->score[i][drift_column_cell(c, x)] : (double)NAN;
        }
}

static int embedding_learn(struct learning *g)
{
    const struct drift_dependence_learn *from = g->from;
    struct drift_embedding_spec spec = {
        .n_features = g->n, .n_terms = from->n_terms, .seed = 1, .ridge = ridge, .mean = g->mean, .scale = g->scale};
    int rc = drift_embedding_scale(g->rows, from->n_rows, g->n, g->mean, g->scale, &spec.width);
    return rc ? rc : drift_embedding_fit(&spec, g->rows, from->n_rows, &g->embedding);
}

static void put_bytes(struct drift_buf *b, const void *p, size_t n)
{
    drift_buf_put_varint(b, n);
    drift_buf_add(b, p, n);
}

static int content_put(const struct learning *g, struct drift_buf *b)
{
    uint8_t cuts[DRIFT_CONCORDANCE_BYTES_MAX];
    size_t cap = drift_embedding_bytes_max(g->embedding);
    uint8_t *bytes = drift_xcalloc(cap, 1);
    drift_buf_put_u8(b, FORMAT);
    drift_buf_put_varint(b, drift_dependence_one_in(g->n, g->from->n_terms, g->from->budget_us));
    drift_buf_put_varint(b, g->n);
    for (uint32_t i = 0; i < g->n; i++) {
        uint32_t n_cells = g->layout->columns[g->column[i]].n_cells;
        drift_buf_put_varint(b, g->column[i]);
        drift_buf_put_varint(b, n_cells);
        for (uint32_t k = 0; k < n_cells; k++)
            drift_buf_put_f64(b, g->score[i][k]);
    }
    put_bytes(b, bytes, drift_embedding_save(g->embedding, bytes, cap));
    put_bytes(b, cuts, drift_concordance_save(&g->concordance, cuts, sizeof cuts));
    free(bytes);
    return b->full ? DRIFT_E_FULL : 0;
}

static uint32_t counters(uint32_t n_features, uint32_t n_terms)
{
    return (uint32_t)(drift_embedding_length(n_terms) + drift_concordance_length(n_features));
}

int drift_dependence_learn(const struct drift_dependence_learn *from, struct drift_layout *l)
{
    struct learning g = {.from = from, .layout = l};
    struct drift_buf content;
    if (from->n_features > DRIFT_DEPENDENCE_FEATURES_MAX || from->n_terms > DRIFT_DEPENDENCE_TERMS_MAX ||
        !(from->budget_us > 0))
        return DRIFT_E_RANGE;
    drift_buf_init(&content, CONTENT_MAX);
    int rc = columns_choose(&g);
    if (!rc)
        rows_score(&g);
    rc = rc ? rc : embedding_learn(&g);
    rc = rc ? rc : drift_concordance_fit(g.rows, from->n_rows, g.n, &g.concordance);
    rc = rc ? rc : content_put(&g, &content);
    rc =
        rc ? rc
           : drift_layout_add_block(l, DRIFT_DEPENDENCE_BLOCK, content.data, content.len, counters(g.n, from->n_terms));
    drift_buf_release(&content);
    learning_release(&g);
    return rc;
}

/* ---- from a layout ---- */

static bool feature_load(struct drift_rd *r, const struct drift_layout *l, struct drift_dependence *d, uint32_t i)
{
    uint64_t at = drift_rd_varint(r), n = drift_rd_varint(r);
    if (r->bad || at >= l->n_columns || (i && at <= d->column[i - 1]))
        return false;
    const struct drift_column *c = &l->columns[at];
    if (c->kind != DRIFT_NUMERIC || c->role != DRIFT_FEATURE || n != c->n_cells)
        return false;
    d->column[i] = (uint32_t)at;
    d->score[i] = drift_xcalloc(c->n_cells, sizeof **d->score);
    for (uint32_t k = 0; k < c->n_cells; k++) {
        d->score[i][k] = drift_rd_f64(r);
        if (!isfinite(d->score[i][k]))
            return false;
    }
    return !r->bad;
}

static int content_load(struct drift_rd *r, const struct drift_layout *l, struct drift_dependence *d)
{
    uint8_t format = drift_rd_u8(r);
    uint64_t one_in = drift_rd_varint(r), n = drift_rd_varint(r), len;
    if (!r->bad && format > FORMAT)
        return DRIFT_E_VERSION;
    if (r->bad || !format || one_in < 1 || one_in > DRIFT_DEPENDENCE_ONE_IN_MAX || n < 2 ||
        n > DRIFT_DEPENDENCE_FEATURES_MAX)
        return DRIFT_E_PARSE;
    d->one_in = (uint32_t)one_in;
    d->n_features = (uint32_t)n;
    d->column = drift_xcalloc(n, sizeof *d->column);
    d->score = drift_xcalloc(n, sizeof *d->score);
    for (uint32_t i = 0; i < n; i++)
        if (!feature_load(r, l, d, i))
            return DRIFT_E_PARSE;
    len = drift_rd_varint(r);
    const uint8_t *embedding = drift_rd_bytes(r, (size_t)len);
    int rc = embedding ? drift_embedding_load(embedding, (size_t)len, &d->embedding) : DRIFT_E_PARSE;
    if (rc)
        return rc;
    d->n_terms = drift_embedding_spec(d->embedding)->n_terms;
    len = drift_rd_varint(r);
    const uint8_t *cuts = drift_rd_bytes(r, (size_t)len);
    rc = cuts ? drift_concordance_load(cuts, (size_t)len, &d->concordance) : DRIFT_E_PARSE;
    if (rc)
        return rc;
    bool fits = r->p == r->end && drift_embedding_spec(d->embedding)->n_features == n &&
                d->concordance.n_features == n && d->block->n == counters(d->n_features, d->n_terms);
    return fits ? 0 : DRIFT_E_MISMATCH;
}

int drift_dependence_new(const struct drift_layout *l, struct drift_dependence **ret, struct drift_err *err)
{
    const struct drift_block *block = drift_layout_block(l, DRIFT_DEPENDENCE_BLOCK);
    *ret = NULL;
    if (!block)
        return 0;
    struct drift_dependence *d = drift_xcalloc(1, sizeof *d);
    struct drift_rd r = {block->content, block->content + block->content_len, false};
    d->block = block;
    int rc = content_load(&r, l, d);
    if (rc) {
        drift_dependence_free(d);
        return drift_fail(err, rc, DRIFT_STOP,
                          "the baseline's block `dependence` cannot be read (%s): build the baseline again",
                          drift_code_name(rc));
    }
    *ret = d;
    return 0;
}

void drift_dependence_free(struct drift_dependence *d)
{
    if (!d)
        return;
    for (uint32_t i = 0; d->score && i < d->n_features; i++)
        free(d->score[i]);
    free(d->score);
    free(d->column);
    drift_embedding_free(d->embedding);
    free(d);
}

/* ---- totals ---- */

/* Totals that are full stay as they are: 2^42 events are more than a baseline or window can have. */
void drift_dependence_add(const struct drift_dependence *d, const double *score, uint64_t *counts)
{
    int64_t *embedding = (int64_t *)(counts + d->block->first);
    (void)drift_embedding_add(d->embedding, embedding, score);
    (void)drift_concordance_count(&d->concordance, embedding + drift_embedding_length(d->n_terms), score);
}

const int64_t *drift_dependence_embedding(const struct drift_dependence *d, const uint64_t *counts)
{
    return (const int64_t *)(counts + d->block->first);
}

const int64_t *drift_dependence_pairs(const struct drift_dependence *d, const uint64_t *counts)
{
    return drift_dependence_embedding(d, counts) + drift_embedding_length(d->n_terms);
}

int drift_dependence_check(const struct drift_dependence *d, const uint64_t *counts)
{
    int rc = drift_sums_check(drift_dependence_embedding(d, counts), drift_embedding_length(d->n_terms),
                              DRIFT_EMBEDDING_UNIT);
    return rc ? rc : drift_concordance_check(drift_dependence_pairs(d, counts), d->n_features);
}
