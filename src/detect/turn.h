/* turn.h - cosine and sine of an angle in turns, two at a time, the same on every machine; private to the detect room.
 *
 *     t = h / 2 + g,  h whole,  |g| <= 1/4:      cos 2 pi t = (-1)^h cos 2 pi g, sine likewise
 *
 * and Taylor's series in g, error below 1e-14.  Only additions and multiplications, in an order that is written down,
 * without fused ones (the build says -ffp-contract=off), so every processor gives the same bits; a table was not
 * faster, and C libraries differ in the last digit, which would make two instances' sums of one event differ.
 * Rounding to whole numbers is by adding 1.5 * 2^52, good below 2^51: ties to even, as rint() does, without a call. */
#ifndef DRIFTD_DETECT_TURN_H
#define DRIFTD_DETECT_TURN_H

#include <float.h>
#include <stdint.h>

_Static_assert(FLT_EVAL_METHOD == 0, "sums of two machines would differ where doubles are computed in more digits");

enum { LANES = 2 };
typedef double lanes __attribute__((vector_size(16)));
typedef int64_t lanes_whole __attribute__((vector_size(16)));

#define TURN_MAGIC 0x1.8p52

static inline lanes turn_rint(lanes x)
{
    return (x + TURN_MAGIC) - TURN_MAGIC;
}

/* x to the nearest whole number, |x| < 2^51 */
static inline lanes_whole turn_whole(lanes x)
{
    const lanes magic = {TURN_MAGIC, TURN_MAGIC};
    return (lanes_whole)(x + magic) - (lanes_whole)magic;
}

/* c0 + u c1 + u^2 c2 + .. by Horner's rule, written out since not every compiler unrolls it */
#define TURN_SERIES(u, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9)                                                         \
    ((((((((((c9) * (u) + (c8)) * (u) + (c7)) * (u) + (c6)) * (u) + (c5)) * (u) + (c4)) * (u) + (c3)) * (u) + (c2)) *  \
          (u) +                                                                                                        \
      (c1)) *                                                                                                          \
         (u) +                                                                                                         \
     (c0))

static inline void turn_cos_sin(lanes t, lanes *ret_cos, lanes *ret_sin)
{
    lanes h = turn_rint(t * 2.0), g = t - h * 0.5, u = g * g;
    lanes odd = h * 0.5 - turn_rint(h * 0.5); /* 0, or a half for odd h */
    lanes sign = 1.0 - odd * odd * 8.0;
    /* (-1)^k (2 pi)^2k / (2k)! and (-1)^k (2 pi)^(2k+1) / (2k+1)! */
    *ret_cos = sign * TURN_SERIES(u, 1.0, -19.739208802178716, 64.9393940226683, -85.45681720669373, 60.24464137187666,
                                  -26.4262567833744, 7.903536371318469, -1.714390711088672, 0.28200596845579123,
                                  -0.03638284114254567);
    *ret_sin = sign * g *
               TURN_SERIES(u, 6.283185307179586, -41.34170224039976, 81.60524927607506, -76.70585975306139,
                           42.058693944897655, -15.09464257682299, 3.819952584848282, -0.7181223017785006,
                           0.10422916220813984, -0.012031585942120627);
}

#endif
