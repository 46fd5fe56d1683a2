/* tests/unit/decode/test_decoder.c    Roles, times, kinds and reasons of JSON records; tables of cases. */
#include "decode_case.h"

#include "driftd/internal/decode/paths.h"

static const struct {
    const char *value; /* of feature x */
    enum drift_value_kind kind;
    double num;
    const char *str;
} values[] = {
    {"1", DRIFT_V_NUM, 1, ""},
    {"-0.5", DRIFT_V_NUM, -.5, ""},
    {"-0", DRIFT_V_NUM, -0.0, ""},
    {"0.1", DRIFT_V_NUM, .1, ""},
    {"1e3", DRIFT_V_NUM, 1000, ""},
    {"1E+3", DRIFT_V_NUM, 1000, ""},
    {"5e-324", DRIFT_V_NUM, 5e-324, ""},
    {"1e-400", DRIFT_V_NUM, 0, ""},
    {"1.7976931348623157e308", DRIFT_V_NUM, 1.7976931348623157e308, ""},
    {"1234567890123456789012345", DRIFT_V_NUM, 1234567890123456789012345.0, ""},
    {"9007199254740993", DRIFT_V_NUM, 9007199254740992.0, ""},
    {"3.1415926535897932384626433832795028841971", DRIFT_V_NUM, 3.141592653589793, ""},
    {"1e400", DRIFT_V_NONFINITE, 0, ""},
    {"-1e400", DRIFT_V_NONFINITE, 0, ""},
    {"NaN", DRIFT_V_NONFINITE, 0, ""},
    {"nan", DRIFT_V_NONFINITE, 0, ""},
    {"-nan", DRIFT_V_NONFINITE, 0, ""},
    {"Infinity", DRIFT_V_NONFINITE, 0, ""},
    {"-Infinity", DRIFT_V_NONFINITE, 0, ""},
    {"inf", DRIFT_V_NONFINITE, 0, ""},
    {"null", DRIFT_V_NULL, 0, ""},
    {"true", DRIFT_V_BOOL, 1, ""},
    {"false", DRIFT_V_BOOL, 0, ""},
    {"\"\"", DRIFT_V_STR, 0, ""},
    {"\"1.5\"", DRIFT_V_STR, 0, "1.5"},
    {"\"NaN\"", DRIFT_V_STR, 0, "NaN"},
    {"\"a\\\"b\\\\c\\/\\n\\t\\u00e9\\ud83d\\ude00\"", DRIFT_V_STR, 0, "a\"b\\c/\n\t\xc3\xa9\xf0\x9f\x98\x80"},
    {"\"gr\xc3\xbc\xc3\x9f\"", DRIFT_V_STR, 0, "gr\xc3\xbc\xc3\x9f"},
    {"[1,2]", DRIFT_V_OTHER, 0, ""},
    {"{\"x\":1,\"t\":2}", DRIFT_V_OTHER, 0, ""},
    {"[[[{\"a\":[]}]]]", DRIFT_V_OTHER, 0, ""},
    {" 7 ", DRIFT_V_NUM, 7, ""},
    {"\n7\r\n", DRIFT_V_NUM, 7, ""},
};

START_TEST(json_values)
{
    struct drift_stream s = json_stream();
    struct drift_decoder *d = new_decoder(&s, NULL);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[512];
        snprintf(text, sizeof text, "{\"f\":{\"x\":%s,\"y\":3},\"t\":5}", values[i].value);
        struct outcome o = decode_text(d, text);
        ck_assert_msg(o.rc == 0, "%s: %s", text, o.err.text);
        int x = slot_of(o.e, "x");
        ck_assert_int_ge(x, 0);
        ck_assert_msg(o.e->kind[x] == values[i].kind, "%s is of kind %d", text, o.e->kind[x]);
        if (values[i].kind == DRIFT_V_NUM || values[i].kind == DRIFT_V_BOOL)
            ck_assert_msg(memcmp(&o.e->num[x], &values[i].num, 8) == 0, "%s gives %.17g", text, o.e->num[x]);
        if (values[i].kind == DRIFT_V_STR)
            ck_text(o.e->str[x], values[i].str);
        ck_assert_int_eq(kind_of(o.e, "y"), DRIFT_V_NUM);
        ck_assert_int_eq(o.e->time_ms, 5);
        outcome_free(&o);
    }
    drift_decoder_free(d);
}
END_TEST

