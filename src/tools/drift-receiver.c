/* src/tools/drift-receiver.c    A webhook receiver for the demo and the tests: verifies, logs, prints.
 *
 * It shares no code with the sender's signing: the signature is checked with libcrypto as the specification says it,
 * so that a mistake there is seen here.  One libmicrohttpd thread; main waits for a signal. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BODY_MAX = 1 << 20, SECRETS_MAX = 8, KEY_MAX = 1024, CONNECTIONS_MAX = 64, TIMEOUT_S = 30 };

struct key {
    unsigned char bytes[KEY_MAX];
    size_t len;
};

static struct {
    struct key keys[SECRETS_MAX];
    size_t n_keys;
    FILE *log;
    unsigned long fail_first, n_requests;
    unsigned status; /* of a failing answer, or of all */
    bool colour;
} receiver;

struct request {
    char *body;
    size_t len;
    bool too_large;
};

static const char usage[] =
    "Usage: drift-receiver [options]\n"
    "\n"
    "Receives webhooks on 127.0.0.1, verifies their Standard Webhooks signature, prints one line for each and\n"
    "appends one JSON object for each to a log.  Ends on SIGTERM or SIGINT.\n"
    "\n"
    "  --port N          port; 0 takes a free one (default)\n"
    "  --port-file F     writes the port there when listening\n"
    "  --secret-file F   secrets, one a line; whsec_... is base64, anything else is taken as it is\n"
    "  --log F           NDJSON log, appended to\n"
    "  --fail-first N    the first N requests get the failing status\n"
    "  --status CODE     with --fail-first: the failing status (503); else what every request gets (200)\n"
    "  --help            this text\n"
    "\n"
    "Example:\n"
    "  drift-receiver --port 8080 --secret-file soc.secret --log webhooks.ndjson\n";

static int fail(const char *what, const char *which)
{
    fprintf(stderr, "drift-receiver: %s %s: %s\n", what, which, strerror(errno));
    return 69;
}

/* ---- signature ---- */

static bool add_key(const char *line)
{
    struct key *k = &receiver.keys[receiver.n_keys];
    size_t n = strlen(line);
    if (receiver.n_keys == SECRETS_MAX || n > KEY_MAX)
        return false;
    if (!strncmp(line, "whsec_", 6)) {
        int len = EVP_DecodeBlock(k->bytes, (const unsigned char *)line + 6, (int)n - 6);
        if (len < 0)
            return false;
        k->len =
            (size_t)len - (line[n - 1] == '=') - (n > 1 && line[n - 2] == '='); /* it counts the padding as bytes */
    } else {
        memcpy(k->bytes, line, n);
        k->len = n;
    }
    receiver.n_keys++;
    return true;
}

static bool read_secrets(const char *file)
{
    char line[2048];
    FILE *f = fopen(file, "re");
    bool good = f != NULL;
    while (good && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        good = !*line || add_key(line);
    }
    if (f)
        fclose(f);
    return good && receiver.n_keys;
}

static void sign(const struct key *k, const char *id, const char *timestamp, const struct request *q, char ret[64])
{
    size_t n = strlen(id) + strlen(timestamp) + 2 + q->len;
    unsigned char mac[32], *content = malloc(n + 1);
    if (!content)
        abort();
    int at = snprintf((char *)content, n + 1, "%s.%s.", id, timestamp);
    memcpy(content + at, q->body, q->len);
    HMAC(EVP_sha256(), k->bytes, (int)k->len, content, n, mac, NULL);
    EVP_EncodeBlock((unsigned char *)ret, mac, sizeof mac);
    free(content);
}

/* One of the "v1,<base64>" in the header is made with one of the secrets. */
static bool verified(const char *id, const char *timestamp, const char *header, const struct request *q)
{
    bool good = false;
    if (!id || !timestamp || !header || strchr(id, '.'))
        return false;
    for (size_t i = 0; i < receiver.n_keys; i++) {
        char want[64];
        sign(&receiver.keys[i], id, timestamp, q, want);
        for (const char *p = header; *p;) {
            size_t n = strcspn(p, " ");
            if (n == 3 + strlen(want) && !strncmp(p, "v1,", 3) && !CRYPTO_memcmp(p + 3, want, strlen(want)))
                good = true;
            p += n + (p[n] == ' ');
        }
    }
    return good;
}

/* ---- what is written ---- */

static enum MHD_Result add_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    json_t *text = json_string(value ? value : "");
    (void)kind;
    json_object_set_new(cls, name, text ? text : json_string("(not UTF-8)"));
    return MHD_YES;
}

