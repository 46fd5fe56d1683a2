/* src/window/blob.c    A window's counts as bytes, for the partition's slot and for baselines.
 *
 * Percentile cells hold nearly equal counts, so a bitmap of the non-zero ones and the zigzag delta from one to the
 * next is the smallest of the simple codings (5 kB for 50 features at 100,000 events). */
#include "driftd/internal/window/blob.h"

#include <inttypes.h>
#include <string.h>

#include "driftd/internal/base/hash.h"

enum { FORMAT = 1, FORMAT_SKETCHES = 2, FLAG_PARTIAL = 1, CRC_BYTES = 4, DIGEST_BYTES = 16 };

static void save_counters(const uint64_t *counts, uint32_t n, struct drift_buf *out)
{
    uint64_t last = 0;
    size_t bytes = (n + 7) / 8;
    uint8_t *bitmap = (uint8_t *)drift_buf_room(out, bytes);
    if (!bitmap)
        return;
    memset(bitmap, 0, bytes);
    for (uint32_t i = 0; i < n; i++)
        if (counts[i])
            bitmap[i / 8] = (uint8_t)(bitmap[i / 8] | 1u << i % 8);
    out->len += bytes;
    for (uint32_t i = 0; i < n; i++) {
        if (!counts[i])
            continue;
        uint64_t delta = counts[i] - last;
        drift_buf_put_varint(out, delta << 1 ^ (uint64_t)((int64_t)delta >> 63));
        last = counts[i];
    }
}

static void load_counters(struct drift_rd *r, uint64_t *counts, uint32_t n)
{
    uint64_t last = 0;
    const uint8_t *bitmap = drift_rd_bytes(r, (n + 7) / 8);
    for (uint32_t i = 0; bitmap && i < n; i++) {
        if (!(bitmap[i / 8] >> i % 8 & 1)) {
            counts[i] = 0;
            continue;
        }
        uint64_t z = drift_rd_varint(r);
        last += z >> 1 ^ (0 - (z & 1));
        counts[i] = last;
    }
}

static void save_tally(const struct drift_tally *t, struct drift_buf *out)
{
    drift_buf_put_varint(out, t->n);
    for (uint32_t i = 0; i < t->n; i++) {
        drift_buf_put_str(out, t->slots[i].text);
        drift_buf_put_varint(out, t->slots[i].count);
    }
    drift_buf_put_varint(out, t->other);
}

static void load_tally(struct drift_rd *r, struct drift_tally *t)
{
    uint64_t n = drift_rd_varint(r);
    if (n > DRIFT_TALLY_JOIN_MAX)
        r->bad = true;
    for (uint64_t i = 0; i < n && !r->bad; i++) {
        uint64_t len = drift_rd_varint(r);
        const uint8_t *text = len < DRIFT_TALLY_TEXT ? drift_rd_bytes(r, (size_t)len) : NULL;
        uint64_t count = drift_rd_varint(r);
        if (!text || memchr(text, 0, (size_t)len))
            r->bad = true;
        else if (!r->bad)
            drift_tally_join(t, (const char *)text, (size_t)len, count);
    }
    t->other += drift_rd_varint(r);
}

void drift_summary_save(const struct drift_summary *s, struct drift_buf *out)
{
    drift_buf_put_varint(out, s->n);
    for (uint32_t i = 0; i < s->layout->n_columns; i++) {
        const struct drift_column *c = &s->layout->columns[i];
        save_counters(s->counts + c->first, drift_column_counters(c), out);
    }
    for (uint32_t i = 0; i < s->layout->n_blocks; i++)
        save_counters(s->counts + s->layout->blocks[i].first, s->layout->blocks[i].n, out);
    for (int k = 0; k < DRIFT_N_TALLY; k++)
        save_tally(&s->tally[k], out);
}

