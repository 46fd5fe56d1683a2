/* state_files.h - tests/data/state/v<N>: what released versions left in Redis, and what it means.  See make.py there.
 *
 * Owned by the test: release with state_release().  Anything odd in the files aborts the test. */
#ifndef DRIFTD_TEST_STATE_FILES_H
#define DRIFTD_TEST_STATE_FILES_H

#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/store/store.h"
#include "support.h"

#define STATE_FILES __attribute__((unused)) static

struct state {
    json_t *redis, *expect;
};

STATE_FILES void state_release(struct state *s)
{
    json_decref(s->redis);
    json_decref(s->expect);
}

/* Calls `one` for each stored version; returns how many there are. */
STATE_FILES int state_each(void (*one)(const struct state *s))
{
    static const char folder[] = DRIFTD_SOURCE_DIR "/tests/data/state";
    int n = 0;
    DIR *d = opendir(folder);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[4096];
        if (e->d_name[0] != 'v')
            continue;
        struct state s;
        snprintf(path, sizeof path, "%s/%s/redis.json", folder, e->d_name);
        s.redis = json_load_file(path, 0, NULL);
        snprintf(path, sizeof path, "%s/%s/expect.json", folder, e->d_name);
        s.expect = json_load_file(path, 0, NULL);
        ck_assert_msg(s.redis && s.expect, "%s cannot be read", path);
        one(&s);
        state_release(&s);
        n++;
    }
    closedir(d);
    return n;
}

STATE_FILES const char *expect_text(const struct state *s, const char *name)
{
    const char *t = json_string_value(json_object_get(s->expect, name));
    ck_assert_ptr_nonnull(t);
    return t;
}

STATE_FILES int64_t expect_int(const struct state *s, const char *name)
{
    ck_assert(json_is_integer(json_object_get(s->expect, name)));
    return json_integer_value(json_object_get(s->expect, name));
}

STATE_FILES int64_t expect_item(const struct state *s, const char *name, size_t i)
{
    return json_integer_value(json_array_get(json_object_get(s->expect, name), i));
}

/* Bytes of a value: text, or {"hex": ..}; heap, NUL behind. */
STATE_FILES char *state_bytes(const json_t *v, size_t *ret_len)
{
    const char *text = json_string_value(v), *hex = json_string_value(json_object_get(v, "hex"));
    ck_assert(text || hex);
    *ret_len = text ? strlen(text) : strlen(hex) / 2;
    char *bytes = calloc(*ret_len + 1, 1);
    for (size_t i = 0; i < *ret_len; i++) {
        unsigned byte = 0;
        if (!text)
            ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = text ? text[i] : (char)byte;
    }
    return bytes;
}

/* The fields of a stored hash. */
STATE_FILES struct drift_pairs state_hash(const struct state *s, const char *key)
{
    const char *name;
    json_t *v, *fields = json_object_get(s->redis, key);
    ck_assert_msg(json_is_object(fields), "no %s", key);
    struct drift_pairs ret = {.pair = calloc(json_object_size(fields), sizeof *ret.pair)};
    json_object_foreach(fields, name, v)
    {
        struct drift_pair *p = &ret.pair[ret.n++];
        p->name = strdup(name);
        p->value = state_bytes(v, &p->len);
    }
    return ret;
}

STATE_FILES struct drift_pairs state_slot(const struct state *s, int partition)
{
    char key[512];
    snprintf(key, sizeof key, "driftd:{p/%s/%s/%d}", expect_text(s, "group"), expect_text(s, "topic"), partition);
    return state_hash(s, key);
}

STATE_FILES struct drift_pairs state_chain(const struct state *s, const char *suffix)
{
    char key[512];
    snprintf(key, sizeof key, "driftd:{m/%s/%s}%s", expect_text(s, "group"), expect_text(s, "model"), suffix);
    return state_hash(s, key);
}

#endif
