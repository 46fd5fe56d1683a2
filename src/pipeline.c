/* src/pipeline.c    Wires every stage: the only file that knows them all. */
#include "driftd/internal/pipeline.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "driftd/internal/act/sender.h"
#include "driftd/internal/base/clock.h"
#include "driftd/internal/base/hash.h"
#include "driftd/internal/base/log.h"
#include "driftd/internal/base/meter.h"
#include "driftd/internal/baseline/baseline.h"
#include "driftd/internal/cli.h"
#include "driftd/internal/config/topics.h"
#include "driftd/internal/ingest/ingest.h"
#include "driftd/internal/judge/judge.h"
#include "driftd/internal/learn.h"
#include "driftd/internal/serve/serve.h"
#include "driftd/internal/store/store.h"

enum {
    POLL_MS = 100,
    JUDGE_IDLE_MS = 500,
    SHUTDOWN_MS = 4500,
    LEAVE_MS = 2500,
    TOPICS_MS = 30000,
    TOPICS_RETRY_MS = 1000,
    PLAN_SLACK_MS = 500, /* what asking the brokers may take */
    LIVE_MS = 60000,
    SAY_MS = 30000,
    LOOK_MS = 30 * 60000, /* at the settings of Redis */
    LOOK_AGAIN_MS = 2000  /* when it did not answer */
};

/* Layouts by baseline, kept until the end: windows in memory point to them. */
struct known_layout {
    char *model, *digest; /* digest "": the bare layout */
    enum drift_chain_kind kind;
    struct drift_layout *layout;
    struct drift_baseline *baseline; /* owns layout; NULL for a bare one */
    int64_t said_ms;                 /* of a baseline that could not be loaded: when that was said; monotonic */
};

struct chain_view { /* what the judge last said of a chain */
    struct drift_chain_id id;
    enum drift_judge_result result;
    bool elected;        /* this instance owns the partition whose owner judges the chain */
    int64_t patience_ms; /* monotonic: when it looks at the chain although it is not elected */
    char waiting[512];
    char early[160];       /* the open window so far, in words; "" when unknown */
    char unmonitored[256]; /* why the last window was not measured; "" when it was */
    uint64_t said;         /* its last complaint; judge thread */
    int64_t said_ms;
};

struct pipeline {
    struct drift_pipeline_settings set;
    const struct drift_config *config;
    struct drift_registry *registry;
    struct drift_store *store_ingest, *store_judge, *store_sender;
    struct drift_ingest *ingest;
    struct drift_judge *judge;
    struct drift_sender *sender;
    struct drift_server *server;
    pthread_t judge_thread, sender_thread, signal_thread;
    bool judge_started, sender_started;
    int judge_wake; /* eventfd */
    atomic_bool stop, judge_stop, sender_stop, fatal;
    atomic_int_fast64_t stop_ms /* when the signal came */, n_judged, ingest_tick, judge_tick, sender_tick,
        judge_rounds_idle;
    atomic_size_t pending;
    /* ingest thread */
    size_t n_layouts;
    struct known_layout *layouts;
    struct drift_learn *learn;
    /* lock: judge thread writes, server reads */
    pthread_mutex_t lock;
    size_t n_chains;
    struct chain_view *chains;
};

static int64_t mono(void)
{
    return drift_mono_ms(&drift_clock_system);
}

/* ---- plans and layouts, for ingest ---- */

static struct drift_layout *remember(struct pipeline *p, const char *model, const char *digest,
                                     enum drift_chain_kind kind, struct drift_baseline *b)
{
    struct drift_layout *l = b && b->chain[kind].layout->n_columns ? b->chain[kind].layout : NULL;
    if (!l) {
        l = drift_layout_new();
        if (!l || drift_layout_seal(l))
            drift_bug("a layout without columns cannot be made");
    }
    p->layouts = drift_xrealloc(p->layouts, p->n_layouts + 1, sizeof *p->layouts);
    p->layouts[p->n_layouts++] = (struct known_layout){drift_xstrdup(model), drift_xstrdup(digest), kind, l, b, mono()};
    return l;
}

/* The baseline that a plan entry names; *ret NULL when it is missing or another one (the model is unmonitored), which
 * is said when `say` is set. */
static int load_baseline(struct pipeline *p, const char *model, const char *id, const char *digest, bool say,
                         struct drift_baseline **ret, struct drift_err *err)
{
    void *bytes;
    size_t len;
    *ret = NULL;
    int rc = drift_store_baseline_get(p->store_ingest, model, id, &bytes, &len, err);
    if (rc == DRIFT_E_AWAY || rc == DRIFT_E_DENIED)
        return rc;
    if (!rc) {
        rc = drift_baseline_load(bytes, len, ret, err);
        free(bytes);
    }
    if (!rc && digest && strcmp((*ret)->digest, digest) != 0) {
        rc = drift_fail(err, DRIFT_E_MISMATCH, DRIFT_SKIP, "baseline %s has digest %.12s, the plan wants %.12s", id,
                        (*ret)->digest, digest);
        drift_baseline_free(*ret);
        *ret = NULL;
    }
    if (rc && say)
        drift_log(DRIFT_ERROR, "model_unmonitored", KV_S("model", model), KV_S("baseline", id),
                  KV_S("text", err->text));
    return 0;
}

/* A baseline that could not be loaded may have been put back.  Windows that were opened without it keep the bare
 * layout, which therefore lives on under a name that nobody asks for. */
