/* src/cli/baseline_build.c    `driftd baseline build` and `put`: make a baseline, keep it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/clock.h"
#include "driftd/internal/baseline/builder.h"
#include "driftd/internal/cli.h"
#include "driftd/internal/cli/baseline.h"
#include "driftd/internal/cli/source.h"
#include "driftd/internal/cli/training.h"

enum { FILES_MAX = 256, MAX_WINDOWS = 5000 };

static const char build_help[] =
    "usage: driftd baseline build -c FILE [--model M] [--from T] [--to T | --last 14d]\n"
    "                             [--file EVENTS]... [--training FILE]... [--stream S]\n"
    "                             [--edges FILE] [--id ID] [--output FILE]\n"
    "                             [--promote [--anyway]]\n\n"
    "Reads the model's events twice: once to choose cells, once to count.  Memory is bounded whatever the range.\n\n"
    "  -c, --config FILE   configuration\n"
    "      --model M       model; not needed when the configuration has one\n"
    "      --from T        event times from T on: 2026-01-31 or 2026-01-31T14:05:00Z\n"
    "      --to T          event times before T\n"
    "      --last D        instead: the last D until now, such as 14d\n"
    "      --file EVENTS   NDJSON, may be gzipped, instead of the topics (also when those carry Avro);\n"
    "                      may be given several times\n"
    "      --training FILE what the model was trained on: NDJSON, records as those of the stream, or CSV with a\n"
    "                      column a feature (.csv, .csv.gz); counted apart on the same cells, so that verdicts\n"
    "                      show skew, too; may be given several times\n"
    "      --stream S      only this stream of the model\n"
    "      --edges FILE    JSON with baseline.edges or edges: {column: [..]}; they become the PSI bins\n"
    "      --id ID         name of the baseline; made from model and content when not given\n"
    "      --output FILE   write it to FILE and leave Redis alone (`driftd baseline put` stores it later)\n"
    "      --promote       promote it at once\n"
    "      --anyway        and also when it drifts itself, which no model with `evidence` should be compared with\n\n"
    "examples:\n"
    "  driftd baseline build -c driftd.yaml --last 14d --promote\n"
    "  driftd baseline build -c driftd.yaml --model phish --from 2026-01-01 --to 2026-01-15 --id phish-2026-01\n"
    "  driftd baseline build -c driftd.yaml --file events.ndjson.gz --file labels.ndjson.gz --output phish.baseline\n";

struct request {
    const char *config, *model, *stream, *edges, *id, *output;
    const char *files[FILES_MAX], *training[FILES_MAX];
    size_t n_files, n_training;
    int64_t from_ms, to_ms;
    bool promote, anyway;
};

static int bad_option(const char *option, const char *value, const char *want)
{
    return drift_cli_fail(DRIFT_EXIT_USAGE, "baseline build", "--%s %s: not %s", option, value, want);
}

/* 0, or an exit status + 1 (so that 0 can be an exit status, too). */
static int parse(int argc, char **argv, struct request *r)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"model", required_argument, NULL, 'm'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"to", required_argument, NULL, 't'},
                                            {"last", required_argument, NULL, 'l'},
                                            {"file", required_argument, NULL, 'i'},
                                            {"training", required_argument, NULL, 'r'},
                                            {"stream", required_argument, NULL, 's'},
                                            {"edges", required_argument, NULL, 'e'},
                                            {"id", required_argument, NULL, 'd'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"promote", no_argument, NULL, 'p'},
                                            {"anyway", no_argument, NULL, 'a'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int64_t last_ms = 0;
    int opt;
    *r = (struct request){.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (opt) {
        case 'c':
            r->config = optarg;
            break;
        case 'm':
            r->model = optarg;
            break;
        case 'f':
            if (!drift_time_parse(optarg, strlen(optarg), &r->from_ms))
                return 1 + bad_option("from", optarg, "a date or time such as 2026-01-31T14:05:00Z");
            break;
        case 't':
            if (!drift_time_parse(optarg, strlen(optarg), &r->to_ms))
                return 1 + bad_option("to", optarg, "a date or time such as 2026-01-31T14:05:00Z");
            break;
        case 'l':
            if (!drift_duration_parse(optarg, strlen(optarg), &last_ms) || last_ms <= 0)
                return 1 + bad_option("last", optarg, "a duration such as 14d");
            break;
        case 'i':
            if (r->n_files == FILES_MAX)
                return 1 + drift_cli_fail(DRIFT_EXIT_USAGE, "baseline build", "more than %d files", FILES_MAX);
            r->files[r->n_files++] = optarg;
            break;
        case 'r':
            if (r->n_training == FILES_MAX)
                return 1 + drift_cli_fail(DRIFT_EXIT_USAGE, "baseline build", "more than %d files", FILES_MAX);
            r->training[r->n_training++] = optarg;
            break;
        case 's':
            r->stream = optarg;
            break;
        case 'e':
            r->edges = optarg;
            break;
        case 'd':
            r->id = optarg;
            break;
        case 'o':
            r->output = optarg;
            break;
        case 'p':
            r->promote = true;
            break;
        case 'a':
            r->anyway = true;
            break;
        case 'h':
            fputs(build_help, stdout);
            return 1 + DRIFT_EXIT_OK;
        default:
            return 1 + DRIFT_EXIT_USAGE;
        }
    }
    if (optind < argc)
        return 1 + drift_cli_fail(DRIFT_EXIT_USAGE, "baseline build", "%s: not an option", argv[optind]);
    if (last_ms && (r->from_ms != INT64_MIN || r->to_ms != INT64_MAX))
        return 1 + drift_cli_fail(DRIFT_EXIT_USAGE, "baseline build",
                                  "--last stands beside --from or --to: give one of them");
    if (last_ms)
        r->from_ms = drift_wall_ms(&drift_clock_system) - last_ms;
    if (r->from_ms >= r->to_ms)
        return 1 + drift_cli_fail(DRIFT_EXIT_USAGE, "baseline build", "--from is not before --to");
    if (r->output && r->promote)
        return 1 + drift_cli_fail(DRIFT_EXIT_USAGE, "baseline build",
                                  "--output leaves Redis alone, so nothing can be promoted");
    if (r->id && !drift_baseline_id_valid(r->id))
        return 1 + bad_option("id", r->id, "1 to 128 of letters, digits, dot, underscore, hyphen");
    return 0;
}

