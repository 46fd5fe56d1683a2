/* evidence.h - the bank of one model, shared by evidence.c, streams.c and evidence_save.c; private to the detect room.
 */
#ifndef DRIFTD_DETECT_EVIDENCE_H
#define DRIFTD_DETECT_EVIDENCE_H

#include "driftd/evidence.h"

enum { BETS = DRIFT_STREAM_BETS };

/* R stays below it, so that no update overflows: exp(24) at most each. */
#define R_MAX 1e200
#define Z_MAX 8.0

struct stream {
    bool used;
    double weight;                        /* of M */
    double per_hit[BETS], per_miss[BETS]; /* rates: ln(r1/r0), ln((1-r1)/(1-r0)) */
    double r0;
    /* state */
    double r[BETS];
    double z_sum; /* while latched: of the windows since the last decision about arming */
    /* of the last window */
    double log_e[BETS];
};

struct bank_column {
    bool latched;
    uint32_t n_clear; /* windows in z_sum */
    double weight;
    double tolerance, delta_eff; /* nats: what the user allows, 0 without; PSI's with the baseline's own error */
    struct stream stream[DRIFT_N_STREAM];
    struct drift_evidence_column view;
};

struct drift_evidence {
    const struct drift_phase1 *phase1;
    struct drift_evidence_settings set;
    double threshold; /* A, or .4 A */
    uint64_t shape;   /* hash of what a state must fit */
    int64_t last_ms;  /* INT64_MIN: none yet */
    struct bank_column *column;
    uint64_t *groups; /* workspace, cells of the largest column */
    uint32_t *order;  /* workspace, columns */
};

/* Prepares a column's streams: which exist, their weights inside the column, constants.  tolerance: negative: none. */
void streams_init(struct bank_column *b, const struct drift_phase1_column *p, const struct drift_column *c,
                  double tolerance);
/* ln e of z for each theta; charge NULL: theta^2 / 2.  Returns z, clipped. */
double streams_bets(double z, const double charge[BETS], double log_e[BETS]);
/* z and log_e of a window's counters; view.live says which have any. */
void streams_measure(struct bank_column *b, const struct drift_phase1 *phase1, uint32_t column,
                     const uint64_t *counters, int64_t start_ms, double windows, uint64_t *groups);

#endif
