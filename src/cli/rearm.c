/* src/cli/rearm.c    `driftd rearm`: after an alarm of evidence was dealt with, its columns are watched again.
 *
 * The request is added to the chain's evidence by compare-and-set and carried out with the next window, so that the
 * verdict says so and a window that is judged again does the same. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/base/hash.h"
#include "driftd/internal/cli.h"
#include "driftd/internal/cli/baseline.h"
#include "driftd/internal/store/store.h"

enum { TRIES = 20, COLUMNS_MAX = 64 };

static const char help[] =
    "usage: driftd rearm -c FILE [--model M] [--column C]...\n\n"
    "A column that an alarm of `measure: evidence` has named is latched: it adds nothing until its windows have been\n"
    "without drift for `clear_windows`.  Once the cause is mended, this watches it again at once, with evidence 0, "
    "from\n"
    "the next window on.  Without --column all columns of the model.  If the change is to stay, promote a baseline "
    "that\n"
    "has it instead: a column that is armed against the old one alarms again.\n\n"
    "      --column C      may be repeated; score, decision and so on by that name\n\n"
    "exit status: 0 asked for, 1 the model has no evidence yet, 2 usage, 69 Redis is not to be had\n\n"
    "example:\n  driftd rearm -c driftd.yaml --model phish --column url_length\n";

struct request {
    const char *config, *model;
    const char *column[COLUMNS_MAX];
    size_t n_columns;
};

static bool listed(const json_t *list, const char *name)
{
    const json_t *v;
    size_t i;
    json_array_foreach(list, i, v)
    {
        if (json_is_string(v) && !strcmp(json_string_value(v), name))
            return true;
    }
    return false;
}

/* The field with the request in it; NULL: it is not what a daemon writes. */
static char *with_request(const struct drift_pair *field, const struct request *q)
{
    json_t *j = json_loadb(field->value, field->len, 0, NULL), *list = json_object_get(j, "rearm");
    char *text = NULL;
    if (json_is_object(j) && !json_is_array(list)) {
        list = json_array();
        json_object_set_new(j, "rearm", list);
    }
    for (size_t i = 0; list && i < q->n_columns; i++)
        if (!listed(list, q->column[i]) && json_array_size(list) < COLUMNS_MAX)
            json_array_append_new(list, json_string(q->column[i]));
    if (list)
        text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return text;
}

static int one_try(struct drift_store *s, struct drift_chain_id id, const struct request *q, bool *ret_there,
                   enum drift_reply *reply, struct drift_err *err)
{
    struct drift_pairs fields;
    int64_t now_ms;
    char fresh[DRIFT_HEAD];
    int rc = drift_store_model_read(s, id, &fields, &now_ms, err);
    if (rc)
        return rc;
    const struct drift_pair *head = drift_pairs_find(&fields, "head"), *field = drift_pairs_find(&fields, "evidence");
    char *text = head && field ? with_request(field, q) : NULL;
    *ret_there = text != NULL;
    if (text) {
        struct drift_pair set = {(char *)(uintptr_t) "evidence", text, strlen(text)};
        drift_random_hex32(fresh);
        rc = drift_store_operate(s, id, head->value, fresh, &set, 1, reply, err);
    }
    free(text);
    drift_pairs_release(&fields);
    return rc;
}

static int ask(struct drift_store *s, const struct drift_model *m, const struct request *q, bool *ret_there,
               struct drift_err *err)
{
    struct drift_chain_id id = {m->name, DRIFT_CHAIN_INPUT};
    for (int i = 0; i < TRIES; i++) {
        enum drift_reply reply = DRIFT_REPLY_CONFLICT;
        int rc = one_try(s, id, q, ret_there, &reply, err);
        if (rc || !*ret_there || reply == DRIFT_REPLY_OK || reply == DRIFT_REPLY_DUP)
            return rc;
    }
    return drift_fail(err, DRIFT_E_AWAY, DRIFT_RETRY, "model %s: its verdicts kept changing the evidence, try again",
                      m->name);
}

static int parse(int argc, char **argv, struct request *q)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"model", required_argument, NULL, 'm'},
                                            {"column", required_argument, NULL, 'o'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int opt;
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (opt == 'h') {
            fputs(help, stdout);
            return 1 + DRIFT_EXIT_OK;
        }
        if (opt == 'c')
            q->config = optarg;
        else if (opt == 'm')
            q->model = optarg;
        else if (opt != 'o')
            return 1 + DRIFT_EXIT_USAGE;
        else if (q->n_columns == COLUMNS_MAX)
            return 1 + drift_cli_fail(DRIFT_EXIT_USAGE, "rearm", "at most %d columns at once", COLUMNS_MAX);
        else
            q->column[q->n_columns++] = optarg;
    }
    if (optind < argc)
        return 1 + drift_cli_fail(DRIFT_EXIT_USAGE, "rearm", "too many arguments");
    if (!q->n_columns)
        q->column[q->n_columns++] = "*";
    return 0;
}

int drift_cmd_rearm(int argc, char **argv)
{
    struct request q = {0};
    const struct drift_model *m;
    struct drift_store *s = NULL;
    struct drift_err err = {.text = ""};
    bool there = false;
    int status = parse(argc, argv, &q);
    if (status)
        return status - 1;
    struct drift_config *c = drift_baseline_config("rearm", q.config, q.model, &m, &status);
    if (!c)
        return status;
    int rc = drift_store_new(&c->redis, c->kafka.group, &s, &err);
    if (!rc)
        rc = ask(s, m, &q, &there, &err);
    if (!rc && !there)
        printf(
            "model %s has no evidence yet: it needs `evidence` in the configuration and a window that was measured\n",
            m->name);
    else if (!rc)
        printf("model %s: asked for; `evidence.rearmed` of the next verdict says how many columns it was\n", m->name);
    drift_store_free(s);
    drift_config_free(c);
    if (rc)
        return drift_baseline_fail("rearm", rc, &err);
    return there ? DRIFT_EXIT_OK : DRIFT_EXIT_FOUND;
}
