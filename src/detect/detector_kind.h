/* detector_kind.h - what a kind of detector gives to detector.c; private to the detect room.
 *
 * A kind is a table row: parameters, size of its state, and functions on that state.  The state is one block without
 * pointers that starts as zeros.  init fills it (and what is derived of the parameters); io passes every field of it
 * that lasts through the same calls in both directions, so that saving and loading cannot differ. */
#ifndef DRIFTD_DETECT_DETECTOR_KIND_H
#define DRIFTD_DETECT_DETECTOR_KIND_H

#include "bytes.h"
#include "driftd/detector.h"

/* Fields of a state on their way out or in.  On the way in, a value outside its bounds makes `bad`. */
struct state_io {
    bool saving, bad;
    uint64_t n; /* values that the detector has had: no kind counts more */
    struct bytes_writer out;
    struct bytes_reader in;
};
void state_u64(struct state_io *io, uint64_t *v, uint64_t most);
void state_u32(struct state_io *io, uint32_t *v, uint32_t most);
void state_flag(struct state_io *io, bool *v);
void state_f64(struct state_io *io, double *v, double least, double most);

#define STATE_COUNT_MAX (UINT64_C(1) << 53)
#define STATE_SUM_MAX (0x1p53 * DRIFT_DETECTOR_VALUE_MAX)

/* Values that a kind takes. */
enum detector_values { VALUES_ANY, VALUES_UNIT, VALUES_BINARY };

struct detector_ops {
    const struct drift_detector_param *params;
    size_t n_params;
    enum detector_values values;
    size_t (*size)(const double *param); /* bytes of the state; param is in range */
    /* DRIFT_E_RANGE when parameters do not go together. */
    int (*init)(void *state, const double *param);
    enum drift_detector_level (*add)(void *state, const double *param, double x);
    void (*io)(void *state, const double *param, struct state_io *io);
};

extern const struct detector_ops detector_adwin, detector_page_hinkley, detector_cusum, detector_ewma, detector_ddm,
    detector_eddm, detector_hddm_a, detector_hddm_w, detector_kswin;

#endif
