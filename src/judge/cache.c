/* src/judge/cache.c    Configurations and baselines that plan entries name, parsed once.
 *
 * Both are found by their content's digest, so an entry never goes stale; the oldest unused ones leave when the cache
 * is full. */
#include "room.h"

#include <stdlib.h>
#include <string.h>

enum { CONFIGS = 16, BASELINES_MIN = 16 };

struct entry {
    char key[66]; /* hex digest; "" when empty */
    char *model;  /* of a baseline */
    struct drift_bank *bank;
    struct drift_profile *profile;
    struct drift_known_dependence dependence; /* of a baseline */
    struct drift_known_segments segments;     /* likewise */
    void *thing;
    uint64_t used;
};
struct drift_cache {
    const struct drift_config *current;
    struct drift_store *store;
    uint64_t turn;
    struct entry config[CONFIGS];
    size_t n_baselines;
    struct entry *baseline;
};

struct drift_cache *drift_cache_new(const struct drift_config *current, struct drift_store *store)
{
    struct drift_cache *c = drift_xcalloc(1, sizeof *c);
    c->current = current;
    c->store = store;
    c->n_baselines = BASELINES_MIN + 2 * current->n_models;
    c->baseline = drift_xcalloc(c->n_baselines, sizeof *c->baseline);
    return c;
}

static void drop_config(struct entry *e)
{
    drift_config_free(e->thing);
    *e = (struct entry){0};
}
static void drop_baseline(struct entry *e)
{
    drift_bank_free(e->bank);
    drift_profile_free(e->profile);
    drift_dependence_free(e->dependence.made);
    for (size_t i = 0; i < sizeof e->segments.made / sizeof *e->segments.made; i++)
        drift_segments_free(e->segments.made[i]);
    drift_baseline_free(e->thing);
    free(e->model);
    *e = (struct entry){0};
}

void drift_cache_free(struct drift_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < CONFIGS; i++)
        drop_config(&c->config[i]);
    for (size_t i = 0; i < c->n_baselines; i++)
        drop_baseline(&c->baseline[i]);
    free(c->baseline);
    free(c);
}

static struct entry *lookup(struct drift_cache *c, struct entry *list, size_t n, const char *key, const char *model)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].thing && !strcmp(list[i].key, key) && (!model || !strcmp(list[i].model, model))) {
            list[i].used = ++c->turn;
            return &list[i];
        }
    return NULL;
}

static struct entry *oldest(struct entry *list, size_t n)
{
    struct entry *e = &list[0];
    for (size_t i = 1; i < n; i++)
        if (list[i].used < e->used)
            e = &list[i];
    return e;
}

/* ---- configurations ---- */

static int parse_config(const char *hash, const struct drift_pairs *fields, struct drift_config **ret,
                        struct drift_err *err)
{
    char *name = drift_xasprintf("cfg:%s", hash);
    const struct drift_pair *f = drift_pairs_find(fields, name);
    struct drift_buf report;
    drift_buf_init(&report, 64 * 1024);
    int rc = 0;
    if (!f)
        rc = drift_fail(err, DRIFT_E_CORRUPT, DRIFT_SKIP,
                        "the plan names configuration %.12s, which redis does not have", hash);
    else if (drift_config_parse(name, f->value, f->len, ret, &report))
        rc = drift_fail(err, DRIFT_E_CORRUPT, DRIFT_SKIP, "configuration %.12s in redis cannot be read: %.200s", hash,
                        report.data ? report.data : "");
    else if (strcmp((*ret)->hash, hash)) {
        drift_config_free(*ret);
        rc = drift_fail(err, DRIFT_E_CORRUPT, DRIFT_SKIP,
                        "configuration %.12s in redis has other contents than its name says", hash);
    }
    drift_buf_release(&report);
    free(name);
    return rc;
}

const struct drift_config *drift_cache_config(struct drift_cache *c, const char *hash, const struct drift_pairs *fields,
                                              struct drift_err *err)
{
    if (!strcmp(c->current->hash, hash))
        return c->current;
    struct entry *e = lookup(c, c->config, CONFIGS, hash, NULL);
    if (e)
        return e->thing;
    struct drift_config *config = NULL;
    if (parse_config(hash, fields, &config, err))
        return NULL;
    e = oldest(c->config, CONFIGS);
    drop_config(e);
    e->thing = config;
    e->used = ++c->turn;
    memcpy(e->key, config->hash, sizeof config->hash);
    return config;
}

/* ---- baselines ---- */

static char *why_not(const struct drift_plan_entry *e, const struct drift_err *err)
{
    if (err->code == DRIFT_E_NOT_FOUND)
        return drift_xasprintf("its baseline %s is not in redis", e->baseline_id);
    return drift_xasprintf("its baseline %s cannot be used: %s", e->baseline_id, err->text);
}

int drift_cache_baseline(struct drift_cache *c, const char *model, const struct drift_plan_entry *plan,
                         const struct drift_baseline **ret, char **why, struct drift_err *err)
{
    *ret = NULL;
    *why = NULL;
    if (!*plan->baseline_id) {
        *why = drift_xstrdup("no baseline is active: build one and promote it");
        return 0;
    }
    struct entry *e = lookup(c, c->baseline, c->n_baselines, plan->baseline_digest, model);
    if (e) {
        *ret = e->thing;
        return 0;
    }
    struct drift_err own = {0};
    struct drift_baseline *b = NULL;
    void *bytes = NULL;
    size_t len = 0;
    int rc = drift_store_baseline_get(c->store, model, plan->baseline_id, &bytes, &len, &own);
    if (rc && own.action == DRIFT_RETRY) {
        if (err)
            *err = own;
        return rc;
    }
    rc = rc ? rc : drift_baseline_load(bytes, len, &b, &own);
    free(bytes);
    if (rc) {
        own.code = (enum drift_code)rc;
        *why = why_not(plan, &own);
        return 0;
    }
    if (strcmp(b->digest, plan->baseline_digest)) {
        *why = drift_xasprintf("baseline %s in redis has other contents than the plan names", plan->baseline_id);
        drift_baseline_free(b);
        return 0;
    }
    e = oldest(c->baseline, c->n_baselines);
    drop_baseline(e);
    e->thing = b;
    e->model = drift_xstrdup(model);
    e->used = ++c->turn;
    memcpy(e->key, b->digest, sizeof b->digest);
    *ret = b;
    return 0;
}

static struct entry *holder(struct drift_cache *c, const struct drift_baseline *b)
{
    for (size_t i = 0; i < c->n_baselines; i++)
        if (c->baseline[i].thing == b)
            return &c->baseline[i];
    drift_bug("a baseline that the cache does not hold");
}

struct drift_bank **drift_cache_bank(struct drift_cache *c, const struct drift_baseline *b)
{
    return &holder(c, b)->bank;
}

struct drift_profile **drift_cache_profile(struct drift_cache *c, const struct drift_baseline *b)
{
    return &holder(c, b)->profile;
}

struct drift_known_dependence *drift_cache_dependence(struct drift_cache *c, const struct drift_baseline *b)
{
    return &holder(c, b)->dependence;
}

struct drift_known_segments *drift_cache_segments(struct drift_cache *c, const struct drift_baseline *b)
{
    struct drift_known_segments *k = &holder(c, b)->segments;
    struct drift_err ignored;
    for (int kind = 0; kind < DRIFT_N_CHAIN && !k->looked; kind++)
        if (b->chain[kind].layout && drift_segments_new(b->chain[kind].layout, &k->made[kind], &ignored))
            k->made[kind] = NULL; /* a baseline with such blocks does not load */
    k->looked = true;
    return k;
}
