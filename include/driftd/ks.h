/* ks.h - Kolmogorov-Smirnov distance of two samples: a bracket from cells, exact from sorted values.
 *
 *     D = sup_x |F(x) - G(x)|        F baseline, G window, 0 <= D <= 1
 *
 * From cells, with F_j, G_j at the upper edge of cell j, w_j, v_j the masses of the cell and (.)+ the positive part:
 *     D_low  = max_j |G_j - F_j|  <=  D
 *     D_high = max_j max( min((G_j - F_j)+ + w_j, (G_{j-1} - F_{j-1})+ + v_j),
 *                         min((F_j - G_j)+ + v_j, (F_{j-1} - G_{j-1})+ + w_j) )  >=  D
 * because F and G do not fall inside a cell.  D - D_low <= max_j min(w_j, v_j), about 1/K with K cells of equal mass.
 * (The same as max_j max(G_j - F_{j-1}, F_j - G_{j-1}), D_low: nothing narrower follows from the counts.)  A cell that
 * holds one value only, its edges being neighbouring doubles, adds nothing to D_high, for F and G jump at one place
 * there; so heavy ties widen the bracket only where the layout does not single them out.
 *
 * P-value from the grid: a Brownian bridge seen at K points has a maximum that is .5826 / sqrt(K) too low on average
 * (-zeta(1/2) / sqrt(2 pi): H. Chernoff, Sequential tests for the mean of a normal distribution, 1965; D. Siegmund,
 * Corrected diffusion approximations, 1979), hence
 *     t = sqrt(n_e) D_low + .5826 / sqrt(K),   p = Q_Kolmogorov(t),   n_e = n m / (n + m)
 * which holds for K >= 16 cells of like mass and is conservative for discrete features.
 *
 * P-values of an exact distance, continuous data (with ties each is an upper bound):
 *     exact     all C(n + m, n) orders alike: the share of lattice paths from (0, 0) to (m, n) that touch
 *               |i / m - j / n| >= D (J. L. Hodges, The significance probability of the Smirnov two-sample test, 1958)
 *     finite    the law of the one-sample distance at round(n_e) values (R. Simard, P. L'Ecuyer, Computing the
 * two-sided Kolmogorov-Smirnov distribution, 2011); what scipy calls "asymp" limit     Q_Kolmogorov(sqrt(n_e) D);
 * Stephens: with a finite-sample factor
 *
 * Cost: O(cells), O(n + m) for samples, no allocation, but for the exact law (below).  Threads: pure. */
#ifndef DRIFTD_KS_H
#define DRIFTD_KS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct drift_ks_bracket {
    double low, high;
    size_t cells; /* with a value on either side: K above */
};
/* p, q: counts, shape [n_cells], in the order of the values.  Returns 0 or DRIFT_E_EMPTY (a side has no values). */
int drift_ks_cells(const uint64_t *p, const uint64_t *q, size_t n_cells, struct drift_ks_bracket *ret);
/* The same with the cells' edges, shape [n_cells - 1], ascending (NULL: not known), which tell cells of one value. */
int drift_ks_cells_edges(const uint64_t *p, const uint64_t *q, const double *edges, size_t n_cells,
                         struct drift_ks_bracket *ret);
/* d is D_low; m, n the sizes of baseline and window. */
double drift_ks_p_grid(double d, double m, double n, size_t cells);

struct drift_ks_exact {
    double d, d_plus, d_minus; /* sup |F - G|, sup (F - G), sup (G - F) */
};
/* x (m values, baseline) and y (n values) sorted ascending, without NaN.  Returns 0 or DRIFT_E_EMPTY. */
int drift_ks_samples(const double *x, size_t m, const double *y, size_t n, struct drift_ks_exact *ret);
/* P(distance >= d | one distribution), exact; 0 stands for less than 1e-300.  d is rounded to a multiple of
 * 1 / lcm(m, n).  Relative accuracy 1e-11.  Cost: O(n) when m = n (1e8 at most), else a step a point of the lattice
 * within the boundary, about d m n, and 16 bytes a value of the smaller side for the time of the call. DRIFT_E_EMPTY: a
 * side has no values; DRIFT_E_RANGE: d is not in [0, 1], or more than DRIFT_KS_EXACT_STEPS (half a second) would be
 * needed; DRIFT_E_MEMORY. */
#define DRIFT_KS_EXACT_STEPS 4e8
int drift_ks_p_exact(double d, size_t m, size_t n, double *ret_p);
/* P(one-sample distance of round(n_e) values >= d) and its decimal logarithm (-infinity at d = 1, where this law, other
 * than the exact one, gives 0).  ret_log10 may be NULL.  Relative accuracy 1e-10, but with more than 140 values and
 * n_e d^2 between .3 and 2.2: there an expansion is taken, as scipy does (W. Pelz, I. J. Good, Approximating the lower
 * tail-areas of the Kolmogorov-Smirnov one-sample statistic, 1976), good to 2.5e-5 at 141 values, 5e-7 at 1000.
 * Cost: up to 2 ms.
 * DRIFT_E_EMPTY: n_e rounds to 0; DRIFT_E_RANGE: d is not in [0, 1] or n_e above 1e15. */
int drift_ks_p_finite(double d, double m, double n, double *ret_p, double *ret_log10);
/* Limit law, Q(sqrt(n_e) d). */
double drift_ks_p_limit(double d, double m, double n);
double drift_ks_p_limit_log10(double d, double m, double n);
/* The same with M. A. Stephens' finite-sample factor sqrt(n_e) + .12 + .11 / sqrt(n_e) (EDF statistics for goodness of
 * fit and some comparisons, 1974).  For exact distances only: on a grid it overshoots. */
double drift_ks_p_stephens(double d, double m, double n);
double drift_ks_p_stephens_log10(double d, double m, double n);

#ifdef __cplusplus
}
#endif
#endif