static void write_log(struct MHD_Connection *c, const struct request *q, const char *id, const char *timestamp,
                      bool good, unsigned status)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    json_t *j = json_object(), *headers = json_object();
    MHD_get_connection_values(c, MHD_HEADER_KIND, add_header, headers);
    json_object_set_new(j, "id", id ? json_string(id) : json_null());
    json_object_set_new(j, "timestamp", timestamp ? json_string(timestamp) : json_null());
    json_object_set_new(j, "verified", json_boolean(good));
    json_object_set_new(j, "headers", headers);
    json_t *body = json_stringn(q->body ? q->body : "", q->len);
    json_object_set_new(j, "body", body ? body : json_null()); /* null: not UTF-8, so not JSON either */
    json_object_set_new(j, "status", json_integer(status));
    json_object_set_new(j, "received_ms", json_integer((json_int_t)now.tv_sec * 1000 + now.tv_nsec / 1000000));
    char *text = json_dumps(j, JSON_COMPACT);
    if (text) {
        fprintf(receiver.log, "%s\n", text);
        fflush(receiver.log);
    }
    free(text);
    json_decref(j);
}

/* Text from outside goes to a terminal: nothing below a space, no escape sequences. */
static void put_plain(const char *s)
{
    for (; *s; s++)
        putchar((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

static const char *text_of(const json_t *j, const char *key, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : otherwise;
}

static void put_event(const char *kind, const char *colour, const char *where, const char *step, const char *endpoint,
                      const char *summary)
{
    if (receiver.colour)
        fputs(colour, stdout);
    put_plain(kind);
    if (receiver.colour)
        fputs("\033[0m", stdout);
    fputs("  ", stdout);
    put_plain(where);
    fputs("  ", stdout);
    put_plain(step);
    fputs(" \xe2\x86\x92 ", stdout);
    put_plain(endpoint);
    fputs(": ", stdout);
    put_plain(summary);
}

static const char *severity_colour(const char *severity, const char *transition)
{
    if (!strcmp(transition, "resolved"))
        return "\033[32m";
    return !strcmp(severity, "critical") ? "\033[31;1m" : !strcmp(severity, "warning") ? "\033[33m" : "\033[36m";
}

static void print_body(const json_t *event, const char *url)
{
    const json_t *data = json_object_get(event, "data"), *rule = json_object_get(data, "rule");
    const char *severity = text_of(data, "severity", ""), *transition = text_of(data, "transition", "");
    const char *rule_name = json_is_object(rule) ? text_of(rule, "name", "") : text_of(data, "rule", "");
    const json_t *model = json_object_get(data, "model");
    const char *model_name = json_is_object(model) ? text_of(model, "name", "?") : text_of(data, "model", "?");
    char kind[64], where[300];
    if (*severity)
        snprintf(kind, sizeof kind, "%s %s", severity, transition);
    else
        snprintf(kind, sizeof kind, "%s", text_of(event, "type", "event"));
    for (char *p = kind; *severity && *p && *p != ' '; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    snprintf(where, sizeof where, "%.140s%s%.140s", model_name, *rule_name ? "/" : "", rule_name);
    put_event(kind, severity_colour(severity, transition), where, text_of(data, "step", "event"),
              *url == '/' ? url + 1 : url, text_of(data, "summary", ""));
    if (!strcmp(text_of(data, "mode", ""), "shadow"))
        fputs(" [shadow]", stdout);
}

static void print_line(const struct request *q, const char *url, bool good, unsigned status)
{
    json_t *event = q->body ? json_loadb(q->body, q->len, 0, NULL) : NULL;
    const char *mark = good ? "\xe2\x9c\x93" : "\xe2\x9c\x97";
    if (receiver.colour)
        printf("webhook  %s%s signature\033[0m  ", good ? "\033[32m" : "\033[31m", mark);
    else
        printf("webhook  %s signature  ", mark);
    if (event)
        print_body(event, url);
    else
        printf("%zu bytes that are not JSON", q->len);
    if (status < 200 || status > 299)
        printf("  (answered %u)", status);
    putchar('\n');
    fflush(stdout);
    json_decref(event);
}

/* ---- HTTP ---- */

static enum MHD_Result respond(struct MHD_Connection *c, unsigned status)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (!r)
        return MHD_NO;
    if (status == 429 || status == 503)
        MHD_add_response_header(r, "Retry-After", "1");
    enum MHD_Result result = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return result;
}

static unsigned status_of_next(void)
{
    receiver.n_requests++;
    if (receiver.fail_first)
        return receiver.n_requests <= receiver.fail_first ? (receiver.status ? receiver.status : 503) : 200;
    return receiver.status ? receiver.status : 200;
}

static enum MHD_Result take(struct request *q, const char *p, size_t *n)
{
    if (q->len + *n > BODY_MAX) {
        q->too_large = true;
    } else {
        char *grown = realloc(q->body, q->len + *n);
        if (!grown)
            return MHD_NO;
        memcpy(grown + q->len, p, *n);
        q->body = grown;
        q->len += *n;
    }
    *n = 0;
    return MHD_YES;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **state)
{
    (void)cls, (void)version;
    struct request *q = *state;
    if (!q)
        return (*state = calloc(1, sizeof *q)) ? MHD_YES : MHD_NO;
    if (*upload_size)
        return take(q, upload, upload_size);
    if (strcmp(method, "POST"))
        return respond(c, 405);
    if (q->too_large)
        return respond(c, 413);
    const char *id = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "webhook-id");
    const char *timestamp = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "webhook-timestamp");
    const char *signature = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "webhook-signature");
    bool good = verified(id, timestamp, signature, q);
    unsigned status = good || !receiver.n_keys ? status_of_next() : 401;
    if (receiver.log)
        write_log(c, q, id, timestamp, good, status);
    print_line(q, url, good, status);
    return respond(c, status);
}

