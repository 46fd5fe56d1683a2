/* tests/model/steps.cpp    What can happen next: the scripts of the store, the owner's and the judge's moves, faults.
 *
 * Follows the code, not the paper.  Where they differ, the code is modelled:
 *
 * - A flush writes the fields that changed (src/ingest/partition.c), not the whole slot.  A lost reply is followed by
 *   the same bytes at once (flush.c: send_flush); the ingest thread does nothing else meanwhile.  After the second one
 *   the memory of all partitions of the instance is thrown away.
 * - ACQUIRE is never sent twice with one head; a lost reply throws all memory away.
 * - An advance is a flush of its own, sent when nothing else is to be written; it may close several windows at once.
 * - Dropping is part of the flush that makes it known: prepare() drops what is old enough, in order, and stops at a
 *   window whose last counts are not flushed.  Verdict headers come from a copy (`copies`, `clock`) that is up to
 *   plan_ttl old; they go on ageing in it.
 * - Late is what the field `log`, the log's own watermark, says; what an advance alone made late is counted apart.
 * - Of gaps between offsets only the first after an assign is doubted.
 * - The judge looks for the lowest window with counts from judged_until on, in all partitions of the plan; then, unless
 *   that is the one it had asked for by name, reads once more with that window named.  A window without counts is
 *   passed over.  When verdict and counts are gone but the marks are there, the last window below the marks is judged,
 *   as lost; an owner that still has counts of those below drops them with it.
 * - A verdict is sent again with the same bytes after a lost reply, then given up.
 * - A plan entry's margin is checked by the script.  Owners read the plan again every plan_ttl / 2 and forget what they
 *   counted when their copy is older than plan_ttl.
 * - FORCE is a judge's, after max_hold (src/judge/hold.c); here anybody's at any moment, also while the owner lives.
 *
 * Left out: contents of alerts and of the outbox (leases only save work; entries are written by VERDICT and never
 * change), carried windows (part of the same compare-and-set), several chains a partition (their fields are apart),
 * windows held back by max_open_windows (a partition that does not read is one that is not scheduled), sliding windows,
 * changes of the window's length (as exact as the layout: both hang on the same plan entry). */
#include "world.h"

#include <cstdio>

