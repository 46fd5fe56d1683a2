"""tests/integration/test_ingest_log.py    What logs do: gaps, silence, new partitions, no topic yet; and when windows close and go."""
import json
import signal
import time
import unittest

import env
import ingest_setting as setting


class Log(setting.Case):
    def transactions(self, assignor):
        """Commit markers and aborted records are gaps; every assignment begins at one, and goes on."""
        self.prepare(3, state={"idle_after": "10m", "flush_interval": "50ms"}, lateness="1h",
                     options={"partition.assignment.strategy": assignor})
        times = [setting.START + 50 * i for i in range(240)]
        rows, kept = bytearray(), []
        for i, t in enumerate(times):  # transactions of 2 records, every fourth aborted
            aborted = i // 2 % 4 == 3
            if not aborted:
                kept.append(t)
            rows += self.brokers_row(b"abort" if aborted else b"k", setting.record(t), i // 2 % 3)
        self.brokers.io("transactions", self.topic, 2, input=bytes(rows))
        process = self.run_(self.driftd("first"))
        env.wait_for(lambda: self.offsets(3) > 0, "it reads")
        self.assertEqual(process.stop(), 0)
        self.close()
        self.assertEqual(self.judged(), setting.by_window(kept))
        self.assertEqual([self.totals(t, 3) for t in ("late:", "other:", "reconciled:")], [0, 0, 0])

    def test_transactions_eager(self):
        self.transactions("range")

    @env.long
    def test_transactions_cooperative(self):
        self.transactions("cooperative-sticky")

    @staticmethod
    def brokers_row(key, value, partition):
        return env.struct.pack("<iqii", partition, -1, len(key), len(value)) + key + value

    def test_topic_missing_at_start(self):
        self.prepare(topic=f"ingest-later-{env.secrets.token_hex(4)}")
        instance = self.driftd("only")
        process = self.run_(instance)
        env.wait_for(lambda: "plan_waits" in process.text() or "UNKNOWN_TOPIC" in process.text(), "it says that the topic is missing")
        lines = process.text().count("\n")
        self.assertEqual(instance.get(instance.listen, "/livez")[0], 200)
        self.assertLess(lines, 20, process.text())
        self.brokers.io("topic", self.topic, 4, "retention.ms=-1")
        times = [setting.START + 7 * i for i in range(4000)]
        self.produce(times)
        env.wait_for(lambda: self.offsets() == 4000, "it reads when the topic is there", 60)
        self.assertEqual(process.stop(), 0)
        self.close()
        self.assertEqual(self.judged(), setting.by_window(times))

    @env.long
    def test_partitions_added(self):
        """The plan is extended; what comes before it holds is counted as not in the plan, later records count."""
        self.prepare(2, state={"idle_after": "1s", "plan_ttl": "1s", "max_future": "1s", "clock_skew": "100ms"})
        self.config["models"][setting.MODEL]["window"] = {"size": "2s", "lateness": "500ms"}
        process = self.run_(self.driftd("only"))
        self.produce([self.now()], 1)
        env.wait_for(lambda: self.offsets(2) == 1, "it counts")
        self.brokers.io("grow", self.topic, 3)
        env.wait_for(lambda: "plan_extended" in process.text(), "the plan is extended", 60)
        plan = self.store.hash(f"driftd:{{m/{self.group}/{setting.MODEL}}}")
        entry = json.loads(plan[b"plan:1"])
        self.assertEqual(entry["topics"], {self.topic: 3})
        env.wait_for(lambda: self.now() > entry["from"] + 100, "the new entry holds")
        self.brokers.produce(self.topic, [(None, setting.record(self.now()), 2)])
        env.wait_for(lambda: self.store.offset(self.group, self.topic, 2) == 1, "the new partition is read")
        env.wait_for(lambda: sum(self.judged().values()) == 2, "idle partitions close the windows", 40)
        self.assertEqual(self.totals("other:", 3), 0)
        self.assertEqual(process.stop(), 0)

    def test_two_models_on_one_topic_and_labels_beside_features(self):
        self.prepare(2)
        self.config["streams"]["events"].update({"label": "label"})
        self.config["models"]["n"] = dict(self.config["models"][setting.MODEL])
        rows, inputs, labels = [], {"m": [], "n": []}, {"m": [], "n": []}
        for i in range(2000):
            t, model = setting.START + 11 * i, "mn"[i % 3 == 0]
            r = {"ts": t, "model": model}
            if i % 5:
                r["score"] = .5
                inputs[model].append(t)
            if i % 5 == 0 or i % 7 == 0:
                r["label"] = "bad"
                labels[model].append(t)
            rows.append((None, json.dumps(r).encode(), i % 2))
        self.brokers.produce(self.topic, rows)
        self.close()
        for model in "mn":
            self.assertEqual(self.judged(model), setting.by_window(inputs[model]))
            self.assertEqual(self.judged(model, "label"), setting.by_window(labels[model]))

    def test_features_and_scores_on_separate_topics(self):
        self.prepare(2)
        scores = self.brokers.topic("ingest-scores", 3)
        self.config["streams"] = {"features": {"topic": self.topic, "format": "json", "time": "ts", "model": "model", "features": "f"},
                                  "scores": {"topic": scores, "format": "json", "time": "ts", "model": "model", "score": "score"}}
        times = [setting.START + 13 * i for i in range(2000)]
        self.brokers.produce(self.topic, [(None, json.dumps({"ts": t, "model": "m", "f": {"a": 1}}).encode(), i % 2) for i, t in enumerate(times)])
        self.produce(times[:1000], 3, topic=scores)
        self.close()
        self.assertEqual(self.judged(), {k: v + setting.by_window(times[:1000]).get(k, 0) for k, v in setting.by_window(times).items()})

    def future(self, kind):
        """CreateTime: our clock; LogAppendTime: the broker's.  Nothing is clamped and no watermark moves."""
        topic = f"ingest-future-{env.secrets.token_hex(4)}"
        env.brokers().io("topic", topic, 1, f"message.timestamp.type={kind}", "retention.ms=-1")
        self.prepare(1, topic=topic)
        now = self.now()
        self.produce([now - 60_000, now + 3_600_000, 253_402_300_799_000, now - 59_000], 1)
        self.close()
        self.assertEqual(sum(self.judged().values()), 2)
        self.assertEqual(int(self.slot(0)[b"other:-:future"]), 2)
        self.assertLess(int(self.slot(0)[b"wm"]), now + 60_000)

    def test_future_by_our_clock(self):
        self.future("CreateTime")

    def test_future_by_the_brokers_clock(self):
        self.future("LogAppendTime")

    def silent(self, settle):
        self.prepare(3, state={"settle": settle, "idle_after": "1s"})
        process = self.run_(self.driftd("only"))
        now = self.now() // setting.WINDOW * setting.WINDOW - 40_000
        times = [now + 100 * i for i in range(100)]
        self.produce(times, 2)  # partition 2 stays silent
        env.wait_for(lambda: self.judged() == setting.by_window(times), "judged by idleness", 60)
        self.assertEqual(self.totals("other:", 3), 0)
        self.produce([now + 50], 1)
        env.wait_for(lambda: self.slot(0).get(b"other:m:i:late_after_idle") == b"1", "late, and said after what")
        self.assertNotIn(b"late:m:i", self.slot(0))
        self.assertEqual(process.stop(), 0)

    def test_new_plan_settles_first(self):
        """Nothing is acquired by a first plan entry that a failover may still take back; the next start does not wait."""
        self.prepare(2, state={"settle": "3s", "idle_after": "10m"})
        self.produce([setting.START], 1)
        instance = self.driftd("only")
        process = self.run_(instance)
        env.wait_for(lambda: "the plan of m is new and settles in" in instance.get(instance.listen, "/status")[1], "it says what it waits for")
        written = env.wait_for(lambda: self.store.hash(f"driftd:{{m/{self.group}/{setting.MODEL}}}").get(b"plan:0"), "a plan")
        self.assertFalse(self.slot(0))
        env.wait_for(lambda: self.slot(0).get(b"offset"), "then it counts")
        self.assertGreaterEqual(self.now() - json.loads(written)["ms"], 3000)
        self.assertEqual(process.stop(), 0)
        process = self.run_(self.driftd("again"))
        env.wait_for(lambda: "partition_acquired" in process.text(), "at once the next time")
        self.assertNotIn("settles in", instance.get(instance.listen, "/status")[1])
        self.assertEqual(process.stop(), 0)

    def test_silent_partition_lets_windows_close(self):
        self.silent("0s")

    def test_silent_partition_settles_first(self):
        self.silent("2s")

    def rubbish(self, make):
        """A partition that gets refused records only, without a pause, holds no window."""
        self.prepare(2)
        process = self.run_(self.driftd("only"))
        now = self.now() // setting.WINDOW * setting.WINDOW - 40_000
        times = [now + 100 * i for i in range(100)]
        self.produce(times, 1)
        end, sent = time.monotonic() + 40 * env.SLOW, 0
        while time.monotonic() < end and self.judged() != setting.by_window(times):
            sent += self.brokers.produce(self.topic, [(None, make(self.now()), 1)] * 20)
        self.assertEqual(self.judged(), setting.by_window(times))
        env.wait_for(lambda: self.store.offset(self.group, self.topic, 1) == sent, "all are counted as refused")
        self.assertEqual(self.totals("other:", 2), sent)
        # one that would have counted comes too late now, and it is said after what
        self.brokers.produce(self.topic, [(None, setting.record(now + 50), 1)])
        env.wait_for(lambda: self.slot(1).get(b"other:m:i:late_after_idle") == b"1", "late after idle")
        self.assertEqual(process.stop(), 0)

    def test_only_malformed_records(self):
        self.rubbish(lambda now: b"{")

    @env.long
    def test_only_records_of_the_future(self):
        self.rubbish(lambda now: setting.record(now + 3_600_000))

    @env.long
    def test_baseline_put_back(self):
        """A baseline that was missing in Redis and is put back is used without a restart."""
        self.prepare(1, state={"plan_ttl": "1s", "idle_after": "10m"})
        times = [setting.START + 10 * i for i in range(9000)]  # nine windows
        self.produce(times[:3500], 1)
        only = self.driftd("only")
        only.command("baseline", "build", "-c", only.path, "--model", setting.MODEL, "--id", "one", "--promote")
        only.until_end()
        key = f"driftd:{{b/{setting.MODEL}}}:one"
        bytes_ = self.store.command("GET", key)
        self.store.command("DEL", key)
        process = self.run_(only)
        env.wait_for(lambda: "event=model_unmonitored" in process.text(), "it says that the baseline is gone")
        self.produce(times[4000:6000], 1)
        env.wait_for(lambda: self.offsets(1) == 5500, "counted without")
        env.wait_for(lambda: sum(self.judged().values()) == 4500, "a window is judged without")
        self.store.command("SET", key, bytes_)
        env.wait_for(lambda: "event=baseline_back" in process.text(), "it finds the baseline again")
        self.produce(times[6000:], 1)
        env.wait_for(lambda: self.offsets(1) == 8500, "counted with it")
        self.assertLessEqual(process.text().count("event=model_unmonitored"), 2)  # ingest and judge, once each
        self.assertEqual(process.stop(), 0)
        only.until_end()
        # what was counted without its cells cannot be added to theirs: excluded, and said so in the verdict's header
        parts = [p for h in self.store.hash(f"driftd:{{m/{self.group}/{setting.MODEL}}}:w").values() for p in json.loads(h)["parts"].values()]
        self.assertEqual([sum(p[i] for p in parts) for i in (0, 1)], [7500, 1000])
        self.assertEqual(self.totals("late:", 1), 0)
        kinds = [v["kind"] for _, v in sorted(self.store.verdicts(self.group, setting.MODEL).items())]
        self.assertEqual(kinds[-2:], ["ok"] * 2)

    def test_until_end_of_nothing(self):
        """Empty topics, empty partitions, a log that is judged already: done in seconds, the same verdicts."""
        self.prepare(4)
        self.driftd("empty").until_end(20)
        self.assertEqual(self.judged(), {})
        times = [setting.START + 7 * i for i in range(3000)]
        self.produce(times, 2)  # two partitions stay empty
        self.driftd("some").until_end(30)
        self.assertEqual(self.judged(), setting.by_window(times))
        before = self.store.hash(f"driftd:{{m/{self.group}/{setting.MODEL}}}:v")
        self.driftd("again").until_end(20)
        self.assertEqual(self.store.hash(f"driftd:{{m/{self.group}/{setting.MODEL}}}:v"), before)

    @env.long
    def test_windows_go_after_retain(self):
        """Thousands of small windows: blobs and headers disappear, memory stays, nothing is reconciled."""
        self.prepare(2, state={"retain": "1s", "idle_after": "1s", "flush_interval": "100ms", "plan_ttl": "1s", "keep_verdicts": 20})
        self.config["models"][setting.MODEL]["window"] = {"size": "1s", "lateness": "100ms"}
        process = self.run_(self.driftd("only"))
        resident = []
        for part in range(4):
            self.produce([setting.START + 500 * i for i in range(2500 * part, 2500 * (part + 1))], 2)
            env.wait_for(lambda n=2500 * (part + 1): self.offsets(2) == n, "counted", 60)
            with open(f"/proc/{process.child.pid}/status") as f:
                resident.append(int(next(line for line in f if line.startswith("VmRSS")).split()[1]))
        # idle partitions close the last window; each is judged, then dropped
        env.wait_for(lambda: not any(k.startswith(b"b:") for p in range(2) for k in self.slot(p)), "all blobs are dropped", 90)
        self.assertEqual([self.totals(t, 2) for t in ("late:", "other:", "reconciled:")], [0, 0, 0])
        gone = {int(self.slot(p)[b"gone:m:i"]) for p in range(2)}
        self.assertEqual(gone, {setting.START + 5_000_000})
        self.produce([setting.START + 100], 1)
        env.wait_for(lambda: self.totals("late:", 2) + self.totals("other:", 2) == 1, "a straggler for a window that is gone is late")
        self.assertLess(resident[-1] - resident[0], 12_000, f"kB resident: {resident}")
        self.assertEqual(process.stop(), 0)

    def test_changed_configuration_holds_from_later_on(self):
        self.prepare(2)
        times = [setting.START + 7 * i for i in range(3000)]
        self.produce(times, 2)
        self.driftd("old").until_end()
        changed = json.loads(json.dumps(self.config["models"]))
        changed[setting.MODEL]["window"] = {"size": "15s", "lateness": "1s"}
        more = [setting.START + 100_000 + 7 * i for i in range(3000)]
        self.produce(more, 2)
        process = self.driftd("new", models=changed)
        log = process.until_end().text()
        self.assertIn("plan_extended", log)
        self.assertEqual(self.judged(), setting.by_window(times + more))  # old events: the old rules
        entries = [json.loads(v) for k, v in self.store.hash(f"driftd:{{m/{self.group}/{setting.MODEL}}}").items() if k.startswith(b"plan:")]
        self.assertEqual(len(entries), 2)
        late = max(e["from"] or 0 for e in entries)
        self.assertEqual(late % 30_000, 0)
        self.assertGreater(late, self.now())

    def test_two_configurations_do_not_fight(self):
        """While instances are replaced one by one, the plan is extended once, not for ever."""
        self.prepare(2, state={"plan_ttl": "1s", "idle_after": "10m"})
        old = self.run_(self.driftd("old"))
        env.wait_for(lambda: "partition_acquired" in old.text(), "the old one reads")
        changed = json.loads(json.dumps(self.config["models"]))
        changed[setting.MODEL]["window"]["min_events"] = 7
        new = self.run_(self.driftd("new", models=changed))
        env.wait_for(lambda: "plan_extended" in new.text(), "the new one extends the plan", 60)
        env.wait_for(lambda: "other_configuration" in old.text(), "the old one says that it is outdated")
        plan = f"driftd:{{m/{self.group}/{setting.MODEL}}}"
        self.assertEqual(sum(k.startswith(b"plan:") for k in self.store.hash(plan)), 2)
        self.assertEqual((old.stop(), new.stop()), (0, 0))
        self.assertEqual(sum(k.startswith(b"plan:") for k in self.store.hash(plan)), 2)
        self.assertEqual(old.text().count("other_configuration"), 1)


class Broker(setting.Case):
    @env.long
    def test_silent_broker_is_no_silent_topic(self):
        """A broker that hangs does not make partitions idle; SIGTERM ends all the same."""
        if env.os.environ.get("DRIFTD_TEST_BROKERS"):
            self.skipTest("stops a broker; DRIFTD_TEST_BROKERS is somebody else's")
        kafka = env.Kafka(self.dir)
        self.addCleanup(kafka.kill)
        self.prepare(2, brokers=env.Brokers(kafka.brokers, kafka), state={"idle_after": "1s"})
        self.config["models"][setting.MODEL]["window"] = {"size": "1s", "lateness": "100ms"}
        process = self.run_(self.driftd("only"))
        self.produce([self.now()], 1)
        env.wait_for(lambda: self.offsets(2) == 1, "it counts")
        with open(f"{kafka.folder}/broker.pid") as f:
            pid = int(f.read())
        env.os.kill(pid, signal.SIGSTOP)
        try:
            end = time.monotonic() + 3
            env.wait_for(lambda: time.monotonic() > end, "idle_after passes")
            before = [self.slot(p).get(b"wm") for p in range(2)]
            end = time.monotonic() + 5
            env.wait_for(lambda: time.monotonic() > end, "and passes again")
            self.assertEqual([self.slot(p).get(b"wm") for p in range(2)], before)
            spent = self.cpu_seconds(process)
            self.assertLess(spent, 4)
            process.signal(signal.SIGTERM)
            self.assertEqual(process.child.wait(5.5 * env.SLOW), 0, process.text()[-2000:])
        finally:
            env.os.kill(pid, signal.SIGCONT)


if __name__ == "__main__":
    unittest.main()
