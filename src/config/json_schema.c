/* src/config/json_schema.c    The JSON Schema (draft 7, which editors read) of the schema table.
 *
 * It says less than the table: rules between keys and references by name are `driftd check`'s business. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/config/schema.h"

#define DURATION_PATTERN "^([0-9]+(ms|s|m|h|d|w))+$"
#define SIZE_PATTERN "^[0-9]+(B|kB|KB|MB|GB|KiB|MiB|GiB)$"

static json_t *schema_of(const struct drift_schema_row *row);

static json_t *type_of(const char *type)
{
    return json_pack("{s:s}", "type", type);
}

/* Texts are written plain too, and then YAML makes numbers and booleans of them. */
static json_t *text_schema(const struct drift_schema_row *row)
{
    if (row->pattern)
        return json_pack("{s:s, s:s}", "type", "string", "pattern", row->pattern);
    json_t *s = json_pack("{s:[s, s, s]}", "type", "string", "number", "boolean");
    if (!row->empty_ok)
        json_object_set_new(s, "minLength", json_integer(1));
    return s;
}

static json_t *choice_schema(const struct drift_schema_row *row)
{
    json_t *names = json_array();
    for (const struct drift_schema_choice *c = row->choices; c->name; c++)
        json_array_append_new(names, json_string(c->name));
    return json_pack("{s:o}", "enum", names);
}

static json_t *bound(double v)
{
    return v == (double)(json_int_t)v ? json_integer((json_int_t)v) : json_real(v);
}

static json_t *number_schema(const struct drift_schema_row *row, const char *type)
{
    json_t *s = type_of(type);
    if (row->min != 0 || row->max != 0) {
        json_object_set_new(s, "minimum", bound(row->min));
        json_object_set_new(s, "maximum", bound(row->max));
    }
    return s;
}

static json_t *secret_schema(void)
{
    return json_pack("{s:s, s:{s:{s:s}, s:{s:s}}, s:b, s:i, s:i}", "type", "object", "properties", "file", "type",
                     "string", "env", "type", "string", "additionalProperties", 0, "minProperties", 1, "maxProperties",
                     1);
}

static json_t *map_schema(const struct drift_schema_row *rows)
{
    json_t *properties = json_object(), *required = json_array();
    for (const struct drift_schema_row *row = rows; row->key; row++) {
        json_object_set_new(properties, row->key, schema_of(row));
        if (row->required)
            json_array_append_new(required, json_string(row->key));
    }
    bool needs = json_array_size(required) > 0;
    json_t *type = needs ? json_string("object") : json_pack("[s, s]", "object", "null");
    json_t *s = json_pack("{s:o, s:o, s:b}", "type", type, "properties", properties, "additionalProperties", 0);
    if (needs)
        json_object_set(s, "required", required);
    json_decref(required);
    return s;
}

static json_t *many_schema(const struct drift_schema_row *row)
{
    bool list = row->type == DRIFT_T_LIST;
    if (row->single)
        return schema_of(row->elem);
    json_t *type =
        row->required ? json_string(list ? "array" : "object") : json_pack("[s, s]", list ? "array" : "object", "null");
    json_t *s =
        json_pack("{s:o, s:o, s:I}", "type", type, list ? "items" : "additionalProperties", schema_of(row->elem),
                  list ? "maxItems" : "maxProperties", (json_int_t)(row->max_items ? row->max_items : 1000));
    if (row->required)
        json_object_set_new(s, list ? "minItems" : "minProperties", json_integer(1));
    return s;
}

static json_t *scalar_schema(const struct drift_schema_row *row)
{
    switch (row->type) {
    case DRIFT_T_TEXT:
        return row->choices ? choice_schema(row) : text_schema(row);
    case DRIFT_T_REF:
        return text_schema(&(struct drift_schema_row){.key = ""});
    case DRIFT_T_INT:
        return number_schema(row, "integer");
    case DRIFT_T_NUMBER:
        return number_schema(row, "number");
    case DRIFT_T_BOOL:
        return type_of("boolean");
    case DRIFT_T_DURATION:
        return json_pack("{s:s, s:s}", "type", "string", "pattern", DURATION_PATTERN);
    case DRIFT_T_SIZE:
        return json_pack("{s:s, s:s}", "type", "string", "pattern", SIZE_PATTERN);
    case DRIFT_T_CHOICE:
        return choice_schema(row);
    case DRIFT_T_SECRET:
        return secret_schema();
    case DRIFT_T_OPTION:
        return json_pack("{s:[o, o]}", "anyOf", text_schema(&(struct drift_schema_row){.empty_ok = true}),
                         secret_schema());
    case DRIFT_T_MAP:
        return map_schema(row->sub);
    case DRIFT_T_NAMED:
    case DRIFT_T_LIST:
        return many_schema(row);
    case DRIFT_T_REFUSED:
        return json_pack("{s:{}}", "not");
    }
    drift_bug("unknown type in the schema");
}

static json_t *schema_of(const struct drift_schema_row *row)
{
    json_t *s = scalar_schema(row);
    if (row->type != DRIFT_T_MAP && row->sub)
        s = json_pack("{s:[o, o]}", "anyOf", s, map_schema(row->sub));
    if (row->help)
        json_object_set_new(s, "description", json_string(row->help));
    if (row->fallback && row->type != DRIFT_T_INT && row->type != DRIFT_T_BOOL)
        json_object_set_new(s, "default", json_string(row->fallback));
    else if (row->fallback)
        json_object_set_new(s, "default", json_loads(row->fallback, JSON_DECODE_ANY, NULL));
    return s;
}

void drift_config_json_schema(struct drift_buf *out)
{
    json_t *s = schema_of(&drift_schema_root);
    json_object_set_new(s, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
    json_object_set_new(s, "title", json_string("driftd"));
    char *text = json_dumps(s, JSON_INDENT(2) | JSON_REAL_PRECISION(6) | JSON_SORT_KEYS);
    if (text)
        drift_buf_addf(out, "%s\n", text);
    free(text);
    json_decref(s);
}
