/* series.h - variation of a standardised series over time; private to the detect room.
 *
 * x: n values that would be N(0, 1) and independent if nothing but sampling moved them.  Threads: pure. */
#ifndef DRIFTD_DETECT_SERIES_H
#define DRIFTD_DETECT_SERIES_H

#include <stddef.h>

/* Upper limit of the long-run variance, at least 1; phase1.h has the formula.  alpha: level at which a block length
 * counts as over-dispersed (.01). */
double series_phi(const double *x, size_t n, double alpha);
/* What the long-run variance may be at most, at .999, by the longest blocks of which there are ten; 1 without. */
double series_limit(const double *x, size_t n);
/* Values that n of them are worth: the lesser of n (1 - rho) / (1 + rho) and 2 n (variance - 1) / (phi - 1); n when
 * there is no memory to speak of. */
double series_effective(const double *x, size_t n, double phi);
/* The split with the largest difference of means and the p-value of "none".  *ret_split: values before it, 0 when n is
 * too small (24). */
void series_split(const double *x, size_t n, size_t *ret_split, double *ret_p);

#endif
