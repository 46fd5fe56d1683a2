/* src/decode/json_scan.c    JSON records that look like the one before, in one pass without a parser.
 *
 * Half of the parser's time goes into finding out a structure that is known already.  Rejected: one list of commas
 * first (measured slower), and reading past the end with the luck of the page (sanitizers and hostile records). */
#include "driftd/internal/decode/json_scan.h"

#include <stdlib.h>
#include <string.h>

#include "driftd/internal/decode/json_num.h"
#include "driftd/internal/decode/json_shim.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "eight bytes at once are read as little endian");

enum { MAX_STEPS = 512, MAX_TEXT = 16384, MAX_LITERAL = 512, MAX_DEPTH = 16 };
/* What is read from the start of a step on without asking: its literal in words of 8 bytes, or it and a number. */
enum { MAX_REACH = MAX_LITERAL + DRIFT_JSON_NUM_READS };

enum use { USE_NUMBER, USE_EXACT, USE_NONE, USE_OTHER, USE_END };

/* Bytes that must come next, then a value. */
struct step {
    uint32_t at, n;  /* literal in text */
    uint64_t mask;   /* of its last word */
    uint32_t target; /* in the row */
    enum use use;
};

struct drift_json_scan {
    struct step steps[MAX_STEPS];
    char text[MAX_TEXT + 8];
    char tail[2 * MAX_REACH]; /* end of the record, with zeros behind it */
    uint32_t n_steps, n_text; /* n_steps = 0: nothing learned */
    uint32_t reach;           /* the largest of the skeleton */
    uint32_t rest;            /* records still to come without a try */
    uint64_t history;         /* bit per try, the last one lowest; 1: missed */
    uint64_t hits;
};

struct drift_json_scan *drift_json_scan_new(void)
{
    return calloc(1, sizeof(struct drift_json_scan));
}
void drift_json_scan_free(struct drift_json_scan *s)
{
    free(s);
}
uint64_t drift_json_scan_hits(const struct drift_json_scan *s)
{
    return s->hits;
}

/* Values */

/* High bits of bytes that end or spoil a string; the lowest one set is right. */
static uint64_t string_stops(uint64_t v)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t quote = v ^ ones * '"', escape = v ^ ones * '\\';
    return (((quote - ones) & ~quote) | ((escape - ones) & ~escape) | ((v - ones * 0x20) & ~v)) & ones * 0x80;
}

/* The closing quote of a string whose first byte is at p; NULL: escaped, or not good, or not closed. */
static const char *string_end(const char *p, const char *end)
{
    const char *from = p;
    uint64_t high = 0;
    for (; end - p >= 8; p += 8) {
        uint64_t v = drift_load8(p), stops = string_stops(v);
        if (stops) {
            high |= v & ((stops & -stops) - 1);
            p += __builtin_ctzll(stops) >> 3;
            break;
        }
        high |= v;
    }
    for (; p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20; p++)
        high |= (unsigned char)*p;
    if (p == end || *p != '"')
        return NULL;
    return !(high & 0x8080808080808080u) || drift_utf8_valid(from, (size_t)(p - from)) ? p : NULL;
}

static bool is_token_byte(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '+' || c == '.';
}

/* Any scalar but a common number.  The byte behind it, or NULL. */
static const char *scalar(const struct step *step, const char *p, const char *end, struct drift_row *row)
{
    const char *from = p;
    if (p < end && *p == '"') {
        if (!(p = string_end(p + 1, end)))
            return NULL;
        if (step->use != USE_NONE)
            drift_row_str(row, step->target, from + 1, (size_t)(p - from) - 1);
        return p + 1;
    }
    while (p < end && is_token_byte(*p))
        p++;
    if (p == from || p == end)
        return NULL;
    return step->use == USE_NONE || drift_json_token(row, step->target, from, (size_t)(p - from)) ? p : NULL;
}

/* The record */

static inline bool is_literal(const char *p, const char *literal, uint32_t n, uint64_t mask)
{
    for (; n > 8; n -= 8, p += 8, literal += 8)
        if (drift_load8(p) != drift_load8(literal))
            return false;
    return !((drift_load8(p) ^ drift_load8(literal)) & mask);
}

static bool follow(struct drift_json_scan *s, const char *p, const char *end, struct drift_row *row)
{
    const char *safe = end; /* loads may go up to here: once too near the end, on in a padded copy of the rest */
    for (const struct step *step = s->steps, *last = step + s->n_steps; step < last; step++) {
        if ((size_t)(safe - p) < step->n + DRIFT_JSON_NUM_READS) {
            size_t left = (size_t)(end - p);
            memcpy(s->tail, p, left);
            memset(s->tail + left, 0, s->reach);
            p = s->tail;
            end = p + left;
            safe = end + s->reach;
        }
        /* a zero of the padding is in no literal, no number and no string: p stays within end */
        if (!is_literal(p, s->text + step->at, step->n, step->mask))
            return false;
        p += step->n;
        if (step->use == USE_NUMBER) {
            const char *behind = drift_json_num(p, &row->num[step->target]);
            if (behind) {
                row->kind[step->target] = DRIFT_V_NUM;
                p = behind;
                continue;
            }
        } else if (step->use == USE_OTHER) {
            drift_row_other(row, step->target);
            continue;
        } else if (step->use == USE_END) {
            break;
        }
        if (!(p = scalar(step, p, end, row)))
            return false;
    }
    return p == end;
}

