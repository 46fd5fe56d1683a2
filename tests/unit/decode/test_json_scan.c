/* tests/unit/decode/test_json_scan.c    Records read by a learned skeleton against the same records walked. */
#include "decode_case.h"

#include "driftd/internal/decode/json_scan.h"
#include "driftd/internal/decode/json_shim.h"
#include "driftd/internal/decode/paths.h"

/* One stream twice: `fast` tries the scanner first, `plain` never does. */
struct twins {
    struct drift_stream stream;
    struct drift_paths fast, plain;
    struct drift_json *fast_json, *plain_json;
    struct drift_json_scan *scan;
    uint64_t hits, refused, records; /* hits: of scanners before */
};

static void twins_init(struct twins *t, const struct drift_stream *s)
{
    struct drift_err err;
    *t = (struct twins){.stream = *s};
    ck_assert_int_eq(drift_paths_init(&t->fast, s, &err), 0);
    ck_assert_int_eq(drift_paths_init(&t->plain, s, &err), 0);
    t->fast_json = drift_json_new();
    t->plain_json = drift_json_new();
    t->scan = drift_json_scan_new();
}
static void twins_release(struct twins *t)
{
    drift_paths_release(&t->fast);
    drift_paths_release(&t->plain);
    drift_json_free(t->fast_json);
    drift_json_free(t->plain_json);
    drift_json_scan_free(t->scan);
}
/* As if nothing had been read, but for the names of fields. */
static void twins_forget(struct twins *t)
{
    t->hits += drift_json_scan_hits(t->scan);
    drift_json_scan_free(t->scan);
    t->scan = drift_json_scan_new();
}
static uint64_t twins_hits(const struct twins *t)
{
    return t->hits + drift_json_scan_hits(t->scan);
}

static bool same_str(struct drift_str a, struct drift_str b)
{
    return a.n == b.n && (!a.n || memcmp(a.p, b.p, a.n) == 0);
}

static bool same_value(const struct drift_row *a, const struct drift_row *b, uint32_t i)
{
    bool exact = i < DRIFT_N_EXACT && b->kind[i] == DRIFT_V_NUM;
    if (a->kind[i] != b->kind[i])
        return false;
    if ((b->kind[i] == DRIFT_V_NUM || b->kind[i] == DRIFT_V_BOOL) && memcmp(&a->num[i], &b->num[i], 8) != 0)
        return false;
    if (exact && (a->is_whole[i] != b->is_whole[i] || (b->is_whole[i] && a->whole[i] != b->whole[i])))
        return false;
    return !(b->kind[i] == DRIFT_V_STR || (exact && !b->is_whole[i])) || same_str(a->str[i], b->str[i]);
}

/* Check writes a line for each assertion that holds: these are too many. */
#define must(what, text, n, ...)                                                                                       \
    do {                                                                                                               \
        if (!(what))                                                                                                   \
            ck_abort_msg("%.*s\n" __VA_ARGS__, (int)(n), (text));                                                      \
    } while (0)

static void compare_rows(const struct twins *t, const char *text, size_t n)
{
    must(t->fast.fields.n == t->plain.fields.n && t->fast.refused == t->plain.refused, text, n, "makes other fields");
    for (uint32_t i = 0; i < DRIFT_N_PLACE + t->plain.fields.n; i++)
        must(same_value(&t->fast.row, &t->plain.row, i), text, n, "differs from the walked in some place");
}

/* True if the record is good; what both say of it is the same. */
static bool twins_read(struct twins *t, const char *text, size_t n)
{
    uint8_t *copy = exact_copy(text, n);
    const char *why;
    t->records++;
    drift_paths_reset(&t->fast);
    int fast = 0;
    if (!drift_json_scan_try(t->scan, copy, n, &t->fast.row)) {
        drift_paths_reset(&t->fast);
        fast = drift_json_walk(t->fast_json, copy, n, &t->fast, &why);
        if (!fast)
            drift_json_scan_learn(t->scan, copy, n, &t->fast);
    }
    drift_paths_reset(&t->plain);
    int plain = drift_json_walk(t->plain_json, copy, n, &t->plain, &why);
    must(fast == plain, text, n, "is good for one only");
    t->refused += plain != 0;
    if (!plain) {
        drift_paths_settle(&t->fast);
        drift_paths_settle(&t->plain);
        compare_rows(t, text, n);
    }
    free(copy);
    return !plain;
}
static bool twins_text(struct twins *t, const char *text)
{
    return twins_read(t, text, strlen(text));
}

