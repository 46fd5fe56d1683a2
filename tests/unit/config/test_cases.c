/* tests/unit/config/test_cases.c    tests/data/config: one folder a case, input.yaml and what is said about it. */
#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/config/config.h"

#define CASES DRIFTD_SOURCE_DIR "/tests/data/config/"

static void path_of(char *buf, size_t cap, const char *kind, const char *name, const char *file)
{
    snprintf(buf, cap, CASES "%s/%s/%s", kind, name, file);
}

static void case_run(const char *kind, const char *name)
{
    char path[4096];
    size_t len;
    bool valid = !strcmp(kind, "valid");
    path_of(path, sizeof path, kind, name, "input.yaml");
    char *input = drift_test_read(path, &len);
    path_of(path, sizeof path, kind, name, valid ? "warnings" : "errors");
    char *expected = drift_test_read(path, NULL);
    struct drift_config *c = NULL;
    struct drift_buf report;
    drift_buf_init(&report, 1 << 20);
    int rc = drift_config_parse("input.yaml", input, len, &c, &report);
    ck_assert_msg(rc == (valid ? 0 : DRIFT_E_CONFIG), "%s/%s: returned %d\n%s", kind, name, rc, report.data);
    const char *said = valid ? c->warnings : report.data;
    ck_assert_msg(!strcmp(said, expected), "%s/%s says\n%s--- instead of\n%s", kind, name, said, expected);
    ck_assert(valid || *expected);
    drift_config_free(c);
    drift_buf_release(&report);
    free(input);
    free(expected);
}

static int cases_run(const char *kind)
{
    char path[4096];
    int n = 0;
    snprintf(path, sizeof path, CASES "%s", kind);
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        case_run(kind, e->d_name);
        n++;
    }
    closedir(d);
    printf("%d %s cases\n", n, kind);
    return n;
}

START_TEST(invalid_cases_say_all_their_errors_in_order)
{
    ck_assert_int_ge(cases_run("invalid"), 38);
}
END_TEST

START_TEST(valid_cases_load)
{
    ck_assert_int_ge(cases_run("valid"), 9);
}
END_TEST

START_TEST(examples_load_without_warnings)
{
    static const char *const files[] = {"demo.yaml", "nslkdd.yaml", "phishing-avro.yaml"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[4096];
        struct drift_config *c = NULL;
        struct drift_buf report;
        drift_buf_init(&report, 1 << 20);
        snprintf(path, sizeof path, "%s/config/%s", DRIFTD_SOURCE_DIR, files[i]);
        ck_assert_msg(drift_config_load(path, &c, &report) == 0, "%s", report.data);
        ck_assert_str_eq(c->warnings, "");
        ck_assert_uint_ge(c->n_models, 1);
        drift_config_free(c);
        drift_buf_release(&report);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config cases");
    drift_test_add(suite, "invalid", invalid_cases_say_all_their_errors_in_order, 20);
    drift_test_add(suite, "valid", valid_cases_load, 20);
    drift_test_add(suite, "examples", examples_load_without_warnings, 20);
    return drift_test_run(suite);
}
