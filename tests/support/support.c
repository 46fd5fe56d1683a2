/* tests/support/support.c    The runner and the random numbers of all unit tests. */
#include "support.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

uint64_t drift_test_seed(void)
{
    static uint64_t seed;
    if (!seed) {
        const char *e = getenv("DRIFTD_SEED");
        seed = !e ? 20260101 : !strcmp(e, "fresh") ? (uint64_t)time(NULL) : strtoull(e, NULL, 10);
    }
    return seed;
}

int drift_test_run(Suite *s)
{
    SRunner *r = srunner_create(s);
    printf("seed %" PRIu64 "\n", drift_test_seed());
    fflush(stdout);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

void drift_test_add(Suite *s, const char *name, const TTest *t, double timeout_s)
{
    const char *slow = getenv("DRIFTD_TEST_SLOW");
    TCase *c = tcase_create(name);
    tcase_set_timeout(c, timeout_s * (slow ? atof(slow) : 1));
    tcase_add_test(c, t);
    suite_add_tcase(s, c);
}

struct drift_rng drift_rng_new(uint64_t stream)
{
    struct drift_rng r = {drift_test_seed() * 0x9E3779B97F4A7C15u ^ (stream + 1) * 0xD1342543DE82EF95u};
    return r;
}
uint64_t drift_rng_u64(struct drift_rng *r) /* splitmix64 */
{
    uint64_t z = (r->s += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}
double drift_rng_uniform(struct drift_rng *r)
{
    return ((double)(drift_rng_u64(r) >> 11) + 0.5) * 0x1p-53;
}
double drift_rng_gauss(struct drift_rng *r)
{
    return sqrt(-2 * log(drift_rng_uniform(r))) * cos(6.283185307179586 * drift_rng_uniform(r));
}
uint64_t drift_rng_below(struct drift_rng *r, uint64_t n)
{
    return drift_rng_u64(r) % n;
}

int drift_near(double a, double b, double rel)
{
    if (a == b)
        return 1;
    return fabs(a - b) <= rel * fmax(fabs(a), fabs(b)) || (fabs(a) < 1e-300 && fabs(b) < 1e-300);
}

const char *drift_test_shared(void)
{
    static char path[4096];
    struct stat st;
    const char *e = getenv("DRIFTD_SHARED");
    snprintf(path, sizeof path, "%s", e ? e : DRIFTD_SOURCE_DIR "/../shared");
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? path : NULL;
}
int drift_test_skip(const char *why)
{
    printf("SKIP: %s\n", why);
    return 77;
}

char *drift_test_read(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        abort();
    }
    size_t cap = 1 << 16, n = 0, got;
    char *p = malloc(cap + 1);
    while ((got = fread(p + n, 1, cap - n, f)) > 0)
        if ((n += got) == cap)
            p = realloc(p, (cap *= 2) + 1);
    fclose(f);
    p[n] = 0;
    if (ret_len)
        *ret_len = n;
    return p;
}
