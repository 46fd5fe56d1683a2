"""tests/integration/test_sliding.py    Windows that slide: every verdict against a recount of the events, with kill -9, and against windows that do not."""
import json
import threading
import unittest

import numpy as np

import env
import phish

EVERY, SIZE = 10_000, 60_000


class Sliding(env.Case):
    def config(self, redis, hook, topic, group, window):
        c = phish.config(env.brokers().brokers, redis.port, hook, topic, group)
        c["state"].update({"settle": "200ms", "retain": "500ms", "flush_interval": "50ms", "plan_ttl": "200ms", "clock_skew": "0s"})
        c["kafka"]["options"] = {"group.instance.id": group}  # back at once after a kill
        c["models"][phish.MODEL]["window"] = window
        return c

    def test_recount_with_kills(self):
        brokers, redis, hook = env.brokers(), self.redis(), self.receiver()
        raw = phish.lines(self.dir)
        times = np.array([json.loads(line)["ts"] for line in raw])
        scores = np.array([json.loads(line)["score"] for line in raw])
        topic = brokers.topic("phish-sliding", 3)
        config = self.config(redis, hook, topic, f"slide-{env.secrets.token_hex(4)}", {"size": "60s", "every": "10s", "lateness": "2s"})
        driftd = env.Driftd(self.dir, config)
        phish.baseline(self.dir, driftd)
        group, records = config["kafka"]["group"], phish.records(raw)

        def slot(p):
            return redis.hash(f"driftd:{{p/{group}/{topic}/{p}}}")

        for part in range(4):
            process = driftd.start()
            before = sum(redis.offset(group, topic, p) for p in range(3))
            producer = threading.Thread(target=brokers.produce, args=(topic, records[part * len(records) // 4:(part + 1) * len(records) // 4]))
            producer.start()
            env.wait_for(lambda b=before: sum(redis.offset(group, topic, p) for p in range(3)) > b, "it counts")
            if part == 3:  # panes are dropped while later windows still need others
                env.wait_for(lambda: all(b"gone:phish-url:i" in slot(p) for p in range(3)), "the first panes are dropped")
            process.kill()
            producer.join(60)
        driftd.until_end()

        verdicts = redis.verdicts(group, phish.MODEL)
        panes = sorted(set(times // EVERY * EVERY))
        self.assertEqual(sorted(verdicts), panes)
        self.assertGreater(len(panes), 12)
        for pane, body in verdicts.items():
            start, end = pane + EVERY - SIZE, pane + EVERY
            inside = (times >= start) & (times < end)
            self.assertEqual((body["window"]["start_ms"], body["window"]["end_ms"], body["window"]["every_ms"]), (start, end, EVERY))
            self.assertEqual(body["n"], int(inside.sum()), start)
            self.assertEqual(body["kind"], "partial" if start < panes[0] else "ok", start)
            self.assertEqual(sum(body["columns"]["score"]["cells"]), int(np.isfinite(scores[inside]).sum()))
        for p in range(3):
            fields = slot(p)
            self.assertEqual([k for k in fields if k.startswith((b"late:", b"other:", b"reconciled:"))], [], p)

        # the same log by windows of one pane each, with the same baseline: its cells add up to those of the windows
        config = self.config(redis, hook, topic, group + "-t", {"size": "10s", "lateness": "2s"})
        self.folder()
        env.Driftd(self.dir, config).until_end()
        single = redis.verdicts(group + "-t", phish.MODEL)
        self.assertEqual(sorted(single), panes)
        checked = 0
        for pane, body in verdicts.items():
            for name, column in body["columns"].items():
                parts = [single[t]["columns"][name]["cells"] for t in panes if pane + EVERY - SIZE <= t <= pane]
                self.assertEqual(column["cells"], np.sum(parts, axis=0).tolist(), (pane, name))
                checked += 1
        self.assertGreater(checked, 100)


if __name__ == "__main__":
    unittest.main()
