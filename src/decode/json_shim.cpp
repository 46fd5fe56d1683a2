/* src/decode/json_shim.cpp    simdjson On-Demand behind json_shim.h; the project's only C++.
 *
 * simdjson finds the structure and unescapes strings; common numbers are converted by json_num.h (10 ns instead of
 * 24), the others by the standard library.  The record is copied once into a padded buffer, since its owner is
 * librdkafka. The padding is zero: an unbalanced record reads its first byte, which is no token, and stops. */
#include "driftd/internal/decode/json_shim.h"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <new>

/* simdjson's assertions on its own state cost a tenth; builds with a sanitizer, the fuzzers' too, keep them. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEP_ASSERTIONS 1
#endif
#endif
#if !defined(KEEP_ASSERTIONS) && !defined(__SANITIZE_ADDRESS__) && !defined(NDEBUG)
#define NDEBUG
#endif
#include <simdjson.h>

#include "driftd/internal/decode/json_num.h"

using namespace simdjson;

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "eight digits at once are read as little endian");

/* Behind the text: what simdjson wants, a whole key's compare, and a number's loads. */
static const size_t PADDING = SIMDJSON_PADDING + DRIFT_NAME_MAX + 8 + DRIFT_JSON_NUM_READS;

struct drift_json {
    ondemand::parser parser;
    char *buf;
    size_t cap;
    const char *why;
};

extern "C" struct drift_json *drift_json_new(void)
{
    struct drift_json *j = new (std::nothrow) drift_json();
    return j;
}
extern "C" void drift_json_free(struct drift_json *j)
{
    if (j)
        free(j->buf);
    delete j;
}

namespace
{
struct walker {
    struct drift_json *j;
    struct drift_paths *paths;
    struct drift_row *row;

    bool refuse(const char *why)
    {
        j->why = why;
        return false;
    }
    bool refuse(error_code error)
    {
        return refuse(error_message(error));
    }
    bool object(ondemand::object &o, uint32_t node);
    bool array(ondemand::array &a, uint32_t node);
    bool member(ondemand::value v, struct drift_key *k);
    bool scalar(ondemand::value &v, std::string_view token, uint32_t target);
};

inline bool matches(const struct drift_key *k, uint32_t node, const char *raw)
{
    if (k->node != node || !k->plain || (drift_load8(raw) & k->mask) != k->head)
        return false;
    return k->n < 8 || (std::memcmp(raw + 8, k->name + 8, k->n - 8) == 0 && raw[k->n] == '"');
}

std::string_view trimmed(std::string_view t)
{
    while (!t.empty() && (t.back() == ' ' || t.back() == '\n' || t.back() == '\r' || t.back() == '\t'))
        t.remove_suffix(1);
    return t;
}

/* NaN and infinities as JSON writers of the world spell them. */
bool is_nonfinite(std::string_view t)
{
    if (!t.empty() && t[0] == '-')
        t.remove_prefix(1);
    for (const char *word : {"nan", "inf", "infinity"})
        if (t.size() == std::strlen(word) && strncasecmp(t.data(), word, t.size()) == 0)
            return true;
    return false;
}

bool digit(char c)
{
    return c >= '0' && c <= '9';
}
/* RFC 8259, section 6. */
bool is_number(std::string_view t, bool *ret_whole)
{
    size_t i = 0, n = t.size();
    auto run = [&] {
        size_t from = i;
        while (i < n && digit(t[i]))
            i++;
        return i - from;
    };
    if (i < n && t[i] == '-')
        i++;
    bool zero = i < n && t[i] == '0';
    size_t digits = run();
    if (!digits || (zero && digits > 1))
        return false;
    *ret_whole = i == n;
    if (i < n && t[i] == '.') {
        i++;
        if (!run())
            return false;
    }
    if (i < n && (t[i] == 'e' || t[i] == 'E')) {
        i++;
        if (i < n && (t[i] == '+' || t[i] == '-'))
            i++;
        if (!run())
            return false;
    }
    return i == n;
}

/* simdjson 3.0.1 misreads numbers of more than 19 digits that begin with "0.", hence the standard library. */
double slow_number(std::string_view t)
{
    double d = 0;
    if (std::from_chars(t.data(), t.data() + t.size(), d).ec == std::errc())
        return d;
    return std::strtod(t.data(), nullptr); /* out of range: 0 or infinity; the token ends at a byte of no number */
}

bool number(struct drift_row *row, uint32_t target, std::string_view token)
{
    bool whole;
    int64_t i;
    if (!is_number(token, &whole)) {
        if (!is_nonfinite(token))
            return false;
        drift_row_nonfinite(row, target);
        return true;
    }
    if (target < DRIFT_N_EXACT) {
        row->is_whole[target] = false;
        row->str[target] = {token.data(), token.size()}; /* an id longer than 64 bits keeps its digits */
        if (whole && std::from_chars(token.data(), token.data() + token.size(), i).ec == std::errc()) {
            drift_row_whole(row, target, i);
            return true;
        }
    }
    drift_row_num(row, target, slow_number(token));
    return true;
}
} // namespace

