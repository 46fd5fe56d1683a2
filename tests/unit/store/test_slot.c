/* tests/unit/store/test_slot.c    Partition slots against a real redis-server: every reply of every script. */
#include <inttypes.h>

#include "server.h"

static struct server server;
static struct drift_store *s;
static struct drift_err err;
static const struct drift_slot_id slot = {"scores", 3};
#define KEY "driftd:{p/g/scores/3}"

static void setup(void)
{
    tell(&server, "FLUSHALL");
    s = store_at(server.socket, "g");
}

static void teardown(void)
{
    drift_store_free(s);
}

static const char *text_of(const struct drift_pairs *p, const char *name)
{
    const struct drift_pair *f = drift_pairs_find(p, name);
    return f ? f->value : "";
}

static void acquire(int h)
{
    struct drift_pairs p;
    int64_t now;
    ok(drift_store_acquire(s, slot, head(h), "me", &p, &now, &err));
    drift_pairs_release(&p);
}

/* Flush of at most one field; value NULL: none. */
static enum drift_reply flush(int prev, int new, const char *name, const char *value)
{
    struct drift_pair set = PAIR(name, value ? value : "");
    enum drift_reply reply;
    struct drift_flush f = {.prev = head(prev), .new_head = head(new), .sets = &set, .n_sets = value != NULL};
    int64_t now = 0;
    ok(drift_store_flush(s, slot, &f, &reply, &now, &err));
    ck_assert_int_gt(now, 1700000000000);
    return reply;
}

static enum drift_reply advance(int prev, int new, int64_t to, int64_t settle)
{
    enum drift_reply reply;
    int64_t now;
    struct drift_flush f = {
        .prev = head(prev), .new_head = head(new), .advance = true, .advance_to_ms = to, .settle_ms = settle};
    ok(drift_store_flush(s, slot, &f, &reply, &now, &err));
    return reply;
}

START_TEST(show_for_people)
{
    struct drift_slot_show v;
    struct drift_show_ask asks[] = {{"m:i", 2000}, {"m:l", INT64_MIN}};
    ok(drift_store_show(s, slot, asks, 2, &v, &err));
    ck_assert(!v.exists);
    ck_assert_str_eq(v.owner, "");
    ck_assert_uint_eq(v.open.n, 0);
    drift_slot_show_release(&v);

    acquire(1);
    ck_assert_int_eq(flush(1, 2, "b:m:i:1000:", "x"), DRIFT_REPLY_OK);
    ck_assert_int_eq(flush(2, 3, "b:m:i:2000:", "x"), DRIFT_REPLY_OK);
    ck_assert_int_eq(flush(3, 4, "b:m:l:-1000:", "x"), DRIFT_REPLY_OK);
    ck_assert_int_eq(flush(4, 5, "b:other:i:3000:", "x"), DRIFT_REPLY_OK);
    ck_assert_int_eq(flush(5, 6, "late:m:i", "7"), DRIFT_REPLY_OK);
    ck_assert_int_eq(flush(6, 7, "other:m:i:future", "2"), DRIFT_REPLY_OK);
    ck_assert_int_eq(flush(7, 8, "other::malformed", "40"), DRIFT_REPLY_OK);
    ck_assert_int_eq(flush(8, 10, "waits", "for scores/3"), DRIFT_REPLY_OK);
    ck_assert_int_eq(advance(10, 9, 5000, 0), DRIFT_REPLY_OK);
    char *before = drift_xstrdup(field(&server, KEY, "at"));
    ok(drift_store_show(s, slot, asks, 2, &v, &err));
    ck_assert(v.exists);
    ck_assert_str_eq(v.owner, "me");
    ck_assert_str_eq(v.waits, "for scores/3");
    ck_assert_str_eq(v.offset, "");
    ck_assert_int_eq(v.wm_ms, 5000);
    ck_assert(v.has_adv && v.adv_to_ms == 5000);
    ck_assert_int_eq(v.at_ms, atoll(before));
    ck_assert_int_ge(v.now_ms, v.at_ms);
    ck_assert_uint_eq(v.late, 7);
    ck_assert_uint_eq(v.refused, 42);
    ck_assert_uint_eq(v.open.n, 2);
    ck_assert_str_eq(text_of(&v.open, "m:i"), "2000");
    ck_assert_str_eq(text_of(&v.open, "m:l"), "-1000");
    drift_slot_show_release(&v);
    ck_assert_str_eq(field(&server, KEY, "at"), before); /* nothing is written */
    ck_assert_str_eq(field(&server, KEY, "seen"), "");
    free(before);
}
END_TEST

