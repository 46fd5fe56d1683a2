/* Plans: which entry a window has, when it is closed, and that this never goes back. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/plan.h"
#include "support.h"

static void add(struct drift_plan *p, uint32_t seq, int64_t from, int64_t window, int64_t lateness, int partitions)
{
    struct drift_plan_topic topic = {(char *)(uintptr_t) "t", partitions};
    struct drift_plan_entry e = {.seq = seq,
                                 .from_ms = from,
                                 .baseline_id = (char *)(uintptr_t) "b",
                                 .baseline_digest = (char *)(uintptr_t) "d",
                                 .config_hash = (char *)(uintptr_t) "c",
                                 .window_ms = window,
                                 .lateness_ms = lateness,
                                 .n_topics = 1,
                                 .topics = &topic};
    struct drift_err err;
    char *json = drift_plan_entry_json(&e);
    ck_assert_msg(drift_plan_add(p, seq, json, strlen(json), &err) == 0, "%s", err.text);
    free(json);
}

START_TEST(entries)
{
    struct drift_plan p = {0};
    add(&p, 1, 6000, 2000, 0, 3);
    add(&p, 0, INT64_MIN, 1000, 4000, 2); /* read in any order */
    ck_assert_uint_eq(p.n, 2);
    ck_assert_uint_eq(drift_plan_at(&p, -5)->seq, 0);
    ck_assert_uint_eq(drift_plan_at(&p, 5999)->seq, 0);
    ck_assert_uint_eq(drift_plan_at(&p, 6000)->seq, 1);
    ck_assert_int_eq(drift_plan_window_start(&p, 5999), 5000);
    ck_assert_int_eq(drift_plan_window_start(&p, 7999), 6000);
    ck_assert_int_eq(drift_plan_window_start(&p, -1), -1000);
    ck_assert_int_eq(drift_plan_close_ms(&p, 5000), 10000);
    ck_assert_int_eq(drift_plan_close_ms(&p, 6000), 10000); /* the older entry's lateness still holds it open */
    ck_assert_int_eq(drift_plan_close_ms(&p, 8000), 10000);
    ck_assert_int_eq(drift_plan_close_ms(&p, 10000), 12000);
    ck_assert(drift_plan_has_partition(&p.entry[0], "t", 1) && !drift_plan_has_partition(&p.entry[0], "t", 2) &&
              !drift_plan_has_partition(&p.entry[0], "u", 0));
    ck_assert_int_eq(drift_plan_boundary(&p, 10001, 2000), 12000);
    ck_assert_int_eq(drift_plan_boundary(&p, 10001, 3000), 12000); /* a boundary of both lengths */
    ck_assert_int_eq(drift_plan_boundary(&p, 0, 2000), 8000);      /* never at or before the last entry */
    drift_plan_release(&p);
}
END_TEST

static int add_text(struct drift_plan *p, uint32_t seq, const char *from, const char *more)
{
    struct drift_err err;
    char *text = drift_xasprintf("{\"baseline_id\":\"\",\"baseline_digest\":\"\",\"config\":\"c\",\"lateness_ms\":0,"
                                 "\"topics\":{\"t\":1},\"from\":%s,%s}",
                                 from, more);
    int rc = drift_plan_add(p, seq, text, strlen(text), &err);
    free(text);
    return rc;
}

