/* src/detect/embedding.c    Mean of random Fourier features: sums of a window, what the baseline learned, Hotelling's
 * T.
 *
 * T is computed through Cholesky's factor of C + lambda I and not through eigenvectors: the same number for half the
 * work, its moments d1 and d2 follow from the inverse, and its order of operations is written down here, so that two
 * instances agree to the last bit.  Eigenvectors of nearly equal eigenvalues would be anybody's choice. */
#include "driftd/embedding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "driftd/tail.h"
#include "philox.h"
#include "turn.h"

enum {
    FORMAT = 1,
    BLOCK = 8, /* frequencies at a time: as many sums as fit the registers */
    BLOCK_LANES = BLOCK / LANES,
    COARSE_BITS = 14, /* terms in products: their rounding is 3e-10 of variance, their products fit 32 bits */
    COARSE_SHIFT = 20 - COARSE_BITS,
    TERMS_MAX = DRIFT_EMBEDDING_TERMS_MAX,
    EVENTS_PER_TERM_MIN = 4,
    ROWS_MAX = 1000000,
    RAREST = 256,   /* events of the baseline that made-up ones are put together from */
    CROSSED = 4096, /* made-up events */
    RARITY_EVENTS = 50
};
static const double clip = 16, phase_max = 0x1p48, value_max = 1e150, u_max = 1e6, ridge_max = 16, rarity_max = 100;

struct drift_embedding {
    struct drift_embedding_spec spec; /* mean and scale: in the same memory, behind */
    double *mean, *scale;
    lanes *omega;   /* turns; block by block of frequencies, feature by feature in it */
    uint64_t check; /* of omega */
    bool sealed;
    /* learned; sums as a window's */
    int64_t *sums, *coarse, *product; /* [1 + D], [D], [D (D + 1) / 2] row by row */
    int64_t tuned[3];                 /* events, 16 times their u, their u^2 */
    /* sealed */
    double lambda, d1, d2, trace;
    double *mean_term, *factor; /* e0 [D]; Cholesky's, row by row */
};

static size_t triangle(size_t n)
{
    return n * (n + 1) / 2;
}

/* ---- made from its spec ---- */

static bool spec_fine(const struct drift_embedding_spec *s)
{
    if (s->n_features < 1 || s->n_features > DRIFT_EMBEDDING_FEATURES_MAX || s->n_terms < DRIFT_EMBEDDING_TERMS_STEP ||
        s->n_terms > TERMS_MAX || s->n_terms % DRIFT_EMBEDDING_TERMS_STEP)
        return false;
    if (!(s->width > 0) || !isfinite(s->width) || !(s->ridge >= 1e-6) || !(s->ridge <= ridge_max))
        return false;
    for (uint32_t i = 0; i < s->n_features; i++)
        if (!isfinite(s->mean[i]) || !isfinite(s->scale[i]) || !(s->scale[i] > 0))
            return false;
    return true;
}

static lanes *omega_at(const struct drift_embedding *e, uint32_t k, uint32_t i)
{
    return &e->omega[((size_t)(k / BLOCK) * e->spec.n_features + i) * BLOCK_LANES + k % BLOCK / LANES];
}

static uint64_t check_add(uint64_t h, double x) /* FNV-1a over words */
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (h ^ bits) * 0x100000001b3u;
}

/* Frequencies in turns: normal / (2 pi width).  DRIFT_E_RANGE when an event could have a phase that has no fraction. */
static int omega_fill(struct drift_embedding *e)
{
    double unit = 2 * M_PI * e->spec.width;
    e->check = 0xcbf29ce484222325u;
    for (uint32_t k = 0; k < e->spec.n_terms / 2; k++) {
        double most = 0, two[2] = {0};
        for (uint32_t i = 0; i < e->spec.n_features; i++) {
            if (i % 2 == 0)
                philox_normal(e->spec.seed, k, i / 2, two);
            double w = two[i % 2] / unit;
            (*omega_at(e, k, i))[k % LANES] = w;
            e->check = check_add(e->check, w);
            most += fabs(w) * clip;
        }
        if (!(most < phase_max))
            return DRIFT_E_RANGE;
    }
    return 0;
}