static void survey(void *ctx, const struct drift_event *ev, const struct drift_stream *st)
{
    drift_builder_survey(ctx, ev, st);
}

static void count(void *ctx, const struct drift_event *ev, const struct drift_stream *st)
{
    drift_builder_count(ctx, ev, st);
}

static int two_passes(struct drift_source *src, struct drift_builder *b, struct drift_err *err)
{
    int rc = drift_source_pass(src, "pass 1 of 2, choosing cells", survey, b, err);
    if (rc)
        return rc;
    drift_source_report(src, stderr);
    uint64_t n = drift_source_events(src);
    rc = drift_builder_freeze(b, err);
    if (!rc)
        rc = drift_source_pass(src, "pass 2 of 2, counting", count, b, err);
    if (!rc && drift_source_events(src) != n)
        rc = drift_fail(err, DRIFT_E_MISMATCH, DRIFT_STOP,
                        "pass 1 saw %" PRIu64 " events, pass 2 %" PRIu64 ": the data changed meanwhile, try again", n,
                        drift_source_events(src));
    return rc;
}

static int build(const struct request *r, const struct drift_config *c, const struct drift_model *m,
                 struct drift_baseline **ret, struct drift_err *err)
{
    struct drift_source_settings set = {.config = c,
                                        .model = m,
                                        .stream = r->stream,
                                        .from_ms = r->from_ms,
                                        .to_ms = r->to_ms,
                                        .files = r->files,
                                        .n_files = r->n_files};
    struct drift_builder_settings how = {
        .window_ms = m->window_ms, .label_window_ms = m->label_window_ms, .max_windows = MAX_WINDOWS};
    struct drift_source *src = NULL;
    struct drift_builder *b = drift_builder_new(m, &how);
    int rc = r->edges ? drift_builder_edges_file(b, r->edges, err) : 0;
    if (!rc)
        rc = drift_source_open(&set, &src, err);
    if (!rc)
        rc = two_passes(src, b, err);
    if (!rc && r->n_training)
        rc = drift_training_pass(&set, r->training, r->n_training, b, err);
    if (!rc) {
        char *origin = drift_source_json(src);
        rc = drift_builder_finish(b, r->id, origin, c->hash, drift_wall_ms(&drift_clock_system), ret, err);
        free(origin);
    }
    drift_source_close(src);
    drift_builder_free(b);
    return rc;
}

/* What its windows say of it, kept in META for those who read no code. */
static int judge(struct drift_baseline *b, struct drift_err *err)
{
    struct drift_phase1 *p = NULL;
    int rc = drift_baseline_phase1(b, &p, err);
    if (p)
        drift_baseline_phase1_note(b, p);
    drift_phase1_free(p);
    return rc;
}

