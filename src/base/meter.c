/* src/base/meter.c    driftd's own counters, gauges and histograms: one table, rendered as Prometheus text.
 *
 * A series' label text is made once, escaped, when the series is: it is the key of the lookup and what the page
 * shows, so rendering only copies.  Invalid UTF-8 is replaced there, since one bad byte makes a scraper refuse the
 * whole page.  Values are bits of a double in a 64-bit atomic: the adders never take the lock. */
#include "driftd/internal/base/meter.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/base/text.h"

enum {
    SERIES_MAX = 2000, /* per family */
    LABELS_MAX = 4,
    VALUE_MAX = 256, /* bytes of a label value; longer ones are cut and told apart by a digest */
    TEXT_MAX = LABELS_MAX * (2 * VALUE_MAX + 64)
};

enum kind { counter, gauge, histogram };

/* Upper bounds of a histogram's buckets, in seconds; one more is for what is beyond. */
static const double bounds[] = {1, 10, 60, 300, 3600, 21600, 86400};
enum { BOUNDS = sizeof bounds / sizeof *bounds };

struct drift_series {
    enum kind kind;
    _Atomic uint64_t bits;    /* of a double: the value, a histogram's sum */
    _Atomic uint64_t *counts; /* [BOUNDS + 1] of a histogram, not cumulative */
    char text[];              /* {a="b",c="d"}, or "" */
};

struct family {
    const char *name, *labels, *help;
    enum kind kind;
    size_t n;                    /* series, unordered in table */
    size_t n_cap;                /* power of two, 0 at first */
    struct drift_series **table; /* open addressing by hash of text */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct family families[DRIFT_M_COUNT] = {
#define X(id, name_, kind_, labels_, help_) {.name = (name_), .labels = (labels_), .help = (help_), .kind = kind_},
    DRIFT_METERS(X)
#undef X
};
static _Atomic uint64_t refused_counts[BOUNDS + 1];
static struct drift_series refused_counter = {.kind = counter}, refused_gauge = {.kind = gauge},
                           refused_histogram = {.kind = histogram, .counts = refused_counts}; /* never shown */

static double value_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}
static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* Length of the UTF-8 sequence at p (RFC 3629: no overlong forms, no surrogates), 0 when there is none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
        (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return len;
}

static char *escape_value(char *to, const char *value)
{
    const unsigned char *p = (const unsigned char *)value;
    size_t n = strlen(value), keep = n <= VALUE_MAX ? n : VALUE_MAX - 18;
    for (size_t i = 0; i < keep;) {
        size_t len = utf8_length(p + i, n - i);
        if (i + len > keep)
            break;
        if (p[i] == '\\' || p[i] == '"' || p[i] == '\n') {
            *to++ = '\\';
            *to++ = p[i] == '\n' ? 'n' : (char)p[i];
        } else if (len == 0) {
            *to++ = '?';
        } else {
            memcpy(to, p + i, len);
            to += len;
        }
        i += len ? len : 1;
    }
    if (keep < n) {
        char hex[DRIFT_HEX_DIGEST];
        drift_sha256_hex(value, n, hex);
        *to++ = '~';
        memcpy(to, hex, 16);
        to += 16;
    }
    return to;
}

/* Label names of a family are as many as its values, or the caller is wrong. */
static void series_text(const struct family *f, char *text, va_list values)
{
    char *to = text;
    const char *name = f->labels;
    const char *value = va_arg(values, const char *);
    while (*name) {
        size_t n = strcspn(name, ",");
        if (!value)
            drift_bug("a metric got fewer label values than it has labels");
        *to = to == text ? '{' : ',';
        memcpy(++to, name, n);
        to += n;
        *to++ = '=';
        *to++ = '"';
        to = escape_value(to, value);
        *to++ = '"';
        name += n + (name[n] == ',');
        value = va_arg(values, const char *);
    }
    if (value)
        drift_bug("a metric got more label values than it has labels");
    if (to != text)
        *to++ = '}';
    *to = 0;
}

