/* src/detect/streams.c    From a window's counters to calibrated z and e-values, stream by stream; for evidence.c. */
#include <math.h>
#include <string.h>

#include <gsl/gsl_cdf.h>

#include "driftd/legendre.h"
#include "driftd/psi.h"
#include "evidence.h"

static const double theta[BETS] = {.5, 1, 2, 4};
static const double rise[BETS] = {1.25, 1.5, 2, 4}, fall[BETS] = {.8, .67, .5, .25};

static const struct {
    enum drift_evidence_stream stream;
    enum drift_rate_id rate;
    bool up;
} rate_streams[] = {
    {DRIFT_STREAM_NULL_UP, DRIFT_RATE_NULL, true},
    {DRIFT_STREAM_NULL_DOWN, DRIFT_RATE_NULL, false},
    {DRIFT_STREAM_MISSING_UP, DRIFT_RATE_MISSING, true},
    {DRIFT_STREAM_MISSING_DOWN, DRIFT_RATE_MISSING, false},
    {DRIFT_STREAM_INVALID_UP, DRIFT_RATE_INVALID, true},
    {DRIFT_STREAM_UNSEEN_UP, DRIFT_RATE_UNSEEN, true},
    {DRIFT_STREAM_OUT_OF_RANGE_UP, DRIFT_RATE_OUT_OF_RANGE, true},
};
enum { N_RATE_STREAMS = sizeof rate_streams / sizeof *rate_streams };

static double clip(double z)
{
    return z > Z_MAX ? Z_MAX : z > -Z_MAX ? z : -Z_MAX; /* NaN too: no evidence */
}

/* ---- before the first window ---- */

static void rate_init(struct stream *s, const struct drift_phase1_rate *rate, bool up)
{
    double r0 = up ? rate->high : rate->low;
    s->used = rate->used && r0 > 0 && r0 < 1;
    if (!s->used)
        return;
    s->r0 = r0;
    for (int k = 0; k < BETS; k++) {
        double r1 = up ? fmin(r0 * rise[k], (1 + r0) / 2) : r0 * fall[k];
        s->per_hit[k] = log(r1 / r0);
        s->per_miss[k] = log1p(-r1) - log1p(-r0);
    }
}

/* Rates share a fifth of the column's weight, the other streams the rest. */
static void weights_share(struct bank_column *b)
{
    static const double rates = 0.2;
    unsigned n[2] = {0};
    for (int s = 0; s < DRIFT_N_STREAM; s++)
        n[s >= DRIFT_STREAM_NULL_UP] += b->stream[s].used;
    for (int s = 0; s < DRIFT_N_STREAM; s++) {
        bool rate = s >= DRIFT_STREAM_NULL_UP;
        double part = !n[!rate] ? 1 : rate ? rates : 1 - rates;
        b->stream[s].weight = b->stream[s].used ? part / n[rate] : 0;
    }
}

void streams_init(struct bank_column *b, const struct drift_phase1_column *p, const struct drift_column *c,
                  double tolerance)
{
    b->tolerance = fmax(tolerance, 0);
    b->delta_eff = tolerance >= 0 && p->m ? drift_psi_tolerance(tolerance, p->n_groups, (double)p->m) : p->delta_eff;
    for (int r = 0; p->basis && r < DRIFT_PHASE1_SCORES; r++)
        b->stream[DRIFT_STREAM_V1_UP + 2 * r].used = b->stream[DRIFT_STREAM_V1_DOWN + 2 * r].used = p->score[r].used;
    b->stream[DRIFT_STREAM_PSI].used = p->m && p->n_groups > 1;
    b->stream[DRIFT_STREAM_MAX_CELL].used = p->m && p->cell_high && c->n_categories > 0;
    for (int i = 0; i < N_RATE_STREAMS; i++)
        rate_init(&b->stream[rate_streams[i].stream], &p->rate[rate_streams[i].rate], rate_streams[i].up);
    weights_share(b);
}

/* ---- a window ---- */

double streams_bets(double z, const double charge[BETS], double log_e[BETS])
{
    z = clip(z);
    for (int k = 0; k < BETS; k++)
        log_e[k] = theta[k] * z - fmax(charge ? charge[k] : 0, theta[k] * theta[k] / 2);
    return z;
}

static void stream_put(struct bank_column *b, int s, double z, const double charge[BETS])
{
    b->view.live[s] = true;
    b->view.z[s] = streams_bets(z, charge, b->stream[s].log_e);
}

