/* Dependence between features as counters: recounted with a plain loop, split and merged, sampled alike, hostile bytes;
 * and what the tests made of it can see. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/window/blob.h"
#include "driftd/internal/window/count.h"
#include "driftd/internal/window/dependence.h"
#include "support.h"

enum { D = 5, TERMS = 64, EDGES = 101 };
static const char *const field[D] = {"a", "b", "c", "d", "e"};

/* Normal features; a and b have the correlation r, c and d .8, and e is alone. */
static void draw(struct drift_rng *rng, double r, double *x)
{
    for (int i = 0; i < D; i++)
        x[i] = drift_rng_gauss(rng);
    x[1] = r * x[0] + sqrt(1 - r * r) * x[1];
    x[3] = .8 * x[2] + .6 * x[3];
    x[2] = exp(3 * x[2]); /* heavy tails */
    x[4] = 1000 + 1e-3 * x[4];
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Adds the block to a layout with D columns, and seals it. */
static void layout_learn(struct drift_layout *l, const double *rows, size_t n, double budget_us)
{
    static const uint32_t column[D] = {0, 1, 2, 3, 4};
    struct drift_dependence_learn learn = {.n_terms = TERMS,
                                           .n_features = D,
                                           .budget_us = budget_us,
                                           .column = column,
                                           .rows = rows,
                                           .n_rows = n,
                                           .stride = D};
    if (budget_us > 0)
        ck_assert_int_eq(drift_dependence_learn(&learn, l), 0);
    ck_assert_int_eq(drift_layout_seal(l), 0);
}

/* A layout with percentiles of the rows as edges, and with the block when budget is not 0. */
static struct drift_layout *layout_of(const double *rows, size_t n, double budget_us)
{
    struct drift_layout *l = drift_layout_new();
    double *v = malloc(n * sizeof *v), edges[EDGES];
    for (uint32_t i = 0; i < D; i++) {
        for (size_t r = 0; r < n; r++)
            v[r] = rows[r * D + i];
        qsort(v, n, sizeof *v, ascending);
        edges[0] = nextafter(v[0], -INFINITY);
        for (size_t k = 1; k < EDGES; k++)
            edges[k] = v[k * n / (EDGES - 1) - 1];
        ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, field[i], edges, EDGES, true, NULL, 0), 0);
    }
    layout_learn(l, rows, n, budget_us);
    free(v);
    return l;
}

struct stream {
    struct drift_fields fields;
    double num[D];
    uint8_t kind[D];
    struct drift_str str[D];
    struct drift_event ev;
    struct drift_stream stream;
    struct drift_binding *binding;
};

static void stream_open(struct stream *s, const struct drift_layout *l)
{
    memset(s, 0, sizeof *s);
    s->fields = (struct drift_fields){D, D, (char **)(uintptr_t)field, 1};
    s->ev = (struct drift_event){.fields = &s->fields, .num = s->num, .kind = s->kind, .str = s->str};
    s->stream = (struct drift_stream){.name = (char *)(uintptr_t) "s", .features = (char *)(uintptr_t) "f"};
    s->binding = drift_binding_new(l, &s->stream, NULL, DRIFT_CHAIN_INPUT);
}

static void stream_put(struct stream *s, const double *x, struct drift_summary *into)
{
    for (int i = 0; i < D; i++) {
        s->kind[i] = isfinite(x[i]) ? DRIFT_V_NUM : DRIFT_V_NULL;
        s->num[i] = isfinite(x[i]) ? x[i] : 0;
    }
    drift_binding_count(s->binding, &s->ev, into);
    s->ev.place++;
}

static double *rows_of(size_t n, double r, uint64_t seed)
{
    struct drift_rng rng = drift_rng_new(seed);
    double *rows = malloc(n * D * sizeof *rows);
    for (size_t i = 0; i < n; i++)
        draw(&rng, r, rows + i * D);
    return rows;
}

static struct drift_summary *counted(const struct drift_layout *l, const double *rows, size_t n, uint64_t place)
{
    struct drift_summary *sum = drift_summary_new(l);
    struct stream s;
    stream_open(&s, l);
    s.ev.place = place;
    for (size_t i = 0; i < n; i++)
        stream_put(&s, rows + i * D, sum);
    drift_binding_free(s.binding);
    return sum;
}

