/* What released versions left of a chain and its baseline, read by the judge and the sender of today. */
#include "driftd/internal/act/outbox.h"
#include "driftd/internal/act/retry.h"
#include "driftd/internal/base/hash.h"
#include "driftd/internal/baseline/baseline.h"
#include "driftd/internal/judge/alert.h"
#include "driftd/internal/plan.h"
#include "driftd/internal/window/blob.h"
#include "state_files.h"

static char *baseline_bytes(const struct state *s, size_t *ret_len)
{
    char key[300];
    snprintf(key, sizeof key, "driftd:{b/%s}:%s", expect_text(s, "model"), expect_text(s, "baseline"));
    return state_bytes(json_object_get(s->redis, key), ret_len);
}

static uint64_t sum_of(const struct drift_summary *s, const struct drift_column *c)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < DRIFT_N_SPECIAL + c->n_cells; i++)
        n += s->counts[c->first + i];
    return n;
}

/* The counts of every window fit the baseline's layout, column by column. */
static void read_blobs(const struct state *s, struct drift_layout *layout, int number)
{
    struct drift_pairs slot = state_slot(s, number);
    struct drift_err err;
    const json_t *expect = json_array_get(json_object_get(s->expect, "n"), (size_t)number);
    for (size_t i = 0; i < json_array_size(expect); i++) {
        char name[64];
        struct drift_blob_head head;
        struct drift_summary *sum = drift_summary_new(layout);
        snprintf(name, sizeof name, "b:%s:i:%" PRId64 ":", expect_text(s, "model"),
                 expect_int(s, "start") + (int64_t)i * expect_int(s, "window"));
        const struct drift_pair *f = drift_pairs_find(&slot, name);
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(drift_blob_head(f->value, f->len, &head, &err), 0);
        ck_assert_msg(drift_blob_add(f->value, f->len, sum, &err) == 0, "%s", err.text);
        ck_assert_int_eq((json_int_t)head.n, json_integer_value(json_array_get(expect, i)));
        ck_assert(!head.partial && head.plan_seq == 0);
        ck_assert_uint_eq(sum->n, head.n);
        for (uint32_t c = 0; c < layout->n_columns; c++)
            ck_assert_uint_eq(sum_of(sum, &layout->columns[c]), head.n);
        drift_summary_free(sum);
    }
    drift_pairs_release(&slot);
}

static void read_baseline(const struct state *s)
{
    struct drift_baseline *b;
    struct drift_err err;
    size_t len;
    char *bytes = baseline_bytes(s, &len);
    ck_assert_msg(drift_baseline_load(bytes, len, &b, &err) == 0, "%s", err.text);
    ck_assert_str_eq(b->id, expect_text(s, "baseline"));
    ck_assert_str_eq(b->model, expect_text(s, "model"));
    ck_assert_int_eq((int64_t)b->chain[DRIFT_CHAIN_INPUT].pooled->n, expect_int(s, "baseline_n"));
    ck_assert_int_eq(b->chain[DRIFT_CHAIN_INPUT].window_ms, expect_int(s, "window"));
    read_blobs(s, b->chain[DRIFT_CHAIN_INPUT].layout, 0);
    read_blobs(s, b->chain[DRIFT_CHAIN_INPUT].layout, 1);
    drift_baseline_free(b);
    for (size_t at = 0; at < len; at++) {
        bytes[at] = (char)(bytes[at] ^ 0x10);
        int rc = drift_baseline_load(bytes, len, &b, &err);
        ck_assert_msg(rc != 0, "byte %zu", at);
        bytes[at] = (char)(bytes[at] ^ 0x10);
    }
    bytes[6] = '9'; /* DRFTBL1 */
    ck_assert_int_eq(drift_baseline_load(bytes, len, &b, &err), DRIFT_E_VERSION);
    free(bytes);
}

START_TEST(baselines_and_counts)
{
    ck_assert_int_ge(state_each(read_baseline), 1);
}
END_TEST

/* Text of an object with another version. */
static char *with_version(const char *json, int version)
{
    const char *v = strstr(json, "\"v\":1");
    ck_assert_ptr_nonnull(v);
    char *text = malloc(strlen(json) + 16);
    sprintf(text, "%.*s\"v\":%d%s", (int)(v - json), json, version, v + 5);
    return text;
}

static void read_plan(const struct state *s)
{
    struct drift_pairs chain = state_chain(s, "");
    const struct drift_pair *f = drift_pairs_find(&chain, "plan:0");
    struct drift_plan plan = {0}, none = {0};
    struct drift_err err;
    ck_assert_ptr_nonnull(f);
    ck_assert_msg(drift_plan_add(&plan, 0, f->value, f->len, &err) == 0, "%s", err.text);
    const struct drift_plan_entry *e = &plan.entry[0];
    ck_assert_int_eq(e->from_ms, INT64_MIN);
    ck_assert_int_eq(e->window_ms, expect_int(s, "window"));
    ck_assert_int_eq(e->lateness_ms, expect_int(s, "lateness"));
    ck_assert_str_eq(e->baseline_id, expect_text(s, "baseline"));
    ck_assert_uint_eq(strlen(e->baseline_digest), 64);
    ck_assert_uint_eq(strlen(e->config_hash), 64);
    ck_assert_uint_eq(e->n_topics, 1);
    ck_assert(drift_plan_has_partition(e, expect_text(s, "topic"), 1));
    ck_assert(!drift_plan_has_partition(e, expect_text(s, "topic"), 2));
    char *newer = with_version(f->value, 99);
    ck_assert_int_eq(drift_plan_add(&none, 0, newer, strlen(newer), &err), DRIFT_E_VERSION);
    ck_assert_ptr_nonnull(strstr(err.text, "newer"));
    free(newer);
    drift_plan_release(&plan);
    drift_pairs_release(&chain);
}

