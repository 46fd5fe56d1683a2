/* src/config/secret.c    Reads secrets from where the configuration says; they are wiped when freed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driftd/internal/config/config.h"

enum { SECRET_MAX = 64 << 10 };

/* Whole file into buf of SECRET_MAX + 1 bytes. */
static int file_read(int fd, const char *file, char *buf, size_t *ret_n, struct drift_err *err)
{
    struct stat st;
    size_t n = 0;
    if (fstat(fd, &st) < 0)
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read secret file %s: %s", file, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "secret file %s is not a regular file", file);
    if (st.st_mode & S_IRWXO)
        return drift_fail(err, DRIFT_E_DENIED, DRIFT_STOP, "secret file %s is open to everybody: chmod o-rwx it", file);
    for (ssize_t got; n <= SECRET_MAX && (got = read(fd, buf + n, SECRET_MAX + 1 - n)) != 0;) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read secret file %s: %s", file, strerror(errno));
        n += (size_t)got;
    }
    *ret_n = n;
    return 0;
}

static int from_file(const char *file, char *buf, size_t *ret_n, struct drift_err *err)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return drift_fail(err, errno == ENOENT ? DRIFT_E_NOT_FOUND : DRIFT_E_IO, DRIFT_STOP,
                          "cannot read secret file %s: %s", file, strerror(errno));
    int rc = file_read(fd, file, buf, ret_n, err);
    close(fd);
    return rc;
}

static int from_env(const char *env, char *buf, size_t *ret_n, struct drift_err *err)
{
    const char *value = getenv(env);
    if (!value)
        return drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_STOP, "environment variable %s of a secret is not set", env);
    *ret_n = strnlen(value, SECRET_MAX + 1);
    memcpy(buf, value, *ret_n);
    return 0;
}

static int text_check(const struct drift_secret *s, const char *buf, size_t n, struct drift_err *err)
{
    const char *where = s->file ? s->file : s->env;
    if (n > SECRET_MAX)
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "secret in %s is longer than 64 KiB", where);
    if (!n)
        return drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_STOP, "secret in %s is empty", where);
    if (memchr(buf, 0, n))
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "secret in %s has a NUL byte", where);
    return 0;
}

int drift_secret_load(const struct drift_secret *s, char **ret_text, struct drift_err *err)
{
    if (!s->file && !s->env)
        return drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_STOP, "no secret is configured");
    char *buf = drift_xcalloc(1, SECRET_MAX + 2);
    size_t n = 0;
    int rc = s->file ? from_file(s->file, buf, &n, err) : from_env(s->env, buf, &n, err);
    if (!rc && n <= SECRET_MAX && n && buf[n - 1] == '\n')
        n -= n > 1 && buf[n - 2] == '\r' ? 2 : 1;
    if (!rc)
        rc = text_check(s, buf, n, err);
    if (!rc) {
        *ret_text = drift_xcalloc(1, n + 1);
        memcpy(*ret_text, buf, n);
    }
    explicit_bzero(buf, SECRET_MAX + 2);
    free(buf);
    return rc;
}

void drift_secret_free(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}
