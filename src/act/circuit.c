/* src/act/circuit.c    Whether an endpoint may be tried now, for the sender. */
#include "driftd/internal/act/circuit.h"

enum { FIRST_MS = 5000, MAX_MS = 5 * 60 * 1000, BRIEF_MS = 1000 };

bool drift_circuit_open(const struct drift_circuit *c)
{
    return c->failures >= DRIFT_CIRCUIT_AFTER;
}

bool drift_circuit_room(const struct drift_circuit *c)
{
    return c->n_in_flight < (drift_circuit_open(c) ? 1 : DRIFT_CIRCUIT_AT_ONCE);
}

bool drift_circuit_held(const struct drift_circuit *c, int64_t now_ms)
{
    return c->disabled || now_ms < c->hold_until_ms || !drift_circuit_room(c);
}

bool drift_circuit_passed_over(const struct drift_circuit *c, int64_t now_ms)
{
    return c->disabled || now_ms < c->hold_until_ms || drift_circuit_open(c);
}

void drift_circuit_works(struct drift_circuit *c)
{
    c->failures = 0;
    c->hold_until_ms = 0;
}

static int64_t back_off_ms(unsigned failures)
{
    unsigned doublings = failures - DRIFT_CIRCUIT_AFTER;
    int64_t wait = doublings < 10 ? (int64_t)FIRST_MS << doublings : MAX_MS;
    return wait < MAX_MS ? wait : MAX_MS;
}

void drift_circuit_fails(struct drift_circuit *c, int64_t now_ms, int status, int64_t retry_after_ms, bool brief)
{
    int64_t wait = retry_after_ms > 0 ? retry_after_ms : 0;
    if (status != 429)
        c->failures++;
    if (drift_circuit_open(c) && back_off_ms(c->failures) > wait)
        wait = back_off_ms(c->failures);
    if (brief && wait > BRIEF_MS)
        wait = BRIEF_MS;
    if (wait)
        c->hold_until_ms = now_ms + wait;
}
