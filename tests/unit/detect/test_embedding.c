/* tests/unit/detect/test_embedding.c    The embedding against numpy, its sums in any order, its sizes, what it finds.
 */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/concordance.h"
#include "driftd/embedding.h"
#include "driftd/tail.h"

enum { ROWS_MAX = 1000, FEATURES_MAX = 16 };

/* As ck_assert, but silent when it holds: an assertion that passes costs a write to Check's pipe. */
#define demand(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg("%s", #condition);                                                                            \
    } while (0)

/* ---- against tests/data/detect/embedding.json ---- */

static double number(const json_t *o, const char *key)
{
    ck_assert_msg(json_is_number(json_object_get(o, key)), "no %s", key);
    return json_number_value(json_object_get(o, key));
}

static size_t rows_read(const json_t *list, double *ret)
{
    size_t r, i, n = 0;
    json_t *row, *v;
    json_array_foreach(list, r, row)
    {
        json_array_foreach(row, i, v)
        {
            ret[n++] = json_is_null(v) ? (double)NAN : json_number_value(v);
        }
    }
    return json_array_size(list);
}

static struct drift_embedding *embedding_of(const json_t *c, const double *base, size_t m)
{
    double mean[FEATURES_MAX], scale[FEATURES_MAX];
    struct drift_embedding_spec s = {.n_features = 5,
                                     .n_terms = (uint32_t)number(c, "terms"),
                                     .ridge = number(c, "ridge"),
                                     .mean = mean,
                                     .scale = scale};
    struct drift_embedding *e;
    s.seed = strtoull(json_string_value(json_object_get(c, "seed")), NULL, 16);
    ck_assert_int_eq(drift_embedding_scale(base, m, 5, mean, scale, &s.width), 0);
    ck_near(s.width, number(c, "width"), 1e-12);
    for (size_t i = 0; i < 5; i++) {
        ck_near(mean[i], json_number_value(json_array_get(json_object_get(c, "mean"), i)), 1e-12);
        ck_near(scale[i], json_number_value(json_array_get(json_object_get(c, "scale"), i)), 1e-12);
    }
    if (json_is_null(json_object_get(c, "tune"))) {
        ck_assert_int_eq(drift_embedding_fit(&s, base, m, &e), 0);
        ck_near(drift_embedding_spec(e)->ridge, number(c, "ridge_fit"), 1e-15);
        return e;
    }
    ck_assert_int_eq(drift_embedding_new(&s, &e), 0);
    for (size_t i = 0; i < m; i++)
        demand(drift_embedding_learn(e, base + i * 5) == 0);
    ck_assert_int_eq(drift_embedding_tune(e, base), DRIFT_E_USAGE);
    ck_assert_int_eq(drift_embedding_seal(e), 0);
    for (size_t i = 0; i < (size_t)number(c, "tune"); i++)
        demand(drift_embedding_tune(e, base + i * 5) == 0);
    return e;
}

static void check_case(const json_t *c)
{
    static double base[ROWS_MAX * 5], window[ROWS_MAX * 5];
    size_t m = rows_read(json_object_get(c, "base"), base), n = rows_read(json_object_get(c, "window"), window), k;
    struct drift_embedding *e = embedding_of(c, base, m);
    int64_t sums[1 + DRIFT_EMBEDDING_TERMS_MAX] = {0};
    struct drift_embedding_result t;
    json_t *v;
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(drift_embedding_add(e, sums, window + i * 5), 0);
    json_array_foreach(json_object_get(c, "sums"), k, v) ck_assert_int_eq(sums[k], json_integer_value(v));
    ck_assert_uint_eq(k, drift_embedding_length(drift_embedding_spec(e)->n_terms));
    ck_assert_int_eq(drift_embedding_compare(e, sums, &t), 0);
    ck_assert(t.m == m && t.n == n);
    ck_near(t.t, number(c, "t"), 1e-9);
    ck_near(t.factor, number(c, "factor"), 1e-9);
    ck_near(t.dof, number(c, "dof"), 1e-9);
    ck_near(t.p_value, number(c, "p_value"), 1e-6);
    ck_near(t.log10_p, log10(number(c, "p_value")), 1e-6);
    ck_near(t.p_shared, number(c, "p_shared"), 1e-6);
    ck_near(t.distance, number(c, "distance"), 1e-6);
    drift_embedding_free(e);
}

