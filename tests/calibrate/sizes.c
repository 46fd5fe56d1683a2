/* tests/calibrate/sizes.c    How often tests reject when nothing has changed; a table of calibrate.c. */
#include <stdio.h>

#include "calibrate.h"
#include "driftd/ks.h"
#include "driftd/ks_null.h"
#include "driftd/legendre.h"
#include "driftd/measure.h"
#include "driftd/psi.h"
#include "driftd/tail.h"
#include "zipf.h"

enum { BASELINE_EVENTS = 20000 };

/* What the events are like, as masses of cells. */
enum { CONTINUOUS, SKEWED, TIED, CATEGORIES, DECISIONS, OPEN, OPEN_FEW, STEEP, EVEN, KINDS };
static const char *const kind_name[KINDS] = {"continuous",    "skewed, 60 % zeros", "Poisson(2)",
                                             "30 categories", "two, 1 %",           "50,000 names",
                                             "few of them",   "steep names",        "1,000 even names"};
static const uint64_t sizes[] = {100, 1000, 10000};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Beside the measures of drift_measure_column. */
enum { V1 = DRIFT_N_MEASURE, V2, PSI_TOLERANCE, KS_NULL, TESTS };
static const char *test_name(int t)
{
    return t == V1              ? "V1, two-sided"
           : t == V2            ? "V2, two-sided"
           : t == KS_NULL       ? "ks, by the null law of its cells"
           : t == PSI_TOLERANCE ? "psi against a tolerance of 0"
                                : drift_measure_name((enum drift_measure_id)t);
}

static struct drift_layout *layout_make(int kind, double mass[TRAFFIC_CELLS], uint32_t *ret_cells)
{
    static char names[32][8];
    const char *list[32];
    double edges[TRAFFIC_CELLS], sum = 0;
    uint32_t bins[10], n = kind == TIED         ? 10
                           : kind == CATEGORIES ? 30
                           : kind == DECISIONS  ? 2
                           : kind == SKEWED     ? 100
                                                : TRAFFIC_CELLS;
    bool categorical = kind == CATEGORIES || kind == DECISIONS;
    struct drift_layout *l = drift_layout_new();
    memset(mass, 0, TRAFFIC_CELLS * sizeof *mass);
    for (uint32_t i = 0; i < n; i++) {
        mass[i] = kind == CONTINUOUS  ? i && i < n - 1 ? 0.01 : 0
                  : kind == SKEWED    ? (i ? 0.4 / 99 : 0.6)
                  : kind == DECISIONS ? (i ? .01 : .99)
                  : kind == TIED      ? exp(i * log(2) - 2 - lgamma(i + 1.0))
                                      : 1 / (i + 1.0);
        sum += mass[i];
        edges[i] = i;
    }
    for (uint32_t i = 0; i < n; i++)
        mass[i] /= sum;
    for (uint32_t b = 0; b < 10; b++)
        bins[b] = b < 9 ? n / 10 * (b + 1) + (kind == CONTINUOUS) : n;
    for (uint32_t i = 0; i < n && categorical; i++) {
        snprintf(names[i], sizeof names[i], "c%u", i);
        list[i] = names[i];
    }
    int rc = categorical ? drift_layout_add_categorical(l, DRIFT_FEATURE, "x", list, n, NULL, 0)
                         : drift_layout_add_numeric(l, DRIFT_FEATURE, "x", edges, n - 1, kind == CONTINUOUS,
                                                    kind == SKEWED ? NULL : bins, kind == SKEWED ? 0 : 10);
    if (rc || drift_layout_seal(l))
        abort();
    *ret_cells = n;
    return l;
}

/* n events; one in fifty is null, likewise missing, one in two hundred of the wrong type. */
static void draw(const struct traffic_alias *a, struct drift_rng *r, uint64_t n, uint64_t *counters)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t u = drift_rng_u64(r);
        uint32_t cell = (uint32_t)(((u >> 32) * TRAFFIC_CELLS) >> 32);
        counters[DRIFT_N_SPECIAL + ((uint32_t)u <= a->threshold[cell] ? cell : a->other[cell])]++;
    }
    for (uint64_t i = 0; i < n / 10; i++)
        counters[DRIFT_NULL] += drift_rng_below(r, 5) == 0;
    for (uint64_t i = 0; i < n / 10; i++) {
        counters[DRIFT_MISSING] += drift_rng_below(r, 5) == 0;
        counters[DRIFT_WRONG_TYPE] += drift_rng_below(r, 20) == 0;
    }
}

/* Makes the baseline's extremes the range. */
static void range_own(const struct drift_column *c, struct drift_rng *r, const uint64_t *base, uint64_t *cur)
{
    const uint32_t first = DRIFT_N_SPECIAL, last = DRIFT_N_SPECIAL + c->n_cells - 1;
    traffic_outside(r, traffic_beyond(r, base[first + 1]), &cur[first + 1], &cur[first]);
    traffic_outside(r, traffic_beyond(r, base[last - 1]), &cur[last - 1], &cur[last]);
}

