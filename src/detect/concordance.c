/* src/detect/concordance.c    Which pairs of features are on the same side of their medians, and whether that changed.
 *
 * Counting bits of 64 events at a time was chosen over adding to each pair's counter at each event (2016 of them for
 * 64 features); what it costs is a batch that must be flushed. */
#include "driftd/concordance.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_cdf.h>

#include "bytes.h"
#include "driftd/tail.h"
#include "hypergeometric.h"

enum { FORMAT = 1, BATCH = 64, ROWS_MAX = 1000000 };

/* ---- the baseline's part ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of the values below the largest, the one that halves best: half of the events are above it.  x is sorted. */
static double best_cut(const double *x, size_t n)
{
    double cut = x[0], gap = (double)n;
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && x[i + 1] == x[i])
            continue; /* to the last of its equals */
        double here = fabs((double)(n - 1 - i) - (double)n / 2);
        if (here < gap) {
            gap = here;
            cut = x[i];
        }
    }
    return cut;
}

static size_t column_values(const double *rows, size_t n_rows, uint32_t n_features, uint32_t i, double *ret)
{
    size_t n = 0;
    for (size_t r = 0; r < n_rows; r++) {
        double x = rows[r * n_features + i];
        if (isfinite(x))
            ret[n++] = x;
    }
    return n;
}

static double mean_of(const double *x, size_t n)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += (x[i] - mean) / (double)(i + 1); /* never beyond the values, so that 1e308 twice is fine */
    return mean;
}

int drift_concordance_fit(const double *rows, size_t n_rows, uint32_t n_features, struct drift_concordance *ret)
{
    struct drift_concordance c = {.n_features = n_features};
    if (n_features < 2 || n_features > DRIFT_CONCORDANCE_FEATURES_MAX || n_rows < 1 || n_rows > ROWS_MAX)
        return DRIFT_E_RANGE;
    double *x = malloc(n_rows * sizeof *x);
    if (!x)
        return DRIFT_E_MEMORY;
    for (uint32_t i = 0; i < n_features; i++) {
        size_t n = column_values(rows, n_rows, n_features, i, x);
        if (!n) {
            free(x);
            return DRIFT_E_EMPTY;
        }
        qsort(x, n, sizeof *x, ascending);
        c.cut[i] = best_cut(x, n);
        c.null_word |= (uint64_t)(mean_of(x, n) > c.cut[i]) << i;
    }
    free(x);
    *ret = c;
    return 0;
}

size_t drift_concordance_save(const struct drift_concordance *c, uint8_t *out, size_t cap)
{
    struct bytes_writer w = {.p = out, .cap = cap};
    bytes_put(&w, FORMAT, 1);
    bytes_put(&w, c->n_features, 1);
    bytes_put(&w, c->null_word, 8);
    for (uint32_t i = 0; i < c->n_features; i++)
        bytes_put_double(&w, c->cut[i]);
    return bytes_written(&w);
}

int drift_concordance_load(const uint8_t *p, size_t len, struct drift_concordance *ret)
{
    struct bytes_reader r = {p, p + len, false};
    struct drift_concordance c = {0};
    uint64_t format = bytes_get(&r, 1);
    if (format > FORMAT)
        return DRIFT_E_VERSION;
    c.n_features = (uint32_t)bytes_get(&r, 1);
    c.null_word = bytes_get(&r, 8);
    if (r.bad || !format || c.n_features < 2 || c.n_features > DRIFT_CONCORDANCE_FEATURES_MAX)
        return DRIFT_E_PARSE;
    for (uint32_t i = 0; i < c.n_features; i++) {
        c.cut[i] = bytes_get_double(&r);
        if (!isfinite(c.cut[i]))
            return DRIFT_E_PARSE;
    }
    if (r.bad || r.p != r.end || (c.n_features < 64 && c.null_word >> c.n_features))
        return DRIFT_E_PARSE;
    *ret = c;
    return 0;
}

/* ---- counting ---- */

static uint64_t sides(const struct drift_concordance *c, const double *row)
{
    uint64_t word = 0, nulls = 0;
    for (uint32_t i = 0; i < c->n_features; i++) {
        word |= (uint64_t)(row[i] > c->cut[i]) << i;
        nulls |= (uint64_t)!isfinite(row[i]) << i;
    }
    return (word & ~nulls) | (c->null_word & nulls);
}

