/* calibrate.h - what the parts of `make calibrate` share. */
#ifndef DRIFTD_CALIBRATE_H
#define DRIFTD_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>

#include "driftd/evidence.h"
#include "traffic.h"

enum { FEATURES = 50, BASELINE_WINDOWS = 336, BASELINE_MAX = 1008 };
#define HOUR_MS INT64_C(3600000)
#define FALSE_ALARM_WINDOWS 2160.0 /* one per 90 days of hourly windows */

/* How the means of features, or the log odds of a category, wander while nothing has changed, and what they are like.
 */
struct scenario {
    const char *name;
    double sd, rho;  /* stationary standard deviation and memory of each feature's own AR(1) */
    double daily;    /* amplitude of a sine of 24 windows, phase by feature */
    int wandering;   /* so many features wander; 0: all */
    int copies;      /* so many features are the same one; 0 or 1: all of their own */
    size_t windows;  /* of the baseline */
    unsigned events; /* a window */
    bool promised;   /* the specification shows the promise holding here */
    bool shares;     /* features are categorical, with 2, 3, 8 or 20 categories and 1 % of nulls */
    bool own_range;  /* numeric features that stand still, in the range of the baseline's own values; 1 % of nulls */
};

/* A model with its baseline, its bank and the traffic that goes on. */
struct world {
    struct traffic t;
    struct scenario s;
    struct drift_rng r;
    struct drift_summary *pooled, *window;
    struct drift_phase1 *phase1;
    struct drift_evidence *bank;
    double mu[FEATURES], phase[FEATURES];
    double beyond[FEATURES][2]; /* own_range: shares of the outermost cells that lie outside; 0 in the baseline */
    int64_t now;
};
/* A change of feature 0: mean (log odds of the second category) and standard deviation; {0, 1} is none. */
struct change {
    double mean, sd;
};
/* mode and guard: of the evidence. */
void world_init(struct world *w, const struct scenario *s, enum drift_evidence_mode mode, bool guard, uint64_t seed);
void world_release(struct world *w);
void world_step(struct world *w, struct change c, struct drift_evidence_result *ret);

/* p-values of one test without drift. */
struct size_hits {
    double n, at_05, at_001;
};
void size_hit(struct size_hits *h, double p);
/* A cell of a table; 1 when the test is demanded not to reject too often and does. */
int size_print(const struct size_hits *h, bool demanded);

/* The tables, in Markdown on stdout.  Each returns how many of its demands failed. */
int table_sizes(bool quick);
int table_run_lengths(bool quick, const char *only);
int table_delays(bool quick);
int table_verdicts(bool quick, const char *only);
int table_samples(bool quick);
int table_intervals(bool quick);
int table_multivariate(bool quick);

#endif
