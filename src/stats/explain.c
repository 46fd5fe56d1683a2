/* src/stats/explain.c    What changed in a column, for tickets and terminals. */
#include "driftd/explain.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "driftd/cells.h"

enum { CLAUSES = 3, ROWS = 12, BAR = 18, LABEL = 22 };

static uint64_t sum(const uint64_t *v, uint32_t n)
{
    uint64_t s = 0;
    for (uint32_t i = 0; i < n; i++)
        s += v[i];
    return s;
}

static double share(uint64_t part, uint64_t all)
{
    return all ? (double)part / (double)all : 0;
}

/* ---- numbers ---- */

static double left(const struct drift_column *c, uint32_t cell)
{
    return c->edges[cell ? cell - 1 : 0];
}

static double right(const struct drift_column *c, uint32_t cell)
{
    return c->edges[cell < c->n_edges ? cell : c->n_edges - 1];
}

static double mean(const struct drift_column *c, const uint64_t *v, uint64_t n)
{
    double m = 0;
    for (uint32_t i = 0; i < c->n_cells; i++)
        m += (left(c, i) / 2 + right(c, i) / 2) * share(v[i], n);
    return m;
}

static double median(const struct drift_column *c, const uint64_t *v, uint64_t n)
{
    uint64_t below = 0;
    uint32_t i = 0;
    while (i + 1 < c->n_cells && 2 * (below + v[i]) < n)
        below += v[i++];
    double part = v[i] ? ((double)n / 2 - (double)below) / (double)v[i] : 0;
    return left(c, i) * (1 - part) + right(c, i) * part; /* their difference may be beyond a double */
}

static void numbers(const struct drift_column *c, const uint64_t *p, const uint64_t *q, struct drift_shift *d)
{
    struct drift_cells_w1 before, after;
    if (c->bounded) {
        d->below_before = share(p[0], d->n_before);
        d->below_after = share(q[0], d->n_after);
        d->above_before = share(p[c->n_cells - 1], d->n_before);
        d->above_after = share(q[c->n_cells - 1], d->n_after);
    }
    d->has_median = c->n_edges > 0;
    if (d->has_median) {
        d->median_before = median(c, p, d->n_before);
        d->median_after = median(c, q, d->n_after);
    }
    if (c->n_edges < 1 || drift_cells_wasserstein(p, q, c->edges, c->n_cells, 0, &before) ||
        drift_cells_wasserstein(q, q, c->edges, c->n_cells, 0, &after) || !(before.sd > 0))
        return;
    d->shift_sd = mean(c, q, d->n_after) / before.sd - mean(c, p, d->n_before) / before.sd;
    d->spread = after.sd / before.sd;
    d->open = q[0] || q[c->n_cells - 1];
    d->has_shift = isfinite(d->shift_sd) && isfinite(d->spread);
    if (!d->has_shift)
        d->shift_sd = d->spread = 0;
}

static void categories(const struct drift_column *c, const uint64_t *p, const uint64_t *q, struct drift_shift *d)
{
    double most = -1;
    d->unseen_before = share(p[drift_column_unseen(c)], d->n_before);
    d->unseen_after = share(q[drift_column_unseen(c)], d->n_after);
    for (uint32_t i = 0; i < c->n_categories; i++) {
        double before = share(p[i], d->n_before), after = share(q[i], d->n_after);
        double rank = fabs(after - before) + (after > before ? 1e-12 : 0);
        if (rank <= most)
            continue;
        most = rank;
        d->has_category = true;
        d->category = i;
        d->share_before = before;
        d->share_after = after;
    }
}

void drift_shift_of(const struct drift_column *c, const uint64_t *p, const uint64_t *q, struct drift_shift *ret)
{
    uint64_t all_before = sum(p, drift_column_counters(c)), all_after = sum(q, drift_column_counters(c));
    *ret = (struct drift_shift){.n_before = sum(p + DRIFT_N_SPECIAL, c->n_cells),
                                .n_after = sum(q + DRIFT_N_SPECIAL, c->n_cells)};
    for (int i = 0; i < DRIFT_N_SPECIAL; i++) {
        ret->rate_before[i] = share(p[i], all_before);
        ret->rate_after[i] = share(q[i], all_after);
    }
    if (!ret->n_before || !ret->n_after)
        return;
    if (c->kind == DRIFT_NUMERIC)
        numbers(c, p + DRIFT_N_SPECIAL, q + DRIFT_N_SPECIAL, ret);
    else
        categories(c, p + DRIFT_N_SPECIAL, q + DRIFT_N_SPECIAL, ret);
}

