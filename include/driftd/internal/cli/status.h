/* status.h - what `driftd status` knows, as JSON and as text.
 *
 * The JSON (docs/operations.md, "What is it waiting for") is the only form in which it is collected; the text is made
 * of it, so both say the same.  Times in it are RFC 3339 text, ages and lags numbers, unknown things null.
 * Threads: pure. */
#ifndef DRIFTD_CLI_STATUS_H
#define DRIFTD_CLI_STATUS_H

#include <jansson.h>

#include "driftd/internal/base/buf.h"

/* Members that are missing or of another type are left out: any JSON is safe. */
void drift_status_text(const json_t *status, struct drift_buf *out);

#endif
