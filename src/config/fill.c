/* src/config/fill.c    From a tree of nodes to the structs, by the schema table.
 *
 * Every value is filled in that can be, so that one run finds all errors; what could not be filled keeps its
 * default.  The order is the table's; the report is sorted by position afterwards. */
#include "driftd/internal/config/fill.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PATH_TEXT = 512, ITEMS_MAX = 1000, TEXT_MAX = 1024, QUOTE_MAX = 60 };

static void fill_value(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                       void *base, const struct drift_path *path);

/* ---- messages ---- */
static size_t path_text(const struct drift_path *path, char *buf, size_t cap)
{
    size_t at = path->up ? path_text(path->up, buf, cap) : 0;
    int n = 0;
    if (at >= cap)
        return at;
    if (path->key)
        n = snprintf(buf + at, cap - at, "%s%.*s", at ? "." : "", 128, path->key);
    else if (path->up)
        n = snprintf(buf + at, cap - at, "[%zu]", path->index);
    return n < 0 ? at : at + (size_t)n < cap ? at + (size_t)n : cap - 1;
}

static void problem(struct drift_problems *ps, const struct drift_node *node, const struct drift_path *path,
                    const char *key, const char *fmt, va_list ap)
{
    char text[PATH_TEXT] = "", message[512];
    struct drift_path last = {.up = path, .key = key};
    path_text(key ? &last : path, text, sizeof text);
    vsnprintf(message, sizeof message, fmt, ap);
    drift_problem_add(ps, node->line, node->column, text, "%s", message);
}

void drift_fill_error(struct drift_fill *f, const struct drift_node *node, const struct drift_path *path,
                      const char *key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    problem(&f->errors, node, path, key, fmt, ap);
    va_end(ap);
}

void drift_fill_warning(struct drift_fill *f, const struct drift_node *node, const struct drift_path *path,
                        const char *key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    problem(&f->warnings, node, path, key, fmt, ap);
    va_end(ap);
}

const struct drift_node *drift_fill_at(const struct drift_node *map, const char *key)
{
    const struct drift_node *n = drift_node_get(map, key);
    return n ? n : map;
}

/* Keeps the name if it is nearer than the best so far; at most a third of the letters may differ. */
static void nearer(const char *text, const char *name, unsigned *best, const char **ret)
{
    unsigned d = name ? drift_edit_distance(text, name) : 64;
    size_t n = strlen(text);
    if (d < *best && d <= (n < 6 ? 2u : (unsigned)n / 3) && d < n) {
        *best = d;
        *ret = name;
    }
}

static const char *hint_text(const char *name, char *buf, size_t cap)
{
    *buf = 0;
    if (name)
        snprintf(buf, cap, " (did you mean `%s`?)", name);
    return buf;
}

const char *drift_fill_hint(const char *text, const void *first, size_t n, size_t stride, char *buf, size_t cap)
{
    unsigned best = 64;
    const char *found = NULL;
    for (size_t i = 0; i < n; i++) {
        const char *name;
        memcpy(&name, (const char *)first + i * stride, sizeof name);
        nearer(text, name, &best, &found);
    }
    return hint_text(found, buf, cap);
}

/* "wants X, not `12abc`" */
static bool wants(struct drift_fill *f, const struct drift_node *node, const struct drift_path *path, const char *what)
{
    if (node->kind != DRIFT_NODE_SCALAR)
        drift_fill_error(f, node, path, NULL, "wants %s, not %s", what, drift_node_kind_name(node));
    else if (drift_node_null(node))
        drift_fill_error(f, node, path, NULL, "wants %s, but nothing is there", what);
    else if (!node->plain)
        drift_fill_error(f, node, path, NULL, "wants %s, not the quoted text \"%.*s\"", what, QUOTE_MAX, node->text);
    else
        drift_fill_error(f, node, path, NULL, "wants %s, not `%.*s`", what, QUOTE_MAX, node->text);
    return false;
}

/* ---- places ---- */
static void put_integer(const struct drift_schema_row *row, void *base, int64_t v)
{
    void *p = (char *)base + row->at;
    if (row->width == sizeof(uint64_t))
        memcpy(p, &v, sizeof v);
    else if (row->width == sizeof(uint32_t))
        memcpy(p, &(uint32_t){(uint32_t)v}, sizeof(uint32_t));
    else if (row->width == sizeof(bool))
        memcpy(p, &(bool){v != 0}, sizeof(bool));
}

