/* tests/calibrate/run_lengths.c    Mean time between false alarms of the engine; a table of calibrate.c. */
#include <stdio.h>

#include "calibrate.h"
#include "driftd/tail.h"

static const struct scenario scenarios[] = {
    {"independent windows", 0, 0, 0, 0, 0, 336, 1000, true, false, false},
    {"independent windows of 200 events", 0, 0, 0, 0, 0, 336, 200, true, false, false},
    {"each feature ten times", 0, 0, 0, 0, 10, 336, 1000, true, false, false},
    {"wander .02 sd, AR .9", .02, .9, 0, 0, 0, 336, 1000, true, false, false},
    {"wander .05 sd, each window its own", .05, 0, 0, 0, 0, 336, 1000, true, false, false},
    {"wander .05 sd, AR .9", .05, .9, 0, 0, 0, 336, 1000, true, false, false},
    {"daily cycle of .1 sd", 0, 0, .1, 0, 0, 336, 1000, true, false, false},
    {"wander .1 sd, AR .7", .1, .7, 0, 0, 0, 336, 1000, false, false, false},
    {"wander .05 sd, AR .9, 168 windows", .05, .9, 0, 0, 0, 168, 1000, true, false, false},
    {"wander .05 sd, AR .95", .05, .95, 0, 0, 0, 336, 1000, false, false, false},
    {"one feature wanders .05 sd, AR .98", .05, .98, 0, 1, 0, 336, 1000, false, false, false},
    {"half of the features wander .05 sd, AR .98", .05, .98, 0, 25, 0, 336, 1000, false, false, false},
    {"wander .05 sd, AR .98", .05, .98, 0, 0, 0, 336, 1000, false, false, false},
    {"wander .05 sd, AR .98, 1008 windows", .05, .98, 0, 0, 0, 1008, 1000, false, false, false},
    {"own range, nulls", 0, 0, 0, 0, 0, 336, 1000, true, false, true},
    {"own range, nulls, 168 windows", 0, 0, 0, 0, 0, 168, 1000, true, false, true},
    {"own range, nulls, 72 windows", 0, 0, 0, 0, 0, 72, 1000, true, false, true},
    {"categories, independent windows", 0, 0, 0, 0, 0, 336, 1000, true, true, false},
    {"categories, log odds wander .1, each window its own", .1, 0, 0, 0, 0, 336, 1000, true, true, false},
    {"categories, log odds wander .1, AR .9", .1, .9, 0, 0, 0, 336, 1000, true, true, false},
    {"categories, log odds wander .2, AR .7", .2, .7, 0, 0, 0, 336, 1000, false, true, false},
    {"categories, daily cycle of .2 in the log odds", 0, 0, .2, 0, 0, 336, 1000, true, true, false},
    {"categories, log odds wander .1, AR .98", .1, .98, 0, 0, 0, 336, 1000, false, true, false},
};

struct tally {
    double windows, alarms;
    int streams[DRIFT_N_STREAM]; /* by which the first listed column alarmed */
};

/* Alarms start the whole bank anew, so that every alarm has the same chance to be one. */
static void run(struct world *w, int steps, struct tally *t)
{
    struct drift_evidence_result res;
    for (int i = 0; i < steps; i++) {
        world_step(w, (struct change){0, 1}, &res);
        t->windows++;
        if (!res.alarm)
            continue;
        t->alarms++;
        double most = -1;
        int top = 0;
        for (uint32_t f = 0; f < FEATURES; f++) {
            const struct drift_evidence_column *c = drift_evidence_of(w->bank, f);
            if (c->share > most) {
                most = c->share;
                top = c->top;
            }
        }
        t->streams[top]++;
        drift_evidence_rearm(w->bank, UINT32_MAX);
    }
}

static void limits(const struct tally *t, double *low, double *high)
{
    *low = t->windows / (drift_tail_chi2_inverse(0.025, 2 * t->alarms + 2) / 2);
    *high = t->alarms > 0 ? t->windows / (drift_tail_chi2_inverse(0.975, 2 * t->alarms) / 2) : HUGE_VAL;
}