START_TEST(as_numpy_has_it)
{
    json_t *all = json_load_file(DRIFTD_SOURCE_DIR "/tests/data/detect/embedding.json", 0, NULL), *c;
    size_t i;
    ck_assert_ptr_nonnull(all);
    json_array_foreach(json_object_get(all, "cases"), i, c) check_case(c);
    ck_assert_uint_eq(i, 3);
    json_decref(all);
}
END_TEST

/* ---- sums ---- */

enum { FEATURES = 12, TERMS = 64, LENGTH = 1 + TERMS };

/* Features 2k and 2k+1 are correlated, each is standard normal; flip turns the correlation of 4 and 5 round. */
static void event(struct drift_rng *r, int flip, double *x)
{
    for (int i = 0; i < FEATURES; i += 2) {
        x[i] = drift_rng_gauss(r);
        x[i + 1] = (flip && i == 4 ? -.5 : .5) * x[i] + sqrt(.75) * drift_rng_gauss(r);
    }
}

static struct drift_embedding *embedding_empty(double width)
{
    static const double zero[FEATURES], one[FEATURES] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    struct drift_embedding_spec s = {
        .n_features = FEATURES, .n_terms = TERMS, .seed = 3, .width = width, .ridge = 1e-3, .mean = zero, .scale = one};
    struct drift_embedding *e;
    demand(drift_embedding_new(&s, &e) == 0);
    return e;
}

static struct drift_embedding *embedding_learned(struct drift_rng *r, int m)
{
    struct drift_embedding *e = embedding_empty(4.7);
    double x[FEATURES];
    for (int i = 0; i < m; i++) {
        event(r, 0, x);
        demand(drift_embedding_learn(e, x) == 0);
    }
    demand(drift_embedding_seal(e) == 0);
    for (int i = 0; i < 2000; i++) {
        event(r, 0, x);
        demand(drift_embedding_tune(e, x) == 0);
    }
    return e;
}

static void sums_draw(struct drift_rng *r, const struct drift_embedding *e, int flip, int n, int64_t *sums)
{
    double x[FEATURES];
    memset(sums, 0, LENGTH * sizeof *sums);
    for (int i = 0; i < n; i++) {
        event(r, flip, x);
        demand(drift_embedding_add(e, sums, x) == 0);
    }
}

START_TEST(sums_are_exact_in_any_split_and_order)
{
    enum { N = 300 };
    static double rows[N][FEATURES];
    struct drift_rng r = drift_rng_new(1);
    struct drift_embedding *e = embedding_empty(4.7);
    for (int round = 0; round < 20; round++) {
        int64_t whole[LENGTH] = {0}, part[3][LENGTH] = {{0}};
        uint32_t order[N];
        for (uint32_t i = 0; i < N; i++) {
            event(&r, 0, rows[i]);
            if (i % 7 == 0)
                rows[i][i % FEATURES] = i % 2 ? (double)NAN : 1e308;
            order[i] = i;
            demand(drift_embedding_add(e, whole, rows[i]) == 0);
        }
        for (uint32_t i = N - 1; i; i--) {
            uint32_t j = (uint32_t)drift_rng_below(&r, i + 1), k = order[i];
            order[i] = order[j];
            order[j] = k;
        }
        for (int i = 0; i < N; i++)
            demand(drift_embedding_add(e, part[drift_rng_below(&r, 3)], rows[order[i]]) == 0);
        ck_assert_int_eq(drift_sums_merge(part[2], part[0], LENGTH), 0);
        ck_assert_int_eq(drift_sums_merge(part[1], part[2], LENGTH), 0);
        ck_assert_mem_eq(part[1], whole, sizeof whole);
        ck_assert_int_eq(drift_sums_check(whole, LENGTH, DRIFT_EMBEDDING_UNIT), 0);
    }
    drift_embedding_free(e);
}
END_TEST