static void scores_measure(struct bank_column *b, const struct drift_phase1 *phase1,
                           const struct drift_phase1_column *p, const uint64_t *cells, size_t n_cells, double n,
                           int64_t start_ms, double windows)
{
    double offset = phase1->q * sqrt(n / (double)p->m), v[DRIFT_PHASE1_SCORES] = {0};
    for (int r = 0; r < DRIFT_PHASE1_SCORES && p->score[r].used; r++)
        if (drift_legendre_score(p->basis + (size_t)r * n_cells, cells, n_cells, &v[r]))
            return;
    drift_phase1_adjust(p, start_ms, n, v);
    for (int r = 0; r < DRIFT_PHASE1_SCORES && p->score[r].used; r++) {
        double up[BETS], down[BETS], phi = drift_phase1_dispersion(p->score[r].phi, n, p->n_typical, windows);
        double off = offset + sqrt(n * b->tolerance / phi);
        int at = DRIFT_STREAM_V1_UP + 2 * r;
        drift_legendre_tilt(p->mass, p->basis + (size_t)r * n_cells, n_cells, n, 1 / sqrt(phi), up, down);
        for (int k = 0; k < BETS; k++) { /* the wander's part of the variance is taken as normal */
            up[k] += theta[k] * theta[k] * (1 - 1 / phi) / 2;
            down[k] += theta[k] * theta[k] * (1 - 1 / phi) / 2;
        }
        stream_put(b, at, v[r] / sqrt(phi) - off, up);
        stream_put(b, at + 1, -v[r] / sqrt(phi) - off, down);
    }
}

static void psi_measure(struct bank_column *b, const struct drift_phase1_column *p, const uint64_t *cells,
                        size_t n_cells, double n, uint64_t *groups)
{
    double psi, smallest = INFINITY;
    size_t bins;
    memset(groups, 0, p->n_groups * sizeof *groups);
    for (size_t j = 0; j < n_cells; j++)
        groups[p->group[j]] += cells[j];
    for (uint32_t g = 0; g < p->n_groups; g++)
        smallest = fmin(smallest, (double)p->group_count[g]);
    if (smallest * n < 2 * (double)p->m) /* the law needs a few values in each group */
        return;
    if (drift_psi(p->group_count, groups, p->n_groups, DRIFT_PSI_ADD_HALF, &psi, &bins))
        return;
    double tail = drift_psi_p_tolerance(psi, bins, (double)p->m, n, b->delta_eff);
    stream_put(b, DRIFT_STREAM_PSI, tail > 0 ? gsl_cdf_ugaussian_Qinv(fmin(tail, 1)) : Z_MAX, NULL);
}

/* P(count >= c) of a Poisson law whose variance is phi times its mean. */
static double count_tail(double c, double mean, double phi)
{
    return gsl_cdf_gamma_P(mean / phi, fmax(c / phi, 1e-9), 1);
}

static void cells_measure(struct bank_column *b, const struct drift_phase1_column *p, const uint64_t *cells,
                          size_t n_cells, double n, double phi)
{
    double least = 1;
    size_t unseen = n_cells - 1; /* has a stream of its own */
    for (size_t j = 0; j < unseen; j++) {
        double h = p->cell_high[j], c = (double)cells[j];
        double mean = n * fmin(h + sqrt(b->tolerance * h * (1 - h)), 1);
        if (c > mean + 2 * sqrt(mean * phi)) /* others cannot have the least p that counts */
            least = fmin(least, count_tail(c, mean, phi));
    }
    double tail = fmin(least * (double)unseen, 1);
    stream_put(b, DRIFT_STREAM_MAX_CELL, tail > 0 ? gsl_cdf_ugaussian_Qinv(tail) : Z_MAX, NULL);
}

static void rates_measure(struct bank_column *b, const struct drift_phase1_column *p, const struct drift_column *c,
                          const uint64_t *counters, double typical_share, double windows)
{
    for (int i = 0; i < N_RATE_STREAMS; i++) {
        int at = rate_streams[i].stream;
        struct stream *s = &b->stream[at];
        uint64_t k, n;
        if (!s->used)
            continue;
        drift_rate_count(rate_streams[i].rate, c, counters, &k, &n);
        if (!n)
            continue;
        double hits = (double)k, rest = (double)(n - k), all = (double)n;
        double phi = drift_phase1_dispersion(p->rate[rate_streams[i].rate].phi, all, typical_share, windows);
        double z = (hits - all * s->r0) / sqrt(all * s->r0 * (1 - s->r0) * phi + 0.25);
        b->view.live[at] = true;
        b->view.z[at] = clip(rate_streams[i].up ? z : -z);
        for (int j = 0; j < BETS; j++)
            s->log_e[j] = (hits * s->per_hit[j] + rest * s->per_miss[j]) / phi;
    }
}

void streams_measure(struct bank_column *b, const struct drift_phase1 *phase1, uint32_t column,
                     const uint64_t *counters, int64_t start_ms, double windows, uint64_t *groups)
{
    const struct drift_phase1_column *p = &phase1->column[column];
    const struct drift_column *c = &phase1->layout->columns[column];
    const uint64_t *cells = counters + DRIFT_N_SPECIAL;
    double n = 0;
    memset(b->view.live, 0, sizeof b->view.live);
    memset(b->view.z, 0, sizeof b->view.z);
    for (uint32_t j = 0; j < c->n_cells; j++)
        n += (double)cells[j];
    if (n > 0 && p->m) {
        if (p->basis)
            scores_measure(b, phase1, p, cells, c->n_cells, n, start_ms, windows);
        if (b->stream[DRIFT_STREAM_PSI].used)
            psi_measure(b, p, cells, c->n_cells, n, groups);
        if (b->stream[DRIFT_STREAM_MAX_CELL].used)
            cells_measure(b, p, cells, c->n_cells, n, drift_phase1_dispersion(p->cell_phi, n, p->n_typical, windows));
    }
    rates_measure(b, p, c, counters, fmax(phase1->events, 1), windows);
}
