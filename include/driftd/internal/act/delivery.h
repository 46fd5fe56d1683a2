/* delivery.h - one attempt to deliver one webhook: a libcurl easy handle set up, and its outcome read.
 *
 * Whoever owns it runs the handle (in a multi handle, or by curl_easy_perform) and then asks for the outcome.  One
 * connection per attempt: reusing one would skip the check of the address that an endpoint without allow_private
 * needs, and a webhook is rare enough.  Threads: one owner. */
#ifndef DRIFTD_ACT_DELIVERY_H
#define DRIFTD_ACT_DELIVERY_H

#include <curl/curl.h>

#include "driftd/internal/config/config.h"

struct drift_delivery_request {
    const struct drift_endpoint *endpoint;
    char *const *secrets; /* n_secrets 0: sent unsigned */
    size_t n_secrets;
    const char *id;   /* webhook-id and Idempotency-Key */
    const void *body; /* borrowed until free, like endpoint */
    size_t len;
    int64_t now_ms;          /* webhook-timestamp */
    struct drift_buf *trace; /* NULL, or gets what goes over the wire both ways, credentials hidden */
};

enum drift_delivery_outcome {
    DRIFT_OUTCOME_OK,
    DRIFT_OUTCOME_RETRY, /* no answer, 408, 425, 429, 5xx */
    DRIFT_OUTCOME_DEAD,  /* any other answer */
    DRIFT_OUTCOME_GONE   /* 410: the endpoint wants no more */
};
struct drift_delivery_result {
    enum drift_delivery_outcome outcome;
    int status;             /* 0: no answer */
    int64_t retry_after_ms; /* -1: not asked for */
    char error[160];        /* "" when OK */
};

/* A multi handle for so many transfers; curl_multi_cleanup.  NULL: no memory. */
CURLM *drift_delivery_multi(long most);

struct drift_delivery;
int drift_delivery_new(const struct drift_delivery_request *r, struct drift_delivery **ret,
                       struct drift_err *err) DRIFT_MUST_CHECK;
void drift_delivery_free(struct drift_delivery *d); /* the handle must be out of its multi handle */
CURL *drift_delivery_easy(struct drift_delivery *d);
void drift_delivery_finish(struct drift_delivery *d, CURLcode code, struct drift_delivery_result *ret);

/* Loads the secrets of an endpoint and checks that each can sign; heap array, free with drift_delivery_secrets_free. */
int drift_delivery_secrets(const struct drift_endpoint *e, char ***ret, struct drift_err *err) DRIFT_MUST_CHECK;
void drift_delivery_secrets_free(char **secrets, size_t n);

#endif
