/* src/detect/evidence.c    The bank of e-detectors of one model: updates, alarms, latches; for the judge. */
/* A weighted sum over everything rather than the largest stream: the bound then holds under any dependence and is never
 * worse than Bonferroni's. */
#include "evidence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/error.h"

static const struct {
    const char *name, *words;
    int direction;
} streams[DRIFT_N_STREAM] = {
#define X(id, name, direction, help) {name, help, direction},
    DRIFT_STREAMS(X)
#undef X
};

const char *drift_evidence_stream_name(enum drift_evidence_stream s)
{
    return s < DRIFT_N_STREAM ? streams[s].name : "unknown";
}

const char *drift_evidence_stream_words(enum drift_evidence_stream s)
{
    return s < DRIFT_N_STREAM ? streams[s].words : "unknown";
}

int drift_evidence_stream_direction(enum drift_evidence_stream s)
{
    return s < DRIFT_N_STREAM ? streams[s].direction : 0;
}

/* ---- making ---- */

static double weight_of(const struct drift_evidence_settings *set, const struct drift_column *c, uint32_t i)
{
    if (set->weight)
        return set->weight[i];
    return c->role != DRIFT_SOURCE && c->role != DRIFT_LATENCY;
}

static int settings_check(const struct drift_evidence_settings *set, const struct drift_layout *l)
{
    if (!(set->windows >= 10 && set->windows <= 1e9) || set->mode > DRIFT_EVIDENCE_CALIBRATED)
        return DRIFT_E_RANGE;
    for (uint32_t i = 0; set->weight && i < l->n_columns; i++)
        if (!(set->weight[i] >= 0 && set->weight[i] <= 1e9))
            return DRIFT_E_RANGE;
    for (uint32_t i = 0; set->tolerance && i < l->n_columns; i++)
        if (!(set->tolerance[i] < 1e6))
            return DRIFT_E_RANGE;
    return 0;
}

/* FNV-1a: which layout, and which streams of which columns. */
static uint64_t shape_add(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 0x100000001b3u;
    return h;
}

static int columns_init(struct drift_evidence *e)
{
    const struct drift_layout *l = e->phase1->layout;
    double sum = 0;
    e->shape = shape_add(0xcbf29ce484222325u, l->digest, sizeof l->digest);
    for (uint32_t i = 0; i < l->n_columns; i++) {
        struct bank_column *b = &e->column[i];
        b->weight = weight_of(&e->set, &l->columns[i], i);
        if (b->weight > 0)
            streams_init(b, &e->phase1->column[i], &l->columns[i], e->set.tolerance ? e->set.tolerance[i] : -1);
        for (int s = 0; s < DRIFT_N_STREAM; s++) {
            b->view.watched = b->view.watched || b->stream[s].used;
            e->shape = shape_add(e->shape, b->stream[s].used ? "1" : "0", 1);
        }
        sum += b->weight = b->view.watched ? b->weight : 0;
    }
    for (uint32_t i = 0; i < l->n_columns && sum > 0; i++)
        e->column[i].weight /= sum;
    return sum > 0 ? 0 : DRIFT_E_EMPTY;
}

int drift_evidence_new(const struct drift_phase1 *phase1, const struct drift_evidence_settings *set,
                       struct drift_evidence **ret)
{
    const struct drift_layout *l = phase1->layout;
    size_t cells = 1, columns = l->n_columns ? l->n_columns : 1;
    int rc = settings_check(set, l);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < l->n_columns; i++)
        cells = l->columns[i].n_cells > cells ? l->columns[i].n_cells : cells;
    struct drift_evidence *e = calloc(1, sizeof *e);
    if (!e)
        return DRIFT_E_MEMORY;
    e->phase1 = phase1;
    e->set = *set;
    e->set.clear_windows = set->clear_windows ? set->clear_windows : 24;
    e->threshold = set->windows * (set->mode == DRIFT_EVIDENCE_CALIBRATED ? 0.4 : 1);
    e->last_ms = INT64_MIN;
    e->column = calloc(columns, sizeof *e->column);
    e->groups = calloc(cells, sizeof *e->groups);
    e->order = calloc(columns, sizeof *e->order);
    rc = e->column && e->groups && e->order ? columns_init(e) : DRIFT_E_MEMORY;
    e->set.weight = e->set.tolerance = NULL; /* the caller's; read */
    if (rc) {
        drift_evidence_free(e);
        return rc;
    }
    *ret = e;
    return 0;
}

void drift_evidence_free(struct drift_evidence *e)
{
    if (!e)
        return;
    free(e->column);
    free(e->groups);
    free(e->order);
    free(e);
}

/* ---- a window ---- */

static void column_clear(struct bank_column *b)
{
    for (int s = 0; s < DRIFT_N_STREAM; s++) {
        memset(b->stream[s].r, 0, sizeof b->stream[s].r);
        b->stream[s].z_sum = 0;
    }
    b->n_clear = 0;
}

/* Armed again when a block of windows shows no stream above its calibrated zero by more than chance and a trifle. */
static void column_clearing(struct bank_column *b, uint32_t clear_windows)
{
    static const double quiet = 0.5;
    bool still = true;
    for (int s = 0; s < DRIFT_N_STREAM; s++)
        b->stream[s].z_sum += b->view.live[s] ? b->view.z[s] : 0;
    if (++b->n_clear < clear_windows)
        return;
    for (int s = 0; s < DRIFT_N_STREAM; s++)
        still = still && b->stream[s].z_sum <= quiet * (double)b->n_clear;
    column_clear(b);
    b->latched = !still;
}