static const char *const malformed[] = {
    "[1]",
    "1",
    "\"x\"",
    "null",
    "  ",
    "{",
    "}",
    "{}}",
    "{} {}",
    "{}x",
    "{\"t\":1",
    "{\"t\":1,}",
    "{\"t\"}",
    "{\"t\":}",
    "{\"t\":1 \"f\":{}}",
    "{t:1}",
    "{'t':1}",
    "{\"t\":01}",
    "{\"t\":+1}",
    "{\"t\":.5}",
    "{\"t\":1.}",
    "{\"t\":0x10}",
    "{\"t\":1e}",
    "{\"t\":-}",
    "{\"t\":1,\"f\":{\"x\":tru}}",
    "{\"t\":1,\"f\":{\"x\":nul}}",
    "{\"t\":1,\"f\":{\"x\":01}}",
    "{\"t\":1,\"f\":{\"x\":1.}}",
    "{\"t\":1,\"f\":{\"x\":--1}}",
    "{\"t\":1,\"f\":{\"x\":12a}}",
    "{\"t\":1,\"f\":{\"x\":truee}}",
    "{\"t\":1,\"f\":{\"x\":\"\\ud800\"}}",
    "{\"t\":1,\"f\":{\"x\":\"\\x\"}}",
    "{\"t\":1,\"f\":{\"x\":\"\\u12\"}}",
    "{\"t\":1,\"f\":{\"x\":\"a\nb\"}}",
    "{\"t\":1,\"f\":{\"x\":\"\xff\"}}",
    "{\"t\":1,\"other\":\"\xc0\x80\"}",
    "{\"t\":1,\"f\":{\"x\":1}",
    "{\"t\":1,\"f\":{\"x\":1}}}",
    "\xef\xbb\xbf{\"t\":1}",
    "{\"t\":1,\"f\":{\"\\q\":1}}",
    "{\"t\":1,\"f\":{\"x\" 1}}",
    "{\"t\":1,\"f\":[1,2}",
    "{\"t\":1,\"f\":[1 2]}",
    "{\"t\":1,\"f\":{,}}",
};

START_TEST(json_malformed)
{
    struct drift_stream s = json_stream();
    struct drift_decoder *d = new_decoder(&s, NULL);
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct outcome o = decode_text(d, malformed[i]);
        ck_assert_msg(o.rc && o.reason == DRIFT_REASON_MALFORMED && o.err.action == DRIFT_SKIP, "%s: rc %d reason %s",
                      malformed[i], o.rc, drift_reason_name(o.reason));
        outcome_free(&o);
    }
    drift_decoder_free(d);
}
END_TEST

START_TEST(json_cut_anywhere)
{
    static const char text[] =
        " {\"id\":\"a\\u00e9b\",\"t\":1767225600000 , \"f\":{\"x\":1.25,\"y\":null,\"z\":[1,{\"q\":2}],"
        "\"s\":\"gr\xc3\xbc\xc3\x9f\"},\"junk\":{\"a\":[[],{}]},\"score\":0.5}";
    struct drift_stream s = json_stream();
    s.id = (char *)"id";
    s.score = (char *)"score";
    struct drift_decoder *d = new_decoder(&s, NULL);
    for (size_t n = 1; n < sizeof text - 1; n++) {
        struct outcome o = decode_bytes(d, text, n);
        ck_assert_msg(o.rc && o.reason == DRIFT_REASON_MALFORMED, "cut at %zu", n);
        outcome_free(&o);
    }
    struct outcome o = decode_text(d, text);
    ck_assert_int_eq(o.rc, 0);
    ck_text(o.e->id, "a\xc3\xa9"
                     "b");
    outcome_free(&o);
    /* any one byte changed: no crash, and whatever it is called, it is called so twice */
    for (size_t i = 0; i < sizeof text - 1; i++)
        for (int c = 0; c < 256; c += 5) {
            char other[sizeof text];
            memcpy(other, text, sizeof text);
            other[i] = (char)c;
            struct outcome a = decode_bytes(d, other, sizeof text - 1);
            struct outcome b = decode_bytes(d, other, sizeof text - 1);
            ck_assert(a.rc == b.rc && a.reason == b.reason);
            outcome_free(&a);
            outcome_free(&b);
        }
    drift_decoder_free(d);
}
END_TEST

