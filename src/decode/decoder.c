/* src/decode/decoder.c    Bytes of one record -> one event: framing, format, roles, time.
 *
 * The formats fill a row of values by place (paths.h); what a role's value means is decided here, the same way for
 * both.  Plans are kept by schema id; a schema that cannot be used is remembered as such. */
#include "driftd/internal/decode/decoder.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/meter.h"
#include "driftd/internal/decode/avro_plan.h"
#include "driftd/internal/decode/json_leaves.h"
#include "driftd/internal/decode/json_scan.h"
#include "driftd/internal/decode/json_shim.h"
#include "driftd/internal/decode/registry.h"

enum { FRAME_BYTES = 5, NUMBER_TEXT = 32 };
static const int64_t YEAR_10000_MS = INT64_C(253402300800000);

/* What is known of one schema id. */
struct known_schema {
    uint32_t id;
    bool used;
    struct drift_avro_plan *plan; /* NULL: unusable */
    char *why;                    /* why not */
    char text[12];                /* the id */
};

struct drift_decoder {
    struct drift_stream stream; /* shallow copy: names belong to the configuration */
    struct drift_registry *registry;
    struct drift_paths paths;
    struct drift_json *json;
    struct drift_json_scan *scan;
    struct known_schema *known; /* open addressing by id */
    uint32_t n_known, cap_known;
    struct known_schema *last;
    struct drift_avro_plan *file_plan;
    struct drift_event event;
    char number[DRIFT_N_EXACT][NUMBER_TEXT]; /* numbers of these roles as text */
};

/* Schemas */

static int compile(struct drift_decoder *d, const char *text, size_t len, struct drift_avro_plan **ret,
                   struct drift_err *err)
{
    struct drift_avro_schema *schema;
    int rc = drift_avro_schema_parse(text, len, &schema, err);
    if (!rc)
        rc = drift_avro_plan_new(schema, &d->paths, ret, err);
    if (!rc)
        drift_series_add(drift_series(DRIFT_M_SCHEMAS, (char *)NULL), 1);
    return rc;
}

static int load_schema_file(struct drift_decoder *d, const char *path, struct drift_err *err)
{
    FILE *f = fopen(path, "rbe");
    if (!f)
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read schema file '%s': %s", path, strerror(errno));
    char *text = drift_xcalloc(DRIFT_AVRO_TEXT_BYTES + 2, 1);
    size_t n = fread(text, 1, DRIFT_AVRO_TEXT_BYTES + 1, f);
    int rc = ferror(f) ? drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read schema file '%s'", path) : 0;
    fclose(f);
    if (!rc && (rc = compile(d, text, n, &d->file_plan, err))) {
        drift_err_prefix(err, "schema file '%s'", path);
        if (err)
            err->action = DRIFT_STOP;
    }
    free(text);
    return rc;
}

static struct known_schema *known_slot(struct known_schema *table, uint32_t cap, uint32_t id)
{
    uint32_t i = id * 0x9E3779B1u;
    for (i ^= i >> 15;; i++) {
        struct known_schema *k = &table[i & (cap - 1)];
        if (!k->used || k->id == id)
            return k;
    }
}

static struct known_schema *remember(struct drift_decoder *d, uint32_t id)
{
    if (2 * (d->n_known + 1) > d->cap_known) {
        uint32_t cap = d->cap_known ? 2 * d->cap_known : 16;
        struct known_schema *table = drift_xcalloc(cap, sizeof *table);
        for (uint32_t i = 0; i < d->cap_known; i++)
            if (d->known[i].used)
                *known_slot(table, cap, d->known[i].id) = d->known[i];
        free(d->known);
        d->known = table;
        d->cap_known = cap;
    }
    struct known_schema *k = known_slot(d->known, d->cap_known, id);
    k->used = true;
    k->id = id;
    snprintf(k->text, sizeof k->text, "%" PRIu32, id);
    d->n_known++;
    return k;
}

