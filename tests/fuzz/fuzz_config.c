/* tests/fuzz/fuzz_config.c    The configuration: any bytes load, or are refused with a report that is text.
 *
 * What loads is used as its readers do: every string is looked at, every index is followed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool b)
{
    if (!b)
        abort();
}

static void model_use(const struct drift_config *c, const struct drift_model *m)
{
    must(m->owner < c->n_owners && m->window_ms > 0 && m->label_window_ms > 0);
    must(m->status_endpoint < (int)c->n_endpoints);
    for (size_t i = 0; i < m->n_streams; i++)
        must(m->streams[i] < c->n_streams);
    for (size_t i = 0; i < m->n_rules; i++) {
        const struct drift_rule *r = &m->rules[i];
        must(r->name && *r->name && r->owner < c->n_owners && r->persist_k <= r->persist_of && r->persist_of <= 64);
        must(r->playbook_warning < (int)c->n_playbooks && r->playbook_critical < (int)c->n_playbooks);
        must(r->scope != DRIFT_SCOPE_FEATURE || r->feature);
        must(!(r->critical < r->warning) && (r->recovery < r->warning || r->recovery < r->critical));
    }
    (void)drift_model_wants(m, "url_length");
    (void)drift_model_type(m, "url_length");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct drift_config *c = NULL;
    struct drift_buf report;
    drift_buf_init(&report, 1 << 20);
    int rc = drift_config_parse("fuzz.yaml", (const char *)data, size, &c, &report);
    must(rc == 0 || rc == DRIFT_E_CONFIG);
    must((rc == 0) == (report.len == 0));
    for (size_t i = 0; i < report.len; i++)
        must(report.data[i] == '\n' || ((unsigned char)report.data[i] >= 0x20 && report.data[i] != 0x7f));
    if (!rc) {
        must(c->kafka.brokers && c->kafka.group && c->n_models && (c->redis.host || c->redis.socket));
        for (size_t i = 0; i < c->n_models; i++)
            model_use(c, &c->models[i]);
        for (size_t i = 0; i < c->n_playbooks; i++)
            for (size_t s = 0; s < c->playbooks[i].n_steps; s++)
                must(c->playbooks[i].steps[s].endpoint < c->n_endpoints);
        for (size_t i = 0; i < c->n_streams; i++)
            must(c->streams[i].n_topics && (c->streams[i].model || c->streams[i].model_value));
    }
    drift_config_free(c);
    drift_buf_release(&report);
    return 0;
}
