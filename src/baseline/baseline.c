/* src/baseline/baseline.c    A baseline as bytes: tagged sections under one digest, for Redis and files.
 *
 * Sections and not one JSON document: counts are most of it, and a signature must cover bytes that no parser has
 * rearranged.  The digest is checked before anything is parsed, but it is no signature: whoever can write the bytes
 * can write a digest that fits, so every length is checked against what is left and against the library's limits. */
#include "driftd/internal/baseline/baseline.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/base/text.h"
#include "driftd/internal/baseline/law.h"
#include "driftd/internal/window/blob.h"
#include "driftd/internal/window/segment.h"

enum { TAG = 4, SECTION_HEAD = TAG + 8, MAGIC = 8, META_MAX = 1 << 20 };
static const char magic[MAGIC + 1] = "DRFTBL1\n";

/* ---- life ---- */

static void chain_release(struct drift_baseline_chain *c)
{
    for (size_t i = 0; i < c->n_windows; i++)
        drift_summary_free(c->windows[i].summary);
    free(c->windows);
    drift_law_release(c);
    drift_summary_free(c->training);
    drift_summary_free(c->pooled);
    drift_layout_free(c->layout);
}

void drift_baseline_free(struct drift_baseline *b)
{
    if (!b)
        return;
    for (int k = 0; k < DRIFT_N_CHAIN; k++)
        chain_release(&b->chain[k]);
    free(b->id);
    free(b->model);
    free(b->meta);
    free(b);
}

bool drift_baseline_id_valid(const char *id)
{
    size_t n = strlen(id);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)id[i]) && !strchr("._-", id[i]))
            return false;
    return n >= 1 && n <= 128 && strcmp(id, "active") && strcmp(id, "seen");
}

/* ---- saving ---- */

static size_t section_open(struct drift_buf *out, const char *tag)
{
    drift_buf_add(out, tag, TAG);
    size_t at = out->len;
    drift_buf_put_u64(out, 0);
    return at;
}

static void section_close(struct drift_buf *out, size_t at)
{
    if (out->full)
        return;
    uint64_t len = out->len - at - 8;
    for (int i = 0; i < 8; i++)
        out->data[at + (size_t)i] = (char)(uint8_t)(len >> 8 * i);
}

static void column_save(const struct drift_column *c, struct drift_buf *out)
{
    drift_buf_put_u8(out, (uint8_t)c->role);
    drift_buf_put_u8(out, (uint8_t)c->kind);
    drift_buf_put_u8(out, c->bounded);
    drift_buf_put_str(out, c->name);
    if (c->kind == DRIFT_NUMERIC) {
        drift_buf_put_varint(out, c->n_edges);
        for (uint32_t i = 0; i < c->n_edges; i++)
            drift_buf_put_f64(out, c->edges[i]);
        drift_buf_put_varint(out, c->n_bins);
        for (uint32_t i = 0; i < c->n_bins; i++)
            drift_buf_put_varint(out, c->bin_end[i]);
        return;
    }
    drift_buf_put_varint(out, c->n_categories);
    for (uint32_t i = 0; i < c->n_categories; i++)
        drift_buf_put_str(out, c->categories[i]);
    drift_buf_put_varint(out, c->n_rare);
    for (uint32_t i = 0; i < c->n_rare; i++)
        drift_buf_put_str(out, c->rare[i]);
}

static void layout_save(const struct drift_layout *l, struct drift_buf *out)
{
    drift_buf_put_varint(out, l->n_columns);
    for (uint32_t i = 0; i < l->n_columns; i++)
        column_save(&l->columns[i], out);
}

static bool has_blocks(const struct drift_baseline *b)
{
    return b->chain[DRIFT_CHAIN_INPUT].layout->n_blocks || b->chain[DRIFT_CHAIN_LABEL].layout->n_blocks;
}

static void blocks_save(const struct drift_layout *l, struct drift_buf *out)
{
    drift_buf_put_varint(out, l->n_blocks);
    for (uint32_t i = 0; i < l->n_blocks; i++) {
        const struct drift_block *b = &l->blocks[i];
        drift_buf_put_str(out, b->name);
        drift_buf_put_varint(out, b->n);
        drift_buf_put_varint(out, b->content_len);
        drift_buf_add(out, b->content, b->content_len);
    }
}

static bool has_training(const struct drift_baseline *b)
{
    return b->chain[DRIFT_CHAIN_INPUT].training || b->chain[DRIFT_CHAIN_LABEL].training;
}