/* Why a record is refused, without any of its bytes. */
static int refuse(enum drift_reason reason, enum drift_reason *ret_reason, struct drift_err *err, const char *why)
{
    *ret_reason = reason;
    return drift_fail(err, DRIFT_E_PARSE, DRIFT_SKIP, "%s", why);
}

/* The schema of a framed body: known, or asked from the registry. */
static int find_schema(struct drift_decoder *d, uint32_t id, struct known_schema **ret, enum drift_reason *ret_reason,
                       struct drift_err *err)
{
    const char *text = NULL;
    struct drift_err why = {0};
    struct known_schema *k = d->cap_known ? known_slot(d->known, d->cap_known, id) : NULL;
    if (k && k->used) {
        *ret = k;
        return 0;
    }
    enum drift_registry_answer answer = drift_registry_get(d->registry, id, &text, &why);
    if (answer == DRIFT_REGISTRY_PENDING) {
        *ret_reason = DRIFT_REASON_NONE;
        return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "waiting for schema %" PRIu32 "%s%s", id,
                          why.text[0] ? ": " : "", why.text);
    }
    if (answer == DRIFT_REGISTRY_UNKNOWN) {
        *ret_reason = DRIFT_REASON_UNKNOWN_SCHEMA;
        return drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_SKIP, "the registry knows no schema %" PRIu32, id);
    }
    if (answer == DRIFT_REGISTRY_UNUSABLE) {
        *ret_reason = DRIFT_REASON_BAD_SCHEMA;
        return drift_fail(err, DRIFT_E_TYPE, DRIFT_SKIP, "schema %" PRIu32 ": %s", id, why.text);
    }
    k = remember(d, id);
    if (compile(d, text, strlen(text), &k->plan, &why))
        k->why = drift_xstrdup(why.text);
    d->last = NULL;
    *ret = k;
    return 0;
}

/* Formats */

static int decode_framed(struct drift_decoder *d, const struct drift_record *rec, enum drift_reason *ret_reason,
                         struct drift_err *err)
{
    if (rec->len < FRAME_BYTES || rec->payload[0] != 0)
        return refuse(DRIFT_REASON_BAD_FRAME, ret_reason, err, "value does not begin with 0 and a schema id");
    uint32_t id = (uint32_t)rec->payload[1] << 24 | (uint32_t)rec->payload[2] << 16 | (uint32_t)rec->payload[3] << 8 |
                  rec->payload[4];
    struct known_schema *k = d->last;
    if (!k || k->id != id) {
        int rc = find_schema(d, id, &k, ret_reason, err);
        if (rc)
            return rc;
        d->last = k;
    }
    if (!k->plan) {
        *ret_reason = DRIFT_REASON_BAD_SCHEMA;
        return drift_fail(err, DRIFT_E_TYPE, DRIFT_SKIP, "schema %" PRIu32 ": %s", id, k->why);
    }
    d->event.schema = (struct drift_str){k->text, strlen(k->text)};
    if (!drift_avro_run(k->plan, rec->payload + FRAME_BYTES, rec->len - FRAME_BYTES))
        return refuse(DRIFT_REASON_MALFORMED, ret_reason, err, "value is not what its schema says");
    return 0;
}

static int decode_json(struct drift_decoder *d, const struct drift_record *rec, enum drift_reason *ret_reason,
                       struct drift_err *err)
{
    const char *why;
    if (drift_json_scan_try(d->scan, rec->payload, rec->len, &d->paths.row))
        return 0;
    drift_paths_reset(&d->paths);
    int rc = drift_json_walk(d->json, rec->payload, rec->len, &d->paths, &why);
    if (rc == DRIFT_E_MEMORY)
        return drift_fail(err, DRIFT_E_MEMORY, DRIFT_STOP, "no memory for a record of %zu bytes", rec->len);
    if (rc) {
        *ret_reason = DRIFT_REASON_MALFORMED;
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_SKIP, "value is not a JSON object: %s", why);
    }
    drift_json_scan_learn(d->scan, rec->payload, rec->len, &d->paths);
    return 0;
}

