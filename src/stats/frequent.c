/* src/stats/frequent.c    The most frequent of values that nobody listed, for those who ask what is new. */
#include "driftd/frequent.h"

#include <stdlib.h>
#include <string.h>

#include "cut.h"

static struct drift_frequent_slot *find(const struct drift_frequent *f, const char *s, size_t n)
{
    for (uint32_t i = 0; i < f->n; i++)
        if (memcmp(f->slots[i].text, s, n) == 0 && f->slots[i].text[n] == '\0')
            return &f->slots[i];
    return NULL;
}

/* A new slot at the end, zero but for its text; NULL: no room. */
static struct drift_frequent_slot *append(struct drift_frequent *f, const char *s, size_t n)
{
    if (f->n >= DRIFT_FREQUENT_SLOTS)
        return NULL;
    if (f->n == f->cap) {
        uint32_t cap = f->cap ? 2 * f->cap : 8;
        struct drift_frequent_slot *slots = realloc(f->slots, cap * sizeof *slots);
        if (!slots)
            return NULL;
        f->slots = slots;
        f->cap = cap;
    }
    struct drift_frequent_slot *slot = &f->slots[f->n++];
    memset(slot, 0, sizeof *slot);
    memcpy(slot->text, s, n);
    return slot;
}

static struct drift_frequent_slot *least(const struct drift_frequent *f)
{
    struct drift_frequent_slot *min = &f->slots[0];
    for (uint32_t i = 1; i < f->n; i++)
        if (f->slots[i].count < min->count)
            min = &f->slots[i];
    return min;
}

void drift_frequent_add(struct drift_frequent *f, const char *text, size_t n)
{
    if (f->joined)
        return;
    n = cut_text(text, n, DRIFT_FREQUENT_TEXT - 1);
    struct drift_frequent_slot *slot = find(f, text, n);
    if (!slot)
        slot = append(f, text, n);
    if (!slot && f->n) {
        slot = least(f);
        memset(slot->text, 0, sizeof slot->text);
        memcpy(slot->text, text, n);
        slot->error = slot->count;
    }
    if (slot)
        slot->count++;
}

uint64_t drift_frequent_floor(const struct drift_frequent *f)
{
    return f->joined ? f->floor : f->n == DRIFT_FREQUENT_SLOTS ? least(f)->count : 0;
}

static bool copy(struct drift_frequent *into, const struct drift_frequent *from)
{
    struct drift_frequent_slot *slots = realloc(into->slots, from->n * sizeof *slots);
    if (!slots)
        return false;
    memcpy(slots, from->slots, from->n * sizeof *slots);
    *into = *from;
    into->slots = slots;
    into->cap = from->n;
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct drift_frequent_slot *)a)->text, ((const struct drift_frequent_slot *)b)->text);
}

static int by_count(const void *a, const void *b)
{
    const struct drift_frequent_slot *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->text, y->text);
}

/* Slots as those of a joined sketch: by text, each with what its own sketch may have dropped of others. */
static void settle(struct drift_frequent_slot *slots, uint32_t n, const struct drift_frequent *of)
{
    uint64_t floor = drift_frequent_floor(of);
    for (uint32_t i = 0; i < n && !of->joined; i++)
        slots[i].floors = floor;
    if (!of->joined)
        qsort(slots, n, sizeof *slots, by_text);
}

/* Both lists, each by text, as one. */
static uint32_t merge(const struct drift_frequent_slot *a, uint32_t n, const struct drift_frequent_slot *b, uint32_t m,
                      struct drift_frequent_slot *ret)
{
    uint32_t i = 0, j = 0, k = 0;
    while (i < n || j < m) {
        int order = i == n ? 1 : j == m ? -1 : strcmp(a[i].text, b[j].text);
        ret[k] = order <= 0 ? a[i++] : b[j++];
        if (order == 0) {
            ret[k].count += b[j].count;
            ret[k].error += b[j].error;
            ret[k].floors += b[j++].floors;
        }
        k++;
    }
    return k;
}

/* Drops the least; from now on any value that is not held may have had as many. */
static void shorten(struct drift_frequent *f)
{
    if (f->n <= DRIFT_FREQUENT_JOIN_MAX)
        return;
    qsort(f->slots, f->n, sizeof *f->slots, by_count);
    uint64_t dropped = f->slots[DRIFT_FREQUENT_JOIN_MAX].count;
    f->n = DRIFT_FREQUENT_JOIN_MAX;
    f->floor += dropped;
    for (uint32_t i = 0; i < f->n; i++)
        f->slots[i].floors += dropped;
    qsort(f->slots, f->n, sizeof *f->slots, by_text);
}

void drift_frequent_join(struct drift_frequent *into, const struct drift_frequent *from)
{
    if (!from->n || (!into->n && copy(into, from)))
        return;
    struct drift_frequent_slot *both = malloc((into->n + from->n) * sizeof *both),
                               *more = malloc(from->n * sizeof *more);
    if (!both || !more) {
        free(both);
        free(more);
        return;
    }
    memcpy(more, from->slots, from->n * sizeof *more);
    settle(more, from->n, from);
    settle(into->slots, into->n, into);
    into->floor = drift_frequent_floor(into) + drift_frequent_floor(from);
    into->joined = true;
    uint32_t n = into->n + from->n;
    into->n = merge(into->slots, into->n, more, from->n, both);
    free(into->slots);
    free(more);
    into->slots = both;
    into->cap = n;
    shorten(into);
}

void drift_frequent_clear(struct drift_frequent *f)
{
    f->n = 0;
    f->joined = false;
    f->floor = 0;
}

void drift_frequent_release(struct drift_frequent *f)
{
    free(f->slots);
    *f = (struct drift_frequent){0};
}

size_t drift_frequent_top(const struct drift_frequent *f, struct drift_frequent_value *ret, size_t max)
{
    uint64_t floor = drift_frequent_floor(f);
    size_t n = 0;
    for (uint32_t i = 0; i < f->n; i++) {
        const struct drift_frequent_slot *s = &f->slots[i];
        uint64_t lacking = f->joined ? floor - s->floors : 0;
        struct drift_frequent_value v = {s->text, s->count - s->error, s->count + lacking};
        size_t at = n;
        while (at && (ret[at - 1].at_least < v.at_least ||
                      (ret[at - 1].at_least == v.at_least && strcmp(ret[at - 1].text, v.text) > 0)))
            at--;
        if (at == max)
            continue;
        n += n < max;
        memmove(ret + at + 1, ret + at, (n - at - 1) * sizeof *ret);
        ret[at] = v;
    }
    return n;
}