static int look_again(struct pipeline *p, size_t index, const struct drift_plan_entry *e, struct drift_layout **ret,
                      struct drift_err *err)
{
    struct known_layout *k = &p->layouts[index];
    struct drift_baseline *b;
    bool say = mono() - k->said_ms >= SAY_MS;
    *ret = k->layout;
    int rc = load_baseline(p, k->model, e->baseline_id, e->baseline_digest, say, &b, err);
    if (say)
        k->said_ms = mono();
    if (rc || !b)
        return rc;
    drift_log(DRIFT_INFO, "baseline_back", KV_S("model", k->model), KV_S("baseline", e->baseline_id),
              KV_S("text", "windows that begin from now on are counted with its cells"));
    k->digest[0] = '!';
    *ret = remember(p, k->model, e->baseline_digest, k->kind, b);
    return 0;
}

static int layout_of(void *ctx, const struct drift_chain *c, const struct drift_plan_entry *e,
                     struct drift_layout **ret, struct drift_err *err)
{
    struct pipeline *p = ctx;
    struct drift_baseline *b = NULL;
    for (size_t i = 0; i < p->n_layouts; i++) {
        const struct known_layout *k = &p->layouts[i];
        if (k->kind == c->kind && !strcmp(k->model, c->model->name) && !strcmp(k->digest, e->baseline_digest)) {
            *ret = k->layout;
            return k->baseline || !e->baseline_id[0] ? 0 : look_again(p, i, e, ret, err);
        }
    }
    int rc =
        e->baseline_id[0] ? load_baseline(p, c->model->name, e->baseline_id, e->baseline_digest, true, &b, err) : 0;
    if (!rc)
        *ret = remember(p, c->model->name, e->baseline_digest, c->kind, b);
    return rc;
}

/* Topics of a chain with their partitions as the broker knows them; DRIFT_E_NOT_FOUND while one is missing. */
static int chain_topics(struct pipeline *p, struct drift_ingest *ing, const struct drift_chain *c,
                        struct drift_plan_entry *e, struct drift_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < c->model->n_streams && !rc; i++)
        if (drift_stream_feeds(&p->config->streams[c->model->streams[i]], c->kind))
            rc = drift_ingest_topics(ing, c->model->streams[i], e, err);
    return rc;
}

static void fill_entry(const struct pipeline *p, const struct drift_chain *c, struct drift_plan_entry *e)
{
    bool label = c->kind == DRIFT_CHAIN_LABEL;
    e->config_hash = drift_xstrdup(p->config->hash);
    e->window_ms = label ? c->model->label_every_ms : c->model->every_ms;
    e->span_ms = label ? c->model->label_window_ms : c->model->window_ms;
    e->lateness_ms = label ? c->model->label_lateness_ms : c->model->lateness_ms;
}

static void free_fields(struct drift_pair fields[2])
{
    for (int i = 0; i < 2; i++) {
        free(fields[i].name);
        free(fields[i].value);
    }
}

/* Adds the time of writing to a chain's first entry, which nobody may count by before it has settled; the script puts
 * it in. */
static void stamp(struct drift_pair *entry)
{
    char *json = entry->value;
    entry->value = drift_xasprintf("%.*s,\"ms\":@now@}", (int)strlen(json) - 1, json);
    entry->len = strlen(entry->value);
    free(json);
}

/* First plan entry of a chain: the active baseline, the configuration at hand, from the beginning of time. */
static int init_chain(struct pipeline *p, struct drift_ingest *ing, const struct drift_chain *c, struct drift_err *err)
{
    struct drift_plan_entry e = {.from_ms = INT64_MIN};
    struct drift_pairs known = {0};
    struct drift_pair fields[2];
    struct drift_baseline *b = NULL;
    enum drift_reply reply;
    char head[DRIFT_HEAD];
    int rc = chain_topics(p, ing, c, &e, err);
    if (!rc)
        rc = drift_store_baseline_list(p->store_ingest, c->model->name, &known, err);
    const struct drift_pair *active = rc ? NULL : drift_pairs_find(&known, "active");
    if (active)
        rc = load_baseline(p, c->model->name, active->value, NULL, true, &b, err);
    if (!rc) {
        e.baseline_id = drift_xstrdup(b ? b->id : "");
        e.baseline_digest = drift_xstrdup(b ? b->digest : "");
        fill_entry(p, c, &e);
        drift_judge_plan_fields(&e, p->config, fields);
        stamp(&fields[0]);
        drift_random_hex32(head);
        rc = drift_store_model_init(p->store_ingest, (struct drift_chain_id){c->model->name, c->kind}, head, fields, 2,
                                    &reply, err);
        free_fields(fields);
        if (!rc && reply == DRIFT_REPLY_OK)
            drift_log(b ? DRIFT_INFO : DRIFT_WARN, "chain_started", KV_S("model", c->model->name),
                      KV_S("chain", drift_chain_name(c->kind)), KV_S("baseline", b ? b->id : "none: unmonitored"));
    }
    drift_baseline_free(b);
    drift_pairs_release(&known);
    drift_plan_entry_release(&e);
    return rc;
}

static bool same_topics(const struct drift_plan_entry *a, const struct drift_plan_entry *b)
{
    if (a->n_topics != b->n_topics)
        return false;
    for (size_t i = 0; i < a->n_topics; i++)
        if (!drift_plan_has_partition(b, a->topics[i].topic, a->topics[i].partitions - 1) ||
            drift_plan_has_partition(b, a->topics[i].topic, a->topics[i].partitions))
            return false;
    return true;
}

