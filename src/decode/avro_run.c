/* src/decode/avro_run.c    Runs a plan over the bytes of one record: bounds, depth and work are limited here.
 *
 * A switch over a flat array of operations: about 2 ns an operation.  Rejected: avro-c's generic reader (13 to 50
 * times slower, unsafe on hostile bytes), closures per field (an indirect call each). */
#include "driftd/internal/decode/avro_plan.h"
#include "driftd/internal/decode/avro_read.h"

#include <math.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Avro's doubles are copied as they are");

struct machine {
    struct drift_avro_cursor c;
    const struct drift_avro_plan *plan;
    struct drift_row *row;
};

double drift_avro_decimal(const uint8_t *p, size_t n, uint32_t scale)
{
    double v = n && p[0] & 0x80 ? -1 : 0; /* sign bytes above the first */
    for (size_t i = 0; i < n && n > 8; i++)
        v = v * 256 + p[i];
    if (n <= 8) {
        uint64_t u = v < 0 ? UINT64_MAX : 0;
        for (size_t i = 0; i < n; i++)
            u = u << 8 | p[i];
        v = (double)(int64_t)u;
    }
    return scale <= 22 ? v / pow(10, scale) : v * pow(10, -(double)scale);
}

static bool run(struct machine *m, uint32_t pc, uint32_t base, int depth);

static uint32_t entry_program(const struct drift_avro_box *b, const struct drift_paths *paths,
                              const struct drift_key *k, uint32_t *ret_base)
{
    if (!k)
        return b->skip;
    uint32_t key = (uint32_t)(k - paths->keys), lo = 0, hi = b->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (b->entries[mid].key < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < b->n && b->entries[lo].key == key)
        return b->entries[lo].program;
    if (k->target == DRIFT_NOWHERE)
        return b->skip;
    *ret_base = k->target;
    return b->wild;
}

static struct drift_key *entry_key(struct drift_paths *paths, uint32_t node, const char *name, size_t n,
                                   uint32_t **hint)
{
    struct drift_key *k = &paths->keys[**hint];
    if (k->node != node || k->n != n || memcmp(k->name, name, n) != 0) {
        k = drift_paths_find(paths, node, name, n);
        if (!k)
            return NULL;
        **hint = (uint32_t)(k - paths->keys);
    }
    *hint = &k->next;
    return k;
}

/* Entries of a map or array that paths lead into. */
static bool run_box(struct machine *m, const struct drift_avro_box *b, bool map, int depth)
{
    struct drift_paths *paths = m->plan->paths;
    uint32_t *hint = &paths->nodes[b->node].first;
    uint64_t index = 0, n;
    for (;;) {
        if (!drift_avro_block(&m->c, &n))
            return false;
        if (!n)
            return true;
        for (; n; n--) {
            const uint8_t *name;
            size_t len;
            struct drift_key *k;
            uint32_t base = 0;
            if (!drift_avro_spend(&m->c))
                return false;
            if (!map)
                k = drift_paths_element(paths, b->node, index++);
            else if (drift_avro_blob(&m->c, &name, &len))
                k = entry_key(paths, b->node, (const char *)name, len, &hint);
            else
                return false;
            uint32_t pc = entry_program(b, paths, k, &base);
            if (!run(m, pc, base, depth + 1))
                return false;
        }
    }
}

/* Items of an unwanted array or map, whose program is at pc. */
static bool run_skip(struct machine *m, uint32_t pc, bool map, int depth)
{
    const struct drift_avro_op *op = &m->plan->ops[pc];
    bool empty = op->code == DRIFT_OP_END, fixed = op->code == DRIFT_OP_SKIP && op[1].code == DRIFT_OP_END;
    for (;;) {
        uint64_t n;
        if (!drift_avro_block(&m->c, &n))
            return false;
        if (!n)
            return true;
        if (!map && (empty || fixed)) {
            if (fixed && n > (uint64_t)(m->c.end - m->c.p) / op->a)
                return false;
            m->c.p += fixed ? n * op->a : 0;
            continue;
        }
        for (; n; n--) {
            const uint8_t *key;
            size_t len;
            if (!drift_avro_spend(&m->c) || (map && !drift_avro_blob(&m->c, &key, &len)) || !run(m, pc, 0, depth + 1))
                return false;
        }
    }
}

static bool run_str(struct machine *m, uint32_t target)
{
    const uint8_t *s;
    size_t n;
    if (!drift_avro_blob(&m->c, &s, &n) || !drift_utf8_valid((const char *)s, n))
        return false;
    drift_row_str(m->row, target, (const char *)s, n);
    return true;
}

static bool run_enum(struct machine *m, const struct drift_avro_type *t, uint32_t target)
{
    uint32_t i;
    if (!drift_avro_index(&m->c, t->n, &i))
        return false;
    drift_row_str(m->row, target, t->names[i], strlen(t->names[i]));
    return true;
}

static bool run_decimal(struct machine *m, const struct drift_avro_op *op, uint32_t target)
{
    const uint8_t *s = m->c.p;
    size_t n = op->b;
    if (op->b == DRIFT_NOWHERE) {
        if (!drift_avro_blob(&m->c, &s, &n))
            return false;
    } else {
        if (!drift_avro_has(&m->c, n))
            return false;
        m->c.p += n;
    }
    drift_row_num(m->row, target, drift_avro_decimal(s, n, op->a));
    return true;
}

