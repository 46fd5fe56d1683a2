/* sender.h - delivers the outboxes of all chains: signed webhooks, retried over restarts.
 *
 * libcurl multi on the sender's own thread and Redis connection.  Standard Webhooks headers (webhook-id,
 * webhook-timestamp, webhook-signature with HMAC-SHA256 `v1,`, one per secret), Idempotency-Key, body
 * application/cloudevents+json.  2xx: done.  408, 425, 429, 5xx, transport: retried at 0 s, 5 s, 30 s, 2 m, 5 m, 15 m,
 * 30 m, 1 h, 2 h, 4 h ... (+- 20 % jitter, Retry-After obeyed up to 1 h), until 3 days are over; other answers
 * (3xx, 4xx): dead letter.  Redirects are not followed; private addresses are refused unless the endpoint allows them
 * (checked on the resolved address); answers are read up to 64 KiB.
 * Order: a step's first attempt comes after the first attempts of the steps before it in the same verdict, unless one
 * of those is at an endpoint that hangs (2 s), is held back or disabled; of one incident, rule and step a later
 * transition waits until the earlier ones are done.  Entries that were never attempted and whose window end is older
 * than max_action_age when the sender first sees them are marked expired and one notice (type
 * io.driftd.actions.expired) goes to the endpoint instead (off when until_end).  Steps in shadow mode are sent like
 * others (their body says "would have") and end as `shadow`.
 * An endpoint that failed 5 times in a row gets one probe per back-off (5 s, doubling to 5 m); one that answers 410 is
 * disabled until the process ends, its entries wait in the outbox.  At most 32 attempts are under way, 4 per endpoint.
 * Finished entries stay for 24 h, at most 1,000 per chain. */
#ifndef DRIFTD_ACT_SENDER_H
#define DRIFTD_ACT_SENDER_H

#include "driftd/internal/base/clock.h"
#include "driftd/internal/config/config.h"
#include "driftd/internal/store/store.h"

struct drift_sender;
struct drift_sender_settings {
    const struct drift_config *config;
    struct drift_store *store; /* the sender's own; borrowed */
    const struct drift_clock *clock;
    bool until_end;       /* no expiry; retry waits are at most 1 s */
    const char *instance; /* names the lease */
};
int drift_sender_new(const struct drift_sender_settings *s, struct drift_sender **ret,
                     struct drift_err *err) DRIFT_MUST_CHECK;
void drift_sender_free(struct drift_sender *s);
/* One turn: reads outboxes when due (or poked), starts transfers, moves them for at most wait_ms.  Returns 0, or AWAY
 * (Redis; transfers under way are still moved).  *ret_pending = entries not finished that this process may still
 * deliver (those of a disabled endpoint are not counted). */
int drift_sender_step(struct drift_sender *s, int wait_ms, size_t *ret_pending, struct drift_err *err) DRIFT_MUST_CHECK;
/* Read the outboxes now (from another thread: wakes the step). */
void drift_sender_poke(struct drift_sender *s);
/* Since the last poke every outbox was read and nothing was left to deliver.  Threads: any. */
bool drift_sender_drained(const struct drift_sender *s);

/* One signed test event to an endpoint, answered synchronously (`driftd endpoint test`).  report gets exactly what was
 * sent (headers and body; no secret) and what came back. */
int drift_endpoint_test(const struct drift_config *c, const char *endpoint, int64_t now_ms, struct drift_buf *report,
                        struct drift_err *err) DRIFT_MUST_CHECK;

#endif
