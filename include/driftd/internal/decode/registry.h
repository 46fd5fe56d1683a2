/* registry.h - schema registry client (Confluent's REST API; the base URL may have a path).
 *
 * Fetches run on the client's own thread, so that get() never blocks.  Ids never change: found schemas are kept (at
 * most max_schemas), "unknown id" is remembered for 30 s, anything else (5xx, time-out) is retried with backoff and
 * never remembered.  libcurl; no redirects; replies of at most 4 MiB.  curl_global_init() is the caller's.
 * Threads: get() from any. */
#ifndef DRIFTD_DECODE_REGISTRY_H
#define DRIFTD_DECODE_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "driftd/internal/base/err.h"

struct drift_registry;
struct drift_registry_settings {
    const char *url, *username, *password; /* the last two may be NULL; copied */
    int64_t timeout_ms;                    /* 5 s */
    uint32_t max_schemas;                  /* 1000 */
};
enum drift_registry_answer {
    DRIFT_REGISTRY_FOUND,
    DRIFT_REGISTRY_PENDING, /* being fetched, or the registry is away: ask again */
    DRIFT_REGISTRY_UNKNOWN, /* the registry says there is no such id */
    DRIFT_REGISTRY_UNUSABLE /* not Avro, or has references: text in err */
};
int drift_registry_new(const struct drift_registry_settings *s, struct drift_registry **ret,
                       struct drift_err *err) DRIFT_MUST_CHECK;
void drift_registry_free(struct drift_registry *r);
/* FOUND: *ret_schema is borrowed until drift_registry_free. */
enum drift_registry_answer drift_registry_get(struct drift_registry *r, uint32_t id, const char **ret_schema,
                                              struct drift_err *err);
/* Does it answer?  Blocking, for `check --connect`. */
int drift_registry_ping(struct drift_registry *r, struct drift_err *err) DRIFT_MUST_CHECK;
/* False while the last fetch failed (readiness). */
bool drift_registry_healthy(const struct drift_registry *r);

#endif
