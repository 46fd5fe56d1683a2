/* tests/unit/act/test_delivery.c    One attempt against a receiver that behaves, and against all that do not. */
#include "support.h"

#include <signal.h>

#include "driftd/internal/act/delivery.h"
#include "driftd/internal/act/sender.h"
#include "receiver.h"

#define SECRET "a secret of the unit tests, 1"
#define SECOND "a secret of the unit tests, 2"

static struct receiver *receiver;

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    receiver = receiver_start();
}
static void teardown(void)
{
    receiver_stop(receiver);
}

static struct drift_delivery_result attempt_at(const char *host, const char *path, bool allow_private,
                                               int64_t timeout_ms)
{
    char url[256];
    char *secrets[] = {(char[]){SECRET}, (char[]){SECOND}};
    snprintf(url, sizeof url, "http://%s:%d%s", host, receiver->port, path);
    struct drift_endpoint e = {
        .name = (char[]){"soc"}, .url = url, .timeout_ms = timeout_ms, .allow_private = allow_private};
    static const char body[] = "{\"a\":\"exactly \\u00e9 these bytes\"}";
    struct drift_delivery_request request = {.endpoint = &e,
                                             .secrets = secrets,
                                             .n_secrets = 2,
                                             .id = "00112233445566778899aabbccddeeff",
                                             .body = body,
                                             .len = strlen(body),
                                             .now_ms = 1700000000123};
    struct drift_delivery *d = NULL;
    struct drift_delivery_result result;
    struct drift_err err;
    ck_assert_int_eq(drift_delivery_new(&request, &d, &err), 0);
    CURLcode code = curl_easy_perform(drift_delivery_easy(d));
    drift_delivery_finish(d, code, &result);
    drift_delivery_free(d);
    return result;
}
static struct drift_delivery_result attempt(const char *path)
{
    return attempt_at("127.0.0.1", path, true, 5000);
}

START_TEST(test_sent)
{
    setenv("http_proxy", "http://127.0.0.1:1/", 1); /* not for us */
    setenv("all_proxy", "http://127.0.0.1:1/", 1);
    struct drift_delivery_result r = attempt("/ok");
    ck_assert_msg(r.outcome == DRIFT_OUTCOME_OK && r.status == 200, "%s", r.error);
    ck_assert_str_eq(r.error, "");
    const struct received *q = &receiver->got[0];
    ck_assert_str_eq(q->method, "POST");
    ck_assert_str_eq(q->id, "00112233445566778899aabbccddeeff");
    ck_assert_str_eq(q->idempotency, q->id);
    ck_assert_str_eq(q->timestamp, "1700000000");
    ck_assert_str_eq(q->type, "application/cloudevents+json");
    ck_assert_str_eq(q->agent, "driftd/" DRIFTD_VERSION);
    ck_assert_str_eq(q->body, "{\"a\":\"exactly \\u00e9 these bytes\"}");
    ck_assert(received_verifies(q, SECRET) && received_verifies(q, SECOND));
    ck_assert(!received_verifies(q, "a secret of the unit tests, 3"));
}
END_TEST

