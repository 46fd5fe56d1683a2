/* src/detect/adwin.c    ADWIN: a window that drops its oldest values when any cut of it separates two means.
 *
 * The window is kept as buckets of 2^row values, at most max_buckets a row: sum and sum of squared deviations of each.
 * Every `clock` values each border between buckets is a cut to try; old | new differ when
 *
 *     |mean0 - mean1| > sqrt(2 m v d) + 2 m d / 3,   m = 1/(n0 - l + 1) + 1/(n1 - l + 1),   d = ln(2 ln(n) / delta)
 *
 * with v the variance of the whole window and l the least part.  Then the oldest bucket goes, and the cuts are tried
 * again.
 *
 * form `published` does that, as river does.  Form `multiflow` (scikit-multiflow, the default here) does not quite: the
 * newest bucket of each row is no border and stays on the new side of all later cuts although it is older than they
 * are; and a merged bucket keeps the squares of only the newer of its two halves, so that less than its variance leaves
 * the window with it.  Where its drifts lie is what people know of ADWIN, so they can be had exactly. */
#include <math.h>
#include <string.h>

#include "detector_kind.h"
#include "driftd/error.h"

enum { DELTA, CLOCK, MAX_BUCKETS, LEAST_PART, GRACE, AFTER, FORM };
enum { ROWS_MAX = 48 }; /* 2^48 values and more; a full last row drops the oldest */
enum { AFTER_SHRINK, AFTER_RESTART };
enum { FORM_MULTIFLOW, FORM_PUBLISHED };

static const struct drift_detector_param params[] = {
    [DELTA] = {"delta", "probability of a false cut, by the bound", .002, 1e-100, 1, false, {NULL}},
    [CLOCK] = {"clock", "values between two looks for a cut", 32, 1, 1e6, true, {NULL}},
    [MAX_BUCKETS] = {"max_buckets", "buckets of one size", 5, 2, 32, true, {NULL}},
    [LEAST_PART] = {"min_window_length", "fewest values on either side of a cut", 5, 1, 1e6, true, {NULL}},
    [GRACE] = {"grace_period", "values before the first look", 10, 1, 1e9, true, {NULL}},
    [AFTER] = {"after",
               "after a drift: drop old values only, or start afresh (river)",
               AFTER_SHRINK,
               0,
               1,
               true,
               {"shrink", "restart"}},
    [FORM] = {"form",
              "as published (river), or as scikit-multiflow has it (other borders, another variance)",
              FORM_MULTIFLOW,
              0,
              1,
              true,
              {"multiflow", "published"}},
};

struct bucket {
    double sum, squares; /* of values; of their deviations from the bucket's mean */
};
struct window {
    uint64_t n, ticks;
    double sum, squares;
    uint32_t n_rows;
    bool drifted;
    uint32_t used[ROWS_MAX];
    struct bucket bucket[]; /* [ROWS_MAX][max_buckets + 1], the oldest of a row first */
};

static size_t row_places(const double *param)
{
    return (size_t)param[MAX_BUCKETS] + 1;
}

static size_t size(const double *param)
{
    return sizeof(struct window) + ROWS_MAX * row_places(param) * sizeof(struct bucket);
}

static int init(void *state, const double *param)
{
    struct window *w = state;
    memset(w, 0, size(param));
    w->n_rows = 1;
    return 0;
}

static struct bucket *row(struct window *w, const double *param, uint32_t i)
{
    return w->bucket + i * row_places(param);
}

static double square(double x)
{
    return x * x;
}

/* Squared deviations that come from the difference of two means when two groups become one. */
static double between(double n1, double sum1, double n2, double sum2)
{
    return n1 * n2 * square(sum1 / n1 - sum2 / n2) / (n1 + n2);
}

/* Of 2^i values.  Nothing that was added is above; what was read may be. */
static double squares_most(uint32_t i)
{
    return ldexp(4 * square(DRIFT_DETECTOR_VALUE_MAX), (int)i);
}

static void row_push(struct window *w, const double *param, uint32_t i, struct bucket b)
{
    row(w, param, i)[w->used[i]++] = b;
}

static void row_drop(struct window *w, const double *param, uint32_t i, uint32_t k)
{
    struct bucket *r = row(w, param, i);
    w->used[i] -= k;
    memmove(r, r + k, w->used[i] * sizeof *r);
}

static void drop_oldest(struct window *w, const double *param)
{
    uint32_t last = w->n_rows - 1;
    struct bucket b = row(w, param, last)[0];
    double n1 = ldexp(1, (int)last);
    w->n -= UINT64_C(1) << last;
    w->sum -= b.sum;
    double gone = w->n ? b.squares + between(n1, b.sum, (double)w->n, w->sum) : w->squares;
    w->squares = fmax(w->squares - gone, 0); /* rounding may pass 0 */
    row_drop(w, param, last, 1);
    while (w->n_rows > 1 && !w->used[w->n_rows - 1])
        w->n_rows--;
}

