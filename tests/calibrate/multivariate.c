/* tests/calibrate/multivariate.c    Size and power of embedding and concordance; a table of calibrate.c. */
#include <stdio.h>

#include "calibrate.h"
#include "driftd/concordance.h"
#include "driftd/embedding.h"

enum { D = 20, BLOCK = 5, BASELINE = 20000, WINDOW = 1000, EACH = 20, STATISTICS = 4 };
enum { LENGTH = 1 + D + D * (D - 1) / 2 > 257 ? 1 + D + D *(D - 1) / 2 : 257 };

/* Four blocks of five features, correlated .5 within and not between; each standard normal. */
enum { NONE, MEAN_ALL, MEAN_ONE, SCALE_THREE, PAIR_TURNED, PAIR_NEW, BLOCK_GONE, THREE_WAY, CLUSTER, CHANGES };
static const struct {
    const char *name;
    double least[STATISTICS]; /* power that STATS' table shows, less a margin; 0: none is demanded */
} changes[CHANGES] = {{"none", {0}},
                      {"mean +.05 of all", {0}},
                      {"mean +.2 of one", {0}},
                      {"sd x 1.15 of three", {0}},
                      {"pair .5 to -.2", {.95, .5, .95, .95}},
                      {"pair 0 to .4", {.95, 0, .6, .9}},
                      {"block .5 to 0", {.95, .95, .95, .95}},
                      {"sign of three", {0, 0, .5, .95}},
                      {"2 % cluster", {0, 0, .2, .6}}};
static const char *const statistic[STATISTICS] = {"concordance", "embedding, 64 terms", "128 terms", "256 terms"};
static const uint32_t terms[STATISTICS] = {0, 64, 128, 256};

static double correlation(int change, int i, int j)
{
    if (i == j)
        return 1;
    if (change == PAIR_TURNED && i == 1 && j == 0)
        return -.2;
    if (change == PAIR_NEW && i == BLOCK && j == 0)
        return .4;
    if (change == BLOCK_GONE && i < BLOCK)
        return 0;
    return i / BLOCK == j / BLOCK ? .5 : 0;
}

/* Cholesky's factor of the correlations, which makes them from independent numbers. */
static double mixing[D][D];

static void mixing_make(int change)
{
    for (int i = 0; i < D; i++)
        for (int j = 0; j <= i; j++) {
            double s = correlation(change, i, j);
            for (int k = 0; k < j; k++)
                s -= mixing[i][k] * mixing[j][k];
            mixing[i][j] = i == j ? sqrt(s) : s / mixing[j][j];
        }
}

static void event(struct drift_rng *r, int change, double *x)
{
    double g[D];
    for (int i = 0; i < D; i++) {
        g[i] = drift_rng_gauss(r);
        x[i] = change == MEAN_ALL || (change == MEAN_ONE && i == 0) ? (change == MEAN_ALL ? .05 : .2) : 0;
        for (int k = 0; k <= i; k++)
            x[i] += mixing[i][k] * g[k];
    }
    for (int i = 0; change == SCALE_THREE && i < 3; i++)
        x[i] *= 1.15;
    if (change == THREE_WAY && x[0] * x[BLOCK] * x[2 * BLOCK] < 0)
        x[2 * BLOCK] = -x[2 * BLOCK];
    if (change == CLUSTER && drift_rng_uniform(r) < .02)
        for (int i = 0; i < D; i++)
            x[i] = (i % 2 ? 1 : -1) + .3 * drift_rng_gauss(r);
}

struct model {
    int statistics; /* so many of them */
    struct drift_concordance cuts;
    struct drift_embedding *embedding[STATISTICS];
    int64_t ref[LENGTH];
};

static struct drift_embedding *embedding_make(const double *rows, uint32_t n_terms)
{
    double mean[D], scale[D];
    struct drift_embedding_spec s = {.n_features = D, .n_terms = n_terms, .seed = 7, .mean = mean, .scale = scale};
    struct drift_embedding *e;
    s.ridge = n_terms > 128 ? 1e-2 : 1e-3;
    if (drift_embedding_scale(rows, 1000, D, mean, scale, &s.width) || drift_embedding_fit(&s, rows, BASELINE, &e))
        abort();
    return e;
}

static void concordance_add(const struct drift_concordance *c, int64_t *sums, const double *rows, size_t n)
{
    struct drift_concordance_batch b = {0};
    for (size_t i = 0; i < n; i++)
        if (drift_concordance_add(c, &b, sums, rows + i * D))
            abort();
    drift_concordance_flush(c, &b, sums);
}

