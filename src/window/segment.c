/* src/window/segment.c    Which counters the values of a key have, for counting, baselines and verdicts. */
#include "driftd/internal/window/segment.h"

#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/buf.h"
#include "driftd/internal/base/text.h"

enum { FORMAT = 1 };
static const char prefix[] = "segment:";

static bool is_segment(const struct drift_block *b)
{
    return !strncmp(b->name, prefix, sizeof prefix - 1);
}

/* ---- the coarse form ---- */

static bool shape_fits(const struct drift_column *c, const struct drift_segment_shape *s)
{
    if (c->kind == DRIFT_NUMERIC)
        return s->n == 0;
    if (s->n == 0)
        return c->n_categories <= DRIFT_SEGMENT_CATEGORIES;
    for (uint32_t i = 0; i < s->n; i++)
        if (s->category[i] >= c->n_categories || (i && s->category[i] <= s->category[i - 1]))
            return false;
    return true;
}

static uint32_t coarse_cells(const struct drift_column *c, const struct drift_segment_shape *s)
{
    return c->kind == DRIFT_NUMERIC ? c->n_bins : (s->n ? s->n : c->n_categories) + 2;
}

static uint64_t coarse_stride(const struct drift_layout *l, const struct drift_segment_shape *shape)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < l->n_columns; i++)
        n += DRIFT_N_SPECIAL + coarse_cells(&l->columns[i], &shape[i]);
    return n;
}

static int coarse_numeric(struct drift_layout *coarse, const struct drift_column *c)
{
    double edges[DRIFT_EDGES_MAX];
    for (uint32_t b = 0; b + 1 < c->n_bins; b++)
        edges[b] = c->edges[c->bin_end[b] - 1];
    return drift_layout_add_numeric(coarse, c->role, c->name, edges, c->n_bins - 1, false, NULL, 0);
}

static int coarse_categorical(struct drift_layout *coarse, const struct drift_column *c,
                              const struct drift_segment_shape *s)
{
    const char *names[DRIFT_SEGMENT_CATEGORIES];
    uint32_t n = s->n ? s->n : c->n_categories;
    for (uint32_t i = 0; i < n; i++)
        names[i] = c->categories[s->n ? s->category[i] : i];
    return drift_layout_add_categorical(coarse, c->role, c->name, names, n, NULL, 0);
}

static void map_column(const struct drift_column *c, const struct drift_segment_shape *s, uint8_t *cell_of)
{
    uint32_t own = s->n ? s->n : c->n_categories, next = 0, bin = 0;
    for (uint32_t i = 0; i < DRIFT_N_SPECIAL; i++)
        cell_of[i] = (uint8_t)i;
    for (uint32_t i = 0; i < c->n_cells; i++) {
        uint32_t to;
        if (c->kind == DRIFT_NUMERIC) {
            bin += i == c->bin_end[bin];
            to = bin;
        } else if (i >= c->n_categories) {
            to = own + (i == drift_column_unseen(c));
        } else if (!s->n) {
            to = i;
        } else {
            to = next < s->n && s->category[next] == i ? next++ : own;
        }
        cell_of[DRIFT_N_SPECIAL + i] = (uint8_t)(DRIFT_N_SPECIAL + to);
    }
}

static int coarse_make(struct drift_segments *s, const struct drift_segment_shape *shape)
{
    const struct drift_layout *l = s->layout;
    uint32_t fine = 0, at = 1;
    int rc = 0;
    for (uint32_t i = 0; i < l->n_columns; i++)
        fine += drift_column_counters(&l->columns[i]);
    s->cell_of = drift_xcalloc(fine ? fine : 1, 1);
    s->coarse = drift_layout_new();
    for (uint32_t i = 0; s->coarse && i < l->n_columns && !rc; i++) {
        const struct drift_column *c = &l->columns[i];
        rc = c->kind == DRIFT_NUMERIC ? coarse_numeric(s->coarse, c) : coarse_categorical(s->coarse, c, &shape[i]);
        if (rc)
            break;
        s->coarse->columns[i].first = at;
        at += drift_column_counters(&s->coarse->columns[i]);
        map_column(c, &shape[i], s->cell_of + c->first);
    }
    s->stride = at;
    return s->coarse ? rc : DRIFT_E_MEMORY;
}

/* ---- content ---- */

int drift_segment_add(struct drift_layout *l, const char *key, const char *const *values, uint32_t n_values,
                      const struct drift_segment_shape *shape)
{
    struct drift_buf b;
    for (uint32_t i = 0; i < l->n_columns; i++)
        if (shape[i].n > DRIFT_SEGMENT_CATEGORIES || !shape_fits(&l->columns[i], &shape[i]))
            return DRIFT_E_RANGE;
    uint64_t n = coarse_stride(l, shape) * (n_values + 1);
    if (!n_values || n_values > DRIFT_SEGMENT_VALUES || n > DRIFT_BLOCK_COUNTERS_MAX)
        return DRIFT_E_RANGE;
    drift_buf_init(&b, DRIFT_BLOCK_CONTENT_MAX);
    drift_buf_put_u8(&b, FORMAT);
    drift_buf_put_varint(&b, n_values);
    for (uint32_t i = 0; i < n_values; i++)
        drift_buf_put_str(&b, values[i]);
    drift_buf_put_varint(&b, l->n_columns);
    for (uint32_t i = 0; i < l->n_columns; i++) {
        drift_buf_put_varint(&b, shape[i].n);
        for (uint32_t k = 0; k < shape[i].n; k++)
            drift_buf_put_varint(&b, shape[i].category[k]);
    }
    char *name = drift_xasprintf("%s%s", prefix, key);
    int rc = b.full ? DRIFT_E_FULL : drift_layout_add_block(l, name, b.data, b.len, (uint32_t)n);
    free(name);
    drift_buf_release(&b);
    return rc;
}