namespace
{
enum What {
    A_LEARN,
    A_ACQUIRE,
    A_ACQUIRE_LOST,
    A_CONSUME,
    A_LEFT,
    A_RECOUNT,
    A_CLAMPED,
    A_ADVANCE,
    A_ADVANCE_LOST,
    A_FLUSH,
    A_FLUSH_LOST,
    A_RESEND,
    A_RESEND_LOST,
    A_AWAY,
    A_CHECK,
    A_REFRESH,
    A_OUTDATED,
    A_JUDGE,
    A_READ,
    A_READ_OLD,
    A_SKIP,
    A_VERDICT,
    A_VERDICT_LOST,
    A_VERDICT_RESEND,
    A_VERDICT_RESEND_LOST,
    A_GIVE_UP,
    A_PRODUCE,
    A_SETTLE,
    A_SETTLE_CHAIN,
    A_TICK,
    A_DELIVER,
    A_DISCARD,
    A_PROMOTE,
    A_PROMOTE_LOST,
    A_ROLLBACK,
    A_ROLLBACK_CHAIN,
    A_CRASH,
    A_REBALANCE,
    A_FORCE,
    A_OPERATE
};
enum Reply { R_OK, R_DUP, R_STALE, R_BUSY, R_NOOP };
using Steps = std::vector<std::pair<Act, World>>;

int bits(unsigned x)
{
    return __builtin_popcount(x);
}

/* ---- slots ---- */

uint8_t fresh_head(const World &w, int p)
{
    uint8_t top = 0;
    auto see = [&](uint8_t x) { top = x > top ? x : top; };
    for (int k = 0; k <= w.last[p]; k++)
        see(w.slot[p][k].head);
    for (int i = 0; i < N_INST; i++)
        see(w.owner[i][p].base), see(w.owner[i][p].pend);
    for (const Message &m : w.net)
        if ((m.kind == NET_FLUSH || m.kind == NET_ACQUIRE) && m.part == p)
            see(m.prev), see(m.next);
    return top + 1;
}

uint8_t fresh_chain_head(const World &w)
{
    uint8_t top = 0;
    auto see = [&](uint8_t x) { top = x > top ? x : top; };
    for (int k = 0; k <= w.chain_last; k++)
        see(w.chain[k].head);
    for (const Judge &j : w.judge)
        see(j.head), see(j.pend);
    for (const Message &m : w.net)
        if (m.kind == NET_VERDICT || m.kind == NET_PLAN)
            see(m.prev), see(m.next);
    return top + 1;
}

/* How many writes can still be taken back?  Without a failover left no history is kept. */
int history(const World &w, Fault kind)
{
    return w.used[F_ROLLBACK] < now.faults[F_ROLLBACK] && w.used[kind] < now.faults[kind] ? now.versions : 0;
}

void push(World &w, int p, Slot s)
{
    int cap = history(w, F_SLOT_ROLLBACK);
    s.age = 0;
    if (!cap) {
        w.last[p] = 0;
        w.slot[p][0] = s;
        return;
    }
    if (w.last[p] == cap) {
        for (int k = 0; k < cap; k++)
            w.slot[p][k] = w.slot[p][k + 1];
        w.last[p]--;
    }
    w.slot[p][++w.last[p]] = s;
}

void push_chain(World &w, Chain c)
{
    int cap = history(w, F_CHAIN_ROLLBACK);
    c.age = 0;
    if (!cap) {
        w.chain_last = 0;
        w.chain[0] = c;
        return;
    }
    if (w.chain_last == cap) {
        for (int k = 0; k < cap; k++)
            w.chain[k] = w.chain[k + 1];
        w.chain_last--;
    }
    w.chain[++w.chain_last] = c;
}

void forget_oldest(World &w, int p, int n)
{
    for (int k = n; k <= w.last[p]; k++)
        w.slot[p][k - n] = w.slot[p][k];
    w.last[p] = (uint8_t)(w.last[p] - n);
}

void forget_oldest_chain(World &w, int n)
{
    for (int k = n; k <= w.chain_last; k++)
        w.chain[k - n] = w.chain[k];
    w.chain_last = (uint8_t)(w.chain_last - n);
}

/* Can the last advance of the slot still be taken back? */
bool advance_open(const World &w, int p)
{
    const Slot &s = present(w, p);
    if (!s.adv_to)
        return false;
    return now.clock ? s.adv_age < now.settle : w.slot[p][0].wm < s.adv_to;
}

/* ---- scripts ---- */

bool head_fits(const Slot &s, const Message &m)
{
    switch (now.compare) {
    case 0:
        return s.head == m.prev;
    case 1:
        return s.off == m.base_off;
    case 2:
        return s.acquired == m.slot.acquired && s.off == m.base_off;
    default:
        return true;
    }
}

void write_fields(Slot &s, const Slot &m, int dirty)
{
    if (dirty & DIRTY_OFF)
        s.off = m.off;
    if (dirty & DIRTY_WM)
        s.wm = m.wm;
    if ((dirty & DIRTY_LOG) && !now.no_log)
        s.log = m.log;
    if (dirty & DIRTY_GONE)
        s.gone = m.gone;
    if (dirty & DIRTY_COUNTS) {
        s.late = m.late;
        s.idle_late = m.idle_late;
        s.other = m.other;
        s.corrected = m.corrected;
    }
    for (int i = 0; i < N_WIN; i++)
        if (dirty & DIRTY_BLOB << i) {
            s.blob[i] = m.blob[i];
            s.layout = (uint8_t)((s.layout & ~(1 << i)) | (m.layout & 1 << i));
        }
}

Reply script_flush(World &w, const Message &m)
{
    Slot s = present(w, m.part);
    if (s.head == m.next)
        return now.no_dup ? R_STALE : R_DUP;
    if (!head_fits(s, m))
        return R_STALE;
    if (m.advance) {
        if (advance_open(w, m.part) && !now.busy_off)
            return R_BUSY;
        if (m.advance <= s.wm)
            return R_NOOP;
        s.adv_from = s.wm;
        s.adv_to = s.wm = m.advance;
        s.adv_age = 0;
    } else {
        write_fields(s, m.slot, m.dirty);
        if (now.exact && s.corrected)
            w.bad = BAD_RECONCILED;
    }
    s.head = m.next;
    push(w, m.part, s);
    return R_OK;
}

void script_acquire(World &w, const Message &m)
{
    Slot s = present(w, m.part);
    if (!now.acquire_head)
        s.head = m.next;
    if (now.compare == 2)
        s.acquired++;
    push(w, m.part, s);
}

void check_verdict(World &w, const Chain &c, const Chain &before, int win)
{
    uint8_t *seen = w.seen[win];
    if ((before.ack && !c.ack) || c.alerts != before.alerts + 1)
        w.bad = BAD_LOST_UPDATE;
    if (now.exact && c.kind[win] == KIND_LOST)
        w.bad = BAD_LOST;
    if (now.exact && (c.excluded[win][0] || c.excluded[win][1]))
        w.bad = BAD_EXCLUDED;
    for (int p = 0; p < N_PART && c.kind[win] == KIND_OK; p++) {
        if (seen[0] && now.identity && seen[1 + p] != c.n[win][p])
            w.bad = BAD_NUMBERS;
        for (size_t e = 0; e < now.log[p].size(); e++)
            if (now.log[p][e].dup >= 0 && (c.n[win][p] >> e & 1) && (c.n[win][p] >> now.log[p][e].dup & 1))
                w.bad = BAD_DUPLICATE;
    }
    if (c.kind[win] == KIND_OK && !seen[0]) {
        seen[0] = 1;
        memcpy(seen + 1, c.n[win], N_PART);
    }
}

void script_verdict(World &w, const Message &m)
{
    int win = m.part;
    Chain c = present_chain(w);
    const Chain before = c;
    if (c.head == m.next || (c.head != m.prev && !now.verdict_head))
        return;
    if (win < c.until && !now.verdict_any)
        return;
    c.head = m.next;
    c.until = (uint8_t)(win + 1);
    c.kind[win] = m.chain.kind[win];
    c.header_age[win] = 0;
    memcpy(c.n[win], m.chain.n[win], N_PART);
    memcpy(c.excluded[win], m.chain.excluded[win], N_PART);
    c.alerts = m.chain.alerts;
    c.ack = m.chain.ack;
    push_chain(w, c);
    check_verdict(w, c, before, win);
}

bool far_enough(const World &w)
{
    return CLOCK_ZERO + 2 >= w.clock + now.margin;
}

void script_plan_add(World &w, const Message &m)
{
    Chain c = present_chain(w);
    if (c.head == m.next || c.head != m.prev || c.plan || (c.until > 1 && !now.plan_judged) ||
        (!far_enough(w) && !now.plan_late))
        return;
    c.head = m.next;
    c.plan = 1;
    push_chain(w, c);
}

void deliver(World &w, const Message &m)
{
    switch (m.kind) {
    case NET_FLUSH:
        script_flush(w, m);
        break;
    case NET_ACQUIRE:
        script_acquire(w, m);
        break;
    case NET_VERDICT:
        script_verdict(w, m);
        break;
    default:
        script_plan_add(w, m);
    }
}

/* ---- owner ---- */

/* The ingest thread waits for the second answer. */
bool blocked(const World &w, int i)
{
    return w.owner[i][0].state == OWN_IN_DOUBT || w.owner[i][1].state == OWN_IN_DOUBT;
}

bool outdated(const World &w, int i)
{
    if (!now.copies)
        return false;
    uint8_t age = w.copy[i].age;
    return age == NEVER || (now.clock && !now.plan_stale && age > PLAN_TTL);
}

bool in_plan(const World &w, int i, int p, int win)
{
    return now.plan != 2 || p == 0 || (w.copy[i].plan && win >= 1);
}

void count(World &w, int i, int p, int e, int t_max = HOLE)
{
    Owner &o = w.owner[i][p];
    Slot &m = o.m;
    int t = now.log[p][(size_t)e].t, dup = now.log[p][(size_t)e].dup;
    t = t > t_max ? t_max : t;
    int win = t / 2, bit = 1 << e;
    uint8_t known = now.ids ? o.ids : m.blob[win];
    uint8_t wm = now.late_slot ? o.flushed_wm : m.wm, log = now.late_slot ? o.flushed_wm : m.log;
    if ((m.late | m.idle_late | m.other | m.blob[0] | m.blob[1]) & bit)
        w.bad = BAD_DOUBLE;
    if (!in_plan(w, i, p, win)) {
        m.other = (uint8_t)(m.other | bit);
    } else if (log >= CLOSE[win]) {
        m.late = (uint8_t)(m.late | bit);
    } else if (wm >= CLOSE[win] || win < m.gone) {
        m.idle_late = (uint8_t)(m.idle_late | bit);
    } else if (dup >= 0 && (known >> dup & 1)) {
        m.other = (uint8_t)(m.other | bit);
    } else {
        if (now.plan && !m.blob[win])
            m.layout = (uint8_t)((m.layout & ~(1 << win)) | (w.copy[i].plan && win >= 1) << win);
        m.blob[win] = (uint8_t)(m.blob[win] | bit);
        o.dirty |= (uint8_t)(DIRTY_BLOB << win);
    }
    o.ids = (uint8_t)(o.ids | bit);
    o.dirty |= DIRTY_COUNTS | DIRTY_OFF;
    if (t > m.log) {
        m.log = (uint8_t)t;
        o.dirty |= DIRTY_LOG;
    }
    if (t > m.wm) {
        m.wm = (uint8_t)t;
        o.dirty |= DIRTY_WM;
    }
}

/* A record arrives at offset e >= the next one. */
void take(World &w, int i, int p, int e)
{
    Owner &o = w.owner[i][p];
    if (e != o.m.off && o.first && o.gap != e + 1 && !now.no_guard) {
        o.gap = (uint8_t)(e + 1);
        return;
    }
    count(w, i, p, e);
    o.m.off = (uint8_t)(e + 1);
    o.first = o.gap = 0;
}

int next_record(const World &w, int p, int off)
{
    while (off < w.avail[p] && now.log[p][(size_t)off].t == HOLE)
        off++;
    return off;
}

struct Headers {
    uint8_t kind[N_WIN], n[N_WIN][N_PART];
    bool old_enough[N_WIN];
};

Headers headers(const World &w, int i)
{
    Headers h;
    const Chain &c = present_chain(w);
    const Copy &copy = w.copy[i];
    for (int k = 0; k < N_WIN; k++) {
        h.kind[k] = now.copies ? copy.kind[k] : c.kind[k];
        for (int p = 0; p < N_PART; p++)
            h.n[k][p] = now.copies ? copy.n[k][p] : (uint8_t)(c.n[k][p] | c.excluded[k][p]);
        h.old_enough[k] = now.drop_now      ? true
                          : now.clock       ? copy.header_age[k] >= now.retain
                          : !now.copies     ? w.chain[0].kind[k] != KIND_NONE
                          : copy.settled[k] ? true
                          : now.old_copy    ? w.chain[0].kind[k] || !c.kind[k]
                                            : false;
    }
    return h;
}

void drop(Owner &o, const Headers &h, int p, int k)
{
    Slot &m = o.m;
    for (int low = m.gone; low < k && h.kind[k] == KIND_LOST && !now.keep_lower; low++)
        if (m.blob[low]) { /* passed over by the chain: no verdict will come */
            m.other |= m.blob[low];
            m.blob[low] = 0;
            o.dirty |= (uint8_t)(DIRTY_BLOB << low | DIRTY_COUNTS);
        }
    if (m.blob[k] && h.kind[k] == KIND_LOST)
        m.other |= m.blob[k];
    else if (!now.no_reconcile)
        m.corrected = (uint8_t)(m.corrected + bits(m.blob[k]) - bits(h.n[k][p]));
    m.blob[k] = 0;
    m.layout = (uint8_t)(m.layout & ~(1 << k));
    o.dirty |= (uint8_t)(DIRTY_BLOB << k | DIRTY_COUNTS);
    if (!now.no_gone) {
        m.gone = (uint8_t)(k + 1);
        o.dirty |= DIRTY_GONE;
    }
}

/* settle_verdicts() of partition.c. */
bool settle_verdicts(Owner &o, const Headers &h, int p, bool really)
{
    bool any = false;
    for (int k = o.m.gone; k < N_WIN; k++) {
        if (h.kind[k] == KIND_NONE || (now.no_gone && !o.m.blob[k]))
            continue;
        if (!h.old_enough[k] || (o.m.wm < CLOSE[k] && !now.drop_open) || (o.dirty & DIRTY_BLOB << k))
            break;
        any = true;
        if (really)
            drop(o, h, p, k);
    }
    return any;
}

int part_of_flush(const Owner &o)
{
    int off = o.dirty & DIRTY_OFF, rest = o.dirty & ~DIRTY_OFF;
    return now.split == 1 && rest ? rest : now.split == 2 && off ? off : o.dirty;
}

Message flush_message(const World &w, int i, int p)
{
    const Owner &o = w.owner[i][p];
    Message m;
    memset(&m, 0, sizeof m);
    m.kind = NET_FLUSH;
    m.part = (uint8_t)p;
    m.prev = o.base;
    m.next = o.state == OWN_IN_DOUBT ? o.pend : fresh_head(w, p);
    m.advance = o.advance;
    m.base_off = o.base_off;
    m.slot.acquired = o.m.acquired;
    if (!m.advance) {
        m.dirty = (uint8_t)part_of_flush(o);
        m.slot = o.m;
    }
    return m;
}

void answered(Owner &o, const Message &m, Reply r)
{
    o.state = r == R_STALE ? OWN_NONE : OWN_LOADED;
    o.pend = o.advance = 0;
    if (r == R_STALE || r == R_BUSY)
        return;
    if (r != R_NOOP)
        o.base = m.next;
    if (m.advance)
        o.m.wm = m.advance > o.m.wm ? m.advance : o.m.wm;
    else
        o.dirty = (uint8_t)(o.dirty & ~m.dirty);
    o.flushed_wm = o.m.wm;
    o.base_off = o.m.off;
}

bool net_room(const World &w)
{
    return w.used[F_LOST] < now.faults[F_LOST] && w.net[N_NET - 1].kind == NET_NONE;
}

void lose(World &w, const Message &m)
{
    w.used[F_LOST]++;
    w.net[N_NET - 1] = m;
}

void release_all(World &w, int i)
{
    for (Owner &o : w.owner[i])
        o.state = OWN_NONE;
}

void acquired(World &w, int i, int p, const Message &m)
{
    Owner &o = w.owner[i][p];
    Slot kept = o.m;
    script_acquire(w, m);
    o.m = present(w, p);
    if (now.keep_counts && kept.off) {
        kept.off = o.m.off;
        o.m = kept;
    }
    o.state = OWN_LOADED;
    o.base = present(w, p).head;
    o.dirty = o.gap = 0;
    o.first = 1;
    o.ids = 0;
    o.flushed_wm = o.m.wm;
    o.base_off = o.m.off;
}

/* ---- judge ---- */

bool needed(const Judge &j, int p, int start)
{
    return now.plan != 2 || p == 0 || (j.plan && start >= 1);
}

void begin(World &w, int i)
{
    const Chain &c = present_chain(w);
    Judge &j = w.judge[i];
    j.state = JUDGE_FIRST;
    j.head = c.head;
    j.until = c.until;
    j.alerts = c.alerts;
    j.ack = c.ack;
    j.plan = c.plan;
    j.got = now.plan == 2 && !c.plan ? 2 : 0;
    for (int p = 0; p < N_PART; p++)
        j.low[p] = N_WIN;
}

bool next_window(const Judge &j, int *ret)
{
    int low = j.low[0] < j.low[1] ? j.low[0] : j.low[1], gone = j.gone[0] > j.gone[1] ? j.gone[0] : j.gone[1];
    *ret = gone > j.until && gone <= low ? gone - 1 : low;
    return *ret < N_WIN;
}

bool all_ready(const Judge &j, int start)
{
    for (int p = 0; p < N_PART; p++)
        if (needed(j, p, start) && !(j.ready[p] >> start & 1))
            return false;
    return true;
}

/* All that was to be read has been read. */
void looked(Judge &j)
{
    int start = 0, again = 0;
    bool any = next_window(j, &start);
    if (j.state == JUDGE_AGAIN) {
        again = any ? start : N_WIN;
        start = j.start;
        any = now.one_look || again == start;
    }
    if (!any || !all_ready(j, start)) {
        j.state = JUDGE_IDLE;
        return;
    }
    if (j.state == JUDGE_FIRST && (!j.until || start != j.until)) {
        j.state = JUDGE_AGAIN;
        j.start = (uint8_t)start;
        j.got = needed(j, 1, start) ? 0 : 2;
        memset(j.ready, 0, sizeof j.ready);
        return;
    }
    j.state = JUDGE_DECIDED;
    j.start = (uint8_t)start;
    for (int p = 0; p < N_PART; p++)
        j.lost = j.lost || (needed(j, p, start) && j.gone[p] > start);
    for (int p = 0; p < N_PART; p++) /* of no use any more: fewer states */
        j.ready[p] = j.low[p] = j.gone[p] = 0;
    j.until = j.got = 0;
    for (int k = 0; k < N_WIN; k++)
        if (k != start) {
            j.layout[k] = 0;
            memset(j.n[k], 0, N_PART);
        }
}

/* `safe`: windows whose closing can not be taken back any more. */
void look(Judge &j, int p, const Slot &s, int safe)
{
    j.low[p] = N_WIN;
    j.ready[p] = 0;
    for (int k = N_WIN - 1; k >= 0; k--) {
        bool advanced = s.adv_from < CLOSE[k] && CLOSE[k] <= s.adv_to;
        bool closed = s.wm >= CLOSE[k] && (!advanced || (safe >> k & 1));
        j.ready[p] = (uint8_t)(j.ready[p] | closed << k);
        if (k >= j.until && s.blob[k])
            j.low[p] = (uint8_t)k;
        bool asked =
            j.state == JUDGE_FIRST ? (j.until && k == j.until) || now.blob_first : k == j.start && !now.blob_first;
        if (asked) {
            j.n[k][p] = s.blob[k];
            j.layout[k] = (uint8_t)((j.layout[k] & ~(1 << p)) | (s.layout >> k & 1) << p);
        }
    }
    j.gone[p] = s.gone;
    j.got = (uint8_t)(j.got | 1 << p);
    bool hopeless = !j.ready[p] && needed(j, p, 0);
    if (hopeless)
        j.state = JUDGE_IDLE;
    else if (j.got == 3)
        looked(j);
}

Message verdict_message(const World &w, int i)
{
    const Judge &j = w.judge[i];
    int k = j.start, layout = now.plan && j.plan && k >= 1;
    Message m;
    memset(&m, 0, sizeof m);
    m.kind = NET_VERDICT;
    m.part = j.start;
    m.prev = j.head;
    m.next = j.state == JUDGE_IN_DOUBT ? j.pend : fresh_chain_head(w);
    m.chain.alerts = (uint8_t)(j.alerts + 1);
    m.chain.ack = j.ack;
    m.chain.kind[k] = j.lost ? KIND_LOST : KIND_OK;
    for (int p = 0; p < N_PART && !j.lost; p++) {
        bool fits = !now.plan || now.plan_mix || !j.n[k][p] || (j.layout[k] >> p & 1) == layout;
        (fits ? m.chain.n : m.chain.excluded)[k][p] = j.n[k][p];
    }
    return m;
}

bool mixed(const World &w, int i)
{
    const Judge &j = w.judge[i];
    int k = j.start;
    return now.plan && now.plan_mix && j.n[k][0] && j.n[k][1] && (j.layout[k] & 1) != (j.layout[k] >> 1 & 1);
}

/* ---- what can happen ---- */

struct Builder {
    const World &w0;
    Steps &out;

