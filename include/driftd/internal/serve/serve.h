/* serve.h - driftd's HTTP server: /metrics, /livez, /readyz, /status.  libmicrohttpd behind it.
 *
 * GET and HEAD only, 127.0.0.1 by default, no request body, bounded connections, headers and times.
 * Threads: libmicrohttpd's own; the callbacks run there and must be thread-safe. */
#ifndef DRIFTD_SERVE_SERVE_H
#define DRIFTD_SERVE_SERVE_H

#include <stdbool.h>

#include "driftd/internal/base/buf.h"
#include "driftd/internal/base/err.h"

struct drift_server;
struct drift_server_settings {
    const char *listen;                                 /* "host:port", "[v6]:port", ":port" (127.0.0.1); port 0: any */
    bool (*live)(void *ctx);                            /* the loops turn */
    bool (*ready)(void *ctx, struct drift_buf *detail); /* detail: one line a thing, "redis: ok" */
    void (*status)(void *ctx, struct drift_buf *json);  /* /status: JSON */
    void *ctx;
};
int drift_server_new(const struct drift_server_settings *s, struct drift_server **ret,
                     struct drift_err *err) DRIFT_MUST_CHECK;
int drift_server_port(const struct drift_server *s);
void drift_server_free(struct drift_server *s);

#endif
