/* src/act/notice.c    The one webhook that says which actions were too old to be sent. */
#include "driftd/internal/act/notice.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"

enum { LISTED_MAX = 100 };

void drift_notice_id(struct drift_queued *const *entries, size_t n, char ret_id[33])
{
    struct drift_buf b;
    uint8_t digest[DRIFT_SHA256_BYTES];
    drift_buf_init(&b, 64 + 40 * n);
    drift_buf_put_str(&b, "driftd notice");
    for (size_t i = 0; i < n; i++)
        drift_buf_put_str(&b, entries[i]->id);
    drift_sha256(b.data, b.len, digest);
    drift_hex(digest, 16, ret_id);
    drift_buf_release(&b);
}

static json_t *actions_json(struct drift_queued *const *entries, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n && i < LISTED_MAX; i++) {
        const struct drift_action *a = &entries[i]->action;
        char end[32];
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:s}", "id", a->id, "rule", a->rule, "step", a->step,
                                              "transition", a->transition, "window_end",
                                              drift_time_text(a->window_end_ms, end, sizeof end)));
    }
    return list;
}

static json_t *data_json(struct drift_chain_id chain, int64_t max_age_ms, struct drift_queued *const *entries, size_t n,
                         const char *from, const char *to)
{
    char age[48];
    char *summary = drift_xasprintf("%s: %zu action%s of windows from %s to %s %s not sent: older than %s", chain.model,
                                    n, n == 1 ? "" : "s", from, to, n == 1 ? "was" : "were",
                                    drift_duration_text(max_age_ms, age, sizeof age));
    json_t *j = json_pack("{s:s,s:s,s:s,s:I,s:s,s:s,s:o}", "summary", summary, "model", chain.model, "chain",
                          drift_chain_name(chain.kind), "n", (json_int_t)n, "from", from, "to", to, "actions",
                          actions_json(entries, n));
    free(summary);
    return j;
}

char *drift_notice_body(const char *id, const char *group, struct drift_chain_id chain, int64_t max_age_ms,
                        struct drift_queued *const *entries, size_t n)
{
    int64_t from_ms = INT64_MAX, to_ms = INT64_MIN;
    char from[32], to[32];
    for (size_t i = 0; i < n; i++) {
        const struct drift_action *a = &entries[i]->action;
        from_ms = a->window_start_ms < from_ms ? a->window_start_ms : from_ms;
        to_ms = a->window_end_ms > to_ms ? a->window_end_ms : to_ms;
    }
    drift_time_text(from_ms, from, sizeof from);
    drift_time_text(to_ms, to, sizeof to);
    struct drift_buf source;
    drift_buf_init(&source, 4096);
    drift_buf_adds(&source, "/driftd/");
    drift_name_encode(&source, group);
    json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o}", "specversion", "1.0", "id", id, "source", source.data,
                          "type", "io.driftd.actions.expired", "subject", chain.model, "time", to, "datacontenttype",
                          "application/json", "data", data_json(chain, max_age_ms, entries, n, from, to));
    char *text = j ? json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    json_decref(j);
    drift_buf_release(&source);
    if (!text)
        drift_bug("a notice has no JSON form");
    return text;
}