static const struct {
    enum drift_time_unit unit;
    const char *value;
    enum drift_reason reason;
    int64_t ms;
} times[] = {
    {DRIFT_TIME_S, "1767225600", DRIFT_REASON_NONE, 1767225600000},
    {DRIFT_TIME_S, "1767225600.25", DRIFT_REASON_NONE, 1767225600250},
    {DRIFT_TIME_S, "1767225600.123", DRIFT_REASON_NONE, 1767225600123},
    {DRIFT_TIME_S, "\"1767225600.5\"", DRIFT_REASON_NONE, 1767225600500},
    {DRIFT_TIME_S, "0", DRIFT_REASON_NONE, 0},
    {DRIFT_TIME_S, "253402300799", DRIFT_REASON_NONE, 253402300799000},
    {DRIFT_TIME_S, "253402300800", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_S, "9223372036854775807", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_S, "-1", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_S, "-0.25", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_S, "1e300", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_S, "1e400", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_S, "NaN", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_MS, "1767225600001", DRIFT_REASON_NONE, 1767225600001},
    {DRIFT_TIME_MS, "\"1767225600001\"", DRIFT_REASON_NONE, 1767225600001},
    {DRIFT_TIME_MS, "1.767225600001e12", DRIFT_REASON_NONE, 1767225600001},
    {DRIFT_TIME_MS, "253402300800000", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_MS, "1e15", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_US, "1767225600001999", DRIFT_REASON_NONE, 1767225600001},
    {DRIFT_TIME_NS, "1767225600001999999", DRIFT_REASON_NONE, 1767225600001},
    {DRIFT_TIME_NS, "9223372036854775807", DRIFT_REASON_NONE, 9223372036854},
    {DRIFT_TIME_NS, "9223372036854775808", DRIFT_REASON_NONE, 9223372036855},
    {DRIFT_TIME_RFC3339, "\"2026-01-01T00:00:00Z\"", DRIFT_REASON_NONE, 1767225600000},
    {DRIFT_TIME_RFC3339, "\"2026-01-01T01:00:00.5+01:00\"", DRIFT_REASON_NONE, 1767225600500},
    {DRIFT_TIME_MS, "\"2026-01-01T00:00:00Z\"", DRIFT_REASON_NONE, 1767225600000},
    {DRIFT_TIME_RFC3339, "\"yesterday\"", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_RFC3339, "\"1969-12-31T23:59:59Z\"", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_RFC3339, "\"\"", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_RFC3339, "1767225600000", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_MS, "true", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_MS, "[1]", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_MS, "{\"x\":1}", DRIFT_REASON_BAD_TIME, 0},
    {DRIFT_TIME_MS, "null", DRIFT_REASON_NO_TIME, 0},
};

START_TEST(time_units)
{
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct drift_stream s = json_stream();
        s.time_unit = times[i].unit;
        struct drift_decoder *d = new_decoder(&s, NULL);
        char text[128];
        snprintf(text, sizeof text, "{\"t\":%s}", times[i].value);
        struct outcome o = decode_text(d, text);
        ck_assert_msg(o.reason == times[i].reason, "%s unit %d: %s", text, times[i].unit, drift_reason_name(o.reason));
        if (!o.rc)
            ck_assert_msg(o.e->time_ms == times[i].ms, "%s: %lld", text, (long long)o.e->time_ms);
        outcome_free(&o);
        drift_decoder_free(d);
    }
}
END_TEST

