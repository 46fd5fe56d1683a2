/* src/decode/avro_plan.c    Compiles a writer's schema and the wanted places into the program that avro_run.c runs. */
#include "driftd/internal/decode/avro_plan.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_OPS = 1 << 18 };

struct compiler {
    struct drift_avro_plan *p;
    uint32_t *skip_program; /* [schema->n]: a record's skipping subroutine; DRIFT_NOWHERE: none yet */
    uint32_t *wanted;       /* records that need one */
    uint32_t n_wanted;
    uint32_t label; /* a jump leads here: operations before it are not joined with what follows */
    bool full;
};

static uint32_t here(struct compiler *c)
{
    c->label = c->p->n_ops;
    return c->p->n_ops;
}

static uint32_t put(struct compiler *c, enum drift_avro_code code, uint32_t target, uint32_t a, uint32_t b)
{
    struct drift_avro_plan *p = c->p;
    if (p->n_ops == MAX_OPS) {
        c->full = true;
        return 0; /* a slot that exists; the plan is thrown away */
    }
    if (p->n_ops == p->cap_ops) {
        p->cap_ops = p->cap_ops ? 2 * p->cap_ops : 64;
        p->ops = drift_xrealloc(p->ops, p->cap_ops, sizeof *p->ops);
    }
    p->ops[p->n_ops] = (struct drift_avro_op){code, target, a, b};
    return p->n_ops++;
}

static struct drift_avro_op *last(struct compiler *c)
{
    return c->p->n_ops > c->label ? &c->p->ops[c->p->n_ops - 1] : NULL;
}

static void put_skip(struct compiler *c, uint32_t bytes)
{
    struct drift_avro_op *op = last(c);
    if (!bytes)
        return;
    if (op && op->code == DRIFT_OP_SKIP && op->a <= UINT32_MAX - bytes)
        op->a += bytes;
    else
        put(c, DRIFT_OP_SKIP, DRIFT_NOWHERE, bytes, 0);
}

static void put_f64(struct compiler *c, uint32_t target)
{
    struct drift_avro_op *op = last(c);
    if (op && op->code == DRIFT_OP_F64S && op->target + op->a == target)
        op->a++;
    else
        put(c, DRIFT_OP_F64S, target, 1, 0);
}

static void emit(struct compiler *c, const struct drift_avro_type *t, uint32_t target, uint32_t node);

/* Union of null and one other type: index of null, or -1. */
static int option_of(const struct drift_avro_type *t)
{
    if (t->n != 2)
        return -1;
    return t->types[0]->kind == DRIFT_AVRO_NULL ? 0 : t->types[1]->kind == DRIFT_AVRO_NULL ? 1 : -1;
}

static void emit_union(struct compiler *c, const struct drift_avro_type *t, uint32_t target, uint32_t node)
{
    struct drift_avro_plan *p = c->p;
    int null = option_of(t);
    if (null >= 0) {
        const struct drift_avro_type *other = t->types[1 - null];
        if (other->kind == DRIFT_AVRO_DOUBLE && target != DRIFT_NOWHERE) {
            put(c, DRIFT_OP_OPTF64, target, 0, (uint32_t)null);
            return;
        }
        uint32_t op = put(c, DRIFT_OP_OPTION, target, 0, (uint32_t)null);
        here(c);
        emit(c, other, target, node);
        uint32_t end = here(c);
        p->ops[op].a = end;
        return;
    }
    uint32_t table = p->n_tables, n = t->n;
    if (table + n > p->cap_tables) {
        p->cap_tables = 2 * (table + n);
        p->tables = drift_xrealloc(p->tables, p->cap_tables, sizeof *p->tables);
    }
    p->n_tables += n;
    put(c, DRIFT_OP_UNION, DRIFT_NOWHERE, table, n);
    uint32_t *jumps = drift_xcalloc(n, sizeof *jumps);
    for (uint32_t i = 0; i < n && !c->full; i++) {
        uint32_t at = here(c);
        p->tables[table + i] = at;
        emit(c, t->types[i], target, node);
        jumps[i] = put(c, DRIFT_OP_JUMP, DRIFT_NOWHERE, 0, 0);
    }
    uint32_t end = here(c);
    for (uint32_t i = 0; i < n && !c->full; i++)
        p->ops[jumps[i]].a = end;
    free(jumps);
}

/* A program of its own for one item; returns where it begins. */
static uint32_t emit_item(struct compiler *c, const struct drift_avro_type *t, uint32_t target, uint32_t node)
{
    uint32_t at = here(c);
    emit(c, t, target, node);
    put(c, DRIFT_OP_END, DRIFT_NOWHERE, 0, 0);
    here(c);
    return at;
}