static bool run_f64s(struct machine *m, uint32_t target, uint32_t n)
{
    const uint8_t *p = m->c.p;
    if (!drift_avro_has(&m->c, 8 * (uint64_t)n))
        return false;
    m->c.p += 8 * (size_t)n;
    for (uint32_t i = 0; i < n; i++) {
        double v;
        memcpy(&v, p + 8 * (size_t)i, 8);
        drift_row_num(m->row, target + i, v);
    }
    return true;
}

static void set_unit(struct machine *m, uint32_t logical)
{
    m->row->has_logical_unit = true;
    m->row->logical_unit = logical == DRIFT_AVRO_MILLIS   ? DRIFT_TIME_MS
                           : logical == DRIFT_AVRO_MICROS ? DRIFT_TIME_US
                                                          : DRIFT_TIME_NS;
}

/* One program to its END. */
static bool run(struct machine *m, uint32_t pc, uint32_t base, int depth)
{
    const struct drift_avro_plan *plan = m->plan;
    struct drift_row *row = m->row;
    int64_t i;
    double v;
    bool yes;
    uint32_t branch;
    const uint8_t *blob;
    size_t n;
    if (depth > DRIFT_AVRO_DEPTH)
        return false;
    for (;;) {
        const struct drift_avro_op *op = &plan->ops[pc++];
        uint32_t target = op->target + base; /* base is 0 but in the programs of map and array features */
        switch ((enum drift_avro_code)op->code) {
        case DRIFT_OP_END:
            return true;
        case DRIFT_OP_JUMP:
            pc = op->a;
            break;
        case DRIFT_OP_CALL:
            if (!drift_avro_spend(&m->c) || !run(m, op->a, 0, depth + 1))
                return false;
            break;
        case DRIFT_OP_SKIP:
            if (!drift_avro_has(&m->c, op->a))
                return false;
            m->c.p += op->a;
            break;
        case DRIFT_OP_VARINT:
            if (!drift_avro_long(&m->c, &i))
                return false;
            break;
        case DRIFT_OP_BLOB:
            if (!drift_avro_blob(&m->c, &blob, &n))
                return false;
            break;
        case DRIFT_OP_UNION:
            if (!drift_avro_index(&m->c, op->b, &branch))
                return false;
            pc = plan->tables[op->a + branch];
            break;
        case DRIFT_OP_OPTION:
            if (!drift_avro_index(&m->c, 2, &branch))
                return false;
            if (branch == op->b) {
                if (op->target != DRIFT_NOWHERE)
                    drift_row_null(row, target);
                pc = op->a;
            }
            break;
        case DRIFT_OP_OPTF64:
            if (!drift_avro_index(&m->c, 2, &branch))
                return false;
            if (branch == op->b)
                drift_row_null(row, target);
            else if (drift_avro_f64(&m->c, &v))
                drift_row_num(row, target, v);
            else
                return false;
            break;
        case DRIFT_OP_ARRAY:
        case DRIFT_OP_MAP:
            if (!run_skip(m, pc, op->code == DRIFT_OP_MAP, depth))
                return false;
            pc = op->a;
            break;
        case DRIFT_OP_ARRAY_KEYS:
        case DRIFT_OP_MAP_KEYS:
            if (!run_box(m, &plan->boxes[op->b], op->code == DRIFT_OP_MAP_KEYS, depth))
                return false;
            pc = op->a;
            break;
        case DRIFT_OP_NULL:
            drift_row_null(row, target);
            break;
        case DRIFT_OP_OTHER:
            drift_row_other(row, target);
            break;
        case DRIFT_OP_BOOL:
            if (!drift_avro_bool(&m->c, &yes))
                return false;
            drift_row_bool(row, target, yes);
            break;
        case DRIFT_OP_INT:
            if (!drift_avro_int(&m->c, &i))
                return false;
            drift_row_whole(row, target, i);
            break;
        case DRIFT_OP_LONG:
            if (!drift_avro_long(&m->c, &i))
                return false;
            drift_row_whole(row, target, i);
            break;
        case DRIFT_OP_F32:
            if (!drift_avro_f32(&m->c, &v))
                return false;
            drift_row_num(row, target, v);
            break;
        case DRIFT_OP_F64S:
            if (!run_f64s(m, target, op->a))
                return false;
            break;
        case DRIFT_OP_STR:
            if (!run_str(m, target))
                return false;
            break;
        case DRIFT_OP_ENUM:
            if (!run_enum(m, plan->schema->all[op->a], target))
                return false;
            break;
        case DRIFT_OP_DECIMAL:
            if (!run_decimal(m, op, target))
                return false;
            break;
        case DRIFT_OP_UNIT:
            set_unit(m, op->a);
            break;
        }
    }
}

bool drift_avro_run(const struct drift_avro_plan *p, const uint8_t *body, size_t len)
{
    struct machine m = {drift_avro_cursor(body, len), p, &p->paths->row};
    return run(&m, 0, 0, 0) && m.c.p == m.c.end;
}
