/* SipHash-2-4-128 against the vectors of its authors and against OpenSSL's. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/base/siphash.h"
#include "support.h"

/* Key 00 01 .. 0f, input 00 01 .. of growing length (vectors.h of the reference implementation). */
START_TEST(published)
{
    static const char *const expect[] = {"a3817f04ba25a8e66df67214c7550293", "da87c1d86b99af44347659119b22fc45",
                                         "8177228da4a45dc7fca38bdef60affe4"};
    uint8_t key[16], input[64], got[16];
    char hex[33];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (uint8_t)i;
    for (size_t n = 0; n < sizeof expect / sizeof *expect; n++) {
        drift_siphash(key, input, n, got);
        drift_hex(got, sizeof got, hex);
        ck_assert_str_eq(hex, expect[n]);
    }
}
END_TEST

START_TEST(as_openssl)
{
    struct drift_rng r = drift_rng_new(11);
    size_t size = 16;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    ck_assert_ptr_nonnull(mac);
    EVP_MAC_CTX *c = EVP_MAC_CTX_new(mac);
    for (size_t n = 0; n < 300; n++) {
        uint8_t key[16], input[300], got[16], expect[16];
        size_t len = 0;
        for (size_t i = 0; i < sizeof key; i++)
            key[i] = (uint8_t)drift_rng_below(&r, 256);
        for (size_t i = 0; i < n; i++)
            input[i] = (uint8_t)drift_rng_below(&r, 256);
        ck_assert(EVP_MAC_init(c, key, sizeof key, params) && EVP_MAC_update(c, input, n) &&
                  EVP_MAC_final(c, expect, &len, sizeof expect));
        ck_assert_uint_eq(len, 16);
        drift_siphash(key, input, n, got);
        ck_assert_mem_eq(got, expect, 16);
    }
    EVP_MAC_CTX_free(c);
    EVP_MAC_free(mac);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("siphash");
    drift_test_add(s, "published", published, 10);
    drift_test_add(s, "as_openssl", as_openssl, 10);
    return drift_test_run(s);
}
