/* paths.h - where in a record the roles and features are: a tree of keys, and the row that their values land in.
 *
 *     role id = "meta.id", time = "ts", features = "f"
 *
 *     node 0 (record)   ts -> PLACE_TIME     meta -> node 1     f -> node 2 (wild: every member is a feature)
 *     node 1            id -> PLACE_ID
 *     node 2            (grows: a member seen for the first time gets the next feature slot)
 *
 * A dotted path names members of nested objects; a number names an element of an array ("vector.3").  Keys that
 * contain a dot cannot be named.  A member that a role uses (or that holds one) is no feature.
 * Every place has a target: an index in the row's arrays; roles come first, then the feature slots.
 *
 * Both formats walk this tree: JSON once a record, Avro once a schema (and for maps and arrays).  Records of a
 * topic have their keys in the same order nearly always, so every key remembers which one came next (a guess that
 * costs one compare); else a hash table answers.
 *
 * Memory is fixed at init: max_fields features, 256 names of unused keys.  Threads: the decoder's. */
#ifndef DRIFTD_DECODE_PATHS_H
#define DRIFTD_DECODE_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/internal/config/config.h"
#include "driftd/internal/flow.h"

#ifdef __cplusplus
extern "C" {
#endif

enum drift_place {
    DRIFT_PLACE_ID,
    DRIFT_PLACE_TIME,
    DRIFT_PLACE_MODEL,
    DRIFT_PLACE_VERSION, /* DRIFT_N_VERSION of them */
    DRIFT_PLACE_SCORE = DRIFT_PLACE_VERSION + DRIFT_N_VERSION,
    DRIFT_PLACE_DECISION,
    DRIFT_PLACE_LABEL,
    DRIFT_PLACE_SOURCE,
    DRIFT_PLACE_LATENCY,
    DRIFT_N_PLACE
};
/* Roles below this one need their numbers exactly as written: times and ids do not fit a double. */
enum { DRIFT_N_EXACT = DRIFT_PLACE_SCORE };
enum { DRIFT_PATH_PARTS = 16 };
#define DRIFT_NOWHERE UINT32_MAX

/* The values of one record by target. */
struct drift_row {
    double *num;                  /* [DRIFT_N_PLACE + max_fields] */
    uint8_t *kind;                /* enum drift_value_kind */
    struct drift_str *str;        /* borrowed from the record, the schema or the JSON parser */
    int64_t whole[DRIFT_N_EXACT]; /* the number itself, when is_whole */
    bool is_whole[DRIFT_N_EXACT];
    bool has_logical_unit; /* Avro: the time's schema names its unit itself */
    enum drift_time_unit logical_unit;
};

struct drift_key {
    const char *name;    /* unescaped; owned by the tree */
    uint64_t head, mask; /* first 8 bytes of name and closing quote, for one masked compare with raw JSON */
    uint32_t n;
    uint32_t node;   /* whose member it is */
    uint32_t target; /* DRIFT_NOWHERE: none */
    uint32_t child;  /* node below; DRIFT_NOWHERE: none */
    uint32_t next;   /* index of the key that came after this one last time; 0: unknown */
    bool quick;      /* a feature or number without members: what most keys are */
    bool plain;      /* needs no escape in JSON: raw bytes can be compared */
    uint64_t seen;   /* record in which it was met (kept for keys with a child) */
};
struct drift_node {
    uint32_t first; /* key that came first last time */
    bool wild;      /* members are features */
};

struct drift_paths {
    struct drift_key *keys; /* keys[0] is nobody's; never moves */
    uint32_t n_keys, max_keys;
    uint32_t n_configured; /* keys [1, n_configured) come from the configuration */
    uint32_t n_ignored;
    struct drift_node *nodes;
    uint32_t n_nodes;
    uint32_t *index; /* open addressing; 0: free */
    uint32_t index_mask;
    struct drift_fields fields;
    uint32_t n_named; /* fields [0, n_named) come from feature_fields */
    uint64_t refused; /* feature members met that could not become fields */
    uint64_t record;  /* number of the record being walked */
    uint32_t repeats; /* objects met twice in it */
    size_t n_aliases; /* two uses of one path: copied after the walk */
    struct drift_alias {
        uint32_t from, to;
    } * aliases;
    struct drift_row row;
};

int drift_paths_init(struct drift_paths *p, const struct drift_stream *s, struct drift_err *err) DRIFT_MUST_CHECK;
void drift_paths_release(struct drift_paths *p);

/* A new record: every value is ABSENT. */
void drift_paths_reset(struct drift_paths *p);
/* Copies values that have more than one use. */
void drift_paths_settle(struct drift_paths *p);

/* The key of that name in a node, made if the node is wild and there is room; NULL: nobody wants it. */
struct drift_key *drift_paths_find(struct drift_paths *p, uint32_t node, const char *name, size_t n);
/* The key of that name, only if it is there already. */
const struct drift_key *drift_paths_lookup(const struct drift_paths *p, uint32_t node, const char *name, size_t n);
/* The same as find for an element of an array. */
struct drift_key *drift_paths_element(struct drift_paths *p, uint32_t node, uint64_t index);

/* An object under `key` begins: in a record that has it twice, the last one wins as a whole.  False: the record
 * repeats its objects too often (more than 16 times) to be anything but an attack on our time. */
bool drift_paths_enter(struct drift_paths *p, struct drift_key *key);

/* True for well-formed UTF-8. */
bool drift_utf8_valid(const char *s, size_t n);

static inline void drift_row_null(struct drift_row *r, uint32_t t)
{
    r->kind[t] = DRIFT_V_NULL;
}
static inline void drift_row_other(struct drift_row *r, uint32_t t)
{
    r->kind[t] = DRIFT_V_OTHER;
}
/* NaN and infinities become NONFINITE without a branch. */
static inline void drift_row_num(struct drift_row *r, uint32_t t, double v)
{
    uint64_t bits;
    __builtin_memcpy(&bits, &v, 8);
    r->num[t] = v;
    r->kind[t] = (uint8_t)(DRIFT_V_NUM + (DRIFT_V_NONFINITE - DRIFT_V_NUM) * ((bits >> 52 & 0x7ff) == 0x7ff));
}
static inline void drift_row_whole(struct drift_row *r, uint32_t t, int64_t v)
{
    r->num[t] = (double)v;
    r->kind[t] = DRIFT_V_NUM;
    if (t < DRIFT_N_EXACT) {
        r->whole[t] = v;
        r->is_whole[t] = true;
    }
}
static inline void drift_row_bool(struct drift_row *r, uint32_t t, bool v)
{
    r->num[t] = v;
    r->kind[t] = DRIFT_V_BOOL;
}
static inline void drift_row_str(struct drift_row *r, uint32_t t, const char *s, size_t n)
{
    r->str[t].p = s;
    r->str[t].n = n;
    r->kind[t] = DRIFT_V_STR;
}
static inline void drift_row_nonfinite(struct drift_row *r, uint32_t t)
{
    r->kind[t] = DRIFT_V_NONFINITE;
}

#ifdef __cplusplus
}
#endif
#endif