static struct drift_series **slot_of(struct drift_series **table, size_t cap, const char *text, size_t len)
{
    size_t i = (size_t)drift_hash64(text, len) & (cap - 1);
    while (table[i] && strcmp(table[i]->text, text))
        i = (i + 1) & (cap - 1);
    return &table[i];
}

static void table_grow(struct family *f)
{
    size_t cap = f->n_cap ? f->n_cap * 2 : 8;
    struct drift_series **table = drift_xcalloc(cap, sizeof *table);
    for (size_t i = 0; i < f->n_cap; i++)
        if (f->table[i])
            *slot_of(table, cap, f->table[i]->text, strlen(f->table[i]->text)) = f->table[i];
    free(f->table);
    f->table = table;
    f->n_cap = cap;
}

static struct drift_series *find_or_make(struct family *f, const char *text)
{
    size_t len = strlen(text);
    if (f->n * 2 >= f->n_cap)
        table_grow(f);
    struct drift_series **slot = slot_of(f->table, f->n_cap, text, len);
    if (!*slot && f->n < SERIES_MAX) {
        struct drift_series *s = drift_xcalloc(1, sizeof *s + len + 1);
        s->kind = f->kind;
        if (f->kind == histogram)
            s->counts = drift_xcalloc(BOUNDS + 1, sizeof *s->counts);
        memcpy(s->text, text, len + 1);
        *slot = s;
        f->n++;
    }
    return *slot;
}

struct drift_series *drift_series(enum drift_meter m, ...)
{
    if (m >= DRIFT_M_COUNT)
        drift_bug("no such metric");
    char text[TEXT_MAX];
    va_list values;
    va_start(values, m);
    series_text(&families[m], text, values);
    va_end(values);

    pthread_mutex_lock(&lock);
    struct drift_series *s = find_or_make(&families[m], text);
    struct drift_series *counted = s ? NULL : find_or_make(&families[DRIFT_M_SERIES_REFUSED], "");
    pthread_mutex_unlock(&lock);
    if (s)
        return s;
    drift_series_add(counted, 1);
    return families[m].kind == counter ? &refused_counter
           : families[m].kind == gauge ? &refused_gauge
                                       : &refused_histogram;
}

