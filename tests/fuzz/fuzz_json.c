/* tests/fuzz/fuzz_json.c    Any bytes as a JSON record: no crash, the same answer with and without a history.
 *
 * The decoder guesses keys from the records before; a fresh decoder has nothing to guess from.  Both must agree on
 * every value. */
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
static void compare(const struct drift_event *a, const struct drift_event *b)
{
    must(a->time_ms == b->time_ms && same_text(a->id, b->id) && same_text(a->model, b->model));
    must(a->score.kind == b->score.kind && same_text(a->score.str, b->score.str) &&
         a->decision.kind == b->decision.kind);
    for (uint32_t i = 0; i < b->fields->n; i++) {
        uint32_t k = 0;
        while (k < a->fields->n && strcmp(a->fields->names[k], b->fields->names[i]) != 0)
            k++;
        must(k < a->fields->n && a->kind[k] == b->kind[i]);
        must(a->kind[k] != DRIFT_V_NUM || memcmp(&a->num[k], &b->num[i], 8) == 0);
        must(a->kind[k] != DRIFT_V_STR || same_text(a->str[k], b->str[i]));
    }
}

static void no_leaf(void *ctx, const char *path, enum drift_value_kind kind, double num, struct drift_str str)
{
    *(size_t *)ctx += strlen(path) + (size_t)kind + str.n + (num > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct drift_decoder *old;
    struct drift_decoder *fresh = make();
    struct drift_record rec = {.payload = data, .len = size};
    const struct drift_event *a = NULL, *b = NULL;
    enum drift_reason why_a, why_b;
    struct drift_err err;
    size_t sum = 0;
    if (!old || drift_decoder_fields(old)->n == drift_decoder_fields(old)->max) {
        drift_decoder_free(old); /* full of names: what is refused would differ */
        old = make();
    }
    int rc_a = drift_decoder_decode(old, &rec, &a, &why_a, &err);
    if (drift_decoder_fields(old)->n < drift_decoder_fields(old)->max) {
        int rc_b = drift_decoder_decode(fresh, &rec, &b, &why_b, &err);
        must(rc_a == rc_b && why_a == why_b);
        if (!rc_a)
            compare(a, b);
    }
    if (drift_decoder_leaves(fresh, &rec, no_leaf, &sum, &err) == 0 && sum == SIZE_MAX)
        abort();
    drift_decoder_free(fresh);
    return 0;
}
