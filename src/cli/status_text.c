/* src/cli/status_text.c    The text of `driftd status`: one screen, the cause of a wait under what waits. */
#include "driftd/internal/cli/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "driftd/internal/base/text.h"

enum { NAME_MIN = 12, NAME_MAX_WIDTH = 36 };

static const char *text_of(const json_t *j, const char *key, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : otherwise;
}

static int64_t number_of(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

static const char *count_of(const json_t *j, const char *key, char *buf, size_t cap)
{
    const json_t *n = json_object_get(j, key);
    if (!json_is_integer(n))
        return "?";
    snprintf(buf, cap, "%" PRId64, (int64_t)json_integer_value(n));
    return buf;
}

/* "4s", "2m10s", "3h5m": two units are enough for an age. */
static const char *age_of(const json_t *j, const char *key, char *buf, size_t cap)
{
    const json_t *ms = json_object_get(j, key);
    int64_t s = json_integer_value(ms) / 1000;
    if (!json_is_integer(ms))
        return "?";
    s = s < 0 ? 0 : s;
    int64_t unit = s < 3600 ? 1000 : s < 86400 ? 60000 : 3600000;
    return drift_duration_text(s * 1000 / unit * unit, buf, cap);
}

static void put_head(const json_t *j, struct drift_buf *out)
{
    const json_t *kafka = json_object_get(j, "kafka"), *here = json_object_get(j, "here");
    drift_buf_addf(out, "group %s at %s\n", text_of(j, "group", "?"), text_of(j, "now", "?"));
    if (!json_is_true(json_object_get(kafka, "asked")))
        drift_buf_adds(out, "kafka    not asked: lags are unknown\n");
    else if (!json_is_true(json_object_get(kafka, "answers")))
        drift_buf_addf(out, "kafka    unknown: %s\n", text_of(kafka, "text", "no answer"));
    else
        drift_buf_addf(out, "kafka    answers; the group is %s with %" PRId64 " member%s\n",
                       text_of(kafka, "state", "of unknown state"), number_of(kafka, "members"),
                       number_of(kafka, "members") == 1 ? "" : "s");
    if (text_of(here, "text", NULL))
        drift_buf_addf(out, "here     %s\n", text_of(here, "text", ""));
}

static void put_instances(const json_t *j, struct drift_buf *out)
{
    size_t i;
    json_t *one;
    char age[48];
    json_array_foreach(json_object_get(j, "instances"), i, one)
        drift_buf_addf(out, "%s %s acquired %" PRId64 " partition%s last, wrote %s ago\n", i ? "        " : "instance",
                       text_of(one, "instance", "?"), number_of(one, "partitions"),
                       number_of(one, "partitions") == 1 ? "" : "s", age_of(one, "wrote_ms_ago", age, sizeof age));
}

static void name_of(const json_t *p, char *buf, size_t cap)
{
    snprintf(buf, cap, "%s/%" PRId64, text_of(p, "topic", "?"), number_of(p, "partition"));
}

static int name_width(const json_t *partitions)
{
    size_t i, width = NAME_MIN;
    json_t *p;
    char name[300];
    json_array_foreach(partitions, i, p)
    {
        name_of(p, name, sizeof name);
        width = strlen(name) > width ? strlen(name) : width;
    }
    return width > NAME_MAX_WIDTH ? NAME_MAX_WIDTH : (int)width;
}

static void put_partition(const json_t *p, int width, struct drift_buf *out)
{
    char name[300], offset[24], lag[24], age[48];
    name_of(p, name, sizeof name);
    drift_buf_addf(out, "  %-*s %10s %9s  ", width, name,
                   json_is_null(json_object_get(p, "offset")) ? "-" : count_of(p, "offset", offset, sizeof offset),
                   count_of(p, "lag", lag, sizeof lag));
    if (!json_is_true(json_object_get(p, "read")))
        drift_buf_adds(out, "nothing read yet");
    else
        drift_buf_addf(out, "%-20s  %s%s ago", text_of(p, "watermark", "no event time yet"),
                       json_is_true(json_object_get(p, "idle")) ? "idle, " : "",
                       age_of(p, "wrote_ms_ago", age, sizeof age));
    drift_buf_addf(out, "  %s\n", text_of(p, "owner", "no owner"));
    if (text_of(p, "waits", NULL))
        drift_buf_addf(out, "    waits: %s\n", text_of(p, "waits", ""));
}

static void put_partitions(const json_t *j, struct drift_buf *out)
{
    const json_t *partitions = json_object_get(j, "partitions");
    int width = name_width(partitions);
    size_t i;
    json_t *p;
    if (json_array_size(partitions))
        drift_buf_addf(out, "\n  %-*s %10s %9s  %-20s  %s\n", width, "partition", "offset", "lag", "watermark",
                       "written, by");
    json_array_foreach(partitions, i, p) put_partition(p, width, out);
}

static void put_alerts(const json_t *m, struct drift_buf *out)
{
    size_t i;
    json_t *a;
    json_array_foreach(json_object_get(m, "alerts"), i, a)
        drift_buf_addf(out, "  ALERT %s: %s, since %s, incident of %s\n", text_of(a, "rule", "?"),
                       text_of(a, "severity", "?"), text_of(a, "since", "?"), text_of(a, "incident", "?"));
}

static void put_plan(const json_t *m, struct drift_buf *out)
{
    size_t i;
    json_t *e;
    char window[48], span[48], lateness[48];
    json_array_foreach(json_object_get(m, "plan"), i, e)
    {
        int64_t pane_ms = number_of(e, "window_ms"), span_ms = number_of(e, "span_ms");
        bool slides = span_ms > pane_ms;
        drift_buf_addf(
            out, "  plan %" PRId64 " from %s: baseline %s, windows of %s%s%s + %s, %" PRId64 " partitions\n",
            number_of(e, "seq"), text_of(e, "from", "the beginning"), text_of(e, "baseline", "none (unmonitored)"),
            drift_duration_text(slides ? span_ms : pane_ms, span, sizeof span), slides ? " every " : "",
            slides ? drift_duration_text(pane_ms, window, sizeof window) : "",
            drift_duration_text(number_of(e, "lateness_ms"), lateness, sizeof lateness), number_of(e, "partitions"));
    }
}

static void put_stored(const json_t *m, struct drift_buf *out)
{
    const json_t *held = json_object_get(m, "held"), *outbox = json_object_get(m, "outbox");
    if (json_is_object(held))
        drift_buf_addf(out, "  holds %" PRId64 " events of %" PRId64 " windows from %s on: too few to be judged\n",
                       number_of(held, "events"), number_of(held, "windows"), text_of(held, "from", "?"));
    if (number_of(outbox, "waiting"))
        drift_buf_addf(out, "  outbox: %" PRId64 " actions wait for delivery, oldest of the window that began %s\n",
                       number_of(outbox, "waiting"), text_of(outbox, "oldest", "?"));
    if (number_of(outbox, "dead"))
        drift_buf_addf(out, "  outbox: %" PRId64 " actions were given up\n", number_of(outbox, "dead"));
}

static void put_early(const json_t *m, struct drift_buf *out)
{
    const json_t *early = json_object_get(m, "preliminary");
    size_t i;
    json_t *rule;
    if (!json_is_object(early))
        return;
    drift_buf_addf(out, "  preliminary, %s to %s: %s, %" PRId64 " events so far", text_of(early, "from", "?"),
                   text_of(early, "to", "?"), text_of(early, "kind", "?"), number_of(early, "events"));
    json_array_foreach(json_object_get(early, "crossed"), i, rule) drift_buf_addf(
        out, "%s %s (%s)", i ? "," : "; crossed:", text_of(rule, "rule", "?"), text_of(rule, "severity", "?"));
    drift_buf_adds(out, "\n");
}

static void put_model(const json_t *m, struct drift_buf *out)
{
    const char *why = text_of(m, "why", NULL), *since = text_of(m, "since", NULL);
    drift_buf_addf(out, "\nmodel %s, %s windows: ", text_of(m, "model", "?"), text_of(m, "chain", "?"));
    if (text_of(m, "text", NULL)) {
        drift_buf_addf(out, "%s\n", text_of(m, "text", ""));
        return;
    }
    drift_buf_addf(out, "%s%s%s%s%s%s\n", text_of(m, "status", "unknown"), since ? " since " : "", since ? since : "",
                   why ? " (" : "", why ? why : "", why ? ")" : "");
    drift_buf_addf(out, "  judged until %s, %" PRId64 " open window%s%s%s\n", text_of(m, "judged_until", "-"),
                   number_of(m, "open"), number_of(m, "open") == 1 ? "" : "s",
                   text_of(m, "oldest_open", NULL) ? ", oldest from " : "", text_of(m, "oldest_open", ""));
    if (text_of(m, "waits", NULL))
        drift_buf_addf(out, "  %s\n", text_of(m, "waits", ""));
    put_early(m, out);
    put_alerts(m, out);
    put_stored(m, out);
    put_plan(m, out);
}

void drift_status_text(const json_t *status, struct drift_buf *out)
{
    size_t i;
    json_t *m;
    put_head(status, out);
    put_instances(status, out);
    put_partitions(status, out);
    json_array_foreach(json_object_get(status, "models"), i, m) put_model(m, out);
}
