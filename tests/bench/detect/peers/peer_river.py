"""tests/bench/detect/peers/peer_river.py    river's ADWIN, PageHinkley and KSWIN on each numeric column.

They see event by event what the others see by window, first the baseline, then the rest; values are standardised by
the baseline's mean and standard deviation, since PageHinkley's threshold is in the values' unit.  A window alarms when
any column's detector does within it.  Their one parameter is the ladder.
"""
import job
import numpy as np
from river import drift

UPDATES_MAX = 4_100  # of KSWIN, a setting, at some .6 ms each: it gets the first permutations only
LADDERS = {
    "river adwin": (1, [(f"delta {d:g}", lambda d=d: drift.ADWIN(delta=d)) for d in (0.02, 0.002, 2e-5)]),
    "river page-hinkley": (1, [(f"threshold {t}", lambda t=t: drift.PageHinkley(threshold=t)) for t in (25, 50, 200)]),
    "river kswin": (0, [(f"alpha {a:g}", lambda a=a: drift.KSWIN(alpha=a, seed=1)) for a in (0.005,)]),
}


def flags_of(make, reference, rows, window):
    flags = np.zeros(len(rows) // window, bool)
    for k in range(rows.shape[1]):
        detector = make()
        update = detector.update
        for x in reference[:, k].tolist():
            if x == x:
                update(x)
        for i, x in enumerate(rows[:, k].tolist()):
            if x == x:
                update(x)
                if detector.drift_detected:
                    flags[i // window] = True
    return flags.tolist()


def methods(j):
    out = {}
    columns = [i for i, kind in enumerate(j.kind) if kind == 1]
    if not columns:
        return {name: {"failed": "no numeric column"} for name in LADDERS}
    for name, (default, ladder) in LADDERS.items():
        if j.defaults_only:
            default, ladder = 0, [ladder[default]]
        runs = j.runs if name != "river kswin" else min(j.runs, UPDATES_MAX // (j.order.shape[1] * len(columns)))
        if not runs:
            out[name] = {"failed": "too slow"}
            continue
        out[name] = {"default": default, "ladder": []}
        for setting, make in ladder:
            flags = []
            for run in range(runs):
                reference, rows = j.reference_rows(run)[:, columns], j.rows(run)[:, columns]
                mean, sd = np.nanmean(reference, axis=0), np.nanstd(reference, axis=0)
                sd = np.where(sd > 0, sd, 1.0)
                flags.append(flags_of(make, (reference - mean) / sd, (rows - mean) / sd, j.window))
            out[name]["ladder"].append([setting, flags])
    return out


if __name__ == "__main__":
    job.main(methods)
