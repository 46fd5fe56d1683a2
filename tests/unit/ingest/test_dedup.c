/* Deduplication inside a partition against a naive recount: any flushes, deaths and slots that go back, the same
 * counts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/ingest/partition.h"
#include "driftd/internal/window/blob.h"
#include "driftd/internal/window/idset.h"
#include "pairs.h"
#include "support.h"

enum { WINDOW = 1000, LATENESS = 1500, EVENTS = 400, WINDOWS = 64, IDS = 250, SNAPSHOTS = 4 };

static struct drift_model model = {.name = (char *)(uintptr_t) "m/1",
                                   .include = (char *)(uintptr_t) "*",
                                   .dedup_by = DRIFT_DEDUP_EVENT_ID,
                                   .dedup_max_ids = 1000};
static struct drift_stream stream = {.name = (char *)(uintptr_t) "s",
                                     .id = (char *)(uintptr_t) "id",
                                     .score = (char *)(uintptr_t) "score",
                                     .label = (char *)(uintptr_t) "label"};
static struct drift_layout *the_layout;

static int layout_of(void *ctx, const struct drift_chain *c, const struct drift_plan_entry *e,
                     struct drift_layout **ret, struct drift_err *err)
{
    (void)ctx, (void)c, (void)e, (void)err;
    *ret = the_layout;
    return 0;
}

static void make_chain(struct drift_chain *c, enum drift_chain_kind kind)
{
    struct drift_plan_topic topic = {(char *)(uintptr_t) "t", 1};
    struct drift_plan_entry e = {.from_ms = INT64_MIN,
                                 .baseline_id = (char *)(uintptr_t) "",
                                 .baseline_digest = (char *)(uintptr_t) "",
                                 .config_hash = (char *)(uintptr_t) "",
                                 .window_ms = WINDOW,
                                 .lateness_ms = LATENESS,
                                 .n_topics = 1,
                                 .topics = &topic};
    char *json = drift_plan_entry_json(&e);
    struct drift_pair field = {(char *)(uintptr_t) "plan:0", json, strlen(json)};
    struct drift_err err;
    drift_chain_init(c, &model, kind);
    ck_assert_int_eq(
        drift_chain_update(c, &(struct drift_pairs){1, &field}, &(struct drift_pairs){0}, layout_of, NULL, &err), 0);
    free(json);
}

static void slot_copy(struct drift_pairs *to, const struct drift_pairs *from)
{
    drift_pairs_release(to);
    for (size_t i = 0; i < from->n; i++)
        pairs_set(to, from->pair[i].name, from->pair[i].value, from->pair[i].len);
}

static size_t slot_fields(const struct drift_pairs *s, const char *prefix)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += !strncmp(s->pair[i].name, prefix, strlen(prefix));
    return n;
}

static void flush(struct drift_partition *p, struct drift_pairs *s)
{
    struct drift_flush f;
    size_t bytes;
    drift_partition_prepare(p, 0, &f, &bytes);
    for (size_t i = 0; i < f.n_sets; i++)
        pairs_set(s, f.sets[i].name, f.sets[i].value, f.sets[i].len);
    for (size_t i = 0; i < f.n_dels; i++)
        ck_assert_msg(pairs_del(s, f.dels[i]), "a flush deletes %s, which is not there", f.dels[i]);
    drift_partition_flushed(p);
}

static struct drift_partition *begin(struct drift_chain *const *chains, size_t n, const struct drift_pairs *s)
{
    struct drift_partition *p =
        drift_partition_new(&(struct drift_partition_settings){"t", 0, &stream, n, chains, 5000});
    struct drift_err err;
    ck_assert_msg(drift_partition_load(p, s, &err) == 0, "%s", err.text);
    if (drift_partition_next(p) < 0)
        drift_partition_start(p, 0, true);
    return p;
}

static uint64_t blob_count(const struct drift_pairs *s, const char *key, int64_t window)
{
    char name[64];
    struct drift_blob_head head;
    struct drift_err err;
    snprintf(name, sizeof name, "b:%s:%" PRId64 ":", key, window);
    const struct drift_pair *f = drift_pairs_find(s, name);
    if (!f)
        return 0;
    ck_assert_int_eq(drift_blob_head(f->value, f->len, &head, &err), 0);
    return head.n;
}

static uint64_t number(const struct drift_pairs *s, const char *name)
{
    const struct drift_pair *f = drift_pairs_find(s, name);
    return f ? strtoull(f->value, NULL, 10) : 0;
}

static struct drift_event event(int64_t time_ms, const char *id)
{
    return (struct drift_event){.time_ms = time_ms, .id = {id, strlen(id)}, .score = {.kind = DRIFT_V_NUM, .num = .5}};
}

/* The naive recount: a table of window and id. */
struct oracle {
    bool seen[WINDOWS][IDS];
    uint64_t n[WINDOWS], duplicate, late, no_id, full;
    int64_t greatest;
};