static int values_load(struct drift_rd *r, struct drift_segment_key *k)
{
    char *names[DRIFT_SEGMENT_VALUES] = {NULL};
    uint64_t n = drift_rd_varint(r);
    int rc = DRIFT_E_PARSE;
    if (!n || n > DRIFT_SEGMENT_VALUES)
        return rc;
    k->n_values = (uint32_t)n;
    for (uint32_t i = 0; i < k->n_values && !r->bad; i++)
        names[i] = drift_rd_str(r, DRIFT_NAME_MAX);
    if (!r->bad && (k->names = drift_layout_new()))
        rc = drift_layout_add_categorical(k->names, DRIFT_SOURCE, NULL, (const char *const *)names, k->n_values, NULL,
                                          0);
    for (uint32_t i = 0; i < k->n_values; i++)
        free(names[i]);
    return rc;
}

static int shape_load(struct drift_rd *r, const struct drift_layout *l, struct drift_segment_shape *shape)
{
    if (drift_rd_varint(r) != l->n_columns)
        return DRIFT_E_PARSE;
    for (uint32_t i = 0; i < l->n_columns && !r->bad; i++) {
        uint64_t n = drift_rd_varint(r);
        if (n > DRIFT_SEGMENT_CATEGORIES)
            return DRIFT_E_PARSE;
        shape[i].n = (uint32_t)n;
        for (uint32_t k = 0; k < shape[i].n; k++) {
            uint64_t at = drift_rd_varint(r);
            shape[i].category[k] = at < UINT32_MAX ? (uint32_t)at : UINT32_MAX;
        }
        if (!shape_fits(&l->columns[i], &shape[i]))
            return DRIFT_E_PARSE;
    }
    return r->bad || r->p != r->end ? DRIFT_E_PARSE : 0;
}

/* The first key gives the coarse form; the others must have the same bytes for it. */
static int key_load(struct drift_segments *s, const struct drift_block *b, const uint8_t **form, size_t *form_len,
                    struct drift_segment_shape *shape)
{
    struct drift_rd r = {b->content, b->content + b->content_len, false};
    if (s->n_keys == DRIFT_SEGMENT_KEYS)
        return DRIFT_E_PARSE;
    struct drift_segment_key *k = &s->key[s->n_keys++];
    *k = (struct drift_segment_key){.name = b->name + sizeof prefix - 1, .first = b->first};
    uint8_t format = drift_rd_u8(&r);
    if (format != FORMAT)
        return format > FORMAT ? DRIFT_E_VERSION : DRIFT_E_PARSE;
    int rc = values_load(&r, k);
    if (rc)
        return rc;
    size_t len = (size_t)(r.end - r.p);
    if (!*form) {
        *form = r.p;
        *form_len = len;
        rc = shape_load(&r, s->layout, shape);
        rc = rc ? rc : coarse_make(s, shape);
    } else if (len != *form_len || memcmp(*form, r.p, len)) {
        rc = DRIFT_E_PARSE;
    }
    return !rc && (uint64_t)s->stride * (k->n_values + 1) != b->n ? DRIFT_E_PARSE : rc;
}

int drift_segments_new(const struct drift_layout *l, struct drift_segments **ret, struct drift_err *err)
{
    const uint8_t *form = NULL;
    size_t form_len = 0;
    int rc = 0;
    *ret = NULL;
    bool any = false;
    for (uint32_t i = 0; i < l->n_blocks; i++)
        any = any || is_segment(&l->blocks[i]);
    if (!any)
        return 0;
    struct drift_segments *s = drift_xcalloc(1, sizeof *s);
    struct drift_segment_shape *shape = drift_xcalloc(l->n_columns ? l->n_columns : 1, sizeof *shape);
    s->layout = l;
    for (uint32_t i = 0; i < l->n_blocks && !rc; i++) {
        if (!is_segment(&l->blocks[i]))
            continue;
        rc = key_load(s, &l->blocks[i], &form, &form_len, shape);
        if (rc)
            drift_fail(err, rc == DRIFT_E_VERSION ? rc : DRIFT_E_PARSE, DRIFT_SKIP, "block %.40s is %s",
                       l->blocks[i].name,
                       rc == DRIFT_E_VERSION ? "of a newer driftd: run that version" : "not of the form of segments");
    }
    free(shape);
    if (rc) {
        drift_segments_free(s);
        return rc == DRIFT_E_VERSION ? rc : DRIFT_E_PARSE;
    }
    *ret = s;
    return 0;
}

void drift_segments_free(struct drift_segments *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->n_keys; i++)
        drift_layout_free(s->key[i].names);
    drift_layout_free(s->coarse);
    free(s->cell_of);
    free(s);
}

const struct drift_segment_key *drift_segments_key(const struct drift_segments *s, const char *name)
{
    for (uint32_t i = 0; s && i < s->n_keys; i++)
        if (!strcmp(s->key[i].name, name))
            return &s->key[i];
    return NULL;
}

uint32_t drift_segment_value(const struct drift_segment_key *k, const char *text, size_t n)
{
    uint32_t cell = drift_column_category(&k->names->columns[0], text, n);
    return cell < k->n_values ? cell : k->n_values;
}
