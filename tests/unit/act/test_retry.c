/* tests/unit/act/test_retry.c    Schedule, Retry-After and the state text, hostile ones too. */
#include "support.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driftd/internal/act/retry.h"

enum { NOW = 1700000000 };
static const int64_t now_ms = (int64_t)NOW * 1000;

START_TEST(test_schedule)
{
    static const int64_t want_s[] = {5, 30, 120, 300, 900, 1800, 3600, 7200, 14400, 14400, 14400};
    struct drift_retry r = {0};
    int64_t now = now_ms;
    unsigned distinct = 0;
    int64_t before = -1;
    for (size_t i = 0; i < sizeof want_s / sizeof *want_s; i++) {
        r.attempts++;
        r.last_ms = now;
        r.first_ms = r.first_ms ? r.first_ms : now;
        drift_retry_failed(&r, "0123456789abcdef", now, -1, false);
        int64_t wait = r.next_ms - now, want = want_s[i] * 1000;
        ck_assert_int_eq(r.done, DRIFT_DONE_NO);
        ck_assert_msg(wait >= want * 8 / 10 && wait <= want * 12 / 10, "attempt %zu waits %" PRId64, i + 1, wait);
        distinct += wait * 1000 / want != before;
        before = wait * 1000 / want;
        now = r.next_ms;
    }
    ck_assert_uint_gt(distinct, 5); /* there is jitter */

    struct drift_retry again = {.attempts = 3, .first_ms = now_ms}, other = again;
    drift_retry_failed(&again, "0123456789abcdef", now_ms, -1, false);
    drift_retry_failed(&other, "0123456789abcdef", now_ms, -1, false);
    ck_assert_int_eq(again.next_ms, other.next_ms); /* and a restart computes the same */
}
END_TEST

START_TEST(test_end)
{
    struct drift_retry r = {.attempts = 20, .first_ms = now_ms};
    int64_t end = now_ms + INT64_C(3) * 24 * 3600 * 1000, now = end - 1000;
    drift_retry_failed(&r, "x", now, -1, false);
    ck_assert_int_eq(r.done, DRIFT_DONE_NO);
    ck_assert_int_eq(r.next_ms, end); /* the last attempt */
    r.attempts++;
    drift_retry_failed(&r, "x", end, -1, false);
    ck_assert_int_eq(r.done, DRIFT_DONE_DEAD);
}
END_TEST

START_TEST(test_asked_wait)
{
    struct drift_retry r = {.attempts = 1, .first_ms = now_ms};
    drift_retry_failed(&r, "x", now_ms, 90000, false);
    ck_assert_int_eq(r.next_ms, now_ms + 90000);
    drift_retry_failed(&r, "x", now_ms, INT64_MAX, false);
    ck_assert_int_eq(r.next_ms, now_ms + 3600000);
    drift_retry_failed(&r, "x", now_ms, 0, false); /* no earlier than the schedule */
    ck_assert_int_ge(r.next_ms, now_ms + 4000);
    drift_retry_failed(&r, "x", now_ms, 90000, true);
    ck_assert_int_eq(r.next_ms, now_ms + 1000);
}
END_TEST

static int64_t asked(const char *value)
{
    int64_t ms = -7;
    return drift_retry_after(value, strlen(value), now_ms, &ms) ? ms : -1;
}

START_TEST(test_retry_after)
{
    char date[64];
    time_t t = NOW + 75;
    struct tm tm;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&t, &tm));
    ck_assert_int_eq(asked("0"), 0);
    ck_assert_int_eq(asked(" 120 \r\n"), 120000);
    ck_assert_int_eq(asked("999999999"), 3600000);
    ck_assert_int_eq(asked(date), 75000);
    ck_assert_int_eq(asked("Sun, 06 Nov 1994 08:49:37 GMT"), 0); /* past */
    ck_assert_int_eq(asked("Fri, 31 Dec 9999 23:59:59 GMT"), 3600000);
    static const char *bad[] = {"",
                                " ",
                                "-1",
                                "+1",
                                "1.5",
                                "1e3",
                                "99999999999999999999",
                                "soon",
                                "Sun, 06 Nov 1994 08:49:37",
                                "Sun, 06 Nov 1994 08:49:37 CET",
                                "Sun, 06 Now 1994 08:49:37 GMT",
                                "Sun, 32 Nov 1994 08:49:37 GMT",
                                "Sun, 06 Nov 1994 24:49:37 GMT",
                                "Sun, 06 Nov 1969 08:49:37 GMT",
                                "Sunday, 06-Nov-94 08:49:37 GMT"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(asked(bad[i]) == -1, "%s", bad[i]);
}
END_TEST

