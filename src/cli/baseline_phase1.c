/* src/cli/baseline_phase1.c    What phase I says of a baseline, in plain words and as META's `phase1`; for build, show
 *                              and promote.
 *
 * The verdict is fitted from the counts each time it is shown and never read from META: a baseline that was made before
 * META had it is judged too, and what is shown cannot differ from what the daemon does. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/text.h"
#include "driftd/internal/cli/baseline.h"
#include "driftd/internal/cli/source.h"
#include "driftd/internal/judge/outcome.h"

enum { LINES = 8, NAMED = 8, ROWS = 20, LISTED = 100, NAME = 48 };
static const unsigned drifts = DRIFT_PHASE1_SPLIT | DRIFT_PHASE1_SLOW;

static const char *const rate_name[DRIFT_N_RATE] = {"null", "missing", "invalid", "unseen", "out of range"};

bool drift_baseline_stationary(const struct drift_phase1 *p)
{
    return !(p->flags & drifts);
}

int drift_baseline_phase1(const struct drift_baseline *b, struct drift_phase1 **ret, struct drift_err *err)
{
    const struct drift_baseline_chain *ref = &b->chain[DRIFT_CHAIN_INPUT];
    *ret = NULL;
    if (!ref->layout->n_columns || !ref->pooled->n)
        return 0;
    struct drift_phase1_window *list = drift_xcalloc(ref->n_windows ? ref->n_windows : 1, sizeof *list);
    for (size_t i = 0; i < ref->n_windows; i++)
        list[i] = (struct drift_phase1_window){ref->windows[i].start_ms, ref->windows[i].summary};
    int rc = drift_phase1_fit(ref->pooled, list, ref->n_windows, ref->window_ms, NULL, ret);
    free(list);
    if (rc)
        return drift_fail(err, (enum drift_code)rc, DRIFT_STOP, "the windows of baseline %s cannot be judged: %s",
                          b->id, drift_code_name((enum drift_code)rc));
    return 0;
}

/* ---- why ---- */

static const char *name_of(const struct drift_phase1 *p, uint32_t i, char *buf)
{
    return drift_printable(p->layout->columns[i].name, buf, NAME);
}

/* The score of a column with the largest evidence of a split. */
static const struct drift_phase1_score *split_of(const struct drift_phase1_column *c, bool *ret_scale)
{
    *ret_scale = c->score[1].used && (!c->score[0].used || c->score[1].split_p < c->score[0].split_p);
    return &c->score[*ret_scale];
}

static void put_line(json_t *lines, struct drift_buf *b)
{
    json_array_append_new(lines, drift_text_json(b->data ? b->data : ""));
    drift_buf_release(b);
}

/* By how much column i drifts at its split: standard deviations, or the share of which category. */
static void put_split_size(struct drift_buf *b, const struct drift_baseline_chain *ref,
                           const struct drift_phase1_column *p, uint32_t i)
{
    char name[NAME];
    bool scale;
    const struct drift_column *c = &ref->layout->columns[i];
    const struct drift_phase1_score *s = split_of(p, &scale);
    if (c->kind == DRIFT_NUMERIC) {
        drift_buf_addf(b, " (%s%+.2g sd)", scale ? "spread " : "", s->split_size);
        return;
    }
    const uint64_t *cells = ref->pooled->counts + c->first + DRIFT_N_SPECIAL;
    bool own = p->cell < c->n_categories; /* rare and unseen ones are one share */
    double share = ((double)cells[p->cell] + (own ? 0 : (double)cells[drift_column_unseen(c)])) / (double)p->m;
    double points = 100 * s->split_size * sqrt(share * (1 - share));
    drift_buf_addf(b, " (share of `%s` %+.*g points)",
                   own ? drift_printable(c->categories[p->cell], name, sizeof name) : "rare ones",
                   drift_percent_digits(points), points);
}

