/* src/judge/text.c    Any bytes as a JSON string, for the bodies of verdicts and actions.
 *
 * Names of features and values of versions come from records.  What is not UTF-8 becomes \xNN, not U+FFFD: two names
 * that differ must stay two names, or one column would hide another. */
#include "driftd/internal/judge/outcome.h"

#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 sequence at s (NUL-terminated); 0: none.  Overlong forms, surrogates and everything beyond
 * U+10FFFF are refused, as jansson does. */
static size_t sequence(const unsigned char *s)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } form[] = {{0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};
    if (s[0] < 0x80)
        return 1;
    for (size_t k = 0; k < 3; k++) {
        if ((s[0] & form[k].mask) != form[k].lead)
            continue;
        uint32_t c = s[0] & (unsigned char)~form[k].mask;
        for (size_t i = 1; i <= k + 1; i++) {
            if ((s[i] & 0xC0) != 0x80)
                return 0;
            c = c << 6 | (s[i] & 0x3F);
        }
        return c < form[k].least || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? 0 : k + 2;
    }
    return 0;
}

json_t *drift_text_json(const char *s)
{
    json_t *plain = json_string(s);
    if (plain)
        return plain;
    struct drift_buf b;
    drift_buf_init(&b, 4 * strlen(s) + 1);
    for (const unsigned char *p = (const unsigned char *)s; *p;) {
        size_t n = sequence(p);
        if (n)
            drift_buf_add(&b, p, n);
        else
            drift_buf_addf(&b, "\\x%02x", *p);
        p += n ? n : 1;
    }
    json_t *j = json_string(b.data);
    drift_buf_release(&b);
    if (!j)
        drift_bug("text is not UTF-8 after its bad bytes were escaped");
    return j;
}
