/* tests/unit/serve/test_serve.c    The HTTP server as a scraper, a probe and an attacker see it: over a raw socket. */
#include "support.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driftd/internal/base/meter.h"
#include "driftd/internal/serve/serve.h"

static bool is_live, is_ready;

static bool live(void *ctx)
{
    (void)ctx;
    return is_live;
}
/* Sets the gauge as the pipeline does. */
static bool ready(void *ctx, struct drift_buf *detail)
{
    drift_gauge(DRIFT_M_READY, is_ready);
    drift_buf_adds(detail, ctx == &is_ready ? "redis: ok\nkafka: waits for a group" : "wrong ctx");
    return is_ready;
}
static void status(void *ctx, struct drift_buf *json)
{
    (void)ctx;
    drift_buf_adds(json, "{\"models\":[]}");
}

static struct drift_server *serve_on(const char *listen_on)
{
    struct drift_server_settings settings = {
        .listen = listen_on, .live = live, .ready = ready, .status = status, .ctx = &is_ready};
    struct drift_server *s = NULL;
    struct drift_err err;
    is_live = is_ready = true;
    ck_assert_msg(drift_server_new(&settings, &s, &err) == 0, "%s", err.text);
    ck_assert_int_gt(drift_server_port(s), 0);
    return s;
}

