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
 * merged.  A value with at least 1 % of the values gets a cell of its own: an edge just below it, when other values of
 * the baseline would share its cell (of more than fit into DRIFT_EDGES_MAX the heaviest).  PSI bins end at the deciles
 * below the maximum; the outer ones are open.  Imported edges (see drift_builder_edges) are added to the percentiles
 * and become the PSI bins' ends instead.  Edges beyond minimum or maximum (threshold, imported) widen the range that
 * out_of_range_rate means.
 * Kind of a feature: as configured; else numeric when most of its values are numbers (true and false are not), and
 * categorical otherwise; a field without any value is numeric with one cell.  Score and latency are numeric; decision,
 * label and source are categories, numbers among them as text.  The DRIFT_CATEGORIES_MAX most frequent categories get
 * cells of their own, the next DRIFT_RARE_MAX are known as rare.
 * Columns: features by name, then score, decision, source, latency as far as seen; the label chain has the label.
 * Memory: 50 fields x 65,536 values = 26 MB; max_bytes bounds it whatever comes.  Threads: one owner. */
#ifndef DRIFTD_BASELINE_BUILDER_H
#define DRIFTD_BASELINE_BUILDER_H

#include "driftd/internal/baseline/baseline.h"
#include "driftd/internal/config/config.h"

struct drift_builder;
struct drift_builder_settings {
    uint32_t sample;       /* 0: 65536 */
    uint32_t max_distinct; /* 0: 21000 */
    uint64_t max_bytes;    /* of samples and names in all; 0: 512 MiB */
    int64_t window_ms, label_window_ms;
    uint32_t max_windows; /* the newest so many are kept apart per chain (and at most 128 MiB of them), older ones
                           * are only pooled, and META says so; 0: none */
};
/* m: borrowed; NULL: no model (compare), every field is watched, all kinds from the data. */
struct drift_builder *drift_builder_new(const struct drift_model *m, const struct drift_builder_settings *s);
void drift_builder_free(struct drift_builder *b);

/* Imported PSI edges of a numeric column ("score" for the score), as in `baseline build --edges FILE`, whose
 * JSON holds {"baseline": {"edges": {name: [..]}}} or {"edges": {...}}.  Before freeze. */
int drift_builder_edges(struct drift_builder *b, const char *column, const double *edges, size_t n,
                        struct drift_err *err);
int drift_builder_edges_file(struct drift_builder *b, const char *file, struct drift_err *err);

/* Pass 1.  Takes whatever roles the event has. */
void drift_builder_survey(struct drift_builder *b, const struct drift_event *ev, const struct drift_stream *st);
/* DRIFT_E_EMPTY when nothing was surveyed. */
int drift_builder_freeze(struct drift_builder *b, struct drift_err *err);
/* What freeze() made; borrowed until finish.  NULL before. */
const struct drift_layout *drift_builder_layout(const struct drift_builder *b, enum drift_chain_kind kind);
/* Pass 2. */
void drift_builder_count(struct drift_builder *b, const struct drift_event *ev, const struct drift_stream *st);
/* Pass 2 of training data: counted apart, on the same cells; no windows. */
void drift_builder_train(struct drift_builder *b, const struct drift_event *ev, const struct drift_stream *st);
/* Streams are told apart by their address and must keep one list of fields.  Forgets them, not what they counted: to be
 * called when one was freed or comes again with another list, and more is to be counted. */
void drift_builder_unbind(struct drift_builder *b);
/* Moves everything into the baseline: nothing but free is left to do with b.
 * id NULL: made from model and content digest.  source: JSON object text for META, e.g. {"topics":[..],...}. */
int drift_builder_finish(struct drift_builder *b, const char *id, const char *source, const char *config_hash,
                         int64_t now_ms, struct drift_baseline **ret, struct drift_err *err);

#endif