static int by_key(const void *a, const void *b)
{
    const struct drift_avro_entry *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

/* Array or map that paths lead into. */
static void emit_box(struct compiler *c, const struct drift_avro_type *t, uint32_t node)
{
    struct drift_avro_plan *p = c->p;
    uint32_t box = p->n_boxes;
    if (box == p->cap_boxes) {
        p->cap_boxes = p->cap_boxes ? 2 * p->cap_boxes : 4;
        p->boxes = drift_xrealloc(p->boxes, p->cap_boxes, sizeof *p->boxes);
    }
    p->boxes[p->n_boxes++] = (struct drift_avro_box){.node = node};
    uint32_t op = put(c, t->kind == DRIFT_AVRO_MAP ? DRIFT_OP_MAP_KEYS : DRIFT_OP_ARRAY_KEYS, DRIFT_NOWHERE, 0, box);
    uint32_t skip = emit_item(c, t->types[0], DRIFT_NOWHERE, DRIFT_NOWHERE);
    uint32_t wild = p->paths->nodes[node].wild ? emit_item(c, t->types[0], 0, DRIFT_NOWHERE) : skip;
    uint32_t n = 0;
    struct drift_avro_entry *entries = drift_xcalloc(p->paths->n_configured, sizeof *entries);
    for (uint32_t k = 1; k < p->paths->n_configured && !c->full; k++) {
        struct drift_key *key = &p->paths->keys[k];
        if (key->node == node)
            entries[n++] = (struct drift_avro_entry){k, emit_item(c, t->types[0], key->target, key->child)};
    }
    qsort(entries, n, sizeof *entries, by_key);
    p->boxes[box] = (struct drift_avro_box){node, wild, skip, n, entries};
    p->ops[op].a = here(c);
}

static void emit_record(struct compiler *c, const struct drift_avro_type *t, uint32_t node)
{
    for (uint32_t i = 0; i < t->n && !c->full; i++) {
        struct drift_key *k = drift_paths_find(c->p->paths, node, t->names[i], strlen(t->names[i]));
        emit(c, t->types[i], k ? k->target : DRIFT_NOWHERE, k ? k->child : DRIFT_NOWHERE);
    }
}

static void emit_skip(struct compiler *c, const struct drift_avro_type *t)
{
    switch (t->kind) {
    case DRIFT_AVRO_NULL:
        break;
    case DRIFT_AVRO_BOOLEAN:
        put_skip(c, 1);
        break;
    case DRIFT_AVRO_FLOAT:
        put_skip(c, 4);
        break;
    case DRIFT_AVRO_DOUBLE:
        put_skip(c, 8);
        break;
    case DRIFT_AVRO_FIXED:
        put_skip(c, t->size);
        break;
    case DRIFT_AVRO_INT:
    case DRIFT_AVRO_LONG:
    case DRIFT_AVRO_ENUM:
        put(c, DRIFT_OP_VARINT, DRIFT_NOWHERE, 0, 0);
        break;
    case DRIFT_AVRO_BYTES:
    case DRIFT_AVRO_STRING:
        put(c, DRIFT_OP_BLOB, DRIFT_NOWHERE, 0, 0);
        break;
    case DRIFT_AVRO_ARRAY:
    case DRIFT_AVRO_MAP: {
        uint32_t op = put(c, t->kind == DRIFT_AVRO_MAP ? DRIFT_OP_MAP : DRIFT_OP_ARRAY, DRIFT_NOWHERE, 0, 0);
        emit_item(c, t->types[0], DRIFT_NOWHERE, DRIFT_NOWHERE);
        c->p->ops[op].a = here(c);
        break;
    }
    case DRIFT_AVRO_UNION:
        emit_union(c, t, DRIFT_NOWHERE, DRIFT_NOWHERE);
        break;
    case DRIFT_AVRO_RECORD:
        if (c->skip_program[t->id] == DRIFT_NOWHERE) {
            c->skip_program[t->id] = 0; /* filled by emit_subroutines */
            c->wanted[c->n_wanted++] = t->id;
        }
        put(c, DRIFT_OP_CALL, t->id, 0, 0);
        break;
    }
}

/* A scalar that somebody wants. */
static void emit_value(struct compiler *c, const struct drift_avro_type *t, uint32_t target)
{
    if (t->logical == DRIFT_AVRO_DECIMAL) {
        put(c, DRIFT_OP_DECIMAL, target, t->scale, t->kind == DRIFT_AVRO_FIXED ? t->size : DRIFT_NOWHERE);
        return;
    }
    switch (t->kind) {
    case DRIFT_AVRO_NULL:
        put(c, DRIFT_OP_NULL, target, 0, 0);
        break;
    case DRIFT_AVRO_BOOLEAN:
        put(c, DRIFT_OP_BOOL, target, 0, 0);
        break;
    case DRIFT_AVRO_INT:
        put(c, DRIFT_OP_INT, target, 0, 0);
        break;
    case DRIFT_AVRO_LONG:
        if (t->logical != DRIFT_AVRO_PLAIN && target == DRIFT_PLACE_TIME)
            put(c, DRIFT_OP_UNIT, target, (uint32_t)t->logical, 0);
        put(c, DRIFT_OP_LONG, target, 0, 0);
        break;
    case DRIFT_AVRO_FLOAT:
        put(c, DRIFT_OP_F32, target, 0, 0);
        break;
    case DRIFT_AVRO_DOUBLE:
        put_f64(c, target);
        break;
    case DRIFT_AVRO_STRING:
        put(c, DRIFT_OP_STR, target, 0, 0);
        break;
    case DRIFT_AVRO_ENUM:
        put(c, DRIFT_OP_ENUM, target, t->id, 0);
        break;
    default: /* bytes, fixed */
        put(c, DRIFT_OP_OTHER, target, 0, 0);
        emit_skip(c, t);
    }
}

static void emit(struct compiler *c, const struct drift_avro_type *t, uint32_t target, uint32_t node)
{
    bool nested = t->kind == DRIFT_AVRO_ARRAY || t->kind == DRIFT_AVRO_MAP || t->kind == DRIFT_AVRO_RECORD;
    if (c->full)
        return;
    if (target == DRIFT_NOWHERE && (node == DRIFT_NOWHERE || (!nested && t->kind != DRIFT_AVRO_UNION)))
        emit_skip(c, t);
    else if (t->kind == DRIFT_AVRO_UNION)
        emit_union(c, t, target, node);
    else if (!nested)
        emit_value(c, t, target);
    else {
        if (target != DRIFT_NOWHERE)
            put(c, DRIFT_OP_OTHER, target, 0, 0);
        if (node == DRIFT_NOWHERE)
            emit_skip(c, t);
        else if (t->kind == DRIFT_AVRO_RECORD)
            emit_record(c, t, node);
        else
            emit_box(c, t, node);
    }
}

static void emit_subroutines(struct compiler *c)
{
    for (uint32_t i = 0; i < c->n_wanted && !c->full; i++) {
        const struct drift_avro_type *t = c->p->schema->all[c->wanted[i]];
        c->skip_program[t->id] = here(c);
        for (uint32_t f = 0; f < t->n && !c->full; f++)
            emit_skip(c, t->types[f]);
        put(c, DRIFT_OP_END, DRIFT_NOWHERE, 0, 0);
    }
    for (uint32_t i = 0; i < c->p->n_ops; i++)
        if (c->p->ops[i].code == DRIFT_OP_CALL)
            c->p->ops[i].a = c->skip_program[c->p->ops[i].target];
}

int drift_avro_plan_new(struct drift_avro_schema *schema, struct drift_paths *paths, struct drift_avro_plan **ret,
                        struct drift_err *err)
{
    struct drift_avro_plan *p = drift_xcalloc(1, sizeof *p);
    p->schema = schema;
    p->paths = paths;
    struct compiler c = {.p = p};
    c.skip_program = drift_xcalloc(schema->n, sizeof *c.skip_program);
    c.wanted = drift_xcalloc(schema->n, sizeof *c.wanted);
    for (uint32_t i = 0; i < schema->n; i++)
        c.skip_program[i] = DRIFT_NOWHERE;
    emit_record(&c, schema->root, 0);
    put(&c, DRIFT_OP_END, DRIFT_NOWHERE, 0, 0);
    emit_subroutines(&c);
    free(c.skip_program);
    free(c.wanted);
    if (c.full) {
        drift_avro_plan_free(p);
        return drift_fail(err, DRIFT_E_RANGE, DRIFT_SKIP,
                          "cannot use the schema: more than %d steps are needed to read it", MAX_OPS);
    }
    *ret = p;
    return 0;
}

void drift_avro_plan_free(struct drift_avro_plan *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->n_boxes; i++)
        free(p->boxes[i].entries);
    free(p->boxes);
    free(p->tables);
    free(p->ops);
    drift_avro_schema_free(p->schema);
    free(p);
}
