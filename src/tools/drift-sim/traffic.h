/* traffic.h - the records of a scenario, in order of arrival.
 *
 * Event i of a model is drawn from a generator of its own, seeded by (seed, model, i): it is the same whatever the
 * speed, and a change of one event's draws moves no other one.  Arrivals are a Poisson process of the phase's rate.
 * Threads: one owner. */
#ifndef DRIFTD_SIM_TRAFFIC_H
#define DRIFTD_SIM_TRAFFIC_H

#include "scenario.h"

struct sim_message {
    const char *topic, *key; /* the key is the event id */
    const char *text;        /* one JSON object, without newline */
    size_t len;
    int64_t at_ms; /* when it arrives, from the scenario's start */
    int64_t ts_ms; /* its event time, since 1970 */
    bool label;
};
struct sim_traffic;
/* start_ms: event time of the scenario's start.  The scenario is borrowed. */
struct sim_traffic *sim_traffic_new(const struct sim_scenario *s, uint64_t seed, int64_t start_ms);
void sim_traffic_free(struct sim_traffic *t);
/* The next record, valid until the next call; false at the end.  Labels that would come after the end are not sent. */
bool sim_traffic_next(struct sim_traffic *t, struct sim_message *ret);

#endif
