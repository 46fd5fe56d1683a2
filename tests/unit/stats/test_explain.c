/* tests/unit/stats/test_explain.c    What changed in a column, in words: against sums over the values themselves. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/explain.h"
#include "driftd/summary.h"

enum { N = 20000, EDGES = 101 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct sample {
    double v[N], mean, sd, median;
};

static double normal(struct drift_rng *r)
{
    return sqrt(-2 * log(1 - drift_rng_uniform(r))) * cos(2 * M_PI * drift_rng_uniform(r));
}

static void draw(struct sample *s, struct drift_rng *r, double mean, double sd)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++)
        sum += s->v[i] = mean + sd * normal(r);
    s->mean = sum / N;
    for (int i = 0; i < N; i++)
        squares += (s->v[i] - s->mean) * (s->v[i] - s->mean);
    s->sd = sqrt(squares / N);
    qsort(s->v, N, sizeof *s->v, ascending);
    s->median = s->v[N / 2];
}

static struct drift_layout *percentiles(const struct sample *s)
{
    double edges[EDGES];
    struct drift_layout *l = drift_layout_new();
    edges[0] = nextafter(s->v[0], -INFINITY);
    for (int i = 1; i < EDGES; i++)
        edges[i] = s->v[i * N / 100 - 1];
    ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "x", edges, EDGES, true, NULL, 0), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    return l;
}

static void count(const struct drift_layout *l, const struct sample *s, uint64_t *counters)
{
    memset(counters, 0, l->n_counts * sizeof *counters);
    for (int i = 0; i < N; i++)
        counters[DRIFT_N_SPECIAL + drift_column_cell(&l->columns[0], s->v[i])]++;
}

START_TEST(shift_spread_median)
{
    static const struct {
        double mean, sd;
    } of[] = {{0, 1}, {.1, 1}, {-.4, 1}, {1, 1}, {0, 1.3}, {.2, .5}};
    static struct sample before, after;
    struct drift_rng r = drift_rng_new(drift_test_seed() + 31);
    uint64_t p[DRIFT_N_SPECIAL + EDGES + 1], q[DRIFT_N_SPECIAL + EDGES + 1];
    draw(&before, &r, 50, 4);
    struct drift_layout *l = percentiles(&before);
    count(l, &before, p);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct drift_shift d;
        draw(&after, &r, 50 + 4 * of[i].mean, 4 * of[i].sd);
        count(l, &after, q);
        drift_shift_of(&l->columns[0], p, q, &d);
        ck_assert(d.has_shift && d.has_median);
        double shift = (after.mean - before.mean) / before.sd;
        ck_assert_msg(fabs(d.shift_sd - shift) < .05, "shift %g, from the values %g", d.shift_sd, shift);
        ck_assert_msg(fabs(log(d.spread / (after.sd / before.sd))) < .12, "spread %g, %g", d.spread,
                      after.sd / before.sd);
        ck_assert_msg(fabs(d.median_after - after.median) < .1, "median %g, %g", d.median_after, after.median);
        ck_assert(fabs(shift) < .05 || drift_shift_direction(&d) == (shift > 0 ? 1 : -1));
        double above = 0;
        for (int k = 0; k < N; k++)
            above += after.v[k] > before.v[N - 1];
        ck_assert_double_eq(d.above_after, above / N);
    }
    drift_layout_free(l);
}
END_TEST

static void words(const struct drift_column *c, const uint64_t *p, const uint64_t *q, const char *want)
{
    struct drift_shift d;
    char text[DRIFT_SHIFT_TEXT];
    drift_shift_of(c, p, q, &d);
    size_t n = drift_shift_text(c, &d, text, sizeof text);
    ck_assert_uint_eq(n, strlen(text));
    ck_assert_str_eq(text, want);
    for (size_t cap = 0; cap < 60; cap++) { /* never beyond the buffer, always ended */
        char small[64];
        memset(small, 'x', sizeof small);
        drift_shift_text(c, &d, small, cap);
        ck_assert(cap == 0 || memchr(small, 0, cap));
        ck_assert_int_eq(small[cap], 'x');
    }
}

