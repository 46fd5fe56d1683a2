/* evidence.h - sequential evidence of drift of one model, with a promised rate of false alarms.
 *
 * Each column has a few streams (below), each stream four bets theta.  Per closed window
 *     R[s][theta] <- (R[s][theta] + g) e,      e an e-value: of mean at most 1 while nothing has changed
 *     M = sum_s w_s mean_theta R[s][theta],    sum_s w_s = 1;     evidence = ln M;      alarm when M >= A
 * (mixture Shiryaev-Roberts e-detector; g windows that an update stands for, 1 unless windows were added up).
 * R - t is a supermartingale, so is the weighted sum, whatever the dependence between columns, and at an alarm
 * A <= E[M] <= E[T]: the mean time between false alarms is at least A windows.
 *
 * e-values.  Scores V of a numeric column, with z as in phase1.h, clipped to [-8, 8], theta in {.5, 1, 2, 4}:
 *     e = exp(theta z - max(theta^2 / 2, K_n(theta / sqrt(phi)) + theta^2 (1 - 1/phi) / 2))      K_n: legendre.h
 * PSI and the largest cell: z = Q^-1(p), e = exp(theta z - theta^2 / 2), p of the non-central law against delta_eff,
 * and of min(1, C min_j P(Poisson(n h_j) >= c_j)) with h_j the upper limit of cell j's share.
 * A tolerance d that the user sets, in nats of PSI, is instead of the delta of phase I; and as PSI is about the sum of
 * the squares of mean scores, sqrt(n d / phi) is taken off z of either score, and h_j becomes h + sqrt(d h (1 - h)).
 *
 * Rates, k of n, limit r0 (phase1.h), r1 = r0 {1.25, 1.5, 2, 4} or r0 {.8, .67, .5, .25}:
 *
 *     e = ((r1/r0)^k ((1-r1)/(1-r0))^(n-k))^(1/phi)
 *
 * A stream without data in a window keeps its R as it is.
 *
 * Which columns: with C_f a column's part of M, the k largest with C_(k) >= A / k for the largest such k (e-BH: R.
 * Wang, A. Ramdas, False discovery rate control with e-values, 2022), at least one.  They are listed, their R start
 * anew from 0, and they are latched: while latched a column adds nothing to M; it is armed again when over
 * `clear_windows` windows no stream's mean z exceeds .5, or by drift_evidence_rearm.  Others go on.
 *
 * Sources: J. Shin, A. Ramdas, A. Rinaldo, E-detectors: a nonparametric framework for sequential change detection,
 * 2024; A. N. Shiryaev, 1963; S. W. Roberts, 1966. Cost: some 10 us a numeric column of 100 cells and window, no
 * allocation.  Threads: one owner. Does not hold where phase I withdraws the promise (drift_phase1_promises); does not
 * see a change of dependence that leaves every column as it was. */
#ifndef DRIFTD_EVIDENCE_H
#define DRIFTD_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/phase1.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(ID, "name", direction, "what it says of a column when it rises") */
#define DRIFT_STREAMS(X)                                                                                               \
    X(V1_UP, "location_up", 1, "values moved up")                                                                      \
    X(V1_DOWN, "location_down", -1, "values moved down")                                                               \
    X(V2_UP, "scale_up", 1, "values spread further")                                                                   \
    X(V2_DOWN, "scale_down", -1, "values are closer together")                                                         \
    X(PSI, "psi", 0, "the distribution changed its shape")                                                             \
    X(MAX_CELL, "max_cell", 1, "one category grew")                                                                    \
    X(NULL_UP, "null_up", 1, "more nulls")                                                                             \
    X(NULL_DOWN, "null_down", -1, "fewer nulls")                                                                       \
    X(MISSING_UP, "missing_up", 1, "missing more often")                                                               \
    X(MISSING_DOWN, "missing_down", -1, "missing less often")                                                          \
    X(INVALID_UP, "invalid_up", 1, "more values that are not numbers or of the wrong type")                            \
    X(UNSEEN_UP, "unseen_up", 1, "more values that the baseline does not know")                                        \
    X(OUT_OF_RANGE_UP, "out_of_range_up", 1, "more values outside the baseline's range")

enum drift_evidence_stream {
#define X(id, name, direction, help) DRIFT_STREAM_##id,
    DRIFT_STREAMS(X)
#undef X
        DRIFT_N_STREAM
};
enum { DRIFT_STREAM_BETS = 4 };
const char *drift_evidence_stream_name(enum drift_evidence_stream s);
const char *drift_evidence_stream_words(enum drift_evidence_stream s);
int drift_evidence_stream_direction(enum drift_evidence_stream s); /* 1 up, -1 down, 0 neither */

