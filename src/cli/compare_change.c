/* src/cli/compare_change.c    What changed in the columns of `driftd compare`: words, bars, scores with a direction. */
#include <jansson.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/explain.h"
#include "driftd/internal/cli/compare.h"
#include "driftd/internal/cli/source.h"
#include "driftd/legendre.h"
#include "driftd/magnitude.h"
#include "driftd/tail.h"

enum { SHOWN = 5 };

static void counters(const struct drift_compare_report *rep, const struct drift_column *c, const uint64_t **p,
                     const uint64_t **q)
{
    int k = c->role == DRIFT_LABEL ? DRIFT_CHAIN_LABEL : DRIFT_CHAIN_INPUT;
    *p = drift_summary_specials(rep->counts->baseline->chain[k].pooled, c);
    *q = drift_summary_specials(rep->counts->current[k], c);
}

static bool changed(const struct drift_compare_row *row)
{
    return row->severity != DRIFT_SEV_NONE || (row->has_p && row->adjusted < .05);
}

static bool unit_of(const struct drift_compare_report *rep, const struct drift_column *c, struct drift_unit_change *ret)
{
    int k = c->role == DRIFT_LABEL ? DRIFT_CHAIN_LABEL : DRIFT_CHAIN_INPUT;
    const struct drift_summary *before = rep->counts->baseline->chain[k].pooled;
    return drift_magnitude_of(before, rep->counts->current[k], (uint32_t)(c - before->layout->columns), ret);
}

static size_t new_values(const struct drift_compare_report *rep, const struct drift_column *c, char *buf, size_t cap)
{
    const struct drift_summary *s =
        rep->counts->current[c->role == DRIFT_LABEL ? DRIFT_CHAIN_LABEL : DRIFT_CHAIN_INPUT];
    return c->kind == DRIFT_CATEGORICAL ? drift_unseen_text(s, (uint32_t)(c - s->layout->columns), buf, cap) : 0;
}

void drift_compare_changes(const struct drift_compare_report *rep, bool markdown)
{
    bool utf8 = setlocale(LC_CTYPE, "") && !strcmp(nl_langinfo(CODESET), "UTF-8");
    const char *fence = markdown ? "```\n" : "";
    size_t shown = 0, all = 0;
    for (size_t i = 0; i < rep->n; i++)
        all += changed(&rep->rows[i]);
    if (all)
        puts("\nwhat changed:");
    for (size_t i = 0; i < rep->n && shown < SHOWN; i++) {
        const struct drift_column *c = rep->rows[i].column;
        const uint64_t *p, *q;
        struct drift_shift d;
        struct drift_unit_change u;
        char fresh[640], name[80], text[DRIFT_SHIFT_TEXT], bars[DRIFT_HISTOGRAM_TEXT];
        if (!changed(&rep->rows[i]))
            continue;
        shown++;
        counters(rep, c, &p, &q);
        drift_shift_of(c, p, q, &d);
        drift_shift_text(c, &d, text, sizeof text);
        printf("\n%s: %s\n", drift_printable(c->name, name, sizeof name), text);
        if (unit_of(rep, c, &u) && drift_magnitude_text(&u, text, sizeof text))
            puts(text);
        if (new_values(rep, c, fresh, sizeof fresh))
            puts(fresh);
        if (drift_histogram_text(c, p, q, utf8, bars, sizeof bars))
            printf("%s%s%s", fence, bars, fence);
    }
    if (all > shown)
        printf("\nand %zu more columns\n", all - shown);
}

static void put(json_t *o, const char *key, double v)
{
    json_object_set_new(o, key, isfinite(v) ? json_real(v) : json_null());
}

/* V1 and V2 over the noise of both sides, and their two-sided p-values. */
static void put_scores(json_t *o, const struct drift_column *c, const uint64_t *p, const uint64_t *q, double m,
                       double n)
{
    static const char *const name[] = {"location", "scale"};
    double mass[DRIFT_EDGES_MAX + 1], phi[2 * (DRIFT_EDGES_MAX + 1)], v;
    unsigned rank = 0;
    if (drift_legendre_basis(p + DRIFT_N_SPECIAL, c->n_cells, 2, mass, phi, &rank))
        return;
    for (unsigned r = 0; r < rank; r++) {
        if (drift_legendre_score(phi + r * c->n_cells, q + DRIFT_N_SPECIAL, c->n_cells, &v))
            continue;
        double z = v / sqrt(1 + n / m);
        json_t *score = json_object();
        put(score, "v", v);
        put(score, "z", z);
        put(score, "p", drift_tail_normal_two_sided(z));
        json_object_set_new(o, name[r], score);
    }
}

json_t *drift_compare_change_json(const struct drift_compare_report *rep, const struct drift_compare_row *row)
{
    static const char *const way[] = {"down", "none", "up"};
    const struct drift_column *c = row->column;
    const uint64_t *p, *q;
    struct drift_shift d;
    char text[DRIFT_SHIFT_TEXT], bars[DRIFT_HISTOGRAM_TEXT], safe[2 * DRIFT_SHIFT_TEXT];
    struct drift_unit_change u;
    json_t *o = json_object();
    counters(rep, c, &p, &q);
    drift_shift_of(c, p, q, &d);
    drift_shift_text(c, &d, text, sizeof text);
    json_t *plain = json_string(text);
    json_object_set_new(o, "text", plain ? plain : json_string(drift_printable(text, safe, sizeof safe)));
    json_object_set_new(o, "direction", json_string(way[1 + drift_shift_direction(&d)]));
    if (d.has_shift) {
        put(o, "shift_sd", d.shift_sd);
        put(o, "spread", d.spread);
        json_object_set_new(o, "at_least", json_boolean(d.open));
    }
    if (d.has_median) {
        put(o, "median_baseline", d.median_before);
        put(o, "median_current", d.median_after);
    }
    if (unit_of(rep, c, &u)) {
        json_t *unit = json_object();
        put(unit, "factor", u.factor);
        put(unit, "known", u.known > 0 ? u.known : (double)NAN);
        put(unit, "moved", u.moved);
        put(unit, "explained", u.explained);
        json_object_set_new(o, "unit", unit);
    }
    if (c->kind == DRIFT_NUMERIC && d.n_before && d.n_after)
        put_scores(o, c, p, q, (double)d.n_before, (double)d.n_after);
    if (drift_histogram_text(c, p, q, false, bars, sizeof bars)) {
        json_t *histogram = json_string(bars);
        json_object_set_new(o, "histogram", histogram ? histogram : json_null());
    }
    return o;
}
