/* driftd.h - all of libdriftd: statistics of drift on counts and samples, detectors, evidence.
 *
 *     #include <driftd/driftd.h>          cc $(pkg-config --cflags driftd) program.c $(pkg-config --libs driftd)
 *
 * A program calls drift_stats_init() (tail.h) once at its start.  No function here reads a clock, writes a log or keeps
 * state of its own; each header says which of its calls allocate. */
#ifndef DRIFTD_DRIFTD_H
#define DRIFTD_DRIFTD_H

#include "driftd/anderson.h"
#include "driftd/binning.h"
#include "driftd/cells.h"
#include "driftd/chi2.h"
#include "driftd/concordance.h"
#include "driftd/cvm.h"
#include "driftd/detector.h"
#include "driftd/embedding.h"
#include "driftd/error.h"
#include "driftd/evidence.h"
#include "driftd/explain.h"
#include "driftd/frequent.h"
#include "driftd/grid.h"
#include "driftd/js.h"
#include "driftd/ks.h"
#include "driftd/ks_null.h"
#include "driftd/layout.h"
#include "driftd/legendre.h"
#include "driftd/magnitude.h"
#include "driftd/max_cell.h"
#include "driftd/measure.h"
#include "driftd/multiple.h"
#include "driftd/phase1.h"
#include "driftd/psi.h"
#include "driftd/rate.h"
#include "driftd/replay.h"
#include "driftd/samples.h"
#include "driftd/summary.h"
#include "driftd/sums.h"
#include "driftd/tail.h"
#include "driftd/version.h"
#include "driftd/wasserstein.h"

#endif
