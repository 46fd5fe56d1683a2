"""tests/integration/test_compare.py    driftd compare against numpy and scipy on random files; what it refuses.

The oracle reads the files itself (csv, json) and computes percentiles, PSI, Jensen-Shannon, chi-square, KS and rates
with its own few lines and scipy; nothing of driftd is in it."""
import csv
import gzip
import json
import os
import shutil
import subprocess
import tempfile
import unittest
import warnings

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import anderson_ksamp, chi2, chi2_contingency, cramervonmises_2samp, energy_distance, ks_2samp, ncx2, wasserstein_distance

BUILD = os.environ.get("DRIFTD_BUILD") or os.path.join(os.path.dirname(__file__), "..", "..", "build", "release")
SEED = int(os.environ.get("DRIFTD_SEED") or 20260101)


def psi_of(base, cur):
    """Half a count on both sides; bins that are empty on both are left out."""
    keep = (base + cur) > 0
    p, q = base[keep] + .5, cur[keep] + .5
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum()), int(keep.sum())


def decile_bins(base):
    ends = np.unique(np.percentile(base, range(10, 100, 10), method="inverted_cdf"))
    return ends[ends < base.max()]


def bin_counts(x, ends):
    return np.bincount(np.searchsorted(ends, x, side="left"), minlength=len(ends) + 1).astype(float)


