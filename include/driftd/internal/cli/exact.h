/* exact.h - what the values of a column say, side by side with what its cells say; for `compare`.
 *
 * Numbers: statistics of the sorted samples, and bins by named conventions.  Categories: the union of both sides, one
 * cell each.  Threads: pure. */
#ifndef DRIFTD_CLI_EXACT_H
#define DRIFTD_CLI_EXACT_H

#include "driftd/anderson.h"
#include "driftd/binning.h"
#include "driftd/chi2.h"
#include "driftd/cvm.h"
#include "driftd/internal/cli/values.h"
#include "driftd/ks.h"
#include "driftd/psi.h"
#include "driftd/samples.h"

enum { DRIFT_EXACT_QUANTILES = 9 };
extern const double drift_exact_quantiles[DRIFT_EXACT_QUANTILES];

/* What two rows of counts say. */
struct drift_exact_bins {
    size_t n;                     /* 0: nothing to compare */
    uint64_t *count[2];           /* [n] */
    double psi[DRIFT_N_PSI_RULE]; /* NaN: not defined under this rule */
    size_t psi_bins[DRIFT_N_PSI_RULE];
    double js, hellinger, total_variation, kl[2]; /* kl: baseline to current, and back */
    struct drift_chi2 chi2;                       /* nothing pooled */
};

extern const char drift_exact_empty[]; /* why: a side has no values; after any other they were not read */
struct drift_exact {
    const char *why; /* static text; NULL: what follows is there */
    size_t n[2];
    /* numbers */
    struct drift_moments moments[2];
    double quantile[2][2][DRIFT_EXACT_QUANTILES]; /* [side][rule]: interpolated, observed */
    struct drift_ks_exact ks;
    double ks_p, ks_p_exact; /* finite-sample law; all orders counted */
    double ks_p_limit, ks_p_limit_log10, ks_p_stephens, ks_p_stephens_log10;
    double wasserstein, energy; /* like all that follows: NaN where it is not defined */
    struct drift_cvm cvm;
    double cvm_p_exact;
    struct drift_anderson anderson;
    size_t n_edges[DRIFT_N_BINNING];
    double edges[DRIFT_N_BINNING][DRIFT_BINNING_EDGES];
    struct drift_exact_bins bins[DRIFT_N_BINNING];
    /* categories */
    struct drift_exact_bins names;
    size_t n_new, n_gone; /* without a value in the baseline; in the current file */
    uint64_t new_values;  /* in categories that are new */
    char **name;          /* [names.n] */
};

/* What is computed: conventions (bits), and whether orders are counted for an exact p-value of KS also where that takes
 * more than some 10 ms. */
struct drift_exact_settings {
    unsigned binnings;
    bool all_orders;
};
void drift_exact_init(struct drift_exact *e, const struct drift_values *v, const struct drift_exact_settings *s);
/* The same for counts that are there; p, q shape [n], copied. */
void drift_exact_bins_init(struct drift_exact_bins *b, const uint64_t *p, const uint64_t *q, size_t n);
void drift_exact_bins_release(struct drift_exact_bins *b);
void drift_exact_release(struct drift_exact *e);

#endif
