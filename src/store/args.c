/* src/store/args.c    The arguments of one Redis command, binary safe. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/store/redis.h"

void drift_args_release(struct drift_args *a)
{
    for (size_t i = 0; i < a->n_own; i++)
        free(a->own[i]);
    free(a->own);
    free(a->v);
    free(a->len);
    *a = (struct drift_args){0};
}

void drift_args_add(struct drift_args *a, const void *p, size_t len)
{
    if (a->n == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 32;
        a->v = drift_xrealloc(a->v, a->cap, sizeof *a->v);
        a->len = drift_xrealloc(a->len, a->cap, sizeof *a->len);
    }
    a->v[a->n] = p ? p : "";
    a->len[a->n++] = p ? len : 0;
}

void drift_args_text(struct drift_args *a, const char *z)
{
    drift_args_add(a, z, z ? strlen(z) : 0);
}

static void add_own(struct drift_args *a, char *z)
{
    if (a->n_own == a->cap_own) {
        a->cap_own = a->cap_own ? 2 * a->cap_own : 8;
        a->own = drift_xrealloc(a->own, a->cap_own, sizeof *a->own);
    }
    a->own[a->n_own++] = z;
    drift_args_text(a, z);
}

void drift_args_int(struct drift_args *a, int64_t v)
{
    add_own(a, drift_xasprintf("%" PRId64, v));
}

void drift_args_field(struct drift_args *a, char kind, const char *id)
{
    add_own(a, drift_xasprintf("%c:%s", kind, id));
}

void drift_args_pairs(struct drift_args *a, const struct drift_pair *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        drift_args_text(a, p[i].name);
        drift_args_add(a, p[i].value, p[i].len);
    }
}

void drift_args_names(struct drift_args *a, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        drift_args_text(a, names[i]);
}
