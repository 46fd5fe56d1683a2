/* src/cli/status.c    `driftd status`: how far everything is and what waits for what, from Redis, Kafka and, when one
 * runs on this host, the driftd itself.
 *
 * Redis is the truth and must answer; brokers that do not are shown as unknown, since this is the command of the hour
 * in which something is down. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/act/retry.h"
#include "driftd/internal/cli.h"
#include "driftd/internal/cli/source.h"
#include "driftd/internal/cli/status.h"
#include "driftd/internal/ingest/ends.h"
#include "driftd/internal/judge/judge.h"
#include "driftd/internal/judge/outcome.h"
#include "driftd/internal/serve/ask.h"
#include "driftd/internal/store/store.h"

enum { KAFKA_MS = 3000, HERE_MS = 2000, PAGE_MAX = 8 << 20, PLANS_SHOWN = 3 };

static const char help[] =
    "usage: driftd status -c FILE [--json] [--no-kafka]\n\n"
    "Shows how far each partition has been read, by whom, and how far its log reaches; for each model\n"
    "the windows that are not judged yet and what the next one waits for, alerts that fire, held\n"
    "counts, the newest plan entries and what waits for delivery.  Asks Redis, the brokers, and the\n"
    "driftd that listens at http.listen, if there is one.  Changes nothing.\n\n"
    "  --json      the same as JSON; its members are described in docs/operations.md\n"
    "  --no-kafka  do not ask the brokers: lags are unknown\n\n"
    "Exit status 0 when Redis answered.\n\n"
    "example:\n  driftd status -c driftd.yaml\n";

struct window_set {
    size_t n, cap;
    int64_t *start;
};

struct chain {
    struct drift_chain_id id;
    char *key;
    struct drift_look look;
    char *damage;           /* why it cannot be read */
    struct window_set open; /* starts, one for each partition that has counts */
};

struct part {
    char *topic;
    int32_t partition;
    struct drift_slot_show slot;
    char *damage;
};

struct status {
    const struct drift_config *c;
    struct drift_store *store;
    size_t n_chains, n_parts;
    struct chain *chains;
    struct part *parts;
    struct drift_end *ends; /* [n_parts] */
    struct drift_group_info group;
    bool asked, answers;
    struct drift_err kafka_err;
    json_t *here; /* page of the driftd on this host; NULL: none */
    int64_t now_ms;
};

/* ---- values ---- */

/* Text of others, fit for a terminal. */
static json_t *text_json(const char *s)
{
    if (!s)
        return json_null();
    size_t cap = strlen(s) + 1;
    char *copy = drift_xcalloc(cap, 1);
    drift_printable(s, copy, cap);
    json_t *j = drift_text_json(copy);
    free(copy);
    return j;
}

static json_t *time_json(int64_t ms, bool known)
{
    char text[32];
    return known ? json_string(drift_time_text(ms, text, sizeof text)) : json_null();
}

static json_t *number_json(int64_t v, bool known)
{
    return known ? json_integer(v) : json_null();
}

/* ---- chains and partitions ---- */

static void add_part(struct status *s, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < s->n_parts; i++)
        if (s->parts[i].partition == partition && !strcmp(s->parts[i].topic, topic))
            return;
    s->parts = drift_xrealloc(s->parts, s->n_parts + 1, sizeof *s->parts);
    s->parts[s->n_parts++] = (struct part){.topic = drift_xstrdup(topic), .partition = partition};
}

static bool is_fed(const struct drift_config *c, const struct drift_model *m, enum drift_chain_kind kind)
{
    for (size_t i = 0; i < m->n_streams; i++)
        if (drift_stream_feeds(&c->streams[m->streams[i]], kind))
            return true;
    return false;
}

/* A chain that cannot be read is shown as such; only a Redis that is away ends the command. */
static int look_at_chain(struct status *s, const struct drift_model *m, enum drift_chain_kind kind,
                         struct drift_err *err)
{
    struct drift_buf key;
    s->chains = drift_xrealloc(s->chains, s->n_chains + 1, sizeof *s->chains);
    struct chain *c = &s->chains[s->n_chains++];
    drift_buf_init(&key, 4096);
    drift_name_encode(&key, m->name);
    drift_buf_adds(&key, kind == DRIFT_CHAIN_LABEL ? ":l" : ":i");
    *c = (struct chain){.id = {m->name, kind}, .key = key.data};
    int rc = drift_judge_look(s->store, c->id, s->c->state.settle_ms, &c->look, err);
    if (rc == DRIFT_E_AWAY || rc == DRIFT_E_DENIED)
        return rc;
    if (rc)
        c->damage = drift_xstrdup(err->text);
    const struct drift_plan *p = &c->look.plan;
    for (size_t e = 0; e < p->n; e++) {
        bool over = e + 1 < p->n && p->entry[e + 1].from_ms <= c->look.judged_until_ms;
        for (size_t t = 0; !over && t < p->entry[e].n_topics; t++)
            for (int32_t n = 0; n < p->entry[e].topics[t].partitions; n++)
                add_part(s, p->entry[e].topics[t].topic, n);
    }
    return 0;
}

