/* sort.h - sorts many doubles, in linear time.
 *
 * By their bits, eight bits a pass, passes in which all values agree left out.  Threads: pure. */
#ifndef DRIFTD_CLI_SORT_H
#define DRIFTD_CLI_SORT_H

#include <stddef.h>

/* x: shape [n], no NaN; ascending afterwards, -0.0 before 0.0.  scratch: shape [n]. */
void drift_sort_doubles(double *x, size_t n, double *scratch);

#endif
