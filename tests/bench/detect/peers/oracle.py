"""tests/bench/detect/peers/oracle.py    What a peer says of given samples; for conventions.py.

    oracle.py PEER SAMPLES.npz ANSWER.json

SAMPLES has <name>.base and <name>.window per sample, <name> beginning with n (numbers) or c (categories as numbers).
The answer is {name: {figure: value}}.  A figure's name says the convention; conventions.py knows what it is in driftd.
"""
import json
import os
import sys
import warnings

os.environ["DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")
import numpy as np  # noqa: E402


def text(values):
    return np.array([f"v{int(v)}" for v in values], dtype=object)


def evidently(a, b, numeric):
    import pandas as pd
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    kind = ColumnType.Numerical if numeric else ColumnType.Categorical
    x, y = (pd.Series(v) for v in ((a, b) if numeric else (text(a), text(b))))
    names = {"wasserstein": "w1_sd", "ks": "ks_p"} if numeric else {"psi": "psi_1e4", "jensenshannon": "js_nats", "hellinger": "hellinger"}
    return {figure: float(get_stattest(x, y, kind, name)(x, y, kind, None).drift_score) for name, figure in names.items()}


def evidently_report(a, b, numeric):
    """The same column through a whole report: what the preset shows is what get_stattest gave."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=["x"]) if numeric else DataDefinition(categorical_columns=["x"])
    sides = [Dataset.from_pandas(pd.DataFrame({"x": v if numeric else text(v)}), data_definition=definition) for v in (b, a)]
    metrics = Report([DataDriftPreset(method="wasserstein" if numeric else "psi")]).run(*sides).dict()["metrics"]
    value = [m["value"] for m in metrics if m["metric_name"].startswith("ValueDrift")][0]
    return {("w1_sd" if numeric else "psi_1e4") + " (report)": float(value)}


def nannyml(a, b, numeric):
    import nannyml as nml
    import pandas as pd

    methods = {"kolmogorov_smirnov": "ks_d", "wasserstein": "w1"} if numeric else {
        "jensen_shannon": "js_bits", "hellinger": "hellinger", "l_infinity": "linf", "chi2": "chi2"}
    as_is = (lambda v: v) if numeric else text
    size = min(len(a), len(b))
    calculator = nml.UnivariateDriftCalculator(column_names=["x"], continuous_methods=list(methods) if numeric else None,
                                               categorical_methods=None if numeric else list(methods),
                                               treat_as_categorical=[] if numeric else ["x"], chunk_size=size)
    result = calculator.fit(pd.DataFrame({"x": as_is(a)})).calculate(pd.DataFrame({"x": as_is(b)}))
    table = result.filter(period="analysis").to_df()
    return {figure: float(table[("x", name, "value")].iloc[0]) for name, figure in methods.items()}


def alibi(a, b, numeric):
    from alibi_detect.cd import ChiSquareDrift, KSDrift

    detector = KSDrift(a[:, None]) if numeric else ChiSquareDrift(a[:, None].astype(int))
    data = detector.predict(b[:, None] if numeric else b[:, None].astype(int))["data"]
    names = ("ks_d", "ks_finite_p") if numeric else ("chi2", "chi2_p")
    return {f"{names[0]} (single precision)": float(data["distance"][0]), f"{names[1]} (single precision)": float(data["p_val"][0])}


def frouros(a, b, numeric):
    from frouros.detectors.data_drift import EMD, ChiSquareTest, CVMTest, EnergyDistance, KSTest

    out = {}
    for make, value, p in ((KSTest, "ks_d", "ks_p"), (CVMTest, "cvm_t", None)) if numeric else ((ChiSquareTest, "chi2", "chi2_p"),):
        detector = make()
        detector.fit(X=a if numeric else text(a))
        result = detector.compare(X=b if numeric else text(b))[0]
        out[value] = float(result.statistic)
        if p:
            out[p] = float(result.p_value)
    for make, value in ((EMD, "w1"), (EnergyDistance, "energy")) if numeric else ():
        detector = make()
        detector.fit(X=a)
        out[value] = float(detector.compare(X=b)[0].distance)
    return out


def river(a, b, numeric):
    """Positions of drifts in baseline and window after each other."""
    from river import drift

    if not numeric:
        return {}
    sd = a.std() or 1.0
    out = {}
    for name, make in (("adwin", drift.ADWIN), ("page_hinkley", drift.PageHinkley)):
        detector, at = make(), []
        for i, x in enumerate(((np.concatenate([a, b]) - a.mean()) / sd).tolist()):
            detector.update(x)
            if detector.drift_detected:
                at.append(i)
        out[name] = at
    return out


def main():
    peer, samples, answer = sys.argv[1:]
    functions = [evidently, evidently_report] if peer == "evidently" else [globals()[peer]]
    out = {}
    with np.load(samples) as f:
        for name in sorted({k.split(".")[0] for k in f.files}):
            out[name] = {}
            for function in functions:
                out[name].update(function(f[name + ".base"], f[name + ".window"], name.startswith("n")))
    with open(answer, "w") as f:
        json.dump(out, f)


if __name__ == "__main__":
    main()