bool drift_json_scan_try(struct drift_json_scan *s, const uint8_t *text, size_t len, struct drift_row *row)
{
    if (s->rest) {
        s->rest--;
        return false;
    }
    if (s->n_steps && follow(s, (const char *)text, (const char *)text + len, row)) {
        s->history <<= 1;
        s->hits++;
        return true;
    }
    s->history = s->history << 1 | 1;
    if (__builtin_popcountll(s->history) > DRIFT_JSON_SCAN_MISSES) {
        s->rest = DRIFT_JSON_SCAN_REST;
        s->history = 0;
        s->n_steps = 0;
    }
    return false;
}

/* Learning */

struct learner {
    struct drift_json_scan *s;
    const struct drift_paths *paths;
    const char *p, *end;
    const char *from; /* behind the value before */
};

static char peek(const struct learner *l)
{
    return l->p < l->end ? *l->p : 0;
}
static bool take(struct learner *l, char c)
{
    if (peek(l) != c)
        return false;
    l->p++;
    return true;
}
static void skip_space(struct learner *l)
{
    while (peek(l) == ' ' || peek(l) == '\n' || peek(l) == '\r' || peek(l) == '\t')
        l->p++;
}

/* The bytes since the value before, and what follows them. */
static bool add_step(struct learner *l, enum use use, uint32_t target)
{
    struct drift_json_scan *s = l->s;
    size_t n = (size_t)(l->p - l->from);
    if (!n || n > MAX_LITERAL || n > MAX_TEXT - s->n_text || s->n_steps == MAX_STEPS)
        return false;
    struct step *step = &s->steps[s->n_steps++];
    *step = (struct step){.at = s->n_text, .n = (uint32_t)n, .target = target, .use = use};
    step->mask = ~UINT64_C(0) >> (n % 8 ? 64 - 8 * (n % 8) : 0);
    memcpy(s->text + s->n_text, l->from, n);
    s->n_text += step->n;
    if (s->reach < step->n + DRIFT_JSON_NUM_READS)
        s->reach = step->n + DRIFT_JSON_NUM_READS;
    l->from = l->p;
    return true;
}

static bool skip_scalar(struct learner *l)
{
    const char *from = l->p;
    if (take(l, '"')) {
        for (; l->p < l->end && *l->p != '"'; l->p++)
            l->p += *l->p == '\\' && l->end - l->p > 1;
        return take(l, '"');
    }
    while (is_token_byte(peek(l)))
        l->p++;
    return l->p > from;
}

static bool learn_object(struct learner *l, uint32_t node, int depth);

static bool learn_member(struct learner *l, uint32_t node, int depth)
{
    const struct drift_key *k = NULL;
    if (!take(l, '"'))
        return false;
    const char *name = l->p;
    for (; peek(l) != '"'; l->p++)
        if (peek(l) == '\\' || (unsigned char)peek(l) < 0x20)
            return false;
    if (node != DRIFT_NOWHERE) {
        k = drift_paths_lookup(l->paths, node, name, (size_t)(l->p - name));
        if (!k && l->paths->nodes[node].wild)
            return false;
    }
    l->p++;
    skip_space(l);
    if (!take(l, ':'))
        return false;
    skip_space(l);
    uint32_t target = k ? k->target : DRIFT_NOWHERE;
    if (peek(l) == '{')
        return (target == DRIFT_NOWHERE || add_step(l, USE_OTHER, target)) &&
               learn_object(l, k ? k->child : DRIFT_NOWHERE, depth + 1);
    enum use use = target == DRIFT_NOWHERE ? USE_NONE : target < DRIFT_N_EXACT ? USE_EXACT : USE_NUMBER;
    if (!add_step(l, use, target) || !skip_scalar(l))
        return false;
    l->from = l->p;
    return true;
}

static bool learn_object(struct learner *l, uint32_t node, int depth)
{
    if (depth > MAX_DEPTH || !take(l, '{'))
        return false;
    skip_space(l);
    if (take(l, '}'))
        return true;
    do {
        skip_space(l);
        if (!learn_member(l, node, depth))
            return false;
        skip_space(l);
    } while (take(l, ','));
    return take(l, '}');
}

static bool learn_record(struct learner *l)
{
    skip_space(l);
    if (!learn_object(l, 0, 1))
        return false;
    skip_space(l);
    return l->p == l->end && add_step(l, USE_END, DRIFT_NOWHERE);
}

void drift_json_scan_learn(struct drift_json_scan *s, const uint8_t *text, size_t len, const struct drift_paths *paths)
{
    const char *p = (const char *)text;
    struct learner l = {.s = s, .paths = paths, .p = p, .end = p + len, .from = p};
    if (s->rest || (s->n_steps && (s->history & 3) != 3))
        return;
    s->n_steps = s->n_text = s->reach = 0;
    /* objects that came twice take each other's values back: the walker's business */
    if (paths->repeats || !learn_record(&l))
        s->n_steps = 0;
}
