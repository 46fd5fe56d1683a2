/* src/detect/sums.c    Vectors of integers that add: checked, merged, to and from bytes. */
#include "driftd/sums.h"

#include "bytes.h"

enum { FORMAT = 1 };

int drift_sums_check(const int64_t *sums, size_t length, int64_t unit)
{
    if (length < 1 || length > DRIFT_SUMS_MAX || unit < 1 || unit > DRIFT_SUMS_UNIT_MAX)
        return DRIFT_E_RANGE;
    if (sums[0] < 0 || sums[0] > DRIFT_SUMS_EVENTS_MAX)
        return DRIFT_E_RANGE;
    int64_t most = sums[0] * unit;
    for (size_t i = 1; i < length; i++)
        if (sums[i] > most || sums[i] < -most)
            return DRIFT_E_RANGE;
    return 0;
}

int drift_sums_merge(int64_t *into, const int64_t *from, size_t length)
{
    if (from[0] > DRIFT_SUMS_EVENTS_MAX - into[0])
        return DRIFT_E_FULL;
    for (size_t i = 0; i < length; i++)
        into[i] += from[i];
    return 0;
}

size_t drift_sums_save(const int64_t *sums, size_t length, uint8_t *out, size_t cap)
{
    struct bytes_writer w = {.p = out, .cap = cap};
    bytes_put(&w, FORMAT, 1);
    bytes_put_varint(&w, length);
    bytes_put_varint(&w, (uint64_t)sums[0]);
    for (size_t i = 1; i < length; i++)
        bytes_put_signed(&w, sums[i]);
    return bytes_written(&w);
}

int drift_sums_load(const uint8_t *p, size_t len, int64_t *ret_sums, size_t length, int64_t unit)
{
    struct bytes_reader r = {p, p + len, false};
    uint64_t format = bytes_get(&r, 1);
    if (r.bad || format == 0)
        return DRIFT_E_PARSE;
    if (format > FORMAT)
        return DRIFT_E_VERSION;
    uint64_t stored = bytes_get_varint(&r);
    if (r.bad)
        return DRIFT_E_PARSE;
    if (stored != length)
        return DRIFT_E_MISMATCH;
    uint64_t n = bytes_get_varint(&r);
    if (n > (uint64_t)DRIFT_SUMS_EVENTS_MAX)
        return DRIFT_E_RANGE;
    ret_sums[0] = (int64_t)n;
    for (size_t i = 1; i < length; i++)
        ret_sums[i] = bytes_get_signed(&r);
    if (r.bad || r.p != r.end)
        return DRIFT_E_PARSE;
    return drift_sums_check(ret_sums, length, unit);
}
