/* families.h - files of p-values with what they become when adjusted, compared with what driftd makes of them. */
#ifndef DRIFTD_TEST_FAMILIES_H
#define DRIFTD_TEST_FAMILIES_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "driftd/multiple.h"
#include "support.h"

enum { FAMILY_MAX = 256 };

static inline size_t families_numbers(const json_t *list, double *ret)
{
    size_t n = json_array_size(list);
    ck_assert_uint_le(n, FAMILY_MAX);
    for (size_t i = 0; i < n; i++)
        ret[i] = json_number_value(json_array_get(list, i));
    return n;
}

/* Compares every list of a family that is named after a method; returns how many numbers that were. */
static inline int family_compare(const json_t *family, const char *id)
{
    double p[FAMILY_MAX], q[FAMILY_MAX], want[FAMILY_MAX];
    size_t n = families_numbers(json_object_get(family, "p"), p), order[FAMILY_MAX];
    const char *key;
    json_t *v;
    int compared = 0;
    ck_assert_msg(n > 0, "%s: no family", id);
    json_object_foreach((json_t *)(uintptr_t)family, key, v)
    {
        enum drift_multiple method;
        if (!drift_multiple_parse(key, &method)) {
            ck_assert_msg(strstr("id ids p rule", key) != NULL, "%s: unknown key %s", id, key);
            continue;
        }
        ck_assert_uint_eq(families_numbers(v, want), n);
        ck_assert_int_eq(drift_multiple_adjust(method, p, n, order, q), 0);
        for (size_t j = 0; j < n; j++, compared++)
            if (!(q[j] == want[j] || fabs(q[j] - want[j]) <= 1e-9 * want[j]))
                ck_abort_msg("%s: %s[%zu] = %.17g, not %.17g", id, key, j, q[j], want[j]);
    }
    return compared;
}

static inline int families_compare(const char *path, int families)
{
    json_error_t e;
    json_t *doc = json_load_file(path, 0, &e), *c;
    ck_assert_msg(doc != NULL, "%s: %s", path, e.text);
    json_t *list = json_object_get(doc, "results");
    size_t i;
    int compared = 0;
    ck_assert_int_eq((int)json_array_size(list), families);
    json_array_foreach(list, i, c)
    {
        compared += family_compare(c, json_string_value(json_object_get(c, "id")));
    }
    json_decref(doc);
    printf("%s: %d values in %d families\n", strrchr(path, '/') + 1, compared, families);
    fflush(stdout);
    return compared;
}

#endif