static bool is_open(const struct oracle *o, int64_t w)
{
    return o->greatest < (w + 1) * WINDOW + LATENESS;
}

static void oracle_take(struct oracle *o, int64_t time_ms, unsigned id, uint64_t max)
{
    int64_t w = time_ms / WINDOW;
    uint64_t held = 0;
    for (int64_t i = 0; i < WINDOWS; i++)
        held += is_open(o, i) ? o->n[i] : 0;
    if (!is_open(o, w)) {
        o->late++;
    } else if (id == IDS) {
        o->no_id++;
    } else if (o->seen[w][id]) {
        o->duplicate++;
    } else if (held >= max) {
        o->full++;
    } else {
        o->seen[w][id] = true;
        o->n[w]++;
    }
    o->greatest = time_ms > o->greatest ? time_ms : o->greatest;
}

static void compare(const struct drift_pairs *s, const struct oracle *o, int round)
{
    for (int w = 0; w < WINDOWS; w++)
        ck_assert_msg(blob_count(s, "m%2F1:i", w * WINDOW) == o->n[w], "round %d window %d: %" PRIu64 " for %" PRIu64,
                      round, w, blob_count(s, "m%2F1:i", w * WINDOW), o->n[w]);
    ck_assert_uint_eq(number(s, "other:m%2F1:i:duplicate"), o->duplicate);
    ck_assert_uint_eq(number(s, "other:m%2F1:i:dedup_full"), o->full);
    ck_assert_uint_eq(number(s, "other:m%2F1:i:no_id"), o->no_id);
    ck_assert_uint_eq(number(s, "late:m%2F1:i"), o->late);
}

START_TEST(any_death_same_counts)
{
    struct drift_rng r = drift_rng_new(31);
    uint64_t duplicates = 0, full = 0;
    for (int round = 0; round < 300; round++) {
        int64_t times[EVENTS], at = 0;
        unsigned ids[EVENTS];
        struct oracle o = {.greatest = INT64_MIN};
        struct drift_chain c, *chains[] = {&c};
        struct drift_pairs s = {0}, old[SNAPSHOTS] = {{0}};
        model.dedup_max_ids = round % 2 ? 1000 : 40;
        make_chain(&c, DRIFT_CHAIN_INPUT);
        for (int i = 0; i < EVENTS; i++) {
            at += (int64_t)drift_rng_below(&r, 100);
            times[i] = at - (drift_rng_below(&r, 3) ? 0 : (int64_t)drift_rng_below(&r, 4000));
            times[i] = times[i] < 0 ? 0 : times[i];
            ids[i] = (unsigned)drift_rng_below(&r, round % 3 ? IDS + 1 : 30);
            oracle_take(&o, times[i], ids[i], model.dedup_max_ids);
        }
        struct drift_partition *p = begin(chains, 1, &s);
        for (int64_t i = drift_partition_next(p); i < EVENTS; i++) {
            char id[16] = "";
            if (ids[i] < IDS)
                snprintf(id, sizeof id, "id-%u", ids[i]);
            struct drift_event ev = event(times[i], id);
            drift_partition_count(p, 0, &ev);
            drift_partition_pass(p, i, ev.time_ms);
            if (!drift_rng_below(&r, 5)) {
                flush(p, &s);
                slot_copy(&old[drift_rng_below(&r, SNAPSHOTS)], &s);
            }
            if (!drift_rng_below(&r, 40)) { /* dies; now and then Redis has lost the last flushes as well */
                drift_partition_free(p);
                if (!drift_rng_below(&r, 3))
                    slot_copy(&s, &old[drift_rng_below(&r, SNAPSHOTS)]);
                p = begin(chains, 1, &s);
                i = drift_partition_next(p) - 1;
            }
        }
        flush(p, &s);
        flush(p, &s);
        compare(&s, &o, round);
        duplicates += o.duplicate;
        full += o.full;
        drift_partition_free(p);
        drift_pairs_release(&s);
        for (int i = 0; i < SNAPSHOTS; i++)
            drift_pairs_release(&old[i]);
        drift_chain_release(&c);
    }
    ck_assert_uint_gt(duplicates, 10000);
    ck_assert_uint_gt(full, 1000);
}
END_TEST

