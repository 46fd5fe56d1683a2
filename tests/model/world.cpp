/* tests/model/world.cpp    Scenarios, rules, the canonical form of a state, and when a run is over and adds up. */
#include "world.h"

#include <cstdio>
#include <cstdlib>

Now now;

const std::vector<RuleHelp> &rule_list()
{
    static const std::vector<RuleHelp> list = {
        {"scenario", 3, "records of the two partitions (world.cpp)"},
        {"versions", 2, "writes of a slot that a failover can take back"},
        {"rollbacks", 0, "failovers, of any slot"},
        {"chain_rollbacks", 9, "of these at most so many of the chain"},
        {"slot_rollbacks", 9, "and of the partition slots"},
        {"crashes", 0, "an instance dies and starts again"},
        {"rebalances", 0, "the group gives a partition to the other instance, which may learn of it much later"},
        {"lost", 0, "replies that are lost; the request is applied at once, later or never"},
        {"forces", 0, "FORCE by somebody"},
        {"operates", 0, "an operator writes to the chain"},
        {"old_reads", 0, "answers of an isolated old master"},
        {"left", 0, "records of an older fetch that come first after an assign"},
        {"judges", 1, "instances that judge"},
        {"clock", 0, "1: a clock runs, versions and headers have ages, plan copies too"},
        {"copies", 0, "1: owners drop by a copy of the verdict headers read earlier"},
        {"plan", 0, "with clock: 1 a baseline is promoted for the second window, 2 partition 1 joins there"},
        {"settle", 1, "with clock: ticks after which a write can not be lost any more; copies hold for one"},
        {"margin", 2, "with clock: how far ahead a plan entry must be"},
        {"retain", 2, "with clock: age of a verdict before its counts are dropped"},
        {"exact", 1, "reconciliation, lost verdicts and exclusion must never happen"},
        {"identity", 1, "a window judged again has the same numbers"},
        /* conditions; not 0: switched off */
        {"compare", 0, "a flush compares 0 heads, 1 offsets, 2 the number of acquisitions, 3 nothing"},
        {"split", 0, "1: counts are flushed before the offset, 2: after it"},
        {"no_settle", 0, "the judge uses an advance that a failover can still take back"},
        {"busy_off", 0, "a second advance may hide one that has not settled"},
        {"not_end", 0, "a partition is idle though records wait"},
        {"past_clock", 0, "an advance may pass the clock"},
        {"drop_now", 0, "counts are dropped as soon as a verdict is seen"},
        {"drop_open", 0, "counts are dropped though the window is open (again) in their own slot"},
        {"no_gone", 0, "dropping leaves no mark"},
        {"no_reconcile", 0, "dropping does not compare counts and verdict"},
        {"old_copy", 0, "a verdict ages in a copy that a failover has overtaken"},
        {"ids", 0, "ids of counted records are kept in memory only"},
        {"no_check", 0, "an owner with nothing to write does not look at its head"},
        {"resend_new", 0, "a flush in doubt is sent again with newer contents under the same head"},
        {"no_drop_memory", 0, "after the second lost reply the memory is kept"},
        {"keep_counts", 0, "acquired again after STALE, an owner keeps its counts and takes the slot's offset"},
        {"force_head", 0, "FORCE leaves the head alone"},
        {"verdict_head", 0, "VERDICT compares judged_until only"},
        {"verdict_any", 0, "VERDICT compares the head only"},
        {"plan_stale", 0, "owners count by a plan read any time ago"},
        {"plan_judged", 0, "a plan entry may begin in a window that is judged"},
        {"plan_mix", 0, "the judge adds counts of any layout"},
        {"plan_late", 0, "the margin of a plan entry is checked by its sender, not by the script"},
        {"acquire_head", 0, "ACQUIRE writes no new head"},
        {"no_dup", 0, "a flush that was applied before counts as stale"},
        {"no_guard", 0, "the first record after an assign is believed whatever its offset"},
        {"recount", 0, "a record below the next offset is counted again"},
        {"few_parts", 0, "the judge overlooks partition 1"},
        {"old_read", 0, "a slot answers reads that do not write"},
        {"no_log", 0, "the log's own watermark is not saved"},
        {"late_slot", 0, "late is decided by the watermark of the last flush"},
        {"one_look", 0, "the judge takes the lowest window of its first look"},
        {"blob_first", 0, "the judge takes the counts from an earlier reply than the watermark"},
        {"keep_lower", 0, "counts below a dropped window stay though the chain has passed them over"},
        {"clamp", 0, "a time in the future is taken for the clock's"},
    };
    return list;
}

const char *bad_name(int bad)
{
    static const char *const name[] = {
        "",
        "I1 a record was counted twice",
        "I2 a window judged again has other numbers",
        "I2 a write to the chain was overwritten",
        "I1 the sums do not add up",
        "I5 a verdict mixes layouts",
        "reconciliation had to act",
        "I1 an id is twice in a verdict",
        "a verdict was given up as lost",
        "records were excluded for their layout",
        "a record is late by the log alone, or not, and was not counted so",
        "I3 cannot complete from here",
    };
    return name[bad];
}