START_TEST(time_of_record)
{
    struct drift_stream s = json_stream();
    s.time_unit = DRIFT_TIME_RECORD;
    struct drift_decoder *d = new_decoder(&s, NULL);
    struct outcome o = decode_text(d, "{\"t\":5}");
    ck_assert_int_eq(o.rc, 0);
    ck_assert_int_eq(o.e->time_ms, 1700000000000);
    outcome_free(&o);
    struct drift_record rec = {.payload = (const uint8_t *)"{}", .len = 2, .timestamp_ms = -1};
    const struct drift_event *e;
    enum drift_reason why;
    struct drift_err err;
    ck_assert_int_ne(drift_decoder_decode(d, &rec, &e, &why, &err), 0);
    ck_assert_int_eq(why, DRIFT_REASON_NO_TIME);
    drift_decoder_free(d);
}
END_TEST

START_TEST(sizes)
{
    struct drift_stream s = json_stream();
    s.max_record_bytes = 8;
    struct drift_decoder *d = new_decoder(&s, NULL);
    const struct {
        const char *payload;
        size_t len;
        enum drift_reason reason;
    } cases[] = {{NULL, 0, DRIFT_REASON_TOMBSTONE},
                 {"", 0, DRIFT_REASON_EMPTY},
                 {"{\"t\":10}", 8, DRIFT_REASON_NONE},
                 {"{\"t\":100}", 9, DRIFT_REASON_TOO_LARGE},
                 {"{}", 2, DRIFT_REASON_NO_TIME}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct drift_record rec = {
            .payload = (const uint8_t *)cases[i].payload, .len = cases[i].len, .timestamp_ms = 1};
        const struct drift_event *e;
        enum drift_reason why;
        struct drift_err err;
        int rc = drift_decoder_decode(d, &rec, &e, &why, &err);
        ck_assert_int_eq(rc == 0, cases[i].reason == DRIFT_REASON_NONE);
        ck_assert_int_eq(why, cases[i].reason);
    }
    drift_decoder_free(d);
}
END_TEST

static struct drift_stream full_stream(void)
{
    struct drift_stream s = json_stream();
    s.model_value = NULL;
    s.id = (char *)"meta.id";
    s.model = (char *)"meta.model";
    s.version[DRIFT_VERSION_MODEL] = (char *)"meta.v";
    s.version[DRIFT_VERSION_PROMPT] = (char *)"prompt";
    s.score = (char *)"score";
    s.decision = (char *)"decision";
    s.label = (char *)"label";
    s.source = (char *)"source";
    s.latency = (char *)"latency";
    return s;
}

START_TEST(roles)
{
    struct drift_stream s = full_stream();
    struct drift_decoder *d = new_decoder(&s, NULL);
    struct outcome o =
        decode_text(d, "{\"meta\":{\"v\":2.5,\"model\":\"phish\",\"id\":12345678901234567890123},\"prompt\":7,"
                       "\"score\":0.25,\"decision\":true,\"label\":1,\"source\":\"eu\",\"latency\":null,\"t\":1}");
    ck_assert_msg(o.rc == 0, "%s", o.err.text);
    ck_text(o.e->id, "12345678901234567890123");
    ck_text(o.e->model, "phish");
    ck_text(o.e->version[DRIFT_VERSION_MODEL], "2.5");
    ck_text(o.e->version[DRIFT_VERSION_FEATURES], "");
    ck_text(o.e->version[DRIFT_VERSION_PROMPT], "7");
    ck_text(o.e->schema, "");
    ck_assert(o.e->score.kind == DRIFT_V_NUM && o.e->score.num == .25);
    ck_assert(o.e->decision.kind == DRIFT_V_BOOL && o.e->decision.num == 1);
    ck_assert(o.e->label.kind == DRIFT_V_NUM && o.e->label.num == 1);
    ck_assert_int_eq(o.e->source.kind, DRIFT_V_STR);
    ck_text(o.e->source.str, "eu");
    ck_assert_int_eq(o.e->latency.kind, DRIFT_V_NULL);
    outcome_free(&o);
    /* nothing of one record is left in the next */
    o = decode_text(d, "{\"meta\":{\"model\":\"x\"},\"t\":1}");
    ck_assert_int_eq(o.rc, 0);
    ck_text(o.e->id, "");
    ck_text(o.e->version[DRIFT_VERSION_MODEL], "");
    ck_assert(o.e->score.kind == DRIFT_V_ABSENT && o.e->latency.kind == DRIFT_V_ABSENT &&
              o.e->label.kind == DRIFT_V_ABSENT);
    outcome_free(&o);
    static const char *const no_model[] = {"{\"t\":1}", "{\"t\":1,\"meta\":{\"model\":null}}",
                                           "{\"t\":1,\"meta\":{\"model\":\"\"}}",
                                           "{\"t\":1,\"meta\":{\"model\":[\"x\"]}}", "{\"t\":1,\"meta\":\"x\"}"};
    for (size_t i = 0; i < sizeof no_model / sizeof *no_model; i++) {
        o = decode_text(d, no_model[i]);
        ck_assert_msg(o.rc && o.reason == DRIFT_REASON_NO_MODEL, "%s", no_model[i]);
        outcome_free(&o);
    }
    drift_decoder_free(d);
}
END_TEST

