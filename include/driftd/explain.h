/* explain.h - what changed in a column, in numbers that people use and in words.
 *
 * Everything is read from counts: p of the baseline (m values), q of the window (n values), in the layout's cells.
 *     shift_sd      (mean_q - mean_p) / sd_p.  A cell stands for its middle, the outer ones for their edge; sd_p as in
 *                   cells.h.  Off by at most half the width of the cells that the values are in; values outside the
 *                   baseline's range count as at its end, so with `open` the shift is at least that large.
 *     spread        sd_q / sd_p of the same values
 *     median_*      straight line within the cell; values outside the range count as at its end
 *     category      the one whose share changed most, of those that the baseline has; ties: the risen one, the first
 *     the rates     of all counted events of the column, specials included
 * Source: own method, the plain moments and medians of values that stand where their cell does: only counts are kept.
 *
 * Texts are plain ASCII but for the names of columns and categories, whose control characters become '?' (and ` becomes
 * '). Cost: O(cells), no allocation.  Threads: pure. */
#ifndef DRIFTD_EXPLAIN_H
#define DRIFTD_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/summary.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { DRIFT_SHIFT_TEXT = 480, DRIFT_HISTOGRAM_TEXT = 2400 };

struct drift_shift {
    uint64_t n_before, n_after; /* values: events without a special */
    double rate_before[DRIFT_N_SPECIAL], rate_after[DRIFT_N_SPECIAL];
    bool has_shift, open; /* numeric, both sides have values, sd_p > 0; open: see above */
    double shift_sd, spread;
    double median_before, median_after; /* has_median: numeric with edges, both sides have values */
    bool has_median;
    double above_before, above_after, below_before, below_after; /* shares of values outside the baseline's range */
    bool has_category;
    uint32_t category; /* index into the column's categories */
    double share_before, share_after;
    double unseen_before, unseen_after; /* categories: shares of values that the layout does not know */
};

/* p, q: the column's counters, shape [DRIFT_N_SPECIAL + n_cells] (drift_summary_specials).  Sides without events give
 * rates 0 and nothing else. */
void drift_shift_of(const struct drift_column *c, const uint64_t *p, const uint64_t *q, struct drift_shift *ret);

/* 1: up, -1: down, 0: neither or unknown.  Of categories always 0. */
int drift_shift_direction(const struct drift_shift *d);

/* "moved up by 0.4 sd (median 54 to 71); 12 % of values above the baseline's maximum": the largest changes first, at
 * most three, NUL-terminated into buf.  "no change to speak of" when there is none.  Returns the length. */
size_t drift_shift_text(const struct drift_column *c, const struct drift_shift *d, char *buf, size_t cap);

/* "new: `ZZ` 4.1 %, `XQ` at least 0.8 %": the most frequent of the values that the column's layout does not know, at
 * most five, with their shares of the column's values.  Returns the length; 0 when there are none. */
size_t drift_unseen_text(const struct drift_summary *s, uint32_t column, char *buf, size_t cap);

/* Both sides as bars, a line a bin (or one of the most frequent categories), at most 14 lines of at most 76 columns.
 * utf8: bars of blocks, else of '#'.  Returns the length; 0 when a side has no values. */
size_t drift_histogram_text(const struct drift_column *c, const uint64_t *p, const uint64_t *q, bool utf8, char *buf,
                            size_t cap);

#ifdef __cplusplus
}
#endif
#endif
