/* topics.h - which stream a topic belongs to: by name, or by a pattern.
 *
 * A topic of a stream that begins with ^ is a pattern, matched as librdkafka matches it: POSIX extended regular
 * expression, searched from the beginning of the name (put $ where the name must end).  Repeat counts {n} and
 * back-references are refused: they can cost any amount of memory and time.
 * Topics whose names begin with __ are Kafka's own and match no pattern.  Threads: immutable after _new. */
#ifndef DRIFTD_CONFIG_TOPICS_H
#define DRIFTD_CONFIG_TOPICS_H

#include "driftd/internal/config/config.h"

bool drift_topic_is_pattern(const char *text);
/* What is wrong with a pattern, as "wants ...", or NULL. */
const char *drift_topic_pattern_wrong(const char *text);
/* Does a good pattern match a name?  Compiles it each time. */
bool drift_topic_matches(const char *pattern, const char *name);

struct drift_topics;
enum { DRIFT_TOPIC_NONE = -1, DRIFT_TOPIC_TWICE = -2 };
struct drift_topics *drift_topics_new(const struct drift_config *c); /* borrows c */
void drift_topics_free(struct drift_topics *t);
/* Index of the stream that reads the topic; NONE; TWICE: patterns of two streams match it, so nobody may. */
int drift_topics_stream(const struct drift_topics *t, const char *name);

#endif
