/* src/config/config.c    Loads a configuration and answers questions about it. */
#include "driftd/internal/config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/config/fill.h"

enum { REPORT_MAX = 1 << 20 };

static const char *const step_names[DRIFT_N_STEP] = {"ticket",  "notify", "page", "human_review", "disable_automation",
                                                     "rollback"};

const char *drift_step_name(enum drift_step_kind k)
{
    return (unsigned)k < DRIFT_N_STEP ? step_names[k] : "unknown";
}

const char *drift_severity_name(enum drift_severity s)
{
    return s == DRIFT_SEV_CRITICAL ? "critical" : s == DRIFT_SEV_WARNING ? "warning" : "none";
}

bool drift_stream_feeds(const struct drift_stream *s, enum drift_chain_kind chain)
{
    if (chain == DRIFT_CHAIN_LABEL)
        return s->label != NULL;
    return s->features || s->n_feature_fields || s->score || s->decision || s->source || s->latency;
}

const struct drift_model *drift_config_model(const struct drift_config *c, const char *name)
{
    for (size_t i = 0; i < c->n_models; i++)
        if (c->models[i].name && !strcmp(c->models[i].name, name))
            return &c->models[i];
    return NULL;
}

bool drift_model_wants(const struct drift_model *m, const char *feature)
{
    if (m->include && !drift_glob_match(m->include, feature))
        return false;
    for (size_t i = 0; i < m->n_exclude; i++)
        if (drift_glob_match(m->exclude[i], feature))
            return false;
    return true;
}

enum drift_kind drift_model_type(const struct drift_model *m, const char *feature)
{
    for (size_t i = 0; i < m->n_types; i++)
        if (drift_glob_match(m->types[i].name, feature))
            return m->types[i].kind;
    return 0;
}

static double number_of(const struct drift_evidence_number *list, size_t n, const struct drift_column *c,
                        double fallback)
{
    for (size_t i = 0; i < n && c->role == DRIFT_FEATURE; i++)
        if (drift_glob_match(list[i].name, c->name))
            return list[i].value;
    return fallback;
}

struct drift_evidence_settings drift_evidence_config_settings(const struct drift_evidence_config *e,
                                                              const struct drift_layout *l, double *each)
{
    double *tolerance = each + l->n_columns;
    for (uint32_t i = 0; i < l->n_columns; i++) {
        const struct drift_column *c = &l->columns[i];
        bool watched = c->role == DRIFT_FEATURE || c->role == DRIFT_SCORE || c->role == DRIFT_DECISION;
        each[i] = number_of(e->weights, e->n_weights, c, watched);
        tolerance[i] = number_of(e->tolerances, e->n_tolerances, c, -1);
    }
    return (struct drift_evidence_settings){.windows = e->windows,
                                            .mode = e->mode,
                                            .glitch_guard = e->glitch_guard,
                                            .clear_windows = e->clear_windows,
                                            .weight = each,
                                            .tolerance = tolerance};
}

/* "dir" of "dir/file"; "" when there is none. */
static char *directory_of(struct drift_memory *m, const char *file)
{
    const char *slash = strrchr(file, '/');
    return drift_memory_text(m, file, slash ? (size_t)(slash - file) + (slash == file) : 0);
}

static struct drift_config *config_new(const char *name, const char *text, size_t len)
{
    struct drift_memory *memory = drift_memory_new();
    struct drift_config *c = drift_memory_get(memory, 1, sizeof *c);
    c->memory = memory;
    c->file = drift_memory_text(memory, name, strlen(name));
    c->text = drift_memory_text(memory, text, len);
    c->text_len = len;
    drift_sha256_hex(text, len, c->hash);
    return c;
}

static char *warnings_text(struct drift_fill *f)
{
    struct drift_buf lines;
    drift_buf_init(&lines, REPORT_MAX);
    drift_problems_print(&f->warnings, f->config->file, "warning: ", &lines);
    char *text = drift_memory_text(f->memory, lines.data ? lines.data : "", lines.len);
    drift_buf_release(&lines);
    return text;
}

int drift_config_parse(const char *name, const char *text, size_t len, struct drift_config **ret,
                       struct drift_buf *report)
{
    struct drift_fill *f = drift_xcalloc(1, sizeof *f);
    struct drift_memory *tree = drift_memory_new();
    bool good;
    f->config = config_new(name, text, len <= DRIFT_YAML_BYTES_MAX ? len : 0);
    f->memory = f->config->memory;
    f->directory = directory_of(f->memory, name);
    f->root = drift_yaml_parse(tree, text, len, &f->errors);
    if (f->root)
        drift_fill_config(f);
    good = f->errors.n == 0;
    if (good) {
        f->config->warnings = warnings_text(f);
        *ret = f->config;
    } else {
        drift_problems_print(&f->errors, name, "", report);
        drift_config_free(f->config);
    }
    drift_problems_release(&f->errors);
    drift_problems_release(&f->warnings);
    drift_memory_free(tree);
    free(f);
    return good ? 0 : DRIFT_E_CONFIG;
}

int drift_config_load(const char *file, struct drift_config **ret, struct drift_buf *report)
{
    FILE *in = fopen(file, "rbe");
    char *text = in ? drift_xcalloc(1, DRIFT_YAML_BYTES_MAX + 1) : NULL;
    size_t n = in ? fread(text, 1, DRIFT_YAML_BYTES_MAX + 1, in) : 0;
    int rc;
    if (!in || ferror(in)) {
        drift_buf_addf(report, "%s: cannot be read: %s\n", file, strerror(errno));
        rc = DRIFT_E_IO;
    } else {
        rc = drift_config_parse(file, text, n, ret, report);
    }
    if (in)
        fclose(in);
    free(text);
    return rc;
}

void drift_config_free(struct drift_config *c)
{
    if (c)
        drift_memory_free(c->memory);
}