/* Writes `e` behind the chain's last entry; the baseline stays.  Somebody else may be first, or the clock: then the
 * chain is read anew soon. */
static int add_entry(struct pipeline *p, struct drift_chain *c, const char *head, int64_t now_ms,
                     struct drift_plan_entry *e, const char *why, struct drift_err *err)
{
    const struct drift_plan_entry *last = &c->plan.entry[c->plan.n - 1];
    int64_t margin = drift_judge_margin_ms(&p->config->state), earliest = now_ms + margin + PLAN_SLACK_MS;
    enum drift_reply reply;
    struct drift_pair fields[2];
    char fresh[DRIFT_HEAD], at[32];
    fill_entry(p, c, e);
    e->seq = last->seq + 1;
    e->baseline_id = drift_xstrdup(last->baseline_id);
    e->baseline_digest = drift_xstrdup(last->baseline_digest);
    if (c->judged_until_ms > earliest) /* --until-end judges windows that the clock has not reached */
        earliest = c->judged_until_ms;
    e->from_ms = drift_plan_boundary(&c->plan, earliest, e->window_ms);
    if (e->from_ms == INT64_MAX)
        return drift_fail(err, DRIFT_E_RANGE, DRIFT_RETRY,
                          "windows of %" PRId64 " ms never begin together with those of %" PRId64
                          " ms that the plan has: choose a length that divides the other",
                          e->window_ms, last->window_ms);
    drift_judge_plan_fields(e, p->config, fields);
    drift_random_hex32(fresh);
    int rc = drift_store_plan_add(p->store_ingest, (struct drift_chain_id){c->model->name, c->kind}, head, fresh,
                                  e->from_ms, last->from_ms, margin, fields, 2, &reply, &now_ms, err);
    free_fields(fields);
    if (!rc && reply != DRIFT_REPLY_OK && reply != DRIFT_REPLY_DUP)
        c->topics_mono_ms = mono() - TOPICS_MS + TOPICS_RETRY_MS;
    if (!rc && reply == DRIFT_REPLY_OK)
        drift_log(DRIFT_INFO, "plan_extended", KV_S("model", c->model->name), KV_S("chain", drift_chain_name(c->kind)),
                  KV_S("why", why), KV_S("from", drift_time_text(e->from_ms, at, sizeof at)));
    return rc;
}

static bool matches_pattern(const struct pipeline *p, const struct drift_chain *c, const char *topic)
{
    for (size_t i = 0; i < c->model->n_streams; i++) {
        const struct drift_stream *s = &p->config->streams[c->model->streams[i]];
        for (size_t t = 0; drift_stream_feeds(s, c->kind) && t < s->n_topics; t++)
            if (drift_topic_is_pattern(s->topics[t]) && drift_topic_matches(s->topics[t], topic))
                return true;
    }
    return false;
}

/* A topic that was found by its pattern and is not listed now may be out of sight for a moment only, and what comes
 * while it is not in the plan would be lost: it stays in `e` for twice as long as a silent partition holds windows. */
static void keep_missing(struct pipeline *p, struct drift_chain *c, struct drift_plan_entry *e)
{
    const struct drift_plan_entry *last = &c->plan.entry[c->plan.n - 1];
    int64_t now = mono(), idle = p->config->state.idle_after_ms, since = c->missing_mono_ms;
    size_t listed = e->n_topics;
    c->missing_mono_ms = 0;
    for (size_t t = 0; t < last->n_topics; t++) {
        const struct drift_plan_topic *topic = &last->topics[t];
        bool found = false;
        for (size_t i = 0; i < listed; i++)
            found = found || !strcmp(e->topics[i].topic, topic->topic);
        if (found || !matches_pattern(p, c, topic->topic))
            continue;
        c->missing_mono_ms = since ? since : now;
        if (now - c->missing_mono_ms >= 2 * idle) {
            drift_log(DRIFT_WARN, "topic_vanished", KV_S("model", c->model->name), KV_S("topic", topic->topic),
                      KV_S("text", "it is not listed any more and leaves the plan"));
            c->topics_mono_ms = now - TOPICS_MS + TOPICS_RETRY_MS; /* its partitions are released then */
            continue;
        }
        e->topics = drift_xrealloc(e->topics, e->n_topics + 1, sizeof *e->topics);
        e->topics[e->n_topics++] = (struct drift_plan_topic){drift_xstrdup(topic->topic), topic->partitions};
        c->topics_mono_ms = now - TOPICS_MS + (idle < TOPICS_MS ? idle : TOPICS_MS);
    }
}

/* Partitions that the plan has had, that no topic has any more and nobody can read: their watermarks go where the
 * partitions' last entry ends, but never past the clock, or the windows before it would wait for ever. */