START_TEST(acquire_gives_fields)
{
    struct drift_pairs p;
    int64_t now;
    ok(drift_store_acquire(s, slot, head(1), "host-1", &p, &now, &err));
    ck_assert_str_eq(text_of(&p, "head"), head(1));
    ck_assert_str_eq(text_of(&p, "fmt"), "1");
    ck_assert_str_eq(text_of(&p, "owner"), "host-1");
    ck_assert_str_eq(text_of(&p, "acquired"), "1");
    ck_assert_ptr_null(drift_pairs_find(&p, "offset"));
    ck_assert_uint_eq(p.n, 5);
    drift_pairs_release(&p);

    redisReply *t = ask(&server, "TIME");
    ck_assert_int_le(llabs(atoll(t->element[0]->str) * 1000 - now), 60000);
    freeReplyObject(t);

    ck_assert_int_eq(flush(1, 2, "offset", "12345678901234567890"), DRIFT_REPLY_OK);
    ok(drift_store_acquire(s, slot, head(3), "host-2", &p, &now, &err));
    ck_assert_str_eq(text_of(&p, "head"), head(3));
    ck_assert_str_eq(text_of(&p, "acquired"), "2");
    ck_assert_str_eq(text_of(&p, "offset"), "12345678901234567890"); /* never a number */
    drift_pairs_release(&p);
    ck_assert_int_eq(flush(2, 4, "offset", "0"), DRIFT_REPLY_STALE);
    ck_assert_str_eq(field(&server, KEY, "offset"), "12345678901234567890");
}
END_TEST