static void bets_apply(double r[BETS], const double log_e[BETS], double g, double log_cap)
{
    for (int k = 0; k < BETS; k++)
        r[k] = fmin((r[k] + g) * exp(fmin(log_e[k], log_cap)), R_MAX);
}

void drift_evidence_bet(double r[DRIFT_STREAM_BETS], double z, double windows)
{
    double log_e[BETS];
    streams_bets(z, NULL, log_e);
    bets_apply(r, log_e, windows, 3 * Z_MAX);
}

static void column_bet(struct bank_column *b, double g, double log_cap)
{
    for (int s = 0; s < DRIFT_N_STREAM; s++)
        if (b->view.live[s])
            bets_apply(b->stream[s].r, b->stream[s].log_e, g, log_cap);
}

/* The column's part of M; also fills its view. */
static double column_total(struct bank_column *b)
{
    double sum = 0, most = -1;
    for (int s = 0; s < DRIFT_N_STREAM; s++) {
        double r = 0;
        for (int k = 0; k < BETS; k++)
            r += b->stream[s].r[k] / BETS;
        b->view.log_r_stream[s] = log(fmax(r, 1e-300));
        double part = b->stream[s].weight * r;
        sum += part;
        if (b->stream[s].used && part > most) {
            most = part;
            b->view.top = (enum drift_evidence_stream)s;
        }
    }
    b->view.log_r = log(fmax(sum, 1e-300));
    b->view.listed = false;
    return b->weight * sum;
}

/* Largest first; Shell's way, since qsort may allocate. */
static void order_by_share(struct drift_evidence *e)
{
    uint32_t n = e->phase1->layout->n_columns;
    for (uint32_t i = 0; i < n; i++)
        e->order[i] = i;
    for (uint32_t gap = n / 2; gap; gap /= 2)
        for (uint32_t i = gap; i < n; i++) {
            uint32_t x = e->order[i], j = i;
            for (; j >= gap && e->column[e->order[j - gap]].view.share < e->column[x].view.share; j -= gap)
                e->order[j] = e->order[j - gap];
            e->order[j] = x;
        }
}

/* e-BH, and the columns that it names start anew. */
static uint32_t columns_list(struct drift_evidence *e, double m)
{
    uint32_t n = e->phase1->layout->n_columns, listed = 1;
    order_by_share(e);
    for (uint32_t k = 1; k <= n; k++)
        if (e->column[e->order[k - 1]].view.share * m * k >= e->threshold)
            listed = k;
    for (uint32_t k = 0; k < listed; k++) {
        struct bank_column *b = &e->column[e->order[k]];
        column_clear(b);
        b->latched = b->view.listed = true;
    }
    return listed;
}

static double log_cap(const struct drift_evidence *e)
{
    double most = 3 * Z_MAX; /* as much as z = 8 gives at theta 4 */
    return e->set.glitch_guard ? fmin(most, log(e->threshold) / 2) : most;
}

static double bank_total(struct drift_evidence *e)
{
    uint32_t n = e->phase1->layout->n_columns;
    double m = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct bank_column *b = &e->column[i];
        b->view.share = column_total(b);
        m += b->view.share;
    }
    for (uint32_t i = 0; i < n; i++)
        e->column[i].view.share = m > 0 ? e->column[i].view.share / m : 0;
    return m;
}

static void result_fill(struct drift_evidence *e, double m, struct drift_evidence_result *ret)
{
    ret->m = m;
    ret->evidence = log(fmax(m, 1e-300));
    ret->threshold = log(e->threshold);
    for (uint32_t i = 0; i < e->phase1->layout->n_columns; i++) {
        e->column[i].view.latched = e->column[i].latched;
        ret->n_latched += e->column[i].latched;
    }
    ret->level = ret->n_latched           ? DRIFT_EVIDENCE_ALARM
                 : m >= e->threshold / 30 ? DRIFT_EVIDENCE_WARN
                                          : DRIFT_EVIDENCE_OK;
}

int drift_evidence_update(struct drift_evidence *e, const uint64_t *counts, int64_t start_ms, uint32_t windows,
                          struct drift_evidence_result *ret)
{
    const struct drift_layout *l = e->phase1->layout;
    *ret = (struct drift_evidence_result){0};
    if (windows < 1 || windows > 1000000)
        return DRIFT_E_RANGE;
    if (e->last_ms != INT64_MIN && start_ms <= e->last_ms) {
        result_fill(e, bank_total(e), ret);
        return 0;
    }
    e->last_ms = start_ms;
    for (uint32_t i = 0; i < l->n_columns; i++) {
        struct bank_column *b = &e->column[i];
        if (!b->view.watched)
            continue;
        streams_measure(b, e->phase1, i, counts + l->columns[i].first, start_ms, windows, e->groups);
        if (b->latched)
            column_clearing(b, e->set.clear_windows);
        else
            column_bet(b, windows, log_cap(e));
    }
    double m = bank_total(e);
    ret->applied = true;
    ret->alarm = m >= e->threshold;
    if (ret->alarm)
        ret->n_listed = columns_list(e, m);
    result_fill(e, m, ret);
    return 0;
}

const struct drift_evidence_column *drift_evidence_of(const struct drift_evidence *e, uint32_t column)
{
    return &e->column[column].view;
}

void drift_evidence_rearm(struct drift_evidence *e, uint32_t column)
{
    for (uint32_t i = 0; i < e->phase1->layout->n_columns; i++)
        if (column == UINT32_MAX || column == i) {
            column_clear(&e->column[i]);
            e->column[i].latched = e->column[i].view.latched = false;
        }
}
