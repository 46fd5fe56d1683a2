/* replay.h - how often would the evidence of a baseline have alarmed on that baseline's own traffic?
 *
 * A check of the promise before a window has been judged, by two series of windows in which nothing changes:
 *     drawn   windows drawn from the pool's shares, multinomial, each column by itself; the shares are drawn first from
 *             Dirichlet(counts), so that the pool's sampling error is in it as it will be in every later window
 *     own     the baseline's own windows in blocks of DRIFT_REPLAY_BLOCK at random places (moving blocks bootstrap:
 *             H. R. Kuensch, The jackknife and the bootstrap for general stationary observations, 1989), all columns
 *             of a window together: their wander, seasons and dependence are in it
 * Evidence is as in evidence.h; an alarm starts all of it anew.  The mean time between alarms should not be below the
 * configured A.  e-values of a window are computed once; series of them are only multiplied.  So `drawn` has up to
 * DRIFT_REPLAY_DRAWN windows a column, in new combinations each time.
 * The limits low and high are Poisson's for the share of alarms in as many windows as are distinct: a single odd window
 * alarms each time it comes up, so a longer series of the same windows knows no more.
 * Limits: blocks forget wander that lasts longer than a block, and windows that lie in the pool are nearer to it than
 * later ones, so `own` is a check that can fail, not a proof; slow wander is phase I's matter (phase1.h).
 *
 * Cost: 1 s for 50 columns and 336 windows, 4 s for 1,000 columns; 4 bytes a bet of a window, 60 MB at most with 1,000
 * columns.  Same input and seed give the same result on the same GSL.  Threads: pure. */
#ifndef DRIFTD_REPLAY_H
#define DRIFTD_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "driftd/evidence.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    DRIFT_REPLAY_BLOCK = 24,
    DRIFT_REPLAY_DRAWN = 512,
    DRIFT_REPLAY_WINDOWS = 100000 /* of a series, fewer with more than 200 columns, at least 10,000 */
};

struct drift_replay_series {
    double windows, alarms;
    double mean;      /* windows / alarms; without any alarm, windows */
    double distinct;  /* windows that the series is made of */
    double low, high; /* 95 % limits of the mean time between alarms; high 0: no upper limit */
};
struct drift_replay {
    double configured; /* A */
    struct drift_replay_series drawn, own;
};

/* p: of the pool and these windows (drift_phase1_fit), with at least DRIFT_PHASE1_WINDOWS_MIN of them.  set: as the
 * bank will have them.  Returns 0, DRIFT_E_EMPTY (too few windows; no column has a weight and a stream),
 * DRIFT_E_MISMATCH (pool or a window of another layout), DRIFT_E_RANGE (settings), DRIFT_E_MEMORY. */
int drift_replay(const struct drift_phase1 *p, const struct drift_evidence_settings *set,
                 const struct drift_summary *pooled, const struct drift_phase1_window *windows, size_t n_windows,
                 uint64_t seed, struct drift_replay *ret);

#ifdef __cplusplus
}
#endif
#endif
