/* tests/fuzz/fuzz_json.c    Any bytes as a JSON record: no crash, the same answer with and without a history.
 *
 * The decoder guesses keys from the records before, and reads a record by the skeleton of one before; a fresh decoder
 * has neither and walks.  Both must agree on every value: after whatever came before, after a usual record, and, for
 * the input itself with some bytes changed, after the input. */
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/decode/decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct drift_decoder *make(void)
{
    static char *fields[] = {(char *)"v.1", (char *)"a.b.c"};
    struct drift_stream s = {.name = (char *)"fuzz",
                             .format = DRIFT_FORMAT_JSON,
                             .id = (char *)"id",
                             .time = (char *)"t",
                             .model = (char *)"m.name",
                             .features = (char *)"f",
                             .version = {[DRIFT_VERSION_MODEL] = (char *)"m.v"},
                             .score = (char *)"score",
                             .decision = (char *)"f.d",
                             .time_unit = DRIFT_TIME_MS,
                             .max_record_bytes = 1 << 20,
                             .max_fields = 64,
                             .n_feature_fields = 2,
                             .feature_fields = fields};
    struct drift_decoder *d;
    struct drift_err err;
    if (drift_decoder_new(&s, NULL, &d, &err))
        abort();
    return d;
}

static void must(bool good)
{
    if (!good)
        abort();
}
static bool same_text(struct drift_str a, struct drift_str b)
{
    return a.n == b.n && (!a.n || memcmp(a.p, b.p, a.n) == 0);
}
static bool same_value(const struct drift_value *a, const struct drift_value *b)
{
    return a->kind == b->kind && (a->kind != DRIFT_V_NUM || memcmp(&a->num, &b->num, 8) == 0) &&
           same_text(a->str, b->str);
}
static uint32_t slot(const struct drift_fields *f, const char *name)
{
    uint32_t k = 0;
    while (k < f->n && strcmp(f->names[k], name) != 0)
        k++;
    return k;
}
/* a's decoder may know more fields. */
static void compare(const struct drift_event *a, const struct drift_event *b)
{
    must(a->time_ms == b->time_ms && same_text(a->id, b->id) && same_text(a->model, b->model));
    must(same_text(a->version[DRIFT_VERSION_MODEL], b->version[DRIFT_VERSION_MODEL]));
    must(same_value(&a->score, &b->score) && same_value(&a->decision, &b->decision));
    for (uint32_t i = 0; i < b->fields->n; i++) {
        uint32_t k = slot(a->fields, b->fields->names[i]);
        must(k < a->fields->n && a->kind[k] == b->kind[i]);
        must(a->kind[k] != DRIFT_V_NUM || memcmp(&a->num[k], &b->num[i], 8) == 0);
        must(a->kind[k] != DRIFT_V_STR || same_text(a->str[k], b->str[i]));
    }
    for (uint32_t k = 0; k < a->fields->n; k++)
        must(a->kind[k] == DRIFT_V_ABSENT || slot(b->fields, a->fields->names[k]) < b->fields->n);
}

/* `old` knows records, a new decoder does not. */
static void agree(struct drift_decoder *old, const uint8_t *data, size_t size)
{
    struct drift_record rec = {.payload = data, .len = size};
    const struct drift_event *a = NULL, *b = NULL;
    enum drift_reason why_a, why_b;
    struct drift_err err;
    int rc_a = drift_decoder_decode(old, &rec, &a, &why_a, &err);
    if (drift_decoder_fields(old)->n == drift_decoder_fields(old)->max)
        return; /* full of names: what is refused would differ */
    struct drift_decoder *fresh = make();
    int rc_b = drift_decoder_decode(fresh, &rec, &b, &why_b, &err);
    must(rc_a == rc_b && why_a == why_b);
    if (!rc_a)
        compare(a, b);
    drift_decoder_free(fresh);
}

static void after_a_usual_record(const uint8_t *data, size_t size)
{
    static const char usual[] = "{\"id\":\"a\",\"t\":1767225600000,\"m\":{\"name\":\"m\",\"v\":3},\"v\":{\"1\":2},"
                                "\"f\":{\"x\":1.5,\"y\":null,\"d\":\"no\"},\"score\":0.5,\"unused\":true}";
    struct drift_decoder *d = make();
    agree(d, (const uint8_t *)usual, sizeof usual - 1);
    agree(d, data, size);
    drift_decoder_free(d);
}

static void after_itself(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    uint64_t z = size;
    struct drift_decoder *d = make();
    for (size_t i = 0; i < size; i++)
        z = (z ^ data[i]) * 0x100000001B3u;
    agree(d, data, size);
    agree(d, data, size);
    for (int k = 0; k < 8 && size; k++) {
        memcpy(copy, data, size);
        z = (z ^ z >> 29) * 0x9E3779B97F4A7C15u;
        copy[(z >> 40) % size] = z & 1 ? (uint8_t)(z >> 8) : (uint8_t) "\"\\{}[]:, 0-.eNt"[z >> 8 & 15];
        agree(d, copy, size);
    }
    drift_decoder_free(d);
    free(copy);
}

static void no_leaf(void *ctx, const char *path, enum drift_value_kind kind, double num, struct drift_str str)
{
    *(size_t *)ctx += strlen(path) + (size_t)kind + str.n + (num > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct drift_decoder *old;
    struct drift_record rec = {.payload = data, .len = size};
    struct drift_err err;
    size_t sum = 0;
    if (!old || drift_decoder_fields(old)->n == drift_decoder_fields(old)->max) {
        drift_decoder_free(old);
        old = make();
    }
    agree(old, data, size);
    after_a_usual_record(data, size);
    after_itself(data, size);
    if (drift_decoder_leaves(old, &rec, no_leaf, &sum, &err) == 0 && sum == SIZE_MAX)
        abort();
    return 0;
}