int drift_shift_direction(const struct drift_shift *d)
{
    return d->has_shift ? (d->shift_sd > 0) - (d->shift_sd < 0) : 0;
}

/* ---- words ---- */

struct clause {
    double weight; /* how much it changes, so that clauses of one column can be ordered: about 1 is much */
    char text[200];
};
struct clauses {
    size_t n;
    struct clause at[16];
};

__attribute__((format(printf, 3, 4))) static void say(struct clauses *s, double weight, const char *fmt, ...)
{
    va_list ap;
    if (!(weight >= .02) || s->n == sizeof s->at / sizeof *s->at)
        return;
    struct clause *c = &s->at[s->n++];
    c->weight = weight;
    va_start(ap, fmt);
    vsnprintf(c->text, sizeof c->text, fmt, ap);
    va_end(ap);
}

/* A name in quotes, control characters replaced, cut at a character's end. */
static const char *quoted(const char *name, char *buf, size_t cap)
{
    size_t n = strlen(name), at = 0;
    if (n > cap - 3)
        for (n = cap - 3; n && ((unsigned char)name[n] & 0xC0) == 0x80;)
            n--;
    buf[at++] = '`';
    for (size_t i = 0; i < n; i++) {
        const unsigned char *s = (const unsigned char *)name + i;
        bool c1 = s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0; /* U+0080 .. U+009F, which terminals obey too */
        buf[at++] = *s < 0x20 || *s == 0x7f || c1 ? '?' : *s == '`' ? '\'' : name[i];
        i += c1;
    }
    buf[at++] = '`';
    buf[at] = 0;
    return buf;
}

/* "12 %", ".4 %" */
static const char *percent(double x, char buf[24])
{
    snprintf(buf, 24, x >= .0995 ? "%.0f %%" : x >= .00095 || x == 0 ? "%.2g %%" : "%.1g %%", 100 * x);
    return buf;
}

static void say_rate(struct clauses *s, double before, double after, const char *what)
{
    char a[24], b[24];
    if (after >= .9995 && before < .5)
        say(s, 10 * (after - before), "%s in all events", what);
    else
        say(s, 10 * fabs(after - before), "%s in %s of events (baseline %s)", what, percent(after, a),
            percent(before, b));
}

static void say_numbers(struct clauses *s, const struct drift_shift *d)
{
    char a[24], b[24];
    bool medians = d->has_median && d->median_before != d->median_after;
    if (d->has_shift && medians)
        say(s, fabs(d->shift_sd), "moved %s by %s%.2g sd (median %.4g to %.4g)", d->shift_sd > 0 ? "up" : "down",
            d->open && fabs(d->shift_sd) > .5 ? "at least " : "", fabs(d->shift_sd), d->median_before, d->median_after);
    else if (d->has_shift)
        say(s, fabs(d->shift_sd), "moved %s by %s%.2g sd", d->shift_sd > 0 ? "up" : "down",
            d->open && fabs(d->shift_sd) > .5 ? "at least " : "", fabs(d->shift_sd));
    else if (medians)
        say(s, 1, "median %.4g, was %.4g", d->median_after, d->median_before);
    if (d->has_shift && d->spread > 0)
        say(s, fabs(log(d->spread)), "spreads %.2f times as far", d->spread);
    if (d->above_after > d->above_before)
        say(s, 10 * (d->above_after - d->above_before), "%s of values above the baseline's maximum (before: %s)",
            percent(d->above_after, a), percent(d->above_before, b));
    if (d->below_after > d->below_before)
        say(s, 10 * (d->below_after - d->below_before), "%s of values below the baseline's minimum (before: %s)",
            percent(d->below_after, a), percent(d->below_before, b));
}

