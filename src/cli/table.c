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
#include "driftd/internal/cli/csv.h"
#include "driftd/internal/cli/source.h"
#include "driftd/internal/cli/spool.h"
#include "driftd/internal/decode/decoder.h"
#include "driftd/internal/window/count.h"

enum {
    RECORD_MAX = 64 << 20,
    FILES_MAX = 8,
    FIELDS_MAX = 1 << 16, /* fields of a record, features, and others that are remembered */
    NONE = -1,
    SKIP = -2 /* a column that nobody asked for */
};

enum role { FEATURE, LABEL, SCORE, IGNORED };

struct column {
    char *name;
    enum role role;
    enum drift_kind type;             /* configured; 0: none */
    bool text;                        /* CSV: values are categories */
    const struct drift_column *known; /* which ones there are; NULL: as they stand */
    uint32_t slot;                    /* of a feature, in fields */
    uint32_t header;                  /* the last header that named it */
};

struct drift_table {
    struct drift_table_settings set;
    /* all columns seen, and where their names hash to */
    uint32_t n, n_ignored, cap, cap_hash;
    struct column *column;
    uint32_t *hash; /* open addressing: column + 1 */
    /* the features among them */
    struct drift_fields fields;
    double *num;
    uint8_t *kind;
    struct drift_str *str;
    /* the row */
    struct drift_event ev;
    struct drift_csv csv;
    int32_t *header; /* CSV: column of each place in a row, or SKIP */
    size_t n_header;
    uint32_t n_headers;    /* read so far */
    struct drift_buf text; /* NDJSON: texts of the row */
    struct drift_decoder *json;
    bool inferred;
    char why[120]; /* a column that was refused; empty: none */
    /* what is read, by name */
    size_t n_spool;
    struct drift_spool spool[FILES_MAX];
};