    template <typename F> void add(int what, int i, int p, int arg, F &&body)
    {
        World w = w0;
        body(w);
        world_canon(w);
        out.push_back({Act{(uint8_t)what, (uint8_t)i, (uint8_t)p, (uint8_t)arg}, w});
    }
    bool may(Fault f) const
    {
        return w0.used[f] < now.faults[f];
    }

    void consume(int i, int p)
    {
        const Owner &o = w0.owner[i][p];
        bool free = !blocked(w0, i) || (now.resend_new && o.state == OWN_IN_DOUBT);
        if (o.state == OWN_NONE || !free || outdated(w0, i))
            return;
        int next = next_record(w0, p, o.m.off);
        if (next < w0.avail[p]) {
            add(A_CONSUME, i, p, next, [&](World &w) { take(w, i, p, next); });
            if (now.clamp && now.log[p][(size_t)next].t == 2) /* the clock stood at 1 */
                add(A_CLAMPED, i, p, next, [&](World &w) {
                    count(w, i, p, next, 1);
                    w.owner[i][p].m.off = (uint8_t)(next + 1);
                });
        }
        if (may(F_LEFT) && o.first)
            for (int e = o.m.off + 1; e < w0.avail[p]; e++)
                if (now.log[p][(size_t)e].t != HOLE)
                    add(A_LEFT, i, p, e, [&](World &w) {
                        w.used[F_LEFT]++;
                        take(w, i, p, e);
                    });
        if (now.recount && o.m.off > 0)
            add(A_RECOUNT, i, p, o.m.off - 1, [&](World &w) { count(w, i, p, o.m.off - 1); });
    }

