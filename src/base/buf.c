/* src/base/buf.c    Growing buffer with a maximum, and a bounds-checked reader. */
#include "driftd/internal/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void drift_buf_init(struct drift_buf *b, size_t max)
{
    *b = (struct drift_buf){.max = max};
}

void drift_buf_release(struct drift_buf *b)
{
    free(b->data);
    *b = (struct drift_buf){.max = b->max};
}

void drift_buf_reset(struct drift_buf *b)
{
    b->len = 0;
    b->full = false;
    if (b->data)
        b->data[0] = 0;
}

char *drift_buf_room(struct drift_buf *b, size_t n)
{
    if (n > b->max || b->len > b->max - n) {
        b->full = true;
        return NULL;
    }
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 256;
        while (cap < need)
            cap *= 2;
        b->data = drift_xrealloc(b->data, cap, 1);
        b->cap = cap;
    }
    return b->data + b->len;
}

void drift_buf_add(struct drift_buf *b, const void *p, size_t n)
{
    char *to = drift_buf_room(b, n);
    if (!to)
        return;
    if (n)
        memcpy(to, p, n);
    b->len += n;
    b->data[b->len] = 0;
}

void drift_buf_adds(struct drift_buf *b, const char *s)
{
    drift_buf_add(b, s, strlen(s));
}

void drift_buf_addf(struct drift_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        drift_bug("bad format");
    char *to = drift_buf_room(b, (size_t)n);
    if (!to)
        return;
    va_start(ap, fmt);
    vsnprintf(to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void drift_buf_put_u8(struct drift_buf *b, uint8_t v)
{
    drift_buf_add(b, &v, 1);
}

void drift_buf_put_u32(struct drift_buf *b, uint32_t v)
{
    uint8_t x[4];
    for (int i = 0; i < 4; i++)
        x[i] = (uint8_t)(v >> (8 * i));
    drift_buf_add(b, x, 4);
}

void drift_buf_put_u64(struct drift_buf *b, uint64_t v)
{
    uint8_t x[8];
    for (int i = 0; i < 8; i++)
        x[i] = (uint8_t)(v >> (8 * i));
    drift_buf_add(b, x, 8);
}

void drift_buf_put_f64(struct drift_buf *b, double v)
{
    uint64_t u;
    memcpy(&u, &v, 8);
    drift_buf_put_u64(b, u);
}

void drift_buf_put_varint(struct drift_buf *b, uint64_t v)
{
    uint8_t x[10];
    size_t n = 0;
    for (; v > 0x7f; v >>= 7)
        x[n++] = (uint8_t)(v | 0x80);
    x[n++] = (uint8_t)v;
    drift_buf_add(b, x, n);
}

void drift_buf_put_str(struct drift_buf *b, const char *s)
{
    size_t n = strlen(s);
    drift_buf_put_varint(b, n);
    drift_buf_add(b, s, n);
}

const uint8_t *drift_rd_bytes(struct drift_rd *r, size_t n)
{
    if (r->bad || (size_t)(r->end - r->p) < n) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *p = r->p;
    r->p += n;
    return p;
}

uint8_t drift_rd_u8(struct drift_rd *r)
{
    const uint8_t *p = drift_rd_bytes(r, 1);
    return p ? *p : 0;
}

static uint64_t rd_le(struct drift_rd *r, size_t n)
{
    const uint8_t *p = drift_rd_bytes(r, n);
    uint64_t v = 0;
    for (size_t i = 0; p && i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint32_t drift_rd_u32(struct drift_rd *r)
{
    return (uint32_t)rd_le(r, 4);
}

uint64_t drift_rd_u64(struct drift_rd *r)
{
    return rd_le(r, 8);
}

double drift_rd_f64(struct drift_rd *r)
{
    uint64_t u = rd_le(r, 8);
    double v;
    memcpy(&v, &u, 8);
    return v;
}

uint64_t drift_rd_varint(struct drift_rd *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t x = drift_rd_u8(r);
        if (shift == 63 && x > 1)
            break;
        v |= (uint64_t)(x & 0x7f) << shift;
        if (x < 0x80)
            return r->bad ? 0 : v;
    }
    r->bad = true;
    return 0;
}

char *drift_rd_str(struct drift_rd *r, size_t max)
{
    uint64_t n = drift_rd_varint(r);
    if (n > max)
        r->bad = true;
    const uint8_t *p = r->bad ? NULL : drift_rd_bytes(r, (size_t)n);
    return p ? drift_xstrndup((const char *)p, (size_t)n) : NULL;
}
