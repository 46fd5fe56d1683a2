/* json_num.h - the common spellings of JSON numbers, exactly and fast.
 *
 * A number of at most 7 digits before the point and 15 after it, without exponent, whose digits as an integer are
 * at most 2^53: that integer and the power of ten are both exact doubles, so one division rounds correctly
 * (W. D. Clinger, "How to read floating point numbers accurately", PLDI 1990).  Eight digits are converted at once
 * in one register.  Anything else is the slow reader's.
 * Reads up to 32 bytes from s: the buffer is padded.  Threads: pure. */
#ifndef DRIFTD_DECODE_JSON_NUM_H
#define DRIFTD_DECODE_JSON_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { DRIFT_JSON_NUM_READS = 32 };

static inline uint64_t drift_load8(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v; /* little endian is asserted where this is used */
}
/* High bit of the first byte that is no digit (bytes above it may be wrong). */
static inline uint64_t drift_not_digits(uint64_t v)
{
    return ((v + 0x4646464646464646u) | (v - 0x3030303030303030u)) & 0x8080808080808080u;
}
/* The first d (1 .. 8) bytes as a number. */
static inline uint64_t drift_digits8(uint64_t v, int d)
{
    v = (v - 0x3030303030303030u) << (64 - 8 * d);
    v = v * 10 + (v >> 8);
    return (uint32_t)((((v & 0x000000FF000000FFu) * 0x000F424000000064u) +
                       (((v >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u)) >>
                      32);
}
static inline bool drift_json_ends_value(char c)
{
    return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The byte behind the number, or NULL: not a common spelling. */
static inline const char *drift_json_num(const char *s, double *ret)
{
    static const uint64_t whole_ten[16] = {1u,
                                           10u,
                                           100u,
                                           1000u,
                                           10000u,
                                           100000u,
                                           1000000u,
                                           10000000u,
                                           100000000u,
                                           1000000000u,
                                           10000000000u,
                                           100000000000u,
                                           1000000000000u,
                                           10000000000000u,
                                           100000000000000u,
                                           1000000000000000u};
    static const double ten[16] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    uint64_t negative = *s == '-';
    const char *p = s + negative;
    uint64_t v = drift_load8(p), stop = drift_not_digits(v);
    if (__builtin_expect(!stop || (stop & 0x80), 0))
        return NULL;
    int d = __builtin_ctzll(stop) >> 3, n = 0;
    if (__builtin_expect((*p == '0') & (d > 1), 0))
        return NULL;
    uint64_t m = drift_digits8(v, d);
    p += d;
    if (*p == '.') {
        v = drift_load8(p + 1);
        stop = drift_not_digits(v);
        if (stop) {
            if (stop & 0x80)
                return NULL;
            n = __builtin_ctzll(stop) >> 3;
            m = m * whole_ten[n] + drift_digits8(v, n);
        } else {
            uint64_t f = drift_digits8(v, 8);
            v = drift_load8(p + 9);
            stop = drift_not_digits(v);
            if (__builtin_expect(!stop, 0))
                return NULL;
            int more = __builtin_ctzll(stop) >> 3;
            if (more)
                f = f * whole_ten[more] + drift_digits8(v, more);
            n = 8 + more;
            if (__builtin_expect(d + n > 19, 0))
                return NULL;
            m = m * whole_ten[n] + f;
        }
        p += 1 + n;
    }
    if (__builtin_expect(!drift_json_ends_value(*p) || m > (UINT64_C(1) << 53), 0))
        return NULL;
    double r = (double)m / ten[n];
    uint64_t bits;
    memcpy(&bits, &r, 8);
    bits |= negative << 63;
    memcpy(ret, &bits, 8);
    return p;
}

#endif
