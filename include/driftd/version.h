/* version.h - which version of libdriftd a program runs with.
 *
 * Until 1.0, structs may grow from one minor version to the next, and the shared library's SONAME has both numbers. */
#ifndef DRIFTD_VERSION_H
#define DRIFTD_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0": major, minor, patch.  Static string.  Threads: any. */
const char *drift_version(void);

#ifdef __cplusplus
}
#endif
#endif
