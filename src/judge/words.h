/* words.h - a transition in plain words; private to the room.
 *
 * Threads: pure. */
#ifndef DRIFTD_JUDGE_WORDS_H
#define DRIFTD_JUDGE_WORDS_H

#include "driftd/internal/judge/outcome.h"

struct drift_step_words {
    const char *firing, *done, *update, *resolved; /* "disable automation", "disabled automation" ... */
};
const struct drift_step_words *drift_words_step(enum drift_step_kind k);

struct drift_share {
    const char *name; /* borrowed from the layout */
    double now, then;
};
/* The class of a label or decision column that a reader asks for: the configured positive one, else the one whose share
 * moved most.  false: not such a column. */
bool drift_words_share(const struct drift_outcome *o, const struct drift_column *c, struct drift_share *ret);
/* The level of a severity; of the other one when the rule does not have it. */
double drift_words_level(const struct drift_rule *rule, enum drift_severity severity);

/* A name from records: without control characters, cut. */
void drift_words_name(struct drift_buf *b, const char *name);

/* Initialise b and write one line into it; release it. */
void drift_words_alert(const struct drift_outcome *o, const struct drift_outcome_rule *r, const struct drift_step *step,
                       struct drift_buf *b);
void drift_words_status(const struct drift_outcome *o, struct drift_buf *b);

#endif
