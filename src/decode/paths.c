/* src/decode/paths.c    Tree of the keys that roles and features name; the row that both formats fill.
 *
 * A guess per key (what came next last time) makes the usual record cost one compare a key; a trie or a perfect
 * hash would have to look at every byte as well, and could not grow by one name while running. */
#include "driftd/internal/decode/paths.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"

enum { MAX_IGNORED = 256, MAX_REPEATS = 16 };

bool drift_utf8_valid(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + n;
    while (p < end) {
        uint64_t v;
        if (end - p >= 8 && (memcpy(&v, p, 8), !(v & 0x8080808080808080u))) {
            p += 8;
            continue;
        }
        unsigned char c = *p;
        size_t more = c < 0x80                ? 0
                      : c >= 0xc2 && c < 0xe0 ? 1
                      : c >= 0xe0 && c < 0xf0 ? 2
                      : c >= 0xf0 && c < 0xf5 ? 3
                                              : 9;
        if (more > (size_t)(end - p) - 1)
            return false;
        for (size_t i = 1; i <= more; i++)
            if ((p[i] & 0xc0) != 0x80)
                return false;
        if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] >= 0xa0) || (c == 0xf0 && p[1] < 0x90) ||
            (c == 0xf4 && p[1] >= 0x90))
            return false; /* overlong, surrogate, beyond U+10FFFF */
        p += more + 1;
    }
    return true;
}

static uint32_t *index_slot(const struct drift_paths *p, uint32_t node, const char *name, size_t n)
{
    uint64_t h = drift_hash64(name, n) ^ (node * UINT64_C(0x9E3779B97F4A7C15));
    for (uint32_t i = (uint32_t)(h ^ h >> 32) & p->index_mask;; i = (i + 1) & p->index_mask) {
        const struct drift_key *k = &p->keys[p->index[i]];
        if (!p->index[i] || (k->node == node && k->n == n && memcmp(k->name, name, n) == 0))
            return &p->index[i];
    }
}

/* First bytes as they stand in JSON, closing quote included. */
static void set_head(struct drift_key *k)
{
    unsigned char head[8] = {0}, mask[8] = {0};
    for (uint32_t i = 0; i < 8 && i <= k->n; i++) {
        head[i] = i < k->n ? (unsigned char)k->name[i] : '"';
        mask[i] = 0xff;
    }
    memcpy(&k->head, head, 8);
    memcpy(&k->mask, mask, 8);
    k->plain = true;
    for (uint32_t i = 0; i < k->n; i++)
        if (k->name[i] == '"' || k->name[i] == '\\' || (unsigned char)k->name[i] < 0x20)
            k->plain = false;
}

/* There is always room: callers keep to their maxima, whose sum is max_keys. */
static struct drift_key *add_key(struct drift_paths *p, uint32_t node, const char *name, size_t n)
{
    uint32_t *at = index_slot(p, node, name, n);
    if (p->n_keys >= p->max_keys)
        drift_bug("more keys than room");
    struct drift_key *k = &p->keys[p->n_keys];
    *k = (struct drift_key){.name = drift_xstrndup(name, n),
                            .n = (uint32_t)n,
                            .node = node,
                            .target = DRIFT_NOWHERE,
                            .child = DRIFT_NOWHERE};
    set_head(k);
    *at = p->n_keys++;
    return k;
}

static uint32_t add_field(struct drift_paths *p, const char *name, size_t n)
{
    p->fields.names[p->fields.n] = drift_xstrndup(name, n);
    p->fields.generation++;
    return DRIFT_N_PLACE + p->fields.n++;
}

/* A member of the features object that was not there before. */
static struct drift_key *new_feature(struct drift_paths *p, uint32_t node, const char *name, size_t n)
{
    if (!n || n > DRIFT_NAME_MAX || memchr(name, 0, n) || !drift_utf8_valid(name, n))
        return NULL;
    for (uint32_t i = 0; i < p->n_named; i++)
        if (strlen(p->fields.names[i]) == n && memcmp(p->fields.names[i], name, n) == 0) {
            struct drift_key *k = add_key(p, node, name, n);
            k->target = DRIFT_N_PLACE + i;
            k->quick = true;
            return k;
        }
    if (p->fields.n >= p->fields.max)
        return NULL;
    struct drift_key *k = add_key(p, node, name, n);
    k->target = add_field(p, name, n);
    k->quick = true;
    return k;
}

const struct drift_key *drift_paths_lookup(const struct drift_paths *p, uint32_t node, const char *name, size_t n)
{
    uint32_t i = *index_slot(p, node, name, n);
    return i ? &p->keys[i] : NULL;
}

