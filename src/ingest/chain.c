/* src/ingest/chain.c    A chain's plan and verdict headers, as read from its slot. */
#include "driftd/internal/ingest/chain.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/meter.h"

enum { HEADER_VERSION = 1 };
static const int64_t TIME_MAX_MS = INT64_C(253402300800000); /* year 10000 */

void drift_chain_init(struct drift_chain *c, const struct drift_model *m, enum drift_chain_kind kind)
{
    struct drift_buf b;
    const char *name = drift_chain_name(kind);
    drift_buf_init(&b, 4096);
    drift_name_encode(&b, m->name);
    drift_buf_adds(&b, kind == DRIFT_CHAIN_LABEL ? ":l" : ":i");
    *c = (struct drift_chain){
        .model = m, .kind = kind, .key = b.data, .judged_until_ms = INT64_MIN, .first_ms = INT64_MIN};
    c->events = drift_series(DRIFT_M_EVENTS, m->name, name, (char *)NULL);
    c->late = drift_series(DRIFT_M_LATE, m->name, name, (char *)NULL);
    c->open = drift_series(DRIFT_M_OPEN_WINDOWS, m->name, name, (char *)NULL);
    c->bytes = drift_series(DRIFT_M_STATE_BYTES, m->name, name, (char *)NULL);
    c->late_by = drift_series(DRIFT_M_LATE_SECONDS, m->name, name, drift_reason_name(DRIFT_REASON_LATE), (char *)NULL);
    c->late_after_idle_by = drift_series(DRIFT_M_LATE_SECONDS, m->name, name,
                                         drift_reason_name(DRIFT_REASON_LATE_AFTER_IDLE), (char *)NULL);
    if (!m->dedup_by)
        return;
    c->ids = drift_series(DRIFT_M_DEDUP_IDS, m->name, name, (char *)NULL);
    c->ids_share = drift_series(DRIFT_M_DEDUP_SHARE, m->name, name, (char *)NULL);
}

void drift_judged_release(struct drift_judged *j)
{
    for (size_t i = 0; i < j->n_parts; i++)
        free(j->parts[i].partition);
    free(j->parts);
    *j = (struct drift_judged){0};
}

static void forget(struct drift_chain *c)
{
    for (size_t i = 0; i < c->n_judged; i++)
        drift_judged_release(&c->judged[i]);
    free(c->judged);
    c->judged = NULL;
    c->n_judged = 0;
    drift_plan_release(&c->plan);
    free(c->layout);
    c->layout = NULL;
}

void drift_chain_release(struct drift_chain *c)
{
    forget(c);
    free(c->key);
}

int drift_judged_parse(const char *json, size_t len, int64_t start_ms, struct drift_judged *ret, struct drift_err *err)
{
    const char *name;
    json_t *part, *j = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL), *parts = json_object_get(j, "parts");
    const char *kind = json_string_value(json_object_get(j, "kind"));
    json_int_t version = json_integer_value(json_object_get(j, "v"));
    *ret = (struct drift_judged){.start_ms = start_ms,
                                 .end_ms = json_integer_value(json_object_get(j, "end")),
                                 .at_ms = json_integer_value(json_object_get(j, "ms")),
                                 .lost = kind && !strcmp(kind, "lost")};
    if (version > HEADER_VERSION) {
        json_decref(j);
        return drift_fail(err, DRIFT_E_VERSION, DRIFT_STOP,
                          "verdict header %" PRId64 " in Redis was written by a newer driftd (version %lld, this one "
                          "knows %d): run that version",
                          start_ms, (long long)version, HEADER_VERSION);
    }
    bool good = kind && ret->end_ms > start_ms && ret->at_ms > 0 && json_is_object(parts);
    if (good)
        ret->parts = drift_xcalloc(json_object_size(parts), sizeof *ret->parts);
    json_object_foreach(parts, name, part)
    {
        json_int_t n = json_integer_value(json_array_get(part, 0)),
                   excluded = json_integer_value(json_array_get(part, 1));
        good = good && n >= 0 && excluded >= 0;
        if (good)
            ret->parts[ret->n_parts++] =
                (struct drift_judged_part){drift_xstrdup(name), (uint64_t)n, (uint64_t)excluded};
    }
    json_decref(j);
    if (good)
        return 0;
    drift_judged_release(ret);
    return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "verdict header %" PRId64 " in Redis is not one of driftd's",
                      start_ms);
}

