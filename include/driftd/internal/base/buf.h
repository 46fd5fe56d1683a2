/* buf.h - a growing byte buffer that is born with its maximum.
 *
 * data is always NUL-terminated behind len (data may be NULL while nothing was added).  Adding past max sets
 * `full` and drops what does not fit; check it once at the end.  Threads: one owner. */
#ifndef DRIFTD_BASE_BUF_H
#define DRIFTD_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/internal/base/err.h"

struct drift_buf {
    char *data;
    size_t len, cap, max;
    bool full;
};

void drift_buf_init(struct drift_buf *b, size_t max);
void drift_buf_release(struct drift_buf *b);
void drift_buf_reset(struct drift_buf *b); /* len 0, memory kept */
/* Makes room for n more bytes; NULL (and full) when that passes max.  Write there, then add to len. */
char *drift_buf_room(struct drift_buf *b, size_t n);
void drift_buf_add(struct drift_buf *b, const void *p, size_t n);
void drift_buf_adds(struct drift_buf *b, const char *s);
void drift_buf_addf(struct drift_buf *b, const char *fmt, ...) DRIFT_PRINTF(2, 3);

/* Little-endian fixed-width and LEB128 numbers, for binary formats. */
void drift_buf_put_u8(struct drift_buf *b, uint8_t v);
void drift_buf_put_u32(struct drift_buf *b, uint32_t v);
void drift_buf_put_u64(struct drift_buf *b, uint64_t v);
void drift_buf_put_f64(struct drift_buf *b, double v);
void drift_buf_put_varint(struct drift_buf *b, uint64_t v);
void drift_buf_put_str(struct drift_buf *b, const char *s); /* varint length, bytes */

/* Reader over bytes that somebody else owns.  A read past the end sets bad and gives zeros. */
struct drift_rd {
    const uint8_t *p, *end;
    bool bad;
};
uint8_t drift_rd_u8(struct drift_rd *r);
uint32_t drift_rd_u32(struct drift_rd *r);
uint64_t drift_rd_u64(struct drift_rd *r);
double drift_rd_f64(struct drift_rd *r);
uint64_t drift_rd_varint(struct drift_rd *r);
const uint8_t *drift_rd_bytes(struct drift_rd *r, size_t n);
/* Heap copy (free()) of a length-prefixed string of at most max bytes; NULL and bad otherwise. */
char *drift_rd_str(struct drift_rd *r, size_t max);

#endif