/* `text`, seen by a scanner that knows only `model`. */
static bool twins_after(struct twins *t, const char *model, const char *text, size_t n)
{
    twins_forget(t);
    must(twins_text(t, model), model, strlen(model), "is refused");
    return twins_read(t, text, n);
}

static struct drift_stream role_stream(void)
{
    struct drift_stream s = json_stream();
    s.id = (char *)"id";
    s.model = (char *)"meta.model";
    s.model_value = NULL;
    s.version[DRIFT_VERSION_MODEL] = (char *)"meta.v";
    s.score = (char *)"score";
    s.decision = (char *)"f.d";
    s.label = (char *)"id";
    return s;
}

static const char *const values[] = {"1",
                                     "-1",
                                     "0",
                                     "-0",
                                     "0.5",
                                     "-0.25",
                                     "12345678",
                                     "123456789012345678",
                                     "9223372036854775807",
                                     "9223372036854775808",
                                     "-9223372036854775808",
                                     "-9223372036854775809",
                                     "12345678901234567890123",
                                     "1.5e3",
                                     "1E+3",
                                     "1e-05",
                                     "5e-324",
                                     "1e400",
                                     "-1e400",
                                     "1e-400",
                                     "0.1234567890123456789",
                                     "1234567.123456789012345",
                                     "3.1415926535897932384626433832795028841971",
                                     "01",
                                     "-01",
                                     "+1",
                                     ".5",
                                     "1.",
                                     "1.e3",
                                     "1e",
                                     "1e+",
                                     "-",
                                     "--1",
                                     "1-",
                                     "0x10",
                                     "1..2",
                                     "12a",
                                     "1 2",
                                     "1;",
                                     "NaN",
                                     "nan",
                                     "-nan",
                                     "+nan",
                                     "Infinity",
                                     "-Infinity",
                                     "inf",
                                     "-INF",
                                     "infin",
                                     "null",
                                     "Null",
                                     "nul",
                                     "nulll",
                                     "true",
                                     "false",
                                     "truefalse",
                                     "tru",
                                     "abc",
                                     "a-b",
                                     "a_b",
                                     "a:b",
                                     "",
                                     " ",
                                     "\t7\n",
                                     " 7",
                                     "7 ",
                                     "7\v",
                                     "\"\"",
                                     "\"a\"",
                                     "\"1.5\"",
                                     "\"longer than eight\"",
                                     "\"exactly8\"",
                                     "\"1234567\\u0041\"",
                                     "\"\\\"\"",
                                     "\"\\\\\"",
                                     "\"\\\"",
                                     "\"a\\nb\"",
                                     "\"\\x\"",
                                     "\"\\ud800\"",
                                     "\"a\nb\"",
                                     "\"tab\tin it\"",
                                     "\"\x1f\"",
                                     "\"\x7f\"",
                                     "\"gr\xc3\xbc\xc3\x9f\"",
                                     "\"\xe5\x90\x8d\xe5\x89\x8d is a name\"",
                                     "\"\xf0\x9f\x98\x80\"",
                                     "\"\xff\"",
                                     "\"\xc0\x80\"",
                                     "\"\xed\xa0\x80\"",
                                     "\"12345678\x80\"",
                                     "\"\xc3\"",
                                     "\"open",
                                     "open\"",
                                     "\"a\"b",
                                     "\"a\"\"b\"",
                                     "{}",
                                     "{\"x\":1}",
                                     "[]",
                                     "[1,2]",
                                     "[",
                                     "]",
                                     "{",
                                     "}",
                                     ",",
                                     ":",
                                     "\"a\":1",
                                     "1,\"q\":2",
                                     "1,\"x\":2",
                                     "1}",
                                     "1,",
                                     "\xc3\xbc",
                                     "\xff",
                                     "\x80",
                                     "7\xff"};

