"""tests/integration/test_shutdown.py    SIGTERM ends driftd within 5 s, whatever hangs; others take over at once; nothing is lost."""
import os
import signal
import socket
import threading
import time
import unittest

import env
import ingest_setting as setting
import phish

LIMIT = 5.0  # what docs/operations.md promises
SESSION = {"session.timeout.ms": "30000", "heartbeat.interval.ms": "500"}  # so long that an expired session cannot be what helps


def seconds(process, sig=signal.SIGTERM):
    """How long it takes to end, and its status."""
    began = time.monotonic()
    process.signal(sig)
    status = process.wait(20)
    return time.monotonic() - began, status


SHORT = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}  # a member that could not leave is soon forgotten


class Shutdown(setting.Case):
    def fill(self, n=8_000, spread=4):
        self.times = [setting.START + 7 * i for i in range(n)]
        self.produce(self.times, spread)

    def counted(self, n):
        env.wait_for(lambda: self.offsets() == n, f"{n} records are counted", 40)

    def check_exact(self, times):
        self.close()
        self.assertEqual(self.judged(), setting.by_window(times))

    def test_others_take_over_at_once(self):
        self.prepare(4, options=SESSION, state={"flush_interval": "30s", "idle_after": "10m"}, lateness="1h")
        first = self.run_(self.driftd("first"))
        second = self.driftd("second")
        other = self.run_(second)
        env.wait_for(lambda: "partition_acquired" in first.text() and other.text().count("partition_acquired") >= 2, "both have partitions", 40)
        self.fill()
        env.wait_for(lambda: self.consumed(second) >= 4_000, "the second one has read its half")
        before = other.text().count("event=partition_acquired")
        began = time.monotonic()
        took, status = seconds(first)
        self.assertEqual(status, 0, first.text()[-1500:])
        self.assertLess(took, LIMIT)
        env.wait_for(lambda: other.text().count("event=partition_acquired") >= before + 2, "the other one has its partitions", 15)
        print(f"    taken over {time.monotonic() - began:.1f} s after SIGTERM, which took {took:.1f} s", flush=True)
        self.assertLess(time.monotonic() - began, 10 * env.SLOW, "not after a session of 30 s")
        self.assertGreaterEqual(self.offsets(), 4_000, "what the first one had counted was flushed")
        self.assertEqual(other.stop(), 0)
        self.check_exact(self.times)

    def consumed(self, driftd):
        text = driftd.get(driftd.listen, "/metrics")[1]
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("driftd_records_total"))

    def test_redis_hangs(self):
        self.prepare(4, options=SHORT, state={"flush_interval": "200ms"}, lateness="1h")
        process = self.run_(self.driftd())
        self.fill(4_000)
        self.counted(4_000)
        self.store.process.signal(signal.SIGSTOP)
        self.addCleanup(self.store.process.signal, signal.SIGCONT)
        self.produce(self.times[:100])
        took, status = seconds(process)
        self.assertLess(took, LIMIT)
        self.assertEqual(status, 0, process.text()[-1500:])
        self.store.process.signal(signal.SIGCONT)
        self.check_exact(self.times + self.times[:100])

    @env.long
    def test_leaves_again_and_again(self):
        """A client that is closing may be gone before the last callback returns: seen once in 25 runs as a wait without end."""
        self.prepare(4, options={**SHORT, "group.instance.id": "again"}, lateness="1h")
        driftd = self.driftd()
        self.fill(400)
        for round_ in range(120):
            process = self.run_(driftd)
            env.wait_for(lambda p=process: p.text().count("event=partition_acquired") == 4, "it has its partitions", 40)
            took, status = seconds(process)
            self.assertEqual(status, 0, (round_, process.text()[-1500:]))
            self.assertLess(took, LIMIT, round_)
        self.check_exact(self.times)

    def test_second_signal_ends_at_once(self):
        self.prepare(4, options=SHORT, lateness="1h")
        process = self.run_(self.driftd())
        self.fill(400)
        self.counted(400)
        self.store.process.signal(signal.SIGSTOP)
        self.addCleanup(self.store.process.signal, signal.SIGCONT)
        self.produce(self.times)
        process.signal(signal.SIGTERM)
        env.wait_for(lambda: "event=stopping" in process.text(), "it has begun to stop")
        took, status = seconds(process)
        self.assertEqual(status, 128 + signal.SIGTERM)
        self.assertLess(took, 1)
        self.store.process.signal(signal.SIGCONT)
        self.check_exact(self.times * 2)


