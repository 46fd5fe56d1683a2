/* src/cli/compare.c    `driftd compare`: every measure of two files' columns, without servers.
 *
 * The first file is made into a baseline by the very builder of `baseline build`, the second is counted on its cells
 * like a window: what compare says is what the daemon would say of these rows. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/baseline/builder.h"
#include "driftd/internal/cli.h"
#include "driftd/internal/cli/source.h"
#include "driftd/internal/cli/table.h"
#include "driftd/internal/window/count.h"

enum { LIST_MAX = 1024 };

static const char help[] =
    "usage: driftd compare BASELINE CURRENT [--format table|json] [--fail-on warning|critical]\n"
    "                      [--columns GLOB,...] [--types NAME:category,...] [--header NAME,...]\n"
    "                      [--label COLUMN] [--score COLUMN] [--warning .1] [--critical .25] [--p P]\n\n"
    "Compares two CSV (RFC 4180) or NDJSON files, gzipped or not, column by column.  Needs no server.  - is standard\n"
    "input; it and pipes are kept in TMPDIR, since files are read several times.\n"
    "The verdict of a column is that of the daemon's default rules: PSI (noise-corrected) at --warning and "
    "--critical,\n"
    "and the rise of null, missing, invalid and unseen values at .05 and .2; each only with a p-value below P.\n\n"
    "      --format F      table (default) or json\n"
    "      --fail-on S     exit status 1 when a column is at S or above\n"
    "      --columns L     only these columns, with * and ?\n"
    "      --types L       kinds, when the data do not tell: NAME:number or NAME:category, with * and ?\n"
    "      --header L      names of the columns of CSV files without a header\n"
    "      --label C       column with labels: categories\n"
    "      --score C       column with the model's score: a number\n"
    "      --warning X     PSI level of a warning, .1\n"
    "      --critical X    PSI level that is critical, .25\n"
    "      --p P           significance gate; default .001 divided by the columns; 1 switches it off\n\n"
    "exit status: 0 good, 1 found at --fail-on, 2 usage or malformed file, 69 a file cannot be read\n\n"
    "examples:\n"
    "  driftd compare train.csv today.csv.gz\n"
    "  driftd compare train.csv today.csv --types zip:category,*_id:category --label fraud\n"
    "  driftd compare base.ndjson new.ndjson --format json --fail-on critical\n"
    "  zcat today/*.csv.gz | driftd compare train.csv - --header amount,country,age\n";

struct request {
    const char *file[2];
    bool json;
    enum drift_severity fail_on;
    char *columns[LIST_MAX];
    size_t n_columns;
    struct drift_feature_type types[LIST_MAX];
    size_t n_types;
    char *header[LIST_MAX];
    size_t n_header;
    const char *label, *score;
    double warning, critical, p; /* p NAN: by the number of columns */
};

/* ---- arguments ---- */

#define USAGE(...) (1 + drift_cli_fail(DRIFT_EXIT_USAGE, "compare", __VA_ARGS__))

static int parse_columns(struct request *r, char *list)
{
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        if (r->n_columns == LIST_MAX)
            return USAGE("--columns: too many names");
        r->columns[r->n_columns++] = name;
    }
    return 0;
}

