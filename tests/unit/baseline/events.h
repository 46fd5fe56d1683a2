/* events.h - makes decoded events by hand, for the builder's tests. */
#ifndef DRIFTD_TEST_EVENTS_H
#define DRIFTD_TEST_EVENTS_H

#include <stdlib.h>
#include <string.h>

#include "driftd/internal/baseline/builder.h"

enum { MAKER_FIELDS = 512 };
struct maker {
    struct drift_fields fields;
    char *names[MAKER_FIELDS];
    double num[MAKER_FIELDS];
    uint8_t kind[MAKER_FIELDS];
    struct drift_str str[MAKER_FIELDS];
    struct drift_event ev;
};

static inline void maker_init(struct maker *m)
{
    memset(m, 0, sizeof *m);
    m->fields = (struct drift_fields){.max = MAKER_FIELDS, .names = m->names};
    m->ev = (struct drift_event){.fields = &m->fields, .num = m->num, .kind = m->kind, .str = m->str};
}
static inline void maker_release(struct maker *m)
{
    for (uint32_t i = 0; i < m->fields.n; i++)
        free(m->names[i]);
}
/* Next event: every field absent, no roles. */
static inline void maker_next(struct maker *m, int64_t time_ms)
{
    memset(m->kind, DRIFT_V_ABSENT, sizeof m->kind);
    m->ev =
        (struct drift_event){.time_ms = time_ms, .fields = &m->fields, .num = m->num, .kind = m->kind, .str = m->str};
}
static inline uint32_t maker_slot(struct maker *m, const char *name)
{
    for (uint32_t i = 0; i < m->fields.n; i++)
        if (!strcmp(m->names[i], name))
            return i;
    m->names[m->fields.n] = strdup(name);
    m->fields.generation++;
    return m->fields.n++;
}
static inline void maker_num(struct maker *m, const char *name, double x)
{
    uint32_t s = maker_slot(m, name);
    m->kind[s] = DRIFT_V_NUM;
    m->num[s] = x;
}
static inline void maker_str(struct maker *m, const char *name, const char *text)
{
    uint32_t s = maker_slot(m, name);
    m->kind[s] = DRIFT_V_STR;
    m->str[s] = (struct drift_str){text, strlen(text)};
}
static inline void maker_kind(struct maker *m, const char *name, enum drift_value_kind kind, double x)
{
    uint32_t s = maker_slot(m, name);
    m->kind[s] = (uint8_t)kind;
    m->num[s] = x;
}

/* Counters of a column: specials, then cells. */
static inline const struct drift_column *column_of(const struct drift_layout *l, enum drift_role role, const char *name)
{
    int at = drift_layout_find(l, role, name);
    return at < 0 ? NULL : &l->columns[at];
}
static inline uint64_t bin_count(const struct drift_summary *s, const struct drift_column *c, uint32_t bin)
{
    uint64_t n = 0;
    for (uint32_t i = bin ? c->bin_end[bin - 1] : 0; i < c->bin_end[bin]; i++)
        n += drift_summary_cells(s, c)[i];
    return n;
}
#endif
