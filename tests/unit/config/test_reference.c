/* tests/unit/config/test_reference.c    What is generated from the schema table: fresh, complete, and true.
 *
 * Stale files are made anew by `driftd check --reference > docs/configuration.md` and
 * `driftd check --json-schema > config/driftd.schema.json`. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "driftd/internal/config/schema.h"

static void fresh(const char *file, void (*make)(struct drift_buf *))
{
    char path[4096];
    struct drift_buf b;
    drift_buf_init(&b, 4 << 20);
    make(&b);
    snprintf(path, sizeof path, "%s/%s", DRIFTD_SOURCE_DIR, file);
    char *tree = drift_test_read(path, NULL);
    ck_assert_msg(!b.full && !strcmp(tree, b.data), "%s is stale: make it anew from the schema table", file);
    free(tree);
    drift_buf_release(&b);
}

START_TEST(files_in_the_tree_are_fresh)
{
    fresh("docs/configuration.md", drift_config_reference);
    fresh("config/driftd.schema.json", drift_config_json_schema);
}
END_TEST

/* Every key in the section of its map, as `dotted.key`, with its help. */
static size_t keys_find(const struct drift_schema_row *rows, const char *section, const char *title, const char *prefix)
{
    size_t n = 0;
    for (const struct drift_schema_row *row = rows; row->key; row++, n++) {
        char want[512], next[256];
        bool many = row->elem && row->elem->type == DRIFT_T_MAP;
        snprintf(want, sizeof want, "\n| `%s%s` | ", prefix, row->key);
        const char *end = strstr(section + 1, "\n## "), *found = strstr(section, want);
        ck_assert_msg(found && (!end || found < end), "%s%s is not in the section %s", prefix, row->key, title);
        ck_assert_msg(row->help && *row->help, "%s%s has no help", prefix, row->key);
        ck_assert_ptr_nonnull(strstr(found, row->help));
        snprintf(next, sizeof next, "%s%s.", prefix, row->key);
        if (row->sub)
            n += keys_find(row->sub, section, title, next);
        if (!many)
            continue;
        const char *dot = strcmp(title, "Top level") == 0 ? "" : ".";
        snprintf(next, sizeof next, "%s%s%s%s", *dot ? title : "", dot, row->key,
                 row->type == DRIFT_T_LIST ? "[]" : ".NAME");
        snprintf(want, sizeof want, "\n## `%s`\n", next);
        ck_assert_msg(strstr(section, want) != NULL, "no section %s", next);
        n += keys_find(row->elem->sub, strstr(section, want), next, "");
    }
    return n;
}

START_TEST(every_key_is_in_the_reference)
{
    struct drift_buf b;
    size_t n = 0;
    drift_buf_init(&b, 1 << 20);
    drift_config_reference(&b);
    const char *top = strstr(b.data, "\n## Top level");
    for (const struct drift_schema_row *row = drift_schema_root.sub; row->key; row++) {
        struct drift_schema_row flat[2] = {*row, {.key = NULL}};
        char title[128];
        if (row->type == DRIFT_T_MAP)
            flat[0].sub = NULL;
        n += keys_find(flat, top, "Top level", "");
        if (row->type != DRIFT_T_MAP)
            continue;
        snprintf(title, sizeof title, "\n## `%s`\n", row->key);
        ck_assert_ptr_nonnull(strstr(top, title));
        n += keys_find(row->sub, strstr(top, title), row->key, "");
    }
    printf("%zu keys\n", n);
    ck_assert_uint_ge(n, 110);
    drift_buf_release(&b);
}
END_TEST

/* An independent validator takes the examples and refuses changed ones. */
START_TEST(json_schema_agrees_with_the_examples)
{
    char line[256], last[256] = "";
    FILE *p = popen(
        "/usr/bin/python3 " DRIFTD_SOURCE_DIR "/tests/unit/config/json_schema.py " DRIFTD_SOURCE_DIR " 2>&1", "r");
    ck_assert_ptr_nonnull(p);
    while (fgets(line, sizeof line, p)) {
        fputs(line, stdout);
        strcpy(last, line);
    }
    int status = pclose(p);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "json_schema.py: %s", last);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reference");
    drift_test_add(suite, "fresh", files_in_the_tree_are_fresh, 10);
    drift_test_add(suite, "every key", every_key_is_in_the_reference, 10);
    drift_test_add(suite, "JSON Schema", json_schema_agrees_with_the_examples, 60);
    return drift_test_run(suite);
}
