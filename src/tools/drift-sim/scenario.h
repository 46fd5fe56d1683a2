/* scenario.h - a traffic scenario as read from its JSON file: models, their columns, and phases that change them.
 *
 *     { "models": [ { "name", "version", "rate" (events a second),
 *                     "topics": { TOPIC: [roles] }       roles: features score decision source latency | label
 *                     "base_rate" (share of positive events),
 *                     "features": { NAME: distribution },  "source": .., "latency": ..  (distributions)
 *                     "score": { "bias", "weights": { NAME | NAME=CATEGORY: number }, "noise" },
 *                     "threshold", "decisions": [below, above], "labels": [negative, positive],
 *                     "labelled" (share), "label_flip" (share), "label_delay": distribution of seconds } ],
 *       "phases": [ { "name", "about", "duration": "90s", "model" (default: all),
 *                     "volume" (factor), "base_rate", "version", "duplicates" (share), "label_flip", "labelled",
 *                     "late": { "share", "by": distribution of seconds },
 *                     "features": { NAME: { "shift", "scale", "null", "missing", "weights" } } } ] }
 *
 * A distribution: { "is": "normal" (mean, sd) | "lognormal" (mu, sigma) | "uniform" (low, high) | "poisson" (mean) |
 * "bernoulli" (p) | "categorical" (weights {NAME: number}) | "constant" (value) }, further "decimals" (numbers; 0 gives
 * integers), "min", "max", "null" (share), and "positive": { the same parameters where positive events differ }.
 *
 * Everything is bounded and checked on loading; unknown keys are errors.  Threads: immutable after loading. */
#ifndef DRIFTD_SIM_SCENARIO_H
#define DRIFTD_SIM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driftd/internal/base/err.h"

enum sim_law { SIM_NORMAL, SIM_LOGNORMAL, SIM_UNIFORM, SIM_POISSON, SIM_BERNOULLI, SIM_CATEGORICAL, SIM_CONSTANT };
enum { SIM_CATEGORIES = 64, SIM_FEATURES = 200, SIM_MODELS = 16, SIM_TOPICS = 8, SIM_PHASES = 64 };

struct sim_choice {
    char *name;
    double weight;
};
struct sim_side { /* the parameters; a second set for positive events */
    double a, b;
    size_t n_choices;
    struct sim_choice *choices;
    double total; /* of the weights */
};
struct sim_dist {
    enum sim_law law;
    struct sim_side side[2];
    char *text; /* constant string; NULL: a number */
    int decimals;
    double min, max, null;
};
struct sim_weight { /* one term of the score: a number times a feature, or a number when a category is drawn */
    size_t feature;
    char *category; /* NULL: numeric */
    double weight;
};
struct sim_feature {
    char *name;
    struct sim_dist dist;
};
enum sim_role {
    SIM_FEATURES_ROLE = 1,
    SIM_SCORE = 2,
    SIM_DECISION = 4,
    SIM_SOURCE = 8,
    SIM_LATENCY = 16,
    SIM_LABEL = 32
};
struct sim_topic {
    char *name;
    unsigned roles;
};
struct sim_model {
    char *name, *version;
    double rate, base_rate;
    size_t n_topics;
    struct sim_topic topics[SIM_TOPICS];
    size_t n_features;
    struct sim_feature *features;
    bool has_source, has_latency;
    struct sim_dist source, latency;
    double bias, noise, threshold;
    size_t n_weights;
    struct sim_weight *weights;
    char *decision[2], *label[2];
    double labelled, label_flip;
    struct sim_dist label_delay;
};
struct sim_change { /* of one feature in one phase; NAN: as it was */
    size_t feature;
    double shift, scale, null, missing;
    size_t n_choices; /* 0: as they were */
    struct sim_choice *choices;
    double total;
};
struct sim_phase {
    char *name, *about;
    int64_t start_ms, end_ms; /* from the scenario's start */
    /* by model; what a phase does not name is as in the model */
    struct sim_effect {
        double volume, base_rate, duplicates, late, labelled, label_flip;
        struct sim_dist late_by;
        char *version;
        size_t n_changes;
        struct sim_change *changes;
    } effect[SIM_MODELS];
};
struct sim_scenario {
    size_t n_models;
    struct sim_model models[SIM_MODELS];
    size_t n_phases;
    struct sim_phase phases[SIM_PHASES];
    int64_t duration_ms;
};

/* calm_ms > 0: one phase of that length without any change, in place of the file's phases. */
int sim_scenario_load(const char *file, int64_t calm_ms, struct sim_scenario **ret,
                      struct drift_err *err) DRIFT_MUST_CHECK;
void sim_scenario_free(struct sim_scenario *s);

#endif
