/* pool.h - cells that are too small to stand by themselves; private to the stats room. */
#ifndef DRIFTD_STATS_POOL_H
#define DRIFTD_STATS_POOL_H

#include "sum.h"

/* Keeps cells with both counts together at least `least`, but none of the last n_tail; the others add up in pool[2].
 * Empty cells go.  ret_p, ret_q: shape [n_cells], may be p and q themselves.  Returns how many are kept. */
static inline size_t pool_small(const uint64_t *p, const uint64_t *q, size_t n_cells, size_t n_tail, double least,
                                uint64_t *ret_p, uint64_t *ret_q, uint64_t pool[2])
{
    size_t k = 0;
    pool[0] = pool[1] = 0;
    for (size_t i = 0; i < n_cells; i++) {
        uint64_t a = p[i], b = q[i];
        if (!a && !b)
            continue;
        if ((double)a + (double)b < least || i + n_tail >= n_cells) {
            pool[0] = sum_sat(pool[0], a);
            pool[1] = sum_sat(pool[1], b);
        } else {
            ret_p[k] = a;
            ret_q[k++] = b;
        }
    }
    return k;
}

/* The pool as one more cell, if it has any. */
static inline size_t pool_put(const uint64_t pool[2], size_t k, uint64_t *ret_p, uint64_t *ret_q)
{
    if (!pool[0] && !pool[1])
        return k;
    ret_p[k] = pool[0];
    ret_q[k] = pool[1];
    return k + 1;
}

#endif
