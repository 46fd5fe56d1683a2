"""tests/integration/test_what_is_new.py    A change of unit and categories that nobody knows are named; the same after kill -9."""
import collections
import json
import os
import random

import env
import ingest_setting as setting

EVENTS, WINDOW, START = 600, 10_000, setting.START
KNOWN = ["DE", "FR", "US", "JP"]


def rows(window, rng, changed):
    for i in range(EVENTS):
        size, country = rng.lognormvariate(8, 1), rng.choice(KNOWN)
        if changed and rng.random() < .3:
            size *= 1000  # one source sends kB where it sent MB
        if changed and rng.random() < .2:
            country = rng.choices(["ZZ", "Q\n", *(f"x{k}" for k in range(200))], [30, 20, *[.2] * 200])[0]
        yield {"ts": START + window * WINDOW + i * WINDOW // EVENTS, "model": setting.MODEL, "f": {"size": round(size, 3), "country": country}}


class New(setting.Case):
    def prepare(self):
        super().prepare(2, state={"idle_after": "10m", "keep_verdicts": 100, "flush_interval": "50ms"}, options={"group.instance.id": "new-test"})
        self.config["streams"]["events"] = {"topic": self.topic, "format": "json", "time": "ts", "model": "model", "features": "f"}
        self.config["models"][setting.MODEL]["window"]["lateness"] = "0s"
        path, builder = os.path.join(self.dir, "calm.ndjson"), self.driftd("builder")
        with open(path, "w") as f:
            for w in range(20):
                f.writelines(json.dumps(r) + "\n" for r in rows(w - 1000, random.Random(w), False))
        builder.command("baseline", "build", "-c", builder.path, "--model", setting.MODEL, "--file", path, "--promote")

    def test_named(self):
        self.prepare()
        made = [r for w in range(6) for r in rows(w, random.Random(100 + w), w >= 3)]
        whole, produced = self.driftd("whole"), 0
        for part in range(3):
            process = self.run_(whole)
            piece = made[part * len(made) // 3:(part + 1) * len(made) // 3]
            produced += self.brokers.produce(self.topic, [(None, json.dumps(r).encode(), i % 2) for i, r in enumerate(piece)])
            env.wait_for(lambda n=produced: self.offsets(2) == n, "counted")
            process.kill()  # what is in the slots is all that is left
        whole.until_end()
        verdicts = [v for _, v in sorted(self.store.verdicts(self.group, setting.MODEL).items())]
        self.assertEqual(len(verdicts), 6)
        self.assertNotIn("new_values", verdicts[0]["columns"]["country"])
        for w in (3, 4, 5):
            seen = collections.Counter(r["f"]["country"] for r in made[w * EVENTS:(w + 1) * EVENTS] if r["f"]["country"] not in KNOWN)
            told = verdicts[w]["columns"]["country"]["new_values"]
            self.assertEqual([t["value"] for t in told[:2]], [name for name, _ in seen.most_common(2)])
            for t in told:
                self.assertTrue(t["at_least"] <= seen[t["value"]] <= t["at_most"], (t, seen[t["value"]]))
            lines = {line["column"]: line for line in verdicts[w]["explanation"]}
            self.assertRegex(lines["size"]["unit"]["text"], r"^(2\d|3\d) % of values are about 1000 times as large: another unit\?$")
            self.assertRegex(lines["country"]["new"], r"^new: `ZZ` (at least )?[\d.]+ %, `Q\?` ")
        sent = [json.loads(d["body"])["data"] for d in self.hook.deliveries]
        self.assertTrue(any(line.get("unit", {}).get("factor") == 1000 for d in sent for line in d.get("explanation", [])))
        d = self.driftd("explain")
        out = d.command("explain", "-c", d.path, check=False).stdout
        self.assertIn("times as large: another unit?", out)
        self.assertRegex(out, r"\nnew: ZZ (at least )?[\d.]+ %, Q")
        # the same log, read in one go
        self.group = f"g-{env.secrets.token_hex(4)}"
        self.config["kafka"]["group"] = self.group
        self.driftd("again").until_end()
        again = [v for _, v in sorted(self.store.verdicts(self.group, setting.MODEL).items())]
        self.assertEqual([v["columns"] for v in verdicts], [v["columns"] for v in again])
