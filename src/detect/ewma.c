/* src/detect/ewma.c    EWMA chart: a fading mean that leaves its limits.
 *
 *     z <- alpha x + (1 - alpha) z,   drift when |z - mean| > threshold sd sqrt(alpha/(2 - alpha) (1 - (1 - alpha)^2n))
 *
 * frozen:  mean and sd are those of the first min_instances values, z starts at that mean behind them, n counts from
 *          there (Roberts' chart with an estimated reference)
 * running: z starts at the first value, mean is that of all values, sd a fading one with the same alpha (river) */
#include <math.h>

#include "detector_kind.h"

enum { ALPHA, THRESHOLD, LEAST, MODE, REFERENCE };
enum { UP, DOWN, BOTH };
enum { FROZEN, RUNNING };

static const struct drift_detector_param params[] = {
    [ALPHA] = {"alpha", "weight of the newest value", .1, 1e-6, 1, false, {NULL}},
    [THRESHOLD] = {"threshold", "width of the limits, in standard errors of z", 4, 1e-6, 1e6, false, {NULL}},
    [LEAST] = {"min_instances", "values before the first test", 30, 2, 1e9, true, {NULL}},
    [MODE] = {"mode", "direction of a change", BOTH, 0, 2, true, {"up", "down", "both"}},
    [REFERENCE] = {"reference",
                   "mean and deviation: of the first values, or of all with fading (river)",
                   FROZEN,
                   0,
                   1,
                   true,
                   {"frozen", "running"}},
};

struct ewma {
    uint64_t n;
    double z, mean;
    double squares;  /* sum of squared deviations of the first values (frozen) */
    double variance; /* fading (running) */
    double rest;     /* (1 - alpha)^2n of the values in z */
    bool drifted;
};

static size_t size(const double *param)
{
    (void)param;
    return sizeof(struct ewma);
}

static int init(void *state, const double *param)
{
    (void)param;
    *(struct ewma *)state = (struct ewma){.rest = 1};
    return 0;
}

/* Returns the standard deviation; NAN while there is none. */
static double frozen(struct ewma *s, const double *param, double x)
{
    double keep = 1 - param[ALPHA];
    if ((double)s->n <= param[LEAST]) {
        double before = s->mean;
        s->mean += (x - s->mean) / (double)s->n;
        s->squares += (x - before) * (x - s->mean);
        s->z = s->mean;
        return (double)NAN;
    }
    s->z += param[ALPHA] * (x - s->z);
    s->rest *= keep * keep;
    return sqrt(fmax(s->squares, 0) / (param[LEAST] - 1));
}

static double running(struct ewma *s, const double *param, double x)
{
    double alpha = param[ALPHA], keep = 1 - alpha;
    if (s->n == 1)
        s->z = x;
    double off = x - s->z; /* z + alpha off is exact when x is z; Finch's variance has no difference of squares */
    s->z += alpha * off;
    s->variance = keep * (s->variance + off * (alpha * off));
    s->mean += (x - s->mean) / (double)s->n;
    s->rest *= keep * keep;
    return (double)s->n < param[LEAST] ? (double)NAN : sqrt(s->variance);
}

static enum drift_detector_level add(void *state, const double *param, double x)
{
    struct ewma *s = state;
    if (s->drifted)
        (void)init(s, param);
    s->n++;
    double sd = (int)param[REFERENCE] == FROZEN ? frozen(s, param, x) : running(s, param, x);
    if (isnan(sd))
        return DRIFT_DETECTOR_QUIET;
    double limit = param[THRESHOLD] * sd * sqrt(param[ALPHA] / (2 - param[ALPHA]) * (1 - s->rest)),
           off = s->z - s->mean;
    s->drifted = (off > limit && (int)param[MODE] != DOWN) || (-off > limit && (int)param[MODE] != UP);
    return s->drifted ? DRIFT_DETECTOR_DRIFT : DRIFT_DETECTOR_QUIET;
}

static void io(void *state, const double *param, struct state_io *io)
{
    struct ewma *s = state;
    double most = DRIFT_DETECTOR_VALUE_MAX * 2;
    (void)param;
    state_u64(io, &s->n, io->n);
    state_f64(io, &s->z, -most, most);
    state_f64(io, &s->mean, -most, most);
    state_f64(io, &s->squares, -1, STATE_SUM_MAX * most * 2);
    state_f64(io, &s->variance, 0, most * most);
    state_f64(io, &s->rest, 0, 1);
    state_flag(io, &s->drifted);
}

const struct detector_ops detector_ewma = {params, sizeof params / sizeof *params, VALUES_ANY, size, init, add, io};
