/* problem.h - everything wrong with a file, collected, then printed in order of position.
 *
 *     file:line:column: path: message
 * At most DRIFT_PROBLEMS_MAX are kept; the rest is counted.  What the file itself says is quoted with control bytes
 * replaced, so that a file cannot write to a terminal.  Threads: one owner. */
#ifndef DRIFTD_CONFIG_PROBLEM_H
#define DRIFTD_CONFIG_PROBLEM_H

#include <stddef.h>
#include <stdint.h>

#include "driftd/internal/base/buf.h"
#include "driftd/internal/base/err.h"

enum { DRIFT_PROBLEMS_MAX = 200 };

struct drift_problem {
    uint32_t line, column;
    size_t order; /* of those at one position */
    char *text;
};

struct drift_problems {
    size_t n, dropped;
    struct drift_problem list[DRIFT_PROBLEMS_MAX];
};

/* path may be "" (the whole file). */
void drift_problem_add(struct drift_problems *ps, uint32_t line, uint32_t column, const char *path, const char *fmt,
                       ...) DRIFT_PRINTF(5, 6);
/* One line each; `prefix` stands before the message ("" or "warning: "). */
void drift_problems_print(struct drift_problems *ps, const char *file, const char *prefix, struct drift_buf *out);
void drift_problems_release(struct drift_problems *ps);

#endif