static void model_make(struct model *m, struct drift_rng *r)
{
    static double rows[BASELINE * D];
    mixing_make(NONE);
    for (int i = 0; i < BASELINE; i++)
        event(r, NONE, rows + i * D);
    memset(m->ref, 0, sizeof m->ref);
    if (drift_concordance_fit(rows, BASELINE, D, &m->cuts))
        abort();
    concordance_add(&m->cuts, m->ref, rows, BASELINE);
    for (int k = 1; k < m->statistics; k++)
        m->embedding[k] = embedding_make(rows, terms[k]);
}

static void model_release(struct model *m)
{
    for (int k = 1; k < m->statistics; k++)
        drift_embedding_free(m->embedding[k]);
}

/* p of a new baseline and a new window, then p_shared. */
static void window_measure(const struct model *m, struct drift_rng *r, int change, double p[STATISTICS][2])
{
    static double rows[WINDOW * D];
    static int64_t sums[LENGTH];
    struct drift_concordance_result c;
    struct drift_embedding_result t;
    for (int i = 0; i < WINDOW; i++)
        event(r, change, rows + i * D);
    memset(sums, 0, sizeof sums);
    concordance_add(&m->cuts, sums, rows, WINDOW);
    if (drift_concordance_compare(m->ref, sums, D, &c))
        abort();
    p[0][0] = c.p_value, p[0][1] = c.p_shared;
    for (int k = 1; k < m->statistics; k++) {
        memset(sums, 0, sizeof sums);
        for (int i = 0; i < WINDOW; i++)
            if (drift_embedding_add(m->embedding[k], sums, rows + i * D))
                abort();
        if (drift_embedding_compare(m->embedding[k], sums, &t))
            abort();
        p[k][0] = t.p_value, p[k][1] = t.p_shared;
    }
}

static void simulate(int change, int statistics, int trials, struct size_hits h[STATISTICS][2])
{
    struct drift_rng r = drift_rng_new(60000 + (uint64_t)change);
    struct model m = {.statistics = statistics};
    for (int i = 0; i < trials; i++) {
        double p[STATISTICS][2];
        if (i % EACH == 0)
            model_make(&m, &r);
        mixing_make(change);
        window_measure(&m, &r, change, p);
        for (int k = 0; k < statistics; k++)
            for (int s = 0; s < 2; s++)
                size_hit(&h[k][s], p[k][s]);
        if (i % EACH == EACH - 1 || i == trials - 1)
            model_release(&m);
    }
}

/* ---- columns that are nearly always the same ---- */

enum { SPARSE_MAX = 5, SPARSE_TERMS = 64 };
struct sparse {
    const char *name;
    uint32_t n_features;
    double share;               /* of values that are not 0 */
    bool values, normal;        /* normal numbers and not ones; the first feature is always one */
    int baseline, window, each; /* so many windows a baseline */
};
static const struct sparse sparse[] = {{"5 flags of 2 %", 5, .02, false, false, 20000, 1000, 20},
                                       {"5 flags of 2 %", 5, .02, false, false, 20000, 10000, 4},
                                       {"5 flags of 2 %", 5, .02, false, false, 2000, 1000, 4},
                                       {"5 flags of 10 %", 5, .1, false, false, 20000, 1000, 20},
                                       {"5 flags of 10 %", 5, .1, false, false, 2000, 1000, 4},
                                       {"2 flags of 2 %", 2, .02, false, false, 20000, 1000, 20},
                                       {"2 flags of 2 %", 2, .02, false, false, 2000, 1000, 4},
                                       {"4 columns, 90 % 0, and a normal one", 5, .1, true, true, 20000, 1000, 20},
                                       {"4 columns, 90 % 0, and a normal one", 5, .1, true, true, 2000, 1000, 4},
                                       {"a flag of 1 % and 3 normal ones", 4, .01, false, true, 2000, 1000, 4},
                                       {"3 normal ones", 3, 1, true, true, 20000, 1000, 20},
                                       {"3 normal ones", 3, 1, true, true, 2000, 1000, 4},
                                       {"3 normal ones", 3, 1, true, true, 1000, 1000, 4}};
enum { SPARSE = sizeof sparse / sizeof *sparse };

static void sparse_event(const struct sparse *s, struct drift_rng *r, double *x)
{
    for (uint32_t i = 0; i < s->n_features; i++) {
        bool normal = s->normal && (s->values ? i == 0 : i > 0);
        bool some = normal || drift_rng_uniform(r) < s->share;
        x[i] = !some ? 0 : normal || s->values ? drift_rng_gauss(r) : 1;
    }
}

