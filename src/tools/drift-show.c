/* src/tools/drift-show.c    What the demo shows: windows, webhooks and phases of traffic as they come, and a table at
 * the end.
 *
 * Follows growing files by reading on at their end; a line is shown when it is whole.  SIGTERM: read what is there,
 * print the table, end. */
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "driftd/internal/base/err.h"

static const char usage[] =
    "usage: drift-show [--traffic FILE] [--windows FILE] [--hooks FILE]\n"
    "\n"
    "Follows drift-sim's output, driftd's window lines and drift-receiver's log until SIGTERM; then\n"
    "prints what was sent and why.  Exit status 1 when nothing was sent or a signature was wrong.\n";

static volatile sig_atomic_t stopped;
static void on_stop(int sig)
{
    (void)sig;
    stopped = 1;
}

static bool colour;
#define RED "31"
#define GREEN "32"
#define YELLOW "33"
#define CYAN "36"
#define BOLD "1"
#define DIM "2"
static const char *paint(const char *code)
{
    static char text[4][16];
    static int i;
    i = (i + 1) % 4;
    snprintf(text[i], sizeof text[i], "\033[%sm", code);
    return colour ? text[i] : "";
}
static const char *severity_colour(const char *severity)
{
    return !strcmp(severity, "critical") ? RED : !strcmp(severity, "warning") ? YELLOW : GREEN;
}

/* One webhook as the table has it. */
struct sent {
    char *window, *transition, *severity, *step, *rule, *owner, *why;
    bool verified;
};
static struct sent *sent;
static size_t n_sent;

static const char *text_at(const json_t *o, const char *key, const char *inner)
{
    const json_t *v = json_object_get(o, key);
    const char *s = json_string_value(inner ? json_object_get(v, inner) : v);
    return s ? s : "";
}
static struct sent sent_of(const json_t *line, const json_t *data)
{
    const char *start = text_at(data, "window", "start"), *step = text_at(data, "step", NULL);
    bool shadow = !strcmp(text_at(data, "mode", NULL), "shadow");
    return (struct sent){.window = strlen(start) >= 19 ? drift_xstrndup(start + 11, 8) : drift_xstrdup(start),
                         .transition = drift_xstrdup(text_at(data, "transition", NULL)),
                         .severity = drift_xstrdup(text_at(data, "severity", NULL)),
                         .step = drift_xasprintf("%s%s", step, shadow ? " (shadow)" : ""),
                         .rule = drift_xstrdup(text_at(data, "rule", "name")),
                         .owner = drift_xstrdup(text_at(data, "owner", "name")),
                         .why = drift_xstrdup(text_at(data, "summary", NULL)),
                         .verified = json_is_true(json_object_get(line, "verified"))};
}

static void show_hook(const char *text, size_t n)
{
    json_t *line = json_loadb(text, n, 0, NULL), *parsed = NULL;
    const json_t *event = json_object_get(line, "body");
    if (json_is_string(event))
        event = parsed = json_loadb(json_string_value(event), json_string_length(event), 0, NULL);
    const json_t *data = json_object_get(event, "data");
    const json_t *status = json_object_get(line, "status");
    bool refused = json_is_integer(status) && json_integer_value(status) >= 300;
    if (json_is_object(data) && !refused) {
        struct sent s = sent_of(line, data);
        printf("%swebhook%s  %s%-8s %-8s%s %-14s %-27s %s  %s\n", paint(CYAN), paint("0"),
               paint(severity_colour(s.severity)), s.transition, s.severity, paint("0"), s.rule, s.step,
               s.verified ? "signature ok" : "SIGNATURE WRONG", s.why);
        sent = drift_xrealloc(sent, n_sent + 1, sizeof *sent);
        sent[n_sent++] = s;
    }
    json_decref(line);
    json_decref(parsed);
}
static void show_window(const char *text, size_t n)
{
    char *line = drift_xstrndup(text, n);
    const char *code = strstr(line, " critical")  ? RED
                       : strstr(line, " warning") ? YELLOW
                       : strstr(line, " ok")      ? GREEN
                                                  : DIM;
    printf("%s%s%s\n", paint(code), line, paint("0"));
    free(line);
}
static void show_traffic(const char *text, size_t n)
{
    printf("%s%.*s%s\n", paint(BOLD), (int)n, text, paint("0"));
}

