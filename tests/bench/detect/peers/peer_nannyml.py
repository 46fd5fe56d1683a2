"""tests/bench/detect/peers/peer_nannyml.py    NannyML's univariate drift, chunks of one window each.

Default: Jensen-Shannon distance above mean + 3 standard deviations over the reference's chunks.  The score is that
distance in these standard deviations, so another threshold is another multiple.
"""
import job
import nannyml
import numpy as np
import pandas as pd


def frame(values, j):
    f = pd.DataFrame(values, columns=j.names)
    for name, kind in zip(j.names, j.kind):
        if kind == 2:
            f[name] = f[name].map(lambda v: f"{v:.0f}")
    return f


def methods(j):
    answer = {"flags": [], "score": []}
    for run in range(j.runs):
        reference = frame(j.reference_rows(run), j)
        calculator = nannyml.UnivariateDriftCalculator(
            column_names=j.names, treat_as_categorical=[n for n, k in zip(j.names, j.kind) if k == 2], chunk_size=j.window)
        result = calculator.fit(reference).calculate(frame(j.rows(run), j))
        before, after = (result.filter(period=p).to_df() for p in ("reference", "analysis"))
        flags, score = np.zeros(len(after), bool), np.zeros(len(after))
        for name in j.names:
            column = after[(name, "jensen_shannon")]
            flags |= column["alert"].to_numpy().astype(bool)
            known = before[(name, "jensen_shannon", "value")].to_numpy(dtype=float)
            rise, sd = column["value"].to_numpy(dtype=float) - known.mean(), known.std()
            score = np.fmax(score, rise / sd if sd > 0 else np.where(rise > 0, 1e300, 0.0))
        answer["flags"].append(flags[:j.n_windows].tolist())
        answer["score"].append(score[:j.n_windows].tolist())
    return {"nannyml js": answer}


if __name__ == "__main__":
    job.main(methods)
