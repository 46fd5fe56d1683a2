/* tests/fuzz/fuzz_evidence.c    Saved phase I, saved evidence and saved detectors as bytes that nobody wrote: refused,
 * or good for all that is done with them, and written again as they were read.
 *
 * Input: a byte that says which of the three, and the bytes.  What stands in them for a hash or a checksum is set right
 * first, so that the numbers behind it are reached.  DRIFTD_FUZZ_SEEDS=DIRECTORY writes inputs to begin with. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/detector.h"
#include "driftd/error.h"
#include "driftd/evidence.h"
#include "driftd/phase1.h"
#include "driftd/tail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EDGES = 11, WINDOWS = 80, EVENTS = 120, HASH_AT = 16, BYTES_MAX = 1 << 16 };

static struct drift_layout *layout;
static struct drift_summary *pooled, *window;
static struct drift_phase1 *fitted;
static struct drift_evidence *bank;

static void must(bool so)
{
    if (!so)
        abort();
}

static uint32_t below(uint64_t *state, uint32_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % n;
}

static void window_draw(uint64_t *state, struct drift_summary *s)
{
    drift_summary_reset(s);
    s->n = EVENTS;
    for (uint32_t i = 0; i < layout->n_columns; i++)
        for (int k = 0; k < EVENTS; k++)
            s->counts[layout->columns[i].first + DRIFT_N_SPECIAL + below(state, layout->columns[i].n_cells)]++;
}

static void world_make(void)
{
    static const uint32_t ends[] = {3, 6, 9, EDGES + 1};
    static const char *const names[] = {"a", "b", "c", "d"};
    struct drift_phase1_window windows[WINDOWS];
    const struct drift_evidence_settings set = {.windows = 720};
    double edges[EDGES];
    uint64_t state = 1;
    for (int i = 0; i < EDGES; i++)
        edges[i] = i;
    drift_stats_init();
    layout = drift_layout_new();
    must(layout && !drift_layout_add_numeric(layout, DRIFT_FEATURE, "x", edges, EDGES, true, ends, 4) &&
         !drift_layout_add_categorical(layout, DRIFT_FEATURE, "k", names, 4, NULL, 0) && !drift_layout_seal(layout));
    pooled = drift_summary_new(layout);
    window = drift_summary_new(layout);
    must(pooled && window);
    for (int i = 0; i < WINDOWS; i++) {
        struct drift_summary *s = drift_summary_new(layout);
        must(s != NULL);
        window_draw(&state, s);
        must(!drift_summary_merge(pooled, s));
        windows[i] = (struct drift_phase1_window){.start_ms = i * INT64_C(3600000), .summary = s};
    }
    must(!drift_phase1_fit(pooled, windows, WINDOWS, 3600000, NULL, &fitted));
    must(!drift_evidence_new(fitted, &set, &bank));
    for (int i = 0; i < WINDOWS; i++)
        drift_summary_free((struct drift_summary *)(uintptr_t)windows[i].summary);
    window_draw(&state, window);
}

static void seed_write(const char *folder, const char *name, uint8_t which, const uint8_t *p, size_t n)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    must(f && fputc(which, f) == which && fwrite(p, 1, n, f) == n && !fclose(f));
}

static void seeds_write(const char *folder)
{
    static uint8_t p[BYTES_MAX];
    enum drift_detector_level level;
    struct drift_evidence_result r;
    size_t n;
    must(!drift_phase1_save(fitted, p, sizeof p, &n));
    seed_write(folder, "phase1", 0, p, n);
    seed_write(folder, "phase1-cut", 0, p, n / 2);
    must(!drift_evidence_save(bank, p, sizeof p, &n));
    seed_write(folder, "evidence-new", 1, p, n);
    for (int i = 1; i < 4; i++)
        must(!drift_evidence_update(bank, window->counts, i, 1, &r));
    must(!drift_evidence_save(bank, p, sizeof p, &n));
    seed_write(folder, "evidence", 1, p, n);
    for (int k = 0; k < DRIFT_N_DETECTOR; k++) {
        struct drift_detector *d;
        must(!drift_detector_new((enum drift_detector_kind)k, NULL, &d));
        for (int i = 0; i < 150; i++)
            must(!drift_detector_add(d, i % 7 == 0, &level));
        must(!drift_detector_save(d, p, sizeof p, &n));
        seed_write(folder, drift_detector_name((enum drift_detector_kind)k), 2, p, n);
        drift_detector_free(d);
    }
}

static void evidence_is_sound(struct drift_evidence *e, const uint64_t *counts, int64_t at)
{
    struct drift_evidence_result r;
    must(!drift_evidence_update(e, counts, at, 1, &r));
    must(r.m >= 0 && isfinite(r.m) && !isnan(r.evidence) && isfinite(r.threshold));
    must(r.n_latched <= layout->n_columns && r.n_listed <= layout->n_columns);
    for (uint32_t i = 0; i < layout->n_columns; i++) {
        const struct drift_evidence_column *c = drift_evidence_of(e, i);
        must(c->share >= 0 && c->share <= 1 && !isnan(c->log_r));
    }
}

static void phase1(uint8_t *p, size_t n)
{
    static uint8_t out[BYTES_MAX], again[BYTES_MAX];
    const struct drift_evidence_settings set = {.windows = 720};
    struct drift_phase1 *got;
    struct drift_evidence *e;
    size_t k;
    if (n >= HASH_AT + 8)
        for (int i = 0; i < 8; i++)
            p[HASH_AT + i] = (uint8_t)(fitted->pool_hash >> 8 * i);
    if (drift_phase1_load(p, n, pooled, &got))
        return;
    must(!drift_phase1_save(got, out, sizeof out, &k) && k == n);
    drift_phase1_free(got);
    must(!drift_phase1_load(out, k, pooled, &got)); /* -0 ms come back as 0 */
    must(!drift_phase1_save(got, again, sizeof again, &k) && k == n && !memcmp(out, again, n));
    (void)drift_phase1_promises(got);
    if (!drift_evidence_new(got, &set, &e)) {
        evidence_is_sound(e, window->counts, 1);
        evidence_is_sound(e, pooled->counts, INT64_MAX);
        drift_evidence_free(e);
    }
    drift_phase1_free(got);
}

