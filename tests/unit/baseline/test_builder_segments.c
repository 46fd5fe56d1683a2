/* tests/unit/baseline/test_builder_segments.c    Segments of a baseline: which values and categories keep counters, and
 * that a saved one is read again. */
#include "support.h"

#include <math.h>
#include <stdio.h>

#include "driftd/internal/window/segment.h"
#include "events.h"

enum { CATEGORIES = 60, EVENTS = 12000, TENANTS = 6, VALUES = 3 };
static const struct drift_stream inputs = {
    .name = (char *)"in", .features = (char *)"features", .source = (char *)"source"};
static char *keys[] = {(char *)"tenant", (char *)"source", (char *)"nobody has it"};
static uint64_t tenant_n[TENANTS], source_n[2], category_n[CATEGORIES], by_tenant[TENANTS][CATEGORIES];

/* Numbers as tenants: "0" is rare, "5" frequent.  Category c is the more frequent the larger c is, in a wild order. */
static void event(struct drift_rng *r, struct maker *m, int i, bool count)
{
    static char text[CATEGORIES][8];
    uint32_t t = (uint32_t)(sqrt((double)drift_rng_below(r, TENANTS * TENANTS)));
    uint32_t c = (uint32_t)(sqrt((double)drift_rng_below(r, CATEGORIES * CATEGORIES))) * 7 % CATEGORIES;
    uint32_t s = drift_rng_below(r, 3) != 0;
    maker_next(m, (int64_t)i * 1000);
    snprintf(text[c], sizeof text[c], "c%02u", c % 100);
    maker_str(m, "cat", text[c]);
    maker_num(m, "x", drift_rng_gauss(r));
    if (i % 10)
        maker_num(m, "tenant", t);
    m->ev.source = (struct drift_value){.kind = DRIFT_V_STR, .str = {s ? "web" : "crm", 3}};
    if (!count)
        return;
    category_n[c]++;
    source_n[s]++;
    if (i % 10) {
        tenant_n[t]++;
        by_tenant[t][c]++;
    }
}

static void pass(struct drift_builder *b, struct maker *m, bool count)
{
    struct drift_rng r = drift_rng_new(1);
    for (int i = 0; i < EVENTS; i++) {
        event(&r, m, i, count);
        if (count)
            drift_builder_count(b, &m->ev, &inputs);
        else
            drift_builder_survey(b, &m->ev, &inputs);
    }
}

static void check_counts(const struct drift_baseline_chain *c)
{
    struct drift_segments *s;
    struct drift_err err;
    ck_assert_int_eq(drift_segments_new(c->layout, &s, &err), 0);
    ck_assert_uint_eq(s->n_keys, 2);
    ck_assert_ptr_null(drift_segments_key(s, keys[2])); /* no event had it */
    const struct drift_segment_key *tenant = drift_segments_key(s, "tenant"), *source = drift_segments_key(s, "source");
    ck_assert_uint_eq(tenant->n_values, VALUES);
    ck_assert_uint_eq(source->n_values, 2);
    ck_assert_str_eq(source->names->columns[0].categories[0], "web");
    const struct drift_column *cat = &s->coarse->columns[drift_layout_find(s->coarse, DRIFT_FEATURE, "cat")];
    ck_assert_uint_eq(cat->n_categories, DRIFT_SEGMENT_CATEGORIES);
    uint64_t least = UINT64_MAX, known = 0;
    for (uint32_t i = 0; i < cat->n_categories; i++) {
        uint64_t n = category_n[atoi(cat->categories[i] + 1)];
        least = n < least ? n : least;
    }
    for (int i = 0; i < CATEGORIES; i++)
        known += category_n[i] > least;
    ck_assert_uint_lt(known, DRIFT_SEGMENT_CATEGORIES); /* none that is more frequent was left out */
    uint64_t rest = EVENTS;
    for (uint32_t v = 0; v < VALUES; v++) { /* tenants 5, 4, 3 */
        const uint64_t *row = c->pooled->counts + drift_segment_counter(s, tenant, v);
        uint32_t t = TENANTS - 1 - v;
        char text[8];
        snprintf(text, sizeof text, "%u", t % 100);
        ck_assert_str_eq(tenant->names->columns[0].categories[v], text);
        ck_assert_uint_eq(row[0], tenant_n[t]);
        rest -= row[0];
        uint64_t others = tenant_n[t];
        for (uint32_t i = 0; i < cat->n_categories; i++) {
            uint64_t n = by_tenant[t][atoi(cat->categories[i] + 1)];
            ck_assert_uint_eq(row[cat->first + DRIFT_N_SPECIAL + i], n);
            others -= n;
        }
        ck_assert_uint_eq(row[cat->first + DRIFT_N_SPECIAL + drift_column_rare(cat)], others);
    }
    ck_assert_uint_eq(c->pooled->counts[drift_segment_counter(s, tenant, VALUES)], rest);
    ck_assert_uint_eq(c->pooled->counts[drift_segment_counter(s, source, 0)], source_n[1]);
    ck_assert_uint_gt(c->n_windows, 1);
    for (uint32_t i = 0; i < c->layout->blocks[0].n; i++) {
        uint64_t sum = 0;
        for (size_t w = 0; w < c->n_windows; w++)
            sum += c->windows[w].summary->counts[c->layout->blocks[0].first + i];
        ck_assert_uint_eq(sum, c->pooled->counts[c->layout->blocks[0].first + i]);
    }
    drift_segments_free(s);
}

