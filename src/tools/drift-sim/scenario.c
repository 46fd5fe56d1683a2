/* src/tools/drift-sim/scenario.c    Reads a scenario file and refuses what it cannot mean. */
#include "scenario.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/text.h"

/* Where in the file the reader is, for messages: "models[0].features.url_length". */
struct at {
    const struct at *up;
    const char *name;
    struct drift_err *err;
};
static void at_text(const struct at *a, char *ret, size_t cap)
{
    if (a->up) {
        at_text(a->up, ret, cap);
        size_t n = strlen(ret);
        snprintf(ret + n, cap - n, "%s%s", n ? "." : "", a->name);
    } else {
        *ret = 0;
    }
}
static int bad(const struct at *a, const char *fmt, ...) DRIFT_PRINTF(2, 3);
static int bad(const struct at *a, const char *fmt, ...)
{
    char path[256], text[256];
    va_list ap;
    at_text(a, path, sizeof path);
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return drift_fail(a->err, DRIFT_E_PARSE, DRIFT_STOP, "%s: %s", *path ? path : "(top)", text);
}

/* Every member of o must be one of the names (ended by NULL): a typing error shall not be an empty scenario. */
static int only(const struct at *a, const json_t *o, const char *const *names)
{
    const char *key;
    json_t *v;
    if (!json_is_object(o))
        return bad(a, "must be an object");
    json_object_foreach((json_t *)o, key, v)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], key))
            i++;
        if (!names[i])
            return bad(a, "unknown key %s", key);
    }
    return 0;
}
#define ONLY(a, o, ...) only((a), (o), (const char *const[]){__VA_ARGS__, NULL})

/* Leaves *ret as it is when the key is absent. */
static int number(const struct at *a, const json_t *o, const char *key, double low, double high, double *ret)
{
    const json_t *v = json_object_get(o, key);
    if (!v)
        return 0;
    if (!json_is_number(v) || !(json_number_value(v) >= low && json_number_value(v) <= high))
        return bad(a, "%s must be a number from %g to %g", key, low, high);
    *ret = json_number_value(v);
    return 0;
}
static int text(const struct at *a, const json_t *o, const char *key, char **ret)
{
    const json_t *v = json_object_get(o, key);
    if (!v)
        return 0;
    if (!json_is_string(v) || !*json_string_value(v))
        return bad(a, "%s must be a text", key);
    free(*ret);
    *ret = drift_xstrdup(json_string_value(v));
    return 0;
}
static int pair_of_texts(const struct at *a, const json_t *o, const char *key, char *ret[2])
{
    const json_t *v = json_object_get(o, key);
    if (!v)
        return 0;
    if (json_array_size(v) != 2 || !json_is_string(json_array_get(v, 0)) || !json_is_string(json_array_get(v, 1)))
        return bad(a, "%s must be a list of two texts", key);
    for (size_t i = 0; i < 2; i++) {
        free(ret[i]);
        ret[i] = drift_xstrdup(json_string_value(json_array_get(v, i)));
    }
    return 0;
}

static void choices_free(struct sim_choice *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(c[i].name);
    free(c);
}
static int choices(const struct at *a, const json_t *o, struct sim_choice **ret, size_t *ret_n, double *ret_total)
{
    const char *key;
    json_t *v;
    if (!json_is_object(o) || !json_object_size(o) || json_object_size(o) > SIM_CATEGORIES)
        return bad(a, "weights must be an object of 1 to %d categories", SIM_CATEGORIES);
    choices_free(*ret, *ret_n);
    *ret = drift_xcalloc(json_object_size(o), sizeof **ret);
    *ret_n = 0;
    *ret_total = 0;
    json_object_foreach((json_t *)o, key, v)
    {
        if (!json_is_number(v) || !(json_number_value(v) >= 0))
            return bad(a, "weight of %s must be a number, 0 or more", key);
        (*ret)[*ret_n].name = drift_xstrdup(key);
        (*ret)[(*ret_n)++].weight = json_number_value(v);
        *ret_total += json_number_value(v);
    }
    return *ret_total > 0 ? 0 : bad(a, "weights are all 0");
}

