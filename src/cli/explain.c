/* src/cli/explain.c    `driftd explain`: a judged window in words and bars, from its verdict and its baseline. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/explain.h"
#include "driftd/internal/cli.h"
#include "driftd/internal/cli/baseline.h"
#include "driftd/internal/cli/source.h"

enum { TOP = 3, TOP_MAX = 50, COLUMNS_MAX = 64, HISTORY = 48, BODY_MAX = 64 << 20 };

static const char help[] =
    "usage: driftd explain -c FILE [--model M] [--chain input|label] [--window TIME] [--column C]... [--top N]\n\n"
    "Says what changed in a judged window: the columns that its rules or its evidence name, most first, each with\n"
    "bars of the baseline beside the window, and the evidence of the windows before it.  When nothing crossed a "
    "level,\n"
    "the columns with the largest PSI.\n\n"
    "      --window T      the window that T lies in, 2026-01-31T14:05:00Z; without it the last one that was judged\n"
    "      --chain C       input (default) or label\n"
    "      --column C      only these; may be repeated\n"
    "      --top N         how many columns, 3\n\n"
    "exit status: 0 nothing crossed a level, 1 something did or there is no such window, 2 usage, 69 Redis is not to "
    "be\n"
    "had\n\n"
    "example:\n  driftd explain -c driftd.yaml --model phish --window 2026-01-31T14:05:00Z\n";

struct request {
    const char *config, *model, *column[COLUMNS_MAX];
    size_t n_columns, top;
    enum drift_chain_kind chain;
    int64_t at_ms; /* INT64_MIN: the last one */
    bool utf8;
};

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

/* For the terminal: whoever can write to Redis must not write to it. */
struct shown {
    char s[256];
};
static struct shown shown(const json_t *o, const char *key)
{
    struct shown ret;
    drift_printable(text_of(o, key), ret.s, sizeof ret.s);
    return ret;
}

/* ---- the counts of a verdict ---- */

static const json_t *column_of(const json_t *verdict, const struct drift_column *c)
{
    json_t *columns = json_object_get(verdict, "columns");
    const char *key = c->role == DRIFT_FEATURE ? c->name : drift_role_name(c->role);
    const json_t *j = json_object_get(columns, key);
    char longer[DRIFT_NAME_MAX + 16];
    if (j && strcmp(text_of(j, "role"), drift_role_name(c->role)) != 0) { /* a feature called "score" */
        snprintf(longer, sizeof longer, "%s:%s", drift_role_name(c->role), key);
        j = json_object_get(columns, longer);
    }
    return j;
}

/* Adds a count to what was read so far; false: the sum would be no count. */
static bool take_count(const json_t *j, uint64_t *ret, json_int_t *sum)
{
    json_int_t n = json_integer_value(j);
    if (n < 0 || n > INT64_MAX - *sum)
        return false;
    *sum += n;
    *ret = (uint64_t)n;
    return true;
}

/* False: the verdict has other cells than the baseline, or what cannot be counts. */
static bool counters_of(const json_t *verdict, const struct drift_column *c, uint64_t *ret)
{
    static const char *const special[DRIFT_N_SPECIAL] = {"null", "missing", "nonfinite", "wrong_type"};
    const json_t *j = column_of(verdict, c), *cells = json_object_get(j, "cells");
    json_int_t total = 0;
    bool good = json_array_size(cells) == c->n_cells;
    for (int i = 0; i < DRIFT_N_SPECIAL && good; i++)
        good = take_count(json_object_get(json_object_get(j, "specials"), special[i]), &ret[i], &total);
    for (uint32_t i = 0; i < c->n_cells && good; i++)
        good = take_count(json_array_get(cells, i), &ret[DRIFT_N_SPECIAL + i], &total);
    return good;
}

static double psi_of(const json_t *verdict, const struct drift_column *c)
{
    const json_t *m = json_object_get(json_object_get(column_of(verdict, c), "measures"), "psi");
    return json_number_value(json_object_get(m, "effect"));
}

/* ---- columns ---- */