static void put_number(const struct drift_schema_row *row, void *base, double v)
{
    memcpy((char *)base + row->at, &v, sizeof v);
}

static void put_text(struct drift_fill *f, const struct drift_schema_row *row, void *base, const char *text)
{
    char *copy = drift_memory_text(f->memory, text, strlen(text));
    memcpy((char *)base + row->at, &copy, sizeof copy);
}

char *drift_fill_file(struct drift_fill *f, const char *file)
{
    if (*file == '/' || !*f->directory)
        return drift_memory_text(f->memory, file, strlen(file));
    size_t n = strlen(f->directory) + 1 + strlen(file);
    char *path = drift_memory_get(f->memory, n + 1, 1);
    snprintf(path, n + 1, "%s/%s", f->directory, file);
    return path;
}

/* ---- single values ---- */
static bool in_range(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                     const struct drift_path *path, double v)
{
    char range[96];
    if ((row->min == 0 && row->max == 0) || (v >= row->min && v <= row->max))
        return true;
    drift_schema_range_text(row, range, sizeof range);
    drift_fill_error(f, node, path, NULL, "must be %s, not %.*s", range, QUOTE_MAX, node->text);
    return false;
}

static bool fill_integer(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                         void *base, const struct drift_path *path)
{
    int64_t v;
    if (node->kind != DRIFT_NODE_SCALAR || !node->plain || !drift_i64_parse(node->text, node->len, &v))
        return wants(f, node, path, "a whole number");
    if (!in_range(f, row, node, path, (double)v))
        return false;
    put_integer(row, base, v);
    return true;
}

static bool fill_number(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                        void *base, const struct drift_path *path)
{
    double v;
    if (node->kind != DRIFT_NODE_SCALAR || !node->plain || !drift_f64_parse(node->text, node->len, &v))
        return wants(f, node, path, "a number");
    if (!in_range(f, row, node, path, v))
        return false;
    put_number(row, base, v);
    return true;
}

static bool fill_duration(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                          void *base, const struct drift_path *path)
{
    int64_t ms;
    if (node->kind != DRIFT_NODE_SCALAR || !drift_duration_parse(node->text, node->len, &ms))
        return wants(f, node, path, "a duration with its unit, such as 500ms, 30s, 15m, 1h30m or 14d");
    if (!in_range(f, row, node, path, (double)ms))
        return false;
    put_integer(row, base, ms);
    return true;
}

static bool fill_size(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                      void *base, const struct drift_path *path)
{
    uint64_t bytes;
    if (node->kind != DRIFT_NODE_SCALAR || !drift_size_parse(node->text, node->len, &bytes))
        return wants(f, node, path, "a size with its unit, such as 64KiB, 16MiB or 1MB");
    if (!in_range(f, row, node, path, (double)bytes))
        return false;
    put_integer(row, base, (int64_t)bytes);
    return true;
}

static bool fill_bool(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                      void *base, const struct drift_path *path)
{
    bool plain = node->kind == DRIFT_NODE_SCALAR && node->plain;
    bool yes = plain && !strcmp(node->text, "true");
    if (!yes && !(plain && !strcmp(node->text, "false")))
        return wants(f, node, path, "true or false");
    put_integer(row, base, yes);
    return true;
}

/* A text without control characters (line ends are fine in long ones); NULL after an error. */
static const char *text_of(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                           const struct drift_path *path)
{
    size_t max = row->max > 0 ? (size_t)row->max : TEXT_MAX;
    if (node->kind != DRIFT_NODE_SCALAR || drift_node_null(node)) {
        wants(f, node, path, "a text");
        return NULL;
    }
    if (!node->len && !row->empty_ok)
        drift_fill_error(f, node, path, NULL, "must not be empty");
    else if (node->len > max)
        drift_fill_error(f, node, path, NULL, "longer than %zu bytes", max);
    else {
        for (const char *c = node->text; *c; c++)
            if (((unsigned char)*c < 0x20 || *c == 0x7f) && !(max > TEXT_MAX && *c == '\n')) {
                drift_fill_error(f, node, path, NULL, "has a control character or line end inside");
                return NULL;
            }
        return node->text;
    }
    return NULL;
}

