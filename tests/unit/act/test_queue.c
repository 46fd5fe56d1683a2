/* tests/unit/act/test_queue.c    Who may go and who waits for whom; what is refused; what is dropped.  No I/O. */
#include "support.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/act/queue.h"

#define SECRET "a secret of the unit tests, 1"

static const int64_t now = 1700000000000;
static struct drift_endpoint endpoints[] = {{.name = (char[]){"a"}}, {.name = (char[]){"b"}}};
static char *secrets[] = {(char[]){SECRET}};
static struct drift_target targets[2];
static struct drift_queue_rules rules;
static struct drift_queue q;
static struct drift_pairs fields;
static size_t n_made;

static void setup(void)
{
    for (int i = 0; i < 2; i++)
        targets[i] = (struct drift_target){.endpoint = &endpoints[i], .secrets = secrets, .n_secrets = 1};
    rules = (struct drift_queue_rules){.targets = targets, .n_targets = 2, .instance = "me", .max_age_ms = 3600000};
    q = (struct drift_queue){0};
    fields = (struct drift_pairs){.pair = calloc(20000, sizeof *fields.pair)};
    n_made = 0;
}
static void teardown(void)
{
    drift_queue_release(&q);
    for (size_t i = 0; i < fields.n; i++) {
        free(fields.pair[i].name);
        free(fields.pair[i].value);
    }
    free(fields.pair);
}

static void put_field(char kind, const char *id, const char *value)
{
    char name[64];
    snprintf(name, sizeof name, "%c:%s", kind, id);
    for (size_t i = 0; i < fields.n; i++)
        if (!strcmp(fields.pair[i].name, name)) {
            free(fields.pair[i].value);
            fields.pair[i].value = strdup(value);
            fields.pair[i].len = strlen(value);
            return;
        }
    fields.pair[fields.n++] = (struct drift_pair){.name = strdup(name), .value = strdup(value), .len = strlen(value)};
}

/* An entry of window `window` (minutes before now at which it ended), step seq, at an endpoint; its id is a number. */
static const char *put(int id, int ended_min, uint32_t seq, const char *endpoint, const char *step,
                       const char *transition)
{
    static char text[8][33];
    char *hex = text[n_made++ % 8];
    snprintf(hex, 33, "%032x", (unsigned)id);
    struct drift_action a = {.id = hex,
                             .endpoint = strdup(endpoint),
                             .step = strdup(step),
                             .rule = strdup("r"),
                             .transition = strdup(transition),
                             .incident_ms = now - 7 * 86400000,
                             .window_start_ms = now - (ended_min + 5) * INT64_C(60000),
                             .window_end_ms = now - ended_min * INT64_C(60000),
                             .seq = seq,
                             .body = strdup("{}"),
                             .body_len = 2};
    char *entry = drift_action_entry(&a, SECRET);
    put_field('e', hex, entry);
    free(entry);
    free(a.endpoint), free(a.step), free(a.rule), free(a.transition), free(a.body);
    return hex;
}

static void put_state(int id, const char *state)
{
    char hex[33];
    snprintf(hex, sizeof hex, "%032x", (unsigned)id);
    put_field('s', hex, state);
}

static void refresh(void)
{
    drift_queue_refresh(&q, &fields, now, &rules);
}

/* Ids that may go, as text: "1 2". */
static const char *ready(void)
{
    static char text[512];
    struct drift_queued *e[64];
    size_t n = drift_queue_ready(&q, now, &rules, e, 64), len = 0;
    *text = 0;
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%lx", i ? " " : "", strtoul(e[i]->id, NULL, 16));
    return text;
}

static struct drift_queued *entry(int id)
{
    for (size_t i = 0; i < q.n; i++)
        if (strtoul(q.entries[i]->id, NULL, 16) == (unsigned long)id)
            return q.entries[i];
    ck_abort_msg("no entry %d", id);
    return NULL;
}

