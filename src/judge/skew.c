/* src/judge/skew.c    A window beside the data that its model was trained on; a part of the verdict's body.
 *
 * Serving against serving says that something changed; serving against training says that it was different from the
 * beginning.  Both count on the same cells, so the measures are the same functions.  Never a rule's business: skew that
 * was there when the baseline was made would fire for ever. */
#include <stdlib.h>

#include "driftd/internal/judge/outcome.h"

enum { COLUMNS = 20 };
static const double level = 0.001;

struct skewed {
    const struct drift_column *column;
    struct drift_measure psi, ks;
};

static int largest_first(const void *pa, const void *pb)
{
    const struct skewed *a = pa, *b = pb;
    if (a->psi.effect != b->psi.effect)
        return a->psi.effect > b->psi.effect ? -1 : 1;
    return a->column < b->column ? -1 : a->column > b->column;
}

static json_t *skewed_json(const struct skewed *s)
{
    json_t *j = json_object();
    json_object_set_new(j, "column", drift_text_json(s->column->name));
    json_object_set_new(j, "role", json_string(drift_role_name(s->column->role)));
    json_object_set_new(j, "psi", json_real(s->psi.effect));
    json_object_set_new(j, "p", json_real(s->psi.p_value));
    if (!s->ks.why)
        json_object_set_new(j, "ks", json_real(s->ks.effect));
    return j;
}

json_t *drift_outcome_skew(const struct drift_outcome *o)
{
    const struct drift_summary *now = o->verdict->summary;
    const struct drift_layout *l = now->layout;
    struct skewed *list = drift_xcalloc(l->n_columns ? l->n_columns : 1, sizeof *list);
    json_t *j = json_object(), *columns = json_array();
    size_t n = 0;
    for (uint32_t i = 0; i < l->n_columns; i++) {
        const struct drift_column *c = &l->columns[i];
        struct drift_measure m[DRIFT_N_MEASURE];
        drift_measure_column(c, o->training->counts + c->first, now->counts + c->first, m);
        if (!m[DRIFT_MEASURE_PSI].why && m[DRIFT_MEASURE_PSI].p_value < level / l->n_columns)
            list[n++] = (struct skewed){c, m[DRIFT_MEASURE_PSI], m[DRIFT_MEASURE_KS]};
    }
    qsort(list, n, sizeof *list, largest_first);
    for (size_t i = 0; i < n && i < COLUMNS; i++)
        json_array_append_new(columns, skewed_json(&list[i]));
    free(list);
    json_object_set_new(j, "n", json_integer((json_int_t)o->training->n));
    json_object_set_new(j, "columns", columns);
    return j;
}
