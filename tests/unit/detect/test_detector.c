/* tests/unit/detect/test_detector.c    What all detectors share: parameters, refusals, saved state, steps found. */
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/detector.h"
#include "driftd/error.h"
#include "support.h"

enum { BYTES_MAX = 1 << 18 };

static struct drift_detector *detector_new(enum drift_detector_kind kind)
{
    struct drift_detector *d = NULL;
    ck_assert_int_eq(drift_detector_new(kind, NULL, &d), 0);
    ck_assert_ptr_nonnull(d);
    return d;
}

static bool of_errors(int kind)
{
    return kind == DRIFT_DETECTOR_DDM || kind == DRIFT_DETECTOR_EDDM || kind == DRIFT_DETECTOR_HDDM_A ||
           kind == DRIFT_DETECTOR_HDDM_W;
}

/* A value that a kind takes; `step` standard deviations, or errors that become five times as many. */
static double value(int kind, struct drift_rng *r, double step)
{
    if (of_errors(kind))
        return drift_rng_uniform(r) < .1 + .4 * (step > 0);
    return drift_rng_gauss(r) + step;
}

static enum drift_detector_level add(struct drift_detector *d, double x)
{
    enum drift_detector_level level = (enum drift_detector_level)7;
    if (drift_detector_add(d, x, &level) || (unsigned)level > DRIFT_DETECTOR_DRIFT)
        ck_abort_msg("%g refused, or level %d", x, (int)level);
    return level;
}

START_TEST(tables_are_sound)
{
    enum drift_detector_kind kind;
    for (int k = 0; k < DRIFT_N_DETECTOR; k++) {
        size_t n;
        const struct drift_detector_param *p = drift_detector_params((enum drift_detector_kind)k, &n);
        struct drift_detector_settings s;
        ck_assert(drift_detector_parse(drift_detector_name((enum drift_detector_kind)k), &kind) && (int)kind == k);
        ck_assert_uint_gt(strlen(drift_detector_help(kind)), 20);
        ck_assert(n >= 1 && n <= DRIFT_DETECTOR_PARAMS_MAX);
        drift_detector_defaults(kind, &s);
        for (size_t i = 0; i < n; i++) {
            ck_assert_uint_gt(strlen(p[i].help), 10);
            ck_assert(s.value[i] == p[i].standard);
            ck_assert_int_eq(drift_detector_set(kind, &s, p[i].name, p[i].standard), 0);
            ck_assert_int_eq(drift_detector_set(kind, &s, p[i].name, nextafter(p[i].most, INFINITY)), DRIFT_E_RANGE);
            ck_assert_int_eq(drift_detector_set(kind, &s, p[i].name, nextafter(p[i].least, -INFINITY)), DRIFT_E_RANGE);
            ck_assert_int_eq(drift_detector_set(kind, &s, p[i].name, (double)NAN), DRIFT_E_RANGE);
            if (p[i].whole)
                ck_assert_int_eq(drift_detector_set(kind, &s, p[i].name, p[i].least + .5), DRIFT_E_RANGE);
            for (size_t c = 0; p[i].choices[0] && c <= (size_t)p[i].most; c++)
                ck_assert_ptr_nonnull(p[i].choices[c]);
        }
        ck_assert_int_eq(drift_detector_set(kind, &s, "no_such", 1), DRIFT_E_NOT_FOUND);
    }
    ck_assert(!drift_detector_parse("adwin2", &kind));
    ck_assert_str_eq(drift_detector_name(DRIFT_N_DETECTOR), "?");
    ck_assert_str_eq(drift_detector_level_name(DRIFT_DETECTOR_DRIFT), "drift");
}
END_TEST

START_TEST(settings_must_go_together)
{
    static const struct {
        enum drift_detector_kind kind;
        const char *name;
        double value;
    } wrong[] = {{DRIFT_DETECTOR_DDM, "warning_level", 3.5},
                 {DRIFT_DETECTOR_EDDM, "warning_level", .8},
                 {DRIFT_DETECTOR_HDDM_A, "warning_confidence", 1e-4},
                 {DRIFT_DETECTOR_HDDM_W, "drift_confidence", .1},
                 {DRIFT_DETECTOR_KSWIN, "stat_size", 51},
                 {DRIFT_DETECTOR_KSWIN, "stat_size", 2}};
    struct drift_detector *d = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct drift_detector_settings s;
        drift_detector_defaults(wrong[i].kind, &s);
        ck_assert_int_eq(drift_detector_set(wrong[i].kind, &s, wrong[i].name, wrong[i].value), 0);
        ck_assert_int_eq(drift_detector_new(wrong[i].kind, &s, &d), DRIFT_E_RANGE);
        s.value[0] = (double)NAN;
        ck_assert_int_eq(drift_detector_new(wrong[i].kind, &s, &d), DRIFT_E_RANGE);
    }
    ck_assert_int_eq(drift_detector_new(DRIFT_N_DETECTOR, NULL, &d), DRIFT_E_RANGE);
    ck_assert_ptr_null(d);
}
END_TEST

