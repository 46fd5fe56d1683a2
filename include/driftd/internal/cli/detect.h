/* detect.h - a detector's run over a column of a file: what `driftd detect` asks for, finds and prints.
 *
 * Positions count the values that the detector saw, from 0; rows count the file's records, from 1.  Lists have a
 * maximum, counts have none.  Threads: one owner. */
#ifndef DRIFTD_CLI_DETECT_H
#define DRIFTD_CLI_DETECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/detector.h"

enum { DRIFT_DETECT_LIST = 1024, DRIFT_DETECT_FILTERS = 16, DRIFT_DETECT_MARKS = 1000000 };

struct drift_detect_filter { /* rows whose column is (not) this text */
    const char *column, *text;
    bool differs;
};
struct drift_detect_request {
    const char *file;
    enum drift_detector_kind kind;
    struct drift_detector_settings settings;
    const char *column, *other; /* other: the value is whether both differ; NULL: the column's own */
    struct drift_detect_filter filters[DRIFT_DETECT_FILTERS];
    size_t n_filters;
    char *header[DRIFT_DETECT_LIST];
    size_t n_header;
    bool json;
    size_t limit; /* of each list that is printed */
    enum drift_detector_level fail_on;
};

struct drift_detect_mark {
    uint64_t at, row; /* where a drift is, or a run of warnings begins */
    double value;
    double mean; /* of the values since the drift before, or the first; this one included */
};
struct drift_detect_marks {
    uint64_t n; /* all */
    size_t n_kept, cap;
    struct drift_detect_mark *mark; /* [n_kept], heap */
};
struct drift_detect_report {
    uint64_t rows, values;
    uint64_t filtered, empty, nonfinite; /* rows that gave no value, and why */
    struct drift_detect_marks drifts, warnings;
};
void drift_detect_report_release(struct drift_detect_report *r);

void drift_detect_print_text(const struct drift_detect_request *q, const struct drift_detect_report *r);
void drift_detect_print_json(const struct drift_detect_request *q, const struct drift_detect_report *r);
/* All detectors with their parameters. */
void drift_detect_print_kinds(void);
/* A parameter's value: a choice's name, or a number.  buf >= 32 bytes; returns buf. */
const char *drift_detect_value_text(const struct drift_detector_param *p, double v, char *buf, size_t cap);

#endif
