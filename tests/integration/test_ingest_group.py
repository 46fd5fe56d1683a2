"""tests/integration/test_ingest_group.py    Two instances share the partitions: whoever comes, goes or is stopped, each record counts once."""
import signal
import threading
import time
import unittest

import env
import ingest_setting as setting

SESSION = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}


class Together(setting.Case):
    def check_exact(self, times):
        self.close()
        self.assertEqual([self.totals(t, 8) for t in ("late:", "other:", "reconciled:")], [0, 0, 0])
        self.assertEqual(self.judged(), setting.by_window(times))

    def share(self, assignor):
        """A second instance joins and leaves in mid-stream, a third one too; the first one leaves last."""
        self.prepare(8, options={**SESSION, "partition.assignment.strategy": assignor}, state={"idle_after": "10m"}, lateness="1h")
        times = [setting.START + 7 * i for i in range(40_000)]
        pieces = [times[i::4] for i in range(4)]
        first = self.run_(self.driftd("first"))
        self.produce(pieces[0], 8)
        env.wait_for(lambda: self.offsets(8) > 0, "the first instance counts")
        second = self.driftd("second")
        process = self.run_(second)
        self.produce(pieces[1], 8)
        env.wait_for(lambda: "partition_acquired" in process.text(), "the second instance has partitions")
        env.wait_for(lambda: self.offsets(8) == 20_000, "both halves are counted")
        third = self.run_(self.driftd("third"))
        producer = threading.Thread(target=self.produce, args=(pieces[2], 8))
        producer.start()
        self.assertEqual(process.stop(), 0)
        producer.join()
        env.wait_for(lambda: self.offsets(8) == 30_000, "counted over a leave and a join", 40)
        self.assertEqual(third.stop(), 0)
        self.produce(pieces[3], 8)
        env.wait_for(lambda: self.offsets(8) == 40_000, "the first instance has everything again", 40)
        self.assertEqual(first.stop(), 0)
        for p in (first, process, third):
            self.assertNotIn('event=assign_failed', p.text())
        self.check_exact(times)

    def test_eager(self):
        self.share("range,roundrobin")

    def test_cooperative(self):
        self.share("cooperative-sticky")

    def test_cooperative_while_records_come(self):
        """A rebalance pauses the partitions that stay, and what was being handed over of them at that moment is lost in librdkafka:
        it has to be read again."""
        self.prepare(8, options={**SESSION, "partition.assignment.strategy": "cooperative-sticky"}, state={"idle_after": "10m"}, lateness="1h")
        times, over = [], threading.Event()
        feed = env.subprocess.Popen([env.tool("kafka_io"), "feed", self.brokers.brokers, self.topic], stdin=env.subprocess.PIPE,
                                    stdout=env.subprocess.DEVNULL)
        self.addCleanup(feed.kill)

        def produce():
            while not over.wait(0.005):
                for p in range(8):
                    times.append(setting.START + 7 * len(times))
                    value = setting.record(times[-1])
                    feed.stdin.write(env.struct.pack("<iiii", 0, p, -1, len(value)) + value)
                feed.stdin.flush()
        producer = threading.Thread(target=produce)
        producer.start()
        try:
            first = self.run_(self.driftd("first"))
            env.wait_for(lambda: first.text().count("partition_acquired") >= 8, "the first instance reads all")
            for n in range(3):
                second = self.run_(self.driftd(f"second{n}"))
                env.wait_for(lambda s=second: "partition_acquired" in s.text(), "the second instance reads")
                granted = first.text().count("partitions_granted")
                self.assertEqual(second.stop(), 0)
                env.wait_for(lambda g=granted: first.text().count("partitions_granted") > g, "the first instance gets the rest")
        finally:
            over.set()
            producer.join()
            feed.stdin.close()
            feed.wait(30)
        env.wait_for(lambda: self.offsets(8) == len(times), "everything is counted", 40)
        self.assertEqual(first.stop(), 0)
        self.check_exact(times)

    def test_many_partitions_fall_silent(self):
        """Whether a log has ended is asked of the brokers, partition by partition; plans are read again in between, or all that was
        counted is thrown away and the silence begins anew."""
        n = 40
        self.prepare(n, state={"idle_after": "600ms", "plan_ttl": "1s"})
        now = self.now()
        times = [now - 30_000 - i for i in range(2 * n)]
        self.produce(times, n)
        process = self.run_(self.driftd("only"))
        env.wait_for(lambda: self.offsets(n) == len(times), "all is counted")
        env.wait_for(lambda: sum(self.judged().values()) == len(times), "the silent partitions close the windows", 20)
        self.assertNotIn("could not be read lately", process.text(), "nothing was thrown away")
        self.assertEqual(process.stop(), 0)

    def zombie(self, assignor):
        """One that wakes up after its session finds other heads, changes nothing and comes back."""
        self.prepare(4, options={**SESSION, "partition.assignment.strategy": assignor},
                     state={"flush_interval": "30s", "idle_after": "10m"}, lateness="1h")
        times = [setting.START + 7 * i for i in range(20_000)]
        first = self.run_(self.driftd("first"))
        self.produce(times[:8_000])
        env.wait_for(lambda: sum(b"head" in self.slot(p) for p in range(4)) == 4, "all slots are taken")
        first.signal(signal.SIGSTOP)
        second = self.run_(self.driftd("second", state={**self.config["state"], "flush_interval": "200ms"}))
        self.produce(times[8_000:])
        env.wait_for(lambda: self.offsets() == 20_000, "the second instance counts everything", 60)
        before = [self.slot(p)[b"offset"] for p in range(4)]
        first.signal(signal.SIGCONT)
        env.wait_for(lambda: first.text().count("partitions_granted") >= 2, "the zombie joins again", 60)
        self.assertTrue(first.alive(), first.text()[-2000:])
        self.assertEqual([self.slot(p)[b"offset"] for p in range(4)], before)
        self.assertEqual((first.stop(), second.stop()), (0, 0))
        self.check_exact(times)

    @env.long
    def test_stopped_beyond_the_session_eager(self):
        self.zombie("range")

    def test_stopped_beyond_the_session_cooperative(self):
        self.zombie("cooperative-sticky")

    @env.long
    def test_idle_partition_waits_for_another_instances_log(self):
        """An idle partition is not raised to the clock while another instance still reads older events."""
        self.prepare(2, options={**SESSION, "partition.assignment.strategy": "range"}, state={"idle_after": "2s", "flush_interval": "100ms"})
        a, b = self.run_(self.driftd("a")), self.run_(self.driftd("b"))
        env.wait_for(lambda: "partition_acquired" in a.text() and "partition_acquired" in b.text(), "one partition each", 40)
        self.produce([setting.START + 1], 1)  # partition 0 only
        env.wait_for(lambda: self.offsets(2) == 1, "the first record")
        now, end = setting.START, time.monotonic() + 6
        while time.monotonic() < end:  # partition 0 goes on, far behind the clock
            now += 100
            self.produce([now], 1)
            env.wait_for(lambda n=now: int(self.slot(0).get(b"wm", 0)) >= n, "counted")
        self.assertLess(int(self.slot(1).get(b"wm", 0)), setting.START + 60_000)
        env.wait_for(lambda: int(self.slot(1).get(b"wm", 0)) > setting.START + 10 ** 9, "both idle: raised to the clock", 40)
        self.assertEqual((a.stop(), b.stop()), (0, 0))
        self.assertEqual(self.totals("late:", 2) + self.totals("other:", 2), 0)


if __name__ == "__main__":
    unittest.main()