START_TEST(test_steps)
{
    put(3, 1, 2, "a", "page", "firing");
    put(1, 1, 0, "a", "ticket", "firing");
    put(2, 1, 1, "b", "notify", "firing");
    refresh();
    ck_assert_uint_eq(q.n_waiting, 3);
    ck_assert_str_eq(ready(), "1");
    entry(1)->in_flight = true;
    ck_assert_str_eq(ready(), ""); /* under way is not attempted */
    entry(1)->in_flight = false;
    entry(1)->state.attempts = 1; /* the first attempt is over, good or bad */
    entry(1)->state.next_ms = now + 5000;
    ck_assert_str_eq(ready(), "2");
    ck_assert_int_eq(drift_queue_next_ms(&q, &rules), 0);
    drift_queue_finish(&q, entry(2), DRIFT_DONE_OK);
    ck_assert_str_eq(ready(), "3");
    ck_assert_uint_eq(q.n_waiting, 2);
}
END_TEST

START_TEST(test_passed_over)
{
    put(1, 1, 0, "a", "ticket", "firing");
    put(2, 1, 1, "b", "notify", "firing");
    put(3, 1, 2, "a", "page", "firing");
    refresh();
    targets[0].held = true;
    ck_assert_str_eq(ready(), ""); /* full, but well: order is kept */
    targets[0].passed_over = true;
    ck_assert_str_eq(ready(), "2"); /* dead: others go ahead, its own do not */
}
END_TEST

START_TEST(test_transitions)
{
    put(1, 30, 0, "a", "ticket", "firing");
    put(2, 20, 0, "a", "ticket", "update");
    put(3, 10, 0, "a", "ticket", "resolved");
    put(4, 10, 0, "b", "ticket", "resolved"); /* another endpoint: not their business */
    put(5, 10, 0, "a", "notify", "resolved"); /* another step */
    refresh();
    ck_assert_str_eq(ready(), "1 4 5");
    entry(1)->state.attempts = 1;
    entry(1)->state.next_ms = now + 60000;
    ck_assert_str_eq(ready(), "4 5"); /* attempted is not done */
    drift_queue_finish(&q, entry(1), DRIFT_DONE_DEAD);
    ck_assert_str_eq(ready(), "2 4 5");
    drift_queue_finish(&q, entry(2), DRIFT_DONE_OK);
    ck_assert_str_eq(ready(), "3 4 5");
}
END_TEST

START_TEST(test_late)
{
    put(1, 100, 0, "a", "ticket", "firing"); /* an hour and more */
    put(2, 50, 0, "a", "ticket", "update");
    put(3, 100, 1, "b", "notify", "firing");
    put_state(3, "{\"attempts\":1,\"first_ms\":1699999990000}"); /* began in time: goes on */
    put(4, 90, 0, "b", "notify", "resolved");                    /* the receiver has heard of its incident */
    refresh();
    ck_assert(entry(1)->late && !entry(2)->late && !entry(3)->late && !entry(4)->late);
    ck_assert_str_eq(ready(), "3 2");
    drift_queue_refresh(&q, &fields, now + 3600000, &rules); /* 2 was in time when it was first seen */
    ck_assert(!entry(2)->late && entry(1)->late);
    drift_queue_release(&q);
    rules.max_age_ms = 0;
    refresh();
    ck_assert(!entry(1)->late);
}
END_TEST

