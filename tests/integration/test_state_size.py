"""tests/integration/test_state_size.py    What `driftd check` says that a model takes in Redis, against what it takes."""
import json
import re
import unittest

import env
import phish

FACTOR = 3  # the usual figure is within it, both ways
PARTS = 2


def to_bytes(number, unit):
    return int(number) << {"KiB": 10, "MiB": 20}[unit]


class StateSize(env.Case):
    def prepare(self):
        self.raw = phish.lines(self.dir)
        self.topic = env.brokers().topic("phish", PARTS)
        self.store = self.redis()
        config = phish.config(env.brokers().brokers, self.store.port, self.receiver(), self.topic)
        stream = config["streams"]["events"]
        names = sorted(json.loads(self.raw[0])["features"])
        stream["features"] = {"fields": [f"features.{n}" for n in names]}
        config["models"][phish.MODEL]["rules"] = [{"name": "all", "measure": "psi", "scope": {"feature": "*"}, "warning": 0.2, "critical": 0.4}]
        self.driftd = env.Driftd(self.dir, config)
        self.listen = config["http"]["listen"]
        phish.baseline(self.dir, self.driftd)
        env.brokers().produce(self.topic, [(k, v, i % PARTS) for i, (k, v) in enumerate(phish.records(self.raw))])

    def usage(self, key):
        return self.store.command("MEMORY", "USAGE", key, "SAMPLES", "0")

    def rates(self):
        """Usual and greatest bytes for one window, one verdict body with its header, one baseline: from the documentation."""
        with open(f"{env.ROOT}/docs/operations.md") as f:
            table = f.read().split("### What a model takes in Redis")[1]
        rows = {}
        for line in table.splitlines():
            cells = [c.strip() for c in line.strip("|").split("|")]
            if len(cells) == 4 and re.match(r"\d", cells[2]):
                rows[cells[0].split(",")[0].split(" in use")[0]] = [
                    [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", c)] + [0] for c in cells[2:]]
        return rows

    def check_rate(self, what, got, n, columns):
        usual, most = self.rates()[what]
        usual, most = (n * (r[0] + columns * r[1]) for r in (usual, most))
        print(f"    {what}: {got} bytes in Redis, {usual} said, at most {most}", flush=True)
        self.assertLess(got, most, what)
        self.assertLess(usual / FACTOR, got, what)
        self.assertLess(got, usual * FACTOR, what)

    def test_estimate(self):
        self.prepare()
        said = self.driftd.command("check", "-c", self.driftd.path).stdout
        found = re.search(r"in Redis a partition about (\d+) (\w+), at most (\d+) (\w+) \((\d+) windows of (\d+) columns\)", said)
        self.assertIsNotNone(found, said)
        windows, columns = int(found[5]), int(found[6])
        self.assertEqual(windows, (2 + 3600) // 10 + 2)
        usual, most = self.rates()["counts of a window"]
        self.assertAlmostEqual(to_bytes(found[1], found[2]), windows * (usual[0] + columns * usual[1]), delta=1 << 20 if found[2] == "MiB" else 1025)
        self.assertAlmostEqual(to_bytes(found[3], found[4]), windows * (most[0] + columns * most[1]), delta=1 << 20)
        self.driftd.until_end()
        bodies = len(self.store.verdicts("phish", phish.MODEL))
        self.assertGreater(bodies, 20)
        for p in range(PARTS):
            slot = f"driftd:{{p/phish/{self.topic}/{p}}}"
            n = sum(k.startswith(b"b:") for k in self.store.hash(slot))
            self.assertGreater(n, 20)
            self.check_rate("counts of a window", self.usage(slot), n, columns)
        chain = f"driftd:{{m/phish/{phish.MODEL}}}"
        self.check_rate("verdict headers", self.usage(chain + ":w"), bodies, 0)
        self.check_rate("verdict bodies", self.usage(chain + ":v"), bodies, columns)
        active = self.store.hash(f"driftd:{{b/{phish.MODEL}}}")[b"active"].decode()
        self.check_rate("baseline", self.usage(f"driftd:{{b/{phish.MODEL}}}:{active}"), 1, columns)
        self.check_rate("plan", self.usage(chain), 1, 1)

    def test_metric(self):
        """driftd_state_bytes is the sum of the blobs in the slots, after counting and after a restart."""
        self.prepare()
        for _ in range(2):
            process = self.driftd.start()
            self.addCleanup(process.kill)
            env.wait_for(lambda: sum(self.store.offset("phish", self.topic, p) for p in range(PARTS)) == len(self.raw), "counted")
            env.wait_for(self.metric_is_right, "the metric says what the slots hold")
            self.assertEqual(process.stop(), 0)

    def metric_is_right(self):
        held = sum(len(k) + len(v) for p in range(PARTS) for k, v in self.store.hash(f"driftd:{{p/phish/{self.topic}/{p}}}").items()
                   if k.startswith(b"b:"))
        found = re.search(r'driftd_state_bytes\{model="phish-url",chain="input"\} ([\d.e+]+)', self.driftd.get(self.listen, "/metrics")[1])
        return held > 10_000 and found and float(found[1]) == held


if __name__ == "__main__":
    unittest.main()
