/* src/stats/version.c    Which driftd this is, for programs that link the library. */
#include "driftd/version.h"

const char *drift_version(void)
{
    return DRIFTD_VERSION;
}
