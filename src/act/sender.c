/* src/act/sender.c    Delivers what the chains' outboxes hold: the loop around queue, delivery and Redis.
 *
 * Redis is the truth: leases are taken, then the outbox is read once more (somebody else may have sent the action
 * between the last look and the lease), then attempts start, and the outcome is written behind each.  So a restart goes
 * on where this process stopped and two processes do not send the same action, but for a crash in between: at least
 * once.  An endpoint that fails again and again gets one probe per back-off; its steps then hold up nobody else's. */
#include "driftd/internal/act/sender.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/act/circuit.h"
#include "driftd/internal/act/delivery.h"
#include "driftd/internal/act/notice.h"
#include "driftd/internal/act/queue.h"
#include "driftd/internal/base/log.h"
#include "driftd/internal/base/meter.h"

enum {
    IN_FLIGHT_MAX = 32,
    SLOW_MS = 2000, /* under way so long: steps elsewhere stop waiting for it */
    POLL_PENDING_MS = 1000,
    POLL_IDLE_MS = 5000,
    POLL_BRIEF_MS = 500,
    REDIS_AGAIN_MS = 500,
    LOOK_AGAIN_MS = 100,
    LEASE_SLACK_MS = 15000,
    LATE_QUIET_MS = 3000, /* a notice waits until so long no more old entries have come ... */
    LATE_WAIT_MS = 60000, /* ... but no longer than this */
    DROP_AT_ONCE = 100
};

struct chain {
    struct drift_chain_id id;
    struct drift_queue queue;
    int64_t read_ms, next_read_ms; /* monotonic */
    size_t n_late;                 /* too old entries that no notice has yet; since when, and since when so many */
    int64_t late_since_ms, late_changed_ms;
};

/* Too old entries of one chain and endpoint, announced together. */
struct notice {
    struct notice *next;
    size_t chain, target;
    size_t n;
    struct drift_queued **entries; /* in_flight; [0] carries the lease */
    char id[33];
    char *body;
    struct drift_retry state;
    bool in_flight;
};

struct transfer {
    struct drift_delivery *delivery; /* NULL: free */
    size_t chain, target;
    struct drift_queued *entry; /* or */
    struct notice *notice;
    int64_t started_ms; /* monotonic */
};

struct drift_sender {
    struct drift_sender_settings settings;
    CURLM *multi;
    struct drift_target *routes; /* [n_targets]; same index as targets and the configuration's endpoints */
    struct drift_circuit *circuits;
    size_t n_targets;
    struct chain *chains;
    size_t n_chains;
    struct transfer transfers[IN_FLIGHT_MAX];
    unsigned n_in_flight;
    struct notice *notices;
    bool dirty;            /* something changed: look who may go */
    int64_t look_again_ms; /* monotonic */
    int64_t redis_at_ms;   /* monotonic: not before, after an error ... */
    struct drift_err away; /* ... which is this one */
    bool is_away;
    atomic_uint asked;   /* pokes ... */
    unsigned read_for;   /* ... and the last one that every chain was read for */
    atomic_uint drained; /* the last poke after which nothing was left; 0: none */
};

static int64_t mono(const struct drift_sender *s)
{
    return drift_mono_ms(s->settings.clock);
}
static int64_t wall(const struct drift_sender *s)
{
    return drift_wall_ms(s->settings.clock);
}
static const char *target_name(const struct drift_sender *s, size_t t)
{
    return s->settings.config->endpoints[t].name;
}

static struct drift_queue_rules rules_of(const struct drift_sender *s)
{
    return (struct drift_queue_rules){
        .targets = s->routes,
        .n_targets = s->n_targets,
        .instance = s->settings.instance,
        .max_age_ms = s->settings.until_end ? 0 : s->settings.config->state.max_action_age_ms,
        .brief = s->settings.until_end,
    };
}

/* ---- life ---- */

