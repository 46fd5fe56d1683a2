/* compare.h - what `driftd compare` was asked for, and what it found.
 *
 * compare.c reads and counts, compare_report.c judges, the other compare_*.c tell.
 * Threads: one owner. */
#ifndef DRIFTD_CLI_COMPARE_H
#define DRIFTD_CLI_COMPARE_H

#include <jansson.h>

#include "driftd/internal/baseline/baseline.h"
#include "driftd/internal/cli/exact.h"
#include "driftd/internal/config/config.h"
#include "driftd/multiple.h"

enum { DRIFT_COMPARE_LIST = 1024, DRIFT_COMPARE_NUMBERS = 32 }; /* names of an option; numbers that go together */
enum drift_compare_format { DRIFT_COMPARE_TABLE, DRIFT_COMPARE_MARKDOWN, DRIFT_COMPARE_JSON };

struct drift_compare_request {
    const char *file[2];
    enum drift_compare_format format;
    enum drift_severity fail_on;
    size_t n_columns, n_types, n_header;
    char *columns[DRIFT_COMPARE_LIST], *header[DRIFT_COMPARE_LIST];
    struct drift_feature_type types[DRIFT_COMPARE_LIST];
    const char *label, *score;
    double warning, critical, p; /* p NaN: by the number of columns */
    bool multivariate;           /* how numbers go together */
    bool exact;                  /* read the values */
    uint64_t memory;             /* bytes for them */
    struct drift_exact_settings what;
    unsigned rules;           /* bits; none: half a count */
    int binning;              /* the first named, for tables; -1: the daemon's */
    enum drift_psi_rule rule; /* the first named */
    enum drift_multiple adjust;
};

/* Both files as counts on the first one's cells. */
struct drift_compare_counts {
    struct drift_baseline *baseline;
    struct drift_summary *current[DRIFT_N_CHAIN];
    uint64_t rows[2];
};

/* A figure of the values between what the daemon's cells allow. */
struct drift_compare_bracket {
    bool there, open; /* open: nothing bounds it from above, values lie beyond the baseline's range */
    double low, high; /* what the cells allow */
    double estimate;  /* what the cells say */
    double exact;     /* NaN: the values were not read */
    bool holds;
};
/* X(ID, "name of the figure") */
#define DRIFT_COMPARE_BRACKETS(X)                                                                                      \
    X(KS, "ks")                                                                                                        \
    X(W1, "wasserstein1")                                                                                              \
    X(CVM, "cramer_von_mises")
enum drift_compare_bracket_id {
#define X(id, name) DRIFT_BRACKET_##id,
    DRIFT_COMPARE_BRACKETS(X)
#undef X
        DRIFT_N_BRACKET
};
const char *drift_compare_bracket_name(enum drift_compare_bracket_id id);

struct drift_compare_row {
    const struct drift_column *column;
    struct drift_measure m[DRIFT_N_MEASURE];
    enum drift_severity severity;
    enum drift_measure_id why; /* measure that gave the severity */
    struct drift_exact exact;
    struct drift_exact_bins grid; /* the daemon's bins, unpooled */
    struct drift_compare_bracket bracket[DRIFT_N_BRACKET];
    double grid_ad, grid_ad_p; /* Anderson-Darling of the cells, which has no bracket; NaN: none */
    bool has_p;                /* p of the family: KS of the values, chi-square of categories */
    double p, adjusted;
};

struct drift_compare_report {
    const struct drift_compare_request *request;
    const struct drift_compare_counts *counts;
    size_t n;
    struct drift_compare_row *rows; /* worst first, once sorted */
    double gate;
    enum drift_severity worst;
};
/* Rows of all columns, measured on the daemon's cells; their exact parts are empty. */
void drift_compare_report_init(struct drift_compare_report *rep, const struct drift_compare_request *r,
                               const struct drift_compare_counts *k);
/* When the exact parts are there: adjusts the family and sorts. */
void drift_compare_report_finish(struct drift_compare_report *rep);
void drift_compare_report_release(struct drift_compare_report *rep);

/* On stdout. */
void drift_compare_text(const struct drift_compare_report *rep, bool markdown);
void drift_compare_json(const struct drift_compare_report *rep);
/* The columns that changed, worst first, in words and bars; nothing when none did. */
void drift_compare_changes(const struct drift_compare_report *rep, bool markdown);
/* How the numbers go together (--multivariate). */
void drift_compare_dependence_text(const struct drift_compare_report *rep);
json_t *drift_compare_dependence_json(const struct drift_compare_report *rep);
json_t *drift_compare_change_json(const struct drift_compare_report *rep, const struct drift_compare_row *row);

/* "ok", "warning", "critical" */
const char *drift_compare_verdict(enum drift_severity s);
/* The bins that tables show: those of the convention that was asked for. */
const struct drift_exact_bins *drift_compare_bins(const struct drift_compare_report *rep,
                                                  const struct drift_compare_row *row);

#endif
