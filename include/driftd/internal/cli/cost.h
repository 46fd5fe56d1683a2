/* cost.h - what a model takes in Redis, by its configuration.
 *
 * Formulas and what they hold for: docs/operations.md, "What a model takes in Redis".  Bytes of allocated memory, as
 * MEMORY USAGE counts them; the outbox is not in it.  Threads: pure, any. */
#ifndef DRIFTD_CLI_COST_H
#define DRIFTD_CLI_COST_H

#include <stdint.h>

#include "driftd/internal/config/config.h"

struct drift_cost_bytes {
    uint64_t usual, most;
};
struct drift_cost {
    uint64_t columns;                  /* of all chains */
    uint64_t windows;                  /* that a partition keeps counts of */
    uint64_t headers;                  /* of verdicts */
    uint64_t ids;                      /* bytes of event ids, at most; a partition and chain */
    struct drift_cost_bytes partition; /* one partition's slot, without ids */
    struct drift_cost_bytes model;     /* verdicts, headers, baseline, plan: once for the model */
};
struct drift_cost drift_cost_of(const struct drift_config *c, const struct drift_model *m);

#endif
