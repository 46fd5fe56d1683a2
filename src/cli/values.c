/* src/cli/values.c    The values themselves of two files' columns; for `compare`.
 *
 * As many columns at once as memory allows.  What numbers take is known from counting; what categories take is not, so
 * they all start together, and a column that would pass the maximum gives its memory back and waits for the next
 * reading.  The first column of a reading has room for all that one column may take: every reading finishes one. */
#include "driftd/internal/cli/values.h"

#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/window/count.h"
#include "driftd/samples.h"

static const char too_big[] = "its values do not fit in memory: raise --memory", too_many[] = "too many categories";

struct name {
    size_t at; /* in text */
    uint32_t n, id;
    uint64_t count[2];
};

struct bag { /* categories of one column */
    struct name *name;
    uint32_t *hash; /* open addressing: name + 1 */
    size_t n, cap, cap_hash, len_text, cap_text;
    char *text;
};

struct column {
    const struct drift_values_column *set;
    size_t at;
    bool done, member, waits;
    const char *why;
    double *x[2];
    size_t n[2];
    struct bag bag;
};

struct drift_collector {
    size_t n_columns;
    struct column *columns;
    uint64_t max_bytes, used;
    struct column *first; /* of the reading's members */
    int side;
    bool changed; /* a file is not as it was when it was counted */
    /* which column each field feeds, -1: none of the reading */
    uint32_t n_fields;
    int32_t *column_of;
    uint32_t generation;
};

/* ---- categories ---- */

static uint64_t bag_bytes(const struct bag *b)
{
    return b->cap * sizeof *b->name + b->cap_hash * sizeof *b->hash + b->cap_text;
}

static void bag_release(struct bag *b)
{
    free(b->name);
    free(b->hash);
    free(b->text);
    *b = (struct bag){0};
}

static uint32_t *bag_place(const struct bag *b, const char *p, size_t n)
{
    for (uint64_t i = drift_hash64(p, n);; i++) {
        uint32_t *at = &b->hash[i & (b->cap_hash - 1)];
        const struct name *name = *at ? &b->name[*at - 1] : NULL;
        if (!name || (name->n == n && !memcmp(b->text + name->at, p, n)))
            return at;
    }
}

static void bag_grow(struct bag *b)
{
    b->cap = b->cap ? 2 * b->cap : 16;
    b->name = drift_xrealloc(b->name, b->cap, sizeof *b->name);
    free(b->hash);
    b->cap_hash = 2 * b->cap;
    b->hash = drift_xcalloc(b->cap_hash, sizeof *b->hash);
    for (size_t i = 0; i < b->n; i++)
        *bag_place(b, b->text + b->name[i].at, b->name[i].n) = (uint32_t)i + 1;
}

static void bag_add(struct bag *b, int side, const char *p, size_t n)
{
    if (b->n == b->cap)
        bag_grow(b);
    uint32_t *at = bag_place(b, p, n);
    if (!*at) {
        if (b->cap_text - b->len_text < n) {
            b->cap_text = 2 * b->cap_text + n + 64;
            b->text = drift_xrealloc(b->text, b->cap_text, 1);
        }
        memcpy(b->text + b->len_text, p, n);
        b->name[b->n] = (struct name){.at = b->len_text, .n = (uint32_t)n};
        b->len_text += n;
        *at = (uint32_t)++b->n;
    }
    b->name[*at - 1].count[side]++;
}

/* ---- one reading ---- */

static bool numeric(const struct column *c)
{
    return c->set->column->kind == DRIFT_NUMERIC;
}

static uint64_t number_bytes(const struct column *c)
{
    return (c->set->n[0] + c->set->n[1]) * sizeof(double);
}

/* What sorting takes besides. */
static uint64_t scratch_bytes(const struct column *c)
{
    return (c->set->n[0] > c->set->n[1] ? c->set->n[0] : c->set->n[1]) * sizeof(double);
}

