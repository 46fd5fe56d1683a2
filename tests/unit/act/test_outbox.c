/* tests/unit/act/test_outbox.c    Entries of the outbox: ids, bytes, MACs, and what is refused. */
#include "driftd/internal/act/outbox.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "support.h"

static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", other[] = "another secret of enough bytes";

static struct drift_action sample(void)
{
    static char body[] = "{\"a\":\"quote \\\" and line \\n, </script>, \xc3\xa9 \\u0001\"}";
    return (struct drift_action){.id = (char *)"00112233445566778899aabbccddeeff",
                                 .endpoint = (char *)"soc",
                                 .step = (char *)"page",
                                 .rule = (char *)"r \"q\"",
                                 .transition = (char *)"firing",
                                 .shadow = true,
                                 .incident_ms = 1700000000000,
                                 .window_start_ms = -60000,
                                 .window_end_ms = 0,
                                 .seq = 3,
                                 .body = body,
                                 .body_len = strlen(body)};
}

static int parse(const char *entry, size_t len, const char *s1, const char *s2, struct drift_action *ret)
{
    struct drift_err err;
    char *secrets[] = {(char *)s1, (char *)s2};
    return drift_action_parse(entry, len, secrets, s2 ? 2 : s1 ? 1 : 0, ret, &err);
}

START_TEST(round_trip)
{
    struct drift_action a = sample(), b = {0};
    char *entry = drift_action_entry(&a, secret);
    ck_assert_int_eq(parse(entry, strlen(entry), secret, NULL, &b), 0);
    ck_assert_str_eq(b.id, a.id);
    ck_assert_str_eq(b.endpoint, "soc");
    ck_assert_str_eq(b.step, "page");
    ck_assert_str_eq(b.rule, a.rule);
    ck_assert_str_eq(b.transition, "firing");
    ck_assert(b.shadow);
    ck_assert_int_eq(b.incident_ms, a.incident_ms);
    ck_assert_int_eq(b.window_start_ms, -60000);
    ck_assert_int_eq(b.window_end_ms, 0);
    ck_assert_uint_eq(b.seq, 3);
    ck_assert_uint_eq(b.body_len, a.body_len);
    ck_assert_str_eq(b.body, a.body);
    drift_action_release(&b);
    ck_assert_ptr_null(b.id);
    char *again = drift_action_entry(&a, secret);
    ck_assert_str_eq(entry, again);
    free(again);
    free(entry);
}
END_TEST

START_TEST(the_mac_is_what_the_header_says)
{
    struct drift_action a = sample();
    uint8_t key[32], mac[32];
    char hex[65];
    char *entry = drift_action_entry(&a, secret), *at = strstr(entry, ",\"mac\":\"");
    ck_assert_ptr_nonnull(at);
    drift_hmac_sha256(secret, strlen(secret), "driftd outbox", 13, key);
    drift_hmac_sha256(key, 32, entry, (size_t)(at - entry), mac);
    drift_hex(mac, 32, hex);
    ck_assert_int_eq(strncmp(at + 8, hex, 64), 0);
    ck_assert_str_eq(at + 8 + 64, "\"}");
    json_t *j = json_loads(entry, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(j, "mode")), "shadow");
    json_decref(j);
    free(entry);
}
END_TEST

START_TEST(secrets)
{
    struct drift_action a = sample(), b = {0};
    char *signed_entry = drift_action_entry(&a, secret), *bare = drift_action_entry(&a, NULL);
    ck_assert_ptr_nonnull(strstr(bare, ",\"mac\":\"\"}"));
    /* rotation: any of the endpoint's secrets will do */
    ck_assert_int_eq(parse(signed_entry, strlen(signed_entry), other, secret, &b), 0);
    drift_action_release(&b);
    ck_assert_int_eq(parse(signed_entry, strlen(signed_entry), other, NULL, &b), DRIFT_E_DENIED);
    /* without a secret there is nothing to protect; with one, an unsigned entry is not ours */
    ck_assert_int_eq(parse(signed_entry, strlen(signed_entry), NULL, NULL, &b), 0);
    drift_action_release(&b);
    ck_assert_int_eq(parse(bare, strlen(bare), NULL, NULL, &b), 0);
    drift_action_release(&b);
    ck_assert_int_eq(parse(bare, strlen(bare), secret, NULL, &b), DRIFT_E_DENIED);
    ck_assert_ptr_null(b.id);
    free(signed_entry);
    free(bare);
}
END_TEST