START_TEST(test_statuses)
{
    static const struct {
        const char *path;
        enum drift_delivery_outcome outcome;
    } cases[] = {{"/200", DRIFT_OUTCOME_OK},      {"/202", DRIFT_OUTCOME_OK},    {"/204", DRIFT_OUTCOME_OK},
                 {"/299", DRIFT_OUTCOME_OK},      {"/301", DRIFT_OUTCOME_DEAD},  {"/304", DRIFT_OUTCOME_DEAD},
                 {"/400", DRIFT_OUTCOME_DEAD},    {"/401", DRIFT_OUTCOME_DEAD},  {"/404", DRIFT_OUTCOME_DEAD},
                 {"/408", DRIFT_OUTCOME_RETRY},   {"/410", DRIFT_OUTCOME_GONE},  {"/422", DRIFT_OUTCOME_DEAD},
                 {"/425", DRIFT_OUTCOME_RETRY},   {"/429", DRIFT_OUTCOME_RETRY}, {"/500", DRIFT_OUTCOME_RETRY},
                 {"/503", DRIFT_OUTCOME_RETRY},   {"/599", DRIFT_OUTCOME_RETRY}, {"/reset", DRIFT_OUTCOME_RETRY},
                 {"/busy-7", DRIFT_OUTCOME_RETRY}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct drift_delivery_result r = attempt(cases[i].path);
        ck_assert_msg(r.outcome == cases[i].outcome, "%s: %d %s", cases[i].path, r.outcome, r.error);
        ck_assert_int_eq(r.outcome == DRIFT_OUTCOME_OK, !*r.error);
        ck_assert_int_eq(r.retry_after_ms, strcmp(cases[i].path, "/busy-7") ? -1 : 7000);
    }
}
END_TEST

START_TEST(test_slow)
{
    int64_t began = test_now_ms();
    struct drift_delivery_result r = attempt_at("127.0.0.1", "/hang", true, 300);
    ck_assert_int_eq(r.outcome, DRIFT_OUTCOME_RETRY);
    r = attempt_at("127.0.0.1", "/drip-head", true, 300);
    ck_assert_int_eq(r.outcome, DRIFT_OUTCOME_RETRY);
    ck_assert_int_eq(r.status, 0);
    r = attempt_at("127.0.0.1", "/drip-body", true, 300); /* it said 200: it has the webhook */
    ck_assert_int_eq(r.outcome, DRIFT_OUTCOME_OK);
    ck_assert_int_lt(test_now_ms() - began, 10000);
}
END_TEST

START_TEST(test_floods)
{
    struct drift_delivery_result r = attempt("/flood");
    ck_assert_int_eq(r.outcome, DRIFT_OUTCOME_OK);
    r = attempt("/flood-head");
    ck_assert_int_eq(r.outcome, DRIFT_OUTCOME_RETRY);
    ck_assert_ptr_nonnull(strstr(r.error, "64 KiB"));
}
END_TEST

START_TEST(test_redirect)
{
    char path[64];
    snprintf(path, sizeof path, "/redirect-%d", receiver->port);
    struct drift_delivery_result r = attempt(path);
    ck_assert_int_eq(r.outcome, DRIFT_OUTCOME_DEAD);
    ck_assert_int_eq(r.status, 302);
    ck_assert_uint_eq(receiver_count(receiver, "/secret"), 0);
    ck_assert_uint_eq(receiver_count(receiver, NULL), 1);
}
END_TEST

/* All spellings that a resolver takes for this host; none may connect. */
START_TEST(test_private)
{
    static const char *hosts[] = {"127.0.0.1",  "localhost",  "127.1", "0x7f000001",
                                  "2130706433", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]",
                                  "0.0.0.0",    "[::]"};
    size_t named = 0;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct drift_delivery_result r = attempt_at(hosts[i], "/ok", false, 3000);
        ck_assert_int_eq(r.outcome, DRIFT_OUTCOME_RETRY);
        ck_assert_int_eq(r.status, 0);
        named += strstr(r.error, "allow_private") != NULL;
    }
    ck_assert_uint_ge(named, 8);
    ck_assert_uint_eq(receiver_count(receiver, NULL), 0);
    ck_assert_int_eq(attempt_at("localhost", "/ok", true, 3000).outcome, DRIFT_OUTCOME_OK);
}
END_TEST

