/* src/cli/detect.c    `driftd detect`: a well-known change detector over a column of a file, without servers. */
#include "driftd/internal/cli/detect.h"

#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/cli.h"
#include "driftd/internal/cli/source.h"
#include "driftd/internal/cli/table.h"
#include "driftd/internal/config/detectors.h"
#include "driftd/internal/window/count.h"

static const char help[] =
    "usage: driftd detect --detector NAME (--column NAME | --mismatch NAME,NAME) FILE\n"
    "                     [--param NAME=VALUE]... [--where NAME=TEXT]... [--header NAME,...]\n"
    "                     [--format table|json] [--limit N] [--fail-on warning|drift]\n"
    "       driftd detect --detectors\n\n"
    "Gives the values of a column of a CSV (RFC 4180) or NDJSON file, gzipped or not, to a change\n"
    "detector, one after the other, and says where it sees warnings and drifts.  Needs no server; - is\n"
    "standard input.  For the drift of windows against a baseline use driftd run or driftd compare.\n\n"
    "  -d, --detector D    adwin, page_hinkley, cusum, ewma, ddm, eddm, hddm_a, hddm_w or kswin\n"
    "  -p, --param P=V     a parameter of it; may be repeated\n"
    "      --detectors     lists all detectors with their parameters, ranges and defaults\n"
    "  -c, --column C      the values: numbers, or true and false\n"
    "      --mismatch A,B  the values: 1 where two columns differ (a decision and its label), else 0\n"
    "      --where C=T     only rows whose column C is T, or with != is not; may be repeated\n"
    "      --header L      names of the columns of a CSV file without a header\n"
    "      --format F      table (default) or json\n"
    "      --limit N       print no more than N drifts and N warnings, 1000; all are counted\n"
    "      --fail-on L     exit status 1 when there is a warning, or a drift\n\n"
    "Empty values and those that are not finite are left out and counted.  `at` counts values from 0, `row`\n"
    "records from 1; a warning is where a run of warnings begins.\n\n"
    "exit status: 0 good, 1 found at --fail-on, 2 usage or malformed file, 69 a file cannot be read\n\n"
    "examples:\n"
    "  driftd detect --detector adwin --param delta=0.002 --column error errors.csv\n"
    "  driftd detect -d ddm --mismatch decision,label --where split!=fit scores.csv.gz\n"
    "  driftd detect -d kswin -p alpha=1e-4 -c latency_ms --format json requests.ndjson\n";

/* ---- arguments ---- */

#define USAGE(...) (1 + drift_cli_fail(DRIFT_EXIT_USAGE, "detect", __VA_ARGS__))

struct arguments {
    struct drift_detect_request *q;
    bool has_kind;
    char *params[DRIFT_DETECTOR_PARAMS_MAX * 4];
    size_t n_params;
};

static int param_apply(struct drift_detect_request *q, char *text)
{
    struct drift_err err;
    char *is = strchr(text, '=');
    if (!is)
        return USAGE("--param %s: give NAME=VALUE", text);
    *is++ = 0;
    if (drift_detector_set_text(q->kind, &q->settings, text, is, &err))
        return USAGE("--param %s", err.text);
    return 0;
}

/* The first `=` ends the name; one before it makes it "is not". */
static int filter_parse(struct drift_detect_request *q, char *text)
{
    char *is = strchr(text, '=');
    if (!is || is == text || (is == text + 1 && *text == '!'))
        return USAGE("--where %s: give NAME=TEXT or NAME!=TEXT", text);
    if (q->n_filters == DRIFT_DETECT_FILTERS)
        return USAGE("--where: at most %d", DRIFT_DETECT_FILTERS);
    bool differs = is[-1] == '!';
    is[differs ? -1 : 0] = 0;
    q->filters[q->n_filters++] = (struct drift_detect_filter){text, is + 1, differs};
    return 0;
}

static int header_parse(struct drift_detect_request *q, char *list)
{
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        if (q->n_header == DRIFT_DETECT_LIST)
            return USAGE("--header: too many names");
        q->header[q->n_header++] = name;
    }
    return 0;
}

