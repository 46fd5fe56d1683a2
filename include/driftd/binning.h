/* binning.h - bins of a numeric sample by named conventions, so that figures can be set beside those of other tools.
 *
 * Edges come from the baseline only; equal ones are merged; the outer bins are open, so k edges give k + 1 bins.  With
 * x_(1) <= ... <= x_(m) the sorted baseline and k = 1 .. 9:
 *
 *     q10_linear    x_(i) + g (x_(i+1) - x_(i)) with i + g = 1 + (m - 1) k / 10: deciles with linear interpolation, as
 *                   numpy, pandas and most tools built on them (type 7 of Hyndman and Fan)
 *     q10_invcdf    x_(ceil(m k / 10)): deciles that are observed values (type 1)
 *     w10_minmax    x_(1) + (x_(m) - x_(1)) k / 10: ten bins of equal width; a constant baseline has one bin
 *     _rc           right-closed bins, (e_j, e_(j+1)]
 *     _lc           left-closed bins, [e_j, e_(j+1))
 *
 * On tied data the side that is closed decides which bin an atom is in, and with it every figure made of the bins.
 * Arithmetic is numpy's, in its order, so that edges agree to the last bit; where x_(m) - x_(1) overflows, the two ends
 * are weighted instead.
 * Source: R. J. Hyndman, Y. Fan, Sample quantiles in statistical packages, 1996.
 * Cost: O(1) for edges, O(edges log n) for counts; no allocation.  Threads: pure, any. */
#ifndef DRIFTD_BINNING_H
#define DRIFTD_BINNING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(ID, "name", help) */
#define DRIFT_BINNINGS(X)                                                                                              \
    X(Q10_LINEAR_RC, "q10_linear_rc", "deciles, linear interpolation, right-closed")                                   \
    X(Q10_LINEAR_LC, "q10_linear_lc", "deciles, linear interpolation, left-closed")                                    \
    X(Q10_INVCDF_RC, "q10_invcdf_rc", "deciles that are observed values, right-closed")                                \
    X(W10_MINMAX_LC, "w10_minmax_lc", "ten bins of equal width, left-closed")

enum drift_binning {
#define X(id, name, help) DRIFT_BINNING_##id,
    DRIFT_BINNINGS(X)
#undef X
        DRIFT_N_BINNING
};
enum { DRIFT_BINNING_EDGES = 9 };

/* "q10_linear_rc" and the like, and what it means; static strings. */
const char *drift_binning_name(enum drift_binning b);
const char *drift_binning_help(enum drift_binning b);
bool drift_binning_parse(const char *name, enum drift_binning *ret);

/* Edges of a baseline.
 *   x          m values sorted ascending, finite
 *   ret_edges  shape [DRIFT_BINNING_EDGES]: n of them, finite, strictly ascending
 *   ret_n      0 .. 9
 * Returns 0, or DRIFT_E_EMPTY (m = 0), DRIFT_E_RANGE (no such convention). */
int drift_binning_edges(enum drift_binning b, const double *x, size_t m, double *ret_edges, size_t *ret_n);

/* How many of n values (sorted ascending, without NaN) lie in each bin; the side that is closed is b's.
 *   edges       shape [n_edges], strictly ascending
 *   ret_counts  shape [n_edges + 1] */
void drift_binning_count(enum drift_binning b, const double *edges, size_t n_edges, const double *x, size_t n,
                         uint64_t *ret_counts);

#ifdef __cplusplus
}
#endif
#endif
