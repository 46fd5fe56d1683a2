/* src/ingest/trouble.c    What the brokers refuse this instance: rights on topics and on the group.
 *
 * librdkafka says it once and keeps trying; driftd is not ready until it is over.  A topic's trouble ends when
 * something of it is read, or the brokers show it to us again: another instance may be the one that reads it. */
#include "room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 2000, ANSWER_MS = 500 };

static bool is_about(const struct trouble *t, const char *topic)
{
    return topic ? t->topic && !strcmp(t->topic, topic) : !t->topic;
}

void drift_trouble_note(struct drift_ingest *ing, const char *topic, const char *text)
{
    struct trouble *t = NULL;
    pthread_mutex_lock(&ing->lock);
    for (size_t i = 0; i < ing->n_troubles && !t; i++)
        t = is_about(&ing->troubles[i], topic) ? &ing->troubles[i] : NULL;
    if (!t && ing->n_troubles < TROUBLES_MAX) {
        t = &ing->troubles[ing->n_troubles++];
        *t = (struct trouble){.topic = topic ? drift_xstrdup(topic) : NULL};
    }
    if (t)
        snprintf(t->text, sizeof t->text, "%s", text);
    if (t)
        t->look_ms = mono(ing) + LOOK_MS;
    pthread_mutex_unlock(&ing->lock);
}

void drift_trouble_over(struct drift_ingest *ing, const char *topic)
{
    if (!ing->n_troubles)
        return;
    pthread_mutex_lock(&ing->lock);
    for (size_t i = 0; i < ing->n_troubles; i++)
        if (is_about(&ing->troubles[i], topic)) {
            free(ing->troubles[i].topic);
            ing->troubles[i--] = ing->troubles[--ing->n_troubles];
        }
    pthread_mutex_unlock(&ing->lock);
}

const char *drift_trouble_of(const struct drift_ingest *ing, const char *topic)
{
    for (size_t i = 0; i < ing->n_troubles; i++)
        if (is_about(&ing->troubles[i], topic))
            return ing->troubles[i].text;
    return NULL;
}

void drift_trouble_show(const struct drift_ingest *ing, char *ret, size_t cap)
{
    size_t n = 0;
    *ret = 0;
    for (size_t i = 0; i < ing->n_troubles && n + 1 < cap; i++)
        n += (size_t)snprintf(ret + n, cap - n, "kafka: %s\n", ing->troubles[i].text);
}

/* Does this instance read of it?  Then only reading ends it: a topic that may be seen is not one that may be read. */
static bool is_ours(const struct drift_ingest *ing, const char *topic)
{
    for (size_t i = 0; i < ing->n_owned; i++)
        if (!strcmp(ing->owned[i]->topic, topic))
            return true;
    return false;
}

void drift_trouble_tend(struct drift_ingest *ing)
{
    if (drift_group_joined(ing->group))
        drift_trouble_over(ing, NULL);
    for (size_t i = 0; i < ing->n_troubles; i++) {
        struct trouble *t = &ing->troubles[i];
        if (!t->topic || mono(ing) < t->look_ms || is_ours(ing, t->topic))
            continue;
        t->look_ms = mono(ing) + LOOK_MS;
        if (drift_group_partitions(ing->group, t->topic, ANSWER_MS) > 0)
            drift_trouble_over(ing, t->topic);
        return; /* one question a turn */
    }
}