START_TEST(test_refused)
{
    const char *id = put(1, 1, 0, "a", "ticket", "firing");
    char *text = strdup(fields.pair[0].value);
    *strstr(text, "ticket") = 'T'; /* one bit of what the MAC covers */
    put_field('e', id, text);
    free(text);
    put(2, 1, 0, "nobody", "ticket", "firing");
    put_field('e', "00000000000000000000000000000003", fields.pair[1].value); /* another entry's bytes */
    put_field('e', "00000000000000000000000000000004", "{}");
    put_field('e', "00000000000000000000000000000005", "");
    put_field('e', "not an id", "{}");
    put_field('e', "0000000000000000000000000000000G", "{}");
    const char *swapped = put(6, 1, 0, "a", "ticket", "firing");
    put_field('e', "00000000000000000000000000000007", fields.pair[fields.n - 1].value);
    (void)swapped;
    refresh();
    ck_assert_uint_eq(q.n, 7);
    ck_assert_uint_eq(q.n_waiting, 1);
    ck_assert_str_eq(ready(), "6");
    for (int i = 1; i <= 7; i++)
        if (i != 6) {
            ck_assert_msg(entry(i)->refused && entry(i)->unsaved && entry(i)->state.done == DRIFT_DONE_DEAD, "%d", i);
            ck_assert(*entry(i)->state.error);
        }
    ck_assert_ptr_nonnull(strstr(entry(1)->state.error, "MAC"));
    ck_assert_ptr_nonnull(strstr(entry(2)->state.error, "nobody"));
    ck_assert_ptr_nonnull(strstr(entry(7)->state.error, "another id"));
    for (size_t i = 0; i < q.n; i++)
        q.entries[i]->refused = q.entries[i]->unsaved = false;
    for (int i = 1; i <= 7; i++)
        if (i != 6)
            put_state(i, "{\"done\":\"dead\"}");
    refresh(); /* refused once, not at every look */
    for (size_t i = 0; i < q.n; i++)
        ck_assert(!q.entries[i]->refused);
}
END_TEST

START_TEST(test_others)
{
    const char *one = put(1, 1, 0, "a", "ticket", "firing"), *two = put(2, 1, 1, "a", "page", "firing");
    char lease[64];
    snprintf(lease, sizeof lease, "%" PRId64 ":other: host", now + 1000);
    put_field('l', one, lease);
    refresh();
    ck_assert_str_eq(ready(), ""); /* another instance is at it */
    snprintf(lease, sizeof lease, "%" PRId64 ":me", now + 1000);
    put_field('l', one, lease);
    refresh();
    ck_assert_str_eq(ready(), "1"); /* ours, from before a restart */
    snprintf(lease, sizeof lease, "%" PRId64 ":other", now - 1);
    put_field('l', one, lease);
    refresh();
    ck_assert_str_eq(ready(), "1"); /* it ran out */
    put_state(1, "{\"attempts\":1,\"done\":\"ok\",\"first_ms\":1,\"last_ms\":1}");
    refresh();
    ck_assert_str_eq(ready(), "2"); /* it is done */
    put_field('s', two, "garbage");
    refresh();
    ck_assert_str_eq(ready(), "2"); /* at least once */
    entry(2)->state.done = DRIFT_DONE_OK;
    entry(2)->unsaved = true;
    refresh();
    ck_assert_str_eq(ready(), ""); /* we know better than Redis */
}
END_TEST

START_TEST(test_due)
{
    put(1, 1, 0, "a", "ticket", "firing");
    put_state(1, "{\"attempts\":4,\"next_ms\":1700000250000,\"first_ms\":1,\"last_ms\":1699999990000}");
    refresh();
    ck_assert_str_eq(ready(), "");
    ck_assert_int_eq(drift_queue_next_ms(&q, &rules), 1700000250000);
    targets[0].back_ms = 1699999980000; /* failed after that */
    ck_assert_str_eq(ready(), "");
    targets[0].back_ms = 1699999995000;
    ck_assert_str_eq(ready(), "1");
    targets[0].held = true;
    ck_assert_int_eq(drift_queue_next_ms(&q, &rules), INT64_MAX);
}
END_TEST