/* Each single changed byte must be noticed: by the MAC, or because the MAC is no longer where it belongs. */
START_TEST(every_byte_counts)
{
    struct drift_action a = sample(), b = {0};
    char *entry = drift_action_entry(&a, secret);
    size_t n = strlen(entry), denied = 0, refused = 0;
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit += 3) {
            entry[i] = (char)(entry[i] ^ 1 << bit);
            int rc = parse(entry, n, secret, NULL, &b);
            entry[i] = (char)(entry[i] ^ 1 << bit);
            ck_assert_msg(rc == DRIFT_E_DENIED || rc == DRIFT_E_PARSE, "byte %zu bit %d: %d", i, bit, rc);
            denied += rc == DRIFT_E_DENIED;
            refused += rc == DRIFT_E_PARSE;
        }
    for (size_t len = 0; len < n; len++) {
        char *exact = malloc(len ? len : 1);
        memcpy(exact, entry, len);
        ck_assert_int_ne(parse(exact, len, secret, NULL, &b), 0);
        free(exact);
    }
    ck_assert_uint_gt(denied, n);
    ck_assert_uint_gt(refused, 10);
    free(entry);
}
END_TEST

START_TEST(wrong_members)
{
    static const char *const bad[][2] = {
        {"\"v\":1", "\"v\":2"},
        {"\"v\":1", "\"v\":\"1\""},
        {"\"id\":\"0", "\"id\":\"G"},
        {"\"id\":\"00", "\"id\":\""},
        {"\"mode\":\"shadow\"", "\"mode\":\"dry\""},
        {"\"seq\":3", "\"seq\":-1"},
        {"\"seq\":3", "\"seq\":4294967296"},
        {"\"endpoint\":\"soc\"", "\"endpoint\":null"},
        {"\"step\":\"page\",", ""},
        {"\"incident\":1700000000000", "\"incident\":1e300"},
        {"\"transition\":\"firing\"", "\"transition\":[]"},
        {"\"v\":1", "\"v\":1,\"v\":1"},
        {"{\"v\":1", "[\"v\",1"},
    };
    struct drift_action a = sample(), b = {0};
    char *entry = drift_action_entry(&a, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *at = strstr(entry, bad[i][0]);
        ck_assert_msg(at != NULL, "case %zu", i);
        char *text = drift_xasprintf("%.*s%s%s", (int)(at - entry), entry, bad[i][1], at + strlen(bad[i][0]));
        int rc = parse(text, strlen(text), NULL, NULL, &b);
        ck_assert_msg(rc == DRIFT_E_PARSE || rc == DRIFT_E_VERSION, "case %zu: %d", i, rc);
        ck_assert_ptr_null(b.id);
        free(text);
    }
    free(entry);
}
END_TEST

START_TEST(ids)
{
    char id[16][33];
    int n = 0;
    drift_action_id("g", "m", "", "r", 1, "page", 0, "e", "firing", 1, id[n++]);
    drift_action_id("g", "m", "", "r", 1, "page", 0, "e", "firing", 1, id[n]);
    ck_assert_str_eq(id[0], id[n]);
    drift_action_id("gm", "", "", "r", 1, "page", 0, "e", "firing", 1, id[n++]); /* parts do not run together */
    drift_action_id("g", "m", "s", "r", 1, "page", 0, "e", "firing", 1, id[n++]);
    drift_action_id("g", "m", "", "R", 1, "page", 0, "e", "firing", 1, id[n++]);
    drift_action_id("g", "m", "", "r", 2, "page", 0, "e", "firing", 1, id[n++]);
    drift_action_id("g", "m", "", "r", 1, "ticket", 0, "e", "firing", 1, id[n++]);
    drift_action_id("g", "m", "", "r", 1, "page", 1, "e", "firing", 1, id[n++]);
    drift_action_id("g", "m", "", "r", 1, "page", 0, "f", "firing", 1, id[n++]);
    drift_action_id("g", "m", "", "r", 1, "page", 0, "e", "update", 1, id[n++]);
    drift_action_id("g", "m", "", "r", 1, "page", 0, "e", "firing", 2, id[n++]);
    for (int i = 0; i < n; i++) {
        ck_assert_uint_eq(strspn(id[i], "0123456789abcdef"), 32);
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(id[i], id[k]);
    }
    /* ids are kept by receivers: the recipe must not change.  SHA-256 over varint-prefixed parts, u64/u32 little
     * endian, as hashlib gives it */
    ck_assert_str_eq(id[0], "9942836c116c0e08b8d575d340d946c8");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("outbox");
    drift_test_add(s, "round trip", round_trip, 10);
    drift_test_add(s, "the mac is what the header says", the_mac_is_what_the_header_says, 10);
    drift_test_add(s, "secrets", secrets, 10);
    drift_test_add(s, "every byte counts", every_byte_counts, 30);
    drift_test_add(s, "wrong members", wrong_members, 10);
    drift_test_add(s, "ids", ids, 10);
    return drift_test_run(s);
}
