/* src/base/text.c    Numbers, times, durations and names as text, without locale. */
#include "driftd/internal/base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool drift_str_eq(struct drift_str s, const char *z)
{
    return strlen(z) == s.n && (s.n == 0 || memcmp(s.p, z, s.n) == 0);
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A run of digits as a number; false when there is none or it passes 10^15. */
static bool take_number(const char **p, const char *end, int64_t *ret)
{
    int64_t v = 0;
    const char *s = *p;
    if (s == end || !digit(*s))
        return false;
    for (; s < end && digit(*s); s++)
        if ((v = v * 10 + (*s - '0')) > 1000000000000000)
            return false;
    *p = s;
    *ret = v;
    return true;
}

bool drift_duration_parse(const char *s, size_t n, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"w", 604800000}};
    const char *end = s + n;
    int64_t total = 0, last = INT64_MAX;
    if (!n)
        return false;
    while (s < end) {
        int64_t v, unit = 0;
        if (!take_number(&s, end, &v))
            return false;
        size_t len = 0;
        while (s + len < end && !digit(s[len]))
            len++;
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strlen(units[i].unit) == len && !memcmp(units[i].unit, s, len))
                unit = units[i].ms;
        if (!unit || unit >= last || v > INT64_C(1000000000000000) / unit)
            return false;
        total += v * unit;
        last = unit;
        s += len;
    }
    *ret_ms = total;
    return true;
}

char *drift_duration_text(int64_t ms, char *buf, size_t cap)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    size_t at = 0;
    if (ms == 0) {
        snprintf(buf, cap, "0s");
        return buf;
    }
    buf[0] = 0;
    if (ms < 0) {
        at = (size_t)snprintf(buf, cap, "-");
        ms = -ms;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (ms >= units[i].ms && at < cap)
            at += (size_t)snprintf(buf + at, cap - at, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
        ms %= units[i].ms;
    }
    return buf;
}

bool drift_size_parse(const char *s, size_t n, uint64_t *ret_bytes)
{
    static const struct {
        const char *unit;
        int64_t bytes;
    } units[] = {{"B", 1},           {"kB", 1000},  {"KB", 1000},     {"MB", 1000000},
                 {"GB", 1000000000}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}};
    const char *end = s + n;
    int64_t v;
    if (!take_number(&s, end, &v))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strlen(units[i].unit) == (size_t)(end - s) && !memcmp(units[i].unit, s, (size_t)(end - s))) {
            if (v > INT64_C(1000000000000000) / units[i].bytes)
                return false;
            *ret_bytes = (uint64_t)(v * units[i].bytes);
            return true;
        }
    return false;
}

bool drift_i64_parse(const char *s, size_t n, int64_t *ret)
{
    char z[32];
    if (!n || n >= sizeof z)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!digit(s[i]) && !(i == 0 && n > 1 && (s[i] == '-' || s[i] == '+')))
            return false;
    memcpy(z, s, n);
    z[n] = 0;
    intmax_t v = strtoimax(z, NULL, 10);
    char back[32]; /* strtoimax clamps: a number that does not come back was out of range */
    snprintf(back, sizeof back, "%" PRIdMAX, v);
    const char *sig = z + (z[0] == '+' || z[0] == '-');
    while (*sig == '0' && sig[1])
        sig++;
    if (strcmp(back + (back[0] == '-'), sig) != 0)
        return false;
    *ret = (int64_t)v;
    return true;
}

bool drift_f64_parse(const char *s, size_t n, double *ret)
{
    char z[400];
    bool any = false;
    if (!n || n >= sizeof z)
        return false;
    for (size_t i = 0; i < n; i++) {
        any = any || digit(s[i]);
        if (!digit(s[i]) && !strchr("+-.eE", s[i]))
            return false;
        if (s[i] == 0)
            return false;
    }
    memcpy(z, s, n);
    z[n] = 0;
    char *end;
    double v = strtod(z, &end); /* the process never calls setlocale: LC_NUMERIC is "C" */
    if (!any || *end || !isfinite(v))
        return false;
    *ret = v;
    return true;
}

size_t drift_f64_text(double v, char *buf, size_t cap)
{
    if (v == 0)
        return (size_t)snprintf(buf, cap, "0");
    if (fabs(v) < 1e15 && v == floor(v))
        return (size_t)snprintf(buf, cap, "%.0f", v);
    for (int digits = 6; digits <= 17; digits++) {
        int n = snprintf(buf, cap, "%.*g", digits, v);
        if (digits == 17 || !isfinite(v) || strtod(buf, NULL) == v)
            return (size_t)n;
    }
    return 0;
}

