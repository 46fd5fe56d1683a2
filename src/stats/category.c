/* src/stats/category.c    Hash table from category names to cells, safe against crafted names. */
#include "category.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "driftd/error.h"

enum { PROBES_MAX = 16, KEYS_TRIED = 8, VACANT = UINT32_MAX };

struct slot {
    uint32_t hash, cell; /* cell VACANT: nothing here */
    uint32_t len;
    const char *name;
};
struct drift_category_index {
    uint64_t key[2];
    uint32_t mask, probes;
    struct slot *slots;
};

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIP_ROUND                                                                                                      \
    do {                                                                                                               \
        v0 += v1, v1 = ROTL(v1, 13) ^ v0, v0 = ROTL(v0, 32);                                                           \
        v2 += v3, v3 = ROTL(v3, 16) ^ v2;                                                                              \
        v0 += v3, v3 = ROTL(v3, 21) ^ v0;                                                                              \
        v2 += v1, v1 = ROTL(v1, 17) ^ v2, v2 = ROTL(v2, 32);                                                           \
    } while (0)

static uint64_t sip13(const uint64_t key[2], const char *s, size_t n)
{
    uint64_t v0 = key[0] ^ 0x736f6d6570736575u, v1 = key[1] ^ 0x646f72616e646f6du;
    uint64_t v2 = key[0] ^ 0x6c7967656e657261u, v3 = key[1] ^ 0x7465646279746573u;
    uint64_t m = 0;
    size_t left = n;
    for (; left >= 8; s += 8, left -= 8) {
        memcpy(&m, s, 8);
        v3 ^= m;
        SIP_ROUND;
        v0 ^= m;
    }
    m = 0;
    memcpy(&m, s, left);
    m |= (uint64_t)n << 56;
    v3 ^= m;
    SIP_ROUND;
    v0 ^= m;
    v2 ^= 0xff;
    SIP_ROUND;
    SIP_ROUND;
    SIP_ROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}

static const struct slot *slot_find(const struct drift_category_index *ix, uint64_t h, const char *s, size_t n)
{
    uint32_t tag = (uint32_t)(h >> 32);
    for (uint32_t i = 0; i < ix->probes; i++) {
        const struct slot *at = &ix->slots[((uint32_t)h + i) & ix->mask];
        if (at->cell == VACANT)
            return NULL;
        if (at->hash == tag && at->len == n && memcmp(at->name, s, n) == 0)
            return at;
    }
    return NULL;
}

static int name_add(struct drift_category_index *ix, const char *name, uint32_t cell)
{
    size_t n = strlen(name);
    uint64_t h = sip13(ix->key, name, n);
    if (slot_find(ix, h, name, n))
        return DRIFT_E_EXISTS;
    for (uint32_t i = 0; i < PROBES_MAX; i++) {
        struct slot *at = &ix->slots[((uint32_t)h + i) & ix->mask];
        if (at->cell != VACANT)
            continue;
        *at = (struct slot){.hash = (uint32_t)(h >> 32), .cell = cell, .len = (uint32_t)n, .name = name};
        ix->probes = i + 1 > ix->probes ? i + 1 : ix->probes;
        return 0;
    }
    return DRIFT_E_FULL; /* another key or a larger table is needed */
}

static int index_fill(struct drift_category_index *ix, char *const *const names[2], const uint32_t n_names[2])
{
    for (uint32_t i = 0; i <= ix->mask; i++)
        ix->slots[i] = (struct slot){.cell = VACANT};
    ix->probes = 1;
    for (int k = 0; k < 2; k++)
        for (uint32_t i = 0; i < n_names[k]; i++) {
            int r = name_add(ix, names[k][i], k == 0 ? i : n_names[0]);
            if (r)
                return r;
        }
    return 0;
}

static int index_build(struct drift_category_index *ix, uint32_t size, char *const *const names[2],
                       const uint32_t n_names[2])
{
    struct slot *slots = realloc(ix->slots, size * sizeof *slots);
    if (!slots)
        return DRIFT_E_MEMORY;
    ix->slots = slots;
    ix->mask = size - 1;
    int r = DRIFT_E_FULL;
    for (unsigned i = 0; i < KEYS_TRIED && r == DRIFT_E_FULL; i++) {
        if (RAND_bytes((unsigned char *)ix->key, sizeof ix->key) != 1)
            return DRIFT_E_MEMORY; /* without a secret key the promise does not hold */
        r = index_fill(ix, names, n_names);
    }
    return r;
}

int drift_category_index_new(char *const *const names[2], const uint32_t n_names[2],
                             struct drift_category_index **ret_index)
{
    struct drift_category_index *ix = calloc(1, sizeof *ix);
    if (!ix)
        return DRIFT_E_MEMORY;
    uint32_t size = 8;
    while (size < 2 * (n_names[0] + n_names[1]))
        size *= 2;
    int r;
    while ((r = index_build(ix, size, names, n_names)) == DRIFT_E_FULL)
        size *= 2; /* at a quarter full a run of 17 is next to impossible */
    if (r) {
        drift_category_index_free(ix);
        return r;
    }
    *ret_index = ix;
    return 0;
}

void drift_category_index_free(struct drift_category_index *ix)
{
    if (!ix)
        return;
    free(ix->slots);
    free(ix);
}

uint32_t drift_category_index_cell(const struct drift_category_index *ix, const char *s, size_t n, uint32_t unseen)
{
    const struct slot *at = slot_find(ix, sip13(ix->key, s, n), s, n);
    return at ? at->cell : unseen;
}

uint32_t drift_category_index_probes(const struct drift_category_index *ix)
{
    return ix->probes;
}
