/* src/cli/table.c    Rows of CSV and NDJSON files as events, for `compare`. */
#include "driftd/internal/cli/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/cli.h"
#include "driftd/internal/cli/source.h"
#include "driftd/internal/decode/decoder.h"

enum { RECORD_MAX = 64 << 20, NONE = -1 };

enum role { FEATURE, LABEL, SCORE, IGNORED };

struct field { /* of a CSV row, in the row's buffer */
    char *p;
    size_t n;
};

struct column {
    char *name;
    enum role role;
    enum drift_kind type; /* configured; 0: none */
    bool text;            /* CSV: values are categories as they stand */
    uint32_t slot;        /* of a feature, in fields */
};

struct drift_table {
    struct drift_table_settings set;
    /* all columns seen, and where their names hash to */
    uint32_t n, cap, cap_hash;
    struct column *column;
    uint32_t *hash; /* open addressing: column + 1 */
    /* the features among them */
    struct drift_fields fields;
    double *num;
    uint8_t *kind;
    struct drift_str *str;
    /* the row */
    struct drift_event ev;
    struct drift_buf row; /* CSV: the record; NDJSON: its texts */
    struct field *field;
    size_t n_field, cap_field;
    uint32_t *header; /* CSV: column of each place in a row */
    size_t n_header;
    struct drift_decoder *json;
};

struct drift_table *drift_table_new(const struct drift_table_settings *s)
{
    struct drift_table *t = drift_xcalloc(1, sizeof *t);
    t->set = *s;
    t->fields.max = DRIFT_COLUMNS_MAX;
    drift_buf_init(&t->row, RECORD_MAX + 1);
    return t;
}

void drift_table_free(struct drift_table *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < t->n; i++)
        free(t->column[i].name);
    free(t->column);
    free(t->hash);
    free(t->fields.names);
    free(t->num);
    free(t->kind);
    free(t->str);
    free(t->field);
    free(t->header);
    drift_decoder_free(t->json);
    drift_buf_release(&t->row);
    free(t);
}

/* ---- columns ---- */

static enum role role_of(const struct drift_table *t, const char *name)
{
    if (t->set.label && !strcmp(name, t->set.label))
        return LABEL;
    if (t->set.score && !strcmp(name, t->set.score))
        return SCORE;
    if (!t->set.n_columns)
        return FEATURE;
    for (size_t i = 0; i < t->set.n_columns; i++)
        if (drift_glob_match(t->set.columns[i], name))
            return FEATURE;
    return IGNORED;
}

static uint32_t *hash_place(const struct drift_table *t, const char *p, size_t n)
{
    for (uint64_t i = drift_hash64(p, n);; i++) {
        uint32_t *at = &t->hash[i & (t->cap_hash - 1)];
        const char *name = *at ? t->column[*at - 1].name : NULL;
        if (!name || (!strncmp(name, p, n) && !name[n]))
            return at;
    }
}

static void grow(struct drift_table *t)
{
    t->cap = t->cap ? 2 * t->cap : 64;
    t->column = drift_xrealloc(t->column, t->cap, sizeof *t->column);
    t->fields.names = drift_xrealloc(t->fields.names, t->cap, sizeof *t->fields.names);
    t->num = drift_xrealloc(t->num, t->cap, sizeof *t->num);
    t->kind = drift_xrealloc(t->kind, t->cap, sizeof *t->kind);
    t->str = drift_xrealloc(t->str, t->cap, sizeof *t->str);
    free(t->hash);
    t->cap_hash = 4 * t->cap;
    t->hash = drift_xcalloc(t->cap_hash, sizeof *t->hash);
    for (uint32_t i = 0; i < t->n; i++)
        *hash_place(t, t->column[i].name, strlen(t->column[i].name)) = i + 1;
}

static enum drift_kind type_of(const struct drift_table *t, const struct column *c)
{
    if (c->role == LABEL)
        return DRIFT_CATEGORICAL;
    if (c->role == SCORE)
        return DRIFT_NUMERIC;
    return drift_model_type(t->set.model, c->name);
}