static void say_categories(struct clauses *s, const struct drift_column *c, const struct drift_shift *d)
{
    char a[24], b[24], name[64];
    if (d->has_category)
        say(s, 5 * fabs(d->share_after - d->share_before), "share of %s %s from %s to %s",
            quoted(c->categories[d->category], name, sizeof name), d->share_after > d->share_before ? "rose" : "fell",
            percent(d->share_before, b), percent(d->share_after, a));
    if (d->unseen_after > d->unseen_before)
        say(s, 10 * (d->unseen_after - d->unseen_before), "%s of values that the baseline does not know",
            percent(d->unseen_after, a));
}

static size_t put(char *buf, size_t cap, size_t at, const char *text)
{
    size_t n = strlen(text);
    if (at + n + 1 > cap)
        return at;
    memcpy(buf + at, text, n + 1);
    return at + n;
}

size_t drift_shift_text(const struct drift_column *c, const struct drift_shift *d, char *buf, size_t cap)
{
    static const char *const special[DRIFT_N_SPECIAL] = {"null", "missing", "not finite", "of another type"};
    struct clauses s = {0};
    size_t at = 0;
    for (int i = 0; i < DRIFT_N_SPECIAL; i++)
        say_rate(&s, d->rate_before[i], d->rate_after[i], special[i]);
    if (c->kind == DRIFT_NUMERIC)
        say_numbers(&s, d);
    else
        say_categories(&s, c, d);
    if (cap)
        buf[0] = 0;
    for (int k = 0; k < CLAUSES; k++) {
        struct clause *best = NULL;
        for (size_t i = 0; i < s.n; i++)
            if (s.at[i].weight > 0 && (!best || s.at[i].weight > best->weight))
                best = &s.at[i];
        if (!best)
            break;
        at = put(buf, cap, at, at ? "; " : "");
        at = put(buf, cap, at, best->text);
        best->weight = 0;
    }
    return at ? at : put(buf, cap, 0, d->n_after ? "no change to speak of" : "no values in the window");
}

size_t drift_unseen_text(const struct drift_summary *s, uint32_t column, char *buf, size_t cap)
{
    enum { NAMED = 5 };
    struct drift_frequent_value top[NAMED];
    const struct drift_column *c = &s->layout->columns[column];
    uint64_t all = sum(drift_summary_cells(s, c), c->n_cells);
    size_t at = 0, n = s->unseen && s->unseen[column] ? drift_frequent_top(s->unseen[column], top, NAMED) : 0;
    char one[128], name[DRIFT_FREQUENT_TEXT + 3], part[24];
    if (cap)
        buf[0] = 0;
    for (size_t i = 0; i < n && top[i].at_least; i++) {
        snprintf(one, sizeof one, "%s%s %s%s", at ? ", " : "new: ", quoted(top[i].text, name, sizeof name),
                 top[i].at_most > top[i].at_least ? "at least " : "", percent(share(top[i].at_least, all), part));
        at = put(buf, cap, at, one);
    }
    return at;
}

/* ---- histogram ---- */

struct row {
    char label[96];
    uint64_t before, after;
};

static size_t number_rows(const struct drift_column *c, const uint64_t *p, const uint64_t *q, struct row *row)
{
    size_t n = 0;
    uint32_t from = 0, step = (c->n_bins + ROWS - 1) / ROWS; /* neighbours are joined when there are too many */
    for (uint32_t b = 0; b < c->n_bins; b += step) {
        uint32_t last = b + step < c->n_bins ? b + step : c->n_bins, to = c->bin_end[last - 1];
        if (!c->n_edges)
            snprintf(row[n].label, sizeof row[n].label, "any");
        else if (to == c->n_cells)
            snprintf(row[n].label, sizeof row[n].label, "> %.6g", c->edges[from ? from - 1 : 0]);
        else
            snprintf(row[n].label, sizeof row[n].label, "<= %.6g", c->edges[to - 1]);
        row[n].before = sum(p + from, to - from);
        row[n++].after = sum(q + from, to - from);
        from = to;
    }
    return n;
}