static int parse_header(struct request *r, char *list)
{
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        if (r->n_header == LIST_MAX)
            return USAGE("--header: too many names");
        r->header[r->n_header++] = name;
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
static int parse_types(struct request *r, char *list)
{
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        char *colon = strrchr(name, ':'), *equal = strrchr(name, '='), *is = colon > equal ? colon : equal;
        if (!is || is == name)
            return USAGE("--types %s: give NAME:number or NAME:category", name);
        *is++ = 0;
        if (r->n_types == LIST_MAX)
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
    return 1 + drift_cli_fail(DRIFT_EXIT_USAGE, "compare", "--%s %s: not a number above 0%s", name, text,
                              most <= 1 ? ", at most 1" : "");
}

static int parse_choice(struct request *r, int opt, const char *text)
{
    bool found = true;
    if (opt == 'f')
        found = (r->json = !strcmp(text, "json")) || !strcmp(text, "table");
    else if (!strcmp(text, "warning"))
        r->fail_on = DRIFT_SEV_WARNING;
    else if (!strcmp(text, "critical"))
        r->fail_on = DRIFT_SEV_CRITICAL;
    else
        found = false;
    if (found)
        return 0;
    return opt == 'f' ? USAGE("--format %s: not table or json", text)
                      : USAGE("--fail-on %s: not warning or critical", text);
}

/* 0, or an exit status + 1. */
static int parse(int argc, char **argv, struct request *r)
{
    static const struct option options[] = {
        {"format", required_argument, NULL, 'f'},   {"fail-on", required_argument, NULL, 'o'},
        {"columns", required_argument, NULL, 'c'},  {"types", required_argument, NULL, 't'},
        {"header", required_argument, NULL, 'n'},   {"label", required_argument, NULL, 'l'},
        {"score", required_argument, NULL, 's'},    {"warning", required_argument, NULL, 'w'},
        {"critical", required_argument, NULL, 'k'}, {"p", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},           {0}};
    int opt, rc = 0;
    *r = (struct request){.warning = .1, .critical = .25, .p = NAN};
    while (!rc && (opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (opt) {
        case 'f':
        case 'o':
            rc = parse_choice(r, opt, optarg);
            break;
        case 'c':
            rc = parse_columns(r, optarg);
            break;
        case 't':
            rc = parse_types(r, optarg);
            break;
        case 'n':
            rc = parse_header(r, optarg);
            break;
        case 'l':
            r->label = optarg;
            break;
        case 's':
            r->score = optarg;
            break;
        case 'w':
            rc = parse_level("warning", optarg, INFINITY, &r->warning);
            break;
        case 'k':
            rc = parse_level("critical", optarg, INFINITY, &r->critical);
            break;
        case 'p':
            rc = parse_level("p", optarg, 1, &r->p);
            break;
        case 'h':
            fputs(help, stdout);
            return 1 + DRIFT_EXIT_OK;
        default:
            return 1 + DRIFT_EXIT_USAGE;
        }
    }
    if (!rc && argc - optind != 2)
        rc = USAGE("give two files, the baseline first");
    if (!rc && r->warning > r->critical)
        rc = USAGE("--warning is above --critical");
    if (!rc && r->label && r->score && !strcmp(r->label, r->score))
        rc = USAGE("%s cannot be label and score", r->label);
    if (!rc && !strcmp(argv[optind], "-") && !strcmp(argv[optind + 1], "-"))
        rc = USAGE("only one of the files can be standard input");
    for (int i = 0; i < 2 && !rc; i++)
        r->file[i] = argv[optind + i];
    return rc;
}

/* ---- counting ---- */

/* Both files as counts on the first one's cells. */
struct counts {
    struct drift_stream stream;
    struct drift_model model;
    struct drift_builder *builder;
    struct drift_baseline *baseline;
    struct drift_binding *binding[DRIFT_N_CHAIN];
    struct drift_summary *current[DRIFT_N_CHAIN];
    uint64_t rows[2];
};

static void survey(void *ctx, const struct drift_event *ev)
{
    struct counts *k = ctx;
    drift_builder_survey(k->builder, ev, &k->stream);
}

static void count_baseline(void *ctx, const struct drift_event *ev)
{
    struct counts *k = ctx;
    drift_builder_count(k->builder, ev, &k->stream);
}

static void count_current(void *ctx, const struct drift_event *ev)
{
    struct counts *k = ctx;
    for (int i = 0; i < DRIFT_N_CHAIN; i++)
        if (k->binding[i])
            drift_binding_count(k->binding[i], ev, k->current[i]);
}

static void counts_release(struct counts *k)
{
    for (int i = 0; i < DRIFT_N_CHAIN; i++) {
        drift_binding_free(k->binding[i]);
        drift_summary_free(k->current[i]);
    }
    drift_baseline_free(k->baseline);
    drift_builder_free(k->builder);
}

static void counts_init(struct counts *k, struct request *r)
{
    static const struct drift_builder_settings settings = {.window_ms = 0};
    static char all[] = "*", name[] = "compare", record[] = "";
    *k = (struct counts){
        .stream = {.name = name,
                   .features = record,
                   .score = (char *)(uintptr_t)r->score,
                   .label = (char *)(uintptr_t)r->label},
        .model = {.name = name, .include = all, .threshold = NAN, .n_types = r->n_types, .types = r->types}};
    k->builder = drift_builder_new(&k->model, &settings);
}

static int count(struct counts *k, const struct request *r, struct drift_table *t, struct drift_err *err)
{
    int rc = drift_table_infer(t, r->file[0], err);
    if (!rc)
        rc = drift_table_read(t, r->file[0], "pass 1 of 3", survey, k, &k->rows[0], err);
    if (!rc && (rc = drift_builder_freeze(k->builder, err)) == DRIFT_E_EMPTY)
        rc = drift_fail(err, DRIFT_E_EMPTY, DRIFT_STOP, "%s has no value in the columns to compare", r->file[0]);
    if (!rc)
        rc = drift_table_read(t, r->file[0], "pass 2 of 3", count_baseline, k, &k->rows[0], err);
    if (!rc)
        rc = drift_builder_finish(k->builder, "compare", NULL, NULL, 0, &k->baseline, err);
    for (int i = 0; i < DRIFT_N_CHAIN && !rc; i++) {
        struct drift_layout *l = k->baseline->chain[i].layout;
        k->current[i] = drift_summary_new(l);
        if (l->n_columns)
            k->binding[i] = drift_binding_new(l, &k->stream, &k->model, (enum drift_chain_kind)i);
    }
    if (!rc && r->label && !k->baseline->chain[DRIFT_CHAIN_LABEL].layout->n_columns)
        rc = drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_STOP, "%s has no column %s", r->file[0], r->label);
    if (!rc && r->score && drift_layout_find(k->baseline->chain[DRIFT_CHAIN_INPUT].layout, DRIFT_SCORE, NULL) < 0)
        rc = drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_STOP, "%s has no column %s", r->file[0], r->score);
    if (!rc)
        rc = drift_table_read(t, r->file[1], "pass 3 of 3", count_current, k, &k->rows[1], err);
    return rc;
}