START_TEST(fixed_model)
{
    struct drift_stream s = json_stream();
    s.model = (char *)"model";
    struct drift_decoder *d = new_decoder(&s, NULL);
    struct outcome o = decode_text(d, "{\"t\":1,\"model\":\"other\"}");
    ck_assert_int_eq(o.rc, 0);
    ck_assert_uint_eq(o.e->model.n, 0);
    outcome_free(&o);
    drift_decoder_free(d);
}
END_TEST

START_TEST(features_of_the_record_itself)
{
    struct drift_stream s = full_stream();
    s.features = (char *)"";
    struct drift_decoder *d = new_decoder(&s, NULL);
    struct outcome o =
        decode_text(d, "{\"t\":1,\"a\":2,\"meta\":{\"model\":\"m\",\"x\":1},\"score\":1,\"b\":\"s\",\"c\":{\"d\":1}}");
    ck_assert_int_eq(o.rc, 0);
    ck_assert_int_eq(o.e->fields->n, 3);
    ck_assert_int_eq(kind_of(o.e, "a"), DRIFT_V_NUM);
    ck_assert_int_eq(kind_of(o.e, "b"), DRIFT_V_STR);
    ck_assert_int_eq(kind_of(o.e, "c"), DRIFT_V_OTHER);
    ck_assert_int_eq(slot_of(o.e, "meta"), -1); /* holds roles */
    ck_assert_int_eq(slot_of(o.e, "score"), -1);
    outcome_free(&o);
    drift_decoder_free(d);
}
END_TEST

START_TEST(features_by_list)
{
    static char *fields[] = {(char *)"a.b", (char *)"score", (char *)"v.1", (char *)"a.b"};
    struct drift_stream s = json_stream();
    s.features = NULL;
    s.score = (char *)"score";
    s.feature_fields = fields;
    s.n_feature_fields = 4;
    struct drift_decoder *d = new_decoder(&s, NULL);
    ck_assert_int_eq(drift_decoder_fields(d)->n, 3);
    struct outcome o = decode_text(d, "{\"t\":1,\"a\":{\"b\":2,\"c\":3},\"score\":0.5,\"v\":[7,8,9],\"z\":1}");
    ck_assert_int_eq(o.rc, 0);
    ck_assert_int_eq(o.e->fields->n, 3);
    ck_assert(o.e->num[slot_of(o.e, "a.b")] == 2);
    ck_assert(o.e->num[slot_of(o.e, "score")] == .5 && o.e->score.num == .5);
    ck_assert(o.e->kind[slot_of(o.e, "score")] == DRIFT_V_NUM);
    ck_assert(o.e->num[slot_of(o.e, "v.1")] == 8);
    outcome_free(&o);
    drift_decoder_free(d);
}
END_TEST

