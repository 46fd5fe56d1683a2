/* tests/fuzz/fuzz_multivariate.c    Sums, cuts and embeddings as bytes that nobody wrote: refused, or good for all that
 * is done with them, and written again as they were read.
 *
 * Input: a byte that says which of the three, and the bytes. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/concordance.h"
#include "driftd/embedding.h"
#include "driftd/sums.h"
#include "driftd/tail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FEATURES = 4, LENGTH = 1 + FEATURES + FEATURES * (FEATURES - 1) / 2 };

static void must(bool so)
{
    if (!so)
        abort();
}

static bool share(double p)
{
    return p >= 0 && p <= 1;
}

static void sums(const uint8_t *p, size_t n)
{
    int64_t s[LENGTH], t[LENGTH], ref[LENGTH] = {40, 20, 20, 20, 20, 22, 20, 18, 20, 26, 20};
    uint8_t out[1 + 3 + 10 * LENGTH];
    struct drift_concordance_result r;
    if (drift_sums_load(p, n, s, LENGTH, 1))
        return;
    size_t k = drift_sums_save(s, LENGTH, out, sizeof out);
    must(k && drift_sums_load(out, k, t, LENGTH, 1) == 0 && memcmp(s, t, sizeof s) == 0);
    if (drift_concordance_check(s, FEATURES) || drift_concordance_compare(ref, s, FEATURES, &r))
        return;
    must(share(r.p_value) && share(r.p_shared) && isfinite(r.max_abs_z) && isfinite(r.log10_p));
    for (size_t i = 0; i < r.n_top; i++)
        must(fabs(r.top[i].phi) <= 1 && share(r.top[i].agree) && isfinite(r.top[i].margin_z_i));
    must(drift_sums_merge(ref, s, LENGTH) || drift_concordance_check(ref, FEATURES) == 0);
}

static void cuts(const uint8_t *p, size_t n)
{
    struct drift_concordance c;
    uint8_t out[DRIFT_CONCORDANCE_BYTES_MAX];
    if (drift_concordance_load(p, n, &c))
        return;
    must(drift_concordance_save(&c, out, sizeof out) == n && memcmp(p, out, n) == 0);
}

static void embedding(const uint8_t *p, size_t n)
{
    struct drift_embedding *e, *f;
    struct drift_embedding_result t;
    if (drift_embedding_load(p, n, &e))
        return;
    const struct drift_embedding_spec *spec = drift_embedding_spec(e);
    int64_t *s = calloc(drift_embedding_length(spec->n_terms), sizeof *s);
    double *row = calloc(spec->n_features, sizeof *row);
    size_t cap = drift_embedding_bytes_max(e);
    uint8_t *out = malloc(cap);
    must(s && row && out);
    row[0] = 1e308;
    must(drift_embedding_add(e, s, row) == 0);
    must(drift_sums_check(s, drift_embedding_length(spec->n_terms), DRIFT_EMBEDDING_UNIT) == 0);
    must(drift_embedding_compare(e, s, &t) == 0 && share(t.p_value) && share(t.p_shared) && isfinite(t.t));
    size_t k = drift_embedding_save(e, out, cap);
    must(k && drift_embedding_load(out, k, &f) == 0);
    drift_embedding_free(f);
    drift_embedding_free(e);
    free(out);
    free(row);
    free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    drift_stats_init();
    if (!size)
        return 0;
    uint8_t *copy = malloc(size); /* of its own, so that a read behind it is seen */
    must(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        sums(copy, size - 1);
        break;
    case 1:
        cuts(copy, size - 1);
        break;
    default:
        embedding(copy, size - 1);
    }
    free(copy);
    return 0;
}