/* These bits are for ever: windows of all instances and versions must add. */
START_TEST(sums_of_a_known_event)
{
    struct drift_embedding *e = embedding_empty(4.7);
    int64_t sums[LENGTH] = {0};
    double x[FEATURES];
    uint64_t h = 0xcbf29ce484222325u;
    for (int n = 0; n < 1000; n++) {
        for (int i = 0; i < FEATURES; i++)
            x[i] = (double)((n * 7919 + i * 104729) % 1000) / 100 - 5;
        ck_assert_int_eq(drift_embedding_add(e, sums, x), 0);
    }
    for (int k = 0; k < LENGTH; k++)
        h = (h ^ (uint64_t)sums[k]) * 0x100000001b3u;
    ck_assert_msg(h == 0xdd0beac54e4757a7u, "hash of the sums %016llx", (unsigned long long)h);
    drift_embedding_free(e);
}
END_TEST

START_TEST(terms_are_cosines_and_sines)
{
    struct drift_rng r = drift_rng_new(2);
    struct drift_embedding *e = embedding_empty(.01); /* a phase of hundreds of turns */
    for (int round = 0; round < 200; round++) {
        int64_t sums[LENGTH] = {0};
        double x[FEATURES];
        event(&r, 0, x);
        demand(drift_embedding_add(e, sums, x) == 0);
        for (int k = 0; k < TERMS / 2; k++) {
            double c = (double)sums[1 + k], s = (double)sums[1 + TERMS / 2 + k];
            demand(fabs(hypot(c, s) / DRIFT_EMBEDDING_UNIT - 1) < 1e-6);
        }
    }
    drift_embedding_free(e);
}
END_TEST

START_TEST(one_in_four_is_one_in_four)
{
    struct drift_rng r = drift_rng_new(6);
    int taken = 0;
    for (int i = 0; i < 40000; i++)
        taken += drift_embedding_sampled(drift_rng_u64(&r), 4);
    ck_assert_int_ge(taken, 9600);
    ck_assert_int_le(taken, 10400);
    ck_assert(drift_embedding_sampled(UINT64_MAX, 1) && drift_embedding_sampled(UINT64_MAX, 0));
}
END_TEST

/* ---- the baseline's part ---- */

static uint8_t *saved(const struct drift_embedding *e, size_t *ret_len)
{
    size_t cap = drift_embedding_bytes_max(e);
    uint8_t *p = malloc(cap);
    *ret_len = drift_embedding_save(e, p, cap);
    ck_assert_uint_gt(*ret_len, 0);
    ck_assert_uint_eq(drift_embedding_save(e, p, *ret_len - 1), 0);
    ck_assert_uint_eq(drift_embedding_save(e, p, *ret_len), *ret_len);
    return p;
}

START_TEST(learning_in_parts_gives_the_same_bytes)
{
    struct drift_rng r = drift_rng_new(3);
    struct drift_embedding *whole = embedding_empty(4.7), *left = embedding_empty(4.7), *right = embedding_empty(4.7),
                           *other = embedding_empty(4.8);
    double x[FEATURES];
    for (int i = 0; i < 700; i++) {
        event(&r, 0, x);
        ck_assert_int_eq(drift_embedding_learn(whole, x), 0);
        ck_assert_int_eq(drift_embedding_learn(drift_rng_below(&r, 2) ? left : right, x), 0);
    }
    ck_assert_int_eq(drift_embedding_learn_merge(right, other), DRIFT_E_MISMATCH);
    ck_assert_int_eq(drift_embedding_learn_merge(right, left), 0);
    ck_assert_int_eq(drift_embedding_seal(other), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_embedding_seal(whole), 0);
    ck_assert_int_eq(drift_embedding_seal(whole), DRIFT_E_USAGE);
    ck_assert_int_eq(drift_embedding_learn(whole, x), DRIFT_E_USAGE);
    ck_assert_int_eq(drift_embedding_learn_merge(whole, left), DRIFT_E_USAGE);
    size_t n, k;
    uint8_t *p = saved(whole, &n), *q = saved(right, &k);
    ck_assert_uint_eq(n, k);
    ck_assert_mem_eq(p, q, n);
    free(p), free(q);
    drift_embedding_free(whole), drift_embedding_free(left), drift_embedding_free(right), drift_embedding_free(other);
}
END_TEST