static void note_open(struct status *s, const struct drift_pairs *open)
{
    for (size_t i = 0; i < open->n; i++)
        for (size_t k = 0; k < s->n_chains; k++) {
            struct window_set *w = &s->chains[k].open;
            int64_t start;
            if (strcmp(s->chains[k].key, open->pair[i].name) ||
                !drift_i64_parse(open->pair[i].value, open->pair[i].len, &start))
                continue;
            if (w->n == w->cap)
                w->start = drift_xrealloc(w->start, w->cap = w->cap ? 2 * w->cap : 64, sizeof *w->start);
            w->start[w->n++] = start;
        }
}

static int look_at_parts(struct status *s, struct drift_err *err)
{
    struct drift_show_ask *asks = drift_xcalloc(s->n_chains + 1, sizeof *asks);
    int rc = 0;
    for (size_t k = 0; k < s->n_chains; k++)
        asks[k] = (struct drift_show_ask){s->chains[k].key, s->chains[k].look.judged_until_ms};
    for (size_t i = 0; i < s->n_parts && !rc; i++) {
        struct part *p = &s->parts[i];
        rc = drift_store_show(s->store, (struct drift_slot_id){p->topic, p->partition}, asks, s->n_chains, &p->slot,
                              err);
        if (rc && rc != DRIFT_E_AWAY && rc != DRIFT_E_DENIED) {
            p->damage = drift_xstrdup(err->text);
            rc = 0;
        } else if (!rc) {
            note_open(s, &p->slot.open);
            s->now_ms = p->slot.now_ms;
        }
    }
    free(asks);
    return rc;
}

static int look_at_redis(struct status *s, struct drift_err *err)
{
    int rc = drift_store_ping(s->store, err);
    for (size_t m = 0; m < s->c->n_models && !rc; m++)
        for (int k = 0; k < DRIFT_N_CHAIN && !rc; k++)
            if (is_fed(s->c, &s->c->models[m], (enum drift_chain_kind)k))
                rc = look_at_chain(s, &s->c->models[m], (enum drift_chain_kind)k, err);
    for (size_t k = 0; k < s->n_chains; k++)
        s->now_ms = s->chains[k].look.now_ms > s->now_ms ? s->chains[k].look.now_ms : s->now_ms;
    return rc ? rc : look_at_parts(s, err);
}

static void ask_kafka(struct status *s)
{
    s->ends = drift_xcalloc(s->n_parts + 1, sizeof *s->ends);
    for (size_t i = 0; i < s->n_parts; i++)
        s->ends[i] = (struct drift_end){s->parts[i].topic, s->parts[i].partition, -1};
    if (s->asked)
        s->answers = !drift_ends_read(&s->c->kafka, KAFKA_MS, s->ends, s->n_parts, &s->group, &s->kafka_err);
}

/* What another group's driftd says at that address is none of our business. */
static void ask_here(struct status *s)
{
    struct drift_buf page;
    struct drift_err ignored;
    if (!s->c->http.listen)
        return;
    drift_buf_init(&page, PAGE_MAX);
    if (!drift_server_ask(s->c->http.listen, "/status", HERE_MS, &page, &ignored))
        s->here = json_loadb(page.data ? page.data : "", page.len, JSON_REJECT_DUPLICATES, NULL);
    const char *group = json_string_value(json_object_get(s->here, "group"));
    if (!group || strcmp(group, s->c->kafka.group)) {
        json_decref(s->here);
        s->here = NULL;
    }
    drift_buf_release(&page);
}

/* ---- what is shown ---- */

static json_t *kafka_json(const struct status *s)
{
    return json_pack("{s:b, s:b, s:o, s:o, s:o}", "asked", s->asked, "answers", s->answers, "text",
                     s->asked && !s->answers ? text_json(s->kafka_err.text) : json_null(), "state",
                     *s->group.state ? text_json(s->group.state) : json_null(), "members",
                     number_json(s->group.n_members, *s->group.state != 0));
}

