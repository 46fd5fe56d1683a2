/* src/detect/detector.c    The table of change detectors: parameters, life, values, saved state. */
#include "driftd/detector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detector_kind.h"
#include "driftd/error.h"

enum { VERSION = 1, HEAD_BYTES = 4, SUM_BYTES = 8 }; /* "dd", version, kind; then n, parameters, state; then the sum */

struct drift_detector {
    enum drift_detector_kind kind;
    double param[DRIFT_DETECTOR_PARAMS_MAX];
    uint64_t n;
    size_t state_bytes;
    _Alignas(double) unsigned char state[];
};

static const struct {
    const char *name, *help;
} names[] = {
#define X(id, name, help) {name, help},
    DRIFT_DETECTORS(X)
#undef X
};

static const struct detector_ops *const kinds[DRIFT_N_DETECTOR] = {
    [DRIFT_DETECTOR_ADWIN] = &detector_adwin,   [DRIFT_DETECTOR_PAGE_HINKLEY] = &detector_page_hinkley,
    [DRIFT_DETECTOR_CUSUM] = &detector_cusum,   [DRIFT_DETECTOR_EWMA] = &detector_ewma,
    [DRIFT_DETECTOR_DDM] = &detector_ddm,       [DRIFT_DETECTOR_EDDM] = &detector_eddm,
    [DRIFT_DETECTOR_HDDM_A] = &detector_hddm_a, [DRIFT_DETECTOR_HDDM_W] = &detector_hddm_w,
    [DRIFT_DETECTOR_KSWIN] = &detector_kswin,
};

/* ---- names and parameters ---- */

static bool known(enum drift_detector_kind kind)
{
    return (unsigned)kind < DRIFT_N_DETECTOR;
}

const char *drift_detector_name(enum drift_detector_kind kind)
{
    return known(kind) ? names[kind].name : "?";
}

const char *drift_detector_help(enum drift_detector_kind kind)
{
    return known(kind) ? names[kind].help : "?";
}

bool drift_detector_parse(const char *name, enum drift_detector_kind *ret_kind)
{
    for (int i = 0; i < DRIFT_N_DETECTOR; i++)
        if (!strcmp(name, names[i].name)) {
            *ret_kind = (enum drift_detector_kind)i;
            return true;
        }
    return false;
}

const char *drift_detector_level_name(enum drift_detector_level level)
{
    static const char *const level_names[] = {"quiet", "warning", "drift"};
    return (unsigned)level < sizeof level_names / sizeof *level_names ? level_names[level] : "?";
}

const struct drift_detector_param *drift_detector_params(enum drift_detector_kind kind, size_t *ret_n)
{
    *ret_n = known(kind) ? kinds[kind]->n_params : 0;
    return known(kind) ? kinds[kind]->params : NULL;
}

void drift_detector_defaults(enum drift_detector_kind kind, struct drift_detector_settings *ret)
{
    size_t n;
    const struct drift_detector_param *p = drift_detector_params(kind, &n);
    *ret = (struct drift_detector_settings){{0}};
    for (size_t i = 0; i < n; i++)
        ret->value[i] = p[i].standard;
}

static bool in_range(const struct drift_detector_param *p, double v)
{
    return v >= p->least && v <= p->most && (!p->whole || v == floor(v));
}

int drift_detector_set(enum drift_detector_kind kind, struct drift_detector_settings *s, const char *name, double value)
{
    size_t n;
    const struct drift_detector_param *p = drift_detector_params(kind, &n);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(name, p[i].name)) {
            if (!in_range(&p[i], value))
                return DRIFT_E_RANGE;
            s->value[i] = value;
            return 0;
        }
    return DRIFT_E_NOT_FOUND;
}

/* ---- life ---- */

static int start(struct drift_detector *d)
{
    d->n = 0;
    memset(d->state, 0, d->state_bytes);
    return kinds[d->kind]->init(d->state, d->param);
}

int drift_detector_new(enum drift_detector_kind kind, const struct drift_detector_settings *settings,
                       struct drift_detector **ret_d)
{
    struct drift_detector_settings s;
    if (!known(kind))
        return DRIFT_E_RANGE;
    const struct detector_ops *ops = kinds[kind];
    if (settings)
        s = *settings;
    else
        drift_detector_defaults(kind, &s);
    for (size_t i = 0; i < ops->n_params; i++)
        if (!in_range(&ops->params[i], s.value[i]))
            return DRIFT_E_RANGE;
    size_t bytes = ops->size(s.value);
    struct drift_detector *d = malloc(sizeof *d + bytes);
    if (!d)
        return DRIFT_E_MEMORY;
    *d = (struct drift_detector){.kind = kind, .state_bytes = bytes};
    memcpy(d->param, s.value, ops->n_params * sizeof *d->param);
    int rc = start(d);
    if (rc) {
        free(d);
        return rc;
    }
    *ret_d = d;
    return 0;
}

void drift_detector_free(struct drift_detector *d)
{
    free(d);
}

void drift_detector_reset(struct drift_detector *d)
{
    (void)start(d); /* its parameters went together before */
}

enum drift_detector_kind drift_detector_kind_of(const struct drift_detector *d)
{
    return d->kind;
}

uint64_t drift_detector_n(const struct drift_detector *d)
{
    return d->n;
}

