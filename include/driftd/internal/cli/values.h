/* values.h - the values themselves of two files' columns, for statistics that counts cannot give exactly.
 *
 * Numbers are kept as doubles: 8 bytes a value, and as much again for the larger side while it is sorted, so at most
 * 16 bytes a value and side.  Categories are names with a count for each side.  Columns that do not fit in max_bytes
 * together wait for another reading of both files; one that does not fit alone is left out, and says so.
 * Threads: one owner. */
#ifndef DRIFTD_CLI_VALUES_H
#define DRIFTD_CLI_VALUES_H

#include "driftd/internal/flow.h"

enum { DRIFT_DISTINCT_MAX = 200000 }; /* categories of one column, both sides together */

struct drift_values_column {
    const struct drift_column *column; /* borrowed; its role says which value of an event */
    size_t n[2];                       /* numeric: how many valid values each side has; known from counting */
};
struct drift_values {
    size_t at;       /* place in the list of columns */
    const char *why; /* why there are no values, static text; NULL: there are */
    size_t n[2];
    double *x[2]; /* numeric: ascending, finite */
    size_t n_names;
    const struct drift_str *names; /* categorical: union of both sides, in byte order, cut by drift_name_cut */
    uint64_t *count[2];
};
/* Gives every row of a side (0 baseline, 1 current) to drift_values_row(collector, row). */
struct drift_collector;
typedef int drift_values_read(void *ctx, int side, struct drift_collector *collector, struct drift_err *err);
typedef void drift_values_use(void *ctx, const struct drift_values *v);
void drift_values_row(struct drift_collector *c, const struct drift_event *ev);

/* Calls use() for every column, in any order; what it is given is valid during the call.
 * Errors: those of read(), DRIFT_E_MISMATCH (a file has other values than when it was counted). */
int drift_values_each(const struct drift_values_column *columns, size_t n_columns, uint64_t max_bytes,
                      drift_values_read *read, drift_values_use *use, void *ctx,
                      struct drift_err *err) DRIFT_MUST_CHECK;

#endif
