/* kafka_conf.h - librdkafka properties from driftd's configuration, the same for every client of the process.
 *
 * Order of precedence: what driftd's exactness needs (fixed, a configuration that sets it is refused), then the
 * configuration's `kafka.options`, then driftd's defaults.  Secrets are read here and never appear in error texts.
 * librdkafka's own log lines go to drift_log as event kafka_log.
 * Threads: pure. */
#ifndef DRIFTD_INGEST_KAFKA_CONF_H
#define DRIFTD_INGEST_KAFKA_CONF_H

#include <librdkafka/rdkafka.h>

#include "driftd/internal/base/err.h"
#include "driftd/internal/config/config.h"

enum drift_kafka_client {
    DRIFT_KAFKA_CONSUMER, /* member of cfg->group: no auto commit, no offset reset, partition EOF events */
    DRIFT_KAFKA_READER,   /* the same without a group: reads ranges and metadata */
    DRIFT_KAFKA_PRODUCER  /* idempotent, acks=all */
};

/* *ret_conf: pass it on to rd_kafka_new(), or free it with rd_kafka_conf_destroy().
 * DRIFT_E_CONFIG: unknown property, value refused by librdkafka, or one that driftd sets itself.
 * Errors of drift_secret_load() as they are. */
int drift_kafka_conf(const struct drift_kafka_config *cfg, enum drift_kafka_client client, rd_kafka_conf_t **ret_conf,
                     struct drift_err *err) DRIFT_MUST_CHECK;

/* A limit of the librdkafka at hand that this configuration runs into, in plain words; NULL: none known. */
const char *drift_kafka_known_limit(const struct drift_kafka_config *cfg);

/* What to do about an error of a broker call: fills err with `what: librdkafka's text`; AWAY/RETRY for what may
 * pass, DENIED/RETRY for authorisation and authentication, NOT_FOUND/RETRY for an unknown topic or partition.
 * Returns the code. */
int drift_kafka_fail(struct drift_err *err, rd_kafka_resp_err_t code, const char *what);

/* What is wrong with a topic or group and who can mend it, to go behind its name: "may not be read: give this user
 * ...". NULL: an error that speaks for itself. */
const char *drift_kafka_advice(rd_kafka_resp_err_t code);

#endif
