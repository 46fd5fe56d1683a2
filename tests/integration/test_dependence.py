"""tests/integration/test_dependence.py    Features that stop going together: named in the webhook, margins silent, exact after a kill."""
import json
import math
import os
import random

import env
import ingest_setting as setting

EVENTS, WINDOW, START = 500, 10_000, setting.START


def rows(windows, rng):
    """bytes and duration have the correlation r between normal scores, .7 or -.7; everything alone is as it was."""
    for w, changed in windows:
        for i in range(EVENTS):
            a, b, c = rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 1)
            r = -.7 if changed else .7
            yield {"ts": START + w * WINDOW + i * WINDOW // EVENTS, "model": setting.MODEL,
                   "f": {"bytes": round(math.exp(2 * a), 6), "duration": round(r * a + math.sqrt(1 - r * r) * b, 6), "other": round(c, 6),
                         "kind": "x" if rng.random() < .3 else "y"}}


class Dependence(setting.Case):
    def prepare(self, **more):
        super().prepare(2, state={"idle_after": "10m", "keep_verdicts": 1000, "flush_interval": "50ms"})
        self.config["streams"]["events"] = {"topic": self.topic, "format": "json", "time": "ts", "model": "model", "features": "f"}
        model = self.config["models"][setting.MODEL]
        model["window"]["lateness"] = "0s"
        model["dependence"] = {"budget_us": .2}  # so that some events are left out
        model["rules"] = [{"name": "together", "measure": "dependence", "warning": .2, "critical": .5},
                          {"name": "joint", "measure": "embedding", "warning": .05},
                          {"name": "alone", "measure": "psi", "scope": {"feature": "*"}, "warning": .1}]
        model.update(more)
        path, builder = os.path.join(self.dir, "calm.ndjson"), self.driftd("builder")
        with open(path, "w") as f:
            for row in rows([(w - 1000, False) for w in range(30)], random.Random(7)):
                f.write(json.dumps(row) + "\n")
        builder.command("baseline", "build", "-c", builder.path, "--model", setting.MODEL, "--file", path, "--promote")

    def feed(self, windows, seed):
        made = list(rows(windows, random.Random(seed)))
        self.brokers.produce(self.topic, [(None, json.dumps(r).encode(), i % 2) for i, r in enumerate(made)])

    def verdicts(self):
        return [v for _, v in sorted(self.store.verdicts(self.group, setting.MODEL).items())]

    def test_a_pair_that_turns_is_named_and_a_kill_changes_nothing(self):
        self.prepare()
        self.config["kafka"]["options"] = {"group.instance.id": "dependence-test"}
        whole = self.driftd("whole")
        process = self.run_(whole)
        self.feed([(w, False) for w in range(4)], 1)
        env.wait_for(lambda: self.offsets(2) >= 3 * EVENTS, "counted")
        process.kill()
        self.feed([(w, w >= 5) for w in range(4, 8)], 2)
        whole.until_end()
        first = self.verdicts()
        self.assertEqual(len(first), 8)
        said = [v["dependence"] for v in first]
        for w, d in enumerate(said):
            self.assertGreater(d["one_in"], 1)
            self.assertTrue(0 < d["n"] < EVENTS, d)
            pair = d["pairs"][0]
            if w >= 5:
                self.assertEqual((pair["a"], pair["b"], pair["changed"]), ("bytes", "duration", True))
                # normal correlation r: on the same side with probability 1/2 + asin(r) / pi
                self.assertLess(abs(pair["was"] - (.5 + math.asin(.7) / math.pi)), .03)
                self.assertLess(abs(pair["is"] - (.5 - math.asin(.7) / math.pi)), .15)
                self.assertLess(d["p"], 1e-6)
            else:
                self.assertGreater(d["p"], 1e-4)
        bodies = [json.loads(d["body"]) for d in self.hook.deliveries]
        fired = {b["data"]["rule"]["name"] for b in bodies if "rule" in b["data"]}
        self.assertIn("together", fired)
        self.assertNotIn("alone", fired)
        texts = json.dumps([b for b in bodies if b["data"].get("rule", {}).get("name") == "together"])
        self.assertRegex(texts, r"bytes and duration used to rise together \(.*\), now they move against each other \(.*each alone as before")
        self.group = f"g-{env.secrets.token_hex(4)}"
        self.config["kafka"]["group"] = self.group
        self.driftd("again").until_end()
        self.assertEqual(said, [v["dependence"] for v in self.verdicts()])
