/* phase1.h - what a baseline says about its own windows: natural variation, tolerances, seasons, and whether it stands
 * still.  The sequential evidence (evidence.h) is calibrated by it.
 *
 * A baseline is a pool of counts and a list of W windows of n events each.  If every event came from the pool, a score
 * V of a window (legendre.h) would be N(0, 1).  Traffic wanders, so for blocks of b in {1, 2, 4, 8, 16, 24, 48} windows
 *     v_b = b Var(means of b windows of V),   k = W / b >= 6 blocks
 *     phi = max(1, v_b (k-1) / chi2_.1(k-1)  over the b with v_b (k-1) > chi2_.99(k-1))
 * is an upper limit of the long-run variance (a Newey-West estimate with the blocks as kernel), and
 *     z   = +-(V - season) / sqrt(phi) - q sqrt(n / m),   q = 2,   m the values of the pool
 * is what may be called calibrated: the last term allows for the pool being a sample itself.
 * Wander of one column in fifty may not show in its windows by luck, so no phi stays below .75 of the median of all
 * columns (eight at least), as far as the column's own windows allow it.  Wander of the location moves the scale score
 * too, by its square: where the location wanders and a regression of V2 / sqrt(n) on the square of V1 / sqrt(n) says so
 * (t > 3), that is taken off V2.
 * The share of each category that a window has 5 values of, and 5 of others, is such a score, too: it says whether the
 * column stands still and has a season, but nothing is divided by its phi.
 * PSI is quadratic in the wander, so it gets a tolerance instead:
 *
 *     delta = 16 k / chi2_.1(k) max(mean, standard error)       delta_eff = drift_psi_tolerance(delta) (psi.h)
 *
 * of the windows' PSI without its noise, when that mean is above 2.5 standard errors or a phi is above 1 (16 = 4^2:
 * wander up to 4 standard deviations; k: what the windows are worth, see below), else the least tolerance given.
 *
 * A rate r = k / m gets limits, of exact binomial law with k / phi and m / phi: what a true rate may be at a one-sided
 * confidence of .977 (Clopper, Pearson, 1934).  Unseen categories: Good, Turing: with f1, f2 the categories seen once
 * and twice, r <= f1 / m + 1.645 sqrt(f1 + 2 f2) / m (I. J. Good, The population frequencies of species, 1953).
 *
 * Seasons: a table of days x hours of the means of a score.  F of hours against hours x days, its degrees of freedom
 * multiplied by Box's epsilon (G. E. P. Box, 1954; S. Geisser, S. W. Greenhouse, 1958), since hours of one day depend
 * on each other; weekdays against weekends by Student's t of days.  Where p < .001 / (2 columns) and a tenth of the
 * score's variance is explained, the profile is taken off the score.  Limits: hours of UTC; five complete days, for
 * weekends fourteen; days must be alike apart from the profile; nothing longer than a week is seen.
 *
 * Stationarity: the split of the windows with the largest difference before and after; p by Kolmogorov's law of the
 * largest CUSUM, its long-run variance taken within the two parts (E. S. Page, 1955; W. Ploberger, W. Kraemer, 1992).
 * Slow wander: rho = second over first autocovariance; the W windows are worth W (1 - rho) / (1 + rho), or what phi
 * makes of the variance if that is less.
 * The promise of a rate is a matter of all columns, which share its budget.  Of fewer than 16 columns any that is split
 * or slow withdraws it.  Of more, where an eighth of them or more wander (phi above 1), they are asked together: it is
 * withdrawn when the mean of -log10 of their split_p is above 1.5, or three quarters of them are worth fewer than 8
 * windows, or a split_p is below 1e-12 (Kolmogorov's law is too bold under wander); where fewer wander, by any split.
 * A column's flags are those that count.  docs/calibration.md has how often that is right.
 *
 * Cost: O(W cells) a column; 336 windows of 50 columns take some 20 ms.  Threads: a result is immutable. */
#ifndef DRIFTD_PHASE1_H
#define DRIFTD_PHASE1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/summary.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    DRIFT_PHASE1_HOURS = 24,
    DRIFT_PHASE1_SCORES = 2,      /* location and scale; shares of categories */
    DRIFT_PHASE1_WINDOWS_MIN = 72 /* fewer cannot promise a rate of false alarms */
};

/* Rates of a column.  All over all its values in a window, null and missing ones too. */
enum drift_rate_id {
    DRIFT_RATE_NULL,
    DRIFT_RATE_MISSING,
    DRIFT_RATE_INVALID,      /* NaN, infinite, of a wrong type */
    DRIFT_RATE_UNSEEN,       /* categorical columns */
    DRIFT_RATE_OUT_OF_RANGE, /* bounded numeric columns */
    DRIFT_N_RATE
};
bool drift_rate_applies(enum drift_rate_id id, const struct drift_column *c);
/* Events of the rate and all values, from the column's counters (specials, then cells). */
void drift_rate_count(enum drift_rate_id id, const struct drift_column *c, const uint64_t *counters, uint64_t *ret_k,
                      uint64_t *ret_n);

/* What speaks against a baseline; of a column, and of all together. */
enum drift_phase1_flag {
    DRIFT_PHASE1_NO_WINDOWS = 1,    /* a pool only: natural variation is unknown, phi = 1 is assumed */
    DRIFT_PHASE1_FEW_WINDOWS = 2,   /* fewer than DRIFT_PHASE1_WINDOWS_MIN */
    DRIFT_PHASE1_SMALL_WINDOWS = 4, /* fewer than 100 events a window */
    DRIFT_PHASE1_SPLIT = 8,         /* the baseline itself drifts: before and after a split differ, p < 1e-5 (above) */
    DRIFT_PHASE1_SLOW = 16,         /* it wanders so slowly that its windows are worth fewer than 12 */
    DRIFT_PHASE1_WIDE = 32          /* phi > 10 and natural standard deviation > .25: only large drifts can be told */
};

