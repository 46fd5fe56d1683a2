/* src/act/outbox.c    One entry of the durable queue of actions: its id, its bytes, its MAC; written by the judge, read
 *                      by the sender.
 *
 * The MAC covers the entry's bytes as they lie in Redis, not a canonical form of what they mean: the reader checks
 * before it parses, and no two parsers can disagree about what was signed.  The key is derived, so that a MAC in Redis
 * never equals a signature that goes over the wire. */
#include "driftd/internal/act/outbox.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"

static const char mac_open[] = ",\"mac\":\"";
static const char mac_close[] = "\"}";
enum { MAC_OPEN = sizeof mac_open - 1, MAC_CLOSE = sizeof mac_close - 1, MAC_HEX = 64 };

void drift_action_release(struct drift_action *a)
{
    if (!a)
        return;
    free(a->id);
    free(a->endpoint);
    free(a->step);
    free(a->rule);
    free(a->transition);
    free(a->body);
    *a = (struct drift_action){0};
}

void drift_action_id(const char *group, const char *model, const char *segment, const char *rule, int64_t incident_ms,
                     const char *step, uint32_t step_index, const char *endpoint, const char *transition,
                     int64_t window_start_ms, char ret_id[33])
{
    struct drift_buf b;
    drift_buf_init(&b, 1 << 20);
    drift_buf_put_str(&b, group);
    drift_buf_put_str(&b, model);
    drift_buf_put_str(&b, segment);
    drift_buf_put_str(&b, rule);
    drift_buf_put_u64(&b, (uint64_t)incident_ms);
    drift_buf_put_str(&b, step);
    drift_buf_put_u32(&b, step_index);
    drift_buf_put_str(&b, endpoint);
    drift_buf_put_str(&b, transition);
    drift_buf_put_u64(&b, (uint64_t)window_start_ms);
    if (b.full)
        drift_bug("the names of an action are longer than any configuration allows");
    uint8_t digest[DRIFT_SHA256_BYTES];
    drift_sha256(b.data, b.len, digest);
    drift_hex(digest, 16, ret_id);
    drift_buf_release(&b);
}

static void mac_hex(const char *secret, const char *p, size_t n, char ret_hex[MAC_HEX + 1])
{
    static const char purpose[] = "driftd outbox";
    uint8_t key[DRIFT_SHA256_BYTES], mac[DRIFT_SHA256_BYTES];
    drift_hmac_sha256(secret, strlen(secret), purpose, sizeof purpose - 1, key);
    drift_hmac_sha256(key, sizeof key, p, n, mac);
    drift_hex(mac, sizeof mac, ret_hex);
    explicit_bzero(key, sizeof key);
}

/* json_string() refuses what is not UTF-8; names come from a validated configuration, so that is a bug of ours. */
static void put_text(json_t *j, const char *key, const char *s, size_t n)
{
    if (json_object_set_new(j, key, json_stringn(s, n)))
        drift_bug("a text of an action is not UTF-8");
}

char *drift_action_entry(const struct drift_action *a, const char *secret)
{
    json_t *j = json_object();
    json_object_set_new(j, "v", json_integer(1));
    put_text(j, "id", a->id, strlen(a->id));
    put_text(j, "endpoint", a->endpoint, strlen(a->endpoint));
    put_text(j, "step", a->step, strlen(a->step));
    put_text(j, "mode", a->shadow ? "shadow" : "live", strlen(a->shadow ? "shadow" : "live"));
    put_text(j, "rule", a->rule, strlen(a->rule));
    json_object_set_new(j, "incident", json_integer(a->incident_ms));
    put_text(j, "transition", a->transition, strlen(a->transition));
    json_object_set_new(j, "window_start", json_integer(a->window_start_ms));
    json_object_set_new(j, "window_end", json_integer(a->window_end_ms));
    json_object_set_new(j, "seq", json_integer(a->seq));
    put_text(j, "body", a->body, a->body_len);
    char *text = json_dumps(j, JSON_COMPACT); /* keeps the order of insertion */
    json_decref(j);
    if (!text)
        drift_bug("an action has no JSON form");

    size_t n = strlen(text) - 1; /* without the closing brace */
    char hex[MAC_HEX + 1] = "";
    if (secret)
        mac_hex(secret, text, n, hex);
    char *entry = drift_xasprintf("%.*s%s%s%s", (int)n, text, mac_open, hex, mac_close);
    free(text);
    return entry;
}