static struct drift_embedding *sparse_embedding(const struct sparse *s, struct drift_rng *r)
{
    static double rows[BASELINE * SPARSE_MAX];
    double mean[SPARSE_MAX], scale[SPARSE_MAX];
    struct drift_embedding_spec spec = {
        .n_features = s->n_features, .n_terms = SPARSE_TERMS, .seed = 7, .ridge = 1e-3, .mean = mean, .scale = scale};
    struct drift_embedding *e;
    for (int i = 0; i < s->baseline; i++)
        sparse_event(s, r, rows + (uint32_t)i * s->n_features);
    if (drift_embedding_scale(rows, (size_t)s->baseline, s->n_features, mean, scale, &spec.width) ||
        drift_embedding_fit(&spec, rows, (size_t)s->baseline, &e))
        abort();
    return e;
}

/* ret: p_value, p_shared */
static void sparse_simulate(const struct sparse *s, int trials, int each, struct size_hits ret[2])
{
    struct drift_rng r = drift_rng_new(61000 + (uint64_t)(s - sparse));
    struct drift_embedding *e = NULL;
    for (int i = 0; i < trials; i++) {
        int64_t sums[1 + SPARSE_TERMS] = {0};
        double x[SPARSE_MAX];
        struct drift_embedding_result t;
        if (i % each == 0) {
            drift_embedding_free(e);
            e = sparse_embedding(s, &r);
        }
        for (int k = 0; k < s->window; k++) {
            sparse_event(s, &r, x);
            if (drift_embedding_add(e, sums, x))
                abort();
        }
        if (drift_embedding_compare(e, sums, &t))
            abort();
        size_hit(&ret[0], t.p_value);
        size_hit(&ret[1], t.p_shared);
    }
    drift_embedding_free(e);
}

static int sparse_print(bool quick)
{
    int failed = 0, trials = quick ? 200 : 1000;
    printf("Columns that are nearly always the same, 64 terms: share of p <= .05 / p <= .001 of %d windows without "
           "change.\n\n| features | baseline | window | p_value | p_shared |\n|---|---|---|---|---|\n",
           trials);
    for (int i = 0; i < SPARSE; i++) {
        struct size_hits h[2] = {{0}};
        if (quick && (sparse[i].baseline > 2000 || sparse[i].n_features < 5))
            continue;
        sparse_simulate(&sparse[i], trials, quick ? EACH : sparse[i].each, h);
        printf("| %s | %d | %d |", sparse[i].name, sparse[i].baseline, sparse[i].window);
        for (int k = 0; k < 2; k++)
            failed += size_print(&h[k], true);
        printf("\n");
    }
    printf("\n");
    return failed;
}

int table_multivariate(bool quick)
{
    static struct size_hits h[CHANGES][STATISTICS][2];
    int failed = 0, statistics = quick ? 2 : STATISTICS, none = quick ? 60 : 1000, trials = quick ? 20 : 100;
    for (int c = 0; c < CHANGES; c++)
        if (!quick || c == NONE || c == PAIR_TURNED || c == BLOCK_GONE)
            simulate(c, statistics, c == NONE ? none : trials, h[c]);
    printf("### Dependence between features\n\n"
           "%d features in blocks of five correlated .5, %d events a window, a baseline of %d, a new one every %d "
           "windows.\n"
           "First row: share of p <= .05 / p <= .001 of %d windows without change, and the same of p_shared, which "
           "allows\n"
           "for one baseline serving many windows. Other rows: share of %d windows with p <= .001.\n\n| change |",
           D, WINDOW, BASELINE, EACH, none, trials);
    for (int k = 0; k < statistics; k++)
        printf(" %s |", statistic[k]);
    printf("\n|---|");
    for (int k = 0; k < statistics; k++)
        printf("---|");
    for (int s = 0; s < 2; s++) {
        printf("\n| none, %s |", s ? "p_shared" : "p_value");
        for (int k = 0; k < statistics; k++)
            failed += size_print(&h[NONE][k][s], true);
    }
    for (int c = 1; c < CHANGES; c++) {
        if (!(h[c][0][0].n > 0))
            continue;
        printf("\n| %s |", changes[c].name);
        for (int k = 0; k < statistics; k++) {
            double power = h[c][k][0].at_001 / h[c][k][0].n;
            bool bad = power < changes[c].least[k] - 3 * sqrt(.25 / h[c][k][0].n);
            failed += bad;
            printf(" %.2f%s |", power, bad ? " **low**" : "");
        }
    }
    printf("\n\n");
    return failed + sparse_print(quick);
}
