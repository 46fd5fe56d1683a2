/* src/base/err.c    Errors as values, and the two ways to die: a bug, no memory. */
#include "driftd/internal/base/err.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int drift_fail(struct drift_err *err, enum drift_code code, enum drift_do action, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        err->code = code;
        err->action = action;
        va_start(ap, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
    }
    return (int)code;
}

void drift_err_prefix(struct drift_err *err, const char *fmt, ...)
{
    char old[DRIFT_ERR_TEXT];
    if (!err)
        return;
    memcpy(old, err->text, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof err->text)
        snprintf(err->text + n, sizeof err->text - (size_t)n, ": %.*s", (int)(sizeof err->text - (size_t)n), old);
}

void drift_bug_at(const char *file, int line, const char *what)
{
    fprintf(stderr, "driftd: bug at %s:%d: %s\n", file, line, what);
    abort();
}

static void no_memory(size_t n)
{
    fprintf(stderr, "driftd: out of memory asking for %zu bytes\n", n);
    abort();
}

void *drift_xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        no_memory(n * size);
    return p;
}

void *drift_xrealloc(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n ? n : 1, size ? size : 1, &bytes))
        no_memory(SIZE_MAX);
    void *q = realloc(p, bytes);
    if (!q)
        no_memory(bytes);
    return q;
}

char *drift_xstrdup(const char *s)
{
    return drift_xstrndup(s, strlen(s));
}

char *drift_xstrndup(const char *s, size_t n)
{
    char *p = drift_xcalloc(n + 1, 1);
    if (n)
        memcpy(p, s, n);
    return p;
}

char *drift_xasprintf(const char *fmt, ...)
{
    char *p;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&p, fmt, ap) < 0)
        no_memory(0);
    va_end(ap);
    return p;
}
