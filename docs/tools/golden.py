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
beside the tree, in `../shared/golden`. Tests compare them with the library and with what `driftd compare` prints. Every leaf
of a case is compared, or left out by a pattern that has a reason; a pattern that matches nothing fails, and so does a file with
fewer values than the least that is written in the test. "Equal" below means

- figures: within 1e-9 of themselves;
- p-values: within 1e-6 of themselves; where both are below 1e-290, by their logarithm if the file has one;
- decimal logarithms of p-values: within 1e-6 of themselves;
- or within an absolute slack, which only these have, since the reference sums terms that cancel and has no more digits:

{slacks}
{rounded} of the library's {compared} values need one. Cramér-von Mises p-values below 1e-6 are not compared: scipy gets them
as 1 less a sum that stops at 1e-7, so they are rounding noise. The tests ask whether driftd's are below 1e-6, too, and count
them as left out.

This page is made by `docs/tools/golden.py` from what the tests print.
"""
WHERE = {"g": "G of the likelihood-ratio test", "t_scipy_midrank": "Cramér-von Mises T by mid-ranks", "chi2": "chi-square (of equal shares: 0)",
         "cramers_v": "Cramér's V (likewise)", "skew": "skew (of symmetric data)", "js_divergence_base2": "Jensen-Shannon divergence"}


def slacks():
    """The table of both tests, which must be one; and what both say in code."""
    with open(os.path.join(ROOT, "tests", "unit", "stats", "values.h"), encoding="utf-8") as f:
        text = f.read()
    ours = {n: float(v) for n, v in re.findall(r'\{"(\w+)", (\de-\d+)\}', text[text.index("} sums[] ="):text.index("is_cvm_p")])}
    sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
    import test_compare_golden
    if ours != test_compare_golden.SLACK or set(ours) != set(WHERE):
        raise SystemExit(f"values.h has the slacks {ours}, test_compare_golden.py {test_compare_golden.SLACK}, this page {sorted(WHERE)}")
    rows = [(f"`{n}`", WHERE[n], f"{v:.0e}".replace("e-0", "e-")) for n, v in ours.items()]
    rows += [("`js_distance_*`", "Jensen-Shannon distance", "1e-15 in its square"),
             ("`p_scipy_asymptotic`, `p_asymptotic_of_t_ecdf`", "Cramér-von Mises p-values of 1e-6 and more", "1e-11"),
             ("`*log10*`", "logarithm of a p-value of nearly 1 (library only)", "1e-12")]
    return "\n".join(["| leaf | what | slack |", "|---|---|---|"] + ["| " + " | ".join(r) + " |" for r in rows]) + "\n"


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


def of_library(text, files, head):
    rows = [(n, *map(int, rest)) for n, *rest in re.findall(r"^(\w+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$", text, re.M)]
    total = re.search(r"golden: (\d+) values compared in (\d+) cases \((\d+) of them", text)
    if not rows or sum(r[2] for r in rows) != int(total.group(1)):
        raise SystemExit("the table of stats_test_golden is not its total")
    files |= {r[0] for r in rows}
    head["compared"], head["rounded"] = f"{int(total[1]):,}", total[3]
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
    files, head = set(), {"slacks": slacks()}
    tests = os.path.join(build, "tests")
    out = of_library(run(os.path.join(tests, "stats_test_golden")), files, head)
    out += of_detectors(run(os.path.join(tests, "detect_test_golden")), files)
    out += of_compare(run(sys.executable, "-m", "unittest", "test_compare_golden", cwd=os.path.join(ROOT, "tests", "integration"),
                          env={**os.environ, "DRIFTD_BUILD": build}), files)
    there = {n[:-5] for n in os.listdir(GOLDEN) if n.endswith(".json")}
    if there != files | set(WHOLE):
        raise SystemExit(f"named by no test: {sorted(there - files - set(WHOLE))}; not there: {sorted((files | set(WHOLE)) - there)}")
    out += ["## Files left out whole", ""] + [f"- `{n}.json`: {why}" for n, why in sorted(WHOLE.items())]
    return HEAD.format(**head) + "\n" + "\n".join(out) + "\n"


if __name__ == "__main__":
    text = page(os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build", "release")))
    with open(TARGET, "w") as f:
        f.write(text)
