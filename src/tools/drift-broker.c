/* src/tools/drift-broker.c    An embedded broker for the demo: librdkafka's mock cluster as a process that speaks TCP.
 *
 * It keeps 5 MB or 100,000 records a partition and drops older ones silently, knows groups and offsets, but neither
 * TLS nor the admin requests: enough for a demo, not for tests of what a broker does. */
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/text.h"

static const char usage[] =
    "usage: drift-broker [--port-file FILE] [--topic NAME:PARTITIONS]...\n"
    "\n"
    "A Kafka broker in memory, on a free port of the loopback interface, until SIGTERM or SIGINT.\n"
    "Prints the bootstrap address; --port-file writes it to FILE as well, when it is ready.\n"
    "\n"
    "example: drift-broker --port-file /run/user/1000/broker --topic phish.events:4\n";

static int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("drift-broker: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return 1;
}

static int topic_create(rd_kafka_mock_cluster_t *cluster, const char *spec)
{
    const char *colon = strrchr(spec, ':');
    int64_t partitions = 0;
    if (!colon || colon == spec || !drift_i64_parse(colon + 1, strlen(colon + 1), &partitions) || partitions < 1 ||
        partitions > 1000)
        return fail("--topic %s: not of the form NAME:PARTITIONS with 1 to 1000 partitions", spec);
    char name[250];
    size_t n = (size_t)(colon - spec);
    if (n >= sizeof name)
        return fail("--topic %s: a topic's name has at most 249 bytes", spec);
    memcpy(name, spec, n);
    name[n] = 0;
    rd_kafka_resp_err_t e = rd_kafka_mock_topic_create(cluster, name, (int)partitions, 1);
    return e ? fail("--topic %s: %s", spec, rd_kafka_err2str(e)) : 0;
}

/* Written beside and renamed, so that whoever waits for the file never reads half of it. */
static int write_whole(const char *path, const char *text)
{
    char part[4096];
    if ((size_t)snprintf(part, sizeof part, "%s.part", path) >= sizeof part)
        return fail("--port-file: path too long");
    FILE *f = fopen(part, "w");
    if (!f || fprintf(f, "%s\n", text) < 0 || fclose(f) || rename(part, path))
        return fail("cannot write %s", path);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"port-file", required_argument, NULL, 'f'},
                                            {"topic", required_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *port_file = NULL;
    const char **topics = calloc((size_t)argc, sizeof *topics);
    int n_topics = 0;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'f')
            port_file = optarg;
        else if (c == 't' && topics)
            topics[n_topics++] = optarg;
        else {
            fputs(usage, c == 'h' ? stdout : stderr);
            free(topics);
            return c == 'h' ? 0 : 2;
        }
    }

    /* Blocked before the library starts threads, so that sigwait below is the only place that gets them. */
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);

    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "3", text, sizeof text); /* the handle that owns the cluster talks to nobody */
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    rd_kafka_mock_cluster_t *cluster = rk ? rd_kafka_mock_cluster_new(rk, 1) : NULL;
    int status = cluster ? 0 : fail("cannot start: %s", rk ? "no mock cluster" : text);
    for (int i = 0; i < n_topics && !status; i++)
        status = topic_create(cluster, topics[i]);
    if (!status && port_file)
        status = write_whole(port_file, rd_kafka_mock_cluster_bootstraps(cluster));
    if (!status) {
        printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
        fflush(stdout);
        int sig;
        sigwait(&ends, &sig);
    }
    if (cluster)
        rd_kafka_mock_cluster_destroy(cluster);
    if (rk)
        rd_kafka_destroy(rk);
    free(topics);
    return status;
}
