/* ends.h - how far the logs of partitions reach, and who is in the group, for `driftd status`.
 *
 * Joins nothing, reads no record, commits nothing.  Threads: one call at a time. */
#ifndef DRIFTD_INGEST_ENDS_H
#define DRIFTD_INGEST_ENDS_H

#include "driftd/internal/base/err.h"
#include "driftd/internal/config/config.h"

struct drift_end {
    const char *topic; /* borrowed */
    int32_t partition;
    int64_t high; /* the offset that the next record will have; -1: not to be learned */
};
struct drift_group_info {
    char state[32]; /* "Stable", "Empty", "PreparingRebalance" ...; "" when it could not be learned */
    int n_members;
};

/* Sets high of all n and *ret_group.  What a part of the brokers does not answer stays -1 and "".  Errors, with nothing
 * set: AWAY (nobody answers within timeout_ms), DENIED (login), CONFIG. */
int drift_ends_read(const struct drift_kafka_config *cfg, int64_t timeout_ms, struct drift_end *list, size_t n,
                    struct drift_group_info *ret_group, struct drift_err *err) DRIFT_MUST_CHECK;

#endif
