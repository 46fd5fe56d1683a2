"""tests/integration/test_ingest_learn.py    A baseline learned from live traffic: said openly, built by a child, promoted, measured by."""
import json
import unittest

import env
import ingest_setting as setting


class Learn(setting.Case):
    def test_live(self):
        self.prepare(2, state={"idle_after": "1s", "plan_ttl": "1s", "max_future": "1s", "clock_skew": "100ms", "flush_interval": "100ms"})
        self.config["models"][setting.MODEL].update({"window": {"size": "2s", "lateness": "200ms", "min_events": 10}, "baseline": {"learn": "1m"}})
        instance = self.driftd("only")
        process = self.run_(instance)
        start = self.now() // 2000 * 2000 - 80_000  # older than the clock, so that all of it can be learned at once
        self.produce([start + 20 * i for i in range(3500)], 2)
        env.wait_for(lambda: self.judged(), "the first windows are judged", 40)
        first = self.store.verdicts(self.group, setting.MODEL)
        self.assertEqual({v["kind"] for v in first.values()}, {"unmonitored"})
        self.assertRegex(json.dumps(first), "learn")
        env.wait_for(lambda: "event=learning_done" in process.text(), "the baseline is built and promoted", 60)
        self.assertNotIn("learning_failed", process.text())
        plan = f"driftd:{{m/{self.group}/{setting.MODEL}}}"
        env.wait_for(lambda: b"plan:1" in self.store.hash(plan), "the plan has it")
        entry = json.loads(self.store.hash(plan)[b"plan:1"])
        self.assertTrue(entry["baseline_id"])
        # in the window's own time: once it is over, a silent partition's watermark passes it
        env.wait_for(lambda: self.now() > entry["from"] + 200, "its first window has begun")
        self.produce([entry["from"] + i for i in range(0, 1000, 5)], 2)
        env.wait_for(lambda: self.store.verdicts(self.group, setting.MODEL).get(entry["from"], {}).get("kind") == "ok", "measured", 40)
        self.assertEqual(process.text().count("learning_built"), 1)
        self.assertEqual(process.stop(), 0)


if __name__ == "__main__":
    unittest.main()