int drift_percent_digits(double percent)
{
    return fabs(percent) < 99.5 ? 2 : 3;
}

/* Days since 1970-01-01 of a proleptic Gregorian date, and back (Howard Hinnant, "chrono-compatible low-level date
 * algorithms"). */
static int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

char *drift_time_text(int64_t ms, char *buf, size_t cap)
{
    int64_t s = ms / 1000, frac = ms % 1000;
    if (frac < 0) {
        frac += 1000;
        s--;
    }
    int64_t days = s / 86400, rest = s % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9, y = yoe + era * 400 + (m <= 2);
    int n = snprintf(buf, cap, "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02" PRId64 ":%02" PRId64 ":%02" PRId64, y, m,
                     d, rest / 3600, rest / 60 % 60, rest % 60);
    if (n > 0 && (size_t)n < cap)
        snprintf(buf + n, cap - (size_t)n, frac ? ".%03" PRId64 "Z" : "Z", frac);
    return buf;
}

/* Exactly `width` digits. */
static bool take_digits(const char **p, const char *end, int width, int *ret)
{
    int v = 0;
    if (end - *p < width)
        return false;
    for (int i = 0; i < width; i++) {
        if (!digit((*p)[i]))
            return false;
        v = v * 10 + ((*p)[i] - '0');
    }
    *p += width;
    *ret = v;
    return true;
}

static bool take_char(const char **p, const char *end, const char *any)
{
    if (*p == end || !**p || !strchr(any, **p))
        return false;
    ++*p;
    return true;
}

static bool take_zone(const char **p, const char *end, int64_t *ret_offset_ms)
{
    int h, m;
    *ret_offset_ms = 0;
    if (take_char(p, end, "Zz"))
        return true;
    bool minus = *p < end && **p == '-';
    if (!take_char(p, end, "+-") || !take_digits(p, end, 2, &h))
        return false;
    take_char(p, end, ":");
    if (!take_digits(p, end, 2, &m) || h > 23 || m > 59)
        return false;
    *ret_offset_ms = (minus ? -1 : 1) * (int64_t)(h * 60 + m) * 60000;
    return true;
}

bool drift_time_parse(const char *s, size_t n, int64_t *ret_ms)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char *p = s, *end = s + n;
    int y, mo, d, h = 0, mi = 0, sec = 0, frac = 0;
    int64_t offset = 0;
    if (!take_digits(&p, end, 4, &y) || !take_char(&p, end, "-") || !take_digits(&p, end, 2, &mo) ||
        !take_char(&p, end, "-") || !take_digits(&p, end, 2, &d))
        return false;
    if (mo < 1 || mo > 12 || d < 1 || d > month_days[mo - 1] ||
        (mo == 2 && d == 29 && !((y % 4 == 0 && y % 100 != 0) || y % 400 == 0)))
        return false;
    if (p < end) {
        if (!take_char(&p, end, "Tt ") || !take_digits(&p, end, 2, &h) || !take_char(&p, end, ":") ||
            !take_digits(&p, end, 2, &mi) || !take_char(&p, end, ":") || !take_digits(&p, end, 2, &sec))
            return false;
        if (take_char(&p, end, ".")) {
            int scale = 100;
            if (p == end || !digit(*p))
                return false;
            for (; p < end && digit(*p); p++, scale /= 10)
                frac += (*p - '0') * scale;
        }
        if (!take_zone(&p, end, &offset))
            return false;
    }
    if (p != end || h > 23 || mi > 59 || sec > 60)
        return false;
    *ret_ms = ((days_from_civil(y, mo, d) * 24 + h) * 60 + mi) * 60000 + (int64_t)sec * 1000 + frac - offset;
    return true;
}

void drift_name_encode(struct drift_buf *b, const char *name)
{
    for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
        if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || digit((char)*c) || *c == '.' || *c == '_' ||
            *c == '-')
            drift_buf_add(b, c, 1);
        else
            drift_buf_addf(b, "%%%02X", *c);
    }
}

bool drift_glob_match(const char *pattern, const char *name)
{
    const char *star = NULL, *retry = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            retry = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star) { /* let the last star take one more */
            pattern = star + 1;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

unsigned drift_edit_distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    size_t n = strlen(a), m = strlen(b);
    unsigned row[MAX + 1];
    if (n > MAX || m > MAX)
        return MAX;
    for (unsigned j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}
