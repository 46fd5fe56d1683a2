/* measure.h - what one window says about one column, against its baseline: every measure at once.
 *
 * Input is counts only (driftd/layout.h).  The single statistics have headers of their own (psi.h, ks.h ...);
 * this is the row that rules, verdicts, metrics and `compare` read.
 *
 * Cost: O(cells), some 12 us a numeric column of 102 cells, no allocation.  Threads: pure. */
#ifndef DRIFTD_MEASURE_H
#define DRIFTD_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "driftd/ks_null.h"
#include "driftd/layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(ID, "name", has_p, numeric, categorical, help): the names used in config, verdicts and metrics.  Rows up to VOLUME
 * stand in every verdict, the others where a rule of the model names them (drift_measure_always). */
#define DRIFT_MEASURES(X)                                                                                              \
    X(PSI, "psi", 1, 1, 1,                                                                                             \
      "population stability index less its noise (B-1)(1/n + 1/m), at least 0; small categories together")             \
    X(PSI_RAW, "psi_raw", 1, 1, 1, "population stability index as is, in nats")                                        \
    X(KS, "ks", 1, 1, 0, "Kolmogorov-Smirnov distance, lower end of its bracket from the cells")                       \
    X(JS, "js", 0, 1, 1, "Jensen-Shannon distance, base 2, 0 to 1")                                                    \
    X(CHI2, "chi2", 1, 1, 1,                                                                                           \
      "Pearson chi-square with rare cells pooled; the effect is Cramer's V at equal sizes, 0 to 1")                    \
    X(PROPORTION, "proportion", 1, 0, 1, "largest absolute change of a category's share, 0 to 1")                      \
    X(NULL_RATE, "null_rate", 1, 1, 1, "share of null values; the effect is the rise over the baseline")               \
    X(MISSING_RATE, "missing_rate", 1, 1, 1, "share of events without the field; the effect is the rise")              \
    X(INVALID_RATE, "invalid_rate", 1, 1, 1, "share of values that are NaN, infinite or of a wrong type; the rise")    \
    X(UNSEEN_RATE, "unseen_rate", 1, 0, 1,                                                                             \
      "share of categories that the baseline does not know; the rise over what it may have missed")                    \
    X(OUT_OF_RANGE_RATE, "out_of_range_rate", 1, 1, 0, "share of values outside the baseline's range; the rise")       \
    X(VOLUME, "volume", 1, 0, 0,                                                                                       \
      "events in the window over the baseline's mean window, as |ln ratio|; of the model, not of a column")            \
    X(WASSERSTEIN, "wasserstein", 1, 1, 0, "Wasserstein-1 distance over the baseline's standard deviation")            \
    X(CVM, "cvm", 1, 1, 0, "Cramer-von Mises; the effect is the root mean squared distance of the ECDFs, 0 to 1")      \
    X(HELLINGER, "hellinger", 1, 1, 1, "Hellinger distance, 0 to 1")                                                   \
    X(TOTAL_VARIATION, "total_variation", 1, 1, 1, "total variation distance: the share of values that moved, 0 to 1") \
    X(LINF, "linf", 1, 1, 1, "largest absolute change of a single cell's or category's share, 0 to 1")                 \
    X(MAX_CELL, "max_cell", 1, 1, 1, "rise of the share of the cell or category that rose most surprisingly, 0 to 1")  \
    X(G_TEST, "g_test", 1, 1, 1, "likelihood-ratio test with rare cells pooled; the effect is that of chi2")           \
    X(EVIDENCE, "evidence", 0, 0, 0,                                                                                   \
      "sequential evidence of all columns over its alarm threshold: 1 is an alarm; of the model, needs `evidence`")    \
    X(DETECTOR, "detector", 0, 0, 0,                                                                                   \
      "the loudest of the model's `detectors`: 1 calls drift, .5 warns, 0 is quiet; of the model, or of the label")    \
    X(DEPENDENCE, "dependence", 1, 0, 0,                                                                               \
      "change of the sign correlation of the pair of features that changed most; of the model, needs `dependence`")    \
    X(EMBEDDING, "embedding", 1, 0, 0,                                                                                 \
      "shift of the features' joint distribution, in standard deviations; of the model, needs `dependence`")           \
    X(SEGMENT_PSI, "segment_psi", 1, 0, 0,                                                                             \
      "largest psi of a column among the events of one value of a key; of the model, needs `segments`")                \
    X(SEGMENT_RATE, "segment_rate", 1, 0, 0,                                                                           \
      "largest rise of null, missing or invalid values of a column among them; of the model, needs `segments`")