static int memory_get(struct drift_embedding *e)
{
    size_t d = e->spec.n_features, terms = e->spec.n_terms, frequencies = d * terms / 2 * sizeof(double);
    e->mean = malloc(d * sizeof *e->mean);
    e->scale = malloc(d * sizeof *e->scale);
    e->omega = aligned_alloc(64, (frequencies + 63) / 64 * 64);
    e->sums = calloc(1 + terms, sizeof *e->sums);
    e->coarse = calloc(terms, sizeof *e->coarse);
    e->product = calloc(triangle(terms), sizeof *e->product);
    e->mean_term = calloc(terms, sizeof *e->mean_term);
    e->factor = calloc(triangle(terms), sizeof *e->factor);
    return e->mean && e->scale && e->omega && e->sums && e->coarse && e->product && e->mean_term && e->factor
               ? 0
               : DRIFT_E_MEMORY;
}

int drift_embedding_new(const struct drift_embedding_spec *spec, struct drift_embedding **ret)
{
    if (!spec_fine(spec))
        return DRIFT_E_RANGE;
    struct drift_embedding *e = calloc(1, sizeof *e);
    if (!e)
        return DRIFT_E_MEMORY;
    e->spec = *spec;
    int rc = memory_get(e);
    if (!rc) {
        memcpy(e->mean, spec->mean, spec->n_features * sizeof *e->mean);
        memcpy(e->scale, spec->scale, spec->n_features * sizeof *e->scale);
        e->spec.mean = e->mean;
        e->spec.scale = e->scale;
        rc = omega_fill(e);
    }
    if (rc) {
        drift_embedding_free(e);
        return rc;
    }
    *ret = e;
    return 0;
}

void drift_embedding_free(struct drift_embedding *e)
{
    if (!e)
        return;
    free(e->mean);
    free(e->scale);
    free(e->omega);
    free(e->sums);
    free(e->coarse);
    free(e->product);
    free(e->mean_term);
    free(e->factor);
    free(e);
}

const struct drift_embedding_spec *drift_embedding_spec(const struct drift_embedding *e)
{
    return &e->spec;
}

/* ---- one event ---- */

static void standardise(const struct drift_embedding *e, const double *row, double *ret)
{
    for (uint32_t i = 0; i < e->spec.n_features; i++) {
        double z = (row[i] - e->mean[i]) / e->scale[i];
        z = z > clip ? clip : z < -clip ? -clip : z;
        ret[i] = isfinite(row[i]) ? z : 0;
    }
}

/* The terms of one event in fixed point; ret: shape [D]. */
static void terms_of(const struct drift_embedding *e, const double *row, int64_t *ret)
{
    double z[DRIFT_EMBEDDING_FEATURES_MAX];
    uint32_t d = e->spec.n_features, half = e->spec.n_terms / 2;
    const lanes *omega = e->omega;
    standardise(e, row, z);
    for (uint32_t k = 0; k < half; k += BLOCK) {
        lanes t[BLOCK_LANES] = {{0}};
        for (uint32_t i = 0; i < d; i++, omega += BLOCK_LANES)
            for (int b = 0; b < BLOCK_LANES; b++)
                t[b] += omega[b] * z[i];
        for (int b = 0; b < BLOCK_LANES; b++) {
            lanes c, s;
            turn_cos_sin(t[b], &c, &s);
            lanes_whole fixed_c = turn_whole(c * (double)DRIFT_EMBEDDING_UNIT);
            lanes_whole fixed_s = turn_whole(s * (double)DRIFT_EMBEDDING_UNIT);
            memcpy(ret + k + b * LANES, &fixed_c, sizeof fixed_c);
            memcpy(ret + half + k + b * LANES, &fixed_s, sizeof fixed_s);
        }
    }
}

