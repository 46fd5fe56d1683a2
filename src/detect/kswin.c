/* src/detect/kswin.c    KSWIN: the last r values against r drawn at random from the older ones in a sliding window.
 *
 * Both samples have r values, so the distance is k / r with a whole k, and the level of a test is a least k: found
 * once.
 *
 *     exact   the least k with P(D >= k/r) <= alpha by counting lattice paths and k/r > .1 (river);
 *             P = 2 sum over j >= 1 of (-1)^(j-1) C(2r, r - jk) / C(2r, r), Gnedenko and Korolyuk 1951
 *     bound   the least k with k/r > sqrt(-ln(alpha) / r) (the paper)
 *
 * The draw is a shuffle of r places out of the older ones that is undone afterwards. */
#include <math.h>
#include <string.h>

#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_sort_double.h>

#include "detector_kind.h"
#include "driftd/error.h"

enum { ALPHA, WINDOW, STAT, RULE, AFTER, SEED };
enum { RULE_EXACT, RULE_BOUND };
enum { AFTER_KEEP, AFTER_RESTART };
enum { WINDOW_MAX = 10000 };

static const struct drift_detector_param params[] = {
    [ALPHA] = {"alpha", "level of each test", .005, 1e-12, 1, false, {NULL}},
    [WINDOW] = {"window_size", "values kept", 100, 2, WINDOW_MAX, true, {NULL}},
    [STAT] = {"stat_size", "values of each sample, at most half of the window", 30, 1, WINDOW_MAX / 2, true, {NULL}},
    [RULE] = {"rule", "exact p-value (river), or the paper's bound", RULE_EXACT, 0, 1, true, {"exact", "bound"}},
    [AFTER] = {"after",
               "after a drift: keep the last values, or start afresh (river)",
               AFTER_KEEP,
               0,
               1,
               true,
               {"keep", "restart"}},
    [SEED] = {"seed", "of the draws", 1, 0, 0x1p53, true, {NULL}},
};

struct kswin {
    uint64_t random;
    uint32_t least; /* k that is a drift */
    uint32_t n, at; /* values in the window, place of the oldest */
    bool drifted;
    double value[]; /* ring [window]; behind it the two samples [2 r], then places [window - r] and draws [r] */
};

static size_t size(const double *param)
{
    size_t w = (size_t)param[WINDOW], r = (size_t)param[STAT];
    return sizeof(struct kswin) + (w + 2 * r) * sizeof(double) + (w + r) * sizeof(uint16_t);
}

static double *samples(struct kswin *s, const double *param)
{
    return s->value + (size_t)param[WINDOW];
}

static uint16_t *places(struct kswin *s, const double *param)
{
    return (uint16_t *)(samples(s, param) + 2 * (size_t)param[STAT]);
}

/* ---- the level ---- */

static double p_exact(double k, double r)
{
    double p = 0, sign = 1;
    for (double j = 1; j * k <= r; j++) {
        double log_share = 2 * gsl_sf_lngamma(r + 1) - gsl_sf_lngamma(r - j * k + 1) - gsl_sf_lngamma(r + j * k + 1);
        double term = exp(log_share);
        p += sign * term;
        sign = -sign;
        if (term < 1e-18)
            break;
    }
    return fmin(2 * p, 1);
}

/* r + 1 when no distance reaches the level. */
static uint32_t least_k(const double *param)
{
    double r = param[STAT];
    for (double k = 1; k <= r; k++) {
        bool far = (int)param[RULE] == RULE_BOUND ? k / r > sqrt(-log(param[ALPHA]) / r)
                                                  : k / r > .1 && p_exact(k, r) <= param[ALPHA];
        if (far)
            return (uint32_t)k;
    }
    return (uint32_t)r + 1;
}

static void restart(struct kswin *s, const double *param)
{
    s->random = (uint64_t)param[SEED];
    s->n = s->at = 0;
    s->drifted = false;
}

