/* tail.h - areas under the tails of the laws that the tests need.
 *
 *     normal        Q(z) = P(Z > z)
 *     chi-square    Q(x; k)            upper regularised incomplete gamma function at k/2, x/2
 *     non-central   Q(x; k, lambda) = sum_j Poisson(j; lambda/2) Q(x; k + 2j)
 *     Kolmogorov    Q(t) = 2 sum_{j>=1} (-1)^(j-1) exp(-2 j^2 t^2)
 *                        = 1 - sqrt(2 pi)/t sum_{odd j} exp(-j^2 pi^2 / (8 t^2))      (used below t = 1)
 *     Cramer-von Mises   P(sum_k Z_k^2 / (k pi)^2 > x)      limit law of the criterion, Z_k normal
 *     Anderson-Darling   P(sum_k Z_k^2 / (k (k + 1)) > x)   limit law of the statistic
 *
 * Laws come from the GNU Scientific Library where it has them.  Far in the tail the chi-square area is a continued
 * fraction in logarithms (Abramowitz, Stegun, Handbook of Mathematical Functions, 6.5.31), since GSL underflows there;
 * the two forms of the Kolmogorov law are those of Feller, On the Kolmogorov-Smirnov limit theorems, 1948.
 * The last two are integrals between neighbouring weights (N. V. Smirnov, On the distribution of the omega^2 criterion,
 * 1937), a form that keeps all digits in the upper tail.
 * The _log10 forms stay finite where the area itself is below the smallest double.  What is not a number gives area 1.
 * Relative accuracy: 1e-9, checked up to 2e4 degrees of freedom and lambda 1e4, down to areas of 1e-290.
 * Cost: about 0.2 us each, the non-central law sqrt(lambda) times that.  Threads: pure. */
#ifndef DRIFTD_TAIL_H
#define DRIFTD_TAIL_H

#ifdef __cplusplus
extern "C" {
#endif

/* Keeps GSL from ending the process on an underflow.  Every program that uses libdriftd calls it once at its start. */
void drift_stats_init(void);

double drift_tail_normal(double z);
double drift_tail_normal_two_sided(double z); /* 2 Q(|z|) */
double drift_tail_normal_two_sided_log10(double z);

/* x >= 0; dof > 0.  dof = 0 is the law of a constant 0: 1 at x = 0, else 0 (log10: -infinity). */
double drift_tail_chi2(double x, double dof);
double drift_tail_chi2_log10(double x, double dof);
/* x with drift_tail_chi2(x, dof) = p; 0 < p < 1, dof > 0 */
double drift_tail_chi2_inverse(double p, double dof);
/* lambda >= 0, at most 1e9 (above, the limit's value is taken) */
double drift_tail_chi2_noncentral(double x, double dof, double lambda);

double drift_tail_kolmogorov(double t); /* 1 for t <= 0 */
double drift_tail_kolmogorov_log10(double t);

/* 1 for x <= 0.  ret_log10 may be NULL.  Cost: about 30 us at x = .1, less above. */
double drift_tail_cvm(double x, double *ret_log10);
double drift_tail_anderson(double x, double *ret_log10);

#ifdef __cplusplus
}
#endif

#endif