static void column_release(struct column *c)
{
    for (int side = 0; side < 2; side++) {
        free(c->x[side]);
        c->x[side] = NULL;
        c->n[side] = 0;
    }
    bag_release(&c->bag);
}

static void leave(struct drift_collector *k, struct column *c, const char *why)
{
    k->used -= bag_bytes(&c->bag);
    bag_release(&c->bag);
    c->why = why;
    c->waits = !why;
    c->member = false;
}

static void add_category(struct drift_collector *k, struct column *c, struct drift_str s)
{
    uint64_t before = bag_bytes(&c->bag);
    bag_add(&c->bag, k->side, s.n ? s.p : "", drift_name_cut(s.n ? s.p : "", s.n));
    k->used += bag_bytes(&c->bag) - before;
    if (c->bag.n > DRIFT_DISTINCT_MAX)
        leave(k, c, too_many);
    else if (k->used > k->max_bytes && c != k->first)
        leave(k, c, NULL);
}

static void add(struct drift_collector *k, struct column *c, uint8_t kind, double num, struct drift_str str)
{
    char scratch[32];
    if (kind != DRIFT_V_NUM && kind != DRIFT_V_BOOL && (numeric(c) || kind != DRIFT_V_STR))
        return;
    if (!numeric(c))
        add_category(k, c, drift_value_category(kind, num, str, scratch));
    else if (c->n[k->side] == c->set->n[k->side])
        k->changed = true;
    else
        c->x[k->side][c->n[k->side]++] = num;
}

/* Fields that the table knows are all known when values are read, so that this happens once or twice. */
static void bind(struct drift_collector *k, const struct drift_fields *f)
{
    k->column_of = drift_xrealloc(k->column_of, f->n ? f->n : 1, sizeof *k->column_of);
    for (uint32_t i = 0; i < f->n; i++) {
        k->column_of[i] = -1;
        for (size_t j = 0; j < k->n_columns; j++)
            if (k->columns[j].set->column->role == DRIFT_FEATURE &&
                !strcmp(k->columns[j].set->column->name, f->names[i]))
                k->column_of[i] = (int32_t)j;
    }
    k->n_fields = f->n;
    k->generation = f->generation;
}

void drift_values_row(struct drift_collector *k, const struct drift_event *ev)
{
    if (ev->fields && (ev->fields->generation != k->generation || !k->column_of))
        bind(k, ev->fields);
    for (uint32_t i = 0; ev->fields && i < k->n_fields; i++) {
        struct column *c = k->column_of[i] >= 0 ? &k->columns[k->column_of[i]] : NULL;
        if (c && c->member)
            add(k, c, ev->kind[i], ev->num[i], ev->str[i]);
    }
    for (size_t j = 0; j < k->n_columns; j++) {
        struct column *c = &k->columns[j];
        enum drift_role role = c->set->column->role;
        const struct drift_value *v = role == DRIFT_LABEL ? &ev->label : role == DRIFT_SCORE ? &ev->score : NULL;
        if (v && c->member)
            add(k, c, (uint8_t)v->kind, v->num, v->str);
    }
}

static void take(struct drift_collector *k, struct column *c)
{
    c->member = true;
    k->first = k->first ? k->first : c;
    k->used += numeric(c) ? number_bytes(c) : 0;
    for (int side = 0; numeric(c) && side < 2; side++)
        c->x[side] = drift_xcalloc(c->set->n[side] ? c->set->n[side] : 1, sizeof(double));
}

/* Takes columns that are not done as long as they fit. */
static bool choose(struct drift_collector *k)
{
    uint64_t scratch = 0;
    k->used = 0;
    k->first = NULL;
    for (size_t i = 0; i < k->n_columns; i++) {
        struct column *c = &k->columns[i];
        uint64_t bytes = numeric(c) ? number_bytes(c) : 0, sorting = numeric(c) ? scratch_bytes(c) : 0;
        c->waits = c->member = false;
        if (c->done)
            continue;
        sorting = sorting > scratch ? sorting : scratch;
        if (!c->why && k->used + bytes + sorting <= k->max_bytes) {
            scratch = sorting;
            take(k, c);
        } else if (!k->first) {
            c->why = too_big;
        } else {
            c->waits = true;
        }
    }
    return k->first != NULL;
}

