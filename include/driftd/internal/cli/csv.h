/* csv.h - records of comma-separated text, line by line.
 *
 * RFC 4180: fields between commas; a field in double quotes may hold commas, line ends and quotes, the latter doubled.
 * Stricter than most readers, since a file that is cut wrongly gives numbers that look good: a quote inside an unquoted
 * field, text behind a closing quote and a record beyond the maxima are errors.  Blanks belong to the field.
 * Memory: the longest record, at most max_bytes, and 16 bytes a field.  Threads: one owner. */
#ifndef DRIFTD_CLI_CSV_H
#define DRIFTD_CLI_CSV_H

#include "driftd/internal/base/text.h"

struct drift_csv {
    /* the record, when a line has completed it */
    struct drift_str *field; /* [n_fields]; of the line that was given, or of `text` */
    size_t n_fields;
    /* private */
    size_t max_fields, cap_fields;
    struct drift_buf text; /* fields without their quotes, one behind the other */
    bool open;             /* inside quotes at the end of the last line */
    char why[80];          /* a text that is not static */
};

enum drift_csv_state {
    DRIFT_CSV_RECORD, /* complete: valid until the next line is given, and as long as the line itself */
    DRIFT_CSV_MORE,   /* a quoted field goes on: give the next line */
    DRIFT_CSV_BAD     /* not CSV; give no more lines */
};

void drift_csv_init(struct drift_csv *c, size_t max_bytes, size_t max_fields);
void drift_csv_release(struct drift_csv *c);
/* The next line, without its end; cr: its end was CR LF (kept where it stands inside quotes).
 * ret_why: written for BAD, valid as long as c.  A file must not end in MORE. */
enum drift_csv_state drift_csv_line(struct drift_csv *c, const char *line, size_t n, bool cr, const char **ret_why);

#endif
