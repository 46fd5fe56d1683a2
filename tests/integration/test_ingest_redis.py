"""tests/integration/test_ingest_redis.py    Redis dies, hangs, comes back empty or spoilt in mid-run: exact, calm, and said."""
import re
import signal
import threading
import time
import unittest

import env
import ingest_setting as setting


class Redis(setting.Case):
    def begin(self, n=20_000, **state):
        self.prepare(4, state={"idle_after": "10m", **state}, lateness="1h")
        self.times = [setting.START + 7 * i for i in range(n)]
        self.instance = self.driftd("only")
        self.process = self.run_(self.instance)
        return self.times

    def check_exact(self):
        self.assertEqual(self.process.stop(), 0)
        self.close()
        self.assertEqual([self.totals(t) for t in ("late:", "other:", "reconciled:")], [0, 0, 0])
        self.assertEqual(self.judged(), setting.by_window(self.times))

    def test_killed_and_restarted_while_counting(self):
        times = self.begin(60_000, flush_interval="50ms")
        producer = threading.Thread(target=self.produce, args=(times,))
        producer.start()
        for k in range(4):
            env.wait_for(lambda k=k: self.offsets() > k * 12_000, "it counts")
            self.store.stop()
            self.store.start()
        producer.join()
        env.wait_for(lambda: self.offsets() == len(times), "everything is counted", 60)
        self.check_exact()

    @env.long
    def test_stopped_for_seconds(self):
        """A Redis that hangs: no busy loop, few lines, not ready but alive; then on from where it was."""
        times = self.begin()
        self.produce(times[:10_000])
        env.wait_for(lambda: self.offsets() == 10_000, "the first half")
        self.store.process.signal(signal.SIGSTOP)
        lines, spent = self.process.text().count("\n"), self.cpu_seconds(self.process)
        self.produce(times[10_000:])
        env.wait_for(lambda: self.instance.get(self.instance.listen, "/readyz")[0] == 503, "not ready while Redis hangs")
        env.wait_for(lambda: self.process.text().count("redis_away") + self.process.text().count("judge_waits") >= 2, "a line")
        end = time.monotonic() + 8
        env.wait_for(lambda: time.monotonic() > end, "some seconds", 20)
        self.assertEqual(self.instance.get(self.instance.listen, "/livez")[0], 200)
        self.assertLess(self.cpu_seconds(self.process) - spent, 2.0)
        self.assertLess(self.process.text().count("\n") - lines, 25, self.process.text()[-3000:])
        self.store.process.signal(signal.SIGCONT)
        env.wait_for(lambda: self.offsets() == 20_000, "everything is counted")
        self.check_exact()

    def test_term_while_redis_hangs(self):
        times = self.begin(1000)
        self.produce(times)
        env.wait_for(lambda: self.offsets() == 1000, "counted")
        self.store.process.signal(signal.SIGSTOP)
        self.addCleanup(self.store.process.signal, signal.SIGCONT)
        self.process.signal(signal.SIGTERM)
        self.assertEqual(self.process.child.wait(5.5 * env.SLOW), 0, self.process.text()[-2000:])

    def test_restarted_empty(self):
        times = self.begin()
        self.produce(times)
        env.wait_for(lambda: self.offsets() == 20_000, "counted")
        self.store.command("FLUSHALL")
        env.wait_for(lambda: self.process.text().count("state_lost") >= 4, "said loudly, for each partition")
        env.wait_for(lambda: self.offsets() == 20_000, "read again from the start of the log")
        self.check_exact()

    def test_spoilt_slots_hold_up_themselves_only(self):
        """Somebody else's key in a partition's place, or a scribbled field: that partition waits and says why."""
        times = self.begin(8000)
        self.produce(times[:4000])
        env.wait_for(lambda: self.offsets() == 4000, "counted")
        keys = [f"driftd:{{p/{self.group}/{self.topic}/{p}}}" for p in range(2)]
        kept = [self.store.command("DUMP", k) for k in keys]
        self.store.command("SET", keys[0], "x")
        self.store.command("HSET", keys[1], "head", "0" * 32, "offset", "minus one")
        self.produce(times[4000:])
        env.wait_for(lambda: sum(self.store.offset(self.group, self.topic, p) for p in (2, 3)) == 4000, "the others go on")
        env.wait_for(lambda: len(set(re.findall(r"partition_waits .*partition=([01])", self.process.text()))) == 2, "both are named")
        self.assertEqual(self.process.text().count("redis_away"), 0)
        ready = self.instance.get(self.instance.listen, "/readyz")
        self.assertEqual(ready[0], 503)
        self.assertIn(f"{self.topic}/1", ready[1])
        for key, value in zip(keys, kept):
            self.store.command("RESTORE", key, "0", value, "REPLACE")
        env.wait_for(lambda: self.offsets() == 8000, "repaired, they go on")
        self.assertLess(self.process.text().count("partition_waits"), 10)
        self.check_exact()

    def test_spoilt_plan_holds_up_its_model_only(self):
        self.prepare(2, state={"idle_after": "10m"})
        other = self.brokers.topic("ingest-other", 2)
        self.config["streams"]["others"] = {**self.config["streams"]["events"], "topic": other}
        self.config["models"]["other"] = {**self.config["models"][setting.MODEL], "streams": ["others"]}
        self.config["models"][setting.MODEL]["streams"] = ["events"]
        self.store.command("HSET", f"driftd:{{m/{self.group}/{setting.MODEL}}}", "head", "0" * 32, "fmt", "1", "plan:0",
                           '{"v":1,"from":null,"baseline_id":"","baseline_digest":"","config":"","window_ms":10000,"lateness_ms":0,"topics":{"t":0}}')
        process = self.run_(self.driftd("only"))
        self.produce([setting.START + i for i in range(100)], 2)
        self.produce([setting.START + i for i in range(100)], 2, topic=other, model="other")
        env.wait_for(lambda: self.offsets(2, other) == 100, "the other model's stream goes on")
        self.assertEqual(self.offsets(2), 0)
        self.assertIn("plan_waits", process.text())
        self.store.command("DEL", f"driftd:{{m/{self.group}/{setting.MODEL}}}")
        env.wait_for(lambda: self.offsets(2) == 100, "repaired, it goes on")
        self.assertEqual(process.stop(), 0)

    @env.long
    def test_memory_stays_bounded_with_a_backlog(self):
        """A backlog of some 250 MB, and Redis away in the middle of it: fetched records are dropped, nothing piles up."""
        self.prepare(4, state={"idle_after": "10m", "flush_interval": "50ms"}, lateness="1h")
        n, pad = 150_000, "x" * 400
        for k in range(4):
            self.brokers.produce(self.topic, [(None, setting.record(setting.START + (k * n + i) // 10, pad=pad), i % 4) for i in range(n)])
        process = self.run_(self.driftd("only"))
        resident = []

        def look(done):
            with open(f"/proc/{process.child.pid}/status") as f:
                resident.append(int(next(line for line in f if line.startswith("VmRSS")).split()[1]))
            return done()
        env.wait_for(lambda: look(lambda: self.offsets() > 0), "it reads")
        self.store.stop()
        end = time.monotonic() + 8
        env.wait_for(lambda: look(lambda: time.monotonic() > end), "Redis stays away")
        self.store.start()
        self.assertLess(self.offsets(), 4 * n, "the backlog was gone before Redis was")
        env.wait_for(lambda: look(lambda: self.offsets() == 4 * n), "everything is counted", 60)
        self.assertLess(max(resident), 120_000, "kB resident: fetch queue 16 MB, and the process itself")
        self.assertEqual(process.stop(), 0)
        self.close()
        self.assertEqual(sum(self.judged().values()), 4 * n)


if __name__ == "__main__":
    unittest.main()
