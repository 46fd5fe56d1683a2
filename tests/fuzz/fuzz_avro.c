/* tests/fuzz/fuzz_avro.c    Any bytes as schema and body: first a schema's text, then a NUL, then the body.
 *
 * Without a NUL the whole input is a body of a schema that has everything.  No crash; a body that the plan takes and
 * whose strings are all looked at is also taken by the walk for leaves. */
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/decode/avro_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char everything[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
    "{\"name\":\"id\",\"type\":\"string\"},{\"name\":\"t\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-"
    "micros\"}},"
    "{\"name\":\"f\",\"type\":{\"type\":\"record\",\"name\":\"F\",\"fields\":[{\"name\":\"a\",\"type\":\"double\"},"
    "{\"name\":\"b\",\"type\":\"double\"},{\"name\":\"c\",\"type\":[\"null\",\"double\"]},{\"name\":\"d\",\"type\":"
    "\"int\"},"
    "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}},{\"name\":\"g\",\"type\":"
    "\"float\"},"
    "{\"name\":\"h\",\"type\":[\"boolean\",\"string\",\"null\",\"bytes\"]},"
    "{\"name\":\"k\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}}]}},"
    "{\"name\":\"v\",\"type\":{\"type\":\"array\",\"items\":\"float\"}},"
    "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":[\"null\",\"string\",\"F\"]}},"
    "{\"name\":\"skip\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"map\",\"values\":\"F\"}}},"
    "{\"name\":\"nulls\",\"type\":{\"type\":\"array\",\"items\":\"null\"}},{\"name\":\"next\",\"type\":[\"null\",\"R\"]"
    "}]}";

static void no_leaf(void *ctx, const char *path, enum drift_value_kind kind, double num, struct drift_str str)
{
    *(size_t *)ctx += strlen(path) + (size_t)kind + str.n + (num > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *fields[] = {(char *)"v.1", (char *)"next.next.f.a", (char *)"m.x.h"};
    struct drift_stream s = {.name = (char *)"fuzz",
                             .id = (char *)"id",
                             .time = (char *)"t",
                             .features = (char *)"f",
                             .score = (char *)"m.score",
                             .max_fields = 64,
                             .n_feature_fields = 3,
                             .feature_fields = fields};
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    const char *text = nul && nul > data && *data == '{' ? (const char *)data : everything;
    size_t len = text == everything ? sizeof everything - 1 : (size_t)(nul - data);
    const uint8_t *body = text == everything ? data : nul + 1;
    size_t body_len = text == everything ? size : size - len - 1;
    struct drift_avro_schema *schema;
    struct drift_avro_plan *plan;
    struct drift_paths paths;
    struct drift_err err;
    size_t sum = 0;
    if (drift_avro_schema_parse(text, len, &schema, &err))
        return 0;
    if (drift_paths_init(&paths, &s, &err))
        abort();
    if (!drift_avro_plan_new(schema, &paths, &plan, &err)) {
        drift_paths_reset(&paths);
        bool first = drift_avro_run(plan, body, body_len);
        drift_paths_reset(&paths);
        if (drift_avro_run(plan, body, body_len) != first)
            abort();
        if (drift_avro_leaves(plan->schema, body, body_len, no_leaf, &sum) && sum == SIZE_MAX)
            abort();
        drift_avro_plan_free(plan);
    }
    drift_paths_release(&paths);
    return 0;
}
