/* yaml.h - YAML text as a bounded tree of nodes with positions.
 *
 * What hostile text can do is bounded before anything is built from it: size, number of nodes with aliases counted
 * as if they were written out (billion laughs), depth, length of a scalar.  Not used by driftd, so refused: tags,
 * several documents, keys that are not scalars, NUL and invalid UTF-8.  An alias must follow its anchor, so there
 * are no cycles.  Threads: pure. */
#ifndef DRIFTD_CONFIG_YAML_H
#define DRIFTD_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/internal/config/memory.h"
#include "driftd/internal/config/problem.h"

enum {
    DRIFT_YAML_BYTES_MAX = 1 << 20,
    DRIFT_YAML_NODES_MAX = 100000, /* aliases count as what they stand for */
    DRIFT_YAML_DEPTH_MAX = 16,
    DRIFT_YAML_SCALAR_MAX = 16384
};

enum drift_node_kind { DRIFT_NODE_SCALAR, DRIFT_NODE_LIST, DRIFT_NODE_MAP };

struct drift_node {
    enum drift_node_kind kind;
    bool plain;            /* SCALAR: not quoted, no block */
    uint32_t line, column; /* from 1 */
    uint32_t twin_line;    /* key of a MAP: line of the same key before it in the map; 0: none */
    size_t weight, height; /* nodes below and including this one, aliases written out; levels */
    char *text;            /* SCALAR: without NUL inside */
    size_t len;
    size_t n;                 /* LIST, MAP */
    struct drift_node **key;  /* MAP: [n] scalars */
    struct drift_node **item; /* [n] */
};

/* NULL when the text cannot be read; the reason is in ps then. */
struct drift_node *drift_yaml_parse(struct drift_memory *m, const char *text, size_t len, struct drift_problems *ps);
/* Value of a key of a map; NULL: no such key, or node is no map. */
const struct drift_node *drift_node_get(const struct drift_node *map, const char *key);
/* Nothing stands there: plain and empty, ~ or null. */
bool drift_node_null(const struct drift_node *n);
const char *drift_node_kind_name(const struct drift_node *n); /* "a list" ..., for messages */

#endif