static int write_file(struct drift_baseline *b, const char *file, struct drift_err *err)
{
    struct drift_buf bytes;
    drift_buf_init(&bytes, DRIFT_BASELINE_BYTES_MAX);
    int rc = drift_baseline_save(b, &bytes, err);
    FILE *f = rc ? NULL : fopen(file, "wbe");
    if (!rc && !f)
        rc = drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot write %s: %s", file, strerror(errno));
    bool written = f && fwrite(bytes.data, 1, bytes.len, f) == bytes.len;
    if (f && (fclose(f) != 0 || !written))
        rc = drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot write %s: %s", file, strerror(errno));
    if (!rc)
        printf("baseline %s of model %s written to %s, %zu bytes, digest %s\n", b->id, b->model, file, bytes.len,
               b->digest);
    drift_buf_release(&bytes);
    return rc;
}

/* promote: NULL: only keep it; else whether to do so whatever its windows say. */
static int store(const struct drift_config *c, const struct drift_model *m, struct drift_baseline *b,
                 const bool *promote, struct drift_err *err)
{
    struct drift_store *s = NULL;
    int rc = drift_store_new(&c->redis, c->kafka.group, &s, err);
    if (!rc)
        rc = drift_baseline_keep(s, b, err);
    if (!rc && promote)
        rc = drift_baseline_promote(s, c, m, b->id, INT64_MIN, *promote, err);
    drift_store_free(s);
    return rc;
}

int drift_baseline_build_main(int argc, char **argv)
{
    struct request r;
    struct drift_err err = {.text = ""};
    struct drift_baseline *b = NULL;
    const struct drift_model *m;
    int status = parse(argc, argv, &r);
    if (status)
        return status - 1;
    struct drift_config *c = drift_baseline_config("baseline build", r.config, r.model, &m, &status);
    if (!c)
        return status;
    int rc = build(&r, c, m, &b, &err);
    if (!rc && (rc = drift_baseline_replay(b, m)) != 0)
        drift_fail(&err, rc, DRIFT_STOP, "cannot replay the evidence over the baseline");
    if (!rc)
        rc = judge(b, &err);
    if (!rc)
        drift_baseline_print(b);
    if (!rc)
        rc = r.output ? write_file(b, r.output, &err) : store(c, m, b, r.promote ? &r.anyway : NULL, &err);
    if (!rc && !r.output && !r.promote)
        printf("nothing is compared with it before `driftd baseline promote -c %s --model %s %s`\n", r.config, m->name,
               b->id);
    drift_baseline_free(b);
    drift_config_free(c);
    return rc ? drift_baseline_fail("baseline build", rc, &err) : DRIFT_EXIT_OK;
}

/* ---- put ---- */

static const char put_help[] =
    "usage: driftd baseline put -c FILE [--model M] BASELINE\n\n"
    "Stores a file of `driftd baseline build --output` in Redis, after checking its digest.\n\n"
    "example:\n  driftd baseline put -c driftd.yaml phish.baseline\n";

int drift_baseline_put_main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"model", required_argument, NULL, 'm'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *config = NULL, *model = NULL;
    struct drift_err err = {.text = ""};
    struct drift_baseline *b = NULL;
    const struct drift_model *m;
    int opt, status;
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (opt == 'h') {
            fputs(put_help, stdout);
            return DRIFT_EXIT_OK;
        }
        if (opt == 'c')
            config = optarg;
        else if (opt == 'm')
            model = optarg;
        else
            return DRIFT_EXIT_USAGE;
    }
    if (argc - optind != 1)
        return drift_cli_fail(DRIFT_EXIT_USAGE, "baseline put", "give one baseline file");
    struct drift_config *c = drift_baseline_config("baseline put", config, model, &m, &status);
    if (!c)
        return status;
    int rc = drift_baseline_read_file(argv[optind], &b, &err);
    if (!rc && strcmp(b->model, m->name))
        rc = drift_fail(&err, DRIFT_E_USAGE, DRIFT_STOP, "%s is a baseline of model %s, not of %s", argv[optind],
                        b->model, m->name);
    if (!rc)
        rc = store(c, m, b, NULL, &err);
    drift_baseline_free(b);
    drift_config_free(c);
    return rc ? drift_baseline_fail("baseline put", rc, &err) : DRIFT_EXIT_OK;
}
