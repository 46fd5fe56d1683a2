/* tests/unit/decode/test_json_python.c    Random JSON documents, good and broken, against Python's json module; the
 * fast number reader against strtod. */
#include <inttypes.h>

#include "decode_case.h"

#include "driftd/internal/decode/json_num.h"

static size_t unhex(const char *hex, char *to)
{
    size_t n = 0;
    for (; hex[0] && hex[1] && hex[0] != '-'; hex += 2) {
        unsigned v;
        sscanf(hex, "%2x", &v);
        to[n++] = (char)v;
    }
    return n;
}

static int slot_of_bytes(const struct drift_event *e, const char *name, size_t n)
{
    for (uint32_t i = 0; i < e->fields->n; i++)
        if (strlen(e->fields->names[i]) == n && !memcmp(e->fields->names[i], name, n))
            return (int)i;
    return -1;
}

static int check_feature(const struct drift_event *e, const char *line, const char *doc)
{
    static char name_hex[4096], value[65536], bytes[32768];
    int kind;
    ck_assert_int_eq(sscanf(line, "%4095s %d %65535s", name_hex, &kind, value), 3);
    size_t n = unhex(name_hex, bytes);
    int slot = slot_of_bytes(e, bytes, n);
    ck_assert_msg(slot >= 0 && e->kind[slot] == kind, "%s\nfeature %s is of kind %d, not %d", doc, name_hex,
                  slot < 0 ? -1 : e->kind[slot], kind);
    if (kind == DRIFT_V_NUM || kind == DRIFT_V_BOOL) {
        double v = strtod(value, NULL);
        ck_assert_msg(memcmp(&v, &e->num[slot], 8) == 0, "%s\nfeature %s is %a, not %s", doc, name_hex, e->num[slot],
                      value);
    }
    if (kind == DRIFT_V_STR) {
        n = unhex(value, bytes);
        ck_assert_msg(e->str[slot].n == n && memcmp(e->str[slot].p, bytes, n) == 0, "%s\nfeature %s", doc, name_hex);
    }
    return slot;
}

START_TEST(against_python)
{
    enum { DOCUMENTS = DRIFT_TEST_ROUNDS(6000) };
    char command[512], header[64];
    static char line[131072];
    snprintf(command, sizeof command, "/usr/bin/python3 '%s/tests/unit/decode/json_oracle.py' %" PRIu64 " %d",
             DRIFTD_SOURCE_DIR, drift_test_seed(), DOCUMENTS);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    struct drift_stream s = json_stream();
    struct drift_decoder *d = new_decoder(&s, NULL);
    int documents = 0, broken = 0, values = 0;
    while (fgets(header, sizeof header, f)) {
        size_t len;
        int features, present = 0;
        ck_assert_int_eq(sscanf(header, "DOC %zu %d", &len, &features), 2);
        char *doc = malloc(len + 1);
        ck_assert_uint_eq(fread(doc, 1, len, f), len);
        doc[len] = 0;
        ck_assert_int_eq(fgetc(f), '\n');
        struct outcome o = decode_bytes(d, doc, len);
        if (features < 0)
            ck_assert_msg(o.rc && o.reason == DRIFT_REASON_MALFORMED, "%s\nis accepted", doc);
        else
            ck_assert_msg(o.rc == 0, "%s\nis refused: %s", doc, o.err.text);
        for (int i = 0; i < features; i++, values++) {
            ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
            check_feature(o.e, line, doc);
        }
        for (uint32_t i = 0; features >= 0 && i < o.e->fields->n; i++)
            present += o.e->kind[i] != DRIFT_V_ABSENT;
        if (features >= 0)
            ck_assert_msg(present == features, "%s\nhas %d features, not %d", doc, present, features);
        broken += features < 0;
        documents++;
        outcome_free(&o);
        free(doc);
    }
    ck_assert_int_eq(pclose(f), 0);
    drift_decoder_free(d);
    printf("%d documents, %d of them broken, %d values compared\n", documents, broken, values);
    ck_assert_int_eq(documents, DOCUMENTS);
    ck_assert_int_ge(broken, DRIFT_TEST_ROUNDS(300));
    ck_assert_int_ge(values, DRIFT_TEST_ROUNDS(50000));
}
END_TEST

START_TEST(numbers_against_strtod)
{
    enum { NUMBERS = DRIFT_TEST_ROUNDS(1000000) };
    struct drift_rng r = drift_rng_new(7);
    int fast = 0;
    for (int i = 0; i < NUMBERS; i++) {
        char buf[128];
        uint64_t w = drift_rng_u64(&r), z = drift_rng_u64(&r);
        int n;
        switch (w & 7) {
        case 0:
            n = sprintf(buf, "%.*f", (int)(w >> 8 & 15) + 1, (double)(int64_t)z * 1e-16);
            break;
        case 1:
            n = sprintf(buf, "%.15g", (double)(int64_t)z * 1e-18);
            break;
        case 2:
            n = sprintf(buf, "%" PRId64, (int64_t)z >> (w >> 8 & 63));
            break;
        case 3:
            n = sprintf(buf, "-0.%016" PRIu64, w % UINT64_C(10000000000000000));
            break;
        case 4:
            n = sprintf(buf, "%" PRIu64 ".%" PRIu64, w >> (w >> 16 & 63), z >> (w >> 24 & 63));
            break;
        case 5:
            n = sprintf(buf, "%.*e", (int)(w >> 8 & 15), (double)(int64_t)z * 1e-12);
            break;
        default:
            n = sprintf(buf, "%.14g", (double)(w >> 11) * 0x1p-53 * 100);
        }
        memset(buf + n, ",]} \n"[w >> 40 & 3], DRIFT_JSON_NUM_READS);
        double got;
        const char *end = drift_json_num(buf, &got);
        buf[n] = 0;
        if (!end)
            continue;
        double want = strtod(buf, NULL);
        fast++;
        ck_assert_msg(end == buf + n && memcmp(&want, &got, 8) == 0, "%s gives %a, not %a", buf, got, want);
    }
    printf("%d of %d spellings took the fast way\n", fast, NUMBERS);
    ck_assert_int_ge(fast, NUMBERS / 4);
}
END_TEST

START_TEST(numbers_left_to_the_slow_way)
{
    static const char *const slow[] = {
        "",   "-",    "01",  "-01", ".5",   "1.",   "1.a",  "+1", "1e5", "1.5e3",   "12345678", "0.1234567890123456",
        "1x", "1.5x", "nan", "--1", "1.-1", "1..2", "0x10", "1/", "1:",  "\xba\xba"};
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++) {
        char buf[64] = {0};
        double v;
        size_t n = strlen(slow[i]);
        memcpy(buf, slow[i], n);
        buf[n] = ',';
        ck_assert_msg(drift_json_num(buf, &v) == NULL, "%s", slow[i]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json_python");
    drift_test_add(s, "against_python", against_python, 100);
    drift_test_add(s, "numbers_against_strtod", numbers_against_strtod, 60);
    drift_test_add(s, "numbers_left_to_the_slow_way", numbers_left_to_the_slow_way, 10);
    return drift_test_run(s);
}