static const struct drift_schema_choice *choice_of(struct drift_fill *f, const struct drift_schema_row *row,
                                                   const struct drift_node *node, const struct drift_path *path)
{
    char list[400] = "", hint[128];
    size_t at = 0;
    const char *found = NULL;
    unsigned best = 64;
    bool scalar = node->kind == DRIFT_NODE_SCALAR && !drift_node_null(node);
    for (const struct drift_schema_choice *c = row->choices; c->name; c++) {
        if (scalar && !strcmp(node->text, c->name))
            return c;
        if (at < sizeof list)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%s",
                                   c == row->choices ? ""
                                   : c[1].name       ? ", "
                                                     : " or ",
                                   c->name);
        if (scalar)
            nearer(node->text, c->name, &best, &found);
    }
    if (scalar)
        drift_fill_error(f, node, path, NULL, "wants %s%s, not `%.*s`%s", row->choices[1].name ? "one of " : "", list,
                         QUOTE_MAX, node->text, hint_text(found, hint, sizeof hint));
    else
        wants(f, node, path, list);
    return NULL;
}

static bool fill_text(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                      void *base, const struct drift_path *path)
{
    const char *text = text_of(f, row, node, path);
    if (!text)
        return false;
    if (row->choices) {
        const struct drift_schema_choice *c = choice_of(f, row, node, path);
        if (!c)
            return false;
        text = c->name;
    }
    const char *wrong = row->format && *text ? row->format(text) : NULL;
    if (wrong && row->unquoted)
        drift_fill_error(f, node, path, NULL, "%s", wrong);
    else if (wrong)
        drift_fill_error(f, node, path, NULL, "%s, not `%.*s`", wrong, QUOTE_MAX, text);
    if (wrong)
        return false;
    put_text(f, row, base, row->file ? drift_fill_file(f, text) : text);
    return true;
}

static bool fill_choice(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                        void *base, const struct drift_path *path)
{
    const struct drift_schema_choice *c = choice_of(f, row, node, path);
    if (c)
        put_integer(row, base, c->value);
    return c != NULL;
}

/* The array of named things that a reference looks into; each begins with its name. */
struct names {
    const void *first;
    size_t n, stride;
    const char *where;
};

static struct names names_of(const struct drift_config *c, enum drift_schema_ref ref)
{
#define NAMES(array) ((struct names){c->array, c->n_##array, sizeof *c->array, #array})
    switch (ref) {
    case DRIFT_REF_OWNER:
        return NAMES(owners);
    case DRIFT_REF_ENDPOINT:
        return NAMES(endpoints);
    case DRIFT_REF_PLAYBOOK:
        return NAMES(playbooks);
    case DRIFT_REF_STREAM:
        return NAMES(streams);
    }
#undef NAMES
    drift_bug("unknown reference in the schema");
}

static bool fill_ref(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                     void *base, const struct drift_path *path)
{
    struct names names = names_of(f->config, row->ref);
    char hint[192], message[64];
    snprintf(message, sizeof message, "a name in `%s`", names.where);
    if (node->kind != DRIFT_NODE_SCALAR || drift_node_null(node))
        return wants(f, node, path, message);
    for (size_t i = 0; i < names.n; i++) {
        const char *name;
        memcpy(&name, (const char *)names.first + i * names.stride, sizeof name);
        if (name && !strcmp(name, node->text)) {
            put_integer(row, base, (int64_t)i);
            return true;
        }
    }
    drift_fill_error(f, node, path, NULL, "`%.*s` is not in `%s`%s", QUOTE_MAX, node->text, names.where,
                     drift_fill_hint(node->text, names.first, names.n, names.stride, hint, sizeof hint));
    return false;
}

/* ---- secrets ---- */
static bool fill_secret_into(struct drift_fill *f, const struct drift_node *node, struct drift_secret *s,
                             const struct drift_path *path)
{
    static const struct drift_schema_row text = {.max = 4096};
    if (node->kind == DRIFT_NODE_SCALAR) { /* its text is not quoted: it may be the secret itself */
        drift_fill_error(f, node, path, NULL, "wants {file: PATH} or {env: NAME}: secrets do not stand in this file");
        return false;
    }
    if (node->kind != DRIFT_NODE_MAP || node->n != 1 ||
        (strcmp(node->key[0]->text, "file") != 0 && strcmp(node->key[0]->text, "env") != 0)) {
        drift_fill_error(f, node, path, NULL, "wants {file: PATH} or {env: NAME}");
        return false;
    }
    struct drift_path last = {.up = path, .key = node->key[0]->text};
    const char *value = text_of(f, &text, node->item[0], &last);
    if (!value)
        return false;
    if (!strcmp(last.key, "file"))
        s->file = drift_fill_file(f, value);
    else if (strchr(value, '=')) {
        drift_fill_error(f, node->item[0], &last, NULL, "wants the name of an environment variable");
        return false;
    } else
        s->env = drift_memory_text(f->memory, value, strlen(value));
    return true;
}

