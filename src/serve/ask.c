/* src/serve/ask.c    Asks a running driftd for one of its pages, for `driftd status`.
 *
 * HTTP/1.0 and a connection that ends with the answer: all that is needed towards our own server. */
#include "driftd/internal/serve/ask.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driftd/internal/base/clock.h"

enum { HOST_MAX = 256, PAGE_MAX = 32 << 20 };

static int left(int64_t until)
{
    int64_t ms = until - drift_mono_ms(&drift_clock_system);
    return ms > 0 ? (int)ms : 0;
}

static bool ready(int fd, short what, int64_t until)
{
    struct pollfd p = {.fd = fd, .events = what};
    return poll(&p, 1, left(until)) == 1;
}

static int connect_one(const struct addrinfo *a, int64_t until)
{
    int error = 0, fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    socklen_t n = sizeof error;
    if (fd < 0)
        return -1;
    if (!connect(fd, a->ai_addr, a->ai_addrlen) || (errno == EINPROGRESS && ready(fd, POLLOUT, until) &&
                                                    !getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) && !error))
        return fd;
    close(fd);
    return -1;
}

/* "0.0.0.0:9187" is reached at the loopback address. */
static int connect_to(const char *listen, int64_t until)
{
    char host[HOST_MAX];
    const char *colon = strrchr(listen, ':');
    size_t n = colon ? (size_t)(colon - listen) : HOST_MAX;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    int fd = -1;
    if (n >= HOST_MAX)
        return -1;
    bool bracketed = n >= 2 && listen[0] == '[' && listen[n - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(bracketed ? n - 2 : n), listen + bracketed);
    if (!*host || !strcmp(host, "0.0.0.0"))
        strcpy(host, "127.0.0.1");
    else if (!strcmp(host, "::"))
        strcpy(host, "::1");
    if (getaddrinfo(host, colon + 1, &hints, &list))
        return -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = connect_one(a, until);
    freeaddrinfo(list);
    return fd;
}

static bool send_all(int fd, const char *text, size_t n, int64_t until)
{
    while (n) {
        if (!ready(fd, POLLOUT, until))
            return false;
        ssize_t w = send(fd, text, n, MSG_NOSIGNAL);
        if (w < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (w > 0) {
            text += w;
            n -= (size_t)w;
        }
    }
    return true;
}

static bool receive_all(int fd, struct drift_buf *b, int64_t until)
{
    char part[16384];
    while (!b->full) {
        if (!ready(fd, POLLIN, until))
            return false;
        ssize_t r = recv(fd, part, sizeof part, 0);
        if (r == 0)
            return true;
        if (r < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (r > 0)
            drift_buf_add(b, part, (size_t)r);
    }
    return false;
}

int drift_server_ask(const char *listen, const char *path, int64_t timeout_ms, struct drift_buf *out,
                     struct drift_err *err)
{
    int64_t until = drift_mono_ms(&drift_clock_system) + timeout_ms;
    struct drift_buf answer;
    int fd = connect_to(listen, until);
    if (fd < 0)
        return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "nobody answers at %.100s", listen);
    char *request = drift_xasprintf("GET %s HTTP/1.0\r\n\r\n", path);
    drift_buf_init(&answer, PAGE_MAX);
    bool good = send_all(fd, request, strlen(request), until) && receive_all(fd, &answer, until);
    free(request);
    close(fd);
    const char *body = good && answer.len > 12 && !strncmp((const char *)answer.data, "HTTP/1.", 7) &&
                               !strncmp((const char *)answer.data + 8, " 200", 4)
                           ? strstr((const char *)answer.data, "\r\n\r\n")
                           : NULL;
    int rc = body ? 0 : drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "%.100s gives no %s", listen, path);
    if (!rc)
        drift_buf_adds(out, body + 4);
    drift_buf_release(&answer);
    return rc;
}
