/* schema.h - the table of every key: what it means, its type, range, default, and where it goes in the structs.
 *
 * One table drives the parser, the defaults, the reference (docs/configuration.md) and the JSON Schema
 * (config/driftd.schema.json).  A new key is a new row.  Threads: immutable. */
#ifndef DRIFTD_CONFIG_SCHEMA_H
#define DRIFTD_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/internal/config/config.h"
#include "driftd/internal/config/problem.h"
#include "driftd/internal/config/yaml.h"

enum drift_schema_type {
    DRIFT_T_TEXT,     /* char *; plain or quoted */
    DRIFT_T_INT,      /* integer of any width; plain only */
    DRIFT_T_NUMBER,   /* double; plain only; absent without a default: NAN */
    DRIFT_T_BOOL,     /* true or false; plain only */
    DRIFT_T_DURATION, /* int64_t ms; "30s", "1h30m" */
    DRIFT_T_SIZE,     /* uint64_t bytes; "16MiB" */
    DRIFT_T_CHOICE,   /* one of `choices`, its value into an integer or bool */
    DRIFT_T_REF,      /* index of a named thing: size_t (absent: SIZE_MAX) or int (absent: -1) */
    DRIFT_T_SECRET,   /* struct drift_secret: {file: ..} or {env: ..} */
    DRIFT_T_OPTION,   /* struct drift_option: a value, or a secret */
    DRIFT_T_MAP,      /* the keys of `sub`, into the same struct */
    DRIFT_T_NAMED,    /* map of free names to `elem`, into an array whose elements begin with char *name */
    DRIFT_T_LIST,     /* list of `elem`, into an array */
    DRIFT_T_REFUSED   /* reserved key: refused with `help` */
};

enum drift_schema_ref { DRIFT_REF_OWNER, DRIFT_REF_ENDPOINT, DRIFT_REF_PLAYBOOK, DRIFT_REF_STREAM };

struct drift_schema_choice {
    const char *name; /* NULL ends the list */
    int value;
    const char *help; /* may be NULL */
};

struct drift_fill; /* fill.h: the parser's state */
struct drift_path;

struct drift_schema_row {
    const char *key; /* NULL ends a table */
    enum drift_schema_type type;
    size_t at, width;                          /* offset and sizeof of the member */
    size_t count_at;                           /* LIST, NAMED: offset of the size_t with the number of elements */
    size_t size;                               /* LIST, NAMED: sizeof an element */
    size_t max_items;                          /* LIST, NAMED: default 1000 */
    bool single;                               /* LIST: written as one element, without the list */
    const struct drift_schema_row *elem;       /* LIST, NAMED: one row, offsets inside the element */
    const struct drift_schema_row *sub;        /* MAP: its keys; beside a scalar type: the other form, a map */
    const struct drift_schema_choice *choices; /* CHOICE; TEXT that must be one of them */
    enum drift_schema_ref ref;
    bool required;
    bool empty_ok;              /* TEXT: may be "" */
    bool unquoted;              /* TEXT: may hold a password, so messages do not quote it */
    bool file;                  /* TEXT: a file; a relative one is relative to the configuration */
    const char *fallback;       /* default, as it would be written; NULL: none */
    const char *fallback_words; /* the default in words, when other keys decide */
    double min, max;            /* INT, NUMBER, DURATION in ms, SIZE; both 0: any.  TEXT: max bytes, default 1024 */
    const char *pattern;        /* TEXT: regular expression for the JSON Schema, of what `format` checks */
    /* TEXT: NULL when good, else what is wrong with it, as "wants ..." */
    const char *(*format)(const char *text);
    /* Called after the value was filled in: what one value alone cannot say. */
    void (*check)(struct drift_fill *f, const struct drift_node *node, void *base, const struct drift_path *path);
    const char *help;
};

extern const struct drift_schema_row drift_schema_root; /* a MAP into struct drift_config */

/* A rule that a model without `rules` gets, when it carries the role. */
struct drift_default_rule {
    const char *name;
    enum drift_measure_id measure;
    enum drift_scope scope;
    const char *feature;
    double warning, critical;
};
extern const struct drift_default_rule drift_default_rules[];
extern const size_t drift_n_default_rules;

/* Properties of librdkafka that a configuration may not set, and why (NULL name ends). */
struct drift_reserved_option {
    const char *name, *why;
};
extern const struct drift_reserved_option drift_reserved_options[];

const char *drift_scope_name(enum drift_scope s);
/* Text of a range for humans, "1s to 31d"; "" when there is none.  buf >= 96 bytes. */
const char *drift_schema_range_text(const struct drift_schema_row *row, char *buf, size_t cap);

#endif