START_TEST(test_text)
{
    struct drift_retry r = {.attempts = 3,
                            .next_ms = now_ms + 1000,
                            .done = DRIFT_DONE_DEAD,
                            .status = 503,
                            .first_ms = now_ms - 5000,
                            .last_ms = now_ms - 1,
                            .error = "answered \"503\"\n\\"};
    struct drift_retry back;
    char *text = drift_retry_text(&r);
    ck_assert_int_eq(drift_retry_parse(text, strlen(text), now_ms, &back, NULL), 0);
    ck_assert_int_eq(back.attempts, 3);
    ck_assert_int_eq(back.next_ms, r.next_ms);
    ck_assert_int_eq(back.done, r.done);
    ck_assert_int_eq(back.status, 503);
    ck_assert_int_eq(back.first_ms, r.first_ms);
    ck_assert_int_eq(back.last_ms, r.last_ms);
    ck_assert_str_eq(back.error, r.error);
    free(text);

    struct drift_retry cut = {0}; /* an error cut inside a character, and one that is no text at all */
    memset(cut.error, 'a', sizeof cut.error - 1);
    memcpy(cut.error + sizeof cut.error - 3, "\xe2\x82", 2);
    text = drift_retry_text(&cut);
    ck_assert_int_eq(drift_retry_parse(text, strlen(text), now_ms, &back, NULL), 0);
    ck_assert_uint_eq(strlen(back.error), sizeof cut.error - 3);
    free(text);
}
END_TEST

static int parse(const char *text, struct drift_retry *ret)
{
    struct drift_err err = {0};
    int r = drift_retry_parse(text, strlen(text), now_ms, ret, &err);
    ck_assert(r == 0 || err.code == DRIFT_E_PARSE);
    return r;
}

/* What Redis holds may be old, from a clock that was wrong, or from somebody else's hand. */
START_TEST(test_clamps)
{
    struct drift_retry r;
    ck_assert_int_eq(parse("{}", &r), 0);
    ck_assert_int_eq(r.next_ms, 0);
    ck_assert_int_eq(parse("{\"attempts\":1,\"next_ms\":9000000000000000000,\"first_ms\":9000000000000000000}", &r), 0);
    ck_assert_int_le(r.next_ms, now_ms + 3600000);
    ck_assert_int_le(r.first_ms, now_ms);
    ck_assert_int_eq(parse("{\"attempts\":9,\"next_ms\":9000000000000000000}", &r), 0);
    ck_assert_int_eq(r.next_ms, now_ms + 14400 * 1200);
    ck_assert_int_eq(r.first_ms, now_ms);
    ck_assert_int_eq(parse("{\"attempts\":99999999999}", &r), 0);
    ck_assert_int_eq(r.attempts, 1000000);
    ck_assert_int_eq(parse("{\"lease\":1,\"attempts\":2}", &r), 0);
    static const char *bad[] = {"",
                                "[]",
                                "null",
                                "{",
                                "{\"attempts\":-1}",
                                "{\"attempts\":\"1\"}",
                                "{\"attempts\":1.5}",
                                "{\"done\":\"maybe\"}",
                                "{\"done\":1}",
                                "{\"next_ms\":-5}",
                                "{\"attempts\":1,\"attempts\":2}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(parse(bad[i], &r) != 0, "%s", bad[i]);
    char *large = malloc(8000);
    memset(large, ' ', 7999);
    large[7999] = 0;
    memcpy(large + 7997, "{}", 2);
    ck_assert_int_ne(parse(large, &r), 0);
    free(large);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("retry");
    drift_test_add(s, "schedule", test_schedule, 10);
    drift_test_add(s, "end", test_end, 10);
    drift_test_add(s, "asked wait", test_asked_wait, 10);
    drift_test_add(s, "retry-after", test_retry_after, 10);
    drift_test_add(s, "text", test_text, 10);
    drift_test_add(s, "clamps", test_clamps, 10);
    return drift_test_run(s);
}