/* All columns that split where column `first` does, as one line. */
static void put_split(const struct drift_baseline_chain *ref, const struct drift_phase1 *p, uint32_t first, bool *told,
                      json_t *lines)
{
    char name[NAME], before[32], after[32];
    bool scale;
    uint32_t at = split_of(&p->column[first], &scale)->split;
    size_t n = 0;
    struct drift_buf b;
    drift_buf_init(&b, 4096);
    drift_buf_adds(&b, "the baseline itself drifts in ");
    for (uint32_t i = first; i < p->layout->n_columns; i++) {
        const struct drift_phase1_column *c = &p->column[i];
        const struct drift_phase1_score *s = split_of(c, &scale);
        if (told[i] || !(c->flags & DRIFT_PHASE1_SPLIT) || s->split != at)
            continue;
        told[i] = true;
        if (n++ >= NAMED)
            continue;
        drift_buf_addf(&b, "%s`%s`", n > 1 ? ", " : "", name_of(p, i, name));
        put_split_size(&b, ref, c, i);
    }
    if (n > NAMED)
        drift_buf_addf(&b, " and %zu more", n - NAMED);
    if (at && at < ref->n_windows)
        drift_buf_addf(&b, " between windows %" PRIu32 " (%s) and %" PRIu32 " (%s)", at,
                       drift_time_text(ref->windows[at - 1].start_ms, before, sizeof before), at + 1,
                       drift_time_text(ref->windows[at].start_ms, after, sizeof after));
    put_line(lines, &b);
}

static void put_splits(const struct drift_baseline_chain *ref, const struct drift_phase1 *p, json_t *lines)
{
    bool *told = drift_xcalloc(p->layout->n_columns + 1, sizeof *told);
    uint32_t rest = 0;
    for (uint32_t i = 0; i < p->layout->n_columns; i++) {
        if (told[i] || !(p->column[i].flags & DRIFT_PHASE1_SPLIT))
            continue;
        if (json_array_size(lines) < LINES)
            put_split(ref, p, i, told, lines);
        else
            rest++;
    }
    free(told);
    if (rest)
        json_array_append_new(lines, json_sprintf("and in %u more columns at other times", (unsigned)rest));
}

static double effective_of(const struct drift_phase1_column *c)
{
    double e = INFINITY;
    for (int r = 0; r < DRIFT_PHASE1_SCORES; r++)
        if (c->score[r].used)
            e = fmin(e, c->score[r].effective);
    return e;
}

static double widest(const struct drift_phase1_column *c)
{
    return fmax(c->score[0].natural_sd, c->score[1].natural_sd);
}

/* One line of the columns with a flag, the first of them by name. */
static void put_flagged(const struct drift_phase1 *p, enum drift_phase1_flag flag, const char *begin, const char *end,
                        json_t *lines)
{
    char name[NAME];
    struct drift_buf b;
    size_t n = 0;
    drift_buf_init(&b, 4096);
    drift_buf_adds(&b, begin);
    for (uint32_t i = 0; i < p->layout->n_columns; i++) {
        const struct drift_phase1_column *c = &p->column[i];
        if (!(c->flags & flag) || n++ >= NAMED)
            continue;
        drift_buf_addf(&b, "%s`%s`", n > 1 ? ", " : "", name_of(p, i, name));
        if (flag == DRIFT_PHASE1_SLOW)
            drift_buf_addf(&b, " (worth %.0f)", effective_of(c));
        if (flag == DRIFT_PHASE1_SMALL_WINDOWS)
            drift_buf_addf(&b, " (%.3g)", c->n_typical);
        if (flag == DRIFT_PHASE1_WIDE)
            drift_buf_addf(&b, " (%.2g sd)", widest(c));
    }
    if (n > NAMED)
        drift_buf_addf(&b, " and %zu more", n - NAMED);
    drift_buf_adds(&b, end);
    if (n)
        put_line(lines, &b);
    else
        drift_buf_release(&b);
}

/* What speaks against the baseline, the worst first. */
static json_t *why(const struct drift_baseline_chain *ref, const struct drift_phase1 *p)
{
    json_t *lines = json_array();
    put_splits(ref, p, lines);
    put_flagged(p, DRIFT_PHASE1_SLOW, "it wanders so slowly that its windows say the same thing again: ",
                "; 12 are needed, so take a longer range", lines);
    if (p->flags & DRIFT_PHASE1_NO_WINDOWS)
        json_array_append_new(lines, json_string("it has no windows, so how much traffic varies by itself is unknown"));
    if (p->flags & DRIFT_PHASE1_FEW_WINDOWS)
        json_array_append_new(lines, json_sprintf("%u windows are fewer than %d: take a longer range",
                                                  (unsigned)p->n_windows, DRIFT_PHASE1_WINDOWS_MIN));
    put_flagged(p, DRIFT_PHASE1_SMALL_WINDOWS, "fewer than 100 values a window in ", ": make windows longer", lines);
    put_flagged(p, DRIFT_PHASE1_WIDE, "windows differ by themselves so much that only large drifts can be told in ", "",
                lines);
    return lines;
}