/* Two buckets of a row that has one too many become one of the next. */
static void compress(struct window *w, const double *param)
{
    uint32_t places = (uint32_t)row_places(param);
    for (uint32_t i = 0; i < w->n_rows && w->used[i] == places; i++) {
        if (i == ROWS_MAX - 1) {
            drop_oldest(w, param);
            return;
        }
        struct bucket *r = row(w, param, i), a = r[0], b = r[1];
        double n = ldexp(1, (int)i), kept = (int)param[FORM] == FORM_MULTIFLOW ? 0 : a.squares;
        if (i + 1 == w->n_rows)
            w->n_rows++;
        row_drop(w, param, i, 2);
        double squares = fmin(kept + b.squares + between(n, a.sum, n, b.sum), squares_most(i + 1));
        row_push(w, param, i + 1, (struct bucket){a.sum + b.sum, squares});
    }
}

static bool cut_found(const struct window *w, const double *param, double n0, double sum0, double n1, double sum1)
{
    double least = param[LEAST_PART], n = (double)w->n;
    if (n0 < least || n1 < least)
        return false;
    double d = log(2 * log(n) / param[DELTA]), m = 1 / (n0 - least + 1) + 1 / (n1 - least + 1);
    double mean0 = sum0 / n0, mean1 = sum1 / n1, rounding = n * 0x1p-52 * fmax(fabs(mean0), fabs(mean1));
    return fabs(mean0 - mean1) > sqrt(2 * m * (w->squares / n) * d) + 2 * d * m / 3 + rounding;
}

/* From the oldest bucket on. */
static bool cut_somewhere(struct window *w, const double *param)
{
    double n0 = 0, sum0 = 0, n1 = (double)w->n, sum1 = w->sum;
    uint32_t skipped = (int)param[FORM] != FORM_PUBLISHED;
    for (uint32_t i = w->n_rows; i-- > 0;)
        for (uint32_t k = 0; k + skipped < w->used[i]; k++) {
            double n = ldexp(1, (int)i), sum = row(w, param, i)[k].sum;
            n0 += n;
            n1 -= n;
            sum0 += sum;
            sum1 -= sum;
            if (cut_found(w, param, n0, sum0, n1, sum1))
                return true;
        }
    return false;
}

static enum drift_detector_level add(void *state, const double *param, double x)
{
    struct window *w = state;
    if (w->drifted && (int)param[AFTER] == AFTER_RESTART)
        (void)init(w, param);
    if (w->n)
        w->squares = fmin(w->squares + (double)w->n * square(x - w->sum / (double)w->n) / (double)(w->n + 1),
                          STATE_SUM_MAX * DRIFT_DETECTOR_VALUE_MAX * 4);
    row_push(w, param, 0, (struct bucket){x, 0});
    w->n++;
    w->sum += x;
    compress(w, param);
    w->drifted = false;
    if (++w->ticks < (uint64_t)param[CLOCK])
        return DRIFT_DETECTOR_QUIET;
    w->ticks = 0;
    if ((double)w->n <= param[GRACE])
        return DRIFT_DETECTOR_QUIET;
    while (cut_somewhere(w, param)) {
        w->drifted = true;
        drop_oldest(w, param);
    }
    return w->drifted ? DRIFT_DETECTOR_DRIFT : DRIFT_DETECTOR_QUIET;
}

static void io(void *state, const double *param, struct state_io *io)
{
    struct window *w = state;
    uint64_t n = 0;
    double sum = 0;
    state_u64(io, &w->ticks, (uint64_t)param[CLOCK] - 1);
    state_f64(io, &w->sum, -STATE_SUM_MAX, STATE_SUM_MAX);
    state_f64(io, &w->squares, 0, STATE_SUM_MAX * DRIFT_DETECTOR_VALUE_MAX * 4);
    state_flag(io, &w->drifted);
    state_u32(io, &w->n_rows, ROWS_MAX);
    for (uint32_t i = 0; i < w->n_rows && !io->bad; i++) {
        state_u32(io, &w->used[i], (uint32_t)param[MAX_BUCKETS]);
        n += (uint64_t)w->used[i] << i;
        for (uint32_t k = 0; k < w->used[i]; k++) {
            struct bucket *b = &row(w, param, i)[k];
            double most = ldexp(DRIFT_DETECTOR_VALUE_MAX, (int)i);
            state_f64(io, &b->sum, -most, most);
            state_f64(io, &b->squares, 0, squares_most(i));
            sum += b->sum;
        }
    }
    if (!w->n_rows || n > io->n || !(fabs(w->sum - sum) < 4 * DRIFT_DETECTOR_VALUE_MAX) ||
        (w->n_rows > 1 && !w->used[w->n_rows - 1]))
        io->bad = true;
    w->n = n;
}

const struct detector_ops detector_adwin = {params, sizeof params / sizeof *params, VALUES_ANY, size, init, add, io};
