/* quarantine.h - refused records go to a topic of their own, with reason headers.
 *
 * Headers: driftd-reason, driftd-topic, driftd-partition, driftd-offset, driftd-text.  At least once: the flush that
 * passes a record waits until its copy is delivered.  Threads: one owner. */
#ifndef DRIFTD_INGEST_QUARANTINE_H
#define DRIFTD_INGEST_QUARANTINE_H

#include "driftd/internal/config/config.h"
#include "driftd/internal/flow.h"

struct drift_quarantine;
int drift_quarantine_new(const struct drift_kafka_config *cfg, struct drift_quarantine **ret,
                         struct drift_err *err) DRIFT_MUST_CHECK;
void drift_quarantine_free(struct drift_quarantine *q); /* NULL is fine; waits up to 2 s for what is under way */
/* Queues a copy.  False: the queue is full, stop consuming and try again. */
bool drift_quarantine_put(struct drift_quarantine *q, const struct drift_record *rec, const char *topic,
                          int32_t partition, enum drift_reason why, const char *text);
/* Are all copies delivered?  Waits at most wait_ms. */
bool drift_quarantine_settled(struct drift_quarantine *q, int wait_ms);

#endif
