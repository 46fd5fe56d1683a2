/* tests/calibrate/verdicts.c    What phase I says of baselines of known traffic; a table of calibrate.c. */
#include <stdio.h>

#include "calibrate.h"

static const struct {
    struct scenario s;
    double kept_least, kept_most; /* share of baselines whose promise is kept; what phase I is demanded to tell */
} verdicts[] = {
    {{"independent windows", 0, 0, 0, 0, 0, 336, 1000, true, false, false}, .98, 1},
    {{"wander .02 sd, AR .9", .02, .9, 0, 0, 0, 336, 1000, true, false, false}, .9, 1},
    {{"wander .05 sd, each window its own", .05, 0, 0, 0, 0, 336, 1000, true, false, false}, .9, 1},
    {{"wander .05 sd, AR .7", .05, .7, 0, 0, 0, 336, 1000, true, false, false}, .9, 1},
    {{"wander .1 sd, AR .7", .1, .7, 0, 0, 0, 336, 1000, true, false, false}, .9, 1},
    {{"wander .05 sd, AR .9", .05, .9, 0, 0, 0, 336, 1000, true, false, false}, .9, 1},
    {{"daily cycle of .1 sd", 0, 0, .1, 0, 0, 336, 1000, true, false, false}, .9, 1},
    {{"wander .05 sd, AR .95", .05, .95, 0, 0, 0, 336, 1000, true, false, false}, 0, 1},
    {{"wander .05 sd, AR .98", .05, .98, 0, 0, 0, 336, 1000, false, false, false}, 0, .02},
    {{"half of the features wander .05 sd, AR .98", .05, .98, 0, 25, 0, 336, 1000, false, false, false}, 0, .1},
    {{"one feature wanders .05 sd, AR .98", .05, .98, 0, 1, 0, 336, 1000, true, false, false}, 0, 1},
    {{"wander .1 sd, AR .98", .1, .98, 0, 0, 0, 336, 1000, false, false, false}, 0, .02},
    {{"wander .05 sd, AR .98, 1008 windows", .05, .98, 0, 0, 0, 1008, 1000, false, false, false}, 0, .05},
    {{"categories, independent windows", 0, 0, 0, 0, 0, 336, 1000, true, true, false}, .98, 1},
    {{"categories, log odds wander .1, AR .9", .1, .9, 0, 0, 0, 336, 1000, true, true, false}, .9, 1},
    {{"categories, daily cycle of .2 in the log odds", 0, 0, .2, 0, 0, 336, 1000, true, true, false}, .9, 1},
    {{"categories, log odds wander .1, AR .98", .1, .98, 0, 0, 0, 336, 1000, false, true, false}, 0, .1},
};

struct verdict_tally {
    int kept, split, slow;
};

int table_verdicts(bool quick, const char *only)
{
    int failed = 0, worlds = quick ? 2 : 40;
    printf(
        "### What the baseline's verdict says\n\n"
        "%d baselines each, %d features. \"kept\": baselines that keep the promise of a rate; the others withdraw it,\n"
        "for a split (the baseline drifts) or because they wander too slowly; some for both.\n\n"
        "| traffic | kept | split | slow | |\n|---|---|---|---|---|\n",
        worlds, FEATURES);
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        struct verdict_tally t = {0};
        if ((quick && verdicts[i].s.windows > BASELINE_WINDOWS) || (only && !strstr(verdicts[i].s.name, only)))
            continue;
        for (int k = 0; k < worlds; k++) {
            struct world w;
            world_init(&w, &verdicts[i].s, DRIFT_EVIDENCE_GUARANTEED, false, 20000 + 1000 * i + (uint64_t)k);
            t.kept += drift_phase1_promises(w.phase1);
            t.split += (w.phase1->flags & DRIFT_PHASE1_SPLIT) != 0;
            t.slow += (w.phase1->flags & DRIFT_PHASE1_SLOW) != 0;
            world_release(&w);
        }
        double share = (double)t.kept / worlds, slack = 1.0 / worlds;
        bool bad = !quick && (share < verdicts[i].kept_least - slack || share > verdicts[i].kept_most + slack);
        failed += bad;
        printf("| %s | %d | %d | %d | %s |\n", verdicts[i].s.name, t.kept, t.split, t.slow, bad ? "**fails**" : "ok");
        fflush(stdout);
    }
    printf("\n");
    return failed;
}
