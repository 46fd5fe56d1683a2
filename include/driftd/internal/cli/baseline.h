/* baseline.h - the parts of `driftd baseline`: one file each, dispatched by baseline.c.
 *
 * argv[0] is the part's own name ("build").  Exit statuses as in cli.h. */
#ifndef DRIFTD_CLI_BASELINE_H
#define DRIFTD_CLI_BASELINE_H

#include <jansson.h>

#include "driftd/internal/baseline/baseline.h"
#include "driftd/internal/config/config.h"
#include "driftd/internal/store/store.h"
#include "driftd/phase1.h"

int drift_baseline_build_main(int argc, char **argv);
int drift_baseline_put_main(int argc, char **argv);
int drift_baseline_list_main(int argc, char **argv);
int drift_baseline_show_main(int argc, char **argv);
int drift_baseline_promote_main(int argc, char **argv);

/* What all of them begin with: -c FILE and --model M.  The model may be left out when there is only one.
 * Prints what is wrong; NULL then, *ret_exit is the status. */
struct drift_config *drift_baseline_config(const char *command, const char *file, const char *model,
                                           const struct drift_model **ret_model, int *ret_exit);
/* Exit status of an error of a server, file or argument; prints it. */
int drift_baseline_fail(const char *command, int rc, const struct drift_err *err);

/* Reads a baseline file, or one of the store by id.  DRIFT_E_MISMATCH when it is of another model. */
int drift_baseline_read_file(const char *file, struct drift_baseline **ret, struct drift_err *err) DRIFT_MUST_CHECK;
int drift_baseline_fetch(struct drift_store *s, const char *model, const char *id, struct drift_baseline **ret,
                         struct drift_err *err) DRIFT_MUST_CHECK;
/* Saves into the store and says so on stdout; the same content under the same id is no error. */
int drift_baseline_keep(struct drift_store *s, struct drift_baseline *b, struct drift_err *err) DRIFT_MUST_CHECK;
/* Replays the evidence of the model over the inputs of a new baseline (driftd/replay.h) and keeps what comes out in
 * META as `replay`: {configured, drawn, own}, both {windows, distinct, alarms, mean, low, high}.  Too few windows:
 * nothing. The library's code. */
int drift_baseline_replay(struct drift_baseline *b, const struct drift_model *m) DRIFT_MUST_CHECK;
/* One line of it on stdout, and a warning where the baseline itself alarms too often. */
void drift_baseline_replay_print(const json_t *meta);
/* Table of a baseline's columns on stdout, then what phase I says of it. */
void drift_baseline_print(const struct drift_baseline *b);
/* Makes it hold from a window boundary on and says from when; from_ms INT64_MIN: as soon as possible.
 * DRIFT_E_RANGE for a baseline that drifts itself, when the model has `evidence`, unless anyway. */
int drift_baseline_promote(struct drift_store *s, const struct drift_config *c, const struct drift_model *m,
                           const char *id, int64_t from_ms, bool anyway, struct drift_err *err) DRIFT_MUST_CHECK;

/* ---- baseline_phase1.c: the input chain's windows judged (driftd/phase1.h) ---- */
/* *ret is NULL when there is nothing to judge; freed with drift_phase1_free, before b. */
int drift_baseline_phase1(const struct drift_baseline *b, struct drift_phase1 **ret,
                          struct drift_err *err) DRIFT_MUST_CHECK;
bool drift_baseline_stationary(const struct drift_phase1 *p); /* neither split nor wandering slowly */
void drift_baseline_phase1_print(const struct drift_baseline *b, const struct drift_phase1 *p);
/* Puts it into META: {promises, stationary, flags, why: [text], windows, effective, events, columns: [..]}. */
void drift_baseline_phase1_note(struct drift_baseline *b, const struct drift_phase1 *p);
/* The first reason against it, "" without one; heap. */
char *drift_baseline_phase1_why(const struct drift_baseline *b, const struct drift_phase1 *p);

#endif