/* Quiet for long on the same value, then a drift soon after a step that nobody could miss; and again after it. */
START_TEST(a_step_is_found)
{
    for (int k = 0; k < DRIFT_N_DETECTOR; k++) {
        struct drift_detector *d = detector_new((enum drift_detector_kind)k);
        struct drift_rng r = drift_rng_new((uint64_t)k);
        int found = 0, n = 0;
        for (int i = 0; i < 1500; i++)
            (void)add(d, value(k, &r, 0));
        for (; n < 2000 && !found; n++)
            found = add(d, value(k, &r, 8)) == DRIFT_DETECTOR_DRIFT;
        ck_assert_msg(found && n < 300, "%s: %d values", drift_detector_name((enum drift_detector_kind)k), n);
        ck_assert_uint_eq(drift_detector_n(d), (uint64_t)(1500 + n));
        ck_assert_int_eq((int)drift_detector_kind_of(d), k);
        drift_detector_free(d);
    }
}
END_TEST

/* All values equal: nothing moved, so nobody may say so.  (0 for error streams: no error at all.) */
START_TEST(equal_values_are_quiet)
{
    static const double same[] = {0, .1, 1e9 + .1, -1e100, 5e-324, 1e100};
    for (int k = 0; k < DRIFT_N_DETECTOR; k++)
        for (size_t c = 0; c < (of_errors(k) ? 1 : sizeof same / sizeof *same); c++) {
            struct drift_detector *d = detector_new((enum drift_detector_kind)k);
            for (int i = 0; i < 3000; i++)
                if (add(d, same[c]))
                    ck_abort_msg("%s: level at %d of %g", drift_detector_name((enum drift_detector_kind)k), i, same[c]);
            drift_detector_free(d);
        }
}
END_TEST

/* The biggest values there may be, and the smallest: no overflow turns into an answer. */
START_TEST(extremes_are_taken)
{
    for (int k = 0; k < DRIFT_N_DETECTOR; k++) {
        struct drift_detector *d = detector_new((enum drift_detector_kind)k);
        struct drift_rng r = drift_rng_new(50 + (uint64_t)k);
        uint8_t *bytes = malloc(BYTES_MAX);
        size_t n;
        struct drift_detector *again;
        for (int i = 0; i < 5000; i++) {
            double x = of_errors(k) ? (double)drift_rng_below(&r, 2)
                                    : (drift_rng_below(&r, 2) ? 1 : -1) * (drift_rng_below(&r, 2) ? 1e100 : 5e-324);
            (void)add(d, x);
        }
        ck_assert_int_eq(drift_detector_save(d, bytes, BYTES_MAX, &n), 0);
        ck_assert_int_eq(drift_detector_load(bytes, n, &again), 0); /* finite, and within every bound */
        drift_detector_free(again);
        drift_detector_free(d);
        free(bytes);
    }
}
END_TEST

START_TEST(refuses_values)
{
    static const double never[] = {(double)NAN, (double)INFINITY, (double)-INFINITY, 1.1e100, -1e300};
    static const double of_numbers[] = {-.001, 1.001, 2};
    uint8_t before[BYTES_MAX / 16], after[BYTES_MAX / 16];
    for (int k = 0; k < DRIFT_N_DETECTOR; k++) {
        struct drift_detector *d = detector_new((enum drift_detector_kind)k);
        enum drift_detector_level level = DRIFT_DETECTOR_DRIFT;
        size_t n, m;
        (void)add(d, 1);
        ck_assert_int_eq(drift_detector_save(d, before, sizeof before, &n), 0);
        for (size_t i = 0; i < sizeof never / sizeof *never; i++)
            ck_assert_int_eq(drift_detector_add(d, never[i], &level), DRIFT_E_RANGE);
        for (size_t i = 0; of_errors(k) && i < sizeof of_numbers / sizeof *of_numbers; i++)
            ck_assert_int_eq(drift_detector_add(d, of_numbers[i], &level), DRIFT_E_RANGE);
        if (k == DRIFT_DETECTOR_DDM || k == DRIFT_DETECTOR_EDDM)
            ck_assert_int_eq(drift_detector_add(d, .5, &level), DRIFT_E_RANGE);
        ck_assert_int_eq(drift_detector_save(d, after, sizeof after, &m), 0);
        ck_assert(level == DRIFT_DETECTOR_DRIFT && n == m && !memcmp(before, after, n));
        drift_detector_free(d);
    }
}
END_TEST

