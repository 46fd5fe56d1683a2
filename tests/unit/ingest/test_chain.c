/* tests/unit/ingest/test_chain.c    A chain's copy: plan and verdict headers as Redis has them, or the copy of before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/ingest/chain.h"
#include "support.h"

static struct drift_model model = {.name = (char *)(uintptr_t) "m", .include = (char *)(uintptr_t) "*"};
static struct drift_layout *the_layout;
static char *plan;

static int layout_of(void *ctx, const struct drift_chain *c, const struct drift_plan_entry *e,
                     struct drift_layout **ret, struct drift_err *err)
{
    (void)ctx, (void)c, (void)e, (void)err;
    *ret = the_layout;
    return 0;
}

static void setup(void)
{
    struct drift_plan_topic topic = {(char *)(uintptr_t) "t", 1};
    struct drift_plan_entry e = {.from_ms = INT64_MIN,
                                 .baseline_id = (char *)(uintptr_t) "",
                                 .baseline_digest = (char *)(uintptr_t) "",
                                 .config_hash = (char *)(uintptr_t) "",
                                 .window_ms = 1000,
                                 .n_topics = 1,
                                 .topics = &topic};
    the_layout = drift_layout_new();
    ck_assert_int_eq(drift_layout_seal(the_layout), 0);
    plan = drift_plan_entry_json(&e);
}

static void teardown(void)
{
    drift_layout_free(the_layout);
    free(plan);
}

static int update(struct drift_chain *c, const char *const (*headers)[2], size_t n, struct drift_err *err)
{
    struct drift_pair fields[] = {{(char *)(uintptr_t) "plan:0", plan, strlen(plan)},
                                  {(char *)(uintptr_t) "judged_until", (char *)(uintptr_t) "9000", 4},
                                  {(char *)(uintptr_t) "first", (char *)(uintptr_t) "2000", 4}};
    struct drift_pair *h = calloc(n + 1, sizeof *h);
    for (size_t i = 0; i < n; i++)
        h[i] = (struct drift_pair){(char *)(uintptr_t)headers[i][0], (char *)(uintptr_t)headers[i][1],
                                   strlen(headers[i][1])};
    int rc = drift_chain_update(c, &(struct drift_pairs){3, fields}, &(struct drift_pairs){n, h}, layout_of, NULL, err);
    free(h);
    return rc;
}

START_TEST(headers_in_order)
{
    static const char *const headers[][2] = {
        {"8000", "{\"kind\":\"ok\",\"end\":9000,\"ms\":5,\"parts\":{\"t/0\":[7,2]}}"},
        {"-1000", "{\"kind\":\"lost\",\"end\":0,\"ms\":3,\"parts\":{}}"},
        {"junk", "not read at all"},
        {"3000", "{\"kind\":\"held\",\"end\":4000,\"ms\":4,\"parts\":{}}"}};
    static const char *const more[][2] = {{"3000", "{\"kind\":\"ok\",\"end\":4000,\"ms\":4,\"parts\":{}}"}};
    static const char *const bad[][2] = {{"3000", "{\"kind\":\"ok\",\"end\":4000,\"ms\":4,\"parts\":{}}"},
                                         {"4000", "{\"kind\":\"ok\"}"}};
    struct drift_chain c;
    struct drift_err err;
    drift_chain_init(&c, &model, DRIFT_CHAIN_INPUT);
    ck_assert_int_eq(update(&c, headers, 0, &err), 0); /* nothing judged yet */
    ck_assert_uint_eq(c.n_judged, 0);
    ck_assert_ptr_null(drift_chain_judged(&c, 8000));
    ck_assert_int_eq(update(&c, headers, 4, &err), 0);
    ck_assert_uint_eq(c.n_judged, 3);
    ck_assert_int_eq(c.judged_until_ms, 9000);
    ck_assert_int_eq(c.first_ms, 2000);
    for (size_t i = 1; i < c.n_judged; i++)
        ck_assert_int_lt(c.judged[i - 1].start_ms, c.judged[i].start_ms);
    ck_assert(drift_chain_judged(&c, -1000)->lost);
    ck_assert_ptr_null(drift_chain_judged(&c, 4000));
    const struct drift_judged *j = drift_chain_judged(&c, 8000);
    ck_assert(j->end_ms == 9000 && j->at_ms == 5 && !j->lost && j->n_parts == 1);
    ck_assert_str_eq(j->parts[0].partition, "t/0");
    ck_assert_uint_eq(j->parts[0].n, 7);
    ck_assert_uint_eq(j->parts[0].excluded, 2);
    /* a header that is not driftd's: the copy stays whole */
    ck_assert_int_eq(update(&c, bad, 2, &err), DRIFT_E_PARSE);
    ck_assert_msg(strstr(err.text, "verdict header 4000 ") != NULL, "%s", err.text);
    ck_assert_uint_eq(c.n_judged, 3);
    ck_assert_uint_eq(drift_chain_judged(&c, 8000)->n_parts, 1);
    ck_assert_int_eq(update(&c, more, 1, &err), 0);
    ck_assert_uint_eq(c.n_judged, 1);
    drift_chain_release(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chain");
    TCase *t = tcase_create("headers");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, headers_in_order);
    suite_add_tcase(s, t);
    return drift_test_run(s);
}
