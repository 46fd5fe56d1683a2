/* avro_read.h - Avro's binary primitives, every read bounded.  For avro_run.c and avro_leaves.c.
 *
 * Each takes the cursor and returns false (cursor undefined) when the bytes are not there or not allowed. */
#ifndef DRIFTD_DECODE_AVRO_READ_H
#define DRIFTD_DECODE_AVRO_READ_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct drift_avro_cursor {
    const uint8_t *p, *end;
    uint64_t budget; /* items and calls left */
};

/* Zigzag varint of at most 64 bits. */
static inline bool drift_avro_long(struct drift_avro_cursor *c, int64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; c->p < c->end && shift < 70; shift += 7) {
        uint8_t b = *c->p++;
        if (shift == 63 && b > 1)
            return false; /* beyond 64 bits */
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *ret = (int64_t)(v >> 1 ^ -(v & 1));
            return true;
        }
    }
    return false;
}
static inline bool drift_avro_int(struct drift_avro_cursor *c, int64_t *ret)
{
    return drift_avro_long(c, ret) && *ret >= INT32_MIN && *ret <= INT32_MAX;
}
static inline bool drift_avro_has(const struct drift_avro_cursor *c, uint64_t n)
{
    return (uint64_t)(c->end - c->p) >= n;
}
static inline bool drift_avro_blob(struct drift_avro_cursor *c, const uint8_t **ret, size_t *ret_n)
{
    int64_t n;
    if (!drift_avro_long(c, &n) || n < 0 || !drift_avro_has(c, (uint64_t)n))
        return false;
    *ret = c->p;
    *ret_n = (size_t)n;
    c->p += n;
    return true;
}
static inline bool drift_avro_f64(struct drift_avro_cursor *c, double *ret)
{
    if (!drift_avro_has(c, 8))
        return false;
    memcpy(ret, c->p, 8);
    c->p += 8;
    return true;
}
static inline bool drift_avro_f32(struct drift_avro_cursor *c, double *ret)
{
    float f;
    if (!drift_avro_has(c, 4))
        return false;
    memcpy(&f, c->p, 4);
    *ret = (double)f;
    c->p += 4;
    return true;
}
static inline bool drift_avro_bool(struct drift_avro_cursor *c, bool *ret)
{
    if (c->p == c->end || *c->p > 1)
        return false;
    *ret = *c->p++;
    return true;
}
/* Index of a union's branch or an enum's symbol. */
static inline bool drift_avro_index(struct drift_avro_cursor *c, uint32_t n, uint32_t *ret)
{
    int64_t i;
    if (!drift_avro_long(c, &i) || i < 0 || i >= (int64_t)n)
        return false;
    *ret = (uint32_t)i;
    return true;
}
/* Number of items in the next block of an array or map; 0: no more.  A block's size in bytes, which a writer may
 * give, is checked and otherwise not used: the items say themselves where they end. */
static inline bool drift_avro_block(struct drift_avro_cursor *c, uint64_t *ret)
{
    int64_t n, bytes;
    if (!drift_avro_long(c, &n))
        return false;
    if (n < 0) {
        if (n == INT64_MIN || !drift_avro_long(c, &bytes) || bytes < 0 || !drift_avro_has(c, (uint64_t)bytes))
            return false;
        n = -n;
    }
    *ret = (uint64_t)n;
    return true;
}
static inline bool drift_avro_spend(struct drift_avro_cursor *c)
{
    return c->budget-- > 0;
}
static inline struct drift_avro_cursor drift_avro_cursor(const uint8_t *p, size_t n)
{
    return (struct drift_avro_cursor){p, p + n, n + 65536};
}

/* Two's complement, big endian, divided by 10^scale. */
double drift_avro_decimal(const uint8_t *p, size_t n, uint32_t scale);

#endif