static void training_save(const struct drift_baseline *b, struct drift_buf *out)
{
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        drift_buf_put_u8(out, b->chain[k].training != NULL);
        if (b->chain[k].training)
            drift_summary_save(b->chain[k].training, out);
    }
}

void drift_baseline_save_content(const struct drift_baseline *b, struct drift_buf *out)
{
    size_t at = section_open(out, "COLS");
    for (int k = 0; k < DRIFT_N_CHAIN; k++)
        layout_save(b->chain[k].layout, out);
    section_close(out, at);
    if (has_blocks(b)) {
        at = section_open(out, "BLKS");
        for (int k = 0; k < DRIFT_N_CHAIN; k++)
            blocks_save(b->chain[k].layout, out);
        section_close(out, at);
    }
    at = section_open(out, "POOL");
    for (int k = 0; k < DRIFT_N_CHAIN; k++)
        drift_summary_save(b->chain[k].pooled, out);
    section_close(out, at);
    if (!b->chain[DRIFT_CHAIN_INPUT].n_windows && !b->chain[DRIFT_CHAIN_LABEL].n_windows)
        return;
    at = section_open(out, "WINS");
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        const struct drift_baseline_chain *c = &b->chain[k];
        drift_buf_put_u64(out, (uint64_t)c->window_ms);
        drift_buf_put_varint(out, c->n_windows);
        for (size_t i = 0; i < c->n_windows; i++) {
            drift_buf_put_u64(out, (uint64_t)c->windows[i].start_ms);
            drift_summary_save(c->windows[i].summary, out);
        }
    }
    section_close(out, at);
}

int drift_baseline_save(struct drift_baseline *b, struct drift_buf *out, struct drift_err *err)
{
    size_t begin = out->len;
    drift_buf_add(out, magic, MAGIC);
    size_t at = section_open(out, "META");
    drift_buf_adds(out, b->meta);
    section_close(out, at);
    drift_baseline_save_content(b, out);
    if (has_training(b)) {
        at = section_open(out, "trng");
        training_save(b, out);
        section_close(out, at);
    }
    if (drift_law_any(b)) {
        at = section_open(out, "ksnl");
        drift_law_save(b, out);
        section_close(out, at);
    }
    if (!out->full) {
        uint8_t digest[DRIFT_SHA256_BYTES];
        drift_sha256(out->data + begin, out->len - begin, digest);
        drift_hex(digest, sizeof digest, b->digest);
        at = section_open(out, "DGST");
        drift_buf_add(out, digest, sizeof digest);
        section_close(out, at);
    }
    if (out->full)
        return drift_fail(err, DRIFT_E_FULL, DRIFT_STOP, "baseline %s is larger than %zu bytes: keep fewer windows",
                          b->id, out->max);
    return 0;
}

/* ---- loading ---- */

static int parse_fail(struct drift_err *err, const char *what)
{
    return drift_fail(err, DRIFT_E_PARSE, DRIFT_SKIP, "not a usable baseline: %s", what);
}

/* Finds the digest's section and compares it: everything before it is then what was saved. */
static int digest_check(const uint8_t *bytes, size_t len, char ret_hex[DRIFT_HEX_DIGEST], struct drift_err *err)
{
    struct drift_rd r = {bytes + MAGIC, bytes + len, false};
    while (r.p < r.end) {
        const uint8_t *at = r.p;
        const uint8_t *tag = drift_rd_bytes(&r, TAG);
        uint64_t n = drift_rd_u64(&r);
        if (r.bad || n > (uint64_t)(r.end - r.p))
            return parse_fail(err, "it is cut short");
        const uint8_t *body = drift_rd_bytes(&r, (size_t)n);
        if (memcmp(tag, "DGST", TAG))
            continue;
        uint8_t digest[DRIFT_SHA256_BYTES];
        if (n != sizeof digest)
            return parse_fail(err, "its digest has a wrong length");
        drift_sha256(bytes, (size_t)(at - bytes), digest);
        if (memcmp(digest, body, sizeof digest))
            return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_SKIP,
                              "the baseline's digest does not match its content: it was damaged or changed");
        drift_hex(digest, sizeof digest, ret_hex);
        return 0;
    }
    return parse_fail(err, "it has no digest (cut short?)");
}

static char *member_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s && *s ? drift_xstrdup(s) : NULL;
}

