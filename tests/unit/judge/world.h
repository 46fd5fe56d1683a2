/* world.h - a small world for the judge's tests: one configuration, a layout with a baseline, measures made by hand. */
#ifndef DRIFTD_TEST_WORLD_H
#define DRIFTD_TEST_WORLD_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/judge/outcome.h"
#include "support.h"

#define WORLD __attribute__((unused)) static

static const char config_text[] =
    "version: 1\n"
    "change: {version: v7, approved_by: the change board, reason: spring cleaning}\n"
    "kafka: {brokers: \"127.0.0.1:1\", group: g/1}\n"
    "redis: {host: 127.0.0.1, port: 1}\n"
    "state: {settle: 0s, retain: 1m, keep_verdicts: 3}\n"
    "owners:\n"
    "  soc: {team: Mail security, contact: \"#soc\"}\n"
    "endpoints:\n"
    "  hook: {url: \"http://127.0.0.1:1/hook\", allow_private: true, secret: {env: DRIFTD_TEST_SECRET}}\n"
    "  pager: {url: \"http://127.0.0.1:1/page\", allow_private: true, secret: {env: DRIFTD_TEST_SECRET}}\n"
    "playbooks:\n"
    "  look:\n"
    "    what_to_do: Look at it.\n"
    "    runbook_url: https://runbooks.example.com/look\n"
    "    steps:\n"
    "      - {do: ticket, endpoint: hook}\n"
    "  contain:\n"
    "    what_to_do: Contain it.\n"
    "    runbook_url: https://runbooks.example.com/contain\n"
    "    steps:\n"
    "      - {do: ticket, endpoint: hook}\n"
    "      - {do: page, endpoint: pager}\n"
    "      - {do: disable_automation, endpoint: hook}\n"
    "      - {do: rollback, endpoint: hook, mode: live, cooldown: 30m}\n"
    "streams:\n"
    "  events: {topic: scores, format: json, time: ts, model: {value: phish-url}, features: features, score: score, "
    "decision: decision}\n"
    "models:\n"
    "  phish-url:\n"
    "    owner: soc\n"
    "    criticality: high\n"
    "    streams: [events]\n"
    "    window: {size: 5m, lateness: 1m, min_events: 100, max_carry: 2}\n"
    "    positive_decision: block\n"
    "    status_endpoint: hook\n"
    "    rules:\n"
    "      - {name: input-drift, measure: psi, scope: {feature: \"*\"}, warning: 0.1, critical: 0.25, recovery: 0.08,\n"
    "         sla: {acknowledge: 15m, resolve: 4h}, playbook: {warning: look, critical: contain}}\n"
    "      - {name: decision-drift, measure: proportion, scope: decision, warning: 0.1, recovery: 0.05, playbook: "
    "look}\n"
    "      - {name: volume, measure: volume, scope: model, warning: 0.7, recovery: 0.5, playbook: look}\n";

WORLD struct drift_config *world_config(const char *text)
{
    struct drift_config *c = NULL;
    struct drift_buf report;
    drift_buf_init(&report, 1 << 16);
    int rc = drift_config_parse("test.yaml", text, strlen(text), &c, &report);
    ck_assert_msg(rc == 0, "%s", report.data ? report.data : "?");
    drift_buf_release(&report);
    return c;
}

/* Text with one part replaced; heap. */
WORLD char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    ck_assert_msg(at != NULL, "%s is not there", from);
    return drift_xasprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

#endif