START_TEST(sentences)
{
    const char *names[] = {"DE", "FR", "evil\nname"};
    struct drift_layout *l = drift_layout_new();
    drift_layout_add_numeric(l, DRIFT_FEATURE, "x", (double[]){0, 10, 20, 30}, 4, true, NULL, 0);
    drift_layout_add_categorical(l, DRIFT_FEATURE, "country", names, 3, NULL, 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    const struct drift_column *x = &l->columns[0], *c = &l->columns[1];
    /* null missing nonfinite wrong | below, 3 cells, above */
    words(x, (uint64_t[]){0, 0, 0, 0, 0, 100, 100, 100, 0}, (uint64_t[]){0, 0, 0, 0, 0, 100, 100, 100, 0},
          "no change to speak of");
    words(x, (uint64_t[]){0, 0, 0, 0, 0, 100, 100, 100, 0}, (uint64_t[]){0, 0, 0, 0, 0, 0, 100, 164, 36},
          "12 % of values above the baseline's maximum (before: 0 %); moved up by at least 0.84 sd (median 15 to "
          "23.05); spreads 0.65 times as far");
    words(x, (uint64_t[]){1, 0, 0, 0, 0, 100, 100, 99, 0}, (uint64_t[]){150, 0, 0, 0, 0, 50, 50, 50, 0},
          "null in 50 % of events (baseline 0.33 %)");
    words(x, (uint64_t[]){0, 0, 0, 0, 0, 100, 100, 100, 0}, (uint64_t[]){0, 300, 0, 0, 0, 0, 0, 0, 0},
          "missing in all events");
    words(x, (uint64_t[]){0, 0, 0, 0, 0, 100, 100, 100, 0}, (uint64_t[]){0, 0, 0, 0, 0, 0, 0, 0, 0},
          "no values in the window");
    words(c, (uint64_t[]){0, 0, 0, 0, 900, 70, 30, 0, 0}, (uint64_t[]){0, 0, 0, 0, 700, 70, 190, 0, 40},
          "share of `DE` fell from 90 % to 70 %; 4 % of values that the baseline does not know");
    words(c, (uint64_t[]){0, 0, 0, 0, 900, 70, 30, 0, 0}, (uint64_t[]){0, 0, 0, 0, 900, 0, 100, 0, 0},
          "share of `evil?name` rose from 3 % to 10 %");
    drift_layout_free(l);
}
END_TEST

static void lines(const char *text, int most_columns, int *ret_n)
{
    *ret_n = 0;
    for (int columns = 0; *text; text++) {
        columns += ((unsigned char)*text & 0xC0) != 0x80;
        if (*text != '\n')
            continue;
        ck_assert_int_le(columns - 1, most_columns);
        columns = 0;
        ++*ret_n;
    }
}

START_TEST(histograms)
{
    static char name[40][300];
    const char *names[40];
    uint64_t p[DRIFT_N_SPECIAL + 200] = {0}, q[DRIFT_N_SPECIAL + 200] = {0};
    double edges[100];
    char text[DRIFT_HISTOGRAM_TEXT];
    int n;
    struct drift_layout *l = drift_layout_new();
    for (int i = 0; i < 40; i++) {
        memset(name[i], 'a' + i % 26, 250);
        name[i][i < 20 ? 3 : 250] = (char)('A' + i % 26);
        names[i] = name[i];
    }
    for (int i = 0; i < 100; i++)
        edges[i] = i * 1e300;
    drift_layout_add_numeric(l, DRIFT_FEATURE, "x", edges, 100, true, NULL, 0);
    drift_layout_add_categorical(l, DRIFT_FEATURE, "c", names, 40, NULL, 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    for (int k = 0; k < 2; k++) {
        const struct drift_column *c = &l->columns[k];
        ck_assert_uint_eq(drift_histogram_text(c, p, q, true, text, sizeof text), 0);
        for (uint32_t i = 0; i < c->n_cells; i++) {
            p[DRIFT_N_SPECIAL + i] = 1 + i;
            q[DRIFT_N_SPECIAL + i] = UINT32_MAX;
        }
        for (int utf8 = 0; utf8 < 2; utf8++) {
            size_t len = drift_histogram_text(c, p, q, utf8, text, sizeof text);
            ck_assert_uint_eq(len, strlen(text));
            lines(text, 76, &n);
            ck_assert_int_ge(n, 11);
            ck_assert_int_le(n, 14);
        }
        memset(p, 0, sizeof p);
        memset(q, 0, sizeof q);
    }
    drift_layout_free(l);
}
END_TEST

START_TEST(a_histogram_says_this)
{
    struct drift_layout *l = drift_layout_new();
    char text[DRIFT_HISTOGRAM_TEXT];
    drift_layout_add_numeric(l, DRIFT_FEATURE, "x", (double[]){0, 10, 20}, 3, true, NULL, 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    drift_histogram_text(&l->columns[0], (uint64_t[]){0, 0, 0, 0, 0, 60, 40, 0}, (uint64_t[]){0, 0, 0, 0, 0, 20, 5, 75},
                         false, text, sizeof text);
    ck_assert_str_eq(text, "                        base                      now \n"
                           "<= 0                    0.0%                     0.0% \n"
                           "<= 10                    60% ##############       20% #####\n"
                           "<= 20                    40% ##########          5.0% #\n"
                           "> 20                    0.0%                      75% ##################\n");
    drift_layout_free(l);
}
END_TEST

START_TEST(names_obey_nobody)
{
    /* escape, C1 as UTF-8 (CSI), C1 as a byte's neighbour that is no control, the quote itself, an end that is cut off
     */
    const char *names[] = {"\x1b[2J",
                           "a\xc2\x9b"
                           "b",
                           "\xc2\xa0", "`x`", "z\xc2"};
    const char *want[] = {"`?[2J`", "`a?b`", "`\xc2\xa0`", "`'x'`", "`z\xc2`"};
    struct drift_layout *l = drift_layout_new();
    char text[DRIFT_HISTOGRAM_TEXT];
    drift_layout_add_categorical(l, DRIFT_FEATURE, "c", names, 5, NULL, 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
    uint64_t p[DRIFT_N_SPECIAL + 7] = {0}, q[DRIFT_N_SPECIAL + 7] = {0};
    for (int i = 0; i < 5; i++)
        p[DRIFT_N_SPECIAL + i] = q[DRIFT_N_SPECIAL + i] = 10;
    ck_assert_uint_gt(drift_histogram_text(&l->columns[0], p, q, true, text, sizeof text), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_msg(strstr(text, want[i]) != NULL, "%s is not in:\n%s", want[i], text);
    ck_assert(!strchr(text, 0x1b));
    ck_assert(!strstr(text, "\xc2\x9b"));
    drift_layout_free(l);
}
END_TEST

/* The widest range that there is: differences of edges are beyond a double, and nothing may be NaN or infinite. */
START_TEST(the_widest_range)
{
    const double edges[3][3] = {{-1.7e308, 0, 1.7e308}, {-5e-324, 0, 5e-324}, {-1.7e308, -1.7e308 * .9, 1.7e308}};
    const uint64_t p[] = {0, 0, 0, 0, 0, 50, 50, 0};
    const uint64_t some[][8] = {{0, 0, 0, 0, 0, 0, 100, 0},
                                {0, 0, 0, 0, 30, 0, 0, 70},
                                {0, 0, 0, 0, 0, 100, 0, 0},
                                {0, 0, 0, 0, 0, 0, 0, 1},
                                {0, 0, 0, 0, 1, 0, 0, 0}};
    for (int k = 0; k < 3; k++) {
        struct drift_layout *l = drift_layout_new();
        drift_layout_add_numeric(l, DRIFT_FEATURE, "x", edges[k], 3, true, NULL, 0);
        ck_assert_int_eq(drift_layout_seal(l), 0);
        for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
            struct drift_shift d;
            char text[DRIFT_SHIFT_TEXT];
            drift_shift_of(&l->columns[0], p, some[i], &d);
            ck_assert(d.has_median);
            ck_assert(isfinite(d.median_before) && isfinite(d.median_after));
            ck_assert(isfinite(d.shift_sd) && isfinite(d.spread));
            ck_assert(d.median_after >= edges[k][0] && d.median_after <= edges[k][2]);
            drift_shift_text(&l->columns[0], &d, text, sizeof text);
            ck_assert_msg(!strstr(text, "nan") && !strstr(text, "inf"), "%s", text);
        }
        drift_layout_free(l);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("explain");
    drift_test_add(s, "shift, spread, median", shift_spread_median, 30);
    drift_test_add(s, "sentences", sentences, 10);
    drift_test_add(s, "histograms", histograms, 10);
    drift_test_add(s, "a histogram", a_histogram_says_this, 10);
    drift_test_add(s, "names obey nobody", names_obey_nobody, 10);
    drift_test_add(s, "the widest range", the_widest_range, 10);
    return drift_test_run(s);
}
