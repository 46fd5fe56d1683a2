/* tests/fuzz/fuzz_outbox.c    Entries of the outbox as Redis may hold them: parsed without a secret, refused with one,
 *                              and what was accepted is written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/act/outbox.h"
#include "driftd/internal/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *secrets[] = {(char *)"a secret that nobody guesses"};
    struct drift_action a = {0}, b = {0};
    struct drift_err err;
    if (!drift_action_parse((const char *)data, size, secrets, 1, &a, &err))
        drift_bug("an entry was accepted without a good MAC");
    if (drift_action_parse((const char *)data, size, NULL, 0, &a, &err))
        return 0;
    char *entry = drift_action_entry(&a, secrets[0]);
    size_t len = strlen(entry);
    if (len <= DRIFT_ACTION_ENTRY_MAX && (drift_action_parse(entry, len, secrets, 1, &b, &err) ||
                                          strcmp(a.body, b.body) || strcmp(a.id, b.id) || a.seq != b.seq))
        drift_bug("an entry does not survive being written again");
    free(entry);
    drift_action_release(&a);
    drift_action_release(&b);
    return 0;
}
