/* src/cli/compare_dependence.c    `driftd compare --multivariate`: do the numbers go together as before. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "driftd/internal/cli/compare.h"
#include "driftd/internal/cli/source.h"
#include "driftd/internal/window/dependence.h"

enum { PAIRS = 5, NAMED = 8 };

/* What both sides come to; why: there is nothing to compare. */
struct comparison {
    struct drift_dependence *of;
    const struct drift_layout *layout;
    const char *why;
    char why_not_pairs[80], why_not_embedding[80]; /* empty: there is an answer */
    struct drift_concordance_result pairs;
    struct drift_embedding_result embedding;
};

/* Writes why there is no answer, and says whether there is none. */
static bool too_few(uint64_t n, uint64_t least, const char *where, char why[static 80])
{
    if (n < least)
        snprintf(why, 80, "no answer, %" PRIu64 " rows%s, needs %" PRIu64, n, where, least);
    return n < least;
}

static const char *totals(const struct drift_compare_counts *k, struct comparison *c)
{
    const uint64_t *ref = k->baseline->chain[DRIFT_CHAIN_INPUT].pooled->counts,
                   *now = k->current[DRIFT_CHAIN_INPUT]->counts;
    if (drift_dependence_check(c->of, ref) || drift_dependence_check(c->of, now))
        return "what was counted cannot be of rows";
    const int64_t *embedding = drift_dependence_embedding(c->of, now);
    uint64_t n = (uint64_t)embedding[0], m = (uint64_t)drift_dependence_embedding(c->of, ref)[0];
    if (!too_few(n, DRIFT_DEPENDENCE_PAIRS_MIN, "", c->why_not_pairs) &&
        drift_concordance_compare(drift_dependence_pairs(c->of, ref), drift_dependence_pairs(c->of, now),
                                  c->of->n_features, &c->pairs))
        return "a file has no rows with two of the numbers";
    if (!too_few(n, DRIFT_DEPENDENCE_EMBEDDING_MIN, "", c->why_not_embedding) &&
        !too_few(m, DRIFT_DEPENDENCE_EMBEDDING_BASE_MIN * c->of->n_terms, " in the baseline", c->why_not_embedding) &&
        drift_embedding_compare(c->of->embedding, embedding, &c->embedding))
        snprintf(c->why_not_embedding, sizeof c->why_not_embedding, "cannot be compared");
    return NULL;
}

static struct comparison comparison_of(const struct drift_compare_report *rep)
{
    struct drift_err err;
    struct comparison c = {.layout = rep->counts->baseline->chain[DRIFT_CHAIN_INPUT].layout};
    if (drift_dependence_new(c.layout, &c.of, &err) || !c.of)
        c.why = "fewer than two numbers that vary, or fewer than 256 rows in the baseline";
    else
        c.why = totals(rep->counts, &c);
    return c;
}

static const char *name_of(const struct comparison *c, uint32_t feature)
{
    return c->layout->columns[c->of->column[feature]].name;
}

/* Is it a number that is not compared with the others? */
static bool left_out(const struct comparison *c, uint32_t column)
{
    const struct drift_column *k = &c->layout->columns[column];
    bool in = k->role != DRIFT_FEATURE || k->kind != DRIFT_NUMERIC;
    for (uint32_t i = 0; i < c->of->n_features && !in; i++)
        in = c->of->column[i] == column;
    return !in;
}

static void tell_left_out(const struct comparison *c)
{
    char name[64];
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->layout->n_columns; i++)
        if (left_out(c, i) && n++ < NAMED)
            printf("%s%s", n == 1 ? "left out: " : ", ",
                   drift_printable(c->layout->columns[i].name, name, sizeof name));
    if (n > NAMED)
        printf(" and %" PRIu32 " more", n - NAMED);
    if (n)
        printf(" (the first %d columns are taken, if they vary: choose with --columns)\n", DRIFT_COMPARE_NUMBERS);
}

/* 1e-440 is below the smallest double. */
static const char *p_text(double log10_p, char buf[static 24])
{
    if (log10_p < -300)
        snprintf(buf, 24, "1e%.0f", log10_p);
    else
        snprintf(buf, 24, "%.2g", pow(10, log10_p));
    return buf;
}

