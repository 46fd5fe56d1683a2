/* src/detect/replay.c    Runs the evidence over a baseline's own traffic, drawn and resampled; for `baseline build`. */
/* e-values depend on a window alone, so they are computed once and put on a tape; a series of 100,000 windows is then
 * nothing but multiplications, which is what makes it bearable at every build. */
#include "driftd/replay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>

#include "driftd/error.h"
#include "driftd/tail.h"
#include "evidence.h"

enum { WORLDS = 4, BLOCKS_MIN = 8, DRAWN_MIN = 64, COLUMN_WINDOWS = 50000, EVENTS_MAX = 1000000000 };
static const double nothing = -1; /* on the tape: the stream had no data */

struct slot {
    uint32_t column;
    int stream;
    double weight; /* of M, its bets' quarter in it */
};

struct player {
    struct drift_evidence *bank; /* a workspace for e-values; its evidence is not used */
    struct drift_phase1 plain;   /* phase I without seasons: windows drawn from the pool have none */
    gsl_rng *rng;
    double threshold, log_cap;
    size_t n_slots;
    struct slot *slot;
    uint32_t n_columns, *first; /* [n_columns + 1]: slots of a column */
    size_t n_tape;              /* windows on it */
    float *tape;                /* [n_tape][n_slots][BETS] */
    double *r;                  /* [n_slots][BETS] */
    double *share;              /* workspaces of a column's counters */
    double *alpha;
    unsigned *count;
};

static void player_release(struct player *p)
{
    drift_evidence_free(p->bank);
    free(p->plain.column);
    if (p->rng)
        gsl_rng_free(p->rng);
    free(p->slot);
    free(p->first);
    free(p->tape);
    free(p->r);
    free(p->share);
    free(p->alpha);
    free(p->count);
}

/* Borrows everything of phase I but what is different. */
static int plain_init(struct player *p, const struct drift_phase1 *of)
{
    p->plain = *of;
    p->plain.column = calloc(p->n_columns ? p->n_columns : 1, sizeof *p->plain.column);
    if (!p->plain.column)
        return DRIFT_E_MEMORY;
    memcpy(p->plain.column, of->column, p->n_columns * sizeof *of->column);
    for (uint32_t i = 0; i < p->n_columns; i++) {
        p->plain.column[i].curve = 0; /* nor do they have the wander that this answers */
        for (int r = 0; r < DRIFT_PHASE1_SCORES; r++)
            p->plain.column[i].score[r].seasonal = false;
    }
    return 0;
}

static void slots_fill(struct player *p)
{
    for (uint32_t i = 0; i < p->n_columns; i++) {
        const struct bank_column *b = &p->bank->column[i];
        p->first[i] = (uint32_t)p->n_slots;
        for (int s = 0; s < DRIFT_N_STREAM && b->view.watched; s++)
            if (b->stream[s].used)
                p->slot[p->n_slots++] = (struct slot){i, s, b->weight * b->stream[s].weight / BETS};
    }
    p->first[p->n_columns] = (uint32_t)p->n_slots;
}

static size_t drawn_windows(uint32_t n_columns)
{
    size_t n = COLUMN_WINDOWS / (n_columns ? n_columns : 1);
    n = n > DRIFT_REPLAY_DRAWN ? DRIFT_REPLAY_DRAWN : n < DRAWN_MIN ? DRAWN_MIN : n;
    return n - n % WORLDS;
}

/* How many windows of the baseline's own are read: all, or so many blocks. */
static size_t own_windows(uint32_t n_columns, size_t n_windows)
{
    size_t blocks = COLUMN_WINDOWS / (DRIFT_REPLAY_BLOCK * (size_t)(n_columns ? n_columns : 1));
    size_t n = DRIFT_REPLAY_BLOCK * (blocks < BLOCKS_MIN ? BLOCKS_MIN : blocks);
    return n < n_windows ? n : n_windows;
}

static size_t series_windows(uint32_t n_columns)
{
    size_t n = 20000000 / (n_columns ? n_columns : 1);
    return n > DRIFT_REPLAY_WINDOWS ? DRIFT_REPLAY_WINDOWS : n < 10000 ? 10000 : n;
}

