/* source.h - the events of one model from topics or files, the same ones as often as asked.
 *
 * For commands that need several passes.  Records are decoded by the roles of the model's streams (files as JSON,
 * whatever the topics carry), those of other models and times are left out and counted.  Threads: one owner. */
#ifndef DRIFTD_CLI_SOURCE_H
#define DRIFTD_CLI_SOURCE_H

#include <stdio.h>

#include "driftd/internal/config/config.h"

struct drift_source;
struct drift_source_settings {
    const struct drift_config *config;
    const struct drift_model *model;
    const char *stream;       /* name; NULL: all of the model's */
    int64_t from_ms, to_ms;   /* event times [from, to); INT64_MIN and INT64_MAX: no bound */
    const char *const *files; /* NDJSON, also gzipped; none: the streams' topics */
    size_t n_files;
};
int drift_source_open(const struct drift_source_settings *s, struct drift_source **ret,
                      struct drift_err *err) DRIFT_MUST_CHECK;
void drift_source_close(struct drift_source *s);

typedef void drift_source_fn(void *ctx, const struct drift_event *ev, const struct drift_stream *st);
/* One pass; `what` names it in the progress line. */
int drift_source_pass(struct drift_source *s, const char *what, drift_source_fn *event, void *ctx,
                      struct drift_err *err) DRIFT_MUST_CHECK;

/* What the last pass saw, in plain words; one line. */
void drift_source_report(const struct drift_source *s, FILE *out);
uint64_t drift_source_events(const struct drift_source *s);
/* JSON object for a baseline's META; heap. */
char *drift_source_json(const struct drift_source *s);

/* Reads a text file line by line, gzipped or not; long lines whole, up to max bytes.  line is valid until the next
 * call, without its end of line.  Shared with `compare`. */
struct drift_lines;
int drift_lines_open(const char *file, size_t max, struct drift_lines **ret, struct drift_err *err) DRIFT_MUST_CHECK;
/* The same; messages name it `file`. */
int drift_lines_open_as(const char *path, const char *file, size_t max, struct drift_lines **ret,
                        struct drift_err *err) DRIFT_MUST_CHECK;
void drift_lines_close(struct drift_lines *l);
/* 1: a line, 0: the end, negative: an error is in err. */
int drift_lines_next(struct drift_lines *l, const char **ret_line, size_t *ret_len, struct drift_err *err);
bool drift_lines_crlf(const struct drift_lines *l);       /* the last line ended in CR LF */
uint64_t drift_lines_number(const struct drift_lines *l); /* of the last line, from 1 */
/* 0 .. 1: how much of the file has been read. */
double drift_lines_share(const struct drift_lines *l);

/* A name out of records, for a terminal: control characters become `?`, what does not fit is cut.  Returns buf. */
const char *drift_printable(const char *s, char *buf, size_t cap);

#endif