int drift_embedding_add(const struct drift_embedding *e, int64_t *sums, const double *row)
{
    int64_t term[TERMS_MAX];
    if (sums[0] >= DRIFT_SUMS_EVENTS_MAX)
        return DRIFT_E_FULL;
    terms_of(e, row, term);
    sums[0]++;
    for (uint32_t k = 0; k < e->spec.n_terms; k++)
        sums[1 + k] += term[k];
    return 0;
}

/* ---- learning ---- */

int drift_embedding_learn(struct drift_embedding *e, const double *row)
{
    int64_t term[TERMS_MAX];
    int32_t coarse[TERMS_MAX];
    if (e->sealed)
        return DRIFT_E_USAGE;
    if (e->sums[0] >= DRIFT_EMBEDDING_LEARN_MAX)
        return DRIFT_E_FULL;
    terms_of(e, row, term);
    e->sums[0]++;
    int64_t *product = e->product;
    for (uint32_t k = 0; k < e->spec.n_terms; k++) {
        e->sums[1 + k] += term[k];
        /* to the nearest, halves upwards; + 2^21 keeps what is shifted positive */
        coarse[k] =
            (int32_t)((term[k] + (1 << 21) + (1 << (COARSE_SHIFT - 1))) >> COARSE_SHIFT) - (1 << (21 - COARSE_SHIFT));
        e->coarse[k] += coarse[k];
        for (uint32_t j = 0; j <= k; j++)
            *product++ += coarse[k] * coarse[j];
    }
    return 0;
}

static bool spec_same(const struct drift_embedding *a, const struct drift_embedding *b)
{
    const struct drift_embedding_spec *s = &a->spec, *t = &b->spec;
    return s->n_features == t->n_features && s->n_terms == t->n_terms && s->seed == t->seed && s->width == t->width &&
           s->ridge == t->ridge && !memcmp(s->mean, t->mean, s->n_features * sizeof *s->mean) &&
           !memcmp(s->scale, t->scale, s->n_features * sizeof *s->scale);
}

int drift_embedding_learn_merge(struct drift_embedding *e, const struct drift_embedding *from)
{
    if (e->sealed)
        return DRIFT_E_USAGE;
    if (!spec_same(e, from))
        return DRIFT_E_MISMATCH;
    if (from->sums[0] > DRIFT_EMBEDDING_LEARN_MAX - e->sums[0])
        return DRIFT_E_FULL;
    for (size_t k = 0; k <= e->spec.n_terms; k++)
        e->sums[k] += from->sums[k];
    for (size_t k = 0; k < e->spec.n_terms; k++)
        e->coarse[k] += from->coarse[k];
    for (size_t k = 0; k < triangle(e->spec.n_terms); k++)
        e->product[k] += from->product[k];
    return 0;
}

/* ---- sealing: C + lambda I = L L', and the moments of T ---- */

/* The covariance, row by row; returns its trace. */
static double covariance(const struct drift_embedding *e, double *ret)
{
    double n = (double)e->sums[0], unit = 1 << COARSE_BITS, trace = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < e->spec.n_terms; i++) {
        double mean = (double)e->coarse[i] / n / unit;
        for (uint32_t j = 0; j <= i; j++, at++)
            ret[at] = (double)e->product[at] / n / (unit * unit) - mean * ((double)e->coarse[j] / n / unit);
        trace += ret[at - 1];
    }
    return trace;
}

/* In place; false when a is not positive definite. */
static bool cholesky(double *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double *row = a + triangle(i);
        for (size_t j = 0; j <= i; j++) {
            const double *other = a + triangle(j);
            double s = row[j];
            for (size_t k = 0; k < j; k++)
                s -= row[k] * other[k];
            if (j < i)
                row[j] = s / other[j];
            else if (s > 0)
                row[i] = sqrt(s);
            else
                return false;
        }
    }
    return true;
}

