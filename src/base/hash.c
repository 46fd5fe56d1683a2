/* src/base/hash.c    Digests by libcrypto; CRC32C and the table hash by hand, since nothing smaller carries them. */
#include "driftd/internal/base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

#include "driftd/internal/base/err.h"

void drift_sha256(const void *p, size_t n, uint8_t ret_digest[DRIFT_SHA256_BYTES])
{
    if (!EVP_Digest(p, n, ret_digest, NULL, EVP_sha256(), NULL))
        drift_bug("SHA-256 failed");
}

void drift_sha256_hex(const void *p, size_t n, char ret_hex[DRIFT_HEX_DIGEST])
{
    uint8_t d[DRIFT_SHA256_BYTES];
    drift_sha256(p, n, d);
    drift_hex(d, sizeof d, ret_hex);
}

void drift_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n, uint8_t ret_mac[DRIFT_SHA256_BYTES])
{
    if (!HMAC(EVP_sha256(), key, (int)key_len, p, n, ret_mac, NULL))
        drift_bug("HMAC failed");
}

bool drift_equal_const_time(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

static uint32_t crc_table[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void crc_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
        crc_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            crc_table[t][i] = crc_table[t - 1][i] >> 8 ^ crc_table[0][crc_table[t - 1][i] & 0xff];
}

uint32_t drift_crc32c(const void *p, size_t n)
{
    const uint8_t *s = p;
    uint32_t c = ~0u;
    pthread_once(&crc_once, crc_init);
    for (; n >= 8; s += 8, n -= 8) { /* slice by 8 */
        uint32_t lo = c ^ ((uint32_t)s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 | (uint32_t)s[3] << 24);
        c = crc_table[7][lo & 0xff] ^ crc_table[6][lo >> 8 & 0xff] ^ crc_table[5][lo >> 16 & 0xff] ^
            crc_table[4][lo >> 24] ^ crc_table[3][s[4]] ^ crc_table[2][s[5]] ^ crc_table[1][s[6]] ^ crc_table[0][s[7]];
    }
    while (n--)
        c = c >> 8 ^ crc_table[0][(c ^ *s++) & 0xff];
    return ~c;
}

static uint64_t seed[2];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed_init(void)
{
    if (RAND_bytes((unsigned char *)seed, sizeof seed) != 1)
        drift_bug("no random bytes");
}

/* Multiply-and-fold in the manner of wyhash (Wang Yi): two secret words, 128-bit products. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t load(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

uint64_t drift_hash64(const void *p, size_t n)
{
    const uint8_t *s = p;
    pthread_once(&seed_once, seed_init);
    uint64_t h = seed[0] ^ n;
    for (; n > 16; s += 16, n -= 16)
        h = fold(load(s, 8) ^ seed[1], load(s + 8, 8) ^ h);
    uint64_t a = n > 8 ? load(s, 8) : n ? load(s, n) : 0;
    uint64_t b = n > 8 ? load(s + 8, n - 8) : 0;
    h = fold(a ^ seed[1], b ^ h);
    return fold(h ^ 0x9E3779B97F4A7C15u, seed[1] ^ 0xD1342543DE82EF95u);
}

void drift_hex(const void *p, size_t n, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *s = p;
    for (size_t i = 0; i < n; i++) {
        ret_hex[2 * i] = digits[s[i] >> 4];
        ret_hex[2 * i + 1] = digits[s[i] & 15];
    }
    ret_hex[2 * n] = 0;
}

void drift_random_hex32(char ret_hex[33])
{
    uint8_t r[16];
    if (RAND_bytes(r, sizeof r) != 1)
        drift_bug("no random bytes");
    drift_hex(r, sizeof r, ret_hex);
}

void drift_base64(const void *p, size_t n, char *ret_text)
{
    EVP_EncodeBlock((unsigned char *)ret_text, p, (int)n);
}

bool drift_base64_decode(const char *s, size_t n, uint8_t *ret, size_t cap, size_t *ret_n)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t out = 0;
    if (n % 4)
        return false;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t v = 0;
        size_t bytes = 3;
        for (size_t k = 0; k < 4; k++) {
            const char *at = s[i + k] ? strchr(alphabet, s[i + k]) : NULL;
            bool pad = s[i + k] == '=' && i + 4 == n && k >= 2 && (k == 3 || s[i + 3] == '=');
            if (!at && !pad)
                return false;
            if (pad && bytes > k - 1)
                bytes = k - 1;
            v = v << 6 | (at ? (uint32_t)(at - alphabet) : 0);
        }
        if (out + bytes > cap)
            return false;
        for (size_t k = 0; k < bytes; k++)
            ret[out++] = (uint8_t)(v >> (16 - 8 * k));
    }
    *ret_n = out;
    return true;
}
