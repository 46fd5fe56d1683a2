/* merge.h - walks two sorted samples at once, one distinct value a step; private to the stats room. */
#ifndef DRIFTD_STATS_MERGE_H
#define DRIFTD_STATS_MERGE_H

#include <stdbool.h>
#include <stddef.h>

struct merge {
    const double *x, *y;
    size_t m, n;
    size_t i, j;       /* values of x and y up to and with `at` */
    size_t i_in, j_in; /* of these, how many are equal to `at` */
    double at;
};

/* Steps to the next distinct value of either sample; false when there is none. */
static inline bool merge_next(struct merge *g)
{
    size_t i = g->i, j = g->j;
    if (i == g->m && j == g->n)
        return false;
    g->at = j == g->n || (i < g->m && g->x[i] <= g->y[j]) ? g->x[i] : g->y[j];
    while (i < g->m && g->x[i] <= g->at)
        i++;
    while (j < g->n && g->y[j] <= g->at)
        j++;
    g->i_in = i - g->i;
    g->j_in = j - g->j;
    g->i = i;
    g->j = j;
    return true;
}
/* m n (F - G) just after `at`, exact to 64 bits */
static inline long double merge_gap(const struct merge *g)
{
    return (long double)g->i * (long double)g->n - (long double)g->j * (long double)g->m;
}

#endif