/* Of L, row by row; into ret, row by row too. */
static void triangle_invert(const double *l, size_t n, double *ret)
{
    for (size_t j = 0; j < n; j++)
        for (size_t i = j; i < n; i++) {
            const double *row = l + triangle(i);
            double s = i == j;
            for (size_t k = j; k < i; k++)
                s -= row[k] * ret[triangle(k) + j];
            ret[triangle(i) + j] = s / row[i];
        }
}

/* Traces of A^-1 and A^-2 from L^-1: A^-1 = (L^-1)' L^-1. */
static void inverse_traces(const double *inverse, size_t n, double *ret_1, double *ret_2)
{
    double one = 0, two = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double s = 0;
            for (size_t k = i; k < n; k++)
                s += inverse[triangle(k) + i] * inverse[triangle(k) + j];
            two += (i == j ? 1 : 2) * s * s;
            if (i == j)
                one += s;
        }
    *ret_1 = one;
    *ret_2 = two;
}

int drift_embedding_seal(struct drift_embedding *e)
{
    size_t terms = e->spec.n_terms, at = 0;
    double one, two, n = (double)e->sums[0];
    if (e->sealed)
        return DRIFT_E_USAGE;
    if (e->sums[0] < (int64_t)(EVENTS_PER_TERM_MIN * terms))
        return DRIFT_E_EMPTY;
    e->trace = covariance(e, e->factor);
    if (!(e->trace > 1e-6))
        return DRIFT_E_EMPTY;
    double *inverse = malloc(triangle(terms) * sizeof *inverse);
    if (!inverse)
        return DRIFT_E_MEMORY;
    e->lambda = e->spec.ridge * e->trace / (double)terms;
    for (size_t i = 0; i < terms; i++, at += i + 1)
        e->factor[at] += e->lambda;
    bool fine = cholesky(e->factor, terms);
    if (fine) {
        triangle_invert(e->factor, terms, inverse);
        inverse_traces(inverse, terms, &one, &two);
        e->d1 = (double)terms - e->lambda * one;
        e->d2 = (double)terms - 2 * e->lambda * one + e->lambda * e->lambda * two;
        fine = isfinite(e->d1) && e->d1 > 0 && isfinite(e->d2) && e->d2 > 0;
    }
    free(inverse);
    if (!fine)
        return DRIFT_E_RANGE;
    for (size_t i = 0; i < terms; i++)
        e->mean_term[i] = (double)e->sums[1 + i] / n / DRIFT_EMBEDDING_UNIT;
    e->sealed = true;
    return 0;
}

/* ---- comparing ---- */

/* |L^-1 gap|^2 */
static double whitened_square(const struct drift_embedding *e, const double *gap)
{
    double y[TERMS_MAX], square = 0;
    for (size_t i = 0; i < e->spec.n_terms; i++) {
        const double *row = e->factor + triangle(i);
        double s = gap[i];
        for (size_t k = 0; k < i; k++)
            s -= row[k] * y[k];
        y[i] = s / row[i];
        square += y[i] * y[i];
    }
    return square;
}

/* Of n events with these totals against the baseline; returns the plain square of the gap. */
static double gap_of(const struct drift_embedding *e, const int64_t *total, double n, double *ret_gap)
{
    double plain = 0;
    for (size_t i = 0; i < e->spec.n_terms; i++) {
        ret_gap[i] = (double)total[i] / n / DRIFT_EMBEDDING_UNIT - e->mean_term[i];
        plain += ret_gap[i] * ret_gap[i];
    }
    return plain;
}

/* u = |L^-1 (phi - e0)|^2 of one event. */
static double event_square(const struct drift_embedding *e, const double *row)
{
    int64_t term[TERMS_MAX];
    double gap[TERMS_MAX];
    terms_of(e, row, term);
    gap_of(e, term, 1, gap);
    return whitened_square(e, gap);
}

