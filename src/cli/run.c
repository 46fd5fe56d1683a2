/* src/cli/run.c    `driftd run`: the daemon. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driftd/internal/base/log.h"
#include "driftd/internal/cli.h"
#include "driftd/internal/pipeline.h"

static const char help[] =
    "usage: driftd run -c FILE [OPTIONS]\n\n"
    "Joins the consumer group, counts events into windows, judges each window once, delivers webhooks.\n"
    "Log lines go to stderr, one line for each judged window to stdout.\n\n"
    "  -c, --config FILE     configuration\n"
    "      --until-end       read to the end of the log, close and judge everything, deliver, exit\n"
    "      --drain DURATION  with --until-end: wait so long for deliveries (default 30s)\n"
    "      --instance NAME   name of this process in status and leases (default host:pid)\n"
    "      --log-level L     debug, info, warn or error (default info)\n"
    "      --quiet           no line for each window\n\n"
    "SIGTERM flushes, leaves the group, sends what it can and ends within 5 s; a second one ends at once.\n\n"
    "examples:\n"
    "  driftd run -c /etc/driftd/driftd.yaml\n"
    "  driftd run -c replay.yaml --until-end --quiet\n";

enum { OPT_UNTIL_END = 256, OPT_DRAIN, OPT_INSTANCE, OPT_LEVEL, OPT_QUIET };

int drift_cmd_run(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"until-end", no_argument, NULL, OPT_UNTIL_END},
        {"drain", required_argument, NULL, OPT_DRAIN},
        {"instance", required_argument, NULL, OPT_INSTANCE},
        {"log-level", required_argument, NULL, OPT_LEVEL},
        {"quiet", no_argument, NULL, OPT_QUIET},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct drift_pipeline_settings s = {.drain_ms = 30000, .windows = true};
    enum drift_level level;
    const char *file = NULL;
    char host[64] = "", instance[96];
    int opt, status;
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1)
        switch (opt) {
        case 'c':
            file = optarg;
            break;
        case OPT_UNTIL_END:
            s.until_end = true;
            break;
        case OPT_DRAIN:
            if (!drift_duration_parse(optarg, strlen(optarg), &s.drain_ms))
                return drift_cli_fail(DRIFT_EXIT_USAGE, "run", "--drain: '%s' is no duration such as 30s", optarg);
            break;
        case OPT_INSTANCE:
            s.instance = optarg;
            break;
        case OPT_LEVEL:
            if (!drift_log_level_parse(optarg, &level))
                return drift_cli_fail(DRIFT_EXIT_USAGE, "run", "--log-level: '%s' is none of debug, info, warn, error",
                                      optarg);
            drift_log_level(level);
            break;
        case OPT_QUIET:
            s.windows = false;
            break;
        case 'h':
            fputs(help, stdout);
            return DRIFT_EXIT_OK;
        default:
            return DRIFT_EXIT_USAGE;
        }
    if (!file || optind < argc)
        return drift_cli_fail(DRIFT_EXIT_USAGE, "run", "give one configuration with -c FILE (see driftd run --help)");
    struct drift_config *c = drift_cli_config(file, &status);
    if (!c)
        return status;
    gethostname(host, sizeof host - 1);
    snprintf(instance, sizeof instance, "%s:%ld", host, (long)getpid());
    if (!s.instance)
        s.instance = instance;
    s.config = c;
    status = drift_pipeline_run(&s);
    drift_config_free(c);
    return status;
}