/* The cell by going through the edges, the score by its formula, each pair by looking at it. */
START_TEST(recount)
{
    enum { N = 3000, WINDOW = 777 };
    double *base = rows_of(N, .5, 11), *rows = rows_of(WINDOW, .5, 12);
    for (size_t i = 0; i < WINDOW; i += 7)
        rows[i * D + i % D] = NAN;
    struct drift_layout *l = layout_of(base, N, 1000);
    struct drift_dependence *d;
    struct drift_err err;
    ck_assert_int_eq(drift_dependence_new(l, &d, &err), 0);
    ck_assert_uint_eq(d->n_features, D);
    ck_assert_uint_eq(d->one_in, 1);
    struct drift_summary *sum = counted(l, rows, WINDOW, 0);
    int64_t above[D] = {0}, same[D][D] = {{0}}, *embedding = calloc(1 + TERMS, sizeof *embedding);
    for (size_t r = 0; r < WINDOW; r++) {
        double score[D];
        bool side[D];
        for (uint32_t i = 0; i < D; i++) {
            const struct drift_column *c = &l->columns[i];
            double x = rows[r * D + i], below = 0, here = 0, total = 0;
            uint32_t cell = 0;
            while (cell < c->n_edges && x > c->edges[cell])
                cell++;
            for (uint32_t k = 0; k < c->n_cells; k++) { /* the baseline's rows, cell by cell */
                double n = 1. / c->n_cells;
                for (size_t b = 0; b < N && r < 3; b++)
                    n += base[b * D + i] <= (k < c->n_edges ? c->edges[k] : (double)INFINITY) &&
                         (k == 0 || base[b * D + i] > c->edges[k - 1]);
                below += k < cell ? n : 0;
                here = k == cell ? n : here;
                total += n;
            }
            score[i] = isfinite(x) ? d->score[i][cell] : (double)NAN;
            if (r < 3 && isfinite(x))
                ck_assert_double_eq_tol(score[i], sqrt(12) * ((below + here / 2) / total - .5), 1e-9);
            side[i] = isfinite(x) ? score[i] > d->concordance.cut[i] : d->concordance.null_word >> i & 1;
            above[i] += side[i];
        }
        for (int i = 0; i < D; i++)
            for (int j = i + 1; j < D; j++)
                same[i][j] += side[i] == side[j];
        ck_assert_int_eq(drift_embedding_add(d->embedding, embedding, score), 0);
    }
    ck_assert_int_eq(drift_dependence_check(d, sum->counts), 0);
    ck_assert_mem_eq(drift_dependence_embedding(d, sum->counts), embedding, (1 + TERMS) * sizeof *embedding);
    const int64_t *pairs = drift_dependence_pairs(d, sum->counts);
    ck_assert_int_eq(*pairs++, WINDOW);
    for (int i = 0; i < D; i++)
        ck_assert_int_eq(*pairs++, above[i]);
    for (int i = 0; i < D; i++)
        for (int j = i + 1; j < D; j++)
            ck_assert_int_eq(*pairs++, same[i][j]);
    sum->counts[d->block->first + 1] = UINT64_C(1) << 62; /* no events make that */
    ck_assert_int_eq(drift_dependence_check(d, sum->counts), DRIFT_E_RANGE);
    drift_summary_free(sum);
    drift_dependence_free(d);
    drift_layout_free(l);
    free(embedding);
    free(base);
    free(rows);
}
END_TEST

/* In parts, through blobs, in another order: the same bytes, negative totals among them. */
START_TEST(parts)
{
    enum { N = 2000 };
    double *base = rows_of(N, .5, 21), *rows = rows_of(N, .2, 22);
    struct drift_layout *l = layout_of(base, N, .1);
    struct drift_dependence *d;
    struct drift_err err;
    ck_assert_int_eq(drift_dependence_new(l, &d, &err), 0);
    ck_assert_uint_gt(d->one_in, 1);
    struct drift_summary *whole = counted(l, rows, N, 0), *sum = drift_summary_new(l);
    for (size_t part = 5; part-- > 0;) {
        size_t from = part * N / 5, to = (part + 1) * N / 5;
        struct drift_summary *some = counted(l, rows + from * D, to - from, from);
        struct drift_buf blob;
        drift_buf_init(&blob, 1 << 20);
        drift_blob_save(some, 1, false, &blob);
        ck_assert_int_eq(drift_blob_add(blob.data, blob.len, sum, &err), 0);
        drift_buf_release(&blob);
        drift_summary_free(some);
    }
    ck_assert_mem_eq(sum->counts, whole->counts, l->n_counts * sizeof *sum->counts);
    int64_t least = 0, taken = drift_dependence_pairs(d, sum->counts)[0];
    for (size_t k = 1; k <= TERMS; k++)
        least = drift_dependence_embedding(d, sum->counts)[k] < least ? drift_dependence_embedding(d, sum->counts)[k]
                                                                      : least;
    ck_assert_int_lt(least, 0);
    double share = (double)taken / N, fair = 1. / d->one_in;
    ck_assert_double_lt(fabs(share - fair), 5 * sqrt(fair * (1 - fair) / N));
    drift_summary_free(whole);
    drift_summary_free(sum);
    drift_dependence_free(d);
    drift_layout_free(l);
    free(base);
    free(rows);
}
END_TEST

