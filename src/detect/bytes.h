/* bytes.h - numbers to and from bytes, bounded; private to the detect room, which does not know base.
 *
 * Little endian; doubles as their bits.  A writer that is full only counts, as one into NULL does, so that a length can
 * be asked for; a reader that ran over remembers it and gives 0.  Callers look once, at the end. */
#ifndef DRIFTD_DETECT_BYTES_H
#define DRIFTD_DETECT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes_writer {
    uint8_t *p; /* NULL: only count */
    size_t cap, len;
};
struct bytes_reader {
    const uint8_t *p, *end;
    bool bad;
};

static inline void bytes_put(struct bytes_writer *w, uint64_t v, unsigned n_bytes)
{
    for (unsigned i = 0; i < n_bytes; i++, w->len++, v >>= 8)
        if (w->p && w->len < w->cap)
            w->p[w->len] = (uint8_t)v;
}
static inline void bytes_put_varint(struct bytes_writer *w, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        bytes_put(w, (v & 0x7f) | 0x80, 1);
    bytes_put(w, v, 1);
}
static inline void bytes_put_signed(struct bytes_writer *w, int64_t v)
{
    bytes_put_varint(w, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}
static inline void bytes_put_double(struct bytes_writer *w, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bytes_put(w, bits, 8);
}

/* The bytes written; 0 when there was no room for all. */
static inline size_t bytes_written(const struct bytes_writer *w)
{
    return w->len <= w->cap ? w->len : 0;
}

static inline uint64_t bytes_get(struct bytes_reader *r, unsigned n_bytes)
{
    uint64_t v = 0;
    if ((size_t)(r->end - r->p) < n_bytes)
        r->bad = true;
    for (unsigned i = 0; i < n_bytes && !r->bad; i++)
        v |= (uint64_t)*r->p++ << 8 * i;
    return v;
}
static inline uint64_t bytes_get_varint(struct bytes_reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint64_t b = bytes_get(r, 1);
        if (shift == 63 && b > 1)
            r->bad = true; /* more than 64 bits */
        if (r->bad)
            return 0;
        v |= (b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
}
static inline int64_t bytes_get_signed(struct bytes_reader *r)
{
    uint64_t z = bytes_get_varint(r);
    return (int64_t)(z >> 1 ^ (0 - (z & 1)));
}
static inline double bytes_get_double(struct bytes_reader *r)
{
    uint64_t bits = bytes_get(r, 8);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#endif
