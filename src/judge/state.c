/* src/judge/state.c    A chain's slot as the judge reads and writes it.
 *
 * What is needed to be right (head, plan) refuses to be guessed.  What only carries on a story (alerts, carry, status)
 * is dropped with a loud line when it cannot be read: a monitor that stops over a scribbled field is worse than one
 * that starts an incident anew. */
#include "room.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/base/log.h"

enum { STATE_VERSION = 1 }; /* of alerts, carry, status, evidence and detectors */

static const char *value_of(const struct drift_pairs *fields, const char *name, size_t *ret_len)
{
    const struct drift_pair *p = drift_pairs_find(fields, name);
    *ret_len = p ? p->len : 0;
    return p ? p->value : NULL;
}

int drift_judge_plan(const struct drift_pairs *fields, struct drift_plan *ret, struct drift_err *err)
{
    struct drift_plan plan = {0};
    for (size_t i = 0; i < fields->n; i++) {
        const struct drift_pair *f = &fields->pair[i];
        int64_t seq;
        if (strncmp(f->name, "plan:", 5))
            continue;
        int rc =
            drift_i64_parse(f->name + 5, strlen(f->name + 5), &seq) && seq >= 0 && seq <= UINT32_MAX
                ? drift_plan_add(&plan, (uint32_t)seq, f->value, f->len, err)
                : drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "field %.80s in redis is not one of driftd's", f->name);
        if (rc) {
            drift_plan_release(&plan);
            return rc;
        }
    }
    *ret = plan;
    return 0;
}

void drift_judge_plan_fields(const struct drift_plan_entry *e, const struct drift_config *c, struct drift_pair ret[2])
{
    ret[0].name = drift_xasprintf("plan:%u", e->seq);
    ret[0].value = drift_plan_entry_json(e);
    ret[0].len = strlen(ret[0].value);
    ret[1].name = drift_xasprintf("cfg:%s", c->hash);
    ret[1].value = drift_xstrndup(c->text, c->text_len);
    ret[1].len = c->text_len;
}

int64_t drift_judge_margin_ms(const struct drift_state_config *s)
{
    return s->future_skew_ms + 2 * s->clock_skew_ms + s->plan_ttl_ms + s->settle_ms;
}

/* ---- alerts, carry, status ---- */

/* NULL: not there, or not to be read.  What a newer driftd wrote must not be dropped: DRIFT_E_VERSION. */
static int load_object(struct drift_chain_id id, const struct drift_pairs *fields, const char *name, json_t **ret,
                       struct drift_err *err)
{
    size_t len;
    const char *text = value_of(fields, name, &len);
    *ret = NULL;
    if (!text)
        return 0;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    json_int_t version = json_integer_value(json_object_get(j, "v"));
    if (version > STATE_VERSION) {
        json_decref(j);
        return drift_fail(err, DRIFT_E_VERSION, DRIFT_SKIP,
                          "field %s was written by a newer driftd (version %lld, this one knows %d): run that version",
                          name, (long long)version, STATE_VERSION);
    }
    if (json_is_object(j)) {
        *ret = j;
        return 0;
    }
    drift_log(DRIFT_ERROR, "state_unreadable", KV_S("model", id.model), KV_S("chain", drift_chain_name(id.kind)),
              KV_S("field", name));
    json_decref(j);
    return 0;
}

static bool of_version(const json_t *j)
{
    return json_is_integer(json_object_get(j, "v")) && json_integer_value(json_object_get(j, "v")) == STATE_VERSION;
}

static int load_alerts(struct drift_chain_id id, const struct drift_pairs *fields, json_t **ret, struct drift_err *err)
{
    json_t *j;
    int rc = load_object(id, fields, "alerts", &j, err);
    json_t *rules = json_object_get(j, "rules");
    *ret = of_version(j) && json_is_object(rules) ? json_incref(rules) : json_object();
    json_decref(j);
    return rc;
}

struct drift_alert drift_state_alert(const struct drift_state *s, const char *rule)
{
    struct drift_alert a = {0};
    const json_t *j = json_object_get(s->alerts, rule);
    if (j && drift_alert_parse(j, &a, NULL))
        drift_log(DRIFT_ERROR, "alert_unreadable", KV_S("rule", rule));
    return a;
}

char *drift_state_alerts_text(const struct drift_outcome *o)
{
    json_t *j = json_object(), *rules = json_object();
    for (size_t i = 0; i < o->n_rules; i++)
        if (!o->rules[i].retired)
            json_object_set_new(rules, o->rules[i].rule->name, drift_alert_json(&o->rules[i].after));
    json_object_set_new(j, "v", json_integer(STATE_VERSION));
    json_object_set_new(j, "rules", rules);
    char *text = json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(j);
    if (!text)
        drift_bug("alert states have no JSON form");
    return text;
}