/* Every value at every place, wanted and not, far from the end and near it. */
START_TEST(values_at_every_place)
{
    static const char *const shapes[] = {
        "{\"id\":@,\"t\":@,\"meta\":{\"model\":@,\"v\":@},\"junk\":@,\"f\":{\"a\":@,\"d\":@,\"b\":@},\"score\":@}",
        "{\"score\":@,\"f\":{\"d\":@,\"x\":@},\"unused\":{\"deep\":{\"a\":@}},\"id\":@}",
        " { \"f\" : { \"a\" : @ , \"b\" : @ } ,\n\t\"meta\" : @ , \"t\" : @ }\r\n",
        "{\"f\":{\"a long name of a feature\":@},\"another, behind "
        "it\":@,\"pad\":\"................................\"}",
        "{\"x\":@}",
    };
    struct drift_stream s = role_stream();
    struct twins t;
    size_t good = 0, asked = 0;
    twins_init(&t, &s);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int place = 0;; place++) {
            bool there = false;
            for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                char model[1024] = "", text[1024] = "";
                int at = 0;
                for (const char *p = shapes[i]; *p; p++)
                    if (*p == '@') {
                        strcat(model, "3.25");
                        strcat(text, at == place ? values[v] : at % 3 ? "17" : "\"text\"");
                        there |= at++ == place;
                    } else {
                        strncat(model, p, 1);
                        strncat(text, p, 1);
                    }
                if (!there)
                    break;
                asked++;
                good += twins_after(&t, model, text, strlen(text));
            }
            if (!there)
                break;
        }
    printf("%zu records, %zu good, %ju without the walker\n", asked, good, (uintmax_t)twins_hits(&t));
    ck_assert_uint_ge(asked, 2000);
    ck_assert_uint_ge(twins_hits(&t), asked / 3);
    twins_release(&t);
}
END_TEST

static const char *const small =
    "{\"id\":\"a-17\",\"t\":1767225600000,\"meta\":{\"model\":\"m\xc3\xbc\",\"v\":3},\"f\":{\"a\":1.25,\"b\":null,"
    "\"c\":-0.00012345678901,\"d\":\"block\"},\"junk\":{\"q\":true,\"r\":\"text\"},\"score\":0.5}";

/* Every byte by every other, every cut, every byte taken out, every byte twice. */
START_TEST(every_byte_changed)
{
    struct drift_stream s = role_stream();
    struct twins t;
    size_t n = strlen(small), good = 0;
    char text[512];
    twins_init(&t, &s);
    for (size_t i = 0; i < n; i++) {
        memcpy(text, small, n);
        for (int c = 0; c < 256; c++) {
            text[i] = (char)c;
            good += twins_after(&t, small, text, n);
        }
        good += twins_after(&t, small, small, i);
        memmove(text + i, small + i + 1, n - i - 1);
        good += twins_after(&t, small, text, n - 1);
        memcpy(text + i, small + i, n - i);
        text[i] = small[i];
        memcpy(text + i + 1, small + i, n - i);
        good += twins_after(&t, small, text, n + 1);
    }
    printf("%ju records, %zu good, %ju without the walker\n", (uintmax_t)t.records / 2, good,
           (uintmax_t)twins_hits(&t));
    ck_assert_uint_ge(good, 5000);
    ck_assert_uint_ge(twins_hits(&t), 2000);
    twins_release(&t);
}
END_TEST

