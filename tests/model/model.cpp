/* tests/model/model.cpp    Explores the state protocol of driftd as it is built: every state that a small world can
 * reach.
 *
 *     model [--short | --long] [--jobs N]     the table below; each line of it passes, or finds what it must find
 *     model name=value...                     one run; its trace when it finds something
 *     model --rules                           names, defaults and meaning
 *
 * Two instances, two partitions, two windows, one chain; faults by number.  Invariants: I1 every record counted once
 * and in the end in exactly one place, I2 one verdict a window and the same again after a failover, I3 from every state
 * everything completes without further faults, I5 no mixed layouts.  (I4, a write is applied only on the state that its
 * writer knew, holds by construction of the head; what follows from it is checked.)  Then every condition is switched
 * off in turn, and the run must find what it is there for.  world.h has the state, steps.cpp what can happen and where
 * the code departs from the protocol's text. */
#include "world.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace
{
enum Expect { HOLDS, CAUGHT, NEEDLESS /* switched off, and nothing is lost but time */ };
enum { SHORT = 1, LONG = 2, SAFETY = 4 /* no liveness: its runs are large */ };

struct Case {
    Expect expect;
    int when;
    unsigned min_states;
    const char *name, *rules;
};

const Case cases[] = {
    /* the protocol as built, within what is promised */
    {HOLDS, SHORT | LONG, 2900, "no fault", "scenario=1"},
    {HOLDS, SHORT | LONG, 25000, "failover of any slot", "scenario=3 rollbacks=1"},
    {HOLDS, SHORT | LONG, 120000, "two failovers", "scenario=3 rollbacks=2"},
    {HOLDS, LONG, 340000, "two failovers, out of order, a doubled id", "scenario=1 rollbacks=2"},
    {HOLDS, LONG, 610000, "two failovers, long", "scenario=2 rollbacks=2"},
    {HOLDS, LONG, 610000, "two failovers, stragglers in both", "scenario=5 rollbacks=2"},
    {HOLDS, SHORT | LONG, 40000, "two failovers, closed by the log", "scenario=6 rollbacks=2"},
    {HOLDS, LONG, 4800, "two failovers, an empty first window", "scenario=7 rollbacks=2"},
    {HOLDS, LONG, 160000, "failovers that lose three writes", "scenario=3 rollbacks=2 versions=3"},
    {HOLDS, LONG, 340000, "three failovers", "scenario=3 rollbacks=3"},
    {HOLDS, SHORT | LONG, 100000, "lost reply", "scenario=1 lost=1"},
    {HOLDS, SHORT | LONG, 840000, "two lost replies", "scenario=3 lost=2"},
    {HOLDS, LONG, 4700000, "three lost replies", "scenario=3 lost=3"},
    {HOLDS, SHORT | LONG, 180000, "lost reply and failover", "scenario=6 lost=1 rollbacks=1"},
    {HOLDS, LONG, 830000, "lost reply and failover, a straggler", "scenario=3 lost=1 rollbacks=1"},
    {HOLDS, LONG, 3100000, "two lost replies and failover", "scenario=6 lost=2 rollbacks=1"},
    {HOLDS, SHORT | LONG, 350000, "zombie: partition moves, crash", "scenario=3 rebalances=1 crashes=1"},
    {HOLDS, LONG, 1400000, "zombie and failover", "scenario=3 rebalances=1 rollbacks=1"},
    {HOLDS, LONG, 320000, "zombie and failover, closed by the log", "scenario=6 rebalances=1 rollbacks=1"},
    {HOLDS, LONG, 2800000, "zombie and lost reply", "scenario=3 rebalances=1 lost=1"},
    {HOLDS, LONG, 660000, "crash and two failovers", "scenario=3 crashes=1 rollbacks=2"},
    {HOLDS, SHORT | LONG, 30000, "crashes, out of order, a doubled id", "scenario=1 crashes=2"},
    {HOLDS, LONG, 1000000, "crash, lost reply, failover", "scenario=6 crashes=1 lost=1 rollbacks=1"},
    {HOLDS, SHORT | LONG, 64000, "two judges", "scenario=3 judges=2"},
    {HOLDS, LONG, 3500000, "two judges and zombie", "scenario=3 judges=2 rebalances=1"},
    {HOLDS, LONG, 190000, "two judges, failover", "scenario=6 judges=2 rollbacks=1"},
    {HOLDS, LONG, 6800000, "two judges, operator, failover", "scenario=3 judges=2 operates=1 rollbacks=1"},
    {HOLDS, SHORT | LONG, 84000, "old copy of headers, failover", "scenario=3 copies=1 rollbacks=1"},
    {HOLDS, LONG, 110000, "old copy of headers, two failovers", "scenario=6 copies=1 rollbacks=2"},
    {HOLDS, SHORT | LONG, 150000, "compaction, records of an older fetch", "scenario=8 left=1 crashes=1 rollbacks=1"},
    {HOLDS, LONG, 770000, "read on an old master, two failovers", "scenario=3 rollbacks=2 old_reads=1"},
    {HOLDS, LONG, 490000, "FORCE and zombie", "scenario=3 forces=1 rebalances=1"},
    {HOLDS, SHORT | LONG, 130000, "FORCE and failover, by sums", "scenario=6 forces=1 rollbacks=1 exact=0"},
    {HOLDS, SHORT | LONG, 510000, "two FORCEs and failover, by sums", "scenario=3 forces=2 rollbacks=1 exact=0"},
    {HOLDS, LONG, 310000, "FORCE and lost reply", "scenario=3 forces=1 lost=1"},
    {HOLDS, LONG, 1600000, "clock, failover", "scenario=3 clock=1 rollbacks=1"},
    {HOLDS, LONG, 2200000, "promotion on the way", "scenario=9 clock=1 plan=1"},
    {HOLDS, LONG, 7000000, "promotion, chain fails over",
     "scenario=9 clock=1 plan=1 rollbacks=1 slot_rollbacks=0 versions=1"},
    {HOLDS, LONG | SAFETY, 6500000, "promotion, chain fails over, longer settle",
     "scenario=10 clock=1 plan=1 rollbacks=1 slot_rollbacks=0 versions=1 settle=2 margin=3 retain=3"},
    {HOLDS, SHORT | LONG, 410000, "partition added", "scenario=9 clock=1 plan=2"},
    {HOLDS, LONG, 1200000, "partition added, chain fails over",
     "scenario=9 clock=1 plan=2 rollbacks=1 slot_rollbacks=0 versions=1"},
    /* beyond settle: sums, no hang, one verdict a window */
    {HOLDS, SHORT | LONG, 360000, "advances lost beyond settle",
     "scenario=3 rollbacks=2 no_settle=1 exact=0 identity=0"},
    {HOLDS, LONG, 1000000, "advances lost beyond settle, long",
     "scenario=1 rollbacks=2 no_settle=1 exact=0 identity=0"},
    {HOLDS, LONG, 1700000, "advances lost beyond settle, stragglers",
     "scenario=5 rollbacks=2 no_settle=1 exact=0 identity=0"},
    {HOLDS, SHORT | LONG, 320000, "verdicts lost beyond settle",
     "scenario=3 rollbacks=2 drop_now=1 exact=0 identity=0"},
    {HOLDS, LONG, 73000, "verdicts lost beyond settle, by the log",
     "scenario=6 rollbacks=2 drop_now=1 exact=0 identity=0"},
    /* every condition switched off in turn */
    {CAUGHT, SHORT | LONG, 0, "flush compares offsets", "scenario=3 rebalances=1 compare=1"},
    {CAUGHT, LONG, 0, "flush compares acquisitions", "scenario=3 rebalances=1 rollbacks=1 compare=2"},
    {CAUGHT, SHORT | LONG, 0, "flush compares nothing", "scenario=3 rebalances=1 compare=3"},
    {CAUGHT, SHORT | LONG, 0, "offset after the counts", "scenario=3 crashes=1 split=1"},
    {CAUGHT, SHORT | LONG, 0, "offset before the counts", "scenario=3 crashes=1 split=2"},
    {CAUGHT, SHORT | LONG, 0, "advance used before settle", "scenario=3 rollbacks=1 no_settle=1"},
    {CAUGHT, SHORT | LONG, 0, "same, and the verdict is lost", "scenario=3 rollbacks=2 no_settle=1 exact=0"},
    {CAUGHT, SHORT | LONG, 0, "second advance before settle", "scenario=3 rollbacks=1 busy_off=1"},
    {CAUGHT, SHORT | LONG, 0, "advance before the log's end", "scenario=6 rollbacks=1 not_end=1"},
    {CAUGHT, SHORT | LONG, 0, "drop before the verdict settles", "scenario=3 rollbacks=1 drop_now=1"},
    {CAUGHT, SHORT | LONG, 0, "drop of an open window", "scenario=6 rollbacks=1 drop_open=1"},
    {CAUGHT, SHORT | LONG, 0, "drop leaves no mark", "scenario=3 rollbacks=1 drop_now=1 no_gone=1"},
    {CAUGHT, SHORT | LONG, 0, "verdict ages in an old copy", "scenario=3 rollbacks=1 copies=1 old_copy=1"},
    {CAUGHT, LONG, 0, "retain no longer than settle", "scenario=3 clock=1 rollbacks=1 retain=1"},
    {CAUGHT, SHORT | LONG, 0, "counts below a dropped window stay",
     "scenario=3 rollbacks=2 drop_now=1 exact=0 identity=0 keep_lower=1"},
    {CAUGHT, SHORT | LONG, 0, "no reconciliation beyond settle",
     "scenario=3 rollbacks=1 no_reconcile=1 no_settle=1 identity=0 exact=0"},
    {CAUGHT, SHORT | LONG, 0, "ids in memory only", "scenario=1 crashes=1 ids=1"},
    {CAUGHT, SHORT | LONG, 0, "quiet owner does not check", "scenario=3 rollbacks=1 no_check=1"},
    {CAUGHT, SHORT | LONG, 0, "doubt answered by newer contents", "scenario=1 lost=1 resend_new=1"},
    {CAUGHT, SHORT | LONG, 0, "counts kept after STALE", "scenario=3 rollbacks=1 keep_counts=1"},
    {CAUGHT, SHORT | LONG, 0, "FORCE keeps the head", "scenario=3 forces=1 force_head=1"},
    {CAUGHT, SHORT | LONG, 0, "verdict without the head", "scenario=3 operates=1 verdict_head=1"},
    {CAUGHT, SHORT | LONG, 0, "first record believed", "scenario=1 left=1 no_guard=1"},
    {CAUGHT, SHORT | LONG, 0, "old record counted again", "scenario=1 recount=1"},
    {CAUGHT, SHORT | LONG, 0, "judge overlooks a partition", "scenario=3 few_parts=1"},
    {CAUGHT, SHORT | LONG, 0, "reads that do not write", "scenario=3 rollbacks=1 old_reads=1 old_read=1"},
    {CAUGHT, SHORT | LONG, 0, "the log's watermark is not saved", "scenario=1 crashes=1 no_log=1"},
    {CAUGHT, SHORT | LONG, 0, "late by the flushed watermark", "scenario=1 late_slot=1"},
    {CAUGHT, SHORT | LONG, 0, "future taken for now", "scenario=7 rollbacks=1 clamp=1"},
    {CAUGHT, LONG, 0, "plan without margin", "scenario=9 clock=1 plan=1 margin=0"},
    {CAUGHT, LONG, 0, "margin without settle or copy's age",
     "scenario=10 clock=1 plan=1 rollbacks=1 slot_rollbacks=0 versions=1 settle=2 margin=2 retain=3"},
    {CAUGHT, LONG, 0, "outdated plan", "scenario=9 clock=1 plan=1 plan_stale=1"},
    {CAUGHT, LONG | SAFETY, 0, "margin checked by the sender", "scenario=10 clock=1 plan=1 plan_late=1 lost=1"},
    {CAUGHT, LONG, 0, "layouts added", "scenario=9 clock=1 plan=1 plan_mix=1 margin=0"},
    /* switched off, and found to be there for other reasons */
    {NEEDLESS, SHORT | LONG, 70000, "ACQUIRE writes no head: zombies live longer",
     "scenario=3 rebalances=1 acquire_head=1"},
    {NEEDLESS, LONG, 830000, "STALE for DUP: one more reading", "scenario=3 lost=1 rollbacks=1 no_dup=1"},
    {NEEDLESS, LONG, 900000, "memory kept in doubt: the head decides", "scenario=3 lost=2 no_drop_memory=1"},
    {NEEDLESS, SHORT | LONG, 120000, "no reconciliation within settle", "scenario=3 rollbacks=2 no_reconcile=1"},
    {NEEDLESS, LONG, 1200000, "VERDICT by head alone: judged_until moves with it",
     "scenario=3 judges=2 rollbacks=1 verdict_any=1"},
    {NEEDLESS, SHORT | LONG, 110000, "one look: closed slots get no lower window", "scenario=5 rollbacks=1 one_look=1"},
    {NEEDLESS, SHORT | LONG, 110000, "counts of the first look: they are closed",
     "scenario=5 rollbacks=1 blob_first=1"},
    {NEEDLESS, LONG, 970000, "advance past the clock: no counts, no verdict", "scenario=9 clock=1 plan=2 past_clock=1"},
    {NEEDLESS, LONG, 410000, "PLAN_ADD below judged_until: the margin is stricter",
     "scenario=9 clock=1 plan=2 plan_judged=1"},
};

Rules parse(const std::string &text)
{
    Rules r;
    for (const RuleHelp &h : rule_list())
        r.value[h.name] = h.fallback;
    std::istringstream in(text);
    for (std::string word; in >> word;) {
        size_t eq = word.find('=');
        std::string name = word.substr(0, eq);
        if (eq == std::string::npos || !r.value.count(name)) {
            fprintf(stderr, "there is no rule %s; --rules lists them\n", name.c_str());
            exit(2);
        }
        r.value[name] = atoi(word.c_str() + eq + 1);
    }
    if (r["versions"] > KEPT || r["margin"] > 3 || r["judges"] > N_INST) {
        fprintf(stderr, "at most %d versions, margin 3, %d judges\n", KEPT, N_INST);
        exit(2);
    }
    return r;
}

const char *verdict_of(const Case &c, const Found &f)
{
    if (f.truncated)
        return "TOO LARGE";
    if (c.expect == CAUGHT)
        return f.bad ? "caught" : "NOT CAUGHT";
    if (f.bad)
        return "VIOLATED";
    return f.states < c.min_states || !f.done ? "TOO SMALL" : c.expect == NEEDLESS ? "needless" : "holds";
}

double cpu_seconds()
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6;
}

