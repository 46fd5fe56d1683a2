/* src/window/idset.c    The ids of one window: a table of positions over an array in order of arrival, cut into chunks.
 *
 * The array makes every chunk, and every union of neighbouring chunks, a plain copy.  The table holds 24 bits of
 * position and 8 bits of the id, so that a new id costs one cache line: the array is looked at for one in 256 strangers
 * only.  Ids are outputs of a keyed hash, so their own bits place them. */
#include "driftd/internal/window/idset.h"

#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"

enum { FORMAT = 1, HEAD_BYTES = 2, CRC_BYTES = 4, LEVEL_MAX = 8, SLOTS_MIN = 64, IDS_MIN = 32, AT_BITS = 24 };

struct drift_idset {
    uint32_t n, cap;
    uint8_t (*ids)[DRIFT_ID_BYTES];
    uint32_t n_slots; /* power of two */
    uint32_t *slot;   /* 8 bits of the id, position + 1; 0: free */
    size_t n_chunks, cap_chunks;
    struct drift_idset_chunk *chunk;
    uint32_t packed; /* ids in chunks */
};

struct drift_idset *drift_idset_new(void)
{
    struct drift_idset *s = drift_xcalloc(1, sizeof *s);
    s->n_slots = SLOTS_MIN;
    s->slot = drift_xcalloc(SLOTS_MIN, sizeof *s->slot);
    return s;
}

void drift_idset_free(struct drift_idset *s)
{
    if (!s)
        return;
    free(s->ids);
    free(s->slot);
    free(s->chunk);
    free(s);
}

uint32_t drift_idset_count(const struct drift_idset *s)
{
    return s->n;
}

size_t drift_idset_bytes(const struct drift_idset *s)
{
    return sizeof *s + (size_t)s->cap * DRIFT_ID_BYTES + s->n_slots * sizeof *s->slot +
           s->cap_chunks * sizeof *s->chunk;
}

/* The slot that holds the id, or the free one where it belongs. */
static uint32_t *find(const struct drift_idset *s, const uint8_t *id)
{
    uint64_t place;
    uint32_t tag = (uint32_t)id[15] << AT_BITS;
    memcpy(&place, id, sizeof place);
    for (uint32_t i = (uint32_t)place & (s->n_slots - 1);; i = (i + 1) & (s->n_slots - 1)) {
        uint32_t v = s->slot[i];
        if (!v || ((v ^ tag) >> AT_BITS == 0 && !memcmp(s->ids[(v & ((1u << AT_BITS) - 1)) - 1], id, DRIFT_ID_BYTES)))
            return &s->slot[i];
    }
}

static void place_at(struct drift_idset *s, uint32_t *slot, uint32_t at)
{
    *slot = (uint32_t)s->ids[at][15] << AT_BITS | (at + 1);
}

static void grow(struct drift_idset *s)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : IDS_MIN;
        s->ids = drift_xrealloc(s->ids, s->cap, sizeof *s->ids);
    }
    if ((uint64_t)s->n * 4 < (uint64_t)s->n_slots * 3)
        return;
    free(s->slot);
    s->n_slots *= 2;
    s->slot = drift_xcalloc(s->n_slots, sizeof *s->slot);
    for (uint32_t i = 0; i < s->n; i++)
        place_at(s, find(s, s->ids[i]), i);
}

bool drift_idset_has(const struct drift_idset *s, const uint8_t id[DRIFT_ID_BYTES])
{
    return *find(s, id) != 0;
}

bool drift_idset_add(struct drift_idset *s, const uint8_t id[DRIFT_ID_BYTES])
{
    uint32_t *slot = find(s, id);
    if (*slot)
        return false;
    if (s->n == s->cap || (uint64_t)s->n * 4 >= (uint64_t)s->n_slots * 3) {
        grow(s);
        slot = find(s, id);
    }
    memcpy(s->ids[s->n], id, DRIFT_ID_BYTES);
    place_at(s, slot, s->n++);
    return true;
}

/* ---- chunks ---- */

static bool is_full(const struct drift_idset_chunk *c)
{
    return c->n == DRIFT_IDSET_FULL;
}

static void push(struct drift_idset *s, uint32_t from, uint32_t n, uint8_t level, bool stored)
{
    if (s->n_chunks == s->cap_chunks) {
        s->cap_chunks = s->cap_chunks ? 2 * s->cap_chunks : 16;
        s->chunk = drift_xrealloc(s->chunk, s->cap_chunks, sizeof *s->chunk);
    }
    s->chunk[s->n_chunks++] = (struct drift_idset_chunk){from, n, level, true, stored};
    s->packed = from + n;
}

/* Takes chunks [first, end) away; a field named by the first one is written again, the others go.  Returns whether the
 * slot has that first one. */
static bool take_back(struct drift_idset *s, size_t first, drift_idset_dead_fn *dead, void *ctx)
{
    bool stored = first < s->n_chunks && s->chunk[first].stored;
    for (size_t i = first + 1; i < s->n_chunks; i++)
        if (s->chunk[i].stored)
            dead(ctx, s->chunk[i].from);
    if (first < s->n_chunks)
        s->packed = s->chunk[first].from;
    s->n_chunks = first < s->n_chunks ? first : s->n_chunks;
    return stored;
}