struct drift_key *drift_paths_find(struct drift_paths *p, uint32_t node, const char *name, size_t n)
{
    uint32_t i = *index_slot(p, node, name, n);
    if (i)
        return &p->keys[i];
    if (p->nodes[node].wild) {
        /* each member takes a key and a slot; a named field's alias takes a key only, of which there is one a name */
        struct drift_key *k = new_feature(p, node, name, n);
        p->refused += !k;
        return k;
    }
    if (p->n_ignored >= MAX_IGNORED || n > DRIFT_NAME_MAX)
        return NULL;
    p->n_ignored++; /* remembered so that the guesses hold through members that nobody wants */
    return add_key(p, node, name, n);
}

struct drift_key *drift_paths_element(struct drift_paths *p, uint32_t node, uint64_t index)
{
    char name[24];
    int n = snprintf(name, sizeof name, "%" PRIu64, index);
    uint32_t i = *index_slot(p, node, name, (size_t)n);
    if (i || p->nodes[node].wild)
        return drift_paths_find(p, node, name, (size_t)n);
    return NULL; /* numbers are not worth remembering */
}

/* Takes back what an earlier object of this name has set. */
static void forget(struct drift_paths *p, uint32_t node)
{
    for (uint32_t i = 1; i < p->n_keys; i++) {
        struct drift_key *k = &p->keys[i];
        if (k->node != node)
            continue;
        if (k->target != DRIFT_NOWHERE) {
            p->row.kind[k->target] = DRIFT_V_ABSENT;
            if (k->target < DRIFT_N_EXACT)
                p->row.is_whole[k->target] = false;
        }
        if (k->child != DRIFT_NOWHERE) {
            k->seen = 0;
            forget(p, k->child);
        }
    }
}

bool drift_paths_enter(struct drift_paths *p, struct drift_key *key)
{
    if (key->seen == p->record) {
        if (++p->repeats > MAX_REPEATS)
            return false;
        forget(p, key->child);
    }
    key->seen = p->record;
    return true;
}

void drift_paths_reset(struct drift_paths *p)
{
    memset(p->row.kind, DRIFT_V_ABSENT, DRIFT_N_PLACE + p->fields.n);
    memset(p->row.is_whole, 0, sizeof p->row.is_whole);
    p->row.has_logical_unit = false;
    p->repeats = 0;
    p->record++;
}

void drift_paths_settle(struct drift_paths *p)
{
    for (size_t i = 0; i < p->n_aliases; i++) {
        uint32_t from = p->aliases[i].from, to = p->aliases[i].to;
        p->row.num[to] = p->row.num[from];
        p->row.kind[to] = p->row.kind[from];
        p->row.str[to] = p->row.str[from];
        if (to < DRIFT_N_EXACT) {
            p->row.is_whole[to] = p->row.is_whole[from];
            p->row.whole[to] = p->row.whole[from];
        }
    }
}

/* Node behind a path's parts, made where it is missing; the last part's key in *ret_key. */
static int walk_in(struct drift_paths *p, const char *path, const char *what, struct drift_key **ret_key,
                   struct drift_err *err)
{
    uint32_t node = 0;
    struct drift_key *k = NULL;
    int parts = 0;
    for (const char *s = path;; parts++) {
        const char *dot = strchrnul(s, '.');
        size_t n = (size_t)(dot - s);
        if (!n || n > DRIFT_NAME_MAX || parts == DRIFT_PATH_PARTS)
            return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP,
                              "path '%s' of %s: give 1 to %d names joined by dots, each of at most %d bytes", path,
                              what, DRIFT_PATH_PARTS, DRIFT_NAME_MAX);
        if (k && k->child == DRIFT_NOWHERE)
            k->child = p->n_nodes++;
        node = k ? k->child : 0;
        uint32_t i = *index_slot(p, node, s, n);
        k = i ? &p->keys[i] : add_key(p, node, s, n);
        if (!*dot)
            break;
        s = dot + 1;
    }
    *ret_key = k;
    return 0;
}

static int put_target(struct drift_paths *p, const char *path, const char *what, uint32_t target, struct drift_err *err)
{
    struct drift_key *k;
    int rc = walk_in(p, path, what, &k, err);
    if (rc)
        return rc;
    if (k->target == DRIFT_NOWHERE)
        k->target = target;
    else
        p->aliases[p->n_aliases++] = (struct drift_alias){k->target, target};
    return 0;
}

