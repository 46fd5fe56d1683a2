/* src/detect/ddm.c    Gama's DDM on the error rate, and EDDM on the distances between errors.
 *
 * DDM:   p the error rate so far, s = sqrt(p (1 - p) / n); where p + s was least, p_min and s_min.
 *        warning when p + s > p_min + 2 s_min, drift when > p_min + 3 s_min
 * EDDM:  m the mean distance between errors, t its standard deviation; r = (m + 2 t) / (the most it was).
 *        warning when r < .95, drift when r < .9
 *
 * Both test from value min_num_instances - 1 on, as scikit-multiflow does.  DDM is of no use where errors are so rare
 * that none falls among these: s_min is 0 then, and the first error a drift.
 * EDDM's form river: a standard deviation with n - 1, and a warning outlasts an error that makes a new maximum. */
#include <math.h>

#include "detector_kind.h"
#include "driftd/error.h"

/* ---- DDM ---- */

enum { D_LEAST, D_WARNING, D_DRIFT };

static const struct drift_detector_param d_params[] = {
    [D_LEAST] = {"min_num_instances", "tests begin one value earlier than this many", 30, 1, 1e9, true, {NULL}},
    [D_WARNING] = {"warning_level", "standard deviations that are a warning", 2, 0, 1e6, false, {NULL}},
    [D_DRIFT] = {"out_control_level", "standard deviations that are a drift", 3, 0, 1e6, false, {NULL}},
};

struct ddm {
    uint64_t n;
    double p, p_min, s_min;
    bool has_min, drifted;
};

static size_t d_size(const double *param)
{
    (void)param;
    return sizeof(struct ddm);
}

static int d_init(void *state, const double *param)
{
    *(struct ddm *)state = (struct ddm){.n = 0};
    return param[D_WARNING] > param[D_DRIFT] ? DRIFT_E_RANGE : 0;
}

static enum drift_detector_level d_add(void *state, const double *param, double x)
{
    struct ddm *s = state;
    if (s->drifted)
        (void)d_init(s, param);
    s->n++;
    s->p += (x - s->p) / (double)s->n;
    if ((double)s->n + 1 < param[D_LEAST])
        return DRIFT_DETECTOR_QUIET;
    double sd = sqrt(fmax(s->p * (1 - s->p), 0) / (double)s->n), at = s->p + sd;
    if (!s->has_min || at <= s->p_min + s->s_min) {
        s->p_min = s->p;
        s->s_min = sd;
        s->has_min = true;
    }
    s->drifted = at > s->p_min + param[D_DRIFT] * s->s_min;
    if (s->drifted)
        return DRIFT_DETECTOR_DRIFT;
    return at > s->p_min + param[D_WARNING] * s->s_min ? DRIFT_DETECTOR_WARNING : DRIFT_DETECTOR_QUIET;
}

static void d_io(void *state, const double *param, struct state_io *io)
{
    struct ddm *s = state;
    (void)param;
    state_u64(io, &s->n, io->n);
    state_f64(io, &s->p, 0, 1);
    state_f64(io, &s->p_min, 0, 1);
    state_f64(io, &s->s_min, 0, 1);
    state_flag(io, &s->has_min);
    state_flag(io, &s->drifted);
}

const struct detector_ops detector_ddm = {
    .params = d_params,
    .n_params = sizeof d_params / sizeof *d_params,
    .values = VALUES_BINARY,
    .size = d_size,
    .init = d_init,
    .add = d_add,
    .io = d_io,
};

/* ---- EDDM ---- */

enum { MULTIFLOW, RIVER };
enum { E_LEAST, E_ERRORS, E_WARNING, E_DRIFT, E_FORM };

static const struct drift_detector_param e_params[] = {
    [E_LEAST] = {"min_num_instances", "tests begin one value earlier than this many", 30, 1, 1e9, true, {NULL}},
    [E_ERRORS] = {"min_num_errors", "errors that must have passed before a warning or drift", 30, 1, 1e9, true, {NULL}},
    [E_WARNING] =
        {"warning_level", "share of the greatest distance below which it is a warning", .95, 0, 1, false, {NULL}},
    [E_DRIFT] =
        {"out_control_level", "share of the greatest distance below which it is a drift", .9, 0, 1, false, {NULL}},
    [E_FORM] = {"form", "whose standard deviation", MULTIFLOW, 0, 1, true, {"multiflow", "river"}},
};

struct eddm {
    uint64_t n, last, errors; /* values, place of the last error */
    double mean, squares;     /* of the distances */
    double most;              /* of mean + 2 sd */
    bool drifted, warned;
};

static size_t e_size(const double *param)
{
    (void)param;
    return sizeof(struct eddm);
}

static int e_init(void *state, const double *param)
{
    *(struct eddm *)state = (struct eddm){.n = 0};
    return param[E_WARNING] < param[E_DRIFT] ? DRIFT_E_RANGE : 0;
}

static void e_error(struct eddm *s, const double *param)
{
    bool river = (int)param[E_FORM] == RIVER;
    double distance = (double)(s->n - s->last), before = s->mean;
    s->last = s->n;
    s->errors++;
    double n = (double)s->errors;
    s->mean += (distance - s->mean) / n;
    s->squares += (distance - s->mean) * (distance - before);
    double at = s->mean + 2 * sqrt(fmax(s->squares, 0) / fmax(n - river, 1));
    s->warned &= river;
    if ((double)s->n + 1 < param[E_LEAST])
        return;
    if (at > s->most) {
        s->most = at;
    } else if (n > param[E_ERRORS]) {
        s->drifted = at / s->most < param[E_DRIFT];
        s->warned = at / s->most < param[E_WARNING];
    }
}

/* A warning lasts until the next error says otherwise. */
static enum drift_detector_level e_add(void *state, const double *param, double x)
{
    struct eddm *s = state;
    if (s->drifted)
        (void)e_init(s, param);
    s->n++;
    if (x == 1)
        e_error(s, param);
    if (s->drifted)
        return DRIFT_DETECTOR_DRIFT;
    return s->warned ? DRIFT_DETECTOR_WARNING : DRIFT_DETECTOR_QUIET;
}

static void e_io(void *state, const double *param, struct state_io *io)
{
    struct eddm *s = state;
    (void)param;
    state_u64(io, &s->n, io->n);
    state_u64(io, &s->last, s->n);
    state_u64(io, &s->errors, s->n);
    state_f64(io, &s->mean, 0, 0x1p54);
    state_f64(io, &s->squares, -1, 0x1p160);
    state_f64(io, &s->most, 0, 0x1p110);
    state_flag(io, &s->drifted);
    state_flag(io, &s->warned);
}

const struct detector_ops detector_eddm = {
    .params = e_params,
    .n_params = sizeof e_params / sizeof *e_params,
    .values = VALUES_BINARY,
    .size = e_size,
    .init = e_init,
    .add = e_add,
    .io = e_io,
};