    void send(int i, int p, int what, int advance)
    {
        auto prepare = [&](World &w) {
            Owner &o = w.owner[i][p];
            o.advance = (uint8_t)advance;
            if (!advance)
                settle_verdicts(o, headers(w, i), p, true);
        };
        add(what, i, p, advance, [&](World &w) {
            prepare(w);
            Message m = flush_message(w, i, p);
            answered(w.owner[i][p], m, script_flush(w, m));
        });
        if (net_room(w0))
            add(what + 1, i, p, advance, [&](World &w) {
                prepare(w);
                Message m = flush_message(w, i, p);
                lose(w, m);
                w.owner[i][p].state = OWN_IN_DOUBT;
                w.owner[i][p].pend = m.next;
            });
    }

    void write(int i, int p)
    {
        Owner o = w0.owner[i][p];
        if (o.state == OWN_IN_DOUBT) {
            add(A_RESEND, i, p, 0, [&](World &w) {
                Message m = flush_message(w, i, p);
                answered(w.owner[i][p], m, script_flush(w, m));
            });
            auto give_up = [&](World &w) {
                if (now.no_drop_memory)
                    w.owner[i][p].state = OWN_LOADED;
                else
                    release_all(w, i);
            };
            if (net_room(w0))
                add(A_RESEND_LOST, i, p, 0, [&](World &w) {
                    lose(w, flush_message(w, i, p));
                    give_up(w);
                });
            add(A_AWAY, i, p, 0, give_up);
            return;
        }
        if (o.state != OWN_LOADED || blocked(w0, i) || outdated(w0, i))
            return;
        if (o.dirty || settle_verdicts(o, headers(w0, i), p, false)) {
            send(i, p, A_FLUSH, 0);
            return;
        }
        const Slot &s = present(w0, p);
        bool stale = now.compare == 0   ? s.head != o.base
                     : now.compare == 1 ? s.off != o.base_off
                     : now.compare == 2 ? s.off != o.base_off || s.acquired != o.m.acquired
                                        : false;
        if (stale && !now.no_check)
            add(A_CHECK, i, p, 0, [&](World &w) { w.owner[i][p].state = OWN_NONE; });
        bool ended = next_record(w0, p, o.m.off) == w0.avail[p];
        for (int k = 0; k < N_WIN && (ended || now.not_end); k++)
            if (CLOSE[k] > o.m.wm && (!now.clock || now.past_clock || CLOSE[k] + CLOCK_ZERO <= w0.clock) &&
                (!advance_open(w0, p) || now.busy_off || s.head != o.base))
                send(i, p, A_ADVANCE, CLOSE[k]);
    }

