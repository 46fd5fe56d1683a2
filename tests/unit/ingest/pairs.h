/* pairs.h - fields of a slot as Redis would hold them, for tests that apply flushes without a server. */
#ifndef DRIFTD_TEST_PAIRS_H
#define DRIFTD_TEST_PAIRS_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/store/store.h"
#include "support.h"

static inline struct drift_pair *pairs_find(struct drift_pairs *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->pair[i].name, name))
            return &s->pair[i];
    return NULL;
}

static inline void pairs_set(struct drift_pairs *s, const char *name, const char *value, size_t len)
{
    struct drift_pair *f = pairs_find(s, name);
    if (!f) {
        s->pair = realloc(s->pair, (s->n + 1) * sizeof *f);
        f = &s->pair[s->n++];
        *f = (struct drift_pair){.name = strdup(name)};
    }
    free(f->value);
    f->value = calloc(len + 1, 1);
    memcpy(f->value, value, len);
    f->len = len;
}

/* Returns whether it was there. */
static inline bool pairs_del(struct drift_pairs *s, const char *name)
{
    struct drift_pair *f = pairs_find(s, name);
    if (!f)
        return false;
    free(f->name);
    free(f->value);
    *f = s->pair[--s->n];
    return true;
}

#endif
