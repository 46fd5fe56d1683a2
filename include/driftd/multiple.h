/* multiple.h - p-values of a family of tests, adjusted for their number.
 *
 *     Bonferroni           q_(i) = min(1, m p_(i))
 *     Holm                 q_(i) = max over j <= i of min(1, (m - j + 1) p_(j))
 *     Benjamini-Hochberg   q_(i) = min over j >= i of min(1, m p_(j) / j)
 *     Benjamini-Yekutieli  q_(i) = min over j >= i of min(1, c m p_(j) / j),   c = 1 + 1/2 + ... + 1/m
 *
 * m tests, p_(1) <= ... <= p_(m).  Reject where q <= alpha.  What alpha then bounds:
 *
 *     Bonferroni, Holm     the probability of one false rejection or more, under any dependence.  Holm rejects whatever
 *                          Bonferroni does and is never worse.
 *     Benjamini-Hochberg   the expected share of false ones among the rejected, when the tests are independent or
 *                          positively dependent (PRDS).
 *     Benjamini-Yekutieli  the same under any dependence, at the price of the factor c (4.5 for 50 tests).
 *
 * For one report: the columns of one comparison.  Not for deciding, window after window, whom to wake:
 *
 *   - The bound holds per family.  When nothing drifts, the share of false rejections among all is the probability of
 *     any, so .05 per window is a false alarm every 20 windows for ever, with Benjamini-Hochberg as with Bonferroni.
 *   - Methods for endless sequences of tests (LORD, SAFFRON, ADDIS) bound that share over time, not how often one is
 *     woken, and pay with a level that shrinks while nothing is found: after 200 quiet windows of 50 columns LORD tests
 *     at about 4e-9.  Power is lost where a monitor lives, in a long quiet; and they assume p-values that are
 *     independent or nearly so, while those of windows against one baseline share that baseline's error.
 *
 * A pager is configured by its rate of false alarms; a sequential detector does that.
 *
 * A test that could not be made has no p-value: leave it out, it is not in m.
 * Sources: C. E. Bonferroni, 1936; S. Holm, A simple sequentially rejective multiple test procedure, 1979;
 * Y. Benjamini, Y. Hochberg, Controlling the false discovery rate, 1995; Y. Benjamini, D. Yekutieli, The control of the
 * false discovery rate in multiple testing under dependency, 2001.
 * Cost: O(m log m), no allocation.  Threads: pure, any. */
#ifndef DRIFTD_MULTIPLE_H
#define DRIFTD_MULTIPLE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(ID, "name", help) */
#define DRIFT_MULTIPLES(X)                                                                                             \
    X(NONE, "none", "p-values as they are")                                                                            \
    X(BONFERRONI, "bonferroni", "Bonferroni: any false rejection, any dependence")                                     \
    X(HOLM, "holm", "Holm: any false rejection, any dependence, never worse than Bonferroni")                          \
    X(BH, "bh", "Benjamini-Hochberg: share of false rejections, positive dependence")                                  \
    X(BY, "by", "Benjamini-Yekutieli: share of false rejections, any dependence")

enum drift_multiple {
#define X(id, name, help) DRIFT_MULTIPLE_##id,
    DRIFT_MULTIPLES(X)
#undef X
        DRIFT_N_MULTIPLE
};
/* "bh" and the like; static strings. */
const char *drift_multiple_name(enum drift_multiple method);
const char *drift_multiple_help(enum drift_multiple method);
bool drift_multiple_parse(const char *name, enum drift_multiple *ret_method);

/* Adjusts one family.
 *   p         p-values, shape [n], each in [0, 1], in any order
 *   order     workspace, shape [n]; holds the places of the p-values in ascending order afterwards
 *   ret_q     adjusted p-values, shape [n], in the order of p, each in [p, 1]; may be p itself
 * n = 0 is an empty family: nothing is written.
 * Returns 0, or DRIFT_E_RANGE (a p-value is not in [0, 1], or not a number; ret_q is left as it was). */
int drift_multiple_adjust(enum drift_multiple method, const double *p, size_t n, size_t *order, double *ret_q);

#ifdef __cplusplus
}
#endif
#endif