    void own(int i, int p)
    {
        const Owner &o = w0.owner[i][p];
        bool mine = w0.assigned[p] == i;
        if (mine != !!o.mine && !blocked(w0, i))
            add(A_LEARN, i, p, mine, [&](World &w) {
                memset(&w.owner[i][p], 0, sizeof(Owner));
                w.owner[i][p].mine = mine;
            });
        if (o.mine && o.state == OWN_NONE && !blocked(w0, i) && !outdated(w0, i)) {
            Message m;
            memset(&m, 0, sizeof m);
            m.kind = NET_ACQUIRE;
            m.part = (uint8_t)p;
            m.next = fresh_head(w0, p);
            add(A_ACQUIRE, i, p, 0, [&](World &w) { acquired(w, i, p, m); });
            if (net_room(w0))
                add(A_ACQUIRE_LOST, i, p, 0, [&](World &w) {
                    lose(w, m);
                    release_all(w, i);
                });
        }
        if (o.state == OWN_LOADED && outdated(w0, i))
            add(A_OUTDATED, i, p, 0, [&](World &w) { w.owner[i][p].state = OWN_NONE; });
        consume(i, p);
        write(i, p);
    }

    void refresh(int i)
    {
        if (!now.copies || blocked(w0, i))
            return;
        const Chain &c = present_chain(w0);
        Copy n;
        memset(&n, 0, sizeof n);
        n.plan = c.plan;
        for (int k = 0; k < N_WIN; k++) {
            n.kind[k] = c.kind[k];
            n.settled[k] = !now.clock && w0.chain[0].kind[k];
            n.header_age[k] = c.header_age[k];
            for (int p = 0; p < N_PART; p++)
                n.n[k][p] = (uint8_t)(c.n[k][p] | c.excluded[k][p]);
        }
        if (memcmp(&n, &w0.copy[i], sizeof n))
            add(A_REFRESH, i, 0, 0, [&](World &w) { w.copy[i] = n; });
    }

