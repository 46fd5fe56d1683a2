/* training.h - data that a model was trained on, counted on the cells of a baseline.
 *
 * NDJSON has records as those of the stream; CSV (`.csv`, `.csv.gz` in any case, RFC 4180) one column a feature, named
 * as in the baseline, and perhaps the score and the label under the names that the model's streams give them.  What is
 * a category there is one here, whatever it looks like; values mean what they mean in NDJSON (table.h).  Threads: one
 * owner. */
#ifndef DRIFTD_CLI_TRAINING_H
#define DRIFTD_CLI_TRAINING_H

#include "driftd/internal/baseline/builder.h"
#include "driftd/internal/cli/source.h"

/* s: as for the baseline; its files and times do not count.  b: frozen.  DRIFT_E_EMPTY: nothing of the model in them;
 * IO, PARSE (file:line: what). */
int drift_training_pass(const struct drift_source_settings *s, const char *const *files, size_t n_files,
                        struct drift_builder *b, struct drift_err *err) DRIFT_MUST_CHECK;

#endif
