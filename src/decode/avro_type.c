/* src/decode/avro_type.c    A writer's schema from its JSON: types with their names resolved, logical types kept.
 *
 * avro-c 1.11 drops logical types and hides its graph behind calls, so the graph is built here from jansson's tree;
 * avro-c then checks the same text (names, duplicates), after our limits have kept deep nesting from it. */
#include "driftd/internal/decode/avro_type.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <avro.h>
#include <jansson.h>

struct reader {
    struct drift_avro_schema *schema;
    json_t *names; /* full name -> index of its type */
    struct drift_err *err;
};

static int bad(struct reader *r, const char *what)
{
    return drift_fail(r->err, DRIFT_E_PARSE, DRIFT_SKIP, "cannot use the schema: %s", what);
}

static struct drift_avro_type *new_type(struct reader *r, enum drift_avro_kind kind)
{
    struct drift_avro_schema *s = r->schema;
    if (s->n == DRIFT_AVRO_TYPES)
        return NULL;
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->all = drift_xrealloc(s->all, s->cap, sizeof *s->all);
    }
    struct drift_avro_type *t = drift_xcalloc(1, sizeof *t);
    t->kind = kind;
    t->id = s->n;
    s->all[s->n++] = t;
    return t;
}

static bool primitive(const char *name, enum drift_avro_kind *ret)
{
    static const char *const names[] = {
        [DRIFT_AVRO_NULL] = "null",   [DRIFT_AVRO_BOOLEAN] = "boolean", [DRIFT_AVRO_INT] = "int",
        [DRIFT_AVRO_LONG] = "long",   [DRIFT_AVRO_FLOAT] = "float",     [DRIFT_AVRO_DOUBLE] = "double",
        [DRIFT_AVRO_BYTES] = "bytes", [DRIFT_AVRO_STRING] = "string"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name)) {
            *ret = (enum drift_avro_kind)i;
            return true;
        }
    return false;
}