static int meta_load(struct drift_baseline *b, const uint8_t *p, size_t n, struct drift_err *err)
{
    if (b->meta)
        return parse_fail(err, "two sections META");
    if (n > META_MAX || memchr(p, 0, n)) /* jansson would skip a zero byte */
        return parse_fail(err, "its META is too long or holds a zero byte");
    json_error_t je;
    json_t *o = json_loadb((const char *)p, n, JSON_REJECT_DUPLICATES, &je);
    if (json_is_object(o)) {
        b->id = member_text(o, "id");
        b->model = member_text(o, "model");
        b->created_ms = (int64_t)json_integer_value(json_object_get(o, "created_ms"));
    }
    json_decref(o);
    if (!b->id || !b->model || !drift_baseline_id_valid(b->id))
        return parse_fail(err, "its META names no id and model");
    b->meta = drift_xstrndup((const char *)p, n);
    return 0;
}

static char **names_load(struct drift_rd *r, uint32_t n)
{
    char **names = drift_xcalloc(n ? n : 1, sizeof *names);
    for (uint32_t i = 0; i < n && !r->bad; i++)
        names[i] = drift_rd_str(r, DRIFT_NAME_MAX);
    return names;
}

static void names_free(char **names, uint32_t n)
{
    for (uint32_t i = 0; names && i < n; i++)
        free(names[i]);
    free(names);
}

/* A count of things that take at least one byte each: cannot be more than the bytes that are left. */
static uint32_t count_load(struct drift_rd *r, uint32_t max)
{
    uint64_t n = drift_rd_varint(r);
    if (n > max || n > (uint64_t)(r->end - r->p))
        r->bad = true;
    return r->bad ? 0 : (uint32_t)n;
}

static int numeric_load(struct drift_layout *l, struct drift_rd *r, enum drift_role role, const char *name,
                        bool bounded)
{
    double edges[DRIFT_EDGES_MAX];
    uint32_t ends[DRIFT_EDGES_MAX + 1];
    uint32_t n_edges = count_load(r, DRIFT_EDGES_MAX);
    for (uint32_t i = 0; i < n_edges; i++)
        edges[i] = drift_rd_f64(r);
    uint32_t n_bins = count_load(r, DRIFT_EDGES_MAX + 1);
    for (uint32_t i = 0; i < n_bins; i++) {
        uint64_t end = drift_rd_varint(r);
        ends[i] = end > DRIFT_EDGES_MAX + 1 ? UINT32_MAX : (uint32_t)end;
    }
    if (r->bad || !n_bins)
        return DRIFT_E_PARSE;
    return drift_layout_add_numeric(l, role, name, edges, n_edges, bounded, ends, n_bins);
}

static int categorical_load(struct drift_layout *l, struct drift_rd *r, enum drift_role role, const char *name)
{
    uint32_t n_categories = count_load(r, DRIFT_CATEGORIES_MAX), n_rare = 0;
    char **categories = names_load(r, n_categories), **rare = NULL;
    if (!r->bad) {
        n_rare = count_load(r, DRIFT_RARE_MAX);
        rare = names_load(r, n_rare);
    }
    int rc = DRIFT_E_PARSE;
    if (!r->bad)
        rc = drift_layout_add_categorical(l, role, name, (const char *const *)categories, n_categories,
                                          (const char *const *)rare, n_rare);
    names_free(categories, n_categories);
    names_free(rare, n_rare);
    return rc;
}

static int column_load(struct drift_layout *l, struct drift_rd *r)
{
    uint8_t role = drift_rd_u8(r), kind = drift_rd_u8(r), bounded = drift_rd_u8(r);
    char *name = drift_rd_str(r, DRIFT_NAME_MAX);
    int rc = DRIFT_E_PARSE;
    if (!r->bad && role >= DRIFT_FEATURE && role <= DRIFT_LATENCY && bounded <= 1) {
        if (kind == DRIFT_NUMERIC)
            rc = numeric_load(l, r, (enum drift_role)role, name, bounded);
        else if (kind == DRIFT_CATEGORICAL && !bounded)
            rc = categorical_load(l, r, (enum drift_role)role, name);
    }
    free(name);
    return rc;
}

static int cols_load(struct drift_baseline *b, struct drift_rd *r, struct drift_err *err)
{
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        struct drift_layout *l = b->chain[k].layout = drift_layout_new();
        uint32_t n = count_load(r, DRIFT_COLUMNS_MAX);
        for (uint32_t i = 0; i < n; i++)
            if (column_load(l, r))
                return parse_fail(err, "a column of its layout is not valid");
        if (r->bad)
            return parse_fail(err, "its layout is not valid");
    }
    return 0;
}

