/* src/config/detectors.c    Parameters of detectors by name, for the configuration and `driftd detect`. */
#include "driftd/internal/config/detectors.h"

#include <stdio.h>
#include <string.h>

#include "driftd/internal/base/text.h"

static int unknown(enum drift_detector_kind kind, const char *name, struct drift_err *err)
{
    char list[256] = "";
    size_t n, at = 0;
    const struct drift_detector_param *p = drift_detector_params(kind, &n);
    for (size_t i = 0; i < n && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", p[i].name);
    return drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_STOP, "%s has no parameter %s: it has %s",
                      drift_detector_name(kind), name, list);
}

static int outside(const struct drift_detector_param *p, const char *text, struct drift_err *err)
{
    char list[128] = "", least[32], most[32];
    size_t at = 0;
    for (size_t i = 0; i < DRIFT_DETECTOR_CHOICES_MAX && p->choices[i] && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", p->choices[i]);
    if (at)
        return drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP, "%s=%s: not one of %s", p->name, text, list);
    drift_f64_text(p->least, least, sizeof least);
    drift_f64_text(p->most, most, sizeof most);
    return drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP, "%s=%s: not a %snumber from %s to %s", p->name, text,
                      p->whole ? "whole " : "", least, most);
}

static bool value_parse(const struct drift_detector_param *p, const char *text, double *ret)
{
    for (size_t i = 0; i < DRIFT_DETECTOR_CHOICES_MAX && p->choices[i]; i++)
        if (!strcmp(text, p->choices[i])) {
            *ret = (double)i;
            return true;
        }
    return !p->choices[0] && drift_f64_parse(text, strlen(text), ret);
}

int drift_detector_set_text(enum drift_detector_kind kind, struct drift_detector_settings *s, const char *name,
                            const char *text, struct drift_err *err)
{
    size_t n;
    double v;
    const struct drift_detector_param *p = drift_detector_params(kind, &n);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(name, p[i].name)) {
            bool fine = value_parse(&p[i], text, &v) && !drift_detector_set(kind, s, name, v);
            return fine ? 0 : outside(&p[i], text, err);
        }
    return unknown(kind, name, err);
}
