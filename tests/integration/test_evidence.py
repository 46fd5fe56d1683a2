"""tests/integration/test_evidence.py    Sequential evidence: small drift that no window shows alone, named, and moved once a window."""
import json
import math
import os
import random

import env
import ingest_setting as setting

EVENTS, WINDOW = 400, 10_000
FEATURES = ("a", "b", "c", "d")
START = setting.START


def events(rng, window, shift=0.0):
    """One window of four features; the second moves by `shift` standard deviations."""
    for i in range(EVENTS):
        f = {name: round(rng.gauss(shift if name == "b" else 0, 1), 6) for name in FEATURES}
        yield START + window * WINDOW + i * WINDOW // EVENTS, f


class Evidence(setting.Case):
    def prepare(self, **evidence):
        super().prepare(2, state={"idle_after": "10m", "keep_verdicts": 1000, "flush_interval": "50ms"})
        self.config["streams"]["events"] = {"topic": self.topic, "format": "json", "time": "ts", "model": "model", "features": "f"}
        model = self.config["models"][setting.MODEL]
        model["window"]["lateness"] = "0s"
        model["evidence"] = {"false_alarms": "1 per 2160 windows", **evidence}

    def baseline(self, windows=96):
        rng, path = random.Random(7), os.path.join(self.dir, "calm.ndjson")
        with open(path, "w") as f:
            for w in range(windows):
                for t, features in events(rng, w - 10_000):
                    f.write(json.dumps({"ts": t, "model": setting.MODEL, "f": features}) + "\n")
        self.driftd("builder").command("baseline", "build", "-c", self.driftd("builder").path, "--model", setting.MODEL, "--file", path, "--promote")

    def feed(self, first, n, shift, seed):
        rng = random.Random(seed)
        rows = [(None, json.dumps({"ts": t, "model": setting.MODEL, "f": f}).encode(), i % 2)
                for w in range(first, first + n) for i, (t, f) in enumerate(events(rng, w, shift))]
        return self.brokers.produce(self.topic, rows)

    def verdicts(self):
        return dict(sorted(self.store.verdicts(self.group, setting.MODEL).items()))

    def bodies(self):
        return self.store.hash(f"driftd:{{m/{self.group}/{setting.MODEL}}}:v")

    def test_small_drift_is_found_and_named(self):
        self.prepare()
        self.baseline()
        self.feed(0, 30, 0, 11)
        self.feed(30, 40, .15, 12)
        self.close()
        verdicts = list(self.verdicts().values())
        self.assertEqual(len(verdicts), 70)
        self.assertTrue(verdicts[0]["evidence"]["restarted"])
        self.assertTrue(all(v["evidence"]["promised"] for v in verdicts))
        self.assertFalse(any(v["evidence"].get("restarted") for v in verdicts[1:]))
        levels = [v["evidence"]["level"] for v in verdicts]
        self.assertNotIn("alarm", levels[:30])
        self.assertIn("alarm", levels[30:])
        alarm = levels.index("alarm")
        self.assertLess(alarm, 60, [round(v["evidence"]["evidence"], 2) for v in verdicts])
        worst = verdicts[alarm]["evidence"]["columns"][0]
        self.assertEqual((worst["column"], worst["what"], worst["alarmed"]), ("b", "location_up", True))
        self.assertGreater(worst["share"], .5)
        self.assertEqual(levels[alarm:], ["alarm"] * (70 - alarm), "latched as long as it drifts")
        self.assertTrue(all(v["columns"]["b"]["measures"]["psi"]["effect"] < .1 for v in verdicts), "no window shows it alone")
        fired = [json.loads(d["body"]) for d in self.hook.deliveries]
        fired = [b for b in fired if b["data"]["rule"]["name"] == "drift-evidence" and b["data"]["severity"] == "critical"]
        self.assertTrue(fired)
        told = fired[0]["data"]
        self.assertEqual((told["explanation"][0]["column"], told["explanation"][0]["direction"]), ("b", "up"))
        self.assertRegex(told["explanation"][0]["text"], r"^moved up by 0\.\d+ sd \(median -?[\d.]+ to [\d.]+\)")
        self.assertAlmostEqual(told["explanation"][0]["shift_sd"], .15, delta=.12)
        self.assertEqual(told["histogram"]["column"], "b")
        self.assertGreaterEqual(told["histogram"]["text"].count("#"), 40)
        self.explained(START + alarm * WINDOW)
        self.assertRegex(json.dumps(fired[0]), r"evidence of drift is now critical.*b: values moved up \(\d+ % of the evidence\)")

    def explained(self, at):
        """The same by `driftd explain`; and of a window where nothing is wrong."""
        d = self.driftd("explain")
        ask = ["explain", "-c", d.path, "--model", setting.MODEL]
        done = d.command(*ask, "--window", env.rfc3339(at), check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"rule drift-evidence: critical\nevidence [\d.]+, alarm at 7\.68 \(alarm\)\nlast \d+ windows \[[_.:=+*#-]+!\]\n")
        self.assertRegex(done.stdout, r"\nb, \d+ % of the evidence: moved up by 0\.\d+ sd")
        calm = d.command(*ask, "--window", env.rfc3339(START + 5 * WINDOW + 1), "--top", "2", "--column", "c", "--column", "x").stdout
        self.assertRegex(calm, r"\nc: [^\n]+\n +base +now \n<= ")
        self.assertIn("x: the baseline has no such column", calm)
        self.assertIn("no rule found anything", d.command(*ask, "--window", env.rfc3339(START + WINDOW)).stdout)
        self.assertIn("there is no verdict of that window", d.command(*ask, "--window", "2001-01-01T00:00:00Z", check=False).stdout)

    def test_who_writes_to_redis_does_not_write_to_the_terminal(self):
        self.prepare()
        self.baseline(24)
        self.feed(0, 2, 0, 31)
        self.close()
        d, key = self.driftd("explain"), f"driftd:{{m/{self.group}/{setting.MODEL}}}:v"
        ask = ["explain", "-c", d.path, "--model", setting.MODEL]
        self.assertNotIn("has no counts", d.command(*ask).stdout)
        at, verdict = max(self.verdicts().items())
        evil = "\x1b[2J\u009b\n"
        verdict["kind"] = verdict["window"]["start"] = verdict["window"]["end"] = verdict["evidence"]["level"] = evil
        verdict["rules"][evil] = {"breach": evil}
        verdict["columns"]["a"]["cells"][0] = -1
        verdict["columns"]["b"]["cells"][0] = verdict["columns"]["b"]["specials"]["null"] = 2**63 - 1
        verdict["explanation"] = [{"column": c, "share": .5, "unit": {"text": evil}, "segments": [evil]} for c in ("a", "b", "c", evil)]
        for why in ("", evil):
            self.store.command("HSET", key, at, json.dumps(verdict))
            out = d.command(*ask, "--top", "9", check=False).stdout
            self.assertIn("verdict ?[2J??", out)
            self.assertEqual([c for c in out if c != "\n" and not c.isprintable()], [])
            if not why:
                self.assertEqual(out.count("the verdict has no counts of it"), 2, out)
            verdict["baseline"] = {"id": "", "digest": ""}
            verdict["unmonitored_why"] = evil
        for body in (b"", b"[]", b"{}", b"{\"columns\": 3, \"explanation\": {}}", b"[" * 10_000):
            self.store.command("HSET", key, at, body)
            done = d.command(*ask, check=False)
            self.assertIn(done.returncode, (0, 1, 65, 69, 70), body[:30])
            self.assertNotIn("Sanitizer", done.stderr)

    def test_rearmed_columns_are_watched_at_once(self):
        self.prepare(clear_windows=1000)
        builder = self.driftd("rearm")
        self.assertIn("has no evidence yet", builder.command("rearm", "-c", builder.path, check=False).stdout)
        self.baseline()
        self.feed(0, 20, .6, 21)
        self.close()
        self.assertEqual(list(self.verdicts().values())[-1]["evidence"]["level"], "alarm")
        builder.command("rearm", "-c", builder.path, "--column", "b", "--column", "nobody")
        builder.command("rearm", "-c", builder.path, "--column", "b")
        self.feed(20, 2, 0, 22)
        self.close()
        evidence = [v["evidence"] for v in list(self.verdicts().values())[-2:]]
        self.assertEqual([e.get("rearmed") for e in evidence], [1, None])
        self.assertEqual([e["level"] for e in evidence], ["ok", "ok"], "mended and armed: nothing is latched")
        self.feed(22, 10, .6, 23)
        self.close()
        self.assertEqual(list(self.verdicts().values())[-1]["evidence"]["level"], "alarm")

    def test_what_is_tolerated_is_no_drift(self):
        """A shift that is allowed, and the same events where nothing is."""
        self.prepare(tolerance={"a": 0, "b": .06})
        self.baseline()
        self.feed(0, 40, .15, 12)
        levels = []
        for group in (self.group, f"g-{env.secrets.token_hex(4)}"):
            self.group = self.config["kafka"]["group"] = group
            self.driftd(f"as {len(levels)}").until_end()
            levels.append([v["evidence"]["level"] for v in self.verdicts().values()])
            self.config["models"][setting.MODEL]["evidence"]["tolerance"] = {"a": .06, "none": .06}
        self.assertEqual(levels[0], ["ok"] * 40)
        self.assertEqual((len(levels[1]), levels[1][-1]), (40, "alarm"))

    def test_a_window_moves_it_once(self):
        """Killed again and again, and judged in one go: the same bytes of every verdict and of the state."""
        self.prepare()
        # a static member is back at once; another one waits until the dead one's session is over
        self.config["kafka"]["options"] = {"group.instance.id": "evidence-test"}
        self.baseline()
        whole = self.driftd("whole")
        produced = 0
        for part in range(4):
            process = self.run_(whole)
            produced += self.feed(10 * part, 10, .1, part)
            env.wait_for(lambda n=produced: self.offsets(2) == n, "counted")
            env.wait_for(lambda p=part: len(self.verdicts()) >= 10 * p + 5, "some are judged")
            process.kill()
        whole.until_end()
        bodies, state = self.bodies(), self.store.hash(f"driftd:{{m/{self.group}/{setting.MODEL}}}")[b"evidence"]
        self.assertEqual(len(bodies), 40)
        # anew from the log, with another group's slots
        self.group = f"g-{env.secrets.token_hex(4)}"
        self.config["kafka"]["group"] = self.group
        self.driftd("again").until_end()
        first = {k: json.loads(v) for k, v in bodies.items()}
        second = {k: json.loads(v) for k, v in self.bodies().items()}
        self.assertEqual(sorted(first), sorted(second))
        for k in first:
            self.assertEqual(first[k]["evidence"], second[k]["evidence"], k)
        self.assertEqual(self.store.hash(f"driftd:{{m/{self.group}/{setting.MODEL}}}")[b"evidence"], state)

    def test_another_setting_begins_anew_and_a_broken_state_is_said(self):
        self.prepare()
        self.baseline()
        self.feed(0, 5, 0, 1)
        self.close()
        key = f"driftd:{{m/{self.group}/{setting.MODEL}}}"
        self.store.command("HSET", key, "evidence", b'{"v":1,"baseline":"' + b"0" * 64 + b'"}')
        self.feed(5, 5, 0, 2)
        self.close()
        verdicts = list(self.verdicts().values())
        self.assertEqual([bool(v["evidence"].get("restarted")) for v in verdicts], [True] + [False] * 4 + [True] + [False] * 4)
        self.assertTrue(all(math.isfinite(v["evidence"]["evidence"]) for v in verdicts))