static int block_load(struct drift_layout *l, struct drift_rd *r)
{
    char *name = drift_rd_str(r, DRIFT_NAME_MAX);
    uint64_t n = drift_rd_varint(r), len = drift_rd_varint(r);
    const uint8_t *content = r->bad || len > (uint64_t)(r->end - r->p) ? NULL : drift_rd_bytes(r, (size_t)len);
    int rc = DRIFT_E_PARSE;
    if (content && n <= DRIFT_BLOCK_COUNTERS_MAX)
        rc = drift_layout_add_block(l, name, content, (size_t)len, (uint32_t)n);
    free(name);
    return rc;
}

static int blks_load(struct drift_baseline *b, struct drift_rd *r, struct drift_err *err)
{
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        uint32_t n = count_load(r, DRIFT_BLOCKS_MAX);
        for (uint32_t i = 0; i < n; i++)
            if (block_load(b->chain[k].layout, r))
                return parse_fail(err, "a block of its layout is not valid");
        if (r->bad)
            return parse_fail(err, "its layout is not valid");
    }
    return 0;
}

static struct drift_summary *counts_load(struct drift_rd *r, const struct drift_layout *l)
{
    struct drift_summary *s = drift_summary_new(l);
    if (s && (drift_summary_load(r, s) || r->bad)) {
        drift_summary_free(s);
        s = NULL;
    }
    return s;
}

/* Counting and judging take the form of segments for granted. */
static int segments_check(const struct drift_layout *l, struct drift_err *err)
{
    struct drift_segments *segments;
    int rc = drift_segments_new(l, &segments, err);
    drift_segments_free(segments);
    if (rc)
        drift_err_prefix(err, "not a usable baseline");
    return rc;
}

static int pool_load(struct drift_baseline *b, struct drift_rd *r, struct drift_err *err)
{
    for (int k = 0; k < DRIFT_N_CHAIN; k++)
        if (drift_layout_seal(b->chain[k].layout))
            return parse_fail(err, "its layout is not valid");
    int rc = segments_check(b->chain[DRIFT_CHAIN_INPUT].layout, err);
    if (rc)
        return rc;
    for (int k = 0; k < DRIFT_N_CHAIN; k++)
        if (!(b->chain[k].pooled = counts_load(r, b->chain[k].layout)))
            return parse_fail(err, "its pooled counts are not valid");
    return 0;
}

uint64_t drift_baseline_window_bytes(const struct drift_layout *l)
{
    return sizeof(struct drift_baseline_window) + sizeof(struct drift_summary) +
           sizeof(uint64_t) * (uint64_t)l->n_counts +
           (uint64_t)DRIFT_N_TALLY * DRIFT_TALLY_SLOTS * sizeof(struct drift_tally_slot);
}

static int windows_load(struct drift_baseline_chain *c, struct drift_rd *r, uint64_t *memory, struct drift_err *err)
{
    uint64_t window_ms = drift_rd_u64(r), n = drift_rd_varint(r);
    uint64_t each = drift_baseline_window_bytes(c->layout);
    if (r->bad || window_ms > INT64_MAX || (n && !window_ms) || n > (uint64_t)(r->end - r->p))
        return parse_fail(err, "its windows are not valid");
    if (n > (DRIFT_BASELINE_MEMORY_MAX - *memory) / each)
        return parse_fail(err, "its windows need too much memory");
    *memory += n * each;
    c->window_ms = (int64_t)window_ms;
    c->windows = drift_xcalloc(n ? n : 1, sizeof *c->windows);
    for (uint64_t i = 0; i < n; i++) {
        struct drift_baseline_window *w = &c->windows[i];
        w->start_ms = (int64_t)drift_rd_u64(r);
        if (r->bad || w->start_ms % c->window_ms || (i && w->start_ms <= w[-1].start_ms))
            return parse_fail(err, "its windows are not in order");
        w->summary = counts_load(r, c->layout);
        c->n_windows = i + 1;
        if (!w->summary)
            return parse_fail(err, "the counts of a window are not valid");
    }
    return 0;
}