class Hook(env.Case):
    def test_receiver_hangs(self):
        """One that takes the connection and the request, and never answers."""
        hole = socket.socket()
        hole.bind(("127.0.0.1", 0))
        hole.listen(50)
        self.addCleanup(hole.close)
        held = []
        threading.Thread(target=self.swallow, args=(hole, held), daemon=True).start()
        brokers, store, hook = env.brokers(), self.redis(), self.receiver()
        topic = brokers.topic("phish")
        config = phish.config(brokers.brokers, store.port, hook, topic)
        driftd = env.Driftd(self.dir, config)
        phish.baseline(self.dir, driftd)
        config["endpoints"]["soc"]["url"] = f"http://127.0.0.1:{hole.getsockname()[1]}/hook"
        driftd = env.Driftd(self.dir, config)
        brokers.produce(topic, phish.records(phish.lines(self.dir)))
        process = driftd.start()
        self.addCleanup(process.kill)
        env.wait_for(lambda: held, "a webhook is under way", 60)
        took, status = seconds(process)
        self.assertLess(took, LIMIT)
        self.assertEqual(status, 0, process.text()[-1500:])
        config["endpoints"]["soc"]["url"] = hook.url
        env.Driftd(self.dir, config).until_end()
        wanted = {a for v in store.verdicts("phish", phish.MODEL).values() for a in v["actions"]}
        self.assertGreater(len(wanted), 3)
        self.assertEqual(wanted - set(hook.accepted()), set(), "every action arrives in the end")

    def swallow(self, hole, held):
        try:
            while True:
                held.append(hole.accept()[0])
        except OSError:
            pass  # closed: the test is over


class Broker(setting.Case):
    """A broker of its own, that can be stopped and frozen."""

    @classmethod
    def setUpClass(cls):
        if os.environ.get("DRIFTD_TEST_BROKERS") and not os.path.exists(os.path.join(env.CACHE, "kafka-4.3.1")):
            raise unittest.SkipTest("needs a broker of its own")
        cls.kafka = env.Kafka(env.tempfile.mkdtemp(dir=env.TEMP))
        cls.addClassCleanup(cls.kafka.kill)

    def signal_broker(self, sig):
        with open(os.path.join(self.kafka.folder, "broker.pid")) as f:
            os.kill(int(f.read()), sig)

    def freeze(self):
        self.signal_broker(signal.SIGSTOP)
        self.addCleanup(self.signal_broker, signal.SIGCONT)

    @env.long
    def test_kafka_hangs(self):
        """While it works, and again while it joins; both times the log says what is away, and it recovers."""
        self.prepare(4, brokers=env.Brokers(self.kafka.brokers, self.kafka), lateness="1h", options={**SHORT, "socket.timeout.ms": "5000"})
        times = [setting.START + 7 * i for i in range(4_000)]
        self.produce(times)
        process = self.run_(self.driftd())
        env.wait_for(lambda: self.offsets() == 4_000, "counted", 40)
        self.freeze()
        took, status = seconds(process)
        self.assertLess(took, LIMIT)
        self.assertEqual(status, 0, process.text()[-1500:])

        driftd = self.driftd("joining")
        process = self.run_(driftd)
        env.wait_for(lambda: driftd.get(driftd.listen, "/livez")[0] == 200, "alive")
        env.wait_for(lambda: "kafka: away" in driftd.get(driftd.listen, "/readyz")[1], "not ready, and says why", 40)
        self.assertRegex(process.text(), rf"event=kafka_error .*127\.0\.0\.1:{self.kafka.port}")
        self.signal_broker(signal.SIGCONT)
        env.wait_for(lambda: driftd.get(driftd.listen, "/readyz")[0] == 200, "ready again", 60)
        self.produce(times[:100])
        env.wait_for(lambda: self.offsets() == 4_100, "counts again", 40)
        self.freeze()
        process.signal(signal.SIGTERM)
        env.wait_for(lambda: "event=stopping" in process.text(), "it has begun to stop")
        took, status = seconds(process)
        self.assertEqual((took < 1, status), (True, 128 + signal.SIGTERM))
        self.signal_broker(signal.SIGCONT)


if __name__ == "__main__":
    unittest.main()