struct drift_table *drift_table_new(const struct drift_table_settings *s)
{
    struct drift_table *t = drift_xcalloc(1, sizeof *t);
    t->set = *s;
    t->fields.max = s->max_features ? s->max_features : FIELDS_MAX;
    drift_csv_init(&t->csv, RECORD_MAX, FIELDS_MAX);
    drift_buf_init(&t->text, RECORD_MAX + 1);
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
    free(t->header);
    drift_decoder_free(t->json);
    drift_csv_release(&t->csv);
    drift_buf_release(&t->text);
    for (size_t i = 0; i < t->n_spool; i++)
        drift_spool_release(&t->spool[i]);
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

static const struct drift_column *known_of(const struct drift_table *t, const struct column *c)
{
    const struct drift_layout *l = c->role == LABEL ? t->set.label_layout : t->set.layout;
    if (!l || (c->role != LABEL && c->role != FEATURE))
        return NULL;
    int at = drift_layout_find(l, c->role == LABEL ? DRIFT_LABEL : DRIFT_FEATURE, c->name);
    return at < 0 ? NULL : &l->columns[at];
}

static enum drift_kind type_of(const struct drift_table *t, const struct column *c)
{
    if (c->role == LABEL)
        return DRIFT_CATEGORICAL;
    if (c->role == SCORE)
        return DRIFT_NUMERIC;
    return c->known ? c->known->kind : drift_model_type(t->set.model, c->name);
}

bool drift_table_has(const struct drift_table *t, const char *column)
{
    return t->cap && *hash_place(t, column, strlen(column));
}

bool drift_table_matches(const struct drift_table *t, const char *glob)
{
    bool any = false;
    for (uint32_t i = 0; i < t->n && !any; i++)
        any = drift_glob_match(glob, t->column[i].name);
    return any;
}

/* Why a column cannot be taken; NULL: it can. */
static const char *refusal(struct drift_table *t, enum role role, const char *name, size_t n)
{
    const char *way_out = t->set.max_features ? "choose some with --columns" : "leave some out of the file";
    if (!n)
        snprintf(t->why, sizeof t->why, "a value has an empty name: %s", way_out);
    else if (n > DRIFT_NAME_MAX || memchr(name, 0, n))
        snprintf(t->why, sizeof t->why, "a column's name is longer than %d bytes or holds a zero byte: %s",
                 DRIFT_NAME_MAX, way_out);
    else if (role == FEATURE && t->fields.n == t->fields.max)
        snprintf(t->why, sizeof t->why, "more than %" PRIu32 " columns: %s", t->fields.max, way_out);
    else
        return NULL;
    return t->why;
}

/* A column by its name, made when it is new; SKIP, or NONE with t->why. */
static int32_t column_of(struct drift_table *t, const char *name, size_t n)
{
    if (t->cap) {
        uint32_t at = *hash_place(t, name, n);
        if (at)
            return (int32_t)at - 1;
    }
    char *copy = drift_xstrndup(name, n);
    enum role role = role_of(t, copy);
    bool skip = role == IGNORED && (t->n_ignored == FIELDS_MAX || strlen(copy) != n);
    if (skip || (role != IGNORED && refusal(t, role, name, n))) {
        free(copy);
        return skip ? SKIP : NONE;
    }
    if (t->n == t->cap)
        grow(t);
    struct column *c = &t->column[t->n];
    *c = (struct column){.name = copy, .role = role};
    t->n_ignored += role == IGNORED;
    c->known = known_of(t, c);
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

/* The next record; empty lines are none.  1, 0 at the end, negative: error. */
static int csv_record(struct drift_table *t, struct drift_lines *l, const char *file, struct drift_err *err)
{
    const char *line, *why;
    enum drift_csv_state state = DRIFT_CSV_RECORD;
    size_t n;
    for (;;) {
        int more = drift_lines_next(l, &line, &n, err);
        if (more < 0)
            return more;
        if (!more)
            return state == DRIFT_CSV_MORE ? -csv_fail(l, file, "the file ends inside quotes", err) : 0;
        if (drift_lines_number(l) == 1 && n >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) { /* byte order mark */
            line += 3;
            n -= 3;
        }
        if (!n && state == DRIFT_CSV_RECORD)
            continue;
        state = drift_csv_line(&t->csv, line, n, drift_lines_crlf(l), &why);
        if (state == DRIFT_CSV_RECORD)
            return 1;
        if (state == DRIFT_CSV_BAD)
            return -csv_fail(l, file, why, err);
    }
}

/* Which column each place of a row is: by the file's first record, or by the names that were given. */
static int csv_place(struct drift_table *t, size_t at, struct drift_str name, const char **ret_why)
{
    char unnamed[32];
    if (!name.n) /* as written by tools that save an index */
        name = (struct drift_str){unnamed, (size_t)snprintf(unnamed, sizeof unnamed, "#%zu", at + 1)};
    int32_t c = column_of(t, name.p, name.n);
    if (c == NONE)
        *ret_why = t->why;
    else if (c != SKIP && t->column[c].header == t->n_headers)
        *ret_why = "two columns have the same name";
    else if (c != SKIP)
        t->column[c].header = t->n_headers;
    t->header[at] = c;
    return *ret_why ? DRIFT_E_PARSE : 0;
}

static int csv_header_given(struct drift_table *t, struct drift_err *err)
{
    const char *why = NULL;
    t->n_header = t->set.n_header;
    t->header = drift_xrealloc(t->header, t->n_header, sizeof *t->header);
    for (size_t i = 0; i < t->n_header; i++)
        if (csv_place(t, i, (struct drift_str){t->set.header[i], strlen(t->set.header[i])}, &why))
            return drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP, "--header: %s", why);
    return 0;
}

static int csv_header(struct drift_table *t, struct drift_lines *l, const char *file, struct drift_err *err)
{
    const char *why = NULL;
    t->n_headers++;
    if (t->set.n_header)
        return csv_header_given(t, err);
    int more = csv_record(t, l, file, err);
    if (more <= 0)
        return more ? -more : drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "%s: empty, a header was expected", file);
    t->n_header = t->csv.n_fields;
    t->header = drift_xrealloc(t->header, t->n_header, sizeof *t->header);
    for (size_t i = 0; i < t->n_header; i++)
        if (csv_place(t, i, t->csv.field[i], &why))
            return csv_fail(l, file, why, err);
    return 0;
}