static int init(void *state, const double *param)
{
    struct kswin *s = state;
    if (2 * param[STAT] > param[WINDOW])
        return DRIFT_E_RANGE;
    s->least = least_k(param);
    for (size_t i = 0; i < (size_t)(param[WINDOW] - param[STAT]); i++)
        places(s, param)[i] = (uint16_t)i;
    restart(s, param);
    return s->least > param[STAT] ? DRIFT_E_RANGE : 0;
}

/* ---- a test ---- */

static uint32_t draw_below(struct kswin *s, uint32_t n) /* splitmix64; n < 2^14, so the bias is below 2^-18 */
{
    uint64_t z = (s->random += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)(((z ^ (z >> 31)) >> 32) * n >> 32);
}

static double value_at(const struct kswin *s, const double *param, uint32_t i) /* i from the oldest */
{
    uint32_t w = (uint32_t)param[WINDOW], at = s->at + i;
    return s->value[at < w ? at : at - w];
}

static void swap(uint16_t *p, uint32_t i, uint32_t j)
{
    uint16_t v = p[i];
    p[i] = p[j];
    p[j] = v;
}

static void draw(struct kswin *s, const double *param, double *ret)
{
    uint32_t r = (uint32_t)param[STAT], older = (uint32_t)param[WINDOW] - r;
    uint16_t *place = places(s, param), *drawn = place + older;
    for (uint32_t i = 0; i < r; i++) {
        drawn[i] = (uint16_t)(i + draw_below(s, older - i));
        swap(place, i, drawn[i]);
        ret[i] = value_at(s, param, place[i]);
    }
    for (uint32_t i = r; i-- > 0;)
        swap(place, i, drawn[i]);
}

/* r times the distance of two sorted samples of r values. */
static uint32_t distance(const double *x, const double *y, uint32_t r)
{
    uint32_t i = 0, j = 0, most = 0;
    while (i < r && j < r) {
        double v = x[i] < y[j] ? x[i] : y[j];
        while (i < r && x[i] == v)
            i++;
        while (j < r && y[j] == v)
            j++;
        uint32_t d = i > j ? i - j : j - i;
        most = d > most ? d : most;
    }
    return most;
}

static bool differs(struct kswin *s, const double *param)
{
    uint32_t w = (uint32_t)param[WINDOW], r = (uint32_t)param[STAT];
    double *x = samples(s, param), *y = x + r;
    draw(s, param, x);
    for (uint32_t i = 0; i < r; i++)
        y[i] = value_at(s, param, w - r + i);
    gsl_sort(x, 1, r);
    gsl_sort(y, 1, r);
    return distance(x, y, r) >= s->least;
}

/* Only the last r values stay. */
static void keep_last(struct kswin *s, const double *param)
{
    uint32_t w = (uint32_t)param[WINDOW], r = (uint32_t)param[STAT];
    s->at = (s->at + w - r) % w;
    s->n = r;
}

static enum drift_detector_level add(void *state, const double *param, double x)
{
    struct kswin *s = state;
    uint32_t w = (uint32_t)param[WINDOW];
    if (s->drifted && (int)param[AFTER] == AFTER_RESTART)
        restart(s, param);
    if (s->n < w) {
        s->value[(s->at + s->n++) % w] = x;
    } else {
        s->value[s->at] = x;
        s->at = (s->at + 1) % w;
    }
    s->drifted = s->n == w && differs(s, param);
    if (s->drifted)
        keep_last(s, param);
    return s->drifted ? DRIFT_DETECTOR_DRIFT : DRIFT_DETECTOR_QUIET;
}

static void io(void *state, const double *param, struct state_io *io)
{
    struct kswin *s = state;
    uint32_t w = (uint32_t)param[WINDOW];
    state_u64(io, &s->random, UINT64_MAX);
    state_u32(io, &s->n, w);
    state_u32(io, &s->at, w - 1);
    state_flag(io, &s->drifted);
    for (uint32_t i = 0; i < s->n; i++)
        state_f64(io, &s->value[(s->at + i) % w], -DRIFT_DETECTOR_VALUE_MAX, DRIFT_DETECTOR_VALUE_MAX);
}

const struct detector_ops detector_kswin = {params, sizeof params / sizeof *params, VALUES_ANY, size, init, add, io};
