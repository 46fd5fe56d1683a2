/* src/tools/drift-sim.c    Traffic simulator: plays a scenario, or a file of events, into Kafka or NDJSON files.
 *
 * For the demo, drills, benches and tests.  The scenario is data (config/scenarios/); with one seed it gives the same
 * records at any speed. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "drift-sim/scenario.h"
#include "drift-sim/sink.h"
#include "drift-sim/traffic.h"
#include "driftd/internal/base/clock.h"
#include "driftd/internal/base/text.h"

static const char usage[] =
    "usage: drift-sim --scenario FILE [--seed N] [--start WHEN] [--speed X] [--calm DURATION] DESTINATION...\n"
    "       drift-sim --events FILE --topic TOPIC [--key MEMBER] DESTINATION...\n"
    "\n"
    "Plays a scenario, or a file of one JSON object a line (plain or .gz), to Kafka or to files.\n"
    "\n"
    "  --scenario FILE      JSON; config/scenarios/ has examples, src/tools/drift-sim/scenario.h the format\n"
    "  --seed N             same seed, same records (default 1)\n"
    "  --start WHEN         event time of the beginning: 2026-01-31T14:00:00Z, now, or past (default: it ends now)\n"
    "  --speed X            seconds of event time in a second; 0, the default: as fast as possible\n"
    "  --calm DURATION      instead of the scenario's phases, so long of its traffic without any change\n"
    "  --events FILE        play this file instead; --topic names where to, --key the member to key by (event_id)\n"
    "destinations:\n"
    "  --brokers HOST:PORT  Kafka, keyed by event id\n"
    "  --output [TOPIC=]FILE  NDJSON: all records, or one topic's\n"
    "back-pressure:\n"
    "  --follow-group G     stay at most --ahead bytes (2MB) ahead of the offsets that this consumer group commits\n"
    "  --ahead SIZE         such as 2MB\n"
    "  --wait               at the end, wait until that group has committed everything\n"
    "  --patience DURATION  give up after so long without progress (60s)\n"
    "  --quiet              do not tell phases and totals\n"
    "\n"
    "examples: drift-sim --scenario config/scenarios/phishing.json --calm 10m --output phish.events=calm.ndjson\n"
    "          drift-sim --scenario config/scenarios/phishing.json --speed 20 --brokers 127.0.0.1:9092\n";

enum { LINE_MAX_BYTES = 16 << 20, OUTPUTS = 64 };
static volatile int stopped;
static void on_stop(int sig)
{
    (void)sig;
    stopped = 1;
}

struct options {
    const char *scenario, *start, *events, *topic, *key;
    int64_t seed, calm_ms;
    double speed;
    bool wait, quiet;
    struct sim_sink_settings sink;
    size_t n_outputs;
    const char *outputs[OUTPUTS];
};

static int fail(const struct drift_err *err, int status)
{
    fprintf(stderr, "drift-sim: %s\n", err->text);
    return status;
}
static int wrong(const char *option, const char *value)
{
    fprintf(stderr, "drift-sim: --%s %s: not understood; see drift-sim --help\n", option, value);
    return 2;
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct options *o)
{
    static const struct option options[] = {{"scenario", required_argument, NULL, 'S'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"start", required_argument, NULL, 'b'},
                                            {"speed", required_argument, NULL, 'x'},
                                            {"calm", required_argument, NULL, 'c'},
                                            {"events", required_argument, NULL, 'e'},
                                            {"topic", required_argument, NULL, 't'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"brokers", required_argument, NULL, 'B'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"follow-group", required_argument, NULL, 'g'},
                                            {"ahead", required_argument, NULL, 'a'},
                                            {"patience", required_argument, NULL, 'p'},
                                            {"wait", no_argument, NULL, 'w'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int which = 0;
    bool ok = true;
    for (int c; ok && (c = getopt_long(argc, argv, "h", options, &which)) != -1;) {
        size_t n = optarg ? strlen(optarg) : 0;
        switch (c) {
        case 'S':
            o->scenario = optarg;
            break;
        case 's':
            ok = drift_i64_parse(optarg, n, &o->seed);
            break;
        case 'b':
            o->start = optarg;
            break;
        case 'x':
            ok = drift_f64_parse(optarg, n, &o->speed) && o->speed >= 0;
            break;
        case 'c':
            ok = drift_duration_parse(optarg, n, &o->calm_ms) && o->calm_ms > 0;
            break;
        case 'e':
            o->events = optarg;
            break;
        case 't':
            o->topic = optarg;
            break;
        case 'k':
            o->key = optarg;
            break;
        case 'B':
            o->sink.brokers = optarg;
            break;
        case 'o':
            ok = o->n_outputs < OUTPUTS;
            if (ok)
                o->outputs[o->n_outputs++] = optarg;
            break;
        case 'g':
            o->sink.follow = optarg;
            break;
        case 'a':
            ok = drift_size_parse(optarg, n, &o->sink.ahead_max) && o->sink.ahead_max > 0;
            break;
        case 'p':
            ok = drift_duration_parse(optarg, n, &o->sink.patience_ms) && o->sink.patience_ms > 0;
            break;
        case 'w':
            o->wait = true;
            break;
        case 'q':
            o->quiet = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
        if (!ok)
            return wrong(options[which].name, optarg);
    }
    if (optind < argc || !o->scenario == !o->events || !o->events != !o->topic || (!o->sink.brokers && !o->n_outputs)) {
        fputs(usage, stderr);
        return 2;
    }
    return -1;
}

/* Serves the producer until wall time `until`. */
static void pass_time(struct sim_sink *k, int64_t until_ms)
{
    for (int64_t left; !stopped && (left = until_ms - drift_mono_ms(&drift_clock_system)) > 0;) {
        struct timespec ts = {0, (left > 10 ? 10 : left) * 1000000};
        sim_sink_poll(k, 0);
        nanosleep(&ts, NULL);
    }
}

