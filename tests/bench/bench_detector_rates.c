/* tests/bench/bench_detector_rates.c    False alarms and delays of the change detectors at their defaults.
 *
 *     bench_detector_rates            one JSON line a figure
 *     bench_detector_rates --table    the table of docs/detectors.md
 *
 * False alarms: a million values without drift.  Delays: 5,000 values, then a change; the median number of values until
 * the next drift over 41 runs, none within 10,000 values counting as longer.  Seeded. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/detector.h"

enum { QUIET = 1000000, BEFORE = 5000, HORIZON = 10000, RUNS = 41 };

struct law { /* of the values: an error rate, or mean and standard deviation of a normal law */
    double rate, mean, sd;
};
static const struct {
    const char *name;
    struct law before, after;
} changes[] = {
    {"errors .05 to .075", {.rate = .05}, {.rate = .075}}, {"errors .05 to .1", {.rate = .05}, {.rate = .1}},
    {"errors .05 to .2", {.rate = .05}, {.rate = .2}},     {"mean + .25 sd", {.sd = 1}, {.mean = .25, .sd = 1}},
    {"mean + 1 sd", {.sd = 1}, {.mean = 1, .sd = 1}},      {"sd x 1.5", {.sd = 1}, {.sd = 1.5}},
};
enum { N_CHANGES = sizeof changes / sizeof *changes };

static uint64_t state;

static double uniform(void) /* splitmix64 */
{
    uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

static double draw(const struct law *l)
{
    if (l->rate > 0)
        return uniform() < l->rate;
    double radius = sqrt(-2 * log(uniform()));
    return l->mean + l->sd * radius * cos(6.283185307179586 * uniform());
}

static bool drifts(struct drift_detector *d, double x)
{
    enum drift_detector_level level;
    if (drift_detector_add(d, x, &level))
        abort();
    return level == DRIFT_DETECTOR_DRIFT;
}

static double false_alarms(struct drift_detector *d, const struct law *l) /* per 100,000 values */
{
    int n = 0;
    drift_detector_reset(d);
    state = 20260101;
    for (int i = 0; i < QUIET; i++)
        n += drifts(d, draw(l));
    return n / (QUIET / 1e5);
}

static int ascending(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static int delay(struct drift_detector *d, size_t c)
{
    int took[RUNS];
    for (int run = 0; run < RUNS; run++) {
        state = (uint64_t)run * 1000003 + 7;
        drift_detector_reset(d);
        for (int i = 0; i < BEFORE; i++)
            (void)drifts(d, draw(&changes[c].before));
        for (took[run] = 1; took[run] <= HORIZON && !drifts(d, draw(&changes[c].after));)
            took[run]++;
    }
    qsort(took, RUNS, sizeof *took, ascending);
    return took[RUNS / 2];
}

static void figure(bool table, const char *detector, const char *what, double v, const char *unit)
{
    if (!table)
        printf("{\"name\": \"detector_%s: %s\", \"value\": %.4g, \"unit\": \"%s\"}\n", detector, what, v, unit);
    else if (v > HORIZON)
        printf(" more than %d |", HORIZON);
    else
        printf(" %.4g |", v);
}

static void detector_rates(enum drift_detector_kind kind, const char *form, double choice, bool table)
{
    struct drift_detector *d;
    struct drift_detector_settings s;
    char name[64];
    snprintf(name, sizeof name, "%s%s", drift_detector_name(kind), form ? ", form published" : "");
    drift_detector_defaults(kind, &s);
    bool errors_only = kind >= DRIFT_DETECTOR_DDM && kind <= DRIFT_DETECTOR_HDDM_W;
    if ((form && drift_detector_set(kind, &s, form, choice)) || drift_detector_new(kind, &s, &d))
        abort();
    if (table)
        printf("| %s |", name);
    figure(table, name, "false alarms, errors .05", false_alarms(d, &changes[0].before), "per 100000 values");
    if (!errors_only)
        figure(table, name, "false alarms, normal", false_alarms(d, &changes[3].before), "per 100000 values");
    else if (table)
        printf(" |");
    for (size_t c = 0; c < N_CHANGES; c++)
        if (!errors_only || changes[c].before.rate > 0)
            figure(table, name, changes[c].name, delay(d, c), "values");
        else if (table)
            printf(" |");
    if (table)
        printf("\n");
    drift_detector_free(d);
}

int main(int argc, char **argv)
{
    bool table = argc > 1 && !strcmp(argv[1], "--table");
    if (table) {
        printf("| | false alarms, errors .05 | false alarms, normal |");
        for (size_t c = 0; c < N_CHANGES; c++)
            printf(" %s |", changes[c].name);
        printf("\n|---|");
        for (size_t c = 0; c < N_CHANGES + 2; c++)
            printf("---|");
        printf("\n");
    }
    for (int k = 0; k < DRIFT_N_DETECTOR; k++)
        detector_rates((enum drift_detector_kind)k, NULL, 0, table);
    detector_rates(DRIFT_DETECTOR_ADWIN, "form", 1, table);
    return 0;
}
