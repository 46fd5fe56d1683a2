/* support.h - what every unit test shares: the runner, seeded random numbers, closeness. */
#ifndef DRIFTD_SUPPORT_H
#define DRIFTD_SUPPORT_H

#include <check.h>
#include <stdint.h>

/* Runs a suite; the exit status of main.  Prints the seed (DRIFTD_SEED, default fixed; "fresh" takes the clock). */
int drift_test_run(Suite *s);
/* Adds a test case with one test, timeout in seconds scaled by DRIFTD_TEST_SLOW (default 1). */
void drift_test_add(Suite *s, const char *name, const TTest *t, double timeout_s);

struct drift_rng {
    uint64_t s;
};
uint64_t drift_test_seed(void);
struct drift_rng drift_rng_new(uint64_t stream); /* seeded by drift_test_seed() and the stream number */
uint64_t drift_rng_u64(struct drift_rng *r);
double drift_rng_uniform(struct drift_rng *r); /* (0, 1) */
double drift_rng_gauss(struct drift_rng *r);
uint64_t drift_rng_below(struct drift_rng *r, uint64_t n);

/* How often to try n times at random: under a sanitizer, which makes all five times slower, a fifth of them. */
#if defined __has_feature
#if __has_feature(address_sanitizer)
#define DRIFT_TEST_SANITIZED 1
#endif
#endif
#if defined __SANITIZE_ADDRESS__ || defined DRIFT_TEST_SANITIZED
#define DRIFT_TEST_ROUNDS(n) ((n) / 5)
#else
#define DRIFT_TEST_ROUNDS(n) (n)
#endif

/* |a - b| <= rel * max(|a|, |b|) or both below tiny */
int drift_near(double a, double b, double rel);
#define ck_near(a, b, rel)                                                                                             \
    ck_assert_msg(drift_near((a), (b), (rel)), "%s = %.17g, %s = %.17g", #a, (double)(a), #b, (double)(b))

/* ../shared beside the clone, or DRIFTD_SHARED; NULL: not there (a test that needs it exits with
 * drift_test_skip("why"), status 77). */
const char *drift_test_shared(void);
int drift_test_skip(const char *why);
/* Whole file, NUL-terminated, heap; aborts when unreadable. */
char *drift_test_read(const char *path, size_t *ret_len);

#endif
