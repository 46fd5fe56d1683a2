/* src/cli/baseline_show.c    `driftd baseline list` and `show`: what there is, and what is in one. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driftd/internal/cli.h"
#include "driftd/internal/cli/baseline.h"
#include "driftd/internal/cli/source.h"
#include "driftd/internal/judge/judge.h"

static const char list_help[] =
    "usage: driftd baseline list -c FILE [--model M]\n\n"
    "Lists the baselines of a model in Redis, newest first; `active` is the one that a chain of windows\n"
    "starts with.  Below: what holds from when on.  Exit status 1 when there is none.\n\n"
    "example:\n  driftd baseline list -c driftd.yaml\n";
static const char show_help[] =
    "usage: driftd baseline show -c FILE [--model M] [ID]\n"
    "       driftd baseline show BASELINE-FILE\n\n"
    "Shows the columns of a baseline: the active one, the one with that id, or a file's; then what its own windows\n"
    "say of it: whether a rate of false alarms can be promised, what drifts or varies in it, seasons, rates.\n\n"
    "examples:\n"
    "  driftd baseline show -c driftd.yaml\n"
    "  driftd baseline show -c driftd.yaml --model phish phish-2026-01\n"
    "  driftd baseline show phish.baseline\n";

/* ---- one baseline ---- */

static uint64_t sum(const uint64_t *v, uint32_t n)
{
    uint64_t s = 0;
    for (uint32_t i = 0; i < n; i++)
        s += v[i];
    return s;
}

/* The four most frequent categories. */
static void print_categories(const struct drift_column *c, const uint64_t *cells, uint64_t valid)
{
    enum { SHOWN = 4 };
    uint32_t best[SHOWN], n = 0;
    char name[25];
    for (uint32_t i = 0; i < c->n_categories; i++) {
        uint32_t at = n;
        while (at && cells[i] > cells[best[at - 1]])
            at--;
        if (at == SHOWN)
            continue;
        n += n < SHOWN;
        memmove(best + at + 1, best + at, (n - at - 1) * sizeof *best);
        best[at] = i;
    }
    for (uint32_t i = 0; i < n; i++)
        printf("%s%s %.1f %%", i ? ", " : "", drift_printable(c->categories[best[i]], name, sizeof name),
               valid ? 100 * (double)cells[best[i]] / (double)valid : 0);
    if (c->n_categories > n)
        printf(", %" PRIu32 " more", c->n_categories - n);
}

/* First and last edges, or categories with their shares. */
static void print_cells(const struct drift_column *c, const uint64_t *cells, uint64_t valid)
{
    char a[32], b[32], m[32];
    if (c->kind == DRIFT_NUMERIC) {
        if (!c->n_edges) {
            fputs("no value seen", stdout);
            return;
        }
        uint64_t below = 0, half = (valid + 1) / 2;
        uint32_t at = 0;
        while (at < c->n_edges && (below += cells[at]) < half)
            at++;
        drift_f64_text(c->edges[c->bounded && c->n_edges > 1 ? 1 : 0], a, sizeof a);
        drift_f64_text(c->edges[c->n_edges - 1], b, sizeof b);
        drift_f64_text(c->edges[at < c->n_edges ? at : c->n_edges - 1], m, sizeof m);
        printf("%" PRIu32 " edges %s .. %s, median <= %s, %" PRIu32 " PSI bins", c->n_edges, a, b, m, c->n_bins);
        return;
    }
    print_categories(c, cells, valid);
    if (c->n_rare)
        printf(", %" PRIu32 " rare ones %.2f %%", c->n_rare,
               valid ? 100 * (double)cells[drift_column_rare(c)] / (double)valid : 0);
}

static void print_chain(const struct drift_baseline_chain *ch, const char *name)
{
    if (!ch->layout->n_columns)
        return;
    char size[48], from[32], column[33];
    printf("%s: %" PRIu64 " events", name, ch->pooled->n);
    if (ch->n_windows)
        printf(" in %zu windows of %s from %s", ch->n_windows, drift_duration_text(ch->window_ms, size, sizeof size),
               drift_time_text(ch->windows[0].start_ms, from, sizeof from));
    printf("\n  %-32s %-9s %-11s %5s %10s %7s %7s  %s\n", "column", "role", "kind", "cells", "n", "null %", "other %",
           "content");
    for (uint32_t i = 0; i < ch->layout->n_columns; i++) {
        const struct drift_column *c = &ch->layout->columns[i];
        const uint64_t *sp = drift_summary_specials(ch->pooled, c), *cells = drift_summary_cells(ch->pooled, c);
        uint64_t valid = sum(cells, c->n_cells), bad = sp[DRIFT_MISSING] + sp[DRIFT_NONFINITE] + sp[DRIFT_WRONG_TYPE];
        double all = (double)(valid + sp[DRIFT_NULL] + bad);
        printf("  %-32s %-9s %-11s %5" PRIu32 " %10" PRIu64 " %7.2f %7.2f  ",
               drift_printable(c->name, column, sizeof column), drift_role_name(c->role),
               c->kind == DRIFT_NUMERIC ? "numeric" : "categorical", c->n_cells, valid,
               all > 0 ? 100 * (double)sp[DRIFT_NULL] / all : 0, all > 0 ? 100 * (double)bad / all : 0);
        print_cells(c, cells, valid);
        putchar('\n');
    }
}

