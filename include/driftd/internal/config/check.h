/* check.h - what single values cannot say: formats of texts, and rules between keys.
 *
 * Formats answer NULL or what is wanted ("wants ...").  Checks run after their part was filled in, in the order of
 * the table: owners, endpoints, playbooks and streams are there when models are checked.  Threads: pure. */
#ifndef DRIFTD_CONFIG_CHECK_H
#define DRIFTD_CONFIG_CHECK_H

#include "driftd/internal/config/fill.h"

const char *drift_format_name(const char *s); /* names of things of the configuration */
const char *drift_format_brokers(const char *s);
const char *drift_format_nodes(const char *s); /* host:port,host:port */
const char *drift_format_topic(const char *s);
const char *drift_format_topics(const char *s); /* a topic, or a pattern of topics (topics.h) */
const char *drift_format_group(const char *s);
const char *drift_format_path(const char *s); /* dotted path into a record */
const char *drift_format_url(const char *s);
const char *drift_format_listen(const char *s); /* host:port, or none */
const char *drift_format_host(const char *s);

/* Parts of an http(s) URL, borrowed. */
struct drift_url {
    bool https;
    const char *host;
    size_t host_len;
    bool loopback, private_address; /* by the literal address or the name localhost; private includes loopback */
};
bool drift_url_parse(const char *url, struct drift_url *ret);

#define DRIFT_CHECK(name)                                                                                              \
    void drift_check_##name(struct drift_fill *f, const struct drift_node *node, void *base,                           \
                            const struct drift_path *path)
DRIFT_CHECK(config);
DRIFT_CHECK(redis);
DRIFT_CHECK(sentinel);
DRIFT_CHECK(state);
DRIFT_CHECK(registry);
DRIFT_CHECK(option);
DRIFT_CHECK(endpoint);
DRIFT_CHECK(step);
DRIFT_CHECK(playbook);
DRIFT_CHECK(time);
DRIFT_CHECK(features);
DRIFT_CHECK(stream);
DRIFT_CHECK(model);
DRIFT_CHECK(detector);
DRIFT_CHECK(detector_scope);
DRIFT_CHECK(scope);
DRIFT_CHECK(rule_playbook);
DRIFT_CHECK(rule);
DRIFT_CHECK(listen);

#endif
