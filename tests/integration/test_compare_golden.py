"""tests/integration/test_compare_golden.py    driftd compare against the shared golden files (../shared/golden).

The rows of every case are written to two files, the cases that share their rows together; what compare says of them
with every named convention must be what the files say, leaf by leaf: 1e-9 relative, p-values 1e-6, logarithms of
p-values 1e-6; the few absolute slacks stand in SLACK and `same`, and in docs/golden.md.  A leaf that compare does not say must be left out by a pattern with its reason; the counts are printed,
and their minimum is asserted."""
import csv
import fnmatch
import gzip
import json
import math
import os
import shutil
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
BUILD = os.environ.get("DRIFTD_BUILD") or os.path.join(HERE, "..", "..", "build", "release")
SHARED = os.environ.get("DRIFTD_SHARED") or os.path.join(HERE, "..", "..", "..", "shared")

# Leaves that compare does not say.
LEFT_OUT = {
    "id": "name of the case",
    "kind": "name of the case",
    "*.note": "text",
    "baseline.*": "where the rows are",
    "current.*": "where the rows are",
    "ks.location": "not unique: one of several places",
    "ks.p_exact_note": "text",
}
# scipy's upper tail of this law is what a sum that stops at 1e-7 leaves of 1: far out it is noise, ours is not.
CVM_P = ("p_asymptotic_of_t_ecdf", "p_scipy_asymptotic")
NOISE = "Cramer-von Mises p below 1e-6: rounding noise of the reference (ours is below, too)"
# Absolute, where the reference sums terms that cancel; no other figure has one.
SLACK = {"g": 2e-11, "t_scipy_midrank": 4e-12, "chi2": 1e-15, "cramers_v": 1e-15, "skew": 1e-15, "js_divergence_base2": 1e-15}
# Kinds of cases that are not a comparison of two columns.
OTHER_KINDS = {
    "proportion": "two counts of one value, z and Wilson intervals: compare has no such figure, rate.h is compared above",
    "metrics": "labels, not drift of a column",
    "metrics_stream": "labels, not drift of a column",
}
# file: cases and values compared at least
FILES = {
    "nslkdd_features": (48, 10500), "nslkdd_control": (48, 10400), "nslkdd_small": (44, 9800), "nslkdd_scores": (2, 620),
    "elec2": (24, 4900), "phishing_river": (18, 2690), "phishing_uci": (30, 1250), "cicids2017": (19, 5600),
    "gas_drift": (119, 22800), "keystroke": (77, 14400), "ssh_auth": (6, 760), "nab": (11, 2160), "synthetic": (28, 6360),
    "nslkdd_stream": (86, 15100),
}


def near(a, b, rel):
    return a == b or abs(a - b) <= rel * max(abs(a), abs(b))


def same(key, got, want):
    """As value_same of tests/unit/stats/values.h, whose comments say why."""
    name = key.rsplit(".", 1)[-1]
    if name == "p_exact" and want is None:  # scipy gave up, and says so in a note
        return got is not None and 1 - 1e-9 < got <= 1
    if isinstance(want, (str, bool)) or want is None or got is None:
        return got == want
    if "log10" in name:
        return near(got, want, 1e-6)
    if name in CVM_P and abs(got - want) <= 1e-11:
        return True
    if name.startswith("p_") or "_p" in name:
        return near(got, want, 1e-6) or (0 <= got < 1e-290 and want < 1e-290)
    if near(got, want, 1e-9):
        return True
    if name.startswith("js_distance"):
        return abs(got * got - want * want) <= 1e-15
    return abs(got - want) <= SLACK.get(name, -1)


class Count:
    def __init__(self):
        self.cases = self.compared = self.families = 0
        self.left_out = {}

    def skip(self, reason):
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