static void forget(void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
    struct request *q = *state;
    (void)cls, (void)c, (void)why;
    if (q)
        free(q->body);
    free(q);
}

/* ---- life ---- */

static bool write_port(const char *file, int port)
{
    char part[4096];
    if (snprintf(part, sizeof part, "%s.part", file) >= (int)sizeof part)
        return false;
    FILE *f = fopen(part, "we");
    if (!f)
        return false;
    fprintf(f, "%d\n", port);
    return fclose(f) == 0 && rename(part, file) == 0; /* whoever waits for the file never sees half of it */
}

static bool number(const char *s, unsigned long most, unsigned long *ret)
{
    char *end;
    errno = 0;
    *ret = strtoul(s, &end, 10);
    return *s >= '0' && *s <= '9' && !*end && !errno && *ret <= most;
}

struct options {
    unsigned long port;
    const char *port_file, *secret_file, *log;
};

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {{"port", required_argument, NULL, 'p'},
                                          {"port-file", required_argument, NULL, 'P'},
                                          {"secret-file", required_argument, NULL, 's'},
                                          {"log", required_argument, NULL, 'l'},
                                          {"fail-first", required_argument, NULL, 'f'},
                                          {"status", required_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    unsigned long status = 0;
    bool good = true;
    for (int c; good && (c = getopt_long(argc, argv, "h", known, NULL)) != -1;)
        switch (c) {
        case 'p':
            good = number(optarg, 65535, &o->port);
            break;
        case 'P':
            o->port_file = optarg;
            break;
        case 's':
            o->secret_file = optarg;
            break;
        case 'l':
            o->log = optarg;
            break;
        case 'f':
            good = number(optarg, 1000000, &receiver.fail_first);
            break;
        case 'c':
            good = number(optarg, 599, &status) && status >= 200;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            good = false;
        }
    receiver.status = (unsigned)status;
    if (!good || optind != argc) {
        fputs(usage, stderr);
        return 2;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    int r = parse(argc, argv, &o);
    if (r)
        return r;
    if (o.secret_file && !read_secrets(o.secret_file)) {
        fprintf(stderr, "drift-receiver: no usable secret in %s\n", o.secret_file);
        return 69;
    }
    if (o.log && !(receiver.log = fopen(o.log, "ae")))
        return fail("cannot open", o.log);
    receiver.colour = isatty(STDOUT_FILENO) == 1;

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL); /* before libmicrohttpd starts its thread, which inherits it */
    signal(SIGPIPE, SIG_IGN);

    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)o.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO, 0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR,
        (struct sockaddr *)&at, MHD_OPTION_NOTIFY_COMPLETED, forget, NULL, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_END);
    if (!daemon)
        return fail("cannot listen on", "127.0.0.1");
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    int port = info ? info->port : 0;
    if (o.port_file && !write_port(o.port_file, port))
        r = fail("cannot write", o.port_file);
    int got;
    if (!r)
        sigwait(&signals, &got);
    MHD_stop_daemon(daemon);
    if (receiver.log)
        fclose(receiver.log);
    OPENSSL_cleanse(receiver.keys, sizeof receiver.keys);
    return r;
}