static int load_carry(struct drift_chain_id id, const struct drift_pairs *fields, struct drift_carry *ret,
                      struct drift_err *err)
{
    json_t *j;
    int rc = load_object(id, fields, "carry", &j, err);
    if (!j)
        return rc;
    const json_t *from = json_object_get(j, "from_ms"), *windows = json_object_get(j, "windows"),
                 *blob = json_object_get(j, "blob");
    size_t len = json_string_length(blob);
    uint8_t *bytes = drift_xcalloc(len ? len : 1, 1);
    if (of_version(j) && json_is_integer(from) && json_is_integer(windows) && json_integer_value(windows) > 0 &&
        json_integer_value(windows) <= UINT32_MAX && json_is_string(blob) &&
        drift_base64_decode(json_string_value(blob), len, bytes, len, &ret->len)) {
        ret->there = true;
        ret->from_ms = json_integer_value(from);
        ret->windows = (uint32_t)json_integer_value(windows);
        ret->blob = bytes;
        bytes = NULL;
    } else {
        drift_log(DRIFT_ERROR, "state_unreadable", KV_S("model", id.model), KV_S("chain", drift_chain_name(id.kind)),
                  KV_S("field", "carry"));
    }
    free(bytes);
    json_decref(j);
    return 0;
}

char *drift_state_carry_text(int64_t from_ms, uint32_t windows, const void *blob, size_t len)
{
    char *base64 = drift_xcalloc(4 * ((len + 2) / 3) + 1, 1);
    drift_base64(blob, len, base64);
    char *text =
        drift_xasprintf("{\"v\":1,\"from_ms\":%" PRId64 ",\"windows\":%u,\"blob\":\"%s\"}", from_ms, windows, base64);
    free(base64);
    return text;
}

static int load_status(struct drift_chain_id id, const struct drift_pairs *fields, enum drift_model_status *ret,
                       struct drift_err *err)
{
    json_t *j;
    int rc = load_object(id, fields, "status", &j, err);
    const char *name = json_string_value(json_object_get(j, "status"));
    *ret = DRIFT_STATUS_UNKNOWN;
    for (int s = DRIFT_STATUS_OK; name && s <= DRIFT_STATUS_UNMONITORED; s++)
        if (!strcmp(name, drift_model_status_name((enum drift_model_status)s)))
            *ret = (enum drift_model_status)s;
    json_decref(j);
    return rc;
}

char *drift_state_status_text(const struct drift_outcome *o)
{
    json_t *j = json_object();
    json_object_set_new(j, "v", json_integer(STATE_VERSION));
    json_object_set_new(j, "status", json_string(drift_model_status_name(o->status)));
    json_object_set_new(j, "since_ms", json_integer(o->verdict->end_ms));
    const char *why = o->verdict->unmonitored_why;
    json_object_set_new(j, "why", why ? drift_text_json(why) : json_null());
    char *text = json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(j);
    if (!text)
        drift_bug("a status has no JSON form");
    return text;
}

/* ---- the whole ---- */

static int parse(struct drift_chain_id id, struct drift_state *s, struct drift_err *err)
{
    size_t len;
    s->head = value_of(&s->fields, "head", &len);
    if (!s->head)
        return 0;
    if (len != DRIFT_HEAD - 1)
        return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_SKIP, "the head of the chain is not 32 hex digits");
    const char *until = value_of(&s->fields, "judged_until", &len);
    s->judged_until_ms = INT64_MIN;
    if (until && !drift_i64_parse(until, len, &s->judged_until_ms))
        return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_SKIP, "judged_until is not a time");
    const char *first = value_of(&s->fields, "first", &len);
    if (!first || !drift_i64_parse(first, len, &s->first_ms))
        s->first_ms = INT64_MIN;
    int rc = drift_judge_plan(&s->fields, &s->plan, err);
    if (rc)
        return rc;
    if (!s->plan.n)
        return drift_fail(err, DRIFT_E_CORRUPT, DRIFT_SKIP, "the chain has a head but no plan entry");
    rc = load_alerts(id, &s->fields, &s->alerts, err);
    rc = rc ? rc : load_carry(id, &s->fields, &s->carry, err);
    rc = rc ? rc : load_object(id, &s->fields, "evidence", &s->evidence, err);
    rc = rc ? rc : load_object(id, &s->fields, "detectors", &s->detectors, err);
    return rc ? rc : load_status(id, &s->fields, &s->status, err);
}

int drift_state_read(struct drift_store *store, struct drift_chain_id id, struct drift_state *ret,
                     struct drift_err *err)
{
    *ret = (struct drift_state){0};
    int rc = drift_store_model_read(store, id, &ret->fields, &ret->now_ms, err);
    if (rc)
        return rc;
    rc = parse(id, ret, err);
    if (rc) {
        drift_state_release(ret);
        drift_err_prefix(err, "model %s, %s chain", id.model, drift_chain_name(id.kind));
    }
    return rc;
}

void drift_state_release(struct drift_state *s)
{
    drift_pairs_release(&s->fields);
    drift_plan_release(&s->plan);
    json_decref(s->alerts);
    json_decref(s->evidence);
    json_decref(s->detectors);
    free(s->carry.blob);
    *s = (struct drift_state){0};
}
