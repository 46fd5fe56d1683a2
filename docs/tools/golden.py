#!/usr/bin/python3
"""docs/tools/golden.py    Makes docs/golden.md: what of the golden files is compared with driftd, and what is left out and why.

    docs/tools/golden.py [BUILD]    runs the three tests that compare (a minute or two) and writes the page

A golden file that no test names is an error."""
import os
import re
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
GOLDEN = os.path.join(os.environ.get("DRIFTD_SHARED") or os.path.join(ROOT, "..", "shared"), "golden")
TARGET = os.path.join(ROOT, "docs", "golden.md")
LABELS = "performance from labels: for the join of predictions and labels"
WHOLE = {"calibration": LABELS, "concept_streams": LABELS, "stream_scores": LABELS, "nslkdd_asof": LABELS}

HEAD = """# Golden values

Reference values that other tools computed (scipy, numpy, statsmodels, scikit-multiflow; their files say which) lie
beside the tree, in `../shared/golden`. Tests compare them with the library and with what `driftd compare` prints: figures
to 1e-9 of themselves, p-values to 1e-6, or the decimal logarithm where they underflow. Every leaf of a case is compared, or
left out by a pattern that has a reason; a pattern that matches nothing fails, and so does a file with fewer values than the
least that is written in the test. All that is compared is equal.

This page is made by `docs/tools/golden.py` from what the tests print.
"""


def run(*args, **more):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode:
        raise SystemExit(f"{args[0]} failed:\n{done.stdout[-4000:]}")
    return done.stdout


def table(out, head, rows):
    out += ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    out += ["| " + " | ".join(f"{c:,}" if isinstance(c, int) else c for c in row) + " |" for row in rows] + [""]


def reasons(out, found):
    out += ["| left out | what and why |", "|--:|---|"]
    out += [f"| {int(n):,} | {why} |" for n, why in found] + [""]


def of_library(text, files):
    rows = [(n, *map(int, rest)) for n, *rest in re.findall(r"^(\w+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$", text, re.M)]
    total = re.search(r"golden: (\d+) values compared in (\d+) cases", text)
    if not rows or sum(r[2] for r in rows) != int(total.group(1)):
        raise SystemExit("the table of stats_test_golden is not its total")
    files |= {r[0] for r in rows}
    out = ["## The library, on its own (`stats_test_golden`)", ""]
    table(out, ["file", "cases", "compared, equal", "of them to the last bit", "left out", "cases of labels"], rows)
    reasons(out, [(n, f"`{p}`: {why}") for n, p, why in re.findall(r"^excluded +(\d+)  (\S+) +(.*)$", text, re.M)])
    return out


def of_detectors(text, files):
    files |= {"multiple_testing", "detectors"}
    lines = re.findall(r"^((?:multiple_testing|adjusted|detectors).*)$", text, re.M)
    if len(lines) != 3:
        raise SystemExit(f"detect_test_golden says something else:\n{text}")
    return ["## Detectors and adjusted p-values (`detect_test_golden`)", ""] + [f"- {line}" for line in lines] + [""]


def of_compare(text, files):
    rows = [(n, *map(int, rest)) for n, *rest in
            re.findall(r"^(\w+): (\d+) cases, (\d+) families, (\d+) values compared and equal, (\d+) left out$", text, re.M)]
    windows = re.search(r"^\.*nslkdd_windows: (\d+) windows, (\d+) values compared and equal", text, re.M)
    if not rows or not windows:
        raise SystemExit(f"test_compare_golden says something else:\n{text}")
    rows.append(("nslkdd_windows", int(windows.group(1)), 0, int(windows.group(2)), int(windows.group(1))))
    files |= {r[0] for r in rows}
    out = ["## `driftd compare` on the same data (`test_compare_golden`)", ""]
    table(out, ["file", "cases", "families of p-values", "compared, equal", "left out"], rows)
    reasons(out, [(windows.group(1), "`final_labels` of a window: " + LABELS)] + re.findall(r"^left out (\d+): (.*)$", text, re.M))
    brackets = re.search(r"^(\d+) brackets of the grid hold$", text, re.M)
    return out + [f"Beside the exact figures, {int(brackets.group(1)):,} brackets of the daemon's grid were asked whether they hold them: all do.", ""]


def page(build):
    files = set()
    tests = os.path.join(build, "tests")
    out = of_library(run(os.path.join(tests, "stats_test_golden")), files)
    out += of_detectors(run(os.path.join(tests, "detect_test_golden")), files)
    out += of_compare(run(sys.executable, "-m", "unittest", "test_compare_golden", cwd=os.path.join(ROOT, "tests", "integration"),
                          env={**os.environ, "DRIFTD_BUILD": build}), files)
    there = {n[:-5] for n in os.listdir(GOLDEN) if n.endswith(".json")}
    if there != files | set(WHOLE):
        raise SystemExit(f"named by no test: {sorted(there - files - set(WHOLE))}; not there: {sorted((files | set(WHOLE)) - there)}")
    out += ["## Files left out whole", ""] + [f"- `{n}.json`: {why}" for n, why in sorted(WHOLE.items())]
    return HEAD + "\n" + "\n".join(out) + "\n"


if __name__ == "__main__":
    text = page(os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build", "release")))
    with open(TARGET, "w") as f:
        f.write(text)
