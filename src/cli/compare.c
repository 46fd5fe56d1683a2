/* src/cli/compare.c    `driftd compare`: every statistic of two files' columns, without servers.
 *
 * The first file is made into a baseline by the very builder of `baseline build`, the second is counted on its cells
 * like a window: that part of the report is what the daemon would say of these rows.  Then the values themselves are
 * read, column by column as memory allows, for what counts cannot give exactly. */
#include "driftd/internal/cli/compare.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/baseline/builder.h"
#include "driftd/internal/cli.h"
#include "driftd/internal/cli/source.h"
#include "driftd/internal/cli/table.h"
#include "driftd/internal/window/count.h"

static const char help[] =
    "usage: driftd compare BASELINE CURRENT [--format table|markdown|json]\n"
    "                      [--fail-on warning|critical] [--columns GLOB,...]\n"
    "                      [--types NAME:category,...] [--header NAME,...] [--label COLUMN]\n"
    "                      [--score COLUMN] [--warning .1] [--critical .25] [--p P]\n"
    "                      [--adjust none|bonferroni|holm|bh|by] [--binning B,...] [--empty R,...]\n"
    "                      [--memory 1GiB] [--no-values] [--exact-p] [--multivariate]\n\n"
    "Compares two CSV (RFC 4180) or NDJSON files, gzipped or not, column by column.  Needs no\n"
    "server.  - is standard input; it and pipes are kept in TMPDIR, since files are read several\n"
    "times.\n\n"
    "The verdict of a column is that of the daemon's default rules for features: PSI\n"
    "(noise-corrected) at --warning and --critical, and the rise of null, missing and unseen values at\n"
    ".05 and .2; and, which no default rule has, of invalid values at the same levels; each only with\n"
    "a p-value below P.  The daemon's rules for decision and label (`proportion`) and of volume are not\n"
    "asked.  Beside it stand figures of the values themselves.\n\n"
    "      --format F      table (default), markdown or json\n"
    "      --fail-on S     exit status 1 when a column is at S or above\n"
    "      --columns L     only these columns, with * and ?\n"
    "      --types L       kinds, when the data do not tell: NAME:number or NAME:category, with * and ?\n"
    "      --header L      names of the columns of CSV files without a header\n"
    "      --label C       column with labels: categories\n"
    "      --score C       column with the model's score: a number\n"
    "      --warning X     PSI level of a warning, .1\n"
    "      --critical X    PSI level that is critical, .25\n"
    "      --p P           significance gate; default .001 divided by the columns; 1 switches it off\n"
    "      --adjust M      how p-values are adjusted for the number of columns: holm (default), bh ...\n"
    "      --binning L     bins of numbers as other tools make them: q10_linear_rc, q10_linear_lc,\n"
    "                      q10_invcdf_rc, w10_minmax_lc, all, or grid: the daemon's (default)\n"
    "      --empty L       what PSI does with empty bins: add_half (default), none, drop_zero_bins,\n"
    "                      eps1e-4_zero, eps1e-4_clip, eps1e-6_zero, eps1e-4_add_renorm, laplace1,\n"
    "                      jeffreys0.5, all\n"
    "      --memory S      for values, 1GiB: 8 bytes a number, and as much again for one side of one\n"
    "                      column while it is sorted, so 16 bytes a value and side at most; columns\n"
    "                      that do not fit together are read one after the other\n"
    "      --exact-p       exact p-value of KS even where it takes half a second a column\n"
    "      --multivariate  also whether up to 32 numbers go together as before: pairs by name (from 30\n"
    "                      rows of CURRENT and 256 of BASELINE on), and the joint distribution (from 200\n"
    "                      and 1024 on)\n"
    "      --no-values     only what counts say: less memory, fewer passes\n\n"
    "exit status: 0 good, 1 found at --fail-on, 2 usage or malformed file, 69 a file cannot be read\n\n"
    "examples:\n"
    "  driftd compare train.csv today.csv.gz\n"
    "  driftd compare train.csv today.csv --types zip:category,*_id:category --label fraud\n"
    "  driftd compare base.ndjson new.ndjson --format json --fail-on critical\n"
    "  driftd compare train.csv today.csv --binning q10_linear_rc --empty eps1e-4_zero\n"
    "  zcat today/*.csv.gz | driftd compare train.csv - --header amount,country,age\n";

