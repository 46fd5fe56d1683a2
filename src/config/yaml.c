/* src/config/yaml.c    YAML text to a bounded tree of nodes, over libyaml's event stream.
 *
 * libyaml's own document tree has no limits and resolves aliases into graphs that cost nothing to write and
 * everything to walk.  Here every node knows how many nodes it stands for, so an alias is paid for where it is
 * used. */
#include "driftd/internal/config/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { ANCHORS_MAX = 1000 };

struct anchor {
    char *name;
    struct drift_node *node;
};

struct reader {
    yaml_parser_t yaml;
    struct drift_memory *memory;
    struct drift_problems *ps;
    size_t n_anchors;
    struct anchor anchors[ANCHORS_MAX];
    size_t total; /* nodes so far, aliases written out */
    bool failed;
};

static struct drift_node *node_read(struct reader *r, yaml_event_t *ev, size_t depth);

static void fail(struct reader *r, yaml_mark_t at, const char *message)
{
    if (!r->failed)
        drift_problem_add(r->ps, (uint32_t)at.line + 1, (uint32_t)at.column + 1, "", "%s", message);
    r->failed = true;
}

/* libyaml's words, with its context when it has one. */
static void fail_library(struct reader *r)
{
    const yaml_parser_t *y = &r->yaml;
    yaml_mark_t at = y->problem_mark;
    const char *what = y->problem ? y->problem : "cannot be read";
    if (r->failed)
        return;
    r->failed = true;
    if (y->error == YAML_MEMORY_ERROR)
        drift_problem_add(r->ps, (uint32_t)y->mark.line + 1, (uint32_t)y->mark.column + 1, "", "out of memory");
    else if (y->error == YAML_READER_ERROR)
        drift_problem_add(r->ps, (uint32_t)y->mark.line + 1, (uint32_t)y->mark.column + 1, "", "not text in UTF-8: %s",
                          what);
    else if (y->context)
        drift_problem_add(r->ps, (uint32_t)at.line + 1, (uint32_t)at.column + 1, "", "not YAML: %s, %s (line %zu)",
                          what, y->context, y->context_mark.line + 1);
    else
        drift_problem_add(r->ps, (uint32_t)at.line + 1, (uint32_t)at.column + 1, "", "not YAML: %s", what);
}

static bool next(struct reader *r, yaml_event_t *ev)
{
    if (r->failed)
        return false;
    if (!yaml_parser_parse(&r->yaml, ev)) {
        fail_library(r);
        return false;
    }
    return true;
}

static struct drift_node *node_new(struct reader *r, enum drift_node_kind kind, yaml_mark_t at)
{
    struct drift_node *n = drift_memory_get(r->memory, 1, sizeof *n);
    n->kind = kind;
    n->line = (uint32_t)at.line + 1;
    n->column = (uint32_t)at.column + 1;
    n->weight = n->height = 1;
    if (++r->total > DRIFT_YAML_NODES_MAX)
        fail(r, at, "more values than a configuration can have (100000, aliases written out)");
    return n;
}

static void anchor_add(struct reader *r, const yaml_char_t *name, struct drift_node *node, yaml_mark_t at)
{
    if (!name)
        return;
    if (r->n_anchors == ANCHORS_MAX) {
        fail(r, at, "more than 1000 anchors");
        return;
    }
    r->anchors[r->n_anchors].name = drift_memory_text(r->memory, (const char *)name, strlen((const char *)name));
    r->anchors[r->n_anchors++].node = node;
}

static struct drift_node *alias_read(struct reader *r, const yaml_event_t *ev, size_t depth)
{
    for (size_t i = r->n_anchors; i-- > 0;) { /* a later anchor of the same name hides the earlier */
        struct drift_node *n = r->anchors[i].node;
        if (strcmp(r->anchors[i].name, (const char *)ev->data.alias.anchor) != 0)
            continue;
        r->total += n->weight;
        if (r->total > DRIFT_YAML_NODES_MAX)
            fail(r, ev->start_mark, "more values than a configuration can have (100000, aliases written out)");
        if (depth + n->height > DRIFT_YAML_DEPTH_MAX)
            fail(r, ev->start_mark, "nested deeper than 16 levels");
        return n;
    }
    fail(r, ev->start_mark, "alias of an anchor that does not stand before it");
    return NULL;
}