struct followed {
    const char *path;
    void (*show)(const char *, size_t);
    FILE *file;
    char *line; /* what is not a whole line yet */
    size_t n, cap;
};
static bool follow(struct followed *f)
{
    char part[1 << 14];
    size_t got;
    bool some = false;
    if (!f->file && !(f->file = f->path ? fopen(f->path, "r") : NULL))
        return false;
    clearerr(f->file);
    while ((got = fread(part, 1, sizeof part, f->file)) > 0) {
        if (f->cap - f->n < got)
            f->line = drift_xrealloc(f->line, f->cap = f->n + got + (f->n + got) / 2, 1);
        memcpy(f->line + f->n, part, got);
        f->n += got;
        for (char *end; (end = memchr(f->line, '\n', f->n));) {
            size_t len = (size_t)(end - f->line);
            f->show(f->line, len);
            some = true;
            memmove(f->line, end + 1, f->n -= len + 1);
        }
    }
    if (some)
        fflush(stdout);
    return some;
}

/* Bytes of s to show, at most max; never a part of a UTF-8 character. */
static int cut(const char *s, int max)
{
    int n = (int)strnlen(s, (size_t)max + 1);
    if (n <= max)
        return n;
    for (n = max; n && ((unsigned char)s[n] & 0xC0) == 0x80; n--) {
    }
    return n;
}

static int table(void)
{
    size_t verified = 0;
    printf("\n%s%-8s  %-8s  %-8s  %-14s  %-27s  %-13s  %s%s\n", paint(BOLD), "window", "what", "severity", "rule",
           "step", "owner", "why", paint("0"));
    for (size_t i = 0; i < n_sent; i++) {
        const struct sent *s = &sent[i];
        printf("%-8s  %-8s  %s%-8s%s  %-14s  %-27s  %-13s  %.*s%s\n", s->window, s->transition,
               paint(severity_colour(s->severity)), s->severity, paint("0"), s->rule, s->step, s->owner,
               cut(s->why, 90), s->why, strlen(s->why) > 90 ? "..." : "");
        verified += s->verified;
    }
    printf("\n%zu webhooks received, %zu signatures verified\n", n_sent, verified);
    return n_sent && verified == n_sent ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"traffic", required_argument, NULL, 't'},
                                            {"windows", required_argument, NULL, 'w'},
                                            {"hooks", required_argument, NULL, 'k'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct followed files[] = {{.show = show_traffic}, {.show = show_window}, {.show = show_hook}};
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 't')
            files[0].path = optarg;
        else if (c == 'w')
            files[1].path = optarg;
        else if (c == 'k')
            files[2].path = optarg;
        else {
            fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : 2;
        }
    }
    colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    struct sigaction on = {.sa_handler = on_stop};
    sigaction(SIGTERM, &on, NULL);
    sigaction(SIGINT, &on, NULL);

    for (bool last = false;; last = stopped) {
        bool some = false;
        for (size_t i = 0; i < sizeof files / sizeof *files; i++)
            some |= follow(&files[i]);
        if (last && !some)
            break;
        if (!stopped && !some)
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        free(files[i].line);
        if (files[i].file)
            fclose(files[i].file);
    }
    int status = table();
    for (size_t i = 0; i < n_sent; i++) {
        char *all[] = {sent[i].window, sent[i].transition, sent[i].severity, sent[i].step,
                       sent[i].rule,   sent[i].owner,      sent[i].why};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free(all[k]);
    }
    free(sent);
    return status;
}
