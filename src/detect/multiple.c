/* src/detect/multiple.c    Adjusted p-values of a family of tests. */
#include "driftd/multiple.h"

#include <math.h>
#include <string.h>

#include <gsl/gsl_sort_double.h>

#include "driftd/error.h"

static const struct {
    const char *name, *help;
} methods[] = {
#define X(id, name, help) {name, help},
    DRIFT_MULTIPLES(X)
#undef X
};

const char *drift_multiple_name(enum drift_multiple method)
{
    return (unsigned)method < DRIFT_N_MULTIPLE ? methods[method].name : "?";
}

const char *drift_multiple_help(enum drift_multiple method)
{
    return (unsigned)method < DRIFT_N_MULTIPLE ? methods[method].help : "?";
}

bool drift_multiple_parse(const char *name, enum drift_multiple *ret_method)
{
    for (int i = 0; i < DRIFT_N_MULTIPLE; i++)
        if (!strcmp(name, methods[i].name)) {
            *ret_method = (enum drift_multiple)i;
            return true;
        }
    return false;
}

static double harmonic(size_t n)
{
    double sum = 0;
    for (size_t i = n; i > 0; i--) /* small terms first */
        sum += 1 / (double)i;
    return sum;
}

/* Each place of p is read before the same place of q is written, so both may be one array. */
static void step_down(const double *p, size_t n, const size_t *order, double *q)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fmin((double)(n - i) * p[order[i]], 1));
        q[order[i]] = most;
    }
}

static void step_up(const double *p, size_t n, const size_t *order, double factor, double *q)
{
    double least = 1;
    for (size_t i = n; i > 0; i--) {
        size_t at = order[i - 1];
        least = fmin(least, factor * ((double)n / (double)i) * p[at]);
        q[at] = least;
    }
}

int drift_multiple_adjust(enum drift_multiple method, const double *p, size_t n, size_t *order, double *ret_q)
{
    for (size_t i = 0; i < n; i++)
        if (!(p[i] >= 0 && p[i] <= 1))
            return DRIFT_E_RANGE;
    if ((unsigned)method >= DRIFT_N_MULTIPLE)
        return DRIFT_E_RANGE;
    gsl_sort_index(order, p, 1, n); /* a heap sort: qsort may allocate */
    switch (method) {
    case DRIFT_MULTIPLE_BONFERRONI:
        for (size_t i = 0; i < n; i++)
            ret_q[i] = fmin((double)n * p[i], 1);
        break;
    case DRIFT_MULTIPLE_HOLM:
        step_down(p, n, order, ret_q);
        break;
    case DRIFT_MULTIPLE_BH:
        step_up(p, n, order, 1, ret_q);
        break;
    case DRIFT_MULTIPLE_BY:
        step_up(p, n, order, harmonic(n), ret_q);
        break;
    default:
        memmove(ret_q, p, n * sizeof *p);
    }
    return 0;
}