static struct drift_node *scalar_read(struct reader *r, const yaml_event_t *ev)
{
    const char *text = (const char *)ev->data.scalar.value;
    size_t len = ev->data.scalar.length;
    struct drift_node *n = node_new(r, DRIFT_NODE_SCALAR, ev->start_mark);
    n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (ev->data.scalar.tag)
        fail(r, ev->start_mark, "tags (!...) are not used here: remove it");
    if (len > DRIFT_YAML_SCALAR_MAX)
        fail(r, ev->start_mark, "value longer than 16384 bytes");
    else if (memchr(text, 0, len))
        fail(r, ev->start_mark, "value with a NUL byte");
    else
        n->text = drift_memory_text(r->memory, text, len);
    n->len = len;
    return n;
}

static int by_text(const void *a, const void *b)
{
    const struct drift_node *const *p = a, *const *q = b;
    int c = strcmp((*p)->text, (*q)->text);
    if (c)
        return c;
    return (*p)->line != (*q)->line ? ((*p)->line < (*q)->line ? -1 : 1) : (*p)->column < (*q)->column ? -1 : 1;
}

/* Marks every key that stands in the map before. */
static void twins_mark(const struct drift_node *map)
{
    struct drift_node **sorted = drift_xcalloc(map->n + 1, sizeof *sorted);
    if (map->n)
        memcpy(sorted, map->key, map->n * sizeof *sorted);
    qsort(sorted, map->n, sizeof *sorted, by_text);
    for (size_t i = 1; i < map->n; i++)
        if (!strcmp(sorted[i]->text, sorted[i - 1]->text))
            sorted[i]->twin_line = sorted[i - 1]->line;
    free(sorted);
}

static void child_add(struct reader *r, struct drift_node *parent, size_t *cap, struct drift_node *key,
                      struct drift_node *item)
{
    if (parent->n == *cap) { /* doubled; the old arrays stay in the memory until the end */
        *cap = *cap ? *cap * 2 : 8;
        struct drift_node **items = drift_memory_get(r->memory, *cap, sizeof *items);
        struct drift_node **keys = drift_memory_get(r->memory, key ? *cap : 0, sizeof *keys);
        if (parent->n) {
            memcpy(items, parent->item, parent->n * sizeof *items);
            if (key)
                memcpy(keys, parent->key, parent->n * sizeof *keys);
        }
        parent->item = items;
        parent->key = keys;
    }
    if (key)
        parent->key[parent->n] = key;
    parent->item[parent->n++] = item;
    parent->weight += item->weight + (key ? key->weight : 0);
    if (item->height + 1 > parent->height)
        parent->height = item->height + 1;
}

/* Key of a map: a scalar written at its place (an alias would have somebody else's position). */
static struct drift_node *key_read(struct reader *r, yaml_event_t *ev)
{
    if (ev->type == YAML_SCALAR_EVENT)
        return scalar_read(r, ev);
    fail(r, ev->start_mark, "a key must be a plain or quoted text");
    return NULL;
}

static struct drift_node *children_read(struct reader *r, struct drift_node *parent, yaml_event_type_t end,
                                        size_t depth)
{
    yaml_event_t ev;
    size_t cap = 0;
    while (next(r, &ev)) {
        struct drift_node *key = NULL, *item = NULL;
        bool done = ev.type == end;
        if (!done && parent->kind == DRIFT_NODE_MAP) {
            key = key_read(r, &ev);
            yaml_event_delete(&ev);
            if (!next(r, &ev))
                return NULL;
        }
        if (!done && !r->failed)
            item = node_read(r, &ev, depth + 1);
        yaml_event_delete(&ev);
        if (done)
            break;
        if (r->failed || !item)
            return NULL;
        child_add(r, parent, &cap, key, item);
    }
    if (!r->failed && parent->kind == DRIFT_NODE_MAP)
        twins_mark(parent);
    return r->failed ? NULL : parent;
}

