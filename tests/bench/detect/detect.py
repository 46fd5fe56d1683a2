#!/usr/bin/python3
"""tests/bench/detect/detect.py    `make bench-detect`: driftd and its peers on the same windows of real data.

    tests/bench/detect/detect.py [--quick] [--only CASE] [--keep] [--docs]

Makes one virtual environment a peer (requirements.txt), cuts ../shared/data into windows, runs each peer's own code and
driftd's builder, phase I and evidence on them, and prints tables in Markdown.  --docs puts them between the markers of
docs/detection.md, --keep uses answers that are there already, --quick takes fewer permutations and windows.
Exit status 0 when driftd and at least one peer answered everywhere, 2 without the data.
"""
import argparse
import concurrent.futures
import configparser
import hashlib
import json
import math
import os
import re
import struct
import subprocess
import sys
import time

import numpy as np
from scipy import stats

import sets

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = sets.ROOT
BUILD = os.environ.get("DRIFTD_BUILD") or os.path.join(ROOT, "build", "release")
WORK = os.environ.get("BENCH_DETECT_DIR") or os.path.join(ROOT, "build", "bench-detect")
PAGE = os.path.join(ROOT, "docs", "detection.md")
PEERS = ["evidently", "nannyml", "alibi", "river", "frouros"]
LEVELS = [10, 20, 30, 50, 100, 200, 500, 1000, 2160]
CONFIGURED = 2160  # windows between false alarms: one per 90 days of hourly windows
MANY = 25          # driftd is cheap: its own control has so many times the permutations
TIMEOUT = 1500
DRIFTD = "driftd"
METHODS = {
    DRIFTD: f"**driftd**, one false alarm per {CONFIGURED:,} windows",
    "evidently any column": "Evidently preset, any column",
    "evidently dataset": "Evidently preset, half of the columns",
    "evidently psi": "Evidently, PSI of any column >= .1",
    "nannyml js": "NannyML, JS of any column > mean + 3 sd",
    "alibi-detect": "alibi-detect, KS or chi-square, Bonferroni .05",
    "frouros ks": "frouros KSTest, any p < .05",
    "frouros psi": "frouros PSI, any > .1",
    "river adwin": "river ADWIN, delta .002",
    "river page-hinkley": "river PageHinkley, threshold 50",
    "river kswin": "river KSWIN, alpha .005",
}

MATCHED = {
    DRIFTD: "**driftd**", "evidently any column": "Evidently preset, largest column", "evidently dataset": "Evidently preset, middle column",
    "evidently psi": "Evidently, largest PSI", "nannyml js": "NannyML, JS in standard deviations", "alibi-detect": "alibi-detect, least p-value",
    "frouros ks": "frouros KSTest, least p-value", "frouros psi": "frouros PSI, largest",
}


# --- environments -------------------------------------------------------------------------------------------------

def requirements():
    parser = configparser.ConfigParser(allow_no_value=True, delimiters=("\0",))
    parser.optionxform = str
    parser.read(os.path.join(HERE, "requirements.txt"))
    return {peer: list(parser[peer]) for peer in PEERS}


def environment(peer, wanted):
    """Path of the peer's Python, or why there is none: pip's last words."""
    home = os.path.join(WORK, "venv", peer)
    python, stamp = os.path.join(home, "bin", "python"), os.path.join(home, "installed")
    mark = hashlib.sha256("\n".join(wanted).encode()).hexdigest()
    if os.path.exists(stamp) and open(stamp).read() == mark:
        return python, None
    made = subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", home], capture_output=True, text=True)
    if made.returncode == 0:
        made = subprocess.run([python, "-m", "pip", "install", "-q", *wanted], capture_output=True, text=True)
    if made.returncode:
        return None, (made.stderr or made.stdout).strip().splitlines()[-1][:300]
    with open(stamp, "w") as f:
        f.write(mark)
    return python, None


# --- jobs ---------------------------------------------------------------------------------------------------------