/* A detector that was saved and restored at any point goes on as the one that was not. */
START_TEST(saved_state_goes_on)
{
    uint8_t *one = malloc(BYTES_MAX), *two = malloc(BYTES_MAX);
    for (int k = 0; k < DRIFT_N_DETECTOR; k++) {
        struct drift_detector *whole = detector_new((enum drift_detector_kind)k),
                              *cut = detector_new(drift_detector_kind_of(whole));
        struct drift_rng r = drift_rng_new(100 + (uint64_t)k);
        size_t n, m;
        int drifts = 0;
        for (int i = 0; i < 4000; i++) {
            double x = value(k, &r, i / 1000 % 2 ? 3 : 0);
            enum drift_detector_level a = add(whole, x), b = add(cut, x);
            if (a != b)
                ck_abort_msg("kind %d, value %d: %d and %d", k, i, (int)a, (int)b);
            drifts += a == DRIFT_DETECTOR_DRIFT;
            if (i % 37 && a != DRIFT_DETECTOR_DRIFT)
                continue;
            ck_assert_int_eq(drift_detector_save(cut, one, BYTES_MAX, &n), 0);
            ck_assert_uint_le(n, drift_detector_state_max(cut));
            drift_detector_free(cut);
            ck_assert_int_eq(drift_detector_load(one, n, &cut), 0);
            ck_assert_int_eq(drift_detector_save(cut, two, BYTES_MAX, &m), 0);
            ck_assert(n == m && !memcmp(one, two, n));
        }
        ck_assert_int_gt(drifts, 0);
        ck_assert_int_eq(drift_detector_save(whole, two, BYTES_MAX, &m), 0);
        ck_assert_int_eq(drift_detector_save(cut, one, BYTES_MAX, &n), 0);
        ck_assert(n == m && !memcmp(one, two, n));
        for (size_t cap = 0; cap < n; cap++)
            ck_assert_int_eq(drift_detector_save(cut, two, cap, &m), DRIFT_E_FULL);
        drift_detector_free(whole);
        drift_detector_free(cut);
    }
    free(one);
    free(two);
}
END_TEST

START_TEST(reset_is_new)
{
    for (int k = 0; k < DRIFT_N_DETECTOR; k++) {
        struct drift_detector *d = detector_new((enum drift_detector_kind)k),
                              *fresh = detector_new(drift_detector_kind_of(d));
        struct drift_rng r = drift_rng_new(200 + (uint64_t)k);
        for (int i = 0; i < 700; i++)
            (void)add(d, value(k, &r, i / 300));
        drift_detector_reset(d);
        ck_assert_uint_eq(drift_detector_n(d), 0);
        for (int i = 0; i < 2000; i++) {
            double x = value(k, &r, i / 1000);
            ck_assert_int_eq((int)add(d, x), (int)add(fresh, x));
        }
        drift_detector_free(d);
        drift_detector_free(fresh);
    }
}
END_TEST

static void seal(uint8_t *p, size_t n) /* the checksum anew, as somebody with bad intent would */
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n - 8; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    for (size_t i = 0; i < 8; i++)
        p[n - 8 + i] = (uint8_t)(h >> 8 * i);
}

