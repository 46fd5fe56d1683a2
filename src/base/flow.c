/* src/base/flow.c    Names of what travels: reasons and kinds of verdict, as metrics and state spell them. */
#include "driftd/internal/flow.h"

const char *drift_reason_name(enum drift_reason r)
{
    static const char *const names[DRIFT_N_REASON] = {"none",
#define X(id, name) [DRIFT_REASON_##id] = (name),
                                                      DRIFT_REASONS(X)
#undef X
    };
    return (unsigned)r < DRIFT_N_REASON ? names[r] : "unknown";
}

const char *drift_verdict_kind_name(enum drift_verdict_kind k)
{
    static const char *const names[DRIFT_N_VERDICT] = {
#define X(id, name) [DRIFT_VERDICT_##id] = (name),
        DRIFT_VERDICT_KINDS(X)
#undef X
    };
    return (unsigned)k < DRIFT_N_VERDICT ? names[k] : "unknown";
}