static int release_vanished(struct pipeline *p, struct drift_ingest *ing, struct drift_chain *c, int64_t now_ms,
                            struct drift_err *err)
{
    const struct drift_plan *plan = &c->plan;
    const struct drift_plan_entry *last = &plan->entry[plan->n - 1];
    enum drift_reply reply;
    char head[DRIFT_HEAD];
    int rc = 0;
    for (size_t i = 0; i + 1 < plan->n && last->from_ms > c->judged_until_ms; i++) {
        if (plan->entry[i + 1].from_ms <= c->judged_until_ms)
            continue;
        for (size_t t = 0; t < plan->entry[i].n_topics; t++) {
            const struct drift_plan_topic *topic = &plan->entry[i].topics[t];
            if (drift_plan_has_partition(last, topic->topic, 0) || !matches_pattern(p, c, topic->topic) ||
                drift_ingest_partitions(ing, topic->topic) > 0)
                continue;
            int64_t to = drift_plan_close_ms(plan, drift_plan_window_start(plan, last->from_ms - 1));
            for (int32_t n = 0; n < topic->partitions && !rc; n++) {
                drift_random_hex32(head);
                rc = drift_store_force(p->store_ingest, (struct drift_slot_id){topic->topic, n}, head,
                                       to < now_ms ? to : now_ms, p->config->state.settle_ms, &reply, &now_ms, err);
            }
            c->topics_mono_ms = mono() - TOPICS_MS + TOPICS_RETRY_MS;
        }
    }
    return rc;
}

static bool is_elected(struct pipeline *p, const struct drift_chain *c)
{
    bool elected = false;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n_chains; i++)
        if (p->chains[i].id.kind == c->kind && p->chains[i].id.model == c->model->name)
            elected = p->chains[i].elected;
    pthread_mutex_unlock(&p->lock);
    return elected;
}

/* A changed configuration or partition count holds from a window start far enough ahead.  Brokers that do not answer
 * change nothing: the plan that was read holds. */
static int extend_plan(struct pipeline *p, struct drift_ingest *ing, struct drift_chain *c, const char *head,
                       int64_t now_ms, struct drift_err *err)
{
    const struct drift_plan_entry *last = &c->plan.entry[c->plan.n - 1];
    struct drift_plan_entry e = {0};
    struct drift_err away;
    bool other = strcmp(last->config_hash, p->config->hash) != 0;
    if (other && c->announced) {
        if (c->announced_over != last->seq)
            drift_log(
                DRIFT_WARN, "other_configuration", KV_S("model", c->model->name),
                KV_S("chain", drift_chain_name(c->kind)), KV_S("config", last->config_hash),
                KV_S("text",
                     "another instance runs another configuration, which holds from now on: restart this one with it"));
        c->announced_over = last->seq;
        return 0;
    }
    c->announced = c->announced || !other;
    if (c->topics_mono_ms && mono() - c->topics_mono_ms < (other ? TOPICS_RETRY_MS : TOPICS_MS))
        return 0;
    c->topics_mono_ms = mono();
    int rc = 0;
    if (!chain_topics(p, ing, c, &e, &away)) {
        keep_missing(p, c, &e);
        if (other || !same_topics(&e, last))
            rc = add_entry(p, c, head, now_ms, &e, other ? "configuration changed" : "partitions changed", err);
        if (!rc && is_elected(p, c))
            rc = release_vanished(p, ing, c, now_ms, err);
    }
    drift_plan_entry_release(&e);
    return rc;
}

/* One instance judges a chain, to save the others the work: the owner of partition hash(model) mod n of its first
 * topic.  Several at once would do no harm. */
static void elect(struct pipeline *p, struct drift_ingest *ing, const struct drift_chain *c)
{
    const struct drift_plan_entry *e = &c->plan.entry[c->plan.n - 1];
    uint32_t hash = drift_crc32c(c->model->name, strlen(c->model->name));
    bool elected =
        e->n_topics && drift_ingest_owns(ing, e->topics[0].topic, (int32_t)(hash % (uint32_t)e->topics[0].partitions));
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n_chains; i++)
        if (p->chains[i].id.kind == c->kind && p->chains[i].id.model == c->model->name)
            p->chains[i].elected = elected;
    pthread_mutex_unlock(&p->lock);
}

/* Headers first: whatever window they speak of, the plan that is read after them has it. */
static int read_chain(struct pipeline *p, struct drift_chain_id id, struct drift_pairs *fields,
                      struct drift_pairs *headers, int64_t *ret_now_ms, struct drift_err *err)
{
    int rc = drift_store_headers(p->store_ingest, id, headers, err);
    if (rc)
        return rc;
    rc = drift_store_model_read(p->store_ingest, id, fields, ret_now_ms, err);
    if (rc)
        drift_pairs_release(headers);
    return rc;
}

static int refresh(void *ctx, struct drift_ingest *ing, struct drift_chain *c, struct drift_err *err)
{
    struct pipeline *p = ctx;
    struct drift_chain_id id = {c->model->name, c->kind};
    struct drift_pairs fields, headers;
    int64_t now_ms;
    int rc = read_chain(p, id, &fields, &headers, &now_ms, err);
    if (rc)
        return rc;
    if (!drift_pairs_find(&fields, "head")) {
        drift_pairs_release(&fields);
        drift_pairs_release(&headers);
        rc = init_chain(p, ing, c, err);
        if (!rc)
            rc = read_chain(p, id, &fields, &headers, &now_ms, err);
        if (rc)
            return rc;
    }
    const struct drift_pair *head = drift_pairs_find(&fields, "head");
    rc = drift_chain_update(c, &fields, &headers, layout_of, p, err);
    drift_pairs_release(&headers);
    if (!rc)
        elect(p, ing, c);
    if (!rc && head)
        rc = extend_plan(p, ing, c, head->value, now_ms, err);
    if (!rc) {
        c->redis_ms = now_ms;
        drift_learn_consider(p->learn, c, mono());
    }
    drift_pairs_release(&fields);
    return rc;
}

