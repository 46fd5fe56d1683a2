/* table.h - rows of a CSV or NDJSON file as events, for `compare` and training data.
 *
 * CSV as in RFC 4180 (csv.h) with a header or with names that are given; gzipped or not; `-` is standard input, which
 * like a pipe is kept to be read again (spool.h).  Columns keep their slot over all files that one table reads, so that
 * rows of the second file fit the cells made from the first.  A CSV says nothing about types: infer() reads the file
 * once, and a column whose values are not all numbers is text.  A category of a layout is found as it stands or as what
 * it would be in NDJSON: 1.0 as 1, True as true.  In a column of numbers true is 1.  Empty is null.  NDJSON: every
 * scalar with its dotted path is a column.  Only columns that are asked for count against the maximum.
 * Threads: one owner. */
#ifndef DRIFTD_CLI_TABLE_H
#define DRIFTD_CLI_TABLE_H

#include "driftd/internal/config/config.h"

struct drift_table;
struct drift_table_settings {
    const struct drift_model *model;         /* types of columns by name */
    const struct drift_layout *layout;       /* instead: what a feature is there; NULL: none */
    const struct drift_layout *label_layout; /* of training data: the label's categories; NULL: none */
    const char *label, *score;               /* columns with these roles; NULL: none */
    const char *const *columns;              /* globs; none: all */
    size_t n_columns;
    uint32_t max_features;     /* more are an error that names --columns; 0: as many as a record may have, 65536 */
    const char *const *header; /* names of the columns of CSV files that have no header; none: they have one */
    size_t n_header;
};
struct drift_table *drift_table_new(const struct drift_table_settings *s);
void drift_table_free(struct drift_table *t);

/* Has any row or header had the column? */
bool drift_table_has(const struct drift_table *t, const char *column);

/* Has any of them a name that the glob matches?  Those that were not asked for, too. */
bool drift_table_matches(const struct drift_table *t, const char *glob);
/* Reads its beginning. */
int drift_table_is_json(struct drift_table *t, const char *file, bool *ret, struct drift_err *err) DRIFT_MUST_CHECK;

/* Finds out which columns of a CSV hold text.  Nothing to do for NDJSON. */
int drift_table_infer(struct drift_table *t, const char *file, struct drift_err *err) DRIFT_MUST_CHECK;

typedef void drift_table_fn(void *ctx, const struct drift_event *ev);
/* Every row; `what` names the pass in the progress line.  Errors: IO, PARSE (file:line: what). */
int drift_table_read(struct drift_table *t, const char *file, const char *what, drift_table_fn *row, void *ctx,
                     uint64_t *ret_rows, struct drift_err *err) DRIFT_MUST_CHECK;

#endif