static int dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* Everything until the server closes; at most 20 s. */
static char *talk(int port, const char *request, size_t n)
{
    int fd = dial(port);
    if (write(fd, request, n) != (ssize_t)n)
        ck_abort_msg("short write");
    size_t cap = 1 << 20, len = 0;
    char *answer = calloc(cap, 1);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (len < cap - 1 && poll(&p, 1, 20000) == 1) {
        ssize_t got = read(fd, answer + len, cap - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    close(fd);
    return answer;
}

static char *request(int port, const char *method, const char *path, const char *more)
{
    char *text = NULL;
    ck_assert_int_gt(asprintf(&text, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, path, more),
                     0);
    char *answer = talk(port, text, strlen(text));
    free(text);
    return answer;
}

static void expect(char *answer, int code, const char *part)
{
    char line[32];
    snprintf(line, sizeof line, "HTTP/1.1 %d ", code);
    ck_assert_msg(!strncmp(answer, line, strlen(line)), "wanted %d: %s", code, answer);
    ck_assert_msg(strstr(answer, part) != NULL, "wanted %s: %s", part, answer);
    free(answer);
}

START_TEST(test_pages)
{
    struct drift_server *s = serve_on("127.0.0.1:0");
    int port = drift_server_port(s);
    expect(request(port, "GET", "/livez", ""), 200, "\r\n\r\nok\n");
    expect(request(port, "GET", "/readyz", ""), 200, "\r\n\r\nredis: ok\nkafka: waits for a group\nready\n");
    expect(request(port, "GET", "/readyz?verbose", ""), 200, "redis: ok");
    expect(request(port, "GET", "/status", ""), 200, "{\"models\":[]}");
    expect(request(port, "GET", "/status", ""), 200, "application/json");
    expect(request(port, "GET", "/livez", ""), 200, "nosniff");
    expect(request(port, "GET", "/livez", ""), 200, "no-store");
    expect(request(port, "GET", "/", ""), 404, "/metrics");
    expect(request(port, "GET", "/metrics/../livez", ""), 404, "no such page");
    is_live = is_ready = false;
    expect(request(port, "GET", "/livez", ""), 503, "stands still");
    expect(request(port, "GET", "/readyz", ""), 503, "not ready");
    drift_server_free(s);
}
END_TEST

START_TEST(test_metrics)
{
    struct drift_server *s = serve_on(":0");
    drift_meter_reset();
    expect(request(drift_server_port(s), "GET", "/livez", ""), 200, "ok");
    char *text = request(drift_server_port(s), "GET", "/metrics", "");
    ck_assert_ptr_nonnull(strstr(text, "text/plain; version=0.0.4"));
    ck_assert_ptr_nonnull(strstr(text, "driftd_http_requests_total{path=\"/livez\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(text, "\ndriftd_ready 1\n")); /* nobody has asked /readyz */
    char *rss = strstr(text, "\ndriftd_resident_memory_bytes ");
    ck_assert_ptr_nonnull(rss);
    ck_assert_double_gt(atof(rss + strlen("\ndriftd_resident_memory_bytes ")), 100000);
    if (access("/usr/bin/promtool", X_OK) == 0) {
        FILE *f = popen("/usr/bin/promtool check metrics", "w");
        fputs(strstr(text, "\r\n\r\n") + 4, f);
        ck_assert_int_eq(pclose(f), 0);
    } else {
        printf("SKIP: promtool is not installed\n");
    }
    free(text);
    drift_server_free(s);
}
END_TEST

START_TEST(test_methods)
{
    struct drift_server *s = serve_on("127.0.0.1:0");
    int port = drift_server_port(s);
    expect(request(port, "POST", "/livez", "Content-Length: 0\r\n"), 405, "Allow: GET, HEAD");
    expect(request(port, "DELETE", "/status", ""), 405, "only GET");
    expect(request(port, "PUT", "/metrics", "Content-Length: 99999999999\r\n"), 405, "only GET");
    expect(request(port, "GET", "/livez", "Content-Length: 5\r\n"), 413, "no body");
    expect(request(port, "GET", "/livez", "Transfer-Encoding: chunked\r\n"), 413, "no body");
    char *head = request(port, "HEAD", "/livez", "");
    char *end = strstr(head, "\r\n\r\n");
    ck_assert(!strncmp(head, "HTTP/1.1 200 ", 13) && end && end[4] == 0);
    free(head);
    drift_server_free(s);
}
END_TEST

START_TEST(test_hostile)
{
    struct drift_server *s = serve_on("127.0.0.1:0");
    int port = drift_server_port(s);
    struct drift_rng rng = drift_rng_new(7);
    size_t big = 200000;
    char *text = malloc(big);
    memset(text, 'a', big);
    memcpy(text, "GET /", 5);
    free(talk(port, text, 40000)); /* headers beyond the limit: refused, not stored */
    for (int i = 0; i < 50; i++) {
        size_t n = 1 + drift_rng_below(&rng, 300);
        for (size_t k = 0; k < n; k++)
            text[k] = (char)drift_rng_u64(&rng);
        memcpy(text + n, "\r\n\r\n", 4);
        int fd = dial(port);
        ck_assert_int_eq(write(fd, text, n + 4), (ssize_t)n + 4);
        close(fd);
    }
    free(text);
    int held[31]; /* idle connections below the limit of one address do not keep others out */
    for (int i = 0; i < 31; i++)
        held[i] = dial(port);
    expect(request(port, "GET", "/livez", ""), 200, "ok");
    for (int i = 0; i < 31; i++)
        close(held[i]);
    drift_server_free(s);
}
END_TEST

START_TEST(test_listen)
{
    static const char *bad[] = {
        "", "9187", "host", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "::1:80", "no.such.host.invalid:1"};
    struct drift_err err;
    struct drift_server *s = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct drift_server_settings settings = {.listen = bad[i]};
        ck_assert_msg(drift_server_new(&settings, &s, &err) == DRIFT_E_CONFIG, "%s", bad[i]);
    }
    s = serve_on("127.0.0.1:0");
    char taken[32];
    snprintf(taken, sizeof taken, "127.0.0.1:%d", drift_server_port(s));
    struct drift_server_settings settings = {.listen = taken};
    struct drift_server *second = NULL;
    ck_assert_int_eq(drift_server_new(&settings, &second, &err), DRIFT_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "in use"));
    int port = drift_server_port(s);
    drift_server_free(s);
    s = serve_on(taken); /* and the port is free again at once */
    ck_assert_int_eq(drift_server_port(s), port);
    drift_server_free(s);
}
END_TEST

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    Suite *s = suite_create("serve");
    drift_test_add(s, "pages", test_pages, 20);
    drift_test_add(s, "metrics", test_metrics, 20);
    drift_test_add(s, "methods", test_methods, 20);
    drift_test_add(s, "hostile", test_hostile, 30);
    drift_test_add(s, "listen", test_listen, 20);
    return drift_test_run(s);
}
