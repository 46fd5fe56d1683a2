/* tests/unit/baseline/test_law.c    Null laws of discrete columns: drawn, kept, and of the size that they promise. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/baseline/law.h"
#include "driftd/measure.h"

enum { VALUES = 12, EVENTS = 40000, TABLES = 12, WINDOWS = 2000, TAIL = 4 + 8 + 32 };

/* Poisson(2) by inversion. */
static unsigned poisson(struct drift_rng *r)
{
    double u = drift_rng_uniform(r), p = exp(-2), sum = p;
    unsigned k = 0;
    while (u > sum && k < VALUES - 1)
        sum += p *= 2.0 / ++k;
    return k;
}

static void draw(struct drift_rng *r, const struct drift_column *c, unsigned n, uint64_t *counters)
{
    memset(counters, 0, drift_column_counters(c) * sizeof *counters);
    for (unsigned i = 0; i < n; i++)
        counters[DRIFT_N_SPECIAL + poisson(r)]++;
}

/* Columns: Poisson counts; two values only; as many values as cells; one of names. */
static struct drift_baseline *baseline(void)
{
    static const char *const names[] = {"a", "b", "c"};
    double edges[99];
    struct drift_rng r = drift_rng_new(21);
    struct drift_baseline *b = calloc(1, sizeof *b);
    b->id = strdup("counts");
    b->model = strdup("m");
    b->meta = strdup("{\"id\":\"counts\",\"model\":\"m\",\"created_ms\":0}");
    for (int i = 0; i < 99; i++)
        edges[i] = i;
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        struct drift_layout *l = b->chain[k].layout = drift_layout_new();
        if (k == DRIFT_CHAIN_INPUT) {
            ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "p", edges, VALUES - 1, false, NULL, 0), 0);
            ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "two", edges, 1, false, NULL, 0), 0);
            ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "many", edges, 99, false, NULL, 0), 0);
            ck_assert_int_eq(drift_layout_add_categorical(l, DRIFT_FEATURE, "name", names, 3, NULL, 0), 0);
        }
        ck_assert_int_eq(drift_layout_seal(l), 0);
        b->chain[k].pooled = drift_summary_new(l);
    }
    struct drift_summary *pool = b->chain[DRIFT_CHAIN_INPUT].pooled;
    const struct drift_column *c = pool->layout->columns;
    pool->n = EVENTS;
    draw(&r, &c[0], EVENTS, pool->counts + c[0].first);
    for (uint32_t i = 1; i < 4; i++)
        for (uint32_t j = 0; j < c[i].n_cells; j++)
            pool->counts[c[i].first + DRIFT_N_SPECIAL + j] = 100;
    return b;
}

START_TEST(of_discrete_columns_only)
{
    struct drift_baseline *a = baseline(), *b = baseline();
    ck_assert(!drift_law_any(a));
    ck_assert_uint_eq(drift_law_draw(a, 5), 0);
    const struct drift_baseline_chain *c = &a->chain[DRIFT_CHAIN_INPUT];
    ck_assert_ptr_nonnull(c->laws[0]);
    for (int i = 1; i < 4; i++)
        ck_assert_ptr_null(c->laws[i]);
    drift_law_draw(b, 5);
    ck_assert_mem_eq(c->laws[0], b->chain[DRIFT_CHAIN_INPUT].laws[0], sizeof **c->laws);
    drift_baseline_free(a);
    drift_baseline_free(b);
}
END_TEST

/* Shares as they are, so that the size is not that of one baseline's error. */
static void exact_pool(uint64_t *counters)
{
    double p = exp(-2);
    for (unsigned k = 0; k < VALUES; p *= 2.0 / ++k)
        counters[DRIFT_N_SPECIAL + k] = (uint64_t)llround(1e8 * p);
}

/* The nominal 5 % of windows that have not changed, where the law of continuous values finds 2.5 %; over TABLES tables,
 * each of which has errors of its own. */
START_TEST(size_of_poisson_counts)
{
    static const unsigned sizes[] = {200, 1000};
    struct drift_rng r = drift_rng_new(22);
    unsigned below[2][3] = {{0}};
    for (uint64_t k = 0; k < TABLES; k++) {
        struct drift_baseline *b = baseline();
        const struct drift_baseline_chain *ref = &b->chain[DRIFT_CHAIN_INPUT];
        const struct drift_column *c = &ref->layout->columns[0];
        exact_pool(ref->pooled->counts + c->first);
        drift_law_draw(b, drift_rng_u64(&r));
        for (int i = 0; i < 2 * WINDOWS; i++) {
            uint64_t counters[DRIFT_N_SPECIAL + VALUES];
            struct drift_measure m[DRIFT_N_MEASURE], old[DRIFT_N_MEASURE];
            draw(&r, c, sizes[i % 2], counters);
            drift_measure_column_law(c, ref->pooled->counts + c->first, counters, NULL, ref->laws[0], m);
            drift_measure_column(c, ref->pooled->counts + c->first, counters, old);
            ck_assert(m[DRIFT_MEASURE_KS].drawn && !old[DRIFT_MEASURE_KS].drawn);
            ck_assert_double_eq(m[DRIFT_MEASURE_KS].effect, old[DRIFT_MEASURE_KS].effect);
            below[i % 2][0] += m[DRIFT_MEASURE_KS].p_value <= .05;
            below[i % 2][1] += m[DRIFT_MEASURE_KS].p_value <= .01;
            below[i % 2][2] += old[DRIFT_MEASURE_KS].p_value <= .05;
        }
        drift_baseline_free(b);
    }
    for (int s = 0; s < 2; s++) {
        double n = TABLES * WINDOWS, at_5 = below[s][0] / n, at_1 = below[s][1] / n, was = below[s][2] / n;
        printf("n %u: size %.4f at .05, %.4f at .01; law of continuous values %.4f\n", sizes[s], at_5, at_1, was);
        ck_assert_msg(at_5 > .044 && at_5 < .056, "size %.4f", at_5);
        ck_assert_msg(at_1 > .007 && at_1 < .013, "size %.4f", at_1);
        ck_assert_msg(was < .03, "size %.4f", was);
    }
}
END_TEST