/* As Python and others write it, too. */
static bool csv_boolean(struct drift_str f, double *ret)
{
    *ret = f.n == 4;
    return (f.n == 4 && !strncasecmp(f.p, "true", 4)) || (f.n == 5 && !strncasecmp(f.p, "false", 5));
}

static bool beyond_double(struct drift_str f)
{
    char text[400], *end;
    if (f.n >= sizeof text)
        return false;
    memcpy(text, f.p, f.n);
    text[f.n] = 0;
    return strspn(text, "+-.0123456789eE") == f.n && isinf(strtod(text, &end)) && !*end;
}

/* What a CSV value is when read as a number: NUM, BOOL, NONFINITE, or STR when it is none. */
static enum drift_value_kind csv_number(struct drift_str f, double *ret)
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
        return DRIFT_V_NUM;
    if (csv_boolean(f, ret))
        return DRIFT_V_BOOL;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (f.n == strlen(words[i]) && !strncasecmp(f.p, words[i], f.n))
            return DRIFT_V_NONFINITE;
    return beyond_double(f) ? DRIFT_V_NONFINITE : DRIFT_V_STR;
}

/* Numbers that lose nothing when they are written as driftd does: 0080 and +1 are codes. */
static bool plain_number(struct drift_str f, double *ret)
{
    bool minus = f.n && *f.p == '-';
    const char *p = f.p + minus;
    size_t n = f.n - minus;
    return n && *p >= '0' && *p <= '9' && (*p != '0' || n == 1 || p[1] == '.') && drift_f64_parse(f.p, f.n, ret);
}

/* A category that is not known as it stands may be known as the number or truth value that it is in JSON. */
static struct drift_value csv_category(const struct drift_column *of, struct drift_str f)
{
    struct drift_value v = {.kind = DRIFT_V_STR, .str = f}, json = v;
    char scratch[32];
    if (!of || drift_column_category(of, f.p, f.n) != drift_column_unseen(of))
        return v;
    if (csv_boolean(f, &json.num))
        json.kind = DRIFT_V_BOOL;
    else if (plain_number(f, &json.num))
        json.kind = DRIFT_V_NUM;
    struct drift_str text = drift_value_category(json.kind, json.num, f, scratch);
    return drift_column_category(of, text.p, text.n) == drift_column_unseen(of) ? v : json;
}

static void csv_put(struct drift_table *t, const struct column *c, struct drift_str f)
{
    struct drift_value v = {.kind = DRIFT_V_NULL, .str = f};
    if (f.n && c->text)
        v = csv_category(c->known, f);
    else if (f.n)
        v.kind = csv_number(f, &v.num);
    if (v.kind == DRIFT_V_BOOL && !c->text && c->type != DRIFT_NUMERIC && !t->inferred)
        v.kind = DRIFT_V_STR; /* nobody said that it is a number */
    put(t, c, v);
}

