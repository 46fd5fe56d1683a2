/* quarantine.h - refused records go to a topic of their own, with reason headers.
 *
 * Headers: driftd-reason, driftd-topic, driftd-partition, driftd-offset, driftd-text.  At least once: the flush that
 * passes a record waits until its copy is delivered, and when one is refused (no right to write the topic, say) what
 * was counted since the last flush is to be thrown away and read again.  A record that the topic can never take (too
 * large) is passed without a copy and logged.  Threads: one owner. */
#ifndef DRIFTD_INGEST_QUARANTINE_H
#define DRIFTD_INGEST_QUARANTINE_H

#include "driftd/internal/config/config.h"
#include "driftd/internal/flow.h"

struct drift_quarantine;
int drift_quarantine_new(const struct drift_kafka_config *cfg, struct drift_quarantine **ret,
                         struct drift_err *err) DRIFT_MUST_CHECK;
void drift_quarantine_free(struct drift_quarantine *q); /* NULL is fine; waits up to 0.5 s for what is under way */
/* Queues a copy.  False: the queue is full or nothing may be written, stop consuming and try again. */
bool drift_quarantine_put(struct drift_quarantine *q, const struct drift_record *rec, const char *topic,
                          int32_t partition, enum drift_reason why, const char *text);
/* Are all copies delivered?  Waits at most wait_ms. */
bool drift_quarantine_settled(struct drift_quarantine *q, int wait_ms);
/* Was a copy refused since the last call?  Plain words with what to do, borrowed until the next call; else NULL.  Until
 * it is called after a refusal, nothing is settled. */
const char *drift_quarantine_lost(struct drift_quarantine *q);
/* Why put gives false, in plain words; borrowed. */
const char *drift_quarantine_trouble(const struct drift_quarantine *q);

#endif