static void add_bits(struct drift_series *s, double by)
{
    uint64_t old = atomic_load_explicit(&s->bits, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&s->bits, &old, bits_of(value_of(old) + by), memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

void drift_series_add(struct drift_series *s, double by)
{
    if (s->kind != histogram && (s->kind == gauge || (by >= 0 && isfinite(by))))
        add_bits(s, by);
}

void drift_series_observe(struct drift_series *s, double value)
{
    size_t i = 0;
    if (s->kind != histogram)
        return;
    value = value >= 0 && isfinite(value) ? value : 0;
    while (i < BOUNDS && value > bounds[i])
        i++;
    add_bits(s, value);
    atomic_fetch_add_explicit(&s->counts[i], 1, memory_order_relaxed);
}

void drift_series_set(struct drift_series *s, double value)
{
    uint64_t old = atomic_load_explicit(&s->bits, memory_order_relaxed);
    do {
        if (s->kind == histogram)
            return;
        if (s->kind == counter && !(value > value_of(old) && isfinite(value)))
            return;
    } while (!atomic_compare_exchange_weak_explicit(&s->bits, &old, bits_of(value), memory_order_relaxed,
                                                    memory_order_relaxed));
}

double drift_series_get(const struct drift_series *s)
{
    return value_of(atomic_load_explicit(&s->bits, memory_order_relaxed));
}

static void add_value(struct drift_buf *out, double v)
{
    char text[32];
    if (isnan(v))
        drift_buf_adds(out, "NaN");
    else if (isinf(v))
        drift_buf_adds(out, v > 0 ? "+Inf" : "-Inf");
    else
        drift_buf_add(out, text, drift_f64_text(v, text, sizeof text));
}

static void add_sample(struct drift_buf *out, const char *name, const char *text, double v)
{
    drift_buf_adds(out, name);
    drift_buf_adds(out, text);
    drift_buf_add(out, " ", 1);
    add_value(out, v);
    drift_buf_add(out, "\n", 1);
}

static void add_help(struct drift_buf *out, const char *help)
{
    for (; *help; help++)
        if (*help == '\\')
            drift_buf_adds(out, "\\\\");
        else if (*help == '\n')
            drift_buf_adds(out, "\\n");
        else
            drift_buf_add(out, help, 1);
}

static int by_text(const void *a, const void *b)
{
    return strcmp((*(struct drift_series *const *)a)->text, (*(struct drift_series *const *)b)->text);
}

/* The pointers are copied under the lock; the series themselves live until the end. */
static struct drift_series **sorted_series(struct family *f, size_t *ret_n)
{
    pthread_mutex_lock(&lock);
    struct drift_series **all = drift_xcalloc(f->n + 1, sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < f->n_cap; i++)
        if (f->table[i])
            all[n++] = f->table[i];
    pthread_mutex_unlock(&lock);
    qsort(all, n, sizeof *all, by_text);
    *ret_n = n;
    return all;
}

static void add_name(struct drift_buf *out, const struct family *f, const char *suffix)
{
    drift_buf_adds(out, f->name);
    drift_buf_adds(out, suffix);
}

/* {a="b"} and a bound: {a="b",le="1"} */
static void add_bucket(struct drift_buf *out, const struct family *f, const char *text, double bound, uint64_t n)
{
    size_t len = strlen(text);
    add_name(out, f, "_bucket");
    drift_buf_add(out, len ? text : "{", len ? len - 1 : 1);
    drift_buf_adds(out, len ? ",le=\"" : "le=\"");
    add_value(out, bound);
    drift_buf_addf(out, "\"} %" PRIu64 "\n", n);
}

static void render_histogram(struct drift_buf *out, const struct family *f, const struct drift_series *s)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= BOUNDS; i++) {
        n += atomic_load_explicit(&s->counts[i], memory_order_relaxed);
        add_bucket(out, f, s->text, i < BOUNDS ? bounds[i] : (double)INFINITY, n);
    }
    add_name(out, f, "_sum");
    add_sample(out, "", s->text, drift_series_get(s));
    add_name(out, f, "_count");
    drift_buf_addf(out, "%s %" PRIu64 "\n", s->text, n);
}

static void render_family(struct family *f, struct drift_buf *out)
{
    size_t n;
    struct drift_series **all = sorted_series(f, &n);
    drift_buf_addf(out, "# HELP %s ", f->name);
    add_help(out, f->help);
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    drift_buf_addf(out, "\n# TYPE %s %s\n", f->name, kinds[f->kind]);
    for (size_t i = 0; i < n; i++)
        if (f->kind == histogram)
            render_histogram(out, f, all[i]);
        else
            add_sample(out, f->name, all[i]->text, drift_series_get(all[i]));
    if (n == 0 && !*f->labels && f->kind != histogram) /* a series without labels is known before it first counts */
        add_sample(out, f->name, "", 0);
    free(all);
}

void drift_meter_render(struct drift_buf *out)
{
    for (size_t m = 0; m < DRIFT_M_COUNT; m++)
        render_family(&families[m], out);
}

void drift_meter_reset(void)
{
    pthread_mutex_lock(&lock);
    for (size_t m = 0; m < DRIFT_M_COUNT; m++) {
        struct family *f = &families[m];
        for (size_t i = 0; i < f->n_cap; i++) {
            if (f->table[i])
                free(f->table[i]->counts);
            free(f->table[i]);
        }
        free(f->table);
        f->table = NULL;
        f->n = f->n_cap = 0;
    }
    pthread_mutex_unlock(&lock);
}
