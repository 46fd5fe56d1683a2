/* src/window/plan.c    What holds from which window on, for ingest and judge alike. */
#include "driftd/internal/plan.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/flow.h"

enum { PLAN_VERSION = 2, PLAIN_VERSION = 1 }; /* 2: with span_ms */
static const int64_t WINDOW_MAX_MS = INT64_C(366) * 86400000, TIME_MAX_MS = INT64_C(253402300800000) /* year 10000 */;

void drift_plan_entry_release(struct drift_plan_entry *e)
{
    free(e->baseline_id);
    free(e->baseline_digest);
    free(e->config_hash);
    for (size_t i = 0; i < e->n_topics; i++)
        free(e->topics[i].topic);
    free(e->topics);
    *e = (struct drift_plan_entry){0};
}

void drift_plan_release(struct drift_plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        drift_plan_entry_release(&p->entry[i]);
    free(p->entry);
    *p = (struct drift_plan){0};
}

static bool parse_topics(const json_t *topics, struct drift_plan_entry *e)
{
    const char *name;
    json_t *n;
    if (!json_is_object(topics))
        return false;
    e->topics = drift_xcalloc(json_object_size(topics), sizeof *e->topics);
    json_object_foreach((json_t *)topics, name, n)
    {
        json_int_t v = json_integer_value(n);
        if (!json_is_integer(n) || v < 1 || v > 1000000)
            return false;
        e->topics[e->n_topics].topic = drift_xstrdup(name);
        e->topics[e->n_topics++].partitions = (int32_t)v;
    }
    return true;
}

static bool parse_span(const json_t *j, struct drift_plan_entry *e)
{
    const json_t *span = json_object_get(j, "span_ms");
    e->span_ms = e->window_ms;
    if (json_integer_value(json_object_get(j, "v")) == PLAIN_VERSION)
        return !span;
    e->span_ms = json_integer_value(span);
    return e->window_ms > 0 && e->span_ms >= e->window_ms && e->span_ms <= WINDOW_MAX_MS &&
           e->span_ms % e->window_ms == 0 && e->span_ms / e->window_ms <= DRIFT_PANES_MAX;
}

static bool parse_entry(const json_t *j, struct drift_plan_entry *e)
{
    const char *id = json_string_value(json_object_get(j, "baseline_id"));
    const char *digest = json_string_value(json_object_get(j, "baseline_digest"));
    const char *config = json_string_value(json_object_get(j, "config"));
    json_t *from = json_object_get(j, "from"), *window = json_object_get(j, "window_ms"),
           *lateness = json_object_get(j, "lateness_ms");
    if (!id || !digest || !config || !json_is_integer(window) || !json_is_integer(lateness) ||
        !(json_is_integer(from) || json_is_null(from)))
        return false;
    e->from_ms = json_is_null(from) ? INT64_MIN : json_integer_value(from);
    e->at_ms = json_integer_value(json_object_get(j, "ms"));
    e->window_ms = json_integer_value(window);
    e->lateness_ms = json_integer_value(lateness);
    e->baseline_id = drift_xstrdup(id);
    e->baseline_digest = drift_xstrdup(digest);
    e->config_hash = drift_xstrdup(config);
    bool placed = e->from_ms == INT64_MIN ||
                  (e->from_ms >= 0 && e->from_ms <= TIME_MAX_MS && e->window_ms > 0 && e->from_ms % e->window_ms == 0);
    return placed && e->window_ms > 0 && e->window_ms <= WINDOW_MAX_MS && e->lateness_ms >= 0 &&
           e->lateness_ms <= WINDOW_MAX_MS && parse_span(j, e) && parse_topics(json_object_get(j, "topics"), e);
}

int drift_plan_add(struct drift_plan *p, uint32_t seq, const char *text, size_t len, struct drift_err *err)
{
    struct drift_plan_entry e = {.seq = seq};
    json_error_t why;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    json_int_t version = json_integer_value(json_object_get(j, "v"));
    int rc = 0;
    if (version > PLAN_VERSION) {
        rc = drift_fail(err, DRIFT_E_VERSION, DRIFT_STOP,
                        "plan entry %u has format %lld, this driftd knows up to %d: run the newer version", seq,
                        (long long)version, PLAN_VERSION);
    } else if (version < 1 || !parse_entry(j, &e)) {
        rc = drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "plan entry %u in Redis is not one of driftd's", seq);
    }
    json_decref(j);
    if (rc) {
        drift_plan_entry_release(&e);
        return rc;
    }
    p->entry = drift_xrealloc(p->entry, p->n + 1, sizeof *p->entry);
    size_t at = p->n++;
    for (; at > 0 && p->entry[at - 1].from_ms > e.from_ms; at--)
        p->entry[at] = p->entry[at - 1];
    p->entry[at] = e;
    return 0;
}

