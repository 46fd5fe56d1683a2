/* spool.h - a path under which input can be read from its beginning as often as asked.
 *
 * A regular file is read where it is.  Standard input (`-`) and pipes are copied first, to a file in TMPDIR (else /tmp)
 * that has no name and goes away with the process; at most 256 GiB.  Linux: it is reached by /proc/self/fd.
 * Threads: one owner. */
#ifndef DRIFTD_CLI_SPOOL_H
#define DRIFTD_CLI_SPOOL_H

#include "driftd/internal/base/err.h"

struct drift_spool {
    char *file; /* as asked for */
    char *path; /* what to open */
    int fd;     /* -1: none */
};
/* Errors: IO.  Nothing to release when it fails. */
int drift_spool_init(struct drift_spool *s, const char *file, struct drift_err *err) DRIFT_MUST_CHECK;
void drift_spool_release(struct drift_spool *s);
/* For messages: the file's name, "standard input" for `-`. */
const char *drift_spool_name(const char *file);

#endif