static void print_notes(const char *meta)
{
    json_t *o = json_loads(meta, 0, NULL), *note;
    size_t i;
    char text[1024];
    char *source = json_dumps(json_object_get(o, "source"), JSON_COMPACT);
    if (source)
        printf("source: %s\n", source);
    json_array_foreach(json_object_get(o, "notes"), i, note)
    {
        if (json_is_string(note))
            printf("note: %s\n", drift_printable(json_string_value(note), text, sizeof text));
    }
    drift_baseline_replay_print(o);
    free(source);
    json_decref(o);
}

static void print_phase1(const struct drift_baseline *b)
{
    struct drift_phase1 *p = NULL;
    struct drift_err err;
    if (drift_baseline_phase1(b, &p, &err))
        printf("phase I: %s\n", err.text);
    else if (p)
        drift_baseline_phase1_print(b, p);
    drift_phase1_free(p);
}

void drift_baseline_print(const struct drift_baseline *b)
{
    char created[32], model[256];
    printf("baseline %s of model %s, made %s\n", b->id, drift_printable(b->model, model, sizeof model),
           drift_time_text(b->created_ms, created, sizeof created));
    if (b->digest[0])
        printf("digest: %s\n", b->digest);
    print_notes(b->meta);
    print_chain(&b->chain[DRIFT_CHAIN_INPUT], "inputs");
    print_chain(&b->chain[DRIFT_CHAIN_LABEL], "labels");
    print_phase1(b);
}

/* ---- list ---- */

struct row {
    const char *id;
    json_t *meta;
    int64_t created_ms;
};

static int newest_first(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->created_ms > y->created_ms ? -1 : x->created_ms < y->created_ms;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "-";
}

static size_t print_list(const struct drift_pairs *p, const char *active)
{
    struct row *rows = drift_xcalloc(p->n ? p->n : 1, sizeof *rows);
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!strcmp(p->pair[i].name, "active") || !strcmp(p->pair[i].name, "seen"))
            continue;
        rows[n].id = p->pair[i].name;
        rows[n].meta = json_loadb(p->pair[i].value, p->pair[i].len, 0, NULL);
        rows[n].created_ms = json_integer_value(json_object_get(rows[n].meta, "created_ms"));
        n++;
    }
    qsort(rows, n, sizeof *rows, newest_first);
    if (n)
        printf("%-40s %-24s %12s %10s %-24s %-24s\n", "id", "made", "events", "labels", "first event", "last event");
    for (size_t i = 0; i < n; i++) {
        const json_t *m = rows[i].meta;
        printf("%-40s %-24s %12" JSON_INTEGER_FORMAT " %10" JSON_INTEGER_FORMAT " %-24s %-24s%s\n", rows[i].id,
               text_of(m, "created"), json_integer_value(json_object_get(m, "events")),
               json_integer_value(json_object_get(m, "labels")), text_of(m, "first_event"), text_of(m, "last_event"),
               active && !strcmp(active, rows[i].id) ? "  active" : "");
        json_decref(rows[i].meta);
    }
    free(rows);
    return n;
}

static int print_plan(struct drift_store *s, const char *model, enum drift_chain_kind kind, struct drift_err *err)
{
    struct drift_pairs fields;
    struct drift_plan plan = {0};
    int64_t now;
    char from[32];
    int rc = drift_store_model_read(s, (struct drift_chain_id){model, kind}, &fields, &now, err);
    if (rc)
        return rc;
    rc = drift_judge_plan(&fields, &plan, err);
    const char *last = NULL;
    for (size_t i = 0; !rc && i < plan.n; i++) {
        const struct drift_plan_entry *e = &plan.entry[i];
        if (!last || strcmp(last, e->baseline_id))
            printf("%s windows from %s on: %s\n", drift_chain_name(kind),
                   e->from_ms == INT64_MIN ? "the first" : drift_time_text(e->from_ms, from, sizeof from),
                   e->baseline_id[0] ? e->baseline_id : "none (unmonitored)");
        last = e->baseline_id;
    }
    drift_plan_release(&plan);
    drift_pairs_release(&fields);
    return rc;
}

