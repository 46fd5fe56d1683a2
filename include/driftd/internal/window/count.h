/* count.h - adds one event to a summary: for each column one cell lookup and one increment.
 *
 * A binding maps a layout's columns to the field slots of one stream; it follows the stream's field list as that
 * grows.  Which columns an event counts depends on its roles: a stream without features leaves the feature columns
 * alone (not even `missing`), so that features and scores may come on separate topics.
 * Threads: one owner. */
#ifndef DRIFTD_WINDOW_COUNT_H
#define DRIFTD_WINDOW_COUNT_H

#include "driftd/internal/config/config.h"
#include "driftd/internal/flow.h"

struct drift_binding;
/* model may be NULL (every new field is noted).  layout and stream outlive the binding. */
struct drift_binding *drift_binding_new(const struct drift_layout *layout, const struct drift_stream *stream,
                                        const struct drift_model *model, enum drift_chain_kind chain);
void drift_binding_free(struct drift_binding *b);
/* Does a record of the stream carry anything for the chain?  Of a stream that carries inputs and labels, a record
 * counts for the ones that it holds. */
bool drift_stream_event_feeds(const struct drift_stream *stream, const struct drift_event *ev,
                              enum drift_chain_kind chain);
/* Does the event carry anything for this chain?  (A label record of a mixed stream has label ABSENT or not.) */
bool drift_binding_wants(const struct drift_binding *b, const struct drift_event *ev);
/* No allocation unless the field list grew or a tally sees a new text. */
void drift_binding_count(struct drift_binding *b, const struct drift_event *ev, struct drift_summary *into);
/* Text of a value as a category: strings as they are, true/false, numbers in shortest form (1, 0.5).
 * scratch >= 32 bytes. */
struct drift_str drift_value_category(enum drift_value_kind kind, double num, struct drift_str str, char *scratch);

#endif
