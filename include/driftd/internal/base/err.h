/* err.h - an error as a value: code, what to do, and one line of text.
 *
 * The struct lives on the caller's stack.  It is written on failure only, and the first error wins: a
 * callee sets it, a caller may prefix it.  Text is lower case, without a full stop, says what happened,
 * where, and (when the reader can do something) what to do next. */
#ifndef DRIFTD_BASE_ERR_H
#define DRIFTD_BASE_ERR_H

#include "driftd/error.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum drift_do {
    DRIFT_STOP = 0, /* we cannot be right: flush, exit non-zero, the supervisor restarts */
    DRIFT_RETRY,    /* the world is bad now: back off and try again, nothing is lost */
    DRIFT_SKIP      /* this one thing is bad: count it, go on */
};

enum { DRIFT_ERR_TEXT = 512 };

struct drift_err {
    enum drift_code code;
    enum drift_do action;
    char text[DRIFT_ERR_TEXT];
};

#define DRIFT_MUST_CHECK __attribute__((warn_unused_result))
#define DRIFT_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Fills *err (may be NULL) and returns code, so that `return drift_fail(err, ...)` reads well. */
int drift_fail(struct drift_err *err, enum drift_code code, enum drift_do action, const char *fmt, ...)
    DRIFT_PRINTF(4, 5);

/* Puts "prefix: " before the text that is there.  err may be NULL. */
void drift_err_prefix(struct drift_err *err, const char *fmt, ...) DRIFT_PRINTF(2, 3);

/* Our own invariant broke: prints file:line and aborts, in release builds too. */
void drift_bug_at(const char *file, int line, const char *what) __attribute__((noreturn));
#define drift_bug(what) drift_bug_at(__FILE__, __LINE__, (what))

/* malloc and friends for sizes that settings bound: abort with a message when memory is gone. */
void *drift_xcalloc(size_t n, size_t size);
void *drift_xrealloc(void *p, size_t n, size_t size);
char *drift_xstrdup(const char *s);
char *drift_xstrndup(const char *s, size_t n);
char *drift_xasprintf(const char *fmt, ...) DRIFT_PRINTF(1, 2);

#ifdef __cplusplus
}
#endif
#endif
