/* src/cli/training.c    Training data for `driftd baseline build --training`. */
#include "driftd/internal/cli/training.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "driftd/internal/cli/table.h"

struct pass {
    struct drift_builder *builder;
    struct drift_stream stream; /* of a CSV: the whole row is features */
    uint64_t rows;
};

static void event(void *ctx, const struct drift_event *ev, const struct drift_stream *st)
{
    struct pass *p = ctx;
    drift_builder_train(p->builder, ev, st);
}

static void row(void *ctx, const struct drift_event *ev)
{
    struct pass *p = ctx;
    drift_builder_train(p->builder, ev, &p->stream);
}

static bool is_csv(const char *file)
{
    size_t n = strlen(file);
    return (n > 4 && !strcasecmp(file + n - 4, ".csv")) || (n > 7 && !strcasecmp(file + n - 7, ".csv.gz"));
}

static int ndjson(struct pass *p, struct drift_source_settings s, struct drift_err *err)
{
    struct drift_source *src = NULL;
    s.from_ms = INT64_MIN;
    s.to_ms = INT64_MAX;
    int rc = drift_source_open(&s, &src, err);
    if (!rc)
        rc = drift_source_pass(src, "training data", event, p, err);
    if (!rc) {
        drift_source_report(src, stderr);
        p->rows += drift_source_events(src);
    }
    drift_source_close(src);
    return rc;
}

/* Score and label as the first stream that has them names them. */
static void roles_of(const struct drift_source_settings *s, struct drift_stream *ret)
{
    static char name[] = "training", record[] = "";
    *ret = (struct drift_stream){.name = name, .features = record};
    for (size_t i = 0; i < s->model->n_streams; i++) {
        const struct drift_stream *st = &s->config->streams[s->model->streams[i]];
        ret->score = ret->score ? ret->score : st->score;
        ret->label = ret->label ? ret->label : st->label;
    }
}

static int csv(struct pass *p, const struct drift_source_settings *s, const char *file, struct drift_err *err)
{
    const struct drift_layout *l = drift_builder_layout(p->builder, DRIFT_CHAIN_INPUT);
    struct drift_table_settings set = {.model = s->model,
                                       .layout = l,
                                       .label_layout = drift_builder_layout(p->builder, DRIFT_CHAIN_LABEL),
                                       .score = p->stream.score,
                                       .label = p->stream.label};
    struct drift_table *t = drift_table_new(&set);
    uint64_t rows = 0;
    int rc = drift_table_read(t, file, "training data", row, p, &rows, err);
    char name[80];
    uint32_t known = 0, columns = 0;
    for (uint32_t i = 0; i < l->n_columns; i++)
        if (l->columns[i].role == DRIFT_FEATURE) {
            columns++;
            known += drift_table_has(t, l->columns[i].name);
        }
    drift_table_free(t);
    if (rc)
        return rc;
    if (columns && !known)
        return drift_fail(err, DRIFT_E_MISMATCH, DRIFT_STOP,
                          "%s has none of the baseline's %" PRIu32
                          " features as a column: its header must name them as `driftd baseline show` does, like `%s`",
                          file, columns, drift_printable(l->columns[0].name, name, sizeof name));
    fprintf(stderr, "%s: %" PRIu64 " rows, %" PRIu32 " of the baseline's %" PRIu32 " features\n", file, rows, known,
            columns);
    p->rows += rows;
    return 0;
}

int drift_training_pass(const struct drift_source_settings *s, const char *const *files, size_t n_files,
                        struct drift_builder *b, struct drift_err *err)
{
    struct pass p = {.builder = b};
    int rc = 0;
    roles_of(s, &p.stream);
    for (size_t i = 0; i < n_files && !rc; i++) {
        struct drift_source_settings one = *s;
        one.files = &files[i];
        one.n_files = 1;
        rc = is_csv(files[i]) ? csv(&p, s, files[i], err) : ndjson(&p, one, err);
        drift_builder_unbind(b); /* the next file has its own list of columns, and perhaps streams at old addresses */
    }
    if (!rc && !p.rows)
        rc = drift_fail(err, DRIFT_E_EMPTY, DRIFT_STOP,
                        "no event of the model in the training data: its records must be as those of the stream");
    return rc;
}
