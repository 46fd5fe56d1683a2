/* detector.h - the well-known change detectors, one value at a time.
 *
 *     name          watches            what it looks at                                    source
 *     adwin         any numbers        means of two parts of a window that grows           Bifet, Gavalda 2007
 *     page_hinkley  any numbers        sum of x - mean - delta                             Page 1954; Mouss et al. 2004
 *     cusum         any numbers        sums of (x - mean)/sd -+ slack                      Page 1954
 *     ewma          any numbers        z = alpha x + (1 - alpha) z against mean -+ L sd    Roberts 1959
 *     kswin         any numbers        last r values against r of those before             Raab et al. 2020
 *     ddm           errors, 0 or 1     p + s of the error rate against its least           Gama et al. 2004
 *     eddm          errors, 0 or 1     distances between errors                            Baena-Garcia et al. 2006
 *     hddm_a        errors, [0, 1]     means before and after, Hoeffding's bound           Frias-Blanco et al. 2015
 *     hddm_w        errors, [0, 1]     weighted means before and after, McDiarmid's bound  Frias-Blanco et al. 2015
 *
 * For those who ask for one of them by name: on a column of errors or scores, in the order of events.  What they do not
 * give: a promised time between false alarms (each has its own threshold, which means another rate on every stream),
 * an answer that does not depend on the order of the values, or states of two partitions that can be added.
 *
 * By default adwin, page_hinkley, ddm, eddm, hddm_a and hddm_w decide exactly as scikit-multiflow does, which differs
 * from the papers in places: adwin's parameter `form` says where, and has the published one.  ewma's `reference` and
 * kswin's `rule` choose between the published formula and what river does; cusum is the same in both.  After a drift a
 * detector starts afresh with the next value; adwin drops old values only, kswin keeps the newest (`after`).
 *
 * A value is finite and at most DRIFT_DETECTOR_VALUE_MAX in size: nothing can overflow then.
 * Cost: no allocation after _new; O(1) a value, 5 to 65 ns here; adwin O(log n) every `clock` values, 60 ns a value;
 * kswin O(r log r), 2.4 us with r = 30.  Saved state: some 100 bytes; adwin 1.2 kB, kswin 8 bytes a value kept.
 * Threads: a detector has one owner. */
#ifndef DRIFTD_DETECTOR_H
#define DRIFTD_DETECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(ID, "name", help) */
#define DRIFT_DETECTORS(X)                                                                                             \
    X(ADWIN, "adwin", "adaptive window: any two parts of it that differ in mean")                                      \
    X(PAGE_HINKLEY, "page_hinkley", "cumulative sum of the deviations from the running mean")                          \
    X(CUSUM, "cusum", "two-sided cumulative sums of standardised deviations from a frozen mean")                       \
    X(EWMA, "ewma", "exponentially weighted mean on a control chart")                                                  \
    X(DDM, "ddm", "error rate above its least by some standard deviations")                                            \
    X(EDDM, "eddm", "distances between errors that shrink")                                                            \
    X(HDDM_A, "hddm_a", "mean of errors before and after the best cut, Hoeffding's bound")                             \
    X(HDDM_W, "hddm_w", "weighted mean of errors before and after the best cut, McDiarmid's bound")                    \
    X(KSWIN, "kswin", "Kolmogorov-Smirnov test of the last values against a sample of those before")

enum drift_detector_kind {
#define X(id, name, help) DRIFT_DETECTOR_##id,
    DRIFT_DETECTORS(X)
#undef X
        DRIFT_N_DETECTOR
};
const char *drift_detector_name(enum drift_detector_kind kind); /* "?" outside the table */
const char *drift_detector_help(enum drift_detector_kind kind);
bool drift_detector_parse(const char *name, enum drift_detector_kind *ret_kind);

enum { DRIFT_DETECTOR_PARAMS_MAX = 8, DRIFT_DETECTOR_CHOICES_MAX = 4 };
#define DRIFT_DETECTOR_VALUE_MAX 1e100

struct drift_detector_param {
    const char *name, *help;
    double standard, least, most; /* default and range, ends included */
    bool whole;                   /* a whole number */
    /* names of the values 0, 1, ...; [0] NULL: a number */
    const char *choices[DRIFT_DETECTOR_CHOICES_MAX];
};
/* The parameters of a kind, static; their places are those of the values below. */
const struct drift_detector_param *drift_detector_params(enum drift_detector_kind kind, size_t *ret_n);

/* Values of a kind's parameters. */
struct drift_detector_settings {
    double value[DRIFT_DETECTOR_PARAMS_MAX];
};
void drift_detector_defaults(enum drift_detector_kind kind, struct drift_detector_settings *ret);
/* Sets one by its name.  Returns 0, DRIFT_E_NOT_FOUND (no such parameter), DRIFT_E_RANGE (outside its range, or not
 * whole); s is left as it was then. */
int drift_detector_set(enum drift_detector_kind kind, struct drift_detector_settings *s, const char *name,
                       double value);

struct drift_detector;
/* settings NULL: the defaults.  The caller frees *ret_d with drift_detector_free.  Returns 0, DRIFT_E_RANGE (a value
 * outside its range, or values that do not go together: a warning level beyond the drift level, a level that no sample
 * of that size can reach), DRIFT_E_MEMORY. */
int drift_detector_new(enum drift_detector_kind kind, const struct drift_detector_settings *settings,
                       struct drift_detector **ret_d);
void drift_detector_free(struct drift_detector *d); /* NULL is fine */
/* Back to the beginning, memory kept. */
void drift_detector_reset(struct drift_detector *d);
enum drift_detector_kind drift_detector_kind_of(const struct drift_detector *d);
uint64_t drift_detector_n(const struct drift_detector *d); /* values added */

enum drift_detector_level { DRIFT_DETECTOR_QUIET, DRIFT_DETECTOR_WARNING, DRIFT_DETECTOR_DRIFT };
const char *drift_detector_level_name(enum drift_detector_level level); /* "quiet", "warning", "drift" */

/* Adds the next value and says what the detector holds of the stream now.  Warnings are given by ddm, eddm, hddm_a and
 * hddm_w only.  Returns 0, or DRIFT_E_RANGE (a value that the kind does not take, see above; the state is as before and
 * *ret_level is not written). */
int drift_detector_add(struct drift_detector *d, double x, enum drift_detector_level *ret_level);

/* State as bytes, so that a daemon can keep it between windows: kind, parameters, state, checksum; little-endian,
 * doubles bit by bit.  A restored detector goes on exactly as the saved one would have.
 *   drift_detector_state_max(d)   most bytes that any state of d takes
 *   drift_detector_save           writes at most cap bytes; DRIFT_E_FULL when that does not do
 *   drift_detector_load           DRIFT_E_VERSION (a newer version's), DRIFT_E_CORRUPT (checksum, or a state that no
 *                                 detector can be in), DRIFT_E_MEMORY.  Any bytes are safe. */
size_t drift_detector_state_max(const struct drift_detector *d);
int drift_detector_save(const struct drift_detector *d, uint8_t *buf, size_t cap, size_t *ret_len);
int drift_detector_load(const uint8_t *bytes, size_t n, struct drift_detector **ret_d);

#ifdef __cplusplus
}
#endif
#endif
