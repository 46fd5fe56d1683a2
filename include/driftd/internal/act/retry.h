/* retry.h - the delivery state of one action: what is kept in Redis, and when the next attempt is due.
 *
 * Attempts come at 0 s, then 5 s, 30 s, 2 m, 5 m, 15 m, 30 m, 1 h, 2 h, and every 4 h after the failure before (each
 * +- 20 %, from the action's id, so that a restart computes the same), until three days after the first.  Deadlines
 * are wall-clock times; a state that comes from Redis is clamped to what this schedule could have written, so that a
 * clock that jumped or a hostile state delays an action by hours at most.  Threads: pure. */
#ifndef DRIFTD_ACT_RETRY_H
#define DRIFTD_ACT_RETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/internal/base/err.h"

enum drift_done { DRIFT_DONE_NO, DRIFT_DONE_OK, DRIFT_DONE_DEAD, DRIFT_DONE_EXPIRED, DRIFT_DONE_SHADOW };
const char *drift_done_name(enum drift_done d); /* "", "ok", "dead", "expired", "shadow" */

enum {
    DRIFT_RETRY_AFTER_MAX_MS = 60 * 60 * 1000,
    DRIFT_RETRY_GIVE_UP_MS = 3 * 24 * 60 * 60 * 1000,
    DRIFT_RETRY_STATE_MAX = 4096 /* bytes of a state's text */
};

struct drift_retry {
    uint32_t attempts;
    int64_t next_ms; /* not before; 0: now */
    enum drift_done done;
    int status;                /* HTTP status of the last attempt; 0: there was no answer */
    int64_t first_ms, last_ms; /* of the attempts; 0: none yet */
    char error[160];           /* of the last attempt; "": none */
};

/* Delay after so many failed attempts (>= 1), before jitter. */
int64_t drift_retry_delay_ms(uint32_t attempts);
/* Notes a failed attempt at now_ms (attempts already counts it): sets next_ms, or done DEAD when three days are over.
 * retry_after_ms: -1, or what the receiver asked for.  brief: waits are at most 1 s. */
void drift_retry_failed(struct drift_retry *r, const char *id, int64_t now_ms, int64_t retry_after_ms, bool brief);
/* Value of a Retry-After header, seconds or IMF-fixdate, as ms from now, 0 .. 1 h.  False: neither. */
bool drift_retry_after(const char *value, size_t n, int64_t now_ms, int64_t *ret_ms);

/* State text (JSON).  Unknown members are ignored.  DRIFT_E_PARSE. */
int drift_retry_parse(const char *text, size_t len, int64_t now_ms, struct drift_retry *ret,
                      struct drift_err *err) DRIFT_MUST_CHECK;
char *drift_retry_text(const struct drift_retry *r); /* heap */

#endif