/* In memory of its own, so that a read behind the end is seen. */
static int load(const uint8_t *p, size_t n)
{
    struct drift_embedding *e = NULL;
    uint8_t *copy = malloc(n ? n : 1);
    memcpy(copy, p, n);
    int rc = drift_embedding_load(copy, n, &e);
    ck_assert(!rc == (e != NULL));
    if (e) {
        struct drift_embedding_result t;
        int64_t sums[1 + DRIFT_EMBEDDING_TERMS_MAX] = {5};
        ck_assert_int_eq(drift_embedding_compare(e, sums, &t), 0);
        ck_assert(isfinite(t.t) && t.p_value >= 0 && t.p_value <= 1 && t.p_shared >= 0 && t.p_shared <= 1);
    }
    drift_embedding_free(e);
    free(copy);
    return rc;
}

START_TEST(bytes_and_back)
{
    struct drift_rng r = drift_rng_new(4);
    struct drift_embedding *e = embedding_learned(&r, 600), *f;
    struct drift_embedding_result t, u;
    int64_t sums[LENGTH];
    size_t n, k;
    uint8_t *p = saved(e, &n), *q;
    ck_assert_int_eq(drift_embedding_load(p, n, &f), 0);
    q = saved(f, &k);
    ck_assert_uint_eq(n, k);
    ck_assert_mem_eq(p, q, n);
    sums_draw(&r, f, 1, 200, sums);
    ck_assert_int_eq(drift_embedding_compare(e, sums, &t), 0);
    ck_assert_int_eq(drift_embedding_compare(f, sums, &u), 0);
    ck_assert_mem_eq(&t, &u, sizeof t);
    for (size_t cut = 0; cut < n; cut += 1 + cut / 50)
        ck_assert_int_eq(load(p, cut), DRIFT_E_PARSE);
    for (int round = 0; round < 300; round++) {
        memcpy(q, p, n);
        q[drift_rng_below(&r, round % 2 ? n : 300)] ^= (uint8_t)(1 << drift_rng_below(&r, 8));
        load(q, n);
    }
    memcpy(q, p, n);
    q[5] ^= 1; /* another seed, other frequencies */
    ck_assert_int_eq(load(q, n), DRIFT_E_MISMATCH);
    q[0] = 2;
    ck_assert_int_eq(load(q, n), DRIFT_E_VERSION);
    free(p), free(q);
    drift_embedding_free(e), drift_embedding_free(f);
}
END_TEST