enum drift_measure_id {
#define X(id, name, has_p, num, cat, help) DRIFT_MEASURE_##id,
    DRIFT_MEASURES(X)
#undef X
        DRIFT_N_MEASURE
};

enum drift_why {
    DRIFT_WHY_NONE = 0,    /* the value is there */
    DRIFT_WHY_NO_BASELINE, /* the baseline has no valid value in the column */
    DRIFT_WHY_NO_DATA,     /* the window has none */
    DRIFT_WHY_ONE_CELL,    /* all values of both sides are in one cell (or bin), or all of the baseline's are equal and
                              its spread is the unit: nothing to compare with */
    DRIFT_WHY_NOT_DEFINED  /* the measure does not exist for this kind of column */
};

struct drift_measure {
    enum drift_measure_id id;
    enum drift_why why; /* when not NONE, the numbers are 0 and mean nothing */
    bool has_p;
    double effect;   /* what a rule's levels are compared with; unit by measure */
    double value;    /* the plain figure: raw statistic, rate of the window, or (VOLUME) ratio */
    double baseline; /* the baseline's figure where one exists (rates and shares; VOLUME: events of a mean window;
                        WASSERSTEIN: the standard deviation), else 0 */
    double low,
        high; /* KS, CVM, WASSERSTEIN: bracket; rates, shares: Wilson 95 % interval of the window's; else = value */
    double p_value; /* 0 .. 1 */
    double dof;     /* where the law has one, else 0 */
    bool drawn;     /* KS: p_value is of the law that was drawn for the column, not of continuous values */
};

const char *drift_why_name(enum drift_why why); /* "none", "no_baseline" ... */
const char *drift_measure_name(enum drift_measure_id id);
bool drift_measure_parse(const char *name, enum drift_measure_id *ret_id);
bool drift_measure_of_model(enum drift_measure_id id); /* not of a column */
bool drift_measure_applies(enum drift_measure_id id, enum drift_kind kind);
bool drift_measure_always(enum drift_measure_id id); /* in a verdict whatever the rules name */

