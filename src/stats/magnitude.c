/* src/stats/magnitude.c    Orders of magnitude, and the change of unit that would explain how they moved. */
#include "driftd/magnitude.h"

#include <math.h>
#include <stdio.h>

#include "driftd/error.h"

enum { HALF = 64, SCALE = HALF - 1, FORMAT = 1, STEPS = 10 /* of an exponent */ };
static const double least_moved = .05, least_explained = .7, tolerance = .25; /* of log2 of a known factor */

int drift_magnitude_add(struct drift_layout *l)
{
    static const uint8_t content = FORMAT;
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n_columns; i++)
        n += l->columns[i].kind == DRIFT_NUMERIC;
    return n ? drift_layout_add_block(l, DRIFT_MAGNITUDE_BLOCK, &content, 1, n * DRIFT_MAGNITUDES) : 0;
}

uint32_t drift_magnitude_first(const struct drift_layout *l, uint32_t column)
{
    const struct drift_block *b = drift_layout_block(l, DRIFT_MAGNITUDE_BLOCK);
    uint32_t n = 0;
    if (!b || b->content_len != 1 || b->content[0] != FORMAT || l->columns[column].kind != DRIFT_NUMERIC)
        return UINT32_MAX;
    for (uint32_t i = 0; i < column; i++)
        n += l->columns[i].kind == DRIFT_NUMERIC;
    return (n + 1) * DRIFT_MAGNITUDES <= b->n ? b->first + n * DRIFT_MAGNITUDES : UINT32_MAX;
}

/* ---- comparing ---- */

/* Shares of the baseline and the change of shares. */
struct change {
    double p[DRIFT_MAGNITUDES], d[DRIFT_MAGNITUDES], size; /* size: sum |d| */
};

static bool change_of(const uint64_t *p, const uint64_t *q, struct change *ret)
{
    double m = 0, n = 0;
    for (int b = 0; b < DRIFT_MAGNITUDES; b++) {
        m += (double)p[b];
        n += (double)q[b];
    }
    if (!(m > 0) || !(n > 0))
        return false;
    ret->size = 0;
    for (int b = 0; b < DRIFT_MAGNITUDES; b++) {
        ret->p[b] = (double)p[b] / m;
        ret->d[b] = (double)q[b] / n - ret->p[b];
        ret->size += fabs(ret->d[b]);
    }
    return ret->size >= 2 * least_moved;
}

/* The baseline's shares with all values 2^k times as large, and of the other sign if `turn`.  0 stays 0; a value moves
 * on by floor(k) exponents or one more, as often as the fraction says; those beyond the scale stop at its ends. */
static void moved(const double *p, double k, bool turn, double *ret)
{
    int whole = (int)floor(k);
    double part = k - whole;
    for (int b = 0; b < DRIFT_MAGNITUDES; b++)
        ret[b] = b ? 0 : p[0];
    for (int b = 1; b < DRIFT_MAGNITUDES; b++) {
        int half = (b >= HALF) ^ (int)turn, e = b % HALF - 1, low = e + whole, high = low + 1;
        if (b == HALF)
            continue;
        low = low < 0 ? 0 : low >= SCALE ? SCALE - 1 : low;
        high = high < 0 ? 0 : high >= SCALE ? SCALE - 1 : high;
        ret[half * HALF + 1 + low] += (1 - part) * p[b];
        ret[half * HALF + 1 + high] += part * p[b];
    }
}

/* What part of the values moved so (least squares), and how much of the change that explains. */
static double explained(const struct change *c, double k, bool turn, double *ret_part)
{
    double to[DRIFT_MAGNITUDES], over = 0, under = 0, rest = 0;
    moved(c->p, k, turn, to);
    for (int b = 0; b < DRIFT_MAGNITUDES; b++) {
        to[b] -= c->p[b];
        over += to[b] * c->d[b];
        under += to[b] * to[b];
    }
    *ret_part = under > 0 ? fmin(fmax(over / under, 0), 1) : 0;
    for (int b = 0; b < DRIFT_MAGNITUDES; b++)
        rest += fabs(c->d[b] - *ret_part * to[b]);
    return 1 - rest / c->size;
}

static double known_factor(double factor)
{
    static const double usual[] = {8, 10, 60, 100, 1000, 3600, 1e4, 86400, 1e6, 1e9};
    double best = 0, distance = tolerance, size = log2(fabs(factor));
    for (size_t i = 0; i < 2 * sizeof usual / sizeof *usual; i++) {
        double f = i % 2 ? 1 / usual[i / 2] : usual[i / 2], d = fabs(log2(f) - size);
        if (d < distance - 1e-9) {
            distance = d;
            best = f;
        }
    }
    return best;
}

struct best {
    double k, part, explained;
    bool turn;
};

static void try(const struct change *c, double k, struct best *best)
{
    double part;
    for (int turn = 0; turn < 2; turn++) {
        double e = explained(c, k, turn, &part);
        if (e > best->explained + 1e-9)
            *best = (struct best){k, part, e, turn};
    }
}

/* Whether more than a tenth of what moves begins or ends in the outermost exponents, where sizes are not told apart. */
static bool off_scale(const struct change *c, double k)
{
    double out = 0, all = 0;
    for (int b = 1; b < DRIFT_MAGNITUDES; b++) {
        double from = b % HALF - 1, to = from + k;
        all += c->p[b];
        if (from <= 0 || from >= SCALE - 1 || to < .5 || to > SCALE - 1.5)
            out += c->p[b];
    }
    return fabs(k) >= .5 && out > .1 * all;
}

bool drift_magnitude_compare(const uint64_t *p, const uint64_t *q, struct drift_unit_change *ret)
{
    struct change c;
    struct best best = {0};
    *ret = (struct drift_unit_change){.factor = 1};
    if (!change_of(p, q, &c))
        return false;
    for (int i = 0; i < 2 * SCALE; i++) /* 0, 1, -1, 2 ..: of equals the smallest */
        try(&c, (i + 1) / 2 * (i % 2 ? 1 : -1), &best);
    double whole = best.k;
    for (int i = 1; i < STEPS; i++) {
        try(&c, whole - (double)i / STEPS, &best);
        try(&c, whole + (double)i / STEPS, &best);
    }
    ret->factor = best.turn ? -exp2(best.k) : exp2(best.k);
    ret->moved = best.part;
    ret->explained = best.explained;
    ret->at_least = off_scale(&c, best.k);
    ret->known = ret->at_least ? 0 : known_factor(ret->factor);
    return best.explained >= least_explained && best.part >= least_moved && (best.turn || fabs(best.k) >= 2);
}

bool drift_magnitude_of(const struct drift_summary *before, const struct drift_summary *after, uint32_t column,
                        struct drift_unit_change *ret)
{
    uint32_t first = drift_magnitude_first(before->layout, column);
    return first != UINT32_MAX && drift_magnitude_compare(before->counts + first, after->counts + first, ret);
}

size_t drift_magnitude_text(const struct drift_unit_change *u, char *buf, size_t cap)
{
    double size = u->known > 0 ? u->known : fabs(u->factor);
    bool larger = size >= 1;
    int n = 0;
    if (fabs(log2(size)) < .5 && u->factor < 0)
        n = snprintf(buf, cap, "%.0f %% of values changed their sign", 100 * u->moved);
    else
        n = snprintf(buf, cap, "%.0f %% of values are %s %.4g times as %s%s: another unit?", 100 * u->moved,
                     u->at_least ? "at least" : "about", larger ? size : 1 / size, larger ? "large" : "small",
                     u->factor < 0 ? ", with the other sign" : "");
    return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap ? cap - 1 : 0;
}
