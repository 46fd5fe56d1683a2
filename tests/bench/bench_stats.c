/* tests/bench/bench_stats.c    Cost of one cell lookup with its increment, of a window of 50 features: its measures,
 * and its evidence, and of the measures of one column of few and of many categories. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driftd/evidence.h"
#include "driftd/measure.h"
#include "driftd/summary.h"
#include "driftd/tail.h"

enum { FEATURES = 50, EVENTS = 4096, EDGES = 101, SAMPLE = 20000, ROUNDS = 7 };

static uint64_t state = 1;

static double uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(state >> 11) + 0.5) * 0x1p-53;
}
static double gauss(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

/* Ten kinds of feature, as data has them. */
static double draw(int feature)
{
    switch (feature % 10) {
    case 0:
        return exp(2 * gauss());
    case 1:
        return floor(uniform() * 200);
    case 2:
        return uniform();
    case 3:
        return uniform() < .9 ? 0 : uniform() * 1e4;
    case 4:
        return floor(uniform() * 5);
    case 5:
        return pow(uniform(), -1.2) * (uniform() < .5 ? 1 : -1);
    case 6:
        return 1.7e12 + uniform() * 1e9;
    case 7:
        return pow(10, uniform() * 12 - 6);
    default:
        return gauss();
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void feature_add(struct drift_layout *l, int f)
{
    static double x[SAMPLE];
    double e[EDGES];
    uint32_t n = 0, ends[10], n_bins = 0;
    char name[16];
    for (int i = 0; i < SAMPLE; i++)
        x[i] = draw(f);
    qsort(x, SAMPLE, sizeof *x, ascending);
    for (int k = 0; k <= 100; k++) {
        double v = k ? x[SAMPLE / 100 * k - 1] : nextafter(x[0], -INFINITY);
        if (n && !(e[n - 1] < v))
            continue;
        e[n++] = v;
        if (k && k % 10 == 0 && k < 100)
            ends[n_bins++] = n;
    }
    ends[n_bins++] = n + 1;
    snprintf(name, sizeof name, "f%d", f);
    if (drift_layout_add_numeric(l, DRIFT_FEATURE, name, e, n, true, ends, n_bins))
        abort();
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void print(const char *name, double value, const char *unit)
{
    printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\"}\n", name, value, unit);
}

static void count(struct drift_summary *s, const double *row)
{
    for (uint32_t f = 0; f < FEATURES; f++) {
        const struct drift_column *c = &s->layout->columns[f];
        s->counts[c->first + DRIFT_N_SPECIAL + drift_column_cell(c, row[f])]++;
    }
}

static double bench_count(struct drift_summary *s, const double *rows)
{
    double best = INFINITY;
    for (int r = 0; r < ROUNDS; r++) {
        double t = now_ns();
        for (int k = 0; k < 10; k++)
            for (int i = 0; i < EVENTS; i++)
                count(s, rows + (size_t)i * FEATURES);
        best = fmin(best, (now_ns() - t) / (10.0 * EVENTS * FEATURES));
    }
    return best;
}

static double bench_evaluate(const struct drift_summary *base, const struct drift_summary *cur)
{
    struct drift_measure m[DRIFT_N_MEASURE];
    double best = INFINITY, sum = 0;
    for (int r = 0; r < ROUNDS; r++) {
        double t = now_ns();
        for (uint32_t f = 0; f < FEATURES; f++) {
            const struct drift_column *c = &base->layout->columns[f];
            drift_measure_column(c, base->counts + c->first, cur->counts + c->first, m);
            sum += m[DRIFT_MEASURE_PSI].effect;
        }
        best = fmin(best, now_ns() - t);
    }
    return isfinite(sum) ? best / 1e6 : (double)NAN;
}

static double bench_evidence(const struct drift_summary *base, const struct drift_summary *cur)
{
    const struct drift_evidence_settings set = {.windows = 2160};
    struct drift_evidence_result r;
    struct drift_phase1 *fitted;
    struct drift_evidence *bank;
    double best = INFINITY;
    if (drift_phase1_fit(base, NULL, 0, 3600000, NULL, &fitted) || drift_evidence_new(fitted, &set, &bank))
        abort();
    for (int i = 0; i < ROUNDS; i++) {
        double t = now_ns();
        if (drift_evidence_update(bank, cur->counts, i, 1, &r))
            abort();
        best = fmin(best, now_ns() - t);
    }
    drift_evidence_free(bank);
    drift_phase1_free(fitted);
    return best / 1e6;
}

/* Names with shares as 1 / rank; each window of 1,000 events, a baseline of 100. */
static double bench_categories(uint32_t n)
{
    static char names[DRIFT_CATEGORIES_MAX][8];
    const char *list[DRIFT_CATEGORIES_MAX];
    struct drift_layout *l = drift_layout_new();
    for (uint32_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "c%u", i);
        list[i] = names[i];
    }
    if (drift_layout_add_categorical(l, DRIFT_FEATURE, "x", list, n, NULL, 0) || drift_layout_seal(l))
        abort();
    struct drift_summary *base = drift_summary_new(l), *cur = drift_summary_new(l);
    for (int i = 0; i < 101000; i++)
        (i < 1000 ? cur : base)->counts[DRIFT_N_SPECIAL + (uint32_t)(pow(n, uniform()) - 1e-9)]++;
    struct drift_measure m[DRIFT_N_MEASURE];
    double best = INFINITY;
    for (int r = 0; r < ROUNDS; r++) {
        double t = now_ns();
        for (int i = 0; i < 100; i++)
            drift_measure_column(&l->columns[0], base->counts, cur->counts, m);
        best = fmin(best, (now_ns() - t) / 100);
    }
    drift_summary_free(base);
    drift_summary_free(cur);
    drift_layout_free(l);
    return best / 1e3;
}

int main(void)
{
    drift_stats_init();
    struct drift_layout *l = drift_layout_new();
    double t = now_ns();
    for (int f = 0; f < FEATURES; f++)
        feature_add(l, f);
    t = now_ns();
    if (drift_layout_seal(l))
        return 1;
    print("layout_seal_50_ms", (now_ns() - t) / 1e6, "ms");
    double *rows = malloc(sizeof *rows * EVENTS * FEATURES);
    for (int i = 0; i < EVENTS * FEATURES; i++)
        rows[i] = draw(i % FEATURES);
    struct drift_summary *base = drift_summary_new(l), *cur = drift_summary_new(l);
    for (int i = 0; i < EVENTS; i++)
        count(i % 4 ? base : cur, rows + (size_t)i * FEATURES);
    base->n = EVENTS - EVENTS / 4;
    cur->n = EVENTS / 4;
    print("evaluate_50_features_ms", bench_evaluate(base, cur), "ms");
    print("evidence_50_features_ms", bench_evidence(base, cur), "ms");
    print("evaluate_column_of_30_categories_us", bench_categories(30), "us");
    print("evaluate_column_of_1000_categories_us", bench_categories(DRIFT_CATEGORIES_MAX), "us");
    print("bin_ns_per_value", bench_count(cur, rows), "ns");
    drift_summary_free(base);
    drift_summary_free(cur);
    drift_layout_free(l);
    free(rows);
    return 0;
}