static int decode_body(struct drift_decoder *d, const struct drift_record *rec, enum drift_reason *ret_reason,
                       struct drift_err *err)
{
    if (d->stream.format == DRIFT_FORMAT_JSON)
        return decode_json(d, rec, ret_reason, err);
    if (!d->file_plan)
        return decode_framed(d, rec, ret_reason, err);
    if (!drift_avro_run(d->file_plan, rec->payload, rec->len))
        return refuse(DRIFT_REASON_MALFORMED, ret_reason, err, "value is not what the schema file says");
    return 0;
}

/* Roles */

static bool time_of_whole(int64_t v, enum drift_time_unit unit, int64_t *ret_ms)
{
    if (v < 0)
        return false;
    switch (unit) {
    case DRIFT_TIME_S:
        if (v >= YEAR_10000_MS / 1000)
            return false;
        *ret_ms = v * 1000;
        return true;
    case DRIFT_TIME_MS:
        *ret_ms = v;
        return true;
    case DRIFT_TIME_US:
        *ret_ms = v / 1000;
        return true;
    case DRIFT_TIME_NS:
        *ret_ms = v / 1000000;
        return true;
    default:
        return false;
    }
}

static bool time_of_float(double v, enum drift_time_unit unit, int64_t *ret_ms)
{
    double ms = unit == DRIFT_TIME_S    ? v * 1e3
                : unit == DRIFT_TIME_MS ? v
                : unit == DRIFT_TIME_US ? v / 1e3
                : unit == DRIFT_TIME_NS ? v / 1e6
                                        : -1;
    if (!(v >= 0) || !(ms >= 0) || ms >= (double)YEAR_10000_MS)
        return false;
    *ret_ms = llround(ms);
    return true;
}

/* Numbers count in the stream's unit, whatever the writer's schema says; only where the stream expects a date as
 * text and the schema makes it a timestamp, the schema's unit is taken.  Text is a date, or such a number. */
static bool time_of_value(const struct drift_decoder *d, int64_t *ret_ms)
{
    const struct drift_row *row = &d->paths.row;
    const uint32_t t = DRIFT_PLACE_TIME;
    enum drift_time_unit unit = d->stream.time_unit;
    int64_t whole;
    double v;
    if (unit == DRIFT_TIME_RFC3339 && row->has_logical_unit)
        unit = row->logical_unit;
    if (row->kind[t] == DRIFT_V_NUM)
        return row->is_whole[t] ? time_of_whole(row->whole[t], unit, ret_ms) : time_of_float(row->num[t], unit, ret_ms);
    if (row->kind[t] != DRIFT_V_STR)
        return false;
    if (drift_i64_parse(row->str[t].p, row->str[t].n, &whole))
        return time_of_whole(whole, unit, ret_ms);
    if (drift_f64_parse(row->str[t].p, row->str[t].n, &v))
        return time_of_float(v, unit, ret_ms);
    return drift_time_parse(row->str[t].p, row->str[t].n, ret_ms);
}

static int set_time(struct drift_decoder *d, const struct drift_record *rec, enum drift_reason *ret_reason,
                    struct drift_err *err)
{
    int64_t ms = rec->timestamp_ms;
    if (!d->stream.time || d->stream.time_unit == DRIFT_TIME_RECORD) {
        if (ms < 0)
            return refuse(DRIFT_REASON_NO_TIME, ret_reason, err, "record has no timestamp");
    } else {
        uint8_t kind = d->paths.row.kind[DRIFT_PLACE_TIME];
        if (kind == DRIFT_V_ABSENT || kind == DRIFT_V_NULL)
            return refuse(DRIFT_REASON_NO_TIME, ret_reason, err, "role time is missing");
        if (!time_of_value(d, &ms))
            return refuse(DRIFT_REASON_BAD_TIME, ret_reason, err, "role time is no time of the configured unit");
    }
    if (ms < 0 || ms >= YEAR_10000_MS)
        return refuse(DRIFT_REASON_BAD_TIME, ret_reason, err, "role time is before 1970 or after 9999");
    d->event.time_ms = ms;
    return 0;
}

