/* cvm.h - Cramer-von Mises: the mean squared distance of two distribution functions.
 *
 *     T = n m / N^2  sum over the N = m + n pooled values of (F - G)^2
 *
 * t is this definition, right with and without ties.  t_midrank is the form by ranks that other tools use (T. W.
 * Anderson, On the distribution of the two-sample Cramer-von Mises criterion, 1962, eq. 10, with mid-ranks); it equals
 * t without ties, and with many it is far too large.
 * The p-value is the limit law's (tail.h) at 1/6 + (T - mean) / sqrt(45 variance), mean and variance those of a
 * sample without ties (Anderson, eq. 11 and 14).  At m, n >= 10 it is good to some 5 % of itself down to .001.  With
 * heavy ties it is not right: where 60 % of the values are equal, p of t is below .05 in 12 % of undrifted samples.
 * Then count the values as cells: drift_cells_cvm (cells.h) has the law with the ties in it. The exact p-value counts
 * the lattice paths by the value of T (Y. Xiao, A. Gordon, A. Yakovlev, A C++ program for the Cramer-von Mises
 * two-sample test, 2006), for small samples. Cost: O(m + n).  Threads: pure. */
#ifndef DRIFTD_CVM_H
#define DRIFTD_CVM_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct drift_cvm {
    double t, p, log10_p;
    double t_midrank, p_midrank, log10_p_midrank;
    bool has_ties; /* within a side or between them */
};
/* x (m values) and y (n values) sorted ascending, without NaN.  p is right in the tail (1e-100 too).  DRIFT_E_EMPTY: a
 * side has no values; DRIFT_E_RANGE: more than 2^30 values, or one on each side, which has no variance. */
int drift_cvm(const double *x, size_t m, const double *y, size_t n, struct drift_cvm *ret);

/* P(T >= t_midrank), all orders alike; exact but for ties.  DRIFT_E_EMPTY: a side has no values; DRIFT_E_RANGE: more
 * than 2^53 orders (27 values a side), or more than 256 MB would be needed: 1 s at most; DRIFT_E_MEMORY. */
int drift_cvm_p_exact(const double *x, size_t m, const double *y, size_t n, double *ret_p);

#ifdef __cplusplus
}
#endif
#endif