extern "C" bool drift_json_token(struct drift_row *row, uint32_t target, const char *p, size_t n)
{
    std::string_view token(p, n);
    if (n && (*p == '-' || digit(*p)))
        return number(row, target, token);
    if (token == "null")
        drift_row_null(row, target);
    else if (token == "true" || token == "false")
        drift_row_bool(row, target, *p == 't');
    else if (is_nonfinite(token))
        drift_row_nonfinite(row, target);
    else
        return false;
    return true;
}

namespace
{
bool walker::scalar(ondemand::value &v, std::string_view token, uint32_t target)
{
    double d;
    if (token[0] == '"') {
        std::string_view s;
        error_code error = v.get_string().get(s);
        if (error)
            return refuse(error);
        drift_row_str(row, target, s.data(), s.size());
        return true;
    }
    if (target >= DRIFT_N_EXACT && drift_json_num(token.data(), &d)) {
        row->num[target] = d;
        row->kind[target] = DRIFT_V_NUM;
        return true;
    }
    token = trimmed(token);
    return drift_json_token(row, target, token.data(), token.size()) || refuse("a value is not JSON");
}

bool walker::member(ondemand::value v, struct drift_key *k)
{
    std::string_view token = v.raw_json_token();
    if (token.empty())
        return refuse("a value is missing");
    char c = token[0];
    if (k->child != DRIFT_NOWHERE && !drift_paths_enter(paths, k))
        return refuse("the same object again and again");
    if (c != '{' && c != '[')
        return k->target == DRIFT_NOWHERE || scalar(v, token, k->target);
    if (k->target != DRIFT_NOWHERE)
        drift_row_other(row, k->target);
    if (k->child == DRIFT_NOWHERE)
        return true;
    error_code error;
    if (c == '{') {
        ondemand::object o;
        if ((error = v.get_object().get(o)))
            return refuse(error);
        return object(o, k->child);
    }
    ondemand::array a;
    if ((error = v.get_array().get(a)))
        return refuse(error);
    return array(a, k->child);
}

bool walker::array(ondemand::array &a, uint32_t node)
{
    uint64_t i = 0;
    for (auto element : a) {
        ondemand::value v;
        error_code error = element.get(v);
        if (error)
            return refuse(error);
        struct drift_key *k = drift_paths_element(paths, node, i++);
        if (k && !member(v, k))
            return false;
    }
    return true;
}

bool walker::object(ondemand::object &o, uint32_t node)
{
    uint32_t *hint = &paths->nodes[node].first;
    /* no call may take the address of `f` or of a value: they must stay in registers, since copies through memory
     * (stored in small parts, loaded in one) cost more than reading the key and the number */
    for (auto f : o) {
        ondemand::raw_json_string key;
        error_code error = f.key().get(key);
        if (error)
            return refuse(error);
        const char *raw = key.raw();
        struct drift_key *k = &paths->keys[*hint];
        if (!matches(k, node, raw)) {
            size_t n = std::strcspn(raw, "\"\\"); /* stage 1 saw the closing quote; the padding ends in zeros anyway */
            std::string_view name(raw, n);
            if (raw[n] != '"' && (error = f.unescaped_key().get(name)))
                return refuse(error);
            k = drift_paths_find(paths, node, name.data(), name.size());
            if (!k)
                continue;
            *hint = static_cast<uint32_t>(k - paths->keys);
        }
        hint = &k->next;
        if (k->quick && drift_json_num(f.value().raw_json_token().value_unsafe().data(), &row->num[k->target]))
            row->kind[k->target] = DRIFT_V_NUM;
        else if ((k->target != DRIFT_NOWHERE || k->child != DRIFT_NOWHERE) && !member(f.value().value_unsafe(), k))
            return false;
    }
    return true;
}

bool make_room(struct drift_json *j, size_t len)
{
    if (len <= j->cap && j->buf)
        return true;
    size_t cap = j->cap ? j->cap : 16384;
    while (cap < len)
        cap *= 2;
    char *buf = static_cast<char *>(std::realloc(j->buf, cap + PADDING));
    if (!buf)
        return false;
    j->buf = buf;
    if (j->parser.allocate(cap) != SUCCESS)
        return false;
    j->cap = cap;
    return true;
}
} // namespace

extern "C" int drift_json_walk(struct drift_json *j, const uint8_t *text, size_t len, struct drift_paths *paths,
                               const char **ret_why)
{
    if (!make_room(j, len)) {
        *ret_why = "out of memory";
        return DRIFT_E_MEMORY;
    }
    std::memcpy(j->buf, text, len);
    std::memset(j->buf + len, 0, PADDING);
    walker w = {j, paths, &paths->row};
    j->why = "not JSON";
    ondemand::document doc;
    ondemand::object root;
    error_code error;
    const char *end;
    bool good = false;
    /* newer simdjson skips a byte order mark, older refuses it: refused by both */
    if (len >= 3 && std::memcmp(text, "\xef\xbb\xbf", 3) == 0)
        j->why = "begins with a byte order mark";
    else if ((error = j->parser.iterate(j->buf, len, len + PADDING).get(doc)) || (error = doc.get_object().get(root)))
        w.refuse(error);
    else if (w.object(root, 0))
        good = doc.current_location().get(end) == OUT_OF_BOUNDS || w.refuse("more text behind the object");
    *ret_why = j->why;
    return good ? 0 : DRIFT_E_PARSE;
}
