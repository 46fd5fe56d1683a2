"""tests/integration/test_hold.py    max_hold: a window that a silent partition holds up is judged without it; nothing is counted twice."""
import signal
import unittest

import env
import ingest_setting as setting

OPTIONS = {"session.timeout.ms": "45000", "heartbeat.interval.ms": "500", "partition.assignment.strategy": "range"}


class Hold(setting.Case):
    def partition_of(self, process):
        """The partition that an instance has taken."""
        mark = f"event=partition_acquired topic={self.topic} partition="
        text = env.wait_for(lambda: process.text() if mark in process.text() else None, "a partition is taken", 40)
        return int(text.split(mark)[-1].split()[0])

    def test_a_stopped_owner(self):
        """Its window is forced; when it goes on, it gets STALE, and what it had not counted is late_after_idle."""
        self.prepare(2, options=OPTIONS, state={"settle": "300ms", "idle_after": "10m", "max_hold": "1s", "flush_interval": "100ms",
                                                "retain": "1s", "judge_patience": "300ms", "plan_ttl": "500ms", "clock_skew": "0s"})
        first = self.run_(self.driftd("first"))
        self.partition_of(first)
        stopped = self.run_(self.driftd("second"))
        held = self.partition_of(stopped)
        before = [setting.START + 10 * i for i in range(500)]  # into both partitions, the first half of a window
        self.produce(before, 2)
        env.wait_for(lambda: self.offsets(2) == 500, "both have counted")
        stopped.signal(signal.SIGSTOP)
        missed = [setting.START + 5000 + 10 * i for i in range(1000)]  # the rest of this window and half of the next
        self.produce([t for t in missed for _ in "ab"], 2)
        self.brokers.produce(self.topic, [(None, setting.record(setting.START + 25_000), 1 - held)])  # closes both windows there
        env.wait_for(lambda: len(self.judged()) == 2, "both windows are judged without the partition", 40)
        want = {setting.START: 500 + 500, setting.START + setting.WINDOW: 500}
        self.assertEqual(self.judged(), want)
        self.assertEqual([v["forced"] for v in self.store.verdicts(self.group, setting.MODEL).values()], 2 * [[f"{self.topic}/{held}"]])
        self.assertEqual(self.slot(held)[b"offset"], b"250")
        stopped.signal(signal.SIGCONT)
        env.wait_for(lambda: self.store.offset(self.group, self.topic, held) == 1250, "it reads on", 60)
        self.assertRegex(stopped.text(), "event=slot_stale|plan could not be read lately")  # the latter when it slept for long
        self.assertEqual(int(self.slot(held)[b"other:m:i:late_after_idle"]), 1000)
        self.assertNotIn(b"late:m:i", self.slot(held))
        env.wait_for(lambda: all(int(self.slot(p).get(b"gone:m:i", 0)) == setting.START + 2 * setting.WINDOW for p in (0, 1)),
                     "the counts of both windows are dropped", 40)
        self.assertEqual(self.totals("reconciled:", 2), 0)
        self.assertEqual([p.stop() for p in (first, stopped)], [0, 0])
        self.close()
        self.assertEqual(self.judged(), {**want, setting.START + 2 * setting.WINDOW: 1})

    def test_a_slot_that_nobody_ever_had(self):
        """A partition whose slot nobody has acquired is forced, and its later owner begins at the start of its log."""
        self.prepare(2, options={"partition.assignment.strategy": "range"},
                     state={"settle": "300ms", "idle_after": "10m", "max_hold": "1s", "flush_interval": "100ms", "plan_ttl": "1s",
                            "judge_patience": "300ms"})
        other = env.Process(["kcat", "-b", self.brokers.brokers, "-X", "partition.assignment.strategy=range", "-X",
                             "enable.auto.commit=false", "-G", self.group, self.topic], f"{self.dir}/kcat.log")
        self.addCleanup(other.kill)
        env.wait_for(lambda: "assigned:" in other.text(), "the other consumer has both partitions", 40)
        process = self.run_(self.driftd("only"))
        mine = self.partition_of(process)
        times = [setting.START + 10 * i for i in range(1000)]
        self.produce([t for t in times for _ in "ab"], 2)
        env.wait_for(lambda: len(self.judged()) == 1, "the window is judged without the other partition", 40)
        self.assertEqual(self.judged(), {setting.START: 1000})
        self.assertEqual(self.slot(mine)[b"forced"].split(b":")[1], self.slot(1 - mine)[b"forced"].split(b":")[1])  # the feed has stopped
        self.assertNotIn(b"offset", self.slot(1 - mine))
        other.stop()
        env.wait_for(lambda: self.store.offset(self.group, self.topic, 1 - mine) == 1000, "it is read from its start", 60)
        later = [setting.START + setting.WINDOW * 5 + 10 * i for i in range(1000)]
        self.produce([t for t in later for _ in "ab"], 2)
        env.wait_for(lambda: self.store.offset(self.group, self.topic, 1 - mine) == 2000, "the next window", 30)
        slot = self.slot(1 - mine)
        self.assertEqual((int(slot[b"other:m:i:late_after_idle"]), slot.get(b"late:m:i")), (1000, None))
        self.assertEqual(process.stop(), 0)
        self.close()
        self.assertEqual(self.judged(), {setting.START: 1000, setting.START + 5 * setting.WINDOW: 2000})
        self.assertEqual(self.totals("reconciled:", 2), 0)


if __name__ == "__main__":
    unittest.main()
