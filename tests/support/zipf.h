/* zipf.h - names without end: draws of 0 .. n - 1 with shares as 1 / (i + 1)^power.
 *
 * Threads: a law is immutable once made. */
#ifndef DRIFTD_TEST_ZIPF_H
#define DRIFTD_TEST_ZIPF_H

#include <math.h>
#include <stdint.h>

#include "support.h"

/* cumulative: shape [n] */
static inline void zipf_law(double *cumulative, uint32_t n, double power)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        cumulative[i] = sum += pow(i + 1, -power);
    for (uint32_t i = 0; i < n; i++)
        cumulative[i] /= sum;
}

static inline uint32_t zipf_draw(const double *cumulative, uint32_t n, struct drift_rng *r)
{
    double u = drift_rng_uniform(r);
    uint32_t low = 0, high = n - 1;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (cumulative[mid] < u)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

#endif
