/* tests/fuzz/fuzz_csv.c    Any bytes as CSV: no crash, bounded, and records written with every field quoted come back.
 */
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/cli/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORD_MAX = 4096, FIELDS_MAX = 64 };

static void must(bool good)
{
    if (!good)
        abort();
}

/* Gives the text line by line, each from memory of its own size.  n_left: what was not looked at. */
static enum drift_csv_state next(struct drift_csv *c, const char **text, size_t *n_left, char **line)
{
    enum drift_csv_state state = DRIFT_CSV_MORE;
    while (*n_left && state == DRIFT_CSV_MORE) {
        const char *lf = memchr(*text, '\n', *n_left), *why = NULL;
        size_t len = lf ? (size_t)(lf - *text) : *n_left;
        bool cr = lf && len && (*text)[len - 1] == '\r';
        free(*line);
        *line = malloc(len - cr + !(len - cr));
        memcpy(*line, *text, len - cr);
        state = drift_csv_line(c, *line, len - cr, cr, &why);
        must((state == DRIFT_CSV_BAD) == (why != NULL));
        *n_left -= len + (lf != NULL);
        *text += len + (lf != NULL);
    }
    return state;
}

static void back(const struct drift_csv *c)
{
    struct drift_buf b;
    struct drift_csv again;
    char *line = NULL;
    drift_buf_init(&b, 4 * (RECORD_MAX + FIELDS_MAX) + (1 << 20));
    for (size_t i = 0; i < c->n_fields; i++) {
        drift_buf_adds(&b, i ? ",\"" : "\"");
        for (size_t k = 0; k < c->field[i].n; k++)
            drift_buf_add(&b, c->field[i].p[k] == '"' ? "\"\"" : &c->field[i].p[k], 1 + (c->field[i].p[k] == '"'));
        drift_buf_adds(&b, "\"");
    }
    drift_buf_adds(&b, "\n");
    must(!b.full);
    drift_csv_init(&again, b.len + 2, FIELDS_MAX);
    const char *text = b.data;
    size_t left = b.len;
    must(next(&again, &text, &left, &line) == DRIFT_CSV_RECORD && !left && again.n_fields == c->n_fields);
    for (size_t i = 0; i < c->n_fields; i++)
        must(again.field[i].n == c->field[i].n &&
             (!c->field[i].n || !memcmp(again.field[i].p, c->field[i].p, c->field[i].n)));
    free(line);
    drift_csv_release(&again);
    drift_buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct drift_csv c;
    const char *text = (const char *)data;
    char *line = NULL;
    size_t left = size < 1 << 18 ? size : 1 << 18;
    enum drift_csv_state state = DRIFT_CSV_RECORD;
    drift_csv_init(&c, RECORD_MAX, FIELDS_MAX);
    while (left && state == DRIFT_CSV_RECORD) {
        state = next(&c, &text, &left, &line);
        must(c.n_fields <= FIELDS_MAX);
        if (state == DRIFT_CSV_RECORD)
            back(&c);
    }
    free(line);
    drift_csv_release(&c);
    return 0;
}
