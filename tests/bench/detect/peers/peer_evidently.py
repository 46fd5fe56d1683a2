"""tests/bench/detect/peers/peer_evidently.py    Evidently's drift tests, window by window.

The tests and thresholds are those that DataDriftPreset picks; they are called where the preset calls them
(get_stattest), because a report draws pictures for most of a second a window.  conventions.py compares one window with
a report.
"""
import job
import numpy as np
import pandas as pd
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType

TYPES = {1: ColumnType.Numerical, 2: ColumnType.Categorical}


def series(values, kinds):
    """One Series a column, categories as text."""
    out = [pd.Series(values[:, k]).dropna() for k in range(len(kinds))]
    return [s.map(lambda v: f"{v:.0f}") if kind == 2 else s for s, kind in zip(out, kinds)]


def column_scores(reference, window, kinds, method):
    """Per column: drifted at the default, and a score that is 1 or more from the default threshold on."""
    drifted, scores = [], []
    for a, b, kind in zip(reference, window, kinds):
        if not len(a) or not len(b):
            continue
        test = get_stattest(a, b, TYPES[int(kind)], method)
        result = test(a, b, TYPES[int(kind)], None)
        drifted.append(bool(result.drifted))
        value, threshold = float(result.drift_score), float(result.actual_threshold)
        is_p = test.name in ("ks", "chisquare", "z")
        scores.append(job.p_score(value) / -np.log10(threshold) if is_p else value / threshold)
    return drifted, np.nan_to_num(np.array(scores), nan=0.0)


def methods(j):
    out = {name: {"flags": [], "score": []} for name in ("evidently any column", "evidently dataset", "evidently psi")}
    for run in range(j.runs):
        reference, rows = series(j.reference_rows(run), j.kind), {name: ([], []) for name in out}
        for window in (series(w, j.kind) for w in j.windows(run)):
            drifted, scores = column_scores(reference, window, j.kind, None)
            half = -(-len(drifted) // 2)
            answers = {"evidently any column": (any(drifted), scores.max()),
                       "evidently dataset": (sum(drifted) >= 0.5 * len(drifted), np.sort(scores)[-half])}
            drifted, scores = column_scores(reference, window, j.kind, "psi")
            answers["evidently psi"] = (any(drifted), scores.max())
            for name, (flag, score) in answers.items():
                rows[name][0].append(bool(flag))
                rows[name][1].append(float(score))
        for name, (flags, scores) in rows.items():
            out[name]["flags"].append(flags)
            out[name]["score"].append(scores)
    return out


if __name__ == "__main__":
    job.main(methods)
