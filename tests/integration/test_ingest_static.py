"""tests/integration/test_ingest_static.py    Static members (group.instance.id): a restart moves nothing, a second one of the same id ends."""
import unittest

import env
import ingest_setting as setting


class Static(setting.Case):
    def member(self, name, instance=None):
        kafka = {**self.config["kafka"], "options": {**self.config["kafka"]["options"], "group.instance.id": instance or name}}
        return self.driftd(name, kafka=kafka)

    def prepared(self, assignor):
        self.prepare(4, state={"idle_after": "10m"}, lateness="1h",
                     options={"session.timeout.ms": "20000", "heartbeat.interval.ms": "500", "partition.assignment.strategy": assignor})

    def restart(self, assignor):
        self.prepared(assignor)
        times = [setting.START + 7 * i for i in range(8000)]
        one, two = self.member("one"), self.member("two")
        a, b = self.run_(one), self.run_(two)
        env.wait_for(lambda: "partition_acquired" in a.text() and "partition_acquired" in b.text() and
                     sum(b"head" in self.slot(p) for p in range(4)) == 4, "both have partitions", 40)
        self.produce(times[:4000])
        env.wait_for(lambda: self.offsets() == 4000, "counted")
        before = b.text().count("event=partitions_")
        a.kill()
        self.produce(times[4000:6000])
        a = self.run_(one)
        env.wait_for(lambda: self.offsets() == 6000, "counted after a kill")
        self.assertEqual(a.stop(), 0)
        self.produce(times[6000:])
        a = self.run_(one)
        env.wait_for(lambda: self.offsets() == 8000, "counted after a stop")
        self.assertEqual(b.text().count("event=partitions_"), before, "the other member saw no rebalance")
        self.check_exact(times)
        self.assertEqual((a.stop(), b.stop()), (0, 0))

    def check_exact(self, times):
        """Static members do not leave, so nobody else could finish the log: a record beyond lateness closes every window."""
        self.produce([setting.START + 7_200_000] * 4)
        env.wait_for(lambda: sum(self.judged().values()) == len(times), "all windows are judged", 40)
        self.assertEqual(self.judged(), setting.by_window(times))
        self.assertEqual([self.totals(t, 4) for t in ("late:", "other:", "reconciled:")], [0, 0, 0])

    def test_restart_eager(self):
        self.restart("range")

    @env.long
    def test_restart_cooperative(self):
        self.restart("cooperative-sticky")

    def fenced(self, assignor):
        """Two processes with one id: the first one ends and says why, the second one goes on, each record counts once."""
        self.prepared(assignor)
        times = [setting.START + 7 * i for i in range(8000)]
        first = self.run_(self.member("one"))
        self.produce(times[:4000])
        env.wait_for(lambda: self.offsets() == 4000, "counted")
        second = self.run_(self.member("another", "one"))
        self.assertNotEqual(first.wait(40), 0)
        self.assertIn("FENCED_INSTANCE_ID", first.text())
        self.assertIn("give each instance its own", first.text())
        self.produce(times[4000:])
        env.wait_for(lambda: self.offsets() == 8000, "the second one counts", 40)
        self.check_exact(times)
        self.assertEqual(second.stop(), 0)

    def test_fenced_eager(self):
        self.fenced("range")

    @env.long
    def test_fenced_cooperative(self):
        self.fenced("cooperative-sticky")


if __name__ == "__main__":
    unittest.main()
