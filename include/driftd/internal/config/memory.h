/* memory.h - allocations that are freed together, as a whole configuration is.
 *
 * One malloc each, so that a sanitizer sees the end of every one.  Never fails: sizes are bounded by the limits of
 * the file.  Threads: one owner. */
#ifndef DRIFTD_CONFIG_MEMORY_H
#define DRIFTD_CONFIG_MEMORY_H

#include <stddef.h>

struct drift_memory;
struct drift_memory *drift_memory_new(void);
void drift_memory_free(struct drift_memory *m); /* NULL is fine */
/* Zeroed; lives until drift_memory_free(). */
void *drift_memory_get(struct drift_memory *m, size_t n, size_t size);
char *drift_memory_text(struct drift_memory *m, const char *s, size_t n); /* copy with NUL */

#endif
