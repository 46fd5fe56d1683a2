/* src/detect/season.c    Hour-of-day and weekend profiles of a series of window scores; for phase1.c. */
#include "season.h"

#include <math.h>
#include <string.h>

#include <gsl/gsl_cdf.h>

enum { HOURS = DRIFT_PHASE1_HOURS, DAYS_MAX = 400, DAYS_MIN = 5 };
#define DAY_MS INT64_C(86400000)

static int64_t day_of(int64_t ms)
{
    return ms >= 0 ? ms / DAY_MS : -((DAY_MS - 1 - ms) / DAY_MS);
}

unsigned season_hour(int64_t ms)
{
    return (unsigned)((ms - day_of(ms) * DAY_MS) / (DAY_MS / HOURS));
}

unsigned season_day(int64_t ms)
{
    int64_t weekday = (day_of(ms) % 7 + 7 + 3) % 7; /* 1970-01-01 was a Thursday; 0: Monday */
    return weekday >= 5;
}

/* Means by day and slot of the day; only days with every slot filled. */
struct table {
    size_t days, slots;
    double y[DAYS_MAX][HOURS];
    unsigned weekend[DAYS_MAX];
};

static void row_close(struct table *t, const double sum[HOURS], const unsigned count[HOURS], int64_t day)
{
    for (size_t h = 0; h < t->slots; h++)
        if (!count[h])
            return;
    if (t->days == DAYS_MAX) { /* forget the oldest */
        memmove(t->y[0], t->y[1], (DAYS_MAX - 1) * sizeof t->y[0]);
        memmove(t->weekend, t->weekend + 1, (DAYS_MAX - 1) * sizeof *t->weekend);
        t->days--;
    }
    for (size_t h = 0; h < t->slots; h++)
        t->y[t->days][h] = sum[h] / count[h];
    t->weekend[t->days++] = season_day(day * DAY_MS);
}

static void table_fill(struct table *t, const double *y, const int64_t *start_ms, size_t n)
{
    double sum[HOURS] = {0};
    unsigned count[HOURS] = {0};
    int64_t day = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t d = day_of(start_ms[i]);
        if (i && d != day) {
            row_close(t, sum, count, day);
            memset(sum, 0, sizeof sum);
            memset(count, 0, sizeof count);
        }
        day = d;
        size_t h = season_hour(start_ms[i]) * t->slots / HOURS;
        sum[h] += y[i];
        count[h]++;
    }
    if (n)
        row_close(t, sum, count, day);
}

/* Means by slot, by day, of all. */
struct margins {
    double slot[HOURS], day[DAYS_MAX], all;
};

static void margins_of(const struct table *t, struct margins *m)
{
    memset(m, 0, sizeof *m);
    for (size_t d = 0; d < t->days; d++)
        for (size_t h = 0; h < t->slots; h++) {
            m->slot[h] += t->y[d][h] / (double)t->days;
            m->day[d] += t->y[d][h] / (double)t->slots;
        }
    for (size_t h = 0; h < t->slots; h++)
        m->all += m->slot[h] / (double)t->slots;
}

static double residual(const struct table *t, const struct margins *m, size_t d, size_t h)
{
    return t->y[d][h] - m->slot[h] - m->day[d] + m->all;
}

/* tr(S)^2 / ((H-1) tr(S S)) of the residuals' covariance S between slots. */
static double box_epsilon(const struct table *t, const struct margins *m)
{
    double trace = 0, squares = 0;
    for (size_t g = 0; g < t->slots; g++)
        for (size_t h = 0; h < t->slots; h++) {
            double s = 0;
            for (size_t d = 0; d < t->days; d++)
                s += residual(t, m, d, g) * residual(t, m, d, h);
            squares += s * s;
            trace += g == h ? s : 0;
        }
    double dof = (double)t->slots - 1;
    return squares > 0 ? fmin(fmax(trace * trace / (dof * squares), 1 / dof), 1) : 1;
}