int drift_summary_load(struct drift_rd *r, struct drift_summary *into)
{
    drift_summary_reset(into);
    into->n = drift_rd_varint(r);
    for (uint32_t i = 0; i < into->layout->n_columns && !r->bad; i++) {
        const struct drift_column *c = &into->layout->columns[i];
        load_counters(r, into->counts + c->first, drift_column_counters(c));
    }
    for (uint32_t i = 0; i < into->layout->n_blocks && !r->bad; i++)
        load_counters(r, into->counts + into->layout->blocks[i].first, into->layout->blocks[i].n);
    for (int k = 0; k < DRIFT_N_TALLY && !r->bad; k++)
        load_tally(r, &into->tally[k]);
    return r->bad ? DRIFT_E_PARSE : 0;
}

/* ---- sketches ---- */

static uint32_t sketches(const struct drift_summary *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; s->unseen && i < s->layout->n_columns; i++)
        n += s->unseen[i] && s->unseen[i]->n;
    return n;
}

static void save_sketch(const struct drift_frequent *f, uint32_t column, struct drift_buf *out)
{
    drift_buf_put_varint(out, column);
    drift_buf_put_u8(out, f->joined);
    drift_buf_put_varint(out, f->floor);
    drift_buf_put_varint(out, f->n);
    for (uint32_t i = 0; i < f->n; i++) {
        drift_buf_put_str(out, f->slots[i].text);
        drift_buf_put_varint(out, f->slots[i].count);
        drift_buf_put_varint(out, f->slots[i].error);
        drift_buf_put_varint(out, f->slots[i].floors);
    }
}

static void save_sketches(const struct drift_summary *s, struct drift_buf *out)
{
    drift_buf_put_varint(out, sketches(s));
    for (uint32_t i = 0; i < s->layout->n_columns; i++)
        if (s->unseen[i] && s->unseen[i]->n)
            save_sketch(s->unseen[i], i, out);
}

static void load_slot(struct drift_rd *r, struct drift_frequent_slot *slot)
{
    uint64_t len = drift_rd_varint(r);
    const uint8_t *text = len < DRIFT_FREQUENT_TEXT ? drift_rd_bytes(r, (size_t)len) : NULL;
    if (!text || memchr(text, 0, (size_t)len)) {
        r->bad = true;
        return;
    }
    memcpy(slot->text, text, (size_t)len);
    slot->count = drift_rd_varint(r);
    slot->error = drift_rd_varint(r);
    slot->floors = drift_rd_varint(r);
    if (slot->error > slot->count)
        r->bad = true;
}

static void load_sketch(struct drift_rd *r, struct drift_summary *into)
{
    uint64_t column = drift_rd_varint(r);
    uint8_t joined = drift_rd_u8(r);
    uint64_t floor = drift_rd_varint(r), n = drift_rd_varint(r);
    struct drift_frequent *f = NULL;
    if (!r->bad && column < into->layout->n_columns && joined <= 1 && n && n <= (uint64_t)(r->end - r->p) &&
        n <= (uint64_t)(joined ? DRIFT_FREQUENT_JOIN_MAX : DRIFT_FREQUENT_SLOTS))
        f = drift_summary_sketch(into, (uint32_t)column);
    if (!f || f->n) {
        r->bad = true;
        return;
    }
    struct drift_frequent_slot *slots = drift_xcalloc((size_t)n, sizeof *slots);
    for (uint64_t i = 0; i < n && !r->bad; i++) {
        load_slot(r, &slots[i]);
        r->bad = r->bad || slots[i].floors > floor || (joined && i && strcmp(slots[i - 1].text, slots[i].text) >= 0);
    }
    drift_frequent_release(f);
    *f = (struct drift_frequent){(uint32_t)n, (uint32_t)n, joined, floor, slots};
}

static void load_sketches(struct drift_rd *r, struct drift_summary *into)
{
    for (uint64_t n = drift_rd_varint(r); n && !r->bad; n--)
        load_sketch(r, into);
}