static int player_init(struct player *p, const struct drift_phase1 *phase1, const struct drift_evidence_settings *set,
                       size_t n_windows, uint64_t seed)
{
    size_t counters = 1, drawn, own;
    *p = (struct player){.n_columns = phase1->layout->n_columns};
    int rc = plain_init(p, phase1);
    rc = rc ? rc : drift_evidence_new(phase1, set, &p->bank);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < p->n_columns; i++) {
        size_t n = drift_column_counters(&phase1->layout->columns[i]);
        counters = n > counters ? n : counters;
    }
    p->threshold = p->bank->threshold;
    p->log_cap = set->glitch_guard ? fmin(3 * Z_MAX, log(p->threshold) / 2) : 3 * Z_MAX;
    p->slot = calloc((size_t)p->n_columns * DRIFT_N_STREAM, sizeof *p->slot);
    p->first = calloc(p->n_columns + 1u, sizeof *p->first);
    p->share = calloc(counters, sizeof *p->share);
    p->alpha = calloc(counters, sizeof *p->alpha);
    p->count = calloc(counters, sizeof *p->count);
    p->rng = gsl_rng_alloc(gsl_rng_mt19937);
    if (!p->slot || !p->first || !p->share || !p->alpha || !p->count || !p->rng)
        return DRIFT_E_MEMORY;
    gsl_rng_set(p->rng, (unsigned long)(seed ^ seed >> 32) | 1);
    slots_fill(p);
    drawn = drawn_windows(p->n_columns);
    own = own_windows(p->n_columns, n_windows);
    p->n_tape = drawn > own ? drawn : own;
    p->tape = calloc(p->n_tape, p->n_slots * BETS * sizeof *p->tape);
    p->r = calloc(p->n_slots, BETS * sizeof *p->r);
    return p->tape && p->r ? 0 : DRIFT_E_MEMORY;
}

/* ---- the tape ---- */

/* One column of one window. */
static void tape_put(struct player *p, size_t at, uint32_t column, const struct drift_phase1 *phase1,
                     const uint64_t *counters, int64_t start_ms)
{
    struct bank_column *b = &p->bank->column[column];
    if (!b->view.watched)
        return;
    streams_measure(b, phase1, column, counters, start_ms, 1, p->bank->groups);
    for (uint32_t i = p->first[column]; i < p->first[column + 1]; i++) {
        float *to = p->tape + (at * p->n_slots + i) * BETS;
        int s = p->slot[i].stream;
        for (int k = 0; k < BETS; k++)
            to[k] = (float)(b->view.live[s] ? exp(fmin(b->stream[s].log_e[k], p->log_cap)) : nothing);
    }
}

static void bets_play(struct player *p, size_t window, uint32_t from, uint32_t to)
{
    const float *e = p->tape + (window * p->n_slots + from) * BETS;
    double *r = p->r + (size_t)from * BETS;
    for (size_t i = 0; i < (size_t)(to - from) * BETS; i++)
        r[i] = e[i] >= 0 ? fmin((r[i] + 1) * (double)e[i], R_MAX) : r[i];
}

/* After a window: does it alarm?  Then all begins anew. */
static void window_end(struct player *p, struct drift_replay_series *s)
{
    double m = 0;
    for (size_t i = 0; i < p->n_slots; i++) {
        const double *r = p->r + i * BETS;
        m += p->slot[i].weight * (r[0] + r[1] + r[2] + r[3]);
    }
    s->windows++;
    if (m < p->threshold)
        return;
    s->alarms++;
    memset(p->r, 0, p->n_slots * BETS * sizeof *p->r);
}

static void series_close(struct drift_replay_series *s, size_t distinct)
{
    double alarms = s->alarms * (double)distinct / s->windows;
    s->distinct = (double)distinct;
    s->mean = s->alarms > 0 ? s->windows / s->alarms : s->windows;
    s->low = s->distinct / (drift_tail_chi2_inverse(0.025, 2 * alarms + 2) / 2);
    /* less than a quarter of an alarm limits nothing, and GSL's inverse errs there */
    s->high = alarms >= 0.25 ? s->distinct / (drift_tail_chi2_inverse(0.975, 2 * alarms) / 2) : 0;
}

/* ---- windows drawn from the pool ---- */

/* Windows `from` to `to` of a column, all with the same drawn shares. */
static int column_draw(struct player *p, const struct drift_summary *pooled, uint32_t column, size_t from, size_t to,
                       uint64_t *counters)
{
    const struct drift_column *c = &p->plain.layout->columns[column];
    const uint64_t *pool = pooled->counts + c->first;
    size_t n = drift_column_counters(c);
    double all = 0;
    for (size_t j = 0; j < n; j++)
        all += (double)pool[j];
    if (!(all > 0))
        return 0;
    double sum = 0;
    for (size_t j = 0; j < n; j++) {
        p->share[j] = pool[j] ? gsl_ran_gamma(p->rng, (double)pool[j], 1) : 0;
        sum += p->share[j];
    }
    unsigned events = (unsigned)fmin(fmax(all / p->plain.n_windows, 1), EVENTS_MAX);
    for (size_t i = from; i < to && sum > 0; i++) {
        gsl_ran_multinomial(p->rng, n, events, p->share, p->count);
        for (size_t j = 0; j < n; j++)
            counters[j] = p->count[j];
        tape_put(p, i, column, &p->plain, counters, 0);
    }
    return sum > 0 ? 0 : DRIFT_E_RANGE;
}

