/* src/detect/page.c    Page's cumulative sums: Page-Hinkley and CUSUM.
 *
 * Page-Hinkley, up:     m <- alpha m + (x - mean - delta)     drift when m - min m > threshold
 *     form moa          m <- max(0, the same)                 drift when m > threshold
 * CUSUM, up:            s <- max(0, s + (x - mean)/sd - slack)     drift when s > threshold
 *
 * The mean of Page-Hinkley runs along with the values, that of CUSUM is that of the first min_instances of them. */
#include <math.h>
#include <string.h>

#include "detector_kind.h"

enum { UP, DOWN, BOTH };
#define MODES                                                                                                          \
    {                                                                                                                  \
        "up", "down", "both"                                                                                           \
    }

static bool either(double mode, bool up, bool down)
{
    return (up && (int)mode != DOWN) || (down && (int)mode != UP);
}

/* ---- Page-Hinkley ---- */

enum { PH_LEAST, PH_DELTA, PH_THRESHOLD, PH_ALPHA, PH_MODE, PH_FORM };
enum { FORM_MOA, FORM_PAGE };

static const struct drift_detector_param ph_params[] = {
    [PH_LEAST] = {"min_instances", "tests begin one value earlier than this many", 30, 1, 1e9, true, {NULL}},
    [PH_DELTA] = {"delta", "change of mean that is tolerated", .005, 0, 1e50, false, {NULL}},
    [PH_THRESHOLD] = {"threshold", "sum that is a drift, in the values' unit", 50, 1e-50, 1e50, false, {NULL}},
    [PH_ALPHA] = {"alpha", "factor by which the sum fades a value", .9999, 0, 1, false, {NULL}},
    [PH_MODE] = {"mode", "direction of a change", UP, 0, 2, true, MODES},
    [PH_FORM] =
        {"form", "sum cut at 0 (moa), or against its extreme (page, river)", FORM_MOA, 0, 1, true, {"moa", "page"}},
};

struct page_hinkley {
    uint64_t n;
    double mean, up, down; /* running mean; the two sums */
    double least, most;    /* least of up, most of down */
    bool drifted;
};

static size_t ph_size(const double *param)
{
    (void)param;
    return sizeof(struct page_hinkley);
}

static int ph_init(void *state, const double *param)
{
    (void)param;
    *(struct page_hinkley *)state = (struct page_hinkley){.least = 0};
    return 0;
}

static bool ph_moa(struct page_hinkley *s, const double *param, double off)
{
    s->up = fmax(0, param[PH_ALPHA] * s->up + (off - param[PH_DELTA]));
    s->down = fmax(0, param[PH_ALPHA] * s->down + (-off - param[PH_DELTA]));
    return either(param[PH_MODE], s->up > param[PH_THRESHOLD], s->down > param[PH_THRESHOLD]);
}

static bool ph_page(struct page_hinkley *s, const double *param, double off)
{
    s->up = param[PH_ALPHA] * s->up + off - param[PH_DELTA];
    s->down = param[PH_ALPHA] * s->down + off + param[PH_DELTA];
    s->least = s->n > 1 ? fmin(s->least, s->up) : s->up;
    s->most = s->n > 1 ? fmax(s->most, s->down) : s->down;
    return either(param[PH_MODE], s->up - s->least > param[PH_THRESHOLD], s->most - s->down > param[PH_THRESHOLD]);
}

static enum drift_detector_level ph_add(void *state, const double *param, double x)
{
    struct page_hinkley *s = state;
    if (s->drifted)
        (void)ph_init(s, param);
    s->n++;
    s->mean += (x - s->mean) / (double)s->n;
    double off = x - s->mean;
    bool far = (int)param[PH_FORM] == FORM_MOA ? ph_moa(s, param, off) : ph_page(s, param, off);
    s->drifted = far && (double)s->n + 1 >= param[PH_LEAST];
    return s->drifted ? DRIFT_DETECTOR_DRIFT : DRIFT_DETECTOR_QUIET;
}

