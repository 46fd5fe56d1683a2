/* src/act/retry.c    When a failed delivery is tried again, and the text that keeps it over restarts. */
#include "driftd/internal/act/retry.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const int64_t delays_s[] = {5, 30, 120, 300, 900, 1800, 3600, 7200, 14400};
enum { N_DELAYS = sizeof delays_s / sizeof *delays_s, BRIEF_MS = 1000, ATTEMPTS_MAX = 1000000 };

static const char *const done_names[] = {"", "ok", "dead", "expired", "shadow"};
enum { N_DONE = sizeof done_names / sizeof *done_names };

const char *drift_done_name(enum drift_done d)
{
    return done_names[d];
}

int64_t drift_retry_delay_ms(uint32_t attempts)
{
    size_t i = attempts ? attempts - 1 : 0;
    return 1000 * delays_s[i < N_DELAYS ? i : N_DELAYS - 1];
}

/* 0 .. 400: FNV-1a of id and attempt, so that the many actions of one bad minute do not come back together. */
static int64_t jitter(const char *id, uint32_t attempts)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 0x100000001b3u;
    h = (h ^ attempts) * 0x100000001b3u;
    return (int64_t)((h ^ h >> 32) % 401);
}

void drift_retry_failed(struct drift_retry *r, const char *id, int64_t now_ms, int64_t retry_after_ms, bool brief)
{
    int64_t end = r->first_ms + DRIFT_RETRY_GIVE_UP_MS;
    int64_t wait = drift_retry_delay_ms(r->attempts);
    wait = wait / 1000 * (800 + jitter(id, r->attempts));
    if (retry_after_ms > wait) /* never earlier than the receiver asked; the schedule may be later */
        wait = retry_after_ms < DRIFT_RETRY_AFTER_MAX_MS ? retry_after_ms : DRIFT_RETRY_AFTER_MAX_MS;
    if (brief && wait > BRIEF_MS)
        wait = BRIEF_MS;
    if (now_ms >= end)
        r->done = DRIFT_DONE_DEAD;
    r->next_ms = now_ms + wait < end ? now_ms + wait : end; /* one last attempt when the time is up */
}

static bool digits(const char *p, size_t n, int *ret)
{
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)p[i]))
            return false;
        v = 10 * v + (p[i] - '0');
    }
    *ret = v;
    return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", the one form that RFC 9110 lets a server send. */
static bool parse_fixdate(const char *p, size_t n, int64_t *ret_ms)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm t = {0};
    int year;
    if (n != 29 || p[3] != ',' || p[4] != ' ' || p[7] != ' ' || p[11] != ' ' || p[16] != ' ' || p[19] != ':' ||
        p[22] != ':' || memcmp(p + 25, " GMT", 4))
        return false;
    for (t.tm_mon = 0; t.tm_mon < 12 && strncmp(months + 3 * t.tm_mon, p + 8, 3); t.tm_mon++)
        ;
    if (t.tm_mon == 12 || !digits(p + 5, 2, &t.tm_mday) || !digits(p + 12, 4, &year) ||
        !digits(p + 17, 2, &t.tm_hour) || !digits(p + 20, 2, &t.tm_min) || !digits(p + 23, 2, &t.tm_sec))
        return false;
    if (year < 1970 || t.tm_mday < 1 || t.tm_mday > 31 || t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60)
        return false;
    t.tm_year = year - 1900;
    *ret_ms = (int64_t)timegm(&t) * 1000;
    return true;
}

bool drift_retry_after(const char *value, size_t n, int64_t now_ms, int64_t *ret_ms)
{
    int64_t at_ms, wait;
    int seconds;
    while (n && (*value == ' ' || *value == '\t'))
        value++, n--;
    while (n && strchr(" \t\r\n", value[n - 1]))
        n--;
    if (n && n <= 9 && digits(value, n, &seconds))
        wait = (int64_t)seconds * 1000;
    else if (parse_fixdate(value, n, &at_ms))
        wait = at_ms - now_ms;
    else
        return false;
    *ret_ms = wait < 0 ? 0 : wait > DRIFT_RETRY_AFTER_MAX_MS ? DRIFT_RETRY_AFTER_MAX_MS : wait;
    return true;
}

/* An integer member within [0, most], 0 when absent. */
static bool take_int(const json_t *j, const char *key, int64_t most, int64_t *ret)
{
    const json_t *v = json_object_get(j, key);
    *ret = 0;
    if (!v || json_is_null(v))
        return true;
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *ret = json_integer_value(v) < most ? json_integer_value(v) : most;
    return true;
}

static bool take_done(const json_t *j, enum drift_done *ret)
{
    const json_t *v = json_object_get(j, "done");
    const char *text = json_is_string(v) ? json_string_value(v) : v && !json_is_null(v) ? "?" : "";
    for (int d = 0; d < N_DONE; d++)
        if (!strcmp(done_names[d], text)) {
            *ret = (enum drift_done)d;
            return true;
        }
    return false;
}

static bool take_state(const json_t *j, int64_t now_ms, struct drift_retry *r)
{
    int64_t attempts, status;
    if (!json_is_object(j) || !take_int(j, "attempts", ATTEMPTS_MAX, &attempts) ||
        !take_int(j, "status", 999, &status) || !take_int(j, "first_ms", now_ms, &r->first_ms) ||
        !take_int(j, "last_ms", now_ms, &r->last_ms) || !take_done(j, &r->done))
        return false;
    r->attempts = (uint32_t)attempts;
    r->status = (int)status;
    if (r->attempts && !r->first_ms)
        r->first_ms = now_ms;
    int64_t most = drift_retry_delay_ms(r->attempts) / 1000 * 1200;
    most = r->attempts == 0 ? 0 : most > DRIFT_RETRY_AFTER_MAX_MS ? most : DRIFT_RETRY_AFTER_MAX_MS;
    if (!take_int(j, "next_ms", now_ms + most, &r->next_ms))
        return false;
    const json_t *error = json_object_get(j, "error");
    if (json_is_string(error))
        snprintf(r->error, sizeof r->error, "%s", json_string_value(error));
    return true;
}

int drift_retry_parse(const char *text, size_t len, int64_t now_ms, struct drift_retry *ret, struct drift_err *err)
{
    struct drift_retry r = {0};
    json_t *j = len <= DRIFT_RETRY_STATE_MAX ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    bool good = j && take_state(j, now_ms, &r);
    json_decref(j);
    if (!good)
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_SKIP, "delivery state is not of the expected form");
    *ret = r;
    return 0;
}

/* A cut in the middle of a character would make the text invalid. */
static json_t *error_json(const char *error)
{
    json_t *j = json_string(error);
    for (size_t n = strlen(error); !j && n > 0; n--)
        j = json_stringn(error, n);
    return j ? j : json_string("");
}

char *drift_retry_text(const struct drift_retry *r)
{
    json_t *j = json_object();
    json_object_set_new(j, "attempts", json_integer(r->attempts));
    json_object_set_new(j, "next_ms", json_integer(r->next_ms));
    json_object_set_new(j, "done", json_string(done_names[r->done]));
    json_object_set_new(j, "status", json_integer(r->status));
    json_object_set_new(j, "error", error_json(r->error));
    json_object_set_new(j, "first_ms", json_integer(r->first_ms));
    json_object_set_new(j, "last_ms", json_integer(r->last_ms));
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    if (!text)
        drift_bug("a delivery state has no JSON form");
    return text;
}
