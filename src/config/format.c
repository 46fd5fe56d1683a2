/* src/config/format.c    Formats of single texts: names, addresses, topics, paths, URLs. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "driftd/internal/config/check.h"
#include "driftd/internal/config/topics.h"

static bool one_of(char c, const char *more)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr(more, c));
}

static bool all_of(const char *s, size_t n, const char *more)
{
    for (size_t i = 0; i < n; i++)
        if (!one_of(s[i], more))
            return false;
    return n > 0;
}

const char *drift_format_name(const char *s)
{
    (void)s; /* control characters and length are refused for every text */
    return NULL;
}

static bool port_good(const char *s, size_t n)
{
    int64_t port;
    return n > 0 && s[0] != '+' && drift_i64_parse(s, n, &port) && port >= 1 && port <= 65535;
}

/* host, host:port, [v6], [v6]:port; the port is needed when asked for. */
static bool address_good(const char *s, size_t n, bool port_needed)
{
    const char *end = s + n, *host_end;
    if (n && *s == '[') {
        const char *close = memchr(s, ']', n);
        char text[INET6_ADDRSTRLEN];
        struct in6_addr v6;
        if (!close || (size_t)(close - s - 1) >= sizeof text)
            return false;
        snprintf(text, sizeof text, "%.*s", (int)(close - s - 1), s + 1);
        if (inet_pton(AF_INET6, text, &v6) != 1)
            return false;
        host_end = close + 1;
    } else {
        const char *colon = memchr(s, ':', n);
        host_end = colon ? colon : end;
        if (!all_of(s, (size_t)(host_end - s), ".-_"))
            return false;
    }
    if (host_end == end)
        return !port_needed;
    return *host_end == ':' && port_good(host_end + 1, (size_t)(end - host_end - 1));
}

const char *drift_format_brokers(const char *s)
{
    while (*s) {
        s += strspn(s, " ");
        size_t n = strcspn(s, ",");
        const char *from = s, *scheme = strstr(s, "://");
        if (scheme && scheme < s + n && all_of(s, (size_t)(scheme - s), "_"))
            from = scheme + 3; /* librdkafka's SASL_SSL://host:port */
        if (!address_good(from, n - (size_t)(from - s), false))
            return "wants brokers as host:port,host:port";
        s += n;
        if (*s == ',' && !s[1])
            return "wants brokers as host:port,host:port";
        s += *s == ',';
    }
    return NULL;
}

const char *drift_format_nodes(const char *s)
{
    for (size_t n;; s += n + 1) {
        s += strspn(s, " ");
        n = strcspn(s, ",");
        if (!address_good(s, n, true))
            return "wants nodes as host:port,host:port";
        if (!s[n])
            return NULL;
    }
}

const char *drift_format_listen(const char *s)
{
    return !strcmp(s, "none") || address_good(s, strlen(s), true) ? NULL : "wants an address as host:port, or none";
}

const char *drift_format_host(const char *s)
{
    struct in6_addr v6;
    return all_of(s, strlen(s), ".-_") || inet_pton(AF_INET6, s, &v6) == 1
               ? NULL
               : "wants a host name or address without port";
}

const char *drift_format_topic(const char *s)
{
    return all_of(s, strlen(s), "._-") && strcmp(s, ".") != 0 && strcmp(s, "..") != 0
               ? NULL
               : "wants the name of a topic (letters, digits, `.`, `_`, `-`)";
}

const char *drift_format_topics(const char *s)
{
    return drift_topic_is_pattern(s) ? drift_topic_pattern_wrong(s) : drift_format_topic(s);
}

const char *drift_format_group(const char *s)
{
    for (; *s; s++)
        if (*s == ' ')
            return "wants the name of a group without spaces";
    return NULL;
}

const char *drift_format_path(const char *s)
{
    size_t parts = 1;
    if (*s == '.' || (*s && s[strlen(s) - 1] == '.') || strstr(s, ".."))
        return "wants a dotted path such as meta.model";
    for (; *s; s++)
        parts += *s == '.';
    return parts > 16 ? "wants a path of at most 16 parts" : NULL;
}

/* ---- URLs ---- */
static void literal_v4(const unsigned char b[4], struct drift_url *u)
{
    u->loopback = b[0] == 127;
    u->private_address = b[0] == 127 || b[0] == 10 || b[0] == 0 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
                         (b[0] == 192 && b[1] == 168) || (b[0] == 169 && b[1] == 254) ||
                         (b[0] == 100 && (b[1] & 0xc0) == 64);
}

static void literal_v6(const unsigned char b[16], struct drift_url *u)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const unsigned char zero[15];
    if (!memcmp(b, mapped, sizeof mapped)) {
        literal_v4(b + 12, u);
        return;
    }
    u->loopback = !memcmp(b, zero, sizeof zero) && b[15] == 1;
    u->private_address = (!memcmp(b, zero, sizeof zero) && b[15] <= 1) || (b[0] & 0xfe) == 0xfc ||
                         (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

static void literal_find(struct drift_url *u)
{
    char host[256];
    unsigned char b[16];
    if (u->host_len >= sizeof host)
        return;
    snprintf(host, sizeof host, "%.*s", (int)u->host_len, u->host);
    size_t n = strlen(host);
    if (inet_pton(AF_INET, host, b) == 1)
        literal_v4(b, u);
    else if (inet_pton(AF_INET6, host, b) == 1)
        literal_v6(b, u);
    else
        u->loopback = u->private_address =
            !strcasecmp(host, "localhost") || (n > 10 && !strcasecmp(host + n - 10, ".localhost"));
}

bool drift_url_parse(const char *url, struct drift_url *ret)
{
    struct drift_url u = {0};
    if (!strncmp(url, "https://", 8))
        u.https = true;
    else if (strncmp(url, "http://", 7) != 0)
        return false;
    const char *s = url + (u.https ? 8 : 7);
    size_t n = strcspn(s, "/?#");
    for (const char *c = s; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == '\\' || *c == '"')
            return false;
    if (memchr(s, '@', n) || !address_good(s, n, false)) /* no user:password@ */
        return false;
    u.host = *s == '[' ? s + 1 : s;
    u.host_len = *s == '[' ? (size_t)((const char *)memchr(s, ']', n) - s - 1) : strcspn(s, ":/?#");
    literal_find(&u);
    *ret = u;
    return true;
}

const char *drift_format_url(const char *s)
{
    struct drift_url u;
    return drift_url_parse(s, &u) ? NULL : "wants a URL such as https://host/path, without user and password in it";
}
