/* src/decode/avro_leaves.c    Every scalar of one Avro record with its path, by the schema alone; for `init`.
 *
 * Shares nothing with the plan but the primitives, so the tests hold one against the other. */
#include "driftd/internal/decode/avro_plan.h"
#include "driftd/internal/decode/avro_read.h"

#include <inttypes.h>
#include <stdio.h>

struct walk {
    struct drift_avro_cursor c;
    drift_leaf_fn *leaf;
    void *ctx;
    char path[DRIFT_PATH_PARTS * (DRIFT_NAME_MAX + 1)];
};

static const struct drift_str no_text = {"", 0};

static void give(struct walk *w, enum drift_value_kind kind, double num, struct drift_str str)
{
    w->leaf(w->ctx, w->path, kind, num, str);
}
static void give_num(struct walk *w, double v)
{
    give(w, v - v == 0 ? DRIFT_V_NUM : DRIFT_V_NONFINITE, v, no_text);
}

/* Appends ".name"; false when it does not fit (such leaves are walked, but not given). */
static bool descend(struct walk *w, size_t at, const char *name, size_t n)
{
    size_t dot = at ? 1 : 0;
    if (at + dot + n >= sizeof w->path || memchr(name, 0, n))
        return false;
    if (dot)
        w->path[at] = '.';
    memcpy(w->path + at + dot, name, n);
    w->path[at + dot + n] = 0;
    return true;
}

static bool value(struct walk *w, const struct drift_avro_schema *s, const struct drift_avro_type *t, bool shown,
                  int depth);

static bool member(struct walk *w, const struct drift_avro_schema *s, const struct drift_avro_type *t, const char *name,
                   size_t n, bool shown, int depth)
{
    size_t at = strlen(w->path);
    shown = shown && descend(w, at, name, n);
    bool good = value(w, s, t, shown, depth + 1);
    w->path[at] = 0;
    return good;
}

static bool box(struct walk *w, const struct drift_avro_schema *s, const struct drift_avro_type *t, bool shown,
                int depth)
{
    uint64_t n, index = 0;
    for (;;) {
        if (!drift_avro_block(&w->c, &n))
            return false;
        if (!n)
            return true;
        for (; n; n--, index++) {
            char number[24];
            const uint8_t *name = (const uint8_t *)number;
            size_t len;
            if (!drift_avro_spend(&w->c))
                return false;
            if (t->kind == DRIFT_AVRO_ARRAY)
                len = (size_t)snprintf(number, sizeof number, "%" PRIu64, index);
            else if (!drift_avro_blob(&w->c, &name, &len))
                return false;
            if (!member(w, s, t->types[0], (const char *)name, len, shown && drift_utf8_valid((const char *)name, len),
                        depth))
                return false;
        }
    }
}

static bool decimal(struct walk *w, const struct drift_avro_type *t, const uint8_t *p, size_t n, bool shown)
{
    if (!shown)
        return true;
    if (t->logical == DRIFT_AVRO_DECIMAL)
        give_num(w, drift_avro_decimal(p, n, t->scale));
    else
        give(w, DRIFT_V_OTHER, 0, no_text);
    return true;
}

static bool text(struct walk *w, bool shown)
{
    const uint8_t *s;
    size_t n;
    if (!drift_avro_blob(&w->c, &s, &n))
        return false;
    if (!shown)
        return true;
    if (!drift_utf8_valid((const char *)s, n))
        return false;
    give(w, DRIFT_V_STR, 0, (struct drift_str){(const char *)s, n});
    return true;
}

static bool number(struct walk *w, const struct drift_avro_type *t, bool shown)
{
    int64_t i = 0;
    double v = 0;
    bool good = t->kind == DRIFT_AVRO_INT     ? drift_avro_int(&w->c, &i)
                : t->kind == DRIFT_AVRO_LONG  ? drift_avro_long(&w->c, &i)
                : t->kind == DRIFT_AVRO_FLOAT ? drift_avro_f32(&w->c, &v)
                                              : drift_avro_f64(&w->c, &v);
    if (good && shown)
        give_num(w, t->kind == DRIFT_AVRO_INT || t->kind == DRIFT_AVRO_LONG ? (double)i : v);
    return good;
}

static bool value(struct walk *w, const struct drift_avro_schema *s, const struct drift_avro_type *t, bool shown,
                  int depth)
{
    const uint8_t *p;
    size_t n;
    uint32_t i;
    bool yes;
    if (depth > DRIFT_AVRO_DEPTH || !drift_avro_spend(&w->c))
        return false;
    switch (t->kind) {
    case DRIFT_AVRO_NULL:
        if (shown)
            give(w, DRIFT_V_NULL, 0, no_text);
        return true;
    case DRIFT_AVRO_BOOLEAN:
        if (!drift_avro_bool(&w->c, &yes))
            return false;
        if (shown)
            give(w, DRIFT_V_BOOL, yes, no_text);
        return true;
    case DRIFT_AVRO_INT:
    case DRIFT_AVRO_LONG:
    case DRIFT_AVRO_FLOAT:
    case DRIFT_AVRO_DOUBLE:
        return number(w, t, shown);
    case DRIFT_AVRO_BYTES:
        return drift_avro_blob(&w->c, &p, &n) && decimal(w, t, p, n, shown);
    case DRIFT_AVRO_FIXED:
        if (!drift_avro_has(&w->c, t->size))
            return false;
        p = w->c.p;
        w->c.p += t->size;
        return decimal(w, t, p, t->size, shown);
    case DRIFT_AVRO_STRING:
        return text(w, shown);
    case DRIFT_AVRO_ENUM:
        if (!drift_avro_index(&w->c, t->n, &i))
            return false;
        if (shown)
            give(w, DRIFT_V_STR, 0, (struct drift_str){t->names[i], strlen(t->names[i])});
        return true;
    case DRIFT_AVRO_ARRAY:
    case DRIFT_AVRO_MAP:
        return box(w, s, t, shown, depth);
    case DRIFT_AVRO_UNION:
        return drift_avro_index(&w->c, t->n, &i) && value(w, s, t->types[i], shown, depth + 1);
    case DRIFT_AVRO_RECORD:
        for (i = 0; i < t->n; i++)
            if (!member(w, s, t->types[i], t->names[i], strlen(t->names[i]), shown, depth))
                return false;
        return true;
    }
    return false;
}

bool drift_avro_leaves(const struct drift_avro_schema *s, const uint8_t *body, size_t len, drift_leaf_fn *leaf,
                       void *ctx)
{
    struct walk w = {.c = drift_avro_cursor(body, len), .leaf = leaf, .ctx = ctx};
    return value(&w, s, s->root, true, 0) && w.c.p == w.c.end;
}