static double count(const struct drift_column *c, const uint64_t *counters)
{
    double n = 0;
    for (uint32_t i = 0; i < c->n_cells; i++)
        n += (double)counters[DRIFT_N_SPECIAL + i];
    return n;
}

struct hits {
    struct size_hits test[TESTS];
};

static void hit(struct hits *h, int test, double p)
{
    size_hit(&h->test[test], p);
}

/* null: of the feature's shares, NULL where it has too many cells. */
static void window_test(const struct drift_column *c, const struct drift_ks_null *null, const uint64_t *base,
                        const uint64_t *cur, struct hits *h)
{
    struct drift_measure m[DRIFT_N_MEASURE];
    double mass[TRAFFIC_CELLS], phi[2 * TRAFFIC_CELLS], v;
    unsigned rank = 0;
    drift_measure_column(c, base, cur, m);
    for (int i = 0; i < DRIFT_N_MEASURE; i++)
        if (m[i].why == DRIFT_WHY_NONE && m[i].has_p)
            hit(h, i, m[i].p_value);
    if (m[DRIFT_MEASURE_PSI].why == DRIFT_WHY_NONE) {
        double b = count(c, base), n = count(c, cur);
        size_t bins = (size_t)m[DRIFT_MEASURE_PSI].dof + 1;
        hit(h, PSI_TOLERANCE,
            drift_psi_p_tolerance(m[DRIFT_MEASURE_PSI].value, bins, b, n, drift_psi_tolerance(0, bins, b)));
    }
    struct drift_ks_bracket d;
    if (null && !drift_ks_cells(base + DRIFT_N_SPECIAL, cur + DRIFT_N_SPECIAL, c->n_cells, &d))
        hit(h, KS_NULL, drift_ks_null_p(null, d.low, count(c, base), count(c, cur)));
    if (c->kind != DRIFT_NUMERIC || drift_legendre_basis(base + DRIFT_N_SPECIAL, c->n_cells, 2, mass, phi, &rank))
        return;
    for (unsigned r = 0; r < rank; r++) {
        double b = count(c, base), n = count(c, cur);
        if (drift_legendre_score(phi + r * c->n_cells, cur + DRIFT_N_SPECIAL, c->n_cells, &v))
            continue;
        hit(h, V1 + (int)r, drift_tail_normal_two_sided(v / sqrt(1 + n / b))); /* both are samples */
    }
}

static void simulate(int kind, uint64_t n, int trials, struct hits *h)
{
    double mass[TRAFFIC_CELLS];
    uint32_t cells;
    struct traffic_alias a;
    struct drift_ks_null null = {0};
    struct drift_layout *l = layout_make(kind, mass, &cells);
    struct drift_rng r = drift_rng_new(7000 + (uint64_t)kind * 10 + n);
    uint64_t base[DRIFT_N_SPECIAL + TRAFFIC_CELLS], cur[DRIFT_N_SPECIAL + TRAFFIC_CELLS];
    traffic_alias_make(&a, mass);
    for (uint32_t i = 0; i < cells; i++)
        base[i] = (uint64_t)(mass[i] * 1e9);
    if (kind == TIED && drift_ks_null_build(base, cells, 1, &null))
        abort();
    for (int i = 0; i < trials; i++) {
        memset(base, 0, sizeof base);
        memset(cur, 0, sizeof cur);
        draw(&a, &r, BASELINE_EVENTS, base);
        draw(&a, &r, n, cur);
        if (kind == CONTINUOUS)
            range_own(&l->columns[0], &r, base, cur);
        window_test(&l->columns[0], kind == TIED ? &null : NULL, base, cur, h);
    }
    drift_layout_free(l);
}

/* ---- more names than a baseline sees ---- */

enum { NAMES = 50000, OPEN_PART = 10, FEW_EVENTS = 2000 };

static void names_draw(const double *law, uint32_t n_names, struct drift_rng *r, uint64_t n, uint32_t *count)
{
    memset(count, 0, NAMES * sizeof *count);
    for (uint64_t e = 0; e < n; e++)
        count[zipf_draw(law, n_names, r)]++;
}

/* As a baseline is built: the names that it has most often get cells, the others are rare. */
static void names_cells(const uint32_t *base, const uint32_t *cur, struct drift_column *c, uint64_t *p, uint64_t *q)
{
    uint32_t many[BASELINE_EVENTS + 1] = {0}, least = BASELINE_EVENTS, above = 0, at = 0;
    uint32_t rare = drift_column_rare(c), unseen = drift_column_unseen(c);
    for (int i = 0; i < NAMES; i++)
        many[base[i]]++;
    while (least > 1 && above + many[least] <= c->n_categories)
        above += many[least--];
    uint32_t ties = c->n_categories - above; /* of those with `least`, the first ones */
    c->n_rare = 0;
    for (int i = 0; i < NAMES; i++) {
        bool own = base[i] > least || (base[i] == least && ties && ties--);
        uint32_t cell = DRIFT_N_SPECIAL + (own ? at++ : base[i] ? rare : unseen);
        c->n_rare += base[i] && !own;
        p[cell] += base[i];
        q[cell] += cur[i];
    }
}

