/* tests/unit/decode/test_avro.c    Plans over Avro bytes: case tables, hostile bytes, and random schemas and values
 * against avro-c's writer and generic reader. */
#include <inttypes.h>

#include <avro.h>

#include "decode_case.h"

#include "driftd/internal/base/buf.h"
#include "driftd/internal/decode/avro_plan.h"

/* Bytes of a record, put together by hand. */
struct bytes {
    uint8_t b[8192];
    size_t n;
};
static void put_long(struct bytes *o, int64_t v)
{
    uint64_t z = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    for (; z > 0x7f; z >>= 7)
        o->b[o->n++] = (uint8_t)(z | 0x80);
    o->b[o->n++] = (uint8_t)z;
}
static void put_raw(struct bytes *o, const void *p, size_t n)
{
    memcpy(o->b + o->n, p, n);
    o->n += n;
}
static void put_text(struct bytes *o, const char *s)
{
    put_long(o, (int64_t)strlen(s));
    put_raw(o, s, strlen(s));
}
static void put_f64(struct bytes *o, double v)
{
    put_raw(o, &v, 8);
}

static struct drift_stream avro_stream(const char *schema)
{
    struct drift_stream s = json_stream();
    s.format = DRIFT_FORMAT_AVRO;
    s.schema_file = schema_file(schema);
    s.time = NULL; /* the record's own */
    return s;
}
static struct drift_decoder *avro_decoder(struct drift_stream *s)
{
    struct drift_decoder *d = new_decoder(s, NULL);
    unlink(s->schema_file);
    free(s->schema_file);
    return d;
}
#define FIELDS(f) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" f "]}"
#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type "}"

START_TEST(kinds)
{
    struct drift_stream s =
        avro_stream(FIELDS(FIELD("n", "\"null\"") "," FIELD("b", "\"boolean\"") "," FIELD("i", "\"int\"") "," FIELD(
            "l",
            "\"long\"") "," FIELD("fl",
                                  "\"float\"") "," FIELD("d",
                                                         "\"double\"") "," FIELD("s",
                                                                                 "\"string\"") "," FIELD("by",
                                                                                                         "\"bytes\"") "," FIELD("fx", "{\"type\":\"fixed\","
                                                                                                                                      "\"name\":\"F\",\"size\":"
                                                                                                                                      "3}") "," FIELD("e", "{\"type\""
                                                                                                                                                           ":\"enum\""
                                                                                                                                                           ",\"name\""
                                                                                                                                                           ":\"E\","
                                                                                                                                                           "\"symbols"
                                                                                                                                                           "\":["
                                                                                                                                                           "\"A\","
                                                                                                                                                           "\"B\"]}") "," FIELD("o", "[\"null\",\"double\"]") "," FIELD("o2", "[\"string\",\"null\"]") "," FIELD("u", "[\"int\",\"string\",\"boolean\",\"null\",\"double\"]") "," FIELD("dec", "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":10,\"scale\":2}") "," FIELD("arr",
                                                                                                                                                                                                                                                                                                                                                                                                                                          "{\"type\":\"array\",\"items\":\"int\"}") "," FIELD("inf", "\"double\"") "," FIELD("e2",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "\"E\"") "," FIELD("nd",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                "[\"null\",\"double\"]")));
    s.features = (char *)"";
    struct drift_decoder *d = avro_decoder(&s);
    struct bytes o = {.n = 0};
    put_raw(&o, "\1", 1);
    put_long(&o, -5);
    put_long(&o, INT64_MAX);
    float f = 1.5f;
    put_raw(&o, &f, 4);
    put_f64(&o, 2.25);
    put_text(&o, "gr\xc3\xbcn");
    put_text(&o, "\xff\xfe");
    put_raw(&o, "abc", 3);
    put_long(&o, 1);
    put_long(&o, 1), put_f64(&o, 7);
    put_long(&o, 1);
    put_long(&o, 2), put_raw(&o, "\0", 1);
    put_long(&o, 2), put_raw(&o, "\xff\x38", 2); /* -200 / 100 */
    put_long(&o, -2), put_long(&o, 2), put_long(&o, 9), put_long(&o, 8), put_long(&o, 0);
    put_f64(&o, -INFINITY);
    put_long(&o, 0);
    put_long(&o, 0);
    struct outcome x = decode_bytes(d, o.b, o.n);
    ck_assert_msg(x.rc == 0, "%s", x.err.text);
    const struct {
        const char *name;
        enum drift_value_kind kind;
        double num;
        const char *str;
    } want[] = {{"n", DRIFT_V_NULL, 0, ""},           {"b", DRIFT_V_BOOL, 1, ""},   {"i", DRIFT_V_NUM, -5, ""},
                {"l", DRIFT_V_NUM, 0x1p63, ""},       {"fl", DRIFT_V_NUM, 1.5, ""}, {"d", DRIFT_V_NUM, 2.25, ""},
                {"s", DRIFT_V_STR, 0, "gr\xc3\xbcn"}, {"by", DRIFT_V_OTHER, 0, ""}, {"fx", DRIFT_V_OTHER, 0, ""},
                {"e", DRIFT_V_STR, 0, "B"},           {"o", DRIFT_V_NUM, 7, ""},    {"o2", DRIFT_V_NULL, 0, ""},
                {"u", DRIFT_V_BOOL, 0, ""},           {"dec", DRIFT_V_NUM, -2, ""}, {"arr", DRIFT_V_OTHER, 0, ""},
                {"inf", DRIFT_V_NONFINITE, 0, ""},    {"e2", DRIFT_V_STR, 0, "A"},  {"nd", DRIFT_V_NULL, 0, ""}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        int slot = slot_of(x.e, want[i].name);
        ck_assert_int_ge(slot, 0);
        ck_assert_msg(x.e->kind[slot] == want[i].kind, "%s is of kind %d", want[i].name, x.e->kind[slot]);
        if (want[i].kind == DRIFT_V_NUM || want[i].kind == DRIFT_V_BOOL)
            ck_assert_msg(x.e->num[slot] == want[i].num, "%s is %g", want[i].name, x.e->num[slot]);
        if (want[i].kind == DRIFT_V_STR)
            ck_text(x.e->str[slot], want[i].str);
    }
    outcome_free(&x);
    for (size_t n = 0; n < o.n; n++) { /* every truncation */
        x = decode_bytes(d, o.b, n);
        ck_assert_int_eq(x.reason, n ? DRIFT_REASON_MALFORMED : DRIFT_REASON_EMPTY);
        outcome_free(&x);
    }
    put_raw(&o, "\0", 1); /* left over */
    x = decode_bytes(d, o.b, o.n);
    ck_assert_int_eq(x.reason, DRIFT_REASON_MALFORMED);
    outcome_free(&x);
    drift_decoder_free(d);
}
END_TEST