START_TEST(most_frequent_values_and_categories)
{
    struct drift_model model = {.name = (char *)"m",
                                .include = (char *)"*",
                                .threshold = NAN,
                                .n_segment_keys = 3,
                                .segment_keys = keys,
                                .segment_values = VALUES};
    struct drift_builder_settings hourly = {.window_ms = 3600000, .max_windows = 100};
    struct drift_builder *b = drift_builder_new(&model, &hourly);
    struct drift_baseline *base = NULL, *again = NULL;
    struct drift_err err;
    struct drift_buf out;
    struct maker m;
    maker_init(&m);
    pass(b, &m, false);
    ck_assert_int_eq(drift_builder_freeze(b, &err), 0);
    pass(b, &m, true);
    ck_assert_int_eq(drift_builder_finish(b, NULL, "{}", "abc", 1, &base, &err), 0);
    check_counts(&base->chain[DRIFT_CHAIN_INPUT]);
    drift_buf_init(&out, 64 << 20);
    ck_assert_int_eq(drift_baseline_save(base, &out, &err), 0);
    ck_assert_int_eq(drift_baseline_load(out.data, out.len, &again, &err), 0);
    check_counts(&again->chain[DRIFT_CHAIN_INPUT]);
    drift_buf_release(&out);
    drift_baseline_free(base);
    drift_baseline_free(again);
    drift_builder_free(b);
    maker_release(&m);
}
END_TEST

/* A file whose block is not of the form of segments is refused, with its digest right. */
START_TEST(forged_blocks_do_not_load)
{
    static const double edges[] = {1, 2};
    struct drift_baseline base = {
        .id = (char *)"b", .model = (char *)"m", .meta = (char *)"{\"id\":\"b\",\"model\":\"m\"}"};
    struct drift_baseline *again = NULL;
    struct drift_err err;
    struct drift_buf out;
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        struct drift_layout *l = base.chain[k].layout = drift_layout_new();
        ck_assert_int_eq(drift_layout_add_numeric(l, DRIFT_FEATURE, "a", edges, 2, false, NULL, 0), 0);
        ck_assert_int_eq(drift_layout_add_block(l, "segment:tenant", "\1\2xy", 4, 17), 0);
        ck_assert_int_eq(drift_layout_seal(l), 0);
        base.chain[k].pooled = drift_summary_new(l);
    }
    drift_buf_init(&out, 1 << 20);
    ck_assert_int_eq(drift_baseline_save(&base, &out, &err), 0);
    ck_assert_int_eq(drift_baseline_load(out.data, out.len, &again, &err), DRIFT_E_PARSE);
    ck_assert_ptr_null(again);
    ck_assert_msg(strstr(err.text, "segment:tenant") != NULL, "%s", err.text);
    drift_buf_release(&out);
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        drift_summary_free(base.chain[k].pooled);
        drift_layout_free(base.chain[k].layout);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("builder segments");
    drift_test_add(s, "most_frequent", most_frequent_values_and_categories, 30);
    drift_test_add(s, "forged", forged_blocks_do_not_load, 10);
    return drift_test_run(s);
}
