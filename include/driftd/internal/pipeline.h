/* pipeline.h - the whole house: ingest, judge, sender and server, each on its thread.
 *
 * Threads: ingest runs on the caller's; judge, sender and one for signals are made here. */
#ifndef DRIFTD_PIPELINE_H
#define DRIFTD_PIPELINE_H

#include "driftd/internal/config/config.h"

struct drift_pipeline_settings {
    const struct drift_config *config;
    const char *instance; /* names this process in slots and leases */
    bool until_end;       /* close everything at the end of the log, deliver, return */
    int64_t drain_ms;     /* --until-end: how long deliveries may take after the last verdict */
    bool windows;         /* print a line for each judged window on stdout */
};
/* Runs until SIGTERM or SIGINT (a second one ends the process at once), the end of the log, or a fatal error.
 * Returns an exit status (cli.h). */
int drift_pipeline_run(const struct drift_pipeline_settings *s);

#endif