static json_t *here_json(const struct status *s)
{
    char text[400];
    const char *instance = json_string_value(json_object_get(s->here, "instance"));
    if (!s->c->http.listen)
        return json_null();
    if (s->here)
        snprintf(text, sizeof text, "%.200s answers at %.100s", instance ? instance : "driftd", s->c->http.listen);
    else
        snprintf(text, sizeof text, "no driftd of this group answers at %.100s", s->c->http.listen);
    return json_pack("{s:b, s:o, s:o}", "answers", s->here != NULL, "instance", text_json(instance), "text",
                     text_json(text));
}

static const json_t *part_here(const struct status *s, const struct part *p)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(s->here, "partitions"), i, one)
    {
        const char *topic = json_string_value(json_object_get(one, "topic"));
        if (topic && !strcmp(topic, p->topic) && json_integer_value(json_object_get(one, "partition")) == p->partition)
            return one;
    }
    return NULL;
}

static int64_t written_ago_ms(const struct drift_slot_show *v)
{
    return v->at_ms < 0 || v->at_ms > v->now_ms ? 0 : v->now_ms - v->at_ms;
}

static json_t *part_json(const struct status *s, size_t index)
{
    const struct part *p = &s->parts[index];
    const struct drift_slot_show *v = &p->slot;
    int64_t offset = 0, high = s->ends[index].high;
    bool read = v->exists && drift_i64_parse(v->offset, strlen(v->offset), &offset), ends = high >= 0;
    const char *waits = json_string_value(json_object_get(part_here(s, p), "waits"));
    int64_t lag = read && high > offset ? high - offset : read ? 0 : high;
    return json_pack(
        "{s:o, s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:I, s:I}", "topic", text_json(p->topic), "partition",
        (int)p->partition, "read", read, "owner", v->owner && *v->owner ? text_json(v->owner) : json_null(), "offset",
        number_json(offset, read), "high", number_json(high, ends), "lag", number_json(lag, ends), "watermark",
        time_json(v->wm_ms, v->wm_ms != INT64_MIN && v->exists), "idle", v->has_adv && v->adv_to_ms == v->wm_ms,
        "wrote_ms_ago", number_json(written_ago_ms(v), v->exists && v->at_ms != INT64_MIN), "waits",
        text_json(p->damage ? p->damage
                  : waits   ? waits
                            : v->waits),
        "late", (json_int_t)v->late, "refused", (json_int_t)v->refused);
}

/* Who acquired partitions last; an instance that is gone stays named until another one takes them. */
static json_t *instances_json(const struct status *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_parts; i++) {
        const struct drift_slot_show *v = &s->parts[i].slot;
        json_t *one = NULL, *name = text_json(v->owner && *v->owner ? v->owner : NULL);
        int64_t ago = written_ago_ms(v);
        if (!json_is_string(name) || v->at_ms == INT64_MIN) {
            json_decref(name);
            continue;
        }
        for (size_t k = 0; k < json_array_size(list) && !one; k++)
            if (json_equal(json_object_get(json_array_get(list, k), "instance"), name))
                one = json_array_get(list, k);
        if (!one) {
            one = json_pack("{s:O, s:i, s:I}", "instance", name, "partitions", 0, "wrote_ms_ago", (json_int_t)ago);
            json_array_append_new(list, one);
        }
        json_object_set_new(one, "partitions",
                            json_integer(json_integer_value(json_object_get(one, "partitions")) + 1));
        if (ago < json_integer_value(json_object_get(one, "wrote_ms_ago")))
            json_object_set_new(one, "wrote_ms_ago", json_integer(ago));
        json_decref(name);
    }
    return list;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Windows that several partitions have counts of are one. */
static size_t distinct(struct window_set *w)
{
    size_t n = 0;
    if (w->n)
        qsort(w->start, w->n, sizeof *w->start, by_value);
    for (size_t i = 0; i < w->n; i++)
        n += !i || w->start[i] != w->start[i - 1];
    return n;
}

static json_t *alerts_json(const struct drift_look *l)
{
    json_t *list = json_array();
    for (size_t i = 0; i < l->n_alerts; i++) {
        const struct drift_alert *a = &l->alerts[i].alert;
        if (a->phase == DRIFT_ALERT_FIRING)
            json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:o}", "rule", text_json(l->alerts[i].rule),
                                                  "severity", drift_severity_name(a->severity), "since",
                                                  time_json(a->since_ms, a->since_ms > 0), "incident",
                                                  time_json(a->incident_ms, a->incident_ms > 0)));
    }
    return list;
}

