/* src/cli/source.c    Events of one model from topics or files, for the passes of `baseline build`. */
#include "driftd/internal/cli/source.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/cli.h"
#include "driftd/internal/config/topics.h"
#include "driftd/internal/decode/decoder.h"
#include "driftd/internal/decode/registry.h"
#include "driftd/internal/ingest/range.h"

enum { TIMEOUT_MS = 30000, SCHEMA_POLL_MS = 10, LINE_MAX_BYTES = 64 << 20 };

struct tap {                     /* one stream of the model */
    struct drift_stream *stream; /* a copy: files are JSON whatever the topics carry */
    size_t index;                /* in the configuration */
    struct drift_decoder *decoder;
};

struct drift_source {
    struct drift_source_settings set;
    struct drift_registry *registry;
    char *registry_password;
    size_t n_taps;
    struct tap *taps;
    struct drift_range range;
    struct drift_topics *topics;
    /* of the pass */
    const char *what;
    drift_source_fn *event;
    void *ctx;
    uint64_t n_records, n_events, n_other_model, n_other_time, n_nothing, n_refused[DRIFT_N_REASON];
};

/* ---- opening ---- */

static int registry_open(struct drift_source *s, struct drift_err *err)
{
    const struct drift_config *c = s->set.config;
    bool password = c->registry_password.file || c->registry_password.env;
    if (s->registry || !c->registry_url)
        return 0;
    if (password) {
        int rc = drift_secret_load(&c->registry_password, &s->registry_password, err);
        if (rc)
            return rc;
    }
    struct drift_registry_settings r = {.url = c->registry_url,
                                        .username = c->registry_username,
                                        .password = s->registry_password,
                                        .timeout_ms = 5000,
                                        .max_schemas = 1000};
    return drift_registry_new(&r, &s->registry, err);
}

static int tap_add(struct drift_source *s, const struct drift_stream *st, struct drift_err *err)
{
    int rc = 0;
    struct tap t = {.stream = drift_xcalloc(1, sizeof *t.stream)};
    *t.stream = *st;
    t.index = (size_t)(st - s->set.config->streams);
    if (s->set.n_files) {
        t.stream->format = DRIFT_FORMAT_JSON;
        t.stream->schema_file = NULL;
    }
    if (t.stream->format == DRIFT_FORMAT_AVRO && !st->schema_file)
        rc = registry_open(s, err);
    if (!rc)
        rc = drift_decoder_new(t.stream, s->registry, &t.decoder, err);
    if (rc) {
        free(t.stream);
        drift_err_prefix(err, "stream %s", st->name);
        return rc;
    }
    s->taps = drift_xrealloc(s->taps, s->n_taps + 1, sizeof *s->taps);
    s->taps[s->n_taps++] = t;
    return 0;
}

static int taps_open(struct drift_source *s, struct drift_err *err)
{
    const struct drift_config *c = s->set.config;
    const struct drift_model *m = s->set.model;
    int rc = 0;
    for (size_t i = 0; i < m->n_streams && !rc; i++) {
        const struct drift_stream *st = &c->streams[m->streams[i]];
        if (s->set.stream && strcmp(st->name, s->set.stream))
            continue;
        if (st->model_value && strcmp(st->model_value, m->name))
            continue;
        rc = tap_add(s, st, err);
    }
    if (!rc && !s->n_taps)
        rc = drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP, "model %s reads no stream%s%s", m->name,
                        s->set.stream ? " " : "", s->set.stream ? s->set.stream : "");
    return rc;
}

