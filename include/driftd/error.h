/* error.h - result codes of driftd's library and daemon.
 *
 * A function that can fail returns 0 or one of these.  Codes say what went wrong; what to do about it is
 * the caller's business (the daemon's struct drift_err adds that, see internal/base/err.h). */
#ifndef DRIFTD_ERROR_H
#define DRIFTD_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

enum drift_code {
    DRIFT_OK = 0,
    DRIFT_E_EMPTY,     /* no data to answer from (a side has no rows, a list is empty) */
    DRIFT_E_RANGE,     /* a number is outside what is allowed */
    DRIFT_E_TYPE,      /* a value is of another type than asked for */
    DRIFT_E_PARSE,     /* bytes or text are not of the expected form */
    DRIFT_E_VERSION,   /* written by a newer version */
    DRIFT_E_CORRUPT,   /* checksum or digest does not match */
    DRIFT_E_FULL,      /* a configured maximum is reached */
    DRIFT_E_MEMORY,    /* allocation failed */
    DRIFT_E_NOT_FOUND, /* no such thing */
    DRIFT_E_EXISTS,    /* it is there already */
    DRIFT_E_MISMATCH,  /* two things that must fit do not (layouts, digests) */
    DRIFT_E_IO,        /* file or system call failed */
    DRIFT_E_AWAY,      /* a server does not answer or refuses for now */
    DRIFT_E_STALE,     /* the state is no longer the one this write builds on */
    DRIFT_E_DENIED,    /* not authorised */
    DRIFT_E_USAGE,     /* the user asked for something impossible */
    DRIFT_E_CONFIG     /* configuration is wrong */
};

/* Short name of a code, for logs: "empty", "range" ...  Static string. */
const char *drift_code_name(enum drift_code code);

#ifdef __cplusplus
}
#endif
#endif
