/* src/judge/dependence.c    How the features of a window go together, against the baseline: pairs by name, and the
 *                           joint distribution as a whole.
 *
 * Both p-values are those of many windows against one baseline (p_shared of embedding.h and concordance.h): what the
 * baseline is off by comes back in every window, and must not alarm in each.  The two are measures of their own, for a
 * pair has a name and a size that people understand, and the embedding sees what no pair shows. */
#include <math.h>
#include <string.h>

#include "room.h"
#include "words.h"

enum { PAIRS_LISTED = 5 };
static const double changed_p = .01;

bool drift_outcome_pair_changed(const struct drift_outcome_dependence *d, const struct drift_concordance_pair *p)
{
    return p->p_value * (double)d->pairs.n_pairs < changed_p;
}

/* ---- measuring ---- */

static struct drift_known_dependence *known(struct drift_work *w)
{
    struct drift_known_dependence *k = drift_cache_dependence(w->j->cache, w->baseline);
    struct drift_err err;
    if (k->looked)
        return k;
    k->looked = true;
    if (drift_dependence_new(w->baseline->chain[DRIFT_CHAIN_INPUT].layout, &k->made, &err))
        k->why = "what the baseline says about dependence cannot be read: build it again";
    else if (!k->made)
        k->why = "the baseline was built without `dependence`: build and promote a new one";
    return k;
}

static double sign_correlation_change(const struct drift_concordance_pair *p)
{
    return 2 * fabs(p->agree - p->agree_ref);
}

static void measure_pairs(struct drift_work *w, struct drift_outcome_dependence *o)
{
    double effect = sign_correlation_change(&o->pairs.top[0]);
    w->v.dependence = (struct drift_measure){.id = DRIFT_MEASURE_DEPENDENCE,
                                             .has_p = true,
                                             .effect = effect,
                                             .value = 2 * o->pairs.top[0].agree - 1,
                                             .baseline = 2 * o->pairs.top[0].agree_ref - 1,
                                             .low = 2 * o->pairs.top[0].agree - 1,
                                             .high = 2 * o->pairs.top[0].agree - 1,
                                             .p_value = o->pairs.p_shared};
}

/* Without drift T is d1 on average. */
static void measure_embedding(struct drift_work *w, struct drift_outcome_dependence *o)
{
    const struct drift_embedding_result *e = &o->embedding;
    double n = (double)e->n, m = (double)e->m, n_e = n / (n + m) * m, d1 = e->dof / e->factor;
    o->effect = sqrt(fmax(0, e->t - d1) / n_e);
    w->v.embedding = (struct drift_measure){.id = DRIFT_MEASURE_EMBEDDING,
                                            .has_p = true,
                                            .effect = o->effect,
                                            .value = o->effect,
                                            .low = o->effect,
                                            .high = o->effect,
                                            .p_value = e->p_shared,
                                            .dof = e->dof};
}

static const char *compare(const struct drift_dependence *d, const uint64_t *ref, const uint64_t *counts,
                           struct drift_outcome_dependence *o)
{
    if (drift_dependence_check(d, ref))
        return "the baseline's totals cannot be of events: build it again";
    if (drift_dependence_check(d, counts))
        return "the window's totals cannot be of events";
    const int64_t *pairs = drift_dependence_pairs(d, counts);
    o->pairs.n = (uint64_t)pairs[0];
    if (pairs[0] < DRIFT_DEPENDENCE_PAIRS_MIN)
        return "the window has too few events with features that were taken";
    if (drift_concordance_compare(drift_dependence_pairs(d, ref), pairs, d->n_features, &o->pairs))
        return "the baseline has no events with features that were taken";
    if (pairs[0] < DRIFT_DEPENDENCE_EMBEDDING_MIN)
        o->why_not_embedding = "the window has too few events for the joint distribution";
    else if (drift_embedding_compare(d->embedding, drift_dependence_embedding(d, counts), &o->embedding))
        o->why_not_embedding = "the joint distribution cannot be compared";
    else if (o->embedding.m < DRIFT_DEPENDENCE_EMBEDDING_BASE_MIN * d->n_terms)
        o->why_not_embedding = "the baseline has too few events for the joint distribution";
    return NULL;
}