static const char *score_name(const struct drift_column *c, int r)
{
    return c->kind == DRIFT_CATEGORICAL ? "shares" : r ? "spread" : "location";
}

/* ---- printing ---- */

static void print_variation(const struct drift_phase1 *p)
{
    char name[NAME];
    size_t n = 0;
    for (uint32_t i = 0; i < p->layout->n_columns; i++) {
        const struct drift_phase1_column *c = &p->column[i];
        for (int r = 0; r < DRIFT_PHASE1_SCORES; r++) {
            const struct drift_phase1_score *s = &c->score[r];
            if (s->used && s->phi > 1.5 && n++ < ROWS)
                printf("  varies by itself: `%s` %s, phi %.3g, %.2g sd between windows, worth %.0f windows\n",
                       name_of(p, i, name), score_name(&p->layout->columns[i], r), s->phi, s->natural_sd, s->effective);
        }
    }
    if (n > ROWS)
        printf("  and %zu more vary by themselves\n", n - ROWS);
}

static void print_seasons(const struct drift_phase1 *p)
{
    char name[NAME];
    size_t n = 0;
    for (uint32_t i = 0; i < p->layout->n_columns; i++)
        for (int r = 0; r < DRIFT_PHASE1_SCORES; r++) {
            const struct drift_phase1_score *s = &p->column[i].score[r];
            if (!s->used || !s->seasonal || n++ >= ROWS)
                continue;
            bool hours = false;
            for (int h = 0; h < DRIFT_PHASE1_HOURS; h++)
                hours |= s->hour[h] != 0;
            printf("  season: `%s` %s: by %s", name_of(p, i, name), score_name(&p->layout->columns[i], r),
                   !hours                             ? "the weekend"
                   : s->day[0] != 0 || s->day[1] != 0 ? "the hour of day and the weekend"
                                                      : "the hour of day");
            if (hours)
                printf(", %.0f %% of its variation", 100 * s->season_share);
            putchar('\n');
        }
    if (n > ROWS)
        printf("  season: and %zu more\n", n - ROWS);
}

/* Rates that were seen at all, and where none was, limits that are not small. */
static bool rate_worth(const struct drift_phase1_rate *r)
{
    return r->used && (r->low > 0 || r->high > 0.01);
}

static void print_rates(const struct drift_phase1 *p)
{
    char name[NAME];
    size_t n = 0;
    for (uint32_t i = 0; i < p->layout->n_columns; i++)
        for (int id = 0; id < DRIFT_N_RATE; id++) {
            const struct drift_phase1_rate *r = &p->column[i].rate[id];
            if (rate_worth(r) && n++ < ROWS)
                printf("  rate: `%s` %s, true rate %.3g to %.3g %%\n", name_of(p, i, name), rate_name[id], 100 * r->low,
                       100 * r->high);
        }
    if (n > ROWS)
        printf("  rate: and %zu more\n", n - ROWS);
}

static double least_effective(const struct drift_phase1 *p)
{
    double e = p->n_windows;
    for (uint32_t i = 0; i < p->layout->n_columns; i++)
        e = fmin(e, effective_of(&p->column[i]));
    return e;
}

void drift_baseline_phase1_print(const struct drift_baseline *b, const struct drift_phase1 *p)
{
    char size[48];
    size_t i;
    json_t *line, *lines = why(&b->chain[DRIFT_CHAIN_INPUT], p);
    if (p->n_windows)
        printf("phase I: %" PRIu32 " windows of %s, %.0f events each, worth %.0f at least: ", p->n_windows,
               drift_duration_text(p->window_ms, size, sizeof size), p->events, least_effective(p));
    else
        printf("phase I: ");
    puts(drift_phase1_promises(p) ? "a rate of false alarms can be promised"
                                  : "no rate of false alarms can be promised");
    json_array_foreach(lines, i, line) printf("  %s\n", json_string_value(line));
    print_variation(p);
    print_seasons(p);
    print_rates(p);
    json_decref(lines);
}

/* ---- JSON ---- */

static json_t *flags_json(unsigned flags)
{
    static const char *const name[] = {"no_windows", "few_windows", "small_windows", "split", "slow", "wide"};
    json_t *j = json_array();
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (flags >> i & 1)
            json_array_append_new(j, json_string(name[i]));
    return j;
}

