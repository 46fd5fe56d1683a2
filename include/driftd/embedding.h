/* embedding.h - has the joint distribution of the features changed, in whatever way?
 *
 *     standardised    z_i = (x_i - mean_i) / scale_i, at most +-16; a null (not finite) is 0: the baseline's mean
 *     frequencies     omega_k ~ N(0, I) / width, k = 1 .. D/2, from a seed
 *     embedding       phi(z) = (cos omega_1 z, .., cos omega_D/2 z, sin omega_1 z, .., sin omega_D/2 z)
 *     statistic       T = n_e (e - e0)' (C + lambda I)^-1 (e - e0),      lambda = ridge * trace(C) / D
 *
 * e, e0 are the means of phi over window (n events) and baseline (m), C its covariance in the baseline, n_e = nm/(n+m).
 * In the eigenvectors v_i and eigenvalues w_i of C this is n_e sum ((e - e0) v_i)^2 / (w_i + lambda).
 * Distances between means of random Fourier features are distances between distributions under a Gaussian kernel of
 * that width (A. Rahimi, B. Recht, Random features for large-scale kernel machines, 2007; A. Gretton and others, A
 * kernel two-sample test, 2012).  Dividing by the covariance is what makes small directions count, and changes of
 * dependence are small directions (S. Mukherjee, B. Sriperumbudur, Minimax optimal kernel two-sample tests with random
 * features, 2025).
 *
 * Law without drift: h_i = w_i / (w_i + lambda), d1 = sum h_i, d2 = sum h_i^2; T d1 / d2 ~ chi-square with
 * dof = d1^2 / d2 (two moments).  That is the law of normal vectors and of a known C.  Let u be the T of a single
 * event, with the C of the other ones.  T is first taken times d1 / mean u, since a covariance from m events is,
 * inverted, too large by that much; and of n real events it has the variance 2 d2 + (Var u - 2 d2) / n, which takes the
 * place of 2 d2. drift_embedding_tune() measures u; without it mean u is d1 m / (m - d1 - 1) and Var u is 2 d2. p_value
 * holds for a new baseline and a new window.  p_shared holds for many windows against the one baseline (95 of 100
 * baselines): there n takes the place of n_e, and the law is non-central by (n / m) * the 95 % point of that
 * chi-square.  Watch with p_shared; compare two samples with p_value.  Both need 200 events in the window, and 16 D in
 * the baseline.
 *
 * Rare events: flags that few events have, or columns that are nearly always 0, make directions that live on a handful
 * of events.  Their means are not normal, their eigenvalues are guesses, and what the baseline has never seen is
 * divided by lambda alone; with a small ridge most windows are then "drifted".  Var u tells: some 5 to 15 times 2 d2
 * for continuous features, hundreds or millions of times for flags.  drift_embedding_fit() takes the smallest ridge
 * with which it is at most 100 times 2 d2 (that is a tenth more variance of T at n = 1000) and m / 50 times.  Among
 * the events it counts one that the baseline has not had, the most unlike of 4096 that have each feature from one of
 * the 256 rarest rows: the rule of succession, for what combines in a way that it never did.  Continuous features keep
 * the ridge that they were given, and their power; below 5,000 rows only as ranks.  What is left: windows with less
 * than some 5 of the rarest events (5 flags of 2 %, 200 events: .004 at .001), and many flags (32 flags of 2 %:
 * .07 at .05 and .012 at .001 against 2,000 rows, .04 and .007 against 20,000).
 *
 * What it sees: everything in principle; in practice changes of dependence and clusters best, changes of a single
 * feature later than that feature's own measures do.  It names nothing (concordance.h names pairs).  Features with
 * heavy tails should come as logarithms or ranks, since scales of theirs say little about most of their values.
 *
 * Exact: terms are fixed point, llrint(2^20 cos ..), summed in int64.  Sums (sums.h, unit DRIFT_EMBEDDING_UNIT) of
 * length 1 + D: n | cosines | sines.  They are the same bytes on every machine and in every order and split. Cost of an
 * event: d D / 2 multiplications and additions and D/2 cosines with sines: D = 128 takes
 * 0.9 us with 20 features, 2 us with 50.  One in s events may stand for all
 * (drift_embedding_sampled()): n is then what was taken, and power is that of n events.
 * Threads: an embedding is immutable once sealed and tuned; each thread has sums of its own. */
