/* builder.h - makes a baseline from events in two passes, in bounded memory.
 *
 * Pass 1 (survey) keeps per numeric field a uniform sample of at most `sample` values (reservoir, seeded by the
 * field's name: the same events give the same baseline), minimum and maximum exactly, and per categorical field
 * counts of its values (up to max_distinct).  freeze() turns that into layouts.  Pass 2 (count) adds every event
 * to the frozen cells, pooled and by window; counts are exact whatever the sample was.  With at most `sample`
 * values per field the edges are exact quantiles.
 *
 * Edges of a numeric column: nextafter(min), the percentiles 1..99 as observed values (smallest x with at least
 * k % of the values <= x), max, and, for the score, threshold - .05, threshold, threshold + .05; equal ones
 * merged.  PSI bins end at the deciles.  Imported edges (see drift_builder_edges) are added to the percentiles
 * and become the PSI bins' ends instead.
 * Memory: 50 fields x 65,536 values = 26 MB.  Threads: one owner. */
#ifndef DRIFTD_BASELINE_BUILDER_H
#define DRIFTD_BASELINE_BUILDER_H

#include "driftd/internal/baseline/baseline.h"
#include "driftd/internal/config/config.h"

struct drift_builder;
struct drift_builder_settings {
    uint32_t sample;        /* 65536 */
    uint32_t max_distinct;  /* 21000 */
    int64_t window_ms, label_window_ms;
    uint32_t max_windows;   /* kept apart per chain; 5000; then only pooled, and said in META */
};
struct drift_builder *drift_builder_new(const struct drift_model *m, const struct drift_builder_settings *s);
void drift_builder_free(struct drift_builder *b);

/* Imported PSI edges of a numeric column ("score" for the score), as in `baseline build --edges FILE`, whose
 * JSON holds {"baseline": {"edges": {name: [..]}}} or {"edges": {...}}.  Before freeze. */
int drift_builder_edges(struct drift_builder *b, const char *column, const double *edges, size_t n, struct drift_err *err);
int drift_builder_edges_file(struct drift_builder *b, const char *file, struct drift_err *err);

/* Pass 1.  Takes whatever roles the event has. */
void drift_builder_survey(struct drift_builder *b, const struct drift_event *ev, const struct drift_stream *st);
/* DRIFT_E_EMPTY when nothing was surveyed. */
int drift_builder_freeze(struct drift_builder *b, struct drift_err *err);
/* Pass 2. */
void drift_builder_count(struct drift_builder *b, const struct drift_event *ev, const struct drift_stream *st);
/* id NULL: made from model and content digest.  source: JSON object text for META, e.g. {"topics":[..],...}. */
int drift_builder_finish(struct drift_builder *b, const char *id, const char *source, const char *config_hash,
                         int64_t now_ms, struct drift_baseline **ret, struct drift_err *err);

#endif
