/* src/stats/layout.c    Which counters a window has; for everybody who counts, stores or compares windows. */
/* A layout is written once and read by every stage, so all checks are at adding; after sealing nothing can fail. */
#include "driftd/layout.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "category.h"
#include "cut.h"

size_t drift_name_cut(const char *s, size_t n)
{
    return cut_text(s, n, DRIFT_NAME_MAX);
}

static char *name_copy(const char *s)
{
    return strndup(s, drift_name_cut(s, strlen(s)));
}

static const char *const role_names[] = {
    [DRIFT_FEATURE] = "feature", [DRIFT_SCORE] = "score",   [DRIFT_DECISION] = "decision",
    [DRIFT_LABEL] = "label",     [DRIFT_SOURCE] = "source", [DRIFT_LATENCY] = "latency",
};

const char *drift_role_name(enum drift_role role)
{
    return role >= DRIFT_FEATURE && role <= DRIFT_LATENCY ? role_names[role] : "unknown";
}

struct drift_layout *drift_layout_new(void)
{
    return calloc(1, sizeof(struct drift_layout));
}

static void names_free(char **names, uint32_t n)
{
    for (uint32_t i = 0; names && i < n; i++)
        free(names[i]);
    free(names);
}

static void column_release(struct drift_column *c)
{
    free(c->name);
    free(c->edges);
    free(c->bin_end);
    drift_grid_free(c->grid);
    names_free(c->categories, c->n_categories);
    names_free(c->rare, c->n_rare);
    drift_category_index_free(c->index);
}

static void block_release(struct drift_block *b)
{
    free(b->name);
    free(b->content);
}

void drift_layout_free(struct drift_layout *l)
{
    if (!l)
        return;
    for (uint32_t i = 0; i < l->n_columns; i++)
        column_release(&l->columns[i]);
    for (uint32_t i = 0; i < l->n_blocks; i++)
        block_release(&l->blocks[i]);
    free(l->columns);
    free(l->blocks);
    free(l);
}

/* What both kinds of column check first, and the fields that both have. */
static int column_start(const struct drift_layout *l, enum drift_role role, const char *name, struct drift_column *ret)
{
    if (l->digest[0])
        return DRIFT_E_USAGE;
    if (role < DRIFT_FEATURE || role > DRIFT_LATENCY || (role == DRIFT_FEATURE && !name))
        return DRIFT_E_RANGE;
    if (l->n_columns >= DRIFT_COLUMNS_MAX)
        return DRIFT_E_FULL;
    char *copy = name_copy(name ? name : drift_role_name(role));
    if (!copy)
        return DRIFT_E_MEMORY;
    if (drift_layout_find(l, role, copy) >= 0) {
        free(copy);
        return DRIFT_E_EXISTS;
    }
    *ret = (struct drift_column){.name = copy, .role = role};
    return 0;
}

/* Takes c when r is 0, else frees what it holds. */
static int column_append(struct drift_layout *l, struct drift_column *c, int r)
{
    if (r == 0) {
        struct drift_column *columns = realloc(l->columns, (l->n_columns + 1) * sizeof *columns);
        if (columns) {
            l->columns = columns;
            columns[l->n_columns++] = *c;
            return 0;
        }
        r = DRIFT_E_MEMORY;
    }
    column_release(c);
    return r;
}

static int edges_set(struct drift_column *c, const double *edges, uint32_t n)
{
    if (!(c->edges = malloc((n ? n : 1) * sizeof *edges)))
        return DRIFT_E_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        c->edges[i] = edges[i] + 0.0; /* -0.0 and 0.0 are one edge: one spelling for the digest */
        if (!isfinite(edges[i]) || (i && !(edges[i - 1] < edges[i])))
            return DRIFT_E_RANGE;
    }
    c->n_edges = n;
    c->n_cells = n + 1;
    return 0;
}

static int bins_set(struct drift_column *c, const uint32_t *bin_end, uint32_t n)
{
    c->n_bins = bin_end ? n : c->n_cells;
    if (c->n_bins == 0 || c->n_bins > c->n_cells)
        return DRIFT_E_RANGE;
    if (!(c->bin_end = malloc(c->n_bins * sizeof *c->bin_end)))
        return DRIFT_E_MEMORY;
    for (uint32_t i = 0; i < c->n_bins; i++) {
        c->bin_end[i] = bin_end ? bin_end[i] : i + 1;
        if (c->bin_end[i] <= (i ? c->bin_end[i - 1] : 0))
            return DRIFT_E_RANGE;
    }
    return c->bin_end[c->n_bins - 1] == c->n_cells ? 0 : DRIFT_E_RANGE;
}

