/* tests/calibrate/samples.c    Sizes of the tests that read sorted samples; a table of calibrate.c. */
/* These tests do not change under a monotone transformation, so one sorted uniform sample serves for all continuous
 * data, normal or skewed; ties come from steps. */
#include <stdio.h>

#include "calibrate.h"
#include "driftd/anderson.h"
#include "driftd/cells.h"
#include "driftd/cvm.h"
#include "driftd/ks.h"

enum { N_MAX = 10000 };
enum { ANY_CONTINUOUS, ZEROS, TWENTY, POISSON, SAMPLE_KINDS };
static const char *const kind_name[SAMPLE_KINDS] = {"continuous, any", "60 % zeros", "20 values", "Poisson(2)"};
static const size_t sizes[] = {100, 1000, 10000};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* X(ID, "name", demanded: must not reject too often, with ties too) */
#define SAMPLE_TESTS(X)                                                                                                \
    X(KS_EXACT, "KS, exact law", true)                                                                                 \
    X(KS_FINITE, "KS, finite-sample law", true)                                                                        \
    X(KS_LIMIT, "KS, limit law", true)                                                                                 \
    X(KS_STEPHENS, "KS, Stephens' factor", true)                                                                       \
    X(CVM, "Cramer-von Mises", false)                                                                                  \
    X(CVM_MIDRANK, "Cramer-von Mises, by mid-ranks", false)                                                            \
    X(ANDERSON, "Anderson-Darling", false)                                                                             \
    X(CVM_CELLS, "Cramer-von Mises, values as cells", true)                                                            \
    X(ANDERSON_CELLS, "Anderson-Darling, values as cells", true)
enum {
#define X(id, name, demanded) TEST_##id,
    SAMPLE_TESTS(X)
#undef X
        SAMPLE_N_TEST
};
static const struct {
    const char *name;
    bool demanded;
} tests[] = {
#define X(id, name, demanded) {name, demanded},
    SAMPLE_TESTS(X)
#undef X
};

static double value_of(int kind, double u)
{
    double below = exp(-2), term = below;
    switch (kind) {
    case ZEROS:
        return fmax(u - .6, 0);
    case TWENTY:
        return floor(u * 20);
    case POISSON:
        for (int k = 0; k < 60; k++) {
            if (u < below)
                return k;
            term *= 2 / (k + 1.0);
            below += term;
        }
        return 60;
    default:
        return u;
    }
}

/* Sorted: sums of exponential gaps are the order of uniform values. */
static void draw(struct drift_rng *r, int kind, size_t n, double *x)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum -= log(drift_rng_uniform(r));
        x[i] = sum;
    }
    sum -= log(drift_rng_uniform(r));
    for (size_t i = 0; i < n; i++)
        x[i] = value_of(kind, x[i] / sum);
}

/* Every distinct value a cell of its own. */
static size_t cells_of(const double *x, const double *y, size_t n, uint64_t *p, uint64_t *q)
{
    size_t i = 0, j = 0, cells = 0;
    while (i < n || j < n) {
        double v = j == n || (i < n && x[i] < y[j]) ? x[i] : y[j];
        p[cells] = q[cells] = 0;
        for (; i < n && x[i] == v; i++)
            p[cells]++;
        for (; j < n && y[j] == v; j++)
            q[cells]++;
        cells++;
    }
    return cells;
}

static void p_values(const double *x, const double *y, size_t n, double p[SAMPLE_N_TEST])
{
    struct drift_ks_exact d;
    struct drift_cvm c;
    struct drift_anderson a;
    struct drift_cells_edf cc, ca;
    static uint64_t base[2 * N_MAX], cur[2 * N_MAX];
    double size = (double)n;
    if (drift_ks_samples(x, n, y, n, &d) || drift_ks_p_exact(d.d, n, n, &p[TEST_KS_EXACT]) ||
        drift_ks_p_finite(d.d, size, size, &p[TEST_KS_FINITE], NULL) || drift_cvm(x, n, y, n, &c) ||
        drift_anderson(x, n, y, n, &a))
        abort();
    size_t cells = cells_of(x, y, n, base, cur);
    if (drift_cells_cvm(base, cur, NULL, cells, &cc) || drift_cells_anderson(base, cur, cells, &ca))
        abort();
    p[TEST_CVM_CELLS] = cc.p_value;
    p[TEST_ANDERSON_CELLS] = ca.p_value;
    p[TEST_KS_LIMIT] = drift_ks_p_limit(d.d, size, size);
    p[TEST_KS_STEPHENS] = drift_ks_p_stephens(d.d, size, size);
    p[TEST_CVM] = c.p;
    p[TEST_CVM_MIDRANK] = c.p_midrank;
    p[TEST_ANDERSON] = a.p;
}

static void simulate(int kind, size_t n, int trials, struct size_hits h[SAMPLE_N_TEST])
{
    static double x[N_MAX], y[N_MAX];
    struct drift_rng r = drift_rng_new(30000 + (uint64_t)kind * 10 + n);
    for (int i = 0; i < trials; i++) {
        double p[SAMPLE_N_TEST];
        draw(&r, kind, n, x);
        draw(&r, kind, n, y);
        p_values(x, y, n, p);
        for (int t = 0; t < SAMPLE_N_TEST; t++)
            size_hit(&h[t], p[t]);
    }
}

int table_samples(bool quick)
{
    static struct size_hits h[SAMPLE_KINDS][SIZES][SAMPLE_N_TEST];
    int failed = 0, trials[SIZES] = {quick ? 1000 : 20000, quick ? 400 : 10000, quick ? 60 : 2500};
    for (int k = 0; k < SAMPLE_KINDS; k++)
        for (int s = 0; s < SIZES; s++)
            simulate(k, sizes[s], trials[s], h[k][s]);
    printf(
        "### How often tests of sorted samples reject without drift\n\n"
        "Share of p <= .05 / p <= .001, two samples of as many values each; %d, %d and %d pairs. By chance alone the\n"
        "shares lie within",
        trials[0], trials[1], trials[2]);
    for (int s = 0; s < SIZES; s++)
        printf(" %.4f / %.4f%s", 1.96 * sqrt(.05 * .95 / trials[s]), 1.96 * sqrt(.001 / trials[s]),
               s < SIZES - 1 ? "," : "");
    printf(" of their levels. `driftd compare` and the library; the daemon reads cells (above).\n\n| test | values |");
    for (int k = 0; k < SAMPLE_KINDS; k++)
        printf(" %s |", kind_name[k]);
    printf("\n|---|---|---|---|---|---|\n");
    for (int t = 0; t < SAMPLE_N_TEST; t++)
        for (int s = 0; s < SIZES; s++) {
            printf("| %s | %zu |", tests[t].name, sizes[s]);
            for (int k = 0; k < SAMPLE_KINDS; k++)
                failed += size_print(&h[k][s][t], tests[t].demanded || k == ANY_CONTINUOUS);
            printf("\n");
        }
    printf("\n");
    return failed;
}
