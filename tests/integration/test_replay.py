"""tests/integration/test_replay.py    A replay at full speed says what was said live; late_after_idle is the one difference, and it is counted."""
import json
import random
import unittest

import env
import phish

SEED = int(env.os.environ.get("DRIFTD_SEED") or 20260101)


def comparable(body):
    """A verdict without what names the group."""
    rest = {k: v for k, v in body.items() if k not in ("group", "actions", "config")}
    return rest, len(body["actions"])


class Replay(env.Case):
    def prepare(self, **state):
        print(f"seed {SEED}", flush=True)
        self.rng = random.Random(SEED)
        self.store, self.hook = self.redis(), self.receiver()
        self.topic = env.brokers().topic("phish-replay", 3)
        self.state = {"flush_interval": "50ms", "settle": "200ms", "plan_ttl": "1s", **state}
        self.raw = phish.lines(self.dir)

    def driftd(self, group):
        folder = f"{self.dir}/{group}"
        env.os.makedirs(folder)
        c = phish.config(env.brokers().brokers, self.store.port, self.hook, self.topic, group)
        c["state"].update(self.state)
        driftd = env.Driftd(folder, c)
        if group == self.group:
            phish.baseline(folder, driftd)
        return driftd

    def counted(self, group):
        return sum(self.store.offset(group, self.topic, p) for p in range(3))

    def total(self, group, name):
        return sum(int(self.store.hash(f"driftd:{{p/{group}/{self.topic}/{p}}}").get(name.encode(), 0)) for p in range(3))

    def live(self, pieces, between=lambda i: None):
        """Pieces of (value, partition) come one after the other, each counted and flushed before the next one."""
        self.group = f"live-{env.secrets.token_hex(4)}"
        driftd, n = self.driftd(self.group), 0
        process = driftd.start()
        self.addCleanup(process.kill)
        for i, piece in enumerate(pieces):
            n += env.brokers().produce(self.topic, [(None, value, p) for value, p in piece])
            env.wait_for(lambda want=n: self.counted(self.group) == want, "the piece is counted")
            between(i)
        early = len(self.store.verdicts(self.group, phish.MODEL))
        self.assertEqual(process.stop(), 0)
        driftd.until_end()
        return early

    def replay(self):
        group = f"again-{env.secrets.token_hex(4)}"
        self.driftd(group).until_end()
        return group

    def test_same_verdicts(self):
        """Out of order within lateness, and too late beyond it: decided by the log, so a replay decides the same."""
        self.prepare(idle_after="10m")
        events = [(json.loads(line)["ts"], line) for line in self.raw]
        moved = sorted((ts + self.rng.randrange(0, 1500) + (15_000 if self.rng.random() < .02 else 0), line) for ts, line in events)
        rows = [(line, self.rng.randrange(3)) for _, line in moved]
        pieces = [rows[i:i + len(rows) // 25 + 1] for i in range(0, len(rows), len(rows) // 25 + 1)]
        early = self.live(pieces)
        self.assertGreater(early, 5, "windows were judged while events came")
        again = self.replay()
        live, replayed = (self.store.verdicts(g, phish.MODEL) for g in (self.group, again))
        self.assertEqual(sorted(live), sorted(replayed))
        for start in live:
            self.assertEqual(comparable(live[start]), comparable(replayed[start]), start)
        late = [self.total(g, "late:phish-url:i") for g in (self.group, again)]
        self.assertEqual(late[0], late[1])
        self.assertGreater(late[0], 10)
        self.assertEqual([self.total(g, "other:phish-url:i:late_after_idle") for g in (self.group, again)], [0, 0])
        self.assertEqual(sum(b["n"] for b in live.values()) + late[0], len(rows))
        self.assertGreater(sum(len(b["actions"]) for b in live.values()), 0, "something fired")

    def test_late_after_idle_is_the_difference(self):
        """Live, an idle partition was closed and then spoke: a replay reads the same records in time."""
        self.prepare(idle_after="500ms")
        events = [(json.loads(line)["ts"] // phish.WINDOW * phish.WINDOW, line) for line in self.raw]
        first = min(start for start, _ in events)
        windows = [[line for start, line in events if start == first + k * phish.WINDOW] for k in range(2)]
        held = windows[0][:40]
        pieces = [[(line, 0) for line in windows[0][40:]] + [(line, 1) for line in windows[1][:1]] + [(line, 2) for line in windows[0][:1]],
                  [(line, 2) for line in held]]

        def between(i):
            if i == 0:
                env.wait_for(lambda: len(self.store.verdicts(self.group, phish.MODEL)) >= 1, "idle partitions close the window", 40)

        self.live(pieces, between)
        again = self.replay()
        live, replayed = (self.store.verdicts(g, phish.MODEL) for g in (self.group, again))
        gone = [self.total(g, "other:phish-url:i:late_after_idle") for g in (self.group, again)]
        self.assertEqual(gone, [40, 0])
        self.assertEqual(replayed[first]["n"] - live[first]["n"], 40)
        for g, verdicts in ((self.group, live), (again, replayed)):
            self.assertEqual(sum(b["n"] for b in verdicts.values()) + self.total(g, "other:phish-url:i:late_after_idle"),
                             sum(map(len, pieces)))


if __name__ == "__main__":
    unittest.main()