START_TEST(features_in_an_array)
{
    struct drift_stream s = json_stream();
    struct drift_decoder *d = new_decoder(&s, NULL);
    struct outcome o = decode_text(d, "{\"t\":1,\"f\":[1,null,\"x\",[3]]}");
    ck_assert_int_eq(o.rc, 0);
    ck_assert_int_eq(o.e->fields->n, 4);
    ck_assert_int_eq(kind_of(o.e, "0"), DRIFT_V_NUM);
    ck_assert_int_eq(kind_of(o.e, "1"), DRIFT_V_NULL);
    ck_assert_int_eq(kind_of(o.e, "2"), DRIFT_V_STR);
    ck_assert_int_eq(kind_of(o.e, "3"), DRIFT_V_OTHER);
    outcome_free(&o);
    drift_decoder_free(d);
}
END_TEST

START_TEST(fields_are_bounded)
{
    struct drift_stream s = json_stream();
    s.max_fields = 2;
    struct drift_decoder *d = new_decoder(&s, NULL);
    struct outcome o = decode_text(d, "{\"t\":1,\"f\":{\"a\":1}}");
    uint32_t generation = o.e->fields->generation;
    outcome_free(&o);
    o = decode_text(d, "{\"t\":1,\"f\":{\"a\":1,\"b\":2,\"c\":3,\"d\":4}}");
    ck_assert_int_eq(o.rc, 0);
    ck_assert_int_eq(o.e->fields->n, 2);
    ck_assert_int_eq(o.e->fields->max, 2);
    ck_assert_uint_ne(o.e->fields->generation, generation);
    ck_assert_uint_eq(drift_decoder_fields_refused(d), 2);
    outcome_free(&o);
    drift_decoder_free(d);

    s.max_fields = 100;
    d = new_decoder(&s, NULL);
    char text[2048], name[400];
    memset(name, 'n', sizeof name);
    snprintf(text, sizeof text, "{\"t\":1,\"f\":{\"%.256s\":1,\"%.257s\":1,\"\":1,\"a\\u0000b\":1}}", name, name);
    o = decode_text(d, text);
    ck_assert_int_eq(o.rc, 0);
    ck_assert_int_eq(o.e->fields->n, 1);
    ck_assert_uint_eq(drift_decoder_fields_refused(d), 3);
    outcome_free(&o);
    drift_decoder_free(d);
}
END_TEST

START_TEST(keys_with_escapes)
{
    struct drift_stream s = json_stream();
    struct drift_decoder *d = new_decoder(&s, NULL);
    for (int again = 0; again < 3; again++) { /* the guesses must not mistake "a\\b" (a, backspace) for a\b */
        struct outcome o = decode_text(
            d, "{\"\\u0074\":9,\"f\":{\"a\\\\b\":1,\"a\\b\":2,\"q\\\"q\":3,\"\\u0078\":4,\"gr\xc3\xbcn\":5}}");
        ck_assert_int_eq(o.rc, 0);
        ck_assert_int_eq(o.e->time_ms, 9);
        ck_assert_int_eq(o.e->fields->n, 5);
        ck_assert(o.e->num[slot_of(o.e, "a\\b")] == 1);
        ck_assert(o.e->num[slot_of(o.e, "a\b")] == 2);
        ck_assert(o.e->num[slot_of(o.e, "q\"q")] == 3);
        ck_assert(o.e->num[slot_of(o.e, "x")] == 4);
        ck_assert(o.e->num[slot_of(o.e, "gr\xc3\xbcn")] == 5);
        outcome_free(&o);
    }
    drift_decoder_free(d);
}
END_TEST

