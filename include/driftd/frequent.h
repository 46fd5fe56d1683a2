/* frequent.h - the most frequent of values that nobody listed, in bounded memory: Space-Saving (A. Metwally, D.
 * Agrawal, A. El Abbadi, Efficient computation of frequent and top-k elements in data streams, 2005).
 *
 * A sketch counts the first DRIFT_FREQUENT_SLOTS distinct values exactly.  From then on a new value takes the slot with
 * the least count c and begins at c + 1 with error c: every value with more than n / slots of n values is held, and of
 * each held one the true count is between count - error and count.
 *
 * Sketches of several partitions are joined by adding: for a value that one of them does not hold, that one may have
 * dropped up to its least count (its floor).  at_least = sum (count - error), at_most = sum count + the floors of those
 * that do not hold it: the same in whatever order they are joined, as long as a joined sketch has at most
 * DRIFT_FREQUENT_JOIN_MAX values (64 partitions of nothing but different ones).  Beyond, the least are dropped and the
 * bounds get wider.
 *
 * Which values are held depends on their order, so a sketch explains and is never tested.  A log that is read again
 * gives the same sketch.  Memory: slots x 88 bytes.  Cost: a look at each slot, .3 us a new value; joining n to m
 * slots: O(n log n + m).  Threads: one owner. */
#ifndef DRIFTD_FREQUENT_H
#define DRIFTD_FREQUENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    DRIFT_FREQUENT_SLOTS = 64,      /* of a sketch that values are added to */
    DRIFT_FREQUENT_JOIN_MAX = 4096, /* of one that others were joined to */
    DRIFT_FREQUENT_TEXT = 64        /* bytes of a value, the NUL counted; longer ones are cut at a character */
};

struct drift_frequent_slot {
    char text[DRIFT_FREQUENT_TEXT];
    uint64_t count, error;
    uint64_t floors; /* sum of the floors of the sketches that hold it */
};
struct drift_frequent {
    uint32_t n, cap;
    bool joined;    /* not to be added to any more; slots ascend by text */
    uint64_t floor; /* joined: sum of the floors of all sketches */
    struct drift_frequent_slot *slots;
};

/* Counts one value (n bytes, cut at a NUL).  Without memory, or on a joined sketch: nothing. */
void drift_frequent_add(struct drift_frequent *f, const char *text, size_t n);
/* into += from.  An empty one becomes a copy, order included.  Without memory: nothing. */
void drift_frequent_join(struct drift_frequent *into, const struct drift_frequent *from);
void drift_frequent_clear(struct drift_frequent *f); /* empty; memory kept */
void drift_frequent_release(struct drift_frequent *f);
/* The least count when all slots are taken, else 0; of a joined one the sum. */
uint64_t drift_frequent_floor(const struct drift_frequent *f);

struct drift_frequent_value {
    const char *text; /* borrowed from the sketch */
    uint64_t at_least, at_most;
};
/* The `max` with the largest at_least, ties by text; returns how many. */
size_t drift_frequent_top(const struct drift_frequent *f, struct drift_frequent_value *ret, size_t max);

#ifdef __cplusplus
}
#endif
#endif
