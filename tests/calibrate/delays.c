/* tests/calibrate/delays.c    Windows until a change of one feature in fifty alarms; a table of calibrate.c. */
#include <stdio.h>

#include "calibrate.h"

enum { RUNS_MAX = 400, HORIZON = 120, BEFORE = 24, CHANGES = 6 };

struct shift {
    const char *name;
    struct change c;
    int median; /* of the specification's table; 0: it has none */
};
static const struct shift numeric[CHANGES] = {
    {"mean +.05 sd", {.05, 1}, 14}, {"mean +.1 sd", {.1, 1}, 4}, {"mean +.2 sd", {.2, 1}, 1},
    {"mean +.3 sd", {.3, 1}, 1},    {"sd x 1.05", {0, 1.05}, 9}, {"sd x 1.1", {0, 1.1}, 3},
};
static const struct shift shares[] = {
    /* log odds +.1, .2, .4 */
    {"a share of 33.3 % becomes 35.6 %", {.1, 1}, 0},
    {"a share of 33.3 % becomes 37.9 %", {.2, 1}, 0},
    {"a share of 33.3 % becomes 42.7 %", {.4, 1}, 0},
};

static int ascending(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* One run: windows without change first, so that R is what it usually is; an alarm there starts anew. */
static int delay_run(struct world *w, struct change c, bool *ret_named)
{
    struct drift_evidence_result res;
    drift_evidence_rearm(w->bank, UINT32_MAX);
    for (int i = 0; i < BEFORE; i++) {
        world_step(w, (struct change){0, 1}, &res);
        if (res.alarm)
            drift_evidence_rearm(w->bank, UINT32_MAX);
    }
    for (int i = 1; i <= HORIZON; i++) {
        world_step(w, c, &res);
        if (!res.alarm)
            continue;
        *ret_named = drift_evidence_of(w->bank, 0)->listed;
        if (*ret_named)
            return i;
        drift_evidence_rearm(w->bank, UINT32_MAX);
    }
    return HORIZON;
}

/* One row a shift, of feature 0 of worlds of one kind; how many medians are later than specified. */
static int rows(const struct shift *shifts, int n_shifts, bool categories, int worlds, int runs, bool quick)
{
    const struct scenario still = {"", 0, 0, 0, 0, 0, BASELINE_WINDOWS, 1000, true, categories, false};
    static int delay[CHANGES][RUNS_MAX];
    int n = 0, failed = 0;
    for (int i = 0; i < worlds; i++) {
        struct world w;
        world_init(&w, &still, DRIFT_EVIDENCE_GUARANTEED, false, 9000 + (uint64_t)i);
        for (int j = 0; j < runs; j++, n++)
            for (int k = 0; k < n_shifts; k++) {
                bool named;
                delay[k][n] = delay_run(&w, shifts[k].c, &named);
            }
        world_release(&w);
    }
    for (int k = 0; k < n_shifts; k++) {
        qsort(delay[k], (size_t)n, sizeof delay[k][0], ascending);
        int median = delay[k][(n - 1) / 2], late = delay[k][(n * 9 - 1) / 10];
        double allowed = fmax(shifts[k].median + 1, 1.1 * shifts[k].median) + (quick ? 2 : 0); /* 24 runs scatter */
        bool bad = shifts[k].median && median > allowed;
        failed += bad;
        printf("| %s | %d | %d |", shifts[k].name, median, late);
        if (shifts[k].median)
            printf(" %d | %s |\n", shifts[k].median, bad ? "**late**" : "ok");
        else
            printf(" - | |\n");
    }
    return failed;
}

int table_delays(bool quick)
{
    int worlds = quick ? 4 : 20, runs = quick ? 6 : 20, failed;
    printf(
        "### Windows until a change of one feature in %d is found\n\n"
        "1000 events a window, a baseline of %d windows, one false alarm in %.0f windows; %d runs on %d baselines, %d\n"
        "windows without change before each. \"specified\": the median in the specification; a median beyond one "
        "window\n"
        "or 10 %% above it fails. Shares: all features are categorical, and the changed one has two categories.\n\n"
        "| change | median | 90 %% | specified | |\n|---|---|---|---|---|\n",
        FEATURES, BASELINE_WINDOWS, FALSE_ALARM_WINDOWS, worlds * runs, worlds, BEFORE);
    failed = rows(numeric, sizeof numeric / sizeof *numeric, false, worlds, runs, quick);
    failed += rows(shares, sizeof shares / sizeof *shares, true, worlds, runs, quick);
    printf("\n");
    return failed;
}