int drift_sender_new(const struct drift_sender_settings *settings, struct drift_sender **ret, struct drift_err *err)
{
    const struct drift_config *c = settings->config;
    struct drift_sender *s = drift_xcalloc(1, sizeof *s);
    s->settings = *settings;
    s->n_targets = c->n_endpoints;
    s->routes = drift_xcalloc(c->n_endpoints + 1, sizeof *s->routes);
    s->circuits = drift_xcalloc(c->n_endpoints + 1, sizeof *s->circuits);
    s->chains = drift_xcalloc(c->n_models * DRIFT_N_CHAIN + 1, sizeof *s->chains);
    for (size_t m = 0; m < c->n_models; m++)
        for (int k = 0; k < DRIFT_N_CHAIN; k++)
            s->chains[s->n_chains++].id =
                (struct drift_chain_id){.model = c->models[m].name, .kind = (enum drift_chain_kind)k};
    int r = 0;
    for (size_t i = 0; !r && i < c->n_endpoints; i++) {
        s->routes[i].endpoint = &c->endpoints[i];
        r = drift_delivery_secrets(&c->endpoints[i], &s->routes[i].secrets, err);
        s->routes[i].n_secrets = r ? 0 : c->endpoints[i].n_secrets;
    }
    if (!r && !(s->multi = drift_delivery_multi(IN_FLIGHT_MAX)))
        r = drift_fail(err, DRIFT_E_MEMORY, DRIFT_STOP, "no memory for the sender's transfers");
    if (r) {
        drift_sender_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

static void notice_free(struct notice *n)
{
    for (size_t i = 0; i < n->n; i++)
        n->entries[i]->in_flight = false;
    free(n->entries);
    free(n->body);
    free(n);
}

void drift_sender_poke(struct drift_sender *s)
{
    atomic_fetch_add(&s->asked, 1);
    curl_multi_wakeup(s->multi);
}

bool drift_sender_drained(const struct drift_sender *s)
{
    unsigned drained = atomic_load(&s->drained);
    return drained && drained == atomic_load(&s->asked);
}

/* ---- Redis: states out, entries in ---- */

static int save_state(struct drift_sender *s, struct chain *c, struct drift_queued *e, struct drift_err *err)
{
    char *text = drift_retry_text(&e->state);
    int r = drift_store_out_state(s->settings.store, c->id, e->id, text, err);
    free(text);
    if (!r)
        e->unsaved = false;
    return r;
}

static int save_chain(struct drift_sender *s, struct chain *c, struct drift_err *err)
{
    int r = 0;
    for (size_t i = 0; !r && i < c->queue.n; i++)
        if (c->queue.entries[i]->unsaved)
            r = save_state(s, c, c->queue.entries[i], err);
    return r;
}

static void report_refused(struct drift_sender *s, struct chain *c)
{
    (void)s;
    for (size_t i = 0; i < c->queue.n; i++) {
        struct drift_queued *e = c->queue.entries[i];
        if (!e->refused)
            continue;
        e->refused = false;
        drift_count(DRIFT_M_DELIVERIES, "unknown", "refused"); /* nothing in it is to be believed, its endpoint too */
        drift_log(DRIFT_ERROR, "action_refused", KV_S("model", c->id.model),
                  KV_S("chain", drift_chain_name(c->id.kind)), KV_S("id", e->id), KV_S("why", e->state.error));
    }
}

static int drop_old(struct drift_sender *s, struct chain *c, struct drift_err *err)
{
    const char *ids[DROP_AT_ONCE];
    size_t n = drift_queue_old(&c->queue, wall(s), ids, DROP_AT_ONCE);
    int r = n ? drift_store_out_drop(s->settings.store, c->id, ids, n, err) : 0;
    for (size_t i = 0; !r && i < n; i++)
        drift_queue_remove(&c->queue, ids[i]); /* ids[i] lives until then */
    return r;
}

static int read_chain(struct drift_sender *s, struct chain *c, struct drift_err *err)
{
    struct drift_pairs fields = {0};
    struct drift_queue_rules rules = rules_of(s);
    int64_t redis_ms, began = mono(s);
    int r = drift_store_out_read(s->settings.store, c->id, &fields, &redis_ms, err);
    if (r)
        return r;
    drift_queue_refresh(&c->queue, &fields, wall(s), &rules);
    drift_pairs_release(&fields);
    report_refused(s, c);
    c->read_ms = mono(s);
    int64_t pause = s->settings.until_end ? POLL_BRIEF_MS : c->queue.n_waiting ? POLL_PENDING_MS : POLL_IDLE_MS;
    int64_t rest = 50 * (c->read_ms - began); /* a large outbox costs at most a fiftieth of the time */
    c->next_read_ms = c->read_ms + (rest > pause ? rest : pause);
    s->dirty = true;
    r = save_chain(s, c, err);
    return r ? r : drop_old(s, c, err);
}

static int read_due(struct drift_sender *s, struct drift_err *err)
{
    int64_t now = mono(s);
    unsigned asked = atomic_load(&s->asked);
    bool all = asked != s->read_for;
    int r = 0;
    for (size_t i = 0; !r && i < s->n_chains; i++) {
        r = save_chain(s, &s->chains[i], err);
        if (!r && (all || now >= s->chains[i].next_read_ms))
            r = read_chain(s, &s->chains[i], err);
    }
    if (!r)
        s->read_for = asked;
    return r;
}

/* ---- endpoints ---- */

static void judge_targets(struct drift_sender *s)
{
    int64_t now = mono(s);
    for (size_t i = 0; i < s->n_targets; i++) {
        s->routes[i].held = drift_circuit_held(&s->circuits[i], now);
        s->routes[i].passed_over = drift_circuit_passed_over(&s->circuits[i], now);
    }
    for (size_t i = 0; i < IN_FLIGHT_MAX; i++)
        if (s->transfers[i].delivery && now - s->transfers[i].started_ms >= SLOW_MS)
            s->routes[s->transfers[i].target].passed_over = true;
}

static void target_works(struct drift_sender *s, size_t at)
{
    struct drift_circuit *c = &s->circuits[at];
    if (drift_circuit_open(c)) {
        drift_log(DRIFT_INFO, "endpoint_back", KV_S("endpoint", target_name(s, at)), KV_U("failures", c->failures));
        s->routes[at].back_ms = wall(s);
    }
    drift_circuit_works(c);
}

static void target_fails(struct drift_sender *s, size_t at, const struct drift_delivery_result *result)
{
    struct drift_circuit *c = &s->circuits[at];
    bool was_open = drift_circuit_open(c);
    drift_circuit_fails(c, mono(s), result->status, result->retry_after_ms, s->settings.until_end);
    if (!was_open && drift_circuit_open(c))
        drift_log(DRIFT_WARN, "endpoint_failing", KV_S("endpoint", target_name(s, at)), KV_U("failures", c->failures),
                  KV_S("why", result->error), KV_I("next_probe_ms", c->hold_until_ms - mono(s)));
}

static void target_gone(struct drift_sender *s, size_t at)
{
    if (s->circuits[at].disabled)
        return;
    s->circuits[at].disabled = true;
    drift_log(DRIFT_ERROR, "endpoint_disabled", KV_S("endpoint", target_name(s, at)),
              KV_S("why", "it answered 410 (gone): nothing more is sent to it until driftd is started again"));
}

/* ---- starting ---- */

static struct transfer *free_transfer(struct drift_sender *s)
{
    for (size_t i = 0; i < IN_FLIGHT_MAX; i++)
        if (!s->transfers[i].delivery)
            return &s->transfers[i];
    return NULL;
}

static bool room_for(const struct drift_sender *s, size_t target)
{
    return s->n_in_flight < IN_FLIGHT_MAX && drift_circuit_room(&s->circuits[target]);
}

static void reserve(struct drift_sender *s, size_t target, int by)
{
    s->circuits[target].n_in_flight += (unsigned)by;
    s->n_in_flight += (unsigned)by;
}

static void launch(struct drift_sender *s, struct transfer *t, const char *id, const char *body, size_t len)
{
    const struct drift_target *route = &s->routes[t->target];
    struct drift_delivery_request request = {
        .endpoint = route->endpoint,
        .secrets = route->secrets,
        .n_secrets = route->n_secrets,
        .id = id,
        .body = body,
        .len = len,
        .now_ms = wall(s),
    };
    struct drift_err err;
    t->started_ms = mono(s);
    if (drift_delivery_new(&request, &t->delivery, &err)) {
        drift_log(DRIFT_ERROR, "action_stuck", KV_S("id", id), KV_S("why", err.text));
        t->delivery = NULL;
        return;
    }
    curl_easy_setopt(drift_delivery_easy(t->delivery), CURLOPT_PRIVATE, t);
    curl_multi_add_handle(s->multi, drift_delivery_easy(t->delivery));
    reserve(s, t->target, 1);
}

static int claim(struct drift_sender *s, struct chain *c, struct drift_queued *e, bool *ret_taken,
                 struct drift_err *err)
{
    int64_t lease = s->routes[e->target].endpoint->timeout_ms + LEASE_SLACK_MS;
    int r = drift_store_out_claim(s->settings.store, c->id, e->id, s->settings.instance, lease, ret_taken, err);
    if (!r && !*ret_taken)
        e->leased_until_ms = wall(s) + POLL_PENDING_MS; /* the next read knows better */
    return r;
}

/* Takes leases of what may go and has room; those that were got move to the front of ready. */
static int claim_ready(struct drift_sender *s, struct chain *c, struct drift_queued **ready, size_t n, size_t *ret_n,
                       struct drift_err *err)
{
    size_t got = 0;
    int r = 0;
    for (size_t i = 0; !r && i < n; i++) {
        bool taken = false;
        if (room_for(s, ready[i]->target))
            r = claim(s, c, ready[i], &taken, err);
        if (!taken)
            continue;
        reserve(s, ready[i]->target, 1);
        ready[got++] = ready[i];
    }
    for (size_t i = 0; i < got; i++)
        reserve(s, ready[i]->target, -1);
    *ret_n = got;
    return r;
}

/* With the leases in hand nobody else writes these entries: what Redis says now is so. */
static int look_again(struct drift_sender *s, struct chain *c, struct drift_queued **e, size_t n, struct drift_err *err)
{
    for (size_t i = 0; i < n; i++)
        e[i]->claimed = true;
    int r = n ? read_chain(s, c, err) : 0;
    for (size_t i = 0; i < n; i++)
        e[i]->claimed = false;
    return r;
}

static void start_entry(struct drift_sender *s, struct chain *c, struct drift_queued *e)
{
    struct transfer *t = free_transfer(s);
    if (e->state.done != DRIFT_DONE_NO || !e->action.body || !e->found)
        return;
    *t = (struct transfer){.chain = (size_t)(c - s->chains), .target = e->target, .entry = e};
    launch(s, t, e->id, e->action.body, e->action.body_len);
    e->in_flight = t->delivery != NULL;
    if (!e->in_flight)
        e->state.next_ms = wall(s) + POLL_IDLE_MS;
}

static int start_chain(struct drift_sender *s, struct chain *c, struct drift_err *err)
{
    if (c->queue.n_waiting == 0)
        return 0;
    struct drift_queue_rules rules = rules_of(s);
    struct drift_queued **ready = drift_xcalloc(c->queue.n, sizeof *ready);
    size_t n = drift_queue_ready(&c->queue, wall(s), &rules, ready, c->queue.n);
    int r = claim_ready(s, c, ready, n, &n, err);
    if (!r)
        r = look_again(s, c, ready, n, err);
    for (size_t i = 0; !r && i < n; i++)
        start_entry(s, c, ready[i]);
    free(ready);
    return r;
}

/* ---- notices ---- */

static bool has_notice(const struct drift_sender *s, size_t chain, size_t target)
{
    for (const struct notice *n = s->notices; n; n = n->next)
        if (n->chain == chain && n->target == target)
            return true;
    return false;
}

static bool late_now(const struct drift_sender *s, const struct drift_queued *e)
{
    return e->late && !e->in_flight && e->state.done == DRIFT_DONE_NO && e->leased_until_ms <= wall(s);
}

static void make_notice(struct drift_sender *s, size_t chain, size_t target)
{
    struct drift_queue *q = &s->chains[chain].queue;
    struct notice *n = drift_xcalloc(1, sizeof *n);
    n->chain = chain;
    n->target = target;
    n->entries = drift_xcalloc(q->n + 1, sizeof *n->entries);
    for (size_t i = 0; i < q->n; i++) {
        struct drift_queued *e = q->entries[i];
        if (late_now(s, e) && e->target == target)
            n->entries[n->n++] = e;
    }
    if (n->n == 0) {
        notice_free(n);
        return;
    }
    for (size_t i = 0; i < n->n; i++)
        n->entries[i]->in_flight = true;
    drift_notice_id(n->entries, n->n, n->id);
    n->body = drift_notice_body(n->id, s->settings.config->kafka.group, s->chains[chain].id,
                                s->settings.config->state.max_action_age_ms, n->entries, n->n);
    n->next = s->notices;
    s->notices = n;
}

/* After a long outage windows are judged one after the other, for seconds: one notice is to speak of all. */
static bool all_late_are_there(struct drift_sender *s, struct chain *c)
{
    size_t n = 0;
    int64_t now = mono(s);
    for (size_t i = 0; i < c->queue.n; i++)
        n += late_now(s, c->queue.entries[i]);
    if (!c->n_late)
        c->late_since_ms = now;
    if (n != c->n_late)
        c->late_changed_ms = now;
    c->n_late = n;
    return n && (now - c->late_changed_ms >= LATE_QUIET_MS || now - c->late_since_ms >= LATE_WAIT_MS);
}

static void make_notices(struct drift_sender *s)
{
    for (size_t c = 0; c < s->n_chains; c++) {
        struct chain *chain = &s->chains[c];
        if (!all_late_are_there(s, chain))
            continue;
        for (size_t i = 0; i < chain->queue.n; i++) {
            struct drift_queued *e = chain->queue.entries[i];
            if (late_now(s, e) && !has_notice(s, c, e->target))
                make_notice(s, c, e->target);
        }
        chain->n_late = 0;
    }
}

static void notice_remove(struct drift_sender *s, struct notice *gone)
{
    for (struct notice **at = &s->notices; *at; at = &(*at)->next)
        if (*at == gone) {
            *at = gone->next;
            notice_free(gone);
            return;
        }
}

/* True when the notice may be sent: leased, and none of its entries is finished by now. */
static int take_notice(struct drift_sender *s, struct notice *n, bool *ret_taken, struct drift_err *err)
{
    struct chain *c = &s->chains[n->chain];
    int r = claim(s, c, n->entries[0], ret_taken, err);
    if (r || !*ret_taken)
        return r;
    for (size_t i = 0; i < n->n; i++)
        n->entries[i]->in_flight = false;
    r = look_again(s, c, n->entries, n->n, err);
    for (size_t i = 0; i < n->n; i++) {
        n->entries[i]->in_flight = true;
        *ret_taken = *ret_taken && n->entries[i]->state.done == DRIFT_DONE_NO;
    }
    return r;
}

static int start_notices(struct drift_sender *s, struct drift_err *err)
{
    int r = 0;
    for (struct notice *n = s->notices, *next; !r && n; n = next) {
        bool taken = false;
        next = n->next;
        if (n->in_flight || n->state.next_ms > wall(s) || s->routes[n->target].held || !room_for(s, n->target))
            continue;
        r = take_notice(s, n, &taken, err);
        if (!r && !taken) /* another instance announces them */
            notice_remove(s, n);
        if (r || !taken)
            continue;
        struct transfer *t = free_transfer(s);
        *t = (struct transfer){.chain = n->chain, .target = n->target, .notice = n};
        launch(s, t, n->id, n->body, strlen(n->body));
        n->in_flight = t->delivery != NULL;
        if (!n->in_flight)
            n->state.next_ms = wall(s) + POLL_IDLE_MS;
    }
    return r;
}

/* ---- finishing ---- */

static void note_attempt(struct drift_sender *s, struct drift_retry *state, const char *id,
                         const struct drift_delivery_result *result)
{
    int64_t now = wall(s);
    state->attempts++;
    state->last_ms = now;
    if (!state->first_ms)
        state->first_ms = now;
    state->status = result->status;
    snprintf(state->error, sizeof state->error, "%s", result->error);
    if (result->outcome == DRIFT_OUTCOME_RETRY)
        drift_retry_failed(state, id, now, result->retry_after_ms, s->settings.until_end);
    else
        state->done = result->outcome == DRIFT_OUTCOME_OK ? DRIFT_DONE_OK : DRIFT_DONE_DEAD;
}

static void report(struct drift_sender *s, const struct transfer *t, const struct drift_retry *state,
                   const struct drift_delivery_result *result, bool shadow)
{
    const struct drift_action *a = t->entry ? &t->entry->action : NULL;
    int64_t took = mono(s) - t->started_ms;
    bool ok = result->outcome == DRIFT_OUTCOME_OK, dead = state->done == DRIFT_DONE_DEAD;
    drift_count(DRIFT_M_DELIVERIES, target_name(s, t->target),
                ok     ? (shadow ? "shadow" : "ok")
                : dead ? "dead"
                       : "retry");
    drift_series_add(drift_series(DRIFT_M_DELIVERY_SECONDS, target_name(s, t->target), (char *)NULL),
                     (double)took / 1000);
    drift_log(ok     ? DRIFT_INFO
              : dead ? DRIFT_ERROR
                     : DRIFT_WARN,
              ok     ? "action_sent"
              : dead ? "action_dead"
                     : "action_retry",
              KV_S("endpoint", target_name(s, t->target)), KV_S("model", s->chains[t->chain].id.model),
              KV_S("id", t->entry ? t->entry->id : t->notice->id), KV_S("rule", a ? a->rule : NULL),
              KV_S("step", a ? a->step : "notice"), KV_S("transition", a ? a->transition : "expired"),
              KV_U("attempt", state->attempts), KV_I("status", result->status), KV_I("took_ms", took),
              KV_S("why", result->error),
              KV_I("next_in_ms", state->done == DRIFT_DONE_NO ? state->next_ms - state->last_ms : 0));
}

static void finish_entry(struct drift_sender *s, struct transfer *t, const struct drift_delivery_result *result)
{
    struct drift_queued *e = t->entry;
    note_attempt(s, &e->state, e->id, result);
    report(s, t, &e->state, result, e->action.shadow);
    e->in_flight = false;
    e->unsaved = true;
    if (e->state.done == DRIFT_DONE_OK && e->action.shadow)
        e->state.done = DRIFT_DONE_SHADOW;
    if (e->state.done != DRIFT_DONE_NO)
        drift_queue_finish(&s->chains[t->chain].queue, e, e->state.done);
}

static void finish_notice(struct drift_sender *s, struct transfer *t, const struct drift_delivery_result *result)
{
    struct notice *n = t->notice;
    note_attempt(s, &n->state, n->id, result);
    report(s, t, &n->state, result, false);
    n->in_flight = false;
    if (n->state.done == DRIFT_DONE_NO)
        return;
    for (size_t i = 0; i < n->n; i++) {
        n->entries[i]->state.last_ms = wall(s);
        drift_queue_finish(&s->chains[n->chain].queue, n->entries[i], DRIFT_DONE_EXPIRED);
        drift_count(DRIFT_M_DELIVERIES, target_name(s, n->target), "expired");
    }
    drift_log(DRIFT_WARN, "actions_expired", KV_S("endpoint", target_name(s, n->target)),
              KV_S("model", s->chains[n->chain].id.model), KV_U("n", n->n), KV_S("notice", n->id));
    notice_remove(s, n);
}

static void finish_transfer(struct drift_sender *s, struct transfer *t, CURLcode code)
{
    struct drift_delivery_result result;
    drift_delivery_finish(t->delivery, code, &result);
    curl_multi_remove_handle(s->multi, drift_delivery_easy(t->delivery));
    reserve(s, t->target, -1);
    if (result.outcome == DRIFT_OUTCOME_RETRY)
        target_fails(s, t->target, &result);
    else
        target_works(s, t->target);
    if (result.outcome == DRIFT_OUTCOME_GONE)
        target_gone(s, t->target);
    if (t->entry)
        finish_entry(s, t, &result);
    else
        finish_notice(s, t, &result);
    drift_delivery_free(t->delivery);
    *t = (struct transfer){0};
    s->dirty = true;
}

static void move_transfers(struct drift_sender *s, int wait_ms)
{
    int running = 0, left = 0;
    curl_multi_poll(s->multi, NULL, 0, wait_ms, NULL);
    curl_multi_perform(s->multi, &running);
    for (CURLMsg *m; (m = curl_multi_info_read(s->multi, &left));) {
        struct transfer *t = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result; /* m dies with the removal of the handle */
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        finish_transfer(s, t, code);
    }
}

/* ---- the turn ---- */

static int start_all(struct drift_sender *s, struct drift_err *err)
{
    judge_targets(s);
    make_notices(s);
    int r = start_notices(s, err);
    for (size_t i = 0; !r && i < s->n_chains; i++) {
        judge_targets(s);
        r = start_chain(s, &s->chains[i], err);
    }
    s->dirty = false;
    s->look_again_ms = mono(s) + LOOK_AGAIN_MS;
    return r;
}

/* Until something is due by the clock; at least a little, since what is due may wait for something else. */
static int wait_for(struct drift_sender *s, int wait_ms)
{
    struct drift_queue_rules rules = rules_of(s);
    int64_t now = mono(s), now_wall = wall(s), until = now + wait_ms;
    for (size_t i = 0; i < s->n_chains; i++) {
        if (s->chains[i].next_read_ms < until)
            until = s->chains[i].next_read_ms;
        int64_t next = s->chains[i].queue.n_waiting ? drift_queue_next_ms(&s->chains[i].queue, &rules) : INT64_MAX;
        if (next != INT64_MAX && now + (next - now_wall) < until)
            until = now + (next - now_wall);
    }
    for (const struct notice *n = s->notices; n; n = n->next)
        if (!n->in_flight && now + (n->state.next_ms - now_wall) < until)
            until = now + (n->state.next_ms - now_wall);
    for (size_t i = 0; i < s->n_targets; i++)
        if (s->circuits[i].hold_until_ms > now && s->circuits[i].hold_until_ms < until)
            until = s->circuits[i].hold_until_ms;
    if (until < s->look_again_ms)
        until = s->look_again_ms;
    if (s->is_away)
        until = s->redis_at_ms;
    int64_t wait = until - now;
    return wait < 0 || s->dirty ? 0 : wait < wait_ms ? (int)wait : wait_ms;
}

static size_t count_pending(struct drift_sender *s)
{
    size_t pending = 0, *waiting = drift_xcalloc(s->n_targets + 1, sizeof *waiting);
    for (size_t c = 0; c < s->n_chains; c++)
        for (size_t i = 0; i < s->chains[c].queue.n; i++) {
            const struct drift_queued *e = s->chains[c].queue.entries[i];
            if (e->unsaved && e->state.done != DRIFT_DONE_NO)
                pending++; /* delivered, but Redis does not know yet */
            else if (e->state.done == DRIFT_DONE_NO) {
                waiting[e->target]++;
                pending += !s->circuits[e->target].disabled;
            }
        }
    for (size_t i = 0; i < s->n_targets; i++)
        drift_gauge(DRIFT_M_OUTBOX, (double)waiting[i], target_name(s, i));
    free(waiting);
    return pending;
}

static int use_redis(struct drift_sender *s, struct drift_err *err)
{
    if (s->is_away && mono(s) < s->redis_at_ms) {
        if (err)
            *err = s->away;
        return s->away.code;
    }
    int r = read_due(s, &s->away);
    if (!r && (s->dirty || mono(s) >= s->look_again_ms))
        r = start_all(s, &s->away);
    s->is_away = r != 0;
    if (r) {
        s->away.code = (enum drift_code)r;
        s->redis_at_ms = mono(s) + REDIS_AGAIN_MS;
        s->dirty = false;
        if (err)
            *err = s->away;
    }
    return r;
}

int drift_sender_step(struct drift_sender *s, int wait_ms, size_t *ret_pending, struct drift_err *err)
{
    int r = use_redis(s, err);
    move_transfers(s, wait_for(s, wait_ms));
    *ret_pending = count_pending(s);
    if (atomic_load(&s->asked) != s->read_for)
        *ret_pending += 1; /* poked since: there may be more */
    else if (!r && *ret_pending == 0)
        atomic_store(&s->drained, s->read_for);
    return r;
}

/* ---- the end ---- */

/* Gives the leases of what is under way back, so that a successor need not wait for them to run out. */
static void abandon_transfers(struct drift_sender *s)
{
    bool redis = true;
    if (s->n_in_flight)
        move_transfers(s, 0); /* some may have ended */
    for (size_t i = 0; redis && i < s->n_chains; i++)
        redis = save_chain(s, &s->chains[i], NULL) == 0;
    for (size_t i = 0; i < IN_FLIGHT_MAX; i++) {
        struct transfer *t = &s->transfers[i];
        if (!t->delivery)
            continue;
        curl_multi_remove_handle(s->multi, drift_delivery_easy(t->delivery));
        drift_delivery_free(t->delivery);
        struct drift_queued *e = t->entry ? t->entry : t->notice->entries[0];
        char *text = drift_retry_text(&e->state);
        redis = redis && !drift_store_out_state(s->settings.store, s->chains[t->chain].id, e->id, text, NULL);
        free(text);
    }
}

void drift_sender_free(struct drift_sender *s)
{
    if (!s)
        return;
    abandon_transfers(s);
    while (s->notices) {
        struct notice *n = s->notices;
        s->notices = n->next;
        notice_free(n);
    }
    for (size_t i = 0; i < s->n_chains; i++)
        drift_queue_release(&s->chains[i].queue);
    for (size_t i = 0; i < s->n_targets; i++)
        drift_delivery_secrets_free(s->routes[i].secrets, s->routes[i].n_secrets);
    if (s->multi)
        curl_multi_cleanup(s->multi);
    free(s->chains);
    free(s->circuits);
    free(s->routes);
    free(s);
}