START_TEST(odd_specs_and_rows)
{
    double mean[2] = {0, 0}, scale[2] = {1, 1}, width;
    struct drift_embedding_spec s = {.n_features = 2,
                                     .n_terms = 16,
                                     .width = 1,
                                     .ridge = 1e-3,
                                     .mean = mean,
                                     .scale = scale},
                                bad;
    struct drift_embedding *e;
    struct drift_embedding_result t;
    int64_t sums[17] = {0};
    const double rows[] = {1e308, -1e308, -1e308, 1e308, 5e-324, 0, NAN, INFINITY}, same[] = {3, 4, 3, 4, 3, 4};
    const double wide[] = {1e308, -1e149, -1e308, 1e149, 5e-324, 0, NAN, INFINITY};
    const struct {
        size_t n_terms;
        double width, ridge, scale;
    } wrong[] = {{15, 1, 1e-3, 1},   {0, 1, 1e-3, 1},   {528, 1, 1e-3, 1},       {16, 0, 1e-3, 1},
                 {16, NAN, 1e-3, 1}, {16, 1, 0, 1},     {16, 1, 17, 1},          {16, 1, NAN, 1},
                 {16, 1, 1e-3, 0},   {16, 1, 1e-3, -1}, {16, 1, 1e-3, INFINITY}, {16, 1e-20, 1e-3, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bad = s;
        bad.n_terms = (uint32_t)wrong[i].n_terms, bad.width = wrong[i].width, bad.ridge = wrong[i].ridge,
        scale[1] = wrong[i].scale;
        ck_assert_msg(drift_embedding_new(&bad, &e) == DRIFT_E_RANGE, "spec %zu", i);
    }
    scale[1] = 1;
    ck_assert_int_eq(drift_embedding_new(&s, &e), 0);
    ck_assert_int_eq(drift_embedding_compare(e, sums, &t), DRIFT_E_USAGE);
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(drift_embedding_learn(e, rows + i % 4 * 2), 0);
    ck_assert_int_eq(drift_embedding_seal(e), 0);
    ck_assert_int_eq(drift_embedding_compare(e, sums, &t), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_embedding_add(e, sums, rows), 0);
    ck_assert_int_eq(drift_embedding_compare(e, sums, &t), 0);
    ck_assert(isfinite(t.t) && isfinite(t.distance) && isfinite(t.log10_p));
    sums[0] = DRIFT_SUMS_EVENTS_MAX;
    ck_assert_int_eq(drift_embedding_add(e, sums, rows), DRIFT_E_FULL);
    ck_assert_int_eq(drift_embedding_compare(e, sums, &t), 0);
    ck_assert(t.p_value >= 0 && t.p_value <= 1 && t.p_shared >= 0 && t.p_shared <= 1 && isfinite(t.log10_p));
    drift_embedding_free(e);
    ck_assert_int_eq(drift_embedding_scale(rows, 4, 2, mean, scale, &width), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_embedding_scale(wide, 4, 2, mean, scale, &width), 0);
    ck_assert(isfinite(mean[0]) && scale[0] == 1 && isfinite(scale[1]) && isfinite(width));
    ck_assert_int_eq(drift_embedding_scale(same, 3, 2, mean, scale, &width), DRIFT_E_EMPTY);
    ck_assert_int_eq(drift_embedding_scale(same, 1, 2, mean, scale, &width), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_embedding_new(&s, &e), 0);
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(drift_embedding_learn(e, same), 0);
    ck_assert_int_eq(drift_embedding_seal(e), DRIFT_E_EMPTY);
    drift_embedding_free(e);
}
END_TEST

/* ---- the ridge ---- */

/* Two normal features, and two flags with this share, the second only where the first is. */
static struct drift_embedding *fitted(double share, size_t n, int *ret)
{
    static double rows[4000 * 4];
    double mean[4], scale[4];
    struct drift_embedding_spec s = {
        .n_features = 4, .n_terms = 32, .seed = 3, .ridge = 1e-3, .mean = mean, .scale = scale};
    struct drift_rng r = drift_rng_new(10);
    struct drift_embedding *e = NULL;
    for (size_t i = 0; i < n; i++) {
        double *x = rows + i * 4;
        x[0] = drift_rng_gauss(&r), x[1] = drift_rng_gauss(&r);
        x[2] = share > 0 ? drift_rng_uniform(&r) < share : drift_rng_gauss(&r);
        x[3] = share > 0 ? x[2] * (drift_rng_uniform(&r) < .5) : drift_rng_gauss(&r);
        if (i % 50 == 0)
            x[0] = (double)NAN;
    }
    demand(drift_embedding_scale(rows, n, 4, mean, scale, &s.width) == 0);
    *ret = drift_embedding_fit(&s, rows, n, &e);
    return e;
}

START_TEST(rare_events_ask_for_a_ridge)
{
    int rc;
    double before = 0;
    struct drift_embedding *e = fitted(0, 4000, &rc), *f;
    ck_assert_int_eq(rc, 0);
    ck_assert(drift_embedding_spec(e)->ridge == 1e-3);
    drift_embedding_free(e);
    for (double share = .2; share > .01; share /= 3) {
        e = fitted(share, 4000, &rc);
        ck_assert_int_eq(rc, 0);
        double ridge = drift_embedding_spec(e)->ridge;
        ck_assert_msg(ridge > before, "a share of %g has a ridge of %g, a larger one %g", share, ridge, before);
        before = ridge;
        drift_embedding_free(e);
    }
    e = fitted(.02, 4000, &rc), f = fitted(.02, 4000, &rc);
    size_t n, k;
    uint8_t *p = saved(e, &n), *q = saved(f, &k);
    ck_assert_uint_eq(n, k);
    ck_assert_mem_eq(p, q, n);
    ck_assert_int_eq(load(p, n), 0); /* a ridge above 1 too */
    free(p), free(q);
    drift_embedding_free(e), drift_embedding_free(f);
    ck_assert_ptr_null(fitted(0, 4 * 32 - 1, &rc));
    ck_assert_int_eq(rc, DRIFT_E_EMPTY);
    struct drift_embedding_spec none = {0};
    ck_assert_int_eq(drift_embedding_fit(&none, NULL, 1000001, &e), DRIFT_E_RANGE);
    ck_assert_int_eq(drift_embedding_fit(&none, NULL, 0, &e), DRIFT_E_RANGE);
}
END_TEST

/* ---- what it is for ---- */

START_TEST(finds_what_leaves_every_margin)
{
    struct drift_rng r = drift_rng_new(7);
    struct drift_embedding *e = embedding_learned(&r, 10000);
    struct drift_embedding_result t;
    int64_t sums[LENGTH];
    int found = 0;
    for (int round = 0; round < 20; round++) {
        sums_draw(&r, e, 1, 1000, sums);
        demand(drift_embedding_compare(e, sums, &t) == 0);
        found += t.p_shared < .001 && t.distance > 0;
    }
    printf("correlation of one pair turned round: found in %d of 20\n", found);
    ck_assert_int_ge(found, 18);
    drift_embedding_free(e);
}
END_TEST

/* Baselines of 6400 events = 100 D, ten windows each. */
START_TEST(sizes)
{
    enum { BASELINES = 40, WINDOWS = 20, N = 300 };
    struct drift_rng r = drift_rng_new(8);
    int at_05 = 0, at_001 = 0, shared_05 = 0, all = BASELINES * WINDOWS;
    double distance = 0;
    for (int b = 0; b < BASELINES; b++) {
        struct drift_embedding *e = embedding_learned(&r, 100 * TERMS);
        for (int w = 0; w < WINDOWS; w++) {
            struct drift_embedding_result t;
            int64_t sums[LENGTH];
            sums_draw(&r, e, 0, N, sums);
            demand(drift_embedding_compare(e, sums, &t) == 0);
            at_05 += t.p_value < .05;
            at_001 += t.p_value < .001;
            shared_05 += t.p_shared < .05;
            distance += t.distance / all;
        }
        drift_embedding_free(e);
    }
    printf("size at .05: %.4f (shared baseline %.4f), at .001: %.4f, mean distance %.2g\n", at_05 / (double)all,
           shared_05 / (double)all, at_001 / (double)all, distance);
    ck_assert_int_ge(at_05, 18); /* 40 expected, sd 6.2 and what windows share */
    ck_assert_int_le(at_05, 66);
    ck_assert_int_le(at_001, 5);
    ck_assert_int_le(shared_05, 50);
    ck_assert(fabs(distance) < 2e-4);
}
END_TEST

/* The world of tests/bench/bench_multivariate.c: blocks of five features, correlated .5, and three of its changes. What
 * is found at level .001 in windows of 1000 must not be less than the bench's figures allow for. */
enum { MANY = 20, MANY_TERMS = 128, MANY_PAIRS = MANY * (MANY - 1) / 2 };
enum change { NONE, MEAN_OF_ONE, NEW_PAIR, CLUSTER };

static void block_event(struct drift_rng *r, enum change change, double *x)
{
    for (int i = 0; i < MANY; i += 5) {
        double common = drift_rng_gauss(r);
        for (int k = i; k < i + 5; k++)
            x[k] = sqrt(.5) * common + sqrt(.5) * drift_rng_gauss(r);
    }
    if (change == MEAN_OF_ONE)
        x[0] += .2;
    if (change == NEW_PAIR)
        x[5] = .4 * x[0] + sqrt(1 - .16) * x[5];
    if (change == CLUSTER && drift_rng_below(r, 50) == 0)
        for (int i = 0; i < MANY; i++)
            x[i] = (i % 2 ? 1 : -1) + .3 * drift_rng_gauss(r);
}

static struct drift_embedding *block_embedding(struct drift_rng *r, struct drift_concordance *ret_cuts,
                                               int64_t *ret_ref)
{
    enum { M = 12800, SAMPLE = 400 };
    static double rows[SAMPLE * MANY];
    double mean[MANY], scale[MANY], x[MANY];
    struct drift_embedding_spec s = {
        .n_features = MANY, .n_terms = MANY_TERMS, .seed = 5, .ridge = 1e-3, .mean = mean, .scale = scale};
    struct drift_concordance_batch batch = {0};
    struct drift_embedding *e;
    for (int i = 0; i < SAMPLE; i++)
        block_event(r, NONE, rows + i * MANY);
    demand(drift_embedding_scale(rows, SAMPLE, MANY, mean, scale, &s.width) == 0);
    demand(drift_concordance_fit(rows, SAMPLE, MANY, ret_cuts) == 0);
    demand(drift_embedding_new(&s, &e) == 0);
    for (int i = 0; i < M; i++) {
        block_event(r, NONE, x);
        demand(drift_embedding_learn(e, x) == 0 && drift_concordance_add(ret_cuts, &batch, ret_ref, x) == 0);
    }
    drift_concordance_flush(ret_cuts, &batch, ret_ref);
    demand(drift_embedding_seal(e) == 0);
    return e;
}

START_TEST(power)
{
    enum { ROUNDS = 20, N = 1000 };
    static const struct {
        enum change change;
        const char *name;
        int embedding_min, concordance_min;
    } wanted[] = {
        {MEAN_OF_ONE, "mean of one +.2", 8, 0}, {NEW_PAIR, "pair 0 to .4", 14, 19}, {CLUSTER, "2 % cluster", 5, 0}};
    struct drift_rng r = drift_rng_new(9);
    struct drift_concordance cuts;
    int64_t ref[1 + MANY + MANY_PAIRS] = {0};
    struct drift_embedding *e = block_embedding(&r, &cuts, ref);
    for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++) {
        int by_embedding = 0, by_concordance = 0;
        for (int round = 0; round < ROUNDS; round++) {
            int64_t sums[1 + MANY_TERMS] = {0}, pairs[1 + MANY + MANY_PAIRS] = {0};
            struct drift_concordance_batch batch = {0};
            struct drift_concordance_result c;
            struct drift_embedding_result t;
            double x[MANY];
            for (int i = 0; i < N; i++) {
                block_event(&r, wanted[k].change, x);
                demand(drift_embedding_add(e, sums, x) == 0 && drift_concordance_add(&cuts, &batch, pairs, x) == 0);
            }
            drift_concordance_flush(&cuts, &batch, pairs);
            demand(drift_embedding_compare(e, sums, &t) == 0 && drift_concordance_compare(ref, pairs, MANY, &c) == 0);
            by_embedding += t.p_value < .001;
            by_concordance += c.p_value < .001 && c.top[0].i == 0 && c.top[0].j == 5;
        }
        printf("%s: embedding %d of %d, concordance %d\n", wanted[k].name, by_embedding, ROUNDS, by_concordance);
        ck_assert_int_ge(by_embedding, wanted[k].embedding_min);
        ck_assert_int_ge(by_concordance, wanted[k].concordance_min);
    }
    drift_embedding_free(e);
}
END_TEST

int main(void)
{
    drift_stats_init();
    Suite *s = suite_create("embedding");
    drift_test_add(s, "as numpy has it", as_numpy_has_it, 10);
    drift_test_add(s, "sums in any order", sums_are_exact_in_any_split_and_order, 10);
    drift_test_add(s, "sums of a known event", sums_of_a_known_event, 10);
    drift_test_add(s, "terms", terms_are_cosines_and_sines, 10);
    drift_test_add(s, "one in four", one_in_four_is_one_in_four, 10);
    drift_test_add(s, "learning in parts", learning_in_parts_gives_the_same_bytes, 10);
    drift_test_add(s, "bytes and back", bytes_and_back, 30);
    drift_test_add(s, "odd specs and rows", odd_specs_and_rows, 10);
    drift_test_add(s, "ridge", rare_events_ask_for_a_ridge, 20);
    drift_test_add(s, "finds", finds_what_leaves_every_margin, 30);
    drift_test_add(s, "sizes", sizes, 60);
    drift_test_add(s, "power", power, 60);
    return drift_test_run(s);
}
