/* cli.h - the subcommands: one file each in src/cli/, dispatched by main.c's table.
 *
 * A command gets argv from its own name on (argv[0] = "check"), parses with getopt_long, prints results on stdout and
 * errors on stderr, and returns an exit status.  --help prints usage with examples on stdout and returns 0. */
#ifndef DRIFTD_CLI_H
#define DRIFTD_CLI_H

#include "driftd/internal/base/err.h"
#include "driftd/internal/config/config.h"

enum drift_exit {
    DRIFT_EXIT_OK = 0,
    DRIFT_EXIT_FOUND = 1,        /* something was found (drift, a failed check, nothing to show) */
    DRIFT_EXIT_USAGE = 2,        /* wrong arguments */
    DRIFT_EXIT_UNAVAILABLE = 69, /* a server or file is not to be had */
    DRIFT_EXIT_SOFTWARE = 70,    /* fatal error while running: the supervisor should restart */
    DRIFT_EXIT_CONFIG = 78       /* bad configuration */
};

int drift_cmd_init(int argc, char **argv);
int drift_cmd_check(int argc, char **argv);
int drift_cmd_run(int argc, char **argv);
int drift_cmd_baseline(int argc, char **argv); /* build | list | show | promote */
int drift_cmd_explain(int argc, char **argv);
int drift_cmd_rearm(int argc, char **argv);
int drift_cmd_compare(int argc, char **argv);
int drift_cmd_detect(int argc, char **argv);
int drift_cmd_endpoint(int argc, char **argv); /* test */
int drift_cmd_status(int argc, char **argv);
int drift_cmd_version(int argc, char **argv);

/* Shared helpers (src/cli/common.c). */
/* Loads a configuration; prints all errors on stderr; NULL then, and *ret_exit says with what to end. */
struct drift_config *drift_cli_config(const char *file, int *ret_exit);
/* "driftd check: text" on stderr; returns status. */
int drift_cli_fail(int status, const char *command, const char *fmt, ...) DRIFT_PRINTF(3, 4);
/* Progress line on stderr when that is a terminal (overwrites itself); done() ends it. */
void drift_cli_progress(const char *fmt, ...) DRIFT_PRINTF(1, 2);
void drift_cli_progress_done(void);

#endif
