/* tests/model/search.cpp    Breadth first through all states, shortest trace to the first that is wrong, then liveness.
 *
 * States are remembered as 64-bit hashes: at 20 million states the chance that one was taken for another is 1 in
 * 90,000.  Live means: from every state a finished one is reached by steps that are no faults. */
#include "world.h"

#include <deque>

namespace
{
uint64_t hash_of(const World &w)
{
    const uint8_t *b = (const uint8_t *)&w;
    size_t n = sizeof w;
    uint64_t h = 0x9E3779B97F4A7C15ull ^ n;
    while (n) {
        uint64_t v = 0;
        size_t k = n < 8 ? n : 8;
        memcpy(&v, b, k);
        b += k;
        n -= k;
        h ^= v;
        h *= 0xff51afd7ed558ccdull;
        h ^= h >> 32;
        h *= 0xc4ceb9fe1a85ec53ull;
        h ^= h >> 29;
    }
    return h ? h : 1;
}

/* Hash -> number of the state, open addressing. */
class Known
{
    std::vector<uint64_t> key_;
    std::vector<uint32_t> value_;
    size_t n_ = 0;

    size_t place(uint64_t h) const
    {
        size_t at = h & (key_.size() - 1);
        while (key_[at] && key_[at] != h)
            at = (at + 1) & (key_.size() - 1);
        return at;
    }
    void grow()
    {
        Known next;
        next.key_.assign(key_.size() * 2, 0);
        next.value_.assign(key_.size() * 2, 0);
        for (size_t i = 0; i < key_.size(); i++)
            if (key_[i]) {
                size_t at = next.place(key_[i]);
                next.key_[at] = key_[i];
                next.value_[at] = value_[i];
            }
        key_.swap(next.key_);
        value_.swap(next.value_);
    }

  public:
    Known() : key_(1 << 16), value_(1 << 16)
    {
    }
    uint32_t &at(uint64_t h, bool &ret_new)
    {
        if (n_ * 10 > key_.size() * 7)
            grow();
        size_t i = place(h);
        ret_new = !key_[i];
        n_ += ret_new;
        key_[i] = h;
        return value_[i];
    }
};

class Search
{
    Known known_;
    std::deque<World> waiting_;
    std::vector<uint32_t> parent_, edge_, depth_;
    std::vector<Act> act_;
    std::vector<size_t> first_edge_;
    std::vector<bool> done_;
    bool live_;

    Found stop(uint32_t id, int bad)
    {
        Found f = {bad, false, (unsigned)parent_.size(), 0, depth_[id], ""};
        std::vector<Act> way;
        for (uint32_t i = id; i; i = parent_[i])
            way.push_back(act_[i]);
        for (size_t i = way.size(); i-- > 0;)
            f.trace += "   " + std::to_string(way.size() - i) + ". " + act_text(way[i]) + "\n";
        return f;
    }
    bool add(uint32_t from, const Act &a, const World &w, unsigned max)
    {
        bool fresh;
        uint32_t &id = known_.at(hash_of(w), fresh);
        if (fresh) {
            if (parent_.size() >= max)
                return false;
            id = (uint32_t)parent_.size();
            parent_.push_back(from);
            depth_.push_back(parent_.size() == 1 ? 0 : depth_[from] + 1);
            act_.push_back(a);
            waiting_.push_back(w);
        }
        if (live_ && id != from && !act_is_fault(a))
            edge_.push_back(id);
        return true;
    }
    /* Backwards from what is finished, over steps that are no faults; the first state that is not reached, or 0. */
    uint32_t stuck()
    {
        std::vector<bool> good = done_;
        for (bool changed = true; changed;) {
            changed = false;
            for (size_t i = parent_.size(); i-- > 0;)
                for (size_t e = first_edge_[i]; !good[i] && e < first_edge_[i + 1]; e++)
                    if (good[edge_[e]])
                        good[i] = changed = true;
        }
        for (size_t i = 0; i < good.size(); i++)
            if (!good[i])
                return (uint32_t)i + 1;
        return 0;
    }

  public:
    Found run(unsigned max, bool live)
    {
        std::vector<std::pair<Act, World>> next;
        live_ = live;
        add(0, Act{255, 0, 0, 0}, world_first(), max);
        for (uint32_t id = 0; !waiting_.empty(); id++) {
            World w = waiting_.front();
            waiting_.pop_front();
            if (w.bad)
                return stop(id, w.bad);
            bool done = world_done(w);
            int bad = done ? world_final(w) : BAD_NONE;
            if (bad)
                return stop(id, bad);
            done_.push_back(done);
            first_edge_.push_back(edge_.size());
            world_steps(w, next);
            for (auto &n : next)
                if (!add(id, n.first, n.second, max)) {
                    Found f = {BAD_NONE, true, (unsigned)parent_.size(), 0, depth_[id], ""};
                    return f;
                }
        }
        first_edge_.push_back(edge_.size());
        uint32_t hung = live ? stuck() : 0;
        if (hung)
            return stop(hung - 1, BAD_STUCK);
        Found f = {BAD_NONE, false, (unsigned)parent_.size(), 0, depth_.back(), ""};
        for (bool d : done_)
            f.done += d;
        return f;
    }
};
} // namespace

Found search(unsigned max_states, bool live)
{
    return Search().run(max_states, live);
}
