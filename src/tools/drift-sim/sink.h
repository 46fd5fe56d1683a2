/* sink.h - where the simulator's records go: Kafka, NDJSON files, or both.
 *
 * In-flight bytes are bounded.  With `follow`, the producer also stays at most `ahead_max` bytes ahead of what that
 * consumer group has committed: the demo's broker keeps only 5 MB a partition and drops the rest silently.
 * Threads: one owner. */
#ifndef DRIFTD_SIM_SINK_H
#define DRIFTD_SIM_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/internal/base/err.h"

struct sim_sink_settings {
    const char *brokers;      /* NULL: no Kafka */
    const char *follow;       /* consumer group; NULL: none */
    uint64_t ahead_max;       /* bytes */
    int64_t patience_ms;      /* without any progress of broker or group for so long: an error */
    const volatile int *stop; /* not 0: give up waiting */
};
struct sim_sink;
int sim_sink_new(const struct sim_sink_settings *s, struct sim_sink **ret, struct drift_err *err) DRIFT_MUST_CHECK;
void sim_sink_free(struct sim_sink *k);
/* Also write records to a file: all (topic NULL) or those of a topic. */
int sim_sink_output(struct sim_sink *k, const char *topic, const char *file, struct drift_err *err) DRIFT_MUST_CHECK;

/* Key NULL: any partition.  Waits while too much is under way. */
int sim_sink_send(struct sim_sink *k, const char *topic, const char *key, const void *p, size_t n, int64_t ts_ms,
                  struct drift_err *err) DRIFT_MUST_CHECK;
/* Serves callbacks for at most wait_ms. */
void sim_sink_poll(struct sim_sink *k, int wait_ms);
/* Everything delivered; with `committed`, and committed by the group that is followed. */
int sim_sink_flush(struct sim_sink *k, bool committed, struct drift_err *err) DRIFT_MUST_CHECK;

#endif