/* A column by its name, made when it is new; NONE when there are too many. */
static int32_t column_of(struct drift_table *t, const char *name, size_t n)
{
    if (t->cap) {
        uint32_t at = *hash_place(t, name, n);
        if (at)
            return (int32_t)at - 1;
    }
    if (t->n == t->fields.max)
        return NONE;
    if (t->n == t->cap)
        grow(t);
    struct column *c = &t->column[t->n];
    *c = (struct column){.name = drift_xstrndup(name, n)};
    c->role = role_of(t, c->name);
    c->type = type_of(t, c);
    c->text = c->type == DRIFT_CATEGORICAL;
    if (c->role == FEATURE) {
        c->slot = t->fields.n++;
        t->fields.names[c->slot] = c->name;
        t->fields.generation++;
        t->kind[c->slot] = DRIFT_V_ABSENT;
    }
    *hash_place(t, name, n) = ++t->n;
    return (int32_t)t->n - 1;
}

/* A value goes to its feature's slot, or to the role that its column has. */
static void put(struct drift_table *t, const struct column *c, struct drift_value v)
{
    switch (c->role) {
    case LABEL:
        t->ev.label = v;
        break;
    case SCORE:
        t->ev.score = v;
        break;
    case FEATURE:
        t->kind[c->slot] = (uint8_t)v.kind;
        t->num[c->slot] = v.num;
        t->str[c->slot] = v.str;
        break;
    default:
        break;
    }
}

static void row_begin(struct drift_table *t)
{
    for (uint32_t i = 0; i < t->fields.n; i++)
        t->kind[i] = DRIFT_V_ABSENT;
    t->ev = (struct drift_event){.fields = &t->fields};
}

static void row_end(struct drift_table *t)
{
    t->ev.num = t->num;
    t->ev.kind = t->kind;
    t->ev.str = t->str;
}

/* ---- CSV ---- */

static int csv_fail(const struct drift_lines *l, const char *file, const char *what, struct drift_err *err)
{
    return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "%s:%" PRIu64 ": %s", file, drift_lines_number(l), what);
}

static void field_add(struct drift_table *t, char *p, size_t n)
{
    if (t->n_field == t->cap_field) {
        t->cap_field = t->cap_field ? 2 * t->cap_field : 64;
        t->field = drift_xrealloc(t->field, t->cap_field, sizeof *t->field);
    }
    t->field[t->n_field++] = (struct field){p, n};
}

/* Whether a quoted field is still open at the end of the text.  Inside quotes, two quotes are one. */
static bool quote_open(const char *p, size_t n)
{
    bool open = false;
    for (size_t i = 0; i < n; i++)
        open ^= p[i] == '"';
    return open;
}

/* One record in t->row: a line, or several when a quoted field holds line ends.  1, 0 at the end, negative: error. */
static int csv_record(struct drift_table *t, struct drift_lines *l, const char *file, struct drift_err *err)
{
    const char *line;
    size_t n;
    drift_buf_reset(&t->row);
    for (;;) {
        int more = drift_lines_next(l, &line, &n, err);
        if (more < 0)
            return more;
        if (!more)
            return t->row.len ? -csv_fail(l, file, "the file ends inside quotes", err) : 0;
        if (t->row.len)
            drift_buf_add(&t->row, "\n", 1);
        else if (!n)
            continue;
        drift_buf_add(&t->row, line, n);
        if (t->row.full)
            return -csv_fail(l, file, "record is too long (a quote that does not close?)", err);
        if (!quote_open(t->row.data, t->row.len))
            return 1;
    }
}

/* Splits t->row in place. */
static int csv_split(struct drift_table *t, const struct drift_lines *l, const char *file, struct drift_err *err)
{
    char *p = t->row.data, *end = p + t->row.len;
    t->n_field = 0;
    for (;;) {
        char *from = p, *to = p;
        if (p < end && *p == '"') {
            for (p++; p < end && (*p != '"' || (p + 1 < end && p[1] == '"')); p++) {
                p += *p == '"';
                *to++ = *p;
            }
            if (p == end)
                return csv_fail(l, file, "a quote does not close", err);
            p++;
            if (p < end && *p != ',')
                return csv_fail(l, file, "text behind a closing quote", err);
        } else {
            while (p < end && *p != ',')
                p++;
            to = p;
        }
        field_add(t, from, (size_t)(to - from));
        if (p >= end)
            return 0;
        p++;
    }
}