START_TEST(maps_and_arrays_of_features)
{
    struct drift_stream s = avro_stream(FIELDS(FIELD("meta", "{\"type\":\"map\",\"values\":\"string\"}") "," FIELD(
        "f", "{\"type\":\"map\",\"values\":[\"null\",\"double\",\"string\"]}") "," FIELD("v", "{\"type\":\"array\","
                                                                                              "\"items\":\"float\"}")));
    static char *list[] = {(char *)"v.1", (char *)"v.2"};
    s.id = (char *)"meta.id";
    s.feature_fields = list;
    s.n_feature_fields = 2;
    struct drift_decoder *d = avro_decoder(&s);
    for (int again = 0; again < 2; again++) {
        struct bytes o = {.n = 0};
        put_long(&o, 2), put_text(&o, "x"), put_text(&o, "y"), put_text(&o, "id"), put_text(&o, "i7"), put_long(&o, 0);
        put_long(&o, -1), put_long(&o, 11), put_text(&o, "a"), put_long(&o, 1), put_f64(&o, 3);
        put_long(&o, 2), put_text(&o, "b"), put_long(&o, 0), put_text(&o, "c"), put_long(&o, 2), put_text(&o, "z");
        put_long(&o, 0);
        float v[2] = {1, 2};
        put_long(&o, 2), put_raw(&o, v, 8), put_long(&o, 0);
        struct outcome x = decode_bytes(d, o.b, o.n);
        ck_assert_msg(x.rc == 0, "%s", x.err.text);
        ck_text(x.e->id, "i7");
        ck_assert_int_eq(x.e->fields->n, 5);
        ck_assert(kind_of(x.e, "a") == DRIFT_V_NUM && x.e->num[slot_of(x.e, "a")] == 3);
        ck_assert_int_eq(kind_of(x.e, "b"), DRIFT_V_NULL);
        ck_text(x.e->str[slot_of(x.e, "c")], "z");
        ck_assert(kind_of(x.e, "v.1") == DRIFT_V_NUM && x.e->num[slot_of(x.e, "v.1")] == 2);
        ck_assert_int_eq(kind_of(x.e, "v.2"), DRIFT_V_ABSENT);
        outcome_free(&x);
    }
    drift_decoder_free(d);
}
END_TEST

