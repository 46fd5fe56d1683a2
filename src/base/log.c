/* src/base/log.c    Structured lines on stderr: logfmt, escaped, at most 20 a minute of one event. */
#include "driftd/internal/base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/base/text.h"

enum { PER_MINUTE = 20, EVENTS = 256, LINE_MAX_BYTES = 8192 };

static enum drift_level threshold = DRIFT_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    const char *event; /* static strings: compared by address, which is what a call site repeats */
    int64_t minute;
    unsigned n, dropped;
} seen[EVENTS];

static const char *const level_name[] = {"debug", "info", "warn", "error"};

void drift_log_level(enum drift_level level)
{
    threshold = level;
}

bool drift_log_level_parse(const char *name, enum drift_level *ret_level)
{
    for (int i = 0; i < 4; i++)
        if (!strcmp(name, level_name[i])) {
            *ret_level = (enum drift_level)i;
            return true;
        }
    return false;
}

/* How many lines of this event were left out since the last one; -1: leave this one out as well. */
static int budget(const char *event, int64_t now_ms)
{
    size_t i = 0;
    while (i < EVENTS - 1 && seen[i].event && seen[i].event != event)
        i++;
    if (!seen[i].event || seen[i].minute != now_ms / 60000) {
        int dropped = seen[i].event == event ? (int)seen[i].dropped : 0;
        seen[i].event = event;
        seen[i].minute = now_ms / 60000;
        seen[i].n = 1;
        seen[i].dropped = 0;
        return dropped;
    }
    if (seen[i].n++ < PER_MINUTE)
        return 0;
    seen[i].dropped++;
    return -1;
}

static void add_value(struct drift_buf *b, const char *s)
{
    bool plain = *s != 0;
    for (const char *c = s; *c && plain; c++)
        plain = (unsigned char)*c > ' ' && *c != '"' && *c != '=' && *c != '\\' && (unsigned char)*c < 0x7f;
    if (plain) {
        drift_buf_adds(b, s);
        return;
    }
    drift_buf_adds(b, "\"");
    for (const unsigned char *c = (const unsigned char *)s; *c; c++) {
        if (*c == '"' || *c == '\\')
            drift_buf_addf(b, "\\%c", *c);
        else if (*c < ' ' || *c == 0x7f)
            drift_buf_addf(b, "\\x%02x", *c);
        else
            drift_buf_add(b, c, 1);
    }
    drift_buf_adds(b, "\"");
}

static void add_pair(struct drift_buf *b, const struct drift_kv *kv)
{
    char number[32];
    drift_buf_addf(b, " %s=", kv->key);
    switch (kv->kind) {
    case DRIFT_KV_STR:
        add_value(b, kv->s ? kv->s : "-");
        break;
    case DRIFT_KV_I64:
        drift_buf_addf(b, "%" PRId64, kv->i);
        break;
    case DRIFT_KV_U64:
        drift_buf_addf(b, "%" PRIu64, kv->u);
        break;
    case DRIFT_KV_F64:
        drift_f64_text(kv->f, number, sizeof number);
        drift_buf_adds(b, number);
        break;
    }
}

void drift_log_kv(enum drift_level level, const char *event, const struct drift_kv *kv)
{
    char time[32];
    struct drift_buf b;
    if (level < threshold)
        return;
    int64_t now = drift_wall_ms(&drift_clock_system);
    pthread_mutex_lock(&lock);
    int dropped = budget(event, now);
    pthread_mutex_unlock(&lock);
    if (dropped < 0)
        return;
    drift_buf_init(&b, LINE_MAX_BYTES);
    drift_buf_addf(&b, "ts=%s level=%s event=%s", drift_time_text(now, time, sizeof time), level_name[level], event);
    for (; kv->key; kv++)
        add_pair(&b, kv);
    if (dropped)
        drift_buf_addf(&b, " suppressed=%d", dropped);
    b.max++;
    b.full = false;
    drift_buf_adds(&b, "\n");
    if (write(STDERR_FILENO, b.data, b.len) < 0) {
        /* nowhere left to say it */
    }
    drift_buf_release(&b);
}