static json_t *score_json(const struct drift_baseline_chain *ref, const struct drift_phase1_score *s)
{
    char at[32];
    json_t *j = json_object();
    json_object_set_new(j, "phi", json_real(s->phi));
    json_object_set_new(j, "natural_sd", json_real(s->natural_sd));
    json_object_set_new(j, "effective", json_real(s->effective));
    if (s->split && s->split < ref->n_windows) {
        json_object_set_new(j, "split", json_integer(s->split));
        json_object_set_new(j, "split_at",
                            json_string(drift_time_text(ref->windows[s->split].start_ms, at, sizeof at)));
        json_object_set_new(j, "split_p", json_real(s->split_p));
        json_object_set_new(j, "split_size", json_real(s->split_size));
    }
    if (s->seasonal)
        json_object_set_new(j, "season_share", json_real(s->season_share));
    return j;
}

static bool column_worth(const struct drift_phase1_column *c)
{
    bool worth = c->flags || c->cell_phi > 1.5;
    for (int r = 0; r < DRIFT_PHASE1_SCORES; r++)
        worth |= c->score[r].used && (c->score[r].phi > 1.5 || c->score[r].seasonal);
    for (int id = 0; id < DRIFT_N_RATE; id++)
        worth |= rate_worth(&c->rate[id]);
    return worth;
}

static json_t *column_json(const struct drift_baseline_chain *ref, const struct drift_column *c,
                           const struct drift_phase1_column *p)
{
    static const char *const rate[DRIFT_N_RATE] = {"null", "missing", "invalid", "unseen", "out_of_range"};
    json_t *j = json_object(), *rates = json_object();
    json_object_set_new(j, "column", drift_text_json(c->name));
    json_object_set_new(j, "role", json_string(drift_role_name(c->role)));
    json_object_set_new(j, "flags", flags_json(p->flags));
    json_object_set_new(j, "values_a_window", json_real(p->n_typical));
    json_object_set_new(j, "psi_tolerance", json_real(p->delta));
    for (int r = 0; r < DRIFT_PHASE1_SCORES; r++)
        if (p->score[r].used)
            json_object_set_new(j, score_name(c, r), score_json(ref, &p->score[r]));
    if (p->cell_phi > 1)
        json_object_set_new(j, "cell_phi", json_real(p->cell_phi));
    for (int id = 0; id < DRIFT_N_RATE; id++)
        if (rate_worth(&p->rate[id]))
            json_object_set_new(rates, rate[id], json_pack("[ff]", p->rate[id].low, p->rate[id].high));
    json_object_set_new(j, "rates", rates);
    return j;
}

static json_t *phase1_json(const struct drift_baseline_chain *ref, const struct drift_phase1 *p)
{
    json_t *j = json_object(), *columns = json_array();
    json_object_set_new(j, "promises", json_boolean(drift_phase1_promises(p)));
    json_object_set_new(j, "stationary", json_boolean(drift_baseline_stationary(p)));
    json_object_set_new(j, "flags", flags_json(p->flags));
    json_object_set_new(j, "why", why(ref, p));
    json_object_set_new(j, "windows", json_integer(p->n_windows));
    json_object_set_new(j, "effective", json_real(least_effective(p)));
    json_object_set_new(j, "events", json_real(p->events));
    for (uint32_t i = 0; i < p->layout->n_columns && json_array_size(columns) < LISTED; i++)
        if (column_worth(&p->column[i]))
            json_array_append_new(columns, column_json(ref, &p->layout->columns[i], &p->column[i]));
    json_object_set_new(j, "columns", columns);
    return j;
}

void drift_baseline_phase1_note(struct drift_baseline *b, const struct drift_phase1 *p)
{
    json_t *meta = json_loads(b->meta, 0, NULL);
    json_object_set_new(meta, "phase1", phase1_json(&b->chain[DRIFT_CHAIN_INPUT], p));
    char *text = json_dumps(meta, JSON_COMPACT | JSON_REAL_PRECISION(12));
    json_decref(meta);
    if (!text)
        drift_bug("META has no JSON form");
    free(b->meta);
    b->meta = text;
}

char *drift_baseline_phase1_why(const struct drift_baseline *b, const struct drift_phase1 *p)
{
    json_t *lines = why(&b->chain[DRIFT_CHAIN_INPUT], p);
    const char *first = json_string_value(json_array_get(lines, 0));
    char *text = drift_xstrdup(first ? first : "");
    json_decref(lines);
    return text;
}