static void tell_phase(const struct sim_phase *p, int64_t start_ms)
{
    char when[32];
    printf("phase  %-10s  %s  %s\n", p->name, drift_time_text(start_ms + p->start_ms, when, sizeof when),
           p->about ? p->about : "");
    fflush(stdout);
}
static bool start_of(const struct options *o, const struct sim_scenario *s, int64_t *ret)
{
    int64_t now = drift_wall_ms(&drift_clock_system), minute = 60000;
    if (!strcmp(o->start, "now"))
        *ret = now;
    else if (!strcmp(o->start, "past")) /* whole minutes, so that windows begin with phases */
        *ret = (now - s->duration_ms) / minute * minute;
    else
        return drift_time_parse(o->start, strlen(o->start), ret);
    return true;
}

static int play(const struct options *o, const struct sim_scenario *s, int64_t start_ms, struct sim_sink *k,
                struct drift_err *err)
{
    struct sim_traffic *t = sim_traffic_new(s, (uint64_t)o->seed, start_ms);
    struct sim_message m;
    int64_t begun = drift_mono_ms(&drift_clock_system);
    uint64_t n = 0, labels = 0;
    size_t phase = 0;
    int rc = 0;
    while (!rc && !stopped && sim_traffic_next(t, &m)) {
        if (o->speed > 0)
            pass_time(k, begun + (int64_t)((double)m.at_ms / o->speed));
        for (; phase < s->n_phases && m.at_ms >= s->phases[phase].start_ms; phase++)
            if (!o->quiet)
                tell_phase(&s->phases[phase], start_ms);
        rc = sim_sink_send(k, m.topic, m.key, m.text, m.len, m.ts_ms, err);
        n++;
        labels += m.label;
    }
    if (!rc && !o->quiet)
        printf("sent  %llu events, %llu labels\n", (unsigned long long)(n - labels), (unsigned long long)labels);
    sim_traffic_free(t);
    return rc;
}

static int scenario_run(const struct options *o, struct sim_sink *k, struct drift_err *err)
{
    struct sim_scenario *s = NULL;
    int64_t start_ms = 0;
    int rc = sim_scenario_load(o->scenario, o->calm_ms, &s, err);
    if (!rc && !start_of(o, s, &start_ms))
        rc = drift_fail(err, DRIFT_E_USAGE, DRIFT_STOP, "--start %s: give 2026-01-31T14:00:00Z, now or past", o->start);
    if (!rc)
        rc = play(o, s, start_ms, k, err);
    sim_scenario_free(s);
    return rc;
}