/* "1 per 90d", "2 per 4w", "1 per 2160 windows": -> A in windows of window_ms.  Units s m h d w.
 * DRIFT_E_PARSE, DRIFT_E_RANGE (A below 10 or above 1e9, window_ms not positive). */
int drift_false_alarms_parse(const char *text, int64_t window_ms, double *ret_windows);

enum drift_evidence_mode {
    DRIFT_EVIDENCE_GUARANTEED, /* the threshold is A: the theorem's */
    DRIFT_EVIDENCE_CALIBRATED  /* .4 A: what simulations need for a mean time of A; finds a little earlier */
};
enum drift_evidence_level { DRIFT_EVIDENCE_OK, DRIFT_EVIDENCE_WARN, DRIFT_EVIDENCE_ALARM };

struct drift_evidence_settings {
    double windows; /* A: mean windows between false alarms, 10 .. 1e9 */
    enum drift_evidence_mode mode;
    bool glitch_guard;       /* no update multiplies by more than sqrt(A): one window cannot alarm alone */
    uint32_t clear_windows;  /* 0: 24 */
    const double *weight;    /* [n_columns], >= 0, any sum; NULL: 1 for features, score, decision and label, else 0.
                              * Inside a column rates share a fifth, the other streams the rest. */
    const double *tolerance; /* [n_columns] or NULL: PSI that is no drift, nats, < 1e6; negative: what phase I says */
};

struct drift_evidence_column {
    bool watched;                        /* has a weight and a stream */
    bool latched;                        /* alarmed and not yet armed again */
    bool listed;                         /* named by an alarm at this window */
    double share;                        /* of M at this window, 0 .. 1 */
    double log_r;                        /* ln of the column's own mean R, without its weight */
    enum drift_evidence_stream top;      /* the stream with the most evidence */
    bool live[DRIFT_N_STREAM];           /* the stream exists and had data at this window */
    double z[DRIFT_N_STREAM];            /* calibrated z of this window, -8 .. 8 */
    double log_r_stream[DRIFT_N_STREAM]; /* ln mean R of each stream */
};

struct drift_evidence_result {
    bool applied;                    /* false: the window was applied before, nothing changed */
    bool alarm;                      /* M crossed A at this window */
    enum drift_evidence_level level; /* ALARM as long as a column is latched; WARN from A / 30 on */
    double m, evidence;              /* M and ln M before any reset */
    double threshold;                /* ln A */
    uint32_t n_listed, n_latched;
};

struct drift_evidence;
/* phase1: borrowed, outlives it.  DRIFT_E_RANGE (settings), DRIFT_E_EMPTY (no column has a weight and a stream),
 * DRIFT_E_MEMORY.  The caller frees with drift_evidence_free. */
int drift_evidence_new(const struct drift_phase1 *phase1, const struct drift_evidence_settings *set,
                       struct drift_evidence **ret);
void drift_evidence_free(struct drift_evidence *e); /* NULL is fine */

/* One closed window.  counts: [layout->n_counts].  start_ms: ascending from update to update; a window that does not
 * start after the last one was applied already and changes nothing.  windows: g, 1 .. 1e6.
 * DRIFT_E_RANGE: windows is 0 or too large. */
int drift_evidence_update(struct drift_evidence *e, const uint64_t *counts, int64_t start_ms, uint32_t windows,
                          struct drift_evidence_result *ret);
/* One stream by itself, R[theta] <- (R[theta] + windows) exp(theta z - theta^2 / 2), for z of other origin (label
 * tests, pairs).  z is clipped to [-8, 8]; NaN is no evidence: -8. */
void drift_evidence_bet(double r[DRIFT_STREAM_BETS], double z, double windows);
/* What the last update says of a column; borrowed, until the next call. */
const struct drift_evidence_column *drift_evidence_of(const struct drift_evidence *e, uint32_t column);
/* Arms a column again (UINT32_MAX: all), its evidence 0: a change was acknowledged. */
void drift_evidence_rearm(struct drift_evidence *e, uint32_t column);

/* State as bytes (version 1, little endian; its carrier checks sums).  Longest length: drift_evidence_bytes.
 * save: DRIFT_E_FULL.  load: hostile bytes are safe, e is unchanged when it fails; DRIFT_E_PARSE, DRIFT_E_VERSION,
 * DRIFT_E_MISMATCH (of other columns or streams), DRIFT_E_CORRUPT (a number that cannot be). */
size_t drift_evidence_bytes(const struct drift_evidence *e);
int drift_evidence_save(const struct drift_evidence *e, uint8_t *ret, size_t cap, size_t *ret_len);
int drift_evidence_load(struct drift_evidence *e, const uint8_t *bytes, size_t len);

#ifdef __cplusplus
}
#endif
#endif