/* ---- arguments ---- */

#define USAGE(...) (1 + drift_cli_fail(DRIFT_EXIT_USAGE, "compare", __VA_ARGS__))

static int parse_names(const char *option, char *list, char **to, size_t *n)
{
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        if (*n == DRIFT_COMPARE_LIST)
            return USAGE("--%s: too many names", option);
        to[(*n)++] = name;
    }
    return 0;
}

static bool kind_parse(const char *word, enum drift_kind *ret)
{
    static const char *const words[] = {"number", "numeric", "category", "categorical"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(word, words[i])) {
            *ret = i < 2 ? DRIFT_NUMERIC : DRIFT_CATEGORICAL;
            return true;
        }
    return false;
}

/* The last `:` or `=` ends the name, which may hold others. */
static int parse_types(struct drift_compare_request *r, char *list)
{
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        char *colon = strrchr(name, ':'), *equal = strrchr(name, '='), *is = colon > equal ? colon : equal;
        if (!is || is == name)
            return USAGE("--types %s: give NAME:number or NAME:category", name);
        *is++ = 0;
        if (r->n_types == DRIFT_COMPARE_LIST)
            return USAGE("--types: too many names");
        struct drift_feature_type *t = &r->types[r->n_types++];
        t->name = name;
        if (!kind_parse(is, &t->kind))
            return USAGE("--types: %s is neither number nor category", is);
    }
    return 0;
}

static int parse_level(const char *name, const char *text, double most, double *ret)
{
    if (drift_f64_parse(text, strlen(text), ret) && *ret > 0 && *ret <= most)
        return 0;
    return USAGE("--%s %s: not a number above 0%s", name, text, most <= 1 ? ", at most 1" : "");
}

static int parse_format(struct drift_compare_request *r, const char *text)
{
    static const char *const names[] = {"table", "markdown", "json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) {
            r->format = (enum drift_compare_format)i;
            return 0;
        }
    return USAGE("--format %s: not table, markdown or json", text);
}

static int parse_fail_on(struct drift_compare_request *r, const char *text)
{
    r->fail_on = !strcmp(text, "warning") ? DRIFT_SEV_WARNING : DRIFT_SEV_CRITICAL;
    if (r->fail_on == DRIFT_SEV_CRITICAL && strcmp(text, "critical") != 0)
        return USAGE("--fail-on %s: not warning or critical", text);
    return 0;
}

static int parse_binning(struct drift_compare_request *r, char *list)
{
    enum drift_binning b;
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        if (!strcmp(name, "grid"))
            continue;
        if (!strcmp(name, "all"))
            r->what.binnings |= (1u << DRIFT_N_BINNING) - 1;
        else if (drift_binning_parse(name, &b))
            r->what.binnings |= 1u << b;
        else
            return USAGE("--binning %s: not one of those in driftd compare --help", name);
        if (r->binning < 0)
            r->binning = strcmp(name, "all") ? (int)b : 0;
    }
    return 0;
}

static int parse_empty(struct drift_compare_request *r, char *list)
{
    enum drift_psi_rule rule;
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        bool first = !r->rules, all = !strcmp(name, "all");
        if (all)
            r->rules |= (1u << DRIFT_N_PSI_RULE) - 1;
        else if (drift_psi_rule_parse(name, &rule))
            r->rules |= 1u << rule;
        else
            return USAGE("--empty %s: not one of those in driftd compare --help", name);
        if (first && !all)
            r->rule = rule;
    }
    return 0;
}

static int parse_memory(struct drift_compare_request *r, const char *text)
{
    if (drift_size_parse(text, strlen(text), &r->memory) && r->memory >= 1 << 20)
        return 0;
    return USAGE("--memory %s: not a size of 1MiB or more, such as 4GiB", text);
}

