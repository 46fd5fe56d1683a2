/* src/decode/registry.c    Schema registry client: fetches on its own thread, answers at once.
 *
 * One thread and one connection are enough: a topic has a handful of schemas in its life.  The consumer asks again
 * while a fetch is on its way, so a slow registry never stops the polling of Kafka.  An outage is one backoff for
 * the whole registry, not one per id. */
#include "driftd/internal/decode/registry.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>
#include <jansson.h>

#include "driftd/internal/base/buf.h"
#include "driftd/internal/base/clock.h"
#include "driftd/internal/base/meter.h"

enum {
    REPLY_BYTES = 4 << 20,
    REFUSED_MS = 30000, /* how long "no such id" is believed: it may be registered a moment later */
    BACKOFF_MS = 200,
    BACKOFF_MAX_MS = 10000,
    NOT_FOUND = 40403 /* error_code of the REST API: schema not found */
};

enum state { WANTED, FOUND, UNKNOWN, UNUSABLE };

struct entry {
    uint32_t id;
    enum state state;
    int64_t until_ms; /* UNKNOWN: believed until then */
    char *text;       /* FOUND: the schema; UNUSABLE: why */
};

struct drift_registry {
    char *url, *username, *password;
    int64_t timeout_ms;
    uint32_t max_schemas;
    pthread_t thread;
    bool running;
    atomic_bool stop, failed;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    struct entry **entries; /* stable addresses; in order of arrival */
    uint32_t n, cap;
    int64_t retry_ms; /* no fetch before */
    int64_t backoff_ms;
    char last_error[DRIFT_ERR_TEXT];
};

static int64_t now_ms(void)
{
    return drift_mono_ms(&drift_clock_system);
}

/* One HTTP exchange */

struct reply {
    struct drift_buf body;
    long status;
};

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct reply *r = ctx;
    drift_buf_add(&r->body, data, size * n);
    return r->body.full ? 0 : size * n;
}

static int on_progress(void *ctx, curl_off_t dt, curl_off_t dn, curl_off_t ut, curl_off_t un)
{
    struct drift_registry *r = ctx;
    (void)dt, (void)dn, (void)ut, (void)un;
    return atomic_load(&r->stop);
}

static CURL *new_handle(struct drift_registry *r, const char *url, struct curl_slist *headers, struct reply *reply)
{
    CURL *c = curl_easy_init();
    if (!c)
        return NULL;
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)r->timeout_ms);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "driftd/" DRIFTD_VERSION);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, reply);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, r);
    if (r->username) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(c, CURLOPT_USERNAME, r->username);
        curl_easy_setopt(c, CURLOPT_PASSWORD, r->password ? r->password : "");
    }
    return c;
}

/* 0 when an answer came, whatever it says. */
static int exchange(struct drift_registry *r, const char *path, struct reply *reply, struct drift_err *err)
{
    char *url = drift_xasprintf("%s%s", r->url, path);
    struct curl_slist *headers =
        curl_slist_append(NULL, "Accept: application/vnd.schemaregistry.v1+json, application/json");
    CURL *c = new_handle(r, url, headers, reply);
    CURLcode code = c ? curl_easy_perform(c) : CURLE_OUT_OF_MEMORY;
    int rc = 0;
    if (c)
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &reply->status);
    if (code == CURLE_OPERATION_TIMEDOUT)
        rc = drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "registry timed out after %" PRId64 " ms", r->timeout_ms);
    else if (reply->body.full)
        rc = drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "registry's reply is longer than 4 MiB");
    else if (code)
        rc = drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "cannot reach the registry: %s", curl_easy_strerror(code));
    curl_easy_cleanup(c);
    curl_slist_free_all(headers);
    free(url);
    return rc;
}

/* What one reply means */

static int64_t error_code_of(const struct reply *reply)
{
    json_t *j = json_loadb(reply->body.data ? reply->body.data : "", reply->body.len, 0, NULL);
    int64_t code = json_integer_value(json_object_get(j, "error_code"));
    json_decref(j);
    return code;
}

