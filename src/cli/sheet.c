/* src/cli/sheet.c    A table of short texts, for eyes or as Markdown. */
#include "driftd/internal/cli/sheet.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_MAX = 512 };

struct drift_sheet {
    const char *const *title;
    size_t n_columns, n_cells, cap;
    char **cell;
};

struct drift_sheet *drift_sheet_new(const char *const *title, size_t n)
{
    struct drift_sheet *s = drift_xcalloc(1, sizeof *s);
    s->title = title;
    s->n_columns = n;
    return s;
}

void drift_sheet_free(struct drift_sheet *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_cells; i++)
        free(s->cell[i]);
    free(s->cell);
    free(s);
}

void drift_sheet_add(struct drift_sheet *s, const char *fmt, ...)
{
    char text[CELL_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (s->n_cells == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->cell = drift_xrealloc(s->cell, s->cap, sizeof *s->cell);
    }
    s->cell[s->n_cells++] = drift_xstrdup(text);
}

void drift_sheet_number(struct drift_sheet *s, int digits, double v)
{
    if (isnan(v))
        drift_sheet_add(s, "-");
    else if (fabs(v) < 1e6)
        drift_sheet_add(s, "%.*f", digits, v);
    else
        drift_sheet_add(s, "%.*e", digits, v);
}

void drift_sheet_p(struct drift_sheet *s, double v)
{
    if (isnan(v))
        drift_sheet_add(s, "-");
    else if (v == 0)
        drift_sheet_add(s, "<1e-307");
    else
        drift_sheet_add(s, "%.2g", v);
}

/* Characters of UTF-8; of anything else some number up to its bytes. */
static size_t width(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static bool to_the_right(const struct drift_sheet *s, size_t column)
{
    return s->title[column][0] == '>';
}

static const char *text_of(const struct drift_sheet *s, size_t row, size_t column)
{
    return row ? s->cell[(row - 1) * s->n_columns + column] : s->title[column] + to_the_right(s, column);
}

static void print_line(const struct drift_sheet *s, FILE *out, size_t row, const size_t *wide)
{
    for (size_t i = 0; i < s->n_columns; i++) {
        const char *text = text_of(s, row, i);
        int pad = (int)(wide[i] - width(text));
        bool last = i + 1 == s->n_columns;
        fprintf(out, "%*s%s%*s%s", to_the_right(s, i) ? pad : 0, "", text, to_the_right(s, i) || last ? 0 : pad, "",
                last ? "\n" : "  ");
    }
}

static void print_markdown(const struct drift_sheet *s, FILE *out, size_t row)
{
    for (size_t i = 0; i < s->n_columns; i++) {
        fputs(i ? " " : "| ", out);
        for (const char *text = text_of(s, row, i), *p = text; *p; p++) {
            if (strchr("\\|`*<[", *p) || (*p == '_' && (p == text || !p[1]))) /* `_` within a word is itself */
                fputc('\\', out);
            fputc(*p, out);
        }
        fputs(" |", out);
    }
    fputc('\n', out);
    for (size_t i = 0; !row && i < s->n_columns; i++)
        fprintf(out, "%s%s|%s", i ? "" : "|", to_the_right(s, i) ? "--:" : ":--", i + 1 == s->n_columns ? "\n" : "");
}

void drift_sheet_print(const struct drift_sheet *s, FILE *out, bool markdown)
{
    size_t rows = 1 + s->n_cells / s->n_columns, *wide = drift_xcalloc(s->n_columns, sizeof *wide);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < s->n_columns; i++)
            wide[i] = width(text_of(s, r, i)) > wide[i] ? width(text_of(s, r, i)) : wide[i];
    for (size_t r = 0; r < rows; r++)
        if (markdown)
            print_markdown(s, out, r);
        else
            print_line(s, out, r, wide);
    free(wide);
}
