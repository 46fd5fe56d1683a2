/* tests/unit/cli/test_csv.c    Records of comma-separated text: what RFC 4180 allows, what is refused, and back. */
#include "driftd/internal/cli/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { MOST = 1 << 16, FIELDS = 8 };

/* All records of a text as one: fields end in `|`, records in `/`; the reason when it is refused, "open" when it ends
 * inside quotes. */
static const char *read_all(const char *text, size_t n, size_t max_bytes)
{
    static char out[4 * MOST];
    struct drift_csv c;
    enum drift_csv_state state = DRIFT_CSV_RECORD;
    const char *why = NULL, *end = text + n;
    size_t at = 0;
    drift_csv_init(&c, max_bytes, FIELDS);
    while (text < end && !why) {
        const char *lf = memchr(text, '\n', (size_t)(end - text));
        size_t len = (size_t)((lf ? lf : end) - text);
        bool cr = lf && len && text[len - 1] == '\r';
        char *line = malloc(len ? len - cr : 1); /* of its own size, so that a read past its end shows */
        memcpy(line, text, len - cr);
        state = drift_csv_line(&c, line, len - cr, cr, &why);
        for (size_t i = 0; state == DRIFT_CSV_RECORD && i < c.n_fields; i++) {
            if (c.field[i].n)
                memcpy(out + at, c.field[i].p, c.field[i].n);
            at += c.field[i].n;
            out[at++] = '|';
        }
        if (state == DRIFT_CSV_RECORD)
            out[at++] = '/';
        free(line);
        text = lf ? lf + 1 : end;
    }
    out[at] = 0;
    if (why)
        snprintf(out, sizeof out, "%s", why);
    drift_csv_release(&c);
    return why ? out : state == DRIFT_CSV_MORE ? "open" : out;
}

START_TEST(cases)
{
    static const struct {
        const char *text, *want;
    } at[] = {
        {"a,b\n1,2\n", "a|b|/1|2|/"},
        {"a,b\r\n1,2", "a|b|/1|2|/"},
        {",\n", "||/"},
        {"a,\n,b\n", "a||/|b|/"},
        {"\"a\",\"b\"\n", "a|b|/"},
        {"\"\",x,\"\"\n", "|x||/"},
        {"\"a,b\",c\n", "a,b|c|/"},
        {"\"say \"\"hi\"\"\",c\n", "say \"hi\"|c|/"},
        {"\"\"\"\"\n", "\"|/"},
        {"a,\"b\nc\",d\n", "a|b\nc|d|/"},
        {"a,\"b\r\nc\r\n\",d\r\ne", "a|b\r\nc\r\n|d|/e|/"},
        {"\"\n\n\",\n", "\n\n||/"},
        {"\"a\n\"\nb\n", "a\n|/b|/"},
        {"\"a\n\",\"b\n,\"\n", "a\n|b\n,|/"},
        {"x,\"\"\"\n\"\"\",y\n", "x|\"\n\"|y|/"},
        {" a , b\n", " a | b|/"},
        {"a\rb,c\n", "a\rb|c|/"},
        {"1,2,3,4,5,6,7,8\n", "1|2|3|4|5|6|7|8|/"},
        {"1,2,3,4,5,6,7,8,9\n", "more than 8 fields: leave some out of the file"},
        {"\"1\",2,3,4,5,6,7,8,\n", "more than 8 fields: leave some out of the file"},
        {"\"a\"b\n", "text behind a closing quote"},
        {"\"a\" ,b\n", "text behind a closing quote"},
        {"\"a\nb\"c\n", "text behind a closing quote"},
        {"a\"b\n", "a quote inside an unquoted field"},
        {" \"a\"\n", "a quote inside an unquoted field"},
        {"x,5\" pipe\n", "a quote inside an unquoted field"},
        {"\"a\n", "open"},
        {"\"a\nb,c\nd", "open"},
        {"a,\"\"\"\n", "open"},
    };
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        ck_assert_str_eq(read_all(at[i].text, strlen(at[i].text), MOST), at[i].want);
}
END_TEST

START_TEST(long_records)
{
    char *text = malloc(3 * MOST);
    memset(text, 'x', 3 * MOST);
    text[0] = '"';
    for (size_t i = 99; i < 3 * MOST; i += 100)
        text[i] = '\n';
    ck_assert_str_eq(read_all(text, 3 * MOST, MOST), "record is too long (a quote that does not close?)");
    text[MOST - 3] = '"';
    text[MOST - 2] = '\n';
    ck_assert_uint_eq(strlen(read_all(text, MOST - 1, MOST)), MOST - 4 + 2); /* fits: all but quotes and line end */
    free(text);
}
END_TEST

/* Random fields, written as the RFC says in one of the ways that it leaves open, come back. */
START_TEST(round_trip)
{
    static const char letters[] = "a,\"\n\r 1;|";
    struct drift_rng r = drift_rng_new(1);
    static char text[MOST], want[MOST];
    for (int k = 0; k < 20000; k++) {
        size_t n = 0, w = 0;
        for (uint64_t record = 1 + drift_rng_below(&r, 3); record-- > 0;) {
            for (uint64_t fields = 1 + drift_rng_below(&r, FIELDS); fields-- > 0;) {
                char value[8];
                size_t len = (size_t)drift_rng_below(&r, sizeof value);
                bool quote = drift_rng_below(&r, 2) || (!len && !fields); /* a last empty one: no `\r` hides */
                for (size_t i = 0; i < len; i++) {
                    value[i] = letters[drift_rng_below(&r, sizeof letters - 1)];
                    quote = quote || strchr(",\"\n\r", value[i]);
                }
                memcpy(want + w, value, len);
                w += len;
                want[w++] = '|';
                if (quote)
                    text[n++] = '"';
                for (size_t i = 0; i < len; i++) {
                    text[n++] = value[i];
                    if (value[i] == '"')
                        text[n++] = '"';
                }
                if (quote)
                    text[n++] = '"';
                text[n++] = ',';
            }
            n--;
            want[w++] = '/';
            if (drift_rng_below(&r, 2))
                text[n++] = '\r';
            text[n++] = '\n';
        }
        want[w] = 0;
        ck_assert_str_eq(read_all(text, n, MOST), want);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("csv");
    drift_test_add(s, "cases", cases, 5);
    drift_test_add(s, "long records", long_records, 5);
    drift_test_add(s, "round trip", round_trip, 20);
    return drift_test_run(s);
}