/* One record feeds two chains: each has a set of its own, and windows of their own close them. */
START_TEST(two_chains)
{
    struct drift_chain input, label, *chains[] = {&input, &label};
    struct drift_pairs s = {0};
    model.dedup_max_ids = 1000;
    make_chain(&input, DRIFT_CHAIN_INPUT);
    make_chain(&label, DRIFT_CHAIN_LABEL);
    struct drift_partition *p = begin(chains, 2, &s);
    struct drift_event ev = event(500, "a");
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
    ck_assert_int_eq(drift_partition_count(p, 1, &ev), DRIFT_REASON_NONE);
    drift_partition_pass(p, 0, 500);
    flush(p, &s);
    drift_partition_free(p);
    p = begin(chains, 2, &s);
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_DUPLICATE);
    ck_assert_int_eq(drift_partition_count(p, 1, &ev), DRIFT_REASON_DUPLICATE);
    ev = event(1500, "a"); /* another window */
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
    ck_assert_uint_eq(drift_partition_ids(p, 0), 2);
    ck_assert_uint_eq(drift_partition_ids(p, 1), 1);
    flush(p, &s);
    ck_assert_uint_eq(slot_fields(&s, "d:m%2F1:i:0:"), 1);
    ck_assert_uint_eq(slot_fields(&s, "d:m%2F1:l:0:"), 1);
    ck_assert_uint_eq(slot_fields(&s, "dk"), 1);
    drift_partition_free(p);
    drift_pairs_release(&s);
    drift_chain_release(&input);
    drift_chain_release(&label);
}
END_TEST

/* Ids leave with the flush that closes their window: by the log, by an idle advance, and after a restart. */
START_TEST(closed_windows_lose_their_ids)
{
    for (int way = 0; way < 3; way++) {
        struct drift_chain c, *chains[] = {&c};
        struct drift_pairs s = {0};
        make_chain(&c, DRIFT_CHAIN_INPUT);
        struct drift_partition *p = begin(chains, 1, &s);
        struct drift_event ev = event(500, "a");
        ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
        drift_partition_pass(p, 0, 500);
        flush(p, &s);
        ck_assert_uint_eq(slot_fields(&s, "d:"), 1);
        if (way == 0) {
            drift_partition_pass(p, 1, 9000);
        } else {
            pairs_set(&s, "wm", "9000", 4);
            if (way == 1) {
                drift_partition_advanced(p, 9000);
            } else {
                drift_partition_free(p);
                p = begin(chains, 1, &s);
            }
        }
        ck_assert_uint_eq(drift_partition_ids(p, 0), 0);
        ck_assert(drift_partition_dirty(p, 0));
        flush(p, &s);
        ck_assert_uint_eq(slot_fields(&s, "d:"), 0);
        ck_assert(!drift_partition_dirty(p, 0));
        ck_assert_int_eq(drift_partition_count(p, 0, &ev), way ? DRIFT_REASON_LATE_AFTER_IDLE : DRIFT_REASON_LATE);
        drift_partition_free(p);
        drift_pairs_release(&s);
        drift_chain_release(&c);
    }
}
END_TEST

