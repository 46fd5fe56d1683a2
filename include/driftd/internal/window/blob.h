/* blob.h - a summary as bytes: packed, versioned, checksummed.
 *
 *     u8 format (1; 2 with sketches) | u8 flags | varint plan seq | layout digest (16 bytes, first half) | varint n
 *     per column and per block   bitmap of the counters that are not 0, then their zigzag deltas (varints)
 *     per tally                  varint slots, (string, varint count)*, varint other
 *     format 2 only              varint sketches, (varint column, u8 joined, varint floor, varint slots,
 *                                (string, varint count, varint error, varint floors)*)*, see frequent.h
 *     u32                        CRC32C of everything before it
 *
 * flags: 1 = partial, the partition was not read from the window's beginning.  Loading takes hostile bytes. */
#ifndef DRIFTD_WINDOW_BLOB_H
#define DRIFTD_WINDOW_BLOB_H

#include "driftd/internal/base/buf.h"
#include "driftd/internal/base/err.h"
#include "driftd/internal/flow.h"

struct drift_blob_head {
    uint32_t plan_seq;
    bool partial;
    uint8_t layout[16];
    uint64_t n;
};
void drift_blob_save(const struct drift_summary *s, uint32_t plan_seq, bool partial, struct drift_buf *out);
/* Head only; checks format, length, CRC. */
int drift_blob_head(const void *p, size_t len, struct drift_blob_head *ret, struct drift_err *err) DRIFT_MUST_CHECK;
/* Adds the blob's counts to `into`; DRIFT_E_MISMATCH when its layout is another one (into unchanged then; on
 * DRIFT_E_CORRUPT and DRIFT_E_PARSE too). */
int drift_blob_add(const void *p, size_t len, struct drift_summary *into, struct drift_err *err) DRIFT_MUST_CHECK;
/* Only counts and tallies, for baselines: no head, no sketches, no CRC. */
void drift_summary_save(const struct drift_summary *s, struct drift_buf *out);
int drift_summary_load(struct drift_rd *r, struct drift_summary *into);

#endif