START_TEST(test_drop)
{
    char state[128];
    for (int i = 1; i <= 1500; i++) {
        put(i, 1, 0, "a", "ticket", "firing");
        snprintf(state, sizeof state, "{\"attempts\":1,\"done\":\"ok\",\"first_ms\":1,\"last_ms\":%" PRId64 "}",
                 now - 2000 + i);
        if (i <= 1100)
            put_state(i, state);
    }
    put_state(5, "{\"attempts\":1,\"done\":\"ok\",\"first_ms\":1,\"last_ms\":1699900000000}");
    put_state(9999,
              "{\"attempts\":1,\"done\":\"ok\",\"first_ms\":1,\"last_ms\":1699900000001}"); /* its entry is gone */
    put_state(9998, "{\"attempts\":1,\"done\":\"ok\",\"first_ms\":1,\"last_ms\":1699999999999}");
    refresh();
    ck_assert_uint_eq(q.n_waiting, 400);
    const char *ids[200];
    size_t n = drift_queue_old(&q, now, ids, 200);
    ck_assert_uint_eq(n, 102);
    ck_assert_uint_eq(strtoul(ids[0], NULL, 16), 5); /* oldest first */
    ck_assert_uint_eq(strtoul(ids[1], NULL, 16), 9999);
    for (size_t i = 0; i < n; i++)
        drift_queue_remove(&q, ids[i]);
    ck_assert_uint_eq(drift_queue_old(&q, now, ids, 200), 0);
    ck_assert_uint_eq(q.n_waiting, 400);
    put(9998, 1, 0, "b", "ticket", "firing"); /* judged again: known to be sent */
    refresh();
    for (size_t i = 0; i < q.n; i++)
        ck_assert(strcmp(q.entries[i]->id, "0000000000000000000000000000270e") ||
                  q.entries[i]->state.done == DRIFT_DONE_OK);
}
END_TEST

/* Whatever the order of steps in time, an entry never overtakes those it must wait for. */
START_TEST(test_property)
{
    struct drift_rng rng = drift_rng_new(11);
    for (int round = 0; round < 30; round++) {
        teardown();
        setup();
        int n = 2 + (int)drift_rng_below(&rng, 25);
        static const char *steps[] = {"ticket", "notify", "page"};
        for (int i = 0; i < n; i++) {
            int window = (int)drift_rng_below(&rng, 5);
            put(i + 1, 50 - 10 * window, (uint32_t)drift_rng_below(&rng, 4), drift_rng_below(&rng, 2) ? "a" : "b",
                steps[drift_rng_below(&rng, 3)], "update");
        }
        refresh();
        struct drift_queued *e[64];
        for (size_t k; (k = drift_queue_ready(&q, now, &rules, e, 64)) > 0;) {
            struct drift_queued *go = e[drift_rng_below(&rng, k)];
            for (size_t i = 0; i < q.n; i++) {
                const struct drift_queued *o = q.entries[i];
                bool before = o->state.done == DRIFT_DONE_NO && o != go;
                bool same_window = o->action.window_start_ms == go->action.window_start_ms;
                ck_assert(!(before && same_window && o->action.seq < go->action.seq && !o->state.attempts &&
                            !go->state.attempts));
                ck_assert(!(before && o->action.window_start_ms < go->action.window_start_ms && o->key == go->key));
            }
            go->state.attempts++;
            if (drift_rng_below(&rng, 2))
                drift_queue_finish(&q, go, DRIFT_DONE_OK);
        }
        ck_assert_uint_eq(q.n_waiting, 0); /* and nobody waits for ever */
    }
}
END_TEST

static void add(Suite *s, const char *name, const TTest *t)
{
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, t);
    suite_add_tcase(s, c);
}

int main(void)
{
    Suite *s = suite_create("queue");
    add(s, "steps", test_steps);
    add(s, "passed over", test_passed_over);
    add(s, "transitions", test_transitions);
    add(s, "late", test_late);
    add(s, "refused", test_refused);
    add(s, "others", test_others);
    add(s, "due", test_due);
    add(s, "drop", test_drop);
    add(s, "property", test_property);
    return drift_test_run(s);
}