static int csv_header(struct drift_table *t, struct drift_lines *l, const char *file, struct drift_err *err)
{
    int more = csv_record(t, l, file, err);
    if (more <= 0)
        return more ? -more : drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "%s: empty, a header was expected", file);
    if (t->row.len >= 3 && !memcmp(t->row.data, "\xef\xbb\xbf", 3)) { /* byte order mark */
        memmove(t->row.data, t->row.data + 3, t->row.len - 3);
        t->row.len -= 3;
    }
    int rc = csv_split(t, l, file, err);
    if (rc)
        return rc;
    t->n_header = t->n_field;
    t->header = drift_xrealloc(t->header, t->n_header, sizeof *t->header);
    for (size_t i = 0; i < t->n_header; i++) {
        char unnamed[32];
        struct field f = t->field[i];
        if (!f.n) /* as written by tools that save an index */
            f = (struct field){unnamed, (size_t)snprintf(unnamed, sizeof unnamed, "#%zu", i + 1)};
        if (f.n > DRIFT_NAME_MAX || memchr(f.p, 0, f.n))
            return csv_fail(l, file, "a column's name is too long or holds a zero byte", err);
        int32_t c = column_of(t, f.p, f.n);
        if (c == NONE)
            return csv_fail(l, file, "too many columns", err);
        for (size_t k = 0; k < i; k++)
            if (t->header[k] == (uint32_t)c)
                return csv_fail(l, file, "two columns have the same name", err);
        t->header[i] = (uint32_t)c;
    }
    return 0;
}

/* What a CSV value is when read as a number: NUM, NONFINITE, or STR when it is none. */
static enum drift_value_kind csv_number(struct field f, double *ret)
{
    static const char *const words[] = {"nan", "inf", "-inf", "+inf", "infinity", "-infinity", "+infinity"};
    *ret = 0;
    while (f.n && (*f.p == ' ' || *f.p == '\t')) {
        f.p++;
        f.n--;
    }
    while (f.n && (f.p[f.n - 1] == ' ' || f.p[f.n - 1] == '\t'))
        f.n--;
    if (drift_f64_parse(f.p, f.n, ret))
        return isfinite(*ret) ? DRIFT_V_NUM : DRIFT_V_NONFINITE;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (f.n == strlen(words[i]) && !strncasecmp(f.p, words[i], f.n))
            return DRIFT_V_NONFINITE;
    return DRIFT_V_STR;
}

static void csv_put(struct drift_table *t, const struct column *c, struct field f)
{
    struct drift_value v = {.kind = DRIFT_V_NULL, .str = {f.p, f.n}};
    if (f.n)
        v.kind = c->text ? DRIFT_V_STR : csv_number(f, &v.num);
    put(t, c, v);
}

/* A row's fields: as many as the header has. */
static int csv_row(struct drift_table *t, struct drift_lines *l, const char *file, struct drift_err *err)
{
    char text[96];
    int more = csv_record(t, l, file, err);
    if (more <= 0)
        return more;
    int rc = csv_split(t, l, file, err);
    if (!rc && t->n_field != t->n_header) {
        snprintf(text, sizeof text, "%zu fields, the header has %zu", t->n_field, t->n_header);
        rc = csv_fail(l, file, text, err);
    }
    return rc ? -rc : 1;
}

static int csv_read(struct drift_table *t, struct drift_lines *l, const char *file, const char *what,
                    drift_table_fn *row, void *ctx, uint64_t *rows, struct drift_err *err)
{
    int more, rc = csv_header(t, l, file, err);
    while (!rc && (more = csv_row(t, l, file, err)) != 0) {
        if (more < 0)
            return -more;
        row_begin(t);
        for (size_t i = 0; i < t->n_header; i++)
            csv_put(t, &t->column[t->header[i]], t->field[i]);
        row_end(t);
        row(ctx, &t->ev);
        if (++*rows % 8192 == 0)
            drift_cli_progress("%s: %s, %.0f %%", what, file, 100 * drift_lines_share(l));
    }
    return rc;
}

/* ---- NDJSON ---- */

static void json_leaf(void *ctx, const char *path, enum drift_value_kind kind, double num, struct drift_str str)
{
    struct drift_table *t = ctx;
    size_t n = strlen(path);
    int32_t at = n && n <= DRIFT_NAME_MAX ? column_of(t, path, n) : NONE;
    if (at == NONE)
        return;
    if (str.n) { /* the leaf's text goes away: keep it until the row is done */
        char *copy = drift_buf_room(&t->row, str.n);
        if (!copy)
            return;
        memcpy(copy, str.p, str.n);
        t->row.len += str.n;
        str.p = copy;
    }
    put(t, &t->column[at], (struct drift_value){kind, num, str});
}