    int safe_windows(int p)
    {
        return now.no_settle || !advance_open(w0, p) ? 3 : 0;
    }

    void judge(int i)
    {
        const Judge &j = w0.judge[i];
        if (j.state == JUDGE_IDLE)
            add(A_JUDGE, i, 0, 0, [&](World &w) { begin(w, i); });
        if (j.state == JUDGE_FIRST || j.state == JUDGE_AGAIN)
            for (int p = 0; p < N_PART; p++) {
                if (j.got >> p & 1)
                    continue;
                add(A_READ, i, p, 0, [&](World &w) { look(w.judge[i], p, present(w0, p), safe_windows(p)); });
                if (may(F_OLD_MASTER) && w0.old_settled[p])
                    add(A_READ_OLD, i, p, 0, [&](World &w) {
                        w.used[F_OLD_MASTER]++;
                        look(w.judge[i], p, w0.old[p], now.old_read || now.no_settle ? 3 : w0.old_settled[p]);
                        memset(w.old, 0, sizeof w.old);
                        memset(w.old_settled, 0, sizeof w.old_settled);
                    });
                if (now.few_parts && p == 1)
                    add(A_SKIP, i, p, 0, [&](World &w) {
                        Slot empty;
                        memset(&empty, 0, sizeof empty);
                        empty.wm = HOLE;
                        look(w.judge[i], p, empty, 3);
                    });
            }
        if (j.state == JUDGE_DECIDED || j.state == JUDGE_IN_DOUBT) {
            bool again = j.state == JUDGE_IN_DOUBT;
            Message m = verdict_message(w0, i);
            add(again ? A_VERDICT_RESEND : A_VERDICT, i, 0, j.start, [&](World &w) {
                if (mixed(w0, i))
                    w.bad = BAD_MIXED;
                script_verdict(w, m);
                w.judge[i].state = JUDGE_IDLE;
            });
            if (net_room(w0))
                add(again ? A_VERDICT_RESEND_LOST : A_VERDICT_LOST, i, 0, j.start, [&](World &w) {
                    lose(w, m);
                    w.judge[i].state = again ? JUDGE_IDLE : JUDGE_IN_DOUBT;
                    w.judge[i].pend = m.next;
                });
            if (again)
                add(A_GIVE_UP, i, 0, j.start, [&](World &w) { w.judge[i].state = JUDGE_IDLE; });
        }
    }

