/* tests/unit/config/test_secret.c    Secrets from files and the environment, and what is refused. */
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driftd/internal/config/config.h"

static char path[] = "secret.XXXXXX";

static void file_make(const void *bytes, size_t n, mode_t mode)
{
    strcpy(path + sizeof path - 7, "XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

static int load(char **ret, struct drift_err *err)
{
    struct drift_secret s = {.file = path};
    int rc = drift_secret_load(&s, ret, err);
    unlink(path);
    return rc;
}

START_TEST(a_file_without_its_line_end)
{
    static const struct {
        const char *in, *out;
    } t[] = {{"abc\n", "abc"}, {"abc\r\n", "abc"}, {"abc", "abc"}, {"a b\n\n", "a b\n"}, {" abc ", " abc "}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        char *text = NULL;
        file_make(t[i].in, strlen(t[i].in), 0640);
        ck_assert_int_eq(load(&text, NULL), 0);
        ck_assert_str_eq(text, t[i].out);
        drift_secret_free(text);
    }
}
END_TEST

START_TEST(a_file_open_to_others_is_refused)
{
    static const mode_t modes[] = {0644, 0602, 0601};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct drift_err err = {0};
        char *text = NULL;
        file_make("planted-secret", 14, modes[i]);
        ck_assert_int_eq(load(&text, &err), DRIFT_E_DENIED);
        ck_assert_ptr_null(text);
        ck_assert_ptr_null(strstr(err.text, "planted-secret"));
        ck_assert_ptr_nonnull(strstr(err.text, "chmod"));
    }
}
END_TEST

START_TEST(sizes_and_contents_are_bounded)
{
    struct drift_err err = {0};
    char *text = NULL, *big = calloc(1, (64 << 10) + 1);
    memset(big, 'x', (64 << 10) + 1);
    file_make(big, 64 << 10, 0600);
    ck_assert_int_eq(load(&text, &err), 0);
    ck_assert_uint_eq(strlen(text), 64 << 10);
    drift_secret_free(text);
    file_make(big, (64 << 10) + 1, 0600);
    ck_assert_int_eq(load(&text, &err), DRIFT_E_IO);
    file_make("a\0b", 3, 0600);
    ck_assert_int_eq(load(&text, &err), DRIFT_E_IO);
    file_make("\n", 1, 0600);
    ck_assert_int_eq(load(&text, &err), DRIFT_E_NOT_FOUND);
    file_make("", 0, 0600);
    ck_assert_int_eq(load(&text, &err), DRIFT_E_NOT_FOUND);
    free(big);
}
END_TEST

START_TEST(only_regular_files)
{
    struct drift_err err = {0};
    char *text = NULL;
    struct drift_secret missing = {.file = (char[]){"/nonexistent/secret"}}, dir = {.file = (char[]){"/"}},
                        fifo = {.file = (char[]){"secret.fifo"}}; /* must not block */
    ck_assert_int_eq(drift_secret_load(&missing, &text, &err), DRIFT_E_NOT_FOUND);
    ck_assert_int_eq(drift_secret_load(&dir, &text, &err), DRIFT_E_IO);
    unlink(fifo.file);
    ck_assert_int_eq(mkfifo(fifo.file, 0600), 0);
    ck_assert_int_eq(drift_secret_load(&fifo, &text, &err), DRIFT_E_IO);
    unlink(fifo.file);
}
END_TEST

START_TEST(environment)
{
    struct drift_err err = {0};
    char *text = NULL;
    struct drift_secret s = {.env = (char[]){"DRIFTD_TEST_SECRET"}}, none = {0};
    unsetenv(s.env);
    ck_assert_int_eq(drift_secret_load(&s, &text, &err), DRIFT_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, s.env));
    setenv(s.env, "value\n", 1);
    ck_assert_int_eq(drift_secret_load(&s, &text, &err), 0);
    ck_assert_str_eq(text, "value");
    drift_secret_free(text);
    setenv(s.env, "", 1);
    ck_assert_int_eq(drift_secret_load(&s, &text, &err), DRIFT_E_NOT_FOUND);
    ck_assert_int_eq(drift_secret_load(&none, &text, &err), DRIFT_E_NOT_FOUND);
    drift_secret_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("secret");
    drift_test_add(suite, "file", a_file_without_its_line_end, 10);
    drift_test_add(suite, "others", a_file_open_to_others_is_refused, 10);
    drift_test_add(suite, "bounds", sizes_and_contents_are_bounded, 10);
    drift_test_add(suite, "regular", only_regular_files, 10);
    drift_test_add(suite, "environment", environment, 10);
    return drift_test_run(suite);
}
