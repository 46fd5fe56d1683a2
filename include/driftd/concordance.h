/* concordance.h - do pairs of features still go together as in the baseline?  Names the pair that does not.
 *
 *     side of x      above its cut or not; the cut halves the baseline as nearly as its values allow (the median)
 *     agree_ij       share of events whose features i and j are on the same side: 1/2 when independent,
 *                    1/2 + asin(r) / pi for a correlation of r between normal features cut at their medians
 *     z_ij           (agree_ij - agree_ij of the baseline) / standard error, both sides' sampling error in it
 *     statistic      max |z_ij| over all P = d (d - 1) / 2 pairs
 *
 * It sees a change of dependence that leaves each feature's own distribution as it was, which nothing that looks at one
 * feature at a time can.  It is blind to dependence without any monotone part, and to three features that depend on
 * each other while every two of them do not: embedding.h sees those, and cannot name them.
 *
 * Laws.  p of a pair: two-sided exact test of two shares (R. A. Fisher, 1935: hypergeometric, twice the smaller tail),
 * so that it holds for 10 events as for 10 million and for pairs that nearly always agree; the normal law when its
 * variance is above 1e6.  Of all: p = min(1, P * the smallest p among the pairs with the largest |z|) (Bonferroni).
 * With an exactly known baseline z is (2 c - n - n r) / sqrt(n (1 - r^2)), r = 2 agree - 1.
 * Both suppose that window and baseline are new samples.  One baseline for a year of windows is another matter: what it
 * is off by comes back in each of them.  p_shared allows for that: z of a known baseline less q sqrt(n / m), with q the
 * 95 % point of the largest of P such errors.  Its size is below the nominal one for 95 of 100 baselines.  Watch with
 * p_shared; compare two samples with p_value.
 *
 * A null (NaN, or anything not finite) is taken for the baseline's mean, so what changes only the nulls changes pairs
 * too; margin_z says whether a feature's own share has moved.
 *
 * Sums (sums.h, unit 1), length 1 + d + P: n | events above the cut, per feature | events on the same side, per pair
 * (0,1) (0,2) .. (0,d-1) (1,2) ..
 * Cost: an event's sides are one word; 64 words are turned into columns and each pair is one exclusive or and a count
 * of bits: 30 ns an event with 20 features, 110 ns with 64.  A window's result: 16 us with 64 features.
 * Threads: pure. */
#ifndef DRIFTD_CONCORDANCE_H
#define DRIFTD_CONCORDANCE_H

#include <stddef.h>
#include <stdint.h>

#include "driftd/error.h"
#include "driftd/sums.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { DRIFT_CONCORDANCE_FEATURES_MAX = 64, DRIFT_CONCORDANCE_TOP = 8 };

/* Frozen with the baseline. */
struct drift_concordance {
    uint32_t n_features; /* 2 .. DRIFT_CONCORDANCE_FEATURES_MAX */
    uint64_t null_word;  /* bit i: the side of a null of feature i */
    double cut[DRIFT_CONCORDANCE_FEATURES_MAX];
};

/* Takes cuts and null sides from events of the baseline.
 *   rows      shape [n_rows][n_features], n_rows 1 .. 1e6, not finite: null
 * Returns 0, DRIFT_E_RANGE (n_features or n_rows), DRIFT_E_EMPTY (a feature without any value), DRIFT_E_MEMORY.
 * Cost: a sort a feature; allocates and frees n_rows doubles. */
int drift_concordance_fit(const double *rows, size_t n_rows, uint32_t n_features, struct drift_concordance *ret);

/* How many sums there are: the events, one a feature, one a pair. */
static inline size_t drift_concordance_length(uint32_t n_features)
{
    return 1 + (size_t)n_features + (size_t)n_features * (n_features - 1) / 2;
}

/* Events on their way into sums.  Zero it to begin with. */
struct drift_concordance_batch {
    uint32_t n;
    uint64_t word[64];
};
/* Adds one event; row: shape [n_features].  Every 64th goes on to the sums.  Returns 0 or DRIFT_E_FULL (the sums hold
 * DRIFT_SUMS_EVENTS_MAX events; the event is not taken). */
int drift_concordance_add(const struct drift_concordance *c, struct drift_concordance_batch *batch, int64_t *sums,
                          const double *row);
/* Brings what the batch holds into the sums; before they are read, merged or saved. */
void drift_concordance_flush(const struct drift_concordance *c, struct drift_concordance_batch *batch, int64_t *sums);
/* Adds one event straight to the sums, for those who cannot keep a batch: the same sums, at some .6 ns a pair.  0 or
 * DRIFT_E_FULL. */
int drift_concordance_count(const struct drift_concordance *c, int64_t *sums, const double *row);
/* Are these sums that events can have made?  0 or DRIFT_E_RANGE.  For what comes from outside. */
int drift_concordance_check(const int64_t *sums, uint32_t n_features);

struct drift_concordance_pair {
    uint32_t i, j;                 /* features, i < j */
    double agree_ref, agree;       /* shares, 0 .. 1 */
    double phi_ref, phi;           /* correlation of the two sides, -1 .. 1; 0 when a side never changes */
    double z;                      /* above 0: they agree more often than before */
    double p_value, log10_p;       /* of this pair alone, exact */
    double margin_z_i, margin_z_j; /* has the share above the cut moved? (z of two shares) */
};
struct drift_concordance_result {
    uint64_t m, n; /* events of baseline and window */
    size_t n_pairs;
    double max_abs_z;
    double p_value, log10_p; /* new baseline, new window */
    double p_shared;         /* one baseline for many windows */
    size_t n_top;
    struct drift_concordance_pair top[DRIFT_CONCORDANCE_TOP]; /* by falling |z| */
};
/* ref, sums: checked sums of baseline and window, shape [drift_concordance_length(n_features)].  Returns 0,
 * DRIFT_E_EMPTY (one has no events), DRIFT_E_RANGE (n_features).  No allocation. */
int drift_concordance_compare(const int64_t *ref, const int64_t *sums, uint32_t n_features,
                              struct drift_concordance_result *ret);

/* The cuts as bytes: u8 format (1) | u8 n_features | null word u64 | cuts as doubles, little endian.  Saving returns
 * how many bytes, 0 when cap is too small.  Loading takes hostile bytes: DRIFT_E_PARSE, DRIFT_E_VERSION. */
enum { DRIFT_CONCORDANCE_BYTES_MAX = 10 + 8 * DRIFT_CONCORDANCE_FEATURES_MAX };
size_t drift_concordance_save(const struct drift_concordance *c, uint8_t *out, size_t cap);
int drift_concordance_load(const uint8_t *p, size_t len, struct drift_concordance *ret);

#ifdef __cplusplus
}
#endif
#endif
