/* src/detect/evidence_save.c    The state of a bank as bytes and back, for whoever keeps it between windows. */
/* Layout: magic | version | shape | last_ms, then per watched column latched, n_clear, z_sum if latched, else R.
 * Streams that do not exist are not written: a state fits one shape only. */
#include <math.h>
#include <stdlib.h>

#include "bytes.h"
#include "driftd/error.h"
#include "evidence.h"

static const uint64_t magic = 0x31564554464452ull; /* "RDFTEV1" */
enum { VERSION = 1 };

static void column_save(struct bytes_writer *o, const struct bank_column *b)
{
    bytes_put(o, b->latched ? (uint64_t)b->n_clear + 1 : 0, 8);
    for (int s = 0; s < DRIFT_N_STREAM; s++) {
        if (!b->stream[s].used)
            continue;
        if (b->latched)
            bytes_put_double(o, b->stream[s].z_sum);
        for (int k = 0; k < BETS && !b->latched; k++)
            bytes_put_double(o, b->stream[s].r[k]);
    }
}

static void save(const struct drift_evidence *e, struct bytes_writer *o)
{
    bytes_put(o, magic, 8);
    bytes_put(o, VERSION, 8);
    bytes_put(o, e->shape, 8);
    bytes_put(o, (uint64_t)e->last_ms, 8);
    for (uint32_t i = 0; i < e->phase1->layout->n_columns; i++)
        if (e->column[i].view.watched)
            column_save(o, &e->column[i]);
}

int drift_evidence_save(const struct drift_evidence *e, uint8_t *ret, size_t cap, size_t *ret_len)
{
    struct bytes_writer o = {.p = ret, .cap = cap};
    save(e, &o);
    *ret_len = o.len;
    return ret && o.len > cap ? DRIFT_E_FULL : 0;
}

size_t drift_evidence_bytes(const struct drift_evidence *e)
{
    size_t n = 4 * 8;
    for (uint32_t i = 0; i < e->phase1->layout->n_columns; i++) {
        n += e->column[i].view.watched ? 8 : 0;
        for (int s = 0; s < DRIFT_N_STREAM; s++)
            n += e->column[i].stream[s].used ? 8 * BETS : 0;
    }
    return n;
}

/* Reads a column; into NULL: only looks whether it can be. */
static bool column_load(struct bytes_reader *in, const struct bank_column *shape, struct bank_column *into,
                        uint32_t clear_windows)
{
    uint64_t latch = bytes_get(in, 8);
    bool good = latch <= (uint64_t)clear_windows + 1 || latch <= 1000000;
    if (into) {
        into->latched = into->view.latched = latch > 0;
        into->n_clear = latch ? (uint32_t)(latch - 1) : 0;
    }
    for (int s = 0; s < DRIFT_N_STREAM && good; s++) {
        if (!shape->stream[s].used)
            continue;
        double z = latch ? bytes_get_double(in) : 0;
        good = fabs(z) <= Z_MAX * (double)latch; /* false for NaN */
        if (into)
            into->stream[s].z_sum = z;
        for (int k = 0; k < BETS && good; k++) {
            double r = latch ? 0 : bytes_get_double(in);
            good = r >= 0 && r <= R_MAX;
            if (into)
                into->stream[s].r[k] = r;
        }
    }
    return good;
}

static bool columns_load(struct drift_evidence *e, struct bytes_reader *in, bool apply)
{
    for (uint32_t i = 0; i < e->phase1->layout->n_columns; i++) {
        struct bank_column *b = &e->column[i];
        if (b->view.watched && !column_load(in, b, apply ? b : NULL, e->set.clear_windows))
            return false;
    }
    return true;
}

int drift_evidence_load(struct drift_evidence *e, const uint8_t *bytes, size_t len)
{
    struct bytes_reader in = {.p = bytes, .end = bytes + len};
    if (bytes_get(&in, 8) != magic)
        return DRIFT_E_PARSE;
    if (bytes_get(&in, 8) != VERSION)
        return in.bad ? DRIFT_E_PARSE : DRIFT_E_VERSION;
    uint64_t shape = bytes_get(&in, 8);
    int64_t last_ms = (int64_t)bytes_get(&in, 8);
    if (in.bad)
        return DRIFT_E_PARSE;
    if (shape != e->shape)
        return DRIFT_E_MISMATCH;
    struct bytes_reader again = in;
    bool good = columns_load(e, &in, false);
    if (in.bad || (good && in.p != in.end))
        return DRIFT_E_PARSE;
    if (!good)
        return DRIFT_E_CORRUPT;
    columns_load(e, &again, true);
    e->last_ms = last_ms;
    return 0;
}