static int mismatch_parse(struct drift_detect_request *q, char *text)
{
    char *comma = strchr(text, ',');
    if (!comma || comma == text || !comma[1])
        return USAGE("--mismatch %s: give two columns, NAME,NAME", text);
    *comma = 0;
    q->column = text;
    q->other = comma + 1;
    return 0;
}

static int choice_parse(struct drift_detect_request *q, int opt, const char *text)
{
    int64_t limit;
    switch (opt) {
    case 'f':
        q->json = !strcmp(text, "json");
        return q->json || !strcmp(text, "table") ? 0 : USAGE("--format %s: not table or json", text);
    case 'o':
        q->fail_on = !strcmp(text, "warning") ? DRIFT_DETECTOR_WARNING : DRIFT_DETECTOR_DRIFT;
        return q->fail_on == DRIFT_DETECTOR_WARNING || !strcmp(text, "drift")
                   ? 0
                   : USAGE("--fail-on %s: not warning or drift", text);
    default:
        if (!drift_i64_parse(text, strlen(text), &limit) || limit < 0 || limit > DRIFT_DETECT_MARKS)
            return USAGE("--limit %s: not a whole number from 0 to %d", text, DRIFT_DETECT_MARKS);
        q->limit = (size_t)limit;
        return 0;
    }
}

/* 0, or an exit status + 1. */
static int option_parse(struct arguments *a, int opt)
{
    switch (opt) {
    case 'd':
        a->has_kind = drift_detector_parse(optarg, &a->q->kind);
        return a->has_kind ? 0 : USAGE("no detector %s: driftd detect --detectors lists them", optarg);
    case 'p':
        if (a->n_params == sizeof a->params / sizeof *a->params)
            return USAGE("--param: too many");
        a->params[a->n_params++] = optarg;
        return 0;
    case 'c':
        a->q->column = optarg;
        a->q->other = NULL;
        return 0;
    case 'm':
        return mismatch_parse(a->q, optarg);
    case 'w':
        return filter_parse(a->q, optarg);
    case 'n':
        return header_parse(a->q, optarg);
    case 'f':
    case 'o':
    case 'l':
        return choice_parse(a->q, opt, optarg);
    case 'D':
        drift_detect_print_kinds();
        return 1 + DRIFT_EXIT_OK;
    case 'h':
        fputs(help, stdout);
        return 1 + DRIFT_EXIT_OK;
    default:
        return 1 + DRIFT_EXIT_USAGE;
    }
}

static int request_check(struct arguments *a, int argc, char **argv)
{
    struct drift_detect_request *q = a->q;
    int rc = 0;
    if (!a->has_kind)
        return USAGE("which detector? --detector NAME; driftd detect --detectors lists them");
    if (!q->column)
        return USAGE("which values? --column NAME, or --mismatch NAME,NAME");
    if (argc - optind != 1)
        return USAGE("give one file");
    q->file = argv[optind];
    drift_detector_defaults(q->kind, &q->settings);
    for (size_t i = 0; i < a->n_params && !rc; i++)
        rc = param_apply(q, a->params[i]);
    return rc;
}

static int parse(int argc, char **argv, struct drift_detect_request *q)
{
    static const struct option options[] = {
        {"detector", required_argument, NULL, 'd'}, {"param", required_argument, NULL, 'p'},
        {"column", required_argument, NULL, 'c'},   {"mismatch", required_argument, NULL, 'm'},
        {"where", required_argument, NULL, 'w'},    {"header", required_argument, NULL, 'n'},
        {"format", required_argument, NULL, 'f'},   {"limit", required_argument, NULL, 'l'},
        {"fail-on", required_argument, NULL, 'o'},  {"detectors", no_argument, NULL, 'D'},
        {"help", no_argument, NULL, 'h'},           {0}};
    struct arguments a = {.q = q};
    int opt, rc = 0;
    *q = (struct drift_detect_request){.limit = 1000};
    while (!rc && (opt = getopt_long(argc, argv, "d:p:c:h", options, NULL)) != -1)
        rc = option_parse(&a, opt);
    return rc ? rc : request_check(&a, argc, argv);
}

/* ---- a row ---- */

enum { COLUMNS_MAX = DRIFT_DETECT_FILTERS + 2, NOWHERE = -1 };