/* ---- judging ---- */

static const struct {
    enum drift_measure_id id;
    double warning, critical; /* 0: those of the command line */
} watched[] = {
    {DRIFT_MEASURE_PSI, 0, 0},
    {DRIFT_MEASURE_NULL_RATE, .05, .2},
    {DRIFT_MEASURE_MISSING_RATE, .05, .2},
    {DRIFT_MEASURE_INVALID_RATE, .05, .2},
    {DRIFT_MEASURE_UNSEEN_RATE, .05, .2},
};

struct row {
    const struct drift_column *column;
    struct drift_measure m[DRIFT_N_MEASURE];
    enum drift_severity severity;
    enum drift_measure_id why; /* measure that gave the severity */
};

struct report {
    size_t n;
    struct row *rows; /* worst first */
    double gate;
    enum drift_severity worst;
};

static void judge(struct row *row, const struct request *r, double gate)
{
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) {
        const struct drift_measure *m = &row->m[watched[i].id];
        double warning = watched[i].warning > 0 ? watched[i].warning : r->warning;
        double critical = watched[i].critical > 0 ? watched[i].critical : r->critical;
        if (m->why || (gate < 1 && !(m->p_value < gate)))
            continue;
        enum drift_severity s = m->effect >= critical  ? DRIFT_SEV_CRITICAL
                                : m->effect >= warning ? DRIFT_SEV_WARNING
                                                       : DRIFT_SEV_NONE;
        if (s > row->severity) {
            row->severity = s;
            row->why = watched[i].id;
        }
    }
}

static int worst_first(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    double p = x->m[DRIFT_MEASURE_PSI].effect, q = y->m[DRIFT_MEASURE_PSI].effect;
    if (x->severity != y->severity)
        return x->severity > y->severity ? -1 : 1;
    if (p != q)
        return p > q ? -1 : 1;
    return strcmp(x->column->name, y->column->name);
}

