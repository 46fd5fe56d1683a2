/* tests/bench/detect/detect_windows.c    driftd's side of `make bench-detect`: alarms of the sequential evidence on
 * rows that are cut into windows by number.
 *
 *     detect_windows DATA A...        one JSON line a run
 *
 * The baseline is made by the builder of `driftd baseline build`, windows included, then phase I and the engine as
 * the judge runs them.  For each A (mean windows between false alarms) the engine runs by itself; an alarm starts it
 * anew, so that every alarm counts.  DATA, little endian:
 *     "DRFTWIN1" | u32 columns, rows, runs, run rows, baseline rows, window rows | i64 window_ms
 *     per column: u8 kind (1 numeric, 2 categorical) | u8 length | name
 *     f64 [rows][columns], NaN = null; a category is its number | u32 [runs][run rows]: which row comes when */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/evidence.h"
#include "driftd/internal/baseline/builder.h"
#include "driftd/internal/window/count.h"

enum { COLUMNS_MAX = 512, LEVELS_MAX = 16, ROWS_MAX = 1 << 24, RUNS_MAX = 1 << 16, TEXT = 32 };

struct data {
    uint32_t n_columns, n_rows, n_runs, run_rows, baseline_rows, window_rows;
    int64_t window_ms;
    char *name[COLUMNS_MAX];
    struct drift_feature_type type[COLUMNS_MAX];
    double *value;
    uint32_t *order;
};

/* One row as the decoders would give it. */
struct row {
    struct drift_fields fields;
    struct drift_event ev;
    double num[COLUMNS_MAX];
    uint8_t kind[COLUMNS_MAX];
    struct drift_str str[COLUMNS_MAX];
    char text[COLUMNS_MAX][TEXT];
};

static char everything[] = "*", stream_name[] = "rows", record[] = "";
static const struct drift_stream stream = {.name = stream_name, .features = record};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "detect_windows: %s\n", what);
    exit(2);
}

static void take(FILE *f, void *to, size_t size, size_t n)
{
    must(fread(to, size, n, f) == n, "the file ends early");
}

static void read_columns(FILE *f, struct data *d)
{
    for (uint32_t i = 0; i < d->n_columns; i++) {
        uint8_t head[2];
        take(f, head, 1, 2);
        must(head[0] == DRIFT_NUMERIC || head[0] == DRIFT_CATEGORICAL, "unknown kind of column");
        d->name[i] = drift_xcalloc(head[1] + 1u, 1);
        take(f, d->name[i], 1, head[1]);
        d->type[i] = (struct drift_feature_type){d->name[i], (enum drift_kind)head[0]};
    }
}

static void read_data(const char *path, struct data *d)
{
    FILE *f = fopen(path, "rbe");
    char magic[8];
    must(f != NULL, "cannot read the data");
    take(f, magic, 1, 8);
    must(!memcmp(magic, "DRFTWIN1", 8), "not a file of windows");
    take(f, &d->n_columns, 4, 6); /* six in a row */
    take(f, &d->window_ms, 8, 1);
    must(d->n_columns && d->n_columns <= COLUMNS_MAX && d->n_rows && d->n_rows <= ROWS_MAX && d->n_runs &&
             d->n_runs <= RUNS_MAX && d->run_rows <= ROWS_MAX && d->window_rows && d->baseline_rows >= d->window_rows &&
             d->baseline_rows < d->run_rows && d->window_ms > 0,
         "sizes out of range");
    read_columns(f, d);
    d->value = drift_xcalloc((size_t)d->n_rows * d->n_columns, sizeof *d->value);
    take(f, d->value, sizeof *d->value, (size_t)d->n_rows * d->n_columns);
    d->order = drift_xcalloc((size_t)d->n_runs * d->run_rows, sizeof *d->order);
    take(f, d->order, sizeof *d->order, (size_t)d->n_runs * d->run_rows);
    for (size_t i = 0; i < (size_t)d->n_runs * d->run_rows; i++)
        must(d->order[i] < d->n_rows, "an order names a row that is not there");
    fclose(f);
}