/* Explores one case and prints a line; the trace when it is not what was expected.  Returns the exit status. */
int run(const Case &c, bool trace, unsigned max)
{
    world_begin(parse(c.rules));
    Found f = search(max, !(c.when & SAFETY));
    const char *verdict = verdict_of(c, f);
    bool good = verdict[0] >= 'a';
    printf("%-10s %9u states  depth %3u  %6.1f s  %-46s %s\n", verdict, f.states, f.depth, cpu_seconds(), c.name,
           f.bad ? bad_name(f.bad) : "");
    if (!good)
        printf("           %s\n", c.rules);
    if (trace || (!good && c.expect != CAUGHT))
        printf("%s", f.trace.c_str());
    fflush(stdout);
    return good ? 0 : 1;
}

/* Each case in a process of its own: its memory ends with it and has a limit. */
pid_t begin(const Case &c, unsigned max, int jobs)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid)
        return pid;
#if !defined __SANITIZE_ADDRESS__
    struct rlimit limit = {(rlim_t)4 << 30, (rlim_t)4 << 30};
    limit.rlim_cur /= (rlim_t)jobs;
    setrlimit(RLIMIT_AS, &limit);
#else
    (void)jobs;
#endif
    _exit(run(c, false, max));
}

bool finish_one(int *running)
{
    int status;
    if (wait(&status) < 0)
        return false;
    --*running;
    return WIFEXITED(status) && !WEXITSTATUS(status);
}