static void report_make(struct report *rep, const struct request *r, const struct counts *k)
{
    size_t n = 0;
    for (int i = 0; i < DRIFT_N_CHAIN; i++)
        n += k->baseline->chain[i].layout->n_columns;
    *rep = (struct report){.rows = drift_xcalloc(n, sizeof *rep->rows), .gate = isnan(r->p) ? .001 / (double)n : r->p};
    for (int i = 0; i < DRIFT_N_CHAIN; i++) {
        const struct drift_baseline_chain *c = &k->baseline->chain[i];
        for (uint32_t j = 0; j < c->layout->n_columns; j++) {
            struct row *row = &rep->rows[rep->n++];
            row->column = &c->layout->columns[j];
            drift_measure_column(row->column, c->pooled->counts + row->column->first,
                                 k->current[i]->counts + row->column->first, row->m);
            judge(row, r, rep->gate);
            if (row->severity > rep->worst)
                rep->worst = row->severity;
        }
    }
    qsort(rep->rows, rep->n, sizeof *rep->rows, worst_first);
}

/* ---- telling ---- */

static const char *verdict_text(enum drift_severity s)
{
    return s == DRIFT_SEV_NONE ? "ok" : drift_severity_name(s);
}

static const char *number(const struct drift_measure *m, double v, char *buf, size_t cap)
{
    if (m->why)
        snprintf(buf, cap, "-");
    else
        snprintf(buf, cap, "%.4f", v);
    return buf;
}

static const char *percent(const struct drift_measure *m, char *buf, size_t cap)
{
    if (m->why)
        snprintf(buf, cap, "-");
    else
        snprintf(buf, cap, "%.2f>%.2f", 100 * m->baseline, 100 * m->value);
    return buf;
}

static void print_row(const struct row *row)
{
    const struct drift_measure *m = row->m, *ks = &m[DRIFT_MEASURE_KS];
    char psi[24], p[24], d[48] = "-", js[24], v[24], nulls[32], other[32], name[29];
    bool numeric = row->column->kind == DRIFT_NUMERIC;
    if (!ks->why)
        snprintf(d, sizeof d, "%.4f..%.4f", ks->low, ks->high);
    if (m[DRIFT_MEASURE_PSI].why)
        snprintf(p, sizeof p, "-");
    else
        snprintf(p, sizeof p, "%.2g", m[DRIFT_MEASURE_PSI].p_value);
    printf("%-8s  %-28s %-5s %8s %8s %15s %7s %7s %14s %14s  %s\n", verdict_text(row->severity),
           drift_printable(row->column->name, name, sizeof name), numeric ? "num" : "cat",
           number(&m[DRIFT_MEASURE_PSI], m[DRIFT_MEASURE_PSI].effect, psi, sizeof psi), p, d,
           number(&m[DRIFT_MEASURE_JS], m[DRIFT_MEASURE_JS].effect, js, sizeof js),
           number(&m[DRIFT_MEASURE_CHI2], m[DRIFT_MEASURE_CHI2].effect, v, sizeof v),
           percent(&m[DRIFT_MEASURE_NULL_RATE], nulls, sizeof nulls),
           percent(&m[numeric ? DRIFT_MEASURE_OUT_OF_RANGE_RATE : DRIFT_MEASURE_UNSEEN_RATE], other, sizeof other),
           row->severity              ? drift_measure_name(row->why)
           : m[DRIFT_MEASURE_PSI].why ? drift_why_name(m[DRIFT_MEASURE_PSI].why)
                                      : "");
}

static void print_table(const struct report *rep, const struct request *r, const struct counts *k)
{
    const struct drift_tally *new = &k->current[DRIFT_CHAIN_INPUT]->tally[DRIFT_TALLY_NEW_FIELD];
    char text[DRIFT_TALLY_TEXT];
    printf("baseline %s: %" PRIu64 " rows; current %s: %" PRIu64 " rows\n\n", r->file[0], k->rows[0], r->file[1],
           k->rows[1]);
    printf("%-8s  %-28s %-5s %8s %8s %15s %7s %7s %14s %14s  %s\n", "verdict", "column", "kind", "psi", "p", "ks", "js",
           "chi2 V", "null %", "outside %", "why");
    for (size_t i = 0; i < rep->n; i++)
        print_row(&rep->rows[i]);
    for (uint32_t i = 0; i < new->n; i++)
        printf("new       %s\n", drift_printable(new->slots[i].text, text, sizeof text));
    printf("\noutside: beyond the baseline's range (numbers), unseen categories; p gate %.2g; verdict: %s\n", rep->gate,
           verdict_text(rep->worst));
}