static void data_release(struct data *d)
{
    for (uint32_t i = 0; i < d->n_columns; i++)
        free(d->name[i]);
    free(d->value);
    free(d->order);
}

static void row_init(struct row *r, const struct data *d)
{
    memset(r, 0, sizeof *r);
    r->fields = (struct drift_fields){d->n_columns, d->n_columns, (char **)(uintptr_t)d->name, 1};
    r->ev = (struct drift_event){.fields = &r->fields, .num = r->num, .kind = r->kind, .str = r->str};
}

static int64_t window_start(const struct data *d, uint32_t at)
{
    return (int64_t)(at / d->window_rows) * d->window_ms;
}

/* Puts the at-th row of a run into the event. */
static void row_take(struct row *r, const struct data *d, uint32_t run, uint32_t at)
{
    const double *v = d->value + (size_t)d->order[(size_t)run * d->run_rows + at] * d->n_columns;
    r->ev.time_ms = window_start(d, at);
    for (uint32_t i = 0; i < d->n_columns; i++) {
        r->num[i] = v[i];
        r->kind[i] = isnan(v[i]) ? DRIFT_V_NULL : DRIFT_V_NUM;
        if (r->kind[i] == DRIFT_V_NUM && d->type[i].kind == DRIFT_CATEGORICAL) {
            int n = snprintf(r->text[i], TEXT, "%.17g", v[i]);
            r->kind[i] = DRIFT_V_STR;
            r->str[i] = (struct drift_str){r->text[i], (size_t)n};
        }
    }
}

static struct drift_baseline *baseline_build(const struct data *d, uint32_t run, struct row *r)
{
    struct drift_model model = {.name = stream_name,
                                .include = everything,
                                .threshold = NAN,
                                .n_types = d->n_columns,
                                .types = (struct drift_feature_type *)(uintptr_t)d->type};
    struct drift_builder_settings set = {
        .window_ms = d->window_ms, .label_window_ms = d->window_ms, .max_windows = 5000};
    struct drift_builder *b = drift_builder_new(&model, &set);
    struct drift_baseline *ret = NULL;
    struct drift_err err = {.text = ""};
    for (uint32_t i = 0; i < d->baseline_rows; i++) {
        row_take(r, d, run, i);
        drift_builder_survey(b, &r->ev, &stream);
    }
    must(!drift_builder_freeze(b, &err), err.text);
    for (uint32_t i = 0; i < d->baseline_rows; i++) {
        row_take(r, d, run, i);
        drift_builder_count(b, &r->ev, &stream);
    }
    must(!drift_builder_finish(b, "bench", "{}", "", 0, &ret, &err), err.text);
    drift_builder_free(b);
    return ret;
}

static struct drift_phase1 *phase1_fit(const struct drift_baseline_chain *c)
{
    struct drift_phase1_window *list = drift_xcalloc(c->n_windows ? c->n_windows : 1, sizeof *list);
    struct drift_phase1 *ret = NULL;
    for (size_t i = 0; i < c->n_windows; i++)
        list[i] = (struct drift_phase1_window){c->windows[i].start_ms, c->windows[i].summary};
    must(!drift_phase1_fit(c->pooled, list, c->n_windows, c->window_ms, NULL, &ret), "phase I fails");
    free(list);
    return ret;
}

/* ---- what a run says ---- */

static void print_flags(unsigned flags)
{
    static const char *const words[] = {"no windows", "few windows", "small windows", "split", "slow", "wide"};
    const char *comma = "";
    printf("[");
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        if (flags >> i & 1) {
            printf("%s\"%s\"", comma, words[i]);
            comma = ", ";
        }
    printf("]");
}