static json_t *plan_json(const struct drift_plan *p)
{
    json_t *list = json_array();
    for (size_t i = p->n > PLANS_SHOWN ? p->n - PLANS_SHOWN : 0; i < p->n; i++) {
        const struct drift_plan_entry *e = &p->entry[i];
        int64_t partitions = 0;
        for (size_t t = 0; t < e->n_topics; t++)
            partitions += e->topics[t].partitions;
        json_array_append_new(list, json_pack("{s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:I}", "seq", (json_int_t)e->seq,
                                              "from", time_json(e->from_ms, e->from_ms != INT64_MIN), "baseline",
                                              *e->baseline_id ? text_json(e->baseline_id) : json_null(), "config",
                                              text_json(e->config_hash), "window_ms", (json_int_t)e->window_ms,
                                              "span_ms", (json_int_t)e->span_ms, "lateness_ms",
                                              (json_int_t)e->lateness_ms, "partitions", (json_int_t)partitions));
    }
    return list;
}

static bool start_of_entry(const struct drift_pair *e, int64_t *ret)
{
    json_t *j = json_loadb(e->value, e->len, 0, NULL);
    const json_t *window = json_object_get(j, "window_start");
    bool known = json_is_integer(window);
    *ret = json_integer_value(window);
    json_decref(j);
    return known;
}

static json_t *outbox_json(const struct status *s, struct drift_chain_id id)
{
    struct drift_pairs out;
    struct drift_err err;
    int64_t now, oldest = INT64_MAX, start, waiting = 0, dead = 0;
    if (drift_store_out_read(s->store, id, &out, &now, &err))
        return json_null();
    for (size_t i = 0; i < out.n; i++) {
        char name[DRIFT_NAME_MAX];
        struct drift_retry state = {0};
        if (strncmp(out.pair[i].name, "e:", 2) != 0)
            continue;
        snprintf(name, sizeof name, "s:%s", out.pair[i].name + 2);
        const struct drift_pair *st = drift_pairs_find(&out, name);
        if (st && drift_retry_parse(st->value, st->len, now, &state, NULL))
            state = (struct drift_retry){0};
        dead += state.done == DRIFT_DONE_DEAD;
        waiting += state.done == DRIFT_DONE_NO;
        if (state.done == DRIFT_DONE_NO && start_of_entry(&out.pair[i], &start) && start < oldest)
            oldest = start;
    }
    drift_pairs_release(&out);
    return json_pack("{s:I, s:I, s:o}", "waiting", (json_int_t)waiting, "dead", (json_int_t)dead, "oldest",
                     time_json(oldest, oldest != INT64_MAX));
}

static json_t *crossed_json(const json_t *rules)
{
    json_t *list = json_array(), *rule;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)rules, name, rule)
    {
        const char *breach = json_string_value(json_object_get(rule, "breach"));
        if (breach && strcmp(breach, drift_severity_name(DRIFT_SEV_NONE)))
            json_array_append_new(list,
                                  json_pack("{s:o, s:o}", "rule", text_json(name), "severity", text_json(breach)));
    }
    return list;
}