/* ---- judge ---- */

static void wake_judge(void *ctx)
{
    struct pipeline *p = ctx;
    uint64_t one = 1;
    if (write(p->judge_wake, &one, sizeof one) < 0) {
        /* full counter: it is awake already */
    }
}

/* "14:05:00", of a time that falls on a second; with .mmm when not. */
static void clock_text(int64_t ms, char *buf, size_t cap)
{
    char full[32];
    drift_time_text(ms, full, sizeof full);
    snprintf(buf, cap, "%.*s", (int)strlen(full) - 12, full + 11);
}

/* lock held */
static void note_early(struct pipeline *p, const char *model, enum drift_chain_kind kind, const char *text)
{
    for (size_t i = 0; i < p->n_chains; i++)
        if (p->chains[i].id.kind == kind && !strcmp(p->chains[i].id.model, model))
            snprintf(p->chains[i].early, sizeof p->chains[i].early, "%s", text);
}

static void early(void *ctx, const char *model, const struct drift_verdict *v, enum drift_severity worst,
                  size_t n_actions)
{
    struct pipeline *p = ctx;
    char from[32], to[32], text[160];
    snprintf(text, sizeof text, "%s to %s: %" PRIu64 " events so far, %s",
             drift_time_text(v->from_ms, from, sizeof from), drift_time_text(v->end_ms, to, sizeof to), v->n,
             v->kind != DRIFT_VERDICT_OK ? drift_verdict_kind_name(v->kind)
             : worst                     ? drift_severity_name(worst)
                                         : "ok");
    if (n_actions)
        drift_sender_poke(p->sender);
    pthread_mutex_lock(&p->lock);
    note_early(p, model, v->chain, text);
    pthread_mutex_unlock(&p->lock);
}

static void judged(void *ctx, const char *model, const struct drift_verdict *v, enum drift_severity worst,
                   size_t n_actions)
{
    struct pipeline *p = ctx;
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m"};
    const char *word =
        v->kind == DRIFT_VERDICT_OK ? (worst ? drift_severity_name(worst) : "ok") : drift_verdict_kind_name(v->kind);
    char from[32], to[32], full[32];
    bool tty = isatty(STDOUT_FILENO);
    atomic_fetch_add(&p->n_judged, 1);
    if (n_actions)
        drift_sender_poke(p->sender);
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n_chains; i++)
        if (p->chains[i].id.kind == v->chain && !strcmp(p->chains[i].id.model, model))
            snprintf(p->chains[i].unmonitored, sizeof p->chains[i].unmonitored, "%s",
                     v->unmonitored_why ? v->unmonitored_why : "");
    note_early(p, model, v->chain, "");
    pthread_mutex_unlock(&p->lock);
    if (!p->set.windows)
        return;
    clock_text(v->from_ms, from, sizeof from);
    clock_text(v->end_ms, to, sizeof to);
    drift_time_text(v->from_ms, full, sizeof full);
    printf("window   %-20s %-5s  %.10s %s-%s  n=%-7" PRIu64 " %s%s%s%s\n", model, drift_chain_name(v->chain), full,
           from, to, v->n, tty ? colours[worst] : "", word, tty ? "\033[0m" : "", n_actions ? "  ->" : "");
    fflush(stdout);
}

/* Is it this instance's turn to look at the chain? */
static bool my_turn(struct pipeline *p, struct chain_view *c)
{
    pthread_mutex_lock(&p->lock);
    bool turn = c->elected || mono() >= c->patience_ms;
    pthread_mutex_unlock(&p->lock);
    if (turn)
        c->patience_ms = mono() + p->config->state.judge_patience_ms;
    return turn;
}

static bool is_my_chain(struct pipeline *p, const struct chain_view *c)
{
    pthread_mutex_lock(&p->lock);
    bool elected = c->elected && !p->set.until_end;
    pthread_mutex_unlock(&p->lock);
    return elected;
}

/* At once, and every half minute while nothing changes. */
static void complain(struct chain_view *c, int rc, const char *text)
{
    uint64_t mark = drift_hash64(text, strlen(text));
    if (mark == c->said && mono() - c->said_ms < SAY_MS)
        return;
    c->said = mark;
    c->said_ms = mono();
    drift_log(rc == DRIFT_E_AWAY ? DRIFT_WARN : DRIFT_ERROR, "judge_waits", KV_S("model", c->id.model),
              KV_S("chain", drift_chain_name(c->id.kind)), KV_S("text", text));
}

/* Judges whatever can be judged now.  True: every chain is idle. */
static bool judge_round(struct pipeline *p)
{
    struct drift_buf waiting;
    struct drift_err err;
    bool idle = true;
    drift_buf_init(&waiting, 400);
    for (size_t i = 0; i < p->n_chains && !atomic_load(&p->judge_stop); i++) {
        enum drift_judge_result result;
        int rc;
        if (!p->set.until_end && !my_turn(p, &p->chains[i]))
            continue;
        do {
            drift_buf_reset(&waiting);
            rc = drift_judge_step(p->judge, p->chains[i].id, &result, &waiting, &err);
            atomic_store(&p->judge_tick, mono());
        } while (!rc && (result == DRIFT_JUDGE_JUDGED || result == DRIFT_JUDGE_AGAIN) && !atomic_load(&p->judge_stop));
        if (!rc && is_my_chain(p, &p->chains[i]))
            rc = drift_judge_early(p->judge, p->chains[i].id, &err);
        if (rc) {
            complain(&p->chains[i], rc, err.text);
            result = DRIFT_JUDGE_WAITING;
            drift_buf_adds(&waiting, err.text);
        }
        idle = idle && result == DRIFT_JUDGE_IDLE;
        pthread_mutex_lock(&p->lock);
        p->chains[i].result = result;
        snprintf(p->chains[i].waiting, sizeof p->chains[i].waiting, "%s", waiting.data ? waiting.data : "");
        pthread_mutex_unlock(&p->lock);
        if (rc == DRIFT_E_AWAY || rc == DRIFT_E_DENIED) /* of Redis; anything else is the chain's own trouble */
            break;
    }
    drift_buf_release(&waiting);
    return idle;
}

