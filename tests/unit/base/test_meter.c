/* tests/unit/base/test_meter.c    The metrics page: escaping, limits, threads, and what promtool says of it. */
#include "support.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driftd/internal/base/meter.h"

static char *page(void)
{
    struct drift_buf out;
    drift_buf_init(&out, 64 << 20);
    drift_meter_render(&out);
    ck_assert(!out.full);
    char *text = strdup(out.data);
    drift_buf_release(&out);
    return text;
}

static void expect_line(const char *text, const char *line)
{
    char *with = NULL;
    ck_assert_int_gt(asprintf(&with, "\n%s\n", line), 0);
    ck_assert_msg(strstr(text, with) != NULL, "no line %s", line);
    free(with);
}

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

START_TEST(test_values)
{
    drift_meter_reset();
    drift_count(DRIFT_M_RECORDS, "scores");
    drift_series_add(drift_series(DRIFT_M_RECORDS, "scores", (char *)NULL), 41);
    drift_series_add(drift_series(DRIFT_M_RECORDS, "scores", (char *)NULL), -5);
    drift_series_add(drift_series(DRIFT_M_RECORDS, "scores", (char *)NULL), NAN);
    drift_series_set(drift_series(DRIFT_M_RECORDS, "scores", (char *)NULL), 7);
    drift_gauge(DRIFT_M_MEASURE, 0.1, "m", "a", "psi");
    drift_gauge(DRIFT_M_MEASURE, NAN, "m", "b", "psi");
    drift_gauge(DRIFT_M_MEASURE, INFINITY, "m", "c", "psi");
    drift_gauge(DRIFT_M_MEASURE, -INFINITY, "m", "d", "psi");
    drift_gauge(DRIFT_M_READY, 1);
    ck_assert_double_eq(drift_series_get(drift_series(DRIFT_M_RECORDS, "scores", (char *)NULL)), 42);
    char *text = page();
    expect_line(text, "driftd_records_total{topic=\"scores\"} 42");
    expect_line(text, "driftd_measure{model=\"m\",column=\"a\",measure=\"psi\"} 0.1");
    expect_line(text, "driftd_measure{model=\"m\",column=\"b\",measure=\"psi\"} NaN");
    expect_line(text, "driftd_measure{model=\"m\",column=\"c\",measure=\"psi\"} +Inf");
    expect_line(text, "driftd_measure{model=\"m\",column=\"d\",measure=\"psi\"} -Inf");
    expect_line(text, "driftd_ready 1");
    expect_line(text, "driftd_redis_up 0"); /* without labels: there before it is set */
    free(text);
}
END_TEST

START_TEST(test_escaping)
{
    drift_meter_reset();
    drift_count(DRIFT_M_RECORDS, "a\\b\"c\nd");
    drift_count(DRIFT_M_RECORDS, "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    drift_count(DRIFT_M_RECORDS, "bad \xff\xc0\xaf \xed\xa0\x80 \xf5 cut \xe2\x82");
    char one[600], two[600];
    memset(one, 'x', sizeof one);
    memset(two, 'x', sizeof two);
    one[sizeof one - 1] = two[sizeof two - 1] = 0;
    two[sizeof two - 2] = 'y'; /* differs beyond the cut: still another series */
    drift_count(DRIFT_M_RECORDS, one);
    drift_count(DRIFT_M_RECORDS, two);
    char *text = page();
    expect_line(text, "driftd_records_total{topic=\"a\\\\b\\\"c\\nd\"} 1");
    expect_line(text, "driftd_records_total{topic=\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"} 1");
    expect_line(text, "driftd_records_total{topic=\"bad ??? ??? ? cut ??\"} 1");
    ck_assert_uint_eq(count_of(text, "driftd_records_total{topic=\"xxx"), 2);
    ck_assert_uint_eq(count_of(text, "\ndriftd_records_total{"), 5);
    free(text);
}
END_TEST

/* HELP and TYPE once, before the family's samples; families contiguous; series sorted; the last line ends. */
START_TEST(test_order)
{
    drift_meter_reset();
    drift_count(DRIFT_M_RECORDS, "b");
    drift_count(DRIFT_M_BYTES, "z");
    drift_count(DRIFT_M_RECORDS, "c");
    drift_count(DRIFT_M_RECORDS, "a");
    char *text = page();
    const char *want = "# TYPE driftd_records_total counter\n"
                       "driftd_records_total{topic=\"a\"} 1\n"
                       "driftd_records_total{topic=\"b\"} 1\n"
                       "driftd_records_total{topic=\"c\"} 1\n"
                       "# HELP driftd_record_bytes_total ";
    ck_assert_msg(strstr(text, want) != NULL, "%s", text);
    ck_assert_uint_eq(count_of(text, "# HELP "), DRIFT_M_COUNT);
    ck_assert_uint_eq(count_of(text, "# TYPE "), DRIFT_M_COUNT);
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
    free(text);
}
END_TEST

START_TEST(test_limit)
{
    drift_meter_reset();
    struct drift_series *first = drift_series(DRIFT_M_MEASURE, "m", "f0", "psi", (char *)NULL);
    for (int i = 0; i < 2100; i++) {
        char column[16];
        snprintf(column, sizeof column, "f%d", i);
        drift_gauge(DRIFT_M_MEASURE, i + 1, "m", column, "psi");
    }
    ck_assert_ptr_eq(first, drift_series(DRIFT_M_MEASURE, "m", "f0", "psi", (char *)NULL));
    char *text = page();
    ck_assert_uint_eq(count_of(text, "\ndriftd_measure{"), 2000);
    expect_line(text, "driftd_metric_series_refused_total 100");
    expect_line(text, "driftd_measure{model=\"m\",column=\"f1999\",measure=\"psi\"} 2000");
    ck_assert_ptr_null(strstr(text, "f2000"));
    free(text);
}
END_TEST

START_TEST(test_histogram)
{
    static const double seconds[] = {0,  1,           1.001,           10, 59, 300, 301, 86400, 86401, 1e9,
                                     -5, (double)NAN, (double)INFINITY};
    drift_meter_reset();
    struct drift_series *s = drift_series(DRIFT_M_LATE_SECONDS, "m", "input", "late", (char *)NULL);
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++)
        drift_series_observe(s, seconds[i]);
    drift_series_add(s, 5);
    drift_series_set(s, 5);
    drift_series_observe(drift_series(DRIFT_M_READY, (char *)NULL), 5);
    drift_series_observe(drift_series(DRIFT_M_FUTURE_SECONDS, "t", (char *)NULL), 7200);
    char *text = page();
    const char *want = "# TYPE driftd_event_late_seconds histogram\n"
#define LATE(le) "driftd_event_late_seconds_bucket{model=\"m\",chain=\"input\",reason=\"late\",le=\"" le "\"} "
        LATE("1") "5\n" LATE("10") "7\n" LATE("60") "8\n" LATE("300") "9\n" LATE("3600") "10\n" LATE(
            "21600") "10\n" LATE("86400") "11\n" LATE("+Inf") "13\n"
                                                              "driftd_event_late_seconds_sum{model=\"m\",chain="
                                                              "\"input\",reason=\"late\"} 1000173473.001\n"
                                                              "driftd_event_late_seconds_count{model=\"m\",chain="
                                                              "\"input\",reason=\"late\"} 13\n";
#undef LATE
    ck_assert_msg(strstr(text, want) != NULL, "%s", text);
    expect_line(text, "driftd_event_future_seconds_bucket{topic=\"t\",le=\"3600\"} 0");
    expect_line(text, "driftd_event_future_seconds_bucket{topic=\"t\",le=\"21600\"} 1");
    expect_line(text, "driftd_ready 0");
    free(text);
}
END_TEST