/* times by partition; available at the start */
static void set_scenario(int n)
{
    static const struct {
        std::vector<Event> log[N_PART];
        int avail[N_PART];
    } all[] = {
        {},
        /* 1: out of order, late, one id twice, a straggler in a partition that may be idle */
        {{{{0, -1}, {3, -1}, {1, -1}}, {{1, -1}, {1, 0}, {0, -1}}}, {3, 2}},
        /* 2: out of order within lateness, then late */
        {{{{0, -1}, {2, -1}, {1, -1}, {3, -1}, {0, -1}}, {{1, -1}, {0, -1}}}, {5, 1}},
        /* 3: the smallest: one record each and a straggler; the first window is empty in partition 0 */
        {{{{3, -1}}, {{1, -1}, {0, -1}}}, {1, 1}},
        /* 4: both windows in both partitions */
        {{{{0, -1}, {2, -1}}, {{1, -1}, {3, -1}}}, {1, 1}},
        /* 5: stragglers in both */
        {{{{1, -1}, {1, -1}}, {{3, -1}, {0, -1}}}, {1, 1}},
        /* 6: the log of one closes the first window, no straggler */
        {{{{0, -1}, {3, -1}}, {{1, -1}, {3, -1}}}, {2, 2}},
        /* 7: a record that may lie in the future; the first window is empty */
        {{{{2, -1}, {3, -1}}, {{3, -1}}}, {2, 1}},
        /* 8: a compacted record */
        {{{{0, -1}, {HOLE, -1}, {3, -1}, {1, -1}}, {{1, -1}}}, {4, 1}},
        /* 9: the smallest for a change of plan */
        {{{{2, -1}}, {{1, -1}, {3, -1}}}, {0, 1}},
        /* 10: and smaller */
        {{{{2, -1}}, {{1, -1}}}, {0, 1}},
    };
    if (n < 1 || n >= (int)(sizeof all / sizeof *all)) {
        fprintf(stderr, "there is no scenario %d\n", n);
        exit(2);
    }
    for (int p = 0; p < N_PART; p++) {
        now.log[p] = all[n].log[p];
        now.avail[p] = all[n].avail[p];
    }
}

void world_begin(const Rules &r)
{
    now = Now{};
    now.versions = r["versions"];
    now.judges = r["judges"];
    now.clock = r["clock"];
    now.copies = r["copies"] || now.clock;
    now.plan = r["plan"];
    now.exact = r["exact"];
    now.identity = r["identity"];
    now.margin = r["margin"];
    now.retain = r["retain"];
    now.settle = r["settle"];
    now.faults[F_ROLLBACK] = r["rollbacks"];
    now.faults[F_CRASH] = r["crashes"];
    now.faults[F_REBALANCE] = r["rebalances"];
    now.faults[F_LOST] = r["lost"];
    now.faults[F_FORCE] = r["forces"];
    now.faults[F_OPERATE] = r["operates"];
    now.faults[F_CHAIN_ROLLBACK] = r["chain_rollbacks"];
    now.faults[F_SLOT_ROLLBACK] = r["slot_rollbacks"];
    now.faults[F_OLD_MASTER] = r["old_reads"];
    now.faults[F_LEFT] = r["left"];
#define RULE(name) now.name = r[#name]
    RULE(compare), RULE(split), RULE(no_settle), RULE(busy_off), RULE(not_end), RULE(past_clock), RULE(drop_now);
    RULE(drop_open), RULE(no_gone), RULE(no_reconcile), RULE(old_copy), RULE(ids), RULE(no_check), RULE(resend_new);
    RULE(no_drop_memory), RULE(keep_counts), RULE(force_head), RULE(verdict_head), RULE(verdict_any), RULE(plan_stale);
    RULE(plan_mix), RULE(plan_late), RULE(acquire_head), RULE(no_dup), RULE(no_guard), RULE(recount), RULE(few_parts);
    RULE(old_read), RULE(no_log), RULE(late_slot), RULE(one_look), RULE(blob_first), RULE(clamp), RULE(keep_lower),
        RULE(plan_judged);
#undef RULE
    set_scenario(r["scenario"]);
    now.watch_first = now.faults[F_LEFT] > 0;
    for (const auto &log : now.log)
        for (const Event &e : log)
            now.watch_first = now.watch_first || e.t == HOLE;
}

World world_first()
{
    World w;
    memset(&w, 0, sizeof w);
    for (int p = 0; p < N_PART; p++) {
        w.assigned[p] = (uint8_t)p;
        w.avail[p] = (uint8_t)now.avail[p];
        w.owner[p][p].mine = 1;
        w.slot[p][0].head = 1;
    }
    w.chain[0].head = 1;
    for (int i = 0; i < N_INST; i++)
        w.copy[i].age = NEVER;
    world_canon(w);
    return w;
}