#ifndef DRIFTD_EMBEDDING_H
#define DRIFTD_EMBEDDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/error.h"
#include "driftd/sums.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    DRIFT_EMBEDDING_FEATURES_MAX = 1024,
    DRIFT_EMBEDDING_TERMS_MAX = 512,
    DRIFT_EMBEDDING_TERMS_STEP = 16,
    DRIFT_EMBEDDING_UNIT = 1 << 20,
    DRIFT_EMBEDDING_SAMPLE_MAX = 1000 /* rows that the width is taken from */
};
#define DRIFT_EMBEDDING_LEARN_MAX (INT64_C(1) << 34) /* events of a baseline */
#define DRIFT_EMBEDDING_TUNE_MAX (INT64_C(1) << 20)

struct drift_embedding_spec {
    uint32_t n_features; /* d, 1 .. DRIFT_EMBEDDING_FEATURES_MAX */
    uint32_t n_terms;    /* D, 16 .. DRIFT_EMBEDDING_TERMS_MAX in steps of 16; 64 or 128 to begin with */
    uint64_t seed;
    double width;        /* of the kernel, in standardised units, > 0: the median distance of two events */
    double ridge;        /* 1e-6 .. 16; 1e-3 for D up to 128, 1e-2 above */
    const double *mean;  /* shape [d], finite */
    const double *scale; /* shape [d], finite, > 0 */
};
/* Mean, standard deviation (1 for a constant) and median distance of events of the baseline.
 *   rows      shape [n_rows][n_features], not finite: null; n_rows 2 .. 1e6
 *   ret_mean, ret_scale: shape [n_features]
 * The width is of the first DRIFT_EMBEDDING_SAMPLE_MAX rows: give them in an order that says nothing.  Where more than
 * half of the distances are 0 it is their mean.  Returns 0, DRIFT_E_RANGE (sizes), DRIFT_E_EMPTY (all rows are equal),
 * DRIFT_E_MEMORY.  Numbers as large as 1e150 are as good as null. */
int drift_embedding_scale(const double *rows, size_t n_rows, uint32_t n_features, double *ret_mean, double *ret_scale,
                          double *ret_width);

struct drift_embedding;
/* Copies the spec.  Returns 0, DRIFT_E_RANGE, DRIFT_E_MEMORY.  Takes 8 (d D / 2 + D^2) bytes. */
int drift_embedding_new(const struct drift_embedding_spec *spec, struct drift_embedding **ret);
void drift_embedding_free(struct drift_embedding *e); /* NULL is fine */
/* As it was made; its pointers are good as long as e is. */
const struct drift_embedding_spec *drift_embedding_spec(const struct drift_embedding *e);
/* How many sums there are, n included. */
static inline size_t drift_embedding_length(uint32_t n_terms)
{
    return 1 + (size_t)n_terms;
}

/* One event of the baseline.  0, DRIFT_E_FULL (DRIFT_EMBEDDING_LEARN_MAX), DRIFT_E_USAGE (sealed).  Costs D^2 / 2
 * multiplications and additions more than an event of a window: learn from a sample of some 100 to 1000 D events. */
int drift_embedding_learn(struct drift_embedding *e, const double *row);
/* What `from` has learned comes to e: exact, in any order.  0, DRIFT_E_MISMATCH (another spec), DRIFT_E_FULL,
 * DRIFT_E_USAGE (e is sealed). */
