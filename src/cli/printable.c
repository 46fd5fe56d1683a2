/* src/cli/printable.c    Names from records on a terminal: control characters must not reach it. */
#include <string.h>

#include "driftd/internal/cli/source.h"

const char *drift_printable(const char *s, char *buf, size_t cap)
{
    size_t n = 0;
    for (; *s && n + 1 < cap; s++) {
        unsigned char c = (unsigned char)*s;
        bool c1 = c == 0xc2 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xa0; /* U+0080 .. U+009F */
        s += c1;
        buf[n++] = c < ' ' || c == 0x7f || c1 ? '?' : *s;
    }
    if (*s) /* cut: not in the middle of a character */
        while (n && ((unsigned char)*s & 0xc0) == 0x80)
            s--, n--;
    buf[n] = 0;
    return buf;
}
