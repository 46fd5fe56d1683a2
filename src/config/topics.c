/* src/config/topics.c    Topics by name and by pattern, and the stream that each belongs to. */
#include "driftd/internal/config/topics.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct pattern {
    int stream;
    const char *name; /* NULL: it is a pattern */
    regex_t regex;
};

struct drift_topics {
    size_t n;
    struct pattern *list;
};

bool drift_topic_is_pattern(const char *text)
{
    return text[0] == '^';
}

/* As librdkafka compiles it. */
static int compile(const char *text, regex_t *ret)
{
    return regcomp(ret, text, REG_EXTENDED | REG_NOSUB);
}

const char *drift_topic_pattern_wrong(const char *text)
{
    regex_t regex;
    for (const char *s = text; *s; s++) {
        if (*s == '{')
            return "wants a pattern without repeat counts {n}";
        if (*s == '\\' && s[1] >= '0' && s[1] <= '9')
            return "wants a pattern without back-references";
        s += *s == '\\' && s[1];
    }
    int rc = compile(text, &regex);
    switch (rc) {
    case 0:
        regfree(&regex);
        return NULL;
    case REG_EBRACK:
        return "wants a pattern, a POSIX extended regular expression: a [ has no ]";
    case REG_EPAREN:
        return "wants a pattern, a POSIX extended regular expression: a ( has no ), or the other way round";
    case REG_ERANGE:
        return "wants a pattern, a POSIX extended regular expression: a range such as a-z ends before it begins";
    case REG_ECTYPE:
        return "wants a pattern, a POSIX extended regular expression: no such class of characters";
    case REG_EESCAPE:
        return "wants a pattern, a POSIX extended regular expression: it ends with a backslash";
    case REG_BADRPT:
        return "wants a pattern, a POSIX extended regular expression: nothing stands before ?, * or +";
    default:
        return "wants a pattern, a POSIX extended regular expression";
    }
}

static bool kafkas_own(const char *name)
{
    return !strncmp(name, "__", 2);
}

bool drift_topic_matches(const char *pattern, const char *name)
{
    regex_t regex;
    if (kafkas_own(name) || compile(pattern, &regex))
        return false;
    bool matches = !regexec(&regex, name, 0, NULL, 0);
    regfree(&regex);
    return matches;
}

struct drift_topics *drift_topics_new(const struct drift_config *c)
{
    struct drift_topics *t = drift_xcalloc(1, sizeof *t);
    size_t n = 0;
    for (size_t s = 0; s < c->n_streams; s++)
        n += c->streams[s].n_topics;
    t->list = drift_xcalloc(n, sizeof *t->list);
    for (size_t s = 0; s < c->n_streams; s++)
        for (size_t i = 0; i < c->streams[s].n_topics; i++) {
            struct pattern *p = &t->list[t->n++];
            p->stream = (int)s;
            p->name = c->streams[s].topics[i];
            if (!drift_topic_is_pattern(p->name))
                continue;
            if (compile(p->name, &p->regex))
                drift_bug("a pattern that was checked does not compile");
            p->name = NULL;
        }
    return t;
}

void drift_topics_free(struct drift_topics *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        if (!t->list[i].name)
            regfree(&t->list[i].regex);
    free(t->list);
    free(t);
}

int drift_topics_stream(const struct drift_topics *t, const char *name)
{
    int stream = DRIFT_TOPIC_NONE;
    for (size_t i = 0; i < t->n; i++) {
        const struct pattern *p = &t->list[i];
        bool matches = p->name ? !strcmp(p->name, name) : !kafkas_own(name) && !regexec(&p->regex, name, 0, NULL, 0);
        if (matches && stream != DRIFT_TOPIC_NONE && stream != p->stream)
            return DRIFT_TOPIC_TWICE;
        if (matches)
            stream = p->stream;
    }
    return stream;
}