struct run {
    const struct drift_detect_request *q;
    struct drift_detector *detector;
    struct drift_detect_report report;
    /* columns of the request: value, other, filters; where each is among the table's fields */
    const char *name[COLUMNS_MAX];
    int32_t slot[COLUMNS_MAX];
    size_t n_columns;
    uint32_t generation;
    bool bound;
    /* since the last drift */
    uint64_t since;
    double mean;
    enum drift_detector_level level;
    int rc; /* of the first row that is wrong; the rest is passed over */
    struct drift_err err;
};

static void bind(struct run *u, const struct drift_fields *f)
{
    for (size_t i = 0; i < u->n_columns; i++) {
        u->slot[i] = NOWHERE;
        for (uint32_t k = 0; k < f->n; k++)
            if (!strcmp(f->names[k], u->name[i]))
                u->slot[i] = (int32_t)k;
    }
    u->generation = f->generation;
    u->bound = true;
}

static struct drift_value value_of(const struct run *u, const struct drift_event *ev, size_t i)
{
    int32_t at = u->slot[i];
    if (at == NOWHERE)
        return (struct drift_value){.kind = DRIFT_V_ABSENT};
    return (struct drift_value){(enum drift_value_kind)ev->kind[at], ev->num[at], ev->str[at]};
}

static bool is_empty(struct drift_value v)
{
    return v.kind == DRIFT_V_ABSENT || v.kind == DRIFT_V_NULL;
}

static bool is_number(struct drift_value v)
{
    return v.kind == DRIFT_V_NUM || v.kind == DRIFT_V_BOOL;
}

static bool same_value(struct drift_value a, struct drift_value b)
{
    char one[32], two[32];
    if (is_number(a) && is_number(b))
        return a.num == b.num;
    struct drift_str s = drift_value_category(a.kind, a.num, a.str, one);
    struct drift_str t = drift_value_category(b.kind, b.num, b.str, two);
    return s.n == t.n && (!s.n || !memcmp(s.p, t.p, s.n));
}

/* Text of the command line: a number where the value is one. */
static bool same_text(struct drift_value v, const char *text)
{
    char scratch[32];
    double x;
    if (is_empty(v))
        return !*text;
    if (v.kind == DRIFT_V_NUM)
        return drift_f64_parse(text, strlen(text), &x) && x == v.num;
    if (v.kind != DRIFT_V_BOOL && v.kind != DRIFT_V_STR)
        return false;
    return drift_str_eq(drift_value_category(v.kind, v.num, v.str, scratch), text);
}

static bool wanted(const struct run *u, const struct drift_event *ev)
{
    for (size_t i = 0; i < u->q->n_filters; i++)
        if (same_text(value_of(u, ev, 2 + i), u->q->filters[i].text) == u->q->filters[i].differs)
            return false;
    return true;
}

static void refuse(struct run *u, const char *what)
{
    char name[64];
    u->rc = drift_fail(&u->err, DRIFT_E_TYPE, DRIFT_STOP, "%s: record %" PRIu64 ": %s is %s", u->q->file,
                       u->report.rows, drift_printable(u->q->column, name, sizeof name), what);
}

/* 1: a value; 0: none, counted; negative: the row is wrong. */
static int value_take(struct run *u, const struct drift_event *ev, double *ret)
{
    struct drift_value v = value_of(u, ev, 0), w = value_of(u, ev, 1);
    if (is_empty(v) || (u->q->other && is_empty(w))) {
        u->report.empty++;
        return 0;
    }
    if (u->q->other) {
        *ret = !same_value(v, w);
        return 1;
    }
    if (v.kind == DRIFT_V_NONFINITE) {
        u->report.nonfinite++;
        return 0;
    }
    if (!is_number(v)) {
        refuse(u, "not a number");
        return -1;
    }
    *ret = v.num;
    return 1;
}

static void mark_add(struct drift_detect_marks *m, struct drift_detect_mark mark)
{
    m->n++;
    if (m->n_kept == DRIFT_DETECT_MARKS)
        return;
    if (m->n_kept == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 64;
        m->mark = drift_xrealloc(m->mark, m->cap, sizeof *m->mark);
    }
    m->mark[m->n_kept++] = mark;
}

