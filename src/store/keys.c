/* src/store/keys.c    Key names: one hash tag for everything that one script touches.
 *
 * Every name is percent-encoded, so a slash, brace or colon in a key is always driftd's own: no two things share a key,
 * and the tag ends where it should. */
#include <inttypes.h>

#include "driftd/internal/store/redis.h"

static int finish(struct drift_buf *b, const char *what, struct drift_err *err)
{
    if (!b->full)
        return 0;
    return drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP, "redis key of a %s is longer than %d bytes: shorten the names",
                      what, DRIFT_KEY_MAX);
}

int drift_key_slot(const struct drift_store *s, struct drift_slot_id id, struct drift_buf *b, struct drift_err *err)
{
    drift_buf_init(b, DRIFT_KEY_MAX);
    drift_buf_addf(b, "driftd:{p/%s/", s->group);
    drift_name_encode(b, id.topic);
    drift_buf_addf(b, "/%" PRId32 "}", id.partition);
    return finish(b, "partition", err);
}

int drift_key_chain(const struct drift_store *s, struct drift_chain_id id, const char *suffix, struct drift_buf *b,
                    struct drift_err *err)
{
    drift_buf_init(b, DRIFT_KEY_MAX);
    drift_buf_addf(b, "driftd:{m/%s/", s->group);
    drift_name_encode(b, id.model);
    drift_buf_adds(b, id.kind == DRIFT_CHAIN_LABEL ? "/label}" : "}");
    drift_buf_adds(b, suffix);
    return finish(b, "model", err);
}

int drift_key_baseline(const char *model, const char *id, struct drift_buf *b, struct drift_err *err)
{
    drift_buf_init(b, DRIFT_KEY_MAX);
    drift_buf_adds(b, "driftd:{b/");
    drift_name_encode(b, model);
    drift_buf_adds(b, "}");
    if (id) {
        drift_buf_adds(b, ":");
        drift_name_encode(b, id);
    }
    return finish(b, "baseline", err);
}