/* Which parameters each law has. */
static const struct law {
    const char *name, *a, *b;
    double a_low, a_high, b_low;
} laws[] = {
    [SIM_NORMAL] = {"normal", "mean", "sd", -1e15, 1e15, 0},
    [SIM_LOGNORMAL] = {"lognormal", "mu", "sigma", -100, 100, 0},
    [SIM_UNIFORM] = {"uniform", "low", "high", -1e15, 1e15, -1e15},
    [SIM_POISSON] = {"poisson", "mean", NULL, 0, 1e9, 0},
    [SIM_BERNOULLI] = {"bernoulli", "p", NULL, 0, 1, 0},
    [SIM_CATEGORICAL] = {"categorical", NULL, NULL, 0, 0, 0},
    [SIM_CONSTANT] = {"constant", NULL, NULL, 0, 0, 0},
};

static int side(const struct at *a, const json_t *o, enum sim_law law, struct sim_side *s)
{
    const struct law *l = &laws[law];
    if ((l->a && number(a, o, l->a, l->a_low, l->a_high, &s->a)) || (l->b && number(a, o, l->b, l->b_low, 1e15, &s->b)))
        return DRIFT_E_PARSE;
    if (law == SIM_CATEGORICAL && json_object_get(o, "weights"))
        return choices(a, json_object_get(o, "weights"), &s->choices, &s->n_choices, &s->total);
    return 0;
}
static void dist_release(struct sim_dist *d)
{
    choices_free(d->side[0].choices, d->side[0].n_choices);
    choices_free(d->side[1].choices, d->side[1].n_choices);
    free(d->text);
}
static int side_copy(const struct at *a, const json_t *o, struct sim_dist *d)
{
    const json_t *positive = json_object_get(o, "positive");
    d->side[1].a = d->side[0].a;
    d->side[1].b = d->side[0].b;
    if (d->law == SIM_CATEGORICAL &&
        choices(a, json_object_get(positive && json_object_get(positive, "weights") ? positive : o, "weights"),
                &d->side[1].choices, &d->side[1].n_choices, &d->side[1].total))
        return DRIFT_E_PARSE;
    return positive ? side(a, positive, d->law, &d->side[1]) : 0;
}
static int dist(const struct at *up, const char *name, const json_t *o, struct sim_dist *d)
{
    struct at a = {up, name, up->err};
    if (ONLY(&a, o, "is", "mean", "sd", "mu", "sigma", "low", "high", "p", "weights", "value", "decimals", "min", "max",
             "null", "positive"))
        return DRIFT_E_PARSE;
    const char *is = json_string_value(json_object_get(o, "is"));
    size_t law = 0;
    while (law < sizeof laws / sizeof *laws && (!is || strcmp(is, laws[law].name)))
        law++;
    if (law == sizeof laws / sizeof *laws)
        return bad(
            &a, "is must name a distribution: normal, lognormal, uniform, poisson, bernoulli, categorical, constant");
    d->law = (enum sim_law)law;
    d->min = -INFINITY;
    d->max = INFINITY;
    double decimals = law == SIM_POISSON || law == SIM_BERNOULLI ? 0 : 4;
    if ((laws[law].a && !json_object_get(o, laws[law].a)) || (laws[law].b && !json_object_get(o, laws[law].b)))
        return bad(&a, "%s needs %s%s%s", is, laws[law].a, laws[law].b ? " and " : "", laws[law].b ? laws[law].b : "");
    if (law == SIM_CATEGORICAL && !json_object_get(o, "weights"))
        return bad(&a, "categorical needs weights");
    if (side(&a, o, d->law, &d->side[0]) || side_copy(&a, o, d) || number(&a, o, "decimals", 0, 12, &decimals) ||
        number(&a, o, "min", -1e15, 1e15, &d->min) || number(&a, o, "max", -1e15, 1e15, &d->max) ||
        number(&a, o, "null", 0, 1, &d->null))
        return DRIFT_E_PARSE;
    d->decimals = (int)decimals;
    const json_t *value = json_object_get(o, "value");
    if (law == SIM_CONSTANT && json_is_string(value))
        d->text = drift_xstrdup(json_string_value(value));
    else if (law == SIM_CONSTANT && json_is_number(value))
        d->side[0].a = d->side[1].a = json_number_value(value);
    else if (law == SIM_CONSTANT)
        return bad(&a, "constant needs value, a number or a text");
    return 0;
}

