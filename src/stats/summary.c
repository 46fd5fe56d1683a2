/* src/stats/summary.c    The integer counts of one window, and adding them up. */
/* Tallies are kept sorted: two summaries of the same events are equal byte for byte, in whatever order the events
 * came or the parts were merged. */
#include "driftd/summary.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cut.h"

struct drift_summary *drift_summary_new(const struct drift_layout *layout)
{
    struct drift_summary *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->layout = layout;
    if (!(s->counts = calloc(layout->n_counts ? layout->n_counts : 1, sizeof *s->counts))) {
        free(s);
        return NULL;
    }
    return s;
}

void drift_summary_free(struct drift_summary *s)
{
    if (!s)
        return;
    for (int k = 0; k < DRIFT_N_TALLY; k++)
        free(s->tally[k].slots);
    for (uint32_t i = 0; s->unseen && i < s->layout->n_columns; i++)
        if (s->unseen[i]) {
            drift_frequent_release(s->unseen[i]);
            free(s->unseen[i]);
        }
    free(s->unseen);
    free(s->counts);
    free(s);
}

void drift_summary_reset(struct drift_summary *s)
{
    s->n = 0;
    memset(s->counts, 0, s->layout->n_counts * sizeof *s->counts);
    for (int k = 0; k < DRIFT_N_TALLY; k++) {
        s->tally[k].n = s->tally[k].last = 0;
        s->tally[k].other = 0;
    }
    for (uint32_t i = 0; s->unseen && i < s->layout->n_columns; i++)
        if (s->unseen[i])
            drift_frequent_clear(s->unseen[i]);
}

struct drift_frequent *drift_summary_sketch(struct drift_summary *s, uint32_t column)
{
    if (!s->unseen && !(s->unseen = calloc(s->layout->n_columns, sizeof(struct drift_frequent *))))
        return NULL;
    if (!s->unseen[column] && s->n_unseen < DRIFT_FREQUENT_COLUMNS &&
        (s->unseen[column] = calloc(1, sizeof **s->unseen)))
        s->n_unseen++;
    return s->unseen[column];
}

void drift_summary_unseen(struct drift_summary *s, uint32_t column, const char *text, size_t n)
{
    struct drift_frequent *f = drift_summary_sketch(s, column);
    if (f)
        drift_frequent_add(f, text, n);
}

int drift_summary_merge(struct drift_summary *into, const struct drift_summary *from)
{
    if (into->layout != from->layout && strcmp(into->layout->digest, from->layout->digest) != 0)
        return DRIFT_E_MISMATCH;
    into->n += from->n;
    for (uint32_t i = 0; i < into->layout->n_counts; i++)
        into->counts[i] += from->counts[i];
    for (uint32_t i = 0; from->unseen && i < from->layout->n_columns; i++) {
        struct drift_frequent *f = from->unseen[i] && from->unseen[i]->n ? drift_summary_sketch(into, i) : NULL;
        if (f)
            drift_frequent_join(f, from->unseen[i]);
    }
    for (int k = 0; k < DRIFT_N_TALLY; k++) {
        const struct drift_tally *t = &from->tally[k];
        into->tally[k].other += t->other;
        for (uint32_t i = 0; i < t->n; i++)
            drift_tally_join(&into->tally[k], t->slots[i].text, strlen(t->slots[i].text), t->slots[i].count);
    }
    return 0;
}

static int text_compare(const struct drift_tally_slot *slot, const char *s, size_t n)
{
    int r = strncmp(slot->text, s, n); /* neither has a NUL within n */
    return r ? r : slot->text[n] != '\0';
}

/* First slot that is not before the text. */
static uint32_t slot_at(const struct drift_tally *t, const char *s, size_t n)
{
    uint32_t lo = 0, hi = t->n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (text_compare(&t->slots[mid], s, n) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool slots_grow(struct drift_tally *t)
{
    uint32_t cap = t->cap ? 2 * t->cap : DRIFT_TALLY_SLOTS;
    struct drift_tally_slot *slots = realloc(t->slots, cap * sizeof *slots);
    if (!slots)
        return false;
    t->slots = slots;
    t->cap = cap;
    return true;
}

static void tally_count(struct drift_tally *t, const char *s, size_t n, uint64_t by, uint32_t max)
{
    n = cut_text(s, n, DRIFT_TALLY_TEXT - 1);
    if (t->last < t->n && text_compare(&t->slots[t->last], s, n) == 0) {
        t->slots[t->last].count += by;
        return;
    }
    uint32_t at = slot_at(t, s, n);
    if (at == t->n || text_compare(&t->slots[at], s, n) != 0) {
        if (t->n >= max || (t->n == t->cap && !slots_grow(t))) {
            t->other += by;
            return;
        }
        memmove(&t->slots[at + 1], &t->slots[at], (t->n - at) * sizeof *t->slots);
        memset(&t->slots[at], 0, sizeof *t->slots);
        memcpy(t->slots[at].text, s, n);
        t->n++;
    }
    t->slots[at].count += by;
    t->last = at;
}

void drift_tally_add(struct drift_tally *t, const char *text, size_t n, uint64_t by)
{
    tally_count(t, text, n, by, DRIFT_TALLY_SLOTS);
}

void drift_tally_join(struct drift_tally *t, const char *text, size_t n, uint64_t by)
{
    tally_count(t, text, n, by, DRIFT_TALLY_JOIN_MAX);
}

static const char *const tally_names[DRIFT_N_TALLY] = {"model",     "features", "prompt",
                                                       "threshold", "schema",   "new_field"};

const char *drift_tally_name(enum drift_tally_kind k)
{
    return k < DRIFT_N_TALLY ? tally_names[k] : "unknown";
}