/* The same with C of the other m - 1 events (Sherman and Morrison's formula), which u < m bounds. */
static double left_out(const struct drift_embedding *e, double u)
{
    double m = (double)e->sums[0];
    return u < m ? fmin(u / (1 - u / m), u_max) : u_max;
}

static void tuned_add(struct drift_embedding *e, double u)
{
    e->tuned[0]++;
    e->tuned[1] += (int64_t)(u * 16 + 0.5);
    e->tuned[2] += (int64_t)(u * u + 0.5);
}

int drift_embedding_tune(struct drift_embedding *e, const double *row)
{
    if (!e->sealed)
        return DRIFT_E_USAGE;
    if (e->tuned[0] >= DRIFT_EMBEDDING_TUNE_MAX)
        return DRIFT_E_FULL;
    tuned_add(e, left_out(e, event_square(e, row)));
    return 0;
}

/* Mean and variance of u of an event that C does not know.  Without tuning they are those of normal vectors. */
static double mean_of_u(const struct drift_embedding *e, double *ret_variance)
{
    double m = (double)e->sums[0], normal = e->d1 * m / (m - e->d1 - 1), k = (double)e->tuned[0];
    *ret_variance = 2 * e->d2;
    if (e->tuned[0] < 2)
        return normal;
    double mean = (double)e->tuned[1] / 16 / k;
    *ret_variance = (double)e->tuned[2] / k - mean * mean;
    return fmax(mean, normal);
}

/* Variance of T, scaled to the mean d1, for a window of n. */
static double variance_of_t(const struct drift_embedding *e, double n, double scale, double variance_of_u)
{
    double normal = 2 * e->d2;
    return normal + fmax(0, scale * scale * variance_of_u - normal) / n;
}

/* Tail of the non-central law.  Its series takes sqrt(lambda) terms, far more where all of them underflow; from windows
 * a hundred times as large as their baseline on, the normal law is as good. */
static double shared_p(double x, double dof, double lambda)
{
    if (lambda < 1e4)
        return drift_tail_chi2_noncentral(x, dof, lambda);
    return drift_tail_normal((x - dof - lambda) / sqrt(2 * (dof + 2 * lambda)));
}

int drift_embedding_compare(const struct drift_embedding *e, const int64_t *sums, struct drift_embedding_result *ret)
{
    if (!e->sealed)
        return DRIFT_E_USAGE;
    if (sums[0] < 1)
        return DRIFT_E_EMPTY;
    struct drift_embedding_result t = {.m = (uint64_t)e->sums[0], .n = (uint64_t)sums[0]};
    double m = (double)t.m, n = (double)t.n, terms = e->spec.n_terms, gap[TERMS_MAX], variance;
    double scale = e->d1 / mean_of_u(e, &variance), plain = gap_of(e, sums + 1, n, gap),
           square = whitened_square(e, gap) * scale;
    t.t = n / (n + m) * m * square;
    t.factor = 2 * e->d1 / variance_of_t(e, n, scale, variance);
    t.dof = e->d1 * t.factor;
    t.p_value = drift_tail_chi2(t.t * t.factor, t.dof);
    t.log10_p = drift_tail_chi2_log10(t.t * t.factor, t.dof);
    double radius = n / m * drift_tail_chi2_inverse(0.05, t.dof);
    t.p_shared = shared_p(n * square * t.factor, t.dof, radius);
    t.distance = 2 / terms * (plain - e->trace * (1 / n + 1 / m));
    *ret = t;
    return 0;
}

/* ---- fitting: the ridge that rare events ask for ---- */

/* Why like this: a direction in which only few events differ from the others has nothing like a normal mean in a
 * window, and where the baseline has hardly any of them its eigenvalue is anybody's guess; one that it has not seen at
 * all is divided by lambda alone.  How rare is too rare shows in Var u, which is 2 d2 for normal vectors, some 5 to 15
 * times that for continuous features, and hundreds or millions of times that for flags.  Leaving such directions out by
 * their eigenvalue was rejected: in smooth directions small eigenvalues are good ones, and see most.  A ridge for any
 * event that could be (|phi|^2 <= D / lambda) costs continuous features a tenth of their power, so what could be is put
 * together from what was. */
