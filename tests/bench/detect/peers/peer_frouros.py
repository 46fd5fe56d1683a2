"""tests/bench/detect/peers/peer_frouros.py    frouros' KSTest and PSI on each numeric column.

frouros gives p-values and distances and leaves thresholds to its user: p < .05 and PSI > .1 are the customary ones.
"""
import job
from frouros.detectors.data_drift import PSI, KSTest


def methods(j):
    out = {"frouros ks": {"flags": [], "score": []}, "frouros psi": {"flags": [], "score": []}}
    columns = [i for i, kind in enumerate(j.kind) if kind == 1]
    if not columns:
        return {name: {"failed": "no numeric column"} for name in out}
    for run in range(j.runs):
        reference, kept = j.reference_rows(run), []
        for i in columns:
            pair = KSTest(), PSI()
            for detector in pair:
                detector.fit(X=reference[:, i])
            kept.append((i, *pair))
        ks, psi = [], []
        for window in j.windows(run):
            ks.append(min(float(k.compare(X=window[:, i])[0].p_value) for i, k, _ in kept))
            psi.append(max(float(p.compare(X=window[:, i])[0].distance) for i, _, p in kept))
        out["frouros ks"]["flags"].append([p < 0.05 for p in ks])
        out["frouros ks"]["score"].append([job.p_score(p) for p in ks])
        out["frouros psi"]["flags"].append([d > 0.1 for d in psi])
        out["frouros psi"]["score"].append(psi)
    return out


if __name__ == "__main__":
    job.main(methods)