static int wins_load(struct drift_baseline *b, struct drift_rd *r, struct drift_err *err)
{
    uint64_t memory = 0;
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        int rc = windows_load(&b->chain[k], r, &memory, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int training_load(struct drift_baseline *b, struct drift_rd *r, struct drift_err *err)
{
    for (int k = 0; k < DRIFT_N_CHAIN; k++) {
        struct drift_baseline_chain *c = &b->chain[k];
        uint8_t there = drift_rd_u8(r);
        if (r->bad || there > 1 || (there && !(c->training = counts_load(r, c->layout))))
            return parse_fail(err, "its counts of training data are not valid");
    }
    return 0;
}

static int laws_load(struct drift_baseline *b, struct drift_rd *r, struct drift_err *err)
{
    return drift_law_load(b, r) ? 0 : parse_fail(err, "its null laws are not valid");
}

/* One section.  META, COLS, BLKS, POOL, WINS, trng, ksnl come in this order, each at most once. */
static int section_load(struct drift_baseline *b, const char *tag, const uint8_t *p, size_t n, struct drift_err *err)
{
    struct drift_rd r = {p, p + n, false};
    bool have_cols = b->chain[DRIFT_N_CHAIN - 1].layout, have_pool = b->chain[DRIFT_N_CHAIN - 1].pooled;
    bool have_blocks = have_cols && has_blocks(b);
    int rc;
    if (!memcmp(tag, "META", TAG))
        return meta_load(b, p, n, err);
    if (!memcmp(tag, "COLS", TAG) && !have_cols)
        rc = cols_load(b, &r, err);
    else if (!memcmp(tag, "BLKS", TAG) && have_cols && !have_blocks && !have_pool)
        rc = blks_load(b, &r, err);
    else if (!memcmp(tag, "POOL", TAG) && have_cols && !have_pool)
        rc = pool_load(b, &r, err);
    else if (!memcmp(tag, "WINS", TAG) && have_pool && !b->chain[0].windows)
        rc = wins_load(b, &r, err);
    else if (!memcmp(tag, "trng", TAG) && have_pool && !has_training(b) && !drift_law_any(b))
        rc = training_load(b, &r, err);
    else if (!memcmp(tag, "ksnl", TAG) && have_pool && !drift_law_any(b))
        rc = laws_load(b, &r, err);
    else
        return parse_fail(err, "its sections are repeated or out of order");
    if (!rc && r.p != r.end)
        return parse_fail(err, "a section is longer than its content");
    return rc;
}

static int sections_load(struct drift_baseline *b, const uint8_t *bytes, size_t len, struct drift_err *err)
{
    static const char *const known[] = {"META", "COLS", "BLKS", "POOL", "WINS", "trng", "ksnl"};
    struct drift_rd r = {bytes + MAGIC, bytes + len, false};
    bool sealed = false;
    while (r.p < r.end) {
        const char *tag = (const char *)drift_rd_bytes(&r, TAG);
        uint64_t n = drift_rd_u64(&r);
        if (r.bad || n > (uint64_t)(r.end - r.p))
            return parse_fail(err, "it is cut short");
        const uint8_t *body = drift_rd_bytes(&r, (size_t)n);
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            is_known |= !memcmp(tag, known[i], TAG);
        if (is_known && !sealed) {
            int rc = section_load(b, tag, body, (size_t)n, err);
            if (rc)
                return rc;
        } else if (!is_known && !memcmp(tag, "DGST", TAG) && !sealed) {
            sealed = true;
        } else if (!(sealed && !memcmp(tag, "SIGN", TAG)) && !islower((unsigned char)tag[0])) {
            return is_known || !memcmp(tag, "DGST", TAG)
                       ? parse_fail(err, "content stands behind its digest")
                       : drift_fail(err, DRIFT_E_VERSION, DRIFT_SKIP,
                                    "the baseline has a section that this version does not know: it was written by a "
                                    "newer driftd");
        }
    }
    if (!b->meta || !b->chain[DRIFT_N_CHAIN - 1].pooled)
        return parse_fail(err, "a section is missing");
    return 0;
}

static int magic_check(const uint8_t *p, size_t len, struct drift_err *err)
{
    if (len < MAGIC || memcmp(p, magic, 6) || p[7] != '\n' || !isdigit(p[6]))
        return parse_fail(err, "it does not begin with the mark of one");
    if (p[6] != magic[6])
        return drift_fail(err, DRIFT_E_VERSION, DRIFT_SKIP, "the baseline has format %c, this version reads format %c",
                          p[6], magic[6]);
    return 0;
}

int drift_baseline_load(const void *bytes, size_t len, struct drift_baseline **ret, struct drift_err *err)
{
    struct drift_baseline *b = drift_xcalloc(1, sizeof *b);
    int rc = magic_check(bytes, len, err);
    if (!rc)
        rc = digest_check(bytes, len, b->digest, err);
    if (!rc)
        rc = sections_load(b, bytes, len, err);
    if (rc) {
        drift_baseline_free(b);
        return rc;
    }
    *ret = b;
    return 0;
}