START_TEST(sliding)
{
    struct drift_plan p = {0};
    ck_assert_int_eq(add_text(&p, 0, "null", "\"v\":1,\"window_ms\":1000"), 0);
    ck_assert_int_eq(add_text(&p, 1, "6000", "\"v\":2,\"window_ms\":1000,\"span_ms\":5000"), 0);
    ck_assert_int_eq(add_text(&p, 2, "10000", "\"v\":2,\"window_ms\":500,\"span_ms\":2000"), 0);
    char *plain = drift_plan_entry_json(&p.entry[0]), *slides = drift_plan_entry_json(&p.entry[1]);
    ck_assert(strstr(plain, "\"v\":1}") || strstr(plain, "\"v\":1,")); /* older programs read it */
    ck_assert_ptr_null(strstr(plain, "span"));
    ck_assert(strstr(slides, "\"v\":2") && strstr(slides, "\"span_ms\":5000"));
    free(plain);
    free(slides);
    ck_assert_int_eq(drift_plan_span_start(&p, 5000), 5000);
    ck_assert_int_eq(drift_plan_span_start(&p, 6000), 2000);
    ck_assert_int_eq(drift_plan_span_start(&p, 10500), 9000);
    /* by trying all panes */
    for (int64_t t = -3000; t < 20000; t = drift_plan_window_end(&p, t)) {
        int64_t last = t;
        for (int64_t u = t; u < 40000; u = drift_plan_window_end(&p, u))
            if (drift_plan_span_start(&p, u) < drift_plan_window_end(&p, t))
                last = u;
        ck_assert_int_eq(drift_plan_last_span(&p, t), last);
    }
    static const char *const bad[] = {
        "\"v\":1,\"window_ms\":1000,\"span_ms\":5000",    "\"v\":2,\"window_ms\":1000",
        "\"v\":2,\"window_ms\":1000,\"span_ms\":500",     "\"v\":2,\"window_ms\":1000,\"span_ms\":1500",
        "\"v\":2,\"window_ms\":0,\"span_ms\":1000",       "\"v\":2,\"window_ms\":1,\"span_ms\":1001",
        "\"v\":2,\"window_ms\":1000,\"span_ms\":\"5000\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(add_text(&p, 9, "20000", bad[i]), DRIFT_E_PARSE);
    ck_assert_int_eq(add_text(&p, 9, "20000", "\"v\":3,\"window_ms\":1000,\"span_ms\":5000"), DRIFT_E_VERSION);
    drift_plan_release(&p);
}
END_TEST

START_TEST(closing_never_falls)
{
    struct drift_rng r = drift_rng_new(1);
    for (int round = 0; round < 2000; round++) {
        struct drift_plan p = {0};
        int64_t window = 1000 * (1 + (int64_t)drift_rng_below(&r, 5)), at;
        add(&p, 0, INT64_MIN, window, (int64_t)drift_rng_below(&r, 20000), 1);
        for (uint32_t i = 1; i < 4; i++) {
            int64_t next = 1000 * (1 + (int64_t)drift_rng_below(&r, 5));
            at = drift_plan_boundary(&p, (int64_t)(i * 20000 + drift_rng_below(&r, 10000)), next);
            add(&p, i, at, next, (int64_t)drift_rng_below(&r, 20000), 1);
        }
        int64_t last = INT64_MIN;
        for (int64_t start = drift_plan_window_start(&p, 0); start < 200000;) {
            int64_t close = drift_plan_close_ms(&p, start), end = drift_plan_window_end(&p, start);
            ck_assert_msg(close >= last && close >= end, "round %d window %" PRId64, round, start);
            ck_assert_int_eq(drift_plan_window_start(&p, end - 1), start); /* windows tile the time line */
            last = close;
            start = end;
        }
        drift_plan_release(&p);
    }
}
END_TEST

/* Against a walk over all windows. */
START_TEST(last_closed)
{
    struct drift_rng r = drift_rng_new(2);
    for (int round = 0; round < 500; round++) {
        struct drift_plan p = {0};
        add(&p, 0, INT64_MIN, 1000 * (1 + (int64_t)drift_rng_below(&r, 5)), (int64_t)drift_rng_below(&r, 20000), 1);
        for (uint32_t i = 1; i < 4; i++) {
            int64_t next = 1000 * (1 + (int64_t)drift_rng_below(&r, 60));
            add(&p, i, drift_plan_boundary(&p, (int64_t)(i * 20000 + drift_rng_below(&r, 10000)), next), next,
                (int64_t)drift_rng_below(&r, 20000), 1);
        }
        for (int k = 0; k < 20; k++) {
            int64_t t = (int64_t)drift_rng_below(&r, 300000), expect = INT64_MIN;
            for (int64_t start = drift_plan_window_start(&p, -200000); start <= t;
                 start = drift_plan_window_end(&p, start))
                if (drift_plan_close_ms(&p, start) <= t)
                    expect = drift_plan_close_ms(&p, start);
            ck_assert_int_eq(drift_plan_last_closed(&p, t), expect);
        }
        drift_plan_release(&p);
    }
}
END_TEST

START_TEST(no_common_boundary)
{
    struct drift_plan p = {0};
    add(&p, 0, INT64_MIN, INT64_C(366) * 86400000, 0, 1);
    ck_assert_int_eq(drift_plan_boundary(&p, 1, INT64_C(366) * 86400000 - 1), INT64_MAX);
    ck_assert_int_eq(drift_plan_boundary(&p, 1, 86400000), INT64_C(366) * 86400000);
    drift_plan_release(&p);
    add(&p, 0, INT64_MIN, 1000, 0, 1);
    add(&p, 1, 4000, 1000, 0, 1);
    ck_assert_int_eq(drift_plan_boundary(&p, 4000, 1000), 5000); /* not the last entry's own start */
    drift_plan_release(&p);
}
END_TEST

START_TEST(hostile)
{
    static const char *const bad[] = {"",
                                      "{}",
                                      "[]",
                                      "null",
                                      "{\"v\":1}",
                                      "{\"v\":2}",
                                      "{\"v\":1,\"from\":0,\"baseline_id\":\"\",\"baseline_digest\":\"\",\"config\":"
                                      "\"\",\"window_ms\":0,\"lateness_ms\":0,\"topics\":{}}",
                                      "{\"v\":1,\"from\":\"0\",\"baseline_id\":\"\",\"baseline_digest\":\"\","
                                      "\"config\":\"\",\"window_ms\":1,\"lateness_ms\":0,\"topics\":{}}",
                                      "{\"v\":1,\"from\":0,\"baseline_id\":\"\",\"baseline_digest\":\"\",\"config\":"
                                      "\"\",\"window_ms\":1,\"lateness_ms\":0,\"topics\":{\"t\":-1}}",
#define ENTRY(from, window, lateness, n)                                                                               \
    "{\"v\":1,\"from\":" from ",\"baseline_id\":\"\",\"baseline_digest\":\"\",\"config\":\"\",\"window_ms\":" window   \
    ",\"lateness_ms\":" lateness ",\"topics\":{\"t\":" n "}}"
                                      ENTRY("9223372036854775807", "1", "0", "1"),
                                      ENTRY("-9223372036854775807", "1", "0", "1"),
                                      ENTRY("1500", "1000", "0", "1"),
                                      ENTRY("0", "9223372036854775807", "0", "1"),
                                      ENTRY("0", "1", "9223372036854775807", "1"),
                                      ENTRY("0", "1", "-1", "1"),
                                      ENTRY("0", "1", "0", "0"),
                                      ENTRY("0", "1", "0", "2147483648")};
    struct drift_plan p = {0};
    struct drift_err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(drift_plan_add(&p, 0, bad[i], strlen(bad[i]), &err) != 0, "%s", bad[i]);
    ck_assert_uint_eq(p.n, 0);
    ck_assert_int_eq(
        drift_plan_add(&p, 0, ENTRY("2000", "1000", "0", "1"), strlen(ENTRY("2000", "1000", "0", "1")), &err), 0);
    drift_plan_release(&p);
    ck_assert_int_eq(drift_plan_add(&p, 0, "{\"v\":3}", 7, &err), DRIFT_E_VERSION);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan");
    drift_test_add(s, "entries", entries, 10);
    drift_test_add(s, "sliding", sliding, 10);
    drift_test_add(s, "closing_never_falls", closing_never_falls, 30);
    drift_test_add(s, "last_closed", last_closed, 30);
    drift_test_add(s, "no_common_boundary", no_common_boundary, 10);
    drift_test_add(s, "hostile", hostile, 10);
    return drift_test_run(s);
}