static int put_roles(struct drift_paths *p, const struct drift_stream *s, struct drift_err *err)
{
    const struct {
        const char *path, *what;
    } roles[DRIFT_N_PLACE] = {
        [DRIFT_PLACE_ID] = {s->id, "role id"},
        [DRIFT_PLACE_TIME] = {s->time_unit == DRIFT_TIME_RECORD ? NULL : s->time, "role time"},
        [DRIFT_PLACE_MODEL] = {s->model_value ? NULL : s->model, "role model"},
        [DRIFT_PLACE_VERSION + DRIFT_VERSION_MODEL] = {s->version[DRIFT_VERSION_MODEL], "role versions.model"},
        [DRIFT_PLACE_VERSION + DRIFT_VERSION_FEATURES] = {s->version[DRIFT_VERSION_FEATURES], "role versions.features"},
        [DRIFT_PLACE_VERSION + DRIFT_VERSION_PROMPT] = {s->version[DRIFT_VERSION_PROMPT], "role versions.prompt"},
        [DRIFT_PLACE_VERSION +
            DRIFT_VERSION_THRESHOLD] = {s->version[DRIFT_VERSION_THRESHOLD], "role versions.threshold"},
        [DRIFT_PLACE_SCORE] = {s->score, "role score"},
        [DRIFT_PLACE_DECISION] = {s->decision, "role decision"},
        [DRIFT_PLACE_LABEL] = {s->label, "role label"},
        [DRIFT_PLACE_SOURCE] = {s->source, "role source"},
        [DRIFT_PLACE_LATENCY] = {s->latency, "role latency"},
    };
    for (uint32_t r = 0; r < DRIFT_N_PLACE; r++) {
        int rc = roles[r].path ? put_target(p, roles[r].path, roles[r].what, r, err) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

static int put_features(struct drift_paths *p, const struct drift_stream *s, struct drift_err *err)
{
    for (size_t i = 0; i < s->n_feature_fields; i++) {
        const char *path = s->feature_fields[i];
        bool again = false;
        for (uint32_t k = 0; k < p->fields.n && !again; k++)
            again = strcmp(p->fields.names[k], path) == 0;
        if (again)
            continue;
        if (p->fields.n >= p->fields.max) {
            p->refused++;
            continue;
        }
        int rc = put_target(p, path, "feature_fields", DRIFT_N_PLACE + p->fields.n, err);
        if (rc)
            return rc;
        add_field(p, path, strlen(path));
    }
    p->n_named = p->fields.n;
    if (!s->features)
        return 0;
    uint32_t node = 0;
    if (*s->features) {
        struct drift_key *k;
        int rc = walk_in(p, s->features, "features", &k, err);
        if (rc)
            return rc;
        if (k->child == DRIFT_NOWHERE)
            k->child = p->n_nodes++;
        node = k->child;
    }
    p->nodes[node].wild = true;
    return 0;
}

int drift_paths_init(struct drift_paths *p, const struct drift_stream *s, struct drift_err *err)
{
    uint32_t max_fields = s->max_fields ? s->max_fields : 4096;
    if (max_fields > 1000000)
        return drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP, "max_fields is %u, at most 1000000 is possible", max_fields);
    size_t configured = (DRIFT_N_PLACE + s->n_feature_fields + 1) * DRIFT_PATH_PARTS;
    *p = (struct drift_paths){0};
    p->max_keys = (uint32_t)(1 + configured + 2 * (size_t)max_fields + MAX_IGNORED);
    p->keys = drift_xcalloc(p->max_keys, sizeof *p->keys);
    p->nodes = drift_xcalloc(configured + 1, sizeof *p->nodes);
    p->aliases = drift_xcalloc(DRIFT_N_PLACE + s->n_feature_fields, sizeof *p->aliases);
    uint32_t slots = 64;
    while (slots < 2 * p->max_keys)
        slots *= 2;
    p->index = drift_xcalloc(slots, sizeof *p->index);
    p->index_mask = slots - 1;
    p->fields.max = max_fields;
    p->fields.names = drift_xcalloc(max_fields, sizeof *p->fields.names);
    size_t targets = DRIFT_N_PLACE + (size_t)max_fields;
    p->row.num = drift_xcalloc(targets, sizeof *p->row.num);
    p->row.kind = drift_xcalloc(targets, sizeof *p->row.kind);
    p->row.str = drift_xcalloc(targets, sizeof *p->row.str);
    p->keys[0].node = DRIFT_NOWHERE;
    p->n_keys = 1;
    p->n_nodes = 1;
    int rc = put_roles(p, s, err);
    if (!rc)
        rc = put_features(p, s, err);
    p->n_configured = p->n_keys;
    if (rc)
        drift_paths_release(p);
    return rc;
}

void drift_paths_release(struct drift_paths *p)
{
    for (uint32_t i = 1; i < p->n_keys; i++)
        free((void *)(uintptr_t)p->keys[i].name);
    for (uint32_t i = 0; i < p->fields.n; i++)
        free(p->fields.names[i]);
    free(p->keys);
    free(p->nodes);
    free(p->aliases);
    free(p->index);
    free(p->fields.names);
    free(p->row.num);
    free(p->row.kind);
    free(p->row.str);
    *p = (struct drift_paths){0};
}
