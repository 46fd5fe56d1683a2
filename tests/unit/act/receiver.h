/* receiver.h - an HTTP receiver on a raw socket that misbehaves on demand; the path says how.
 *
 *     /ok /400 /410 ...        that status
 *     /fail-N/...              500 for the first N requests of this path, then 200
 *     /busy-S/...              429 with Retry-After: S once, then 200
 *     /hang                    reads the request, never answers
 *     /drip-head               one byte of the status line every 20 ms
 *     /drip-body               200, then one byte of the body every 20 ms
 *     /reset                   resets the connection
 *     /redirect-PORT           302 to http://127.0.0.1:PORT/secret
 *     /flood                   200, then 10 MiB of body     /flood-head  headers without end
 * Requests are recorded in the order in which they were read. */
#ifndef DRIFTD_TEST_RECEIVER_H
#define DRIFTD_TEST_RECEIVER_H

#include <arpa/inet.h>
#include <check.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAYBE_UNUSED __attribute__((unused)) static

struct received {
    char path[128], id[64], timestamp[32], signature[512], idempotency[64], type[64], agent[64], method[8];
    char *body;
    size_t len;
    int64_t at_ms; /* monotonic */
};

enum { RECEIVED_MAX = 4096 };
struct receiver {
    pthread_t thread;
    pthread_mutex_t lock;
    int fd, port, wake[2];
    atomic_bool ending;
    atomic_int n_threads;
    atomic_bool mended; /* every path answers 200 from now on */
    size_t n;
    struct received got[RECEIVED_MAX];
};

struct receiver_call {
    struct receiver *r;
    int fd;
};

MAYBE_UNUSED int64_t test_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits without sleeping past the end of the test; false when it ends. */
MAYBE_UNUSED bool receiver_pause(struct receiver *r, int ms)
{
    struct pollfd p = {.fd = r->wake[0], .events = POLLIN};
    return poll(&p, 1, ms) == 0;
}

MAYBE_UNUSED bool receiver_send(int fd, const char *p, size_t n)
{
    for (ssize_t k; n > 0; p += k, n -= (size_t)k)
        if ((k = send(fd, p, n, MSG_NOSIGNAL)) <= 0)
            return false;
    return true;
}

MAYBE_UNUSED void receiver_header(const char *head, const char *name, char *to, size_t cap)
{
    char want[64];
    snprintf(want, sizeof want, "\r\n%s: ", name);
    const char *p = strcasestr(head, want);
    *to = 0;
    if (p) {
        p += strlen(want);
        snprintf(to, cap, "%.*s", (int)strcspn(p, "\r"), p);
    }
}

MAYBE_UNUSED bool receiver_read(int fd, struct received *q)
{
    size_t cap = 2 << 20, n = 0, head_len = 0, want = 0;
    char *buf = calloc(1, cap), length[32];
    while (n < cap - 1) {
        ssize_t k = read(fd, buf + n, cap - 1 - n);
        if (k <= 0)
            break;
        n += (size_t)k;
        buf[n] = 0;
        char *end = head_len ? NULL : strstr(buf, "\r\n\r\n");
        if (end) {
            head_len = (size_t)(end - buf) + 4;
            *end = 0;
            receiver_header(buf, "Content-Length", length, sizeof length);
            want = strtoul(length, NULL, 10);
        }
        if (head_len && n >= head_len + want)
            break;
    }
    bool whole = head_len && n >= head_len + want;
    if (whole) {
        sscanf(buf, "%7s %127s", q->method, q->path);
        receiver_header(buf, "webhook-id", q->id, sizeof q->id);
        receiver_header(buf, "webhook-timestamp", q->timestamp, sizeof q->timestamp);
        receiver_header(buf, "webhook-signature", q->signature, sizeof q->signature);
        receiver_header(buf, "Idempotency-Key", q->idempotency, sizeof q->idempotency);
        receiver_header(buf, "Content-Type", q->type, sizeof q->type);
        receiver_header(buf, "User-Agent", q->agent, sizeof q->agent);
        q->body = strndup(buf + head_len, want);
        q->len = want;
        q->at_ms = test_now_ms();
    }
    free(buf);
    return whole;
}

MAYBE_UNUSED void receiver_status(int fd, int status, const char *more)
{
    char text[512];
    int n =
        snprintf(text, sizeof text, "HTTP/1.1 %d x\r\nContent-Length: 0\r\n%sConnection: close\r\n\r\n", status, more);
    receiver_send(fd, text, (size_t)n);
}

MAYBE_UNUSED void receiver_drip(struct receiver *r, int fd, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; receiver_pause(r, 20); i++)
        if (!receiver_send(fd, i < n ? &text[i] : "x", 1))
            return;
}

MAYBE_UNUSED void receiver_flood(int fd, const char *head, const char *line)
{
    char block[8192];
    size_t len = strlen(line), n = 0;
    for (; n + len < sizeof block; n += len)
        memcpy(block + n, line, len);
    if (!receiver_send(fd, head, strlen(head)))
        return;
    for (size_t sent = 0; sent < 10u << 20; sent += n)
        if (!receiver_send(fd, block, n))
            return;
}

