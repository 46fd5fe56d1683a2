/* src/store/reply.c    What Redis answered: error replies as codes, arrays as pairs.
 *
 * Before 7.0 an error inside a script comes as "ERR Error running script (...): -READONLY You can't ..."; so the word
 * is looked for behind a '-' too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/store/redis.h"

enum { TEXT_SHOWN = 160 };

static const struct error_word {
    const char *word;
    enum drift_code code;
    enum drift_do action;
    const char *advice;
} error_words[] = {
    {"LOADING", DRIFT_E_AWAY, DRIFT_RETRY, "is loading its data"},
    {"READONLY", DRIFT_E_AWAY, DRIFT_RETRY, "is a replica: driftd needs the master; with Sentinel set redis.sentinel"},
    {"MASTERDOWN", DRIFT_E_AWAY, DRIFT_RETRY, "has lost its master"},
    {"MOVED", DRIFT_E_AWAY, DRIFT_RETRY, "is a cluster node that does not hold this key: set redis.cluster"},
    {"ASK", DRIFT_E_AWAY, DRIFT_RETRY, "is moving this key to another cluster node: set redis.cluster"},
    {"TRYAGAIN", DRIFT_E_AWAY, DRIFT_RETRY, "is moving this key to another cluster node"},
    {"CLUSTERDOWN", DRIFT_E_AWAY, DRIFT_RETRY, "belongs to a cluster that is down"},
    {"NOREPLICAS", DRIFT_E_AWAY, DRIFT_RETRY, "has fewer replicas than min-replicas-to-write"},
    {"OOM", DRIFT_E_AWAY, DRIFT_RETRY, "is at maxmemory: raise it or free memory"},
    {"BUSY", DRIFT_E_AWAY, DRIFT_RETRY, "is busy with a long script"},
    {"MISCONF", DRIFT_E_AWAY, DRIFT_RETRY, "cannot save its data and refuses writes: see its log"},
    {"UNBLOCKED", DRIFT_E_AWAY, DRIFT_RETRY, "changed its role"},
    {"NOAUTH", DRIFT_E_DENIED, DRIFT_RETRY, "wants a password: set redis.password"},
    {"WRONGPASS", DRIFT_E_DENIED, DRIFT_RETRY, "refuses the log-in: check redis.username and redis.password"},
    {"NOPERM", DRIFT_E_DENIED, DRIFT_RETRY, "does not let this user do that: check its ACL"},
    {"DENIED", DRIFT_E_DENIED, DRIFT_RETRY, "runs in protected mode"},
    {"WRONGTYPE", DRIFT_E_CORRUPT, DRIFT_STOP, "holds something else under one of driftd's keys"},
};

/* Printable ASCII only: the text goes to logs and terminals. */
static void show(const redisReply *r, char *ret, size_t cap)
{
    size_t n = r->len < cap - 1 ? r->len : cap - 1;
    for (size_t i = 0; i < n; i++)
        ret[i] = (unsigned char)r->str[i] >= ' ' && (unsigned char)r->str[i] < 127 ? r->str[i] : '?';
    ret[n] = 0;
}

static bool is_word(const char *at, const char *word)
{
    size_t n = strlen(word);
    return !strncmp(at, word, n) && (at[n] == ' ' || !at[n]);
}

static const struct error_word *find_word(const char *text)
{
    for (size_t i = 0; i < sizeof error_words / sizeof *error_words; i++)
        if (is_word(text, error_words[i].word))
            return &error_words[i];
    return NULL;
}

/* Refusals that have no word of their own. */
static const struct {
    const char *phrase;
    struct error_word as;
} error_phrases[] = {
    {"max number of clients", {"ERR", DRIFT_E_AWAY, DRIFT_RETRY, "has no connection left: raise maxclients"}},
    {"user executing the script",
     {"ERR", DRIFT_E_DENIED, DRIFT_RETRY, "does not let this user do that: check its ACL"}},
    {"ACL failure in script", {"ERR", DRIFT_E_DENIED, DRIFT_RETRY, "does not let this user do that: check its ACL"}},
};

static const struct error_word *classify(const char *text)
{
    const struct error_word *w = find_word(text);
    if (w || !is_word(text, "ERR"))
        return w;
    for (const char *at = text; !w && (at = strstr(at, " -")); at += 2)
        w = find_word(at + 2);
    for (size_t i = 0; !w && i < sizeof error_phrases / sizeof *error_phrases; i++)
        if (strstr(text, error_phrases[i].phrase))
            w = &error_phrases[i].as;
    return w;
}

int drift_reply_error(struct drift_store *s, const redisReply *r, const char *command, struct drift_err *err)
{
    char text[TEXT_SHOWN];
    show(r, text, sizeof text);
    const struct error_word *w = classify(text);
    drift_redis_disconnect(s);
    if (!w)
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "redis at %s refuses %s: %s", s->at->address, command, text);
    return drift_fail(err, w->code, w->action, "redis at %s %s (%s: %s)", s->at->address, w->advice, command, text);
}

int drift_reply_odd(struct drift_store *s, const char *command, struct drift_err *err)
{
    drift_redis_disconnect(s);
    return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_RETRY, "redis at %s gives an answer to %s that makes no sense",
                      s->at->address, command);
}

bool drift_reply_is_text(const redisReply *r)
{
    return r && (r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS);
}

bool drift_reply_i64(const redisReply *r, int64_t *ret)
{
    if (r && r->type == REDIS_REPLY_INTEGER) {
        *ret = r->integer;
        return true;
    }
    return drift_reply_is_text(r) && drift_i64_parse(r->str, r->len, ret);
}

static char *copy(const redisReply *r)
{
    char *p = drift_xcalloc(r->len + 1, 1);
    memcpy(p, r->str, r->len);
    return p;
}

/* A name with a NUL in it is nobody's: as a C string it would pass for a shorter one. */
static bool is_ours(const redisReply *name)
{
    return !memchr(name->str, 0, name->len) && strcmp(name->str, "seen") != 0;
}

bool drift_reply_pairs(const redisReply *r, size_t from, struct drift_pairs *ret)
{
    *ret = (struct drift_pairs){0};
    if (r->type != REDIS_REPLY_ARRAY || r->elements < from || (r->elements - from) % 2)
        return false;
    for (size_t i = from; i < r->elements; i++)
        if (!drift_reply_is_text(r->element[i]))
            return false;
    ret->pair = drift_xcalloc((r->elements - from) / 2, sizeof *ret->pair);
    for (size_t i = from; i < r->elements; i += 2)
        if (is_ours(r->element[i]))
            ret->pair[ret->n++] = (struct drift_pair){
                .name = copy(r->element[i]), .value = copy(r->element[i + 1]), .len = r->element[i + 1]->len};
    return true;
}

void drift_pairs_release(struct drift_pairs *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->pair[i].name);
        free(p->pair[i].value);
    }
    free(p->pair);
    *p = (struct drift_pairs){0};
}

const struct drift_pair *drift_pairs_find(const struct drift_pairs *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (!strcmp(p->pair[i].name, name))
            return &p->pair[i];
    return NULL;
}