/* FOUND or UNUSABLE with *ret_text; DRIFT_E_PARSE when it is no registry's answer. */
static int read_schema(const struct reply *reply, enum state *ret_state, char **ret_text, struct drift_err *err)
{
    json_t *j = json_loadb(reply->body.data ? reply->body.data : "", reply->body.len, 0, NULL);
    const char *schema = json_string_value(json_object_get(j, "schema"));
    const char *type = json_string_value(json_object_get(j, "schemaType"));
    int rc = 0;
    if (!schema) {
        rc = drift_fail(err, DRIFT_E_PARSE, DRIFT_RETRY, "registry's reply holds no schema: is the URL right?");
    } else if (type && strcmp(type, "AVRO") != 0) {
        *ret_state = UNUSABLE;
        *ret_text = drift_xstrdup("it is not an Avro schema");
    } else if (json_array_size(json_object_get(j, "references"))) {
        *ret_state = UNUSABLE;
        *ret_text = drift_xstrdup("it has references to other schemas, which are not supported");
    } else {
        *ret_state = FOUND;
        *ret_text = drift_xstrdup(schema);
    }
    json_decref(j);
    return rc;
}

/* Schema of one id: 0 with *ret_state, or an error that says why to try again later. */
static int fetch(struct drift_registry *r, uint32_t id, enum state *ret_state, char **ret_text, struct drift_err *err)
{
    char path[64];
    struct reply reply = {.status = 0};
    drift_buf_init(&reply.body, REPLY_BYTES);
    snprintf(path, sizeof path, "/schemas/ids/%" PRIu32, id);
    int rc = exchange(r, path, &reply, err);
    if (rc)
        goto out;
    if (reply.status == 200)
        rc = read_schema(&reply, ret_state, ret_text, err);
    else if (reply.status == 404 && error_code_of(&reply) == NOT_FOUND)
        *ret_state = UNKNOWN;
    else if (reply.status == 404)
        rc = drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "registry answers 404 without error_code %d: is the URL right?",
                        NOT_FOUND);
    else if (reply.status == 401 || reply.status == 403)
        rc = drift_fail(err, DRIFT_E_DENIED, DRIFT_RETRY, "registry refuses access (HTTP %ld)", reply.status);
    else if (reply.status >= 300 && reply.status < 400)
        rc = drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY,
                        "registry redirects (HTTP %ld), which is not followed: give the final URL", reply.status);
    else
        rc = drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "registry answers HTTP %ld", reply.status);
out:
    drift_buf_release(&reply.body);
    return rc;
}

/* The thread */

static struct entry *find(struct drift_registry *r, uint32_t id)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (r->entries[i]->id == id)
            return r->entries[i];
    return NULL;
}

static struct entry *next_wanted(struct drift_registry *r)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (r->entries[i]->state == WANTED)
            return r->entries[i];
    return NULL;
}

static void settle(struct drift_registry *r, struct entry *e, enum state state, char *text)
{
    e->state = state;
    e->text = text;
    e->until_ms = now_ms() + REFUSED_MS;
    r->backoff_ms = BACKOFF_MS;
    r->retry_ms = 0;
    r->last_error[0] = 0;
    atomic_store(&r->failed, false);
    drift_count(DRIFT_M_REGISTRY, state == FOUND ? "found" : state == UNKNOWN ? "unknown" : "unusable");
}

static void postpone(struct drift_registry *r, const struct drift_err *err)
{
    snprintf(r->last_error, sizeof r->last_error, "%s", err->text);
    r->retry_ms = now_ms() + r->backoff_ms;
    r->backoff_ms = r->backoff_ms * 2 < BACKOFF_MAX_MS ? r->backoff_ms * 2 : BACKOFF_MAX_MS;
    atomic_store(&r->failed, true);
    drift_count(DRIFT_M_REGISTRY, "error");
}

static void wait_until(struct drift_registry *r, int64_t mono_ms)
{
    struct timespec t = {.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};
    pthread_cond_timedwait(&r->wake, &r->lock, &t);
}

