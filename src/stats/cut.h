/* cut.h - where to cut a text that is too long; private to the stats room. */
#ifndef DRIFTD_STATS_CUT_H
#define DRIFTD_STATS_CUT_H

#include <stddef.h>
#include <string.h>

/* Bytes of s (n of them) to keep: up to the first NUL, at most max (> 4), and no part of a UTF-8 sequence. */
static inline size_t cut_text(const char *s, size_t n, size_t max)
{
    size_t len = strnlen(s, n < max ? n : max);
    if (len < max || len == n)
        return len;
    size_t back = len;
    while (back > len - 4 && ((unsigned char)s[back] & 0xc0) == 0x80)
        back--;
    return ((unsigned char)s[back] & 0xc0) == 0x80 ? len : back; /* not UTF-8 anyway: cut anywhere */
}

#endif