/* 64 words of 64 bits: bit c of word r becomes bit r of word c (H. S. Warren, Hacker's Delight, 7-3). */
static void transpose(uint64_t a[64])
{
    uint64_t m = 0xffffffffu;
    for (unsigned j = 32; j; j >>= 1, m ^= m << j)
        for (unsigned k = 0; k < 64; k = ((k | j) + 1) & ~j) {
            uint64_t t = (a[k] >> j ^ a[k | j]) & m;
            a[k | j] ^= t;
            a[k] ^= t << j;
        }
}

/* Written out: without leave to use the processor's own instruction, the compiler would call a function. */
static inline int64_t bits(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int64_t)(x * 0x0101010101010101u >> 56);
}

void drift_concordance_flush(const struct drift_concordance *c, struct drift_concordance_batch *batch, int64_t *sums)
{
    uint32_t d = c->n_features;
    if (!batch->n)
        return;
    uint64_t mask = batch->n == BATCH ? UINT64_MAX : (UINT64_C(1) << batch->n) - 1;
    for (uint32_t e = batch->n; e < BATCH; e++)
        batch->word[e] = 0;
    transpose(batch->word);
    int64_t *pair = sums + 1 + d;
    for (uint32_t i = 0; i < d; i++) {
        uint64_t same = ~batch->word[i] & mask;
        sums[1 + i] += bits(batch->word[i]);
        for (uint32_t j = i + 1; j < d; j++)
            *pair++ += bits((same ^ batch->word[j]) & mask);
    }
    sums[0] += batch->n;
    batch->n = 0;
}

int drift_concordance_add(const struct drift_concordance *c, struct drift_concordance_batch *batch, int64_t *sums,
                          const double *row)
{
    if (sums[0] >= DRIFT_SUMS_EVENTS_MAX - BATCH)
        return DRIFT_E_FULL;
    batch->word[batch->n++] = sides(c, row);
    if (batch->n == BATCH)
        drift_concordance_flush(c, batch, sums);
    return 0;
}

int drift_concordance_count(const struct drift_concordance *c, int64_t *sums, const double *row)
{
    int64_t above[DRIFT_CONCORDANCE_FEATURES_MAX], *pair = sums + 1 + c->n_features;
    if (sums[0] >= DRIFT_SUMS_EVENTS_MAX)
        return DRIFT_E_FULL;
    uint64_t word = sides(c, row);
    uint32_t d = c->n_features;
    for (uint32_t i = 0; i < d; i++) {
        above[i] = (int64_t)(word >> i & 1);
        sums[1 + i] += above[i];
    }
    sums[0]++;
    for (uint32_t i = 0; i < d; pair += d - 1 - i, i++)
        for (uint32_t j = i + 1; j < d; j++)
            pair[j - i - 1] += 1 ^ above[i] ^ above[j];
    return 0;
}

/* a and b of n are above their cuts; then at least |n - a - b| are on the same side, at most n - |a - b|, and every
 * second number between. */
int drift_concordance_check(const int64_t *sums, uint32_t n_features)
{
    if (n_features < 2 || n_features > DRIFT_CONCORDANCE_FEATURES_MAX)
        return DRIFT_E_RANGE;
    if (drift_sums_check(sums, drift_concordance_length(n_features), 1))
        return DRIFT_E_RANGE;
    int64_t n = sums[0];
    const int64_t *above = sums + 1, *pair = above + n_features;
    for (uint32_t i = 0; i < n_features; i++)
        if (above[i] < 0)
            return DRIFT_E_RANGE;
    for (uint32_t i = 0; i < n_features; i++)
        for (uint32_t j = i + 1; j < n_features; j++, pair++)
            if (*pair < llabs(n - above[i] - above[j]) || *pair > n - llabs(above[i] - above[j]) ||
                (n - above[i] - above[j] - *pair) % 2)
                return DRIFT_E_RANGE;
    return 0;
}

/* ---- comparing ---- */

/* Of two shares a/m and b/n, pooled variance. */
static double two_shares_z(double a, double m, double b, double n)
{
    double pooled = (a + b) / (m + n), variance = pooled * (1 - pooled) * (1 / m + 1 / n);
    return variance > 0 ? (b / n - a / m) / sqrt(variance) : 0;
}

/* Correlation of the two sides: i and j of n above their cuts, `same` on the same side. */
static double sides_phi(double i, double j, double same, double n)
{
    double a = i / n, b = j / n, variance = a * (1 - a) * b * (1 - b);
    double both = (same / n - 1 + a + b) / 2;
    return variance > 0 ? fmax(-1, fmin(1, (both - a * b) / sqrt(variance))) : 0;
}