static void evidence(uint8_t *p, size_t n)
{
    static uint8_t before[BYTES_MAX], out[BYTES_MAX];
    size_t k, kept;
    must(!drift_evidence_save(bank, before, sizeof before, &kept));
    if (n >= HASH_AT + 8)
        memcpy(p + HASH_AT, before + HASH_AT, 8);
    if (drift_evidence_load(bank, p, n)) {
        must(!drift_evidence_save(bank, out, sizeof out, &k) && k == kept && !memcmp(before, out, k));
        return;
    }
    must(!drift_evidence_save(bank, out, sizeof out, &k) && k == n && !memcmp(p, out, n));
    must(k <= drift_evidence_bytes(bank));
    evidence_is_sound(bank, window->counts, INT64_MAX - 1);
    evidence_is_sound(bank, pooled->counts, INT64_MAX);
    drift_evidence_rearm(bank, UINT32_MAX);
    must(!drift_evidence_load(bank, before, kept));
}

/* FNV-1a, as detector.c has it. */
static void seal(uint8_t *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i + 8 < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    for (size_t i = 0; i < 8 && n >= 8; i++)
        p[n - 8 + i] = (uint8_t)(h >> 8 * i);
}

static void detector(uint8_t *p, size_t n)
{
    static const double values[] = {0, 1, 0, 0, 1, 1, 0, 1};
    struct drift_detector *d;
    enum drift_detector_level level;
    size_t k, most;
    seal(p, n);
    if (drift_detector_load(p, n, &d))
        return;
    most = drift_detector_state_max(d);
    uint8_t *out = malloc(most);
    must(out && n <= most && !drift_detector_save(d, out, most, &k) && k == n && !memcmp(p, out, n));
    for (int i = 0; i < 64; i++) {
        int rc = drift_detector_add(d, values[i % 8], &level);
        if (rc == DRIFT_E_RANGE) /* it has had 2^53 values */
            break;
        must(!rc && level <= DRIFT_DETECTOR_DRIFT);
    }
    must(!drift_detector_save(d, out, most, &k));
    drift_detector_free(d);
    must(!drift_detector_load(out, k, &d));
    drift_detector_free(d);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const read[])(uint8_t *, size_t) = {phase1, evidence, detector};
    if (!layout) {
        const char *folder = getenv("DRIFTD_FUZZ_SEEDS");
        world_make();
        if (folder)
            seeds_write(folder);
    }
    if (!size || size > BYTES_MAX)
        return 0;
    uint8_t *copy = malloc(size); /* of its own, so that a read behind it is seen */
    must(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    read[data[0] % 3](copy, size - 1);
    free(copy);
    return 0;
}