int run_all(int when, int jobs, unsigned max)
{
    int n = 0, failed = 0, running = 0;
    auto start = std::chrono::steady_clock::now();
    for (const Case &c : cases) {
        if (!(c.when & when))
            continue;
        if (running == jobs)
            failed += !finish_one(&running);
        n++;
        if (begin(c, max, jobs) < 0)
            failed++;
        else
            running++;
    }
    while (running)
        failed += !finish_one(&running);
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    printf("%d cases, %d failed, %.0f s\n", n, failed, took.count());
    return failed || !n;
}
} // namespace

int main(int argc, char **argv)
{
    int when = SHORT, jobs = 2;
    unsigned max = 40000000;
    std::string rules;
    for (int a = 1; a < argc; a++) {
        std::string word = argv[a];
        if (word == "--short" || word == "--long") {
            when = word == "--short" ? SHORT : LONG;
        } else if (word == "--jobs" && a + 1 < argc) {
            jobs = atoi(argv[++a]);
        } else if (word == "--rules") {
            for (const RuleHelp &h : rule_list())
                printf("%-16s %d   %s\n", h.name, h.fallback, h.help);
            return 0;
        } else {
            rules += word + " ";
        }
    }
    if (!rules.empty())
        return run(Case{HOLDS, 0, 0, "one run", rules.c_str()}, true, max);
    return run_all(when, jobs < 1 ? 1 : jobs > 8 ? 8 : jobs, max);
}