/* "name" in "namespace" -> heap full name. */
static char *full_name(const char *name, const char *space)
{
    return strchr(name, '.') || !*space ? drift_xstrdup(name) : drift_xasprintf("%s.%s", space, name);
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void read_logical(const json_t *o, struct drift_avro_type *t)
{
    const char *logical = text_of(o, "logicalType");
    if (!strncmp(logical, "local-", 6))
        logical += 6;
    if (t->kind == DRIFT_AVRO_LONG && !strcmp(logical, "timestamp-millis"))
        t->logical = DRIFT_AVRO_MILLIS;
    if (t->kind == DRIFT_AVRO_LONG && !strcmp(logical, "timestamp-micros"))
        t->logical = DRIFT_AVRO_MICROS;
    if (t->kind == DRIFT_AVRO_LONG && !strcmp(logical, "timestamp-nanos"))
        t->logical = DRIFT_AVRO_NANOS;
    if ((t->kind == DRIFT_AVRO_BYTES || t->kind == DRIFT_AVRO_FIXED) && !strcmp(logical, "decimal")) {
        json_int_t precision = json_integer_value(json_object_get(o, "precision"));
        json_int_t scale = json_integer_value(json_object_get(o, "scale"));
        if (precision > 0 && scale >= 0 && scale <= precision && scale <= 300) {
            t->logical = DRIFT_AVRO_DECIMAL; /* otherwise the specification says: ignore the annotation */
            t->scale = (uint32_t)scale;
        }
    }
}

static int read_type(struct reader *r, const json_t *j, const char *space, int depth, struct drift_avro_type **ret);

static int read_names(struct reader *r, const json_t *array, struct drift_avro_type *t)
{
    t->n = (uint32_t)json_array_size(array);
    t->names = drift_xcalloc(t->n ? t->n : 1, sizeof *t->names);
    for (uint32_t i = 0; i < t->n; i++) {
        const char *s = json_string_value(json_array_get(array, i));
        if (!s)
            return bad(r, "a symbol is no string");
        t->names[i] = drift_xstrdup(s);
    }
    return 0;
}

static int read_fields(struct reader *r, const json_t *o, const char *space, int depth, struct drift_avro_type *t)
{
    const json_t *fields = json_object_get(o, "fields");
    if (!json_is_array(fields))
        return bad(r, "a record without fields");
    uint32_t n = (uint32_t)json_array_size(fields);
    t->types = drift_xcalloc(n ? n : 1, sizeof *t->types);
    t->names = drift_xcalloc(n ? n : 1, sizeof *t->names);
    t->n = n;
    for (uint32_t i = 0; i < n; i++) {
        const json_t *f = json_array_get(fields, i);
        const char *name = json_string_value(json_object_get(f, "name"));
        if (!name)
            return bad(r, "a field without name");
        t->names[i] = drift_xstrdup(name);
        int rc = read_type(r, json_object_get(f, "type"), space, depth + 1, &t->types[i]);
        if (rc)
            return rc;
    }
    return 0;
}

/* record, enum, fixed */
static int read_named(struct reader *r, const json_t *o, enum drift_avro_kind kind, const char *space, int depth,
                      struct drift_avro_type **ret)
{
    const char *name = text_of(o, "name"), *own_space = json_string_value(json_object_get(o, "namespace"));
    if (!*name)
        return bad(r, "a named type without name");
    struct drift_avro_type *t = *ret = new_type(r, kind);
    if (!t)
        return bad(r, "too many types");
    char *full = full_name(name, own_space ? own_space : space);
    bool twice = json_object_get(r->names, full);
    json_object_set_new(r->names, full, json_integer((json_int_t)t->id));
    char *inner = drift_xstrdup(full);
    char *dot = strrchr(inner, '.');
    *(dot ? dot : inner) = 0;
    free(full);
    int rc = 0;
    json_int_t size = json_integer_value(json_object_get(o, "size"));
    if (twice)
        rc = bad(r, "a name is defined twice");
    else if (kind == DRIFT_AVRO_RECORD)
        rc = read_fields(r, o, inner, depth, t);
    else if (kind == DRIFT_AVRO_ENUM)
        rc = read_names(r, json_object_get(o, "symbols"), t);
    else if (!json_is_integer(json_object_get(o, "size")) || size < 0 || size > INT32_MAX)
        rc = bad(r, "a fixed type without size");
    else
        t->size = (uint32_t)size;
    free(inner);
    read_logical(o, t);
    return rc;
}

static int read_union(struct reader *r, const json_t *array, const char *space, int depth, struct drift_avro_type **ret)
{
    struct drift_avro_type *t = *ret = new_type(r, DRIFT_AVRO_UNION);
    if (!t)
        return bad(r, "too many types");
    uint32_t n = (uint32_t)json_array_size(array);
    if (!n)
        return bad(r, "a union without branches");
    t->types = drift_xcalloc(n, sizeof *t->types);
    t->n = n;
    for (uint32_t i = 0; i < n; i++) {
        int rc = read_type(r, json_array_get(array, i), space, depth + 1, &t->types[i]);
        if (rc)
            return rc;
        if (t->types[i]->kind == DRIFT_AVRO_UNION)
            return bad(r, "a union directly in a union");
    }
    return 0;
}

static int read_box(struct reader *r, const json_t *items, enum drift_avro_kind kind, const char *space, int depth,
                    struct drift_avro_type **ret)
{
    struct drift_avro_type *t = *ret = new_type(r, kind);
    if (!t)
        return bad(r, "too many types");
    t->types = drift_xcalloc(1, sizeof *t->types);
    t->n = 1;
    return read_type(r, items, space, depth + 1, &t->types[0]);
}

static int read_word(struct reader *r, const char *word, const char *space, struct drift_avro_type **ret)
{
    enum drift_avro_kind kind;
    if (primitive(word, &kind)) {
        *ret = new_type(r, kind);
        return *ret ? 0 : bad(r, "too many types");
    }
    char *full = full_name(word, space);
    const json_t *id = json_object_get(r->names, full);
    if (!id)
        id = json_object_get(r->names, word);
    free(full);
    if (!id)
        return bad(r, "a type is used that is not defined");
    *ret = r->schema->all[json_integer_value(id)];
    return 0;
}

static int read_type(struct reader *r, const json_t *j, const char *space, int depth, struct drift_avro_type **ret)
{
    if (depth > DRIFT_AVRO_DEPTH)
        return bad(r, "types are nested too deep");
    if (json_is_string(j))
        return read_word(r, json_string_value(j), space, ret);
    if (json_is_array(j))
        return read_union(r, j, space, depth, ret);
    if (!json_is_object(j))
        return bad(r, "a type is missing");
    const json_t *type = json_object_get(j, "type");
    if (!json_is_string(type))
        return read_type(r, type, space, depth + 1, ret);
    const char *word = json_string_value(type);
    if (!strcmp(word, "record") || !strcmp(word, "error"))
        return read_named(r, j, DRIFT_AVRO_RECORD, space, depth, ret);
    if (!strcmp(word, "enum"))
        return read_named(r, j, DRIFT_AVRO_ENUM, space, depth, ret);
    if (!strcmp(word, "fixed"))
        return read_named(r, j, DRIFT_AVRO_FIXED, space, depth, ret);
    if (!strcmp(word, "array"))
        return read_box(r, json_object_get(j, "items"), DRIFT_AVRO_ARRAY, space, depth, ret);
    if (!strcmp(word, "map"))
        return read_box(r, json_object_get(j, "values"), DRIFT_AVRO_MAP, space, depth, ret);
    enum drift_avro_kind kind;
    bool fresh = primitive(word, &kind);
    int rc = read_word(r, word, space, ret);
    if (!rc && fresh)
        read_logical(j, *ret);
    return rc;
}

/* avro-c's opinion of the same text. */
static int check(struct reader *r, const char *text, size_t len)
{
    avro_schema_t s = NULL;
    if (avro_schema_from_json_length(text, len, &s))
        return bad(r, avro_strerror());
    avro_schema_decref(s);
    return 0;
}

int drift_avro_schema_parse(const char *text, size_t len, struct drift_avro_schema **ret, struct drift_err *err)
{
    struct reader r = {.err = err};
    if (len > DRIFT_AVRO_TEXT_BYTES)
        return bad(&r, "it is longer than 4 MiB");
    json_error_t where;
    json_t *j = json_loadb(text, len, JSON_DECODE_ANY, &where);
    if (!j)
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_SKIP, "cannot use the schema: line %d: %s", where.line, where.text);
    r.schema = drift_xcalloc(1, sizeof *r.schema);
    r.names = json_object();
    int rc = read_type(&r, j, "", 0, &r.schema->root);
    if (!rc && r.schema->root->kind != DRIFT_AVRO_RECORD)
        rc = bad(&r, "its outermost type is not a record");
    if (!rc)
        rc = check(&r, text, len);
    json_decref(r.names);
    json_decref(j);
    if (rc) {
        drift_avro_schema_free(r.schema);
        return rc;
    }
    *ret = r.schema;
    return 0;
}

void drift_avro_schema_free(struct drift_avro_schema *s)
{
    for (uint32_t i = 0; s && i < s->n; i++) {
        struct drift_avro_type *t = s->all[i];
        for (uint32_t k = 0; t->names && k < t->n; k++)
            free(t->names[k]);
        free(t->names);
        free(t->types);
        free(t);
    }
    if (s)
        free(s->all);
    free(s);
}
