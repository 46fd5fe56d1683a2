/* src/cli/csv.c    Records of comma-separated text, line by line; for commands that read files.
 *
 * Most lines hold no quote: they are cut where they lie.  The others are copied without their quotes, byte by byte;
 * where a field of the copy begins is kept as an offset until the record is complete, since the copy may move. */
#include "driftd/internal/cli/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char too_long[] = "record is too long (a quote that does not close?)",
                  inside[] = "a quote inside an unquoted field", behind[] = "text behind a closing quote";

void drift_csv_init(struct drift_csv *c, size_t max_bytes, size_t max_fields)
{
    *c = (struct drift_csv){.max_fields = max_fields};
    drift_buf_init(&c->text, max_bytes + 1);
}

void drift_csv_release(struct drift_csv *c)
{
    free(c->field);
    drift_buf_release(&c->text);
    *c = (struct drift_csv){0};
}

static struct drift_str *field_new(struct drift_csv *c)
{
    if (c->n_fields == c->max_fields)
        return NULL;
    if (c->n_fields == c->cap_fields) {
        c->cap_fields = c->cap_fields ? 2 * c->cap_fields : 64;
        c->field = drift_xrealloc(c->field, c->cap_fields, sizeof *c->field);
    }
    return &c->field[c->n_fields++];
}

static enum drift_csv_state bad(const char *why, const char **ret_why)
{
    *ret_why = why;
    return DRIFT_CSV_BAD;
}

static enum drift_csv_state too_many(struct drift_csv *c, const char **ret_why)
{
    snprintf(c->why, sizeof c->why, "more than %zu fields: leave some out of the file", c->max_fields);
    return bad(c->why, ret_why);
}

static enum drift_csv_state cut_plain(struct drift_csv *c, const char *p, size_t n, const char **ret_why)
{
    const char *end = p + n;
    for (;;) {
        const char *comma = p;
        while (comma < end && *comma != ',')
            comma++;
        struct drift_str *f = field_new(c);
        if (!f)
            return too_many(c, ret_why);
        *f = (struct drift_str){p, (size_t)(comma - p)};
        if (comma == end)
            return DRIFT_CSV_RECORD;
        p = comma + 1;
    }
}

/* The rest of a quoted field up to its closing quote; to: where the copy goes on.  NULL: it is not in this line. */
static const char *copy_quoted(const char *p, const char *end, char **to)
{
    for (; p < end; p++) {
        if (*p == '"') {
            if (p + 1 == end || p[1] != '"')
                return p + 1;
            p++;
        }
        *(*to)++ = *p;
    }
    return NULL;
}

/* Lengths are known when the record is: a field ends where the next begins. */
static enum drift_csv_state complete(struct drift_csv *c)
{
    size_t end = c->text.len;
    for (size_t i = c->n_fields; i-- > 0;) {
        size_t from = c->field[i].n;
        c->field[i] = (struct drift_str){c->text.data + from, end - from};
        end = from;
    }
    return DRIFT_CSV_RECORD;
}

/* Begins a field at p, which may be the end of the line; p behind it, or NULL when it goes on in the next line. */
static const char *copy_field(const char *p, const char *end, char **to, const char **ret_why)
{
    if (p < end && *p == '"') {
        p = copy_quoted(p + 1, end, to);
        if (p && p < end && *p != ',')
            *ret_why = behind;
        return p;
    }
    for (; p < end && *p != ','; p++) {
        if (*p == '"')
            *ret_why = inside;
        *(*to)++ = *p;
    }
    return p;
}

static enum drift_csv_state cut_quoted(struct drift_csv *c, const char *p, size_t n, bool cr, const char **ret_why)
{
    const char *end = p + n, *why = NULL;
    bool first = !c->open;
    char *to = drift_buf_room(&c->text, n + 2); /* the copy is not longer than line and line end */
    if (!to)
        return bad(too_long, ret_why);
    if (c->open) {
        p = copy_quoted(p, end, &to);
        if (p && p < end && *p != ',')
            return bad(behind, ret_why);
    }
    while (p && (first || p < end)) {
        p += !first; /* the comma */
        first = false;
        struct drift_str *f = field_new(c);
        if (!f)
            return too_many(c, ret_why);
        f->n = (size_t)(to - c->text.data);
        p = copy_field(p, end, &to, &why);
        if (why)
            return bad(why, ret_why);
    }
    if (!p) {
        if (cr)
            *to++ = '\r';
        *to++ = '\n';
    }
    c->text.len = (size_t)(to - c->text.data);
    c->open = !p;
    return p ? complete(c) : DRIFT_CSV_MORE;
}

enum drift_csv_state drift_csv_line(struct drift_csv *c, const char *line, size_t n, bool cr, const char **ret_why)
{
    if (!c->open) {
        c->n_fields = 0;
        drift_buf_reset(&c->text);
        if (!n || !memchr(line, '"', n))
            return cut_plain(c, line, n, ret_why);
    }
    return cut_quoted(c, line, n, cr, ret_why);
}
