/* clock.h - wall and monotonic time behind a pointer, so that tests own time. */
#ifndef DRIFTD_BASE_CLOCK_H
#define DRIFTD_BASE_CLOCK_H

#include <stdint.h>

struct drift_clock {
    int64_t (*wall_ms)(void *ctx); /* ms since 1970 UTC */
    int64_t (*mono_ns)(void *ctx); /* never goes back */
    void *ctx;
};
extern const struct drift_clock drift_clock_system;

static inline int64_t drift_wall_ms(const struct drift_clock *c)
{
    return c->wall_ms(c->ctx);
}
static inline int64_t drift_mono_ms(const struct drift_clock *c)
{
    return c->mono_ns(c->ctx) / 1000000;
}
#endif
