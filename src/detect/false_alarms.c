/* src/detect/false_alarms.c    "1 per 90d" as mean windows between false alarms; for configuration and calibration. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/error.h"
#include "driftd/evidence.h"

static const char *spaces(const char *s)
{
    return s + strspn(s, " \t");
}

/* Digits with at most one point, nothing else: strtod alone would take "nan", "0x1p9" and the like. */
static const char *number(const char *s, double *ret)
{
    size_t n = strspn(s, "0123456789.");
    char *end;
    if (!n || n > 20)
        return NULL;
    *ret = strtod(s, &end);
    return end == s + n ? end : NULL;
}

static double unit_ms(const char *s, int64_t window_ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}, {"w", 6.048e8}};
    if (!strcmp(s, "windows"))
        return (double)window_ms;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(s, units[i].name))
            return units[i].ms;
    return 0;
}

int drift_false_alarms_parse(const char *text, int64_t window_ms, double *ret_windows)
{
    double alarms, length;
    const char *s = number(spaces(text), &alarms);
    if (!s || *s != ' ')
        return DRIFT_E_PARSE;
    s = spaces(s);
    if (strncmp(s, "per ", 4) != 0)
        return DRIFT_E_PARSE;
    s = number(spaces(s + 4), &length);
    double unit = s ? unit_ms(spaces(s), window_ms) : 0;
    if (!s || (unit == 0 && strcmp(spaces(s), "windows") != 0))
        return DRIFT_E_PARSE;
    if (window_ms <= 0 || !(alarms > 0))
        return DRIFT_E_RANGE;
    double windows = length * unit / (double)window_ms / alarms;
    if (!(windows >= 10 && windows <= 1e9))
        return DRIFT_E_RANGE;
    *ret_windows = windows;
    return 0;
}
