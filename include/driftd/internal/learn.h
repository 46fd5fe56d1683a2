/* learn.h - baselines learned from a model's first traffic (`baseline: {learn: 14d}`).
 *
 * When the first so many days of a model's windows have been judged without a baseline, `driftd baseline build
 * --promote` runs as a child process over just that event time of the topics: two passes, exact counts, bounded memory
 * that is given back, and no second decoder in this process.  Kafka must still hold the range.  A failed run is logged
 * and tried again after ten minutes.
 * Threads: the ingest thread. */
#ifndef DRIFTD_LEARN_H
#define DRIFTD_LEARN_H

#include "driftd/internal/config/config.h"
#include "driftd/internal/ingest/chain.h"

struct drift_learn;
struct drift_learn *drift_learn_new(const struct drift_config *c);
/* Ends a child that still runs. */
void drift_learn_free(struct drift_learn *l);
/* Looks at an input chain that was just read: starts the build when it is due.  One child at a time. */
void drift_learn_consider(struct drift_learn *l, const struct drift_chain *c, int64_t now_ms /* monotonic */);

#endif