class Work:
    """One case in one order or several: what every method gets."""

    def __init__(self, case, name, order, reference=None, defaults_only=False, baseline=None):
        self.case, self.name, self.order = case, name, np.ascontiguousarray(order, dtype=np.uint32)
        self.baseline = baseline or case.baseline
        self.reference, self.defaults_only = reference or self.baseline, defaults_only

    @property
    def n_windows(self):
        return (self.order.shape[1] - self.baseline) // self.case.window

    def write(self, path):
        """For peers: they get the last `reference` rows of the baseline."""
        c = self.case
        used, order = np.unique(self.order[:, self.baseline - self.reference:], return_inverse=True)
        np.savez(path, values=c.values[used], kind=c.kind, names=np.array(c.names), order=order.reshape(len(self.order), -1),
                 baseline=self.reference, window=c.window, reference=self.reference, defaults_only=self.defaults_only)

    def write_driftd(self, path, order):
        c = self.case
        used, at = np.unique(order, return_inverse=True)
        at = at.reshape(np.shape(order))
        with open(path, "wb") as f:
            f.write(b"DRFTWIN1" + struct.pack("<6Iq", len(c.names), len(used), len(at), at.shape[1], self.baseline, c.window,
                                              c.window_ms))
            for name, kind in zip(c.names, c.kind):
                f.write(struct.pack("<BB", int(kind), len(name.encode())) + name.encode())
            np.ascontiguousarray(c.values[used], dtype="<f8").tofile(f)
            at.astype("<u4").tofile(f)


def permutations(case, runs, stream=0):
    rng = np.random.default_rng([sets.SEED, stream, int(hashlib.sha256(case.name.encode()).hexdigest()[:8], 16)])
    return np.array([rng.permutation(case.control) for _ in range(runs)])


def run_peer(peer, python, work, keep):
    path = os.path.join(WORK, f"{work.name}")
    answer = f"{path}.{peer}.json"
    if keep and os.path.exists(answer):
        return peer, work.name, json.load(open(answer)), 0.0
    begun = time.monotonic()
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    try:
        done = subprocess.run([python, os.path.join(HERE, "peers", f"peer_{peer}.py"), path + ".npz", answer], env=env,
                              capture_output=True, text=True, timeout=TIMEOUT)
        why = done.stderr.strip().splitlines()[-1][:200] if done.returncode else None
    except subprocess.TimeoutExpired:
        why = f"longer than {TIMEOUT} s"
    result = {"(all)": {"failed": why}} if why else json.load(open(answer))
    return peer, work.name, result, time.monotonic() - begun


