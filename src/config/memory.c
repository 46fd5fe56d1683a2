/* src/config/memory.c    Allocations that are freed together. */
#include "driftd/internal/config/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/err.h"

struct block {
    struct block *next;
    _Alignas(max_align_t) char bytes[];
};

struct drift_memory {
    struct block *first;
};

struct drift_memory *drift_memory_new(void)
{
    return drift_xcalloc(1, sizeof(struct drift_memory));
}

void drift_memory_free(struct drift_memory *m)
{
    if (!m)
        return;
    for (struct block *b = m->first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(m);
}

void *drift_memory_get(struct drift_memory *m, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
        drift_bug("a configuration of impossible size");
    struct block *b = drift_xcalloc(1, sizeof *b + bytes);
    b->next = m->first;
    m->first = b;
    return b->bytes;
}

char *drift_memory_text(struct drift_memory *m, const char *s, size_t n)
{
    char *copy = drift_memory_get(m, n + 1, 1);
    memcpy(copy, s, n);
    return copy;
}
