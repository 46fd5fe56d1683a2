/* detectors.h - values of a detector's parameters as they are written: numbers, or the names of choices.
 *
 * Threads: pure. */
#ifndef DRIFTD_CONFIG_DETECTORS_H
#define DRIFTD_CONFIG_DETECTORS_H

#include "driftd/detector.h"
#include "driftd/internal/base/err.h"

/* Sets the parameter `name` of a kind from `text`.  DRIFT_E_NOT_FOUND, DRIFT_E_RANGE; the error says what there is. */
int drift_detector_set_text(enum drift_detector_kind kind, struct drift_detector_settings *s, const char *name,
                            const char *text, struct drift_err *err) DRIFT_MUST_CHECK;

#endif
