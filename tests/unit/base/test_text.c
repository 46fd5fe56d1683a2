/* Numbers, times, durations and names as text. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/text.h"
#include "support.h"

START_TEST(durations)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } cases[] = {{"15m", 900000}, {"48h", 172800000}, {"1h30m", 5400000}, {"500ms", 500}, {"14d", 1209600000},
                 {"0s", 0},       {"1m500ms", 60500}, {"", -1},           {"10", -1},     {"12abc", -1},
                 {"1m1h", -1},    {"1s1s", -1},       {"-5s", -1},        {"1 s", -1},    {"99999999999999999999d", -1},
                 {"s", -1},       {"1.5h", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = -1;
        bool good = drift_duration_parse(cases[i].text, strlen(cases[i].text), &ms);
        ck_assert_msg(good == (cases[i].ms >= 0), "%s", cases[i].text);
        if (good)
            ck_assert_int_eq(ms, cases[i].ms);
    }
    struct drift_rng r = drift_rng_new(1);
    for (int i = 0; i < 10000; i++) { /* text and back */
        char buf[48];
        int64_t v = (int64_t)drift_rng_below(&r, 1000000000000), back;
        drift_duration_text(v, buf, sizeof buf);
        ck_assert_msg(drift_duration_parse(buf, strlen(buf), &back) && back == v, "%" PRId64 " %s", v, buf);
    }
}
END_TEST

START_TEST(numbers)
{
    int64_t v;
    double d;
    ck_assert(drift_i64_parse("-9223372036854775808", 20, &v) && v == INT64_MIN);
    ck_assert(drift_i64_parse("9223372036854775807", 19, &v) && v == INT64_MAX);
    ck_assert(!drift_i64_parse("9223372036854775808", 19, &v));
    ck_assert(drift_i64_parse("007", 3, &v) && v == 7);
    ck_assert(!drift_i64_parse("", 0, &v) && !drift_i64_parse("-", 1, &v) && !drift_i64_parse("1 ", 2, &v) &&
              !drift_i64_parse("0x1", 3, &v));
    ck_assert(drift_f64_parse("1e3", 3, &d) && d == 1000);
    ck_assert(!drift_f64_parse("nan", 3, &d) && !drift_f64_parse("inf", 3, &d) && !drift_f64_parse("1e999", 5, &d) &&
              !drift_f64_parse("0x10", 4, &d) && !drift_f64_parse("1\0", 2, &d));
    struct drift_rng r = drift_rng_new(2);
    for (int i = 0; i < 100000; i++) { /* every finite double comes back from its text */
        uint64_t u = drift_rng_u64(&r);
        char buf[32];
        memcpy(&d, &u, 8);
        if (!isfinite(d))
            continue;
        size_t n = drift_f64_text(d, buf, sizeof buf);
        ck_assert_uint_eq(n, strlen(buf));
        ck_assert_msg(strtod(buf, NULL) == d, "%a %s", d, buf);
    }
    char buf[32];
    drift_f64_text(0.1, buf, sizeof buf);
    ck_assert_str_eq(buf, "0.1");
    drift_f64_text(-3, buf, sizeof buf);
    ck_assert_str_eq(buf, "-3");
    static const struct {
        double percent;
        const char *want;
    } at[] = {{100, "100"}, {-99.6, "-99.6"}, {99.4, "99"}, {9.96, "10"}, {.123, "0.12"}, {0, "0"}};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        snprintf(buf, sizeof buf, "%.*g", drift_percent_digits(at[i].percent), at[i].percent);
        ck_assert_str_eq(buf, at[i].want);
    }
}
END_TEST

START_TEST(times)
{
    int64_t ms;
    char buf[32];
    ck_assert(drift_time_parse("2024-01-03T05:00:00Z", 20, &ms) && ms == 1704258000000);
    ck_assert(drift_time_parse("2024-01-03T05:00:00.250+02:00", 29, &ms) && ms == 1704258000250 - 7200000);
    ck_assert(drift_time_parse("2024-02-29", 10, &ms) && ms == 1709164800000);
    ck_assert(!drift_time_parse("2023-02-29", 10, &ms) && !drift_time_parse("2024-13-01", 10, &ms) &&
              !drift_time_parse("2024-01-03T05:00:00", 19, &ms) && !drift_time_parse("2024-01-03T25:00:00Z", 20, &ms) &&
              !drift_time_parse("", 0, &ms));
    ck_assert_str_eq(drift_time_text(1704258000250, buf, sizeof buf), "2024-01-03T05:00:00.250Z");
    ck_assert_str_eq(drift_time_text(-1, buf, sizeof buf), "1969-12-31T23:59:59.999Z");
    struct drift_rng r = drift_rng_new(3);
    for (int i = 0; i < 100000; i++) {
        int64_t v = (int64_t)drift_rng_below(&r, 253402300800000);
        drift_time_text(v, buf, sizeof buf);
        ck_assert_msg(drift_time_parse(buf, strlen(buf), &ms) && ms == v, "%" PRId64 " %s", v, buf);
    }
}
END_TEST

START_TEST(names)
{
    struct drift_buf b;
    drift_buf_init(&b, 100);
    drift_name_encode(&b, "a/b{c}%:d.e_f-G9");
    ck_assert_str_eq(b.data, "a%2Fb%7Bc%7D%25%3Ad.e_f-G9");
    drift_buf_release(&b);
    ck_assert(drift_glob_match("*", "") && drift_glob_match("url_*", "url_length") &&
              drift_glob_match("*a*b*", "xxaxxbxx") && drift_glob_match("a?c", "abc"));
    ck_assert(!drift_glob_match("url_*", "url") && !drift_glob_match("a?c", "ac") && !drift_glob_match("", "x"));
    ck_assert_uint_eq(drift_edit_distance("window", "windwo"), 2);
    ck_assert_uint_eq(drift_edit_distance("", "abc"), 3);
}
END_TEST

START_TEST(sizes)
{
    uint64_t v;
    ck_assert(drift_size_parse("16MiB", 5, &v) && v == 16777216);
    ck_assert(drift_size_parse("2MB", 3, &v) && v == 2000000);
    ck_assert(!drift_size_parse("16", 2, &v) && !drift_size_parse("MB", 2, &v) && !drift_size_parse("1TB", 3, &v));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("text");
    drift_test_add(s, "durations", durations, 10);
    drift_test_add(s, "numbers", numbers, 10);
    drift_test_add(s, "times", times, 10);
    drift_test_add(s, "names", names, 10);
    drift_test_add(s, "sizes", sizes, 10);
    return drift_test_run(s);
}
