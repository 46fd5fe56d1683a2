/* tests/calibrate/intervals.c    Intervals, bounds and tolerances against the truth; a table of calibrate.c. */
#include <stdio.h>

#include "calibrate.h"
#include "driftd/psi.h"
#include "driftd/rate.h"

enum { BINS = 10, ZIPF_MAX = 100000 };

static uint64_t binomial(struct drift_rng *r, uint64_t n, double rate)
{
    uint64_t k = 0;
    for (uint64_t i = 0; i < n; i++)
        k += drift_rng_uniform(r) < rate;
    return k;
}

static int line(const char *what, double n, double trials, double missed, double nominal, double most)
{
    double share = missed / trials;
    bool bad = share > most + 3 * sqrt(most / trials);
    printf("| %s | %.0f | %.4f | %.4g | %s |\n", what, n, share, nominal, bad ? "**too often**" : "ok");
    return bad;
}

/* ---- rates ---- */

static int wilson(int trials)
{
    static const double rates[] = {.01, .05, .5};
    static const uint64_t sizes[] = {100, 1000, 10000};
    int failed = 0;
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            struct drift_rng r = drift_rng_new(40000 + 10 * k + s);
            int missed = 0, runs = (int)fmax(fmin(trials, 4e7 / (double)sizes[s]), 200);
            char what[64];
            for (int i = 0; i < runs; i++) {
                double low, high;
                if (drift_rate_wilson(binomial(&r, sizes[s], rates[k]), sizes[s], &low, &high))
                    abort();
                missed += rates[k] < low || rates[k] > high;
            }
            snprintf(what, sizeof what, "Wilson interval misses a rate of %g", rates[k]);
            failed += line(what, (double)sizes[s], runs, missed, .05, .085); /* 1 event of 100: coverage is lumpy */
        }
    return failed;
}

/* Share of the law that m values have not shown, against its bound. */
static int unseen(int trials, double exponent, const char *law)
{
    static double below[ZIPF_MAX], mass[ZIPF_MAX];
    static uint32_t seen[ZIPF_MAX];
    int failed = 0;
    double sum = 0;
    for (int i = 0; i < ZIPF_MAX; i++)
        sum += mass[i] = pow(i + 1.0, -exponent);
    for (int i = 0; i < ZIPF_MAX; i++) {
        mass[i] /= sum;
        below[i] = mass[i] + (i ? below[i - 1] : 0);
    }
    for (int m = 1000; m <= 10000; m *= 10) {
        struct drift_rng r = drift_rng_new(41000 + (uint64_t)m + (uint64_t)(exponent * 10));
        int missed = 0, runs = trials / (m / 1000);
        char what[80];
        for (int t = 0; t < runs; t++) {
            uint64_t once = 0, twice = 0;
            double truth = 0;
            memset(seen, 0, sizeof seen);
            for (int i = 0; i < m; i++) {
                double u = drift_rng_uniform(&r);
                int low = 0, high = ZIPF_MAX - 1;
                while (low < high) {
                    int mid = (low + high) / 2;
                    *(below[mid] < u ? &low : &high) = below[mid] < u ? mid + 1 : mid;
                }
                seen[low]++;
            }
            for (int i = 0; i < ZIPF_MAX; i++) {
                once += seen[i] == 1;
                twice += seen[i] == 2;
                truth += seen[i] ? 0 : mass[i];
            }
            missed += truth > drift_rate_unseen_bound(once, twice, (uint64_t)m);
        }
        snprintf(what, sizeof what, "bound of unseen categories is exceeded, %s", law);
        failed += line(what, m, runs, missed, .05, .065);
    }
    return failed;
}

/* ---- PSI ---- */

/* Shares of the deciles of N(0, 1) after a shift. */
static double shifted(double mu, double q[BINS])
{
    double below = 0, psi = 0;
    for (int b = 0; b < BINS; b++) {
        double upto = b < BINS - 1 ? traffic_phi(traffic_quantile((b + 1.0) / BINS) - mu) : 1;
        q[b] = upto - below;
        psi += (q[b] - 1.0 / BINS) * log(q[b] * BINS);
        below = upto;
    }
    return psi;
}

static void draw(struct drift_rng *r, const double q[BINS], uint64_t n, uint64_t c[BINS])
{
    memset(c, 0, BINS * sizeof *c);
    for (uint64_t i = 0; i < n; i++) {
        double u = drift_rng_uniform(r);
        int b = 0;
        while (b < BINS - 1 && u >= q[b])
            u -= q[b++];
        c[b]++;
    }
}

static int tolerance(int trials)
{
    static const double deltas[] = {.01, .04, .1};
    static const uint64_t sizes[] = {200, 1000, 10000};
    const uint64_t m = 1000000; /* exactly in proportion: the baseline's own error is delta_eff's matter */
    uint64_t base[BINS], cur[BINS];
    int failed = 0;
    for (int b = 0; b < BINS; b++)
        base[b] = m / BINS;
    for (size_t k = 0; k < sizeof deltas / sizeof *deltas; k++) {
        double low = 0, high = 2, q[BINS];
        for (int i = 0; i < 60; i++) {
            double mid = (low + high) / 2;
            *(shifted(mid, q) < deltas[k] ? &low : &high) = mid;
        }
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            struct drift_rng r = drift_rng_new(42000 + 10 * k + s);
            int at_05 = 0, at_001 = 0, missed = 0, asked = 0,
                runs = (int)fmax(fmin(trials, 1e8 / (double)sizes[s]), 200);
            char what[96];
            for (int i = 0; i < runs; i++) {
                double psi, from, to;
                size_t bins;
                draw(&r, q, sizes[s], cur);
                if (drift_psi(base, cur, BINS, DRIFT_PSI_ADD_HALF, &psi, &bins))
                    abort();
                double p = drift_psi_p_tolerance(psi, bins, (double)m, (double)sizes[s], deltas[k]);
                at_05 += p <= .05;
                at_001 += p <= .001;
                if (i % 20) /* some 100 us each */
                    continue;
                if (drift_psi_interval(psi, bins, (double)m, (double)sizes[s], .95, &from, &to))
                    abort();
                asked++;
                missed += deltas[k] < from || deltas[k] > to;
            }
            snprintf(what, sizeof what, "PSI against a tolerance of %g, which it has, p <= .05", deltas[k]);
            failed += line(what, (double)sizes[s], runs, at_05, .05, .065);
            snprintf(what, sizeof what, "... p <= .001");
            failed += line(what, (double)sizes[s], runs, at_001, .001, .002);
            snprintf(what, sizeof what, "... its interval misses it");
            failed += line(what, (double)sizes[s], asked, missed, .05, .075);
        }
    }
    return failed;
}

int table_intervals(bool quick)
{
    int failed = 0, trials = quick ? 1000 : 10000;
    printf(
        "### Intervals, bounds, tolerances\n\n"
        "How often they are wrong about a truth that is known: rates, the share of categories that a sample has not\n"
        "shown, and a PSI that lies at the tolerance. Up to %d samples each; \"events\" are those of a sample.\n\n"
        "| | events | share | nominal | |\n|---|---|---|---|---|\n",
        trials);
    failed += wilson(trials);
    failed += unseen(trials / 5, 1.1, "Zipf 1.1");
    failed += unseen(trials / 5, 2, "Zipf 2");
    failed += tolerance(trials);
    printf("\n");
    return failed;
}
