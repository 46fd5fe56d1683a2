/* category.h - from a category's bytes to its cell; private to the stats room.
 *
 * Open addressing with linear probing over SipHash-1-3 (Aumasson, Bernstein, SipHash: a fast short-input PRF, 2012)
 * with a random key.  The table is built once, at most half full, and remembers its longest probe: a lookup never
 * looks further, whatever the bytes.  Threads: immutable after creation. */
#ifndef DRIFTD_STATS_CATEGORY_H
#define DRIFTD_STATS_CATEGORY_H

#include <stddef.h>
#include <stdint.h>

struct drift_category_index;

/* Names by cell: names[0] [n_names[0]] have cells 0.., all of names[1] have cell n_names[0].  Borrowed: they outlive
 * the index.  Returns 0, DRIFT_E_EXISTS (a name twice), DRIFT_E_MEMORY. */
int drift_category_index_new(char *const *const names[2], const uint32_t n_names[2],
                             struct drift_category_index **ret_index);
void drift_category_index_free(struct drift_category_index *ix); /* NULL is fine */
/* Cell of a name, or unseen. */
uint32_t drift_category_index_cell(const struct drift_category_index *ix, const char *s, size_t n, uint32_t unseen);
/* Most slots that any lookup touches (for tests). */
uint32_t drift_category_index_probes(const struct drift_category_index *ix);

#endif