static bool listed(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

static int topics_open(struct drift_source *s, struct drift_err *err)
{
    const char **topics = NULL;
    size_t n = 0;
    for (size_t i = 0; i < s->n_taps; i++)
        for (size_t t = 0; t < s->taps[i].stream->n_topics; t++) {
            const char *topic = s->taps[i].stream->topics[t];
            if (listed(topics, n, topic))
                continue;
            topics = drift_xrealloc(topics, n + 1, sizeof *topics);
            topics[n++] = topic;
        }
    /* An event is written after it happened, so records older than `from` hold nothing of the range. */
    int64_t slack = s->set.config->state.clock_skew_ms + s->set.config->state.future_skew_ms;
    int64_t from = s->set.from_ms == INT64_MIN ? INT64_MIN : s->set.from_ms - slack;
    int rc = drift_range_resolve(&s->set.config->kafka, topics, n, from, TIMEOUT_MS, &s->range, err);
    free(topics);
    return rc;
}

int drift_source_open(const struct drift_source_settings *set, struct drift_source **ret, struct drift_err *err)
{
    struct drift_source *s = drift_xcalloc(1, sizeof *s);
    s->set = *set;
    s->topics = drift_topics_new(set->config);
    int rc = taps_open(s, err);
    if (!rc && !set->n_files)
        rc = topics_open(s, err);
    if (rc) {
        drift_source_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void drift_source_close(struct drift_source *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_taps; i++) {
        drift_decoder_free(s->taps[i].decoder);
        free(s->taps[i].stream);
    }
    free(s->taps);
    if (s->registry)
        drift_registry_free(s->registry);
    drift_secret_free(s->registry_password);
    drift_range_release(&s->range);
    drift_topics_free(s->topics);
    free(s);
}

/* ---- reading ---- */

static bool has_value(const struct drift_event *ev)
{
    if (ev->score.kind || ev->decision.kind || ev->label.kind || ev->source.kind || ev->latency.kind)
        return true;
    for (uint32_t i = 0; ev->fields && i < ev->fields->n; i++)
        if (ev->kind[i] != DRIFT_V_ABSENT)
            return true;
    return false;
}

static bool is_model(const struct drift_source *s, const struct tap *t, const struct drift_event *ev)
{
    return t->stream->model_value || drift_str_eq(ev->model, s->set.model->name);
}

/* Decodes; waits for a schema as long as a reader may. */
static int decode(struct tap *t, const struct drift_record *rec, const struct drift_event **ev,
                  enum drift_reason *reason, struct drift_err *err)
{
    int64_t begin = drift_mono_ms(&drift_clock_system);
    for (;;) {
        int rc = drift_decoder_decode(t->decoder, rec, ev, reason, err);
        if (!rc || err->action != DRIFT_RETRY || drift_mono_ms(&drift_clock_system) - begin > TIMEOUT_MS)
            return rc;
        nanosleep(&(struct timespec){.tv_nsec = SCHEMA_POLL_MS * 1000000}, NULL);
    }
}

/* What a record is for one stream; true: it is settled (for files, which do not say of which stream a line is). */
static int offer(struct drift_source *s, struct tap *t, const struct drift_record *rec, bool need_value,
                 bool *ret_taken, enum drift_reason *ret_reason, struct drift_err *err)
{
    const struct drift_event *ev;
    *ret_taken = true;
    int rc = decode(t, rec, &ev, ret_reason, err);
    if (rc) {
        *ret_taken = false;
        return err->action == DRIFT_SKIP ? 0 : rc;
    }
    *ret_reason = DRIFT_REASON_NONE;
    if (need_value && !has_value(ev))
        *ret_taken = false;
    else if (!is_model(s, t, ev))
        s->n_other_model++;
    else if (ev->time_ms < s->set.from_ms || ev->time_ms >= s->set.to_ms)
        s->n_other_time++;
    else {
        s->n_events++;
        s->event(s->ctx, ev, t->stream);
    }
    return 0;
}

static int on_record(void *ctx, const struct drift_record *rec, const char *topic, int32_t partition,
                     struct drift_err *err)
{
    struct drift_source *s = ctx;
    bool taken;
    enum drift_reason reason;
    s->n_records++;
    for (size_t i = 0; i < s->n_taps; i++) {
        struct tap *t = &s->taps[i];
        if (drift_topics_stream(s->topics, topic) != (int)t->index)
            continue;
        int rc = offer(s, t, rec, false, &taken, &reason, err);
        if (rc) {
            drift_err_prefix(err, "topic %s, partition %" PRId32 ", offset %" PRId64, topic, partition, rec->offset);
            return rc;
        }
        if (!taken)
            s->n_refused[reason]++;
    }
    return 0;
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
    const struct drift_source *s = ctx;
    drift_cli_progress("%s: %" PRIu64 " of %" PRIu64 " records, %" PRIu64 " events of the model", s->what, done, total,
                       s->n_events);
}

/* A line belongs to the first stream for which it carries a value. */
static int on_line(struct drift_source *s, const char *line, size_t len, struct drift_err *err)
{
    struct drift_record rec = {.payload = (const uint8_t *)line, .len = len, .timestamp_ms = -1};
    enum drift_reason reason = DRIFT_REASON_NONE, first = DRIFT_REASON_NONE;
    bool taken = false;
    rec.offset = (int64_t)s->n_records++;
    for (size_t i = 0; i < s->n_taps && !taken; i++) {
        int rc = offer(s, &s->taps[i], &rec, true, &taken, &reason, err);
        if (rc)
            return rc;
        if (!first)
            first = reason;
    }
    if (!taken && first)
        s->n_refused[first]++;
    else if (!taken)
        s->n_nothing++;
    return 0;
}

static int read_file(struct drift_source *s, const char *file, struct drift_err *err)
{
    struct drift_lines *lines;
    const char *line;
    size_t len;
    int more, rc = drift_lines_open(file, LINE_MAX_BYTES, &lines, err);
    if (rc)
        return rc;
    while (!rc && (more = drift_lines_next(lines, &line, &len, err)) != 0) {
        if (more < 0)
            rc = -more;
        else if (len)
            rc = on_line(s, line, len, err);
        if (!rc && s->n_records % 4096 == 0)
            drift_cli_progress("%s: %s, %.0f %%, %" PRIu64 " events of the model", s->what, file,
                               100 * drift_lines_share(lines), s->n_events);
    }
    drift_lines_close(lines);
    return rc;
}

int drift_source_pass(struct drift_source *s, const char *what, drift_source_fn *event, void *ctx,
                      struct drift_err *err)
{
    int rc = 0;
    s->what = what;
    s->event = event;
    s->ctx = ctx;
    s->n_records = s->n_events = s->n_other_model = s->n_other_time = s->n_nothing = 0;
    memset(s->n_refused, 0, sizeof s->n_refused);
    if (!s->set.n_files)
        rc = drift_range_read(&s->set.config->kafka, &s->range, TIMEOUT_MS, on_record, on_progress, s, err);
    for (size_t i = 0; i < s->set.n_files && !rc; i++)
        rc = read_file(s, s->set.files[i], err);
    drift_cli_progress_done();
    return rc;
}

/* ---- telling ---- */

uint64_t drift_source_events(const struct drift_source *s)
{
    return s->n_events;
}

void drift_source_report(const struct drift_source *s, FILE *out)
{
    fprintf(out, "%" PRIu64 " records read, %" PRIu64 " events of model %s", s->n_records, s->n_events,
            s->set.model->name);
    if (s->n_other_model)
        fprintf(out, ", %" PRIu64 " of other models", s->n_other_model);
    if (s->n_other_time)
        fprintf(out, ", %" PRIu64 " of other times", s->n_other_time);
    if (s->n_nothing)
        fprintf(out, ", %" PRIu64 " without any role", s->n_nothing);
    for (int r = 1; r < DRIFT_N_REASON; r++)
        if (s->n_refused[r])
            fprintf(out, ", %" PRIu64 " refused as %s", s->n_refused[r], drift_reason_name((enum drift_reason)r));
    fputc('\n', out);
}

static void put_time(json_t *o, const char *key, int64_t ms)
{
    char text[32];
    if (ms != INT64_MIN && ms != INT64_MAX)
        json_object_set_new(o, key, json_string(drift_time_text(ms, text, sizeof text)));
}

char *drift_source_json(const struct drift_source *s)
{
    json_t *o;
    if (s->set.n_files) {
        json_t *files = json_array();
        for (size_t i = 0; i < s->set.n_files; i++) {
            const char *slash = strrchr(s->set.files[i], '/');
            json_array_append_new(files, json_string(slash ? slash + 1 : s->set.files[i]));
        }
        o = json_pack("{s:o}", "files", files);
    } else {
        char *topics = drift_range_json(&s->range);
        o = json_loads(topics, 0, NULL);
        free(topics);
    }
    put_time(o, "from", s->set.from_ms);
    put_time(o, "to", s->set.to_ms);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}
