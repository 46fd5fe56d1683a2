/* philox.h - random numbers by their place, the same on every machine; private to the detect room.
 *
 * Philox4x32-10 (J. K. Salmon and others, Parallel random numbers: as easy as 1, 2, 3, SC 2011): ten rounds turn a
 * 128-bit counter and a 64-bit key into 128 bits.  Normal numbers by Box and Muller's formula.  Its logarithm and its
 * circle are series of + - * / and square root only, which IEEE 754 fixes to the last bit; a C library's log() is not.
 */
#ifndef DRIFTD_DETECT_PHILOX_H
#define DRIFTD_DETECT_PHILOX_H

#include <math.h>
#include <stdint.h>

#include "turn.h"

static inline void philox_round(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};
    for (int i = 0; i < 4; i++)
        c[i] = next[i];
}

static inline void philox(uint64_t key, uint32_t c[4])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int i = 0; i < 10; i++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        philox_round(c, k0, k1);
}

/* ln u, 0 < u < 1: twice the area tangent of (f - 1) / (f + 1) for the fraction f, near 1, plus the exponent's part */
static inline double fixed_log(double u)
{
    int exponent;
    double f = frexp(u, &exponent), sum = 0;
    if (f < M_SQRT1_2) {
        f *= 2;
        exponent--;
    }
    double s = (f - 1) / (f + 1), square = s * s;
    for (int k = 25; k >= 1; k -= 2)
        sum = sum * square + 1.0 / k;
    return exponent * M_LN2 + 2 * s * sum;
}

/* Two independent standard normal numbers of place (x, y) under the key. */
static inline void philox_normal(uint64_t key, uint32_t x, uint32_t y, double ret[2])
{
    uint32_t c[4] = {x, y, 0, 0};
    philox(key, c);
    uint64_t a = (uint64_t)c[1] << 32 | c[0], b = (uint64_t)c[3] << 32 | c[2];
    double u = ((double)(a >> 12) + 0.5) * 0x1p-52, r = sqrt(-2 * fixed_log(u));
    lanes turn = {(double)(b >> 12) * 0x1p-52}, cosine, sine;
    turn_cos_sin(turn, &cosine, &sine);
    ret[0] = r * cosine[0];
    ret[1] = r * sine[0];
}

#endif
