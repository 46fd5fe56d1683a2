/* src/cli/detect_text.c    What `driftd detect` found, as text and as JSON; the list of detectors. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "driftd/internal/base/text.h"
#include "driftd/internal/cli/detect.h"
#include "driftd/internal/cli/source.h"

const char *drift_detect_value_text(const struct drift_detector_param *p, double v, char *buf, size_t cap)
{
    if (p->choices[0])
        snprintf(buf, cap, "%s", p->choices[(int)v]);
    else
        drift_f64_text(v, buf, cap);
    return buf;
}

/* ---- kinds ---- */

static void print_param(const struct drift_detector_param *p)
{
    char standard[32], least[32], most[32];
    printf("    %-20s %s%s", p->name, p->help, p->choices[0] ? ": " : "");
    for (size_t i = 0; i < DRIFT_DETECTOR_CHOICES_MAX && p->choices[i]; i++)
        printf("%s%s", i ? ", " : "", p->choices[i]);
    if (!p->choices[0])
        printf("; %s to %s", drift_detect_value_text(p, p->least, least, sizeof least),
               drift_detect_value_text(p, p->most, most, sizeof most));
    printf("; default %s\n", drift_detect_value_text(p, p->standard, standard, sizeof standard));
}

void drift_detect_print_kinds(void)
{
    for (int k = 0; k < DRIFT_N_DETECTOR; k++) {
        enum drift_detector_kind kind = (enum drift_detector_kind)k;
        size_t n;
        const struct drift_detector_param *p = drift_detector_params(kind, &n);
        printf("%s%-14s %s\n", k ? "\n" : "", drift_detector_name(kind), drift_detector_help(kind));
        for (size_t i = 0; i < n; i++)
            print_param(&p[i]);
    }
}

/* ---- text ---- */

static void print_head(const struct drift_detect_request *q, const struct drift_detect_report *r)
{
    char name[64], other[64], value[32];
    size_t n;
    const struct drift_detector_param *p = drift_detector_params(q->kind, &n);
    printf("%s", drift_detector_name(q->kind));
    for (size_t i = 0; i < n; i++)
        printf(" %s=%s", p[i].name, drift_detect_value_text(&p[i], q->settings.value[i], value, sizeof value));
    printf("\n%s%s%s of %s: %" PRIu64 " values of %" PRIu64 " records", drift_printable(q->column, name, sizeof name),
           q->other ? " against " : "", q->other ? drift_printable(q->other, other, sizeof other) : "", q->file,
           r->values, r->rows);
    if (r->filtered)
        printf(", %" PRIu64 " not asked for", r->filtered);
    if (r->empty)
        printf(", %" PRIu64 " empty", r->empty);
    if (r->nonfinite)
        printf(", %" PRIu64 " not finite", r->nonfinite);
    printf("\n\n");
}

static void print_mark(const char *what, const struct drift_detect_mark *m)
{
    printf("%-8s %12" PRIu64 " %12" PRIu64 " %14.6g %14.6g\n", what, m->at, m->row, m->value, m->mean);
}

/* Both lists in the order of the stream. */
void drift_detect_print_text(const struct drift_detect_request *q, const struct drift_detect_report *r)
{
    const struct drift_detect_marks *d = &r->drifts, *w = &r->warnings;
    size_t i = 0, k = 0, n_d = d->n_kept < q->limit ? d->n_kept : q->limit;
    size_t n_w = w->n_kept < q->limit ? w->n_kept : q->limit;
    print_head(q, r);
    if (n_d + n_w)
        printf("%-8s %12s %12s %14s %14s\n", "what", "at", "row", "value", "mean since");
    while (i < n_d || k < n_w)
        if (k == n_w || (i < n_d && d->mark[i].at < w->mark[k].at))
            print_mark("drift", &d->mark[i++]);
        else
            print_mark("warning", &w->mark[k++]);
    printf("%s%" PRIu64 " drift%s, %" PRIu64 " warning%s%s\n", n_d + n_w ? "\n" : "", d->n, d->n == 1 ? "" : "s", w->n,
           w->n == 1 ? "" : "s", d->n > n_d || w->n > n_w ? "; not all are shown: --limit" : "");
}

/* ---- JSON ---- */

static json_t *text_json(const char *s)
{
    json_t *j = json_string(s);
    return j ? j : json_string("(not UTF-8)");
}

static json_t *params_json(const struct drift_detect_request *q)
{
    size_t n;
    const struct drift_detector_param *p = drift_detector_params(q->kind, &n);
    json_t *o = json_object();
    for (size_t i = 0; i < n; i++) {
        double v = q->settings.value[i];
        json_object_set_new(o, p[i].name,
                            p[i].choices[0] ? json_string(p[i].choices[(int)v])
                            : p[i].whole    ? json_integer((json_int_t)v)
                                            : json_real(v));
    }
    return o;
}

static json_t *marks_json(const struct drift_detect_marks *m, size_t limit)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->n_kept && i < limit; i++)
        json_array_append_new(list, json_pack("{s:I, s:I, s:f, s:f}", "at", (json_int_t)m->mark[i].at, "row",
                                              (json_int_t)m->mark[i].row, "value", m->mark[i].value, "mean_since",
                                              m->mark[i].mean));
    return list;
}

void drift_detect_print_json(const struct drift_detect_request *q, const struct drift_detect_report *r)
{
    json_t *o = json_object();
    json_object_set_new(o, "file", text_json(q->file));
    json_object_set_new(o, "column", text_json(q->column));
    if (q->other)
        json_object_set_new(o, "against", text_json(q->other));
    json_object_set_new(o, "detector", json_string(drift_detector_name(q->kind)));
    json_object_set_new(o, "params", params_json(q));
    json_object_set_new(o, "records", json_integer((json_int_t)r->rows));
    json_object_set_new(o, "values", json_integer((json_int_t)r->values));
    json_object_set_new(o, "left_out",
                        json_pack("{s:I, s:I, s:I}", "where", (json_int_t)r->filtered, "empty", (json_int_t)r->empty,
                                  "nonfinite", (json_int_t)r->nonfinite));
    json_object_set_new(o, "n_drifts", json_integer((json_int_t)r->drifts.n));
    json_object_set_new(o, "n_warnings", json_integer((json_int_t)r->warnings.n));
    json_object_set_new(o, "drifts", marks_json(&r->drifts, q->limit));
    json_object_set_new(o, "warnings", marks_json(&r->warnings, q->limit));
    json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
}
