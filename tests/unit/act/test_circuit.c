/* tests/unit/act/test_circuit.c    When an endpoint may be tried. */
#include "support.h"

#include <stdint.h>

#include "driftd/internal/act/circuit.h"

START_TEST(test_opens)
{
    struct drift_circuit c = {0};
    int64_t now = 1000;
    ck_assert(!drift_circuit_held(&c, now) && drift_circuit_room(&c));
    for (int i = 0; i < 4; i++)
        drift_circuit_fails(&c, now, 503, -1, false);
    ck_assert(!drift_circuit_open(&c) && !drift_circuit_held(&c, now) && !drift_circuit_passed_over(&c, now));
    drift_circuit_fails(&c, now, 0, -1, false);
    ck_assert(drift_circuit_open(&c) && drift_circuit_held(&c, now) && drift_circuit_held(&c, now + 4999));
    ck_assert(!drift_circuit_held(&c, now + 5000)); /* the probe */
    ck_assert(drift_circuit_passed_over(&c, now + 5000));
    c.n_in_flight = 1;
    ck_assert(drift_circuit_held(&c, now + 5000) && !drift_circuit_room(&c)); /* and only one */
    c.n_in_flight = 0;
    static const int64_t waits[] = {10000, 20000, 40000, 80000, 160000, 300000, 300000};
    for (unsigned i = 0; i < 7; i++) {
        drift_circuit_fails(&c, now, 500, -1, false);
        ck_assert_int_eq(c.hold_until_ms - now, waits[i]);
    }
    for (int i = 0; i < 200; i++)
        drift_circuit_fails(&c, now, 500, -1, false);
    ck_assert_int_eq(c.hold_until_ms - now, 300000);
    drift_circuit_works(&c);
    ck_assert(!drift_circuit_open(&c) && !drift_circuit_held(&c, now) && !drift_circuit_passed_over(&c, now));
}
END_TEST

START_TEST(test_waits)
{
    struct drift_circuit c = {0};
    for (int i = 0; i < 20; i++)
        drift_circuit_fails(&c, 0, 429, 7000, false); /* busy is not broken */
    ck_assert(!drift_circuit_open(&c) && drift_circuit_held(&c, 6999) && !drift_circuit_held(&c, 7000));
    ck_assert(drift_circuit_passed_over(&c, 6999));
    drift_circuit_fails(&c, 0, 503, 3600000, true);
    ck_assert_int_eq(c.hold_until_ms, 1000);
    c = (struct drift_circuit){.n_in_flight = 4};
    ck_assert(drift_circuit_held(&c, 0) && !drift_circuit_passed_over(&c, 0)); /* full, but well */
    c = (struct drift_circuit){.disabled = true};
    ck_assert(drift_circuit_held(&c, INT64_MAX) && drift_circuit_passed_over(&c, INT64_MAX));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("circuit");
    drift_test_add(s, "opens", test_opens, 10);
    drift_test_add(s, "waits", test_waits, 10);
    return drift_test_run(s);
}
