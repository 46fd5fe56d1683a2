/* guess.h - what the fields of unknown records probably are: roles, time unit, features and their kinds; for `init`.
 *
 * Every record's scalars are collected by path; then names, kinds and magnitudes decide.  A guess is printed for
 * somebody to read and correct, so it prefers to say nothing over saying something odd.  Threads: one owner. */
#ifndef DRIFTD_CLI_GUESS_H
#define DRIFTD_CLI_GUESS_H

#include "driftd/internal/config/config.h"

enum { DRIFT_GUESS_VALUES = 24, DRIFT_GUESS_COLUMNS = 4096 };

struct drift_guess_column {
    char *path;
    uint64_t n_num, n_text, n_bool, n_null, n_other;
    bool whole;        /* all numbers are integers */
    double min, max;   /* of the numbers */
    bool times;        /* all texts are RFC 3339 dates */
    uint32_t n_values; /* distinct texts kept; DRIFT_GUESS_VALUES: there may be more */
    bool more;
    char *values[DRIFT_GUESS_VALUES];
};

enum drift_guess_role {
    DRIFT_GUESS_ID,
    DRIFT_GUESS_TIME,
    DRIFT_GUESS_MODEL,
    DRIFT_GUESS_MODEL_VERSION,
    DRIFT_GUESS_FEATURES_VERSION,
    DRIFT_GUESS_PROMPT_VERSION,
    DRIFT_GUESS_THRESHOLD_VERSION,
    DRIFT_GUESS_SCORE,
    DRIFT_GUESS_DECISION,
    DRIFT_GUESS_LABEL,
    DRIFT_GUESS_SOURCE,
    DRIFT_GUESS_LATENCY,
    DRIFT_N_GUESS
};

struct drift_guess {
    uint64_t n_records;
    size_t n_columns;
    struct drift_guess_column *columns; /* in order of appearance */
    /* answers */
    int role[DRIFT_N_GUESS]; /* column, -1: none */
    enum drift_time_unit unit;
    char *object; /* path of the features' object; NULL: none */
    size_t n_features;
    size_t *features; /* columns */
};
void drift_guess_init(struct drift_guess *g);
void drift_guess_release(struct drift_guess *g);
/* A scalar of the present record (a drift_leaf_fn; ctx is the guess), and the end of the record. */
void drift_guess_leaf(void *ctx, const char *path, enum drift_value_kind kind, double num, struct drift_str str);
void drift_guess_record(struct drift_guess *g);
void drift_guess_answer(struct drift_guess *g);

bool drift_guess_numeric(const struct drift_guess_column *c);
/* Nearly every record has another text: an identifier, not a category. */
bool drift_guess_identifier(const struct drift_guess *g, const struct drift_guess_column *c);
/* Name of a feature: its path below the features' object. */
const char *drift_guess_name(const struct drift_guess *g, const struct drift_guess_column *c);

#endif