    /* Time passes, records come, late requests are applied. */
    void outside()
    {
        for (int p = 0; p < N_PART; p++) {
            size_t next = w0.avail[p];
            if (next < now.log[p].size() &&
                (!now.clock || now.log[p][next].t == HOLE || now.log[p][next].t + CLOCK_ZERO <= w0.clock))
                add(A_PRODUCE, 0, p, (int)next, [&](World &w) { w.avail[p]++; });
            if (w0.last[p] && !now.clock)
                add(A_SETTLE, 0, p, 0, [&](World &w) { forget_oldest(w, p, 1); });
        }
        if (w0.chain_last && !now.clock)
            add(A_SETTLE_CHAIN, 0, 0, 0, [&](World &w) { forget_oldest_chain(w, 1); });
        if (now.clock)
            tick();
        for (int n = 0; n < N_NET; n++)
            if (w0.net[n].kind) {
                add(A_DELIVER, 0, n, w0.net[n].kind, [&](World &w) {
                    w.net[n].kind = NET_NONE;
                    deliver(w, w0.net[n]);
                });
                add(A_DISCARD, 0, n, w0.net[n].kind, [&](World &w) { w.net[n].kind = NET_NONE; });
            }
    }

    static void older(uint8_t &age, int top)
    {
        if (age < top)
            age++;
    }

    void tick()
    {
        World w = w0;
        if (w.clock < CLOCK_END)
            w.clock++;
        for (int p = 0; p < N_PART; p++) {
            int oldest = 0;
            for (int k = 0; k <= w.last[p]; k++) {
                older(w.slot[p][k].age, now.settle);
                older(w.slot[p][k].adv_age, now.settle);
                oldest = w.slot[p][k].age >= now.settle ? k : oldest;
            }
            forget_oldest(w, p, oldest);
        }
        int oldest = 0;
        for (int k = 0; k <= w.chain_last; k++) {
            older(w.chain[k].age, now.settle);
            for (int win = 0; win < N_WIN; win++)
                if (w.chain[k].kind[win])
                    older(w.chain[k].header_age[win], now.retain);
            oldest = w.chain[k].age >= now.settle ? k : oldest;
        }
        forget_oldest_chain(w, oldest);
        for (Copy &c : w.copy) {
            if (c.age != NEVER)
                older(c.age, PLAN_TTL + 1);
            for (int win = 0; win < N_WIN; win++)
                if (c.kind[win])
                    older(c.header_age[win], now.retain);
        }
        world_canon(w);
        if (memcmp(&w, &w0, sizeof w))
            out.push_back({Act{A_TICK, 0, 0, w.clock}, w});
    }

    void promote()
    {
        const Chain &c = present_chain(w0);
        if (!now.plan || c.plan || w0.clock >= CLOCK_END || !far_enough(w0))
            return;
        Message m;
        memset(&m, 0, sizeof m);
        m.kind = NET_PLAN;
        m.prev = c.head;
        m.next = fresh_chain_head(w0);
        if (c.until <= 1 || now.plan_judged)
            add(A_PROMOTE, 0, 0, 0, [&](World &w) { script_plan_add(w, m); });
        if (net_room(w0))
            add(A_PROMOTE_LOST, 0, 0, 0, [&](World &w) { lose(w, m); });
    }

    void rollback()
    {
        auto end = [](World &w, Fault kind) {
            w.used[F_ROLLBACK]++;
            if (now.faults[kind] < now.faults[F_ROLLBACK])
                w.used[kind]++;
            for (int p = 0; p < N_PART && !history(w, F_SLOT_ROLLBACK); p++)
                forget_oldest(w, p, w.last[p]);
            if (!history(w, F_CHAIN_ROLLBACK))
                forget_oldest_chain(w, w.chain_last);
        };
        for (int p = 0; p < N_PART; p++)
            for (int k = 1; k <= w0.last[p]; k++)
                add(A_ROLLBACK, 0, p, k, [&](World &w) {
                    if (may(F_OLD_MASTER)) {
                        w.old[p] = present(w, p);
                        w.old[p].head = 0;
                        w.old_settled[p] = 128;
                        for (int win = 0; win < N_WIN; win++)
                            if (w.slot[p][0].wm >= CLOSE[win])
                                w.old_settled[p] |= (uint8_t)(1 << win);
                    }
                    w.last[p] = (uint8_t)(w.last[p] - k);
                    end(w, F_SLOT_ROLLBACK);
                });
        for (int k = 1; k <= w0.chain_last; k++)
            add(A_ROLLBACK_CHAIN, 0, 0, k, [&](World &w) {
                w.chain_last = (uint8_t)(w.chain_last - k);
                end(w, F_CHAIN_ROLLBACK);
            });
    }

    void force(int p)
    {
        for (int k = 0; k < N_WIN; k++)
            if (CLOSE[k] > present(w0, p).wm && !advance_open(w0, p) &&
                (!now.clock || CLOSE[k] + CLOCK_ZERO <= w0.clock))
                add(A_FORCE, 0, p, CLOSE[k], [&](World &w) {
                    w.used[F_FORCE]++;
                    Slot s = present(w, p);
                    if (!now.force_head)
                        s.head = fresh_head(w, p);
                    s.adv_from = s.wm;
                    s.adv_to = s.wm = CLOSE[k];
                    s.adv_age = 0;
                    push(w, p, s);
                });
    }

