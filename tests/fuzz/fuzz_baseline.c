/* tests/fuzz/fuzz_baseline.c    Loads arbitrary bytes as a baseline, with the digest that they would need.
 *
 * The input is what stands before the digest; the digest is made here, or no mutation would ever reach the parser.
 * What loads must save, and load again as the same content. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/baseline/baseline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(struct drift_baseline *b)
{
    struct drift_baseline *twin;
    struct drift_buf out;
    struct drift_err err;
    drift_buf_init(&out, DRIFT_BASELINE_BYTES_MAX);
    if (!drift_baseline_save(b, &out, &err)) {
        if (drift_baseline_load(out.data, out.len, &twin, &err))
            abort();
        for (int k = 0; k < DRIFT_N_CHAIN; k++)
            if (strcmp(b->chain[k].layout->digest, twin->chain[k].layout->digest))
                abort();
        drift_baseline_free(twin);
    }
    drift_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct drift_baseline *b;
    struct drift_buf in;
    struct drift_err err;
    uint8_t digest[DRIFT_SHA256_BYTES];
    if (!drift_baseline_load(data, size, &b, &err)) {
        again(b);
        drift_baseline_free(b);
    }
    drift_buf_init(&in, DRIFT_BASELINE_BYTES_MAX);
    drift_buf_add(&in, data, size);
    drift_sha256(data, size, digest);
    drift_buf_adds(&in, "DGST");
    drift_buf_put_u64(&in, sizeof digest);
    drift_buf_add(&in, digest, sizeof digest);
    if (!drift_baseline_load(in.data, in.len, &b, &err)) {
        again(b);
        drift_baseline_free(b);
    }
    drift_buf_release(&in);
    return 0;
}