static void print_baseline(const struct drift_phase1 *p)
{
    const char *comma = "";
    printf("{\"promised\": %s, \"windows\": %u, \"events\": %.17g, \"flags\": ",
           drift_phase1_promises(p) ? "true" : "false", p->n_windows, p->events);
    print_flags(p->flags);
    printf(", \"columns\": [");
    for (uint32_t i = 0; i < p->layout->n_columns; i++) {
        const struct drift_phase1_column *c = &p->column[i];
        const struct drift_phase1_score *s = &c->score[c->score[1].split_p < c->score[0].split_p];
        if (!(c->flags & (DRIFT_PHASE1_SPLIT | DRIFT_PHASE1_SLOW | DRIFT_PHASE1_WIDE)))
            continue;
        printf("%s{\"name\": \"%s\", \"split\": %u, \"phi\": %.6g, \"flags\": ", comma, p->layout->columns[i].name,
               c->flags & DRIFT_PHASE1_SPLIT ? s->split : 0, c->score[0].phi);
        print_flags(c->flags);
        printf("}");
        comma = ", ";
    }
    printf("], \"alarms\": {");
}

static uint32_t top_column(const struct drift_evidence *e, uint32_t n)
{
    uint32_t top = 0;
    for (uint32_t i = 1; i < n; i++)
        if (drift_evidence_of(e, i)->share > drift_evidence_of(e, top)->share)
            top = i;
    return top;
}

/* The windows behind the baseline through engines of one A each; prints their alarms as {A: [[window, column], ...]}.
 */
static void detect(const struct data *d, uint32_t run, struct row *r, const struct drift_phase1 *p, int n_levels,
                   char *const *level)
{
    const struct drift_layout *l = p->layout;
    struct drift_evidence *engine[LEVELS_MAX];
    struct drift_buf out[LEVELS_MAX];
    struct drift_summary *s = drift_summary_new(l);
    struct drift_binding *bind = drift_binding_new(l, &stream, NULL, DRIFT_CHAIN_INPUT);
    for (int k = 0; k < n_levels; k++) {
        struct drift_evidence_settings set = {.windows = strtod(level[k], NULL)};
        must(!drift_evidence_new(p, &set, &engine[k]), "the engine refuses A or the columns");
        drift_buf_init(&out[k], 1 << 24);
    }
    uint32_t first = d->baseline_rows - d->baseline_rows % d->window_rows;
    for (uint32_t at = first, w = 0; at + d->window_rows <= d->run_rows; at += d->window_rows, w++) {
        drift_summary_reset(s);
        for (uint32_t i = 0; i < d->window_rows; i++) {
            row_take(r, d, run, at + i);
            drift_binding_count(bind, &r->ev, s);
        }
        for (int k = 0; k < n_levels; k++) {
            struct drift_evidence_result res;
            must(!drift_evidence_update(engine[k], s->counts, window_start(d, at), 1, &res), "a window is refused");
            if (!res.alarm)
                continue;
            drift_buf_addf(&out[k], "%s[%u, \"%s\"]", out[k].len ? ", " : "", w,
                           l->columns[top_column(engine[k], l->n_columns)].name);
            drift_evidence_rearm(engine[k], UINT32_MAX);
        }
    }
    for (int k = 0; k < n_levels; k++) {
        printf("%s\"%s\": [%.*s]", k ? ", " : "", level[k], (int)out[k].len, out[k].len ? (char *)out[k].data : "");
        drift_buf_release(&out[k]);
        drift_evidence_free(engine[k]);
    }
    printf("}}\n");
    drift_binding_free(bind);
    drift_summary_free(s);
}

int main(int argc, char **argv)
{
    struct data d = {0};
    struct row *r = drift_xcalloc(1, sizeof *r);
    must(argc > 2 && argc - 2 <= LEVELS_MAX, "usage: detect_windows DATA A...");
    read_data(argv[1], &d);
    row_init(r, &d);
    for (uint32_t run = 0; run < d.n_runs; run++) {
        struct drift_baseline *b = baseline_build(&d, run, r);
        struct drift_phase1 *p = phase1_fit(&b->chain[DRIFT_CHAIN_INPUT]);
        print_baseline(p);
        detect(&d, run, r, p, argc - 2, argv + 2);
        fflush(stdout);
        drift_phase1_free(p);
        drift_baseline_free(b);
    }
    data_release(&d);
    free(r);
    return 0;
}