static void hours_test(const struct table *t, const struct margins *m, double *ret_p, double *ret_share)
{
    double between = 0, within = 0, total = 0, dof_h = (double)t->slots - 1, dof_d = (double)t->days - 1;
    for (size_t h = 0; h < t->slots; h++)
        between += (double)t->days * (m->slot[h] - m->all) * (m->slot[h] - m->all);
    for (size_t d = 0; d < t->days; d++)
        for (size_t h = 0; h < t->slots; h++) {
            double r = residual(t, m, d, h), y = t->y[d][h] - m->all;
            within += r * r;
            total += y * y;
        }
    if (!(total > 0))
        return;
    double noise = within / (dof_h * dof_d), e = box_epsilon(t, m);
    *ret_share = fmin(fmax((between - dof_h * noise) / total, 0), 1);
    *ret_p = noise > 0 ? gsl_cdf_fdist_Q(between / dof_h / noise, e * dof_h, e * dof_h * dof_d) : 0;
}

/* Student's t of the days' means; the difference goes to diff. */
static double weekend_test(const struct table *t, const struct margins *m, double diff[2])
{
    double n[2] = {0}, mean[2] = {0}, squares = 0;
    for (size_t d = 0; d < t->days; d++) {
        n[t->weekend[d]]++;
        mean[t->weekend[d]] += m->day[d];
    }
    if (n[0] + n[1] < 14 || n[0] < 4 || n[1] < 4)
        return 1;
    mean[0] /= n[0];
    mean[1] /= n[1];
    for (size_t d = 0; d < t->days; d++)
        squares += (m->day[d] - mean[t->weekend[d]]) * (m->day[d] - mean[t->weekend[d]]);
    double dof = n[0] + n[1] - 2, gap = mean[1] - mean[0], se = sqrt(squares / dof * (1 / n[0] + 1 / n[1]));
    diff[0] = -gap * n[1] / (n[0] + n[1]);
    diff[1] = gap * n[0] / (n[0] + n[1]);
    return se > 0 ? fmin(2 * gsl_cdf_tdist_Q(fabs(gap) / se, dof), 1) : gap != 0 ? 0 : 1;
}

void season_fit(const double *y, const int64_t *start_ms, size_t n, int64_t window_ms, double noise, double alpha,
                struct drift_phase1_score *s)
{
    static _Thread_local struct table t; /* 80 kB: too much for a thread's stack */
    static _Thread_local struct margins m;
    s->season_p = s->weekend_p = 1;
    if (window_ms <= 0 || window_ms > DAY_MS / 2 || n < 2)
        return;
    t.days = 0;
    t.slots = window_ms <= DAY_MS / HOURS ? HOURS : (size_t)(DAY_MS / window_ms);
    table_fill(&t, y, start_ms, n);
    if (t.days < DAYS_MIN)
        return;
    double diff[2] = {0};
    margins_of(&t, &m);
    hours_test(&t, &m, &s->season_p, &s->season_share);
    s->weekend_p = weekend_test(&t, &m, diff);
    double variance = 0;
    for (size_t h = 0; h < t.slots; h++)
        variance += (m.slot[h] - m.all) * (m.slot[h] - m.all) / (double)t.slots;
    bool hours = s->season_p < alpha && s->season_share >= 0.1 && variance > 0.1 * noise;
    bool weekend = s->weekend_p < alpha && -diff[0] * diff[1] > 0.1 * noise;
    s->seasonal = hours || weekend;
    for (size_t h = 0; hours && h < HOURS; h++)
        s->hour[h] = m.slot[h * t.slots / HOURS] - m.all;
    for (int k = 0; weekend && k < 2; k++)
        s->day[k] = diff[k];
}

void season_take(double *y, const int64_t *start_ms, size_t n, bool hours, bool weekend)
{
    double sum[2 * HOURS] = {0}, count[2 * HOURS] = {0}, all = 0;
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < n; i++) {
            size_t g = (hours ? season_hour(start_ms[i]) : 0) + (weekend ? HOURS * season_day(start_ms[i]) : 0);
            if (turn)
                y[i] -= sum[g] / count[g] - all / (double)n;
            else {
                sum[g] += y[i];
                all += y[i];
                count[g]++;
            }
        }
}