START_TEST(logical_time)
{
    const struct {
        enum drift_time_unit unit;
        const char *type;
        int64_t value, ms; /* ms -1: BAD_TIME */
    } cases[] = {
        {DRIFT_TIME_RFC3339, "{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}", 1767225600001, 1767225600001},
        {DRIFT_TIME_RFC3339, "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}", 1767225600001000,
         1767225600001},
        {DRIFT_TIME_RFC3339, "{\"type\":\"long\",\"logicalType\":\"local-timestamp-micros\"}", 1767225600001000,
         1767225600001},
        {DRIFT_TIME_RFC3339, "\"long\"", 1767225600001, -1},
        {DRIFT_TIME_MS, "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}", 1767225600001, 1767225600001},
        {DRIFT_TIME_US, "{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}", 1767225600001, 1767225600},
        {DRIFT_TIME_S, "\"int\"", 1767225600, 1767225600000},
        {DRIFT_TIME_MS, "\"long\"", -1, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char schema[512];
        snprintf(schema, sizeof schema, FIELDS(FIELD("t", "%s")), cases[i].type);
        struct drift_stream s = avro_stream(schema);
        s.time = (char *)"t";
        s.time_unit = cases[i].unit;
        struct drift_decoder *d = avro_decoder(&s);
        struct bytes o = {.n = 0};
        put_long(&o, cases[i].value);
        struct outcome x = decode_bytes(d, o.b, o.n);
        ck_assert_msg((x.rc == 0) == (cases[i].ms >= 0), "case %zu", i);
        if (x.rc)
            ck_assert_int_eq(x.reason, DRIFT_REASON_BAD_TIME);
        else
            ck_assert_msg(x.e->time_ms == cases[i].ms, "case %zu: %" PRId64, i, x.e->time_ms);
        outcome_free(&x);
        drift_decoder_free(d);
    }
}
END_TEST

static const char *const bad_schemas[] = {
    "",
    "{",
    "\"string\"",
    "{\"type\":\"map\",\"values\":\"int\"}",
    "[\"null\",\"int\"]",
    "{\"type\":\"record\",\"name\":\"R\"}",
    "{\"type\":\"record\",\"fields\":[]}",
    FIELDS(FIELD("a", "\"nothing\"")),
    FIELDS("{\"name\":\"a\"}"),
    FIELDS("{\"type\":\"int\"}"),
    FIELDS(FIELD("a", "[]")),
    FIELDS(FIELD("a", "[[\"int\"]]")),
    FIELDS(FIELD("a", "{\"type\":\"array\"}")),
    FIELDS(FIELD("a", "{\"type\":\"fixed\",\"name\":\"F\"}")),
    FIELDS(FIELD("a", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}")),
    FIELDS(FIELD("a", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[1]}")),
    FIELDS(FIELD("a", "7")),
    FIELDS(FIELD("a", "{\"type\":\"fixed\",\"name\":\"R\",\"size\":1}")),
};

START_TEST(schemas_refused)
{
    for (size_t i = 0; i < sizeof bad_schemas / sizeof *bad_schemas; i++) {
        struct drift_avro_schema *s;
        struct drift_err err = {0};
        ck_assert_msg(drift_avro_schema_parse(bad_schemas[i], strlen(bad_schemas[i]), &s, &err) == DRIFT_E_PARSE, "%s",
                      bad_schemas[i]);
        ck_assert_int_ne(err.text[0], 0);
    }
    /* too deep, too many */
    struct drift_buf b;
    drift_buf_init(&b, 8 << 20);
    drift_buf_adds(&b, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":");
    for (int i = 0; i < 100; i++)
        drift_buf_adds(&b, "{\"type\":\"array\",\"items\":");
    drift_buf_adds(&b, "\"int\"");
    for (int i = 0; i < 100; i++)
        drift_buf_adds(&b, "}");
    drift_buf_adds(&b, "}]}");
    struct drift_avro_schema *s;
    struct drift_err err = {0};
    ck_assert_int_eq(drift_avro_schema_parse(b.data, b.len, &s, &err), DRIFT_E_PARSE);
    ck_assert_ptr_nonnull(strstr(err.text, "deep"));
    drift_buf_reset(&b);
    drift_buf_adds(&b, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[");
    for (int i = 0; i < 70000; i++)
        drift_buf_addf(&b, "%s{\"name\":\"f%d\",\"type\":\"int\"}", i ? "," : "", i);
    drift_buf_adds(&b, "]}");
    ck_assert_int_eq(drift_avro_schema_parse(b.data, b.len, &s, &err), DRIFT_E_PARSE);
    ck_assert_ptr_nonnull(strstr(err.text, "many"));
    drift_buf_release(&b);
}
END_TEST

START_TEST(names_are_resolved)
{
    static const char schema[] = "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"a\",\"fields\":["
                                 "{\"name\":\"x\",\"type\":{\"type\":\"record\",\"name\":\"c.S\",\"fields\":["
                                 "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"P\"]}}]}},"
                                 "{\"name\":\"y\",\"type\":\"c.E\"},{\"name\":\"z\",\"type\":{\"type\":\"enum\","
                                 "\"name\":\"E\",\"symbols\":[\"Q\",\"T\"]}},"
                                 "{\"name\":\"w\",\"type\":[\"null\",\"E\"]},{\"name\":\"v\",\"type\":\"c.S\"}]}";
    struct drift_stream s = avro_stream(schema);
    s.features = (char *)"";
    s.id = (char *)"v.e";
    struct drift_decoder *d = avro_decoder(&s);
    struct bytes o = {.n = 0};
    put_long(&o, 0), put_long(&o, 0), put_long(&o, 1), put_long(&o, 1), put_long(&o, 1), put_long(&o, 0);
    struct outcome x = decode_bytes(d, o.b, o.n);
    ck_assert_msg(x.rc == 0, "%s", x.err.text);
    ck_text(x.e->str[slot_of(x.e, "y")], "P");
    ck_text(x.e->str[slot_of(x.e, "z")], "T");
    ck_text(x.e->str[slot_of(x.e, "w")], "T");
    ck_text(x.e->id, "P");
    outcome_free(&x);
    drift_decoder_free(d);
}
END_TEST

/* Hostile bytes: each is refused, quickly. */
START_TEST(hostile_bytes)
{
    struct drift_stream s = avro_stream(FIELDS(FIELD("a", "{\"type\":\"array\",\"items\":\"null\"}") "," FIELD(
        "f",
        "{\"type\":\"array\",\"items\":"
        "\"null\"}") "," FIELD("s",
                               "\"string"
                               "\"") "," FIELD("u",
                                               "[\"null\",\"int\",\"string\"]") "," FIELD("b",
                                                                                          "\"boolean\"") "," FIELD("i",
                                                                                                                   "\"i"
                                                                                                                   "nt"
                                                                                                                   "\"") "," FIELD("d",
                                                                                                                                   "{\"type\":\"array\",\"items\":"
                                                                                                                                   "\"double\"}") "," FIELD("e",
                                                                                                                                                            "{\"type\":"
                                                                                                                                                            "\"enum\","
                                                                                                                                                            "\"name\":\"E\","
                                                                                                                                                            "\"symbols\":["
                                                                                                                                                            "\"A\"]}") "," FIELD("m",
                                                                                                                                                                                 "{\"type\":\"map\",\"values\":\"null\"}")));
    static char *list[] = {(char *)"b", (char *)"e", (char *)"i", (char *)"u"};
    s.id = (char *)"s";
    s.feature_fields = list;
    s.n_feature_fields = 4;
    struct drift_decoder *d = avro_decoder(&s);
    const struct {
        int64_t nulls, features, length, branch, boolean, integer, doubles, symbol, entries;
        bool good;
    } cases[] = {
        {0, 0, 1, 0, 1, 5, 0, 0, 0, true},
        {INT64_C(1) << 60, 3, 1, 0, 1, 5, 0, 0, 0, true}, /* nulls take no bytes, and skipping them takes no time */
        {0, INT64_C(1) << 60, 1, 0, 1, 5, 0, 0, 0, false},
        {INT64_MIN, 0, 1, 0, 1, 5, 0, 0, 0, false},
        {0, 0, -1, 0, 1, 5, 0, 0, 0, false},
        {0, 0, INT64_MAX, 0, 1, 5, 0, 0, 0, false},
        {0, 0, INT64_MIN, 0, 1, 5, 0, 0, 0, false},
        {0, 0, 1, 3, 1, 5, 0, 0, 0, false},
        {0, 0, 1, -1, 1, 5, 0, 0, 0, false},
        {0, 0, 1, 0, 2, 5, 0, 0, 0, false},
        {0, 0, 1, 0, 1, INT64_C(1) << 31, 0, 0, 0, false},
        {0, 0, 1, 0, 1, 5, INT64_C(1) << 61, 0, 0, false}, /* times 8 is 0 in 64 bits */
        {0, 0, 1, 0, 1, 5, 2, 0, 0, false},
        {0, 0, 1, 0, 1, 5, 0, 1, 0, false},
        {0, 0, 1, 0, 1, 5, 0, -1, 0, false},
        {0, 0, 1, 0, 1, 5, 0, 0, INT64_C(1) << 60, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes o = {.n = 0};
        put_long(&o, cases[i].nulls);
        if (cases[i].nulls)
            put_long(&o, 0);
        put_long(&o, cases[i].features);
        if (cases[i].features)
            put_long(&o, 0);
        put_long(&o, cases[i].length), put_raw(&o, "x", 1);
        put_long(&o, cases[i].branch);
        o.b[o.n++] = (uint8_t)cases[i].boolean;
        put_long(&o, cases[i].integer);
        put_long(&o, cases[i].doubles);
        put_long(&o, cases[i].symbol);
        put_long(&o, cases[i].entries);
        if (cases[i].entries)
            put_text(&o, "k");
        struct outcome x = decode_bytes(d, o.b, o.n);
        ck_assert_msg(cases[i].good ? x.rc == 0 : x.reason == DRIFT_REASON_MALFORMED, "case %zu: %s", i,
                      x.rc ? x.err.text : "ok");
        outcome_free(&x);
    }
    static const uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0};
    struct outcome x = decode_bytes(d, endless, sizeof endless);
    ck_assert_int_eq(x.reason, DRIFT_REASON_MALFORMED);
    outcome_free(&x);
    drift_decoder_free(d);
}
END_TEST

START_TEST(recursion)
{
    struct drift_stream s = avro_stream(FIELDS(FIELD("x", "\"int\"") "," FIELD("next", "[\"null\",\"R\"]")));
    s.features = (char *)"next.next";
    struct drift_decoder *d = avro_decoder(&s);
    for (int depth = 1; depth < 3000; depth = depth * 3 / 2 + 1) {
        struct bytes o = {.n = 0};
        for (int i = 0; i < depth && i < 1900; i++)
            put_long(&o, i), put_long(&o, i + 1 < depth && i + 1 < 1900);
        struct outcome x = decode_bytes(d, o.b, o.n);
        ck_assert_msg((x.rc == 0) == (depth <= 64), "depth %d", depth);
        if (!x.rc && depth > 2)
            ck_assert(kind_of(x.e, "x") == DRIFT_V_NUM && x.e->num[slot_of(x.e, "x")] == 2);
        if (!x.rc && depth == 2)
            ck_assert_int_eq(kind_of(x.e, "x"), DRIFT_V_ABSENT);
        outcome_free(&x);
    }
    drift_decoder_free(d);
    /* a record that holds itself can never end */
    s = avro_stream(FIELDS(FIELD("x", "\"null\"") "," FIELD("me", "\"R\"")));
    d = avro_decoder(&s);
    struct outcome x = decode_text(d, "abc");
    ck_assert_int_eq(x.reason, DRIFT_REASON_MALFORMED);
    outcome_free(&x);
    drift_decoder_free(d);
    /* records of no bytes, 8 in each of 40 levels: 8^40 of them in an empty body */
    struct drift_buf b;
    drift_buf_init(&b, 1 << 20);
    drift_buf_adds(&b, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[");
    for (int level = 0; level <= 40; level++) {
        drift_buf_addf(&b, "%s{\"name\":\"l%d\",\"type\":{\"type\":\"record\",\"name\":\"L%d\",\"fields\":[",
                       level ? "," : "", level, level);
        for (int i = 0; level && i < 8; i++)
            drift_buf_addf(&b, "%s{\"name\":\"f%d\",\"type\":\"L%d\"}", i ? "," : "", i, level - 1);
        drift_buf_adds(&b, "]}}");
    }
    drift_buf_adds(&b, "]}");
    s = avro_stream(b.data);
    d = avro_decoder(&s);
    x = decode_text(d, "a");
    ck_assert_int_eq(x.reason, DRIFT_REASON_MALFORMED);
    outcome_free(&x);
    drift_decoder_free(d);
    drift_buf_release(&b);
}
END_TEST

/* Random schemas and values: avro-c writes and reads, we read. */

struct maker {
    struct drift_rng rng;
    struct drift_buf schema;
    int n_names;
};
static uint64_t below(struct maker *m, uint64_t n)
{
    return drift_rng_below(&m->rng, n);
}

static void make_type(struct maker *m, int depth, bool in_union);

static void make_fields(struct maker *m, int depth)
{
    uint64_t n = below(m, 7) + 1; /* avro-c cannot append empty records */
    for (uint64_t i = 0; i < n; i++) {
        drift_buf_addf(&m->schema, "%s{\"name\":\"", i ? "," : "");
        if (below(m, 12) == 0) { /* the oracle knows a decimal by its name */
            uint64_t scale = below(m, 6);
            drift_buf_addf(&m->schema, "dec%" PRIu64 "_%" PRIu64, scale, i);
            drift_buf_addf(
                &m->schema,
                "\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":18,\"scale\":%" PRIu64 "}}",
                scale);
            continue;
        }
        drift_buf_addf(&m->schema, "f%" PRIu64 "\",\"type\":", i);
        make_type(m, depth + 1, false);
        drift_buf_adds(&m->schema, "}");
    }
}

static void make_union(struct maker *m, int depth)
{
    static const char *const simple[] = {"\"null\"",  "\"boolean\"", "\"int\"",    "\"long\"",
                                         "\"float\"", "\"double\"",  "\"string\"", "\"bytes\""};
    if (below(m, 2)) { /* optional */
        bool first = below(m, 2);
        drift_buf_adds(&m->schema, first ? "[\"null\"," : "[");
        make_type(m, depth + 1, true);
        drift_buf_adds(&m->schema, first ? "]" : ",\"null\"]");
        return;
    }
    uint64_t from = below(m, 8), n = 1 + below(m, 5);
    drift_buf_adds(&m->schema, "[");
    for (uint64_t i = 0; i < n; i++)
        drift_buf_addf(&m->schema, "%s%s", i ? "," : "", simple[(from + i) % 8]);
    if (below(m, 2)) {
        drift_buf_addf(&m->schema, ",{\"type\":\"record\",\"name\":\"N%d\",\"fields\":[", m->n_names++);
        make_fields(m, depth + 1);
        drift_buf_adds(&m->schema, "]}");
    }
    drift_buf_adds(&m->schema, "]");
}

static void make_type(struct maker *m, int depth, bool in_union)
{
    static const char *const simple[] = {"boolean", "int",   "long",   "float", "double",
                                         "string",  "bytes", "double", "double"};
    uint64_t kind = below(m, depth > 4 ? 11 : 18);
    if (kind < 9) {
        drift_buf_addf(&m->schema, "\"%s\"", simple[kind]);
    } else if (kind == 9) {
        drift_buf_addf(&m->schema, "{\"type\":\"enum\",\"name\":\"N%d\",\"symbols\":[\"A\",\"BB\",\"CCC\"]}",
                       m->n_names++);
    } else if (kind == 10) {
        drift_buf_addf(&m->schema, "{\"type\":\"fixed\",\"name\":\"N%d\",\"size\":%d}", m->n_names++,
                       (int)below(m, 20) + 1);
    } else if (kind < 13) {
        drift_buf_addf(&m->schema, "{\"type\":\"record\",\"name\":\"N%d\",\"fields\":[", m->n_names++);
        make_fields(m, depth);
        drift_buf_adds(&m->schema, "]}");
    } else if (kind == 13) {
        drift_buf_adds(&m->schema, "{\"type\":\"array\",\"items\":");
        make_type(m, depth + 1, false);
        drift_buf_adds(&m->schema, "}");
    } else if (kind == 14) {
        drift_buf_adds(&m->schema, "{\"type\":\"map\",\"values\":");
        make_type(m, depth + 1, false);
        drift_buf_adds(&m->schema, "}");
    } else if (!in_union) {
        make_union(m, depth);
    } else {
        drift_buf_adds(&m->schema, "\"double\"");
    }
}

static int64_t some_long(struct maker *m)
{
    static const int64_t special[] = {0,    -1,   1,         63,        64,        -64,      -65,
                                      8191, 8192, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    return below(m, 3) ? (int64_t)(drift_rng_u64(&m->rng) >> below(m, 64))
                       : special[below(m, sizeof special / sizeof *special)];
}
static double some_double(struct maker *m)
{
    static const double special[] = {0, -0.0, INFINITY, -INFINITY, NAN, 5e-324, 1.7976931348623157e308};
    return below(m, 8) ? drift_rng_gauss(&m->rng) * 100 : special[below(m, 7)];
}
static size_t some_text(struct maker *m, char *buf)
{
    static const char *const parts[] = {"a", "Z9", "\xc3\xa9",         "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                        " ", "\"", "longer than eight"};
    buf[0] = 0;
    for (uint64_t n = below(m, 6); n; n--)
        strcat(buf, parts[below(m, 8)]);
    return strlen(buf);
}

#define must(x) ck_assert_msg((x) == 0, "%s: %s", #x, avro_strerror())

static void fill(struct maker *m, avro_value_t *v)
{
    char text[200];
    uint8_t raw[32];
    size_t n;
    avro_value_t child;
    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)drift_rng_u64(&m->rng);
    switch (avro_value_get_type(v)) {
    case AVRO_NULL:
        must(avro_value_set_null(v));
        break;
    case AVRO_BOOLEAN:
        must(avro_value_set_boolean(v, (int)below(m, 2)));
        break;
    case AVRO_INT32:
        must(avro_value_set_int(v, (int32_t)some_long(m)));
        break;
    case AVRO_INT64:
        must(avro_value_set_long(v, some_long(m)));
        break;
    case AVRO_FLOAT:
        must(avro_value_set_float(v, (float)some_double(m)));
        break;
    case AVRO_DOUBLE:
        must(avro_value_set_double(v, some_double(m)));
        break;
    case AVRO_STRING:
        n = some_text(m, text);
        must(avro_value_set_string_len(v, text, n + 1));
        break;
    case AVRO_BYTES:
        must(avro_value_set_bytes(v, raw, below(m, 9)));
        break;
    case AVRO_FIXED:
        must(avro_value_set_fixed(v, raw, (size_t)avro_schema_fixed_size(avro_value_get_schema(v))));
        break;
    case AVRO_ENUM:
        must(avro_value_set_enum(v, (int)below(m, 3)));
        break;
    case AVRO_ARRAY:
        for (n = below(m, 5); n; n--) {
            must(avro_value_append(v, &child, NULL));
            fill(m, &child);
        }
        break;
    case AVRO_MAP:
        for (n = below(m, 5); n; n--) {
            snprintf(text, sizeof text, "k%d", (int)n);
            must(avro_value_add(v, text, &child, NULL, NULL));
            fill(m, &child);
        }
        break;
    case AVRO_UNION:
        n = avro_schema_union_size(avro_value_get_schema(v));
        must(avro_value_set_branch(v, (int)below(m, n), &child));
        fill(m, &child);
        break;
    case AVRO_RECORD:
        must(avro_value_get_size(v, &n));
        for (size_t i = 0; i < n; i++) {
            must(avro_value_get_by_index(v, i, &child, NULL));
            fill(m, &child);
        }
        break;
    default:
        ck_abort_msg("type %d", (int)avro_value_get_type(v));
    }
}

/* One scalar as text: kind, number in hex, string in hex. */
static void show(struct drift_buf *b, enum drift_value_kind kind, double num, struct drift_str s)
{
    drift_buf_addf(b, "%d", (int)kind);
    if (kind == DRIFT_V_NUM || kind == DRIFT_V_BOOL)
        drift_buf_addf(b, ":%a", num);
    for (size_t i = 0; kind == DRIFT_V_STR && i < s.n; i++)
        drift_buf_addf(b, "%c%02x", i ? '.' : ':', (unsigned)(uint8_t)s.p[i]);
}
static void show_num(struct drift_buf *b, double v)
{
    show(b, isfinite(v) ? DRIFT_V_NUM : DRIFT_V_NONFINITE, v, (struct drift_str){"", 0});
}

/* What avro-c says of one value that is no record, array or map. */
static void show_scalar(struct drift_buf *b, avro_value_t *v, int decimal_scale)
{
    struct drift_str none = {"", 0};
    int yes, symbol;
    int32_t i;
    int64_t l;
    float f;
    double d;
    const char *s;
    const void *p;
    size_t n;
    switch (avro_value_get_type(v)) {
    case AVRO_NULL:
        show(b, DRIFT_V_NULL, 0, none);
        break;
    case AVRO_BOOLEAN:
        must(avro_value_get_boolean(v, &yes));
        show(b, DRIFT_V_BOOL, yes, none);
        break;
    case AVRO_INT32:
        must(avro_value_get_int(v, &i));
        show_num(b, i);
        break;
    case AVRO_INT64:
        must(avro_value_get_long(v, &l));
        show_num(b, (double)l);
        break;
    case AVRO_FLOAT:
        must(avro_value_get_float(v, &f));
        show_num(b, (double)f);
        break;
    case AVRO_DOUBLE:
        must(avro_value_get_double(v, &d));
        show_num(b, d);
        break;
    case AVRO_STRING:
        must(avro_value_get_string(v, &s, &n));
        show(b, DRIFT_V_STR, 0, (struct drift_str){s, n - 1});
        break;
    case AVRO_ENUM:
        must(avro_value_get_enum(v, &symbol));
        s = avro_schema_enum_get(avro_value_get_schema(v), symbol);
        show(b, DRIFT_V_STR, 0, (struct drift_str){s, strlen(s)});
        break;
    case AVRO_BYTES:
        must(avro_value_get_bytes(v, &p, &n));
        if (decimal_scale >= 0) {
            __int128 x = n && (*(const int8_t *)p) < 0 ? -1 : 0;
            for (size_t k = 0; k < n; k++)
                x = x * 256 + ((const uint8_t *)p)[k];
            show_num(b, (double)x / pow(10, decimal_scale));
            break;
        }
        /* fall through */
    default:
        show(b, DRIFT_V_OTHER, 0, none);
    }
}

static bool nested(avro_value_t *v)
{
    avro_type_t t = avro_value_get_type(v);
    return t == AVRO_RECORD || t == AVRO_ARRAY || t == AVRO_MAP;
}
static avro_value_t branch_of(avro_value_t *v)
{
    avro_value_t in = *v;
    if (avro_value_get_type(v) == AVRO_UNION)
        must(avro_value_get_current_branch(v, &in));
    return in;
}
static int scale_of(const char *name)
{
    return strncmp(name, "dec", 3) == 0 ? name[3] - '0' : -1;
}

static void oracle_leaves(struct drift_buf *b, avro_value_t *any, const char *path, const char *name)
{
    avro_value_t v = branch_of(any), child;
    if (!nested(&v)) {
        drift_buf_addf(b, "%s=", path);
        show_scalar(b, &v, scale_of(name));
        drift_buf_adds(b, "\n");
        return;
    }
    size_t n;
    must(avro_value_get_size(&v, &n));
    for (size_t i = 0; i < n; i++) {
        char below_path[1024], number[24];
        const char *key;
        must(avro_value_get_by_index(&v, i, &child, &key));
        if (avro_value_get_type(&v) == AVRO_ARRAY) {
            snprintf(number, sizeof number, "%zu", i);
            key = number;
        }
        snprintf(below_path, sizeof below_path, "%s%s%s", path, *path ? "." : "", key);
        oracle_leaves(b, &child, below_path, key);
    }
}

static void on_leaf(void *ctx, const char *path, enum drift_value_kind kind, double num, struct drift_str s)
{
    drift_buf_addf(ctx, "%s=", path);
    show(ctx, kind, num, s);
    drift_buf_adds(ctx, "\n");
}

/* Child of that name; false: none. */
static bool child_of(avro_value_t *v, const char *name, avro_value_t *ret)
{
    char *end;
    size_t n, i;
    switch (avro_value_get_type(v)) {
    case AVRO_RECORD:
    case AVRO_MAP:
        return avro_value_get_by_name(v, name, ret, NULL) == 0 && ret->self;
    case AVRO_ARRAY:
        i = strtoul(name, &end, 10);
        must(avro_value_get_size(v, &n));
        return *name && !*end && i < n && avro_value_get_by_index(v, i, ret, NULL) == 0;
    default:
        return false;
    }
}
static bool at_path(avro_value_t *root, const char *path, avro_value_t *ret)
{
    char part[256];
    *ret = *root;
    while (*path) {
        size_t n = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        path += n + (path[n] == '.');
        avro_value_t next;
        if (!child_of(ret, part, &next))
            return false;
        *ret = branch_of(&next);
    }
    return true;
}

static void show_at(struct drift_buf *b, avro_value_t *root, const char *path)
{
    avro_value_t v;
    const char *dot = strrchr(path, '.');
    if (!at_path(root, path, &v))
        drift_buf_adds(b, "0");
    else if (nested(&v))
        drift_buf_adds(b, "6");
    else
        show_scalar(b, &v, scale_of(dot ? dot + 1 : path));
}

/* A path into the value, sometimes one that is not there. */
static void some_path(struct maker *m, avro_value_t *root, char *path, size_t cap)
{
    avro_value_t v = *root, child;
    path[0] = 0;
    for (int depth = 0; depth < 6 && nested(&v); depth++) {
        size_t n, at = strlen(path);
        const char *name = NULL;
        must(avro_value_get_size(&v, &n));
        if (!n || (depth && !below(m, 4)))
            break;
        size_t i = below(m, n);
        must(avro_value_get_by_index(&v, i, &child, &name));
        if (avro_value_get_type(&v) == AVRO_ARRAY)
            snprintf(path + at, cap - at, "%s%zu", at ? "." : "", i);
        else
            snprintf(path + at, cap - at, "%s%s", at ? "." : "", name);
        v = branch_of(&child);
    }
    if (!path[0] || !below(m, 20))
        snprintf(path, cap, "nowhere.at.all");
}

static bool leads_into(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(path, prefix, n) == 0 && (path[n] == '.' || path[n] == 0);
}

/* The plan's row against avro-c's value. */
static int compare_plan(struct maker *m, const char *schema, avro_value_t *value, const uint8_t *body, size_t len)
{
    char features[256], score[256], label[256], listed[256];
    char *list[] = {listed};
    int compared = 0;
    some_path(m, value, features, sizeof features);
    some_path(m, value, score, sizeof score);
    some_path(m, value, label, sizeof label);
    some_path(m, value, listed, sizeof listed);
    if (!below(m, 3) || !strchr(listed, '.')) /* a listed field and a member of that very name would share a slot */
        features[0] = 0;
    struct drift_stream s = avro_stream(schema);
    s.features = features;
    s.score = score;
    s.label = label;
    s.feature_fields = list;
    s.n_feature_fields = 1;
    struct drift_decoder *d = avro_decoder(&s);
    struct outcome x = decode_bytes(d, body, len);
    ck_assert_msg(x.rc == 0, "%s\n%s", schema, x.err.text);

    struct drift_buf want, got;
    drift_buf_init(&want, 1 << 20);
    drift_buf_init(&got, 1 << 20);
    const struct {
        const char *path;
        struct drift_value v;
    } roles[] = {{score, x.e->score}, {label, x.e->label}, {listed, {x.e->kind[0], x.e->num[0], x.e->str[0]}}};
    for (int i = 0; i < 3; i++, compared++) {
        show_at(&want, value, roles[i].path);
        show(&got, roles[i].v.kind, roles[i].v.num, roles[i].v.str);
        drift_buf_addf(&want, " %s\n", roles[i].path);
        drift_buf_addf(&got, " %s\n", roles[i].path);
    }
    /* every feature that avro-c sees is there, every feature that we see is right */
    for (uint32_t i = 1; i < x.e->fields->n; i++, compared++) {
        char path[1024];
        snprintf(path, sizeof path, "%s%s%s", features, *features ? "." : "", x.e->fields->names[i]);
        show_at(&want, value, path);
        show(&got, (enum drift_value_kind)x.e->kind[i], x.e->num[i], x.e->str[i]);
        drift_buf_addf(&want, " %s\n", path);
        drift_buf_addf(&got, " %s\n", path);
    }
    avro_value_t at, child;
    size_t n = 0;
    if (at_path(value, features, &at) && nested(&at))
        must(avro_value_get_size(&at, &n));
    for (size_t i = 0; i < n; i++) {
        char name[256], path[1024];
        const char *key;
        must(avro_value_get_by_index(&at, i, &child, &key));
        if (avro_value_get_type(&at) == AVRO_ARRAY)
            snprintf(name, sizeof name, "%zu", i);
        else
            snprintf(name, sizeof name, "%s", key);
        snprintf(path, sizeof path, "%s%s%s", features, *features ? "." : "", name);
        bool used = leads_into(score, path) || leads_into(label, path) || leads_into(listed, path);
        bool named_so = !strcmp(name, listed);
        if (!named_so)
            ck_assert_msg((slot_of(x.e, name) < 0) == used, "%s\nfeature %s, used %d (%s %s %s)", schema, path, used,
                          score, label, listed);
    }
    ck_assert_msg(want.len == got.len && memcmp(want.data, got.data, want.len) == 0, "%s\nwant\n%sgot\n%s", schema,
                  want.data, got.data);
    drift_buf_release(&want);
    drift_buf_release(&got);
    outcome_free(&x);
    drift_decoder_free(d);
    return compared;
}

static void compare_leaves(const struct drift_avro_schema *ours, const char *schema, avro_value_t *value,
                           const uint8_t *body, size_t len)
{
    struct drift_buf want, got;
    drift_buf_init(&want, 1 << 22);
    drift_buf_init(&got, 1 << 22);
    drift_buf_adds(&want, "leaves\n");
    drift_buf_adds(&got, "leaves\n");
    oracle_leaves(&want, value, "", "");
    ck_assert(drift_avro_leaves(ours, body, len, on_leaf, &got));
    ck_assert_msg(want.len == got.len && memcmp(want.data, got.data, want.len) == 0, "%s\nwant\n%sgot\n%s", schema,
                  want.data, got.data);
    drift_buf_release(&want);
    drift_buf_release(&got);
}

/* Prefixes and changed bytes of a good body: no prefix is good, nothing crashes. */
static void disturb(struct maker *m, const char *schema, const uint8_t *body, size_t len)
{
    struct drift_stream s = avro_stream(schema);
    s.features = (char *)"";
    s.score = (char *)"f0.f1";
    struct drift_decoder *d = avro_decoder(&s);
    for (size_t n = 1; n < len; n += 1 + n / 64) {
        struct outcome x = decode_bytes(d, body, n);
        ck_assert_int_eq(x.reason, DRIFT_REASON_MALFORMED);
        outcome_free(&x);
    }
    uint8_t *copy = exact_copy(body, len);
    for (int i = 0; i < 20 && len; i++) {
        copy[below(m, len)] = (uint8_t)drift_rng_u64(&m->rng);
        struct outcome x = decode_bytes(d, copy, len);
        outcome_free(&x);
    }
    free(copy);
    drift_decoder_free(d);
}

START_TEST(random_against_avro_c)
{
    enum { SCHEMAS = 1500, VALUES = 3 };
    struct maker m = {.rng = drift_rng_new(41)};
    int values = 0, compared = 0;
    size_t bytes = 0;
    drift_buf_init(&m.schema, 1 << 20);
    static uint8_t buf[1 << 20];
    for (int i = 0; i < SCHEMAS; i++) {
        drift_buf_reset(&m.schema);
        m.n_names = 0;
        drift_buf_adds(&m.schema, "{\"type\":\"record\",\"name\":\"Root\",\"fields\":[");
        make_fields(&m, 0);
        drift_buf_adds(&m.schema, "]}");
        avro_schema_t schema;
        must(avro_schema_from_json_length(m.schema.data, m.schema.len, &schema));
        avro_value_iface_t *class = avro_generic_class_from_schema(schema);
        struct drift_avro_schema *ours;
        struct drift_err err;
        ck_assert_msg(drift_avro_schema_parse(m.schema.data, m.schema.len, &ours, &err) == 0, "%s", err.text);
        for (int k = 0; k < VALUES; k++) {
            avro_value_t v, back;
            must(avro_generic_value_new(class, &v));
            fill(&m, &v);
            avro_writer_t w = avro_writer_memory((char *)buf, sizeof buf);
            must(avro_value_write(w, &v));
            size_t len = (size_t)avro_writer_tell(w);
            avro_writer_free(w);
            must(avro_generic_value_new(class, &back));
            avro_reader_t r = avro_reader_memory((char *)buf, (int64_t)len);
            must(avro_value_read(r, &back));
            avro_reader_free(r);
            compare_leaves(ours, m.schema.data, &back, buf, len);
            if (len) /* an empty value is refused before its format is looked at */
                compared += compare_plan(&m, m.schema.data, &back, buf, len);
            if (!k && i % 10 == 0)
                disturb(&m, m.schema.data, buf, len);
            values++;
            bytes += len;
            avro_value_decref(&v);
            avro_value_decref(&back);
        }
        drift_avro_schema_free(ours);
        avro_value_iface_decref(class);
        avro_schema_decref(schema);
    }
    drift_buf_release(&m.schema);
    printf("%d values of %d schemas, %zu bytes, %d places compared\n", values, SCHEMAS, bytes, compared);
    ck_assert_int_ge(values, 4000);
    ck_assert_int_ge(compared, 12000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("avro");
    drift_test_add(s, "kinds", kinds, 10);
    drift_test_add(s, "maps_and_arrays_of_features", maps_and_arrays_of_features, 10);
    drift_test_add(s, "logical_time", logical_time, 10);
    drift_test_add(s, "schemas_refused", schemas_refused, 20);
    drift_test_add(s, "names_are_resolved", names_are_resolved, 10);
    drift_test_add(s, "hostile_bytes", hostile_bytes, 10);
    drift_test_add(s, "recursion", recursion, 10);
    drift_test_add(s, "random_against_avro_c", random_against_avro_c, 100);
    return drift_test_run(s);
}
