/* dedup.h - what a partition knows of event ids it has counted: its key, the slot's fields of ids, what a flush writes.
 *
 *     dk                              128 random bits, hex: key of the names of ids, made with the slot's first id
 *     d:<chain key>:<start>:<k>       ids of one open window from position k on (window/idset.h)
 *
 * They travel in the flush that holds the counts and the offset: after any crash the set is that of the counts.  The
 * ids of a window go when its partition has closed it, in the very flush that says so: from then on every event of it
 * is late, whatever its id, and a slot that goes back to before that flush has the ids again. The key is the slot's
 * own, so that nobody outside can choose ids that meet.  Whoever reads Redis learns the key and may try whether an id
 * was there, but no id. Threads: one owner, the partition's. */
#ifndef DRIFTD_INGEST_DEDUP_H
#define DRIFTD_INGEST_DEDUP_H

#include "driftd/internal/base/siphash.h"
#include "driftd/internal/flow.h"
#include "driftd/internal/store/store.h"
#include "driftd/internal/window/idset.h"

struct drift_dedup {
    uint8_t key[DRIFT_SIPHASH_KEY];
    char key_text[2 * DRIFT_SIPHASH_KEY + 1];
    bool has_key, key_dirty, key_sent;
    size_t n_dead, n_sent, cap_dead; /* fields to delete; the first n_sent are in the flush under way */
    char **dead;
    size_t n_names, cap_names; /* fields of the flush under way, and what they hold */
    char **names;
    struct drift_buf bytes;
};
void drift_dedup_init(struct drift_dedup *d);
void drift_dedup_release(struct drift_dedup *d); /* ready for drift_dedup_init() */
/* Field dk of the slot.  DRIFT_E_PARSE. */
int drift_dedup_load_key(struct drift_dedup *d, const struct drift_pair *dk, struct drift_err *err) DRIFT_MUST_CHECK;

/* Takes the id of an event that is about to be counted into the window of *set, which is made when there is none.
 * *held: ids of the chain's open windows here, at most max.  NONE: count it.  NO_ID, DUPLICATE, DEDUP_FULL: do not;
 * nothing has changed. */
enum drift_reason drift_dedup_take(struct drift_dedup *d, struct drift_idset **set, struct drift_str id, uint64_t *held,
                                   uint64_t max);

/* The field goes with the next flush; the string is taken over. */
void drift_dedup_bury(struct drift_dedup *d, char *field);
/* The window is closed: its ids go, from memory and with the next flush from the slot.  `blob` is the name of the
 * window's field of counts, b:<chain key>:<start>:. */
void drift_dedup_retire(struct drift_dedup *d, const char *blob, struct drift_idset **set, uint64_t *held);

/* A flush: pack each window's set, reserve the sum of the bytes, then save each.  What save hands to `set` lives until
 * the next reserve or flushed. */
size_t drift_dedup_pack(struct drift_dedup *d, const char *blob, struct drift_idset *set, size_t *budget);
void drift_dedup_reserve(struct drift_dedup *d, size_t bytes);
typedef void drift_dedup_field_fn(void *ctx, const char *name, const char *value, size_t len);
void drift_dedup_save(struct drift_dedup *d, const char *blob, const struct drift_idset *set,
                      drift_dedup_field_fn *field, void *ctx);
/* Value of field dk when this flush must write it, else NULL. */
const char *drift_dedup_key(struct drift_dedup *d);
/* The fields to delete in this flush. */
size_t drift_dedup_dead(struct drift_dedup *d, char *const **ret);
/* The flush was applied; the sets are told by drift_idset_flushed(). */
void drift_dedup_flushed(struct drift_dedup *d);

#endif