START_TEST(same_key_twice)
{
    struct drift_stream s = full_stream();
    s.model_value = (char *)"m";
    struct drift_decoder *d = new_decoder(&s, NULL);
    struct outcome o = decode_text(
        d, "{\"t\":1,\"t\":2,\"f\":{\"a\":1,\"b\":2,\"a\":\"z\"},\"meta\":{\"id\":\"x\"},\"meta\":{\"v\":\"1\"}}");
    ck_assert_int_eq(o.rc, 0);
    ck_assert_int_eq(o.e->time_ms, 2);
    ck_assert_int_eq(kind_of(o.e, "a"), DRIFT_V_STR);
    ck_text(o.e->id, ""); /* the second meta has none */
    ck_text(o.e->version[DRIFT_VERSION_MODEL], "1");
    outcome_free(&o);
    o = decode_text(d, "{\"t\":1,\"f\":{\"a\":1,\"b\":2},\"f\":{\"b\":3}}");
    ck_assert_int_eq(kind_of(o.e, "a"), DRIFT_V_ABSENT);
    ck_assert(o.e->num[slot_of(o.e, "b")] == 3);
    outcome_free(&o);
    o = decode_text(d, "{\"t\":1,\"f\":{\"a\":1,\"b\":2},\"f\":null}");
    ck_assert_int_eq(o.rc, 0);
    ck_assert_int_eq(kind_of(o.e, "a"), DRIFT_V_ABSENT);
    outcome_free(&o);
    char text[4096] = "{\"t\":1";
    for (int i = 0; i < 100; i++)
        strcat(text, ",\"f\":{\"a\":1}");
    strcat(text, "}");
    o = decode_text(d, text);
    ck_assert_int_eq(o.reason, DRIFT_REASON_MALFORMED);
    outcome_free(&o);
    drift_decoder_free(d);
}
END_TEST

START_TEST(deep_nesting_is_skipped)
{
    struct drift_stream s = json_stream();
    struct drift_decoder *d = new_decoder(&s, NULL);
    enum { DEPTH = 100000 };
    char *text = malloc(2 * DEPTH + 100);
    size_t n = (size_t)sprintf(text, "{\"f\":{\"a\":");
    memset(text + n, '[', DEPTH);
    memset(text + n + DEPTH, ']', DEPTH);
    strcpy(text + n + 2 * DEPTH, ",\"b\":1},\"t\":7}");
    struct outcome o = decode_text(d, text);
    ck_assert_msg(o.rc == 0, "%s", o.err.text);
    ck_assert_int_eq(o.e->time_ms, 7);
    ck_assert_int_eq(kind_of(o.e, "a"), DRIFT_V_OTHER);
    ck_assert_int_eq(kind_of(o.e, "b"), DRIFT_V_NUM);
    outcome_free(&o);
    free(text);
    drift_decoder_free(d);
}
END_TEST

START_TEST(bad_paths_are_refused)
{
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct drift_stream s = json_stream();
        struct drift_decoder *d;
        struct drift_err err;
        s.score = (char *)(uintptr_t)bad[i];
        ck_assert_int_eq(drift_decoder_new(&s, NULL, &d, &err), DRIFT_E_CONFIG);
        ck_assert_ptr_nonnull(strstr(err.text, "stream 's'"));
    }
    struct drift_stream s = json_stream();
    struct drift_decoder *d;
    struct drift_err err;
    s.format = DRIFT_FORMAT_AVRO;
    ck_assert_int_eq(drift_decoder_new(&s, NULL, &d, &err), DRIFT_E_CONFIG);
    s.schema_file = (char *)"/nonexistent/schema";
    ck_assert_int_eq(drift_decoder_new(&s, NULL, &d, &err), DRIFT_E_IO);
}
END_TEST

START_TEST(errors_hold_no_payload)
{
    struct drift_stream s = full_stream();
    struct drift_decoder *d = new_decoder(&s, NULL);
    static const char *const bad[] = {"{\"t\":\"SECRET\",\"meta\":{\"model\":\"SECRET\"}}", "{\"SECRET\":SECRET}",
                                      "{\"t\":1,\"f\":{\"SECRET\":SECRET}}", "SECRET"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct outcome o = decode_text(d, bad[i]);
        ck_assert_int_ne(o.rc, 0);
        ck_assert_ptr_null(strstr(o.err.text, "SECRET"));
        outcome_free(&o);
    }
    drift_decoder_free(d);
}
END_TEST

struct seen {
    char text[4096];
};
static void on_leaf(void *ctx, const char *path, enum drift_value_kind kind, double num, struct drift_str str)
{
    struct seen *s = ctx;
    size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof s->text - n, "%s=%d:%g:%.*s;", path, (int)kind, num, (int)str.n, str.p);
}

