/* src/cli/endpoint.c    driftd endpoint test: sends one signed test event and shows what went over the wire. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "driftd/internal/act/sender.h"
#include "driftd/internal/base/clock.h"
#include "driftd/internal/cli.h"

static const char usage[] =
    "Usage: driftd endpoint test NAME -c FILE\n"
    "\n"
    "Sends one signed event of type io.driftd.test to an endpoint of the configuration and shows what was\n"
    "sent and what came back (credentials in the URL hidden).\n"
    "\n"
    "  -c, --config FILE   configuration\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit status: 0 answered with 2xx, 1 refused by the receiver, 2 usage, 69 no answer or to be tried again,\n"
    "78 bad configuration.\n"
    "\n"
    "Example:\n"
    "  driftd endpoint test soc -c /etc/driftd/driftd.yaml\n";

static int run_test(const struct drift_config *c, const char *name)
{
    struct drift_buf report;
    struct drift_err err = {0};
    drift_buf_init(&report, 1 << 20);
    int r = drift_endpoint_test(c, name, drift_wall_ms(&drift_clock_system), &report, &err);
    if (report.len)
        printf("%s%s", report.data, report.data[report.len - 1] == '\n' ? "" : "\n");
    drift_buf_release(&report);
    if (r == 0) {
        printf("ok: endpoint %s took the test event\n", name);
        return DRIFT_EXIT_OK;
    }
    int status = r == DRIFT_E_DENIED      ? DRIFT_EXIT_FOUND
                 : r == DRIFT_E_AWAY      ? DRIFT_EXIT_UNAVAILABLE
                 : r == DRIFT_E_NOT_FOUND ? DRIFT_EXIT_USAGE
                                          : DRIFT_EXIT_CONFIG;
    return drift_cli_fail(status, "endpoint test", "%s", err.text);
}

int drift_cmd_endpoint(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    const char *file = NULL;
    for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;)
        switch (o) {
        case 'c':
            file = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return DRIFT_EXIT_OK;
        default:
            fputs(usage, stderr);
            return DRIFT_EXIT_USAGE;
        }
    if (argc - optind != 2 || strcmp(argv[optind], "test") || !file) {
        fputs(usage, stderr);
        return DRIFT_EXIT_USAGE;
    }
    int status = DRIFT_EXIT_OK;
    struct drift_config *c = drift_cli_config(file, &status);
    if (!c)
        return status;
    status = run_test(c, argv[optind + 1]);
    drift_config_free(c);
    return status;
}