/* 0, or an exit status + 1. */
static int parse_option(struct drift_compare_request *r, int opt)
{
    switch (opt) {
    case 'f':
        return parse_format(r, optarg);
    case 'o':
        return parse_fail_on(r, optarg);
    case 'c':
        return parse_names("columns", optarg, r->columns, &r->n_columns);
    case 't':
        return parse_types(r, optarg);
    case 'n':
        return parse_names("header", optarg, r->header, &r->n_header);
    case 'l':
        r->label = optarg;
        return 0;
    case 's':
        r->score = optarg;
        return 0;
    case 'w':
        return parse_level("warning", optarg, INFINITY, &r->warning);
    case 'k':
        return parse_level("critical", optarg, INFINITY, &r->critical);
    case 'p':
        return parse_level("p", optarg, 1, &r->p);
    case 'a':
        return drift_multiple_parse(optarg, &r->adjust)
                   ? 0
                   : USAGE("--adjust %s: not none, bonferroni, holm, bh or by", optarg);
    case 'b':
        return parse_binning(r, optarg);
    case 'e':
        return parse_empty(r, optarg);
    case 'm':
        return parse_memory(r, optarg);
    case 'x':
        r->exact = false;
        return 0;
    case 'u':
        r->multivariate = true;
        return 0;
    case 'q':
        r->what.all_orders = true;
        return 0;
    case 'h':
        fputs(help, stdout);
        return 1 + DRIFT_EXIT_OK;
    default:
        return 1 + DRIFT_EXIT_USAGE;
    }
}

static int parse_files(struct drift_compare_request *r, int argc, char **argv)
{
    if (argc - optind != 2)
        return USAGE("give two files, the baseline first");
    if (r->warning > r->critical)
        return USAGE("--warning is above --critical");
    if (r->label && r->score && !strcmp(r->label, r->score))
        return USAGE("%s cannot be label and score", r->label);
    if (!r->exact && r->what.binnings)
        return USAGE("--binning needs the values: leave out --no-values");
    if (!r->exact && (r->rules || r->what.all_orders))
        return USAGE("--%s needs the values: leave out --no-values", r->rules ? "empty" : "exact-p");
    for (int i = 0; i < 2; i++)
        r->file[i] = argv[optind + i];
    if (!strcmp(r->file[0], "-") && !strcmp(r->file[1], "-"))
        return USAGE("only one of the files can be standard input");
    return 0;
}

