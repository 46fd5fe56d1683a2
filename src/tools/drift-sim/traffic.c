/* src/tools/drift-sim/traffic.c    Draws a scenario's events and labels and puts them in order of arrival.
 *
 * What is on its way (late events, duplicates, labels) waits in a heap by arrival time: a label may be hours behind its
 * event, so memory grows with rate times delay and with nothing else. */
#include "traffic.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/buf.h"

struct rng {
    uint64_t s;
};
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}
static struct rng rng_of(uint64_t seed, uint64_t model, uint64_t i)
{
    return (struct rng){mix(mix(mix(seed + 0x9E3779B97F4A7C15u) + model) + i)};
}
static double uniform(struct rng *r) /* (0, 1); splitmix64 */
{
    return ((double)(mix(r->s += 0x9E3779B97F4A7C15u) >> 11) + .5) * 0x1p-53;
}
static double gauss(struct rng *r)
{
    double radius = sqrt(-2 * log(uniform(r)));
    return radius * cos(6.283185307179586 * uniform(r));
}
static double poisson(struct rng *r, double mean)
{
    if (mean > 30) /* the normal law is near enough for traffic, and costs the same for any mean */
        return fmax(0, round(mean + sqrt(mean) * gauss(r)));
    double k = 0;
    for (double p = uniform(r), floor = exp(-mean); p > floor; p *= uniform(r))
        k++;
    return k;
}

struct drawn { /* one value */
    enum { DRAWN_MISSING, DRAWN_NULL, DRAWN_NUMBER, DRAWN_TEXT } is;
    double number;
    const char *text;
};
static const char *choose(struct rng *r, const struct sim_choice *c, size_t n, double total)
{
    double left = uniform(r) * total;
    for (size_t i = 0; i + 1 < n; i++)
        if ((left -= c[i].weight) < 0)
            return c[i].name;
    return c[n - 1].name;
}
static double number(struct rng *r, enum sim_law law, const struct sim_side *s)
{
    switch (law) {
    case SIM_NORMAL:
        return s->a + s->b * gauss(r);
    case SIM_LOGNORMAL:
        return exp(s->a + s->b * gauss(r));
    case SIM_UNIFORM:
        return s->a + (s->b - s->a) * uniform(r);
    case SIM_POISSON:
        return poisson(r, s->a);
    case SIM_BERNOULLI:
        return uniform(r) < s->a;
    default:
        return s->a;
    }
}
static struct drawn draw(struct rng *r, const struct sim_dist *d, const struct sim_change *c, bool positive)
{
    const struct sim_side *s = &d->side[positive];
    if (c && c->missing > 0 && uniform(r) < c->missing)
        return (struct drawn){.is = DRAWN_MISSING};
    double null = c && !isnan(c->null) ? c->null : d->null;
    if (null > 0 && uniform(r) < null)
        return (struct drawn){.is = DRAWN_NULL};
    if (d->law == SIM_CATEGORICAL)
        return (struct drawn){.is = DRAWN_TEXT,
                              .text = c && c->n_choices ? choose(r, c->choices, c->n_choices, c->total)
                                                        : choose(r, s->choices, s->n_choices, s->total)};
    if (d->text)
        return (struct drawn){.is = DRAWN_TEXT, .text = d->text};
    double x = number(r, d->law, s);
    if (c)
        x = x * c->scale + c->shift;
    double unit = pow(10, d->decimals);
    x = round(fmin(fmax(x, d->min), d->max) * unit) / unit; /* the score sees what the receiver sees */
    return (struct drawn){.is = DRAWN_NUMBER, .number = x};
}

/* ---- what is on its way ---- */
struct waiting {
    int64_t at_ms, ts_ms;
    uint64_t seq; /* order of making, so that ties have one order */
    const char *topic;
    bool label;
    char *key, *text;
    size_t len;
};
struct source { /* one model's arrivals */
    uint64_t i;
    double next_ms; /* INFINITY: over */
    size_t phase;
};
struct sim_traffic {
    const struct sim_scenario *s;
    uint64_t seed, seq;
    int64_t start_ms;
    struct source source[SIM_MODELS];
    size_t n, cap;
    struct waiting *heap;
    struct waiting out;
    struct drift_buf text;
};

