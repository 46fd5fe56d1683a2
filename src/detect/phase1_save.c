/* src/detect/phase1_save.c    The fitted numbers of phase I as bytes and back; basis and groups come from the pool. */
#include <math.h>
#include <string.h>

#include "bytes.h"
#include "driftd/error.h"
#include "driftd/psi.h"
#include "phase1.h"

static const uint64_t magic = 0x315048504654u; /* "TFPHP1" */
enum { VERSION = 2 };

/* One list of the numbers for both ways: put or get, with the limits of what a number can be. */
struct numbers {
    struct bytes_writer *out;
    struct bytes_reader *in;
    bool bad;
};

static void f64(struct numbers *x, double *v, double low, double high)
{
    if (x->out) {
        bytes_put_double(x->out, *v);
        return;
    }
    *v = bytes_get_double(x->in);
    if (!(*v >= low && *v <= high))
        x->bad = true;
}

static void u32(struct numbers *x, uint32_t *v, uint32_t high)
{
    if (x->out) {
        bytes_put(x->out, *v, 8);
        return;
    }
    uint64_t u = bytes_get(x->in, 8);
    if (u > high)
        x->bad = true;
    *v = u > high ? 0 : (uint32_t)u;
}

static void truth(struct numbers *x, bool *v)
{
    uint32_t u = *v;
    u32(x, &u, 1);
    *v = u;
}

static void score_numbers(struct numbers *x, struct drift_phase1_score *s, uint32_t n_windows)
{
    f64(x, &s->phi, 1, 1e20);
    f64(x, &s->phi_limit, 0, 1e18);
    f64(x, &s->natural_sd, 0, 1e15);
    f64(x, &s->effective, 0, 1e10);
    u32(x, &s->split, n_windows);
    f64(x, &s->split_p, 0, 1);
    f64(x, &s->split_size, -1e15, 1e15);
    f64(x, &s->season_p, 0, 1);
    f64(x, &s->season_share, 0, 1);
    f64(x, &s->weekend_p, 0, 1);
    truth(x, &s->seasonal);
    for (int h = 0; h < DRIFT_PHASE1_HOURS && s->seasonal; h++)
        f64(x, &s->hour[h], -1e15, 1e15);
    for (int d = 0; d < 2 && s->seasonal; d++)
        f64(x, &s->day[d], -1e15, 1e15);
}

static void rate_numbers(struct numbers *x, struct drift_phase1_rate *r)
{
    truth(x, &r->used);
    if (!r->used)
        return;
    f64(x, &r->low, 0, 1);
    f64(x, &r->high, 0, 1);
    f64(x, &r->phi, 1, 1e20);
}

static void column_numbers(struct numbers *x, struct drift_phase1_column *p, const struct drift_column *c,
                           uint32_t n_windows)
{
    uint32_t flags = p->flags;
    f64(x, &p->n_typical, 0, 1e20);
    u32(x, &flags, 63);
    p->flags = flags;
    f64(x, &p->delta, 0, 1e15);
    f64(x, &p->psi_mean, -1e15, 1e15);
    f64(x, &p->cell_phi, 1, 1e20);
    f64(x, &p->curve, -1e15, 1e15);
    f64(x, &p->curve_mean, 0, 1e15);
    u32(x, &p->cell, c->n_cells - 1);
    for (int r = 0; r < (c->kind == DRIFT_NUMERIC ? DRIFT_PHASE1_SCORES : 1); r++)
        score_numbers(x, &p->score[r], n_windows);
    for (unsigned id = 0; id < DRIFT_N_RATE; id++)
        if (drift_rate_applies((enum drift_rate_id)id, c))
            rate_numbers(x, &p->rate[id]);
}

static void head_numbers(struct numbers *x, struct drift_phase1 *p)
{
    uint32_t flags = p->flags;
    double window_ms = (double)p->window_ms;
    f64(x, &p->q, 0, 100);
    u32(x, &p->n_windows, INT32_MAX);
    f64(x, &window_ms, -9e15, 9e15);
    x->bad |= floor(window_ms) < window_ms;
    f64(x, &p->events, 0, 1e20);
    u32(x, &flags, 63);
    p->window_ms = x->bad ? 0 : (int64_t)window_ms;
    p->flags = flags;
}

int drift_phase1_save(const struct drift_phase1 *p, uint8_t *ret, size_t cap, size_t *ret_len)
{
    struct bytes_writer o = {.p = ret, .cap = cap};
    struct numbers x = {.out = &o};
    struct drift_phase1 head = *p;
    bytes_put(&o, magic, 8);
    bytes_put(&o, VERSION, 8);
    bytes_put(&o, p->pool_hash, 8);
    head_numbers(&x, &head);
    for (uint32_t i = 0; i < p->layout->n_columns; i++) {
        struct drift_phase1_column column = p->column[i];
        column_numbers(&x, &column, &p->layout->columns[i], p->n_windows);
    }
    *ret_len = o.len;
    return ret && o.len > cap ? DRIFT_E_FULL : 0;
}

/* What is made from the pool again.  A column without values has no n_typical. */
static int column_finish(struct drift_phase1_column *p, const struct drift_column *c,
                         const struct drift_summary *pooled)
{
    const uint64_t *counters = pooled->counts + c->first;
    int rc = phase1_column_prepare(p, c, counters);
    if (rc || !p->m)
        return rc;
    p->delta_eff = drift_psi_tolerance(p->delta, p->n_groups, (double)p->m);
    phase1_column_limits(p, c, counters + DRIFT_N_SPECIAL);
    return p->n_typical > 0 ? 0 : DRIFT_E_CORRUPT;
}

static int columns_load(struct numbers *x, const struct drift_summary *pooled, struct drift_phase1 *p)
{
    int rc = 0;
    for (uint32_t i = 0; !rc && i < p->layout->n_columns; i++) {
        column_numbers(x, &p->column[i], &p->layout->columns[i], p->n_windows);
        if (x->in->bad)
            return DRIFT_E_PARSE;
        if (x->bad)
            return DRIFT_E_CORRUPT;
        rc = column_finish(&p->column[i], &p->layout->columns[i], pooled);
    }
    return rc;
}

int drift_phase1_load(const uint8_t *bytes, size_t len, const struct drift_summary *pooled, struct drift_phase1 **ret)
{
    struct bytes_reader in = {.p = bytes, .end = bytes + len};
    struct numbers x = {.in = &in};
    struct drift_phase1 *p = NULL;
    if (bytes_get(&in, 8) != magic)
        return DRIFT_E_PARSE;
    if (bytes_get(&in, 8) != VERSION)
        return in.bad ? DRIFT_E_PARSE : DRIFT_E_VERSION;
    if (bytes_get(&in, 8) != phase1_pool_hash(pooled))
        return in.bad ? DRIFT_E_PARSE : DRIFT_E_MISMATCH;
    int rc = phase1_new(pooled, &p);
    if (rc)
        return rc;
    head_numbers(&x, p);
    rc = in.bad ? DRIFT_E_PARSE : x.bad ? DRIFT_E_CORRUPT : columns_load(&x, pooled, p);
    if (!rc && in.p != in.end)
        rc = DRIFT_E_PARSE;
    if (rc) {
        drift_phase1_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}