/* What else can stand in the slot: refused with the field's name, or of no use and removed; never believed. */
START_TEST(hostile_slot)
{
    static const char *const bad[][2] = {
        {"dk", ""},
        {"dk", "00112233445566778899aabbccddeeFF"},
        {"dk", "00112233445566778899aabbccddeeff0"},
        {"d:m%2F1:i:0:0", "junk"},
        {"d:m%2F1:i:0:0", ""},
        {"d:m%2F1:i:0:7", NULL},  /* a gap */
        {"d:m%2F1:i:0:00", NULL}, /* no name of ours */
        {"d:m%2F1:i:0:-1", NULL},
        {"d:m%2F1:i:0:99999999999", NULL},
        {"d:m%2F1:i:0", NULL},
        {"d:m%2F1:i:1:0", NULL},    /* no window starts there */
        {"d:m%2F1:i:1000:0", NULL}, /* an open window without counts */
        {"d:m%2F1:i:9223372036854775807:0", NULL},
    };
    struct drift_chain c, *chains[] = {&c};
    struct drift_pairs s = {0}, hurt = {0};
    struct drift_err err;
    make_chain(&c, DRIFT_CHAIN_INPUT);
    struct drift_partition *p = begin(chains, 1, &s);
    struct drift_event ev = event(500, "a");
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
    drift_partition_pass(p, 0, 500);
    flush(p, &s);
    drift_partition_free(p);
    struct drift_pair chunk = *drift_pairs_find(&s, "d:m%2F1:i:0:0");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        slot_copy(&hurt, &s);
        pairs_set(&hurt, bad[i][0], bad[i][1] ? bad[i][1] : chunk.value, bad[i][1] ? strlen(bad[i][1]) : chunk.len);
        p = drift_partition_new(&(struct drift_partition_settings){"t", 0, &stream, 1, chains, 5000});
        ck_assert_msg(drift_partition_load(p, &hurt, &err) != 0, "%s=%s", bad[i][0], bad[i][1]);
        ck_assert_msg(strstr(err.text, bad[i][0]), "%s: %s", bad[i][0], err.text);
        drift_partition_free(p);
    }
    slot_copy(&hurt, &s);
    pairs_del(&hurt, "dk");
    p = drift_partition_new(&(struct drift_partition_settings){"t", 0, &stream, 1, chains, 5000});
    ck_assert_int_eq(drift_partition_load(p, &hurt, &err), DRIFT_E_CORRUPT);
    drift_partition_free(p);
    slot_copy(&hurt, &s); /* switched off meanwhile: the ids go */
    model.dedup_by = DRIFT_DEDUP_OFF;
    p = begin(chains, 1, &hurt);
    flush(p, &hurt);
    ck_assert_uint_eq(slot_fields(&hurt, "d:"), 0);
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
    model.dedup_by = DRIFT_DEDUP_EVENT_ID;
    drift_partition_free(p);
    drift_pairs_release(&hurt);
    drift_pairs_release(&s);
    drift_chain_release(&c);
}
END_TEST

int main(void)
{
    static const double edges[] = {.25, .5, .75};
    Suite *s = suite_create("dedup");
    the_layout = drift_layout_new();
    if (drift_layout_add_numeric(the_layout, DRIFT_SCORE, "score", edges, 3, false, NULL, 0) ||
        drift_layout_seal(the_layout))
        return 1;
    drift_test_add(s, "any_death_same_counts", any_death_same_counts, 60);
    drift_test_add(s, "two_chains", two_chains, 10);
    drift_test_add(s, "closed_windows_lose_their_ids", closed_windows_lose_their_ids, 10);
    drift_test_add(s, "hostile_slot", hostile_slot, 10);
    int status = drift_test_run(s);
    drift_layout_free(the_layout);
    return status;
}
