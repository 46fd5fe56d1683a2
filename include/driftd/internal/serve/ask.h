/* ask.h - one page of a running driftd, asked from its own host; for `driftd status`.
 *
 * Threads: any. */
#ifndef DRIFTD_SERVE_ASK_H
#define DRIFTD_SERVE_ASK_H

#include <stdint.h>

#include "driftd/internal/base/buf.h"
#include "driftd/internal/base/err.h"

/* GET http://<listen><path>; listen as http.listen of the configuration, a wildcard address means the loopback one.
 * Adds the body to out, whose maximum bounds it.  Whole within timeout_ms.
 * DRIFT_E_AWAY: nobody answers, or not with 200. */
int drift_server_ask(const char *listen, const char *path, int64_t timeout_ms, struct drift_buf *out,
                     struct drift_err *err) DRIFT_MUST_CHECK;

#endif
