/* src/main.c    The table of subcommands. */
#include <stdio.h>
#include <string.h>

#include "driftd/internal/cli.h"
#include "driftd/tail.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"init", drift_cmd_init, "read records of a topic and print a commented configuration"},
    {"check", drift_cmd_check, "check a configuration; with --connect also the servers it names"},
    {"baseline", drift_cmd_baseline, "build, list, show and promote baselines"},
    {"run", drift_cmd_run, "watch: consume, compare, alert"},
    {"status", drift_cmd_status, "show partitions, windows and what they wait for"},
    {"explain", drift_cmd_explain, "a judged window in words and bars: what changed, most first"},
    {"rearm", drift_cmd_rearm, "watch columns again whose drift was dealt with"},
    {"compare", drift_cmd_compare, "compare two files, without servers"},
    {"detect", drift_cmd_detect, "run a known change detector over a column of a file"},
    {"endpoint", drift_cmd_endpoint, "send a signed test event to an endpoint"},
    {"version", drift_cmd_version, "show versions"},
};

static int usage(FILE *out, int status)
{
    fputs("usage: driftd COMMAND [OPTIONS]\n\n"
          "Watches detection models for drift: Kafka streams in, windows against a baseline in Redis,\n"
          "signed webhooks out.\n\ncommands:\n",
          out);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    fputs("\n`driftd COMMAND --help` shows options and examples.\n\n"
          "exit status: 0 good, 1 something was found, 2 usage, 69 a server or file is not to be had,\n"
          "70 fatal error while running, 78 bad configuration\n",
          out);
    return status;
}

int main(int argc, char **argv)
{
    drift_stats_init();
    if (argc < 2)
        return usage(stderr, DRIFT_EXIT_USAGE);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return usage(stdout, DRIFT_EXIT_OK);
    if (!strcmp(argv[1], "--version"))
        return drift_cmd_version(1, argv + 1);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "driftd: no command '%s'\n", argv[1]);
    return usage(stderr, DRIFT_EXIT_USAGE);
}
