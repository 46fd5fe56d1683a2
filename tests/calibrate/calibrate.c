/* tests/calibrate/calibrate.c    `make calibrate`: what the statistics promise, simulated; tables in Markdown. */
/* Seeded (DRIFTD_SEED), so that a table can be made again; --short is what `make check` runs.  Exit status 1 when a
 * figure is worse than promised. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "calibrate.h"
#include "driftd/tail.h"

static const char help[] =
    "usage: calibrate [--short] [--table NAME] [--only TEXT]\n\n"
    "Simulates what the statistics promise and prints tables in Markdown: sizes of the tests, of those on sorted\n"
    "samples, intervals, dependence between features, verdicts on baselines, windows between false alarms, windows\n"
    "until a change is found.  NAME: sizes, samples, intervals, multivariate, verdicts, lengths or delays.\n"
    "--only: rows of `verdicts` and `lengths` with TEXT in their name.  DRIFTD_SEED=N repeats a run (default\n"
    "fixed, \"fresh\" takes the clock).\n";

static bool wanted(const char *table, const char *name)
{
    return !table || !strcmp(table, name);
}

int main(int argc, char **argv)
{
    const char *table = NULL, *only = NULL;
    bool quick = false;
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--short"))
            quick = true;
        else if (!strcmp(argv[i], "--table") && i + 1 < argc)
            table = argv[++i];
        else if (!strcmp(argv[i], "--only") && i + 1 < argc)
            only = argv[++i];
        else
            return fputs(help, stderr), 2;
    }
    drift_stats_init();
    clock_t begun = clock();
    printf("seed %" PRIu64 "%s\n\n", drift_test_seed(), quick ? ", short form" : "");
    if (wanted(table, "sizes"))
        failed += table_sizes(quick);
    if (wanted(table, "samples"))
        failed += table_samples(quick);
    if (wanted(table, "intervals"))
        failed += table_intervals(quick);
    if (wanted(table, "multivariate"))
        failed += table_multivariate(quick);
    if (wanted(table, "verdicts"))
        failed += table_verdicts(quick, only);
    if (wanted(table, "lengths"))
        failed += table_run_lengths(quick, only);
    if (wanted(table, "delays"))
        failed += table_delays(quick);
    printf("%d figures worse than promised, %.0f s of processor time\n", failed,
           (double)(clock() - begun) / CLOCKS_PER_SEC);
    return failed ? 1 : 0;
}
