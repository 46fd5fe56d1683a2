/* tests/bench/bench_detector.c    Time a value takes in each change detector, and the bytes of its saved state.
 *
 * Error streams get a steady error rate of .1, the others normal values: no drift, so windows are as long as they get.
 * The best of several passes is printed, since the machine is shared. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "driftd/detector.h"

enum { VALUES = 200000, SLOW_VALUES = 20000, PASSES = 5 };

static double x[VALUES];

static double uniform(uint64_t *s) /* splitmix64 */
{
    uint64_t z = (*s += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void fill(int errors)
{
    uint64_t s = 20260101;
    for (int i = 0; i < VALUES; i++) {
        double u = uniform(&s);
        x[i] = errors ? u < .1 : sqrt(-2 * log(u)) * cos(6.283185307179586 * uniform(&s));
    }
}

static double pass(enum drift_detector_kind kind, int n, size_t *ret_bytes)
{
    struct drift_detector *d;
    enum drift_detector_level level;
    static uint8_t bytes[1 << 18];
    if (drift_detector_new(kind, NULL, &d))
        abort();
    double from = now_ns();
    for (int i = 0; i < n; i++)
        if (drift_detector_add(d, x[i], &level))
            abort();
    double took = now_ns() - from;
    if (drift_detector_save(d, bytes, sizeof bytes, ret_bytes))
        abort();
    drift_detector_free(d);
    return took / n;
}

int main(void)
{
    for (int k = 0; k < DRIFT_N_DETECTOR; k++) {
        enum drift_detector_kind kind = (enum drift_detector_kind)k;
        int errors = kind >= DRIFT_DETECTOR_DDM && kind <= DRIFT_DETECTOR_HDDM_W;
        int n = kind == DRIFT_DETECTOR_KSWIN ? SLOW_VALUES : VALUES;
        double best = INFINITY;
        size_t bytes = 0;
        fill(errors);
        for (int i = 0; i < PASSES; i++)
            best = fmin(best, pass(kind, n, &bytes));
        printf("{\"name\": \"detector_%s\", \"value\": %.4g, \"unit\": \"ns/value\"}\n", drift_detector_name(kind),
               best);
        printf("{\"name\": \"detector_%s_state\", \"value\": %zu, \"unit\": \"bytes\"}\n", drift_detector_name(kind),
               bytes);
    }
    return 0;
}