START_TEST(test_schemes)
{
    char *urls[] = {(char[]){"file:///etc/passwd"}, (char[]){"gopher://127.0.0.1/"}, (char[]){"ftp://127.0.0.1/"}};
    for (size_t i = 0; i < 3; i++) {
        struct drift_endpoint e = {.name = (char[]){"x"}, .url = urls[i], .timeout_ms = 2000, .allow_private = true};
        struct drift_delivery_request request = {.endpoint = &e, .id = "1", .body = "", .len = 0, .now_ms = 1};
        struct drift_delivery *d = NULL;
        struct drift_delivery_result result;
        ck_assert_int_eq(drift_delivery_new(&request, &d, NULL), 0);
        ck_assert_int_eq(curl_easy_perform(drift_delivery_easy(d)), CURLE_UNSUPPORTED_PROTOCOL);
        drift_delivery_finish(d, CURLE_UNSUPPORTED_PROTOCOL, &result);
        ck_assert_int_ne(result.outcome, DRIFT_OUTCOME_OK);
        drift_delivery_free(d);
    }
}
END_TEST

/* `driftd endpoint test`: shows what was sent, but no credential. */
START_TEST(test_probe)
{
    char url[256];
    setenv("DRIFTD_TEST_SECRET", SECRET, 1);
    snprintf(url, sizeof url, "http://user:hunter2@127.0.0.1:%d/ok?token=hunter3", receiver->port);
    struct drift_secret secret = {.env = (char[]){"DRIFTD_TEST_SECRET"}};
    struct drift_endpoint e = {.name = (char[]){"soc"},
                               .url = url,
                               .n_secrets = 1,
                               .secrets = &secret,
                               .timeout_ms = 5000,
                               .allow_private = true};
    struct drift_config c = {.n_endpoints = 1, .endpoints = &e, .kafka = {.group = (char[]){"g"}}};
    struct drift_buf report;
    struct drift_err err = {0};
    drift_buf_init(&report, 1 << 20);
    ck_assert_msg(drift_endpoint_test(&c, "soc", 1700000000123, &report, &err) == 0, "%s", err.text);
    ck_assert_ptr_nonnull(strstr(report.data, "> POST /ok?(hidden) HTTP/1.1\n"));
    ck_assert_ptr_nonnull(strstr(report.data, "> webhook-signature: v1,"));
    ck_assert_ptr_nonnull(strstr(report.data, "\"type\":\"io.driftd.test\""));
    ck_assert_ptr_nonnull(strstr(report.data, "< HTTP/1.1 200"));
    ck_assert_ptr_null(strstr(report.data, "hunter"));
    ck_assert_ptr_null(strstr(report.data, "dXNlcjpodW50ZXIy")); /* user:hunter2 in base64 */
    ck_assert_ptr_null(strstr(report.data, SECRET));
    ck_assert(received_verifies(&receiver->got[0], SECRET));
    drift_buf_reset(&report);

    ck_assert_int_eq(drift_endpoint_test(&c, "sock", 1, &report, &err), DRIFT_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "soc"));
    snprintf(url, sizeof url, "http://127.0.0.1:%d/404", receiver->port);
    ck_assert_int_eq(drift_endpoint_test(&c, "soc", 1, &report, &err), DRIFT_E_DENIED);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/503", receiver->port);
    ck_assert_int_eq(drift_endpoint_test(&c, "soc", 1, &report, &err), DRIFT_E_AWAY);
    setenv("DRIFTD_TEST_SECRET", "short", 1);
    ck_assert_int_eq(drift_endpoint_test(&c, "soc", 1, &report, &err), DRIFT_E_CONFIG);
    drift_buf_release(&report);
}
END_TEST

static void add(Suite *s, const char *name, const TTest *t)
{
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, t);
    suite_add_tcase(s, c);
}

int main(void)
{
    Suite *s = suite_create("delivery");
    add(s, "sent", test_sent);
    add(s, "statuses", test_statuses);
    add(s, "slow", test_slow);
    add(s, "floods", test_floods);
    add(s, "redirect", test_redirect);
    add(s, "private", test_private);
    add(s, "schemes", test_schemes);
    add(s, "probe", test_probe);
    return drift_test_run(s);
}