/* ---- canonical form ---- */

struct Renumber {
    uint8_t map[256] = {0}, next = 0;
    void operator()(uint8_t &head)
    {
        if (head && !map[head])
            map[head] = ++next;
        head = map[head];
    }
};

static void canon_owner(Owner &o)
{
    uint8_t mine = o.mine;
    if (o.state == OWN_NONE && !(now.keep_counts && o.m.off)) {
        memset(&o, 0, sizeof o);
        o.mine = mine;
        return;
    }
    o.m.head = o.m.age = o.m.adv_from = o.m.adv_to = o.m.adv_age = 0;
    if (now.compare != 2)
        o.m.acquired = 0;
    if (o.state != OWN_IN_DOUBT)
        o.pend = o.advance = 0;
    if (!now.ids)
        o.ids = 0;
    if (!now.late_slot)
        o.flushed_wm = 0;
    if (now.compare != 1 && now.compare != 2)
        o.base_off = 0;
    if (!now.watch_first)
        o.first = o.gap = 0;
}

void world_canon(World &w)
{
    for (int p = 0; p < N_PART; p++) {
        for (int k = w.last[p] + 1; k <= KEPT; k++)
            memset(&w.slot[p][k], 0, sizeof(Slot));
        Renumber heads;
        for (int k = 0; k <= w.last[p]; k++)
            heads(w.slot[p][k].head);
        for (int i = 0; i < N_INST; i++) {
            canon_owner(w.owner[i][p]);
            heads(w.owner[i][p].base);
            heads(w.owner[i][p].pend);
        }
        for (Message &m : w.net)
            if ((m.kind == NET_FLUSH || m.kind == NET_ACQUIRE) && m.part == p)
                heads(m.prev), heads(m.next);
    }
    for (int k = w.chain_last + 1; k <= KEPT; k++)
        memset(&w.chain[k], 0, sizeof(Chain));
    Renumber heads;
    for (int k = 0; k <= w.chain_last; k++)
        heads(w.chain[k].head);
    for (Judge &j : w.judge) {
        if (j.state == JUDGE_IDLE)
            memset(&j, 0, sizeof j);
        heads(j.head);
        heads(j.pend);
    }
    for (Message &m : w.net) {
        if (m.kind == NET_VERDICT || m.kind == NET_PLAN)
            heads(m.prev), heads(m.next);
        if (m.kind == NET_NONE)
            memset(&m, 0, sizeof m);
    }
    if (memcmp(&w.net[0], &w.net[1], sizeof w.net[0]) < 0)
        std::swap(w.net[0], w.net[1]);
    if (!now.copies)
        memset(w.copy, 0, sizeof w.copy);
}

/* ---- the end ---- */

/* Everything read, counted, judged and dropped; every verdict compared with what each partition has. */
bool world_done(const World &w)
{
    const Chain &c = present_chain(w);
    for (int p = 0; p < N_PART; p++) {
        const Slot &s = present(w, p);
        if (w.avail[p] != now.log[p].size() || s.off != now.log[p].size() || s.blob[0] || s.blob[1])
            return false;
        for (int k = 0; k < N_WIN && !now.no_gone; k++)
            if ((c.kind[k] && s.gone <= k) || s.gone > c.until)
                return false;
    }
    return true;
}

static bool joined(const World &w, int p, int window)
{
    return now.plan != 2 || p == 0 || (present_chain(w).plan && window >= 1);
}

/* Each record in exactly one of verdict, excluded, late, late after an advance, other; late by the log exactly what the
 * log makes late. */
int world_final(const World &w)
{
    const Chain &c = present_chain(w);
    for (int i = 0; i < N_WIN; i++)
        if (c.kind[i] == KIND_LOST)
            return BAD_NONE;
    for (int p = 0; p < N_PART; p++) {
        const Slot &s = present(w, p);
        int total = 0, have = (int8_t)s.corrected, log = 0;
        bool exact = true, late_right = true;
        for (size_t e = 0; e < now.log[p].size(); e++) {
            int t = now.log[p][e].t, bit = 1 << e, n = 0;
            if (t == HOLE)
                continue;
            for (int i = 0; i < N_WIN; i++)
                n += !!(c.n[i][p] & bit) + !!(c.excluded[i][p] & bit);
            n += !!(s.late & bit) + !!(s.idle_late & bit) + !!(s.other & bit);
            total++;
            have += n;
            exact = exact && n == 1;
            bool late = joined(w, p, t / 2) && log >= CLOSE[t / 2];
            if (now.exact && (s.other & bit) && now.log[p][e].dup < 0 && joined(w, p, t / 2))
                return BAD_LOST; /* its window was passed over */
            late_right = late_right && late == !!(s.late & bit);
            log = t > log ? t : log;
        }
        if (have != total || (now.exact && !exact))
            return BAD_SUM;
        if (!late_right && now.exact)
            return BAD_LATE;
    }
    return BAD_NONE;
}
