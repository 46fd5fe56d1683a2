/* src/detect/hddm.c    HDDM: the mean before the best cut against the mean behind it; Hoeffding's (A), McDiarmid's (W).
 *
 * The cut is where the upper end of the mean's confidence interval was least: nothing before it speaks of a higher
 * mean.  (For a decrease, where its lower end was greatest.)
 *
 *     A  plain means:              bound sqrt((1/n1 - 1/n)/2 ln(2/c)), n1 values before the cut, n in all
 *     W  weighted means (lambda):  bound sqrt((b1 + b2)/2 ln(1/c)), b the sum of squared weights of either side */
#include <math.h>

#include "detector_kind.h"
#include "driftd/error.h"

enum { IGNORE, RESTART, DRIFT }; /* what a decrease does */
#define DECREASE                                                                                                       \
    {                                                                                                                  \
        "ignore", "restart", "drift"                                                                                   \
    }

/* ---- A ---- */

enum { A_DRIFT, A_WARNING, A_DECREASE };

static const struct drift_detector_param a_params[] = {
    [A_DRIFT] = {"drift_confidence", "probability of a false drift, by the bound", .001, 1e-100, 1, false, {NULL}},
    [A_WARNING] =
        {"warning_confidence", "probability of a false warning, by the bound", .005, 1e-100, 1, false, {NULL}},
    [A_DECREASE] = {"decrease", "what fewer errors do: nothing, start afresh silently, or a drift (river's two-sided)",
                    RESTART, 0, 2, true, DECREASE},
};

struct part { /* the first n values: how many, their sum */
    double n, sum;
};
struct hddm_a {
    struct part all, low, high; /* low: up to the cut for an increase; high: for a decrease */
    bool drifted;
};

static size_t a_size(const double *param)
{
    (void)param;
    return sizeof(struct hddm_a);
}

static int a_init(void *state, const double *param)
{
    *(struct hddm_a *)state = (struct hddm_a){.drifted = false};
    return param[A_DRIFT] > param[A_WARNING] ? DRIFT_E_RANGE : 0;
}

static double hoeffding(double n, double confidence)
{
    return sqrt(1 / (2 * n) * log(1 / confidence));
}

static bool apart(struct part before, struct part all, double sign, double confidence)
{
    if (before.n == all.n)
        return false;
    double m = (all.n - before.n) / before.n * (1 / all.n);
    return sign * (all.sum / all.n - before.sum / before.n) >= sqrt(m / 2 * log(2 / confidence));
}

static void a_cuts(struct hddm_a *s, double confidence)
{
    double mean = s->all.sum / s->all.n, radius = hoeffding(s->all.n, confidence);
    if (!s->low.n || s->low.sum / s->low.n + hoeffding(s->low.n, confidence) >= mean + radius)
        s->low = s->all;
    if (!s->high.n || s->high.sum / s->high.n - hoeffding(s->high.n, confidence) <= mean - radius)
        s->high = s->all;
}

static enum drift_detector_level a_add(void *state, const double *param, double x)
{
    struct hddm_a *s = state;
    enum drift_detector_level level = DRIFT_DETECTOR_QUIET;
    if (s->drifted)
        (void)a_init(s, param);
    s->all.n++;
    s->all.sum += x;
    a_cuts(s, param[A_DRIFT]);
    s->drifted = apart(s->low, s->all, 1, param[A_DRIFT]);
    if (s->drifted)
        return DRIFT_DETECTOR_DRIFT;
    if (apart(s->low, s->all, 1, param[A_WARNING]))
        level = DRIFT_DETECTOR_WARNING;
    if ((int)param[A_DECREASE] == IGNORE)
        return level;
    if (apart(s->high, s->all, -1, param[A_DRIFT])) {
        s->drifted = true; /* afresh at the next value */
        return (int)param[A_DECREASE] == DRIFT ? DRIFT_DETECTOR_DRIFT : level;
    }
    if ((int)param[A_DECREASE] == DRIFT && apart(s->high, s->all, -1, param[A_WARNING]))
        level = DRIFT_DETECTOR_WARNING;
    return level;
}

static void part_io(struct part *p, double n_most, struct state_io *io)
{
    state_f64(io, &p->n, 0, n_most);
    state_f64(io, &p->sum, 0, p->n);
    io->bad |= p->n != floor(p->n);
}

static void a_io(void *state, const double *param, struct state_io *io)
{
    struct hddm_a *s = state;
    (void)param;
    part_io(&s->all, (double)io->n, io);
    part_io(&s->low, s->all.n, io);
    part_io(&s->high, s->all.n, io);
    state_flag(io, &s->drifted);
}