static int list(const struct drift_config *c, const struct drift_model *m, size_t *ret_n, struct drift_err *err)
{
    struct drift_store *s = NULL;
    struct drift_pairs p = {0};
    int rc = drift_store_new(&c->redis, c->kafka.group, &s, err);
    if (!rc)
        rc = drift_store_baseline_list(s, m->name, &p, err);
    if (!rc) {
        const struct drift_pair *active = drift_pairs_find(&p, "active");
        *ret_n = print_list(&p, active ? active->value : NULL);
        drift_pairs_release(&p);
    }
    for (int k = 0; k < DRIFT_N_CHAIN && !rc; k++)
        rc = print_plan(s, m->name, (enum drift_chain_kind)k, err);
    drift_store_free(s);
    return rc;
}

/* -c FILE, --model M, --help, and at most one argument.  0, or an exit status + 1. */
static int parse(int argc, char **argv, const char *command, const char *help, const char **config, const char **model,
                 const char **argument)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"model", required_argument, NULL, 'm'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int opt;
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (opt == 'h') {
            fputs(help, stdout);
            return 1 + DRIFT_EXIT_OK;
        }
        if (opt == 'c')
            *config = optarg;
        else if (opt == 'm')
            *model = optarg;
        else
            return 1 + DRIFT_EXIT_USAGE;
    }
    if (argc - optind > (argument ? 1 : 0))
        return 1 + drift_cli_fail(DRIFT_EXIT_USAGE, command, "too many arguments");
    if (argument && argc > optind)
        *argument = argv[optind];
    return 0;
}

int drift_baseline_list_main(int argc, char **argv)
{
    const char *config = NULL, *model = NULL;
    const struct drift_model *m;
    struct drift_err err = {.text = ""};
    size_t n = 0;
    int status = parse(argc, argv, "baseline list", list_help, &config, &model, NULL);
    if (status)
        return status - 1;
    struct drift_config *c = drift_baseline_config("baseline list", config, model, &m, &status);
    if (!c)
        return status;
    int rc = list(c, m, &n, &err);
    if (!rc && !n)
        printf("model %s has no baseline yet: driftd baseline build -c %s --model %s --last 14d\n", m->name, config,
               m->name);
    drift_config_free(c);
    if (rc)
        return drift_baseline_fail("baseline list", rc, &err);
    return n ? DRIFT_EXIT_OK : DRIFT_EXIT_FOUND;
}

/* ---- show ---- */

static int fetch(const struct drift_config *c, const struct drift_model *m, const char *id, struct drift_baseline **ret,
                 struct drift_err *err)
{
    struct drift_store *s = NULL;
    struct drift_pairs p = {0};
    int rc = drift_store_new(&c->redis, c->kafka.group, &s, err);
    if (!rc && !id) {
        rc = drift_store_baseline_list(s, m->name, &p, err);
        const struct drift_pair *active = rc ? NULL : drift_pairs_find(&p, "active");
        id = active ? active->value : NULL;
        if (!rc && !id)
            rc = drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_STOP,
                            "model %s has no active baseline: name one, see `driftd baseline list`", m->name);
    }
    if (!rc)
        rc = drift_baseline_fetch(s, m->name, id, ret, err);
    drift_pairs_release(&p);
    drift_store_free(s);
    return rc;
}

int drift_baseline_show_main(int argc, char **argv)
{
    const char *config = NULL, *model = NULL, *what = NULL;
    const struct drift_model *m;
    struct drift_err err = {.text = ""};
    struct drift_baseline *b = NULL;
    int rc, status = parse(argc, argv, "baseline show", show_help, &config, &model, &what);
    if (status)
        return status - 1;
    if (!config) {
        if (!what)
            return drift_cli_fail(DRIFT_EXIT_USAGE, "baseline show",
                                  "give a configuration with -c FILE, or a baseline file");
        rc = drift_baseline_read_file(what, &b, &err);
        if (!rc && model && strcmp(b->model, model) != 0)
            rc = drift_fail(&err, DRIFT_E_USAGE, DRIFT_STOP, "%s is a baseline of model %s, not of %s", what, b->model,
                            model);
    } else {
        struct drift_config *c = drift_baseline_config("baseline show", config, model, &m, &status);
        if (!c)
            return status;
        rc = fetch(c, m, what, &b, &err);
        drift_config_free(c);
    }
    if (!rc)
        drift_baseline_print(b);
    drift_baseline_free(b);
    return rc ? drift_baseline_fail("baseline show", rc, &err) : DRIFT_EXIT_OK;
}
