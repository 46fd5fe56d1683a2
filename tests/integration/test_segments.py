"""tests/integration/test_segments.py    Counts per value of a key through crashes and hostile values, and which value explains a change."""
import bisect
import collections
import json
import math
import os
import random
import subprocess

import env
import ingest_setting as setting

EVENTS, WINDOW, START, VALUES = 900, 10_000, setting.START, 3
SHARES = {"crm": .45, "web": .3, "app": .2}
ODD = [None, "", "x" * 3000, "nul\x00byte", {"a": 1}, ["crm"], 7, "crm ", "CRM", "\ud83d\ude00"]


def row(rng, t, shift=None, shares=SHARES, odd=ODD, nulls=None):
    """Web's values are other ones than the rest's; `shift` moves some sources, `nulls` takes a share of b's values from some."""
    x, source = rng.random(), None
    for name, share in shares.items():
        x -= share
        if x < 0:
            source = name
            break
    event = {"ts": t, "model": setting.MODEL, "src": source if source else rng.choice(odd),
             "f": {"a": round(rng.gauss(2 if source == "web" else 0, 1) + (shift or {}).get(source, 0), 6),
                   "b": round(rng.gauss(0, 1), 6), "region": rng.choice(["eu", "us"])}}
    if not source and rng.random() < .2:
        del event["src"]
    if nulls and rng.random() < nulls.get(source, 0):
        event["f"]["b"] = None
    return event