/* Damage is seen; a forged state is refused or does no harm. */
START_TEST(hostile_state)
{
    uint8_t *bytes = malloc(BYTES_MAX), *forged = malloc(BYTES_MAX);
    int refused = 0, taken = 0;
    for (int k = 0; k < DRIFT_N_DETECTOR; k++) {
        struct drift_detector *d = detector_new((enum drift_detector_kind)k), *out;
        struct drift_rng r = drift_rng_new(300 + (uint64_t)k);
        size_t n;
        for (int i = 0; i < 500; i++)
            (void)add(d, value(k, &r, 0));
        ck_assert_int_eq(drift_detector_save(d, bytes, BYTES_MAX, &n), 0);
        for (size_t cut = 0; cut < n; cut++) {
            uint8_t *part = malloc(cut + 1); /* exactly as long, so that a read beyond is seen */
            memcpy(part, bytes, cut);
            ck_assert_int_eq(drift_detector_load(part, cut, &out), DRIFT_E_CORRUPT);
            free(part);
        }
        for (int round = 0; round < 400; round++) {
            static const uint8_t bad[] = {0, 1, 0x7f, 0x80, 0xff};
            memcpy(forged, bytes, n);
            for (uint64_t i = 0, much = 1 + drift_rng_below(&r, 8), at = 4 + drift_rng_below(&r, n - 4); i < much; i++)
                forged[(at + i) % n] =
                    drift_rng_below(&r, 2) ? bad[drift_rng_below(&r, 5)] : (uint8_t)drift_rng_u64(&r);
            if (!memcmp(forged, bytes, n))
                continue;
            ck_assert_int_ne(drift_detector_load(forged, n, &out), 0);
            seal(forged, n);
            if (drift_detector_load(forged, n, &out)) {
                refused++;
                continue;
            }
            taken++;
            for (int i = 0; i < 200; i++)
                (void)add(out, value(k, &r, i / 100));
            drift_detector_free(out);
        }
        memcpy(forged, bytes, n);
        memset(forged + n - 8, 0, 9);
        seal(forged, n + 1); /* a byte too much */
        ck_assert_int_eq(drift_detector_load(forged, n + 1, &out), DRIFT_E_CORRUPT);
        memcpy(forged, bytes, n);
        forged[2] = 2;
        seal(forged, n);
        ck_assert_int_eq(drift_detector_load(forged, n, &out), DRIFT_E_VERSION);
        forged[2] = 1;
        forged[3] = DRIFT_N_DETECTOR;
        seal(forged, n);
        ck_assert_int_eq(drift_detector_load(forged, n, &out), DRIFT_E_CORRUPT);
        drift_detector_free(d);
    }
    printf("forged states: %d refused, %d taken\n", refused, taken);
    ck_assert(refused > 500 && taken > 500);
    free(bytes);
    free(forged);
}
END_TEST

START_TEST(nothing_is_allocated)
{
    for (int k = 0; k < DRIFT_N_DETECTOR; k++) {
        struct drift_detector *d = detector_new((enum drift_detector_kind)k);
        struct drift_rng r = drift_rng_new(400);
        struct mallinfo2 before = mallinfo2();
        for (int i = 0; i < 3000; i++)
            (void)add(d, value(k, &r, i / 1000));
        struct mallinfo2 after = mallinfo2();
        ck_assert_uint_eq(before.uordblks + before.hblkhd, after.uordblks + after.hblkhd);
        ck_assert_uint_eq(before.fordblks, after.fordblks);
        drift_detector_free(d);
    }
}
END_TEST

/* Exact where the arithmetic is: times 2^20 changes no rounding of CUSUM and EWMA; KSWIN sees only the order. */
START_TEST(blind_to_scale)
{
    static const enum drift_detector_kind kinds[] = {DRIFT_DETECTOR_CUSUM, DRIFT_DETECTOR_EWMA, DRIFT_DETECTOR_KSWIN};
    for (size_t k = 0; k < 3; k++) {
        struct drift_detector *d = detector_new(kinds[k]), *scaled = detector_new(kinds[k]),
                              *curved = detector_new(kinds[k]);
        struct drift_rng r = drift_rng_new(500 + k);
        int drifts = 0;
        for (int i = 0; i < 5000; i++) {
            double x = drift_rng_gauss(&r) + i / 2500;
            enum drift_detector_level level = add(d, x);
            ck_assert_int_eq((int)add(scaled, 0x1p20 * x), (int)level);
            if (kinds[k] == DRIFT_DETECTOR_KSWIN)
                ck_assert_int_eq((int)add(curved, exp(x)), (int)level);
            drifts += level == DRIFT_DETECTOR_DRIFT;
        }
        ck_assert_int_gt(drifts, 0);
        drift_detector_free(d);
        drift_detector_free(scaled);
        drift_detector_free(curved);
    }
}
END_TEST

static enum drift_detector_level error_after(struct drift_detector *d, int distance)
{
    for (int i = 1; i < distance; i++)
        (void)add(d, 0);
    return add(d, 1);
}