/* Copies the member's text into key; false: the line has none (it is sent all the same: bad lines are a test too). */
static bool key_of(const char *line, size_t n, const char *member, char *key, size_t cap)
{
    json_t *o = json_loadb(line, n, 0, NULL);
    const json_t *v = json_object_get(o, member);
    bool found = true;
    if (json_is_string(v))
        snprintf(key, cap, "%s", json_string_value(v));
    else if (json_is_integer(v))
        snprintf(key, cap, "%lld", (long long)json_integer_value(v));
    else
        found = false;
    json_decref(o);
    return found;
}

/* Next line without its end, in *line; 0: end of file; -1: error. */
static int read_line(gzFile f, char **line, size_t *cap, size_t *ret_n)
{
    for (*ret_n = 0;;) {
        if (*cap - *ret_n < 2)
            *line = drift_xrealloc(*line, *cap = *cap ? 2 * *cap : 1 << 16, 1);
        if (!gzgets(f, *line + *ret_n, (int)(*cap - *ret_n))) {
            int e;
            gzerror(f, &e);
            return e != Z_OK && e != Z_STREAM_END ? -1 : *ret_n > 0;
        }
        *ret_n += strlen(*line + *ret_n);
        if (*ret_n && (*line)[*ret_n - 1] == '\n') {
            while (*ret_n && ((*line)[*ret_n - 1] == '\n' || (*line)[*ret_n - 1] == '\r'))
                --*ret_n;
            return 1;
        }
        if (*ret_n > LINE_MAX_BYTES)
            return -1;
    }
}
static int events_run(const struct options *o, struct sim_sink *k, struct drift_err *err)
{
    gzFile f = gzopen(o->events, "rb");
    if (!f)
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read %s: %s", o->events, strerror(errno));
    char *line = NULL, key[512];
    size_t cap = 0, n = 0;
    uint64_t sent = 0;
    int rc = 0, more = 1;
    while (!rc && !stopped && (more = read_line(f, &line, &cap, &n)) > 0) {
        if (!n)
            continue;
        bool keyed = key_of(line, n, o->key, key, sizeof key);
        rc = sim_sink_send(k, o->topic, keyed ? key : NULL, line, n, drift_wall_ms(&drift_clock_system), err);
        sent++;
    }
    if (more < 0)
        rc = drift_fail(err, DRIFT_E_IO, DRIFT_STOP,
                        "%s: unreadable after %llu lines (damaged, or a line of more than 16 MiB)", o->events,
                        (unsigned long long)sent);
    if (!rc && !o->quiet)
        printf("sent  %llu lines of %s\n", (unsigned long long)sent, o->events);
    free(line);
    gzclose(f);
    return rc;
}

static int outputs_open(const struct options *o, struct sim_sink *k, struct drift_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < o->n_outputs && !rc; i++) {
        const char *eq = strchr(o->outputs[i], '=');
        char *topic = eq ? drift_xstrndup(o->outputs[i], (size_t)(eq - o->outputs[i])) : NULL;
        rc = sim_sink_output(k, topic, eq ? eq + 1 : o->outputs[i], err);
        free(topic);
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct options o = {.start = "past",
                        .key = "event_id",
                        .seed = 1,
                        .sink = {.ahead_max = 2000000, .patience_ms = 60000, .stop = &stopped}};
    int status = parse(argc, argv, &o);
    if (status >= 0)
        return status;
    struct sigaction on = {.sa_handler = on_stop};
    sigaction(SIGINT, &on, NULL);
    sigaction(SIGTERM, &on, NULL);

    struct drift_err err = {0};
    struct sim_sink *k = NULL;
    int rc = sim_sink_new(&o.sink, &k, &err);
    if (!rc)
        rc = outputs_open(&o, k, &err);
    if (!rc)
        rc = o.events ? events_run(&o, k, &err) : scenario_run(&o, k, &err);
    if (!rc)
        rc = sim_sink_flush(k, o.wait, &err);
    sim_sink_free(k);
    return rc ? fail(&err, rc == DRIFT_E_AWAY ? 69 : rc == DRIFT_E_USAGE ? 2 : 1) : stopped ? 130 : 0;
}