/* Records cut within a value so long that no copy of the end is made before it: ASan watches. */
START_TEST(cut_in_a_long_value)
{
    static const char *const starts[] = {"\"text ", "\"gr\xc3\xbc ", "1e", "1e4", "-0.", "12345678", "nan"};
    struct drift_stream s = json_stream();
    struct twins t;
    twins_init(&t, &s);
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        for (int n = 1; n < 100; n++) {
            char text[256];
            snprintf(text, sizeof text, "{\"f\":{\"x\":%s%0*d", starts[i], n, 9);
            must(!twins_after(&t, "{\"f\":{\"x\":1.5}}", text, strlen(text)), text, strlen(text), "is good");
            strcat(text, *starts[i] == '"' ? "\"}}" : "}}");
            must(twins_after(&t, "{\"f\":{\"x\":1.5}}", text, strlen(text)) == (*starts[i] != 'n'), text, strlen(text),
                 "is not as expected");
        }
    twins_release(&t);
}
END_TEST

/* A random shape: members, some nested, some of no use, some twice; '@' stands for a value. */
struct shape {
    char text[8192];
    size_t n;
};

static void put(struct shape *s, const char *z)
{
    size_t n = strlen(z);
    if (s->n + n < sizeof s->text - 1)
        memcpy(s->text + s->n, z, n + 1), s->n += n;
}
static void put_space(struct shape *s, struct drift_rng *r, int style)
{
    static const char *const spaces[] = {" ", "\n", "\t\r\n ", "  "};
    if (style == 1)
        put(s, " ");
    if (style == 2 && drift_rng_below(r, 3) == 0)
        put(s, spaces[drift_rng_below(r, 4)]);
}
static void put_object(struct shape *s, struct drift_rng *r, int style, int depth)
{
    static const char *const names[] = {"id",
                                        "t",
                                        "meta",
                                        "model",
                                        "v",
                                        "f",
                                        "score",
                                        "d",
                                        "a",
                                        "a.b",
                                        "ab",
                                        "abcdefg",
                                        "abcdefgh",
                                        "abcdefghi",
                                        "l\xc3\xa4nge",
                                        "\xe5\x90\x8d\xe5\x89\x8d",
                                        "",
                                        "esc\\n",
                                        "a rather long name of a feature that somebody once had to type"};
    int members = (int)drift_rng_below(r, depth ? 12 : 20);
    put(s, "{");
    for (int i = 0; i < members; i++) {
        char name[80];
        uint64_t k = drift_rng_below(r, 60);
        snprintf(name, sizeof name, "%s\"%s", i ? "," : "", k < 19 ? names[k] : "");
        put_space(s, r, style);
        put(s, name);
        if (k >= 19) {
            snprintf(name, sizeof name, "f%02d", depth * 20 + i);
            put(s, name);
        }
        put(s, "\"");
        put_space(s, r, style == 2 ? 2 : 0);
        put(s, ":");
        put_space(s, r, style);
        bool nest = depth < 4 && (k == 2 || k == 5 ? drift_rng_below(r, 8) > 0 : drift_rng_below(r, 12) == 0);
        if (nest)
            put_object(s, r, style, depth + 1);
        else
            put(s, "@");
    }
    put_space(s, r, style == 2 ? 2 : 0);
    put(s, "}");
}

