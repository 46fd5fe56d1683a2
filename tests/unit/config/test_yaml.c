/* tests/unit/config/test_yaml.c    Hostile YAML: bombs, depth, size, encodings, mutations.  Bounded in time and memory.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/config/config.h"
#include "driftd/internal/config/yaml.h"

/* Parses; the report must be there exactly when it is refused, and well formed.  Returns the report (heap). */
static char *refused(const char *text, size_t len)
{
    struct drift_config *c = NULL;
    struct drift_buf report;
    drift_buf_init(&report, 1 << 20);
    int rc = drift_config_parse("x.yaml", text, len, &c, &report);
    if (!rc) {
        ck_assert_uint_eq(report.len, 0);
        drift_config_free(c);
        return NULL;
    }
    ck_assert_int_eq(rc, DRIFT_E_CONFIG);
    ck_assert(report.len > 0 && report.data[report.len - 1] == '\n' && !report.full);
    char *out = drift_xstrdup(report.data);
    drift_buf_release(&report);
    for (const char *line = out; *line; line = strchr(line, '\n') + 1)
        ck_assert_msg(!strncmp(line, "x.yaml:", 7), "%s", line);
    for (const char *p = out; *p; p++)
        ck_assert_msg(*p == '\n' || ((unsigned char)*p >= 0x20 && *p != 0x7f), "control byte in the report");
    return out;
}

static void says(const char *text, size_t len, const char *what)
{
    char *report = refused(text, len);
    ck_assert_ptr_nonnull(report);
    ck_assert_msg(strstr(report, what) != NULL, "%.300s", report);
    free(report);
}

static char *repeat(const char *head, const char *piece, size_t n, size_t *ret_len)
{
    size_t h = strlen(head), p = strlen(piece);
    char *s = drift_xcalloc(1, h + n * p + 1);
    memcpy(s, head, h);
    for (size_t i = 0; i < n; i++)
        memcpy(s + h + i * p, piece, p);
    *ret_len = h + n * p;
    return s;
}