MAYBE_UNUSED void receiver_answer(struct receiver *r, int fd, const char *path, unsigned nth)
{
    char more[128] = "";
    if (atomic_load(&r->mended))
        receiver_status(fd, 200, "");
    else if (!strncmp(path, "/fail-", 6))
        receiver_status(fd, nth <= strtoul(path + 6, NULL, 10) ? 500 : 200, "");
    else if (!strncmp(path, "/busy-", 6)) {
        snprintf(more, sizeof more, "Retry-After: %lu\r\n", strtoul(path + 6, NULL, 10));
        receiver_status(fd, nth == 1 ? 429 : 200, nth == 1 ? more : "");
    } else if (!strncmp(path, "/redirect-", 10)) {
        snprintf(more, sizeof more, "Location: http://127.0.0.1:%lu/secret\r\n", strtoul(path + 10, NULL, 10));
        receiver_status(fd, 302, more);
    } else if (!strncmp(path, "/hang", 5)) {
        receiver_pause(r, 60000);
    } else if (!strcmp(path, "/drip-head")) {
        receiver_drip(r, fd, "HTTP/1.1 200 OK and so on");
    } else if (!strcmp(path, "/drip-body")) {
        const char *head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
        receiver_send(fd, head, strlen(head));
        receiver_drip(r, fd, "");
    } else if (!strcmp(path, "/reset")) {
        struct linger l = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    } else if (!strcmp(path, "/flood")) {
        receiver_flood(fd, "HTTP/1.1 200 OK\r\n\r\n", "all work and no play ");
    } else if (!strcmp(path, "/flood-head")) {
        receiver_flood(fd, "HTTP/1.1 200 OK\r\n", "x-all-work: and no play\r\n");
    } else {
        int status = atoi(path + 1);
        receiver_status(fd, status ? status : 200, "");
    }
}

MAYBE_UNUSED void *receiver_serve(void *arg)
{
    struct receiver_call *c = arg;
    struct receiver *r = c->r;
    struct received q = {0};
    if (receiver_read(c->fd, &q)) {
        unsigned nth = 1;
        pthread_mutex_lock(&r->lock);
        for (size_t i = 0; i < r->n; i++)
            nth += !strcmp(r->got[i].path, q.path);
        if (r->n < RECEIVED_MAX)
            r->got[r->n++] = q;
        pthread_mutex_unlock(&r->lock);
        receiver_answer(r, c->fd, q.path, nth);
    }
    close(c->fd);
    free(c);
    atomic_fetch_sub(&r->n_threads, 1);
    return NULL;
}

MAYBE_UNUSED void *receiver_main(void *arg)
{
    struct receiver *r = arg;
    while (!atomic_load(&r->ending)) {
        struct pollfd p[2] = {{.fd = r->fd, .events = POLLIN}, {.fd = r->wake[0], .events = POLLIN}};
        poll(p, 2, -1);
        int fd = p[0].revents ? accept(r->fd, NULL, NULL) : -1;
        if (fd < 0)
            continue;
        struct receiver_call *c = malloc(sizeof *c);
        pthread_t t;
        *c = (struct receiver_call){r, fd};
        atomic_fetch_add(&r->n_threads, 1);
        if (pthread_create(&t, NULL, receiver_serve, c))
            abort();
        pthread_detach(t);
    }
    return NULL;
}

MAYBE_UNUSED struct receiver *receiver_start(void)
{
    struct receiver *r = calloc(1, sizeof *r);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(r->fd, (struct sockaddr *)&a, n) || listen(r->fd, 128) || getsockname(r->fd, (struct sockaddr *)&a, &n) ||
        pipe(r->wake))
        abort();
    r->port = ntohs(a.sin_port);
    pthread_mutex_init(&r->lock, NULL);
    if (pthread_create(&r->thread, NULL, receiver_main, r))
        abort();
    return r;
}

MAYBE_UNUSED void receiver_stop(struct receiver *r)
{
    atomic_store(&r->ending, true);
    close(r->wake[1]);
    pthread_join(r->thread, NULL);
    for (int i = 0; i < 1000 && atomic_load(&r->n_threads); i++)
        poll(NULL, 0, 10);
    ck_assert_int_eq(atomic_load(&r->n_threads), 0);
    close(r->fd);
    close(r->wake[0]);
    for (size_t i = 0; i < r->n; i++)
        free(r->got[i].body);
    free(r);
}

MAYBE_UNUSED size_t receiver_count(struct receiver *r, const char *path)
{
    size_t n = 0;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->n; i++)
        n += !path || !strcmp(r->got[i].path, path);
    pthread_mutex_unlock(&r->lock);
    return n;
}

/* Is one of the header's signatures made with this (plain) secret?  OpenSSL itself, not our signing. */
MAYBE_UNUSED bool received_verifies(const struct received *q, const char *secret)
{
    char *content = malloc(q->len + 128), want[64] = "v1,";
    int n = snprintf(content, 128, "%s.%s.", q->id, q->timestamp);
    unsigned char mac[32];
    memcpy(content + n, q->body, q->len);
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)content, (size_t)n + q->len, mac, NULL);
    EVP_EncodeBlock((unsigned char *)want + 3, mac, sizeof mac);
    free(content);
    return strstr(q->signature, want) != NULL;
}

#endif