/* First half of the layout's digest, as bytes. */
static void layout_mark(const struct drift_layout *l, uint8_t ret[DIGEST_BYTES])
{
    for (int i = 0; i < DIGEST_BYTES; i++) {
        unsigned v = 0;
        for (int k = 0; k < 2; k++) {
            char h = l->digest[2 * i + k];
            v = v << 4 | (unsigned)(h <= '9' ? h - '0' : h - 'a' + 10);
        }
        ret[i] = (uint8_t)v;
    }
}

void drift_blob_save(const struct drift_summary *s, uint32_t plan_seq, bool partial, struct drift_buf *out)
{
    uint8_t mark[DIGEST_BYTES];
    size_t start = out->len;
    bool more = sketches(s) > 0;
    drift_buf_put_u8(out, more ? FORMAT_SKETCHES : FORMAT);
    drift_buf_put_u8(out, partial ? FLAG_PARTIAL : 0);
    drift_buf_put_varint(out, plan_seq);
    layout_mark(s->layout, mark);
    drift_buf_add(out, mark, sizeof mark);
    drift_summary_save(s, out);
    if (more)
        save_sketches(s, out);
    if (!out->full)
        drift_buf_put_u32(out, drift_crc32c(out->data + start, out->len - start));
}

/* Checks format and CRC; leaves *r behind the layout's mark, before the CRC. */
static int open_blob(const void *p, size_t len, struct drift_rd *r, struct drift_blob_head *ret, struct drift_err *err)
{
    const uint8_t *bytes = p;
    if (len < 2 + 1 + DIGEST_BYTES + 1 + CRC_BYTES)
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "stored window of %zu bytes is too short", len);
    if (bytes[0] > FORMAT_SKETCHES || bytes[0] == 0)
        return drift_fail(err, DRIFT_E_VERSION, DRIFT_STOP,
                          "stored window has format %u, this driftd knows up to %d: run the newer version", bytes[0],
                          FORMAT_SKETCHES);
    struct drift_rd crc = {bytes + len - CRC_BYTES, bytes + len, false};
    if (drift_rd_u32(&crc) != drift_crc32c(bytes, len - CRC_BYTES))
        return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_STOP, "stored window of %zu bytes fails its checksum", len);
    *r = (struct drift_rd){bytes + 1, bytes + len - CRC_BYTES, false};
    ret->partial = drift_rd_u8(r) & FLAG_PARTIAL;
    ret->plan_seq = (uint32_t)drift_rd_varint(r);
    const uint8_t *mark = drift_rd_bytes(r, DIGEST_BYTES);
    if (mark)
        memcpy(ret->layout, mark, DIGEST_BYTES);
    struct drift_rd n = *r;
    ret->n = drift_rd_varint(&n);
    if (n.bad)
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "stored window of %zu bytes ends early", len);
    return 0;
}

int drift_blob_head(const void *p, size_t len, struct drift_blob_head *ret, struct drift_err *err)
{
    struct drift_rd r;
    return open_blob(p, len, &r, ret, err);
}

int drift_blob_add(const void *p, size_t len, struct drift_summary *into, struct drift_err *err)
{
    struct drift_rd r;
    struct drift_blob_head head;
    uint8_t mark[DIGEST_BYTES];
    int rc = open_blob(p, len, &r, &head, err);
    if (rc)
        return rc;
    layout_mark(into->layout, mark);
    if (memcmp(mark, head.layout, DIGEST_BYTES) != 0)
        return drift_fail(err, DRIFT_E_MISMATCH, DRIFT_SKIP, "stored window was counted with another layout");
    struct drift_summary *part = drift_summary_new(into->layout);
    if (!part)
        return drift_fail(err, DRIFT_E_MEMORY, DRIFT_STOP, "out of memory reading a stored window");
    rc = drift_summary_load(&r, part);
    if (!rc && *(const uint8_t *)p == FORMAT_SKETCHES)
        load_sketches(&r, part);
    if (rc || r.bad || r.p != r.end)
        rc = drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "stored window of %zu bytes does not fit its layout", len);
    else
        rc = drift_summary_merge(into, part);
    drift_summary_free(part);
    return rc;
}
