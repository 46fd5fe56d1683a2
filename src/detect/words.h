/* words.h - 64-bit numbers to and from a bounded span; private to the detect room.
 *
 * A writer without room only counts, so that a length can be asked for; a reader that ran over remembers it and gives
 * 0. Everything is eight bytes wide, little endian, doubles as their bits (bytes.h has narrower ones). */
#ifndef DRIFTD_DETECT_WORDS_H
#define DRIFTD_DETECT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct words_out {
    uint8_t *p; /* NULL: only count */
    size_t cap, len;
};
struct words_in {
    const uint8_t *p;
    size_t len, at;
    bool over;
};

static inline void put_u64(struct words_out *o, uint64_t v)
{
    for (int i = 0; i < 8; i++, o->len++)
        if (o->p && o->len < o->cap)
            o->p[o->len] = (uint8_t)(v >> (8 * i));
}
static inline void put_f64(struct words_out *o, double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    put_u64(o, u);
}
static inline uint64_t get_u64(struct words_in *in)
{
    uint64_t v = 0;
    if (in->len - in->at < 8) {
        in->over = true;
        in->at = in->len;
        return 0;
    }
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)in->p[in->at++] << (8 * i);
    return v;
}
static inline double get_f64(struct words_in *in)
{
    uint64_t u = get_u64(in);
    double v;
    memcpy(&v, &u, sizeof v);
    return v;
}

#endif
