/* src/act/delivery.c    One signed POST to one endpoint through libcurl, for the sender and the endpoint test.
 *
 * The answer's status line decides; its body is read up to a limit so that the receiver can finish, and thrown away.
 * A receiver that sends 200 and then hangs, resets or floods has taken the webhook. */
#include "driftd/internal/act/delivery.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driftd/internal/act/address.h"
#include "driftd/internal/act/retry.h"
#include "driftd/internal/act/sign.h"

enum { ANSWER_MAX = 64 * 1024, CONNECT_MS = 10000, SIGNATURES_MAX = 4096 };

struct drift_delivery {
    CURL *easy;
    struct curl_slist *headers;
    const struct drift_endpoint *endpoint;
    struct drift_buf *trace;
    size_t head_bytes, body_bytes;
    int status; /* of the last complete header block */
    int64_t now_ms, retry_after_ms;
    const char *refused; /* why an address was not connected to */
    char text[CURL_ERROR_SIZE];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        drift_bug("libcurl does not start");
}

/* The only place that sees the address that will really be used: names that resolve differently the second time
 * (rebinding) and odd spellings of an address end up here too. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct drift_delivery *d = ctx;
    const char *why = drift_address_refused(&a->addr, a->addrlen);
    (void)purpose;
    if (why && !d->endpoint->allow_private) {
        d->refused = why;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static void read_header(struct drift_delivery *d, const char *line, size_t n)
{
    static const char name[] = "retry-after:";
    size_t skip = sizeof name - 1;
    if (n >= 5 && !strncmp(line, "HTTP/", 5))
        d->retry_after_ms = -1;
    else if (n > skip && !strncasecmp(line, name, skip) &&
             !drift_retry_after(line + skip, n - skip, d->now_ms, &d->retry_after_ms))
        d->retry_after_ms = -1;
}

static size_t take_header(char *line, size_t size, size_t n, void *ctx)
{
    struct drift_delivery *d = ctx;
    long status = 0;
    n *= size;
    d->head_bytes += n;
    if (d->head_bytes > ANSWER_MAX)
        return 0;
    read_header(d, line, n);
    if (n <= 2 && (line[0] == '\r' || line[0] == '\n')) { /* the block is complete */
        curl_easy_getinfo(d->easy, CURLINFO_RESPONSE_CODE, &status);
        d->status = (int)status;
    }
    return n;
}

static size_t take_body(char *p, size_t size, size_t n, void *ctx)
{
    struct drift_delivery *d = ctx;
    (void)p;
    d->body_bytes += size * n;
    return d->body_bytes > ANSWER_MAX ? 0 : size * n;
}

/* The user's own credentials in the URL (user:password@, ?token=) do not belong into a report that gets pasted. */
static void trace_line(struct drift_buf *out, const char *mark, const char *line, size_t n)
{
    static const char authorization[] = "authorization:";
    while (n && (line[n - 1] == '\r' || line[n - 1] == '\n'))
        n--;
    drift_buf_adds(out, mark);
    const char *query = memchr(line, '?', n);
    const char *version = n > 9 && !strncmp(line, "POST ", 5) ? line + n - 9 : NULL;
    if (*mark == '>' && n >= sizeof authorization - 1 && !strncasecmp(line, authorization, sizeof authorization - 1)) {
        drift_buf_adds(out, "Authorization: (hidden)");
    } else if (*mark == '>' && version && query && query < version) {
        drift_buf_add(out, line, (size_t)(query - line) + 1);
        drift_buf_adds(out, "(hidden)");
        drift_buf_add(out, version, 9);
    } else {
        drift_buf_add(out, line, n);
    }
    drift_buf_add(out, "\n", 1);
}

static int trace(CURL *easy, curl_infotype type, char *p, size_t n, void *ctx)
{
    struct drift_delivery *d = ctx;
    (void)easy;
    if (type == CURLINFO_DATA_OUT || type == CURLINFO_DATA_IN) {
        if (!d->trace->len || d->trace->data[d->trace->len - 1] != '\n' || type == CURLINFO_DATA_OUT)
            drift_buf_adds(d->trace, type == CURLINFO_DATA_OUT ? "> " : "");
        drift_buf_add(d->trace, p, n);
        if (type == CURLINFO_DATA_OUT)
            drift_buf_add(d->trace, "\n", 1);
    } else if (type == CURLINFO_HEADER_OUT || type == CURLINFO_HEADER_IN) {
        const char *mark = type == CURLINFO_HEADER_OUT ? "> " : "< ";
        for (const char *end = p + n; p < end;) {
            char *newline = memchr(p, '\n', (size_t)(end - p));
            char *next = newline ? newline + 1 : p + (end - p);
            trace_line(d->trace, mark, p, (size_t)(next - p));
            p = next;
        }
    }
    return 0;
}

static int add_header(struct drift_delivery *d, const char *line, struct drift_err *err)
{
    struct curl_slist *list = curl_slist_append(d->headers, line);
    if (!list)
        return drift_fail(err, DRIFT_E_MEMORY, DRIFT_RETRY, "no memory for headers");
    d->headers = list;
    return 0;
}