static void value_add(struct run *u, double x)
{
    struct drift_detect_report *r = &u->report;
    enum drift_detector_level before = u->level;
    if (drift_detector_add(u->detector, x, &u->level)) {
        refuse(u, "a value that this detector does not take: see driftd detect --detectors");
        return;
    }
    u->mean += (x - u->mean) / (double)++u->since;
    struct drift_detect_mark mark = {.at = r->values++, .row = r->rows, .value = x, .mean = u->mean};
    if (u->level == DRIFT_DETECTOR_DRIFT) {
        mark_add(&r->drifts, mark);
        u->since = 0;
        u->mean = 0;
    } else if (u->level == DRIFT_DETECTOR_WARNING && before != u->level) {
        mark_add(&r->warnings, mark);
    }
}

static void on_row(void *ctx, const struct drift_event *ev)
{
    struct run *u = ctx;
    double x;
    if (u->rc)
        return;
    u->report.rows++;
    if (!u->bound || ev->fields->generation != u->generation)
        bind(u, ev->fields);
    if (!wanted(u, ev))
        u->report.filtered++;
    else if (value_take(u, ev, &x) > 0)
        value_add(u, x);
}

/* ---- the run ---- */

static int missing_column(const struct run *u, struct drift_err *err)
{
    char name[64];
    for (size_t i = 0; i < u->n_columns; i++)
        if (u->slot[i] == NOWHERE && u->name[i])
            return drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_STOP, "%s has no column %s", u->q->file,
                              drift_printable(u->name[i], name, sizeof name));
    return 0;
}

static int run_file(struct run *u, struct drift_err *err)
{
    static const struct drift_model model = {0};
    uint64_t rows;
    struct drift_table_settings set = {
        .model = &model, .header = (const char *const *)u->q->header, .n_header = u->q->n_header};
    struct drift_table *t = drift_table_new(&set);
    int rc = drift_table_read(t, u->q->file, "detect", on_row, u, &rows, err);
    drift_table_free(t);
    if (!rc && u->rc) {
        *err = u->err;
        rc = u->rc;
    }
    if (!rc && !u->report.rows)
        rc = drift_fail(err, DRIFT_E_EMPTY, DRIFT_STOP, "%s has no record", u->q->file);
    return rc ? rc : missing_column(u, err);
}

static void run_init(struct run *u, const struct drift_detect_request *q)
{
    *u = (struct run){.q = q, .n_columns = 2 + q->n_filters};
    u->name[0] = q->column;
    u->name[1] = q->other ? q->other : q->column;
    for (size_t i = 0; i < q->n_filters; i++)
        u->name[2 + i] = q->filters[i].column;
}

void drift_detect_report_release(struct drift_detect_report *r)
{
    free(r->drifts.mark);
    free(r->warnings.mark);
}

static int exit_status(const struct drift_detect_request *q, const struct drift_detect_report *r)
{
    uint64_t found = q->fail_on == DRIFT_DETECTOR_QUIET     ? 0
                     : q->fail_on == DRIFT_DETECTOR_WARNING ? r->warnings.n + r->drifts.n
                                                            : r->drifts.n;
    return found ? DRIFT_EXIT_FOUND : DRIFT_EXIT_OK;
}

int drift_cmd_detect(int argc, char **argv)
{
    struct drift_detect_request q;
    struct drift_err err = {.text = ""};
    struct run u;
    int status = parse(argc, argv, &q);
    if (status)
        return status - 1;
    run_init(&u, &q);
    if (drift_detector_new(q.kind, &q.settings, &u.detector))
        return drift_cli_fail(DRIFT_EXIT_USAGE, "detect",
                              "the parameters of %s do not go together: a warning beyond the drift, or a level that "
                              "samples of this size cannot reach",
                              drift_detector_name(q.kind));
    int rc = run_file(&u, &err);
    if (rc) {
        status = drift_cli_fail(rc == DRIFT_E_IO ? DRIFT_EXIT_UNAVAILABLE : DRIFT_EXIT_USAGE, "detect", "%s", err.text);
    } else {
        (q.json ? drift_detect_print_json : drift_detect_print_text)(&q, &u.report);
        status = exit_status(&q, &u.report);
    }
    drift_detect_report_release(&u.report);
    drift_detector_free(u.detector);
    return status;
}