/* Categories that the baseline does not have, most first. */
static void print_new(const json_t *verdict, const struct drift_column *c, uint64_t n)
{
    enum { NAMED = 5 };
    const json_t *list = json_object_get(column_of(verdict, c), "new_values"), *one;
    char name[80];
    size_t i;
    json_array_foreach(list, i, one)
    {
        json_int_t least = json_integer_value(json_object_get(one, "at_least"));
        double percent = n ? 100 * (double)least / (double)n : 0;
        if (i < NAMED && percent > 0)
            printf("%s%s %s%.*g %%", i ? ", " : "new: ", drift_printable(text_of(one, "value"), name, sizeof name),
                   json_integer_value(json_object_get(one, "at_most")) > least ? "at least " : "",
                   drift_percent_digits(percent), percent);
    }
    if (json_array_size(list))
        putchar('\n');
}

static void print_column(const struct request *q, const json_t *verdict, const struct drift_baseline_chain *ref,
                         uint32_t at, const json_t *line)
{
    const struct drift_column *c = &ref->layout->columns[at];
    const uint64_t *before = drift_summary_specials(ref->pooled, c);
    uint64_t *now = drift_xcalloc(drift_column_counters(c), sizeof *now);
    char name[80], text[DRIFT_SHIFT_TEXT], bars[DRIFT_HISTOGRAM_TEXT];
    struct drift_shift d;
    printf("\n%s", drift_printable(c->name, name, sizeof name));
    if (c->role != DRIFT_FEATURE && strcmp(c->name, drift_role_name(c->role)) != 0)
        printf(" (%s)", drift_role_name(c->role));
    const json_t *share = json_object_get(line, "share");
    const struct shown changed = shown(json_object_get(line, "unit"), "text");
    const char *unit = changed.s;
    if (share)
        printf(", %.0f %% of the evidence", 100 * json_number_value(share));
    if (!counters_of(verdict, c, now)) {
        puts(": the verdict has no counts of it");
    } else {
        drift_shift_of(c, before, now, &d);
        drift_shift_text(c, &d, text, sizeof text);
        printf(": %s\n", text);
        if (*unit)
            printf("%s\n", unit);
        print_new(verdict, c, d.n_after);
        if (drift_histogram_text(c, before, now, q->utf8, bars, sizeof bars))
            fputs(bars, stdout);
    }
    free(now);
}

static int find(const struct drift_layout *l, const char *name)
{
    for (uint32_t i = 0; i < l->n_columns; i++)
        if (!strcmp(l->columns[i].name, name))
            return (int)i;
    return -1;
}

/* Which values of the model's keys explain it. */
static void print_segments(const json_t *line)
{
    const json_t *text;
    char printable[1024];
    size_t i;
    json_array_foreach(json_object_get(line, "segments"), i, text)
    {
        if (json_is_string(text))
            printf("  %s\n", drift_printable(json_string_value(text), printable, sizeof printable));
    }
}

/* A line that says all by itself. */
static void print_text(const json_t *line)
{
    char text[DRIFT_SHIFT_TEXT];
    printf("\n%s\n", drift_printable(text_of(line, "text"), text, sizeof text));
}

/* The verdict's own list; false: it has none. */
static bool print_listed(const struct request *q, const json_t *verdict, const struct drift_baseline_chain *ref)
{
    const json_t *list = json_object_get(verdict, "explanation"), *line;
    size_t i;
    json_array_foreach(list, i, line)
    {
        int at = find(ref->layout, text_of(line, "column"));
        /* of two columns, or of one value of a key: text says all */
        if (i < q->top && (json_object_get(line, "with") || json_object_get(line, "key"))) {
            print_text(line);
            continue;
        }
        if (i >= q->top || at < 0)
            continue;
        print_column(q, verdict, ref, (uint32_t)at, line);
        print_segments(line);
    }
    return json_array_size(list) > 0;
}

static void print_largest(const struct request *q, const json_t *verdict, const struct drift_baseline_chain *ref)
{
    const struct drift_layout *l = ref->layout;
    bool *done = drift_xcalloc(l->n_columns ? l->n_columns : 1, sizeof *done);
    puts("\nno rule found anything; the columns with the largest PSI:");
    for (size_t k = 0; k < q->top; k++) {
        int best = -1;
        for (uint32_t i = 0; i < l->n_columns; i++)
            if (!done[i] && (best < 0 || psi_of(verdict, &l->columns[i]) > psi_of(verdict, &l->columns[best])))
                best = (int)i;
        if (best < 0)
            break;
        done[best] = true;
        print_column(q, verdict, ref, (uint32_t)best, NULL);
    }
    free(done);
}

