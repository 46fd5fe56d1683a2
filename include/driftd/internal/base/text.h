/* text.h - numbers, times, durations and names as text, without locale.
 *
 * Threads: pure. */
#ifndef DRIFTD_BASE_TEXT_H
#define DRIFTD_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/internal/base/buf.h"

/* Bytes that somebody else owns; p may be NULL when n is 0.  Not NUL-terminated. */
struct drift_str {
    const char *p;
    size_t n;
};
bool drift_str_eq(struct drift_str s, const char *z);

/* "15m", "48h", "1h30m", "500ms", "14d", "0s" -> milliseconds.  A bare number is refused. */
bool drift_duration_parse(const char *s, size_t n, int64_t *ret_ms);
/* Milliseconds as the shortest such text: 5400000 -> "1h30m".  buf >= 48 bytes; returns buf. */
char *drift_duration_text(int64_t ms, char *buf, size_t cap);
/* "16MB" (10^6), "64KiB", "512B" -> bytes. */
bool drift_size_parse(const char *s, size_t n, uint64_t *ret_bytes);

/* Whole text as a decimal number; rejects trailing junk, hex, inf, nan. */
bool drift_i64_parse(const char *s, size_t n, int64_t *ret);
bool drift_f64_parse(const char *s, size_t n, double *ret);
/* Shortest decimal that reads back as the same double; integers without ".0".  buf >= 32 bytes; returns the length. */
size_t drift_f64_text(double v, char *buf, size_t cap);
/* Digits of a percentage for `%.*g`: two, and three from 99.5 on, where two would read 1e+02. */
int drift_percent_digits(double percent);

/* ms since 1970 UTC <-> "2026-01-31T14:05:00Z" (with .mmm when not zero).  buf >= 32 bytes; returns buf. */
char *drift_time_text(int64_t ms, char *buf, size_t cap);
/* RFC 3339 date-time (fraction and offset accepted) or date -> ms since 1970 UTC. */
bool drift_time_parse(const char *s, size_t n, int64_t *ret_ms);

/* Percent-encodes every byte that is not [A-Za-z0-9._-], for names that become parts of Redis keys. */
void drift_name_encode(struct drift_buf *b, const char *name);
/* Glob with * and ? only.  At most |pattern| x |name| steps. */
bool drift_glob_match(const char *pattern, const char *name);
/* Levenshtein distance, for "did you mean"; strings longer than 64 give 64. */
unsigned drift_edit_distance(const char *a, const char *b);

#endif