@unittest.skipUnless(os.path.isdir(os.path.join(SHARED, "golden")), "no ../shared beside the clone: golden values not compared")
class Golden(unittest.TestCase):
    tables = {}
    replay = {}

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="driftd-golden-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.used = set()
        self.brackets = 0

    # ---- the rows of a case ----

    def table(self, file):
        if file not in self.tables:
            with gzip.open(os.path.join(SHARED, "data", file), "rt", newline="") as f:
                rows = list(csv.reader(f))
            self.tables[file] = dict(zip(rows[0], zip(*rows[1:])))
        return self.tables[file]

    @staticmethod
    def where(case, side):
        """The rows of a side: of a file, or a phase of the replay, whose cases have only names."""
        if side in case:
            return [case[side]["file"], case[side].get("rows")]
        return case["id"].rsplit("_", 3)[1 if side == "baseline" else 3]

    def events(self):
        """The replay: the first of each event id, by phase of its time."""
        if not self.replay:
            with open(os.path.join(SHARED, "data", "nslkdd_truth.json"), encoding="utf-8") as f:
                phases = json.load(f)["phases"]
            events = {}
            with gzip.open(os.path.join(SHARED, "data", "nslkdd_events.ndjson.gz"), "rt") as f:
                for line in f:
                    e = json.loads(line)
                    events.setdefault(e["event_id"], e)
            self.replay["all"] = [events[i] for i in sorted(events)]
            for p in phases:
                self.replay[p["phase"]] = [e for e in self.replay["all"] if p["first_ts"] <= e["ts"] <= p["last_ts"]]
        return self.replay

    @staticmethod
    def feature(event, name):
        v = event[name] if name in ("score", "decision") else event["features"][name]
        return v if isinstance(v, str) else repr(v)

    def column(self, where, case):
        if isinstance(where, str):
            return [self.feature(e, case["id"].rsplit("_", 3)[0]) for e in self.events()[where]]
        file, rows = where
        if "column" in case["baseline"]:
            values = self.table(file)[case["baseline"]["column"]]
        else:
            with open(os.path.join(SHARED, "golden", file), encoding="utf-8") as f:
                values = [json.loads(line) if line.startswith('"') else line.rstrip("\n") for line in f]
        a, b = rows or (0, len(values))
        return values[a:b]

    def write(self, name, columns, kinds):
        """Numbers and categories as CSV; an empty category cannot be said there, but in NDJSON."""
        path = os.path.join(self.dir, name)
        if any("" in values for values in columns.values()):
            with open(path, "w", encoding="utf-8") as f:
                for row in zip(*columns.values()):
                    f.write(json.dumps({k: v if kinds[k] else float(v) for k, v in zip(columns, row)}, ensure_ascii=False) + "\n")
        else:
            with open(path, "w", newline="", encoding="utf-8") as f:
                w = csv.writer(f)
                w.writerow(columns)
                w.writerows(zip(*columns.values()))
        return path

    def compare(self, baseline, current, kinds, *args):
        files = [self.write(n, c, kinds) for n, c in (("a.txt", baseline), ("b.txt", current))]
        types = ",".join(f"{name}:category" for name, category in kinds.items() if category)
        done = subprocess.run([os.path.join(BUILD, "driftd"), "compare", *files, "--format", "json", "--binning", "all", "--empty", "all",
                               *(["--types", types] if types else []), *args], capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {c["column"]: c for c in json.loads(done.stdout)["columns"]}

    # ---- comparing ----

    def left_out(self, key):
        for pattern, reason in LEFT_OUT.items():
            if fnmatch.fnmatchcase(key, pattern):
                self.used.add(pattern)
                return reason
        return None

    def leaves(self, case, key, got, want, count):
        reason = self.left_out(key)
        if reason:
            count.skip(reason)
        elif isinstance(want, dict):
            for k, v in want.items():
                self.leaves(case, f"{key}.{k}" if key else k, got.get(k, self) if isinstance(got, dict) else self, v, count)
        elif isinstance(want, list):
            self.assertEqual(len(got) if isinstance(got, list) else got, len(want), f"{case}: {key}")
            for i, v in enumerate(want):
                self.leaves(case, f"{key}[{i}]", got[i], v, count)
        elif key.rsplit(".", 1)[-1] in CVM_P and want < 1e-6:
            self.assertTrue(0 <= got < 1e-6, f"{case}: {key} = {got}, reference {want}")
            count.skip(NOISE)
        else:
            self.assertIsNot(got, self, f"{case}: {key} is neither said nor left out")
            self.assertTrue(same(key, got, want), f"{case}: {key} = {got}, reference {want}")
            count.compared += 1

    def bracket(self, case, row):
        """What the daemon's grid says of the same rows holds."""
        e = row["exact"]
        for name, want in (("ks", e.get("ks", {}).get("d")), ("wasserstein1", e.get("wasserstein1")),
                           ("cramer_von_mises", e.get("cramer_von_mises", {}).get("t_ecdf"))):
            b = row["grid"].get(name)
            if want is not None and b:
                slack = 1e-9 * max(abs(b["low"]), abs(b["high"] or 0)) + 1e-12 * (name != "wasserstein1")
                self.assertTrue(b["low"] - slack <= want and (b["high"] is None or want <= b["high"] + slack), f"{case} {name}: {b}")
                self.assertTrue(b["holds"], f"{case} {name}: {b}")
                self.brackets += 1
        if row["kind"] == "categorical":
            for name in ("total_variation", "hellinger", "js_distance_base2"):  # cells are unions of categories
                self.assertLessEqual(row["grid"][name], e[name] + 1e-12, case)

    def adjusted(self, name, sides, kinds, family, count):
        """The family's p-values adjusted by each method, in the order of its ids."""
        ids = family["ids"]
        for method in ("bh", "bonferroni", "holm"):
            rows = self.compare(*({k: side[k] for k in ids} for side in sides), {k: kinds[k] for k in ids}, "--adjust", method)
            for i, key in enumerate(ids):
                for got, want in ((rows[key]["p"], family["p"][i]), (rows[key]["p_adjusted"], family[method][i])):
                    self.assertTrue(same("p_", got, want), f"{name} {method} {key}: {got}, reference {want}")
                    count.compared += 1

    def group(self, name, sides, cases, families, count):
        """Cases about the same rows: sides are {id: values}."""
        kinds = {c["id"]: c["kind"] == "categorical" for c in cases}
        rows = self.compare(*sides, kinds, "--exact-p")
        for case in cases:
            self.leaves(f"{name} {case['id']}", "", rows[case["id"]]["exact"], case, count)
            self.bracket(f"{name} {case['id']}", rows[case["id"]])
            count.cases += 1
        for family in families:
            if all(key in kinds for key in family["ids"]):
                self.adjusted(name, sides, kinds, family, count)
                count.families += 1

    def file_cases(self, name, count):
        with open(os.path.join(SHARED, "golden", name + ".json"), encoding="utf-8") as f:
            doc = json.load(f)
        groups = {}
        for case in doc["results"]:
            if case["kind"] in OTHER_KINDS:
                count.skip("kind " + case["kind"] + ": " + OTHER_KINDS[case["kind"]])
                continue
            self.assertIn(case["kind"], ("numeric", "numeric_tiny", "categorical"), case["id"])
            where = json.dumps([self.where(case, side) for side in ("baseline", "current")])
            groups.setdefault(where, []).append(case)
        families = doc.get("multiple_testing", {})
        families = [families] if "ids" in families else list(families.values())
        for cases in groups.values():
            sides = [{c["id"]: self.column(self.where(c, side), c) for c in cases} for side in ("baseline", "current")]
            self.group(name, sides, cases, families, count)
        self.assertEqual(count.families, len(families), name)

    def test_files(self):
        total = 0
        reasons = {}
        for name, (cases, compared) in FILES.items():
            count = Count()
            self.file_cases(name, count)
            print(f"{name}: {count.cases} cases, {count.families} families, {count.compared} values compared and equal, {sum(count.left_out.values())} left out")
            for reason, n in count.left_out.items():
                reasons[reason] = reasons.get(reason, 0) + n
            self.assertEqual(count.cases, cases, name)
            self.assertGreaterEqual(count.compared, compared, name)
            total += count.compared
        for reason, n in sorted(reasons.items()):
            print(f"left out {n}: {reason}")
        self.assertEqual({p for p in LEFT_OUT if p not in self.used}, set(), "patterns that match nothing")
        print(f"{self.brackets} brackets of the grid hold")
        self.assertGreaterEqual(total, 107000)
        self.assertGreaterEqual(self.brackets, 1300)

    # ---- windows of the replay ----

    PLACES = {"ks_d": ("ks", "d"), "ks_p_kstwo": ("ks", "p_scipy_asymp_kstwo"), "mean": ("summary_current", "mean"),
              "wasserstein1": ("wasserstein1",), "new_in_current": ("new_in_current",)}

    def place(self, row, key):
        """Where the value stands that a window's golden file keeps under a short name."""
        e = row["exact"]
        if key in self.PLACES:
            for step in self.PLACES[key]:
                e = e[step]
            return e
        e = e["binned"]["q10_linear_rc"] if row["kind"] == "numeric" else e
        rules = {"psi_eps1e_4_zero": "eps1e-4_zero", "psi_laplace1": "laplace1"}
        return e["psi"][rules[key]] if key in rules else e[key]

    def window(self, doc, case, columns, count):
        events = [e for e in self.events()["all"] if case["start_ts"] <= e["ts"] < case["end_ts"]]
        kinds = {name: "ks_d" not in f for name, f in case["features"].items()} | {"decision": True}
        rows = self.compare(columns, {name: [self.feature(e, name) for e in events] for name in kinds}, kinds)
        for name, wants in case["features"].items():
            for key, want in wants.items():
                got = self.place(rows[name], key)
                for g, w in zip(got, want) if isinstance(want, list) else ((got, want),):
                    self.assertTrue(same("p_" if "_p" in key else key, g, w), f"{case['id']} {name} {key}: {g}, reference {w}")
                    count.compared += 1
                self.assertEqual(len(got) if isinstance(want, list) else 0, len(want) if isinstance(want, list) else 0)
            if not kinds[name]:
                scheme = rows[name]["exact"]["binned"]["q10_linear_rc"]
                self.assertTrue(all(near(g, w, 1e-9) for g, w in zip(scheme["edges"], doc["baseline"]["edges"][name])))
                self.assertEqual(scheme["counts_baseline"], doc["baseline"]["counts"][name])
                self.assertEqual(rows[name]["exact"]["n2"], case["events"])
                count.compared += 2 * len(scheme["edges"]) + 2
            self.bracket(case["id"], rows[name])
        decisions = dict(zip(rows["decision"]["exact"]["categories"], rows["decision"]["exact"]["counts_current"]))
        self.assertEqual(decisions.get("alert", 0), case["alerts"])
        count.cases += 1

    def test_windows(self):
        with open(os.path.join(SHARED, "golden", "nslkdd_windows.json"), encoding="utf-8") as f:
            doc = json.load(f)
        names = [*doc["results"][0]["features"], "decision"]
        columns = {name: [self.feature(e, name) for e in self.events()["reference"]] for name in names}
        count = Count()
        for case in doc["results"]:
            self.window(doc, case, columns, count)
        print(f"nslkdd_windows: {count.cases} windows, {count.compared} values compared and equal; final_labels: labels, left out")
        self.assertEqual(count.cases, 38)
        self.assertGreaterEqual(count.compared, 11500)


if __name__ == "__main__":
    unittest.main()
