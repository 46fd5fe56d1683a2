/* partition.h - the owner's side of one Kafka partition: counts, watermark, what is late, what a flush holds.
 *
 * No I/O: the caller acquires the slot, feeds records in offset order, and sends what prepare() gives.
 *
 *     watermark   greatest event time counted, or what an idle advance made of it
 *     open        windows that the watermark has not closed; counts in memory
 *     closed      windows closed here: their blob in the slot does not change any more, memory is freed after the
 *                 flush; dropped from the slot when their verdict is older than retain
 *
 * Threads: one owner, the ingest thread. */
#ifndef DRIFTD_INGEST_PARTITION_H
#define DRIFTD_INGEST_PARTITION_H

#include "driftd/internal/ingest/chain.h"
#include "driftd/internal/window/count.h"

struct drift_partition;
struct drift_partition_settings {
    const char *topic;
    int32_t number;
    const struct drift_stream *stream;
    size_t n_chains; /* the chains that the stream feeds */
    struct drift_chain *const *chains;
    int64_t retain_ms;
};
struct drift_partition *drift_partition_new(const struct drift_partition_settings *s);
void drift_partition_free(struct drift_partition *p);
/* Takes over the slot's fields (after ACQUIRE); forgets whatever was in memory.  DRIFT_E_VERSION, DRIFT_E_CORRUPT,
 * DRIFT_E_PARSE: the slot cannot be used, the text says which field. */
int drift_partition_load(struct drift_partition *p, const struct drift_pairs *fields,
                         struct drift_err *err) DRIFT_MUST_CHECK;

/* Next offset to count; -1: the slot has none (a first start). */
int64_t drift_partition_next(const struct drift_partition *p);
/* Where reading starts when the slot has no offset.  at_low: it is the partition's low watermark, so nothing is
 * partial; else windows that hold the first record's time are. */
void drift_partition_start(struct drift_partition *p, int64_t offset, bool at_low);
/* Was the log seen to end before the next offset?  Stands in the slot (field anew), because such a log may grow past
 * that offset again.  drift_partition_start() takes it back. */
bool drift_partition_anew(const struct drift_partition *p);
int64_t drift_partition_watermark(const struct drift_partition *p); /* INT64_MIN: none */

/* Counts one event of `chain` (index in settings) or refuses it; the reason, or NONE.  Does not move offset or
 * watermark: drift_partition_pass does, once a record. */
enum drift_reason drift_partition_count(struct drift_partition *p, size_t chain, const struct drift_event *ev);
/* Would the event open the newest window of a chain that has max_open windows waiting for their verdicts?  Then it must
 * not be counted yet.  Never true while the oldest of them still waits for this partition's own watermark, so that a
 * partition never waits for itself; never for an event that falls behind the newest window. */
bool drift_partition_full(const struct drift_partition *p, size_t chain, int64_t time_ms);
/* Have so many been judged meanwhile that reading on is worth it: half of them, or all that can be? */
bool drift_partition_relieved(const struct drift_partition *p, size_t chain);
/* Windows of a chain with counts that are not judged, and when the oldest of them is closed (INT64_MAX: none). */
size_t drift_partition_unjudged(const struct drift_partition *p, size_t chain, int64_t *ret_start, int64_t *ret_close);
/* Why there is more to read that is not read; NULL: it is.  Kept in the slot, for other instances and for people. */
void drift_partition_wait(struct drift_partition *p, const char *why);

/* Counts a refusal; chain -1: the record belongs to none. */
void drift_partition_refuse(struct drift_partition *p, int chain, enum drift_reason why);
/* The record at `offset` is settled; time_ms: its event time, INT64_MIN when it does not move the watermark. */
void drift_partition_pass(struct drift_partition *p, int64_t offset, int64_t time_ms);

/* Is there anything to write: a change since the last flush that was applied, or a settled verdict's blob to drop?
 * Does a closed window wait to be flushed? */
bool drift_partition_dirty(struct drift_partition *p, int64_t now_ms);
bool drift_partition_urgent(const struct drift_partition *p);
/* What the flush writes; valid until the next call on p.  now_ms: Redis time as of the last reply (for retain). */
void drift_partition_prepare(struct drift_partition *p, int64_t now_ms, struct drift_flush *ret, size_t *ret_bytes);
/* The flush was applied. */
void drift_partition_flushed(struct drift_partition *p);
/* An advance to `to` was applied. */
void drift_partition_advanced(struct drift_partition *p, int64_t to_ms);
/* Would an advance to `to` close a window start of any chain that has not been closed yet? */
bool drift_partition_closes(const struct drift_partition *p, int64_t to_ms);
/* Greatest closing time of all windows with counts, INT64_MIN when there are none (for --until-end). */
int64_t drift_partition_last_close(const struct drift_partition *p);
size_t drift_partition_open_windows(const struct drift_partition *p, size_t chain);
uint64_t drift_partition_stored_bytes(const struct drift_partition *p, size_t chain); /* of counts in the slot */
uint64_t drift_partition_ids(const struct drift_partition *p, size_t chain);          /* event ids held (deduplicate) */
uint64_t drift_partition_refused(const struct drift_partition *p, enum drift_reason why); /* since ever */

#endif