int drift_layout_add_numeric(struct drift_layout *l, enum drift_role role, const char *name, const double *edges,
                             uint32_t n_edges, bool bounded, const uint32_t *bin_end, uint32_t n_bins)
{
    struct drift_column c;
    int r = column_start(l, role, name, &c);
    if (r)
        return r;
    c.kind = DRIFT_NUMERIC;
    c.bounded = bounded;
    if (n_edges > DRIFT_EDGES_MAX || (bounded && n_edges < 2))
        return column_append(l, &c, DRIFT_E_RANGE);
    if (!(r = edges_set(&c, edges, n_edges)))
        r = bins_set(&c, bin_end, n_bins);
    return column_append(l, &c, r);
}

static int names_set(char ***ret_names, uint32_t *ret_n, const char *const *names, uint32_t n)
{
    if (!(*ret_names = calloc(n ? n : 1, sizeof **ret_names)))
        return DRIFT_E_MEMORY;
    *ret_n = n;
    for (uint32_t i = 0; i < n; i++)
        if (!((*ret_names)[i] = name_copy(names[i])))
            return DRIFT_E_MEMORY;
    return 0;
}

int drift_layout_add_categorical(struct drift_layout *l, enum drift_role role, const char *name,
                                 const char *const *categories, uint32_t n_categories, const char *const *rare,
                                 uint32_t n_rare)
{
    struct drift_column c;
    int r = column_start(l, role, name, &c);
    if (r)
        return r;
    c.kind = DRIFT_CATEGORICAL;
    if (n_categories > DRIFT_CATEGORIES_MAX || n_rare > DRIFT_RARE_MAX)
        return column_append(l, &c, DRIFT_E_RANGE);
    c.n_cells = n_categories + 2;
    if (!(r = names_set(&c.categories, &c.n_categories, categories, n_categories)) &&
        !(r = names_set(&c.rare, &c.n_rare, rare, n_rare))) {
        char *const *const lists[2] = {c.categories, c.rare};
        r = drift_category_index_new(lists, (uint32_t[2]){n_categories, n_rare}, &c.index);
    }
    return column_append(l, &c, r);
}

const struct drift_block *drift_layout_block(const struct drift_layout *l, const char *name)
{
    for (uint32_t i = 0; i < l->n_blocks; i++)
        if (strcmp(l->blocks[i].name, name) == 0)
            return &l->blocks[i];
    return NULL;
}

static int block_check(const struct drift_layout *l, const char *name, size_t len, uint32_t n)
{
    uint32_t counters = 0;
    if (l->digest[0])
        return DRIFT_E_USAGE;
    if (!n || n > DRIFT_BLOCK_COUNTERS_MAX || !len || len > DRIFT_BLOCK_CONTENT_MAX || !*name ||
        strlen(name) > DRIFT_NAME_MAX)
        return DRIFT_E_RANGE;
    if (drift_layout_block(l, name))
        return DRIFT_E_EXISTS;
    for (uint32_t i = 0; i < l->n_blocks; i++)
        counters += l->blocks[i].n;
    return l->n_blocks == DRIFT_BLOCKS_MAX || n > DRIFT_BLOCK_COUNTERS_MAX - counters ? DRIFT_E_FULL : 0;
}

int drift_layout_add_block(struct drift_layout *l, const char *name, const void *content, size_t len, uint32_t n)
{
    int r = block_check(l, name, len, n);
    if (r)
        return r;
    struct drift_block b = {.name = strdup(name), .n = n, .content = malloc(len), .content_len = len};
    struct drift_block *blocks = realloc(l->blocks, (l->n_blocks + 1) * sizeof *blocks);
    if (blocks)
        l->blocks = blocks;
    if (!b.name || !b.content || !blocks) {
        block_release(&b);
        return DRIFT_E_MEMORY;
    }
    memcpy(b.content, content, len);
    l->blocks[l->n_blocks++] = b;
    return 0;
}

