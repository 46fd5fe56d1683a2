/* src/ingest/dedup.c    Event ids of one partition: the key, and the fields of the slot that hold and lose them. */
#include "driftd/internal/ingest/dedup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"

enum { BYTES_KEPT = 1 << 20 }; /* of the flush's buffer, between flushes */

void drift_dedup_init(struct drift_dedup *d)
{
    *d = (struct drift_dedup){0};
    drift_buf_init(&d->bytes, SIZE_MAX / 2);
}

static void free_names(struct drift_dedup *d)
{
    for (size_t i = 0; i < d->n_names; i++)
        free(d->names[i]);
    d->n_names = 0;
}

void drift_dedup_release(struct drift_dedup *d)
{
    free_names(d);
    for (size_t i = 0; i < d->n_dead; i++)
        free(d->dead[i]);
    free(d->dead);
    free(d->names);
    drift_buf_release(&d->bytes);
    *d = (struct drift_dedup){0};
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_key(const char *hex, size_t n, uint8_t ret[DRIFT_SIPHASH_KEY])
{
    if (n != 2 * DRIFT_SIPHASH_KEY)
        return false;
    for (size_t i = 0; i < DRIFT_SIPHASH_KEY; i++) {
        int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

int drift_dedup_load_key(struct drift_dedup *d, const struct drift_pair *dk, struct drift_err *err)
{
    if (!parse_key(dk->value, dk->len, d->key))
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "it is no key of 32 hex digits");
    memcpy(d->key_text, dk->value, dk->len);
    d->has_key = true;
    return 0;
}

static void make_key(struct drift_dedup *d)
{
    drift_random_hex32(d->key_text);
    if (!parse_key(d->key_text, strlen(d->key_text), d->key))
        drift_bug("a random name is no key");
    d->has_key = d->key_dirty = true;
}

enum drift_reason drift_dedup_take(struct drift_dedup *d, struct drift_idset **set, struct drift_str id, uint64_t *held,
                                   uint64_t max)
{
    uint8_t name[DRIFT_ID_BYTES];
    if (!id.n)
        return DRIFT_REASON_NO_ID;
    if (!d->has_key)
        make_key(d);
    drift_siphash(d->key, id.p, id.n, name);
    if (*held >= max)
        return *set && drift_idset_has(*set, name) ? DRIFT_REASON_DUPLICATE : DRIFT_REASON_DEDUP_FULL;
    if (!*set)
        *set = drift_idset_new();
    if (!drift_idset_add(*set, name))
        return DRIFT_REASON_DUPLICATE;
    (*held)++;
    return DRIFT_REASON_NONE;
}

static char *field_of(const char *blob, uint32_t from)
{
    return drift_xasprintf("d%s%" PRIu32, blob + 1, from);
}

void drift_dedup_bury(struct drift_dedup *d, char *field)
{
    if (d->n_dead == d->cap_dead)
        d->dead = drift_xrealloc(d->dead, d->cap_dead = d->cap_dead ? 2 * d->cap_dead : 16, sizeof(char *));
    d->dead[d->n_dead++] = field;
}

struct grave {
    struct drift_dedup *dedup;
    const char *blob;
};

static void bury_chunk(void *ctx, uint32_t from)
{
    struct grave *g = ctx;
    drift_dedup_bury(g->dedup, field_of(g->blob, from));
}

void drift_dedup_retire(struct drift_dedup *d, const char *blob, struct drift_idset **set, uint64_t *held)
{
    const struct drift_idset_chunk *c;
    if (!*set)
        return;
    for (size_t i = 0, n = drift_idset_chunks(*set, &c); i < n; i++)
        if (c[i].stored)
            drift_dedup_bury(d, field_of(blob, c[i].from));
    *held -= drift_idset_count(*set);
    drift_idset_free(*set);
    *set = NULL;
}

size_t drift_dedup_pack(struct drift_dedup *d, const char *blob, struct drift_idset *set, size_t *budget)
{
    const struct drift_idset_chunk *c;
    size_t bytes = 0;
    drift_idset_pack(set, budget, bury_chunk, &(struct grave){d, blob});
    for (size_t i = drift_idset_chunks(set, &c); i-- && c[i].dirty;)
        bytes += drift_idset_chunk_bytes(&c[i]);
    return bytes;
}

void drift_dedup_reserve(struct drift_dedup *d, size_t bytes)
{
    free_names(d);
    drift_buf_reset(&d->bytes);
    if (bytes)
        (void)drift_buf_room(&d->bytes, bytes);
}

void drift_dedup_save(struct drift_dedup *d, const char *blob, const struct drift_idset *set,
                      drift_dedup_field_fn *field, void *ctx)
{
    const struct drift_idset_chunk *c;
    for (size_t i = drift_idset_chunks(set, &c); i-- && c[i].dirty;) {
        size_t at = d->bytes.len;
        drift_idset_save(set, &c[i], &d->bytes);
        if (d->n_names == d->cap_names)
            d->names = drift_xrealloc(d->names, d->cap_names = d->cap_names ? 2 * d->cap_names : 16, sizeof(char *));
        d->names[d->n_names] = field_of(blob, c[i].from);
        field(ctx, d->names[d->n_names++], d->bytes.data + at, d->bytes.len - at);
    }
}

const char *drift_dedup_key(struct drift_dedup *d)
{
    d->key_sent = d->key_dirty;
    return d->key_dirty ? d->key_text : NULL;
}

size_t drift_dedup_dead(struct drift_dedup *d, char *const **ret)
{
    *ret = d->dead;
    return d->n_sent = d->n_dead;
}

void drift_dedup_flushed(struct drift_dedup *d)
{
    for (size_t i = 0; i < d->n_sent; i++)
        free(d->dead[i]);
    if (d->n_sent < d->n_dead)
        memmove(d->dead, d->dead + d->n_sent, (d->n_dead - d->n_sent) * sizeof *d->dead);
    d->n_dead -= d->n_sent;
    d->n_sent = 0;
    d->key_dirty = d->key_dirty && !d->key_sent;
    free_names(d);
    if (d->bytes.cap > BYTES_KEPT)
        drift_buf_release(&d->bytes);
}