/* The node that an event begins, with all below it.  The caller deletes the event. */
static struct drift_node *node_read(struct reader *r, yaml_event_t *ev, size_t depth)
{
    struct drift_node *n = NULL;
    const yaml_char_t *anchor = NULL;
    if (depth > DRIFT_YAML_DEPTH_MAX) {
        fail(r, ev->start_mark, "nested deeper than 16 levels");
        return NULL;
    }
    switch (ev->type) {
    case YAML_ALIAS_EVENT:
        return alias_read(r, ev, depth);
    case YAML_SCALAR_EVENT:
        n = scalar_read(r, ev);
        anchor = ev->data.scalar.anchor;
        break;
    case YAML_SEQUENCE_START_EVENT:
        if (ev->data.sequence_start.tag)
            fail(r, ev->start_mark, "tags (!...) are not used here: remove it");
        n = children_read(r, node_new(r, DRIFT_NODE_LIST, ev->start_mark), YAML_SEQUENCE_END_EVENT, depth);
        anchor = ev->data.sequence_start.anchor;
        break;
    case YAML_MAPPING_START_EVENT:
        if (ev->data.mapping_start.tag)
            fail(r, ev->start_mark, "tags (!...) are not used here: remove it");
        n = children_read(r, node_new(r, DRIFT_NODE_MAP, ev->start_mark), YAML_MAPPING_END_EVENT, depth);
        anchor = ev->data.mapping_start.anchor;
        break;
    default:
        fail(r, ev->start_mark, "not YAML");
    }
    if (n)
        anchor_add(r, anchor, n, ev->start_mark); /* only now: a node cannot hold itself */
    return n;
}

/* Stream start, document start, the root, document end, and nothing behind. */
static struct drift_node *root_read(struct reader *r)
{
    static const yaml_event_type_t wants[] = {YAML_STREAM_START_EVENT, YAML_DOCUMENT_START_EVENT, YAML_NO_EVENT,
                                              YAML_DOCUMENT_END_EVENT, YAML_STREAM_END_EVENT};
    struct drift_node *root = NULL;
    yaml_event_t ev;
    for (size_t i = 0; i < sizeof wants / sizeof *wants && next(r, &ev); i++) {
        if (wants[i] == YAML_NO_EVENT)
            root = node_read(r, &ev, 1);
        else if (ev.type != wants[i])
            fail(r, ev.start_mark, ev.type == YAML_STREAM_END_EVENT ? "is empty" : "more than one document (---)");
        yaml_event_delete(&ev);
    }
    return r->failed ? NULL : root;
}

/* NUL bytes end text for libyaml too; said here with a position. */
static bool nul_found(const char *text, size_t len, struct drift_problems *ps)
{
    uint32_t line = 1, column = 1;
    for (size_t i = 0; i < len; i++, column++) {
        if (text[i] == 0) {
            drift_problem_add(ps, line, column, "", "not text in UTF-8: a NUL byte");
            return true;
        }
        if (text[i] == '\n') {
            line++;
            column = 0;
        }
    }
    return false;
}

struct drift_node *drift_yaml_parse(struct drift_memory *m, const char *text, size_t len, struct drift_problems *ps)
{
    if (len > DRIFT_YAML_BYTES_MAX) {
        drift_problem_add(ps, 1, 1, "", "larger than 1 MiB");
        return NULL;
    }
    if (nul_found(text, len, ps))
        return NULL;
    if (len >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) {
        text += 3;
        len -= 3;
    }
    struct reader *r = drift_xcalloc(1, sizeof *r);
    struct drift_node *root = NULL;
    r->memory = m;
    r->ps = ps;
    if (!yaml_parser_initialize(&r->yaml)) {
        free(r);
        drift_problem_add(ps, 1, 1, "", "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&r->yaml, YAML_UTF8_ENCODING); /* else a BOM switches to UTF-16 */
    yaml_parser_set_input_string(&r->yaml, (const unsigned char *)text, len);
    root = root_read(r);
    yaml_parser_delete(&r->yaml);
    free(r);
    return root;
}

const struct drift_node *drift_node_get(const struct drift_node *map, const char *key)
{
    for (size_t i = 0; map && map->kind == DRIFT_NODE_MAP && i < map->n; i++)
        if (!strcmp(map->key[i]->text, key))
            return map->item[i];
    return NULL;
}

bool drift_node_null(const struct drift_node *n)
{
    return n->kind == DRIFT_NODE_SCALAR && n->plain &&
           (!*n->text || !strcmp(n->text, "~") || !strcmp(n->text, "null") || !strcmp(n->text, "Null") ||
            !strcmp(n->text, "NULL"));
}

const char *drift_node_kind_name(const struct drift_node *n)
{
    return n->kind == DRIFT_NODE_LIST ? "a list" : n->kind == DRIFT_NODE_MAP ? "a map" : "a single value";
}
