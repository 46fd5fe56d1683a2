/* probe.h - asks the brokers what `driftd check --connect` wants to know, and changes nothing there.
 *
 * Brokers, login, topics and their partitions, the right to read each topic and to use the group, limits of the
 * librdkafka at hand.  Joins no group, commits nothing, takes no record.  Threads: one call at a time. */
#ifndef DRIFTD_INGEST_PROBE_H
#define DRIFTD_INGEST_PROBE_H

#include <stdint.h>

#include "driftd/internal/config/config.h"

enum drift_probe { DRIFT_PROBE_OK, DRIFT_PROBE_WARN, DRIFT_PROBE_FAIL };
/* One finding about `what` ("kafka", "topic x" ...); text says what to do when it is not OK.  Both borrowed. */
typedef void drift_probe_fn(void *ctx, enum drift_probe result, const char *what, const char *text);

/* Blocks for about timeout_ms at most for the login, and as long again for the topics. */
void drift_probe_kafka(const struct drift_config *c, int64_t timeout_ms, drift_probe_fn *say, void *ctx);

#endif
