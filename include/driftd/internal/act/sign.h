/* sign.h - Standard Webhooks 1.0 signatures.
 *
 *     signature = base64(HMAC-SHA256(key, id "." timestamp "." body)),  header "v1,<signature> v1,<signature> ..."
 * A secret "whsec_<base64>" is decoded; any other text of at least 24 bytes is used as it is. */
#ifndef DRIFTD_ACT_SIGN_H
#define DRIFTD_ACT_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "driftd/internal/base/buf.h"
#include "driftd/internal/base/err.h"

enum { DRIFT_SECRET_MIN = 24, DRIFT_SECRET_MAX = 1024 };
/* Key bytes of a secret's text.  DRIFT_E_PARSE, DRIFT_E_RANGE. */
int drift_sign_key(const char *secret, uint8_t *ret_key, size_t cap, size_t *ret_len,
                   struct drift_err *err) DRIFT_MUST_CHECK;
/* Appends the header value for all secrets. */
int drift_sign_webhook(const char *id, int64_t timestamp_s, const void *body, size_t len, char *const *secrets,
                       size_t n_secrets, struct drift_buf *ret_header, struct drift_err *err) DRIFT_MUST_CHECK;

#endif