const struct detector_ops detector_hddm_a = {
    .params = a_params,
    .n_params = sizeof a_params / sizeof *a_params,
    .values = VALUES_UNIT,
    .size = a_size,
    .init = a_init,
    .add = a_add,
    .io = a_io,
};

/* ---- W ---- */

enum { W_DRIFT, W_WARNING, W_LAMBDA, W_DECREASE };

static const struct drift_detector_param w_params[] = {
    [W_DRIFT] = {"drift_confidence", "probability of a false drift, by the bound", .001, 1e-100, 1, false, {NULL}},
    [W_WARNING] =
        {"warning_confidence", "probability of a false warning, by the bound", .005, 1e-100, 1, false, {NULL}},
    [W_LAMBDA] = {"lambda_option", "weight of the newest value", .05, 1e-6, 1, false, {NULL}},
    [W_DECREASE] = {"decrease", "what fewer errors do: nothing, start afresh silently, or a drift", IGNORE, 0, 2, true,
                    DECREASE},
};

struct fading { /* a weighted mean and the sum of its squared weights; b 0: of nothing */
    double mean, b;
};
struct side { /* of one direction: up to the cut, behind it, and where the interval's end was best */
    struct fading before, after;
    double end;
};
struct hddm_w {
    struct fading all;
    struct side increase, decrease;
    bool drifted;
};

static size_t w_size(const double *param)
{
    (void)param;
    return sizeof(struct hddm_w);
}

static int w_init(void *state, const double *param)
{
    *(struct hddm_w *)state = (struct hddm_w){.drifted = false};
    return param[W_DRIFT] > param[W_WARNING] ? DRIFT_E_RANGE : 0;
}

static void fade(struct fading *f, double lambda, double x)
{
    double keep = 1 - lambda;
    if (f->b > 0)
        *f = (struct fading){lambda * x + keep * f->mean, lambda * lambda + keep * keep * f->b};
    else
        *f = (struct fading){x, 1};
}

static void w_cut(struct side *s, const struct fading *all, double sign, const double *param, double x)
{
    double end = all->mean + sign * sqrt(all->b * log(1 / param[W_DRIFT]) / 2);
    if (!(s->before.b > 0) || sign * end < sign * s->end)
        *s = (struct side){.before = *all, .end = end};
    else
        fade(&s->after, param[W_LAMBDA], x);
}

static bool w_apart(const struct side *s, double sign, double confidence)
{
    if (!(s->after.b > 0))
        return false;
    return sign * (s->after.mean - s->before.mean) > sqrt((s->before.b + s->after.b) * log(1 / confidence) / 2);
}

static enum drift_detector_level w_add(void *state, const double *param, double x)
{
    struct hddm_w *s = state;
    enum drift_detector_level level = DRIFT_DETECTOR_QUIET;
    if (s->drifted)
        (void)w_init(s, param);
    fade(&s->all, param[W_LAMBDA], x);
    w_cut(&s->increase, &s->all, 1, param, x);
    w_cut(&s->decrease, &s->all, -1, param, x);
    s->drifted = w_apart(&s->increase, 1, param[W_DRIFT]);
    if (s->drifted)
        return DRIFT_DETECTOR_DRIFT;
    if (w_apart(&s->increase, 1, param[W_WARNING]))
        level = DRIFT_DETECTOR_WARNING;
    if ((int)param[W_DECREASE] == IGNORE)
        return level;
    if (w_apart(&s->decrease, -1, param[W_DRIFT])) {
        s->drifted = true; /* afresh at the next value */
        return (int)param[W_DECREASE] == DRIFT ? DRIFT_DETECTOR_DRIFT : level;
    }
    if ((int)param[W_DECREASE] == DRIFT && w_apart(&s->decrease, -1, param[W_WARNING]))
        level = DRIFT_DETECTOR_WARNING;
    return level;
}

static void fading_io(struct fading *f, struct state_io *io)
{
    state_f64(io, &f->mean, 0, 1);
    state_f64(io, &f->b, 0, 1);
}

static void side_io(struct side *s, struct state_io *io)
{
    fading_io(&s->before, io);
    fading_io(&s->after, io);
    state_f64(io, &s->end, -100, 100);
}

static void w_io(void *state, const double *param, struct state_io *io)
{
    struct hddm_w *s = state;
    (void)param;
    fading_io(&s->all, io);
    side_io(&s->increase, io);
    side_io(&s->decrease, io);
    state_flag(io, &s->drifted);
}

const struct detector_ops detector_hddm_w = {
    .params = w_params,
    .n_params = sizeof w_params / sizeof *w_params,
    .values = VALUES_UNIT,
    .size = w_size,
    .init = w_init,
    .add = w_add,
    .io = w_io,
};
