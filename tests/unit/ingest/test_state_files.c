/* What released versions left in the slots of partitions, and their verdict headers, read by the ingest of today. */
#include "driftd/internal/ingest/partition.h"
#include "driftd/internal/window/idset.h"
#include "state_files.h"

static struct drift_model model = {
    .include = (char *)(uintptr_t) "*", .dedup_by = DRIFT_DEDUP_EVENT_ID, .dedup_max_ids = 1000};
static struct drift_stream stream = {
    .name = (char *)(uintptr_t) "events", .id = (char *)(uintptr_t) "id", .score = (char *)(uintptr_t) "score"};
static struct drift_layout *bare; /* baselines are the judge's: counts of other cells keep their number */

static int layout_of(void *ctx, const struct drift_chain *c, const struct drift_plan_entry *e,
                     struct drift_layout **ret, struct drift_err *err)
{
    (void)ctx, (void)c, (void)e, (void)err;
    *ret = bare;
    return 0;
}

static void chain_of(const struct state *s, struct drift_chain *c)
{
    struct drift_pairs fields = state_chain(s, ""), headers = state_chain(s, ":w");
    struct drift_err err;
    model.name = (char *)(uintptr_t)expect_text(s, "model");
    drift_chain_init(c, &model, DRIFT_CHAIN_INPUT);
    ck_assert_msg(drift_chain_update(c, &fields, &headers, layout_of, NULL, &err) == 0, "%s", err.text);
    drift_pairs_release(&fields);
    drift_pairs_release(&headers);
}

static void read_chain(const struct state *s)
{
    struct drift_chain c;
    const json_t *n = json_object_get(s->expect, "n");
    chain_of(s, &c);
    size_t judged = json_array_size(json_array_get(n, 0)) - json_array_size(json_object_get(s->expect, "open"));
    ck_assert_uint_eq(c.n_judged, judged);
    ck_assert_int_eq(c.judged_until_ms, expect_int(s, "start") + (int64_t)judged * expect_int(s, "window"));
    for (size_t i = 0; i < judged; i++) {
        const struct drift_judged *j = &c.judged[i];
        ck_assert_int_eq(j->start_ms, expect_int(s, "start") + (int64_t)i * expect_int(s, "window"));
        ck_assert_int_eq(j->end_ms - j->start_ms, expect_int(s, "window"));
        ck_assert(!j->lost && j->at_ms > 0);
        ck_assert_uint_eq(j->n_parts, 2);
        for (size_t p = 0; p < 2; p++) {
            char name[300];
            snprintf(name, sizeof name, "%s/%zu", expect_text(s, "topic"), p);
            ck_assert_str_eq(j->parts[p].partition, name);
            ck_assert_int_eq((json_int_t)j->parts[p].n, json_integer_value(json_array_get(json_array_get(n, p), i)));
            ck_assert_uint_eq(j->parts[p].excluded, 0);
        }
    }
    drift_chain_release(&c);
}

START_TEST(plans_and_headers)
{
    ck_assert_int_ge(state_each(read_chain), 1);
}
END_TEST

static struct drift_partition *partition_of(const struct state *s, int p, struct drift_chain **chains)
{
    return drift_partition_new(
        &(struct drift_partition_settings){expect_text(s, "topic"), p, &stream, 1, chains, 86400000});
}

/* Every id that was counted is known, no other is. */
static void known_ids(const struct state *s, struct drift_partition *p, int number)
{
    char name[16];
    const char *start;
    json_t *ids, *id;
    size_t i, n = 0;
    snprintf(name, sizeof name, "%d", number);
    json_object_foreach(json_object_get(json_object_get(s->expect, "ids"), name), start, ids)
    {
        struct drift_event ev = {.time_ms = strtoll(start, NULL, 10), .score = {.kind = DRIFT_V_NUM, .num = .5}};
        json_array_foreach(ids, i, id)
        {
            ev.id = (struct drift_str){json_string_value(id), json_string_length(id)};
            ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_DUPLICATE);
            n++;
        }
    }
    ck_assert_uint_gt(n, 10);
    ck_assert_uint_eq(drift_partition_ids(p, 0), n);
    struct drift_event ev = {
        .time_ms = expect_item(s, "open", 0), .id = {"a stranger", 10}, .score = {.kind = DRIFT_V_NUM, .num = .5}};
    ck_assert_int_eq(drift_partition_count(p, 0, &ev), DRIFT_REASON_NONE);
}

