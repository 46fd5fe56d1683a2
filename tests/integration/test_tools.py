"""tests/integration/test_tools.py    The simulator and the demo broker."""
import gzip
import json
import os
import subprocess

import env

SCENARIO = os.path.join(env.ROOT, "config", "scenarios", "phishing.json")
START = "2026-01-05T14:00:00Z"


def sim(*args, check=True, **more):
    done = subprocess.run([env.tool("drift-sim"), *args], capture_output=True, text=True, timeout=60 * env.SLOW, **more)
    if check and done.returncode:
        raise AssertionError(done.stderr)
    return done


class Simulator(env.Case):
    def play(self, name, *args):
        path = os.path.join(self.dir, name)
        sim("--scenario", SCENARIO, "--start", START, "--output", path, *args)
        with open(path, "rb") as f:
            return f.read()

    def test_same_seed_same_bytes_at_any_speed(self):
        slow = self.play("slow", "--speed", "200")
        self.assertGreater(len(slow), 1_000_000)
        self.assertEqual(slow, self.play("fast"))
        self.assertNotEqual(slow, self.play("other", "--seed", "2"))

    def test_phases_move_what_they_say(self):
        rows = [json.loads(line) for line in self.play("all").splitlines()]
        start = min(r["ts"] for r in rows) // 60000 * 60000
        events = [r for r in rows if "features" in r]
        labels = [r for r in rows if "label" in r]

        def share(rows, begin, end, true):
            part = [r for r in rows if begin <= (r["ts"] - start) / 1000 < end]
            self.assertGreater(len(part), 500)
            return sum(map(true, part)) / len(part)
        blocked = [share(events, a, b, lambda r: r["decision"] == "block") for a, b in ((0, 90), (90, 150), (150, 210))]
        self.assertLess(max(blocked[0], blocked[2]), 0.2)
        self.assertGreater(blocked[1], 0.3)
        phish = [share(labels, a, b, lambda r: r["label"] == "phish") for a, b in ((0, 90), (100, 150))]
        self.assertLess(phish[0], 0.2)
        self.assertGreater(phish[1], 0.4)
        null = [share(events, a, b, lambda r: r["features"]["domain_age_days"] is None) for a, b in ((150, 210), (210, 270), (270, 360))]
        self.assertEqual(null, [0, 1, 0])
        self.assertEqual(len({r["event_id"] for r in events}), len(events))
        self.assertLess(len({r["event_id"] for r in labels} - {r["event_id"] for r in events}), 1)

    def test_bad_scenarios_are_refused(self):
        with open(SCENARIO) as f:
            good = json.load(f)
        cases = [("rat", lambda m: m.update(rat=1)), ("features.url_length", lambda m: m["features"]["url_length"].pop("mu")),
                 ("base_rate", lambda m: m.update(base_rate=2)), ("score", lambda m: m["score"]["weights"].update(nothing=1)),
                 ("is must name", lambda m: m["features"].update(x={"is": "zipf"})), ("topics", lambda m: m.update(topics={}))]
        for wanted, spoil in cases:
            bad = json.loads(json.dumps(good))
            spoil(bad["models"][0])
            path = os.path.join(self.dir, "bad.json")
            with open(path, "w") as f:
                json.dump(bad, f)
            done = sim("--scenario", path, "--output", os.path.join(self.dir, "x"), check=False)
            self.assertEqual(done.returncode, 1, wanted)
            self.assertIn(wanted, done.stderr)

    def test_back_pressure_on_the_demo_broker(self):
        port_file = os.path.join(self.dir, "broker")
        broker = env.Process([env.tool("drift-broker"), "--port-file", port_file, "--topic", "t:2"], os.path.join(self.dir, "broker.log"))
        self.addCleanup(broker.kill)
        env.wait_for(lambda: os.path.exists(port_file), "drift-broker")
        with open(port_file) as f:
            address = f.read().strip()
        events = os.path.join(self.dir, "events.ndjson.gz")
        with gzip.open(events, "wt") as f:
            f.writelines(json.dumps({"event_id": f"e{i}", "text": "x" * 500}) + "\n" for i in range(10000))
        # nobody commits: the producer must stop at 2 MB and say so
        done = sim("--events", events, "--topic", "t", "--brokers", address, "--follow-group", "g", "--patience", "1s", check=False)
        self.assertEqual(done.returncode, 69)
        self.assertIn("no progress", done.stderr)
        held = env.Brokers(address).consume("t")
        self.assertLess(sum(len(r["value"]) for r in held), 2_000_000)
        self.assertGreater(sum(len(r["value"]) for r in held), 1_900_000)
        self.assertEqual(held[0]["key"], json.loads(held[0]["value"])["event_id"].encode())
        self.assertEqual(broker.stop(), 0)
