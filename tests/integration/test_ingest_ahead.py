"""tests/integration/test_ingest_ahead.py    A partition far ahead of the verdicts waits (max_open): nothing is lost, nothing piles up, nobody hangs."""
import json
import threading
import unittest

import env
import ingest_setting as setting

SECOND = 1000
SESSION = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}


class Ahead(setting.Case):
    def far(self, max_open, state=None, **more):
        """Two partitions, windows of a second, blobs that go as soon as they are judged."""
        self.prepare(2, state={"retain": "0s", "plan_ttl": "10s", "keep_verdicts": 2000, **(state or {})}, **more)
        self.config["models"][setting.MODEL]["window"] = {"size": "1s", "lateness": "100ms", "max_open": max_open}

    def unjudged(self):
        """Blobs of partition 0 whose windows have no verdict."""
        chain = self.store.hash(f"driftd:{{m/{self.group}/{setting.MODEL}}}")
        until = int(chain.get(b"judged_until", 0))
        return sum(int(k.split(b":")[3]) >= until for k in self.slot(0) if k.startswith(b"b:"))

    def produce_at(self, partition, times):
        self.brokers.produce(self.topic, [(None, setting.record(t), partition) for t in times])

    def check_exact(self, times, partitions=2):
        self.assertEqual(self.judged(), setting.by_window(times, SECOND))
        self.assertEqual([self.totals(t, partitions) for t in ("late:", "other:", "reconciled:")], [0, 0, 0])

    def watch(self, done, seconds=60):
        """The most blobs without verdict ever seen until done()."""
        most = 0

        def look():
            nonlocal most
            most = max(most, self.unjudged())
            return done()
        env.wait_for(look, "everything is counted", seconds)
        return most

    def test_a_thousand_windows_ahead(self):
        self.far(100, state={"idle_after": "10m"})
        times = [setting.START + 500 * i for i in range(2000)]
        self.produce_at(1, times[:1])
        self.produce_at(0, times)
        instance = self.driftd("only")
        process = self.run_(instance)

        def waiting():
            status, text = instance.get(instance.listen, "/status")
            rows = json.loads(text)["partitions"] if status == 200 else []
            return next((r for r in rows if r["partition"] == 0 and "judged" in (r["waits"] or "")), None)
        row = env.wait_for(waiting, "partition 0 waits and says so")
        self.assertEqual(row["waits"], f"100 windows of m are not judged yet, the oldest waits for {self.topic}/1")
        self.assertFalse(row["active"])
        env.wait_for(lambda: self.slot(0).get(b"waits"), "its slot says so too")
        self.assertEqual(self.unjudged(), 100)
        self.assertEqual(self.store.offset(self.group, self.topic, 0), 200)
        # an older window that partition 1 opens is no obstacle; then partition 1 catches up in pieces
        for i in range(1, 2000, 333):
            self.produce_at(1, times[i:i + 333])
        last = setting.START + 2_000_000
        for p in range(2):
            self.produce_at(p, [last])
        most = self.watch(lambda: self.offsets(2) == 4002)
        self.assertLessEqual(most, 102)
        env.wait_for(lambda: len(self.judged()) == 1000, "all but the last window are judged")
        self.assertNotIn(b"waits", self.slot(0))
        self.assertEqual(process.stop(), 0)
        self.close()
        self.check_exact(2 * times + 2 * [last])

    def test_silent_partition_follows(self):
        """A partition without records is raised to the one that waits, again and again, never past it."""
        self.far(50)
        times = [setting.START + 250 * i for i in range(1600)]
        self.produce_at(0, times)
        process = self.run_(self.driftd("only"))
        most = self.watch(lambda: self.offsets(2) == 1600)
        self.assertLessEqual(most, 52)
        self.assertIn("partition_waits", process.text())
        env.wait_for(lambda: sum(self.judged().values()) == 1600, "idleness closes the last window")
        self.assertEqual(process.stop(), 0)
        self.check_exact(times)

    def test_until_end(self):
        self.far(50)
        times = [setting.START + 250 * i for i in range(1600)]
        self.produce_at(0, times)
        self.produce_at(1, times[:1])
        log = self.driftd("only").until_end(60).text()
        self.assertIn("partition_waits", log)
        self.check_exact(times + times[:1])

    def two(self, **more):
        """The silent partition is another instance's, which must not take the waiting one for silent."""
        self.far(50, options={**SESSION, "partition.assignment.strategy": "range"}, state={"idle_after": "2s"}, **more)
        a, b = self.run_(self.driftd("a")), self.run_(self.driftd("b"))
        env.wait_for(lambda: "partition_acquired" in a.text() and "partition_acquired" in b.text(), "one partition each", 40)
        times = [setting.START + 250 * i for i in range(1600)]
        self.produce_at(1, times[:1])
        env.wait_for(lambda: self.offsets(2) == 1, "the other one's first record")
        producer = threading.Thread(target=self.produce_at, args=(0, times))
        producer.start()
        ahead = []

        def done():
            wm, offset = int(self.slot(1).get(b"wm", 0)), self.store.offset(self.group, self.topic, 0)
            if 0 < offset < 1600 and wm > times[-1]:
                ahead.append((wm, offset))
            return offset == 1600
        env.wait_for(done, "everything is counted", 60)
        producer.join()
        self.assertEqual(ahead, [])
        env.wait_for(lambda: sum(self.judged().values()) == 1601, "all judged", 30)
        self.assertEqual((a.stop(), b.stop()), (0, 0))
        self.check_exact(times + times[:1])

    @env.long
    def test_two_instances(self):
        self.two()


if __name__ == "__main__":
    unittest.main()
