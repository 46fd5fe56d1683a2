/* Digests, checksums, keyed hashes against published vectors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/buf.h"
#include "driftd/internal/base/hash.h"
#include "support.h"

START_TEST(vectors)
{
    char hex[DRIFT_HEX_DIGEST];
    uint8_t mac[32];
    drift_sha256_hex("abc", 3, hex); /* FIPS 180-2 */
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    drift_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac); /* RFC 4231 case 2 */
    drift_hex(mac, 32, hex);
    ck_assert_str_eq(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    ck_assert_uint_eq(drift_crc32c("123456789", 9), 0xe3069283);
    uint8_t zeros[32] = {0};
    ck_assert_uint_eq(drift_crc32c(zeros, 32), 0x8a9136aa); /* RFC 3720 B.4 */
    ck_assert_uint_eq(drift_crc32c(NULL, 0), 0);
}
END_TEST

START_TEST(base64)
{
    struct drift_rng r = drift_rng_new(1);
    uint8_t in[64], out[64];
    char text[96];
    size_t n;
    for (int i = 0; i < 10000; i++) {
        size_t len = drift_rng_below(&r, sizeof in + 1);
        for (size_t k = 0; k < len; k++)
            in[k] = (uint8_t)drift_rng_u64(&r);
        drift_base64(in, len, text);
        ck_assert(drift_base64_decode(text, strlen(text), out, sizeof out, &n) && n == len && !memcmp(in, out, n));
    }
    ck_assert(!drift_base64_decode("abc", 3, out, sizeof out, &n));
    ck_assert(!drift_base64_decode("a===", 4, out, sizeof out, &n));
    ck_assert(!drift_base64_decode("ab=c", 4, out, sizeof out, &n));
    ck_assert(!drift_base64_decode("ab\n=", 4, out, sizeof out, &n));
    ck_assert(!drift_base64_decode("AAAA", 4, out, 2, &n));
}
END_TEST

START_TEST(table_hash)
{
    ck_assert(drift_hash64("a", 1) == drift_hash64("a", 1));
    ck_assert(drift_hash64("a", 1) != drift_hash64("b", 1));
    ck_assert(drift_hash64("", 0) != drift_hash64("\0", 1));
    size_t buckets[256] = {0};
    for (int i = 0; i < 25600; i++) {
        char key[16];
        int n = snprintf(key, sizeof key, "key-%d", i);
        buckets[drift_hash64(key, (size_t)n) & 255]++;
    }
    double chi2 = 0; /* 255 degrees of freedom: mean 255, sd 22.6 */
    for (int i = 0; i < 256; i++)
        chi2 += ((double)buckets[i] - 100) * ((double)buckets[i] - 100) / 100;
    ck_assert_msg(chi2 < 400, "chi-square %g", chi2);
}
END_TEST

START_TEST(buffers)
{
    struct drift_buf b;
    drift_buf_init(&b, 10);
    drift_buf_adds(&b, "12345");
    drift_buf_adds(&b, "67890");
    ck_assert(!b.full && b.len == 10);
    drift_buf_adds(&b, "x");
    ck_assert(b.full && b.len == 10 && !strcmp(b.data, "1234567890"));
    drift_buf_release(&b);
    drift_buf_init(&b, 1000);
    struct drift_rng r = drift_rng_new(2);
    uint64_t v[50];
    for (int i = 0; i < 50; i++)
        drift_buf_put_varint(&b, v[i] = drift_rng_u64(&r) >> drift_rng_below(&r, 64));
    drift_buf_put_f64(&b, -0.125);
    drift_buf_put_str(&b, "name");
    struct drift_rd rd = {(uint8_t *)b.data, (uint8_t *)b.data + b.len, false};
    for (int i = 0; i < 50; i++)
        ck_assert_uint_eq(drift_rd_varint(&rd), v[i]);
    ck_assert(drift_rd_f64(&rd) == -0.125);
    char *s = drift_rd_str(&rd, 10);
    ck_assert_str_eq(s, "name");
    free(s);
    ck_assert(!rd.bad && rd.p == rd.end);
    drift_rd_u8(&rd);
    ck_assert(rd.bad);
    static const uint8_t overlong[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    rd = (struct drift_rd){overlong, overlong + sizeof overlong, false};
    drift_rd_varint(&rd);
    ck_assert(rd.bad);
    drift_buf_release(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hash");
    drift_test_add(s, "vectors", vectors, 10);
    drift_test_add(s, "base64", base64, 10);
    drift_test_add(s, "table_hash", table_hash, 10);
    drift_test_add(s, "buffers", buffers, 10);
    return drift_test_run(s);
}
