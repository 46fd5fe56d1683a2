"""tests/bench/detect/sets.py    The streams of `make bench-detect`: which rows, which windows, what drifts when.

A case has rows in their order.  Its first `baseline` rows are the reference; then come windows of `window` rows.  Drift
is known to begin at row `onset` (None: it does not).  The control of a case is a permutation of the rows
`control` names: it keeps ties, atoms and the dependence between columns, and nothing changes in it.
"""
import csv
import datetime
import gzip
import json
import os

import numpy as np

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
DATA = os.path.join(os.environ.get("DRIFTD_SHARED") or os.path.join(ROOT, "..", "shared"), "data")
HOUR = 3_600_000
SEED = 20260101


class Case:
    def __init__(self, name, values, names, window, baseline, *, kind=None, onset=None, control=None, runs=4, window_ms=HOUR,
                 spans=None, what=""):
        self.name, self.window, self.onset, self.runs, self.what = name, window, onset, runs, what
        self.values = np.ascontiguousarray(values, dtype=float)
        self.names, self.window_ms = list(names), window_ms
        self.kind = np.array(kind if kind is not None else [1] * len(self.names), dtype=np.uint8)
        self.baseline = baseline - baseline % window
        self.control = np.arange(len(self.values)) if control is None else control
        self.spans = spans or []  # rows [a, b) of published anomalies

    def windows(self, rows):
        return (rows - self.baseline) // self.window


def table(name):
    with gzip.open(os.path.join(DATA, name + ".csv.gz"), "rt", newline="") as f:
        rows = list(csv.reader(f))
    return rows[0], rows[1:]


def columns(head, rows, names):
    at = [head.index(n) for n in names]
    return np.array([[float(r[i]) for i in at] for r in rows])


def shuffled_within(groups):
    """Row numbers, shuffled inside each run of equal groups: recording order inside a session is not drift."""
    rng, order, begin = np.random.default_rng(SEED), [], 0
    for i in range(1, len(groups) + 1):
        if i == len(groups) or groups[i] != groups[begin]:
            order.extend((begin + rng.permutation(i - begin)).tolist())
            begin = i
    return np.array(order)


def elec2():
    head, rows = table("elec2")
    names = ["nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
    return Case("elec2", columns(head, rows, names), names, 144, 14400, onset=17424, runs=3, window_ms=72 * HOUR,
                what="three columns stand still until the market is joined at row 17,424")


def gas_drift():
    head, rows = table("gas_drift")
    names = [f"s{s:02}_f{f}" for s in range(1, 17) for f in (1, 2)]
    batch = [r[0] for r in rows]
    begin, onset = batch.index("3"), batch.index("4")
    order = shuffled_within(batch[begin:])
    return Case("gas_drift", columns(head, rows[begin:], names)[order], names, 20, 1440, onset=onset - begin, runs=3,
                what="ageing sensors: batch 3 is the reference, batch 4 begins at row 1,586")


def phishing_uci():
    head, rows = table("phishing_uci")
    names = [n for n in head if n != "result"]
    return Case("phishing_uci", columns(head, rows, names), names, 100, 7200, kind=[2] * len(names), onset=7200, runs=13,
                what="shifts in file order, within the baseline already; no date known")


def phishing_river():
    head, rows = table("phishing_river")
    names = [n for n in head if n != "is_phishing"]
    return Case("phishing_river", columns(head, rows, names), names, 25, 750, kind=[2] * len(names), runs=25,
                what="no drift found by anybody: a control in file order")


def cicids2017():
    head, rows = table("cicids2017_sample")
    names = [n for n in head if n != "Labelb"]
    begin, baseline, window = 7000, 8000, 100
    attack = columns(head, rows[begin:], ["Labelb"])[:, 0]
    shares = [attack[i:i + window].mean() for i in range(0, len(attack) - window + 1, window)]
    onset = next(i for i in range(baseline // window, len(shares)) if shares[i] >= 0.1) * window
    return Case("cicids2017", columns(head, rows[begin:], names), names, window, baseline, onset=onset, runs=4,
                what="quiet hours as reference; drift from the first window with a tenth of attacks on")


def keystroke():
    head, rows = table("keystroke")
    names = [f"k{i}" for i in range(1, 11)]
    order = shuffled_within([r[0] for r in rows])
    return Case("keystroke", columns(head, rows, names)[order], names, 20, 400, onset=400, runs=9,
                what="two sessions as reference, each later session on another day")


def nsl_kdd():
    head, train = table("nsl_kdd_train20")
    _, test = table("nsl_kdd_test")
    names = [n for n in head if n not in ("attack_type", "difficulty")]
    binary = {"land", "logged_in", "root_shell", "is_host_login", "is_guest_login", "su_attempted"}
    text = {"protocol_type", "service", "flag"}
    rows = train[:25100] + test
    values = np.empty((len(rows), len(names)))
    for k, name in enumerate(names):
        at = head.index(name)
        cells = [r[at] for r in rows]
        codes = {c: i for i, c in enumerate(sorted(set(cells)))} if name in text else None
        values[:, k] = [codes[c] if codes else float(c) for c in cells]
    return Case("nsl_kdd", values, names, 100, 12500, kind=[2 if n in text | binary else 1 for n in names], onset=25100,
                control=np.arange(25100), runs=3, what="train rows, then KDDTest+ from row 25,100 on")


def nab():
    with open(os.path.join(DATA, "nab_windows.json")) as f:
        published = json.load(f)
    for name, entry in sorted(published.items()):
        short = name[:-len(".csv.gz")]
        head, rows = table(short)
        times = [datetime.datetime.fromisoformat(r[0]) for r in rows]
        spans = []
        for a, b in ([datetime.datetime.fromisoformat(t) for t in w] for w in entry["windows"]):
            spans.append((next(i for i, t in enumerate(times) if t >= a), max(i for i, t in enumerate(times) if t <= b) + 1))
        quiet = spans[0][0] if spans else len(rows)
        baseline = min(int(quiet * (0.8 if spans else 0.45)), 2400)
        yield Case(short, columns(head, rows, ["value"]), ["value"], 24, baseline, onset=spans[0][0] if spans else None,
                   spans=spans, runs=4, window_ms=2 * HOUR, what="published anomalies" if spans else "a control with a daily season")


def all_cases():
    return [elec2(), gas_drift(), phishing_uci(), phishing_river(), cicids2017(), keystroke(), nsl_kdd(), *nab()]
