/* src/decode/json_leaves.c    Every scalar of one JSON record with its path; for `init`. */
#include "driftd/internal/decode/json_leaves.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "driftd/internal/decode/paths.h"

enum { MAX_DEPTH = 64 };

struct walk {
    drift_leaf_fn *leaf;
    void *ctx;
    char path[DRIFT_PATH_PARTS * (DRIFT_NAME_MAX + 1)];
};

static void value(struct walk *w, const json_t *j, int depth);

static void member(struct walk *w, const char *name, const json_t *j, int depth)
{
    size_t at = strlen(w->path), dot = at ? 1 : 0, n = strlen(name);
    if (at + dot + n >= sizeof w->path)
        return;
    if (dot)
        w->path[at] = '.';
    memcpy(w->path + at + dot, name, n + 1);
    value(w, j, depth + 1);
    w->path[at] = 0;
}

static void value(struct walk *w, const json_t *j, int depth)
{
    struct drift_str str = {"", 0};
    const char *name;
    json_t *v;
    size_t i;
    char number[24];
    if (depth > MAX_DEPTH)
        return;
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        json_object_foreach((json_t *)(uintptr_t)j, name, v) member(w, name, v, depth);
        break;
    case JSON_ARRAY:
        json_array_foreach(j, i, v)
        {
            snprintf(number, sizeof number, "%zu", i);
            member(w, number, v, depth);
        }
        break;
    case JSON_STRING:
        str = (struct drift_str){json_string_value(j), json_string_length(j)};
        w->leaf(w->ctx, w->path, DRIFT_V_STR, 0, str);
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        w->leaf(w->ctx, w->path, DRIFT_V_NUM, json_number_value(j), str);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        w->leaf(w->ctx, w->path, DRIFT_V_BOOL, json_is_true(j), str);
        break;
    case JSON_NULL:
        w->leaf(w->ctx, w->path, DRIFT_V_NULL, 0, str);
        break;
    }
}

int drift_json_leaves(const uint8_t *text, size_t len, drift_leaf_fn *leaf, void *ctx, struct drift_err *err)
{
    json_error_t where;
    /* as reals: an id of 20 digits is no reason to refuse a record */
    json_t *j = json_loadb((const char *)text, len, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &where);
    if (!json_is_object(j)) {
        json_decref(j);
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_SKIP, "record is not a JSON object (line %d, column %d)",
                          where.line, where.column);
    }
    struct walk w = {.leaf = leaf, .ctx = ctx};
    value(&w, j, 0);
    json_decref(j);
    return 0;
}