static void *hammer(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20000; i++) {
        char model[8];
        snprintf(model, sizeof model, "m%d", i % 64);
        drift_count(DRIFT_M_EVENTS, model, "input");
    }
    return NULL;
}

START_TEST(test_threads)
{
    drift_meter_reset();
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, hammer, NULL), 0);
    for (int i = 0; i < 20; i++)
        free(page()); /* rendering meanwhile */
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    double sum = 0;
    for (int i = 0; i < 64; i++) {
        char model[8];
        snprintf(model, sizeof model, "m%d", i);
        sum += drift_series_get(drift_series(DRIFT_M_EVENTS, model, "input", (char *)NULL));
    }
    ck_assert_double_eq(sum, 80000);
}
END_TEST

/* One series with nasty values in every family. */
static void touch(enum drift_meter m, const char *labels)
{
    size_t n = *labels ? 1 : 0;
    for (const char *p = labels; *p; p++)
        n += *p == ',';
    const char *v[] = {"a\"\\\n", "\xff", "\xc3\xa9", ""};
    if (n == 1)
        drift_series_observe(drift_series(m, v[0], (char *)NULL), 2.5);
    if (n == 3)
        drift_series_observe(drift_series(m, v[0], v[1], v[2], (char *)NULL), 1e6);
    if (n == 0)
        drift_gauge(m, 1);
    else if (n == 1)
        drift_gauge(m, 2.5, v[0]);
    else if (n == 2)
        drift_gauge(m, 1e300, v[0], v[1]);
    else if (n == 3)
        drift_gauge(m, NAN, v[0], v[1], v[2]);
    else
        drift_gauge(m, -0.0, v[0], v[1], v[2], v[3]);
}

/* The independent judge of the format. */
START_TEST(test_promtool)
{
    if (access("/usr/bin/promtool", X_OK)) {
        printf("SKIP: promtool is not installed\n");
        return;
    }
    drift_meter_reset();
#define X(id, name, kind, labels, help) touch(DRIFT_M_##id, labels);
    DRIFT_METERS(X)
#undef X
    char *text = page();
    FILE *f = popen("/usr/bin/promtool check metrics", "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), f), strlen(text));
    int status = pclose(f);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "promtool: status %d", status);
    free(text);

    f = popen("/usr/bin/promtool check metrics >/dev/null 2>&1", "w"); /* and it can say no */
    fputs("driftd_x{a=\"b} 1\n", f);
    status = pclose(f);
    ck_assert(WEXITSTATUS(status) != 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("meter");
    drift_test_add(s, "values", test_values, 10);
    drift_test_add(s, "escaping", test_escaping, 10);
    drift_test_add(s, "order", test_order, 10);
    drift_test_add(s, "limit", test_limit, 10);
    drift_test_add(s, "histogram", test_histogram, 10);
    drift_test_add(s, "threads", test_threads, 60);
    drift_test_add(s, "promtool", test_promtool, 20);
    return drift_test_run(s);
}