struct drift_phase1_score {
    bool used;           /* the column has this score */
    double phi;          /* >= 1 at n_typical events: long-run variance of the score, season taken off */
    double phi_limit;    /* what the column's own windows allow phi to be at most */
    double natural_sd;   /* of the mean score between windows, in standard deviations of one event's score */
    double effective;    /* windows that the baseline's windows are worth */
    uint32_t split;      /* windows before the split with the largest evidence; 0: not looked for */
    double split_p;      /* of no change at any split */
    double split_size;   /* mean score after - before, in standard deviations of one event's score */
    double season_p;     /* of no hour-of-day profile; 1 when not looked for */
    double season_share; /* of the variance between windows, 0 .. 1 */
    double weekend_p;    /* of no difference between Saturday, Sunday and the other days */
    bool seasonal;       /* the profile below holds */
    double hour[DRIFT_PHASE1_HOURS]; /* mean score by hour of UTC, around 0; 0 where not seasonal */
    double day[2];                   /* to be added: Monday to Friday, Saturday and Sunday */
};

struct drift_phase1_rate {
    bool used;
    double low, high; /* limits of the true rate, 0 .. 1 */
    double phi;       /* over-dispersion of the windows' counts at n_typical, >= 1 */
};

struct drift_phase1_column {
    uint64_t m;       /* valid values of the pool; 0: nothing below is used but the rates */
    double n_typical; /* mean valid values of a window with any; without windows: m */
    unsigned flags;
    /* Numeric columns: location, scale.  Categorical: [0] the shares, each 0 or 1 an event over its standard deviation;
     * of the category that varies most, of the one that splits most (`cell`, p times their number), of the one with a
     * season. */
    struct drift_phase1_score score[DRIFT_PHASE1_SCORES];
    uint32_t cell;           /* categorical: whose split it is, see drift_column_category */
    double curve;            /* what wander of the location does to scale: mean score per square of the location's */
    double curve_mean;       /* that square's mean over the baseline's windows */
    double delta, delta_eff; /* tolerance of PSI */
    double psi_mean;         /* of the windows, without noise: how much they differ by themselves */
    double cell_phi;         /* categorical: over-dispersion of the cell that varies most */
    struct drift_phase1_rate rate[DRIFT_N_RATE];
    /* made from the pool, not saved */
    double *mass, *basis;  /* numeric: [n_cells], [2][n_cells] */
    double *cell_high;     /* categorical: upper limit of each cell's share */
    uint32_t n_groups;     /* of PSI: bins or categories, joined to 5 expected values a window; < 2: no PSI */
    uint16_t *group;       /* [n_cells] */
    uint64_t *group_count; /* [n_groups] of the pool */
};

struct drift_phase1 {
    const struct drift_layout *layout; /* borrowed; outlives the result */
    uint64_t pool_hash;                /* of layout and pool */
    double q;
    uint32_t n_windows;
    int64_t window_ms;
    double events; /* a window */
    unsigned flags;
    struct drift_phase1_column *column; /* [layout->n_columns] */
};

struct drift_phase1_settings {
    double q;         /* 0: 2 */
    double delta_min; /* least tolerance of PSI, nats; evidence.h has the user's own */
    bool no_season;
};

struct drift_phase1_window {
    int64_t start_ms;
    const struct drift_summary *summary; /* of the pool's layout */
};

/* pooled: everything, the windows too.  windows: [n_windows] by ascending time, consecutive ones if they are to mean
 * anything; may be empty.  set may be NULL.  The caller frees *ret with drift_phase1_free.
 * Returns 0, DRIFT_E_EMPTY (the pool has no events), DRIFT_E_MISMATCH (a window of another layout), DRIFT_E_RANGE
 * (settings not finite or negative, windows not ascending, more than 2^31), DRIFT_E_MEMORY. */
int drift_phase1_fit(const struct drift_summary *pooled, const struct drift_phase1_window *windows, size_t n_windows,
                     int64_t window_ms, const struct drift_phase1_settings *set, struct drift_phase1 **ret);
void drift_phase1_free(struct drift_phase1 *p); /* NULL is fine */

/* May the configured rate of false alarms be promised?  False with any flag but WIDE. */
bool drift_phase1_promises(const struct drift_phase1 *p);
/* What the season lets expect of a score of a window that starts then; 0 without one.  Times sqrt(n) to compare with V.
 */
double drift_phase1_season(const struct drift_phase1_score *s, int64_t start_ms);
/* V1, V2 of a window with season and curve taken off: what is compared with phi.  The column is numeric. */
void drift_phase1_adjust(const struct drift_phase1_column *p, int64_t start_ms, double n,
                         double v[DRIFT_PHASE1_SCORES]);
/* phi of a window of n values that stands for `windows` windows: its part above 1 grows with n. */
double drift_phase1_dispersion(double phi, double n, double n_typical, double windows);

/* The fitted numbers as bytes (version 2, little endian): ret may be NULL to ask for the length.
 * DRIFT_E_FULL when cap is too small. */
int drift_phase1_save(const struct drift_phase1 *p, uint8_t *ret, size_t cap, size_t *ret_len);
/* Back, with the pool that they were fitted on.  Hostile bytes are safe.  DRIFT_E_PARSE, DRIFT_E_VERSION,
 * DRIFT_E_MISMATCH (another layout or pool), DRIFT_E_CORRUPT (a number that cannot be), DRIFT_E_MEMORY. */
int drift_phase1_load(const uint8_t *bytes, size_t len, const struct drift_summary *pooled, struct drift_phase1 **ret);

#ifdef __cplusplus
}
#endif
#endif
