/* tests/unit/baseline/test_golden_edges.c    Imported edges: the replay's reference phase and each of its windows. */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "events.h"

enum { IDS = 1000000 };
static const struct drift_stream stream = {
    .name = (char *)"in", .features = (char *)"features", .score = (char *)"score"};
static const char *shared;

struct replay {
    int64_t reference_end_ms;
    size_t n;
    json_t **event;
};

static struct replay replay_load(void)
{
    char command[4200];
    static char line[1 << 16];
    static bool seen[IDS];
    struct replay r = {.event = calloc(100000, sizeof(json_t *))};
    json_t *truth;
    snprintf(command, sizeof command, "%s/data/nslkdd_truth.json", shared);
    ck_assert_ptr_nonnull(truth = json_load_file(command, 0, NULL));
    json_t *phases = json_object_get(truth, "phases");
    r.reference_end_ms = json_integer_value(json_object_get(json_array_get(phases, 1), "start_ts"));
    json_decref(truth);
    snprintf(command, sizeof command, "zcat '%s/data/nslkdd_events.ndjson.gz'", shared);
    FILE *p = popen(command, "r");
    ck_assert_ptr_nonnull(p);
    while (fgets(line, sizeof line, p)) {
        json_t *e = json_loads(line, 0, NULL);
        long id = strtol(json_string_value(json_object_get(e, "event_id")) + 3, NULL, 10);
        ck_assert(id >= 0 && id < IDS);
        if (seen[id]) {
            json_decref(e);
            continue;
        }
        seen[id] = true;
        r.event[r.n++] = e;
    }
    ck_assert_int_eq(pclose(p), 0);
    return r;
}

static int64_t event_set(struct maker *m, json_t *e)
{
    const char *name;
    json_t *v;
    int64_t ts = json_integer_value(json_object_get(e, "ts"));
    maker_next(m, ts);
    json_object_foreach(json_object_get(e, "features"), name, v)
    {
        if (json_is_string(v))
            maker_str(m, name, json_string_value(v));
        else
            maker_num(m, name, json_number_value(v));
    }
    m->ev.score = (struct drift_value){DRIFT_V_NUM, json_number_value(json_object_get(e, "score")), {NULL, 0}};
    return ts;
}

static const struct drift_column *golden_column(const struct drift_layout *l, const char *name)
{
    return column_of(l, strcmp(name, "score") ? DRIFT_FEATURE : DRIFT_SCORE, name);
}

static size_t compare(const struct drift_summary *s, const char *name, const json_t *counts)
{
    const struct drift_column *c = golden_column(s->layout, name);
    ck_assert_ptr_nonnull(c);
    ck_assert_uint_eq(c->n_bins, json_array_size(counts));
    for (uint32_t i = 0; i < c->n_bins; i++)
        ck_assert_msg(bin_count(s, c, i) == (uint64_t)json_integer_value(json_array_get(counts, i)), "%s, bin %u", name,
                      i);
    return c->n_bins;
}

START_TEST(replay_by_imported_edges)
{
    struct drift_builder_settings set = {.window_ms = 21600000, .label_window_ms = 21600000, .max_windows = 5000};
    struct drift_model model = {.name = (char *)"nids-lr", .include = (char *)"*", .threshold = .5};
    struct drift_err err;
    struct maker m;
    char file[4200];
    size_t n = 0;
    struct replay r = replay_load();
    snprintf(file, sizeof file, "%s/golden/nslkdd_windows.json", shared);
    json_t *golden = json_load_file(file, 0, NULL), *base_g = json_object_get(golden, "baseline");
    struct drift_builder *ref = drift_builder_new(&model, &set), *all = drift_builder_new(&model, &set);
    ck_assert_msg(!drift_builder_edges_file(ref, file, &err), "%s", err.text);
    ck_assert_msg(!drift_builder_edges_file(all, file, &err), "%s", err.text);
    maker_init(&m);
    for (int pass = 1; pass <= 2; pass++) {
        for (size_t i = 0; i < r.n; i++) {
            bool reference = event_set(&m, r.event[i]) < r.reference_end_ms;
            if (pass == 1 && reference) {
                drift_builder_survey(ref, &m.ev, &stream);
                drift_builder_survey(all, &m.ev, &stream);
            } else if (pass == 2) {
                drift_builder_count(all, &m.ev, &stream);
                if (reference)
                    drift_builder_count(ref, &m.ev, &stream);
            }
        }
        if (pass == 1) {
            ck_assert_int_eq(drift_builder_freeze(ref, &err), 0);
            ck_assert_int_eq(drift_builder_freeze(all, &err), 0);
        }
    }
    struct drift_baseline *base = NULL, *every = NULL;
    ck_assert_int_eq(drift_builder_finish(ref, "ref", NULL, NULL, 0, &base, &err), 0);
    ck_assert_int_eq(drift_builder_finish(all, "all", NULL, NULL, 0, &every, &err), 0);

    const char *name;
    json_t *counts, *window;
    size_t at;
    ck_assert_uint_eq(base->chain[0].pooled->n, (uint64_t)json_integer_value(json_object_get(base_g, "events")));
    json_object_foreach(json_object_get(base_g, "counts"), name, counts) n +=
        compare(base->chain[0].pooled, name, counts);
    ck_assert_uint_eq(every->chain[0].n_windows, json_array_size(json_object_get(golden, "results")));
    json_array_foreach(json_object_get(golden, "results"), at, window)
    {
        const struct drift_baseline_window *w = &every->chain[0].windows[at];
        json_t *f;
        ck_assert_int_eq(w->start_ms, json_integer_value(json_object_get(window, "start_ts")));
        ck_assert_uint_eq(w->summary->n, (uint64_t)json_integer_value(json_object_get(window, "events")));
        json_object_foreach(json_object_get(window, "features"), name, f)
        {
            if (json_object_get(json_object_get(base_g, "edges"), name))
                n += compare(w->summary, name, json_object_get(f, "counts_current"));
        }
    }
    printf("%zu counts compared with golden/nslkdd_windows.json\n", n);
    ck_assert_uint_ge(n, 2000);
    drift_baseline_free(base);
    drift_baseline_free(every);
    drift_builder_free(ref);
    drift_builder_free(all);
    json_decref(golden);
    for (size_t i = 0; i < r.n; i++)
        json_decref(r.event[i]);
    free(r.event);
    maker_release(&m);
}
END_TEST

int main(void)
{
    if (!(shared = drift_test_shared()))
        return drift_test_skip("the replay's edges and counts are in shared/golden and shared/data");
    Suite *s = suite_create("golden_edges");
    drift_test_add(s, "replay", replay_by_imported_edges, 100);
    return drift_test_run(s);
}