struct fitting {
    struct drift_embedding *e;
    const double *rows;
    size_t n_rows, n_rarest;
    double limit; /* of Var u / (2 d2) */
    bool looked;  /* rarest is filled */
    struct {
        double u;
        size_t row;
    } rarest[RAREST]; /* in no order */
};

static void rarest_keep(struct fitting *f, double u, size_t row)
{
    size_t least = 0;
    if (f->n_rarest < RAREST) {
        f->rarest[f->n_rarest].u = u;
        f->rarest[f->n_rarest++].row = row;
        return;
    }
    for (size_t i = 1; i < RAREST; i++)
        if (f->rarest[i].u < f->rarest[least].u)
            least = i;
    if (u > f->rarest[least].u) {
        f->rarest[least].u = u;
        f->rarest[least].row = row;
    }
}

/* Largest u of events that have each feature from one of the rarest: combinations that have not been yet.  Ends where
 * u^2 is enough. */
static double crossed_most(const struct fitting *f, double enough)
{
    double row[DRIFT_EMBEDDING_FEATURES_MAX], most = 0;
    uint32_t d = f->e->spec.n_features;
    for (uint32_t i = 0; i < CROSSED && most * most <= enough; i++) {
        for (uint32_t k = 0; k < d; k++) {
            uint32_t c[4] = {i, k, 1, 0};
            philox(f->e->spec.seed, c);
            row[k] = f->rows[f->rarest[c[0] % f->n_rarest].row * d + k];
        }
        most = fmax(most, event_square(f->e, row));
    }
    return fmin(most, u_max);
}

/* Tunes with all rows, and with the most unlikely event that they make thinkable as one more.  False: with this ridge
 * rare events carry T; then it may stop early, tuned half. */
static bool tune_all(struct fitting *f)
{
    struct drift_embedding *e = f->e;
    double enough = (double)INFINITY, variance;
    if (f->looked && e->spec.ridge < ridge_max)
        enough = (2 * e->d2 * f->limit + 4 * e->d1 * e->d1) * (double)(f->n_rows + 1);
    memset(e->tuned, 0, sizeof e->tuned);
    if (f->looked)
        tuned_add(e, crossed_most(f, enough));
    for (size_t r = 0; r < f->n_rows; r++) {
        if ((double)e->tuned[2] > enough)
            return false;
        double u = left_out(e, event_square(e, f->rows + r * e->spec.n_features));
        tuned_add(e, u);
        if (!f->looked)
            rarest_keep(f, u, r);
    }
    if (!f->looked)
        tuned_add(e, crossed_most(f, enough));
    f->looked = true;
    mean_of_u(e, &variance);
    return variance <= f->limit * 2 * e->d2;
}

int drift_embedding_fit(const struct drift_embedding_spec *spec, const double *rows, size_t n_rows,
                        struct drift_embedding **ret)
{
    struct fitting f = {.rows = rows, .n_rows = n_rows, .limit = fmin(rarity_max, (double)n_rows / RARITY_EVENTS)};
    if (n_rows > ROWS_MAX)
        return DRIFT_E_RANGE;
    int rc = drift_embedding_new(spec, &f.e);
    if (rc)
        return rc;
    for (size_t r = 0; r < n_rows && !rc; r++)
        rc = drift_embedding_learn(f.e, rows + r * spec->n_features);
    rc = rc ? rc : drift_embedding_seal(f.e);
    while (!rc && !tune_all(&f) && f.e->spec.ridge < ridge_max) {
        f.e->spec.ridge = fmin(2 * f.e->spec.ridge, ridge_max);
        f.e->sealed = false;
        rc = drift_embedding_seal(f.e);
    }
    if (rc)
        drift_embedding_free(f.e);
    else
        *ret = f.e;
    return rc;
}