static int parse(int argc, char **argv, struct drift_compare_request *r)
{
    static const struct option options[] = {{"format", required_argument, NULL, 'f'},
                                            {"fail-on", required_argument, NULL, 'o'},
                                            {"columns", required_argument, NULL, 'c'},
                                            {"types", required_argument, NULL, 't'},
                                            {"header", required_argument, NULL, 'n'},
                                            {"label", required_argument, NULL, 'l'},
                                            {"score", required_argument, NULL, 's'},
                                            {"warning", required_argument, NULL, 'w'},
                                            {"critical", required_argument, NULL, 'k'},
                                            {"p", required_argument, NULL, 'p'},
                                            {"adjust", required_argument, NULL, 'a'},
                                            {"binning", required_argument, NULL, 'b'},
                                            {"empty", required_argument, NULL, 'e'},
                                            {"memory", required_argument, NULL, 'm'},
                                            {"no-values", no_argument, NULL, 'x'},
                                            {"exact-p", no_argument, NULL, 'q'},
                                            {"multivariate", no_argument, NULL, 'u'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int opt, rc = 0;
    *r = (struct drift_compare_request){.warning = .1,
                                        .critical = .25,
                                        .p = NAN,
                                        .exact = true,
                                        .memory = 1 << 30,
                                        .binning = -1,
                                        .rule = DRIFT_PSI_ADD_HALF,
                                        .adjust = DRIFT_MULTIPLE_HOLM};
    while (!rc && (opt = getopt_long(argc, argv, "h", options, NULL)) != -1)
        rc = parse_option(r, opt);
    return rc ? rc : parse_files(r, argc, argv);
}

/* ---- counting ---- */

struct work {
    struct drift_compare_request *request;
    struct drift_table *table;
    struct drift_stream stream;
    struct drift_model model;
    struct drift_builder *builder;
    struct drift_binding *binding[DRIFT_N_CHAIN];
    struct drift_compare_counts counts;
    struct drift_compare_report report;
    int reading; /* of the values */
};

static void survey(void *ctx, const struct drift_event *ev)
{
    struct work *w = ctx;
    drift_builder_survey(w->builder, ev, &w->stream);
}

static void count_baseline(void *ctx, const struct drift_event *ev)
{
    struct work *w = ctx;
    drift_builder_count(w->builder, ev, &w->stream);
}

static void count_current(void *ctx, const struct drift_event *ev)
{
    struct work *w = ctx;
    for (int i = 0; i < DRIFT_N_CHAIN; i++)
        if (w->binding[i])
            drift_binding_count(w->binding[i], ev, w->counts.current[i]);
}

static void work_init(struct work *w, struct drift_compare_request *r)
{
    static const struct drift_builder_settings settings = {.window_ms = 0};
    static char all[] = "*", name[] = "compare", record[] = "";
    *w = (struct work){
        .request = r,
        .stream = {.name = name,
                   .features = record,
                   .score = (char *)(uintptr_t)r->score,
                   .label = (char *)(uintptr_t)r->label},
        .model = {.name = name, .include = all, .threshold = NAN, .n_types = r->n_types, .types = r->types}};
    if (r->multivariate) /* every row counts, whatever it costs */
        w->model.dependence = (struct drift_dependence_config){
            .on = true, .max_features = DRIFT_COMPARE_NUMBERS, .terms = 64, .budget_us = 1e6};
    w->builder = drift_builder_new(&w->model, &settings);
    struct drift_table_settings set = {.model = &w->model,
                                       .label = r->label,
                                       .score = r->score,
                                       .columns = (const char *const *)r->columns,
                                       .n_columns = r->n_columns,
                                       .max_features = DRIFT_COLUMNS_MAX - (r->score != NULL),
                                       .header = (const char *const *)r->header,
                                       .n_header = r->n_header};
    w->table = drift_table_new(&set);
}

static void work_release(struct work *w)
{
    drift_compare_report_release(&w->report);
    for (int i = 0; i < DRIFT_N_CHAIN; i++) {
        drift_binding_free(w->binding[i]);
        drift_summary_free(w->counts.current[i]);
    }
    drift_baseline_free(w->counts.baseline);
    drift_builder_free(w->builder);
    drift_table_free(w->table);
}

static int check_roles(const struct work *w, struct drift_err *err)
{
    const struct drift_compare_request *r = w->request;
    const struct drift_baseline_chain *chain = w->counts.baseline->chain;
    const char *absent = NULL;
    if (r->label && !chain[DRIFT_CHAIN_LABEL].layout->n_columns)
        absent = r->label;
    if (r->score && drift_layout_find(chain[DRIFT_CHAIN_INPUT].layout, DRIFT_SCORE, NULL) < 0)
        absent = r->score;
    return absent ? drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_STOP, "%s has no column %s", r->file[0], absent) : 0;
}

static int check_header(struct work *w, struct drift_err *err)
{
    const struct drift_compare_request *r = w->request;
    bool json[2] = {false};
    int rc = 0;
    for (int i = 0; i < 2 && !rc && r->n_header; i++)
        rc = drift_table_is_json(w->table, r->file[i], &json[i], err);
    if (!rc && json[0] && json[1])
        rc = drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP,
                        "--header names the columns of CSV files, and both are NDJSON: leave it out");
    return rc;
}

/* A name that no column has does nothing, which may be a slip. */
static void warn_of_names(const struct work *w)
{
    const struct drift_compare_request *r = w->request;
    char name[80];
    for (size_t i = 0; i < r->n_types + r->n_columns; i++) {
        bool type = i < r->n_types;
        const char *glob = type ? r->types[i].name : r->columns[i - r->n_types];
        if (!drift_table_matches(w->table, glob))
            fprintf(stderr, "driftd compare: --%s %s: neither file has such a column\n", type ? "types" : "columns",
                    drift_printable(glob, name, sizeof name));
    }
}