/* Splits the MAC off the end.  Returns the length of what it covers, or 0. */
static size_t mac_split(const char *entry, size_t len, const char **ret_hex, size_t *ret_hex_len)
{
    static const size_t length[] = {MAC_HEX, 0};
    for (size_t i = 0; i < 2; i++) {
        size_t tail = MAC_OPEN + length[i] + MAC_CLOSE;
        if (len <= tail || memcmp(entry + len - tail, mac_open, MAC_OPEN) ||
            memcmp(entry + len - MAC_CLOSE, mac_close, MAC_CLOSE))
            continue;
        *ret_hex = entry + len - MAC_CLOSE - length[i];
        *ret_hex_len = length[i];
        return len - tail;
    }
    return 0;
}

static bool mac_good(const char *entry, size_t covered, const char *hex, size_t hex_len, char *const *secrets,
                     size_t n_secrets)
{
    if (!n_secrets)
        return true; /* nothing is signed for this endpoint: there is no signature to obtain by forging */
    bool good = false;
    for (size_t i = 0; i < n_secrets && hex_len == MAC_HEX; i++) {
        char want[MAC_HEX + 1];
        mac_hex(secrets[i], entry, covered, want);
        good |= drift_equal_const_time(want, hex, MAC_HEX);
    }
    return good;
}

/* Heap copy of a string member; NULL when it is absent, of another type, too long, or holds a NUL byte. */
static char *take_text(const json_t *j, const char *key, size_t max)
{
    const json_t *v = json_object_get(j, key);
    size_t n = json_string_length(v);
    if (!json_is_string(v) || n > max || memchr(json_string_value(v), 0, n))
        return NULL;
    return drift_xstrndup(json_string_value(v), n);
}

static bool take_int(const json_t *j, const char *key, int64_t least, int64_t most, int64_t *ret)
{
    const json_t *v = json_object_get(j, key);
    if (!json_is_integer(v) || json_integer_value(v) < least || json_integer_value(v) > most)
        return false;
    *ret = json_integer_value(v);
    return true;
}

static bool is_id(const char *s)
{
    return strlen(s) == 32 && strspn(s, "0123456789abcdef") == 32;
}

static bool take_action(const json_t *j, struct drift_action *ret)
{
    enum { NAME = 4096 };
    const int64_t far = INT64_C(1) << 62;
    int64_t seq = 0;
    ret->id = take_text(j, "id", 32);
    ret->endpoint = take_text(j, "endpoint", NAME);
    ret->step = take_text(j, "step", NAME);
    ret->rule = take_text(j, "rule", NAME);
    ret->transition = take_text(j, "transition", NAME);
    ret->body = take_text(j, "body", DRIFT_ACTION_ENTRY_MAX);
    if (!ret->id || !is_id(ret->id) || !ret->endpoint || !ret->step || !ret->rule || !ret->transition || !ret->body)
        return false;
    const char *mode = json_string_value(json_object_get(j, "mode"));
    if (!mode || (strcmp(mode, "live") && strcmp(mode, "shadow")))
        return false;
    ret->shadow = !strcmp(mode, "shadow");
    ret->body_len = strlen(ret->body);
    if (!take_int(j, "incident", -far, far, &ret->incident_ms) ||
        !take_int(j, "window_start", -far, far, &ret->window_start_ms) ||
        !take_int(j, "window_end", -far, far, &ret->window_end_ms) || !take_int(j, "seq", 0, UINT32_MAX, &seq))
        return false;
    ret->seq = (uint32_t)seq;
    return true;
}

int drift_action_parse(const char *entry, size_t len, char *const *secrets, size_t n_secrets, struct drift_action *ret,
                       struct drift_err *err)
{
    const char *hex = NULL;
    size_t hex_len = 0;
    size_t covered = len <= DRIFT_ACTION_ENTRY_MAX ? mac_split(entry, len, &hex, &hex_len) : 0;
    if (!covered)
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_SKIP, "an outbox entry of %zu bytes has no MAC at its end", len);
    if (!mac_good(entry, covered, hex, hex_len, secrets, n_secrets))
        return drift_fail(
            err, DRIFT_E_DENIED, DRIFT_SKIP,
            "the MAC of an outbox entry fits none of its endpoint's secrets: it was not written by driftd, or "
            "the secret it was written with is no longer configured");
    json_error_t je;
    json_t *j = json_loadb(entry, len, JSON_REJECT_DUPLICATES, &je);
    if (!j)
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_SKIP, "an outbox entry is not JSON: %s at byte %d", je.text,
                          je.position);
    int64_t v = 0;
    bool known = take_int(j, "v", 1, 1, &v);
    struct drift_action a = {0};
    bool good = known && take_action(j, &a);
    json_decref(j);
    if (!known)
        return drift_fail(err, DRIFT_E_VERSION, DRIFT_SKIP, "an outbox entry is not of version 1");
    if (!good) {
        drift_action_release(&a);
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_SKIP, "an outbox entry lacks members or has them of wrong types");
    }
    *ret = a;
    return 0;
}