static struct drift_layout *names_layout(void)
{
    static char names[DRIFT_CATEGORIES_MAX][8];
    const char *list[DRIFT_CATEGORIES_MAX];
    struct drift_layout *l = drift_layout_new();
    for (uint32_t i = 0; i < DRIFT_CATEGORIES_MAX; i++) {
        snprintf(names[i], sizeof names[i], "c%u", i);
        list[i] = names[i];
    }
    if (drift_layout_add_categorical(l, DRIFT_FEATURE, "x", list, DRIFT_CATEGORIES_MAX, NULL, 0) ||
        drift_layout_seal(l))
        abort();
    return l;
}

static void simulate_names(int kind, uint64_t n, int trials, struct hits *h)
{
    static double law[NAMES];
    static uint32_t base[NAMES], cur[NAMES];
    uint64_t p[DRIFT_N_SPECIAL + DRIFT_CATEGORIES_MAX + 2], q[DRIFT_N_SPECIAL + DRIFT_CATEGORIES_MAX + 2];
    uint32_t n_names = kind == EVEN ? 1000 : kind == STEEP ? 10000 : NAMES;
    uint64_t m = kind == OPEN || kind == STEEP ? BASELINE_EVENTS : FEW_EVENTS;
    struct drift_layout *l = names_layout();
    struct drift_rng r = drift_rng_new(7900 + n + 100000 * (uint64_t)(kind - OPEN));
    zipf_law(law, n_names, kind == EVEN ? 0 : kind == STEEP ? 2 : 1.1);
    for (int i = 0; i < trials; i++) {
        memset(p, 0, sizeof p);
        memset(q, 0, sizeof q);
        names_draw(law, n_names, &r, m, base);
        names_draw(law, n_names, &r, n, cur);
        names_cells(base, cur, &l->columns[0], p, q);
        window_test(&l->columns[0], NULL, p, q, h);
    }
    l->columns[0].n_rare = 0; /* it has no names of them to free */
    drift_layout_free(l);
}

void size_hit(struct size_hits *h, double p)
{
    h->n++;
    h->at_05 += p <= .05;
    h->at_001 += p <= .001;
}

/* Three tenths above .05, one and a half times above .001, and three standard errors: what a rule's gate can bear. */
static bool too_often(double n, double hits, double level)
{
    double limit = level < .01 ? 2.5 * level : 1.3 * level;
    return hits / n > limit + 3 * sqrt(limit / n);
}

int size_print(const struct size_hits *h, bool demanded)
{
    if (!(h->n > 0))
        return printf(" - |"), 0;
    bool bad = demanded && (too_often(h->n, h->at_05, .05) || too_often(h->n, h->at_001, .001));
    printf(" %.3f / %.4f%s |", h->at_05 / h->n, h->at_001 / h->n, bad ? " **high**" : "");
    return bad;
}

int table_sizes(bool quick)
{
    static struct hits h[KINDS][SIZES];
    int trials = quick ? 1500 : 20000, failed = 0;
    for (int s = 0; s < SIZES; s++) {
        for (int k = 0; k < OPEN; k++)
            simulate(k, sizes[s], trials, &h[k][s]);
        for (int k = OPEN; k < KINDS; k++)
            simulate_names(k, sizes[s], trials / OPEN_PART, &h[k][s]);
    }
    printf(
        "### How often tests reject without drift\n\n"
        "Share of %d windows with p <= .05 / p <= .001; baseline of %d events, a new one for each window. A share "
        "well\n"
        "below its level is cautious (ties, few events), one above it cries wolf. By chance alone shares lie within\n"
        "%.4f / %.4f of their levels. Names: %d windows; shares as 1 / rank^1.1, a tenth of a window is new to its "
        "baseline;\n"
        "few of them: a baseline of %d; steep: 1 / rank^2 of 10,000; even: 1,000 alike, a baseline of %d.\n\n"
        "| test | events |",
        trials, BASELINE_EVENTS, 1.96 * sqrt(.05 * .95 / trials), 1.96 * sqrt(.001 / trials), trials / OPEN_PART,
        FEW_EVENTS, FEW_EVENTS);
    for (int k = 0; k < KINDS; k++)
        printf(" %s |", kind_name[k]);
    printf("\n|---|---|");
    for (int k = 0; k < KINDS; k++)
        printf("---|");
    printf("\n");
    for (int t = 0; t < TESTS; t++)
        for (int s = 0; s < SIZES; s++) {
            double any = 0;
            for (int k = 0; k < KINDS; k++)
                any += h[k][s].test[t].n;
            if (any == 0)
                continue;
            printf("| %s | %lu |", test_name(t), (unsigned long)sizes[s]);
            for (int k = 0; k < KINDS; k++)
                failed += size_print(&h[k][s].test[t], true);
            printf("\n");
        }
    printf("\n");
    return failed;
}