START_TEST(leaves)
{
    static const char text[] =
        "{\"a\":1,\"b\":{\"c\":\"x\",\"d\":[true,null,{\"e\":2.5}]},\"id\":12345678901234567890}";
    struct drift_stream s = json_stream();
    struct drift_decoder *d = new_decoder(&s, NULL);
    struct seen seen = {""};
    struct drift_record rec = {.payload = (const uint8_t *)text, .len = sizeof text - 1};
    struct drift_err err;
    ck_assert_int_eq(drift_decoder_leaves(d, &rec, on_leaf, &seen, &err), 0);
    ck_assert_str_eq(seen.text, "a=2:1:;b.c=3:0:x;b.d.0=4:1:;b.d.1=1:0:;b.d.2.e=2:2.5:;id=2:1.23457e+19:;");
    rec.len--;
    ck_assert_int_eq(drift_decoder_leaves(d, &rec, on_leaf, &seen, &err), DRIFT_E_PARSE);
    rec.payload = (const uint8_t *)"[1]";
    rec.len = 3;
    ck_assert_int_eq(drift_decoder_leaves(d, &rec, on_leaf, &seen, &err), DRIFT_E_PARSE);
    drift_decoder_free(d);
}
END_TEST

START_TEST(utf8)
{
    static const struct {
        const char *s;
        bool good;
    } cases[] = {{"", true},
                 {"plain text, longer than eight bytes", true},
                 {"\xc3\xa9", true},
                 {"\xe2\x82\xac", true},
                 {"\xf0\x9f\x98\x80", true},
                 {"\xf4\x8f\xbf\xbf", true},
                 {"\xed\x9f\xbf", true},
                 {"\xc0\x80", false},
                 {"\xc1\xbf", false},
                 {"\xe0\x80\x80", false},
                 {"\xe0\x9f\xbf", false},
                 {"\xed\xa0\x80", false},
                 {"\xf0\x80\x80\x80", false},
                 {"\xf4\x90\x80\x80", false},
                 {"\xf5\x80\x80\x80", false},
                 {"\xff", false},
                 {"\x80", false},
                 {"\xc3", false},
                 {"\xe2\x82", false},
                 {"\xf0\x9f\x98", false},
                 {"12345678\xc3", false},
                 {"1234567\xc3\xa9", true},
                 {"\xc3(", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].s);
        uint8_t *copy = exact_copy(cases[i].s, n);
        ck_assert_msg(drift_utf8_valid((const char *)copy, n) == cases[i].good, "case %zu", i);
        free(copy);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decoder");
    drift_test_add(s, "json_values", json_values, 10);
    drift_test_add(s, "json_malformed", json_malformed, 10);
    drift_test_add(s, "json_cut_anywhere", json_cut_anywhere, 30);
    drift_test_add(s, "time_units", time_units, 30);
    drift_test_add(s, "time_of_record", time_of_record, 10);
    drift_test_add(s, "sizes", sizes, 10);
    drift_test_add(s, "roles", roles, 10);
    drift_test_add(s, "fixed_model", fixed_model, 10);
    drift_test_add(s, "features_of_the_record_itself", features_of_the_record_itself, 10);
    drift_test_add(s, "features_by_list", features_by_list, 10);
    drift_test_add(s, "features_in_an_array", features_in_an_array, 10);
    drift_test_add(s, "fields_are_bounded", fields_are_bounded, 10);
    drift_test_add(s, "keys_with_escapes", keys_with_escapes, 10);
    drift_test_add(s, "same_key_twice", same_key_twice, 10);
    drift_test_add(s, "deep_nesting_is_skipped", deep_nesting_is_skipped, 10);
    drift_test_add(s, "bad_paths_are_refused", bad_paths_are_refused, 10);
    drift_test_add(s, "errors_hold_no_payload", errors_hold_no_payload, 10);
    drift_test_add(s, "leaves", leaves, 10);
    drift_test_add(s, "utf8", utf8, 10);
    return drift_test_run(s);
}
