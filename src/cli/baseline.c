/* src/cli/baseline.c    `driftd baseline`: dispatch, and what its parts share. */
#include "driftd/internal/cli/baseline.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/cli.h"

static const char help[] =
    "usage: driftd baseline build|list|show|promote|put [OPTIONS]\n\n"
    "A baseline is the frozen reference of one model: cells of every feature, score, decision and label, with their\n"
    "counts.  It is built once, kept in Redis under an id, and promoted: from a window boundary on it is what windows\n"
    "are compared with.\n\n"
    "  build     from a range of the model's topics, or from files\n"
    "  list      the baselines of a model, and which one holds from when on\n"
    "  show      the columns of one baseline\n"
    "  promote   make one hold from a window boundary on\n"
    "  put       store a baseline file that was built elsewhere\n\n"
    "`driftd baseline PART --help` shows options and examples.\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} parts[] = {
    {"build", drift_baseline_build_main}, {"list", drift_baseline_list_main},       {"show", drift_baseline_show_main},
    {"put", drift_baseline_put_main},     {"promote", drift_baseline_promote_main},
};

int drift_cmd_baseline(int argc, char **argv)
{
    if (argc < 2) {
        fputs(help, stderr);
        return DRIFT_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        fputs(help, stdout);
        return DRIFT_EXIT_OK;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strcmp(argv[1], parts[i].name))
            return parts[i].run(argc - 1, argv + 1);
    return drift_cli_fail(DRIFT_EXIT_USAGE, "baseline", "no part '%s': build, list, show, promote or put", argv[1]);
}

struct drift_config *drift_baseline_config(const char *command, const char *file, const char *model,
                                           const struct drift_model **ret_model, int *ret_exit)
{
    if (!file) {
        *ret_exit = drift_cli_fail(DRIFT_EXIT_USAGE, command, "give a configuration with -c FILE");
        return NULL;
    }
    struct drift_config *c = drift_cli_config(file, ret_exit);
    if (!c)
        return NULL;
    *ret_model = model ? drift_config_model(c, model) : c->n_models == 1 ? &c->models[0] : NULL;
    if (*ret_model)
        return c;
    if (model)
        *ret_exit = drift_cli_fail(DRIFT_EXIT_USAGE, command, "%s has no model %s", file, model);
    else
        *ret_exit =
            drift_cli_fail(DRIFT_EXIT_USAGE, command, "%s has %zu models: choose one with --model", file, c->n_models);
    drift_config_free(c);
    return NULL;
}

int drift_baseline_fail(const char *command, int rc, const struct drift_err *err)
{
    int status = DRIFT_EXIT_UNAVAILABLE;
    switch (rc) {
    case DRIFT_E_USAGE:
    case DRIFT_E_EXISTS:
        status = DRIFT_EXIT_USAGE;
        break;
    case DRIFT_E_CONFIG:
        status = DRIFT_EXIT_CONFIG;
        break;
    case DRIFT_E_AWAY:
    case DRIFT_E_DENIED:
    case DRIFT_E_IO:
        break;
    default:
        status = DRIFT_EXIT_FOUND;
    }
    return drift_cli_fail(status, command, "%s", err->text);
}

int drift_baseline_read_file(const char *file, struct drift_baseline **ret, struct drift_err *err)
{
    struct drift_buf b;
    FILE *f = fopen(file, "rbe");
    if (!f)
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read %s: %s", file, strerror(errno));
    drift_buf_init(&b, DRIFT_BASELINE_BYTES_MAX);
    for (char *room; (room = drift_buf_room(&b, 1 << 16));) {
        size_t n = fread(room, 1, 1 << 16, f);
        b.len += n;
        if (!n)
            break;
    }
    int rc = ferror(f) ? drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read %s: %s", file, strerror(errno))
             : b.full  ? drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP, "%s is larger than a baseline may be", file)
                       : drift_baseline_load(b.data, b.len, ret, err);
    if (rc && !ferror(f) && !b.full)
        drift_err_prefix(err, "%s", file);
    fclose(f);
    drift_buf_release(&b);
    return rc;
}

int drift_baseline_fetch(struct drift_store *s, const char *model, const char *id, struct drift_baseline **ret,
                         struct drift_err *err)
{
    void *bytes = NULL;
    size_t len = 0;
    int rc = drift_store_baseline_get(s, model, id, &bytes, &len, err);
    if (rc)
        return rc;
    rc = drift_baseline_load(bytes, len, ret, err);
    free(bytes);
    if (rc) {
        drift_err_prefix(err, "baseline %s of model %s", id, model);
        return rc;
    }
    if (!strcmp((*ret)->model, model) && !strcmp((*ret)->id, id))
        return 0;
    rc = drift_fail(err, DRIFT_E_MISMATCH, DRIFT_STOP,
                    "what redis keeps as baseline %s of model %s calls itself %s of %s", id, model, (*ret)->id,
                    (*ret)->model);
    drift_baseline_free(*ret);
    *ret = NULL;
    return rc;
}

/* Digest of the counts, without names and times of making. */
static bool same_content(const char *meta_a, const char *meta_b)
{
    json_t *a = json_loads(meta_a, 0, NULL), *b = json_loads(meta_b, 0, NULL);
    const char *x = json_string_value(json_object_get(a, "content")),
               *y = json_string_value(json_object_get(b, "content"));
    bool same = x && y && !strcmp(x, y);
    json_decref(a);
    json_decref(b);
    return same;
}

int drift_baseline_keep(struct drift_store *s, struct drift_baseline *b, struct drift_err *err)
{
    struct drift_buf bytes;
    drift_buf_init(&bytes, DRIFT_BASELINE_BYTES_MAX);
    int rc = drift_baseline_save(b, &bytes, err);
    if (!rc)
        rc = drift_store_baseline_put(s, b->model, b->id, b->meta, bytes.data, bytes.len, err);
    if (rc == DRIFT_E_EXISTS) {
        struct drift_baseline *kept = NULL;
        struct drift_err other;
        if (!drift_baseline_fetch(s, b->model, b->id, &kept, &other) && same_content(kept->meta, b->meta)) {
            printf("baseline %s of model %s is there already, with the same counts\n", b->id, b->model);
            rc = 0;
        }
        drift_baseline_free(kept);
    } else if (!rc) {
        printf("baseline %s of model %s stored, %zu bytes, digest %s\n", b->id, b->model, bytes.len, b->digest);
    }
    drift_buf_release(&bytes);
    return rc;
}