/* Names of files and columns need not be UTF-8. */
static json_t *text_json(const char *s)
{
    json_t *j = json_string(s);
    return j ? j : json_string("(not UTF-8)");
}

static json_t *measure_json(const struct drift_measure *m)
{
    json_t *o = json_object();
    if (m->why) {
        json_object_set_new(o, "why", json_string(drift_why_name(m->why)));
        return o;
    }
    json_object_set_new(o, "effect", json_real(m->effect));
    json_object_set_new(o, "value", json_real(m->value));
    json_object_set_new(o, "baseline", json_real(m->baseline));
    json_object_set_new(o, "low", json_real(m->low));
    json_object_set_new(o, "high", json_real(m->high));
    if (m->has_p)
        json_object_set_new(o, "p", json_real(m->p_value));
    if (m->dof > 0)
        json_object_set_new(o, "dof", json_real(m->dof));
    return o;
}

static json_t *row_json(const struct row *row)
{
    json_t *o = json_object(), *all = json_object();
    json_object_set_new(o, "column", text_json(row->column->name));
    json_object_set_new(o, "role", json_string(drift_role_name(row->column->role)));
    json_object_set_new(o, "kind", json_string(row->column->kind == DRIFT_NUMERIC ? "numeric" : "categorical"));
    json_object_set_new(o, "verdict", json_string(verdict_text(row->severity)));
    json_object_set_new(o, "why", row->severity ? json_string(drift_measure_name(row->why)) : json_null());
    for (int i = 0; i < DRIFT_N_MEASURE; i++)
        if (drift_measure_applies((enum drift_measure_id)i, row->column->kind) && i != DRIFT_MEASURE_VOLUME)
            json_object_set_new(all, drift_measure_name((enum drift_measure_id)i), measure_json(&row->m[i]));
    json_object_set_new(o, "measures", all);
    return o;
}

static void print_json(const struct report *rep, const struct request *r, const struct counts *k)
{
    static const char *const side[] = {"baseline", "current"};
    const struct drift_tally *new = &k->current[DRIFT_CHAIN_INPUT]->tally[DRIFT_TALLY_NEW_FIELD];
    json_t *o = json_object(), *rows = json_array(), *fresh = json_array();
    for (int i = 0; i < 2; i++)
        json_object_set_new(o, side[i],
                            json_pack("{s:o, s:I}", "file", text_json(r->file[i]), "rows", (json_int_t)k->rows[i]));
    json_object_set_new(o, "verdict", json_string(verdict_text(rep->worst)));
    json_object_set_new(o, "p_gate", json_real(rep->gate));
    for (size_t i = 0; i < rep->n; i++)
        json_array_append_new(rows, row_json(&rep->rows[i]));
    for (uint32_t i = 0; i < new->n; i++)
        json_array_append_new(fresh, text_json(new->slots[i].text));
    json_object_set_new(o, "columns", rows);
    json_object_set_new(o, "new_columns", fresh);
    json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
}

static int exit_status(int rc, const struct drift_err *err)
{
    return drift_cli_fail(rc == DRIFT_E_IO ? DRIFT_EXIT_UNAVAILABLE : DRIFT_EXIT_USAGE, "compare", "%s", err->text);
}

int drift_cmd_compare(int argc, char **argv)
{
    struct request r;
    struct counts k;
    struct report rep;
    struct drift_err err = {.text = ""};
    int status = parse(argc, argv, &r);
    if (status)
        return status - 1;
    counts_init(&k, &r);
    struct drift_table_settings set = {.model = &k.model,
                                       .label = r.label,
                                       .score = r.score,
                                       .columns = (const char *const *)r.columns,
                                       .n_columns = r.n_columns,
                                       .header = (const char *const *)r.header,
                                       .n_header = r.n_header};
    struct drift_table *t = drift_table_new(&set);
    int rc = count(&k, &r, t, &err);
    if (rc) {
        status = exit_status(rc, &err);
    } else {
        report_make(&rep, &r, &k);
        (r.json ? print_json : print_table)(&rep, &r, &k);
        status = r.fail_on && rep.worst >= r.fail_on ? DRIFT_EXIT_FOUND : DRIFT_EXIT_OK;
        free(rep.rows);
    }
    counts_release(&k);
    drift_table_free(t);
    return status;
}
