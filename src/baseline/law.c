/* src/baseline/law.c    Null laws of KS of discrete columns: drawn by the builder, part of a baseline's bytes.
 *
 * Stored and not drawn again where windows are measured: another version of the random numbers' library would give
 * another p-value, and a verdict must be the same wherever it is judged. */
#include "driftd/internal/baseline/law.h"

#include <stdlib.h>

enum { CELLS_MIN = 3 };
static const double t_max = 1e9; /* sqrt(n) D is far below */

static uint32_t filled(const uint64_t *cells, uint32_t n)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++)
        k += cells[i] > 0;
    return k;
}

static bool wants(const struct drift_column *c, uint32_t cells)
{
    return c->kind == DRIFT_NUMERIC && cells >= CELLS_MIN && cells <= DRIFT_KS_NULL_CELLS;
}

static struct drift_ks_null *table_new(struct drift_baseline_chain *c, uint32_t column)
{
    if (!c->laws)
        c->laws = drift_xcalloc(c->layout->n_columns, sizeof *c->laws);
    return c->laws[column] = drift_xcalloc(1, sizeof *c->laws[column]);
}

static void chain_draw(struct drift_baseline_chain *c, uint64_t seed, uint32_t *budget, uint32_t *left_out)
{
    for (uint32_t i = 0; i < c->layout->n_columns; i++) {
        const struct drift_column *column = &c->layout->columns[i];
        const uint64_t *cells = drift_summary_cells(c->pooled, column);
        uint32_t n = filled(cells, column->n_cells);
        struct drift_ks_null table;
        if (!wants(column, n))
            continue;
        if (n > *budget || drift_ks_null_build(cells, column->n_cells, seed + i, &table)) {
            ++*left_out;
            continue;
        }
        *budget -= n;
        *table_new(c, i) = table;
    }
}

uint32_t drift_law_draw(struct drift_baseline *b, uint64_t seed)
{
    uint32_t budget = DRIFT_LAW_CELLS_MAX, left_out = 0;
    for (int k = 0; k < DRIFT_N_CHAIN; k++)
        chain_draw(&b->chain[k], seed, &budget, &left_out);
    return left_out;
}

void drift_law_release(struct drift_baseline_chain *c)
{
    for (uint32_t i = 0; c->laws && i < c->layout->n_columns; i++)
        free(c->laws[i]);
    free(c->laws);
    c->laws = NULL;
}

/* ---- bytes ---- */

static uint32_t count(const struct drift_baseline_chain *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; c->laws && i < c->layout->n_columns; i++)
        n += c->laws[i] != NULL;
    return n;
}

bool drift_law_any(const struct drift_baseline *b)
{
    return count(&b->chain[DRIFT_CHAIN_INPUT]) || count(&b->chain[DRIFT_CHAIN_LABEL]);
}

void drift_law_save(const struct drift_baseline *b, struct drift_buf *out)
{
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        const struct drift_baseline_chain *c = &b->chain[k];
        drift_buf_put_varint(out, count(c));
        for (uint32_t i = 0; c->laws && i < c->layout->n_columns; i++) {
            if (!c->laws[i])
                continue;
            drift_buf_put_varint(out, i);
            for (int s = 0; s < DRIFT_KS_NULL_SIZES; s++)
                for (int q = 0; q < DRIFT_KS_NULL_LEVELS; q++)
                    drift_buf_put_f64(out, c->laws[i]->t[s][q]);
        }
    }
}

/* Quantiles rise with the level's rarity. */
static bool table_load(struct drift_rd *r, struct drift_ks_null *t)
{
    for (int s = 0; s < DRIFT_KS_NULL_SIZES; s++)
        for (int q = 0; q < DRIFT_KS_NULL_LEVELS; q++) {
            t->t[s][q] = drift_rd_f64(r);
            if (!(t->t[s][q] >= (q ? t->t[s][q - 1] : 0) && t->t[s][q] < t_max))
                return false;
        }
    return !r->bad;
}

static bool chain_load(struct drift_baseline_chain *c, struct drift_rd *r)
{
    uint64_t n = drift_rd_varint(r), next = 0;
    for (uint64_t k = 0; k < n && !r->bad; k++) {
        uint64_t i = drift_rd_varint(r);
        if (r->bad || i < next || i >= c->layout->n_columns || c->layout->columns[i].kind != DRIFT_NUMERIC)
            return false;
        next = i + 1;
        if (!table_load(r, table_new(c, (uint32_t)i)))
            return false;
    }
    return !r->bad;
}

bool drift_law_load(struct drift_baseline *b, struct drift_rd *r)
{
    for (int k = 0; k < DRIFT_N_CHAIN; k++)
        if (!chain_load(&b->chain[k], r))
            return false;
    return true;
}