/* A row's fields: as many as the header has. */
static int csv_row(struct drift_table *t, struct drift_lines *l, const char *file, struct drift_err *err)
{
    char text[96];
    int more = csv_record(t, l, file, err);
    if (more <= 0)
        return more;
    if (t->csv.n_fields == t->n_header)
        return 1;
    snprintf(text, sizeof text, "%zu fields, %s %zu", t->csv.n_fields,
             t->set.n_header ? "--header has" : "the header has", t->n_header);
    return -csv_fail(l, file, text, err);
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
            if (t->header[i] != SKIP)
                csv_put(t, &t->column[t->header[i]], t->csv.field[i]);
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
    int32_t at = *t->why ? NONE : column_of(t, path, strlen(path));
    if (at < 0)
        return;
    if (str.n) { /* the leaf's text goes away: keep it until the row is done */
        char *copy = drift_buf_room(&t->text, str.n);
        if (!copy)
            return;
        memcpy(copy, str.p, str.n);
        t->text.len += str.n;
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
                                               .max_fields = 1};
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
        if (drift_lines_number(l) == 1 && n >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) { /* byte order mark */
            line += 3;
            n -= 3;
        }
        if (!n)
            continue;
        struct drift_record rec = {.payload = (const uint8_t *)line, .len = n, .timestamp_ms = -1};
        drift_buf_reset(&t->text);
        drift_buf_room(&t->text, n); /* the texts of a line are not longer than the line: nothing moves below */
        row_begin(t);
        rc = drift_decoder_leaves(t->json, &rec, json_leaf, t, err);
        if (!rc && *t->why)
            rc = drift_fail(err, DRIFT_E_FULL, DRIFT_STOP, "%s", t->why);
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

/* Where a file is read: itself, or a copy that can be read again. */
static int path_of(struct drift_table *t, const char *file, const char **ret_path, struct drift_err *err)
{
    size_t i = 0;
    while (i < t->n_spool && strcmp(t->spool[i].file, file) != 0)
        i++;
    if (i == FILES_MAX)
        return drift_fail(err, DRIFT_E_FULL, DRIFT_STOP, "%s: more than %d files", file, FILES_MAX);
    if (i == t->n_spool) {
        int rc = drift_spool_init(&t->spool[i], file, err);
        if (rc)
            return rc;
        t->n_spool++;
    }
    *ret_path = t->spool[i].path;
    return 0;
}

/* What the first line says: JSON, or a text that is not to be read by bytes. */
static int look_at_first(const char *path, const char *file, bool *ret_json, struct drift_err *err)
{
    struct drift_lines *l;
    const char *line = NULL;
    size_t n = 0;
    int rc = drift_lines_open_as(path, file, RECORD_MAX, &l, err);
    if (rc)
        return rc;
    int more = drift_lines_next(l, &line, &n, err);
    if (more > 0 && n >= 2 && (!memcmp(line, "\xff\xfe", 2) || !memcmp(line, "\xfe\xff", 2)))
        rc = drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "%s is UTF-16 text: convert it to UTF-8", file);
    *ret_json = more > 0 && n && (*line == '{' || (n > 3 && !memcmp(line, "\xef\xbb\xbf{", 4)));
    drift_lines_close(l);
    return more < 0 ? -more : rc;
}

/* By the name; by the first byte when that says nothing. */
static int is_json(const char *path, const char *file, bool *ret, struct drift_err *err)
{
    static const char *const json[] = {".ndjson", ".jsonl", ".json", ".ndjson.gz", ".jsonl.gz", ".json.gz"};
    int rc = look_at_first(path, file, ret, err);
    if (!rc && (ends_with(file, ".csv") || ends_with(file, ".csv.gz")))
        *ret = false;
    for (size_t i = 0; i < sizeof json / sizeof *json && !rc; i++)
        if (ends_with(file, json[i]))
            *ret = true;
    return rc;
}

int drift_table_read(struct drift_table *t, const char *file, const char *what, drift_table_fn *row, void *ctx,
                     uint64_t *ret_rows, struct drift_err *err)
{
    struct drift_lines *l;
    const char *path, *name = drift_spool_name(file);
    bool json;
    *ret_rows = 0;
    int rc = path_of(t, file, &path, err);
    if (!rc)
        rc = is_json(path, name, &json, err);
    if (!rc)
        rc = drift_lines_open_as(path, name, RECORD_MAX, &l, err);
    if (rc)
        return rc;
    rc = (json ? json_read : csv_read)(t, l, name, what, row, ctx, ret_rows, err);
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

int drift_table_is_json(struct drift_table *t, const char *file, bool *ret, struct drift_err *err)
{
    const char *path;
    int rc = path_of(t, file, &path, err);
    return rc ? rc : is_json(path, drift_spool_name(file), ret, err);
}

int drift_table_infer(struct drift_table *t, const char *file, struct drift_err *err)
{
    bool json;
    uint64_t rows;
    int rc = drift_table_is_json(t, file, &json, err);
    if (rc || json)
        return rc;
    rc = drift_table_read(t, file, "types", infer_row, t, &rows, err);
    t->inferred = true;
    return rc;
}