static int count(struct work *w, struct drift_err *err)
{
    const char *const *file = w->request->file;
    struct drift_compare_counts *k = &w->counts;
    int rc = check_header(w, err);
    if (!rc)
        rc = drift_table_infer(w->table, file[0], err);
    if (!rc)
        rc = drift_table_read(w->table, file[0], "choosing cells", survey, w, &k->rows[0], err);
    if (!rc && (rc = drift_builder_freeze(w->builder, err)) == DRIFT_E_EMPTY)
        rc = drift_fail(err, DRIFT_E_EMPTY, DRIFT_STOP, "%s has no value in the columns to compare", file[0]);
    if (!rc)
        rc = drift_table_read(w->table, file[0], "counting", count_baseline, w, &k->rows[0], err);
    if (!rc)
        rc = drift_builder_finish(w->builder, "compare", NULL, NULL, 0, &k->baseline, err);
    for (int i = 0; i < DRIFT_N_CHAIN && !rc; i++) {
        struct drift_layout *l = k->baseline->chain[i].layout;
        k->current[i] = drift_summary_new(l);
        if (l->n_columns)
            w->binding[i] = drift_binding_new(l, &w->stream, &w->model, (enum drift_chain_kind)i);
    }
    if (!rc)
        rc = check_roles(w, err);
    if (!rc)
        rc = drift_table_read(w->table, file[1], "counting", count_current, w, &k->rows[1], err);
    if (!rc)
        warn_of_names(w);
    return rc;
}

/* ---- the values ---- */

static void collect(void *ctx, const struct drift_event *ev)
{
    drift_values_row(ctx, ev);
}

static int read_values(void *ctx, int side, struct drift_collector *collector, struct drift_err *err)
{
    struct work *w = ctx;
    char what[48];
    uint64_t rows;
    w->reading += !side;
    snprintf(what, sizeof what, "values, reading %d", w->reading);
    return drift_table_read(w->table, w->request->file[side], what, collect, collector, &rows, err);
}

static void use_values(void *ctx, const struct drift_values *v)
{
    struct work *w = ctx;
    drift_exact_init(&w->report.rows[v->at].exact, v, &w->request->what);
}

/* Rows of the report are still in the order of the columns. */
static int values(struct work *w, struct drift_err *err)
{
    struct drift_compare_report *rep = &w->report;
    struct drift_values_column *columns = drift_xcalloc(rep->n ? rep->n : 1, sizeof *columns);
    for (size_t i = 0, at = 0; i < DRIFT_N_CHAIN; i++) {
        const struct drift_baseline_chain *c = &w->counts.baseline->chain[i];
        for (uint32_t j = 0; j < c->layout->n_columns; j++, at++) {
            columns[at].column = &c->layout->columns[j];
            const uint64_t *cells[2] = {drift_summary_cells(c->pooled, columns[at].column),
                                        drift_summary_cells(w->counts.current[i], columns[at].column)};
            for (int side = 0; side < 2; side++)
                for (uint32_t cell = 0; cell < columns[at].column->n_cells; cell++)
                    columns[at].n[side] += cells[side][cell];
        }
    }
    int rc = drift_values_each(columns, rep->n, w->request->memory, read_values, use_values, w, err);
    free(columns);
    return rc;
}

/* ---- all of it ---- */

static int exit_status(int rc, const struct drift_err *err)
{
    return drift_cli_fail(rc == DRIFT_E_IO ? DRIFT_EXIT_UNAVAILABLE : DRIFT_EXIT_USAGE, "compare", "%s", err->text);
}

static int compare(struct work *w)
{
    const struct drift_compare_request *r = w->request;
    struct drift_err err = {.text = ""};
    int rc = count(w, &err);
    if (!rc) {
        drift_compare_report_init(&w->report, r, &w->counts);
        rc = r->exact ? values(w, &err) : 0;
    }
    if (rc)
        return exit_status(rc, &err);
    drift_compare_report_finish(&w->report);
    if (r->format == DRIFT_COMPARE_JSON)
        drift_compare_json(&w->report);
    else
        drift_compare_text(&w->report, r->format == DRIFT_COMPARE_MARKDOWN);
    return r->fail_on && w->report.worst >= r->fail_on ? DRIFT_EXIT_FOUND : DRIFT_EXIT_OK;
}

int drift_cmd_compare(int argc, char **argv)
{
    struct drift_compare_request r;
    struct work w;
    int status = parse(argc, argv, &r);
    if (status)
        return status - 1;
    work_init(&w, &r);
    status = compare(&w);
    work_release(&w);
    return status;
}
