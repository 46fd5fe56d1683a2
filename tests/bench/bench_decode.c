/* tests/bench/bench_decode.c    Time to decode one event of 50 features, as Avro and as JSON.
 *
 * Events: id, time, model, version, 50 numbers of four families (normal, log-normal, small integers, shifted
 * normal; a tenth of the features may be null), three texts, score, decision.  The best of several passes over
 * 20,000 events is printed, since the machine is shared. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "driftd/internal/decode/decoder.h"

enum { FEATURES = 50, EVENTS = 20000, PASSES = 15, EVENT_BYTES = 2048 };

/* Records one behind the other, as they lie in a fetched batch. */
struct sample {
    uint8_t *bytes;
    size_t at[EVENTS], len[EVENTS];
};

static uint64_t state;
static uint64_t next64(void) /* splitmix64 */
{
    uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}
static double uniform(void)
{
    return ((double)(next64() >> 11) + 0.5) * 0x1p-53;
}
static double feature(int k)
{
    double g = sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
    if (k % 5 == 4 && uniform() < 0.02)
        return NAN; /* null */
    return k % 4 == 0 ? g : k % 4 == 1 ? exp(0.8 * g) : k % 4 == 2 ? floor(fabs(g) * 10) : 100 + 15 * g;
}

static uint8_t *put_long(uint8_t *p, int64_t v)
{
    uint64_t z = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    for (; z > 0x7f; z >>= 7)
        *p++ = (uint8_t)(z | 0x80);
    *p++ = (uint8_t)z;
    return p;
}
static uint8_t *put_text(uint8_t *p, const char *s)
{
    size_t n = strlen(s);
    p = put_long(p, (int64_t)n);
    memcpy(p, s, n);
    return p + n;
}

struct values {
    char id[64];
    int64_t time_ms;
    double f[FEATURES], score;
};

static void make(struct values *v, int i)
{
    snprintf(v->id, sizeof v->id, "%08x-%04x-%04x-%012x", (unsigned)next64(), (unsigned)next64() & 0xffff,
             (unsigned)next64() & 0xffff, (unsigned)i);
    v->time_ms = 1767225600000 + i;
    for (int k = 0; k < FEATURES; k++)
        v->f[k] = feature(k);
    v->score = 1 / (1 + exp(-v->f[0]));
}

static size_t as_avro(const struct values *v, uint8_t *to)
{
    uint8_t *p = put_long(put_text(to, v->id), v->time_ms);
    p = put_text(put_text(p, "phish-login"), "2026.01.3");
    for (int k = 0; k < FEATURES; k++) {
        if (k % 5 == 4)
            *p++ = isnan(v->f[k]) ? 0 : 2;
        if (isnan(v->f[k]))
            continue;
        memcpy(p, &v->f[k], 8);
        p += 8;
    }
    p = put_text(put_text(put_text(p, "DE"), "android"), "email");
    memcpy(p, &v->score, 8);
    p = put_text(p + 8, v->score > .5 ? "block" : "allow");
    return (size_t)(p - to);
}

static size_t as_json(const struct values *v, char *to)
{
    char *p = to;
    p += sprintf(p,
                 "{\"event_id\":\"%s\",\"event_time\":%lld,\"model\":\"phish-login\",\"model_version\":\"2026.01.3\",",
                 v->id, (long long)v->time_ms);
    p += sprintf(p, "\"features\":{");
    for (int k = 0; k < FEATURES; k++)
        p += isnan(v->f[k]) ? sprintf(p, "%s\"f%02d\":null", k ? "," : "", k)
                            : sprintf(p, "%s\"f%02d\":%.14g", k ? "," : "", k, v->f[k]);
    p += sprintf(
        p, "},\"country\":\"DE\",\"device\":\"android\",\"channel\":\"email\",\"score\":%.14g,\"decision\":\"%s\"}",
        v->score, v->score > .5 ? "block" : "allow");
    return (size_t)(p - to);
}