void drift_work_dependence(struct drift_work *w)
{
    struct drift_outcome_dependence *o = &w->dependence;
    w->v.dependence = (struct drift_measure){.id = DRIFT_MEASURE_DEPENDENCE, .why = DRIFT_WHY_NO_DATA};
    w->v.embedding = (struct drift_measure){.id = DRIFT_MEASURE_EMBEDDING, .why = DRIFT_WHY_NO_DATA};
    if (w->id.kind != DRIFT_CHAIN_INPUT || !w->o.model->dependence.on)
        return;
    const struct drift_baseline_chain *ref = &w->baseline->chain[DRIFT_CHAIN_INPUT];
    const struct drift_known_dependence *k = known(w);
    w->o.dependence = o;
    o->why = k->why;
    if (!k->made)
        return;
    o->one_in = k->made->one_in;
    for (uint32_t i = 0; i < k->made->n_features; i++)
        o->name[i] = ref->layout->columns[k->made->column[i]].name;
    o->why = compare(k->made, ref->pooled->counts, w->sum->counts, o);
    if (o->why)
        return;
    measure_pairs(w, o);
    if (!o->why_not_embedding)
        measure_embedding(w, o);
}

/* ---- what it says ---- */

static json_t *pair_json(const struct drift_outcome_dependence *d, const struct drift_concordance_pair *p)
{
    json_t *j = json_object();
    json_object_set_new(j, "a", drift_text_json(d->name[p->i]));
    json_object_set_new(j, "b", drift_text_json(d->name[p->j]));
    json_object_set_new(j, "was", json_real(p->agree_ref));
    json_object_set_new(j, "is", json_real(p->agree));
    json_object_set_new(j, "correlation_was", json_real(p->phi_ref));
    json_object_set_new(j, "correlation_is", json_real(p->phi));
    json_object_set_new(j, "z", json_real(p->z));
    json_object_set_new(j, "p", json_real(p->p_value));
    json_object_set_new(j, "changed", json_boolean(drift_outcome_pair_changed(d, p)));
    return j;
}

json_t *drift_outcome_dependence_json(const struct drift_outcome_dependence *d)
{
    json_t *j = json_object(), *pairs = json_array(), *embedding = json_object();
    if (d->one_in)
        json_object_set_new(j, "one_in", json_integer(d->one_in));
    json_object_set_new(j, "n", json_integer((json_int_t)d->pairs.n));
    if (d->why) {
        json_object_set_new(j, "why", json_string(d->why));
        json_decref(pairs);
        json_decref(embedding);
        return j;
    }
    json_object_set_new(j, "effect", json_real(sign_correlation_change(&d->pairs.top[0])));
    json_object_set_new(j, "p", json_real(d->pairs.p_shared));
    for (size_t i = 0; i < d->pairs.n_top && i < PAIRS_LISTED; i++)
        json_array_append_new(pairs, pair_json(d, &d->pairs.top[i]));
    json_object_set_new(j, "pairs", pairs);
    if (d->why_not_embedding) {
        json_object_set_new(embedding, "why", json_string(d->why_not_embedding));
    } else {
        json_object_set_new(embedding, "effect", json_real(d->effect));
        json_object_set_new(embedding, "p", json_real(d->embedding.p_shared));
        json_object_set_new(embedding, "baseline_n", json_integer((json_int_t)d->embedding.m));
    }
    json_object_set_new(j, "embedding", embedding);
    return j;
}

static const char *together(double r)
{
    return r > .1 ? "rise together" : r < -.1 ? "move against each other" : "go their own ways";
}

void drift_outcome_pair_words(const struct drift_outcome_dependence *d, const struct drift_concordance_pair *p,
                              struct drift_buf *out)
{
    double before = 2 * p->agree_ref - 1, after = 2 * p->agree - 1;
    const char *was = together(before), *is = together(after);
    bool same = !strcmp(was, is), more = (fabs(after) > fabs(before)) == (fabs(before) > .1);
    drift_words_name(out, d->name[p->i]);
    drift_buf_adds(out, " and ");
    drift_words_name(out, d->name[p->j]);
    drift_buf_addf(out, " used to %s (on the same side of their medians in %.0f %% of events), now ", was,
                   100 * p->agree_ref);
    drift_buf_addf(out, "%s %s (%.0f %%)", same ? more ? "more" : "less" : "they", same ? "so" : is, 100 * p->agree);
    if (fabs(p->margin_z_i) < 4 && fabs(p->margin_z_j) < 4)
        drift_buf_adds(out, "; each alone as before");
}