static int set_headers(struct drift_delivery *d, const struct drift_delivery_request *r, struct drift_err *err)
{
    struct drift_buf line;
    int code = add_header(d, "Content-Type: application/cloudevents+json", err);
    if (!code)
        code = add_header(d, "Expect:", err); /* no waiting for 100-continue */
    static const char *const names[] = {"webhook-id", "Idempotency-Key"};
    drift_buf_init(&line, SIGNATURES_MAX);
    for (size_t i = 0; !code && i < 2; i++) {
        drift_buf_reset(&line);
        drift_buf_addf(&line, "%s: %s", names[i], r->id);
        code = add_header(d, line.data, err);
    }
    if (!code) {
        drift_buf_reset(&line);
        drift_buf_addf(&line, "webhook-timestamp: %" PRId64, r->now_ms / 1000);
        code = add_header(d, line.data, err);
    }
    if (!code && r->n_secrets) {
        struct drift_buf value;
        drift_buf_init(&value, SIGNATURES_MAX - 64);
        code = drift_sign_webhook(r->id, r->now_ms / 1000, r->body, r->len, r->secrets, r->n_secrets, &value, err);
        if (!code && value.full)
            code = drift_fail(err, DRIFT_E_FULL, DRIFT_STOP, "an endpoint has too many secrets to sign with");
        drift_buf_reset(&line);
        drift_buf_addf(&line, "webhook-signature: %s", value.data ? value.data : "");
        if (!code)
            code = add_header(d, line.data, err);
        drift_buf_release(&value);
    }
    drift_buf_release(&line);
    return code;
}

static void set_options(struct drift_delivery *d, const struct drift_delivery_request *r)
{
    const struct drift_endpoint *e = r->endpoint;
    long timeout = e->timeout_ms > 0 && e->timeout_ms < 600000 ? (long)e->timeout_ms : 15000;
    CURL *c = d->easy;
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, d->text);
    curl_easy_setopt(c, CURLOPT_URL, e->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROXY, ""); /* none from the environment: the address check would see the proxy's */
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (e->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, e->ca_file);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, timeout < CONNECT_MS ? timeout : (long)CONNECT_MS);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, d);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, d);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, d);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "driftd/" DRIFTD_VERSION);
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->len);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, d->headers);
    if (d->trace) {
        curl_easy_setopt(c, CURLOPT_VERBOSE, 1L);
        curl_easy_setopt(c, CURLOPT_DEBUGFUNCTION, trace);
        curl_easy_setopt(c, CURLOPT_DEBUGDATA, d);
    }
}

CURLM *drift_delivery_multi(long most)
{
    pthread_once(&curl_once, start_curl);
    CURLM *multi = curl_multi_init();
    if (multi)
        curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most);
    return multi;
}

int drift_delivery_new(const struct drift_delivery_request *r, struct drift_delivery **ret, struct drift_err *err)
{
    pthread_once(&curl_once, start_curl);
    struct drift_delivery *d = drift_xcalloc(1, sizeof *d);
    d->endpoint = r->endpoint;
    d->trace = r->trace;
    d->now_ms = r->now_ms;
    d->retry_after_ms = -1;
    d->easy = curl_easy_init();
    int code =
        d->easy ? set_headers(d, r, err) : drift_fail(err, DRIFT_E_MEMORY, DRIFT_RETRY, "no memory for a transfer");
    if (code) {
        drift_delivery_free(d);
        return code;
    }
    set_options(d, r);
    *ret = d;
    return 0;
}

void drift_delivery_free(struct drift_delivery *d)
{
    if (!d)
        return;
    curl_easy_cleanup(d->easy);
    curl_slist_free_all(d->headers);
    free(d);
}

CURL *drift_delivery_easy(struct drift_delivery *d)
{
    return d->easy;
}

static enum drift_delivery_outcome outcome_of(int status)
{
    if (status >= 200 && status < 300)
        return DRIFT_OUTCOME_OK;
    if (status == 410)
        return DRIFT_OUTCOME_GONE;
    if (status == 408 || status == 425 || status == 429 || status >= 500)
        return DRIFT_OUTCOME_RETRY;
    return DRIFT_OUTCOME_DEAD;
}

void drift_delivery_finish(struct drift_delivery *d, CURLcode code, struct drift_delivery_result *ret)
{
    *ret = (struct drift_delivery_result){.outcome = DRIFT_OUTCOME_RETRY, .retry_after_ms = -1};
    if (d->status >= 200) {
        ret->status = d->status;
        ret->outcome = outcome_of(d->status);
        ret->retry_after_ms = d->retry_after_ms;
        if (ret->outcome != DRIFT_OUTCOME_OK)
            snprintf(ret->error, sizeof ret->error, "answered %d%s", d->status,
                     d->status >= 300 && d->status < 400 ? " (redirects are not followed)" : "");
    } else if (d->refused) {
        snprintf(ret->error, sizeof ret->error, "its address is %s; set allow_private on the endpoint if that is meant",
                 d->refused);
    } else {
        snprintf(ret->error, sizeof ret->error, "%.*s", (int)sizeof ret->error - 1,
                 d->head_bytes > ANSWER_MAX ? "answer headers are longer than 64 KiB"
                 : *d->text                 ? d->text
                 : code                     ? curl_easy_strerror(code)
                                            : "no answer");
    }
}

int drift_delivery_secrets(const struct drift_endpoint *e, char ***ret, struct drift_err *err)
{
    char **secrets = drift_xcalloc(e->n_secrets + 1, sizeof *secrets);
    for (size_t i = 0; i < e->n_secrets; i++) {
        uint8_t key[DRIFT_SECRET_MAX];
        size_t len;
        int code = drift_secret_load(&e->secrets[i], &secrets[i], err);
        if (!code)
            code = drift_sign_key(secrets[i], key, sizeof key, &len, err);
        explicit_bzero(key, sizeof key);
        if (code) {
            drift_err_prefix(err, "secret %zu of endpoint %s", i + 1, e->name);
            drift_delivery_secrets_free(secrets, e->n_secrets);
            return code;
        }
    }
    *ret = secrets;
    return 0;
}

void drift_delivery_secrets_free(char **secrets, size_t n)
{
    for (size_t i = 0; secrets && i < n; i++)
        drift_secret_free(secrets[i]);
    free(secrets);
}
