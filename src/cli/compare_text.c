/* src/cli/compare_text.c    What `driftd compare` found, as tables for eyes or as Markdown. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "driftd/internal/cli/compare.h"
#include "driftd/internal/cli/sheet.h"
#include "driftd/internal/cli/source.h"

enum { NAME_CAP = 41 };

static double effect(const struct drift_measure *m)
{
    return m->why ? (double)NAN : m->effect;
}

static void add_percent(struct drift_sheet *s, const struct drift_measure *m)
{
    if (m->why)
        drift_sheet_add(s, "-");
    else
        drift_sheet_add(s, "%.2f>%.2f", 100 * m->baseline, 100 * m->value);
}

static void add_column(struct drift_sheet *s, const struct drift_column *c)
{
    char name[NAME_CAP];
    drift_sheet_add(s, "%s", drift_printable(c->name, name, sizeof name));
    drift_sheet_add(s, "%s", c->kind == DRIFT_NUMERIC ? "num" : "cat");
}

/* What the daemon would say. */
static void print_grid(const struct drift_compare_report *rep, bool markdown)
{
    static const char *const titles[] = {"verdict", "column", ">kind",   ">psi",    ">p",         ">ks",
                                         ">w1/sd",  ">js",    ">chi2 V", ">null %", ">outside %", "why"};
    struct drift_sheet *s = drift_sheet_new(titles, sizeof titles / sizeof *titles);
    for (size_t i = 0; i < rep->n; i++) {
        const struct drift_compare_row *row = &rep->rows[i];
        const struct drift_measure *m = row->m, *ks = &m[DRIFT_MEASURE_KS], *psi = &m[DRIFT_MEASURE_PSI];
        bool number = row->column->kind == DRIFT_NUMERIC;
        drift_sheet_add(s, "%s", drift_compare_verdict(row->severity));
        add_column(s, row->column);
        drift_sheet_number(s, 4, effect(psi));
        drift_sheet_p(s, psi->why ? (double)NAN : psi->p_value);
        if (ks->why)
            drift_sheet_add(s, "-");
        else
            drift_sheet_add(s, "%.4f..%.4f", ks->low, ks->high);
        drift_sheet_number(s, 4, effect(&m[DRIFT_MEASURE_WASSERSTEIN]));
        drift_sheet_number(s, 4, effect(&m[DRIFT_MEASURE_JS]));
        drift_sheet_number(s, 4, effect(&m[DRIFT_MEASURE_CHI2]));
        add_percent(s, &m[DRIFT_MEASURE_NULL_RATE]);
        add_percent(s, &m[number ? DRIFT_MEASURE_OUT_OF_RANGE_RATE : DRIFT_MEASURE_UNSEEN_RATE]);
        drift_sheet_add(s, "%s",
                        row->severity ? drift_measure_name(row->why)
                        : psi->why    ? drift_why_name(psi->why)
                                      : "");
    }
    drift_sheet_print(s, stdout, markdown);
    drift_sheet_free(s);
}

/* Of numbers only. */
static void add_distances(struct drift_sheet *s, const struct drift_compare_row *row)
{
    const struct drift_exact *e = &row->exact;
    bool there = !e->why && row->column->kind == DRIFT_NUMERIC, in = true, any = false;
    double nan = there ? 0 : (double)NAN;
    for (int i = 0; i < DRIFT_N_BRACKET && there; i++) {
        any = any || row->bracket[i].there;
        in = in && (!row->bracket[i].there || row->bracket[i].holds);
    }
    drift_sheet_number(s, 4, e->ks.d + nan);
    drift_sheet_add(s, "%s", !any ? "-" : in ? "in" : "OUT");
    if (isnan(e->wasserstein + nan))
        drift_sheet_add(s, "-");
    else
        drift_sheet_add(s, "%.4g", e->wasserstein); /* in the data's unit, whatever its size */
    drift_sheet_number(s, 4,
                       there && e->moments[0].deviation0 > 0 ? e->wasserstein / e->moments[0].deviation0 : (double)NAN);
    drift_sheet_p(s, e->cvm.p + nan);
    drift_sheet_p(s, e->anderson.p + nan);
}

/* Of bins or categories. */
static void add_bins(struct drift_sheet *s, const struct drift_exact_bins *b, enum drift_psi_rule rule)
{
    double nan = b->n ? 0 : (double)NAN;
    drift_sheet_number(s, 4, b->psi[rule] + nan);
    drift_sheet_number(s, 4, b->js + nan);
    drift_sheet_number(s, 4, b->hellinger + nan);
    drift_sheet_number(s, 4, b->total_variation + nan);
    drift_sheet_p(s, b->chi2.pearson_p + nan);
    drift_sheet_p(s, b->chi2.g_p + nan);
}

static void print_values(const struct drift_compare_report *rep, bool markdown)
{
    static const char *const titles[] = {"column", ">kind",      ">values",    ">p",      ">p adjusted", ">ks",
                                         ">grid",  ">w1",        ">w1/sd",     ">cvm p",  ">ad p",       ">psi",
                                         ">js",    ">hellinger", ">variation", ">chi2 p", ">g p",        "why"};
    struct drift_sheet *s = drift_sheet_new(titles, sizeof titles / sizeof *titles);
    for (size_t i = 0; i < rep->n; i++) {
        const struct drift_compare_row *row = &rep->rows[i];
        add_column(s, row->column);
        if (row->exact.why && row->exact.why != drift_exact_empty)
            drift_sheet_add(s, "-");
        else
            drift_sheet_add(s, "%zu>%zu", row->exact.n[0], row->exact.n[1]);
        drift_sheet_p(s, row->has_p ? row->p : (double)NAN);
        drift_sheet_p(s, row->has_p ? row->adjusted : (double)NAN);
        add_distances(s, row);
        add_bins(s, drift_compare_bins(rep, row), rep->request->rule);
        drift_sheet_add(s, "%s", row->exact.why ? row->exact.why : "");
    }
    drift_sheet_print(s, stdout, markdown);
    printf(
        "\ngrid: ks, w1 and cvm lie in the brackets of the daemon's cells; p: ks (numbers), chi-square (categories)\n");
    drift_sheet_free(s);
}

void drift_compare_text(const struct drift_compare_report *rep, bool markdown)
{
    const struct drift_compare_request *r = rep->request;
    const struct drift_tally *new = &rep->counts->current[DRIFT_CHAIN_INPUT]->tally[DRIFT_TALLY_NEW_FIELD];
    char text[DRIFT_TALLY_TEXT];
    printf("baseline %s: %" PRIu64 " rows; current %s: %" PRIu64 " rows\n\n", r->file[0], rep->counts->rows[0],
           r->file[1], rep->counts->rows[1]);
    print_grid(rep, markdown);
    for (uint32_t i = 0; i < new->n; i++)
        printf("%snew       %s\n", i || !markdown ? "" : "\n", drift_printable(new->slots[i].text, text, sizeof text));
    printf("\noutside: beyond the baseline's range (numbers), unseen categories (left of >: what the baseline may have "
           "missed); p gate %.2g; verdict: %s\n",
           rep->gate, drift_compare_verdict(rep->worst));
    drift_compare_changes(rep, markdown);
    if (r->multivariate)
        drift_compare_dependence_text(rep);
    if (!r->exact)
        return;
    printf("\nfrom the values; bins %s, empty bins %s, p adjusted by %s:\n\n",
           r->binning < 0 ? "of the daemon's grid" : drift_binning_name((enum drift_binning)r->binning),
           drift_psi_rule_name(r->rule), drift_multiple_name(r->adjust));
    print_values(rep, markdown);
}
