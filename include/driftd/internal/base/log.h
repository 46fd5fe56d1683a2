/* log.h - one line per event on stderr, logfmt: ts= level= event= key=value ...
 *
 * Values are quoted and escaped; payload values never go in.  Only main, cli, pipeline, ingest, judge and
 * act log; libraries of ours return errors.  The same event is printed at most 20 times a minute, then
 * counted and the count printed.  Threads: any. */
#ifndef DRIFTD_BASE_LOG_H
#define DRIFTD_BASE_LOG_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

enum drift_level { DRIFT_DEBUG, DRIFT_INFO, DRIFT_WARN, DRIFT_ERROR };

struct drift_kv {
    const char *key;
    enum { DRIFT_KV_STR, DRIFT_KV_I64, DRIFT_KV_U64, DRIFT_KV_F64 } kind;
    union {
        const char *s; /* NULL is printed as "-" */
        int64_t i;
        uint64_t u;
        double f;
    };
};
#define KV_S(k, v)                                                                                                     \
    {                                                                                                                  \
        .key = (k), .kind = DRIFT_KV_STR, .s = (v)                                                                     \
    }
#define KV_I(k, v)                                                                                                     \
    {                                                                                                                  \
        .key = (k), .kind = DRIFT_KV_I64, .i = (v)                                                                     \
    }
#define KV_U(k, v)                                                                                                     \
    {                                                                                                                  \
        .key = (k), .kind = DRIFT_KV_U64, .u = (v)                                                                     \
    }
#define KV_F(k, v)                                                                                                     \
    {                                                                                                                  \
        .key = (k), .kind = DRIFT_KV_F64, .f = (v)                                                                     \
    }

/* drift_log(DRIFT_WARN, "redis_away", KV_S("url", url), KV_I("retry_ms", ms)); event is noun_verb. */
#define drift_log(level, event, ...)                                                                                   \
    drift_log_kv((level), (event), (const struct drift_kv[]){__VA_ARGS__ __VA_OPT__(, ){.key = 0}})
void drift_log_kv(enum drift_level level, const char *event, const struct drift_kv *kv);

/* Lines below `level` are dropped (default DRIFT_INFO). */
void drift_log_level(enum drift_level level);
bool drift_log_level_parse(const char *name, enum drift_level *ret_level);

#endif
