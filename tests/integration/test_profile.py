"""tests/integration/test_profile.py    Traffic with a daily cycle: night compared with night, and a drift at night found."""
import json
import os
import random

from scipy.stats import ncx2

import env
import ingest_setting as setting

HOUR, EVENTS, DAYS = 3600_000, 300, 7
START = setting.START // (24 * HOUR) * 24 * HOUR  # a Monday


def day(hour):
    """Mean of the feature: up by day, down at night."""
    return .8 if 8 <= hour % 24 < 20 else -.8


class Profile(setting.Case):
    def prepare(self, **baseline):
        super().prepare(1, state={"idle_after": "10m", "keep_verdicts": 1000})
        self.config["streams"]["events"] = {"topic": self.topic, "format": "json", "time": "ts", "model": "model", "features": "f"}
        model = self.config["models"][setting.MODEL]
        model["window"] = {"size": "1h", "lateness": "0s"}
        model["baseline"] = baseline

    def rows(self, rng, first, n, moved=lambda hour: 0):
        for w in range(first, first + n):
            for i in range(EVENTS):
                x = round(rng.gauss(day(w) + moved(w % 24), 1), 5)
                yield {"ts": START + w * HOUR + i * HOUR // EVENTS, "model": setting.MODEL, "f": {"load": x}}

    def build(self, *more):
        path = os.path.join(self.dir, "week.ndjson")
        with open(path, "w") as f:
            f.writelines(json.dumps(r) + "\n" for r in self.rows(random.Random(3), -24 * DAYS, 24 * DAYS))
        d = self.driftd("builder")
        return d.command("baseline", "build", "-c", d.path, "--model", setting.MODEL, "--file", path, "--promote", *more).stdout

    def judged(self, moved=lambda hour: 0, first=0):
        rng = random.Random(4)
        self.brokers.produce(self.topic, [(None, json.dumps(r).encode(), 0) for r in self.rows(rng, first, 25, moved)])
        self.close()
        verdicts = dict(sorted(self.store.verdicts(self.group, setting.MODEL).items()))
        return list(verdicts.values())[:24]

    def psi(self, verdicts):
        return [v["columns"]["load"]["measures"]["psi"]["effect"] for v in verdicts]

    def test_night_is_compared_with_night(self):
        self.prepare()
        self.assertIn("season: `load` location: by the hour of day", self.build())
        verdicts = self.judged(lambda hour: .5 if hour == 3 else 0)
        self.assertEqual([v["profile"] for v in verdicts], [f"hour {h:02}" for h in range(24)])
        psi = self.psi(verdicts)
        self.assertGreater(psi[3], .1, psi)
        self.assertLess(max(psi[:3] + psi[4:]), .1, psi)
        self.assertGreater(min(v["columns"]["load"]["measures"]["ks"]["p"] for v in verdicts[:3] + verdicts[4:]), 1e-4)
        self.assertAlmostEqual(verdicts[5]["volume"]["baseline"], EVENTS)
        found = self.intervals(verdicts)
        self.assertIn(3, found, "there is something to compare")
        self.assertEqual(set(found), {h for h, v in enumerate(verdicts) if any(f["breach"] != "none" for f in self.findings(v))})
        told = [m for d in self.hook.deliveries for m in json.loads(d["body"])["data"].get("measures", ())]
        told = [(m["low95"], m["high95"]) for m in told if m["measure"] == "psi" and m["breach"] != "none"]
        self.assertEqual([tuple(float(f"{x:.6g}") for x in end) for end in found.values()][:1], told[:1])

    def findings(self, verdict):
        return [f for r in verdict["rules"].values() for f in r.get("findings", ()) if f["measure"] == "psi"]

    def intervals(self, verdicts):
        """{hour: (low95, high95)} of what a rule found; scipy says that the tails beyond them are of 2.5 %."""
        found = {}
        for hour, v in enumerate(verdicts):
            for f in self.findings(v):
                self.assertEqual("low95" in f, f["breach"] != "none", f)
                if "low95" not in f:
                    continue
                m, n = DAYS * EVENTS, EVENTS  # the baseline's windows of that hour, and the window
                ne = m * n / (m + n)
                for tail, end in ((.025, f["low95"]), (.975, f["high95"])):
                    p = ncx2.sf(ne * f["value"], f["dof"], ne * end)
                    self.assertTrue(abs(p - tail) < 1e-6 or (end == 0 and p > tail), (f, end, p))
                self.assertTrue(f["low95"] < f["effect"] < f["high95"], f)
                found[hour] = f["low95"], f["high95"]
        return found

    def test_training_data_beside_the_baseline(self):
        """Serving is as its baseline was, and never as training was."""
        self.prepare()
        path = os.path.join(self.dir, "training.ndjson")
        with open(path, "w") as f:
            for r in self.rows(random.Random(9), 0, 24):
                r["f"]["load"] = 3 - r["f"]["load"]
                f.write(json.dumps({**r, "ts": r["ts"] - 1000 * 24 * HOUR}) + "\n")
        self.build("--training", path)
        for v in self.judged():
            self.assertLess(v["columns"]["load"]["measures"]["psi"]["effect"], .1)
            skew = v["skew"]
            self.assertEqual(skew["n"], 24 * EVENTS)
            self.assertEqual([(c["column"], c["role"]) for c in skew["columns"]], [("load", "feature")])
            self.assertGreater(skew["columns"][0]["psi"], 1)

    def test_without_profiles_every_night_is_drift(self):
        self.prepare(profile="none")
        self.build()
        verdicts = self.judged(lambda hour: .5 if hour == 3 else 0)
        self.assertFalse(any("profile" in v for v in verdicts))
        psi = self.psi(verdicts)
        self.assertGreater(min(psi[:3] + psi[4:]), .1, "by day and at night")

    def test_few_windows_of_an_hour(self):
        """A week has five Mondays to Fridays and two days of weekend: too few to be compared with."""
        self.prepare(profile="weekday_hour")
        self.build()
        verdicts = self.judged(first=4 * 24 + 22)  # Friday evening, then Saturday
        self.assertEqual([v.get("profile") for v in verdicts], ["weekday hour 22", "weekday hour 23"] + [None] * 22)
        why = "the baseline has fewer than 5 windows or 1,000 events of that hour"
        self.assertEqual([v.get("profile_why") for v in verdicts], [None] * 2 + [why] * 22)
