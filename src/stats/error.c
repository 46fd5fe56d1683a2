/* src/stats/error.c    Names of the result codes; here, since the library has them too. */
#include "driftd/error.h"

#include <stddef.h>

const char *drift_code_name(enum drift_code code)
{
    static const char *const names[] = {
        [DRIFT_OK] = "ok",
        [DRIFT_E_EMPTY] = "empty",
        [DRIFT_E_RANGE] = "range",
        [DRIFT_E_TYPE] = "type",
        [DRIFT_E_PARSE] = "parse",
        [DRIFT_E_VERSION] = "version",
        [DRIFT_E_CORRUPT] = "corrupt",
        [DRIFT_E_FULL] = "full",
        [DRIFT_E_MEMORY] = "memory",
        [DRIFT_E_NOT_FOUND] = "not_found",
        [DRIFT_E_EXISTS] = "exists",
        [DRIFT_E_MISMATCH] = "mismatch",
        [DRIFT_E_IO] = "io",
        [DRIFT_E_AWAY] = "away",
        [DRIFT_E_STALE] = "stale",
        [DRIFT_E_DENIED] = "denied",
        [DRIFT_E_USAGE] = "usage",
        [DRIFT_E_CONFIG] = "config",
    };
    return (size_t)code < sizeof names / sizeof *names ? names[code] : "unknown";
}
