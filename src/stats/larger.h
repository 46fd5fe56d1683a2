/* larger.h - the larger and the smaller of two numbers that are no NaN; private to the room.
 *
 * fmax and fmin are calls into libm, since a NaN must lose there: in the loops over cells that was a fifth of the time
 * of a window. */
#ifndef DRIFTD_STATS_LARGER_H
#define DRIFTD_STATS_LARGER_H

static inline double larger(double a, double b)
{
    return a > b ? a : b;
}
static inline double smaller(double a, double b)
{
    return a < b ? a : b;
}

#endif