static void redis_unsafe(void *ctx, bool bad, const char *text)
{
    const struct drift_store_health *h = ctx;
    drift_log(bad ? DRIFT_ERROR : DRIFT_WARN, "redis_unsafe", KV_S("redis", h->address), KV_S("text", text));
}

/* What Redis is set to, when it answers first and now and then later: another server may be master by then. */
static int64_t look_at_redis(struct pipeline *p)
{
    struct drift_store_health h;
    struct drift_err err;
    size_t n = 0;
    int rc;
    while (!(rc = drift_store_health_of(p->store_judge, n, &h, &err))) {
        drift_store_health_judge(&h, p->config->state.settle_ms, redis_unsafe, &h);
        n++;
    }
    return mono() + (rc == DRIFT_E_NOT_FOUND ? LOOK_MS : LOOK_AGAIN_MS);
}

static void *judge_main(void *ctx)
{
    struct pipeline *p = ctx;
    uint64_t n;
    int64_t look_ms = 0;
    while (!atomic_load(&p->judge_stop)) {
        if (mono() >= look_ms)
            look_ms = look_at_redis(p);
        bool idle = judge_round(p);
        if (idle) /* added, not stored: the ingest thread may set it back meanwhile */
            atomic_fetch_add(&p->judge_rounds_idle, 1);
        else
            atomic_store(&p->judge_rounds_idle, 0);
        struct pollfd wake = {p->judge_wake, POLLIN, 0};
        if (poll(&wake, 1, p->set.until_end ? POLL_MS : JUDGE_IDLE_MS) > 0 && read(p->judge_wake, &n, sizeof n) < 0) {
            /* nothing to take back */
        }
    }
    return NULL;
}

/* ---- sender ---- */

static void *sender_main(void *ctx)
{
    struct pipeline *p = ctx;
    uint64_t said = 0;
    int64_t said_ms = 0;
    while (!atomic_load(&p->sender_stop)) {
        struct drift_err err;
        size_t pending = 1;
        int rc = drift_sender_step(p->sender, POLL_MS, &pending, &err); /* backs off by itself */
        atomic_store(&p->pending, pending);
        atomic_store(&p->sender_tick, mono());
        uint64_t mark = rc ? drift_hash64(err.text, strlen(err.text)) : said;
        if (!rc || (mark == said && mono() - said_ms < SAY_MS)) /* as complain() */
            continue;
        said = mark;
        said_ms = mono();
        drift_log(DRIFT_WARN, "sender_waits", KV_S("text", err.text));
    }
    return NULL;
}

/* ---- health ---- */

static bool live(void *ctx)
{
    struct pipeline *p = ctx;
    int64_t now = mono();
    return now - atomic_load(&p->ingest_tick) < LIVE_MS && now - atomic_load(&p->judge_tick) < LIVE_MS &&
           now - atomic_load(&p->sender_tick) < LIVE_MS;
}

static void detail_partition(void *ctx, const struct drift_ingest_partition_stats *s)
{
    if (!s->active)
        drift_buf_addf(ctx, "partition %s/%" PRId32 ": %s\n", s->topic, s->number,
                       s->waiting ? s->waiting : "not fetched");
}

static bool ready(void *ctx, struct drift_buf *detail)
{
    struct pipeline *p = ctx;
    struct drift_ingest_stats s;
    drift_ingest_stats(p->ingest, &s, detail_partition, detail);
    drift_buf_addf(detail, "redis: %s\n", s.redis_up ? "ok" : "away");
    drift_buf_addf(detail, "kafka: %s\n", s.kafka_up ? "ok" : "away");
    drift_buf_adds(detail, s.refused);
    drift_buf_addf(detail, "group: %s, %zu of %zu partitions read\n", s.joined ? "joined" : "not joined", s.active,
                   s.granted);
    if (p->registry)
        drift_buf_addf(detail, "registry: %s\n", drift_registry_healthy(p->registry) ? "ok" : "away");
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n_chains; i++)
        if (p->chains[i].unmonitored[0] || p->chains[i].waiting[0])
            drift_buf_addf(detail, "model %s (%s): %s%s%s%s\n", p->chains[i].id.model,
                           drift_chain_name(p->chains[i].id.kind), p->chains[i].unmonitored[0] ? "unmonitored: " : "",
                           p->chains[i].unmonitored, p->chains[i].unmonitored[0] && p->chains[i].waiting[0] ? "; " : "",
                           p->chains[i].waiting);
    pthread_mutex_unlock(&p->lock);
    bool good = s.redis_up && s.kafka_up && s.joined && s.all_active && !s.refused[0];
    drift_gauge(DRIFT_M_READY, good);
    return good;
}