START_TEST(billion_laughs)
{
    struct drift_buf b;
    drift_buf_init(&b, 1 << 16);
    drift_buf_adds(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 10; i++) {
        drift_buf_addf(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            drift_buf_addf(&b, "%s*a%d", k ? ", " : "", i - 1);
        drift_buf_adds(&b, "]\n");
    }
    says(b.data, b.len, "more values than a configuration can have");
    drift_buf_release(&b);
}
END_TEST

START_TEST(depth_by_brackets_and_by_aliases)
{
    size_t len;
    char *s = repeat("a: ", "[", 100000, &len);
    says(s, len, "nested deeper than 16 levels");
    free(s);
    s = repeat("", "{a: ", 100000, &len);
    says(s, len, "nested deeper than 16 levels");
    free(s);
    s = repeat("", "- ", 100000, &len);
    says(s, len, "nested deeper than 16 levels");
    free(s);
    struct drift_buf b;
    drift_buf_init(&b, 1 << 16);
    drift_buf_adds(&b, "a0: &a0 [x]\n");
    for (int i = 1; i < 30; i++)
        drift_buf_addf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    says(b.data, b.len, "nested deeper than 16 levels");
    drift_buf_release(&b);
}
END_TEST

START_TEST(numbers_of_things)
{
    size_t len;
    char *s = repeat("a: [", "x,", 200000, &len);
    says(s, len, "more values than a configuration can have");
    free(s);
    s = repeat("a: [", "&a x,", 2000, &len);
    says(s, len, "more than 1000 anchors");
    free(s);
    s = repeat("", "a: 1\n", 40000, &len); /* one key, 40000 times */
    says(s, len, "... and 39");
    free(s);
    s = repeat("version: 1\nowners: {", "? 'x", 50000, &len);
    free(refused(s, len));
    free(s);
    s = repeat("a: ", "x", 20000, &len);
    says(s, len, "longer than 16384 bytes");
    free(s);
    s = repeat("", "#", (1 << 20) + 1, &len);
    says(s, len, "larger than 1 MiB");
    free(s);
    s = repeat("", "\n", 1 << 20, &len);
    says(s, len, "is empty");
    free(s);
    s = repeat("owners: {", "\"x\": {},", 100000, &len);
    says(s, len, "more values than a configuration can have");
    free(s);
    struct drift_buf b;
    drift_buf_init(&b, 1 << 20);
    drift_buf_adds(&b, "owners:\n");
    for (int i = 0; i < 1001; i++)
        drift_buf_addf(&b, "  o%d: {}\n", i);
    says(b.data, b.len, "owners: more than 1000 entries");
    drift_buf_release(&b);
}
END_TEST

START_TEST(encodings)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *says;
    } t[] = {
        {"version: 1\n a\0b", 14, "x.yaml:2:3: not text in UTF-8: a NUL byte"},
        {"a: \xff\xfe\n", 6, "not text in UTF-8"},
        {"a: \xc0\xaf\n", 6, "not text in UTF-8"},     /* overlong */
        {"a: \xed\xa0\x80\n", 7, "not text in UTF-8"}, /* surrogate */
        {"a: \xe2\x82", 5, "not text in UTF-8"},       /* cut */
        {"\xff\xfe"
         "a\0:\0 \0001\0",
         10, "not text in UTF-8"}, /* UTF-16 */
        {"a: \x1b[31m\n", 9, "not text in UTF-8"},
        {"", 0, "is empty"},
        {"\xef\xbb\xbf", 3, "is empty"},
        {"%YAML 9.9\n---\na: 1\n", 19, "not YAML"},
        {"\"a\\e[31mb\": 1\n", 14, "a?[31mb: unknown key"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        says(t[i].bytes, t[i].len, t[i].says);
}
END_TEST

/* Any change of an example either loads or is refused with a well-formed report. */
START_TEST(mutations_never_crash)
{
    struct drift_rng rng = drift_rng_new(1);
    size_t len, accepted = 0, rejected = 0;
    char *demo = drift_test_read(DRIFTD_SOURCE_DIR "/config/phishing-avro.yaml", &len);
    static const char bytes[] = "{}[]:,&*!|>'\"%@`#- \n\t\\0a~\x80\xff";
    const char *more = getenv("DRIFTD_CASES");
    size_t n = more ? (size_t)strtoul(more, NULL, 10) : 1500;
    for (size_t i = 0; i < n; i++) {
        size_t m = i % 10 ? len : drift_rng_below(&rng, len);
        char *s = drift_xcalloc(1, m + 1);
        memcpy(s, demo, m);
        for (uint64_t k = 1 + drift_rng_below(&rng, 4); m && k > 0; k--)
            s[drift_rng_below(&rng, m)] = bytes[drift_rng_below(&rng, sizeof bytes - 1)];
        char *report = refused(s, m);
        report ? rejected++ : accepted++;
        free(report);
        free(s);
    }
    printf("%zu accepted, %zu rejected\n", accepted, rejected);
    ck_assert_uint_gt(rejected, n / 10);
    ck_assert_uint_gt(accepted, n / 100);
    free(demo);
}
END_TEST

START_TEST(tree_has_positions)
{
    static const char text[] = "a: 1\nb:\n  - 'x'\n  - {c: d}\n";
    struct drift_memory *m = drift_memory_new();
    struct drift_problems *ps = drift_xcalloc(1, sizeof *ps);
    const struct drift_node *root = drift_yaml_parse(m, text, strlen(text), ps);
    ck_assert_ptr_nonnull(root);
    const struct drift_node *b = drift_node_get(root, "b");
    ck_assert_uint_eq(b->n, 2);
    ck_assert(!b->item[0]->plain && b->item[0]->line == 3 && b->item[0]->column == 5);
    const struct drift_node *d = drift_node_get(b->item[1], "c");
    ck_assert(d->plain && d->line == 4 && d->column == 9);
    ck_assert_ptr_null(drift_node_get(root, "c"));
    ck_assert_ptr_null(drift_node_get(b, "c"));
    ck_assert_uint_eq(root->weight, 9);
    ck_assert_uint_eq(root->height, 4);
    drift_problems_release(ps);
    free(ps);
    drift_memory_free(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("yaml");
    drift_test_add(suite, "laughs", billion_laughs, 10);
    drift_test_add(suite, "depth", depth_by_brackets_and_by_aliases, 20);
    drift_test_add(suite, "numbers", numbers_of_things, 30);
    drift_test_add(suite, "encodings", encodings, 10);
    drift_test_add(suite, "mutations", mutations_never_crash, 60);
    drift_test_add(suite, "positions", tree_has_positions, 10);
    return drift_test_run(suite);
}
