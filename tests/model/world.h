/* world.h - the small world in which the state protocol is explored: two instances, two partitions, two windows.
 *
 * Everything that a run can reach is one struct of bytes without padding or pointers, so that it can be copied and
 * hashed as memory.  A slot keeps its last few versions: a failover restores one of them.  Which versions it may
 * restore ends in one of two ways: without a clock "time passes" may settle each slot at any moment (more behaviours
 * than there are); with `clock` every version has an age and a failover takes back the writes of the last `settle`
 * ticks exactly.
 *
 * Windows are [0,2) and [2,4), lateness is 1: a window is closed at 3 and at 5.
 *
 * Heads are random names: only equality counts, so each state renumbers them in the order of their appearance. */
#ifndef DRIFTD_TESTS_MODEL_WORLD_H
#define DRIFTD_TESTS_MODEL_WORLD_H

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

enum { N_PART = 2, N_WIN = 2, N_INST = 2, KEPT = 3, N_NET = 2, HOLE = 99, PLAN_TTL = 1, NEVER = 255 };
constexpr uint8_t CLOSE[N_WIN] = {3, 5};
/* The clock shows 1 at event time 0, so that a plan entry can be three ticks ahead of the second window. */
enum { CLOCK_ZERO = 1, CLOCK_END = CLOCK_ZERO + 5 };

/* One partition slot in Redis; sets of records are bits by offset. */
struct Slot {
    uint8_t head, off, wm, log, adv_from, adv_to, adv_age, blob[N_WIN], layout, late, idle_late, other, gone, corrected,
        acquired, age;
};
/* One chain: the model slot and its verdict headers.  until: number of windows behind judged_until, 0: no verdict. */
struct Chain {
    uint8_t head, until, n[N_WIN][N_PART], excluded[N_WIN][N_PART], kind[N_WIN], alerts, ack, plan, header_age[N_WIN],
        age;
};
enum { KIND_NONE, KIND_OK, KIND_LOST };

/* A partition as one instance holds it. */
enum { OWN_NONE, OWN_LOADED, OWN_IN_DOUBT };
enum {
    DIRTY_OFF = 1,
    DIRTY_WM = 2,
    DIRTY_BLOB = 4 /* << window */,
    DIRTY_COUNTS = 16,
    DIRTY_GONE = 32,
    DIRTY_LOG = 64
};
struct Owner {
    uint8_t mine, state, base, pend, dirty, advance /* in doubt: to; 0: a flush */, first, gap, ids, flushed_wm,
        base_off;
    Slot m;
};
/* What an instance knows of the chain: plan and verdict headers, read together some time ago. */
struct Copy {
    uint8_t plan, kind[N_WIN], n[N_WIN][N_PART], settled[N_WIN], header_age[N_WIN], age;
};
enum { JUDGE_IDLE, JUDGE_FIRST, JUDGE_AGAIN, JUDGE_DECIDED, JUDGE_IN_DOUBT };
struct Judge {
    uint8_t state, head, pend, until, got, start, ready[N_PART], low[N_PART], gone[N_PART], n[N_WIN][N_PART],
        layout[N_WIN], alerts, ack, plan, lost;
};
/* A request whose sender has given up waiting for the reply: applied later, or never. */
enum { NET_NONE, NET_FLUSH, NET_ACQUIRE, NET_VERDICT, NET_PLAN };
struct Message {
    uint8_t kind, part, prev, next, dirty, advance, base_off;
    Slot slot;
    Chain chain;
};
enum Fault {
    F_ROLLBACK,
    F_CRASH,
    F_REBALANCE,
    F_LOST,
    F_FORCE,
    F_OPERATE,
    F_CHAIN_ROLLBACK,
    F_SLOT_ROLLBACK,
    F_OLD_MASTER,
    F_LEFT,
    N_FAULT
};

struct World {
    Slot slot[N_PART][KEPT + 1]; /* [last[p]] is the present, [0] the oldest that a failover can restore */
    Chain chain[KEPT + 1];
    uint8_t last[N_PART], chain_last;
    Owner owner[N_INST][N_PART];
    Judge judge[N_INST];
    Copy copy[N_INST];
    Message net[N_NET];
    Slot old[N_PART]; /* an isolated old master: the newest version that a failover took back */
    uint8_t old_settled[N_PART];
    uint8_t assigned[N_PART], avail[N_PART], used[N_FAULT], clock;
    uint8_t seen[N_WIN][1 + N_PART]; /* numbers of the first verdict of each window: nobody but the checks reads them */
    uint8_t bad;
};
static_assert(alignof(World) == 1, "hashed as memory");

enum Bad {
    BAD_NONE,
    BAD_DOUBLE,
    BAD_NUMBERS,
    BAD_LOST_UPDATE,
    BAD_SUM,
    BAD_MIXED,
    BAD_RECONCILED,
    BAD_DUPLICATE,
    BAD_LOST,
    BAD_EXCLUDED,
    BAD_LATE,
    BAD_STUCK
};
const char *bad_name(int bad);

struct Event {
    int t, dup; /* dup: offset of the record with the same id, or -1 */
};

/* What one run explores: its scenario, how many faults of each kind, which rules are switched off. */
struct Rules {
    std::map<std::string, int> value;
    int operator[](const char *name) const
    {
        return value.at(name);
    }
};
/* All names with their defaults, and one line of help each. */
struct RuleHelp {
    const char *name;
    int fallback;
    const char *help;
};
const std::vector<RuleHelp> &rule_list();

/* The run at hand, set once by world_begin: the inner loops read plain ints. */
struct Now {
    int versions, faults[N_FAULT], judges, clock, copies, plan, exact, identity, margin, retain, settle;
    int compare, no_settle, busy_off, not_end, past_clock, drop_now, drop_open, no_gone, no_reconcile, old_copy, split,
        ids, no_check, resend_new, no_drop_memory, keep_counts, force_head, verdict_head, verdict_any, plan_stale,
        plan_mix, plan_late, acquire_head, no_dup, no_guard, recount, few_parts, old_read, no_log, late_slot, one_look,
        blob_first, clamp, keep_lower, plan_judged;
    std::vector<Event> log[N_PART];
    int avail[N_PART];
    bool watch_first; /* can the first record after an assign be a wrong one? */
};
extern Now now;

void world_begin(const Rules &r);
World world_first();
void world_canon(World &w);
bool world_done(const World &w);
int world_final(const World &w); /* BAD_SUM, BAD_LATE when a finished world does not add up */

/* One step and what it is called. */
struct Act {
    uint8_t what, inst, part, arg;
};
std::string act_text(const Act &a);
bool act_is_fault(const Act &a);
void world_steps(const World &w, std::vector<std::pair<Act, World>> &out);

inline Slot &present(World &w, int p)
{
    return w.slot[p][w.last[p]];
}
inline const Slot &present(const World &w, int p)
{
    return w.slot[p][w.last[p]];
}
inline Chain &present_chain(World &w)
{
    return w.chain[w.chain_last];
}
inline const Chain &present_chain(const World &w)
{
    return w.chain[w.chain_last];
}

/* search.cpp: breadth first, so that the first violation has a shortest trace; then liveness. */
struct Found {
    int bad;
    bool truncated;
    unsigned states, done, depth;
    std::string trace;
};
Found search(unsigned max_states, bool live);

#endif