/* True: something crossed a level. */
static bool print_columns(const struct request *q, const json_t *verdict, const struct drift_baseline_chain *ref)
{
    bool listed = json_array_size(json_object_get(verdict, "explanation")) > 0;
    char name[80];
    for (size_t i = 0; i < q->n_columns; i++) {
        int at = find(ref->layout, q->column[i]);
        if (at >= 0)
            print_column(q, verdict, ref, (uint32_t)at, NULL);
        else
            printf("\n%s: the baseline has no such column\n", drift_printable(q->column[i], name, sizeof name));
    }
    if (!q->n_columns && !print_listed(q, verdict, ref))
        print_largest(q, verdict, ref);
    return listed;
}

/* ---- the head ---- */

static void print_head(const json_t *verdict)
{
    const json_t *w = json_object_get(verdict, "window");
    json_t *rules = json_object_get(verdict, "rules"), *rule;
    const char *key;
    char model[256], id[160], name[160];
    printf("model %s, window %s to %s, %" JSON_INTEGER_FORMAT " events, verdict %s, baseline %s\n",
           drift_printable(text_of(verdict, "model"), model, sizeof model), shown(w, "start").s, shown(w, "end").s,
           json_integer_value(json_object_get(verdict, "n")), shown(verdict, "kind").s,
           drift_printable(text_of(json_object_get(verdict, "baseline"), "id"), id, sizeof id));
    json_object_foreach(rules, key, rule)
    {
        struct shown severity = shown(rule, "breach");
        if (*severity.s && strcmp(severity.s, "none") != 0)
            printf("rule %s: %s\n", drift_printable(key, name, sizeof name), severity.s);
    }
}

/* Evidence of the windows up to this one: an eighth of the threshold a step, '!' is an alarm. */
static int print_evidence(struct drift_store *s, struct drift_chain_id id, const int64_t *start, size_t at,
                          const json_t *verdict, struct drift_err *err)
{
    static const char steps[] = "_.:-=+*#";
    char line[HISTORY + 1];
    size_t n = 0, first = at + 1 > HISTORY ? at + 1 - HISTORY : 0;
    const json_t *e = json_object_get(verdict, "evidence");
    if (!json_is_object(e))
        return 0;
    for (size_t i = first; i <= at; i++) {
        char *body;
        size_t len;
        int rc = drift_store_verdict_body(s, id, start[i], &body, &len, err);
        if (rc)
            return rc;
        json_t *v = len <= BODY_MAX ? json_loadb(body, len, 0, NULL) : NULL;
        const json_t *of = json_object_get(v, "evidence");
        double part = json_number_value(json_object_get(of, "evidence")) /
                      fmax(json_number_value(json_object_get(of, "threshold")), 1e-9);
        int step = part > 0 ? (int)fmin(part * 8, 7) : 0;
        line[n++] = !json_is_object(of) ? ' ' : !strcmp(text_of(of, "level"), "alarm") ? '!' : steps[step];
        json_decref(v);
        free(body);
    }
    line[n] = 0;
    printf("evidence %.2f, alarm at %.2f (%s%s)\nlast %zu windows [%s]\n",
           json_number_value(json_object_get(e, "evidence")), json_number_value(json_object_get(e, "threshold")),
           shown(e, "level").s, json_is_false(json_object_get(e, "promised")) ? ", no rate is promised" : "", n, line);
    return 0;
}

/* ---- one window ---- */

/* The window's place among those with a verdict; n: there is none. */
static size_t place(const struct request *q, const int64_t *start, size_t n, int64_t every_ms)
{
    for (size_t i = n; i > 0; i--)
        if (q->at_ms == INT64_MIN || (start[i - 1] <= q->at_ms && q->at_ms < start[i - 1] + every_ms))
            return i - 1;
    return n;
}

static int explain_body(struct drift_store *s, struct drift_chain_id id, const struct request *q, const int64_t *start,
                        size_t at, bool *ret_found, struct drift_err *err)
{
    char *body;
    size_t len;
    struct drift_baseline *b = NULL;
    int rc = drift_store_verdict_body(s, id, start[at], &body, &len, err);
    if (rc)
        return rc;
    json_t *verdict = len <= BODY_MAX ? json_loadb(body, len, 0, NULL) : NULL;
    free(body);
    if (!json_is_object(verdict)) {
        json_decref(verdict);
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "the verdict in Redis is not JSON");
    }
    print_head(verdict);
    rc = print_evidence(s, id, start, at, verdict, err);
    const json_t *ref = json_object_get(verdict, "baseline");
    if (!rc && !*text_of(ref, "id"))
        printf("not compared with anything: %s\n", shown(verdict, "unmonitored_why").s);
    else if (!rc)
        rc = drift_baseline_fetch(s, id.model, text_of(ref, "id"), &b, err);
    if (!rc && b && strcmp(b->digest, text_of(ref, "digest")) != 0)
        rc = drift_fail(err, DRIFT_E_MISMATCH, DRIFT_STOP, "baseline %s is not the one that the verdict was made with",
                        b->id);
    if (!rc && b)
        *ret_found = print_columns(q, verdict, &b->chain[id.kind]);
    drift_baseline_free(b);
    json_decref(verdict);
    return rc;
}