static bool fill_secret(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                        void *base, const struct drift_path *path)
{
    struct drift_secret s = {0};
    if (!fill_secret_into(f, node, &s, path))
        return false;
    memcpy((char *)base + row->at, &s, sizeof s);
    return true;
}

static bool fill_option(struct drift_fill *f, const struct drift_node *node, void *base, const struct drift_path *path)
{
    static const struct drift_schema_row text = {.max = 4096, .empty_ok = true};
    struct drift_option *o = base;
    if (node->kind == DRIFT_NODE_MAP)
        return fill_secret_into(f, node, &o->secret, path);
    const char *value = text_of(f, &text, node, path);
    if (value)
        o->value = drift_memory_text(f->memory, value, strlen(value));
    return value != NULL;
}

/* ---- maps and lists ---- */
static void presets(struct drift_fill *f, const struct drift_schema_row *rows, void *base)
{
    struct drift_path nowhere = {0};
    for (const struct drift_schema_row *row = rows; row->key; row++) {
        struct drift_node node = {.kind = DRIFT_NODE_SCALAR, .plain = true};
        if (row->type == DRIFT_T_NUMBER)
            put_number(row, base, (double)NAN);
        if (row->type == DRIFT_T_REF)
            put_integer(row, base, -1);
        if (row->sub)
            presets(f, row->sub, base);
        if (!row->fallback)
            continue;
        struct drift_schema_row bare = *row; /* a default is filled in like any value, without its check */
        bare.check = NULL;
        bare.sub = NULL;
        node.text = (char *)(uintptr_t)row->fallback; /* only read */
        node.len = strlen(row->fallback);
        fill_value(f, &bare, &node, base, &nowhere);
    }
}

static bool twin(struct drift_fill *f, const struct drift_node *key, const struct drift_path *path)
{
    if (key->twin_line)
        drift_fill_error(f, key, path, NULL, "is there twice (first in line %u)", key->twin_line);
    return key->twin_line != 0;
}

static void unknown(struct drift_fill *f, const struct drift_schema_row *rows, const struct drift_node *key,
                    const struct drift_path *path)
{
    char hint[192];
    size_t n = 0;
    while (rows[n].key)
        n++;
    drift_fill_error(f, key, path, NULL, "unknown key%s",
                     drift_fill_hint(key->text, &rows->key, n, sizeof *rows, hint, sizeof hint));
}

static bool fill_map(struct drift_fill *f, const struct drift_schema_row *rows, const struct drift_node *node,
                     void *base, const struct drift_path *path)
{
    if (node->kind != DRIFT_NODE_MAP && !drift_node_null(node))
        return wants(f, node, path, "a map of keys");
    for (const struct drift_schema_row *row = rows; row->key; row++) {
        const struct drift_node *value = drift_node_get(node, row->key);
        struct drift_path last = {.up = path, .key = row->key};
        if (value)
            fill_value(f, row, value, base, &last);
        else if (row->required)
            drift_fill_error(f, node, &last, NULL, "is missing (%s)", row->help);
    }
    for (size_t i = 0; i < node->n; i++) {
        struct drift_path last = {.up = path, .key = node->key[i]->text};
        const struct drift_schema_row *row = rows;
        while (row->key && strcmp(row->key, node->key[i]->text) != 0)
            row++;
        if (!twin(f, node->key[i], &last) && !row->key)
            unknown(f, rows, node->key[i], &last);
    }
    return true;
}

static void put_array(const struct drift_schema_row *row, void *base, void *array, size_t n)
{
    memcpy((char *)base + row->at, &array, sizeof array);
    memcpy((char *)base + row->count_at, &n, sizeof n);
}

static bool enough_items(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                         const struct drift_path *path)
{
    size_t max = row->max_items ? row->max_items : ITEMS_MAX;
    if (node->n > max) {
        drift_fill_error(f, node, path, NULL, "more than %zu entries", max);
        return false;
    }
    if (!node->n && row->required)
        drift_fill_error(f, node, path, NULL, "must not be empty (%s)", row->help);
    return node->n > 0;
}