static int by_start(const void *a, const void *b)
{
    const struct drift_judged *x = a, *y = b;
    return x->start_ms < y->start_ms ? -1 : x->start_ms > y->start_ms;
}

static int take_field(struct drift_chain *c, const struct drift_pair *f, struct drift_err *err)
{
    int64_t v;
    const char *rest;
    if (!strncmp(f->name, "plan:", 5)) {
        rest = f->name + 5;
        if (!drift_i64_parse(rest, strlen(rest), &v) || v < 0 || v > UINT32_MAX)
            return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "field %s of model %s in Redis is not one of driftd's",
                              f->name, c->model->name);
        return drift_plan_add(&c->plan, (uint32_t)v, f->value, f->len, err);
    }
    if (!strcmp(f->name, "judged_until") && drift_i64_parse(f->value, f->len, &v))
        c->judged_until_ms = v;
    if (!strcmp(f->name, "first") && drift_i64_parse(f->value, f->len, &v) && v >= 0 && v <= TIME_MAX_MS)
        c->first_ms = v;
    return 0;
}

static int take_headers(struct drift_chain *c, const struct drift_pairs *headers, struct drift_err *err)
{
    if (!headers->n)
        return 0;
    c->judged = drift_xcalloc(headers->n, sizeof *c->judged);
    for (size_t i = 0; i < headers->n; i++) {
        const struct drift_pair *f = &headers->pair[i];
        int64_t start;
        if (!drift_i64_parse(f->name, strlen(f->name), &start))
            continue;
        int rc = drift_judged_parse(f->value, f->len, start, &c->judged[c->n_judged], err);
        if (rc)
            return rc;
        c->n_judged++;
    }
    qsort(c->judged, c->n_judged, sizeof *c->judged, by_start);
    return 0;
}

int drift_chain_update(struct drift_chain *c, const struct drift_pairs *fields, const struct drift_pairs *headers,
                       drift_layout_fn *layout, void *ctx, struct drift_err *err)
{
    struct drift_chain next = {.model = c->model, .kind = c->kind, .judged_until_ms = INT64_MIN, .first_ms = INT64_MIN};
    int rc = 0;
    for (size_t i = 0; i < fields->n && !rc; i++)
        rc = take_field(&next, &fields->pair[i], err);
    rc = rc ? rc : take_headers(&next, headers, err);
    if (!rc && !next.plan.n)
        rc = drift_fail(err, DRIFT_E_EMPTY, DRIFT_RETRY, "model %s has no plan in Redis yet", c->model->name);
    next.layout = drift_xcalloc(next.plan.n, sizeof *next.layout);
    for (size_t i = 0; i < next.plan.n && !rc; i++)
        rc = layout(ctx, &next, &next.plan.entry[i], &next.layout[i], err);
    if (rc) {
        forget(&next);
        return rc;
    }
    forget(c);
    c->plan = next.plan;
    c->layout = next.layout;
    c->judged = next.judged;
    c->n_judged = next.n_judged;
    c->judged_until_ms = next.judged_until_ms;
    c->first_ms = next.first_ms;
    return 0;
}

size_t drift_chain_entry(const struct drift_chain *c, int64_t start_ms)
{
    return (size_t)(drift_plan_at(&c->plan, start_ms) - c->plan.entry);
}

const struct drift_judged *drift_chain_judged(const struct drift_chain *c, int64_t start_ms)
{
    struct drift_judged key = {.start_ms = start_ms};
    return c->n_judged ? bsearch(&key, c->judged, c->n_judged, sizeof *c->judged, by_start) : NULL;
}

size_t drift_chain_judged_from(const struct drift_chain *c, int64_t start_ms)
{
    size_t lo = 0, hi = c->n_judged;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (c->judged[mid].start_ms < start_ms)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}
