/* src/act/sign.c    Signs a webhook as Standard Webhooks 1.0 says, for the sender and the endpoint test. */
#include "driftd/internal/act/sign.h"

#include <inttypes.h>
#include <string.h>

#include "driftd/internal/base/hash.h"

int drift_sign_key(const char *secret, uint8_t *ret_key, size_t cap, size_t *ret_len, struct drift_err *err)
{
    static const char prefix[] = "whsec_";
    size_t n = strlen(secret), len = n;
    if (n > DRIFT_SECRET_MAX)
        return drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP, "secret is longer than %d bytes", DRIFT_SECRET_MAX);
    if (strncmp(secret, prefix, sizeof prefix - 1)) {
        if (len > cap)
            return drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP, "secret is longer than %zu bytes", cap);
        memcpy(ret_key, secret, len);
    } else if (!drift_base64_decode(secret + sizeof prefix - 1, n - (sizeof prefix - 1), ret_key, cap, &len)) {
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP,
                          "secret begins with whsec_ but does not go on in base64 (padded with =)");
    }
    if (len < DRIFT_SECRET_MIN) {
        explicit_bzero(ret_key, len);
        return drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP, "secret has %zu bytes, give it at least %d random ones", len,
                          DRIFT_SECRET_MIN);
    }
    *ret_len = len;
    return 0;
}

static int add_signature(const char *secret, const struct drift_buf *content, struct drift_buf *ret_header,
                         struct drift_err *err)
{
    uint8_t key[DRIFT_SECRET_MAX], mac[DRIFT_SHA256_BYTES];
    char text[4 * ((DRIFT_SHA256_BYTES + 2) / 3) + 1];
    size_t len;
    int r = drift_sign_key(secret, key, sizeof key, &len, err);
    if (r)
        return r;
    drift_hmac_sha256(key, len, content->data, content->len, mac);
    explicit_bzero(key, sizeof key);
    drift_base64(mac, sizeof mac, text);
    drift_buf_adds(ret_header, ret_header->len ? " v1," : "v1,");
    drift_buf_adds(ret_header, text);
    return 0;
}

int drift_sign_webhook(const char *id, int64_t timestamp_s, const void *body, size_t len, char *const *secrets,
                       size_t n_secrets, struct drift_buf *ret_header, struct drift_err *err)
{
    /* The dot separates the signed parts: an id with one could be read as another id and timestamp. */
    if (!*id || strchr(id, '.'))
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_SKIP, "webhook id is empty or has a dot in it");
    if (n_secrets == 0)
        return drift_fail(err, DRIFT_E_EMPTY, DRIFT_SKIP, "no secret to sign with");
    struct drift_buf content;
    drift_buf_init(&content, strlen(id) + len + 32);
    drift_buf_addf(&content, "%s.%" PRId64 ".", id, timestamp_s);
    drift_buf_add(&content, body, len);
    int r = content.full ? drift_fail(err, DRIFT_E_FULL, DRIFT_SKIP, "signed content does not fit its buffer") : 0;
    for (size_t i = 0; r == 0 && i < n_secrets; i++)
        r = add_signature(secrets[i], &content, ret_header, err);
    drift_buf_release(&content);
    return r;
}