static void status_partition(void *ctx, const struct drift_ingest_partition_stats *s)
{
    char wm[32];
    json_array_append_new(
        ctx,
        json_pack("{s:s, s:i, s:b, s:b, s:I, s:I, s:o, s:s?, s:s?}", "topic", s->topic, "partition", (int)s->number,
                  "active", s->active, "end", s->eof, "next", (json_int_t)s->next, "high", (json_int_t)s->high, "lag",
                  s->next < 0 || s->high < 0 ? json_null() : json_integer(s->high > s->next ? s->high - s->next : 0),
                  "watermark", s->watermark_ms == INT64_MIN ? NULL : drift_time_text(s->watermark_ms, wm, sizeof wm),
                  "waits", s->waiting));
}

static void status(void *ctx, struct drift_buf *out)
{
    struct pipeline *p = ctx;
    struct drift_ingest_stats s;
    json_t *partitions = json_array(), *models = json_array();
    drift_ingest_stats(p->ingest, &s, status_partition, partitions);
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n_chains; i++)
        json_array_append_new(models, json_pack("{s:s, s:s, s:s, s:s}", "model", p->chains[i].id.model, "chain",
                                                drift_chain_name(p->chains[i].id.kind), "waits", p->chains[i].waiting,
                                                "preliminary", p->chains[i].early));
    pthread_mutex_unlock(&p->lock);
    json_t *j = json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:o, s:I}", "version", DRIFTD_VERSION, "group",
                          p->config->kafka.group, "instance", p->set.instance, "redis", s.redis_up, "joined", s.joined,
                          "partitions", partitions, "models", models, "outbox", (json_int_t)atomic_load(&p->pending));
    char *text = json_dumps(j, JSON_INDENT(1) | JSON_SORT_KEYS);
    drift_buf_adds(out, text ? text : "{}");
    free(text);
    json_decref(j);
}

/* ---- life ---- */

static void *signal_main(void *ctx)
{
    struct pipeline *p = ctx;
    sigset_t set;
    struct timespec limit = {SHUTDOWN_MS / 1000, (SHUTDOWN_MS % 1000 + 300) * 1000000L};
    int got;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1); /* the pipeline ends by itself: nothing to watch */
    do {
        sigwait(&set, &got);
        if (got == SIGUSR1)
            return NULL;
    } while (got != SIGTERM && got != SIGINT);
    drift_log(DRIFT_INFO, "stopping", KV_S("signal", got == SIGTERM ? "SIGTERM" : "SIGINT"));
    atomic_store(&p->stop_ms, mono());
    atomic_store(&p->stop, true);
    got = sigtimedwait(&set, NULL, &limit);
    if (got == SIGUSR1)
        return NULL;
    drift_log(DRIFT_WARN, "stopped_hard",
              KV_S("text", got > 0 ? "second signal" : "shutdown took too long; what is not flushed is read again"));
    _exit(got > 0 ? 128 + got : 0);
}

static int open_servers(struct pipeline *p, struct drift_err *err)
{
    const struct drift_config *c = p->config;
    struct drift_store **stores[] = {&p->store_ingest, &p->store_judge, &p->store_sender};
    int rc = 0;
    for (int i = 0; i < 3 && !rc; i++)
        rc = drift_store_new(&c->redis, c->kafka.group, stores[i], err);
    if (!rc && c->registry_url) {
        char *password = NULL;
        if (c->registry_password.file || c->registry_password.env)
            rc = drift_secret_load(&c->registry_password, &password, err);
        struct drift_registry_settings rs = {c->registry_url, c->registry_username, password, 5000, 1000};
        if (!rc)
            rc = drift_registry_new(&rs, &p->registry, err);
        drift_secret_free(password);
    }
    return rc;
}

static int open_stages(struct pipeline *p, struct drift_err *err)
{
    const struct drift_config *c = p->config;
    struct drift_ingest_settings is = {
        c, p->store_ingest, p->registry, &drift_clock_system, p->set.instance, p->set.until_end, refresh, wake_judge,
        p};
    struct drift_judge_settings js = {c, p->store_judge, judged, p, &drift_clock_system, early};
    struct drift_sender_settings ss = {c, p->store_sender, &drift_clock_system, p->set.until_end, p->set.instance};
    struct drift_server_settings hs = {c->http.listen, live, ready, status, p};
    int rc = drift_ingest_new(&is, &p->ingest, err);
    if (!rc)
        rc = drift_judge_new(&js, &p->judge, err);
    if (!rc)
        rc = drift_sender_new(&ss, &p->sender, err);
    if (!rc && c->http.listen)
        rc = drift_server_new(&hs, &p->server, err);
    return rc;
}

static void list_chains(struct pipeline *p)
{
    const struct drift_config *c = p->config;
    p->chains = drift_xcalloc(c->n_models * DRIFT_N_CHAIN, sizeof *p->chains);
    for (size_t m = 0; m < c->n_models; m++)
        for (int k = 0; k < DRIFT_N_CHAIN; k++) {
            bool fed = false;
            for (size_t i = 0; i < c->models[m].n_streams; i++)
                fed = fed || drift_stream_feeds(&c->streams[c->models[m].streams[i]], (enum drift_chain_kind)k);
            if (fed)
                p->chains[p->n_chains++].id = (struct drift_chain_id){c->models[m].name, (enum drift_chain_kind)k};
        }
}

