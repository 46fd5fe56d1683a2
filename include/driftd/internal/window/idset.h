/* idset.h - the event ids that one open window has counted, as keyed 128-bit names, and how they lie in the slot.
 *
 * Ids keep the order in which they came; a table of positions finds them.  In the slot the same order lies in chunks,
 * one field each, named by the position of its first id, which together leave no gap:
 *
 *     chunk: format (1), level, ids of 16 bytes, CRC32C
 *     0                16384            32768    36864    37120 37136
 *     | full           | full           | lvl 2  | lvl 1  | 0 | 0 |         a flush appends a chunk of level 0
 *
 * When 16 chunks of one level stand at the end they become one of the next level, and 16,384 ids become a full chunk
 * that is never written again.  So an id is written at most six times, a set of n ids has n / 16384 + 60 fields at
 * most, and a flush writes what is new and at most 256 KiB a window beside. Memory: 16 bytes an id, and 5 to 11 for its
 * place in the table. Threads: one owner. */
#ifndef DRIFTD_WINDOW_IDSET_H
#define DRIFTD_WINDOW_IDSET_H

#include <stdbool.h>
#include <stdint.h>

#include "driftd/internal/config/config.h"

enum {
    DRIFT_ID_BYTES = 16,
    DRIFT_IDSET_FULL = 16384,              /* ids of a full chunk */
    DRIFT_IDSET_RUN = 16,                  /* chunks of one level that become one */
    DRIFT_IDSET_MAX = DRIFT_DEDUP_IDS_MAX, /* ids of a set */
    DRIFT_IDSET_CHUNK_BYTES = 2 + DRIFT_ID_BYTES * DRIFT_IDSET_FULL + 4
};

struct drift_idset;
struct drift_idset *drift_idset_new(void);
void drift_idset_free(struct drift_idset *s); /* NULL is fine */
uint32_t drift_idset_count(const struct drift_idset *s);
size_t drift_idset_bytes(const struct drift_idset *s); /* memory */
bool drift_idset_has(const struct drift_idset *s, const uint8_t id[DRIFT_ID_BYTES]);
/* False: it was there, nothing changes.  The caller keeps the count below DRIFT_IDSET_MAX. */
bool drift_idset_add(struct drift_idset *s, const uint8_t id[DRIFT_ID_BYTES]);

struct drift_idset_chunk {
    uint32_t from, n; /* ids at positions [from, from + n) */
    uint8_t level;
    bool dirty;  /* the slot has not these bytes under that name */
    bool stored; /* the slot has a field of that name */
};
/* A field of the slot that no chunk has any more. */
typedef void drift_idset_dead_fn(void *ctx, uint32_t from);
/* Puts all ids into chunks.  *budget: bytes that levels may still rewrite in this flush; what passes it is left for the
 * next one.  Calling it again before the flush changes nothing. */
void drift_idset_pack(struct drift_idset *s, size_t *budget, drift_idset_dead_fn *dead, void *ctx);
size_t drift_idset_chunks(const struct drift_idset *s, const struct drift_idset_chunk **ret); /* after pack */
size_t drift_idset_chunk_bytes(const struct drift_idset_chunk *c);
void drift_idset_save(const struct drift_idset *s, const struct drift_idset_chunk *c, struct drift_buf *out);
/* The flush was applied: the slot has all chunks of the last pack. */
void drift_idset_flushed(struct drift_idset *s);

/* Takes over a chunk of the slot; chunks come in ascending order of `from`.  *ret_dead: a larger chunk before it has
 * all its ids (a flush that was cut off between writing and deleting): delete the field. DRIFT_E_VERSION,
 * DRIFT_E_CORRUPT (checksum, a gap, an overlap), DRIFT_E_PARSE. */
int drift_idset_load(struct drift_idset *s, uint32_t from, const void *p, size_t len, bool *ret_dead,
                     struct drift_err *err) DRIFT_MUST_CHECK;

#endif