/* A role that is a name: text as it is, numbers and booleans as text, else none. */
static struct drift_str text_of(struct drift_decoder *d, uint32_t role)
{
    const struct drift_row *row = &d->paths.row;
    char *buf = d->number[role];
    switch (row->kind[role]) {
    case DRIFT_V_STR:
        return row->str[role];
    case DRIFT_V_BOOL:
        return row->num[role] != 0 ? (struct drift_str){"true", 4} : (struct drift_str){"false", 5};
    case DRIFT_V_NUM:
        if (row->is_whole[role])
            return (struct drift_str){buf, (size_t)snprintf(buf, NUMBER_TEXT, "%" PRId64, row->whole[role])};
        if (role == DRIFT_PLACE_ID && d->stream.format == DRIFT_FORMAT_JSON)
            return row->str[role]; /* two ids of 20 digits must not become one double */
        return (struct drift_str){buf, drift_f64_text(row->num[role], buf, NUMBER_TEXT)};
    default:
        return (struct drift_str){"", 0};
    }
}

static struct drift_value value_of(const struct drift_row *row, uint32_t role)
{
    struct drift_value v = {.kind = (enum drift_value_kind)row->kind[role], .num = row->num[role]};
    v.str = v.kind == DRIFT_V_STR ? row->str[role] : (struct drift_str){"", 0};
    return v;
}

static int set_roles(struct drift_decoder *d, enum drift_reason *ret_reason, struct drift_err *err)
{
    const struct drift_row *row = &d->paths.row;
    struct drift_event *e = &d->event;
    e->id = text_of(d, DRIFT_PLACE_ID);
    e->model = (struct drift_str){"", 0};
    if (!d->stream.model_value) {
        e->model = text_of(d, DRIFT_PLACE_MODEL);
        if (!e->model.n)
            return refuse(DRIFT_REASON_NO_MODEL, ret_reason, err, "role model is missing");
    }
    for (uint32_t i = 0; i < DRIFT_N_VERSION; i++)
        e->version[i] = text_of(d, DRIFT_PLACE_VERSION + i);
    e->score = value_of(row, DRIFT_PLACE_SCORE);
    e->decision = value_of(row, DRIFT_PLACE_DECISION);
    e->label = value_of(row, DRIFT_PLACE_LABEL);
    e->source = value_of(row, DRIFT_PLACE_SOURCE);
    e->latency = value_of(row, DRIFT_PLACE_LATENCY);
    return 0;
}

static int check_size(const struct drift_decoder *d, const struct drift_record *rec, enum drift_reason *ret_reason,
                      struct drift_err *err)
{
    if (!rec->payload)
        return refuse(DRIFT_REASON_TOMBSTONE, ret_reason, err, "tombstone: the record has no value");
    if (!rec->len)
        return refuse(DRIFT_REASON_EMPTY, ret_reason, err, "value is empty");
    if (rec->len > d->stream.max_record_bytes) {
        *ret_reason = DRIFT_REASON_TOO_LARGE;
        return drift_fail(err, DRIFT_E_RANGE, DRIFT_SKIP, "value has %zu bytes, max_record_bytes is %" PRIu64, rec->len,
                          d->stream.max_record_bytes);
    }
    return 0;
}

int drift_decoder_decode(struct drift_decoder *d, const struct drift_record *rec, const struct drift_event **ret_event,
                         enum drift_reason *ret_reason, struct drift_err *err)
{
    int rc = check_size(d, rec, ret_reason, err);
    if (rc)
        return rc;
    drift_paths_reset(&d->paths);
    if ((rc = decode_body(d, rec, ret_reason, err)))
        return rc;
    drift_paths_settle(&d->paths);
    if ((rc = set_time(d, rec, ret_reason, err)) || (rc = set_roles(d, ret_reason, err)))
        return rc;
    d->event.place = (uint64_t)rec->offset;
    *ret_event = &d->event;
    *ret_reason = DRIFT_REASON_NONE;
    return 0;
}