/* ---- bytes ---- */

static size_t integers(size_t n_terms)
{
    return 4 + 2 * n_terms + triangle(n_terms);
}

size_t drift_embedding_bytes_max(const struct drift_embedding *e)
{
    return 1 + 2 * 2 + 2 * 8 + 2 * 8 + 2 * 8 * (size_t)e->spec.n_features + 10 * integers(e->spec.n_terms);
}

static void put_all(struct bytes_writer *w, const int64_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes_put_signed(w, v[i]);
}

size_t drift_embedding_save(const struct drift_embedding *e, uint8_t *out, size_t cap)
{
    struct bytes_writer w = {.p = out, .cap = cap};
    bytes_put(&w, FORMAT, 1);
    bytes_put(&w, e->spec.n_features, 2);
    bytes_put(&w, e->spec.n_terms, 2);
    bytes_put(&w, e->spec.seed, 8);
    bytes_put(&w, e->check, 8);
    bytes_put_double(&w, e->spec.width);
    bytes_put_double(&w, e->spec.ridge);
    for (uint32_t i = 0; i < e->spec.n_features; i++)
        bytes_put_double(&w, e->mean[i]);
    for (uint32_t i = 0; i < e->spec.n_features; i++)
        bytes_put_double(&w, e->scale[i]);
    put_all(&w, e->sums, 1 + e->spec.n_terms);
    put_all(&w, e->coarse, e->spec.n_terms);
    put_all(&w, e->product, triangle(e->spec.n_terms));
    put_all(&w, e->tuned, 3);
    return bytes_written(&w);
}

/* Reads n totals of terms up to `unit` over `events`. */
static bool get_all(struct bytes_reader *r, int64_t *ret, size_t n, int64_t events, int64_t unit)
{
    for (size_t i = 0; i < n; i++) {
        ret[i] = bytes_get_signed(r);
        if (ret[i] > events * unit || ret[i] < -events * unit)
            return false;
    }
    return true;
}

static int learned_load(struct bytes_reader *r, struct drift_embedding *e)
{
    const int64_t coarse = 1 << COARSE_BITS;
    int64_t n = bytes_get_signed(r);
    if (r->bad)
        return DRIFT_E_PARSE;
    if (n < 0 || n > DRIFT_EMBEDDING_LEARN_MAX)
        return DRIFT_E_RANGE;
    e->sums[0] = n;
    bool fine = get_all(r, e->sums + 1, e->spec.n_terms, n, DRIFT_EMBEDDING_UNIT) &&
                get_all(r, e->coarse, e->spec.n_terms, n, coarse) &&
                get_all(r, e->product, triangle(e->spec.n_terms), n, coarse * coarse);
    e->tuned[0] = fine ? bytes_get_signed(r) : 0;
    fine = fine && e->tuned[0] >= 0 && e->tuned[0] <= DRIFT_EMBEDDING_TUNE_MAX &&
           get_all(r, e->tuned + 1, 1, e->tuned[0], 16 * (int64_t)u_max) &&
           get_all(r, e->tuned + 2, 1, e->tuned[0], (int64_t)(u_max * u_max));
    if (r->bad || (fine && r->p != r->end))
        return DRIFT_E_PARSE;
    return fine ? drift_embedding_seal(e) : DRIFT_E_RANGE;
}

