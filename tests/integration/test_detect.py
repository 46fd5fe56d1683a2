"""tests/integration/test_detect.py    driftd detect: golden positions through the command, files of every kind, refusals.

The oracles are the shared golden file (positions by scikit-multiflow) and a CUSUM of a few lines of Python."""
import gzip
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BUILD = os.environ.get("DRIFTD_BUILD") or os.path.join(ROOT, "build", "release")
SHARED = os.environ.get("DRIFTD_SHARED") or os.path.join(ROOT, "..", "shared")
SEED = int(os.environ.get("DRIFTD_SEED") or 20260101)


def detect(*args, data=None):
    return subprocess.run([os.path.join(BUILD, "driftd"), "detect", *args], capture_output=True, text=True, timeout=120, input=data)


def report(*args, data=None, status=0):
    done = detect(*args, "--format", "json", data=data)
    if done.returncode != status:
        raise AssertionError(f"{args}: exit status {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def cusum(xs, warm=30, slack=.5, threshold=5):
    """Positions where a two-sided CUSUM on a frozen reference passes its threshold; afresh after each."""
    out, start, up, down = [], 0, 0.0, 0.0
    for i, x in enumerate(xs):
        if i - start + 1 < warm:
            continue
        reference = xs[start:start + warm]
        mean, sd = statistics.fmean(reference), statistics.stdev(reference)
        up, down = max(0, up + (x - mean) / sd - slack), max(0, down - (x - mean) / sd - slack)
        if max(up, down) > threshold:
            out.append(i)
            start, up, down = i + 1, 0.0, 0.0
    return out


class Detect(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="driftd-detect-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.rng = random.Random(SEED)

    def file(self, name, text):
        path = os.path.join(self.dir, name)
        with (gzip.open if name.endswith(".gz") else open)(path, "wt", newline="") as f:
            f.write(text)
        return path

    @unittest.skipUnless(os.path.isdir(SHARED), "no ../shared beside the clone: golden values not compared")
    def test_golden_positions(self):
        with open(os.path.join(SHARED, "golden", "detectors.json")) as f:
            results = json.load(f)["results"]
        positions = 0
        for want in results:
            params = [a for k, v in want["params"].items() if k != "two_side_option" for a in ("--param", f"{k}={v!r}")]
            got = report("--detector", want["detector"], *params, "--mismatch", "decision,label", "--where", "split!=fit",
                         os.path.join(SHARED, "data", want["file"]))
            self.assertEqual(got["values"], want["n"])
            self.assertEqual([m["at"] for m in got["drifts"]], want["drift_at"], want["id"])
            self.assertEqual([m["at"] for m in got["warnings"]][:20], want["first_warnings_at"], want["id"])
            self.assertEqual(got["n_warnings"], want["n_warning_zones"], want["id"])
            positions += len(want["drift_at"]) + len(want["first_warnings_at"])
        print(f"golden detectors: compared {len(results)} results with {positions} positions, all equal, left out 0")
        self.assertEqual(len(results), 30)
        self.assertGreaterEqual(positions, 1500)

    def test_files_of_every_kind_say_the_same(self):
        xs = [self.rng.gauss(0 if i < 600 else 2, 1) for i in range(1200)]
        want = cusum(xs)
        self.assertGreater(len(want), 0)
        self.assertTrue(any(600 <= i < 610 for i in want), want)
        rows = [{"id": f"a,{i}", "x": x, "side": "left" if i % 3 else "right"} for i, x in enumerate(xs)]
        csv = "id,x,side\r\n" + "".join('"%s",%r,%s\r\n' % (r["id"], r["x"], r["side"]) for r in rows)
        ndjson = "".join(json.dumps({"id": r["id"], "f": {"x": r["x"]}, "side": r["side"]}) + "\n" for r in rows)
        bare = "".join("%r,z\n" % r["x"] for r in rows)
        for args, data in ((("-c", "x", self.file("a.csv", csv)), None), (("-c", "x", self.file("a.csv.gz", csv)), None),
                           (("-c", "f.x", self.file("a.ndjson", ndjson)), None), (("-c", "x", "-"), csv), (("-c", "f.x", "-"), ndjson),
                           (("-c", "x", "--header", "x,side", self.file("bare.csv", bare)), None)):
            got = report("-d", "cusum", *args, data=data)
            self.assertEqual([m["at"] for m in got["drifts"]], want, args)
            self.assertEqual([m["row"] for m in got["drifts"]], [i + 1 for i in want], args)
            self.assertEqual((got["records"], got["values"], got["n_drifts"]), (1200, 1200, len(want)))
        first = got["drifts"][0]
        self.assertAlmostEqual(first["mean_since"], statistics.fmean(xs[:want[0] + 1]), delta=1e-12)
        self.assertEqual(first["value"], xs[want[0]])
        left = [i for i in range(1200) if i % 3]
        want = cusum([xs[i] for i in left])
        for where in ("side=left", "side!=right"):
            got = report("-d", "cusum", "-c", "x", "--where", where, self.file("a.csv", csv))
            self.assertEqual([m["row"] for m in got["drifts"]], [left[k] + 1 for k in want])
            self.assertEqual(got["left_out"], {"where": 400, "empty": 0, "nonfinite": 0})

    def test_values_that_are_none_are_counted(self):
        path = self.file("holes.csv", "x,y\n" + "".join(f"{v},{i}\n" for i, v in enumerate(["1", "", "nan", "2", "-inf", "3"])))
        got = report("-d", "cusum", "-c", "x", path)
        self.assertEqual((got["records"], got["values"], got["left_out"]), (6, 3, {"where": 0, "empty": 1, "nonfinite": 2}))
        path = self.file("a.ndjson", '{"d":true,"l":1}\n{"d":false,"l":1}\n{"l":1}\n{"d":"a","l":"a"}\n{"d":"a","l":null}\n')
        got = report("-d", "ddm", "--mismatch", "d,l", path)
        self.assertEqual((got["values"], got["left_out"]["empty"]), (3, 2))
        got = report("-d", "ddm", "-c", "d", "--where", "l=1", path)
        self.assertEqual((got["values"], got["left_out"]), (2, {"where": 2, "empty": 1, "nonfinite": 0}))

    def test_table_status_and_limit(self):
        path = self.file("e.csv", "e\n" + "0\n1\n0\n0\n" * 100 + "1\n" * 200)
        done = detect("-d", "hddm_a", "-c", "e", path, "--fail-on", "drift")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^hddm_a drift_confidence=0\.001 warning_confidence=0\.005 decrease=restart$")
        self.assertRegex(done.stdout, r"(?m)^drift +4\d\d +4\d\d +1 +0\.\d+$")
        self.assertRegex(done.stdout, r"(?m)^1 drift, 1 warning$")
        self.assertEqual(detect("-d", "hddm_a", "-c", "e", path).returncode, 0)
        done = detect("-d", "hddm_a", "-c", "e", path, "--limit", "0")
        self.assertRegex(done.stdout, r"1 drift, 1 warning; not all are shown")
        quiet = self.file("quiet.csv", "e\n" + "0\n1\n0\n0\n" * 100)
        self.assertEqual(detect("-d", "hddm_a", "-c", "e", quiet, "--fail-on", "warning").returncode, 0)

    def test_what_is_wrong_is_said(self):
        path = self.file("x.csv", "x,e,t\n1,0,a\n2,1,b\n.5,.5,c\n")
        for args, status, text in (
                (("-d", "adwin2", "-c", "x", path), 2, "no detector adwin2"),
                (("-c", "x", path), 2, "which detector"),
                (("-d", "ddm", path), 2, "which values"),
                (("-d", "ddm", "-c", "x"), 2, "give one file"),
                (("-d", "adwin", "-p", "delta", "-c", "x", path), 2, "give NAME=VALUE"),
                (("-d", "adwin", "-p", "lambda=1", "-c", "x", path), 2, "no parameter lambda: it has delta, clock"),
                (("-d", "adwin", "-p", "delta=2", "-c", "x", path), 2, "not a number from 1e-100 to 1"),
                (("-d", "adwin", "-p", "delta=nan", "-c", "x", path), 2, "not a number from"),
                (("-d", "adwin", "-p", "clock=1.5", "-c", "x", path), 2, "not a whole number from 1 to"),
                (("-d", "adwin", "-p", "form=moa", "-c", "x", path), 2, "not one of multiflow, published"),
                (("-d", "adwin", "-p", "form=1", "-c", "x", path), 2, "not one of multiflow, published"),
                (("-d", "ddm", "-p", "warning_level=4", "-c", "x", path), 2, "do not go together"),
                (("-d", "kswin", "-p", "stat_size=3", "-c", "x", path), 2, "do not go together"),
                (("-d", "adwin", "-c", "z", path), 2, "has no column z"),
                (("-d", "adwin", "-c", "x", "--where", "z=1", path), 2, "has no column z"),
                (("-d", "adwin", "-c", "x", "--where", "z", path), 2, "give NAME=TEXT"),
                (("-d", "adwin", "--mismatch", "x", path), 2, "give two columns"),
                (("-d", "adwin", "-c", "t", path), 2, "x.csv: record 1: t is not a number"),
                (("-d", "eddm", "-c", "e", path), 2, "x.csv: record 3: e is a value that this detector does not take"),
                (("-d", "hddm_w", "-c", "x", path), 2, "x.csv: record 2: x is a value"),
                (("-d", "adwin", "-c", "x", "--limit", "-1", path), 2, "--limit -1"),
                (("-d", "adwin", "-c", "x", "--format", "xml", path), 2, "not table or json"),
                (("-d", "adwin", "-c", "x", "--fail-on", "fire", path), 2, "not warning or drift"),
                (("-d", "adwin", "-c", "x", path + ".not"), 69, "No such file"),
                (("-d", "adwin", "-c", "x", self.file("empty.csv", "x\n")), 2, "has no record"),
                (("-d", "adwin", "-c", "x", self.file("bad.csv", 'x\n"1\n')), 2, "bad.csv:")):
            done = detect(*args)
            self.assertEqual((done.returncode, done.stdout), (status, ""), (args, done.stderr))
            self.assertIn(text, done.stderr, args)
        listed = detect("--detectors").stdout
        for name in ("adwin", "page_hinkley", "cusum", "ewma", "ddm", "eddm", "hddm_a", "hddm_w", "kswin"):
            self.assertRegex(listed, rf"(?m)^{name} ")
        self.assertEqual(detect("--help").returncode, 0)


if __name__ == "__main__":
    unittest.main()