/* Reads until told to stop, or to the end of the log and until every window is judged. */
static int ingest_loop(struct pipeline *p, struct drift_err *err)
{
    int64_t finished_ms = 0, n_judged = 0, limit = p->config->state.settle_ms + 60000;
    while (!atomic_load(&p->stop)) {
        int rc = drift_ingest_step(p->ingest, POLL_MS, err);
        atomic_store(&p->ingest_tick, mono());
        if (rc)
            return rc;
        if (!p->set.until_end || !drift_ingest_finished(p->ingest))
            continue;
        if (!finished_ms) {
            finished_ms = mono();
            atomic_store(&p->judge_rounds_idle, 0);
            wake_judge(p);
        }
        if (atomic_load(&p->n_judged) != n_judged) { /* it goes on */
            n_judged = atomic_load(&p->n_judged);
            finished_ms = mono();
        }
        if (atomic_load(&p->judge_rounds_idle) >= 2) /* one whole round began after the last advance */
            return 0;
        if (mono() - finished_ms > limit)
            return drift_fail(err, DRIFT_E_AWAY, DRIFT_STOP,
                              "the last windows were not judged within %" PRId64 " s after the end of the log",
                              limit / 1000);
    }
    return 0;
}

static void drain_outbox(struct pipeline *p, int64_t limit_ms)
{
    int64_t until = mono() + limit_ms;
    drift_sender_poke(p->sender);
    while (!drift_sender_drained(p->sender) && mono() < until)
        poll(NULL, 0, 20);
    if (!drift_sender_drained(p->sender))
        drift_log(DRIFT_WARN, "outbox_left", KV_U("entries", atomic_load(&p->pending)),
                  KV_S("text", "delivered when driftd runs again"));
}

static void close_all(struct pipeline *p)
{
    if (p->server)
        drift_server_free(p->server);
    drift_ingest_free(p->ingest, LEAVE_MS);
    drift_learn_free(p->learn);
    atomic_store(&p->judge_stop, true);
    wake_judge(p);
    if (p->judge_started)
        pthread_join(p->judge_thread, NULL);
    if (p->sender_started) {
        int64_t asked = atomic_load(&p->stop_ms);
        drain_outbox(p, asked              ? asked + SHUTDOWN_MS - mono()
                        : p->set.until_end ? p->set.drain_ms
                                           : SHUTDOWN_MS - LEAVE_MS);
        atomic_store(&p->sender_stop, true);
        drift_sender_poke(p->sender);
        pthread_join(p->sender_thread, NULL);
    }
    drift_sender_free(p->sender);
    drift_judge_free(p->judge);
    drift_registry_free(p->registry);
    drift_store_free(p->store_ingest);
    drift_store_free(p->store_judge);
    drift_store_free(p->store_sender);
    for (size_t i = 0; i < p->n_layouts; i++) {
        struct known_layout *k = &p->layouts[i];
        if (!k->baseline || k->layout != k->baseline->chain[k->kind].layout)
            drift_layout_free(k->layout);
        drift_baseline_free(k->baseline);
        free(k->model);
        free(k->digest);
    }
    free(p->layouts);
    free(p->chains);
    close(p->judge_wake);
    pthread_mutex_destroy(&p->lock);
}

int drift_pipeline_run(const struct drift_pipeline_settings *s)
{
    struct pipeline p = {.set = *s, .config = s->config};
    struct drift_err err = {.text = ""};
    sigset_t block;
    bool watched = false;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    sigaddset(&block, SIGINT);
    sigaddset(&block, SIGUSR1);
    sigaddset(&block, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &block, NULL); /* before any library makes threads */
    pthread_mutex_init(&p.lock, NULL);
    p.judge_wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    atomic_store(&p.ingest_tick, mono());
    atomic_store(&p.judge_tick, mono());
    atomic_store(&p.sender_tick, mono());
    curl_global_init(CURL_GLOBAL_DEFAULT);
    list_chains(&p);
    p.learn = drift_learn_new(s->config);
    drift_gauge(DRIFT_M_REDIS_UP, 1);
    drift_gauge(DRIFT_M_CONFIG_INFO, 1, s->config->hash, s->config->change.version ? s->config->change.version : "");
    int rc = open_servers(&p, &err);
    if (!rc)
        rc = open_stages(&p, &err);
    if (!rc) {
        watched = !pthread_create(&p.signal_thread, NULL, signal_main, &p);
        p.judge_started = !pthread_create(&p.judge_thread, NULL, judge_main, &p);
        p.sender_started = !pthread_create(&p.sender_thread, NULL, sender_main, &p);
        drift_log(DRIFT_INFO, "started", KV_S("version", DRIFTD_VERSION), KV_S("group", s->config->kafka.group),
                  KV_S("config", s->config->hash), KV_S("instance", s->instance));
        rc = ingest_loop(&p, &err);
    }
    if (rc)
        drift_log(DRIFT_ERROR, "fatal", KV_S("code", drift_code_name((enum drift_code)rc)), KV_S("text", err.text));
    close_all(&p);
    if (watched) {
        pthread_kill(p.signal_thread, SIGUSR1);
        pthread_join(p.signal_thread, NULL);
    }
    curl_global_cleanup();
    return !rc ? DRIFT_EXIT_OK : rc == DRIFT_E_CONFIG ? DRIFT_EXIT_CONFIG : DRIFT_EXIT_SOFTWARE;
}