static void put_value(struct shape *s, struct drift_rng *r)
{
    char buf[64];
    switch (drift_rng_below(r, 14)) {
    case 0:
        put(s, "null");
        break;
    case 1:
        put(s, drift_rng_below(r, 2) ? "true" : "false");
        break;
    case 2:
        snprintf(buf, sizeof buf, "\"%0*d\"", (int)drift_rng_below(r, 40) + 1, 7);
        put(s, buf);
        break;
    case 3:
        snprintf(buf, sizeof buf, "%jd", (intmax_t)((int64_t)drift_rng_u64(r) >> drift_rng_below(r, 64)));
        put(s, buf);
        break;
    case 4:
        snprintf(buf, sizeof buf, "%.17g", drift_rng_gauss(r) * pow(10, (double)drift_rng_below(r, 40) - 20));
        put(s, buf);
        break;
    case 5:
        if (drift_rng_below(r, 30) == 0)
            put(s, values[drift_rng_below(r, sizeof values / sizeof *values)]);
        else
            put(s, "\"text\"");
        break;
    default:
        snprintf(buf, sizeof buf, "%.*f", (int)drift_rng_below(r, 15) + 1, drift_rng_gauss(r) * 100);
        put(s, buf);
    }
}
static void fill(struct shape *ret, const struct shape *s, struct drift_rng *r)
{
    ret->n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->text[i] == '@')
            put_value(ret, r);
        else
            put(ret, (char[]){s->text[i], 0});
}
static void damage(struct shape *s, struct drift_rng *r)
{
    size_t at = drift_rng_below(r, s->n), more = drift_rng_below(r, 4);
    switch (drift_rng_below(r, 4)) {
    case 0:
        s->n = at;
        break;
    case 1:
        s->text[at] = (char)drift_rng_u64(r);
        break;
    case 2:
        s->text[at] = "\"\\{}[]:, 0-.eN\n"[drift_rng_below(r, 15)];
        break;
    default:
        more = more < s->n - at ? more : s->n - at;
        memmove(s->text + at, s->text + at + more, s->n - at - more);
        s->n -= more;
    }
}

static void run_shapes(const struct drift_stream *stream, uint64_t seed, int shapes)
{
    static struct shape shape, doc;
    struct drift_rng r = drift_rng_new(seed);
    struct twins t;
    twins_init(&t, stream);
    for (int i = 0; i < shapes; i++) {
        shape.n = 0;
        if (i % 4 == 0)
            twins_forget(&t); /* else the scanner has a past of other shapes, and may rest */
        put_space(&shape, &r, i % 3);
        put_object(&shape, &r, i % 3, 0);
        put_space(&shape, &r, i % 3);
        for (int k = 0; k < 24; k++) {
            fill(&doc, &shape, &r);
            if (drift_rng_below(&r, 8) == 0 && doc.n)
                damage(&doc, &r);
            twins_read(&t, doc.text, doc.n);
        }
    }
    printf("%ju records, %ju refused, %ju without the walker, %u fields\n", (uintmax_t)t.records, (uintmax_t)t.refused,
           (uintmax_t)twins_hits(&t), t.plain.fields.n);
    ck_assert_uint_ge(twins_hits(&t), t.records / 10);
    ck_assert_uint_ge(t.refused, t.records / 50);
    twins_release(&t);
}

START_TEST(random_shapes)
{
    static char *named[] = {(char *)"f.a", (char *)"meta.v", (char *)"id", (char *)"a"};
    struct drift_stream s = role_stream();
    run_shapes(&s, 31, 4000);
    s.features = (char *)"";
    run_shapes(&s, 32, 4000);
    s.max_fields = 40;
    run_shapes(&s, 33, 4000);
    s.features = (char *)"f";
    s.n_feature_fields = 4;
    s.feature_fields = named;
    run_shapes(&s, 34, 4000);
    s.features = NULL;
    run_shapes(&s, 35, 2000);
}
END_TEST

/* Login events of 50 features, each after a good one; two of three damaged. */
START_TEST(events_damaged)
{
    static struct shape shape, model, doc;
    struct drift_stream s = role_stream();
    struct drift_rng r = drift_rng_new(36);
    struct twins t;
    char name[64];
    twins_init(&t, &s);
    put(&shape,
        "{\"id\":\"0f3a-17\",\"t\":1767225600000,\"meta\":{\"model\":\"phish-login\",\"v\":\"2026.01.3\"},\"f\":{");
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "%s\"%s_%d\":@", i ? "," : "", i % 3 ? "url_length" : "f", i);
        put(&shape, name);
    }
    put(&shape, "},\"country\":\"DE\",\"device\":@,\"score\":0.25,\"label\":@}");
    for (int i = 0; i < DRIFT_TEST_ROUNDS(20000); i++) {
        do {
            fill(&model, &shape, &r);
        } while (!twins_read(&t, model.text, model.n)); /* an odd value may be among them */
        fill(&doc, &shape, &r);
        if (i % 3)
            damage(&doc, &r);
        twins_after(&t, model.text, doc.text, doc.n);
    }
    printf("%ju records, %ju refused, %ju without the walker\n", (uintmax_t)t.records, (uintmax_t)t.refused,
           (uintmax_t)twins_hits(&t));
    ck_assert_uint_ge(twins_hits(&t), DRIFT_TEST_ROUNDS(10000));
    ck_assert_uint_ge(t.refused, DRIFT_TEST_ROUNDS(1000));
    twins_release(&t);
}
END_TEST

