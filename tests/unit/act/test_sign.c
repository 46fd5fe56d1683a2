/* tests/unit/act/test_sign.c    Signatures against the specification's example, RFC 4231 and Python's hmac. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driftd/internal/act/sign.h"
#include "driftd/internal/base/hash.h"

static void expect_signature(const char *id, int64_t ts, const char *body, size_t len, char *const *secrets, size_t n,
                             const char *want)
{
    struct drift_buf header;
    struct drift_err err = {0};
    drift_buf_init(&header, 4096);
    ck_assert_msg(drift_sign_webhook(id, ts, body, len, secrets, n, &header, &err) == 0, "%s", err.text);
    ck_assert_str_eq(header.data, want);
    drift_buf_release(&header);
}

/* The example of the Standard Webhooks reference libraries. */
START_TEST(test_reference)
{
    char *secret[] = {(char[]){"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}};
    static const char body[] = "{\"test\": 2432232314}";
    expect_signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, strlen(body), secret, 1,
                     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}
END_TEST

/* RFC 4231, cases 1 to 4, 6 and 7 (5 is about truncation). */
START_TEST(test_rfc4231)
{
    static const struct {
        int key_byte; /* -1: the text in key */
        size_t key_len;
        const char *key;
        const char *data;
        int data_byte;
        size_t data_len;
        const char *mac;
    } cases[] = {
        {0x0b, 20, "", "Hi There", 0, 8, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {-1, 4, "Jefe", "what do ya want for nothing?", 0, 28,
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {0xaa, 20, "", NULL, 0xdd, 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {-1, 25, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19",
         NULL, 0xcd, 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {0xaa, 131, "", "Test Using Larger Than Block-Size Key - Hash Key First", 0, 54,
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {0xaa, 131, "",
         "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
         "hashed before being used by the HMAC algorithm.",
         0, 152, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t key[131], data[160], mac[DRIFT_SHA256_BYTES];
        char hex[DRIFT_HEX_DIGEST];
        if (cases[i].key_byte < 0)
            memcpy(key, cases[i].key, cases[i].key_len);
        else
            memset(key, cases[i].key_byte, cases[i].key_len);
        if (cases[i].data)
            memcpy(data, cases[i].data, cases[i].data_len);
        else
            memset(data, cases[i].data_byte, cases[i].data_len);
        drift_hmac_sha256(key, cases[i].key_len, data, cases[i].data_len, mac);
        drift_hex(mac, sizeof mac, hex);
        ck_assert_msg(!strcmp(hex, cases[i].mac), "case %zu: %s", i, hex);
    }
}
END_TEST

START_TEST(test_keys)
{
    uint8_t key[DRIFT_SECRET_MAX];
    size_t len = 0;
    struct drift_err err;
    ck_assert_int_eq(drift_sign_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", key, sizeof key, &len, &err), 0);
    ck_assert_uint_eq(len, 24);
    ck_assert_uint_eq(key[0], 0x31);
    ck_assert_int_eq(drift_sign_key("abcdefghijklmnopqrstuvwx", key, sizeof key, &len, &err), 0);
    ck_assert_uint_eq(len, 24);
    ck_assert_int_eq(drift_sign_key("abcdefghijklmnopqrstuvw", key, sizeof key, &len, &err), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_sign_key("", key, sizeof key, &len, &err), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_sign_key("whsec_", key, sizeof key, &len, &err), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_sign_key("whsec_MfKQ9r8GKYqrTwjUPD8I", key, sizeof key, &len, &err), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_sign_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!", key, sizeof key, &len, &err),
                     DRIFT_E_PARSE);
    char *longest = malloc(DRIFT_SECRET_MAX + 2);
    memset(longest, 'k', DRIFT_SECRET_MAX + 1);
    longest[DRIFT_SECRET_MAX + 1] = 0;
    ck_assert_int_eq(drift_sign_key(longest, key, sizeof key, &len, &err), DRIFT_E_RANGE);
    longest[DRIFT_SECRET_MAX] = 0;
    ck_assert_int_eq(drift_sign_key(longest, key, sizeof key, &len, &err), 0);
    ck_assert_int_eq(drift_sign_key(longest, key, 100, &len, &err), DRIFT_E_RANGE);
    free(longest);

    struct drift_buf header;
    drift_buf_init(&header, 4096);
    char *secret[] = {(char[]){"abcdefghijklmnopqrstuvwx"}};
    ck_assert_int_eq(drift_sign_webhook("a.b", 1, "x", 1, secret, 1, &header, &err), DRIFT_E_PARSE);
    ck_assert_int_eq(drift_sign_webhook("", 1, "x", 1, secret, 1, &header, &err), DRIFT_E_PARSE);
    ck_assert_int_eq(drift_sign_webhook("a", 1, "x", 1, secret, 0, &header, &err), DRIFT_E_EMPTY);
    drift_buf_release(&header);
}
END_TEST

/* Random bodies (NUL and high bytes too), one to three secrets of both spellings: what Python says, byte for byte. */
START_TEST(test_python)
{
    static const char program[] = "import sys, json, hmac, hashlib, base64\n"
                                  "for line in sys.stdin:\n"
                                  "    c = json.loads(line)\n"
                                  "    out = []\n"
                                  "    for s in c['secrets']:\n"
                                  "        k = base64.b64decode(s[6:]) if s.startswith('whsec_') else s.encode()\n"
                                  "        m = b'%s.%d.' % (c['id'].encode(), c['ts']) + bytes.fromhex(c['body'])\n"
                                  "        d = hmac.new(k, m, hashlib.sha256).digest()\n"
                                  "        out.append('v1,' + base64.b64encode(d).decode())\n"
                                  "    got = c['got']\n"
                                  "    if ' '.join(out) != got: sys.exit('%s != %s' % (out, got))\n";
    if (access("/usr/bin/python3", X_OK)) {
        printf("SKIP: python3 is not installed\n");
        return;
    }
    char path[] = "/tmp/driftd_sign_XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, program, strlen(program)), (ssize_t)strlen(program));
    close(fd);
    char command[64];
    snprintf(command, sizeof command, "/usr/bin/python3 %s", path);
    FILE *f = popen(command, "w");
    ck_assert_ptr_nonnull(f);
    struct drift_rng rng = drift_rng_new(1);
    for (int i = 0; i < 200; i++) {
        uint8_t body[600];
        char hex[2 * sizeof body + 1], secret[3][128], id[33];
        char *secrets[3] = {secret[0], secret[1], secret[2]};
        size_t len = drift_rng_below(&rng, sizeof body), n = 1 + drift_rng_below(&rng, 3);
        for (size_t k = 0; k < len; k++)
            body[k] = (uint8_t)drift_rng_u64(&rng);
        for (size_t k = 0; k < n; k++) {
            uint8_t raw[64];
            size_t raw_len = 24 + drift_rng_below(&rng, 40);
            for (size_t b = 0; b < raw_len; b++)
                raw[b] = (uint8_t)drift_rng_u64(&rng);
            if (drift_rng_below(&rng, 2)) {
                strcpy(secret[k], "whsec_");
                drift_base64(raw, raw_len, secret[k] + 6);
            } else {
                drift_hex(raw, raw_len > 60 ? 60 : raw_len, secret[k]);
            }
        }
        snprintf(id, sizeof id, "%016llx%016llx", (unsigned long long)drift_rng_u64(&rng),
                 (unsigned long long)drift_rng_u64(&rng));
        int64_t ts = (int64_t)drift_rng_below(&rng, 4000000000u);
        struct drift_buf header;
        struct drift_err err;
        drift_buf_init(&header, 4096);
        ck_assert_int_eq(drift_sign_webhook(id, ts, body, len, secrets, n, &header, &err), 0);
        drift_hex(body, len, hex);
        fprintf(f, "{\"id\":\"%s\",\"ts\":%lld,\"body\":\"%s\",\"got\":\"%s\",\"secrets\":[\"%s\"", id, (long long)ts,
                hex, header.data, secret[0]);
        for (size_t k = 1; k < n; k++)
            fprintf(f, ",\"%s\"", secret[k]);
        fprintf(f, "]}\n");
        drift_buf_release(&header);
    }
    int status = pclose(f);
    unlink(path);
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sign");
    drift_test_add(s, "reference", test_reference, 10);
    drift_test_add(s, "rfc4231", test_rfc4231, 10);
    drift_test_add(s, "keys", test_keys, 10);
    drift_test_add(s, "python", test_python, 30);
    return drift_test_run(s);
}