/* What each says (n_e = n m / (n + m), p-values of "nothing has changed"):
 *   PSI, PSI_RAW  bins of a numeric column, cells of a categorical one (rare and unseen too); half a count added on
 *                 both sides, bins empty on both left out (psi.h).  PSI of categories: the small ones, rare and unseen
 *                 pooled (drift_psi_pool).  value = PSI with its noise, one p for both, that of PSI: n_e PSI ~ chi2.
 *   KS            all cells; effect and value = D_low, p from the grid (ks.h), which is too large for discrete
 *                 columns unless their law is given; with two cells, where that correction is too large, p of two
 *                 proportions.
 *   JS            bins or cells.   CHI2: the same, cells pooled to an expected count of 5, rare and unseen always
 *                 (drift_chi2_pool_tail), value = X2, effect = sqrt(sum (p - q)^2 / (p + q) / 2) of the shares p, q of
 *                 the pooled cells: Cramer's V if both sides had as many events, so that it does not depend on how many
 *                 they have (F. Topsoe, Some inequalities for information divergence and related measures of
 *                 discrimination, 2000).
 *   PROPORTION    the category whose share moved most, the risen one of two alike: value = its share in the window,
 *                 baseline = its share there, effect = |difference|; p two-sided, exact, times the number of
 *                 categories where there are more than two.
 *   WASSERSTEIN   all cells: value, low, high = W1 and its bracket in the column's units (cells.h; values outside the
 *                 baseline's range count at its end), effect = W1 over the baseline's standard deviation as its cells
 *                 give it.  It has no law of its own here: p = that of CVM, which sees the same moves.
 *   CVM           all cells: value = T, low, high its bracket, effect = sqrt(T / n_e) (cells.h).
 *   HELLINGER, TOTAL_VARIATION   bins or cells (js.h), p = that of CHI2.   G_TEST: as CHI2, value = G, p of
 *                 Williams' corrected G.
 *   LINF          all cells or categories: the one whose share moved most, value = its share in the window, baseline =
 *                 its share there, effect = |difference|; p two-sided, exact, times the number of cells.
 *   MAX_CELL      likewise the one whose rise is the least probable (max_cell.h, eps 0); effect 0 when none rose.
 *                 PROPORTION, LINF and MAX_CELL take what the baseline may have missed (see UNSEEN) for its unseen
 *                 values, and look at neither rare nor unseen ones where that is 1 % of the values or more.
 *   DEPENDENCE    effect = |r - r0| of the pair with the largest |z|, r = 2 agree - 1 (concordance.h); value = r,
 *                 baseline = r0; p = p_shared.   EMBEDDING: effect = sqrt(max(0, T - d1) / n_e), p = p_shared
 *                 (embedding.h).
 *   rates         over all values of the column in the window, specials too.  effect = rate - baseline's rate: signed,
 *                 positive when it rose; p one-sided for a rise, exact (rate.h).  OUT_OF_RANGE: bounded columns only; p
 *                 of new values met before the second one of the baseline's, from both ends, as the range is that of
 *                 its own values (H. A. David, H. N. Nagaraja, Order statistics, 2003); cautious for another range.
 *                 UNSEEN: the baseline's count is what it may have missed, by drift_rate_unseen_bound where a category
 *                 occurred once (each rare name once, or as many twice as their values allow).
 *
 * Every number is finite.  A side with no valid values (rates: no values) gives NO_BASELINE or NO_DATA.
 *
 * All measures of one column.  base and cur are the column's counters: specials, then cells
 * (DRIFT_N_SPECIAL + n_cells values).  ret[DRIFT_N_MEASURE] is indexed by id; those of the model are NOT_DEFINED here.
 * No allocation, O(n_cells).  Threads: pure. */
void drift_measure_column(const struct drift_column *c, const uint64_t *base, const uint64_t *cur,
                          struct drift_measure ret[DRIFT_N_MEASURE]);
/* The same.  whole: the column's counters of the whole baseline, when base is a part of it (windows of one hour), which
 * tell what it may have missed; NULL: base is all of it.  law: KS with the law that was drawn from base (ks_null.h)
 * unless two cells are all there is; may be NULL. */
void drift_measure_column_law(const struct drift_column *c, const uint64_t *base, const uint64_t *cur,
                              const uint64_t *whole, const struct drift_ks_null *law,
                              struct drift_measure ret[DRIFT_N_MEASURE]);

/* Volume of a window of n events against the baseline's windows (counts of events, n_windows of them; may be 0:
 * NO_BASELINE, as when all are empty).
 *   effect = |ln((n + .5) / (mean + .5))|, finite for an empty window; value = n / mean; baseline = mean
 *   p      two-sided, of an over-dispersed Poisson count (negative binomial) with the baseline's mean and variance
 *          s^2 (1 + 1/n_windows), never below the mean's (1 + 1/n_windows): the mean itself is an estimate.
 * Source: M. Greenwood, G. U. Yule, An inquiry into the nature of frequency distributions representative of multiple
 * happenings, 1920 (a Poisson count whose mean varies), by moments; 1 + 1/n_windows is the variance of a prediction. */
void drift_measure_volume(const uint64_t *baseline_n, uint32_t n_windows, uint64_t n, struct drift_measure *ret);

#ifdef __cplusplus
}
#endif
#endif