static size_t category_rows(const struct drift_column *c, const uint64_t *p, const uint64_t *q, uint64_t m, uint64_t n,
                            struct row *row)
{
    uint32_t taken[ROWS - 3];
    size_t rows = 0;
    uint64_t before = 0, after = 0;
    for (size_t k = 0; k < sizeof taken / sizeof *taken; k++) {
        double most = 0;
        for (uint32_t i = 0; i < c->n_categories; i++) {
            double s = fmax(share(p[i], m), share(q[i], n));
            bool used = false;
            for (size_t j = 0; j < rows; j++)
                used |= taken[j] == i;
            if (!used && s > most) {
                most = s;
                taken[k] = i;
            }
        }
        if (!(most > 0))
            break;
        row[rows] = (struct row){.before = p[taken[k]], .after = q[taken[k]]};
        quoted(c->categories[taken[k]], row[rows++].label, LABEL + 1);
        before += p[taken[k]];
        after += q[taken[k]];
    }
    uint64_t unseen_p = p[drift_column_unseen(c)], unseen_q = q[drift_column_unseen(c)];
    if (m - before - unseen_p || n - after - unseen_q)
        row[rows++] = (struct row){"(others)", m - before - unseen_p, n - after - unseen_q};
    if (unseen_p || unseen_q)
        row[rows++] = (struct row){"(unseen)", unseen_p, unseen_q};
    return rows;
}

/* A bar of x of most, filled up with spaces; returns its bytes. */
static size_t bar(double x, double most, bool utf8, char *buf)
{
    int len = most > 0 ? (int)lround(x / most * BAR) : 0;
    size_t at = 0;
    if (!len && x > 0)
        len = 1;
    for (int i = 0; i < BAR; i++) {
        const char *s = i >= len ? " " : utf8 ? "\xe2\x96\x88" : "#";
        memcpy(buf + at, s, strlen(s));
        at += strlen(s);
    }
    buf[at] = 0;
    return at;
}

/* Columns that a text takes on a terminal, nearly: bytes that begin a character. */
static int width(const char *s)
{
    int n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

size_t drift_histogram_text(const struct drift_column *c, const uint64_t *p, const uint64_t *q, bool utf8, char *buf,
                            size_t cap)
{
    struct row row[ROWS + 2];
    uint64_t m = sum(p + DRIFT_N_SPECIAL, c->n_cells), n = sum(q + DRIFT_N_SPECIAL, c->n_cells);
    if (cap)
        buf[0] = 0;
    if (!m || !n)
        return 0;
    size_t rows = c->kind == DRIFT_NUMERIC ? number_rows(c, p + DRIFT_N_SPECIAL, q + DRIFT_N_SPECIAL, row)
                                           : category_rows(c, p + DRIFT_N_SPECIAL, q + DRIFT_N_SPECIAL, m, n, row);
    double most = 0;
    for (size_t i = 0; i < rows; i++)
        most = fmax(most, fmax(share(row[i].before, m), share(row[i].after, n)));
    char line[384], one[3 * BAR + 1], two[3 * BAR + 1];
    snprintf(line, sizeof line, "%-*s %5s %-*s %5s %s\n", LABEL, "", "base", BAR, "", "now", "");
    size_t at = put(buf, cap, 0, line);
    for (size_t i = 0; i < rows; i++) {
        double a = share(row[i].before, m), b = share(row[i].after, n);
        int pad = LABEL - width(row[i].label);
        bar(a, most, utf8, one);
        bar(b, most, utf8, two);
        for (size_t k = strlen(two); k && two[k - 1] == ' ';)
            two[--k] = 0;
        snprintf(line, sizeof line, "%.*s%*s %4.*f%% %s %4.*f%% %s\n", 4 * LABEL, row[i].label, pad > 0 ? pad : 0, "",
                 a < .0995 ? 1 : 0, 100 * a, one, b < .0995 ? 1 : 0, 100 * b, two);
        at = put(buf, cap, at, line);
    }
    return at;
}