static bool before(const struct waiting *a, const struct waiting *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}
static void push(struct sim_traffic *t, struct waiting w)
{
    if (t->n == t->cap)
        t->heap = drift_xrealloc(t->heap, t->cap = t->cap ? 2 * t->cap : 256, sizeof *t->heap);
    w.seq = t->seq++;
    size_t i = t->n++;
    for (; i && before(&w, &t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = w;
}
static struct waiting pop(struct sim_traffic *t)
{
    struct waiting top = t->heap[0], last = t->heap[--t->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < t->n; i = child) {
        if (child + 1 < t->n && before(&t->heap[child + 1], &t->heap[child]))
            child++;
        if (!before(&t->heap[child], &last))
            break;
        t->heap[i] = t->heap[child];
    }
    t->heap[i] = last;
    return top;
}

/* ---- one event ---- */
struct event {
    const struct sim_model *m;
    const struct sim_effect *e;
    char key[160];
    int64_t ts_ms;
    struct drawn features[SIM_FEATURES], source, latency;
    double score;
    bool positive;
};

static void quote(struct drift_buf *b, const char *s)
{
    drift_buf_adds(b, "\"");
    for (; *s; s++)
        if (*s == '"' || *s == '\\')
            drift_buf_addf(b, "\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            drift_buf_addf(b, "\\u%04x", (unsigned)*s);
        else
            drift_buf_add(b, s, 1);
    drift_buf_adds(b, "\"");
}
static void member(struct drift_buf *b, const char *name, const struct drawn *v, int decimals)
{
    if (v->is == DRAWN_MISSING)
        return;
    if (b->len && b->data[b->len - 1] != '{')
        drift_buf_adds(b, ",");
    quote(b, name);
    drift_buf_adds(b, ":");
    if (v->is == DRAWN_NULL)
        drift_buf_adds(b, "null");
    else if (v->is == DRAWN_TEXT)
        quote(b, v->text);
    else
        drift_buf_addf(b, "%.*f", decimals, v->number);
}
static void head(struct drift_buf *b, const struct event *ev, int64_t ts_ms)
{
    drift_buf_reset(b);
    drift_buf_adds(b, "{\"event_id\":");
    quote(b, ev->key);
    drift_buf_addf(b, ",\"ts\":%" PRId64 ",\"model\":", ts_ms);
    quote(b, ev->m->name);
}
static void record(struct drift_buf *b, const struct event *ev, unsigned roles)
{
    const struct sim_model *m = ev->m;
    head(b, ev, ev->ts_ms);
    drift_buf_adds(b, ",\"model_version\":");
    quote(b, ev->e->version);
    if (roles & SIM_SOURCE && m->has_source)
        member(b, "source", &ev->source, m->source.decimals);
    if (roles & SIM_LATENCY && m->has_latency)
        member(b, "latency_ms", &ev->latency, m->latency.decimals);
    if (roles & SIM_FEATURES_ROLE) {
        drift_buf_adds(b, ",\"features\":{");
        for (size_t i = 0; i < m->n_features; i++)
            member(b, m->features[i].name, &ev->features[i], m->features[i].dist.decimals);
        drift_buf_adds(b, "}");
    }
    if (roles & SIM_SCORE)
        drift_buf_addf(b, ",\"score\":%.6f", ev->score);
    if (roles & SIM_DECISION) {
        drift_buf_adds(b, ",\"decision\":");
        quote(b, m->decision[ev->score >= m->threshold]);
    }
    drift_buf_adds(b, "}");
}

static void send(struct sim_traffic *t, const struct event *ev, const struct sim_topic *topic, double at_ms, bool label)
{
    struct waiting w = {.at_ms = (int64_t)at_ms,
                        .ts_ms = label ? t->start_ms + (int64_t)at_ms : ev->ts_ms,
                        .label = label,
                        .topic = topic->name,
                        .key = drift_xstrdup(ev->key),
                        .text = drift_xstrndup(t->text.data, t->text.len),
                        .len = t->text.len};
    push(t, w);
}
static double score_of(const struct event *ev, struct rng *r)
{
    const struct sim_model *m = ev->m;
    double z = m->bias + m->noise * gauss(r);
    for (size_t i = 0; i < m->n_weights; i++) {
        const struct drawn *v = &ev->features[m->weights[i].feature];
        if (m->weights[i].category)
            z += v->is == DRAWN_TEXT && !strcmp(v->text, m->weights[i].category) ? m->weights[i].weight : 0;
        else if (v->is == DRAWN_NUMBER)
            z += m->weights[i].weight * v->number;
    }
    return 1 / (1 + exp(-z));
}
static void event_draw(struct event *ev, struct rng *r)
{
    const struct sim_model *m = ev->m;
    const struct sim_change *changes[SIM_FEATURES] = {0};
    for (size_t i = 0; i < ev->e->n_changes; i++)
        changes[ev->e->changes[i].feature] = &ev->e->changes[i];
    ev->positive = uniform(r) < ev->e->base_rate;
    for (size_t i = 0; i < m->n_features; i++)
        ev->features[i] = draw(r, &m->features[i].dist, changes[i], ev->positive);
    if (m->has_source)
        ev->source = draw(r, &m->source, NULL, ev->positive);
    if (m->has_latency)
        ev->latency = draw(r, &m->latency, NULL, ev->positive);
    ev->score = score_of(ev, r);
}
static void label_send(struct sim_traffic *t, const struct event *ev, double at_ms, struct rng *r)
{
    bool labelled = uniform(r) < ev->e->labelled, flip = uniform(r) < ev->e->label_flip;
    double due = at_ms + 1000 * fmax(0, draw(r, &ev->m->label_delay, NULL, ev->positive).number);
    if (!labelled || due >= (double)t->s->duration_ms)
        return;
    head(&t->text, ev, t->start_ms + (int64_t)due);
    drift_buf_adds(&t->text, ",\"label\":");
    quote(&t->text, ev->m->label[ev->positive != flip]);
    drift_buf_adds(&t->text, "}");
    for (size_t i = 0; i < ev->m->n_topics; i++)
        if (ev->m->topics[i].roles & SIM_LABEL)
            send(t, ev, &ev->m->topics[i], due, true);
}
static void event_send(struct sim_traffic *t, size_t model, struct rng *r)
{
    struct source *src = &t->source[model];
    struct event ev = {.m = &t->s->models[model],
                       .e = &t->s->phases[src->phase].effect[model],
                       .ts_ms = t->start_ms + (int64_t)src->next_ms};
    snprintf(ev.key, sizeof ev.key, "%.100s-%" PRIx64 "-%08" PRIu64, ev.m->name, t->seed, src->i);
    event_draw(&ev, r);
    double at = src->next_ms;
    if (uniform(r) < ev.e->late)
        at += 1000 * fmax(0, draw(r, &ev.e->late_by, NULL, ev.positive).number);
    bool twice = uniform(r) < ev.e->duplicates;
    for (size_t i = 0; i < ev.m->n_topics; i++) {
        const struct sim_topic *topic = &ev.m->topics[i];
        if (!(topic->roles & ~(unsigned)SIM_LABEL))
            continue;
        record(&t->text, &ev, topic->roles);
        send(t, &ev, topic, at, false);
        if (twice)
            send(t, &ev, topic, at + 1, false);
    }
    label_send(t, &ev, src->next_ms, r);
}
/* Time of the next arrival: an exponential amount of expected events, spent along the phases' rates. */
static void advance(struct sim_traffic *t, size_t model, double amount)
{
    struct source *src = &t->source[model];
    for (; src->phase < t->s->n_phases; src->phase++) {
        const struct sim_phase *p = &t->s->phases[src->phase];
        double per_ms = t->s->models[model].rate * p->effect[model].volume / 1000,
               room = (double)p->end_ms - src->next_ms;
        if (amount < per_ms * room) {
            src->next_ms += amount / per_ms;
            return;
        }
        amount -= per_ms * room;
        src->next_ms = (double)p->end_ms;
    }
    src->next_ms = INFINITY;
}
/* The generator of event i: its first draw is the distance from event i - 1. */
static struct rng arrive(struct sim_traffic *t, size_t model)
{
    struct rng r = rng_of(t->seed, model, t->source[model].i);
    advance(t, model, -log(uniform(&r)));
    return r;
}

struct sim_traffic *sim_traffic_new(const struct sim_scenario *s, uint64_t seed, int64_t start_ms)
{
    struct sim_traffic *t = drift_xcalloc(1, sizeof *t);
    t->s = s;
    t->seed = seed;
    t->start_ms = start_ms;
    drift_buf_init(&t->text, 1 << 20);
    for (size_t i = 0; i < s->n_models; i++)
        arrive(t, i);
    return t;
}
static void waiting_release(struct waiting *w)
{
    free(w->key);
    free(w->text);
}
void sim_traffic_free(struct sim_traffic *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        waiting_release(&t->heap[i]);
    waiting_release(&t->out);
    free(t->heap);
    drift_buf_release(&t->text);
    free(t);
}

static size_t earliest(const struct sim_traffic *t)
{
    size_t best = 0;
    for (size_t i = 1; i < t->s->n_models; i++)
        if (t->source[i].next_ms < t->source[best].next_ms)
            best = i;
    return best;
}
bool sim_traffic_next(struct sim_traffic *t, struct sim_message *ret)
{
    for (size_t m = earliest(t); !isinf(t->source[m].next_ms); m = earliest(t)) {
        if (t->n && (double)t->heap[0].at_ms < floor(t->source[m].next_ms))
            break;
        struct rng r = rng_of(t->seed, m, t->source[m].i);
        uniform(&r); /* the arrival's draw */
        event_send(t, m, &r);
        t->source[m].i++;
        arrive(t, m);
    }
    if (!t->n)
        return false;
    waiting_release(&t->out);
    t->out = pop(t);
    *ret = (struct sim_message){t->out.topic, t->out.key,   t->out.text, t->out.len,
                                t->out.at_ms, t->out.ts_ms, t->out.label};
    return true;
}