/* Chunks at the end that are not full become full ones as soon as there are ids enough. */
static void pack_full(struct drift_idset *s, drift_idset_dead_fn *dead, void *ctx)
{
    size_t first = s->n_chunks;
    while (first && !is_full(&s->chunk[first - 1]))
        first--;
    uint32_t from = first < s->n_chunks ? s->chunk[first].from : s->packed;
    if (s->n - from < DRIFT_IDSET_FULL)
        return;
    bool stored = take_back(s, first, dead, ctx);
    for (; s->n - from >= DRIFT_IDSET_FULL; from += DRIFT_IDSET_FULL) {
        push(s, from, DRIFT_IDSET_FULL, 0, stored);
        stored = false;
    }
}

/* First chunk of the run of one level at the end. */
static size_t run_of(const struct drift_idset *s, uint8_t level)
{
    size_t first = s->n_chunks;
    while (first && !is_full(&s->chunk[first - 1]) && s->chunk[first - 1].level == level)
        first--;
    return first;
}

static void pack_levels(struct drift_idset *s, size_t *budget, drift_idset_dead_fn *dead, void *ctx)
{
    for (uint8_t level = 0; level < LEVEL_MAX; level++) {
        size_t first = run_of(s, level), bytes;
        if (s->n_chunks - first < DRIFT_IDSET_RUN)
            return;
        uint32_t from = s->chunk[first].from, n = s->packed - from;
        bytes = (size_t)n * DRIFT_ID_BYTES;
        if (bytes > *budget)
            return;
        *budget -= bytes;
        bool stored = take_back(s, first, dead, ctx);
        push(s, from, n, (uint8_t)(level + 1), stored);
    }
}

void drift_idset_pack(struct drift_idset *s, size_t *budget, drift_idset_dead_fn *dead, void *ctx)
{
    if (s->packed == s->n)
        return;
    pack_full(s, dead, ctx);
    if (s->packed < s->n)
        push(s, s->packed, s->n - s->packed, 0, false);
    pack_levels(s, budget, dead, ctx);
}

size_t drift_idset_chunks(const struct drift_idset *s, const struct drift_idset_chunk **ret)
{
    *ret = s->chunk;
    return s->n_chunks;
}

size_t drift_idset_chunk_bytes(const struct drift_idset_chunk *c)
{
    return HEAD_BYTES + (size_t)c->n * DRIFT_ID_BYTES + CRC_BYTES;
}

void drift_idset_save(const struct drift_idset *s, const struct drift_idset_chunk *c, struct drift_buf *out)
{
    size_t start = out->len;
    drift_buf_put_u8(out, FORMAT);
    drift_buf_put_u8(out, c->level);
    drift_buf_add(out, s->ids[c->from], (size_t)c->n * DRIFT_ID_BYTES);
    if (!out->full)
        drift_buf_put_u32(out, drift_crc32c(out->data + start, out->len - start));
}

void drift_idset_flushed(struct drift_idset *s)
{
    for (size_t i = s->n_chunks; i-- && s->chunk[i].dirty;) /* what changes is always at the end */
        s->chunk[i] = (struct drift_idset_chunk){s->chunk[i].from, s->chunk[i].n, s->chunk[i].level, false, true};
}

/* ---- loading ---- */

static int check(const uint8_t *p, size_t len, struct drift_err *err)
{
    if (len < HEAD_BYTES + DRIFT_ID_BYTES + CRC_BYTES || len > DRIFT_IDSET_CHUNK_BYTES)
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "stored ids of %zu bytes are too %s", len,
                          len > DRIFT_IDSET_CHUNK_BYTES ? "long" : "short");
    if (p[0] > FORMAT || p[0] == 0)
        return drift_fail(err, DRIFT_E_VERSION, DRIFT_STOP,
                          "stored ids have format %u, this driftd knows up to %d: run the newer version", p[0], FORMAT);
    struct drift_rd crc = {p + len - CRC_BYTES, p + len, false};
    if (drift_rd_u32(&crc) != drift_crc32c(p, len - CRC_BYTES))
        return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_STOP, "stored ids of %zu bytes fail their checksum", len);
    if ((len - HEAD_BYTES - CRC_BYTES) % DRIFT_ID_BYTES || p[1] > LEVEL_MAX)
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "stored ids of %zu bytes are no whole ids", len);
    return 0;
}

int drift_idset_load(struct drift_idset *s, uint32_t from, const void *p, size_t len, bool *ret_dead,
                     struct drift_err *err)
{
    const uint8_t *bytes = p;
    int rc = check(bytes, len, err);
    if (rc)
        return rc;
    uint32_t n = (uint32_t)((len - HEAD_BYTES - CRC_BYTES) / DRIFT_ID_BYTES);
    *ret_dead = from < s->n && n <= s->n - from;
    if (*ret_dead)
        return 0;
    if (from != s->n)
        return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_STOP, "stored ids begin at %u, expected %u: a part is missing",
                          from, s->n);
    if (n > DRIFT_IDSET_MAX - s->n)
        return drift_fail(err, DRIFT_E_FULL, DRIFT_STOP, "more than %d ids stored for one window", DRIFT_IDSET_MAX);
    for (uint32_t i = 0; i < n; i++)
        if (!drift_idset_add(s, bytes + HEAD_BYTES + (size_t)i * DRIFT_ID_BYTES))
            return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_STOP, "an id is stored twice for one window");
    push(s, from, n, bytes[1], true);
    s->chunk[s->n_chunks - 1].dirty = false;
    return 0;
}