/* Where the two forms part: an error so late that mean + 2 sd is a new maximum ends a warning in one only. */
START_TEST(eddm_forms)
{
    struct drift_detector_settings s;
    drift_detector_defaults(DRIFT_DETECTOR_EDDM, &s);
    for (int river = 0; river < 2; river++) {
        struct drift_detector *d;
        enum drift_detector_level level = DRIFT_DETECTOR_QUIET;
        int n = 0;
        ck_assert_int_eq(drift_detector_set(DRIFT_DETECTOR_EDDM, &s, "form", river), 0);
        ck_assert_int_eq(drift_detector_set(DRIFT_DETECTOR_EDDM, &s, "out_control_level", .1), 0);
        ck_assert_int_eq(drift_detector_new(DRIFT_DETECTOR_EDDM, &s, &d), 0);
        for (int i = 0; i < 30; i++)
            (void)error_after(d, i % 2 ? 10 : 30);
        for (; n < 60 && level == DRIFT_DETECTOR_QUIET; n++)
            level = error_after(d, 20);
        ck_assert_int_eq((int)level, (int)DRIFT_DETECTOR_WARNING);
        ck_assert_int_eq((int)error_after(d, 2000), (int)(river ? DRIFT_DETECTOR_WARNING : DRIFT_DETECTOR_QUIET));
        drift_detector_free(d);
    }
}
END_TEST

/* Values until a false alarm, behind a long reference: what the literature has for these charts (Montgomery,
 * Introduction to statistical quality control, tables 9.3 and 9.11). */
START_TEST(textbook_run_lengths)
{
    enum { REFERENCE = 2000, RUNS = 800 };
    static const struct {
        enum drift_detector_kind kind;
        double weight, threshold, run; /* slack or alpha */
    } charts[] = {{DRIFT_DETECTOR_CUSUM, .5, 4, 168},
                  {DRIFT_DETECTOR_CUSUM, .5, 5, 465},
                  {DRIFT_DETECTOR_EWMA, .1, 2.814, 500},
                  {DRIFT_DETECTOR_EWMA, .4, 3.054, 500}};
    for (size_t c = 0; c < sizeof charts / sizeof *charts; c++) {
        struct drift_detector_settings s;
        struct drift_detector *d;
        struct drift_rng r = drift_rng_new(600 + c);
        uint64_t run = 0;
        drift_detector_defaults(charts[c].kind, &s);
        bool cusum = charts[c].kind == DRIFT_DETECTOR_CUSUM;
        ck_assert_int_eq(drift_detector_set(charts[c].kind, &s, cusum ? "slack" : "alpha", charts[c].weight), 0);
        ck_assert_int_eq(drift_detector_set(charts[c].kind, &s, "threshold", charts[c].threshold), 0);
        ck_assert_int_eq(drift_detector_set(charts[c].kind, &s, "min_instances", REFERENCE), 0);
        ck_assert_int_eq(drift_detector_new(charts[c].kind, &s, &d), 0);
        for (int i = 0; i < RUNS; i++) {
            drift_detector_reset(d);
            while (add(d, drift_rng_gauss(&r)) != DRIFT_DETECTOR_DRIFT)
                ;
            run += drift_detector_n(d) - REFERENCE;
        }
        double mean = (double)run / RUNS;
        printf("%s %g, %g: %.0f values between false alarms, textbook %.0f\n", drift_detector_name(charts[c].kind),
               charts[c].weight, charts[c].threshold, mean, charts[c].run);
        ck_assert_msg(fabs(mean / charts[c].run - 1) < .15, "chart %zu: %g", c, mean);
        drift_detector_free(d);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("detector");
    drift_test_add(s, "tables are sound", tables_are_sound, 10);
    drift_test_add(s, "settings must go together", settings_must_go_together, 10);
    drift_test_add(s, "a step is found", a_step_is_found, 20);
    drift_test_add(s, "equal values are quiet", equal_values_are_quiet, 20);
    drift_test_add(s, "extremes are taken", extremes_are_taken, 20);
    drift_test_add(s, "refuses values", refuses_values, 10);
    drift_test_add(s, "saved state goes on", saved_state_goes_on, 30);
    drift_test_add(s, "reset is new", reset_is_new, 20);
    drift_test_add(s, "hostile state", hostile_state, 60);
    drift_test_add(s, "nothing is allocated", nothing_is_allocated, 20);
    drift_test_add(s, "blind to scale", blind_to_scale, 20);
    drift_test_add(s, "eddm forms", eddm_forms, 10);
    drift_test_add(s, "textbook run lengths", textbook_run_lengths, 60);
    return drift_test_run(s);
}