static void save(struct drift_baseline *b, struct drift_buf *out)
{
    struct drift_err err;
    drift_buf_init(out, 1 << 20);
    ck_assert_int_eq(drift_baseline_save(b, out, &err), 0);
}

static uint8_t *section(struct drift_buf *x, const char *tag)
{
    for (size_t i = 0; i + 4 < x->len; i++)
        if (!memcmp(x->data + i, tag, 4))
            return (uint8_t *)x->data + i;
    return NULL;
}

static int load_resealed(struct drift_buf *x, struct drift_baseline **ret)
{
    struct drift_err err;
    uint8_t *p = (uint8_t *)x->data;
    drift_sha256(p, x->len - TAIL, p + x->len - 32);
    return drift_baseline_load(p, x->len, ret, &err);
}

START_TEST(kept_with_the_baseline)
{
    struct drift_baseline *b = baseline(), *again = NULL;
    struct drift_buf x, y, plain;
    save(b, &plain);
    ck_assert_ptr_null(section(&plain, "ksnl"));
    drift_law_draw(b, 5);
    save(b, &x);
    ck_assert_int_eq(load_resealed(&x, &again), 0);
    ck_assert_mem_eq(again->chain[DRIFT_CHAIN_INPUT].laws[0], b->chain[DRIFT_CHAIN_INPUT].laws[0],
                     sizeof(struct drift_ks_null));
    save(again, &y);
    ck_assert_uint_eq(x.len, y.len);
    ck_assert_mem_eq(x.data, y.data, x.len);
    drift_baseline_free(again);
    /* readers that do not know the section skip it: so does this one another of lower case */
    uint8_t *tag = section(&x, "ksnl");
    memcpy(tag, "ksnx", 4);
    ck_assert_int_eq(load_resealed(&x, &again), 0);
    ck_assert_ptr_null(again->chain[DRIFT_CHAIN_INPUT].laws);
    drift_baseline_free(again);
    drift_baseline_free(b);
    drift_buf_release(&x);
    drift_buf_release(&y);
    drift_buf_release(&plain);
}
END_TEST

/* Count, column, the first two quantiles: each changed to what cannot be. */
START_TEST(hostile_bytes)
{
    static const double odd[] = {NAN, -1, INFINITY, 1e300};
    struct drift_baseline *b = baseline(), *again = NULL;
    struct drift_buf x;
    drift_law_draw(b, 5);
    save(b, &x);
    uint8_t *body = section(&x, "ksnl") + 12, kept[18];
    memcpy(kept, body, sizeof kept);
    for (int i = 0; i < 8; i++) {
        memcpy(body, kept, sizeof kept);
        if (i < 4)
            memcpy(body + 2, &odd[i], 8);
        else if (i == 4)
            memcpy(body + 2, (double[]){1e8}, 8); /* above the next */
        else
            body[i == 5] = (uint8_t[]){9, 3, 2}[i - 5]; /* column 9; three tables; two */
        ck_assert_msg(load_resealed(&x, &again) == DRIFT_E_PARSE, "case %d", i);
    }
    drift_baseline_free(b);
    drift_buf_release(&x);
}
END_TEST

/* Counts of training data: kept beside, on the same layout. */
START_TEST(training_is_kept)
{
    struct drift_baseline *b = baseline(), *again = NULL;
    struct drift_baseline_chain *c = &b->chain[DRIFT_CHAIN_INPUT];
    struct drift_buf x;
    c->training = drift_summary_new(c->layout);
    c->training->n = 17;
    for (uint32_t i = 0; i < c->layout->n_counts; i++)
        c->training->counts[i] = i;
    drift_law_draw(b, 5);
    save(b, &x);
    ck_assert_int_eq(load_resealed(&x, &again), 0);
    const struct drift_summary *t = again->chain[DRIFT_CHAIN_INPUT].training;
    ck_assert_uint_eq(t->n, 17);
    ck_assert_mem_eq(t->counts, c->training->counts, c->layout->n_counts * sizeof *t->counts);
    ck_assert_ptr_null(again->chain[DRIFT_CHAIN_LABEL].training);
    ck_assert_ptr_nonnull(again->chain[DRIFT_CHAIN_INPUT].laws[0]);
    drift_baseline_free(again);
    section(&x, "trng")[12] = 2;
    ck_assert_int_eq(load_resealed(&x, &again), DRIFT_E_PARSE);
    drift_baseline_free(b);
    drift_buf_release(&x);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("law");
    drift_test_add(s, "discrete_columns", of_discrete_columns_only, 30);
    drift_test_add(s, "size", size_of_poisson_counts, 60);
    drift_test_add(s, "kept", kept_with_the_baseline, 30);
    drift_test_add(s, "hostile", hostile_bytes, 30);
    drift_test_add(s, "training", training_is_kept, 30);
    return drift_test_run(s);
}
