/* src/config/problem.c    Collects what is wrong with a file and prints it in order of position. */
#include "driftd/internal/config/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 1024 };

static void clean(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '?';
}

void drift_problem_add(struct drift_problems *ps, uint32_t line, uint32_t column, const char *path, const char *fmt,
                       ...)
{
    char text[TEXT_MAX];
    if (ps->n == DRIFT_PROBLEMS_MAX) {
        ps->dropped++;
        return;
    }
    int n = *path ? snprintf(text, sizeof text, "%s: ", path) : 0;
    va_list ap;
    va_start(ap, fmt);
    if (n >= 0 && (size_t)n < sizeof text)
        vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
    va_end(ap);
    clean(text);
    struct drift_problem *p = &ps->list[ps->n];
    p->line = line;
    p->column = column;
    p->order = ps->n++;
    p->text = drift_xstrdup(text);
}

static int by_position(const void *a, const void *b)
{
    const struct drift_problem *p = a, *q = b;
    if (p->line != q->line)
        return p->line < q->line ? -1 : 1;
    if (p->column != q->column)
        return p->column < q->column ? -1 : 1;
    return p->order < q->order ? -1 : 1;
}

void drift_problems_print(struct drift_problems *ps, const char *file, const char *prefix, struct drift_buf *out)
{
    qsort(ps->list, ps->n, sizeof *ps->list, by_position);
    for (size_t i = 0; i < ps->n; i++)
        drift_buf_addf(out, "%s:%u:%u: %s%s\n", file, ps->list[i].line, ps->list[i].column, prefix, ps->list[i].text);
    if (ps->dropped)
        drift_buf_addf(out, "%s: %s... and %zu more\n", file, prefix, ps->dropped);
}

void drift_problems_release(struct drift_problems *ps)
{
    for (size_t i = 0; i < ps->n; i++)
        free(ps->list[i].text);
    ps->n = ps->dropped = 0;
}