static int topics(const struct at *up, const json_t *o, struct sim_model *m)
{
    static const char *const names[] = {"features", "score", "decision", "source", "latency", "label"};
    struct at a = {up, "topics", up->err};
    const char *key;
    json_t *v, *role;
    if (!json_is_object(o) || !json_object_size(o) || json_object_size(o) > SIM_TOPICS)
        return bad(&a, "must be an object of 1 to %d topics", SIM_TOPICS);
    json_object_foreach((json_t *)o, key, v)
    {
        struct sim_topic *t = &m->topics[m->n_topics++];
        size_t i;
        t->name = drift_xstrdup(key);
        json_array_foreach(v, i, role)
        {
            size_t r = 0;
            while (r < 6 && (!json_is_string(role) || strcmp(json_string_value(role), names[r])))
                r++;
            if (r == 6)
                return bad(&a, "%s: a role is one of features, score, decision, source, latency, label", key);
            t->roles |= 1u << r;
        }
        if (!t->roles)
            return bad(&a, "%s: must be a list of roles", key);
    }
    return 0;
}

/* Index of a feature by the first n bytes of name; n_features when there is none. */
static size_t find(const struct sim_model *m, const char *name, size_t n)
{
    size_t i = 0;
    while (i < m->n_features && (strncmp(m->features[i].name, name, n) || m->features[i].name[n]))
        i++;
    return i;
}
static int features(const struct at *up, const json_t *o, struct sim_model *m)
{
    struct at a = {up, "features", up->err};
    const char *key;
    json_t *v;
    if (!json_is_object(o) || !json_object_size(o) || json_object_size(o) > SIM_FEATURES)
        return bad(&a, "must be an object of 1 to %d features", SIM_FEATURES);
    m->features = drift_xcalloc(json_object_size(o), sizeof *m->features);
    json_object_foreach((json_t *)o, key, v)
    {
        struct sim_feature *f = &m->features[m->n_features++];
        f->name = drift_xstrdup(key);
        if (dist(&a, key, v, &f->dist))
            return DRIFT_E_PARSE;
    }
    return 0;
}
static int score(const struct at *up, const json_t *o, struct sim_model *m)
{
    struct at a = {up, "score", up->err};
    const char *key;
    json_t *v;
    if (!o)
        return 0;
    if (ONLY(&a, o, "bias", "weights", "noise") || number(&a, o, "bias", -1e6, 1e6, &m->bias) ||
        number(&a, o, "noise", 0, 1e6, &m->noise))
        return DRIFT_E_PARSE;
    const json_t *weights = json_object_get(o, "weights");
    m->weights = drift_xcalloc(json_object_size(weights) + 1, sizeof *m->weights);
    json_object_foreach((json_t *)weights, key, v)
    {
        const char *eq = strchr(key, '=');
        struct sim_weight *w = &m->weights[m->n_weights++];
        w->feature = find(m, key, eq ? (size_t)(eq - key) : strlen(key));
        if (w->feature == m->n_features)
            return bad(&a, "weights: %s names no feature", key);
        if (!json_is_number(v))
            return bad(&a, "weights: %s must be a number", key);
        if (!eq != (m->features[w->feature].dist.law != SIM_CATEGORICAL))
            return bad(&a, "weights: %s: NAME=CATEGORY is for categorical features, and only for them", key);
        w->category = eq ? drift_xstrdup(eq + 1) : NULL;
        w->weight = json_number_value(v);
    }
    return 0;
}

static int model(const struct at *up, const char *where, const json_t *o, struct sim_model *m)
{
    struct at a = {up, where, up->err};
    *m = (struct sim_model){.rate = 100, .threshold = .5, .labelled = 1};
    m->version = drift_xstrdup("1");
    m->decision[0] = drift_xstrdup("allow");
    m->decision[1] = drift_xstrdup("block");
    m->label[0] = drift_xstrdup("0");
    m->label[1] = drift_xstrdup("1");
    m->label_delay = (struct sim_dist){.law = SIM_CONSTANT, .min = 0, .max = INFINITY};
    if (ONLY(&a, o, "name", "version", "rate", "topics", "base_rate", "features", "source", "latency", "score",
             "threshold", "decisions", "labels", "labelled", "label_flip", "label_delay") ||
        text(&a, o, "name", &m->name) || text(&a, o, "version", &m->version) ||
        number(&a, o, "rate", 1e-3, 1e6, &m->rate) || number(&a, o, "base_rate", 0, 1, &m->base_rate) ||
        number(&a, o, "threshold", 0, 1, &m->threshold) || number(&a, o, "labelled", 0, 1, &m->labelled) ||
        number(&a, o, "label_flip", 0, 1, &m->label_flip) || pair_of_texts(&a, o, "decisions", m->decision) ||
        pair_of_texts(&a, o, "labels", m->label) || topics(&a, json_object_get(o, "topics"), m) ||
        features(&a, json_object_get(o, "features"), m) || score(&a, json_object_get(o, "score"), m))
        return DRIFT_E_PARSE;
    if (!m->name)
        return bad(&a, "needs a name");
    m->has_source = json_object_get(o, "source");
    m->has_latency = json_object_get(o, "latency");
    const json_t *delay = json_object_get(o, "label_delay");
    if ((m->has_source && dist(&a, "source", json_object_get(o, "source"), &m->source)) ||
        (m->has_latency && dist(&a, "latency", json_object_get(o, "latency"), &m->latency)) ||
        (delay && dist(&a, "label_delay", delay, &m->label_delay)))
        return DRIFT_E_PARSE;
    return 0;
}

