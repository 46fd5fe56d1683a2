/* src/learn.c    Builds a model's first baseline from its own traffic, by a child process. */
#include "driftd/internal/learn.h"

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driftd/internal/base/log.h"

enum { RETRY_MS = 600000, PROMOTED_MS = 60000 /* by then the plan shows it */ };
extern char **environ;

struct drift_learn {
    const struct drift_config *config;
    pid_t child;       /* 0: none */
    const char *model; /* it builds for */
    size_t index;      /* of that model */
    int64_t *retry_ms; /* [n_models] monotonic; 0: never tried */
};

struct drift_learn *drift_learn_new(const struct drift_config *c)
{
    struct drift_learn *l = drift_xcalloc(1, sizeof *l);
    l->config = c;
    l->retry_ms = drift_xcalloc(c->n_models, sizeof *l->retry_ms);
    return l;
}

void drift_learn_free(struct drift_learn *l)
{
    if (!l)
        return;
    if (l->child) {
        kill(l->child, SIGKILL); /* it writes nothing before its last step, which is one compare-and-set */
        waitpid(l->child, NULL, 0);
    }
    free(l->retry_ms);
    free(l);
}

static int spawn(struct drift_learn *l, const char *model, int64_t from_ms, int64_t to_ms)
{
    char from[32], to[32];
    sigset_t none, defaults;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    drift_time_text(from_ms, from, sizeof from);
    drift_time_text(to_ms, to, sizeof to);
    /* anyway: nobody is there to choose another range, and verdicts say that no rate is promised */
    char *const argv[] = {(char *)(uintptr_t) "driftd",
                          (char *)(uintptr_t) "baseline",
                          (char *)(uintptr_t) "build",
                          (char *)(uintptr_t) "-c",
                          l->config->file,
                          (char *)(uintptr_t) "--model",
                          (char *)(uintptr_t)model,
                          (char *)(uintptr_t) "--from",
                          from,
                          (char *)(uintptr_t) "--to",
                          to,
                          (char *)(uintptr_t) "--promote",
                          (char *)(uintptr_t) "--anyway",
                          NULL};
    sigemptyset(&none);
    sigfillset(&defaults);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawn_file_actions_init(&files); /* stdout is for window lines */
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    int rc = posix_spawn(&l->child, "/proc/self/exe", &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return rc;
}

static void start(struct drift_learn *l, const struct drift_chain *c, int64_t now_ms)
{
    int rc = spawn(l, c->model->name, c->first_ms, c->first_ms + c->model->learn_ms);
    l->retry_ms[c->model - l->config->models] = now_ms + RETRY_MS;
    if (rc) {
        l->child = 0;
        drift_log(DRIFT_ERROR, "learning_failed", KV_S("model", c->model->name), KV_S("text", strerror(rc)));
        return;
    }
    l->model = c->model->name;
    l->index = (size_t)(c->model - l->config->models);
    drift_log(DRIFT_INFO, "learning_built", KV_S("model", l->model), KV_I("pid", l->child),
              KV_S("text", "building the baseline from the traffic so far"));
}

static void reap(struct drift_learn *l, int64_t now_ms)
{
    int status;
    if (!l->child || waitpid(l->child, &status, WNOHANG) != l->child)
        return;
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    l->child = 0;
    if (good)
        l->retry_ms[l->index] = now_ms + PROMOTED_MS;
    drift_log(good ? DRIFT_INFO : DRIFT_ERROR, good ? "learning_done" : "learning_failed", KV_S("model", l->model),
              KV_I("status", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)),
              KV_S("text", good ? "the baseline is promoted" : "its messages stand above; tried again in ten minutes"));
}

void drift_learn_consider(struct drift_learn *l, const struct drift_chain *c, int64_t now_ms)
{
    reap(l, now_ms);
    if (l->child || c->kind != DRIFT_CHAIN_INPUT || !c->model->learn_ms || !c->plan.n || c->first_ms == INT64_MIN)
        return;
    if (c->plan.entry[c->plan.n - 1].baseline_id[0] || c->judged_until_ms < c->first_ms + c->model->learn_ms ||
        now_ms < l->retry_ms[c->model - l->config->models])
        return;
    start(l, c, now_ms);
}
