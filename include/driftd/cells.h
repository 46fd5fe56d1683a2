/* cells.h - two distributions counted in the same cells of the number line: how far apart they are.
 *
 * p is the baseline (m values), q the window (n values).  Cell j holds the values of (e_{j-1}, e_j]; cell 0 those up to
 * e_0, the last one those above e_last (driftd/layout.h).  F_j, G_j are the shares up to e_j, w_j and v_j the masses of
 * cell j, d_j = G_j - F_j, N = m + n, n_e = n m / N, H = (m F + n G) / N, h_j = (p_j + q_j) / N.
 * A cell between neighbouring doubles holds one value only: nothing is unknown about it.
 *
 * Wasserstein-1    W = integral |F - G| dx           in the units of the values
 *     estimate: F and G straight lines within a cell (trapezoids; two triangles where d changes its sign).
 *     low = sum_j (e_j - e_{j-1}) max(0, d_{j-1} - w_j, -d_{j-1} - v_j)
 *     high = sum_j (e_j - e_{j-1}) max(|d_{j-1} + v_j|, |d_{j-1} - w_j|)
 *     because inside the cell d moves between d_{j-1} - w_j and d_{j-1} + v_j, and both ends can be had: all values of
 *     one side may lie at the left edge and those of the other at the right.  Values outside the edges count as at the
 *     nearest one; then (`open`) low is still a bound and nothing bounds W from above.
 * Standard deviation of the baseline from its cells: values spread evenly in a cell, but in the outermost ones, which
 *     reach to the minimum and maximum, thinning out exponentially from the density of the neighbour.
 *     sd_low^2 = sum_{i<j} w_i w_j gap(i, j)^2 (half the mean squared difference of two values), gap the distance of
 * the cells; sd_high^2 = sum_j w_j max over the cell of (x - centre)^2.
 *
 * Cramer-von Mises T = n_e integral (F - G)^2 dH     the mean taken over the pooled values, ties as the ECDF has them
 *     estimate: the values of a cell taken as equal, T = n_e sum h_j d_j^2.
 *     low, high: the k-th of the p_j + q_j values of cell j (in ascending order, k from 1) sees a d of at least
 *     L_k = d_{j-1} - w_j + max(0, k - p_j)/n and at most U_k = d_{j-1} + v_j - max(0, k - q_j)/m, whatever the order
 * and the ties: at the end of its group of ties k' >= k values have passed, so at most k' - p_j .. of them are q's.
 *     Hence T is between n_e/N times the sums of min and max of d^2 over [L_k, U_k].  In a cell of one value d = d_j.
 * Anderson-Darling A2 = (N-1)/N n_e sum h_j a_j^2 / (A_j (1 - A_j) - h_j / 4),  a_j = (d_{j-1} + d_j)/2, A_j likewise
 * of H the form with mid-ranks (F. W. Scholz, M. A. Stephens, K-sample Anderson-Darling tests, 1987, eq. 7), of the
 * values with those of a cell taken as equal.  No bracket: one value in the first cell may weigh N times another.
 *
 * P-values of T and A2: both are quadratic forms of a Brownian bridge seen at the cells' edges, the law of
 *     sum_k lambda_k Z_k^2 with the sums of powers of lambda_k known exactly from H.  Body: the chi-square law with the
 *     same three cumulants (B. Hall, Chi squared approximations to the distribution of a sum of independent random
 *     variables, 1983; M. J. Buckley, G. K. Eagleson, 1988); tail: Zolotarev's limit
 *     C P(Z^2 > x / lambda_1), C = prod_{k>1} (1 - lambda_k / lambda_1)^(-1/2) (V. M. Zolotarev, 1961); the larger of
 *     both.  Within 5 % (T) and 8 % (A2) of the limit laws of continuous values wherever those are below .5, checked
 *     down to 1e-9 and 1e-5; exact for two cells but for the normal limit itself.  Ties and discrete values need no
 *     other law.
 * L-infinity = max_j |q_j / n - p_j / m|, 0 .. 1, over cells in any order.
 *
 * Cost: O(cells), no allocation.  Threads: pure. */
#ifndef DRIFTD_CELLS_H
#define DRIFTD_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Does cell j hold one value only?  edges: n_cells - 1, ascending; NULL: not known, no. */
bool drift_cells_single(const double *edges, size_t n_cells, size_t j);

struct drift_cells_w1 {
    double w1, low, high;       /* at most the largest double */
    double sd, sd_low, sd_high; /* of the baseline; all three as given when it was given */
    double over_sd;             /* w1 / sd; -1 when sd is 0 (a baseline of one value) */
    bool open;                  /* values lie outside the edges: low is a bound, the rest counts them at the edge */
};
/* p, q: counts, shape [n_cells]; edges: shape [n_cells - 1], finite, ascending.  sd: the baseline's standard deviation
 * when it is known, else 0.  Returns 0, DRIFT_E_EMPTY (a side has no values), DRIFT_E_RANGE (fewer than two cells, sd
 * negative or not finite). */
int drift_cells_wasserstein(const uint64_t *p, const uint64_t *q, const double *edges, size_t n_cells, double sd,
                            struct drift_cells_w1 *ret);

struct drift_cells_edf {
    double value;     /* T or A2, values of a cell taken as equal */
    double low, high; /* bracket of T; for A2 = value */
    double p_value;
    double rms;   /* root of the mean of (F - G)^2 over the pooled values: sqrt(T / n_e), 0 .. 1 */
    size_t cells; /* with a value on either side; with one all figures but high are 0 and p is 1 */
};
/* As above; edges may be NULL (then no cell counts as one of a single value).  Returns 0 or DRIFT_E_EMPTY. */
int drift_cells_cvm(const uint64_t *p, const uint64_t *q, const double *edges, size_t n_cells,
                    struct drift_cells_edf *ret);
int drift_cells_anderson(const uint64_t *p, const uint64_t *q, size_t n_cells, struct drift_cells_edf *ret);

/* Largest change of a cell's share; of two alike (within 1e-12) the risen one, then the first.  ret_change is signed,
 * ret_cell may be NULL.  Returns 0 or DRIFT_E_EMPTY. */
int drift_cells_linf(const uint64_t *p, const uint64_t *q, size_t n_cells, double *ret_change, size_t *ret_cell);

#ifdef __cplusplus
}
#endif
#endif
