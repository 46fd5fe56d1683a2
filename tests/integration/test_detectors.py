"""tests/integration/test_detectors.py    Detectors by name over figures of windows: what they are given, what they say, moved once."""
import csv
import json
import os
import random
import subprocess

import env
import ingest_setting as setting

EVENTS, WINDOW, START = 300, 10_000, setting.START
DETECTORS = {
    "score-mean": {"detector": "page_hinkley", "scope": "score", "parameters": {"threshold": 1.5, "min_instances": 5}},
    "blocked": {"detector": "hddm_a", "scope": "decision", "value": "block"},
    "errors": {"detector": "ddm", "scope": {"feature": "error"}, "value": "yes"},
    "kinds": {"detector": "adwin", "scope": {"feature": "gone"}, "value": "x"},
}


def rows(windows, rng):
    for w, changed in windows:
        for i in range(EVENTS):
            score = min(max(rng.gauss(.7 if changed else .3, .1), 0), 1)
            yield {"ts": START + w * WINDOW + i * WINDOW // EVENTS, "model": setting.MODEL, "s": round(score, 6),
                   "d": "block" if score > .6 else "pass", "f": {"error": "yes" if rng.random() < (.25 if changed else .05) else "no"}}


class Detectors(setting.Case):
    def prepare(self, **more):
        super().prepare(2, state={"idle_after": "10m", "keep_verdicts": 1000, "flush_interval": "50ms"})
        self.config["streams"]["events"] = {"topic": self.topic, "format": "json", "time": "ts", "model": "model", "features": "f",
                                            "score": "s", "decision": "d"}
        model = self.config["models"][setting.MODEL]
        model["window"]["lateness"] = "0s"
        model["detectors"] = DETECTORS
        model["rules"] = [{"name": "by-name", "measure": "detector", "warning": .5, "critical": 1}]
        model.update(more)
        path, builder = os.path.join(self.dir, "calm.ndjson"), self.driftd("builder")
        with open(path, "w") as f:
            for row in rows([(w - 1000, False) for w in range(40)], random.Random(7)):
                f.write(json.dumps(row) + "\n")
        builder.command("baseline", "build", "-c", builder.path, "--model", setting.MODEL, "--file", path, "--promote")

    def feed(self, windows, seed):
        made = list(rows(windows, random.Random(seed)))
        self.brokers.produce(self.topic, [(None, json.dumps(r).encode(), i % 2) for i, r in enumerate(made)])
        return made

    def verdicts(self):
        return [v for _, v in sorted(self.store.verdicts(self.group, setting.MODEL).items())]

    def state(self):
        return self.store.hash(f"driftd:{{m/{self.group}/{setting.MODEL}}}")[b"detectors"]

    def replayed(self, values, name):
        """`driftd detect` over the same values: the positions of drifts."""
        path = os.path.join(self.dir, "figures.csv")
        with open(path, "w", newline="") as f:
            out = csv.writer(f)
            out.writerow(["x"])
            out.writerows([repr(v)] for v in values)
        d = DETECTORS[name]
        params = [a for k, v in d.get("parameters", {}).items() for a in ("--param", f"{k}={v}")]
        out = subprocess.run([env.tool("driftd"), "detect", "-d", d["detector"], *params, "-c", "x", "--format", "json", path],
                             stdout=subprocess.PIPE, check=True)
        return [d["at"] for d in json.loads(out.stdout)["drifts"]]

    def test_figures_and_calls(self):
        self.prepare()
        made = self.feed([(w, w >= 25) for w in range(50)], 11)
        self.close()
        verdicts = self.verdicts()
        self.assertEqual(len(verdicts), 50)
        by_name = {name: [next(d for d in v["detectors"] if d["name"] == name) for v in verdicts] for name in DETECTORS}
        for w in range(50):
            events = made[w * EVENTS:(w + 1) * EVENTS]
            self.assertEqual(by_name["blocked"][w]["figure"], sum(e["d"] == "block" for e in events) / EVENTS)
            self.assertEqual(by_name["errors"][w]["figure"], sum(e["f"]["error"] == "yes" for e in events) / EVENTS)
            self.assertEqual(by_name["errors"][w]["fed"], EVENTS)
            self.assertLess(abs(by_name["score-mean"][w]["figure"] - sum(e["s"] for e in events) / EVENTS), .02 if w < 25 else .2)
        for name in ("score-mean", "blocked"):
            calls = [i for i, d in enumerate(by_name[name]) if d["level"] == "drift"]
            self.assertEqual(calls, self.replayed([d["figure"] for d in by_name[name]], name), name)
            self.assertTrue(calls and calls[0] >= 25, (name, calls))
        errors = [i for i, d in enumerate(by_name["errors"]) if d["level"] == "drift"]
        self.assertTrue(errors and 25 <= errors[0] <= 27, errors)
        self.assertEqual({d["why"] for d in by_name["kinds"]}, {"the baseline has no such column"})
        self.assertEqual([bool(d.get("restarted")) for d in by_name["blocked"]], [True] + [False] * 49)
        bodies = [json.loads(d["body"]) for d in self.hook.deliveries]
        fired = [b for b in bodies if b["data"]["rule"]["name"] == "by-name" and b["data"]["severity"] == "critical"]
        self.assertRegex(json.dumps(fired[0]), r"a change detector is (now )?critical.*\((ddm|hddm_a|page_hinkley)\) calls drift at ")

    def test_a_window_moves_them_once(self):
        self.prepare()
        self.config["kafka"]["options"] = {"group.instance.id": "detectors-test"}
        whole, produced = self.driftd("whole"), 0
        for part in range(3):
            process = self.run_(whole)
            produced += len(self.feed([(w, w >= 15) for w in range(10 * part, 10 * part + 10)], part))
            env.wait_for(lambda n=produced: self.offsets(2) == n, "counted")
            env.wait_for(lambda p=part: len(self.verdicts()) >= 10 * p + 5, "some are judged")
            process.kill()
        whole.until_end()
        first, state = self.verdicts(), self.state()
        self.group = f"g-{env.secrets.token_hex(4)}"
        self.config["kafka"]["group"] = self.group
        self.driftd("again").until_end()
        self.assertEqual([v["detectors"] for v in first], [v["detectors"] for v in self.verdicts()])
        self.assertEqual(self.state(), state)
        self.assertIn("drift", {d["level"] for v in first for d in v["detectors"]})
