/* dependence.h - what a window keeps of how its features go together: the layout's block "dependence".
 *
 *     counters    totals of the embedding (embedding.h: n, cosines, sines) | totals of the pairs (concordance.h)
 *     content     u8 format (1) | varint one in how many events | varint features | per feature: varint column, varint
 *                 cells, a score each | embedding as saved, its bytes before it | cuts as saved, likewise
 *
 * Values go in as ranks: the score of a cell is sqrt(12) (u - 1/2), u the share of the baseline's sample below the
 * cell's middle.  So a feature's unit and its tails do not matter, and every feature weighs alike.  What is no number
 * is the baseline's mean.  Totals are int64 in two's complement: they add and wrap like the counters beside them.
 *
 * One in so many events stands for all, by a hash of the record's place in its log; the choice is part of the content,
 * so that baseline and windows, first reading and replay choose alike.
 * Threads: immutable once made; each thread adds to counters of its own. */
#ifndef DRIFTD_WINDOW_DEPENDENCE_H
#define DRIFTD_WINDOW_DEPENDENCE_H

#include "driftd/concordance.h"
#include "driftd/embedding.h"
#include "driftd/internal/base/err.h"
#include "driftd/layout.h"

#define DRIFT_DEPENDENCE_BLOCK "dependence"
enum {
    DRIFT_DEPENDENCE_FEATURES_MAX = DRIFT_CONCORDANCE_FEATURES_MAX,
    DRIFT_DEPENDENCE_TERMS_MAX = 256,
    DRIFT_DEPENDENCE_ONE_IN_MAX = 1000000,
    DRIFT_DEPENDENCE_ROWS_MAX = 65536, /* of the baseline that it is learned from */
    /* Below these there is no answer, since p-values do not hold: */
    DRIFT_DEPENDENCE_PAIRS_MIN = 30,         /* events that were taken, of a window */
    DRIFT_DEPENDENCE_EMBEDDING_MIN = 200,    /* the same, for the joint distribution */
    DRIFT_DEPENDENCE_EMBEDDING_BASE_MIN = 16 /* and of the baseline's, for each term */
};

/* Time that an event costs which is taken, in ns: measured, see docs/statistics.md. */
double drift_dependence_ns(uint32_t n_features, uint32_t n_terms);
/* One in how many events to take, so that an event costs budget_us on average; at most ..ONE_IN_MAX. */
uint32_t drift_dependence_one_in(uint32_t n_features, uint32_t n_terms, double budget_us);

/* Learns from events of the baseline and adds the block to a layout that is not sealed.
 *   column    [n_features] numeric columns of the layout, ascending
 *   rows      [n_rows][stride] values, of which the first n_features count; not finite: no number
 * Columns whose values are all in one cell are left out.  budget_us: as above, of what is left.  Returns 0,
 * DRIFT_E_EMPTY (fewer than 2 columns are left, or fewer than 4 n_terms rows), DRIFT_E_RANGE, DRIFT_E_MEMORY.
 * Cost: that of drift_embedding_fit(), and n_rows n_features look-ups: 65,536 rows, 32 features, 64 terms: .5 s. */
struct drift_dependence_learn {
    uint32_t n_terms, n_features;
    double budget_us;
    const uint32_t *column;
    const double *rows;
    size_t n_rows, stride;
};
int drift_dependence_learn(const struct drift_dependence_learn *from, struct drift_layout *l) DRIFT_MUST_CHECK;

struct drift_dependence {
    const struct drift_block *block; /* borrowed from the layout, which outlives this */
    uint32_t one_in, n_features, n_terms;
    uint32_t *column; /* [n_features] of the layout */
    double **score;   /* [n_features][cells] */
    struct drift_embedding *embedding;
    struct drift_concordance concordance;
};
/* From a sealed layout.  *ret NULL: it has no such block.  DRIFT_E_PARSE, DRIFT_E_VERSION, DRIFT_E_MISMATCH ...: the
 * block is none of driftd's (hostile bytes are safe).  Takes some ms. */
int drift_dependence_new(const struct drift_layout *l, struct drift_dependence **ret,
                         struct drift_err *err) DRIFT_MUST_CHECK;
void drift_dependence_free(struct drift_dependence *d); /* NULL is fine */

/* Is the record at this place in its log among those that stand for all? */
static inline bool drift_dependence_takes(const struct drift_dependence *d, uint64_t place)
{
    uint64_t z = place + 0x9e3779b97f4a7c15u; /* splitmix64's mix */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return drift_embedding_sampled(z ^ z >> 31, d->one_in);
}
/* Adds an event's scores, shape [n_features], NAN for no number, to a summary's counters. */
void drift_dependence_add(const struct drift_dependence *d, const double *score, uint64_t *counts);
/* The totals in a summary's counters. */
const int64_t *drift_dependence_embedding(const struct drift_dependence *d, const uint64_t *counts);
const int64_t *drift_dependence_pairs(const struct drift_dependence *d, const uint64_t *counts);
/* Can events have made these totals?  0 or DRIFT_E_RANGE. */
int drift_dependence_check(const struct drift_dependence *d, const uint64_t *counts);

#endif