START_TEST(plans)
{
    ck_assert_int_ge(state_each(read_plan), 1);
}
END_TEST

/* The drifted windows fire the rule on decisions in the third window: twice as many are blocked. */
static void read_alerts(const struct state *s)
{
    struct drift_pairs chain = state_chain(s, "");
    const struct drift_pair *f = drift_pairs_find(&chain, "alerts");
    struct drift_err err;
    struct drift_alert a;
    ck_assert_ptr_nonnull(f);
    json_t *j = json_loads(f->value, 0, NULL);
    ck_assert_int_eq(json_integer_value(json_object_get(j, "v")), 1);
    const json_t *rule = json_object_get(json_object_get(j, "rules"), "decision-drift");
    ck_assert_msg(drift_alert_parse(rule, &a, &err) == 0, "%s", err.text);
    ck_assert_int_eq(a.phase, DRIFT_ALERT_FIRING);
    ck_assert_int_eq(a.severity, DRIFT_SEV_CRITICAL);
    ck_assert_uint_eq(a.critical_bits, 7);
    ck_assert_uint_eq(a.seen, 5);
    ck_assert(a.played_critical && !a.played_warning);
    ck_assert_int_eq(a.incident_ms, expect_int(s, "start") + 2 * expect_int(s, "window"));
    json_decref(j);
    drift_pairs_release(&chain);
}

START_TEST(alerts)
{
    ck_assert_int_ge(state_each(read_alerts), 1);
}
END_TEST

/* The text signed anew, as a newer driftd with the same secret would: key HMAC(secret, "driftd outbox"). */
static char *signed_again(const char *entry, const char *secret)
{
    static const char context[] = "driftd outbox", mark[] = ",\"mac\":\"";
    uint8_t key[DRIFT_SHA256_BYTES], mac[DRIFT_SHA256_BYTES];
    char hex[DRIFT_HEX_DIGEST];
    const char *at = strstr(entry, mark);
    ck_assert_ptr_nonnull(at);
    size_t covered = (size_t)(at - entry);
    drift_hmac_sha256(secret, strlen(secret), context, strlen(context), key);
    drift_hmac_sha256(key, sizeof key, entry, covered, mac);
    drift_hex(mac, sizeof mac, hex);
    char *text = malloc(covered + 100);
    sprintf(text, "%.*s%s%s\"}", (int)covered, entry, mark, hex);
    return text;
}

static void read_entry(const struct state *s, struct drift_pair *f)
{
    char *secret = strdup(expect_text(s, "secret")), *secrets[] = {secret};
    struct drift_action a;
    struct drift_err err;
    ck_assert_msg(drift_action_parse(f->value, f->len, secrets, 1, &a, &err) == 0, "%s", err.text);
    ck_assert_str_eq(a.id, f->name + 2);
    ck_assert_str_eq(a.endpoint, "soc");
    ck_assert_str_eq(a.transition, "firing");
    ck_assert_int_eq(a.window_end_ms - a.window_start_ms, expect_int(s, "window"));
    ck_assert_int_eq(a.incident_ms, expect_int(s, "start") + 2 * expect_int(s, "window"));
    json_t *body = json_loadb(a.body, a.body_len, 0, NULL);
    ck_assert(json_is_object(body));
    json_decref(body);
    drift_action_release(&a);
    for (size_t at = 0; at < f->len; at += 7) {
        f->value[at] = (char)(f->value[at] ^ 1);
        ck_assert_msg(drift_action_parse(f->value, f->len, secrets, 1, &a, &err) != 0, "byte %zu", at);
        f->value[at] = (char)(f->value[at] ^ 1);
    }
    char *newer = with_version(f->value, 99), *sealed = signed_again(newer, secret),
         *same = signed_again(f->value, secret);
    ck_assert_str_eq(same, f->value); /* the oracle signs as driftd does */
    ck_assert_int_eq(drift_action_parse(sealed, strlen(sealed), secrets, 1, &a, &err), DRIFT_E_VERSION);
    free(newer);
    free(sealed);
    free(same);
    free(secret);
}

static void read_outbox(const struct state *s)
{
    struct drift_pairs out = state_chain(s, ":out");
    struct drift_err err;
    int entries = 0, states = 0;
    for (size_t i = 0; i < out.n; i++) {
        struct drift_pair *f = &out.pair[i];
        struct drift_retry r;
        if (!strncmp(f->name, "e:", 2)) {
            read_entry(s, f);
            entries++;
        } else if (!strncmp(f->name, "s:", 2)) {
            ck_assert_msg(drift_retry_parse(f->value, f->len, INT64_MAX / 2, &r, &err) == 0, "%s", err.text);
            ck_assert(r.attempts == 1 && r.status == 200 && (r.done == DRIFT_DONE_OK || r.done == DRIFT_DONE_SHADOW));
            states++;
        }
    }
    ck_assert_int_gt(entries, 3);
    ck_assert_int_eq(states, entries);
    drift_pairs_release(&out);
}

START_TEST(outboxes)
{
    ck_assert_int_ge(state_each(read_outbox), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("state_files");
    drift_test_add(s, "baselines_and_counts", baselines_and_counts, 60);
    drift_test_add(s, "plans", plans, 10);
    drift_test_add(s, "alerts", alerts, 10);
    drift_test_add(s, "outboxes", outboxes, 30);
    return drift_test_run(s);
}
