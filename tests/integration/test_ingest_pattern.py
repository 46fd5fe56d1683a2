"""tests/integration/test_ingest_pattern.py    Topics by pattern: they appear, they go, and a baseline is built from all of them."""
import json
import unittest

import env
import ingest_setting as setting


class Pattern(setting.Case):
    def patterned(self, assignor="range"):
        self.stem = f"pattern-{env.secrets.token_hex(4)}"
        self.prepare(1, topic=f"{self.stem}-a", state={"plan_ttl": "1s", "max_future": "1s", "clock_skew": "100ms"},
                     options={"topic.metadata.refresh.interval.ms": "300", "partition.assignment.strategy": assignor})
        self.config["streams"]["events"]["topic"] = f"^{self.stem}-.*"
        self.config["models"][setting.MODEL]["window"] = {"size": "2s", "lateness": "500ms"}

    def make(self, topic, partitions=1):
        self.brokers.io("topic", topic, partitions, "retention.ms=-1")

    def plan(self):
        rows = self.store.hash(f"driftd:{{m/{self.group}/{setting.MODEL}}}")
        return [json.loads(v) for k, v in sorted(rows.items()) if k.startswith(b"plan:")]

    def come_and_go(self, assignor, go):
        self.patterned(assignor)
        a, b = f"{self.stem}-a", f"{self.stem}-b"
        process = self.run_(self.driftd("only"))
        env.wait_for(lambda: f"no topic matches ^{self.stem}-.* (yet)" in process.text(), "it says that nothing matches")
        self.make(a, 2)
        self.produce([self.now() - 10_000, self.now() - 9_990], 2)
        env.wait_for(lambda: self.offsets(2) == 2, "the first topic is read", 40)
        self.assertEqual(self.plan()[0]["topics"], {a: 2})
        self.make(b)
        env.wait_for(lambda: len(self.plan()) == 2, "the second one is in the plan", 40)
        self.assertEqual(self.plan()[1]["topics"], {a: 2, b: 1})
        env.wait_for(lambda: self.now() > self.plan()[1]["from"] + 100, "its entry holds")
        self.produce([self.now()], 1, topic=b)
        env.wait_for(lambda: self.store.offset(self.group, b, 0) == 1, "it is read")
        env.wait_for(lambda: sum(self.judged().values()) == 3, "all are judged", 40)
        if go:
            self.goes(process, a, b)
        self.assertEqual(process.stop(), 0)
        self.assertEqual([self.totals(t, 2) for t in ("late:", "other:", "reconciled:")], [0, 0, 0])

    def goes(self, process, a, b):
        self.brokers.io("delete", b)
        env.wait_for(lambda: len(self.plan()) == 3, "the topic that is gone leaves the plan", 60)
        self.assertEqual(self.plan()[2]["topics"], {a: 2})
        self.assertIn("event=topic_vanished", process.text())
        self.produce([self.now(), self.now() + 1], 2)
        env.wait_for(lambda: sum(self.judged().values()) == 5, "its partition holds nobody up", 40)

    def test_topics_appear(self):
        self.come_and_go("range", False)

    @env.long
    def test_topics_come_and_go(self):
        self.come_and_go("range", True)

    @env.long
    def test_topics_come_and_go_cooperative(self):
        self.come_and_go("cooperative-sticky", True)

    def test_check_baseline_and_replay(self):
        self.patterned()
        times = [setting.START + 5 * i for i in range(2000)]
        names = [f"{self.stem}-{x}" for x in "abc"]
        for i, name in enumerate(names):
            self.make(name)
            self.produce(times[i::3], 1, topic=name)
        driftd = self.driftd("only")
        shown = driftd.command("check", "--connect", "-c", driftd.path, check=False)
        for name in names:
            self.assertIn(f"topic {name}", shown.stdout + shown.stderr)
        done = driftd.command("baseline", "build", "-c", driftd.path, "--model", setting.MODEL, "--promote")
        self.assertRegex(done.stdout + done.stderr, r"2,?000")
        driftd.until_end()
        self.assertEqual(self.judged(), setting.by_window(times, 2000))
        self.assertEqual(set(self.plan()[0]["topics"]), set(names))

    def test_topic_of_two_streams(self):
        """Nobody reads it, and it says so; what only one stream matches is read."""
        self.patterned()
        both, one = f"{self.stem}-x-y", f"{self.stem}-x"
        self.config["streams"]["others"] = {**self.config["streams"]["events"], "topic": f"^{self.stem}-.*-y$"}
        for name in (both, one, f"{self.stem}-q"):
            self.make(name)
        times = [setting.START + 5 * i for i in range(100)]
        self.produce(times, 1, topic=one)
        self.produce(times, 1, topic=both)
        driftd = self.driftd("only")
        shown = driftd.command("check", "--connect", "-c", driftd.path, check=False)
        self.assertIn("patterns of two streams", shown.stdout + shown.stderr)
        process = self.run_(driftd)
        env.wait_for(lambda: f"event=topic_of_two_streams topic={both}" in process.text(), "it says which")
        env.wait_for(lambda: f"no topic matches ^{self.stem}-.*-y$ (yet)" in process.text(), "the chain waits for both streams")
        self.make(f"{self.stem}-x-yy")  # still none of the second
        self.assertEqual(self.store.offset(self.group, both, 0), 0)
        self.assertEqual(process.stop(), 0)


if __name__ == "__main__":
    unittest.main()
