/* src/base/siphash.c    SipHash-2-4-128: two rounds a word of input, four at each half of the output. */
#include "driftd/internal/base/siphash.h"

#include <string.h>

static uint64_t load_le(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static void store_le(uint8_t *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, sizeof v);
}

static inline uint64_t rotate(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

static inline void turn(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static inline void four_turns(uint64_t v[4])
{
    turn(v);
    turn(v);
    turn(v);
    turn(v);
}

static inline void absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    turn(v);
    turn(v);
    v[0] ^= word;
}

void drift_siphash(const uint8_t key[DRIFT_SIPHASH_KEY], const void *p, size_t n, uint8_t ret[DRIFT_SIPHASH_BYTES])
{
    const uint8_t *s = p;
    uint64_t k0 = load_le(key), k1 = load_le(key + 8), last = (uint64_t)n << 56;
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du ^ 0xee, k0 ^ 0x6c7967656e657261u,
                     k1 ^ 0x7465646279746573u};
    for (; n >= 8; s += 8, n -= 8)
        absorb(v, load_le(s));
    for (size_t i = 0; i < n; i++)
        last |= (uint64_t)s[i] << 8 * i;
    absorb(v, last);
    v[2] ^= 0xee;
    four_turns(v);
    store_le(ret, v[0] ^ v[1] ^ v[2] ^ v[3]);
    v[1] ^= 0xdd;
    four_turns(v);
    store_le(ret + 8, v[0] ^ v[1] ^ v[2] ^ v[3]);
}
