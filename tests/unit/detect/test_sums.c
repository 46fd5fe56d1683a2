/* tests/unit/detect/test_sums.c    Vectors that add: bytes and back, limits, bytes that nobody wrote. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "driftd/sums.h"

enum { LENGTH = 129, UNIT = 1 << 20, ROUNDS = 300 };

static void draw(struct drift_rng *r, int64_t *s)
{
    s[0] = (int64_t)(drift_rng_u64(r) >> (22 + drift_rng_below(r, 42)));
    for (int i = 1; i < LENGTH; i++) {
        uint64_t span = (uint64_t)s[0] * UNIT * 2 + 1;
        s[i] = (int64_t)drift_rng_below(r, span) - s[0] * UNIT;
    }
}

START_TEST(bytes_and_back)
{
    struct drift_rng r = drift_rng_new(1);
    int64_t s[LENGTH], t[LENGTH];
    uint8_t out[2048], again[2048];
    ck_assert_uint_le(drift_sums_bytes_max(LENGTH), sizeof out);
    for (int round = 0; round < ROUNDS; round++) {
        draw(&r, s);
        ck_assert_int_eq(drift_sums_check(s, LENGTH, UNIT), 0);
        size_t n = drift_sums_save(s, LENGTH, out, sizeof out);
        ck_assert_uint_gt(n, LENGTH);
        ck_assert_int_eq(drift_sums_load(out, n, t, LENGTH, UNIT), 0);
        ck_assert_mem_eq(s, t, sizeof s);
        ck_assert_uint_eq(drift_sums_save(t, LENGTH, again, sizeof again), n);
        ck_assert_mem_eq(out, again, n);
        ck_assert_uint_eq(drift_sums_save(s, LENGTH, out, n - 1), 0);
    }
}
END_TEST

START_TEST(limits)
{
    int64_t s[3] = {DRIFT_SUMS_EVENTS_MAX, DRIFT_SUMS_EVENTS_MAX * UNIT, -DRIFT_SUMS_EVENTS_MAX * UNIT},
            t[3] = {1, UNIT, 0};
    ck_assert_int_eq(drift_sums_check(s, 3, UNIT), 0);
    ck_assert_int_eq(drift_sums_merge(s, t, 3), DRIFT_E_FULL);
    ck_assert_int_eq(s[1], DRIFT_SUMS_EVENTS_MAX * UNIT);
    s[0]--, s[1] -= UNIT, s[2] += UNIT;
    ck_assert_int_eq(drift_sums_merge(s, t, 3), 0);
    ck_assert_int_eq(s[0], DRIFT_SUMS_EVENTS_MAX);
    ck_assert_int_eq(s[1], DRIFT_SUMS_EVENTS_MAX * UNIT);
    ck_assert_int_eq(drift_sums_check(s, 3, UNIT), 0);
    s[1]++;
    ck_assert_int_eq(drift_sums_check(s, 3, UNIT), DRIFT_E_RANGE);
    s[1] = 0, s[2] -= UNIT;
    ck_assert_int_eq(drift_sums_check(s, 3, UNIT), 0);
    s[2]--;
    ck_assert_int_eq(drift_sums_check(s, 3, UNIT), DRIFT_E_RANGE);
    s[0] = -1;
    ck_assert_int_eq(drift_sums_check(s, 1, UNIT), DRIFT_E_RANGE);
    s[0] = 0;
    ck_assert_int_eq(drift_sums_check(s, 1, UNIT), 0);
    ck_assert_int_eq(drift_sums_check(s, 1, 2 * UNIT), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_sums_check(s, 0, UNIT), DRIFT_E_RANGE);
}
END_TEST

/* In memory of its own, so that a read behind the end is seen. */
static int load(const uint8_t *p, size_t n, size_t length)
{
    int64_t *s = malloc(length * sizeof *s);
    uint8_t *copy = malloc(n ? n : 1);
    memcpy(copy, p, n);
    int rc = drift_sums_load(copy, n, s, length, UNIT);
    ck_assert(rc || drift_sums_check(s, length, UNIT) == 0);
    free(copy);
    free(s);
    return rc;
}

START_TEST(bytes_that_nobody_wrote)
{
    struct drift_rng r = drift_rng_new(2);
    int64_t s[LENGTH];
    uint8_t out[2048], bad[2048];
    int refused = 0;
    draw(&r, s);
    size_t n = drift_sums_save(s, LENGTH, out, sizeof out);
    for (size_t cut = 0; cut < n; cut++)
        ck_assert_int_ne(load(out, cut, LENGTH), 0);
    ck_assert_int_eq(load(out, n + 1, LENGTH), DRIFT_E_PARSE);
    ck_assert_int_eq(load(out, n, LENGTH - 1), DRIFT_E_MISMATCH);
    for (int round = 0; round < 3000; round++) {
        memcpy(bad, out, n);
        for (uint64_t k = 1 + drift_rng_below(&r, 4); k; k--)
            bad[drift_rng_below(&r, n)] = (uint8_t)drift_rng_u64(&r);
        refused += load(bad, n, LENGTH) != 0;
    }
    ck_assert_int_gt(refused, 300);
    out[0] = 2;
    ck_assert_int_eq(load(out, n, LENGTH), DRIFT_E_VERSION);
    out[0] = 0;
    ck_assert_int_eq(load(out, n, LENGTH), DRIFT_E_PARSE);
    static const uint8_t endless[] = {1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
    ck_assert_int_eq(load(endless, sizeof endless, 2), DRIFT_E_PARSE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sums");
    drift_test_add(s, "bytes and back", bytes_and_back, 10);
    drift_test_add(s, "limits", limits, 10);
    drift_test_add(s, "bytes that nobody wrote", bytes_that_nobody_wrote, 10);
    return drift_test_run(s);
}
