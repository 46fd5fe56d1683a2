/* src/cli/common.c    What the subcommands share: loading the configuration, failing, progress. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driftd/internal/cli.h"

enum { REPORT_MAX = 1 << 20, LINE_MAX_TEXT = 160 };

struct drift_config *drift_cli_config(const char *file, int *ret_exit)
{
    struct drift_config *c = NULL;
    struct drift_buf report;
    drift_buf_init(&report, REPORT_MAX);
    int rc = drift_config_load(file, &c, &report);
    if (rc) {
        fputs(report.data ? report.data : "", stderr);
        *ret_exit = rc == DRIFT_E_IO ? DRIFT_EXIT_UNAVAILABLE : DRIFT_EXIT_CONFIG;
        c = NULL;
    } else {
        fputs(c->warnings, stderr);
    }
    drift_buf_release(&report);
    return c;
}

int drift_cli_fail(int status, const char *command, const char *fmt, ...)
{
    va_list ap;
    drift_cli_progress_done();
    fprintf(stderr, "driftd %s: ", command);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return status;
}

static size_t shown; /* bytes of the progress line that stands on the terminal */

void drift_cli_progress(const char *fmt, ...)
{
    char line[LINE_MAX_TEXT];
    if (!isatty(STDERR_FILENO))
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    size_t n = strlen(line);
    fprintf(stderr, "\r%s%*s", line, (int)(shown > n ? shown - n : 0), "");
    fflush(stderr);
    shown = n;
}

void drift_cli_progress_done(void)
{
    if (shown)
        fprintf(stderr, "\r%*s\r", (int)shown, "");
    fflush(stderr);
    shown = 0;
}