static void *work(void *ctx)
{
    struct drift_registry *r = ctx;
    pthread_mutex_lock(&r->lock);
    while (!atomic_load(&r->stop)) {
        struct entry *e = next_wanted(r);
        if (!e) {
            pthread_cond_wait(&r->wake, &r->lock);
            continue;
        }
        if (now_ms() < r->retry_ms) {
            wait_until(r, r->retry_ms);
            continue;
        }
        uint32_t id = e->id;
        enum state state = WANTED;
        char *text = NULL;
        struct drift_err err = {0};
        pthread_mutex_unlock(&r->lock); /* a wanted entry stays where it is */
        int rc = fetch(r, id, &state, &text, &err);
        pthread_mutex_lock(&r->lock);
        if (rc)
            postpone(r, &err);
        else
            settle(r, e, state, text);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Callers */

/* Room for one more id: a forgotten "no such id" makes way. */
static struct entry *add_entry(struct drift_registry *r, uint32_t id)
{
    struct entry *e = NULL;
    if (r->n < r->cap) {
        e = r->entries[r->n] = drift_xcalloc(1, sizeof *e);
        r->n++;
    }
    for (uint32_t i = 0; !e && i < r->n; i++)
        if (r->entries[i]->state == UNKNOWN)
            e = r->entries[i];
    if (e)
        *e = (struct entry){.id = id, .state = WANTED};
    return e;
}

enum drift_registry_answer drift_registry_get(struct drift_registry *r, uint32_t id, const char **ret_schema,
                                              struct drift_err *err)
{
    enum drift_registry_answer answer = DRIFT_REGISTRY_PENDING;
    pthread_mutex_lock(&r->lock);
    struct entry *e = find(r, id);
    if (e && e->state == UNKNOWN && now_ms() >= e->until_ms)
        e->state = WANTED;
    bool asked = e;
    if (!e)
        e = add_entry(r, id);
    if (!e) {
        drift_fail(err, DRIFT_E_FULL, DRIFT_SKIP, "more than %u schemas are in use", r->max_schemas);
        answer = DRIFT_REGISTRY_UNUSABLE;
    } else if (e->state == FOUND) {
        *ret_schema = e->text;
        answer = DRIFT_REGISTRY_FOUND;
    } else if (e->state == UNKNOWN) {
        answer = DRIFT_REGISTRY_UNKNOWN;
    } else if (e->state == UNUSABLE) {
        drift_fail(err, DRIFT_E_TYPE, DRIFT_SKIP, "%s", e->text);
        answer = DRIFT_REGISTRY_UNUSABLE;
    } else {
        if (asked && r->last_error[0])
            drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "%s", r->last_error);
        pthread_cond_signal(&r->wake);
    }
    pthread_mutex_unlock(&r->lock);
    return answer;
}

int drift_registry_ping(struct drift_registry *r, struct drift_err *err)
{
    enum state state;
    char *text = NULL;
    int rc = fetch(r, 1, &state, &text, err); /* "no such id" is an answer too */
    free(text);
    return rc;
}

bool drift_registry_healthy(const struct drift_registry *r)
{
    return !atomic_load(&r->failed);
}

static void init_sync(struct drift_registry *r)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&r->lock, NULL);
}

int drift_registry_new(const struct drift_registry_settings *s, struct drift_registry **ret, struct drift_err *err)
{
    if (!s->url || !*s->url)
        return drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP, "registry has no URL");
    struct drift_registry *r = drift_xcalloc(1, sizeof *r);
    r->url = drift_xstrdup(s->url);
    for (size_t n = strlen(r->url); n && r->url[n - 1] == '/'; n--)
        r->url[n - 1] = 0;
    r->username = s->username ? drift_xstrdup(s->username) : NULL;
    r->password = s->password ? drift_xstrdup(s->password) : NULL;
    r->timeout_ms = s->timeout_ms > 0 ? s->timeout_ms : 5000;
    r->max_schemas = s->max_schemas ? s->max_schemas : 1000;
    r->cap = r->max_schemas;
    r->entries = drift_xcalloc(r->cap, sizeof *r->entries);
    r->backoff_ms = BACKOFF_MS;
    init_sync(r);
    int rc = pthread_create(&r->thread, NULL, work, r);
    if (rc) {
        drift_registry_free(r);
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot start the registry's thread: %s", strerror(rc));
    }
    r->running = true;
    *ret = r;
    return 0;
}

void drift_registry_free(struct drift_registry *r)
{
    if (!r)
        return;
    if (r->running) {
        pthread_mutex_lock(&r->lock);
        atomic_store(&r->stop, true);
        pthread_cond_signal(&r->wake);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
    }
    for (uint32_t i = 0; i < r->n; i++) {
        free(r->entries[i]->text);
        free(r->entries[i]);
    }
    free(r->entries);
    if (r->password)
        explicit_bzero(r->password, strlen(r->password));
    free(r->password);
    free(r->username);
    free(r->url);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