/* A record of n features; `odd` makes another shape of it. */
static char *wide(int n, bool odd)
{
    char *text = malloc(64 + (size_t)n * 24), *p = text;
    p += sprintf(p, "{\"t\":%d,\"%s\":{", n, odd ? "g" : "f");
    for (int i = 0; i < n; i++)
        p += sprintf(p, "%s\"f%d\":%d.5", i ? "," : "", i, i);
    sprintf(p, "}}");
    return text;
}

START_TEST(shapes_change)
{
    struct drift_stream s = json_stream();
    struct twins t;
    char *a = wide(20, false), *b = wide(20, true);
    twins_init(&t, &s);
    for (int i = 0; i < 10; i++)
        twins_text(&t, a);
    ck_assert_uint_eq(twins_hits(&t), 9);
    twins_text(&t, b); /* one stranger is no new shape */
    twins_text(&t, a);
    ck_assert_uint_eq(twins_hits(&t), 10);
    for (int i = 0; i < 10; i++)
        twins_text(&t, b);
    ck_assert_uint_eq(twins_hits(&t), 18);
    free(a);
    free(b);
    twins_release(&t);
}
END_TEST

START_TEST(rests_when_it_misses)
{
    struct drift_stream s = json_stream();
    struct twins t;
    char *a = wide(20, false), *b = wide(20, true);
    twins_init(&t, &s);
    for (int i = 0; i < 3 * DRIFT_JSON_SCAN_WINDOW; i++)
        twins_text(&t, i % 5 ? a : b); /* a fifth is bearable */
    ck_assert_uint_ge(twins_hits(&t), 3 * DRIFT_JSON_SCAN_WINDOW / 2);
    for (int i = 0; i < DRIFT_JSON_SCAN_WINDOW; i++)
        twins_text(&t, i % 2 ? a : b); /* a half is not */
    uint64_t hits = twins_hits(&t);
    int rest = 0;
    for (; rest < 2 * DRIFT_JSON_SCAN_REST && twins_hits(&t) == hits; rest++)
        twins_text(&t, a);
    ck_assert_int_ge(rest, DRIFT_JSON_SCAN_REST - DRIFT_JSON_SCAN_WINDOW);
    ck_assert_int_le(rest, DRIFT_JSON_SCAN_REST + 2);
    twins_text(&t, a);
    ck_assert_uint_eq(twins_hits(&t), hits + 2);
    free(a);
    free(b);
    twins_release(&t);
}
END_TEST

/* How many of two equal records go without the walker. */
static uint64_t hits_of(const struct drift_stream *s, const char *text)
{
    struct twins t;
    twins_init(&t, s);
    must(twins_text(&t, text) && twins_text(&t, text), text, strlen(text), "is refused");
    uint64_t hits = twins_hits(&t);
    twins_release(&t);
    return hits;
}

