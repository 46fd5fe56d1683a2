/* max_cell.h - has a single cell grown?  The test for spikes and for one rare category that becomes frequent.
 *
 *     p = min(1, C min_j P(X_j >= q_j)),    X_j ~ binomial(p_j + q_j, pi),  pi = n (1 + eps) / (n (1 + eps) + m)
 *
 * over the C cells with a value on either side, unpooled: pooling rare cells, as the other tests need it, blinds them
 * to just this.  p_j of m values are the baseline's, q_j of n the window's.  With both counts Poisson and the window's
 * rate at most 1 + eps times the baseline's, q_j given p_j + q_j is binomial: that allows for the baseline being a
 * sample itself, exactly, whatever its size; for m to infinity it becomes P(Poisson(n p_j/m (1 + eps)) >= q_j).  Counts
 * of one sample vary less than Poisson counts, so the level is kept (for a cell with a large share by a margin).  eps
 * is the relative rise that is not worth an alarm, 0 for a plain test. Sources: J. Przyborowski, H. Wilenski,
 * Homogeneity of results in testing samples from Poisson series, 1940 (the conditional test); C. E. Bonferroni, 1936.
 * Where p_j + q_j times pi (1 - pi) exceeds 1e8 the normal law is taken.
 *
 * Cost: O(cells), exact areas only for the few cells that can have the smallest; no allocation.  Threads: pure. */
#ifndef DRIFTD_MAX_CELL_H
#define DRIFTD_MAX_CELL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct drift_max_cell {
    size_t cells;  /* C */
    size_t cell;   /* with the smallest p; the first of two alike.  0 when no share has risen */
    double p_cell; /* of that cell alone; 1 when no share has risen */
    double p_value;
    double share, baseline_share; /* of that cell, 0 .. 1 */
};
/* p, q: counts, shape [n_cells]; eps >= 0, finite.  Returns 0, DRIFT_E_EMPTY (a side has no values), DRIFT_E_RANGE. */
int drift_max_cell(const uint64_t *p, const uint64_t *q, size_t n_cells, double eps, struct drift_max_cell *ret);

#ifdef __cplusplus
}
#endif
#endif