static void fill_element(struct drift_fill *f, const struct drift_schema_row *elem, const struct drift_node *node,
                         void *base, const struct drift_path *path)
{
    if (elem->sub)
        presets(f, elem->sub, base);
    fill_value(f, elem, node, base, path);
}

static const char *format_key(const char *s, size_t max)
{
    size_t n = strlen(s);
    if (!n || n > max)
        return max == 128 ? "wants names of 1 to 128 bytes" : "wants names of 1 to 256 bytes";
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return "wants names without control characters";
    return NULL;
}

static bool fill_named(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                       void *base, const struct drift_path *path)
{
    if (node->kind != DRIFT_NODE_MAP && !drift_node_null(node))
        return wants(f, node, path, "a map of names");
    if (!enough_items(f, row, node, path))
        return false;
    char *array = drift_memory_get(f->memory, node->n, row->size);
    put_array(row, base, array, node->n);
    for (size_t i = 0; i < node->n; i++) {
        const struct drift_node *key = node->key[i];
        struct drift_path last = {.up = path, .key = key->text};
        const char *wrong = format_key(key->text, row->elem->type == DRIFT_T_MAP ? 128 : 256);
        char *name = drift_memory_text(f->memory, key->text, strlen(key->text));
        memcpy(array + i * row->size, &name, sizeof name);
        if (wrong)
            drift_fill_error(f, key, path, NULL, "%s", wrong);
        twin(f, key, &last);
        fill_element(f, row->elem, node->item[i], array + i * row->size, &last);
    }
    return true;
}

static bool fill_list(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                      void *base, const struct drift_path *path)
{
    if (row->single) {
        void *one = drift_memory_get(f->memory, 1, row->size);
        put_array(row, base, one, 1);
        fill_element(f, row->elem, node, one, path);
        return true;
    }
    if (node->kind != DRIFT_NODE_LIST && !drift_node_null(node))
        return wants(f, node, path, "a list");
    if (!enough_items(f, row, node, path))
        return false;
    char *array = drift_memory_get(f->memory, node->n, row->size);
    put_array(row, base, array, node->n);
    for (size_t i = 0; i < node->n; i++)
        fill_element(f, row->elem, node->item[i], array + i * row->size, &(struct drift_path){.up = path, .index = i});
    return true;
}

static bool fill_by_type(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                         void *base, const struct drift_path *path)
{
    switch (row->type) {
    case DRIFT_T_TEXT:
        return fill_text(f, row, node, base, path);
    case DRIFT_T_INT:
        return fill_integer(f, row, node, base, path);
    case DRIFT_T_NUMBER:
        return fill_number(f, row, node, base, path);
    case DRIFT_T_BOOL:
        return fill_bool(f, row, node, base, path);
    case DRIFT_T_DURATION:
        return fill_duration(f, row, node, base, path);
    case DRIFT_T_SIZE:
        return fill_size(f, row, node, base, path);
    case DRIFT_T_CHOICE:
        return fill_choice(f, row, node, base, path);
    case DRIFT_T_REF:
        return fill_ref(f, row, node, base, path);
    case DRIFT_T_SECRET:
        return fill_secret(f, row, node, base, path);
    case DRIFT_T_OPTION:
        return fill_option(f, node, base, path);
    case DRIFT_T_MAP:
        return fill_map(f, row->sub, node, base, path);
    case DRIFT_T_NAMED:
        return fill_named(f, row, node, base, path);
    case DRIFT_T_LIST:
        return fill_list(f, row, node, base, path);
    case DRIFT_T_REFUSED:
        drift_fill_error(f, node, path, NULL, "%s", row->help);
        return false;
    }
    drift_bug("unknown type in the schema");
}

static void fill_value(struct drift_fill *f, const struct drift_schema_row *row, const struct drift_node *node,
                       void *base, const struct drift_path *path)
{
    bool map_form = row->type != DRIFT_T_MAP && row->sub && node->kind == DRIFT_NODE_MAP;
    bool good = map_form ? fill_map(f, row->sub, node, base, path) : fill_by_type(f, row, node, base, path);
    if (good && row->check)
        row->check(f, node, base, path);
}

void drift_fill_config(struct drift_fill *f)
{
    struct drift_path root = {0};
    presets(f, drift_schema_root.sub, f->config);
    fill_value(f, &drift_schema_root, f->root, f->config, &root);
}