class Compare(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="driftd-compare-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.rng = np.random.default_rng(SEED)

    def run_it(self, *args):
        return subprocess.run([os.path.join(BUILD, "driftd"), "compare", *args], capture_output=True, text=True, timeout=120)

    def report(self, *args):
        done = self.run_it(*args, "--format", "json")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        out = json.loads(done.stdout)
        return out, {c["column"]: c for c in out["columns"]}

    def path(self, name):
        return os.path.join(self.dir, name)

    def write_csv(self, name, columns):
        opener = gzip.open if name.endswith(".gz") else open
        with opener(self.path(name), "wt", newline="") as f:
            w = csv.writer(f, lineterminator="\r\n")
            w.writerow(columns)
            w.writerows(zip(*columns.values()))
        return self.path(name)

    def columns(self, n, shift):
        r = self.rng
        return {
            "gauss": [repr(float(x)) for x in r.normal(shift, 1, n)],
            "count": [int(x) for x in r.poisson(3 + shift, n)],
            "holes": ["" if h < .05 + shift / 5 else repr(float(x)) for h, x in zip(r.random(n), r.exponential(1, n))],
            "zip code": ["%05d" % x for x in r.integers(1, 20 + int(10 * shift), n)],
            'say "hi", twice': [("a", "b,c", 'd"e', "f\ng")[x] for x in r.choice(4, n, p=[.4, .3 - shift / 5, .2, .1 + shift / 5])],
            "label": [int(x) for x in r.random(n) < .2 + shift / 4],
        }

    def check_numeric(self, row, base, cur):
        n = 0
        m = row["measures"]
        self.assertEqual(row["kind"], "numeric")
        ends = decile_bins(base)
        p, q = bin_counts(base, ends), bin_counts(cur, ends)
        psi, bins = psi_of(p, q)
        noise = (bins - 1) * (1 / len(base) + 1 / len(cur))
        for got, want in ((m["psi"]["value"], psi), (m["psi"]["effect"], max(0, psi - noise)), (m["psi_raw"]["effect"], psi),
                          (m["js"]["effect"], jensenshannon(p, q, base=2)),
                          (m["out_of_range_rate"]["value"], ((cur < base.min()) | (cur > base.max())).sum() / self.n_cur)):
            self.assertAlmostEqual(got, want, delta=1e-9 * max(1, abs(want)))
            n += 1
        g, ne = row["grid"], len(base) * len(cur) / (len(base) + len(cur))
        self.assertAlmostEqual(g["psi_noise"], noise, delta=1e-12)
        self.assertAlmostEqual(g["psi_p"], chi2.sf(ne * psi, bins - 1), delta=1e-6 * g["psi_p"] + 1e-290)
        for tail, end in ((.025, g["psi_low95"]), (.975, g["psi_high95"])):
            p = ncx2.sf(ne * psi, bins - 1, ne * end)
            self.assertTrue(abs(p - tail) < 1e-6 or (end == 0 and p > tail), (end, p))
        d = ks_2samp(base, cur, method="asymp").statistic
        self.assertLessEqual(m["ks"]["low"], d + 1e-12)
        self.assertGreaterEqual(m["ks"]["high"], d - 1e-12)
        return n + 2 + self.check_values(row, base, cur)

    def check_values(self, row, base, cur):
        """The figures of the values themselves, beside what the grid says of them."""
        e, grid = row["exact"], row["measures"]["ks"]
        ks, n = ks_2samp(base, cur, method="asymp"), 0
        self.assertEqual((e["n1"], e["n2"]), (len(base), len(cur)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its p is clipped
            ad = anderson_ksamp([base, cur])
        cvm = cramervonmises_2samp(base, cur, method="asymptotic")
        w1 = wasserstein_distance(base, cur)
        for got, want, rel in ((e["ks"]["d"], ks.statistic, 1e-9), (e["ks"]["p_scipy_asymp_kstwo"], ks.pvalue, 1e-6),
                               (e["wasserstein1"], w1, 1e-9), (e["energy_distance"], energy_distance(base, cur), 1e-7),
                               (e["wasserstein1_over_baseline_std_ddof0"], w1 / base.std(), 1e-9),
                               (e["anderson_darling"]["statistic_standardised"], ad.statistic, 1e-8),
                               (e["cramer_von_mises"]["t_scipy_midrank"], cvm.statistic, 1e-8),
                               (e["summary_baseline"]["mean"], base.mean(), 1e-9),
                               (e["summary_current"]["quantile_linear"]["0.9"], np.quantile(cur, .9), 1e-9)):
            self.assertAlmostEqual(got, want, delta=rel * max(abs(want), 1e-9))
            n += 1
        if e["ks"]["p_exact"] is not None and len(base) * len(cur) < 1e6:
            want = ks_2samp(base, cur, method="exact").pvalue
            self.assertAlmostEqual(e["ks"]["p_exact"], want, delta=1e-6 * want)
            n += 1
        self.assertTrue(grid["low"] - 1e-12 <= e["ks"]["d"] <= grid["high"] + 1e-12)
        for name, want in (("ks", ks.statistic), ("wasserstein1", w1), ("cramer_von_mises", e["cramer_von_mises"]["t_ecdf"])):
            b = row["grid"][name]
            self.assertAlmostEqual(b["exact"], want, delta=1e-9 * want)
            self.assertTrue(b["low"] <= want * (1 + 1e-9) and (b["high"] is None or want <= b["high"] * (1 + 1e-9)), (name, b))
            self.assertTrue(b["holds"], (name, b))
            self.assertEqual(b["high"] is None, name == "wasserstein1" and bool(cur.max() > base.max() or cur.min() < base.min()))
            n += 1
        return n

    def check_categorical(self, row, base, cur):
        m = row["measures"]
        self.assertEqual(row["kind"], "categorical")
        known = sorted(set(base))
        p = np.array([base.count(k) for k in known] + [0], dtype=float)
        q = np.array([cur.count(k) for k in known], dtype=float)
        unseen = len(cur) - q.sum()
        q = np.append(q, unseen)
        psi, _ = psi_of(p, q)
        want = {"psi_raw": psi, "js": float(jensenshannon(p, q, base=2)), "unseen_rate": unseen / len(cur)}
        for name, value in want.items():
            self.assertAlmostEqual(m[name]["value"], value, delta=1e-9 * max(1, value), msg=name)
        moved = np.abs(q / q.sum() - p / p.sum()).max()
        self.assertAlmostEqual(m["proportion"]["effect"], moved, delta=1e-9)
        total = p + q
        if (np.outer([p.sum(), q.sum()], total[total > 0]) / total.sum()).min() >= 5:  # nothing to pool
            stat, pv, dof, _ = chi2_contingency(np.array([p, q])[:, total > 0], correction=False)
            self.assertAlmostEqual(m["chi2"]["value"], stat, delta=1e-9 * max(1, stat))
            self.assertEqual(m["chi2"]["dof"], dof)
            self.assertAlmostEqual(m["chi2"]["p"], pv, delta=1e-6 * max(pv, 1e-12))
            return 7
        return 4

    def check_all(self, base_file, cur_file, base, cur, *args):
        out, rows = self.report(base_file, cur_file, "--types", "zip code=categorical", "--label", "label", *args)
        self.n_cur = len(cur["gauss"])
        self.assertEqual((out["baseline"]["rows"], out["current"]["rows"]), (len(base["gauss"]), self.n_cur))
        self.assertEqual(sorted(rows), sorted(base))
        n = 0
        for name in ("gauss", "count", "holes"):
            n += self.check_numeric(rows[name], *(np.array([float(x) for x in side[name] if x != ""]) for side in (base, cur)))
        for name in ("zip code", 'say "hi", twice', "label"):
            n += self.check_categorical(rows[name], *([str(x) for x in side[name]] for side in (base, cur)))
        nulls = rows["holes"]["measures"]["null_rate"]
        self.assertAlmostEqual(nulls["value"], cur["holes"].count("") / len(cur["holes"]), delta=1e-12)
        self.assertAlmostEqual(nulls["baseline"], base["holes"].count("") / len(base["holes"]), delta=1e-12)
        self.assertEqual(rows["label"]["role"], "label")
        return n + 2

    def test_against_scipy(self):
        compared = 0
        for i, (n, m, shift) in enumerate(((5000, 2000, 0), (3000, 3000, .3), (700, 9000, 1), (150, 120, .1))):
            base, cur = self.columns(n, 0), self.columns(m, shift)
            a = self.write_csv(f"base{i}.csv", base)
            b = self.write_csv(f"cur{i}.csv.gz", cur)
            compared += self.check_all(a, b, base, cur)
        print(f"{compared} numbers compared with scipy")
        self.assertGreaterEqual(compared, 280)

    def write_ndjson(self, name, columns):
        with open(self.path(name), "w") as f:
            for values in zip(*columns.values()):
                row = dict(zip(columns, values))
                row["holes"] = None if row["holes"] == "" else float(row["holes"])
                row["gauss"] = float(row["gauss"])
                f.write(json.dumps(row) + "\n")
        return self.path(name)

    def test_ndjson_says_the_same(self):
        base, cur = self.columns(2000, 0), self.columns(1500, .5)
        compared = self.check_all(self.write_ndjson("a.ndjson", base), self.write_ndjson("b.jsonl", cur), base, cur)
        self.assertGreaterEqual(compared, 30)

    def test_same_file_is_good(self):
        a = self.write_csv("a.csv", self.columns(1000, 0))
        out, rows = self.report(a, a)
        self.assertEqual(out["verdict"], "ok")
        for row in rows.values():
            self.assertEqual(row["measures"]["psi"]["effect"], 0, row["column"])
        self.assertEqual(self.run_it(a, a, "--fail-on", "warning").returncode, 0)

    def test_fail_on(self):
        a, b = self.write_csv("a.csv", self.columns(3000, 0)), self.write_csv("b.csv", self.columns(3000, 1.5))
        self.assertEqual(self.run_it(a, b).returncode, 0)
        self.assertEqual(self.run_it(a, b, "--fail-on", "critical").returncode, 1)
        self.assertEqual(self.run_it(a, b, "--fail-on", "critical", "--warning", "50", "--critical", "99", "--columns", "gauss").returncode, 0)
        out, rows = self.report(a, b)
        self.assertEqual(out["verdict"], "critical")
        severities = [r["verdict"] for r in out["columns"]]
        order = {"critical": 0, "warning": 1, "ok": 2}
        self.assertEqual(severities, sorted(severities, key=order.get))
        table = self.run_it(a, b).stdout
        self.assertIn("verdict: critical", table)
        self.assertIn(out["columns"][0]["column"][:20], table.splitlines()[3])

    def test_formats_and_families(self):
        base, cur = self.columns(800, 0), self.columns(700, .3)
        a, b = self.write_csv("a.csv", base), self.write_csv("b.csv", cur)
        plain, rows = self.report(a, b, "--types", "zip code:category", "--adjust", "none")
        p = {name: row["p"] for name, row in rows.items()}
        self.assertEqual(p, {name: row["p_adjusted"] for name, row in rows.items()})
        order = sorted(p, key=p.get)
        for method, q in (("bonferroni", {n: min(1, p[n] * len(p)) for n in p}),
                          ("bh", {n: min(min(1, p[m] * len(p) / (k + 1)) for k, m in enumerate(order) if p[m] >= p[n]) for n in p})):
            out, rows = self.report(a, b, "--types", "zip code:category", "--adjust", method)
            self.assertEqual(out["adjust"], method)
            for name, row in rows.items():
                self.assertAlmostEqual(row["p_adjusted"], q[name], delta=1e-9 * q[name])
        text = self.run_it(a, b, "--format", "markdown", "--binning", "w10_minmax_lc", "--empty", "laplace1").stdout
        tables = [line for line in text.splitlines() if line.startswith("|")]
        self.assertEqual(len(tables), 2 * (len(p) + 2))
        self.assertEqual(len({line.replace("\\|", "").count("|") for line in tables}), 2)
        self.assertIn("bins w10_minmax_lc, empty bins laplace1", text)
        self.assertNotIn("from the values", self.run_it(a, b, "--no-values").stdout)
        small, rows = self.report(a, b, "--memory", "1MiB")
        large, rows = self.report(a, b)
        self.assertEqual(small, large)
        for bad in (["--binning", "deciles"], ["--empty", "x"], ["--adjust", "x"], ["--memory", "1B"],
                    ["--no-values", "--binning", "q10_linear_rc"], ["--no-values", "--empty", "none"], ["--no-values", "--exact-p"]):
            self.assertEqual(self.run_it(a, b, *bad).returncode, 2, bad)

    def test_extremes(self):
        """Every figure is a number, null or has its reason; what the cells allow holds."""
        base = {"huge": ["1e308", "-1e308", "1.7e308", "-1.7e308"] * 25, "tiny": ["5e-324", "0", "-5e-324", "2.2e-308"] * 25,
                "equal": ["7"] * 100, "offset": [repr(1e15 + i % 9) for i in range(100)], "one": ["3"] + [""] * 99,
                "none": [""] * 100, "zero": ["-0.0", "0.0"] * 50, "cat": ["x"] * 100,
                "cats": ["c%d" % i for i in range(100)], "bad": ["nan", "inf"] * 50}
        cur = {**base, "equal": ["8"] * 100, "one": ["4"] + [""] * 99, "cats": ["d%d" % i for i in range(100)],
               "huge": ["1.7e308"] * 100, "tiny": ["1e-310"] * 100}
        a, b = self.write_csv("a.csv", base), self.write_csv("b.csv", cur)
        for x, y in ((a, b), (b, a), (a, a)):
            for args in ((), ("--binning", "all", "--empty", "all", "--exact-p")):
                done = self.run_it(x, y, "--format", "json", *args)
                self.assertEqual(done.returncode, 0, done.stderr)
                out = json.loads(done.stdout, parse_constant=self.fail)
                self.assertEqual(len(out["columns"]), len(base))
                for row in out["columns"]:
                    self.assertTrue(0 <= row.get("p_adjusted", 0) <= 1, row)
                    for name in ("ks", "wasserstein1", "cramer_von_mises"):
                        self.assertTrue(row["grid"].get(name, {}).get("holds", True), (row["column"], row["grid"].get(name)))
                text = self.run_it(x, y, *args).stdout
                self.assertNotIn("OUT", text)
                self.assertNotRegex(text, r"[^a-z]-?(nan|inf)[^a-z]")
        rows = self.report(a, b)[1]
        self.assertEqual(rows["equal"]["exact"]["ks"]["d"], 1)
        self.assertEqual(rows["equal"]["exact"]["wasserstein1"], 1)
        self.assertEqual(rows["zero"]["exact"]["ks"]["d"], 0)
        self.assertEqual(rows["one"]["p"], 1)
        self.assertEqual(rows["none"]["exact"], {"why": "a side has no values"})
        self.assertEqual(rows["cats"]["exact"]["total_variation"], 1)
        self.assertEqual(rows["cats"]["exact"]["n_new_in_current"], 100)

    def test_gate_holds_small_samples(self):
        base = self.columns(400, 0)
        cur = {k: v[:30] for k, v in self.columns(400, 0).items()}
        a, b = self.write_csv("a.csv", base), self.write_csv("b.csv", cur)
        out, rows = self.report(a, b)
        self.assertEqual(out["verdict"], "ok")

    def test_columns_come_and_go(self):
        base, cur = self.columns(500, 0), self.columns(500, 0)
        del cur["count"]
        cur["fresh"] = cur["gauss"]
        out, rows = self.report(self.write_csv("a.csv", base), self.write_csv("b.csv", cur))
        self.assertEqual(out["new_columns"], ["fresh"])
        self.assertEqual((rows["count"]["verdict"], rows["count"]["why"]), ("critical", "missing_rate"))

    def test_column_types(self):
        a = self.write_csv("a.csv", {"mixed": ["1", "2", "x"] * 100, "n": ["1", " 2", "nan"] * 100, "empty": [""] * 300})
        b = self.write_csv("b.csv", {"mixed": ["1", "2", "3"] * 100, "n": ["1", "oops", "2"] * 100, "empty": [""] * 300})
        out, rows = self.report(a, b)
        self.assertEqual(rows["mixed"]["kind"], "categorical")
        self.assertAlmostEqual(rows["mixed"]["measures"]["unseen_rate"]["value"], 1 / 3)
        self.assertEqual(rows["n"]["kind"], "numeric")
        self.assertAlmostEqual(rows["n"]["measures"]["invalid_rate"]["baseline"], 1 / 3)
        self.assertAlmostEqual(rows["n"]["measures"]["invalid_rate"]["value"], 1 / 3)
        self.assertEqual(rows["empty"]["measures"]["psi"], {"why": "no_baseline"})
        out, rows = self.report(a, b, "--columns", "m*,e*")
        self.assertEqual(sorted(rows), ["empty", "mixed"])

    def test_ways_to_write_a_csv(self):
        """The same values with and without header, quotes, byte order mark, CR LF; from a pipe and standard input."""
        values = [(str(i % 7), ('a,"b"\r\n' if i % 3 else "x") + "\n" * (i % 2)) for i in range(200)]
        files = {}
        for name, header, mark, options in (("plain", True, "", {}), ("bare", False, "", {"quoting": csv.QUOTE_ALL}),
                                            ("marked", True, "\ufeff", {"lineterminator": "\n"})):
            with open(self.path(name + ".txt"), "w", newline="", encoding="utf-8") as f:
                f.write(mark)
                csv.writer(f, **options).writerows(([("n", "t")] if header else []) + values)
            files[name] = self.path(name + ".txt")
        want, rows = self.report(files["plain"], files["plain"])
        self.assertEqual(rows["t"]["measures"]["proportion"]["value"], rows["t"]["measures"]["proportion"]["baseline"])
        out, rows = self.report(files["plain"], files["marked"])
        self.assertEqual(out["columns"], want["columns"])
        self.assertEqual(out["new_columns"], [])
        out, rows = self.report(files["bare"], files["bare"], "--header", "n,t", "--types", "n:number,t:category")
        self.assertEqual(out["columns"], want["columns"])
        with open(files["plain"], "rb") as f:
            text = f.read()
        for data, args in ((text, [files["plain"], "-"]), (gzip.compress(text), ["-", files["plain"]])):
            done = subprocess.run([os.path.join(BUILD, "driftd"), "compare", *args, "--format", "json"], input=data,
                                  capture_output=True, timeout=60)
            self.assertEqual(json.loads(done.stdout)["columns"], want["columns"], done.stderr)
        with open(files["plain"], "rb") as f:
            done = subprocess.run([os.path.join(BUILD, "driftd"), "compare", "-", files["plain"], "--format", "json"],
                                  stdin=f, capture_output=True, timeout=60)
        self.assertEqual(json.loads(done.stdout)["columns"], want["columns"])
        os.mkfifo(self.path("pipe"))
        with subprocess.Popen(["cp", files["plain"], self.path("pipe")]):
            out, rows = self.report(files["plain"], self.path("pipe"))
        self.assertEqual(out["columns"], want["columns"])
        self.assertEqual(self.run_it("-", "-").returncode, 2)
        done = subprocess.run([os.path.join(BUILD, "driftd"), "compare", "-", files["plain"]], input="a\n1,2\n",
                              capture_output=True, text=True, timeout=60)
        self.assertIn("standard input:2: 2 fields", done.stderr)

    def test_numbers_that_no_longer_go_together(self):
        def rows(name, rho, n=4000):
            z = self.rng.standard_normal((6, n))
            z[4] = rho * z[1] + (1 - rho * rho) ** .5 * z[4]
            self.write_csv(name, {"f%d" % i: [repr(float(x)) for x in z[i]] for i in range(6)})
            return z

        before, after = rows("a.csv", .5), rows("b.csv", -.2)
        rows("same.csv", .5)
        files = self.path("a.csv"), self.path("b.csv")
        out, _ = self.report("--no-values", "--multivariate", *files)
        self.assertEqual(out["verdict"], "ok")  # every column is as it was
        m = out["multivariate"]
        worst = m["pairs"][0]
        self.assertEqual((worst["a"], worst["b"]), ("f1", "f4"))
        self.assertEqual(m["n_pairs"], 15)
        middle = np.median(before[[1, 4]], axis=1, keepdims=True)
        for key, side in (("agree_baseline", before), ("agree_current", after)):
            above = side[[1, 4]] > middle
            self.assertAlmostEqual(worst[key], (above[0] == above[1]).mean(), delta=.01)  # the grid's median
        self.assertLess(m["p"], 1e-20)
        self.assertLess(m["embedding"]["log10_p"], -20)
        self.assertTrue(all(p["p"] * 15 > 1e-3 for p in m["pairs"][1:]))
        text = self.run_it("--no-values", "--multivariate", *files).stdout
        self.assertEqual(text.count("on the same side of their medians"), 1, text)
        out, _ = self.report("--no-values", "--multivariate", self.path("a.csv"), self.path("same.csv"))
        self.assertGreater(min(out["multivariate"]["p"], out["multivariate"]["embedding"]["p"]), 1e-3)
        out, _ = self.report("--no-values", "--multivariate", "--columns", "f1", *files)
        self.assertIn("fewer than two numbers", out["multivariate"]["why"])
        self.assertNotIn("p", out["multivariate"]["embedding"])
        self.assertNotIn("multivariate", self.report("--no-values", *files)[0])

    def test_only_chosen_columns_count_against_the_limit(self):
        n, files = 70000, {}
        for name, shift in ("a", 0), ("b", 9):
            row = {"x%d" % i: 1 for i in range(n - 1)}
            with open(self.path(name + ".ndjson"), "w") as f:
                for i in range(60):
                    f.write(json.dumps({**(row if i == 30 else {}), "last": i + shift}) + "\n")
            files[name] = self.write_csv(name + ".csv", {**{"x%d" % i: [1] * 40 for i in range(9000)}, "last": range(shift, shift + 40)})
        for a, b in ((files["a"], files["b"]), (self.path("a.ndjson"), self.path("b.ndjson"))):
            columns = self.report(a, b, "--columns", "last,x7")[1]
            self.assertEqual(set(columns), {"last", "x7"})
            self.assertGreater(columns["last"]["measures"]["ks"]["effect"], 0)
        wide = self.write_csv("c.csv", {"c%d" % i: [1, 2, 3] for i in range(4096)})
        self.assertEqual(len(self.report(wide, wide, "--no-values")[1]), 4096)

    def test_a_number_beyond_double_is_no_category(self):
        a = self.write_csv("a.csv", {"x": ["1e400", "-1e999", *range(98)]})
        b = self.write_csv("b.csv", {"x": ["1e400", *range(98), "1e400x"]})
        row = self.report(a, b)[1]["x"]
        self.assertEqual(row["kind"], "numeric")
        self.assertAlmostEqual(row["measures"]["invalid_rate"]["baseline"], .02)
        self.assertAlmostEqual(row["measures"]["invalid_rate"]["value"], .02)

    def test_what_has_no_effect_is_said(self):
        a = self.write_csv("a.csv", {"x": [str(i) for i in range(20)], "y": ["a"] * 20})
        with open(self.path("a.ndjson"), "w") as f:
            f.write('{"x": 1}\n{"x": 2}\n')
        done = self.run_it(self.path("a.ndjson"), self.path("a.ndjson"), "--header", "a,b")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--header names the columns of CSV files, and both are NDJSON", done.stderr)
        done = self.run_it(a, a, "--types", "no*:category,x:number", "--columns", "x,z")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr, "driftd compare: --types no*: neither file has such a column\n"
                                      "driftd compare: --columns z: neither file has such a column\n")
        self.assertIn("unseen categories (left of >: what the baseline may have missed)", done.stdout)

    def test_values_that_were_not_read_are_not_said_to_be_none(self):
        n = 80000
        a = self.write_csv("a.csv", {"big": range(n), "none": [""] * n, "small": (["1"] + [""] * 99) * (n // 100)})
        lines = self.run_it(a, a, "--memory", "1MiB").stdout.split("from the values")[1].splitlines()
        rows = {line.split()[0]: line.split() for line in lines if line[:1].isalpha()}
        self.assertEqual([rows[c][2] for c in ("big", "none", "small")], ["-", "0>0", "800>800"])

    def test_numbers_beyond_32_are_named(self):
        z = np.random.default_rng(9).standard_normal((40, 3000))
        z[1] = z[0]
        files = []
        for name in "a", "b":
            files.append(self.write_csv(name + ".csv", {"f%02d" % i: [repr(float(x)) for x in z[i]] for i in range(40)}))
            z[1] = -z[0]
        text = self.run_it("--no-values", "--multivariate", *files).stdout
        self.assertIn("left out: f32, f33, f34, f35, f36, f37, f38, f39 (the first 32 columns are taken", text)
        self.assertRegex(text, r"in \d % of rows, was 100 % \(p 1e-\d{3,}\)")
        out, _ = self.report("--no-values", "--multivariate", *files)
        self.assertEqual(out["multivariate"]["left_out"], ["f%d" % i for i in range(32, 40)])
        self.assertLess(out["multivariate"]["pairs"][0]["log10_p"], -300)

    def test_too_few_rows_have_no_joint_distribution(self):
        for name, n in (("a", 1100), ("small", 1000), ("tiny", 250), ("b199", 199), ("b200", 200), ("b10", 10)):
            z = self.rng.standard_normal((3, n))
            self.write_csv(name + ".csv", {"f%d" % i: [repr(float(x)) for x in z[i]] for i in range(3)})

        def joint(a, b):
            files = self.path(a + ".csv"), self.path(b + ".csv")
            text = [self.run_it("--no-values", "--multivariate", "--format", f, *files).stdout for f in ("table", "markdown")]
            return self.report("--no-values", "--multivariate", *files)[0]["multivariate"], text

        m, _ = joint("a", "b200")
        self.assertIn("p", m["embedding"])
        self.assertNotIn("why", m)
        for a, b, why in (("a", "b199", "no answer, 199 rows, needs 200"),
                          ("small", "b200", "no answer, 1000 rows in the baseline, needs 1024"),
                          ("a", "b10", "no answer, 10 rows, needs 200")):
            m, texts = joint(a, b)
            self.assertEqual(m["embedding"], {"why": why})
            for text in texts:
                self.assertIn("joint distribution: " + why + "\n", text)
            if b == "b10":
                self.assertEqual(m["why"], "no answer, 10 rows, needs 30")
                self.assertNotIn("p", m)
                self.assertIn("pairs: no answer, 10 rows, needs 30\n", texts[0])
            else:
                self.assertIn("p", m)
        self.assertIn("fewer than 256 rows in the baseline", joint("tiny", "b200")[0]["why"])

    def test_control_characters_stay_off_the_terminal(self):
        a = self.write_csv("a.csv", {"evil\x1b[2J\x9b": ["1", "2"] * 50})
        done = self.run_it(a, a)
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("\x1b", done.stdout)
        self.assertIn("evil?[2J?", done.stdout)

    def test_refusals(self):
        good = self.write_csv("good.csv", self.columns(50, 0))

        def bad(name, text, status, words, *args):
            with open(self.path(name), "w", newline="") as f:
                f.write(text)
            done = self.run_it(self.path(name), good, *args)
            self.assertEqual(done.returncode, status, name)
            self.assertIn(words, done.stderr, name)
            self.assertEqual(done.stdout, "", name)

        bad("empty.csv", "", 2, "a header was expected")
        bad("short.csv", "a,b\n1,2\n3\n", 2, "short.csv:3: 1 fields, the header has 2")
        bad("long.csv", "a,b\n1,2,3\n", 2, "long.csv:2: 3 fields, the header has 2")
        bad("quote.csv", 'a,b\n"1,2\n3,4\n', 2, "ends inside quotes")
        bad("behind.csv", 'a,b\n"1"x,2\n', 2, "text behind a closing quote")
        bad("within.csv", 'a,b\n1,2\n5" pipe,2\n', 2, "within.csv:3: a quote inside an unquoted field")
        bad("wide.csv", "," * 5000 + "\n", 2, "wide.csv:1: more than 4096 columns: choose some with --columns")
        bad("wider.csv", "," * 65536 + "\n", 2, "wider.csv:1: more than 65536 fields: leave some out of the file", "--columns", "a")
        bad("wide.ndjson", "{}\n" + json.dumps({"c%d" % i: i for i in range(4097)}), 2,
            "wide.ndjson:2: more than 4096 columns: choose some with --columns")
        bad("name.ndjson", json.dumps({"a" * 257: 1}), 2, "name.ndjson:1: a column's name is longer than 256 bytes")
        bad("few.csv", "1,2\n3\n", 2, "few.csv:2: 1 fields, --header has 2", "--header", "a,b")
        bad("names.csv", "1,2\n", 2, "two columns have the same name", "--header", "a,a")
        with open(self.path("utf16.csv"), "w", encoding="utf-16") as f:
            f.write("a,b\n1,2\n")
        self.assertIn("UTF-16", self.run_it(self.path("utf16.csv"), good).stderr)
        bad("twice.csv", "a,a\n1,2\n", 2, "two columns have the same name")
        bad("nothing.csv", "a,b\n,\n", 2, "has no value")
        bad("bad.ndjson", '{"a":1}\n{"a":\n', 2, "bad.ndjson:2")
        bad("list.ndjson", "[1,2]\n", 2, "list.ndjson:1")
        bad("nolabel.csv", "a\n1\n2\n", 2, "no column y", "--label", "y")
        self.assertEqual(self.run_it(good, self.path("absent.csv")).returncode, 69)
        self.assertEqual(self.run_it(good, self.dir).returncode, 69)
        self.assertEqual(self.run_it(good).returncode, 2)
        self.assertEqual(self.run_it(good, good, "--warning", "0").returncode, 2)
        self.assertEqual(self.run_it(good, good, "--warning", "2").returncode, 2)
        self.assertEqual(self.run_it(good, good, "--types", "a=text").returncode, 2)
        self.assertEqual(self.run_it(good, good, "--format", "xml").returncode, 2)
        with gzip.open(self.path("cut.csv.gz"), "wt") as f:
            f.write("a,b\n" + "1,2\n" * 10000)
        with open(self.path("cut.csv.gz"), "r+b") as f:
            f.truncate(60)
        done = self.run_it(self.path("cut.csv.gz"), good)
        self.assertEqual(done.returncode, 69)
        self.assertIn("cut.csv.gz", done.stderr)
        shown = self.run_it("--help")
        self.assertEqual(shown.returncode, 0)
        self.assertIn("examples:", shown.stdout)


if __name__ == "__main__":
    unittest.main()