static void write_schema(FILE *f)
{
    fputs("{\"type\":\"record\",\"name\":\"Event\",\"fields\":[{\"name\":\"event_id\",\"type\":\"string\"},"
          "{\"name\":\"event_time\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},"
          "{\"name\":\"model\",\"type\":\"string\"},{\"name\":\"model_version\",\"type\":\"string\"},"
          "{\"name\":\"features\",\"type\":{\"type\":\"record\",\"name\":\"Features\",\"fields\":[",
          f);
    for (int k = 0; k < FEATURES; k++)
        fprintf(f, "%s{\"name\":\"f%02d\",\"type\":%s}", k ? "," : "", k,
                k % 5 == 4 ? "[\"null\",\"double\"]" : "\"double\"");
    fputs("]}},{\"name\":\"country\",\"type\":\"string\"},{\"name\":\"device\",\"type\":\"string\"},"
          "{\"name\":\"channel\",\"type\":\"string\"},{\"name\":\"score\",\"type\":\"double\"},"
          "{\"name\":\"decision\",\"type\":\"string\"}]}",
          f);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* the machine may be shared */
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void time_decoder(const char *name, const struct drift_stream *stream, const struct sample *s)
{
    struct drift_decoder *d;
    struct drift_err err;
    double best = INFINITY, sum = 0;
    if (drift_decoder_new(stream, NULL, &d, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    for (int pass = 0; pass < PASSES; pass++) {
        double from = now_ns();
        for (int i = 0; i < EVENTS; i++) {
            struct drift_record rec = {.payload = s->bytes + s->at[i], .len = s->len[i], .timestamp_ms = 0};
            const struct drift_event *e;
            enum drift_reason why;
            if (drift_decoder_decode(d, &rec, &e, &why, &err)) {
                fprintf(stderr, "%s\n", err.text);
                exit(1);
            }
            sum += e->num[0] + (double)e->kind[49];
        }
        double took = (now_ns() - from) / EVENTS;
        best = took < best ? took : best;
    }
    printf("{\"name\":\"%s\",\"value\":%.1f,\"unit\":\"ns\"}\n", name, best);
    if (!isfinite(sum))
        fputs("a value was lost\n", stderr);
    drift_decoder_free(d);
}

int main(void)
{
    static struct sample avro, json;
    avro.bytes = calloc(EVENTS, EVENT_BYTES);
    json.bytes = calloc(EVENTS, EVENT_BYTES);
    for (int i = 0; i < EVENTS; i++) {
        struct values v;
        make(&v, i);
        avro.at[i] = i ? avro.at[i - 1] + avro.len[i - 1] : 0;
        json.at[i] = i ? json.at[i - 1] + json.len[i - 1] : 0;
        avro.len[i] = as_avro(&v, avro.bytes + avro.at[i]);
        json.len[i] = as_json(&v, (char *)json.bytes + json.at[i]);
    }
    char file[] = "/tmp/driftd-bench-XXXXXX";
    int fd = mkstemp(file);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f) {
        perror(file);
        return 1;
    }
    write_schema(f);
    fclose(f);
    struct drift_stream stream = {.name = (char *)"bench",
                                  .id = (char *)"event_id",
                                  .time = (char *)"event_time",
                                  .model = (char *)"model",
                                  .features = (char *)"features",
                                  .score = (char *)"score",
                                  .decision = (char *)"decision",
                                  .time_unit = DRIFT_TIME_MS,
                                  .max_record_bytes = 1 << 20,
                                  .max_fields = 4096};
    stream.version[DRIFT_VERSION_MODEL] = (char *)"model_version";
    stream.format = DRIFT_FORMAT_JSON;
    time_decoder("decode_json50_ns", &stream, &json);
    stream.format = DRIFT_FORMAT_AVRO;
    stream.schema_file = file;
    time_decoder("decode_avro50_ns", &stream, &avro);
    unlink(file);
    free(avro.bytes);
    free(json.bytes);
    return 0;
}