/* ---- handing out ---- */

static int by_bytes(const void *a, const void *b)
{
    const struct drift_str *x = a, *y = b;
    int c = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
    return c ? c : x->n < y->n ? -1 : x->n > y->n;
}

static void use_names(struct column *c, struct drift_values *v, drift_values_use *use, void *ctx)
{
    struct bag *b = &c->bag;
    struct drift_str *names = drift_xcalloc(b->n ? b->n : 1, sizeof *names);
    for (size_t i = 0; i < b->n; i++)
        names[i] = (struct drift_str){b->text + b->name[i].at, b->name[i].n};
    qsort(names, b->n, sizeof *names, by_bytes);
    v->n_names = b->n;
    v->names = names;
    for (int side = 0; side < 2; side++) {
        v->count[side] = drift_xcalloc(b->n ? b->n : 1, sizeof *v->count[side]);
        for (size_t i = 0; i < b->n; i++) {
            v->count[side][i] = b->name[*bag_place(b, names[i].p, names[i].n) - 1].count[side];
            v->n[side] += v->count[side][i];
        }
    }
    use(ctx, v);
    free(names);
    free(v->count[0]);
    free(v->count[1]);
}

static void use_numbers(struct column *c, struct drift_values *v, drift_values_use *use, void *ctx)
{
    for (int side = 0; side < 2; side++) {
        if (drift_samples_sort(c->x[side], c->n[side]))
            v->why = too_big;
        v->x[side] = c->x[side];
        v->n[side] = c->n[side];
    }
    use(ctx, v);
}

static void hand_out(struct drift_collector *k, drift_values_use *use, void *ctx)
{
    for (size_t i = 0; i < k->n_columns; i++) {
        struct column *c = &k->columns[i];
        struct drift_values v = {.at = c->at, .why = c->why};
        if (c->done || c->waits)
            continue;
        if (c->why)
            use(ctx, &v);
        else if (numeric(c))
            use_numbers(c, &v, use, ctx);
        else
            use_names(c, &v, use, ctx);
        column_release(c);
        c->done = true;
        c->member = false;
    }
}

static int read_both(struct drift_collector *k, drift_values_read *read, void *ctx, struct drift_err *err)
{
    int rc = 0;
    for (k->side = 0; k->side < 2 && !rc; k->side++)
        rc = read(ctx, k->side, k, err);
    for (size_t i = 0; i < k->n_columns && !rc; i++) {
        const struct column *c = &k->columns[i];
        k->changed = k->changed || (c->member && numeric(c) && (c->n[0] != c->set->n[0] || c->n[1] != c->set->n[1]));
    }
    if (!rc && k->changed)
        rc = drift_fail(err, DRIFT_E_MISMATCH, DRIFT_STOP, "a file changed while it was read: compare it again");
    return rc;
}

int drift_values_each(const struct drift_values_column *columns, size_t n_columns, uint64_t max_bytes,
                      drift_values_read *read, drift_values_use *use, void *ctx, struct drift_err *err)
{
    struct drift_collector k = {.n_columns = n_columns, .max_bytes = max_bytes};
    int rc = 0;
    k.columns = drift_xcalloc(n_columns ? n_columns : 1, sizeof *k.columns);
    for (size_t i = 0; i < n_columns; i++)
        k.columns[i] = (struct column){.set = &columns[i], .at = i};
    while (!rc && choose(&k)) {
        rc = read_both(&k, read, ctx, err);
        if (!rc)
            hand_out(&k, use, ctx);
    }
    if (!rc)
        hand_out(&k, use, ctx); /* those that did not fit at all */
    for (size_t i = 0; i < n_columns; i++)
        column_release(&k.columns[i]);
    free(k.columns);
    free(k.column_of);
    return rc;
}