static int change(const struct at *up, const char *name, const json_t *o, const struct sim_model *m,
                  struct sim_change *c)
{
    struct at a = {up, name, up->err};
    *c = (struct sim_change){.feature = find(m, name, strlen(name)), .scale = 1, .null = NAN};
    if (c->feature == m->n_features)
        return bad(&a, "model %s has no such feature", m->name);
    if (ONLY(&a, o, "shift", "scale", "null", "missing", "weights") || number(&a, o, "shift", -1e15, 1e15, &c->shift) ||
        number(&a, o, "scale", -1e9, 1e9, &c->scale) || number(&a, o, "null", 0, 1, &c->null) ||
        number(&a, o, "missing", 0, 1, &c->missing))
        return DRIFT_E_PARSE;
    if (!json_object_get(o, "weights"))
        return 0;
    if (m->features[c->feature].dist.law != SIM_CATEGORICAL)
        return bad(&a, "weights are for categorical features");
    return choices(&a, json_object_get(o, "weights"), &c->choices, &c->n_choices, &c->total);
}
static void effect_of(struct sim_effect *e, const struct sim_model *m)
{
    *e = (struct sim_effect){.volume = 1,
                             .base_rate = m->base_rate,
                             .labelled = m->labelled,
                             .label_flip = m->label_flip,
                             .late_by = {.law = SIM_CONSTANT, .max = INFINITY},
                             .version = drift_xstrdup(m->version)};
}
static int effect(const struct at *a, const json_t *o, const struct sim_model *m, struct sim_effect *e)
{
    const json_t *late = json_object_get(o, "late"), *f = json_object_get(o, "features");
    const char *key;
    json_t *v;
    if (number(a, o, "volume", 0, 1e6, &e->volume) || number(a, o, "base_rate", 0, 1, &e->base_rate) ||
        number(a, o, "duplicates", 0, 1, &e->duplicates) || number(a, o, "labelled", 0, 1, &e->labelled) ||
        number(a, o, "label_flip", 0, 1, &e->label_flip) || text(a, o, "version", &e->version))
        return DRIFT_E_PARSE;
    if (late && (ONLY(a, late, "share", "by") || number(a, late, "share", 0, 1, &e->late) ||
                 dist(a, "late.by", json_object_get(late, "by"), &e->late_by)))
        return DRIFT_E_PARSE;
    if (f && !json_is_object(f))
        return bad(a, "features must be an object");
    e->changes = drift_xcalloc(json_object_size(f) + 1, sizeof *e->changes);
    json_object_foreach((json_t *)f, key,
                        v) if (change(a, key, v, m, &e->changes[e->n_changes++])) return DRIFT_E_PARSE;
    return 0;
}
static int phase(const struct at *up, const char *where, const json_t *o, struct sim_scenario *s)
{
    struct at a = {up, where, up->err};
    struct sim_phase *p = &s->phases[s->n_phases++];
    for (size_t i = 0; i < s->n_models; i++)
        effect_of(&p->effect[i], &s->models[i]);
    if (ONLY(&a, o, "name", "about", "duration", "model", "volume", "base_rate", "version", "duplicates", "labelled",
             "label_flip", "late", "features") ||
        text(&a, o, "name", &p->name) || text(&a, o, "about", &p->about))
        return DRIFT_E_PARSE;
    const char *duration = json_string_value(json_object_get(o, "duration"));
    int64_t ms;
    if (!p->name || !duration || !drift_duration_parse(duration, strlen(duration), &ms) || ms <= 0 ||
        ms > 366 * 86400000LL)
        return bad(&a, "needs a name and a duration such as 90s");
    p->start_ms = s->duration_ms;
    p->end_ms = s->duration_ms += ms;
    const char *name = json_string_value(json_object_get(o, "model"));
    size_t n = 0;
    for (size_t i = 0; i < s->n_models; i++)
        if (!name || !strcmp(name, s->models[i].name)) {
            n++;
            if (effect(&a, o, &s->models[i], &p->effect[i]))
                return DRIFT_E_PARSE;
        }
    return n ? 0 : bad(&a, "model %s is not in the scenario", name);
}

