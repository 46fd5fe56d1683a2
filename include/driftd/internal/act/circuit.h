/* circuit.h - whether an endpoint may be tried now; no I/O, no clock.
 *
 * Closed: up to 4 attempts at once.  After 5 failures in a row it opens: one probe per back-off (5 s, doubling to 5 m);
 * the first success closes it.  Retry-After holds the endpoint as a whole (at most an hour); 429 is a healthy receiver
 * that wants less, so it does not count as a failure.  410 disables it for good.  Times are monotonic ms.
 * Threads: one owner. */
#ifndef DRIFTD_ACT_CIRCUIT_H
#define DRIFTD_ACT_CIRCUIT_H

#include <stdbool.h>
#include <stdint.h>

enum { DRIFT_CIRCUIT_AT_ONCE = 4, DRIFT_CIRCUIT_AFTER = 5 };

struct drift_circuit {
    bool disabled;
    unsigned failures; /* in a row */
    unsigned n_in_flight;
    int64_t hold_until_ms;
};

bool drift_circuit_open(const struct drift_circuit *c);
bool drift_circuit_room(const struct drift_circuit *c); /* for one more attempt */
bool drift_circuit_held(const struct drift_circuit *c, int64_t now_ms);
/* Others need not wait for it: full is no reason for that, not answering is. */
bool drift_circuit_passed_over(const struct drift_circuit *c, int64_t now_ms);

void drift_circuit_works(struct drift_circuit *c);
/* status: of the answer, 0 for none; retry_after_ms: -1 for none; brief: waits are at most 1 s. */
void drift_circuit_fails(struct drift_circuit *c, int64_t now_ms, int status, int64_t retry_after_ms, bool brief);

#endif
