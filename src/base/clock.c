/* src/base/clock.c    The system's clocks. */
#include "driftd/internal/base/clock.h"

#include <time.h>

static int64_t wall(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t mono(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

const struct drift_clock drift_clock_system = {.wall_ms = wall, .mono_ns = mono};
