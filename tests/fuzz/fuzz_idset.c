/* tests/fuzz/fuzz_idset.c    Chunks of ids as Redis could hold them: refused or taken, and what was taken is written
 * again.
 *
 * Input: chunks of a head (position: 2 bytes, length: 2 bytes, 1 bit of it: with a checksum that fits) and bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/window/idset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool so)
{
    if (!so)
        abort();
}

static void ignore(void *ctx, uint32_t from)
{
    (void)ctx, (void)from;
}

/* All chunks, from the first id on: what a flush and a load would make of the set. */
static struct drift_idset *again(struct drift_idset *s)
{
    const struct drift_idset_chunk *c;
    struct drift_idset *copy = drift_idset_new();
    struct drift_buf b;
    struct drift_err err;
    size_t budget = SIZE_MAX;
    bool dead;
    drift_buf_init(&b, 64 << 20);
    drift_idset_pack(s, &budget, ignore, NULL);
    for (size_t i = 0, n = drift_idset_chunks(s, &c); i < n; i++) {
        drift_buf_reset(&b);
        drift_idset_save(s, &c[i], &b);
        must(drift_idset_load(copy, c[i].from, b.data, b.len, &dead, &err) == 0 && !dead);
    }
    drift_buf_release(&b);
    return copy;
}

static int load(struct drift_idset *s, uint32_t from, const uint8_t *p, size_t n, bool sealed)
{
    struct drift_err err;
    bool dead;
    uint8_t *bytes = malloc(n + 4); /* of its own, so that a read behind it is seen */
    memcpy(bytes, p, n);
    if (sealed) {
        uint32_t crc = drift_crc32c(bytes, n);
        for (int i = 0; i < 4; i++)
            bytes[n++] = (uint8_t)(crc >> 8 * i);
    }
    uint32_t before = drift_idset_count(s);
    int rc = drift_idset_load(s, from, bytes, n, &dead, &err);
    must(rc || (dead ? drift_idset_count(s) == before : drift_idset_count(s) > before));
    free(bytes);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct drift_idset *s = drift_idset_new();
    int rc = 0;
    while (size >= 4 && !rc) {
        uint32_t from = data[0] | (uint32_t)data[1] << 8, n = data[2] | (uint32_t)data[3] << 8;
        bool sealed = n & 1;
        data += 4;
        size -= 4;
        n = (n >> 1) < size ? n >> 1 : (uint32_t)size;
        rc = load(s, from, data, n, sealed);
        data += n;
        size -= n;
    }
    if (!rc) {
        uint8_t id[DRIFT_ID_BYTES] = {1};
        drift_idset_add(s, id);
        struct drift_idset *copy = again(s);
        must(drift_idset_count(copy) == drift_idset_count(s) && drift_idset_has(copy, id));
        drift_idset_free(copy);
    }
    drift_idset_free(s);
    return 0;
}
