/* tests/fuzz/fuzz_state.c    What a receiver and Redis can make the sender read: Retry-After, state texts, outboxes.
 *
 * First byte: which of them.  An outbox is lines of name, tab, value; a NUL-free first secret is the endpoint's. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/act/queue.h"
#include "driftd/internal/act/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t now_ms = 1700000000000;

static void must(bool so)
{
    if (!so)
        abort();
}

static void fuzz_header(const char *p, size_t n)
{
    int64_t ms = -1;
    if (drift_retry_after(p, n, now_ms, &ms))
        must(ms >= 0 && ms <= DRIFT_RETRY_AFTER_MAX_MS);
}

static void fuzz_text(const char *p, size_t n)
{
    struct drift_retry r, again;
    if (drift_retry_parse(p, n, now_ms, &r, NULL))
        return;
    must(r.next_ms <= now_ms + INT64_C(14400) * 1200 && r.next_ms >= 0 && r.first_ms <= now_ms && r.last_ms <= now_ms);
    char *text = drift_retry_text(&r);
    must(drift_retry_parse(text, strlen(text), now_ms, &again, NULL) == 0);
    must(again.attempts == r.attempts && again.next_ms == r.next_ms && again.done == r.done);
    free(text);
    if (r.done == DRIFT_DONE_NO) {
        r.attempts++;
        r.first_ms = r.first_ms ? r.first_ms : now_ms;
        drift_retry_failed(&r, "0123", now_ms, -1, false);
        must(r.next_ms <= now_ms + INT64_C(14400) * 1200);
    }
}

static size_t split(char *text, struct drift_pair *pairs, size_t max)
{
    size_t n = 0;
    for (char *line = strtok(text, "\n"); line && n < max; line = strtok(NULL, "\n")) {
        char *tab = strchr(line, '\t');
        if (!tab)
            continue;
        *tab = 0;
        pairs[n++] = (struct drift_pair){.name = line, .value = tab + 1, .len = strlen(tab + 1)};
    }
    return n;
}

static void fuzz_outbox(const char *p, size_t len, bool is_signed)
{
    static char secret[] = "a secret of the fuzz targets", name[] = "soc";
    char *secrets[] = {secret};
    struct drift_endpoint endpoint = {.name = name};
    struct drift_target target = {.endpoint = &endpoint, .secrets = secrets, .n_secrets = is_signed};
    struct drift_queue_rules rules = {.targets = &target, .n_targets = 1, .instance = "me", .max_age_ms = 3600000};
    struct drift_pair pairs[64];
    char *text = strndup(p, len);
    struct drift_pairs fields = {.n = split(text, pairs, 64), .pair = pairs};
    struct drift_queue q = {0};
    struct drift_queued *ready[64];
    const char *ids[64];
    for (int turn = 0; turn < 2; turn++) {
        drift_queue_refresh(&q, &fields, now_ms, &rules);
        must(q.n <= fields.n && q.n_waiting <= q.n);
        size_t n = drift_queue_ready(&q, now_ms, &rules, ready, 64);
        must(n <= q.n_waiting);
        for (size_t i = 0; i < n; i++)
            must(ready[i]->action.body && strlen(ready[i]->id) == 32 && !ready[i]->late);
        if (n)
            drift_queue_finish(&q, ready[0], DRIFT_DONE_OK);
        drift_queue_next_ms(&q, &rules);
        drift_queue_old(&q, now_ms, ids, 64);
    }
    drift_queue_release(&q);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *p = (const char *)data + 1;
    switch (data[0]) {
    case 'h':
        fuzz_header(p, size - 1);
        break;
    case 's':
        fuzz_text(p, size - 1);
        break;
    case 'o':
    case 'u':
        fuzz_outbox(p, size - 1, data[0] == 'o');
        break;
    default:
        break;
    }
    return 0;
}