int drift_decoder_leaves(struct drift_decoder *d, const struct drift_record *rec, drift_leaf_fn *leaf, void *ctx,
                         struct drift_err *err)
{
    enum drift_reason reason;
    const struct drift_avro_plan *plan = d->file_plan;
    struct drift_record body = *rec;
    int rc = check_size(d, rec, &reason, err);
    if (rc)
        return rc;
    if (d->stream.format == DRIFT_FORMAT_JSON)
        return drift_json_leaves(rec->payload, rec->len, leaf, ctx, err);
    if (!plan) {
        struct known_schema *k;
        if (rec->len < FRAME_BYTES || rec->payload[0] != 0)
            return refuse(DRIFT_REASON_BAD_FRAME, &reason, err, "value does not begin with 0 and a schema id");
        uint32_t id = (uint32_t)rec->payload[1] << 24 | (uint32_t)rec->payload[2] << 16 |
                      (uint32_t)rec->payload[3] << 8 | rec->payload[4];
        if ((rc = find_schema(d, id, &k, &reason, err)))
            return rc;
        if (!k->plan)
            return drift_fail(err, DRIFT_E_TYPE, DRIFT_SKIP, "schema %" PRIu32 ": %s", id, k->why);
        plan = k->plan;
        body.payload += FRAME_BYTES;
        body.len -= FRAME_BYTES;
    }
    if (!drift_avro_leaves(plan->schema, body.payload, body.len, leaf, ctx))
        return refuse(DRIFT_REASON_MALFORMED, &reason, err, "value is not what its schema says");
    return 0;
}

int drift_decoder_new(const struct drift_stream *stream, struct drift_registry *registry, struct drift_decoder **ret,
                      struct drift_err *err)
{
    struct drift_decoder *d = drift_xcalloc(1, sizeof *d);
    d->stream = *stream;
    d->registry = registry;
    if (!d->stream.max_record_bytes)
        d->stream.max_record_bytes = 1 << 20;
    int rc = drift_paths_init(&d->paths, stream, err);
    if (rc)
        goto fail;
    if (stream->format == DRIFT_FORMAT_JSON) {
        if (!(d->json = drift_json_new()) || !(d->scan = drift_json_scan_new()))
            rc = drift_fail(err, DRIFT_E_MEMORY, DRIFT_STOP, "no memory for a JSON parser");
    } else if (stream->schema_file) {
        rc = load_schema_file(d, stream->schema_file, err);
    } else if (!registry) {
        rc = drift_fail(err, DRIFT_E_CONFIG, DRIFT_STOP,
                        "Avro needs a schema: give the stream a schema_file, or configure the registry");
    }
    if (rc)
        goto fail;
    d->event.fields = &d->paths.fields;
    d->event.num = d->paths.row.num + DRIFT_N_PLACE;
    d->event.kind = d->paths.row.kind + DRIFT_N_PLACE;
    d->event.str = d->paths.row.str + DRIFT_N_PLACE;
    *ret = d;
    return 0;
fail:
    if (stream->name)
        drift_err_prefix(err, "stream '%s'", stream->name);
    drift_decoder_free(d);
    return rc;
}

void drift_decoder_free(struct drift_decoder *d)
{
    if (!d)
        return;
    for (uint32_t i = 0; i < d->cap_known; i++) {
        if (d->known[i].plan)
            drift_series_add(drift_series(DRIFT_M_SCHEMAS, (char *)NULL), -1);
        drift_avro_plan_free(d->known[i].plan);
        free(d->known[i].why);
    }
    if (d->file_plan)
        drift_series_add(drift_series(DRIFT_M_SCHEMAS, (char *)NULL), -1);
    drift_avro_plan_free(d->file_plan);
    free(d->known);
    drift_json_free(d->json);
    drift_json_scan_free(d->scan);
    drift_paths_release(&d->paths);
    free(d);
}

const struct drift_fields *drift_decoder_fields(const struct drift_decoder *d)
{
    return &d->paths.fields;
}

uint64_t drift_decoder_fields_refused(const struct drift_decoder *d)
{
    return d->paths.refused;
}