/* Two-sided p of b of n against a of m, as log10. */
static double two_shares_log10_p(double a, double m, double b, double n, double z)
{
    if (!(fabs(z) > 0))
        return 0;
    if (hypergeometric_variance(n, a + b, m + n) > 1e6)
        return drift_tail_normal_two_sided_log10(z);
    return fmin(0, log10(2) + hypergeometric_tail_log10(b, n, a + b, m + n, z > 0));
}

/* Keeps the pairs with the largest |z|, the first of equals. */
static void top_put(struct drift_concordance_result *t, uint32_t i, uint32_t j, double z)
{
    size_t at = t->n_top;
    while (at && fabs(t->top[at - 1].z) < fabs(z))
        at--;
    if (at == DRIFT_CONCORDANCE_TOP)
        return;
    size_t keep = t->n_top < DRIFT_CONCORDANCE_TOP ? t->n_top : DRIFT_CONCORDANCE_TOP - 1;
    memmove(&t->top[at + 1], &t->top[at], (keep - at) * sizeof *t->top);
    t->n_top = keep + 1;
    t->top[at].i = i;
    t->top[at].j = j;
    t->top[at].z = z;
}

static size_t pair_index(uint32_t d, uint32_t i, uint32_t j)
{
    return 1 + (size_t)d + (size_t)i * (2 * d - i - 1) / 2 + (j - i - 1);
}

static void pair_describe(const int64_t *ref, const int64_t *sums, uint32_t d, struct drift_concordance_pair *pair)
{
    size_t at = pair_index(d, pair->i, pair->j), i = 1 + pair->i, j = 1 + pair->j;
    double m = (double)ref[0], n = (double)sums[0], a = (double)ref[at], b = (double)sums[at];
    pair->agree_ref = a / m;
    pair->agree = b / n;
    pair->phi_ref = sides_phi((double)ref[i], (double)ref[j], a, m);
    pair->phi = sides_phi((double)sums[i], (double)sums[j], b, n);
    pair->log10_p = two_shares_log10_p(a, m, b, n, pair->z);
    pair->p_value = pow(10, pair->log10_p);
    pair->margin_z_i = two_shares_z((double)ref[i], m, (double)sums[i], n);
    pair->margin_z_j = two_shares_z((double)ref[j], m, (double)sums[j], n);
}

/* The allowance of concordance.h for a baseline that many windows share. */
static double shared_p(double log10_p, double max_abs_z, double m, double n, double pairs)
{
    double p = pow(10, log10_p), z = p > 1e-290 ? gsl_cdf_ugaussian_Qinv(p / 2) : max_abs_z;
    double q = gsl_cdf_ugaussian_Qinv(0.05 / (2 * pairs));
    double left = z * sqrt(1 + n / m) - q * sqrt(n / m);
    return left > 0 ? fmin(1, pairs * drift_tail_normal_two_sided(left)) : 1;
}

int drift_concordance_compare(const int64_t *ref, const int64_t *sums, uint32_t n_features,
                              struct drift_concordance_result *ret)
{
    if (n_features < 2 || n_features > DRIFT_CONCORDANCE_FEATURES_MAX)
        return DRIFT_E_RANGE;
    if (ref[0] < 1 || sums[0] < 1)
        return DRIFT_E_EMPTY;
    struct drift_concordance_result t = {.m = (uint64_t)ref[0], .n = (uint64_t)sums[0]};
    double m = (double)ref[0], n = (double)sums[0], least = 0;
    size_t at = 1 + (size_t)n_features;
    for (uint32_t i = 0; i < n_features; i++)
        for (uint32_t j = i + 1; j < n_features; j++, at++)
            top_put(&t, i, j, two_shares_z((double)ref[at], m, (double)sums[at], n));
    t.n_pairs = at - 1 - n_features;
    for (size_t k = 0; k < t.n_top; k++) {
        pair_describe(ref, sums, n_features, &t.top[k]);
        least = fmin(least, t.top[k].log10_p);
    }
    t.max_abs_z = fabs(t.top[0].z);
    t.log10_p = fmin(0, least + log10((double)t.n_pairs));
    t.p_value = pow(10, t.log10_p);
    t.p_shared = shared_p(least, t.max_abs_z, m, n, (double)t.n_pairs);
    *ret = t;
    return 0;
}
