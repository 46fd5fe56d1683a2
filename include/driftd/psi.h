/* psi.h - population stability index of two binned distributions.
 *
 *     PSI = sum_b (q_b - p_b) ln(q_b / p_b)             unit: nats, >= 0, symmetric in p and q
 *
 * p is the baseline (m values), q the window (n values), over B bins.  The index is Jeffreys' divergence.
 * Without drift, n_e PSI ~ chi-square with B - 1 degrees of freedom, n_e = n m / (n + m), so a PSI of (B-1)(1/n + 1/m)
 * is to be expected from noise alone: a fixed cut-off is a function of n, not of drift.
 * Sources: B. Yurdakul, Statistical properties of population stability index, Western Michigan University, 2018 (null
 * law); C. J. Potgieter and others, The population resemblance statistic, 2023 (test against a tolerance).
 *
 * Empty bins make the logarithm infinite, so a rule is needed; figures are comparable only under one rule.  A bin that
 * is empty on both sides adds nothing and is not counted in B (JEFFREYS and LAPLACE excepted, which keep the published
 * form over all bins given).  Half a count on both sides (the default) has the smallest error after noise correction
 * among the rules compared; a share of 1e-4 for an empty bin is what most other tools do.
 *
 * Cost: O(bins), no allocation.  Threads: pure.
 * Does not tell the direction of a drift, and needs about 50 values a bin for its null law. */
#ifndef DRIFTD_PSI_H
#define DRIFTD_PSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(ID, "name", help) */
#define DRIFT_PSI_RULES(X)                                                                                             \
    X(ADD_HALF, "add_half", "half a count to every bin of both sides (default)")                                       \
    X(NONE, "none", "no figure when a bin is empty on one side only")                                                  \
    X(DROP, "drop_zero_bins", "bins empty on a side are left out, shares kept")                                        \
    X(EPS4_ZERO, "eps1e-4_zero", "a share of 0 becomes 1e-4, nothing renormalised")                                    \
    X(EPS4_CLIP, "eps1e-4_clip", "every share below 1e-4 becomes 1e-4")                                                \
    X(EPS6_ZERO, "eps1e-6_zero", "a share of 0 becomes 1e-6, nothing renormalised")                                    \
    X(EPS4_ADD, "eps1e-4_add_renorm", "1e-4 added to every share, renormalised")                                       \
    X(LAPLACE, "laplace1", "one count to every bin given, those empty on both sides too")                              \
    X(JEFFREYS, "jeffreys0.5", "half a count to every bin given, those empty on both sides too")

enum drift_psi_rule {
#define X(id, name, help) DRIFT_PSI_##id,
    DRIFT_PSI_RULES(X)
#undef X
        DRIFT_N_PSI_RULE
};
/* "add_half" and the like; static strings. */
const char *drift_psi_rule_name(enum drift_psi_rule rule);
bool drift_psi_rule_parse(const char *name, enum drift_psi_rule *ret_rule);

/* p, q: counts, shape [n_bins].  ret_psi and ret_bins (B; may be NULL) are written on success only.
 * Returns 0, DRIFT_E_EMPTY (a side has no values), DRIFT_E_RANGE (rule NONE and a bin is empty on one side only). */
int drift_psi(const uint64_t *p, const uint64_t *q, size_t n_bins, enum drift_psi_rule rule, double *ret_psi,
              size_t *ret_bins);

/* What noise alone adds: (B - 1)(1/n + 1/m). */
double drift_psi_noise(size_t bins, double m, double n);
/* P(a PSI as large | no drift). */
double drift_psi_p(double psi, size_t bins, double m, double n);
/* P(a PSI as large | true PSI = delta): Q(n_e PSI; B - 1, n_e delta) of the non-central chi-square law; with n_e delta
 * above 1e4 its normal approximation (M. Sankaran, as below), whose z is within 2e-5 for z up to 8. */
double drift_psi_p_tolerance(double psi, size_t bins, double m, double n, double delta);
/* delta widened by the radius of the baseline's own sampling error: (sqrt(delta) + sqrt(c / m))^2 with c the 95 % point
 * of chi-square with B - 1 degrees of freedom. */
double drift_psi_tolerance(double delta, size_t bins, double m);

/* Interval of the true PSI: all delta for which a PSI as observed is not in either tail of 2.5 % of the non-central
 * law, that is drift_psi_p_tolerance(psi, .., low) = .025 and (.., high) = .975; low (and high) are 0 where even
 * delta = 0 leaves less.  The law is that of a small true PSI: above about .5 the interval is too narrow.
 *   confidence  0 < confidence < 1 (.95 for the above)
 * 1e-9 relative; with n_e psi above 1e4, where the law is M. Sankaran's normal approximation (Approximations to the
 * non-central chi-square distribution, 1963), 1e-5.  Cost: some 20 evaluations of the law, up to 2 ms.
 * Returns 0, DRIFT_E_RANGE (fewer than 2 bins, m or n not positive, psi negative or not finite, confidence outside). */
int drift_psi_interval(double psi, size_t bins, double m, double n, double confidence, double *ret_low,
                       double *ret_high);

/* Counts cells together, as one that comes last, of which p can expect less than five values or q less than one, and
 * the last n_tail whatever they hold: those of many small categories, of which the one side knows others than the other
 * one does (rare, unseen).  p: the baseline, which has chosen the cells by what it happened to see.  Unlike
 * drift_chi2_pool this never joins a cell that stands by itself, so a rise of what was next to nothing shows.  ret_p,
 * ret_q: shape [n_cells], may be p and q themselves.  Returns how many cells are left (0: a side has no values). */
size_t drift_psi_pool(const uint64_t *p, const uint64_t *q, size_t n_cells, size_t n_tail, uint64_t *ret_p,
                      uint64_t *ret_q);

#ifdef __cplusplus
}
#endif
#endif
