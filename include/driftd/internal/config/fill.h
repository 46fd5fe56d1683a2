/* fill.h - from a tree of nodes to the structs, by the schema table; what the checks of check.c see.
 *
 * Threads: one owner. */
#ifndef DRIFTD_CONFIG_FILL_H
#define DRIFTD_CONFIG_FILL_H

#include "driftd/internal/config/schema.h"

struct drift_fill {
    struct drift_memory *memory;
    struct drift_config *config;
    const struct drift_node *root;
    const char *directory; /* of the file; relative paths begin there; "" for the working directory */
    struct drift_problems errors, warnings;
};

/* One step of "models.phish.rules[2].warning"; frames on the stack. */
struct drift_path {
    const struct drift_path *up; /* NULL: the root, which has no text */
    const char *key;             /* or NULL: an index */
    size_t index;
};

/* Fills f->config from f->root: defaults first, then what is written; collects errors and warnings. */
void drift_fill_config(struct drift_fill *f);

/* For checks: an error or warning at node (its position), about path.key (key may be NULL: path itself). */
void drift_fill_error(struct drift_fill *f, const struct drift_node *node, const struct drift_path *path,
                      const char *key, const char *fmt, ...) DRIFT_PRINTF(5, 6);
void drift_fill_warning(struct drift_fill *f, const struct drift_node *node, const struct drift_path *path,
                        const char *key, const char *fmt, ...) DRIFT_PRINTF(5, 6);
/* The value of a key, or the map itself when it is absent: where to point at. */
const struct drift_node *drift_fill_at(const struct drift_node *map, const char *key);
/* A file named in the configuration, seen from its directory; in f->memory. */
char *drift_fill_file(struct drift_fill *f, const char *file);
/* " (did you mean `x`?)" or ""; names are n strings at `first`, stride bytes apart.  Heap-free: into buf. */
const char *drift_fill_hint(const char *text, const void *first, size_t n, size_t stride, char *buf, size_t cap);

#endif
