/* sheet.h - a table of short texts, printed for eyes or as Markdown.
 *
 * Cells are added row by row.  Widths are counted in characters, not bytes.  Threads: one owner. */
#ifndef DRIFTD_CLI_SHEET_H
#define DRIFTD_CLI_SHEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "driftd/internal/base/err.h"

struct drift_sheet;
/* title: shape [n], borrowed; `>` in front of one: its column is set to the right. */
struct drift_sheet *drift_sheet_new(const char *const *title, size_t n);
void drift_sheet_free(struct drift_sheet *s);
void drift_sheet_add(struct drift_sheet *s, const char *fmt, ...) DRIFT_PRINTF(2, 3);
/* A figure with so many digits behind the point; `-` when it is NaN. */
void drift_sheet_number(struct drift_sheet *s, int digits, double v);
/* A p-value: two digits that count; 0 is one below the smallest double. */
void drift_sheet_p(struct drift_sheet *s, double v);
void drift_sheet_print(const struct drift_sheet *s, FILE *out, bool markdown);

#endif