static void read_slots(const struct state *s)
{
    struct drift_chain c, *chains[] = {&c};
    struct drift_err err;
    uint64_t late = 0;
    chain_of(s, &c);
    for (int number = 0; number < 2; number++) {
        struct drift_pairs slot = state_slot(s, number);
        struct drift_partition *p = partition_of(s, number, chains);
        ck_assert_msg(drift_partition_load(p, &slot, &err) == 0, "%s", err.text);
        ck_assert_int_eq(drift_partition_next(p), expect_item(s, "offset", (size_t)number));
        ck_assert_int_eq(drift_partition_watermark(p), expect_item(s, "wm", (size_t)number));
        ck_assert_int_eq((int64_t)drift_partition_refused(p, DRIFT_REASON_DUPLICATE),
                         expect_item(s, "duplicate", (size_t)number));
        ck_assert_uint_eq(drift_partition_open_windows(p, 0), json_array_size(json_object_get(s->expect, "open")));
        late += drift_partition_refused(p, DRIFT_REASON_LATE);
        known_ids(s, p, number);
        drift_partition_free(p);
        drift_pairs_release(&slot);
    }
    ck_assert_int_eq((int64_t)late, expect_int(s, "late"));
    drift_chain_release(&c);
}

START_TEST(slots)
{
    ck_assert_int_ge(state_each(read_slots), 1);
}
END_TEST

/* Every byte of ids and counts is covered by a checksum; a newer format says so; the text names the field. */
static void hurt_slots(const struct state *s)
{
    struct drift_chain c, *chains[] = {&c};
    struct drift_err err;
    int hurt = 0;
    chain_of(s, &c);
    struct drift_pairs slot = state_slot(s, 0);
    for (size_t i = 0; i < slot.n; i++) {
        struct drift_pair *f = &slot.pair[i];
        if (strncmp(f->name, "d:", 2) && strncmp(f->name, "b:", 2))
            continue;
        for (size_t at = 0; at < f->len; at++) {
            struct drift_partition *p = partition_of(s, 0, chains);
            f->value[at] = (char)(f->value[at] ^ 0x40);
            int rc = drift_partition_load(p, &slot, &err);
            f->value[at] = (char)(f->value[at] ^ 0x40);
            ck_assert_int_eq(rc, at ? DRIFT_E_CORRUPT : DRIFT_E_VERSION);
            ck_assert_msg(strstr(err.text, f->name) && (at || strstr(err.text, "newer")), "%s", err.text);
            drift_partition_free(p);
            hurt++;
        }
    }
    ck_assert_int_gt(hurt, 500);
    drift_pairs_release(&slot);
    drift_chain_release(&c);
}

START_TEST(flipped_bytes_and_newer_formats)
{
    ck_assert_int_ge(state_each(hurt_slots), 1);
}
END_TEST

static char *with_version(const char *json, int version)
{
    json_t *j = json_loads(json, 0, NULL);
    ck_assert(json_is_integer(json_object_get(j, "v")));
    json_object_set_new(j, "v", json_integer(version));
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return text;
}

static void newer_header(const struct state *s)
{
    struct drift_pairs headers = state_chain(s, ":w");
    struct drift_judged j;
    struct drift_err err;
    char *text = with_version(headers.pair[0].value, 99);
    ck_assert_int_eq(drift_judged_parse(text, strlen(text), expect_int(s, "start"), &j, &err), DRIFT_E_VERSION);
    ck_assert_msg(strstr(err.text, "newer"), "%s", err.text);
    free(text);
    drift_pairs_release(&headers);
}

START_TEST(newer_headers)
{
    ck_assert_int_ge(state_each(newer_header), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("state_files");
    bare = drift_layout_new();
    if (drift_layout_seal(bare))
        return 1;
    drift_test_add(s, "plans_and_headers", plans_and_headers, 10);
    drift_test_add(s, "slots", slots, 10);
    drift_test_add(s, "flipped_bytes_and_newer_formats", flipped_bytes_and_newer_formats, 30);
    drift_test_add(s, "newer_headers", newer_headers, 10);
    int status = drift_test_run(s);
    drift_layout_free(bare);
    return status;
}