static void tell_pairs(const struct comparison *c)
{
    char p[24], a[64], b[64];
    size_t told = 0;
    if (*c->why_not_pairs) {
        printf("pairs: %s\n", c->why_not_pairs);
        return;
    }
    printf("pairs: p %s for the largest change of %zu\n", p_text(c->pairs.log10_p, p), c->pairs.n_pairs);
    for (size_t i = 0; i < c->pairs.n_top && told < PAIRS; i++) {
        const struct drift_concordance_pair *q = &c->pairs.top[i];
        double log10_p = fmin(0, q->log10_p + log10((double)c->pairs.n_pairs));
        if (log10_p >= log10(.05))
            continue;
        told++;
        printf("- %s and %s: on the same side of their medians in %.0f %% of rows, was %.0f %% (p %s)\n",
               drift_printable(name_of(c, q->i), a, sizeof a), drift_printable(name_of(c, q->j), b, sizeof b),
               100 * q->agree, 100 * q->agree_ref, p_text(log10_p, p));
    }
    if (!told)
        puts("no pair changed");
}

void drift_compare_dependence_text(const struct drift_compare_report *rep)
{
    struct comparison c = comparison_of(rep);
    char p[24];
    puts("\nhow the numbers go together:\n");
    if (c.why) {
        printf("not compared: %s\n", c.why);
    } else {
        if (*c.why_not_embedding)
            printf("joint distribution: %s\n", c.why_not_embedding);
        else
            printf("joint distribution: p %s (%" PRIu32 " numbers, %" PRIu32 " terms)\n",
                   p_text(c.embedding.log10_p, p), c.of->n_features, c.of->n_terms);
        tell_pairs(&c);
        tell_left_out(&c);
    }
    drift_dependence_free(c.of);
}

static json_t *text_json(const char *s)
{
    char safe[4 * DRIFT_NAME_MAX + 1];
    json_t *plain = json_string(s);
    return plain ? plain : json_string(drift_printable(s, safe, sizeof safe));
}

static json_t *pair_json(const struct comparison *c, const struct drift_concordance_pair *p)
{
    json_t *o = json_object();
    json_object_set_new(o, "a", text_json(name_of(c, p->i)));
    json_object_set_new(o, "b", text_json(name_of(c, p->j)));
    json_object_set_new(o, "agree_baseline", json_real(p->agree_ref));
    json_object_set_new(o, "agree_current", json_real(p->agree));
    json_object_set_new(o, "z", json_real(p->z));
    json_object_set_new(o, "p", json_real(p->p_value));
    json_object_set_new(o, "log10_p", json_real(p->log10_p));
    return o;
}

json_t *drift_compare_dependence_json(const struct drift_compare_report *rep)
{
    struct comparison c = comparison_of(rep);
    json_t *o = json_object(), *pairs = json_array(), *joint = json_object(), *without = json_array();
    bool pairs_told = !c.why && !*c.why_not_pairs;
    if (!pairs_told)
        json_object_set_new(o, "why", json_string(c.why ? c.why : c.why_not_pairs));
    for (size_t i = 0; pairs_told && i < c.pairs.n_top; i++)
        json_array_append_new(pairs, pair_json(&c, &c.pairs.top[i]));
    if (pairs_told) {
        json_object_set_new(o, "n_pairs", json_integer((json_int_t)c.pairs.n_pairs));
        json_object_set_new(o, "p", json_real(c.pairs.p_value));
        json_object_set_new(o, "log10_p", json_real(c.pairs.log10_p));
    }
    if (*c.why_not_embedding) {
        json_object_set_new(joint, "why", json_string(c.why_not_embedding));
    } else if (!c.why) {
        json_object_set_new(joint, "t", json_real(c.embedding.t));
        json_object_set_new(joint, "dof", json_real(c.embedding.dof));
        json_object_set_new(joint, "p", json_real(c.embedding.p_value));
        json_object_set_new(joint, "log10_p", json_real(c.embedding.log10_p));
        json_object_set_new(joint, "distance", json_real(c.embedding.distance));
    }
    for (uint32_t i = 0; !c.why && i < c.layout->n_columns; i++)
        if (left_out(&c, i))
            json_array_append_new(without, text_json(c.layout->columns[i].name));
    json_object_set_new(o, "left_out", without);
    json_object_set_new(o, "pairs", pairs);
    json_object_set_new(o, "embedding", joint);
    drift_dependence_free(c.of);
    return o;
}
