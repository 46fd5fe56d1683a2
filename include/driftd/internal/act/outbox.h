/* outbox.h - one entry of the durable queue of actions, its MAC, and its delivery state.
 *
 * Entry (JSON text, field e:<id> of <chain key>:out, written with the verdict, never changed):
 *     {"v":1,"id":..,"endpoint":..,"step":..,"mode":"live|shadow","rule":..,"incident":ms,"transition":..,
 *      "window_start":ms,"window_end":ms,"seq":n,"body":"<exact bytes>","mac":"<hex>"}
 * mac = HMAC-SHA256 over everything before it, keyed by HMAC(first endpoint secret, "driftd outbox"): write access to
 * Redis is not the right to have text signed.  Without a secret the mac is "" and the body goes out unsigned.
 * The entry names its own id and endpoint: a reader compares the id with the field that it came from.
 * State (JSON text, field s:<id>): {"attempts":n,"next_ms":ms,"done":"ok|dead|expired|shadow","status":code,
 *      "error":..,"first_ms":ms,"last_ms":ms} */
#ifndef DRIFTD_ACT_OUTBOX_H
#define DRIFTD_ACT_OUTBOX_H

#include "driftd/internal/config/config.h"

struct drift_action {
    char *id; /* 32 hex digits */
    char *endpoint, *step, *rule, *transition;
    bool shadow;
    int64_t incident_ms, window_start_ms, window_end_ms;
    uint32_t seq; /* order inside one verdict */
    char *body;
    size_t body_len;
};
void drift_action_release(struct drift_action *a);
/* First 128 bits of SHA-256 over the parts, each length-prefixed, as hex. */
void drift_action_id(const char *group, const char *model, const char *segment, const char *rule, int64_t incident_ms,
                     const char *step, uint32_t step_index, const char *endpoint, const char *transition,
                     int64_t window_start_ms, char ret_id[33]);
/* Bytes of an entry at most; drift_action_parse refuses longer ones. */
enum { DRIFT_ACTION_ENTRY_MAX = 256 * 1024 };
/* Entry text; heap.  secret may be NULL.  All texts are valid UTF-8 (the judge's bodies are). */
char *drift_action_entry(const struct drift_action *a, const char *secret);
/* Parses and verifies with any of the endpoint's secrets.  DRIFT_E_PARSE, DRIFT_E_DENIED (MAC). */
int drift_action_parse(const char *entry, size_t len, char *const *secrets, size_t n_secrets, struct drift_action *ret,
                       struct drift_err *err) DRIFT_MUST_CHECK;

#endif