static int json_open(struct drift_table *t, struct drift_err *err)
{
    static const struct drift_stream stream = {.name = (char *)(uintptr_t) "file",
                                               .format = DRIFT_FORMAT_JSON,
                                               .model_value = (char *)(uintptr_t) "file",
                                               .time_unit = DRIFT_TIME_RECORD,
                                               .features = (char *)(uintptr_t) "",
                                               .max_record_bytes = RECORD_MAX,
                                               .max_fields = DRIFT_COLUMNS_MAX};
    return t->json ? 0 : drift_decoder_new(&stream, NULL, &t->json, err);
}

static int json_read(struct drift_table *t, struct drift_lines *l, const char *file, const char *what,
                     drift_table_fn *row, void *ctx, uint64_t *rows, struct drift_err *err)
{
    const char *line;
    size_t n;
    int more, rc = json_open(t, err);
    while (!rc && (more = drift_lines_next(l, &line, &n, err)) != 0) {
        if (more < 0)
            return -more;
        if (!n)
            continue;
        struct drift_record rec = {.payload = (const uint8_t *)line, .len = n, .timestamp_ms = -1};
        drift_buf_reset(&t->row);
        drift_buf_room(&t->row, n); /* the texts of a line are not longer than the line: nothing moves below */
        row_begin(t);
        rc = drift_decoder_leaves(t->json, &rec, json_leaf, t, err);
        if (rc) {
            drift_err_prefix(err, "%s:%" PRIu64, file, drift_lines_number(l));
            return rc;
        }
        row_end(t);
        row(ctx, &t->ev);
        if (++*rows % 4096 == 0)
            drift_cli_progress("%s: %s, %.0f %%", what, file, 100 * drift_lines_share(l));
    }
    return rc;
}

/* ---- both ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcasecmp(s + n - k, end);
}

/* By the name; by the first byte when that says nothing. */
static int is_json(const char *file, bool *ret, struct drift_err *err)
{
    static const char *const json[] = {".ndjson", ".jsonl", ".json", ".ndjson.gz", ".jsonl.gz", ".json.gz"};
    struct drift_lines *l;
    const char *line;
    size_t n = 0;
    for (size_t i = 0; i < sizeof json / sizeof *json; i++)
        if (ends_with(file, json[i])) {
            *ret = true;
            return 0;
        }
    *ret = false;
    if (ends_with(file, ".csv") || ends_with(file, ".csv.gz"))
        return 0;
    int rc = drift_lines_open(file, RECORD_MAX, &l, err);
    if (rc)
        return rc;
    int more = drift_lines_next(l, &line, &n, err);
    if (more > 0)
        *ret = n && *line == '{';
    drift_lines_close(l);
    return more < 0 ? -more : 0;
}

int drift_table_read(struct drift_table *t, const char *file, const char *what, drift_table_fn *row, void *ctx,
                     uint64_t *ret_rows, struct drift_err *err)
{
    struct drift_lines *l;
    bool json;
    *ret_rows = 0;
    int rc = is_json(file, &json, err);
    if (!rc)
        rc = drift_lines_open(file, RECORD_MAX, &l, err);
    if (rc)
        return rc;
    rc = (json ? json_read : csv_read)(t, l, file, what, row, ctx, ret_rows, err);
    drift_lines_close(l);
    drift_cli_progress_done();
    return rc;
}

static void infer_row(void *ctx, const struct drift_event *ev)
{
    struct drift_table *t = ctx;
    (void)ev;
    for (uint32_t i = 0; i < t->n; i++) {
        struct column *c = &t->column[i];
        if (c->role == FEATURE && !c->type && t->kind[c->slot] == DRIFT_V_STR)
            c->text = true;
    }
}

int drift_table_infer(struct drift_table *t, const char *file, struct drift_err *err)
{
    bool json;
    uint64_t rows;
    int rc = is_json(file, &json, err);
    if (rc || json)
        return rc;
    return drift_table_read(t, file, "types", infer_row, t, &rows, err);
}