/* What the open window looked like when somebody last looked; null when it has been judged since. */
static json_t *early_json(const struct status *s, const struct chain *c)
{
    struct drift_pairs fields;
    struct drift_err err;
    int64_t start = INT64_MIN;
    json_t *ret = NULL;
    if (drift_store_early_read(s->store, c->id, &fields, &err))
        return json_null();
    const struct drift_pair *f = drift_pairs_find(&fields, "start"), *b = drift_pairs_find(&fields, "body");
    json_t *j = b ? json_loadb(b->value, b->len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const json_t *window = json_object_get(j, "window");
    if (json_is_object(j) && f && drift_i64_parse(f->value, f->len, &start) && start >= c->look.judged_until_ms)
        ret = json_pack(
            "{s:o, s:o, s:o, s:I, s:o}", "from", text_json(json_string_value(json_object_get(window, "start"))), "to",
            text_json(json_string_value(json_object_get(window, "end"))), "kind",
            text_json(json_string_value(json_object_get(j, "kind"))), "events",
            json_integer_value(json_object_get(j, "n")), "crossed", crossed_json(json_object_get(j, "rules")));
    json_decref(j);
    drift_pairs_release(&fields);
    return ret ? ret : json_null();
}

static json_t *chain_json(struct status *s, struct chain *c)
{
    const struct drift_look *l = &c->look;
    size_t open = distinct(&c->open);
    const char *text = c->damage ? c->damage : !l->started ? "not started: no driftd has written its plan yet" : NULL;
    json_t *held = l->held_windows ? json_pack("{s:I, s:I, s:o}", "windows", (json_int_t)l->held_windows, "events",
                                               (json_int_t)l->held_events, "from", time_json(l->held_from_ms, true))
                                   : json_null();
    return json_pack("{s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "model",
                     text_json(c->id.model), "chain", drift_chain_name(c->id.kind), "started", l->started, "text",
                     text_json(text), "status", text_json(l->status), "since",
                     time_json(l->status_since_ms, l->status_since_ms > 0), "why", text_json(l->why), "judged_until",
                     time_json(l->judged_until_ms, l->started && l->judged_until_ms != INT64_MIN), "open",
                     (json_int_t)open, "oldest_open", time_json(open ? c->open.start[0] : 0, open), "waits",
                     text_json(l->waiting), "preliminary", early_json(s, c), "held", held, "alerts", alerts_json(l),
                     "plan", plan_json(&l->plan), "outbox", outbox_json(s, c->id));
}

static json_t *status_json(struct status *s)
{
    json_t *partitions = json_array(), *models = json_array();
    for (size_t i = 0; i < s->n_parts; i++)
        json_array_append_new(partitions, part_json(s, i));
    for (size_t k = 0; k < s->n_chains; k++)
        json_array_append_new(models, chain_json(s, &s->chains[k]));
    return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "v", 1, "group", text_json(s->c->kafka.group), "now",
                     time_json(s->now_ms, s->now_ms > 0), "kafka", kafka_json(s), "here", here_json(s), "instances",
                     instances_json(s), "partitions", partitions, "models", models);
}

static void status_release(struct status *s)
{
    for (size_t k = 0; k < s->n_chains; k++) {
        free(s->chains[k].key);
        free(s->chains[k].damage);
        free(s->chains[k].open.start);
        drift_look_release(&s->chains[k].look);
    }
    for (size_t i = 0; i < s->n_parts; i++) {
        free(s->parts[i].topic);
        free(s->parts[i].damage);
        drift_slot_show_release(&s->parts[i].slot);
    }
    free(s->chains);
    free(s->parts);
    free(s->ends);
    json_decref(s->here);
    drift_store_free(s->store);
}

static void print(const json_t *j, bool as_json)
{
    struct drift_buf out;
    char *text = as_json ? json_dumps(j, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
    drift_buf_init(&out, PAGE_MAX);
    if (!as_json)
        drift_status_text(j, &out);
    fputs(as_json ? text : out.data, stdout);
    if (as_json)
        putchar('\n');
    drift_buf_release(&out);
    free(text);
}

static int show(const struct drift_config *c, bool kafka, bool as_json)
{
    struct status s = {.c = c, .asked = kafka};
    struct drift_err err;
    int rc = drift_store_new(&c->redis, c->kafka.group, &s.store, &err);
    if (!rc)
        rc = look_at_redis(&s, &err);
    if (!rc) {
        ask_kafka(&s);
        ask_here(&s);
        json_t *j = status_json(&s);
        if (!j)
            drift_bug("the status has no JSON form");
        print(j, as_json);
        json_decref(j);
    }
    status_release(&s);
    return rc ? drift_cli_fail(DRIFT_EXIT_UNAVAILABLE, "status", "%s", err.text) : DRIFT_EXIT_OK;
}

int drift_cmd_status(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"no-kafka", no_argument, NULL, 'K'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *file = NULL;
    bool as_json = false, kafka = true;
    int opt, status;
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (opt == 'h') {
            fputs(help, stdout);
            return DRIFT_EXIT_OK;
        }
        if (opt == '?')
            return DRIFT_EXIT_USAGE;
        as_json = as_json || opt == 'j';
        kafka = kafka && opt != 'K';
        file = opt == 'c' ? optarg : file;
    }
    if (!file || optind < argc)
        return drift_cli_fail(DRIFT_EXIT_USAGE, "status", "give one configuration with -c FILE");
    struct drift_config *c = drift_cli_config(file, &status);
    if (!c)
        return status;
    status = show(c, kafka, as_json);
    drift_config_free(c);
    return status;
}