START_TEST(off_costs_nothing)
{
    double *base = rows_of(1000, .5, 31);
    struct drift_layout *l = layout_of(base, 1000, 0);
    struct drift_dependence *d = (void *)1;
    struct drift_err err;
    ck_assert_int_eq(drift_dependence_new(l, &d, &err), 0);
    ck_assert_ptr_null(d);
    ck_assert_uint_eq(l->n_counts, D * (DRIFT_N_SPECIAL + EDGES + 1));
    drift_layout_free(l);
    free(base);
}
END_TEST

START_TEST(refusals)
{
    double *base = rows_of(1000, .5, 41);
    uint32_t column[D] = {0, 1, 2, 3, 4};
    double edge = 0;
    struct drift_layout *l = drift_layout_new();
    for (int i = 0; i < D; i++)
        ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, field[i], &edge, i < 2 ? 1 : 0, false, NULL, 0), 0);
    struct drift_dependence_learn good = {TERMS, D, 1, column, base, 1000, D}, bad = good;
    bad.n_rows = 4 * TERMS - 1;
    ck_assert_int_eq(drift_dependence_learn(&bad, l), DRIFT_E_EMPTY);
    bad = good;
    bad.n_features = 1; /* nothing to go together with */
    ck_assert_int_eq(drift_dependence_learn(&bad, l), DRIFT_E_EMPTY);
    bad = good;
    bad.budget_us = 0;
    ck_assert_int_eq(drift_dependence_learn(&bad, l), DRIFT_E_RANGE);
    bad = good;
    bad.n_terms = 512;
    ck_assert_int_eq(drift_dependence_learn(&bad, l), DRIFT_E_RANGE);
    bad = good;
    bad.n_terms = 17;
    ck_assert_int_eq(drift_dependence_learn(&bad, l), DRIFT_E_RANGE);
    ck_assert_uint_eq(l->n_blocks, 0);
    ck_assert_int_eq(drift_dependence_learn(&good, l), 0); /* c, d and e have one cell: left out */
    ck_assert_int_eq(drift_layout_seal(l), 0);
    struct drift_dependence *d;
    struct drift_err err;
    ck_assert_int_eq(drift_dependence_new(l, &d, &err), 0);
    ck_assert_uint_eq(d->n_features, 2);
    drift_dependence_free(d);
    drift_layout_free(l);
    free(base);
}
END_TEST

/* Every byte changed, every length: refused or read, never more. */
START_TEST(hostile)
{
    double *base = rows_of(1000, .5, 51);
    struct drift_layout *l = layout_of(base, 1000, 1);
    struct drift_block *b = (struct drift_block *)(uintptr_t)drift_layout_block(l, DRIFT_DEPENDENCE_BLOCK);
    struct drift_dependence *d;
    struct drift_err err;
    size_t len = b->content_len, refused = 0, tried = 0;
    uint8_t *content = b->content, *copy = malloc(len);
    for (size_t at = 0; at < len; at += at < 64 || at + 64 > len ? 1 : 97, tried++) {
        memcpy(copy, content, len);
        copy[at] ^= (uint8_t)(at % 2 ? 0x80 : 0xff);
        b->content = copy;
        d = NULL;
        refused += drift_dependence_new(l, &d, &err) != 0;
        drift_dependence_free(d);
        b->content_len = at; /* cut short */
        ck_assert_int_ne(drift_dependence_new(l, &d, &err), 0);
        b->content_len = len;
    }
    printf("%zu of %zu changed blocks refused\n", refused, tried);
    ck_assert_uint_gt(refused, 20);
    b->content = content;
    free(copy);
    drift_layout_free(l);
    free(base);
}
END_TEST

/* Sizes and power of what a window says, against one baseline: pairs and embedding, the pair a-b from .5 to -.2 with
 * every margin as it was. */