static void ph_io(void *state, const double *param, struct state_io *io)
{
    struct page_hinkley *s = state;
    (void)param;
    state_u64(io, &s->n, io->n);
    state_f64(io, &s->mean, -DRIFT_DETECTOR_VALUE_MAX * 2, DRIFT_DETECTOR_VALUE_MAX * 2); /* rounding */
    state_f64(io, &s->up, -STATE_SUM_MAX * 2, STATE_SUM_MAX * 2);
    state_f64(io, &s->down, -STATE_SUM_MAX * 2, STATE_SUM_MAX * 2);
    state_f64(io, &s->least, -STATE_SUM_MAX * 2, STATE_SUM_MAX * 2);
    state_f64(io, &s->most, -STATE_SUM_MAX * 2, STATE_SUM_MAX * 2);
    state_flag(io, &s->drifted);
}

const struct detector_ops detector_page_hinkley = {
    .params = ph_params,
    .n_params = sizeof ph_params / sizeof *ph_params,
    .values = VALUES_ANY,
    .size = ph_size,
    .init = ph_init,
    .add = ph_add,
    .io = ph_io,
};

/* ---- CUSUM ---- */

enum { CU_LEAST, CU_SLACK, CU_THRESHOLD, CU_MODE };

static const struct drift_detector_param cu_params[] = {
    [CU_LEAST] = {"min_instances", "values that mean and standard deviation are taken from", 30, 2, 1e9, true, {NULL}},
    [CU_SLACK] = {"slack", "change of mean that is tolerated, in standard deviations", .5, 0, 1e6, false, {NULL}},
    [CU_THRESHOLD] = {"threshold", "sum that is a drift, in standard deviations", 5, 1e-6, 1e6, false, {NULL}},
    [CU_MODE] = {"mode", "direction of a change", BOTH, 0, 2, true, MODES},
};

struct cusum {
    uint64_t n;
    double mean, squares; /* of the first min_instances values */
    double up, down;      /* in the values' unit: a standard deviation of 0 is no special case */
    bool drifted;
};

static size_t cu_size(const double *param)
{
    (void)param;
    return sizeof(struct cusum);
}

static int cu_init(void *state, const double *param)
{
    (void)param;
    *(struct cusum *)state = (struct cusum){.n = 0};
    return 0;
}

static enum drift_detector_level cu_add(void *state, const double *param, double x)
{
    struct cusum *s = state;
    if (s->drifted)
        (void)cu_init(s, param);
    s->n++;
    if ((double)s->n <= param[CU_LEAST]) {
        double before = s->mean;
        s->mean += (x - s->mean) / (double)s->n;
        s->squares += (x - before) * (x - s->mean);
    }
    if ((double)s->n < param[CU_LEAST])
        return DRIFT_DETECTOR_QUIET;
    double sd = sqrt(fmax(s->squares, 0) / (param[CU_LEAST] - 1)), off = x - s->mean;
    s->up = fmax(0, s->up + off - param[CU_SLACK] * sd);
    s->down = fmax(0, s->down - off - param[CU_SLACK] * sd);
    s->drifted = either(param[CU_MODE], s->up > param[CU_THRESHOLD] * sd, s->down > param[CU_THRESHOLD] * sd);
    return s->drifted ? DRIFT_DETECTOR_DRIFT : DRIFT_DETECTOR_QUIET;
}

static void cu_io(void *state, const double *param, struct state_io *io)
{
    struct cusum *s = state;
    (void)param;
    state_u64(io, &s->n, io->n);
    state_f64(io, &s->mean, -DRIFT_DETECTOR_VALUE_MAX * 2, DRIFT_DETECTOR_VALUE_MAX * 2); /* rounding */
    state_f64(io, &s->squares, -1, STATE_SUM_MAX * DRIFT_DETECTOR_VALUE_MAX * 4);
    state_f64(io, &s->up, 0, STATE_SUM_MAX * 2);
    state_f64(io, &s->down, 0, STATE_SUM_MAX * 2);
    state_flag(io, &s->drifted);
}

const struct detector_ops detector_cusum = {
    .params = cu_params,
    .n_params = sizeof cu_params / sizeof *cu_params,
    .values = VALUES_ANY,
    .size = cu_size,
    .init = cu_init,
    .add = cu_add,
    .io = cu_io,
};