def run_driftd(work, order=None, levels=LEVELS):
    """(baseline verdicts, {A: flags [runs][windows]}, {A: first columns named})."""
    path = os.path.join(WORK, f"{work.name}.windows")
    work.write_driftd(path, work.order if order is None else order)
    done = subprocess.run([os.path.join(BUILD, "tests", "detect_windows"), path, *map(str, levels)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{work.name}: {done.stderr.strip()}")
    os.remove(path)
    verdicts, flags, named = [], {a: [] for a in levels}, {a: [] for a in levels}
    for line in done.stdout.splitlines():
        said = json.loads(line)
        verdicts.append(said)
        for a in levels:
            row = [False] * work.n_windows
            for w, _ in said["alarms"][str(a)]:
                row[w] = True
            flags[a].append(row)
            named[a].append([tuple(x) for x in said["alarms"][str(a)]])
    return verdicts, flags, named


# --- reading answers ----------------------------------------------------------------------------------------------

def at_default(answer):
    if "ladder" in answer:
        return answer["ladder"][answer["default"]][1]
    return answer["flags"]


def allowance(n):
    """False alarms that a matched setting may have in n permuted windows: one per 250."""
    return max(1, n // 250)


def matched(control, drift):
    """Flags on the drift at the most sensitive setting with so few false alarms on the control, and the setting."""
    allowed = allowance(np.size(at_default(control)))
    if "ladder" in control:
        for (setting, quiet), (_, flags) in zip(control["ladder"], drift["ladder"]):
            if count(quiet) <= allowed:
                return flags, setting
        return None, "none of those tried"
    score = np.sort(np.concatenate([np.ravel(r) for r in control["score"]]))[::-1]
    limit = score[allowed] if allowed < len(score) else -math.inf
    return (np.array(drift["score"]) > limit).tolist(), f"{limit:.3g}"


def count(flags):
    return int(np.sum(flags))


def poisson(k, n):
    """95 % interval of a rate per 1,000 from k in n."""
    low = stats.chi2.ppf(0.025, 2 * k) / 2 if k else 0.0
    return 1000 * low / n, 1000 * stats.chi2.ppf(0.975, 2 * k + 2) / 2 / n


def short(x):
    return f"{x:.0f}" if x >= 9.95 else f"{x:.1f}"


def rate_cell(k, n):
    low, high = poisson(k, n)
    return f"{short(1000 * k / n)} ({short(low)} .. {short(high)})" if k else f"0 (.. {short(high)})"


class Delay:
    """First alarm at or behind the onset, and alarms before it."""

    def __init__(self, case, flags):
        row, start = np.array(flags), (case.onset - case.baseline) / case.window
        first = math.ceil(start)  # the first window that is wholly behind the onset
        self.before, self.quiet = int(row[:int(start)].sum()), int(start)
        hits = np.flatnonzero(row[int(start):])
        self.windows = int(start) + int(hits[0]) + 1 - start if len(hits) else None
        self.events = None if self.windows is None else math.ceil(self.windows * case.window)
        self.flagged, self.after = int(row[first:].sum()), len(row) - first

    def cell(self):
        where = f"{math.ceil(self.windows)} ({self.events:,})" if self.windows is not None else "missed"
        return where + (f", {self.before} of {self.quiet} before" if self.quiet else "")


def spans_cell(case, flags):
    """Published anomalies found, and alarms outside of them."""
    row = np.array(flags)
    inside = np.zeros(len(row), bool)
    found = 0
    for a, b in case.spans:
        low, high = max(0, (a - case.baseline) // case.window), min(len(row), -(-(b - case.baseline) // case.window))
        inside[low:high] = True
        found += bool(row[low:high].any())
    return found, int((row & ~inside).sum()), int((~inside).sum())


def markdown(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(r) + " |" for r in rows])


# --- tables -------------------------------------------------------------------------------------------------------

class Results:
    def __init__(self):
        self.answers, self.driftd, self.many, self.works = {}, {}, {}, {}

    def answer(self, work, method):
        """The method's answer for a work; None when its program failed or has none."""
        if method == DRIFTD:
            verdicts, flags, _ = self.driftd[work]
            return {"default": LEVELS.index(CONFIGURED), "ladder": [[f"one per {a:,}", flags[a]] for a in LEVELS]}
        for (peer, name), said in self.answers.items():
            if name == work and method in said:
                return None if "failed" in said[method] else said[method]
        return None

    def methods(self, works):
        return [m for m in METHODS if any(self.answer(w, m) for w in works)]


def table_controls(r, cases):
    rows = []
    for m in METHODS:
        cells = []
        for group in cases:
            answers = [(r.answer(f"{c.name}.control", m), r.works[f"{c.name}.control"]) for c in group]
            if m == DRIFTD:
                k = sum(count(r.many[c.name]) for c in group)
                n = sum(np.size(r.many[c.name]) for c in group)
            else:
                k = sum(count(at_default(a)) for a, _ in answers if a)
                n = sum(np.size(at_default(a)) for a, _ in answers if a)
            cells.append(rate_cell(k, n) if n else "-")
        if any(c != "-" for c in cells):
            rows.append([METHODS[m], *cells])
    head = ["false alarms per 1,000 windows"] + [group_name(g) for g in cases]
    sizes = ["windows (driftd's)"] + [
        f"{sum(r.works[c.name + '.control'].order.shape[0] * r.works[c.name + '.control'].n_windows for c in g):,} "
        f"({sum(np.size(r.many[c.name]) for c in g):,})" for g in cases]
    return markdown(head, [*rows, sizes])


def group_name(group):
    return "nab (6)" if len(group) > 1 else group[0].name


def table_natural_controls(r, cases):
    """Streams in their own order in which nothing is known to happen."""
    rows = []
    for m in METHODS:
        cells = []
        for c, end in cases:
            a = r.answer(f"{c.name}.drift", m)
            cells.append(f"{count(np.array(at_default(a)[0])[:end])} of {end}" if a else "-")
        if any(x != "-" for x in cells):
            rows.append([METHODS[m], *cells])
    return markdown(["windows with a false alarm"] + [c.name + (" (train rows)" if c.onset else "") for c, _ in cases], rows)


def table_delays(r, cases, default=True):
    rows = []
    for m in METHODS:
        cells = []
        for c in cases:
            control, drift = r.answer(f"{c.name}.control", m), r.answer(f"{c.name}.drift", m)
            if not control or not drift:
                cells.append("-")
            elif default:
                cells.append(Delay(c, at_default(drift)[0]).cell())
            else:
                flags, _ = matched(control, drift)
                cells.append(Delay(c, flags[0]).cell() if flags else "none quiet enough")
        if any(x != "-" for x in cells):
            rows.append([METHODS[m] if default else MATCHED.get(m, METHODS[m].split(",")[0]), *cells])
    return markdown(["first alarm, windows (events) after the onset"] + [c.name for c in cases], rows)


def table_settings(r, cases):
    rows = []
    for m in METHODS:
        cells = []
        for c in cases:
            control, drift = r.answer(f"{c.name}.control", m), r.answer(f"{c.name}.drift", m)
            cells.append(matched(control, drift)[1] if control and drift else "-")
        if any(x != "-" for x in cells):
            rows.append([MATCHED.get(m, METHODS[m].split(",")[0]), *cells])
    return markdown(["setting that the null allows"] + [c.name for c in cases], rows)


def table_nab(r, cases):
    rows = []
    for m in METHODS:
        total = [[0, 0, 0], [0, 0, 0]]
        known = False
        for c in cases:
            control, drift = r.answer(f"{c.name}.control", m), r.answer(f"{c.name}.drift", m)
            if not drift or not control:
                continue
            known = True
            strict, _ = matched(control, drift)
            for i, flags in enumerate((at_default(drift)[0], strict[0] if strict else [False] * len(at_default(drift)[0]))):
                total[i] = [a + b for a, b in zip(total[i], spans_cell(c, flags))]
        if known:
            spans = sum(len(c.spans) for c in cases)
            rows.append([METHODS[m], *(x for f, o, n in total for x in (f"{f} of {spans}", f"{o} of {n}"))])
    return markdown(["six NAB series in their own order", "anomalies found", "alarms elsewhere", "found, matched", "elsewhere, matched"], rows)


def baseline_words(verdict):
    if verdict["promised"] and not verdict["flags"]:
        return "kept"
    words = [w for w in verdict["flags"] if w not in ("split", "slow", "wide")]
    for flag, text in (("split", "the baseline itself changes in"), ("slow", "too slow wander in"), ("wide", "wide natural variation of")):
        names = [f"`{c['name']}`" + (f" at window {c['split']}" if flag == "split" else "") for c in verdict["columns"] if flag in c["flags"]]
        if names:
            words.append(f"{text} {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else ""))
    return ("kept; " if verdict["promised"] else "**withdrawn**: ") + "; ".join(words)


def table_baselines(r, cases):
    rows = []
    for c in cases:
        control, drift = r.driftd[f"{c.name}.control"][0], r.driftd[f"{c.name}.drift"][0][0]
        kept = sum(v["promised"] for v in control)
        rows.append([c.name, f"{drift['windows']} x {c.window}", str(len(c.names)), baseline_words(drift),
                     f"{kept} of {len(control)}" + ("" if kept else f": {', '.join(w for w in control[0]['flags'])}"), c.what])
    return markdown(["stream", "baseline", "columns", "promise, rows in their own order", "promise, rows permuted", "what is known"], rows)


# --- the synthetic table ------------------------------------------------------------------------------------------

CHANGES = [("mean +.05 sd", .05, 1), ("mean +.1 sd", .1, 1), ("mean +.2 sd", .2, 1), ("mean +.3 sd", .3, 1), ("sd x 1.05", 0, 1.05), ("sd x 1.1", 0, 1.1)]
F, N, W0, REFERENCE = 50, 1000, 336, 20000


def synthetic(quiet, changed):
    """One baseline, windows without change, then for each change as many windows that differ in one column only."""
    rng = np.random.default_rng(sets.SEED)
    values = [rng.standard_normal(((W0 + quiet) * N, F))]
    tail = rng.standard_normal((changed * N, F))
    for _, shift, scale in CHANGES:
        values.append(np.column_stack([shift + scale * tail[:, 0], tail[:, 1:]]))
    case = sets.Case("normal50", np.concatenate(values), [f"f{i:02}" for i in range(F)], N, W0 * N)
    base, blocks = np.arange(W0 * N), [(W0 * N, quiet * N)] + [((W0 + quiet + k * changed) * N, changed * N) for k in range(len(CHANGES))]
    return [Work(case, f"normal50.{k}", [np.concatenate([base, np.arange(at, at + n)])], REFERENCE, True) for k, (at, n) in enumerate(blocks)]


def spacing(flags):
    """Windows from one alarm to the next on average, each alarm starting anew; a bound when there was none."""
    return f"{len(flags) / count(flags):.3g}" if count(flags) else f"> {len(flags)}"


def table_synthetic(r, works, default=True):
    rows, n = [], works[0].n_windows
    for m in METHODS:
        control = r.answer(works[0].name, m)
        if m.startswith("river") or not control:
            continue
        if default:
            k = count(at_default(control)[0])
            low, high = (x / 2 for x in poisson(k, n))
            cells = [f"{short(500 * k / n)} ({short(low)} .. {short(high)})"]
        else:
            quiet, setting = matched(control, control)
            cells = [setting, str(count(quiet[0])) if quiet else "-"]
        for w in works[1:]:
            answer = r.answer(w.name, m)
            flags = at_default(answer) if default else matched(control, answer)[0]
            cells.append(spacing(flags[0]) if flags else "none quiet enough")
        rows.append([(METHODS if default else MATCHED)[m], *cells])
    head = ["at its default", f"false-alarm windows per 500 ({n} seen)"] if default else ["at a matched rate", "setting", f"false alarms in {n}"]
    return markdown(head + [c[0] for c in CHANGES], rows)


# --- all of it ----------------------------------------------------------------------------------------------------

def collect(args, cases, pythons):
    r, jobs = Results(), []
    works = []
    for c in cases:
        runs = max(2, c.runs // 3) if args.quick else c.runs
        works.append(Work(c, f"{c.name}.control", permutations(c, runs)))
        works.append(Work(c, f"{c.name}.drift", [np.arange(len(c.values))]))
        many = runs * (5 if args.quick else MANY)
        r.many[c.name] = run_driftd(works[-2], permutations(c, many, 1), [CONFIGURED])[1][CONFIGURED]
    if not args.only:
        r.synthetic = synthetic(*((50, 8) if args.quick else (500, 200)))
        works += r.synthetic
    for w in works:
        r.works[w.name] = w
        r.driftd[w.name] = run_driftd(w)
        w.write(os.path.join(WORK, w.name))
        print(f"driftd {w.name}: {w.order.shape[0]} x {w.n_windows} windows", file=sys.stderr, flush=True)
    slow = {"evidently": 0, "frouros": 1, "alibi": 2, "nannyml": 3, "river": 4}
    jobs = [(p, w) for p in pythons for w in works if not (p == "river" and w.name.startswith("normal50"))]
    jobs.sort(key=lambda j: (slow[j[0]], -j[1].order.size * len(j[1].case.names)))
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run_peer, p, pythons[p], w, args.keep) for p, w in jobs]):
            peer, name, said, seconds = done.result()
            r.answers[peer, name] = said
            bad = "; ".join(f"{m}: {a['failed']}" for m, a in said.items() if "failed" in a)
            print(f"{peer} {name}: {seconds:.0f} s {bad}", file=sys.stderr, flush=True)
    for w in works:
        os.remove(os.path.join(WORK, w.name + ".npz"))
    return r


def failures(r):
    rows = sorted({f"{peer} on {name}: {m if m != '(all)' else ''} {a['failed']}" for (peer, name), said in r.answers.items()
                   for m, a in said.items() if "failed" in a and a["failed"] not in ("no numeric column", "too slow")})
    return "\n".join(f"- {x}" for x in rows) or "Every program answered everywhere."


def report(r, cases, missing, wanted, quick):
    singles = [c for c in cases if not c.name.startswith("nab_")]
    nab = [c for c in cases if c.name.startswith("nab_")]
    drifting = [c for c in singles if c.onset is not None]
    groups = [[c] for c in singles] + ([nab] if nab else [])

    parts = {"controls": table_controls(r, groups)}
    quiet = [(c, c.windows(c.onset) if c.onset else c.windows(len(c.values))) for c in cases
             if c.name in ("nsl_kdd", "phishing_river", "nab_art_daily_small_noise")]
    if quiet:
        parts["natural"] = table_natural_controls(r, quiet)
    if drifting:
        parts["delays"] = table_delays(r, drifting)
        parts["matched"] = table_delays(r, drifting, False)
        parts["settings"] = table_settings(r, drifting)
    if nab:
        parts["nab"] = table_nab(r, nab)
    parts["baselines"] = table_baselines(r, cases)
    if hasattr(r, "synthetic"):
        parts["synthetic"] = table_synthetic(r, r.synthetic)
        parts["synthetic_matched"] = table_synthetic(r, r.synthetic, False)
    parts["versions"] = ", ".join(wanted[p][0].replace("==", " ") for p in PEERS if p not in missing) + (
        "" if not missing else ".\n\nNot installed:\n\n" + "\n".join(f"- {p}: {why}" for p, why in missing.items()))
    parts["failures"] = failures(r)
    parts["form"] = "The short form (`QUICK=1`)." if quick else ""
    return parts


def put(parts):
    """Between `<!-- name -->` and `<!-- end name -->` of the page."""
    with open(PAGE) as f:
        text = f.read()
    for name, body in parts.items():
        text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", lambda m: m.group(1) + (body + "\n" if body else "") + m.group(2), text, flags=re.S)
    with open(PAGE, "w") as f:
        f.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", metavar="CASE")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    if not os.path.isdir(sets.DATA):
        print(f"no data in {sets.DATA}: set DRIFTD_SHARED to the directory that has data/", file=sys.stderr)
        return 2
    begun = time.monotonic()
    os.makedirs(WORK, exist_ok=True)
    wanted, pythons, missing = requirements(), {}, {}
    for peer in PEERS:
        python, why = environment(peer, wanted[peer])
        if why:
            missing[peer] = why
            print(f"{peer}: not installed: {why}", file=sys.stderr)
        else:
            pythons[peer] = python
    cases = [c for c in sets.all_cases() if not args.only or c.name == args.only]
    r = collect(args, cases, pythons)
    parts = report(r, cases, missing, wanted, args.quick)
    for name, body in parts.items():
        print(f"### {name}\n\n{body}\n")
    print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    if args.docs:
        put(parts)
    return 0 if pythons else 1


if __name__ == "__main__":
    sys.exit(main())
