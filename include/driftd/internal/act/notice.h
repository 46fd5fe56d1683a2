/* notice.h - one webhook in place of many that are too old: its id and its CloudEvent.
 *
 * Both are functions of the entries (and settings), so that the same entries give the same notice after a restart. */
#ifndef DRIFTD_ACT_NOTICE_H
#define DRIFTD_ACT_NOTICE_H

#include "driftd/internal/act/queue.h"

void drift_notice_id(struct drift_queued *const *entries, size_t n, char ret_id[33]);
/* Type io.driftd.actions.expired; lists at most 100 of the entries.  Heap. */
char *drift_notice_body(const char *id, const char *group, struct drift_chain_id chain, int64_t max_age_ms,
                        struct drift_queued *const *entries, size_t n);

#endif
