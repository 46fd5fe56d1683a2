/* src/serve/serve.c    driftd's HTTP server for scrapers, probes and people: /metrics, /livez, /readyz, /status.
 *
 * One libmicrohttpd thread over epoll: a slow reader holds a connection, never the server.  The listening socket is
 * made here, so that a port that is taken is reported as such instead of on libmicrohttpd's stderr. */
#include "driftd/internal/serve/serve.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driftd/internal/base/meter.h"
#include "driftd/internal/base/text.h"

enum {
    CONNECTIONS_MAX = 64,
    PER_IP_MAX = 32,
    TIMEOUT_S = 10,
    CONNECTION_BYTES = 32 * 1024, /* request line and headers */
    PAGE_MAX = 32 << 20,
    HOST_MAX = 256
};

#define TEXT_PLAIN "text/plain; charset=utf-8"

struct drift_server {
    struct drift_server_settings settings;
    struct MHD_Daemon *daemon;
    int port;
};

struct page {
    unsigned status;
    const char *type;
    struct drift_buf body;
};

/* Readiness is asked here too: driftd_ready must be true of now though nobody reads /readyz. */
static void page_metrics(struct drift_server *s, struct page *p)
{
    long pages = 0;
    struct drift_buf detail;
    drift_buf_init(&detail, PAGE_MAX);
    if (s->settings.ready)
        s->settings.ready(s->settings.ctx, &detail);
    drift_buf_release(&detail);
    FILE *f = fopen("/proc/self/statm", "re");
    if (f) {
        if (fscanf(f, "%*s %ld", &pages) == 1)
            drift_gauge(DRIFT_M_RSS, (double)pages * (double)sysconf(_SC_PAGESIZE));
        fclose(f);
    }
    p->type = "text/plain; version=0.0.4; charset=utf-8";
    drift_meter_render(&p->body);
}

static void page_livez(struct drift_server *s, struct page *p)
{
    bool live = !s->settings.live || s->settings.live(s->settings.ctx);
    p->status = live ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    drift_buf_adds(&p->body, live ? "ok\n" : "a loop of driftd stands still\n");
}

static void page_readyz(struct drift_server *s, struct page *p)
{
    bool ready = !s->settings.ready || s->settings.ready(s->settings.ctx, &p->body);
    p->status = ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    if (p->body.len && p->body.data[p->body.len - 1] != '\n')
        drift_buf_adds(&p->body, "\n");
    drift_buf_adds(&p->body, ready ? "ready\n" : "not ready\n");
}

static void page_status(struct drift_server *s, struct page *p)
{
    p->type = "application/json";
    if (s->settings.status)
        s->settings.status(s->settings.ctx, &p->body);
    else
        drift_buf_adds(&p->body, "{}\n");
}

static const struct route {
    const char *path;
    void (*render)(struct drift_server *s, struct page *p);
} routes[] = {
    {"/metrics", page_metrics},
    {"/livez", page_livez},
    {"/readyz", page_readyz},
    {"/status", page_status},
};
enum { N_ROUTES = sizeof routes / sizeof *routes };

static const struct route *find_route(const char *path)
{
    for (size_t i = 0; i < N_ROUTES; i++)
        if (!strcmp(routes[i].path, path))
            return &routes[i];
    return NULL;
}

static void page_error(struct page *p, unsigned status, const char *text)
{
    p->status = status;
    p->type = TEXT_PLAIN;
    drift_buf_reset(&p->body);
    drift_buf_adds(&p->body, text);
}

static void page_not_found(struct page *p)
{
    page_error(p, MHD_HTTP_NOT_FOUND, "no such page; there are");
    for (size_t i = 0; i < N_ROUTES; i++)
        drift_buf_addf(&p->body, " %s", routes[i].path);
    drift_buf_adds(&p->body, "\n");
}

static enum MHD_Result send_page(struct MHD_Connection *c, struct page *p)
{
    struct MHD_Response *r = p->body.data
                                 ? MHD_create_response_from_buffer(p->body.len, p->body.data, MHD_RESPMEM_MUST_FREE)
                                 : MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (!r) {
        drift_buf_release(&p->body);
        return MHD_NO;
    }
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, p->type);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (p->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    if (p->status == MHD_HTTP_METHOD_NOT_ALLOWED || p->status == MHD_HTTP_CONTENT_TOO_LARGE)
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close"); /* the body that is on its way is not read */
    enum MHD_Result result = MHD_queue_response(c, p->status, r);
    MHD_destroy_response(r);
    return result;
}

