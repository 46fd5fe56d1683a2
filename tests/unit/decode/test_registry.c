/* tests/unit/decode/test_registry.c    The registry client and framed records against a server that misbehaves. */
#include <curl/curl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "decode_case.h"

#include "driftd/internal/decode/registry.h"

static struct {
    pid_t pid;
    int in, out; /* closing `in` ends the server; `out` stays open so that it can write */
    int port;
} server;

static void start_server(void)
{
    int in[2], out[2];
    char line[32] = "";
    ck_assert(pipe(in) == 0 && pipe(out) == 0);
    server.pid = fork();
    if (server.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execl("/usr/bin/python3", "python3", DRIFTD_SOURCE_DIR "/tests/unit/decode/registry_server.py", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    server.in = in[1];
    struct pollfd p = {.fd = out[0], .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 20000), 1);
    ck_assert_int_gt(read(out[0], line, sizeof line - 1), 0);
    server.out = out[0];
    server.port = atoi(line);
    ck_assert_int_gt(server.port, 0);
    static const char *const proxies[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++)
        unsetenv(proxies[i]);
    curl_global_init(CURL_GLOBAL_DEFAULT);
}
static void stop_server(void)
{
    close(server.in);
    waitpid(server.pid, NULL, 0);
    close(server.out);
    curl_global_cleanup();
}

static struct drift_registry *client(const char *path, struct drift_registry_settings s)
{
    char url[64];
    struct drift_registry *r;
    struct drift_err err;
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", server.port, path);
    s.url = url;
    if (!s.timeout_ms)
        s.timeout_ms = 5000;
    ck_assert_int_eq(drift_registry_new(&s, &r, &err), 0);
    return r;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Asks until the answer is another than PENDING, or (patience) until an error is told. */
static enum drift_registry_answer ask(struct drift_registry *r, uint32_t id, const char **schema, struct drift_err *err,
                                      bool until_error)
{
    enum drift_registry_answer a;
    double end = now_s() + 20;
    do {
        *err = (struct drift_err){0};
        a = drift_registry_get(r, id, schema, err);
        if (a != DRIFT_REGISTRY_PENDING || (until_error && err->text[0]))
            return a;
        poll(NULL, 0, 2);
    } while (now_s() < end);
    ck_abort_msg("no answer for %" PRIu32, id);
    return a;
}

static size_t keep(char *p, size_t size, size_t n, void *ctx)
{
    size_t have = strlen(ctx);
    if (have + size * n < 32) {
        memcpy((char *)ctx + have, p, size * n);
        ((char *)ctx)[have + size * n] = 0;
    }
    return size * n;
}
static int times_asked(int id)
{
    char url[64], body[32] = "";
    snprintf(url, sizeof url, "http://127.0.0.1:%d/count/%d", server.port, id);
    CURL *c = curl_easy_init();
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
    ck_assert_int_eq(curl_easy_perform(c), CURLE_OK);
    curl_easy_cleanup(c);
    return atoi(body);
}

START_TEST(answers)
{
    start_server();
    struct drift_registry *r = client("/api/", (struct drift_registry_settings){0});
    const char *schema = NULL, *again = NULL;
    struct drift_err err;
    ck_assert_int_eq(drift_registry_get(r, 1, &schema, &err), DRIFT_REGISTRY_PENDING); /* never blocks */
    ck_assert_int_eq(ask(r, 1, &schema, &err, false), DRIFT_REGISTRY_FOUND);
    ck_assert_ptr_nonnull(strstr(schema, "\"record\""));
    ck_assert_int_eq(ask(r, 1, &again, &err, false), DRIFT_REGISTRY_FOUND);
    ck_assert_ptr_eq(schema, again);
    ck_assert_int_eq(times_asked(1), 1);
    ck_assert_int_eq(ask(r, 605, &again, &err, false), DRIFT_REGISTRY_FOUND);
    ck_assert_int_eq(ask(r, 404, &again, &err, false), DRIFT_REGISTRY_UNKNOWN);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(drift_registry_get(r, 404, &again, &err), DRIFT_REGISTRY_UNKNOWN); /* remembered */
    ck_assert_int_eq(times_asked(404), 1);
    ck_assert_int_eq(ask(r, 601, &again, &err, false), DRIFT_REGISTRY_UNUSABLE);
    ck_assert_ptr_nonnull(strstr(err.text, "Avro"));
    ck_assert_int_eq(ask(r, 602, &again, &err, false), DRIFT_REGISTRY_UNUSABLE);
    ck_assert_ptr_nonnull(strstr(err.text, "references"));
    ck_assert(drift_registry_healthy(r));
    ck_assert_int_eq(drift_registry_ping(r, &err), 0);
    drift_registry_free(r);
    stop_server();
}
END_TEST

START_TEST(errors_are_retried)
{
    start_server();
    struct drift_registry *r = client("/api", (struct drift_registry_settings){0});
    const char *schema;
    struct drift_err err;
    ck_assert_int_eq(ask(r, 500, &schema, &err, true), DRIFT_REGISTRY_PENDING);
    ck_assert_ptr_nonnull(strstr(err.text, "500"));
    ck_assert(!drift_registry_healthy(r));
    ck_assert_int_eq(ask(r, 500, &schema, &err, false), DRIFT_REGISTRY_FOUND); /* the third request is answered */
    ck_assert(drift_registry_healthy(r));
    ck_assert_int_eq(times_asked(500), 3);
    drift_registry_free(r);
    stop_server();
}
END_TEST

START_TEST(nonsense_is_not_remembered)
{
    static const struct {
        uint32_t id;
        const char *text;
    } cases[] = {{302, "redirects"}, {413, "4 MiB"}, {600, "no schema"}, {604, "URL"}, {401, "access"}, {606, "reach"}};
    start_server();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct drift_registry *r = client("/api", (struct drift_registry_settings){0});
        const char *schema;
        struct drift_err err;
        ck_assert_int_eq(ask(r, cases[i].id, &schema, &err, true), DRIFT_REGISTRY_PENDING);
        ck_assert_msg(strstr(err.text, cases[i].text), "%" PRIu32 ": %s", cases[i].id, err.text);
        ck_assert(!drift_registry_healthy(r));
        drift_registry_free(r);
    }
    ck_assert_int_eq(times_asked(1), 0); /* the redirect was not followed */
    struct drift_registry *r = client("/elsewhere", (struct drift_registry_settings){0});
    const char *schema;
    struct drift_err err;
    ck_assert_int_eq(ask(r, 1, &schema, &err, true), DRIFT_REGISTRY_PENDING); /* a wrong URL is not "no such id" */
    ck_assert_int_ne(drift_registry_ping(r, &err), 0);
    drift_registry_free(r);
    stop_server();
}
END_TEST

START_TEST(slow_and_away)
{
    start_server();
    struct drift_registry *r = client("/api", (struct drift_registry_settings){.timeout_ms = 200});
    const char *schema;
    struct drift_err err;
    double from = now_s();
    ck_assert_int_eq(drift_registry_get(r, 408, &schema, &err), DRIFT_REGISTRY_PENDING);
    ck_assert(now_s() - from < 0.15);
    ck_assert_int_eq(ask(r, 408, &schema, &err, true), DRIFT_REGISTRY_PENDING);
    ck_assert_ptr_nonnull(strstr(err.text, "timed out"));
    drift_registry_free(r);
    /* freeing ends a fetch that would last */
    r = client("/api", (struct drift_registry_settings){.timeout_ms = 60000});
    ck_assert_int_eq(drift_registry_get(r, 408, &schema, &err), DRIFT_REGISTRY_PENDING);
    while (times_asked(408) < 2)
        poll(NULL, 0, 5);
    from = now_s();
    drift_registry_free(r);
    ck_assert(now_s() - from < 10);
    stop_server();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    r = client("/api", (struct drift_registry_settings){0}); /* nobody listens there any more */
    ck_assert_int_eq(ask(r, 1, &schema, &err, true), DRIFT_REGISTRY_PENDING);
    ck_assert_ptr_nonnull(strstr(err.text, "cannot reach"));
    ck_assert_int_eq(drift_registry_ping(r, &err), DRIFT_E_AWAY);
    drift_registry_free(r);
    curl_global_cleanup();
}
END_TEST

START_TEST(password)
{
    start_server();
    struct drift_registry *r =
        client("/api", (struct drift_registry_settings){.username = "user", .password = "pa:ss"});
    const char *schema;
    struct drift_err err;
    ck_assert_int_eq(ask(r, 401, &schema, &err, false), DRIFT_REGISTRY_FOUND);
    drift_registry_free(r);
    stop_server();
}
END_TEST

START_TEST(memory_is_bounded)
{
    start_server();
    struct drift_registry *r = client("/api", (struct drift_registry_settings){.max_schemas = 2});
    const char *schema;
    struct drift_err err;
    ck_assert_int_eq(ask(r, 1, &schema, &err, false), DRIFT_REGISTRY_FOUND);
    ck_assert_int_eq(ask(r, 404, &schema, &err, false), DRIFT_REGISTRY_UNKNOWN);
    ck_assert_int_eq(ask(r, 2, &schema, &err, false), DRIFT_REGISTRY_FOUND); /* in the unknown one's place */
    ck_assert_int_eq(ask(r, 3, &schema, &err, false), DRIFT_REGISTRY_UNUSABLE);
    ck_assert_ptr_nonnull(strstr(err.text, "more than 2"));
    ck_assert_int_eq(ask(r, 1, &schema, &err, false), DRIFT_REGISTRY_FOUND);
    drift_registry_free(r);
    stop_server();
}
END_TEST

static struct outcome decode_framed(struct drift_decoder *d, uint32_t id, const void *body, size_t n)
{
    uint8_t b[64] = {0, (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    memcpy(b + 5, body, n);
    double end = now_s() + 20;
    for (;;) {
        struct outcome o = decode_bytes(d, b, n + 5);
        if (!o.rc || o.err.action != DRIFT_RETRY || now_s() > end)
            return o;
        outcome_free(&o);
        poll(NULL, 0, 2);
    }
}

START_TEST(framed_records)
{
    start_server();
    struct drift_registry *r = client("/api", (struct drift_registry_settings){0});
    struct drift_stream s = json_stream();
    s.format = DRIFT_FORMAT_AVRO;
    s.time_unit = DRIFT_TIME_RECORD;
    s.features = (char *)"";
    struct drift_decoder *d = new_decoder(&s, r);
    double v = 2.5;
    uint8_t first[13] = {0, 0, 0, 0, 1};
    memcpy(first + 5, &v, 8);
    struct outcome o = decode_bytes(d, first, sizeof first);
    ck_assert(o.rc && o.err.action == DRIFT_RETRY && o.reason == DRIFT_REASON_NONE);
    outcome_free(&o);
    for (uint32_t id = 1; id < 30; id++) { /* the table of plans grows */
        o = decode_framed(d, id, &v, 8);
        ck_assert_msg(o.rc == 0, "%s", o.err.text);
        char text[12];
        snprintf(text, sizeof text, "%" PRIu32, id);
        ck_text(o.e->schema, text);
        ck_assert(o.e->num[slot_of(o.e, "x")] == 2.5);
        outcome_free(&o);
    }
    o = decode_framed(d, 7, &v, 8);
    ck_assert_int_eq(o.rc, 0);
    ck_text(o.e->schema, "7");
    outcome_free(&o);
    const struct {
        uint32_t id;
        enum drift_reason reason;
    } cases[] = {{404, DRIFT_REASON_UNKNOWN_SCHEMA},
                 {601, DRIFT_REASON_BAD_SCHEMA},
                 {603, DRIFT_REASON_BAD_SCHEMA},
                 {603, DRIFT_REASON_BAD_SCHEMA}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        o = decode_framed(d, cases[i].id, &v, 8);
        ck_assert_int_eq(o.reason, cases[i].reason);
        outcome_free(&o);
    }
    ck_assert_int_eq(times_asked(603), 1);
    o = decode_framed(d, 1, &v, 7);
    ck_assert_int_eq(o.reason, DRIFT_REASON_MALFORMED);
    outcome_free(&o);
    o = decode_bytes(d, "{\"x\":2.5}", 9);
    ck_assert_int_eq(o.reason, DRIFT_REASON_BAD_FRAME);
    outcome_free(&o);
    o = decode_bytes(d, "\0\0\0\0", 4);
    ck_assert_int_eq(o.reason, DRIFT_REASON_BAD_FRAME);
    outcome_free(&o);
    drift_decoder_free(d);
    drift_registry_free(r);
    stop_server();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("registry");
    drift_test_add(s, "answers", answers, 60);
    drift_test_add(s, "errors_are_retried", errors_are_retried, 60);
    drift_test_add(s, "nonsense_is_not_remembered", nonsense_is_not_remembered, 60);
    drift_test_add(s, "slow_and_away", slow_and_away, 60);
    drift_test_add(s, "password", password, 60);
    drift_test_add(s, "memory_is_bounded", memory_is_bounded, 60);
    drift_test_add(s, "framed_records", framed_records, 60);
    return drift_test_run(s);
}