char *drift_plan_entry_json(const struct drift_plan_entry *e)
{
    json_t *topics = json_object();
    for (size_t i = 0; i < e->n_topics; i++)
        json_object_set_new(topics, e->topics[i].topic, json_integer(e->topics[i].partitions));
    bool slides = e->span_ms && e->span_ms != e->window_ms;
    json_t *j = json_pack("{s:i, s:o, s:s, s:s, s:s, s:I, s:I, s:o}", "v", slides ? PLAN_VERSION : PLAIN_VERSION,
                          "from", e->from_ms == INT64_MIN ? json_null() : json_integer(e->from_ms), "baseline_id",
                          e->baseline_id, "baseline_digest", e->baseline_digest, "config", e->config_hash, "window_ms",
                          (json_int_t)e->window_ms, "lateness_ms", (json_int_t)e->lateness_ms, "topics", topics);
    if (slides)
        json_object_set_new(j, "span_ms", json_integer(e->span_ms));
    char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(j);
    if (!text)
        drift_bug("plan entry is no JSON");
    return text;
}

static size_t index_at(const struct drift_plan *p, int64_t t_ms)
{
    size_t i = p->n - 1;
    while (i > 0 && p->entry[i].from_ms > t_ms)
        i--;
    return i;
}

const struct drift_plan_entry *drift_plan_at(const struct drift_plan *p, int64_t start_ms)
{
    return p->n ? &p->entry[index_at(p, start_ms)] : NULL;
}

static int64_t align_down(int64_t t, int64_t unit)
{
    int64_t rest = t % unit;
    return t - (rest < 0 ? rest + unit : rest);
}

int64_t drift_plan_window_start(const struct drift_plan *p, int64_t t_ms)
{
    /* `from` is a boundary of the old and the new window length, so a time's entry is its window's entry */
    return align_down(t_ms, drift_plan_at(p, t_ms)->window_ms);
}

int64_t drift_plan_close_ms(const struct drift_plan *p, int64_t start_ms)
{
    size_t at = index_at(p, start_ms);
    int64_t end = start_ms + p->entry[at].window_ms;
    int64_t close = end + p->entry[at].lateness_ms;
    for (size_t i = 0; i < at; i++) { /* a shorter lateness must not close a window before an older one */
        int64_t until = p->entry[i + 1].from_ms;
        int64_t older = (until < end ? until : end) + p->entry[i].lateness_ms;
        if (older > close)
            close = older;
    }
    return close;
}

int64_t drift_plan_last_span(const struct drift_plan *p, int64_t start_ms)
{
    int64_t last = start_ms, end = drift_plan_window_end(p, start_ms);
    for (size_t i = index_at(p, start_ms); i < p->n; i++) {
        const struct drift_plan_entry *e = &p->entry[i];
        int64_t before = end + e->span_ms - e->window_ms; /* its pane starts before that */
        if (i + 1 < p->n && p->entry[i + 1].from_ms < before)
            before = p->entry[i + 1].from_ms;
        int64_t start = align_down(before - 1, e->window_ms);
        if (start >= e->from_ms && start > last)
            last = start;
    }
    return last;
}

int64_t drift_plan_last_closed(const struct drift_plan *p, int64_t t_ms)
{
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < p->n; i++) {
        const struct drift_plan_entry *e = &p->entry[i];
        int64_t end = t_ms - e->lateness_ms; /* of the entry's last window that may be closed */
        if (i + 1 < p->n && p->entry[i + 1].from_ms < end)
            end = p->entry[i + 1].from_ms;
        int64_t start = align_down(end - e->window_ms, e->window_ms);
        if (start < e->from_ms)
            continue;
        int64_t close = drift_plan_close_ms(p, start);
        if (close <= t_ms && close > last)
            last = close;
    }
    return last;
}

bool drift_plan_has_partition(const struct drift_plan_entry *e, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < e->n_topics; i++)
        if (!strcmp(e->topics[i].topic, topic))
            return partition >= 0 && partition < e->topics[i].partitions;
    return false;
}

int64_t drift_plan_boundary(const struct drift_plan *p, int64_t t_ms, int64_t new_window_ms)
{
    int64_t old = p->n ? p->entry[p->n - 1].window_ms : new_window_ms, a = old, b = new_window_ms;
    while (b) { /* greatest common divisor, for the least common multiple */
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    int64_t unit, start;
    if (__builtin_mul_overflow(old / a, new_window_ms, &unit))
        return INT64_MAX;
    if (p->n && p->entry[p->n - 1].from_ms >= t_ms)
        t_ms = p->entry[p->n - 1].from_ms + 1;
    start = align_down(t_ms, unit);
    if (start != t_ms && __builtin_add_overflow(start, unit, &start))
        return INT64_MAX;
    return start <= TIME_MAX_MS ? start : INT64_MAX;
}
