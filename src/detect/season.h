/* season.h - does the hour of the day, or the weekend, explain how a series moves?  Private to the detect room. */
#ifndef DRIFTD_DETECT_SEASON_H
#define DRIFTD_DETECT_SEASON_H

#include <stddef.h>
#include <stdint.h>

#include "driftd/phase1.h"

/* Hour of UTC and 0 (Monday to Friday) or 1 (Saturday, Sunday) of an instant. */
unsigned season_hour(int64_t ms);
unsigned season_day(int64_t ms);

/* y: n mean scores of windows that start at start_ms (ascending); noise: variance that sampling alone gives y.
 * alpha: level at which a profile is taken.  Fills the season's fields of s.  phase1.h has the tests.
 * No allocation: days beyond the newest 400 are not looked at. */
void season_fit(const double *y, const int64_t *start_ms, size_t n, int64_t window_ms, double noise, double alpha,
                struct drift_phase1_score *s);
/* Takes means by hour of the day, by weekend or not, or by both, off y.  The mean of y stays. */
void season_take(double *y, const int64_t *start_ms, size_t n, bool hours, bool weekend);

#endif
