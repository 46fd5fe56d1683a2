/* decode_case.h - what the tests of this room share: a stream, a decoder, one record in, values out. */
#ifndef DRIFTD_DECODE_CASE_H
#define DRIFTD_DECODE_CASE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driftd/internal/decode/decoder.h"
#include "support.h"

/* A copy of exactly n bytes, so that ASan sees a read past the end. */
static inline uint8_t *exact_copy(const void *p, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (n)
        memcpy(copy, p, n);
    return copy;
}

static inline struct drift_stream json_stream(void)
{
    return (struct drift_stream){.name = (char *)"s",
                                 .format = DRIFT_FORMAT_JSON,
                                 .time = (char *)"t",
                                 .model_value = (char *)"m",
                                 .features = (char *)"f",
                                 .time_unit = DRIFT_TIME_MS,
                                 .max_record_bytes = 1 << 20,
                                 .max_fields = 4096};
}

static inline struct drift_decoder *new_decoder(const struct drift_stream *s, struct drift_registry *r)
{
    struct drift_decoder *d = NULL;
    struct drift_err err = {0};
    ck_assert_msg(drift_decoder_new(s, r, &d, &err) == 0, "%s", err.text);
    return d;
}

/* A schema in a file of its own; the caller unlinks and frees. */
static inline char *schema_file(const char *schema)
{
    char *path = strdup("/tmp/driftd-schema-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    FILE *f = fdopen(fd, "w");
    fputs(schema, f);
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

struct outcome {
    int rc;
    enum drift_reason reason;
    struct drift_err err;
    const struct drift_event *e;
    uint8_t *copy;
};
/* The event is good until outcome_free(). */
static inline struct outcome decode_bytes(struct drift_decoder *d, const void *p, size_t n)
{
    struct outcome o = {.copy = exact_copy(p, n)};
    struct drift_record rec = {.payload = o.copy, .len = n, .offset = 7, .timestamp_ms = 1700000000000};
    o.rc = drift_decoder_decode(d, &rec, &o.e, &o.reason, &o.err);
    if (o.rc)
        ck_assert(o.err.action == DRIFT_RETRY || o.reason != DRIFT_REASON_NONE);
    return o;
}
static inline struct outcome decode_text(struct drift_decoder *d, const char *text)
{
    return decode_bytes(d, text, strlen(text));
}
static inline void outcome_free(struct outcome *o)
{
    free(o->copy);
}

static inline int slot_of(const struct drift_event *e, const char *name)
{
    for (uint32_t i = 0; i < e->fields->n; i++)
        if (!strcmp(e->fields->names[i], name))
            return (int)i;
    return -1;
}
static inline int kind_of(const struct drift_event *e, const char *name)
{
    int s = slot_of(e, name);
    return s < 0 ? DRIFT_V_ABSENT : e->kind[s];
}
#define ck_text(s, z)                                                                                                  \
    ck_assert_msg(drift_str_eq((s), (z)), "%s is '%.*s', not '%s'", #s, (int)(s).n, (s).p ? (s).p : "", (z))

#endif