static bool has_body(struct MHD_Connection *c)
{
    const char *length = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return (length && strcmp(length, "0")) ||
           MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

/* Called once when the headers are there and again for the (empty) body: answered at the second call, since an answer
 * at the first one closes the connection; refusals go out at the first. */
static enum MHD_Result answer(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **seen)
{
    struct drift_server *s = cls;
    (void)version, (void)upload;
    struct page p = {.status = MHD_HTTP_OK, .type = TEXT_PLAIN};
    bool refused = true;
    drift_buf_init(&p.body, PAGE_MAX);
    if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
        page_error(&p, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    else if (has_body(c) || *upload_size)
        page_error(&p, MHD_HTTP_CONTENT_TOO_LARGE, "requests have no body here\n");
    else
        refused = false;

    const struct route *route = find_route(url);
    if (!refused && !*seen) {
        *seen = s;
        drift_buf_release(&p.body);
        return MHD_YES;
    }
    drift_count(DRIFT_M_HTTP, route ? route->path : "other");
    if (!refused && !route)
        page_not_found(&p);
    else if (!refused)
        route->render(s, &p);
    if (p.body.full)
        page_error(&p, MHD_HTTP_INTERNAL_SERVER_ERROR, "the page is larger than 32 MiB\n");
    return send_page(c, &p);
}

/* "host:port", "[v6]:port", ":port" (the loopback address: being reachable from outside is said openly). */
static int split_listen(const char *listen, char host[HOST_MAX], const char **ret_port, struct drift_err *err)
{
    const char *colon = strrchr(listen, ':');
    size_t n = colon ? (size_t)(colon - listen) : 0;
    bool bracketed = n >= 2 && listen[0] == '[' && listen[n - 1] == ']';
    int64_t port;
    if (!colon || n >= HOST_MAX || (!bracketed && memchr(listen, ':', n)) ||
        !drift_i64_parse(colon + 1, strlen(colon + 1), &port) || port < 0 || port > 65535)
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP,
                          "cannot listen on \"%s\": give host:port, [v6 address]:port or :port", listen);
    if (n == 0)
        strcpy(host, "127.0.0.1");
    else
        snprintf(host, HOST_MAX, "%.*s", (int)(bracketed ? n - 2 : n), listen + bracketed);
    *ret_port = colon + 1;
    return 0;
}

static int open_socket(const struct addrinfo *a)
{
    int one = 1;
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, CONNECTIONS_MAX) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static int listen_on(const char *where, int *ret_fd, struct drift_err *err)
{
    char host[HOST_MAX];
    const char *port = NULL;
    int r = split_listen(where, host, &port, err);
    if (r)
        return r;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list = NULL;
    int gai = getaddrinfo(host, port, &hints, &list);
    if (gai)
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "cannot listen on \"%s\": %s", where, gai_strerror(gai));
    int fd = -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = open_socket(a);
    int why = errno;
    freeaddrinfo(list);
    if (fd < 0)
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot listen on \"%s\": %s", where, strerror(why));
    *ret_fd = fd;
    return 0;
}

static int port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    char port[16];
    if (getsockname(fd, (struct sockaddr *)&a, &n) ||
        getnameinfo((struct sockaddr *)&a, n, NULL, 0, port, sizeof port, NI_NUMERICSERV))
        return 0;
    return atoi(port);
}

int drift_server_new(const struct drift_server_settings *settings, struct drift_server **ret, struct drift_err *err)
{
    int fd;
    int r = listen_on(settings->listen, &fd, err);
    if (r)
        return r;
    struct drift_server *s = drift_xcalloc(1, sizeof *s);
    s->settings = *settings;
    s->port = port_of(fd);
    s->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO, 0, NULL, NULL, answer, s,
                                 MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                                 MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PER_IP_MAX,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    if (!s->daemon) {
        free(s); /* the socket is libmicrohttpd's by now: closing it here could close another one */
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot start the HTTP server on \"%s\"", settings->listen);
    }
    *ret = s;
    return 0;
}

int drift_server_port(const struct drift_server *s)
{
    return s->port;
}

void drift_server_free(struct drift_server *s)
{
    if (!s)
        return;
    MHD_stop_daemon(s->daemon);
    free(s);
}
