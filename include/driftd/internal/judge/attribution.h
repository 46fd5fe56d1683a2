/* attribution.h - which values of a segment key make a change: leave-one-out, and the mix of values apart from what
 * changed within them.
 *
 * All figures are PSI in nats, noise taken off (psi.h).  A value explains as much as the index falls by when its events
 * are left out of window and baseline.  The mix: the baseline's values weighted as in the window give a third
 * distribution; what lies between it and the baseline comes from the mix alone, what lies between it and the window
 * happened within the values.
 * Cost: O(values^2 cells), no allocation.  Threads: pure. */
#ifndef DRIFTD_JUDGE_ATTRIBUTION_H
#define DRIFTD_JUDGE_ATTRIBUTION_H

#include <stdint.h>

enum { DRIFT_ATTRIBUTION_CELLS = 256, DRIFT_ATTRIBUTION_REMOVED = 3, DRIFT_ATTRIBUTION_SIDES = 65 };

enum drift_attribution_kind {
    DRIFT_ATTRIBUTION_NONE,   /* no change beyond noise (p >= .001) */
    DRIFT_ATTRIBUTION_MIX,    /* most of it is another mix of the values */
    DRIFT_ATTRIBUTION_VALUES, /* without `removed` at most half of it is left */
    DRIFT_ATTRIBUTION_ALIKE,  /* in many values */
    DRIFT_ATTRIBUTION_FEW     /* one value has nearly all events: nothing to leave out */
};
const char *drift_attribution_name(enum drift_attribution_kind k); /* "none", "mix", "values", "alike", "few" */

struct drift_attribution {
    enum drift_attribution_kind kind;
    double psi, p_value;
    double mix;  /* 0 .. 1: the mix's part of the change */
    double left; /* PSI without the removed ones */
    uint32_t n_removed;
    uint32_t removed[DRIFT_ATTRIBUTION_REMOVED]; /* most first */
};
/* base, cur: counts, shape [n_values][n_cells]; n_values 1 .. DRIFT_ATTRIBUTION_SIDES, n_cells 2 ..
 * DRIFT_ATTRIBUTION_CELLS; other shapes give NONE.  min_events: what must be left on both sides for a value to be left
 * out. */
void drift_attribute(const uint64_t *base, const uint64_t *cur, uint32_t n_values, uint32_t n_cells,
                     uint64_t min_events, struct drift_attribution *ret);

#endif