START_TEST(flush_replies)
{
    ck_assert_int_eq(flush(1, 2, "offset", "5"), DRIFT_REPLY_STALE); /* no slot at all */
    ck_assert_int_eq(number(&server, "EXISTS", KEY), 0);
    acquire(1);
    ck_assert_int_eq(flush(1, 2, "offset", "5"), DRIFT_REPLY_OK);
    ck_assert_str_eq(field(&server, KEY, "head"), head(2));
    ck_assert_int_eq(flush(1, 2, "offset", "5"), DRIFT_REPLY_DUP);
    ck_assert_int_eq(flush(1, 3, "offset", "6"), DRIFT_REPLY_STALE);
    ck_assert_str_eq(field(&server, KEY, "offset"), "5");
    ck_assert_int_eq(flush(2, 3, "offset", NULL), DRIFT_REPLY_OK); /* nothing but a new head */
    ck_assert_str_eq(field(&server, KEY, "head"), head(3));

    enum drift_reply reply;
    ok(drift_store_check(s, slot, head(3), &reply, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_OK);
    ok(drift_store_check(s, slot, head(2), &reply, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_STALE);
    ok(drift_store_check(s, (struct drift_slot_id){"scores", 4}, head(2), &reply, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_STALE);
}
END_TEST

/* A slot that lost its head matches nothing, an empty prev included. */
START_TEST(flush_without_head)
{
    enum drift_reply reply;
    int64_t now;
    struct drift_flush f = {.prev = "", .new_head = head(1)};
    tell(&server, "HSET " KEY " offset 5");
    ok(drift_store_flush(s, slot, &f, &reply, &now, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_STALE);
}
END_TEST

START_TEST(flush_deletes)
{
    const char *dels[] = {"b:m:i:0:", "b:m:i:absent"};
    struct drift_pair sets[] = {PAIR("b:m:i:60000:", "x"), PAIR("gone:m:i", "60000")};
    enum drift_reply reply;
    int64_t now;
    acquire(1);
    ck_assert_int_eq(flush(1, 2, "b:m:i:0:", "blob"), DRIFT_REPLY_OK);
    struct drift_flush f = {.prev = head(2), .new_head = head(3), .sets = sets, .n_sets = 2, .dels = dels, .n_dels = 2};
    ok(drift_store_flush(s, slot, &f, &reply, &now, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_OK);
    ck_assert_str_eq(field(&server, KEY, "b:m:i:0:"), "");
    ck_assert_str_eq(field(&server, KEY, "b:m:i:60000:"), "x");
    ck_assert_str_eq(field(&server, KEY, "gone:m:i"), "60000");
}
END_TEST

START_TEST(flush_refuses_reserved)
{
    static const char *const names[] = {"head", "fmt", "adv", "forced", "seen", "owner", "acquired", "at"};
    struct drift_pair set = PAIR("offset", "1");
    enum drift_reply reply;
    int64_t now;
    acquire(1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct drift_pair bad = PAIR(names[i], "x");
        struct drift_flush sets = {.prev = head(1), .new_head = head(2), .sets = &bad, .n_sets = 1};
        struct drift_flush dels = {.prev = head(1), .new_head = head(2), .dels = &names[i], .n_dels = 1};
        fails(drift_store_flush(s, slot, &sets, &reply, &now, &err), DRIFT_E_USAGE);
        fails(drift_store_flush(s, slot, &dels, &reply, &now, &err), DRIFT_E_USAGE);
    }
    struct drift_flush both = {.prev = head(1), .new_head = head(2), .advance = true, .sets = &set, .n_sets = 1};
    fails(drift_store_flush(s, slot, &both, &reply, &now, &err), DRIFT_E_USAGE);
    ck_assert_str_eq(field(&server, KEY, "head"), head(1));
}
END_TEST

START_TEST(advance_replies)
{
    long long from, to, at;
    acquire(1);
    ck_assert_int_eq(flush(1, 2, "wm", "1000"), DRIFT_REPLY_OK);
    ck_assert_int_eq(advance(2, 3, 1000, 0), DRIFT_REPLY_NOOP);
    ck_assert_int_eq(advance(2, 3, 999, 0), DRIFT_REPLY_NOOP);
    ck_assert_str_eq(field(&server, KEY, "head"), head(2)); /* nothing written */
    ck_assert_str_eq(field(&server, KEY, "adv"), "");
    ck_assert_int_eq(advance(2, 3, 1700000000123, 100000), DRIFT_REPLY_OK);
    ck_assert_int_eq(sscanf(field(&server, KEY, "adv"), "%lld:%lld:%lld", &from, &to, &at), 3);
    ck_assert_int_eq(from, 1000);
    ck_assert_int_eq(to, 1700000000123);
    ck_assert_int_gt(at, 1700000000000);
    ck_assert_str_eq(field(&server, KEY, "wm"), "1700000000123"); /* all digits: no %g on the way */
    ck_assert_int_eq(advance(2, 3, 1700000000123, 100000), DRIFT_REPLY_DUP);
    ck_assert_int_eq(advance(3, 4, 1700000000999, 100000), DRIFT_REPLY_BUSY);
    ck_assert_int_eq(advance(3, 4, 1700000000999, 0), DRIFT_REPLY_OK);
    ck_assert_int_eq(advance(3, 5, 1700000001999, 0), DRIFT_REPLY_STALE);
    ck_assert_int_eq(flush(4, 5, "offset", "9"), DRIFT_REPLY_OK); /* a flush does not wait for an advance */
}
END_TEST

START_TEST(advance_of_fresh_slot)
{
    acquire(1);
    ck_assert_int_eq(advance(1, 2, 5000, 10000), DRIFT_REPLY_OK);
    ck_assert_str_eq(field(&server, KEY, "wm"), "5000");
    ck_assert_int_eq(strncmp(field(&server, KEY, "adv"), "0:5000:", 7), 0);
}
END_TEST

START_TEST(force_replies)
{
    enum drift_reply reply;
    int64_t now;
    acquire(1);
    ck_assert_int_eq(flush(1, 2, "wm", "1000"), DRIFT_REPLY_OK);
    ok(drift_store_force(s, slot, head(50), 1000, 10000, &reply, &now, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_OK);
    ck_assert_str_eq(field(&server, KEY, "head"), head(2)); /* nothing to raise */
    ok(drift_store_force(s, slot, head(51), 2000, 10000, &reply, &now, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_OK);
    ck_assert_str_eq(field(&server, KEY, "head"), head(51));
    ck_assert_str_eq(field(&server, KEY, "wm"), "2000");
    ok(drift_store_force(s, slot, head(52), 3000, 10000, &reply, &now, &err));
    ck_assert_int_eq(reply, DRIFT_REPLY_BUSY);
    ck_assert_int_eq(flush(2, 3, "offset", "7"), DRIFT_REPLY_STALE); /* the owner learns of it */
}
END_TEST

static enum drift_reply force_to(int64_t to)
{
    enum drift_reply reply = DRIFT_REPLY_BUSY;
    int64_t now;
    ok(drift_store_force(s, slot, head(60), to, 0, &reply, &now, &err));
    return reply;
}

START_TEST(force_is_remembered)
{
    struct drift_slot_view v;
    char long_text[600];
    ck_assert_int_eq(force_to(1000), DRIFT_REPLY_OK); /* a slot that nobody ever acquired */
    ck_assert_str_eq(field(&server, KEY, "forced"), "0:1000");
    ck_assert_int_eq(force_to(2000), DRIFT_REPLY_OK); /* goes on */
    ck_assert_str_eq(field(&server, KEY, "forced"), "0:2000");
    ck_assert_int_eq(force_to(1500), DRIFT_REPLY_OK); /* nothing to raise */
    ck_assert_str_eq(field(&server, KEY, "forced"), "0:2000");
    for (int i = 3; i <= 12; i++) { /* with counting in between, only the last ones stay */
        char mark[16];
        snprintf(mark, sizeof mark, "%d", i * 1000 - 500);
        tell(&server, "HSET " KEY " wm %s", mark);
        ck_assert_int_eq(force_to(i * 1000), DRIFT_REPLY_OK);
    }
    ok(drift_store_read(s, slot, "m:i", 0, NULL, 0, &v, &err));
    ck_assert(v.exists);
    ck_assert_uint_eq(v.n_forced, DRIFT_FORCED_MAX);
    for (int i = 0; i < DRIFT_FORCED_MAX; i++) {
        ck_assert_int_eq(v.forced[i].from_ms, 4500 + i * 1000);
        ck_assert_int_eq(v.forced[i].to_ms, 5000 + i * 1000);
    }
    drift_slot_view_release(&v);
    memset(long_text, '1', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    const char *bad[] = {"1", "1:", ":1", "1:2 3", "1:2 x:4", "1:1 1:1 1:1 1:1 1:1 1:1 1:1 1:1 1:1", long_text};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tell(&server, "HSET " KEY " forced %s", bad[i]);
        fails(drift_store_read(s, slot, "m:i", 0, NULL, 0, &v, &err), DRIFT_E_CORRUPT);
        ck_assert_ptr_nonnull(strstr(err.text, "forced"));
    }
    enum drift_reply reply;
    int64_t now;
    fails(drift_store_force(s, slot, head(61), 99000, 0, &reply, &now, &err), DRIFT_E_CORRUPT);
}
END_TEST

START_TEST(read_view)
{
    struct drift_slot_view v;
    struct drift_pair sets[] = {PAIR("b:m:i:120000:", "two"), PAIR("b:m:i:60000:", "one"), PAIR("b:m:i:0:", "zero"),
                                PAIR("b:m:l:0:", "label"),    PAIR("b:mm:i:0:", "other"),  PAIR("b:m:i:junk", "x"),
                                PAIR("offset", "41"),         PAIR("wm", "130000"),        PAIR("gone:m:i", "-60000"),
                                PAIR("waits", "why"),         PAIR("partial", "70000"),    PAIR("partial_from", "-3")};
    const int64_t starts[] = {60000, 180000, 0};
    enum drift_reply reply;
    int64_t now;
    ok(drift_store_read(s, slot, "m:i", INT64_MIN, starts, 3, &v, &err));
    ck_assert(!v.exists && !v.waits && !v.has_adv);
    ck_assert_str_eq(v.offset, "");
    ck_assert_int_eq(v.wm_ms, INT64_MIN);
    ck_assert_int_eq(v.gone_ms, INT64_MIN);
    ck_assert_int_eq(v.lowest_blob_ms, INT64_MAX);
    ck_assert_uint_eq(v.blobs.n, 0);
    drift_slot_view_release(&v);
    ck_assert_str_ne(field(&server, KEY, "seen"), ""); /* flaw 14: a read that writes */

    acquire(1);
    struct drift_flush f = {.prev = head(1), .new_head = head(2), .sets = sets, .n_sets = 12};
    ok(drift_store_flush(s, slot, &f, &reply, &now, &err));
    ok(drift_store_read(s, slot, "m:i", INT64_MIN, starts, 3, &v, &err));
    ck_assert(v.exists && v.waits && !v.has_adv);
    ck_assert_int_eq(v.partial_ms, 70000);
    ck_assert_int_eq(v.partial_from_ms, -3);
    ck_assert_str_eq(v.offset, "41");
    ck_assert_int_eq(v.wm_ms, 130000);
    ck_assert_int_eq(v.gone_ms, -60000);
    ck_assert_int_eq(v.lowest_blob_ms, 0);
    ck_assert_uint_eq(v.blobs.n, 2);
    ck_assert_str_eq(text_of(&v.blobs, "b:m:i:60000:"), "one");
    ck_assert_str_eq(text_of(&v.blobs, "b:m:i:0:"), "zero");
    drift_slot_view_release(&v);

    ok(drift_store_read(s, slot, "m:i", 1, NULL, 0, &v, &err));
    ck_assert_int_eq(v.lowest_blob_ms, 60000);
    drift_slot_view_release(&v);
    ok(drift_store_read(s, slot, "m:i", INT64_MAX, starts, 3, &v, &err)); /* not looked for */
    ck_assert_int_eq(v.lowest_blob_ms, INT64_MAX);
    ck_assert_uint_eq(v.blobs.n, 2);
    drift_slot_view_release(&v);
    /* some starts are asked for first, by name */
    const int64_t first[] = {-60000, 60000, 120000};
    struct drift_slot_ask look = {
        .chain_key = "m:i", .from_ms = INT64_MAX, .start_ms = starts, .n_start = 3, .first_ms = first, .n_first = 3};
    ok(drift_store_look(s, slot, &look, &v, &err));
    ck_assert_int_eq(v.lowest_blob_ms, 60000);
    ck_assert_uint_eq(v.blobs.n, 2);
    drift_slot_view_release(&v);
    look.n_first = 1;
    ok(drift_store_look(s, slot, &look, &v, &err));
    ck_assert_int_eq(v.lowest_blob_ms, INT64_MAX);
    drift_slot_view_release(&v);
    look.from_ms = 1; /* then all */
    ok(drift_store_look(s, slot, &look, &v, &err));
    ck_assert_int_eq(v.lowest_blob_ms, 60000);
    ck_assert_uint_eq(v.blobs.n, 2);
    drift_slot_view_release(&v);
    ok(drift_store_read(s, slot, "m:i", 120001, NULL, 0, &v, &err));
    ck_assert_int_eq(v.lowest_blob_ms, INT64_MAX);
    drift_slot_view_release(&v);
    ok(drift_store_read(s, slot, "m:l", INT64_MIN, starts, 3, &v, &err));
    ck_assert_uint_eq(v.blobs.n, 1);
    ck_assert_int_eq(v.gone_ms, INT64_MIN);
    drift_slot_view_release(&v);

    ck_assert_int_eq(advance(2, 3, 200000, 0), DRIFT_REPLY_OK);
    ok(drift_store_read(s, slot, "m:i", 0, NULL, 0, &v, &err));
    ck_assert(v.has_adv);
    ck_assert_int_eq(v.adv_from_ms, 130000);
    ck_assert_int_eq(v.adv_to_ms, 200000);
    ck_assert_int_le(v.adv_at_ms, v.now_ms);
    ck_assert_int_ge(v.adv_at_ms, v.now_ms - 60000);
    drift_slot_view_release(&v);
}
END_TEST

static void set_bytes(struct drift_pair *p, char *name, size_t len, struct drift_rng *r)
{
    *p = (struct drift_pair){.name = name, .value = malloc(len + 1), .len = len};
    for (size_t i = 0; i < len; i++)
        p->value[i] = (char)drift_rng_below(r, 256);
}

/* Values with every byte, NUL, CR and LF among them, at sizes around the chunk of 1999 pairs and far above it. */
START_TEST(large_binary_flush)
{
    static const size_t sizes[] = {1, 1998, 1999, 2000, 3998, 3999, 10000};
    struct drift_rng rng = drift_rng_new(7);
    int h = 1;
    size_t compared = 0;
    acquire(h);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++, h++) {
        size_t n = sizes[k];
        struct drift_pair *sets = calloc(n, sizeof *sets);
        const char **names = calloc(n, sizeof *names);
        struct drift_pairs back;
        enum drift_reply reply;
        int64_t now;
        for (size_t i = 0; i < n; i++) {
            char *name;
            ck_assert_int_gt(asprintf(&name, "b:m:i:%zu", i * 60000), 0);
            set_bytes(&sets[i], name, drift_rng_below(&rng, 64), &rng);
            names[i] = name;
        }
        struct drift_flush f = {.prev = head(h), .new_head = head(h + 1), .sets = sets, .n_sets = n};
        ok(drift_store_flush(s, slot, &f, &reply, &now, &err));
        ck_assert_int_eq(reply, DRIFT_REPLY_OK);
        ok(drift_store_acquire(s, slot, head(1000), "me", &back, &now, &err));
        ck_assert_uint_eq(back.n, n + 5);
        for (size_t i = 0; i < back.n; i++) {
            if (strncmp(back.pair[i].name, "b:", 2))
                continue;
            size_t at = (size_t)(atoll(back.pair[i].name + 6) / 60000);
            ck_assert_uint_eq(back.pair[i].len, sets[at].len);
            ck_assert_int_eq(memcmp(back.pair[i].value, sets[at].value, sets[at].len), 0);
            ck_assert_int_eq(back.pair[i].value[back.pair[i].len], 0);
            compared++;
        }
        drift_pairs_release(&back);

        struct drift_flush d = {.prev = head(1000), .new_head = head(h + 1), .dels = names, .n_dels = n};
        ok(drift_store_flush(s, slot, &d, &reply, &now, &err));
        ck_assert_int_eq(reply, DRIFT_REPLY_OK);
        ck_assert_int_eq(number(&server, "HLEN", KEY), 5);
        for (size_t i = 0; i < n; i++) {
            free(sets[i].name);
            free(sets[i].value);
        }
        free(sets);
        free(names);
    }
    ck_assert_uint_eq(compared, 1 + 1998 + 1999 + 2000 + 3998 + 3999 + 10000);
}
END_TEST

START_TEST(too_many_fields)
{
    size_t n = 500001;
    struct drift_pair *sets = calloc(n, sizeof *sets);
    enum drift_reply reply;
    int64_t now;
    for (size_t i = 0; i < n; i++)
        sets[i] = PAIR("b", "");
    struct drift_flush f = {.prev = head(1), .new_head = head(2), .sets = sets, .n_sets = n};
    fails(drift_store_flush(s, slot, &f, &reply, &now, &err), DRIFT_E_FULL);
    free(sets);
}
END_TEST

START_TEST(scripts_forgotten)
{
    acquire(1);
    ck_assert_int_eq(flush(1, 2, "offset", "1"), DRIFT_REPLY_OK);
    tell(&server, "SCRIPT FLUSH");
    ck_assert_int_eq(flush(2, 3, "offset", "2"), DRIFT_REPLY_OK); /* NOSCRIPT, then EVAL */
    ck_assert_int_eq(flush(2, 3, "offset", "2"), DRIFT_REPLY_DUP);
    ck_assert_str_eq(field(&server, KEY, "offset"), "2");
}
END_TEST

/* What somebody else wrote into a slot is refused, not believed, and not changed. */
START_TEST(corrupt_slots)
{
    static const struct {
        const char *field, *value;
    } bad[] = {{"wm", "1e5"},         {"wm", "0x10"},
               {"wm", "nan"},         {"wm", "99999999999999999999"},
               {"adv", "1:2"},        {"adv", "1:2:x"},
               {"adv", ":::"},        {"adv", "1:2:3:4"},
               {"offset", "12a"},     {"offset", "-1"},
               {"gone:m:i", "later"}, {"offset", "1234567890123456789012345678901234567890"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct drift_slot_view v;
        tell(&server, "DEL " KEY);
        acquire(1);
        tell(&server, "HSET " KEY " %s %s", bad[i].field, bad[i].value);
        fails(drift_store_read(s, slot, "m:i", 0, NULL, 0, &v, &err), DRIFT_E_CORRUPT);
        ck_assert_ptr_nonnull(strstr(err.text, i < 4 ? "wm" : i < 8 ? "adv" : i == 10 ? "gone" : "offset"));
    }
    for (size_t i = 0; i < 8; i++) {
        enum drift_reply reply;
        int64_t now;
        struct drift_flush f = {.prev = head(1), .new_head = head(2), .advance = true, .advance_to_ms = 77};
        tell(&server, "DEL " KEY);
        acquire(1);
        tell(&server, "HSET " KEY " %s %s", bad[i].field, bad[i].value);
        fails(drift_store_flush(s, slot, &f, &reply, &now, &err), DRIFT_E_CORRUPT);
        ck_assert_str_eq(field(&server, KEY, "head"), head(1));
        fails(drift_store_force(s, slot, head(2), 77, 0, &reply, &now, &err), DRIFT_E_CORRUPT);
        ck_assert_str_eq(field(&server, KEY, "head"), head(1));
    }
}
END_TEST

START_TEST(newer_format)
{
    struct drift_slot_view v;
    struct drift_pairs p;
    int64_t now;
    acquire(1);
    tell(&server, "HSET " KEY " fmt 2");
    fails(drift_store_acquire(s, slot, head(2), "me", &p, &now, &err), DRIFT_E_VERSION);
    fails(drift_store_read(s, slot, "m:i", 0, NULL, 0, &v, &err), DRIFT_E_VERSION);
    ck_assert_str_eq(field(&server, KEY, "head"), head(1));
    ck_assert_str_eq(field(&server, KEY, "acquired"), "1");
}
END_TEST

START_TEST(wrong_type)
{
    struct drift_slot_view v;
    struct drift_pairs p;
    enum drift_reply reply;
    int64_t now;
    tell(&server, "SET " KEY " x");
    fails(drift_store_acquire(s, slot, head(2), "me", &p, &now, &err), DRIFT_E_CORRUPT);
    fails(drift_store_read(s, slot, "m:i", 0, NULL, 0, &v, &err), DRIFT_E_CORRUPT);
    fails(drift_store_check(s, slot, head(2), &reply, &err), DRIFT_E_CORRUPT);
}
END_TEST

/* A field name with a NUL must not pass for the shorter one. */
START_TEST(names_with_nul)
{
    struct drift_pairs p;
    int64_t now;
    tell(&server, "HSET " KEY " %b 99", "offset\0x", (size_t)8);
    ok(drift_store_acquire(s, slot, head(1), "me", &p, &now, &err));
    ck_assert_ptr_null(drift_pairs_find(&p, "offset"));
    ck_assert_uint_eq(p.n, 5);
    drift_pairs_release(&p);
}
END_TEST

/* Names are data: whatever is in them, no two slots meet and no key has a second tag. */
START_TEST(hostile_names)
{
    static const char *const names[] = {"t",     "t/0", "g/t",   "{t}", "t}",        "}{",    "%",  "%2F",
                                        "t%2F0", ":v",  "t:out", "a b", "\r\nDEL x", "é",     "*",  "t/label",
                                        "",      ".",   "..",    "T",   "t\t",       "\"t\"", "\\", "$1",
                                        "@now@", "p",   "m",     "b",   "label",     "0"};
    size_t n = sizeof names / sizeof *names, made = 0;
    for (size_t g = 0; g < n; g++) {
        struct drift_store *other = store_at(server.socket, names[g]);
        for (size_t t = 0; t < n; t++) {
            struct drift_pairs p;
            int64_t now;
            for (int32_t part = 0; part < 2; part++, made++) {
                ok(drift_store_acquire(other, (struct drift_slot_id){names[t], part}, head(1), names[g], &p, &now,
                                       &err));
                ck_assert_str_eq(text_of(&p, "acquired"), "1");
                drift_pairs_release(&p);
            }
            for (int kind = 0; kind < DRIFT_N_CHAIN; kind++, made++) {
                enum drift_reply reply;
                ok(drift_store_model_init(other, (struct drift_chain_id){names[t], (enum drift_chain_kind)kind},
                                          head(9), NULL, 0, &reply, &err));
                ck_assert_int_eq(reply, DRIFT_REPLY_OK);
            }
        }
        drift_store_free(other);
    }
    redisReply *r = ask(&server, "KEYS *");
    ck_assert_uint_eq(r->elements, made);
    for (size_t i = 0; i < r->elements; i++) {
        const char *key = r->element[i]->str, *open = strchr(key, '{'), *close = strchr(key, '}');
        ck_assert_int_eq(strncmp(key, "driftd:{", 8), 0);
        ck_assert_uint_eq(strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/:{}%"),
                          strlen(key));
        ck_assert_ptr_eq(open, strrchr(key, '{'));
        ck_assert(close > open + 1 && close == strrchr(key, '}'));
    }
    printf("%zu slots of hostile names, all apart\n", r->elements);
    freeReplyObject(r);
}
END_TEST

START_TEST(overlong_names)
{
    char name[5000];
    struct drift_pairs p;
    struct drift_store *none;
    struct drift_redis_config cfg = {.socket = server.socket};
    int64_t now;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    fails(drift_store_acquire(s, (struct drift_slot_id){name, 0}, head(1), "me", &p, &now, &err), DRIFT_E_RANGE);
    fails(drift_store_model_read(s, (struct drift_chain_id){name, DRIFT_CHAIN_INPUT}, &p, &now, &err), DRIFT_E_RANGE);
    fails(drift_store_new(&cfg, name, &none, &err), DRIFT_E_RANGE);
    ck_assert_ptr_null(none);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/slot");
    if (!server_start(&server, NULL))
        return drift_test_skip("there is no redis-server");
#define ADD(test) add_test(suite, #test, test, setup, teardown)
    ADD(show_for_people);
    ADD(acquire_gives_fields);
    ADD(flush_replies);
    ADD(flush_without_head);
    ADD(flush_deletes);
    ADD(flush_refuses_reserved);
    ADD(advance_replies);
    ADD(advance_of_fresh_slot);
    ADD(force_replies);
    ADD(force_is_remembered);
    ADD(read_view);
    ADD(large_binary_flush);
    ADD(too_many_fields);
    ADD(scripts_forgotten);
    ADD(corrupt_slots);
    ADD(newer_format);
    ADD(wrong_type);
    ADD(names_with_nul);
    ADD(hostile_names);
    ADD(overlong_names);
    int status = drift_test_run(suite);
    server_stop(&server);
    return status;
}
