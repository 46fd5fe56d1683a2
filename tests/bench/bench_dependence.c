/* tests/bench/bench_dependence.c    What counting one event costs, with and without the block "dependence".
 *
 * Normal features in percentile cells, one event in one taken.  The best of several passes is printed, since the
 * machine is shared: nanoseconds an event without it, with it, and what drift_dependence_ns() says of the difference.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driftd/internal/window/count.h"
#include "driftd/internal/window/dependence.h"

enum { EVENTS = 5000, PASSES = 20, EDGES = 101, FEATURES_MAX = 64, ROWS = 2000 };

static uint64_t state = 1;
static double gauss(void)
{
    double u[2];
    for (int i = 0; i < 2; i++) {
        uint64_t z = (state += 0x9E3779B97F4A7C15u);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        u[i] = ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
    }
    return sqrt(-2 * log(u[0])) * cos(2 * M_PI * u[1]);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct drift_layout *layout_of(uint32_t d, uint32_t terms, const double *rows)
{
    struct drift_layout *l = drift_layout_new();
    double edges[EDGES];
    uint32_t column[FEATURES_MAX];
    for (uint32_t i = 0; i < d; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%02u", i);
        for (int k = 0; k < EDGES; k++)
            edges[k] = -2.5 + 5. * k / (EDGES - 1);
        column[i] = i;
        if (drift_layout_add_numeric(l, DRIFT_FEATURE, name, edges, EDGES, true, NULL, 0))
            abort();
    }
    struct drift_dependence_learn learn = {terms, d, 1000, column, rows, ROWS, d};
    if ((terms && drift_dependence_learn(&learn, l)) || drift_layout_seal(l))
        abort();
    return l;
}

static double count_ns(const struct drift_layout *l, const double *rows)
{
    char *names[FEATURES_MAX];
    uint8_t kind[FEATURES_MAX];
    struct drift_str str[FEATURES_MAX];
    uint32_t d = l->n_columns;
    for (uint32_t i = 0; i < d; i++) {
        names[i] = l->columns[i].name;
        kind[i] = DRIFT_V_NUM;
    }
    struct drift_fields fields = {d, d, names, 1};
    struct drift_event ev = {.fields = &fields, .kind = kind, .str = str};
    struct drift_stream stream = {.name = names[0], .features = names[0]};
    struct drift_binding *b = drift_binding_new(l, &stream, NULL, DRIFT_CHAIN_INPUT);
    struct drift_summary *s = drift_summary_new(l);
    double best = INFINITY;
    for (int pass = 0; pass < PASSES; pass++) {
        double begin = seconds();
        for (int i = 0; i < EVENTS; i++) {
            ev.place = (uint64_t)i;
            ev.num = rows + (size_t)(i % ROWS) * d;
            drift_binding_count(b, &ev, s);
        }
        best = fmin(best, seconds() - begin);
    }
    drift_summary_free(s);
    drift_binding_free(b);
    return best * 1e9 / EVENTS;
}

int main(void)
{
    static const uint32_t features[] = {8, 20, 32, 64}, terms[] = {64, 128};
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        uint32_t d = features[i];
        double *rows = malloc((size_t)ROWS * d * sizeof *rows);
        for (size_t k = 0; k < (size_t)ROWS * d; k++)
            rows[k] = gauss();
        struct drift_layout *plain = layout_of(d, 0, rows);
        double without = count_ns(plain, rows);
        for (size_t t = 0; t < sizeof terms / sizeof *terms; t++) {
            struct drift_layout *l = layout_of(d, terms[t], rows);
            double with = count_ns(l, rows);
            printf(
                "{\"bench\": \"dependence\", \"features\": %u, \"terms\": %u, \"ns_without\": %.0f, \"ns_with\": %.0f, "
                "\"ns_stated\": %.0f}\n",
                d, terms[t], without, with, drift_dependence_ns(d, terms[t]));
            drift_layout_free(l);
        }
        drift_layout_free(plain);
        free(rows);
    }
    return 0;
}