def window(rng, w, **how):
    return [row(rng, START + w * WINDOW + i * WINDOW // EVENTS, **how) for i in range(EVENTS)]


class Source:
    """What the daemon should know of a baseline and of windows: counts in plain Python."""

    def __init__(self, rows):
        known = collections.Counter(str(r["src"]) for r in rows if isinstance(r.get("src"), (str, int)) and "\0" not in str(r["src"]))
        self.values = [v for v, _ in sorted(known.items(), key=lambda kv: (-kv[1], kv[0]))[:VALUES]]
        a = sorted(r["f"]["a"] for r in rows)
        ends = [a[(len(a) * k + 99) // 100 - 1] for k in range(10, 100, 10)]
        self.ends = sorted({e for e in ends if e < a[-1]})
        self.base = self.count(rows)

    def count(self, rows):
        n, bins = collections.Counter(), collections.defaultdict(lambda: [0] * (len(self.ends) + 1))
        for r in rows:
            v = r.get("src") if r.get("src") in self.values else "other"
            n[v] += 1
            bins[v][bisect.bisect_left(self.ends, r["f"]["a"])] += 1
        return n, bins

    def psi(self, value, bins):
        p, q = self.base[1][value], bins[value]
        m, n, cells = sum(p), sum(q), [i for i in range(len(p)) if p[i] or q[i]]
        m2, n2 = m + len(cells) / 2, n + len(cells) / 2
        raw = sum(((q[i] + .5) / n2 - (p[i] + .5) / m2) * math.log(((q[i] + .5) / n2) / ((p[i] + .5) / m2)) for i in cells)
        return raw - (len(cells) - 1) * (1 / n + 1 / m)


class Segments(setting.Case):
    def prepare(self, keys=("source", "region")):
        super().prepare(2, state={"idle_after": "10m", "keep_verdicts": 1000, "flush_interval": "50ms"})
        self.config["streams"]["events"] = {"topic": self.topic, "format": "json", "time": "ts", "model": "model", "features": "f",
                                            "source": "src"}
        model = self.config["models"][setting.MODEL]
        model["window"]["lateness"] = "0s"
        model["features"] = {"exclude": ["region"]}
        model["segments"] = {"keys": list(keys), "max_values": VALUES, "min_events": 50}

    def baseline(self, **changes):
        rng, path = random.Random(3), os.path.join(self.dir, "calm.ndjson")
        rows = [r for w in range(-1020, -1000) for r in window(rng, w)]
        with open(path, "w") as f:
            f.writelines(json.dumps(r) + "\n" for r in rows)
        builder = self.driftd("builder", **changes)
        builder.command("baseline", "build", "-c", builder.path, "--model", setting.MODEL, "--file", path, "--promote")
        return Source(rows)

    def feed(self, windows):
        rows = [r for w in windows for r in w]
        self.brokers.produce(self.topic, [(None, json.dumps(r).encode(), i % 2) for i, r in enumerate(rows)])
        return len(rows)

    def verdicts(self):
        return [v for _, v in sorted(self.store.verdicts(self.group, setting.MODEL).items())]

    def test_counts_and_what_explains_a_change(self):
        self.prepare()
        self.config["kafka"]["options"] = {"group.instance.id": "segments-test"}
        oracle, rng = self.baseline(), random.Random(5)
        other_mix = {"crm": .15, "web": .7, "app": .1}
        made = ([window(rng, w) for w in range(3)] + [window(rng, 3, shift={"crm": 1.5})] + [window(rng, 4, shares=other_mix)] +
                [window(rng, 5, shift={name: 1.5 for name in (*SHARES, None)})] + [window(rng, w) for w in (6, 7)])
        daemon, produced = self.driftd("whole"), 0
        for part in range(0, 8, 4):
            process = self.run_(daemon)
            produced += self.feed(made[part:part + 4])
            env.wait_for(lambda n=produced: self.offsets(2) == n, "counted")
            process.kill()
        daemon.until_end()
        verdicts = self.verdicts()
        self.assertEqual(len(verdicts), 8)
        for rows, verdict in zip(made, verdicts):
            self.same_counts(oracle, rows, verdict)
        change = [{c["column"]: c for c in v["segments"]["source"]["changes"]} for v in verdicts]
        self.assertEqual(change[3]["a"]["explained_by"], "values")
        self.assertEqual(change[3]["a"]["without"], [{"value": "crm"}])
        self.assertRegex(change[3]["a"]["text"], r"^\d+ % of the change of a \(psi\) comes from source=crm$")
        self.assertEqual(change[4]["a"]["explained_by"], "mix")
        self.assertRegex(change[4]["a"]["text"], r"^\d+ % of the change of a \(psi\) comes from another mix of source \(\w+: [\d.]+ % to [\d.]+ % of events\)$")
        self.assertEqual(change[5]["a"]["explained_by"], "alike")
        self.assertEqual([{c["column"]: c for c in v["segments"]["region"]["changes"]}.get("a", {}).get("explained_by") for v in verdicts][3:6],
                         ["alike"] * 3)
        self.assertIn(change[3]["a"]["text"], json.dumps([json.loads(d["body"])["data"].get("explanation") for d in self.hook.deliveries]))
        shown = subprocess.run([env.tool("driftd"), "explain", "-c", daemon.path, "--model", setting.MODEL, "--window",
                                verdicts[3]["window"]["start"]], stdout=subprocess.PIPE, text=True)
        self.assertIn(f"  {change[3]['a']['text']}\n", shown.stdout)

    def test_rules_that_look_into_each_value(self):
        self.prepare()
        self.config["models"][setting.MODEL]["rules"] = [
            {"name": "whole", "measure": "psi", "scope": {"feature": "*"}, "warning": .1},
            {"name": "whole-nulls", "measure": "null_rate", "scope": {"feature": "*"}, "warning": .05},
            {"name": "one-source", "measure": "segment_psi", "warning": .3},
            {"name": "one-source-nulls", "measure": "segment_rate", "warning": .1}]
        oracle, rng = self.baseline(), random.Random(9)
        made = [window(rng, 0), window(rng, 1, shift={"app": 1}), window(rng, 2, nulls={"app": .2}), window(rng, 3)]
        self.feed(made)
        self.close()
        verdicts = self.verdicts()
        self.assertEqual(len(verdicts), 4)
        bodies = [json.loads(d["body"])["data"] for d in self.hook.deliveries]
        fired = {(b["rule"]["name"], b["window"]["start"]): b for b in bodies if b.get("transition") == "firing"}
        start = [v["window"]["start"] for v in verdicts]
        self.assertEqual(set(fired), {("one-source", start[1]), ("one-source-nulls", start[2])})
        psi, nulls = fired["one-source", start[1]], fired["one-source-nulls", start[2]]
        found = psi["measures"][0]
        self.assertEqual({k: found["detail"][k] for k in ("key", "value", "column", "measure")},
                         {"key": "source", "value": "app", "column": "a", "measure": "psi"})
        n, bins = oracle.count(made[1])
        self.assertAlmostEqual(found["effect"], oracle.psi("app", bins), delta=1e-5)  # six digits in a webhook
        # crm, web, app and perhaps what is left, eu and us; of each the columns a, b and source
        big = sum(n[v] >= 50 and oracle.base[0][v] >= 50 for v in (*oracle.values, "other")) + 2
        self.assertEqual(found["detail"]["tests"], big * 3)
        self.assertAlmostEqual(math.log(found["p"]), math.log(found["detail"]["p"] * found["detail"]["tests"]), delta=1e-4)
        self.assertIn("a of source=app", psi["summary"])
        self.assertEqual(psi["explanation"][0]["column"], "a")
        daemon = self.driftd("asks")
        shown = subprocess.run([env.tool("driftd"), "explain", "-c", daemon.path, "--model", setting.MODEL, "--window", start[1]],
                               stdout=subprocess.PIPE, text=True)
        self.assertRegex(shown.stdout, r"\na of source=app psi \d")
        found = nulls["measures"][0]
        of_app = [r for r in made[2] if r.get("src") == "app"]
        self.assertAlmostEqual(found["value"], sum(r["f"]["b"] is None for r in of_app) / len(of_app), delta=1e-6)
        self.assertIn("b of source=app", nulls["summary"])

    def same_counts(self, oracle, rows, verdict):
        n, bins = oracle.count(rows)
        values = verdict["segments"]["source"]["values"]
        self.assertEqual([v.get("value") for v in values], oracle.values + [None])
        self.assertEqual({v.get("value", "other"): v["n"] for v in values}, {v: n[v] for v in (*oracle.values, "other")})
        self.assertEqual(sum(v["n"] for v in values), verdict["n"])
        self.assertEqual(sum(v["n"] for v in verdict["segments"]["region"]["values"]), verdict["n"])
        for v in values:
            for c in v.get("columns", []):
                if c["column"] == "a" and c["measure"] == "psi":
                    self.assertAlmostEqual(c["effect"], oracle.psi(v.get("value", "other"), bins), delta=1e-9)
            self.assertAlmostEqual(v["baseline_share"], oracle.base[0][v.get("value", "other")] / sum(oracle.base[0].values()), delta=1e-12)

    def test_a_baseline_without_them_says_so(self):
        self.prepare()
        models = json.loads(json.dumps(self.config["models"]))
        del models[setting.MODEL]["segments"]
        self.baseline(models=models)
        self.feed([window(random.Random(1), w) for w in range(2)])
        self.close()
        for verdict in self.verdicts():
            self.assertEqual(verdict["kind"], "ok")
            self.assertEqual({k: s["why"] for k, s in verdict["segments"].items()},
                             {k: "the baseline has no values of this key: build and promote a new one" for k in ("source", "region")})