    void faults()
    {
        if (may(F_ROLLBACK))
            rollback();
        for (int i = 0; i < N_INST && may(F_CRASH); i++)
            add(A_CRASH, i, 0, 0, [&](World &w) {
                w.used[F_CRASH]++;
                memset(w.owner[i], 0, sizeof w.owner[i]);
                memset(&w.judge[i], 0, sizeof w.judge[i]);
                memset(&w.copy[i], 0, sizeof w.copy[i]);
                w.copy[i].age = NEVER;
            });
        for (int p = 0; p < N_PART; p++) {
            if (may(F_REBALANCE))
                add(A_REBALANCE, 0, p, !w0.assigned[p], [&](World &w) {
                    w.used[F_REBALANCE]++;
                    w.assigned[p] = !w.assigned[p];
                });
            if (may(F_FORCE))
                force(p);
        }
        if (may(F_OPERATE))
            add(A_OPERATE, 0, 0, 0, [&](World &w) {
                w.used[F_OPERATE]++;
                Chain c = present_chain(w);
                c.ack = 1;
                c.head = fresh_chain_head(w);
                push_chain(w, c);
            });
    }
};
} // namespace

void world_steps(const World &w, std::vector<std::pair<Act, World>> &out)
{
    out.clear();
    Builder b = {w, out};
    for (int i = 0; i < N_INST; i++) {
        for (int p = 0; p < N_PART; p++)
            b.own(i, p);
        b.refresh(i);
    }
    for (int i = 0; i < now.judges; i++)
        b.judge(i);
    b.outside();
    b.promote();
    b.faults();
}

bool act_is_fault(const Act &a)
{
    switch (a.what) {
    case A_LEFT:
    case A_RECOUNT:
    case A_SKIP:
    case A_ACQUIRE_LOST:
    case A_ADVANCE_LOST:
    case A_FLUSH_LOST:
    case A_RESEND_LOST:
    case A_AWAY:
    case A_READ_OLD:
    case A_VERDICT_LOST:
    case A_VERDICT_RESEND_LOST:
    case A_PROMOTE_LOST:
    case A_ROLLBACK:
    case A_ROLLBACK_CHAIN:
    case A_CRASH:
    case A_REBALANCE:
    case A_FORCE:
    case A_OPERATE:
        return true;
    default:
        return false;
    }
}

/* I instance, P partition, V argument, T time of the record at V. */
std::string act_text(const Act &a)
{
    static const struct {
        int what;
        const char *text;
    } list[] = {
        {A_LEARN, "I learns that P is its own (V)"},
        {A_ACQUIRE, "I acquires P"},
        {A_ACQUIRE_LOST, "I acquires P, reply lost"},
        {A_CONSUME, "I counts P at offset V, time T"},
        {A_LEFT, "I is handed P at offset V by an older fetch, time T"},
        {A_RECOUNT, "I is handed P at offset V once more"},
        {A_CLAMPED, "I counts P at offset V, time T taken for 1"},
        {A_ADVANCE, "I advances P to V"},
        {A_ADVANCE_LOST, "I advances P to V, reply lost"},
        {A_FLUSH, "I flushes P"},
        {A_FLUSH_LOST, "I flushes P, reply lost"},
        {A_RESEND, "I sends the same to P again"},
        {A_RESEND_LOST, "I sends the same to P again, reply lost"},
        {A_AWAY, "I gives up: redis is away"},
        {A_CHECK, "I compares the head of P: stale"},
        {A_REFRESH, "I reads plan and headers"},
        {A_OUTDATED, "I drops P: its plan is outdated"},
        {A_JUDGE, "judge I reads the chain"},
        {A_READ, "judge I reads P"},
        {A_READ_OLD, "judge I reads P on the old master"},
        {A_SKIP, "judge I overlooks P"},
        {A_VERDICT, "judge I writes the verdict of window V"},
        {A_VERDICT_LOST, "judge I writes the verdict of window V, reply lost"},
        {A_VERDICT_RESEND, "judge I sends the same verdict of window V again"},
        {A_VERDICT_RESEND_LOST, "judge I sends the same verdict of window V again, reply lost"},
        {A_GIVE_UP, "judge I gives up"},
        {A_PRODUCE, "a record comes to P at offset V, time T"},
        {A_SETTLE, "time passes: the oldest version of P is safe"},
        {A_SETTLE_CHAIN, "time passes: the oldest version of the chain is safe"},
        {A_TICK, "the clock shows V"},
        {A_DELIVER, "a request in flight is applied (kind V)"},
        {A_DISCARD, "a request in flight is lost (kind V)"},
        {A_PROMOTE, "a plan entry for the second window is written"},
        {A_PROMOTE_LOST, "a plan entry for the second window is sent, reply lost"},
        {A_ROLLBACK, "FAILOVER: P loses its last V writes"},
        {A_ROLLBACK_CHAIN, "FAILOVER: the chain loses its last V writes"},
        {A_CRASH, "I crashes and starts again"},
        {A_REBALANCE, "the group gives P to instance V"},
        {A_FORCE, "somebody forces P to V"},
        {A_OPERATE, "an operator acknowledges"},
    };
    std::string s;
    for (const char *c = a.what < sizeof list / sizeof *list ? list[a.what].text : "?"; *c; c++) {
        bool word = (c[1] == 0 || !((c[1] >= 'A' && c[1] <= 'Z') || (c[1] >= 'a' && c[1] <= 'z'))) &&
                    (s.empty() || s.back() == ' ' || s.back() == '(');
        if (word && *c == 'I')
            s += a.inst ? 'B' : 'A';
        else if (word && *c == 'P')
            s += "p" + std::to_string(a.part);
        else if (word && *c == 'V')
            s += std::to_string(a.arg);
        else if (word && *c == 'T')
            s += a.arg < now.log[a.part].size() ? std::to_string(now.log[a.part][a.arg].t) : "?";
        else
            s += *c;
    }
    return s;
}