START_TEST(size_and_power)
{
    enum { M = 20000, N = 500, WINDOWS = 150, CHANGED = 20 };
    double *base = rows_of(M, .5, 61);
    struct drift_layout *l = layout_of(base, M, 1000);
    struct drift_summary *ref = counted(l, base, M, 0);
    struct drift_dependence *d;
    struct drift_err err;
    int at_05[2] = {0}, found[2] = {0}, named = 0;
    ck_assert_int_eq(drift_dependence_new(l, &d, &err), 0);
    for (int w = 0; w < WINDOWS + CHANGED; w++) {
        bool changed = w >= WINDOWS;
        double *rows = rows_of(N, changed ? -.2 : .5, 1000 + (uint64_t)w);
        struct drift_summary *sum = counted(l, rows, N, (uint64_t)w * N);
        struct drift_concordance_result p;
        struct drift_embedding_result e;
        ck_assert_int_eq(drift_concordance_compare(drift_dependence_pairs(d, ref->counts),
                                                   drift_dependence_pairs(d, sum->counts), D, &p),
                         0);
        ck_assert_int_eq(drift_embedding_compare(d->embedding, drift_dependence_embedding(d, sum->counts), &e), 0);
        double both[2] = {p.p_shared, e.p_shared};
        for (int k = 0; k < 2; k++) {
            at_05[k] += !changed && both[k] < .05;
            found[k] += changed && both[k] < .001;
        }
        named += changed && p.top[0].i == 0 && p.top[0].j == 1;
        for (uint32_t i = 0; i < D && changed; i++) { /* each feature alone: nothing to see */
            struct drift_measure m[DRIFT_N_MEASURE];
            const struct drift_column *c = &l->columns[i];
            drift_measure_column(c, ref->counts + c->first, sum->counts + c->first, m);
            ck_assert_double_lt(m[DRIFT_MEASURE_PSI].effect, .1);
        }
        drift_summary_free(sum);
        free(rows);
    }
    printf("of %d windows of %d, baseline of %d: below .05 without change pairs %d, embedding %d; below .001 with it "
           "%d, %d of %d, named %d\n",
           WINDOWS, N, M, at_05[0], at_05[1], found[0], found[1], CHANGED, named);
    for (int k = 0; k < 2; k++) {
        ck_assert_int_le(at_05[k], 17); /* 1 in 1000 that .05 of 150 gives more */
        ck_assert_int_eq(found[k], CHANGED);
    }
    ck_assert_int_eq(named, CHANGED);
    drift_summary_free(ref);
    drift_dependence_free(d);
    drift_layout_free(l);
    free(base);
}
END_TEST

/* Flags that few events have, and pairs of them that the baseline has once or never: nothing has changed. */
START_TEST(rare_flags)
{
    enum { M = 2000, N = 1000, BASELINES = 60, WINDOWS = 2 };
    static const double edges[] = {-.5, .5, 1.5};
    static double rows[(M + WINDOWS * N) * D];
    struct drift_rng rng = drift_rng_new(71);
    int at_05 = 0, at_001 = 0, shared_05 = 0, all = BASELINES * WINDOWS;
    for (int b = 0; b < BASELINES; b++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            rows[i] = drift_rng_uniform(&rng) < .02;
        struct drift_layout *l = drift_layout_new();
        for (uint32_t i = 0; i < D; i++)
            ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, field[i], edges, 3, true, NULL, 0), 0);
        layout_learn(l, rows, M, 1000);
        struct drift_dependence *d;
        struct drift_err err;
        ck_assert_int_eq(drift_dependence_new(l, &d, &err), 0);
        for (size_t w = 0; w < WINDOWS; w++) {
            struct drift_summary *sum = counted(l, rows + (M + w * N) * D, N, w * N);
            struct drift_embedding_result e;
            ck_assert_int_eq(drift_embedding_compare(d->embedding, drift_dependence_embedding(d, sum->counts), &e), 0);
            at_05 += e.p_value < .05;
            at_001 += e.p_value < .001;
            shared_05 += e.p_shared < .05;
            drift_summary_free(sum);
        }
        drift_dependence_free(d);
        drift_layout_free(l);
    }
    printf("of %d windows below .05: %d (shared baseline %d), below .001: %d\n", all, at_05, shared_05, at_001);
    ck_assert_int_le(at_05, 15); /* 1 in 1000 that .05 of 120 gives more */
    ck_assert_int_le(shared_05, 15);
    ck_assert_int_le(at_001, 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dependence");
    drift_test_add(s, "recount", recount, 20);
    drift_test_add(s, "parts", parts, 20);
    drift_test_add(s, "off_costs_nothing", off_costs_nothing, 10);
    drift_test_add(s, "refusals", refusals, 20);
    drift_test_add(s, "hostile", hostile, 20);
    drift_test_add(s, "size_and_power", size_and_power, 40);
    drift_test_add(s, "rare_flags", rare_flags, 40);
    return drift_test_run(s);
}
