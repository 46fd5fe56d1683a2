/* tests/fuzz/fuzz_alert.c    Stored alert states as Redis may hold them: what is accepted can be stepped and stored
 * again. */
#include <jansson.h>
#include <math.h>
#include <stdint.h>

#include "driftd/internal/judge/alert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void step(struct drift_alert *a, enum drift_severity breach, double effect)
{
    const struct drift_rule rule = {
        .warning = .1, .critical = .25, .recovery = .08, .p = (double)NAN, .persist_k = 2, .persist_of = 3};
    const struct drift_rule_result r = {
        .breach = breach, .worst_effect = effect, .held_effect = effect, .n_findings = 1};
    drift_alert_step(a, &rule, &r, 60000, 120000);
    if ((a->phase == DRIFT_ALERT_FIRING) != (a->severity != DRIFT_SEV_NONE))
        drift_bug("an alert fires without a severity");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const double effect[] = {.01, .09, .15, .3};
    json_t *j = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct drift_alert a, b;
    struct drift_err err;
    if (!drift_alert_parse(j, &a, &err)) {
        for (int i = 0; i < 4; i++)
            step(&a, i < 2 ? DRIFT_SEV_NONE : i == 2 ? DRIFT_SEV_WARNING : DRIFT_SEV_CRITICAL, effect[i]);
        json_t *again = drift_alert_json(&a);
        if (drift_alert_parse(again, &b, &err))
            drift_bug("an alert does not survive being stored");
        json_decref(again);
    }
    json_decref(j);
    return 0;
}