int drift_embedding_load(const uint8_t *p, size_t len, struct drift_embedding **ret)
{
    struct bytes_reader r = {p, p + len, false};
    double mean[DRIFT_EMBEDDING_FEATURES_MAX], scale[DRIFT_EMBEDDING_FEATURES_MAX];
    struct drift_embedding_spec spec = {.mean = mean, .scale = scale};
    struct drift_embedding *e;
    uint64_t format = bytes_get(&r, 1);
    if (format > FORMAT)
        return DRIFT_E_VERSION;
    spec.n_features = (uint32_t)bytes_get(&r, 2);
    spec.n_terms = (uint32_t)bytes_get(&r, 2);
    spec.seed = bytes_get(&r, 8);
    uint64_t check = bytes_get(&r, 8);
    spec.width = bytes_get_double(&r);
    spec.ridge = bytes_get_double(&r);
    if (r.bad || !format)
        return DRIFT_E_PARSE;
    for (uint32_t i = 0; i < spec.n_features && i < DRIFT_EMBEDDING_FEATURES_MAX; i++)
        mean[i] = bytes_get_double(&r);
    for (uint32_t i = 0; i < spec.n_features && i < DRIFT_EMBEDDING_FEATURES_MAX; i++)
        scale[i] = bytes_get_double(&r);
    /* a byte a number at least: looked at first, so that few bytes cannot ask for much work */
    if (r.bad || (size_t)(r.end - r.p) < integers(spec.n_terms))
        return DRIFT_E_PARSE;
    int rc = drift_embedding_new(&spec, &e);
    if (rc)
        return rc;
    rc = e->check == check ? learned_load(&r, e) : DRIFT_E_MISMATCH;
    if (rc)
        drift_embedding_free(e);
    else
        *ret = e;
    return rc;
}

/* ---- mean, scale and width of a baseline's events ---- */

static bool counts(double x)
{
    return isfinite(x) && fabs(x) < value_max;
}

static void column_scale(const double *rows, size_t n_rows, uint32_t d, uint32_t i, double *ret_mean, double *ret_scale)
{
    double mean = 0, square = 0, n = 0;
    for (size_t r = 0; r < n_rows; r++) {
        double x = rows[r * d + i];
        if (!counts(x))
            continue;
        double gap = x - mean; /* Welford's update */
        mean += gap / ++n;
        square += gap * (x - mean);
    }
    *ret_mean = mean;
    *ret_scale = square > 0 ? sqrt(square / n) : 1;
    if (!(*ret_scale > 1e-150)) /* what is below is no variation that a division survives */
        *ret_scale = 1;
}

static double square_distance(const double *a, const double *b, const double *mean, const double *scale, uint32_t d)
{
    double sum = 0;
    for (uint32_t i = 0; i < d; i++) {
        double x = counts(a[i]) ? (a[i] - mean[i]) / scale[i] : 0, y = counts(b[i]) ? (b[i] - mean[i]) / scale[i] : 0;
        double gap = fmax(-clip, fmin(clip, x)) - fmax(-clip, fmin(clip, y));
        sum += gap * gap;
    }
    return sum;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int drift_embedding_scale(const double *rows, size_t n_rows, uint32_t n_features, double *ret_mean, double *ret_scale,
                          double *ret_width)
{
    if (n_features < 1 || n_features > DRIFT_EMBEDDING_FEATURES_MAX || n_rows < 2 || n_rows > ROWS_MAX)
        return DRIFT_E_RANGE;
    size_t used = n_rows < DRIFT_EMBEDDING_SAMPLE_MAX ? n_rows : DRIFT_EMBEDDING_SAMPLE_MAX, pairs = triangle(used - 1),
           at = 0;
    double *distance = malloc(pairs * sizeof *distance), sum = 0;
    if (!distance)
        return DRIFT_E_MEMORY;
    for (uint32_t i = 0; i < n_features; i++)
        column_scale(rows, n_rows, n_features, i, &ret_mean[i], &ret_scale[i]);
    for (size_t r = 1; r < used; r++)
        for (size_t s = 0; s < r; s++, at++) {
            distance[at] =
                sqrt(square_distance(rows + r * n_features, rows + s * n_features, ret_mean, ret_scale, n_features));
            sum += distance[at];
        }
    qsort(distance, pairs, sizeof *distance, ascending);
    *ret_width = distance[pairs / 2] > 0 ? distance[pairs / 2] : sum / (double)pairs;
    free(distance);
    return *ret_width > 0 ? 0 : DRIFT_E_EMPTY;
}