static int scenario(const json_t *o, struct sim_scenario *s, struct drift_err *err)
{
    struct at a = {NULL, "", err};
    char where[32];
    size_t i;
    json_t *v;
    const json_t *models = json_object_get(o, "models"), *phases = json_object_get(o, "phases");
    if (ONLY(&a, o, "about", "models", "phases"))
        return DRIFT_E_PARSE;
    if (!json_array_size(models) || json_array_size(models) > SIM_MODELS)
        return bad(&a, "models must be a list of 1 to %d", SIM_MODELS);
    json_array_foreach(models, i, v)
    {
        snprintf(where, sizeof where, "models[%zu]", i);
        s->n_models++;
        if (model(&a, where, v, &s->models[i]))
            return DRIFT_E_PARSE;
    }
    if (!json_array_size(phases) || json_array_size(phases) > SIM_PHASES)
        return bad(&a, "phases must be a list of 1 to %d", SIM_PHASES);
    json_array_foreach(phases, i, v)
    {
        snprintf(where, sizeof where, "phases[%zu]", i);
        if (phase(&a, where, v, s))
            return DRIFT_E_PARSE;
    }
    return 0;
}

static void phases_release(struct sim_scenario *s)
{
    for (size_t i = 0; i < s->n_phases; i++) {
        struct sim_phase *p = &s->phases[i];
        free(p->name);
        free(p->about);
        for (size_t k = 0; k < s->n_models; k++) {
            struct sim_effect *e = &p->effect[k];
            for (size_t c = 0; c < e->n_changes; c++)
                choices_free(e->changes[c].choices, e->changes[c].n_choices);
            free(e->changes);
            free(e->version);
            dist_release(&e->late_by);
        }
        *p = (struct sim_phase){0};
    }
    s->n_phases = 0;
    s->duration_ms = 0;
}
static void calm_down(struct sim_scenario *s, int64_t ms)
{
    phases_release(s);
    s->n_phases = 1;
    s->phases[0] = (struct sim_phase){.name = drift_xstrdup("calm"), .end_ms = ms};
    for (size_t i = 0; i < s->n_models; i++)
        effect_of(&s->phases[0].effect[i], &s->models[i]);
    s->duration_ms = ms;
}

int sim_scenario_load(const char *file, int64_t calm_ms, struct sim_scenario **ret, struct drift_err *err)
{
    json_error_t e;
    json_t *o = json_load_file(file, JSON_REJECT_DUPLICATES, &e);
    if (!o)
        return drift_fail(err, DRIFT_E_PARSE, DRIFT_STOP, "%s:%d: %s", file, e.line, e.text);
    struct sim_scenario *s = drift_xcalloc(1, sizeof *s);
    int rc = scenario(o, s, err);
    json_decref(o);
    if (rc) {
        drift_err_prefix(err, "%s", file);
        sim_scenario_free(s);
        return rc;
    }
    if (calm_ms > 0)
        calm_down(s, calm_ms);
    *ret = s;
    return 0;
}

static void model_release(struct sim_model *m)
{
    free(m->name);
    free(m->version);
    for (size_t i = 0; i < m->n_topics; i++)
        free(m->topics[i].name);
    for (size_t i = 0; i < m->n_features; i++) {
        free(m->features[i].name);
        dist_release(&m->features[i].dist);
    }
    free(m->features);
    dist_release(&m->source);
    dist_release(&m->latency);
    dist_release(&m->label_delay);
    for (size_t i = 0; i < m->n_weights; i++)
        free(m->weights[i].category);
    free(m->weights);
    for (size_t i = 0; i < 2; i++) {
        free(m->decision[i]);
        free(m->label[i]);
    }
}
void sim_scenario_free(struct sim_scenario *s)
{
    if (!s)
        return;
    phases_release(s);
    for (size_t i = 0; i < s->n_models; i++)
        model_release(&s->models[i]);
    free(s);
}