static int explain(struct drift_store *s, const struct drift_model *m, const struct request *q, bool *ret_found,
                   struct drift_err *err)
{
    struct drift_chain_id id = {m->name, q->chain};
    int64_t *start = NULL;
    size_t n = 0;
    int rc = drift_store_verdict_list(s, id, &start, &n, err);
    if (rc)
        return rc;
    size_t at = place(q, start, n, q->chain == DRIFT_CHAIN_LABEL ? m->label_every_ms : m->every_ms);
    if (at == n) {
        *ret_found = true;
        puts(n ? "there is no verdict of that window; bodies older than state.keep_verdicts are gone"
               : "there is no verdict yet: see `driftd status` for what is waited for");
    } else {
        rc = explain_body(s, id, q, start, at, ret_found, err);
    }
    free(start);
    return rc;
}

static int refuse(const char *option, const char *want)
{
    return 1 + drift_cli_fail(DRIFT_EXIT_USAGE, "explain", "--%s %s: %s", option, optarg, want);
}

/* 0, or an exit status + 1. */
static int take(struct request *q, int opt)
{
    int64_t n;
    switch (opt) {
    case 'c':
        q->config = optarg;
        return 0;
    case 'm':
        q->model = optarg;
        return 0;
    case 'o':
        if (q->n_columns == COLUMNS_MAX)
            return refuse("column", "64 columns at most");
        q->column[q->n_columns++] = optarg;
        return 0;
    case 'k':
        q->chain = *optarg == 'l' ? DRIFT_CHAIN_LABEL : DRIFT_CHAIN_INPUT;
        return !strcmp(optarg, "input") || !strcmp(optarg, "label") ? 0 : refuse("chain", "not input or label");
    case 't':
        if (!drift_i64_parse(optarg, strlen(optarg), &n) || n < 1 || n > TOP_MAX)
            return refuse("top", "not a number from 1 to 50");
        q->top = (size_t)n;
        return 0;
    case 'w':
        return drift_time_parse(optarg, strlen(optarg), &q->at_ms)
                   ? 0
                   : refuse("window", "not a date or time such as 2026-01-31T14:05:00Z");
    case 'h':
        fputs(help, stdout);
        return 1 + DRIFT_EXIT_OK;
    default:
        return 1 + DRIFT_EXIT_USAGE;
    }
}

static int parse(int argc, char **argv, struct request *q)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"model", required_argument, NULL, 'm'},
        {"chain", required_argument, NULL, 'k'},  {"window", required_argument, NULL, 'w'},
        {"column", required_argument, NULL, 'o'}, {"top", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},         {0}};
    int opt, rc = 0;
    while (!rc && (opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1)
        rc = take(q, opt);
    if (rc)
        return rc;
    return optind < argc ? 1 + drift_cli_fail(DRIFT_EXIT_USAGE, "explain", "too many arguments") : 0;
}

int drift_cmd_explain(int argc, char **argv)
{
    struct request q = {.top = TOP, .at_ms = INT64_MIN};
    const struct drift_model *m;
    struct drift_store *s = NULL;
    struct drift_err err = {.text = ""};
    bool found = false;
    int status = parse(argc, argv, &q);
    if (status)
        return status - 1;
    q.utf8 = setlocale(LC_CTYPE, "") && !strcmp(nl_langinfo(CODESET), "UTF-8");
    struct drift_config *c = drift_baseline_config("explain", q.config, q.model, &m, &status);
    if (!c)
        return status;
    int rc = drift_store_new(&c->redis, c->kafka.group, &s, &err);
    if (!rc)
        rc = explain(s, m, &q, &found, &err);
    drift_store_free(s);
    drift_config_free(c);
    if (rc)
        return drift_baseline_fail("explain", rc, &err);
    return found ? DRIFT_EXIT_FOUND : DRIFT_EXIT_OK;
}