/* ---- values ---- */

static bool takes(enum detector_values values, double x)
{
    switch (values) {
    case VALUES_BINARY:
        return x == 0 || x == 1;
    case VALUES_UNIT:
        return x >= 0 && x <= 1;
    default:
        return fabs(x) <= DRIFT_DETECTOR_VALUE_MAX;
    }
}

int drift_detector_add(struct drift_detector *d, double x, enum drift_detector_level *ret_level)
{
    const struct detector_ops *ops = kinds[d->kind];
    if (!takes(ops->values, x) || d->n == STATE_COUNT_MAX)
        return DRIFT_E_RANGE;
    d->n++;
    *ret_level = ops->add(d->state, d->param, x);
    return 0;
}

/* ---- saved state ---- */

void state_u64(struct state_io *io, uint64_t *v, uint64_t most)
{
    if (io->saving) {
        bytes_put(&io->out, *v, 8);
        return;
    }
    *v = bytes_get(&io->in, 8);
    if (*v > most) {
        *v = 0;
        io->bad = true;
    }
}

void state_u32(struct state_io *io, uint32_t *v, uint32_t most)
{
    if (io->saving) {
        bytes_put(&io->out, *v, 4);
        return;
    }
    *v = (uint32_t)bytes_get(&io->in, 4);
    if (*v > most) {
        *v = 0;
        io->bad = true;
    }
}

void state_flag(struct state_io *io, bool *v)
{
    if (io->saving) {
        bytes_put(&io->out, *v, 1);
        return;
    }
    uint64_t got = bytes_get(&io->in, 1);
    *v = got == 1;
    io->bad |= got > 1;
}

void state_f64(struct state_io *io, double *v, double least, double most)
{
    if (io->saving) {
        bytes_put_double(&io->out, *v);
        return;
    }
    *v = bytes_get_double(&io->in);
    if (!(*v >= least && *v <= most)) {
        *v = 0;
        io->bad = true;
    }
}

/* FNV-1a: against damage, not against people. */
static uint64_t checksum(const uint8_t *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

static void state_pass(struct drift_detector *d, struct state_io *io)
{
    state_u64(io, &d->n, STATE_COUNT_MAX);
    io->n = d->n;
    kinds[d->kind]->io(d->state, d->param, io);
    io->bad |= io->in.bad;
}

/* No field takes more bytes saved than in memory. */
size_t drift_detector_state_max(const struct drift_detector *d)
{
    return HEAD_BYTES + 8 + 8 * kinds[d->kind]->n_params + d->state_bytes + SUM_BYTES;
}

int drift_detector_save(const struct drift_detector *d, uint8_t *buf, size_t cap, size_t *ret_len)
{
    struct state_io io = {.saving = true, .out = {.p = buf, .cap = cap}};
    const struct detector_ops *ops = kinds[d->kind];
    const uint8_t head[HEAD_BYTES] = {'d', 'd', VERSION, (uint8_t)d->kind};
    for (size_t i = 0; i < HEAD_BYTES; i++)
        bytes_put(&io.out, head[i], 1);
    for (size_t i = 0; i < ops->n_params; i++)
        state_f64(&io, &((struct drift_detector *)(uintptr_t)d)->param[i], 0, 0);
    state_pass((struct drift_detector *)(uintptr_t)d, &io); /* saving only reads */
    if (io.bad || io.out.len > cap)
        return DRIFT_E_FULL;
    bytes_put(&io.out, checksum(buf, io.out.len), SUM_BYTES);
    *ret_len = io.out.len;
    return io.out.len > cap ? DRIFT_E_FULL : 0;
}

int drift_detector_load(const uint8_t *bytes, size_t n, struct drift_detector **ret_d)
{
    struct drift_detector_settings s = {{0}};
    struct drift_detector *d;
    if (n < HEAD_BYTES + SUM_BYTES || bytes[0] != 'd' || bytes[1] != 'd')
        return DRIFT_E_CORRUPT;
    if (bytes[2] > VERSION)
        return DRIFT_E_VERSION;
    struct bytes_reader tail = {.p = bytes + n - SUM_BYTES, .end = bytes + n};
    if (bytes[2] != VERSION || !known((enum drift_detector_kind)bytes[3]) ||
        bytes_get(&tail, SUM_BYTES) != checksum(bytes, n - SUM_BYTES))
        return DRIFT_E_CORRUPT;
    struct state_io io = {.in = {.p = bytes + HEAD_BYTES, .end = bytes + n - SUM_BYTES}};
    enum drift_detector_kind kind = (enum drift_detector_kind)bytes[3];
    for (size_t i = 0; i < kinds[kind]->n_params; i++)
        state_f64(&io, &s.value[i], kinds[kind]->params[i].least, kinds[kind]->params[i].most);
    int rc = io.bad || io.in.bad ? DRIFT_E_CORRUPT : drift_detector_new(kind, &s, &d);
    if (rc)
        return rc == DRIFT_E_MEMORY ? rc : DRIFT_E_CORRUPT;
    state_pass(d, &io);
    if (io.bad || io.in.p != io.in.end) {
        drift_detector_free(d);
        return DRIFT_E_CORRUPT;
    }
    *ret_d = d;
    return 0;
}
