"""tests/bench/detect/peers/job.py    What the peers' programs share: reading a job, writing what a method said.

A job is an .npz: values [rows, columns] (a category is its number), kind [columns] (1 numeric, 2 categorical), names,
order [runs, run rows], baseline and window in rows, reference (the last so many rows of the baseline are given to the
peer), defaults_only.  The answer is JSON, {method: {...}} with either
    flags [runs][windows]: alarms at the default;  score [runs][windows]: rises with drift, for other thresholds
or  ladder [[setting, flags], ...] from the most sensitive on, and default, the index of the default setting.
"""
import json
import os
import sys
import warnings

os.environ["DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")
import numpy as np  # noqa: E402


class Job:
    def __init__(self, path):
        with np.load(path) as f:
            self.values, self.kind, self.order = f["values"], f["kind"], f["order"]
            self.names = [str(n) for n in f["names"]]
            self.baseline, self.window, self.reference = int(f["baseline"]), int(f["window"]), int(f["reference"])
            self.defaults_only = bool(f["defaults_only"])
        self.runs = len(self.order)
        self.n_windows = (self.order.shape[1] - self.baseline) // self.window

    def reference_rows(self, run):
        rows = self.order[run, :self.baseline]
        return self.values[rows[-self.reference:]]

    def rows(self, run):
        """Everything behind the baseline that fills a window."""
        at = self.order[run, self.baseline:self.baseline + self.n_windows * self.window]
        return self.values[at]

    def windows(self, run):
        return self.rows(run).reshape(self.n_windows, self.window, -1)


def main(methods):
    """methods(job) -> the answer; a method that fails is answered as {"failed": why}."""
    out = methods(Job(sys.argv[1]))
    with open(sys.argv[2], "w") as f:
        json.dump(out, f, default=float)


def p_score(p):
    return float(-np.log10(max(float(p), 1e-300)))