static void length_print(const struct tally *t)
{
    double low, high;
    if (!(t->windows > 0)) {
        printf(" - | - |");
        return;
    }
    limits(t, &low, &high);
    if (t->alarms > 0)
        printf(" %.0f of %.0f | %.0f (%.0f .. %.0f) |", t->alarms, t->windows, t->windows / t->alarms, low, high);
    else
        printf(" 0 of %.0f | > %.0f |", t->windows, low);
}

static int row(const struct scenario *s, enum drift_evidence_mode mode, bool guard, int worlds, int steps,
               uint64_t seed)
{
    struct tally all = {0}, promised = {0};
    int promising = 0, failed;
    double low, high;
    for (int i = 0; i < worlds; i++) {
        struct world w;
        world_init(&w, s, mode, guard, seed + (uint64_t)i);
        bool promises = drift_phase1_promises(w.phase1);
        struct tally t = {0};
        run(&w, steps, &t);
        world_release(&w);
        promising += promises;
        all.windows += t.windows;
        all.alarms += t.alarms;
        promised.windows += promises ? t.windows : 0;
        promised.alarms += promises ? t.alarms : 0;
        for (int k = 0; k < DRIFT_N_STREAM; k++)
            all.streams[k] += t.streams[k];
    }
    limits(&all, &low, &high);
    failed = s->promised && high < FALSE_ALARM_WINDOWS;
    if (promised.windows > 0) {
        limits(&promised, &low, &high);
        failed |= high < FALSE_ALARM_WINDOWS;
    }
    printf("| %s%s%s |", s->name, mode == DRIFT_EVIDENCE_CALIBRATED ? ", `calibrated`" : "",
           guard ? ", `glitch_guard`" : "");
    length_print(&all);
    printf(" %d of %d |", promising, worlds);
    for (int k = 0; k < DRIFT_N_STREAM; k++)
        if (all.streams[k])
            printf(" %s %d", drift_evidence_stream_name((enum drift_evidence_stream)k), all.streams[k]);
    printf(" | %s |\n", failed ? "**below**" : "ok");
    fflush(stdout);
    return failed;
}

int table_run_lengths(bool quick, const char *only)
{
    int failed = 0, worlds = quick ? 1 : 6, steps = quick ? 500 : 5000;
    printf(
        "### Windows between false alarms\n\n"
        "Configured: one in %.0f windows. %d features, %d baselines of their own each. An alarm starts the bank anew.\n"
        "Interval: 95 %%, Poisson. \"promised\": baselines whose verdict keeps the promise; \"below\": the interval's\n"
        "upper end is below the configured length.\n\n"
        "| while nothing changes | alarms | mean windows between | promised | by | |\n|---|---|---|---|---|---|\n",
        FALSE_ALARM_WINDOWS, FEATURES, worlds);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if ((quick && i % 3) || (only && !strstr(scenarios[i].name, only)))
            continue;
        failed += row(&scenarios[i], DRIFT_EVIDENCE_GUARANTEED, false, worlds, steps, 1000 + 100 * i);
    }
    for (size_t i = 0; !quick && i < sizeof scenarios / sizeof *scenarios; i++) {
        if (only && !strstr(only, "mode"))
            break;
        if (i == 0 || !strcmp(scenarios[i].name, "each feature ten times") ||
            !strcmp(scenarios[i].name, "wander .05 sd, AR .9"))
            failed += row(&scenarios[i], DRIFT_EVIDENCE_CALIBRATED, false, worlds, steps, 5000 + 100 * i);
    }
    if (!quick && (!only || strstr(only, "mode")))
        failed += row(&scenarios[0], DRIFT_EVIDENCE_GUARANTEED, true, worlds, steps, 5000);
    printf("\n");
    return failed;
}