/* Digest: every field as little-endian bytes with its length before it, so that no two layouts spell the same. */
static void put_u64(EVP_MD_CTX *md, uint64_t v)
{
    unsigned char b[8];
    for (int i = 0; i < 8; i++)
        b[i] = (unsigned char)(v >> (8 * i));
    EVP_DigestUpdate(md, b, sizeof b);
}

static void put_text(EVP_MD_CTX *md, const char *s)
{
    size_t n = strlen(s);
    put_u64(md, n);
    EVP_DigestUpdate(md, s, n);
}

static void put_column(EVP_MD_CTX *md, const struct drift_column *c)
{
    put_text(md, c->name);
    put_u64(md, c->role);
    put_u64(md, c->kind);
    put_u64(md, c->bounded);
    put_u64(md, c->n_edges);
    for (uint32_t i = 0; i < c->n_edges; i++)
        put_u64(md, drift_grid_bits(c->edges[i]));
    put_u64(md, c->n_bins);
    for (uint32_t i = 0; i < c->n_bins; i++)
        put_u64(md, c->bin_end[i]);
    put_u64(md, c->n_categories);
    for (uint32_t i = 0; i < c->n_categories; i++)
        put_text(md, c->categories[i]);
    put_u64(md, c->n_rare);
    for (uint32_t i = 0; i < c->n_rare; i++)
        put_text(md, c->rare[i]);
}

static void put_block(EVP_MD_CTX *md, const struct drift_block *b)
{
    put_text(md, b->name);
    put_u64(md, b->n);
    put_u64(md, b->content_len);
    EVP_DigestUpdate(md, b->content, b->content_len);
}

static int digest_set(struct drift_layout *l)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(md);
        return DRIFT_E_MEMORY;
    }
    put_text(md, "driftd layout 1");
    put_u64(md, l->n_columns);
    for (uint32_t i = 0; i < l->n_columns; i++)
        put_column(md, &l->columns[i]);
    if (l->n_blocks) /* a layout without them has the digest that it had before there were any */
        put_u64(md, l->n_blocks);
    for (uint32_t i = 0; i < l->n_blocks; i++)
        put_block(md, &l->blocks[i]);
    int done = EVP_DigestFinal_ex(md, digest, NULL);
    EVP_MD_CTX_free(md);
    for (size_t i = 0; i < 32; i++)
        snprintf(l->digest + 2 * i, 3, "%02x", digest[i]);
    return done == 1 ? 0 : DRIFT_E_MEMORY;
}

int drift_layout_seal(struct drift_layout *l)
{
    if (l->digest[0])
        return DRIFT_E_USAGE;
    uint32_t at = 0;
    for (uint32_t i = 0; i < l->n_columns; i++) {
        struct drift_column *c = &l->columns[i];
        c->first = at;
        at += drift_column_counters(c);
        if (c->kind == DRIFT_NUMERIC && !c->grid && !(c->grid = drift_grid_new(c->edges, c->n_edges)))
            return DRIFT_E_MEMORY;
    }
    for (uint32_t i = 0; i < l->n_blocks; i++) {
        l->blocks[i].first = at;
        at += l->blocks[i].n;
    }
    l->n_counts = at;
    return digest_set(l);
}

int drift_layout_find(const struct drift_layout *l, enum drift_role role, const char *name)
{
    for (uint32_t i = 0; i < l->n_columns; i++) {
        const struct drift_column *c = &l->columns[i];
        if (c->role != role)
            continue;
        if (role != DRIFT_FEATURE)
            return (int)i;
        size_t n = drift_name_cut(name, strlen(name));
        if (strncmp(c->name, name, n) == 0 && c->name[n] == '\0')
            return (int)i;
    }
    return -1;
}

uint32_t drift_column_category(const struct drift_column *c, const char *s, size_t n)
{
    uint32_t unseen = drift_column_unseen(c);
    uint32_t cell = n <= DRIFT_NAME_MAX ? drift_category_index_cell(c->index, s, n, unseen) : unseen;
    if (cell != unseen)
        return cell;
    size_t cut = drift_name_cut(s, n); /* rarely needed, so only after a miss */
    return cut == n ? unseen : drift_category_index_cell(c->index, s, cut, unseen);
}