int drift_embedding_learn_merge(struct drift_embedding *e, const struct drift_embedding *from);
/* Ends learning.  DRIFT_E_EMPTY (fewer than 4 D events, or all the same), DRIFT_E_USAGE (sealed), DRIFT_E_RANGE (what
 * was loaded is no covariance), DRIFT_E_MEMORY.  Cost: some D^3 multiplications (D = 128: some ms). */
int drift_embedding_seal(struct drift_embedding *e);

/* After sealing, before e is shared: an event again that was learned, for the law of T.  2,000 to 10,000 suffice for
 * continuous features, all are better, in any order, from the first to the last.  D^2 / 2 multiplications and
 * additions.  0, DRIFT_E_FULL (DRIFT_EMBEDDING_TUNE_MAX), DRIFT_E_USAGE (not sealed). */
int drift_embedding_tune(struct drift_embedding *e, const double *row);

/* All of the above with the rows of a baseline: new, learn, seal and tune.  The ridge is the first of spec->ridge,
 * twice that, and so on to 16, with which Var u is at most 100 times that of normal vectors (m / 50 times below 5,000
 * rows).
 *   rows      shape [n_rows][n_features]; not finite: null
 *   n_rows    up to 1e6
 * Returns as they do, and DRIFT_E_RANGE for too many rows.  The order of rows matters where more than 256 events are
 * equally rare.  Cost: learning, and tuning with all rows once for each ridge that is tried, most of them in part:
 * 65,536 rows of 32 features and 64 terms .3 s; 256 terms 3 s, with flags up to 20 s. */
int drift_embedding_fit(const struct drift_embedding_spec *spec, const double *rows, size_t n_rows,
                        struct drift_embedding **ret);

/* Is the event with this hash among those that stand for all?  hash: uniform, of the event's id, so that a record that
 * is read twice is decided the same twice. */
static inline bool drift_embedding_sampled(uint64_t hash, uint32_t one_in)
{
    return one_in <= 1 || hash <= UINT64_MAX / one_in;
}
/* Adds one event, shape [d], to a window's sums.  0 or DRIFT_E_FULL (DRIFT_SUMS_EVENTS_MAX). */
int drift_embedding_add(const struct drift_embedding *e, int64_t *sums, const double *row);

struct drift_embedding_result {
    uint64_t m, n;
    double t;                /* T, the correction for an estimated covariance in it */
    double factor;           /* d1 / d2 */
    double dof;              /* d1^2 / d2 */
    double p_value, log10_p; /* new baseline, new window */
    double p_shared;         /* one baseline for many windows */
    double distance;         /* squared distance of the two means in the kernel's space, less what noise adds: 0 .. 2,
                                around 0 without drift */
};
/* sums: checked, shape [1 + D].  Returns 0, DRIFT_E_EMPTY (no events), DRIFT_E_USAGE (e is not sealed).  No allocation;
 * D^2 / 2 multiplications and additions (D = 128: 7 us). */
int drift_embedding_compare(const struct drift_embedding *e, const int64_t *sums, struct drift_embedding_result *ret);

/* Spec and what was learned as bytes: u8 format (1) | u16 d | u16 D | seed u64 | check of the frequencies u64 | width |
 * ridge | means | scales | varints: events, totals of terms, totals of terms in 1/2^14, of their products, and what
 * tuning measured.  Frequencies are made anew from the seed; the check tells when that gives others. Saving returns how
 * many bytes, 0 when cap is too small.  Loading takes hostile bytes and gives a sealed and tuned embedding:
 * DRIFT_E_PARSE, DRIFT_E_VERSION, DRIFT_E_MISMATCH (the check), DRIFT_E_RANGE, DRIFT_E_EMPTY, DRIFT_E_MEMORY. */
size_t drift_embedding_bytes_max(const struct drift_embedding *e);
size_t drift_embedding_save(const struct drift_embedding *e, uint8_t *out, size_t cap);
int drift_embedding_load(const uint8_t *p, size_t len, struct drift_embedding **ret);

#ifdef __cplusplus
}
#endif
#endif