static int drawn_play(struct player *p, const struct drift_summary *pooled, struct drift_replay_series *s)
{
    size_t n = drawn_windows(p->n_columns), world = n / WORLDS, steps = series_windows(p->n_columns) / WORLDS;
    uint64_t *counters = calloc(pooled->layout->n_counts ? pooled->layout->n_counts : 1, sizeof *counters);
    int rc = counters ? 0 : DRIFT_E_MEMORY;
    for (size_t w = 0; !rc && w < WORLDS; w++) {
        for (uint32_t i = 0; !rc && i < p->n_columns; i++)
            rc = column_draw(p, pooled, i, w * world, (w + 1) * world, counters);
        memset(p->r, 0, p->n_slots * BETS * sizeof *p->r);
        for (size_t t = 0; !rc && t < steps; t++) {
            for (uint32_t i = 0; i < p->n_columns; i++)
                if (p->first[i] < p->first[i + 1])
                    bets_play(p, w * world + gsl_rng_uniform_int(p->rng, world), p->first[i], p->first[i + 1]);
            window_end(p, s);
        }
    }
    free(counters);
    return rc;
}

/* ---- the baseline's own windows ---- */

static void own_play(struct player *p, const struct drift_phase1 *phase1, const struct drift_phase1_window *windows,
                     size_t n_windows, struct drift_replay_series *s)
{
    size_t n = own_windows(p->n_columns, n_windows), steps = series_windows(p->n_columns), at = 0, left = 0;
    for (size_t i = 0, from = 0; i < n; i++) {
        if (n < n_windows && i % DRIFT_REPLAY_BLOCK == 0)
            from = gsl_rng_uniform_int(p->rng, n_windows - DRIFT_REPLAY_BLOCK + 1) - i;
        const struct drift_phase1_window *w = &windows[from + i];
        for (uint32_t c = 0; c < p->n_columns; c++)
            tape_put(p, i, c, phase1, w->summary->counts + phase1->layout->columns[c].first, w->start_ms);
    }
    memset(p->r, 0, p->n_slots * BETS * sizeof *p->r);
    for (size_t t = 0; t < steps; t++) {
        if (!left) {
            left = DRIFT_REPLAY_BLOCK;
            at = n < n_windows ? DRIFT_REPLAY_BLOCK * gsl_rng_uniform_int(p->rng, n / DRIFT_REPLAY_BLOCK)
                               : gsl_rng_uniform_int(p->rng, n - DRIFT_REPLAY_BLOCK + 1);
        }
        bets_play(p, at++, 0, (uint32_t)p->n_slots);
        left--;
        window_end(p, s);
    }
}

static bool fits(const struct drift_layout *l, const struct drift_summary *s)
{
    return s->layout == l || !strcmp(s->layout->digest, l->digest);
}

int drift_replay(const struct drift_phase1 *p, const struct drift_evidence_settings *set,
                 const struct drift_summary *pooled, const struct drift_phase1_window *windows, size_t n_windows,
                 uint64_t seed, struct drift_replay *ret)
{
    struct player player;
    if (n_windows < DRIFT_PHASE1_WINDOWS_MIN || p->n_windows != n_windows)
        return DRIFT_E_EMPTY;
    if (!fits(p->layout, pooled))
        return DRIFT_E_MISMATCH;
    for (size_t i = 0; i < n_windows; i++)
        if (!fits(p->layout, windows[i].summary))
            return DRIFT_E_MISMATCH;
    struct drift_replay found = {.configured = set->windows};
    int rc = player_init(&player, p, set, n_windows, seed);
    rc = rc ? rc : drawn_play(&player, pooled, &found.drawn);
    if (!rc) {
        own_play(&player, p, windows, n_windows, &found.own);
        series_close(&found.drawn, drawn_windows(player.n_columns));
        series_close(&found.own, own_windows(player.n_columns, n_windows));
        *ret = found;
    }
    player_release(&player);
    return rc;
}
