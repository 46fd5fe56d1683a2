/* tests/bench/bench_dedup.c    Cost of one event's id with a million in the window: new, seen again; memory and bytes
 * in Redis. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driftd/internal/base/siphash.h"
#include "driftd/internal/window/idset.h"

enum { IDS = 1000000, FLUSH = 5000, ROUNDS = 5 };

static const uint8_t key[DRIFT_SIPHASH_KEY] = "a key of a bench";

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void print(const char *name, double value, const char *unit)
{
    printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\"}\n", name, value, unit);
}

/* Ids as traffic has them: UUIDs as text. */
static void id_text(uint32_t i, char text[37])
{
    uint32_t x = i * 2654435761u;
    snprintf(text, 37, "%08x-%04x-4%03x-8%03x-%04x%08x", x, i & 0xffff, x & 0xfff, i & 0xfff, x >> 16, i);
}

static void count_dead(void *ctx, uint32_t from)
{
    (void)from;
    ++*(size_t *)ctx;
}

struct cost {
    double add, again, flush, memory, written;
    size_t fields;
};

/* A flush's share: packing and the bytes of what it would write. */
static size_t flush(struct drift_idset *s, struct drift_buf *b, size_t *fields)
{
    const struct drift_idset_chunk *c;
    size_t budget = 1 << 20, dead = 0;
    drift_buf_reset(b);
    drift_idset_pack(s, &budget, count_dead, &dead);
    for (size_t i = *fields = drift_idset_chunks(s, &c); i-- && c[i].dirty;)
        drift_idset_save(s, &c[i], b);
    drift_idset_flushed(s);
    return b->len;
}

static struct cost run(const char (*ids)[37])
{
    struct drift_idset *s = drift_idset_new();
    struct drift_buf b;
    struct cost c = {0};
    uint8_t name[DRIFT_ID_BYTES];
    size_t fresh = 0;
    drift_buf_init(&b, 64 << 20);
    for (uint32_t from = 0; from < IDS; from += FLUSH) {
        double t = now_ns();
        for (uint32_t i = from; i < from + FLUSH; i++) {
            drift_siphash(key, ids[i], 36, name);
            fresh += drift_idset_add(s, name);
        }
        double flushed = now_ns();
        c.written += (double)flush(s, &b, &c.fields);
        c.add += flushed - t;
        c.flush += now_ns() - flushed;
    }
    double t = now_ns();
    for (uint32_t i = 0; i < IDS; i++) {
        drift_siphash(key, ids[(i * 7919ull) % IDS], 36, name);
        fresh += drift_idset_add(s, name);
    }
    c.again = now_ns() - t;
    c.memory = (double)drift_idset_bytes(s);
    if (fresh != IDS)
        abort();
    drift_buf_release(&b);
    drift_idset_free(s);
    return c;
}

int main(void)
{
    char(*ids)[37] = malloc(IDS * sizeof *ids);
    struct cost best = {.add = INFINITY, .again = INFINITY, .flush = INFINITY};
    uint8_t name[DRIFT_ID_BYTES], sum = 0;
    for (uint32_t i = 0; i < IDS; i++)
        id_text(i, ids[i]);
    double t = now_ns();
    for (uint32_t i = 0; i < IDS; i++) {
        drift_siphash(key, ids[i], 36, name);
        sum ^= name[0];
    }
    double hash = now_ns() - t;
    for (int r = 0; r < ROUNDS; r++) {
        struct cost c = run((const char(*)[37])ids);
        best = (struct cost){
            fmin(best.add, c.add), fmin(best.again, c.again), fmin(best.flush, c.flush), c.memory, c.written, c.fields};
    }
    print("dedup_hash_ns_per_id", hash / IDS + 0 * sum, "ns");
    print("dedup_new_ns_per_event_1e6", best.add / IDS, "ns");
    print("dedup_seen_ns_per_event_1e6", best.again / IDS, "ns");
    print("dedup_flush_ns_per_id", best.flush / IDS, "ns");
    print("dedup_memory_bytes_per_id", best.memory / IDS, "B");
    print("dedup_written_bytes_per_id", best.written / IDS, "B");
    print("dedup_fields_1e6", (double)best.fields, "fields");
    free(ids);
    return 0;
}
