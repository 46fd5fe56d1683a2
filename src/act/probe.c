/* src/act/probe.c    One signed test event to an endpoint, for `driftd endpoint test`. */
#include "driftd/internal/act/sender.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/act/delivery.h"
#include "driftd/internal/base/hash.h"

static char *test_body(const struct drift_config *c, const struct drift_endpoint *e, int64_t now_ms, const char *id)
{
    char time[32];
    struct drift_buf source;
    drift_buf_init(&source, 4096);
    drift_buf_adds(&source, "/driftd/");
    drift_name_encode(&source, c->kafka.group ? c->kafka.group : "");
    json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:{s:s,s:s,s:s}}", "specversion", "1.0", "id", id, "source",
                          source.data, "type", "io.driftd.test", "subject", e->name, "time",
                          drift_time_text(now_ms, time, sizeof time), "datacontenttype", "application/json", "data",
                          "summary", "a test of driftd: nothing happened and nothing needs to be done", "endpoint",
                          e->name, "driftd", DRIFTD_VERSION);
    char *text = j ? json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    json_decref(j);
    drift_buf_release(&source);
    if (!text)
        drift_bug("a test event has no JSON form");
    return text;
}

static const struct drift_endpoint *find_endpoint(const struct drift_config *c, const char *name)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (!strcmp(c->endpoints[i].name, name))
            return &c->endpoints[i];
    return NULL;
}

static int no_endpoint(const struct drift_config *c, const char *name, struct drift_err *err)
{
    struct drift_buf names;
    drift_buf_init(&names, 300);
    for (size_t i = 0; i < c->n_endpoints; i++)
        drift_buf_addf(&names, "%s%s", i ? ", " : "", c->endpoints[i].name);
    int r = drift_fail(err, DRIFT_E_NOT_FOUND, DRIFT_STOP, "no endpoint is called \"%s\"; there are: %s", name,
                       names.len ? names.data : "none");
    drift_buf_release(&names);
    return r;
}

/* A status that is not 2xx is DENIED when the receiver refuses for good, AWAY when another try may work. */
static int verdict(const struct drift_endpoint *e, const struct drift_delivery_result *result, struct drift_err *err)
{
    if (result->outcome == DRIFT_OUTCOME_OK)
        return 0;
    bool again = result->outcome == DRIFT_OUTCOME_RETRY;
    return drift_fail(err, again ? DRIFT_E_AWAY : DRIFT_E_DENIED, again ? DRIFT_RETRY : DRIFT_STOP, "endpoint %s: %s",
                      e->name, result->error);
}

static int send_test(const struct drift_endpoint *e, struct drift_delivery_request *request, struct drift_err *err)
{
    struct drift_delivery *d = NULL;
    struct drift_delivery_result result;
    int r = drift_delivery_new(request, &d, err);
    if (r)
        return r;
    CURLcode code = curl_easy_perform(drift_delivery_easy(d));
    drift_delivery_finish(d, code, &result);
    drift_delivery_free(d);
    return verdict(e, &result, err);
}

int drift_endpoint_test(const struct drift_config *c, const char *endpoint, int64_t now_ms, struct drift_buf *report,
                        struct drift_err *err)
{
    const struct drift_endpoint *e = find_endpoint(c, endpoint);
    char id[33], **secrets = NULL;
    if (!e)
        return no_endpoint(c, endpoint, err);
    int r = drift_delivery_secrets(e, &secrets, err);
    if (r) {
        if (err)
            err->code = DRIFT_E_CONFIG;
        return DRIFT_E_CONFIG;
    }
    drift_random_hex32(id);
    char *body = test_body(c, e, now_ms, id);
    struct drift_delivery_request request = {
        .endpoint = e,
        .secrets = secrets,
        .n_secrets = e->n_secrets,
        .id = id,
        .body = body,
        .len = strlen(body),
        .now_ms = now_ms,
        .trace = report,
    };
    r = send_test(e, &request, err);
    free(body);
    drift_delivery_secrets_free(secrets, e->n_secrets);
    return r;
}