START_TEST(what_is_learned)
{
    struct drift_stream s = json_stream();
    static const struct {
        const char *text;
        uint64_t hits;
    } cases[] = {
        {"{}", 1},
        {"{\"f\":{}}", 1},
        {"{\"f\":{\"a\":{\"b\":1}},\"t\":1} ", 1},
        {"{\"t\":1,\"f\":{\"a\":1,\"a\":2}}", 1},
        {"{\"t\":1,\"junk\":{\"a\":1},\"junk\":{\"a\":2}}", 1},
        {"{\"t\":1,\"f\":{\"a\":1},\"f\":{\"a\":2}}", 0},
        {"{\"t\":1,\"f\":[1,2]}", 0},
        {"{\"t\":1,\"junk\":[]}", 0},
        {"{\"t\":1,\"j\\u0075nk\":1}", 0},
        {"{\"t\":1,\"junk\":{\"a\" 1}}", 0}, /* the walker does not look into what nobody wants */
        {"{\"t\":1,\"junk\":{a:1}}", 0},
        {"{\"t\":1,\"junk\":\"\\q\"}", 0}, /* nor at its escapes */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(hits_of(&s, cases[i].text) == cases[i].hits, "%s", cases[i].text);
    for (int depth = 10; depth < 20; depth++) {
        char text[256] = "";
        for (int i = 1; i < depth; i++)
            strcat(text, "{\"a\":");
        strcat(text, "{}");
        memset(text + strlen(text), '}', (size_t)depth - 1);
        ck_assert_uint_eq(hits_of(&s, text), depth <= 16);
    }
    char *most = wide(510, false), *more = wide(511, false); /* and a time, and the end */
    ck_assert_uint_eq(hits_of(&s, most), 1);
    ck_assert_uint_eq(hits_of(&s, more), 0);
    s.max_fields = 509; /* a name that is refused must be counted each time */
    ck_assert_uint_eq(hits_of(&s, most), 0);
    free(most);
    free(more);
    for (int n = 500; n < 520; n++) { /* {"...":1} */
        char text[600];
        snprintf(text, sizeof text, "{\"%0*d\":1}", n - 4, 0);
        ck_assert_uint_eq(hits_of(&s, text), n <= 512);
    }
}
END_TEST

/* Rows of a realistic stream, in the event that the decoder makes of them. */
START_TEST(through_the_decoder)
{
    struct drift_stream s = role_stream();
    struct drift_decoder *d = new_decoder(&s, NULL);
    for (int i = 0; i < 100; i++) {
        char text[512], id[32];
        snprintf(id, sizeof id, "%d-\xc3\xbc", i);
        snprintf(text, sizeof text,
                 "{\"id\":\"%s\",\"t\":%d,\"meta\":{\"model\":\"m%d\",\"v\":%d},\"f\":{\"x\":%d.5,\"d\":\"%s\"},"
                 "\"score\":%s}",
                 id, 1000 + i, i % 3, i, i, i % 2 ? "y" : "n", i % 10 ? "0.75" : "NaN");
        struct outcome o = decode_text(d, text);
        ck_assert_int_eq(o.rc, 0);
        ck_text(o.e->id, id);
        ck_assert_int_eq(o.e->time_ms, 1000 + i);
        ck_assert_int_eq(o.e->model.p[1], '0' + i % 3);
        ck_assert_int_eq(atoi(o.e->version[DRIFT_VERSION_MODEL].p), i);
        ck_assert_double_eq(o.e->num[slot_of(o.e, "x")], i + .5);
        ck_text(o.e->decision.str, i % 2 ? "y" : "n");
        ck_assert_int_eq(o.e->score.kind, i % 10 ? DRIFT_V_NUM : DRIFT_V_NONFINITE);
        ck_text(o.e->label.str, id);
        outcome_free(&o);
    }
    drift_decoder_free(d);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json_scan");
    drift_test_add(s, "values_at_every_place", values_at_every_place, 60);
    drift_test_add(s, "every_byte_changed", every_byte_changed, 100);
    drift_test_add(s, "cut_in_a_long_value", cut_in_a_long_value, 10);
    drift_test_add(s, "random_shapes", random_shapes, 100);
    drift_test_add(s, "events_damaged", events_damaged, 100);
    drift_test_add(s, "shapes_change", shapes_change, 10);
    drift_test_add(s, "rests_when_it_misses", rests_when_it_misses, 30);
    drift_test_add(s, "what_is_learned", what_is_learned, 30);
    drift_test_add(s, "through_the_decoder", through_the_decoder, 10);
    return drift_test_run(s);
}
